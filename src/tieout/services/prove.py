"""Proof: both systems are asked afresh, and every billing step counted with its live documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tieout.core.case import Seen
from tieout.core.compose import steps
from tieout.core.keys import KeyKind, keys_in
from tieout.core.ledger_list import Period
from tieout.core.model import Customer, Deal, DealState, Document, DocumentKind, Entity, ExternalRef
from tieout.core.orders import all_credited, credited_by, is_order, taken_back
from tieout.engine.context import Engine
from tieout.engine.places import document_slot
from tieout.engine.run import connect
from tieout.engine.schedules import with_schedules
from tieout.services.planning import holding
from tieout.store import proving
from tieout.store.postgres import PostgresStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A live document that carries a step's key. ``ours``: it is the one that we know."""

    document: Document
    books: str
    ours: bool

    @property
    def kind(self) -> str:
        return str(self.document.kind).replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """One billing step: its live documents, or why it has none ('' where nobody knows)."""

    deal: str
    source_id: str
    part: int
    carriers: tuple[Carrier, ...]
    reason: str


@dataclass(slots=True, kw_only=True)
class Proof:
    """
    What both systems showed. ``orphans`` are live documents with a key of ours whose deal is not
    won (any more); ``queries`` the requests that were made, in order.
    """

    deals: int = 0
    steps: list[Proved] = field(default_factory=list)
    orphans: list[Carrier] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)

    @property
    def one(self) -> int:
        return sum(1 for step in self.steps if len(step.carriers) == 1)

    @property
    def none_with_reason(self) -> int:
        return sum(1 for step in self.steps if not step.carriers and step.reason)

    @property
    def none_without(self) -> list[Proved]:
        return [step for step in self.steps if not step.carriers and not step.reason]

    @property
    def several(self) -> list[Proved]:
        return [step for step in self.steps if len(step.carriers) > 1]

    @property
    def holds(self) -> bool:
        """Whether no step has two documents, and none lacks one without a reason."""
        return not self.several and not self.none_without


async def prove(
    engine: Engine, store: PostgresStore, period: Period | None, queries: list[str]
) -> Proof:
    """
    Every billing step of won deals (of a period, by close date) with the live documents that
    carry its key, all read now and not from the mirror. A step that a deal's plan does not have
    any more counts as long as its document lives. Nothing is written.

    ``queries`` is the list that the connectors' observer fills. Raises what the connectors raise,
    and `BusyError`: a document that is being written meanwhile would be counted wrongly.
    """
    async with holding(engine):
        await connect(engine)
        alive = {name: _live(await _documents(engine, name)) for name in engine.books}
        deals = await _deals(engine)
    inside = [deal for deal in deals if _in(deal, period)]
    proof = Proof(deals=len(inside), queries=queries)
    known = await store.do(lambda tx: proving.current_refs(tx, engine.bridge))
    reasons = await store.do(lambda tx: proving.reasons(tx, engine.bridge))
    kept = await store.do(lambda tx: proving.current_parts(tx, engine.bridge))
    places = {name: _by_key(live) for name, live in alive.items()}
    claimed: set[str] = set()
    for deal in sorted(inside, key=lambda one: one.number or one.title):
        planned = {step.part for step in steps(deal)}
        for part in sorted(planned | kept.get(deal.source_id, set())):
            keys = {
                name: document_slot(engine, engine.policy.book(name), deal.source_id, part).key13
                for name in engine.books
            }
            claimed |= set(keys.values())
            carriers = tuple(
                carrier
                for name, key13 in keys.items()
                for carrier in _carriers(places[name].get(key13, ()), name, [key13], known)
            )
            if not carriers and part not in planned:
                continue
            proof.steps.append(
                Proved(
                    deal=deal.number or deal.title,
                    source_id=deal.source_id,
                    part=part,
                    carriers=carriers,
                    reason="" if carriers else _reason(deal.source_id, part, reasons),
                )
            )
    if period is None:
        proof.orphans = _orphans(alive, claimed, known)
    return proof


async def _documents(engine: Engine, books: str) -> list[Document]:
    connector = engine.connectors[books]
    selection = engine.selections[books][Entity.DOCUMENT]
    found: dict[str, Document] = {}
    async for page in connector.changes_since(selection, None):
        for record in page.records:
            if isinstance(record, Document) and record.ref is not None:
                found[record.ref.id] = record
    return list(found.values())


