"""What a controller is told about money when people do things in an unlucky order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import BOOKS, RealPair
from tieout.core.ledger_list import Period
from tieout.core.tieout import TieOut
from tieout.services import exceptions, prove, why
from tieout.store import people

D = Decimal
OCTOBER, CUT_OFF = Period.month(2026, 10), date(2026, 10, 31)
BUYER = "Tallmo Skog AB"
CONFIGURED = CONFIGURATION.replace("approve_above: 100000", "approve_above: 1000000")
KEPT = CONFIGURED.replace("mode: approve", "mode: approve\n    void_on_reopen: false")
NO_RATE = CONFIGURED.replace("  reconcile:\n    rate: deal.Sales_Rate__c\n", "")


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., RealPair]]:
    """Makes the pair of a test, on the morning of 5 October."""
    made: list[RealPair] = []

    def making(configuration: str = CONFIGURED) -> RealPair:
        made.append(RealPair(database_url, configuration, start=moment(10, 5)))
        return made[-1]

    yield making
    for pair in made:
        pair.__exit__()


def deal(pair: RealPair, number: str, *amounts: Any, account: str = BUYER, **more: Any) -> None:
    """A won deal whose order is confirmed, with its draft."""
    pair.deal(number, account, *amounts, **{"Order_Confirmed__c": True, **more})
    pair.run()


def booked(pair: RealPair, number: str, *amounts: Any, **more: Any) -> str:
    """The same, booked by finance; the invoice's number."""
    deal(pair, number, *amounts, **more)
    invoice = pair.book(number)
    pair.run()
    return invoice


def october(pair: RealPair) -> TieOut:
    """The tie-out of October, in which nothing is unexplained whatever happened."""
    result = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert result.explained, result.unexplained_parts
    return result


def parts(result: TieOut, number: str = "D-1") -> list[tuple[str, str]]:
    row = next(row for row in result.deals if row.number == number)
    return [(part.cause.value, str(part.amount)) for part in row.parts]


def drafted(pair: RealPair) -> Decimal:
    """What all drafts come to, net."""
    rows = [row for one in pair.records("customerinvoicedrafts") for row in one["Rows"]]
    return sum((D(row["Quantity"]) * D(row["UnitPrice"]) for row in rows), D(0))


def test_a_deal_corrected_to_what_finance_booked(make) -> None:
    pair = make()
    deal(pair, "D-1", "27200.00")
    pair.in_books("edit_draft", draft=pair.draft_of("D-1"), line=1, price="26000.00")
    pair.book("D-1")
    pair.run()
    assert parts(october(pair)) == [("edited_in_the_books", "1200.00")]
    pair.price("D-1", "26000.00")
    pair.run()
    assert parts(october(pair)) == []


def test_a_deal_that_follows_lines_that_finance_added(make) -> None:
    pair = make()
    deal(pair, "D-1", "1000.00", "50.00")
    pair.in_books("edit_draft", draft=pair.draft_of("D-1"), line=2, quantity="3")
    pair.book("D-1")
    pair.run()
    pair.price("D-1", "1100.00")
    pair.run()
    assert pair.cases() == []
    assert parts(october(pair)) == []


def test_a_clone_shows_nothing_of_its_original(make) -> None:
    pair = make()
    booked(pair, "D-1", "1000.00")
    made = pair.in_crm("clone_opportunity", id=pair.deals["D-1"], name="again")
    pair.deals["D-2"] = made["id"]
    pair.in_crm("win", id=made["id"])
    pair.run()
    pair.run()
    shown = pair.shown("D-2")
    assert shown["status"] == "draft"
    assert [shown[name] for name in ("number", "net", "paid", "open")] == [None] * 4


