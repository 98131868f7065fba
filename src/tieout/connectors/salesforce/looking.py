"""Looking after doubt: what rows show now, and what became of rows that vanished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.salesforce.api import Row, SalesforceApi
from tieout.connectors.salesforce.cells import text_of
from tieout.connectors.salesforce.contacts import ContactWriter
from tieout.connectors.salesforce.errors import read_error, refusals
from tieout.connectors.salesforce.fields import extra_names
from tieout.connectors.salesforce.ids import id18, object_of, row_id, unique
from tieout.connectors.salesforce.invoices import INVOICE
from tieout.connectors.salesforce.publishing import PUBLISHED, key_field
from tieout.connectors.salesforce.reading import Reader
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.standing import Standings
from tieout.core.change import Action, Doubt, Fate, FateKind, Hit, Sight
from tieout.core.keys import key_in
from tieout.core.model import Entity, ExternalRef, Record
from tieout.ports import Clock, Selection

_MOST_MERGES = 10


class Looker:
    """One look for each doubt, and the fate of each ref."""

    def __init__(
        self,
        name: str,
        api: SalesforceApi,
        reader: Reader,
        standings: Standings,
        contacts: ContactWriter,
        settings: SalesforceSettings,
        clock: Clock,
    ) -> None:
        self._name = name
        self._api = api
        self._reader = reader
        self._standings = standings
        self._contacts = contacts
        self._settings = settings
        self._clock = clock

    async def find(self, doubts: Sequence[Doubt]) -> list[Sight]:
        """
        See `ports.Connector.find_by_key`. The key of an item or invoice stands in its row; of all
        others the row's own id is the key, since we create none.
        """
        started = self._clock.steady()
        read: dict[tuple[Entity, str], Record | None] = {}
        for entity in (Entity.STANDING, Entity.CUSTOMER, Entity.CONTACT, Entity.DEAL, *PUBLISHED):
            mine = [doubt for doubt in doubts if doubt.entity is entity and _target(doubt)]
            refs = [ExternalRef(self._name, entity.value, _target(doubt)) for doubt in mine]
            if refs:
                found = await self._read(entity, refs, mine)
                read.update(
                    {(entity, ref.id): record for ref, record in zip(refs, found, strict=True)}
                )
        carriers = await self._carriers(doubts)
        now = self._api.vendor_time or self._clock.now()
        began = self._began(now, started)
        sights = [self._sight(doubt, read, began, now) for doubt in doubts]
        return [
            replace(
                sight,
                hits=tuple(hit for gone, hit in carriers[doubt.key] if not gone),
                deleted=tuple(hit for gone, hit in carriers[doubt.key] if gone),
                complete=True,
            )
            if doubt.key in carriers
            else sight
            for doubt, sight in zip(doubts, sights, strict=True)
        ]

    async def _carriers(self, doubts: Sequence[Doubt]) -> dict[str, list[tuple[bool, Hit]]]:
        """
        Of items and invoices the rows that carry a key of the slot, and whether deleted; of new
        persons those with their address.
        """
        persons = [
            doubt
            for doubt in doubts
            if doubt.entity is Entity.CONTACT and doubt.action is Action.CREATE
        ]
        found = await self._contacts.look(self._name, persons)
        for entity in PUBLISHED:
            mine = [doubt for doubt in doubts if doubt.entity is entity]
            field = key_field(entity, self._settings)
            keys = list(dict.fromkeys(doubt.key13 for doubt in mine))
            rows = await self._reader.with_keys(entity, field, keys) if keys else []
            for doubt in mine:
                found[doubt.key] = [
                    (bool(row.get("IsDeleted")), Hit(key=key, record=record))
                    for row, record in rows
                    if (key := key_in(text_of(row, field), doubt.key13)) is not None
                ]
        return found

    async def _read(
        self, entity: Entity, refs: Sequence[ExternalRef], doubts: Sequence[Doubt]
    ) -> Sequence[Record | None]:
        if entity is Entity.STANDING:
            return await self._standings.get(refs)
        whole = entity in PUBLISHED or entity is Entity.CONTACT
        bodies = [] if whole else [b for doubt in doubts for b in doubt.bodies]
        extra = extra_names([_body(body) for body in bodies])
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
        rows = await self._bin(refs)
        return [await self._fate(ref, rows) for ref in refs]

    async def _bin(self, refs: Sequence[ExternalRef]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        by_object: dict[str, list[str]] = {}
        for ref in refs:
            record_id, name = row_id(ref.id), self._object(ref)
            if name is not None and record_id is not None:
                by_object.setdefault(name, []).append(record_id)
        for name, mine in by_object.items():
            found.update(await self._reader.bin_rows(name, unique(mine)))
        return found

    def _object(self, ref: ExternalRef) -> str | None:
        """The object of a row. Which ids the package's rows have, each org decides."""
        if ref.entity == Entity.DOCUMENT.value:
            return self._settings.ours(INVOICE)
        record_id = row_id(ref.id)
        return object_of(record_id) if record_id else None

    async def _fate(self, ref: ExternalRef, rows: Mapping[str, Row]) -> Fate:
        record_id = row_id(ref.id)
        name = self._object(ref)
        if name is None or record_id is None:
            return Fate(ref=ref, kind=FateKind.CANNOT_TELL)
        row = rows.get(record_id)
        if row is None:
            return Fate(ref=ref, kind=await self._unseen(name, record_id))
        if not row.get("IsDeleted"):
            return Fate(ref=ref, kind=FateKind.PRESENT, record=await self._record(ref))
        winner = await self._winner(ref, row)
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

    async def _winner(self, ref: ExternalRef, row: Row) -> str | None:
        """The row into which merges led in the end; a winner can have lost later."""
        winner: str | None = None
        for _ in range(_MOST_MERGES):
            master = row.get("MasterRecordId")
            if not master:
                break
            winner = id18(str(master))
            row = (await self._bin([replace(ref, id=winner)])).get(winner) or {}
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
