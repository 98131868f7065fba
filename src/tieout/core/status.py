"""The status of a document, derived from its amounts by kind; it may go backwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal("0.00")

# The greatest rest that a book writes off as a small difference ("below 1 krona", 0.05 EUR).
SMALL_DIFFERENCE = {
    "SEK": Decimal("0.99"),
    "NOK": Decimal("0.99"),
    "DKK": Decimal("0.99"),
    "EUR": Decimal("0.05"),
}


class Status(StrEnum):
    """
    The status words, in the order in which they are asked.

    `settled` is for books that show only the open amount: closed, by what is unknown.
    """

    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    CANCELLED = "cancelled"
    CREDITED = "credited"
    WRITTEN_OFF = "written_off"
    PAID = "paid"
    SETTLED = "settled"
    PARTLY_PAID = "partly_paid"
    BOOKED = "booked"


class Flag(StrEnum):
    """What may be true beside the status, several at once."""

    OVERDUE = "overdue"
    CREDITED_IN_PART = "credited_in_part"
    REFUND_DUE = "refund_due"
    DISPUTED = "disputed"
    FACTORED = "factored"
    KIND_UNKNOWN = "kind_unknown"


class Stage(StrEnum):
    """How far the document has come in the books."""

    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    BOOKED = "booked"


class SettlementKind(StrEnum):
    """What took an amount off an invoice. A bank fee is a cost of ours: the buyer paid it."""

    MONEY = "money"
    FEE = "fee"
    CREDIT = "credit"
    DISCOUNT = "discount"
    WRITE_OFF = "write_off"
    SMALL_DIFFERENCE = "small_difference"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An amount taken off an invoice; negative for a payment that was returned or refunded."""

    kind: SettlementKind
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentStanding:
    """
    A document's status with the amounts it rests on: total − settled = open, all gross.

    `on_account` is money beyond the total, which belongs to the customer; `credit_rest` is
    what is left on credit notes that were larger than the open amount.
    """

    status: Status
    flags: frozenset[Flag]
    total: Decimal
    open: Decimal
    paid: Decimal
    credited: Decimal
    discount: Decimal
    written_off: Decimal
    small_difference: Decimal
    unknown: Decimal
    on_account: Decimal
    credit_rest: Decimal

    @property
    def settled(self) -> Decimal:
        return self.total - self.open


def status_from_amounts(
    *,
    total: Decimal,
    settlements: Iterable[Settlement] = (),
    stage: Stage = Stage.BOOKED,
    voided: bool = False,
    open_amount: Decimal | None = None,
    last_day: date | None = None,
    today: date | None = None,
    tolerance: Decimal = ZERO,
    disputed: bool = False,
    factored: bool = False,
) -> DocumentStanding:
    """
    The status, flags and amounts of an invoice (gross, one currency).

    `open_amount` is what the books show as open: what they took off beyond the settlements is a
    small difference within the tolerance, else of unknown kind, never money. `last_day` is the
    last day on which paying is not late (a holiday already moved), `today` the day in the
    book's time zone. `voided` means voided before any effect.
    """
    amounts = dict.fromkeys(SettlementKind, ZERO)
    for settlement in settlements:
        amounts[settlement.kind] += settlement.amount
    standing = _amounts(total, amounts, open_amount, tolerance)
    status = _status(standing, stage, voided, tolerance)
    flags = set(_flags(standing, status, tolerance, last_day, today))
    flags |= {Flag.DISPUTED} if disputed else set()
    flags |= {Flag.FACTORED} if factored else set()
    return DocumentStanding(
        status=status,
        flags=frozenset(flags),
        total=total,
        open=standing.open,
        paid=standing.paid,
        credited=standing.credited,
        discount=amounts[SettlementKind.DISCOUNT],
        written_off=amounts[SettlementKind.WRITE_OFF],
        small_difference=standing.small_difference,
        unknown=standing.unknown,
        on_account=standing.on_account,
        credit_rest=standing.credit_rest,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amounts:
    total: Decimal
    open: Decimal
    paid: Decimal
    credited: Decimal
    written_off: Decimal
    small_difference: Decimal
    unknown: Decimal
    on_account: Decimal
    credit_rest: Decimal


def _amounts(
    total: Decimal,
    amounts: dict[SettlementKind, Decimal],
    open_amount: Decimal | None,
    tolerance: Decimal,
) -> _Amounts:
    paid = amounts[SettlementKind.MONEY] + amounts[SettlementKind.FEE]
    credited = amounts[SettlementKind.CREDIT]
    rest = total - sum(amounts.values(), ZERO)
    on_account = credit_rest = ZERO
    if rest < 0:
        # More came than was asked: a credit that is too large stays on its note, money on account.
        credit_rest = max(min(-rest, credited), ZERO)
        on_account = max(min(-rest - credit_rest, paid), ZERO)
        credited -= credit_rest
        paid -= on_account
        rest += credit_rest + on_account
    small, unknown = amounts[SettlementKind.SMALL_DIFFERENCE], amounts[SettlementKind.UNKNOWN]
    if open_amount is not None and open_amount != rest:
        taken = rest - open_amount
        if abs(taken) <= tolerance and open_amount == 0:
            small += taken
        else:
            unknown += taken
        rest = open_amount
    return _Amounts(
        total=total,
        open=rest,
        paid=paid,
        credited=credited,
        written_off=amounts[SettlementKind.WRITE_OFF],
        small_difference=small,
        unknown=unknown,
        on_account=on_account,
        credit_rest=credit_rest,
    )


def _status(a: _Amounts, stage: Stage, voided: bool, tolerance: Decimal) -> Status:
    if voided:
        return Status.CANCELLED
    if stage is Stage.DRAFT:
        return Status.DRAFT
    if stage is Stage.AWAITING_APPROVAL:
        return Status.AWAITING_APPROVAL
    if a.open == 0:
        return _closed(a, tolerance)
    return Status.PARTLY_PAID if a.paid > 0 else Status.BOOKED


def _closed(a: _Amounts, tolerance: Decimal) -> Status:
    others = a.paid or a.unknown or abs(a.written_off) > tolerance
    if a.credited > 0 and not others and abs(a.total - a.credited) <= tolerance:
        return Status.CREDITED
    if abs(a.written_off) > tolerance:
        return Status.WRITTEN_OFF
    if abs(a.unknown) > tolerance:
        return Status.SETTLED
    return Status.PAID


def _flags(
    a: _Amounts,
    status: Status,
    tolerance: Decimal,
    last_day: date | None,
    today: date | None,
) -> Iterable[Flag]:
    live = status not in (Status.DRAFT, Status.AWAITING_APPROVAL, Status.CANCELLED)
    late = last_day is not None and today is not None and today > last_day
    if live and late and a.open > tolerance:
        yield Flag.OVERDUE
    if a.credited > 0 and status is not Status.CREDITED:
        yield Flag.CREDITED_IN_PART
    if a.credit_rest > 0:
        yield Flag.REFUND_DUE
    if a.unknown:
        yield Flag.KIND_UNKNOWN
