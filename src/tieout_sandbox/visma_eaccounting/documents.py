"""What drafts, invoices and orders share: rows with their prices, and the totals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.errors import (
    INACTIVE_COST_CENTER,
    INVALID_SSN,
    NOT_FOUND,
    PROJECT_ENDED,
    VALIDATION,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record, Schema, checked_decimals
from tieout_sandbox.visma_eaccounting.tax import Verdict, judge, require_account
from tieout_sandbox.visma_eaccounting.totals import Line, Totals, row_amount, total, vat_of

ZERO = Decimal(0)
MAX_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What differs between rows of drafts, invoices and orders."""

    schema: Schema
    quantity_decimals: int
    text_flag: bool  # a row says itself that it is text; else a row without article is


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What of a document's head decides prices and VAT."""

    customer: Record
    currency: str
    includes_vat: bool
    third_party: bool
    replace_zero_price: bool = False


def includes_vat(books: Books, private: bool) -> bool:
    """Whether prices include VAT. The vendor's words and the setting's name contradict each
    other; the assumption chooses."""
    setting = bool(books.settings["ShowPricesExclVatPC"])
    if books.assumptions.includes_vat_rule == "name":
        setting = not setting
    return private and setting


def read_rows(books: Books, raw: Any, kind: Kind, terms: Terms) -> list[Record]:
    """The rows of a body, checked and priced; VismaError for the first that is wrong."""
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise VismaError(VALIDATION, "Rows must be a list.", field="Rows")
    if len(raw) > MAX_ROWS:
        raise VismaError(VALIDATION, f"A document has at most {MAX_ROWS} rows.", field="Rows")
    rows = []
    for place, body in enumerate(raw):
        where = f"Rows[{place}]."
        values = kind.schema.read(body, books.assumptions, where=where)
        rows.append(_row(books, values, kind, terms, place))
    return rows


def _row(books: Books, values: Record, kind: Kind, terms: Terms, place: int) -> Record:
    number = place + books.assumptions.first_line_number
    values.setdefault("LineNumber", number)
    is_text = values.get("IsTextRow", False) if kind.text_flag else "ArticleId" not in values
    if is_text:
        return _text_row(books, values)
    if "ArticleId" not in values:
        raise VismaError(
            VALIDATION, "ArticleId is required on a row with a price.", field="ArticleId"
        )
    article = books.need(books.articles, values["ArticleId"], "article")
    _check_dimensions(books, values)
    return _priced_row(books, values, article, kind, terms)


def _text_row(books: Books, values: Record) -> Record:
    if not values.get("Text"):
        raise VismaError(VALIDATION, "A text row needs a text.", field="Text")
    return {
        "Id": books.new_id("row"),
        "LineNumber": values["LineNumber"],
        "IsTextRow": True,
        "Text": values["Text"],
    }


def _priced_row(books: Books, values: Record, article: Record, kind: Kind, terms: Terms) -> Record:
    quantity = checked_decimals(
        "Quantity", values.get("Quantity", ZERO), kind.quantity_decimals, books.assumptions
    )
    price = _price(books, values, article, terms)
    discount = values.get("DiscountPercentage")
    if discount is None:
        follows = books.assumptions.customer_discount_on_rows
        discount = terms.customer.get("DiscountPercentage", ZERO) if follows else ZERO
    coding = books.codings.records[article["CodingId"]]
    verdict = row_tax(books, values, article, terms)
    if books.assumptions.sales_account_checked_on_draft:
        require_account(verdict, coding)
    unit = books.units.records[article["UnitId"]]
    return {
        **values,
        "Id": books.new_id("row"),
        "IsTextRow": False,
        "ArticleNumber": article["Number"],
        "IsServiceArticle": coding["Type"] == "Services",
        "UnitId": unit["Id"],
        "UnitName": unit["Name"],
        "UnitAbbreviation": unit["Abbreviation"],
        "UnitAbbreviationEnglish": unit["AbbreviationEnglish"],
        "Text": values.get("Text") or article["Name"],
        "Quantity": quantity,
        "UnitPrice": price,
        "DiscountPercentage": discount,
        "VatRate": verdict.rate,
        "Amount": row_amount(quantity, price, discount),
    }


