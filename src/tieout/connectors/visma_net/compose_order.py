"""A sales order in the form of the Sales Order service: plain values, all of it or a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from tieout.connectors.visma_net.compose_document import Setting
from tieout.connectors.visma_net.compose_lines import LineMaker
from tieout.connectors.visma_net.making import Made, carried, terms_id
from tieout.connectors.visma_net.values import Payload, part_of, rows_of, text_of, unwrapped
from tieout.core.model import Document, Line, LineKind

PO_LENGTH, REFERENCE_LENGTH, NOTE_LENGTH, DESCRIPTION_LENGTH = 40, 255, 2048, 255
# Of a line: the ERP host's name, and that of the order service.
_LINE = {
    "inventoryNumber": "inventoryId",
    "description": "description",
    "quantity": "quantity",
    "uom": "unitOfMeasure",
    "unitPriceInCurrency": "unitPrice",
    "discountPercent": "discountPercent",
    "discountAmountInCurrency": "discountAmount",
    "vatCodeId": "taxCategoryId",
    "branchNumber": "branchId",
    "taskId": "projectTaskId",
}
HEAD_FIELDS = frozenset({"delivered_on", "terms", "your_reference", "po_number", "buyer_reference"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request on an order: the method, what follows its address, and the body."""

    method: str
    tail: str = ""
    body: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Ordered:
    """An order in the making: the request, or what is wrong with it."""

    made: Made
    call: Call


def new_order(record: Document, setting: Setting, *, key: str) -> Ordered:
    """
    A new order with its lines. Prices and discounts are marked as ours, else the service throws
    them away. A line that is text only cannot stand on an order: it goes into the order's note,
    which is printed.
    """
    made = Made()
    settings, names = setting.settings, setting.names
    lines, header = _lines(made, record, setting)
    day = record.issue_date or setting.today
    customer: dict[str, Any] = {"id": text_of(setting.customer, "number"), "refNo": carried(key)}
    body: dict[str, Any] = {
        "type": settings.order_type,
        "status": "Hold" if settings.order_status == "hold" else "Open",
        "date": moment(day, setting),
        "currencyId": record.currency or text_of(setting.customer, "currencyId") or names.currency,
        "orderLines": lines,
        **header,
    }
    body |= _head(made, record, HEAD_FIELDS, setting, customer, new=True)
    note = "\n".join(line.text for line in record.lines if line.kind is LineKind.TEXT)
    if note:
        body["note"] = _fitting(made, note, NOTE_LENGTH, "The text of the order")
        body["print"] = {"noteOnExternalDocuments": True}
    if record.our_reference:
        body["description"] = record.our_reference[:DESCRIPTION_LENGTH]
    body["customer"] = customer
    if body["currencyId"] not in names.currencies:
        made.wrong(
            "currency_not_allowed",
            f"Currency {body['currencyId']} is not set up in Visma.net.",
            hint="Finance adds it, or the deal is changed.",
            place="currency",
        )
    return Ordered(made, Call("POST", "", body))


def changed_order(
    record: Document, fields: frozenset[str], setting: Setting, read: Payload
) -> Ordered:
    """
    The one request that makes the order say what is wanted in these fields. The service changes
    the head, changes lines, adds lines and takes lines away each by a request of its own, and two
    would not be one write: what needs more is for a person.
    """
    made = Made()
    calls: list[Call] = []
    customer: dict[str, Any] = {}
    head = _head(made, record, fields & HEAD_FIELDS, setting, customer, new=False)
    if customer:
        head["customer"] = customer
    if head:
        calls.append(Call("PATCH", "", head))
    if "lines" in fields:
        calls += _line_calls(made, record, setting, read)
    if len(calls) > 1:
        number = text_of(read, "orderId")
        made.wrong(
            "order_change_too_wide",
            f"Order {number} would have to be changed in {len(calls)} requests, which could stop "
            "half way.",
            hint="Finance changes the order as the deal says, or deletes it and a new one is made.",
        )
    return Ordered(made, calls[0] if calls else Call("PATCH", "", {}))


def moment(day: date, setting: Setting) -> str:
    """The beginning of a day with its offset: without one the service takes it for UTC."""
    return datetime.combine(day, time(), setting.names.zone).isoformat()


def _head(
    made: Made,
    record: Document,
    fields: frozenset[str],
    setting: Setting,
    customer: dict[str, Any],
    *,
    new: bool,
) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if "po_number" in fields and (record.po_number or not new):
        customer["order"] = _fitting(made, record.po_number, PO_LENGTH, "The buyer's order number")
    if "terms" in fields and record.terms:
        whose = record.customer_name or "the order"
        customer["termsId"] = terms_id(made, record.terms, setting.names, whose)
    if "delivered_on" in fields and record.delivered_on is not None:
        body["requestOn"] = moment(record.delivered_on, setting)
    if {"your_reference", "buyer_reference"} & fields:
        buyer = (record.buyer_reference or record.your_reference)[:REFERENCE_LENGTH]
        if buyer or not new:
            body["billing"] = {"contact": _contact(setting.customer, buyer, new=new)}
    return body


