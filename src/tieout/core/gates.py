"""The gates: everything that must be right before a document is sent, all findings at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from tieout.core.case import DocumentCase
from tieout.core.compose import Composed, label, lines_named, sold_amount
from tieout.core.days import day_in_year, day_words
from tieout.core.digest import plain
from tieout.core.finding import Finding, Severity
from tieout.core.model import Company, Customer, Document, IdState, LineKind
from tieout.core.money import ZERO, minor_units
from tieout.core.numbers import wrong_numbers
from tieout.core.orders import is_order
from tieout.core.policy import INVOICE, INVOICE_DRAFT, SALES_ORDER, BooksPolicy, DocumentPolicy
from tieout.core.tax import Treatment
from tieout.core.vat_checks import number_unchecked


def check(
    case: DocumentCase, composed: Composed, policy: DocumentPolicy, book: BooksPolicy
) -> tuple[Finding, ...]:
    """All that keeps this document from being sent, in a stable order, doubles removed."""
    found = [
        *case.found,
        *_kind(case, composed),
        *composed.findings,
        *case.buyer.findings,
        *_customer(case, policy, composed),
        *_numbers(case, policy),
        *_lines(case),
        *_taxes(case, composed),
        *_currency(case, book),
        *_period(case, composed),
        *_decimals(case, composed),
        *_dimensions(case, composed, policy),
        *_amounts(case, composed, policy),
        *_references(case, composed, policy),
        *_duplicates(case, composed),
        *_earlier(case),
    ]
    unique: dict[tuple[str, str], Finding] = {}
    for finding in found:
        unique.setdefault((finding.code, finding.message), finding)
    return tuple(unique.values())


def errors(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Those that stop; warnings do not."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


KIND_WORDS = {
    INVOICE_DRAFT: "drafts of invoices",
    INVOICE: "invoices that it books",
    SALES_ORDER: "sales orders",
}


def _kind(case: DocumentCase, composed: Composed) -> Iterator[Finding]:
    """The books can make what the settings want; asked before a first document only."""
    makes = case.target.abilities.makes
    if case.state.current is not None or composed.kind in makes:
        return
    allowed = ", ".join(kind for kind in KIND_WORDS if kind in makes)
    yield Finding(
        code="document_kind_not_possible",
        message=f"{case.target.connection} makes no {KIND_WORDS[composed.kind]} for "
        f"{label(case.deal)}; it makes: {allowed}.",
        hint="Set flows.documents.create, or its kinds, to one of these.",
        hold_on="configuration",
    )


def _customer(case: DocumentCase, policy: DocumentPolicy, composed: Composed) -> Iterator[Finding]:
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
    if case.buyer.ref is None and case.buyer.pending is None and not case.buyer.findings:
        yield Finding(
            code="customer_not_in_books",
            message=f"{buyer.name} is not in {case.target.connection}, and nothing makes it there.",
            hint="Switch flows.customers on, or link the customer.",
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
    yield from _credit_stop(case, composed)


def _credit_stop(case: DocumentCase, composed: Composed) -> Iterator[Finding]:
    """Holds orders; work that was delivered is still invoiced."""
    known = [record for record in (case.buyer.record, case.crm_customer) if record is not None]
    if not any(record.credit_stop for record in known):
        return
    order = composed.kind == SALES_ORDER
    name = case.crm_customer.name if case.crm_customer else known[0].name
    yield Finding(
        code="credit_stop",
        message=f"{name} is on credit stop; "
        f"{'order held' if order else 'what was delivered is still invoiced'}.",
        hint="Finance lifts it.",
        severity=Severity.ERROR if order else Severity.WARNING,
        hold_on="customer",
    )


def _numbers(case: DocumentCase, policy: DocumentPolicy) -> Iterator[Finding]:
    buyer = case.crm_customer
    if buyer is None:
        return
    yield from wrong_numbers(buyer)
    vat = buyer.identifier("vat")
    if policy.check_vat_state and vat is not None and vat.state is IdState.UNCHECKED:
        yield number_unchecked(case)


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
            message=f"{label(case.deal)} says {_figure(stated, case)}, its lines add up to "
            f"{_figure(lines, case)}.",
            hint="Correct the amount or the lines.",
            hold_on="deal",
        )

    planned = sum((step.amount for step in case.deal.schedule), ZERO)
    if case.deal.schedule and planned != lines:
        yield Finding(
            code="schedule_not_total",
            message=f"{label(case.deal)} is {_figure(lines, case)}, its instalments add up to "
            f"{_figure(planned, case)}.",
            hint="Correct the last instalment: it is the total less the others.",
            hold_on="deal",
        )


_ABROAD = frozenset(
    {
        Treatment.EU_GOODS_EXEMPT,
        Treatment.EU_SERVICE_REVERSE_CHARGE,
        Treatment.EXPORT_GOODS,
        Treatment.SERVICE_OUTSIDE_EU,
        Treatment.FOREIGN_LOCAL_REVERSE_CHARGE,
    }
)


def _taxes(case: DocumentCase, composed: Composed) -> Iterator[Finding]:
    """Lines taxed at home beside lines that are not: splitting could change the tax."""
    home: list[str] = []
    abroad: list[str] = []
    for line in composed.document.lines:
        answer = case.taxes.get(line.item.number) if line.item is not None else None
        if answer is not None and answer.treatment is not Treatment.HOLD:
            (abroad if answer.treatment in _ABROAD else home).append(str(line.position))
    if home and abroad:
        yield Finding(
            code="tax_mixed",
            message=f"{label(case.deal)} has VAT of this country on {lines_named(home)} and "
            f"none on {lines_named(abroad)}.",
            hint="Finance decides, or sales splits the deal.",
            hold_on="deal",
        )


def _currency(case: DocumentCase, book: BooksPolicy) -> Iterator[Finding]:
    currency = case.deal.currency
    allowed = book.currencies or frozenset({book.base_currency})
    if currency not in allowed:
        base = book.base_currency
        listed = sorted(allowed, key=lambda code: (code != base, code))
        yield Finding(
            code="currency_not_allowed",
            message=f"{label(case.deal)} is in {currency or 'no currency'}; {book.connection} "
            f"takes {', '.join(listed)}.",
            hint="Change the deal or books.currency.",
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


def _period(case: DocumentCase, composed: Composed) -> Iterator[Finding]:
    """Drafts are booked today or later; the day that counts is the day of booking."""
    if composed.kind == SALES_ORDER:
        # An order books nothing.
        return
    company = case.target.company
    day = case.today
    first = _first_open_day(company.locked_to, company.first_open_day)
    if first is not None and day < first:
        yield Finding(
            code="period_closed",
            message=f"{label(case.deal)} would be booked {_day(day, first)}; open from "
            f"{_day(first, day)}.",
            hint="Finance chooses the date.",
            hold_on="company",
        )
    elif company.last_open_day is not None and day > company.last_open_day:
        yield Finding(
            code="period_closed",
            message=f"{label(case.deal)} would be booked {_day(day, company.last_open_day)}; "
            f"{case.target.connection} has no financial year after "
            f"{_day(company.last_open_day, day)}.",
            hint="Finance opens the next financial year.",
            hold_on="company",
        )


def is_open(company: Company, day: date) -> bool:
    """Whether that company's books take a document on that day, as far as is known."""
    first = _first_open_day(company.locked_to, company.first_open_day)
    last = company.last_open_day
    return (first is None or day >= first) and (last is None or day <= last)


