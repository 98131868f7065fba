"""Customers, articles and what else stands still."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from visma_support import Visma

D = Decimal
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def visma() -> Visma:
    return Visma(rate_limits=False).sign_in()


def body(visma: Visma, **fields: Any) -> dict[str, Any]:
    base = {
        "Name": "A AB",
        "InvoicePostalCode": "111 22",
        "InvoiceCity": "Umeå",
        "TermsOfPaymentId": visma.terms(),
    }
    return {**base, **fields}


def test_create_read_and_the_terms_object(visma: Visma) -> None:
    made = visma.customer(
        CustomerNumber="20417", EmailAddress="a@b.example", EmailAddresses=["c@d"]
    )
    assert made["CustomerNumber"] == "20417"
    assert made["CurrencyCode"] == "SEK"
    assert made["TermsOfPayment"]["NumberOfDays"] == 30
    assert made["UnpaidInvoicesAmount"] == 0
    assert made["ChangedUtc"].startswith("2026-11-24T09:15:47.123")
    assert visma.get(f"customers/{made['Id']}") == made
    assert visma.get(f"customers/{made['Id'].upper()}") == made


def test_numbers_are_given_or_drawn_and_unique(visma: Visma) -> None:
    assert visma.customer()["CustomerNumber"] == "1001"
    visma.customer(CustomerNumber="1002")
    assert visma.customer()["CustomerNumber"] == "1003"
    assert visma.code("POST", "customers", body(visma, CustomerNumber="1002")) == (409, 4000)
    assert visma.get("companysettings")["NextCustomerNumber"] == 1004
    visma.assume("given_number_moves_counter", True)
    visma.customer(CustomerNumber="5000")
    assert visma.customer()["CustomerNumber"] == "5001"
    visma.assume("status_conflict", 400)
    assert visma.code("POST", "customers", body(visma, CustomerNumber="1002")) == (400, 4000)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Name": None}, 2000),
        ({"Name": "  "}, 2000),
        ({"Name": "x" * 51}, 2000),
        ({"InvoicePostalCode": None}, 2000),
        ({"InvoiceCity": None}, 2000),
        ({"TermsOfPaymentId": None}, 2000),
        ({"TermsOfPaymentId": NOBODY}, 3000),
        ({"CustomerNumber": "x" * 17}, 2000),
        ({"CurrencyCode": "XYZ"}, 2000),
        ({"InvoiceCountryCode": "ZZ"}, 2000),
        ({"VatNumber": "123"}, 4025),
        ({"VatNumber": "DE123456789"}, 4025),
        ({"ReverseChargeOnConstructionServices": True}, 2000),
        ({"DeliveryBasedVat": True}, 2000),
        ({"EmailAddresses": ["a@b"]}, 2000),
        ({"EmailAddress": "a@b", "EmailAddresses": ["a"] * 6}, 2000),
        ({"ForceBookkeepVat": True}, 4035),
        ({"DiscountPercentage": 10}, 2000),
        ({"IsActive": "yes"}, 2000),
    ],
)
def test_what_is_refused(visma: Visma, change: dict[str, Any], code: int) -> None:
    answer = visma.call("POST", "customers", body(visma, **change))
    assert (answer.status, answer.json()["ErrorCode"]) == (400, code)
    assert visma.get("customers")["Data"] == []


def test_terms_that_are_not_for_sales(visma: Visma) -> None:
    bought = next(
        one["Id"] for one in visma.get("termsofpayments")["Data"] if not one["AvailableForSales"]
    )
    assert visma.code("POST", "customers", body(visma, TermsOfPaymentId=bought)) == (400, 2000)


def test_vies_can_be_down_or_off(visma: Visma) -> None:
    good = body(visma, VatNumber="SE559999981901")
    for how, code in (("down_4025", 4025), ("down_4100", 4100)):
        visma.assume("vies", how)
        assert visma.code("POST", "customers", good) == (400, code)
    visma.assume("vies", "off")
    assert visma.good("POST", "customers", body(visma, VatNumber="nonsense"))
    visma.assume("vies", "format")
    assert visma.good("POST", "customers", good)["VatNumber"] == "SE559999981901"


def test_put_replaces_but_keeps_the_documented_exceptions(visma: Visma) -> None:
    made = visma.customer(Note="n", Iban="SE1", IsDirectDebitEnabled=True, Telephone="1")
    after = visma.good("PUT", f"customers/{made['Id']}", body(visma, Name="B AB"))
    assert (after["Name"], after["Note"], after["Telephone"]) == ("B AB", None, None)
    assert (after["Iban"], after["IsDirectDebitEnabled"]) == ("SE1", True)
    assert after["IsActive"] is False  # left out, so it is the default
    assert after["CustomerNumber"] == made["CustomerNumber"]
    assert after["ChangedUtc"] > made["ChangedUtc"]


def test_what_was_read_can_be_put_back(visma: Visma) -> None:
    made = visma.customer(Note="n", VatNumber="SE559999981901", EmailAddress="a@b")
    after = visma.good("PUT", f"customers/{made['Id']}", visma.get(f"customers/{made['Id']}"))
    assert {**after, "ChangedUtc": None} == {**made, "ChangedUtc": None}


def test_delete_needs_no_documents(visma: Visma) -> None:
    made = visma.customer()
    visma.draft(made["Id"])
    assert visma.code("DELETE", f"customers/{made['Id']}") == (400, 4001)
    free = visma.customer()
    visma.assume("delete_status", 204)
    assert visma.call("DELETE", f"customers/{free['Id']}").status == 204
    assert visma.code("GET", f"customers/{free['Id']}") == (404, 3000)
    visma.assume("status_not_found_path", 400)
    assert visma.code("GET", f"customers/{free['Id']}") == (400, 3000)
    assert visma.code("GET", "customers/not-a-guid") == (400, 3000)


def test_articles_link_net_and_gross(visma: Visma) -> None:
    coding = next(
        one["Id"] for one in visma.get("articleaccountcodings")["Data"] if "25" in one["Name"]
    )
    unit = visma.get("units")["Data"][0]["Id"]
    base = {"Number": "N1", "Name": "N", "IsActive": True, "CodingId": coding, "UnitId": unit}
    made = visma.good("POST", "articles", {**base, "NetPrice": D("80.00")})
    assert (made["NetPrice"], made["GrossPrice"]) == (D("80.00"), D("100.00"))
    assert made["SendToWebshop"] is True
    assert (made["CodingName"], made["UnitAbbreviation"]) == ("Varor 25 %", "st")
    path = f"articles/{made['Id']}"
    after = visma.good("PUT", path, {**made, "GrossPrice": D("50.00")})
    assert (after["NetPrice"], after["GrossPrice"]) == (D("40.00"), D("50.00"))
    assert visma.good("PUT", path, {**after, "NetPrice": D("8.00")})["GrossPrice"] == D("10.00")
    assert visma.code("POST", "articles", base) == (409, 4000)
    assert visma.code("POST", "articles", {**base, "Number": "N2", "CodingId": NOBODY}) == (
        400,
        3000,
    )
    assert (
        visma.code("POST", "articles", {**base, "Number": "N3", "NetPrice": D("1.001")})[1] == 2000
    )
    services = visma.find("articles", "CodingType eq 2")
    assert {one["IsServiceArticle"] for one in services} == {True}


def test_settings_currencies_countries_terms(visma: Visma) -> None:
    settings = visma.get("companysettings")
    assert (settings["CurrencyCode"], settings["DomesticCurrencyRounding"]) == ("SEK", 1)
    path = "currencies/exchangerate?date=2026-11-24&sourceCurrency=EUR&targetCurrency=SEK"
    assert visma.get(path)["Rate"] == D("11.0432")
    assert visma.code("GET", path.replace("EUR", "XXX")) == (400, 6001)
    assert {"Code": "EUR"} in visma.get("currencies")["Data"]
    assert visma.get("countries/de")["IsEuMember"] is True
    assert visma.get("countries/NO")["IsEuMember"] is False
    assert visma.code("GET", "countries/ZZ") == (404, 3000)
    years = visma.get("fiscalyears")["Data"]
    assert [one["StartDate"] for one in years] == ["2025-01-01", "2026-01-01", "2027-01-01"]
    assert visma.get("bankaccounts")["Data"][0]["LedgerAccountNumber"] == 1930


def test_put_settings_leaves_the_identity_alone(visma: Visma) -> None:
    before = visma.get("companysettings")
    change = {**before, "Website": "https://x.example", "CompanyIdentifier": "other"}
    after = visma.good("PUT", "companysettings", change)
    assert after == {**before, "Website": "https://x.example"}


def test_notes_threads_links_and_attachments(visma: Visma) -> None:
    draft = visma.draft(visma.customer()["Id"])
    note = {"Text": "Ring Kim", "AttachedTo": draft["Id"], "DocumentType": 2}
    made = visma.good("POST", "notes", note)
    assert visma.good("PUT", f"notes/{made['Id']}", {**note, "IsDone": True})["IsDone"] is True
    assert visma.code("POST", "notes", {"Text": "x" * 257}) == (400, 2000)
    thread = {"Message": "Stämmer det?", "DocumentType": 2, "DocumentId": draft["Id"]}
    assert visma.code("POST", "messagethreads", thread) == (400, 2000)
    user = visma.get("users")["Data"][0]["Id"]
    asked = visma.good("POST", "messagethreads", {**thread, "MessageReceivers": [{"UserId": user}]})
    assert visma.get(f"messagethreads/{asked['Id']}")["Message"] == "Stämmer det?"
    link = {
        "ResourceId": draft["Id"],
        "ResourceType": 5,
        "Href": "https://crm.example/1",
        "PartnerCompanyName": "P",
        "PartnerSystemName": "CRM",
    }
    linked = visma.good("POST", "partnerresourcelinks", link)
    assert visma.call("DELETE", f"partnerresourcelinks/{linked['Id']}").status == 200
    upload = {
        "ContentType": "application/pdf",
        "FileName": "offert.pdf",
        "DockumentId": draft["Id"],
        "Data": "JVBERg==",
    }
    path = "salesdocumentattachments/customerinvoicedraft"
    attached = visma.good("POST", path, upload)
    assert (attached["DocumentId"], attached["DocumentSize"]) == (draft["Id"], 4)
    read = visma.get(f"customerinvoicedrafts/{draft['Id']}")
    assert read["SalesDocumentAttachments"] == [attached["Id"]]
    assert visma.code("POST", path, {**upload, "ContentType": "image/png"}) == (400, 2000)
    wrong = {**upload, "DocumentId": draft["Id"]}
    del wrong["DockumentId"]
    assert visma.code("POST", path, wrong) == (400, 2000)
    assert visma.call("DELETE", f"{path}/{draft['Id']}/{attached['Id']}").status == 200
    read = visma.get(f"customerinvoicedrafts/{draft['Id']}")
    assert read["SalesDocumentAttachments"] == []


def test_projects_and_cost_centre_items(visma: Visma) -> None:
    project = {"Number": "200", "Name": "Ny", "StartDate": "2026-11-01", "Status": 1}
    made = visma.good("POST", "projects", project)
    assert visma.code("POST", "projects", project) == (409, 4000)
    ended = visma.good("PUT", f"projects/{made['Id']}", {**project, "Status": 2})
    assert ended["Status"] == 2
    center = visma.get("costcenters")["Data"][0]
    item = {"CostCenterId": center["Id"], "Name": "Ny", "ShortName": "300", "IsActive": True}
    added = visma.good("POST", "costcenteritems", item)
    assert added["Id"] in [one["Id"] for one in visma.get("costcenters")["Data"][0]["Items"]]
    long_name = {**item, "ShortName": "x" * 10}
    assert visma.code("PUT", f"costcenteritems/{added['Id']}", long_name) == (400, 2000)


def test_articles_from_a_pipelines_products(tmp_path: Path) -> None:
    with (tmp_path / "products.csv").open("w", newline="") as file:
        rows = [("product", "series", "sales_price"), ("GTX Basic", "GTX", 550)]
        csv.writer(file).writerows(rows)
    visma = Visma(data=tmp_path).sign_in()
    (article,) = visma.find("articles", "Number eq 'GTX Basic'")
    assert article["NetPrice"] == D("550.00")
    assert visma.get("customers")["Data"] == []
    assert visma.get("fiscalyears")["Data"][0]["StartDate"] == "2016-01-01"


def test_the_shared_pipeline_can_be_taken(shared_dir: Path) -> None:
    visma = Visma(data=shared_dir / "data" / "crm-sales-opportunities").sign_in()
    numbers = {one["Number"] for one in visma.get("articles?$pagesize=100")["Data"]}
    assert {"GTX Plus Basic", "GTK 500", "MG Special"} <= numbers
