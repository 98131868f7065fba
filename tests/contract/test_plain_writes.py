"""The plain book: updates, voids, batches, refusals, and what became of vanished records."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from support.plain_pair import (
    KEY,
    BookRig,
    book_rig,
    customer_change,
    document,
    key_of,
    one,
    run,
)
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Fate,
    FateKind,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.errors import ConnectionBrokenError
from tieout.core.keys import KeyKind
from tieout.core.model import Document, ExternalRef
from tieout_sandbox.plain import Variant

# --- update and void ------------------------------------------------------------------------------


async def _made(rig: BookRig, source: str = "deal-1") -> tuple[Change, Applied]:
    change = one(rig, source)
    (outcome,) = await rig.send(change)
    assert isinstance(outcome, Applied)
    return change, outcome


def _update(change: Change, done: Applied, *lines: tuple[str, int, str]) -> Change:
    assert change.wanted is not None
    assert isinstance(change.wanted.record, Document)
    assert change.wanted.record.customer is not None
    record = document(change.wanted.record.customer, *(lines or (("CONS", 3, "1200.00"),)))
    return replace(
        change,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset({"lines"})),
        target=done.ref,
        base=done.shows,
        version=done.version,
    )


def _void(change: Change, done: Applied) -> Change:
    return replace(
        change,
        action=Action.VOID,
        wanted=None,
        target=done.ref,
        base=done.shows,
        version=done.version,
    )


@pytest.mark.parametrize("version_check", [False, True])
def test_an_update_sets_what_is_named_and_reads_first_only_without_a_version_check(
    version_check: bool,
) -> None:
    async def story() -> None:
        rig = book_rig(Variant(version_check=version_check))
        change, done = await _made(rig)
        reads = len(rig.transport.asked("GET"))
        (made,) = await rig.prepared(_update(change, done))
        assert (made.read is None) is version_check
        assert (len(rig.transport.asked("GET")) == reads) is version_check
        (wire,) = rig.connector.pack([made])
        (outcome,) = await rig.connector.send(wire)
        assert isinstance(outcome, Applied)
        assert isinstance(outcome.shows, Document)
        assert isinstance(made.shows, Document)
        assert outcome.shows.totals is not None
        assert outcome.shows.totals.net == Decimal("3600.00")
        assert outcome.shows.carrier_text == KEY
        assert made.shows.totals == replace(outcome.shows.totals, open=None)
        assert outcome.version != done.version

    run(story())


@pytest.mark.parametrize("action", [Action.UPDATE, Action.VOID])
def test_with_a_version_check_a_persons_edit_wins(action: Action) -> None:
    async def story() -> None:
        rig = book_rig(Variant(version_check=True))
        change, done = await _made(rig)
        second = _update(change, done) if action is Action.UPDATE else _void(change, done)
        (wire,) = await rig.wires(second)
        rig.act("edit_draft", draft=rig.live()[0]["id"], add_row={"text": "Extra", "quantity": 1})
        (outcome,) = await rig.connector.send(wire)
        assert isinstance(outcome, Stale)
        (row,) = rig.live()
        assert len(row["lines"]) == 2

    run(story())


def test_a_late_update_with_a_version_is_refused_when_it_arrives() -> None:
    async def story() -> None:
        rig = book_rig(Variant(version_check=True))
        change, done = await _made(rig)
        rig.fault("commit_late", method="PATCH", seconds=100)
        (outcome,) = await rig.send(_update(change, done))
        assert isinstance(outcome, Unknown)
        rig.act("edit_draft", draft=rig.live()[0]["id"], price="7.00")
        rig.clock.advance(101)
        rig.book.settle()
        assert rig.live()[0]["lines"][0]["unit_price"] == Decimal("7.00")

    run(story())


def test_without_a_version_check_a_late_update_overwrites() -> None:
    async def story() -> None:
        rig = book_rig()
        change, done = await _made(rig)
        rig.fault("commit_late", method="PATCH", seconds=100)
        await rig.send(_update(change, done))
        rig.act("edit_draft", draft=rig.live()[0]["id"], price="7.00")
        rig.clock.advance(101)
        rig.book.settle()
        assert rig.live()[0]["lines"][0]["unit_price"] == Decimal("1200.00")

    run(story())


@pytest.mark.parametrize("keeps_id", [False, True])
@pytest.mark.parametrize("action", [Action.UPDATE, Action.VOID])
@pytest.mark.parametrize("moment", ["before_prepare", "before_send"])
def test_a_booked_draft_is_neither_changed_nor_deleted(
    keeps_id: bool, action: Action, moment: str
) -> None:
    async def story() -> None:
        rig = book_rig(Variant(keeps_id=keeps_id))
        change, done = await _made(rig)
        second = _update(change, done) if action is Action.UPDATE else _void(change, done)
        if moment == "before_prepare":
            rig.act("book", draft=rig.live()[0]["id"])
            (refused,) = await rig.connector.prepare([second])
            assert isinstance(refused, Refused)
            assert refused.stale
        else:
            (wire,) = await rig.wires(second)
            rig.act("book", draft=rig.live()[0]["id"])
            (outcome,) = await rig.connector.send(wire)
            assert isinstance(outcome, Stale)
        (row,) = rig.live()
        assert row["status"] == "booked"
        assert row["net"] == Decimal("2400.00")

    run(story())


def test_a_look_for_a_void_sees_the_target_or_its_successor() -> None:
    async def story() -> None:
        rig = book_rig()
        change, done = await _made(rig)
        void = _void(change, done)
        there = await rig.look(void)
        assert there.target == done.shows
        assert not there.target_gone
        rig.act("overwrite_carrier", id=rig.live()[0]["id"], text="gone")
        booked = rig.act("book", draft=rig.live()[0]["id"])
        moved = await rig.look(void)
        assert moved.target_gone
        (hit,) = moved.hits
        assert hit.record.ref == ExternalRef("books", "document", f"invoice:{booked['id']}")

    run(story())


@pytest.mark.parametrize("keeps_id", [False, True])
def test_a_void_takes_the_draft_away(keeps_id: bool) -> None:
    async def story() -> None:
        rig = book_rig(Variant(keeps_id=keeps_id))
        change, done = await _made(rig)
        (outcome,) = await rig.send(_void(change, done))
        assert isinstance(outcome, Applied)
        assert outcome.ref == done.ref
        assert not rig.live()
        assert (await rig.look(_void(change, done))).target_gone

    run(story())


# --- batches and refusals -------------------------------------------------------------------------


def _three(rig: BookRig, bad: int | None = None) -> list[Change]:
    customer = rig.customer()
    changes = []
    for index in range(3):
        item = "NOPE" if index == bad else "CONS"
        changes.append(rig.create(key_of(f"deal-{index}"), customer, (item, 1, "10.00")))
    return changes


def test_a_batch_of_three_made_refused_and_cut() -> None:
    async def story() -> None:
        rig = book_rig(Variant(batch=3))
        rig.fault("batch_cut", method="POST", items=2)
        outcomes = await rig.send(*_three(rig, bad=1))
        assert [type(outcome) for outcome in outcomes] == [Applied, Rejected, Unknown]
        # The first item behind the cut was made; only its answer is not there.
        assert len(rig.live()) == 2
        assert len(rig.book.received) == 1

    run(story())


def test_a_batch_settles_each_item_by_itself() -> None:
    async def story() -> None:
        rig = book_rig(Variant(batch=3))
        outcomes = await rig.send(*_three(rig, bad=0))
        assert [type(outcome) for outcome in outcomes] == [Rejected, Applied, Applied]
        assert len({outcome.ref for outcome in outcomes if isinstance(outcome, Applied)}) == 2

    run(story())


def test_an_atomic_batch_with_one_bad_item_makes_none() -> None:
    async def story() -> None:
        rig = book_rig(Variant(batch=3, atomic=True))
        outcomes = await rig.send(*_three(rig, bad=1))
        assert [type(outcome) for outcome in outcomes] == [Deferred, Rejected, Deferred]
        assert not rig.live()

    run(story())


def test_customers_and_documents_never_share_a_request() -> None:
    async def story() -> None:
        rig = book_rig(Variant(batch=3))
        customer = customer_change(key_of("company-9", kind=KeyKind.CUSTOMER), name="Ny AB")
        wires = await rig.wires(*_three(rig)[:2], customer)
        assert sorted((wire.path, len(wire.items)) for wire in wires) == [
            ("/customers", 1),
            ("/drafts", 2),
        ]

    run(story())


def test_what_certainly_was_not_done() -> None:
    async def story() -> None:
        rig = book_rig()
        change = one(rig)
        (wire,) = await rig.wires(change)
        rig.transport.unreachable = True
        (outcome,) = await rig.connector.send(wire)
        assert outcome == Deferred(key=KEY, retry_after_s=5, reason="not_sent")
        rig.transport.unreachable = False
        rig.fault("rate_limited", method="POST", seconds=7)
        (outcome,) = await rig.connector.send(wire)
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after_s == 7
        rig.clock.advance(8)
        rig.fault("stale", method="POST")
        (outcome,) = await rig.connector.send(wire)
        assert isinstance(outcome, Stale)
        rig.fault("token_revoked", method="POST")
        with pytest.raises(ConnectionBrokenError):
            await rig.connector.send(wire)
        assert not rig.live()

    run(story())


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, {"error": {"code": "x"}}), (503, None), (429, "<html>"), (404, "<html>"), (200, "<p>")],
)
def test_an_answer_that_is_not_the_systems_own_is_unknown(status: int, body: Any) -> None:
    async def story() -> None:
        rig = book_rig()
        change = one(rig)
        rig.fault("status", method="POST", status=status, body=body)
        (outcome,) = await rig.send(change)
        assert isinstance(outcome, Unknown)

    run(story())


# --- lineage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "kind"),
    [
        (Variant(), FateKind.DELETED),
        (Variant(tombstones=True), FateKind.DELETED),
        (Variant(tombstones=True, tells_origin=False), FateKind.DELETED),
        (Variant(tells_origin=False), FateKind.CANNOT_TELL),
    ],
)
def test_what_became_of_a_deleted_draft(variant: Variant, kind: FateKind) -> None:
    async def story() -> None:
        rig = book_rig(variant)
        _, done = await _made(rig)
        rig.act("delete_draft", draft=rig.live()[0]["id"])
        assert await rig.connector.trace([done.ref]) == [Fate(ref=done.ref, kind=kind)]

    run(story())


@pytest.mark.parametrize("tombstones", [False, True])
@pytest.mark.parametrize("tells_origin", [False, True])
def test_what_became_of_a_booked_draft(tombstones: bool, tells_origin: bool) -> None:
    async def story() -> None:
        rig = book_rig(Variant(tombstones=tombstones, tells_origin=tells_origin, search_lag_s=45))
        _, done = await _made(rig)
        booked = rig.act("book", draft=rig.live()[0]["id"])
        (fate,) = await rig.connector.trace([done.ref])
        if tells_origin:
            assert fate.kind is FateKind.BECAME
            assert fate.into == ExternalRef("books", "document", f"invoice:{booked['id']}")
        else:
            assert fate.kind is FateKind.CANNOT_TELL

    run(story())


def test_a_booked_draft_that_kept_its_id_is_present() -> None:
    async def story() -> None:
        rig = book_rig(Variant(keeps_id=True))
        _, done = await _made(rig)
        rig.act("book", draft=rig.live()[0]["id"])
        (fate,) = await rig.connector.trace([done.ref])
        assert fate.kind is FateKind.PRESENT
        assert isinstance(fate.record, Document)
        assert fate.record.booked

    run(story())


def test_a_merged_customer_names_its_winner() -> None:
    async def story() -> None:
        rig = book_rig()
        loser, winner = rig.customer("One AB"), rig.customer("Two AB")
        rig.act("merge_customers", loser=loser.id, winner=winner.id)
        lost, kept = await rig.connector.trace([loser, winner])
        assert (lost.kind, lost.into) == (FateKind.MERGED, winner)
        assert kept.kind is FateKind.PRESENT

    run(story())
