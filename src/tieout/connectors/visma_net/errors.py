"""What the vendor's refusals mean for us. Only the status and a sentence are there to go by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.http.waits import seconds_in
from tieout.core.errors import ConnectionBrokenError, SyncError, TransientError
from tieout.core.finding import Finding
from tieout.ports import HttpResponse

WRONG_TENANT = (
    "Visma.net gives a token and does not take it: its tenant id is that of the customer and not "
    "of the company, or the application was taken off the company."
)


class Kind(StrEnum):
    """What happens next after an error."""

    REJECTED = "rejected"
    NOT_FOUND = "not_found"
    STALE = "stale"
    BROKEN = "broken"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error answer in our words; ``said`` are the vendor's, ``reference`` what support asks."""

    kind: Kind
    code: str
    message: str
    hint: str = ""
    number_taken: bool = False
    retry_after_s: int = 60
    said: str = ""
    reference: str = ""

    def finding(self) -> Finding:
        """The problem as something a person can read and act on."""
        values = {"vendor_message": self.said[:500], "vendor_reference": self.reference}
        return Finding(code=self.code, message=self.message, hint=self.hint, values=values)


_VISMA_ID = re.compile(r"VismaId: ([0-9a-fA-F-]+)\.?\s*")
_MISSING = re.compile(r"'?(\w[\w ]*?)'? '([^']*)' cannot be found in the system", re.I)
# Names of fields in the vendor's sentence about what does not exist.
_FIELDS: Mapping[str, tuple[str, str]] = {
    "inventoryid": ("item_no_code", "Item {0} does not exist in Visma.net."),
    "customerid": ("not_found", "Customer {0} does not exist in Visma.net."),
    "taxcategoryid": ("tax_unresolved", "VAT category {0} does not exist in Visma.net."),
    "taxid": ("tax_unresolved", "No VAT code lies in both the customer's VAT zone and the "
              "category of a line ({0})."),
    "taxzoneid": ("tax_unresolved", "VAT zone {0} does not exist in Visma.net."),
    "termsid": ("terms_unmapped", "Payment terms {0} do not exist in Visma.net."),
    "curyid": ("currency_not_allowed", "Currency {0} is not set up in Visma.net."),
    "subid": ("dimension_unknown", "Subaccount {0} does not exist in Visma.net."),
    "segmentid": ("dimension_unknown", "Segment {0} of the subaccount does not exist."),
    "projectid": ("dimension_unknown", "Project {0} does not exist in Visma.net."),
    "taskid": ("dimension_unknown", "Task {0} of the project does not exist in Visma.net."),
    "branchid": ("dimension_unknown", "Branch {0} does not exist in Visma.net."),
    "accountid": ("account_missing", "Account {0} does not exist in Visma.net."),
    "attributeid": ("attribute_missing", "Attribute {0} is not set up for the customer's class."),
    "adjdrefnbr": ("value_not_accepted", "Document {0} cannot be set off."),
}  # fmt: skip
# Words of the vendor's sentences, the most telling first.
_SIGNS: tuple[tuple[str, str, str], ...] = (
    (r"financial period.*(closed|inactive)|(closed|inactive).*financial period|no financial period",
     "period_closed", "The day on which it would be booked is in a closed period."),
    (r"subaccount.*inactive|segment value.*inactive|'?subaccount'? cannot be empty",
     "dimension_ended", "A value of the subaccount is not active in Visma.net."),
    (r"project task'? cannot be empty", "dimension_missing", "The project needs a task."),
    (r"project .* is (completed|cancelled)", "dimension_ended", "The project has ended."),
    (r"already released", "booked", "It is released already."),
    (r"already exists|another process has added", "number_taken",
     "The number is used already in Visma.net."),
    (r"manual numbering", "number_series",
     "The number series does not take numbers of ours (window CS201010)."),
    (r"takes no [A-Z]{3}|currency.*override", "currency_not_allowed",
     "The customer takes no documents in this currency."),
    (r"attribute .* (not|cannot)", "attribute_missing",
     "The attribute is not set up for the customer's class."),
    (r"stock item", "item_not_usable",
     "A stock item cannot stand on an invoice; it goes through a sales order."),
    (r"inactive|no sales|not sold|cannot be sold|has status", "value_not_accepted",
     "Something in it cannot be used in Visma.net now."),
    (r"post(al)? ?code", "address_incomplete", "The post code has not the form of its country."),
    (r"rounding difference", "value_not_accepted",
     "The rounding of the invoice is above the company's limit."),
)  # fmt: skip


def problem_of(response: HttpResponse) -> Problem:
    """What an answer outside 200 to 299 means: by status, and by its words for the business's."""
    said, reference = words_of(response)
    return replace(_problem(response, said), said=said, reference=reference)


