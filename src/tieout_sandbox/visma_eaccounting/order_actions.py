"""What persons do with orders in the program itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import ActionError
from tieout_sandbox.visma_eaccounting import invoices, orders, schemas
from tieout_sandbox.visma_eaccounting.arguments import found_in
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.fields import Record

Arguments = Mapping[str, Any]
_ORDER = {"order": "id of the order"}


def _order_of(books: Books, arguments: Arguments) -> Record:
    return found_in(books.orders, arguments.get("order"))


def _edit(books: Books, arguments: Arguments) -> Any:
    order = _order_of(books, arguments)
    writable = {name for name, field in schemas.ORDER.fields.items() if not field.read_only}
    rows = {name for name, field in schemas.ORDER_ROW.fields.items() if not field.read_only}
    body = {name: _plain(value) for name, value in order.items() if name in writable}
    body |= dict(arguments.get("set") or {})
    body["Rows"] = [{name: row[name] for name in row if name in rows} for row in order["Rows"]]
    if "price" in arguments:
        body["Rows"][0]["UnitPrice"] = Decimal(str(arguments["price"]))
    return orders.present(books, orders.put(books, body, order))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _delete(books: Books, arguments: Arguments) -> Any:
    order = _order_of(books, arguments)
    if order["Status"] != orders.DRAFT:
        raise ActionError("only an order that is a draft is deleted")
    books.orders.remove(order["Id"])
    return {"order": order["Id"]}


def _moved(*steps: tuple[int, int]) -> Callable[[Books, Arguments], Any]:
    def doing(books: Books, arguments: Arguments) -> Any:
        order = _order_of(books, arguments)
        for before, after in steps:
            if order["Status"] == before:
                order = orders.moved(books, order, after)
        if order["Status"] != steps[-1][1]:
            raise ActionError(f"the order's status is {order['Status']}")
        return orders.present(books, order)

    return doing


def _invoice(books: Books, arguments: Arguments) -> Any:
    order = _order_of(books, arguments)
    if order["Status"] == orders.INVOICED:
        raise ActionError("the order is invoiced")
    return invoices.present(books, orders.invoiced(books, order))


ORDER_ACTIONS: dict[str, tuple[dict[str, str], Callable[[Books, Arguments], Any]]] = {
    "edit_order": (
        {**_ORDER, "price": "new price of the first row", "set": "properties as in the API"},
        _edit,
    ),
    "delete_order": (dict(_ORDER), _delete),
    "open_order": (dict(_ORDER), _moved((orders.DRAFT, orders.ONGOING))),
    "ship_order": (
        dict(_ORDER),
        _moved((orders.DRAFT, orders.ONGOING), (orders.ONGOING, orders.SHIPPED)),
    ),
    "invoice_order": (dict(_ORDER), _invoice),
}
