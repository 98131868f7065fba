"""What meets what: payments, credit notes and write-offs applied to open documents, and taken
back. Amounts are in the documents' currency, base amounts are kept beside them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout_sandbox.visma_net import periods
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError
from tieout_sandbox.visma_net.ledger import (
    CASH_DISCOUNT,
    EXCHANGE_GAIN,
    EXCHANGE_LOSS,
    RECEIVABLES,
    Entry,
)
from tieout_sandbox.visma_net.tables import Record

ZERO = Decimal("0.00")
CREDITS = frozenset({"Payment", "Prepayment", "CreditNote", "SmallBalanceWo"})
DEBITS = frozenset({"Invoice", "DebitNote", "FinCharge", "Refund", "SmallCreditWo"})


def apply(
    company: Company,
    by: Record,
    to: Record,
    amount: Decimal,
    day: date,
    *,
    discount: Decimal = ZERO,
) -> tuple[Record, Record]:
    """Sets so much of a credit against a claim; `discount` closes more of the claim. Gives both
    documents as they are then. BusinessError where either has less left."""
    _check(by, to, amount, discount)
    period = periods.of_date(company, day)["_key"]
    periods.require_open(company, period)
    off_claim = _base_share(company, to, amount)
    off_credit = _base_share(company, by, amount)
    off_discount = _base_share(company, to, amount + discount) - off_claim
    company.save(
        company.adjustments,
        {
            "_key": str(company.count("adjustment")),
            "_of": to["_key"],
            "_by": by["_key"],
            "amount": amount,
            "discount": discount,
            "baseOf": off_claim + off_discount,
            "baseBy": off_credit,
            "baseDiscount": off_discount,
            "day": day,
            "period": period,
            "voided": False,
        },
    )
    _post(company, to, day, period, off_claim, off_credit, off_discount)
    to = _moved(company, to, -(amount + discount), -(off_claim + off_discount), period)
    by = _moved(company, by, -amount, -off_credit, period)
    return by, to


def take_back(company: Company, adjustment: Record, day: date) -> None:
    """Undoes an application; both stay to be read, the second with the contrary sign."""
    if adjustment["voided"]:
        raise BusinessError("Error: the application was already reversed.")
    period = periods.of_date(company, day)["_key"]
    periods.require_open(company, period)
    company.save(company.adjustments, {**adjustment, "voided": True})
    company.save(
        company.adjustments,
        {
            "_key": str(company.count("adjustment")),
            "_of": adjustment["_of"],
            "_by": adjustment["_by"],
            **{
                name: -adjustment[name]
                for name in ("amount", "discount", "baseOf", "baseBy", "baseDiscount")
            },
            "day": day,
            "period": period,
            "voided": True,
        },
    )
    to, by = company.documents.get(adjustment["_of"]), company.documents.get(adjustment["_by"])
    assert to is not None
    assert by is not None
    discount = adjustment["baseDiscount"]
    _post(
        company, to, day, period, discount - adjustment["baseOf"], -adjustment["baseBy"], -discount
    )
    _moved(company, to, adjustment["amount"] + adjustment["discount"], adjustment["baseOf"], period)
    _moved(company, by, adjustment["amount"], adjustment["baseBy"], period)


def alive(company: Company, field: str, key: str) -> list[Record]:
    """Applications of a document (`_of`) or by it (`_by`) that were not taken back."""
    return [one for one in company.adjustments.find(field, key) if not one["voided"]]


def _check(by: Record, to: Record, amount: Decimal, discount: Decimal) -> None:
    for record, side in ((by, CREDITS), (to, DEBITS)):
        if record["documentType"] not in side or not record["_released"]:
            raise BusinessError(
                f"Error: {record['documentType']} {record['referenceNumber']} cannot be applied."
            )
    if by["_customer"] != to["_customer"]:
        raise BusinessError(f"Error: AdjdRefNbr '{to['referenceNumber']}' cannot be found.")
    if by["currencyId"] != to["currencyId"]:
        raise BusinessError("Error: documents of different currencies are not applied.")
    if amount <= 0 or discount < 0 or amount > by["balance"]:
        raise BusinessError(f"Error: the amount {amount} exceeds what is available.")
    if amount + discount > to["balance"]:
        raise BusinessError(
            f"Error: the amount {amount + discount} exceeds the balance of {to['referenceNumber']}."
        )


def _base_share(company: Company, record: Record, amount: Decimal) -> Decimal:
    """What part of the base balance goes with an amount; all of it with the last of it."""
    base: Decimal = record["_base"]["balance"]
    if amount == record["balance"]:
        return base
    return min(base, company.to_base(amount, record["_rate"], record["_mult_div"]))


def _post(
    company: Company,
    to: Record,
    day: date,
    period: str,
    off_claim: Decimal,
    off_credit: Decimal,
    off_discount: Decimal,
) -> None:
    """The exchange difference and the cash discount: all else is only a shift inside the
    receivables."""
    customer, difference = to["_customer"], off_credit - off_claim
    company.ledger.post(
        day,
        period,
        to["_key"],
        [
            Entry(RECEIVABLES, difference, customer, "adjustments"),
            Entry(EXCHANGE_GAIN if difference > 0 else EXCHANGE_LOSS, -difference),
            Entry(RECEIVABLES, -off_discount, customer, "adjustments"),
            Entry(CASH_DISCOUNT, off_discount),
        ],
    )


def _moved(company: Company, record: Record, amount: Decimal, base: Decimal, period: str) -> Record:
    balance = record["balance"] + amount
    moved = {
        **record,
        "balance": balance,
        "_base": {**record["_base"], "balance": record["_base"]["balance"] + base},
        "status": "Open" if balance else "Closed",
        "closedFinancialPeriod": None if balance else period,
    }
    return company.save(company.documents, moved, stamp=company.assumptions.payment_moves_invoice)