def _problem(response: HttpResponse, said: str) -> Problem:
    status = response.status
    if status == 429:
        return Problem(
            kind=Kind.THROTTLED,
            code="quota_used",
            message="Visma.net asks for fewer calls.",
            retry_after_s=wait_s(response),
        )
    if status == 401:
        return _broken("sign_in_withdrawn", "Visma.net no longer accepts our sign-in.")
    if "12027" in said or (status == 403 and "license" in said.lower()):
        return _broken(
            "licence_missing",
            "The user has no licence for this company in Visma.net.",
            hint="Give them the role API user in the company.",
        )
    if status == 403:
        return _broken(
            "scope_missing",
            "The sign-in lacks a right that this needs.",
            hint="Grant the application read, create, update and delete.",
        )
    if status == 404:
        message = "It does not exist in Visma.net."
        return Problem(kind=Kind.NOT_FOUND, code="not_found", message=message)
    if status == 410:
        message = "Visma.net has forgotten the outcome: it is kept for a day."
        return Problem(kind=Kind.UNKNOWN, code="outcome_unknown", message=message)
    if status in (409, 412, 428):
        message = "Somebody changed it meanwhile."
        return Problem(kind=Kind.STALE, code="stale", message=message)
    # Bad data is answered with 500 as well; only then it has the vendor's own sentence.
    if said and (400 <= status < 500 or _VISMA_ID.search(_raw_message(response))):
        return _business(said)
    return Problem(
        kind=Kind.UNKNOWN,
        code="outcome_unknown",
        message="Visma.net gave no usable answer.",
    )


def business_problem(said: str) -> Problem:
    """The same for a refusal that came as the outcome of a background request or an action."""
    return replace(_business(said), said=said)


def _business(said: str) -> Problem:
    missing = _MISSING.search(said)
    if missing is not None:
        found = _FIELDS.get(missing.group(1).replace(" ", "").lower().removeprefix("error:"))
        if found is not None:
            code, message = found
            return Problem(kind=Kind.REJECTED, code=code, message=message.format(missing.group(2)))
        message = f"{missing.group(1)} {missing.group(2)} does not exist in Visma.net."
        return Problem(kind=Kind.REJECTED, code="not_found", message=message)
    for pattern, code, message in _SIGNS:
        if re.search(pattern, said, re.I):
            return Problem(
                kind=Kind.REJECTED,
                code=code,
                message=message,
                number_taken=code == "number_taken",
            )
    text = said.removeprefix("Error:").removeprefix("Error creating document.").strip()
    message = (
        f"Visma.net does not accept it ({text.rstrip('.')})."
        if text
        else ("Visma.net does not accept it.")
    )
    return Problem(kind=Kind.REJECTED, code="value_not_accepted", message=message)


def _broken(code: str, message: str, *, hint: str = "") -> Problem:
    return Problem(kind=Kind.BROKEN, code=code, message=message, hint=hint)


def throttled(response: HttpResponse) -> int | None:
    """Seconds to wait where the answer says 'too many calls', else None."""
    return wait_s(response) if response.status == 429 else None


def wait_s(response: HttpResponse) -> int:
    """How long to wait: the header, else the seconds in the text, else a minute."""
    asked = seconds_in(response.headers.get("retry-after", ""))
    if asked is None:
        told = re.search(r"in (\d+) seconds", response.body.decode("utf-8", "replace"))
        asked = seconds_in(told.group(1)) if told else None
    return 60 if asked is None else asked


def error_of(problem: Problem) -> SyncError:
    """A problem of a reading call as an error: broken needs a person, all else may pass."""
    if problem.kind is Kind.BROKEN:
        return ConnectionBrokenError(problem.message, code=problem.code, hint=problem.hint)
    if problem.kind is Kind.THROTTLED:
        return TransientError(
            problem.message, code="quota_used", retry_after_s=problem.retry_after_s
        )
    return TransientError(problem.message, code=problem.code, hint=problem.hint)


def words_of(response: HttpResponse) -> tuple[str, str]:
    """The vendor's sentence without its id, and the id that support asks for."""
    raw = _raw_message(response)
    found = _VISMA_ID.search(raw)
    reference = found.group(1) if found else response.headers.get("ipp-request-id", "")
    return _VISMA_ID.sub("", raw).strip()[:4000], reference


def _raw_message(response: HttpResponse) -> str:
    try:
        value = loads(response.body)
    except ValueError:
        text = response.body.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else text
    if isinstance(value, str):
        return value
    return _told(value) if isinstance(value, dict) else ""


def _told(value: dict[str, Any]) -> str:
    """The sentence of a body, in any of the forms that the two hosts and the gateway have."""
    by_name = {name.lower(): told for name, told in value.items()}
    fault = by_name.get("exceptionfaultcode")
    said = by_name.get("message") or by_name.get("exceptionmessage")
    if said:
        return f"{fault}: {said}" if fault else str(said)
    details = by_name.get("details")
    if isinstance(details, list):
        told = [f"{d.get('code')}: {d.get('message')}" for d in details if isinstance(d, dict)]
        if told:
            return "; ".join(told)
    return str(by_name.get("detail") or by_name.get("title") or by_name.get("error") or "")
