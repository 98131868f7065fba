"""A billing step of a deal as the document that the books should hold, with all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.core.case import DocumentCase
from tieout.core.change import Predicted
from tieout.core.finding import Finding
from tieout.core.mapping.errors import MappingError, MissingFieldError, UnmappedValueError
from tieout.core.model import (
    Deal,
    Document,
    DocumentKind,
    Instalment,
    Item,
    ItemRef,
    Line,
    LineKind,
)
from tieout.core.money import ZERO, distribute, line_net, minor_units, round_to
from tieout.core.policy import DocumentPolicy, FieldRule
from tieout.core.predict import net_of, predict
from tieout.core.scope import deal_scope, record_scope

WHOLE_DEAL = Instalment(part=0, amount=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The wanted document, what the target will show for it, and every finding on the way."""

    document: Document
    predicted: Predicted
    sold: Decimal
    findings: tuple[Finding, ...] = ()


def steps(deal: Deal) -> tuple[Instalment, ...]:
    """The billing steps of a deal; one, the whole deal, where there is no schedule."""
    return deal.schedule or (WHOLE_DEAL,)


def sold_amount(deal: Deal) -> Decimal:
    """What the lines to invoice come to, net, in the deal's currency, after every discount."""
    places = minor_units(deal.currency)
    return sum((_stated(line, places) for line in deal.lines), ZERO) - deal.discount


def _stated(line: Line, places: int) -> Decimal:
    if line.kind is LineKind.TEXT:
        return ZERO
    if line.stated_net is not None:
        return line.stated_net
    return line_net(line.quantity, line.unit_price, line.discount, places)


def step_amount(deal: Deal, part: int) -> Decimal:
    """What one billing step comes to, net, in the deal's currency."""
    for step in deal.schedule:
        if step.part == part:
            return step.amount
    return sold_amount(deal)


def compose(case: DocumentCase, policy: DocumentPolicy) -> Composed:
    """
    The wanted document of a case. Nothing is guessed: what does not resolve is a finding.

    Lines keep their order; a document discount is carried by the first way whose result is exact
    (revenue-cycle.md 3); a step of several carries its share of each line as an amount.
    """
    findings: list[Finding] = []
    scope = deal_scope(case.deal, case.crm_customer)
    header = _header(case, policy, scope, findings)
    lines = [_line(case, policy, scope, line, findings) for line in case.deal.lines]
    if case.part != 0:
        lines = _share_of_step(case.deal, case.part, lines)
    elif case.deal.discount:
        lines = _with_discount(case, policy, lines, findings)
    currency = case.deal.currency
    predicted = predict(
        lines,
        currency,
        rule=case.target.abilities.totals_rule,
        rounds_to_unit=case.target.rounds_to_unit and currency == case.target.company.currency,
        includes_tax=policy.prices_include_tax,
    )
    document = Document(
        kind=DocumentKind.DRAFT,
        customer=case.buyer.ref,
        currency=currency,
        lines=tuple(lines),
        totals=predicted.totals,
        **header,
    )
    return Composed(
        document=document,
        predicted=predicted,
        sold=step_amount(case.deal, case.part),
        findings=tuple(findings),
    )


# --- header ------------------------------------------------------------------------------------

_HEADER = (
    "your_reference",
    "our_reference",
    "po_number",
    "buyer_reference",
    "terms",
    "delivered_on",
)


def _header(
    case: DocumentCase,
    policy: DocumentPolicy,
    scope: Mapping[str, Any],
    findings: list[Finding],
) -> dict[str, Any]:
    contact = case.deal.billing_contact
    values: dict[str, Any] = {
        "your_reference": "" if contact is None else contact.name,
        "our_reference": case.deal.owner,
        "po_number": case.deal.po_number,
        "buyer_reference": case.deal.buyer_reference,
        "terms": "",
        "delivered_on": case.deal.delivered_on,
    }
    for rule in policy.fields:
        if rule.target in values:
            value = evaluate(rule, scope, findings, case)
            values[rule.target] = _as_header(rule.target, value)
    return values


def _as_header(target: str, value: object) -> object:
    if target == "delivered_on":
        return value if isinstance(value, date) else None
    return "" if value is None else str(value)


