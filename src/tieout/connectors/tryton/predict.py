"""
The totals that Tryton will show: half to even, VAT from unrounded amounts, by groups of lines.

A group is the lines with the same set of taxes and the same sign. The company says whether VAT is
rounded once for a group or on each line; what that leaves over is given back cent by cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import cycle

from tieout.core.change import Predicted
from tieout.core.model import Totals

ZERO = Decimal(0)
# Wide enough that quantity × price × rate is exact, so that it is rounded once.
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


class EndlessError(ArithmeticError):
    """
    Tryton would reckon for ever: it gives back a cent to taxes that are not zero, and all are.

    Seen on 8.0.12 with 0.02 under two taxes of 25 %: the call never ends, nor does its thread.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """
    A tax of the company. ``rate`` is a fraction; ``amount`` a fixed sum for each unit.
    ``order`` is the place among others; ``known`` False: it is made up of others, or changes the
    base, so that no figure is predicted with it.
    """

    id: int
    rate: Decimal | None = None
    amount: Decimal | None = None
    start: date | None = None
    end: date | None = None
    order: tuple[int, int] = (0, 0)
    accounts: tuple[int | None, int | None] = (None, None)
    known: bool = True

    def on(self, day: date) -> bool:
        """Whether it counts on that day; outside its dates it counts as nothing, silently."""
        return (self.start or date.min) <= day <= (self.end or date.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A line as its figures see it."""

    quantity: Decimal
    unit_price: Decimal
    taxes: tuple[int, ...] = ()
    tax_day: date | None = None


@dataclass(slots=True)
class _Row:
    """What one tax comes to: the rounded bases and the amount of its lines."""

    base: Decimal
    amount: Decimal


_Key = tuple[int, int | None, bool]


def half_even(amount: Decimal, step: Decimal) -> Decimal:
    """The amount in whole steps of the currency, half to even: 0.125 → 0.12."""
    units = (amount / step).quantize(Decimal(1), rounding=ROUND_HALF_EVEN, context=_EXACT)
    return (units * step).quantize(step)


def line_amount(quantity: Decimal, unit_price: Decimal, step: Decimal) -> Decimal:
    """What a line is worth: the product, rounded once."""
    return half_even(_EXACT.multiply(quantity, unit_price), step)


def predict(
    lines: Sequence[Priced],
    taxes: Mapping[int, Tax],
    *,
    currency: str,
    step: Decimal,
    by_line: bool,
    day: date,
) -> Predicted | None:
    """
    The totals of a document; None where a tax is not known or its reckoning is another one.

    ``step`` is the currency's smallest amount, ``day`` the tax date of lines that have none.
    Raises `EndlessError` for what must not be sent.
    """
    if any(
        number not in taxes or not taxes[number].known for line in lines for number in line.taxes
    ):
        return None
    net = sum((line_amount(line.quantity, line.unit_price, step) for line in lines), ZERO)
    tax = sum(
        (
            row.amount
            for group in _groups(lines)
            for row in _taxed(group, taxes, step, by_line, day)
        ),
        ZERO,
    )
    return Predicted(
        totals=Totals(
            currency=currency,
            net=net.quantize(step),
            tax=tax.quantize(step),
            gross=(net + tax).quantize(step),
            rounding=ZERO,
        )
    )


def _groups(lines: Iterable[Priced]) -> list[list[Priced]]:
    found: dict[tuple[tuple[int, ...], bool], list[Priced]] = {}
    for line in lines:
        positive = line.quantity * line.unit_price >= 0
        found.setdefault((line.taxes, positive), []).append(line)
    return list(found.values())


def _taxed(
    group: Sequence[Priced], taxes: Mapping[int, Tax], step: Decimal, by_line: bool, day: date
) -> list[_Row]:
    rows: dict[_Key, _Row] = {}
    for line in group:
        of_line = _of_line(line, taxes, step, line.tax_day or day)
        if by_line:
            _rounded(of_line.values(), step)
        for key, row in of_line.items():
            if key in rows:
                rows[key].base += row.base
                rows[key].amount += row.amount
            else:
                rows[key] = row
    if not by_line:
        _rounded(rows.values(), step)
    return list(rows.values())


def _of_line(line: Priced, taxes: Mapping[int, Tax], step: Decimal, day: date) -> dict[_Key, _Row]:
    base = _EXACT.multiply(line.quantity, line.unit_price)
    found: dict[_Key, _Row] = {}
    for tax in sorted((taxes[number] for number in line.taxes), key=lambda t: (*t.order, t.id)):
        if not tax.on(day):
            continue
        if tax.rate is not None:
            amount = _EXACT.multiply(base, tax.rate)
        else:
            amount = _EXACT.multiply(tax.amount or ZERO, line.quantity)
        rounded = half_even(base, step)
        found[tax.id, tax.accounts[rounded < 0], rounded >= 0] = _Row(rounded, amount)
    return found


def _rounded(rows: Iterable[_Row], step: Decimal) -> None:
    """Rounds each row, and gives back in single steps what all of it together was off by."""
    listed = list(rows)
    over = ZERO
    for row in listed:
        exact, row.amount = row.amount, half_even(row.amount, step)
        over += row.amount - exact
    units = (over / step).quantize(Decimal(1), rounding=ROUND_HALF_EVEN, context=_EXACT)
    left = abs(int(units))
    back = step if units > 0 else -step
    for row in cycle(listed):
        if not left:
            return
        if not any(entry.amount for entry in listed):
            raise EndlessError("all taxes of a group round to nothing, and together to a cent")
        if row.amount:
            row.amount -= back
            left -= 1
