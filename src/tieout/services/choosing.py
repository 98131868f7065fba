"""A field that both sides changed: a person names the side that counts, field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tieout.core.conflict import Choice
from tieout.core.decide_customer import goes_back
from tieout.core.mapping.fields import Owner
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.services.usage import UsedWronglyError
from tieout.store import pages, people, said
from tieout.store.people import Case
from tieout.store.postgres import PostgresStore

CODE = "both_changed"
_SIDES = {"crm": Owner.CRM, "books": Owner.BOOKS}


def fields_of(case: Case) -> dict[str, Mapping[str, str]]:
    """Each field that both sides changed, with what both showed when the exception was tried."""
    return {
        str(found["field"]): found
        for found in case.details.get("values", [])
        if isinstance(found, dict) and found.get("field") and found.get("crm_mark")
    }


def sides_given(case: Case, words: Sequence[str]) -> dict[str, Owner]:
    """
    The side of each field: `crm` or `books` for all of them, `name=crm` for one, which goes first.

    Raises `UsedWronglyError` for a word that is neither, or a field that is not in conflict.
    """
    known = fields_of(case)
    if not known:
        raise UsedWronglyError(
            f"{case.name} names no fields yet.",
            code="answer_unfit",
            hint=f"tieout exceptions retry {case.name}",
        )
    found: dict[str, Owner] = {}
    for word in sorted(words, key=lambda word: "=" in word):
        name, _, side = word.rpartition("=")
        if side not in _SIDES or (name and name not in known):
            fields = ", ".join(known)
            raise UsedWronglyError(
                f'"{word}" is no side. Give crm or books, or FIELD=crm with one of: {fields}.',
                code="answer_unfit",
            )
        found.update(dict.fromkeys([name] if name else known, _SIDES[side]))
    return found


async def choose_sides(
    engine: Engine, store: PostgresStore, case: Case, words: Sequence[str], *, who: str
) -> str:
    """
    Keeps the word over the values that the exception shows; the next run writes it. Gives what it
    means, in sentences.
    """
    known, sides = fields_of(case), sides_given(case, words)
    books, now = case.lane.rsplit("/", 1)[-1], engine.clock.now()
    choices = [
        Choice(field=name, side=side, crm=known[name]["crm_mark"], books=known[name]["books_mark"])
        for name, side in sorted(sides.items())
    ]

    def work(tx: Any) -> None:
        before = said.customer_sides(tx, books, [case.source_id]).get(case.source_id, ())
        kept = [choice for choice in before if choice.field not in sides]
        people.add_verdict(
            tx,
            said.sides_subject(books, case.source_id),
            "sides",
            [[one.field, str(one.side), one.crm, one.books] for one in (*kept, *choices)],
            who,
            f"answer to {case.name}",
            now,
        )
        pages.make_due(tx, case.lane, [case.source_id], now)
        if engine.policy.customers.both:
            accounts = lanes.lane(engine.bridge, lanes.ACCOUNTS, books)
            pages.make_due(tx, accounts, [case.source_id], now)

    await store.do(work)
    told = [_means(engine, books, choice, known[choice.field]) for choice in choices]
    left = [name for name in known if name not in sides]
    return " ".join([*told, *([f"Still open: {', '.join(left)}."] if left else [])])


def _means(engine: Engine, books: str, choice: Choice, values: Mapping[str, str]) -> str:
    """`name becomes "Ett AB" in visma-se.`"""
    crm = engine.policy.crm
    if choice.side is Owner.CRM:
        return f'{choice.field} becomes "{values["crm_now"]}" in {books}.'
    if goes_back(engine.policy.customers, choice.field):
        return f'{choice.field} becomes "{values["books_now"]}" in {crm}.'
    return f'{choice.field} stays "{values["books_now"]}" in {books}; {crm} keeps its own.'


# --- an order that was changed in the books --------------------

ORDER = "order_changed"


async def choose_order(
    engine: Engine, store: PostgresStore, case: Case, side: str, *, who: str
) -> str:
    """
    Keeps which side of a changed order counts, for the order as the person saw it and no other;
    gives what it means, in a sentence. Raises `UsedWronglyError`.
    """
    now, key13 = engine.clock.now(), case.key13
    values = [found for found in case.details.get("values", []) if isinstance(found, dict)]
    mark = next((str(found["mark"]) for found in values if found.get("mark")), "")
    if key13 is None or not mark:
        raise UsedWronglyError(f"{case.name} names no order.", code="answer_unfit")
    verdict = "deal_counts" if side == "crm" else "books_count"

    def work(tx: Any) -> None:
        people.set_slot_verdict(tx, key13, f"{verdict}:{mark}")
        said = f"answer to {case.name}"
        people.add_verdict(tx, f"slot:{key13}", verdict, [mark], who, said, now)
        pages.make_due(tx, case.lane, [case.source_id], now)

    await store.do(work)
    name = case.deal or case.source_id
    if side == "crm":
        return f"The order is written over with what {name} says."
    return f"The order of {name} stays as it is in the books."
