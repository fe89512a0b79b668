"""Pictures in Office documents that stand instead of text are read by text recognition, where it is installed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import docx
import pptx
import pytest
from docx.shared import Inches
from PIL import Image

from core.errors import UnreadableDocument
from core.types import ParsedDocument
from ingest.parse import ocr, parse, pictures_inside
from ingest.parse.options import ParseOptions
from tests.ingest.parse import test_odf
from tests.ingest.parse.conftest import Install
from tests.ingest.parse.test_ocr import LEAVE, picture, saying

FOUND = "Thirty days leave."
READ = "One picture was read by text recognition (OCR), so single words may be wrong."
UNREAD = "One picture has no text that could be read."
LONG = "Employees may take their days of leave in one piece, or in several, as their team agrees on beforehand. "


def photo() -> bytes:
    """Another picture of the same size."""
    stream = io.BytesIO()
    Image.new("L", (400, 200), 0).save(stream, "PNG")
    return stream.getvalue()


def word(fill: Callable[[Any], object]) -> bytes:
    document = docx.Document()
    fill(document)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def deck(*slides: tuple[str, bytes]) -> bytes:
    show = pptx.Presentation()
    for text, content in slides:
        slide = show.slides.add_slide(show.slide_layouts[6])
        slide.shapes.add_textbox(0, 0, 100, 100).text_frame.text = text
        slide.shapes.add_picture(io.BytesIO(content), 0, 1000)
    stream = io.BytesIO()
    show.save(stream)
    return stream.getvalue()


def odt(body: str, kind: str = "text") -> bytes:
    return test_odf.packed(kind, body, members={"Pictures/a.png": picture(), "Pictures/b.png": b"damaged"})


def texts(document: ParsedDocument) -> list[str]:
    return [block.text for block in document.blocks]


class TestWord:
    def scanned(self, document: Any) -> None:
        document.add_paragraph("Before.")
        document.add_picture(io.BytesIO(picture()), Inches(6))
        document.add_paragraph("After.")

    def test_a_picture_alone_in_its_paragraph_is_read_where_it_stands(self, install: Install) -> None:
        folder = install(LEAVE)
        document = parse(word(self.scanned), "a.docx", ParseOptions(ocr_languages="deu"))
        assert texts(document) == ["Before.", FOUND, "After."]
        assert document.losses == (READ,)
        assert "-l deu " in (folder / "asked").read_text()

    def test_one_beside_text_is_counted(self, install: Install) -> None:
        install(LEAVE)
        data = word(lambda document: document.add_paragraph("See: ").add_run().add_picture(io.BytesIO(picture())))
        assert parse(data, "a.docx").losses == (UNREAD,)

    def test_one_that_is_described_is_not_read(self, install: Install) -> None:
        folder = install(LEAVE)

        def fill(document: Any) -> None:
            document.add_picture(io.BytesIO(picture()))._inline.docPr.set("descr", "Plan of the second floor")

        assert texts(parse(word(fill), "a.docx")) == ["Plan of the second floor"]
        assert not (folder / "asked").exists()

    @pytest.mark.usefixtures("absent")
    def test_without_the_program_it_is_counted(self) -> None:
        document = parse(word(self.scanned), "a.docx")
        assert texts(document) == ["Before.", "After."]
        assert document.losses == (UNREAD,)

    @pytest.mark.usefixtures("absent")
    def test_a_document_of_pictures_only_is_said_to_be_one(self) -> None:
        with pytest.raises(UnreadableDocument) as caught:
            parse(word(lambda document: document.add_picture(io.BytesIO(picture()))), "a.docx")
        assert caught.value.message == f"There is no text in this file. {UNREAD}"

    def test_the_same_one_is_read_once(self, install: Install) -> None:
        folder = install(LEAVE)

        def fill(document: Any) -> None:
            document.add_picture(io.BytesIO(picture()))
            document.add_picture(io.BytesIO(picture()))

        document = parse(word(fill), "a.docx")
        assert texts(document) == [FOUND, FOUND]
        assert len((folder / "asked").read_text().splitlines()) == 1

    def test_small_ones_are_signs(self, install: Install) -> None:
        folder = install(LEAVE)

        def fill(document: Any) -> None:
            self.scanned(document)
            document.add_picture(io.BytesIO(picture(size=(90, 400))))

        assert parse(word(fill), "a.docx").losses == (UNREAD, READ)
        assert len((folder / "asked").read_text().splitlines()) == 1

    def test_one_in_which_nothing_is_found_is_counted(self, install: Install) -> None:
        install(saying())
        assert parse(word(self.scanned), "a.docx").losses == (UNREAD,)

    def test_a_program_that_fails_costs_only_the_pictures(self, install: Install) -> None:
        install("exit 1")
        document = parse(word(self.scanned), "a.docx")
        assert texts(document) == ["Before.", "After."]
        assert document.losses == (UNREAD,)

    def test_number_and_time_are_bounded(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = install(LEAVE)

        def fill(document: Any) -> None:
            document.add_paragraph("Text.")
            document.add_picture(io.BytesIO(picture()))
            document.add_picture(io.BytesIO(photo()))

        late = parse(word(fill), "a.docx", ParseOptions(ocr_seconds=0.0))
        assert late.losses[0] == "2 pictures have no text that could be read."
        assert late.losses[1].startswith("Not all pictures were read")
        assert not (folder / "asked").exists()
        monkeypatch.setattr(pictures_inside, "MAX_PICTURES", 1)
        assert texts(parse(word(fill), "a.docx")) == ["Text.", FOUND]

    def test_large_ones_are_not_taken_out(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        install(LEAVE)
        monkeypatch.setattr(pictures_inside, "MAX_BYTES", 100)
        assert parse(word(self.scanned), "a.docx").losses == (UNREAD,)


class TestPowerPoint:
    def test_slides_that_are_pictures_are_read(self, install: Install) -> None:
        install(LEAVE)
        document = parse(deck(("A scan", picture())), "a.pptx")
        assert [(block.text, block.page) for block in document.blocks] == [("A scan", 1), (FOUND, 1)]
        assert document.losses == (READ,)

    def test_pictures_beside_text_are_counted(self, install: Install) -> None:
        folder = install(LEAVE)
        assert parse(deck((LONG, picture())), "a.pptx").losses == (UNREAD,)
        assert not (folder / "asked").exists()


class TestOpenDocument:
    FRAME = '<draw:frame><draw:image xlink:href="{}"/></draw:frame>'

    def test_a_picture_alone_in_its_paragraph_is_read_where_it_stands(self, install: Install) -> None:
        install(LEAVE)
        scan = f"<text:p>{self.FRAME.format('Pictures/a.png')}</text:p>"
        document = parse(odt(f"<text:p>Before.</text:p>{scan}<text:p>After.</text:p>"), "a.odt")
        assert texts(document) == ["Before.", FOUND, "After."]
        assert document.losses == (READ,)

    def test_beside_text_and_damaged_ones_are_counted(self, install: Install) -> None:
        install(LEAVE)
        frames = "<text:p>Text {}</text:p><text:p>{}</text:p><text:p>{}</text:p>".format(
            *(self.FRAME.format(f"Pictures/{name}.png") for name in "abc")
        )
        assert parse(odt(frames), "a.odt").losses == ("3 pictures have no text that could be read.",)

    @pytest.mark.parametrize(("text", "is_read"), [("A scan", True), (LONG, False)])
    def test_slides(self, install: Install, text: str, *, is_read: bool) -> None:
        install(LEAVE)
        box = f"<draw:frame><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"
        page = f'<draw:page draw:name="page1">{box}{self.FRAME.format("Pictures/a.png")}</draw:page>'
        document = parse(odt(page, "presentation"), "a.odp")
        assert (FOUND in texts(document)) == is_read
        assert document.losses == ((READ,) if is_read else (UNREAD,))


def test_what_text_recognition_needs_is_the_program_and_pillow(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(LEAVE)
    assert ocr.reads_pictures()
    monkeypatch.setattr(ocr, "find_spec", lambda name: None)
    assert not ocr.reads_pictures()
