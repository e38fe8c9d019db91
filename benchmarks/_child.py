"""A method's answer to a task, by a process that can be ended."""

import multiprocessing
import warnings

from peers._peer import TOO_SLOW, UnfitError, cpu_seconds, limit, peak_mb

TOO_LONG = "too long"


def in_child(method, task, most):
    """Return what a function says of a task, its seconds and peak_mb, or why it failed.

    ``most`` is of seconds of processor.
    """
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(method, task, most, writer))
    process.start()
    writer.close()
    try:
        return reader.recv()
    except EOFError:
        process.join()
        slow = -process.exitcode in TOO_SLOW
        return {"failed": TOO_LONG if slow else f"ended by signal {-process.exitcode}"}
    finally:
        process.join()


def _answer(method, task, most, writer):
    limit(most)
    warnings.simplefilter("ignore")
    start = cpu_seconds()
    try:
        said = method(task)
    except UnfitError as error:
        writer.send({"failed": str(error)})
    except Exception as error:
        writer.send({"failed": f"{type(error).__name__}: {error}".splitlines()[0][:150]})
    else:
        writer.send({"said": said, "seconds": cpu_seconds() - start, "peak_mb": peak_mb()})
