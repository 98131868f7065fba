"""Directed histories 1 to 19: creates whose answer is lost, late, refused, or found elsewhere."""

from __future__ import annotations

import re

from scenes import Scene, history


@history()
async def h01_lost_and_killed(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.dies("store.settle:before", 2)
    await s.settle()
    s.one("draft")
    assert s.sent() == 1
    assert s.world.refs()[s.world.current()[0]][0] == "current"
    assert deal not in s.world.exceptions(deal)


@history()
async def h02_late_by_three_minutes(s: Scene) -> None:
    s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=180)
    await s.run()
    await s.world.wait(5)
    await s.run()
    assert not s.world.documents()
    await s.settle()
    s.one("draft")
    assert s.sent() == 1


@history()
async def h03_killed_before_the_socket(s: Scene) -> None:
    s.deal()
    await s.dies("store.mark_started:after", 2)
    assert s.sent() == 0
    await s.settle()
    s.one("draft")
    assert s.sent() == 1


@history()
async def h04_killed_after_the_answer(s: Scene) -> None:
    s.deal()
    await s.dies("store.settle:before", 2)
    assert len(s.world.live()) == 1
    await s.settle()
    s.one("draft")
    assert s.sent() == 1
    found = s.world.rows("SELECT found_by FROM ref WHERE workspace = %(ws)s AND id LIKE 'draft%%'")
    assert found == [("key",)]


@history()
async def h05_our_commit_unanswered(s: Scene) -> None:
    s.deal()
    await s.loses_commit("mark_started", 2)
    assert s.errors
    await s.settle()
    s.one("draft")
    assert s.sent() == 1
    s.deal("1700.00")
    await s.loses_commit("settle", 1)
    await s.settle()
    assert len(s.world.live()) == 2
    assert s.sent() == 2


@history()
async def h06_lost_then_booked(s: Scene) -> None:
    s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("book", draft="d1")
    await s.settle()
    assert s.one("booked") == "i1"
    assert s.sent() == 1


@history(search_lag_s=45)
async def h06b_lost_then_booked_where_search_lags(s: Scene) -> None:
    s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("book", draft="d1")
    await s.settle()
    assert s.one("booked") == "i1"
    assert s.sent() == 1


@history()
async def h07_booked_between_two_calls_of_a_look(s: Scene) -> None:
    s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()

    def books(_: str, request: object) -> None:
        url = str(getattr(request, "url", ""))
        if "/invoices" in url and "carrier=" in url and s.world.drafts():
            s.world.in_book("book", draft="d1")

    s.world.on_read = books
    await s.settle()
    assert s.one("booked") == "i1"
    assert s.sent() == 1


