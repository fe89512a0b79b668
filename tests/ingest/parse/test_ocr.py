"""Text recognition: of scanned pages and of pictures, with the real program where it is installed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from core.errors import TooLarge, UnreadableDocument, UnsupportedFormat
from core.types import BlockKind
from ingest.parse import image, ocr, parse
from ingest.parse.errors import NoText
from ingest.parse.options import ParseOptions
from tests.pdf import PdfPage, make_pdf

SCAN = PdfPage(has_drawing=True)
HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
READ = "The text was read from a picture (OCR), so single words may be wrong."
real = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")

Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program in the place of tesseract; its arguments and environment are kept in the folder returned."""

    def put(script: str) -> Path:
        program = tmp_path / "tesseract"
        program.write_text(
            f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\necho "$OMP_THREAD_LIMIT" > "{tmp_path}/threads"\n'
            f'head -c 15 > "{tmp_path}/picture"\ncat > /dev/null\n{script}\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return tmp_path

    return put


@pytest.fixture
def absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


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

    def test_one_that_says_to_be_huge_is_refused_before_it_is_decoded(self, install: Install) -> None:
        install(LEAVE)
        data = bytearray(picture())
        data[16:24] = (60_000).to_bytes(4, "big") * 2
        with pytest.raises((TooLarge, UnreadableDocument)) as caught:
            parse(bytes(data), "x.png")
        assert caught.value.message.endswith(".")

    @pytest.mark.parametrize("side", [13_000, 40_000])
    def test_too_many_pixels_are_refused(self, install: Install, side: int) -> None:
        install(LEAVE)
        stream = BytesIO()
        Image.new("1", (side, 13_000)).save(stream, "PNG")
        with pytest.raises(TooLarge, match="more than 150 million pixels"):
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
