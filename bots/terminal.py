"""The terminal as a channel: prints answers, and holds a conversation."""

from __future__ import annotations

import asyncio
import uuid
from contextvars import copy_context

from rich.console import Console
from rich.text import Text

from core.console import plain
from core.log import request
from core.ports import Asker
from core.types import Answer, Citation, Finished, Outcome, Question, Receipt, Scope, Status


def print_answer(answer: Answer, *, why: bool = False, console: Console | None = None) -> None:
    """The answer, its numbered sources, and with `why` the receipt."""
    out = console or Console(highlight=False, soft_wrap=True)
    out.print(Text(plain(answer.text)))
    if answer.notice:
        out.print(Text(answer.notice, style="yellow"))
    sources = answer.citations or answer.nearest
    if sources:
        out.print()
        out.print(Text("Sources" if answer.citations else "Closest passages", style="bold"))
    for citation in sources:
        _print_source(out, citation)
    if answer.outcome is Outcome.ANSWERED and answer.generator == "extractive":
        out.print(Text("\nQuoted from the documents; no language model was used.", style="dim"))
    if why and answer.why is not None:
        _print_receipt(out, answer.standalone, answer.why)


def converse(asker: Asker, namespace: str) -> None:
    """Questions and answers until an empty line or the end of the input.

    The input is read outside the event loop: reading in one of its threads could not be interrupted with Ctrl-C.
    """
    out = Console(highlight=False, soft_wrap=True)
    thread = f"terminal:{uuid.uuid4().hex}"
    out.print(Text("Ask about your documents. An empty line ends the conversation.", style="dim"))
    with asyncio.Runner() as runner:
        while text := _read_line():
            question = Question(uuid.uuid4().hex, text, Scope(namespace), thread=thread)
            with request():
                answer = runner.run(_answer(asker, question, out), context=copy_context())
            if answer is not None:
                print_answer(answer, console=out)
                out.print()


def _read_line() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""


async def _answer(asker: Asker, question: Question, out: Console) -> Answer | None:
    answer = None
    with out.status("…") as spinner:
        async for event in asker.stream(question):
            if isinstance(event, Status):
                spinner.update(event.stage)
            elif isinstance(event, Finished):
                answer = event.answer
    return answer


def _print_source(out: Console, citation: Citation) -> None:
    where = f", {citation.locator}" if citation.locator else ""
    out.print(Text.assemble((f"[{citation.number}] ", "bold cyan"), plain(citation.title), (where, "cyan")))
    out.print(Text.assemble("    “", plain(citation.quote), "”", style="italic"))


def _print_receipt(out: Console, standalone: str, why: Receipt) -> None:
    out.print()
    out.print(Text("Why", style="bold"))
    out.print(Text(f"Looked up: {plain(standalone)}"))
    verdict = "answer" if why.confidence >= why.threshold else "no answer"
    out.print(Text(f"Confidence {why.confidence:.2f}, threshold {why.threshold:.2f}: {verdict}"))
    out.print(
        Text(
            f"Best passage {why.signals.top_dense:.2f}, best sentence {why.signals.top_sentence:.2f}, "
            f"words covered {why.signals.coverage:.2f}"
        )
    )
    for number, passage in enumerate(why.passages, start=1):
        scores = f"{passage.score:.2f} (dense {_score(passage.dense)}, lexical {_score(passage.lexical)})"
        out.print(Text(f"{number:2}. {scores}  {plain(passage.title)}, {plain(passage.locator)}"))
    out.print(Text("  ".join(f"{stage} {value:.0f} ms" for stage, value in why.milliseconds.items()), style="dim"))


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
