"""Status words, flags and amounts; days to pay and paid revenue."""

from __future__ import annotations

import csv
from datetime import date, datetime
from decimal import Decimal

import pytest

from tieout.core.ageing import ItemKind, MoneyReceived, OpenItem, ageing, mean_days, weighted_days
from tieout.core.receivables import apply_credit, lower_named_lines, over_lines, paid_revenue
from tieout.core.status import (
    SMALL_DIFFERENCE,
    Flag,
    Settlement,
    SettlementKind,
    Stage,
    Status,
    status_from_amounts,
)

D = Decimal
K = SettlementKind
DUE, LATER = date(2026, 10, 31), date(2026, 11, 2)


def standing(total: str, *settled: tuple[SettlementKind, str], **more):
    rows = [Settlement(kind=kind, amount=D(amount)) for kind, amount in settled]
    return status_from_amounts(total=D(total), settlements=rows, **more)


def test_received_a_little_less_is_paid_with_a_small_difference():
    s = standing(
        "41667.00", (K.MONEY, "41666.66"), open_amount=D("0.00"), tolerance=SMALL_DIFFERENCE["SEK"]
    )
    assert (s.status, s.open, s.paid, s.small_difference) == (
        Status.PAID,
        0,
        D("41666.66"),
        D("0.34"),
    )


def test_partly_paid_and_overdue_at_once():
    s = standing("60938.00", (K.MONEY, "30000.00"), last_day=DUE, today=LATER)
    assert (s.status, s.open) == (Status.PARTLY_PAID, D("30938.00"))
    assert s.flags == {Flag.OVERDUE}


def test_overpayment_pays_the_total_and_the_rest_is_on_account():
    s = standing("32500.00", (K.MONEY, "33000.00"))
    assert (s.status, s.paid, s.on_account, s.open) == (
        Status.PAID,
        D("32500.00"),
        D("500.00"),
        0,
    )


def test_credit_beyond_the_open_amount_leaves_a_refund_due():
    s = standing("10000.00", (K.MONEY, "8000.00"), (K.CREDIT, "5000.00"))
    assert (s.status, s.paid, s.credited, s.credit_rest) == (
        Status.PAID,
        D("8000.00"),
        D("2000.00"),
        D("3000.00"),
    )
    assert s.flags == {Flag.CREDITED_IN_PART, Flag.REFUND_DUE}
    refunded = standing(
        "10000.00", (K.MONEY, "8000.00"), (K.CREDIT, "5000.00"), (K.MONEY, "-3000.00")
    )
    assert (refunded.paid, refunded.open, refunded.credit_rest) == (D("5000.00"), 0, 0)
    assert refunded.flags == {Flag.CREDITED_IN_PART}


def test_written_off_keeps_paid_at_zero():
    s = standing("12500.00", (K.WRITE_OFF, "12500.00"), tolerance=D("0.99"))
    assert (s.status, s.paid, s.open) == (Status.WRITTEN_OFF, 0, 0)


def test_a_write_off_within_tolerance_is_a_small_matter():
    s = standing("100.00", (K.MONEY, "99.50"), (K.WRITE_OFF, "0.50"), tolerance=D("0.99"))
    assert s.status is Status.PAID


def test_a_bank_fee_is_paid_by_the_buyer():
    s = standing("12000.00", (K.MONEY, "11985.00"), (K.FEE, "15.00"))
    assert (s.status, s.paid) == (Status.PAID, D("12000.00"))


def test_set_off_lowers_open_and_pays_nothing():
    s = standing("67500.00", (K.CREDIT, "16875.00"))
    assert (s.status, s.open, s.paid) == (Status.BOOKED, D("50625.00"), 0)
    assert s.flags == {Flag.CREDITED_IN_PART}


def test_cash_discount_is_not_paid():
    s = standing("12500.00", (K.MONEY, "12250.00"), (K.DISCOUNT, "250.00"))
    assert (s.status, s.paid, s.discount) == (Status.PAID, D("12250.00"), D("250.00"))


def test_credited_in_full():
    s = standing("100.00", (K.CREDIT, "100.00"), last_day=DUE, today=LATER)
    assert (s.status, s.flags) == (Status.CREDITED, frozenset())


def test_a_fall_of_the_open_amount_is_settled_of_unknown_kind():
    s = standing("100.00", open_amount=D("40.00"))
    assert (s.status, s.paid, s.unknown, s.settled) == (
        Status.BOOKED,
        0,
        D("60.00"),
        D("60.00"),
    )
    closed = standing("100.00", open_amount=D("0.00"), tolerance=D("0.99"))
    assert (closed.status, closed.paid) == (Status.SETTLED, 0)
    assert closed.flags == {Flag.KIND_UNKNOWN}


def test_a_returned_payment_goes_backwards():
    paid = standing("100.00", (K.MONEY, "100.00"), last_day=DUE, today=LATER)
    assert (paid.status, paid.flags) == (Status.PAID, frozenset())
    back = standing("100.00", (K.MONEY, "100.00"), (K.MONEY, "-100.00"), last_day=DUE, today=LATER)
    assert (back.status, back.open, back.flags) == (Status.BOOKED, D("100.00"), {Flag.OVERDUE})


