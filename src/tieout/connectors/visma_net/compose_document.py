"""An invoice in the vendor's form. Pure: a record, names and what was read in, a body out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.connectors.visma_net.compose_lines import LineMaker, foreign_rows
from tieout.connectors.visma_net.documents import Reading, line_rows
from tieout.connectors.visma_net.making import Made, carried, terms_id
from tieout.connectors.visma_net.names import Names
from tieout.connectors.visma_net.predict import (
    Taxed,
    VatRule,
    check_rates,
    predict,
    show_totals,
    taxed_lines,
)
from tieout.connectors.visma_net.settings import VismaNetSettings
from tieout.connectors.visma_net.values import Payload, cut_at_word, part_of, text_of, wrapped
from tieout.core.change import Wanted
from tieout.core.model import Document

TEXT_LENGTH, REFERENCE_LENGTH = 60, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a document is made in: the customer, the items by number, and the day there."""

    names: Names
    settings: VismaNetSettings
    reading: Reading
    rule: VatRule
    customer: Payload
    items: Mapping[str, Payload]
    today: date


@dataclass(slots=True)
class Drafted:
    """A document in the making with the lines as they are taxed."""

    made: Made
    taxed: list[Taxed] = field(default_factory=list)


def document_body(
    wanted: Wanted, setting: Setting, *, key: str, read: Payload | None, base: Document | None
) -> Drafted:
    """
    What is sent of an invoice: all of a new one, of another one the named fields alone. Prices and
    discounts are always said, so that the program finds none of its own.
    """
    record = wanted.record
    assert isinstance(record, Document)
    names, settings = setting.names, setting.settings
    made = Made(shown=dict(read or {}))
    new = read is None
    currency = text_of(read or {}, "currencyId") or _currency(record, setting)
    if new:
        _begin(made, record, setting, currency)
    _references(made, wanted.fields, record, setting, key, new=new)
    _days(made, wanted.fields, record, setting, new=new)
    _terms(made, wanted.fields, record, setting, new=new)
    if new or "lines" in wanted.fields:
        maker = LineMaker(made, names, settings, setting.items, currency)
        foreign = foreign_rows(read, base, setting.reading)
        lines = maker.build(record.lines, read, foreign)
        made.body["invoiceLines"] = lines.sent
        made.shown["invoiceLines"] = lines.shown
        project = lines.header.get("project")
        if project:
            made.set("project", project)
            made.shown["project"] = {"id": project}
    zone = text_of(made.shown, "customerVatZone", "id") or text_of(
        setting.customer, "vatZone", "id"
    )
    rows = line_rows(made.shown)
    taxed = taxed_lines(made, rows, names, zone, _day_of(made, setting))
    if "lines" in wanted.fields or new:
        check_rates(made, record.lines, taxed)
    if not made.findings:
        rounds = settings.rounds_to_unit and currency == names.currency
        made.totals = predict(taxed, currency, names, rule=setting.rule.rule, rounds=rounds)
        show_totals(made.shown, made.totals, taxed, names)
    return Drafted(made, taxed)


def _currency(record: Document, setting: Setting) -> str:
    own = text_of(setting.customer, "currencyId") or setting.names.currency
    return record.currency or own


