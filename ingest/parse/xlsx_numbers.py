"""Numbers as Excel shows them: percentages, currencies, dates and leading zeros by the cell's number format.

The grammar is that of ECMA-376, part 1, 18.8.30 and 18.8.31. Short dates whose order of day and month depends on the
machine that shows them are written as ISO 8601.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

Show = Callable[[float], str]

ISO_DATE, ISO_DATE_TIME = "yyyy-mm-dd", "yyyy-mm-dd h:mm"
BUILT_IN: dict[int, str] = {
    0: "General",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    5: "$#,##0;-$#,##0",
    6: "$#,##0;-$#,##0",
    7: "$#,##0.00;-$#,##0.00",
    8: "$#,##0.00;-$#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    14: ISO_DATE,
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: ISO_DATE_TIME,
    **dict.fromkeys((27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 55, 56, 57, 58), ISO_DATE),
    **dict.fromkeys((32, 33, 34, 35), "h:mm:ss"),
    37: "#,##0;(#,##0)",
    38: "#,##0;(#,##0)",
    39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)",
    41: "#,##0;-#,##0;-",
    42: "$#,##0;-$#,##0;-",
    43: "#,##0.00;-#,##0.00;-",
    44: "$#,##0.00;-$#,##0.00;-",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "0.0E+0",
    49: "@",
}
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_.|\*.|\[(?P<bracket>[^\]]*)\]|(?P<ampm>AM/PM|A/P)'
    r"|(?P<date>y+|m+|d+|h+|s+|e+(?![+-])|b+|g+)|(?P<fraction>\.0+)|(?P<exponent>E[+-])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)(-?\d+(?:\.\d+)?)")
_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - Excel knows no time zones
_LEAP_BUG = 60
"""Excel takes 1900 for a leap year, so that its days count from one later before March of it."""
_LONGEST_FORMAT, _MAX_DIGITS = 255, 30
_LARGEST_INTEGER = 1e15


@dataclass(frozen=True, slots=True)
class Format:
    """How a cell's numbers are shown."""

    show: Show
    is_date: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: str
    text: str


def number_format(code: str, *, from_1904: bool = False) -> Format:
    """The format for a code such as `#,##0.00 "EUR"`; a code that nobody can read shows plain numbers."""
    if code.strip().lower() in {"", "general"}:
        return Format(general)
    sections = [_pieces(section) for section in _sections(code[:_LONGEST_FORMAT])]
    is_date = any(piece.kind in {"date", "elapsed"} for piece in sections[0])
    shows = [_section(pieces, from_1904=from_1904) for pieces in sections[:3]]
    conditions = [_condition(pieces) for pieces in sections[:3]]
    if is_date:
        return Format(shows[0], is_date=True)
    return Format(_by_sign(shows, conditions))


def general(value: float) -> str:
    """As in a cell without a format: whole numbers whole, others with at most ten decimals."""
    if value == int(value) and abs(value) < _LARGEST_INTEGER:
        return str(int(value))
    text = format(round(value, 10) or value, ".15g")
    return text.replace("e", "E")


def _sections(code: str) -> list[str]:
    """Split at semicolons that are neither quoted nor escaped."""
    parts = re.findall(r'(?:"[^"]*"?|\\.?|\[[^\]]*\]|[^;"\\])*+(?:;|$)', code, re.DOTALL)
    return [part.removesuffix(";") for part in parts][: code.count(";") + 1] or ["General"]


