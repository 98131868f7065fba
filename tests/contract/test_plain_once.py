"""The plain book in every family: what a lost, late, cut or refused write leaves behind."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from support.fakes import START
from support.plain_pair import (
    KEY,
    LINE,
    after,
    book_rig,
    customer_change,
    key_of,
    one,
    run,
)
from tieout.core.change import (
    AlreadyApplied,
    Applied,
    Prepared,
    Refused,
    Rejected,
    Unknown,
)
from tieout.core.keys import KeyKind
from tieout.core.model import Customer, Document, DocumentKind
from tieout_sandbox.plain import GUARDS, Variant

every_guard = pytest.mark.parametrize("guard", GUARDS)
readable = pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard != "e2"])


@every_guard
@pytest.mark.parametrize("keeps_id", [False, True])
def test_what_is_predicted_is_shown_and_nothing_changed_when_read_again(
    guard: str, keeps_id: bool
) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard, keeps_id=keeps_id))
        change = one(rig, po_number="PO-7", your_reference="Anna Ek", terms="N14")
        (made,) = await rig.prepared(change)
        (wire,) = rig.connector.pack([made])
        (outcome,) = await rig.connector.send(wire)
        assert isinstance(outcome, Applied)
        assert isinstance(outcome.shows, Document)
        assert isinstance(made.shows, Document)
        assert made.totals is not None
        shown = outcome.shows
        assert shown.totals is not None
        assert (shown.totals.net, shown.totals.tax, shown.totals.gross) == (
            Decimal("2400.00"),
            Decimal("600.00"),
            Decimal("3000.00"),
        )
        assert replace(shown.totals, open=None) == made.totals.totals
        for name in ("customer", "currency", "terms", "po_number", "your_reference"):
            assert getattr(shown, name) == getattr(made.shows, name) != ""
        assert shown.carrier_text == made.shows.carrier_text == ("" if guard == "e2" else KEY)
        assert [line.stated_net for line in shown.lines] == [
            line.stated_net for line in made.shows.lines
        ]
        assert await rig.one(outcome.ref) == shown
        assert outcome.ref.id.startswith("document:" if keeps_id else "draft:")

    run(story())


@every_guard
def test_the_bytes_that_arrive_are_those_that_were_packed(guard: str) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        (wire,) = await rig.wires(one(rig))
        await rig.connector.send(wire)
        (arrived,) = rig.book.received
        assert arrived.request.body == wire.body
        assert arrived.request.header("idempotency-key") == (
            wire.wire_key if guard == "a" else None
        )

    run(story())


@readable
@pytest.mark.parametrize("kind", ["drop_after_commit", "truncated", "garbage"])
def test_a_lost_answer_is_unknown_and_found_by_its_key(guard: str, kind: str) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        change = one(rig)
        rig.fault(kind, method="POST")
        (outcome,) = await rig.send(change)
        assert isinstance(outcome, Unknown)
        sight = await rig.look(change)
        assert [hit.key for hit in sight.hits] == [KEY]
        assert not sight.near
        assert sight.complete

    run(story())


def test_what_cannot_be_read_back_is_only_near() -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard="e2"))
        change = one(rig)
        rig.fault("drop_after_commit", method="POST")
        await rig.send(change)
        sight = await rig.look(change)
        assert not sight.hits
        assert len(sight.near) == 1

    run(story())


@every_guard
def test_a_request_that_never_arrived_leaves_nothing(guard: str) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        change = one(rig)
        rig.fault("drop_before", method="POST")
        (outcome,) = await rig.send(change)
        assert isinstance(outcome, Unknown)
        sight = await rig.look(change)
        assert not sight.hits
        assert not sight.near
        assert sight.complete

    run(story())


@every_guard
def test_a_late_request_takes_effect_after_a_look_that_saw_nothing(guard: str) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        change = one(rig)
        rig.fault("commit_late", method="POST", seconds=180)
        (outcome,) = await rig.send(change)
        assert isinstance(outcome, Unknown)
        rig.clock.advance(5)
        early = await rig.look(change)
        assert not early.hits
        assert not early.near
        assert early.began_at == after(5)
        rig.clock.advance(176)
        late = await rig.look(change)
        assert len(late.hits) + len(late.near) == 1
        (document,) = rig.live()
        assert document["created_at"] == after(180)

    run(story())


@pytest.mark.parametrize(
    ("guard", "expected"),
    [
        ("a", (Applied, 1)),
        ("b", (AlreadyApplied, 1)),
        ("b'", (Applied, 1)),
        ("c", (AlreadyApplied, 1)),
        ("d", (Applied, 2)),
        ("e1", (Applied, 2)),
        ("e2", (Applied, 2)),
    ],
)
def test_the_same_bytes_sent_twice(guard: str, expected: tuple[type, int]) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        (wire,) = await rig.wires(one(rig))
        (first,) = await rig.connector.send(wire)
        (second,) = await rig.connector.send(wire)
        kind, count = expected
        assert isinstance(first, Applied)
        assert isinstance(second, kind)
        assert len(rig.live()) == count
        if count == 1:
            assert isinstance(second, (Applied, AlreadyApplied))
            assert second.ref == first.ref

    run(story())


def test_an_upsert_overwrites_what_a_person_edited_meanwhile() -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard="b'"))
        (wire,) = await rig.wires(one(rig))
        (first,) = await rig.connector.send(wire)
        assert isinstance(first, Applied)
        rig.act("edit_draft", draft=first.ref.id.split(":")[1], price="1.00")
        await rig.connector.send(wire)
        (document,) = rig.live()
        assert document["net"] == Decimal("2400.00")

    run(story())


# --- family a -------------------------------------------------------------------------------------


def test_an_error_is_kept_under_its_key_and_a_new_key_makes_one() -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard="a"))
        change = one(rig)
        (wire,) = await rig.wires(change)
        rig.act("break_next_create", status=500)
        (first,) = await rig.connector.send(wire)
        (second,) = await rig.connector.send(wire)
        assert isinstance(first, Unknown)
        assert isinstance(second, Unknown)
        assert (first.reason, second.reason) == ("server_error", "error_under_key")
        assert not (await rig.look(change)).hits
        (again,) = await rig.wires(replace(change, revision=1))
        assert again.wire_key != wire.wire_key
        (third,) = await rig.connector.send(again)
        assert isinstance(third, Applied)
        assert len(rig.live()) == 1

    run(story())


@pytest.mark.parametrize("how", ["life", "fault"])
def test_a_repeat_after_the_life_of_its_key_makes_a_second_one(how: str) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard="a", key_life_s=600))
        (wire,) = await rig.wires(one(rig))
        await rig.connector.send(wire)
        if how == "life":
            rig.clock.advance(601)
        else:
            rig.fault("key_expiry", method="POST")
        await rig.connector.send(wire)
        assert len(rig.live()) == 2

    run(story())


def test_a_key_cannot_be_used_for_other_bytes() -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard="a"))
        (wire,) = await rig.wires(one(rig))
        await rig.connector.send(wire)
        (outcome,) = await rig.connector.send(replace(wire, body=wire.body.replace(b"2", b"3", 1)))
        assert isinstance(outcome, Rejected)
        assert len(rig.live()) == 1

    run(story())


# --- family c -------------------------------------------------------------------------------------


def test_our_number_on_a_persons_invoice_is_not_ours() -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard="c"))
        customer = rig.customer()
        rig.act(
            "create_invoice",
            customer=customer.id,
            number="90001",
            lines=[{"text": "x", "quantity": 1}],
        )
        (outcome,) = await rig.send(rig.create(KEY, customer, LINE, number="90001"))
        assert isinstance(outcome, Rejected)
        assert outcome.number_taken
        sight = await rig.look(rig.create(KEY, customer, LINE, number="90001"))
        assert not sight.hits

    run(story())


def test_a_renumbered_draft_is_found_by_its_key() -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard="c"))
        change = one(rig)
        (outcome,) = await rig.send(change)
        assert isinstance(outcome, Applied)
        rig.act("renumber", id=outcome.ref.id.split(":")[1], number="777")
        sight = await rig.look(change)
        assert [hit.record.ref for hit in sight.hits] == [outcome.ref]

    run(story())


def test_without_a_number_nothing_leaves() -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard="c"))
        (made,) = await rig.connector.prepare([rig.create(KEY, rig.customer(), LINE)])
        assert isinstance(made, Refused)
        assert [finding.code for finding in made.findings] == ["number_missing"]

    run(story())


# --- looking --------------------------------------------------------------------------------------


def test_search_sees_a_write_only_after_the_lag_and_single_reads_at_once() -> None:
    async def story() -> None:
        rig = book_rig(Variant(search_lag_s=45))
        change = one(rig)
        (outcome,) = await rig.send(change)
        assert isinstance(outcome, Applied)
        assert await rig.one(outcome.ref) == outcome.shows
        early = await rig.look(change)
        assert not early.hits
        assert not early.near
        rig.clock.advance(46)
        assert len((await rig.look(change)).hits) == 1

    run(story())


def test_a_booked_draft_is_hidden_while_the_search_lags_and_its_copy_is_not() -> None:
    async def story() -> None:
        rig = book_rig(Variant(search_lag_s=45))
        change = one(rig)
        await rig.send(change)
        draft = rig.live()[0]["id"]
        rig.act("copy_draft", draft=draft)
        rig.clock.advance(46)
        rig.act("book", draft=draft)
        (hit,) = (await rig.look(change)).hits
        assert hit.record.ref is not None
        assert hit.record.ref.id.startswith("draft:")
        rig.clock.advance(46)
        assert len((await rig.look(change)).hits) == 2

    run(story())


def test_the_fault_search_lag_hides_one_write() -> None:
    async def story() -> None:
        rig = book_rig()
        rig.fault("search_lag", method="POST", seconds=30)
        change = one(rig)
        await rig.send(change)
        assert not (await rig.look(change)).hits
        rig.clock.advance(31)
        assert len((await rig.look(change)).hits) == 1

    run(story())


@readable
def test_a_draft_booked_between_the_calls_of_a_look_is_seen_once(guard: str) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        change = one(rig)
        await rig.send(change)
        draft = rig.live()[0]["id"]
        calls = 0

        def book_before_invoices(request: Any) -> None:
            nonlocal calls
            if "/invoices" in request.url and not calls:
                calls += 1
                rig.act("book", draft=draft)

        rig.transport.before = book_before_invoices
        sight = await rig.look(change)
        assert calls == 1
        (hit,) = sight.hits
        assert isinstance(hit.record, Document)
        assert hit.record.booked

    run(story())


@readable
@pytest.mark.parametrize("keeps_id", [False, True])
def test_a_booked_draft_is_found_among_the_booked(guard: str, keeps_id: bool) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard, keeps_id=keeps_id))
        change = one(rig)
        (outcome,) = await rig.send(change)
        assert isinstance(outcome, Applied)
        rig.act("book", draft=rig.live()[0]["id"])
        (hit,) = (await rig.look(change)).hits
        assert isinstance(hit.record, Document)
        assert hit.record.booked
        assert hit.record.kind is DocumentKind.INVOICE
        if keeps_id:
            assert hit.record.ref == outcome.ref
        else:
            assert hit.record.came_from == (outcome.ref,)

    run(story())


@pytest.mark.parametrize("guard", ["a", "c", "d", "e1"])
def test_an_overwritten_carrier_leaves_a_near_hit(guard: str) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        change = one(rig)
        await rig.send(change)
        rig.act("overwrite_carrier", id=rig.live()[0]["id"], text="Thanks!")
        sight = await rig.look(change)
        assert not sight.hits
        (near,) = sight.near
        assert isinstance(near, Document)
        assert near.totals is not None
        assert near.totals.net == Decimal("2400.00")

    run(story())


def test_near_are_only_keyless_documents_of_the_customer_since_the_first_send() -> None:
    async def story() -> None:
        rig = book_rig(margin_s=10)
        customer, other = rig.customer("One AB"), rig.customer("Two AB")
        lines = [{"text": "x", "quantity": 1, "unit_price": "5.00"}]
        rig.act("create_invoice", customer=customer.id, lines=lines)
        rig.clock.advance(60)
        since = after(60)
        await rig.send(rig.create(key_of("deal-2"), customer, LINE))
        rig.act("create_invoice", customer=other.id, lines=lines)
        mine = rig.act("create_invoice", customer=customer.id, lines=lines)
        sight = await rig.look(rig.create(KEY, customer, LINE), since)
        assert [record.ref.id for record in sight.near if record.ref] == [f"invoice:{mine['id']}"]

    run(story())


def test_all_generations_of_a_slot_are_hits_with_their_whole_keys() -> None:
    async def story() -> None:
        rig = book_rig()
        customer = rig.customer()
        keys = [key_of("deal-1", generation) for generation in (0, 1)]
        for key in keys:
            await rig.send(rig.create(key, customer, LINE))
        sight = await rig.look(rig.create(keys[0], customer, LINE))
        assert sorted(hit.key for hit in sight.hits) == sorted(keys)

    run(story())


@pytest.mark.parametrize("guard", ["e1", "e2"])
def test_a_look_by_customer_follows_a_merge(guard: str) -> None:
    """Only a customer's list can be asked there: that of the one that is left is asked too."""

    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        change = one(rig)
        winner = rig.customer("Winner AB")
        await rig.send(change)
        record = change.wanted.record if change.wanted else None
        assert isinstance(record, Document)
        assert record.customer is not None
        rig.act("merge_customers", loser=record.customer.id, winner=winner.id)
        seen = await rig.look(change)
        assert len(seen.hits) + len(seen.near) == 1
        assert seen.complete
        # And that one may be merged away in its turn.
        last = rig.customer("Last AB")
        rig.act("merge_customers", loser=winner.id, winner=last.id)
        seen = await rig.look(change)
        assert len(seen.hits) + len(seen.near) == 1
        assert seen.complete

    run(story())


