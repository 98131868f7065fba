"""Booking an invoice or a credit note: number, voucher, totals in both currencies."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tieout_sandbox.visma_eaccounting import schemas
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.credentials import USER_ID
from tieout_sandbox.visma_eaccounting.documents import (
    Terms,
    due_date,
    net_of,
    priced,
    row_tax,
    totals_of,
)
from tieout_sandbox.visma_eaccounting.errors import VALIDATION, VismaError
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.ledger import (
    CUSTOMER_INVOICE,
    EU_OUTPUT_VAT,
    OUTPUT_VAT,
    RECEIVABLES,
    REMINDER_FEES,
    ROUNDING,
    Entry,
)
from tieout_sandbox.visma_eaccounting.tax import require_account
from tieout_sandbox.visma_eaccounting.totals import Totals, cents

ZERO = Decimal("0.00")
_ROW_NAMES = frozenset(schemas.INVOICE_ROW.fields)
_KEPT = frozenset(
    {"IsCreditInvoice", "IncludesVat", "CustomerIsPrivatePerson", "PaymentReferenceNumber"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be booked."""

    terms: Terms
    head: Record
    rows: list[Record]
    day: date
    credit: bool = False
    rate: Decimal | None = None
    links: Record = field(default_factory=dict)
    quick: bool = False


def book(books: Books, order: Order) -> Record:
    """Books it and gives the invoice; VismaError where the date is closed or an account lacks."""
    if not order.rows:
        raise VismaError(VALIDATION, "An invoice needs at least one row.", field="Rows")
    books.require_open(order.day)
    terms = order.terms
    rate = order.rate if order.rate is not None else books.rate_of(terms.currency)
    totals = totals_of(books, order.rows, terms, credit=order.credit)
    entries = _entries(books, order, totals, rate)
    number = books.next_number("NextCustomerInvoiceNumber")
    invoice_id = books.new_id("customerinvoices")
    kind = "Kreditfaktura" if order.credit else "Kundfaktura"
    text = f"{kind} {number}, {terms.customer['Name']}"
    voucher = books.post_voucher(order.day, text, entries, kind=CUSTOMER_INVOICE, source=invoice_id)
    record = {
        **_head(books, order),
        **_figures(books, order, totals, rate),
        **order.links,
        "Id": invoice_id,
        "InvoiceNumber": number,
        "VoucherId": voucher["Id"],
        "VoucherNumber": voucher["NumberAndNumberSeries"],
        "CreatedByUserId": USER_ID,
        "PaymentReferenceNumber": reference_number(books, number),
        "Rows": [_invoice_row(books, row, terms) for row in order.rows],
    }
    record["CreatedUtc"] = record["ModifiedUtc"] = books.stamp()
    # Nothing and no are what an answer shows anyway; left out, 100,000 invoices take less room.
    record = {
        name: value
        for name, value in record.items()
        if name in _KEPT or not (value is None or value is False)
    }
    books.customers.note(terms.customer["Id"], "LastInvoiceDate", order.day)
    return books.save(books.invoices, record)


def _head(books: Books, order: Order) -> Record:
    customer = order.terms.customer
    head = {name: value for name, value in order.head.items() if value is not None}
    terms_id = head.get("TermsOfPaymentId") or customer["TermsOfPaymentId"]
    fallen_back: Record = {
        name: customer[name]
        for name in (
            "InvoiceAddress1",
            "InvoiceAddress2",
            "InvoicePostalCode",
            "InvoiceCity",
            "InvoiceCountryCode",
        )
        if name in customer
    }
    return {
        **fallen_back,
        **head,
        "CustomerId": customer["Id"],
        "CustomerNumber": customer["CustomerNumber"],
        "CustomerName": customer["Name"],
        "CustomerEmail": customer.get("EmailAddress"),
        "InvoiceCustomerName": customer["Name"],
        "CustomerIsPrivatePerson": bool(customer.get("IsPrivatePerson")),
        "IncludesVat": order.terms.includes_vat,
        "IsCreditInvoice": order.credit,
        "IsQuickInvoice": order.quick,
        "TermsOfPaymentId": terms_id,
        "InvoiceDate": order.day,
        "DueDate": head.get("DueDate") or due_date(books, terms_id, order.day),
    }


