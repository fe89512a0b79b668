"""What every parser does to text: control characters out, white space in order, names and tables made readable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

# Invisible characters that break search and quoting, and the bidirectional overrides, which make text read
# differently from what it says (Unicode Technical Report 36, section 2.1). Joiners stay: scripts need them.
_DROPPED = dict.fromkeys(
    [
        *(code for code in range(0x20) if chr(code) not in "\t\n"),
        *range(0x7F, 0xA0),
        *(0x00AD, 0x200B, 0x2060, 0xFEFF, 0xFFFE, 0xFFFF),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
        *range(0xFFF9, 0xFFFC),
        *range(0xE0000, 0xE0080),
    ]
)
_LINE_ENDS = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_BLANKS = re.compile(r"[\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_LISTED_WORD = re.compile(r"[^\W_]+")
LONGEST_KEYWORDS = 1000
_WHITE = re.compile(r"\s+")
_PLURALS = {"has": "have", "is": "are", "keeps": "keep", "was": "were"}
_INDEX_NAMES = frozenset({"index", "readme", "default", "_index"})
_SEPARATORS = re.compile(r"[_\s]+|(?<=\w)-(?=\w)")


def clean(text: str) -> str:
    """Unify line ends and remove control, invisible and bidirectional override characters."""
    return _LINE_ENDS.sub("\n", text).translate(_DROPPED)


def one_line(text: str) -> str:
    """All white space to single blanks: the form of titles, headings and table cells."""
    return _WHITE.sub(" ", clean(text)).strip()


def keywords(listed: str) -> str:
    """The distinct words of a list in any punctuation, as many as a person would give."""
    words = dict.fromkeys(_LISTED_WORD.findall(clean(listed)))
    return " ".join(words)[:LONGEST_KEYWORDS]


def tidy(text: str) -> str:
    """Runs of blanks to one, none at the ends of lines, no empty lines at either end."""
    return "\n".join(_BLANKS.sub(" ", line).strip() for line in clean(text).split("\n")).strip("\n")


def readable_name(name: str) -> str:
    """A title out of a file name: `hr/leave_policy-2024.pdf` gives `Leave policy 2024`, `it/index.md` `It`."""
    path = PurePosixPath(name.replace("\\", "/"))
    stem = path.stem
    if stem.lower() in _INDEX_NAMES and path.parent.name:
        stem = path.parent.name
    words = one_line(_SEPARATORS.sub(" ", stem)) or "untitled"
    return words[0].upper() + words[1:] if words.islower() else words


def counted(number: int, thing: str, what: str, plural: str = "") -> list[str]:
    """`One picture has …`, `3 pictures have …`: no line for none. `what` begins with a verb in the singular."""
    if not number:
        return []
    if number == 1:
        return [f"One {thing} {what}."]
    verb, _, rest = what.partition(" ")
    return [f"{number:,} {plural or thing + 's'} {_PLURALS.get(verb, verb)} {rest}."]


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first one being the header, as a Markdown table; short rows are filled with empty cells."""
    width = max((len(row) for row in rows), default=0)
    lines = ["| " + " | ".join(_cell(row[i]) if i < len(row) else "" for i in range(width)) + " |" for row in rows]
    if lines:
        lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def _cell(text: str) -> str:
    return one_line(text).replace("|", r"\|")
