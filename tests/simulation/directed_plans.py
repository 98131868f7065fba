"""Directed histories of deals that are billed in steps: each step has a place of its own."""

from __future__ import annotations

from scenes import Scene, history
from tieout.core.policy import FieldRule

PLANNED = {
    "policy_changes": {
        "instalments": FieldRule(
            target="instalments",
            text="deal.title",
            value=lambda scope: "" if scope["deal"]["title"] == "A deal" else "2",
        )
    }
}


@history(options=PLANNED)
async def h98_two_steps_in_doubt(s: Scene) -> None:
    """Each step that is in doubt is asked about, and an answer to one says nothing of the other."""
    await s.linked("1700.00")
    s.world.fault("drop_after_commit", path="/drafts", times=2)
    deal = s.deal(title="In two")
    await s.run()
    steps = [row["id"] for row in s.world.live() if row["net"] == 500]
    assert len(steps) == 2
    copies = [s.world.in_book("copy_draft", draft=step)["id"] for step in steps]
    await s.settle()
    asked = s.world.rows(
        "SELECT key13, candidates FROM exception_case WHERE workspace = %(ws)s"
        " AND source_id = %(deal)s AND closed_at IS NULL AND code = 'two_carriers'"
        " ORDER BY number",
        deal=deal,
    )
    doubts = s.world.rows(
        "SELECT key13 FROM operation WHERE workspace = %(ws)s AND state = 'doubt' ORDER BY key13"
    )
    assert sorted(row[0] for row in asked) == [row[0] for row in doubts]
    named = [{ref.split(":", 2)[2] for ref in row[1]} for row in asked]
    assert sorted(named, key=sorted) == [
        {s.ref(one), s.ref(copy)} for one, copy in zip(steps, copies, strict=True)
    ]


@history(options=PLANNED)
async def h99_new_installation_knows_steps_of_the_configuration(s: Scene) -> None:
    """A plan that the mapping makes is in no record: its documents are found again all the same."""
    deal = s.deal(title="In two")
    await s.settle()
    assert len(s.world.current()) == 2
    s.world.in_crm("reopen", deal=deal)
    s.world.workspace = f"{s.world.workspace}-new"
    s.world.make_workspace(s.world.workspace)
    await s.settle()
    assert not s.world.live() or s.world.exceptions(deal)


@history(options=PLANNED)
async def h100_restored_with_steps_of_the_configuration(s: Scene) -> None:
    """Steps that were made since the backup are the deal's: nobody is asked whose they are."""
    await s.linked("1700.00")
    backup = s.world.snapshot()
    s.deal(title="In two")
    await s.settle()
    assert len(s.world.current()) == 3
    await s.world.wait(300)
    s.world.restore(backup)
    await s.settle()
    assert len(s.world.live()) == 3
    assert len(s.world.current()) == 3
    s.none_open()


@history(options=PLANNED)
async def h101_both_drafts_of_a_plan_deleted(s: Scene) -> None:
    """A person has both made anew, one answer after the other: each step gets its own, once."""
    deal = s.deal(title="In two")
    await s.settle()
    for row in s.world.live():
        s.world.in_book("delete_draft", draft=row["id"])
    await s.world.wait(130)
    await s.settle()
    await s.world.wait(130)
    await s.settle()
    assert not s.world.live()
    for _ in range(3):
        if s.world.exceptions(deal):
            await s.answer(deal, "draft_deleted", make_new=True)
        await s.settle()
    assert len(s.world.live()) == 2
    assert len(s.world.current()) == 2
    assert s.sent() == 4
    s.none_open()
