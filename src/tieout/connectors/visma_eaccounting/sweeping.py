"""Where a read of a stamped list stands, and what it has to remember for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tieout.connectors.visma_eaccounting.api import Query
from tieout.connectors.visma_eaccounting.filters import INVOICES
from tieout.connectors.visma_eaccounting.guid_list import GuidList
from tieout.connectors.visma_eaccounting.values import Payload, instant_of, stamp_text, text_of
from tieout.core.id_set import IdSet

DAWN = datetime(2000, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class Sweep:
    """
    Where a sweep over a stamped list stands: it asks by value, not by page number, since a row
    that is edited meanwhile moves to the end and would shift the others past us.
    """

    path: str
    stamp: str
    position: datetime
    page: int = 1
    started: datetime | None = None
    seen: set[tuple[str, str]] = field(default_factory=set)

    @property
    def everything(self) -> bool:
        """Whether nothing is left out: a record that was never changed may have no stamp."""
        return self.position == DAWN

    def narrowed(self) -> Query:
        """What is changed from the position on."""
        if self.everything:
            return ()
        if self.path == INVOICES:
            # Whether the moment itself is among what changed since it, nobody says.
            return (("modifiedSinceUtc", stamp_text(self.position - _SECOND)),)
        return (("$filter", f"{self.stamp} ge {stamp_text(self.position)}"),)

    def query(self) -> Query:
        """The list from the position on, oldest first."""
        return (*self.narrowed(), ("$orderby", self.stamp))

    def move_behind(self, rows: Sequence[dict[str, Any]]) -> None:
        """Goes on after these rows."""
        last = max(_stamps(rows, self.stamp), default=self.position)
        if stamp_text(last) <= stamp_text(self.position):
            self.page += 1  # a whole page of one second, or of the one before
        else:
            self.position, self.page = last, 1

    def fresh(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows that this sweep has not given yet, in this state."""
        found = []
        for row in rows:
            mark = (text_of(row, "Id"), text_of(row, self.stamp))
            if mark not in self.seen:
                self.seen.add(mark)
                found.append(row)
        # Rows come again only from the second of the position on; older marks are of no use.
        if self.page == 1:
            edge = stamp_text(self.position - _SECOND)
            self.seen = {m for m in self.seen if not m[1] or m[1][:19] >= edge[:19]}
        return found


def ascending(rows: Sequence[Payload], stamp: str) -> bool:
    """Whether rows come in the order of that stamp."""
    found = _stamps(rows, stamp)
    return found == sorted(found)


def _stamps(rows: Sequence[Payload], stamp: str) -> list[datetime]:
    """The stamps that can be read; a row with another one is told when it is translated."""
    found = []
    for row in rows:
        try:
            when = instant_of(row, stamp)
        except ValueError:
            continue
        if when is not None:
            found.append(when)
    return found


def remember_open(state: dict[str, Any], rows: Sequence[Payload]) -> None:
    """Notes those that are open: they have to be seen closed where a payment moves no stamp."""
    memory = state.get("open") or {}
    known = frozenset(GuidList.of(memory))
    fresh = [
        guid
        for row in rows
        if (guid := text_of(row, "Id")) not in known
        and row.get("RemainingAmountInvoiceCurrency") != 0
    ]
    if fresh:
        at = {"at": memory["at"]} if memory.get("at") else {}
        state["open"] = {**at, **GuidList([*GuidList.of(memory), *fresh]).state()}


def remember_booked(state: dict[str, Any], rows: Sequence[Payload], drafts: IdSet) -> Sequence[str]:
    """Notes the drafts that were listed though these invoices were made of them, and tells them."""
    booked = {text_of(row, "CreatedFromDraftId") for row in rows}
    still = sorted(guid for guid in booked if guid in drafts)
    if still:
        before = GuidList.of(state.get("booked") or {})
        state["booked"] = GuidList(dict.fromkeys([*before, *still])).state()
    return still
