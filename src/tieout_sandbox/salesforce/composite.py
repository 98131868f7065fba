"""Several calls in one: composite, batch, graph and tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tieout_sandbox.salesforce.calls import Call, Result, wants
from tieout_sandbox.salesforce.errors import SalesforceError, SeveralMatchesError
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.rows import kind_named, writer_for

MOST_PARTS = 25
MOST_GRAPHS = 75
MOST_NODES = 500
MOST_FAILED_GRAPHS = 14
MOST_TREE = 200
TREE_DEPTH = 5
Route = Callable[[Call], Result]
_REFERENCE = re.compile(r"@\{([^}.\[]+)([^}]*)\}")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
HALTED = SalesforceError(
    "PROCESSING_HALTED",
    "The transaction was rolled back since another operation in the same transaction failed.",
)


class _RollBackError(Exception):
    """One part failed, and the caller wanted all or nothing."""


def composite(org: Org, call: Call, route: Route) -> Result:
    """`/composite`: parts that may name what earlier ones gave."""
    body = wants(call, dict, "An object with compositeRequest")
    parts = _parts(body.get("compositeRequest"), MOST_PARTS)
    queries = [part for part in parts if _is_costly(str(part.get("url", "")))]
    if len(queries) > org.switches.composite_queries:
        raise SalesforceError(
            "LIMIT_EXCEEDED",
            "The composite request holds more than "
            f"{org.switches.composite_queries} query or collection operations",
        )
    if call.batch_items is not None:
        parts = parts[: call.batch_items]
    responses, _ = _run(org, call, route, parts, all_or_none=bool(body.get("allOrNone", False)))
    return Result(body={"compositeResponse": responses})


def graph(org: Org, call: Call, route: Route) -> Result:
    """`/composite/graph`: graphs that succeed or fail each as a whole."""
    body = wants(call, dict, "An object with graphs")
    graphs = body.get("graphs")
    if not isinstance(graphs, list) or not all(isinstance(each, dict) for each in graphs):
        raise SalesforceError("JSON_PARSER_ERROR", "graphs is expected")
    if len(graphs) > MOST_GRAPHS:
        raise SalesforceError("LIMIT_EXCEEDED", f"A payload may hold {MOST_GRAPHS} graphs")
    nodes = sum(len(_parts(each.get("compositeRequest"), MOST_NODES)) for each in graphs)
    if nodes > MOST_NODES:
        raise SalesforceError("LIMIT_EXCEEDED", f"A payload may hold {MOST_NODES} nodes")
    if call.batch_items is not None:
        graphs = graphs[: call.batch_items]
    answers: list[dict[str, Any]] = []
    failed = 0
    for each in graphs:
        parts = _parts(each.get("compositeRequest"), MOST_NODES)
        if failed >= MOST_FAILED_GRAPHS:
            responses, good = [_halted(part) for part in parts], False
        else:
            responses, good = _run(org, call, route, parts, all_or_none=True)
        failed += not good
        answers.append(
            {
                "graphId": each.get("graphId"),
                "graphResponse": {"compositeResponse": responses},
                "isSuccessful": good,
            }
        )
    return Result(body={"graphs": answers})


def _parts(given: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(part, dict) for part in given):
        raise SalesforceError("JSON_PARSER_ERROR", "compositeRequest is expected")
    if len(given) > most:
        raise SalesforceError("LIMIT_EXCEEDED", f"A composite request may hold {most} subrequests")
    if not all(isinstance(part.get("httpHeaders") or {}, dict) for part in given):
        raise SalesforceError("JSON_PARSER_ERROR", "httpHeaders is expected to be an object")
    names = [str(part.get("referenceId") or "") for part in given]
    if len(set(names)) != len(names) or not all(names):
        raise SalesforceError(
            "INVALID_INPUT_COMBINATION", "Every subrequest needs a referenceId of its own"
        )
    return given


def _is_costly(url: str) -> bool:
    return "/query" in url or "/composite/sobjects" in url


def _run(
    org: Org, call: Call, route: Route, parts: list[dict[str, Any]], *, all_or_none: bool
) -> tuple[list[dict[str, Any]], bool]:
    """The answers of the parts in order, and whether all were good."""
    known: dict[str, Any] = {}
    responses: list[dict[str, Any]] = []
    good = True
    try:
        with org.transaction():
            for part in parts:
                result = _one(call, route, part, known, all_or_none=all_or_none)
                responses.append(_shown(part, result))
                if result.status < 300:
                    known[str(part["referenceId"])] = result.body
                    continue
                good = False
                if all_or_none:
                    raise _RollBackError
    except _RollBackError:
        # What came before is taken back, what would have come after is not tried.
        failed = responses[-1]
        position = len(responses) - 1
        responses = [_halted(part) for part in parts]
        responses[position] = failed
    return responses, good


def _one(
    call: Call,
    route: Route,
    part: Mapping[str, Any],
    known: Mapping[str, Any],
    *,
    all_or_none: bool,
) -> Result:
    try:
        url = _filled(str(part.get("url", "")), known)
        body = _filled(part.get("body"), known)
    except KeyError as error:
        refused = SalesforceError(
            "PROCESSING_HALTED", f"Invalid reference specified. No value for {error.args[0]} found"
        )
        return Result(status=400, body=[refused.as_request_error()])
    inner = call.sub(str(part.get("method", "GET")), url, body, part.get("httpHeaders") or {})
    return attempt(inner if not all_or_none else _strict(inner), route)


def _strict(call: Call) -> Call:
    return replace(call, all_or_none=True)


def attempt(call: Call, route: Route) -> Result:
    """The result of a call, with a refusal as its answer."""
    try:
        return route(call)
    except SalesforceError as error:
        return Result(status=error.status, body=[error.as_request_error()])
    except SeveralMatchesError as error:
        return Result(status=300, body=error.ids)


def _shown(part: Mapping[str, Any], result: Result) -> dict[str, Any]:
    return {
        "body": result.body,
        "httpHeaders": {k: v for k, v in result.headers.items() if k in ("Location", "ETag")},
        "httpStatusCode": result.status,
        "referenceId": part["referenceId"],
    }


def _halted(part: Mapping[str, Any]) -> dict[str, Any]:
    return _shown(part, Result(status=400, body=[HALTED.as_request_error()]))


def _filled(value: Any, known: Mapping[str, Any]) -> Any:
    """The value with every `@{reference.path}` replaced; KeyError names one without a value."""
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole is not None:
            return _looked_up(whole, known)
        return _REFERENCE.sub(lambda found: str(_looked_up(found, known)), value)
    if isinstance(value, Mapping):
        return {key: _filled(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, known) for each in value]
    return value


def _looked_up(found: re.Match[str], known: Mapping[str, Any]) -> Any:
    name, path = found[1], found[2]
    if name not in known:
        raise KeyError(f"{name}{path}")
    value = known[name]
    for step in _STEP.finditer(path):
        key: Any = step[1] if step[1] is not None else int(step[2])
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            raise KeyError(f"{name}{path}") from None
    return value


def batch(org: Org, call: Call, route: Route) -> Result:
    """`/composite/batch`: independent calls."""
    _ = org
    body = wants(call, dict, "An object with batchRequests")
    parts = body.get("batchRequests")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise SalesforceError("JSON_PARSER_ERROR", "batchRequests is expected")
    if len(parts) > MOST_PARTS:
        raise SalesforceError("LIMIT_EXCEEDED", f"A batch may hold {MOST_PARTS} subrequests")
    if call.batch_items is not None:
        parts = parts[: call.batch_items]
    halt = bool(body.get("haltOnError", False))
    results: list[dict[str, Any]] = []
    failed = False
    for part in parts:
        if failed and halt:
            refused = SalesforceError("BATCH_PROCESSING_HALTED", "Batch processing halted")
            results.append({"statusCode": 412, "result": [refused.as_request_error()]})
            continue
        inner = call.sub(
            str(part.get("method", "GET")), str(part.get("url", "")), part.get("richInput"), {}
        )
        result = attempt(inner, route)
        failed = failed or result.status >= 400
        results.append({"statusCode": result.status, "result": result.body})
    return Result(body={"hasErrors": failed, "results": results})


def tree(org: Org, call: Call, name: str) -> Result:
    """`/composite/tree/{O}`: new rows with their children, all or none."""
    kind = kind_named(org, name)
    body = wants(call, dict, "An object with records")
    records = body.get("records")
    if not isinstance(records, list):
        raise SalesforceError("JSON_PARSER_ERROR", "records is expected in the request body")
    writer = writer_for(org, call)
    made: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []

    def plant(
        kind_name: str, record: Mapping[str, Any], above: Mapping[str, str], depth: int
    ) -> None:
        if depth > TREE_DEPTH or len(made) >= MOST_TREE:
            raise SalesforceError(
                "LIMIT_EXCEEDED", f"A tree may hold {MOST_TREE} records in {TREE_DEPTH} levels"
            )
        if not isinstance(record, Mapping):
            raise SalesforceError("JSON_PARSER_ERROR", "a record is expected to be an object")
        attributes = record.get("attributes")
        reference = attributes.get("referenceId") if isinstance(attributes, Mapping) else None
        fields: dict[str, Any] = dict(above)
        below: list[tuple[str, Any]] = []
        for key, value in record.items():
            if isinstance(value, Mapping) and "records" in value:
                below.append((key, value["records"]))
            elif key != "attributes":
                fields[key] = value
        try:
            record_id = writer.create(kind_name, fields)
        except SalesforceError as error:
            errors.append({"referenceId": reference, "errors": [error.as_item_error()]})
            return
        made.append({"referenceId": reference, "id": record_id})
        owner = org.schema[kind_name]
        for relation, children in below:
            child = owner.child(relation)
            if child is None:
                refused = SalesforceError("INVALID_FIELD", f"No such relation {relation}")
                errors.append({"referenceId": reference, "errors": [refused.as_item_error()]})
                continue
            if not isinstance(children, list):
                raise SalesforceError("JSON_PARSER_ERROR", "records is expected to be a list")
            for each in children:
                plant(child.object, each, {child.field: record_id}, depth + 1)

    try:
        with org.transaction():
            for record in records:
                plant(kind.name, record, {}, 1)
            if errors:
                raise _RollBackError
    except _RollBackError:
        return Result(status=400, body={"hasErrors": True, "results": errors})
    return Result(status=201, body={"hasErrors": False, "results": made})
