"""The base of every simulator: faults, call counts, clock, state file and the outside surface.

A vendor's simulator subclasses `Simulator` and writes only the vendor: `build` (the seeded data),
`vendor` (one call, atomic), `template`, `entities`, `actions`, `state` and `load_state`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tieout_sandbox.kit import surface
from tieout_sandbox.kit.clock import SandboxClock, instant_text, parse_instant
from tieout_sandbox.kit.codec import dumps, pack, unpack
from tieout_sandbox.kit.faults import KINDS, WEBHOOK_KINDS, Fault, Faults
from tieout_sandbox.kit.http import (
    Answer,
    Dropped,
    Request,
    Response,
    Truncated,
    html_response,
    json_response,
)
from tieout_sandbox.kit.journal import Journal, entry_request, request_entry

_GATEWAY_PAGE = (
    "<html><head><title>502 Bad Gateway</title></head>"
    "<body><center><h1>502 Bad Gateway</h1></center></body></html>"
)


# What an action raises that was given a list where it wants a text, and the like.
_NOT_UNDERSTOOD = (TypeError, AttributeError, LookupError, ArithmeticError)


class ActionError(Exception):
    """An action cannot be done as asked; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a person may do past the API: argument names with their meaning, and the doing."""

    arguments: Mapping[str, str]
    run: Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True, order=True)
class _Late:
    """A call whose connection was closed and which is carried out when its time has come."""

    due: datetime
    order: int
    request: Request = field(compare=False)


@dataclass(slots=True)
class _Window:
    """Calls counted since the first one of a period."""

    began: datetime
    count: int = 0


class Simulator:
    """One vendor's system in memory. Deterministic; no sockets, no threads; awaits nothing but
    `asyncio.sleep`, and that only for latency and the fault `slow`."""

    name = "simulator"
    # Whether the limit counts the calls of the last so many seconds, instead of periods.
    sliding_limits = False
    # The kinds that can do something here; the others strike without effect.
    fault_kinds: frozenset[str] = KINDS - WEBHOOK_KINDS
    # Whether `package=True` makes it with what our own package brings to that system.
    takes_package = False
    # The file of a data folder without which there is nothing to take from it; "": it takes none.
    takes_data = ""

    def __init__(
        self,
        *,
        seed: int = 1,
        size: int = 0,
        clock: SandboxClock,
        rate_limits: bool = True,
        state_file: Path | None = None,
        data: Path | None = None,
        latency_ms: int = 0,
    ) -> None:
        self.seed = seed
        self.size = size
        self.clock = clock
        self.rate_limits = rate_limits
        self.data = data
        self.latency_ms = latency_ms
        self.faults = Faults(self.fault_kinds)
        self.calls: dict[str, dict[str, int]] = {}
        # Valid only inside vendor(): what a fault asks of this one call.
        self.lag_until: datetime | None = None
        self.batch_items: int | None = None
        self.webhook_fault: str | None = None
        self._late: list[_Late] = []
        self._late_count = 0
        self._windows: dict[str, _Window] = {}
        self._recent: dict[str, deque[datetime]] = {}
        self._journal = Journal(state_file) if state_file is not None else None
        self.build()
        self._open_journal()

    # What a vendor's simulator writes.

    def build(self) -> None:
        """(Re)creates all state from seed, size, data folder and `clock.origin`."""

    def vendor(self, request: Request) -> Response:
        """Answers one call of the vendor's API. Atomic: every change of state happens in here."""
        return json_response(404, {"error": f"{request.method} {request.path}"})

    def template(self, request: Request) -> str:
        """The path with its ids replaced, as `/v2/customers/{id}`."""
        return request.path

    def mutates(self, request: Request) -> bool:
        """Whether the call may change state, and so has to be in the state file."""
        return request.method not in ("GET", "HEAD", "OPTIONS")

    def entities(self) -> Mapping[str, Callable[[], Iterable[dict[str, Any]]]]:
        """The vendor's entities by name, each as a function that gives all its records."""
        return {}

    def counts(self) -> Mapping[str, int]:
        """How many records each entity has, deleted ones left out."""
        return {
            name: sum(1 for record in every() if not record.get("_deleted"))
            for name, every in self.entities().items()
        }

    def actions(self) -> Mapping[str, Action]:
        """What a person would do in the vendor's own screens, by name."""
        return {}

    def state(self) -> Any:
        """The whole state; Decimal, datetime and date may stand in it."""
        return {}

    def load_state(self, state: Any) -> None:
        """Takes back what `state` gave (tuples have become lists)."""

    def rate_limit(self, request: Request, template: str) -> tuple[str, int, float] | None:
        """Key, calls allowed and seconds of the window; None where the call is not limited."""
        _ = request, template
        return None

    def rate_limited(self, request: Request, seconds: int) -> Response:
        """The vendor's own 429, told to wait so many seconds."""
        _ = request
        return json_response(429, {"error": "too many requests"}, {"Retry-After": str(seconds)})

    def token_expired(self, request: Request) -> Response:
        """Lets the token of this call expire, and gives the vendor's answer to that."""
        _ = request
        return json_response(401, {"error": "token expired"})

    def token_revoked(self, request: Request) -> Response:
        """Withdraws the sign-in of this call, and gives the vendor's answer to that."""
        _ = request
        return json_response(401, {"error": "token revoked"})

    def stale(self, request: Request) -> Response:
        """The vendor's answer to an old version."""
        _ = request
        return json_response(409, {"error": "stale version"})

    def forget_keys(self) -> None:
        """Forgets every idempotency key the vendor remembers."""

    # One call.

    async def handle(self, request: Request) -> Answer:
        """Answers any call, `/_sandbox` included; applies faults, counts, keeps the state file."""
        if request.path.startswith("/_sandbox"):
            self.settle()
            return surface.answer(self, request)
        if self.latency_ms:
            await asyncio.sleep(self.latency_ms / 1000)
        self.settle()
        template = self.template(request)
        fault = self.faults.take(request.method, request.path, template)
        reply = self._reply(request, template, fault)
        self._count(request.method, template, reply)
        if fault is not None and fault.kind == "slow":
            # Done at once and told late: a caller that gave up waiting does not know which.
            await asyncio.sleep(fault.seconds)
        return reply

    def settle(self) -> None:
        """Carries out every late call whose time has come, in order, each at its own moment."""
        while self._late and self._late[0].due <= self.clock.now():
            late = heapq.heappop(self._late)
            with self.clock.at(late.due):
                self._carry_out(late.request)

    @property
    def waiting(self) -> int:
        """How many late calls are still to be carried out."""
        return len(self._late)

    def close(self) -> None:
        """Lets go of the state file."""
        if self._journal is not None:
            self._journal.close()

    def _reply(self, request: Request, template: str, fault: Fault | None) -> Answer:
        if fault is not None:
            return self._faulty(request, fault)
        wait = self._over_limit(request, template)
        if wait is not None:
            return self.rate_limited(request, wait)
        return self._carry_out(request)

    def _faulty(self, request: Request, fault: Fault) -> Answer:
        if fault.kind not in self.faults.effective:
            return self._carry_out(request)
        match fault.kind:
            case "drop_before":
                return Dropped()
            case "drop_after_commit":
                self._carry_out(request)
                return Dropped(carried_out=True)
            case "commit_late":
                return self._put_off(request, fault.seconds)
            case "status":
                return _status_response(fault)
            case "rate_limited":
                return self.rate_limited(request, int(fault.seconds) or 55)
            case "truncated":
                full = self._carry_out(request)
                return Truncated(response=full, sent=full.body[: len(full.body) // 2])
            case "garbage":
                self._carry_out(request)
                return html_response(fault.status or 502, _GATEWAY_PAGE)
            case "token_expired" | "token_revoked":
                return self._hook(fault.kind, request)
            case "stale":
                return self.stale(request)
            case "key_expiry":
                self._note({"op": "forget_keys"})
                self.forget_keys()
                return self._carry_out(request)
            case "search_lag":
                until = self.clock.now() + timedelta(seconds=fault.seconds)
                return self._carry_out(request, lag_until=until)
            case "batch_cut":
                return self._carry_out(request, batch_items=fault.items)
            case "duplicate_webhook" | "reordered_webhooks" | "lost_webhook":
                return self._carry_out(request, webhook_fault=fault.kind)
            case _:
                return self._carry_out(request)

    def _put_off(self, request: Request, seconds: float) -> Dropped:
        due = self.clock.now() + timedelta(seconds=seconds)
        self._late_count += 1
        heapq.heappush(self._late, _Late(due, self._late_count, request))
        return Dropped()

    def _carry_out(
        self,
        request: Request,
        *,
        lag_until: datetime | None = None,
        batch_items: int | None = None,
        webhook_fault: str | None = None,
    ) -> Response:
        if not self.mutates(request):
            return self._vendor(request, lag_until, batch_items, webhook_fault)
        now = self.clock.now()
        with self.clock.at(now):  # one call is one moment, and replayed it is the same moment
            response = self._vendor(request, lag_until, batch_items, webhook_fault)
        self._note(
            {
                "op": "vendor",
                "at": now.isoformat(),
                "lag_until": lag_until.isoformat() if lag_until else None,
                "batch_items": batch_items,
                "webhook_fault": webhook_fault,
                "request": request_entry(request) if self._journal else None,
            }
        )
        return response

    def _vendor(
        self,
        request: Request,
        lag_until: datetime | None,
        batch_items: int | None,
        webhook_fault: str | None,
    ) -> Response:
        self.lag_until = lag_until
        self.batch_items = batch_items
        self.webhook_fault = webhook_fault
        try:
            return self.vendor(request)
        finally:
            self.lag_until = self.batch_items = self.webhook_fault = None

    def _hook(self, kind: str, request: Request) -> Response:
        now = self.clock.now()
        with self.clock.at(now):
            hook = self.token_expired if kind == "token_expired" else self.token_revoked
            response = hook(request)
        self._note({"op": kind, "at": now.isoformat(), "request": request_entry(request)})
        return response

    def _over_limit(self, request: Request, template: str) -> int | None:
        limit = self.rate_limit(request, template) if self.rate_limits else None
        if limit is None:
            return None
        key, allowed, seconds = limit
        if self.sliding_limits:
            return self._over_sliding(key, allowed, timedelta(seconds=seconds))
        now = self.clock.now()
        window = self._windows.get(key)
        if window is None or not timedelta(0) <= now - window.began < timedelta(seconds=seconds):
            window = self._windows[key] = _Window(now)
        if window.count >= allowed:
            left = timedelta(seconds=seconds) - (now - window.began)
            return max(1, -(-int(left.total_seconds() * 1000) // 1000))
        window.count += 1
        return None

    def _over_sliding(self, key: str, allowed: int, span: timedelta) -> int | None:
        now = self.clock.now()
        recent = self._recent.setdefault(key, deque())
        while recent and not now - span < recent[0] <= now:
            recent.popleft()
        if len(recent) >= allowed:
            left = recent[0] + span - now
            return max(1, -(-left // timedelta(seconds=1)))
        recent.append(now)
        return None

    def _count(self, method: str, template: str, reply: Answer) -> None:
        match reply:
            case Response():
                outcome = str(reply.status)
            case Truncated():
                outcome = "truncated"
            case _:
                outcome = "dropped"
        by_status = self.calls.setdefault(f"{method} {template}", {})
        by_status[outcome] = by_status.get(outcome, 0) + 1

    # The outside surface uses these.

    def act(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Does what a person would do; ActionError where there is no such action or it fails."""
        action = self.actions().get(name)
        if action is None:
            raise ActionError(f"no such action: {name}")
        unknown = set(arguments) - set(action.arguments)
        if unknown:
            raise ActionError(f"{name} takes no {', '.join(sorted(unknown))}")
        now = self.clock.now()
        # Noted although it may fail: what a failed one used up (ids, say) has to be repeated too.
        entry = {"op": "action", "at": now.isoformat(), "name": name, "arguments": pack(arguments)}
        path = f"/_sandbox/actions/{name}"
        fault = self.faults.take("POST", path, path, kinds=WEBHOOK_KINDS & self.fault_kinds)
        self.webhook_fault = fault.kind if fault is not None else None
        try:
            with self.clock.at(now):
                return action.run(arguments)
        except _NOT_UNDERSTOOD as error:
            text = f"{name} cannot take these arguments: {type(error).__name__}: {error}"
            raise ActionError(text) from error
        finally:
            self.webhook_fault = None
            self._note(entry)

    def set_clock(self, when: datetime) -> None:
        """Sets the simulator's clock; what was put off until then is carried out."""
        self.clock.set(when)
        self._note({"op": "clock", "offset_us": self._offset_us()})
        self.settle()

    def advance_clock(self, seconds: float) -> None:
        """Moves the simulator's clock ahead; what was put off until then is carried out."""
        self.clock.advance_s(seconds)
        self._note({"op": "clock", "offset_us": self._offset_us()})
        self.settle()

    def reset(self) -> None:
        """Back to the state at start: data, clock, faults, call counts, put-off calls."""
        self.clock.restart()
        self.faults.clear()
        self.calls.clear()
        self._late.clear()
        self._windows.clear()
        self._recent.clear()
        self.build()
        if self._journal is not None:
            self._journal.start(self._snapshot())

    # The state file.

    def _open_journal(self) -> None:
        if self._journal is None:
            return
        stored = self._journal.read()
        if stored is not None:
            head, changes = stored
            if head["system"] != self.name:
                raise ValueError(f"{self._journal.path} is the state of {head['system']}")
            # Ids follow from the seed: with another one the changes would get other ids than
            # those that were answered.
            self.seed, self.size = head.get("seed", self.seed), head.get("size", self.size)
            self.clock.offset = timedelta(microseconds=head["offset_us"])
            self.load_state(unpack(head["state"]))
            for entry in changes:
                self._replay(entry)
        self._journal.start(self._snapshot())

    def _snapshot(self) -> dict[str, Any]:
        return {
            "system": self.name,
            "seed": self.seed,
            "size": self.size,
            "offset_us": self._offset_us(),
            "taken": instant_text(self.clock.now()),
            "state": pack(self.state()),
        }

    def _replay(self, entry: dict[str, Any]) -> None:
        if entry["op"] == "clock":
            self.clock.offset = timedelta(microseconds=entry["offset_us"])
            return
        if entry["op"] == "forget_keys":
            self.forget_keys()
            return
        with self.clock.at(parse_instant(entry["at"])):
            match entry["op"]:
                case "action":
                    # It failed the first time too.
                    with suppress(ActionError, ValueError, *_NOT_UNDERSTOOD):
                        self.actions()[entry["name"]].run(unpack(entry["arguments"]))
                case "vendor":
                    lag = entry["lag_until"]
                    self._vendor(
                        entry_request(entry["request"]),
                        parse_instant(lag) if lag else None,
                        entry["batch_items"],
                        entry["webhook_fault"],
                    )
                case "token_expired":
                    self.token_expired(entry_request(entry["request"]))
                case "token_revoked":
                    self.token_revoked(entry_request(entry["request"]))

    def _note(self, entry: dict[str, Any]) -> None:
        if self._journal is not None:
            self._journal.append(entry)

    def _offset_us(self) -> int:
        return self.clock.offset // timedelta(microseconds=1)


def _status_response(fault: Fault) -> Response:
    body = fault.body
    if isinstance(body, str):
        content, kind = body.encode(), "text/html; charset=utf-8"
    elif body is None:
        content, kind = b"", "text/plain"
    else:
        content, kind = dumps(body), "application/json;charset=UTF-8"
    headers = dict(fault.headers)
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind
    return Response(status=fault.status or 500, headers=headers, body=content)
