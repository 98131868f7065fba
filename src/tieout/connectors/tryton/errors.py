"""
What Tryton's answers mean for us. Texts are its only codes, so the user's language is English.

Business errors come with status 200. What is no well-formed answer of the server's own is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.tryton.values import decoded
from tieout.core.errors import ConnectionBrokenError, SyncError, TransientError
from tieout.core.finding import Finding, Severity
from tieout.ports import HttpResponse


class Kind(StrEnum):
    """What happens next after an error."""

    REJECTED = "rejected"
    DUPLICATE_KEY = "duplicate_key"
    NUMBER_TAKEN = "number_taken"
    STALE = "stale"
    NOT_FOUND = "not_found"
    ASKS = "asks"
    BROKEN = "broken"
    SIGNED_OUT = "signed_out"
    LATER = "later"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error answer in our words; ``told`` is the server's own text."""

    kind: Kind
    code: str
    message: str
    hint: str = ""
    told: str = ""
    name: str = ""
    retry_after_s: int = 60
    values: dict[str, str] = field(default_factory=dict)

    def finding(self) -> Finding:
        """The problem as something a person can read and act on."""
        values = {"tryton": self.told[:500], **self.values}
        if self.name:
            values["warning"] = self.name
        return Finding(
            code=self.code,
            message=self.message,
            hint=self.hint,
            values={name: value for name, value in values.items() if value},
        )


@dataclass(frozen=True, slots=True)
class _Text:
    """What a text means: a pattern of its fixed part, our code, a sentence, what to do."""

    pattern: re.Pattern[str]
    kind: Kind
    code: str
    message: str = ""
    hint: str = ""


def _text(pattern: str, kind: Kind, code: str, message: str = "", hint: str = "") -> _Text:
    return _Text(re.compile(pattern, re.S), kind, code, message, hint)


_R = Kind.REJECTED
_PERIOD = "Finance opens the period, or the document is dated in an open one."
# In the order in which they are tried: the narrow ones first.
_TEXTS = (
    _text(r"The Tieout key must be unique", Kind.DUPLICATE_KEY, "already_there"),
    _text(r"The code on party must be unique", Kind.NUMBER_TAKEN, "number_taken",
          "The code is used already in Tryton."),
    _text(r"closed journal-period", _R, "period_closed", "",
          "Finance reopens the journal of that period: closing a period closes its journals too, "
          "and reopening the period does not open them again."),
    _text(r"you must reopen the (period|fiscal year) ", _R, "period_closed", "", _PERIOD),
    _text(r"you must create a period for the date ", _R, "period_closed", "",
          "Finance opens the fiscal year."),
    _text(r"A tax can be added only once to an invoice line", _R, "tax_unresolved",
          "A line names a tax that is not there in Tryton.",
          "Tryton says so of an unknown tax too."),
    _text(r'for field "Invoice" in "Account Invoice Line" does not exist', _R, "item_not_usable",
          "A line names something that is not there in Tryton, such as a product."),
    _text(r'for field "Product".* is not valid according to its domain', _R, "item_not_usable",
          "A product cannot be sold like this.", "Make it salable in Tryton, with a sales unit."),
    _text(r'for field "(Customer )?Taxes".* is not valid according to its domain', _R,
          "tax_unresolved", "A line has a tax that does not fit a sale of this company."),
    _text(r"The number of digits in the value .* exceeds the limit", _R, "value_too_fine"),
    _text(r'^The .* "[^"]*" for party ".*" is not valid', _R, "number_wrong", "",
          "Correct the number on the account."),
    _text(r"^A value is required for field ", _R, "value_not_accepted"),
    _text(r"is not valid according to its domain", _R, "value_not_accepted"),
    _text(r"The value .* for field .* does not exist", Kind.NOT_FOUND, "not_found"),
    _text(r"You can not call \"", Kind.STALE, "wrong_state"),
    _text(r"You cannot modify invoice .* because it is posted, paid or cancelled", Kind.STALE,
          "wrong_state"),
    _text(r"You cannot add lines to invoice .* no longer in a draft state", Kind.STALE,
          "wrong_state"),
    _text(r"You cannot (delete|modify|add) .*(posted|cancelled|draft|paid)", Kind.STALE,
          "wrong_state"),
    _text(r"To delete invoice .* you must (cancel|reset)", Kind.STALE, "wrong_state"),
    _text(r"To number the invoice .* you must set an invoice date after", _R, "value_not_accepted",
          "", "Leave the invoice date empty: numbers follow the dates."),
    _text(r"No rate found for currency ", _R, "currency_not_allowed", "",
          "Finance enters the rate."),
    _text(r"must equal the source value", _R, "total_differs", "",
          "Finance compares the document with what was sold."),
    _text(r"could not be deleted because they are used by ", _R, "has_dependencies"),
    _text(r"don't exist", Kind.NOT_FOUND, "not_found"),
    _text(r"fail on at least one of these rules", Kind.BROKEN, "rights_missing", "",
          "Give the user of this connection that company."),
    _text(r"You are not allowed to modify the field ", _R, "value_not_accepted"),
    _text(r"You are not allowed to access ", Kind.BROKEN, "rights_missing", "",
          "Give the user of this connection the group Accounting, and Sales where orders are "
          "wanted."),
)  # fmt: skip
_WARNINGS = (
    ("invoice_date_future", "date_in_future", "The invoice is dated after today."),
    ("invoice_taxes", "tax_unresolved",
     "A line's taxes are others than its product has for this customer."),
    ("invoice_payment_term", "value_not_accepted", "A due date lies before today."),
    ("invoice_similar", "possible_duplicate", "A document like this one is there already."),
)  # fmt: skip


