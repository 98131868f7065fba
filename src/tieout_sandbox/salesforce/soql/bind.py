"""Paths and functions held against an org's objects: what to read from a row, and its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tieout_sandbox.salesforce.schema import Field, ObjectType
from tieout_sandbox.salesforce.soql.parse import fault
from tieout_sandbox.salesforce.soql.syntax import PASS_THROUGH, Call, Expression, Path
from tieout_sandbox.salesforce.values import Row, Value, to_scale

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.org import Org

MOST_LEVELS = 5
Getter = Callable[[Row], Any]
_NO_COLUMN = (
    "No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, "
    "be sure to append the '__c' after the custom field name. Please reference your WSDL or the "
    "describe call for the appropriate names."
)
_NO_RELATION = (
    "Didn't understand relationship '{name}' in field path. If you are attempting to use a "
    "custom relationship, be sure to append the '__r' after the custom relationship name. Please "
    "reference your WSDL or the describe call for the appropriate names."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What an expression reads: `kind` is the field type its values have."""

    get: Getter
    field: Field
    kind: str
    steps: tuple[Field, ...] = ()
    """The references followed to get there."""


class Binder:
    """Expressions of one query over one object."""

    def __init__(self, org: Org, kind: ObjectType, alias: str | None, statement: str) -> None:
        self.org = org
        self.kind = kind
        self.alias = (alias or kind.name).lower()
        self.statement = statement

    def expression(self, expression: Expression) -> Bound:
        """The reader of a path, or of a function of one row."""
        if isinstance(expression, Path):
            return self.path(expression)
        return self._function(expression)

    def path(self, path: Path) -> Bound:
        """The reader of a field, through its parents."""
        names = self.own(path)
        if len(names) - 1 > MOST_LEVELS:
            text = f"a field path goes up {MOST_LEVELS} levels at most"
            raise self._fault("MALFORMED_QUERY", text, path)
        kind = self.kind
        steps: list[Field] = []
        for position, name in enumerate(names[:-1]):
            reference = kind.by_relation.get(name.lower())
            if reference is None:
                raise self._fault("INVALID_FIELD", _NO_RELATION.format(name=name), path)
            steps.append(reference)
            if len(reference.targets) > 1:
                return self._polymorphic(path, steps, names[position + 1 :])
            kind = self._target(reference, path)
        found = kind.find(names[-1])
        if found is None:
            text = _NO_COLUMN.format(name=names[-1], entity=kind.name)
            raise self._fault("INVALID_FIELD", text, path)
        return Bound(
            get=self._through(steps, value_getter(found)),
            field=found,
            kind=found.type,
            steps=tuple(steps),
        )

    def own(self, path: Path) -> tuple[str, ...]:
        """The names of a path without the alias or name of the object in front."""
        names = path.names
        first = names[0].lower()
        if len(names) > 1 and first == self.alias and first not in self.kind.by_relation:
            return names[1:]
        return names

    def parent_rows(self, reference: Field) -> Callable[[Row], Row | None]:
        """How to come from a row to the parent that it names."""
        name = reference.name
        if len(reference.targets) == 1 and reference.targets[0] in self.org.tables:
            rows = self.org.tables[reference.targets[0]].rows

            def parent(row: Row) -> Row | None:
                key = row.get(name)
                return rows.get(key) if isinstance(key, str) else None

            return parent
        org = self.org
        return lambda row: org.row(row.get(name))

    def corporate(self, bound: Bound) -> Getter:
        """The reader of an amount in the corporate currency, by the currency of its own row."""
        read, rate_of = bound.get, self.org.rate
        currency = self._through(list(bound.steps), lambda row: row.get("CurrencyIsoCode"))

        def converted(row: Row) -> Decimal | None:
            amount: Decimal | None = read(row)
            return None if amount is None else amount / rate_of(currency(row))

        return converted

    def _through(self, steps: list[Field], last: Getter) -> Getter:
        get = last
        for reference in reversed(steps):
            get = _one_step(self.parent_rows(reference), get)
        return get

    def _target(self, reference: Field, path: Path) -> ObjectType:
        kind = self.org.visible(reference.targets[0])
        if kind is None:
            raise self._fault("INVALID_FIELD", _NO_RELATION.format(name=reference.relation), path)
        return kind

    def _polymorphic(self, path: Path, steps: list[Field], rest: tuple[str, ...]) -> Bound:
        wanted = rest[0].lower()
        if len(rest) != 1 or wanted not in ("name", "id", "type"):
            text = _NO_COLUMN.format(name=".".join(rest), entity="Name")
            raise self._fault("INVALID_FIELD", text, path)
        shown = {"name": "Name", "id": "Id", "type": "Type"}[wanted]
        last: Getter = {
            "name": self.org.name_of,
            "id": lambda row: row.get("Id"),
            "type": lambda row: self.org.kind_of(str(row["Id"])).name,
        }[wanted]
        stand_in = Field(name=shown, label=shown, type="string", length=255)
        return Bound(
            get=self._through(steps, last), field=stand_in, kind="string", steps=tuple(steps)
        )

    def _function(self, call: Call) -> Bound:
        if call.argument is None:
            raise self._fault("MALFORMED_QUERY", f"{call.function} needs a field", call)
        inner = self.expression(call.argument)
        if call.function == "CONVERTCURRENCY":
            return self._converted(inner, call)
        if call.function in PASS_THROUGH:
            if call.function == "TOLABEL":
                labels: Mapping[Value, str] = dict(inner.field.values)
                read = inner.get
                return Bound(
                    get=lambda row: labels.get(read(row), read(row)),
                    field=inner.field,
                    kind=inner.kind,
                    steps=inner.steps,
                )
            return inner
        change = _DATE_PARTS.get(call.function)
        if change is None:
            text = f"Function {call.function} is not allowed in this position"
            raise self._fault("MALFORMED_QUERY", text, call)
        if inner.kind not in ("date", "datetime"):
            text = f"Function {call.function} is not supported on field {inner.field.name}"
            raise self._fault("INVALID_FIELD", text, call)
        read_date, part = inner.get, change[1]
        return Bound(
            get=lambda row: None if (text := read_date(row)) is None else part(text),
            field=inner.field,
            kind=change[0],
            steps=inner.steps,
        )

    def _converted(self, inner: Bound, call: Call) -> Bound:
        """An amount in the user's currency: who uses the API here has the corporate one."""
        if inner.kind != "currency":
            text = f"Function CONVERTCURRENCY is not supported on field {inner.field.name}"
            raise self._fault("INVALID_FIELD", text, call)
        if not self.org.multi_currency:
            return inner
        read, scale = self.corporate(inner), inner.field.scale
        return replace(
            inner,
            get=lambda row: None if (amount := read(row)) is None else to_scale(amount, scale),
        )

    def _fault(self, code: str, text: str, at: Path | Call) -> Exception:
        return fault(code, text, at.at, self.statement)


