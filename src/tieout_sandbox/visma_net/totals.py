"""Amounts of lines and totals of documents: line, VAT, document, invoice rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from tieout_sandbox.visma_net.company import rounded

ZERO = Decimal("0.00")
ROUNDING_MODES = {"nearest": ROUND_HALF_UP, "up": ROUND_CEILING, "down": ROUND_FLOOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vat:
    """A VAT id as it applies to a line: its rate as a fraction, and how it is reckoned."""

    vat_id: str
    rate: Decimal
    calculate_on: str
    exempt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What counts of a line: its amount after discount, and the VAT ids that apply."""

    amount: Decimal
    vats: tuple[Vat, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Taxable amount and VAT of one id."""

    vat: Vat
    taxable: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides how a document is summed up."""

    decimals: int = 2
    item_vat_rounded: bool = True
    extract_net: bool = True
    rounding: str = "none"
    rounding_to: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A document's figures in its own currency. `total` is what is to be paid; `rounding` is
    what the invoice rounding added."""

    detail: Decimal
    discount: Decimal
    taxable: Decimal
    exempt: Decimal
    vat: Decimal
    rounding: Decimal
    total: Decimal
    shares: tuple[Share, ...]


def extended(quantity: Decimal, price: Decimal, decimals: int) -> Decimal:
    """Quantity by price, rounded."""
    return rounded(quantity * price, decimals)


def discount_of(ext: Decimal, percent: Decimal, decimals: int) -> Decimal:
    """A percentage of an extended price, rounded."""
    return rounded(ext * percent / 100, decimals)


def document(lines: Sequence[Line], discount: Decimal, rules: Rules) -> Totals:
    """The totals of a document; `discount` is its document discount, spread over the lines."""
    decimals = rules.decimals
    gross = sum((line.amount for line in lines), ZERO)
    bases = _less(lines, discount, decimals)
    shares = _shares(lines, bases, rules)
    inclusive = sum(
        (share.amount for share in shares if share.vat.calculate_on == "ExtractFromItemAmount"),
        ZERO,
    )
    vat = sum((share.amount for share in shares), ZERO)
    exempt = sum(
        (
            base
            for line, base in zip(lines, bases, strict=True)
            if all(one.exempt for one in line.vats)
        ),
        ZERO,
    )
    exact = gross - discount + vat - inclusive
    total = _document_rounded(exact, rules)
    return Totals(
        detail=gross - inclusive if rules.extract_net else gross,
        discount=discount,
        taxable=gross - discount - inclusive - exempt,
        exempt=exempt,
        vat=vat,
        rounding=total - exact,
        total=total,
        shares=shares,
    )


def _less(lines: Sequence[Line], discount: Decimal, decimals: int) -> list[Decimal]:
    """The lines' amounts less their part of the document discount; the parts add up."""
    gross = sum((line.amount for line in lines), ZERO)
    if not discount or not gross:
        return [line.amount for line in lines]
    parts = [rounded(discount * line.amount / gross, decimals) for line in lines]
    largest = max(range(len(lines)), key=lambda index: abs(lines[index].amount))
    parts[largest] += discount - sum(parts, ZERO)
    return [line.amount - part for line, part in zip(lines, parts, strict=True)]


def _shares(lines: Sequence[Line], bases: Sequence[Decimal], rules: Rules) -> tuple[Share, ...]:
    groups: dict[str, tuple[Vat, list[Decimal]]] = {}
    for line, base in zip(lines, bases, strict=True):
        for vat in line.vats:
            groups.setdefault(vat.vat_id, (vat, []))[1].append(base)
    return tuple(_share(vat, amounts, rules) for vat, amounts in groups.values())


def _share(vat: Vat, amounts: list[Decimal], rules: Rules) -> Share:
    decimals = rules.decimals
    gross = sum(amounts, ZERO)
    if vat.calculate_on == "ExtractFromItemAmount":
        net = sum((rounded(amount / (1 + vat.rate), decimals) for amount in amounts), ZERO)
        return Share(vat=vat, taxable=net, amount=gross - net)
    if vat.calculate_on == "ItemAmount" and rules.item_vat_rounded:
        tax = sum((rounded(amount * vat.rate, decimals) for amount in amounts), ZERO)
    else:
        tax = rounded(gross * vat.rate, decimals)
    return Share(vat=vat, taxable=gross, amount=tax)


def _document_rounded(exact: Decimal, rules: Rules) -> Decimal:
    mode = ROUNDING_MODES.get(rules.rounding)
    if mode is None:
        return exact
    steps = (exact / rules.rounding_to).quantize(Decimal(1), rounding=mode)
    return rounded(steps * rules.rounding_to, rules.decimals)
