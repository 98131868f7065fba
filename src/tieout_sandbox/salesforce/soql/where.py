"""Conditions as tests of a row, and the rows an index already singles out."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tieout_sandbox.salesforce.soql.bind import Binder, Bound
from tieout_sandbox.salesforce.soql.literals import like_test, range_of, value_of
from tieout_sandbox.salesforce.soql.parse import fault
from tieout_sandbox.salesforce.soql.syntax import (
    Call,
    Compare,
    Condition,
    Expression,
    InList,
    InQuery,
    Literal,
    Logic,
    Path,
    Query,
)
from tieout_sandbox.salesforce.values import Row, Value

Test = Callable[[Row], bool]
Inner = Callable[[Query], set[Value]]
_NO_TEXT = frozenset(
    {"id", "reference", "boolean", "date", "datetime", "currency", "double", "percent", "int"}
)
_MONEY = re.compile(r"([A-Z]{3})(\d+(?:\.\d+)?)")


class Where:
    """Makes tests out of conditions. `inner` runs a semi-join's query."""

    def __init__(self, binder: Binder, inner: Inner) -> None:
        self._binder = binder
        self._inner = inner

    def test(self, condition: Condition) -> Test:
        """Whether a row meets the condition."""
        if isinstance(condition, Logic):
            return self._logic(condition)
        if isinstance(condition, Compare):
            return self._compare(condition)
        if isinstance(condition, InList):
            return self._in_list(condition)
        return self._in_query(condition)

    def _logic(self, condition: Logic) -> Test:
        if condition.op == "or" and (joins := semi_joins(condition)):
            text = "Semi join sub-selects are not allowed with the 'OR' operator"
            raise fault("MALFORMED_QUERY", text, joins[0].left.at, self._binder.statement)
        tests = [self.test(part) for part in condition.parts]
        if condition.op == "not":
            only = tests[0]
            return lambda row: not only(row)
        if condition.op == "and":
            if len(tests) == 2:
                first, second = tests
                return lambda row: first(row) and second(row)
            return lambda row: all(test(row) for test in tests)
        return lambda row: any(test(row) for test in tests)

    def _bound(self, condition: Compare | InList | InQuery) -> Bound:
        bound = self._binder.expression(condition.left)
        refuse_conversion(self._binder, condition.left)
        if not bound.field.compared:
            text = f"field '{bound.field.name}' can not be filtered in a query call"
            raise fault("INVALID_FIELD", text, condition.left.at, self._binder.statement)
        return bound

    def _compare(self, condition: Compare) -> Test:
        bound = self._bound(condition)
        if condition.op == "like":
            return self._like(bound, condition)
        if condition.right.kind == "relative" and bound.kind in ("date", "datetime"):
            return self._relative(bound, condition)
        if condition.right.kind == "currency" and bound.kind == "currency":
            return self._money(bound, condition)
        value = value_of(condition.right, bound.field, bound.kind, self._binder.statement)
        return comparison(bound, condition.op, value)

    def _like(self, bound: Bound, condition: Compare) -> Test:
        if bound.kind in _NO_TEXT:
            text = (
                "invalid operator on id field"
                if bound.kind in ("id", "reference")
                else (f"field '{bound.field.name}' does not support filter operator like")
            )
            raise fault(
                "INVALID_QUERY_FILTER_OPERATOR", text, condition.left.at, self._binder.statement
            )
        if condition.right.kind == "null":
            return lambda row: False
        # For its refusal of what is no text.
        value_of(condition.right, bound.field, bound.kind, self._binder.statement)
        matches = like_test(condition.right.pattern)
        get = bound.get
        return lambda row: (value := get(row)) is not None and matches(value)

    def _relative(self, bound: Bound, condition: Compare) -> Test:
        start, end = range_of(
            condition.right, bound.kind, self._binder.org.now(), self._binder.statement
        )
        get = bound.get
        tests: dict[str, Callable[[str], bool]] = {
            "=": lambda value: start <= value < end,
            "!=": lambda value: not start <= value < end,
            "<": lambda value: value < start,
            "<=": lambda value: value < end,
            ">": lambda value: value >= end,
            ">=": lambda value: value >= start,
        }
        inside = tests[condition.op]
        missing = condition.op == "!="
        return lambda row: missing if (value := get(row)) is None else inside(value)

    def _money(self, bound: Bound, condition: Compare) -> Test:
        found = _MONEY.fullmatch(condition.right.text)
        assert found is not None
        limit = Decimal(found[2]) / self._binder.org.rate(found[1])
        corporate = self._binder.corporate(bound)
        converted = Bound(get=corporate, field=bound.field, kind=bound.kind)
        return comparison(converted, condition.op, limit)

    def _in_list(self, condition: InList) -> Test:
        bound = self._bound(condition)
        if condition.multi:
            return self._includes(bound, condition)
        if any(literal.kind == "relative" for literal in condition.values):
            parts = tuple(
                Compare(left=condition.left, op="=", right=literal) for literal in condition.values
            )
            any_of = self.test(Logic(op="or", parts=parts))
            return (lambda row: not any_of(row)) if condition.negated else any_of
        values = {self._value(literal, bound) for literal in condition.values}
        return membership(bound, values, negated=condition.negated)

    def _value(self, literal: Literal, bound: Bound) -> Value:
        return value_of(literal, bound.field, bound.kind, self._binder.statement)

    def _includes(self, bound: Bound, condition: InList) -> Test:
        wanted = [set(literal.text.split(";")) for literal in condition.values]
        get, negated = bound.get, condition.negated

        def test(row: Row) -> bool:
            chosen = set((get(row) or "").split(";"))
            return any(each <= chosen for each in wanted) is not negated

        return test

    def _in_query(self, condition: InQuery) -> Test:
        bound = self._bound(condition)
        self._check_semi_join(condition)
        return membership(bound, self._inner(condition.query), negated=condition.negated)

    def _check_semi_join(self, condition: InQuery) -> None:
        inner = condition.query
        text = None
        if inner.source.names[0].lower() == self._binder.kind.name.lower():
            text = "The inner and outer selects should not be on the same object type"
        elif semi_joins(inner.where):
            text = "Nesting of semi join sub-selects is not supported"
        if text is not None:
            raise fault("MALFORMED_QUERY", text, inner.source.at, self._binder.statement)


