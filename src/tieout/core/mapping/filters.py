"""
The filters: all that an expression can do beside arithmetic, comparison and choice.

Every filter leaves null as it is, except `default`. Arguments are written out (`cut(50)`), so
that they are checked once, when the expression is read. `default` and `lookup` need more than
a value; the evaluator has them, and here stands only how they are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Literal, TypeAlias, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tieout.core.mapping.errors import MappingError
from tieout.core.mapping.expr import Operand, Value, type_word

Kind: TypeAlias = Literal["any", "text", "number", "truth", "date", "moment", "list"]
Apply: TypeAlias = Callable[[Any], Operand]

EXACT = Context(
    prec=28,
    rounding=ROUND_HALF_UP,
    Emin=-999,
    Emax=999,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)
"""
How numbers are worked out, whatever the thread's own decimal context says.

A sum, difference or product is exact up to 28 digits. A quotient that does not end is rounded
to 28 digits, half away from zero. `//` cuts towards zero and `%` has the dividend's sign, so
that a credit note gives the invoice's figures with the sign turned.
"""

TEXT_MAX = 100_000
"""Characters a text may have after a filter or `~`: a mapping is no way to fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSpec:
    """How a filter is written, what it takes and gives; `make` turns its arguments into it."""

    name: str
    takes: Kind
    gives: Kind
    args: tuple[Kind, ...] = ()
    optional: int = 0
    help: str
    make: Callable[..., Apply] | None = None


