"""`lorekeeper eval ingest`: where the time of indexing goes, measured from the outside.

The corpus goes through the real pipeline; thin proxies around its parts note when they are at work:

- parse: bytes to blocks.
- split: blocks to chunks, with the tokenizing that it takes to count tokens.
- embed: texts to vectors, with the embedder's own tokenizing.
- dense index: everything that is asked of the vector index, in threads of its own where it has some.
- record and word index: every transaction of the record, in which the word index is written, too.
- other: what is left: hashing, the stored copies of files, handing over.

A stage's seconds are those in which at least one thread is in it, so where the pipeline does two things at once the
stages add up to more than the whole.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from core.build import open_application, open_embedder
from core.ports import Embedder
from core.retrieval.chroma import open_chroma
from core.settings import Settings
from core.store.documents import DocumentStore
from evals.datasets import Dataset
from evals.processes import resident_mb
from evals.retrieval import Report, apart, ingest
from ingest.parse.plain import PlainParser
from ingest.parse.process import ParserProcess
from ingest.split import split

PARSE, SPLIT, EMBED, DENSE, RECORD = "parse", "split", "embed", "dense index", "record and word index"
STAGES = (PARSE, SPLIT, EMBED, DENSE, RECORD)
OTHER = "other"
SAMPLE_SECONDS = 0.05
# Tokens are counted afterwards in every so manieth text that was embedded.
EVERY = 16


class Stages:
    """Seconds in which at least one thread was in a stage."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget what was before; for when nothing is at work."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.busy = 0.0
        """Seconds in which any stage was at work."""
        self._active: Counter[str] = Counter()
        self._since = self._clock()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        self._change(stage, 1)
        try:
            yield
        finally:
            self._change(stage, -1)

    def timing(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, as a part of the stage."""

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            with self.timed(stage):
                return function(*arguments, **named)

        return call

    def _change(self, stage: str, by: int) -> None:
        with self._lock:
            now = self._clock()
            active = [each for each, count in self._active.items() if count]
            for each in active:
                self.seconds[each] += now - self._since
            if active:
                self.busy += now - self._since
            self._since = now
            self._active[stage] += by


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
        super().__init__(target, stages, EMBED, "embed")
        self.characters = 0
        self.texts = 0
        self._sample: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        first = -self.texts % EVERY
        self._sample += texts[first::EVERY]
        self.texts += len(texts)
        self.characters += sum(map(len, texts))
        with self._stages.timed(EMBED):
            return self._target.embed(texts)

    def tokens(self) -> int:
        """About how many were embedded, by the sample's tokens for each character."""
        sampled = sum(map(len, self._sample))
        counted = sum(map(self._target.count_tokens, self._sample))
        return round(self.characters * counted / sampled) if sampled else 0


class PeakMemory:
    """The most memory that this process held, looked at in a thread of its own, in MB."""

    def __init__(self) -> None:
        self.megabytes = resident_mb()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.megabytes = max(self.megabytes, resident_mb())

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.megabytes = max(self.megabytes, resident_mb())


async def evaluate_ingest(dataset: Dataset, settings: Settings, report: Report) -> dict[str, Any]:
    """Index the corpus once; the keys are those of `lorekeeper eval ingest --json`."""
    stages = Stages()
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder, _watched(stages) as embedders:
        application = await asyncio.to_thread(open_application, apart(settings, Path(folder)), "lorekeeper eval")
        try:
            stages.reset()
            with PeakMemory() as memory:
                seconds, chunks = await ingest(application, dataset, report)
        finally:
            application.close()
    return row(dataset, chunks, seconds, stages, sum(each.tokens() for each in embedders), memory.megabytes)


def row(dataset: Dataset, chunks: int, seconds: float, stages: Stages, tokens: int, peak_mb: float) -> dict[str, Any]:
    """The figures of one run."""
    named = {stage: round(stages.seconds[stage], 2) for stage in STAGES}
    named[OTHER] = round(max(0.0, seconds - stages.busy), 2)

    def per_second(count: int) -> float:
        return round(count / seconds, 2) if seconds else 0.0

    return {
        "dataset": dataset.name,
        "documents": len(dataset.documents),
        "chunks": chunks,
        "seconds": round(seconds, 2),
        "documents_per_second": per_second(len(dataset.documents)),
        "chunks_per_second": per_second(chunks),
        "tokens_per_second": round(per_second(tokens)),
        "stages": named,
        "embedding_share": round(stages.seconds[EMBED] / seconds, 3) if seconds else 0.0,
        "peak_rss_mb": peak_mb,
    }


@contextmanager
def _watched(stages: Stages) -> Iterator[list[EmbedderProxy]]:
    """An application that is opened meanwhile is made of watched parts; yields the list of its embedders."""
    embedders: list[EmbedderProxy] = []

    def embedder(settings: Settings) -> EmbedderProxy:
        embedders.append(EmbedderProxy(open_embedder(settings), stages))
        return embedders[-1]

    with ExitStack() as patches:
        for target, replacement in (
            ("core.build.open_embedder", embedder),
            ("core.retrieval.chroma.open_chroma", lambda *given: Proxy(open_chroma(*given), stages, DENSE)),
            ("core.store.documents.DocumentStore", lambda *given: Proxy(DocumentStore(*given), stages, RECORD)),
            ("ingest.pipeline.split", stages.timing(SPLIT, split)),
        ):
            patches.enter_context(patch(target, replacement))
        for parser in (PlainParser, ParserProcess):
            patches.enter_context(patch.object(parser, "parse", stages.timing(PARSE, parser.parse)))
        yield embedders
