"""Invoices, credit notes and debit notes before they are released: made, changed, deleted."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_net import credit, lines, periods, pricing, tax
from tieout_sandbox.visma_net.company import Company, rounded
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.ledger import RECEIVABLES
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.totals import Line, Rules, document
from tieout_sandbox.visma_net.writes import read

ZERO = Decimal("0.00")
UNRELEASED = frozenset({"Hold", "Balanced", "CreditHold", "PendingPrint", "PendingEmail"})
AMOUNTS = (
    "detailTotal",
    "discountTotal",
    "vatTaxableTotal",
    "vatExemptTotal",
    "vatTotal",
    "amount",
    "balance",
    "roundingDiff",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of document: its type, path, body, name of its lines and series of numbers."""

    type: str
    path: str
    shape: str
    lines: str
    series: str
    sign: int


INVOICE = Kind(
    type="Invoice",
    path="customerinvoice",
    shape="CustomerInvoiceUpdateDto",
    lines="invoiceLines",
    series="ARINVOICE",
    sign=1,
)
CREDIT_NOTE = Kind(
    type="CreditNote",
    path="customerCreditNote",
    shape="CustomerCreditNoteUpdateDto",
    lines="lines",
    series="ARCREDIT",
    sign=-1,
)
DEBIT_NOTE = Kind(
    type="DebitNote",
    path="customerDebitNote",
    shape="CustomerDebitNoteUpdateDto",
    lines="lines",
    series="ARDEBIT",
    sign=1,
)
KINDS = {kind.type: kind for kind in (INVOICE, CREDIT_NOTE, DEBIT_NOTE)}
# On the path of invoices stand overdue charges and write-offs of credits, too.
SHOWN_AS = {
    "Invoice": frozenset({"Invoice", "FinCharge"}),
    "CreditNote": frozenset({"CreditNote"}),
    "DebitNote": frozenset({"DebitNote"}),
}
_COPIED = (
    "customerRefNumber",
    "externalReference",
    "invoiceText",
    "note",
    "customerProject",
    "accountingCostRef",
    "originatorDocRef",
    "contractDocRef",
    "startDate",
    "endDate",
    "cashAccount",
    "paymentReference",
    "sendToAutoInvoice",
    "dontPrint",
    "dontEmail",
    "excludeDebtCollection",
    "revoked",
    "contact",
)


def need(company: Company, kind: Kind, number: str) -> Record:
    """The document of a kind by its number; NotFoundError where there is none."""
    for type_ in sorted(SHOWN_AS[kind.type], key=lambda one: one != kind.type):
        found = company.documents.get(f"{type_}/{number}")
        if found is not None:
            return found
    raise NotFoundError(f"{kind.type} '{number}' cannot be found in the system.")


def create(company: Company, kind: Kind, body: Any) -> Record:
    """A new document, not released; BusinessError where the rules refuse it."""
    given = read(kind.shape, body, company.assumptions)
    record = fresh(company, kind, given)
    record = _applied(company, kind, record, given)
    number = company.number(
        kind.series,
        given.get("referenceNumber"),
        bool(given.get("overrideNumberSeries")),
        company.documents,
        f"{kind.type}/",
    )
    if company.documents.get(f"{kind.type}/{number}") is not None:
        raise BusinessError(
            f"Error: Another process has added the '{kind.type}' record {number}; it already "
            "exists."
        )
    record["referenceNumber"] = number
    record["_key"] = f"{kind.type}/{number}"
    if record["paymentReference"] is None and kind is INVOICE:
        record["paymentReference"] = kid(number)
    return company.save(company.documents, record)


def change(company: Company, record: Record, body: Any) -> Record:
    """The document with the fields that were sent; BusinessError once it is released."""
    kind = KINDS.get(record["documentType"])
    if kind is None or record["status"] not in UNRELEASED:
        raise BusinessError(
            f"Error: {record['documentType']} {record['referenceNumber']} can't be updated "
            "because it is already released."
        )
    given = read(kind.shape, body, company.assumptions)
    return company.save(company.documents, _applied(company, kind, dict(record), given))


def delete(company: Company, record: Record) -> None:
    """Takes an unreleased document away; its number is not given again."""
    if record["status"] not in UNRELEASED:
        raise BusinessError(
            f"Error: {record['documentType']} {record['referenceNumber']} can't be deleted "
            "because it is already released."
        )
    company.documents.remove(record["_key"])