def evaluate(
    rule: FieldRule, scope: Mapping[str, Any], findings: list[Finding], case: DocumentCase
) -> object:
    """The value of a rule, or None with a finding that names what has no value."""
    try:
        return rule.value(scope)
    except UnmappedValueError as error:
        findings.append(_unmapped(rule, error, case))
    except MissingFieldError as error:
        findings.append(
            Finding(
                code="unknown_field",
                message=f"{rule.target} needs {error}, which this record does not have.",
                hint="Correct the mapping, or read the field.",
                place=rule.target,
                hold_on="configuration",
            )
        )
    except MappingError as error:
        findings.append(
            Finding(
                code="mapping_failed",
                message=f"{rule.target} of {label(case.deal)} has no value: {error}.",
                hint="Correct the value or the mapping.",
                place=rule.target,
                hold_on="configuration",
            )
        )
    return None


_UNMAPPED_CODES = {"terms": "terms_unmapped", "item": "item_no_code"}


def _unmapped(rule: FieldRule, error: UnmappedValueError, case: DocumentCase) -> Finding:
    code = _UNMAPPED_CODES.get(rule.target, "value_unmapped")
    if rule.target.startswith("dimensions."):
        code = "dimension_missing"
    buyer = case.crm_customer.name if case.crm_customer else label(case.deal)
    return Finding(
        code=code,
        message=f"{error} ({buyer}).",
        hint=f"Add it to tables/{rule.table}.csv." if rule.table else "Correct the mapping.",
        place=rule.target,
        hold_on="configuration",
    )


def label(deal: Deal) -> str:
    """What people call a deal: its number, else its title."""
    return deal.number or deal.title or deal.source_id


# --- lines -------------------------------------------------------------------------------------


def _line(
    case: DocumentCase,
    policy: DocumentPolicy,
    scope: Mapping[str, Any],
    line: Line,
    findings: list[Finding],
) -> Line:
    if line.kind is LineKind.TEXT:
        return Line(position=line.position, kind=LineKind.TEXT, text=line.text)
    values: dict[str, Any] = {
        "item": line.item.number if line.item else "",
        "text": line.text or (line.item.name if line.item else ""),
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "discount": line.discount,
    }
    dimensions = dict(case.deal.dimensions) | dict(line.dimensions)
    inner = {**scope, "line": line_scope(line)}
    for rule in policy.line_fields:
        value = evaluate(rule, inner, findings, case)
        if rule.target.startswith("dimensions."):
            if value not in (None, ""):
                dimensions[rule.target.split(".", 1)[1]] = str(value)
        elif value is not None:
            values[rule.target] = value
    number = str(values["item"] or "")
    item = case.items.get(number) if number else None
    if item is None or not item.active:
        findings.append(_item_finding(case, line, number, item))
    answer = case.taxes.get(number)
    rate, code = (None, "")
    if item is not None:
        rate, code = _tax_of(case, line, item, answer, findings)
    return Line(
        position=line.position,
        kind=line.kind,
        item=ItemRef(number=number, name=item.name if item else "", ref=item.ref if item else None),
        text=str(values["text"] or (item.name if item else "")),
        quantity=_decimal(values["quantity"]),
        unit_price=_decimal(values["unit_price"]),
        discount=_decimal(values["discount"]),
        includes_tax=policy.prices_include_tax,
        tax_rate=rate,
        tax_code=code,
        dimensions=dimensions,
    )


def line_scope(line: Line) -> Mapping[str, Any]:
    """A line as mappings see it: ``line.item`` is the product's code, or its name without one."""
    scope = dict(record_scope(line) or {})
    item = line.item or ItemRef()
    scope["item"] = item.number or item.name
    scope["item_name"] = item.name
    return scope


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value or 0))


def _item_finding(case: DocumentCase, line: Line, number: str, item: Item | None) -> Finding:
    name = (line.item.name if line.item else "") or number or line.text or "a line without an item"
    where = f"line {line.position} of {label(case.deal)}"
    books = case.target.connection
    if item is not None:
        message = f'"{name}" ({where}) is no longer sold in {books}.'
        hint = f"Make item {number} active in {books}, or map it to another code."
    else:
        message = f'"{name}" ({where}) has no code in {books}.'
        hint = "Add it to tables/items.csv, or give the product that code."
    return Finding(
        code="item_no_code",
        message=message,
        hint=hint,
        place=f"lines.{line.position}",
        hold_on="item",
        values={"item": name, "line": str(line.position)},
    )


