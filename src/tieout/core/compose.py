"""A billing step of a deal as the document that the books should hold, with all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout.core.case import DocumentCase
from tieout.core.change import Predicted
from tieout.core.discount import label as label
from tieout.core.discount import with_discount
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
from tieout.core.money import ZERO, apportion, line_net, minor_units, round_to
from tieout.core.policy import INVOICE_DRAFT, SALES_ORDER, DocumentPolicy, FieldRule
from tieout.core.predict import net_of, predict
from tieout.core.scope import deal_scope, record_scope
from tieout.core.tax import Treatment
from tieout.core.vat_checks import NOT_VALID, UNCHECKED, number_not_valid, number_unchecked

WHOLE_DEAL = Instalment(part=0, amount=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """
    The wanted document, what the target will show for it, and every finding on the way.

    ``confirm``: what a person has to confirm before it is sent, whatever the mode ('' if nothing).
    ``kind``: what it is made as.
    """

    document: Document
    predicted: Predicted
    sold: Decimal
    findings: tuple[Finding, ...] = ()
    confirm: str = ""
    kind: str = INVOICE_DRAFT


def steps(deal: Deal) -> tuple[Instalment, ...]:
    """The billing steps of a deal; one, the whole deal, where there is no schedule."""
    return deal.schedule or (WHOLE_DEAL,)


def step_of(deal: Deal, part: int) -> Instalment | None:
    """That billing step, or None where the deal's plan does not have it (any more)."""
    return next((step for step in steps(deal) if step.part == part), None)


def sold_amount(deal: Deal) -> Decimal:
    """What the lines to invoice come to, net, in the deal's currency, after every discount."""
    places = minor_units(deal.currency)
    total = sum((_stated(line, places) for line in deal.lines), ZERO) - deal.discount
    return round_to(total, places)


def _stated(line: Line, places: int) -> Decimal:
    if line.kind is LineKind.TEXT:
        return ZERO
    if line.stated_net is not None:
        return line.stated_net
    return line_net(line.quantity, line.unit_price, line.discount, places)


def step_amount(deal: Deal, part: int) -> Decimal:
    """What one billing step comes to, net; nothing for a step that the plan does not have."""
    if not deal.schedule and part == 0:
        return sold_amount(deal)
    step = step_of(deal, part)
    return ZERO if step is None else step.amount


def kind_made(case: DocumentCase, policy: DocumentPolicy, scope: Mapping[str, Any]) -> str:
    """
    What the step's document is made as. One that is there stays what it is, whatever the settings
    say since; a draft of invoice may become one that we book. Raises `MappingError`.
    """
    wanted = policy.kind_of(scope)
    record = case.document.record if case.document is not None else None
    if not isinstance(record, Document):
        return wanted
    if record.kind is DocumentKind.ORDER:
        return SALES_ORDER
    return INVOICE_DRAFT if wanted == SALES_ORDER else wanted


def compose(case: DocumentCase, policy: DocumentPolicy) -> Composed:
    """
    The wanted document of a case. Nothing is guessed: what does not resolve is a finding.

    Lines keep their order; a document discount is carried by the first way whose result is exact
    (docs/explanation/documents.md); a step of several carries its share of each line as an amount.
    """
    findings: list[Finding] = []
    scope = deal_scope(case.deal, case.crm_customer) if policy.looks else {}
    kind = kind_made(case, policy, scope)
    header = _header(case, policy, scope, findings)
    lines = [_line(case, policy, scope, line, findings) for line in case.deal.lines]
    if case.deal.schedule:
        lines = _share_of_step(case.deal, case.part, lines)
    elif case.deal.discount:
        lines = with_discount(case, policy, lines, findings)
    lines = _with_required_words(case, lines)
    currency = case.deal.currency
    predicted = predict(
        lines,
        currency,
        rule=case.target.abilities.totals_rule,
        rounds_to_unit=case.target.rounds_to_unit and currency == case.target.company.currency,
        includes_tax=policy.prices_include_tax,
    )
    document = Document(
        kind=DocumentKind.ORDER if kind == SALES_ORDER else DocumentKind.DRAFT,
        customer=case.buyer.ref,
        currency=currency,
        lines=tuple(lines),
        totals=predicted.totals,
        **header,
    )
    gross_prices = policy.prices_include_tax and not case.deal.schedule
    return Composed(
        document=document,
        predicted=predicted,
        # What was sold is net: of prices with VAT the VAT is taken out.
        sold=predicted.totals.net if gross_prices else step_amount(case.deal, case.part),
        findings=tuple(findings),
        confirm=_to_confirm(case, lines),
        kind=kind,
    )


