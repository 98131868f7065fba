"""Drafts: checks, totals, replacing, and booking with its date rule and its check body."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from visma_support import Visma

KEEP = "?keepOriginalDraftDate=true&overrideCompanyKeepOriginalDraftDate=true"
D = Decimal


@pytest.fixture
def visma() -> Visma:
    return Visma(rate_limits=False).sign_in()


@pytest.fixture
def customer(visma: Visma) -> str:
    return visma.customer(CustomerNumber="20417")["Id"]


def three_rows(visma: Visma) -> list[dict[str, Any]]:
    return [
        visma.row("KAFFE-K3", Quantity=3, UnitPrice=D("1249.50"), DiscountPercentage=D("0.1")),
        visma.row("KONS-1", Quantity=D("7.5"), UnitPrice=D("1095.00")),
        visma.row("FRAKT", UnitPrice=D("199.99"), DiscountPercentage=D("0.125")),
        {
            "IsTextRow": True,
            "Text": "Levererat v. 47",
            "ReversedConstructionServicesVatFree": False,
        },
    ]


def convert(visma: Visma, draft: dict[str, Any], query: str = KEEP, check: Any = None) -> Any:
    return visma.call("POST", f"customerinvoicedrafts/{draft['Id']}/convert{query}", check)


def test_totals_of_a_domestic_draft(visma: Visma, customer: str) -> None:
    draft = visma.draft(customer, *three_rows(visma))
    assert [row["Amount"] for row in draft["Rows"]] == [
        D("3373.65"),
        D("8212.50"),
        D("174.99"),
        None,
    ]
    assert draft["TotalVatAmount"] == D("2940.29")
    assert draft["TotalRoundings"] == D("-0.43")
    assert draft["TotalAmount"] == D("14701.00")
    assert draft["TotalAmountBaseCurrency"] == D("14701.00")
    assert [row["LineNumber"] for row in draft["Rows"]] == [1, 2, 3, 4]
    assert draft["Rows"][3]["VatRate"] is None


@pytest.mark.parametrize(
    ("rounding", "step", "vat", "roundings"),
    [
        ("rate", 1, "25.00", "0.01"),
        ("row", 1, "24.99", "0.02"),
        ("rate", 0, "25.00", "0.00"),
        ("row", 0, "24.99", "0.00"),
    ],
)
def test_vat_per_rate_or_per_row(
    visma: Visma, customer: str, rounding: str, step: int, vat: str, roundings: str
) -> None:
    visma.assume("vat_rounding", rounding)
    visma.act("set_company_setting", name="DomesticCurrencyRounding", value=step)
    draft = visma.draft(customer, *[visma.row(UnitPrice=D("33.33")) for _ in range(3)])
    assert (draft["TotalVatAmount"], draft["TotalRoundings"]) == (D(vat), D(roundings))
    assert draft["TotalAmount"] == D("99.99") + D(vat) + D(roundings)


def test_foreign_currency_comes_from_the_customer_and_takes_four_decimals(visma: Visma) -> None:
    buyer = visma.customer(
        Name="Kaffee GmbH", CurrencyCode="EUR", InvoiceCountryCode="DE", VatNumber="DE123456789"
    )["Id"]
    rows = [
        visma.row("KAFFE-K3", Quantity=1200, UnitPrice=D("0.0375")),
        visma.row("KONS-1", Quantity=D("37.25"), UnitPrice=D("12.3456")),
    ]
    draft = visma.draft(buyer, *rows, InvoiceCurrencyCode="SEK")
    assert (draft["InvoiceCurrencyCode"], draft["TotalVatAmount"]) == ("EUR", 0)
    assert (draft["TotalAmount"], draft["TotalRoundings"]) == (D("504.87"), 0)
    assert draft["TotalAmountBaseCurrency"] == D("5575.38")
    booked = convert(visma, draft).json()
    assert (booked["TotalAmount"], booked["TotalAmountInvoiceCurrency"]) == (
        D("5575.38"),
        D("504.87"),
    )


def test_too_many_decimals(visma: Visma, customer: str) -> None:
    for field, value in (("UnitPrice", "0.0375"), ("Quantity", "2.125")):
        body = visma.draft_body(customer, visma.row(**{field: D(value)}))
        assert visma.code("POST", "customerinvoicedrafts", body) == (400, 2000)
    assert visma.draft(customer, visma.row(Quantity=D("2.1200")))
    visma.assume("excess_decimals", "round")
    draft = visma.draft(customer, visma.row(Quantity=D("2.125"), UnitPrice=D("0.035")))
    assert (draft["Rows"][0]["Quantity"], draft["Rows"][0]["UnitPrice"]) == (D("2.13"), D("0.04"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"CustomerId": None}, 2000),
        ({"CustomerId": "00000000-0000-4000-8000-000000000000"}, 3000),
        ({"CustomerId": "x"}, 2000),
        ({"OurReference": "x" * 101}, 2000),
        ({"BuyersOrderReference": "x" * 36}, 2000),
        ({"TermsOfPaymentId": "00000000-0000-4000-8000-000000000000"}, 3000),
        ({"RotReducedInvoicingType": 7}, 2000),
        ({"RotReducedInvoicingType": 2}, 2000),
        ({"InvoiceDate": "24/11/2026"}, 2000),
        ({"Rows": "none"}, 2000),
    ],
)
def test_heads_that_are_refused(
    visma: Visma, customer: str, change: dict[str, Any], code: int
) -> None:
    body = {**visma.draft_body(customer), **change}
    assert visma.code("POST", "customerinvoicedrafts", body) == (400, code)
    assert visma.get("customerinvoicedrafts")["Data"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ArticleId": None}, 2000),
        ({"ArticleId": "00000000-0000-4000-8000-000000000000"}, 3000),
        ({"DiscountPercentage": D("1.01")}, 2000),
        ({"DiscountPercentage": D("0.12345")}, 2000),
        ({"LineNumber": 1001}, 2000),
        ({"Text": "x" * 2001}, 2000),
        ({"Quantity": "1"}, 2000),
        ({"ProjectId": "00000000-0000-4000-8000-000000000000"}, 3000),
        ({"ReversedConstructionServicesVatFree": True}, 4027),
        ({"IsTextRow": True, "Text": ""}, 2000),
    ],
)
def test_rows_that_are_refused(
    visma: Visma, customer: str, change: dict[str, Any], code: int
) -> None:
    body = visma.draft_body(customer, visma.row(**change))
    assert visma.code("POST", "customerinvoicedrafts", body) == (400, code)


def test_errors_name_their_fields(visma: Visma, customer: str) -> None:
    body = visma.draft_body(customer, RotReducedInvoicingOrgNumber="x" * 12, OurReference="x" * 101)
    answer = visma.call("POST", "customerinvoicedrafts", body).json()
    text = "The field RotReducedInvoicingOrgNumber must be a string with a maximum length of 11."
    assert answer["DeveloperErrorMessage"] == text
    assert {one["Field"] for one in answer["Errors"]} == {
        "RotReducedInvoicingOrgNumber",
        "OurReference",
    }
    assert answer["Errors"][0]["ErrorCode"] == "MaxLength"


def test_dimensions(visma: Visma, customer: str) -> None:
    centers = visma.get("costcenters")["Data"]
    good, _, inactive = centers[0]["Items"]
    projects = {one["Number"]: one["Id"] for one in visma.get("projects")["Data"]}
    row = visma.row(CostCenterItemId1=good["Id"], ProjectId=projects["104"])
    assert visma.draft(customer, row)["Rows"][0]["ProjectId"] == projects["104"]
    for change, code in (
        ({"ProjectId": projects["090"]}, 5005),
        ({"CostCenterItemId1": inactive["Id"]}, 5006),
        ({"CostCenterItemId2": good["Id"]}, 2000),
    ):
        body = visma.draft_body(customer, visma.row(**change))
        assert visma.code("POST", "customerinvoicedrafts", body)[1] == code


def test_prices_fall_back_and_zero_stays_zero(visma: Visma, customer: str) -> None:
    row = visma.row()
    del row["UnitPrice"]
    assert visma.draft(customer, row)["Rows"][0]["UnitPrice"] == D("1249.50")
    free = visma.row(UnitPrice=0)
    assert visma.draft(customer, free)["Rows"][0]["UnitPrice"] == 0
    replaced = visma.draft(customer, free, ReplaceUnitPriceWhenZero=True)
    assert replaced["Rows"][0]["UnitPrice"] == D("1249.50")


def test_misspelt_fields_vanish(visma: Visma, customer: str) -> None:
    draft = visma.draft(customer, OurReferense="lost", CurrencyCode="EUR")
    assert draft["OurReference"] is None
    assert "OurReferense" not in draft
    visma.assume("unknown_fields", "error")
    body = visma.draft_body(customer, OurReferense="lost")
    assert visma.code("POST", "customerinvoicedrafts", body) == (400, 2000)


def test_put_replaces_everything(visma: Visma, customer: str) -> None:
    draft = visma.draft(
        customer, visma.row(), visma.row("KONS-1"), OurReference="a", YourReference="b"
    )
    path = f"customerinvoicedrafts/{draft['Id']}"
    after = visma.good("PUT", path, visma.draft_body(customer, OurReference="c"))
    assert (after["Id"], after["CreatedUtc"]) == (draft["Id"], draft["CreatedUtc"])
    assert (after["OurReference"], after["YourReference"]) == ("c", None)
    assert len(after["Rows"]) == 1
    assert after["Rows"][0]["Id"] != draft["Rows"][0]["Id"]
    assert visma.get(path) == after
    visma.assume("row_ids_survive_put", True)
    kept = visma.good("PUT", path, visma.draft_body(customer))
    assert kept["Rows"][0]["Id"] == after["Rows"][0]["Id"]


def test_what_was_read_can_be_put_back(visma: Visma, customer: str) -> None:
    draft = visma.draft(customer, *three_rows(visma), OurReference="a", InvoiceDate="2026-12-24")
    path = f"customerinvoicedrafts/{draft['Id']}"
    visma.assume("row_ids_survive_put", True)
    assert visma.good("PUT", path, visma.get(path)) == draft


def test_delete(visma: Visma, customer: str) -> None:
    draft = visma.draft(customer)
    path = f"customerinvoicedrafts/{draft['Id']}"
    assert visma.call("DELETE", path).status == 200
    assert visma.code("GET", path) == (404, 3000)
    assert visma.code("DELETE", path) == (404, 3000)
    assert convert(visma, draft).status == 404


def test_convert_books_once_and_carries_the_reference(visma: Visma, customer: str) -> None:
    draft = visma.draft(customer, *three_rows(visma), OurReference="Sara Ek ref 7K3Q9M2XW4TRD5AB")
    check = {
        "TotalAmountInvoiceCurrency": D("14701.00"),
        "TotalVatAmountInvoiceCurrency": D("2940.29"),
        "TotalRoundingsInvoiceCurrency": D("-0.43"),
        "Rows": [{"LineNumber": 1, "TotalAmountNoVatInvoiceCurrency": D("3373.65")}],
    }
    answer = convert(visma, draft, check=check)
    assert answer.status == 201
    invoice = answer.json()
    assert invoice["CreatedFromDraftId"] == draft["Id"]
    assert invoice["OurReference"] == "Sara Ek ref 7K3Q9M2XW4TRD5AB"
    assert invoice["RemainingAmountInvoiceCurrency"] == D("14701.00")
    assert invoice["VatSpecification"] == [
        {
            "AmountInvoiceCurrency": D("11761.14"),
            "VatAmountInvoiceCurrency": D("2940.29"),
            "VatPercent": D("0.25"),
        }
    ]
    assert (invoice["InvoiceDate"], invoice["DueDate"]) == ("2026-11-24", "2026-12-24")
    assert (invoice["PaymentStatus"], invoice["PaymentDate"]) == (1, None)
    assert convert(visma, draft).status == 404
    assert visma.get("customerinvoices")["Meta"]["TotalNumberOfResults"] == 1


@pytest.mark.parametrize(
    "check",
    [
        {"TotalAmountInvoiceCurrency": D("125.01")},
        {"TotalVatAmountInvoiceCurrency": D("24.99")},
        {"TotalRoundingsInvoiceCurrency": D("0.01")},
        {"Rows": [{"LineNumber": 1, "TotalAmountNoVatInvoiceCurrency": D("99.99")}]},
        {"Rows": [{"LineNumber": 1, "TotalAmountIncVatInvoiceCurrency": D("125.01")}]},
        {"Rows": [{"LineNumber": 2, "TotalAmountNoVatInvoiceCurrency": D("100.00")}]},
    ],
)
def test_a_failed_check_books_nothing(visma: Visma, customer: str, check: dict[str, Any]) -> None:
    draft = visma.draft(customer)
    answer = convert(visma, draft, check=check)
    assert (answer.status, answer.json()["ErrorCode"]) == (400, 2000)
    assert visma.get("customerinvoices")["Data"] == []
    assert visma.receivables() == 0
    assert convert(visma, draft, check={}).status == 201


YES, NO = "true", "false"


@pytest.mark.parametrize(
    ("own", "company", "keep", "override", "booked"),
    [
        ("2026-11-02", None, None, None, "2026-11-24"),
        ("2026-11-02", True, None, None, "2026-11-02"),
        ("2026-11-02", None, YES, None, "2026-11-02"),
        ("2026-11-02", True, NO, None, "2026-11-02"),
        ("2026-11-02", True, NO, YES, "2026-11-24"),
        ("2026-11-02", None, YES, YES, "2026-11-02"),
        ("2026-12-02", None, NO, YES, "2026-12-02"),
        (None, None, YES, YES, "2026-11-24"),
        (None, None, None, None, "2026-11-25"),
    ],
)
def test_date_rule(
    visma: Visma,
    customer: str,
    own: str | None,
    company: bool | None,
    keep: str | None,
    override: str | None,
    booked: str,
) -> None:
    visma.act("set_company_setting", name="KeepOriginalDraftDate", value=company)
    draft = visma.draft(customer, InvoiceDate=own)
    if own is None:
        visma.pass_time(days=1)
        visma.sign_in()
    query = (
        f"?keepOriginalDraftDate={keep or ''}&overrideCompanyKeepOriginalDraftDate={override or ''}"
    )
    assert convert(visma, draft, query).json()["InvoiceDate"] == booked


def test_draft_shows_today_as_its_date(visma: Visma, customer: str) -> None:
    draft = visma.draft(customer, InvoiceDate="2026-11-02")
    path = f"customerinvoicedrafts/{draft['Id']}"
    assert draft["InvoiceDate"] == "2026-11-24"
    # 23:30 in UTC is tomorrow in Stockholm.
    visma.send("PUT", "/_sandbox/clock", {"now": "2026-11-24T23:30:00Z"})
    visma.sign_in()
    assert visma.get(path)["InvoiceDate"] == "2026-11-25"
    visma.act("set_company_setting", name="KeepOriginalDraftDate", value=True)
    assert visma.get(path)["InvoiceDate"] == "2026-11-02"


def test_closed_dates_are_refused_at_booking_not_at_drafting(visma: Visma, customer: str) -> None:
    visma.act("lock_period", to="2026-10-31")
    draft = visma.draft(customer, InvoiceDate="2026-10-31")
    answer = convert(visma, draft)
    assert (answer.status, answer.json()["ErrorCode"]) == (400, 4013)
    old = visma.draft(customer, InvoiceDate="2001-01-01")
    assert convert(visma, old).json()["ErrorCode"] == 3001
    visma.act("unlock")
    visma.act("lock_year", year=2026)
    assert convert(visma, draft).json()["ErrorCode"] == 4013
    visma.act("unlock")
    assert convert(visma, draft).status == 201


def test_credit_draft_is_negative_with_positive_rows(visma: Visma, customer: str) -> None:
    draft = visma.draft(customer, *three_rows(visma), IsCreditInvoice=True)
    figures = [draft[name] for name in ("TotalAmount", "TotalVatAmount", "TotalRoundings")]
    assert figures == [D("-14701.00"), D("-2940.29"), D("0.43")]
    assert draft["Rows"][0]["Amount"] == D("3373.65")
    assert convert(visma, draft, check={"TotalAmountInvoiceCurrency": 14701}).status == 400
    check = {
        "TotalAmountInvoiceCurrency": D("-14701"),
        "Rows": [{"LineNumber": 1, "TotalAmountNoVatInvoiceCurrency": D("-3373.65")}],
    }
    credit = convert(visma, draft, check=check).json()
    assert credit["IsCreditInvoice"] is True
    assert credit["TotalAmount"] == credit["RemainingAmount"] == D("-14701.00")
    assert credit["TotalAmountInvoiceCurrency"] == D("-14701.00")
    assert credit["ReferringInvoiceId"] is None


def test_totals_of_credits_may_be_positive(visma: Visma, customer: str) -> None:
    visma.assume("credit_totals_in_invoice_currency_positive", True)
    credit = visma.booked(customer, IsCreditInvoice=True)
    assert credit["TotalAmountInvoiceCurrency"] == D("125.00")
    assert credit["RemainingAmountInvoiceCurrency"] == D("-125.00")


def test_private_person_prices(visma: Visma) -> None:
    person = visma.customer(Name="Kim Lund", IsPrivatePerson=True)["Id"]
    assert visma.draft(person)["IncludesVat"] is False
    visma.act("set_company_setting", name="ShowPricesExclVatPC", value=True)
    draft = visma.draft(person, visma.row(UnitPrice=D("100.00")))
    assert draft["IncludesVat"] is True
    assert (draft["TotalAmount"], draft["TotalVatAmount"]) == (D("100.00"), D("20.00"))
    visma.assume("includes_vat_rule", "name")
    assert visma.draft(person)["IncludesVat"] is False
    company = visma.customer(Name="AB")["Id"]
    path = "customerinvoicedrafts?overrideCustomerIsPrivatePerson=true"
    visma.assume("includes_vat_rule", "vendor_text")
    body = visma.draft_body(company, CustomerIsPrivatePerson=True)
    assert visma.good("POST", path, body)["CustomerIsPrivatePerson"] is True
    assert visma.draft(company, CustomerIsPrivatePerson=True)["CustomerIsPrivatePerson"] is False


def test_house_work_demands(visma: Visma) -> None:
    person = visma.customer(Name="Kim Lund", IsPrivatePerson=True)["Id"]
    body = visma.draft_body(person, RotReducedInvoicingType=1)
    answer = visma.call("POST", "customerinvoicedrafts", body).json()
    assert answer["DeveloperErrorMessage"] == "Persons are required for domestic services."
    body["Persons"] = [{"Ssn": "12", "Amount": 0}]
    assert visma.code("POST", "customerinvoicedrafts", body)[1] == 4029
    body["Persons"] = [{"Ssn": "19121212-1212", "Amount": 0}]
    assert visma.code("POST", "customerinvoicedrafts", body)[1] == 2000
    body |= {"RotPropertyType": 1, "RotReducedInvoicingPropertyName": "Lgh 12"}
    assert visma.good("POST", "customerinvoicedrafts", body)["RotReducedInvoicingType"] == 1
