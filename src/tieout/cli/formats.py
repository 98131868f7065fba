"""How money, times and rows are written: by installation, never by the machine's own locale."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

from tieout.cells import cells, cut, left, right
from tieout.core.days import day_in_year, day_words

# Marks that move what a person reads: controls of a terminal, ends of lines, turns of direction.
_ENDS_OF_LINES = "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_TURNS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_UNSEEN = dict.fromkeys([*_CONTROLS, *_TURNS], "\ufffd") | dict.fromkeys(
    map(ord, _ENDS_OF_LINES), " "
)
_IN_JSON = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_TURNS, 0x2028, 0x2029)}


def one_line(text: str) -> str:
    """
    Text of others as part of one line: a name can neither steer a terminal, nor begin a line of
    its own, nor turn the direction of what stands beside it. As long as before.
    """
    return text if text.isprintable() else text.translate(_UNSEEN)


def json_line(text: str) -> str:
    """JSON without a mark that steers a terminal; who reads it as JSON reads the same."""
    return text if text.isprintable() else text.translate(_IN_JSON)


def amount(value: Decimal, places: int = 2) -> str:
    """`1,024,390.01`; the scale is kept where it is finer than ``places``."""
    scale = max(places, -int(value.as_tuple().exponent))
    return f"{value:,.{scale}f}"


def money(value: Decimal | None, currency: str) -> dict[str, str] | None:
    """Money in the JSON output: text with its scale, and the currency."""
    if value is None:
        return None
    return {"amount": format(value, "f"), "currency": currency}


def count(number: int, one: str, many: str = "") -> str:
    """`1 deal`, `7 deals`, `1,204 deals`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def day(value: date) -> str:
    """`5 Nov 2026`."""
    return day_words(value)


def moment(value: datetime, zone: tzinfo) -> str:
    """`5 Nov 2026, 09:02` in that zone."""
    here = value.astimezone(zone)
    return f"{day(here.date())}, {here:%H:%M}"


def recent(value: datetime, now: datetime, zone: tzinfo) -> str:
    """`08:04` for today, else `4 Nov 17:31`, with the year where it is another one."""
    here, today = value.astimezone(zone), now.astimezone(zone)
    if here.date() == today.date():
        return f"{here:%H:%M}"
    if here.year == today.year:
        return f"{day_in_year(here)} {here:%H:%M}"
    return moment(value, zone)


def age(span: timedelta, *, short: bool = False) -> str:
    """`5 days`, `3 hours`, `12 minutes`; short: `5 d`, `3 h`, `12 min`."""
    seconds = max(0, int(span.total_seconds()))
    for size, one, abbreviation in (
        (86_400, "day", "d"),
        (3_600, "hour", "h"),
        (60, "minute", "min"),
    ):
        if seconds >= size:
            number = seconds // size
            return f"{number} {abbreviation}" if short else count(number, one)
    return f"{seconds} s"


def utc(value: datetime) -> str:
    """`2026-11-05T07:11:44Z`."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass(frozen=True, slots=True)
class Verbatim:
    """JSON of somebody else's form, such as a schema, that goes into the output as it is."""

    value: Any


def plain(value: object) -> Any:
    """A value as JSON can hold it: money as text with its scale, times in UTC, records as maps."""
    match value:
        case None | bool() | int():
            return value
        case Verbatim():
            return value.value
        case Enum():
            return plain(value.value)
        case str():
            return value
        case Decimal():
            return format(value, "f")
        case datetime():
            return utc(value)
        case date():
            return value.isoformat()
        case PurePath():
            return str(value)
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case set() | frozenset():
            return sorted(plain(inner) for inner in value)
        case Sequence():
            return [plain(inner) for inner in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)
        }
    raise TypeError(f"a {type(value).__name__} cannot be shown as JSON")


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """
    A column of a table. ``rank`` 0 never leaves; of the others the highest leaves first where the
    screen is too narrow. Ids and amounts have rank 0. Names may be cut before a column leaves:
    to ``least`` columns of the screen, where that is not 0.
    """

    title: str = ""
    right: bool = False
    rank: int = 0
    least: int = 0


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None
) -> list[str]:
    """
    Rows in aligned columns, with a heading where any column has a title. ``width`` None: nothing
    is left out. Under 60 columns each field has a line of its own.
    """
    if not rows:
        return []
    if width is not None and width < 60:
        return _fields(columns, rows)
    heading = [column.title for column in columns]
    shown = [heading, *rows] if any(heading) else list(rows)
    sizes = {index: max(cells(row[index]) for row in shown) for index in range(len(columns))}
    if width is not None:
        sizes = _fitted(columns, sizes, width)
    return [_line(columns, row, sizes) for row in shown]


def _fitted(columns: Sequence[Column], sizes: Mapping[int, int], width: int) -> dict[int, int]:
    """The columns that stay, and how wide each is: names are cut first, then columns leave."""
    kept = dict(sizes)
    least = {i: min(size, columns[i].least or size) for i, size in sizes.items()}
    while sum(least[i] + 2 for i in kept) - 2 > width:
        leaving = max(kept, key=lambda index: (columns[index].rank, index))
        if columns[leaving].rank == 0:
            break
        del kept[leaving]
    while sum(size + 2 for size in kept.values()) - 2 > width:
        widest = max((i for i in kept if kept[i] > least[i]), key=lambda i: kept[i], default=None)
        if widest is None:
            break
        kept[widest] -= 1
    return kept


def _line(columns: Sequence[Column], row: Sequence[str], sizes: Mapping[int, int]) -> str:
    shown = [(columns[index], cut(row[index], size), size) for index, size in sizes.items()]
    return "  ".join(
        right(cell, size) if column.right else left(cell, size) for column, cell, size in shown
    ).rstrip()


def _fields(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        if lines:
            lines.append("")
        for column, cell in zip(columns, row, strict=True):
            if cell:
                lines.append(f"{column.title}: {cell}" if column.title else cell)
    return lines
