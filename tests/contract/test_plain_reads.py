"""Reading the plain pair: stamps, late commits, replicas, feeds, and what is shown on deals."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from support.fakes import START
from support.plain_pair import DEALS, DOCUMENTS, CrmRig, book_rig, crm_rig, cursor_of, records, run
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Doubt,
    FateKind,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.errors import TransientError
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import (
    Balance,
    Code,
    Deal,
    DealKind,
    DealState,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Payment,
    Standing,
)
from tieout.ports import Selection
from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.plain import PlainBook, PlainCrm, Variant

CUSTOMERS = Selection(entity=Entity.CUSTOMER)


def won(rig: CrmRig, **values: Any) -> str:
    """A won deal of a new company."""
    company = rig.act("create_company", name="Kund AB", org_number="556677-8899")["id"]
    line = {"product": "CONS", "quantity": 2, "unit_price": "1200.00", "discount": "0.1"}
    made = rig.act("create_deal", title="D", company=company, lines=[line], **values)
    rig.act("win", deal=made["id"])
    return str(made["id"])


def ref(kind: str, row_id: str) -> ExternalRef:
    """A ref in the CRM."""
    return ExternalRef("crm", kind, row_id)


# --- the CRM --------------------------------------------------------------------------------------


def test_a_deal_is_read_with_all_that_it_has() -> None:
    async def story() -> None:
        rig = crm_rig()
        deal_id = won(
            rig,
            po_number="PO-1",
            contact="Anna Maria Ek",
            close_date="2026-11-20",
            custom={"region": "North"},
            schedule=[{"part": 1, "amount": Decimal("100.00"), "due_on": "2026-12-01"}],
        )
        want = replace(DEALS, extra=("custom.region", "line.unit_price", "custom.none"), shape="s1")
        (deal,) = records(await rig.read(want))
        assert isinstance(deal, Deal)
        assert deal.ref == ref("deal", deal_id)
        assert deal.state is DealState.WON
        assert deal.won_at == START
        assert deal.close_date == date(2026, 11, 20)
        assert deal.billing_contact is not None
        assert deal.billing_contact.name == "Anna Maria Ek"
        (line,) = deal.lines
        assert (line.quantity, line.unit_price, line.discount) == (
            Decimal(2),
            Decimal("1200.00"),
            Decimal("0.1"),
        )
        assert line.item is not None
        assert line.item.number == "CONS"
        assert deal.extra == {"custom.region": "North"}
        assert line.extra == {"line.unit_price": Decimal("1200.00")}
        assert deal.shape == "s1"
        assert deal.schedule[0].due_on == date(2026, 12, 1)
        assert await rig.connector.get([ref("deal", deal_id)], want) == [deal]

    run(story())


def test_two_edits_in_one_second_share_a_stamp_and_the_second_is_read() -> None:
    async def story() -> None:
        rig = crm_rig()
        deal_id = won(rig)
        first = await rig.read(DEALS)
        rig.clock.advance(0.4)
        rig.act("edit", deal=deal_id, title="Other")
        (deal,) = records(await rig.read(DEALS, cursor_of(first)))
        (before,) = records(first)
        assert deal.version == before.version
        assert deal.title == "Other"

    run(story())


def test_a_row_that_commits_late_is_inside_the_overlap_or_only_in_the_keys() -> None:
    async def story() -> None:
        rig = crm_rig(overlap_s=120)
        late, other = won(rig), won(rig)
        start = await rig.read(DEALS)
        rig.clock.advance(300)
        rig.act("late_commit", deal=late, seconds=60, title="Late")
        rig.clock.advance(30)
        rig.act("edit", deal=other, title="Other")
        mid = await rig.read(DEALS, cursor_of(start))
        assert "Late" not in [deal.title for deal in records(mid)]
        rig.clock.advance(40)
        found = records(await rig.read(DEALS, cursor_of(mid)))
        assert "Late" in [deal.title for deal in found]
        assert [deal.changed_at for deal in found] == sorted(deal.changed_at for deal in found)

        rig.act("late_commit", deal=late, seconds=1200, title="Later")
        rig.clock.advance(1000)
        rig.act("edit", deal=other, title="Again")
        passed = await rig.read(DEALS, cursor_of(mid))
        rig.clock.advance(300)
        lost = records(await rig.read(DEALS, cursor_of(passed)))
        assert "Later" not in [deal.title for deal in lost]
        keys = dict([key async for part in rig.connector.keys(Entity.DEAL) for key in part])
        (deal,) = await rig.connector.get([ref("deal", late)], DEALS)
        assert isinstance(deal, Deal)
        assert keys[ref("deal", late)] == deal.version
        assert deal.title == "Later"

    run(story())


def test_a_new_row_that_commits_late_is_not_there_before() -> None:
    async def story() -> None:
        rig = crm_rig()
        deal_id = won(rig)
        rig.act("late_commit", deal=deal_id, seconds=60, new=True)
        assert not records(await rig.read(DEALS))
        (fate,) = await rig.connector.trace([ref("deal", deal_id)])
        assert fate.kind is FateKind.CANNOT_TELL
        rig.clock.advance(61)
        (deal,) = records(await rig.read(DEALS))
        assert deal.changed_at == START

    run(story())


def test_what_deals_are_taken_for_does_not_change_their_source() -> None:
    async def story() -> None:
        sources = set()
        for kind in (DealKind.OPPORTUNITY, DealKind.ORDER):
            rig = crm_rig(deal_kind=kind)
            won(rig)
            (deal,) = records(await rig.read(DEALS))
            assert deal.kind is kind
            sources.add(deal.source_id)
        assert len(sources) == 1

    run(story())


def test_a_stale_replica_shows_the_former_version_for_a_while() -> None:
    async def story() -> None:
        rig = crm_rig()
        deal_id = won(rig)
        rig.clock.advance(5)
        rig.act("edit", deal=deal_id, title="New")
        (seen,) = records(await rig.read(DEALS))
        rig.act("stale_replica", deal=deal_id, seconds=10)
        (stale,) = records(await rig.read(DEALS))
        assert (seen.title, stale.title) == ("New", "D")
        assert stale.changed_at < seen.changed_at
        rig.clock.advance(11)
        assert records(await rig.read(DEALS)) == [seen]

    run(story())


def test_deletions_and_merges_come_in_the_feed_once() -> None:
    async def story() -> None:
        rig = crm_rig()
        deal_id = won(rig)
        loser = rig.crm.rows.tables["deals"][deal_id]["company"]
        winner = rig.act("create_company", name="Winner AB")["id"]
        deals, customers = await rig.read(DEALS), await rig.read(CUSTOMERS)
        rig.clock.advance(200)
        rig.act("merge_companies", loser=loser, winner=winner)
        moved = await rig.read(DEALS, cursor_of(deals))
        assert [deal.customer for deal in records(moved)] == [ref("customer", winner)]
        pages = await rig.read(CUSTOMERS, cursor_of(customers))
        (gone,) = [entry for page in pages for entry in page.gone]
        assert (gone.ref, gone.merged_into, gone.certain) == (
            ref("customer", loser),
            ref("customer", winner),
            True,
        )
        rig.act("delete", deal=deal_id)
        (gone,) = [e for page in await rig.read(DEALS, cursor_of(moved)) for e in page.gone]
        assert gone.ref == ref("deal", deal_id)
        again = await rig.read(CUSTOMERS, cursor_of(pages))
        assert not [entry for page in again for entry in page.gone]
        fates = await rig.connector.trace([ref("deal", deal_id), ref("customer", loser)])
        assert [fate.kind for fate in fates] == [FateKind.DELETED, FateKind.MERGED]

    run(story())


def test_a_silent_merge_moves_no_stamp() -> None:
    clock = SandboxClock(lambda: START)
    crm = PlainCrm(clock=clock, merges_move_stamps=False)
    companies = [crm.act("create_company", {"name": name})["id"] for name in ("A", "B")]
    deal_id = crm.act("create_deal", {"title": "D", "company": companies[0]})["id"]
    before = crm.rows.tables["deals"][deal_id]["changed_at"]
    crm.advance_clock(60)
    crm.act("merge_companies", {"loser": companies[0], "winner": companies[1]})
    row = crm.rows.tables["deals"][deal_id]
    assert (row["company"], row["changed_at"]) == (companies[1], before)


def test_every_page_of_a_long_list_is_read_and_keys_are_complete() -> None:
    async def story() -> None:
        rig = crm_rig(size=230, page=100)
        pages = await rig.read(DEALS)
        assert [len(page.records) for page in pages] == [100, 100, 30, 0]
        assert all(page.cursor for page in pages)
        keys = [key async for part in rig.connector.keys(Entity.DEAL) for key in part]
        found = records(pages)
        assert {deal.ref: deal.version for deal in found} == dict(keys)
        assert len({deal.ref for deal in found}) == 230

    run(story())


def test_a_row_that_is_not_understood_is_told_and_the_rest_is_read() -> None:
    async def story() -> None:
        rig = crm_rig()
        good, bad = won(rig), won(rig)
        rig.crm.rows.tables["deals"][bad]["state"] = "dreaming"
        pages = await rig.read(DEALS)
        assert [deal.ref for deal in records(pages)] == [ref("deal", good)]
        ((unread, finding),) = [entry for page in pages for entry in page.unread]
        assert unread == ref("deal", bad)
        assert finding.code == "record_unreadable"

    run(story())


def test_a_clone_is_another_deal_with_the_same_content() -> None:
    async def story() -> None:
        rig = crm_rig()
        deal_id = won(rig, po_number="PO-9")
        clone = rig.act("clone", deal=deal_id)["id"]
        first, second = await rig.connector.get([ref("deal", deal_id), ref("deal", clone)], DEALS)
        assert isinstance(first, Deal)
        assert isinstance(second, Deal)
        assert second.state is DealState.OPEN
        assert (second.po_number, second.customer) == ("PO-9", first.customer)
        assert second.source_id != first.source_id

    run(story())


# --- standings ------------------------------------------------------------------------------------


def show(row_id: str, **values: Any) -> Change:
    """The decision to show these values on a deal or company."""
    kind = KeyKind.STANDING
    slot = Slot(crm_org="crm-1", source_id=row_id, company="books-1", kind=kind)
    target = ref("standing", row_id)
    of = "customer" if row_id.startswith("company") else "deal"
    return Change(
        key=operation_key(slot, 0),
        entity=Entity.STANDING,
        action=Action.UPDATE,
        wanted=Wanted(record=Standing(ref=target, of=of, **values), fields=frozenset(values)),
        target=target,
    )


async def shown(rig: CrmRig, *changes: Change) -> list[Any]:
    """Prepares, packs into one request and sends."""
    made = await rig.connector.prepare(changes)
    wires = rig.connector.pack([item for item in made if isinstance(item, Prepared)])
    (wire,) = wires
    return list(await rig.connector.send(wire))


def test_what_is_shown_comes_back_as_it_was_sent() -> None:
    async def story() -> None:
        rig = crm_rig()
        deal_id = won(rig)
        company = rig.crm.rows.tables["deals"][deal_id]["company"]
        values = {
            "status": "booked",
            "number": "10001",
            "overdue": False,
            "due_date": date(2026, 12, 25),
            "net": Decimal("2400.00"),
            "open": Decimal("3000.10"),
        }
        change = show(deal_id, **values)
        (made,) = await rig.connector.prepare([change])
        assert isinstance(made, Prepared)
        assert b'"open":3000.10' in made.body
        first, second = await shown(rig, change, show(company, overdue_amount=Decimal("1.00")))
        assert isinstance(first, Applied)
        assert replace(first.shows, version=None) == made.shows
        assert isinstance(second, Applied)
        assert second.shows.of == "customer"
        want = Selection(entity=Entity.STANDING)
        assert await rig.connector.get([first.ref], want) == [first.shows]
        (cleared,) = await shown(rig, show(deal_id, number=None))
        assert cleared.shows.number is None
        assert cleared.shows.status == "booked"

    run(story())


def test_two_hundred_and_one_rows_are_two_requests() -> None:
    async def story() -> None:
        rig = crm_rig(size=201)
        changes = [show(deal_id, status="paid") for deal_id in rig.crm.rows.tables["deals"]]
        made = await rig.connector.prepare(changes)
        wires = rig.connector.pack([item for item in made if isinstance(item, Prepared)])
        assert [len(wire.items) for wire in wires] == [200, 1]
        outcomes = [o for wire in wires for o in await rig.connector.send(wire)]
        assert all(isinstance(outcome, Applied) for outcome in outcomes)
        assert [outcome.key for outcome in outcomes] == [change.key for change in changes]

    run(story())


def test_each_row_settles_by_itself() -> None:
    async def story() -> None:
        rig = crm_rig()
        good, locked, gone = won(rig), won(rig), won(rig)
        rig.act("late_commit", deal=locked, seconds=10, title="busy")
        rig.act("delete", deal=gone)
        outcomes = await shown(rig, *(show(one, status="paid") for one in (good, locked, gone)))
        assert [type(outcome) for outcome in outcomes] == [Applied, Deferred, Stale]
        rig.fault("batch_cut", method="PATCH", items=1)
        rig.clock.advance(11)
        outcomes = await shown(rig, *(show(one, status="void") for one in (good, locked)))
        assert [type(outcome) for outcome in outcomes] == [Applied, Unknown]

    run(story())


def test_a_lost_standing_is_looked_up_in_its_row() -> None:
    async def story() -> None:
        rig = crm_rig()
        change = show(won(rig), status="paid")
        rig.fault("drop_after_commit", method="PATCH")
        (outcome,) = await shown(rig, change)
        assert isinstance(outcome, Unknown)
        doubt = Doubt(
            key=change.key,
            key13=change.key[:13],
            entity=change.entity,
            action=change.action,
            target=change.target,
            bodies=(),
            witness={},
            customers=(),
            first_sent_at=START,
        )
        (sight,) = await rig.connector.find_by_key([doubt])
        assert isinstance(sight.target, Standing)
        assert sight.target.status == "paid"
        assert not sight.target_gone

    run(story())


def test_nothing_but_standings_is_written_to_the_crm() -> None:
    async def story() -> None:
        rig = crm_rig()
        change = replace(show(won(rig), status="paid"), entity=Entity.DEAL)
        (made,) = await rig.connector.prepare([change])
        assert isinstance(made, Refused)
        unknown = show(won(rig), status="paid")
        (wire,) = rig.connector.pack(
            [item for item in await rig.connector.prepare([unknown]) if isinstance(item, Prepared)]
        )
        body = wire.body.replace(b'"status"', b'"colour"')
        (outcome,) = await rig.connector.send(replace(wire, body=body))
        assert isinstance(outcome, Rejected)

    run(story())


# --- the book -------------------------------------------------------------------------------------


def test_an_invoice_is_read_through_its_life() -> None:
    async def story() -> None:
        rig = book_rig()
        customer = rig.customer()
        lines = [{"item": "CONS", "quantity": 1, "unit_price": Decimal("1000.00")}]
        made = rig.act("create_invoice", customer=customer.id, lines=lines, terms="N14")
        place = ExternalRef("books", "document", f"invoice:{made['id']}")

        async def now() -> Document:
            record = await rig.one(place)
            assert isinstance(record, Document)
            return record

        booked = await now()
        assert booked.totals is not None
        assert (booked.number, booked.totals.gross, booked.totals.open) == (
            "10001",
            Decimal("1250.00"),
            Decimal("1250.00"),
        )
        assert booked.due_date == date(2026, 12, 9)
        payment = rig.act("pay", invoice=made["id"], amount="250.00")
        assert (await now()).paid == Decimal("250.00")
        note = rig.act("credit", invoice=made["id"], amount="200.00")
        credited = await now()
        assert credited.totals is not None
        assert (credited.credited, credited.totals.open) == (Decimal("250.00"), Decimal("750.00"))
        note_ref = ExternalRef("books", "document", f"invoice:{note['id']}")
        credit_note = await rig.one(note_ref)
        assert isinstance(credit_note, Document)
        assert credit_note.kind is DocumentKind.CREDIT_NOTE
        assert credit_note.credits == (place,)
        assert credit_note.totals is not None
        assert credit_note.totals.gross == Decimal("-250.00")
        (balance,) = records(await rig.read(Selection(entity=Entity.BALANCE)))
        assert isinstance(balance, Balance)
        assert (balance.customer, balance.open) == (customer, Decimal("750.00"))
        rig.act("return_payment", payment=payment["id"])
        returned = await now()
        assert returned.totals is not None
        assert returned.totals.open == Decimal("1000.00")
        payments = records(await rig.read(Selection(entity=Entity.PAYMENT)))
        assert all(isinstance(one, Payment) and one.document == place for one in payments)
        assert sum(one.amount for one in payments) == 0
        rig.act("void", invoice=made["id"])
        assert (await now()).voided
        assert not records(await rig.read(Selection(entity=Entity.BALANCE)))

    run(story())


def test_vat_is_rounded_once_per_rate_half_away_from_zero() -> None:
    async def story() -> None:
        rig = book_rig()
        lines = [
            {"text": "a", "quantity": 1, "unit_price": "0.50", "rate": "0.25"},
            {"text": "b", "quantity": 1, "unit_price": "0.52", "rate": "0.25"},
            {"text": "c", "quantity": 3, "unit_price": "0.335", "discount": "0.5", "rate": "0.12"},
        ]
        made = rig.act("create_invoice", customer=rig.customer().id, lines=lines)
        (row,) = [row for row in rig.live() if row["id"] == made["id"]]
        # 1.02 × 0.25 = 0.255 → 0.26 (0.125 → 0.13 twice would be 0.26 too; 0.50 × 12 % = 0.06)
        assert [line["net"] for line in row["lines"]] == [
            Decimal("0.50"),
            Decimal("0.52"),
            Decimal("0.50"),
        ]
        assert (row["net"], row["tax"]) == (Decimal("1.52"), Decimal("0.32"))

    run(story())


@pytest.mark.parametrize("keeps_id", [False, True])
def test_changes_come_from_every_collection_and_only_since(keeps_id: bool) -> None:
    async def story() -> None:
        rig = book_rig(Variant(keeps_id=keeps_id, search_lag_s=45))
        customer = rig.customer().id
        lines = [{"item": "CONS", "quantity": 1, "unit_price": "10.00"}]
        rig.act("create_invoice", customer=customer, lines=lines, booked=False)
        rig.act("create_invoice", customer=customer, lines=lines)
        rig.clock.advance(60)
        first = await rig.read(DOCUMENTS)
        assert len(records(first)) == 2
        rig.clock.advance(600)
        draft = next(row["id"] for row in rig.live() if row["status"] == "draft")
        rig.act("book", draft=draft)
        (moved,) = records(await rig.read(DOCUMENTS, cursor_of(first)))
        assert moved.booked
        assert bool(moved.came_from) is not keeps_id

    run(story())


@pytest.mark.parametrize("tombstones", [False, True])
def test_a_deleted_draft_is_in_the_feed_only_with_tombstones(tombstones: bool) -> None:
    async def story() -> None:
        rig = book_rig(Variant(tombstones=tombstones))
        customer = rig.customer().id
        lines = [{"item": "CONS", "quantity": 1, "unit_price": "10.00"}]
        ids = [
            rig.act("create_invoice", customer=customer, lines=lines, booked=False)["id"]
            for _ in range(2)
        ]
        cursor = cursor_of(await rig.read(DOCUMENTS))
        rig.act("delete_draft", draft=ids[0])
        rig.act("book", draft=ids[1])
        gone = [entry for page in await rig.read(DOCUMENTS, cursor) for entry in page.gone]
        # What was booked was not deleted, and the feed does not say so.
        expected = [ExternalRef("books", "document", f"draft:{ids[0]}")] if tombstones else []
        assert [entry.ref for entry in gone] == expected
        keys = {key async for part in rig.connector.keys(Entity.DOCUMENT) for key, _ in part}
        assert len(keys) == 1

    run(story())


def test_codes_are_one_whole_list() -> None:
    async def story() -> None:
        rig = book_rig()
        (page,) = await rig.read(Selection(entity=Entity.CODE))
        assert page.whole
        terms = {code.code: code.facts["days"] for code in page.records if code.kind == "terms"}  # type: ignore[union-attr]
        assert terms == {"N10": 10, "N14": 14, "N30": 30, "N60": 60}
        (only,) = await rig.read(Selection(entity=Entity.CODE, kinds=frozenset({"currency"})))
        assert not only.whole
        assert {code.code for code in only.records if isinstance(code, Code)} == {"SEK", "EUR"}

    run(story())


def test_a_read_is_repeated_and_then_gives_up() -> None:
    async def story() -> None:
        rig = book_rig()
        rig.fault("drop_before", method="GET", times=2)
        assert (await rig.connector.company()).id == "books-1"
        rig.fault("garbage", method="GET", times=None)
        with pytest.raises(TransientError):
            await rig.connector.company()

    run(story())


def test_the_state_file_brings_everything_back(tmp_path: Any) -> None:
    async def story() -> None:
        now = [START]

        def open_book() -> PlainBook:
            return PlainBook(
                variant=Variant(guard="a", tombstones=True),
                clock=SandboxClock(lambda: now[0], start=START),
                state_file=tmp_path / "book",
            )

        first = open_book()
        customer = first.act("create_customer", {"name": "Kund AB"})["id"]
        lines = [{"item": "CONS", "quantity": 1, "unit_price": Decimal("10.00")}]
        for _ in range(2):
            first.act("create_invoice", {"customer": customer, "lines": lines, "booked": False})
        first.act("delete_draft", {"draft": "d1"})
        before = first.state()
        first.close()
        second = open_book()
        assert second.state() == before
        second.act("book", {"draft": "d2"})
        assert second.counts()["documents"] == 1
        second.close()

    run(story())


def test_equal_starts_give_equal_data() -> None:
    def seeded() -> Any:
        crm = PlainCrm(clock=SandboxClock(lambda: START), seed=3, size=7)
        return crm.state()

    assert seeded() == seeded()
    assert len(seeded()["tables"]["deals"]) == 7
