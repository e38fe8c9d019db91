"""A fit of a model to a table: solved for, trained, or whichever of the two predicts better."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skginr.network._model import Model
from skginr.network._settings import Settings
from skginr.network.solving import Solution, judge
from skginr.network.training import (
    NO_LIMIT,
    BestWeights,
    Constant,
    EpochBar,
    Loss,
    RepairDivergence,
    Schedule,
    SquaredLoss,
    StopOnDivergence,
    TensorTable,
    factor_of,
    rows_by_chance,
    train,
)

# Rows from which on a training by descent is tried as well, and up to which all have a say in that.
_ENOUGH_TO_DESCEND, _ENOUGH_TO_TELL = 1000, 50_000
# Which share of them is held out, and how many standard errors of the difference the descent has
# to be better by.
_HELD_OUT, _CHANCE = 0.1, 2.0


class Outcome(NamedTuple):
    """What came of a fit.

    Attributes
    ----------
    model : Model
        Fitted.
    settings : Settings
        By which it was, numbers in place of "auto" where there are any.
    reason : str
        Why the fit ended.
    held_out : Tensor of shape (n_rows, n_outputs), optional
        Predictions of rows when they were held out, where the last layer was solved for.
    """

    model: Model
    settings: Settings
    reason: str
    held_out: torch.Tensor | None = None


@dataclass(frozen=True)
class Fitter:
    """Fits models to tables, with what a user has go along.

    Parameters
    ----------
    callbacks : list of skorch callbacks
    accelerator : accelerate.Accelerator or None
        By which processes train together.
    shows_progress : bool
    """

    callbacks: list[Any]
    accelerator: Any
    shows_progress: bool

    def fit(self, model: Model, settings: Settings, table: TensorTable) -> Outcome:
        """Solve for the last layer of a model, or train all of it, as settings say."""
        n_steps = model.set_up(settings, table)
        if settings.solves:
            return self._solve(model, settings, table)
        return self._descend(model, settings, table, n_steps)

    def fit_one_epoch(self, model: Model, settings: Settings, table: TensorTable) -> Outcome:
        """Train for one epoch at a constant rate, whatever settings say of when to end."""
        # Nothing is chosen after one epoch, so that no row need be held out.
        settings = dataclasses.replace(
            settings, validation="off", max_epochs=1, schedule="constant"
        )
        model.set_up(settings, table)
        callbacks = {"schedule": Schedule(Constant()), "divergence": StopOnDivergence()}
        self._train(model, settings, table, n_epochs=1, first=callbacks)
        model.forget_held_out()
        return Outcome(model, settings, "partial_fit trains one epoch")

    def _descend(
        self, model: Model, settings: Settings, table: TensorTable, n_steps: int
    ) -> Outcome:
        n_epochs = settings.n_epochs(n_steps)
        average = settings.schedule == "anytime"
        best = BestWeights(settings.stop_rules, loss=model.target.loss, average=average)
        schedule = Schedule(factor_of(settings.schedule, n_epochs * n_steps))
        self._train(
            model,
            settings,
            table,
            n_epochs=n_epochs,
            first={
                "schedule": schedule,
                "divergence": RepairDivergence(best, schedule),
                **self._bar(n_epochs),
            },
            # It may stop the training: the others have seen the epoch.
            last={"best": best},
            max_time=best.rules.max_time,
        )
        stopped = "stopped by a callback" if model.net.stop_requested_ else None
        reason = best.reason_ or stopped or f"reached max_epochs={n_epochs}"
        model.forget_held_out()
        return Outcome(model, _worked_out(model, settings, n_epochs), reason)

    def _solve(self, model: Model, settings: Settings, table: TensorTable) -> Outcome:
        held_out: torch.Tensor | None = None

        def solve() -> dict[str, float]:
            nonlocal held_out
            losses, held_out = model.solve(table, settings)
            return losses

        self._train(model, settings, table, n_epochs=1, first=self._bar(1), solver=solve)
        assert model.solution is not None
        score = f"{model.target.loss.score} of rows held out {model.solution.held_out_score:.3f}"
        reason = f"solved for the last layer ({score})"
        return Outcome(model, _worked_out(model, settings, 1), reason, held_out)

    def _bar(self, n_epochs: int) -> dict[str, Callback]:
        return {"progress": EpochBar(n_epochs)} if self.shows_progress else {}

    def _train(
        self,
        model: Model,
        settings: Settings,
        table: TensorTable,
        *,
        n_epochs: int,
        first: dict[str, Callback],
        last: dict[str, Callback] | None = None,
        **given: Any,
    ) -> None:
        """Train, with callbacks that come before and after the user's."""
        train(
            model.net,
            table,
            n_epochs=n_epochs,
            learning_rate=settings.learning_rate,
            accelerator=self.accelerator,
            callbacks=[*first.items(), *self.callbacks, *(last or {}).items()],
            **given,
        )


