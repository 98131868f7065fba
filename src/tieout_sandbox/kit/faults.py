"""Faults that a caller orders: which call they meet, how often, and what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tieout_sandbox.kit.clock import seconds_of

KINDS = frozenset(
    {
        "drop_before",
        "drop_after_commit",
        "commit_late",
        "status",
        "rate_limited",
        "slow",
        "truncated",
        "batch_cut",
        "key_expiry",
        "garbage",
        "token_expired",
        "token_revoked",
        "stale",
        "search_lag",
        "duplicate_webhook",
        "reordered_webhooks",
        "lost_webhook",
    }
)
WEBHOOK_KINDS = frozenset({"duplicate_webhook", "reordered_webhooks", "lost_webhook"})
LONGEST_S = 10 * 365 * 86_400
_NEEDED = {
    "commit_late": "seconds",
    "slow": "seconds",
    "search_lag": "seconds",
    "status": "status",
    "batch_cut": "items",
}


class FaultError(ValueError):
    """A fault was ordered that cannot be; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An ordered fault. `path` is a path, a template, or either with a `*` at its end;
    `times` None means always."""

    id: int
    kind: str
    method: str = "*"
    path: str = "*"
    skip: int = 0
    times: int | None = 1
    seconds: float = 0
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    items: int | None = None
    hits: int = 0

    def meets(self, method: str, path: str, template: str) -> bool:
        """Whether a call is one of those that this fault counts."""
        if self.method not in ("*", method):
            return False
        if self.path.endswith("*"):
            stem = self.path[:-1]
            return path.startswith(stem) or template.startswith(stem)
        return self.path in (path, template)

    def as_json(self) -> dict[str, Any]:
        """The fault as it was ordered, with how often it struck."""
        return {
            "id": self.id,
            "method": self.method,
            "path": self.path,
            "kind": self.kind,
            "skip": self.skip,
            "times": self.times,
            "seconds": self.seconds,
            "status": self.status,
            "body": self.body,
            "headers": dict(self.headers),
            "items": self.items,
            "hits": self.hits,
        }


class Faults:
    """All ordered faults, first ordered first met. A call meets at most one.

    Every kind can be ordered of every system; one that a system has nothing for (a stale version
    where there are no versions) strikes without effect, and says so: `"effective": false`.
    """

    def __init__(self, effective: frozenset[str] = KINDS) -> None:
        self.effective = effective
        self._open: list[Fault] = []
        self._next = 1

    def add(self, order: Mapping[str, Any]) -> Fault:
        """Takes an order as it comes over the wire; FaultError where it makes no sense."""
        kind = order.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise FaultError(f"no such kind: {kind!r}; there are {', '.join(sorted(KINDS))}")
        needed = _NEEDED.get(kind)
        if needed is not None and order.get(needed) is None:
            raise FaultError(f"{kind} needs {needed}")
        allowed = set(Fault.__dataclass_fields__) - {"id", "hits"}
        unknown = set(order) - allowed - {"id", "hits", "effective"}
        if unknown:
            raise FaultError(f"no such field: {', '.join(sorted(unknown))}")
        fields = {name: order[name] for name in allowed if name in order}
        _check_texts(fields)
        _check_numbers(fields)
        fault = Fault(id=self._next, **fields)
        self._next += 1
        self._open.append(fault)
        return fault

    def take(
        self, method: str, path: str, template: str, *, kinds: frozenset[str] = KINDS
    ) -> Fault | None:
        """The fault of those kinds that strikes this call, if one does; counts skips and times."""
        for index, fault in enumerate(self._open):
            if fault.kind not in kinds or not fault.meets(method, path, template):
                continue
            if fault.skip > 0:
                self._open[index] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.times is not None and fault.hits >= fault.times:
                continue
            struck = replace(fault, hits=fault.hits + 1)
            self._open[index] = struck
            return struck
        return None

    def listed(self) -> list[dict[str, Any]]:
        """Every ordered fault, those that are used up too."""
        return [self.shown(fault) for fault in self._open]

    def shown(self, fault: Fault) -> dict[str, Any]:
        """A fault as JSON, with whether it has an effect on this system."""
        return {**fault.as_json(), "effective": fault.kind in self.effective}

    def clear(self, fault_id: int | None = None) -> bool:
        """Removes one fault, or all; whether there was one of that id."""
        before = len(self._open)
        self._open = [fault for fault in self._open if fault_id not in (None, fault.id)]
        return fault_id is None or len(self._open) < before


def _check_texts(fields: dict[str, Any]) -> None:
    """Puts method, path and headers into their own form; FaultError where they are none."""
    for name in ("method", "path"):
        given = fields.get(name)
        if given is None:
            fields.pop(name, None)
        elif not isinstance(given, str):
            raise FaultError(f"{name} must be text")
    if "method" in fields:
        fields["method"] = fields["method"].upper() or "*"
    headers = fields.pop("headers", None)
    if headers is None:
        return
    if not isinstance(headers, Mapping) or not all(map(_is_header, headers.values())):
        raise FaultError("headers must be an object of names and values")
    fields["headers"] = {name: str(value) for name, value in headers.items()}


def _is_header(value: object) -> bool:
    plain = isinstance(value, (str, int)) and not isinstance(value, bool)
    return plain and not {"\r", "\n", "\0"} & set(str(value))


def _check_numbers(fields: dict[str, Any]) -> None:
    if fields.get("seconds") is None:
        fields.pop("seconds", None)
    else:
        fields["seconds"] = seconds_of(fields["seconds"], "seconds")
        if not 0 <= fields["seconds"] <= LONGEST_S:
            raise FaultError(f"seconds must be from 0 to {LONGEST_S}")
    if fields.get("skip") is None:
        fields.pop("skip", None)
    for name in ("skip", "times", "status", "items"):
        given = fields.get(name)
        if given is None:
            continue
        if isinstance(given, bool) or not isinstance(given, int):
            raise FaultError(f"{name} must be a whole number")
        if given < 0:
            raise FaultError(f"{name} must not be below 0")
    if not 200 <= (fields.get("status") or 200) <= 599:
        raise FaultError("status must be from 200 to 599")
