"""What the control words of RTF mean to a reader of its text (Rich Text Format Specification, version 1.9.1)."""

from __future__ import annotations

import codecs

CHARACTERS = {
    "tab": " ",
    "line": "\n",
    "lbr": "\n",
    "softline": "\n",
    "emdash": "—",
    "endash": "–",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "zwj": "\u200d",
    "zwnj": "\u200c",
}
SYMBOLS = {"~": " ", "_": "-", "\\": "\\", "{": "{", "}": "}"}
PARAGRAPH_ENDS = frozenset({"par", "sect", "page", "column"})
UNSEEN = frozenset(
    """
    annotation atnauthor atnid atntime bkmkend bkmkstart colortbl datastore falt fldinst ftncn ftnsep ftnsepc
    aftncn aftnsep aftnsepc filetbl generator listtable nonesttables nonshppict objclass objdata objname
    panose pn private revtbl rsidtbl rxe shprslt sp tc template themedata txe wgrffmtfilter xe xmlnstbl
    """.split()
)
"""Destinations that hold no text of the document."""
SEEN_THOUGH_STARRED = frozenset({"do", "dptxbxtext", "shpinst", "shptxt", "shppict"})
"""Destinations that old readers leave out, and this one reads."""
RUNNING = frozenset({"header", "headerf", "headerl", "headerr", "footer", "footerf", "footerl", "footerr"})
NOT_HEADINGS = 9
"""`outlinelevel` of text that stands in no outline."""

_PAGES = {
    # Character sets of fonts; 0 is the document's own, 1 the default and 2 that of symbols.
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gb18030",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}


def page_of_charset(charset: int) -> str:
    """The encoding of a font's `fcharset`; empty where that is the document's."""
    return _PAGES.get(charset, "")


def page_of_number(number: int) -> str:
    """The encoding of a code page by its number; empty if there is none."""
    if number in {10000, 65001, 936}:
        return {10000: "mac_roman", 65001: "utf-8", 936: "gb18030"}[number]
    try:
        return codecs.lookup(f"cp{number}").name
    except LookupError:
        return ""


def heading_of_style(name: str) -> int:
    """`heading 2` gives 2, `Title` 1, others 0. The names of built-in styles are English in every language's files."""
    words = name.lower().rstrip(";").split()
    if len(words) == 2 and words[0] in {"heading", "überschrift", "titre"} and words[1].isdecimal():  # noqa: PLR2004
        return int(words[1][:2])
    return 1 if words == ["title"] else 0
