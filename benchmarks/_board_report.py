"""The tables of the board: who predicts best, by how much, and how sure that is."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _board_methods import GRAPH_PROCESS, HARMONIC, MEAN, ORDER_1, OURS, SKGINR
from _board_peers import PEERS
from scipy.special import ndtr

ROW = ["table", "kind"]
LEGEND = """\
R² is pooled: squared errors of all folds over squared deviations from the signal's mean. CRPS is of
a normal distribution with the method's own standard deviation, or, where it has none, with the
root mean square of what it missed on inner folds. "Within 90%": share of the values in the
interval of mean ± 1.645 deviations. Seconds of processor for fit and prediction, median over
folds; memory of the whole process, the most of all folds. "Ours minus it": difference in R²,
paired by fold, and its standard error. Shuffles and partitions hold the same rows out again, so
they count as one in it: it is the spread over folds by the root of how many folds one has."""


def crps(y, mean, std):
    """Return the continuous ranked probability score of normal distributions (Gneiting 2007)."""
    with np.errstate(invalid="ignore"):
        z = (y - mean) / std
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))


def report(board, speed):
    """Return everything as text."""
    lines = [LEGEND]
    if board.exists():
        rows = pd.read_csv(board)
        # Of a row written twice, the later one.
        rows = rows.drop_duplicates([*ROW, "repeat", "fold", "method"], keep="last")
        summaries = [summary(part, *where) for where, part in rows.groupby(ROW, sort=False)]
        for part in summaries:
            lines += ["", f"### {part.attrs['title']}", "", *markdown(shown(part))]
        draw(summaries, board.with_suffix(".png"))
        for kind in ("random", "regions"):
            chosen = [part for part in summaries if part.attrs["kind"] == kind and measured(part)]
            if chosen:
                lines += ["", f"## {kind}", "", *best_of(chosen), "", *verdict(kind, chosen)]
                lines += ["", f"### All R², {kind}", "", *everything(chosen)]
    if speed.exists():
        lines += ["", "## One thread", "", *markdown(pd.read_csv(speed))]
    return "\n".join([*lines, "", *left_out()])


def summary(part, table, kind):
    """Return a row per method, the best first; those that failed last, with the reason."""
    folds = part.groupby(["repeat", "fold"]).ngroups
    # So many folds hold out every row about once.
    once = folds / part["repeat"].nunique()
    ours = part[part["method"] == OURS].set_index(["repeat", "fold"])["error"]
    rows = {}
    for method, mine in part.groupby("method", sort=False):
        failed = mine["failed"].dropna()
        if len(failed) or len(mine) < folds:
            rows[method] = {"why": failed.iloc[0] if len(failed) else "not all folds measured"}
            continue
        rows[method] = {
            "R²": 1 - mine["error"].sum() / mine["variation"].sum(),
            "RMSE": np.sqrt(mine["error"].sum() / mine["n"].sum()),
            "CRPS": mine["crps"].sum(skipna=False) / mine["n"].sum(),
            "within 90%": mine["covered"].sum(skipna=False) / mine["n"].sum(),
            "seconds": mine["seconds"].median(),
            "peak MB": mine["peak_mb"].max(),
        }
        if method != OURS and len(ours) == folds and ours.notna().all():
            rows[method] |= paired(mine.set_index(["repeat", "fold"]), ours, once)
    columns = ["R²", "RMSE", "CRPS", "within 90%", "seconds", "peak MB", "gain", "error", "why"]
    found = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)
    found = found.sort_values("R²", ascending=False)
    n = int(part.groupby(["repeat", "fold"])["n"].first().sum() / part["repeat"].nunique())
    found.attrs = {"kind": kind, "table": table}
    found.attrs["title"] = f"{table}, {kind}: {folds} folds of {n / once:.0f} rows"
    return found


def paired(mine, ours, once):
    """Return how much ours gains in R², and the standard error of that."""
    worse = mine["error"] - ours
    gain = worse.sum() / mine["variation"].sum()
    spread = (worse - gain * mine["variation"]).std() / mine["variation"].mean()
    return {"gain": gain, "error": spread / np.sqrt(once)}


def shown(part):
    """Return the table as it is printed."""
    told = part[["R²", "RMSE", "CRPS", "within 90%", "seconds", "peak MB"]].copy()
    pairs = zip(part["gain"], part["error"], part["why"], strict=True)
    told["ours minus it"] = [
        f"— {why}"
        if isinstance(why, str)
        else ""
        if np.isnan(gain)
        else f"{gain:+.4f} ± {error:.4f}"
        for gain, error, why in pairs
    ]
    return told.rename_axis("method").reset_index()


def difference(row):
    return "" if np.isnan(row.gain) else f"{row.gain:+.4f} ± {row.error:.4f}"


def measured(part):
    return OURS in part.index and not np.isnan(part.loc[OURS, "R²"])


def rivals(part):
    """Return the rows of what is not skginr's."""
    return part[~part.index.isin(SKGINR) & part["R²"].notna()]


