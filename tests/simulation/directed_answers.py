"""Directed histories of persons who answer while something is on its way."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from typing import Any

from quiet import document_slot
from scenes import Scene, history
from tieout.core.case import RefRole
from tieout.core.model import ExternalRef
from tieout.services.usage import UsedWronglyError
from tieout.store import resolving, slots
from tieout.storing import OpenDoubt
from world import BOOK


@history()
async def h103_doubt_dismissed(s: Scene) -> None:
    """A write that waits for an answer does not wait unseen: its exception is answered first."""
    await s.linked("1700.00")
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    draft = next(row["id"] for row in s.world.live() if row["net"] == 1000)
    s.world.in_book("copy_draft", draft=draft)
    await s.settle()
    try:
        await s.dismisses(deal, "two_carriers")
    except UsedWronglyError as error:
        s.errors.append(error.code)
    await s.settle()
    assert s.world.exceptions(deal) == ["two_carriers"]
    assert s.errors == ["write_in_doubt"]
    await s.answer(deal, "two_carriers", which=s.ref(draft))
    await s.settle()
    assert s.world.refs()[s.ref(draft)][0] == "current"
    assert "two_carriers" not in [
        row[0]
        for row in s.world.rows(
            "SELECT state FROM operation WHERE workspace = %(ws)s AND state = 'doubt'"
        )
    ]


@history()
async def h104_the_copy_is_named_while_an_update_is_unclear(s: Scene) -> None:
    """A person names the copy; the answer to what was sent to the other one does not undo it."""
    deal, draft = await s.linked()
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["two_carriers"]
    s.world.in_crm("edit", deal=deal, price="1200.00")
    s.world.fault("drop_after_commit", method="PATCH", path="*")
    await s.run()
    states = [one[:2] for one in s.world.operations()]
    assert states[-1] == ("update", "unknown"), states
    await s.answer(deal, "two_carriers", which=s.ref(copy))
    await s.settle()
    assert s.world.refs()[s.ref(copy)][0] == "current"
    assert s.world.refs()[s.ref(draft)][0] == "copy"
    assert s.row(copy)["net"] == 1200 or s.world.exceptions(deal)


@history()
async def h105_the_copy_is_named_while_a_void_is_unclear(s: Scene) -> None:
    """What was taken back is the other one: the named one stays the deal's, and is asked about."""
    deal, draft = await s.linked()
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    await s.world.wait(130)
    await s.settle()
    s.world.in_crm("reopen", deal=deal)
    s.world.fault("drop_after_commit", method="DELETE", path="*")
    await s.run()
    states = [one[:2] for one in s.world.operations()]
    assert states[-1] == ("void", "unknown"), states
    await s.answer(deal, "two_carriers", which=s.ref(copy))
    await s.settle()
    assert s.row(draft)["_deleted"]
    assert not s.row(copy)["_deleted"]
    assert s.world.current() == [s.ref(copy)]
    assert s.world.exceptions(deal) == ["reopened_draft_kept"]


@history()
async def h109_another_document_is_named_while_the_create_is_unclear(s: Scene) -> None:
    """What a person named stays the deal's; that ours arrived as well is shown."""
    await s.linked("1700.00")
    deal = s.deal()
    s.world.fault("commit_late", path="/drafts", seconds=100)
    await s.run()
    customer = next(iter(s.world.book.ledger.live("customers")))["id"]
    line = {"item": "LIC", "quantity": 1, "unit_price": 900}
    by_hand = s.world.in_book("create_invoice", customer=customer, lines=[line])["id"]
    await _named(s, deal, s.ref(by_hand))
    await s.settle()
    ours = next(row["id"] for row in s.world.live() if row["net"] == 1000)
    assert s.world.refs()[s.ref(by_hand)][0] == "current"
    assert s.world.refs()[s.ref(ours)][0] == "copy"
    assert "two_carriers" in s.world.exceptions(deal)
    assert s.sent() == 2


async def _named(s: Scene, deal: str, ref: str) -> None:
    """A person says that this document is the deal's."""
    now = s.world.clock.now()

    def work(tx: Any) -> None:
        place = ExternalRef(BOOK, "document", ref)
        key = document_slot(s.world, deal)
        slots.put_ref(tx, place, key, 0, RefRole.CURRENT, "person", now)

    await s.world.do(work)


@history(guard="e2")
async def h114_two_deals_in_doubt_over_the_same_documents(s: Scene) -> None:
    """Where no key is shown, what is named for one deal is none of the other's candidates."""
    await s.linked("1700.00")
    deals = [s.deal("1000.00"), s.deal("1500.00")]
    s.world.fault("drop_after_commit", path="/drafts", times=2)
    await s.run()
    assert [one.state.roles for one in await _unclear(s)] == [{}, {}]
    await s.settle()
    drafts = {row["net"]: s.ref(row["id"]) for row in s.world.live()}
    for deal, net in zip(deals, (1000, 1500), strict=True):
        assert s.world.exceptions(deal) == ["near_hit"]
        await s.answer(deal, "near_hit", which=drafts[net])
        await s.settle()
    assert sorted(s.world.current()) == sorted(drafts.values())
    assert s.sent() == 3
    s.none_open()


