"""`GET /Queries?script=SELECT …`: the script carried out over the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.webcrm.calls import Call, array
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.errors import invalid
from tieout_sandbox.webcrm.fields import (
    ACTIVITY,
    DELIVERY,
    LINE,
    LINKED_DATA,
    OPPORTUNITY,
    ORGANISATION,
    PERSON,
    Entity,
    Field,
    Row,
)
from tieout_sandbox.webcrm.present import Presenter
from tieout_sandbox.webcrm.query_syntax import (
    Both,
    Compare,
    Condition,
    Either,
    Literal,
    Name,
    Query,
    ScriptError,
    parse,
)
from tieout_sandbox.webcrm.values import blank, moment_of

TABLES = {
    "organisation": ORGANISATION,
    "person": PERSON,
    "delivery": DELIVERY,
    "opportunity": OPPORTUNITY,
    "activity": ACTIVITY,
    "linkeddata": LINKED_DATA,
}
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
Joined = Mapping[str, Row]
"""One row of each table by the entity's name."""


def answer(crm: Crm, call: Call) -> Response:
    """The page of objects that a script asks for."""
    script = call.param("script") or ""
    most = crm.assumptions.script_most
    try:
        if most and len(script) > most:
            raise ScriptError("The script is too long.")
        run = _Run(crm, parse(script, crm.assumptions.query_operators))
        rows = call.page_of(run.rows())
    except ScriptError as error:
        if crm.assumptions.query_error == "object":
            return json_response(200, {"Message": str(error), "Type": "SqlException"})
        raise invalid(str(error)) from error
    return array(run.show(rows))


