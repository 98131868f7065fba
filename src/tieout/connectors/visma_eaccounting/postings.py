"""Vouchers on the receivables: what really closed an invoice, and the ledger's own figures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.connectors.visma_eaccounting import documents
from tieout.connectors.visma_eaccounting.api import FilterNotSupportedError, VismaApi
from tieout.connectors.visma_eaccounting.filters import INVOICES, VOUCHERS, FilterBook
from tieout.connectors.visma_eaccounting.names import Names
from tieout.connectors.visma_eaccounting.values import Payload, amount_of, day_of, text_of
from tieout.core.ageing import ItemKind, OpenItem
from tieout.core.errors import NOT_UNDERSTOOD, ConnectionBrokenError, UnreadableError
from tieout.core.model import Document, DocumentKind
from tieout.core.money import round_money
from tieout.ports import Control, Posting, Subledger

ZERO = Decimal("0.00")
_VOIDED = "voided"
LEDGER_ITEMS = "/v2/customerledgeritems"


@dataclass(frozen=True, slots=True)
class ChartOfAccounts:
    """Which accounts of a country's usual plan mean what; beginnings of numbers."""

    receivables: tuple[str, ...]
    costs: Mapping[str, str]
    bank: tuple[str, ...]
    exchange: tuple[str, ...]
    fees: tuple[str, ...]
    sales: tuple[str, ...]


