"""What Visma's reads do beyond the port's promises: status, money, signs, codes, calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contract.connector_contract import (
    CUSTOMERS,
    DOCUMENTS,
    create,
    doubt,
    look,
    new_customer,
    new_document,
    pages,
    prepared,
    records,
    run,
    sent,
)
from support.visma_rig import VismaRig
from tieout.core.change import Action, Applied, FateKind, Unknown
from tieout.core.errors import ConfigurationError, ConnectionBrokenError, TransientError
from tieout.core.model import (
    Balance,
    Code,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Item,
)
from tieout.core.tax import Treatment
from tieout.ports import Selection


@pytest.fixture
def rig() -> VismaRig:
    return VismaRig()


async def booked(rig: VismaRig, source: str = "006A") -> tuple[ExternalRef, Document]:
    """A booked invoice of 14,701.00."""
    ref = await new_customer(rig, f"001{source}")
    _, _, outcome = await new_document(rig, ref, source)
    rig.book(outcome.ref)
    (fate,) = await rig.connector.trace([outcome.ref])
    assert isinstance(fate.record, Document)
    assert fate.into is not None
    return fate.into, fate.record


async def now(rig: VismaRig, ref: ExternalRef) -> Document:
    (record,) = await rig.connector.get([ref], DOCUMENTS)
    assert isinstance(record, Document)
    return record


def test_an_invoice_shows_its_chain_and_figures(rig: VismaRig) -> None:
    async def story() -> None:
        _, record = await booked(rig)
        assert record.kind is DocumentKind.INVOICE
        assert record.booked
        assert record.number == "1001"
        assert record.raw_status == "unpaid"
        assert record.came_from[0].id.startswith("draft:")
        assert record.issue_date == date(2026, 11, 24)
        assert record.due_date == date(2026, 12, 24)
        assert record.totals is not None
        assert record.totals.net == Decimal("11761.14")
        assert record.totals.tax == Decimal("2940.29")
        assert record.totals.rounding == Decimal("-0.43")
        assert record.totals.gross == record.totals.open == Decimal("14701.00")
        assert [line.stated_net for line in record.lines[:3]] == [
            Decimal("3373.65"),
            Decimal("8212.50"),
            Decimal("174.99"),
        ]
        assert record.lines[0].dimensions == {"project": "104", "cost_center": "100"}
        assert (record.credited, record.paid) == (0, 0)

    run(story())


def test_payments_and_credits_are_told_apart(rig: VismaRig) -> None:
    async def story() -> None:
        ref, _ = await booked(rig)
        number = (await now(rig, ref)).number
        rig.act("pay", invoice=number, amount="5000.00", date="2026-11-24")
        part = await now(rig, ref)
        assert (part.paid, part.credited) == (Decimal("5000.00"), 0)
        assert part.last_payment_on == date(2026, 11, 24)
        rig.act("credit", invoice=number, amount="1250.00")
        both = await now(rig, ref)
        assert (both.paid, both.credited) == (Decimal("5000.00"), Decimal("1250.00"))
        assert both.totals is not None
        assert both.totals.open == Decimal("8451.00")
        assert len(both.credited_by) == 1
        note = await now(rig, both.credited_by[0])
        assert note.kind is DocumentKind.CREDIT_NOTE
        assert note.credits == (ref,)
        assert note.totals is not None
        assert note.totals.gross == Decimal("-1250.00")
        assert note.paid == Decimal("0.00")
        rig.act("pay", invoice=number, amount="8451.00")
        paid = await now(rig, ref)
        assert paid.raw_status == "paid"
        assert paid.paid == Decimal("13451.00")

    run(story())


@pytest.mark.parametrize("positive", [False, True])
def test_a_credit_note_is_negative_whatever_signs_the_vendor_shows(
    rig: VismaRig, positive: bool
) -> None:
    async def story() -> None:
        rig.assume("credit_totals_in_invoice_currency_positive", positive)
        _, invoice = await booked(rig)
        rig.act("credit", invoice=invoice.number, matched=False)
        found = records(await pages(rig, DOCUMENTS))
        (note,) = [
            r
            for r in found.values()
            if isinstance(r, Document) and r.kind is DocumentKind.CREDIT_NOTE
        ]
        assert note.totals is not None
        assert invoice.totals is not None
        assert note.totals.gross == -invoice.totals.gross
        assert note.totals.tax == -invoice.totals.tax
        assert note.totals.net == -invoice.totals.net
        assert note.totals.rounding == Decimal("0.43")
        assert note.totals.open == -invoice.totals.gross
        assert note.base_totals is not None
        assert note.base_totals.gross == -invoice.totals.gross
        assert note.base_totals.rounding == Decimal("0.43")
        assert all(line.stated_net < 0 for line in note.lines if line.stated_net is not None)

    run(story())


def test_a_void_is_a_credit_and_no_money(rig: VismaRig) -> None:
    async def story() -> None:
        ref, invoice = await booked(rig)
        rig.act("void", invoice=invoice.number)
        after = await now(rig, ref)
        assert invoice.totals is not None
        assert after.totals is not None
        assert after.totals.open == 0
        assert after.paid == 0
        assert after.credited == invoice.totals.gross
        assert len(after.credited_by) == 1

    run(story())


def test_a_write_off_is_no_payment(rig: VismaRig) -> None:
    async def story() -> None:
        ref, invoice = await booked(rig)
        rig.act("write_off", invoice=invoice.number)
        after = await now(rig, ref)
        assert after.totals is not None
        assert after.totals.open == 0
        assert after.paid == 0
        assert after.written_off == invoice.totals.gross
        assert after.credited == 0

    run(story())


@pytest.mark.parametrize("moves", [True, False])
def test_a_payment_is_seen_whether_it_moves_the_stamp_or_not(rig: VismaRig, moves: bool) -> None:
    async def story() -> None:
        rig.assume("payment_moves_modified", moves)
        ref, invoice = await booked(rig)
        first = await pages(rig, DOCUMENTS)
        assert ref in records(first)
        rig.clock.advance(600)
        rig.act("pay", invoice=invoice.number, amount="5000.00")
        second = await pages(rig, DOCUMENTS, first[-1].cursor)
        seen = records(second)[ref]
        assert isinstance(seen, Document)
        assert seen.paid == Decimal("5000.00")
        rig.clock.advance(600)
        rig.act("pay", invoice=invoice.number)
        third = await pages(rig, DOCUMENTS, second[-1].cursor)
        seen = records(third)[ref]
        assert isinstance(seen, Document)
        assert seen.raw_status == "paid", "one that left the open list is read once more"
        for _ in range(2):  # once more within the overlap, then no more
            rig.clock.advance(600)
            third = await pages(rig, DOCUMENTS, third[-1].cursor)
        assert ref not in records(third)

    run(story())


def test_open_invoices_have_a_timetable_of_their_own(rig: VismaRig) -> None:
    async def story() -> None:
        await booked(rig)
        first = await pages(rig, DOCUMENTS)
        rig.clock.advance(400)
        second = await pages(rig, DOCUMENTS, first[-1].cursor)
        mark = len(rig.transport.requests)
        rig.clock.advance(10)
        await pages(rig, DOCUMENTS, second[-1].cursor)
        asked = [request.url for request in rig.transport.requests[mark:]]
        assert len(asked) == 2, "drafts and changed invoices; nothing else in a quiet run"

    run(story())


def test_drafts_are_a_complete_list_each_time(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        refs = [(await new_document(rig, customer, f"006{n}"))[2].ref for n in range(7)]
        first = await pages(rig, DOCUMENTS)
        whole = [page for page in first if page.whole]
        assert {page.scope for page in whole} == {"draft:"}
        assert {r.ref for page in whole for r in page.records} == set(refs)
        rig.delete(refs[0])
        rig.book(refs[1])
        later = await pages(rig, DOCUMENTS, first[-1].cursor)
        there = {r.ref for page in later if page.whole for r in page.records}
        assert there == set(refs[2:])
        came_from = {
            origin
            for record in records(later).values()
            if isinstance(record, Document)
            for origin in record.came_from
        }
        assert refs[1] in came_from

    run(story())


@pytest.mark.parametrize("shown", ["company", "stored"])
def test_a_draft_does_not_change_at_midnight(rig: VismaRig, shown: str) -> None:
    async def story() -> None:
        rig.assume("draft_date_shown", shown)
        customer = await new_customer(rig)
        _, _, outcome = await new_document(rig, customer, issue_date=date(2026, 11, 24))
        rig.clock.advance(86_400)
        assert await now(rig, outcome.ref) == outcome.shows
        rig.act("edit_draft", draft=outcome.ref.id[6:], line=1, quantity="4")
        assert (await now(rig, outcome.ref)).version != outcome.version

    run(story())


def test_a_sweep_of_documents_can_be_resumed(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        for n in range(12):
            _, _, outcome = await new_document(rig, customer, f"006{n}")
            rig.book(outcome.ref)
            rig.clock.advance(2)
        seen: set[ExternalRef] = set()
        resume = None
        async for page in rig.connector.changes_since(DOCUMENTS, None):
            seen |= set(records([page]))
            resume = page.resume
            if resume:
                break
        assert 0 < len(seen) < 12
        rest = await pages(rig, DOCUMENTS, None, resume)
        assert len(seen | set(records(rest))) == 12
        assert rest[-1].cursor is not None

    run(story())


def test_only_the_wanted_kinds_are_read(rig: VismaRig) -> None:
    async def story() -> None:
        await booked(rig)
        customer = await new_customer(rig, "001B")
        await new_document(rig, customer, "006B")
        for kind, prefix in (("draft", "draft:"), ("invoice", "invoice:")):
            want = Selection(entity=Entity.DOCUMENT, kinds=frozenset({kind}))
            found = records(await pages(rig, want))
            assert len(found) == 1
            assert all(ref.id.startswith(prefix) for ref in found)

    run(story())


def test_extra_paths_come_with_the_record_and_its_lines(rig: VismaRig) -> None:
    async def story() -> None:
        want = Selection(
            entity=Entity.DOCUMENT,
            extra=("EuThirdParty", "line.UnitName", "Nothing.There"),
            shape="s1",
        )
        customer = await new_customer(rig)
        _, _, outcome = await new_document(rig, customer)
        (record,) = await rig.connector.get([outcome.ref], want)
        assert isinstance(record, Document)
        assert record.extra == {"EuThirdParty": False, "Nothing.There": None}
        assert record.lines[0].extra == {"line.UnitName": "Styck"}
        assert record.shape == "s1"

    run(story())


def test_items_say_in_which_situation_they_can_be_sold(rig: VismaRig) -> None:
    async def story() -> None:
        want = Selection(entity=Entity.ITEM)
        items = {
            r.number: r for r in records(await pages(rig, want)).values() if isinstance(r, Item)
        }
        assert len(items) == 12
        goods = {tax.treatment: tax.rate for tax in items["KAFFE-K3"].tax}
        assert goods == {
            Treatment.DOMESTIC_RATE: Decimal("0.25"),
            Treatment.EXEMPT: 0,
            Treatment.EU_GOODS_EXEMPT: 0,
            Treatment.EXPORT_GOODS: 0,
        }
        service = {tax.treatment for tax in items["KONS-1"].tax}
        assert Treatment.EU_SERVICE_REVERSE_CHARGE in service
        assert Treatment.SERVICE_OUTSIDE_EU in service
        only = {tax.treatment for tax in items["SKÅP-SE"].tax}
        assert only == {Treatment.DOMESTIC_RATE}, "no account, no treatment"
        assert Treatment.DOMESTIC_REVERSE_CHARGE in {t.treatment for t in items["MONT-1"].tax}
        assert items["BÖNOR-1"].tax[0].rate == Decimal("0.12")
        assert items["KONS-1"].service
        assert items["KONS-1"].unit == "tim"
        assert items["KAFFE-K3"].tax_class == "Varor 25 %"

    run(story())


@pytest.mark.parametrize("scale", ["fraction", "percent"])
def test_codes_of_every_kind_with_what_they_mean(rig: VismaRig, scale: str) -> None:
    async def story() -> None:
        rig.assume("vat_percent_scale", scale)
        found = await pages(rig, Selection(entity=Entity.CODE))
        codes = [r for r in records(found).values() if isinstance(r, Code)]
        by = {(code.kind, code.code): code for code in codes}
        assert by["terms", "10"].facts["days"] == 10
        assert by["terms", "Löpande månad + 30"].facts["days"] == 30
        assert ("terms", "Endast inköp 14") not in by
        assert by["tax", "SE25"].facts["rate"] == Decimal("0.25")
        assert by["coding", "Varor 12 %"].facts["rate"] == Decimal("0.12")
        assert by["currency", "EUR"].facts["rate"] == Decimal("11.0432")
        assert by["cost_center", "100"].name == "Stockholm"
        assert not by["cost_center", "900"].active
        assert by["cost_center_2", "SE"].name == "Sara Ek"
        assert not by["project", "090"].active
        assert ("unit", "tim") in by
        assert {page.scope for page in found if page.whole} >= {"terms:", "tax:", "project:"}
        want = Selection(entity=Entity.CODE, kinds=frozenset({"dimension"}))
        kinds = {r.kind for r in records(await pages(rig, want)).values() if isinstance(r, Code)}
        assert kinds == {"cost_center", "cost_center_2", "project"}

    run(story())


def test_balances_are_the_books_own_word(rig: VismaRig) -> None:
    async def story() -> None:
        _, record = await booked(rig)
        want = Selection(entity=Entity.BALANCE)
        (found,) = records(await pages(rig, want)).values()
        assert isinstance(found, Balance)
        assert (found.customer, found.open, found.currency) == (
            record.customer,
            Decimal("14701.00"),
            "SEK",
        )
        assert found.ref is not None
        assert await rig.connector.get([found.ref], want) == [found]

    run(story())


def test_what_is_not_understood_is_told_and_the_rest_read(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        good = (await new_document(rig, customer, "006A"))[2].ref
        bad = (await new_document(rig, customer, "006B"))[2].ref
        rig.sim.books.drafts.records[bad.id[6:]]["DeliveryDate"] = "soon"
        found = await pages(rig, DOCUMENTS)
        assert set(records(found)) == {good}
        ((ref, finding),) = [pair for page in found for pair in page.unread]
        assert ref == bad
        assert finding.code == "record_unreadable"

    run(story())


def test_a_draft_that_a_person_booked_while_we_looked_is_one_document(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        change, made, outcome = await new_document(rig, customer)
        lists = 0

        def between(request: Any) -> None:
            nonlocal lists
            if "customerinvoices?" in request.url and "contains" in request.url:
                lists += 1
                if lists == 2:  # the first one was the probe
                    rig.book(outcome.ref)

        rig.transport.before = between
        sight = await look(rig, doubt(rig, change, made, customer))
        assert len(sight.hits) == 1
        assert sight.hits[0].record.booked  # type: ignore[union-attr]

    run(story())


def test_a_request_that_is_carried_out_while_we_look_is_found(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        change = create(rig, "006A", rig.document(customer))
        made = await prepared(rig, change)
        asked = doubt(rig, change, made, customer)
        rig.fault("commit_late", Entity.DOCUMENT, Action.CREATE, seconds=30)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Unknown)
        assert (await look(rig, asked)).hits == ()

        def between(request: Any) -> None:
            if "customerinvoices?" in request.url and "contains" in request.url:
                rig.clock.advance(31)

        rig.transport.before = between
        assert len((await look(rig, asked)).hits) == 1

    run(story())


def test_a_row_that_leaves_between_two_pages_hides_no_other(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        refs = [(await new_document(rig, customer, f"006{n}"))[2].ref for n in range(12)]

        def between(request: Any) -> None:
            if "customerinvoicedrafts?" in request.url and "$page=2&" in request.url:
                rig.transport.before = None
                rig.delete(refs[0])

        rig.transport.before = between
        found = await pages(rig, DOCUMENTS)
        assert {r.ref for page in found if page.whole for r in page.records} >= set(refs[1:])
        listed = {ref async for part in rig.connector.keys(Entity.DOCUMENT) for ref, _ in part}
        assert listed == set(refs[1:])

    run(story())


def test_a_list_that_never_rests_is_an_error_and_not_a_part(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        refs = [(await new_document(rig, customer, f"006{n}"))[2].ref for n in range(12)]

        def between(request: Any) -> None:
            if "customerinvoicedrafts?" in request.url and "$page=2&" in request.url:
                rig.delete(refs.pop())

        rig.transport.before = between
        with pytest.raises(TransientError):
            async for _ in rig.connector.keys(Entity.DOCUMENT):
                pass

    run(story())


def test_an_ignored_filter_is_noticed_and_finds_nobody_elses_customer(rig: VismaRig) -> None:
    async def story() -> None:
        rig.assume("filterable.customers", ["ChangedUtc"])
        rig.assume("filterable.customerinvoicedrafts", [])
        rig.assume("unsupported_filter", "ignored")
        # Asked while the list is empty, an ignored filter looks like one that works.
        change = create(rig, "001A", rig.customer())
        made = await prepared(rig, change)
        assert (await look(rig, doubt(rig, change, made, None))).hits == ()
        twin = await new_customer(rig, "001TWIN")
        assert (await look(rig, doubt(rig, change, made, None))).hits == ()
        await new_document(rig, twin)
        found = await rig.connector.check()
        assert "filter_not_supported" in [finding.code for finding in found]

    run(story())


def test_a_filter_that_works_no_more_is_done_without(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        change, made, outcome = await new_document(rig, customer)
        rig.book(outcome.ref)
        first = await pages(rig, DOCUMENTS)
        assert (await look(rig, doubt(rig, change, made, customer))).hits
        await rig.connector.get([customer] * 3, CUSTOMERS)
        for name in ("customerinvoicedrafts", "customerinvoices", "customers", "articles"):
            rig.assume(f"filterable.{name}", ["ChangedUtc", "ModifiedUtc"])
        rig.clock.advance(600)
        (invoice,) = rig.live("customerinvoices")
        rig.act("pay", invoice=invoice["InvoiceNumber"], amount="1")
        found = records(await pages(rig, DOCUMENTS, first[-1].cursor))
        assert len(found) == 1
        assert len((await look(rig, doubt(rig, change, made, customer))).hits) == 1
        (fate,) = await rig.connector.trace([outcome.ref])
        assert fate.kind is FateKind.BECAME
        await prepared(rig, create(rig, "006B", rig.document(customer)))

    run(story())


def test_key_lost_at_booking_leaves_a_near_document(rig: VismaRig) -> None:
    async def story() -> None:
        rig.assume("header_copied_to_invoice", False)
        customer = await new_customer(rig)
        change = create(rig, "006A", rig.document(customer))
        made = await prepared(rig, change)
        asked = doubt(rig, change, made, customer)
        _, outcome = await sent(rig, made)
        assert isinstance(outcome, Applied)
        rig.book(outcome.ref)
        sight = await look(rig, asked)
        assert sight.hits == ()
        assert len(sight.near) == 1

    run(story())


def test_other_customers_and_older_documents_are_not_near(rig: VismaRig) -> None:
    async def story() -> None:
        customer, other = await new_customer(rig, "001A"), await new_customer(rig, "001B")
        rig.act("create_invoice", customer=customer.id, amount="100")
        _, _, older = await new_document(rig, customer, "006OLD")
        rig.act("edit_draft", draft=older.ref.id[6:], reference="Sara Ek")
        rig.clock.advance(3600)
        change = create(rig, "006A", rig.document(customer))
        made = await prepared(rig, change)
        asked = doubt(rig, change, made, customer)
        rig.act("create_invoice", customer=other.id, amount="100")
        assert (await look(rig, asked)).near == ()
        rig.act("create_invoice", customer=customer.id, amount="100")
        assert len((await look(rig, asked)).near) == 1

    run(story())


def test_a_vanished_customer_is_deleted_and_an_invoice_present(rig: VismaRig) -> None:
    async def story() -> None:
        ref, _ = await booked(rig)
        nobody = replace(ref, entity="customer", id="00000000-0000-4000-8000-00000000dead")
        fates = await rig.connector.trace([ref, nobody])
        assert [fate.kind for fate in fates] == [FateKind.PRESENT, FateKind.DELETED]

    run(story())


# --- company and check ---------------------------------------------------------------------------


def test_the_company_knows_its_zone_lock_and_years(rig: VismaRig) -> None:
    async def story() -> None:
        rig.act("lock_period", to="2026-09-30")
        company = await rig.connector.company()
        assert company.time_zone == "Europe/Stockholm"
        assert company.locked_to == date(2026, 9, 30)
        assert company.first_open_day == date(2026, 10, 1)
        assert company.last_open_day == date(2027, 12, 31)
        assert company.facts["domestic_currency_rounding"] is True
        assert company.facts["variant"] == "Pro"
        rig.act("lock_period", to="2026-10-31")
        assert (await rig.connector.company()).first_open_day == date(2026, 11, 1)

    run(story())


def test_another_company_behind_the_sign_in_stops_everything() -> None:
    rig = VismaRig(company_id="another")
    with pytest.raises(ConnectionBrokenError) as caught:
        run(rig.connector.company())  # type: ignore[arg-type]
    assert caught.value.code == "company_changed"
    found = run(rig.connector.check())  # type: ignore[arg-type]
    assert "company_changed" in [finding.code for finding in found]


def test_check_is_quiet_about_a_good_company_and_tells_each_lack(rig: VismaRig) -> None:
    async def story() -> None:
        assert list(await rig.connector.check()) == []
        rig.act("set_company_setting", name="UsesCostCenter", value=False)
        rig.act("set_company_setting", name="NextCustomerNumber", value=199_990)
        rig.act("lock_period", to="2026-11-30")
        rig.assume("filterable.customerinvoicedrafts", ["CustomerId"])
        found = await rig.connector.check()
        assert sorted(finding.code for finding in found) == [
            "dimension_off",
            "filter_not_supported",
            "number_range_near",
            "period_closed",
        ]
        writes = [r for r in rig.transport.requests if r.method != "GET"]
        assert all("/connect/token" in r.url for r in writes)

    run(story())


def test_a_clock_that_is_wrong_is_told(rig: VismaRig) -> None:
    async def story() -> None:
        assert list(await rig.connector.check()) == []
        rig.sim.clock.advance_s(-1200)
        (finding,) = await rig.connector.check()
        assert finding.code == "clock_wrong"
        assert "20 minutes ahead of" in finding.message

    run(story())


def test_a_sign_in_without_accounting_still_reads_the_rest(rig: VismaRig) -> None:
    async def story() -> None:
        rig.sim.faults.add(
            {
                "kind": "status",
                "method": "GET",
                "path": "/v2/vatcodes",
                "status": 403,
                "body": {"ErrorCode": 4006, "DeveloperErrorMessage": "NoAccessToScopes"},
                "times": None,
            }
        )
        found = await rig.connector.check()
        assert [finding.code for finding in found] == ["scope_missing_partly"]
        codes = await pages(rig, Selection(entity=Entity.CODE))
        scopes = {page.scope for page in codes if page.whole}
        assert "tax:" not in scopes, "a list that cannot be read is not an empty one"
        assert "terms:" in scopes

    run(story())


def test_settings_tell_all_that_is_wrong_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        VismaRig(carrier="note", page_size=0, number_width=99, budget_share="all")
    for word in ("carrier", "page_size", "number_width", "budget_share"):
        assert word in caught.value.message


# --- size and calls ------------------------------------------------------------------------------


def test_many_records_take_few_calls() -> None:
    rig = VismaRig(size=60, page_size=1000)

    async def story() -> None:
        count = len(rig.live("customers"))
        assert count >= 40
        found = records(await pages(rig, CUSTOMERS))
        assert len(found) == count
        await pages(rig, DOCUMENTS)
        mark = len(rig.transport.requests)
        refs = sorted(found)[:40]
        got = await rig.connector.get(refs, CUSTOMERS)
        assert [record.ref for record in got if record] == refs
        assert len(rig.transport.requests) - mark <= 3, "a probe and two lists of twenty"

    run(story())


def test_a_burst_of_reads_never_meets_the_vendors_limit() -> None:
    rig = VismaRig()

    async def story() -> None:
        ref = await new_customer(rig)
        for _ in range(700):
            await rig.connector.get([ref], CUSTOMERS)
        calls = rig.sim.calls["GET /v2/customers/{id}"]
        assert set(calls) == {"200"}
        assert rig.clock.now() - timedelta(seconds=60) > rig.sim.clock.origin

    run(story())
