"""Another document for a won deal whose document was credited in full, or voided: on request."""

from __future__ import annotations

from typing import Any

from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.services.naming import one_deal
from tieout.services.usage import UsedWronglyError
from tieout.store import credits, pages, people
from tieout.store import slots as slot_store
from tieout.store.database import Tx
from tieout.store.people import NamedDeal
from tieout.store.postgres import PostgresStore


async def make_anew(
    engine: Engine, store: PostgresStore, word: str, step: int, *, who: str
) -> tuple[NamedDeal, int]:
    """
    Ends the place of each document of that deal that was credited in full or voided, so that the
    next run makes another; ``step``: of that instalment alone, 0: of all. Gives the deal, and how
    many. What stands again by then holds the deal (`former_document_stands`).

    Raises `UsedWronglyError`: no such deal, more than one, or none of its documents is dead.
    """
    crm, now = engine.policy.crm, engine.clock.now()
    companies = {
        lanes.lane(engine.bridge, lanes.DOCUMENTS, book.connection): book.company
        for book in engine.policy.books
    }

    def work(tx: Any) -> tuple[NamedDeal, int]:
        deal = one_deal(people.deals_named(tx, crm, word), word, crm)
        dead = {
            (companies[lane], part): lane
            for lane, part in people.dead_steps(tx, sorted(companies), deal.id)
            if step in (0, part)
        }
        slot_store.lock(tx, engine.bridge, "D", deal.id)
        places = slot_store.slots_of_sources(tx, engine.bridge, "D", [deal.id]).get(deal.id, [])
        mine = [
            place
            for place in places
            if place.current is not None
            and place.operation is None
            and (place.slot.company, place.slot.part) in dead
            # What was decided may be older than what was read, or than another person's answer.
            and credits.is_dead(tx, place.current.ref)
        ]
        for place in mine:
            _end(tx, place.key13, who, now)
            lane = dead[place.slot.company, place.slot.part]
            pages.make_due(tx, lane, [deal.id], now)
        return deal, len(mine)

    found: tuple[NamedDeal, int] = await store.do(work)
    deal, count = found
    if not count:
        where = f" in step {step}" if step else ""
        raise UsedWronglyError(
            f"{deal.name} has no document that was credited in full or voided{where}. "
            "Nothing was done.",
            code="answer_unfit",
            hint=f"tieout why {deal.name}",
        )
    return deal, count


def _end(tx: Tx, key13: str, who: str, now: Any) -> None:
    reason = "asked for another document"
    slot_store.end_generation(tx, key13, reason)
    people.add_verdict(tx, f"slot:{key13}", "make_new", [], who, reason, now)