def test_what_is_proposed_starts_from_what_stands(make) -> None:
    pair = make()
    deal(pair, "D-1", "27200.00")
    pair.in_books("edit_draft", draft=pair.draft_of("D-1"), line=1, price="26000.00")
    invoice = pair.book("D-1")
    pair.run()
    pair.price("D-1", "25000.00")
    pair.run()
    (case,) = pair.cases()
    assert case.hint == "Proposal: a credit note over 1,000.00. Finance decides."
    pair.in_books("credit", invoice=invoice, amount="750.00")
    pair.run()
    (case,) = pair.cases()
    assert case.hint == "Proposal: a credit note over 400.00. Finance decides."
    pair.at(moment(11, 3))
    pair.in_books("credit", invoice=invoice, amount="500.00")
    pair.run()
    assert pair.cases() == []
    november = pair.tie_out(OCTOBER, date(2026, 11, 3)).tie_out
    assert november.explained
    assert (november.sold, november.invoiced) == (D("25000.00"), D("25000.00"))
    before = october(pair)
    assert (before.gap, parts(before)[0]) == (D("-400.00"), ("credited", "-1000.00"))


def test_a_deal_that_was_lost_and_its_invoice_credited(make) -> None:
    pair = make()
    invoice = booked(pair, "D-1", "80000.00")
    pair.in_crm("lose", id=pair.deals["D-1"])
    pair.run()
    assert parts(october(pair)) == [("exception_open", "-80000.00")]
    pair.in_books("credit", invoice=invoice)
    pair.run()
    result = october(pair)
    assert (result.sold, result.invoiced, parts(result)) == (D(0), D(0), [])
    shown = pair.shown("D-1")
    assert (shown["status"], shown["number"], shown["net"]) == ("credited", invoice, D(0))


def test_a_deal_that_was_deleted_is_not_sold(make) -> None:
    pair = make()
    for number in ("D-1", "D-2", "D-3", "D-4"):
        pair.deal(number, BUYER, "2000.00", Order_Confirmed__c=True)
    pair.run()
    pair.book("D-1")
    pair.run()
    pair.in_crm("delete_opportunity", id=pair.deals["D-1"])
    pair.run()
    result = october(pair)
    assert (result.sold, result.invoiced) == (D("6000.00"), D("2000.00"))
    assert parts(result) == [("exception_open", "-2000.00")]


def test_an_update_of_a_draft_without_an_answer(make) -> None:
    pair = make()
    deal(pair, "D-1", "1000.00")
    pair.price("D-1", "1100.00")
    path = "/v2/customerinvoicedrafts/*"
    pair.books.faults.add({"kind": "drop_after_commit", "method": "PUT", "path": path})
    pair.run()
    assert parts(october(pair)) == [("on_its_way", "100.00"), ("in_draft", "1000.00")]


def test_a_draft_that_cannot_be_updated(make) -> None:
    pair = make()
    deal(pair, "D-1", "1000.00")
    for customer in pair.records("customers"):
        pair.in_books("deactivate_customer", customer=customer["Id"])
    pair.price("D-1", "1100.00")
    pair.run()
    assert [case.code for case in pair.cases()] == ["customer_inactive"]
    assert parts(october(pair)) == [("exception_open", "100.00"), ("in_draft", "1000.00")]
    # Who accepts that accepts no more than what the draft leaves open.
    (case,) = pair.cases()
    said = {"who": "Maria Ek", "reason": "next year", "now": pair.clock.now()}
    assert pair.do(exceptions.dismiss(pair.store, case, **said)) == D("100.00")
    assert parts(october(pair)) == [("in_draft", "1000.00"), ("accepted", "100.00")]


def test_a_draft_that_stays_although_nothing_is_left_to_invoice(make) -> None:
    pair = make(KEPT)
    deal(pair, "D-1", "1000.00")
    pair.price("D-1", "0.00")
    pair.run()
    assert parts(october(pair)) == [("exception_open", "-1000.00"), ("in_draft", "1000.00")]


def test_a_draft_that_went_and_a_deal_that_changed_since(make) -> None:
    pair = make()
    deal(pair, "D-1", "1000.00")
    deal(pair, "D-2", "10.00")
    pair.in_books("delete_draft", draft=pair.draft_of("D-1"))
    pair.run()
    # It may have been booked meanwhile: until that was looked for, neither side says cancelled.
    assert pair.shown("D-1")["status"] == "draft"
    assert parts(october(pair)) == [("on_its_way", "1000.00")]
    pair.price("D-1", "1300.00")
    pair.run()
    assert pair.shown("D-1")["status"] == "cancelled"
    assert parts(october(pair)) == [("cancelled", "1300.00")]


