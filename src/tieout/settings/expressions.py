"""
Mapping expressions: Jinja's syntax made into data.

Jinja's own lexer and parser read the text, so that what people know from dbt and Ansible is
right here too. Of what they give, a score of node kinds has a meaning; all else is a problem
with its place. Nothing is ever evaluated by Jinja.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser

from tieout.core.mapping import (
    FILTERS,
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
    MappingError,
    Not,
    Or,
    Test,
    Unary,
    Value,
    build_filter,
)
from tieout.core.mapping.expr import ArithmeticSign, ComparisonSign, TestName
from tieout.settings.problems import Origin, Place, Problem, did_you_mean, problem_at

LENGTH_MAX: Final = 2_000
"""Characters an expression may have."""
DEPTH_MAX: Final = 60
"""How deep an expression may be nested, so that evaluating it never exhausts the stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """An expression, and where each source field's last name stands in the file."""

    expr: Expr
    field_places: tuple[tuple[tuple[str, ...], Place], ...]


def parse(text: str, *, place: Origin) -> Expr | list[Problem]:
    """The expression that the text says, or all that keeps it from saying one."""
    parsed = parse_located(text, place=place)
    return parsed.expr if isinstance(parsed, Parsed) else parsed


def parse_located(text: str, *, place: Origin) -> Parsed | list[Problem]:
    """The same, with the places of the fields, for checks against the source's schema."""
    try:
        return _parse(text, place)
    except _SyntaxProblem as found:
        return [found.problem(place, text)]
    except RecursionError:
        return [_Spot(0, "the expression is nested too deeply").problem(place, text)]


def _parse(text: str, place: Origin) -> Parsed | list[Problem]:
    if not text.strip():
        raise _SyntaxProblem(0, "an expression is missing here")
    if len(text) > LENGTH_MAX:
        raise _SyntaxProblem(0, f"an expression has at most {LENGTH_MAX:,} characters")
    if text.lstrip().startswith(("{{", "{%")):
        start = len(text) - len(text.lstrip())
        raise _SyntaxProblem(start, "the expression is written without {{ }}")
    translator = _Translator(text)
    expr = translator.translate(_read(text), 0)
    if translator.spots:
        return [spot.problem(place, text) for spot in translator.spots]
    fields = tuple((path, place.place_at(offset)) for path, offset in translator.fields)
    return Parsed(expr=expr, field_places=fields)


@dataclass(frozen=True, slots=True)
class _Spot:
    offset: int
    message: str
    hint: str = ""

    def problem(self, place: Origin, text: str) -> Problem:
        word = re.match(r"\w*", text[self.offset :])
        return problem_at(
            place.place_at(min(self.offset, max(len(text) - 1, 0))),
            "expression",
            self.message,
            hint=self.hint,
            value=word.group() if word else "",
        )


class _SyntaxProblem(Exception):  # noqa: N818  it never leaves this module
    """Reading cannot go on behind this spot."""

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.spot = _Spot(offset, message, hint)

    def problem(self, place: Origin, text: str) -> Problem:
        return self.spot.problem(place, text)


# --- reading: Jinja's tokens, with offsets where Jinja has line numbers ---------------------


class _Environment(Environment):
    """Gives the parser tokens that carry the offset in the text, since Jinja has no columns."""

    def _tokenize(
        self,
        source: str,
        name: str | None,
        filename: str | None = None,
        state: str | None = None,
    ) -> TokenStream:
        return TokenStream(_tokens(self, source, state), name, filename)


class _Parser(Parser):
    """Jinja's, but for its tests with arguments: there `x is none if y` would swallow the `if`."""

    def parse_test(self, node: nodes.Expr) -> nodes.Expr:
        token = next(self.stream)
        negated = self.stream.skip_if("name:not")
        name = self.stream.expect("name").value
        test = nodes.Test(node, name, [], [], None, None, lineno=token.lineno)
        return nodes.Not(test, lineno=token.lineno) if negated else test


def _tokens(environment: Environment, source: str, state: str | None) -> Iterator[Token]:
    raw: dict[int, str] = {}
    for token in environment.lexer.wrap(_placed(environment, source, state, raw)):
        if token.type in ("integer", "float"):
            number: Any = _number(raw[token.lineno], token.lineno)
            token = token._replace(value=number)
        yield token


def _placed(
    environment: Environment, source: str, state: str | None, raw: dict[int, str]
) -> Iterator[tuple[int, str, str]]:
    offset = 0
    try:
        for _line, kind, text in environment.lexer.tokeniter(source, None, state=state):
            raw[offset] = text
            if kind == "string":
                _check_escapes(text, offset)
            if kind in ("variable_end", "block_end"):
                raise _SyntaxProblem(offset, f'"{text.strip()}" has no place in an expression')
            yield offset, kind, text
            offset += len(text)
    except TemplateSyntaxError:
        raise _lexer_problem(source, offset) from None


