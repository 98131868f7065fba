"""Deciding on customers: who in the books each CRM customer is, or could be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tieout.core.case import (
    Candidate,
    CustomerCase,
    Decision,
    RefRole,
    Seen,
    SlotState,
    Verdict,
)
from tieout.core.decide_customer import decide_customer
from tieout.core.model import (
    Customer,
    Entity,
    ExternalRef,
)
from tieout.core.policy import BooksPolicy
from tieout.core.scope import customer_scope
from tieout.engine.context import Engine
from tieout.engine.places import customer_slot
from tieout.engine.triggers import holds
from tieout.storing import CustomerQuery


async def decide_customers(
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
    return holds(rule, {"customer": scope, "account": scope})


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
    verdicts = await engine.store.customer_verdicts(engine.policy.crm, book.connection, loose)
    choices = await engine.store.customer_sides(
        book.connection, [key for key in sources if key not in loose]
    )
    candidates = await _told(engine, book, candidates, verdicts)
    cases = {}
    for key, seen in sources.items():
        state = states[slots[key].key13]
        word, said_of = verdicts.get(key, ("", ()))
        record = seen.record
        assert isinstance(record, Customer)
        current = state.current
        cases[key] = CustomerCase(
            source=record,
            state=state,
            target=targets.get(current.ref.id) if current else None,
            candidates=_not_refused(state, candidates.get(key, [])),
            chosen=ExternalRef(book.connection, "customer", said_of[0]) if word == "is" else None,
            make_new=word == "new" and not said_of,
            choices=choices.get(key, ()),
        )
    return cases


async def _told(
    engine: Engine,
    book: BooksPolicy,
    found: Mapping[str, Sequence[Candidate]],
    verdicts: Mapping[str, tuple[str, tuple[str, ...]]],
) -> dict[str, list[Candidate]]:
    """
    Candidates without those of which a person said that they are not it, and with the one that a
    person named, by whatever it was found.
    """
    found = {key: _come_since(hits, verdicts.get(key)) for key, hits in found.items()}
    pairs = [
        (key, hit.customer.ref.id)
        for key, hits in found.items()
        for hit in hits
        if hit.customer.ref is not None
    ]
    apart = await engine.store.told_apart(book.connection, pairs) if pairs else frozenset()
    kept = {
        key: [hit for hit in hits if hit.customer.ref and (key, hit.customer.ref.id) not in apart]
        for key, hits in found.items()
    }
    chosen = {key: refs[0] for key, (word, refs) in verdicts.items() if word == "is"}
    absent = sorted(
        ref
        for key, ref in chosen.items()
        if not any(hit.customer.ref and hit.customer.ref.id == ref for hit in kept.get(key, ()))
    )
    if not absent:
        return kept
    seen = await engine.store.mirror(book.connection, Entity.CUSTOMER, absent)
    owners = await engine.store.sources_of(book.connection, Entity.CUSTOMER, absent)
    for key, ref in chosen.items():
        known = seen.get(ref) if ref in absent else None
        if known is not None and not known.gone and isinstance(known.record, Customer):
            owner = owners.get(ref, key)
            linked = "" if owner == key else owner
            hit = Candidate(customer=known.record, by="person", linked_to=linked)
            kept.setdefault(key, []).append(hit)
    return kept


def _come_since(
    found: Sequence[Candidate], said: tuple[str, tuple[str, ...]] | None
) -> Sequence[Candidate]:
    """
    Of a customer that was said to be new, those in the books that came after that word: somebody
    may have made it there by hand. What is another account's by now is not it.
    """
    if said is None or said[0] != "new":
        return found
    return [
        hit
        for hit in found
        if not hit.linked_to and hit.customer.ref and hit.customer.ref.id not in said[1]
    ]


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
