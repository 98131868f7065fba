"""`$filter`: the grammar, what it means, and which parts of it an index can answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from lark import Lark, Transformer, v_args
from lark.exceptions import LarkError

GRAMMAR = r"""
    ?start: either
    ?either: both ("or" both)*
    ?both: negated ("and" negated)*
    ?negated: "not" negated -> denied
        | "(" either ")"
        | comparison
        | call
        | lambda
    comparison: path OPERATOR literal
    call: FUNCTION "(" path "," literal ")"
    lambda: NAME "/" QUANTIFIER "(" NAME ":" either ")"
    path: NAME ("/" NAME)*
    literal: TEXT -> text
        | GUID -> guid
        | STAMP -> stamp
        | DAY -> day
        | NUMBER -> number
        | BOOLEAN -> boolean
        | NULL -> null
        | path -> other
        | "-" path -> other_negated

    OPERATOR.5: /(eq|ne|gt|ge|lt|le)(?![A-Za-z0-9_])/
    FUNCTION.6: /(contains|startswith|endswith)(?=\s*\()/
    QUANTIFIER.6: /(any|all)(?=\s*\()/
    BOOLEAN.6: /(true|false)(?![A-Za-z0-9_])/
    NULL.6: /null(?![A-Za-z0-9_])/
    TEXT: /'([^']|'')*'/
    GUID.9: /[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}/
    STAMP.8: /\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})?/
    DAY.7: /\d{4}-\d{2}-\d{2}(?![T\d-])/
    NUMBER: /-?\d+(\.\d+)?/
    NAME: /[A-Za-z_][A-Za-z0-9_]*/
    %ignore /\s+/
"""


class FilterSyntaxError(ValueError):
    """The text is no filter."""


class FilterDateError(ValueError):
    """A date in the filter is none."""


class Guid(str):
    """A GUID that stood without quotes."""

    __slots__ = ()


class Stamp(str):
    """An instant that stood without quotes, as the records hold it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Other:
    """Another property of the record, compared as it is or with its sign turned."""

    path: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Compare:
    """`path operator value`; operators as written, and contains, startswith, endswith."""

    path: str
    operator: str
    value: Any

    @property
    def other(self) -> Other | None:
        """The property that stands in place of a value."""
        return self.value if isinstance(self.value, Other) else None


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    part: Node


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Lambda:
    """`Rows/any(c: ...)`; the paths of the part begin with the variable."""

    collection: str
    quantifier: str
    variable: str
    part: Node


Node = Compare | Not | All | Either | Lambda


@v_args(inline=True)
class _Build(Transformer):  # type: ignore[type-arg]
    def either(self, *parts: Node) -> Node:
        return parts[0] if len(parts) == 1 else Either(parts)

    def both(self, *parts: Node) -> Node:
        return parts[0] if len(parts) == 1 else All(parts)

    def denied(self, part: Node) -> Node:
        return Not(part)

    def comparison(self, path: str, operator: str, value: Any) -> Node:
        return Compare(path, str(operator), value)

    def call(self, function: str, path: str, value: Any) -> Node:
        return Compare(path, str(function), value)

    def path(self, *names: str) -> str:
        return "/".join(names)

    def text(self, raw: str) -> str:
        return raw[1:-1].replace("''", "'")

    def guid(self, raw: str) -> Guid:
        return Guid(UUID(raw))

    def stamp(self, raw: str) -> Stamp:
        return Stamp(stamp_literal(raw))

    def day(self, raw: str) -> date:
        try:
            return date.fromisoformat(raw)
        except ValueError as error:
            raise FilterDateError(raw) from error

    def number(self, raw: str) -> Decimal:
        return Decimal(raw)

    def boolean(self, raw: str) -> bool:
        return raw == "true"

    def null(self, _raw: str) -> None:
        return None

    def other(self, path: str) -> Other:
        return Other(path)

    def other_negated(self, path: str) -> Other:
        return Other(path, negated=True)


def _lambda(_self: Any, collection: str, quantifier: str, variable: str, part: Node) -> Node:
    return Lambda(str(collection), str(quantifier), str(variable), part)


setattr(_Build, "lambda", v_args(inline=True)(_lambda))

_PARSER = Lark(GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False)
_BUILD = _Build()


def stamp_literal(raw: str) -> str:
    """A stamp as the records hold it (UTC, seven decimals, Z), so that texts compare as instants;
    FilterDateError where it is none."""
    text = raw.replace(" ", "+")  # a plus that came unencoded
    head, _, tail = text.partition(".")
    digits = ""
    if tail:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        text = head + tail[len(digits) :]
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise FilterDateError(raw) from error
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{digits[:7]:0<7}Z"


@lru_cache(maxsize=512)
def parse(text: str) -> Node:
    """The meaning of a filter; FilterSyntaxError or FilterDateError where it has none."""
    try:
        return _BUILD.transform(_PARSER.parse(text))  # type: ignore[no-any-return]
    except RecursionError:
        raise FilterSyntaxError("The filter is nested too deeply.") from None
    except LarkError as error:
        if isinstance(getattr(error, "orig_exc", None), FilterDateError):
            raise FilterDateError(text) from error
        raise FilterSyntaxError(_syntax_error(error, text)) from error


