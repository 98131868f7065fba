"""HAVING: what is grouped or reduced, compared with values."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.soql.literals import like_test
from tieout_sandbox.salesforce.soql.parse import fault
from tieout_sandbox.salesforce.soql.syntax import Compare, Expression, InList, Literal, Logic
from tieout_sandbox.salesforce.values import Row


class Having:
    """HAVING: comparisons of aggregates and grouped fields with values."""

    def __init__(
        self, column: Callable[[Expression], Callable[[list[Row]], Any]], statement: str
    ) -> None:
        self._column = column
        self._statement = statement

    def test(self, condition: Any, group: list[Row]) -> bool:
        """Whether a group meets the condition."""
        if isinstance(condition, Logic):
            results = (self.test(part, group) for part in condition.parts)
            if condition.op == "not":
                return not next(results)
            return all(results) if condition.op == "and" else any(results)
        if isinstance(condition, InList) and not condition.multi:
            found = self._column(condition.left)(group)
            hits = (self._compares(found, "=", value) for value in condition.values)
            return any(hits) is not condition.negated
        if not isinstance(condition, Compare):
            raise SalesforceError("MALFORMED_QUERY", "HAVING allows comparisons only")
        found = self._column(condition.left)(group)
        return self._compares(found, condition.op, condition.right)

    def _compares(self, found: Any, op: str, literal: Literal) -> bool:
        number = literal.kind == "number"
        if literal.kind == "relative" or (
            found is not None
            and literal.kind not in ("null", "boolean")
            and (number is isinstance(found, str) or (op == "like" and number))
        ):
            text = "value of filter criterion in HAVING is of the wrong type"
            raise fault("INVALID_FIELD", text, literal.at, self._statement)
        if op == "like":
            return isinstance(found, str) and like_test(literal.pattern)(found)
        return _compares(found, op, literal)


def _compares(found: Any, op: str, literal: Literal) -> bool:
    if literal.kind == "boolean":
        return (bool(found) is (literal.text == "TRUE")) is (op == "=")
    wanted: Any = Decimal(literal.text) if literal.kind == "number" else literal.text
    if literal.kind == "null":
        return (found is None) == (op == "=")
    if found is None:
        return op == "!="
    left, right = folded(found), folded(wanted)
    outcomes: dict[str, bool] = {
        "=": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }
    return outcomes[op]


def folded(value: Any) -> Any:
    """Text without regard to case, anything else as it is."""
    return value.casefold() if isinstance(value, str) else value
