"""The losses of a run as a picture, from losses.jsonl alone."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from core.errors import MissingExtra

TRAINED, VALIDATED = "#0072B2", "#D55E00"
"""Colours of Okabe and Ito (2008), which colour-blind people tell apart."""
STYLE: dict[Any, Any] = {
    "font.size": 10.0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
}


def read_losses(path: Path) -> list[dict[str, float]]:
    """One row for each logged step; a line that was being written is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def loss_picture(rows: list[dict[str, float]], title: str) -> bytes:
    """As PNG; the same losses give the same bytes. Raises `MissingExtra`."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise MissingExtra("matplotlib", "tune") from error

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for name, label, colour, marker in (
            ("loss", "training", TRAINED, ""),
            ("validation_loss", "validation", VALIDATED, "o"),
        ):
            points = [(row["step"], row[name]) for row in rows if name in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=label, color=colour, marker=marker or None)
        axes.set(xlabel="step", ylabel="loss", title=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
        written = BytesIO()
        figure.savefig(written, format="png", dpi=120, metadata={"Software": None})
    return written.getvalue()
