"""
The customer ledger's own figures: its list of released documents, its balance, the receivables.

Each is asked for by a filter of its own, and not taken from the change feed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from tieout.connectors.visma_net import documents, settling
from tieout.connectors.visma_net.api import (
    CREDIT_NOTES,
    DEBIT_NOTES,
    INVOICES,
    PAYMENTS,
    PERIODS,
    Query,
    Row,
    VismaNetApi,
)
from tieout.connectors.visma_net.documents import Pair
from tieout.connectors.visma_net.names import Names, document_ref, read_periods
from tieout.connectors.visma_net.reading import Reader
from tieout.connectors.visma_net.values import (
    Payload,
    amount_of,
    day_of,
    number_of,
    rows_of,
    text_of,
)
from tieout.core.ageing import ItemKind, OpenItem
from tieout.core.model import Document
from tieout.core.money import ZERO, round_to
from tieout.ports import Control, Posting, Subledger

CUSTOMER_BALANCES = "/v2/customer/balance"
_Key = tuple[str, str]
_LISTS = (INVOICES, CREDIT_NOTES, DEBIT_NOTES)
_POSTED = {"CreditNote": "credit_note", "FinCharge": "fee", "SmallCreditWo": "write_off"}


class CustomerLedger:
    """The ledger of one company, as the port asks for it."""

    def __init__(self, api: VismaNetApi, reader: Reader) -> None:
        self._api = api
        self._reader = reader

    async def documents(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """See `ports.Connector.ledger`: released documents by their date, compared here again."""
        for path in _LISTS:
            rows = await self._released(path, first, last)
            rows = [row for row in rows if documents.is_document(row)]
            if rows:
                records = await self._reader.records(rows, path)
                yield [record for record in records if isinstance(record, Document)]

    async def control(self, day: date) -> Control | None:
        """
        See `ports.Connector.control`: what the ledger says that customers owe. It tells that at
        the end of a period only, or now; None for a day between. The general ledger's account is
        not to be read, so that vouchers beside the customer ledger do not show.
        """
        names = await self._api.names()
        periods = read_periods(await self._api.whole(PERIODS))
        period = next((one for one in periods if one.first <= day <= one.last), None)
        today = self._api.now().astimezone(names.zone).date()
        if period is None or (day != period.last and day < today):
            return None
        query: Query = (("fromFinPeriod", period.code), ("toFinPeriod", period.code))
        rows = await self._api.whole(CUSTOMER_BALANCES, query)
        account = ""
        async for sheet in self._api.sheets(INVOICES, (("released", "1"),)):
            account = text_of(sheet.rows[0], "account", "number") if sheet.rows else ""
            break
        return Control(
            account=account or "customer ledger",
            balance=sum((amount_of(row, "yearToDateBalance") for row in rows), ZERO),
            currency=names.currency,
        )

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """See `ports.Connector.subledger`: built from documents, payments and applications."""
        names = await self._api.names()
        claims: list[Row] = []
        for path in _LISTS:
            claims += await self._released(path, None, last)
        money = [
            row
            for row in await self._api.whole(PAYMENTS)
            if text_of(row, "status") in ("Open", "Closed", "Voided")
        ]
        book = _Book(names=names, claims=claims, money=money)
        before = first - timedelta(days=1)
        postings = book.postings(first, last)
        return Subledger(
            currency=names.currency,
            opening=sum((item.open for item in book.items(before)), ZERO),
            postings=tuple(postings),
            items=tuple(book.items(last)),
            bank=book.bank(first, last),
            exchange_gain=sum((p.amount for p in postings if p.kind == "exchange"), ZERO),
        )

    async def _released(self, path: str, first: date | None, last: date) -> list[Row]:
        query: Query = (("released", "1"),)
        if first is not None:
            # Two conditions on one date cannot be asked for: the other end is compared here.
            day = first.isoformat()
            query = (*query, ("documentDate", day), ("documentDateCondition", ">="))
        return [
            row
            for row in await self._api.whole(path, query)
            if documents.is_released(row)
            and (day_of(row, "documentDate") or date.max) <= last
            and (first is None or (day_of(row, "documentDate") or date.min) >= first)
        ]


@dataclass(frozen=True, slots=True)
class _Met:
    """One application between a credit and a claim, in both documents' base currency."""

    day: date
    claim: Payload
    kind: str
    number: str
    amount: Decimal
    discount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Book:
    """All that the receivables of some days are made of, read once."""

    names: Names
    claims: Sequence[Row]
    money: Sequence[Row]

    def met(self, claim: Payload) -> list[_Met]:
        """
        What met a claim, in base currency: at its own rate, all that is left with the last of it,
        as the books do. What was taken back stands there with plus and minus.
        """
        found = []
        rest = _base(claim, "amount", self.names)
        left = _own(claim, "amount", self.names)
        rate = self._rate_of(claim)
        for one in settling.applications(claim, at_all=True):
            if one.day is None:
                continue
            taken = one.amount + one.discount
            left -= taken
            both = rest if not left else self._rounded(taken * rate)
            amount = both if not one.discount else self._rounded(one.amount * rate)
            rest -= both
            found.append(_Met(one.day, claim, one.kind, one.number, amount, both - amount))
        return found

    def _rate_of(self, claim: Payload) -> Decimal:
        """What one unit of a document's currency is in the company's, as it was booked."""
        currency = text_of(claim, "currencyId")
        told = number_of(claim, "exchangeRate")
        if currency in ("", self.names.currency) or not told:
            return Decimal(1)
        divides = self.names.rates.get(currency, (ZERO, ""))[1] == "Divide"
        return 1 / told if divides else told

    def _share(self, row: Payload, amount: Decimal) -> Decimal:
        """An amount of a credit note or a payment in the company's currency; all of it is all."""
        if "documentType" in row:
            own, base = _own(row, "amount", self.names), _base(row, "amount", self.names)
        else:
            base = amount_of(row, "paymentAmount")
            own = number_of(row, "paymentAmountInCurrency") or base
        if not own or own == base:
            return amount
        sign = -1 if amount < 0 else 1
        return sign * base if abs(amount) == own else self._rounded(amount * base / own)

    def _refunded(self, refund: Payload) -> list[tuple[_Key, Decimal, Decimal]]:
        """What a refund took: the credit, and how much of it and of the refund, in base."""
        known = {_key_of(row): row for row in (*self.claims, *self.money)}
        found = []
        for line in rows_of(refund, "paymentLines"):
            of = settling.kind_of(text_of(line, "documentType"))
            key = (of, text_of(line, "refNbr"))
            amount = amount_of(line, "amountPaid")
            credit = known.get(key)
            off = self._share(credit, amount) if credit is not None else amount
            found.append((key, off, self._share(refund, amount)))
        return found

    def _rounded(self, amount: Decimal) -> Decimal:
        return round_to(amount, self.names.places(self.names.currency))

    # --- open items ------------------------------------------------------------------------------

    def items(self, day: date) -> list[OpenItem]:
        """
        What was open at the end of the day: every document from its own day on, less what met it
        by then. What was applied, refunded or taken back later does not count.
        """
        left: dict[_Key, Decimal] = {}
        rows: dict[_Key, Payload] = {}
        for key, row, amount in self._documents(day):
            left[key] = left.get(key, ZERO) + amount
            rows.setdefault(key, row)
        for claim in self.claims:
            for met in self.met(claim) if _is_claim(claim) else ():
                if met.day <= day:
                    _add(left, _key_of(claim), -(met.amount + met.discount))
                    _add(left, (met.kind, met.number), met.amount + self._exchange(met))
        for refund in self.money:
            if text_of(refund, "type") == "Refund" and _by(refund, "applicationDate", day):
                for key, off, back in self._refunded(refund):
                    _add(left, key, off)
                    _add(left, _key_of(refund), -back)
        return [self._item(rows[key], amount, key[0]) for key, amount in left.items() if amount]

    def _documents(self, day: date) -> Iterator[tuple[_Key, Payload, Decimal]]:
        """
        Every document that there was, with what it does to the receivables. A payment that was
        taken back has a second one beside it, under its own number.
        """
        for row in self.claims:
            kind = text_of(row, "documentType")
            if _by(row, "documentDate", day) and (_is_claim(row) or kind == "CreditNote"):
                size = _base(row, "amount", self.names)
                yield _key_of(row), row, -size if kind == "CreditNote" else size
        for row in self.money:
            kind, number = text_of(row, "type"), text_of(row, "refNbr")
            if kind not in settling.MONEY or not _by(row, "applicationDate", day):
                continue
            size = amount_of(row, "paymentAmount")
            if kind == "VoidPayment":
                yield (
                    ("Payment" if self._has("Payment", number) else "Prepayment", number),
                    row,
                    size,
                )
            else:
                yield (kind, number), row, size if kind == "Refund" else -size

    def _has(self, kind: str, number: str) -> bool:
        return any(_key_of(row) == (kind, number) for row in self.money)

    def _exchange(self, met: _Met) -> Decimal:
        """What a payment brought more than the claim was booked with: its own rate is another."""
        payment = next(
            (
                row
                for row in self.money
                if text_of(row, "refNbr") == met.number and text_of(row, "type") == met.kind
            ),
            None,
        )
        if payment is None or text_of(payment, "currency") in ("", self.names.currency):
            return ZERO
        own = number_of(payment, "paymentAmountInCurrency")
        base = number_of(payment, "paymentAmount")
        size, rest = _own(met.claim, "amount", self.names), _base(met.claim, "amount", self.names)
        if not own or base is None or not rest:
            return ZERO
        in_currency = met.amount * size / rest
        return self._rounded(in_currency * base / own) - met.amount

    def _item(self, row: Payload, left: Decimal, of: str) -> OpenItem:
        number = text_of(row, "referenceNumber") or text_of(row, "refNbr")
        kind = {"CreditNote": ItemKind.CREDIT_NOTE, "FinCharge": ItemKind.FEE}.get(
            of, ItemKind.ON_ACCOUNT if of in settling.MONEY else ItemKind.INVOICE
        )
        due = day_of(row, "documentDueDate") or day_of(row, "documentDate")
        return OpenItem(
            ref=f"{text_of(row, 'documentType') or text_of(row, 'type')}:{number}",
            open=left,
            currency=self.names.currency,
            kind=kind,
            due_on=due or day_of(row, "applicationDate"),
            number=number,
            customer=text_of(row, "customer", "name"),
        )

    # --- what moved them -------------------------------------------------------------------------

    def postings(self, first: date, last: date) -> list[Posting]:
        """What moved the receivables in these days."""
        found: list[Posting] = []
        applied: dict[_Key, Decimal] = {}
        for claim in self.claims:
            kind = text_of(claim, "documentType")
            if not _is_claim(claim) and kind != "CreditNote":
                continue
            day = day_of(claim, "documentDate")
            size = _base(claim, "amount", self.names)
            if day is not None and first <= day <= last:
                sign = -1 if kind == "CreditNote" else 1
                found.append(self._posting(_POSTED.get(kind, "invoice"), sign * size, day, claim))
            for met in self.met(claim) if _is_claim(claim) else ():
                if met.day <= last:
                    key = (met.kind, met.number)
                    applied[key] = applied.get(key, ZERO) + met.amount + self._exchange(met)
                if first <= met.day <= last:
                    found += self._of_application(met)
        found += self._of_money(first, last, applied)
        return [posting for posting in found if posting.amount]

    def _of_application(self, met: _Met) -> list[Posting]:
        """Shifts inside the receivables move nothing; what is borne and differences do."""
        found = [self._posting("discount", -met.discount, met.day, met.claim)]
        if met.kind in settling.WRITE_OFFS:
            found.append(self._posting("write_off", -met.amount, met.day, met.claim))
        if met.kind in settling.MONEY:
            found.append(self._posting("exchange", self._exchange(met), met.day, met.claim))
        return found

    def _of_money(self, first: date, last: date, applied: Mapping[_Key, Decimal]) -> list[Posting]:
        found = []
        for row in self.money:
            kind, number = text_of(row, "type"), text_of(row, "refNbr")
            day = day_of(row, "applicationDate")
            if day is None or not first <= day <= last or kind not in settling.MONEY:
                continue
            size = amount_of(row, "paymentAmount")
            back = kind in ("Refund", "VoidPayment")
            # One that came back later is money all the same, that of its return is against it.
            whole = back or text_of(row, "status") == "Voided"
            used = size if whole else max(ZERO, min(applied.get((kind, number), ZERO), size))
            sign = 1 if back else -1
            found.append(self._posting("money", sign * used, day, row))
            if kind == "Refund":
                differ = sum((off - own for _, off, own in self._refunded(row)), ZERO)
                found.append(self._posting("exchange", differ, day, row))
            if not back:
                found.append(self._posting("on_account", -(size - used), day, row))
        return found

    def bank(self, first: date, last: date) -> Decimal:
        """What the payments of these days brought, less what was paid back."""
        total = ZERO
        for row in self.money:
            day = day_of(row, "applicationDate")
            kind = text_of(row, "type")
            if day is not None and first <= day <= last and kind in settling.MONEY:
                sign = -1 if kind in ("Refund", "VoidPayment") else 1
                total += sign * amount_of(row, "paymentAmount")
        return total

    def _posting(self, kind: str, amount: Decimal, day: date, row: Payload) -> Posting:
        of = text_of(row, "documentType")
        number = text_of(row, "referenceNumber") or text_of(row, "refNbr")
        return Posting(
            kind=kind,
            amount=amount,
            day=day,
            number=number,
            document=document_ref(self.names, of, number, booked=True) if of else None,
        )


def _key_of(row: Payload) -> _Key:
    """Type and number: the number alone may name two."""
    kind = text_of(row, "documentType") or text_of(row, "type")
    return kind, text_of(row, "referenceNumber") or text_of(row, "refNbr")


def _is_claim(row: Payload) -> bool:
    """Whether a document is something that a customer owes until it is met."""
    return text_of(row, "documentType") in (*settling.CLAIMS, "SmallCreditWo")


def _add(left: dict[_Key, Decimal], key: _Key, amount: Decimal) -> None:
    """Adds to a document that is there; what is not read has nothing to be added to."""
    if key in left:
        left[key] += amount


def _by(row: Payload, name: str, day: date) -> bool:
    dated = day_of(row, name)
    return dated is not None and dated <= day


def _base(row: Payload, name: str, names: Names) -> Decimal:
    return amount_of(row, f"{name}{Pair.of(row, names).base}")


def _own(row: Payload, name: str, names: Names) -> Decimal:
    return amount_of(row, f"{name}{Pair.of(row, names).document}")