def to_text(value: Value) -> str:
    """A value as people write it: no exponent, ISO dates, `true` and `false`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        if value and abs(value.adjusted()) > EXACT.Emax:
            raise MappingError("a number with more than 999 digits has no text")
        return format(value, "f")
    if value is None:
        raise MappingError("null has no text; say what it is with | default('', true)")
    return value.isoformat()


def limited(text: str) -> str:
    """The text, unless it is longer than a mapping may make it."""
    if len(text) > TEXT_MAX:
        raise MappingError(f"the text is longer than {TEXT_MAX:,} characters")
    return text


def cut_at_word(text: str, length: int) -> str:
    """
    At most `length` characters of the text, ending at a word if there is a blank to end at.

    "Nordljus Konsult AB" cut at 18 is "Nordljus Konsult"; a single long word is cut anywhere.
    """
    if len(text) <= length:
        return text
    head = text[: length + 1]
    words = re.match(r"(?s)(.*\S)\s", head)
    return words.group(1) if words else text[:length]


def _whole(value: Value, low: int, high: int, what: str) -> int:
    if isinstance(value, Decimal) and value == value.to_integral_value() and low <= value <= high:
        return int(value)
    raise MappingError(f"{what} is a whole number from {low} to {high}")


def _make_round(places: Value = Decimal(0)) -> Apply:
    count = _whole(places, 0, 12, "the number of decimals")
    step = Decimal(1).scaleb(-count)
    return lambda number: number.quantize(step, context=EXACT)


def _make_cut(length: Value) -> Apply:
    limit = _whole(length, 1, TEXT_MAX, "the length")
    return lambda text: cut_at_word(text, limit)


def _make_left(length: Value) -> Apply:
    limit = _whole(length, 0, TEXT_MAX, "the length")
    return lambda text: text[:limit]


def _make_pad(length: Value, filler: str = "0") -> Apply:
    width = _whole(length, 0, 255, "the length")
    if len(filler) != 1:
        raise MappingError("pad fills with one character")
    return lambda text: text.rjust(width, filler)


def _make_replace(old: str, new: str) -> Apply:
    if not old:
        raise MappingError("replace needs something to look for")

    def replace(text: str) -> str:
        grown = len(text) + text.count(old) * (len(new) - len(old))
        if grown > TEXT_MAX:
            raise MappingError(f"the text is longer than {TEXT_MAX:,} characters")
        return text.replace(old, new)

    return replace


def _make_date(zone: str | None = None) -> Apply:
    try:
        there = ZoneInfo(zone) if zone is not None else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MappingError(f'"{zone}" is not a time zone; one is "Europe/Stockholm"') from None
    return lambda value: _to_date(value, there)


def _to_date(value: Operand, zone: ZoneInfo | None) -> date:
    if isinstance(value, datetime):
        return value.astimezone(zone).date() if zone and value.tzinfo else value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        text = value.strip()
        try:
            if len(text) == 10:
                return date.fromisoformat(text)
            return _to_date(datetime.fromisoformat(text), zone)
        except ValueError:
            raise MappingError("the text is not a date; one is 2026-10-31") from None
    raise MappingError(f"date needs a date or a text, not {type_word(value)}")


def _make_add_days(days: Value) -> Apply:
    step = timedelta(days=_whole(days, -36_500, 36_500, "the number of days"))

    def add_days(value: date) -> date:
        try:
            return value + step
        except OverflowError:
            raise MappingError("the date would be outside the calendar") from None

    return add_days


_DATE_PARTS = re.compile("YYYY|YY|MM|DD")


def _make_date_format(pattern: str) -> Apply:
    if not _DATE_PARTS.search(pattern):
        raise MappingError("a date's form is written with YYYY, YY, MM and DD")

    def date_format(value: date) -> str:
        parts = {
            "YYYY": f"{value.year:04}",
            "YY": f"{value.year % 100:02}",
            "MM": f"{value.month:02}",
            "DD": f"{value.day:02}",
        }
        return _DATE_PARTS.sub(lambda found: parts[found.group()], pattern)

    return date_format


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")


def _number(value: Operand) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) and value.isascii() and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    if isinstance(value, str):
        raise MappingError("the text is not a number; one is 1250.00")
    raise MappingError(f"number needs a number or a text, not {type_word(value)}")


def _text(value: Operand) -> str:
    if isinstance(value, tuple):
        raise MappingError("a list has no text; | join(', ') makes one")
    return to_text(value)


def _sum(items: tuple[Value, ...]) -> Decimal:
    total = Decimal(0)
    for item in _all_numbers(items, "sum"):
        total = EXACT.add(total, item)
    return total


def _all_numbers(items: tuple[Value, ...], name: str) -> tuple[Decimal, ...]:
    for item in items:
        if not isinstance(item, Decimal):
            raise MappingError(f"{name} needs numbers, and one of them is {type_word(item)}")
    return cast("tuple[Decimal, ...]", items)


def _extreme(name: str, pick: Callable[[tuple[Decimal, ...]], Decimal]) -> Apply:
    def find(items: tuple[Value, ...]) -> Value:
        return pick(_all_numbers(items, name)) if items else None

    return find


def _make_join(between: str) -> Apply:
    return lambda items: limited(between.join(to_text(item) for item in items))


def _plain(function: Apply) -> Callable[[], Apply]:
    return lambda: function


_TABLE = (
    FilterSpec(
        name="default",
        takes="any",
        gives="any",
        args=("any", "truth"),
        optional=1,
        help="The argument where the field is missing; with true also where it is null or ''.",
    ),
    FilterSpec(
        name="lookup",
        takes="any",
        gives="text",
        args=("text",),
        help="The other side's word for the value, from the table of this name.",
    ),
    FilterSpec(
        name="upper",
        takes="text",
        gives="text",
        help="Capital letters.",
        make=_plain(lambda text: limited(text.upper())),
    ),
    FilterSpec(
        name="lower",
        takes="text",
        gives="text",
        help="Small letters.",
        make=_plain(lambda text: limited(text.lower())),
    ),
    FilterSpec(
        name="trim",
        takes="text",
        gives="text",
        help="Without blanks at both ends.",
        make=_plain(lambda text: text.strip()),
    ),
    FilterSpec(
        name="squeeze",
        takes="text",
        gives="text",
        help="On one line: trimmed, and each run of blanks or line breaks made one blank.",
        make=_plain(lambda text: " ".join(text.split())),
    ),
    FilterSpec(
        name="replace",
        takes="text",
        gives="text",
        args=("text", "text"),
        help="Every occurrence of the first text replaced by the second.",
        make=_make_replace,
    ),
    FilterSpec(
        name="cut",
        takes="text",
        gives="text",
        args=("number",),
        help="At most so many characters, ending at a word.",
        make=_make_cut,
    ),
    FilterSpec(
        name="left",
        takes="text",
        gives="text",
        args=("number",),
        help="The first so many characters.",
        make=_make_left,
    ),
    FilterSpec(
        name="pad",
        takes="text",
        gives="text",
        args=("number", "text"),
        optional=1,
        help="Filled from the left to a length, with zeros or the character named.",
        make=_make_pad,
    ),
    FilterSpec(
        name="digits",
        takes="text",
        gives="text",
        help="Only the digits 0 to 9.",
        make=_plain(lambda text: re.sub("[^0-9]", "", text)),
    ),
    FilterSpec(
        name="starts_with",
        takes="text",
        gives="truth",
        args=("text",),
        help="Whether the text begins so.",
        make=lambda start: lambda text: text.startswith(start),
    ),
    FilterSpec(
        name="ends_with",
        takes="text",
        gives="truth",
        args=("text",),
        help="Whether the text ends so.",
        make=lambda end: lambda text: text.endswith(end),
    ),
    FilterSpec(
        name="text",
        takes="any",
        gives="text",
        help="The value as text: numbers without exponent, dates as 2026-10-31.",
        make=_plain(_text),
    ),
    FilterSpec(
        name="number",
        takes="any",
        gives="number",
        help="The text as number: 1250.00, with a point and no spaces between digits.",
        make=_plain(_number),
    ),
    FilterSpec(
        name="round",
        takes="number",
        gives="number",
        args=("number",),
        optional=1,
        help="So many decimals (none if not said), half away from zero.",
        make=_make_round,
    ),
    FilterSpec(
        name="abs",
        takes="number",
        gives="number",
        help="Without its sign.",
        make=_plain(lambda number: number.copy_abs()),
    ),
    FilterSpec(
        name="date",
        takes="any",
        gives="date",
        args=("text",),
        optional=1,
        help="The calendar day of a text or time; of a time in the zone named, else as written.",
        make=_make_date,
    ),
    FilterSpec(
        name="date_format",
        takes="moment",
        gives="text",
        args=("text",),
        help="A date in a form such as 'YYYY-MM' or 'DD.MM.YY'.",
        make=_make_date_format,
    ),
    FilterSpec(
        name="add_days",
        takes="moment",
        gives="moment",
        args=("number",),
        help="So many days later, or earlier if negative.",
        make=_make_add_days,
    ),
    FilterSpec(
        name="count",
        takes="list",
        gives="number",
        help="How many there are.",
        make=_plain(lambda items: Decimal(len(items))),
    ),
    FilterSpec(
        name="first",
        takes="list",
        gives="any",
        help="The first of a list, null if it is empty.",
        make=_plain(lambda items: items[0] if items else None),
    ),
    FilterSpec(
        name="last",
        takes="list",
        gives="any",
        help="The last of a list, null if it is empty.",
        make=_plain(lambda items: items[-1] if items else None),
    ),
    FilterSpec(
        name="join",
        takes="list",
        gives="text",
        args=("text",),
        help="The values of a list as one text, with the argument between them.",
        make=_make_join,
    ),
    FilterSpec(
        name="sum",
        takes="list",
        gives="number",
        help="The sum of a list of numbers, 0 if it is empty.",
        make=_plain(_sum),
    ),
    FilterSpec(
        name="min",
        takes="list",
        gives="number",
        help="The least of a list of numbers, null if it is empty.",
        make=_plain(_extreme("min", min)),
    ),
    FilterSpec(
        name="max",
        takes="list",
        gives="number",
        help="The greatest of a list of numbers, null if it is empty.",
        make=_plain(_extreme("max", max)),
    ),
)

FILTERS: dict[str, FilterSpec] = {spec.name: spec for spec in _TABLE}
"""Every filter by its name. The reference page and the parser read this table."""

_CLASSES: dict[Kind, frozenset[type]] = {
    "text": frozenset({str}),
    "number": frozenset({Decimal}),
    "truth": frozenset({bool}),
    "date": frozenset({date}),
    "moment": frozenset({date, datetime}),
    "list": frozenset({tuple}),
    "any": frozenset({str, Decimal, bool, date, datetime, tuple}),
}

KIND_WORDS: dict[Kind, str] = {
    "any": "a value",
    "text": "text",
    "number": "a number",
    "truth": "true or false",
    "date": "a date",
    "moment": "a date or time",
    "list": "a list",
}


def classes(kind: Kind) -> frozenset[type]:
    """The classes of the values of this kind; null belongs to none."""
    return _CLASSES[kind]


def build_filter(name: str, args: tuple[Value, ...]) -> Apply:
    """
    The filter as a function of a value that is not null and of the kind that it takes.

    Raises MappingError if there is no such filter or the arguments do not fit it.
    """
    spec = FILTERS.get(name)
    if spec is None or spec.make is None:
        raise MappingError(f'there is no filter "{name}"')
    if not len(spec.args) - spec.optional <= len(args) <= len(spec.args):
        raise MappingError(f"{name} takes {_count_words(spec)}, not {len(args)}")
    for kind, arg in zip(spec.args, args, strict=False):
        if type(arg) not in _CLASSES[kind]:
            raise MappingError(f"{name} takes {KIND_WORDS[kind]} here, not {type_word(arg)}")
    return spec.make(*args)


def _count_words(spec: FilterSpec) -> str:
    most = len(spec.args)
    if most == 0:
        return "no argument"
    least = most - spec.optional
    counts = f"{most}" if least == most else f"{least} or {most}"
    return f"{counts} argument{'s' if most > 1 else ''}"
