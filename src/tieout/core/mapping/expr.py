"""
Expressions as data.

An expression is made by the settings layer from Jinja's syntax, or by hand in a test. It is
immutable, can be compared, and says which source fields it needs before any record was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias

Value: TypeAlias = str | Decimal | bool | date | datetime | None
"""What an expression gives. A datetime is aware; a number is a finite Decimal."""

Operand: TypeAlias = Value | tuple[Value, ...]
"""What a part of an expression may give: a value, or a list for `in` and the list filters."""

ArithmeticSign: TypeAlias = Literal["+", "-", "*", "/", "//", "%"]
ComparisonSign: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
TestName: TypeAlias = Literal["defined", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Const:
    """A value that is written out in the expression."""

    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A source field by its path, as in `account.Parent.Name`."""

    path: tuple[str, ...]

    @property
    def dotted(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """Values side by side, as in `['SE', 'FI']`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary:
    """A signed number."""

    sign: Literal["+", "-"]
    operand: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """Two numbers made into one."""

    sign: ArithmeticSign
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat:
    """Texts joined by `~`."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """A comparison or a chain of them: `0 < line.quantity <= 10`."""

    first: Expr
    rest: tuple[tuple[ComparisonSign, Expr], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    operand: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """`then if test else otherwise`; only the branch that is taken is evaluated."""

    test: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """`operand | name(args)`; what each name does stands in the table of filters."""

    name: str
    operand: Expr
    args: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """`operand is defined` (the field is there, even if null) or `operand is none` (null)."""

    __test__ = False  # the name is Jinja's; pytest would collect it

    name: TestName
    operand: Expr


Expr: TypeAlias = (
    Const
    | Field
    | ListOf
    | Unary
    | Arithmetic
    | Concat
    | Compare
    | And
    | Or
    | Not
    | Conditional
    | Filter
    | Test
)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct parts of an expression, from left to right as they are written."""
    match expr:
        case Const() | Field():
            return ()
        case ListOf(items=parts) | Concat(parts=parts):
            return parts
        case Unary(operand=operand) | Not(operand=operand) | Test(operand=operand):
            return (operand,)
        case Arithmetic() | And() | Or():
            return (expr.left, expr.right)
        case Compare():
            return (expr.first, *(part for _, part in expr.rest))
        case Conditional():
            return (expr.then, expr.test, expr.otherwise)
        case Filter():
            return (expr.operand, *expr.args)


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all its parts, outer before inner, left before right."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def paths(expr: Expr) -> frozenset[str]:
    """
    All source fields that the expression may read, dotted.

    They are what has to be selected at the source: nothing outside of them changes the result.
    """
    return frozenset(node.dotted for node in walk(expr) if isinstance(node, Field))


def tables(expr: Expr) -> frozenset[str]:
    """The names of the tables that the expression looks values up in."""
    return frozenset(
        str(node.args[0].value)
        for node in walk(expr)
        if isinstance(node, Filter)
        and node.name == "lookup"
        and node.args
        and isinstance(node.args[0], Const)
    )


def type_word(value: object) -> str:
    """The everyday name of a value's type, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    for kind, word in _TYPE_WORDS:
        if isinstance(value, kind):
            return word
    return type(value).__name__


_TYPE_WORDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "text"),
    ((Decimal, int), "number"),
    (datetime, "time"),
    (date, "date"),
    ((tuple, list, set, frozenset), "list"),
)
