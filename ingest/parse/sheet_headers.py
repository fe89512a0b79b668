"""Which rows of a table name its columns, and where in a sheet another table begins. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ingest.parse.sheet_rows import BOLD, DATE, NUMBER, TEXT, Layout, Row, column_name
from ingest.parse.text import one_line

_LONGEST_NAME = 200
_HEADER_ROWS = 4
_LOOKED_AT = 20
"""Rows below a possible header that are compared with it."""
_REMEMBERED = 200
"""Rows of the table above that are compared with what may be the names of another."""
_GAP = 2
"""A row this far below the last one has one empty row before it."""
_LONGER = 4
"""Times the length of its names that the texts of a table have on average, where that tells them apart."""
_FEW, _TIMES = 6, 3
"""Rows, at least, of which a column with few values can be told, and how often each stands there on average."""
_WORD, _DIGIT = re.compile(r"[^\W\d_]+"), re.compile(r"\d")
# Of English, German, French and Spanish tables.
_USUAL = frozenset(
    """
    address category city code comment country customer date department description email employee id item language
    location manager name note number office order owner phone place position price product project question region
    remark responsible role room state status street subject supplier task team title topic type unit value
    abteilung adresse anmerkung anzahl art aufgabe bemerkung beschreibung datum firma funktion kategorie kommentar kunde
    land lieferant nachname nummer ort position preis produkt projekt raum region rolle sprache stadt standort straße
    telefon thema titel vorname wert zuständig
    adresse catégorie client commentaire nom numéro pays poste prénom prix produit projet statut téléphone ville
    cargo categoría ciudad cliente código descripción dirección estado fecha nombre número país precio producto proyecto
    teléfono título
    """.split()
)
_YEAR = re.compile(r"(?:1[89]|20|21)\d\d")


@dataclass(frozen=True, slots=True)
class Above:
    """The table above in the same sheet, under whose names rows below an empty one may go on."""

    names: Mapping[int, str] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    """The last of them."""

    def then(self, names: Mapping[int, str], rows: Sequence[Row]) -> Above:
        """With the rows that follow; others' are forgotten where the names are others."""
        kept = self.rows if names == self.names else ()
        return Above(names, (*kept, *rows)[-_REMEMBERED:])


def find_header(
    rows: Sequence[Row], columns: Sequence[int], above: Above, layout: Layout, *, is_titled: bool = False
) -> tuple[Mapping[int, str], int]:
    """The names of the columns and how many rows they take; 0 if the rows go on under the table above or have none."""
    below = rows[1 : _LOOKED_AT + 1]
    if rows[0].number not in layout.header_rows:
        is_header = _looks_like_header(rows[0], below, len(columns))
        if above.names and set(columns) <= set(above.names):
            if below and _named(rows[0]) == {c: n for c, n in above.names.items() if c in rows[0].columns}:
                return above.names, 1
            is_other = bool(below) and _stands_out(rows[0], below)
            if not is_other and not (is_header and _names_another(rows[0], below, columns, above, is_titled=is_titled)):
                return above.names, 0
        if not is_header:
            return {column: column_name(column) for column in columns}, 0
    height = _height(rows, layout)
    return _names(rows[:height], layout), height


def _names_another(row: Row, below: Sequence[Row], columns: Sequence[int], above: Above, *, is_titled: bool) -> bool:
    """Whether a row that may name columns begins another table of texts, rather than going on in the one above."""
    if row.columns != tuple(columns) or any(kind & ~BOLD != TEXT for kind in row.kinds):
        return False
    names = _values([row])
    known, following = _values(above.rows), _values(below)
    if any(names[column] & (known.get(column, set()) | following.get(column, set())) for column in columns):
        return False  # what stands in a column more than once is no name of it
    return (
        is_titled
        or any(above.names[column].casefold() in names[column] for column in columns)
        or (bool(above.rows) and row.number - above.rows[-1].number > _GAP)
        or columns[0] > min(above.names)
        or _is_usual(row)
        or _is_unlike(row, below, following)
    )


def _values(rows: Sequence[Row]) -> dict[int, set[str]]:
    """What stands in each column."""
    found: dict[int, set[str]] = {}
    for row in rows:
        for column, text in zip(row.columns, row.texts, strict=True):
            found.setdefault(column, set()).add(one_line(text).casefold())
    return found


