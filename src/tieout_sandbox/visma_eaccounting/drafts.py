"""Customer invoice drafts: no number, no voucher, and totals that come back at once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import invoices, schemas
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call, list_answer, ok, visible
from tieout_sandbox.visma_eaccounting.customers import deleted, need_customer
from tieout_sandbox.visma_eaccounting.documents import (
    Kind,
    Terms,
    check_house_work,
    includes_vat,
    net_of,
    read_rows,
    totals_of,
)
from tieout_sandbox.visma_eaccounting.errors import VALIDATION, VismaError, fault
from tieout_sandbox.visma_eaccounting.fields import Record, as_day
from tieout_sandbox.visma_eaccounting.totals import cents, vat_of

_BLANK = schemas.DRAFT.blank
_ROW_BLANK = schemas.DRAFT_ROW.blank
KIND = Kind(schema=schemas.DRAFT_ROW, quantity_decimals=2, text_flag=True)
_FROM_CUSTOMER = ("InvoicePostalCode", "InvoiceCity", "InvoiceCountryCode")
_ADDRESS = (
    "InvoiceAddress1",
    "InvoiceAddress2",
    "DeliveryCustomerName",
    "DeliveryAddress1",
    "DeliveryAddress2",
    "DeliveryPostalCode",
    "DeliveryCity",
    "DeliveryCountryCode",
)


def present(books: Books, record: Record) -> Record:
    """A draft as the API shows it."""
    return {
        **_BLANK,
        **visible(record),
        "InvoiceDate": shown_date(books, record),
        "Persons": record.get("Persons", []),
        "Rows": [{**_ROW_BLANK, **row} for row in record["Rows"]],
    }


def shown_date(books: Books, record: Record) -> date | None:
    """The invoice date a reader sees: today, where the company does not keep draft dates and the
    draft's own is not in the future."""
    own: date | None = record.get("InvoiceDate")
    if books.assumptions.draft_date_shown == "stored" or books.settings["KeepOriginalDraftDate"]:
        return own
    today = books.today()
    return own if own is not None and own > today else today


def put(
    books: Books, body: Any, old: Record | None = None, *, override_private: bool = False
) -> Record:
    """Saves a new draft, or replaces one with all its rows; VismaError where it cannot be."""
    values = schemas.DRAFT.read(body, books.assumptions)
    customer = need_customer(books, values["CustomerId"])
    private = bool(customer.get("IsPrivatePerson"))
    if override_private and isinstance(body.get("CustomerIsPrivatePerson"), bool):
        private = body["CustomerIsPrivatePerson"]
    if values.get("TermsOfPaymentId"):
        books.need(books.terms, values["TermsOfPaymentId"], "terms of payment")
    terms = Terms(
        customer={**customer, "IsPrivatePerson": private},
        currency=customer["CurrencyCode"],
        includes_vat=includes_vat(books, private),
        third_party=values["EuThirdParty"],
        replace_zero_price=values.get("ReplaceUnitPriceWhenZero", False),
    )
    rows = read_rows(books, values.get("Rows"), KIND, terms)
    if old is not None and books.assumptions.row_ids_survive_put:
        for row, before in zip(rows, old["Rows"], strict=False):
            row["Id"] = before["Id"]
    check_house_work(values, terms.customer, rows)
    return books.save(books.drafts, _record(books, values, rows, terms, old))


def _record(
    books: Books, values: Record, rows: list[Record], terms: Terms, old: Record | None
) -> Record:
    customer = terms.customer
    rate = books.rate_of(terms.currency)
    totals = totals_of(books, rows, terms, credit=values.get("IsCreditInvoice", False))
    copied = {name: customer[name] for name in _FROM_CUSTOMER if name in customer}
    fallen_back = {name: customer[name] for name in _ADDRESS if name in customer}
    return {
        **fallen_back,
        "TermsOfPaymentId": customer["TermsOfPaymentId"],
        **values,
        **copied,
        "Id": old["Id"] if old else books.new_id("customerinvoicedrafts"),
        "CreatedUtc": old["CreatedUtc"] if old else books.stamp(),
        "InvoiceCustomerName": customer["Name"],
        "InvoiceCurrencyCode": terms.currency,
        "CustomerIsPrivatePerson": customer["IsPrivatePerson"],
        "ReverseChargeOnConstructionServices": customer.get(
            "ReverseChargeOnConstructionServices", False
        ),
        "CustomerNumber": customer["CustomerNumber"],
        "CustomerName": customer["Name"],
        "IncludesVat": terms.includes_vat,
        "TotalAmount": totals.payable,
        "TotalVatAmount": totals.vat,
        "TotalRoundings": totals.roundings,
        "TotalAmountBaseCurrency": cents(totals.payable * rate),
        "TotalVatAmountBaseCurrency": cents(totals.vat * rate),
        "Rows": rows,
    }


