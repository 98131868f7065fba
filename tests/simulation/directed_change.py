"""Directed histories 20 to 39: deals that move, updates, voids, workers, clocks, batches."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from scenes import Scene, history
from tieout.core.model import DealKind
from tieout.core.policy import FlowMode
from tieout.store import admin
from world import BRIDGE


@history()
async def h20_won_reopened_won_between_two_reads(s: Scene) -> None:
    deal, draft = await s.linked()
    before = len(s.world.writes)
    s.world.in_crm("reopen", deal=deal)
    s.world.in_crm("win", deal=deal)
    await s.settle()
    assert len(s.world.writes) == before
    assert s.one("draft") == draft


@history()
async def h21_reopened_while_unknown(s: Scene) -> None:
    deal = s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=60)
    await s.run()
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    assert s.world.documents()
    assert not s.world.live()
    assert s.sent("DELETE") == 1
    s.none_open()


@history()
async def h22_void_late_won_again(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_crm("reopen", deal=deal)
    s.world.fault("commit_late", "DELETE", "/drafts/*", seconds=120)
    await s.run()
    s.world.in_crm("win", deal=deal)
    for _ in range(3):
        await s.world.wait(5)
        await s.run()
    assert s.sent() == 1
    await s.settle()
    assert s.row(draft)["_deleted"]
    new = s.one("draft")
    assert s.world.refs()[s.ref(new)][2] == 1


@history()
async def h23_void_sent_booked_first(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_crm("reopen", deal=deal)
    s.world.fault("commit_late", "DELETE", "/drafts/*", seconds=60)
    await s.run()
    s.world.in_book("book", draft=draft)
    await s.settle()
    assert s.one("booked") == "i1"
    assert s.world.exceptions(deal) == ["reopened_after_booking"]


@history()
async def h24_reopened_draft_edited(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_book("edit_draft", draft=draft, price="900.00")
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    assert s.one("draft") == draft
    assert s.world.exceptions(deal) == ["reopened_draft_kept"]
    assert s.sent("DELETE") == 0


@history()
async def h25_update_late_second_edit(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_crm("edit", deal=deal, price="1200.00")
    s.world.fault("commit_late", "PATCH", "/drafts/*", seconds=60)
    await s.run()
    s.world.in_crm("edit", deal=deal, price="1500.00")
    for _ in range(3):
        await s.world.wait(5)
        await s.run()
    assert s.sent("PATCH") == 1
    await s.settle()
    assert s.row(draft)["net"] == 1500
    s.none_open()


@history(version_check=True)
async def h26_versioned_update_late_person_edits(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_crm("edit", deal=deal, price="1200.00")
    s.world.fault("commit_late", "PATCH", "/drafts/*", seconds=60)
    await s.run()
    s.world.in_book("edit_draft", draft=draft, price="900.00")
    await s.settle()
    assert s.row(draft)["net"] == 900
    assert s.world.exceptions(deal) == ["draft_edited"]
    assert 412 in [write.status for write in s.world.written("PATCH")]


@history()
async def h27_both_sides_to_the_same(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_crm("edit", deal=deal, price="1500.00")
    s.world.in_book("edit_draft", draft=draft, price="1500.00")
    await s.settle()
    assert s.sent("PATCH") == 0
    s.none_open()
    s.world.in_crm("edit", deal=deal, price="1600.00")
    await s.settle()
    assert s.row(draft)["net"] == 1600


async def _row_added_after_our_read(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_crm("edit", deal=deal, price="1200.00")
    extra = {"item": "SUP", "quantity": 1, "unit_price": Decimal(10)}
    added: list[Any] = []

    def add(_: str, request: object) -> None:
        url, method = str(getattr(request, "url", "")), getattr(request, "method", "")
        ours = method == "PATCH" or (method == "GET" and "ids=" in url)
        if "/drafts" in url and ours and not added:
            added.append(1)
            s.world.in_book("edit_draft", draft=draft, add_row=extra)

    s.world.on_send, s.world.on_read = add, add
    await s.settle()
    assert added
    assert [line["item"] for line in s.row(draft)["lines"]] == ["CONS", "SUP"]
    assert s.world.exceptions(deal) == ["draft_edited"]


@history(version_check=True)
async def h28_row_added_after_our_read(s: Scene) -> None:
    await _row_added_after_our_read(s)
    assert 412 in [write.status for write in s.world.written("PATCH")]


@history()
async def h28b_row_added_before_our_own_look(s: Scene) -> None:
    await _row_added_after_our_read(s)


@history()
async def h29_draft_deleted_by_a_person(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_book("delete_draft", draft=draft)
    await s.world.wait(70)
    await s.settle()
    await s.settle()
    assert not s.world.live()
    assert s.world.exceptions(deal) == ["draft_deleted"]
    opened = s.world.rows("SELECT count(*) FROM exception_case WHERE workspace = %(ws)s")
    assert opened == [(1,)]
    await s.answers(deal, "make_new")
    await s.settle()
    assert s.world.refs()[s.ref(s.one("draft"))][2] == 1
    s.none_open()


@history()
async def h30_credited_reopened_won_again(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.world.wait(70)
    await s.settle()
    s.world.in_book("credit", invoice="i1")
    await s.settle()
    assert s.sent() == 1
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    s.world.in_crm("win", deal=deal)
    await s.settle()
    new = s.one("draft")
    assert s.world.refs()[s.ref(new)][2] == 1


@history()
async def h31_pauses_after_the_claim(s: Scene) -> None:
    s.deal()
    claims: list[str] = []

    def pace(name: str, when: str) -> float:
        if name == "store.mark_started" and when == "after":
            claims.append(name)
            return 600.0 if len(claims) == 2 else 0.0
        return 0.0

    slow = s.run_beside(0, pace=pace)
    await s.world.wait(90)
    assert s.sent() == 0
    await s.world.settle()
    await slow
    await s.settle()
    s.one("draft")
    assert s.sent() == 1


@history()
async def h32_lease_dies_in_flight(s: Scene) -> None:
    s.deal()
    s.world.fault("slow", path="/drafts", seconds=100)
    slow = s.run_beside(0)
    await s.world.wait(70)
    for _ in range(3):
        await s.run(1)
        await s.world.wait(5)
    await slow
    await s.settle()
    s.one("draft")
    assert s.sent() == 1
    assert len(s.world.refs()) == 1
    s.none_open()


@history()
async def h33_clock_jumps_while_late(s: Scene) -> None:
    s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=150)
    await s.run()
    s.world.machines[0].wall.jump(3600)
    for _ in range(4):
        await s.world.wait(3)
        await s.run()
    assert s.sent() == 1
    await s.settle()
    s.one("draft")
    assert s.sent() == 1


@history(options={"sweep_s": 86_400})
async def h34_row_commits_late(s: Scene) -> None:
    await s.linked()
    deal = s.world.make_deal(s.company, "1700.00", state="open")
    s.world.in_crm("late_commit", deal=deal, seconds=60, state="won", new=True)
    await s.world.wait(20)
    s.deal("2000.00")  # moves the cursor past the late one
    await s.run()
    await s.world.wait(60)
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 1700, 2000]
    late = s.world.make_deal(s.company, "2500.00", state="open")
    s.world.in_crm("late_commit", deal=late, seconds=1200, state="won", new=True)
    await s.world.wait(60)
    s.deal("3000.00")
    await s.settle()
    await s.world.wait(1200)
    await s.settle()
    await s.world.wait(86_400)
    await s.settle()
    assert 2500 in [row["net"] for row in s.world.live()]


@history()
async def h35_two_edits_in_one_second(s: Scene) -> None:
    deal, draft = await s.linked()
    s.world.in_crm("edit", deal=deal, price="1500.00")
    await s.run()
    s.world.in_crm("edit", deal=deal, price="1600.00")
    await s.settle()
    assert s.row(draft)["net"] == 1600


@history()
async def h36_stale_replica(s: Scene) -> None:
    deal = s.world.make_deal(s.company, state="open")
    await s.run()
    await s.world.wait(30)
    s.world.in_crm("win", deal=deal)
    await s.run()
    draft = s.one("draft")
    s.world.crm.rows.tables["deals"][deal]["_former"]["state"] = "open"
    s.world.in_crm("stale_replica", seconds=60)
    for _ in range(3):
        await s.world.wait(10)
        await s.run()
    assert s.sent("DELETE") == 0
    await s.settle()
    assert s.one("draft") == draft


@history(batch=3)
async def h37_batch_made_refused_cut(s: Scene) -> None:
    first = s.deal("1000.00")
    lines = [{"product": "LIC", "text": "Licence", "unit_price": Decimal(1500)}]
    second = s.world.make_deal(s.company, lines=lines)
    third = s.deal("2000.00")

    def closes(_: str, request: object) -> None:
        if "/drafts" in str(getattr(request, "url", "")):
            s.world.on_send = s.watch.sending
            s.watch.sending(_, request)  # type: ignore[arg-type]
            s.world.in_book("edit_item", number="LIC", active=False)

    s.world.fault("batch_cut", path="/drafts", items=2)
    s.world.on_send = closes
    await s.run()
    states = {
        row[0]: row[1]
        for row in s.world.rows(
            "SELECT source_id, state FROM operation WHERE workspace = %(ws)s"
            " AND entity = 'document'"
        )
    }
    assert (states[first], states[second]) == ("applied", "rejected")
    assert states[third] in ("unknown", "applied")
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 2000]
    assert len(s.world.current()) == 2
    assert s.sent() == 1
    assert s.world.exceptions(second)


@history()
async def h38_published_between_plan_and_claim(s: Scene) -> None:
    s.deal()
    s.world.fault("rate_limited", path="/drafts", seconds=40)
    engine = s.world.engine()
    engine.patience_s = 0
    await s.world.work(engine)
    assert ("create", "ready") in [one[:2] for one in s.world.operations()]
    await _publish(s, "N10")
    await s.settle()
    assert s.row(s.one("draft"))["terms"] == "N10"
    assert s.sent("PATCH") == 0
    s.deal("1700.00")
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    await _publish(s, "N60")
    await s.settle()
    row = next(row for row in s.world.live() if row["net"] == 1700)
    assert row["terms"] == "N60"
    assert s.sent("PATCH") >= 1
    assert len(s.world.live()) == 2


@history()
async def h38b_nothing_that_an_old_configuration_planned_is_sent(s: Scene) -> None:
    """Whoever sees what is planned and switches to approvals, or off, has stopped it."""
    await s.linked("1700.00")
    s.deal()
    s.world.fault("rate_limited", path="/drafts", seconds=40)
    engine = s.world.engine()
    engine.patience_s = 0
    await s.world.work(engine)
    assert ("create", "ready") in [one[:2] for one in s.world.operations()]
    s.world.mode = FlowMode.OFF
    s.world.publish_again()
    for _ in range(5):
        await s.world.wait(30)
        await s.run()
    assert len(s.world.live()) == 1
    s.world.mode = FlowMode.APPROVE
    s.world.publish_again()
    await s.settle()
    assert len(s.world.live()) == 1
    assert ("create", "awaiting_approval") in [one[:2] for one in s.world.operations()]
    s.world.mode = FlowMode.AUTO
    s.world.publish_again()
    now = s.world.clock.now()
    await s.world.do(lambda tx: admin.wake_bridge(tx, s.world.names.bridge, now))
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 1700]
    assert len(s.world.current()) == 2


async def _publish(s: Scene, terms: str) -> None:
    """Another configuration: other terms on every document."""
    from tieout.core.policy import FieldRule

    s.world.version += 1
    with s.world.database.begin() as conn:
        conn.exec_driver_sql(
            "SELECT set_config('tieout.workspace', %(ws)s, true)", {"ws": s.world.workspace}
        )
        conn.exec_driver_sql(
            "INSERT INTO config_version SELECT workspace, bridge, %(v)s, body, tables, digest,"
            " message, published_by, published_at FROM config_version WHERE workspace = %(ws)s"
            " AND version = 1",
            {"ws": s.world.workspace, "v": s.world.version},
        )
    rule = FieldRule(target="terms", text=terms, value=lambda _: terms)
    s.world.policy_changes = {"fields": (rule,)}


@history(options={"mode": FlowMode.APPROVE})
async def h39_approved_then_edited(s: Scene) -> None:
    deal = s.deal()
    await s.run()
    assert [one[:2] for one in s.world.operations()] == [("create", "awaiting_approval")]
    await _approve(s)
    s.world.in_crm("edit", deal=deal, price="9000.00")
    await s.settle()
    assert not s.world.live()
    waiting = [one[:2] for one in s.world.operations()]
    assert waiting[-1] == ("create", "awaiting_approval")
    await _approve(s)
    await s.tries_again(deal)
    await s.settle()
    assert s.row(s.one("draft"))["net"] == 9000


async def _approve(s: Scene) -> None:
    """A person approves what waits, by its digest."""

    def work(tx: Any) -> None:
        tx.run(
            "INSERT INTO approval (workspace, digest, key13, who, at) SELECT workspace,"
            " want_digest, key13, 'Maria', %(now)s FROM operation WHERE workspace = %(ws)s"
            " AND state = 'awaiting_approval' ON CONFLICT DO NOTHING",
            now=s.world.clock.now(),
        )

    await s.world.do(work)


@history()
async def h45_customers_merge_while_unknown(s: Scene) -> None:
    await s.linked("1700.00")
    customers = [row["id"] for row in s.world.book.ledger.live("customers")]
    winner = s.world.in_book("create_customer", name="Winner AB")["id"]
    s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    s.world.in_book("merge_customers", loser=customers[0], winner=winner)
    await s.settle()
    assert len(s.world.live()) == 2
    assert len(s.world.current()) == 2
    assert s.sent() == 2
    assert {row["customer"] for row in s.world.live()} == {winner}
    assert s.world.refs("customer").get(winner, ("",))[0] == "current"
    s.none_open()
    s.deal("2500.00")
    await s.settle()
    assert len(s.world.live()) == 3


@history(guard="e1")
async def h45b_customers_merge_where_only_lists_are_read(s: Scene) -> None:
    await h45_customers_merge_while_unknown(s)


@history()
async def h46_accounts_merge_in_the_crm(s: Scene) -> None:
    deal, draft = await s.linked()
    winner = s.world.make_company(2)
    await s.settle()
    s.world.in_crm("merge_companies", loser=s.company, winner=winner)
    await s.settle()
    assert s.one("draft") == draft
    assert s.sent() == 1
    s.none_open()
    aliases = s.world.rows("SELECT count(*) FROM slot WHERE workspace = %(ws)s AND alias_of <> ''")
    assert aliases == [(1,)]
    s.world.make_deal(winner, "1700.00")
    await s.settle()
    assert len({row["customer"] for row in s.world.live()}) == 1
    assert len(list(s.world.book.ledger.live("customers"))) == 1
    s.world.in_crm("edit", deal=deal, price="1200.00")
    await s.settle()
    assert s.row(draft)["net"] == 1200


@history()
async def h47_order_flow_replaces_opportunity_flow(s: Scene) -> None:
    _, draft = await s.linked()
    s.world.crm_settings = {"deal_kind": DealKind.ORDER}
    for table in ("cursor",):
        s.world.rows(f"DELETE FROM {table} WHERE workspace = %(ws)s RETURNING 1")
    await s.settle()
    assert s.one("draft") == draft
    assert s.sent() == 1


@history()
async def h48_new_installation(s: Scene) -> None:
    deals = [s.deal(price) for price in ("1000.00", "1500.00", "2000.00")]
    await s.settle()
    s.world.in_crm("reopen", deal=deals[2])
    s.world.in_book("book", draft="d1")
    s.world.workspace = "h48-new" + s.world.workspace
    s.world.make_workspace(s.world.workspace)
    s.world.on_send = None
    await s.settle()
    assert s.sent() == 3
    linked = {ref for ref, (role, _, _) in s.world.refs().items() if role == "current"}
    assert {s.ref(row["id"]) for row in s.world.live()} == linked
    # The one whose deal is open again is what we would send, untouched: it goes.
    assert sorted(row["net"] for row in s.world.live()) in ([1000, 1500], [1000, 1500, 2000])


@history()
async def h49_three_runs_at_once(s: Scene) -> None:
    s.deal()
    for task in [s.run_beside(0), s.run_beside(1), s.run_beside(0)]:
        await task
    await s.settle()
    s.one("draft")
    assert s.sent() == 1
    planned = s.world.rows(
        "SELECT count(*) FROM operation WHERE workspace = %(ws)s AND entity = 'document'"
    )
    assert planned == [(1,)]


@history(guard="e2", version_check=True)
async def h72_touched_where_we_cannot_read(s: Scene) -> None:
    """A new version of what shows the same: the next change of ours is not refused for ever."""
    deal, draft = await s.linked()
    s.world.in_book("overwrite_carrier", id=draft, text="see the order")
    await s.run()
    s.world.in_crm("edit", deal=deal, price="1200.00")
    await s.settle()
    assert [row["net"] for row in s.world.live()] == [1200]
    assert len(s.world.written("PATCH")) <= 2


@history()
async def h73_look_planned_by_a_clock_that_was_set_back(s: Scene) -> None:
    """A look that was planned while the machine's clock was hours ahead does not wait for it."""
    s.deal()
    s.world.machines[0].wall.jump(5 * 3600)
    s.world.fault("commit_late", path="/drafts", seconds=150)
    await s.run()
    s.world.machines[0].wall.jump(-5 * 3600)
    for _ in range(60):
        await s.world.wait(20)
        await s.run()
    s.one("draft")
    assert s.sent() == 1
    s.none_open()
    assert (await s.world.engine().store.open_work(BRIDGE)).get("operation.unknown", 0) == 0


