"""The gates: everything that must be right before a document is sent, all findings at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from tieout.core.case import DocumentCase
from tieout.core.compose import Composed, label, sold_amount
from tieout.core.finding import Finding, Severity
from tieout.core.model import LineKind
from tieout.core.money import ZERO
from tieout.core.policy import BooksPolicy, DocumentPolicy


def check(
    case: DocumentCase, composed: Composed, policy: DocumentPolicy, book: BooksPolicy
) -> tuple[Finding, ...]:
    """All that keeps this document from being sent, in a stable order, doubles removed."""
    found = [
        *composed.findings,
        *case.buyer.findings,
        *_customer(case, policy),
        *_lines(case),
        *_currency(case, book),
        *_period(case),
        *_decimals(case, composed),
        *_dimensions(case, composed, policy),
        *_amounts(case, composed, policy),
        *_references(case, composed, policy),
        *_duplicates(case),
    ]
    unique: dict[tuple[str, str], Finding] = {}
    for finding in found:
        unique.setdefault((finding.code, finding.message), finding)
    return tuple(unique.values())


def errors(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Those that stop; warnings do not."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


def _customer(case: DocumentCase, policy: DocumentPolicy) -> Iterator[Finding]:
    buyer = case.crm_customer
    if buyer is None:
        yield Finding(
            code="customer_missing",
            message=f"{label(case.deal)} has no customer.",
            hint="Choose the account on the deal.",
            hold_on="deal",
        )
        return
    address = buyer.address("billing")
    absent = [
        word
        for word, value in (
            ("post code", address.postcode if address else ""),
            ("city", address.city if address else ""),
            ("country", address.country if address else ""),
        )
        if not value
    ]
    if absent and case.buyer.ref is None:
        yield Finding(
            code="address_incomplete",
            message=f"{buyer.name} has no {', no '.join(absent)} in its billing address.",
            hint="Complete the billing address on the account.",
            hold_on="customer",
        )
    if policy.require_email and not (buyer.emails.get("invoice") or buyer.emails.get("general")):
        yield Finding(
            code="email_missing",
            message=f"{buyer.name} has no e-mail address for invoices.",
            hint="Fill it on the account.",
            hold_on="customer",
        )
    if case.buyer.record is not None and not case.buyer.record.active:
        yield Finding(
            code="customer_inactive",
            message=f"{buyer.name} is no longer active in {case.target.connection}.",
            hint="Finance makes it active again, or choose another customer.",
            hold_on="customer",
        )
    if case.buyer.record is not None and case.buyer.record.credit_stop:
        yield Finding(
            code="credit_stop",
            message=f"{buyer.name} is on credit stop.",
            hint="Delivered work is still invoiced; finance decides on new orders.",
            severity=Severity.WARNING,
            hold_on="customer",
        )


def _lines(case: DocumentCase) -> Iterator[Finding]:
    if not any(line.kind is not LineKind.TEXT for line in case.deal.lines):
        yield Finding(
            code="no_lines",
            message=f"{label(case.deal)} has no lines to invoice.",
            hint="Add its products to the deal.",
            hold_on="deal",
        )
    stated = case.deal.stated_total
    lines = sold_amount(case.deal)
    if stated is not None and case.deal.lines and stated != lines:
        yield Finding(
            code="amount_not_lines",
            message=f"{label(case.deal)} says {stated}, its lines add up to {lines}.",
            hint="Correct the amount or the lines.",
            hold_on="deal",
        )


def _currency(case: DocumentCase, book: BooksPolicy) -> Iterator[Finding]:
    currency = case.deal.currency
    allowed = book.currencies or frozenset({book.base_currency})
    if currency not in allowed:
        yield Finding(
            code="currency_not_allowed",
            message=f"{label(case.deal)} is in {currency or 'no currency'}; {book.connection} "
            f"takes {', '.join(sorted(allowed))}.",
            hint="Change the deal, or books.currency in the configuration.",
            hold_on="configuration",
        )
    if (
        case.target.abilities.currency_on == "customer"
        and case.buyer.record is not None
        and case.buyer.record.currency not in ("", currency)
    ):
        yield Finding(
            code="currency_not_allowed",
            message=f"{label(case.deal)} is in {currency}; {case.buyer.record.name} is invoiced in "
            f"{case.buyer.record.currency} in {book.connection}.",
            hint="Finance changes the customer's currency, or sales the deal's.",
            hold_on="customer",
        )


def _period(case: DocumentCase) -> Iterator[Finding]:
    """Drafts are booked today or later; the day that counts is the day of booking."""
    company = case.target.company
    day = case.today
    first = _first_open_day(company.locked_to, company.first_open_day)
    if first is not None and day < first:
        yield Finding(
            code="period_closed",
            message=f"{label(case.deal)} would be booked {day}; {case.target.connection} is open "
            f"from {first}.",
            hint="Finance chooses the date or opens the period.",
            hold_on="company",
        )
    elif company.last_open_day is not None and day > company.last_open_day:
        yield Finding(
            code="period_closed",
            message=f"{label(case.deal)} would be booked {day}; {case.target.connection} has no "
            f"financial year after {company.last_open_day}.",
            hint="Finance opens the next financial year.",
            hold_on="company",
        )


def _first_open_day(locked_to: date | None, first: date | None) -> date | None:
    after_lock = locked_to + timedelta(days=1) if locked_to else None
    days = [day for day in (after_lock, first) if day is not None]
    return max(days) if days else None


def _decimals(case: DocumentCase, composed: Composed) -> Iterator[Finding]:
    limits = case.target.entity("document").decimals
    foreign = composed.document.currency != case.target.company.currency
    for line in composed.document.lines:
        for name, word in (("quantity", "quantity"), ("unit_price", "price")):
            value: Decimal = getattr(line, name)
            places = limits.get(f"{name}_foreign") if foreign else None
            places = limits.get(name) if places is None else places
            if places is not None and _places(value) > places:
                yield Finding(
                    code="too_many_decimals",
                    message=f"The {word} {value.normalize():f} on line {line.position} of "
                    f"{label(case.deal)} has more than {places} decimals, which "
                    f"{case.target.connection} cannot hold.",
                    hint="Change the unit or the price; it is never rounded in silence.",
                    place=f"lines.{line.position}",
                    hold_on="deal",
                )


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(-int(exponent), 0)


def _dimensions(
    case: DocumentCase, composed: Composed, policy: DocumentPolicy
) -> Iterator[Finding]:
    for wanted in policy.required_dimensions:
        missing = [
            str(line.position)
            for line in composed.document.lines
            if line.kind is not LineKind.TEXT and not line.dimensions.get(wanted)
        ]
        if missing:
            yield Finding(
                code="dimension_missing",
                message=f"{case.target.connection} wants a {wanted.replace('_', ' ')}; "
                f"{label(case.deal)} has none on line {', '.join(missing)}.",
                hint="Fill it on the deal or the line.",
                hold_on="deal",
            )


def _amounts(case: DocumentCase, composed: Composed, policy: DocumentPolicy) -> Iterator[Finding]:
    if composed.sold < 0:
        yield Finding(
            code="total_below_zero",
            message=f"{label(case.deal)} adds up to {composed.sold}.",
            hint="Finance makes a credit note.",
            hold_on="deal",
        )
        return
    for shown in (composed.predicted.totals, composed.predicted.other):
        if shown is None or policy.prices_include_tax:
            continue
        if abs(shown.net - composed.sold) > policy.tolerance:
            yield Finding(
                code="net_differs",
                message=f"{label(case.deal)} is {composed.sold:,.2f}, {case.target.connection} "
                f"would show {shown.net:,.2f}.",
                hint=f"Allow {abs(shown.net - composed.sold):.2f} "
                "(flows.documents.tolerance), or price with fewer decimals.",
                hold_on="deal",
            )


def _references(
    case: DocumentCase, composed: Composed, policy: DocumentPolicy
) -> Iterator[Finding]:
    if policy.require_reference == "never":
        return
    buyer = case.crm_customer
    flagged = buyer is not None and buyer.extra.get("reference_required") is True
    in_books = case.buyer.record
    if in_books is not None and in_books.extra.get("reference_required") is True:
        flagged = True
    if policy.require_reference == "flagged" and not flagged:
        return
    document = composed.document
    if not (document.buyer_reference or document.po_number):
        name = buyer.name if buyer else label(case.deal)
        yield Finding(
            code="buyer_reference_missing",
            message=f"{name} returns e-invoices without its reference.",
            hint=f"Ask the buyer, fill it on {label(case.deal)}.",
            hold_on="deal",
        )


def _duplicates(case: DocumentCase) -> Iterator[Finding]:
    if case.duplicates:
        named = ", ".join(ref.id for ref in case.duplicates)
        yield Finding(
            code="possible_duplicate",
            message=f"{case.target.connection} holds a document that could be "
            f"{label(case.deal)} already: {named}.",
            hint="Say whose it is: tieout exceptions show.",
            hold_on="document",
        )


def is_zero(composed: Composed) -> bool:
    """A zero total is no document: skipped with its reason, tied out at 0.00."""
    return composed.sold == ZERO
