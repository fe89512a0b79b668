"""Pictures that say what the rows say, the same each time, in SVG that any reader shows."""

from __future__ import annotations

import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from core.errors import MissingExtra
from evals import plots

SVG = "{http://www.w3.org/2000/svg}"
DATASETS = ("handbook", "help <centre> & $5")
PEERS: list[dict[str, Any]] = [
    {
        "dataset": dataset,
        "system": system,
        "ndcg@10": 0.5 + place / 10,
        "query_ms_p50": 4.0 + place,
        "documents_per_second": 10.0 * place,
        "documents_per_second_min": 9.0 * place,
        "documents_per_second_max": 11.0 * place,
        "embedding_share": 0.8,
    }
    for place, system in enumerate(("langchain", "lorekeeper", "somebody_else"), start=1)
    for dataset in DATASETS
]
GROWTH = [
    {"system": system, "chunks": chunks, "query_ms_p50": chunks / 500 * place, "rss_mb": 300 + chunks / 100}
    for place, system in enumerate(("lorekeeper", "langchain"), start=1)
    for chunks in (1000, 10_000, 100_000)
]
CALIBRATION = [
    {"weights": "fitted", "dataset": "only fitted", "curve": [[0.5, 0.9, 0.5]]},
    {"weights": "built-in", "dataset": "handbook", "curve": [[0.2, 0.9, 0.2], [0.45, 0.85, 0.6], [0.9, 0.6, 0.9]]},
]
RUNS: dict[str, list[dict[str, Any]]] = {"peers": PEERS, "growth": GROWTH, "calibration": CALIBRATION}


def texts(picture: bytes) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return plots.draw(RUNS)


def test_every_picture_is_svg_on_white_with_labelled_axes(pictures: dict[str, bytes]) -> None:
    labels = {
        plots.QUALITY_AND_TIME: {"median query time (ms, logarithmic)", "nDCG@10"},
        plots.QUALITY: {"nDCG@10"},
        plots.ABSTAINING: {"recall: share of the unanswerable questions that get no answer"},
        plots.GROWTH: {"chunks in the index (logarithmic)", "median query time (ms)", "memory (MB)"},
        plots.INGEST: {"documents per second (logarithmic)", "time spent embedding (%)"},
    }
    assert set(pictures) == set(labels)
    for name, picture in pictures.items():
        assert labels[name] <= set(texts(picture)), name
        assert b'style="fill: #ffffff"' in picture
        assert b"<image" not in picture
        assert b"@font-face" not in picture


def test_the_same_figures_give_the_same_bytes(pictures: dict[str, bytes]) -> None:
    assert plots.draw(RUNS) == pictures
    assert all(b"<dc:date>" not in picture for picture in pictures.values())


def test_another_figure_gives_other_bytes(pictures: dict[str, bytes]) -> None:
    other = plots.draw({**RUNS, "peers": [{**PEERS[0], "ndcg@10": 0.99}, *PEERS[1:]]})
    assert other[plots.QUALITY] != pictures[plots.QUALITY]
    assert other[plots.GROWTH] == pictures[plots.GROWTH]


def test_systems_and_data_sets_are_in_the_legend_by_name(pictures: dict[str, bytes]) -> None:
    shown = texts(pictures[plots.QUALITY_AND_TIME])
    assert {"Lorekeeper", "LangChain's defaults", "somebody_else", *DATASETS} <= set(shown)
    assert {"Lorekeeper", "LangChain's defaults"} <= set(texts(pictures[plots.GROWTH]))


def test_lorekeeper_has_one_colour_in_every_picture(pictures: dict[str, bytes]) -> None:
    alone = plots.draw({"growth": [row for row in GROWTH if row["system"] == "lorekeeper"]})[plots.GROWTH]
    assert plots.COLOURS[0].lower().encode() in alone
    for name in (plots.QUALITY, plots.QUALITY_AND_TIME, plots.GROWTH, plots.INGEST):
        assert plots.COLOURS[0].lower().encode() in pictures[name]


def test_only_the_weights_in_use_are_drawn_and_the_threshold_is_marked(pictures: dict[str, bytes]) -> None:
    shown = texts(pictures[plots.ABSTAINING])
    assert "only fitted" not in shown
    assert {"handbook", "threshold in use"} <= set(shown)


def test_the_weights_in_use_are_those_that_say_so_else_the_built_in_ones() -> None:
    built_in, stored = {"weights": "built-in", "in_use": False}, {"weights": "stored", "in_use": True}
    assert plots.in_use([built_in, stored]) == [stored]
    unknown = [{"weights": "built-in", "in_use": None}, {"weights": "fitted", "in_use": None}]
    assert plots.in_use(unknown) == unknown[:1]


@pytest.mark.parametrize(
    ("threshold", "point"), [(None, (0.45, 0.85, 0.6)), (0.9, (0.9, 0.6, 0.9)), (0.0, (0.2, 0.9, 0.2))]
)
def test_the_working_point_is_the_one_at_the_threshold(
    threshold: float | None, point: tuple[float, float, float]
) -> None:
    assert plots.working_point({**CALIBRATION[1], "threshold": threshold}) == point


def test_unknown_points_of_a_curve_are_left_out() -> None:
    row = {"curve": [[0.1, None, 0.0], "x", [0.2, 0.5], [0.3, 0.9, 0.4], [True, 0.9, 0.4]]}
    assert plots.curve(row) == [(0.3, 0.9, 0.4)]
    assert plots.working_point({"curve": [[0.1, None, 0.0]]}) is None


def test_what_was_not_measured_has_no_picture() -> None:
    assert plots.draw({}) == {}
    assert plots.draw({"peers": [], "growth": [{"system": "lorekeeper", "chunks": 1000}], "calibration": [{}]}) == {}
    slow = [{"dataset": "x", "system": "lorekeeper", "ndcg@10": 0.5, "query_ms_p50": None}]
    assert set(plots.draw({"peers": slow})) == {plots.QUALITY}
    assert set(plots.draw({"peers": [{**slow[0], "query_ms_p50": 0.0}]})) == {plots.QUALITY}


def test_without_others_indexing_is_drawn_from_lorekeepers_own_run() -> None:
    rows = [{"dataset": "handbook", "documents_per_second": 31.0, "embedding_share": 0.84}]
    assert {"Lorekeeper", "handbook"} <= set(texts(plots.draw({"ingest": rows})[plots.INGEST]))


def test_the_users_own_style_changes_nothing(pictures: dict[str, bytes]) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.hashsalt": None}):
        assert plots.draw(RUNS) == pictures
        assert mpl.rcParams["font.size"] == 30


def test_a_missing_matplotlib_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"matplotlib.*\[eval\]"):
        plots.draw(RUNS)
