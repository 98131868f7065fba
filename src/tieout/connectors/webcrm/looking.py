"""Looking after doubt: what records show now, and what became of records that vanished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tieout.connectors.http.json import loads
from tieout.connectors.webcrm.api import WebcrmApi
from tieout.connectors.webcrm.ids import DEAL, number_of
from tieout.connectors.webcrm.reading import Reader
from tieout.connectors.webcrm.standing import Standings
from tieout.core.change import Doubt, Fate, FateKind, Sight
from tieout.core.model import Deal, Entity, ExternalRef, Record
from tieout.ports import Clock, Selection


class Looker:
    """One look for each doubt, and the fate of each ref."""

    def __init__(
        self, name: str, api: WebcrmApi, reader: Reader, standings: Standings, clock: Clock
    ) -> None:
        self._name = name
        self._api = api
        self._reader = reader
        self._standings = standings
        self._clock = clock

    async def find(self, doubts: Sequence[Doubt]) -> list[Sight]:
        """See `ports.Connector.find_by_key`. A record's own id is its key: we create none."""
        started = self._clock.steady()
        read: dict[ExternalRef, Record | None] = {}
        for entity in (Entity.STANDING, Entity.CUSTOMER, Entity.DEAL):
            mine = [doubt for doubt in doubts if doubt.entity is entity]
            refs = [doubt.target for doubt in mine if doubt.target is not None]
            if not refs:
                continue
            if entity is Entity.STANDING:
                found: Sequence[Record | None] = await self._standings.get(refs)
            else:
                extra = tuple(dict.fromkeys(n for doubt in mine for n in _names(doubt)))
                found = await self._reader.get(refs, Selection(entity=entity, extra=extra))
            read.update(zip(refs, found, strict=True))
        now = self._api.vendor_time or self._clock.now()
        # By the server's clock: its last answer less the time since we began, a second spare.
        elapsed = timedelta(milliseconds=self._clock.steady() - started)
        began = now - elapsed - timedelta(seconds=1)
        return [_sight(doubt, read, began, now) for doubt in doubts]

    async def trace(self, refs: Sequence[ExternalRef]) -> list[Fate]:
        """
        See `ports.Connector.trace`. Deletions leave no trace, and so do merges: what is not
        there was deleted or merged, nobody can tell which.
        """
        found: list[Fate] = []
        for entity in dict.fromkeys(ref.entity for ref in refs):
            mine = [ref for ref in refs if ref.entity == entity]
            if entity == Entity.STANDING.value:
                shown: Sequence[Record | None] = await self._standings.get(mine)
            else:
                shown = await self._reader.get(mine, Selection(entity=Entity(entity)))
            found += [_fate(ref, record) for ref, record in zip(mine, shown, strict=True)]
        by_ref = {fate.ref: fate for fate in found}
        return [by_ref[ref] for ref in refs]


def _fate(ref: ExternalRef, record: Record | None) -> Fate:
    if record is None:
        return Fate(ref=ref, kind=FateKind.CANNOT_TELL)
    became = isinstance(record, Deal) and bool(record.came_from)
    if became and number_of(ref.id, DEAL):
        # The deal goes on under another number of webCRM's, and keeps the one that it has with us.
        return Fate(ref=ref, kind=FateKind.PRESENT, into=record.ref, record=record)
    return Fate(ref=ref, kind=FateKind.PRESENT, record=record)


def _names(doubt: Doubt) -> list[str]:
    """The fields that were sent, ids left out."""
    found: list[str] = []
    for body in doubt.bodies:
        try:
            sent = loads(body) if body else {}
        except ValueError:
            continue
        if isinstance(sent, Mapping):
            found += [name for name in sent if not name.endswith("Id") or name.endswith("ErpId")]
    return found


def _sight(
    doubt: Doubt, read: Mapping[ExternalRef, Record | None], began: datetime, now: datetime
) -> Sight:
    record = read.get(doubt.target) if doubt.target is not None else None
    return Sight(
        key=doubt.key,
        began_at=began,
        vendor_time=now,
        target=record,
        target_gone=doubt.target is not None and record is None,
        complete=doubt.target is not None,
    )
