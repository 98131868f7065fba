"""Customers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_eaccounting import schemas
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.call import Call, list_answer, ok, visible
from tieout_sandbox.visma_eaccounting.errors import (
    CANNOT_DELETE,
    CONFLICT,
    EXTERNAL_VALIDATION,
    INVALID_FORCE_VAT,
    INVALID_VAT_NUMBER,
    NOT_FOUND,
    VALIDATION,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record

_BLANK = schemas.CUSTOMER.blank
_VAT_NUMBER = re.compile(r"[A-Z]{2}[0-9A-Z+*]{8,12}")
_KEPT_BY_PUT = ("Iban", "IsDirectDebitEnabled")


def unpaid(books: Books, customer_id: str) -> Decimal:
    """What is open on a customer's invoices, in base currency; credits count negative."""
    return sum(
        (found["RemainingAmount"] for found in books.invoices.find("CustomerId", customer_id)),
        Decimal("0.00"),
    )


def present(books: Books, record: Record) -> Record:
    """A customer as the API shows it."""
    terms = books.terms.get(record["TermsOfPaymentId"])
    last = record.get("LastInvoiceDate")
    return {
        **_BLANK,
        **visible(record),
        "TermsOfPayment": visible(terms) if terms else None,
        "UnpaidInvoicesAmount": unpaid(books, record["Id"]),
        "IsFutureInvoiceDateAllowed": True,
        "LastInvoiceDate": f"{last.isoformat()}T00:00:00Z" if last else None,
    }


def put(books: Books, values: Record, old: Record | None = None) -> Record:
    """Saves a new customer, or replaces one; VismaError where it cannot be."""
    _check(books, values)
    record_id = old["Id"] if old else books.new_id("customers")
    number = values.get("CustomerNumber") or (old["CustomerNumber"] if old else None)
    if number is None:
        number = _next_number(books)
    elif any(found["Id"] != record_id for found in books.customers.find("CustomerNumber", number)):
        raise VismaError(CONFLICT, f"ConflictException - customer number {number} is taken")
    elif old is None and books.assumptions.given_number_moves_counter and number.isdigit():
        books.settings["NextCustomerNumber"] = max(
            books.settings["NextCustomerNumber"], int(number) + 1
        )
    kept = {name: old[name] for name in _KEPT_BY_PUT if old and name in old}
    record = {
        "CurrencyCode": books.settings["CurrencyCode"],
        "DiscountPercentage": Decimal(0),
        **kept,
        **values,
        "Id": record_id,
        "CustomerNumber": number,
        "ChangedUtc": books.stamp(),
    }
    record.setdefault("InvoiceCountryCode", books.settings["CountryCode"])
    if old is not None and "LastInvoiceDate" in old:
        record["LastInvoiceDate"] = old["LastInvoiceDate"]
    return books.save(books.customers, record)


def _next_number(books: Books) -> str:
    number = str(books.next_number("NextCustomerNumber"))
    while books.customers.find("CustomerNumber", number):
        number = str(books.next_number("NextCustomerNumber"))
    return number


def _check(books: Books, values: Record) -> None:
    terms = books.need(books.terms, values["TermsOfPaymentId"], "terms of payment")
    if not terms["AvailableForSales"]:
        raise VismaError(
            VALIDATION, "These terms of payment are not for sales.", field="TermsOfPaymentId"
        )
    currency = values.get("CurrencyCode")
    if currency is not None and currency not in books.rates:
        raise VismaError(VALIDATION, f"{currency} is not a valid currency.", field="CurrencyCode")
    for name in ("InvoiceCountryCode", "DeliveryCountryCode"):
        code = values.get(name)
        if code is not None and not any(place["Code"] == code for place in books.countries):
            raise VismaError(VALIDATION, f"{code} is not a valid country.", field=name)
    country = values.get("InvoiceCountryCode") or books.settings["CountryCode"]
    _check_vat_number(books, values.get("VatNumber"), country)
    _need(values, "ReverseChargeOnConstructionServices", ("VatNumber",))
    delivery = ("DeliveryCity", "DeliveryCountryCode", "DeliveryPostalCode")
    _need(values, "DeliveryBasedVat", delivery)
    if values.get("EmailAddresses"):
        _need({"EmailAddresses": True, **values}, "EmailAddresses", ("EmailAddress",))
    if values.get("ForceBookkeepVat") and country in books.eu_members:
        raise VismaError(
            INVALID_FORCE_VAT,
            "InvalidForceBookkeepVat - only for customers outside the EU",
            field="ForceBookkeepVat",
        )


def _need(values: Record, flag: str, names: tuple[str, ...]) -> None:
    if not values.get(flag):
        return
    for name in names:
        if not values.get(name):
            raise VismaError(VALIDATION, f"{name} is required with {flag}.", field=name)


def _check_vat_number(books: Books, number: str | None, country: str) -> None:
    """Stands in for the look-up in VIES: the form alone is looked at, or the service is down."""
    how = books.assumptions.vies
    if not number or how == "off":
        return
    if how == "down_4100":
        raise VismaError(EXTERNAL_VALIDATION, "ExternalServiceValidation - VIES is not available")
    prefix = "EL" if country == "GR" else country
    good = _VAT_NUMBER.fullmatch(number) and (
        country not in books.eu_members or number.startswith(prefix)
    )
    if how == "down_4025" or not good:
        raise VismaError(
            INVALID_VAT_NUMBER, f"InvalidVatNumber - {number} is not valid", field="VatNumber"
        )


def listing(books: Books, call: Call) -> Response:
    """`GET /customers`."""
    return list_answer(
        books,
        call,
        books.customers,
        present,
        derived={"UnpaidInvoicesAmount": lambda _books, record: unpaid(_books, record["Id"])},
    )


def one(books: Books, call: Call) -> Response:
    """`GET /customers/{id}`."""
    return ok(present(books, books.need(books.customers, call.id, "customer", path=True)))


def read(books: Books, body: Any) -> Record:
    """The writable values of a customer's body."""
    return schemas.CUSTOMER.read(body, books.assumptions)


def create(books: Books, call: Call) -> Response:
    """`POST /customers`."""
    return ok(present(books, put(books, read(books, call.body()))), 201)


def replace(books: Books, call: Call) -> Response:
    """`PUT /customers/{id}`."""
    old = books.need(books.customers, call.id, "customer", path=True)
    return ok(present(books, put(books, read(books, call.body()), old)))


def delete(books: Books, call: Call) -> Response:
    """`DELETE /customers/{id}`: only one without documents."""
    record = books.need(books.customers, call.id, "customer", path=True)
    used = (books.invoices, books.drafts, books.orders, books.ledger_items)
    if any(table.find("CustomerId", record["Id"]) for table in used):
        raise VismaError(CANNOT_DELETE, "CanNotBeDeleted - the customer has transactions")
    books.customers.remove(record["Id"])
    return deleted(books)


def deleted(books: Books) -> Response:
    """The answer to a DELETE that worked."""
    if books.assumptions.delete_status == 204:
        return Response(status=204)
    return ok({})


def need_customer(books: Books, customer_id: str) -> Record:
    """The customer of a document; VismaError 3000 where there is none."""
    found = books.customers.get(customer_id)
    if found is None:
        raise VismaError(NOT_FOUND, f"ResourceNotFoundException - customer {customer_id}")
    return found
