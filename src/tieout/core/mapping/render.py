"""Expressions written out again, in the syntax in which they are read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from tieout.core.mapping.expr import (
    And,
    Arithmetic,
    Compare,
    Concat,
    Conditional,
    Const,
    Expr,
    Field,
    Filter,
    ListOf,
    Not,
    Or,
    Test,
    Unary,
    Value,
)

# How tightly each form binds, loosest first; the order is Jinja's, with `~` between + and *.
_CHOICE, _OR, _AND, _NOT, _COMPARE, _SUM, _CONCAT, _PRODUCT, _SIGN, _PIPE, _ATOM = range(11)


def render(expr: Expr) -> str:
    """The expression as text, with only the brackets that it needs."""
    return _render(expr)[0]


def _inside(expr: Expr, at_least: int) -> str:
    text, binding = _render(expr)
    return text if binding >= at_least else f"({text})"


def _render(expr: Expr) -> tuple[str, int]:
    match expr:
        case Const():
            return _const(expr.value)
        case Field():
            return path_text(expr.path), _ATOM
        case ListOf():
            return "[" + ", ".join(render(item) for item in expr.items) + "]", _ATOM
        case Unary():
            return expr.sign + _inside(expr.operand, _ATOM), _SIGN
        case Arithmetic():
            level = _SUM if expr.sign in "+-" else _PRODUCT
            right = _inside(expr.right, level + 1)
            return f"{_inside(expr.left, level)} {expr.sign} {right}", level
        case Concat():
            return " ~ ".join(_inside(part, _PRODUCT) for part in expr.parts), _CONCAT
        case Compare():
            steps = "".join(f" {sign} {_inside(part, _SUM)}" for sign, part in expr.rest)
            return _inside(expr.first, _SUM) + steps, _COMPARE
        case And():
            return f"{_inside(expr.left, _AND)} and {_inside(expr.right, _NOT)}", _AND
        case Or():
            return f"{_inside(expr.left, _OR)} or {_inside(expr.right, _AND)}", _OR
        case Not():
            return f"not {_inside(expr.operand, _NOT)}", _NOT
        case Conditional():
            then, test = _inside(expr.then, _OR), _inside(expr.test, _OR)
            return f"{then} if {test} else {_inside(expr.otherwise, _CHOICE)}", _CHOICE
        case Filter():
            args = ", ".join(render(arg) for arg in expr.args)
            call = f"{expr.name}({args})" if args else expr.name
            return f"{_inside(expr.operand, _PIPE)} | {call}", _PIPE
        case Test():
            # Bound like `not`, so that `(x is none) == y` keeps the brackets that readers need.
            return f"{_inside(expr.operand, _PIPE)} is {expr.name}", _NOT


def _const(value: Value) -> tuple[str, int]:
    match value:
        case None:
            return "none", _ATOM
        case bool():
            return ("true" if value else "false"), _ATOM
        case Decimal():
            return format(value, "f"), (_SIGN if value.is_signed() else _ATOM)
        case str():
            return quote(value), _ATOM
        case date():
            return f"{quote(value.isoformat())} | date", _PIPE


_ESCAPES: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(text: str) -> str:
    """The text between quotation marks, as it is written in an expression."""
    return "'" + "".join(_escaped(letter) for letter in text) + "'"


def _escaped(letter: str) -> str:
    known = _ESCAPES.get(letter)
    if known is not None:
        return known
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"


def path_text(path: tuple[str, ...]) -> str:
    """The path as it is written: dotted, or in brackets where a name has other characters."""
    steps = (f".{part}" if _is_plain(part) else f"[{quote(part)}]" for part in path[1:])
    return path[0] + "".join(steps)


def _is_plain(part: str) -> bool:
    return part.isidentifier()
