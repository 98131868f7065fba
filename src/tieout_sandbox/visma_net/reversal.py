"""Turning an invoice round: a credit note over it, or a correction of it."""

from __future__ import annotations

from decimal import Decimal

from tieout_sandbox.visma_net import documents, periods
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError
from tieout_sandbox.visma_net.tables import Record

ZERO = Decimal("0.00")


def reverse(company: Company, invoice: Record, *, apply_it: bool) -> Record:
    """A balanced credit note over the whole invoice; with `apply_it` it meets what is open of the
    invoice once it is released."""
    note = _copy(company, invoice, "CreditNote", "ARCREDIT")
    open_rest = invoice["balance"]
    if apply_it and open_rest > 0:
        note["_pending"] = [
            {
                "type": invoice["documentType"],
                "ref": invoice["referenceNumber"],
                "amount": min(open_rest, note["amount"]),
            }
        ]
    note["status"] = "Balanced"
    note["hold"] = False
    return company.save(company.documents, note)


def correct(company: Company, invoice: Record) -> Record:
    """A correction of a released invoice: a copy on hold; with it, where the company was switched
    to that, a credit note that meets the old one."""
    if company.assumptions.correct_effect == "credit_and_copy":
        reverse(company, invoice, apply_it=True)
    made = _copy(company, invoice, "Invoice", "ARINVOICE")
    made["status"], made["hold"] = "Hold", True
    return company.save(company.documents, made)


def _copy(company: Company, invoice: Record, type_: str, series: str) -> Record:
    if not invoice["_released"] or invoice["documentType"] != "Invoice":
        raise BusinessError(
            f"Error: {invoice['documentType']} {invoice['referenceNumber']} is not released."
        )
    number = company.number(series, None, False, company.documents, f"{type_}/")
    day = company.today()
    period = periods.of_date(company, day)["_key"]
    periods.require_open(company, period)
    terms = company.terms.get(invoice["creditTermsId"])
    due, discount = documents.due_dates(terms, day)
    base = dict(invoice["_base"])
    base["balance"] = base["amount"]
    return {
        **{name: value for name, value in invoice.items() if name not in ("_seq", "_created")},
        "_key": f"{type_}/{number}",
        "documentType": type_,
        "referenceNumber": number,
        "documentDate": day,
        "documentDueDate": due,
        "cashDiscountDate": discount,
        "financialPeriod": period,
        "closedFinancialPeriod": None,
        "paymentReference": documents.kid(number) if type_ == "Invoice" else None,
        # The vendor has no field that names the reversed invoice, but for the application.
        "externalReference": None,
        "balance": invoice["amount"],
        "_base": base,
        "_pending": [],
        "_released": False,
        "_given_rate": invoice["_rate"],
    }