def test_a_deletion_is_dated_by_the_clock_of_the_books(make) -> None:
    pair = make()
    deal(pair, "D-1", "1000.00")
    deal(pair, "D-2", "10.00")
    pair.at(moment(11, 1, 0, 10))  # 31 October, 23:10 UTC
    pair.in_books("delete_draft", draft=pair.draft_of("D-1"))
    pair.run()
    pair.run()
    row = next(row for row in october(pair).deals if row.number == "D-1")
    assert [part.day for part in row.parts] == [date(2026, 11, 1)]


def test_steps_that_were_booked_and_raised_are_accepted_together(make) -> None:
    pair = make()
    deal(pair, "D-1", "60000.00", Billing_Plan__c="2")
    pair.book("D-1", 1)
    pair.book("D-1", 2)
    pair.run()
    pair.price("D-1", "66000.00")
    pair.run()
    assert parts(october(pair)) == [("exception_open", "3000.00")] * 2
    (case,) = pair.cases()
    assert case.amount == D("6000.00")
    said = {"who": "Maria Ek", "reason": "next year", "now": pair.clock.now()}
    assert pair.do(exceptions.dismiss(pair.store, case, **said)) == D("6000.00")
    assert parts(october(pair)) == [("accepted", "3000.00")] * 2


@pytest.mark.parametrize(("before", "after"), [(None, "2"), ("2", None)])
def test_another_billing_plan_invoices_nothing_twice(make, before, after) -> None:
    pair = make()
    deal(pair, "D-1", "60000.00", Billing_Plan__c=before)
    deal(pair, "D-2", "10000.00", Billing_Plan__c=before)
    invoice = pair.book("D-1", 1 if before else 0)
    pair.run()
    for number in ("D-1", "D-2"):
        pair.edit(number, Billing_Plan__c=after)
    pair.run()
    pair.run()
    # What was only drafted is made anew; of what is booked nothing is made a second time.
    assert drafted(pair) == D("10000.00")
    codes = {case.code for case in pair.cases()}
    assert codes == {"former_plan_invoiced", "reopened_after_booking"}
    held = sum(D(amount) for cause, amount in parts(october(pair)) if cause == "exception_open")
    assert held == D("60000.00") - (D("30000.00") if before else D("60000.00"))
    pair.in_books("credit", invoice=invoice)
    pair.run()
    pair.run()
    assert pair.cases() == []
    assert drafted(pair) == D("70000.00")
    result = october(pair)
    assert (result.sold, result.invoiced) == (D("70000.00"), D(0))


@pytest.mark.parametrize("paid", [None, "20000.00"])
def test_a_loss_on_an_invoice_that_was_credited_in_part(make, paid: str | None) -> None:
    pair = make()
    invoice = booked(pair, "D-1", "33333.33")
    pair.in_books("credit", invoice=invoice, amount="10000.00")
    if paid:
        pair.in_books("pay", invoice=invoice, amount=paid)
    pair.in_books("write_off", invoice=invoice)
    pair.run()
    shown = pair.shown("D-1")
    assert (shown["status"], shown["paid"]) == ("written_off", D(paid or 0))
    if paid:
        pair.in_books("return_payment", invoice=invoice)
        pair.run()
        shown = pair.shown("D-1")
        assert (shown["status"], shown["paid"], shown["open"]) == ("booked", D(0), D("20000.00"))
    assert october(pair).paid == D(0)


def test_a_rate_that_moved_since_the_invoice(make) -> None:
    pair = make(NO_RATE)
    pair.account("Saimaan Telakka Oy", "FI")
    booked(pair, "D-1", "2000.00", account="Saimaan Telakka Oy", currency="EUR")
    before = october(pair)
    assert before.sold == before.invoiced == D("22086.40")
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.90")
    pair.at(moment(10, 7))
    pair.run()
    assert october(pair).sold == before.sold


def test_a_rest_that_the_books_write_off_is_not_overdue(make) -> None:
    pair = make()
    invoice = booked(pair, "D-1", "33333.33")
    pair.in_books("pay", invoice=invoice, amount="41666.66")
    pair.at(moment(12, 20))
    pair.run()
    shown = pair.shown("D-1")
    assert (shown["status"], shown["open"], shown["overdue"]) == ("partly_paid", D("0.34"), False)
    assert pair.balance(BUYER) == (D("0.34"), D(0))


