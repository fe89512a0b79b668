"""What runs in the process that reads files: takes one after the other from its input, until the input ends.

Each request is a line of JSON (`name`, `size`, `seconds`, `options`) and `size` bytes; each answer is a line of JSON, and
the bytes of the files inside, whose sizes it names. JSON rather than pickle, because what comes out of a process that
reads untrusted files must not be able to run code in the other one. Passwords come with the requests, because arguments
and environment of a process can be read by others.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from core.errors import LorekeeperError
from core.types import Attachment, Block, BlockKind, ParsedDocument
from ingest.parse import parse
from ingest.parse.errors import ReadElsewhere
from ingest.parse.options import ParseOptions
from ingest.parse.sandbox import confine

OUT_OF_MEMORY = 75
"""The exit status of a process whose memory did not suffice."""


@dataclass(frozen=True, slots=True)
class _Request:
    name: str
    seconds: float
    options: ParseOptions
    data: bytes = field(repr=False)


def serve() -> None:
    """Answer requests from standard input on standard output. Never returns.

    The argument, if there is one, is the memory that may be used, in bytes.
    """
    confine(*map(int, sys.argv[1:2]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    # The kernel's default action ends the process even in the middle of a C function that gives nobody else a turn.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()
    try:
        while True:
            _serve_one(requests.get(), answers)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _serve_one(request: _Request, answers: BinaryIO) -> None:
    signal.setitimer(signal.ITIMER_REAL, request.seconds)
    answer, inside = _answer(request)
    signal.setitimer(signal.ITIMER_REAL, 0)
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.writelines(attachment.data for attachment in inside)
    answers.flush()


def document_from_json(value: dict[str, Any], inside: Sequence[bytes] = ()) -> ParsedDocument:
    """`inside`: the bytes of the files inside, in order.

    Raises `KeyError`, `TypeError` or `ValueError` for what is not a parsed document.
    """
    blocks = tuple(Block(text, BlockKind(kind), level, page) for text, kind, level, page in value["blocks"])
    names = (name for name, _ in value["attachments"])
    attachments = tuple(Attachment(name, data) for name, data in zip(names, inside, strict=True))
    return ParsedDocument(
        value["title"],
        blocks,
        value["pages"],
        tuple(value["losses"]),
        value["media_type"],
        value["keywords"],
        attachments,
    )


def _receive(stream: BinaryIO, requests: queue.SimpleQueue[_Request]) -> None:
    """In a thread, so that the process ends with the one that asks, also by kill -9 and in the middle of a file."""
    try:
        while header := stream.readline():
            asked = json.loads(header)
            options = ParseOptions.from_json(asked["options"])
            requests.put(_Request(asked["name"], asked["seconds"], options, stream.read(asked["size"])))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    os._exit(0)


def _answer(request: _Request) -> tuple[dict[str, Any], Sequence[Attachment]]:
    try:
        document = parse(request.data, request.name, request.options)
        return {"document": _to_json(document)}, document.attachments
    except LorekeeperError as error:
        cause = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""
        media_type = error.media_type if isinstance(error, ReadElsewhere) else ""
        return {"error": type(error).__name__, "message": error.message, "cause": cause, "media_type": media_type}, ()


def _to_json(document: ParsedDocument) -> dict[str, Any]:
    return {
        "title": document.title,
        "blocks": [(block.text, block.kind.value, block.level, block.page) for block in document.blocks],
        "pages": document.pages,
        "losses": document.losses,
        "media_type": document.media_type,
        "keywords": document.keywords,
        "attachments": [(each.name, len(each.data)) for each in document.attachments],
    }


if __name__ == "__main__":
    serve()
