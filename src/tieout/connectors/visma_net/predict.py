"""
The totals that Visma.net will show: lines half away from zero, VAT by the codes of the company.

Whether VAT of a line is rounded before it is summed up nobody has shown, whatever a code says: both
figures are given where they differ, until documents have shown which one the company means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.connectors.visma_net.making import Made
from tieout.connectors.visma_net.names import EXTRACT, RECKONED, Names, Vat
from tieout.connectors.visma_net.values import Payload, amount_of, text_of
from tieout.core.abilities import TotalsRule
from tieout.core.change import Predicted
from tieout.core.model import Line, LineKind, Totals
from tieout.core.money import ZERO, round_to


@dataclass(frozen=True, slots=True)
class Taxed:
    """A line's amount with the VAT code that it gets, and the rate on the day."""

    amount: Decimal
    vat: Vat
    rate: Decimal


def taxed_lines(
    made: Made, rows: Sequence[Payload], names: Names, zone: str, day: date
) -> list[Taxed]:
    """
    Each line that has an amount with its VAT code. Notes as wrong where the books would find none
    (and take no VAT, silently), several, or one that is reckoned in a way that is not foreseen.
    """
    found: list[Taxed] = []
    for place, row in enumerate(rows, start=1):
        amount = amount_of(row, "amountInCurrency")
        category = text_of(row, "vatCode", "id")
        if not text_of(row, "inventoryNumber") and not (amount and category):
            continue
        vats = names.applied(zone, category, day)
        told = f"VAT zone {zone or 'none'} and category {category or 'none'} (line {place})"
        if len(vats) != 1:
            many = "have several VAT codes" if vats else "have no VAT code"
            made.wrong(
                "tax_unresolved",
                f"{told} {many} in common in Visma.net.",
                hint="Finance corrects the zone of the customer or the category of the item.",
                place=f"lines.{place}.tax_code",
            )
            continue
        rate = vats[0].rate(day)
        if vats[0].calculate_on not in RECKONED or rate is None:
            made.wrong(
                "tax_unresolved",
                f"VAT code {vats[0].code} of {told} is tax on tax, which is not foreseen.",
                place=f"lines.{place}.tax_code",
            )
            continue
        found.append(Taxed(amount, vats[0], rate))
    if len({one.vat.calculate_on == EXTRACT for one in found}) > 1:
        made.wrong("tax_unresolved", "Some lines are priced with VAT in Visma.net, others without.")
    return found


def check_rates(made: Made, lines: Sequence[Line], taxed: Sequence[Taxed]) -> None:
    """Notes it as wrong where the books would tax a line otherwise than it is meant."""
    priced = [(n, one) for n, one in enumerate(lines, start=1) if one.kind is not LineKind.TEXT]
    if len(priced) != len(taxed):
        return
    for (place, line), told in zip(priced, taxed, strict=True):
        if line.tax_rate is not None and line.tax_rate != told.rate:
            made.wrong(
                "tax_unresolved",
                f"Line {place} is meant to have {_percent(line.tax_rate)} % VAT; Visma.net would "
                f"take {_percent(told.rate)} % (code {told.vat.code}).",
                hint="Finance corrects the VAT zone of the customer, or the item's category.",
                place=f"lines.{place}.tax_code",
            )
        inside = told.vat.calculate_on == EXTRACT
        if line.includes_tax is not inside:
            ours = "with" if line.includes_tax else "without"
            theirs = "with" if inside else "without"
            made.wrong(
                "net_differs",
                f"Line {place} is priced {ours} VAT; Visma.net takes its price {theirs} VAT.",
                place=f"lines.{place}.unit_price",
            )


def predict(
    taxed: Sequence[Taxed], currency: str, names: Names, *, rule: TotalsRule, rounds: bool
) -> Predicted:
    """The totals of a document; ``other`` where both ways of rounding VAT are still possible."""
    per_rate = _totals(taxed, currency, names, per_line=frozenset(), rounds=rounds)
    every = frozenset(one.vat.code for one in taxed)
    per_line = _totals(taxed, currency, names, per_line=every, rounds=rounds)
    if rule is TotalsRule.PER_RATE:
        return Predicted(totals=per_rate)
    if rule is TotalsRule.PER_LINE:
        return Predicted(totals=per_line)
    by_item = frozenset(one.vat.code for one in taxed if one.vat.calculate_on != "DocumentAmount")
    native = _totals(taxed, currency, names, per_line=by_item, rounds=rounds)
    other = per_rate if native != per_rate else per_line
    return Predicted(totals=native, other=other if other != native else None)


class VatRule:
    """How the company rounds VAT: as its settings say, else as its documents have shown."""

    def __init__(self, rule: TotalsRule) -> None:
        self.rule = rule

    def learn(self, taxed: Sequence[Taxed], shown: Totals | None, names: Names) -> None:
        """Takes in what a document came to, where the two ways differ on it."""
        if shown is None or self.rule is not TotalsRule.UNKNOWN or not taxed:
            return
        taxes = {}
        for rule in (TotalsRule.PER_RATE, TotalsRule.PER_LINE):
            made = predict(taxed, shown.currency, names, rule=rule, rounds=False)
            taxes[rule] = made.totals.tax
        fitting = [rule for rule, tax in taxes.items() if tax == shown.tax]
        if len(fitting) == 1:
            self.rule = fitting[0]


def show_totals(
    shown: dict[str, Any], predicted: Predicted, taxed: Sequence[Taxed], names: Names
) -> None:
    """Puts figures and VAT on a document as its answer will have them."""
    totals = predicted.totals
    figures = {
        "detailTotal": totals.net,
        "discountTotal": ZERO,
        "vatTotal": totals.tax,
        "vatTaxableTotal": totals.net,
        "amount": totals.gross,
    }
    for name, value in figures.items():
        shown[f"{name}InCurrency"] = value
        if totals.currency == names.currency:
            shown[name] = value
        else:
            shown.pop(name, None)
    shown["roundingDiff"] = totals.rounding
    rates = {one.vat.code: one.rate for one in taxed}
    shown["taxDetails"] = [
        {"vatId": {"number": code}, "vatRate": rate * 100} for code, rate in rates.items()
    ]


def _totals(
    taxed: Sequence[Taxed],
    currency: str,
    names: Names,
    *,
    per_line: frozenset[str],
    rounds: bool,
) -> Totals:
    places = names.places(currency)
    groups: dict[str, list[Taxed]] = {}
    for one in taxed:
        groups.setdefault(one.vat.code, []).append(one)
    net = tax = ZERO
    for code, lines in groups.items():
        amounts = [one.amount for one in lines]
        bases = amounts if code in per_line else [sum(amounts, ZERO)]
        rate, inside = lines[0].rate, lines[0].vat.calculate_on == EXTRACT
        total = sum(amounts, ZERO)
        if inside:
            without = sum((round_to(base / (1 + rate), places) for base in bases), ZERO)
            share = total - without
        else:
            share = sum((round_to(base * rate, places) for base in bases), ZERO)
        net += total - share if inside else total
        tax += share
    exact = net + tax
    payable = round_to(exact, 0) if rounds else exact
    return Totals(
        currency=currency,
        net=round_to(net, places),
        tax=round_to(tax, places),
        gross=round_to(payable, places),
        rounding=round_to(payable - exact, places),
    )


def _percent(rate: Decimal) -> str:
    return format((rate * 100).normalize(), "f")
