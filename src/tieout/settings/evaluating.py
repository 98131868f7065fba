"""Functions around the functions that expressions compile to: rules, look-ups, forms of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from tieout.core.mapping import MappingError, UnmappedValueError, ValueTable, to_text
from tieout.core.mapping.expr import type_word
from tieout.core.model import PartyKind
from tieout.core.policy import Scope
from tieout.settings.bridge_names import DAY, NUMBER, PARTY, PLAIN, TEXT
from tieout.settings.bridge_written import Written

Evaluate = Callable[[Scope], object]


def strict(written: Written, run: Evaluate) -> Evaluate:
    """A rule that is neither true nor false would else count as false without a word."""

    def test(scope: Scope) -> object:
        answer = run(scope)
        if type(answer) is not bool:
            raise MappingError(
                f"{written.text} is {type_word(answer)}, neither true nor false", _paths(written)
            )
        return answer

    return test


def looked_up(value: Evaluate, table: ValueTable, *, keep: bool) -> Evaluate:
    """The table's word for a value. Nothing stays nothing; ``keep``: unknown words stay too."""

    def run(scope: Scope) -> object:
        found = value(scope)
        if found is None or found == "":
            return None
        text = _as_text(found)
        word = table.get(text)
        if word is None and not keep:
            raise UnmappedValueError(table.name, text, where=table.where)
        return text if word is None else word

    return run


def fitting(written: Written, kind: str, run: Evaluate) -> Evaluate:
    """The value in the form of its target, or a MappingError that says what it is instead."""
    make = _FORMS[kind]

    def value(scope: Scope) -> object:
        found = run(scope)
        if found is None or (found == "" and kind != TEXT):
            return None
        try:
            return make(found)
        except _UnfitError as error:
            message = f"{written.text} gives {type_word(found)}, and {error} belongs here"
            raise MappingError(message, _paths(written)) from None

    return value


class _UnfitError(Exception):
    """What belongs here instead."""


def _as_text(value: Any) -> str:
    return to_text(value)


def _as_number(value: object) -> object:
    if type(value) is not Decimal:
        raise _UnfitError("a number")
    return value


def _as_day(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise _UnfitError("a date such as 2026-10-31") from None


def _as_party(value: object) -> object:
    try:
        return PartyKind(str(value))
    except ValueError:
        raise _UnfitError("company, person or unknown") from None


def _as_plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str | bool | int | Decimal):
        raise _UnfitError("a single value")
    return value


_FORMS: Final[Mapping[str, Callable[[Any], object]]] = {
    TEXT: _as_text,
    NUMBER: _as_number,
    DAY: _as_day,
    PARTY: _as_party,
    PLAIN: _as_plain,
}


def _paths(written: Written) -> tuple[str, ...]:
    return tuple(sorted({".".join(path) for path, _ in written.fields}))