@history()
async def h08_lost_then_copied(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("copy_draft", draft="d1")
    await s.settle()
    assert s.world.exceptions(deal) == ["two_carriers"]
    assert not s.world.current()
    await s.names(deal, "draft:d1")
    await s.settle()
    assert s.world.current() == ["draft:d1"]
    assert s.world.refs()["draft:d2"][0] == "copy"
    assert s.sent() == 1


@history()
async def h09_linked_by_answer_then_copied(s: Scene) -> None:
    deal, draft = await s.linked()
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    await s.settle()
    assert s.world.exceptions(deal) == ["two_carriers"]
    assert s.world.current() == [s.ref(draft)]
    s.world.in_crm("edit", deal=deal, price="1500.00")
    await s.settle()
    assert (s.row(draft)["net"], s.row(copy)["net"]) == (1500, 1000)
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    assert s.row(draft)["_deleted"]
    assert not s.row(copy)["_deleted"]
    assert s.world.exceptions(deal)
    notices = s.world.rows(
        "SELECT count(*) FROM exception_case WHERE workspace = %(ws)s AND code = 'two_carriers'"
    )
    assert notices == [(1,)]


@history()
async def h10_lost_then_deleted(s: Scene) -> None:
    s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("delete_draft", draft="d1")
    await s.settle()
    assert s.one("draft") == "d2"
    assert s.sent() == 2


@history(tombstones=True)
async def h10b_lost_then_deleted_with_a_tombstone(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("delete_draft", draft="d1")
    await s.settle()
    assert s.sent() == 1
    assert s.world.exceptions(deal) == ["draft_deleted"]
    await s.answers(deal, "make_new")
    await s.settle()
    assert s.one("draft") == "d2"
    s.none_open()


@history()
async def h11_lost_then_carrier_overwritten(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("overwrite_carrier", id="d1", text="see the order")
    await s.settle()
    assert s.world.exceptions(deal) == ["near_hit"]
    assert s.sent() == 1
    await s.names(deal, "draft:d1")
    await s.settle()
    assert s.one() == "d1"


@history(guard="a", key_life_s=300)
async def h12_repeat_delayed_past_the_key(s: Scene) -> None:
    s.deal()
    s.world.fault("drop_before", path="/drafts")
    await s.run()
    await s.world.wait(100)
    await s.settle()
    s.one("draft")
    keys = s.world.rows(
        "SELECT wire_key FROM send WHERE workspace = %(ws)s AND path = '/drafts' ORDER BY id"
    )
    assert len({key for (key,) in keys}) == 2
    assert len(keys) == 2


@history(guard="a")
async def h13_edited_between_two_sends_of_a_key(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("drop_before", path="/drafts")
    await s.run()
    s.world.in_crm("edit", deal=deal, price="1500.00")
    await s.world.wait(5)
    await s.settle()
    sends = s.world.rows(
        "SELECT wire_key, sha256 FROM send WHERE workspace = %(ws)s AND path = '/drafts'"
    )
    assert len(sends) == 2
    assert len(set(sends)) == 1
    assert s.sent("PATCH") == 1
    assert s.row(s.one("draft"))["net"] == 1500


@history(guard="a")
async def h14_error_cached_under_the_key(s: Scene) -> None:
    s.deal()
    s.world.in_book("break_next_create", status=500)
    await s.run()  # the customer meets it first
    await s.settle()
    s.world.in_book("break_next_create", status=500)
    s.deal("1700.00")
    await s.settle()
    assert len(s.world.live()) == 2
    assert len(s.world.current()) == 2
    answers = [write.status for write in s.world.posts()]
    assert answers.count(201) == 2
    assert s.sent() <= 5


@history(guard="b")
async def h15_first_late_second_refused(s: Scene) -> None:
    s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=150)
    refusal = {"error": {"code": "period_closed", "message": "not now"}}
    s.world.fault("status", path="/drafts", status=422, body=refusal)
    await s.run()
    for pause in (3, 5, 10):
        await s.world.wait(pause)
        await s.run()
    states = [state for action, state, _, _ in s.world.operations() if action == "create"]
    assert "rejected" not in states
    await s.settle()
    s.one("draft")
    s.none_open()


@history()
async def h16_rejected_fixed_retried_twice(s: Scene) -> None:
    deal = s.deal()
    refusal = {"error": {"code": "blocked", "message": "the customer is blocked"}}
    s.world.fault("status", path="/drafts", status=422, body=refusal)
    await s.run()
    assert s.world.exceptions(deal) == ["refused_by_system"]
    await s.world.wait(10)
    await s.tries_again(deal)
    s.world.in_crm("edit", deal=deal, price="1100.00")
    beside = [s.run_beside(0), s.run_beside(1)]
    for task in beside:
        await task
    await s.settle()
    assert s.row(s.one("draft"))["net"] == 1100
    assert [write.status for write in s.world.posts()].count(201) == 1
    s.none_open()


@history(guard="b'")
async def h17_upsert_late_person_edits(s: Scene) -> None:
    s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=100)
    await s.run()
    edited = False
    for _ in range(60):
        await s.world.wait(5)
        await s.run()
        s.world.book.settle()
        if s.world.drafts() and not edited:
            s.world.in_book("edit_draft", draft=s.world.drafts()[0]["id"], price="900.00")
            edited = True
    await s.settle()
    assert edited
    assert s.row(s.one("draft"))["net"] == 900


@history(guard="c")
async def h18_our_number_is_taken(s: Scene) -> None:
    await s.linked("1700.00")
    customer = next(iter(s.world.book.ledger.live("customers")))["id"]
    s.world.in_book(
        "create_invoice",
        customer=customer,
        number="500002",
        lines=[{"item": "LIC", "quantity": 1, "unit_price": 5}],
    )
    s.deal()
    await s.settle()
    ours = [row for row in s.world.live() if row["_by"] == "api"]
    assert sorted(row["number"] for row in ours) == ["500001", "500003"]
    taken = next(row for row in s.world.live() if row["number"] == "500002")
    assert s.ref(taken["id"]) not in s.world.refs()


@history(guard="c")
async def h19_lost_then_renumbered(s: Scene) -> None:
    s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("renumber", id="d1", number="777")
    await s.settle()
    assert s.one("draft") == "d1"
    assert re.fullmatch(r"777", s.row("d1")["number"])


# --- beyond the numbered ones: what single rules are for ---


@history()
async def h55_booked_reopened_won_again(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    assert s.one("booked") == "i1"
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    assert s.world.exceptions(deal) == ["reopened_after_booking"]
    s.world.in_crm("win", deal=deal)
    await s.settle()
    assert s.one("booked") == "i1"
    s.none_open()


@history(guard="e2")
async def h56_opaque_lost_then_booked(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("book", draft="d1")
    await s.settle()
    assert s.sent() == 1
    assert s.world.exceptions(deal) == ["near_hit"]
    await s.names(deal, "invoice:i1")
    await s.settle()
    assert s.one("booked") == "i1"


@history(guard="e2", search_lag_s=45)
async def h57_opaque_late_where_lists_lag(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=190)
    await s.run()
    await s.settle()
    assert s.sent() == 1
    assert s.world.exceptions(deal) == ["near_hit"]


@history(search_lag_s=45)
async def h58_copy_shows_before_the_booked_original(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    await s.world.wait(46)
    copy = s.world.in_book("copy_draft", draft="d1")["id"]
    await s.world.wait(14)
    s.world.in_book("book", draft="d1")
    await s.world.wait(32)
    await s.settle()
    assert s.ref(copy) not in s.world.current()
    assert s.world.exceptions(deal) == ["two_carriers"]
    assert s.sent() == 1


@history(guard="b")
async def h59_late_create_after_a_void(s: Scene) -> None:
    """A repeat made the draft; uniqueness ends with a deletion, and the first one arrives."""
    deal = s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=120)
    await s.run()
    for _ in range(4):
        await s.world.wait(4)
        await s.run()
    assert s.world.live()
    s.world.in_crm("reopen", deal=deal)
    await s.run()
    await s.world.wait(20)
    s.world.in_crm("win", deal=deal)
    await s.run()
    await s.world.wait(10)
    await s.run()
    await s.settle()
    s.one("draft")
    s.none_open()


@history()
async def h61_killed_while_late(s: Scene) -> None:
    s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=150)
    await s.dies("store.settle:before", 2)
    await s.world.wait(65)
    await s.run()
    await s.settle()
    s.one("draft")
    assert s.sent() == 1


@history(guard="e2")
async def h60_late_answer_where_nothing_is_readable(s: Scene) -> None:
    """The answer of a worker that was given up is the only evidence there is."""
    deal = s.deal()
    s.world.fault("slow", path="/drafts", seconds=100)
    slow = s.run_beside(0)
    await s.world.wait(70)
    await s.run(1)
    await s.world.wait(5)
    await s.run(1)
    await slow
    await s.settle()
    assert s.one("draft") == "d1"
    assert s.sent() == 1
    assert not s.world.exceptions(deal)


@history(guard="c", batch=3)
async def h62_late_batch_keeps_its_numbers(s: Scene) -> None:
    """A batch is sent again in other company: each item under the number that it had."""
    await s.linked("1700.00")
    s.deal("1000.00")
    s.deal("1500.00")
    s.world.fault("commit_late", path="/drafts", seconds=60)
    await s.run()
    await s.world.wait(5)
    await s.run()
    assert s.sent() == 3
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 1500, 1700]
    assert sorted(row["number"] for row in s.world.live()) == ["500001", "500002", "500003"]
    assert len(s.world.current()) == 3


@history(guard="e2")
async def h63_lost_under_a_clock_that_is_ahead(s: Scene) -> None:
    """Nobody has told this process what time it is over there: its own clock proves nothing."""
    await s.linked("1700.00")
    deal = s.deal("1000.00")
    s.world.machines[0].wall.jump(3000)
    s.world.fault("commit_late", path="/drafts", seconds=100)
    await s.run()
    s.world.machines[0].wall.jump(-3000)
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 1700]
    assert s.sent() == 2
    assert s.world.exceptions(deal) == ["near_hit"]
