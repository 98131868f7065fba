"""What the vendor's error codes mean for us. Codes first, statuses second (texts only for 4002)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.http.tokens import retry_after_s
from tieout.connectors.http.waits import seconds_in
from tieout.connectors.visma_eaccounting.values import vendor_time
from tieout.core.errors import ConnectionBrokenError, SyncError, TransientError
from tieout.core.finding import Finding
from tieout.ports import HttpResponse


class Kind(StrEnum):
    """What happens next after an error."""

    REJECTED = "rejected"
    NOT_FOUND = "not_found"
    BROKEN = "broken"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"
    FILTER = "filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error answer in our words. ``retry_after_s`` only where it is about too many calls."""

    kind: Kind
    code: str
    message: str
    hint: str = ""
    number_taken: bool = False
    retry_after_s: int = 60
    vendor_code: int = 0
    reference: str = ""

    def finding(self) -> Finding:
        """The problem as something a person can read and act on."""
        values = {"vendor_code": str(self.vendor_code), "vendor_reference": self.reference}
        return Finding(code=self.code, message=self.message, hint=self.hint, values=values)


_PERIOD = ("period_closed", "The day on which it would be booked is in a closed period.")
_TAX = (
    "tax_unresolved",
    "The account coding of an article has no account for this customer's VAT situation.",
)
_REJECTED: dict[int, tuple[str, str]] = {
    2000: ("value_not_accepted", "Visma does not accept a value."),
    3001: ("period_closed", "There is no fiscal year for that day in Visma."),
    3002: ("account_missing", "An account that is needed does not exist in Visma."),
    3003: ("rights_missing", "The user of this connection may not approve this in Visma."),
    4001: ("has_dependencies", "Visma does not delete it: other records depend on it."),
    4008: ("number_wrong", "A number has a wrong check digit."),
    4009: ("not_in_plan", "The company's Visma plan does not include this."),
    4013: _PERIOD,
    4014: ("buyer_reference_missing", "The e-invoice needs the buyer's reference."),
    4015: ("buyer_reference_missing", "The e-invoice needs a reference code."),
    4017: ("electronic_address_missing", "The e-invoice needs an electronic address."),
    4023: ("date_in_future", "The date must not be in the future."),
    4024: _TAX,
    4025: ("number_unchecked", "Visma does not accept the VAT number, or VIES is silent."),
    4026: _PERIOD,
    4027: ("tax_unresolved", "A row's reverse charge does not fit its article."),
    4028: ("value_not_accepted", "The order cannot be voided."),
    4029: ("number_wrong", "A personal number is wrong."),
    4030: ("number_wrong", "The payment reference is wrong."),
    4033: ("rights_missing", "The approval flow of the company does not allow this."),
    4035: ("tax_unresolved", "VAT cannot be forced for a customer inside the EU."),
    4037: _PERIOD,
    4038: _PERIOD,
    4039: ("value_not_accepted", "A domestic invoice takes no domestic amount."),
    4100: ("number_unchecked", "A register that Visma asks gave no good answer."),
    5003: ("item_not_usable", "An article cannot be used like this."),
    5004: ("item_not_usable", "An article cannot be used like this."),
    5005: ("dimension_ended", "The project has ended."),
    5006: ("dimension_ended", "The cost centre is not active."),
    5007: ("not_found", "Something that the document refers to does not exist in Visma."),
}
_BROKEN: dict[int, tuple[str, str, str]] = {
    4003: (
        "setup_unfinished",
        "The start-up guide of the company is not finished.",
        "Finish it in the program.",
    ),
    4004: ("company_inactive", "The company is not active in Visma.", "Ask Visma."),
    4005: ("sign_in_withdrawn", "Visma no longer accepts our sign-in.", ""),
    4006: (
        "scope_missing",
        "The sign-in lacks a right that this needs.",
        "Sign in again and grant all rights.",
    ),
    4007: (
        "rights_missing",
        "The user of this connection lacks a right in Visma.",
        "Ask the administrator of the company.",
    ),
    4011: ("rights_missing", "This user has no access to the company.", ""),
    4012: (
        "licence_not_accepted",
        "The licence agreement is not accepted.",
        "Somebody has to accept it in the program.",
    ),
    4019: ("rights_missing", "The user of this connection may only read in Visma.", ""),
    4034: (
        "sandbox_client",
        "A sandbox client cannot work with a live company.",
        "Use the client id for production, or a sandbox company.",
    ),
}
_TOO_MANY = 4010
# Without the vendor's clock a date in its header tells no wait.
_NO_CLOCK = datetime.max.replace(tzinfo=UTC)
_SECONDS = re.compile(r"in (\d+) seconds")


