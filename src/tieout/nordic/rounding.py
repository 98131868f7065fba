"""Rounding of amounts, VAT and what is to be paid, as the countries and their programs do it.

Half is always rounded away from zero, on decimals. VAT is never rounded to whole units; only the
amount to pay is, in Sweden by law (öresavrundning) and for cash elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Literal

Method = Literal["per_rate", "per_line"]
Rule = Literal["none", "whole_krona"]

ZERO = Decimal(0)
HUNDRED = Decimal(100)
# Currencies without decimals among those of the region and its neighbours.
WHOLE_CURRENCIES = frozenset({"ISK", "JPY", "KRW", "CLP", "VND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryRounding:
    """What a country does with the amount to pay, and where it is known from."""

    currency: str
    invoice_rule: Rule
    cash_step: Decimal
    source: str


# The invoice rule of a country holds for its own currency only: a Swedish company does not round
# an invoice in euro. Norwegian and Danish programs offer rounding, no law asks for it.
COUNTRY_ROUNDING: MappingProxyType[str, CountryRounding] = MappingProxyType(
    {
        "SE": CountryRounding(
            currency="SEK",
            invoice_rule="whole_krona",
            cash_step=Decimal("1"),
            source="Act 1970:1029; Swedish Tax Agency, position of 2020-01-17, dnr 8-19049",
        ),
        "NO": CountryRounding(
            currency="NOK",
            invoice_rule="none",
            cash_step=Decimal("1"),
            source="Help pages of Norwegian programs; cash: general knowledge",
        ),
        "DK": CountryRounding(
            currency="DKK",
            invoice_rule="none",
            cash_step=Decimal("0.50"),
            source="Help pages of Danish programs; cash: general knowledge",
        ),
        "FI": CountryRounding(
            currency="EUR",
            invoice_rule="none",
            cash_step=Decimal("0.05"),
            source="General knowledge: invoices exact to the cent, cash to five cents",
        ),
        "IS": CountryRounding(
            currency="ISK",
            invoice_rule="none",
            cash_step=Decimal("1"),
            source="General knowledge: the krona has no decimals",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Net amount of a document line, and its VAT rate in percent."""

    net: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The figures of a document. `rounding` is payable less total, booked without VAT."""

    net: Decimal
    vat_by_rate: tuple[tuple[Decimal, Decimal], ...]
    vat: Decimal
    total: Decimal
    payable: Decimal
    rounding: Decimal


def currency_decimals(currency: str) -> int:
    """How many decimals an amount of that currency has."""
    return 0 if currency in WHOLE_CURRENCIES else 2


def round_amount(amount: Decimal, decimals: int) -> Decimal:
    """The amount with so many decimals, half away from zero. Never a negative zero."""
    return amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP) + ZERO


def round_to_step(amount: Decimal, step: Decimal) -> Decimal:
    """The nearest multiple of the step, half away from zero, with the amount's decimals."""
    if step <= 0:
        raise ValueError(f"a rounding step must be above zero, not {step}")
    steps = (amount / step).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return (steps * step).quantize(amount) + ZERO


def vat_per_rate(lines: Sequence[Line], decimals: int) -> dict[Decimal, Decimal]:
    """VAT once per rate, on the summed net (EN 16931), lowest rate first."""
    bases: dict[Decimal, Decimal] = {}
    for line in lines:
        bases[line.rate] = bases.get(line.rate, ZERO) + line.net
    return {
        rate: round_amount(base * rate / HUNDRED, decimals) for rate, base in sorted(bases.items())
    }


def vat_per_line(lines: Sequence[Line], decimals: int) -> dict[Decimal, Decimal]:
    """VAT per line, rounded and then summed by rate, lowest rate first."""
    found: dict[Decimal, Decimal] = {}
    for line in lines:
        vat = round_amount(line.net * line.rate / HUNDRED, decimals)
        found[line.rate] = found.get(line.rate, ZERO) + vat
    return dict(sorted(found.items()))


def invoice_rule(country: str, currency: str) -> Rule:
    """The rule for the amount to pay that holds unless the seller switched it off.

    A credit note takes the setting of the invoice that it credits, not this.
    """
    facts = COUNTRY_ROUNDING.get(country)
    return facts.invoice_rule if facts is not None and facts.currency == currency else "none"


def payable_amount(total: Decimal, currency: str, rule: Rule) -> Decimal:
    """What is to be paid of a total: 124.50 SEK becomes 125.00, -124.50 becomes -125.00."""
    decimals = currency_decimals(currency)
    exact = round_amount(total, decimals)
    if rule == "none" or currency != "SEK":
        return exact
    return round_amount(round_amount(total, 0), decimals)


def document_totals(lines: Sequence[Line], currency: str, *, method: Method, rule: Rule) -> Totals:
    """The figures that a system with that method and rule shows for the lines."""
    decimals = currency_decimals(currency)
    by_rate = (vat_per_rate if method == "per_rate" else vat_per_line)(lines, decimals)
    net = round_amount(sum((line.net for line in lines), ZERO), decimals)
    vat = round_amount(sum(by_rate.values(), ZERO), decimals)
    total = net + vat
    payable = payable_amount(total, currency, rule)
    return Totals(
        net=net,
        vat_by_rate=tuple(by_rate.items()),
        vat=vat,
        total=total,
        payable=payable,
        rounding=payable - total + ZERO,
    )


def cash_amount(amount: Decimal, country: str, currency: str) -> Decimal:
    """What is paid in cash for an amount; unchanged where no rule of the country is known."""
    facts = COUNTRY_ROUNDING.get(country)
    if facts is None or facts.currency != currency:
        return amount
    return round_to_step(amount, facts.cash_step)


def pays_in_full(paid: Decimal, total: Decimal, payable: Decimal) -> bool:
    """True if the payment is the amount to pay, or exactly the total before it was rounded.

    A customer who pays the öre has paid; it is no partial payment.
    """
    return paid in (payable, total)
