"""The words of the report: labels, dates, amounts and the short note of each cause."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from tieout.core.chain import Cause, Part, kind_word
from tieout.core.tieout import CauseTotal, DealRow, Group, Period, PeriodLine, RowKind, TieOut

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

CAUSES = {
    Cause.EXCLUDED_BY_RULE: "excluded by rule",
    Cause.TRIGGER_NOT_YET_TRUE: "trigger not yet true",
    Cause.REMAINING_INSTALMENTS: "remaining instalments",
    Cause.WAITING_FOR_APPROVAL: "waiting for approval",
    Cause.EXCEPTION_OPEN: "exception open",
    Cause.ON_ITS_WAY: "on its way",
    Cause.ROUNDING: "rounding",
    Cause.EDITED_IN_THE_BOOKS: "edited in the books",
    Cause.CANCELLED: "cancelled",
    Cause.ORDERED: "ordered",
    Cause.IN_DRAFT: "in draft",
    Cause.BOOKED_AFTER_CUT_OFF: "booked after the cut-off",
    Cause.CREDITED: "credited",
    Cause.CURRENCY_RATE: "currency rate",
    Cause.ACCEPTED: "accepted",
    Cause.INVOICED_WITHOUT_DEAL: "invoiced without a deal",
    Cause.UNEXPLAINED: "unexplained",
}

GROUPS = {
    Group.STILL_TO_BE_INVOICED: "Still to be invoiced",
    Group.WILL_NOT_BE_INVOICED: "Will not be invoiced",
    Group.RATE_ROUNDING_NO_DEAL: "Rate, rounding, no deal",
}

NOT_ASKED = "Not read for this report; tieout reconcile --receivables reads them."

MOVEMENTS = {
    "invoices": "Invoices",
    "credit_notes": "Credit notes",
    "payments": "Payments allocated",
    "on_account": "Received on account",
    "small_differences": "Small differences",
    "discounts": "Cash discounts",
    "bad_debt": "Bad debt",
    "fees": "Reminder fees",
}

AGES = {
    "not_due": "Not due",
    "days_1_30": "1–30 days",
    "days_31_60": "31–60 days",
    "days_61_90": "61–90 days",
    "over_90": "Over 90 days",
    "fees": "Reminder fees",
    "credits": "Credits not applied",
    "on_account": "On account",
}

_ROUNDING_OF_TOTALS = {"SEK": "Öresavrundning", "NOK": "Øreavrunding", "DKK": "Øreafrunding"}


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def amount(value: Decimal) -> str:
    """1,024,390.01"""
    return f"{value:,.2f}"


def day_short(day: date) -> str:
    """31 Oct"""
    return f"{day.day} {_MONTHS[day.month - 1][:3]}"


def day_long(day: date) -> str:
    """31 Oct 2026"""
    return f"{day_short(day)} {day.year}"


def day_full(day: date) -> str:
    """31 October"""
    return f"{day.day} {_MONTHS[day.month - 1]}"


def moment(at: datetime) -> str:
    """5 Nov 2026, 08:11"""
    return f"{day_long(at.date())}, {at:%H:%M}"


def month(day: date) -> str:
    """October"""
    return _MONTHS[day.month - 1]


def is_month(period: Period) -> bool:
    """True for one whole calendar month."""
    return Period.month(period.start.year, period.start.month) == period


def period_name(period: Period) -> str:
    """October 2026, or 1 Oct to 15 Nov 2026, or 10 to 26 Nov 2026."""
    if is_month(period):
        return f"{month(period.start)} {period.start.year}"
    if period.start == period.end:
        return day_long(period.start)
    if period.start.year == period.end.year:
        same = period.start.month == period.end.month
        start = str(period.start.day) if same else day_short(period.start)
        return f"{start} to {day_long(period.end)}"
    return f"{day_long(period.start)} to {day_long(period.end)}"


def period_short(period: Period) -> str:
    """October, or the period."""
    return month(period.start) if is_month(period) else "the period"


def period_code(period: Period) -> str:
    """2026-10, or 2026-10-01..2026-11-15."""
    if is_month(period):
        return f"{period.start:%Y-%m}"
    return f"{period.start.isoformat()}..{period.end.isoformat()}"


def count(number: int, one: str, many: str = "") -> str:
    """1 deal, 2 deals"""
    return f"{number} {one if number == 1 else many or one + 's'}"


def rounding_of_totals(currency: str) -> str:
    """What the rounding of amounts to pay is called where the currency is used."""
    return _ROUNDING_OF_TOTALS.get(currency, "Rounding of totals")


def _few(texts: Iterable[str], otherwise: str, most: int = 2) -> str:
    """The different texts if they are few, else the phrase."""
    unique = list(dict.fromkeys(t for t in texts if t))
    return ", ".join(unique) if 0 < len(unique) <= most else otherwise


def cause_note(total: CauseTotal) -> str:
    """The evidence of a cause in a few words."""
    parts, number = total.parts, len(total.parts)
    match total.cause:
        case Cause.REMAINING_INSTALMENTS:
            return _days(parts, "due")
        case Cause.EXCEPTION_OPEN:
            return _few((p.ref for p in parts), count(number, "exception"), most=3)
        case Cause.WAITING_FOR_APPROVAL:
            return _few((p.evidence for p in parts), f"{count(number, 'document')} to release", 1)
        case Cause.ROUNDING:
            return "half a cent a line at most"
        case Cause.EDITED_IN_THE_BOOKS:
            return _few(
                (p.evidence for p in parts), f"{count(number, 'document')}, versions kept", 1
            )
        case Cause.ORDERED:
            return f"{count(number, 'order')} to invoice"
        case Cause.IN_DRAFT:
            return f"{count(number, 'draft')} to book"
        case Cause.BOOKED_AFTER_CUT_OFF:
            days = _days(parts, "dated")
            return f"{count(number, 'invoice') if number > 1 else 'invoice'} {days}"
        case Cause.CREDITED:
            return count(number, "credit note")
        case Cause.UNEXPLAINED:
            return "our sum against the ledger's own list"
        case _:
            return _few((p.evidence for p in parts), count(number, "case"))


def _days(parts: Iterable[Part], verb: str) -> str:
    days = sorted({p.day for p in parts if p.day is not None})
    if not days:
        return ""
    if len(days) == 1:
        return f"{verb} {day_short(days[0])}"
    return f"{verb} {day_short(days[0])} to {day_short(days[-1])}"


def deal_note(row: DealRow) -> str:
    """
    What happened to the deal: its own note, else what the figures and evidence say. The deal
    stands beside it and is not named again.
    """
    if row.note:
        return row.note
    if row.parts:
        said = (p.evidence.removeprefix(f"{row.number} ") for p in row.parts)
        return _few(said, count(len(row.parts), "cause"))
    if row.invoiced > 0 and row.paid >= row.invoiced:
        return "paid"
    if row.paid > 0:
        return "part paid"
    return "invoiced" if row.invoiced else ""


def unexplained_sentences(result: TieOut) -> list[tuple[Decimal, str]]:
    """Each unexplained amount by its size, with what it is about; largest first."""
    found: list[tuple[Decimal, str]] = []
    for row in result.rows:
        who = "" if row.kind is RowKind.LEDGER else f"{row.number} {row.customer}: "
        found.extend(
            (abs(part.amount), f"{who}{part.evidence}")
            for part in row.parts
            if part.cause is Cause.UNEXPLAINED
        )
    return sorted(found, key=lambda item: (-item[0], item[1]))


def gap_note(result: TieOut) -> str:
    """15 deals and one invoice without a deal"""
    deals = sum(1 for row in result.deals if row.parts)
    kinds = [kind_word(row.document) for row in result.without_deal if row.parts and row.document]
    said = count(deals, "deal")
    if kinds:
        what = kinds[0] if len(set(kinds)) == 1 else "document"
        said += (
            f" and {f'one {what}' if len(kinds) == 1 else count(len(kinds), what)} without a deal"
        )
    return said


def ledger_line(result: TieOut) -> str:
    """'Ledger's October list, net'; where that was not read, what the sum is instead."""
    period = result.period
    if not result.ledger_read:
        return f"Documents of {period_short(period)} that we read, net"
    return f"Ledger's {month(period.start)} list, net" if is_month(period) else "Ledger's list, net"


def gross_line(period: Period) -> str:
    """The label of its gross sum: 'October documents, gross'."""
    return f"{month(period.start)} documents, gross" if is_month(period) else "Documents, gross"


def period_line(line: PeriodLine, result: TieOut) -> str:
    """The label of a line of the table by period."""
    name = period_short(result.period)
    owner = f"{name}'s deals" if is_month(result.period) else "Deals of the period"
    of_month = f"{month(line.month)} deals" if line.month else ""
    if line.month and line.month.year != result.period.start.year:
        of_month = f"{month(line.month)} {line.month.year} deals"
    labels = {
        "period_deals": f"{owner}, invoiced by {day_full(result.cut_off)}",
        "invoices": f"Invoices in {name} for {of_month}",
        "credits": f"Credits in {name} for {of_month}",
        "dated_before": f"{owner}, invoiced before {day_full(result.period.start)}",
        "after_cut_off": f"{owner}, invoiced after the cut-off",
        "dated_after": f"{owner}, invoiced after {day_full(result.period.end)}",
    }
    return sentence(labels[line.code])
