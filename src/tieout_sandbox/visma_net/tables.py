"""Records in memory, with indexes, and an undo list so that a refused call leaves nothing behind.

A record is never changed in place: `save` takes a new one. Names that begin with `_` are ours and
never leave through the vendor's API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

Record = dict[str, Any]


class Table:
    """All records of one resource, by their `_key`."""

    def __init__(self, name: str, *, equal: Sequence[str] = ()) -> None:
        self.name = name
        self.records: dict[str, Record] = {}
        self.deleted: dict[str, Record] = {}
        self.lagging: dict[str, tuple[datetime, Record | None]] = {}
        self.undo: list[tuple[str, Record | None]] | None = None
        self._equal: dict[str, dict[str, dict[str, None]]] = {field: {} for field in equal}

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self.records.values()))

    def get(self, key: object) -> Record | None:
        """The record, None where there is none."""
        return self.records.get(str(key)) if key is not None else None

    def find(self, field: str, value: object) -> list[Record]:
        """Records with this value in an indexed field, oldest first; texts without regard to
        case."""
        keys = self._equal[field].get(_folded(value), {})
        return [self.records[key] for key in keys]

    def one(self, field: str, value: object) -> Record | None:
        """The oldest record with this value in an indexed field."""
        return next(iter(self.find(field, value)), None)

    def save(self, record: Record) -> Record:
        """Puts a new record, or a new version in the place of the old one."""
        key = record["_key"]
        old = self.records.get(key)
        if self.undo is not None:
            self.undo.append((key, old))
        self._put(key, record)
        return record

    def remove(self, key: str) -> None:
        """Takes a record away; it can be read past the API only."""
        old = self.records[key]
        if self.undo is not None:
            self.undo.append((key, old))
        self.deleted[key] = old
        self._drop(key)

    def roll_back(self) -> None:
        """Takes back every change since the undo list was begun."""
        for key, old in reversed(self.undo or []):
            self._drop(key)
            self.deleted.pop(key, None)
            if old is not None:
                self._put(key, old)
        if self.undo:
            # Back in the order in which they were made.
            self.records = dict(sorted(self.records.items(), key=lambda pair: pair[1]["_seq"]))
        self.undo = None

    def visible(self, now: datetime) -> Iterator[Record]:
        """What a search finds: the old version of whatever is hidden from it for a while."""
        for key, (until, _) in list(self.lagging.items()):
            if until <= now:
                del self.lagging[key]
        for record in list(self.records.values()):
            held = self.lagging.get(record["_key"])
            if held is None:
                yield record
            elif held[1] is not None:
                yield held[1]

    def everything(self) -> Iterator[tuple[Record, bool]]:
        """Every record with whether it was deleted."""
        for record in self.records.values():
            yield record, False
        for record in self.deleted.values():
            yield record, True

    def _put(self, key: str, record: Record) -> None:
        old = self.records.get(key)
        if old is not None:
            self._unindex(old)
        self.records[key] = record
        for field, index in self._equal.items():
            if record.get(field) is not None:
                index.setdefault(_folded(record[field]), {})[key] = None

    def _drop(self, key: str) -> None:
        old = self.records.pop(key, None)
        if old is not None:
            self._unindex(old)

    def _unindex(self, record: Record) -> None:
        for field, index in self._equal.items():
            keys = index.get(_folded(record.get(field)))
            if keys is not None:
                keys.pop(record["_key"], None)

    def state(self) -> Record:
        """Everything, for the state file."""
        return {
            "records": list(self.records.values()),
            "deleted": list(self.deleted.values()),
            "lagging": [[key, until, old] for key, (until, old) in self.lagging.items()],
        }

    def load(self, state: Record) -> None:
        """Takes back what `state` gave."""
        for record in state["records"]:
            self._put(record["_key"], record)
        self.deleted = {record["_key"]: record for record in state["deleted"]}
        self.lagging = {key: (until, old) for key, until, old in state["lagging"]}


def _folded(value: object) -> str:
    return str(value).casefold()
