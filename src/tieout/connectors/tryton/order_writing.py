"""Sales: when one may be changed, and how one is taken back."""

from __future__ import annotations

from tieout.connectors.tryton.api import TrytonApi
from tieout.connectors.tryton.reading import ORDER
from tieout.connectors.tryton.values import Payload, call_body, text_of
from tieout.core.change import Action, Change, Refused
from tieout.core.finding import Finding
from tieout.core.model import Document

_OPEN = ("draft", "quotation")


def stopped(change: Change, read: Payload, record: Document) -> Refused | None:
    """
    Why a sale is not written to as it stands: one that was confirmed is a commitment that only
    persons change; a quotation can be cancelled, and changed as a draft only.
    """
    state = text_of(read, "state")
    if state not in _OPEN:
        return Refused(key=change.key, stale=True, seen=record)
    if change.action is Action.VOID or (change.action is Action.UPDATE and state == "draft"):
        return None
    finding = Finding(
        code="order_ongoing",
        message=f"Order {record.number} is a quotation in Tryton, where only drafts are changed.",
        hint="Finance sets it back to draft, or changes it as the deal says.",
    )
    return Refused(key=change.key, findings=(finding,), seen=record)


def taken_back(read: Payload, api: TrytonApi) -> bytes:
    """A draft is deleted, and a quotation, which has a number, is cancelled."""
    verb = "delete" if text_of(read, "state") == "draft" else "cancel"
    stamps = {f"{ORDER},{read['id']}": text_of(read, "_timestamp")}
    return call_body(f"model.{ORDER}.{verb}", [[read["id"]], api.context(_timestamp=stamps)])
