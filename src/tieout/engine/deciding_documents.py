"""Deciding on documents: each billing step of a deal against its place in the books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from tieout.core.case import (
    Buyer,
    Decision,
    DocumentCase,
    OpState,
    Seen,
    SlotRef,
    SlotState,
    Verdict,
)
from tieout.core.change import Action
from tieout.core.compose import sold_amount, step_amount, steps
from tieout.core.decide_customer import decide_customer
from tieout.core.decide_document import decide_document
from tieout.core.finding import Finding
from tieout.core.keys import operation_key
from tieout.core.model import (
    Customer,
    Deal,
    Document,
    Entity,
    Item,
)
from tieout.core.orders import under_way
from tieout.core.policy import BooksPolicy
from tieout.core.tax import TaxAnswer
from tieout.engine import lanes
from tieout.engine.closure import Closure, closure_of, could_be, customers_of
from tieout.engine.context import BREATH, Engine
from tieout.engine.places import document_slot
from tieout.engine.schedules import with_schedules
from tieout.engine.triggers import routed_to, triggered

# A write that is released: its slot, currency and net.
_Released = tuple[str, str, Decimal]


async def decide_documents(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str], size: int
) -> AsyncGenerator[tuple[Sequence[str], list[Decision]], None]:
    """
    Deals with their decisions, so many deals at a time; all were read before the first is given.

    A customer that several parts need is decided with the first of them.
    """
    read = await engine.store.mirror(engine.policy.crm, Entity.DEAL, ids)
    customers = await customers_of(engine, read)
    deals, wrong = with_schedules(read, customers, engine.policy.documents.instalments)
    closure = await closure_of(engine, book, deals, customers, wrong)
    held = await engine.store.held_customers(engine.bridge, book.connection)
    made: dict[str, Decision] = {}
    given: set[str] = set()
    released: dict[str, list[_Released]] = {}
    places = sorted(ids)
    for start in range(0, len(places), size):
        part = places[start : start + size]
        decisions: list[Decision] = []
        for number, key in enumerate(key for key in part if key in deals):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            decisions += _decided(engine, lane, book, deals[key], closure, held, made, released)
        buyers = _needed_customers(made, decisions)
        yield part, [*(buyer for key, buyer in buyers if key not in given), *decisions]
        given.update(key for key, _ in buyers)


def _decided(
    engine: Engine,
    lane: str,
    book: BooksPolicy,
    seen: Seen,
    closure: Closure,
    held: frozenset[str],
    made: dict[str, Decision],
    released: dict[str, list[_Released]],
) -> list[Decision]:
    """The decisions of one deal, a decision for each step. ``made``, ``released``: added to."""
    deal = seen.record
    assert isinstance(deal, Deal)
    place = _place(engine, book, deal, closure)
    if place in (_Place.ELSEWHERE, _Place.HELD_ELSEWHERE):
        decision = _elsewhere(lane, deal, closure, engine, book)
        if place is _Place.HELD_ELSEWHERE:
            decision = replace(
                decision,
                verdict=Verdict.WAIT,
                reason="held_by_other_books",
                message="Another company's books still have a document of this deal.",
                waits_for=f"deal:{deal.source_id}",
            )
        return [decision]
    decisions: list[Decision] = []
    for part in _parts(deal, closure):
        case = _document_case(engine, book, seen, part, closure, made, released)
        case = replace(case, moved=place is _Place.MOVED)
        decision = decide_document(case, engine.policy, lane, engine.rules)
        decision = _held_after_restore(decision, deal, held)
        decision = _after_lost_steps(decision, deal, decisions)
        limited = engine.policy.documents.approve_above is not None
        change = decision.change
        void = change is not None and change.action is Action.VOID
        if limited and not void and decision.verdict is Verdict.WRITE and decision.net is not None:
            key13 = decision.state.key13 if decision.state else ""
            released.setdefault(decision.customer_id, []).append(
                (key13, decision.currency, decision.net)
            )
        decisions.append(decision)
    return decisions


def _held_after_restore(decision: Decision, deal: Deal, held: frozenset[str]) -> Decision:
    """After a restore a document that nobody knows could be this deal's: a person says first."""
    mine = {deal.customer.id if deal.customer else "", "*"} & held
    change = decision.change
    if not mine or change is None or change.action is not Action.CREATE:
        return decision
    finding = Finding(
        code="unassigned_documents",
        message="Documents of this customer are newer than the backup and belong to no deal yet.",
        hint="Say whose they are: tieout exceptions list --code assign_documents",
        hold_on="document",
    )
    return _held(decision, finding)