def best_of(parts):
    """Yield a table that names the best of the others in every row."""
    rows = []
    for part in parts:
        others = rivals(part)
        if others.empty:
            continue
        best = others.iloc[0]
        sure = "won" if best["gain"] > 0 else "LOST"
        rows.append(
            {
                "table": part.attrs["table"],
                "ours": part.loc[OURS, "R²"],
                "best of the others": best.name,
                "its R²": best["R²"],
                "ours minus it": difference(best),
                "": "level" if abs(best["gain"]) <= best["error"] else sure,
                "best of skginr's": part[part.index.isin(SKGINR)].index[0],
            }
        )
    yield from markdown(pd.DataFrame(rows))


def everything(parts):
    """Yield R² of every method on every table, and mean ranks among those that ran everywhere."""
    scores = pd.DataFrame({part.attrs["table"]: part["R²"] for part in parts}).T
    scores = scores.dropna(axis=1, how="all")
    everywhere = scores.dropna(axis=1)
    means = everywhere.mean().rename("mean")
    ranks = everywhere.rank(axis=1, ascending=False).mean().rename("mean rank")
    order = scores.median().sort_values(ascending=False).index
    order = [OURS, *order.drop(OURS)]
    table = pd.concat([scores, means.to_frame().T, ranks.to_frame().T])[order]
    cells = table.map(lambda score: "" if np.isnan(score) else f"{score:.3f}")
    yield from markdown(cells.rename_axis("table").reset_index())


def draw(summaries, path):
    """Draw R² of every method on every table: a dot each, with marks for skginr's."""
    marks = {OURS: ("C3", "o", 55), HARMONIC: ("C0", "|", 70), ORDER_1: ("C2", "|", 70)}
    marks[GRAPH_PROCESS] = ("C4", "|", 70)
    tables = list(dict.fromkeys(p.attrs["table"] for p in summaries if measured(p)))[::-1]
    figure, panels = plt.subplots(1, 2, figsize=(9, 6.2), sharey=True, layout="constrained")
    for panel, kind in zip(panels, ("random", "regions"), strict=True):
        parts = [part for part in summaries if part.attrs["kind"] == kind and measured(part)]
        for part in parts:
            height = tables.index(part.attrs["table"])
            others = rivals(part)["R²"].clip(lower=-0.25)
            panel.scatter(others, np.full(len(others), height), c="0.75", s=18, label="others")
            for method, (colour, marker, size) in marks.items():
                if method in part.index:
                    x = max(part.loc[method, "R²"], -0.25)
                    panel.scatter(x, height, c=colour, marker=marker, s=size, label=method)
        panel.set_yticks(range(len(tables)), tables)
        panel.set_xlabel(f"R², {kind} (-.25 and below at the left edge)")
        panel.grid(axis="x", alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def verdict(kind, parts):
    """Yield what all rows say together."""
    others = [rivals(part) for part in parts]
    level = sum(bool((part["gain"] >= -part["error"]).all()) for part in others)
    above = sum(bool((part["gain"] >= 0).all()) for part in others)
    rank = np.mean([part["R²"].rank(ascending=False)[OURS] for part in parts])
    most = np.mean([part["R²"].notna().sum() for part in parts])
    yield f"- {OURS} is at or above every one of the others, within a standard error, in"
    yield f"  {level} of {len(parts)} rows, and by the numbers alone in {above}."
    yield f"- Mean rank {rank:.1f} of {most:.0f}, skginr's other methods among them."
    if kind == "random":
        return
    for name in (HARMONIC, ORDER_1, GRAPH_PROCESS, MEAN):
        gains = [part.loc[name, "gain"] for part in parts if name in part.index]
        gains = np.array(gains)[~np.isnan(gains)]
        if len(gains):
            above = f"in {(gains >= 0).sum()} of {len(gains)} rows, mean {gains.mean():+.3f}"
            yield f"- At or above {name} {above}."
    beside = [part.loc[OURS, "R²"] - part.loc[MEAN, "R²"] for part in parts if MEAN in part.index]
    if beside:
        yield f"- R² less that of the mean is at least {np.nanmin(beside):.3f}."


def left_out():
    """Yield which peers have no environment, and the versions of the others."""
    for name, peer in PEERS.items():
        if peer.absent:
            yield f"Left out: {name}: {peer.absent}"
        else:
            kept = peer.versions
            yield f"{name}: " + ", ".join(f"{one} {version}" for one, version in kept.items())


def markdown(table):
    yield "| " + " | ".join(table.columns) + " |"
    yield "|---" * table.shape[1] + "|"
    for row in table.itertuples(index=False):
        cells = [f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row]
        yield "| " + " | ".join(cell.replace("nan", "") for cell in cells) + " |"
