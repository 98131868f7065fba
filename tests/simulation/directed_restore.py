"""Directed histories of a restored database: 40 to 44, and what sections 10 and 11 demand."""

from __future__ import annotations

from decimal import Decimal

from scenes import Scene, history
from tieout.services import exceptions
from tieout.store import people


async def _three(s: Scene) -> tuple[list[str], dict[str, list[str]]]:
    """A backup before three creates, which then are made."""
    await s.run()
    backup = s.world.snapshot()
    deals = [s.deal(price) for price in ("1000.00", "1500.00", "2000.00")]
    await s.settle()
    assert len(s.world.live()) == 3
    await s.world.wait(300)
    return deals, backup


@history()
async def h40_restored_to_before_three_creates(s: Scene) -> None:
    _, backup = await _three(s)
    s.world.restore(backup)
    await s.settle()
    assert s.sent() == 3
    assert sorted(s.world.current()) == ["draft:d1", "draft:d2", "draft:d3"]
    s.none_open()


@history()
async def h41_restored_and_reopened_since(s: Scene) -> None:
    deals, backup = await _three(s)
    s.world.in_crm("reopen", deal=deals[0])
    s.world.in_book("edit_draft", draft="d2", price="900.00")
    s.world.in_crm("reopen", deal=deals[1])
    s.world.restore(backup)
    await s.settle()
    assert s.sent() == 3
    assert s.row("d1")["_deleted"] or s.world.exceptions(deals[0])
    assert not s.row("d2")["_deleted"]
    assert s.world.exceptions(deals[1]) == ["reopened_draft_kept"]
    assert s.world.refs()["draft:d3"][0] == "current"


@history()
async def h42_restored_to_before_void_and_rewin(s: Scene) -> None:
    deal, draft = await s.linked()
    backup = s.world.snapshot()
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    s.world.in_crm("win", deal=deal)
    await s.settle()
    second = s.one("draft")
    assert second != draft
    await s.world.wait(300)
    s.world.restore(backup)
    await s.settle()
    assert s.one("draft") == second
    assert s.world.refs()[s.ref(second)][2] == 1
    assert s.sent() == 2


@history()
async def h43_ready_had_been_applied(s: Scene) -> None:
    await s.run()
    s.deal()
    s.world.fault("rate_limited", path="/drafts", seconds=40)
    engine = s.world.engine()
    engine.patience_s = 0
    await s.world.work(engine)
    assert ("create", "ready") in [one[:2] for one in s.world.operations()]
    backup = s.world.snapshot()
    await s.settle()
    s.one("draft")
    s.world.restore(backup)
    await s.run()
    assert [one[:2] for one in s.world.operations()] == [("create", "unknown")]
    await s.settle()
    s.one("draft")
    assert s.sent() == 2  # the one that was told to wait, and the one that was made
    assert len(s.world.posts()) == 1


@history()
async def h44_restored_draft_edited(s: Scene) -> None:
    deal, draft = await s.linked()
    backup = s.world.snapshot()
    s.world.in_book("edit_draft", draft=draft, price="900.00")
    await s.settle()
    s.world.in_crm("edit", deal=deal, price="1200.00")
    await s.world.wait(300)
    s.world.restore(backup)
    await s.settle()
    assert s.row(draft)["net"] == 900
    assert s.world.exceptions(deal) == ["draft_edited"]
    assert s.sent("PATCH") == 0


@history()
async def h50_unlinked_document_newer_than_the_backup(s: Scene) -> None:
    """Section 10, 5: what carries no key and is newer than the backup is a person's to assign."""
    await s.linked("1700.00")
    await s.world.wait(60)
    await s.run()
    backup = s.world.snapshot()
    await s.world.wait(60)
    customer = next(iter(s.world.book.ledger.live("customers")))["id"]
    line = {"item": "LIC", "quantity": 1, "unit_price": 900}
    s.world.in_book("create_invoice", customer=customer, lines=[line], booked=False)
    deal = s.deal()
    await s.world.wait(300)
    s.world.restore(backup)
    await s.settle()
    assert s.sent() == 1
    assert s.world.exceptions(deal) == ["unassigned_documents"]
    assert "assign_documents" in s.world.exceptions(s.company)
    (number,) = s.world.rows(
        "SELECT number FROM exception_case WHERE workspace = %(ws)s AND code = 'assign_documents'"
    )[0]
    now = s.world.clock.now()
    await s.world.do(lambda tx: people.close_case(tx, number, "Maria", "not ours", now))
    await s.settle()
    assert s.sent() == 2
    s.none_open()