def problem_of(response: HttpResponse) -> Problem | None:
    """What an answer means that is none of success; None for one with a result."""
    if response.status == 200:
        value = _body(response)
        if value is None or ("result" not in value and "error" not in value):
            return _unknown("Tryton's answer has not its form.")
        return _of_error(value["error"]) if "error" in value else None
    return _of_status(response)


def result_of(response: HttpResponse) -> Any:
    """The result of an answer that has one. Raises ValueError for any other."""
    value = _body(response)
    if response.status != 200 or value is None or "result" not in value:
        raise ValueError("no result")
    return decoded(value["result"])


def error_of(problem: Problem) -> SyncError:
    """A problem of a reading call as an error: broken needs a person, all else may pass."""
    if problem.kind in (Kind.BROKEN, Kind.SIGNED_OUT):
        return ConnectionBrokenError(problem.message, code=problem.code, hint=problem.hint)
    if problem.kind is Kind.LATER:
        return TransientError(
            problem.message, code=problem.code, retry_after_s=problem.retry_after_s
        )
    if problem.kind is Kind.UNKNOWN:
        return TransientError(problem.message)
    return TransientError(f"{problem.message} {problem.hint}".strip(), code=problem.code)


def throttled(response: HttpResponse) -> int | None:
    """None always: only sign-ins are limited, and those are no calls of the client's."""
    del response
    return None


def warning_finding(name: str, told: str) -> Finding:
    """A question of Tryton's as a finding: a person answers it, we never do."""
    for suffix, code, message in _WARNINGS:
        if name.endswith(suffix):
            return Finding(
                code=code,
                message=f"{message} Tryton asks: {told}",
                hint="A person answers it in Tryton, where the document is posted.",
                severity=Severity.ERROR,
                values={"warning": name},
            )
    return Finding(
        code="value_not_accepted",
        message=f"Tryton asks: {told}",
        hint="A person answers it in Tryton.",
        values={"warning": name},
    )


