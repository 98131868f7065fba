"""Text to statement, cached by text; the vendor's words for what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.soql.syntax import (
    AGGREGATES,
    DATE_FUNCTIONS,
    PASS_THROUGH,
    Call,
    Compare,
    Condition,
    Expression,
    FieldsGroup,
    InList,
    InQuery,
    Item,
    Literal,
    Logic,
    Order,
    Path,
    Query,
)

MAX_LENGTH = 100_000
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_FUNCTIONS = AGGREGATES | PASS_THROUGH | frozenset(DATE_FUNCTIONS)


def fault(code: str, text: str, at: tuple[int, int], statement: str) -> SalesforceError:
    """A query's refusal: the line, a caret under the place, row and column, then the text."""
    row, column = at
    lines = statement.splitlines() or [""]
    line = lines[min(row, len(lines)) - 1]
    start = max(0, column - 1 - 80)
    shown = line[start : column + 40]
    caret = " " * (column - 1 - start) + "^"
    return SalesforceError(code, f"\n{shown}\n{caret}\nERROR at Row:{row}:Column:{column}\n{text}")


@lru_cache(maxsize=2048)
def parse(statement: str) -> Query:
    """The statement; SalesforceError MALFORMED_QUERY where it is none."""
    if len(statement) > MAX_LENGTH:
        raise SalesforceError(
            "QUERY_TOO_COMPLICATED", "SOQL statements cannot be longer than 100000 characters."
        )
    try:
        tree = _PARSER.parse(statement)
    except UnexpectedInput as error:
        raise _malformed(error, statement) from error
    try:
        query = _Build(visit_tokens=False).transform(tree)
    except RecursionError:
        raise SalesforceError(
            "QUERY_TOO_COMPLICATED",
            "Query is either selecting too many fields or the filter conditions are too "
            "complicated.",
        ) from None
    assert isinstance(query, Query)
    _check_functions(query, statement)
    return query


def _malformed(error: UnexpectedInput, statement: str) -> SalesforceError:
    at = (error.line, error.column)
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        return fault("MALFORMED_QUERY", f"unexpected token: '{error.token}'", at, statement)
    if isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream
        word = re.match(r"\w+|\S|$", statement[start:])
        shown = word.group(0) if word else ""
        return fault("MALFORMED_QUERY", f"unexpected token: '{shown}'", at, statement)
    return SalesforceError("MALFORMED_QUERY", "unexpected token: '<EOF>'")


def _check_functions(query: Query, statement: str) -> None:
    for item in query.select:
        if isinstance(item, Query):
            _check_functions(item, statement)
        elif isinstance(item, Item) and isinstance(item.expression, Call):
            call = item.expression
            if call.function not in _FUNCTIONS:
                raise fault(
                    "MALFORMED_QUERY", f"Unknown function: {call.function}", call.at, statement
                )


def _at(token: Token) -> tuple[int, int]:
    return (token.line or 1, token.column or 1)