def _tax_of(
    case: DocumentCase, line: Line, item: Item, answer: Any, findings: list[Finding]
) -> tuple[Decimal | None, str]:
    if answer is None:
        return None, ""
    for known in item.tax:
        if known.treatment == answer.treatment and known.rate is not None:
            return known.rate, known.code
    if answer.treatment == "hold":
        findings.append(
            Finding(
                code="tax_unresolved" if answer.reason != "number_unchecked" else answer.reason,
                message=f"{answer.text or 'No VAT rule fits'} (line {line.position} of "
                f"{label(case.deal)}).",
                hint="Give its item a tax class, complete the customer, or ask finance.",
                place=f"lines.{line.position}",
                hold_on="customer",
                retry_after_s=1800 if answer.reason == "number_unchecked" else None,
            )
        )
        return None, ""
    findings.append(
        Finding(
            code="tax_unresolved",
            message=f"{case.target.connection} cannot book {item.number} as "
            f"{str(answer.treatment).replace('_', ' ')} (line {line.position} of "
            f"{label(case.deal)}).",
            hint="Finance completes the item's accounts, or gives it another tax class.",
            place=f"lines.{line.position}",
            hold_on="item",
        )
    )
    return None, ""


# --- shares and discounts ------------------------------------------------------------------------


def _share_of_step(deal: Deal, part: int, lines: Sequence[Line]) -> list[Line]:
    places = minor_units(deal.currency)
    priced = [line for line in lines if line.kind is not LineKind.TEXT]
    weights = [max(net_of(line, deal.currency), ZERO) for line in priced]
    if not priced:
        return list(lines)
    shares = iter(distribute(round_to(step_amount(deal, part), places), weights, places))
    result = []
    for line in lines:
        if line.kind is LineKind.TEXT:
            result.append(line)
            continue
        result.append(replace(line, quantity=Decimal(1), unit_price=next(shares), discount=ZERO))
    return result


def _with_discount(
    case: DocumentCase, policy: DocumentPolicy, lines: list[Line], findings: list[Finding]
) -> list[Line]:
    """100.00 over 3 × 1,000.00 where fractions have four decimals: a line of −100.00."""
    currency = case.deal.currency
    places = minor_units(currency)
    priced = [i for i, line in enumerate(lines) if net_of(line, currency) > 0]
    if not priced:
        return lines
    nets = [net_of(lines[i], currency) for i in priced]
    shares = distribute(case.deal.discount, nets, places)
    decimals = case.target.entity("document").decimals.get("discount", 4)
    fractions = _fractions(lines, priced, nets, shares, decimals, places)
    as_percent = dict(zip(priced, fractions, strict=True))
    if all(fraction is not None for fraction in as_percent.values()):
        return [
            replace(line, discount=fraction)
            if (fraction := as_percent.get(i)) is not None
            else line
            for i, line in enumerate(lines)
        ]
    item = case.items.get(policy.discount_item) if policy.discount_item else None
    if item is None:
        findings.append(
            Finding(
                code="discount_no_item",
                message=f"The discount of {case.deal.discount} on {label(case.deal)} cannot be "
                f"written exactly as percent in {case.target.connection}.",
                hint="Name an item for discounts: flows.documents.discount_item.",
                hold_on="configuration",
            )
        )
        return lines
    return [*lines, *_discount_lines(lines, priced, shares, item)]


def _fractions(
    lines: Sequence[Line],
    priced: Sequence[int],
    nets: Sequence[Decimal],
    shares: Sequence[Decimal],
    decimals: int,
    places: int,
) -> list[Decimal | None]:
    found: list[Decimal | None] = []
    for index, net, share in zip(priced, nets, shares, strict=True):
        line = lines[index]
        full = line.quantity * line.unit_price
        fraction = round_to(1 - (net - share) / full, decimals)
        exact = line_net(line.quantity, line.unit_price, fraction, places) == net - share
        found.append(fraction if exact else None)
    return found


def _discount_lines(
    lines: Sequence[Line], priced: Sequence[int], shares: Sequence[Decimal], item: Item
) -> list[Line]:
    by_rate: dict[Decimal | None, Decimal] = {}
    for index, share in zip(priced, shares, strict=True):
        rate = lines[index].tax_rate
        by_rate[rate] = by_rate.get(rate, ZERO) + share
    last = max(line.position for line in lines)
    return [
        Line(
            position=last + offset,
            item=ItemRef(number=item.number, name=item.name, ref=item.ref),
            text=item.name,
            quantity=Decimal(1),
            unit_price=-amount,
            tax_rate=rate,
        )
        for offset, (rate, amount) in enumerate(by_rate.items(), start=1)
    ]
