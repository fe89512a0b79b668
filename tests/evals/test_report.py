"""The benchmark page: what stands where, that no value can break it, and its files."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markdown_it.token import Token

from core.errors import InvalidRequest, MissingExtra
from evals import plots
from evals.record import COMMANDS, save
from evals.report import SECTIONS, render, write
from tests.evals.recorded import MACHINE, ROWS, Rows, page, run, tables, tokens, under


@pytest.fixture
def whole() -> str:
    return page(ROWS)


def test_every_section_says_when_and_by_which_command_it_was_measured(whole: str) -> None:
    for section in SECTIONS:
        part = under(whole, section.heading)
        assert f"Measured on 2026-11-21 by:\n\n```sh\nlorekeeper eval {section.run} data\n```" in part
    assert "not measured" not in whole


def test_machine_and_versions_stand_once_when_all_runs_share_them(whole: str) -> None:
    assert (
        "The figures were measured on AMD EPYC, 2 cores, 25.3 GB of memory, no GPU, Debian GNU/Linux 12, Python 3.11.7, "
        "with lorekeeper 0.1.0 and numpy 2.4."
    ) in whole


def test_runs_of_different_machines_are_told_apart() -> None:
    other = run("load", ROWS["load"], machine={**MACHINE, "processor": "Other", "cores": 1, "gpu": True}, versions={})
    text = render({"peers": run("peers", ROWS["peers"]), "load": other}, {}, {})
    assert "The figures of peers were measured on AMD EPYC, 2 cores" in text
    assert "The figures of load were measured on Other, 1 core, 25.3 GB of memory, a GPU in the machine" in text


def test_a_section_without_its_run_names_the_command_that_makes_it() -> None:
    text = page({"load": ROWS["load"], "peers": []})
    for section in SECTIONS:
        part = under(text, section.heading)
        missing = f"This was not measured yet. It is measured by:\n\n```sh\n{COMMANDS[section.run]}\n```"
        assert (missing in part) == (section.run != "load")


def test_the_page_has_one_title_and_no_two_headings_alike(whole: str) -> None:
    for text in (whole, page({})):
        found = tokens(text)
        headings = [(each.tag, after.content) for each, after in pairwise(found) if each.type == "heading_open"]
        assert [tag for tag, _ in headings].count("h1") == 1
        assert len(set(headings)) == len(headings)
        assert ("h2", "How fast is Lorekeeper?") in headings


def test_how_fast_it_is_has_an_answer_under_its_own_heading(whole: str) -> None:
    part = under(whole, "How fast is Lorekeeper?")
    assert len(part.splitlines()) == 8
    for words in (
        "documents per second",
        "one of the last tenth takes",
        "finds the passages",
        "1,312 MB",
        "50 questions per second",
        "is ready after",
        "through Lorekeeper as when vLLM",
        "Lorekeeper trains",
    ):
        assert words in part


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows_that_lack_figures_are_shown_without_them(name: str) -> None:
    names = {"dataset": "wiki", "system": "lorekeeper", "variant": "none"}
    odd: dict[str, Any] = {
        **names,
        "chunks": None,
        "ndcg@10": "fast",
        "rss_mb": True,
        "curve": None,
        "stages": [1],
        "runs": "x",
    }
    text = page({name: [odd, {}, names]})
    assert "None" not in text
    assert "nan" not in text


def test_text_in_values_stays_text() -> None:
    nasty = "a|b `c` *d* _e_ <b>f</b> [g](http://h) ![i](j) \\ $k$ ~~l~~ &amp;\n\n# m"
    shown = "a|b `c` *d* _e_ <b>f</b> [g](http://h) ![i](j) \\ $k$ ~~l~~ &amp; # m"
    rows: dict[str, Rows] = {
        "peers": [
            {"dataset": nasty, "system": system, "ndcg@10": 0.5, "versions": {nasty: nasty}}
            for system in ("lorekeeper", nasty)
        ],
        "ablation": [{"variant": nasty, nasty: 0.5}, {"variant": nasty, nasty: 0.6}],
        "answers": [{"dataset": nasty, "generator": nasty, "questions": 2, "answered": 1, "note": nasty}],
        "ingest": [{"dataset": nasty, "documents_per_second": 1.0, "stages": {nasty: 1.0}}],
    }
    text = page(rows)
    widths = {len({len(line) for line in table}) for table in tables(text)}
    assert widths == {1}
    inline = [token for token in tokens(text) if token.type == "inline"]
    assert sum(shown in _shown(token) for token in inline) >= 12
    kinds = {child.type for token in inline for child in token.children or ()}
    assert kinds <= {"text", "text_special", "softbreak", "code_inline", "strong_open", "strong_close"}
    assert [token for token in tokens(text) if token.type == "html_block"] == []


def _shown(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def test_a_command_with_backticks_stays_in_its_block() -> None:
    command = "lorekeeper eval load 'a```b\n```\nc'"
    text = render({"load": run("load", ROWS["load"], command=command)}, {}, {})
    assert [token.content for token in tokens(text) if token.type == "fence" and "a```b" in token.content] == [
        f"{command}\n"
    ]


def test_notes_are_inserted_in_their_sections() -> None:
    text = page(ROWS, {"ingest": "Before: **12** documents/s.", "speed": "Two cores.", "machine": "Nobody else."})
    assert "Before: **12** documents/s." in under(text, "How fast does Lorekeeper index documents?")
    assert "Two cores." in under(text, "How fast is Lorekeeper?")
    assert "Nobody else." in under(text, "On which machine was this measured?")
    remark = render({"load": run("load", ROWS["load"], notes="A busy_ machine.")}, {}, {})
    assert "A busy\\_ machine." in remark


# ── files ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name, rows in ROWS.items():
        save(run(name, rows), tmp_path / "results")
    return tmp_path / "results"


def test_page_and_pictures_are_written_and_linked(results: Path, tmp_path: Path) -> None:
    target, images = tmp_path / "docs" / "benchmarks.md", tmp_path / "docs" / "images" / "with space"
    written = write(results, target, images)
    assert written[0] == target
    assert {path.name for path in written[1:]} == {
        *(plots.QUALITY, plots.QUALITY_AND_TIME, plots.ABSTAINING, plots.GROWTH, plots.INGEST)
    }
    text = target.read_text(encoding="utf-8")
    links = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert {target.parent / link.replace("%20", " ") for link in links} == set(written[1:])
    assert all(path.is_file() for path in written)


def test_writing_again_changes_nothing(results: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in write(results, tmp_path / "page.md", tmp_path)}
    assert {path: path.read_bytes() for path in write(results, tmp_path / "page.md", tmp_path)} == before


def test_a_page_of_nothing_recorded_says_how_to_record(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert write(tmp_path / "results", tmp_path / "page.md", tmp_path) == [tmp_path / "page.md"]
    assert (tmp_path / "page.md").read_text().count("This was not measured yet.") == len(SECTIONS)
    with pytest.raises(InvalidRequest, match="no recorded runs"):
        write(tmp_path / "gone", tmp_path / "page.md", tmp_path)


def test_without_matplotlib_nothing_is_written(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match="matplotlib"):
        write(results, tmp_path / "page.md", tmp_path / "images")
    assert sorted(tmp_path.iterdir()) == [results]


def test_notes_come_from_a_file_beside_the_runs(results: Path, tmp_path: Path) -> None:
    (results / "notes.toml").write_text('growth = """\nMeasured at night.\n"""\n')
    write(results, tmp_path / "page.md", tmp_path)
    assert "\n\nMeasured at night.\n\n" in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"=", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"grwth = 'x'", "no section grwth.*peers"),
        (b"growth = 1", "growth is not a text"),
    ],
)
def test_notes_that_cannot_be_used_are_told(results: Path, tmp_path: Path, content: bytes, complaint: str) -> None:
    (results / "notes.toml").write_bytes(content)
    with pytest.raises(InvalidRequest, match=rf"notes\.toml.*{complaint}"):
        write(results, tmp_path / "page.md", tmp_path)