@history()
async def h51_request_of_the_old_epoch_arrives(s: Scene) -> None:
    """Section 10, 1: no write until what was sent before the restore can no longer take effect."""
    await s.linked("1700.00")
    backup = s.world.snapshot()
    s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=180)
    await s.run()
    s.world.restore(backup)
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 1700]
    assert s.sent() == 2
    assert len(s.world.current()) == 2


@history()
async def h71_clock_jumps_while_a_restore_is_waited_out(s: Scene) -> None:
    """Section 10, 1, under a clock that is set ahead: the wait counts on the books' time."""
    await s.linked("1700.00")
    backup = s.world.snapshot()
    s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=180)
    await s.run()
    s.world.restore(backup)
    await s.run()
    s.world.machines[0].wall.jump(3500)
    for _ in range(5):
        await s.world.wait(20)
        await s.run()
    assert s.sent() == 2
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 1700]
    assert s.sent() == 2


@history(batch=3)
async def h52_lost_batch_each_decides_alone(s: Scene) -> None:
    """Section 11: a lost batch is looked up together, and each of its items decides alone."""
    await s.linked("1700.00")
    deals = [s.deal(price) for price in ("1000.00", "1500.00", "2000.00")]
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    lost = [row["id"] for row in s.world.live() if row["net"] < 1700 or row["net"] == 2000]
    s.world.in_book("delete_draft", draft=lost[0])
    s.world.in_book("copy_draft", draft=lost[1])
    await s.settle()
    assert s.world.exceptions(deals[1]) == ["two_carriers"]
    assert not s.world.exceptions(deals[0])
    assert not s.world.exceptions(deals[2])
    assert len([row for row in s.world.live() if row["net"] == 1000]) == 1
    assert len([row for row in s.world.live() if row["net"] == 2000]) == 1


@history(batch=3)
async def h52b_whole_batch_refused(s: Scene) -> None:
    """Section 11: refused as a whole by a well-formed answer, nothing of it was done."""
    await s.linked("1700.00")
    deals = [s.deal(price) for price in ("1000.00", "1500.00")]
    refusal = {"error": {"code": "closed", "message": "the books are closed for an hour"}}
    s.world.fault("status", path="/drafts", status=422, body=refusal)
    await s.run()
    assert len(s.world.live()) == 1
    states = [one[1] for one in s.world.operations()]
    assert states.count("rejected") == 2
    for deal in deals:
        await s.tries_again(deal)
    await s.settle()
    assert len(s.world.live()) == 3
    s.none_open()


@history()
async def h53_restored_deletion_stays(s: Scene) -> None:
    """Section 8: what a person deleted since the backup is not made again."""
    deal, draft = await s.linked()
    backup = s.world.snapshot()
    s.world.in_book("delete_draft", draft=draft)
    await s.world.wait(300)
    s.world.restore(backup)
    await s.settle()
    assert not s.world.live()
    assert s.world.exceptions(deal) == ["draft_deleted"]
    assert s.sent() == 1


@history()
async def h54_new_installation_with_an_old_and_a_new_generation(s: Scene) -> None:
    """Section 8: the latest generation is followed, and its number goes on from there."""
    deal, _ = await s.linked()
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    s.world.in_crm("win", deal=deal)
    await s.settle()
    second = s.one("draft")
    s.world.workspace = "h54-new" + s.world.workspace
    s.world.make_workspace(s.world.workspace)
    await s.settle()
    assert s.world.refs()[s.ref(second)][2] == 1
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    s.world.in_crm("win", deal=deal)
    await s.settle()
    third = s.one("draft")
    assert s.world.refs()[s.ref(third)][2] == 2
    assert Decimal(s.row(third)["net"]) == 1000


@history()
async def h75_deal_deleted_while_it_was_forgotten(s: Scene) -> None:
    """Its document bears a key that nothing of the CRM gives any more: a person is asked."""
    await s.linked("1700.00")
    backup = s.world.snapshot()
    deal = s.deal()
    await s.run()
    draft = next(row["id"] for row in s.world.live() if row["net"] == 1000)
    s.world.restore(backup)
    s.world.in_crm("delete", deal=deal)
    await s.settle()
    asked = s.world.rows(
        "SELECT code, candidates::text FROM exception_case WHERE workspace = %(ws)s"
        " AND closed_at IS NULL AND lane LIKE '%%/recovery/%%'"
    )
    assert [code for code, _ in asked] == ["assign_documents"]
    assert draft in asked[0][1]
    assert len(s.world.live()) == 2


