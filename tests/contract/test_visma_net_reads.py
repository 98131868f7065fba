"""Reading from Visma.net: stamps without a zone, what met an invoice, the ledger's own figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from contract.connector_contract import (
    CUSTOMERS,
    DOCUMENTS,
    new_customer,
    new_document,
    pages,
    records,
    run,
)
from contract.test_visma_net_writes import lines, read, released
from support.inprocess import InProcessTransport
from support.visma_net_rig import VismaNetRig, number_of
from tieout.core.errors import UnreadableError
from tieout.core.model import (
    Balance,
    Code,
    Customer,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Item,
    Paid,
)
from tieout.core.status import Status
from tieout.core.tax import Treatment
from tieout.engine.facts import standing_of
from tieout.ports import HttpRequest, HttpResponse, Selection

NET = Decimal("12165.20")


# --- what changed --------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["utc", "local"])
@pytest.mark.parametrize("form", ["bare", "z", "offset"])
def test_no_change_is_lost_or_given_twice_whatever_zone_a_stamp_has(zone: str, form: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.assume("stamp_zone", zone)
        rig.assume("stamp_form", form)
        refs = [await new_customer(rig, f"00{n}") for n in range(3)]
        found = await pages(rig, CUSTOMERS)
        assert set(records(found)) == set(refs)
        for minutes in (1, 30, 61, 119, 600):
            rig.clock.advance(minutes * 60)
            quiet = await pages(rig, CUSTOMERS, found[-1].cursor)
            assert records(quiet) == {}, minutes
            rig.touch(refs[1])
            rig.clock.advance(1)
            found = await pages(rig, CUSTOMERS, quiet[-1].cursor)
            assert set(records(found)) == {refs[1]}, minutes

    run(story())


def test_the_night_when_summer_time_ends_loses_nothing() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.assume("stamp_zone", "local")
        customer = await new_customer(rig)
        # From 24 November to half past two in the morning of 31 October 2027, still summer time.
        rig.clock.advance((341 * 24 - 8) * 3600 - 15 * 60 - 47 - 30 * 60)
        found = await pages(rig, CUSTOMERS)
        for _ in range(8):
            rig.clock.advance(20 * 60)
            rig.touch(customer)
            rig.clock.advance(5)
            found = await pages(rig, CUSTOMERS, found[-1].cursor)
            assert set(records(found)) == {customer}

    run(story())


def test_a_row_that_falls_between_two_pages_is_read_in_another_walk() -> None:
    """The vendor promises no order: here what changes goes to the end of the list."""

    async def story() -> None:
        rig = VismaNetRig()
        refs = [await new_customer(rig, f"00{n}") for n in range(7)]
        table = rig.sim.company.customers
        moved: list[str] = []

        def move(request: HttpRequest) -> None:
            if "pageNumber=2" in request.url and not moved:
                first = next(iter(table))
                moved.append(first["_key"])
                table.remove(first["_key"])
                table.save({**first, "_version": rig.sim.company.new_version()})

        rig.transport.before = move
        found = await pages(rig, CUSTOMERS)
        assert moved
        assert set(records(found)) == set(refs)

    run(story())


def test_a_time_is_never_asked_without_its_condition() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        await new_customer(rig)
        for entity in (Entity.CUSTOMER, Entity.DOCUMENT, Entity.ITEM):
            found = await pages(rig, Selection(entity=entity))
            await pages(rig, Selection(entity=entity), found[-1].cursor)
        asked = [r.url for r in rig.transport.requests if "lastModifiedDateTime=" in r.url]
        assert asked
        assert all("lastModifiedDateTimeCondition=%3E%3D" in url for url in asked)
        assert not any("Z&" in url for url in asked)

    run(story())


def test_a_quiet_read_of_documents_gives_nothing() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        await new_document(rig, customer)
        found = await pages(rig, DOCUMENTS)
        rig.clock.advance(61)
        later = await pages(rig, DOCUMENTS, found[-1].cursor)
        assert records(later) == {}

    run(story())


@pytest.mark.parametrize("moves", [True, False])
def test_a_payment_is_seen_whether_or_not_it_moves_the_stamp(moves: bool) -> None:
    async def story() -> None:
        rig = VismaNetRig(open_invoices_every_s=300)
        rig.assume("payment_moves_invoice", moves)
        invoice = await released(rig)
        found = await pages(rig, DOCUMENTS)
        rig.clock.advance(3600)
        rig.act("pay", document=number_of(invoice), amount="1000.00")
        found = await pages(rig, DOCUMENTS, found[-1].cursor)
        part = records(found)[invoice]
        assert isinstance(part, Document)
        assert part.paid == 1000
        rig.clock.advance(3600)
        rig.act("pay", document=number_of(invoice))
        found = await pages(rig, DOCUMENTS, found[-1].cursor)
        whole = records(found)[invoice]
        assert isinstance(whole, Document)
        assert standing_of(whole).status == Status.PAID

    run(story())


def test_a_deleted_draft_is_missing_from_the_whole_list() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        _, _, kept = await new_document(rig, customer, "006A")
        _, _, gone = await new_document(rig, customer, "006B")
        rig.delete(gone.ref)
        found = await pages(rig, DOCUMENTS)
        whole = [page for page in found if page.whole]
        assert {r.ref for page in whole for r in page.records} == {kept.ref}
        assert {page.scope for page in whole} == {"draft:"}

    run(story())


def test_a_template_of_recurring_invoices_is_none() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        _, _, kept = await new_document(rig, customer, "006A")
        _, _, other = await new_document(rig, customer, "006B")
        table = rig.sim.company.documents
        row = table.get(f"Invoice/{number_of(other.ref)}")
        assert row is not None
        table.save({**row, "status": "Scheduled"})
        assert set(records(await pages(rig, DOCUMENTS))) == {kept.ref}
        keys = {ref async for part in rig.connector.keys(Entity.DOCUMENT) for ref, _ in part}
        assert keys == {kept.ref}

    run(story())


@pytest.mark.parametrize(("kind", "read_as"), [("CashSale", "cash"), ("SmallCreditWo", "")])
def test_what_else_stands_in_the_list_of_invoices(kind: str, read_as: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        invoice = await released(rig)

        def other(body: bytes) -> bytes:
            return body.replace(b'"documentType":"Invoice"', f'"documentType":"{kind}"'.encode())

        rig.transport = AlteredReads(rig.sim, rig.sim.clock.now, other)
        rig.connector = rig.connect()
        found = await pages(rig, DOCUMENTS)
        wanted = {f"{read_as}:{number_of(invoice)}"} if read_as else set()
        assert {ref.id for ref in records(found)} == wanted
        keys = {ref async for part in rig.connector.keys(Entity.DOCUMENT) for ref, _ in part}
        assert {ref.id for ref in keys} == wanted
        assert len(await rig.connector.get(sorted(keys), DOCUMENTS)) == len(wanted)

    run(story())


class AlteredReads(InProcessTransport):
    """A wire that changes what is read."""

    def __init__(
        self, simulator: Any, now: Callable[[], datetime], alter: Callable[[bytes], bytes]
    ) -> None:
        super().__init__(simulator, now)
        self._alter = alter

    async def send(self, request: HttpRequest) -> HttpResponse:
        answer = await super().send(request)
        return replace(answer, body=self._alter(answer.body))


def test_a_type_that_is_not_known_is_told_and_asked_for_without_a_fault() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        await released(rig)
        rig.transport = AlteredReads(
            rig.sim,
            rig.sim.clock.now,
            lambda body: body.replace(b'"documentType":"Invoice"', b'"documentType":"NoUpdate"'),
        )
        rig.connector = rig.connect()
        unread = {ref for page in await pages(rig, DOCUMENTS) for ref, _ in page.unread}
        assert {ref.id.partition(":")[0] for ref in unread} == {"noupdate"}
        with pytest.raises(UnreadableError):
            await rig.connector.get(sorted(unread), DOCUMENTS)

    run(story())


def test_a_status_that_nobody_has_told_of_is_not_guessed() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        _, _, outcome = await new_document(rig, customer)
        table = rig.sim.company.documents
        row = table.get(f"Invoice/{number_of(outcome.ref)}")
        assert row is not None
        table.save({**row, "status": "Parked"})
        found = await pages(rig, DOCUMENTS)
        assert records(found) == {}
        assert {finding.code for page in found for _, finding in page.unread} == {
            "record_unreadable"
        }

    run(story())


def test_a_record_that_the_vendor_could_not_read_is_told_and_never_dropped() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        _, _, outcome = await new_document(rig, customer)
        rig.act("set_error_info", document=number_of(outcome.ref), text="Cannot read taxes")
        found = await pages(rig, DOCUMENTS)
        unread = {ref: finding for page in found for ref, finding in page.unread}
        assert set(unread) == {outcome.ref}
        assert unread[outcome.ref].code == "record_unreadable"

    run(story())


# --- what closed an invoice ----------------------------------------------------------------------


@pytest.mark.parametrize("types", ["name", "code"])
def test_money_credit_discount_and_write_off_are_told_apart(types: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.assume("application_doc_type", types)
        refs = [await released(rig, f"006{n}", lines=lines("1000.00")) for n in range(5)]
        numbers = [number_of(ref) for ref in refs]
        rig.act("pay", document=numbers[0])
        rig.act("credit", document=numbers[1])
        rig.act("write_off", document=numbers[2])
        rig.act("cash_discount", document=numbers[3], discount="25.00")
        rig.act("pay", document=numbers[4], amount="500.00")
        rig.act("credit", document=numbers[4], net="100.00")
        found = [await read(rig, ref) for ref in refs]
        assert [standing_of(one).status for one in found] == [
            Status.PAID,
            Status.CREDITED,
            Status.WRITTEN_OFF,
            Status.PAID,
            Status.PARTLY_PAID,
        ]
        assert found[0].paid == 1250
        assert found[0].last_payment_on == date(2026, 11, 24)
        assert found[0].payments == (Paid(on=date(2026, 11, 24), amount=Decimal(1250)),)
        assert found[3].discounted == 25
        assert (found[4].paid, found[4].credited) == (500, 125)
        assert found[4].totals is not None
        assert found[4].totals.open == 625
        assert len(found[1].credited_by) == 1
        (note,) = await rig.connector.get(found[1].credited_by, DOCUMENTS)
        assert isinstance(note, Document)
        assert note.kind is DocumentKind.CREDIT_NOTE
        assert note.credits == (refs[1],)
        assert note.totals is not None
        assert (note.totals.gross, note.totals.open) == (-1250, 0)
        # The note has no key of ours, whatever it copied.
        assert note.carrier_text == ""

    run(story())


@pytest.mark.parametrize("shown", ["VoidPayment", "Payment"])
def test_a_payment_that_came_back_leaves_the_invoice_open(shown: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.assume("voided_payment", shown)
        invoice = await released(rig)
        paid = rig.act("pay", document=number_of(invoice))
        assert standing_of(await read(rig, invoice)).status == Status.PAID
        rig.act("void_payment", payment=paid["refNbr"])
        after = await read(rig, invoice)
        assert after.totals is not None
        assert after.totals.open == after.totals.gross
        assert after.paid == 0
        came, went = [one.amount for one in after.payments]
        assert came == -went > 0

    run(story())


def test_an_overdue_charge_is_no_sale() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        invoice = await released(rig)
        charge = rig.act("overdue_charge", document=number_of(invoice), amount="35.00")
        found = records(await pages(rig, DOCUMENTS))
        ref = ExternalRef(invoice.connection, "document", f"charge:{charge['referenceNumber']}")
        told = found[ref]
        assert isinstance(told, Document)
        assert not told.sale
        assert told.booked

    run(story())


def test_a_number_that_two_series_share_names_two_documents() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.act("restart_series", series="ARCREDIT", start="100245")
        invoice = await released(rig)
        assert number_of(invoice) == "100245"
        rig.act("credit", document="100245")
        refs = set(records(await pages(rig, DOCUMENTS)))
        assert {ref.id for ref in refs} == {"invoice:100245", "note:100245"}

    run(story())


# --- the company's lists -------------------------------------------------------------------------


def test_items_say_what_vat_they_get_and_which_may_be_sold() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        found = records(await pages(rig, Selection(entity=Entity.ITEM)))
        by_number = {i.number: i for i in found.values() if isinstance(i, Item)}
        taxes = {one.treatment: one.rate for one in by_number["CONS"].tax}
        assert taxes == {
            Treatment.DOMESTIC_RATE: Decimal("0.25"),
            Treatment.EU_SERVICE_REVERSE_CHARGE: 0,
            Treatment.SERVICE_OUTSIDE_EU: 0,
        }
        ticket = {one.treatment: one.rate for one in by_number["TICKET"].tax}
        assert ticket[Treatment.DOMESTIC_RATE] == Decimal("0.12")
        assert ticket[Treatment.EU_GOODS_EXEMPT] == 0
        course = {one.treatment: one.rate for one in by_number["COURSE"].tax}
        assert course[Treatment.EXEMPT] == 0
        assert not by_number["PUMP"].active
        assert not by_number["OLD"].active
        assert by_number["CONS"].service
        assert by_number["KIT/A"].price == Decimal("1249.50")

    run(story())


def test_codes_are_told_with_what_they_mean() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        found = records(await pages(rig, Selection(entity=Entity.CODE)))
        codes = {(c.kind, c.code): c for c in found.values() if isinstance(c, Code)}
        assert codes["terms", "30"].facts["days"] == 30
        assert not codes["terms", "R3"].active
        assert codes["tax", "31"].facts["rate"] == Decimal("0.15")
        assert codes["currency", "EUR"].facts["rate"] == Decimal("11.4325")
        assert codes["department", "200"].name == "Oslo"
        assert not codes["department", "900"].active
        assert codes["project", "P1000"].facts["tasks"] == "1, 2"
        assert not codes["project", "P2000"].active
        assert ("branch", "1") in codes
        assert ("unit", "TIME") in codes

    run(story())


def test_balances_are_those_of_the_ledger() -> None:
    async def story() -> None:
        rig = VismaNetRig(page_size=2)
        invoice = await released(rig, lines=lines("1000.00"))
        for number in range(4):
            await new_customer(rig, f"C{number}")
        rig.act("pay", document=number_of(invoice), amount="250.00")
        found = await pages(rig, Selection(entity=Entity.BALANCE))
        told = [r for page in found for r in page.records]
        assert len(told) == 5
        owed = [r.open for r in told if isinstance(r, Balance) and r.open]
        assert owed == [Decimal(1000)]
        assert all(page.whole for page in found)

    run(story())


def test_a_customer_on_hold_is_read_so() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        rig.act("set_customer_status", customer=rig.customer_number(customer), status="CreditHold")
        (found,) = await rig.connector.get([customer], CUSTOMERS)
        assert isinstance(found, Customer)
        assert found.credit_stop
        assert found.active
        assert found.extra["carrier"]

    run(story())


def test_orders_are_read_where_the_connection_says_so() -> None:
    async def story() -> None:
        rig = VismaNetRig(orders=True)
        customer = await new_customer(rig)
        number = rig.order(customer)
        found = await pages(rig, DOCUMENTS)
        (order,) = [r for r in records(found).values() if isinstance(r, Document)]
        assert order.ref is not None
        assert order.ref.id == f"order:SO/{number}"
        assert order.kind is DocumentKind.ORDER
        assert order.customer == customer
        assert order.totals is not None
        assert (order.totals.net, order.totals.gross) == (200, 250)
        assert [one.item.number for one in order.lines if one.item] == ["CONS"]
        assert await rig.connector.get([order.ref], DOCUMENTS) == [order]
        rig.clock.advance(3600)
        assert records(await pages(rig, DOCUMENTS, found[-1].cursor)) == {}

    run(story())
