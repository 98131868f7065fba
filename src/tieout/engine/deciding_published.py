"""Deciding on what the CRM shows of the books: items to quote with, invoices of its customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from tieout.core.case import Decision, PublishedCase, Seen, SlotState, Verdict
from tieout.core.compose_item import item_fields, own_fields, told_of_item
from tieout.core.decide_published import INVOICE_FIELDS, decide_published
from tieout.core.finding import Finding
from tieout.core.keys import KeyKind
from tieout.core.model import Document, Entity, ExternalRef, Item, Price, Record
from tieout.core.policy import BooksPolicy, InvoicePolicy
from tieout.core.pricing import shown_prices, with_list_price
from tieout.core.scope import record_scope
from tieout.core.status import Status
from tieout.engine.context import Engine
from tieout.engine.facts import standing_of
from tieout.engine.places import published_slot
from tieout.engine.triggers import holds
from tieout.storing import NumberTaken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the CRM should show of a record of the books; see `core.case.PublishedCase`."""

    record: Record | None
    reason: str = ""
    waits_for: str = ""
    active: bool = True
    told: tuple[str, str] = ("", "")
    found: tuple[Finding, ...] = ()
    not_before: datetime | None = None


async def decide_items(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    """What the CRM should show of each of these items of the books."""
    policy = engine.policy.items
    sources = await engine.store.mirror(book.connection, Entity.ITEM, ids)
    items = {key: seen for key, seen in sources.items() if isinstance(seen.record, Item)}
    places = await _places(engine, book, KeyKind.ITEM, Entity.ITEM, list(items))
    numbers = {
        key: item.number for key, seen in items.items() if isinstance(item := seen.record, Item)
    }
    prices = await engine.store.prices_of(book.connection, numbers) if policy.prices else {}
    quoted = await _quoted(engine, items, places)
    wanted = {
        key: _wanted_item(
            engine, book, seen, prices.get(key, ()), places.shown(key), quoted.get(key, ())
        )
        for key, seen in items.items()
    }
    cases = await _cases(engine, book, KeyKind.ITEM, Entity.ITEM, wanted, places)
    fields = item_fields(policy)
    return [
        decide_published(cases[key], lane, Entity.ITEM, fields, policy.mode)
        if key in cases
        else _not_there(lane, key)
        for key in ids
    ]


def _wanted_item(
    engine: Engine,
    book: BooksPolicy,
    seen: Seen,
    prices: Sequence[Price],
    target: Record | None,
    quoted: Sequence[str],
) -> _Wish:
    """The item, why it is not shown, what it waits for, and whether the books still sell it."""
    policy, item = engine.policy.items, seen.record
    assert isinstance(item, Item)
    active = item.active and not seen.gone
    today = engine.today(book.connection)
    shows = target.prices if isinstance(target, Item) else ()
    listed = shown_prices(item, prices, policy.prices, today, book.base_currency, shows)
    findings: list[Finding] = []
    shown = Item(
        number=item.number,
        name=item.name,
        unit=item.unit,
        price=listed.price,
        cost=item.cost if policy.cost else None,
        currency=item.currency or book.base_currency,
        prices=listed.prices,
        active=active,
        extra=own_fields(replace(item, active=active), policy.fields, findings),
    )
    if policy.when is not None and not holds(policy.when, {"item": record_scope(item) or {}}):
        # One that was shown before stays there, out of use.
        return _Wish(record=replace(shown, active=False), reason="left_out_by_rule", active=False)
    if not item.number:
        return _Wish(record=None, reason="no_number", active=False)
    return _Wish(
        record=shown,
        active=active,
        told=told_of_item(item.number, listed, active=active, gone=seen.gone, quoted=quoted),
        found=tuple(findings) if active else (),
        not_before=_midnight(book, listed.until),
    )


def _midnight(book: BooksPolicy, day: date | None) -> datetime | None:
    """When that day begins in the time zone of the books."""
    if day is None:
        return None
    return datetime.combine(day, time(), ZoneInfo(book.time_zone)).astimezone(UTC)


async def _quoted(
    engine: Engine, items: Mapping[str, Seen], places: _Places
) -> dict[str, Sequence[str]]:
    """The open deals in which items stand that the books deleted, by item."""
    gone = {
        key: shown
        for key, seen in items.items()
        if seen.gone and isinstance(shown := places.shown(key), Item)
    }
    numbers = sorted({item.number for item in gone.values() if item.number})
    if not numbers:
        return {}
    deals = await engine.store.open_deals_with(engine.policy.crm, numbers)
    return {key: deals.get(item.number, ()) for key, item in gone.items()}


async def decide_invoices(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    """What the CRM should show of each of these documents: those of its customers, once booked."""
    policy = engine.policy.invoices
    sources = await engine.store.mirror(book.connection, Entity.DOCUMENT, ids)
    documents = {key: seen for key, seen in sources.items() if isinstance(seen.record, Document)}
    customers = sorted(
        {
            document.customer.id
            for seen in documents.values()
            if isinstance(document := seen.record, Document) and document.customer is not None
        }
    )
    accounts = await engine.store.sources_of(book.connection, Entity.CUSTOMER, customers)
    deals = await engine.store.sources_of(book.connection, Entity.DOCUMENT, list(documents))
    wanted = {
        key: _wanted_invoice(engine, policy, seen, accounts, deals.get(key, ""))
        for key, seen in documents.items()
    }
    places = await _places(engine, book, KeyKind.INVOICE, Entity.DOCUMENT, list(documents))
    cases = await _cases(engine, book, KeyKind.INVOICE, Entity.DOCUMENT, wanted, places)
    fields = INVOICE_FIELDS if policy.lines else INVOICE_FIELDS - {"lines"}
    return [
        decide_published(cases[key], lane, Entity.DOCUMENT, fields, policy.mode)
        if key in cases
        else _not_there(lane, key)
        for key in ids
    ]


def _wanted_invoice(
    engine: Engine,
    policy: InvoicePolicy,
    seen: Seen,
    accounts: Mapping[str, str],
    deal: str,
) -> _Wish:
    document = seen.record
    assert isinstance(document, Document)
    gone = seen.gone or document.voided
    if not document.booked:
        return _Wish(record=None, reason="not_booked", active=False)
    if policy.since and document.issue_date and document.issue_date < policy.since:
        return _Wish(record=None, reason="before_first_day", active=False)
    if document.customer is None:
        return _Wish(record=None, reason="no_customer", active=False)
    account = accounts.get(document.customer.id)
    if account is None:
        return _Wish(
            record=None,
            reason="customer_not_linked",
            waits_for=f"customer:{document.customer.id}",
            active=False,
        )
    status = str(Status.CANCELLED if gone else standing_of(document).status)
    shown = Document(
        kind=document.kind,
        number=document.number,
        raw_status=document.raw_status,
        booked=document.booked,
        customer=ExternalRef(engine.policy.crm, "customer", account),
        issue_date=document.issue_date,
        due_date=document.due_date,
        currency=document.currency,
        totals=document.totals,
        paid=document.paid,
        credited=document.credited,
        sale=document.sale,
        lines=tuple(replace(line, ref=None, extra={}) for line in document.lines)
        if policy.lines
        else (),
        last_payment_on=document.last_payment_on,
        url=document.url,
        extra={"status": status, "deal": deal},
    )
    # A voided one that the CRM never showed is not made there to say so.
    return _Wish(record=shown, active=not gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """The slots of records of the books in the CRM, and what those show that have a record."""

    states: Mapping[str, SlotState]
    targets: Mapping[str, Seen]

    def target(self, key: str) -> Seen | None:
        """What the CRM shows of it now; None where it shows nothing yet."""
        current = self.states[key].current
        return self.targets.get(current.ref.id) if current is not None else None

    def shown(self, key: str) -> Record | None:
        """The same as a record."""
        seen = self.target(key)
        return seen.record if seen is not None else None


async def _places(
    engine: Engine, book: BooksPolicy, kind: KeyKind, entity: Entity, ids: Sequence[str]
) -> _Places:
    slots = {key: published_slot(engine, book, kind, key) for key in ids}
    states = await engine.store.slots(list(slots.values()))
    mine = {key: states[slots[key].key13] for key in ids}
    linked = [state.current.ref.id for state in mine.values() if state.current is not None]
    targets = await engine.store.mirror(engine.policy.crm, entity, linked)
    return _Places(
        states=mine,
        targets={
            key: replace(seen, record=with_list_price(item, book.base_currency))
            if isinstance(item := seen.record, Item)
            else seen
            for key, seen in targets.items()
        },
    )


async def _cases(
    engine: Engine,
    book: BooksPolicy,
    kind: KeyKind,
    entity: Entity,
    wanted: Mapping[str, _Wish],
    places: _Places,
) -> dict[str, PublishedCase]:
    # An item is known by its number; two companies may well have invoices of one number.
    loose = [
        number
        for key, wish in wanted.items()
        if kind is KeyKind.ITEM
        and places.states[key].current is None
        and (number := getattr(wish.record, "number", ""))
    ]
    crm = engine.policy.crm
    taken = await engine.store.numbers_taken(crm, entity, sorted(set(loose)))
    return {
        key: _case(ExternalRef(book.connection, str(entity), key), wish, places, taken)
        for key, wish in wanted.items()
    }


def _case(
    source: ExternalRef,
    wish: _Wish,
    places: _Places,
    taken: Mapping[str, Sequence[NumberTaken]],
) -> PublishedCase:
    record, reason = wish.record, wish.reason
    state = places.states[source.id]
    number = str(getattr(record, "number", "") or "")
    bearers = taken.get(number, ()) if state.current is None else ()
    if any(one.linked for one in bearers):
        # Another company's item with this number is shown: one product, not two.
        record, reason = None, "number_of_another_company"
    return PublishedCase(
        source=source,
        number=number,
        title=str(getattr(wish.record, "name", "") or ""),
        wanted=record,
        reason=reason,
        waits_for=wish.waits_for,
        active=wish.active,
        state=state,
        target=places.target(source.id),
        candidates=tuple(one.record for one in bearers),
        told=wish.told,
        found=wish.found,
        not_before=wish.not_before,
    )


def _not_there(lane: str, key: str) -> Decision:
    return Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="not_there")
