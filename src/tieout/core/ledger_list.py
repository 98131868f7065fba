"""
The ledger's own list of booked documents, and our list that it is held against.

The two are read independently and compared row by row, so that a document too many never
makes up for one too few.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.core.chain import ZERO, DocumentEvidence, StepFigures, counted_documents
from tieout.core.model import DocumentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The days of a tie-out, both included."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"the period ends before it starts: {self.start} to {self.end}")

    @classmethod
    def month(cls, year: int, month: int) -> Period:
        """The whole calendar month."""
        following = date(year + month // 12, month % 12 + 1, 1)
        return cls(start=date(year, month, 1), end=date.fromordinal(following.toordinal() - 1))

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """
    A booked document of the ledger's own list, in base currency.

    Amounts of a credit note may come with either sign; their size counts, against sales.
    """

    ref: str
    number: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    day: date
    rounding: Decimal = ZERO
    series: str = ""
    kind: DocumentKind = DocumentKind.INVOICE
    customer: str = ""

    @property
    def sign(self) -> int:
        """-1 for a credit note that is listed by its size, else 1."""
        listed_by_size = self.net > 0 or (self.net == 0 and self.gross > 0)
        return -1 if self.kind is DocumentKind.CREDIT_NOTE and listed_by_size else 1

    @property
    def adds_up(self) -> bool:
        return self.net + self.tax + self.rounding == self.gross


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDifference:
    """A document on which our list and the ledger's own disagree; an absent one counts zero."""

    ref: str
    number: str
    kind: DocumentKind
    customer: str
    ours: Decimal | None
    ledger: Decimal | None

    @property
    def amount(self) -> Decimal:
        """Ours minus the ledger's: its share of the gap."""
        return (self.ours or ZERO) - (self.ledger or ZERO)

    @property
    def text(self) -> str:
        """What disagrees, as the end of a sentence about the document."""
        if self.ours is None:
            return "is in the ledger's list, not in ours"
        if self.ledger is None:
            return "is in our list, not in the ledger's"
        return f"is {self.ledger:,.2f} in the ledger's list, {self.ours:,.2f} in ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetToGross:
    """The ledger's list added up: net + tax + rounding (+ what does not add up) = gross."""

    net: Decimal
    tax: Decimal
    rounding: Decimal
    gross: Decimal
    unbalanced: tuple[str, ...] = ()

    @property
    def rest(self) -> Decimal:
        """What the ledger's own rows leave open; zero when each of them adds up."""
        return self.gross - self.net - self.tax - self.rounding


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document of ours in the period, signed and in base currency."""

    document: DocumentEvidence
    amount: Decimal
    closed: date | None  # close date of its deal; None without a deal


class OurList:
    """Our own list of the period's booked documents, by ref."""

    def __init__(
        self,
        steps: list[StepFigures],
        loose: list[DocumentEvidence],
        period: Period,
        base_currency: str,
    ) -> None:
        self.period = period
        self.by_ref: dict[str, list[KnownDocument]] = defaultdict(list)
        for step in steps:
            for document in counted_documents(step):
                if document.day is not None and document.day in period:
                    rate = step.rate if document.currency == step.currency else Decimal(1)
                    amount = document.base(rate, base_currency)
                    self._take(KnownDocument(document, amount, step.close_date))
        for document in loose:
            self._take(KnownDocument(document, document.base(Decimal(1), base_currency), None))

    def _take(self, known: KnownDocument) -> None:
        self.by_ref[known.document.ref].append(known)

    @property
    def everything(self) -> list[KnownDocument]:
        return [known for group in self.by_ref.values() for known in group]

    @property
    def total(self) -> Decimal:
        return sum((k.amount for k in self.everything), ZERO)

    def timing(self) -> dict[tuple[date, bool], Decimal]:
        """Documents of the period for deals of other months, by (month, is a credit note)."""
        found: dict[tuple[date, bool], Decimal] = defaultdict(lambda: ZERO)
        for known in self.everything:
            if known.closed is not None and known.closed not in self.period:
                month = known.closed.replace(day=1)
                found[(month, known.document.is_credit)] += known.amount
        return dict(found)


def compare(ours: OurList, ledger: list[LedgerRow] | None) -> tuple[LedgerDifference, ...]:
    """What the two lists disagree on, largest first; nothing where the ledger was not read."""
    if ledger is None:
        return ()
    theirs = {row.ref: row for row in ledger}
    found = []
    for ref in {*ours.by_ref, *theirs}:
        known, row = ours.by_ref.get(ref), theirs.get(ref)
        mine = sum((k.amount for k in known), ZERO) if known else None
        booked = row.sign * row.net if row else None
        if (mine or ZERO) == (booked or ZERO):
            continue
        number, kind, customer = _name(known, row)
        found.append(
            LedgerDifference(
                ref=ref, number=number, kind=kind, customer=customer, ours=mine, ledger=booked
            )
        )
    return tuple(sorted(found, key=lambda d: (-abs(d.amount), natural(d.number), d.ref)))


def _name(
    known: list[KnownDocument] | None, row: LedgerRow | None
) -> tuple[str, DocumentKind, str]:
    if row is not None:
        return row.number, row.kind, row.customer
    assert known  # one of the two lists has it
    document = known[0].document
    return document.number, document.kind, document.customer


def net_to_gross(ledger: Iterable[LedgerRow]) -> NetToGross:
    """The list added up, with the numbers of the rows that do not add up in themselves."""
    rows = list(ledger)
    return NetToGross(
        net=sum((r.sign * r.net for r in rows), ZERO),
        tax=sum((r.sign * r.tax for r in rows), ZERO),
        rounding=sum((r.sign * r.rounding for r in rows), ZERO),
        gross=sum((r.sign * r.gross for r in rows), ZERO),
        unbalanced=tuple(sorted((r.number for r in rows if not r.adds_up), key=natural)),
    )


def number_holes(ledger: Iterable[LedgerRow]) -> tuple[tuple[str, int, int], ...]:
    """The gaps in each series' running numbers as (series, first missing, last missing)."""
    by_series: dict[str, set[int]] = defaultdict(set)
    for row in ledger:
        if row.number.isascii() and row.number.isdigit():
            by_series[row.series].add(int(row.number))
    holes = []
    for series, numbers in sorted(by_series.items()):
        ordered = sorted(numbers)
        for before, after in itertools.pairwise(ordered):
            if after > before + 1:
                holes.append((series, before + 1, after - 1))
    return tuple(holes)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key by which D-9 comes before D-10."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in pieces)