@history(guard="e1")
async def h77_draft_was_waiting_for_its_customer(s: Scene) -> None:
    """Whose draft it would be is not known: all drafts since then are looked at, and it goes on."""
    s.deal()
    s.world.fault("rate_limited", method="POST", path="/customers", seconds=40)
    engine = s.world.engine()
    engine.patience_s = 0
    await s.world.work(engine)
    assert s.world.operations()
    assert all(one[1] == "ready" for one in s.world.operations())
    backup = s.world.snapshot()
    s.world.restore(backup)
    await s.settle()
    s.one("draft")
    assert s.sent() == 1
    s.none_open()


@history()
async def h79_customer_made_since_the_backup_shows_its_number(s: Scene) -> None:
    """What a key found again concerns is decided too: what the CRM shows, not its link alone."""
    await s.run()
    backup = s.world.snapshot()
    s.deal()
    busy = {"kind": "status", "method": "PATCH", "path": "*", "times": 99, "status": 503}
    s.world.crm.faults.add(busy)
    await s.run()
    draft = s.one("draft")
    s.world.restore(backup)
    s.world.crm.faults.clear()
    await s.settle()
    assert s.one("draft") == draft
    shown = s.world.crm.rows.tables["companies"][s.company]["books"]
    customer = s.world.book.ledger.find("customers", s.row(draft)["customer"])
    assert shown.get("books_id") == customer["number"]


@history(guard="c", batch=3, atomic=True)
async def h52c_a_number_that_is_taken_in_a_whole_batch(s: Scene) -> None:
    """
    The range was put back with the database, so the next numbers are used: each is drawn anew,
    also where the batch is refused as a whole, and nobody is asked.
    """
    backup = s.world.snapshot()
    s.deal("1000.00")
    s.deal("1100.00")
    await s.settle()
    s.world.restore(backup)
    s.watch.forget()
    s.deal("1200.00")
    s.deal("1300.00")
    await s.settle()
    numbers = sorted(row["number"] for row in s.world.live())
    assert numbers == ["500001", "500002", "500003", "500004"]
    s.none_open()


@history()
async def h95_backup_made_while_the_clock_was_ahead(s: Scene) -> None:
    """By the day that such a clock told, what came after the backup is older than it."""
    await s.linked("1700.00")
    for machine in s.world.machines:
        machine.wall.jump(1800)
    s.deal("500.00")
    await s.run()
    backup = s.world.snapshot()
    await s.world.wait(60)
    customer = next(iter(s.world.book.ledger.live("customers")))["id"]
    line = {"item": "LIC", "quantity": 1, "unit_price": 900}
    s.world.in_book("create_invoice", customer=customer, lines=[line], booked=False)
    deal = s.deal()
    for machine in s.world.machines:
        machine.wall.jump(-1800)
    await s.world.wait(300)
    s.world.restore(backup)
    await s.settle()
    assert s.sent() == 2
    assert s.world.exceptions(deal) == ["unassigned_documents"]


@history()
async def h126_restored_to_before_another_one_was_asked_for(s: Scene) -> None:
    """The invoice that the backup has was credited: the later draft is followed, not shown."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    invoice = s.one("booked")
    s.world.in_book("credit", invoice=invoice)
    await s.world.wait(130)
    await s.settle()
    backup = s.world.snapshot()
    assert await s.makes_anew(deal) == 1
    await s.settle()
    second = s.one("draft")
    s.world.restore(backup)
    await s.settle()
    assert s.one("draft") == second
    assert s.world.refs()[s.ref(invoice)][0] == "former"
    s.none_open()


@history(guard="e1", tombstones=True)
async def h132_restored_to_before_anything_was_done(s: Scene) -> None:
    """A backup that remembers nothing is as old as its workspace: what came since may be ours."""
    backup = s.world.snapshot()
    await s.world.wait(60)
    deal = s.deal()
    await s.run()
    (draft,) = s.world.drafts()
    s.world.in_book("overwrite_carrier", id=draft["id"], text="see the order")
    s.world.in_book("edit_draft", draft=draft["id"], price="900.00")
    await s.world.wait(60)
    s.world.restore(backup)
    await s.settle()
    assert s.world.exceptions(deal) == ["unassigned_documents"]
    assert len(s.world.live()) == 1
    engine, store, case = await s.asked(s.company, "assign_documents")
    given = exceptions.Answer(which=s.ref(draft["id"]), deal=deal)
    await exceptions.answer(engine, store, case, given, who="Maria")
    await s.settle()
    assert s.one() == draft["id"]
    assert s.sent() == 1
