"""Every relative link of the documentation points to something that exists, heading included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"(?ms)^(```|~~~).*?^\1\s*$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")
HEADING = re.compile(r"(?m)^#{1,6} +(.+?) *#*$")
INLINE_CODE = re.compile(r"`[^`\n]*`")
EXTERNAL = re.compile(r"[a-z][a-z+.-]*:", re.IGNORECASE)


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    found = LINK.findall(INLINE_CODE.sub("", prose(page)))
    return (link for link in found if not EXTERNAL.match(link))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings: https://docs.github.com/get-started (section links)."""
    known: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        count = 0
        while (anchor := f"{slug}-{count}" if count else slug) in known:
            count += 1
        known.add(anchor)
    return known


def broken(page: Path) -> list[str]:
    return [link for link in links(page) if not leads_somewhere(page, link)]


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or not target.resolve().is_relative_to(ROOT):
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_has_one_title_and_no_two_headings_alike(page: Path) -> None:
    headings = HEADING.findall(prose(page))
    levels = re.findall(r"(?m)^(#{1,6}) ", prose(page))
    assert levels[0] == "#"
    assert levels.count("#") == 1
    if page.name != "CHANGELOG.md":  # every version has its own "Added"
        assert len(set(headings)) == len(headings)


def test_every_page_of_the_documentation_can_be_reached_from_the_readme() -> None:
    waiting, seen = [ROOT / "README.md"], {ROOT / "README.md"}
    while waiting:
        page = waiting.pop()
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        new = {target for target in targets if target.suffix == ".md" and target.is_file()} - seen
        seen |= new
        waiting += new
    assert set(PAGES) - seen == set()


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path.resolve())
    page = tmp_path / "page.md"
    page.write_text(
        "# Where is it?\n[a](page.md) [b](#where-is-it) [c](gone.md) [d](page.md#gone) [e](https://example.org/x)\n"
        "`[f](code.md)`\n```\n[g](fence.md)\n```\n"
    )
    assert broken(page) == ["gone.md", "page.md#gone"]
