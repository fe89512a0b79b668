"""The threat model names tests that exist, and each of its threats has some."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
SECTION = re.compile(r"(?ms)^## (.+?)$\n(.*?)(?=^## |\Z)")
THREAT = re.compile(r"(?m)^\| [^|]+ \| \[[^\]]+\]\(#([^)]+)\) \|$")


def sections() -> dict[str, str]:
    """By anchor."""
    found = SECTION.findall(PAGE.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-"): text for title, text in found}


def missing(text: str) -> list[str]:
    return [f"{path}::{name}" for path, name in NAMED.findall(text) if not has_test(ROOT / path, name)]


def has_test(path: Path, name: str) -> bool:
    return path.is_file() and bool(re.search(rf"(?m)^ *(async )?def {name}\(", path.read_text(encoding="utf-8")))


def test_every_test_that_the_page_names_exists() -> None:
    assert missing(PAGE.read_text(encoding="utf-8")) == []


def test_a_test_that_is_gone_is_found() -> None:
    gone = "`tests/docs/test_security.py::test_of_nothing` `tests/gone.py::test_of_nothing`"
    assert len(missing(f"{gone} `tests/docs/test_security.py::test_a_test_that_is_gone_is_found`")) == 2


@pytest.mark.parametrize("anchor", THREAT.findall(PAGE.read_text(encoding="utf-8")))
def test_every_threat_has_tests(anchor: str) -> None:
    assert NAMED.search(sections()[anchor])


def test_the_threats_are_told() -> None:
    assert len(THREAT.findall(PAGE.read_text(encoding="utf-8"))) >= 9
