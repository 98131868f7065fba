"""Whether a customer may have documents, and whether its credit is used up."""

from __future__ import annotations

from decimal import Decimal

from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError
from tieout_sandbox.visma_net.tables import Record

SIGNS = {
    "Invoice": 1,
    "DebitNote": 1,
    "FinCharge": 1,
    "Refund": 1,
    "VoidPayment": 1,
    "SmallCreditWo": 1,
    "CreditNote": -1,
    "Payment": -1,
    "Prepayment": -1,
    "SmallBalanceWo": -1,
}
ZERO = Decimal("0.00")


def require_documents(customer: Record) -> None:
    """BusinessError where the customer's status allows no invoices."""
    if customer["status"] in ("OnHold", "CreditHold", "Inactive"):
        raise BusinessError(
            f"Error: customer {customer['number']} has status {customer['status']}."
        )


def require_payments(customer: Record) -> None:
    """BusinessError where the customer's status allows no payments."""
    if customer["status"] in ("OnHold", "Inactive"):
        raise BusinessError(
            f"Error: customer {customer['number']} has status {customer['status']}."
        )


def balance(company: Company, internal_id: int) -> Decimal:
    """What a customer owes: signed open balances of released documents, in base currency."""
    return sum(
        (
            SIGNS[record["documentType"]] * record["_base"]["balance"]
            for record in company.documents.find("_customer", internal_id)
            if record["_released"]
        ),
        ZERO,
    )


def exceeded(company: Company, customer: Record, record: Record) -> bool:
    """Whether a document of this size is stopped by the credit check."""
    rule = customer["creditVerification"]
    owed = balance(company, customer["internalId"])
    if rule in ("CreditLimit", "LimitAndDaysPastDue") and (
        owed + record["_base"]["amount"] > customer["creditLimit"]
    ):
        return True
    if rule not in ("DaysPastDue", "LimitAndDaysPastDue"):
        return False
    today = company.today()
    return any(
        (today - one["documentDueDate"]).days > customer["creditDaysPastDue"]
        for one in company.documents.find("_customer", customer["internalId"])
        if one["_released"] and one["documentType"] == "Invoice" and one["balance"] > 0
    )
