"""Records in memory with the indexes that keep look-ups quick among 100,000 documents.

A record is never changed in place: `save` takes a new one and brings every index up to date. Names
that begin with `_` are ours and never leave through the vendor's API.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_eaccounting.fields import Record, Schema
from tieout_sandbox.visma_eaccounting.filters import All, Compare, Lambda, Node, needed

WINDOW = 16
MEMO_SIZE = 8
FEW = 50
# Most keys belong to one record: its id stands alone then, which takes a fifth of the room.
_Index = dict[Any, str | dict[str, None]]
_RUN = re.compile(rf"[0-9A-Z]{{{WINDOW},}}")


class Table:
    """All records of one resource."""

    def __init__(
        self,
        name: str,
        schema: Schema | None = None,
        *,
        equal: Sequence[str] = (),
        stamp: str | None = None,
        texts: Sequence[str] = (),
        row_texts: bool = False,
        open_amount: str | None = None,
    ) -> None:
        self.name = name
        self.schema = schema
        self.stamp = stamp
        self.open_amount = open_amount
        self._texts = tuple(texts)
        self._row_texts = row_texts
        self.records: dict[str, Record] = {}
        self.deleted: dict[str, Record] = {}
        self.lagging: dict[str, tuple[str, Record | None]] = {}
        self.open: dict[str, None] = {}
        self._equal: dict[str, _Index] = {name: {} for name in equal}
        self._windows: dict[str, _Index] = {name: {} for name in self._texts}
        self._memo: dict[Any, list[Record]] = {}
        if row_texts:
            self._windows["Rows/Text"] = {}
        self._stamps: list[tuple[str, str]] = []
        self._next = 1

    def __len__(self) -> int:
        return len(self.records)

    def get(self, record_id: str | None) -> Record | None:
        """The record, None where there is none."""
        return self.records.get(record_id) if record_id is not None else None

    def find(self, field: str, value: Any) -> list[Record]:
        """Records with this value in an indexed field, oldest first."""
        return [self.records[found] for found in _ids(self._equal[field], _key(value))]

    def save(self, record: Record) -> Record:
        """Puts a new record, or a new version in the place of the old one."""
        record_id = record["Id"]
        old = self.records.get(record_id)
        if old is not None:
            record["_seq"] = old["_seq"]
            self._unindex(old)
        elif "_seq" not in record:
            record["_seq"] = self._next
        self._next = max(self._next, record["_seq"] + 1)
        self.records[record_id] = record
        self._index(record)
        return record

    def remove(self, record_id: str, tombstone: Record | None = None) -> None:
        """Takes a record away; what is left of it can be read past the API only."""
        old = self.records.pop(record_id)
        self._unindex(old)
        self.deleted[record_id] = tombstone if tombstone is not None else old

    def note(self, record_id: str, field: str, value: Any) -> None:
        """Changes a field that no index looks at, without a new version."""
        self._memo.clear()
        self.records[record_id][field] = value

    def everything(self) -> Iterator[tuple[Record, bool]]:
        """Every record with whether it was deleted."""
        for record in self.records.values():
            yield record, False
        for record in self.deleted.values():
            yield record, True

    # Search.

    def remembered(self, key: Any, find: Callable[[], list[Record]]) -> list[Record]:
        """The records a search found, found once as long as nothing changes: so the pages of one
        long list cost one search."""
        if self.lagging:
            return find()
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= MEMO_SIZE:
                self._memo.clear()
            found = self._memo[key] = find()
        return found

    def since(self, stamp: str) -> list[Record]:
        """Records stamped at or after, by their stamp."""
        assert self.stamp is not None
        found = self._stamps[bisect_left(self._stamps, (stamp, "")) :]
        records = self.records
        name = self.stamp
        return [
            records[record_id]
            for when, record_id in found
            if record_id in records and records[record_id][name] == when
        ]

    def candidates(self, node: Node | None) -> Iterable[Record]:
        """Records among which are all that meet the filter, oldest first."""
        if self.lagging or node is None:
            return self.records.values()
        best: Sequence[Record] | None = None
        # The stamp comes last: its records are many, and cost something to gather.
        for part in sorted(needed(node), key=self._is_stamp):
            if best is not None and (len(best) <= FEW or self._is_stamp(part)):
                break
            found = self._narrow(part)
            if found is not None and (best is None or len(found) < len(best)):
                best = found
        if best is None:
            return self.records.values()
        return sorted(best, key=lambda record: record["_seq"])

    def _is_stamp(self, part: Node) -> bool:
        return isinstance(part, Compare) and part.path == self.stamp

    def _narrow(self, part: Node) -> list[Record] | None:
        match part:
            case Compare() if part.other is not None:
                return None
            case Compare("Id", "eq", value):
                found = self.records.get(str(value))
                return [found] if found else []
            case Compare(path, "eq", value) if path in self._equal:
                return self.find(path, value)
            case Compare(path, "contains", str(value)) if path in self._windows:
                return self._by_window(path, value)
            case Compare(path, "ge" | "gt", str(value)) if path == self.stamp:
                return self.since(value)
            case Compare(path, "ne", Decimal() as value) if path == self.open_amount and not value:
                return [self.records[found] for found in self.open]
            case Lambda("Rows", "any", variable, Compare(path, "contains", str(value))):
                if path == f"{variable}/Text" and "Rows/Text" in self._windows:
                    return self._by_window("Rows/Text", value)
                return None
            case Lambda() | All():
                return None
            case _:
                return None

    def _by_window(self, path: str, value: str) -> list[Record] | None:
        run = _RUN.search(value.upper())
        if run is None:
            return None
        found = _ids(self._windows[path], run.group()[:WINDOW])
        return [self.records[record_id] for record_id in found]

    # Indexes.

    def _index(self, record: Record) -> None:
        self._memo.clear()
        record_id = record["Id"]
        for name, values in self._equal.items():
            value = record.get(name)
            if value is not None:
                _add(values, _key(value), record_id)
        for name, windows in self._windows.items():
            for window in self._windows_of(record, name):
                _add(windows, window, record_id)
        if self.open_amount is not None and record.get(self.open_amount):
            self.open[record_id] = None
        if self.stamp is not None:
            self._stamp(record[self.stamp], record_id)

    def _unindex(self, record: Record) -> None:
        self._memo.clear()
        record_id = record["Id"]
        for name, values in self._equal.items():
            value = record.get(name)
            if value is not None:
                _drop(values, _key(value), record_id)
        for name, windows in self._windows.items():
            for window in self._windows_of(record, name):
                _drop(windows, window, record_id)
        self.open.pop(record_id, None)

    def _windows_of(self, record: Record, name: str) -> set[str]:
        if name == "Rows/Text":
            texts = [row.get("Text") for row in record.get("Rows", ())]
        else:
            texts = [record.get(name)]
        found: set[str] = set()
        for text in texts:
            if text is None or len(text) < WINDOW:
                continue
            for run in _RUN.findall(text.upper()):
                found.update(run[at : at + WINDOW] for at in range(len(run) - WINDOW + 1))
        return found

    def _stamp(self, stamp: str, record_id: str) -> None:
        entry = (stamp, record_id)
        if not self._stamps or self._stamps[-1] < entry:
            self._stamps.append(entry)
        else:
            insort(self._stamps, entry)
        # Every save leaves an old entry behind; sweep them once they are the majority.
        if len(self._stamps) > 2 * len(self.records) + 1000:
            name = self.stamp or ""
            self._stamps = sorted((rec[name], rec["Id"]) for rec in self.records.values())

    # State.

    def state(self) -> Record:
        """Everything, for the state file."""
        return {
            "records": list(self.records.values()),
            "deleted": list(self.deleted.values()),
            "lagging": [[key, until, old] for key, (until, old) in self.lagging.items()],
            "next": self._next,
        }

    def load(self, state: Record) -> None:
        """Takes back what `state` gave."""
        for record in state["records"]:
            self.save(record)
        self.deleted = {record["Id"]: record for record in state["deleted"]}
        self.lagging = {key: (until, old) for key, until, old in state["lagging"]}
        self._next = state["next"]


def _key(value: Any) -> Any:
    """Texts are looked up without regard to case; the filter itself decides about it."""
    return value.casefold() if isinstance(value, str) else value


def _ids(index: _Index, key: Any) -> Iterable[str]:
    found = index.get(key, ())
    return (found,) if isinstance(found, str) else found


def _add(index: _Index, key: Any, record_id: str) -> None:
    found = index.get(key)
    if found is None:
        index[key] = record_id
    elif isinstance(found, str):
        index[key] = {found: None, record_id: None}
    else:
        found[record_id] = None


def _drop(index: _Index, key: Any, record_id: str) -> None:
    found = index.get(key)
    if found == record_id:
        del index[key]
    elif isinstance(found, dict):
        found.pop(record_id, None)
