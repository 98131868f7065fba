"""Money on a customer's account as a payment. Pure."""

from __future__ import annotations

from tieout.connectors.tryton.books import Books
from tieout.connectors.tryton.values import (
    Payload,
    amount_of,
    day_of,
    id_of,
    linked,
    reference_of,
    rows_of,
    text_of,
)
from tieout.core.model import Payment
from tieout.core.money import ZERO

MOVE_FIELDS = (
    "date", "origin", "description", "_timestamp", "journal.code", "lines.credit", "lines.debit",
    "lines.amount_second_currency", "lines.second_currency", "lines.party",
    "lines.account.type.receivable",
)  # fmt: skip


def payment_of(row: Payload, books: Books) -> Payment:
    """A move with money on a receivable account, in the currency of its line."""
    lines = [
        line
        for line in rows_of(row, "lines")
        if linked(linked(line, "account"), "type").get("receivable")
    ]
    amount, currency, party = ZERO, books.currency.code, None
    for line in lines:
        other = books.currency_by_id.get(id_of(line, "second_currency") or 0)
        if other is not None:
            currency = other.code
            amount -= amount_of(line, "amount_second_currency")
        else:
            amount += amount_of(line, "credit") - amount_of(line, "debit")
        party = id_of(line, "party") or party
    origin = reference_of(row, "origin")
    invoice = origin[1] if origin is not None and origin[0] == "account.invoice" else None
    return Payment(
        ref=books.ref("payment", row["id"]),
        version=text_of(row, "_timestamp") or None,
        customer=books.ref("customer", party) if party is not None else None,
        document=books.ref("document", f"invoice:{invoice}") if invoice is not None else None,
        paid_on=day_of(row, "date"),
        amount=amount,
        currency=currency,
        method=text_of(linked(row, "journal"), "code"),
    )
