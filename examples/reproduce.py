"""Every experiment in full: ours beside the paper's beside a baseline, in one table.

    python examples/reproduce.py                     # all, in about six hours
    python examples/reproduce.py held_out weather    # these, into the same table

Rows and pictures go to docs/reproduction, one file of rows for each experiment, and the table of
all rows there into docs/reproduction.md, between its two marks. Needs SKGINR_DATA.
"""

import argparse
import importlib
import time
from pathlib import Path

import pandas as pd

EXPERIMENTS = (
    "represent",
    "held_out",
    "embedding_size",
    "reaction_diffusion",
    "weather",
    "super_resolution",
    "many_signals",
    "new_signal",
    "signal_archive",
    "block_model",
    "standard_inr",
)
DOCS = Path(__file__).parents[1] / "docs"
MARKS = "<!-- table: written by examples/reproduce.py -->", "<!-- end of table -->"


def main(names=EXPERIMENTS, full=True, docs=DOCS):
    """Run experiments, keep their rows, and write the table of all that are kept."""
    results = docs / "reproduction"
    results.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(f"--- {name}", flush=True)
        start = time.perf_counter()
        rows = importlib.import_module(name).main(full=full, output=results)
        pd.DataFrame(rows).to_csv(results / f"{name}.csv", index=False)
        print(f"--- {name}: {(time.perf_counter() - start) / 60:.1f} minutes", flush=True)
    page = docs / "reproduction.md"
    before, _, rest = page.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    table = table_of(
        pd.read_csv(results / f"{name}.csv")
        for name in EXPERIMENTS
        if (results / f"{name}.csv").exists()
    )
    page.write_text(f"{before}{MARKS[0]}\n\n{table}\n\n{MARKS[1]}{after}")


def table_of(results):
    """Return rows as a table in Markdown."""
    lines = ["| experiment | data | what | ours | paper | baseline |", "|---|---|---|---|---|---|"]
    for rows in results:
        for row in rows.to_dict("records"):
            ours, spread = figure(row["ours"]), row.get("spread")
            if pd.notna(spread):
                ours += f" ± {spread:.4f}"
            baseline = figure(row["baseline"])
            if baseline:
                baseline += f" ({row['baseline_name']})"
            named = [row[name] for name in ("experiment", "data", "what")]
            lines.append("| " + " | ".join([*named, ours, figure(row["paper"]), baseline]) + " |")
    return "\n".join(lines)


def figure(value):
    """Return a number as one reads it, nothing for none."""
    if pd.isna(value):
        return ""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.1e}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*EXPERIMENTS, []], help="default: all")
    main(parser.parse_args().names or EXPERIMENTS)
