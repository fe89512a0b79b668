"""What is done to every file, whatever its format: passwords, the files inside it, and how much it may hold."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from typing import Any

import pytest

from core.errors import TooLarge, UnreadableDocument, UnsupportedFormat
from ingest import parse as package
from ingest.parse import archive_zip, formats, ocr, parse, parser_for
from ingest.parse.errors import Protected, ReadElsewhere
from ingest.parse.options import ParseOptions
from tests.fakes.compound import compound_file
from tests.ingest.parse.office import packed, paragraph, word

PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(200)
HEIC = b"\0\0\0\x18ftypheic" + bytes(50)
WHAT_TO_DO = "Save it without one and add that, or have an operator add its password to the setting parse.passwords."


def office(password: str) -> bytes:
    from msoffcrypto.format.ooxml import OOXMLFile

    # Smaller ones come out damaged.
    data = word(paragraph("Secret leave."), parts={"media/noise.bin": random.Random(1).randbytes(9000)})
    plain, stream = io.BytesIO(data), io.BytesIO()
    OOXMLFile(plain).encrypt(password, stream)
    return stream.getvalue()


def locked_pdf(password: str) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    stream = io.BytesIO()
    canvas = Canvas(stream, encrypt=password)
    canvas.drawString(100, 700, "Secret leave.")
    canvas.save()
    return stream.getvalue()


def knowing(*passwords: str) -> ParseOptions:
    return ParseOptions(passwords)


class _Encrypting:
    """The old encryption of ZIP (PKWARE's APPNOTE.TXT, section 6.1), which zipfile reads and does not write."""

    def __init__(self, password: bytes) -> None:
        self.keys = [0x12345678, 0x23456789, 0x34567890]
        for each in password:
            self._update(each)

    def _update(self, byte: int) -> None:
        keys = self.keys
        keys[0] = _crc(byte, keys[0])
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = _crc(keys[1] >> 24, keys[2])

    def __call__(self, data: bytes) -> bytes:
        out = bytearray()
        for each in data:
            k = self.keys[2] | 2
            out.append(each ^ ((k * (k ^ 1)) >> 8) & 0xFF)
            self._update(each)
        return bytes(out)


def _crc(byte: int, crc: int) -> int:
    # zlib's crc32 is complemented before and after; this is one step without either.
    return zlib.crc32(bytes([byte]), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def locked_zip(password: str, text: bytes = b"Thirty days.") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("leave.txt", b"\0" * 12 + text)
    data = bytearray(stream.getvalue())
    start = data.find(b"\0" * 12 + text)
    crc = zlib.crc32(text)
    encrypt = _Encrypting(password.encode())
    data[start : start + 12 + len(text)] = encrypt(bytes(11) + bytes([crc >> 24])) + encrypt(text)
    central = data.find(b"PK\x01\x02")
    for flags, checksum, size in ((6, 14, 22), (central + 8, central + 16, central + 24)):
        data[flags] |= 1
        struct.pack_into("<L", data, checksum, crc)
        struct.pack_into("<L", data, size, len(text))
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (locked_pdf("open sesame"), "The PDF"),
        (office("open sesame"), "The document"),
        (locked_zip("open sesame"), "The archive"),
    ],
    ids=["PDF", "Office", "ZIP"],
)
class TestPasswords:
    def test_without_the_right_one_the_person_is_told_what_to_do(self, data: bytes, what: str) -> None:
        with pytest.raises(Protected) as caught:
            parse(data, "x")
        assert caught.value.message == f"{what} is protected by a password. {WHAT_TO_DO}"
        with pytest.raises(Protected) as caught:
            parse(data, "x", knowing("wrong", "other"))
        tried = ", and none of those in the setting parse.passwords fits. "
        assert caught.value.message == f"{what} is protected by a password{tried}{WHAT_TO_DO}"

    def test_each_that_is_set_is_tried(self, data: bytes, what: str) -> None:
        document = parse(data, "x", knowing("wrong", "open sesame", "other"))
        found = b" ".join(each.data for each in document.attachments).decode()
        assert "Secret leave." in (block.text for block in document.blocks) or found == "Thirty days."