def _held(decision: Decision, finding: Finding) -> Decision:
    """Nothing is sent for it, nor what waits already."""
    return replace(
        decision,
        verdict=Verdict.HOLD,
        reason=finding.code,
        message=finding.message,
        findings=(finding,),
        change=None,
        supersede=decision.supersede or decision.verdict is Verdict.WAIT,
    )


def _parts(deal: Deal, closure: Closure) -> list[int]:
    """
    Those that have a document although the plan lost them, then the steps of the plan: what
    replaces a document is decided after it.
    """
    planned = [step.part for step in steps(deal)]
    kept = closure.parts.get(deal.source_id, ())
    return [*(part for part in kept if part not in planned), *planned]


def _after_lost_steps(decision: Decision, deal: Deal, before: Sequence[Decision]) -> Decision:
    """
    A new plan does not invoice again what a document of the old one already does: a step gets its
    first document once those of the steps that the plan lost are taken back or credited.
    """
    change = decision.change
    if change is None or change.action is not Action.CREATE:
        return decision
    planned = {step.part for step in steps(deal)}
    lost = [one for one in before if one.part not in planned and _has_document(one)]
    if not lost:
        return decision
    stays = next((one for one in lost if one.verdict is Verdict.HOLD), None)
    if stays is not None:
        finding = Finding(
            code="former_plan_invoiced",
            message=f"{decision.number} has another billing plan now; nothing is made for it while "
            f"a document of the former plan stands. {stays.message}",
            hint="Finance credits or deletes that document, or the plan is taken back.",
            hold_on="document",
        )
        return _held(decision, finding)
    looked_for = next((one.reason for one in lost if one.verdict is Verdict.WAIT), "")
    return replace(
        decision,
        verdict=Verdict.WAIT,
        reason=looked_for or "after_former_plan",
        message="The document of its former billing plan is taken back first.",
        change=None,
        supersede=decision.supersede or decision.verdict is Verdict.WAIT,
    )


def _has_document(decision: Decision) -> bool:
    state = decision.state
    return (
        state is not None
        and (state.current is not None or state.operation is not None)
        and decision.verdict is not Verdict.END
    )


def _needed_customers(
    made: Mapping[str, Decision], decisions: Sequence[Decision]
) -> list[tuple[str, Decision]]:
    """
    A customer is written only for a document that goes: a held deal makes no customer, and what
    is wrong with it is shown on the deal. By the 13 characters of its slot.
    """
    wanted = {
        decision.change.depends_on
        for decision in decisions
        if decision.change is not None
        and decision.verdict in (Verdict.WRITE, Verdict.WAIT)
        and decision.reason != "waiting_for_approval"
    }
    return [
        (key, decision)
        for key, decision in made.items()
        if decision.verdict is Verdict.AGREED
        or (key in wanted and decision.verdict in (Verdict.WRITE, Verdict.APPROVAL))
    ]


class _Place(StrEnum):
    """Whose deal it is: ours, ours until its draft is taken back, or another company's."""

    HERE = "here"
    MOVED = "moved"
    HELD_ELSEWHERE = "held_elsewhere"
    ELSEWHERE = "elsewhere"


