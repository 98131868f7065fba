"""After a restore: whose the documents are that carry no key, as only a person can say."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from tieout.core.case import OPEN, RefRole
from tieout.core.model import ExternalRef
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.places import document_slot
from tieout.services.exceptions import Answer, books_of, candidate_ids, one_record
from tieout.services.naming import one_deal
from tieout.services.usage import UsedWronglyError
from tieout.store import pages, people
from tieout.store import slots as slot_store
from tieout.store.people import Case, NamedDeal
from tieout.store.postgres import PostgresStore
from tieout.store.recovering import WHOLE_COMPANY, not_ours_subject, shrink


async def assign(engine: Engine, store: PostgresStore, case: Case, given: Answer, who: str) -> str:
    """
    One of the documents becomes the deal's, or some are not ours. Gives what it means, in a
    sentence; the exception closes with its last document, and creates go on.

    Raises `UsedWronglyError` where the document or the deal does not fit.
    """
    books = books_of(case)
    asked = candidate_ids(case)
    if given.which:
        if not given.deal:
            raise UsedWronglyError("Say whose document it is: --is REF --deal DEAL.", code="usage")
        ref, number, _, kind = await one_record(store, books, "document", given.which)
        _check_asked(case, [ref], asked)
        deal = await _deal(engine, store, case, given.deal)
        await _link(engine, store, case, given, ref, deal, who)
        return f"{kind or 'document'} {number or ref} is the one of {deal.name}."
    refused = [await one_record(store, books, "document", word) for word in given.not_ours]
    _check_asked(case, [one[0] for one in refused], asked)
    await _refuse(engine, store, case, [one[0] for one in refused], who)
    return f"Not ours: {', '.join(one[1] or one[0] for one in refused)}."


def _check_asked(case: Case, named: Sequence[str], asked: Sequence[str]) -> None:
    strange = [ref for ref in named if ref not in asked]
    if strange:
        raise UsedWronglyError(
            f"{case.name} does not ask about {', '.join(strange)}.",
            code="answer_unfit",
            hint=f"tieout exceptions show {case.name}",
        )


async def _deal(engine: Engine, store: PostgresStore, case: Case, word: str) -> NamedDeal:
    """The deal that a word names, of the customer that the exception is about."""
    crm = engine.policy.crm
    found = await store.do(lambda tx: people.deals_named(tx, crm, word))
    if case.source_id != WHOLE_COMPANY:
        mine = [deal for deal in found if deal.customer == case.source_id]
        if found and not mine:
            raise UsedWronglyError(
                f"{word} is a deal of another customer than {case.customer or case.source_id}.",
                code="answer_unfit",
            )
        found = mine
    return one_deal(found, word, crm)


async def _link(
    engine: Engine,
    store: PostgresStore,
    case: Case,
    given: Answer,
    ref: str,
    deal: NamedDeal,
    who: str,
) -> None:
    books, now = books_of(case), engine.clock.now()
    slot = document_slot(engine, engine.policy.book(books), deal.id, given.step)
    documents = lanes.lane(engine.bridge, lanes.DOCUMENTS, books)
    place = ExternalRef(books, "document", ref)

    def work(tx: Any) -> None:
        state = slot_store.slots(tx, [slot])[slot.key13]
        if state.current is not None and state.current.ref.id != ref:
            raise UsedWronglyError(
                f"{deal.name} has a document already: {state.current.ref.id}.",
                code="answer_unfit",
                hint=f"tieout why {shlex.quote(deal.name)}",
            )
        if state.operation is not None and state.operation.state in OPEN:
            # It may have arrived: linked to this one, the deal would have two.
            raise UsedWronglyError(
                f"A write of {deal.name} is still being looked up. Nothing was done.",
                code="write_in_doubt",
                hint=f"tieout why {shlex.quote(deal.name)}",
            )
        slot_store.ensure_slot(tx, state, engine.bridge, books)
        other = slot_store.put_ref(
            tx, place, slot.key13, state.generation, RefRole.CURRENT, "person", now
        )
        if other is not None:
            raise UsedWronglyError(
                "That document belongs to another deal already.", code="ref_taken"
            )
        people.forget_base(tx, slot.key13)
        people.add_verdict(
            tx, f"slot:{slot.key13}", "is", [ref], who, f"answer to {case.name}", now
        )
        _go_on(tx, engine, case, [ref], who)
        pages.make_due(tx, documents, [deal.id], now)

    await store.do(work)


async def _refuse(
    engine: Engine, store: PostgresStore, case: Case, refs: Sequence[str], who: str
) -> None:
    books, now = books_of(case), engine.clock.now()

    def work(tx: Any) -> None:
        for ref in refs:
            people.add_verdict(
                tx,
                not_ours_subject(ExternalRef(books, "document", ref)),
                "not_ours",
                [ref],
                who,
                f"answer to {case.name}",
                now,
            )
        _go_on(tx, engine, case, refs, who)

    await store.do(work)


def _go_on(tx: Any, engine: Engine, case: Case, answered: Sequence[str], who: str) -> None:
    """These are answered; with the last one the customer's deals are decided again."""
    if not shrink(tx, case.number, answered, who, engine.clock.now()):
        return
    documents = lanes.lane(engine.bridge, lanes.DOCUMENTS, books_of(case))
    pages.wake(tx, documents, ["document"], engine.clock.now())