class _Run:
    """One script over one system."""

    def __init__(self, crm: Crm, query: Query) -> None:
        self._crm = crm
        self._query = query
        self._entities = [self._entity(query.table)]
        if query.join is not None:
            self._entities.append(self._entity(query.join[0]))
        self._wanted = [pair for name in query.fields for pair in self._named(name)]

    def rows(self) -> list[Joined]:
        """Everything that is asked for, in order."""
        where = self._query.where
        keep = self._condition(where) if where is not None else None
        found = [row for row in self._joined() if keep is None or keep(row)]
        for name, down in reversed(self._query.order):
            found.sort(key=self._sorter(name), reverse=down)
        return found

    def show(self, rows: list[Joined]) -> list[dict[str, Any]]:
        """The selected fields of those rows."""
        present = {one.name: Presenter(self._crm, one) for one in self._entities}
        shown = []
        for row in rows:
            whole = {name: present[name].one(part) for name, part in row.items()}
            shown.append(
                {
                    field.name: self._told(field, whole[entity.name][field.name])
                    for entity, field in self._wanted
                }
            )
        return shown

    def _told(self, field: Field, value: Any) -> Any:
        if field.kind == "enum" and self._crm.assumptions.query_enums == "ordinals":
            return field.names.index(value)
        return value

    def _entity(self, table: str) -> Entity:
        lines = self._crm.assumptions.quotation_line_table
        if lines and table.lower() == lines.lower():
            return LINE
        found = TABLES.get(table.lower())
        if found is None:
            raise ScriptError(f"Invalid object name '{table}'.")
        return found

    def _named(self, name: Name) -> Iterator[tuple[Entity, Field]]:
        if name.field != "*":
            yield self._field(name)
            return
        for entity in self._entities:
            if name.table is None or self._is(entity, name.table):
                for field in entity.fields.values():
                    if not field.write_only:
                        yield entity, field

    def _is(self, entity: Entity, table: str) -> bool:
        return self._entity(table) is entity

    def _field(self, name: Name) -> tuple[Entity, Field]:
        for entity in self._entities:
            if name.table is not None and not self._is(entity, name.table):
                continue
            for field in entity.fields.values():
                if field.name.lower() == name.field.lower() and not field.write_only:
                    return entity, field
        raise ScriptError(f"Invalid column name '{name.field}'.")

    def _joined(self) -> Iterator[Joined]:
        first = self._entities[0]
        if self._query.join is None:
            yield from ({first.name: row} for row in self._crm.found(first))
            return
        second = self._entities[1]
        pairs = self._equal_fields(self._query.join[1])
        by_value: dict[Any, list[Row]] = {}
        for row in self._crm.found(second):
            by_value.setdefault(row.get(pairs[second.name], 0), []).append(row)
        for row in self._crm.found(first):
            for other in by_value.get(row.get(pairs[first.name], 0), ()):
                yield {first.name: row, second.name: other}

    def _equal_fields(self, on: Condition) -> dict[str, str]:
        if not isinstance(on, Compare) or on.sign != "=" or not isinstance(on.right, Name):
            raise ScriptError("Incorrect syntax near 'ON'.")
        sides = (self._field(on.left), self._field(on.right))
        found = {entity.name: field.stored for entity, field in sides}
        if len(found) != len(self._entities):
            raise ScriptError("Incorrect syntax near 'ON'.")
        return found

    def _condition(self, condition: Condition) -> Callable[[Joined], bool]:
        match condition:
            case Both():
                parts = [self._condition(part) for part in condition.parts]
                return lambda row: all(part(row) for part in parts)
            case Either():
                parts = [self._condition(part) for part in condition.parts]
                return lambda row: any(part(row) for part in parts)
            case _:
                return self._compare(condition)

    def _compare(self, compare: Compare) -> Callable[[Joined], bool]:
        entity, field = self._field(compare.left)
        sign = _SIGNS[compare.sign]
        if isinstance(compare.right, Name):
            other, second = self._field(compare.right)
            return lambda row: sign(
                self._value(field, row[entity.name]), self._value(second, row[other.name])
            )
        right = self._literal(field, compare.right)
        return lambda row: sign(self._value(field, row[entity.name]), right)

    def _value(self, field: Field, row: Row) -> Any:
        """A stored value in the form in which it compares: text in lower case, names by their
        place, no date before every date."""
        value = row.get(field.stored)
        match field.kind:
            case "date":
                return value or _NEVER
            case "enum":
                return field.names.index(value) if value in field.names else 0
            case "int" | "number":
                return value if value is not None else 0
            case "bool":
                return 1 if value else 0
            case _:
                shown = value if value is not None else blank(field, "utc", 0)
                return str(shown).lower()

    def _literal(self, field: Field, literal: Literal) -> Any:
        match field.kind:
            case "date":
                zone = self._crm.assumptions.dates_without_zone
                try:
                    when = moment_of(literal.text, without_zone=zone) if literal.quoted else None
                except ValueError as error:
                    raise ScriptError("Conversion failed when converting date.") from error
                return when or _NEVER
            case "enum":
                names = [name.lower() for name in field.names]
                if literal.quoted and literal.text.lower() in names:
                    return names.index(literal.text.lower())
                return self._number(literal)
            case "bool":
                if literal.text.lower() in ("true", "false"):
                    return int(literal.text.lower() == "true")
                return self._number(literal)
            case "int" | "number":
                return self._number(literal)
            case _:
                return literal.text.lower()

    def _number(self, literal: Literal) -> Decimal:
        try:
            return Decimal(literal.text)
        except InvalidOperation as error:
            raise ScriptError(f"Conversion failed for '{literal.text}'.") from error

    def _sorter(self, name: Name) -> Callable[[Joined], Any]:
        entity, field = self._field(name)
        return lambda row: self._value(field, row[entity.name])


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    ">=": lambda left, right: bool(left >= right),
    ">": lambda left, right: bool(left > right),
    "<=": lambda left, right: bool(left <= right),
    "<": lambda left, right: bool(left < right),
    "<>": lambda left, right: bool(left != right),
    "!=": lambda left, right: bool(left != right),
}
