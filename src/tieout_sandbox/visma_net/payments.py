"""Payments, prepayments and refunds: made, released, applied, voided; write-offs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_net import credit, periods, settlement
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.documents import AMOUNTS, UNRELEASED
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.ledger import (
    BAD_DEBT,
    BANK,
    BANK_CHARGES,
    RECEIVABLES,
    Entry,
)
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import read

ZERO = Decimal("0.00")
TYPES = frozenset({"Payment", "Prepayment", "Refund", "VoidPayment", "SmallBalanceWo"})
WRITABLE = frozenset({"Payment", "Prepayment", "Refund"})


def need(company: Company, number: str, type_: str | None = None) -> Record:
    """The payment of a number; of a voided one its void or the payment itself, as the company was
    switched. NotFoundError where there is none."""
    order = ["Payment", "Prepayment", "Refund", "SmallBalanceWo"]
    order.insert(0 if company.assumptions.voided_payment == "VoidPayment" else 4, "VoidPayment")
    for one in [type_] if type_ else order:
        found = company.documents.get(f"{one}/{number}")
        if found is not None:
            return found
    raise NotFoundError(f"Payment '{number}' cannot be found in the system.")


def create(company: Company, body: Any) -> Record:
    """A payment that is not released; BusinessError where the rules refuse it."""
    given = read("PaymentUpdateDto", body, company.assumptions)
    type_ = given.get("type") or "Payment"
    if type_ not in WRITABLE:
        raise BusinessError(f"Error: a {type_} cannot be entered here.")
    if not given.get("customer"):
        raise BusinessError("Error: 'Customer' cannot be empty.")
    customer = company.customers.one("number", given["customer"])
    if customer is None:
        raise missing("CustomerID", given["customer"])
    credit.require_payments(customer)
    number = company.number(
        "ARPAYMENT",
        given.get("referenceNumber"),
        bool(given.get("overrideNumberSeries")),
        company.documents,
        f"{type_}/",
    )
    if company.documents.get(f"{type_}/{number}") is not None:
        raise BusinessError(f"Error: {type_} {number} already exists.")
    record = _blank(company, type_, number, customer)
    return company.save(company.documents, _applied(company, record, given))


def change(company: Company, record: Record, body: Any) -> Record:
    """The payment with the fields that were sent; BusinessError once it is released."""
    if record["status"] not in UNRELEASED:
        raise BusinessError("Payment can't be updated because it is already released.", status=400)
    given = read("PaymentUpdateDto", body, company.assumptions)
    return company.save(company.documents, _applied(company, dict(record), given))


def _blank(company: Company, type_: str, number: str, customer: Record) -> Record:
    return {
        "_key": f"{type_}/{number}",
        "documentType": type_,
        "referenceNumber": number,
        "_customer": customer["internalId"],
        "currencyId": customer["currencyId"],
        "locationId": company.settings["mainLocation"],
        "branch": company.settings["branch"],
        "paymentMethodId": customer.get("defaultPaymentMethodId") or "1",
        "cashAccount": BANK,
        "hold": company.settings["holdOnEntry"],
        "documentDate": company.today(),
        "documentDueDate": None,
        "cashDiscountDate": None,
        "paymentRef": None,
        "invoiceText": None,
        "customerRefNumber": None,
        "externalReference": None,
        "account": RECEIVABLES,
        "subaccount": company.settings["subaccount"],
        "project": None,
        "origInvoiceDate": None,
        "_lines": [],
        "_taxes": [],
        "_pending": [],
        "_released": False,
        **dict.fromkeys(AMOUNTS, ZERO),
    }


def _applied(company: Company, record: Record, given: Record) -> Record:
    for name in ("paymentRef", "invoiceText"):
        if name in given:
            record[name] = given[name] or None
    if given.get("paymentMethod"):
        if company.payment_methods.get(given["paymentMethod"]) is None:
            raise missing("PaymentMethodID", given["paymentMethod"])
        record["paymentMethodId"] = given["paymentMethod"]
    if given.get("cashAccount"):
        if company.cash_accounts.get(given["cashAccount"]) is None:
            raise missing("CashAccountID", given["cashAccount"])
        record["cashAccount"] = given["cashAccount"]
    if given.get("currency"):
        record["currencyId"] = given["currency"]
    if given.get("applicationDate"):
        record["documentDate"] = given["applicationDate"]
    record["financialPeriod"] = periods.chosen(
        company, record["documentDate"], given.get("applicationPeriod"), None
    )
    periods.require_open(company, record["financialPeriod"])
    if given.get("hold") is not None:
        record["hold"] = given["hold"]
    if given.get("paymentAmount") is not None:
        if given["paymentAmount"] < 0:
            raise BusinessError("Error: the amount cannot be negative.")
        record["amount"] = record["balance"] = given["paymentAmount"]
    if "paymentLines" in given:
        record["_pending"] = _pending(company, record, given["paymentLines"])
    wanted = sum((one["amount"] for one in record["_pending"]), ZERO)
    if wanted > record["amount"]:
        raise BusinessError(f"Error: {wanted} is applied, the payment is {record['amount']}.")
    record["status"] = "Hold" if record["hold"] else "Balanced"
    rate, mult_div = company.rate_of(record["currencyId"], record["documentDate"])
    _put_base(company, record, rate, mult_div)
    return record


def _put_base(company: Company, record: Record, rate: Decimal, mult_div: str) -> None:
    record["_rate"], record["_mult_div"] = rate, mult_div
    base = company.to_base(record["amount"], rate, mult_div)
    record["_base"] = {**dict.fromkeys(AMOUNTS, ZERO), "amount": base, "balance": base}


def _pending(company: Company, record: Record, sent: list[Record]) -> list[Record]:
    kept = {f"{one['type']}/{one['ref']}": one for one in record["_pending"]}
    default = "CreditNote" if record["documentType"] == "Refund" else "Invoice"
    for line in sent:
        key = f"{line.get('documentType') or default}/{line.get('refNbr')}"
        if line.get("operation") == "Delete":
            kept.pop(key, None)
            continue
        target = company.documents.get(key)
        if target is None or target["_customer"] != record["_customer"]:
            raise missing("AdjdRefNbr", line.get("refNbr"))
        amount = line.get("amountPaid")
        amount = target["balance"] if amount is None else amount
        discount = line.get("cashDiscountTaken") or ZERO
        if amount <= 0 or amount + discount > target["balance"]:
            raise BusinessError(f"Error: {amount} exceeds the balance of {line.get('refNbr')}.")
        kept[key] = {
            "type": target["documentType"],
            "ref": target["referenceNumber"],
            "amount": amount,
            "discount": discount,
        }
    return list(kept.values())


def release(company: Company, record: Record) -> Record:
    """Books a payment and applies it to what it names."""
    if record["_released"]:
        raise BusinessError(f"Error: payment {record['referenceNumber']} is already released.")
    if record["status"] != "Balanced":
        raise BusinessError(f"Error: the payment has status {record['status']}.")
    periods.require_open(company, record["financialPeriod"])
    sign = credit.SIGNS[record["documentType"]]
    base = record["_base"]["amount"]
    company.ledger.post(
        record["documentDate"],
        record["financialPeriod"],
        record["_key"],
        [
            Entry(RECEIVABLES, sign * base, record["_customer"], "payments"),
            Entry(record["cashAccount"], -sign * base),
        ],
    )
    done = {**record, "_released": True, "status": "Open" if record["amount"] else "Closed"}
    company.save(company.documents, done)
    for one in record["_pending"]:
        _meet(company, record["_key"], one, record["documentDate"])
    company.save(company.documents, {**_now(company, record["_key"]), "_pending": []})
    return _now(company, record["_key"])


def _meet(company: Company, key: str, one: Record, day: date) -> None:
    own, other = _now(company, key), company.documents.get(f"{one['type']}/{one['ref']}")
    assert other is not None
    if own["documentType"] == "Refund":
        settlement.apply(company, other, own, one["amount"], day)
    else:
        settlement.apply(company, own, other, one["amount"], day, discount=one["discount"])


def _now(company: Company, key: str) -> Record:
    found = company.documents.get(key)
    assert found is not None
    return found


def void(company: Company, record: Record, day: date) -> Record:
    """Takes a released payment back: its applications are reversed, and a document of the type
    VoidPayment with the same number stands beside it."""
    if not record["_released"] or record["status"] == "Voided":
        raise BusinessError(f"Error: payment {record['referenceNumber']} cannot be voided.")
    if record["documentType"] not in ("Payment", "Prepayment"):
        raise BusinessError(f"Error: a {record['documentType']} cannot be voided here.")
    for adjustment in settlement.alive(company, "_by", record["_key"]):
        settlement.take_back(company, adjustment, day)
    record = _now(company, record["_key"])
    period = periods.of_date(company, day)["_key"]
    base = record["_base"]["amount"]
    company.ledger.post(
        day,
        period,
        record["_key"],
        [
            Entry(RECEIVABLES, base, record["_customer"], "payments"),
            Entry(record["cashAccount"], -base),
        ],
    )
    gone = {**record["_base"], "balance": ZERO}
    company.save(company.documents, {**record, "status": "Voided", "balance": ZERO, "_base": gone})
    made = {name: value for name, value in record.items() if name not in ("_seq", "_created")}
    made.update(
        _key=f"VoidPayment/{record['referenceNumber']}",
        documentType="VoidPayment",
        documentDate=day,
        financialPeriod=period,
        closedFinancialPeriod=period,
        status="Closed",
        balance=ZERO,
        _base=gone,
        _voids=record["_key"],
    )
    return company.save(company.documents, made)


def pay(
    company: Company,
    customer: Record,
    amount: Decimal,
    day: date,
    *,
    currency: str | None = None,
    rate: Decimal | None = None,
    type_: str = "Payment",
    reference: str | None = None,
) -> Record:
    """Money that came in (or went out, for a refund), released and not yet applied."""
    number = company.number("ARPAYMENT", None, False, company.documents, f"{type_}/")
    record = _blank(company, type_, number, customer)
    record.update(
        currencyId=currency or customer["currencyId"],
        documentDate=day,
        financialPeriod=periods.of_date(company, day)["_key"],
        amount=amount,
        balance=amount,
        status="Balanced",
        hold=False,
        paymentRef=reference,
    )
    known, mult_div = company.rate_of(record["currencyId"], day)
    _put_base(company, record, rate or known, mult_div)
    return release(company, company.save(company.documents, record))


def write_off(company: Company, invoice: Record, amount: Decimal, day: date) -> Record:
    """Gives up part of a claim: a write-off document, applied to it."""
    if not invoice["_released"] or amount <= 0 or amount > invoice["balance"]:
        raise BusinessError("Error: there is not so much to write off.")
    customer = company.customers.get(invoice["_customer"])
    assert customer is not None
    number = company.number("ARPAYMENT", None, False, company.documents, "SmallBalanceWo/")
    record = _blank(company, "SmallBalanceWo", number, customer)
    period = periods.of_date(company, day)["_key"]
    periods.require_open(company, period)
    record.update(
        currencyId=invoice["currencyId"],
        documentDate=day,
        financialPeriod=period,
        amount=amount,
        balance=amount,
        status="Open",
        hold=False,
        _released=True,
        cashAccount=None,
    )
    _put_base(company, record, invoice["_rate"], invoice["_mult_div"])
    if amount == invoice["balance"]:
        base = invoice["_base"]["balance"]
        record["_base"].update(amount=base, balance=base)
    base = record["_base"]["amount"]
    company.save(company.documents, record)
    company.ledger.post(
        day,
        period,
        record["_key"],
        [
            Entry(RECEIVABLES, -base, record["_customer"], "adjustments"),
            Entry(BAD_DEBT, base),
        ],
    )
    made, _ = settlement.apply(company, record, invoice, amount, day)
    return made


def bank_fee(company: Company, payment: Record, fee: Decimal, day: date) -> None:
    """What the bank kept of a payment: a cost of ours, the customer has paid in full."""
    period = periods.of_date(company, day)["_key"]
    company.ledger.post(day, period, payment["_key"], [Entry(BANK_CHARGES, fee), Entry(BANK, -fee)])
