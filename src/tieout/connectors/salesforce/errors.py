"""What Salesforce's refusals mean for us: one table from its codes to what happens next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tieout.connectors.http.json import loads
from tieout.core.errors import ConnectionBrokenError, SyncError, TransientError
from tieout.core.finding import Finding
from tieout.ports import HttpResponse

LOCK_WAIT_S = 5
QUOTA_WAIT_S = 1800
CONCURRENT_WAIT_S = 5
MAINTENANCE_WAIT_S = 600
MOVED_WAIT_S = 30
MOVED = frozenset({301, 302, 307, 308, 420})
"""Statuses of an org that lives on another host now."""


class Kind(StrEnum):
    """What a refusal leads to."""

    DATA = "data"  # a person changes the record
    SETUP = "setup"  # an administrator changes the org or the settings
    BROKEN = "broken"  # nothing works on this connection
    STALE = "stale"  # read again and decide anew
    LATER = "later"  # passes by itself


@dataclass(frozen=True, slots=True)
class Meaning:
    """Our code for it, what it leads to, and what a person can do."""

    kind: Kind
    code: str
    hint: str = ""
    wait_s: int = 0


_LOCKED = Meaning(Kind.LATER, "record_locked", wait_s=LOCK_WAIT_S)
_QUOTA = Meaning(Kind.LATER, "quota_used", wait_s=QUOTA_WAIT_S)
_SERVICE = Meaning(Kind.LATER, "maintenance", wait_s=MAINTENANCE_WAIT_S)
_SLOW = Meaning(Kind.LATER, "query_slow", wait_s=60)
_RIGHTS = Meaning(
    Kind.SETUP, "rights_missing", "Give the integration user a permission set with that right."
)
_FIELD = Meaning(
    Kind.SETUP, "unknown_field", "Add the field, or give the integration user the right to see it."
)
_API_OFF = Meaning(
    Kind.BROKEN,
    "api_disabled",
    "Give the integration user the right API Enabled; the edition "
    "of the org has to include the API.",
)
_GONE = Meaning(Kind.STALE, "record_gone")
_VALUE = Meaning(Kind.DATA, "value_not_accepted", "Correct the value on the record.")
_RULE = Meaning(Kind.DATA, "rule_refused", "Correct the record, or change the rule.")
_LOCKED_BY_APPROVAL = Meaning(
    Kind.DATA, "record_in_approval", "It is written when the approval is over."
)
_DUPLICATE = Meaning(
    Kind.DATA, "value_taken", "Another record has this value; merge the two, or correct one."
)
_PRICE = Meaning(Kind.DATA, "price_missing", "Add the product to the price book.")
_PROGRAM = Meaning(
    Kind.SETUP, "call_refused", "Run tieout connection check; keep its output for support."
)
_STORAGE = Meaning(Kind.SETUP, "storage_full", "Free data storage in the org.")
_VERSION = Meaning(Kind.BROKEN, "version_gone", "Install a newer release of Tieout.")
_SIGN_IN = Meaning(Kind.BROKEN, "sign_in_withdrawn", "tieout connection rotate")

MEANINGS: Mapping[str, Meaning] = {
    "INVALID_SESSION_ID": _SIGN_IN,
    "INVALID_LOGIN": _SIGN_IN,
    "USER_ACCOUNT_DISABLED": _SIGN_IN,
    "API_DISABLED_FOR_ORG": _API_OFF,
    "API_CURRENTLY_DISABLED": _API_OFF,
    "FUNCTIONALITY_NOT_ENABLED": _API_OFF,
    "UNSUPPORTED_API_VERSION": _VERSION,
    "REQUEST_LIMIT_EXCEEDED": _QUOTA,
    "SERVER_UNAVAILABLE": _SERVICE,
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": _SERVICE,
    "TXN_SECURITY_APEX_ERROR": _SERVICE,
    "REQUEST_RUNNING_TOO_LONG": _SLOW,
    "QUERY_TIMEOUT": _SLOW,
    "UNABLE_TO_LOCK_ROW": _LOCKED,
    "ENTITY_IS_DELETED": _GONE,
    "NOT_FOUND": _GONE,
    "INVALID_CROSS_REFERENCE_KEY": _GONE,
    "INSUFFICIENT_ACCESS_OR_READONLY": _RIGHTS,
    "INSUFFICIENT_ACCESS": _RIGHTS,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _RIGHTS,
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": _RULE,
    "CANNOT_EXECUTE_FLOW_TRIGGER": _RULE,
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": _RULE,
    "DUPLICATES_DETECTED": _DUPLICATE,
    "DUPLICATE_VALUE": _DUPLICATE,
    "DUPLICATE_EXTERNAL_ID": _DUPLICATE,
    "REQUIRED_FIELD_MISSING": _VALUE,
    "STRING_TOO_LONG": _VALUE,
    "NUMBER_OUTSIDE_VALID_RANGE": _VALUE,
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": _VALUE,
    "INVALID_EMAIL_ADDRESS": _VALUE,
    "FIELD_FILTER_VALIDATION_EXCEPTION": _VALUE,
    "FIELD_INTEGRITY_EXCEPTION": _VALUE,
    "FIELD_NOT_UPDATABLE": _VALUE,
    "INVALID_CURRENCY_ISO": _VALUE,
    "ENTITY_IS_LOCKED": _LOCKED_BY_APPROVAL,
    "ENTITY_IS_ARCHIVED": _VALUE,
    "INACTIVE_OWNER_OR_USER": _VALUE,
    "STANDARD_PRICE_NOT_DEFINED": _PRICE,
    "PRICE_NOT_FOUND": _PRICE,
    "LIST_PRICE_NOT_FOUND": _PRICE,
    "INVALID_FIELD": _FIELD,
    "INVALID_FIELD_FOR_INSERT_UPDATE": _FIELD,
    "INVALID_TYPE": _FIELD,
    "STORAGE_LIMIT_EXCEEDED": _STORAGE,
    "MALFORMED_QUERY": _PROGRAM,
    "MALFORMED_ID": _PROGRAM,
    "INVALID_ID_FIELD": _PROGRAM,
    "JSON_PARSER_ERROR": _PROGRAM,
    "QUERY_TOO_COMPLICATED": _PROGRAM,
}
"""Every code that we know. Others are permanent and go to a person, with the vendor's words."""