def _lexer_problem(source: str, offset: int) -> _SyntaxProblem:
    offset = min(offset, len(source) - 1)
    letter = source[offset]
    if letter in "\"'":
        return _SyntaxProblem(offset, "the text that begins here is never closed")
    if letter in ")]}":
        return _SyntaxProblem(offset, f'the "{letter}" closes nothing')
    return _SyntaxProblem(offset, f'"{letter}" has no meaning in an expression')


_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.|\n)")


def _check_escapes(text: str, offset: int) -> None:
    for found in _ESCAPE.finditer(text[:-1]):
        kind = found.group(1)
        if len(kind) > 1:
            number = int(kind[1:], 16)
            known = number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
        else:
            known = kind in "\\'\"nrt"
        if not known:
            raise _SyntaxProblem(
                offset + found.start(), f'"{found.group()}" is no sign', 'Write "\\\\" for "\\".'
            )


_DECIMAL = re.compile(r"\d+(\.\d+)?")


def _number(raw: str, offset: int) -> Decimal:
    if not _DECIMAL.fullmatch(raw) or not raw.isascii():
        raise _SyntaxProblem(offset, f'"{raw}" is not written as a number', "One is 1250.00.")
    number = Decimal(raw)
    if len(number.as_tuple().digits) > 28:
        raise _SyntaxProblem(offset, "a number has at most 28 digits")
    return number


_ENVIRONMENT: Final = _Environment(autoescape=False, keep_trailing_newline=True)


def _read(text: str) -> nodes.Expr:
    # Jinja makes one line break of "\r\n" before it counts; a blank keeps the offsets true.
    source = text.replace("\r", " ")
    try:
        parser = _Parser(_ENVIRONMENT, source, state="variable")
        expr = parser.parse_expression()
        if not parser.stream.eos:
            token = parser.stream.current
            raise _SyntaxProblem(
                token.lineno, f'"{token.value}" does not fit behind what is before'
            )
    except TemplateSyntaxError as error:
        raise _parser_problem(source, error) from None
    return expr


def _parser_problem(source: str, error: TemplateSyntaxError) -> _SyntaxProblem:
    offset = error.lineno
    if offset >= len(source.rstrip()) or "end of" in (error.message or ""):
        return _end_problem(source)
    word = re.match(r"\w+|\W", source[offset:])
    shown = word.group() if word else source[offset]
    return _SyntaxProblem(offset, f'"{shown}" does not fit here')


def _end_problem(source: str) -> _SyntaxProblem:
    """The text ended too early: at the bracket that is still open, if one is."""
    opened: list[int] = []
    for found in re.finditer(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[(\[{]|[)\]}]", source):
        if found.group() in "([{":
            opened.append(found.start())
        elif found.group() in ")]}" and opened:
            opened.pop()
    if opened:
        return _SyntaxProblem(opened[-1], f'the "{source[opened[-1]]}" is never closed')
    end = max(len(source.rstrip()) - 1, 0)
    return _SyntaxProblem(end, "the expression ends too early")


# --- translating: Jinja's nodes to ours ------------------------------------------------------

_ARITHMETIC: Final[dict[type[nodes.Expr], ArithmeticSign]] = {
    nodes.Add: "+",
    nodes.Sub: "-",
    nodes.Mul: "*",
    nodes.Div: "/",
    nodes.FloorDiv: "//",
    nodes.Mod: "%",
}
_COMPARISON: Final[dict[str, ComparisonSign]] = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}
_REFUSED: Final[dict[type[nodes.Node], str]] = {
    nodes.Call: "there are no calls here; what can be done to a value is written with |",
    nodes.Pow: "there are no powers here",
    nodes.Dict: "braces have no meaning here",
    nodes.Slice: "a part of a text is written with | left(n) or | cut(n)",
}
_NOTHING: Final = Const(value=None)


