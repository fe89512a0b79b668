"""The `lorekeeper` command. Commands are loaded by name when they are called, so that help and start-up stay quick."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from core.console import forgive_encodings
from core.errors import InvalidSettings, LorekeeperError
from core.log import configure, reference
from core.plugins import load
from core.settings import Log

# name → (where, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("bots.commands:run", "Serve the gateway and the web chat."),
    "ask": ("bots.commands:ask", "Ask one question and print the answer with its citations."),
    "chat": ("bots.commands:chat", "Ask questions and follow-ups in the terminal."),
    "documents": ("ingest.commands:app", "Add, list, show, remove and re-index documents."),
    "sources": ("ingest.source_commands:app", "Keep folders, buckets and web files in sync."),
    "keys": ("bots.gateway.keys_commands:app", "Create, list and revoke keys for the HTTP API."),
    "init": ("bots.init:app", "Connect Slack: prints the app's manifest and what to do."),
    "backup": ("core.backup.commands:app", "Back up everything while it runs, to a folder or a bucket."),
    "restore": ("core.backup.commands:restore", "Restore a backup, also into another kind of database."),
    "status": ("bots.status.command:status", "Show live what runs, what is asked and what is indexed."),
    "doctor": ("core.doctor:doctor", "Check settings, data folder, index, model and tokens, and say what to do."),
    "upgrade": ("core.store.upgrade_command:upgrade_command", "Bring the database to this version."),
    "settings": ("core.settings_example:app", "Show the settings that exist, with their defaults."),
    "models": ("core.retrieval.embed.commands:app", "Prepare the embedding model."),
    "tune": ("tuning.commands:app", "Tune a model on your documents, and serve it."),
    "eval": ("evals.commands:app", "Measure on a data set."),
}


class LazyGroup(TyperGroup):
    """A group that lists its commands from the table and imports one only to run it."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        listed = typer.Typer(add_completion=False)
        listed.command(cmd_name, help=COMMANDS[cmd_name][1])(lambda: None)
        return typer.main.get_command(listed)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, _import_command(str(name)), rest


def _import_command(name: str) -> Any:
    where, help_line = COMMANDS[name]
    target = load(where)
    if not isinstance(target, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command(name)(target)
        target = single
    command = typer.main.get_command(target)
    command.name = name
    command.help = command.help or help_line
    return command


app = typer.Typer(
    name="lorekeeper",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Answers questions from your own documents, with citations.",
)


@app.callback()
def _root() -> None:
    """Answers questions from your own documents, with citations."""


def main() -> None:
    """The entry point: every error of ours becomes one message and an exit status, never a traceback."""
    forgive_encodings()
    # Before anything can fail: the library's own default prints variables, and with them secrets.
    configure(Log())
    try:
        app()
    except LorekeeperError as error:
        sys.stderr.write(f"Error: {error.message}\n")
        sys.exit(2 if isinstance(error, InvalidSettings) else 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        _unexpected(error)


def _unexpected(error: Exception) -> None:
    import structlog

    ref = reference()
    structlog.get_logger(__name__).error("unexpected error", reference=ref, exc_info=error)
    sys.stderr.write(f"Error: something went wrong on our side (reference {ref}); the log above has the cause.\n")
    sys.exit(70)


if __name__ == "__main__":
    main()
