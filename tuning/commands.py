"""`lorekeeper tune …`: from documents to a served adapter. What is heavy is imported where it is used."""

from __future__ import annotations

import typer

from tuning.dataset.commands import dataset, review
from tuning.evaluation.commands import evaluate
from tuning.registry.commands import fetch, promote, register, retire, rollback, show, show_all, uses
from tuning.training.commands import train

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tune a model on your documents, and serve it.")
app.command()(dataset)
app.command()(review)
app.command()(train)
app.command()(evaluate)
app.command()(register)
app.command("list")(show_all)
app.command()(show)
app.command()(promote)
app.command()(rollback)
app.command()(retire)
app.command()(uses)
app.command()(fetch)