def refuse_conversion(binder: Binder, expression: Expression) -> None:
    """convertCurrency() stands among what is selected, nowhere else."""
    if isinstance(expression, Call) and expression.function == "CONVERTCURRENCY":
        text = "Function CONVERTCURRENCY is not allowed in this position"
        raise fault("MALFORMED_QUERY", text, expression.at, binder.statement)


def semi_joins(condition: Condition | None) -> list[InQuery]:
    """Every `IN (SELECT ...)` of a condition, however deep in AND, OR and NOT."""
    if isinstance(condition, Logic):
        return [join for part in condition.parts for join in semi_joins(part)]
    return [condition] if isinstance(condition, InQuery) else []


def comparison(bound: Bound, op: str, value: Value) -> Test:
    """The test `bound op value`; text compares without regard to case, null only with = and !=."""
    get: Callable[[Row], Any] = bound.get
    if bound.kind == "boolean":
        wanted_flag = bool(value)
        if op == "=":
            return lambda row: bool(get(row)) is wanted_flag
        return lambda row: bool(get(row)) is not wanted_flag
    if value is None or value == "":
        if op == "=":
            return lambda row: get(row) is None
        return lambda row: get(row) is not None
    if isinstance(value, str) and _folds(bound):
        value = value.casefold()
        get = _in_one_case(get)
    wanted: Any = value
    tests: dict[str, Test] = {
        "=": lambda row: get(row) == wanted,
        "!=": lambda row: get(row) != wanted,
        "<": lambda row: (found := get(row)) is not None and found < wanted,
        "<=": lambda row: (found := get(row)) is not None and found <= wanted,
        ">": lambda row: (found := get(row)) is not None and found > wanted,
        ">=": lambda row: (found := get(row)) is not None and found >= wanted,
    }
    return tests[op]