def _is_usual(row: Row) -> bool:
    """Whether half of its cells, and two at least, hold a word that columns are called everywhere."""
    usual = sum(bool(_USUAL & set(_WORD.findall(text.casefold()))) for text in row.texts)
    return usual >= max(2, len(row.texts) / 2)


def _is_unlike(row: Row, below: Sequence[Row], following: Mapping[int, set[str]]) -> bool:
    """Names have no numbers in them, are short, and are not among the few values of a column."""
    if len(below) < 2:  # noqa: PLR2004 - one row is no pattern
        return False
    cells = [text for other in below for text in other.texts]
    if sum(map(len, cells)) * len(row.texts) > _LONGER * sum(map(len, row.texts)) * len(cells):
        return True
    for column, text in zip(row.columns, row.texts, strict=True):
        values = following.get(column, set())
        has_numbers = values and all(_DIGIT.search(value) for value in values) and not _DIGIT.search(text)
        if has_numbers or (len(below) >= _FEW and len(values) * _TIMES <= len(below)):
            return True
    return False


def _looks_like_header(row: Row, below: Sequence[Row], width: int) -> bool:
    """Distinct short texts over most columns; years and dates too, where those below are something else."""
    if not below or len(row.columns) < max(min(width, 2), width // 2):
        return False
    names = [text.casefold() for text in row.texts]
    if len(set(names)) < len(names) or max(map(len, names)) > _LONGEST_NAME:
        return False
    keys = [other.texts[0] for other in (row, *below) if other.texts]
    if width <= 2 and sum(key.rstrip().endswith(":") for key in keys) * 2 > len(keys):  # noqa: PLR2004 - names and values
        return False
    kinds = [kind & ~BOLD for kind in row.kinds]
    if TEXT not in kinds:
        return False
    return all(
        kind == TEXT or ((kind == DATE or _YEAR.fullmatch(text)) and not _is_like(column, kind, text, below))
        for column, text, kind in zip(row.columns, row.texts, kinds, strict=True)
    )


def _is_like(column: int, kind: int, text: str, below: Sequence[Row]) -> bool:
    """Whether most cells below hold the same kind of thing."""
    cells = [(each, row.kinds[i] & ~BOLD) for row in below for i, each in enumerate(row.columns) if each == column]
    texts = [row.texts[i] for row in below for i, each in enumerate(row.columns) if each == column]
    if kind == NUMBER and _YEAR.fullmatch(text):
        return sum(bool(_YEAR.fullmatch(other)) for other in texts) * 2 > len(texts)
    return sum(other == kind for _, other in cells) * 2 > len(cells)


def _stands_out(row: Row, below: Sequence[Row]) -> bool:
    """A header in the middle of a sheet: bold over what is not, or texts over numbers."""
    if all(kind & BOLD for kind in row.kinds) and not all(kind & BOLD for kind in below[0].kinds):
        return True
    if any(kind & ~BOLD != TEXT for kind in row.kinds):
        return False
    return any(
        kind & ~BOLD == NUMBER and column in row.columns
        for other in below
        for column, kind in zip(other.columns, other.kinds, strict=True)
    )


def _height(rows: Sequence[Row], layout: Layout) -> int:
    """Two rows and more where the upper one groups columns by merged cells."""
    height = 1
    while (
        height < min(_HEADER_ROWS, len(rows) - 1)
        and any((rows[height - 1].number, column) in layout.spans for column in rows[height - 1].columns)
        and all(
            kind & ~BOLD == TEXT or _YEAR.fullmatch(text)
            for text, kind in zip(rows[height].texts, rows[height].kinds, strict=True)
        )
    ):
        height += 1
    return height


def _names(rows: Sequence[Row], layout: Layout) -> Mapping[int, str]:
    names: dict[int, list[str]] = {}
    for row in rows:
        for column, text in zip(row.columns, row.texts, strict=True):
            last = layout.spans.get((row.number, column), column) if len(rows) > 1 else column
            for each in range(column, min(last, column + 100) + 1):
                parts = names.setdefault(each, [])
                if text not in parts:
                    parts.append(text)
    return {column: one_line(" / ".join(parts)) for column, parts in names.items()}


def _named(row: Row) -> dict[int, str]:
    return {column: one_line(text) for column, text in zip(row.columns, row.texts, strict=True)}
