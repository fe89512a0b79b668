"""Pictures of recorded figures, as SVG: the same figures give the same bytes.

Colours are those of Okabe and Ito (2008), "Color universal design", without the yellow, which is lost on white; lines and
points differ in shape, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from core.errors import MissingExtra
from evals.tables import Row, Rows, find, have, keys, number, plain, system_name, systems

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
DASHES = ("-", "--", "-.", ":")
QUALITY_AND_TIME = "quality-time.svg"
QUALITY = "quality.svg"
ABSTAINING = "abstaining.svg"
GROWTH = "growth.svg"
INGEST = "ingest.svg"
BUILT_IN = "built-in"
THRESHOLD = 0.5
# Text stays text, so that it can be searched and read aloud; every reader has some sans-serif font.
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "lorekeeper",
    "svg.fonttype": "none",
    "font.family": ["sans-serif"],
    "font.size": 10.0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "figure.facecolor": "white",
    # A $ in a name begins no formula.
    "text.parse_math": False,
    "savefig.facecolor": "white",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a system looks, the same in every picture."""

    colour: str
    marker: str
    dash: str


Looks = Mapping[str, Look]


def draw(runs: Mapping[str, Rows]) -> dict[str, bytes]:
    """File name → picture, of the runs there are; a picture without a single point is left out.

    `runs`: rows by the name of the run. Raises `MissingExtra` when matplotlib is not installed.
    """
    peers, growth = _measured(runs.get("peers", ())), _measured(runs.get("growth", ()))
    ingest = peers or _measured([{"system": "lorekeeper", **row} for row in runs.get("ingest", ())])
    looks = _looks([*peers, *growth, *ingest])
    pictures: dict[str, tuple[Rows, tuple[str, ...], Callable[[Figure, Rows, Looks], None]]] = {
        QUALITY_AND_TIME: (peers, ("ndcg@10", "query_ms_p50"), quality_against_time),
        QUALITY: (peers, ("ndcg@10",), quality),
        ABSTAINING: ([row for row in in_use(runs.get("calibration", ())) if curve(row)], (), abstaining),
        GROWTH: (growth, ("chunks", "query_ms_p50", "rss_mb"), growing),
        INGEST: (ingest, ("documents_per_second",), ingesting),
    }
    usable = {name: [row for row in rows if _drawable(row, needed)] for name, (rows, needed, _) in pictures.items()}
    return {name: _svg(pictures[name][2], rows, looks) for name, rows in usable.items() if rows}


def quality_against_time(figure: Figure, rows: Rows, looks: Looks) -> None:
    """nDCG@10 against the median query time: colours are systems, shapes are data sets."""
    axes = _axes(figure, "Quality against time", "median query time (ms, logarithmic)", "nDCG@10")
    axes.set_xscale("log")
    datasets = keys(rows, "dataset")
    shapes = {dataset: MARKERS[place % len(MARKERS)] for place, dataset in enumerate(datasets)}
    for row in (row for row in rows if row.get("dataset") in shapes):
        across, up = _number(row, "query_ms_p50"), _number(row, "ndcg@10")
        colour, shape = looks[row["system"]].colour, shapes[row["dataset"]]
        axes.plot(across, up, shape, color=colour, markersize=9, markeredgecolor="white", zorder=3)
    for system in systems(rows):
        axes.plot([], [], color=looks[system].colour, linewidth=6, label=system)
    for dataset, shape in shapes.items():
        axes.plot([], [], shape, color="#555555", label=plain(dataset))
    _plain_ticks(axes)
    _legend(figure, axes)


def quality(figure: Figure, rows: Rows, looks: Looks) -> None:
    """nDCG@10 by data set, one bar for each system."""
    axes = _axes(figure, "Retrieval quality by data set", "", "nDCG@10")
    axes.grid(visible=False, axis="x")
    datasets, places = keys(rows, "dataset"), _beside(systems(rows), 0.8)
    for system, shift in places.items():
        heights = [_number(find(rows, dataset=dataset, system=system), "ndcg@10") for dataset in datasets]
        middles = [position + shift for position in range(len(datasets))]
        axes.bar(middles, heights, 0.74 / len(places), color=looks[system].colour, label=system)
    axes.set_xticks(range(len(datasets)), [plain(dataset) for dataset in datasets], rotation=20, ha="right")
    axes.set_ylim(0, 1)
    _legend(figure, axes)


def abstaining(figure: Figure, rows: Rows, _: Looks) -> None:
    """Precision against recall of abstaining on unanswerable questions, with the threshold in use marked."""
    axes = _axes(
        figure,
        "Abstaining on unanswerable questions",
        "recall: share of the unanswerable questions that get no answer",
        "precision: share of the questions\nwithout an answer that are unanswerable",
    )
    for place, row in enumerate(rows):
        points = sorted(curve(row), key=lambda point: (point[2], -point[1]))
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        label = plain(row.get("dataset", "all"))
        axes.plot([point[2] for point in points], [point[1] for point in points], dash, color=colour, label=label)
        if point := working_point(row):
            axes.plot(point[2], point[1], "o", color=colour, markersize=9, markeredgecolor="black", zorder=3)
    axes.plot([], [], "o", color="white", markersize=9, markeredgecolor="black", label="threshold in use")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(0, 1.02)
    _legend(figure, axes)