def _place(engine: Engine, book: BooksPolicy, deal: Deal, closure: Closure) -> _Place:
    """
    The first book whose rule holds takes the deal, but never while another company has a document
    of it. One that is booked stays where it is, whatever the rules say later.
    """
    states = [
        closure.states[document_slot(engine, book, deal.source_id, part).key13]
        for part in _parts(deal, closure)
    ]
    has = [state for state in states if state.current is not None or state.operation is not None]
    routed = _routed(engine, book, deal, closure)
    if has:
        return _Place.HERE if routed or _booked(has, closure) else _Place.MOVED
    if not routed:
        return _Place.ELSEWHERE
    return _Place.HELD_ELSEWHERE if deal.source_id in closure.elsewhere else _Place.HERE


def _booked(states: Sequence[SlotState], closure: Closure) -> bool:
    found = [closure.documents.get(one.current.ref.id) for one in states if one.current]
    return any(
        seen is not None
        and isinstance(seen.record, Document)
        and (seen.record.booked or under_way(seen.record, _grown(seen.record, closure)))
        for seen in found
    )


def _grown(record: Document, closure: Closure) -> Sequence[Document]:
    return closure.grown.get(record.ref.id, ()) if record.ref is not None else ()


def _routed(engine: Engine, book: BooksPolicy, deal: Deal, closure: Closure) -> bool:
    """Whether the first rule that holds is that of these books."""
    seen = closure.customers.get(deal.customer.id) if deal.customer else None
    buyer = seen.record if seen and isinstance(seen.record, Customer) else None
    return routed_to(engine.policy, deal, buyer) == book.connection


def _elsewhere(
    lane: str, deal: Deal, closure: Closure, engine: Engine, book: BooksPolicy
) -> Decision:
    state = closure.states[document_slot(engine, book, deal.source_id, steps(deal)[0].part).key13]
    return Decision(
        lane=lane,
        source_id=deal.source_id,
        verdict=Verdict.SKIP,
        reason="other_books",
        message="Another company's books take this deal, or none does.",
        state=state,
        number=deal.number,
        title=deal.title,
        currency=deal.currency,
        net=sold_amount(deal),
    )


def _document_case(
    engine: Engine,
    book: BooksPolicy,
    seen: Seen,
    part: int,
    closure: Closure,
    made: dict[str, Decision],
    released: Mapping[str, Sequence[_Released]],
) -> DocumentCase:
    deal = seen.record
    assert isinstance(deal, Deal)
    state = closure.states[document_slot(engine, book, deal.source_id, part).key13]
    customer = closure.customers.get(deal.customer.id) if deal.customer else None
    buyer = customer.record if customer and isinstance(customer.record, Customer) else None
    wanted = not seen.gone and triggered(engine.policy, deal, buyer)
    current = state.current
    day = deal.delivered_on or engine.today(book.connection)
    before = _released_before(closure, released, deal, state.key13)
    return DocumentCase(
        deal=deal,
        part=part,
        crm_customer=buyer,
        buyer=_buyer(engine, book, deal, closure, made, wanted),
        state=state,
        target=engine.target(book.connection),
        document=closure.documents.get(current.ref.id) if current else None,
        credit_notes=tuple(_credit_notes(current.ref.id, closure)) if current else (),
        grown=tuple(closure.grown.get(current.ref.id, ())) if current else (),
        items=closure.items,
        taxes=_taxes(engine, book, deal, buyer, closure, day) if wanted else {},
        rates=closure.rates,
        released_today=sum(before.values(), Decimal(0)),
        unrated=min((name for name in before if name not in closure.rates), default=""),
        today=engine.today(book.connection),
        now=engine.clock.now(),
        alike=_alike(closure, deal, part, state) if current is None else (),
        earlier=tuple(closure.earlier.get(state.key13, ())),
        deal_gone=seen.gone,
        found=(closure.wrong[deal.source_id],) if deal.source_id in closure.wrong else (),
    )


def _credit_notes(document: str, closure: Closure) -> Iterator[Document]:
    """Those of a document, and those of what the books made of it where it is an order."""
    grown = (one.ref.id for one in closure.grown.get(document, ()) if one.ref is not None)
    for one in (document, *grown):
        yield from closure.credits.get(one, ())


