"""Deciding on what the CRM shows of the books: items to quote with, invoices of its customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tieout.core.case import Decision, PublishedCase, Seen, SlotState, Verdict
from tieout.core.decide_published import INVOICE_FIELDS, ITEM_FIELDS, decide_published
from tieout.core.keys import KeyKind, Slot
from tieout.core.model import Document, Entity, ExternalRef, Item, Record
from tieout.core.policy import BooksPolicy, InvoicePolicy, ItemPolicy
from tieout.core.scope import record_scope
from tieout.core.status import Status
from tieout.engine.context import Engine
from tieout.engine.facts import standing_of
from tieout.engine.places import published_slot
from tieout.engine.triggers import holds
from tieout.storing import NumberTaken


async def decide_items(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    """What the CRM should show of each of these items of the books."""
    policy = engine.policy.items
    sources = await engine.store.mirror(book.connection, Entity.ITEM, ids)
    wanted = {
        key: _wanted_item(engine, policy, seen)
        for key, seen in sources.items()
        if isinstance(seen.record, Item)
    }
    cases = await _cases(engine, book, KeyKind.ITEM, Entity.ITEM, wanted)
    fields = ITEM_FIELDS | {"cost"} if policy.cost else ITEM_FIELDS
    return [
        decide_published(cases[key], lane, Entity.ITEM, fields, policy.mode)
        if key in cases
        else _not_there(lane, key)
        for key in ids
    ]


def _wanted_item(
    engine: Engine, policy: ItemPolicy, seen: Seen
) -> tuple[Item | None, str, str, bool]:
    """The item, why it is not shown, what it waits for, and whether the books still sell it."""
    item = seen.record
    assert isinstance(item, Item)
    active = item.active and not seen.gone
    shown = Item(
        number=item.number,
        name=item.name,
        unit=item.unit,
        price=item.price,
        cost=item.cost if policy.cost else None,
        active=active,
    )
    if policy.when is not None and not holds(policy.when, {"item": record_scope(item) or {}}):
        # One that was shown before stays there, out of use.
        return replace(shown, active=False), "left_out_by_rule", "", False
    if not item.number:
        return None, "no_number", "", False
    return shown, "", "", active


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
    cases = await _cases(engine, book, KeyKind.INVOICE, Entity.DOCUMENT, wanted)
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
) -> tuple[Document | None, str, str, bool]:
    document = seen.record
    assert isinstance(document, Document)
    gone = seen.gone or document.voided
    if not document.booked:
        return None, "not_booked", "", False
    if policy.since and document.issue_date and document.issue_date < policy.since:
        return None, "before_first_day", "", False
    if document.customer is None:
        return None, "no_customer", "", False
    account = accounts.get(document.customer.id)
    if account is None:
        return None, "customer_not_linked", f"customer:{document.customer.id}", False
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
    return shown, "", "", not gone


async def _cases(
    engine: Engine,
    book: BooksPolicy,
    kind: KeyKind,
    entity: Entity,
    wanted: Mapping[str, tuple[Record | None, str, str, bool]],
) -> dict[str, PublishedCase]:
    crm = engine.policy.crm
    slots: dict[str, Slot] = {key: published_slot(engine, book, kind, key) for key in wanted}
    states = await engine.store.slots(list(slots.values()))
    mine = {key: states[slots[key].key13] for key in wanted}
    linked = [state.current.ref.id for state in mine.values() if state.current is not None]
    targets = await engine.store.mirror(crm, entity, linked)
    # An item is known by its number; two companies may well have invoices of one number.
    loose = [
        number
        for key, (record, *_) in wanted.items()
        if kind is KeyKind.ITEM
        and mine[key].current is None
        and (number := getattr(record, "number", ""))
    ]
    taken = await engine.store.numbers_taken(crm, entity, sorted(set(loose)))
    return {
        key: _case(ExternalRef(book.connection, str(entity), key), found, mine[key], targets, taken)
        for key, found in wanted.items()
    }


def _case(
    source: ExternalRef,
    found: tuple[Record | None, str, str, bool],
    state: SlotState,
    targets: Mapping[str, Seen],
    taken: Mapping[str, Sequence[NumberTaken]],
) -> PublishedCase:
    record, reason, waits_for, active = found
    number = str(getattr(record, "number", "") or "")
    bearers = taken.get(number, ()) if state.current is None else ()
    if any(one.linked for one in bearers):
        # Another company's item with this number is shown: one product, not two.
        record, reason = None, "number_of_another_company"
    current = state.current
    return PublishedCase(
        source=source,
        number=number,
        title=str(getattr(record, "name", "") or ""),
        wanted=record,
        reason=reason,
        waits_for=waits_for,
        active=active,
        state=state,
        target=targets.get(current.ref.id) if current else None,
        candidates=tuple(one.record for one in bearers),
    )


def _not_there(lane: str, key: str) -> Decision:
    return Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="not_there")