def fresh(company: Company, kind: Kind, given: Record) -> Record:
    """A document with what it takes from its customer."""
    if not given.get("customerNumber"):
        raise BusinessError("Error: 'Customer' cannot be empty.")
    customer = company.customers.one("number", given["customerNumber"])
    if customer is None:
        raise missing("CustomerID", given["customerNumber"])
    credit.require_documents(customer)
    blank: Record = dict.fromkeys(_COPIED)
    return {
        **blank,
        "documentType": kind.type,
        "_customer": customer["internalId"],
        "hold": company.settings["holdOnEntry"],
        "documentDate": company.today(),
        "creditTermsId": customer["creditTermsId"],
        "currencyId": customer["currencyId"],
        "locationId": company.settings["mainLocation"],
        "branch": company.settings["branch"],
        "paymentMethodId": customer.get("defaultPaymentMethodId"),
        "salesperson": None,
        "account": RECEIVABLES,
        "subaccount": company.settings["subaccount"],
        "project": None,
        "_zone": None,
        "_address": {},
        "_contact_override": {},
        "_lines": [],
        "_pending": [],
        "_given_rate": None,
        "_given_due": None,
        "_given_discount": None,
        "_given_period": None,
        "origInvoiceDate": None,
        "_released": False,
    }


def _applied(company: Company, kind: Kind, record: Record, given: Record) -> Record:
    """The document with a body laid over it, and everything reckoned anew."""
    _head(company, record, given)
    _texts(company, record, given)
    head = head_of(company, record)
    record["_lines"] = lines.merge(
        company,
        head,
        [line for line in record["_lines"] if line["lineType"] != "DS"],
        given.get(kind.lines, []),
    )
    if not record["_lines"]:
        raise BusinessError("Error: the document has no lines.")
    if "applicationLines" in given:
        record["_pending"] = _pending(company, record, given["applicationLines"])
    reckon(company, record)
    record["status"] = status_before_release(company, record)
    return record


def _head(company: Company, record: Record, given: Record) -> None:
    for name, table, label in (
        ("creditTermsId", company.terms, "TermsID"),
        ("paymentMethodId", company.payment_methods, "PaymentMethodID"),
        ("salesperson", company.salespeople, "SalesPersonID"),
    ):
        if given.get(name):
            if table.get(given[name]) is None:
                raise missing(label, given[name])
            record[name] = given[name]
    if given.get("branchNumber"):
        if company.branches.get(given["branchNumber"]) is None:
            raise missing("BranchID", given["branchNumber"])
        record["branch"] = given["branchNumber"]
    if given.get("locationId"):
        record["locationId"] = given["locationId"]
    location_of(company, record)
    if "customerVatZoneId" in given:
        tax.zone(company, given["customerVatZoneId"])
        record["_zone"] = given["customerVatZoneId"] or None
    if "project" in given:
        record["project"] = _project(company, given["project"])
    _currency(company, record, given)
    _dates(company, record, given)
    if given.get("hold") is not None:
        record["hold"] = given["hold"]
    address = given.get("billingAddress") or given.get("invoiceAddress")
    if address and address.get("overrideAddress"):
        if address.get("countryId") and company.countries.get(address["countryId"]) is None:
            raise missing("CountryID", address["countryId"])
        record["_address"] = {**record["_address"], **address}
    contact = given.get("invoiceContact")
    if contact and contact.get("overrideContact"):
        record["_contact_override"] = {**record["_contact_override"], **contact}


def _project(company: Company, given: str | None) -> str | None:
    if not given or given == company.settings["nonProject"]:
        return None
    found = company.projects.one("projectID", given)
    if found is None:
        raise missing("ProjectID", given)
    if found["status"] in ("Completed", "Cancelled"):
        raise BusinessError(f"Error: project {given} is {found['status'].lower()}.")
    return str(found["_key"])


def _currency(company: Company, record: Record, given: Record) -> None:
    customer = customer_of(company, record)
    if given.get("currencyId"):
        wanted = given["currencyId"]
        if company.currencies.get(wanted) is None:
            raise missing("CuryID", wanted)
        if wanted != customer["currencyId"] and not customer["_override_currency"]:
            raise BusinessError(f"Error: customer {customer['number']} takes no {wanted}.")
        record["currencyId"] = wanted
    if given.get("exchangeRate") is not None:
        if given["exchangeRate"] <= 0:
            raise BusinessError("Error: the exchange rate must be positive.")
        record["_given_rate"] = given["exchangeRate"]


