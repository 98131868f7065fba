"""A deal that changes after its invoice was booked and credited: what there is to do now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from support.visma_net_pair import CONFIGURATION as NORWEGIAN
from support.visma_net_pair import VismaNetPair
from tieout.core.ledger_list import Period
from tieout.core.tieout import Cause, TieOut
from tieout.services import exceptions, making_anew, prove

D = Decimal
OCTOBER, CUT_OFF = Period.month(2026, 10), date(2026, 10, 31)
ORDERS = NORWEGIAN.replace(
    "    mode: auto\n    inst", "    mode: auto\n    create: sales_order\n    inst"
)


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    with RealPair(database_url, CONFIGURATION, start=moment(10, 5)) as made:
        made.deal("D-1", "Tallmo Skog AB", "10000.00", Order_Confirmed__c=True)
        made.run()
        yield made


@pytest.fixture
def ordered(database_url: str) -> Iterator[VismaNetPair]:
    """A deal whose order was invoiced in full."""
    with VismaNetPair(database_url, ORDERS, start=moment(10, 5), books={"orders": True}) as made:
        made.deal("D-1", "Fjell AS", "10000.00")
        run(made)
        (order,) = made.records("salesorder")
        made.in_books("approve_order", order=order["orderId"])
        made.in_books("invoice_order", order=order["orderId"])
        made.in_books("release", document=_invoice(made))
        run(made)
        yield made


def run(pair: RealPair) -> None:
    for _ in range(2):
        pair.clock.advance(400)
        pair.run()


def _invoice(pair: RealPair) -> str:
    return str(pair.records("customerinvoice")[0]["referenceNumber"])


def october(pair: RealPair) -> TieOut:
    result = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert result.explained, result.unexplained_parts
    return result


def causes(pair: RealPair) -> dict[str, Decimal]:
    """What each cause comes to; credit notes that are made up for come to nothing."""
    return {str(one.cause): one.amount for one in october(pair).causes if one.amount}


def asked(pair: RealPair, price: str, proposal: str, amount: str) -> None:
    """The price becomes this: the exception and the tie-out say what is left to do, and agree."""
    pair.price("D-1", price)
    run(pair)
    if not proposal:
        assert (pair.cases(), causes(pair)) == ([], {})
        return
    (case,) = pair.cases()
    assert case.hint == f"Proposal: {proposal}. Finance decides."
    assert case.amount == abs(D(amount))
    assert causes(pair) == {"exception_open": D(amount)}
    assert october(pair).gap == D(amount)


AFTER_A_CREDIT = [
    ("12000.00", "a supplementary invoice over 4,000.00", "4000.00"),
    ("9000.00", "a supplementary invoice over 1,000.00", "1000.00"),
    ("8000.00", "", ""),
    ("7000.00", "a credit note over 1,000.00", "-1000.00"),
]


@pytest.mark.parametrize(("price", "proposal", "amount"), AFTER_A_CREDIT)
def test_what_is_left_is_measured_from_what_stands(
    pair: RealPair, price: str, proposal: str, amount: str
) -> None:
    pair.in_books("credit", invoice=pair.book("D-1"), amount="2500.00")
    run(pair)
    assert (pair.cases(), causes(pair)) == ([], {"credited": D("2000.00")})
    asked(pair, price, proposal, amount)


def test_a_second_credit_note_moves_what_is_left(pair: RealPair) -> None:
    invoice = pair.book("D-1")
    pair.in_books("credit", invoice=invoice, amount="2500.00")
    run(pair)
    asked(pair, "9000.00", "a supplementary invoice over 1,000.00", "1000.00")
    pair.in_books("credit", invoice=invoice, amount="1250.00")
    run(pair)
    (case,) = pair.cases()
    assert case.hint == "Proposal: a supplementary invoice over 2,000.00. Finance decides."
    assert (case.amount, causes(pair)) == (D("2000.00"), {"exception_open": D("2000.00")})
    asked(pair, "7000.00", "", "")


def test_a_draft_that_finance_lowered_counts_as_it_was_booked(pair: RealPair) -> None:
    pair.in_books("edit_draft", draft=pair.draft_of("D-1"), line=1, price="9500.00")
    pair.book("D-1")
    run(pair)
    assert causes(pair) == {"edited_in_the_books": D("500.00")}
    asked(pair, "12000.00", "a supplementary invoice over 2,500.00", "2500.00")


def test_a_credit_note_of_the_next_month_leaves_the_one_before_as_it_was(pair: RealPair) -> None:
    invoice = pair.book("D-1")
    run(pair)
    pair.at(moment(11, 3))
    pair.in_books("credit", invoice=invoice, amount="2500.00")
    pair.price("D-1", "9000.00")
    run(pair)
    (case,) = pair.cases()
    assert case.amount == D("1000.00")
    # By the end of October the credit note was not there: that much more was invoiced.
    assert causes(pair) == {"exception_open": D("1000.00"), "credited": D("-2000.00")}
    shown = pair.tie_out(OCTOBER, date(2026, 11, 3)).tie_out
    assert [(one.cause, one.amount) for one in shown.causes if one.amount] == [
        (Cause.EXCEPTION_OPEN, D("1000.00"))
    ]


@pytest.mark.parametrize(("price", "amount"), [("12000.00", "4000.00"), ("9000.00", "1000.00"),
                                               ("7000.00", "-1000.00")])  # fmt: skip
def test_what_a_person_lets_be_is_the_same_amount(pair: RealPair, price: str, amount: str) -> None:
    pair.in_books("credit", invoice=pair.book("D-1"), amount="2500.00")
    run(pair)
    pair.price("D-1", price)
    run(pair)
    (case,) = pair.cases()
    said = {"who": "Maria Ek", "reason": "agreed", "now": pair.clock.now()}
    assert pair.do(exceptions.dismiss(pair.store, case, **said)) == D(amount)
    assert causes(pair) == {"accepted": D(amount)}
    run(pair)
    assert causes(pair) == {"accepted": D(amount)}


# --- sales orders --------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "proposal", "amount"), AFTER_A_CREDIT)
def test_what_is_left_of_an_order_is_measured_after_its_invoices_credit_notes(
    ordered: VismaNetPair, price: str, proposal: str, amount: str
) -> None:
    ordered.in_books("credit", document=_invoice(ordered), net="2000.00")
    run(ordered)
    assert causes(ordered) == {"credited": D("2000.00")}
    asked(ordered, price, proposal, amount)


def test_an_order_whose_invoice_was_paid_and_then_credited_is_made_anew(
    ordered: VismaNetPair,
) -> None:
    ordered.in_books("pay", document=_invoice(ordered))
    ordered.in_books("credit", document=_invoice(ordered))
    run(ordered)
    assert (ordered.cases(), causes(ordered)) == ([], {"credited": D("10000.00")})
    _, count = ordered.do(
        making_anew.make_anew(ordered.engine, ordered.store, "D-1", 0, who="Eva Lind")
    )
    assert count == 1
    run(ordered)
    assert causes(ordered) == {"ordered": D("10000.00")}
    assert len(ordered.records("salesorder")) == 2
    ordered.in_crm("lose", id=ordered.deals["D-1"])
    run(ordered)
    assert (ordered.cases(), causes(ordered)) == ([], {})
    assert ordered.do(prove.prove(ordered.engine, ordered.store, None, [])).orphans == []
