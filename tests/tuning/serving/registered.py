"""Tuned models on record, with files that the fake server takes for an adapter."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from core.settings import Settings
from core.store.adapters import AdapterStore
from core.types.adapters import Adapter, BaseModel, Form, Verdict
from tuning.registry.store import open_files


def registered(
    store: AdapterStore, settings: Settings, content: str = "1", source: Path | None = None, **changes: Any
) -> Adapter:
    """A version of `hr` that passed its evaluation; other content makes another version. `source`: a real adapter."""
    folder = source or settings.data_dir / f"run-{content}"
    if source is None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "adapter_config.json").write_text('{"r": 8}')
        (folder / "adapter_model.safetensors").write_text(content)
    names = ("adapter_config.json", "adapter_model.safetensors")
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    values: dict[str, Any] = {
        "id": "",
        "name": "hr",
        "number": 0,
        "served_as": "",
        "base": BaseModel("tiny", "sha256:base"),
        "method": "lora",
        "form": Form.ADAPTER,
        "rank": 8,
        "files": files,
        "dataset": "d" * 64,
        "template": "t" * 64,
        "prompt": "p" * 64,
        "verdict": Verdict.PASSED,
    }
    open_files(settings).put(folder, files)
    return store.add(Adapter(**(values | changes)))[0]
