"""`lorekeeper models …`."""

from __future__ import annotations

import sys

import typer

from core.log import configure
from core.retrieval.embed.onnx import open_onnx
from core.settings import load

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Prepare the embedding model.")


@app.callback()
def _models() -> None:
    """Prepare the embedding model."""


@app.command()
def export() -> None:
    """Export the configured embedding model to ONNX in the cache, unless it is there already."""
    settings = load()
    configure(settings.log)
    if settings.embedding.url:
        sys.stdout.write("Nothing to export: embedding.url names an endpoint.\n")
        return
    sys.stdout.write(f"Ready: {open_onnx(settings).identity}\n")
