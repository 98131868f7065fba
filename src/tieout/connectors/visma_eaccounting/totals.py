"""What the vendor will show as totals of a draft: VAT rounded both ways, as none is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tieout.core.abilities import TotalsRule
from tieout.core.change import Predicted
from tieout.core.model import Totals
from tieout.core.money import ZERO, line_net, round_to


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRow:
    """A row as it is sent: with VAT inside its price where the document's prices have it."""

    quantity: Decimal
    unit_price: Decimal
    discount: Decimal
    rate: Decimal

    @property
    def amount(self) -> Decimal:
        """Quantity × price less discount, two decimals."""
        return line_net(self.quantity, self.unit_price, self.discount)


def predict(
    rows: Sequence[PricedRow],
    *,
    currency: str,
    rounds: bool,
    includes_vat: bool = False,
    rule: TotalsRule = TotalsRule.UNKNOWN,
) -> Predicted:
    """
    The totals of a draft. ``rounds``: the payable is rounded to whole units (a company's own
    currency, where it is set so). ``other`` is there only where the two ways differ.

    Three rows of 33.33 at 25 %: VAT 25.00 per rate, 24.99 per row.
    """
    per_rate = _totals(rows, currency, rounds, includes_vat, by_row=False)
    per_row = _totals(rows, currency, rounds, includes_vat, by_row=True)
    if rule is TotalsRule.PER_LINE:
        return Predicted(totals=per_row)
    if rule is TotalsRule.PER_RATE:
        return Predicted(totals=per_rate)
    return Predicted(totals=per_rate, other=per_row if per_row != per_rate else None)


def _totals(
    rows: Sequence[PricedRow], currency: str, rounds: bool, includes_vat: bool, *, by_row: bool
) -> Totals:
    total_rows = sum((row.amount for row in rows), ZERO)
    vat = _vat(rows, includes_vat, by_row=by_row)
    net = total_rows - vat if includes_vat else total_rows
    total = net + vat
    gross = round_to(total, 0) if rounds else total
    two = Decimal("0.01")
    return Totals(
        currency=currency,
        net=net.quantize(two),
        tax=vat.quantize(two),
        gross=gross.quantize(two),
        rounding=(gross - total).quantize(two),
    )


def _vat(rows: Sequence[PricedRow], includes_vat: bool, *, by_row: bool) -> Decimal:
    parts: list[tuple[Decimal, Decimal]] = []
    if by_row:
        parts = [(row.amount, row.rate) for row in rows]
    else:
        sums: dict[Decimal, Decimal] = {}
        for row in rows:
            sums[row.rate] = sums.get(row.rate, ZERO) + row.amount
        parts = [(amount, rate) for rate, amount in sums.items()]
    found = ZERO
    for amount, rate in parts:
        share = amount * rate / (1 + rate) if includes_vat else amount * rate
        found += round_to(share, 2)
    return found
