"""What people do in the program: on drafts, customers, articles and periods."""

from __future__ import annotations

from decimal import Decimal

import pytest
from visma_support import Visma

D = Decimal


@pytest.fixture
def visma() -> Visma:
    return Visma(rate_limits=False).sign_in()


def test_book_one_draft_and_all(visma: Visma) -> None:
    customer = visma.customer()["Id"]
    first = visma.draft(customer, InvoiceDate="2026-11-02")
    made = visma.act("book_draft", draft=first["Id"])
    assert (made["InvoiceDate"], made["CreatedFromDraftId"]) == ("2026-11-24", first["Id"])
    dated = visma.draft(customer, InvoiceDate="2026-11-02")
    kept = visma.act("book_draft", draft=dated["Id"], keep_date=True)
    assert kept["InvoiceDate"] == "2026-11-02"
    for _ in range(3):
        visma.draft(customer)
    assert visma.act("book_draft", all=True) == {"booked": [1003, 1004, 1005]}
    assert visma.get("customerinvoicedrafts")["Data"] == []


def test_edit_a_line_and_the_head(visma: Visma) -> None:
    draft = visma.draft(
        visma.customer()["Id"], visma.row(), visma.row("KONS-1"), OurReference="a ref KEY"
    )
    edited = visma.act(
        "edit_draft",
        draft=draft["Id"],
        line=2,
        price="50.00",
        quantity=2,
        discount="0.5",
        text="Timmar",
        set={"YourReference": "Kim"},
    )
    row = edited["Rows"][1]
    assert (row["UnitPrice"], row["Quantity"], row["Amount"]) == (D("50.00"), 2, D("50.00"))
    assert (row["Text"], edited["YourReference"]) == ("Timmar", "Kim")
    assert edited["OurReference"] == "a ref KEY"
    assert edited["TotalAmount"] == D("188.00")
    assert visma.get(f"customerinvoicedrafts/{draft['Id']}") == edited
    fewer = visma.act("edit_draft", draft=draft["Id"], line=1, remove_line=True, reference="b")
    assert (len(fewer["Rows"]), fewer["OurReference"]) == (1, "b")
    anew = visma.act("edit_draft", draft=draft["Id"], rows=[visma.row(), visma.row()])
    assert len(anew["Rows"]) == 2


def test_delete_and_copy_a_draft(visma: Visma) -> None:
    draft = visma.draft(visma.customer()["Id"], OurReference="Sara Ek ref 7K3Q9M2XW4TRD5AB")
    copy = visma.act("copy_draft", draft=draft["Id"])
    assert copy["Id"] != draft["Id"]
    found = visma.find("customerinvoicedrafts", "contains(OurReference,'7K3Q9M2XW4TRD5AB')")
    assert [one["Id"] for one in found] == [draft["Id"], copy["Id"]]
    visma.act("delete_draft", draft=draft["Id"])
    found = visma.find("customerinvoicedrafts", "contains(OurReference,'7K3Q9M2XW4TRD5AB')")
    assert [one["Id"] for one in found] == [copy["Id"]]


def test_customers(visma: Visma) -> None:
    made = visma.act("create_customer", set={"Name": "Ny AB", "CustomerNumber": "88"})
    visma.pass_time(seconds=1)
    edited = visma.act("edit_customer", customer=88, set={"InvoiceCity": "Lund"})
    assert (edited["Name"], edited["InvoiceCity"]) == ("Ny AB", "Lund")
    assert edited["ChangedUtc"] > made["ChangedUtc"]
    assert visma.act("deactivate_customer", customer=made["Id"])["IsActive"] is False
    assert [one["Id"] for one in visma.find("customers", "IsActive eq false")] == [made["Id"]]


def test_an_invoice_without_a_deal(visma: Visma) -> None:
    customer = visma.customer(CustomerNumber="5")
    made = visma.act("create_invoice", customer="5", amount="80.00", date="2026-10-05")
    assert (made["TotalAmount"], made["InvoiceDate"]) == (D("100.00"), "2026-10-05")
    rows = [{"ArticleId": visma.article("BOK-1"), "Quantity": 1, "UnitPrice": D("100.00")}]
    head = {"YourReference": "Kim"}
    other = visma.act("create_invoice", customer=customer["Id"], rows=rows, credit=True, set=head)
    assert (other["TotalAmount"], other["YourReference"]) == (D("-106.00"), "Kim")


def test_articles_and_rates(visma: Visma) -> None:
    made = visma.act("create_article", set={"Number": "NY", "Name": "Ny", "NetPrice": 10})
    assert made["GrossPrice"] == D("12.50")
    assert visma.act("edit_article", article="NY", set={"IsActive": False})["IsActive"] is False
    visma.act("set_exchange_rate", currency="EUR", rate="11.5")
    path = "currencies/exchangerate?date=2026-11-24&sourceCurrency=EUR&targetCurrency=SEK"
    assert visma.get(path)["Rate"] == D("11.5000")
    project = visma.act("end_project", project="104")
    assert (project["Status"], project["EndDate"]) == (2, "2026-11-24")
    item = visma.get("costcenters")["Data"][0]["Items"][0]["Id"]
    assert visma.act("deactivate_cost_center_item", item=item)["IsActive"] is False


def test_locks_reach_payments_and_people(visma: Visma) -> None:
    made = visma.booked(visma.customer()["Id"], InvoiceDate="2026-10-05")
    visma.act("lock_period", to="2026-10-31")
    assert visma.get("companysettings")["AccountingLockedTo"] == "2026-10-31"
    arguments = {"invoice": made["InvoiceNumber"], "date": "2026-10-31"}
    refused = visma.send("POST", "/_sandbox/actions/pay", arguments)
    assert refused.status == 400
    assert refused.json()["error"].startswith("4026")
    assert visma.receivables() == D("125.00")
    visma.act("pay", invoice=made["InvoiceNumber"], date="2026-11-01")
    visma.act("unlock")
    assert visma.get("companysettings")["AccountingLockedTo"] is None


def test_assumptions_can_be_listed(visma: Visma) -> None:
    listed = visma.act("set_assumption")
    assert listed["vat_rounding"] == "rate"
    assert "OurReference" in listed["filterable"]["customerinvoicedrafts"]
    visma.assume("first_line_number", 0)
    body = visma.draft_body(visma.customer()["Id"], visma.row(), visma.row())
    made = visma.good("POST", "customerinvoicedrafts", body)
    assert [row["LineNumber"] for row in made["Rows"]] == [0, 1]


def test_switches_of_convert(visma: Visma) -> None:
    visma.assume("header_copied_to_invoice", False)
    visma.assume("convert_removes_draft", False)
    draft = visma.draft(visma.customer()["Id"], OurReference="x")
    path = f"customerinvoicedrafts/{draft['Id']}"
    made = visma.good("POST", f"{path}/convert")
    assert made["OurReference"] is None
    assert visma.get(path)["Id"] == draft["Id"]


def test_customer_discount_switch(visma: Visma) -> None:
    customer = visma.customer(DiscountPercentage=D("0.1"))["Id"]
    row = visma.row()
    del row["DiscountPercentage"]
    assert visma.draft(customer, row)["Rows"][0]["Amount"] == D("100.00")
    visma.assume("customer_discount_on_rows", True)
    assert visma.draft(customer, row)["Rows"][0]["Amount"] == D("90.00")
    assert visma.draft(customer, visma.row())["Rows"][0]["Amount"] == D("100.00")