def test_the_type_is_that_of_what_is_protected() -> None:
    assert parse(office("a"), "plan.docx", knowing("a")).media_type == formats.DOCX


@pytest.mark.parametrize("options", [ParseOptions(), knowing("wrong")])
def test_a_password_is_no_help_for_a_binary_workbook(options: ParseOptions) -> None:
    with pytest.raises(Protected) as caught:
        parse(office("a"), "prices.xlsb", options)
    assert caught.value.message.endswith("Save it as an Excel workbook (.xlsx) without a password and add that.")


def test_a_workbook_that_nobody_needs_a_password_for_is_read() -> None:
    assert parse(office("VelvetSweatshop"), "plan.docx").blocks[0].text == "Secret leave."


def test_a_protection_of_an_unknown_kind_is_no_question_of_passwords() -> None:
    data = compound_file({"EncryptionInfo": b"\x03\0\x03\0" + bytes(100), "EncryptedPackage": bytes(100)})
    with pytest.raises(UnreadableDocument, match="in a way that cannot be opened here"):
        parse(data, "plan.docx", knowing("a"))


@pytest.mark.parametrize(
    "info",
    [b"", b"\x04\0\x04\0\x40\0\0\0<x/>", b'\x04\0\x04\0\x40\0\0\0<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'],
)
def test_a_damaged_protection_is_damage(info: bytes) -> None:
    data = compound_file({"EncryptionInfo": info, "EncryptedPackage": bytes(100)})
    with pytest.raises(UnreadableDocument, match=r"damaged|protected in a way"):
        parse(data, "plan.docx", knowing("a"))


