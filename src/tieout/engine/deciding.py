"""Deciding: windows of due rows with their closure, set-based, into pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tieout.core.case import (
    Buyer,
    Candidate,
    CustomerCase,
    Decision,
    DocumentCase,
    OpState,
    RefRole,
    Seen,
    SlotState,
    StandingCase,
    Verdict,
)
from tieout.core.change import Action
from tieout.core.compose import line_scope, sold_amount, steps
from tieout.core.decide_customer import decide_customer
from tieout.core.decide_document import decide_document
from tieout.core.decide_standing import decide_standing
from tieout.core.finding import Finding
from tieout.core.keys import KeyKind, Slot
from tieout.core.mapping.errors import MappingError
from tieout.core.model import (
    Code,
    Customer,
    Deal,
    DealState,
    Document,
    Entity,
    ExternalRef,
    Item,
    LineKind,
    Record,
)
from tieout.core.policy import BooksPolicy, FlowMode, Rule
from tieout.core.scope import customer_scope, deal_scope
from tieout.core.tax import TaxAnswer
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.schedules import with_schedules
from tieout.engine.standing import customer_standing, deal_standing, turns_late
from tieout.storing import CustomerQuery, DueRow

WINDOW = 500


@dataclass(slots=True)
class DecideCounts:
    by_verdict: dict[str, int] = field(default_factory=dict)

    def add(self, counts: Mapping[str, int]) -> None:
        for name, number in counts.items():
            self.by_verdict[name] = self.by_verdict.get(name, 0) + number


async def decide_lane(engine: Engine, lane: str, run: int | None, counts: DecideCounts) -> None:
    """Every due row of a lane, window by window, each recorded in a transaction of its own."""
    after = ""
    while not engine.stopping:
        due = await engine.store.due_window(lane, WINDOW, engine.clock.now(), after)
        if not due:
            return
        after = due[-1].source_id
        decisions = await decide_window(engine, lane, due)
        await record_window(engine, lane, due, decisions, run, counts)


async def record_window(
    engine: Engine,
    lane: str,
    due: Sequence[DueRow],
    decisions: Sequence[Decision],
    run: int | None,
    counts: DecideCounts,
) -> None:
    """Decisions of one window into the store; operations go to the side that is written to."""
    flow, books = lanes.flow_of(lane), lane.rsplit("/", 1)[-1]
    connection = engine.policy.crm if flow in (lanes.STATUS, lanes.BALANCES) else books
    counts.add(
        await engine.store.record(
            bridge=engine.bridge,
            connection=connection,
            decisions=decisions,
            due=due,
            run=run,
            config_version=engine.policy.version,
            now=engine.clock.now(),
            day=engine.today(books),
            shadow=_mode(engine, flow) is FlowMode.SHADOW,
        )
    )


def _mode(engine: Engine, flow: str) -> FlowMode:
    match flow:
        case lanes.CUSTOMERS:
            return engine.policy.customers.mode
        case lanes.DOCUMENTS:
            return engine.policy.documents.mode
        case _:
            return engine.policy.status.mode


async def decide_window(engine: Engine, lane: str, due: Sequence[DueRow]) -> list[Decision]:
    """The decisions for these sources, in a stable order. Writes nothing."""
    flow, books = lanes.flow_of(lane), lane.rsplit("/", 1)[-1]
    ids = [row.source_id for row in due]
    book = engine.policy.book(books)
    match flow:
        case lanes.CUSTOMERS:
            return await _customers(engine, lane, book, ids)
        case lanes.DOCUMENTS:
            return await _documents(engine, lane, book, ids)
        case lanes.STATUS:
            return await _standings(engine, lane, book, ids)
        case _:
            return await _balances(engine, lane, book, ids)


# --- customers --------------------


def customer_slot(engine: Engine, book: BooksPolicy, customer_id: str) -> Slot:
    """The place of a CRM customer in that company's books."""
    return Slot(
        crm_org=engine.policy.crm_org,
        source_id=customer_id,
        company=book.company,
        kind=KeyKind.CUSTOMER,
    )


