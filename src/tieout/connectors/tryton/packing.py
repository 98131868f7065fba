"""Prepared items into requests, and requests that did not leave into outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.tryton.values import call_body
from tieout.core.change import Deferred, Outcome, Prepared, Wire
from tieout.core.keys import wire_key


def wire(items: Sequence[Prepared], body: bytes) -> Wire:
    keys = [wire_key(item.key, item.revision, item.action, item.path) for item in items]
    return Wire(
        wire_key=keys[0] if len(keys) == 1 else wire_key(*keys),
        method=items[0].method,
        path=items[0].path,
        body=body,
        items=tuple(item.key for item in items),
        headers=items[0].headers,
    )


def together(items: Sequence[Prepared]) -> bytes:
    """The bodies of several creates as one call with a list, digits kept."""
    if len(items) == 1:
        return items[0].body
    calls = [loads(item.body) for item in items]
    values: list[Any] = [row for call in calls for row in call["params"][0]]
    return call_body(calls[0]["method"], [values, calls[0]["params"][-1]], raw=True)


def put_off(wire: Wire, reason: str, seconds: int) -> list[Outcome]:
    return [Deferred(key=key, retry_after_s=seconds, reason=reason) for key in wire.items]
