"""What the server's answer to a write means, one outcome for each item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.tryton.errors import Kind, Problem, error_of, problem_of, result_of
from tieout.connectors.tryton.values import vendor_time
from tieout.core.change import AlreadyApplied, Deferred, Outcome, Rejected, Stale, Unknown, Wire
from tieout.core.errors import ConnectionBrokenError
from tieout.ports import HttpResponse

# Certainly not done, and the same list would be refused again.
_REFUSALS = (
    Kind.REJECTED,
    Kind.DUPLICATE_KEY,
    Kind.NUMBER_TAKEN,
    Kind.NOT_FOUND,
    Kind.ASKS,
    Kind.STALE,
)
LIST_REFUSED = "list_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A stored request as what it does: the model, the verb, and the ids that it is about."""

    model: str
    verb: str
    ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, body: bytes) -> Sent:
        """What a body does. Raises ValueError for one that is none of ours."""
        value = loads(body)
        method = str(value["method"])
        if method.startswith("wizard."):
            return cls(model=method.removeprefix("wizard.").rpartition(".")[0], verb="wizard")
        model, _, verb = method.removeprefix("model.").rpartition(".")
        params = value["params"]
        ids = tuple(n for n in params[0] if isinstance(n, int)) if verb != "create" else ()
        return cls(model=model, verb=verb, ids=ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An answer that says that it was done: the ids of what was made, in the order sent."""

    ids: tuple[int, ...]
    at: datetime | None
    result: Any = None


def read_answer(wire: Wire, sent: Sent, response: HttpResponse) -> Done | list[Outcome]:
    """
    What was done, or the outcomes where nothing was, or nobody knows.

    Raises `ConnectionBrokenError` where nothing was done and a person is needed. A list of which
    one was refused is not done at all: its items are put off, to go in smaller ones at once.
    """
    at = vendor_time(response)
    problem = problem_of(response)
    if problem is None:
        return _done(wire, sent, response, at)
    if problem.kind in (Kind.BROKEN, Kind.SIGNED_OUT):
        error = error_of(problem)
        assert isinstance(error, ConnectionBrokenError)
        raise error
    if len(wire.items) > 1 and problem.kind in _REFUSALS:
        reason = f"{LIST_REFUSED}: {problem.message}"[:500]
        return [Deferred(key=key, retry_after_s=0, reason=reason, vendor_time=at)
                for key in wire.items]  # fmt: skip
    return [_refusal(key, sent, problem, at) for key in wire.items]


def _done(
    wire: Wire, sent: Sent, response: HttpResponse, at: datetime | None
) -> Done | list[Outcome]:
    result = result_of(response)
    if sent.verb == "create":
        made = result if isinstance(result, list) else []
        if len(made) != len(wire.items) or not all(isinstance(n, int) for n in made):
            return unknown(wire.items, "Tryton's answer does not name what was made.", at)
        return Done(ids=tuple(made), at=at, result=result)
    if sent.verb == "wizard" and isinstance(result, dict) and result.get("view"):
        # It asks on: the open amount is another one by now, and nothing was written.
        return [Stale(key=key, vendor_time=at) for key in wire.items]
    return Done(ids=sent.ids, at=at, result=result)


def _refusal(key: str, sent: Sent, problem: Problem, at: datetime | None) -> Outcome:
    match problem.kind:
        case Kind.UNKNOWN:
            return Unknown(key=key, reason=problem.message, vendor_time=at)
        case Kind.LATER:
            return Deferred(key=key, retry_after_s=problem.retry_after_s, reason=problem.message,
                            vendor_time=at)  # fmt: skip
        case Kind.DUPLICATE_KEY:
            return AlreadyApplied(key=key, ref=None, vendor_time=at)
        case Kind.STALE:
            return Stale(key=key, vendor_time=at)
        case Kind.NOT_FOUND if sent.verb != "create":
            # The record itself is gone: read again and decide anew.
            return Stale(key=key, vendor_time=at)
    taken = problem.kind is Kind.NUMBER_TAKEN
    return Rejected(key=key, findings=(problem.finding(),), number_taken=taken, vendor_time=at)


def unknown(keys: Sequence[str], reason: str, at: datetime | None = None) -> list[Outcome]:
    """Nobody knows: only a look can tell."""
    return [Unknown(key=key, reason=reason, vendor_time=at) for key in keys]
