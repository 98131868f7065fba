"""Release: a balanced document is booked, split into instalments, and meets what it names."""

from __future__ import annotations

from decimal import Decimal

from tieout_sandbox.visma_net import periods, settlement, webhooks
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.documents import due_dates
from tieout_sandbox.visma_net.errors import BusinessError
from tieout_sandbox.visma_net.ledger import (
    INTEREST,
    OTHER_VAT,
    OUTPUT_VAT,
    RECEIVABLES,
    ROUNDING,
    Entry,
)
from tieout_sandbox.visma_net.tables import Record

ZERO = Decimal("0.00")


def release(company: Company, record: Record) -> Record:
    """The released document; BusinessError with the reason where it cannot be."""
    number = record["referenceNumber"]
    if record["_released"]:
        raise BusinessError(f"Error: {record['documentType']} {number} is already released.")
    if record["status"] != "Balanced":
        raise BusinessError(
            f"Error: {record['documentType']} {number} has status {record['status']}; only "
            "balanced documents can be released."
        )
    if record["amount"] < 0:
        raise BusinessError(f"Error: the total of {number} is negative.")
    periods.require_open(company, record["financialPeriod"])
    _post(company, record)
    zero = record["amount"] == 0
    record = {
        **record,
        "_released": True,
        "status": "Closed" if zero else "Open",
        "closedFinancialPeriod": record["financialPeriod"] if zero else None,
    }
    record = company.save(company.documents, record)
    _split(company, record)
    _meet(company, record)
    _complete_orders(company, record)
    webhooks.send(company, "AR Invoice Status Changed", record["_key"])
    done = company.documents.get(record["_key"])
    assert done is not None
    return done


def _post(company: Company, record: Record) -> None:
    """Receivable against sales, VAT and what rounding leaves."""
    sign = -1 if record["documentType"] == "CreditNote" else 1
    rate, mult_div = record["_rate"], record["_mult_div"]
    kind = "overdue" if record["documentType"] == "FinCharge" else "sales"
    total = record["_base"]["amount"]
    entries = [Entry(RECEIVABLES, sign * total, record["_customer"], kind)]
    left = total
    included = sum((one["amount"] for one in record["_taxes"] if one["included"]), ZERO)
    for line in record["_lines"]:
        amount = company.to_base(line["amount"], rate, mult_div)
        entries.append(Entry(line["account"], -sign * amount))
        left -= amount
    if included:
        amount = company.to_base(included, rate, mult_div)
        entries.append(Entry(record["_lines"][0]["account"], sign * amount))
        left += amount
    for one in record["_taxes"]:
        amount = company.to_base(one["amount"], rate, mult_div)
        entries.append(Entry(OUTPUT_VAT.get(one["vat"], OTHER_VAT), -sign * amount))
        left -= amount
    entries.append(Entry(ROUNDING, -sign * left))
    company.ledger.post(record["documentDate"], record["financialPeriod"], record["_key"], entries)


def _split(company: Company, record: Record) -> None:
    """Terms with instalments: the document closes, and documents of its parts are open."""
    terms = company.terms.get(record["creditTermsId"])
    if terms is None or terms["numberOfInstalments"] < 2 or record["documentType"] != "Invoice":
        return
    count = terms["numberOfInstalments"]
    left, base_left = record["amount"], record["_base"]["amount"]
    first_due, _ = due_dates(terms, record["documentDate"])
    for place in range(count):
        last = place == count - 1
        part = left if last else (record["amount"] / count).quantize(Decimal("0.01"))
        base = base_left if last else company.to_base(part, record["_rate"], record["_mult_div"])
        left, base_left = left - part, base_left - base
        number = company.number("ARINVOICE", None, False, company.documents, "Invoice/")
        shift = terms["instalmentsSchedule"][place]["days"]
        child = {
            **{name: value for name, value in record.items() if name not in ("_seq", "_created")},
            "_key": f"Invoice/{number}",
            "referenceNumber": number,
            "documentDueDate": first_due.fromordinal(record["documentDate"].toordinal() + shift),
            "_lines": [],
            "_taxes": [],
            "_master": record["_key"],
            **dict.fromkeys(("detailTotal", "vatTotal", "vatTaxableTotal", "vatExemptTotal"), ZERO),
            "roundingDiff": ZERO,
            "discountTotal": ZERO,
            "amount": part,
            "balance": part,
            "_base": {**dict.fromkeys(record["_base"], ZERO), "amount": base, "balance": base},
        }
        company.save(company.documents, child)
    company.save(
        company.documents,
        {
            **record,
            "balance": ZERO,
            "_base": {**record["_base"], "balance": ZERO},
            "status": "Closed",
            "closedFinancialPeriod": record["financialPeriod"],
        },
    )


def _meet(company: Company, record: Record) -> None:
    for one in record["_pending"]:
        target = company.documents.get(f"{one['type']}/{one['ref']}")
        by = company.documents.get(record["_key"])
        assert target is not None
        assert by is not None
        settlement.apply(company, by, target, one["amount"], record["documentDate"])


def _complete_orders(company: Company, record: Record) -> None:
    keys = {
        f"{line['soOrderType']}/{line['soOrderNbr']}"
        for line in record["_lines"]
        if line.get("soOrderNbr")
    }
    for key in sorted(keys):
        order = company.orders.get(key)
        if order is not None and order["status"] == "Invoiced":
            company.save(company.orders, {**order, "status": "Completed"})


def overdue_charge(company: Company, invoice: Record, amount: Decimal) -> Record:
    """A reminder fee on an invoice: a claim of its own, without VAT, booked at once."""
    number = company.number("ARINVOICE", None, False, company.documents, "FinCharge/")
    day = company.today()
    period = periods.of_date(company, day)["_key"]
    periods.require_open(company, period)
    zeros = dict.fromkeys(invoice["_base"], ZERO)
    made = {
        **{name: value for name, value in invoice.items() if name not in ("_seq", "_created")},
        "_key": f"FinCharge/{number}",
        "documentType": "FinCharge",
        "referenceNumber": number,
        "documentDate": day,
        "financialPeriod": period,
        "documentDueDate": day,
        "externalReference": None,
        "customerRefNumber": None,
        "invoiceText": f"Purregebyr {invoice['referenceNumber']}",
        **dict.fromkeys(zeros, ZERO),
        "detailTotal": amount,
        "vatExemptTotal": amount,
        "amount": amount,
        "balance": amount,
        "_lines": [
            {
                **invoice["_lines"][0],
                "lineNumber": 1,
                "inventoryNumber": None,
                "lineType": "MI",
                "description": "Purregebyr",
                "account": INTEREST,
                "quantity": Decimal(1),
                "unitPrice": amount,
                "amount": amount,
                "discountAmount": ZERO,
                "discountPercent": ZERO,
                "vatCodeId": None,
            }
        ],
        "_taxes": [],
        "_pending": [],
        "_released": False,
        "status": "Balanced",
    }
    base = company.to_base(amount, invoice["_rate"], invoice["_mult_div"])
    for name in ("detailTotal", "vatExemptTotal", "amount", "balance"):
        zeros[name] = base
    made["_base"] = zeros
    return release(company, company.save(company.documents, made))