def value_getter(found: Field) -> Getter:
    """How to read a field from its own row; addresses are put together."""
    name = found.name
    if found.type == "address":
        stem = name.removesuffix("Address")
        return lambda row: address_of(row, stem)
    if found.type == "boolean":
        return lambda row: row.get(name, False)
    return lambda row: row.get(name)


def address_of(row: Row, stem: str) -> dict[str, Value] | None:
    """The compound address of `Billing`, `Shipping` or `Mailing` fields; None where all lack."""
    parts = {
        "city": row.get(f"{stem}City"),
        "country": row.get(f"{stem}Country"),
        "countryCode": row.get(f"{stem}CountryCode"),
        "geocodeAccuracy": None,
        "latitude": None,
        "longitude": None,
        "postalCode": row.get(f"{stem}PostalCode"),
        "state": row.get(f"{stem}State"),
        "stateCode": None,
        "street": row.get(f"{stem}Street"),
    }
    return parts if any(value is not None for value in parts.values()) else None


def _one_step(parent: Callable[[Row], Row | None], get: Getter) -> Getter:
    def read(row: Row) -> Any:
        above = parent(row)
        return None if above is None else get(above)

    return read


def _part(change: Callable[[date], int]) -> Callable[[str], Decimal]:
    return lambda text: Decimal(change(date.fromisoformat(text[:10])))


def _quarter(day: date) -> int:
    return (day.month - 1) // 3 + 1


_DATE_PARTS: dict[str, tuple[str, Callable[[str], Value]]] = {
    "CALENDAR_YEAR": ("int", _part(lambda d: d.year)),
    "CALENDAR_QUARTER": ("int", _part(_quarter)),
    "CALENDAR_MONTH": ("int", _part(lambda d: d.month)),
    "FISCAL_YEAR": ("int", _part(lambda d: d.year)),
    "FISCAL_QUARTER": ("int", _part(_quarter)),
    "FISCAL_MONTH": ("int", _part(lambda d: d.month)),
    "DAY_IN_MONTH": ("int", _part(lambda d: d.day)),
    "DAY_IN_WEEK": ("int", _part(lambda d: d.isoweekday() % 7 + 1)),
    "DAY_IN_YEAR": ("int", _part(lambda d: d.timetuple().tm_yday)),
    "WEEK_IN_YEAR": ("int", _part(lambda d: (d.timetuple().tm_yday - 1) // 7 + 1)),
    "WEEK_IN_MONTH": ("int", _part(lambda d: (d.day - 1) // 7 + 1)),
    "HOUR_IN_DAY": ("int", lambda text: Decimal(text[11:13] or "0")),
    "DAY_ONLY": ("date", lambda text: text[:10]),
}