def test_deals_behind_a_customer_that_was_refused_say_so(make) -> None:
    pair = make()
    pair.account("Långa Namnet AB", BillingPostalCode="1234567890123456789")
    for number, amount in (("D-1", "1000.00"), ("D-2", "3000.00")):
        pair.deal(number, "Långa Namnet AB", amount, Order_Confirmed__c=True)
    pair.run()
    (case,) = pair.cases()
    assert (case.waiting, case.amount) == (("D-1", "D-2"), D("4000.00"))
    total = pair.do(pair.store.do(lambda tx: people.open_total(tx, pair.engine.bridge)))
    assert (total.number, total.amounts) == (1, ((D("4000.00"), "SEK"),))
    assert total.without_amount == 0
    named = pair.do(why.find(pair.engine, pair.store, "D-2"))
    told = pair.do(why.why(pair.engine, pair.store, named))
    assert [one.name for one in told.cases] == [case.name]
    assert parts(october(pair), "D-2") == [("exception_open", "3000.00")]
    assert pair.companies[BOOKS].currency == "SEK"


@pytest.mark.parametrize("changed", ["1100.00", "900.00"])
def test_a_deal_that_changed_after_its_invoice_was_credited(make, changed: str) -> None:
    pair = make()
    invoice = booked(pair, "D-1", "1000.00")
    pair.in_books("credit", invoice=invoice)
    pair.run()
    pair.price("D-1", changed)
    pair.run()
    assert pair.cases() == []
    result = october(pair)
    assert (result.sold, result.invoiced) == (D(changed), D(0))
    found = parts(result)
    assert {cause for cause, _ in found} == {"credited"}
    assert sum(D(amount) for _, amount in found) == D(changed)


def test_a_deal_deleted_after_its_invoice_was_credited(make) -> None:
    pair = make()
    deal(pair, "D-2", "10.00")
    invoice = booked(pair, "D-1", "1000.00")
    pair.in_books("credit", invoice=invoice, amount="500.00")
    pair.at(moment(11, 2))
    pair.in_books("credit", invoice=invoice, amount="750.00")
    pair.run()
    pair.in_crm("delete_opportunity", id=pair.deals["D-1"])
    pair.run()
    # Both documents of October are still its, and the one of November is November's.
    result = october(pair)
    assert result.without_deal == ()
    assert (result.sold, result.invoiced) == (D("10.00"), D("600.00"))
    november = pair.tie_out(Period.month(2026, 11)).tie_out
    assert november.explained
    assert [(line.code, line.amount) for line in november.by_period[1:]] == [
        ("credits", D("-600.00"))
    ]


def test_more_was_credited_than_was_invoiced(make) -> None:
    pair = make()
    invoice = booked(pair, "D-1", "1000.00")
    pair.in_books("credit", invoice=invoice)
    pair.in_books("credit", invoice=invoice, amount="250.00")
    pair.run()
    pair.price("D-1", "1200.00")
    pair.run()
    result = october(pair)
    assert (result.invoiced, {cause for cause, _ in parts(result)}) == (D("-200.00"), {"credited"})
    pair.in_crm("lose", id=pair.deals["D-1"])
    pair.run()
    assert parts(october(pair)) == [("credited", "200.00")]
    shown = pair.shown("D-1")
    assert (shown["status"], shown["net"], shown["refund_due"]) == ("credited", D("-200.00"), True)


def test_a_deal_that_was_invoiced_anew_at_another_rate(make) -> None:
    pair = make(NO_RATE)
    pair.account("Saimaan Telakka Oy", "FI")
    invoice = booked(pair, "D-1", "2000.00", account="Saimaan Telakka Oy", currency="EUR")
    pair.in_books("credit", invoice=invoice)
    pair.run()
    pair.in_crm("reopen", id=pair.deals["D-1"])
    pair.run()
    pair.in_crm("win", id=pair.deals["D-1"])
    pair.run()
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.90")
    pair.at(moment(10, 20))
    pair.book("D-1")
    pair.run()
    result = october(pair)
    assert (result.sold, result.invoiced, parts(result)) == (D("23800.00"), D("23800.00"), [])
    # Credited and made anew in November, October keeps the rate of its own invoice.
    pair.at(moment(11, 3))
    pair.in_books("credit", invoice=pair.invoice_of("D-1"))
    pair.run()
    for act in ("reopen", "win"):
        pair.in_crm(act, id=pair.deals["D-1"])
        pair.run()
    pair.in_books("set_exchange_rate", currency="EUR", rate="12.50")
    pair.book("D-1")
    pair.run()
    assert (october(pair).sold, october(pair).invoiced) == (D("23800.00"), D("23800.00"))


