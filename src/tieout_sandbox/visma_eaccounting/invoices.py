"""Customer invoices: booked documents that are read, credited and paid, never changed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import schemas, settlement
from tieout_sandbox.visma_eaccounting.booking import Order, book
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call, list_answer, ok, parse_since, visible
from tieout_sandbox.visma_eaccounting.customers import need_customer
from tieout_sandbox.visma_eaccounting.documents import (
    Kind,
    Terms,
    check_house_work,
    includes_vat,
    read_rows,
)
from tieout_sandbox.visma_eaccounting.errors import (
    CANNOT_UPDATE,
    FUTURE_DATE,
    NO_DOMESTIC_AMOUNT,
    VALIDATION,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.ledger import turned

ZERO = Decimal(0)
KIND = Kind(schema=schemas.INVOICE_ROW, quantity_decimals=4, text_flag=False)
PAID, UNPAID, OVERDUE = 0, 1, 2
_BLANK = {
    **schemas.INVOICE.blank,
    "SendType": 0,
    "PaymentRemindersCount": 0,
    "FactoringInvoiceStatus": 0,
    "TaxDeductionStatus": 0,
}
_ROW_BLANK = schemas.INVOICE_ROW.blank
# What a draft's head has in common with an invoice's.
_HEAD = frozenset(schemas.DRAFT.fields) & frozenset(schemas.INVOICE.fields) - {
    "Id",
    "Rows",
    "CreatedUtc",
    "TotalAmount",
    "TotalVatAmount",
    "TotalRoundings",
    "InvoiceDate",
    "MessageThreads",
    "Notes",
}
_REFERENCES = frozenset(
    {
        "OurReference",
        "YourReference",
        "BuyersOrderReference",
        "ElectronicReference",
        "SubscriptionNumber",
        "ContractNumber",
    }
)


def status(books: Books, record: Record) -> int:
    """0 paid, 1 unpaid, 2 overdue; overdue comes with the calendar."""
    if not record["RemainingAmountInvoiceCurrency"]:
        return PAID
    overdue = record["DueDate"] < books.today() and not record["IsCreditInvoice"]
    return OVERDUE if overdue else UNPAID


def present(books: Books, record: Record) -> Record:
    """An invoice as the API shows it."""
    paid = record.get("PaymentDate")
    return {
        **_BLANK,
        **visible(record),
        "PaymentStatus": status(books, record),
        "PaymentDate": f"{paid.isoformat()}T00:00:00Z" if paid else None,
        "CreditedBy": record.get("CreditedBy", []),
        "Persons": record.get("Persons", []),
        "Rows": [_present_row(row) for row in record["Rows"]],
    }


def _present_row(row: Record) -> Record:
    rate = row.get("VatRate")
    return {**_ROW_BLANK, **row, "PercentVat": rate * 100 if rate is not None else None}


def book_draft(books: Books, draft: Record, day: date) -> Record:
    """The invoice of a draft, booked on a day."""
    customer = need_customer(books, draft["CustomerId"])
    head = {name: draft[name] for name in _HEAD if name in draft}
    if not books.assumptions.header_copied_to_invoice:
        head = {name: value for name, value in head.items() if name not in _REFERENCES}
    terms = Terms(
        customer={**customer, "IsPrivatePerson": draft["CustomerIsPrivatePerson"]},
        currency=draft["InvoiceCurrencyCode"],
        includes_vat=draft["IncludesVat"],
        third_party=draft["EuThirdParty"],
    )
    order = Order(
        terms=terms,
        head=head,
        rows=draft["Rows"],
        day=day,
        credit=draft.get("IsCreditInvoice", False),
        links={"CreatedFromDraftId": draft["Id"]},
    )
    return book(books, order)


def terms_of(invoice: Record, customer: Record) -> Terms:
    """What of a booked invoice decides prices and VAT of its credit."""
    return Terms(
        customer={**customer, "IsPrivatePerson": invoice["CustomerIsPrivatePerson"]},
        currency=invoice["CurrencyCode"],
        includes_vat=invoice["IncludesVat"],
        third_party=invoice.get("EuThirdParty", False),
    )


def credit(
    books: Books, invoice: Record, rows: list[Record], day: date, *, matched: bool = True
) -> Record:
    """A credit note on an invoice, as the program makes it: it names the invoice and meets it as
    far as that is open. Gives the credit note."""
    customer = need_customer(books, invoice["CustomerId"])
    head = {name: invoice[name] for name in _HEAD & _REFERENCES if name in invoice}
    links = {"ReferringInvoiceId": invoice["Id"]}
    order = Order(
        terms=terms_of(invoice, customer),
        head={**head, "EuThirdParty": invoice.get("EuThirdParty", False)},
        rows=rows,
        day=day,
        credit=True,
        rate=invoice["CurrencyRate"],
        links=links,
        quick=invoice.get("IsQuickInvoice", False),
    )
    made = book(books, order)
    if not matched:
        return made
    size = min(settlement.open_size(invoice), settlement.open_size(made))
    _, made = settlement.set_off(books, books.invoices.records[invoice["Id"]], made, size)
    return made


def void(books: Books, invoice: Record) -> Record:
    """Voids an invoice; VismaError 4002 where it was paid, credited, sold or written off."""
    paid = any(
        not payment.get("_returned") for payment in books.payments.find("InvoiceId", invoice["Id"])
    )
    marks = ("IsQuickInvoice", "IsSold", "IsCreditInvoice", "_doubtful", "_badDebt", "CreditedBy")
    reason = next((name for name in marks if invoice.get(name)), "payments" if paid else None)
    if reason is not None:
        raise VismaError(
            CANNOT_UPDATE, f"CanNotBeCreatedOrUpdated - the invoice has {reason.strip('_')}"
        )
    day = books.today()
    books.require_open(day)
    if books.assumptions.void_makes_credit_invoice:
        credit(
            books,
            invoice,
            invoice["Rows"],
            day,
            matched=books.assumptions.void_zeroes_remaining,
        )
        return books.invoices.records[invoice["Id"]]
    return _cancel(books, invoice, day)


def _cancel(books: Books, invoice: Record, day: date) -> Record:
    voucher = books.vouchers.records[invoice["VoucherId"]]
    text = f"Makulering faktura {invoice['InvoiceNumber']}"
    kind = voucher["VoucherType"]
    books.post_voucher(day, text, turned(voucher), kind=kind, source=invoice["Id"])
    gone = {**invoice, "ModifiedUtc": books.stamp(), "RemainingAmount": Decimal("0.00")}
    gone["RemainingAmountInvoiceCurrency"] = Decimal("0.00")
    return books.save(books.invoices, gone)


def listing(books: Books, call: Call) -> Response:
    """`GET /customerinvoices`."""
    raw = call.request.param("modifiedSinceUtc")
    return list_answer(
        books,
        call,
        books.invoices,
        present,
        derived={"PaymentStatus": status},
        since=parse_since(raw) if raw else None,
    )


def one(books: Books, call: Call) -> Response:
    """`GET /customerinvoices/{id}`."""
    return ok(present(books, need(books, call)))


def need(books: Books, call: Call) -> Record:
    """The invoice of the path."""
    return books.need(books.invoices, call.id, "customer invoice", path=True)


def create(books: Books, call: Call) -> Response:
    """`POST /customerinvoices`: books at once."""
    values = schemas.INVOICE.read(call.body(), books.assumptions)
    draft_id = values.get("CreatedFromDraftId")
    if draft_id is not None:
        draft = books.need(books.drafts, draft_id, "customer invoice draft")
        made = book_draft(books, draft, values.get("InvoiceDate") or books.today())
        if books.assumptions.convert_removes_draft:
            books.drafts.remove(draft_id)
        return ok(present(books, made), 201)
    customer = need_customer(books, values["CustomerId"])
    private = bool(customer.get("IsPrivatePerson"))
    terms = Terms(
        customer=customer,
        currency=customer["CurrencyCode"],
        includes_vat=includes_vat(books, private),
        third_party=values["EuThirdParty"],
        replace_zero_price=values.get("ReplaceUnitPriceWhenZero", False),
    )
    rows = read_rows(books, values.pop("Rows", None), KIND, terms)
    check_house_work(values, customer, rows)
    foreign = customer["CurrencyCode"] != books.settings["CurrencyCode"]
    order = Order(
        terms=terms,
        head={name: value for name, value in values.items() if name != "CurrencyRate"},
        rows=rows,
        day=values.get("InvoiceDate") or books.today(),
        credit=values.get("IsCreditInvoice", False),
        rate=values.get("CurrencyRate") if foreign else None,
    )
    return ok(present(books, book(books, order)), 201)


def void_call(books: Books, call: Call) -> Response:
    """`POST /customerinvoices/{id}/void`."""
    return ok(present(books, void(books, need(books, call))))


def pay_call(books: Books, call: Call) -> Response:
    """`POST /customerinvoices/{id}/payments`."""
    invoice = need(books, call)
    values = schemas.PAYMENT.read(call.body(), books.assumptions)
    bank = books.need(books.bank_accounts, values["CompanyBankAccountId"], "bank account")
    _check_payment(books, invoice, values)
    payment = settlement.pay(
        books,
        invoice,
        values["PaymentAmount"],
        values["PaymentDate"],
        kind=values["PaymentType"],
        bank_account=bank["LedgerAccountNumber"],
        bank_id=bank["Id"],
        fee=values.get("BankFeeAmount", ZERO),
        domestic=values.get("DomesticPaymentAmount"),
        reference=values.get("Reference"),
    )
    blank = schemas.PAYMENT.blank
    return ok({name: payment.get(name) for name in blank}, 201)


def _check_payment(books: Books, invoice: Record, values: Record) -> None:
    if values["PaymentDate"] > books.today():
        raise VismaError(FUTURE_DATE, "FutureDateCannotBeSet - PaymentDate", field="PaymentDate")
    if values["PaymentAmount"] <= 0:
        raise VismaError(VALIDATION, "PaymentAmount must be above 0.", field="PaymentAmount")
    if values["PaymentCurrency"] != invoice["CurrencyCode"]:
        raise VismaError(
            VALIDATION, f"The invoice is in {invoice['CurrencyCode']}.", field="PaymentCurrency"
        )
    domestic = invoice["CurrencyCode"] == books.settings["CurrencyCode"]
    if domestic and "DomesticPaymentAmount" in values:
        raise VismaError(
            NO_DOMESTIC_AMOUNT,
            "NoDomesticAmountAllowedOnDomesticInvoices",
            field="DomesticPaymentAmount",
        )
    if not invoice["RemainingAmountInvoiceCurrency"]:
        raise VismaError(CANNOT_UPDATE, "CanNotBeCreatedOrUpdated - the invoice is paid")
