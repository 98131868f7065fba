"""Deciding on accounts: what customers of the CRM take over from the books."""

from __future__ import annotations

from collections.abc import Sequence

from tieout.core.case import Decision, Verdict
from tieout.core.decide_account import decide_account
from tieout.core.keys import KeyKind
from tieout.core.model import Entity
from tieout.core.policy import BooksPolicy
from tieout.engine.context import Engine
from tieout.engine.deciding_customers import customer_cases
from tieout.engine.places import customer_slot, published_slot


async def decide_accounts(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    """For each customer of the CRM; of several companies the first in which it is linked counts."""
    sources = await engine.store.mirror(engine.policy.crm, Entity.CUSTOMER, ids)
    present = {key: seen for key, seen in sources.items() if not seen.gone}
    cases = await customer_cases(engine, book, present)
    slots = {key: published_slot(engine, book, KeyKind.ACCOUNT, key) for key in present}
    states = await engine.store.slots(list(slots.values()))
    others = await _linked_before(engine, book, list(present))
    decisions = []
    for key in ids:
        case = cases.get(key)
        reason = (
            "not_there"
            if case is None
            else "merged"
            if case.state.alias_of
            else "shown_by_another_company"
            if key in others
            else ""
        )
        if case is None or reason:
            decisions.append(
                Decision(lane=lane, source_id=key, verdict=Verdict.SKIP, reason=reason)
            )
            continue
        account = states[slots[key].key13]
        decisions.append(decide_account(case, account, engine.policy.customers, lane))
    return decisions


async def _linked_before(engine: Engine, book: BooksPolicy, ids: Sequence[str]) -> set[str]:
    """Customers that are linked in the books of a company that stands before this one."""
    found: set[str] = set()
    for other in engine.policy.books:
        if other.connection == book.connection:
            break
        slots = {key: customer_slot(engine, other, key) for key in ids}
        states = await engine.store.slots(list(slots.values()))
        found |= {key for key in ids if states[slots[key].key13].current is not None}
    return found
