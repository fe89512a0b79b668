"""Where the time of indexing goes, seen from the outside: thin proxies around the pipeline's parts note their work.

- receiving: a file's bytes from the disk, their stored copy, and the job that is written down for them.
- reading: bytes to blocks, in the process that reads files.
- splitting: blocks to chunks, with the tokenizing that it takes to count tokens.
- embedding: texts to vectors, with the embedder's own tokenizing.
- vectors: everything that is asked of the vector index, in threads of its own where it has some.
- record: every other transaction of the record, in which the word index is written, too.
- other: what is left: taking jobs, stored copies that are read again, handing over.

A stage's seconds are those in which at least one thread is in it. Where the pipeline does several things at once, the
stages add up to more than the whole.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar
from unittest.mock import patch

from core.build import open_embedder
from core.ports import Embedder
from core.retrieval.chroma import open_chroma
from core.settings import Settings
from core.store.documents import DocumentStore
from core.store.history import HistoryStore
from core.store.jobs import JobStore
from core.types import ParsedDocument
from evals.processes import Gauge, peak_mb
from ingest.parse.plain import PlainParser
from ingest.parse.process import ParserProcess
from ingest.receiving import accept
from ingest.split import split

RECEIVING, READING, SPLITTING = "receiving", "reading", "splitting"
EMBEDDING, VECTORS, RECORD = "embedding", "vectors", "record"
STAGES = (RECEIVING, READING, SPLITTING, EMBEDDING, VECTORS, RECORD)
OTHER = "other"
# Tokens are counted afterwards in every so manieth text that was embedded.
EVERY = 16
T = TypeVar("T")


class Calls:
    """What was called under one name, one call after the other; in arrays, as memory is measured, too."""

    def __init__(self) -> None:
        self.sizes, self.seconds, self.ends = array("d"), array("d"), array("d")

    def note(self, size: float, begin: float, end: float) -> None:
        """`size`: how many things it was about."""
        self.sizes.append(size)
        self.seconds.append(end - begin)
        self.ends.append(end)


class Stages:
    """Seconds in which at least one thread was in a stage. What is called within a stage belongs to it."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._thread = threading.local()
        self.reset()

    def reset(self) -> None:
        """Forget what was before; for when nothing is at work."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.busy = 0.0
        """Seconds in which any stage was at work."""
        self.calls: defaultdict[tuple[str, str], Calls] = defaultdict(Calls)
        """By stage and name."""
        self._active: Counter[str] = Counter()
        self._since = self._clock()

    @contextmanager
    def timed(self, stage: str, name: str = "", size: int = 1) -> Iterator[None]:
        if getattr(self._thread, "is_inside", False):
            yield
            return
        self._thread.is_inside = True
        begin = self._change(stage, 1)
        try:
            yield
        finally:
            self._thread.is_inside = False
            end = self._change(stage, -1)
            with self._lock:
                self.calls[stage, name].note(size, begin, end)

    def timing(self, stage: str, function: Callable[..., T]) -> Callable[..., T]:
        """The same function, as a part of the stage; where it is given several things, it is about so many."""

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> T:
            with self.timed(stage, function.__name__, _size(arguments)):
                return function(*arguments, **named)

        return call

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; making each of them is a part of the stage."""
        rest = iter(items)
        while True:
            with self.timed(stage, "next"):
                try:
                    item = next(rest)
                except StopIteration:
                    return
            yield item

    def _change(self, stage: str, by: int) -> float:
        with self._lock:
            now = self._clock()
            active = [each for each, count in self._active.items() if count]
            for each in active:
                self.seconds[each] += now - self._since
            if active:
                self.busy += now - self._since
            self._since = now
            self._active[stage] += by
            return now


class Proxy:
    """Hands everything on to its target; calls of methods whose names begin with `prefix` are a part of the stage."""

    def __init__(self, target: Any, stages: Stages, stage: str, prefix: str = "") -> None:
        self._target = target
        self._stages = stages
        self._stage = stage
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._stages.timing(self._stage, found) if callable(found) and name.startswith(self._prefix) else found


class EmbedderProxy(Proxy):
    """Keeps a sample of what is embedded, to estimate how many tokens it was."""

    def __init__(self, target: Embedder, stages: Stages) -> None:
        super().__init__(target, stages, EMBEDDING, "embed")
        self.characters = 0
        self.texts = 0
        self._sample: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        first = -self.texts % EVERY
        self._sample += texts[first::EVERY]
        self.texts += len(texts)
        characters = sum(map(len, texts))
        self.characters += characters
        with self._stages.timed(EMBEDDING, "embed", characters):
            return self._target.embed(texts)

    def tokens(self) -> int:
        """About how many were embedded, by the sample's tokens for each character."""
        sampled = sum(map(len, self._sample))
        counted = sum(map(self._target.count_tokens, self._sample))
        return round(self.characters * counted / sampled) if sampled else 0


@dataclass(frozen=True, slots=True)
class Watched:
    """What is noted about an application."""

    stages: Stages = field(default_factory=Stages)
    embedders: list[EmbedderProxy] = field(default_factory=list)
    reader: Gauge = field(default_factory=Gauge)
    """The most memory that each process that reads files held so far."""

    def tokens(self) -> int:
        return sum(each.tokens() for each in self.embedders)

    def look(self, pid: int | None) -> None:
        """At a process that reads files; None when it broke."""
        with suppress(OSError):  # it is being ended
            if pid is not None:
                self.reader.note(peak_mb(pid))


@contextmanager
def watched() -> Iterator[Watched]:
    """An application that is opened meanwhile is made of watched parts."""
    watch = Watched()
    stages = watch.stages

    def embedder(settings: Settings) -> EmbedderProxy:
        watch.embedders.append(EmbedderProxy(open_embedder(settings), stages))
        return watch.embedders[-1]

    read = stages.timing(READING, ParserProcess.parse)

    def parse(parser: ParserProcess, data: bytes, name: str) -> ParsedDocument:
        try:
            return read(parser, data, name)
        finally:
            watch.look(parser.pid)

    with ExitStack() as patches:
        for target, replacement in (
            ("core.build.open_embedder", embedder),
            ("core.retrieval.chroma.open_chroma", lambda *given: Proxy(open_chroma(*given), stages, VECTORS)),
            ("core.store.documents.DocumentStore", lambda *given: Proxy(DocumentStore(*given), stages, RECORD)),
            ("core.store.history.HistoryStore", lambda *given: Proxy(HistoryStore(*given), stages, RECORD)),
            ("core.store.jobs.JobStore", lambda *given: Proxy(JobStore(*given), stages, RECORD)),
            ("ingest.pipeline.accept", lambda *given: stages.each(RECEIVING, accept(*given))),
            ("ingest.engine.split", stages.timing(SPLITTING, split)),
        ):
            patches.enter_context(patch(target, replacement))
        patches.enter_context(patch.object(ParserProcess, "parse", parse))
        patches.enter_context(patch.object(PlainParser, "parse", stages.timing(READING, PlainParser.parse)))
        yield watch


def _size(arguments: Sequence[Any]) -> int:
    return max((len(each) for each in arguments if isinstance(each, list | tuple | dict) and each), default=1)