# The Swedish standard plan (BAS). Other countries' plans are not laid down by the vendor.
CHARTS: Mapping[str, ChartOfAccounts] = {
    "SE": ChartOfAccounts(
        receivables=("1510", "1515"),
        costs={"374": "small_difference", "635": "write_off", "373": "discount"},
        bank=("19",),
        exchange=("396", "796"),
        fees=("657",),
        sales=("30", "31", "32", "33", "34", "35", "36"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """One voucher: the sums of its rows by account, debit positive."""

    id: str
    number: str
    day: date
    text: str
    source: str
    sums: Mapping[str, Decimal]

    def on(self, beginnings: Iterable[str]) -> Decimal:
        """What stands on the accounts whose numbers begin so."""
        starts = tuple(beginnings)
        return sum((v for account, v in self.sums.items() if account.startswith(starts)), ZERO)

    def undoes_sale(self, chart: ChartOfAccounts) -> bool:
        """
        Whether it turns a sale round: no money, and the sale is taken back. VAT alone says
        nothing, since a loss takes it back, too.
        """
        return not self.on(chart.bank) and bool(self.on(chart.sales))


def voucher(payload: Payload) -> Voucher:
    """A voucher in our form. Raises ValueError for one without a date."""
    day = day_of(payload, "VoucherDate")
    if day is None:
        raise ValueError("a voucher without a date")
    sums: dict[str, Decimal] = {}
    for row in payload.get("Rows") or ():
        account = text_of(row, "AccountNumber")
        moved = amount_of(row, "DebitAmount") - amount_of(row, "CreditAmount")
        sums[account] = sums.get(account, ZERO) + moved
    return Voucher(
        id=text_of(payload, "Id"),
        number=text_of(payload, "NumberAndNumberSeries"),
        day=day,
        text=text_of(payload, "VoucherText"),
        source=text_of(payload, "SourceId"),
        sums=sums,
    )


class Postings:
    """The vouchers and the invoice list of one company, each asked for by its own filter."""

    def __init__(self, api: VismaApi, filters: FilterBook) -> None:
        self._api = api
        self._filters = filters

    # --- what closed an invoice ------------------------------------------------------------------

    async def told(
        self, rows: Sequence[Payload], found: Sequence[Document]
    ) -> tuple[Document, ...]:
        """
        The same documents, with what money, write-offs, discounts and small differences took off
        them, as their vouchers say. Left as they are where the vouchers may not be read.
        """
        names = await self._api.names()
        chart = CHARTS.get(names.country)
        asked = {text_of(row, "Id"): text_of(row, "VoucherId") for row in rows if _closed_by(row)}
        days = [day for row in rows if _closed_by(row) and (day := day_of(row, "InvoiceDate"))]
        if chart is None or not asked or not days:
            return tuple(found)
        try:
            vouchers = await self.vouchers(min(days))
        except (ConnectionBrokenError, UnreadableError):
            # The accounting scope is missing, which `check` says, or a voucher has another form:
            # the kind stays unknown.
            return tuple(found)
        costs: dict[str, dict[str, Decimal]] = {}
        for entry in vouchers:
            if entry.source in asked and entry.id != asked[entry.source]:
                of_invoice = costs.setdefault(entry.source, {})
                if entry.undoes_sale(chart):
                    of_invoice[_VOIDED] = -entry.on(chart.receivables)
                    continue
                for start, kind in chart.costs.items():
                    of_invoice[kind] = of_invoice.get(kind, ZERO) + entry.on((start,))
        return tuple(_told(record, costs) for record in found)

    async def vouchers(self, first: date, last: date | None = None) -> list[Voucher]:
        """Every voucher of these days; to today's last one where no end is given."""
        rows = await self._of_days(VOUCHERS, "VoucherDate", first, last)
        try:
            return [voucher(row) for row in rows]
        except NOT_UNDERSTOOD as error:
            raise UnreadableError("A voucher was not understood.") from error

    # --- the ledger's own list -------------------------------------------------------------------

    async def ledger(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """See `ports.Connector.ledger`: asked for by invoice date, compared here once more."""
        names = await self._api.names()
        rows = await self._of_days(INVOICES, "InvoiceDate", first, last)
        records = [_invoice(row, names) for row in rows]
        # One that closed without money may be void, which only its vouchers tell; then it has no
        # part in what was invoiced.
        silent = [row for row in rows if _closed_by(row) and day_of(row, "PaymentDate") is None]
        yield [record for record in await self.told(silent, records) if not record.voided]

    async def _of_days(
        self, path: str, prop: str, first: date, last: date | None
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] | None = None
        if await self._filters.can(path, prop):
            until = f" and {prop} le {last.isoformat()}" if last else ""
            try:
                rows = await self._api.filtered(path, f"{prop} ge {first.isoformat()}{until}")
            except FilterNotSupportedError:
                self._filters.refuse(path, prop)
        if rows is None:
            rows = await self._api.whole(path)
        return [
            row
            for row in rows
            if (day := day_of(row, prop)) is not None
            and first <= day
            and (last is None or day <= last)
        ]

    # --- the receivables -------------------------------------------------------------------------

    async def control(self, day: date) -> Control | None:
        """See `ports.Connector.control`."""
        names = await self._api.names()
        chart = CHARTS.get(names.country)
        if chart is None:
            return None
        balance = ZERO
        for account in chart.receivables:
            path = f"/v2/accountbalances/{account}/{day.isoformat()}"
            row = await self._api.one(path, "/v2/accountbalances/{accountNumber}/{date}")
            balance += amount_of(row, "Balance") if row is not None else ZERO
        behind = {text_of(row, "VoucherId") for row in await self._api.whole(LEDGER_ITEMS)}
        manual = [
            (entry.number, moved, entry.text)
            for entry in await self.vouchers(date(1900, 1, 1), day)
            if not entry.source
            and entry.id not in behind
            and (moved := entry.on(chart.receivables))
        ]
        return Control(
            account=chart.receivables[0],
            balance=balance,
            currency=names.currency,
            vouchers=tuple(manual),
        )

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """See `ports.Connector.subledger`: postings from vouchers, open items from invoices."""
        names = await self._api.names()
        chart = CHARTS.get(names.country)
        if chart is None:
            return None
        rows = {text_of(row, "Id"): row for row in await self._api.whole(INVOICES)}
        records = {guid: _invoice(row, names) for guid, row in rows.items()}
        since = await self.vouchers(first)
        own = {text_of(row, "VoucherId") for row in rows.values()}
        beside = [
            row
            for row in await self._api.whole(LEDGER_ITEMS)
            if text_of(row, "VoucherId") not in own
        ]
        book = _Book(names, chart, rows, records, since, own, beside)
        before = date.fromordinal(first.toordinal() - 1)
        moved = [entry for entry in since if entry.day <= last]
        return Subledger(
            currency=names.currency,
            opening=sum((item.open for item in book.items(before)), ZERO),
            postings=tuple(posting for entry in moved for posting in book.postings(entry)),
            items=tuple(book.items(last)),
            bank=sum((entry.on(chart.bank) for entry in moved if book.settles(entry)), ZERO),
            exchange_gain=-sum(
                (entry.on(chart.exchange) for entry in moved if book.settles(entry)), ZERO
            ),
            bank_fees=sum((entry.on(chart.fees) for entry in moved if book.settles(entry)), ZERO),
        )


def _invoice(row: Payload, names: Names) -> Document:
    """An invoice of a list that is whole or none. Raises `UnreadableError`, which names it."""
    try:
        return documents.invoice(row, names)
    except NOT_UNDERSTOOD as error:
        number = text_of(row, "InvoiceNumber") or text_of(row, "Id")
        raise UnreadableError(f"Document {number} was not understood.") from error


def _closed_by(row: Payload) -> bool:
    """Whether something else than credit notes took from an invoice."""
    if row.get("IsCreditInvoice"):
        return False
    taken = amount_of(row, "TotalAmountInvoiceCurrency") - amount_of(
        row, "RemainingAmountInvoiceCurrency"
    )
    return taken - abs(amount_of(row, "SetOffAmountInvoiceCurrency")) != 0


def _told(record: Document, costs: Mapping[str, Mapping[str, Decimal]]) -> Document:
    guid = record.ref.id.partition(":")[2] if record.ref else ""
    if guid not in costs or record.totals is None or record.totals.open is None:
        return record
    if _VOIDED in costs[guid]:
        # Nobody can void what was paid or credited: it is all that closed the invoice. There is
        # no credit note, which would be counted by itself.
        return replace(
            record,
            voided=True,
            credited=ZERO,
            paid=ZERO,
            written_off=ZERO,
            discounted=ZERO,
            small_difference=ZERO,
        )
    rate = record.rate or Decimal(1)
    shares = {
        kind: round_money(amount / rate, record.currency) for kind, amount in costs[guid].items()
    }
    credited = record.credited or ZERO
    rest = record.totals.gross - record.totals.open - credited - sum(shares.values(), ZERO)
    if rest < 0 < credited:
        # Without a payment the list's fall was taken for credits; part of it was our own cost.
        credited, rest = max(credited + rest, ZERO), min(credited + rest, ZERO)
    return replace(
        record,
        credited=credited,
        paid=rest,
        written_off=shares["write_off"],
        discounted=shares["discount"],
        small_difference=shares["small_difference"],
    )


@dataclass(frozen=True, slots=True)
class _Book:
    """All that the receivables of some days are made of, read once."""

    names: Names
    chart: ChartOfAccounts
    rows: Mapping[str, Payload]
    records: Mapping[str, Document]
    since: Sequence[Voucher]
    own: set[str]
    beside: Sequence[Payload]

    def settles(self, entry: Voucher) -> bool:
        """Whether a voucher closes (a part of) an invoice, and is not the invoice's own."""
        return entry.source in self.rows and entry.id not in self.own

    def items(self, day: date) -> list[OpenItem]:
        """What was open at the end of the day: now, with what happened since taken back."""
        found = []
        for guid, record in self.records.items():
            if record.issue_date is None or record.issue_date > day:
                continue
            left = self._open(guid, record, day)
            if left:
                found.append(self._item(record, left))
        found += [item for row in self.beside if (item := self._beside(row, day)) is not None]
        return found

    def _open(self, guid: str, record: Document, day: date) -> Decimal:
        totals = record.base_totals
        left = (totals.open or ZERO) if totals else ZERO
        for entry in self.since:
            if entry.day > day and entry.source == guid and self.settles(entry):
                left -= entry.on(self.chart.receivables) - self._kept(entry)
        for note in self._notes_of(record):
            if note.issue_date is not None and note.issue_date > day:
                left += self._set_off(note)
        return left

    def _notes_of(self, record: Document) -> list[Document]:
        return [
            note
            for note in self.records.values()
            if record.ref is not None and record.ref in note.credits
        ]

    def _set_off(self, note: Document) -> Decimal:
        assert note.ref is not None
        row = self.rows[note.ref.id.partition(":")[2]]
        size = abs(amount_of(row, "SetOffAmountInvoiceCurrency"))
        return round_money(size * (note.rate or Decimal(1)), self.names.currency)

    def _item(self, record: Document, left: Decimal) -> OpenItem:
        assert record.ref is not None
        kind = ItemKind.CREDIT_NOTE if record.kind is DocumentKind.CREDIT_NOTE else ItemKind.INVOICE
        return OpenItem(
            ref=record.ref.id,
            open=left,
            currency=self.names.currency,
            kind=kind if record.sale else ItemKind.FEE,
            due_on=record.due_date or record.issue_date,
            number=record.number,
            customer=record.customer_name,
        )

    def _beside(self, row: Payload, day: date) -> OpenItem | None:
        """Money on account, or a receivable that was entered for a manual voucher."""
        dated = day_of(row, "InvoiceDate")
        left = amount_of(row, "RemainingAmountInvoiceCurrency") * (
            amount_of(row, "CurrencyRate") or Decimal(1)
        )
        if dated is None or dated > day or not left:
            return None
        return OpenItem(
            ref=f"item:{text_of(row, 'Id')}",
            open=round_money(left, self.names.currency),
            currency=self.names.currency,
            kind=ItemKind.ON_ACCOUNT if left < 0 else ItemKind.INVOICE,
            due_on=day_of(row, "DueDate") or dated,
            number=text_of(row, "InvoiceNumber"),
        )

    def _kept(self, entry: Voucher) -> Decimal:
        """What of a payment is kept on the customer's account, as the receivables show it."""
        return sum(
            (
                amount_of(row, "TotalAmountInvoiceCurrency")
                * (amount_of(row, "CurrencyRate") or Decimal(1))
                for row in self.beside
                if text_of(row, "VoucherId") == entry.id
            ),
            ZERO,
        )

    def postings(self, entry: Voucher) -> list[Posting]:
        """A voucher by what it means; those that no document stands behind are not among them."""
        moved = entry.on(self.chart.receivables)
        if entry.source not in self.rows:
            return [self._posting("invoice", moved, entry)] if self._covered(entry) else []
        record = self.records[entry.source]
        if not self.settles(entry):
            kind = "credit_note" if record.kind is DocumentKind.CREDIT_NOTE else "invoice"
            return [self._posting(kind if record.sale else "fee", moved, entry)]
        parts = {kind: -entry.on((start,)) for start, kind in self.chart.costs.items()}
        parts["on_account"] = self._kept(entry)
        parts["money"] = moved - sum(parts.values(), ZERO)
        if entry.undoes_sale(self.chart):
            return [self._posting("credit_note", moved, entry)]
        if not entry.on(self.chart.bank):
            # No money came: a set-off at another rate leaves an exchange difference.
            parts["exchange"] = parts.pop("money")
        return [self._posting(kind, amount, entry) for kind, amount in parts.items() if amount]

    def _covered(self, entry: Voucher) -> bool:
        return any(text_of(row, "VoucherId") == entry.id for row in self.beside)

    def _posting(self, kind: str, amount: Decimal, entry: Voucher) -> Posting:
        record = self.records.get(entry.source)
        return Posting(
            kind=kind,
            amount=amount,
            day=entry.day,
            number=entry.number,
            document=record.ref if record else None,
        )