def solve_or_descend(
    fitter: Fitter, solved: Model, settings: Settings, descent: Settings, table: TensorTable
) -> Outcome:
    """Fit a model whose last layer is solved for, or train another in its place.

    In a descent all layers learn, which pays where there are many rows and little noise: it is
    taken where it predicts rows held out better.

    Parameters
    ----------
    fitter : Fitter
    solved : Model
        Not fitted yet.
    settings, descent : Settings
        How to solve, and how to descend.
    table : TensorTable
    """
    if len(table) < _ENOUGH_TO_DESCEND:
        return fitter.fit(solved, settings, table)
    some = table
    if len(table) > _ENOUGH_TO_TELL:
        share = _ENOUGH_TO_TELL / len(table)
        some, _ = table.parted(rows_by_chance(table.X, share, salt=1))
    outcome = fitter.fit(solved, settings, some)
    found = _try(fitter, outcome, descent, some)
    if found is None:
        return outcome if some is table else fitter.fit(solved, settings, table)
    trained = solved.untrained("train", descent, table)
    outcome = fitter.fit(trained, descent, table)
    trained.solution = found.solution
    if found.factors is not None:
        trained.posterior = trained.find_posterior(table).scaled(*found.factors)
    scores = f"{found.solution.held_out_score:.3f}, solved {found.score_solved:.3f}"
    reason = f"trained as 'train' ({trained.target.loss.score} of rows held out {scores})"
    return outcome._replace(reason=reason)


class Descent(NamedTuple):
    """What rows held out say of a descent on the others.

    Attributes
    ----------
    solution : Solution
    score_solved : float
        That of the layer that was solved for, on the same rows.
    factors : pair of ndarray of shape (n_outputs,), optional
        By which deviations of a signal and its noise are larger there than its last layer says.
    """

    solution: Solution
    score_solved: float
    factors: tuple[NDArray[np.float64], NDArray[np.float64]] | None


def _try(fitter: Fitter, solved: Outcome, descent: Settings, table: TensorTable) -> Descent | None:
    """Return what rows held out say of a descent on the others, None if it is no better."""
    held_out = rows_by_chance(table.X, _HELD_OUT)
    held, kept = table.parted(held_out)
    if len(held) == 0 or len(kept) == 0:
        return None
    model = solved.model.untrained("train", descent, kept)
    try:
        with warnings.catch_warnings():
            # Of no use to who did not ask for a descent.
            warnings.simplefilter("ignore", ConvergenceWarning)
            dataclasses.replace(fitter, callbacks=[]).fit(model, descent, kept)
    except FloatingPointError:
        return None
    assert solved.held_out is not None
    solved_for = solved.held_out.cpu()[torch.from_numpy(held_out)]
    loss, outputs, y = model.target.loss, model.outputs(held), held.y.cpu()
    weight = None if held.weight is None else held.weight.cpu()
    if not _is_better(loss, outputs, solved_for, y, weight):
        return None
    judged = judge(loss, outputs, y, weight)
    _, other, _ = judge(loss, solved_for, y, weight)
    reach = None if solved.model.solution is None else solved.model.solution.reach
    factors = None
    if loss is SquaredLoss:
        model.find_posterior(kept)
        factors = model.factors(held, outputs)
    return Descent(Solution(float(descent.first_gain), *judged, reach), other, factors)


def _is_better(
    loss: type[Loss],
    outputs: torch.Tensor,
    others: torch.Tensor,
    y: torch.Tensor,
    weight: torch.Tensor | None,
) -> bool:
    """Say whether outputs are better than others by more than rows differ by chance."""
    gain = loss.of_rows(others.double(), y) - loss.of_rows(outputs.double(), y)
    if weight is not None:
        gain = gain * weight
    return float(gain.mean()) > _CHANCE * float(gain.std()) / np.sqrt(len(gain))


def _worked_out(model: Model, settings: Settings, n_epochs: int) -> Settings:
    """Return settings with the numbers that "auto" has come to, where it has."""
    found: dict[str, Any] = {"max_epochs": n_epochs if n_epochs < NO_LIMIT else "auto"}
    if model.solution is not None:
        found["first_gain"] = model.solution.first_gain
    return dataclasses.replace(settings, **found)