def growing(figure: Figure, rows: Rows, looks: Looks) -> None:
    """Median query time and memory against the number of chunks."""
    figure.suptitle("Growth with the corpus")
    left, right = figure.subplots(1, 2)
    for axes, key, label in ((left, "query_ms_p50", "median query time (ms)"), (right, "rss_mb", "memory (MB)")):
        axes.set_xscale("log")
        axes.set_xlabel("chunks in the index (logarithmic)")
        axes.set_ylabel(label)
        for system in systems(rows):
            points = sorted((_number(row, "chunks"), _number(row, key)) for row in rows if row["system"] == system)
            look = looks[system]
            across, up = zip(*points, strict=True)
            axes.plot(across, up, look.dash, marker=look.marker, color=look.colour, label=system)
        axes.set_ylim(bottom=0)
        _plain_ticks(axes, steps=(1.0,))
    _legend(figure, left, below=True)


def ingesting(figure: Figure, rows: Rows, looks: Looks) -> None:
    """Documents per second of each system, with the range of the runs, and which share of the time embedding took."""
    figure.suptitle("Indexing")
    speed, share = figure.subplots(1, 2, sharey=True)
    datasets = keys(rows, "dataset")
    for system, shift in _beside(systems(rows), 0.7).items():
        look = looks[system]
        for position, dataset in enumerate(datasets):
            row = find(rows, dataset=dataset, system=system)
            if not row:
                continue
            middle = _number(row, "documents_per_second")
            ends = [number(row, f"documents_per_second_{end}") or middle for end in ("min", "max")]
            speed.plot(ends, [position + shift] * 2, color=look.colour, linewidth=2)
            speed.plot(middle, position + shift, look.marker, color=look.colour)
            if have(row, "embedding_share"):
                percent = 100 * _number(row, "embedding_share")
                share.plot(percent, position + shift, look.marker, color=look.colour)
        speed.plot([], [], look.marker, color=look.colour, label=system)
    speed.set_xscale("log")
    speed.set_xlabel("documents per second (logarithmic)")
    share.set_xlabel("time spent embedding (%)")
    share.set_xlim(0, 100)
    speed.set_yticks(range(len(datasets)), [plain(dataset) for dataset in datasets])
    speed.set_ylim(len(datasets) - 0.5, -0.5)
    _plain_ticks(speed)
    _legend(figure, speed, below=True)


def in_use(rows: Rows) -> list[Row]:
    """Of calibration rows, those that say so; else those of the built-in weights, else all."""
    said = [row for row in rows if row.get("in_use") is True]
    return said or [row for row in rows if row.get("weights") == BUILT_IN] or list(rows)


def curve(row: Row) -> list[tuple[float, float, float]]:
    """The (threshold, precision, recall) of a calibration row that are known."""
    points = [
        tuple(number({"": value}, "") for value in point)
        for point in row.get("curve") or ()
        if isinstance(point, list | tuple)
    ]
    return [(point[0], point[1], point[2]) for point in points if len(point) == 3 and None not in point]  # type: ignore[misc]  # noqa: PLR2004


def working_point(row: Row) -> tuple[float, float, float] | None:
    """Threshold, precision and recall in use: the row's own, else the point of its curve nearest to its threshold."""
    wanted = number(row, "threshold")
    target = THRESHOLD if wanted is None else wanted
    precision, recall = number(row, "precision"), number(row, "recall")
    if precision is not None and recall is not None:
        return target, precision, recall
    return min(curve(row), key=lambda point: abs(point[0] - target), default=None)


def _measured(rows: Rows) -> list[Row]:
    return [{**row, "system": system_name(row["system"])} for row in rows if row.get("system") is not None]


def _drawable(row: Row, needed: Sequence[str]) -> bool:
    """All there; on a logarithmic axis, which all but that of quality are, there is no zero."""
    return have(row, *needed) and all(_number(row, key) > 0 for key in needed if key != "ndcg@10")


def _number(row: Row, key: str) -> float:
    return number(row, key) or 0.0


def _svg(picture: Callable[[Figure, Rows, Looks], None], rows: Rows, looks: Looks) -> bytes:
    with _style() as figure:
        picture(figure, rows, looks)
        data = BytesIO()
        # Neither the day nor the version: unchanged figures are an unchanged file.
        figure.savefig(data, format="svg", metadata={"Date": None, "Creator": None})
    lines = data.getvalue().decode().splitlines()
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode()


@contextmanager
def _style() -> Iterator[Figure]:
    """A figure in a style that the user's own settings do not change."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "eval") from error
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield Figure(figsize=(9, 4.8), layout="constrained")


def _axes(figure: Figure, title: str, across: str, up: str) -> Axes:
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return axes


def _legend(figure: Figure, axes: Axes, *, below: bool = False) -> None:
    """Outside of the axes, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if below:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)))
    else:
        figure.legend(handles, labels, loc="outside right upper")


def _plain_ticks(axes: Axes, steps: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """On a logarithmic x axis: 20 and 1,000 instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _looks(rows: Rows) -> Looks:
    """Lorekeeper has the first colour; with more systems than colours, they begin again."""
    return {
        system: Look(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)])
        for place, system in enumerate(systems(rows))
    }


def _beside(names: Sequence[str], width: float) -> dict[str, float]:
    """Where each stands beside the others, around 0."""
    return {name: (place - (len(names) - 1) / 2) * width / len(names) for place, name in enumerate(names)}
