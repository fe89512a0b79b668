"""Bytes to text when nobody says the encoding: byte order mark, zeros of UTF-16, declaration, UTF-8, then a guess."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

SAMPLE_BYTES = 65_536
GUESS_BYTES = 262_144
MAX_CONTROL_SHARE = 0.02
"""Of the first bytes; text has next to none, compressed or executable data about a tenth."""
_FEW_CONTROLS = 2
"""Stray ones, other than zeros, that do not make a short text something else."""
_MAX_WESTERN_SHARE, _MAX_WESTERN_RUN, _SHORT_TEXT = 0.12, 2, 200
_ACCENTED_RUN = re.compile(rb"[\x80-\xff]+")
_SIGN_IN_WORD = re.compile(r"[A-Za-z][¹²³¿¥£¢¤¦¨©¬®¯±¶¸¼½¾][A-Za-z]")
_MARKS = (  # UTF-32 first, because its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = bytes(code for code in range(0x20) if code not in b"\t\n\r\f\x1b\x08") + b"\x7f"
_STILL_MET = (
    *(f"cp{number}" for number in range(1250, 1259)),
    *("koi8_r", "iso8859_2", "mac_roman", "cp437", "cp850", "cp866"),
    *("cp932", "euc_jp", "iso2022_jp", "gb18030", "big5", "cp949"),
)
"""Encodings that files are found in; among all there are, statistics also propose those of mainframes."""
_ASCII = bytes(range(0x80))
_META_CHARSET = re.compile(rb"""<meta[^>]{0,500}?charset\s{0,9}=\s{0,9}["']?\s{0,9}([\w.:-]{1,40})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s{0,99}<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']""")
_NO_CHARACTER_SETS = frozenset(
    {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "unicode_escape"}
)
# Labels that the web gives another meaning than Python does (encoding.spec.whatwg.org, section 4.2).
_WEB_LABELS = {
    **dict.fromkeys(("iso-8859-1", "latin1", "us-ascii", "ascii"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("shift_jis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987"), "cp949"),
    "iso-8859-9": "cp1254",
    "tis-620": "cp874",
}


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
    few = 0 if 0 in sample else _FEW_CONTROLS
    return controls <= max(MAX_CONTROL_SHARE * len(sample), few)


def decode(data: bytes, *, declared: bool = False) -> Decoded:
    """The text of `data`; with `declared`, what an HTML or XML file says about itself is believed before UTF-8."""
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return _with_replacements(data[len(mark) :], marked)
    if wide := _wide_encoding(data[:SAMPLE_BYTES]):
        return _with_replacements(data, wide)
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
    if not pairs:
        return None
    even, odd = sample[0 : 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if odd > 0.4 * pairs and even < 0.02 * pairs:
        encoding = "utf-16-le"
    elif even > 0.4 * pairs and odd < 0.02 * pairs:
        encoding = "utf-16-be"
    else:
        return None
    # Small numbers in binary data have the same zeros, but are no letters.
    text = sample[: 2 * pairs].decode(encoding, errors="replace")
    controls = sum(text.count(chr(code)) for code in _CONTROLS) + text.count("\ufffd")
    return encoding if controls <= MAX_CONTROL_SHARE * pairs else None


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
    return is_text_encoding and codec.name not in _NO_CHARACTER_SETS


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
    """The usual Latin encoding, if the text looks right in it: statistics confuse it with others for want of letters.

    Accented letters of Western European languages are few and stand apart. Text in another alphabet has long runs of
    them, Czech more of them, and Polish signs such as ³ in the middle of words.
    """
    sample = data[:GUESS_BYTES]
    accented = len(sample.translate(None, _ASCII))
    runs = len(_ACCENTED_RUN.findall(sample))
    is_dense = len(sample) > _SHORT_TEXT and accented > _MAX_WESTERN_SHARE * len(sample)
    if is_dense or accented > _MAX_WESTERN_RUN * runs:
        return None
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return None
    return None if _SIGN_IN_WORD.search(text) else "cp1252"


def _by_statistics(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:GUESS_BYTES], cp_isolation=list(_STILL_MET)).best()
    return best.encoding if best else "cp1252"