async def _unclear(s: Scene) -> list[OpenDoubt]:
    """
    What looks would start from. It holds nothing of other deals' documents, of which there may be
    a hundred thousand: their places are asked for where a look comes upon them.
    """
    ever = s.world.clock.now() + timedelta(days=9)
    return list(
        await s.world.do(lambda tx: resolving.doubts_due(tx, "nordic", BOOK, 10, ever, ever))
    )


@history(guard="e2")
async def h115_one_of_two_that_could_be_it_is_another_deals(s: Scene) -> None:
    """The one that did not arrive is made, once the other deal has what is there."""
    await s.linked("1700.00")
    deals = [s.deal("1000.00"), s.deal("1500.00")]
    s.world.fault("drop_after_commit", path="/drafts")
    s.world.fault("drop_before", path="/drafts")
    await s.run()
    await s.settle()
    (draft,) = (row for row in s.world.live() if row["net"] != 1700)
    there = deals[0] if draft["net"] == 1000 else deals[1]
    other = next(deal for deal in deals if deal != there)
    await s.answer(there, "near_hit", which=s.ref(draft["id"]))
    await s.settle()
    if s.world.exceptions(other) == ["near_hit"]:
        await s.answer(other, "near_hit", not_ours=(s.ref(draft["id"]),))
        await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [1000, 1500, 1700]
    assert len(s.world.current()) == 3
    s.none_open()


@history(lenient=True)
async def h124_one_of_two_candidates_is_credited(s: Scene) -> None:
    """It counts as before: what is asked is asked once more, and not anew by each run."""
    await s.linked("1700.00")
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    draft = next(row["id"] for row in s.world.live() if row["net"] == 1000)
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    await s.settle()
    s.world.in_book("book", draft=copy)
    await s.world.wait(130)
    await s.settle()
    invoice = next(row["id"] for row in s.world.live() if row["status"] == "booked")
    s.world.in_book("credit", invoice=invoice)
    await s.world.wait(130)
    await s.settle()
    asked = _asked(s)
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["two_carriers"]
    assert _asked(s) == asked
    await s.answer(deal, "two_carriers", which=s.ref(draft))
    await s.settle()
    assert s.world.refs()[s.ref(draft)][0] == "current"


def _asked(s: Scene) -> int:
    return len(s.world.rows("SELECT 1 FROM exception_case WHERE workspace = %(ws)s"))


@history()
async def h125_another_one_is_asked_for_after_the_copy_was_named(s: Scene) -> None:
    """What was decided is older than the other person's answer, and the copy stands."""
    deal, draft = await s.linked()
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    await s.world.wait(130)
    await s.settle()
    s.world.in_book("book", draft=draft)
    await s.world.wait(130)
    await s.settle()
    invoice = next(row["id"] for row in s.world.live() if row["status"] == "booked")
    s.world.in_book("credit", invoice=invoice)
    await s.world.wait(130)
    await s.settle()
    await s.answer(deal, "two_carriers", which=s.ref(copy))
    try:
        await s.makes_anew(deal)
    except UsedWronglyError as error:
        s.errors.append(error.code)
    await s.settle()
    assert s.errors == ["answer_unfit"]
    assert s.world.current() == [s.ref(copy)]
    s.none_open()


@history()
async def h127_two_persons_ask_for_another_one(s: Scene) -> None:
    """The second sees what the first did, though both asked before either was done."""
    deal, draft = await s.linked()
    s.world.in_book("book", draft=draft)
    await s.settle()
    s.world.in_book("credit", invoice=s.one("booked"))
    await s.world.wait(130)
    await s.settle()
    key = document_slot(s.world, deal)

    def second() -> None:
        try:
            asyncio.run(s.makes_anew(deal))
        except UsedWronglyError as error:
            s.errors.append(error.code)

    other = threading.Thread(target=second)

    def first(tx: Any) -> None:
        slots.end_generation(tx, key, "asked for another document")
        other.start()
        time.sleep(0.3)

    await s.world.do(first)
    other.join()
    assert s.errors == ["answer_unfit"]
    assert s.world.rows(
        "SELECT generation FROM slot WHERE workspace = %(ws)s AND key13 = %(key)s", key=key
    ) == [(1,)]


@history(tombstones=True)
async def h131_deleted_before_it_was_seen_is_shown_in_the_crm(s: Scene) -> None:
    """The deal shows that its draft is cancelled, as it does of one that was seen before."""
    await s.linked("1700.00")
    deal = s.deal()
    s.world.fault("drop_after_commit", path="/drafts")
    await s.run()
    draft = next(row["id"] for row in s.world.live() if row["net"] == 1000)
    s.world.in_book("delete_draft", draft=draft)
    await s.settle()
    assert s.world.exceptions(deal) == ["draft_deleted"]
    assert s.world.rows(
        "SELECT 1 FROM operation WHERE workspace = %(ws)s AND lane = 'nordic/status/book'"
        " AND source_id = %(deal)s AND state = 'applied'",
        deal=deal,
    )
