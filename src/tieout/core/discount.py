"""
A discount of the whole deal on the lines of its document, by the first way that is exact.

Percent on each line; a line of its own per VAT rate, where an item for discounts is named and can
be sold at that rate; else a lower price at quantity 1 (docs/explanation/documents.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from tieout.core.case import DocumentCase
from tieout.core.finding import Finding
from tieout.core.model import Deal, Item, ItemRef, Line
from tieout.core.money import ZERO, distribute, line_net, minor_units, round_to
from tieout.core.policy import DocumentPolicy
from tieout.core.predict import net_of


def label(deal: Deal) -> str:
    """What people call a deal: its number, else its title."""
    return deal.number or deal.title or deal.source_id


def with_discount(
    case: DocumentCase, policy: DocumentPolicy, lines: list[Line], findings: list[Finding]
) -> list[Line]:
    """100.00 over 3 × 1,000.00 where fractions have four decimals: a line of −100.00."""
    currency = case.deal.currency
    places = minor_units(currency)
    discount = case.deal.discount
    if discount != round_to(discount, places):
        findings.append(
            Finding(
                code="too_many_decimals",
                message=f"The discount {discount:f} on {label(case.deal)} has more than {places} "
                "decimals.",
                hint="Change the discount; it is never rounded in silence.",
                hold_on="deal",
            )
        )
        return lines
    priced = [i for i, line in enumerate(lines) if net_of(line, currency) > 0]
    if not priced:
        return lines
    shares = dict(
        zip(
            priced,
            distribute(discount, [net_of(lines[i], currency) for i in priced], places),
            strict=True,
        )
    )
    decimals = case.target.entity("document").decimals.get("discount", 4)
    as_percent = {i: _fraction(lines[i], shares[i], decimals, currency) for i in priced}
    fractions = {i: value for i, value in as_percent.items() if value is not None}
    if len(fractions) == len(priced):
        return [
            replace(line, discount=fractions[i]) if i in fractions else line
            for i, line in enumerate(lines)
        ]
    item = case.items.get(policy.discount_item)
    if policy.discount_item and (item is None or not item.active):
        findings.append(
            Finding(
                code="discount_no_item",
                message=f"The discount of {discount:,.2f} on {label(case.deal)} needs item "
                f"{policy.discount_item}, which {case.target.connection} does not sell.",
                hint="Correct flows.documents.discount_item.",
                hold_on="item",
            )
        )
        return lines
    own_lines = None if item is None else _own_lines(case, policy, lines, shares, item)
    return _lower_prices(lines, shares, currency) if own_lines is None else [*lines, *own_lines]


def _fraction(line: Line, share: Decimal, decimals: int, currency: str) -> Decimal | None:
    """The fraction that takes exactly the share off, or None where none does."""
    full = line.quantity * line.unit_price
    wanted = net_of(line, currency) - share
    fraction = round_to(1 - wanted / full, decimals)
    exact = line_net(line.quantity, line.unit_price, fraction, minor_units(currency)) == wanted
    return fraction if exact and 0 <= fraction <= 1 else None


def _own_lines(
    case: DocumentCase,
    policy: DocumentPolicy,
    lines: Sequence[Line],
    shares: dict[int, Decimal],
    item: Item,
) -> list[Line] | None:
    """A discount line per VAT rate (and dimensions); None where the item has another rate."""
    groups: dict[tuple[object, ...], tuple[Line, Decimal]] = {}
    for index, share in shares.items():
        line = lines[index]
        key = (line.tax_rate, line.tax_code, tuple(sorted(line.dimensions.items())))
        _, before = groups.get(key, (line, ZERO))
        groups[key] = (line, before + share)
    last = max(line.position for line in lines)
    made = []
    for place, (like, amount) in enumerate(groups.values(), start=1):
        if not amount:
            continue
        code = _code_at(case, item, like)
        if code is None:
            return None
        made.append(
            Line(
                position=last + place,
                item=ItemRef(number=item.number, name=item.name, ref=item.ref),
                text=item.name,
                quantity=Decimal(1),
                unit_price=-amount,
                includes_tax=policy.prices_include_tax,
                tax_rate=like.tax_rate,
                tax_code=code,
                dimensions=like.dimensions,
            )
        )
    return made


def _code_at(case: DocumentCase, item: Item, like: Line) -> str | None:
    """The item's code for the VAT of that line; None where the books would tax it otherwise."""
    if like.tax_rate is None:
        return ""
    answer = case.taxes.get(like.item.number) if like.item is not None else None
    for known in item.tax:
        if answer is not None and known.treatment == answer.treatment:
            if known.rate == like.tax_rate:
                return known.code
            if not known.code:
                # Without a code on the line the item's own rate is what the books take.
                return None
    return None


def _lower_prices(lines: Sequence[Line], shares: dict[int, Decimal], currency: str) -> list[Line]:
    """Each line at quantity 1 for what is left; its quantity and price stay in the text."""
    return [
        line
        if not shares.get(i)
        else replace(
            line,
            text=line.text
            if line.quantity == 1
            else f"{line.text} ({line.quantity.normalize():f} × {line.unit_price:f})",
            quantity=Decimal(1),
            unit_price=net_of(line, currency) - shares[i],
            discount=ZERO,
        )
        for i, line in enumerate(lines)
    ]