def _day(day: date, beside: date) -> str:
    """28 Sep, with its year where the other day of the sentence is in another one."""
    return day_words(day) if day.year != beside.year else day_in_year(day)


def _figure(amount: Decimal, case: DocumentCase) -> str:
    """1,024,390.01, in the decimals of the deal's currency; finer ones are shown."""
    places = max(minor_units(case.deal.currency), _places(amount))
    return f"{amount:,.{places}f}"


def _first_open_day(locked_to: date | None, first: date | None) -> date | None:
    after_lock = locked_to + timedelta(days=1) if locked_to else None
    days = [day for day in (after_lock, first) if day is not None]
    return max(days) if days else None


def _decimals(case: DocumentCase, composed: Composed) -> Iterator[Finding]:
    limits = case.target.entity("document").decimals
    foreign = _foreign(case)
    for line in composed.document.lines:
        for name, word in (
            ("quantity", "quantity"),
            ("unit_price", "price"),
            ("discount", "discount"),
        ):
            value: Decimal = getattr(line, name)
            places = limits.get(f"{name}_foreign") if foreign else None
            places = limits.get(name) if places is None else places
            if places is not None and _places(value) > places:
                yield Finding(
                    code="too_many_decimals",
                    message=f"The {word} {plain(value)} on line {line.position} of "
                    f"{label(case.deal)} has more than {places} decimals, which "
                    f"{case.target.connection} cannot hold.",
                    hint="Change the unit or the price; it is never rounded in silence.",
                    place=f"lines.{line.position}",
                    hold_on="deal",
                )


def _foreign(case: DocumentCase) -> bool:
    """Another currency or another country than the company's: some books then take finer prices."""
    company = case.target.company
    if case.deal.currency != company.currency:
        return True
    address = case.crm_customer.address("billing") if case.crm_customer else None
    country = address.country if address else ""
    return bool(country and company.country and country != company.country)


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
            priced = [line for line in composed.document.lines if line.kind is not LineKind.TEXT]
            where = "" if len(missing) == len(priced) else f" on {lines_named(missing)}"
            yield Finding(
                code="dimension_missing",
                message=f"{case.target.connection} wants a {wanted.replace('_', ' ')}; "
                f"{label(case.deal)} has none{where}.",
                hint=_fill(wanted, policy),
                hold_on="deal",
                values={"dimension": wanted, "lines": ", ".join(missing)},
            )


