"""What went wrong inside the libraries, as a sentence that says what to do."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from core.errors import InvalidRequest, LorekeeperError, MissingExtra, StorageFailed

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "peft", "trl")
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cublas_status_alloc_failed")
DISK_FULL = ("no space left on device", "disk quota exceeded", "os error 28")
QUIET: Mapping[str, str] = {
    # No one is told what is trained here.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # Each of its attempts to reach the hub would be told twice. What came of them is told once, at the end.
    "HF_HUB_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    # Each of the trainer's processes has threads of its own; the tokenizer's would be warned of.
    "TOKENIZERS_PARALLELISM": "false",
}


LIBRARIES_AMONG_THEMSELVES = (r".*is_gradient_checkpointing.* is deprecated",)
"""Beginnings of warnings about what one library calls of another, where nobody who trains can do anything."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without those warnings."""
    with warnings.catch_warnings():
        for message in LIBRARIES_AMONG_THEMSELVES:
            warnings.filterwarnings("ignore", message=message)
        yield


def prepare_libraries() -> None:
    """To be called before they are imported. Raises `MissingExtra`."""
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra(package, "tune")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def told(model: str, folder: Path, hint: str) -> Iterator[None]:
    """Memory and disk errors become ours; `hint` says what to lower. Raises `LorekeeperError`."""
    try:
        yield
    except LorekeeperError:
        raise
    except Exception as error:
        text = _texts(error)
        if isinstance(error, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY):
            raise InvalidRequest(f"There is not enough memory to train {model} like this. {hint}") from error
        if _is_disk_full(error) or any(sign in text for sign in DISK_FULL):
            raise StorageFailed(
                f"The disk that holds {folder} is full. Make room and run the same command again: it goes on from the last checkpoint."
            ) from error
        raise


def _texts(error: BaseException | None) -> str:
    """Of an error and of all that it came from, in lower case."""
    parts = []
    while error is not None:
        parts.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return " ".join(parts).lower()


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False
