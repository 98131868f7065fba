"""Where a value came from: what `tieout why` shows of a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tieout.core.mapping.errors import MappingError, MissingFieldError
from tieout.core.mapping.evaluate import _NO_TABLES, Scope, compile_watched
from tieout.core.mapping.expr import Expr, Field, Operand, Value
from tieout.core.mapping.fields import ValueTable
from tieout.core.mapping.render import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A source field that was looked at; `missing` where the record does not have it."""

    path: str
    value: Operand
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the expression and what it gave, or why it gave nothing."""

    text: str
    value: Operand
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """
    What was read, what was made of it, and the result.

    Fields and steps are in the order in which they were evaluated; a branch that was not taken
    is not among them. `problem` is set exactly when there is no result.
    """

    text: str
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    result: Value
    problem: str | None = None


def explain(expr: Expr, scope: Scope, tables: Mapping[str, ValueTable] = _NO_TABLES) -> Explanation:
    """The expression evaluated over the scope, with all that happened on the way."""
    inputs: dict[str, Input] = {}
    steps: list[Step] = []

    def watch(part: Expr, came: Operand | MappingError) -> None:
        if isinstance(part, Field):
            missing = isinstance(came, MissingFieldError)
            value = None if isinstance(came, MappingError) else came
            inputs.setdefault(part.dotted, Input(path=part.dotted, value=value, missing=missing))
        elif isinstance(came, MappingError):
            steps.append(Step(text=render(part), value=None, problem=came.message))
        else:
            steps.append(Step(text=render(part), value=came))

    result: Value = None
    problem = None
    try:
        result = compile_watched(expr, tables, watch)(scope)
    except MappingError as error:
        problem = error.message
    return Explanation(
        text=render(expr),
        inputs=tuple(inputs.values()),
        steps=tuple(steps),
        result=result,
        problem=problem,
    )
