"""PDF: pages as they are counted, text as it is read, and what a person is told about files without text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest

from core.errors import TooLarge, UnreadableDocument
from core.types import Attachment, Block, BlockKind, ParsedDocument
from ingest.parse import ocr, parse, pdf, pdf_attachments
from ingest.parse.errors import Protected, protected
from tests.pdf import PdfPage, Text, lines, make_pdf


def read(data: bytes, name: str = "handbook.pdf") -> ParsedDocument:
    return parse(data, name)


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def texts(document: ParsedDocument, kind: BlockKind = BlockKind.TEXT) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


BODY = (
    "Employees receive thirty days of leave a year, of which they may",
    "carry over five into the next one if their manager agrees.",
)


class TestPages:
    def test_every_block_has_the_page_it_stands_on(self) -> None:
        document = read(make_pdf(["First page.", "Second page.", "Third page."]))
        assert document.pages == 3
        assert document.blocks == (
            Block("First page.", page=1),
            Block("Second page.", page=2),
            Block("Third page.", page=3),
        )

    def test_a_sentence_over_two_pages_is_cut_so_that_each_part_is_cited_with_its_own(self) -> None:
        document = read(make_pdf(["The bicycle allowance is paid to", "everyone who comes by bicycle."]))
        assert [(block.text, block.page) for block in document.blocks] == [
            ("The bicycle allowance is paid to", 1),
            ("everyone who comes by bicycle.", 2),
        ]

    def test_empty_pages_count_and_are_no_loss(self) -> None:
        document = read(make_pdf(["One.", "", "Three."]))
        assert [block.page for block in document.blocks] == [1, 3]
        assert document.losses == ()

    @pytest.mark.usefixtures("no_tesseract")
    def test_pages_with_pictures_only_are_told(self) -> None:
        scan = PdfPage(has_drawing=True)
        document = read(make_pdf(["One.", scan, scan, "Four.", scan]))
        assert document.losses == (
            f"There is no text on pages 2 to 3 and 5 (perhaps scanned), so nothing there can be found. {ocr.HINT}",
        )


class TestRunningLines:
    def page(self, number: int, *body: str) -> list[Text]:
        return [
            Text("Contoso - Employee handbook", y=800, size=9),
            *lines(*body, top=700),
            Text(f"Page {number} of 5", y=30, size=9),
        ]

    def test_headers_footers_and_page_numbers_are_removed(self) -> None:
        words = ["alpha", "bravo", "charlie", "delta", "echo"]
        document = read(make_pdf([self.page(number, f"About {word}.") for number, word in enumerate(words, 1)]))
        assert [(block.text, block.page) for block in document.blocks] == [
            (f"About {word}.", number) for number, word in enumerate(words, 1)
        ]

    def test_a_line_at_the_margin_of_one_page_only_stays(self) -> None:
        pages = [self.page(number, f"Text {number}.") for number in range(1, 6)]
        pages[2].append(Text("* Except on public holidays.", y=60, size=9))
        assert "* Except on public holidays." in "\n".join(b.text for b in read(make_pdf(pages)).blocks)

    def test_numbers_that_count_something_else_stay(self) -> None:
        document = read(make_pdf([[*lines("Visitors on this day:"), Text(f"{70 - 9 * n}", y=30)] for n in range(5)]))
        assert texts(document) == [text for n in range(5) for text in ("Visitors on this day:", f"{70 - 9 * n}")]

    def test_a_repeated_line_that_touches_the_text_is_part_of_it(self) -> None:
        pages = [lines("Test passed by", f"{name} Miller", top=750) for name in ("Ann", "Bob", "Cem", "Dee")]
        assert texts(read(make_pdf(pages)))[2:] == ["Test passed by Cem Miller", "Test passed by Dee Miller"]

    def test_a_document_of_nothing_but_repeated_lines_keeps_them(self) -> None:
        assert texts(read(make_pdf([[Text("Visitor", y=800)]] * 4))) == ["Visitor"] * 4

    def test_a_repeated_sentence_in_the_middle_of_the_page_stays(self) -> None:
        document = read(make_pdf([lines("Sign here.", top=400) for _ in range(5)]))
        assert texts(document) == ["Sign here."] * 5


class TestHeadings:
    def test_larger_lines_and_bold_lines_are_headings_by_rank(self) -> None:
        page = [
            Text("Employee handbook", y=780, size=22),
            Text("Leave", y=740, size=15),
            *lines(*BODY, top=715),
            Text("Sick leave", y=660, bold=True),
            *lines("Call your manager before nine in the morning.", top=640),
        ]
        document = read(make_pdf([page]))
        assert [(block.text, block.level) for block in document.blocks if block.kind is BlockKind.HEADING] == [
            ("Employee handbook", 1),
            ("Leave", 2),
            ("Sick leave", 3),
        ]
        assert texts(document) == [" ".join(BODY), "Call your manager before nine in the morning."]

    def test_a_heading_of_two_lines_is_one(self) -> None:
        page = [*lines("Rules for travel by train", "and by aeroplane", top=760, size=18), *lines(*BODY)]
        assert texts(read(make_pdf([page])), BlockKind.HEADING) == ["Rules for travel by train and by aeroplane"]

    def test_a_bold_paragraph_and_a_bold_last_line_are_no_headings(self) -> None:
        page = [
            *lines(*BODY, "This also holds for part-time staff, in proportion.", "And for interns.", bold=True),
            *lines("It is not paid out.", top=600),
            Text("Signed, the board", y=560, bold=True),
        ]
        assert texts(read(make_pdf([page])), BlockKind.HEADING) == []

    def test_many_short_bold_lines_are_no_heading(self) -> None:
        page = [*lines("Ann", "Bob", "Cem", "Dee", "Eve", bold=True), *lines(*BODY, top=600)]
        assert texts(read(make_pdf([page])), BlockKind.HEADING) == []

    def test_the_head_of_a_table_is_no_heading_but_the_bold_line_above_it_is(self) -> None:
        def row(y: float, *cells: str, bold: bool = False) -> list[Text]:
            return [Text(cell, 72 + 120 * column, y, 11, bold) for column, cell in enumerate(cells)]

        page = [
            *lines(*BODY, top=760),
            Text("Rates by plan", y=700, bold=True),
            *row(675, "Plan", "Price", "Term", bold=True),
            *row(655, "Basic", "10", "a month"),
            *row(635, "Plus", "20", "a month"),
        ]
        document = read(make_pdf([page]))
        assert texts(document, BlockKind.HEADING) == ["Rates by plan"]
        assert texts(document, BlockKind.TABLE) == [
            "| Plan | Price | Term |\n| --- | --- | --- |\n| Basic | 10 | a month |\n| Plus | 20 | a month |"
        ]

    def test_a_number_set_apart_from_its_heading_does_not_make_it_a_table(self) -> None:
        page = [Text("2.1", y=740, size=15), Text("Travel", x=130, y=740, size=15), *lines(*BODY)]
        assert texts(read(make_pdf([page])), BlockKind.HEADING) == ["2.1 Travel"]

    def test_the_outline_decides_where_there_is_one(self) -> None:
        pages = ["1 Leave\nThirty days.", "1.1 Sick leave\nCall in.", "2 Travel\nBook early."]
        outline = [("Leave", 1, 1), ("Sick leave", 2, 2), ("Travel", 1, 3)]
        document = read(make_pdf(pages, outline=outline))
        assert [(b.text, b.level, b.page) for b in document.blocks if b.kind is BlockKind.HEADING] == [
            ("1 Leave", 1, 1),
            ("1.1 Sick leave", 2, 2),
            ("2 Travel", 1, 3),
        ]

    def test_two_entries_are_an_outline(self) -> None:
        pages = [
            [
                Text("NOT A TITLE", y=760, size=20),
                *lines("Leave", "Thirty days."),
                *lines("Travel", "By train.", top=500),
            ]
        ]
        document = read(make_pdf(pages, outline=[("Leave", 1, 1), ("Travel", 1, 1)]))
        assert texts(document, BlockKind.HEADING) == ["Leave", "Travel"]

    def test_an_outline_of_which_little_is_found_adds_to_what_is_large(self) -> None:
        page = [Text("Leave", y=740, size=18), *lines(*BODY), *lines("Sick notes", "Send them in.", top=500)]
        outline = [("Slide 1", 1, 1), ("Slide 2", 2, 1), ("Sick notes", 3, 1)]
        document = read(make_pdf([page], outline=outline))
        assert [(b.text, b.level) for b in document.blocks if b.kind is BlockKind.HEADING] == [
            ("Leave", 1),
            ("Sick notes", 3),
        ]

    def test_an_outline_about_other_words_is_not_followed(self) -> None:
        page = [Text("Leave", y=740, size=18), *lines(*BODY)]
        outline = [("Slide 1", 1, 1), ("Slide 2", 1, 1), ("Slide 3", 1, 1)]
        assert texts(read(make_pdf([page], outline=outline)), BlockKind.HEADING) == ["Leave"]


class TestParagraphs:
    def test_lines_are_joined_and_gaps_part(self) -> None:
        page = [*lines(*BODY, top=700), *lines("It is not paid out.", top=650)]
        assert texts(read(make_pdf([page]))) == [" ".join(BODY), "It is not paid out."]

    def test_list_items_keep_their_markers(self) -> None:
        page = lines(
            "You need:", "• a passport", "• a ticket that your manager has seen and that is not older than", "a week"
        )
        document = read(make_pdf([page]))
        assert texts(document) == ["You need:"]
        assert texts(document, BlockKind.LIST) == [
            "• a passport\n• a ticket that your manager has seen and that is not older than a week"
        ]

    def test_a_bullet_drawn_apart_belongs_to_its_text(self) -> None:
        page = [
            Text("•", x=72, y=700),
            Text("a passport", x=90, y=700),
            Text("•", x=72, y=686),
            Text("a ticket", x=90, y=686),
        ]
        assert texts(read(make_pdf([page])), BlockKind.LIST) == ["• a passport\n• a ticket"]

    def test_short_lines_stay_apart(self) -> None:
        page = lines("Contoso Ltd", "1 Main Street", "Springfield", *BODY)
        assert texts(read(make_pdf([page])))[0].startswith("Contoso Ltd\n1 Main Street\nSpringfield")

    def test_hidden_characters_and_brackets_survive_the_format(self) -> None:
        assert texts(read(make_pdf(["A (very) \\ special é – “case”."]))) == ["A (very) \\ special é – “case”."]


def carrying(*files: tuple[str, bytes]) -> bytes:
    document = pypdfium2.PdfDocument(make_pdf(["See the attached files."]))
    for name, data in files:
        document.new_attachment(name).set_data(data)
    stream = BytesIO()
    document.save(stream)
    document.close()
    return stream.getvalue()


class TestAttachments:
    def test_files_in_it_come_with_it(self) -> None:
        document = read(carrying(("a_rates.txt", b"Basic 10"), ("b/../../etc/notes.txt", b"None.")))
        assert document.attachments == (Attachment("a_rates.txt", b"Basic 10"), Attachment("notes.txt", b"None."))
        assert document.losses == ()

    def test_files_of_one_name_stay_apart(self) -> None:
        document = read(carrying(("a/rates.txt", b"2024"), ("b/rates.txt", b"2025")))
        assert [file.name for file in document.attachments] == ["rates.txt", "rates (2).txt"]

    def test_what_is_too_much_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pdf_attachments, "MAX_BYTES", 10)
        document = read(carrying(("small.txt", b"Basic 10"), ("large.txt", b"x" * 100), ("other.txt", b"y" * 100)))
        assert [file.name for file in document.attachments] == ["small.txt"]
        assert document.losses == ("2 attached files are empty, damaged or too large, and not read.",)


class TestTitle:
    def test_the_stated_title_is_taken_if_it_is_about_the_text(self) -> None:
        data = make_pdf(["Handbook for employees\nof Contoso."], title="Contoso employees: handbook")
        assert read(data, "final_v3.pdf").title == "Contoso employees: handbook"

    @pytest.mark.parametrize("stated", ["", "Microsoft Word - Document1", "Template for invoices", "x" * 400])
    def test_else_it_is_the_name(self, stated: str) -> None:
        assert read(make_pdf(["Some text."], title=stated), "hr/leave_policy.pdf").title == "Leave policy"


OCR = "Run text recognition (OCR) on it first and add the result."


@pytest.mark.usefixtures("no_tesseract")
class TestUnreadable:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (
                make_pdf([PdfPage(has_drawing=True)]),
                f"The PDF holds only pictures, perhaps scans, and has no text layer. {OCR} {ocr.HINT}",
            ),
            (
                make_pdf(["", ""]),
                "The PDF has no text layer. If its pages show text: " + OCR.replace("Run", "run"),
            ),
            (
                make_pdf(["Secret."], password="open sesame"),
                str(protected("The PDF")),
            ),
            (make_pdf(["Hello."])[:250], "The file is damaged or not a valid PDF."),
            (b"%PDF-1.7\n" + bytes(range(256)) * 20, "The file is damaged or not a valid PDF."),
            (b"%PDF-1.7", "The file is damaged or not a valid PDF."),
        ],
        ids=["scan", "empty", "password", "truncated", "garbage", "header only"],
    )
    def test_the_person_is_told_why_and_what_to_do(self, data: bytes, message: str) -> None:
        with pytest.raises(UnreadableDocument) as caught:
            read(data)
        assert caught.value.message == message

    def test_a_password_is_told_apart_from_damage(self) -> None:
        with pytest.raises(Protected):
            read(make_pdf(["Secret."], password="open sesame"))

    def test_a_file_whose_index_is_wrong_is_read_nevertheless(self) -> None:
        data = make_pdf(["Hello there."])
        moved = data.replace(b"1 0 obj", b"% a line that was put in\n1 0 obj", 1)
        assert texts(read(moved)) == ["Hello there."]

    def test_no_cut_of_a_file_makes_anything_but_a_document_or_a_sentence(self) -> None:
        data = make_pdf(["Hello there.", "And here."], title="T", outline=[("Hello", 1, 1)])
        for length in range(9, len(data), 61):
            try:
                document = read(data[:length])
            except UnreadableDocument as error:
                assert error.message.endswith(".")  # noqa: PT017 - either outcome is fine
            else:
                assert document.pages

    def test_a_damaged_page_costs_only_itself(self) -> None:
        data = make_pdf(["First.", "Second.", "Third."])
        cut = data.replace(b"(Second.) Tj", b"(Second. Tj ", 1)
        assert [(block.text, block.page) for block in read(cut).blocks if block.page != 2] == [
            ("First.", 1),
            ("Third.", 3),
        ]

    def test_too_many_pages_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pdf, "MAX_PAGES", 2)
        with pytest.raises(TooLarge, match=r"has 3 pages; the limit is 2\. Split it"):
            read(make_pdf(["One.", "Two.", "Three."]))

    def test_too_much_text_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pdf, "MAX_CHARACTERS", 10)
        with pytest.raises(TooLarge, match="more than 10 characters"):
            read(make_pdf(["One and a half.", "Two."]))


def test_files_can_be_read_from_several_threads_at_once() -> None:
    files = [make_pdf([f"File {number}, page {page}." for page in range(1, 4)]) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        documents = list(pool.map(read, files))
    assert [texts(document)[0] for document in documents] == [f"File {number}, page 1." for number in range(8)]