def problem_of(response: HttpResponse) -> Problem:
    """What an answer outside 200 to 299 means, by its code, and by its status where it has none."""
    body = _body(response)
    code = _code(body)
    text = str(body.get("DeveloperErrorMessage") or "")
    reference = str(body.get("ErrorId") or "")
    found = _by_code(code, text, response.status) if code else None
    if found is None:
        found = _by_status(response)
    kind, name, message, hint, taken = found
    return Problem(
        kind=kind,
        code=name,
        message=_with_detail(message, body, text, name),
        hint=hint,
        number_taken=taken,
        retry_after_s=wait_s(response, text),
        vendor_code=code,
        reference=reference,
    )


def throttled(response: HttpResponse) -> int | None:
    """Seconds to wait where the answer says 'too many calls', by its code or status; else None."""
    if response.status < 400:
        return None
    body = _body(response)
    if response.status != 429 and _code(body) != _TOO_MANY:
        return None
    return wait_s(response, str(body.get("DeveloperErrorMessage") or ""))


def wait_s(response: HttpResponse, text: str) -> int:
    """How long to wait: the header, else the seconds in the text, else a minute."""
    asked = retry_after_s(response.headers, vendor_time(response) or _NO_CLOCK)
    if asked:
        return asked
    told = _SECONDS.search(text)
    seconds = seconds_in(told.group(1)) if told else None
    return 60 if seconds is None else seconds


def error_of(problem: Problem) -> SyncError:
    """A problem of a reading call as an error: broken needs a person, all else may pass."""
    if problem.kind is Kind.BROKEN:
        return ConnectionBrokenError(problem.message, code=problem.code, hint=problem.hint)
    if problem.kind is Kind.THROTTLED:
        return TransientError(
            problem.message, code="quota_used", retry_after_s=problem.retry_after_s
        )
    return TransientError(problem.message, code=problem.code, hint=problem.hint)


_Found = tuple[Kind, str, str, str, bool]


def _by_code(code: int, text: str, status: int) -> _Found | None:
    if code == 4002:
        # One code for two things: only the status or the text tells them apart.
        if status == 403 or "No access to module" in text:
            return (
                Kind.BROKEN,
                "not_in_plan",
                "The company's Visma plan lacks the module for this (the API is one itself).",
                "Signing in again does not help; the plan has to include it.",
                False,
            )
        return Kind.REJECTED, "value_not_accepted", "Visma cannot create or change it.", "", False
    if code == _TOO_MANY:
        return Kind.THROTTLED, "quota_used", "Visma asks for fewer calls.", "", False
    if code == 4000:
        return Kind.REJECTED, "number_taken", "The number is used already in Visma.", "", True
    if code == 3000:
        message = "Something that this refers to does not exist in Visma."
        return Kind.NOT_FOUND, "not_found", message, "", False
    if code in (6000, 6001):
        return Kind.FILTER, "filter_not_supported", "Visma does not know this filter.", "", False
    if code in (5000, 5001, 5002):
        return Kind.UNKNOWN, "outcome_unknown", "Visma had an error of its own.", "", False
    if code in _BROKEN:
        name, message, hint = _BROKEN[code]
        return Kind.BROKEN, name, message, hint, False
    if code in _REJECTED:
        name, message = _REJECTED[code]
        return Kind.REJECTED, name, message, "", False
    return None


def _by_status(response: HttpResponse) -> _Found:
    status = response.status
    if status == 429:
        return Kind.THROTTLED, "quota_used", "Visma asks for fewer calls.", "", False
    if status >= 500 or not _body(response):
        # Without the vendor's own form nobody knows who answered: a gateway may have cut it off.
        return Kind.UNKNOWN, "outcome_unknown", "Visma gave no usable answer.", "", False
    if status == 404:
        return Kind.NOT_FOUND, "not_found", "It does not exist in Visma.", "", False
    if status == 403:
        return Kind.BROKEN, "rights_missing", "Visma does not allow this.", "", False
    return Kind.REJECTED, "value_not_accepted", "Visma does not accept it.", "", False


def _with_detail(message: str, body: dict[str, Any], text: str, name: str) -> str:
    """The message with the vendor's fields behind it where only they say what is meant."""
    if name not in ("value_not_accepted", "not_found", "number_wrong", "account_missing"):
        return message
    fields = [
        str(error.get("Field"))
        for error in body.get("Errors") or ()
        if isinstance(error, dict) and error.get("Field")
    ]
    detail = ", ".join(fields) or text.partition(" - ")[2] or text
    return f"{message} ({detail})" if detail else message


def _code(body: dict[str, Any]) -> int:
    """The vendor's code, also one in quotes; 0 where there is none."""
    code = body.get("ErrorCode")
    if isinstance(code, str) and code.isdecimal():
        return int(code)
    return code if isinstance(code, int) else 0


def _body(response: HttpResponse) -> dict[str, Any]:
    try:
        value = loads(response.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
