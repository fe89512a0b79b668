"""Where the time of indexing goes: the clock by itself, and one small corpus through the real pipeline."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from core.settings import load
from evals.datasets import CorpusDocument, Dataset
from evals.ingesting import DENSE, EMBED, EVERY, RECORD, SPLIT, EmbedderProxy, PeakMemory, Stages, evaluate_ingest, row
from tests.fakes.embedder import WordEmbedder

KEYS = [
    *("dataset", "documents", "chunks", "seconds", "documents_per_second", "chunks_per_second", "tokens_per_second"),
    *("stages", "embedding_share", "peak_rss_mb"),
]
CORPUS = Dataset(
    "tiny",
    tuple(
        CorpusDocument(str(number), f"Leave {number}", f"You accrue {number} days of annual leave. " * 12)
        for number in range(6)
    ),
    (),
)


def unheard(stage: str, done: int, total: int) -> None:
    pass


def test_a_stage_takes_as_long_as_any_thread_is_in_it() -> None:
    ticks = iter(range(100))
    stages = Stages(lambda: float(next(ticks)))  # a second passes with each look at the clock
    with stages.timed(EMBED), stages.timed(EMBED):  # 1 to 4, and 2 to 3, which is no second time
        pass
    with stages.timed(DENSE), stages.timed(RECORD):  # 5 to 8, and 6 to 7
        pass
    assert (stages.seconds[EMBED], stages.seconds[DENSE], stages.seconds[RECORD]) == (3.0, 3.0, 1.0)
    assert stages.busy == 6.0  # what runs at the same time counts once
    stages.reset()
    assert stages.busy == sum(stages.seconds.values()) == 0.0


def test_what_fails_is_timed_too() -> None:
    stages = Stages(itertools.count().__next__)

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        stages.timing(SPLIT, fail)()
    assert stages.seconds[SPLIT] == 1


def test_what_is_in_no_stage_is_other_and_the_share_is_of_the_whole() -> None:
    ticks = iter([0.0, 0.0, 6.0])
    stages = Stages(lambda: next(ticks))
    with stages.timed(EMBED):
        pass
    found = row(CORPUS, 12, 8.0, stages, 400, 100.0)
    assert list(found) == KEYS
    assert found["stages"] == {
        "parse": 0.0,
        "split": 0.0,
        "embed": 6.0,
        "dense index": 0.0,
        "record and word index": 0.0,
        "other": 2.0,
    }
    assert (found["embedding_share"], found["documents_per_second"], found["chunks_per_second"]) == (0.75, 0.75, 1.5)
    assert found["tokens_per_second"] == 50


def test_tokens_are_estimated_from_a_sample_and_only_embedding_is_timed() -> None:
    stages = Stages()
    proxy = EmbedderProxy(WordEmbedder(), stages)
    for part in (7, 2 * EVERY, 1, 4):
        assert proxy.embed(["four words of text"] * part).shape[0] == part
    assert proxy.texts == 12 + 2 * EVERY
    assert proxy.tokens() == 4 * proxy.texts
    spent = stages.seconds[EMBED]
    assert spent > 0
    assert proxy.count_tokens("two words") == 2
    assert proxy.dimension == WordEmbedder.dimension
    assert stages.seconds[EMBED] == spent


def test_peak_memory_is_that_of_the_block() -> None:
    with PeakMemory() as memory:
        before = memory.megabytes
        held = bytearray(60_000_000)
        held[::4096] = b"x" * len(held[::4096])
        while memory.megabytes < before + 50:
            time.sleep(0.01)
        del held
    assert memory.megabytes > before + 50
    assert not any(thread.name.endswith("(_watch)") for thread in threading.enumerate())


async def test_indexing_is_taken_apart_by_the_real_pipeline() -> None:
    found = await evaluate_ingest(CORPUS, load(), unheard)
    assert list(found) == KEYS
    assert (found["dataset"], found["documents"]) == ("tiny", 6)
    assert found["chunks"] >= 6
    assert found["stages"]["embed"] > 0
    assert found["stages"]["dense index"] > 0
    assert found["stages"]["record and word index"] > 0
    assert 0 < found["embedding_share"] < 1
    assert found["tokens_per_second"] > 0
