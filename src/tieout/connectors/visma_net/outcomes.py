"""What the vendor's answer to a write means, before anything is read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from tieout.connectors.http.json import loads
from tieout.connectors.visma_net.api import CONTACTS, CREDIT_NOTES, CUSTOMERS, INVOICES
from tieout.connectors.visma_net.errors import Kind, Problem, error_of, problem_of
from tieout.connectors.visma_net.orders import ORDERS
from tieout.connectors.visma_net.values import number_in, text_of, vendor_time
from tieout.core.change import Deferred, Outcome, Rejected, Stale, Unknown, Wire
from tieout.core.errors import ConnectionBrokenError
from tieout.ports import HttpResponse

NEW_INVOICE, NEW_NOTE = "/v2/customerinvoice", "/v2/customercreditnote"
RELEASE = "/action/release"
_NEW = {CUSTOMERS: CUSTOMERS, CONTACTS: CONTACTS, NEW_INVOICE: INVOICES, NEW_NOTE: CREDIT_NOTES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A stored request as what it does: the list, the number where there is one, and the verb."""

    path: str
    number: str = ""
    verb: str = "update"

    @classmethod
    def of(cls, wire: Wire) -> Sent:
        """What a wire does."""
        bare = wire.path.partition("?")[0]
        if wire.method == "POST" and bare in _NEW:
            return cls(path=_NEW[bare], verb="create")
        if bare == ORDERS:
            return cls(path=ORDERS, verb="create")
        if bare.startswith(f"{ORDERS}/"):
            kind, number, *lines = (unquote(part) for part in bare.split("/")[4:])
            gone = wire.method == "DELETE" and not lines
            verb = "delete" if gone else "update"
            return cls(path=ORDERS, number=f"{kind}/{number}", verb=verb)
        verb = {"PUT": "update", "DELETE": "delete"}.get(wire.method, "release")
        bare = bare.removesuffix(RELEASE)
        where = bare.rpartition("/")[0].removesuffix("/internal")
        return cls(path=where, number=number_in(bare), verb=verb)

    @property
    def template(self) -> str:
        """The path with its id replaced, for counts."""
        if self.path == ORDERS:
            return ORDERS if self.verb == "create" else f"{ORDERS}/{{type}}/{{orderId}}"
        tail = RELEASE if self.verb == "release" else ""
        return self.path if self.verb == "create" else f"{self.path}/{{id}}{tail}"


@dataclass(frozen=True, slots=True)
class Done:
    """It was done; ``number`` names what was made or changed."""

    number: str


@dataclass(frozen=True, slots=True)
class Queued:
    """It was queued: what comes of it is told under this id, for a day."""

    id: str


@dataclass(frozen=True, slots=True)
class Triggered:
    """An action was taken on, and whether it works shows in the document alone."""


Answer = Done | Queued | Triggered


def read_answer(wire: Wire, sent: Sent, response: HttpResponse) -> Answer | Outcome:
    """
    What was done, or the outcome where nothing was, or nobody knows.

    Raises `ConnectionBrokenError` where nothing was done and a person is needed.
    """
    (key,) = wire.items
    at = vendor_time(response)
    if not 200 <= response.status < 300:
        return refusal(key, sent, problem_of(response), response)
    if sent.path == ORDERS:
        return _ordered(key, sent, response)
    if response.status == 202:
        queued = text_of(_object(response), "id")
        return Queued(queued) if queued else _unknown(key, "Visma.net queued it without an id.", at)
    if sent.verb == "release":
        told = _object(response)
        if text_of(told, "actionResult") == "Failed":
            reason = text_of(told, "errorInfo") or "Visma.net did not release it."
            problem = Problem(kind=Kind.REJECTED, code="release_failed", message=reason)
            return Rejected(key=key, findings=(problem.finding(),), vendor_time=at)
        return Triggered() if told else _unknown(key, "Visma.net's answer has not its form.", at)
    if sent.verb == "create":
        # The number is told here and nowhere else; without it only a look can tell.
        number = number_in(response.headers.get("location", ""))
        if response.status != 201 or not number:
            return _unknown(key, "Visma.net did not say under which number it was made.", at)
        return Done(number)
    if response.status != 204 and response.body.strip() and not _object(response):
        return _unknown(key, "Visma.net's answer has not its form.", at)
    return Done(sent.number)


def _ordered(key: str, sent: Sent, response: HttpResponse) -> Answer | Outcome:
    """What the order service answers: it is done with 201, or with 202 for what was there."""
    if sent.verb != "create":
        return Done(sent.number)
    where = urlsplit(response.headers.get("location", "")).path.rstrip("/").split("/")
    if response.status != 201 or len(where) < 2 or not where[-1]:
        reason = "The Sales Order service did not say under which number it was made."
        return _unknown(key, reason, vendor_time(response))
    return Done(f"{unquote(where[-2])}/{unquote(where[-1])}")


def refusal(key: str, sent: Sent, problem: Problem, response: HttpResponse) -> Outcome:
    """The outcome of an answer that refuses, or of one that says nothing."""
    at = vendor_time(response)
    match problem.kind:
        case Kind.THROTTLED:
            return Deferred(key=key, retry_after_s=problem.retry_after_s, reason=problem.message,
                            vendor_time=at)  # fmt: skip
        case Kind.UNKNOWN:
            return _unknown(key, problem.message, at)
        case Kind.BROKEN:
            error = error_of(problem)
            assert isinstance(error, ConnectionBrokenError)
            raise error
        case Kind.STALE | Kind.NOT_FOUND if sent.verb != "create":
            # It moved on or is gone: read again and decide anew.
            return Stale(key=key, vendor_time=at)
    if problem.code == "booked" and sent.verb != "create":
        return Stale(key=key, vendor_time=at)
    taken = problem.number_taken or response.status == 409
    return Rejected(
        key=key,
        findings=(problem.finding(),),
        number_taken=taken and sent.path == CUSTOMERS,
        vendor_time=at,
    )


def _unknown(key: str, reason: str, at: Any) -> Unknown:
    return Unknown(key=key, reason=reason, vendor_time=at)


def _object(response: HttpResponse) -> dict[str, Any]:
    try:
        value = loads(response.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