def _with_required_words(case: DocumentCase, lines: list[Line]) -> list[Line]:
    """The sentences that the law wants on the document, such as for reverse charge, once each."""
    used = {line.item.number for line in lines if line.item is not None}
    words = dict.fromkeys(
        answer.text
        for number, answer in case.taxes.items()
        if number in used and answer.text and answer.treatment is not Treatment.HOLD
    )
    there = " ".join(line.text for line in lines).casefold()
    last = max((line.position for line in lines), default=0)
    missing = [text for text in words if text.casefold() not in there]
    return lines + [
        Line(position=last + place, kind=LineKind.TEXT, text=text)
        for place, text in enumerate(missing, start=1)
    ]


def _to_confirm(case: DocumentCase, lines: Sequence[Line]) -> str:
    places = [
        str(line.position)
        for line in lines
        if line.item is not None
        and (answer := case.taxes.get(line.item.number)) is not None
        and answer.approval
    ]
    return f"A person confirms the VAT of {lines_named(places)}." if places else ""


def lines_named(places: Sequence[str]) -> str:
    """line 1, or lines 1, 2, 3"""
    return f"line{'s' if len(places) > 1 else ''} {', '.join(places)}"


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
            values[rule.target] = (
                _day(value, rule, case, findings)
                if rule.target == "delivered_on"
                else ""
                if value is None
                else str(value)
            )
    return values


def _day(
    value: object, rule: FieldRule, case: DocumentCase, findings: list[Finding]
) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        findings.append(_no_value(rule, case, f'"{value}" is not a day', rule.target))
        return None


def evaluate(
    rule: FieldRule,
    scope: Mapping[str, Any],
    findings: list[Finding],
    case: DocumentCase,
    line: Line | None = None,
) -> object:
    """The value of a rule, or None with a finding that names what has no value."""
    place = rule.target if line is None else f"lines.{line.position}.{rule.target}"
    try:
        return rule.value(scope)
    except UnmappedValueError as error:
        findings.append(_unmapped(rule, error, case, line, place))
    except MissingFieldError as error:
        findings.append(
            Finding(
                code="unknown_field",
                message=f"{place} of {label(case.deal)} needs {error.path}, which was not read.",
                hint="Correct the mapping in the configuration.",
                place=place,
                hold_on="configuration",
            )
        )
    except MappingError as error:
        findings.append(_no_value(rule, case, str(error), place))
    return None


def _no_value(rule: FieldRule, case: DocumentCase, why: str, place: str) -> Finding:
    return Finding(
        code="mapping_failed",
        message=f"{place} of {label(case.deal)} has no value: {why}.",
        hint=f"Correct the value or the mapping ({rule.text}).",
        place=place,
        hold_on="configuration",
    )


