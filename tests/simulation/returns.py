"""At rest, what was deleted or credited stands again: nothing may be made beside it."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from quiet import document_slot
from tables import Row
from world import World, is_live

# In how many of the histories in which something can come back.
SHARE = 0.5


async def stands_again(world: World, chance: Random) -> None:
    """
    Somebody takes a deletion or a credit note back, of a deal that has no other document; mostly
    its deal is won again, if it was not. Then all comes to rest.
    """
    dead = [row for row in world.documents() if _can_come_back(world, row)]
    if not dead or chance.random() > SHARE:
        return
    row = chance.choice(dead)
    take_back(world, row)
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


def take_back(world: World, row: Row) -> None:
    """A person gets a document back from the bin, or takes credit notes or its voiding back."""
    ledger = world.book.ledger
    if row["_deleted"]:
        row["_deleted"] = False
        ledger.gone[:] = [one for one in ledger.gone if one["id"] != row["id"]]
    for note in list(ledger.live("documents")):
        if row["id"] in note.get("credits", ()):
            ledger.remove("documents", note)
    row["credited"] = Decimal(0)
    if row["status"] == "void":
        row["status"] = "draft" if row["type"] == "order" else "booked"
    ledger.settle(row)
    ledger.touch(row)
    world.note(f"book {row['id']} stands again")
    world.happened["documents that stand again"] += 1
    world.step()