def _dates(company: Company, record: Record, given: Record) -> None:
    if given.get("documentDate") is not None:
        record["documentDate"] = given["documentDate"]
    if given.get("origInvoiceDate") is not None:
        if not company.settings["useOrigInvoiceDate"]:
            if company.assumptions.reads_orig_as_error:
                raise BusinessError(
                    "Error: origInvoiceDate cannot be set: the preference 'Use original invoice "
                    "date' is off."
                )
        else:
            record["origInvoiceDate"] = given["origInvoiceDate"]
    if given.get("documentDueDate") is not None:
        record["_given_due"] = given["documentDueDate"]
    if given.get("financialPeriod") or given.get("postPeriod"):
        record["_given_period"] = periods.chosen(
            company, record["documentDate"], given.get("financialPeriod"), given.get("postPeriod")
        )
    terms = company.terms.get(record["creditTermsId"])
    since = record["origInvoiceDate"] or record["documentDate"]
    due, discount = due_dates(terms, since)
    record["documentDueDate"] = record["_given_due"] or due
    if given.get("cashDiscountDate") is not None:
        record["_given_discount"] = given["cashDiscountDate"]
    record["cashDiscountDate"] = record["_given_discount"] or discount
    record["financialPeriod"] = record["_given_period"] or periods.chosen(
        company, record["documentDate"], None, None
    )
    periods.require_open(company, record["financialPeriod"])


def due_dates(terms: Record | None, since: date) -> tuple[date, date]:
    """Due date and last day of the cash discount; BusinessError past the end of the calendar."""
    if terms is None:
        return since, since
    days = timedelta(days=terms["dueDay1"])
    start = since
    if terms["dueDateType"] == "EndOfMonth":
        last = calendar.monthrange(since.year, since.month)[1]
        start = since.replace(day=last)
    try:
        return start + days, since + timedelta(days=terms["discountDay"])
    except OverflowError as error:
        raise BusinessError(f"Error: there is no due date after {since}.") from error


def _texts(company: Company, record: Record, given: Record) -> None:
    limits = {
        "externalReference": company.assumptions.external_reference_length,
        "customerRefNumber": company.assumptions.customer_ref_length,
        "invoiceText": company.assumptions.invoice_text_length,
    }
    for name in _COPIED:
        if name not in given:
            continue
        value = given[name]
        limit = limits.get(name, 0)
        if limit and isinstance(value, str) and len(value) > limit:
            if company.assumptions.over_long == "reject":
                raise BusinessError(f"Error: {name} is longer than {limit} characters.")
            value = value[:limit]
        record[name] = value if value != "" else None
    if given.get("contact") is not None and company.contacts.get(given["contact"]) is None:
        raise missing("ContactID", given["contact"])


def _pending(company: Company, record: Record, given: list[Record]) -> list[Record]:
    """What a credit note shall meet once it is released."""
    kept = {f"{one['type']}/{one['ref']}": one for one in record["_pending"]}
    for line in given:
        type_, ref = line.get("documentType") or "Invoice", line.get("refNbr")
        key = f"{type_}/{ref}"
        if line.get("operation") == "Delete":
            kept.pop(key, None)
            continue
        target = company.documents.get(key)
        if target is None or target["_customer"] != record["_customer"]:
            raise missing("AdjdRefNbr", ref)
        if not target["_released"]:
            raise missing("AdjdRefNbr", ref)
        amount = line.get("amountPaid")
        if amount is None:
            amount = target["balance"]
        if amount <= 0 or amount > target["balance"]:
            raise BusinessError(f"Error: the amount {amount} exceeds the balance of {ref}.")
        kept[key] = {"type": type_, "ref": ref, "amount": amount}
    return list(kept.values())


# What a document is of.


def customer_of(company: Company, record: Record) -> Record:
    """The customer of a document."""
    found = company.customers.get(record["_customer"])
    assert found is not None
    return found


def location_of(company: Company, record: Record) -> Record:
    """The customer's location on a document; BusinessError where it is not there."""
    for location in company.locations.find("_customer", record["_customer"]):
        if location["locationId"].casefold() == record["locationId"].casefold():
            return location
    raise missing("CustomerLocationID", record["locationId"])


