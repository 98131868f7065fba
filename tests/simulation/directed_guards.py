"""Directed histories of rules that chance hardly ever needs: each fails with its rule off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scenes import Scene, history
from tieout.connectors.plain.looking import BookLooker
from tieout.core.change import Doubt, Sight
from tieout_sandbox.kit import Request, Response, json_response


@history(guard="b")
async def h64_answer_of_a_worker_that_was_given_up(s: Scene) -> None:
    """`fence`: a refusal that comes after the lease was lost moves nothing under the new worker."""
    await s.linked("1700.00")
    s.deal()

    def closes(_: str, request: object) -> None:
        if "/drafts" in str(getattr(request, "url", "")):
            s.world.on_send = None
            s.world.in_book("edit_item", number="CONS", active=False)

    # Refused at once, and told so late that its lease is over.
    s.world.fault("slow", path="/drafts", seconds=90)
    s.world.on_send = closes
    first = s.run_beside(0)
    await s.world.wait(5)
    assert _drafts(s) == [("started", 1)]
    s.world.in_book("edit_item", number="CONS", active=True)
    await s.world.wait(60)
    s.world.fault("slow", path="/drafts", seconds=50)
    second = s.run_beside(1)
    await s.world.wait(5)
    # The other one found nothing, sent it again (its id guards it), and waits for the answer.
    assert _drafts(s) == [("started", 2)]
    await first
    assert _drafts(s) == [("started", 2)]
    await second
    await s.settle()
    assert len(s.world.live()) == 2
    assert len(s.world.current()) == 2
    s.none_open()


def _drafts(s: Scene) -> list[tuple[str, int]]:
    """State and fence of the latest write of a document."""
    rows = s.world.rows(
        "SELECT state, fence FROM operation WHERE workspace = %(ws)s AND entity = 'document'"
        " ORDER BY created_at DESC, id DESC LIMIT 1"
    )
    return [(row[0], row[1]) for row in rows]


@history()
async def h65_carrier_came_between_plan_and_claim(s: Scene) -> None:
    """
    `carrier_adopted_at_claim`: what another installation made after we looked for carriers, and
    another process of ours read, is in the mirror at the claim, and nothing is sent.
    """
    await s.linked("1700.00")
    s.deal()
    ours = s.world.workspace
    waited: list[str] = []

    def pace(name: str, when: str) -> float:
        if name == "store.pick_ready" and when == "before" and not waited:
            waited.append(name)
            return 30.0
        return 0.0

    slow = s.run_beside(0, pace=pace)
    await s.world.wait(1)
    s.world.workspace = f"{ours}-other"
    s.world.make_workspace(s.world.workspace)
    s.world.on_send = None
    await s.run()
    assert s.sent() == 2
    s.world.workspace = ours
    # This one reads what the other installation made, and dies before it does anything with it.
    await s.dies("store.alias_merged:before", 1, leased=False)
    await slow
    assert waited
    await s.settle()
    assert s.sent() == 2
    assert len(s.world.live()) == 2
    assert len(s.world.current()) == 2
    s.none_open()


@history()
async def h66_later_generation_is_followed_by_a_look(s: Scene) -> None:
    """
    `slot_wide_look`: a look asks for all generations of the place, so that what was made there
    meanwhile is followed and not made once more.
    """
    deal, first = await s.linked()
    backup = s.world.snapshot()
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    s.world.in_crm("win", deal=deal)
    await s.settle()
    second = s.one("draft")
    assert s.world.refs()[s.ref(second)][2] == 1
    await s.world.wait(300)
    s.world.restore(backup)
    s.world.place.mark = None  # nobody noticed that it is an old one
    _forget(s, first)
    s.world.fault("drop_before", path="/drafts")
    _hide_from_feed(s, second)
    await s.settle()
    assert s.sent() == 3  # two generations, and the one that was lost and then found
    assert s.world.current() == [s.ref(second)]


def _forget(s: Scene, draft: str) -> None:
    """The link to a draft is not known any more."""
    s.world.rows(
        "DELETE FROM ref WHERE workspace = %(ws)s AND id = %(id)s RETURNING 1", id=s.ref(draft)
    )


def _hide_from_feed(s: Scene, draft: str) -> None:
    """Lists do not show a document; a search for its text does."""
    inner = s.world.book.vendor

    def vendor(request: Request) -> Response:
        row = s.row(draft)
        listed = request.method == "GET" and request.segments == ("drafts",)
        if not listed or request.param("carrier") is not None:
            return inner(request)
        row["_deleted"] = True
        try:
            return inner(request)
        finally:
            row["_deleted"] = False

    s.world.book.vendor = vendor  # type: ignore[method-assign]


@history(options={"braked": True})
async def h67_books_show_nothing_any_more(s: Scene) -> None:
    """`empty_mirror_stops`: a right was taken away, and every list is empty; nothing is sent."""
    await s.linked("1700.00")
    s.deal("1500.00")
    await s.settle()
    hidden = _empty_lists(s)
    s.deal("1000.00")
    for _ in range(4):
        await s.world.wait(70)
        await s.run()
    assert s.sent() == 2
    assert s.sent(path="/customers") == 1
    assert "side_looks_empty" in s.world.exceptions()
    hidden.clear()
    await s.world.wait(70)
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 1500, 1700]
    assert len(s.world.current()) == 3
    assert s.world.happened["brakes released by a person"] == 0


def _empty_lists(s: Scene) -> list[str]:
    """Lists of customers and documents show nothing, and single ones are not found."""
    hidden = ["drafts", "invoices", "customers"]
    inner = s.world.book.vendor

    def vendor(request: Request) -> Response:
        if request.method != "GET" or request.segments[0] not in hidden:
            return inner(request)
        if len(request.segments) > 1:
            return json_response(404, {"error": {"code": "not_found", "message": "not there"}})
        kept = {name: dict(rows) for name, rows in s.world.book.ledger.tables.items()}
        for name in ("documents", "customers"):
            s.world.book.ledger.tables[name].clear()
        try:
            return inner(request)
        finally:
            for name in ("documents", "customers"):
                s.world.book.ledger.tables[name].update(kept[name])

    s.world.book.vendor = vendor  # type: ignore[method-assign]
    return hidden


@history(options={"braked": True})
async def h68_our_own_void_leaves_the_books_empty(s: Scene) -> None:
    """A side that is empty by our own doing does not look so: the next deal goes."""
    deal, _ = await s.linked()
    s.world.in_crm("reopen", deal=deal)
    await s.settle()
    assert not s.world.live()
    for _ in range(2):
        await s.world.wait(70)
        await s.run()
    s.world.in_crm("win", deal=deal)
    for _ in range(3):
        await s.world.wait(5)
        await s.run()
    s.one("draft")
    assert s.world.happened["brakes released by a person"] == 0
    s.none_open()


@history(options={"braked": True})
async def h69_all_documents_were_deleted_and_a_person_says_so(s: Scene) -> None:
    """Where nobody else tells, a person lets a run go over the brake, once."""
    _, draft = await s.linked()
    s.world.in_book("delete_draft", draft=draft)
    for _ in range(3):
        await s.world.wait(70)
        await s.run()
    held: list[Any] = s.world.exceptions()
    assert "side_looks_empty" in held
    await s.world.run_once(force=True)
    s.deal("1500.00")
    for _ in range(3):
        await s.world.wait(5)
        await s.run()
    assert [row["net"] for row in s.world.live()] == [1500]
    assert "side_looks_empty" not in s.world.exceptions()


@history()
async def h78_lists_that_come_in_part_are_told(s: Scene) -> None:
    """A write that stays unclear since no look is whole is told to a person, until one is."""
    whole = BookLooker.look

    async def in_part(looker: BookLooker, doubt: Doubt) -> Sight:
        return replace(await whole(looker, doubt), complete=False, hits=())

    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    BookLooker.look = in_part  # type: ignore[method-assign]
    try:
        for _ in range(60):
            await s.run()
            await s.world.wait(40)
        assert s.world.exceptions(deal) == ["look_incomplete"]
    finally:
        BookLooker.look = whole  # type: ignore[method-assign]
    await s.settle()
    s.one("draft")
    assert s.sent() == 1
    s.none_open()


@history(guard="c")
async def h93_linked_while_it_was_to_be_sent_again(s: Scene) -> None:
    """A read links the document after a look that said "again": it is looked for, not stuck."""
    s.deal()
    await s.dies("store.settle:before", 2)
    # As a look leaves it that came just before the commit, if its worker died then.
    again = s.world.rows(
        "UPDATE operation SET state = 'ready', repeats = true, lease_owner = NULL"
        " WHERE workspace = %(ws)s AND state = 'started' AND entity = 'document' RETURNING id"
    )
    assert len(again) == 1
    await s.settle()
    assert len(s.world.live()) == 1
    s.none_open()


@history(guard="a")
async def h94_customer_merged_while_it_was_to_be_sent_again(s: Scene) -> None:
    """The same bytes name a customer that is no more: absence is waited for, then it is planned."""
    await s.linked()
    other = s.world.make_company(2)
    s.world.fault("drop_before", path="/drafts", times=1)
    s.world.make_deal(other, "1500.00")
    await s.run()
    loser = sorted(row["id"] for row in s.world.book.ledger.live("customers"))[-1]
    winner = sorted(row["id"] for row in s.world.book.ledger.live("customers"))[0]
    s.world.in_book("merge_customers", loser=loser, winner=winner)
    await s.settle()
    assert {row["customer"] for row in s.world.live()} == {winner}
    assert len(s.world.live()) == 2
    s.none_open()