def convert(
    books: Books,
    draft: Record,
    *,
    check: Record | None = None,
    keep: bool | None = None,
    override: bool = False,
) -> Record:
    """Books a draft and gives the invoice. `check`: figures that have to agree with the draft;
    VismaError where they do not, or where the date is closed."""
    _check_figures(books, draft, check or {})
    keeps = bool(keep) if override else bool(keep or books.settings["KeepOriginalDraftDate"])
    day = _booking_date(books, draft, keeps)
    invoice = invoices.book_draft(books, draft, day)
    if books.assumptions.convert_removes_draft:
        left = ("Id", "_seq", "CustomerId", "OurReference", "CreatedUtc", "TotalAmount")
        stone = {name: draft[name] for name in left if name in draft}
        books.drafts.remove(draft["Id"], {**stone, "Rows": [], "_convertedTo": invoice["Id"]})
    return invoice


def _booking_date(books: Books, draft: Record, keeps: bool) -> date:
    own: date | None = draft.get("InvoiceDate")
    today = books.today()
    if not keeps:
        return own if own is not None and own > today else today
    return own if own is not None else as_day("CreatedUtc", draft["CreatedUtc"])


def _check_figures(books: Books, draft: Record, check: Record) -> None:
    pairs = (
        ("TotalAmountInvoiceCurrency", "TotalAmount"),
        ("TotalVatAmountInvoiceCurrency", "TotalVatAmount"),
        ("TotalRoundingsInvoiceCurrency", "TotalRoundings"),
    )
    wrong = [
        fault(name, "Mismatch", f"{name} is {draft[own]}, not {check[name]}.")
        for name, own in pairs
        if name in check and check[name] != draft[own]
    ]
    by_line = {row["LineNumber"]: row for row in draft["Rows"] if not row["IsTextRow"]}
    for given in check.get("Rows", []):
        row = by_line.get(given.get("LineNumber"))
        if row is None:
            text = f"There is no row {given.get('LineNumber')}."
            wrong.append(fault("Rows", "Mismatch", text))
            continue
        wrong += _check_row(books, draft, row, given)
    if wrong:
        raise VismaError(VALIDATION, wrong[0]["Message"], errors=wrong)


def _check_row(books: Books, draft: Record, row: Record, given: Record) -> list[Record]:
    net = net_of(row, draft["IncludesVat"])
    amount: Decimal = row["Amount"]
    gross = amount if draft["IncludesVat"] else amount + vat_of(amount, row["VatRate"], False)
    wrong = []
    for name, own in (
        ("TotalAmountNoVatInvoiceCurrency", net),
        ("TotalAmountIncVatInvoiceCurrency", gross),
    ):
        if name in given and not _agrees(books, draft, given[name], own):
            wrong.append(fault(name, "Mismatch", f"Row {row['LineNumber']}: {own}"))
    return wrong


def _agrees(books: Books, draft: Record, given: Decimal, own: Decimal) -> bool:
    if not draft.get("IsCreditInvoice"):
        return given == own
    sign = books.assumptions.check_row_sign_on_credit
    return (sign != "positive" and given == -own) or (sign != "negative" and given == own)


def listing(books: Books, call: Call) -> Response:
    """`GET /customerinvoicedrafts`."""
    return list_answer(books, call, books.drafts, present, derived={"InvoiceDate": shown_date})


def one(books: Books, call: Call) -> Response:
    """`GET /customerinvoicedrafts/{id}`."""
    return ok(present(books, _need(books, call)))


def create(books: Books, call: Call) -> Response:
    """`POST /customerinvoicedrafts`."""
    override = bool(call.flag("overrideCustomerIsPrivatePerson"))
    return ok(present(books, put(books, call.body(), override_private=override)), 201)


def replace(books: Books, call: Call) -> Response:
    """`PUT /customerinvoicedrafts/{id}`."""
    return ok(present(books, put(books, call.body(), _need(books, call))))


def delete(books: Books, call: Call) -> Response:
    """`DELETE /customerinvoicedrafts/{id}`."""
    books.drafts.remove(_need(books, call)["Id"])
    return deleted(books)


def convert_call(books: Books, call: Call) -> Response:
    """`POST /customerinvoicedrafts/{id}/convert`."""
    draft = _need(books, call)
    check = schemas.CHECK.read(call.body(optional=True), books.assumptions)
    rows = check.get("Rows") or []
    if not isinstance(rows, list):
        raise VismaError(VALIDATION, "Rows must be a list.", field="Rows")
    check["Rows"] = [schemas.CHECK_ROW.read(row, books.assumptions) for row in rows]
    invoice = convert(
        books,
        draft,
        check=check,
        keep=call.flag("keepOriginalDraftDate"),
        override=bool(call.flag("overrideCompanyKeepOriginalDraftDate")),
    )
    return ok(invoices.present(books, invoice), 201)


def _need(books: Books, call: Call) -> Record:
    return books.need(books.drafts, call.id, "customer invoice draft", path=True)
