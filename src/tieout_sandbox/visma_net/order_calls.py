"""The calls of the Sales Order service v3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tieout_sandbox.kit import Request, Response, json_response
from tieout_sandbox.visma_net import order_views, orders, webhooks
from tieout_sandbox.visma_net.call import ORDER_HOST, Call
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import OrderError, ProblemError
from tieout_sandbox.visma_net.order_writes import read
from tieout_sandbox.visma_net.tables import Record

PAGE_SIZE = 100
MAX_PAGE = 1000
MAX_EXPANDED = 100
BASE = "/api/v3/SalesOrders"
_ORDERINGS: dict[str, Callable[[Record], Any]] = {
    "created": lambda record: record["_created"],
    "lastmodified": lambda record: record["_modified"],
    "orderid": lambda record: record["orderId"],
}


def answer(company: Company, request: Request) -> Response:
    """Any call of the service; the sign-in was checked."""
    call = Call(request=request)
    parts = tuple(request.segments[2:])
    lower = parts[0].lower() if parts else ""
    if lower == "salesorders":
        return _orders(company, call, parts[1:])
    if lower == "customers":
        return _customers(company, call, parts[1:])
    if lower == "inventory" and len(parts) == 1:
        return _paged(call, company.items, lambda row: order_views.item(company, row))
    raise ProblemError(404, "There is no such resource.", request.path)


def template(request: Request) -> str:
    """The path with its ids replaced."""
    parts = request.segments[2:]
    if not parts:
        return request.path
    lower = parts[0].lower()
    if lower == "customers":
        return "/api/v3/Customers" + ("/{customerId}/locations" if len(parts) > 2 else "")
    if lower != "salesorders":
        return f"/api/v3/{parts[0]}"
    names = ["", "/{type}", "/{type}/{orderId}"]
    if len(parts) <= 3:
        return BASE + names[len(parts) - 1]
    return BASE + names[2] + f"/{parts[3].lower()}" + ("/{lineId}" if len(parts) > 4 else "")


def _orders(company: Company, call: Call, parts: tuple[str, ...]) -> Response:
    method = call.request.method
    match (method, *parts):
        case ("POST",):
            return _create(company, call)
        case ("GET",):
            return _list(company, call, None)
        case ("GET", type_):
            return _list(company, call, type_)
        case (_, type_, order_id, *rest):
            record = company.orders.get(f"{type_.upper()}/{order_id}")
            if record is None:
                raise ProblemError(404, "Sales order cannot be found.", call.request.path)
            return _one(company, call, record, tuple(rest))
        case _:
            raise ProblemError(405, "The method is not allowed.", call.request.path)


def _one(company: Company, call: Call, record: Record, rest: tuple[str, ...]) -> Response:
    match (call.request.method, *(part.lower() for part in rest)):
        case ("GET",):
            parts = _expanded(call)
            etag = {"ETag": _etag(company, record)}
            return json_response(200, order_views.full(company, record, parts), etag)
        case ("GET", "lines"):
            return _paged(
                call, record["_lines"], lambda line: order_views.line(company, record, line)
            )
        case ("GET", "lines", number):
            return _line(company, record, number)
        case ("GET", "tax"):
            return json_response(200, order_views.taxes(record))
        case ("GET", "discounts" | "commissions"):
            return json_response(200, [])
        case ("GET", "rotrut"):
            return json_response(200, {})
        case ("GET", "shipment"):
            return json_response(200, order_views.shipments(company, record))
        case ("PATCH" | "POST" | "DELETE", *_):
            _require_match(company, call, record)
            return _change(company, call, record, rest)
        case _:
            raise ProblemError(405, "The method is not allowed.", call.request.path)


def _line(company: Company, record: Record, number: str) -> Response:
    for line in record["_lines"]:
        if str(line["lineId"]) == number:
            return json_response(200, order_views.line(company, record, line))
    raise ProblemError(404, "Line cannot be found.")


def _body(call: Call) -> Any:
    try:
        return call.request.json()
    except ValueError as error:
        raise OrderError([("$", "0003-InvalidValue", f"The body is no JSON: {error}")]) from error


def _create(company: Company, call: Call) -> Response:
    record = orders.create(company, read("NewSalesOrderCommand", _body(call)))
    webhooks.send(company, "SALESORDER_CREATED", record["_key"])
    where = f"{BASE}/{record['type']}/{quote(record['orderId'], safe='')}"
    headers = {
        "Location": call.address(company, where, ORDER_HOST),
        "ETag": _etag(company, record),
    }
    return Response(status=201, headers=headers)


def _change(company: Company, call: Call, record: Record, rest: tuple[str, ...]) -> Response:
    match (call.request.method, *(part.lower() for part in rest)):
        case ("PATCH",):
            made = orders.patch(company, record, read("PatchSalesOrderCommand", _body(call)))
        case ("DELETE",):
            orders.delete(company, record)
            webhooks.send(company, "SALESORDER_DELETED", record["_key"])
            return Response(status=202)
        case ("POST", "lines"):
            given = read("AddSalesOrderLinesCommand", _body(call))
            made = orders.add_lines(company, record, given.get("lines") or [])
        case ("PATCH", "lines"):
            given = read("PatchSalesOrderLinesCommand", _body(call))
            made = orders.patch_lines(company, record, given.get("lines") or [])
        case ("DELETE", "lines"):
            made = orders.delete_lines(company, record, _ids(call))
        case _:
            raise ProblemError(405, "The method is not allowed.", call.request.path)
    webhooks.send(company, "SALESORDER_UPDATED", record["_key"])
    return Response(status=202, headers={"ETag": _etag(company, made)})


def _ids(call: Call) -> list[int]:
    texts = [
        part
        for name, value in call.request.query
        if name.lower() == "ids"
        for part in value.split(",")
    ]
    if not texts or not all(text.strip().isdigit() for text in texts) or len(texts) > 1000:
        raise OrderError([("Ids", "0003-InvalidValue", "Ids is not valid")])
    return [int(text) for text in texts]


def _etag(company: Company, record: Record) -> str:
    number = company.assumptions.order_etag == "number"
    return f'"{record["_rev"] if number else record["_version"]}"'


def _require_match(company: Company, call: Call, record: Record) -> None:
    sent = call.request.header("if-match")
    if sent is None:
        raise ProblemError(428, "If-Match is required.", call.request.path)
    if sent.strip() != _etag(company, record):
        raise ProblemError(412, "The order was changed.", call.request.path)


# Lists.


def _param(request: Request, name: str) -> str | None:
    return next((value for key, value in request.query if key.lower() == name.lower()), None)


def _expanded(call: Call) -> frozenset[str]:
    found = {
        part.strip().lower()
        for name, value in call.request.query
        if name.lower() == "expand"
        for part in value.split(",")
        if part.strip()
    }
    unknown = found - order_views.EXPANDS
    if unknown:
        raise OrderError([("Expand", "0003-InvalidValue", "Expand is not valid")])
    return order_views.EXPANDS if "all" in found else frozenset(found)


def _list(company: Company, call: Call, type_: str | None) -> Response:
    request = call.request
    now = company.clock.now()
    found = [
        record
        for record in company.orders.visible(now)
        if type_ is None or record["type"] == type_.upper()
    ]
    customer = _param(request, "customerId")
    if customer:
        known = company.customers.one("number", customer)
        wanted = known["internalId"] if known else None
        found = [record for record in found if record["_customer"] == wanted]
    status = _param(request, "status")
    if status:
        found = [one for one in found if _plain(one["status"]) == _plain(status)]
    text = _param(request, "filter")
    if text:
        found = [one for one in found if text.casefold() in one["orderId"].casefold()]
    since = _param(request, "modifiedSince")
    if since:
        after = _instant(since)
        found = [one for one in found if one["_modified"] >= after]
    found = _sorted(found, _param(request, "orderBy"))
    parts = _expanded(call)
    limit = MAX_EXPANDED if parts - {"none"} else MAX_PAGE
    return _paged(call, found, lambda one: order_views.row(company, call, one, parts), limit)


def _plain(status: str) -> str:
    return status.replace(" ", "").casefold()


def _instant(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise OrderError(
            [("ModifiedSince", "0003-InvalidValue", "ModifiedSince is not valid")]
        ) from error
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def _sorted(found: list[Record], order: str | None) -> list[Record]:
    if not order:
        return found
    name, _, direction = order.partition(" ")
    key = _ORDERINGS.get(name.lower())
    if key is None or direction.lower() not in ("", "asc", "desc"):
        raise OrderError([("OrderBy", "0003-InvalidValue", "OrderBy is not valid")])
    return sorted(found, key=key, reverse=direction.lower() == "desc")


def _whole(call: Call, name: str, default: int) -> int:
    text = _param(call.request, name)
    if text is None or text == "":
        return default
    if not text.isdigit():
        raise OrderError([(name, "0003-InvalidValue", f"{name} is not valid")])
    return int(text)


def _paged(
    call: Call, source: Any, present: Callable[[Record], Any], limit: int = MAX_PAGE
) -> Response:
    rows = list(source)
    size = max(1, min(_whole(call, "pageSize", PAGE_SIZE), limit))
    index = _whole(call, "pageIndex", 0)
    page = rows[index * size : (index + 1) * size]
    more = (index + 1) * size < len(rows)
    return json_response(
        200,
        {
            "value": [present(row) for row in page],
            "totalCount": len(rows),
            "nextPage": _next(call, index + 1) if more else None,
        },
    )


def _next(call: Call, index: int) -> str:
    pairs = [pair for pair in call.request.query if pair[0].lower() != "pageindex"]
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
    return f"{call.request.path}?{query}{'&' if query else ''}pageIndex={index}"


def _customers(company: Company, call: Call, parts: tuple[str, ...]) -> Response:
    if call.request.method != "GET":
        raise ProblemError(405, "The method is not allowed.", call.request.path)
    if not parts:
        text = (_param(call.request, "filter") or "").casefold()
        found = [
            record
            for record in company.customers
            if any(
                text in str(record[name] or "").casefold()
                for name in ("number", "name", "gln", "vatRegistrationId")
            )
        ]
        return _paged(call, found, lambda one: order_views.customer(company, one))
    record = company.customers.one("number", parts[0])
    if record is None or len(parts) != 2 or parts[1].lower() != "locations":
        raise ProblemError(404, "Customer cannot be found.", call.request.path)
    rows = company.locations.find("_customer", record["internalId"])
    return json_response(200, [order_views.location(company, row) for row in rows])