def _alike(closure: Closure, deal: Deal, part: int, state: SlotState) -> tuple[Document, ...]:
    """Documents of the deal's customer over the step's net that could be this deal's."""
    case = closure.cases.get(deal.customer.id) if deal.customer else None
    if case is None:
        return ()
    net = step_amount(deal, part)
    return tuple(
        document
        for customer in sorted(could_be(case))
        for document in closure.alike.get((customer, net), ())
        if document.ref is None or (state.key13, document.ref.id) not in closure.apart
    )


def _released_before(
    closure: Closure, released: Mapping[str, Sequence[_Released]], deal: Deal, own: str
) -> dict[str, Decimal]:
    """
    What was released for this customer today by currency, in base currency (0 where it has no
    rate); the step itself left out. A draft that is changed counts as what becomes of it.
    """
    found: dict[str, Decimal] = {}
    if deal.customer is None:
        return found
    known = (*closure.released.get(deal.customer.id, ()), *released.get(deal.customer.id, ()))
    latest = {key13: (currency, net) for key13, currency, net in known if key13 != own}
    for currency, net in latest.values():
        rate = closure.rates.get(currency, Decimal(0))
        found[currency] = found.get(currency, Decimal(0)) + net * rate
    return found


def _taxes(
    engine: Engine,
    book: BooksPolicy,
    deal: Deal,
    buyer: Customer | None,
    closure: Closure,
    day: date,
) -> dict[str, TaxAnswer]:
    used = closure.numbers[deal.source_id]
    return {
        number: engine.enrich.tax(
            book.seller, buyer, deal, item, _class_net(deal, item, closure), day
        )
        for number in used
        if (item := closure.items.get(number)) is not None
    }


def _class_net(deal: Deal, item: Item, closure: Closure) -> Decimal:
    """The net of an item's tax class on the whole deal: some limits count over the invoice."""
    total = Decimal(0)
    for line in deal.lines:
        other = closure.items.get(line.item.number) if line.item else None
        if other is not None and other.tax_class == item.tax_class and line.stated_net:
            total += line.stated_net
    return total


def _buyer(
    engine: Engine,
    book: BooksPolicy,
    deal: Deal,
    closure: Closure,
    made: dict[str, Decision],
    wanted: bool,
) -> Buyer:
    """The deal's customer in the books: there, on its way, or held with what is wrong."""
    case = closure.cases.get(deal.customer.id) if deal.customer else None
    if case is None:
        return Buyer()
    current = case.state.current
    if current is not None:
        target = case.target
        record = target.record if target and isinstance(target.record, Customer) else None
        return Buyer(ref=current.ref, record=record, key=_made_by_us(case.state, current))
    if not wanted:
        return Buyer()
    lane = lanes.lane(engine.bridge, lanes.CUSTOMERS, book.connection)
    key = case.state.key13
    decision = made.get(key)
    if decision is None:
        decision = decide_customer(
            case,
            engine.policy.customers,
            lane,
            needed=True,
            currency=deal.currency,
            rules=engine.rules,
        )
        made[key] = decision
    if decision.verdict is Verdict.HOLD:
        return Buyer(findings=decision.findings)
    operation = case.state.operation
    if operation is not None and operation.state is OpState.DOUBT:
        finding = Finding(
            code="customer_in_doubt",
            message="Its customer may be in the books already; a person says which one it is.",
            hint="Answer the exception of the customer: tieout exceptions list.",
            hold_on="customer",
        )
        return Buyer(findings=(finding,))
    if decision.verdict is Verdict.AGREED and decision.adopt is not None:
        shown = decision.adopted_record
        return Buyer(ref=decision.adopt, record=shown if isinstance(shown, Customer) else None)
    return Buyer(pending=key, key=operation_key(case.state.slot, case.state.generation))


# How the record of a create comes to its slot: by the answer, or found under our key.
_OWN = frozenset({"answer", "key"})


def _made_by_us(state: SlotState, current: SlotRef) -> str:
    """The key of the create that made a slot's record, '' where it is another's."""
    if current.found_by not in _OWN or state.alias_of:
        return ""
    return operation_key(state.slot, current.generation)