def _begin(made: Made, record: Document, setting: Setting, currency: str) -> None:
    names, settings = setting.names, setting.settings
    number = text_of(setting.customer, "number")
    held = settings.draft_status == "hold"
    made.set("customerNumber", number)
    made.set("hold", held)
    made.set("currencyId", currency)
    rate = names.rates.get(currency, (Decimal(1), ""))[0]
    made.shown |= {
        "documentType": "Invoice",
        "status": "Hold" if held else "Balanced",
        "customer": {"number": number, "name": text_of(setting.customer, "name")},
        "exchangeRate": Decimal(1) if currency == names.currency else rate,
        "creditTerms": part_of(setting.customer, "creditTerms"),
    }
    contact = text_of(setting.customer, "invoiceContact", "attention")
    made.shown["invoiceContact"] = {"attention": contact}
    day = record.issue_date or setting.today
    made.set("documentDate", day.isoformat())
    period = names.period(day)
    if period is not None:
        made.set("financialPeriod", period.code)
    if period is not None and not period.open:
        made.wrong(
            "period_closed",
            f"The document would be booked on {day.isoformat()}; period {period.code} is closed.",
            hint="Finance opens the period, or chooses the date.",
            place="issue_date",
        )
    if currency not in names.currencies:
        made.wrong(
            "currency_not_allowed",
            f"Currency {currency} is not set up in Visma.net.",
            hint="Finance adds it, or the deal is changed.",
            place="currency",
        )


def _references(
    made: Made, fields: frozenset[str], record: Document, setting: Setting, key: str, *, new: bool
) -> None:
    """
    Our key, the buyer's order number, and what is printed as the text of the document. Where the
    e-invoice needs the external reference, the key takes the place of the order number.
    """
    in_reference = setting.settings.carrier == "external_reference"
    if new:
        made.set("externalReference" if in_reference else "customerRefNumber", carried(key))
    if "po_number" in fields:
        name = "customerRefNumber" if in_reference else "invoiceText"
        length = REFERENCE_LENGTH if in_reference else TEXT_LENGTH
        made.text(name, record.po_number, length=length, what="The buyer's order number", new=new)
    if "our_reference" in fields and in_reference:
        made.text(
            "invoiceText",
            cut_at_word(record.our_reference, TEXT_LENGTH),
            length=TEXT_LENGTH,
            what="Our reference",
            new=new,
        )
    if {"your_reference", "buyer_reference"} & fields:
        # One field over there for both. The reference that the buyer demands goes first: without
        # it an e-invoice comes back.
        buyer = record.buyer_reference or record.your_reference
        if buyer or not new:
            body: dict[str, Any] = wrapped(overrideContact=True, attention=buyer[:255])
            made.body["invoiceContact"] = {"value": body}
            shown = {**part_of(made.shown, "invoiceContact"), "attention": buyer[:255]}
            made.shown["invoiceContact"] = shown


def _days(
    made: Made, fields: frozenset[str], record: Document, setting: Setting, *, new: bool
) -> None:
    if not new and "issue_date" in fields and record.issue_date is not None:
        made.set("documentDate", record.issue_date.isoformat())
        period = setting.names.period(record.issue_date)
        if period is not None:
            made.set("financialPeriod", period.code)
    if "due_date" in fields and record.due_date is not None:
        made.set("documentDueDate", record.due_date.isoformat())
    if "delivered_on" not in fields:
        return
    if record.delivered_on is not None:
        # The days that are invoiced: the e-invoice has them, and a day of delivery is both.
        for name in ("startDate", "endDate"):
            made.set(name, record.delivered_on.isoformat())
    elif text_of(made.shown, "endDate"):
        made.wrong(
            "value_not_accepted",
            "A day of delivery that was set cannot be taken away in Visma.net from outside.",
            hint="Finance takes it away in the program.",
            place="delivered_on",
        )


def _terms(
    made: Made, fields: frozenset[str], record: Document, setting: Setting, *, new: bool
) -> None:
    names = setting.names
    whose = record.customer_name or "the document"
    said = record.terms if "terms" in fields else ""
    if said:
        found = terms_id(made, said, names, whose)
        made.set("creditTermsId", found)
        made.shown["creditTerms"] = {"id": found}
    own = text_of(setting.customer, "creditTerms", "id")
    if not said and new and own:
        # What the customer has counts; in instalments it would split the invoice.
        terms_id(made, own, names, whose)


def _day_of(made: Made, setting: Setting) -> date:
    told = text_of(made.shown, "documentDate")
    return date.fromisoformat(told[:10]) if told else setting.today
