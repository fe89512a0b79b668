"""The peers' environments: what is asked for, and what is said when it is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from evals.peers import files, setup
from evals.peers.run import SUBJECTS


def test_an_environment_that_was_made_has_a_python(environments: Path) -> None:
    assert setup.python_of("fake") == environments / "fake" / "bin" / "python"


@pytest.mark.parametrize("lacking", ["python", "stamp"])
def test_a_missing_environment_is_told_with_the_command_that_makes_it(environments: Path, lacking: str) -> None:
    (environments / "fake" / ("bin/python" if lacking == "python" else setup.STAMP)).unlink()
    with pytest.raises(InvalidRequest, match=r"python -m evals\.peers\.setup fake$"):
        setup.python_of("fake")


def test_an_environment_of_other_versions_is_as_good_as_missing(environments: Path) -> None:
    (setup.REQUIREMENTS / "fake.txt").write_text("fake==2\n")
    with pytest.raises(InvalidRequest, match="not of the versions that are asked for"):
        setup.python_of("fake")


def test_an_environment_that_is_there_is_not_made_again(environments: Path) -> None:
    before = (environments / "fake" / "bin" / "python").lstat()
    setup.main(["fake"])
    assert (environments / "fake" / "bin" / "python").lstat() == before


def test_an_unknown_peer_is_told(environments: Path) -> None:
    with pytest.raises(SystemExit, match="There is no peer lucene; there are fake"):
        setup.main(["lucene"])


def test_every_peer_has_requirements_with_exact_versions() -> None:
    subjects = [*SUBJECTS.values(), *files.SUBJECTS.values()]
    assert set(setup.names()) == {subject.environment for subject in subjects if subject.environment}
    for name in setup.names():
        lines = (setup.REQUIREMENTS / f"{name}.txt").read_text().splitlines()
        assert lines == sorted(lines, key=lambda line: line.split("==")[0])
        assert all(re.fullmatch(r"[a-z0-9-]+(\[[a-z,]+\])?==[0-9.]+", line) for line in lines)
        # All that embed do so with the same one.
        assert ("torch==2.13.0" in lines) == any(line.startswith("sentence-transformers==") for line in lines)