def _figures(books: Books, order: Order, totals: Totals, rate: Decimal) -> Record:
    shown = totals
    if order.credit and books.assumptions.credit_totals_in_invoice_currency_positive:
        shown = totals.turned()
    base = totals if rate == 1 else None
    payable = base.payable if base else cents(totals.payable * rate)
    scale = 100 if books.assumptions.vat_percent_scale == "percent" else 1
    return {
        "CurrencyCode": order.terms.currency,
        "CurrencyRate": rate,
        "TotalAmount": payable,
        "TotalVatAmount": base.vat if base else cents(totals.vat * rate),
        "TotalRoundings": base.roundings if base else cents(totals.roundings * rate),
        "TotalAmountInvoiceCurrency": shown.payable,
        "TotalVatAmountInvoiceCurrency": shown.vat,
        "SetOffAmountInvoiceCurrency": ZERO,
        "RemainingAmount": payable,
        "RemainingAmountInvoiceCurrency": totals.payable,
        "VatSpecification": [
            {
                "AmountInvoiceCurrency": share.net,
                "VatAmountInvoiceCurrency": share.vat,
                "VatPercent": share.rate * scale,
            }
            for share in shown.shares
        ],
    }


def _invoice_row(books: Books, row: Record, terms: Terms) -> Record:
    kept = {
        name: value
        for name, value in row.items()
        if name in _ROW_NAMES and not (value is None or value is False)
    }
    kept["Id"] = books.new_id("row")
    if row.get("IsTextRow"):
        return kept
    kept["AmountNoVat"] = net_of(row, terms.includes_vat)
    if row.get("IsVatFree") or row.get("ReversedConstructionServicesVatFree"):
        kept["IsVatFree"] = True
    return kept


def _entries(books: Books, order: Order, totals: Totals, rate: Decimal) -> list[Entry]:
    """Receivable against sales and VAT. What rounding in base currency leaves over goes where the
    whole-unit rounding goes."""
    text = order.terms.customer["Name"]
    entries = [Entry(RECEIVABLES, cents(totals.payable * rate), text)]
    sales = _sales(books, order)
    gap = totals.net - sum(sales.values(), ZERO)
    if gap:
        first = next(iter(sales))
        sales[first] += gap
    entries += [Entry(account, -cents(net * rate), text) for account, net in sales.items()]
    entries += [
        Entry(OUTPUT_VAT.get(share.rate, EU_OUTPUT_VAT), -cents(share.vat * rate), text)
        for share in totals.shares
        if share.vat
    ]
    left = sum((entry.amount for entry in entries), ZERO)
    return [*entries, Entry(ROUNDING, -left, text)]


def _sales(books: Books, order: Order) -> dict[int, Decimal]:
    sign = -1 if order.credit else 1
    if order.quick:
        nets = sum((row["Amount"] for row in priced(order.rows)), ZERO)
        return {REMINDER_FEES: sign * nets}
    sales: dict[int, Decimal] = {}
    for row in priced(order.rows):
        article = books.need(books.articles, row["ArticleId"], "article")
        coding = books.codings.records[article["CodingId"]]
        account = require_account(row_tax(books, row, article, order.terms), coding)
        net = sign * net_of(row, order.terms.includes_vat)
        sales[account] = sales.get(account, ZERO) + net
    return sales


def reference_number(books: Books, number: int) -> str:
    """The reference a payer writes: the invoice number with a control digit, or nothing."""
    if not books.settings["UsesPaymentReferenceNumber"]:
        return ""
    digits = str(number)
    odd = sum(int(digit) for digit in digits[-2::-2])
    even = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
    return f"{digits}{-(odd + even) % 10}"