def _in_one_case(get: Callable[[Row], Any]) -> Callable[[Row], Any]:
    return lambda row: None if (text := get(row)) is None else text.casefold()


def membership(bound: Bound, values: set[Value], *, negated: bool) -> Test:
    """The test `bound IN values`, or not in them."""
    get = bound.get
    if _folds(bound):
        folded = {value.casefold() if isinstance(value, str) else value for value in values}

        def test(row: Row) -> bool:
            found = get(row)
            return ((found.casefold() if isinstance(found, str) else found) in folded) != negated

        return test
    if negated:
        return lambda row: get(row) not in values
    return lambda row: get(row) in values


def _folds(bound: Bound) -> bool:
    return (
        bound.kind not in ("id", "reference", "date", "datetime") and not bound.field.case_sensitive
    )


class Narrowed:
    """The rows that an index singles out, and what is left to test on them."""

    def __init__(self, ids: list[str] | None, rest: Condition | None, in_stamp_order: bool) -> None:
        self.ids = ids
        self.rest = rest
        self.in_stamp_order = in_stamp_order


def narrow(binder: Binder, condition: Condition | None) -> Narrowed:
    """Uses the best index that the condition's conjuncts allow."""
    parts = _conjuncts(condition)
    table = binder.org.tables[binder.kind.name]
    for position, part in enumerate(parts):
        ids = _by_key(binder, part)
        if ids is not None:
            return Narrowed(ids, _joined(parts[:position] + parts[position + 1 :]), False)
    for position, part in enumerate(parts):
        since = _since(binder, part)
        if since is not None:
            assert isinstance(part, Compare)
            rest = parts[:position] + parts[position + 1 :] if part.op == ">=" else parts
            return Narrowed(table.ids_in_stamp_order(since), _joined(rest), True)
    return Narrowed(None, condition, False)


def _conjuncts(condition: Condition | None) -> list[Condition]:
    if condition is None:
        return []
    if isinstance(condition, Logic) and condition.op == "and":
        return [inner for part in condition.parts for inner in _conjuncts(part)]
    return [condition]


def _joined(parts: list[Condition]) -> Condition | None:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else Logic(op="and", parts=tuple(parts))


def _by_key(binder: Binder, part: Condition) -> list[str] | None:
    """Ids that an equality or a list of keys names, in the table's order of making."""
    if isinstance(part, Compare) and part.op == "=":
        literals: tuple[Literal, ...] = (part.right,)
    elif isinstance(part, InList) and not part.negated and not part.multi:
        literals = part.values
    else:
        return None
    if not isinstance(part.left, Path) or len(binder.own(part.left)) != 1:
        return None
    bound = binder.path(part.left)
    table = binder.org.tables[binder.kind.name]
    if any(literal.kind == "null" for literal in literals):
        return None
    if bound.kind == "id":
        values = {value_of(literal, bound.field, "id", binder.statement) for literal in literals}
        return sorted(str(value) for value in values if value in table.rows)
    if not table.is_indexed(bound.field.name):
        return None
    found: dict[str, None] = {}
    for literal in literals:
        value = value_of(literal, bound.field, bound.kind, binder.statement)
        found.update((str(row["Id"]), None) for row in table.find(bound.field.name, value))
    return list(found)


def _since(binder: Binder, part: Condition) -> str | None:
    if not isinstance(part, Compare) or part.op not in (">", ">="):
        return None
    if not isinstance(part.left, Path) or part.right.kind != "datetime":
        return None
    if [name.lower() for name in binder.own(part.left)] != ["systemmodstamp"]:
        return None
    bound = binder.path(part.left)
    value = value_of(part.right, bound.field, bound.kind, binder.statement)
    return value if isinstance(value, str) else None
