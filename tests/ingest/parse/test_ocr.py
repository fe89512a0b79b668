"""Text recognition: of scanned pages and of pictures, with the real program where it is installed."""

from __future__ import annotations

import shutil
import sys
from io import BytesIO

import pytest
from PIL import ExifTags, Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from core.errors import TooLarge, UnreadableDocument, UnsupportedFormat
from core.types import BlockKind
from ingest.parse import image, ocr, parse, pdf_scans
from ingest.parse.errors import NoText
from ingest.parse.options import ParseOptions
from ingest.parse.pdf_lines import Page
from ingest.parse.process import ParserProcess
from tests.ingest.parse.conftest import Install
from tests.pdf import PdfPage, make_pdf

SCAN = PdfPage(has_drawing=True)
HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
READ = "The text was read from a picture (OCR), so single words may be wrong."
real = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


def saying(*words: tuple[str, int, int, float], height: int = 40) -> str:
    """Words with line, left edge and certainty, as tesseract prints them."""
    rows = [
        f"5\t1\t1\t1\t{line}\t1\t{left}\t{line * 60}\t{20 * len(word)}\t{height}\t{sure}\t{word}"
        for word, line, left, sure in words
    ]
    return "cat <<'END'\n" + "\n".join([HEAD, "1\t1\t0\t0\t0\t0\t0\t0\t2000\t3000\t-1\t", *rows]) + "\nEND"


LEAVE = saying(("Thirty", 1, 200, 95), ("days", 1, 340, 96), ("of", 1, 440, 20), ("leave.", 1, 500, 91))


def picture(kind: str = "PNG", size: tuple[int, int] = (400, 200), **options: object) -> bytes:
    stream = BytesIO()
    Image.new("L", size, 255).save(stream, kind, **options)
    return stream.getvalue()


def stamped(*lines: tuple[str, float], blank: int = 0) -> bytes:
    """A PDF page with a picture over all of it and lines at these heights; `blank` is a page with the picture alone."""
    stream = BytesIO()
    canvas = Canvas(stream, pagesize=(595, 842), invariant=1)
    scan = ImageReader(Image.new("RGB", (4, 4), "white"))
    for page in range(1, max(blank, 1) + 1):
        canvas.drawImage(scan, 0, 0, 595, 842)
        for text, y in lines if page != blank else ():
            canvas.drawString(72, y, text)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


