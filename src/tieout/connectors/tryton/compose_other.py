"""Credit notes, orders and payments as values. Pure: what was read in, values out."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from tieout.connectors.tryton import documents
from tieout.connectors.tryton.books import Books
from tieout.connectors.tryton.compose_lines import Products
from tieout.connectors.tryton.making import Made
from tieout.connectors.tryton.predict import EndlessError, Priced, line_amount, predict
from tieout.connectors.tryton.values import (
    Number,
    Payload,
    amount_of,
    id_of,
    ids_of,
    linked,
    rows_of,
    text_of,
)
from tieout.core.model import Document, Line, LineKind, Payment
from tieout.core.money import ZERO

# What an order's line has not: an account, a currency of its own, analytic entries.
_NOT_ON_ORDERS = ("account", "currency", "analytic_accounts")


def credit_values(
    record: Document | None, target: Payload, books: Books, *, key: str, today: date
) -> Made:
    """
    A draft credit note over a posted invoice: its lines with the quantities turned round, each
    naming the line that it credits. Lines of ``record`` say what to credit of which item; without
    any, everything is.
    """
    made = Made(shown={"state": "draft", "number": None})
    lines = [row for row in documents.ordered_lines(target) if row.get("type") == "line"]
    wanted = _quantities(made, record, lines)
    made.put("type", "out")
    made.put("company", books.company)
    made.link("party", id_of(target, "party"), name=text_of(linked(target, "party"), "name"))
    for name in ("account", "invoice_address", "payment_term"):
        made.put(name, id_of(target, name))
    made.put("journal", books.journal)
    code = text_of(linked(target, "currency"), "code")
    made.link("currency", id_of(target, "currency"), code=code)
    if books.has_key:
        made.put("tieout_key", key)
    reference = text_of(target, "number")
    made.put("reference", reference if books.has_key else documents.with_key(reference, key))
    currency = books.currency_by_id[id_of(target, "currency") or books.currency.id]
    new, shown, priced = [], [], []
    for row, quantity in wanted:
        price = amount_of(row, "unit_price")
        taxes = sorted(ids_of(row, "taxes"))
        values: dict[str, Any] = {
            "type": "line",
            "product": id_of(row, "product"),
            "unit": id_of(row, "unit"),
            "quantity": Number(-quantity),
            "unit_price": price,
            "account": id_of(row, "account"),
            "description": text_of(row, "description") or None,
            "note": text_of(row, "note") or None,
            "currency": currency.id,
            "origin": f"account.invoice.line,{row['id']}",
        }
        if taxes:
            values["taxes"] = [["add", taxes]]
        entries = [
            {"root": id_of(entry, "root"), "account": id_of(entry, "account")}
            for entry in rows_of(row, "analytic_accounts")
            if id_of(entry, "account") is not None
        ]
        if entries:
            values["analytic_accounts"] = [["create", entries]]
        new.append(values)
        amount = line_amount(-quantity, price, currency.rounding)
        said = {"id": None, "sequence": None, "quantity": -quantity, "taxes": taxes}
        shown.append({**row, **values, **said, "amount": amount, "analytic_accounts.": entries})
        priced.append(Priced(quantity=-quantity, unit_price=price, taxes=tuple(taxes)))
    if not new:
        made.wrong("no_lines", "There is nothing to credit.", place="lines")
    made.values["lines"] = [["create", new]]
    made.shown["lines."] = shown
    made.shown["origin_invoices"] = [target.get("id")]
    step = currency.rounding
    try:
        made.totals = predict(
            priced, books.taxes, currency=code, step=step, by_line=books.by_line, day=today
        )
    except EndlessError:
        made.wrong(
            "tax_unresolved",
            "The VAT of so small a credit cannot be reckoned: Tryton would never answer.",
            place="lines",
        )
    figures = made.totals.totals if made.totals is not None else None
    for name, part in (("untaxed_amount", "net"), ("tax_amount", "tax"), ("total_amount", "gross")):
        made.shown[name] = getattr(figures, part) if figures is not None else None
    return made


def _quantities(
    made: Made, record: Document | None, lines: list[Payload]
) -> list[tuple[Payload, Decimal]]:
    """Which lines are credited and how much of each; more than was sold is wrong."""
    if record is None or not any(line.kind is not LineKind.TEXT for line in record.lines):
        return [(row, amount_of(row, "quantity")) for row in lines]
    left = list(lines)
    found = []
    for place, line in enumerate(record.lines, start=1):
        if line.kind is LineKind.TEXT:
            continue
        row = next((entry for entry in left if _is_of(entry, line)), None)
        if row is None:
            said = line.item.number if line.item else line.text
            made.wrong(
                "credit_without_invoice",
                f"The invoice has no line of {said} (line {place}) to credit.",
                place=f"lines.{place}",
            )
            continue
        left.remove(row)
        quantity = abs(line.quantity)
        if quantity > abs(amount_of(row, "quantity")):
            made.wrong(
                "value_not_accepted",
                f"Line {place} credits {quantity}; the invoice has {amount_of(row, 'quantity')}.",
                place=f"lines.{place}.quantity",
            )
        found.append((row, quantity.copy_sign(amount_of(row, "quantity"))))
    return found


def _is_of(row: Payload, line: Line) -> bool:
    if line.item is None:
        return text_of(row, "description") == line.text
    return text_of(linked(row, "product"), "code").casefold() == line.item.number.casefold()


def order_values(made: Made, products: Products, day: date) -> Made:
    """
    A draft's values as those of a sale: addresses instead of an account, and products that can be
    sold, on the day of the order. How it is invoiced and delivered is left to the settings of the
    company.
    """
    address = made.values.pop("invoice_address", None)
    for name in ("type", "account", "journal", "invoice_date"):
        made.values.pop(name, None)
        made.shown.pop(name, None)
    made.values |= {"invoice_address": address, "shipment_address": address}
    made.put("sale_date", day)
    by_id = {product.id: product for product in products.values()}
    for command in made.values.get("lines", ()):
        if command[0] != "create":
            continue
        for place, line in enumerate(command[1], start=1):
            _as_sale_line(made, line, place)
            product = by_id.get(line.get("product", 0))
            if product is not None and not product.salable:
                made.wrong(
                    "item_not_usable",
                    f"Product {product.code} (line {place}) cannot be sold on orders in Tryton.",
                    hint="Make it salable, with a sales unit.",
                    place=f"lines.{place}.item",
                )
    for row in rows_of(made.shown, "lines"):
        assert isinstance(row, dict)
        row.pop("analytic_accounts.", None)
    return made


def order_changes(made: Made) -> Made:
    """The values that change a sale, made as those that change a draft of an invoice."""
    for name in ("account", "journal", "invoice_date"):
        made.values.pop(name, None)
    for command in made.values.get("lines", ()):
        rows = command[1] if command[0] == "create" else command[2:]
        for place, line in enumerate(rows, start=1):
            _as_sale_line(made, line, place)
    for row in rows_of(made.shown, "lines"):
        assert isinstance(row, dict)
        row.pop("analytic_accounts.", None)
    made.stamps = {
        name.replace("account.invoice.line,", "sale.line,").replace(
            "account.invoice,", "sale.sale,"
        ): stamp
        for name, stamp in made.stamps.items()
    }
    return made


def _as_sale_line(made: Made, line: dict[str, Any], place: int) -> None:
    if any(entry for entry in line.get("analytic_accounts") or ()):
        made.wrong(
            "dimension_unknown",
            f"Line {place} has dimensions, which orders in Tryton do not hold.",
            hint="Leave them out of orders, or make a draft invoice.",
            place=f"lines.{place}.dimensions",
        )
    for name in _NOT_ON_ORDERS:
        line.pop(name, None)


def payment_data(
    record: Payment, invoice: Payload, method: int, books: Books, *, key: str, day: date
) -> tuple[str, dict[str, Any]]:
    """
    The state of the wizard and its data that pay (a part of) an invoice. The last step alone
    writes, so that it can be sent for itself.
    """
    amount = record.amount
    party, invoice_id = id_of(invoice, "party"), id_of(invoice, "id")
    currency = id_of(invoice, "currency")
    start: dict[str, Any] = {
        "payee": party,
        "payees": [party],
        "amount": amount,
        "currency": currency,
        "company": books.company,
        "invoice_account": id_of(invoice, "account"),
        "date": record.paid_on or day,
        "description": f"{text_of(invoice, 'number')} ref {key}",
        "payment_method": method,
    }
    if amount == amount_of(invoice, "amount_to_pay"):
        return "choice", {"start": start}
    open_lines = [
        int(entry["id"]) for entry in rows_of(invoice, "lines_to_pay")
        if not entry.get("reconciliation")
    ]  # fmt: skip
    ask = {
        "type": "partial",
        "lines": open_lines,
        "lines_to_pay": open_lines,
        "payment_lines": ids_of(invoice, "payment_lines"),
        "amount": amount,
        "currency": currency,
        "company": books.company,
        "invoice": invoice_id,
    }
    return "pay", {"start": start, "ask": ask}


def is_open(invoice: Payload) -> bool:
    """Whether money can be put on it."""
    return invoice.get("state") == "posted" and amount_of(invoice, "amount_to_pay") != ZERO
