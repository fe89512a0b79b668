"""Rows of figures as text for a terminal, however narrow it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]
Rows = Sequence[Row]
# More of them are shown as lines, where that fits.
FEW_ROWS = 8
# Figures that are kept together in a row: the ending of their names is the unit.
TOGETHER = {"stages": "s", "stages_ms": "ms"}
# Wider than any table.
UNBOUNDED = 100_000


def print_rows(rows: Rows, console: Console | None = None) -> None:
    """As one table if it fits; else as several, each of which has the keys down and some of the rows across.

    Curves, lists and reasons are for pictures and `--json`, and left out.
    """
    console = console or Console()
    shown = [_flat(row) for row in rows]
    keys = list(dict.fromkeys(key for row in shown for key in row))
    if len(shown) >= FEW_ROWS and _fits(console, table := _across(shown, keys)):
        console.print(table)
        return
    for number, group in enumerate(_groups(console, shown, keys)):
        if number:
            console.print()
        console.print(_down(group, keys))


def _groups(console: Console, rows: Rows, keys: Sequence[str]) -> list[list[Row]]:
    """As many rows as fit beside each other, and at least one."""
    groups: list[list[Row]] = []
    for row in rows:
        if groups and _fits(console, _down([*groups[-1], row], keys)):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _fits(console: Console, table: Table) -> bool:
    unbounded = console.options.update_width(UNBOUNDED)
    return Measurement.get(console, unbounded, table).maximum <= console.width


def _across(rows: Rows, keys: Sequence[str]) -> Table:
    table = Table(box=None)
    for key in keys:
        table.add_column(Text(key), justify="left" if key == keys[0] else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in keys))
    return table


def _down(rows: Rows, keys: Sequence[str]) -> Table:
    table = Table(box=None)
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_column(_cell(row.get(keys[0])), justify="right", overflow="fold")
    for key in keys[1:]:
        if any(key in row for row in rows):
            table.add_row(Text(key), *(_cell(row.get(key)) for row in rows))
    return table


def _flat(row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key in TOGETHER and isinstance(value, dict):
            flat |= {f"{name} ({TOGETHER[key]})": each for name, each in value.items()}
        elif not isinstance(value, list | dict):
            flat[key] = value
    return flat


def _cell(value: object) -> Text:
    """Text that stays text: a name may hold what Rich reads as markup."""
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text("–" if value is None else str(value))
