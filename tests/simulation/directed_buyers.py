"""Directed histories of deals that get another buyer while something is on its way."""

from __future__ import annotations

from scenes import Scene, history


@history()
async def h110_another_buyer_while_the_create_is_late(s: Scene) -> None:
    """The document of the old buyer is found and taken back, then the new one's is made."""
    await s.linked("1700.00")
    other = s.world.make_company(2)
    deal = s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=150)
    await s.run()
    s.world.in_crm("edit", deal=deal, company=other)
    await s.settle()
    mine = [row for row in s.world.live() if row["net"] == 1000]
    assert len(mine) == 1
    assert len({row["customer"] for row in s.world.live()}) == 2
    assert len(s.world.current()) == 2
    s.none_open()


@history()
async def h111_another_buyer_and_back_while_the_void_is_late(s: Scene) -> None:
    """What was being taken back is not kept for the buyer who came back."""
    deal, _ = await s.linked()
    other = s.world.make_company(2)
    s.world.in_crm("edit", deal=deal, company=other)
    s.world.fault("commit_late", method="DELETE", path="*", seconds=150)
    await s.run()
    s.world.in_crm("edit", deal=deal, company=s.company)
    await s.settle()
    (row,) = s.world.live()
    assert row["customer"] == next(iter(s.world.book.ledger.live("customers")))["id"]
    assert s.world.current() == [s.ref(row["id"])]
    s.none_open()


@history(guard="e2")
async def h112_another_buyer_where_no_key_is_shown(s: Scene) -> None:
    """A late create for the old buyer is looked for among that one's documents."""
    await s.linked("1700.00")
    other = s.world.make_company(2)
    deal = s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=150)
    await s.run()
    s.world.in_crm("edit", deal=deal, company=other)
    await s.settle()
    assert len([row for row in s.world.live() if row["net"] == 1000]) == 1
    assert s.world.exceptions(deal) == ["near_hit"]


@history()
async def h113_another_buyer_after_a_restore(s: Scene) -> None:
    """What was made since the backup is the old buyer's: it is asked about or replaced."""
    await s.linked("1700.00")
    backup = s.world.snapshot()
    other = s.world.make_company(2)
    deal = s.deal()
    await s.settle()
    s.world.in_crm("edit", deal=deal, company=other)
    await s.world.wait(300)
    s.world.restore(backup)
    await s.settle()
    mine = [row for row in s.world.live() if row["net"] == 1000]
    assert len(mine) == 1
    assert s.world.exceptions(deal) or mine[0]["customer"] != "k1"
