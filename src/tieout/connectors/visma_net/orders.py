"""
Sales orders, read from the Sales Order service v3: a host of its own with plain JSON.

They are read only: no bridge makes orders, and an order of ours could be looked up only by going
through all of the customer's.
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
    wall_text,
)
from tieout.core.errors import TransientError
from tieout.core.model import Document, DocumentKind, ItemRef, Line, Totals
from tieout.core.money import round_to
from tieout.ports import Selection

ORDERS = "/api/v3/SalesOrders"
_PAGE = 100  # above it expanded lists are refused
_CANCELLED = frozenset({"cancelled", "voided"})


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

    async def probe(self) -> None:
        """Reads one line of the list. Raises where it may not be read."""
        await self._read(ORDERS, ORDERS, (("pageSize", "1"), ("pageIndex", "0")))

    async def one(self, number: str) -> dict[str, Any] | None:
        """One order by type and number with its lines, None where it is not there."""
        kind, _, order_id = number.partition("/")
        path = f"{ORDERS}/{segment(kind)}/{segment(order_id)}"
        template = f"{ORDERS}/{{type}}/{{orderId}}"
        found = await self._read(path, template, (("expand", "All"),))
        if not isinstance(found, dict):
            return None
        lines: list[Any] = []
        while True:
            query = (("pageSize", str(_PAGE)), ("pageIndex", str(len(lines) // _PAGE)))
            page = await self._read(f"{path}/lines", f"{template}/lines", query)
            rows = page.get("value") if isinstance(page, dict) else page
            if isinstance(rows, list):
                lines += rows
            if not isinstance(rows, list) or len(rows) < _PAGE:
                return {**found, "orderLines": lines}

    async def _read(self, path: str, template: str, query: tuple[tuple[str, str], ...]) -> Any:
        response = await self.client.read(
            Call(path=path, template=template, query=query, headers=self._headers)
        )
        if not 200 <= response.status < 300:
            problem = problem_of(response)
            if problem.kind is Kind.NOT_FOUND:
                return None
            raise error_of(problem)
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
    """An order; its status is an object here and a text in lists."""
    status = text_of(payload, "status", "description") or text_of(payload, "status")
    plain = status.replace(" ", "").casefold()
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
        voided=plain in _CANCELLED or bool(part_of(payload, "status").get("cancelled")),
        customer=names.ref("customer", internal) if internal else None,
        customer_name=text_of(payload, "customer", "name"),
        issue_date=day_of(payload, "date"),
        currency=currency,
        totals=_totals(payload, currency, names),
        lines=tuple(
            _line(row, place)
            for place, row in enumerate(payload.get("orderLines") or (), start=1)
            if isinstance(row, Mapping)
        ),
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


def _line(row: Payload, place: int) -> Line:
    item = text_of(row, "inventory", "id") or text_of(row, "inventoryId")
    return Line(
        position=place,
        item=ItemRef(number=item) if item else None,
        text=text_of(row, "description"),
        quantity=amount_of(row, "quantity"),
        unit=text_of(row, "unitOfMeasure"),
        unit_price=amount_of(row, "unitPrice"),
        discount=amount_of(row, "discountPercent") / 100,
    )
