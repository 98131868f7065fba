"""The receivables account ties out to the open items, whatever people do."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from visma_net_support import D, VismaNet, line

from tieout_sandbox.kit import ActionError


@pytest.fixture
def net() -> VismaNet:
    return VismaNet().sign_in()


def test_a_booked_invoice_makes_a_receivable(net: VismaNet) -> None:
    number = net.booked(net.customer(), line(), line("FOOD", "200.00"), line("COURSE", "50.00"))
    assert net.invoice(number)["amount"] == D("405.00")
    assert net.balance() == D("405.00") == net.open_items()
    accounts = {"3010": -150, "3000": -200, "2701": -25, "2702": -30}
    assert {name: net.balance(name) for name in accounts} == accounts


def test_partly_paid_paid_and_overpaid(net: VismaNet) -> None:
    customer = net.customer()
    number = net.booked(customer)
    net.act("pay", document=number, amount=25)
    invoice = net.invoice(number)
    assert (invoice["status"], invoice["balance"]) == ("Open", D("100.00"))
    paid = net.act("pay", document=number, amount=130, fee=5)
    assert (paid["availableBalance"], paid["status"]) == (D("30.00"), "Open")
    invoice = net.invoice(number)
    assert (invoice["status"], invoice["balance"]) == ("Closed", 0)
    assert invoice["closedFinancialPeriod"] == "202611"
    assert [one["docType"] for one in invoice["applications"]] == ["Payment", "Payment"]
    assert net.balance() == D("-30.00") == net.open_items()
    assert net.get(f"customer/{customer}/balance")["balance"] == D("-30.00")
    assert net.balance("7770") == 5
    assert net.balance("1920") == D("150.00")
    assert "exceeds" in net.refused("apply_payment", payment=paid["refNbr"], document=number,
                                    amount=10)  # fmt: skip


def test_credit_write_off_discount_and_refund(net: VismaNet) -> None:
    customer = net.customer()
    first, second, third = (net.booked(customer) for _ in range(3))
    net.act("credit", document=first)
    assert net.invoice(first)["applications"][0]["docType"] == "CreditNote"
    assert net.invoice(first)["status"] == "Closed"
    net.act("cash_discount", document=second, discount=5)
    assert net.balance("3080") == 5
    net.act("write_off", document=third)
    assert net.invoice(third)["applications"][0]["docType"] == "SmallBalanceWo"
    assert net.balance("7830") == 125
    assert net.balance() == 0 == net.open_items()
    note = net.act("credit", document=second, match=False)
    assert net.balance() == D("-125.00") == net.open_items()
    refund = net.act("refund", credit=note["referenceNumber"])
    assert [one["documentType"] for one in refund["paymentLines"]] == ["CreditNote"]
    assert net.get(f"customerCreditNote/{note['referenceNumber']}")["status"] == "Closed"
    assert net.balance() == 0 == net.open_items()


def test_void_repeats_lines_with_plus_and_minus(net: VismaNet) -> None:
    number = net.booked(net.customer())
    ref = net.act("pay", document=number)["refNbr"]
    net.act("unapply_payment", payment=ref)
    assert net.invoice(number)["balance"] == 125
    net.act("apply_payment", payment=ref, document=number)
    net.good("POST", f"customerPayment/{ref}/action/void",
             {"type": "Payment", "returnVoidPayment": True})  # fmt: skip
    void = net.get(f"customerPayment/{ref}")
    assert (void["type"], void["refNbr"]) == ("VoidPayment", ref)
    amounts = [one["amountPaid"] for one in void["paymentLines"]]
    assert amounts == [125, -125, 125, -125]
    listed = net.find("customerPayment", invoiceRefNbr=number)
    assert {(one["type"], one["status"]) for one in listed} == {
        ("Payment", "Voided"),
        ("VoidPayment", "Closed"),
    }
    invoice = net.invoice(number)
    assert (invoice["status"], invoice["balance"]) == ("Open", 125)
    assert all(one["voided"] for one in invoice["applications"])
    assert net.balance() == 125 == net.open_items()
    net.assume("voided_payment", "Payment")
    assert net.get(f"customerPayment/{ref}")["type"] == "Payment"


def test_exchange_differences_go_past_the_customer(net: VismaNet) -> None:
    customer = net.customer(customerClassId="2", country="DE", override=True)
    number = net.booked(customer, line(None, "1000.00", description="x", accountNumber="3100"))
    invoice = net.invoice(number)
    assert (invoice["currencyId"], invoice["amountInCurrency"]) == ("EUR", 1000)
    assert (invoice["exchangeRate"], invoice["amount"]) == (D("11.4325"), D("11432.50"))
    net.act("pay", document=number, amount=400, rate="11.5000")
    assert net.balance() == D("6859.50") == net.open_items()
    net.act("pay", document=number, rate="11.0000")
    assert net.balance() == 0 == net.open_items()
    assert net.balance("8060") == D("-27.00")
    assert net.balance("8160") == D("259.50")


def test_instalments_split_on_release(net: VismaNet) -> None:
    number = net.booked(net.customer(), line(price="80.00"), creditTermsId="R3")
    assert net.invoice(number)["status"] == "Closed"
    rows = [one for one in net.get("customerinvoice") if one["status"] == "Open"]
    assert [one["amount"] for one in rows] == [D("33.33"), D("33.33"), D("33.34")]
    assert len({one["documentDueDate"] for one in rows}) == 3
    assert net.balance() == 100 == net.open_items()


def test_reminder_fee_is_a_claim_of_its_own(net: VismaNet) -> None:
    number = net.booked(net.customer())
    fee = net.act("overdue_charge", document=number)
    assert (fee["documentType"], fee["amount"], fee["vatTotal"]) == ("FinCharge", 35, 0)
    assert net.invoice(number)["balance"] == 125
    assert net.balance() == 160 == net.open_items()


def test_a_manual_voucher_is_in_the_account_only(net: VismaNet) -> None:
    assert net.act("manual_voucher", amount="-40.00")["balance"] == D("-40.00")
    assert net.open_items() == 0


def test_balances_by_period(net: VismaNet) -> None:
    customer = net.customer()
    net.booked(customer, documentDate="2026-10-05")
    number = net.booked(customer, documentDate="2026-11-02")
    net.act("pay", document=number, amount=25, date="2026-11-20")
    net.act("write_off", document=number, amount=10)
    net.act("overdue_charge", document=number, amount=35)
    found = net.find("/v2/customer/balance", fromFinPeriod="202611", toFinPeriod="202611")
    assert len(found) == 1
    row = {name: found[0][name] for name in found[0] if name not in ("customer", "branchNumber")}
    row.pop("metadata")
    assert row == {
        "beginBalance": 125,
        "sales": 125,
        "paymentsAndPrepayments": -25,
        "adjustmentsAndDiscounts": -10,
        "overdueCharges": 35,
        "yearToDateBalance": 250,
    }
    assert net.balance() == 250
    assert net.find("/v2/customer/balance", customer="nobody") == []


def test_closed_periods_take_nothing(net: VismaNet) -> None:
    customer = net.customer()
    number = net.draft(customer, documentDate="2026-10-05")
    net.act("close_period", period="202610")
    assert "closed" in net.refused("release", document=number)
    body = net.body(customer, documentDate="2026-10-06")
    assert "'10-2026' is closed" in net.message("POST", "/v2/customerinvoice", body)
    # The release action says nothing: the document stays as it was.
    answer = net.good("POST", f"customerinvoice/{number}/action/release").json()
    assert answer["actionResult"] == "InProcess"
    net.pass_time(seconds=3)
    assert net.invoice(number)["status"] == "Balanced"
    assert net.balance() == 0
    net.assume("closed_period", "allowed")
    net.act("release", document=number)
    net.assume("closed_period", "refused")
    net.act("open_period", period="202610")
    net.act("activate_period", period="202609", active=False)
    body = net.body(customer, documentDate="2026-09-06")
    assert "inactive" in net.message("POST", "/v2/customerinvoice", body)
    body = net.body(customer, financialPeriod="203001")
    assert "cannot be found" in net.message("POST", "/v2/customerinvoice", body)


def random_step(net: VismaNet, chance: Random, customers: list[str]) -> None:
    documents = net.sim.company.documents
    invoices = [one["referenceNumber"] for one in documents if one["documentType"] == "Invoice"]
    notes = [one["referenceNumber"] for one in documents if one["documentType"] == "CreditNote"]
    money = [one["referenceNumber"] for one in documents if one["documentType"] == "Payment"]
    if not invoices or chance.random() < 0.3:
        item = chance.choice(["CONS", "FOOD", "TICKET", "COURSE", "SHOP"])
        price = D(chance.randint(1, 99999)) / 100
        percent = chance.choice([0, 0, D("12.5")])
        quantity = chance.randint(1, 9)
        lines = [line(item, price, quantity=quantity, discountPercent=percent) for _ in range(2)]
        net.booked(chance.choice(customers), *lines)
        return
    invoice = chance.choice(invoices)
    amount = D(chance.randint(1, 50000)) / 100
    steps: list[tuple[str, dict[str, Any]]] = [
        ("pay", {"document": invoice}),
        ("pay", {"document": invoice, "amount": amount, "rate": "11.1" }),
        ("credit", {"document": invoice, "match": chance.random() < 0.5}),
        ("credit", {"document": invoice, "net": amount}),
        ("write_off", {"document": invoice, "amount": amount}),
        ("cash_discount", {"document": invoice, "discount": amount}),
        ("overdue_charge", {"document": invoice}),
        ("pay_on_account", {"customer": chance.choice(customers), "amount": amount}),
        ("set_off", {"document": invoice, "credit": chance.choice(notes or ["0"])}),
        ("refund", {"credit": chance.choice(notes or ["0"])}),
        ("refund", {"payment": chance.choice(money or ["0"])}),
        ("apply_payment", {"document": invoice, "payment": chance.choice(money or ["0"])}),
        ("unapply_payment", {"payment": chance.choice(money or ["0"])}),
        ("void_payment", {"payment": chance.choice(money or ["0"])}),
    ]  # fmt: skip
    name, arguments = chance.choice(steps)
    try:
        net.sim.act(name, arguments)
    except ActionError:
        return  # not possible on this document, which must have changed nothing


@pytest.mark.parametrize("seed", range(6))
def test_tie_out_holds_whatever_people_do(seed: int) -> None:
    net = VismaNet().sign_in()
    chance = Random(seed)
    net.prefer("invoiceRounding", chance.choice(["none", "nearest", "up"]))
    customers = [net.customer(), net.customer(customerClassId="2", country="DE", override=True)]
    for _ in range(60):
        if chance.random() < 0.1:
            rate = D("11.4325") + D(chance.randint(-500, 500)) / 10000
            net.act("set_exchange_rate", currency="EUR", rate=rate)
        random_step(net, chance, customers)
        assert net.balance() == net.open_items()
        assert net.sim.company.ledger.total() == 0
    owed = sum((net.get(f"customer/{one}/balance")["balance"] for one in customers), D(0))
    assert owed == net.balance()
    rows = net.get("/v2/customer/balance")
    assert sum((one["yearToDateBalance"] for one in rows), Decimal(0)) == owed
    for one in net.sim.company.documents:
        assert 0 <= one["balance"] <= one["amount"] or not one["_released"]
