"""Recorded runs of the evaluations: what was measured, by which command, on what machine, with which versions."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import shlex
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest

PROGRAM = "lorekeeper"
PACKAGES = (PROGRAM, "chromadb", "onnxruntime", "numpy", "sqlalchemy", "fastapi", "uvicorn")
# Run → the command that records it.
COMMANDS = {
    "peers": "lorekeeper eval peers DIR… --save FOLDER",
    "retrieval": "lorekeeper eval retrieval DIR… --save FOLDER",
    "ablation": "lorekeeper eval ablation DIR… --save FOLDER",
    "answers": "lorekeeper eval answers DIR… --save FOLDER",
    "calibration": "lorekeeper eval calibrate DIR… --save FOLDER",
    "ingest": "lorekeeper eval ingest DIR… --save FOLDER",
    "small": "lorekeeper eval ingest --small 10000 --save FOLDER",
    "growth": "lorekeeper eval growth DIR… --save FOLDER",
    "load": "lorekeeper eval load DIR… --save FOLDER",
    "serving": "lorekeeper eval serving DIR… --save FOLDER",
    "model-serving": "lorekeeper eval model-serving DIR… --save FOLDER",
    "tuning": "lorekeeper eval tuning DATASET --model MODEL --save FOLDER",
}
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
KEYS = {"name": str, "command": str, "date": str, "machine": dict, "versions": dict, "rows": list, "notes": str}


@dataclass(frozen=True, slots=True)
class Run:
    """One command's results. `date` is YYYY-MM-DD; `rows` and `machine` hold plain JSON values."""

    name: str
    command: str
    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    notes: str = ""


def recorded(name: str, argv: Sequence[str], rows: Sequence[Mapping[str, Any]], notes: str = "") -> Run:
    """A run that ended just now, on this machine. `argv` is `sys.argv`."""
    today = date.today().isoformat()  # noqa: DTZ011 - the day where the user is
    return Run(name, exact_command(argv), today, describe_machine(), versions(), rows, notes)


def exact_command(argv: Sequence[str]) -> str:
    """How the user called it, quoted for a shell; the program's own path is left out."""
    return shlex.join([PROGRAM, *argv[1:]])


def versions() -> dict[str, str]:
    """Of the packages that figures depend on, as far as they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "sqlite": sqlite3.sqlite_version}


def describe_machine() -> dict[str, Any]:
    """What figures depend on; nothing that names the machine. Memory in GB; `gpu`: whether this process can see one."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": _system(),
        "python": platform.python_version(),
        "gpu": any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd")),
    }


def save(run: Run, folder: Path) -> Path:
    """Write NAME.json, whole or not at all, and return its path.

    Each row is one line, so that a changed figure is a changed line. Raises `InvalidRequest` when the folder cannot be
    written or the name is no plain file name.
    """
    if not NAME.fullmatch(run.name):
        raise InvalidRequest(f"{run.name!r} cannot name a recorded run: use letters a-z, digits, - and _.")
    path = folder / f"{run.name}.json"
    write_whole(path, _text(run).encode())
    return path


def write_whole(path: Path, data: bytes) -> None:
    """Write the file, making its folder; readers see the old or the new content. Raises `InvalidRequest`."""
    work = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work.write_bytes(data)
        work.replace(path)
    except OSError as error:
        with suppress(OSError):
            work.unlink()
        raise InvalidRequest(f"{path} cannot be written: {error.strerror or error}.") from error


def load(folder: Path) -> dict[str, Run]:
    """All runs recorded in the folder by name. Raises `InvalidRequest` for a folder or a run that cannot be read."""
    if not folder.is_dir():
        raise InvalidRequest(f"There are no recorded runs in {folder}. Record one, for example with: {_maker('peers')}")
    return {path.stem: read(path) for path in sorted(folder.glob("*.json"))}


def read(path: Path) -> Run:
    """One recorded run. Raises `InvalidRequest`, with the command that makes the file anew."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidRequest(f"{path} does not exist. It is made by: {_maker(path.stem)}") from error
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, "it is not JSON") from error
    if not isinstance(fields, dict):
        raise _broken(path, "it is not a JSON object")
    fields = {"notes": "", **fields}
    for key, kind in KEYS.items():
        if not isinstance(fields.get(key), kind):
            raise _broken(path, f"{key} is missing or of the wrong kind")
    if fields["name"] != path.stem or not all(isinstance(row, dict) for row in fields["rows"]):
        raise _broken(path, "its name is another one" if fields["name"] != path.stem else "a row is not an object")
    return Run(**{key: fields[key] for key in KEYS})


def _broken(path: Path, reason: str) -> InvalidRequest:
    return InvalidRequest(f"{path} is not a recorded run: {reason}. Make it anew with: {_maker(path.stem)}")


def _maker(name: str) -> str:
    return COMMANDS.get(name, "lorekeeper eval … --save FOLDER")


def _text(run: Run) -> str:
    fields = _finite(asdict(run))
    rows = fields.pop("rows")
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in fields.items()]
    body = ",\n".join(f"    {_json(row)}" for row in rows)
    lines.append(f'  "rows": [\n{body}\n  ]' if rows else '  "rows": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity: what could not be measured is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, [*named, _mac_processor(), platform.processor()]), platform.machine())


def _mac_processor() -> str:
    command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=5).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""


def _cores() -> int:
    """Those that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