def test_a_merge_does_not_hide_what_is_searched() -> None:
    async def story() -> None:
        rig = book_rig()
        change = one(rig)
        winner = rig.customer("Winner AB")
        await rig.send(change)
        rig.act("merge_customers", loser="k1", winner=winner.id)
        (hit,) = (await rig.look(change)).hits
        assert isinstance(hit.record, Document)
        assert hit.record.customer == winner

    run(story())


# --- customers ------------------------------------------------------------------------------------


@every_guard
def test_a_customer_is_found_like_a_document(guard: str) -> None:
    async def story() -> None:
        rig = book_rig(Variant(guard=guard))
        key = key_of("company-1", kind=KeyKind.CUSTOMER)
        drawn = "4001" if guard == "c" else None
        change = customer_change(key, drawn, name="Kund AB")
        rig.fault("drop_after_commit", method="POST")
        (outcome,) = await rig.send(change)
        assert isinstance(outcome, Unknown)
        sight = await rig.look(change)
        found = [hit.record for hit in sight.hits] or list(sight.near)
        assert bool(sight.hits) is (guard != "e2")
        (record,) = found
        assert isinstance(record, Customer)
        assert record.name == "Kund AB"

    run(story())


def test_a_long_name_is_cut_as_predicted() -> None:
    async def story() -> None:
        rig = book_rig()
        key = key_of("company-1", kind=KeyKind.CUSTOMER)
        (made,) = await rig.prepared(customer_change(key, name="K" * 60))
        (wire,) = rig.connector.pack([made])
        (outcome,) = await rig.connector.send(wire)
        assert isinstance(outcome, Applied)
        assert isinstance(outcome.shows, Customer)
        assert isinstance(made.shows, Customer)
        assert outcome.shows.name == made.shows.name == "K" * 50

    run(story())


def test_prepared_bodies_name_the_key_in_the_field_of_the_guard() -> None:
    async def story() -> None:
        found = {}
        for guard in GUARDS:
            rig = book_rig(Variant(guard=guard))
            (made,) = await rig.prepared(one(rig))
            assert isinstance(made, Prepared)
            field = rig.connector.settings.carrier_field
            assert f'"{field}":"{KEY}"'.encode() in made.body
            found[guard] = field
        assert found == {
            "a": "reference",
            "b": "external_id",
            "b'": "external_id",
            "c": "reference",
            "d": "reference",
            "e1": "note",
            "e2": "note",
        }

    run(story())


def test_a_look_begins_at_the_vendors_time_not_ours() -> None:
    async def story() -> None:
        rig = book_rig()
        change = one(rig)
        rig.book.set_clock(after(3600))
        sight = await rig.look(change)
        assert sight.began_at == sight.vendor_time == after(3600)
        assert rig.clock.now() == START

    run(story())