class TestScans:
    def test_pages_without_text_are_read_and_the_others_are_not(self, install: Install) -> None:
        folder = install(LEAVE)
        document = parse(make_pdf(["One.", SCAN, "Three.", ""]), "scan.pdf")
        assert [(block.text, block.page) for block in document.blocks] == [
            ("One.", 1),
            ("Thirty days leave.", 2),
            ("Three.", 3),
        ]
        assert document.losses == ("The text of page 2 was read from pictures (OCR), so single words may be wrong.",)
        asked = (folder / "asked").read_text().splitlines()
        assert asked == ["stdin stdout -l eng --dpi 250 --psm 3 tsv"]
        assert (folder / "picture").read_bytes() == b"P5 2066 2924 25"
        assert (folder / "threads").read_text() == "1\n"

    def test_lines_of_which_most_words_are_guessed_are_left_out(self, install: Install) -> None:
        install(saying(("Leave.", 1, 200, 95), ("~%|", 2, 200, 40), ("^", 3, 200, 5)))
        assert [block.text for block in parse(make_pdf([SCAN]), "scan.pdf").blocks] == ["Leave."]

    def test_a_scan_with_a_stamp_is_read_and_keeps_its_stamp(self, install: Install) -> None:
        install(
            saying(("Recelved", 3, 250, 95), ("Thirty", 20, 300, 95), ("days.", 20, 440, 95), ("Signed", 40, 1000, 95))
        )
        document = parse(stamped(("Received 3 May", 780), ("Contoso, internal", 20)), "scan.pdf")
        assert [block.text for block in document.blocks] == [
            "Received 3 May",
            "Thirty days.",
            "Signed",
            "Contoso, internal",
        ]
        assert document.losses == ("The text of page 1 was read from pictures (OCR), so single words may be wrong.",)

    def test_a_photo_with_a_title_stays_what_it_was(self, install: Install) -> None:
        install(saying(("Recelved", 3, 250, 95)))
        document = parse(stamped(("Received 3 May", 780)), "scan.pdf")
        assert [block.text for block in document.blocks] == ["Received 3 May"]
        (loss,) = document.losses
        assert loss.startswith("There is hardly any text beside the picture on page 1")

    def test_pages_without_text_are_read_first(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        install(LEAVE)
        monkeypatch.setattr(ocr, "WORKERS", 1)
        order: list[int] = []

        def render(_: object, page: Page) -> ocr.Picture:
            order.append(page.number)
            return ocr.Picture(b"\xff", 1, 1, 72)

        monkeypatch.setattr(pdf_scans, "_rendered", render)
        parse(stamped(("Received", 780), blank=2), "scan.pdf")
        assert order == [2, 1]

    def test_large_lines_are_headings(self, install: Install) -> None:
        rows = saying(*((f"Text{n}", n, 200, 95) for n in range(3, 9)))
        title = "5\t1\t1\t1\t1\t1\t200\t20\t400\t90\t95\tLeave"
        install(rows.replace("\nEND", f"\n{title}\nEND"))
        blocks = parse(make_pdf([SCAN]), "scan.pdf").blocks
        assert [block.text for block in blocks if block.kind is BlockKind.HEADING] == ["Leave"]

    def test_a_program_that_fails_leaves_the_page_as_a_loss(self, install: Install) -> None:
        install("echo no such language >&2; exit 1")
        document = parse(make_pdf(["One.", SCAN]), "scan.pdf")
        assert document.losses == ("There is no text on page 2 (perhaps scanned), so nothing there can be found.",)

    def test_a_program_that_takes_too_long_is_ended(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        install("exec sleep 60")
        monkeypatch.setattr(ocr, "SECONDS_A_PAGE", 0.2)
        with pytest.raises(UnreadableDocument, match="no text layer"):
            parse(make_pdf([SCAN]), "scan.pdf")

    def test_pages_for_which_no_time_is_left_are_told(self, install: Install) -> None:
        install(LEAVE)
        document = parse(make_pdf(["One.", SCAN, SCAN]), "scan.pdf", ParseOptions(ocr_seconds=0.0))
        assert document.losses == (
            "There is no text on pages 2 to 3 (perhaps scanned), so nothing there can be found.",
            "The time for text recognition (OCR) was over before pages 2 to 3. Split the PDF and add the parts.",
        )

    @pytest.mark.parametrize("languages", ["eng; rm -rf /", "--help", "", "../../x"])
    def test_what_are_no_languages_never_reaches_the_program(self, install: Install, languages: str) -> None:
        folder = install(LEAVE)
        with pytest.raises(ocr.OcrFailed):
            ocr.read_picture(ocr.Picture(b"\xff" * 100, 10, 10, 100), languages)
        assert not (folder / "asked").exists()

    def test_several_languages_are_passed_on(self, install: Install) -> None:
        folder = install(LEAVE)
        ocr.read_picture(ocr.Picture(b"\xff" * 100, 10, 10, 100), "eng+deu+chi_sim")
        assert " -l eng+deu+chi_sim " in (folder / "asked").read_text()


class TestPictures:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
    def test_each_kind_is_read(self, install: Install, kind: str) -> None:
        folder = install(LEAVE)
        document = parse(picture(kind), "hr/leave_scan.img")
        assert [(block.text, block.page) for block in document.blocks] == [("Thirty days leave.", None)]
        assert (document.title, document.pages, document.losses) == ("Leave scan", None, (READ,))
        assert (folder / "picture").read_bytes().startswith(b"P5 400 200 255\n")

    def test_frames_are_pages(self, install: Install) -> None:
        install(LEAVE)
        frames = [Image.new("L", (300, 300), 255) for _ in range(3)]
        data = picture("TIFF", save_all=True, append_images=frames)
        document = parse(data, "fax.tiff")
        assert [block.page for block in document.blocks] == [1, 2, 3, 4]
        assert document.pages == 4

    def test_what_is_transparent_is_white(self, install: Install) -> None:
        folder = install(LEAVE)
        stream = BytesIO()
        Image.new("RGBA", (2, 1), (0, 0, 0, 0)).save(stream, "PNG")
        parse(stream.getvalue(), "x.png")
        assert (folder / "picture").read_bytes() == b"P5 2 1 255\n\xff\xff"

    def test_a_large_one_is_made_smaller(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = install(LEAVE)
        monkeypatch.setattr(image, "_READ_PIXELS", 20_000)
        parse(picture(dpi=(300, 300)), "x.png")
        assert (folder / "picture").read_bytes().startswith(b"P5 200 100 255")
        assert "--dpi 150 " in (folder / "asked").read_text()

    def test_a_large_jpeg_is_decoded_in_a_smaller_size(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = install(LEAVE)
        monkeypatch.setattr(image, "_READ_PIXELS", 5_000)
        monkeypatch.setattr(image, "MAX_PIXELS", 20_000)
        monkeypatch.setattr(image, "MAX_WEBP_PIXELS", 20_000)
        parse(picture("JPEG", dpi=(300, 300)), "x.jpg")
        assert (folder / "picture").read_bytes().startswith(b"P5 100 50 255")
        for data in (picture(), picture("JPEG", progressive=True), picture("WEBP")):
            with pytest.raises(TooLarge, match="Make it smaller"):
                parse(data, "x")

    @pytest.mark.parametrize(("turn", "size"), [(1, b"100 50"), (6, b"50 100")])
    def test_a_large_one_is_turned_as_it_says(
        self, install: Install, monkeypatch: pytest.MonkeyPatch, turn: int, size: bytes
    ) -> None:
        folder = install(LEAVE)
        monkeypatch.setattr(image, "_READ_PIXELS", 5_000)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = turn
        for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
            parse(picture(kind, exif=exif), "x")
            assert (folder / "picture").read_bytes().startswith(b"P5 " + size + b" 255")

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count what is private")
    @pytest.mark.parametrize("mode", ["RGBA", "P"])
    def test_it_takes_little_memory(self, install: Install, mode: str) -> None:
        install(LEAVE)
        stream = BytesIO()
        options = {"transparency": 0} if mode == "P" else {}
        Image.new(mode, (5000, 5000)).save(stream, "PNG", compress_level=1, **options)
        parser = ParserProcess(memory_bytes=350_000_000)
        assert parser.parse(stream.getvalue(), "x.png").blocks[0].text == "Thirty days leave."
        parser.stop()

    def test_one_that_says_to_be_huge_is_refused_before_it_is_decoded(self, install: Install) -> None:
        install(LEAVE)
        data = bytearray(picture())
        data[16:24] = (60_000).to_bytes(4, "big") * 2
        with pytest.raises((TooLarge, UnreadableDocument)) as caught:
            parse(bytes(data), "x.png")
        assert caught.value.message.endswith(".")

    @pytest.mark.parametrize("side", [8_000, 40_000])
    def test_too_many_pixels_are_refused(self, install: Install, side: int) -> None:
        install(LEAVE)
        stream = BytesIO()
        Image.new("1", (side, 13_000)).save(stream, "PNG")
        with pytest.raises(TooLarge, match="more than 100 million pixels"):
            parse(stream.getvalue(), "x.png")

    def test_a_damaged_one_is_called_so(self, install: Install) -> None:
        install(LEAVE)
        with pytest.raises(UnreadableDocument, match=r"damaged or not a PNG image"):
            parse(picture()[:60], "x.png")

    def test_one_without_text_is_called_so(self, install: Install) -> None:
        install(saying())
        with pytest.raises(NoText, match="No text was found in this picture"):
            parse(picture(), "x.png")

    @pytest.mark.usefixtures("absent")
    def test_without_the_program_it_says_what_to_install(self) -> None:
        with pytest.raises(UnsupportedFormat) as caught:
            parse(picture(), "x.png")
        assert "--editable '.[ocr]'" in caught.value.message
        assert "tesseract" in caught.value.message


@real
def test_the_real_program_reads_a_picture() -> None:
    shown = Image.new("L", (1400, 300), 255)
    font = ImageFont.load_default(48)
    ImageDraw.Draw(shown).text((50, 60), "Employees receive thirty days of leave.", fill=0, font=font)
    ImageDraw.Draw(shown).text((50, 160), "It is not paid out.", fill=0, font=font)
    stream = BytesIO()
    shown.save(stream, "PNG")
    text = " ".join(block.text for block in parse(stream.getvalue(), "x.png").blocks)
    assert "Employees receive thirty days of leave." in text
    assert "It is not paid out." in text
