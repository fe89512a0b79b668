"""Tables in PDFs: every cell in its row, once, at its place; and what only looks like a table stays text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, Table

from core.types import Block, BlockKind, ParsedDocument
from evals.make_pdf import STYLES, cell_recall, make_pdf
from ingest.parse import parse
from ingest.parse.text import markdown_table

WIDTH, HEIGHT = 595, 842
GRID = ("GRID", (0, 0), (-1, -1), 0.5, "black")
BOLD_HEAD = ("FONT", (0, 0), (-1, 0), "Helvetica-Bold")
RATES = [["Plan", "Price", "Term"], ["Basic", "10", "a month"], ["Plus", "20", "a year"]]

Place = tuple[float, float]
"""Left edge, and distance of the upper edge from the page's top."""


def drawn(*pages: Sequence[tuple[Place, Flowable | str]], rotation: int = 0) -> bytes:
    stream = BytesIO()
    canvas = Canvas(stream, pagesize=(WIDTH, HEIGHT), invariant=1)
    for page in pages:
        canvas.setPageRotation(rotation)
        height = HEIGHT
        if rotation == 90:
            canvas.translate(WIDTH, 0)
            canvas.rotate(90)
            height = WIDTH
        for (x, top), item in page:
            flowable = Paragraph(item, getSampleStyleSheet()["BodyText"]) if isinstance(item, str) else item
            _, taken = flowable.wrapOn(canvas, 440, 700)
            flowable.drawOn(canvas, x, height - top - taken)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def custom(draw: Callable[[Canvas], None]) -> bytes:
    stream = BytesIO()
    canvas = Canvas(stream, pagesize=(WIDTH, HEIGHT), invariant=1)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return stream.getvalue()


def table(rows: Sequence[Sequence[Any]], *style: Any, **options: Any) -> Table:
    return Table([list(row) for row in rows], style=[GRID, *style], **options)


def tables(document: ParsedDocument) -> list[str]:
    return [block.text for block in document.blocks if block.kind is BlockKind.TABLE]


def read(data: bytes) -> ParsedDocument:
    return parse(data, "tables.pdf")


@pytest.mark.parametrize("style", STYLES)
def test_cells_are_found_in_their_rows(style: str) -> None:
    made = make_pdf(6, styles=[style], rows=20, seed=11)
    document = read(made.data)
    assert cell_recall(document, made.tables)[""] >= 0.98
    text = " ".join(" ".join(block.text.split()) for block in document.blocks if block.kind is BlockKind.TEXT)
    assert all(paragraph in text for paragraph in made.paragraphs)


class TestPlace:
    def test_a_table_stands_between_the_text_around_it_and_its_words_only_there(self) -> None:
        document = read(
            drawn([((72, 72), "What it costs:"), ((72, 120), table(RATES)), ((72, 220), "Prices are net.")])
        )
        assert document.blocks == (
            Block("What it costs:", page=1),
            Block(markdown_table(RATES), BlockKind.TABLE, page=1),
            Block("Prices are net.", page=1),
        )

    def test_two_tables_side_by_side_are_two(self) -> None:
        other = [["City", "Days"], ["Lyon", "3"]]
        document = read(drawn([((72, 100), table(RATES)), ((350, 100), table(other))]))
        assert tables(document) == [markdown_table(RATES), markdown_table(other)]

    def test_a_page_shown_turned_is_read_as_shown(self) -> None:
        data = drawn([((72, 72), "What it costs:"), ((72, 120), table(RATES))], rotation=90)
        assert [block.text for block in read(data).blocks] == ["What it costs:", markdown_table(RATES)]


