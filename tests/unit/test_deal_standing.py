"""The standing of a deal whose credit notes were not yet set against their invoice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tieout.core.case import RefRole, Seen, SlotRef, SlotState
from tieout.core.keys import KeyKind, Slot
from tieout.core.model import (
    Document,
    DocumentKind,
    ExternalRef,
    OrderState,
    Standing,
    Totals,
)
from tieout.engine.standing import deal_standing

D = Decimal
INVOICE = ExternalRef("books", "document", "invoice:1")
DEAL = ExternalRef("crm", "deal", "D1")
SLOT = Slot(crm_org="org", source_id="D1", company="c", kind=KeyKind.DOCUMENT, part=0)


def booked(kind: DocumentKind, gross: str, left: str, ref: ExternalRef = INVOICE) -> Document:
    amount = D(gross)
    totals = Totals(currency="SEK", net=amount * 4 / 5, tax=amount / 5, gross=amount, open=D(left))
    return Document(
        ref=ref,
        kind=kind,
        number=ref.id,
        booked=True,
        currency="SEK",
        totals=totals,
        paid=amount - D(left) if kind is DocumentKind.INVOICE else D(0),
        credited=D(0),
    )


def standing(left: str, note_left: str) -> Standing:
    invoice = booked(DocumentKind.INVOICE, "67500.00", left)
    other = ExternalRef("books", "document", "invoice:2")
    note = booked(DocumentKind.CREDIT_NOTE, "-16875.00", note_left, other)
    own = SlotRef(ref=INVOICE, generation=0, role=RefRole.CURRENT, found_by="answer")
    slot = SlotState(slot=SLOT, key13="0123456789ABC", exists=True, refs=(own,))
    found = deal_standing(
        DEAL,
        [slot],
        {INVOICE.id: Seen(record=invoice)},
        {INVOICE.id: [note]},
        today=date(2026, 11, 1),
        last_day=lambda day: day,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("left", "note_left", "due"),
    [("67500.00", "-16875.00", False), ("10000.00", "-16875.00", True), ("0.00", "0.00", False)],
)
def test_a_note_beside_its_invoice(left: str, note_left: str, due: bool) -> None:
    found = standing(left, note_left)
    assert found.credited_in_part is True
    assert found.refund_due is due
    assert found.open == D(left) + D(note_left)
    assert found.net == D("40500.00")


@pytest.mark.parametrize("gone", [False, True])
def test_an_invoice_stands_for_its_order_also_when_that_was_deleted(gone: bool) -> None:
    place = ExternalRef("books", "document", "order:1")
    order = Document(ref=place, kind=DocumentKind.ORDER, number="SO-1", currency="SEK")
    own = SlotRef(ref=place, generation=0, role=RefRole.CURRENT, found_by="answer")
    slot = SlotState(slot=SLOT, key13="0123456789ABC", exists=True, refs=(own,))

    def shown(grown: list[Document]) -> Standing | None:
        return deal_standing(
            DEAL,
            [slot],
            {place.id: Seen(record=order, gone=gone, gone_certain=gone)},
            {},
            {place.id: grown},
            today=date(2026, 11, 1),
            last_day=lambda day: day,
        )

    found = shown([booked(DocumentKind.INVOICE, "500.00", "500.00")])
    assert found is not None
    assert (found.status, found.open, found.order_number) == ("booked", D("500.00"), "SO-1")
    nothing = shown([])
    assert nothing is not None
    assert nothing.status == ("cancelled" if gone else "draft")


# --- orders --------------------------------------------------------------------------------------

ORDER = ExternalRef("books", "document", "order:7")


def ordered(*grown: Document, gone: bool = False, **more: object) -> Standing:
    totals = Totals(currency="SEK", net=D("1000"), tax=D("250"), gross=D("1250"))
    values: dict[str, object] = {
        "ref": ORDER,
        "kind": DocumentKind.ORDER,
        "number": "SO-7",
        "raw_status": "Open",
        "order_state": OrderState.APPROVED,
        "issue_date": date(2026, 10, 5),
        "delivered_on": date(2026, 10, 20),
        "currency": "SEK",
        "totals": totals,
        **more,
    }
    own = SlotRef(ref=ORDER, generation=0, role=RefRole.CURRENT, found_by="answer")
    slot = SlotState(slot=SLOT, key13="0123456789ABC", exists=True, refs=(own,))
    found = deal_standing(
        DEAL,
        [slot],
        {ORDER.id: Seen(record=Document(**values), gone=gone, gone_certain=gone)},  # type: ignore[arg-type]
        {},
        today=date(2026, 11, 1),
        last_day=lambda day: day,
        grown={ORDER.id: list(grown)},
    )
    assert found is not None
    return found


def test_an_open_order_shows_its_number_its_days_and_the_books_own_word() -> None:
    found = ordered()
    assert (found.order_number, found.order_date) == ("SO-7", date(2026, 10, 5))
    assert found.delivered_on == date(2026, 10, 20)
    assert (found.vendor_status, found.booked, found.number) == ("approved", False, None)
    assert (found.gross, found.open) == (None, None)


def test_its_invoices_give_status_and_amounts_and_the_order_stands_beside_them() -> None:
    invoice = replace(booked(DocumentKind.INVOICE, "1250.00", "1250.00"), came_from=(ORDER,))
    found = ordered(invoice, order_state=OrderState.INVOICED)
    assert (found.status, found.booked, found.number) == ("booked", True, "invoice:1")
    assert (found.order_number, found.gross, found.open) == ("SO-7", D("1250.00"), D("1250.00"))
    assert found.books_id == "invoice:1, order:7"


def test_a_cancelled_order_is_cancelled_and_a_deleted_one_too() -> None:
    assert ordered(voided=True, order_state=OrderState.CANCELLED).status == "cancelled"
    assert ordered(gone=True).status == "cancelled"


def test_an_order_that_was_deleted_shows_the_invoice_that_stands() -> None:
    invoice = replace(booked(DocumentKind.INVOICE, "1250.00", "0.00"), came_from=(ORDER,))
    assert ordered(invoice, gone=True).status == "paid"