def zone_of(company: Company, record: Record) -> str | None:
    """The VAT zone of a document: its own, else that of its location."""
    zone: str | None = record["_zone"] or location_of(company, record)["vatZoneId"]
    return zone


def head_of(company: Company, record: Record) -> lines.Head:
    """What the lines take from the document."""
    return lines.Head(
        customer=customer_of(company, record),
        zone=zone_of(company, record),
        currency=record["currencyId"],
        day=record["documentDate"],
        branch=record["branch"],
        project=company.projects.get(record["project"]),
    )


# Totals.


def rules(company: Company, currency: str) -> Rules:
    """How the company sums up a document of a currency."""
    known, settings = company.assumptions, company.settings
    own = currency == company.base_currency
    return Rules(
        decimals=company.precision(currency),
        item_vat_rounded=known.item_vat_rounded,
        extract_net=known.extract_detail_total == "net",
        rounding=settings["invoiceRounding"] if own else "none",
        rounding_to=settings["invoiceRoundingTo"],
    )


def reckon(company: Company, record: Record) -> None:
    """Puts totals, VAT and base amounts, and the system's own discount line, on a document."""
    zone, day = zone_of(company, record), record["documentDate"]
    own = [line for line in record["_lines"] if line["lineType"] != "DS"]
    priced = [
        Line(amount=line["amount"], vats=tax.vats(company, zone, line["vatCodeId"], day))
        for line in own
    ]
    discount, code = _document_discount(company, record, own)
    totals = document(priced, discount, rules(company, record["currencyId"]))
    limit = company.settings["invoiceRoundingLimit"]
    if abs(totals.rounding) > limit:
        raise BusinessError(f"Error: the rounding difference is above the limit of {limit}.")
    record["_lines"] = own
    if discount:
        number = max(line["lineNumber"] for line in own) + 1
        record["_lines"] = [*own, lines.system_line(number, "DS", code, -discount, own[0])]
    record["_taxes"] = [
        {
            "vat": share.vat.vat_id,
            "rate": share.vat.rate * 100,
            "taxable": share.taxable,
            "amount": share.amount,
            "included": share.vat.calculate_on == "ExtractFromItemAmount",
        }
        for share in totals.shares
    ]
    record.update(
        detailTotal=totals.detail,
        discountTotal=totals.discount,
        vatTaxableTotal=totals.taxable,
        vatExemptTotal=totals.exempt,
        vatTotal=totals.vat,
        roundingDiff=totals.rounding,
        amount=totals.total,
        balance=totals.total,
    )
    put_base(company, record)


def put_base(company: Company, record: Record) -> None:
    """The same amounts in base currency, at the document's rate."""
    rate, mult_div = company.rate_of(record["currencyId"], record["documentDate"])
    own = record["currencyId"] == company.base_currency
    if record.get("_given_rate") is not None and not own:
        rate = record["_given_rate"]
    record["_rate"], record["_mult_div"] = rate, mult_div
    record["_base"] = {
        name: company.to_base(record.get(name, ZERO), rate, mult_div) for name in AMOUNTS
    }


def _document_discount(company: Company, record: Record, own: list[Record]) -> tuple[Decimal, str]:
    found = pricing.automatic_percent(company, "D", record["documentDate"])
    if found is None or record["documentType"] != "Invoice":
        return ZERO, ""
    code, percent = found
    total = sum((line["amount"] for line in own), ZERO)
    return rounded(total * percent / 100, company.precision(record["currencyId"])), code


def status_before_release(company: Company, record: Record) -> str:
    """Hold, CreditHold, PendingPrint, PendingEmail or Balanced."""
    if record["hold"]:
        return "Hold"
    if record["documentType"] == "CreditNote":
        return "Balanced"
    customer = customer_of(company, record)
    if not record.get("_credit_approved") and credit.exceeded(company, customer, record):
        return "CreditHold"
    settings = company.settings
    if settings["printBeforeRelease"] and not (record["dontPrint"] or record.get("_printed")):
        return "PendingPrint"
    if settings["emailBeforeRelease"] and not (record["dontEmail"] or record.get("_mailed")):
        return "PendingEmail"
    return "Balanced"


def kid(number: str) -> str:
    """A payment reference: the number with a Luhn check digit, as Norwegian banks read it."""
    digits = "".join(sign for sign in number if sign.isdigit()) or "0"
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = int(sign) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return f"{digits}{-total % 10}"
