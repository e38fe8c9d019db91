"""Draws the picture of models.md: from questions about a signal to the estimator to use.

python docs/decision_picture.py docs/images
"""

import sys
from pathlib import Path

from matplotlib import pyplot
from matplotlib.patches import Rectangle

# Questions from top to bottom. An answer is a condition or nothing, an estimator, and the reason.
STEPS = [
    (
        "Are the values classes?",
        [("", "GraphSmootherClassifier", "gives a probability for each class")],
    ),
    (
        "Are they counts of few events\n(cases, deaths), or their rates?",
        [("", "GraphPoissonRegressor", "knows that few events make a rate uncertain")],
    ),
    (
        "Do nodes have values\nat many times?",
        [("", "SpaceTimeSmoother", "is smooth along edges and in time; fills gaps")],
    ),
    (
        "Do you have an archive of\nother signals of the kind?",
        [
            ("All on one graph:", "SignalDistribution", "learns how nodes vary together"),
            (
                "Each on a graph of its own:",
                "SharedCorrector",
                "learns what all graphs have in common",
            ),
        ],
    ),
    (
        "Is the signal known at all\nnodes, and without noise?",
        [
            (
                "After SpectralEmbedder:",
                'SIRENRegressor("represent")',
                "holds it, also on a finer mesh; does not predict",
            )
        ],
    ),
    (
        "Are there more than\n100,000 nodes?",
        [("", "GraphSmoother", "takes time in proportion to the edges")],
    ),
    (
        "Are fewer than 300 nodes\nknown, or are you in a hurry?",
        [
            (
                "Nodes have positions:",
                "SpatialGaussianProcessRegressor",
                "is enough on small maps; for up to 5,000 rows",
            ),
            ("There are only edges:", "GraphSmoother", "takes the least time"),
        ],
    ),
    (
        "Will whole regions\nbe missing?",
        [
            (
                "",
                "CorrectedSmoother(cv=GraphBlockKFold(...))",
                "judges its choices on whole regions",
            )
        ],
    ),
]
LAST = ("", "CorrectedSmoother", "blends several models and corrects their errors")

# Inches: as wide as a column of the pages, so that letters are as large as those around.
WIDTH, LEFT, RIGHT, MARGIN, BETWEEN, LINE = 7.0, 2.3, 3.9, 0.05, 0.22, 0.18


def draw_decision():
    """Return the picture."""
    heights = [max(0.5, _height(answers)) for _, answers in STEPS] + [_height([LAST])]
    total = sum(heights) + BETWEEN * (len(heights) - 1) + 2 * MARGIN
    tops = [total - MARGIN - sum(heights[:i]) - BETWEEN * i for i in range(len(heights))]
    figure = pyplot.figure(figsize=(WIDTH, total))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, total))
    ax.set_axis_off()
    start, centre = WIDTH - MARGIN - RIGHT, MARGIN + LEFT / 2
    for (question, answers), top, height, below in zip(
        STEPS, tops, heights, tops[1:], strict=False
    ):
        middle = top - height / 2
        _box(ax, MARGIN, top, LEFT, height, "#e8eef7")
        ax.text(centre, middle, question, ha="center", va="center", fontsize=9)
        _arrow(ax, (MARGIN + LEFT, middle), (start, middle), "yes", (0, 4))
        _arrow(ax, (centre, top - height), (centre, below), "no", (10, -3))
        _answers(ax, start, top, RIGHT, answers)
    _answers(ax, MARGIN, tops[-1], RIGHT, [LAST])
    return figure


def _height(answers):
    return sum(0.14 + LINE * (2 + bool(condition)) for condition, *_ in answers)


def _answers(ax, left, top, width, answers):
    """Draw the box of each answer, one below the other."""
    for answer in answers:
        height = _height([answer])
        _box(ax, left, top, width, height, "#e9f4e6")
        for i, (text, style) in enumerate(_lines(*answer)):
            y = top - 0.07 - LINE * (i + 0.5)
            ax.text(left + 0.1, y, text, va="center", fontsize=9, **style)
        top -= height


def _lines(condition, estimator, reason):
    if condition:
        yield condition, {"style": "italic"}
    yield estimator, {"family": "monospace", "weight": "bold"}
    yield reason, {}


def _box(ax, left, top, width, height, colour):
    ax.add_patch(Rectangle((left, top - height), width, height, facecolor=colour, edgecolor="0.4"))


def _arrow(ax, start, end, word, shift):
    ax.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
    )
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    ax.annotate(word, middle, shift, textcoords="offset points", ha="center", fontsize=9)


def main(folder):
    """Write the picture to a folder, and return the code of all estimators in it."""
    draw_decision().savefig(Path(folder) / "which_model.png", dpi=200)
    return [code for _, answers in [*STEPS, ("", [LAST])] for _, code, _ in answers]


if __name__ == "__main__":
    print(*main(sys.argv[1]), sep="\n")
