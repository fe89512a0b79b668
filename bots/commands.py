"""`lorekeeper run`, `ask` and `chat`."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import Annotated

import typer

from core.build import open_application
from core.log import configure, configure_for_command, request
from core.namespace import check_namespace
from core.settings import load
from core.types import DEFAULT_NAMESPACE, Outcome, Question, Scope

WAIT_SECONDS = 15.0
# An honest no-answer is a good outcome; scripts tell it apart by `outcome` in the JSON.
EXIT_STATUS = {Outcome.FAILED: 1, Outcome.INVALID_QUESTION: 2}


def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    namespace: Annotated[str, typer.Option(help="Which documents to ask.")] = DEFAULT_NAMESPACE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Also show the passages, scores and times behind the answer.")
    ] = False,
) -> None:
    """Ask one question. Exits with 0 for an answer or an honest no-answer, 2 for a question that is none, 1 for a failure."""
    from bots.terminal import print_answer
    from core.wire import answer_to_json

    asked = Question(uuid.uuid4().hex, question, Scope(check_namespace(namespace)))
    settings = load()
    configure_for_command(settings.log)
    application = open_application(settings, "lorekeeper ask", wait_seconds=WAIT_SECONDS)
    try:
        with request():
            answer = asyncio.run(application.asker.ask(asked))
    finally:
        application.close()
    if as_json:
        sys.stdout.write(json.dumps(answer_to_json(answer, why=why), ensure_ascii=False) + "\n")
    else:
        print_answer(answer, why=why)
    raise typer.Exit(EXIT_STATUS.get(answer.outcome, 0))


def chat(
    namespace: Annotated[str, typer.Option(help="Which documents to ask.")] = DEFAULT_NAMESPACE,
) -> None:
    """Ask questions and follow-ups; an empty line or Ctrl-D ends it."""
    from bots.terminal import converse

    check_namespace(namespace)
    settings = load()
    configure_for_command(settings.log)
    application = open_application(settings, "lorekeeper chat", wait_seconds=WAIT_SECONDS)
    try:
        converse(application.asker, namespace)
    finally:
        application.close()


def run(
    only: Annotated[
        list[str] | None, typer.Option(help="Run only this part (repeatable): gateway, slack, discord or worker.")
    ] = None,
    standby: Annotated[
        bool, typer.Option("--standby", help="With --only: a part without its token is off, which is no error.")
    ] = False,
) -> None:
    """Serve until stopped with Ctrl-C."""
    from bots.ending import end_in_time
    from bots.running import serve

    settings = load()
    configure(settings.log)
    raise typer.Exit(asyncio.run(serve(settings, only or [], end_in_time, is_standby=standby)))