_UNKNOWN = Meaning(Kind.DATA, "refused", "Correct the record, or ask the Salesforce admin.")
_MAY_HIDE_A_LOCK = {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error of an answer: the vendor's code and words, and the fields it names."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    @property
    def meaning(self) -> Meaning:
        """What it means for us. A trigger that met a lock is a lock."""
        if self.code in _MAY_HIDE_A_LOCK and "UNABLE_TO_LOCK_ROW" in self.message:
            return _LOCKED
        if self.code == "REQUEST_LIMIT_EXCEEDED" and "concurrent" in self.message.lower():
            return Meaning(Kind.LATER, "quota_used", wait_s=CONCURRENT_WAIT_S)
        return MEANINGS.get(self.code, _UNKNOWN)

    def finding(self, record: str) -> Finding:
        """The refusal for people: the org's own rule is shown in its own words."""
        meaning = self.meaning
        named = f" ({', '.join(self.fields)})" if self.fields else ""
        sentences = {
            "rule_refused": f"A rule of the Salesforce org refuses {record}: {self.message}",
            "rights_missing": f"The integration user may not write {record}{named}.",
            "unknown_field": f"A field of {record}{named} does not exist, is hidden from the "
            "integration user, or cannot be written.",
            "value_taken": f"Salesforce has this value on another record than {record}: "
            f"{self.message}",
            "record_in_approval": f"{record} is locked by an approval in Salesforce.",
            "storage_full": "The data storage of the Salesforce org is full.",
            "record_gone": f"{record} is not in Salesforce any more.",
        }
        message = sentences.get(
            meaning.code, f"Salesforce does not take {record}{named}: {self.message}"
        )
        return Finding(
            code=meaning.code,
            message=message,
            hint=meaning.hint,
            place=",".join(self.fields),
            values={"vendor_code": self.code, "vendor_message": self.message},
        )


def names_nothing(refusal: Refusal, record: str) -> Finding:
    """The refusal of a row because of another one that it names."""
    named = f" ({', '.join(refusal.fields)})" if refusal.fields else ""
    return Finding(
        code=refusal.meaning.code,
        message=f"{record} names a record{named} that is not in Salesforce any more: "
        f"{refusal.message}",
        hint="Restore that record, or dismiss this: tieout exceptions show.",
        place=",".join(refusal.fields),
        values={"vendor_code": refusal.code, "vendor_message": refusal.message},
    )


def refusals(body: bytes) -> tuple[Refusal, ...]:
    """The errors of a plain answer; empty where the body is not in the vendor's form."""
    try:
        found = loads(body)
    except ValueError:
        return ()
    if not isinstance(found, list):
        return ()
    return tuple(made for made in map(_refusal, found) if made is not None)


def item_refusals(item: Mapping[str, object]) -> tuple[Refusal, ...]:
    """The errors of one item of a collection's answer."""
    errors = item.get("errors")
    if not isinstance(errors, Sequence) or isinstance(errors, str):
        return ()
    return tuple(made for made in map(_refusal, errors) if made is not None)


def throttled(response: HttpResponse) -> int | None:
    """Seconds to stay away where the org's call limit is reached, else None. Never a 429 here."""
    if response.status == 429:
        return QUOTA_WAIT_S
    if response.status != 403:
        return None
    for refusal in refusals(response.body):
        if refusal.code == "REQUEST_LIMIT_EXCEEDED":
            return refusal.meaning.wait_s
    return None


def read_error(response: HttpResponse) -> SyncError:
    """The error to raise for the answer to a read that is no success."""
    found = refusals(response.body)
    if response.status == 410:
        return ConnectionBrokenError(
            "Salesforce has ended this version of its API.", code="version_gone"
        )
    if response.status in MOVED:
        return TransientError(
            "The Salesforce org has moved to another host; the sign-in is asked again.",
            code="host_moved",
            retry_after_s=MOVED_WAIT_S,
        )
    if not found:
        return TransientError(
            f"Salesforce gave an answer that is not its own ({response.status}).",
            code="answer_garbled",
            retry_after_s=MOVED_WAIT_S,
        )
    first = found[0]
    meaning = first.meaning
    if meaning.kind is Kind.LATER:
        return TransientError(
            f"Salesforce cannot answer now: {first.message}",
            code=meaning.code,
            retry_after_s=meaning.wait_s,
        )
    if meaning.kind is Kind.BROKEN:
        return ConnectionBrokenError(
            f"Salesforce refuses every call: {first.message}", code=meaning.code, hint=meaning.hint
        )
    return ConnectionBrokenError(
        f"Salesforce does not understand what is asked: {first.message}",
        code=meaning.code,
        hint=meaning.hint,
    )


def _refusal(entry: object) -> Refusal | None:
    if not isinstance(entry, Mapping):
        return None
    # A plain answer says errorCode, an item of a collection says statusCode.
    code = entry.get("errorCode") or entry.get("statusCode")
    if not isinstance(code, str):
        return None
    fields = entry.get("fields") or ()
    return Refusal(
        code,
        str(entry.get("message") or ""),
        tuple(str(name) for name in fields) if isinstance(fields, Sequence) else (),
    )