def _contact(customer: Payload, attention: str, *, new: bool) -> dict[str, Any]:
    """A contact is taken whole: what is left out would be gone from the order."""
    own = part_of(customer, "invoiceContact") or part_of(customer, "mainContact")
    kept = {name: text_of(own, name) for name in ("name", "email", "phone1")}
    found: dict[str, Any] = {name: value for name, value in kept.items() if value}
    found["attention"] = attention
    return found if new else {**found, "overridesDefault": True}


def _fitting(made: Made, text: str, length: int, what: str) -> str:
    text = text.strip()
    if len(text) > length:
        made.wrong("text_too_long", f"{what} has {len(text)} characters; Visma.net takes {length}.")
    return text


def _lines(made: Made, record: Document, setting: Setting) -> tuple[list[dict[str, Any]], Any]:
    """The lines with items, and what they want of the head: the project."""
    items = [line for line in record.lines if line.kind is not LineKind.TEXT]
    currency = record.currency or setting.names.currency
    maker = LineMaker(made, setting.names, setting.settings, setting.items, currency, stock=True)
    built = maker.build(items, None, ())
    project = built.header.get("project")
    return [_plain(row) for row in built.sent], {"projectId": project} if project else {}


def _plain(row: Payload) -> dict[str, Any]:
    """A line of the ERP host as the order service takes it."""
    found: dict[str, Any] = {}
    for theirs, ours in _LINE.items():
        value = unwrapped(row, theirs)
        if value is not None:
            found[ours] = value
    segments = rows_of(row, "subaccount")
    if segments:
        found["subaccount"] = {str(s["segmentId"]): str(s["segmentValue"]) for s in segments}
    found["hasManualPrice"] = True
    found["hasManualDiscount"] = True
    return found


def _line_calls(made: Made, record: Document, setting: Setting, read: Payload) -> Sequence[Call]:
    """What leads from the order's lines to the wanted ones: other values, more lines, or fewer."""
    wanted, _ = _lines(made, record, setting)
    there = [row for row in read.get("orderLines") or () if isinstance(row, Mapping)]
    calls: list[Call] = []
    patches = []
    for row, line in zip(there, wanted, strict=False):
        if _item(row).casefold() != str(line.get("inventoryId")).casefold():
            made.wrong(
                "order_change_too_wide",
                f"A line of order {text_of(read, 'orderId')} would become another item, which the "
                "order service does not do.",
                hint="Finance changes the order as the deal says, or deletes it and a new one is "
                "made.",
            )
            return []
        if not _same(row, line):
            own = {name: value for name, value in line.items() if name != "inventoryId"}
            own.setdefault("discountPercent", 0)
            patches.append({"lineId": row.get("lineId"), **own})
    if patches:
        calls.append(Call("PATCH", "/lines", {"lines": patches}))
    if len(wanted) > len(there):
        calls.append(Call("POST", "/lines", {"lines": wanted[len(there) :]}))
    if len(there) > len(wanted):
        ids = ",".join(str(row.get("lineId")) for row in there[len(wanted) :])
        calls.append(Call("DELETE", f"/lines?ids={ids}"))
    return calls


def _item(row: Payload) -> str:
    return text_of(row, "inventory", "id") or text_of(row, "inventoryId")


def _same(row: Payload, line: Mapping[str, Any]) -> bool:
    """Whether a line stands there already as it is wanted: text, quantity, price and discount."""
    names = ("description", "quantity", "unitPrice")
    percent = line.get("discountPercent", 0)
    there, named = part_of(row, "subaccount"), line.get("subaccount") or {}
    return (
        all(row.get(name) == line.get(name) for name in names)
        and "discountAmount" not in line
        and (row.get("discountPercent") or 0) == percent
        and all(text_of(there, place) == value for place, value in named.items())
        and text_of(row, "projectTaskId") == str(line.get("projectTaskId") or "")
    )


def shown_order(record: Document, base: Document | None, fields: frozenset[str]) -> Document:
    """The order as the service will show it after a write of these fields."""
    if base is None:
        return replace(record, lines=tuple(_numbered(record.lines)))
    values: dict[str, Any] = {name: getattr(record, name) for name in fields if name != "customer"}
    if "lines" in fields:
        values["lines"] = tuple(_numbered(record.lines))
    return replace(base, **values)


def _numbered(lines: Sequence[Line]) -> Sequence[Line]:
    items = [line for line in lines if line.kind is not LineKind.TEXT]
    return [replace(line, position=place) for place, line in enumerate(items, start=1)]
