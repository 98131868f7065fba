"""One company with a bad deal for every gate and ten good ones, in one run over the real pair."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from e2e import test_possible_duplicate
from support.october import moment
from support.real_pair import RealPair
from tieout.core import gates
from tieout.core.ledger_list import Period
from tieout.services import planning
from tieout.services.enrich import NordicEnricher
from tieout.store.people import Case

D = Decimal
CONFIGURATION = """
bridge: nordic
crm: salesforce-prod
books:
  - connection: visma-se
    currency: [SEK, EUR]
flows:
  documents:
    mode: auto
    instalments: deal.Billing_Plan__c
    require_email: true
    required_dimensions: [cost_center]
    check_vat_state: true
mapping:
  dimensions:
    cost_center: deal.Cost_Center__c
tables:
  payment_terms: {"Net 10": "10", "Net 14": "14", "Net 30": "30", "Net 60": "60"}
  items: {CONS: KONS-1, CABINET: SKÅP-SE}
"""
GOOD = [f"D-2{number:02}" for number in range(10)]
HALF_HOUR = {"product": "CONS", "quantity": "0.5", "unit_price": "6666.67"}


def org(pair: RealPair) -> None:
    """What the administrator and finance have set up before."""
    pair.in_crm("create_field", object="Opportunity", field="Cost_Center__c", type="string:20")
    pair.in_crm("set_scale", object="OpportunityLineItem", field="TotalPrice", scale=3)
    pair.in_crm("set_scale", object="OpportunityLineItem", field="UnitPrice", scale=3)
    pair.in_crm("create_product", name="Montage plus", price="9640.00")
    pair.in_crm("create_product", name="Cabinet", code="CABINET", price="7990.00")


def deal(pair: RealPair, number: str, account: str, *amounts: Any, **more: Any) -> None:
    """A deal that has its cost centre."""
    pair.deal(number, account, *amounts, **{"Cost_Center__c": "100", **more})


def in_books_before(pair: RealPair, name: str, times: int = 1, **values: Any) -> None:
    """Customers that finance entered long ago under the account's number."""
    account = next(r for r in pair.crm_records("Account") if r["Name"] == name)
    for _ in range(times):
        known = {"Name": name, "CorporateIdentityNumber": account["Org_Number__c"], **values}
        pair.in_books("create_customer", set=known)