def _of_error(error: object) -> Problem:
    parts = error if isinstance(error, list) else [str(error)]
    name = str(parts[0]) if parts else ""
    detail = parts[1] if len(parts) > 1 else ""
    texts = detail if isinstance(detail, list) else [detail]
    told = str(texts[0]) if texts else ""
    match name:
        case "UserError":
            return _of_text(told, str(texts[1]) if len(texts) > 1 and texts[1] else "")
        case "UserWarning":
            asked = str(texts[1]) if len(texts) > 1 else ""
            found = warning_finding(told, asked)
            return Problem(kind=Kind.ASKS, code=found.code, message=found.message,
                           hint=found.hint, told=asked, name=told)  # fmt: skip
        case "ConcurrencyException":
            return Problem(kind=Kind.STALE, code="stale", message="It was changed meanwhile.",
                           told=told)  # fmt: skip
        case "LoginException":
            return Problem(kind=Kind.BROKEN, code="sign_in_withdrawn",
                           message="Tryton asks for more than a password to sign in.",
                           hint="Let the user of this connection sign in by password alone.",
                           told=told)  # fmt: skip
    # The text of an exception: an unknown field or value, or an error of the server's own. It is
    # a whole answer, and an exception rolls back: nothing was done, and it will not pass.
    return Problem(
        kind=Kind.REJECTED,
        code="value_not_accepted",
        message=f"Tryton could not understand the call ({name[:200]}).",
        hint="Field names differ between series: tieout connection test.",
        told=name,
    )


def _of_text(told: str, description: str) -> Problem:
    whole = f"{told} {description}".strip()
    for known in _TEXTS:
        if known.pattern.search(whole):
            message = known.message or _sentence(told)
            detail = f" Tryton says: {_sentence(told)}" if known.message else ""
            return Problem(kind=known.kind, code=known.code, message=message + detail,
                           hint=known.hint, told=whole)  # fmt: skip
    return Problem(
        kind=Kind.REJECTED,
        code="value_not_accepted",
        message=f"Tryton does not accept it: {_sentence(told)}",
        told=whole,
    )


def _of_status(response: HttpResponse) -> Problem:
    status = response.status
    if status == 401:
        return Problem(kind=Kind.SIGNED_OUT, code="sign_in_withdrawn",
                       message="Tryton does not know this session any more.")  # fmt: skip
    if status == 403:
        return Problem(kind=Kind.BROKEN, code="rights_missing",
                       message="Tryton does not publish that call to this user.")  # fmt: skip
    if status == 404:
        return Problem(kind=Kind.BROKEN, code="not_found",
                       message="There is no such database on this server.",
                       hint="Correct the database of the connection.")  # fmt: skip
    if status == 409:
        return Problem(kind=Kind.STALE, code="stale", message="It was changed meanwhile.")
    if status == 413:
        return Problem(kind=Kind.REJECTED, code="value_not_accepted",
                       message="The call is larger than the server takes.")  # fmt: skip
    if status in (400, 405, 422) and b"<" in response.body[:200]:
        told = _html_text(response.body)
        return Problem(kind=Kind.REJECTED, code="value_not_accepted",
                       message=f"Tryton could not understand the call ({told}).",
                       told=told)  # fmt: skip
    if status == 429:
        return Problem(kind=Kind.LATER, code="quota_used", retry_after_s=300,
                       message="Tryton asks for fewer calls.")  # fmt: skip
    if status == 503 and b"could not serialize access" in response.body:
        # Rolled back by the database itself: certainly not done.
        return Problem(kind=Kind.LATER, code="quota_used", retry_after_s=2,
                       message="Others write the same rows in Tryton just now.")  # fmt: skip
    return _unknown("Tryton gave no usable answer.")


def _unknown(message: str) -> Problem:
    return Problem(kind=Kind.UNKNOWN, code="outcome_unknown", message=message)


def _sentence(told: str) -> str:
    text = " ".join(told.split())
    if not text:
        return "nothing more."
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _html_text(body: bytes) -> str:
    text = re.sub(r"<[^>]+>", " ", body.decode("utf-8", "replace"))
    return " ".join(text.split())[:200]


def _body(response: HttpResponse) -> dict[str, Any] | None:
    try:
        value = loads(response.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
