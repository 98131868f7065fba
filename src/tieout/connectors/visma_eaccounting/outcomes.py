"""What the vendor's answer to a write means."""

from __future__ import annotations

import re
from datetime import datetime

from tieout.connectors.http.json import loads
from tieout.connectors.visma_eaccounting import documents, translate
from tieout.connectors.visma_eaccounting.errors import Kind, error_of, problem_of
from tieout.connectors.visma_eaccounting.filters import CUSTOMERS, ORDERS
from tieout.connectors.visma_eaccounting.names import Names, draft_ref, invoice_ref, order_ref
from tieout.connectors.visma_eaccounting.values import Payload, text_of, vendor_time
from tieout.core.change import Applied, Deferred, Outcome, Rejected, Stale, Unknown, Wire
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import Customer, Document, ExternalRef
from tieout.ports import HttpResponse

_GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def outcome_of(wire: Wire, response: HttpResponse, names: Names) -> Outcome:
    """The outcome of the wire's one item. Raises `ConnectionBrokenError` where nothing was done
    and nothing will be until a person acts."""
    (key,) = wire.items
    if 200 <= response.status < 300:
        return _accepted(key, wire, response, names)
    return _refusal(key, wire, response)


def template_of(path: str) -> str:
    """The path without query, its ids replaced: the route that the vendor counts."""
    return _GUID.sub("{id}", path.partition("?")[0])


def _accepted(key: str, wire: Wire, response: HttpResponse, names: Names) -> Outcome:
    at = vendor_time(response)
    target = _target(wire.path, names)
    if not response.body.strip():
        if target is None or wire.path.partition("?")[0].endswith("/convert"):
            # Done, yet nobody said under which id.
            return Unknown(key=key, reason="Visma's answer is empty.", vendor_time=at)
        return Applied(key=key, ref=target, vendor_time=at)
    try:
        payload = loads(response.body)
    except ValueError:
        payload = None
    if wire.method == "DELETE":
        if target is not None and _is_json(response, payload):
            return Applied(key=key, ref=target, vendor_time=at)
        return Unknown(key=key, reason="Visma's answer has not its form.", vendor_time=at)
    if not isinstance(payload, dict) or not payload.get("Id"):
        return Unknown(key=key, reason="Visma's answer has not its form.", vendor_time=at)
    try:
        record = _echo(wire.path, payload, names)
    except (ValueError, TypeError, ArithmeticError):
        record = None
    if record is None:
        ref = _ref_of_echo(wire.path, payload, names)
        return Applied(key=key, ref=ref, vendor_time=at)
    assert record.ref is not None
    return Applied(key=key, ref=record.ref, version=record.version, shows=record, vendor_time=at)


def _refusal(key: str, wire: Wire, response: HttpResponse) -> Outcome:
    at: datetime | None = vendor_time(response)
    problem = problem_of(response)
    match problem.kind:
        case Kind.THROTTLED:
            return Deferred(
                key=key,
                retry_after_s=problem.retry_after_s,
                reason=problem.message,
                vendor_time=at,
            )
        case Kind.UNKNOWN:
            return Unknown(key=key, reason=problem.message, vendor_time=at)
        case Kind.BROKEN:
            error = error_of(problem)
            assert isinstance(error, ConnectionBrokenError)
            raise error
        case Kind.NOT_FOUND if _GUID.search(wire.path) and (
            response.status == 404 or _refers_to_nothing(wire)
        ):
            # The record of the path itself is gone: read again and decide anew.
            return Stale(key=key, vendor_time=at)
    return Rejected(
        key=key,
        findings=(problem.finding(),),
        number_taken=problem.number_taken and wire.path == CUSTOMERS,
        vendor_time=at,
    )


def _refers_to_nothing(wire: Wire) -> bool:
    """Whether a request names no other record than that of its path, whose status nobody tells."""
    return wire.method == "DELETE" or wire.path.partition("?")[0].endswith("/convert")


def _is_json(response: HttpResponse, payload: object) -> bool:
    return payload is not None or response.body.strip() == b"null"


def _target(path: str, names: Names) -> ExternalRef | None:
    found = _GUID.search(path)
    if found is None:
        return None
    guid = found.group(0)
    if path.startswith(ORDERS):
        return order_ref(names, guid)
    return names.ref("customer", guid) if path.startswith(CUSTOMERS) else draft_ref(names, guid)


def _echo(path: str, payload: Payload, names: Names) -> Customer | Document | None:
    bare = path.partition("?")[0]
    if bare.startswith(CUSTOMERS + "/") or bare == CUSTOMERS:
        return translate.customer(payload, names)
    if bare.endswith("/convert"):
        return documents.invoice(payload, names)
    if bare.startswith(ORDERS):
        return documents.order(payload, names)
    return documents.draft(payload, names)


def _ref_of_echo(path: str, payload: Payload, names: Names) -> ExternalRef:
    guid = text_of(payload, "Id")
    if path.startswith(CUSTOMERS + "/") or path == CUSTOMERS:
        return names.ref("customer", guid)
    if path.startswith(ORDERS):
        return order_ref(names, guid)
    booked = path.partition("?")[0].endswith("/convert")
    return invoice_ref(names, guid) if booked else draft_ref(names, guid)
