"""What must be right before a draft is sent to a real Tryton: each gate's bad case, one run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from support.tryton_pair import CONFIGURATION, TrytonPair, parts
from support.tryton_server import RunningTryton
from tieout.services import exceptions
from tieout.services.enrich import NordicEnricher
from tieout_sandbox.tryton import acts

pytestmark = pytest.mark.slow

D = Decimal
_DEMANDS = "required_dimensions: [projekt]\n    check_vat_state: true\n    instalments"
_ITEMS = "items: {CONS: KON01, FREE: UTAN-MOMS, OLD: GAMMAL, BOOK: BOK01}"
GATES = (
    CONFIGURATION.replace("instalments", _DEMANDS)
    .replace("tables:", "mapping:\n  dimensions:\n    projekt: deal.Project__c\ntables:")
    .replace("items: {CONS: KON01}", _ITEMS)
)
GOOD = ("D-201", "D-202", "D-203")


def set_up(pair: TrytonPair) -> None:
    """What the administrators of both sides have made."""
    pair.in_crm("create_field", object="Opportunity", field="Project__c", type="string:20")
    for name, code in (("Montage", ""), ("No tax", "FREE"), ("Old", "OLD"), ("Book", "BOOK")):
        named = {"code": code} if code else {}
        pair.in_crm("create_product", name=name, price="100.00", **named)
    admin, books = pair.running.admin, pair.running.books
    category = {
        "name": "Utan moms",
        "accounting": True,
        "account_revenue": books.accounts["3041"],
        "account_expense": admin.one("account.account", [["code", "=", "5.1.1"]])["id"],
    }
    untaxed = admin.create("product.category", category)
    for code, kind in (("UTAN-MOMS", untaxed), ("GAMMAL", books.categories["Varor 25 %"])):
        template = {
            "name": code.title(),
            "code": code,
            "type": "service",
            "default_uom": books.units["Unit"],
            "list_price": D("100.00"),
            "account_category": kind,
            "products": [["create", [{}]]],
        }
        admin.create("product.template", template)
    (old,) = admin.search("product.template", [["code", "=", "GAMMAL"]], ["products"])
    admin.write("product.template", old["id"], {"active": False})


def deal(pair: TrytonPair, number: str, account: str, *amounts: object, **more: object) -> None:
    pair.deal(number, account, *amounts, **{"Project__c": "P1", **more})  # type: ignore[arg-type]


def line(product: str, price: str = "100.00") -> dict[str, str]:
    return {"product": product, "quantity": "1", "unit_price": price}


def known_there(pair: TrytonPair, name: str, **more: object) -> int:
    """A customer whom finance entered by hand under the account's VAT number."""
    account = next(row for row in pair.crm_records("Account") if row["Name"] == name)
    numbers = [
        {"type": "eu_vat", "code": account["Vat_Number__c"]},
        {"type": "se_orgnr", "code": account["Org_Number__c"].replace("-", "")},
    ]
    party = acts.make_customer(
        pair.anna,
        name,
        country=pair.running.books.countries["SE"],
        identifiers=[["create", numbers]],
        **more,
    )
    (address,) = pair.anna.search("party.address", [["party", "=", party]], [])
    place = {"street": "Storgatan 1", "postal_code": "111 22", "city": "Stockholm"}
    pair.anna.write("party.address", address["id"], place)
    return party


def bad_deals(pair: TrytonPair) -> dict[str, str]:
    deal(pair, "D-101", "Ekfors Trä AB", line("Montage"))
    pair.account("Havtorn Energi AB", Payment_Terms__c="Net 45")
    deal(pair, "D-102", "Havtorn Energi AB", "1000.00")
    deal(pair, "D-103", "Norrsken Foto AB", "1000.00", currency="USD")
    pair.account("Saimaan Telakka Oy", "FI")
    deal(pair, "D-104", "Saimaan Telakka Oy", "1000.00", currency="EUR")
    deal(pair, "D-105", "Ekfors Trä AB", line("No tax"))
    pair.account("Vattenbo Teknik AB")
    acts_party = known_there(pair, "Vattenbo Teknik AB")
    pair.anna.write("party.party", acts_party, {"active": False})
    deal(pair, "D-106", "Vattenbo Teknik AB", "1000.00")
    pair.account("Kusthöjden AB")
    for _ in range(2):
        known_there(pair, "Kusthöjden AB")
    deal(pair, "D-107", "Kusthöjden AB", "1000.00")
    pair.deal("D-108", "Älvdal Kraft AB", "1000.00")
    deal(pair, "D-109", "Älvdal Kraft AB", "1000.00", Project__c="P9")
    pair.account("Granit & Mark AB", BillingPostalCode=None)
    deal(pair, "D-110", "Granit & Mark AB", "1000.00")
    deal(pair, "D-111", "Ekfors Trä AB", line("Old"))
    deal(pair, "D-112", "Ekfors Trä AB", "100.00", "-500.00")
    return {
        "D-101": "item_no_code",
        "D-102": "terms_unmapped",
        "D-103": "currency_not_allowed",
        "D-104": "number_unchecked",
        "D-105": "tax_unresolved",
        "D-106": "customer_inactive",
        "D-107": "customer_maybe_known",
        "D-108": "dimension_missing",
        "D-109": "dimension_unknown",
        "D-110": "address_incomplete",
        "D-111": "item_no_code",
        "D-112": "total_below_zero",
    }


@pytest.fixture(scope="module")
def pair(database_url: str, tryton_group: RunningTryton) -> Iterator[TrytonPair]:
    enrich = NordicEnricher(check_vat_state=True, oss=False)
    with TrytonPair(database_url, tryton_group, GATES, enrich=enrich) as made:
        set_up(made)
        yield made


