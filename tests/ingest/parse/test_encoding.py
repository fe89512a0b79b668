"""Bytes to text when the file does not say, or says wrongly, how it is encoded."""

from __future__ import annotations

import pytest

from ingest.parse import parse
from ingest.parse.encoding import decode, is_text

GERMAN = "Der Urlaub beträgt dreißig Tage im Jahr. Für Eltern gelten zusätzliche Möglichkeiten – „Elternzeit“.\n"
RUSSIAN = "Ежегодный отпуск составляет двадцать восемь календарных дней. Заявление подают за две недели.\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_read_without_loss_with_and_without_a_byte_order_mark(encoding: str) -> None:
    decoded = decode((GERMAN * 3).encode(encoding))
    assert decoded.text == GERMAN * 3
    assert decoded.losses == ()


@pytest.mark.parametrize(("text", "encoding"), [(GERMAN, "cp1252"), (RUSSIAN, "cp1251")])
def test_old_encodings_are_guessed_and_the_guess_is_told(text: str, encoding: str) -> None:
    decoded = decode((text * 5).encode(encoding))
    assert decoded.text == text * 5
    assert decoded.losses == (
        f"The file does not say its text encoding; it was read as {encoding}, so special characters may be wrong.",
    )


def test_latin_1_is_read_as_its_windows_superset() -> None:
    assert decode("Café à Nîmes, señor".encode("latin-1")).text == "Café à Nîmes, señor"


def test_a_few_broken_characters_do_not_make_utf_8_another_encoding() -> None:
    decoded = decode((GERMAN * 5).encode() + b"Stra\xdfe")
    assert decoded.text == GERMAN * 5 + "Stra\ufffde"
    assert decoded.losses == ("One character could not be read.",)


def test_a_page_is_read_in_the_encoding_it_declares() -> None:
    page = '<html><head><meta charset="windows-1251"></head><body><p>' + RUSSIAN
    assert decode(page.encode("cp1251"), declared=True).text == page


def test_what_the_web_calls_latin_1_has_typographic_quotes() -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1"><p>“Yes”'
    assert decode(page.encode("cp1252"), declared=True).text == page


@pytest.mark.parametrize("label", ["utf-16", "utf-7", "base64", "zlib", "idna", "unicode_escape", "no-such", "\u00e9"])
def test_a_declaration_that_cannot_be_true_is_not_believed(label: str) -> None:
    page = f'<meta charset="{label}"><p>Grüße aus München'
    assert decode(page.encode(), declared=True).text == page


def test_a_declaration_is_not_looked_for_in_plain_text() -> None:
    text = 'Write <meta charset="koi8-r"> for “Russian”.'
    assert decode(text.encode()).text == text


def test_binary_data_is_no_text() -> None:
    assert not is_text(bytes(range(256)) * 10)
    assert is_text("Ünïcode\twith\r\ntabs\f".encode())
    assert is_text("only ASCII as UTF-16".encode("utf-16-le"))


def test_a_guess_is_passed_on_to_the_document() -> None:
    document = parse((GERMAN * 3).encode("cp1252"), "urlaub.txt")
    assert "beträgt dreißig Tage" in document.blocks[0].text
    assert len(document.losses) == 1