@pytest.mark.parametrize("act", ["lose", "delete_opportunity"])
def test_what_is_dismissed_of_a_deal_that_is_not_won_any_more(make, act: str) -> None:
    pair = make()
    deal(pair, "D-2", "10.00")
    deal(pair, "D-1", "3000.00")
    pair.in_books("edit_draft", draft=pair.draft_of("D-1"), line=1, price="4000.00")
    pair.book("D-1")
    pair.run()
    pair.in_crm(act, id=pair.deals["D-1"])
    pair.run()
    assert parts(october(pair)) == [
        ("exception_open", "-3000.00"),
        ("edited_in_the_books", "-1000.00"),
    ]
    (case,) = pair.cases()
    said = {"who": "Maria Ek", "reason": "stays", "now": pair.clock.now()}
    assert pair.do(exceptions.dismiss(pair.store, case, **said)) == D("-3000.00")
    pair.run()
    assert parts(october(pair)) == [("edited_in_the_books", "-1000.00"), ("accepted", "-3000.00")]


def test_a_deal_that_waits_for_a_person_does_not_read_as_agreed(make) -> None:
    pair = make()
    booked(pair, "D-1", "1000.00")
    pair.edit("D-1", Order_Confirmed__c=False)
    pair.run()
    (case,) = pair.cases()
    result = october(pair)
    (row,) = result.deals
    assert (row.gap, row.agrees) == (D(0), False)
    assert [(part.cause.value, part.amount, part.ref) for part in row.parts] == [
        ("exception_open", D(0), case.name)
    ]


def test_a_lost_deal_whose_invoice_was_paid_and_then_credited(make) -> None:
    pair = make()
    invoice = booked(pair, "D-1", "1000.00")
    pair.in_books("pay", invoice=invoice, amount="1250.00")
    note = pair.in_books("credit", invoice=invoice, amount="625.00")
    pair.run()
    pair.in_crm("lose", id=pair.deals["D-1"])
    pair.run()
    assert [case.code for case in pair.cases()] == ["reopened_after_booking"]
    pair.in_books("credit", invoice=invoice, amount="625.00")
    pair.run()
    # All of it is credited; that the money is still to be paid back is another matter.
    assert (pair.cases(), parts(october(pair))) == ([], [])
    assert pair.shown("D-1")["refund_due"] is True
    pair.in_books("pay", invoice=note["InvoiceNumber"], amount="625.00")
    pair.run()
    assert pair.cases() == []
    assert pair.do(prove.prove(pair.engine, pair.store, None, [])).orphans == []


def test_two_accounts_that_became_one_are_shown_until_their_customers_are(make) -> None:
    pair = make()
    one, other = pair.account("Ett AB"), pair.account("Annat AB")
    deal(pair, "D-1", "1000.00", account="Ett AB")
    deal(pair, "D-2", "2000.00", account="Annat AB")
    invoice, second = pair.book("D-1"), pair.book("D-2")
    pair.run()
    pair.in_crm("merge_accounts", winner=one, losers=[other])
    pair.run()
    pair.run()
    # The account owes what is open of both.
    assert pair.balance("Ett AB") == (D("3750.00"), D("0.00"))
    (case,) = pair.cases("accounts_merged")
    assert case.hint == "Merge the two customers in the books as well."
    pair.in_books("pay", invoice=second, amount="1000.00")
    pair.run()
    assert pair.balance("Ett AB") == (D("2750.00"), D("0.00"))
    # Also once finance took one of them out of use: its invoice is open all the same.
    left = next(row for row in pair.records("customers") if row["Name"] == "Annat AB")
    pair.in_books("deactivate_customer", customer=left["Id"])
    pair.run()
    assert pair.cases("accounts_merged") == []
    assert pair.balance("Ett AB") == (D("2750.00"), D("0.00"))
    pair.in_books("credit", invoice=invoice)
    pair.in_books("pay", invoice=second, amount="1500.00")
    pair.run()
    assert pair.balance("Ett AB") == (D("0.00"), D("0.00"))