@pytest.fixture(scope="module")
def expected(pair: TrytonPair) -> dict[str, str]:
    """All of them are entered, with three that are right; then one run."""
    found = bad_deals(pair)
    for number in GOOD:
        deal(pair, number, f"Köpare {number} AB", "1000.00", line("Book", "250.50"))
    pair.run()
    return found


def test_every_gate_refuses_its_deal(pair: TrytonPair, expected: dict[str, str]) -> None:
    found = {number: pair.cases_of(number) for number in expected}
    wrong = {n: codes for n, codes in found.items() if expected[n] not in codes}
    assert wrong == {}, [(case.deal, case.code, case.message) for case in pair.cases()]


def test_all_others_go_through(pair: TrytonPair, expected: dict[str, str]) -> None:
    drafts = pair.drafts()
    assert sorted(row["party."]["name"] for row in drafts) == [f"Köpare {n} AB" for n in GOOD]
    assert {row["untaxed_amount"] for row in drafts} == {D("1250.50")}
    # 25 % of 1,000.00 and 6 % of 250.50.
    assert {row["total_amount"] for row in drafts} == {D("1515.53")}
    first = pair.running.admin.search(
        "account.invoice.line",
        [["invoice", "=", drafts[0]["id"]], ["type", "=", "line"]],
        ["analytic_accounts.account.code"],
    )
    codes = [
        entry["account."]["code"]
        for entry in first[0]["analytic_accounts."]
        if entry.get("account.")
    ]
    assert codes == ["P1"]


def test_a_held_deal_makes_no_customer(pair: TrytonPair, expected: dict[str, str]) -> None:
    """But one that only the connector refuses does: its customer was right."""
    own = pair.running.books.party
    parties = pair.running.admin.search("party.party", [["id", "!=", own]], ["name"])
    assert sorted(row["name"] for row in parties) == sorted(
        ["Kusthöjden AB", "Kusthöjden AB", "Älvdal Kraft AB", *(f"Köpare {n} AB" for n in GOOD)]
    )


def test_what_is_held_stands_in_the_tie_out(pair: TrytonPair, expected: dict[str, str]) -> None:
    result = pair.tied()
    held = next(cause for cause in result.causes if cause.cause.value == "exception_open")
    assert set(held.deals) == set(expected)
    assert result.invoiced == D(0)


def test_a_further_run_writes_nothing(pair: TrytonPair, expected: dict[str, str]) -> None:
    before = [(case.number, case.code) for case in pair.cases()]
    assert pair.run().executed.calls == 0
    assert [(case.number, case.code) for case in pair.cases()] == before


def test_what_was_put_right_goes_through(pair: TrytonPair, expected: dict[str, str]) -> None:
    admin = pair.running.admin
    (category,) = admin.search("product.category", [["name", "=", "Utan moms"]], [])
    taxes = {"customer_taxes": [["add", [pair.running.books.taxes["Moms 25 %"]]]]}
    admin.write("product.category", category["id"], taxes)
    # The template shows the tax now; its stamp moves when it is saved.
    (template,) = admin.search("product.template", [["code", "=", "UTAN-MOMS"]], [])
    admin.write("product.template", template["id"], {"name": "Med moms"})
    hidden = [["active", "=", False], ["name", "=", "Vattenbo Teknik AB"]]
    (party,) = admin.search("party.party", hidden, [])
    pair.anna.write("party.party", party["id"], {"active": True})
    pair.edit("D-108", Project__c="P2")
    pair.run()
    pair.run()
    for number in ("D-105", "D-106", "D-108"):
        assert pair.cases_of(number) == []
        assert parts(pair.tied(), number)[0][0] == "in_draft"


def test_a_currency_without_a_rate(database_url: str, tryton: RunningTryton) -> None:
    configured = CONFIGURATION.replace("[SEK, EUR]", "[SEK, EUR, CHF]")
    with TrytonPair(database_url, tryton, configured) as pair:
        admin = tryton.admin
        franc = {
            "name": "Swiss franc",
            "code": "CHF",
            "numeric_code": "756",
            "symbol": "Fr",
            "digits": 2,
            "rounding": D("0.01"),
        }
        number = admin.create("currency.currency", franc)
        pair.deal("D-1", "Tallmo Skog AB", "1000.00", currency="CHF")
        pair.run()
        assert [case.code for case in pair.cases()] == ["currency_not_allowed"]
        assert pair.invoices() == []
        day = pair.clock.now().date() - timedelta(days=30)
        admin.create(
            "currency.currency.rate", {"currency": number, "date": day, "rate": D("0.085")}
        )
        pair.do(exceptions.retry(pair.engine, pair.store, pair.cases()[0]))
        pair.run()
        assert pair.cases() == []
        assert len(pair.drafts()) == 1


def test_a_journal_that_is_closed_for_a_period_is_told(
    database_url: str, tryton: RunningTryton
) -> None:
    with TrytonPair(database_url, tryton) as pair:
        pair.deal("D-1", "Tallmo Skog AB", "1000.00")
        pair.run()
        pair.book("D-1")
        admin = tryton.admin
        today = pair.clock.now().date()
        period = admin.search(
            "account.period",
            [["type", "=", "standard"], ["start_date", "<=", today], ["end_date", ">=", today]],
            [],
        )[0]["id"]
        acts.close_period(pair.anna, period)
        # The button opens the period, and not its journals.
        pair.anna.call("model.account.period.reopen", [period])
        found = pair.do(pair.books_connector.check())
        assert "period_closed" in [finding.code for finding in found]
        assert "REV" in " ".join(finding.message for finding in found) or any(
            "journal" in finding.message.casefold() for finding in found
        )
