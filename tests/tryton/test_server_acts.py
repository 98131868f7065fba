"""What people do in Tryton, and what it says about it afterwards."""

from __future__ import annotations

from decimal import Decimal

import pytest

from support.tryton_server import RunningTryton
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.acts import Line
from tieout_sandbox.tryton.rpc import TrytonError

pytestmark = pytest.mark.slow


def _draft(tryton: RunningTryton, price: str = "100.00", quantity: str = "2") -> int:
    customer = acts.make_customer(tryton.admin, "Nordhavn Kaffe AB")
    line = Line(item=tryton.books.items["SKR01"], quantity=Decimal(quantity), price=Decimal(price))
    return acts.make_invoice(tryton.admin, customer, [line])


def _state(tryton: RunningTryton, invoice: int) -> str:
    state: str = tryton.admin.read(acts.INVOICE, invoice, "state")["state"]
    return state


def test_a_draft_made_by_hand_has_its_items_tax_and_total(tryton_group: RunningTryton) -> None:
    customer = acts.make_customer(tryton_group.admin, "Nordhavn Kaffe AB")
    lines = [
        Line(item=tryton_group.books.items["SKR01"], quantity=Decimal(3)),
        Line(item=tryton_group.books.items["LIC01"]),
    ]
    made = acts.make_invoice(tryton_group.admin, customer, lines)
    seen = tryton_group.admin.read(
        acts.INVOICE, made, "state", "untaxed_amount", "tax_amount", "total_amount"
    )
    assert seen == {
        "id": made,
        "state": "draft",
        "untaxed_amount": Decimal("310.18"),
        "tax_amount": Decimal("77.55"),
        "total_amount": Decimal("387.73"),
    }


def test_posting_then_paying_in_two_parts(tryton_group: RunningTryton) -> None:
    admin, invoice = tryton_group.admin, _draft(tryton_group)
    acts.post(admin, invoice)
    assert admin.read(acts.INVOICE, invoice, "number")["number"].startswith("F20")
    acts.pay(admin, invoice, Decimal("100.00"))
    seen = admin.read(acts.INVOICE, invoice, "state", "amount_to_pay")
    assert (seen["state"], seen["amount_to_pay"]) == ("posted", Decimal("150.00"))
    acts.pay(admin, invoice, Decimal("150.00"))
    assert _state(tryton_group, invoice) == "paid"


def test_paying_at_once_and_writing_the_rest_off(tryton_group: RunningTryton) -> None:
    admin, whole, short = tryton_group.admin, _draft(tryton_group), _draft(tryton_group)
    acts.post(admin, whole, short)
    acts.pay(admin, whole)
    acts.write_off(admin, short, Decimal("249.50"))
    assert (_state(tryton_group, whole), _state(tryton_group, short)) == ("paid", "paid")
    lost = [["account.code", "=", "3740"], ["debit", "=", Decimal("0.50")]]
    assert len(admin.search("account.move.line", lost, [])) == 1


def test_paying_too_much_leaves_the_customer_with_a_credit(tryton_group: RunningTryton) -> None:
    admin, invoice = tryton_group.admin, _draft(tryton_group)
    acts.post(admin, invoice)
    acts.pay(admin, invoice, Decimal("300.00"))
    assert _state(tryton_group, invoice) == "paid"
    party = admin.read(acts.INVOICE, invoice, "party")["party"]
    assert admin.read("party.party", party, "receivable")["receivable"] == Decimal("-50.00")


def test_receipts_at_the_bank_settle_an_invoice_in_parts(tryton_group: RunningTryton) -> None:
    anna, invoice = tryton_group.person("anna"), _draft(tryton_group)
    acts.post(anna, invoice)
    today = anna.read(acts.INVOICE, invoice, "invoice_date")["invoice_date"]
    acts.pay_by_bank(anna, invoice, Decimal("100.00"), on=today)
    seen = anna.read(acts.INVOICE, invoice, "state", "amount_to_pay", "payment_lines")
    assert (seen["state"], seen["amount_to_pay"]) == ("posted", Decimal("150.00"))
    assert len(seen["payment_lines"]) == 1
    acts.pay_by_bank(anna, invoice, Decimal("150.00"), on=today)
    assert _state(tryton_group, invoice) == "paid"
    acts.undo_settlement(anna, invoice)
    seen = anna.read(acts.INVOICE, invoice, "state", "reconciled")
    assert (seen["state"], seen["reconciled"]) == ("posted", None)


def test_a_credit_note_is_set_against_an_invoice(tryton_group: RunningTryton) -> None:
    admin, invoice = tryton_group.admin, _draft(tryton_group)
    acts.post(admin, invoice)
    note = acts.credit(admin, invoice, refund=False)
    acts.post(admin, note)
    acts.settle_with(admin, invoice, note)
    assert (_state(tryton_group, invoice), _state(tryton_group, note)) == ("paid", "paid")


def test_crediting_with_refund_cancels_the_invoice(tryton_group: RunningTryton) -> None:
    admin, invoice = tryton_group.admin, _draft(tryton_group)
    acts.post(admin, invoice)
    note = acts.credit(admin, invoice)
    assert (_state(tryton_group, invoice), _state(tryton_group, note)) == ("cancelled", "paid")
    assert admin.read(acts.INVOICE, note, "total_amount")["total_amount"] == Decimal("-250.00")


def test_crediting_without_refund_leaves_a_draft(tryton_group: RunningTryton) -> None:
    admin, invoice = tryton_group.admin, _draft(tryton_group)
    acts.post(admin, invoice)
    note = acts.credit(admin, invoice, refund=False)
    assert (_state(tryton_group, invoice), _state(tryton_group, note)) == ("posted", "draft")


def test_editing_cancelling_deleting_and_duplicating_a_draft(tryton_group: RunningTryton) -> None:
    admin, invoice = tryton_group.admin, _draft(tryton_group)
    line = admin.read(acts.INVOICE, invoice, "lines")["lines"][0]
    acts.edit_line(admin, invoice, line, quantity=Decimal(4))
    assert admin.read(acts.INVOICE, invoice, "total_amount")["total_amount"] == Decimal("500.00")
    copied = acts.duplicate(admin, invoice)
    acts.cancel(admin, invoice)
    assert (_state(tryton_group, invoice), _state(tryton_group, copied)) == ("cancelled", "draft")
    acts.delete_draft(admin, copied)
    with pytest.raises(TrytonError, match="don't exist"):
        _state(tryton_group, copied)


def test_a_closed_period_refuses_and_a_reopened_one_takes(tryton: RunningTryton) -> None:
    anna, draft = tryton.person("anna"), _draft(tryton)
    first = _draft(tryton)
    acts.post(anna, first)
    period = anna.read(acts.INVOICE, first, "move.period")["move."]["period"]
    acts.close_period(anna, period)
    with pytest.raises(TrytonError, match="you must reopen the period"):
        acts.post(anna, draft)
    acts.reopen_period(anna, period)
    acts.post(anna, draft)
    assert _state(tryton, draft) == "posted"


def test_a_locked_period_stays_closed(tryton: RunningTryton) -> None:
    anna, period = tryton.person("anna"), tryton.books.periods["2025-01"]
    acts.close_period(anna, period)
    acts.lock_period(anna, period)
    with pytest.raises(TrytonError, match='You can not call "reopen"'):
        acts.reopen_period(anna, period)
