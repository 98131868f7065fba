"""The receivables account ties out to the open items, whatever people do."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from visma_support import Visma

from tieout_sandbox.kit import ActionError

D = Decimal


@pytest.fixture
def visma() -> Visma:
    return Visma(rate_limits=False).sign_in()


def open_items(visma: Visma) -> Decimal:
    """What is open on invoices and on account, in base currency, less doubtful claims."""
    books = visma.sim.books
    invoices = sum(
        (
            record["RemainingAmount"]
            for record in books.invoices.records.values()
            if not record.get("_doubtful")
        ),
        D(0),
    )
    on_account = sum(
        (
            (record["RemainingAmountInvoiceCurrency"] * record["CurrencyRate"]).quantize(D("0.01"))
            for record in books.ledger_items.records.values()
        ),
        D(0),
    )
    return D(invoices) + D(on_account)


def test_every_way_to_close(visma: Visma) -> None:
    customer = visma.customer()["Id"]
    numbers = [visma.booked(customer)["InvoiceNumber"] for _ in range(6)]
    assert visma.receivables() == D("750.00") == open_items(visma)
    visma.act("pay", invoice=numbers[0])
    visma.act("pay", invoice=numbers[1], amount=25)
    visma.act("cash_discount", invoice=numbers[1], amount=5)
    visma.act("bank_charge", invoice=numbers[1], amount=3)
    visma.act("write_off", invoice=numbers[2])
    visma.act("credit", invoice=numbers[3])
    visma.act("write_off", invoice=numbers[4], doubtful=True)
    assert visma.receivables() == D("217.00") == open_items(visma)
    day = "2026-12-31"
    sums = {
        number: visma.get(f"accountbalances/{number}/{day}")["Balance"]
        for number in (1515, 1930, 3731, 6351, 6570)
    }
    assert sums == {1515: 125, 1930: 150, 3731: 5, 6351: 125, 6570: 3}
    visma.act("pay", invoice=numbers[4], amount=100)
    assert visma.get(f"accountbalances/1515/{day}")["Balance"] == 25
    assert visma.receivables() == D("217.00")


def test_overpayment_stays_on_account(visma: Visma) -> None:
    made = visma.booked(visma.customer()["Id"])
    visma.act("pay", invoice=made["InvoiceNumber"], amount=200)
    assert visma.invoice(made["Id"])["PaymentStatus"] == 0
    assert visma.receivables() == D("-75.00")
    items = visma.get("customerledgeritems")["Data"]
    assert [one["RemainingAmountInvoiceCurrency"] for one in items] == [0, D("-75.00")]
    assert items[1]["IsCreditInvoice"] is True
    visma.act("return_payment", invoice=made["InvoiceNumber"])
    assert visma.receivables() == D("125.00") == open_items(visma)
    back = visma.invoice(made["Id"])
    assert (back["PaymentStatus"], back["PaymentDate"]) == (1, None)
    visma.assume("overpayment", "refuse")
    arguments = {"invoice": made["InvoiceNumber"], "amount": 200}
    assert visma.send("POST", "/_sandbox/actions/pay", arguments).status == 400


def test_returning_one_of_two_payments(visma: Visma) -> None:
    made = visma.booked(visma.customer()["Id"])
    number = made["InvoiceNumber"]
    visma.act("pay", invoice=number, amount=25, date="2026-11-20")
    visma.act("pay", invoice=number, amount=100, date="2026-11-23")
    visma.act("return_payment", invoice=number)
    after = visma.invoice(made["Id"])
    assert (after["RemainingAmount"], after["PaymentDate"]) == (100, "2026-11-20T00:00:00Z")


def test_reminder_fee_is_a_claim_of_its_own(visma: Visma) -> None:
    made = visma.booked(visma.customer()["Id"])
    fee = visma.act("reminder_fee", invoice=made["InvoiceNumber"])
    assert (fee["TotalAmount"], fee["TotalVatAmount"], fee["IsQuickInvoice"]) == (60, 0, True)
    after = visma.invoice(made["Id"])
    assert (after["RemainingAmount"], after["PaymentRemindersCount"]) == (D("125.00"), 1)
    assert visma.receivables() == D("185.00") == open_items(visma)
    credit = visma.act("credit", invoice=fee["InvoiceNumber"])
    assert credit["TotalAmount"] == D("-60.00")
    assert visma.get("accountbalances/3591/2026-12-31")["Balance"] == 0


def test_manual_vouchers_are_in_the_account_only(visma: Visma) -> None:
    voucher = visma.act("manual_voucher_1510", amount="-40.00", text="Rättelse")
    assert visma.receivables() == D("-40.00")
    assert visma.get("customerledgeritems")["Data"] == []
    rows = {row["AccountNumber"]: row["CreditAmount"] for row in voucher["Rows"]}
    assert rows == {1510: D("40.00"), 1910: 0}
    listed = visma.find("vouchers", "VoucherType eq 2")
    assert [one["Id"] for one in listed] == [voucher["Id"]]


def test_ledger_item_for_a_manual_voucher(visma: Visma) -> None:
    customer = visma.customer()["Id"]
    voucher = visma.act("manual_voucher_1510", amount=500)
    body = {
        "CustomerId": customer,
        "CurrencyCode": "SEK",
        "InvoiceNumber": 77,
        "InvoiceDate": "2026-10-01",
        "DueDate": "2026-10-31",
        "IsCreditInvoice": False,
        "TotalAmountInvoiceCurrency": 500,
        "VATAmountInvoiceCurrency": 100,
        "RoundingsAmountInvoiceCurrency": 0,
        "RemainingAmountInvoiceCurrency": 500,
        "VoucherId": voucher["Id"],
    }
    made = visma.good("POST", "customerledgeritems", body)
    assert visma.get(f"customerledgeritems/{made['Id']}") == made
    assert visma.receivables() == D(500) == open_items(visma)
    assert visma.code("POST", "customerledgeritems", body) == (409, 4000)


def test_balances_by_date_and_the_result_by_year(visma: Visma) -> None:
    customer = visma.customer()["Id"]
    visma.booked(customer, InvoiceDate="2025-12-30")
    visma.booked(customer, InvoiceDate="2026-01-02")
    assert visma.receivables("2025-12-29") == 0
    assert visma.receivables("2025-12-31") == D("125.00")
    assert visma.receivables("2026-01-31") == D("250.00")
    assert visma.get("accountbalances/3001/2026-01-31")["Balance"] == D("-100.00")
    rows = visma.get("accountbalances/2026-01-31?$pagesize=100")["Data"]
    assert {row["AccountNumber"]: row["Balance"] for row in rows}[1510] == D("250.00")
    assert visma.code("GET", "accountbalances/9999/2026-01-31")[1] == 3002
    assert visma.code("GET", "accountbalances/1510/soon") == (400, 6001)


def test_vouchers_name_their_invoice_and_balance(visma: Visma) -> None:
    made = visma.booked(visma.customer()["Id"], visma.row(UnitPrice=D("33.33")))
    visma.act("pay", invoice=made["InvoiceNumber"], amount=20, fee=5)
    vouchers = visma.get("vouchers")["Data"]
    assert vouchers[0]["Id"] == made["VoucherId"]
    assert {one["SourceId"] for one in vouchers} == {made["Id"]}
    for one in vouchers:
        debit = sum(row["DebitAmount"] for row in one["Rows"])
        assert debit == sum(row["CreditAmount"] for row in one["Rows"])
    year = visma.get("fiscalyears")["Data"][1]["Id"]
    assert len(visma.get(f"vouchers/{year}")["Data"]) == 2
    assert visma.get(f"vouchers/{year}/{made['VoucherId']}")["VoucherType"] == 14


def _random_step(visma: Visma, chance: Random, customers: list[str]) -> None:
    numbers = [record["InvoiceNumber"] for record in visma.sim.books.invoices.records.values()]
    steps: list[tuple[str, dict[str, Any]]] = [
        ("pay", {"amount": D(chance.randint(1, 30000)) / 100}),
        ("pay", {"kind": 2, "amount": D(chance.randint(1, 300))}),
        ("cash_discount", {"amount": 2}),
        ("write_off", {}),
        ("write_off", {"doubtful": True}),
        ("bank_charge", {"amount": "1.25"}),
        ("credit", {}),
        ("credit", {"amount": chance.randint(1, 200), "matched": chance.random() < 0.5}),
        ("return_payment", {}),
        ("void", {}),
        ("set_off", {"credit": chance.choice(numbers or [0])}),
        ("reminder_fee", {}),
    ]
    if not numbers or chance.random() < 0.3:
        price = D(chance.randint(1, 99999)) / 100
        credit = chance.random() < 0.3
        visma.booked(chance.choice(customers), visma.row(UnitPrice=price), IsCreditInvoice=credit)
        return
    name, arguments = chance.choice(steps)
    try:
        visma.sim.act(name, {"invoice": chance.choice(numbers), **arguments})
    except ActionError:
        return  # not possible on this invoice, which must have changed nothing


@pytest.mark.parametrize("seed", range(8))
def test_tie_out_holds_whatever_people_do(seed: int) -> None:
    visma = Visma(rate_limits=False).sign_in()
    chance = Random(seed)
    customers = [
        visma.customer()["Id"],
        visma.customer(CurrencyCode="EUR", InvoiceCountryCode="DE", VatNumber="DE123456789")["Id"],
    ]
    for _ in range(120):
        if chance.random() < 0.1:
            rate = D("11.0432") + D(chance.randint(-50, 50)) / 1000
            visma.act("set_exchange_rate", currency="EUR", rate=rate)
        _random_step(visma, chance, customers)
        assert visma.receivables() == open_items(visma)
    total = sum(
        (visma.sim.books.ledger.balance(number, visma.sim.books.today().replace(year=2027))
         for number in visma.sim.books.ledger.accounts()),
        D(0),
    )  # fmt: skip
    assert total == 0
