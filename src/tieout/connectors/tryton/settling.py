"""
What closed an invoice, told by the ledger lines that its receivable lines are reconciled with.

The journal says what a line is: of sales a credit note, of write-offs what we bear, that of
exchange differences nothing in the invoice's own currency, and any other money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.connectors.tryton.books import Books
from tieout.connectors.tryton.values import (
    Payload,
    amount_of,
    day_of,
    id_of,
    ids_of,
    linked,
    number_of,
    reference_of,
    rows_of,
    text_of,
)
from tieout.core.model import Paid
from tieout.core.money import ZERO, round_to

MOVE_LINE_FIELDS = (
    "account", "account.type.receivable", "party", "debit", "credit", "amount_second_currency",
    "second_currency", "maturity_date", "reconciliation", "description", "date", "move",
    "move.number", "move.date", "move.origin", "move.description", "move.state", "move.journal",
    "move.journal.type", "move.journal.code",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """
    What took from an invoice, in its currency, with its sign: a credit note's are negative.

    ``credit_notes`` are the ids of the notes that were set off against it.
    """

    paid: Decimal = ZERO
    credited: Decimal = ZERO
    written_off: Decimal = ZERO
    discounted: Decimal = ZERO
    small_difference: Decimal = ZERO
    last_payment_on: date | None = None
    payments: tuple[Paid, ...] = ()
    credit_notes: tuple[int, ...] = ()


NOTHING = Settled()


def kind_of(
    line: Payload, books: Books, *, discounts: frozenset[str], small: frozenset[str]
) -> str:
    """What a settling line is: 'money', 'credit', 'written_off', 'exchange', ..."""
    journal = linked(linked(line, "move"), "journal")
    code = text_of(journal, "code")
    if id_of(journal, "id") == books.exchange_journal and books.exchange_journal is not None:
        return "exchange"
    if journal.get("type") == "write-off":
        if code in discounts:
            return "discounted"
        return "small_difference" if code in small else "written_off"
    return "credit" if journal.get("type") in ("revenue", "expense") else "money"


def settled_of(
    row: Payload,
    books: Books,
    moves: Mapping[int, Payload],
    *,
    discounts: frozenset[str] = frozenset(),
    small: frozenset[str] = frozenset(),
) -> Settled:
    """
    What took from an invoice. What settles several claims at once is split by their size.

    Nothing for a draft, and for an invoice whose ledger lines were not read.
    """
    lines = [moves[number] for number in settling_ids(row) if number in moves]
    if not lines:
        return NOTHING
    sign = -1 if amount_of(row, "total_amount") < 0 else 1
    currency = id_of(row, "currency")
    sums = dict.fromkeys(
        ("money", "credit", "written_off", "discounted", "small_difference", "exchange"), ZERO
    )
    whole = dict(sums)
    notes: dict[int, None] = {}
    money: list[Paid] = []
    others = ZERO
    for line in lines:
        kind = kind_of(line, books, discounts=discounts, small=small)
        amount = in_currency(line, currency, books)
        origin = reference_of(linked(line, "move"), "origin")
        if amount * sign < 0 and line.get("reconciliation"):
            # Another claim that the same lines settled: of another invoice, or money paid back.
            others += -amount * sign
            continue
        if kind == "credit" and origin is not None and origin[0] == "account.invoice":
            notes[origin[1]] = None
        if kind == "money" and (day := day_of(linked(line, "move"), "date")) is not None:
            money.append(Paid(on=day, amount=amount))
        shared = sums if line.get("reconciliation") else whole
        shared[kind] += amount
    if others:
        sums = _share(row, sums, others, currency, books)
    total = {kind: sums[kind] + whole[kind] for kind in sums}
    return Settled(
        paid=total["money"],
        credited=total["credit"],
        written_off=total["written_off"],
        discounted=total["discounted"],
        small_difference=total["small_difference"],
        last_payment_on=max((one.on for one in money), default=None),
        # What settled several claims at once has no day for each of its parts.
        payments=tuple(money) if sum((one.amount for one in money), ZERO) == total["money"] else (),
        credit_notes=tuple(notes) if sign > 0 else (),
    )


def settling_ids(row: Payload) -> list[int]:
    """The ledger lines that pay or settle an invoice: both lists, each line once."""
    return sorted({*ids_of(row, "payment_lines"), *ids_of(row, "reconciliation_lines")})


def in_currency(line: Payload, currency: int | None, books: Books) -> Decimal:
    """What a settling line takes, in the invoice's currency: credit less debit."""
    if currency is not None and currency != books.currency.id:
        if id_of(line, "second_currency") == currency:
            return -(number_of(line, "amount_second_currency") or ZERO)
        return ZERO
    return amount_of(line, "credit") - amount_of(line, "debit")


def _share(
    row: Payload,
    sums: Mapping[str, Decimal],
    others: Decimal,
    currency: int | None,
    books: Books,
) -> dict[str, Decimal]:
    """This invoice's part of what settled several at once, by size; the rest is on the money."""
    own = sum(
        (
            -in_currency(entry, currency, books)
            if currency == books.currency.id
            else abs(number_of(entry, "amount_second_currency") or ZERO)
            * (-1 if amount_of(row, "total_amount") < 0 else 1)
            for entry in rows_of(row, "lines_to_pay")
            if entry.get("reconciliation")
        ),
        ZERO,
    )
    size = abs(own)
    if not size:
        return dict(sums)
    places = max(-int(books.currency.rounding.as_tuple().exponent), 0)
    parts = {
        kind: round_to(amount * size / (size + others), places) for kind, amount in sums.items()
    }
    parts["money"] += own - sum(parts.values(), ZERO)
    return parts
