"""What the vendor's pages leave open, read the other way: a right result, or held and told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest

from contract.connector_contract import (
    CUSTOMERS,
    DOCUMENTS,
    create,
    new_customer,
    new_document,
    pages,
    prepared,
    records,
    run,
    sent,
)
from support.visma_rig import VismaRig
from tieout.core.change import Action, Applied, Deferred, FateKind, Refused, Stale
from tieout.core.errors import TransientError, UnreadableError
from tieout.core.model import Balance, Document, DocumentKind, Entity
from tieout.ports import Selection

BALANCES = Selection(entity=Entity.BALANCE)


@pytest.fixture
def rig() -> VismaRig:
    return VismaRig()


@pytest.mark.parametrize("filters", [True, False])
def test_a_404_without_a_word_is_gone_only_where_the_list_says_so(
    rig: VismaRig, filters: bool
) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        refs = [(await new_document(rig, customer, f"006{n}"))[2].ref for n in range(3)]
        rig.assume("not_found_path_body", False)
        if not filters:
            rig.assume("filterable.customerinvoicedrafts", [])
        rig.delete(refs[0])
        rig.book(refs[1])
        fates = await rig.connector.trace(refs)
        assert [fate.kind for fate in fates] == [
            FateKind.DELETED,
            FateKind.BECAME,
            FateKind.PRESENT,
        ]
        # A gateway that knows no address is nobody who could say that anything is gone.
        rig.sim.faults.add(
            {"method": "GET", "path": "/v2/*", "kind": "status", "status": 404, "times": 99}
        )
        with pytest.raises(TransientError):
            await rig.connector.get([refs[2]], DOCUMENTS)

    run(story())


@pytest.mark.parametrize("limit", [500, 100, 60])
def test_a_smaller_page_than_the_one_asked_for_is_taken(limit: int) -> None:
    rig = VismaRig(size=130, page_size=1000)
    rig.assume("page_size_limit", limit)

    async def story() -> None:
        found = await pages(rig, CUSTOMERS)
        assert len(records(found)) == len(rig.live("customers"))
        mark = len(rig.transport.requests)
        await pages(rig, CUSTOMERS, found[-1].cursor)
        asked = [request.url for request in rig.transport.requests[mark:]]
        assert all("pagesize=50" in url for url in asked), "it is learnt once"
        # A filter that is refused is still told from a page that is too long.
        rig.assume("filterable.customers", ["ChangedUtc"])
        refs = list(records(found))[:5]
        assert [one.ref for one in await rig.connector.get(refs, CUSTOMERS) if one] == refs

    run(story())


def test_a_list_that_does_not_count_its_pages_is_never_cut_short(rig: VismaRig) -> None:
    async def story() -> None:
        for n in range(3):
            await new_customer(rig, f"001{n}")
        rig.assume("meta_counts", False)
        # Three rows fit into a page of five: nothing can follow.
        assert len(records(await pages(rig, CUSTOMERS))) == 3
        for n in range(3, 7):
            rig.assume("meta_counts", True)
            await new_customer(rig, f"001{n}")
        rig.assume("meta_counts", False)
        with pytest.raises(TransientError):
            await pages(rig, CUSTOMERS)

    run(story())


@pytest.mark.parametrize("includes", [True, False])
def test_equal_stamps_at_a_pages_edge_lose_no_invoice(rig: VismaRig, includes: bool) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        drafts = [(await new_document(rig, customer, f"006{n:02}"))[2].ref for n in range(12)]
        for ref in drafts:
            rig.book(ref)
        guids = [row["Id"] for row in rig.live("customerinvoices")]
        stamps = ["10:00:00", *["10:00:05"] * 7, "10:00:06", "10:00:06", "10:00:07", "10:00:08"]
        for guid, stamp in zip(guids, stamps, strict=True):
            stored = rig.sim.books.invoices.records[guid]
            stamped = {**stored, "ModifiedUtc": f"2026-11-20T{stamp}.0000000Z"}
            rig.sim.books.invoices.save(stamped)
        rig.assume("modified_since_includes", includes)
        found = await pages(rig, Selection(entity=Entity.DOCUMENT, kinds=frozenset({"invoice"})))
        assert {ref.id.partition(":")[2] for ref in records(found)} == set(guids)

    run(story())


@pytest.mark.parametrize("first", [True, False])
def test_a_customer_that_was_never_changed_may_have_no_stamp(rig: VismaRig, first: bool) -> None:
    async def story() -> None:
        refs = [await new_customer(rig, f"001{n}") for n in range(13)]
        for ref in refs[4:]:
            rig.sim.books.customers.records[ref.id]["ChangedUtc"] = None
        rig.assume("nulls_first", first)
        found = await pages(rig, CUSTOMERS)
        assert set(records(found)) == set(refs)
        assert found[-1].cursor is not None
        assert await pages(rig, CUSTOMERS, found[-1].cursor)

    run(story())


def test_amounts_in_quotes_are_amounts(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        _, _, outcome = await new_document(rig, customer)
        rig.book(outcome.ref)
        plain = records(await pages(rig, DOCUMENTS))
        owed = records(await pages(rig, BALANCES))
        rig.assume("numbers_as_text", True)
        rig.connector = rig.connect()
        again = records(await pages(rig, DOCUMENTS))
        assert again == plain
        ((ref, balance),) = records(await pages(rig, BALANCES)).items()
        assert isinstance(balance, Balance)
        assert balance.open == Decimal("14701.00")
        assert owed[ref].open == balance.open  # type: ignore[attr-defined]

    run(story())


def test_an_amount_that_is_none_is_told_and_the_rest_read(rig: VismaRig) -> None:
    async def story() -> None:
        customer = await new_customer(rig)
        booked = [(await new_document(rig, customer, f"006{n}"))[2].ref for n in range(2)]
        for ref in booked:
            rig.book(ref)
        guid = rig.live("customerinvoices")[0]["Id"]
        rig.sim.books.invoices.records[guid]["TotalVatAmountInvoiceCurrency"] = "a lot"
        found = await pages(rig, DOCUMENTS)
        kept = [r for r in records(found).values() if isinstance(r, Document)]
        assert len(kept) == 1
        assert {ref.id for page in found for ref, _ in page.unread} == {f"invoice:{guid}"}
        # The ledger's own list is whole or none, and says which document it is about.
        number = str(rig.row("customerinvoices", guid)["InvoiceNumber"])
        day = date(2026, 11, 24)
        with pytest.raises(UnreadableError, match=number):
            [page async for page in rig.connector.ledger(day, day)]
        with pytest.raises(UnreadableError, match=number):
            await rig.connector.subledger(day, day)

    run(story())


@pytest.mark.parametrize("counted", ["characters", "utf16"])
def test_a_name_that_is_cut_fits_however_it_is_counted(rig: VismaRig, counted: str) -> None:
    async def story() -> None:
        rig.assume("text_length_in", counted)
        wanted = rig.customer(name="🎉 " * 40, note="🎉" * 2000)
        _, outcome = await sent(rig, await prepared(rig, create(rig, "001A", wanted)))
        assert isinstance(outcome, Applied)
        (stored,) = rig.live("customers")
        assert len(stored["Name"]) == 33
        too_long = rig.customer(name="A", note="🎉" * 2001)
        (made,) = await rig.connector.prepare([create(rig, "001B", too_long)])
        assert isinstance(made, Refused)
        assert [finding.code for finding in made.findings] == ["text_too_long"]

    run(story())


@pytest.mark.parametrize("status", [404, 400, 409])
@pytest.mark.parametrize("action", [Action.VOID, Action.CONVERT])
def test_a_draft_that_is_gone_is_decided_anew_whatever_its_status(
    rig: VismaRig, status: int, action: Action
) -> None:
    async def story() -> None:
        rig.assume("status_not_found_path", status)
        customer = await new_customer(rig)
        change, _, outcome = await new_document(rig, customer)
        gone = replace(change, action=action, wanted=None, target=outcome.ref)
        made = await prepared(rig, gone)
        rig.delete(outcome.ref)
        _, answer = await sent(rig, made)
        assert isinstance(answer, Stale)

    run(story())


@pytest.mark.parametrize("credits", [True, False])
@pytest.mark.parametrize("zeroes", [True, False])
@pytest.mark.parametrize("vouchers", [True, False])
def test_a_void_is_no_money_however_it_shows(
    rig: VismaRig, credits: bool, zeroes: bool, vouchers: bool
) -> None:
    async def story() -> None:
        rig.assume("void_makes_credit_invoice", credits)
        rig.assume("void_zeroes_remaining", zeroes)
        if not vouchers:
            rig.sim.faults.add(
                {
                    "method": "GET",
                    "path": "/v2/vouchers",
                    "kind": "status",
                    "status": 403,
                    "body": '{"ErrorCode":4006}',
                    "times": 99,
                }
            )
        customer = await new_customer(rig)
        rig.book((await new_document(rig, customer))[2].ref)
        first = await pages(rig, DOCUMENTS)
        (invoice,) = (r for r in records(first).values() if isinstance(r, Document))
        rig.clock.advance(600)
        rig.act("void", invoice=invoice.number)
        later = records(await pages(rig, DOCUMENTS, first[-1].cursor))
        after = later[invoice.ref] if invoice.ref else None
        assert isinstance(after, Document)
        assert after.totals is not None
        assert not after.paid
        if after.totals.open == 0 and (credits or vouchers):
            assert after.voided is not credits
            assert after.credited == (invoice.totals.gross if credits and invoice.totals else 0)
            assert not after.written_off
        day = rig.clock.now().date()
        book = await rig.connector.subledger(day, day) if vouchers else None
        assert book is None or {one.kind for one in book.postings} == {"invoice", "credit_note"}
        notes = [
            r
            for r in later.values()
            if isinstance(r, Document) and r.kind is DocumentKind.CREDIT_NOTE
        ]
        assert len(notes) == credits
        assert not any(note.paid for note in notes)

    run(story())


@pytest.mark.parametrize("status", [429, 403, 400, 503])
@pytest.mark.parametrize("code", [4010, "4010"])
@pytest.mark.parametrize("header", ["", "17", "date"])
def test_too_many_calls_wait_whatever_the_status(
    rig: VismaRig, status: int, code: object, header: str
) -> None:
    async def story() -> None:
        text = "" if header else "Try again in 17 seconds."
        body = {"ErrorCode": code, "DeveloperErrorMessage": text, "ErrorId": "e-1"}
        until = rig.clock.now().replace(microsecond=0) + timedelta(seconds=17)
        when = format_datetime(until, usegmt=True) if header == "date" else header
        order = {"kind": "status", "status": status, "body": body}
        order |= {"headers": {"Retry-After": when}} if header else {}
        rig.sim.faults.add({**order, "method": "GET", "path": "/v2/customers"})
        began = rig.clock.now()
        await pages(rig, CUSTOMERS)
        assert 17 <= (rig.clock.now() - began).total_seconds() < 19
        rig.sim.faults.add({**order, "method": "POST", "path": "/v2/customers"})
        until = rig.clock.now().replace(microsecond=0) + timedelta(seconds=17)
        _, outcome = await sent(rig, await prepared(rig, create(rig, "001A", rig.customer())))
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after_s == 17 or header == "date"

    run(story())