def row_tax(books: Books, values: Record, article: Record, terms: Terms) -> Verdict:
    """Account and rate of a row for this customer."""
    return judge(
        books.codings.records[article["CodingId"]],
        terms.customer,
        article,
        books.settings,
        books.eu_members,
        third_party=terms.third_party,
        construction=bool(
            values.get("ReversedConstructionServicesVatFree")
            or values.get("EligibleForReverseChargeOnVat")
        ),
        vat_free=bool(values.get("IsVatFree")),
    )


def _price(books: Books, values: Record, article: Record, terms: Terms) -> Decimal:
    own: Decimal = article["GrossPrice" if terms.includes_vat else "NetPrice"]
    if "UnitPrice" not in values or (not values["UnitPrice"] and terms.replace_zero_price):
        return own
    country = terms.customer.get("InvoiceCountryCode") or books.settings["CountryCode"]
    domestic = (
        country == books.settings["CountryCode"]
        and terms.currency == books.settings["CurrencyCode"]
    )
    return checked_decimals(
        "UnitPrice", values["UnitPrice"], 2 if domestic else 4, books.assumptions
    )


def _check_dimensions(books: Books, values: Record) -> None:
    for place in (1, 2, 3):
        name = f"CostCenterItemId{place}"
        if name not in values:
            continue
        item = books.need(books.cost_center_items, values[name], "cost centre item")
        center = books.cost_centers.records[item["CostCenterId"]]
        if center["Number"] != place:
            raise VismaError(VALIDATION, f"{name} is of another cost centre.", field=name)
        if not item["IsActive"]:
            raise VismaError(INACTIVE_COST_CENTER, f"InactiveCostCenter - {item['ShortName']}")
    if "ProjectId" in values:
        project = books.need(books.projects, values["ProjectId"], "project")
        if project["Status"] == 2:
            raise VismaError(PROJECT_ENDED, f"ProjectEnded - {project['Number']}")


def priced(rows: list[Record]) -> list[Record]:
    """The rows that carry an amount."""
    return [row for row in rows if not row.get("IsTextRow")]


def totals_of(books: Books, rows: list[Record], terms: Terms, *, credit: bool) -> Totals:
    """The totals of rows in the document's currency; those of a credit are negative."""
    found = total(
        (Line(amount=row["Amount"], rate=row["VatRate"]) for row in priced(rows)),
        includes_vat=terms.includes_vat,
        rounds=(
            books.settings["DomesticCurrencyRounding"] == 1
            and terms.currency == books.settings["CurrencyCode"]
        ),
        per_row=books.assumptions.vat_rounding == "row",
    )
    return found.turned() if credit else found


def net_of(row: Record, with_vat: bool) -> Decimal:
    """A row's amount without VAT."""
    amount: Decimal = row["Amount"]
    return amount - vat_of(amount, row["VatRate"], True) if with_vat else amount


def due_date(books: Books, terms_id: str | None, day: date) -> date:
    """The due date by terms of payment; those of the current month count from its end."""
    terms = books.terms.get(terms_id)
    if terms is None:
        raise VismaError(NOT_FOUND, f"ResourceNotFoundException - terms of payment {terms_id}")
    if terms["TermsOfPaymentTypeId"] == 1:
        day = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return day + timedelta(days=terms["NumberOfDays"])


def check_house_work(values: Record, customer: Record, rows: list[Record]) -> None:
    """The demands of ROT and RUT; VismaError for the first that is not met."""
    kind = values.get("RotReducedInvoicingType", 0)
    if not kind:
        return
    if not customer.get("IsPrivatePerson"):
        raise VismaError(
            VALIDATION, "Domestic services are only for private persons.",
            field="RotReducedInvoicingType",
        )  # fmt: skip
    persons = values.get("Persons")
    if not isinstance(persons, list) or not persons:
        raise VismaError(VALIDATION, "Persons are required for domestic services.", field="Persons")
    for person in persons:
        number = str(person.get("Ssn", "")) if isinstance(person, dict) else ""
        if sum(letter.isdigit() for letter in number) not in (10, 12):
            raise VismaError(INVALID_SSN, "SocialSecurityNumberIsInvalidException", field="Ssn")
    if kind == 1:
        for name in ("RotPropertyType", "RotReducedInvoicingPropertyName"):
            if not values.get(name):
                raise VismaError(VALIDATION, f"The {name} field is required.", field=name)
    for row in priced(rows):
        if row.get("WorkCostType") and row.get("WorkHours", ZERO) < 1:
            raise VismaError(
                VALIDATION,
                "Cannot add rows with labour article, work type set, but with work hours < 1.00",
                field="WorkHours",
            )
