"""
26: when persons have edited both sides for the last time, two runs at most make them the same.

Played at the end of a history, when all is quiet: a field of each linked customer on one side or on
both, persons, items, prices and invoices in the books, and what people write over in the CRM.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import offered
from invariants import Violation
from tieout.core.policy import FlowMode
from world import World

RUNS = 2


def edit_customers(world: World, links: list[tuple[str, str]]) -> None:
    """E-mail and telephone of each linked pair: on the one side, the other, or one on each."""
    chance = world.random
    for number, (company, customer) in enumerate(links):
        fields = {"email": f"last-{number}@kund.example", "phone": f"+46 8 {number:07d}"}
        names = list(fields)
        chance.shuffle(names)
        mine, theirs = ({name: fields[name]} for name in names)
        kind = chance.choice(("crm", "books", "both", "same field"))
        if kind == "same field":
            theirs = {name: f"other {value}" for name, value in mine.items()}
        if kind != "books":
            world.in_crm("edit_company", company=company, **mine)
        if kind != "crm":
            world.in_book("edit_customer", customer=customer, **theirs)
        world.happened[f"last edit of a customer: {kind}"] += 1


def edit_catalogue(world: World) -> None:
    """An item is new, one repriced, one written over in the CRM; an invoice is booked and paid."""
    chance = world.random
    world.in_book("create_item", number="LAST", name="The last one", price=Decimal("12.50"))
    numbers = sorted(row["number"] for row in world.book.ledger.live("items"))
    world.in_book("edit_item", number=chance.choice(numbers), price=Decimal("77.70"))
    shown = [row for row in world.crm.rows.live("products") if row.get("key")]
    if shown:
        row = chance.choice(shown)
        world.crm.rows.edit(row, {"price": Decimal(1), "name": "written over"})
        world.note(f"crm product {row['number']} is written over")
    customers = sorted(row["id"] for row in world.book.ledger.live("customers"))
    if customers:
        line = {"item": "LIC", "quantity": 3, "unit_price": Decimal("33.33")}
        invoice = world.in_book(
            "create_invoice", customer=chance.choice(customers), lines=[line], booked=True
        )
        if chance.random() < 0.5:
            world.in_book("pay", invoice=invoice["id"])
    world.happened["last edits of the catalogue"] += 1


def edit_prices(world: World) -> None:
    """A price of a list is new, and one that is shown is written over by a seller."""
    chance = world.random
    numbers = sorted(row["number"] for row in world.book.ledger.live("items"))
    rule = chance.choice(world.prices)
    where = {"number": chance.choice(numbers), "list": rule.list, "currency": "SEK"}
    world.in_book("set_price", **where, amount=Decimal("66.60"))
    shown = [row for row in world.crm.rows.live("products") if row.get("prices")]
    if shown:
        row = chance.choice(shown)
        changed = [{**one, "amount": Decimal(3)} for one in row["prices"]]
        world.crm.rows.edit(row, {"prices": changed})
        world.note(f"crm prices of {row['number']} are written over")
    world.happened["last edits of prices"] += 1


def edit_persons(world: World) -> None:
    """Some persons get a telephone number in the CRM, some a title in the books."""
    chance = world.random
    here = sorted(row["id"] for row in world.crm.rows.live("contacts"))
    there = sorted(row["id"] for row in world.book.ledger.live("contacts"))
    for person in chance.sample(here, min(2, len(here))):
        world.in_crm("edit_contact", contact=person, phone=f"+46 8 {chance.randrange(10**6)}")
    for person in chance.sample(there, min(2, len(there))):
        world.in_book("edit_contact", contact=person, title=f"Title {chance.randrange(100)}")
    world.happened["last edits of persons"] += 1


async def converge(
    world: World, links: list[tuple[str, str]], same: list[Callable[[], None]]
) -> None:
    """
    The last edits, `RUNS` runs, then each of ``same``; a run after them writes nothing more.

    ``links`` are companies with their customers that no open exception holds.
    """
    if world.customers.both:
        edit_customers(world, links)
    if world.shown is not FlowMode.OFF:
        edit_catalogue(world)
    if world.prices:
        edit_prices(world)
    if world.contacts.both:
        edit_persons(world)
    if world.value_rules():
        offered.last_edits(world)
    await world.wait(5)
    for _ in range(RUNS):
        await world.run_once(force=True)
        await world.wait(5)
    for check in same:
        try:
            check()
        except Violation as error:
            raise Violation(f"26: after {RUNS} runs: {error}") from error
    before = _written(world)
    result = await world.run_once(force=True)
    if _written(world) != before:
        counts: Any = result.counts()
        raise Violation(f"26: a run after the last edits had arrived wrote: {counts}")


def _written(world: World) -> int:
    return len(world.writes) + len(world.crm.received)
