"""Looking after doubt: what rows show now, and what became of rows that vanished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.salesforce.api import Row, SalesforceApi
from tieout.connectors.salesforce.errors import read_error, refusals
from tieout.connectors.salesforce.fields import extra_names
from tieout.connectors.salesforce.ids import id18, object_of, row_id, unique
from tieout.connectors.salesforce.reading import Reader
from tieout.connectors.salesforce.standing import Standings
from tieout.core.change import Doubt, Fate, FateKind, Sight
from tieout.core.model import Entity, ExternalRef, Record
from tieout.ports import Clock, Selection

_MOST_MERGES = 10


class Looker:
    """One look for each doubt, and the fate of each ref."""

    def __init__(
        self, name: str, api: SalesforceApi, reader: Reader, standings: Standings, clock: Clock
    ) -> None:
        self._name = name
        self._api = api
        self._reader = reader
        self._standings = standings
        self._clock = clock

    async def find(self, doubts: Sequence[Doubt]) -> list[Sight]:
        """See `ports.Connector.find_by_key`. A row's own id is its key: we create none."""
        started = self._clock.steady()
        read: dict[tuple[Entity, str], Record | None] = {}
        for entity in (Entity.STANDING, Entity.CUSTOMER, Entity.DEAL):
            mine = [doubt for doubt in doubts if doubt.entity is entity and _target(doubt)]
            refs = [ExternalRef(self._name, entity.value, _target(doubt)) for doubt in mine]
            if refs:
                found = await self._read(entity, refs, mine)
                read.update(
                    {(entity, ref.id): record for ref, record in zip(refs, found, strict=True)}
                )
        now = self._api.vendor_time or self._clock.now()
        began = self._began(now, started)
        return [self._sight(doubt, read, began, now) for doubt in doubts]

    async def _read(
        self, entity: Entity, refs: Sequence[ExternalRef], doubts: Sequence[Doubt]
    ) -> Sequence[Record | None]:
        if entity is Entity.STANDING:
            return await self._standings.get(refs)
        extra = extra_names([_body(body) for doubt in doubts for body in doubt.bodies])
        return await self._reader.get(refs, Selection(entity=entity, extra=extra))

    def _began(self, now: datetime, started: int) -> datetime:
        """By the server's clock: its last answer less the time since we began, a second spare."""
        elapsed = timedelta(milliseconds=self._clock.steady() - started)
        return now - elapsed - timedelta(seconds=1)

    def _sight(
        self,
        doubt: Doubt,
        read: Mapping[tuple[Entity, str], Record | None],
        began: datetime,
        now: datetime,
    ) -> Sight:
        target = _target(doubt)
        record = read.get((doubt.entity, target)) if target else None
        return Sight(
            key=doubt.key,
            began_at=began,
            vendor_time=now,
            target=record,
            target_gone=bool(target) and record is None,
            complete=bool(target),
        )

    async def trace(self, refs: Sequence[ExternalRef]) -> list[Fate]:
        """See `ports.Connector.trace`."""
        rows = await self._bin([found for ref in refs if (found := row_id(ref.id))])
        return [await self._fate(ref, rows) for ref in refs]

    async def _bin(self, ids: Sequence[str]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        by_object: dict[str, list[str]] = {}
        for record_id in unique(ids):
            name = object_of(record_id)
            if name is not None:
                by_object.setdefault(name, []).append(record_id)
        for name, mine in by_object.items():
            found.update(await self._reader.bin_rows(name, mine))
        return found

    async def _fate(self, ref: ExternalRef, rows: Mapping[str, Row]) -> Fate:
        record_id = row_id(ref.id)
        name = object_of(record_id) if record_id else None
        if name is None or record_id is None:
            return Fate(ref=ref, kind=FateKind.CANNOT_TELL)
        row = rows.get(record_id)
        if row is None:
            return Fate(ref=ref, kind=await self._unseen(name, record_id))
        if not row.get("IsDeleted"):
            return Fate(ref=ref, kind=FateKind.PRESENT, record=await self._record(ref))
        winner = await self._winner(row)
        if winner is None:
            return Fate(ref=ref, kind=FateKind.DELETED)
        into = ExternalRef(self._name, ref.entity, winner)
        return Fate(ref=ref, kind=FateKind.MERGED, into=into, record=await self._record(into))

    async def _unseen(self, name: str, record_id: str) -> FateKind:
        """A row that no query shows: deleted for good, or only hidden from our user."""
        if await self._api.object(name) is None:
            return FateKind.CANNOT_TELL
        response = await self._api.row(name, record_id)
        if response.status == 200:
            return FateKind.PRESENT
        codes = {refusal.code for refusal in refusals(response.body)}
        if response.status == 404 and "ENTITY_IS_DELETED" in codes:
            return FateKind.DELETED
        if response.status == 404:
            # A row that was purged and one that is hidden answer alike.
            return FateKind.CANNOT_TELL
        raise read_error(response)

    async def _winner(self, row: Row) -> str | None:
        """The row into which merges led in the end; a winner can have lost later."""
        winner: str | None = None
        for _ in range(_MOST_MERGES):
            master = row.get("MasterRecordId")
            if not master:
                break
            winner = id18(str(master))
            row = (await self._bin([winner])).get(winner) or {}
        return winner

    async def _record(self, ref: ExternalRef) -> Record | None:
        if ref.entity == Entity.STANDING.value:
            return (await self._standings.get([ref]))[0]
        return (await self._reader.get([ref], Selection(entity=Entity(ref.entity))))[0]


def _target(doubt: Doubt) -> str:
    """The row that a doubt is about, by its ref or by what was sent; '' where neither tells."""
    named = [doubt.target.id] if doubt.target else []
    named += [str(_body(body).get("Id") or "") for body in doubt.bodies]
    return next((found for text in named if (found := row_id(text))), "")


def _body(body: bytes) -> dict[str, Any]:
    try:
        found = loads(body) if body else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
