"""The calls under `/_sandbox`: the same for every system, never part of the vendor's API."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from tieout_sandbox.kit.clock import instant_text, parse_instant, seconds_of
from tieout_sandbox.kit.codec import dumps
from tieout_sandbox.kit.faults import FaultError
from tieout_sandbox.kit.http import Request, Response, json_response

if TYPE_CHECKING:
    from tieout_sandbox.kit.simulator import Simulator


def answer(sim: Simulator, request: Request) -> Response:
    """Answers one call under `/_sandbox`; 404 where there is none such, 400 with a text where
    it is wrong."""
    from tieout_sandbox.kit.simulator import ActionError

    try:
        return _route(sim, request)
    except (ActionError, FaultError, ValueError) as error:
        return json_response(400, {"error": str(error)})


def _route(sim: Simulator, request: Request) -> Response:
    match (request.method, *request.segments[1:]):
        case ("GET", "health"):
            return json_response(200, {"status": "ok", "system": sim.name})
        case ("GET", "records"):
            return json_response(200, sim.counts())
        case ("GET", "records", entity):
            return _records(sim, request, entity)
        case ("GET", "calls"):
            return json_response(200, sim.calls)
        case ("DELETE", "calls"):
            sim.calls.clear()
            return json_response(200, {})
        case (_, "faults", *rest):
            return _faults(sim, request, rest)
        case (_, "clock"):
            return _clock(sim, request)
        case ("GET", "actions"):
            listed = {name: dict(act.arguments) for name, act in sorted(sim.actions().items())}
            return json_response(200, listed)
        case ("POST", "actions", name):
            if name not in sim.actions():
                return json_response(404, {"error": f"no such action: {name}"})
            return json_response(200, sim.act(name, _object(request)))
        case ("POST", "reset"):
            sim.reset()
            return json_response(200, {})
        case _:
            return json_response(404, {"error": f"no {request.method} {request.path}"})


def _records(sim: Simulator, request: Request, entity: str) -> Response:
    all_of = sim.entities().get(entity)
    if all_of is None:
        return json_response(404, {"error": f"no such entity: {entity}"})
    filters = [(name, value) for name, value in request.query if name not in ("limit", "offset")]
    found: Iterable[dict[str, Any]] = (
        record for record in all_of() if all(_equal(record, *pair) for pair in filters)
    )
    offset = _whole(request, "offset") or 0
    limit = _whole(request, "limit")
    stop = None if limit is None else offset + limit
    return json_response(200, list(islice(found, offset, stop)))


def _whole(request: Request, name: str) -> int | None:
    text = request.param(name)
    if not text:
        return None
    if not text.isdecimal():
        raise ValueError(f"{name} must be a whole number from 0, not {text}")
    return int(text)


def _equal(record: dict[str, Any], name: str, value: str) -> bool:
    """Exact: a number by its value, anything else by its JSON text or, for text, by itself."""
    if name not in record:
        return False
    stored = record[name]
    if isinstance(stored, str):
        return stored == value
    if isinstance(stored, (int, Decimal)) and not isinstance(stored, bool):
        try:
            return Decimal(value) == stored
        except ArithmeticError:
            return False
    return dumps(stored).decode() == value


def _faults(sim: Simulator, request: Request, rest: list[str]) -> Response:
    match (request.method, *rest):
        case ("GET",):
            return json_response(200, sim.faults.listed())
        case ("POST",):
            return json_response(201, sim.faults.shown(sim.faults.add(_object(request))))
        case ("DELETE",):
            sim.faults.clear()
            return json_response(200, {})
        case ("DELETE", fault_id):
            if not (fault_id.isdecimal() and sim.faults.clear(int(fault_id))):
                return json_response(404, {"error": f"no such fault: {fault_id}"})
            return json_response(200, {})
        case _:
            return json_response(404, {"error": f"no {request.method} {request.path}"})


def _clock(sim: Simulator, request: Request) -> Response:
    match request.method:
        case "PUT":
            sim.set_clock(parse_instant(str(_object(request).get("now"))))
        case "POST":
            sim.advance_clock(seconds_of(_object(request).get("advance_s"), "advance_s"))
        case "GET":
            pass
        case _:
            return json_response(404, {"error": f"no {request.method} {request.path}"})
    return json_response(200, {"now": instant_text(sim.clock.now())})


def _object(request: Request) -> dict[str, Any]:
    value = request.json() if request.body.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("a JSON object is expected")
    return value
