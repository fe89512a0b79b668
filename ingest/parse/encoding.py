"""Bytes to text when nobody says the encoding: byte order mark, declaration, UTF-8, UTF-16 by its zeros, then a guess."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

SAMPLE_BYTES = 65_536
GUESS_BYTES = 262_144
MAX_CONTROL_SHARE = 0.02
"""Of the first bytes; text has next to none, compressed or executable data about a tenth."""
_MAX_WESTERN_SHARE = 0.06
"""Of the bytes: accented letters are at most this in Western European languages, and more in Polish or Czech."""
_MARKS = (  # UTF-32 first, because its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = bytes(code for code in range(0x20) if code not in b"\t\n\r\f\x1b\x08") + b"\x7f"
_META_CHARSET = re.compile(rb"""<meta[^>]{0,500}?charset\s{0,9}=\s{0,9}["']?\s{0,9}([\w.:-]{1,40})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s{0,99}<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']""")
# Labels that the web gives another meaning than Python does (encoding.spec.whatwg.org, section 4.2).
_WEB_LABELS = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}
_WEB_LABELS |= {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
}
_WEB_LABELS |= {"iso-8859-9": "cp1254", "tis-620": "cp874", "windows-31j": "cp932", "x-sjis": "cp932"}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and what may have been lost in reading it."""

    text: str
    losses: tuple[str, ...] = ()


def is_text(data: bytes) -> bool:
    """Whether this can be text in some encoding, judged by the start of it."""
    sample = data[:SAMPLE_BYTES]
    if not sample or sample.startswith(tuple(mark for mark, _ in _MARKS)) or _wide_encoding(sample):
        return True
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls <= MAX_CONTROL_SHARE * len(sample)


def decode(data: bytes, *, declared: bool = False) -> Decoded:
    """The text of `data`; with `declared`, what an HTML or XML file says about itself is believed before UTF-8."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _with_replacements(data[len(mark) :], encoding)
    if encoding := _wide_encoding(data[:SAMPLE_BYTES]):
        return _with_replacements(data, encoding)
    said = _declared(data) if declared else None
    if said and said != "utf-8":
        return _with_replacements(data, said)
    try:
        return Decoded(data.decode("utf-8"))
    except UnicodeDecodeError:
        return _damaged_utf8(data) or _guessed(data)


def _wide_encoding(sample: bytes) -> str | None:
    """UTF-16 without a mark: in Latin text, nearly every second byte is zero, and hardly any of the others."""
    pairs = len(sample) // 2
    if pairs < 2:
        return None
    even, odd = sample[0 : 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if odd > 0.4 * pairs and even < 0.02 * pairs:
        return "utf-16-le"
    if even > 0.4 * pairs and odd < 0.02 * pairs:
        return "utf-16-be"
    return None


def _declared(data: bytes) -> str | None:
    head = data[:4096]
    match = _XML_ENCODING.search(head) or _META_CHARSET.search(head)
    if not match:
        return None
    label = match.group(1).decode("ascii", "ignore").lower()
    try:
        found = codecs.lookup(_WEB_LABELS.get(label, label))
    except (LookupError, ValueError):
        return None
    # A file that could be read as bytes up to its declaration is not UTF-16, whatever it says; and Python
    # also lists codecs (base64, zip, idna) that are no character encodings.
    return None if found.name.startswith(("utf-16", "utf-32", "utf-7")) or not _is_character_set(found) else found.name


def _is_character_set(codec: codecs.CodecInfo) -> bool:
    is_text_encoding = bool(getattr(codec, "_is_text_encoding", True))
    return is_text_encoding and codec.name not in {
        "idna",
        "punycode",
        "unicode-escape",
        "raw-unicode-escape",
        "undefined",
    }


def _with_replacements(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, errors="replace")
    bad = text.count("\ufffd")
    return Decoded(text, (_unreadable(bad),) if bad else ())


def _unreadable(count: int) -> str:
    return "One character could not be read." if count == 1 else f"{count} characters could not be read."


def _damaged_utf8(data: bytes) -> Decoded | None:
    """UTF-8 with a few broken characters: far more sequences are right than a single-byte encoding makes by chance."""
    text = data.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    right = sum(1 for character in text if character > "\x7f") - bad
    return Decoded(text, (_unreadable(bad),)) if bad * 10 <= right else None


def _guessed(data: bytes) -> Decoded:
    encoding = _western(data) or _by_statistics(data)
    text = data.decode(encoding, errors="replace")
    note = f"The file does not say its text encoding; it was read as {encoding}, so special characters may be wrong."
    return Decoded(text, (note,))


def _western(data: bytes) -> str | None:
    """Statistics need many letters to tell the Latin encodings apart; where few are accented, the usual one is meant."""
    sample = data[:GUESS_BYTES]
    if sum(byte > 0x7F for byte in sample) > _MAX_WESTERN_SHARE * len(sample):
        return None
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return None
    return "cp1252"


def _by_statistics(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:GUESS_BYTES]).best()
    return best.encoding if best else "cp1252"