def test_what_is_let_be_in_another_currency_leaves_no_cent(make) -> None:
    pair = make()
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.0437")
    pair.account("Saimaan Telakka Oy", "FI")
    more = {"currency": "EUR", "Sales_Rate__c": "11.2371"}
    deal(pair, "D-1", "1000.13", account="Saimaan Telakka Oy", **more)
    pair.book("D-1")
    pair.run()
    # 18.28 at 11.2371 is 205.41; from 1,018.41 to 1,000.13 it is 205.42, each rounded.
    pair.price("D-1", "1018.41")
    pair.run()
    (case,) = pair.cases()
    said = {"who": "Maria Ek", "reason": "next year", "now": pair.clock.now()}
    assert pair.do(exceptions.dismiss(pair.store, case, **said)) == D("18.28")
    assert parts(october(pair)) == [("currency_rate", "193.42"), ("accepted", "205.42")]


def test_a_foreign_draft_moves_with_the_rate_and_its_gap_does_not(make) -> None:
    pair = make()
    pair.account("Saimaan Telakka Oy", "FI")
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.00")
    deal(pair, "D-1", "1000.00", account="Saimaan Telakka Oy", currency="EUR")
    assert parts(october(pair)) == [("in_draft", "11000.00")]
    pair.at(moment(11, 2))
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.50")
    pair.run()
    assert parts(october(pair)) == [("in_draft", "11500.00")]
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.80")
    pair.book("D-1")
    pair.run()
    assert parts(october(pair)) == [("booked_after_cut_off", "11800.00")]
    november = pair.tie_out(Period.month(2026, 11), date(2026, 11, 30)).tie_out
    assert november.explained
    assert [(line.code, line.amount) for line in november.by_period if line.amount] == [
        ("invoices", D("11800.00"))
    ]


@pytest.mark.parametrize("act", ["lose", "delete_opportunity"])
def test_a_draft_of_a_lost_deal_that_stays_is_shown_until_it_goes(make, act: str) -> None:
    pair = make()
    deal(pair, "D-2", "10.00")
    deal(pair, "D-1", "3000.00")
    draft = pair.draft_of("D-1")
    pair.in_books("edit_draft", draft=draft, line=1, price="2900.00")
    pair.run()
    pair.in_crm(act, id=pair.deals["D-1"])
    pair.run()
    (case,) = pair.cases()
    assert case.code == "reopened_draft_kept"
    waiting = [("exception_open", "-3000.00"), ("edited_in_the_books", "100.00")]
    result = october(pair)
    assert parts(result) == [*waiting, ("in_draft", "2900.00")]
    row = next(row for row in result.deals if row.number == "D-1")
    assert (row.sold, row.invoiced, row.agrees) == (D("0.00"), D("0.00"), False)
    said = {"who": "Maria Ek", "reason": "kept for now", "now": pair.clock.now()}
    assert pair.do(exceptions.dismiss(pair.store, case, **said)) == D("-3000.00")
    assert ("accepted", "-3000.00") in parts(october(pair))
    pair.in_books("delete_draft", draft=draft)
    pair.run()
    pair.run()
    assert [row.number for row in october(pair).deals] == ["D-2"]


def test_a_draft_of_a_lost_deal_whose_deletion_waits_for_a_person_is_shown(make) -> None:
    pair = make(CONFIGURED.replace("    approve_above: 1000000\n", ""))
    pair.deal("D-1", BUYER, "3000.00", Order_Confirmed__c=True)
    pair.run()
    pair.approve("D-1")
    pair.run()
    assert parts(october(pair)) == [("in_draft", "3000.00")]
    pair.in_crm("lose", id=pair.deals["D-1"])
    pair.run()
    assert parts(october(pair)) == [("waiting_for_approval", "-3000.00"), ("in_draft", "3000.00")]
    pair.approve("D-1")
    pair.run()
    pair.run()
    assert october(pair).deals == ()
