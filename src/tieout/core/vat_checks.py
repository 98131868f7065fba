"""What a register said, or did not say, of the VAT number that a document depends on."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tieout.core.case import DocumentCase
from tieout.core.days import day_in_year, day_words
from tieout.core.discount import label
from tieout.core.finding import Finding
from tieout.core.tax import NumberCheck

UNCHECKED, NOT_VALID = "number_unchecked", "number_not_valid"
_ASK_AGAIN_S = 1800


def number_unchecked(case: DocumentCase) -> Finding:
    """Unknown holds and is asked again; it is never taken for wrong."""
    check = _check(case)
    wait_s, again = _ASK_AGAIN_S, ""
    if case.now is not None:
        later = case.now + timedelta(seconds=_ASK_AGAIN_S)
        if check is not None and check.next_at is not None:
            later = max(check.next_at, case.now)
        wait_s = max(int((later - case.now).total_seconds()), 1)
        again = f" {_when(case, later)}"
    asked = check is None or check.register != ""
    return Finding(
        code=UNCHECKED,
        message=f"{_named(case)} is unchecked: {_silence(case, check)}. Held, not refused.",
        hint=f"Nothing; asked again{again}." if asked else "Finance finds out and decides.",
        place="identifiers",
        hold_on="customer",
        retry_after_s=wait_s,
        values=_values(case, check),
    )


def number_not_valid(case: DocumentCase) -> Finding:
    """The register said no: a person corrects the number, or learns what the customer is."""
    check = _check(case)
    register = check.register if check and check.register else "The register"
    day = f" ({_when(case, check.asked_at, day=True)})" if check and check.asked_at else ""
    wait_s = None
    if check is not None and check.next_at is not None and case.now is not None:
        wait_s = max(int((check.next_at - case.now).total_seconds()), 1)
    return Finding(
        code=NOT_VALID,
        message=f"{_named(case)}: {register} says that it is not valid{day}.",
        hint="Correct it on the account, or ask the customer; then its deals go on by themselves.",
        place="identifiers",
        hold_on="customer",
        retry_after_s=wait_s,
        values=_values(case, check),
    )


def _check(case: DocumentCase) -> NumberCheck | None:
    return next((answer.check for answer in case.taxes.values() if answer.check), None)


def _named(case: DocumentCase) -> str:
    buyer = case.crm_customer
    vat = buyer.identifier("vat") if buyer is not None else None
    whose = label(case.deal) if buyer is None else buyer.name
    return f"{'The VAT number' if vat is None else f'VAT number {vat.raw}'} of {whose}"


def _silence(case: DocumentCase, check: NumberCheck | None) -> str:
    if check is None:
        return "no register was asked"
    if not check.register:
        return "no register that is asked holds it"
    if not check.fault:
        return f"{check.register} is to be asked"
    since = f" since {_when(case, check.silent_since)}" if check.silent_since else ""
    silent = "tells nothing about it" if check.of_number else "is silent"
    return f"{check.register} {silent}{since} ({check.fault})"


def _when(case: DocumentCase, moment: datetime, *, day: bool = False) -> str:
    """`09:10` for today, else `24 Nov 09:10`, in the time zone of the books."""
    zone = ZoneInfo(case.target.company.time_zone)
    here = moment.astimezone(zone)
    if day:
        return day_words(here)
    today = case.now.astimezone(zone).date() if case.now is not None else case.today
    if here.date() == today:
        return f"{here:%H:%M}"
    return f"{day_in_year(here)} {here:%H:%M}"


def _values(case: DocumentCase, check: NumberCheck | None) -> dict[str, str]:
    """What was asked and answered, for the exception's details."""
    if check is None:
        return {}
    told = {
        "vat_number": check.number,
        "register": check.register,
        "fault": check.fault,
        "asked": _when(case, check.asked_at, day=True) if check.asked_at else "",
        "consultation": check.consultation,
        "name": check.name,
    }
    return {key: value for key, value in told.items() if value}