async def _customers(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    sources = await engine.store.mirror(engine.policy.crm, Entity.CUSTOMER, ids)
    present = {key: seen for key, seen in sources.items() if not seen.gone}
    cases = await customer_cases(engine, book, present)
    decisions = []
    for key in ids:
        case = cases.get(key)
        if case is not None and case.state.alias_of:
            decisions.append(
                Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="merged")
            )
            continue
        if case is None:
            decisions.append(
                Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="not_there")
            )
            continue
        decisions.append(
            decide_customer(
                case,
                engine.policy.customers,
                lane,
                needed=_wanted_by_rule(engine, case.source),
                rules=engine.rules,
            )
        )
    return decisions


def _wanted_by_rule(engine: Engine, customer: Customer) -> bool:
    rule = engine.policy.customers.when
    if rule is None:
        return False
    scope = customer_scope(customer)
    return _holds(rule, {"customer": scope, "account": scope})


async def customer_cases(
    engine: Engine, book: BooksPolicy, sources: Mapping[str, Seen]
) -> dict[str, CustomerCase]:
    """Cases for CRM customers by id, with who in the books they could be."""
    slots = {key: customer_slot(engine, book, key) for key in sources}
    states = await engine.store.slots(list(slots.values()))
    linked = [state.current.ref.id for state in states.values() if state.current is not None]
    targets = await engine.store.mirror(book.connection, Entity.CUSTOMER, linked)
    loose = [key for key in sources if states[slots[key].key13].current is None]
    queries = [_query(engine, key, sources[key], slots[key].key13) for key in loose]
    candidates = await engine.store.candidates(book.connection, queries)
    verdicts = await engine.store.customer_verdicts(book.connection, loose)
    cases = {}
    for key, seen in sources.items():
        state = states[slots[key].key13]
        word, chosen = verdicts.get(key, ("", ""))
        record = seen.record
        assert isinstance(record, Customer)
        current = state.current
        cases[key] = CustomerCase(
            source=record,
            state=state,
            target=targets.get(current.ref.id) if current else None,
            candidates=_not_refused(state, candidates.get(key, [])),
            chosen=ExternalRef(book.connection, "customer", chosen) if word == "is" else None,
            make_new=word == "new",
        )
    return cases