def bad_deals(pair: RealPair) -> dict[str, tuple[str, str]]:
    """A deal for every gate: its code, and a part of the sentence that names what is wrong."""
    deal(pair, "D-101", "Ekfors Trä AB", {"product": "Montage plus", "unit_price": "9640.00"})
    pair.account("Kusthöjden AB")
    in_books_before(pair, "Kusthöjden AB", 2)
    deal(pair, "D-102", "Kusthöjden AB", "1000.00")
    pair.account("Alvik Analys AB", Org_Number__c="556917-3071", Vat_Number__c=None)
    deal(pair, "D-103", "Alvik Analys AB", "1000.00")
    pair.account("Saimaan Telakka Oy", "FI")
    deal(pair, "D-104", "Saimaan Telakka Oy", "1000.00", currency="EUR")
    deal(pair, "D-105", "Norrsken Foto AB", "1000.00", currency="USD")
    abroad = {"BillingCountryCode": "US", "Org_Number__c": None, "Vat_Number__c": None}
    pair.account("Portland Marine Inc", **abroad)
    cabinet = {"product": "CABINET", "unit_price": "7990.00"}
    deal(pair, "D-106", "Portland Marine Inc", cabinet)
    pair.account("Havtorn Energi AB", Payment_Terms__c="Net 45")
    deal(pair, "D-107", "Havtorn Energi AB", "1000.00")
    pair.deal("D-108", "Älvdal Kraft AB", "1000.00")
    deal(pair, "D-109", "Tallmo Skog AB", HALF_HOUR, HALF_HOUR, HALF_HOUR)
    deal(pair, "D-110", "Tallmo Skog AB", {"product": "CONS", "unit_price": "100.125"},
         {"product": "CONS", "unit_price": "100.125"})  # fmt: skip
    deal(pair, "D-111", "Tallmo Skog AB")
    deal(pair, "D-112", "Tallmo Skog AB", "100.00", "-500.00")
    pair.account("Granit & Mark AB", BillingPostalCode=None)
    deal(pair, "D-113", "Granit & Mark AB", "1000.00")
    pair.account("Mosippa Handel AB", Invoice_Email__c=None)
    deal(pair, "D-114", "Mosippa Handel AB", "1000.00")
    pair.account("Ekfors kommun", Buyer_Reference_Required__c=True)
    deal(pair, "D-115", "Ekfors kommun", "1000.00")
    pair.account("Vattenbo Teknik AB")
    in_books_before(pair, "Vattenbo Teknik AB")
    customer = next(r for r in pair.records("customers") if r["Name"] == "Vattenbo Teknik AB")
    pair.in_books("deactivate_customer", customer=customer["Id"])
    deal(pair, "D-116", "Vattenbo Teknik AB", "1000.00")
    deal(pair, "D-117", "Tallmo Skog AB", "1000.00")
    pair.edit("D-117", AccountId=None)
    deal(pair, "D-118", "Tallmo Skog AB", "1000.00", Billing_Plan__c="600.00, 300.00")
    deal(pair, "D-119", "Tallmo Skog AB", "1000.00", Billing_Plan__c="half now")
    return {
        "D-101": ("item_no_code", '"Montage plus" in D-101 has no code in visma-se.'),
        "D-102": ("customer_maybe_known", "Kusthöjden AB"),
        "D-103": ("number_wrong", "Company number 556917-3071 of Alvik Analys AB"),
        "D-104": ("number_unchecked", "Saimaan Telakka Oy"),
        "D-105": ("currency_not_allowed", "D-105 is in USD; visma-se takes SEK, EUR."),
        "D-106": ("tax_unresolved", "SKÅP-SE"),
        "D-107": ("terms_unmapped", "Net 45"),
        "D-108": ("dimension_missing", "visma-se wants a cost center; D-108 has none."),
        "D-109": ("net_differs", "D-109 is 10,000.01, visma-se would show 10,000.02."),
        "D-110": ("too_many_decimals", "D-110 has more than 2 decimals"),
        "D-111": ("no_lines", "D-111 has no lines to invoice."),
        "D-112": ("total_below_zero", "D-112 adds up to -400.00."),
        "D-113": ("address_incomplete", "Granit & Mark AB has no post code"),
        "D-114": ("email_missing", "Mosippa Handel AB has no e-mail address for invoices."),
        "D-115": ("buyer_reference_missing", "Ekfors kommun returns e-invoices"),
        "D-116": ("customer_inactive", "Vattenbo Teknik AB is no longer active in visma-se."),
        "D-117": ("customer_missing", "D-117 has no customer."),
        "D-118": ("schedule_not_total", "D-118 is 1,000.00, its instalments add up to 900.00."),
        "D-119": ("schedule_not_understood", '"half now" is no part'),
    }


@pytest.fixture(scope="module")
def pair(database_url: str) -> Iterator[RealPair]:
    enrich = NordicEnricher(check_vat_state=True, oss=False)
    with RealPair(database_url, CONFIGURATION, start=moment(10, 5), enrich=enrich) as made:
        org(made)
        yield made


@pytest.fixture(scope="module")
def expected(pair: RealPair) -> dict[str, tuple[str, str]]:
    """Everything is entered, then one run."""
    bad = bad_deals(pair)
    for number in GOOD:
        deal(pair, number, f"Köpare {number} AB", "1000.00", "250.50")
    pair.run()
    return bad


def of_deal(pair: RealPair, number: str) -> list[Case]:
    return [case for case in pair.cases() if case.source_id == pair.deals[number]]


def test_every_gate_refuses_its_deal_with_its_own_code(
    pair: RealPair, expected: dict[str, tuple[str, str]]
) -> None:
    found = {number: [case.code for case in of_deal(pair, number)] for number in expected}
    assert {number: codes for number, codes in found.items() if codes} == found
    wrong = {
        number: found[number] for number, (code, _) in expected.items() if code not in found[number]
    }
    assert wrong == {}
    assert len({code for code, _ in expected.values()}) == len(expected)


def test_a_gate_says_what_is_wrong_and_what_to_do(
    pair: RealPair, expected: dict[str, tuple[str, str]]
) -> None:
    for number, (code, words) in expected.items():
        case = next(case for case in of_deal(pair, number) if case.code == code)
        assert words in case.message, case.message
        assert case.hint.endswith("."), case
        assert case.deal == number


