"""Rows in memory with their indexes, and a journal that takes changes back.

A row is never changed in place: a change puts a new dict, so that what was read stays as it was
and an undo is putting the old one back.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping

from tieout_sandbox.salesforce.schema import Field, ObjectType
from tieout_sandbox.salesforce.values import Row, Value

Change = tuple["Table", str, Row | None]


def key_of(found: Field, value: Value) -> Value:
    """The value as an index holds it: text in one case, unless the field tells cases apart."""
    if isinstance(value, str) and not found.case_sensitive and found.type != "reference":
        return value.casefold()
    return value


def _is_key(found: Field) -> bool:
    """Whether rows are looked up by the field: keys and parents, but not by who wrote them."""
    if found.name in ("CreatedById", "LastModifiedById"):
        return False
    return found.type != "id" and (found.id_lookup or bool(found.targets))


class Journal:
    """The changes since it was opened, newest last."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def mark(self) -> int:
        """A place to go back to."""
        return len(self.changes)

    def back_to(self, mark: int) -> None:
        """Takes back every change after the mark."""
        while len(self.changes) > mark:
            table, record_id, before = self.changes.pop()
            table.restore(record_id, before)

    def clear(self) -> None:
        """Makes the changes final."""
        self.changes.clear()


class Table:
    """All rows of one object, those in the recycle bin too."""

    def __init__(self, kind: ObjectType, journal: Journal) -> None:
        self.kind = kind
        self.rows: dict[str, Row] = {}
        self.deleted: dict[str, None] = {}
        """Ids of the rows in the recycle bin."""
        self._journal = journal
        self._by: dict[str, dict[Value, dict[str, None]]] = {
            found.name: {} for found in kind.fields.values() if _is_key(found)
        }
        self._stamps: list[tuple[str, str]] = []
        self._stamps_stale = False

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, record_id: str | None) -> Row | None:
        """The row of that 18-character id, deleted or not."""
        return self.rows.get(record_id) if record_id else None

    def live(self) -> Iterator[Row]:
        """Rows that are not deleted, in the order they were made."""
        if not self.deleted:
            return iter(self.rows.values())
        return (row for row in self.rows.values() if not row.get("IsDeleted"))

    def find(self, field: str, value: Value) -> list[Row]:
        """Rows, deleted ones too, whose indexed field has that value."""
        found = self.kind.fields[field]
        ids = self._by[field].get(key_of(found, value), ())
        return [self.rows[record_id] for record_id in ids]

    def find_live(self, field: str, value: Value) -> list[Row]:
        """Rows not deleted whose indexed field has that value."""
        return [row for row in self.find(field, value) if not row.get("IsDeleted")]

    def is_indexed(self, field: str) -> bool:
        """Whether `find` may be asked for that field."""
        return field in self._by

    def add_index(self, found: Field) -> None:
        """Lets rows be found by a field that the object did not have before."""
        if not _is_key(found) or found.name in self._by:
            return
        index = self._by[found.name] = {}
        for record_id, row in self.rows.items():
            value = row.get(found.name)
            if value is not None:
                index.setdefault(key_of(found, value), {})[record_id] = None

    def ids_in_stamp_order(self, since: str | None = None) -> list[str]:
        """Ids by SystemModstamp and Id, from that stamp on, or all."""
        stamps = self._fresh_stamps()
        start = bisect_left(stamps, (since, "")) if since else 0
        return [record_id for _, record_id in stamps[start:]]

    def put(self, row: Row) -> None:
        """Stores a new or changed row under its Id."""
        record_id = str(row["Id"])
        before = self.rows.get(record_id)
        self._journal.changes.append((self, record_id, before))
        self._replace(record_id, before, row)

    def purge(self, record_id: str) -> None:
        """Removes a row for good."""
        before = self.rows.get(record_id)
        if before is not None:
            self._journal.changes.append((self, record_id, before))
            self._replace(record_id, before, None)

    def restore(self, record_id: str, before: Row | None) -> None:
        """Puts back what stood there, past the journal."""
        self._replace(record_id, self.rows.get(record_id), before)

    def fill(self, rows: Iterable[Mapping[str, Value]]) -> None:
        """Takes many rows in at once, past the journal."""
        for row in rows:
            self._replace(str(row["Id"]), None, dict(row), bulk=True)
        self._stamps_stale = True

    def _replace(
        self, record_id: str, before: Row | None, after: Row | None, *, bulk: bool = False
    ) -> None:
        if before is not None:
            self._unindex(record_id, before)
        if after is None:
            self.rows.pop(record_id, None)
        else:
            self.rows[record_id] = after
            self._index(record_id, after)
        if bulk or self._stamps_stale:
            self._stamps_stale = True
            return
        if before is not None:
            entry = (str(before["SystemModstamp"]), record_id)
            del self._stamps[bisect_left(self._stamps, entry)]
        if after is not None:
            insort(self._stamps, (str(after["SystemModstamp"]), record_id))

    def _index(self, record_id: str, row: Row) -> None:
        if row.get("IsDeleted"):
            self.deleted[record_id] = None
        for name, index in self._by.items():
            value = row.get(name)
            if value is not None:
                key = key_of(self.kind.fields[name], value)
                index.setdefault(key, {})[record_id] = None

    def _unindex(self, record_id: str, row: Row) -> None:
        self.deleted.pop(record_id, None)
        for name, index in self._by.items():
            value = row.get(name)
            if value is not None:
                key = key_of(self.kind.fields[name], value)
                index[key].pop(record_id, None)
                if not index[key]:
                    del index[key]

    def _fresh_stamps(self) -> list[tuple[str, str]]:
        if self._stamps_stale:
            self._stamps = sorted(
                (str(row["SystemModstamp"]), record_id) for record_id, row in self.rows.items()
            )
            self._stamps_stale = False
        return self._stamps
