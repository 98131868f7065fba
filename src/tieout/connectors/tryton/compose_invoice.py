"""A draft invoice's values. Pure: a record, the company's words and what was read in."""

from __future__ import annotations

from datetime import date

from tieout.connectors.tryton import documents
from tieout.connectors.tryton.books import Books, Currency
from tieout.connectors.tryton.compose_lines import Defaults, InvoiceLines, Products
from tieout.connectors.tryton.making import Made, terms_id
from tieout.connectors.tryton.predict import EndlessError, Priced, predict
from tieout.connectors.tryton.settings import TrytonSettings
from tieout.connectors.tryton.values import (
    Payload,
    amount_of,
    day_of,
    id_of,
    rows_of,
    text_of,
)
from tieout.core.change import Wanted
from tieout.core.model import Document


def invoice_values(
    wanted: Wanted,
    books: Books,
    settings: TrytonSettings,
    *,
    key: str,
    party: Payload,
    products: Products,
    defaults: Defaults,
    read: Payload | None,
    base: Document | None,
    today: date,
) -> Made:
    """
    The values of a draft: new, or what changes of the one that was read, its lines through the
    head so that its taxes follow. A line that the base did not have is somebody else's and stays.
    """
    record = wanted.record
    assert isinstance(record, Document)
    fields = wanted.fields
    made = Made(shown=dict(read) if read is not None else {"state": "draft", "number": None})
    currency = _currency(made, record, books, read, today)
    if read is None:
        _new_head(made, record, books, party, currency)
    else:
        made.written("account.invoice", read)
    _reference(made, wanted, books, settings, key, read)
    if read is None or set(documents.LABELS) & fields:
        _comment(made, record, fields, settings, read)
    if "issue_date" in fields:
        made.put("invoice_date", record.issue_date)
    if "terms" in fields or read is None:
        _terms(made, record, fields, books, party)
    if currency is None:
        return made
    if read is None or "lines" in fields:
        lines = InvoiceLines(made, books, currency, products, defaults, id_of(party, "id") or 0)
        lines.build(record.lines, read, base)
    _totals(made, books, currency, today)
    if read is None and settings.send_source_totals and books.has_key and made.totals:
        figures = made.totals.totals
        made.values |= {
            "source_untaxed_amount": figures.net,
            "source_tax_amount": figures.tax,
            "source_total_amount": figures.gross,
        }
    return made


def _currency(
    made: Made, record: Document, books: Books, read: Payload | None, today: date
) -> Currency | None:
    if read is not None:
        there = books.currency_by_id.get(id_of(read, "currency") or 0)
        if there is not None and record.currency not in ("", there.code):
            made.wrong(
                "currency_not_allowed",
                f"The draft is in {there.code}, the deal in {record.currency}.",
                hint="Delete the draft in Tryton; a new one is made in the other currency.",
                place="currency",
            )
        return there
    found = books.currency_of(record.currency)
    if found is None:
        made.wrong(
            "currency_not_allowed",
            f"{record.currency} is no currency in Tryton.",
            hint="Finance adds it there with a rate.",
            place="currency",
        )
    elif not books.can_book(found, today):
        # A draft would be taken, and nobody could post it.
        made.wrong(
            "currency_not_allowed",
            f"Tryton has no rate for {found.code}; an invoice in it could not be posted.",
            hint="Finance enters a rate there.",
            place="currency",
        )
    return found


def _new_head(
    made: Made, record: Document, books: Books, party: Payload, currency: Currency | None
) -> None:
    name = text_of(party, "name")
    account = id_of(party, "account_receivable") or books.receivable
    address = next(
        (entry for entry in rows_of(party, "addresses") if entry.get("invoice")),
        next(iter(rows_of(party, "addresses")), None),
    )
    if account is None:
        made.wrong(
            "account_missing",
            f"Neither {name} nor the company has a receivable account in Tryton.",
            hint="Set the default receivable account in the accounting configuration.",
        )
    if books.journal is None:
        # Without one a draft is taken, and posting it fails.
        made.wrong("account_missing", "The company has no journal of sales in Tryton.")
    if address is None:
        made.wrong(
            "address_incomplete",
            f"{name} has no address in Tryton; an invoice needs one.",
            hint="Fill it on the account.",
            place="addresses.billing",
        )
    made.put("type", "out")
    made.put("company", books.company)
    made.link("party", id_of(party, "id"), name=name)
    made.put("account", account)
    made.put("journal", books.journal)
    made.put("invoice_address", id_of(address, "id") if address is not None else None)
    if currency is not None:
        made.link("currency", currency.id, code=currency.code)


def _reference(
    made: Made,
    wanted: Wanted,
    books: Books,
    settings: TrytonSettings,
    key: str,
    read: Payload | None,
) -> None:
    record = wanted.record
    assert isinstance(record, Document)
    in_column = books.has_key
    if read is None and in_column:
        made.put("tieout_key", key)
    if read is not None and "po_number" not in wanted.fields:
        return
    said = record.po_number if "po_number" in wanted.fields else ""
    carries = not in_column and (read is None or not text_of(read, "tieout_key"))
    text = documents.with_key(said.strip(), key) if carries else said.strip()
    made.put("reference", text or None)


def _comment(
    made: Made,
    record: Document,
    fields: frozenset[str],
    settings: TrytonSettings,
    read: Payload | None,
) -> None:
    words: dict[str, str] = {}
    for name in documents.LABELS:
        if name in fields:
            value = getattr(record, name)
            words[name] = value.isoformat() if isinstance(value, date) else str(value or "").strip()
        elif read is None and name == "our_reference":
            words[name] = settings.our_contact
    if any("\n" in value for value in words.values()):
        words = {name: " ".join(value.split()) for name, value in words.items()}
    made.put("comment", documents.with_words(text_of(read or {}, "comment"), words) or None)


def _terms(
    made: Made, record: Document, fields: frozenset[str], books: Books, party: Payload
) -> None:
    said = record.terms if "terms" in fields else ""
    whose = text_of(party, "name") or "the document"
    if said:
        made.put("payment_term", terms_id(made, said, books, whose))
    else:
        made.put("payment_term", id_of(party, "customer_payment_term"))


def _totals(made: Made, books: Books, currency: Currency, today: date) -> None:
    rows = [row for row in rows_of(made.shown, "lines") if row.get("type", "line") == "line"]
    day = day_of(made.shown, "accounting_date") or day_of(made.shown, "invoice_date") or today
    lines = [
        Priced(
            quantity=amount_of(row, "quantity"),
            unit_price=amount_of(row, "unit_price"),
            taxes=tuple(sorted(row.get("taxes") or ())),
            tax_day=day_of(row, "taxes_date"),
        )
        for row in rows
    ]
    try:
        made.totals = predict(
            lines,
            books.taxes,
            currency=currency.code,
            step=currency.rounding,
            by_line=books.by_line,
            day=day,
        )
    except EndlessError:
        made.wrong(
            "tax_unresolved",
            "The VAT of so small an amount under several taxes cannot be reckoned: Tryton would "
            "never answer.",
            hint="Put it on another line, or under one tax.",
            place="lines",
        )
    totals = made.totals.totals if made.totals is not None else None
    made.shown["untaxed_amount"] = totals.net if totals else None
    made.shown["tax_amount"] = totals.tax if totals else None
    made.shown["total_amount"] = totals.gross if totals else None
