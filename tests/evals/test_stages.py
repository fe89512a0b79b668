"""Where the time of indexing goes: the clock, and the proxies around the parts of a pipeline."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from evals.stages import (
    EMBEDDING,
    EVERY,
    RECEIVING,
    RECORD,
    SPLITTING,
    VECTORS,
    EmbedderProxy,
    Proxy,
    Stages,
)
from tests.fakes.embedder import WordEmbedder


def ticking() -> Stages:
    """A second passes with each look at the clock."""
    return Stages(itertools.count(0.0).__next__)


def in_another_thread(stages: Stages, stage: str) -> None:
    def work() -> None:
        with stages.timed(stage):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_stage_takes_as_long_as_any_thread_is_in_it() -> None:
    stages = ticking()
    with stages.timed(EMBEDDING):  # 1 to 4
        in_another_thread(stages, EMBEDDING)  # 2 to 3, which is no second time
    with stages.timed(VECTORS):  # 5 to 8
        in_another_thread(stages, RECORD)  # 6 to 7
    assert (stages.seconds[EMBEDDING], stages.seconds[VECTORS], stages.seconds[RECORD]) == (3.0, 3.0, 1.0)
    assert stages.busy == 6.0  # what runs at the same time counts once
    stages.reset()
    assert stages.busy == sum(stages.seconds.values()) == 0.0
    assert not stages.calls


def test_what_is_called_within_a_stage_belongs_to_it() -> None:
    stages = ticking()
    with stages.timed(RECEIVING), stages.timed(RECORD):
        pass
    with stages.timed(RECORD):
        pass
    assert (stages.seconds[RECEIVING], stages.seconds[RECORD]) == (1.0, 1.0)


def test_what_fails_is_timed_too() -> None:
    stages = ticking()

    def fail() -> None:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            stages.timing(SPLITTING, fail)()
    assert stages.seconds[SPLITTING] == 2
    assert list(stages.calls[SPLITTING, "fail"].seconds) == [1.0, 1.0]


def test_of_items_only_their_making_is_timed() -> None:
    stages = ticking()

    def items() -> Iterator[str]:
        yield "a"
        yield "b"

    made = stages.each(RECEIVING, items())
    assert next(made) == "a"
    with stages.timed(RECORD):
        pass
    assert list(made) == ["b"]
    assert stages.seconds[RECEIVING] == 3.0  # two items, and that there are no more
    assert stages.seconds[RECORD] == 1.0


def test_tokens_are_estimated_from_a_sample_and_only_embedding_is_timed() -> None:
    stages = Stages()
    proxy = EmbedderProxy(WordEmbedder(), stages)
    for part in (7, 2 * EVERY, 1, 4):
        assert proxy.embed(["four words of text"] * part).shape[0] == part
    assert proxy.texts == 12 + 2 * EVERY
    assert proxy.tokens() == 4 * proxy.texts
    assert list(stages.calls[EMBEDDING, "embed"].sizes) == [18.0 * part for part in (7, 2 * EVERY, 1, 4)]
    spent = stages.seconds[EMBEDDING]
    assert spent > 0
    assert proxy.count_tokens("two words") == 2
    assert proxy.dimension == WordEmbedder.dimension
    assert stages.seconds[EMBEDDING] == spent


def test_a_call_that_is_given_several_things_is_about_so_many() -> None:
    class Index:
        def upsert(self, *given: object) -> None:
            self.given = given

        def count(self) -> int:
            return 3

    stages, index = ticking(), Index()
    proxy = Proxy(index, stages, VECTORS)
    chunks = ["one", "two", "three"]
    proxy.upsert("a name", frozenset("ab"), chunks, {"c1": 1.0})
    proxy.upsert("a name", frozenset("ab"), [])
    assert index.given[0] == "a name"
    assert proxy.count() == 3
    sizes = {name: list(calls.sizes) for (_, name), calls in stages.calls.items()}
    assert sizes == {"upsert": [3.0, 1.0], "count": [1.0]}
    assert stages.seconds[VECTORS] == 3.0