def test_all_other_deals_go_through(pair: RealPair, expected: dict[str, tuple[str, str]]) -> None:
    drafts = pair.records("customerinvoicedrafts")
    assert len(drafts) == len(GOOD)
    assert {row["InvoiceCustomerName"] for row in drafts} == {f"Köpare {n} AB" for n in GOOD}
    for row in drafts:
        net = D(row["TotalAmount"]) - D(row["TotalVatAmount"]) - D(row["TotalRoundings"])
        assert net == D("1250.50")
    assert [pair.shown(number)["status"] for number in GOOD] == ["draft"] * len(GOOD)
    # A deal that is held makes no customer.
    named = {row["Name"] for row in pair.records("customers")}
    assert named == {*(f"Köpare {n} AB" for n in GOOD), "Kusthöjden AB", "Vattenbo Teknik AB"}
    assert [case.code for number in GOOD for case in of_deal(pair, number)] == []


def test_what_is_held_stands_in_the_tie_out(
    pair: RealPair, expected: dict[str, tuple[str, str]]
) -> None:
    result = pair.tie_out(Period.month(2026, 10), date(2026, 10, 31)).tie_out
    assert result.explained
    held = next(c for c in result.causes if c.cause.value == "exception_open")
    # D-111 has no lines and sold nothing: its open exception is told all the same.
    assert set(held.deals) == set(expected)
    assert result.invoiced == 0


def test_a_further_run_opens_and_writes_nothing(
    pair: RealPair, expected: dict[str, tuple[str, str]]
) -> None:
    before = [(case.number, case.code) for case in pair.cases()]
    result = pair.run()
    assert result.executed.calls == 0
    assert [(case.number, case.code) for case in pair.cases()] == before


def test_a_closed_period_holds_every_deal_of_the_books(database_url: str) -> None:
    enrich = NordicEnricher(check_vat_state=True, oss=False)
    with RealPair(database_url, CONFIGURATION, start=moment(10, 5), enrich=enrich) as pair:
        org(pair)
        pair.in_books("lock_period", to="2026-10-31")
        deal(pair, "D-122", "Tallmo Skog AB", "1000.00")
        pair.run()
        (case,) = pair.cases()
        assert case.code == "period_closed"
        assert case.message == "D-122 would be booked 5 Oct; open from 1 Nov."
        assert case.hint == "Finance chooses the date."
        pair.in_books("unlock")
        pair.run()
        pair.run()
        assert pair.cases() == []
        assert len(pair.records("customerinvoicedrafts")) == 1


def test_a_total_of_zero_is_skipped_with_its_reason(database_url: str) -> None:
    with RealPair(database_url, CONFIGURATION, start=moment(10, 5)) as pair:
        org(pair)
        deal(pair, "D-123", "Tallmo Skog AB", "500.00", "-500.00")
        pair.run()
        assert pair.cases() == []
        assert pair.records("customerinvoicedrafts") == []
        rows = pair.in_store(
            lambda tx: tx.rows("SELECT verdict, reason FROM outcome WHERE workspace = %(ws)s")
        )
        assert [tuple(row) for row in rows] == [("skip", "zero_total")]


def _alone(database_url: str, **account: Any) -> RealPair:
    """A pair of its own, set up, with an account that differs from the others in one thing."""
    pair = RealPair(database_url, CONFIGURATION, start=moment(10, 5))
    org(pair)
    pair.account("Mosippa Handel AB", **account)
    return pair


def test_a_head_that_is_not_the_sum_of_its_lines_is_held(database_url: str) -> None:
    by_head = CONFIGURATION.replace("flows:\n", "flows:\n  reconcile: {sold_amount: head}\n")
    with _alone(database_url) as pair:
        # An administrator has cut the amount's decimals; the lines keep theirs.
        pair.in_crm("set_scale", object="Opportunity", field="Amount", scale=0)
        deal(pair, "D-124", "Mosippa Handel AB", "1000.40")
        pair.run()
        (case,) = pair.cases()
        assert case.code == "amount_not_lines"
        assert case.message == "D-124 says 1,000.00, its lines add up to 1,000.40."
        assert pair.records("customerinvoicedrafts") == []
        # What was sold is what the lines say, unless the company goes by the deal's own amount.
        october = (Period.month(2026, 10), date(2026, 10, 31))
        assert pair.tie_out(*october).tie_out.sold == D("1000.40")
        pair.configure(by_head)
        assert pair.tie_out(*october).tie_out.sold == D("1000.00")
        assert pair.tie_out(*october).tie_out.explained