class _Build(Transformer[Token, Any]):
    """Makes the statement out of the parse tree."""

    def start(self, parts: list[Query]) -> Query:
        return parts[0]

    def path(self, parts: list[Token]) -> Path:
        return Path(names=tuple(str(part) for part in parts), at=_at(parts[0]))

    def function(self, parts: list[Any]) -> Call:
        argument = parts[1] if len(parts) > 1 else None
        return Call(function=str(parts[0]).upper(), argument=argument, at=_at(parts[0]))

    def item(self, parts: list[Any]) -> Item:
        return Item(expression=parts[0], alias=str(parts[1]) if len(parts) > 1 else None)

    def fields_group(self, parts: list[Token]) -> FieldsGroup:
        return FieldsGroup(group=str(parts[1]).upper())

    def subquery(self, parts: list[Query]) -> Query:
        return parts[0]

    def source(self, parts: list[Any]) -> tuple[str, Path, str | None]:
        return ("source", parts[0], str(parts[1]) if len(parts) > 1 else None)

    def where(self, parts: list[Condition]) -> tuple[str, Condition]:
        return ("where", parts[0])

    def having(self, parts: list[Condition]) -> tuple[str, Condition]:
        return ("having", parts[0])

    def group(self, parts: list[Expression]) -> tuple[str, tuple[Expression, ...]]:
        return ("group", tuple(parts))

    def order(self, parts: list[Order]) -> tuple[str, tuple[Order, ...]]:
        return ("order", tuple(parts))

    def order_item(self, parts: list[Any]) -> Order:
        words = [str(part).upper() for part in parts[1:]]
        return Order(expression=parts[0], descending="DESC" in words, nulls_last="LAST" in words)

    def limit(self, parts: list[Token]) -> tuple[str, int]:
        return ("limit", int(parts[0]))

    def offset(self, parts: list[Token]) -> tuple[str, int]:
        return ("offset", int(parts[0]))

    def all_rows(self, _parts: list[Token]) -> tuple[str, bool]:
        return ("all_rows", True)

    def ignored(self, _parts: list[Token]) -> tuple[str, None]:
        return ("ignored", None)

    def either(self, parts: Sequence[Condition]) -> Logic:
        return Logic(op="or", parts=tuple(parts))

    def both(self, parts: Sequence[Condition]) -> Logic:
        return Logic(op="and", parts=tuple(parts))

    def negated(self, parts: Sequence[Condition]) -> Logic:
        return Logic(op="not", parts=tuple(parts))

    def compare(self, parts: list[Any]) -> Compare:
        op = str(parts[1])
        return Compare(left=parts[0], op="!=" if op == "<>" else op, right=parts[2])

    def like(self, parts: list[Any]) -> Compare:
        return Compare(left=parts[0], op="like", right=parts[1])

    def in_list(self, parts: list[Any]) -> InList:
        return InList(left=parts[0], values=tuple(parts[1:]), negated=False)

    def not_in_list(self, parts: list[Any]) -> InList:
        return InList(left=parts[0], values=tuple(parts[1:]), negated=True)

    def includes(self, parts: list[Any]) -> InList:
        return InList(left=parts[0], values=tuple(parts[1:]), negated=False, multi=True)

    def excludes(self, parts: list[Any]) -> InList:
        return InList(left=parts[0], values=tuple(parts[1:]), negated=True, multi=True)

    def in_query(self, parts: list[Any]) -> InQuery:
        return InQuery(left=parts[0], query=parts[1], negated=False)

    def not_in_query(self, parts: list[Any]) -> InQuery:
        return InQuery(left=parts[0], query=parts[1], negated=True)

    def string(self, parts: list[Token]) -> Literal:
        inside = parts[0][1:-1]
        text = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), inside, flags=re.S)
        kept = re.sub(r"\\(.)", _still_escaped, inside, flags=re.S)
        return Literal(kind="string", text=text, pattern=kept, at=_at(parts[0]))

    def datetime(self, parts: list[Token]) -> Literal:
        return Literal(kind="datetime", text=str(parts[0]), at=_at(parts[0]))

    def date(self, parts: list[Token]) -> Literal:
        return Literal(kind="date", text=str(parts[0]), at=_at(parts[0]))

    def number(self, parts: list[Token]) -> Literal:
        return Literal(kind="number", text=str(parts[0]), at=_at(parts[0]))

    def currency(self, parts: list[Token]) -> Literal:
        return Literal(kind="currency", text=str(parts[0]), at=_at(parts[0]))

    def relative(self, parts: list[Token]) -> Literal:
        return Literal(kind="relative", text=str(parts[0]).upper(), at=_at(parts[0]))

    def constant(self, parts: list[Token]) -> Literal:
        word = str(parts[0]).upper()
        kind = {"TRUE": "boolean", "FALSE": "boolean", "NULL": "null"}.get(word, "relative")
        return Literal(kind=kind, text=word, at=_at(parts[0]))

    def query(self, parts: list[Any]) -> Query:
        select = tuple(p for p in parts if isinstance(p, Item | FieldsGroup | Query))
        rest: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, tuple) and part[0] == "source":
                rest["source"], rest["alias"] = part[1], part[2]
            elif isinstance(part, tuple) and part[0] != "ignored":
                rest[part[0]] = part[1]
        return Query(select=select, **rest)


def _still_escaped(found: re.Match[str]) -> str:
    """An escape as LIKE reads it: what would stand for other characters keeps its backslash."""
    char = found[1]
    return found[0] if char in "%_\\" else _ESCAPES.get(char, char)


def _grammar() -> str:
    place = files("tieout_sandbox.salesforce.soql").joinpath("grammar.lark")
    return place.read_text(encoding="utf-8")


_PARSER = Lark(_grammar(), parser="lalr", lexer="contextual", maybe_placeholders=False)
