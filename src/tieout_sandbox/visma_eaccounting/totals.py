"""Amounts of rows and totals of documents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
WHOLE = Decimal(1)


def cents(value: Decimal) -> Decimal:
    """Two decimals, half away from zero."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def row_amount(quantity: Decimal, price: Decimal, discount: Decimal) -> Decimal:
    """Quantity by price less the discount (a fraction)."""
    return cents(quantity * price * (1 - discount))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What counts of a row: its amount as priced, and its VAT rate as a fraction."""

    amount: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Net and VAT of all rows of one rate."""

    rate: Decimal
    net: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A document's figures in its own currency; `payable` is net, VAT and roundings together."""

    net: Decimal
    vat: Decimal
    roundings: Decimal
    payable: Decimal
    shares: tuple[Share, ...]

    def turned(self) -> Totals:
        """The same sizes with every sign turned."""
        return Totals(
            net=-self.net,
            vat=-self.vat,
            roundings=-self.roundings,
            payable=-self.payable,
            shares=tuple(
                Share(rate=share.rate, net=-share.net, vat=-share.vat) for share in self.shares
            ),
        )


def total(lines: Iterable[Line], *, includes_vat: bool, rounds: bool, per_row: bool) -> Totals:
    """The totals of rows. `rounds`: the payable goes to whole units; `per_row`: VAT is rounded on
    each row and not on the sum of each rate."""
    by_rate: dict[Decimal, list[Decimal]] = {}
    for line in lines:
        by_rate.setdefault(line.rate, []).append(line.amount)
    shares = tuple(
        _share(rate, amounts, includes_vat, per_row) for rate, amounts in sorted(by_rate.items())
    )
    net = sum((share.net for share in shares), Decimal("0.00"))
    vat = sum((share.vat for share in shares), Decimal("0.00"))
    payable = net + vat
    if rounds:
        payable = cents(payable.quantize(WHOLE, rounding=ROUND_HALF_UP))
    return Totals(net=net, vat=vat, roundings=payable - net - vat, payable=payable, shares=shares)


def vat_of(amount: Decimal, rate: Decimal, includes_vat: bool) -> Decimal:
    """The VAT on an amount, or in it."""
    return cents(amount * rate / (1 + rate) if includes_vat else amount * rate)


def _share(rate: Decimal, amounts: list[Decimal], includes_vat: bool, per_row: bool) -> Share:
    gross_or_net = sum(amounts, Decimal("0.00"))
    if per_row:
        vat = sum((vat_of(amount, rate, includes_vat) for amount in amounts), Decimal("0.00"))
    else:
        vat = vat_of(gross_or_net, rate, includes_vat)
    return Share(rate=rate, net=gross_or_net - vat if includes_vat else gross_or_net, vat=vat)
