"""Graphs: the rows of one change in one all-or-none piece, many such pieces in one request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.salesforce.errors import Kind, Refusal, names_nothing, refusals
from tieout.connectors.salesforce.ids import id18, is_id
from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    Change,
    Deferred,
    Outcome,
    Prepared,
    Rejected,
    Stale,
    Unknown,
    Wire,
)
from tieout.core.keys import wire_key
from tieout.core.model import Entity, ExternalRef

GRAPHS_MOST = 75
NODES_MOST = 500
HEAD = "head"
_HALTED = "PROCESSING_HALTED"
_HALTED_WAIT_S = 1

Refuse = Callable[[str, Sequence[Refusal], str, datetime | None], Outcome]


def graph_path(data_path: str) -> str:
    """Where graphs are sent."""
    return f"{data_path}/composite/graph"


@dataclass(slots=True)
class Graph:
    """The requests of one change in order; the first is about the record itself."""

    data_path: str
    nodes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """One more request; ``path`` stands behind `sobjects/`."""
        node: dict[str, Any] = {
            "method": method,
            "url": f"{self.data_path}/sobjects/{path}",
            "referenceId": name,
        }
        if body is not None:
            node["body"] = dict(body)
        self.nodes.append(node)

    def body(self, change: Change) -> bytes:
        """The graph as it is sent, named by what it does and for which key."""
        mark = "c" if change.action is Action.CREATE else "u"
        return dumps({"graphId": mark + change.key, "compositeRequest": self.nodes})


def pack_graphs(path: str, items: Sequence[Prepared]) -> Iterator[Wire]:
    """As many graphs in one request as it takes, in the order of their accounts."""
    for piece in _pieces(sorted(items, key=_order)):
        yield Wire(
            wire_key=wire_key(*(wire_key(i.key, i.action.value, i.revision) for i in piece)),
            method="POST",
            path=path,
            body=b'{"graphs":[' + b",".join(item.body for item in piece) + b"]}",
            items=tuple(item.key for item in piece),
            headers={"Content-Type": "application/json"},
        )


def _order(item: Prepared) -> tuple[str, str, str]:
    return item.entity.value, item.witness.get("parent", ""), item.key


def _pieces(items: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    piece: list[Prepared] = []
    nodes = 0
    for item in items:
        mine = int(item.witness["nodes"])
        if piece and (len(piece) == GRAPHS_MOST or nodes + mine > NODES_MOST):
            yield piece
            piece, nodes = [], 0
        piece.append(item)
        nodes += mine
    if piece:
        yield piece


def read_graphs(
    name: str, wire: Wire, body: bytes, at: datetime | None, refuse: Refuse
) -> list[Outcome]:
    """An outcome for each graph that was sent, by its name."""
    try:
        answer = loads(body)
    except ValueError:
        answer = None
    listed = answer.get("graphs") if isinstance(answer, Mapping) else None
    told = {
        one.get("graphId"): one
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, Mapping)
    }
    sent = {one["graphId"]: one for one in loads(wire.body)["graphs"]}
    found: list[Outcome] = []
    for key in wire.items:
        mark = next(mark for mark in (f"c{key}", f"u{key}") if mark in sent)
        nodes = _by_reference(told.get(mark))
        if not nodes:
            found.append(Unknown(key=key, reason="the answer tells nothing of it", vendor_time=at))
        elif told[mark].get("isSuccessful") is True:
            found.append(_applied(name, key, sent[mark], nodes, at))
        else:
            found.append(_failed(key, mark.startswith("c"), sent[mark], nodes, at, refuse))
    return found


def _by_reference(answer: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    response = answer.get("graphResponse") if answer else None
    listed = response.get("compositeResponse") if isinstance(response, Mapping) else None
    return {
        str(one.get("referenceId")): one
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, Mapping)
    }


def _applied(
    name: str,
    key: str,
    sent: Mapping[str, Any],
    nodes: Mapping[str, Mapping[str, Any]],
    at: datetime | None,
) -> Outcome:
    path = str(sent["compositeRequest"][0]["url"]).split("/")
    body = nodes.get(HEAD, {}).get("body")
    record_id = str(body.get("id")) if isinstance(body, Mapping) else path[-1]
    if not is_id(record_id):
        return Unknown(key=key, reason="the answer does not name the row", vendor_time=at)
    kind = path[path.index("sobjects") + 1]
    entity = Entity.ITEM if kind == "Product2" else Entity.DOCUMENT
    return Applied(key=key, ref=ExternalRef(name, entity.value, id18(record_id)), vendor_time=at)


def _failed(
    key: str,
    creates: bool,
    sent: Mapping[str, Any],
    nodes: Mapping[str, Mapping[str, Any]],
    at: datetime | None,
    refuse: Refuse,
) -> Outcome:
    """A graph of which nothing was done, for the reason that its first refused row gives."""
    for node in sent["compositeRequest"]:
        reference = node["referenceId"]
        found = refusals(dumps(nodes.get(reference, {}).get("body")))
        if not found or found[0].code == _HALTED:
            continue
        again = node["method"] == "POST" and _made_already(found[0])
        if again if reference != HEAD else creates and _names_key(found[0], node):
            # Our own request of before has come through after all, or a person was faster.
            return (
                AlreadyApplied(key=key, ref=None, vendor_time=at)
                if creates
                else Stale(key=key, vendor_time=at)
            )
        label = f"{str(node['url']).split('/sobjects/')[-1].split('/')[0]} of {key}"
        if creates and found[0].meaning.kind is Kind.STALE:
            return Rejected(key=key, findings=(names_nothing(found[0], label),), vendor_time=at)
        return refuse(key, found, label, at)
    if any(refusals(dumps(node.get("body"))) for node in nodes.values()):
        # Too many others of the same request failed before it, so it was not tried.
        return Deferred(
            key=key, retry_after_s=_HALTED_WAIT_S, reason="it was not tried", vendor_time=at
        )
    return Unknown(key=key, reason="the answer tells neither success nor a reason", vendor_time=at)


def _names_key(refusal: Refusal, node: Mapping[str, Any]) -> bool:
    """Whether a row with our own key was made by another request while this one ran."""
    field = str(node["url"]).split("/")[-2]
    return refusal.code == "DUPLICATE_VALUE" and field in re.split(r"\W+", refusal.message)


def _made_already(refusal: Refusal) -> bool:
    """A row that a repeat of the same request finds made: by its key, or by its price book."""
    integrity = refusal.code == "FIELD_INTEGRITY_EXCEPTION"
    return refusal.code == "DUPLICATE_VALUE" or (
        integrity and "already exists" in refusal.message.lower()
    )