def _not_refused(state: SlotState, found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    refused = {ref.ref for ref in state.refs if ref.role is RefRole.NOT_OURS}
    return tuple(candidate for candidate in found if candidate.customer.ref not in refused)


def _query(engine: Engine, key: str, seen: Seen, key13: str) -> CustomerQuery:
    record = seen.record
    assert isinstance(record, Customer)
    company, vat = record.identifier("company"), record.identifier("vat")
    address = record.address("billing")
    country = address.country if address else ""
    return CustomerQuery(
        source_id=key,
        key13=key13,
        org_number=company.key if company else "",
        vat_number=vat.key if vat else "",
        name_folded=engine.enrich.folded(record.name, country),
        postcode=engine.enrich.postcode(address.postcode, country) if address else "",
    )


# --- documents --------------------


def document_slot(engine: Engine, book: BooksPolicy, source_id: str, part: int) -> Slot:
    """The place of one billing step of a deal in that company's books."""
    return Slot(
        crm_org=engine.policy.crm_org,
        source_id=source_id,
        company=book.company,
        kind=KeyKind.DOCUMENT,
        part=part,
    )


async def _documents(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    read = await engine.store.mirror(engine.policy.crm, Entity.DEAL, ids)
    customers = await _customers_of(engine, read)
    deals, wrong = with_schedules(read, customers, engine.policy.documents.instalments)
    closure = await _closure(engine, book, deals, customers, wrong)
    held = await engine.store.held_customers(engine.bridge, book.connection)
    decisions: list[Decision] = []
    made: dict[str, Decision] = {}
    released: dict[str, Decimal] = {}
    for key in sorted(deals):
        deal = deals[key].record
        assert isinstance(deal, Deal)
        if not _goes_to(engine, book, deal, closure):
            decisions.append(_elsewhere(lane, deal, closure, engine, book))
            continue
        for part in _parts(deal, closure):
            case = _document_case(engine, book, deals[key], part, closure, made, released)
            decision = decide_document(case, engine.policy, lane, engine.rules)
            decision = _held_after_restore(decision, deal, held)
            if decision.verdict is Verdict.WRITE and decision.net is not None:
                customer = decision.customer_id
                rate = closure.rates.get(decision.currency, Decimal(1))
                released[customer] = released.get(customer, Decimal(0)) + decision.net * rate
            decisions.append(decision)
    return [*_needed_customers(made, decisions), *decisions]


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
    return replace(
        decision,
        verdict=Verdict.HOLD,
        reason=finding.code,
        message=finding.message,
        findings=(finding,),
        change=None,
        supersede=decision.supersede or decision.verdict is Verdict.WAIT,
    )


def _parts(deal: Deal, closure: _Closure) -> list[int]:
    """The steps of the plan, and those that have a document although the plan lost them."""
    planned = [step.part for step in steps(deal)]
    kept = closure.parts.get(deal.source_id, ())
    return [*planned, *(part for part in kept if part not in planned)]


def _needed_customers(
    made: Mapping[str, Decision], decisions: Sequence[Decision]
) -> list[Decision]:
    """
    A customer is written only for a document that goes: a held deal makes no customer, and what
    is wrong with it is shown on the deal.
    """
    wanted = {
        decision.change.depends_on
        for decision in decisions
        if decision.change is not None
        and decision.verdict in (Verdict.WRITE, Verdict.WAIT)
        and decision.reason != "waiting_for_approval"
    }
    return [
        decision
        for key, decision in made.items()
        if decision.verdict is Verdict.AGREED
        or (key in wanted and decision.verdict in (Verdict.WRITE, Verdict.APPROVAL))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closure:
    """All that the documents of one window may look at."""

    lane: str
    parts: Mapping[str, Sequence[int]]
    wrong: Mapping[str, Finding]
    customers: Mapping[str, Seen]
    cases: Mapping[str, CustomerCase]
    states: Mapping[str, SlotState]
    documents: Mapping[str, Seen]
    credits: Mapping[str, Sequence[Document]]
    numbers: Mapping[str, Sequence[str]]
    items: Mapping[str, Item]
    rates: Mapping[str, Decimal]
    released: Mapping[str, Sequence[tuple[str, str, Decimal]]]


async def _customers_of(engine: Engine, deals: Mapping[str, Seen]) -> dict[str, Seen]:
    records = [seen.record for seen in deals.values() if isinstance(seen.record, Deal)]
    wanted = sorted({deal.customer.id for deal in records if deal.customer})
    return await engine.store.mirror(engine.policy.crm, Entity.CUSTOMER, wanted)


async def _closure(
    engine: Engine,
    book: BooksPolicy,
    deals: Mapping[str, Seen],
    customers: Mapping[str, Seen],
    wrong: Mapping[str, Finding],
) -> _Closure:
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
    slots = [
        document_slot(engine, book, deal.source_id, part)
        for deal in records
        for part in {step.part for step in steps(deal)} | set(kept.get(deal.source_id, ()))
    ]
    states = await engine.store.slots(slots)
    current = [state.current.ref.id for state in states.values() if state.current]
    documents = await engine.store.mirror(book.connection, Entity.DOCUMENT, current)
    credits = await engine.store.credit_notes(book.connection, current)
    numbers = {deal.source_id: sorted(_numbers(engine, deal, customers)) for deal in records}
    wanted_items = sorted({number for found in numbers.values() for number in found})
    items = await engine.store.mirror_by_number(book.connection, Entity.ITEM, wanted_items)
    lane = lanes.lane(engine.bridge, lanes.DOCUMENTS, book.connection)
    released: Mapping[str, Sequence[tuple[str, str, Decimal]]] = {}
    if engine.policy.documents.approve_above is not None:
        released = await engine.store.released_on(lane, wanted, engine.today(book.connection))
    return _Closure(
        lane=lane,
        parts=kept,
        wrong=wrong,
        customers=customers,
        cases=await customer_cases(engine, book, customers),
        states=states,
        documents=documents,
        credits={
            key: [note for note in notes if isinstance(note, Document)]
            for key, notes in credits.items()
        },
        numbers=numbers,
        items={key: item for key, item in items.items() if isinstance(item, Item)},
        rates=await _rates(engine, book),
        released=released,
    )


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


def _goes_to(engine: Engine, book: BooksPolicy, deal: Deal, closure: _Closure) -> bool:
    """The first book whose rule holds takes the deal; one that has its document keeps it."""
    for part in _parts(deal, closure):
        state = closure.states[document_slot(engine, book, deal.source_id, part).key13]
        if state.exists and (state.refs or state.operation):
            return True
    if engine.policy.books[0].when is None:
        return engine.policy.books[0].connection == book.connection
    seen = closure.customers.get(deal.customer.id) if deal.customer else None
    buyer = seen.record if seen and isinstance(seen.record, Customer) else None
    scope = deal_scope(deal, buyer)
    for candidate in engine.policy.books:
        if candidate.when is None or _holds(candidate.when, scope):
            return candidate.connection == book.connection
    return False


def _elsewhere(
    lane: str, deal: Deal, closure: _Closure, engine: Engine, book: BooksPolicy
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
    closure: _Closure,
    made: dict[str, Decision],
    released: Mapping[str, Decimal],
) -> DocumentCase:
    deal = seen.record
    assert isinstance(deal, Deal)
    state = closure.states[document_slot(engine, book, deal.source_id, part).key13]
    customer = closure.customers.get(deal.customer.id) if deal.customer else None
    buyer = customer.record if customer and isinstance(customer.record, Customer) else None
    wanted = not seen.gone and _triggered(engine, deal, buyer)
    current = state.current
    day = deal.delivered_on or engine.today(book.connection)
    today = released.get(deal.customer.id, Decimal(0)) if deal.customer else Decimal(0)
    return DocumentCase(
        deal=deal,
        part=part,
        crm_customer=buyer,
        buyer=_buyer(engine, book, deal, closure, made, wanted),
        state=state,
        target=engine.target(book.connection),
        document=closure.documents.get(current.ref.id) if current else None,
        credit_notes=tuple(closure.credits.get(current.ref.id, ())) if current else (),
        items=closure.items,
        taxes=_taxes(engine, book, deal, buyer, closure, day) if wanted else {},
        rates=closure.rates,
        released_today=today + _released_before(closure, deal, state.key13),
        today=engine.today(book.connection),
        now=engine.clock.now(),
        deal_gone=seen.gone,
        found=(closure.wrong[deal.source_id],) if deal.source_id in closure.wrong else (),
    )


def _triggered(engine: Engine, deal: Deal, buyer: Customer | None) -> bool:
    """Whether the deal is to be invoiced by the rule; then its customer and VAT are needed."""
    trigger = engine.policy.documents.trigger
    if trigger is None:
        return deal.state is DealState.WON
    return _holds(trigger, deal_scope(deal, buyer))


def _holds(rule: Rule, scope: Mapping[str, Any]) -> bool:
    """A rule that cannot be judged for a record holds nothing here; the core says so on it."""
    try:
        return rule.holds(scope)
    except MappingError:
        return False


def _released_before(closure: _Closure, deal: Deal, own: str) -> Decimal:
    """What was released for this customer today, in base currency; the step itself left out."""
    if deal.customer is None:
        return Decimal(0)
    return sum(
        (
            net * closure.rates.get(currency, Decimal(1))
            for key13, currency, net in closure.released.get(deal.customer.id, ())
            if key13 != own
        ),
        Decimal(0),
    )


def _taxes(
    engine: Engine,
    book: BooksPolicy,
    deal: Deal,
    buyer: Customer | None,
    closure: _Closure,
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


def _class_net(deal: Deal, item: Item, closure: _Closure) -> Decimal:
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
    closure: _Closure,
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
        return Buyer(ref=current.ref, record=record)
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
    return Buyer(pending=key)


# --- standings --------------------


async def _standings(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    """What each deal should show, from all documents of all its steps."""
    by_source = await engine.store.slots_of_sources(engine.bridge, str(KeyKind.DOCUMENT), ids)
    refs = [
        slot_ref.ref.id
        for states in by_source.values()
        for state in states
        for slot_ref in state.refs
        if slot_ref.role in (RefRole.CURRENT, RefRole.FORMER)
    ]
    documents = await engine.store.mirror(book.connection, Entity.DOCUMENT, refs)
    credits = await engine.store.credit_notes(book.connection, refs)
    slots = {key: _standing_slot(engine, book, key) for key in ids}
    states = await engine.store.slots(list(slots.values()))
    deals = await engine.store.mirror(engine.policy.crm, Entity.DEAL, ids)
    decisions = []
    for key in ids:
        deal = deals.get(key)
        if deal is None or deal.gone:
            decisions.append(
                Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="deal_deleted")
            )
            continue
        ref = ExternalRef(engine.policy.crm, "standing", key)
        wanted = deal_standing(
            ref,
            by_source.get(key, []),
            documents,
            {k: [n for n in notes if isinstance(n, Document)] for k, notes in credits.items()},
            today=engine.today(book.connection),
            last_day=lambda due: engine.enrich.last_day(due, book.seller),
        )
        case = StandingCase(ref=ref, of="deal", wanted=wanted, state=states[slots[key].key13])
        live = [
            documents[state.current.ref.id].record
            for state in by_source.get(key, [])
            if state.current is not None and state.current.ref.id in documents
        ]
        decided = replace(decide_standing(case, lane), source_id=key)
        decisions.append(_until_late(engine, book, decided, live))
    return decisions


def _standing_slot(engine: Engine, book: BooksPolicy, key: str) -> Slot:
    return Slot(
        crm_org=engine.policy.crm_org,
        source_id=key,
        company=book.company,
        kind=KeyKind.STANDING,
    )


async def _balances(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    """What each customer should show: its number in the books, open and overdue amounts."""
    sources = await engine.store.mirror(engine.policy.crm, Entity.CUSTOMER, ids)
    customers = {key: customer_slot(engine, book, key) for key in ids}
    linked = await engine.store.slots(list(customers.values()))
    in_books = {
        key: state.current.ref.id
        for key in ids
        if (state := linked[customers[key].key13]).current is not None
    }
    records = await engine.store.mirror(book.connection, Entity.CUSTOMER, list(in_books.values()))
    documents = await engine.store.documents_of_customers(book.connection, list(in_books.values()))
    slots = {key: _standing_slot(engine, book, key) for key in ids}
    states = await engine.store.slots(list(slots.values()))
    decisions = []
    for key in ids:
        seen = sources.get(key)
        target = records.get(in_books.get(key, ""))
        if seen is None or seen.gone or target is None:
            decisions.append(
                Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason="not_linked")
            )
            continue
        ref = ExternalRef(engine.policy.crm, "standing", key)
        record = target.record
        assert isinstance(record, Customer)
        open_ones = [d for d in documents.get(in_books[key], []) if isinstance(d, Document)]
        wanted = customer_standing(
            ref,
            record,
            open_ones,
            today=engine.today(book.connection),
            last_day=lambda due: engine.enrich.last_day(due, book.seller),
        )
        case = StandingCase(ref=ref, of="customer", wanted=wanted, state=states[slots[key].key13])
        decided = replace(decide_standing(case, lane), source_id=key)
        decisions.append(_until_late(engine, book, decided, open_ones))
    return decisions


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


def all_lanes(engine: Engine) -> list[str]:
    """The lanes of the bridge in the order of dependence; flows that are off are left out."""
    found = []
    for flow, mode in (
        (lanes.CUSTOMERS, engine.policy.customers.mode),
        (lanes.DOCUMENTS, engine.policy.documents.mode),
        (lanes.STATUS, engine.policy.status.mode),
        (lanes.BALANCES, engine.policy.status.mode),
    ):
        if mode is not FlowMode.OFF:
            found += [lanes.lane(engine.bridge, flow, books) for books in engine.books]
    return found