class TestCells:
    def test_lines_of_a_cell_are_joined_and_a_broken_word_is_whole_again(self) -> None:
        long = Paragraph("Asked for in writing before the journey", getSampleStyleSheet()["BodyText"])
        rows: list[list[Any]] = [["Item", "Note"], ["Train", long]]
        assert tables(read(drawn([((72, 100), table(rows, colWidths=[80, 90]))]))) == [
            markdown_table([["Item", "Note"], ["Train", "Asked for in writing before the journey"]])
        ]

    def test_a_label_over_rows_is_repeated_and_a_text_over_columns_is_not(self) -> None:
        rows = [["Plan", "Region", "Price"], ["Basic", "North", "10"], ["", "South", "12"], ["No others", "", ""]]
        data = drawn(
            [
                (
                    (72, 100),
                    table(
                        rows, ("SPAN", (0, 1), (0, 2)), ("SPAN", (0, 3), (2, 3)), ("VALIGN", (0, 0), (-1, -1), "TOP")
                    ),
                )
            ]
        )
        expected = [
            ["Plan", "Region", "Price"],
            ["Basic", "North", "10"],
            ["Basic", "South", "12"],
            ["No others", "", ""],
        ]
        assert tables(read(data)) == [markdown_table(expected)]

    def test_numbers_that_touch_the_line_between_them_are_two_cells(self) -> None:
        rows = [["Item", "A", "B"], ["Train", "1234", "5678"], ["Bus", "12", "34"]]
        style = [
            ("RIGHTPADDING", (1, 0), (1, -1), 1),
            ("LEFTPADDING", (2, 0), (2, -1), 1),
            ("ALIGN", (1, 0), (1, -1), "RIGHT"),
        ]
        assert tables(read(drawn([((72, 100), table(rows, *style))]))) == [markdown_table(rows)]

    def test_empty_cells_stay_empty(self) -> None:
        rows = [["Item", "Limit", "Note"], ["Train", "", "first class"], ["Bus", "5", ""]]
        assert tables(read(drawn([((72, 100), table(rows))]))) == [markdown_table(rows)]

    def test_a_pipe_does_not_part_cells(self) -> None:
        rows = [["Command", "Does"], ["a | b", "joins"]]
        assert r"| a \| b | joins |" in tables(read(drawn([((72, 100), table(rows))])))[0]


class TestOverPages:
    def test_the_header_is_repeated_on_the_next_page(self) -> None:
        more = [["Pro", "30", "two years"], ["Max", "40", "ten years"]]
        widths = {"colWidths": [90, 60, 120]}
        data = drawn([((72, 600), table(RATES, **widths))], [((72, 60), table(more, **widths)), ((72, 300), "Net.")])
        blocks = read(data).blocks
        assert [(block.text, block.page) for block in blocks if block.kind is BlockKind.TABLE] == [
            (markdown_table(RATES), 1),
            (markdown_table([RATES[0], *more]), 2),
        ]

    @pytest.mark.parametrize(
        "second",
        [
            RATES,
            [["Tariff", "Cost", "Time"], ["Pro", "30", "a day"]],
            [["Pro", "30", "a day", "new"], ["Max", "4", "b", "c"]],
        ],
        ids=["the same header", "another header", "other columns"],
    )
    def test_a_table_of_its_own_gets_no_other_header(self, second: list[list[str]]) -> None:
        widths = {"colWidths": [90, 60, 120]}
        here = table(second, BOLD_HEAD, **widths) if len(second[0]) == 3 else table(second, colWidths=[70, 60, 70, 70])
        data = drawn([((72, 600), table(RATES, BOLD_HEAD, **widths))], [((72, 60), here)])
        assert tables(read(data))[1] == markdown_table(second)

    def test_text_between_them_parts_tables(self) -> None:
        more = [["Pro", "30", "two years"], ["Max", "40", "ten years"]]
        widths = {"colWidths": [90, 60, 120]}
        data = drawn(
            [((72, 600), table(RATES, **widths))], [((72, 90), "Other plans:"), ((72, 130), table(more, **widths))]
        )
        assert tables(read(data))[1] == markdown_table(more)

    def test_a_last_row_alone_on_a_page_has_its_header(self) -> None:
        widths = {"colWidths": [90, 60, 120]}
        data = drawn([((72, 600), table(RATES, **widths))], [((72, 60), table([["Pro", "30", "ten years"]], **widths))])
        assert tables(read(data))[1] == markdown_table([RATES[0], ["Pro", "30", "ten years"]])