async def _deals(engine: Engine) -> list[Deal]:
    crm = engine.policy.crm
    selection = engine.selections[crm][Entity.DEAL]
    found: dict[str, Deal] = {}
    async for page in engine.connectors[crm].changes_since(selection, None):
        for gone in page.gone:
            found.pop(gone.ref.id, None)
        for record in page.records:
            if isinstance(record, Deal) and record.ref is not None:
                found[record.ref.id] = record
    return await _planned(engine, [d for d in found.values() if d.state is DealState.WON])


async def _planned(engine: Engine, deals: Sequence[Deal]) -> list[Deal]:
    """The deals in the steps of their billing plans, where the configuration names a plan."""
    rule = engine.policy.documents.instalments
    if rule is None:
        return list(deals)
    crm = engine.policy.crm
    customers: dict[str, Seen] = {}
    selection = engine.selections[crm][Entity.CUSTOMER]
    async for page in engine.connectors[crm].changes_since(selection, None):
        for record in page.records:
            if isinstance(record, Customer) and record.ref is not None:
                customers[record.ref.id] = Seen(record=record)
    read = {deal.source_id: Seen(record=deal) for deal in deals}
    planned, _ = with_schedules(read, customers, rule)
    return [seen.record for seen in planned.values() if isinstance(seen.record, Deal)]


def _in(deal: Deal, period: Period | None) -> bool:
    if period is None:
        return True
    return deal.close_date is not None and period.start <= deal.close_date <= period.end


def _live(documents: Sequence[Document]) -> list[tuple[Document, list[str]]]:
    """
    Documents that carry keys of deals, with their places, which are neither voided nor credited in
    full; a credit note is no document of a step.
    """
    notes: dict[ExternalRef, list[Document]] = defaultdict(list)
    made: dict[ExternalRef, list[Document]] = defaultdict(list)
    for document in documents:
        if document.kind is DocumentKind.CREDIT_NOTE:
            # Some books have a credit note name the order of its invoice alone.
            for invoice in document.credits or document.came_from:
                notes[invoice].append(document)
        else:
            for origin in document.came_from:
                made[origin].append(document)
    found: list[tuple[Document, list[str]]] = []
    for document in documents:
        keys = [key[:13] for key in keys_in(document.carrier_text) if key[13] == KeyKind.DOCUMENT]
        if not keys or document.kind is DocumentKind.CREDIT_NOTE or taken_back(document):
            continue
        own = notes.get(document.ref, []) if document.ref is not None else []
        grown = made.get(document.ref, []) if document.ref is not None else []
        theirs = [note for one in grown if one.ref for note in notes.get(one.ref, [])]
        if not (credited_by(document, own) or all_credited(document, grown, [*own, *theirs])):
            found.append((document, keys))
    # What was made of an order takes its key along: it is no second document of the step.
    orders = {one.ref for one, _ in found if is_order(one)}
    return [(one, keys) for one, keys in found if not orders.intersection(one.came_from)]


def _by_key(live: Iterable[tuple[Document, Sequence[str]]]) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = defaultdict(list)
    for document, keys in live:
        for key13 in sorted(set(keys)):
            found[key13].append(document)
    return found


def _carriers(
    documents: Iterable[Document], books: str, keys: Sequence[str], known: Mapping[str, set[str]]
) -> list[Carrier]:
    """``ours``: linked with one of these places."""
    return [
        Carrier(
            document=one,
            books=books,
            ours=one.ref is not None and any(one.ref.id in known.get(key, ()) for key in keys),
        )
        for one in documents
    ]


def _reason(source_id: str, part: int, reasons: Mapping[tuple[str, int], str]) -> str:
    return reasons.get((source_id, part)) or reasons.get((source_id, 0)) or ""


def _orphans(
    alive: Mapping[str, Sequence[tuple[Document, Sequence[str]]]],
    claimed: set[str],
    known: Mapping[str, set[str]],
) -> list[Carrier]:
    """Live documents with a document key that no won deal claims, of places that we know."""
    return [
        carrier
        for books, live in alive.items()
        for document, keys in live
        if not claimed & set(keys)
        for carrier in _carriers((document,), books, keys, known)
    ]


def carrier_data(carrier: Carrier) -> dict[str, Any]:
    """A document in the JSON output."""
    document = carrier.document
    net = document.totals.net if document.totals else None
    return {
        "kind": str(document.kind),
        "number": document.number or None,
        "id": document.ref.id if document.ref else None,
        "books": carrier.books,
        "ours": carrier.ours,
        "net": None if net is None else {"amount": f"{net:f}", "currency": document.currency},
        "created_by": document.created_by or None,
        "created_at": document.created_at,
    }