class _Translator:
    """Keeps on after a mistake, so that one look shows them all."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spots: list[_Spot] = []
        self.fields: list[tuple[tuple[str, ...], int]] = []

    def wrong(self, node: nodes.Node, message: str, hint: str = "") -> Expr:
        self.spots.append(_Spot(node.lineno, message, hint))
        return _NOTHING

    def translate(self, node: nodes.Node, depth: int) -> Expr:
        if depth > DEPTH_MAX:
            raise _SyntaxProblem(node.lineno, "the expression is nested too deeply")
        deeper = depth + 1
        match node:
            case nodes.Const():
                return Const(value=cast("Value", node.value))
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                return self._field(node)
            case nodes.List() | nodes.Tuple():
                return ListOf(items=tuple(self.translate(item, deeper) for item in node.items))
            case nodes.Neg() | nodes.Pos():
                return self._sign(node, deeper)
            case nodes.Concat():
                return Concat(parts=tuple(self.translate(part, deeper) for part in node.nodes))
            case nodes.Compare():
                return self._compare(node, deeper)
            case nodes.Not():
                return Not(operand=self.translate(node.node, deeper))
            case nodes.And():
                left = self.translate(node.left, deeper)
                return And(left=left, right=self.translate(node.right, deeper))
            case nodes.Or():
                left = self.translate(node.left, deeper)
                return Or(left=left, right=self.translate(node.right, deeper))
            case nodes.CondExpr():
                return self._conditional(node, deeper)
            case nodes.Filter():
                return self._filter(node, deeper)
            case nodes.Test():
                return self._test(node, deeper)
            case nodes.BinExpr() if type(node) in _ARITHMETIC:
                left = self.translate(node.left, deeper)
                right = self.translate(node.right, deeper)
                return Arithmetic(sign=_ARITHMETIC[type(node)], left=left, right=right)
            case _:
                message = _REFUSED.get(type(node), "this has no meaning in an expression")
                return self.wrong(node, message)

    def _sign(self, node: nodes.Neg | nodes.Pos, depth: int) -> Expr:
        operand = self.translate(node.node, depth)
        if isinstance(node, nodes.Pos):
            return Unary(sign="+", operand=operand)
        if isinstance(operand, Const) and isinstance(operand.value, Decimal):
            return Const(value=operand.value.copy_negate())
        return Unary(sign="-", operand=operand)

    def _field(self, node: nodes.Expr) -> Expr:
        steps: list[str] = []
        last: int | None = None
        outer = node
        while not isinstance(node, nodes.Name):
            match node:
                case nodes.Getattr():
                    name: object = node.attr
                case nodes.Getitem(arg=nodes.Const()):
                    name = node.arg.value  # type: ignore[attr-defined]
                case nodes.Getitem() | nodes.Call():
                    return self.wrong(node, _REFUSED.get(type(node), _SUBSCRIPT))
                case _:
                    return self.wrong(outer, "a dot names a field of a field, nothing else")
            if not isinstance(name, str):
                return self.wrong(node, _SUBSCRIPT)
            last = self._behind(node.lineno) if last is None else last
            steps.append(name)
            outer, node = node, node.node
        path = (node.name, *reversed(steps))
        self.fields.append((path, node.lineno if last is None else last))
        return Field(path=path)

    def _behind(self, dot: int) -> int:
        """Where the name behind a dot or bracket begins."""
        offset = dot + 1
        while offset < len(self.text) - 1 and self.text[offset].isspace():
            offset += 1
        return offset

    def _compare(self, node: nodes.Compare, depth: int) -> Expr:
        first = self.translate(node.expr, depth)
        rest = tuple(
            (_COMPARISON[operand.op], self.translate(operand.expr, depth)) for operand in node.ops
        )
        return Compare(first=first, rest=rest)

    def _conditional(self, node: nodes.CondExpr, depth: int) -> Expr:
        then = self.translate(node.expr1, depth)
        test = self.translate(node.test, depth)
        if node.expr2 is None:
            return self.wrong(node, 'an "if" says what counts otherwise', "Add: else none.")
        return Conditional(test=test, then=then, otherwise=self.translate(node.expr2, depth))

    def _test(self, node: nodes.Test, depth: int) -> Expr:
        operand = self.translate(node.node, depth)
        if node.name not in ("defined", "none"):
            return self.wrong(
                node, f'there is no test "{node.name}"', "There are: is defined, is none."
            )
        return Test(name=cast("TestName", node.name), operand=operand)

    def _filter(self, node: nodes.Filter, depth: int) -> Expr:
        if node.node is None:
            return self.wrong(node, "a filter needs a value before the |")
        operand = self.translate(node.node, depth)
        args = tuple(self.translate(arg, depth) for arg in node.args)
        if node.name not in FILTERS:
            near = did_you_mean(node.name, FILTERS)
            hint = f"Did you mean {near}?" if near else f"There are: {', '.join(sorted(FILTERS))}."
            return self.wrong(node, f'there is no filter "{node.name}"', hint)
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            return self.wrong(node, f"{node.name} takes its arguments without names")
        message = _filter_mistake(node.name, args)
        if message:
            return self.wrong(node, message)
        return Filter(name=node.name, operand=operand, args=args)


_SUBSCRIPT: Final = "brackets hold a field's name between quotation marks"


def _filter_mistake(name: str, args: tuple[Expr, ...]) -> str | None:
    """What is wrong with the arguments, or None."""
    if name == "default":
        if not 1 <= len(args) <= 2:
            return "default takes what counts instead, and true if that is for null and '' too"
        if len(args) == 2 and not _is_truth(args[1]):
            return "the second argument of default is true or false"
        return None
    values = [arg.value for arg in args if isinstance(arg, Const)]
    if len(values) != len(args):
        return f"the arguments of {name} are written out, not worked out"
    if name == "lookup":
        table = values[0] if len(values) == 1 else None
        return None if isinstance(table, str) and table else "lookup takes the name of a table"
    try:
        build_filter(name, tuple(values))
    except MappingError as error:
        return error.message
    return None


def _is_truth(expr: Expr) -> bool:
    return isinstance(expr, Const) and isinstance(expr.value, bool)
