"""The closure of a window of deals: all that their documents may look at, read set-based."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tieout.core.case import (
    CustomerCase,
    RefRole,
    Seen,
    SlotState,
)
from tieout.core.compose import line_scope, step_amount, steps
from tieout.core.finding import Finding
from tieout.core.keys import KeyKind
from tieout.core.mapping.errors import MappingError
from tieout.core.model import (
    Code,
    Customer,
    Deal,
    Document,
    Entity,
    Item,
    LineKind,
    Record,
)
from tieout.core.orders import is_order, stands
from tieout.core.policy import BooksPolicy
from tieout.core.scope import deal_scope
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.deciding_customers import customer_cases
from tieout.engine.places import document_slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """All that the documents of one window may look at."""

    lane: str
    parts: Mapping[str, Sequence[int]]
    elsewhere: frozenset[str]
    wrong: Mapping[str, Finding]
    customers: Mapping[str, Seen]
    cases: Mapping[str, CustomerCase]
    states: Mapping[str, SlotState]
    documents: Mapping[str, Seen]
    credits: Mapping[str, Sequence[Document]]
    grown: Mapping[str, Sequence[Document]]
    numbers: Mapping[str, Sequence[str]]
    items: Mapping[str, Item]
    rates: Mapping[str, Decimal]
    released: Mapping[str, Sequence[tuple[str, str, Decimal]]]
    alike: Mapping[tuple[str, Decimal], Sequence[Document]]
    apart: frozenset[tuple[str, str]]
    earlier: Mapping[str, Sequence[Document]]


async def customers_of(engine: Engine, deals: Mapping[str, Seen]) -> dict[str, Seen]:
    records = [seen.record for seen in deals.values() if isinstance(seen.record, Deal)]
    wanted = sorted({deal.customer.id for deal in records if deal.customer})
    return await engine.store.mirror(engine.policy.crm, Entity.CUSTOMER, wanted)


async def closure_of(
    engine: Engine,
    book: BooksPolicy,
    deals: Mapping[str, Seen],
    customers: Mapping[str, Seen],
    wrong: Mapping[str, Finding],
) -> Closure:
    records = [seen.record for seen in deals.values() if isinstance(seen.record, Deal)]
    wanted = sorted(customers)
    known = await engine.store.slots_of_sources(
        engine.bridge, str(KeyKind.DOCUMENT), [deal.source_id for deal in records]
    )
    kept = {
        source: sorted(
            state.slot.part
            for state in of_source
            if state.slot.company == book.company and (state.refs or state.operation)
        )
        for source, of_source in known.items()
    }
    # Another company has a document of theirs, or something on its way.
    elsewhere = frozenset(
        source
        for source, of_source in known.items()
        if any(
            state.slot.company != book.company and (state.current or state.operation)
            for state in of_source
        )
    )
    slots = [
        document_slot(engine, book, deal.source_id, part)
        for deal in records
        for part in {step.part for step in steps(deal)} | set(kept.get(deal.source_id, ()))
    ]
    states = await engine.store.slots(slots)
    current = [state.current.ref.id for state in states.values() if state.current]
    before = _before(states)
    known_ids = [*current, *(ref for refs in before.values() for ref in refs)]
    documents = await engine.store.mirror(book.connection, Entity.DOCUMENT, known_ids)
    orders = [key for key, seen in documents.items() if is_order(seen.record)]
    grown = await engine.store.grown_from(book.connection, orders)
    of_orders = [one.ref.id for found in grown.values() for one in found if one.ref is not None]
    credits = await engine.store.credit_notes(book.connection, [*known_ids, *of_orders])
    numbers = {deal.source_id: sorted(_numbers(engine, deal, customers)) for deal in records}
    wanted_items = sorted({number for found in numbers.values() for number in found})
    items = await engine.store.mirror_by_number(book.connection, Entity.ITEM, wanted_items)
    lane = lanes.lane(engine.bridge, lanes.DOCUMENTS, book.connection)
    released: Mapping[str, Sequence[tuple[str, str, Decimal]]] = {}
    if engine.policy.documents.approve_above is not None:
        released = await engine.store.released_on(lane, wanted, engine.today(book.connection))
    cases = await customer_cases(engine, book, customers)
    alike = await _alike(engine, book, records, states, cases)
    earlier = await _standing_again(engine, book, before, documents, grown, credits)
    return Closure(
        lane=lane,
        parts=kept,
        elsewhere=elsewhere,
        wrong=wrong,
        customers=customers,
        cases=cases,
        states=states,
        documents=documents,
        credits={
            key: [note for note in notes if isinstance(note, Document)]
            for key, notes in credits.items()
        },
        grown={
            key: [one for one in found if isinstance(one, Document)] for key, found in grown.items()
        },
        numbers=numbers,
        items={key: item for key, item in items.items() if isinstance(item, Item)},
        rates=await _rates(engine, book),
        released=released,
        alike=alike,
        apart=await _apart(engine, book, states, alike),
        earlier=earlier,
    )


def _before(states: Mapping[str, SlotState]) -> dict[str, list[str]]:
    """Of places without a document: what was, or carried the key of, one that they had before."""
    return {
        key: [
            one.ref.id
            for one in state.refs
            if one.role in (RefRole.FORMER, RefRole.COPY) and one.generation < state.generation
        ]
        for key, state in states.items()
        if state.current is None and state.refs
    }


async def _standing_again(
    engine: Engine,
    book: BooksPolicy,
    before: Mapping[str, Sequence[str]],
    documents: Mapping[str, Seen],
    grown: Mapping[str, Sequence[Record]],
    credits: Mapping[str, Sequence[Record]],
) -> dict[str, list[Document]]:
    """Of the documents that places had before, those that stand, by place."""
    shown = {
        ref: seen.record
        for refs in before.values()
        for ref in refs
        if (seen := documents.get(ref)) is not None
        and not seen.gone
        and isinstance(seen.record, Document)
    }
    naming = {note.id for record in shown.values() for note in record.credited_by}
    notes: Mapping[str, Seen] = {}
    if naming:
        notes = await engine.store.mirror(book.connection, Entity.DOCUMENT, sorted(naming))

    def of(record: Document, made: Sequence[Document]) -> list[Document]:
        named = (notes.get(note.id) for note in record.credited_by)
        theirs = [seen.record for seen in named if seen is not None and not seen.gone]
        own = [note for one in (record, *made) if one.ref for note in credits.get(one.ref.id, ())]
        found = {n.ref: n for n in (*own, *theirs) if isinstance(n, Document)}
        return list(found.values())

    def stood(record: Document) -> bool:
        ref = record.ref.id if record.ref is not None else ""
        made = [one for one in grown.get(ref, ()) if isinstance(one, Document)]
        return stands(record, made, of(record, made))

    return {
        key: [shown[ref] for ref in refs if ref in shown and stood(shown[ref])]
        for key, refs in before.items()
    }


async def _alike(
    engine: Engine,
    book: BooksPolicy,
    deals: Sequence[Deal],
    states: Mapping[str, SlotState],
    cases: Mapping[str, CustomerCase],
) -> dict[tuple[str, Decimal], list[Document]]:
    """
    Documents that belong to no deal, by customer of the books and net: of the customers of these
    deals, or of those that they could be, and over what a step without a document comes to.
    """
    wanted: set[tuple[str, Decimal]] = set()
    for deal in deals:
        case = cases.get(deal.customer.id) if deal.customer else None
        places = [step.part for step in steps(deal)] if case is not None else []
        for part in places:
            state = states[document_slot(engine, book, deal.source_id, part).key13]
            if case is not None and state.current is None:
                net = step_amount(deal, part)
                wanted |= {(customer, net) for customer in could_be(case)}
    found = await engine.store.unlinked_documents(book.connection, sorted(wanted))
    return {
        place: [record for record in records if isinstance(record, Document)]
        for place, records in found.items()
    }


async def _apart(
    engine: Engine,
    book: BooksPolicy,
    states: Mapping[str, SlotState],
    alike: Mapping[tuple[str, Decimal], Sequence[Document]],
) -> frozenset[tuple[str, str]]:
    """Places and documents alike of which a person said that they do not belong together."""
    documents = [one.ref.id for found in alike.values() for one in found if one.ref is not None]
    if not documents:
        return frozenset()
    places = [key for key, state in states.items() if state.current is None]
    pairs = [(key, document) for key in places for document in documents]
    return await engine.store.told_apart(book.connection, pairs)


def could_be(case: CustomerCase) -> set[str]:
    """Ids in the books: of the customer that is linked, else of all that it could be."""
    if case.state.current is not None:
        return {case.state.current.ref.id}
    return {found.customer.ref.id for found in case.candidates if found.customer.ref is not None}


async def _rates(engine: Engine, book: BooksPolicy) -> dict[str, Decimal]:
    found = {book.base_currency: Decimal(1)}
    for code in await engine.store.codes(book.connection, "currency"):
        if isinstance(code, Code) and isinstance(code.facts.get("rate"), Decimal):
            found[code.code] = code.facts["rate"]
    return found


def _numbers(engine: Engine, deal: Deal, customers: Mapping[str, Seen]) -> set[str]:
    """The item numbers that a deal's lines come to, by the mapping."""
    rule = next(
        (rule for rule in engine.policy.documents.line_fields if rule.target == "item"), None
    )
    found = {engine.policy.documents.discount_item} - {""}
    seen = customers.get(deal.customer.id) if deal.customer else None
    buyer = seen.record if seen and isinstance(seen.record, Customer) else None
    scope = deal_scope(deal, buyer) if rule else {}
    for line in deal.lines:
        if line.kind is LineKind.TEXT:
            continue
        number = line.item.number if line.item else ""
        if rule is not None:
            try:
                number = str(rule.value({**scope, "line": line_scope(line)}) or "")
            except MappingError:
                # The composition of the document says so with the place; here it has no number.
                number = ""
        if number:
            found.add(number)
    return found
