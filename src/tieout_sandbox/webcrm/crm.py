"""One webCRM system: its tables, ids, stamps, and what happened to which record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.webcrm.assumptions import Assumptions
from tieout_sandbox.webcrm.fields import STORED, Entity, Row
from tieout_sandbox.webcrm.settings import Settings

FIRST_IDS = {
    "Organisations": 4701,
    "Persons": 9001,
    "Deals": 88001,
    "QuotationLines": 40001,
    "LinkedData": 501,
    "Products": 6001,
    "Documents": 3101,
    "Activities": 120001,
    "Users": 11,
}


INDEXED = {
    "QuotationLines": "OpportunityId",
    "Persons": "OrganisationId",
    "Products": "OrganisationId",
    "Deals": "Number",
}
"""The field by which the rows of a table are found without reading all of them."""


@dataclass(slots=True)
class Table:
    """Rows by id, deleted ones apart; ids are never given twice. `by_value`: the ids that hold
    a value in the indexed field."""

    next_id: int
    indexed: str | None = None
    rows: dict[int, Row] = field(default_factory=dict)
    gone: dict[int, Row] = field(default_factory=dict)
    by_value: dict[Any, dict[int, None]] = field(default_factory=dict)

    def put(self, row: Row) -> None:
        """Takes a row in."""
        self.rows[row["Id"]] = row
        self.remember(row)

    def take(self, row: Row) -> None:
        """Takes a row out."""
        del self.rows[row["Id"]]
        self.forget(row)

    def remember(self, row: Row) -> None:
        """Notes the value of the indexed field."""
        if self.indexed is not None:
            self.by_value.setdefault(row.get(self.indexed, 0), {})[row["Id"]] = None

    def forget(self, row: Row) -> None:
        """Before that value changes."""
        if self.indexed is not None:
            self.by_value[row.get(self.indexed, 0)].pop(row["Id"], None)

    def holding(self, value: Any) -> list[Row]:
        """The rows with that value in the indexed field, by id."""
        return [self.rows[row_id] for row_id in sorted(self.by_value.get(value, ()))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A record was made, changed or deleted; `kind` is Create, Update or Delete."""

    entity: Entity
    row: Row
    kind: str


@dataclass(frozen=True, slots=True)
class _Lag:
    """Until then a search sees the row as it was before; None: not at all."""

    until: datetime
    before: Row | None