def test_a_credit_stop_is_said_and_what_was_delivered_is_still_invoiced(database_url: str) -> None:
    with _alone(database_url, Credit_Hold__c=True) as pair:
        deal(pair, "D-125", "Mosippa Handel AB", "1000.00")
        made = pair.do(planning.plan(pair.engine, pair.store))
        (line,) = [line for line in made.lines if line.entity == "document"]
        assert line.verdict == "write"
        said = "Mosippa Handel AB is on credit stop; what was delivered is still invoiced."
        assert line.message == said
        pair.run()
        assert len(pair.records("customerinvoicedrafts")) == 1
        assert pair.cases() == []


def test_vat_of_this_country_beside_none_is_for_finance(database_url: str) -> None:
    with _alone(database_url) as pair:
        goods_stay_here = {
            "ShippingStreet": "Storgatan 1",
            "ShippingPostalCode": "111 22",
            "ShippingCity": "Stockholm",
            "ShippingCountryCode": "SE",
            "CurrencyIsoCode": "SEK",
        }
        pair.account("Turun Kalusto Oy", "FI", **goods_stay_here)
        cabinet = {"product": "CABINET", "unit_price": "7990.00"}
        deal(pair, "D-126", "Turun Kalusto Oy", "1000.00", cabinet)
        pair.run()
        (case,) = pair.cases()
        assert case.code == "tax_mixed"
        assert "D-126 has VAT of this country on line 2 and none on line 1." in case.message
        assert pair.records("customerinvoicedrafts") == []


# Every gate before anything is sent, with its codes and the test that has its bad case.
_ONE_RUN = test_every_gate_refuses_its_deal_with_its_own_code
GATES: dict[str, dict[str, Callable[..., None]]] = {
    "item has a code": {"item_no_code": _ONE_RUN},
    "customer is known once": {"customer_maybe_known": _ONE_RUN, "customer_missing": _ONE_RUN},
    "customer is active": {"customer_inactive": _ONE_RUN},
    "numbers are right": {"number_wrong": _ONE_RUN, "number_unchecked": _ONE_RUN},
    "currency is allowed": {"currency_not_allowed": _ONE_RUN},
    "tax resolves": {
        "tax_unresolved": _ONE_RUN,
        "tax_mixed": test_vat_of_this_country_beside_none_is_for_finance,
    },
    "terms resolve": {"terms_unmapped": _ONE_RUN},
    "dimensions are present": {"dimension_missing": _ONE_RUN},
    "period is open": {"period_closed": test_a_closed_period_holds_every_deal_of_the_books},
    "net is the deal's": {
        "net_differs": _ONE_RUN,
        "too_many_decimals": _ONE_RUN,
        "amount_not_lines": test_a_head_that_is_not_the_sum_of_its_lines_is_held,
    },
    "there is something to invoice": {
        "no_lines": _ONE_RUN,
        "total_below_zero": _ONE_RUN,
        "zero_total": test_a_total_of_zero_is_skipped_with_its_reason,
    },
    "instalments are understood": {
        "schedule_not_total": _ONE_RUN,
        "schedule_not_understood": _ONE_RUN,
    },
    "address, e-mail, buyer's reference": {
        "address_incomplete": _ONE_RUN,
        "email_missing": _ONE_RUN,
        "buyer_reference_missing": _ONE_RUN,
    },
    "credit stop": {
        "credit_stop": test_a_credit_stop_is_said_and_what_was_delivered_is_still_invoiced
    },
    "nobody invoiced it already": {
        "possible_duplicate": test_possible_duplicate.test_the_invoice_made_by_hand_is_asked_about
    },
}
# Not over this pair: Visma tells of no closed year before it is asked to book, and flows.customers
# is on. A kind of document that no books of a bridge make is refused when it is published; a deal
# is held where one of several companies cannot (tests/unit/test_core_orders.py). What stands again
# took a deletion or a credit note back, which is told in tests/simulation/directed_back.py.
ELSEWHERE = {"customer_not_in_books", "document_kind_not_possible", "former_document_stands"}


def test_every_gate_has_its_bad_case_here(
    pair: RealPair, expected: dict[str, tuple[str, str]]
) -> None:
    told = {code: test for codes in GATES.values() for code, test in codes.items()}
    here = {code for code, test in told.items() if test is _ONE_RUN}
    assert here == {code for code, _ in expected.values()}
    source = Path(inspect.getfile(gates)).read_text(encoding="utf-8")
    in_code = set(re.findall(r'code="([a-z_]+)"', source))
    assert in_code - ELSEWHERE <= set(told), in_code - ELSEWHERE - set(told)
