"""Hyphens at the ends of lines: the document itself decides whether they belong to the word."""

from __future__ import annotations

from ingest.parse.pdf_lines import Line, Page
from ingest.parse.pdf_words import Words, joined, words_of


def page(*texts: str) -> Page:
    """A page of lines; one that ends in `~` had its hyphen taken off by the PDF library."""
    drawn = [
        Line(text.removesuffix("~"), 72, 500, 700 - 14 * index, 11, is_hyphenated=text.endswith("~"))
        for index, text in enumerate(texts)
    ]
    return Page(1, 595, 842, tuple(drawn))


def test_a_word_known_without_the_hyphen_loses_it() -> None:
    words = words_of([page("The foundation is old. A founda~", "tion is good.")])
    assert joined("A founda", "tion is good.", words, is_hyphenated=True) == "A foundation is good."


def test_a_word_known_with_the_hyphen_keeps_it() -> None:
    words = words_of([page("In-network care and out-of-network care.", "Use in~", "network care.")])
    assert joined("Use in", "network care.", words, is_hyphenated=True) == "Use in-network care."
    assert joined("Use out-of", "network care.", words, is_hyphenated=True) == "Use out-of-network care."


def test_two_words_that_are_known_only_apart_are_a_compound() -> None:
    words = words_of([page("A problem needs solving by problem~", "solving people.")])
    assert joined("by problem", "solving people.", words, is_hyphenated=True) == "by problem-solving people."


def test_an_unknown_word_is_treated_as_the_document_s_other_words_are() -> None:
    compounds = words_of([page("A long-term plan is a long~", "term plan with cutting~", "edge parts.")])
    assert joined("with cutting", "edge parts.", compounds, is_hyphenated=True) == "with cutting-edge parts."
    syllables = words_of([page("The plantation is a planta~", "tion with opti~", "cal parts.")])
    assert joined("with opti", "cal parts.", syllables, is_hyphenated=True) == "with optical parts."


def test_without_any_evidence_rare_hyphens_are_compounds_and_frequent_ones_syllables() -> None:
    rare = words_of([page(*["plain text"] * 100, "some cutting~", "edge parts")])
    assert joined("some cutting", "edge parts", rare, is_hyphenated=True) == "some cutting-edge parts"
    frequent = words_of([page(*["plain text", "some opti~", "cal parts"] * 30)])
    assert joined("some opti", "cal parts", frequent, is_hyphenated=True) == "some optical parts"
    short = words_of([page("some opti~", "cal parts")])
    assert joined("some opti", "cal parts", short, is_hyphenated=True) == "some optical parts"


def test_a_hyphen_that_the_library_left_is_judged_too() -> None:
    assert joined("a founda-", "tion", Words({"foundation": 2})) == "a foundation"
    assert joined("a well-", "known man", Words({"well": 1, "known": 1})) == "a well-known man"


def test_numbers_stay_together() -> None:
    words = Words({})
    assert joined("call 1-", "800-555-1212", words) == "call 1-800-555-1212"
    assert joined("a 90-", "day supply", words) == "a 90-day supply"


def test_a_suspended_hyphen_stays_apart() -> None:
    words = Words({})
    assert joined("pre-", "and post-war", words) == "pre- and post-war"
    assert joined("a 5-", "to 10-day trip", words) == "a 5- to 10-day trip"
    assert joined("pota", "to soup", Words({"potato": 1}), is_hyphenated=True) == "potato soup"


def test_a_dash_and_an_upper_case_word_are_no_hyphenation() -> None:
    words = Words({})
    assert joined("He came -", "but late", words) == "He came - but late"
    assert joined("Form SF-", "Annex", words) == "Form SF- Annex"


def test_languages_without_blanks_are_joined_without() -> None:
    assert joined("こんにちは", "世界", Words({})) == "こんにちは世界"
    assert joined("hello", "world", Words({})) == "hello world"
