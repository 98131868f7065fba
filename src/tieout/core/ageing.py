"""Ageing of open items and the days that customers take to pay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from tieout.core.money import round_to

ZERO = Decimal("0.00")


class ItemKind(StrEnum):
    """What an open item is; only invoices are put into buckets by age."""

    INVOICE = "invoice"
    FEE = "fee"
    CREDIT_NOTE = "credit_note"
    ON_ACCOUNT = "on_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """An open amount of the books, gross; credits and money on account are negative."""

    ref: str
    open: Decimal
    currency: str
    kind: ItemKind = ItemKind.INVOICE
    due_on: date | None = None  # the original due date, not the one moved by a holiday
    number: str = ""
    customer: str = ""

    def __post_init__(self) -> None:
        if self.kind is ItemKind.INVOICE and self.due_on is None:
            raise ValueError(f"an open invoice needs its due date: {self.ref}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """Open items by days after the original due date; credits stand in their own columns."""

    day: date
    currency: str
    not_due: Decimal = ZERO
    days_1_30: Decimal = ZERO
    days_31_60: Decimal = ZERO
    days_61_90: Decimal = ZERO
    over_90: Decimal = ZERO
    fees: Decimal = ZERO
    credits: Decimal = ZERO
    on_account: Decimal = ZERO

    @property
    def buckets(self) -> tuple[tuple[str, Decimal], ...]:
        """The five buckets by code, youngest first."""
        return (
            ("not_due", self.not_due),
            ("days_1_30", self.days_1_30),
            ("days_31_60", self.days_31_60),
            ("days_61_90", self.days_61_90),
            ("over_90", self.over_90),
        )

    @property
    def beside(self) -> tuple[tuple[str, Decimal], ...]:
        """What is open and has no age: fees, credits not applied, money on account."""
        return (("fees", self.fees), ("credits", self.credits), ("on_account", self.on_account))

    @property
    def total(self) -> Decimal:
        return sum((amount for _, amount in (*self.buckets, *self.beside)), ZERO)


_BESIDE = {
    ItemKind.FEE: "fees",
    ItemKind.CREDIT_NOTE: "credits",
    ItemKind.ON_ACCOUNT: "on_account",
}


def ageing(items: Iterable[OpenItem], day: date, currency: str) -> Ageing:
    """
    The open items as of the day. Raises ValueError for an item in another currency: balances
    of two currencies are never added up.
    """
    sums: dict[str, Decimal] = {}
    for item in items:
        if item.currency != currency:
            raise ValueError(f"{item.ref} is in {item.currency}, the ageing in {currency}")
        column = _BESIDE.get(item.kind) or _bucket(item, day)
        sums[column] = sums.get(column, ZERO) + item.open
    return Ageing(day=day, currency=currency, **sums)


def _bucket(item: OpenItem, day: date) -> str:
    assert item.due_on is not None  # an invoice has its due date
    late = (day - item.due_on).days
    if late <= 0:
        return "not_due"
    if late <= 30:
        return "days_1_30"
    if late <= 60:
        return "days_31_60"
    return "days_61_90" if late <= 90 else "over_90"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyReceived:
    """Money on an invoice: how much, when, and the day it is counted from."""

    amount: Decimal
    counted_from: date
    paid_on: date

    @property
    def days(self) -> int:
        return (self.paid_on - self.counted_from).days


def weighted_days(received: Iterable[MoneyReceived], places: int = 1) -> Decimal | None:
    """
    Days to pay, weighted by amount; None where no money came.

    Counted from the invoice date these are days to pay; from the due date, days late (early is
    negative). Give money only: a credit or a write-off is no payment.
    """
    rows = list(received)
    amount = sum((r.amount for r in rows), ZERO)
    if amount == 0:
        return None
    return round_to(sum((r.amount * r.days for r in rows), ZERO) / amount, places)


def mean_days(received: Iterable[MoneyReceived], places: int = 1) -> Decimal | None:
    """The plain mean over payments, for comparison; None where there are none."""
    rows = list(received)
    if not rows:
        return None
    return round_to(Decimal(sum(r.days for r in rows)) / len(rows), places)