@history(guard="c")
async def h74_settled_by_another_while_it_was_picked(s: Scene) -> None:
    """What was picked is looked up in the mirror once more: another worker's answer stands."""
    s.deal()
    picks: list[str] = []

    def pace(name: str, when: str) -> float:
        if name == "store.pick_ready" and when == "after":
            picks.append(name)
            return 90.0 if len(picks) == 1 else 0.0
        return 0.0

    slow = s.run_beside(0, pace=pace)
    await s.world.wait(70)
    await s.run(1)
    await s.run(1)
    await slow
    await s.settle()
    s.one("draft")
    # As the worker that sent it wrote, not 'key' as the one that came later.
    ways = s.world.rows("SELECT DISTINCT found_by, detail FROM operation WHERE workspace = %(ws)s")
    assert ways == [("", "answer")]
    assert s.sent() == 1


@history()
async def h76_taken_back_is_shown(s: Scene) -> None:
    """The deal whose draft we voided shows it at once, also when the answer was lost."""
    for kind in ("", "drop_after_commit"):
        deal, _ = await s.linked()
        shown = s.world.crm.rows.tables["deals"][deal]["books"]
        assert shown["status"] == "draft"
        if kind:
            s.world.fault(kind, method="DELETE")
        s.world.in_crm("reopen", deal=deal)
        await s.settle()
        shown = s.world.crm.rows.tables["deals"][deal]["books"]
        assert shown["status"] == "cancelled", kind
    assert not s.world.live()
