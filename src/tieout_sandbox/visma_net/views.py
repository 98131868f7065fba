"""Documents and payments as the API shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_net import documents, subaccounts
from tieout_sandbox.visma_net.company import Company, day_text
from tieout_sandbox.visma_net.shown import (
    account,
    address,
    branch,
    described,
    finished,
    four,
    short,
    six,
    stamps,
    without_nothing,
)
from tieout_sandbox.visma_net.tables import Record

ZERO = Decimal("0.00")
CODES = {
    "Payment": "PMT",
    "Prepayment": "PPM",
    "CreditNote": "CRM",
    "VoidPayment": "RPM",
    "Refund": "REF",
    "SmallBalanceWo": "SMB",
}
PARTS = {
    "applications": "expandApplications",
    "taxDetails": "expandTaxDetails",
    "attachments": "expandAttachments",
    "invoiceAddress": "expandInvoiceAddress",
}


def _amounts(company: Company, record: Record, name: str) -> tuple[Decimal, Decimal]:
    """An amount in base and in document currency. On drafts the total is not filled."""
    if name in ("amount", "balance") and not record["_released"]:
        settings = company.settings
        if company.assumptions.amounts_on_drafts == "zero" and not settings["validateTotals"]:
            return ZERO, ZERO
    return record["_base"][name], record[name]


def slim(company: Company, record: Record) -> Record:
    """What every document shows; all that the list of customer documents shows."""
    customer = documents.customer_of(company, record)
    amount, amount_cur = _amounts(company, record, "amount")
    balance, balance_cur = _amounts(company, record, "balance")
    found: Record = {
        "customer": {"number": customer["number"], "name": customer["name"]},
        "documentType": record["documentType"],
        "referenceNumber": record["referenceNumber"],
        "postPeriod": record["financialPeriod"],
        "financialPeriod": record["financialPeriod"],
        "closedFinancialPeriod": record.get("closedFinancialPeriod"),
        "documentDate": day_text(record["documentDate"]),
        "documentDueDate": day_text(record["documentDueDate"]),
        "origInvoiceDate": day_text(record["origInvoiceDate"]),
        "status": record["status"],
        "currencyId": record["currencyId"],
        "amount": short(amount),
        "amountInCurrency": short(amount_cur),
        "balance": short(balance),
        "balanceInCurrency": short(balance_cur),
        "cashDiscount": short(ZERO),
        "cashDiscountInCurrency": short(ZERO),
        "paymentMethod": _method(company, record),
        "customerRefNumber": record["customerRefNumber"],
        "invoiceText": record["invoiceText"],
        **stamps(company, "customerdocument", record),
        "note": record.get("note"),
        "vatTotal": short(record["_base"]["vatTotal"]),
        "vatTotalInCurrency": short(record["vatTotal"]),
        "location": _location(company, record),
        "branchNumber": branch(company, record["branch"]),
        "cashAccount": record.get("cashAccount"),
        "project": _project(company, record["project"]),
        "account": account(company, record["account"]),
        "subaccount": subaccounts.shown(company, record["subaccount"]),
        "customerProject": record.get("customerProject"),
        "errorInfo": record.get("_error_info"),
    }
    return found


def customer_document(company: Company, record: Record) -> Any:
    """One of the list of all documents: no lines, no external reference."""
    found = slim(company, record)
    found["branch"] = found["branchNumber"]
    return finished(company, _paired(company, record, found))


def _paired(company: Company, record: Record, found: Record) -> Record:
    """The pairs of amounts as the company writes them: the vendor's text has them the other way
    round than their names."""
    own = record["currencyId"] == company.base_currency
    if own or company.assumptions.currency_pair == "named":
        return found
    turned = dict(found)
    for name in found:
        if name.endswith("InCurrency"):
            base = name.removesuffix("InCurrency")
            turned[name], turned[base] = found[base], found[name]
    return turned


def full(company: Company, record: Record, parts: frozenset[str] = frozenset(PARTS)) -> Any:
    """An invoice, credit note or debit note; `parts` are those of `PARTS` that are asked for."""
    kind = documents.KINDS.get(record["documentType"], documents.INVOICE)
    found = slim(company, record)
    for name in ("lastModifiedDateTime", "createdDateTime"):
        found[name] = stamps(company, kind.path.lower(), record)[name]
    found.update(
        creditTerms=described(company.terms.get(record["creditTermsId"]), "termsId"),
        cashDiscountDate=day_text(record["cashDiscountDate"]),
        externalReference=record["externalReference"],
        isRotRutDeductible=False,
        exchangeRate=short(record["_rate"]),
        dunningLetterLevel=record.get("_dunning_level", 0),
        dunningLetterDate=day_text(record.get("_dunning_date")),
        contact=_contact_name(company, record),
        roundingDiff=short(_rounding(company, record)),
        customerVatZone=described(company.vat_zones.get(documents.zone_of(company, record))),
        timeStamp=record["_version"],
        hold=record["status"] == "Hold",
        salesPerson=_salesperson(company, record.get("salesperson")),
        paymentReference=record["paymentReference"],
        invoiceContact=_invoice_contact(company, record),
        dontPrint=bool(record["dontPrint"]),
        dontEmail=bool(record["dontEmail"]),
        revoked=bool(record["revoked"]),
        sendToAutoInvoice=bool(record["sendToAutoInvoice"]),
    )
    for name in ("detailTotal", "discountTotal", "vatTaxableTotal", "vatExemptTotal"):
        found[name] = short(record["_base"][name])
        found[f"{name}InCurrency"] = short(record[name])
    if kind is documents.INVOICE:
        found.update(
            startDate=day_text(record["startDate"]),
            endDate=day_text(record["endDate"]),
            accountingCostRef=record["accountingCostRef"],
            originatorDocRef=record["originatorDocRef"],
            contractDocRef=record["contractDocRef"],
            excludeDebtCollection=bool(record["excludeDebtCollection"]),
        )
    if kind is documents.DEBIT_NOTE:
        found.pop("sendToAutoInvoice")
    if kind is documents.CREDIT_NOTE:
        found["paymentReference"] = None
    found = _paired(company, record, found)
    found[kind.lines] = [
        _paired(company, record, _line(company, record, line, kind)) for line in record["_lines"]
    ]
    made = {
        "applications": _applications,
        "taxDetails": _taxes,
        "attachments": _attachments,
        "invoiceAddress": _invoice_address,
    }
    for part in parts:
        found[part] = made[part](company, record)
    return finished(company, found)


def _rounding(company: Company, record: Record) -> Decimal:
    value: Decimal = record["roundingDiff"]
    return value if company.assumptions.rounding_diff == "rounded_minus_exact" else -value


def _method(company: Company, record: Record) -> Record | None:
    return described(company.payment_methods.get(record["paymentMethodId"]), "paymentMethodID")


def _location(company: Company, record: Record) -> Record | None:
    found = documents.location_of(company, record)
    return {
        "countryId": (found["address"] or {}).get("countryId"),
        "id": found["locationId"],
        "name": found["locationName"],
    }


def _project(company: Company, key: str | None) -> Record:
    row = company.projects.get(key)
    if row is None:
        return {"internalId": 0, "id": company.settings["nonProject"], "description": ""}
    return {
        "internalId": row["internalID"],
        "id": row["projectID"],
        "description": row["description"],
    }


def _contact_name(company: Company, record: Record) -> Record | None:
    row = company.contacts.get(record["contact"])
    if row is None:
        return None
    return {"id": row["contactId"], "name": row["displayName"]}


def _salesperson(company: Company, key: str | None) -> Record | None:
    row = company.salespeople.get(key)
    return None if row is None else {"id": row["salespersonID"], "description": row["name"]}


def _invoice_contact(company: Company, record: Record) -> Record:
    customer = documents.customer_of(company, record)
    own = customer["invoiceContact"] or customer["mainContact"] or {}
    changed = record["_contact_override"]
    both = {**own, **changed}
    return without_nothing(
        {
            "contactId": own.get("contactId"),
            "businessName": both.get("name"),
            "attention": both.get("attention"),
            "email": both.get("email"),
            "phone1": both.get("phone1"),
            "overrideContact": bool(changed),
        }
    )


def _invoice_address(company: Company, record: Record) -> Record:
    customer = documents.customer_of(company, record)
    changed = record["_address"]
    both = {**(customer["invoiceAddress"] or customer["mainAddress"] or {}), **changed}
    found = address(company, both) or {}
    return {**found, "overrideAddress": bool(changed)}


def _taxes(company: Company, record: Record) -> list[Record]:
    return [
        {
            "taxId": one["vat"],
            "recordId": place,
            "vatId": {"number": one["vat"], "description": _vat_text(company, one["vat"])},
            "vatRate": six(one["rate"]),
            "taxableAmount": four(one["taxable"]),
            "vatAmount": four(one["amount"]),
        }
        for place, one in enumerate(record["_taxes"], start=1)
    ]


def _vat_text(company: Company, vat_id: str) -> str:
    row = company.vats.get(vat_id)
    return str(row["description"]) if row is not None else ""


def attachment(row: Record) -> Record:
    """A file as its document lists it."""
    return {"name": row["name"], "id": row["_key"], "revision": row["revision"]}


def _attachments(company: Company, record: Record) -> list[Record]:
    files = company.attachments.find("_document", record["_key"])
    return [attachment(row) for row in files if row["line"] is None]


def _applications(company: Company, record: Record) -> list[Record]:
    """Every application: on an invoice what met it, on a credit note what it met."""
    side = "_by" if record["documentType"] == "CreditNote" else "_of"
    other = "_of" if side == "_by" else "_by"
    found = []
    for one in company.adjustments.find(side, record["_key"]):
        by = company.documents.get(one[other])
        assert by is not None
        found.append(_application(company, by, one, True))
    for one in record["_pending"]:
        by = company.documents.get(f"{one['type']}/{one['ref']}")
        if by is not None and not record["_released"]:
            made = {
                "amount": one["amount"],
                "discount": ZERO,
                "voided": False,
                "day": record["documentDate"],
                "period": record["financialPeriod"],
            }
            found.append(_application(company, by, made, False))
    return found


def _application(company: Company, by: Record, one: Record, released: bool) -> Record:
    type_ = by["documentType"]
    if company.assumptions.application_doc_type == "code":
        type_ = CODES.get(type_, "INV")
    return without_nothing(
        {
            "docType": type_,
            "customerCD": documents.customer_of(company, by)["number"],
            "refNbr": by["referenceNumber"],
            "amountPaid": four(one["amount"]),
            "cashDiscountTaken": four(one["discount"]),
            "balance": four(by["balance"]),
            "pendingPPD": False,
            "released": released,
            "hold": by["status"] == "Hold",
            "voided": one["voided"],
            "paymentRef": by.get("paymentRef"),
            "status": by["status"],
            "applicationDate": day_text(one["day"]),
            "applicationPeriod": one["period"],
            "invoiceText": by["invoiceText"],
        }
    )


def _line(company: Company, record: Record, line: Record, kind: documents.Kind) -> Record:
    rate, mult_div = record["_rate"], record["_mult_div"]

    def base(value: Decimal | None) -> Decimal | None:
        if value is None:
            return None
        return short(company.to_base(value, rate, mult_div))

    task = next(
        (
            one
            for one in company.tasks.find("_project", record["project"] or "")
            if one["taskId"] == line.get("taskId")
        ),
        None,
    )
    found: Record = {
        "lineNumber": line["lineNumber"],
        "inventoryNumber": line["inventoryNumber"],
        "description": line["description"],
        "quantity": short(line["quantity"]),
        "unitPrice": base(line["unitPrice"]),
        "unitPriceInCurrency": short(line["unitPrice"]),
        "manualAmount": base(line["manualAmount"] or ZERO),
        "manualAmountInCurrency": short(line["manualAmount"] or ZERO),
        "amount": base(line["amount"]),
        "amountInCurrency": short(line["amount"]),
        "cost": short(_cost(company, record, line)),
        "account": account(company, line["account"]),
        "vatCode": described(company.vat_categories.get(line["vatCodeId"]), "vatCategoryId"),
        "uom": line["uom"],
        "discountPercent": short(line["discountPercent"]),
        "discountAmount": base(line["discountAmount"]),
        "discountAmountInCurrency": short(line["discountAmount"]),
        "manualDiscount": line["manualDiscount"],
        "discountCode": line.get("discountCode"),
        "subaccount": subaccounts.shown(company, line["subaccount"]),
        "salesperson": line.get("salesperson"),
        "seller": _salesperson(company, line.get("salesperson")),
        "deferralCode": line.get("deferralCode"),
        "termStartDate": day_text(line.get("termStartDate")),
        "termEndDate": day_text(line.get("termEndDate")),
        "note": line.get("note"),
        "branchNumber": branch(company, line["branch"]),
        "soShipmentNbr": line["soShipmentNbr"],
        "soOrderType": line["soOrderType"],
        "soOrderNbr": line["soOrderNbr"],
        "isRotRutDeductible": False,
        "externalLink": line.get("externalLink"),
    }
    if kind is documents.INVOICE:
        found["lineType"] = line["lineType"]
        found["startDate"] = day_text(line.get("startDate"))
        found["endDate"] = day_text(line.get("endDate"))
    if kind is not documents.DEBIT_NOTE and task is not None:
        found["projectTask"] = {
            "internalId": task["internalId"],
            "id": task["taskId"],
            "description": task["description"],
        }
    files = company.attachments.find("_document", record["_key"])
    found["attachments"] = [attachment(row) for row in files if row["line"] == line["lineNumber"]]
    return without_nothing(found)


def _cost(company: Company, record: Record, line: Record) -> Decimal:
    """Nothing until release."""
    item = company.items.one("inventoryNumber", line["inventoryNumber"] or "")
    if item is None or not record["_released"]:
        return ZERO
    cost: Decimal = item["currentCost"] * line["quantity"]
    return cost


# Payments.


def payment(company: Company, record: Record) -> Any:
    """A payment, prepayment, refund, void or write-off."""
    customer = documents.customer_of(company, record)
    lines = _payment_lines(company, record)
    applied = sum((one["amountPaid"] for one in lines), ZERO)
    location = documents.location_of(company, record)
    base = record["_base"]
    found: Record = {
        "type": record["documentType"],
        "refNbr": record["referenceNumber"],
        "status": record["status"],
        "hold": record["status"] == "Hold",
        "applicationDate": day_text(record["documentDate"]),
        "applicationPeriod": record["financialPeriod"],
        "paymentRef": record["paymentRef"],
        "customer": {"number": customer["number"], "name": customer["name"]},
        "location": {
            "countryId": (location["address"] or {}).get("countryId"),
            "id": location["locationId"],
            "name": location["locationName"],
        },
        "paymentMethod": _method(company, record),
        "cashAccount": record["cashAccount"],
        "currency": record["currencyId"],
        "paymentAmount": four(base["amount"]),
        "paymentAmountInCurrency": four(record["amount"]),
        "invoiceText": record["invoiceText"],
        "appliedToDocuments": four(applied),
        "appliedToOrders": short(ZERO),
        "availableBalance": short(base["balance"]),
        "availableBalanceInCurrency": short(record["balance"]),
        "writeOffAmount": short(ZERO),
        "financeCharges": short(ZERO),
        "deductedCharges": short(ZERO),
        "branch": record["branch"],
        "lastModifiedDateTime": stamps(company, "customerpayment", record)["lastModifiedDateTime"],
        "paymentLines": lines,
        "ordersToApply": [],
        "timeStamp": record["_version"],
    }
    return finished(company, _paired(company, record, found))


def _payment_lines(company: Company, record: Record) -> list[Record]:
    """Every application in the order it was made. One that was taken back stands there with plus
    and with minus, so an invoice can appear several times."""
    key = record.get("_voids", record["_key"])
    side, other = ("_of", "_by") if record["documentType"] == "Refund" else ("_by", "_of")
    found = []
    for one in company.adjustments.find(side, key):
        target = company.documents.get(one[other])
        assert target is not None
        found.append(_payment_line(target, one["amount"], one["discount"]))
    for one in record["_pending"]:
        target = company.documents.get(f"{one['type']}/{one['ref']}")
        assert target is not None
        found.append(_payment_line(target, one["amount"], one["discount"]))
    return found


def _payment_line(target: Record, amount: Decimal, discount: Decimal) -> Record:
    return without_nothing(
        {
            "documentType": target["documentType"],
            "refNbr": target["referenceNumber"],
            "amountPaid": four(amount),
            "cashDiscountTaken": short(discount),
            "balanceWriteOff": short(ZERO),
            "date": day_text(target["documentDate"]),
            "dueDate": day_text(target["documentDueDate"]),
            "cashDiscountDate": day_text(target["cashDiscountDate"]),
            "balance": short(target["balance"]),
            "cashDiscountBalance": short(ZERO),
            "description": target["invoiceText"],
            "currency": target["currencyId"],
            "postPeriod": target["financialPeriod"],
            "customerOrder": target["customerRefNumber"],
            "crossRate": short(Decimal(1)),
        }
    )
