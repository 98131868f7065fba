"""At rest, what was deleted or credited stands again: nothing may be made beside it."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from random import Random

from quiet import document_slot
from tables import Row
from tieout.services.making_anew import make_anew
from tieout.services.usage import UsedWronglyError
from tieout.store.database import BlockingRunner
from tieout.store.postgres import PostgresStore
from world import World, is_live

# In how many of the histories in which something can come back.
SHARE = 0.5
# In how many of these a document is credited before, and its deal mostly reopened.
CREDITED = 0.6
# In how many of them a person wants another document before that, or instead.
ASKED = 0.4


async def stands_again(world: World, chance: Random) -> None:
    """
    Somebody takes a deletion or a credit note back, of a deal that has no other document; mostly
    its deal is won again, if it was not. Then all comes to rest.
    """
    if chance.random() > SHARE:
        return
    if chance.random() < CREDITED:
        await _credited(world, chance)
    dead = [row for row in world.documents() if _can_come_back(world, row)]
    if not dead:
        return
    row = chance.choice(dead)
    if chance.random() < ASKED:
        await _asks_for_another(world, row)
        if chance.random() < 0.5:
            await world.settle()
            return
    take_back(world, row, voided=chance.random() < 0.5)
    for deal in world.crm.rows.tables["deals"].values():
        mine = document_slot(world, deal["id"]) == world.slot_of[row["id"]]
        if mine and deal["state"] != "won" and not deal["_deleted"] and chance.random() < 0.8:
            world.in_crm("win", deal=deal["id"])
    await world.wait(world.sweep_s + 5)
    await world.settle()
    await world.wait(world.sweep_s + 5)
    await world.settle()


def _can_come_back(world: World, row: Row) -> bool:
    slot = world.slot_of.get(row["id"])
    if slot is None or row["_by"] != "api" or row.get("_became") or is_live(row):
        return False
    if row["id"] in world.unguarded or any(
        world.slot_of.get(other["id"]) == slot for other in world.live()
    ):
        return False
    unique = world.variant.unique
    if unique and world.book.ledger.holder("documents", unique, row[unique]) is not None:
        return False
    return bool(row["_deleted"]) if row["type"] != "invoice" else not row["_deleted"]


async def _credited(world: World, chance: Random) -> None:
    """One of the documents of ours is booked and credited in full."""
    live = [
        row
        for row in world.live()
        if row["_by"] == "api" and row["type"] == "invoice" and row["id"] in world.slot_of
    ]
    if not live:
        return
    row = chance.choice(live)
    slot = world.slot_of[row["id"]]
    invoice = (
        world.in_book("book", draft=row["id"])["id"] if row["status"] == "draft" else row["id"]
    )
    await world.settle()
    world.in_book("credit", invoice=invoice)
    for deal in world.crm.rows.tables["deals"].values():
        won = deal["state"] == "won" and not deal["_deleted"]
        if won and document_slot(world, deal["id"]) == slot and chance.random() < 0.6:
            world.in_crm("reopen", deal=deal["id"])
    for _ in range(2):
        await world.wait(world.sweep_s + 5)
        await world.settle()


async def _asks_for_another(world: World, row: Row) -> None:
    """A person asks for another document; where none was credited or voided, that is refused."""
    engine = world.engine(leased=False)
    store = PostgresStore(
        BlockingRunner(world.database),
        workspace=world.workspace,
        ids=engine.ids,
        clock=engine.clock,
    )
    slot = world.slot_of[row["id"]]
    for deal in world.crm.rows.tables["deals"]:
        if document_slot(world, deal) == slot:
            with suppress(UsedWronglyError):
                await make_anew(engine, store, deal, 0, who="Maria")
                world.note(f"Maria wants another document for {deal}")
                world.happened["documents asked for anew"] += 1


def take_back(world: World, row: Row, *, voided: bool) -> None:
    """
    A person gets a document back from the bin, or takes credit notes or its voiding back;
    ``voided``: the credit notes stay in the books as such.
    """
    ledger = world.book.ledger
    if row["_deleted"]:
        row["_deleted"] = False
        ledger.gone[:] = [one for one in ledger.gone if one["id"] != row["id"]]
    for note in list(ledger.live("documents")):
        if row["id"] not in note.get("credits", ()):
            continue
        if voided:
            note["status"] = "void"
            ledger.touch(note)
        else:
            ledger.remove("documents", note)
    row["credited"] = Decimal(0)
    if row["status"] == "void":
        row["status"] = "draft" if row["type"] == "order" else "booked"
    ledger.settle(row)
    ledger.touch(row)
    world.note(f"book {row['id']} stands again")
    world.happened["documents that stand again"] += 1
    world.step()
