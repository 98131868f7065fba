"""
The general ledger: its own list of booked documents, the control account, and the receivables.

Read from moves, each by its own filter, and not from the change feed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from tieout.connectors.tryton.api import Domain, TrytonApi
from tieout.connectors.tryton.books import Books, BooksKeeper
from tieout.connectors.tryton.reading import INVOICE, MOVE_LINE, Reader
from tieout.connectors.tryton.settling import MOVE_LINE_FIELDS, kind_of
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
from tieout.core.ageing import ItemKind, OpenItem
from tieout.core.model import Document
from tieout.core.money import ZERO
from tieout.ports import Control, Posting, Subledger

_FIELDS = (*MOVE_LINE_FIELDS, "invoice_payment", "party.name")
_KINDS = {
    "written_off": "write_off",
    "discounted": "discount",
    "small_difference": "small_difference",
    "exchange": "exchange",
}


class Ledger:
    """The moves of one company, as the port asks for them."""

    def __init__(self, api: TrytonApi, keeper: BooksKeeper, reader: Reader) -> None:
        self._api = api
        self._keeper = keeper
        self._reader = reader

    async def documents(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """See `ports.Connector.ledger`: the posted moves of sales invoices dated in these days."""
        domain: Domain = [
            ["company", "=", self._api.company],
            ["state", "=", "posted"],
            ["origin.type", "=", "out", INVOICE],
            ["origin.invoice_date", ">=", first, INVOICE],
            ["origin.invoice_date", "<=", last, INVOICE],
        ]
        async for rows in self._api.pages("account.move", domain, ["origin"]):
            moves = {int(row["id"]): reference_of(row, "origin") for row in rows}
            numbers = [origin[1] for origin in moves.values() if origin is not None]
            found = await self._reader.rows(INVOICE, numbers)
            # A payment's move names its invoice too; the invoice's own is the one that booked it.
            own = [row for row in found.values() if id_of(row, "move") in moves]
            records = await self._reader.records(own, INVOICE)
            yield [record for record in records if isinstance(record, Document)]

    async def control(self, day: date) -> Control | None:
        """See `ports.Connector.control`: the balance that the accounts themselves tell."""
        books = await self._keeper.get()
        accounts = await self._api.call(
            "model.account.account.search_read",
            [["company", "=", books.company], ["type.receivable", "=", True]],
            0,
            None,
            [["id", "ASC"]],
            ["code", "name", "balance"],
            date=await self._told_of(day),
            posted=True,
        )
        if not accounts:
            return None
        book = await self._book(day, day, books)
        main = next((row for row in accounts if row["id"] == books.receivable), accounts[0])
        return Control(
            account=text_of(main, "code") or text_of(main, "name"),
            balance=sum((amount_of(row, "balance") for row in accounts), ZERO),
            currency=books.currency.code,
            vouchers=tuple(
                (
                    text_of(linked(row, "move"), "number"),
                    _moved(row),
                    text_of(row, "description") or text_of(linked(row, "move"), "description"),
                )
                for row in book.vouchers(day)
            ),
        )

    async def _told_of(self, day: date) -> date:
        """
        The day up to which accounts tell of that day. Outside of fiscal years they tell 0: in a
        January whose year nobody has opened yet, what is open is what was open in December.
        """
        domain: Domain = [["company", "=", self._api.company], ["start_date", "<=", day]]
        years = await self._api.search("account.fiscalyear", domain, ["end_date"])
        ends = [end for row in years if (end := day_of(row, "end_date"))]
        return min(day, max(ends, default=day))

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """See `ports.Connector.subledger`."""
        books = await self._keeper.get()
        book = await self._book(first, last, books)
        before = first - timedelta(days=1)
        bank, fees = await self._bank(book, first, last)
        return Subledger(
            currency=books.currency.code,
            opening=sum((item.open for item in book.items(before)), ZERO),
            postings=tuple(book.postings(first, last)),
            items=tuple(book.items(last)),
            bank=bank,
            bank_fees=fees,
        )

    async def _book(self, first: date, last: date, books: Books) -> _Book:
        domain: Domain = [
            ["account.company", "=", books.company],
            ["account.type.receivable", "=", True],
            ["move.state", "=", "posted"],
            ["move.date", "<=", last],
            ["OR", ["reconciliation", "=", None], ["reconciliation.date", ">=", first]],
        ]
        lines: list[Payload] = []
        async for rows in self._api.pages(MOVE_LINE, domain, _FIELDS, size=1000):
            lines += rows
        numbers = {number for row in lines if (number := _invoice_of(row)) is not None}
        heads = await self._api.read(INVOICE, sorted(numbers), ["number", "total_amount", "type"])
        settings = self._api.settings
        return _Book(
            books=books,
            lines=lines,
            settled=await self._settled(lines),
            heads=heads,
            discounts=frozenset(settings.discount_journals),
            small=frozenset(settings.small_difference_journals),
        )

    async def _settled(self, lines: Sequence[Payload]) -> dict[int, date]:
        """
        The day on which each reconciliation was complete: that of its last line. Its own date can
        lie ahead (the due date, in series 8.2).
        """
        ids = {number for row in lines if (number := id_of(row, "reconciliation")) is not None}
        rows = await self._api.read("account.move.reconciliation", sorted(ids), ["lines.date"])
        return {
            number: max(day for line in rows_of(row, "lines") if (day := day_of(line, "date")))
            for number, row in rows.items()
        }

    async def _bank(self, book: _Book, first: date, last: date) -> tuple[Decimal | None, Decimal]:
        """
        What came to the accounts of the payment methods in the moves that brought money, and what
        went to other accounts in them. Moves that touch no such account count whole.
        """
        methods = await self._api.search(
            "account.invoice.payment.method",
            [["company", "=", self._api.company]],
            ["debit_account", "credit_account"],
        )
        accounts = {
            number
            for row in methods
            for name in ("debit_account", "credit_account")
            if (number := id_of(row, name)) is not None
        }
        moves = book.money_moves(first, last)
        if not accounts:
            return None, ZERO
        lines = await self._api.search(
            MOVE_LINE,
            [["move", "in", sorted(moves)]],
            ["move", "account", "debit", "credit", "account.type.receivable"],
        ) if moves else []  # fmt: skip
        bank = fees = ZERO
        for move, received in moves.items():
            rows = [row for row in lines if row.get("move") == move and not _receivable(row)]
            on_bank = [row for row in rows if row.get("account") in accounts]
            if not on_bank:
                bank += received
                continue
            bank += sum((_moved(row) for row in on_bank), ZERO)
            fees += sum((_moved(row) for row in rows if row not in on_bank), ZERO)
        return bank, fees


@dataclass(frozen=True, slots=True, kw_only=True)
class _Book:
    """The receivable lines that matter for some days, read once."""

    books: Books
    lines: Sequence[Payload]
    settled: Mapping[int, date]
    heads: Mapping[int, Payload]
    discounts: frozenset[str] = field(default_factory=frozenset)
    small: frozenset[str] = field(default_factory=frozenset)

    def kind(self, row: Payload) -> str:
        """'document', 'money', 'voucher', 'written_off', 'exchange', ..."""
        kind = kind_of(row, self.books, discounts=self.discounts, small=self.small)
        origin = reference_of(linked(row, "move"), "origin")
        of_invoice = origin is not None and origin[0] == INVOICE
        journal = text_of(linked(linked(row, "move"), "journal"), "type")
        if kind == "credit":
            return "document" if of_invoice else "voucher"
        if kind == "money" and journal == "general" and not of_invoice:
            return "voucher"
        return kind

    def settled_on(self, row: Payload) -> date | None:
        """The day on which a line was settled, None where it is open."""
        return self.settled.get(id_of(row, "reconciliation") or 0)

    def is_settled(self, row: Payload, day: date) -> bool:
        """Whether a line was settled at the end of that day."""
        on = self.settled_on(row)
        return on is not None and on <= day

    def open_at(self, day: date) -> list[Payload]:
        """The lines that stood open at the end of that day."""
        return [row for row in self.lines if _day(row) <= day and not self.is_settled(row, day)]

    def vouchers(self, day: date) -> list[Payload]:
        """Open lines that no invoice and no money stands behind."""
        loose = ("voucher", *_KINDS)
        return [row for row in self.open_at(day) if self.kind(row) in loose and not _linked(row)]

    def items(self, day: date) -> list[OpenItem]:
        """What was open: invoices less the money on them, notes, and money on account."""
        loose = {int(row["id"]) for row in self.vouchers(day)}
        sums: dict[tuple[str, int], Decimal] = {}
        rows: dict[tuple[str, int], Payload] = {}
        for row in self.open_at(day):
            if int(row["id"]) in loose:
                continue
            number = self._document(row)
            place = ("invoice", number) if number is not None else ("item", int(row["id"]))
            sums[place] = sums.get(place, ZERO) + _moved(row)
            due = day_of(row, "maturity_date")
            before = rows.get(place)
            first = day_of(before, "maturity_date") if before is not None else None
            if before is None or (due is not None and (first is None or due < first)):
                rows[place] = row
        return [self._item(place, amount, rows[place]) for place, amount in sums.items() if amount]

    def _document(self, row: Payload) -> int | None:
        """The invoice that a line belongs to: its own claim, or money that was put on it."""
        if self.kind(row) == "document":
            return _invoice_of(row)
        return id_of(row, "invoice_payment")

    def _item(self, place: tuple[str, int], amount: Decimal, row: Payload) -> OpenItem:
        what, number = place
        head = self.heads.get(number, {}) if what == "invoice" else {}
        kind = ItemKind.ON_ACCOUNT
        if what == "invoice":
            credit = amount_of(head, "total_amount") < 0
            kind = ItemKind.CREDIT_NOTE if credit else ItemKind.INVOICE
        return OpenItem(
            ref=f"{what}:{number}",
            open=amount,
            currency=self.books.currency.code,
            kind=kind,
            due_on=day_of(row, "maturity_date") or _day(row),
            number=text_of(head, "number") or text_of(linked(row, "move"), "number"),
            customer=text_of(linked(row, "party"), "name"),
        )

    def postings(self, first: date, last: date) -> list[Posting]:
        """What moved the receivables; a voucher does when it is set against something."""
        found = []
        for row in self.lines:
            kind = self.kind(row)
            loose = kind == "voucher" or (kind in _KINDS and not row.get("reconciliation"))
            day = self.settled_on(row) if loose else _day(row)
            if day is None or not first <= day <= last:
                continue
            if kind in _KINDS and not row.get("reconciliation"):
                continue
            found.append(self._posting(row, kind, day, last))
        return found

    def _posting(self, row: Payload, kind: str, day: date, last: date) -> Posting:
        number = _invoice_of(row) if kind == "document" else id_of(row, "invoice_payment")
        amount = _moved(row)
        if kind == "document":
            head = self.heads.get(number or 0, {})
            ours = "credit_note" if amount_of(head, "total_amount") < 0 else "invoice"
        elif kind in _KINDS:
            ours = _KINDS[kind]
        else:
            open_still = not self.is_settled(row, last) and not _linked(row)
            ours = "on_account" if open_still else "money"
        ref = None if number is None else self.books.ref("document", f"invoice:{number}")
        head = self.heads.get(number or 0, {})
        return Posting(
            kind=ours,
            amount=amount,
            day=day,
            number=text_of(head, "number") or text_of(linked(row, "move"), "number"),
            document=ref,
        )

    def money_moves(self, first: date, last: date) -> dict[int, Decimal]:
        """Moves that brought money in these days, with what they took off the receivables."""
        found: dict[int, Decimal] = {}
        for row in self.lines:
            kind = self.kind(row)
            day = self.settled_on(row) if kind == "voucher" else _day(row)
            if kind in ("money", "voucher") and day is not None and first <= day <= last:
                move = id_of(row, "move") or 0
                found[move] = found.get(move, ZERO) - _moved(row)
        return found


def _moved(row: Payload) -> Decimal:
    return amount_of(row, "debit") - amount_of(row, "credit")


def _day(row: Payload) -> date:
    found = day_of(linked(row, "move"), "date")
    if found is None:
        raise ValueError("a move without a date")
    return found


def _linked(row: Payload) -> bool:
    return id_of(row, "invoice_payment") is not None


def _receivable(row: Payload) -> bool:
    return bool(linked(linked(row, "account"), "type").get("receivable"))


def _invoice_of(row: Payload) -> int | None:
    origin = reference_of(linked(row, "move"), "origin")
    return origin[1] if origin is not None and origin[0] == INVOICE else None
