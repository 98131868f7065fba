"""Sales orders: decisions to bytes. What is changed is read for it, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from tieout.connectors.http.json import dumps
from tieout.connectors.visma_net.api import Row
from tieout.connectors.visma_net.compose_document import Setting
from tieout.connectors.visma_net.compose_order import (
    Ordered,
    changed_order,
    new_order,
    shown_order,
)
from tieout.connectors.visma_net.names import split_ref
from tieout.connectors.visma_net.orders import ETAG, ORDERS, OrderService, order
from tieout.connectors.visma_net.values import segment, text_of
from tieout.core.change import Action, Change, Predicted, Prepared, Refused
from tieout.core.finding import Finding
from tieout.core.model import Document, DocumentKind, LineKind, OrderState
from tieout.core.predict import predict

_JSON = {"Content-Type": "application/json"}
_OPEN = (OrderState.DRAFT, OrderState.AWAITING, OrderState.APPROVED)


class OrderWriter:
    """Prepares what is written to the order service of one connection."""

    def __init__(self, service: OrderService | None, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now

    def create(self, change: Change, record: Document, setting: Setting) -> Prepared | Refused:
        """A new order."""
        if self._service is None:
            return _refused(
                change,
                "document_kind_not_possible",
                "This connection to Visma.net makes no sales orders.",
                hint="Set orders of the connection, or another kind in flows.documents.create.",
            )
        ordered = new_order(record, setting, key=change.key)
        if ordered.made.findings:
            return Refused(key=change.key, findings=tuple(ordered.made.findings))
        shows = shown_order(record, None, frozenset())
        customer = text_of(setting.customer, "internalId")
        return self._made(change, ORDERS, ordered, shows, None, setting, customer=customer)

    async def existing(self, change: Change) -> Row | None:
        """The order that a change is of, as it is now; None where it is not there."""
        assert change.target is not None
        if self._service is None:
            return None
        return await self._service.one(split_ref(change.target)[1])

    def change(self, change: Change, setting: Setting, read: Row) -> Prepared | Refused:
        """An update or a void of an order that nobody has begun to deliver."""
        customers = {text_of(setting.customer, "number"): text_of(setting.customer, "internalId")}
        record = order(read, setting.names, customers)
        if record.order_state not in _OPEN:
            return Refused(key=change.key, stale=True, seen=record)
        assert change.target is not None
        kind, _, number = split_ref(change.target)[1].partition("/")
        path = f"{ORDERS}/{segment(kind)}/{segment(number)}"
        version = {"If-Match": text_of(read, ETAG)} if text_of(read, ETAG) else {}
        if change.action is Action.VOID:
            return self._prepared(change, "DELETE", path, b"", version, None, record)
        wanted = change.wanted
        if wanted is None or not isinstance(wanted.record, Document):
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        ordered = changed_order(wanted.record, wanted.fields, setting, read)
        if ordered.made.findings:
            return Refused(key=change.key, findings=tuple(ordered.made.findings), seen=record)
        shows = shown_order(wanted.record, record, wanted.fields)
        return self._made(change, path, ordered, shows, record, setting, version=version)

    def _made(
        self,
        change: Change,
        path: str,
        ordered: Ordered,
        shows: Document,
        read: Document | None,
        setting: Setting,
        *,
        version: dict[str, str] | None = None,
        customer: str = "",
    ) -> Prepared:
        call = ordered.call
        body = b"" if call.body is None else dumps(call.body)
        totals = None
        if read is None or (change.wanted is not None and "lines" in change.wanted.fields):
            totals = _totals(shows, setting)
        made = self._prepared(
            change, call.method, path + call.tail, body, version or {}, shows, read, customer
        )
        return replace(made, totals=totals)

    def _prepared(
        self,
        change: Change,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        shows: Document | None,
        read: Document | None,
        customer: str = "",
    ) -> Prepared:
        witness = {"vendor_time": self._now().isoformat()}
        if customer:
            witness["customer"] = customer
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=change.target,
            method=method,
            path=path,
            body=body,
            headers={**(_JSON if body else {}), **headers},
            witness=witness,
            shows=shows,
            read=read,
            revision=change.revision,
        )


def _totals(shows: Document, setting: Setting) -> Predicted | None:
    """What the order will come to; an order is not rounded to whole units."""
    items = [line for line in shows.lines if line.kind is not LineKind.TEXT]
    if not items or any(line.tax_rate is None for line in items):
        return None
    currency = shows.currency or setting.names.currency
    return predict(items, currency, rule=setting.rule.rule, rounds_to_unit=False)


def is_order(change: Change) -> bool:
    """Whether a change is of an order: what it makes, or what it is aimed at."""
    if change.target is not None:
        return change.target.id.startswith("order:")
    record = change.wanted.record if change.wanted is not None else None
    return isinstance(record, Document) and record.kind is DocumentKind.ORDER


def _refused(change: Change, code: str, message: str, *, hint: str = "") -> Refused:
    return Refused(key=change.key, findings=(Finding(code=code, message=message, hint=hint),))
