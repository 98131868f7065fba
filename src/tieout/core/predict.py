"""What the target will show for a document: net, VAT and rounding by the target's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tieout.core.abilities import TotalsRule
from tieout.core.change import Predicted
from tieout.core.model import Line, LineKind, Totals
from tieout.core.money import ZERO, line_net, minor_units, round_money, round_to


def net_of(line: Line, currency: str) -> Decimal:
    """A line's net as a target computes it: rounded once, text lines nothing."""
    if line.kind is LineKind.TEXT:
        return ZERO
    return line_net(line.quantity, line.unit_price, line.discount, minor_units(currency))


def predict(
    lines: Sequence[Line],
    currency: str,
    *,
    rule: TotalsRule,
    rounds_to_unit: bool,
    includes_tax: bool = False,
) -> Predicted:
    """
    The totals for lines whose ``tax_rate`` is set (None counts as no VAT).

    ``rounds_to_unit``: the amount to pay is rounded to whole units (öresavrundning), which touches
    neither net nor VAT. With an unknown rule both figures are computed and the second one is given
    only where they differ.
    """
    if rule is TotalsRule.PER_LINE:
        return Predicted(totals=_totals(lines, currency, False, rounds_to_unit, includes_tax))
    per_rate = _totals(lines, currency, True, rounds_to_unit, includes_tax)
    if rule is TotalsRule.PER_RATE:
        return Predicted(totals=per_rate)
    per_line = _totals(lines, currency, False, rounds_to_unit, includes_tax)
    return Predicted(totals=per_rate, other=None if per_line == per_rate else per_line)


def _totals(
    lines: Sequence[Line], currency: str, per_rate: bool, rounds_to_unit: bool, includes_tax: bool
) -> Totals:
    groups: dict[Decimal, list[Decimal]] = {}
    for line in lines:
        if line.kind is not LineKind.TEXT:
            groups.setdefault(line.tax_rate or ZERO, []).append(net_of(line, currency))
    given = sum((amount for amounts in groups.values() for amount in amounts), ZERO)
    tax = ZERO
    for rate, amounts in groups.items():
        bases = [sum(amounts, ZERO)] if per_rate else amounts
        tax += sum((_tax(base, rate, currency, includes_tax) for base in bases), ZERO)
    net = given - tax if includes_tax else given
    exact = net + tax
    payable = round_to(exact, 0) if rounds_to_unit else exact
    return Totals(
        currency=currency,
        net=round_money(net, currency),
        tax=round_money(tax, currency),
        gross=round_money(payable, currency),
        rounding=round_money(payable - exact, currency),
    )


def _tax(base: Decimal, rate: Decimal, currency: str, includes_tax: bool) -> Decimal:
    share = base * rate / (1 + rate) if includes_tax else base * rate
    return round_money(share, currency)


def fits(predicted: Predicted, shown: Totals) -> bool:
    """Whether what the target shows is one of the figures that were predicted."""
    return any(
        (known.net, known.tax, known.gross) == (shown.net, shown.tax, shown.gross)
        for known in (predicted.totals, predicted.other)
        if known is not None
    )