def _syntax_error(error: LarkError, text: str) -> str:
    """What is wrong and where, in words of the protocol and none of the parser's."""
    place = getattr(error, "column", None)
    if not isinstance(place, int) or getattr(getattr(error, "token", None), "type", "") == "$END":
        return f"Syntax error: unexpected end at position {len(text)} in '{text}'."
    return f"Syntax error at position {place - 1} in '{text}'."


def paths(node: Node) -> Iterator[str]:
    """Every property that a filter looks at; those of a collection as `Rows/Text`."""
    match node:
        case Compare():
            yield node.path
            if node.other is not None:
                yield node.other.path
        case Not():
            yield from paths(node.part)
        case All() | Either():
            for part in node.parts:
                yield from paths(part)
        case Lambda():
            prefix = node.variable + "/"
            for path in paths(node.part):
                yield f"{node.collection}/{path.removeprefix(prefix)}"


def comparisons(node: Node) -> Iterator[Compare]:
    """Every comparison outside of `any` and `all`."""
    match node:
        case Compare():
            yield node
        case Not():
            yield from comparisons(node.part)
        case All() | Either():
            for part in node.parts:
                yield from comparisons(part)


_LITERALS: dict[str, tuple[type, ...]] = {
    "s": (str,),
    "id": (Guid,),
    "i": (Decimal,),
    "n": (Decimal,),
    "b": (bool,),
    "d": (date, Stamp),
    "t": (date, Stamp),
}


def fits(comparison: Compare, kind: str, kind_of: Callable[[str], str]) -> bool:
    """Whether a literal is written as a property of this kind has to be: text in quotes, anything
    else without; text functions on text only. `kind_of` tells the kind of another property."""
    if (other := comparison.other) is not None:
        alike = _LITERALS.get(kind_of(other.path)) == _LITERALS.get(kind)
        return alike and not (other.negated and kind not in ("i", "n"))
    if comparison.value is None:
        return comparison.operator in ("eq", "ne")
    if comparison.operator in ("contains", "startswith", "endswith") and kind != "s":
        return False
    if kind == "s" and isinstance(comparison.value, (Guid, Stamp)):
        return False
    return isinstance(comparison.value, _LITERALS.get(kind, (object,)))


def needed(node: Node) -> tuple[Node, ...]:
    """The parts that must all hold, for an index to start from."""
    return node.parts if isinstance(node, All) else (node,)


Getter = Callable[[dict[str, Any], str], Any]


def test(node: Node, record: dict[str, Any], get: Getter, fold: bool) -> bool:
    """Whether a record meets a filter. `get` gives a property; `fold` ignores case."""
    match node:
        case Compare(other=None):
            return _compare(node, get(record, node.path), fold)
        case Compare():
            value = _value_of(node.value, record, get)
            return _compare(Compare(node.path, node.operator, value), get(record, node.path), fold)
        case Not():
            return not test(node.part, record, get, fold)
        case All():
            return all(test(part, record, get, fold) for part in node.parts)
        case Either():
            return any(test(part, record, get, fold) for part in node.parts)
        case Lambda():
            return _quantified(node, record, get, fold)


def _quantified(node: Lambda, record: dict[str, Any], get: Getter, fold: bool) -> bool:
    prefix = node.variable + "/"

    def inner(row: dict[str, Any], path: str) -> Any:
        return row.get(path.removeprefix(prefix))

    rows = get(record, node.collection) or ()
    results = (test(node.part, row, inner, fold) for row in rows)
    return any(results) if node.quantifier == "any" else all(results)


def _value_of(other: Other, record: dict[str, Any], get: Getter) -> Any:
    value = get(record, other.path)
    return -value if other.negated and isinstance(value, int | Decimal) else value


def _compare(node: Compare, stored: Any, fold: bool) -> bool:
    value = node.value
    if isinstance(stored, str) and isinstance(value, str) and fold:
        stored, value = stored.casefold(), value.casefold()
    if isinstance(stored, date) and isinstance(value, str):
        value = _day_of(value)
    if isinstance(stored, str) and isinstance(value, date):
        value = value.isoformat()
    match node.operator:
        case "eq":
            return bool(stored == value)
        case "ne":
            return bool(stored != value)
        case "contains":
            return isinstance(stored, str) and str(value) in stored
        case "startswith":
            return isinstance(stored, str) and stored.startswith(str(value))
        case "endswith":
            return isinstance(stored, str) and stored.endswith(str(value))
    if stored is None or value is None or isinstance(stored, str) is not isinstance(value, str):
        return False
    return _ordered(node.operator, stored, value)


def _day_of(text: str) -> Any:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return text


def _ordered(operator: str, stored: Any, value: Any) -> bool:
    match operator:
        case "gt":
            return bool(stored > value)
        case "ge":
            return bool(stored >= value)
        case "lt":
            return bool(stored < value)
        case _:
            return bool(stored <= value)
