"""Deciding on standings: what deals and customers of the CRM should show of the books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from tieout.core.case import (
    Decision,
    RefRole,
    SlotState,
    StandingCase,
    Verdict,
)
from tieout.core.decide_standing import decide_standing
from tieout.core.keys import KeyKind
from tieout.core.model import (
    Customer,
    Deal,
    Document,
    Entity,
    ExternalRef,
    Record,
)
from tieout.core.policy import BooksPolicy
from tieout.engine.context import BREATH, Engine
from tieout.engine.places import customer_slot, standing_slot
from tieout.engine.standing import customer_standing, deal_standing, turns_late


async def decide_standings(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str], size: int
) -> AsyncGenerator[tuple[Sequence[str], list[Decision]], None]:
    """What each deal should show, from all documents of all its steps, so many at a time."""
    by_source = await engine.store.slots_of_sources(engine.bridge, str(KeyKind.DOCUMENT), ids)
    refs = [
        slot_ref.ref.id
        for states in by_source.values()
        for state in states
        for slot_ref in state.refs
        if slot_ref.role in (RefRole.CURRENT, RefRole.FORMER)
    ]
    documents = await engine.store.mirror(book.connection, Entity.DOCUMENT, refs)
    grown = _documents(await engine.store.grown_from(book.connection, refs))
    invoiced = [one.ref.id for found in grown.values() for one in found if one.ref is not None]
    credits = _documents(await engine.store.credit_notes(book.connection, [*refs, *invoiced]))
    slots = {key: standing_slot(engine, book, key) for key in ids}
    states = await engine.store.slots(list(slots.values()))
    deals = await engine.store.mirror(engine.policy.crm, Entity.DEAL, ids)

    def decided(key: str) -> Decision:
        deal, linked = deals.get(key), by_source.get(key, [])
        if deal is None or deal.gone:
            return Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="deal_deleted")
        if _of_another_company(linked, book):
            return Decision(
                lane=lane, source_id=key, verdict=Verdict.SKIP, reason="shown_by_another_company"
            )
        ref = ExternalRef(engine.policy.crm, "standing", key)
        wanted = deal_standing(
            ref,
            linked,
            documents,
            credits,
            grown,
            today=engine.today(book.connection),
            last_day=lambda due: engine.enrich.last_day(due, book.seller),
        )
        case = StandingCase(ref=ref, of="deal", wanted=wanted, state=states[slots[key].key13])
        live = [
            documents[state.current.ref.id].record
            for state in linked
            if state.current is not None and state.current.ref.id in documents
        ]
        live += [one for record in live if record.ref for one in grown.get(record.ref.id, ())]
        decision = replace(
            decide_standing(case, lane, engine.policy.status.mode),
            source_id=key,
            number=deal.record.number if isinstance(deal.record, Deal) else "",
            title=deal.record.title if isinstance(deal.record, Deal) else "",
        )
        return _until_late(engine, book, decision, live)

    for start in range(0, len(ids), size):
        part = ids[start : start + size]
        decisions = []
        for number, key in enumerate(part):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            decisions.append(decided(key))
        yield part, decisions


def _documents(records: Mapping[str, Sequence[Record]]) -> dict[str, list[Document]]:
    return {
        key: [one for one in found if isinstance(one, Document)] for key, found in records.items()
    }


def _of_another_company(slots: Sequence[SlotState], book: BooksPolicy) -> bool:
    """Whether the deal went over to another company, whose document is what it shows."""
    owners = {state.current.ref.connection for state in slots if state.current is not None}
    return bool(owners) and book.connection not in owners


async def decide_balances(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    """
    What each customer should show: its number in the books, open and overdue amounts.

    One that is linked in the books of several companies shows the sum of what it owes them in its
    currency; the first of them decides.
    """
    sources = await engine.store.mirror(engine.policy.crm, Entity.CUSTOMER, ids)
    accounts = [await _accounts(engine, one, ids) for one in engine.policy.books]
    slots = {key: standing_slot(engine, book, key) for key in ids}
    states = await engine.store.slots(list(slots.values()))
    mode = engine.policy.status.mode
    decisions = []
    for key in ids:
        seen = sources.get(key)
        linked = [found[key] for found in accounts if key in found]
        if seen is None or seen.gone or not linked:
            decisions.append(
                Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="not_linked")
            )
            continue
        if linked[0].connection != book.connection:
            decisions.append(
                Decision(
                    lane=lane,
                    source_id=key,
                    verdict=Verdict.SKIP,
                    reason="shown_by_another_company",
                )
            )
            continue
        ref = ExternalRef(engine.policy.crm, "standing", key)
        documents = [document for account in linked for document in account.documents]
        wanted = customer_standing(
            ref,
            linked[0].customer,
            documents,
            today=engine.today(book.connection),
            last_day=lambda due: engine.enrich.last_day(due, book.seller),
        )
        case = StandingCase(ref=ref, of="customer", wanted=wanted, state=states[slots[key].key13])
        decided = replace(
            decide_standing(case, lane, mode),
            source_id=key,
            title=seen.record.name if isinstance(seen.record, Customer) else "",
        )
        decisions.append(_until_late(engine, book, decided, documents))
    return decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """
    A customer of the CRM in the books of one company, with its open documents; and with those of
    the customers that accounts had there which were merged into it.
    """

    connection: str
    customer: Customer
    documents: tuple[Document, ...]


async def _accounts(engine: Engine, book: BooksPolicy, ids: Sequence[str]) -> dict[str, _Account]:
    """By CRM customer; those that are not linked in these books are left out."""
    slots = {key: customer_slot(engine, book, key) for key in ids}
    linked = await engine.store.slots(list(slots.values()))
    in_books = {
        key: state.current.ref.id
        for key in ids
        if (state := linked[slots[key].key13]).current is not None
    }
    records = await engine.store.mirror(book.connection, Entity.CUSTOMER, list(in_books.values()))
    merged = await engine.store.customers_of_merged_accounts(
        book.connection, [slots[key].key13 for key in in_books]
    )
    owing = {
        key: {own: None, **dict.fromkeys(merged.get(slots[key].key13, ()))}
        for key, own in in_books.items()
    }
    documents = await engine.store.documents_of_customers(
        book.connection, sorted({one for found in owing.values() for one in found})
    )
    found = {}
    for key, own in in_books.items():
        target = records.get(own)
        if target is None or not isinstance(target.record, Customer):
            continue
        found[key] = _Account(
            connection=book.connection,
            customer=target.record,
            documents=tuple(
                document
                for one in owing[key]
                for document in documents.get(one, ())
                if isinstance(document, Document)
            ),
        )
    return found


def _until_late(
    engine: Engine, book: BooksPolicy, decided: Decision, records: Sequence[Record]
) -> Decision:
    """Looked at again on the day on which time alone makes a document late."""
    day = turns_late(
        (record for record in records if isinstance(record, Document)),
        today=engine.today(book.connection),
        last_day=lambda due: engine.enrich.last_day(due, book.seller),
    )
    if day is None:
        return decided
    midnight = datetime.combine(day, time(), ZoneInfo(book.time_zone)).astimezone(UTC)
    return replace(decided, not_before=midnight)