class TestNoTables:
    def test_a_framed_text_is_text(self) -> None:
        def draw(canvas: Canvas) -> None:
            canvas.rect(60, 600, 400, 100)
            canvas.drawString(70, 670, "Please note that the office is closed on")
            canvas.drawString(70, 656, "Mondays, and that the doors stay locked.")

        document = read(custom(draw))
        assert tables(document) == []
        assert document.blocks[0].text.startswith("Please note that the office is closed on Mondays")

    def test_two_columns_of_prose_are_text(self) -> None:
        words = (
            "The manager of the office agrees to every journey before it is booked by the employee or by others. " * 4
        )

        def draw(canvas: Canvas) -> None:
            for x in (60, 320):
                paragraph = Paragraph(words, getSampleStyleSheet()["BodyText"])
                _, height = paragraph.wrapOn(canvas, 220, 500)
                paragraph.drawOn(canvas, x, 700 - height)

        document = read(custom(draw))
        assert tables(document) == []
        assert "".join(block.text for block in document.blocks).count("agrees to every journey") == 8

    def test_a_table_of_contents_and_a_form_are_text(self) -> None:
        def draw(canvas: Canvas) -> None:
            for index, title in enumerate(("Leave", "Travel", "Bicycles", "Pension")):
                canvas.drawString(72, 700 - 16 * index, title)
                canvas.drawRightString(500, 700 - 16 * index, str(3 + 7 * index))
            for index, label in enumerate(("Name", "Street", "City")):
                canvas.drawString(72, 500 - 30 * index, f"{label}:")
                canvas.line(150, 498 - 30 * index, 400, 498 - 30 * index)

        assert tables(read(custom(draw))) == []

    def test_the_lines_of_a_chart_are_no_table(self) -> None:
        def draw(canvas: Canvas) -> None:
            canvas.grid([100, 200, 300, 400], [500, 550, 600, 650])
            for index, label in enumerate(("0", "10", "20", "30")):
                canvas.drawRightString(95, 497 + 50 * index, label)
                canvas.drawCentredString(100 + 100 * index, 485, f"Q{index + 1}")

        document = read(custom(draw))
        assert tables(document) == []
        assert "Q4" in " ".join(block.text for block in document.blocks)

    def test_underlined_words_are_text(self) -> None:
        def draw(canvas: Canvas) -> None:
            for index in range(4):
                canvas.drawString(72, 700 - 20 * index, "Sign here and there")
                canvas.line(72, 698 - 20 * index, 180, 698 - 20 * index)

        assert tables(read(custom(draw))) == []

    def test_a_page_full_of_lines_is_a_drawing(self) -> None:
        def draw(canvas: Canvas) -> None:
            for index in range(6000):
                canvas.line(50, 100 + index * 0.1, 500, 100 + index * 0.1)
                canvas.line(50 + index * 0.07, 100, 50 + index * 0.07, 700)
            canvas.drawString(72, 750, "A plan of the office.")

        assert [block.text for block in read(custom(draw)).blocks] == ["A plan of the office."]


class TestPictures:
    def shown(self, *pages: Sequence[tuple[float, float]], times: int = 1) -> ParsedDocument:
        """Each page has a text, so many times, and pictures of these widths and heights."""
        stream = BytesIO()
        canvas = Canvas(stream, pagesize=(WIDTH, HEIGHT), invariant=1)
        dot = ImageReader(Image.new("RGB", (4, 4), "blue"))
        for page in pages:
            for index, (width, height) in enumerate(page):
                canvas.drawImage(dot, 40 + 10 * index, 100, width, height)
            canvas.drawString(72, 780, f"Text {canvas.getPageNumber()}. " * times)
            canvas.showPage()
        canvas.save()
        return read(stream.getvalue())

    def test_those_beside_text_are_told(self) -> None:
        assert self.shown([(200, 100)]).losses == ("One picture has no text that could be read.",)
        assert self.shown([(200, 100), (90, 90)]).losses == ("2 pictures have no text that could be read.",)

    def test_signs_logos_and_whole_pages_are_not(self) -> None:
        assert self.shown([(20, 20)], [(WIDTH, HEIGHT)], times=15).losses == ()
        assert self.shown(*[[(200, 100)]] * 3).losses == ()

    def test_a_scan_with_a_stamp_is_told(self) -> None:
        (loss,) = self.shown(*[[(WIDTH, HEIGHT)]] * 3).losses
        assert loss.startswith("There is hardly any text beside the picture on pages 1 to 3")


def test_recall_counts_a_cell_only_in_its_row() -> None:
    made = make_pdf(1, styles=["grid"], rows=5)
    head, *rows = made.tables[0].rows
    whole = ParsedDocument("t", (Block(markdown_table([head, *rows]), BlockKind.TABLE),))
    assert cell_recall(whole, made.tables) == {"": 1.0, "grid": 1.0}
    shifted = [[row[0], *other[1:]] for row, other in zip(rows, rows[1:] + rows[:1], strict=True)]
    wrong = ParsedDocument("t", (Block(markdown_table([head, *shifted]), BlockKind.TABLE),))
    assert cell_recall(wrong, made.tables)[""] < 0.8
    assert cell_recall(ParsedDocument("t", (Block(" ".join(rows[0])),)), made.tables)[""] == 0.0