def _pieces(section: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    for match in _TOKEN.finditer(section):
        kind, text = match.lastgroup or "", match[0]
        if kind in {"quoted", "escaped"}:
            pieces.append(_Piece("literal", match[kind]))
        elif kind == "bracket":
            pieces += _bracket(match[kind])
        elif kind == "fraction" and not any(piece.kind in {"date", "elapsed"} for piece in pieces):
            pieces += [_Piece("other", character) for character in text]
        elif kind:
            pieces.append(_Piece(kind, text))
        elif text.startswith("_"):
            pieces.append(_Piece("literal", " "))
    return _general(pieces)


def _general(pieces: list[_Piece]) -> list[_Piece]:
    """The word General is made of letters that mean something else."""
    joined = "".join(piece.text for piece in pieces if piece.kind != "literal")
    if "general" not in joined.lower():
        return pieces
    before = [piece for piece in pieces if piece.kind == "literal"]
    return (
        [*before[:1], _Piece("general", "")]
        if pieces and pieces[0].kind == "literal"
        else [_Piece("general", ""), *before[:1]]
    )


def _bracket(content: str) -> list[_Piece]:
    if content.startswith("$"):
        return [_Piece("literal", content[1:].rpartition("-")[0] if "-" in content else content[1:])]
    if _ELAPSED.fullmatch(content):
        return [_Piece("elapsed", content.lower())]
    return [_Piece("condition", content)] if _CONDITION.fullmatch(content) else []


def _condition(pieces: Sequence[_Piece]) -> Callable[[float], bool] | None:
    match = next((_CONDITION.fullmatch(piece.text) for piece in pieces if piece.kind == "condition"), None)
    if match is None:
        return None
    sign, bound = match[1], float(match[2])
    tests: dict[str, Callable[[float], bool]] = {
        "<": lambda value: value < bound,
        ">": lambda value: value > bound,
        "<=": lambda value: value <= bound,
        ">=": lambda value: value >= bound,
        "=": lambda value: value == bound,
        "<>": lambda value: value != bound,
    }
    return tests[sign]


def _by_sign(shows: Sequence[Show], conditions: Sequence[Callable[[float], bool] | None]) -> Show:
    def show(value: float) -> str:
        if any(conditions):
            for each, test in zip(shows, conditions, strict=True):
                if test is None or test(value):
                    return each(value)
            return general(value)
        if value < 0:
            return shows[1](-value) if len(shows) > 1 else "-" + shows[0](-value)
        return shows[2](value) if value == 0 and len(shows) > 2 else shows[0](value)  # noqa: PLR2004 - the third is for zero

    return show


def _section(pieces: list[_Piece], *, from_1904: bool) -> Show:
    kinds = {piece.kind for piece in pieces}
    if "general" in kinds:
        return _around(pieces)
    if kinds & {"date", "elapsed"}:
        return _dates(pieces, from_1904=from_1904)
    return _numbers(pieces)


def _around(pieces: Sequence[_Piece]) -> Show:
    def show(value: float) -> str:
        return "".join(
            general(value) if piece.kind == "general" else piece.text for piece in pieces if piece.kind != "condition"
        ).strip()

    return show


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def _numbers(pieces: Sequence[_Piece]) -> Show:
    pieces = [piece for piece in pieces if piece.kind != "condition"]
    places = [i for i, piece in enumerate(pieces) if piece.kind == "other" and piece.text in "0#?"]
    if not places:
        text = "".join(piece.text for piece in pieces)
        return general if "@" in text else (lambda value: text.strip())
    first, last = places[0], places[-1]
    before, mask, after = pieces[:first], pieces[first : last + 1], pieces[last + 1 :]
    scale = 0
    while after and after[0].text == "," and after[0].kind == "other":
        scale, after = scale + 3, after[1:]
    percents = sum(piece.text == "%" and piece.kind == "other" for piece in pieces)
    body = _mask(mask, 2 * percents - scale)
    head, tail = ("".join(piece.text for piece in part) for part in (before, after))
    return lambda value: f"{head}{body(value)}{tail}".strip()


def _mask(mask: Sequence[_Piece], shift: int) -> Show:
    text = "".join(piece.text for piece in mask)
    if any(piece.kind == "exponent" for piece in mask):
        return _scientific(text)
    if "/" in text:
        return _fraction(text)
    whole, _, decimals = text.partition(".")
    least = sum(character == "0" for character in decimals)
    most = min(sum(character in "0#?" for character in decimals), _MAX_DIGITS)
    grouped = "," in whole
    digits = sum(character in "0#?" for character in whole)
    literals = [piece for piece in mask if piece.kind == "literal" or piece.text in "-()/ :"]
    zeros = min(sum(character == "0" for character in whole), _MAX_DIGITS)

    def show(value: float) -> str:
        number = _rounded(value, shift, most)
        shown, _, part = f"{number:f}".partition(".")
        part = part.ljust(most, "0")
        while len(part) > least and part.endswith("0"):
            part = part[:-1]
        shown = shown.lstrip("0").rjust(zeros, "0")
        if literals and digits > 1:
            return _spread(whole, shown) + (f".{part}" if part else "")
        if grouped:
            shown = f"{int(shown or 0):,}".rjust(zeros, "0") if shown else ""
        return shown + (f".{part}" if part else "") or "0"

    return show


def _rounded(value: float, shift: int, decimals: int) -> Decimal:
    """Half away from zero, of the decimal number that a person sees, as Excel does."""
    try:
        return Decimal(repr(value)).scaleb(shift).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    except InvalidOperation:  # more digits than decimal keeps
        return Decimal(repr(value)).scaleb(shift)


def _spread(mask: str, digits: str) -> str:
    """Digits put into a mask with other characters between them, from the right: `000-0000`."""
    shown: list[str] = []
    left = list(digits)
    for character in reversed(mask):
        if character not in "0#?":
            shown.append(character)
        elif left:
            shown.append(left.pop())
    return "".join(left) + "".join(reversed(shown))


def _scientific(text: str) -> Show:
    decimals = len(re.findall("[0#?]", re.split("(?i)e", text)[0].partition(".")[2]))
    width = len(re.findall("[0#?]", re.split("(?i)e", text)[1]))
    sign = "+" if "+" in text else ""

    def show(value: float) -> str:
        mantissa, _, power = f"{value:.{decimals}e}".partition("e")
        return f"{mantissa}E{'-' if int(power) < 0 else sign}{abs(int(power)):0{width}d}"

    return show


def _fraction(text: str) -> Show:
    mixed, _, below = text.partition("/")
    fixed = re.match(r"\d+", below.strip("?# ")) if "0" not in below else None
    limit = int(fixed[0]) if fixed else 10 ** min(max(1, len(re.findall("[?#0]", below))), 6) - 1

    def show(value: float) -> str:
        exact = Fraction(repr(value))
        near = Fraction(round(exact * limit), limit) if fixed else exact.limit_denominator(limit)
        whole, rest = (
            (near.numerator // near.denominator, near % 1) if re.search(r"[#?0]\s+[#?0]", mixed) else (0, near)
        )
        return " ".join(
            [*([str(whole)] if whole or not rest else []), *([f"{rest.numerator}/{rest.denominator}"] if rest else [])]
        )

    return show


# ── dates and times ──────────────────────────────────────────────────────────────────────────────


def _dates(pieces: list[_Piece], *, from_1904: bool) -> Show:
    pieces = _with_minutes(pieces)
    half_days = any(piece.kind == "ampm" for piece in pieces)
    most = max((len(piece.text) - 1 for piece in pieces if piece.kind == "fraction"), default=0)

    def show(value: float) -> str:
        moment = _moment(value, decimals=min(most, 6), from_1904=from_1904)
        if moment is None:
            return general(value)
        shown = "".join(_part(piece, value, moment, half_days=half_days) for piece in pieces)
        return shown.strip()

    return show


def _with_minutes(pieces: Sequence[_Piece]) -> list[_Piece]:
    """`m` means minutes after hours and before seconds, months otherwise."""
    times = [i for i, piece in enumerate(pieces) if piece.kind in {"date", "elapsed"}]
    found = list(pieces)
    for place, i in enumerate(times):
        piece = pieces[i]
        if piece.kind == "date" and piece.text[0] in "mM" and len(piece.text) <= 2:  # noqa: PLR2004 - mmm is a name
            previous = pieces[times[place - 1]].text[0].lower() if place else ""
            following = pieces[times[place + 1]].text[0].lower() if place + 1 < len(times) else ""
            if previous == "h" or following == "s":
                found[i] = _Piece("minutes", piece.text)
    return found


def _moment(value: float, *, decimals: int, from_1904: bool) -> datetime | None:
    days = value + 1 if not from_1904 and 0 < value < _LEAP_BUG else value
    step = 10**-decimals
    seconds = round(days * 86_400 / step) * step
    try:
        return (_EPOCH_1904 if from_1904 else _EPOCH) + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _part(piece: _Piece, value: float, moment: datetime, *, half_days: bool) -> str:
    text = piece.text.lower()
    match piece.kind:
        case "date":
            shown = _date_part(text, moment, half_days=half_days)
        case "minutes":
            shown = f"{moment.minute:0{len(text)}d}"
        case "elapsed":
            unit = {"h": 24, "m": 1440, "s": 86_400}[text[0]]
            shown = f"{int(round(value * 86_400) * unit // 86_400):0{len(text)}d}"
        case "ampm":
            shown = piece.text.split("/")[moment.hour >= 12]  # noqa: PLR2004 - noon
        case "fraction":
            shown = "." + f"{moment.microsecond:06d}"[: len(text) - 1]
        case _:
            shown = "" if piece.kind == "condition" or text == "@" else piece.text
    return shown


def _date_part(text: str, moment: datetime, *, half_days: bool) -> str:
    length = len(text)
    match text[0]:
        case "y" | "e":
            return str(moment.year) if length > 2 or text[0] == "e" else f"{moment.year % 100:02d}"  # noqa: PLR2004
        case "m":
            name = _MONTHS[moment.month - 1]
            return {1: str(moment.month), 2: f"{moment.month:02d}", 3: name[:3], 5: name[0]}.get(length, name)
        case "d":
            name = _DAYS[moment.weekday()]
            return {1: str(moment.day), 2: f"{moment.day:02d}", 3: name[:3]}.get(length, name)
        case "h":
            hour = (moment.hour % 12 or 12) if half_days else moment.hour
            return f"{hour:0{min(length, 2)}d}"
        case "s":
            return f"{moment.second:0{min(length, 2)}d}"
        case _:
            return ""
