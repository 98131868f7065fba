"""Looking: is there a record that carries our key, and what became of one that vanished?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tieout.connectors.http.json import loads
from tieout.connectors.tryton import documents
from tieout.connectors.tryton.api import Domain, TrytonApi, everyone
from tieout.connectors.tryton.books import Books, BooksKeeper
from tieout.connectors.tryton.payments import MOVE_FIELDS, payment_of
from tieout.connectors.tryton.reading import INVOICE, ORDER, PARTY, Reader, model_of
from tieout.connectors.tryton.values import Payload, text_of
from tieout.core.change import Action, Doubt, Fate, FateKind, Hit, Sight
from tieout.core.keys import key_in, keys_in
from tieout.core.model import Document, Entity, ExternalRef, Payment, Record

_BEFORE = timedelta(seconds=60)


@dataclass(slots=True)
class _Found:
    """What a look found: whole keys with their records, by the key that was asked for."""

    hits: dict[str, list[Hit]] = field(default_factory=dict)

    def add(self, key: str, hit: Hit) -> None:
        self.hits.setdefault(key, []).append(hit)


class Looker:
    """Finds records by what they carry. All documents stand in one table: a look is one call."""

    def __init__(self, api: TrytonApi, keeper: BooksKeeper, reader: Reader) -> None:
        self._api = api
        self._keeper = keeper
        self._reader = reader

    async def find_by_key(self, doubts: Sequence[Doubt]) -> list[Sight]:
        """One look for each doubt, those of one kind together; see the port."""
        books = await self._keeper.get()
        targets = await self._targets(doubts)
        # The time of the first answer of this very look, and of the last one.
        began = self._api.now()
        found = _Found()
        creates = [d for d in doubts if d.action in (Action.CREATE, Action.CREDIT)]
        makers = {
            Entity.DOCUMENT: self._documents,
            Entity.CUSTOMER: self._customers,
            Entity.PAYMENT: self._payments,
        }
        for entity, look in makers.items():
            asked = [doubt for doubt in creates if doubt.entity is entity]
            if asked:
                await look(asked, books, found)
        sights = []
        for doubt in doubts:
            hits = list(found.hits.get(doubt.key, ()))
            near: list[Record] = []
            fate = targets.get(doubt.target) if doubt.target is not None else None
            if fate is not None and fate.kind is FateKind.BECAME and fate.record is not None:
                hits.append(Hit(key=doubt.key, record=fate.record))
            if not hits and doubt.entity is Entity.DOCUMENT and doubt in creates:
                near = await self._near(doubt, ORDER if _is_order(doubt) else INVOICE)
                if self._may_be_order(doubt, books):
                    near += await self._near(doubt, ORDER)
            sights.append((doubt, fate, hits, near))
        now = self._api.now()
        return [
            Sight(
                key=doubt.key,
                began_at=began,
                vendor_time=max(now, began),
                hits=tuple(hits),
                near=tuple(near),
                target=fate.record if fate and fate.kind is FateKind.PRESENT else None,
                target_gone=fate is not None and fate.kind is not FateKind.PRESENT,
                complete=True,
            )
            for doubt, fate, hits, near in sights
        ]

    async def trace(self, refs: Sequence[ExternalRef]) -> list[Fate]:
        """What became of records: a draft that was posted keeps its id and is an invoice now."""
        by_model: dict[str, list[int]] = {}
        for ref in refs:
            by_model.setdefault(model_of(ref), []).append(documents.split_ref(ref)[1])
        records: dict[tuple[str, int], Record] = {}
        for model, numbers in by_model.items():
            rows = await self._reader.rows(model, numbers)
            made = await self._reader.records(list(rows.values()), model)
            for number, record in zip(rows, made, strict=True):
                records[model, number] = record
        return [self._fate(ref, records) for ref in refs]

    # --- inside ----------------------------------------------------------------------------------

    @staticmethod
    def _fate(ref: ExternalRef, records: Mapping[tuple[str, int], Record]) -> Fate:
        record = records.get((model_of(ref), documents.split_ref(ref)[1]))
        if record is None:
            return Fate(ref=ref, kind=FateKind.DELETED)
        now = getattr(record, "ref", None)
        merged = getattr(record, "merged_into", None)
        if merged is not None:
            return Fate(ref=ref, kind=FateKind.MERGED, into=merged, record=record)
        if now != ref:
            return Fate(ref=ref, kind=FateKind.BECAME, into=now, record=record)
        return Fate(ref=ref, kind=FateKind.PRESENT, record=record)

    async def _targets(self, doubts: Sequence[Doubt]) -> dict[ExternalRef | None, Fate]:
        refs = [d.target for d in doubts if d.target is not None and d.entity is not Entity.PAYMENT]
        if not refs:
            # The server's time is wanted in any case.
            await self._api.call("model.ir.model.search_count", [["id", "=", 0]], 0, None)
            return {}
        unique = list(dict.fromkeys(refs))
        return dict(zip(unique, await self.trace(unique), strict=True))

    async def _documents(self, doubts: Sequence[Doubt], books: Books, found: _Found) -> None:
        orders = [doubt for doubt in doubts if _is_order(doubt)]
        # Nobody knows any more what was sent, as after a restore: it may be either.
        unknown = [d for d in doubts if self._may_be_order(d, books)]
        for asked in (orders, unknown):
            if asked:
                await self._carriers(ORDER, asked, books, found)
        sure = [d for d in doubts if d not in orders and not found.hits.get(d.key)]
        if sure:
            await self._carriers(INVOICE, sure, books, found)

    def _may_be_order(self, doubt: Doubt, books: Books) -> bool:
        return self._api.settings.orders and books.has_sales and not any(doubt.bodies)

    async def _carriers(
        self, model: str, doubts: Sequence[Doubt], books: Books, found: _Found
    ) -> None:
        own = self._reader.orders() if model == ORDER else self._reader.invoices()
        clauses: Domain = []
        if books.has_key:
            clauses += [["tieout_key", "like", f"{d.key13}%"] for d in doubts]
        # Also what was sent before our module was there.
        clauses += [
            ["reference", "ilike", f"%{d.key13}%"]
            for d in doubts
            if not books.has_key or not _in_column(d)
        ]
        rows = await self._api.search(model, [*own, ["OR", *clauses]], ["id"])
        whole = await self._reader.rows(model, [int(row["id"]) for row in rows])
        for record in await self._reader.records(list(whole.values()), model):
            assert isinstance(record, Document)
            for doubt in doubts:
                key = key_in(record.carrier_text, doubt.key13)
                if key is not None:
                    found.add(doubt.key, Hit(key=key, record=record))

    async def _near(self, doubt: Doubt, model: str) -> list[Record]:
        """
        Documents of the customer without any key, made since the first send. Where nobody knows
        whose it would be, as after a restore, those of all customers.
        """
        parties = [int(ref.id) for ref in doubt.customers if ref.id.isdecimal()]
        domain = [
            *(self._reader.orders() if model == ORDER else self._reader.invoices()),
            *([["party", "in", parties]] if parties else []),
            ["create_date", ">=", doubt.first_sent_at - _BEFORE],
        ]
        rows = await self._api.search(model, domain, ["id"])
        whole = await self._reader.rows(model, [int(row["id"]) for row in rows])
        records = await self._reader.records(list(whole.values()), model)
        credit = doubt.action is Action.CREDIT
        return [
            record
            for record in records
            if isinstance(record, Document)
            and not keys_in(record.carrier_text)
            and (record.totals is None or (record.totals.gross < 0) is credit)
        ]

    async def _customers(self, doubts: Sequence[Doubt], books: Books, found: _Found) -> None:
        """
        By our column; without it by the codes that were drawn, where the name is ours too: anybody
        else's customer under that code is no hit. Inactive ones count.
        """
        by_code = [d for d in doubts if not books.has_key or not _in_column(d)]
        names = {doubt.key: _sent_codes(doubt) for doubt in by_code}
        codes = sorted({code for told in names.values() for code in told})
        clauses: Domain = [["code", "in", codes]] if codes else []
        if books.has_key:
            clauses += [["tieout_key", "like", f"{d.key13}%"] for d in doubts]
        if not clauses:
            return
        # A list of alternatives that does not itself name `active` finds active ones only.
        either = ["OR", *clauses, ["active", "in", []]]
        rows = await self._api.search(PARTY, [*everyone(PARTY), either], ["id"])
        whole = await self._reader.rows(PARTY, [int(row["id"]) for row in rows])
        records = await self._reader.records(list(whole.values()), PARTY)
        for row, record in zip(whole.values(), records, strict=True):
            for doubt in doubts:
                key = key_in(text_of(row, "tieout_key"), doubt.key13)
                if key is not None:
                    found.add(doubt.key, Hit(key=key, record=record))
                    continue
                told = names.get(doubt.key, {}).get(text_of(row, "code"))
                if told is not None and told in ("", text_of(row, "name").casefold()):
                    found.add(doubt.key, Hit(key=doubt.key, record=record))

    async def _payments(self, doubts: Sequence[Doubt], books: Books, found: _Found) -> None:
        clauses = [["description", "ilike", f"%{doubt.key13}%"] for doubt in doubts]
        domain: Domain = [["company", "=", books.company], ["OR", *clauses]]
        for row in await self._api.search("account.move", domain, MOVE_FIELDS):
            made: Payment = payment_of(row, books)
            for doubt in doubts:
                key = key_in(text_of(row, "description"), doubt.key13)
                if key is not None:
                    found.add(doubt.key, Hit(key=key, record=made))


def _in_column(doubt: Doubt) -> bool:
    """Whether all that was sent for it carried the key in our column."""
    return bool(doubt.bodies) and all(b'"tieout_key"' in body for body in doubt.bodies)


def _is_order(doubt: Doubt) -> bool:
    return any(b'"method":"model.sale.sale.' in body for body in doubt.bodies)


def _sent_codes(doubt: Doubt) -> dict[str, str]:
    """Codes that were sent for a customer, with the name that went with each."""
    found: dict[str, str] = {}
    number = doubt.witness.get("number", "")
    if number:
        found[number] = ""
    for body in doubt.bodies:
        for values in _created(body):
            if doubt.witness.get("number") in (None, "", values.get("code")):
                found[str(values.get("code"))] = str(values.get("name", "")).casefold()
    return found


def _created(body: bytes) -> list[Payload]:
    try:
        params = loads(body)["params"]
    except (ValueError, KeyError, TypeError):
        return []
    rows = params[0] if params and isinstance(params[0], list) else []
    return [row for row in rows if isinstance(row, dict)]
