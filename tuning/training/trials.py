"""The trials of a search as a table and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from core.errors import MissingExtra
from tuning.training.plots import STYLE, TRAINED, VALIDATED


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial."""

    number: int
    rank: int
    learning_rate: float
    epochs: float
    loss: float | None
    """The last that was found; None where there is none."""
    is_given_up: bool


def ranked(trials: Sequence[Tried]) -> list[Tried]:
    """Those that came to their end, the best first. Pure."""
    whole = [(each.loss, each.number, each) for each in trials if not each.is_given_up and each.loss is not None]
    return [each for *_, each in sorted(whole, key=lambda row: row[:2])]


def table(trials: Sequence[Tried]) -> str:
    """As Markdown, the best first, those that were given up last. Pure."""
    whole = ranked(trials)
    rest = [each for each in trials if each not in whole]
    rows = [
        f"| {each.number + 1} | {each.rank or '–'} | {each.learning_rate:.2e} | {each.epochs:g} "
        f"| {f'{each.loss:.4f}' if each.loss is not None else '–'} | {'given up' if each.is_given_up else 'whole'} |"
        for each in (*whole, *rest)
    ]
    head = "# Trials\n\n| Trial | Rank | Learning rate | Epochs | Validation loss | End |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"{row}\n" for row in rows)


def picture(trials: Sequence[Tried]) -> bytes:
    """As PNG: losses in the order of the trials and by learning rate. Raises `MissingExtra`."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise MissingExtra("matplotlib", "tune") from error

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 4), layout="constrained")
        FigureCanvasAgg(figure)
        order, rates = figure.subplots(1, 2, sharey=True)
        for is_given_up, label, colour, marker in ((False, "whole", TRAINED, "o"), (True, "given up", VALIDATED, "x")):
            shown = [each for each in trials if each.is_given_up is is_given_up and each.loss is not None]
            if shown:
                losses = [each.loss for each in shown]
                order.scatter([each.number + 1 for each in shown], losses, label=label, color=colour, marker=marker)
                rates.scatter([each.learning_rate for each in shown], losses, color=colour, marker=marker)
        order.set(xlabel="trial", ylabel="validation loss")
        order.xaxis.set_major_locator(MaxNLocator(integer=True))
        rates.set(xlabel="learning rate", xscale="log")
        if order.get_legend_handles_labels()[0]:
            order.legend()
        written = BytesIO()
        figure.savefig(written, format="png", dpi=120, metadata={"Software": None})
    return written.getvalue()
