"""Pictures of an evaluation, as PNG: the same figures give the same picture.

Colours are those of Okabe and Ito (2008), "Color universal design"; bars stand in the order of the legend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from core.errors import MissingExtra
from tuning.evaluation.contest import Contest
from tuning.evaluation.metrics import METRICS
from tuning.evaluation.report import DIFFERENCES_PICTURE, KINDS_PICTURE, kinds
from tuning.evaluation.types import Contender
from tuning.training.plots import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {Contender.BASE: "#0072B2", Contender.FEW_SHOT: "#E69F00", Contender.ADAPTER: "#009E73"}
MARKERS = {Contender.BASE: "o", Contender.FEW_SHOT: "s"}
WIDTH = 0.8
# A $ in a name begins no formula.
NO_FORMULAS: dict[Any, Any] = {"text.parse_math": False}


def draw(contest: Contest) -> dict[str, bytes]:
    """PNG by file name. Raises `MissingExtra` when matplotlib is not installed."""
    return {DIFFERENCES_PICTURE: _png(contest, _differences), KINDS_PICTURE: _png(contest, _kinds)}


def _differences(figure: Figure, contest: Contest) -> None:
    axes = figure.add_subplot()
    axes.set_title("The adapter less its rivals, with 95 % intervals")
    axes.axvline(0, color="black", linewidth=1)
    for shift, (contender, figures) in zip((-0.15, 0.15), contest.differences.items(), strict=True):
        for row, metric in enumerate(METRICS):
            found = figures[metric.name]
            if found:
                axes.plot([found.low, found.high], [row + shift] * 2, color=COLOURS[contender], linewidth=2)
                axes.plot(found.estimate, row + shift, MARKERS[contender], color=COLOURS[contender])
        axes.plot([], [], MARKERS[contender], color=COLOURS[contender], label=f"less {contender.value}")
    axes.set_yticks(range(len(METRICS)), [metric.label for metric in METRICS])
    axes.invert_yaxis()
    axes.set_xlabel("difference (right of 0 the adapter is better)")
    figure.legend(loc="outside lower center", ncols=2)


def _kinds(figure: Figure, contest: Contest) -> None:
    axes = figure.add_subplot()
    axes.set_title("Score by kind of question")
    means = kinds(contest)
    for place, contender in enumerate(Contender):
        middles = [row + (place - 1) * WIDTH / 3 for row in range(len(means))]
        heights = [row[contender] for row in means.values()]
        axes.bar(middles, heights, 0.9 * WIDTH / 3, color=COLOURS[contender], label=contender.value)
    axes.set_xticks(range(len(means)), list(means))
    axes.set_ylim(0, 1)
    axes.set_ylabel("mean score")
    figure.legend(loc="outside lower center", ncols=3)


def _png(contest: Contest, picture: Callable[[Figure, Contest], None]) -> bytes:
    with _style() as figure:
        picture(figure, contest)
        data = BytesIO()
        # Not the version: unchanged figures are an unchanged file.
        figure.savefig(data, format="png", dpi=120, metadata={"Software": None})
    return data.getvalue()


@contextmanager
def _style() -> Iterator[Figure]:
    """A figure in a style that the user's own settings do not change."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "tune") from error
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE | NO_FORMULAS)
        yield Figure(figsize=(9, 6), layout="constrained")