def _fill(dimension: str, policy: DocumentPolicy) -> str:
    """The field to fill by its own name, where the mapping reads it from one."""
    for rule in policy.line_fields:
        if rule.target == f"dimensions.{dimension}":
            name = rule.text.rsplit(".", 1)[-1].strip()
            if name.replace("_", "").isalnum():
                return f"Fill {name}."
    return "Fill it on the deal or the line."


def _amounts(case: DocumentCase, composed: Composed, policy: DocumentPolicy) -> Iterator[Finding]:
    if composed.sold < 0:
        yield Finding(
            code="total_below_zero",
            message=f"{label(case.deal)} adds up to {_figure(composed.sold, case)}.",
            hint="Finance makes a credit note.",
            hold_on="deal",
        )
        return
    if policy.prices_include_tax and not case.deal.schedule:
        # Then what was sold is what the prediction leaves when the VAT is taken out.
        return
    figures = (composed.predicted.totals, composed.predicted.other)
    shown = [totals.net for totals in figures if totals is not None]
    worst = max(shown, key=lambda net: abs(net - composed.sold))
    gap = abs(worst - composed.sold)
    if gap > policy.tolerance:
        places = minor_units(case.deal.currency)
        yield Finding(
            code="net_differs",
            message=f"{label(case.deal)} is {_figure(composed.sold, case)}, "
            f"{case.target.connection} would show {_figure(worst, case)}.",
            hint=f"Allow {_figure(gap, case)}, or price with {_WORDS.get(places, places)} "
            "decimals.",
            hold_on="deal",
        )


_WORDS = {0: "no", 2: "two", 3: "three"}


def _references(
    case: DocumentCase, composed: Composed, policy: DocumentPolicy
) -> Iterator[Finding]:
    if policy.require_reference == "never":
        return
    buyer = case.crm_customer
    if policy.require_reference == "flagged" and not any(
        known is not None and _sends_back(known) for known in (buyer, case.buyer.record)
    ):
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


def _sends_back(customer: Customer) -> bool:
    """Public buyers, and those with an e-invoice address, return what lacks their reference."""
    return (
        customer.extra.get("reference_required") is True
        or customer.identifier("einvoice") is not None
    )


# An invoice made by hand is dated on the day of the deal or later; offers are closed a bit late.
_EARLIER_DAYS = 7


def _duplicates(case: DocumentCase, composed: Composed) -> Iterator[Finding]:
    """Before a first document: one that somebody made by hand, or another program."""
    if case.state.current is not None or case.state.verdict == "none_of_these":
        return
    # A close date that is still to come says nothing: the deal is won, and was invoiced by now.
    closed = min(case.deal.close_date, case.today) if case.deal.close_date else None
    since = closed - timedelta(days=_EARLIER_DAYS) if closed else None
    found = [
        document
        for document in case.alike
        if document.currency == case.deal.currency
        # Finance invoices an order of its own: only who makes orders asks about other orders.
        and (composed.kind == SALES_ORDER or not is_order(document))
        and (since is None or document.issue_date is None or document.issue_date >= since)
    ]
    if not found:
        return
    named = ", ".join(_called(document) for document in found)
    yield Finding(
        code="possible_duplicate",
        message=f"{case.target.connection} holds {named} of this customer over the same net; "
        f"no deal has it, so it could be {label(case.deal)}.",
        hint="Say whether it is: tieout exceptions show.",
        hold_on="document",
        values={"candidates": " ".join(doc.ref.id for doc in found if doc.ref is not None)},
    )


def _earlier(case: DocumentCase) -> Iterator[Finding]:
    """
    A document that the step had before stands again (a credit note was taken back, a draft got back
    from the bin): another one beside it would invoice the deal twice.
    """
    if not case.earlier:
        return
    named = ", ".join(_called(document) for document in case.earlier)
    yield Finding(
        code="former_document_stands",
        message=f"{named} of {label(case.deal)} was thought to be gone, and is there in "
        f"{case.target.connection}; nothing is made beside it.",
        hint="Say whether it is the one, or not ours: tieout exceptions show. Or finance credits "
        "or deletes it.",
        hold_on="document",
        values={"candidates": " ".join(doc.ref.id for doc in case.earlier if doc.ref is not None)},
    )


def _called(document: Document) -> str:
    name = document.number or (document.ref.id if document.ref is not None else "")
    day = f" of {document.issue_date}" if document.issue_date is not None else ""
    word = "order" if is_order(document) else "invoice" if document.booked else "draft"
    return f"{word} {name}{day}"


def is_zero(case: DocumentCase, composed: Composed) -> bool:
    """A zero total is no document: skipped with its reason, tied out at 0.00."""
    priced = any(line.kind is not LineKind.TEXT for line in case.deal.lines)
    return priced and composed.sold == ZERO and case.deal.stated_total in (None, ZERO)