def test_a_cancelled_credit_goes_backwards():
    s = standing("100.00", (K.CREDIT, "100.00"), (K.CREDIT, "-100.00"))
    assert (s.status, s.flags) == (Status.BOOKED, frozenset())


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"stage": Stage.DRAFT}, Status.DRAFT),
        ({"stage": Stage.AWAITING_APPROVAL}, Status.AWAITING_APPROVAL),
        ({"voided": True}, Status.CANCELLED),
        ({"voided": True, "stage": Stage.DRAFT}, Status.CANCELLED),
        ({}, Status.BOOKED),
    ],
)
def test_before_any_money(more, status):
    s = standing("100.00", last_day=DUE, today=LATER, **more)
    assert s.status is status
    assert (Flag.OVERDUE in s.flags) is (status is Status.BOOKED)


def test_overdue_from_the_day_after_and_beyond_the_tolerance():
    assert not standing("100.00", last_day=DUE, today=DUE).flags
    small = standing("100.00", (K.MONEY, "99.50"), tolerance=D("0.99"), last_day=DUE, today=LATER)
    assert small.flags == frozenset()
    assert standing("100.00", disputed=True, factored=True).flags == {Flag.DISPUTED, Flag.FACTORED}


def test_buckets_by_the_original_due_date():
    def aged(days: int) -> str:
        due = date.fromordinal(DUE.toordinal() - days)
        items = [OpenItem(ref="1", open=D("1.00"), currency="SEK", due_on=due)]
        return next(code for code, amount in ageing(items, DUE, "SEK").buckets if amount)

    assert [aged(n) for n in (0, 1, 30, 31, 60, 61, 90, 91)] == [
        "not_due",
        "days_1_30",
        "days_1_30",
        "days_31_60",
        "days_31_60",
        "days_61_90",
        "days_61_90",
        "over_90",
    ]


def test_credits_and_currencies_are_never_netted():
    note = OpenItem(ref="2", open=D("-3.00"), currency="SEK", kind=ItemKind.CREDIT_NOTE)
    assert ageing([note], DUE, "SEK").credits == D("-3.00")
    with pytest.raises(ValueError, match="is in SEK, the ageing in EUR"):
        ageing([note], DUE, "EUR")
    with pytest.raises(ValueError, match="needs its due date"):
        OpenItem(ref="3", open=D("1.00"), currency="SEK")


def test_days_to_pay_are_weighted():
    start = date(2026, 9, 1)
    rows = [
        MoneyReceived(amount=D("4000.00"), counted_from=start, paid_on=date(2026, 9, 21)),
        MoneyReceived(amount=D("6000.00"), counted_from=start, paid_on=date(2026, 10, 21)),
    ]
    assert weighted_days(rows) == D("38.0")
    assert mean_days(rows) == D("35.0")
    assert weighted_days([]) is None
    assert mean_days([]) is None
    early = [MoneyReceived(amount=D(1), counted_from=DUE, paid_on=date(2026, 10, 29))]
    assert weighted_days(early) == D("-2.0")


@pytest.mark.shared
def test_the_trial_ledger(shared_dir):
    path = shared_dir / "data" / "accounts-receivable" / "accounts_receivable.csv"

    def day(text: str) -> date:
        return datetime.strptime(text, "%m/%d/%Y").date()  # noqa: DTZ007 (a date, no time)

    with path.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    paid = [
        MoneyReceived(
            amount=D(r["InvoiceAmount"]),
            counted_from=day(r["InvoiceDate"]),
            paid_on=day(r["SettledDate"]),
        )
        for r in rows
    ]
    assert len(paid) == 2466
    assert (mean_days(paid, 2), weighted_days(paid, 2)) == (D("26.44"), D("26.70"))
    late = [p for p, r in zip(paid, rows, strict=True) if p.paid_on > day(r["DueDate"])]
    assert (len(late), sum(p.amount for p in late)) == (877, D("53960.78"))


def test_paid_revenue_becomes_exact_with_the_last_payment():
    values = {"net": D("48750.00"), "payable": D("60938.00")}
    first = paid_revenue(paid=D("30000.00"), **values)
    assert (first.so_far, first.new) == (D("23999.80"), D("23999.80"))
    last = paid_revenue(paid=D("60938.00"), already_counted=first.so_far, **values)
    assert (last.so_far, last.new) == (D("48750.00"), D("24750.20"))
    nearly = paid_revenue(paid=D("60937.50"), tolerance=D("0.99"), **values)
    assert nearly.so_far == D("48750.00")
    with pytest.raises(ValueError, match="above zero"):
        paid_revenue(net=D(1), payable=D(0), paid=D(0))


def test_paid_revenue_over_lines_by_largest_remainder():
    shares = over_lines(D("23999.80"), [D("30000.00"), D("18750.00")])
    assert shares == (D("14769.11"), D("9230.69"))


def test_a_credit_lowers_first_the_lines_that_it_names():
    lines = [D("100.00"), D("50.00"), D("50.00")]
    assert lower_named_lines(lines, D("30.00"), [1]) == (D("100.00"), D("20.00"), D("50.00"))
    assert lower_named_lines(lines, D("80.00"), [1]) == (D("80.00"), D("0.00"), D("40.00"))
    with pytest.raises(ValueError, match="more than the lines hold"):
        lower_named_lines(lines, D("200.01"), [])


def test_a_credit_meets_an_open_invoice():
    assert apply_credit(D("2000.00"), D("5000.00")) == (D("2000.00"), D("3000.00"))
    assert apply_credit(D("9000.00"), D("5000.00")) == (D("5000.00"), D("0.00"))
