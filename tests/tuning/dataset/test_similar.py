"""Near-duplicates are found without comparing everything with everything."""

from __future__ import annotations

from tuning.dataset.similar import jaccard, near_duplicates, shingles

LONG = " ".join(
    f"Sentence {word} speaks of holidays and of pay." for word in "alpha beta gamma delta epsilon zeta".split()
)


def test_a_text_with_a_word_changed_is_found_and_another_is_not() -> None:
    texts = [LONG, "The canteen opens at noon and closes at two.", LONG.replace("zeta", "omega")]
    assert list(near_duplicates([shingles(text) for text in texts], 0.7)) == [(0, 2)]


def test_the_threshold_is_that_of_the_exact_similarity() -> None:
    one, other = shingles(LONG), shingles(LONG.replace("zeta", "omega"))
    assert 0.7 < jaccard(one, other) < 0.95
    assert not list(near_duplicates([one, other], 0.95))


def test_many_copies_of_one_text_hang_together() -> None:
    pairs = list(near_duplicates([shingles(LONG)] * 200, 0.9))
    assert {later for _, later in pairs} == set(range(1, 200))
    assert len(pairs) < 200 * 60


def test_the_words_of_a_short_text_are_one_shingle() -> None:
    assert len(shingles("Parental leave")) == 1
    assert len(shingles("Parental leave", 1)) == 2
