"""Which texts are run together."""

from __future__ import annotations

from core.retrieval.embed.folder import BATCH_TEXTS, BATCH_TOKENS, _batches


def batches(lengths: list[int], most: int = BATCH_TEXTS) -> list[list[int]]:
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    return _batches(order, lengths, most)


def test_long_texts_are_run_alone_and_short_ones_together() -> None:
    assert batches([220, 10, 200, 12]) == [[0], [2], [3, 1]]


def test_no_batch_is_larger_than_its_limits_with_padding() -> None:
    lengths = [7 + 13 * number % 250 for number in range(100)]
    for batch in batches(lengths):
        widest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or (len(batch) <= BATCH_TEXTS and len(batch) * widest <= BATCH_TOKENS)


def test_texts_of_about_the_same_length_are_together() -> None:
    assert batches([40, 38, 31, 20, 18]) == [[0, 1, 2], [3, 4]]


def test_every_text_is_in_one_batch() -> None:
    found = [index for batch in batches([5] * 21 + [300]) for index in batch]
    assert sorted(found) == list(range(22))


def test_few_texts_are_shared_out() -> None:
    assert batches([5, 5, 5, 5], most=2) == [[0, 1], [2, 3]]


def test_nothing_is_no_batch() -> None:
    assert batches([]) == []
