"""
Sales orders of the Sales Order service v3: a host of its own with plain JSON.

An order carries our key as the customer's reference, which no filter asks for: it is found by
going through the orders that changed since it was sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.json import loads
from tieout.connectors.visma_net.errors import Kind, error_of, problem_of
from tieout.connectors.visma_net.names import Names
from tieout.connectors.visma_net.translate import extra_of
from tieout.connectors.visma_net.values import (
    Payload,
    amount_of,
    day_of,
    number_of,
    part_of,
    segment,
    text_of,
    vendor_time,
    wall_text,
)
from tieout.core.errors import TransientError
from tieout.core.model import Document, DocumentKind, ItemRef, Line, OrderState, Totals
from tieout.core.money import round_to
from tieout.ports import HttpResponse, Selection

Query = tuple[tuple[str, str], ...]

ORDERS = "/api/v3/SalesOrders"
_PAGE = 100  # above it expanded lists are refused
_STATES = {
    "hold": OrderState.DRAFT,
    "onhold": OrderState.DRAFT,
    "pendingapproval": OrderState.AWAITING,
    "credithold": OrderState.AWAITING,
    "riskhold": OrderState.AWAITING,
    "open": OrderState.APPROVED,
    "backorder": OrderState.APPROVED,
    "shipping": OrderState.SHIPPED,
    "invoiced": OrderState.INVOICED,
    "completed": OrderState.INVOICED,
    "cancelled": OrderState.CANCELLED,
    "canceled": OrderState.CANCELLED,
    "voided": OrderState.CANCELLED,
}
ETAG = "etag"  # where a whole order keeps its version, as a write has to name it


class OrderService:
    """Reads of one company's orders."""

    def __init__(self, client: ApiClient, headers: Mapping[str, str]) -> None:
        self.client = client
        self._headers = headers

    async def changed(
        self, since: datetime | None, given: Mapping[str, str], seen: dict[str, str]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """
        Whole orders that changed since then, but those that were given in this state; its stamps
        are UTC, and pages count from 0. Notes in ``seen`` the state of each that the list shows.
        """
        page = 0
        narrowed = () if since is None else (("modifiedSince", f"{wall_text(since)}Z"),)
        while True:
            query = (*narrowed, ("pageSize", str(_PAGE)), ("pageIndex", str(page)))
            found = await self._read(ORDERS, ORDERS, query)
            rows = found.get("value") if isinstance(found, dict) else None
            if not isinstance(rows, list):
                raise TransientError("The Sales Order service's answer has not its form.")
            fresh = []
            for row in rows:
                number = f"{text_of(row, 'type')}/{text_of(row, 'orderId')}"
                seen[number] = text_of(row, "lastModified")
                if given.get(number) != seen[number]:
                    fresh.append(number)
            whole = [await self.one(number) for number in fresh]
            yield [row for row in whole if row is not None]
            page += 1
            if not rows or page * _PAGE >= int(found.get("totalCount") or 0):
                return

    async def listed(
        self, kind: str, customer: str, since: datetime, times: list[datetime]
    ) -> list[dict[str, Any]]:
        """
        The rows of orders of that type that changed since then, of one customer by its number or of
        all; the vendor's clock at each page is added to ``times``.
        """
        found: dict[str, dict[str, Any]] = {}
        page = 0
        while True:
            query = (
                *((("customerId", customer),) if customer else ()),
                ("modifiedSince", f"{wall_text(since)}Z"),
                ("orderBy", "lastModified desc"),
                ("pageSize", str(_PAGE)),
                ("pageIndex", str(page)),
            )
            answer = await self._answer(f"{ORDERS}/{segment(kind)}", f"{ORDERS}/{{type}}", query)
            times.append(vendor_time(answer) or since)
            told = loads(answer.body)
            rows = told.get("value") if isinstance(told, dict) else None
            if not isinstance(rows, list):
                raise TransientError("The Sales Order service's answer has not its form.")
            found.update({text_of(row, "orderId"): row for row in rows})
            page += 1
            if not rows or page * _PAGE >= int(told.get("totalCount") or 0):
                return list(found.values())

    async def keys(self) -> dict[str, str]:
        """Type and number of every order, with its stamp."""
        seen: dict[str, str] = {}
        page = 0
        while True:
            query = (("pageSize", str(_PAGE)), ("pageIndex", str(page)))
            found = await self._read(ORDERS, ORDERS, query)
            rows = found.get("value") if isinstance(found, dict) else None
            if not isinstance(rows, list):
                raise TransientError("The Sales Order service's answer has not its form.")
            for row in rows:
                number = f"{text_of(row, 'type')}/{text_of(row, 'orderId')}"
                seen[number] = text_of(row, "lastModified")
            page += 1
            if not rows or page * _PAGE >= int(found.get("totalCount") or 0):
                return seen

    async def probe(self) -> None:
        """Reads one line of the list. Raises where it may not be read."""
        await self._read(ORDERS, ORDERS, (("pageSize", "1"), ("pageIndex", "0")))

    async def one(self, number: str) -> dict[str, Any] | None:
        """One order by type and number with its lines, None where it is not there."""
        kind, _, order_id = number.partition("/")
        path = f"{ORDERS}/{segment(kind)}/{segment(order_id)}"
        template = f"{ORDERS}/{{type}}/{{orderId}}"
        answer = await self._answer(path, template, (("expand", "All"),), gone=True)
        found = _value(answer) if answer.status < 300 else None
        if not isinstance(found, dict):
            return None
        found[ETAG] = answer.headers.get("etag", "")
        lines: list[Any] = []
        while True:
            query = (("pageSize", str(_PAGE)), ("pageIndex", str(len(lines) // _PAGE)))
            page = await self._read(f"{path}/lines", f"{template}/lines", query)
            rows = page.get("value") if isinstance(page, dict) else page
            if isinstance(rows, list):
                lines += rows
            if not isinstance(rows, list) or len(rows) < _PAGE:
                return {**found, "orderLines": lines}

    async def _read(self, path: str, template: str, query: Query) -> Any:
        response = await self._answer(path, template, query, gone=True)
        return _value(response) if response.status < 300 else None

    async def _answer(
        self, path: str, template: str, query: Query, *, gone: bool = False
    ) -> HttpResponse:
        """The answer to a read; one that says 'not there' is given back where ``gone`` is fine."""
        response = await self.client.read(
            Call(path=path, template=template, query=query, headers=self._headers)
        )
        if not 200 <= response.status < 300:
            problem = problem_of(response)
            if not gone or problem.kind is not Kind.NOT_FOUND:
                raise error_of(problem)
        return response


def _value(response: HttpResponse) -> Any:
    try:
        return loads(response.body)
    except ValueError:
        raise TransientError("The Sales Order service's answer has not its form.") from None


def named_customer(payload: Payload) -> Payload:
    """The customer of an order in the form that invoices have it."""
    return {"customer": {"number": text_of(payload, "customer", "id")}}


def order(
    payload: Payload, names: Names, customers: Mapping[str, str], want: Selection | None = None
) -> Document:
    """
    An order; its status is an object here and a text in lists. Raises ValueError for a status that
    nobody has told of.
    """
    status = text_of(payload, "status", "description") or text_of(payload, "status")
    plain = status.replace(" ", "").casefold()
    state = _STATES.get(plain)
    if state is None:
        raise ValueError(f"status {status!r}")
    cancelled = bool(part_of(payload, "status").get("cancelled"))
    state = OrderState.CANCELLED if cancelled else state
    rows = [row for row in payload.get("orderLines") or () if isinstance(row, Mapping)]
    if state is OrderState.APPROVED and any(_begun(row) for row in rows):
        state = OrderState.SHIPPED
    attention = text_of(payload, "billing", "contact", "attention")
    number = text_of(payload, "customer", "id")
    internal = customers.get(number) or text_of(payload, "customer", "internalId")
    currency = text_of(payload, "currencyId") or names.currency
    kind, order_id = text_of(payload, "type"), text_of(payload, "orderId")
    return Document(
        ref=names.ref("document", f"order:{kind}/{order_id}"),
        version=text_of(payload, "version") or text_of(payload, "lastModified") or None,
        kind=DocumentKind.ORDER,
        number=order_id,
        raw_status=status,
        voided=state is OrderState.CANCELLED,
        order_state=state,
        customer=names.ref("customer", internal) if internal else None,
        customer_name=text_of(payload, "customer", "name"),
        issue_date=day_of(payload, "date"),
        delivered_on=day_of(payload, "requestOn"),
        terms=text_of(payload, "financialInformation", "terms", "id"),
        your_reference=attention,
        buyer_reference=attention,
        currency=currency,
        totals=_totals(payload, currency, names),
        lines=tuple(_line(row, place, names) for place, row in enumerate(rows, start=1)),
        our_reference=text_of(payload, "description"),
        po_number=text_of(payload, "customer", "order"),
        carrier_text=text_of(payload, "customer", "refNo"),
        extra=extra_of(payload, want),
        shape=want.shape if want else "",
    )


def _totals(payload: Payload, currency: str, names: Names) -> Totals | None:
    told = part_of(payload, "totals")
    gross, tax = number_of(told, "orderTotal"), number_of(told, "taxTotal")
    if gross is None or tax is None:
        return None
    places = names.places(currency)
    return Totals(
        currency=currency,
        net=round_to(gross - tax, places),
        tax=round_to(tax, places),
        gross=round_to(gross, places),
    )


def _begun(row: Payload) -> bool:
    """Whether something of a line is on its way, or invoiced."""
    return bool(amount_of(row, "quantityOnShipments") or amount_of(row, "billedQuantity"))


def _dimensions(row: Payload, names: Names) -> dict[str, str]:
    found = {}
    for place, code in part_of(row, "subaccount").items():
        known = names.segments.get(int(place)) if str(place).isdigit() else None
        if code:
            found[known.kind if known else f"segment_{place}"] = str(code)
    return found


def _line(row: Payload, place: int, names: Names) -> Line:
    item = text_of(row, "inventory", "id") or text_of(row, "inventoryId")
    return Line(
        position=place,
        item=ItemRef(number=item) if item else None,
        text=text_of(row, "description"),
        quantity=amount_of(row, "quantity"),
        unit=text_of(row, "unitOfMeasure"),
        unit_price=amount_of(row, "unitPrice"),
        discount=amount_of(row, "discountPercent") / 100,
        stated_net=number_of(row, "extendedPrice"),
        dimensions=_dimensions(row, names),
    )