class Crm:
    """The data of one system. Every change goes through `add`, `change` and `remove`."""

    def __init__(self, clock: SandboxClock) -> None:
        self.clock = clock
        self.assumptions = Assumptions()
        self.settings = Settings()
        self.tables = {
            name: Table(FIRST_IDS.get(name, 1), INDEXED.get(name))
            for name in dict.fromkeys(entity.table for entity in STORED)
        }
        self.tables["Meetings"] = Table(1)
        self.notes: dict[int, list[Row]] = {}
        self.happenings: list[Happening] = []
        self.lag_until: datetime | None = None
        self.created: list[datetime] = []
        self._lagging: dict[tuple[str, int], _Lag] = {}

    def now(self) -> datetime:
        """The present moment, to the millisecond."""
        now = self.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    # Reading.

    def get(self, entity: Entity, row_id: int) -> Row | None:
        """The record with that id, deleted ones left out."""
        row = self.tables[entity.table].rows.get(row_id)
        return row if row is not None and entity.of(row) else None

    def every(self, entity: Entity) -> Iterator[Row]:
        """All records as they are, by id."""
        return (row for row in self.tables[entity.table].rows.values() if entity.of(row))

    def found(self, entity: Entity) -> Iterator[Row]:
        """All records as a list or a query sees them, by id."""
        if not self._lagging:
            yield from self.every(entity)
            return
        now = self.clock.now()
        self._lagging = {key: lag for key, lag in self._lagging.items() if lag.until > now}
        table = self.tables[entity.table]
        ids = set(table.rows) | {row_id for name, row_id in self._lagging if name == entity.table}
        for row_id in sorted(ids):
            lag = self._lagging.get((entity.table, row_id))
            row = lag.before if lag is not None else table.rows.get(row_id)
            if row is not None and entity.of(row):
                yield row

    def found_by(self, entity: Entity, stored: str, value: Any) -> list[Row]:
        """Those of `found` that have the value in a field."""
        table = self.tables[entity.table]
        if not self._lagging and table.indexed == stored:
            return [row for row in table.holding(value) if entity.of(row)]
        return [row for row in self.found(entity) if row.get(stored, 0) == value]

    def everything(self, entity: Entity) -> Iterator[tuple[Row, bool]]:
        """All records with whether they are deleted."""
        table = self.tables[entity.table]
        for rows, gone in ((table.rows, False), (table.gone, True)):
            yield from ((row, gone) for row in rows.values() if entity.of(row))

    # Writing.

    def new_id(self, table: str) -> int:
        """The next id of a table."""
        place = self.tables[table]
        given = place.next_id
        place.next_id += 1
        return given

    def add(self, entity: Entity, values: Row, by: str, when: datetime | None = None) -> Row:
        """A new record, stamped; what is None is left out."""
        now = when or self.now()
        row: Row = {"Id": self.new_id(entity.table)}
        row.update((name, value) for name, value in values.items() if value is not None)
        if entity.kind is not None:
            row["_kind"] = entity.kind
        row.update(_stamps(entity, now, by, new=True))
        self._lag(entity, row["Id"], None)
        self.tables[entity.table].put(row)
        self.tell(entity, row, "Create")
        return row

    def change(
        self,
        entity: Entity,
        row: Row,
        values: Row,
        by: str,
        *,
        when: datetime | None = None,
        touch: bool = True,
        tell: bool = True,
    ) -> Row:
        """Sets fields of a record; None clears one. `touch` False: no new stamp, nothing told;
        `tell` False: stamped, but nothing told."""
        self._lag(entity, row["Id"], dict(row))
        table = self.tables[entity.table]
        table.forget(row)
        for name, value in values.items():
            if value is None:
                row.pop(name, None)
            else:
                row[name] = value
        table.remember(row)
        if touch:
            row.update(_stamps(entity, when or self.now(), by, new=False))
        if touch and tell:
            self.tell(entity, row, "Update")
        return row

    def remove(self, entity: Entity, row: Row) -> None:
        """Deletes a record; no query tells of it afterwards."""
        self._lag(entity, row["Id"], row)
        table = self.tables[entity.table]
        table.take(row)
        table.gone[row["Id"]] = row
        self.tell(entity, row, "Delete")

    def tell(self, entity: Entity, row: Row, kind: str) -> None:
        """Notes that something happened to a record, for the hooks."""
        self.happenings.append(Happening(entity=entity, row=row, kind=kind))

    def rekey(self, entity: Entity, row: Row) -> int:
        """Gives a record another id, as if it had been made anew; the old one is gone."""
        table = self.tables[entity.table]
        old = dict(row)
        table.take(row)
        table.gone[old["Id"]] = old
        row["Id"] = self.new_id(entity.table)
        table.put(row)
        return int(row["Id"])

    def _lag(self, entity: Entity, row_id: int, before: Row | None) -> None:
        key = (entity.table, row_id)
        if self.lag_until is not None and key not in self._lagging:
            self._lagging[key] = _Lag(self.lag_until, before)

    # The state file.

    def state(self) -> dict[str, Any]:
        """Everything, for the state file."""
        return {
            "tables": {
                name: {
                    "next_id": table.next_id,
                    "rows": list(table.rows.values()),
                    "gone": list(table.gone.values()),
                }
                for name, table in self.tables.items()
            },
            "notes": [[activity, notes] for activity, notes in self.notes.items()],
            "created": self.created,
            "assumptions": self.assumptions.as_json(),
            "settings": self.settings.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave."""
        for name, table in state["tables"].items():
            place = self.tables[name] = Table(table["next_id"], INDEXED.get(name))
            for row in table["rows"]:
                place.put(row)
            place.gone = {int(row["Id"]): row for row in table["gone"]}
        self.notes = {int(activity): notes for activity, notes in state["notes"]}
        self.created = state["created"]
        for name, value in state["assumptions"].items():
            self.assumptions.set(name, value)
        self.settings = Settings.from_state(state["settings"])


def _stamps(entity: Entity, now: datetime, by: str, *, new: bool) -> Row:
    updated = "LastUpdated" if entity.name == "Document" else "Updated"
    stamps: Row = {f"{updated}At": now, f"{updated}By": by}
    if new:
        stamps |= {"CreatedAt": now, "CreatedBy": by}
    return {name: value for name, value in stamps.items() if entity.name + name in entity.fields}
