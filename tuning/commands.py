"""`lorekeeper tune …`: from documents to a served adapter. What is heavy is imported where it is used."""

from __future__ import annotations

import typer

from tuning.dataset.commands import dataset, review

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tune a model on your documents, and serve it.")
app.command()(dataset)
app.command()(review)
