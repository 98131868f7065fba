"""Receivables from the opening balance to the control account, and revenue that is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.core.money import distribute, round_money

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Movements:
    """
    What moved the receivables in a period, gross and in base currency, each by its size.

    A rebooked amount may be negative. `fees` are reminder fees and interest, which raise what
    is owed; everything after them lowers it.
    """

    invoices: Decimal = ZERO
    credit_notes: Decimal = ZERO
    payments: Decimal = ZERO
    on_account: Decimal = ZERO
    small_differences: Decimal = ZERO
    discounts: Decimal = ZERO
    bad_debt: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def lines(self) -> tuple[tuple[str, Decimal], ...]:
        """The movements by code with their sign, in the order in which they are shown."""
        return (
            ("invoices", self.invoices),
            ("credit_notes", -self.credit_notes),
            ("payments", -self.payments),
            ("on_account", -self.on_account),
            ("small_differences", -self.small_differences),
            ("discounts", -self.discounts),
            ("bad_debt", -self.bad_debt),
            ("fees", self.fees),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """A voucher on the control account that no open item stands behind."""

    number: str
    amount: Decimal
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """Money at the bank beside what was allocated: exchange differences and fees."""

    received: Decimal
    exchange_gain: Decimal = ZERO
    fees: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivables:
    """
    The roll-forward: opening + movements = open items; open items + vouchers = control account.

    `open_items` and `control` come from the books, read each for itself; what they differ by
    without a name is unexplained.
    """

    day: date
    currency: str
    opening: Decimal
    opening_day: date
    movements: Movements
    open_items: Decimal
    control_account: str = ""
    control: Decimal | None = None
    vouchers: tuple[Voucher, ...] = ()
    bank: Bank | None = None

    @property
    def rolled_forward(self) -> Decimal:
        return self.opening + sum((amount for _, amount in self.movements.lines), ZERO)

    @property
    def items_difference(self) -> Decimal:
        """The list of open items minus the roll-forward; zero when they agree."""
        return self.open_items - self.rolled_forward

    @property
    def control_difference(self) -> Decimal:
        """The control account minus the open items, before any voucher is named."""
        return ZERO if self.control is None else self.control - self.open_items

    @property
    def unexplained(self) -> Decimal:
        """The size of what no movement and no voucher explains."""
        return abs(self.items_difference) + abs(self.control_rest) + abs(self.bank_rest)

    @property
    def control_rest(self) -> Decimal:
        """What is left of the control account's difference after the named vouchers."""
        if self.control is None:
            return ZERO
        return self.control_difference - sum((v.amount for v in self.vouchers), ZERO)

    @property
    def bank_rest(self) -> Decimal:
        """Bank − (allocated + on account + exchange gain − fees); zero without a bank figure."""
        if self.bank is None:
            return ZERO
        moved = self.movements.payments + self.movements.on_account
        return self.bank.received - (moved + self.bank.exchange_gain - self.bank.fees)

    @property
    def agrees(self) -> bool:
        return self.unexplained == 0


def apply_credit(open_amount: Decimal, credit: Decimal) -> tuple[Decimal, Decimal]:
    """How a credit of that size meets an open invoice: (applied, rest left on the note)."""
    applied = max(min(open_amount, credit), ZERO)
    return applied, credit - applied


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidRevenue:
    """The share of an invoice's net that money has paid for: so far, and what is new of it."""

    so_far: Decimal
    new: Decimal


def paid_revenue(
    *,
    net: Decimal,
    payable: Decimal,
    paid: Decimal,
    already_counted: Decimal = ZERO,
    tolerance: Decimal = ZERO,
    currency: str = "SEK",
) -> PaidRevenue:
    """
    q(net × paid so far ÷ payable) less what was counted before, so the last payment is exact.

    `paid` is money only, gross, of the `payable` gross that credits have left. A rest within
    the tolerance counts as paid. Raises ValueError for a payable amount of zero or less.
    """
    if payable <= 0:
        raise ValueError(f"payable must be above zero, is {payable}")
    whole = payable - paid <= tolerance
    so_far = net if whole else round_money(net * paid / payable, currency)
    return PaidRevenue(so_far=so_far, new=so_far - already_counted)


def over_lines(so_far: Decimal, lines: Sequence[Decimal], places: int = 2) -> tuple[Decimal, ...]:
    """The paid net over the lines' nets by largest remainder; ties to the earlier line."""
    return distribute(so_far, lines, places)


def lower_named_lines(
    lines: Sequence[Decimal], credit: Decimal, named: Sequence[int]
) -> tuple[Decimal, ...]:
    """
    The lines' nets after a credit note: first the lines that it names, in order, to zero; the
    rest over the others by their size. Raises ValueError for more credit than there is.
    """
    if credit > sum(lines, ZERO):
        raise ValueError(f"a credit of {credit} is more than the lines hold")
    left, result = credit, list(lines)
    for place in named:
        taken, left = apply_credit(result[place], left)
        result[place] -= taken
    if left:
        shares = distribute(left, result)
        result = [net - share for net, share in zip(result, shares, strict=True)]
    return tuple(result)