def _unmapped(
    rule: FieldRule,
    error: UnmappedValueError,
    case: DocumentCase,
    line: Line | None,
    place: str,
) -> Finding:
    if rule.target == "item" and line is not None:
        name = (line.item.name if line.item else "") or error.value
        return _no_code(case, line, name, error.value, error.where)
    buyer = case.crm_customer
    whose = buyer.name if buyer is not None and rule.target == "terms" else label(case.deal)
    where = "" if line is None else f" (line {line.position})"
    return Finding(
        code="terms_unmapped" if rule.target == "terms" else "value_unmapped",
        message=f'"{error.value}" of {whose}{where} is not in {error.where}.',
        hint="Add it.",
        place=place,
        hold_on="configuration",
        values={"value": error.value, "table": error.table, "kept_in": error.where},
    )


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
    inner = {**scope, "line": line_scope(line)} if policy.line_fields else {}
    unmapped = False
    for rule in policy.line_fields:
        before = len(findings)
        value = evaluate(rule, inner, findings, case, line)
        if rule.target == "item" and len(findings) > before:
            unmapped = True
        elif rule.target.startswith("dimensions."):
            if value not in (None, ""):
                dimensions[rule.target.split(".", 1)[1]] = str(value)
        elif value is not None and rule.target in _NUMBERS:
            values[rule.target] = _number(value, rule, case, line, findings)
        elif value is not None:
            values[rule.target] = value
    number = "" if unmapped else str(values["item"] or "")
    item = case.items.get(number) if number else None
    if not unmapped and item is None:
        name = (line.item.name if line.item else "") or number or line.text
        by = next((rule for rule in policy.line_fields if rule.target == "item"), None)
        where = by.kept_in if by is not None else ""
        findings.append(_no_code(case, line, name or "A line without an item", number, where))
    elif item is not None and not item.active:
        findings.append(_not_sold(case, line, item))
    rate, code = (None, "")
    if item is not None:
        rate, code = _tax_of(case, line, item, findings)
    return Line(
        position=line.position,
        kind=line.kind,
        item=ItemRef(number=number, name=item.name if item else "", ref=item.ref if item else None),
        text=str(values["text"] or (item.name if item else "")),
        quantity=values["quantity"],
        unit_price=values["unit_price"],
        discount=values["discount"],
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


_NUMBERS = ("quantity", "unit_price", "discount")


def _number(
    value: object, rule: FieldRule, case: DocumentCase, line: Line, findings: list[Finding]
) -> Decimal:
    if isinstance(value, Decimal) and value.is_finite():
        return value
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if number.is_finite():
        return number
    place = f"lines.{line.position}.{rule.target}"
    findings.append(_no_value(rule, case, f'"{value}" is not a number', place))
    return ZERO


def _no_code(case: DocumentCase, line: Line, name: str, code: str, where: str = "") -> Finding:
    """
    ``code``: what the table goes by; a product that has none in the CRM goes by its name.
    ``where`` is the table, '' for the usual one.
    """
    where = where or "tables/items.csv"
    books = case.target.connection
    hint = f"Add it to {where}."
    if code and code != name:
        hint = f"Add {code} to {where}, or make item {code} in {books}."
    return Finding(
        code="item_no_code",
        message=f'"{name}" in {label(case.deal)} has no code in {books}.',
        hint=hint,
        place=f"lines.{line.position}",
        hold_on="item",
        values={"item": name, "code": code or name, "line": str(line.position)},
    )


def _not_sold(case: DocumentCase, line: Line, item: Item) -> Finding:
    name = (line.item.name if line.item else "") or item.number
    books = case.target.connection
    return Finding(
        code="item_no_code",
        message=f'"{name}" in {label(case.deal)} is no longer sold in {books}.',
        hint=f"Make item {item.number} active there, or map it to another code.",
        place=f"lines.{line.position}",
        hold_on="item",
        values={"item": name, "line": str(line.position)},
    )


def _tax_of(
    case: DocumentCase, line: Line, item: Item, findings: list[Finding]
) -> tuple[Decimal | None, str]:
    answer = case.taxes.get(item.number)
    where = f"line {line.position} of {label(case.deal)}"
    if answer is not None and answer.treatment is not Treatment.HOLD:
        for known in item.tax:
            if known.treatment == answer.treatment and known.rate is not None:
                return known.rate, known.code
        findings.append(
            Finding(
                code="tax_unresolved",
                message=f"{case.target.connection} cannot book {item.number} as "
                f"{str(answer.treatment).replace('_', ' ')} ({where}).",
                hint="Finance completes the item's accounts, or gives it another tax class.",
                place=f"lines.{line.position}",
                hold_on="item",
            )
        )
        return None, ""
    reason = "" if answer is None else answer.reason
    if reason in (UNCHECKED, NOT_VALID) and case.crm_customer is not None:
        of_number = number_unchecked if reason == UNCHECKED else number_not_valid
        findings.append(of_number(case))
        return None, ""
    findings.append(
        Finding(
            code="tax_unresolved",
            message=f"No VAT rule fits {where}.",
            hint="Give its item a tax class, or ask finance.",
            place=f"lines.{line.position}",
            hold_on="customer",
            values={"reason": reason} if reason else {},
        )
    )
    return None, ""


# --- the share of a step --------------------------------------------------------------------------


def _share_of_step(deal: Deal, part: int, lines: Sequence[Line]) -> list[Line]:
    """Each line's share of the step as an amount, negative ones too; the step's words first."""
    places = minor_units(deal.currency)
    step = step_of(deal, part)
    priced = [line for line in lines if line.kind is not LineKind.TEXT]
    if not priced or step is None:
        return list(lines)
    weights = [net_of(line, deal.currency) for line in priced]
    shares = iter(apportion(round_to(step.amount, places), weights, places))
    result = [Line(position=0, kind=LineKind.TEXT, text=step.text)] if step.text else []
    for line in lines:
        if line.kind is LineKind.TEXT:
            result.append(line)
            continue
        result.append(replace(line, quantity=Decimal(1), unit_price=next(shares), discount=ZERO))
    return result
