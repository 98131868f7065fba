"""Booked invoices: direct booking, payments, credits, voids, orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from visma_support import Visma

D = Decimal


@pytest.fixture
def visma() -> Visma:
    return Visma(rate_limits=False).sign_in()


@pytest.fixture
def customer(visma: Visma) -> str:
    return visma.customer(EmailAddress="faktura@nordhavn.example")["Id"]


def payment(visma: Visma, amount: str, **fields: Any) -> dict[str, Any]:
    return {
        "CompanyBankAccountId": visma.get("bankaccounts")["Data"][0]["Id"],
        "PaymentDate": "2026-11-24",
        "PaymentAmount": D(amount),
        "PaymentCurrency": "SEK",
        "PaymentType": 1,
        **fields,
    }


def test_numbers_run_in_one_series_with_vouchers(visma: Visma, customer: str) -> None:
    made = [visma.booked(customer), visma.booked(customer, IsCreditInvoice=True)]
    assert [one["InvoiceNumber"] for one in made] == [1001, 1002]
    assert [one["VoucherNumber"] for one in made] == ["A1", "A2"]
    assert visma.get("companysettings")["NextCustomerInvoiceNumber"] == 1003
    assert made[0]["PaymentReferenceNumber"] == "10017"
    assert visma.get(f"customers/{customer}")["LastInvoiceDate"] == "2026-11-24T00:00:00Z"


def test_direct_post_with_the_least_that_works(visma: Visma, customer: str) -> None:
    body = {
        "CustomerId": customer,
        "InvoiceDate": "2026-11-20",
        "DueDate": "2026-12-01",
        "Rows": [
            {
                "ArticleId": visma.article("KONS-1"),
                "Text": "Timmar",
                "UnitPrice": D("100.00"),
                "Quantity": D("2.1255"),
            },
            {"Text": "bara text"},
        ],
    }
    made = visma.good("POST", "customerinvoices", body)
    assert (made["InvoiceDate"], made["DueDate"]) == ("2026-11-20", "2026-12-01")
    assert made["Rows"][0]["AmountNoVat"] == D("212.55")
    assert made["Rows"][0]["LineNumber"] == 1
    assert made["Rows"][1]["IsTextRow"] is True
    assert made["CreatedFromDraftId"] is None
    empty = {**body, "Rows": []}
    assert visma.code("POST", "customerinvoices", empty) == (400, 2000)


def test_direct_post_of_a_draft(visma: Visma, customer: str) -> None:
    draft = visma.draft(customer, OurReference="x")
    body = {"CustomerId": customer, "CreatedFromDraftId": draft["Id"], "Rows": []}
    made = visma.good("POST", "customerinvoices", body)
    assert (made["CreatedFromDraftId"], made["OurReference"]) == (draft["Id"], "x")
    assert visma.code("GET", f"customerinvoicedrafts/{draft['Id']}") == (404, 3000)


def test_booked_invoices_cannot_be_changed(visma: Visma, customer: str) -> None:
    made = visma.booked(customer)
    for method in ("PUT", "DELETE"):
        assert visma.call(method, f"customerinvoices/{made['Id']}", {}).status == 405


def test_part_payment_then_the_rest(visma: Visma, customer: str) -> None:
    made = visma.booked(customer, visma.row(UnitPrice=D("1000.00")))
    path = f"customerinvoices/{made['Id']}/payments"
    answer = visma.call("POST", path, payment(visma, "250.00", Reference="BG"))
    assert answer.status == 201
    assert answer.json()["PaymentAmount"] == D("250.00")
    part = visma.invoice(made["Id"])
    assert part["RemainingAmountInvoiceCurrency"] == part["RemainingAmount"] == D("1000.00")
    assert (part["PaymentStatus"], part["PaymentDate"]) == (1, "2026-11-24T00:00:00Z")
    assert visma.get(f"customers/{customer}")["UnpaidInvoicesAmount"] == D("1000.00")
    visma.good("POST", path, payment(visma, "1000.00"))
    paid = visma.invoice(made["Id"])
    assert (paid["PaymentStatus"], paid["RemainingAmount"]) == (0, 0)
    assert visma.code("POST", path, payment(visma, "1.00")) == (400, 4002)
    assert visma.call("GET", path).status == 405


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"PaymentDate": "2026-11-25"}, 4023),
        ({"PaymentDate": "2001-01-01"}, 3001),
        ({"PaymentAmount": 0}, 2000),
        ({"PaymentAmount": D("1.001")}, 2000),
        ({"PaymentCurrency": "EUR"}, 2000),
        ({"PaymentType": 5}, 2000),
        ({"DomesticPaymentAmount": D("5.00")}, 4039),
        ({"CompanyBankAccountId": "00000000-0000-4000-8000-000000000000"}, 3000),
        ({"CompanyBankAccountId": None}, 2000),
        ({"Reference": "x" * 101}, 2000),
        ({"BankFeeAmount": -1}, 2000),
    ],
)
def test_payments_that_are_refused(
    visma: Visma, customer: str, change: dict[str, Any], code: int
) -> None:
    made = visma.booked(customer)
    body = payment(visma, "50.00", **change)
    path = f"customerinvoices/{made['Id']}/payments"
    assert visma.code("POST", path, body) == (400, code)
    assert visma.invoice(made["Id"])["RemainingAmount"] == D("125.00")


def test_today_is_the_companys_day(visma: Visma, customer: str) -> None:
    made = visma.booked(customer)
    visma.send("PUT", "/_sandbox/clock", {"now": "2026-11-24T23:30:00Z"})
    visma.sign_in()
    path = f"customerinvoices/{made['Id']}/payments"
    visma.good("POST", path, payment(visma, "50.00", PaymentDate="2026-11-25"))


def test_complete_payment_books_the_difference(visma: Visma, customer: str) -> None:
    made = visma.booked(customer)
    path = f"customerinvoices/{made['Id']}/payments"
    visma.good("POST", path, payment(visma, "124.50", PaymentType=2))
    assert visma.invoice(made["Id"])["PaymentStatus"] == 0
    assert visma.get("accountbalances/3740/2026-12-31")["Balance"] == D("0.50")
    assert visma.get("accountbalances/1930/2026-12-31")["Balance"] == D("124.50")
    assert visma.receivables() == 0


def test_payment_in_foreign_currency(visma: Visma) -> None:
    buyer = visma.customer(CurrencyCode="EUR", InvoiceCountryCode="DE", VatNumber="DE123456789")
    made = visma.booked(buyer["Id"], visma.row(UnitPrice=D("100.00")))
    assert made["RemainingAmount"] == D("1104.32")
    path = f"customerinvoices/{made['Id']}/payments"
    body = payment(visma, "100.00", PaymentCurrency="EUR", DomesticPaymentAmount=D("1110.00"))
    visma.good("POST", path, body)
    assert visma.invoice(made["Id"])["RemainingAmount"] == 0
    assert visma.receivables() == 0
    assert visma.get("accountbalances/3960/2026-12-31")["Balance"] == D("-5.68")


def test_overdue_comes_with_the_calendar_and_moves_no_stamp(visma: Visma, customer: str) -> None:
    made = visma.booked(customer)
    visma.pass_time(days=30)
    visma.sign_in()
    assert visma.invoice(made["Id"])["PaymentStatus"] == 1
    visma.pass_time(days=1)
    visma.sign_in()
    late = visma.invoice(made["Id"])
    assert (late["PaymentStatus"], late["ModifiedUtc"]) == (2, made["ModifiedUtc"])
    assert [one["Id"] for one in visma.find("customerinvoices", "PaymentStatus eq 2")] == [
        made["Id"]
    ]


def test_credit_in_the_program_names_and_meets_its_invoice(visma: Visma, customer: str) -> None:
    made = visma.booked(customer, visma.row(), visma.row("KONS-1", Quantity=4))
    number = made["InvoiceNumber"]
    part = visma.act("credit", invoice=number, lines=[{"line": 2, "quantity": 1}])
    assert part["TotalAmount"] == D("-125.00")
    assert part["ReferringInvoiceId"] == made["Id"]
    assert part["RemainingAmount"] == 0
    after = visma.invoice(made["Id"])
    assert after["CreditedBy"] == [{"CreditInvoiceId": part["Id"]}]
    assert after["SetOffAmountInvoiceCurrency"] == D("125.00")
    assert after["RemainingAmountInvoiceCurrency"] == D("500.00")
    by_amount = visma.act("credit", invoice=number, amount="100.00")
    assert by_amount["TotalAmount"] == D("-100.00")
    whole = visma.act("credit", invoice=number)
    assert whole["TotalAmount"] == D("-625.00")
    assert whole["RemainingAmount"] == D("-225.00")  # more than was open: the rest stays open
    assert visma.invoice(made["Id"])["PaymentStatus"] == 0
    assert visma.receivables() == D("-225.00")
    refund = payment(visma, "225.00")
    visma.good("POST", f"customerinvoices/{whole['Id']}/payments", refund)
    assert visma.receivables() == 0


def test_floating_credit_is_matched_by_a_person(visma: Visma, customer: str) -> None:
    made = visma.booked(customer)
    credit = visma.booked(customer, visma.row(UnitPrice=D("40.00")), IsCreditInvoice=True)
    assert credit["RemainingAmount"] == D("-50.00")
    both = visma.act("set_off", invoice=made["InvoiceNumber"], credit=credit["InvoiceNumber"])
    assert both["invoice"]["RemainingAmount"] == D("75.00")
    assert both["credit"]["RemainingAmount"] == 0
    assert both["credit"]["ReferringInvoiceId"] == made["Id"]
    other = visma.booked(visma.customer()["Id"], IsCreditInvoice=True)
    arguments = {"invoice": made["InvoiceNumber"], "credit": other["InvoiceNumber"]}
    assert visma.send("POST", "/_sandbox/actions/set_off", arguments).status == 400


def test_void_makes_a_credit_note_and_closes_both(visma: Visma, customer: str) -> None:
    made = visma.booked(customer)
    assert visma.call("POST", f"customerinvoices/{made['Id']}/void").status == 200
    after = visma.invoice(made["Id"])
    (link,) = after["CreditedBy"]
    credit = visma.invoice(link["CreditInvoiceId"])
    assert after["RemainingAmount"] == credit["RemainingAmount"] == 0
    assert credit["TotalAmount"] == -made["TotalAmount"]
    assert visma.receivables() == 0
    assert visma.code("POST", f"customerinvoices/{made['Id']}/void") == (400, 4002)


def test_void_without_a_credit_note(visma: Visma, customer: str) -> None:
    visma.assume("void_makes_credit_invoice", False)
    made = visma.booked(customer)
    visma.good("POST", f"customerinvoices/{made['Id']}/void")
    assert visma.get("customerinvoices")["Meta"]["TotalNumberOfResults"] == 1
    assert visma.invoice(made["Id"])["RemainingAmount"] == 0
    assert visma.receivables() == 0


@pytest.mark.parametrize("what", ["pay", "credit", "write_off", "doubtful"])
def test_void_is_refused_after(visma: Visma, customer: str, what: str) -> None:
    made = visma.booked(customer)
    number = made["InvoiceNumber"]
    if what == "doubtful":
        visma.act("write_off", invoice=number, doubtful=True)
    else:
        visma.act(what, invoice=number, amount="10.00")
    assert visma.code("POST", f"customerinvoices/{made['Id']}/void") == (400, 4002)
    if what == "pay":
        visma.act("return_payment", invoice=number)
        assert visma.call("POST", f"customerinvoices/{made['Id']}/void").status == 200


def test_mail_pdf_and_reminder(visma: Visma, customer: str) -> None:
    made = visma.booked(customer)
    path = f"customerinvoices/{made['Id']}"
    visma.good("POST", f"{path}/email", {})
    visma.good("POST", f"{path}/email", {"Email": "x@y.example"})
    mails = visma.send("GET", "/_sandbox/records/sentmails").json()
    assert [one["Email"] for one in mails] == ["faktura@nordhavn.example", "x@y.example"]
    many = {"CcRecipients": ["a@b"] * 6}
    assert visma.code("POST", f"{path}/email", many) == (400, 2000)
    assert visma.code("POST", f"{path}/einvoice", {"SendType": 1}) == (400, 4034)
    address = visma.get(f"{path}/pdf")["Url"]
    assert address == f"http://127.0.0.1/v2/{path}/print"
    assert visma.call("GET", f"{path}/print").body.startswith(b"%PDF")
    visma.good("POST", f"{path}/paymentreminders", {"LatePaymentFee": 60})
    reminded = visma.invoice(made["Id"])
    assert (reminded["PaymentReminderIssued"], reminded["PaymentRemindersCount"]) == (True, 1)
    assert reminded["ModifiedUtc"] == made["ModifiedUtc"]


def test_due_date_of_current_month_terms(visma: Visma) -> None:
    buyer = visma.customer(TermsOfPaymentId=visma.terms(30, 1))["Id"]
    assert visma.booked(buyer)["DueDate"] == "2026-12-30"


def order_body(visma: Visma, customer: str, **fields: Any) -> dict[str, Any]:
    return {
        "CustomerId": customer,
        "CurrencyCode": "SEK",
        "OrderDate": "2026-11-24",
        "Status": 1,
        "EuThirdParty": False,
        "RotReducedInvoicingType": 0,
        "ReverseChargeOnConstructionServices": False,
        "OurReference": "Sara Ek ref 7K3Q9M2XW4TRD5AB",
        "Rows": [
            {
                "LineNumber": 1,
                "IsTextRow": False,
                "IsWorkCost": False,
                "EligibleForReverseChargeOnVat": False,
                "ArticleId": visma.article("KAFFE-K3"),
                "Quantity": 3,
                "DeliveredQuantity": 0,
                "UnitPrice": D("100.00"),
                "DiscountPercentage": 0,
            }
        ],
        **fields,
    }


def test_the_life_of_an_order(visma: Visma, customer: str) -> None:
    made = visma.good("POST", "orders", order_body(visma, customer))
    path = f"orders/{made['Id']}"
    assert (made["Number"], made["Status"], made["Amount"]) == (None, 1, D("375.00"))
    ongoing = visma.good("POST", f"{path}/converteddrafttoorder")
    assert (ongoing["Number"], ongoing["Status"]) == (401, 2)
    changed = visma.good("PUT", path, order_body(visma, customer, Status=2, YourReference="Kim"))
    assert (changed["Number"], changed["YourReference"]) == (401, "Kim")
    assert visma.code("DELETE", path) == (400, 4001)
    assert visma.code("POST", f"{path}/voided") == (400, 4028)
    assert visma.good("POST", f"{path}/completed")["Status"] == 3
    assert visma.code("PUT", path, order_body(visma, customer)) == (400, 4002)
    back = visma.good("POST", f"{path}/voided")
    assert (back["Status"], back["ShippedDateTime"]) == (2, None)
    invoice = visma.good("POST", f"{path}/convert", {})
    assert (invoice["CreatedFromOrderId"], invoice["TotalAmount"]) == (made["Id"], D("375.00"))
    assert invoice["OurReference"] == made["OurReference"]
    assert visma.get(path)["Status"] == 4
    assert visma.code("POST", f"{path}/convert") == (400, 4002)
    draft = visma.good("POST", "orders", order_body(visma, customer))
    assert visma.call("DELETE", f"orders/{draft['Id']}").status == 200


def test_an_order_invoices_what_was_delivered(visma: Visma, customer: str) -> None:
    body = order_body(visma, customer, Status=2)
    body["Rows"][0]["DeliveredQuantity"] = 2
    made = visma.good("POST", "orders", body)
    assert (made["Amount"], made["DeliveredAmount"]) == (D("375.00"), D("250.00"))
    assert visma.good("POST", f"orders/{made['Id']}/convert")["TotalAmount"] == D("250.00")
    del body["CurrencyCode"]
    assert visma.code("POST", "orders", body) == (400, 2000)