def test_a_document_that_is_protected_twice_is_not_read() -> None:
    from ingest.parse import protected

    data = office("a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protected, "opened", lambda data, passwords: data)
        with pytest.raises(UnreadableDocument, match="several times"):
            parse(data, "x.docx")


@pytest.mark.parametrize(("flags", "is_locked"), [(0x0000, False), (0x0100, True)])
def test_an_old_document_that_is_protected_is_told_from_others(flags: int, is_locked: bool) -> None:
    header = struct.pack("<HHxxxxxxH", 0xA5EC, 0x00C1, flags)  # FibBase ([MS-DOC] 2.5.2) with fEncrypted
    data = compound_file({"WordDocument": header.ljust(5000, b"\0"), "0Table": bytes(5000), "1Table": bytes(5000)})
    with pytest.raises(UnreadableDocument) as caught:
        parse(data, "a.doc", knowing("a"))
    assert isinstance(caught.value, Protected) == is_locked
    advice = "Save it as a Word document (.docx) without a password and add that."
    assert caught.value.message.endswith(advice) == is_locked


def test_passwords_are_never_shown() -> None:
    assert "sesame" not in repr(knowing("open sesame"))


def test_options_travel_whole() -> None:
    options = ParseOptions(("a", "ü"), "deu+eng", 5.0, frozenset({formats.DOC}))
    assert ParseOptions.from_json(options.to_json()) == options


def test_encryption_of_the_other_kind_is_told() -> None:
    data = bytearray(locked_zip("a"))
    data[data.find(b"PK\x01\x02") + 10] = archive_zip._AES
    with pytest.raises(Protected, match=r"\(AES\)"):
        parse(bytes(data), "x.zip", knowing("a"))


class TestFilesInside:
    def test_what_nobody_reads_is_left_out_and_told(self) -> None:
        document = parse(packed({"a.txt": b"Text.", "x.exe": PROGRAM, "photo.heic": HEIC}), "all.zip")
        assert [each.name for each in document.attachments] == ["a.txt"]
        assert document.losses == ("2 files inside cannot be read: x.exe, photo.heic.",)

    def test_one_and_many(self) -> None:
        one = parse(packed({"a.txt": b"Text.", "x.exe": PROGRAM}), "all.zip")
        assert one.losses == ("One file inside cannot be read: x.exe.",)
        many = parse(packed({"a.txt": b"Text."} | {f"{n}.exe": PROGRAM for n in range(5)}), "all.zip")
        assert many.losses == ("5 files inside cannot be read: 0.exe, 1.exe, 2.exe and 2 more.",)

    def test_if_none_can_be_read_the_archive_cannot(self) -> None:
        with pytest.raises(UnreadableDocument) as caught:
            parse(packed({"x.exe": PROGRAM}), "all.zip")
        assert caught.value.message == "One file inside cannot be read: x.exe."

    def test_what_is_read_elsewhere_is_kept(self) -> None:
        old = compound_file({"WordDocument": b"x"})
        document = parse(packed({"a.doc": old}), "all.zip", ParseOptions(elsewhere=frozenset({formats.DOC})))
        assert [each.name for each in document.attachments] == ["a.doc"]

    def test_what_a_password_opens_is_kept(self) -> None:
        document = parse(packed({"a.docx": office("a")}), "all.zip")
        assert [each.name for each in document.attachments] == ["a.docx"]

    def test_pictures_are_kept_where_text_recognition_is_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("PIL")
        data = packed({"a.txt": b"Text.", "scan.png": b"\x89PNG\r\n\x1a\n" + bytes(50)})
        monkeypatch.setattr(ocr, "is_available", lambda: False)
        assert parse(data, "x.zip").losses == ("One file inside cannot be read: scan.png.",)
        monkeypatch.setattr(ocr, "is_available", lambda: True)
        assert len(parse(data, "x.zip").attachments) == 2


def test_the_whole_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_CHARACTERS", 2_000_000)
    assert parse(b"a" * 2_000_000, "x.txt").blocks
    with pytest.raises(TooLarge) as caught:
        parse(b"a" * 2_000_001, "x.txt")
    assert caught.value.message == "The file holds more than 2 million characters of text. Split it and add the parts."


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        (formats.PDF, {"_languages": "deu", "_seconds": 7.0, "_passwords": ("a",)}),
        ("image/png", {"_languages": "deu", "_seconds": 7.0}),
        (formats.DOCX, {"_languages": "deu", "_seconds": 7.0}),
        (formats.ODP, {"_languages": "deu", "_seconds": 7.0}),
        (formats.ZIP, {"_passwords": ("a",)}),
    ],
)
def test_parsers_are_told_what_they_take_of_the_options(media_type: str, expected: dict[str, Any]) -> None:
    parser = parser_for(media_type, ParseOptions(("a",), "deu", 7.0))
    assert {name: getattr(parser, name) for name in expected} == expected


@pytest.mark.parametrize("media_type", package.PARSERS)
def test_every_format_has_a_parser_that_says_so(media_type: str) -> None:
    assert media_type in parser_for(media_type).media_types
    assert media_type in formats.FORMATS


def test_what_another_program_reads_is_told_with_its_type() -> None:
    old = compound_file({"WordDocument": b"x"})
    with pytest.raises(UnsupportedFormat) as here:
        parse(old, "a.doc")
    with pytest.raises(ReadElsewhere) as elsewhere:
        parse(old, "a.doc", ParseOptions(elsewhere=frozenset({formats.DOC})))
    assert elsewhere.value.media_type == formats.DOC
    assert elsewhere.value.message == here.value.message


def test_a_title_without_end_is_cut() -> None:
    assert parse(b"# " + b"word " * 10 + b"\n\nText.\n\n", "a.md").title == "word " * 9 + "word"
    title = parse(b"---\ntitle: " + b"x" * 5000 + b"\n---\nText.\n", "a.md").title
    assert title == "x" * 300
