"""The peers' environments, one for each, as their packages exclude one another: `python -m evals.peers.setup NAME…`."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from core.errors import InvalidRequest

REQUIREMENTS = Path(__file__).parent / "requirements"
ENVIRONMENTS = Path(__file__).parents[2] / "build" / "peers"
# A copy of the requirements that an environment was made with.
STAMP = ".installed"
PIP = "pip>=25.1"


def names() -> list[str]:
    return sorted(file.stem for file in REQUIREMENTS.glob("*.txt"))


def python_of(name: str) -> Path:
    """The environment's Python. Raises `InvalidRequest` when it was not made, or with other requirements."""
    if not _is_current(name):
        raise InvalidRequest(
            f"The environment of {name}, {ENVIRONMENTS / name}, is missing or not of the versions that are asked for. "
            f"Make it with: python -m evals.peers.setup {name}"
        )
    return _python(name)


def install(name: str) -> None:
    """Make the environment anew, unless it is there. Raises `InvalidRequest`, `subprocess.CalledProcessError`."""
    if name not in names():
        raise InvalidRequest(f"There is no peer {name}; there are {', '.join(names())}.")
    if _is_current(name):
        return
    folder = ENVIRONMENTS / name
    venv.create(folder, clear=True, with_pip=True)
    _pip(name, "--upgrade", PIP)
    _pip(name, "--requirement", str(_requirements(name)))
    (folder / STAMP).write_text(_requirements(name).read_text())


def _pip(name: str, *arguments: str) -> None:
    subprocess.run([str(_python(name)), "-m", "pip", "install", "--quiet", *arguments], check=True)  # noqa: S603


def _is_current(name: str) -> bool:
    stamp = ENVIRONMENTS / name / STAMP
    return _python(name).exists() and stamp.is_file() and stamp.read_text() == _requirements(name).read_text()


def _python(name: str) -> Path:
    return ENVIRONMENTS / name / "bin" / "python"


def _requirements(name: str) -> Path:
    return REQUIREMENTS / f"{name}.txt"


def main(chosen: Sequence[str]) -> None:
    for name in chosen or names():
        sys.stderr.write(f"{name} …\n")
        try:
            install(name)
        except InvalidRequest as error:
            sys.exit(error.message)
        except subprocess.CalledProcessError:
            sys.exit(f"The packages of {name} could not be installed; pip says why above.")


if __name__ == "__main__":
    main(sys.argv[1:])
