"""Orders. `voided` takes a shipped order back to ongoing; it cancels nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import invoices, schemas
from tieout_sandbox.visma_eaccounting.booking import Order, book
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call, list_answer, ok, visible
from tieout_sandbox.visma_eaccounting.customers import deleted, need_customer
from tieout_sandbox.visma_eaccounting.documents import (
    Kind,
    Terms,
    includes_vat,
    read_rows,
    totals_of,
)
from tieout_sandbox.visma_eaccounting.errors import (
    CANNOT_DELETE,
    CANNOT_UPDATE,
    ORDER_NOT_VOIDABLE,
    VALIDATION,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record
from tieout_sandbox.visma_eaccounting.totals import Totals, row_amount

DRAFT, ONGOING, SHIPPED, INVOICED = 1, 2, 3, 4
KIND = Kind(schema=schemas.ORDER_ROW, quantity_decimals=4, text_flag=True)
_BLANK = schemas.ORDER.blank
_ROW_BLANK = schemas.ORDER_ROW.blank
_ROW_NAMES = frozenset(schemas.ORDER_ROW.fields)
_FALL_BACK = (
    "InvoiceAddress1",
    "InvoiceAddress2",
    "InvoiceCity",
    "InvoicePostalCode",
    "InvoiceCountryCode",
    "DeliveryCustomerName",
    "DeliveryAddress1",
    "DeliveryAddress2",
    "DeliveryCity",
    "DeliveryPostalCode",
    "DeliveryCountryCode",
    "TermsOfPaymentId",
)
_TO_INVOICE = (
    "YourReference",
    "OurReference",
    "BuyersOrderReference",
    "DeliveryDate",
    "EuThirdParty",
    "TermsOfPaymentId",
)


def present(_books: Books, record: Record) -> Record:
    """An order as the API shows it."""
    return {
        **_BLANK,
        **visible(record),
        "Persons": record.get("Persons", []),
        "Rows": [
            {**_ROW_BLANK, **{name: row[name] for name in row if name in _ROW_NAMES}}
            for row in record["Rows"]
        ],
    }


def put(books: Books, body: Any, old: Record | None = None) -> Record:
    """Saves a new order, or replaces one; VismaError where it cannot be."""
    values = schemas.ORDER.read(body, books.assumptions)
    customer = need_customer(books, values["CustomerId"])
    if values["CurrencyCode"] not in books.rates:
        raise VismaError(
            VALIDATION, f"{values['CurrencyCode']} is not a valid currency.", field="CurrencyCode"
        )
    terms = _terms(books, values, customer)
    rows = read_rows(books, values.get("Rows"), KIND, terms)
    stamp = books.stamp()
    record = {
        "InvoiceCustomerName": customer["Name"],
        **{name: customer[name] for name in _FALL_BACK if name in customer},
        **values,
        "Id": old["Id"] if old else books.new_id("orders"),
        "CustomerNumber": customer["CustomerNumber"],
        "CustomerName": customer["Name"],
        "CustomerIsPrivatePerson": bool(customer.get("IsPrivatePerson")),
        "IncludesVat": terms.includes_vat,
        "CreatedUtc": old["CreatedUtc"] if old else stamp,
        "ModifiedUtc": stamp,
        "Number": old.get("Number") if old else None,
        "Rows": rows,
    }
    return books.save(books.orders, _numbered(books, _totalled(books, record, terms)))


def _numbered(books: Books, record: Record) -> Record:
    """An order gets its number when it leaves the state of a draft."""
    if record.get("Number") is None and record["Status"] != DRAFT:
        record["Number"] = books.next_number("NextOrderNumber")
    return record


def _terms(books: Books, values: Record, customer: Record) -> Terms:
    return Terms(
        customer=customer,
        currency=values["CurrencyCode"],
        includes_vat=includes_vat(books, bool(customer.get("IsPrivatePerson"))),
        third_party=values["EuThirdParty"],
    )


def _totalled(books: Books, record: Record, terms: Terms) -> Record:
    ordered = totals_of(books, record["Rows"], terms, credit=False)
    delivered = totals_of(books, _delivered_rows(record["Rows"]), terms, credit=False)
    return {**record, **_sums("", ordered), **_sums("Delivered", delivered)}


def _sums(prefix: str, totals: Totals) -> Record:
    return {
        f"{prefix}Amount": totals.payable,
        f"{prefix}VatAmount": totals.vat,
        f"{prefix}RoundingsAmount": totals.roundings,
    }


def _delivered_rows(rows: list[Record]) -> list[Record]:
    """The rows with what was delivered as quantity; text rows as they are."""
    found = []
    for row in rows:
        if row.get("IsTextRow"):
            found.append(row)
            continue
        quantity = row.get("DeliveredQuantity") or Decimal(0)
        amount = row_amount(quantity, row["UnitPrice"], row["DiscountPercentage"])
        if quantity:
            found.append({**row, "Quantity": quantity, "Amount": amount})
    return found


def listing(books: Books, call: Call) -> Response:
    """`GET /orders`."""
    return list_answer(books, call, books.orders, present)


def one(books: Books, call: Call) -> Response:
    """`GET /orders/{id}`."""
    return ok(present(books, _need(books, call)))


def create(books: Books, call: Call) -> Response:
    """`POST /orders`."""
    return ok(present(books, put(books, call.body())), 201)


def replace(books: Books, call: Call) -> Response:
    """`PUT /orders/{id}`: as draft or ongoing."""
    old = _need(books, call)
    if old["Status"] not in (DRAFT, ONGOING):
        raise VismaError(CANNOT_UPDATE, "CanNotBeCreatedOrUpdated - the order is shipped")
    return ok(present(books, put(books, call.body(), old)))


def delete(books: Books, call: Call) -> Response:
    """`DELETE /orders/{id}`: as draft."""
    record = _need(books, call)
    if record["Status"] != DRAFT:
        raise VismaError(CANNOT_DELETE, "CanNotBeDeleted - the order is no draft")
    books.orders.remove(record["Id"])
    return deleted(books)


def complete(books: Books, call: Call) -> Response:
    """`POST /orders/{id}/completed`: ongoing to shipped."""
    return _move(books, call, ONGOING, SHIPPED, CANNOT_UPDATE)


def take_back(books: Books, call: Call) -> Response:
    """`POST /orders/{id}/voided`: shipped to ongoing."""
    return _move(books, call, SHIPPED, ONGOING, ORDER_NOT_VOIDABLE)


def open_draft(books: Books, call: Call) -> Response:
    """`POST /orders/{id}/converteddrafttoorder`: draft to ongoing."""
    return _move(books, call, DRAFT, ONGOING, CANNOT_UPDATE)


def _move(books: Books, call: Call, before: int, after: int, code: int) -> Response:
    record = _need(books, call)
    if record["Status"] != before:
        raise VismaError(code, f"The order's status is {record['Status']}, not {before}.")
    return ok(present(books, moved(books, record, after)))


def moved(books: Books, record: Record, after: int) -> Record:
    """The order in another state."""
    found = {**record, "Status": after, "ModifiedUtc": books.stamp()}
    day = f"{books.today().isoformat()}T00:00:00Z"
    found["ShippedDateTime"] = day if after == SHIPPED else None
    return books.save(books.orders, _numbered(books, found))


def convert(books: Books, call: Call) -> Response:
    """`POST /orders/{id}/convert`: books what was delivered, all where nothing was marked."""
    record = _need(books, call)
    if record["Status"] == INVOICED:
        raise VismaError(CANNOT_UPDATE, "CanNotBeCreatedOrUpdated - the order is invoiced")
    return ok(invoices.present(books, invoiced(books, record)))


def invoiced(books: Books, record: Record) -> Record:
    """The booked invoice of an order."""
    customer = need_customer(books, record["CustomerId"])
    rows = record["Rows"]
    if any(row.get("DeliveredQuantity") for row in rows):
        rows = _delivered_rows(rows)
    made = book(
        books,
        Order(
            terms=_terms(books, record, customer),
            head={name: record[name] for name in _TO_INVOICE if name in record},
            rows=rows,
            day=books.today(),
            links={"CreatedFromOrderId": record["Id"]},
        ),
    )
    done = {**record, "Status": INVOICED, "ModifiedUtc": books.stamp()}
    books.save(books.orders, _numbered(books, done))
    return made


def _need(books: Books, call: Call) -> Record:
    return books.need(books.orders, call.id, "order", path=True)
