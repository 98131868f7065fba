"""Directed histories of rows that cannot be understood: shown, and keeping nothing else out."""

from __future__ import annotations

from datetime import timedelta

from directed_published import quiet_run_writes_nothing
from scenes import Scene, history


def shown(s: Scene) -> list[tuple[str, bool]]:
    """The exceptions of rows that were not understood: of which record, and whether open."""
    rows = s.world.rows(
        "SELECT source_id, closed_at IS NULL FROM exception_case WHERE workspace = %(ws)s"
        " AND code = 'record_unreadable' AND split_part(lane, '/', 2) = 'ledger' ORDER BY number"
    )
    return [(row[0], row[1]) for row in rows]


@history()
async def u01_a_deal_that_cannot_be_read_is_shown_and_the_others_go_through(s: Scene) -> None:
    """Also when all ids are held against the mirror; once it can be read, it is invoiced."""
    broken = s.deal("1000.00")
    row = s.world.crm.rows.row("deals", broken)
    kept, row["close_date"] = row["close_date"], "some day"
    s.deal("2500.00")
    await s.settle()
    assert [one["net"] for one in s.world.live()] == [2500]
    assert shown(s) == [(f"deal:{broken}", True)]
    # The sweep asks for it again, together with what it missed.
    await s.world.wait(timedelta(hours=30).total_seconds())
    s.deal("1700.00")
    await s.settle()
    assert sorted(one["net"] for one in s.world.live()) == [1700, 2500]
    assert shown(s) == [(f"deal:{broken}", True)]
    row["close_date"] = kept
    s.world.in_crm("edit", deal=broken, price="1200.00")
    await s.settle()
    assert sorted(one["net"] for one in s.world.live()) == [1200, 1700, 2500]
    assert shown(s) == [(f"deal:{broken}", False)]
    s.none_open()
    await quiet_run_writes_nothing(s)


@history()
async def u02_a_draft_that_cannot_be_read_is_not_taken_for_gone(s: Scene) -> None:
    """What is linked stays linked; nothing is made in its stead."""
    deal, draft = await s.linked()
    row = s.row(draft)
    kept = row["due_date"]
    s.world.in_book("edit_draft", draft=draft, your_reference="new")
    row["due_date"] = "in thirty days"
    await s.world.wait(70)
    await s.settle()
    assert shown(s) == [(f"document:{s.ref(draft)}", True)]
    s.world.in_crm("edit", deal=deal, price="1200.00")
    await s.world.wait(timedelta(hours=30).total_seconds())
    await s.settle()
    assert [one["id"] for one in s.world.live()] == [draft]
    # The change of the deal that stands on it is held, with the same words.
    assert s.world.exceptions(deal) == ["record_unreadable"]
    row["due_date"] = kept
    s.world.in_book("edit_draft", draft=draft, your_reference="newer")
    await s.world.wait(70)
    await s.settle()
    assert shown(s) == [(f"document:{s.ref(draft)}", False)]
    assert [one["id"] for one in s.world.live()] == [draft]
    # Both sides changed it by now: a person says.
    assert s.world.exceptions(deal) == ["draft_edited"]


@history()
async def u03_a_look_that_comes_upon_it_is_not_complete(s: Scene) -> None:
    """The answer to a create was lost and its draft cannot be read: it is not made again."""
    s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    (made,) = s.world.drafts()
    row = s.row(made["id"])
    kept, row["due_date"] = row["due_date"], "in thirty days"
    for _ in range(4):
        await s.world.wait(3600)
        await s.run()
    assert s.sent() == 1
    assert shown(s) == [(f"document:{s.ref(made['id'])}", True)]
    states = s.world.rows(
        "SELECT state FROM operation WHERE workspace = %(ws)s AND entity = 'document'"
    )
    assert states == [("unknown",)]
    row["due_date"] = kept
    s.world.in_book("edit_draft", draft=made["id"], your_reference="new")
    await s.world.wait(3600)
    await s.settle()
    assert s.one("draft") == made["id"]
    assert s.sent() == 1
    assert shown(s) == [(f"document:{s.ref(made['id'])}", False)]
