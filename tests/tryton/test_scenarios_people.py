"""What people do in Tryton itself comes back to the deal, its flags, and the tie-out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from support.tryton_pair import ALL_TIME, TrytonPair, parts
from support.tryton_server import RunningTryton
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.rpc import TrytonError

pytestmark = pytest.mark.slow

D = Decimal
_numbers = itertools.count(201)


@pytest.fixture(scope="module")
def pair(database_url: str, tryton_group: RunningTryton) -> Iterator[TrytonPair]:
    """One company for all of them; each test has a customer and a deal of its own."""
    with TrytonPair(database_url, tryton_group) as made:
        yield made


def new(pair: TrytonPair, *amounts: str) -> tuple[str, str]:
    """A deal with a draft in the books: its number and its customer."""
    number = f"D-{next(_numbers)}"
    buyer = f"Kund {number} AB"
    pair.deal(number, buyer, *amounts)
    pair.run()
    return number, buyer


def posted(pair: TrytonPair, *amounts: str) -> tuple[str, str]:
    """The same, posted by the accountant and seen by a run."""
    number, buyer = new(pair, *amounts)
    pair.book(number)
    pair.run()
    return number, buyer


def told(pair: TrytonPair, number: str, *names: str) -> tuple[str | None, ...]:
    shown = pair.figures(number)
    return tuple(shown.get(name) for name in names)


def test_posting(pair: TrytonPair) -> None:
    number, buyer = new(pair, "54000.00")
    booked = pair.book(number)
    pair.run()
    assert told(pair, number, "status", "number") == ("booked", booked)
    assert told(pair, number, "net", "paid", "open") == ("54000.00", "0.00", "67500.00")
    assert pair.balance(buyer) == (D("67500.00"), D(0))
    assert parts(pair.tied(), number) == []


def test_cancelling_a_draft(pair: TrytonPair) -> None:
    number, _ = new(pair, "8900.00")
    acts.cancel(pair.anna, pair.id_of(number))
    for _ in range(2):
        pair.run()
    assert told(pair, number, "status") == ("cancelled",)
    assert parts(pair.tied(), number) == [("cancelled", "8900.00")]
    assert len([r for r in pair.invoices() if r["untaxed_amount"] == D("8900.00")]) == 1


def test_deleting_a_draft(pair: TrytonPair) -> None:
    number, _ = new(pair, "8901.00")
    acts.delete_draft(pair.anna, pair.id_of(number))
    for _ in range(3):
        pair.run()
    assert told(pair, number, "status") == ("cancelled",)
    assert pair.cases_of(number) == ["draft_deleted"]
    assert parts(pair.tied(), number) == [("cancelled", "8901.00")]
    assert [r for r in pair.invoices() if r["untaxed_amount"] == D("8901.00")] == []


def test_crediting_the_whole_by_the_wizard(pair: TrytonPair) -> None:
    number, buyer = posted(pair, "54000.00")
    note = acts.credit(pair.anna, pair.id_of(number))
    pair.run()
    # Over there the invoice is "cancelled" and the note "paid".
    assert pair.row(number, "state")["state"] == "cancelled"
    assert pair.running.admin.read("account.invoice", note, "state")["state"] == "paid"
    assert told(pair, number, "status", "net", "paid", "open") == (
        "credited",
        "0.00",
        "0.00",
        "0.00",
    )
    assert pair.balance(buyer) == (D(0), D(0))
    assert parts(pair.tied(), number) == [("credited", "54000.00")]


def test_crediting_a_part(pair: TrytonPair) -> None:
    number, buyer = posted(pair, "54000.00")
    note = acts.credit(pair.anna, pair.id_of(number), refund=False)
    admin = pair.running.admin
    (line,) = admin.search("account.invoice.line", [["invoice", "=", note]], [])
    acts.edit_line(pair.anna, note, line["id"], unit_price=D("13500.00"))
    acts.post(pair.anna, note)
    pair.run()
    assert told(pair, number, "status", "credited_in_part") == ("booked", "True")
    assert told(pair, number, "net", "paid", "open") == ("40500.00", "0.00", "50625.00")
    assert pair.balance(buyer) == (D("50625.00"), D(0))
    assert parts(pair.tied(), number) == [("credited", "13500.00")]
    # The note is set against the invoice: nothing more is credited by that.
    (claim,) = admin.read("account.invoice", note, "lines_to_pay")["lines_to_pay"]
    pair.anna.write("account.invoice", pair.id_of(number), {"payment_lines": [["add", [claim]]]})
    pair.run()
    assert told(pair, number, "status", "credited_in_part") == ("booked", "True")
    assert told(pair, number, "net", "paid", "open") == ("40500.00", "0.00", "50625.00")
    acts.pay(pair.anna, pair.id_of(number))
    pair.run()
    assert told(pair, number, "status", "paid", "open") == ("paid", "50625.00", "0.00")
    assert parts(pair.tied(), number) == [("credited", "13500.00")]


def test_a_credit_larger_than_what_is_open(pair: TrytonPair) -> None:
    number, buyer = posted(pair, "8000.00")
    acts.pay(pair.anna, pair.id_of(number), D("8000.00"))
    note = acts.credit(pair.anna, pair.id_of(number), refund=False)
    admin = pair.running.admin
    (line,) = admin.search("account.invoice.line", [["invoice", "=", note]], [])
    acts.edit_line(pair.anna, note, line["id"], unit_price=D("4000.00"))
    acts.post(pair.anna, note)
    pair.run()
    assert told(pair, number, "net", "paid") == ("4000.00", "8000.00")
    assert told(pair, number, "open", "refund_due") == ("-3000.00", "True")
    assert pair.balance(buyer) == (D("-3000.00"), D(0))
    assert parts(pair.tied(), number) == [("credited", "4000.00")]


def test_paying_in_parts_by_the_wizard_and_the_bank(pair: TrytonPair) -> None:
    number, buyer = posted(pair, "30000.00", "18750.00")
    invoice = pair.id_of(number)
    acts.pay(pair.anna, invoice, D("30000.00"))
    pair.run()
    assert pair.row(number, "total_amount")["total_amount"] == D("60937.50")
    assert told(pair, number, "status", "paid", "open") == ("partly_paid", "30000.00", "30937.50")
    (row,) = [row for row in pair.tied().deals if row.number == number]
    assert row.paid == D("24000.00")
    today = pair.row(number, "invoice_date")["invoice_date"]
    acts.pay_by_bank(pair.anna, invoice, D("937.50"), on=today)
    pair.run()
    assert told(pair, number, "status", "paid", "open") == ("partly_paid", "30937.50", "30000.00")
    acts.pay_by_bank(pair.anna, invoice, D("30000.00"), on=today)
    pair.run()
    assert told(pair, number, "status", "paid", "open") == ("paid", "60937.50", "0.00")
    assert pair.balance(buyer) == (D(0), D(0))
    assert parts(pair.tied(), number) == []


def test_a_payment_that_is_taken_back(pair: TrytonPair) -> None:
    number, buyer = posted(pair, "1000.00")
    today = pair.row(number, "invoice_date")["invoice_date"]
    acts.pay_by_bank(pair.anna, pair.id_of(number), D("1250.00"), on=today)
    pair.run()
    assert told(pair, number, "status", "paid", "open") == ("paid", "1250.00", "0.00")
    acts.undo_settlement(pair.anna, pair.id_of(number))
    pair.run()
    # The money is on the customer's account, no longer on this invoice: status goes back.
    assert told(pair, number, "status", "paid", "open") == ("booked", "0.00", "1250.00")
    assert pair.balance(buyer) == (D("1250.00"), D(0))
    assert parts(pair.tied(), number) == []


def test_undoing_what_the_wizard_paid_leaves_the_money_on_the_invoice(pair: TrytonPair) -> None:
    number, _ = posted(pair, "1100.00")
    acts.pay(pair.anna, pair.id_of(number))
    acts.undo_settlement(pair.anna, pair.id_of(number))
    pair.run()
    seen = pair.row(number, "state", "amount_to_pay", "payment_lines")
    assert (seen["state"], seen["amount_to_pay"]) == ("posted", D(0))
    assert told(pair, number, "status", "paid", "open") == ("paid", "1375.00", "0.00")
    pair.anna.write(
        "account.invoice",
        pair.id_of(number),
        {"payment_lines": [["remove", seen["payment_lines"]]]},
    )
    pair.run()
    assert told(pair, number, "status", "paid", "open") == ("booked", "0.00", "1375.00")


def test_paying_too_much(pair: TrytonPair) -> None:
    number, buyer = posted(pair, "26000.00")
    acts.pay(pair.anna, pair.id_of(number), D("33000.00"))
    pair.run()
    assert told(pair, number, "status", "paid", "open") == ("paid", "32500.00", "0.00")
    # What is too much is the customer's own money, and never netted with claims.
    assert pair.balance(buyer) == (D(0), D(0))
    report = pair.tie_out(ALL_TIME, receivables=True).report
    assert report.receivables is not None
    assert report.receivables.agrees
    assert report.receivables.movements.on_account >= D("500.00")


def test_writing_off(pair: TrytonPair) -> None:
    number, buyer = posted(pair, "10000.00")
    acts.write_off(pair.anna, pair.id_of(number))
    pair.run()
    assert told(pair, number, "status", "net") == ("written_off", "10000.00")
    assert told(pair, number, "paid", "open") == ("0.00", "0.00")
    assert pair.balance(buyer) == (D(0), D(0))
    assert parts(pair.tied(), number) == []


def test_a_difference_of_a_rounding(pair: TrytonPair) -> None:
    number, _ = posted(pair, "33333.60")
    assert pair.row(number, "total_amount")["total_amount"] == D("41667.00")
    acts.write_off(pair.anna, pair.id_of(number), D("41666.66"))
    pair.run()
    assert told(pair, number, "status", "paid", "open") == ("paid", "41666.66", "0.00")
    assert parts(pair.tied(), number) == []


def test_overdue_from_the_day_after(database_url: str, tryton: RunningTryton) -> None:
    with TrytonPair(database_url, tryton) as pair:
        number, buyer = posted(pair, "2000.00")
        acts.pay(pair.anna, pair.id_of(number), D("500.00"))
        pair.run()
        shown = told(pair, number, "status", "open", "overdue")
        assert shown == ("partly_paid", "2000.00", None)
        # 30 days, and at most three more where the last one is no day of the banks.
        pair.clock.advance(31 * 86_400 + 3 * 86_400)
        pair.run()
        assert told(pair, number, "status", "open", "overdue") == (
            "partly_paid",
            "2000.00",
            "True",
        )
        assert pair.balance(buyer) == (D("2000.00"), D("2000.00"))
        acts.pay(pair.anna, pair.id_of(number))
        pair.run()
        assert told(pair, number, "status", "overdue") == ("paid", None)
        assert pair.balance(buyer) == (D(0), D(0))


def test_editing_a_draft_through_its_head(pair: TrytonPair) -> None:
    number, _ = new(pair, "27200.00")
    pair.price_there(number, "26000.00")
    pair.run()
    assert pair.cases_of(number) == []
    assert told(pair, number, "status") == ("draft",)
    assert parts(pair.tied(), number) == [
        ("edited_in_the_books", "1200.00"),
        ("in_draft", "26000.00"),
    ]
    pair.book(number)
    pair.run()
    assert told(pair, number, "status", "net", "open") == ("booked", "26000.00", "32500.00")
    assert parts(pair.tied(), number) == [("edited_in_the_books", "1200.00")]


def test_editing_a_line_by_itself_moves_no_stamp_and_is_seen(pair: TrytonPair) -> None:
    number, _ = new(pair, "27200.00")
    before = pair.row(number, "_timestamp")["_timestamp"]
    (line,) = pair.running.admin.search(
        "account.invoice.line", [["invoice", "=", pair.id_of(number)]], []
    )
    pair.anna.write("account.invoice.line", line["id"], {"unit_price": D("26500.00")})
    assert pair.row(number, "_timestamp")["_timestamp"] == before
    pair.run()
    assert parts(pair.tied(), number) == [
        ("edited_in_the_books", "700.00"),
        ("in_draft", "26500.00"),
    ]
    pair.book(number)
    pair.run()
    assert told(pair, number, "net", "open") == ("26500.00", "33125.00")
    assert parts(pair.tied(), number) == [("edited_in_the_books", "700.00")]


def test_duplicating_a_draft_leaves_the_key_behind(pair: TrytonPair) -> None:
    number, _ = new(pair, "7100.00")
    own = pair.id_of(number)
    copied = acts.duplicate(pair.anna, own)
    assert pair.running.admin.read("account.invoice", copied, "tieout_key")["tieout_key"] is None
    for _ in range(2):
        pair.run()
    assert pair.id_of(number) == own
    assert len([r for r in pair.invoices() if r["untaxed_amount"] == D("7100.00")]) == 2
    assert told(pair, number, "status") == ("draft",)
    acts.post(pair.anna, copied)
    pair.run()
    assert told(pair, number, "status") == ("draft",)
    result = pair.tied()
    assert parts(result, number) == [("in_draft", "7100.00")]
    assert [row.invoiced for row in result.without_deal if row.invoiced == D("7100.00")]


def test_duplicating_an_invoice_that_is_posted(pair: TrytonPair) -> None:
    number, _ = posted(pair, "7200.00")
    own = pair.id_of(number)
    copied = acts.duplicate(pair.anna, own)
    acts.post(pair.anna, copied)
    pair.run()
    pair.run()
    assert told(pair, number, "status", "net", "open") == ("booked", "7200.00", "9000.00")
    result = pair.tied()
    assert parts(result, number) == []
    assert [row.invoiced for row in result.without_deal if row.invoiced == D("7200.00")]


def test_a_period_that_is_closed_and_reopened(database_url: str, tryton: RunningTryton) -> None:
    with TrytonPair(database_url, tryton) as pair:
        admin, anna = tryton.admin, pair.anna
        pair.deal("D-1", "Tallmo Skog AB", "1000.00")
        pair.run()
        today = pair.clock.now().date()
        until = [["type", "=", "standard"], ["start_date", "<=", today + timedelta(days=2)]]
        closed = [row["id"] for row in admin.search("account.period", until, [])]
        for period in closed:
            acts.close_period(anna, period)
        with pytest.raises(TrytonError, match="reopen the period"):
            pair.book("D-1")
        pair.deal("D-2", "Tallmo Skog AB", "2000.00")
        pair.run()
        assert pair.cases_of("D-2") == ["period_closed"]
        assert pair.figures("D-1")["status"] == "draft"
        assert len(pair.drafts()) == 1
        assert dict(parts(pair.tied(), "D-2")) == {"exception_open": "2000.00"}
        for period in closed[-3:]:
            acts.reopen_period(anna, period)
        pair.run()
        pair.run()
        assert pair.cases() == []
        for number in ("D-1", "D-2"):
            pair.book(number)
        pair.run()
        assert [pair.figures(number)["status"] for number in ("D-1", "D-2")] == ["booked"] * 2
        assert pair.tied().gap == D(0)
