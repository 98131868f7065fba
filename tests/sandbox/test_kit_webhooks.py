"""Sliding limits, notices to this machine, and faults that strike actions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from tieout_sandbox.kit import (
    Action,
    Request,
    Response,
    SandboxClock,
    Simulator,
    dumps,
    json_response,
    make_request,
)
from tieout_sandbox.kit.faults import KINDS
from tieout_sandbox.kit.webhooks import Notice, Outbox, is_loopback

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


class Teller(Simulator):
    name = "teller"
    sliding_limits = True
    fault_kinds = KINDS

    def build(self) -> None:
        self.faults_seen: list[str | None] = []

    def vendor(self, request: Request) -> Response:
        self.faults_seen.append(self.webhook_fault)
        return json_response(200, {})

    def rate_limit(self, request: Request, template: str) -> tuple[str, int, float] | None:
        return "all", 3, 60

    def actions(self) -> dict[str, Action]:
        def run(arguments: Any) -> Any:
            self.faults_seen.append(self.webhook_fault)
            return {}

        return {"tell": Action(arguments={}, run=run)}


class Bench:
    def __init__(self) -> None:
        self.time = START
        self.sim = Teller(clock=SandboxClock(lambda: self.time))

    def status(self, method: str = "GET", path: str = "/x", body: Any = None) -> int:
        raw = b"" if body is None else dumps(body)
        answer = asyncio.run(self.sim.handle(make_request(method, path, body=raw)))
        assert isinstance(answer, Response)
        return answer.status

    def after(self, seconds: float) -> int:
        self.time += timedelta(seconds=seconds)
        return self.status()


def test_a_sliding_limit_forgets_each_call_by_itself() -> None:
    bench = Bench()
    assert [bench.after(0), bench.after(20), bench.after(20)] == [200, 200, 200]
    assert bench.after(10) == 429  # at 50: three in the last minute
    assert bench.after(10) == 200  # at 60: the first is forgotten
    assert bench.after(10) == 429  # at 70: those of 20, 40 and 60
    assert bench.after(10) == 200  # at 80


def test_a_refused_call_is_told_how_long_to_wait() -> None:
    bench = Bench()
    for _ in range(3):
        bench.status()
    bench.time += timedelta(seconds=14.5)
    answer = asyncio.run(bench.sim.handle(make_request("GET", "/x")))
    assert isinstance(answer, Response)
    assert answer.headers["Retry-After"] == "46"
    bench.sim.reset()
    assert bench.status() == 200


def test_faults_of_notices_strike_actions_and_others_do_not() -> None:
    bench = Bench()
    path = "/_sandbox/actions/tell"
    for kind in ("status", "lost_webhook"):
        order = {"kind": kind, "path": path, "status": 500}
        assert bench.status("POST", "/_sandbox/faults", order) == 201
    assert bench.status("POST", path) == 200
    assert bench.status("POST", path) == 200
    assert bench.sim.faults_seen == ["lost_webhook", None]


def notice(number: int, target: str = "http://127.0.0.1:1/") -> Notice:
    return Notice(target=target, body=str(number).encode(), subject=str(number))


def sent(outbox: Outbox) -> list[str]:
    heard: list[str] = []

    def deliver(one: Notice) -> int:
        heard.append(one.subject)
        return 204

    outbox.deliver = deliver
    outbox.send()
    return heard


@pytest.mark.parametrize(
    ("fault", "order"),
    [
        (None, ["1", "2", "3"]),
        ("duplicate_webhook", ["1", "1", "2", "2", "3"]),
        ("lost_webhook", ["3"]),
        ("reordered_webhooks", ["3", "2", "1"]),
    ],
)
def test_what_faults_do_to_the_order(fault: str | None, order: list[str]) -> None:
    outbox = Outbox()
    outbox.put([notice(1), notice(2)], fault)
    outbox.put([], "lost_webhook")
    outbox.put([notice(3)], None)
    assert sent(outbox) == order
    assert sent(outbox) == []


def test_what_was_sent_is_kept_with_its_outcome() -> None:
    outbox = Outbox()
    outbox.put([notice(1)], "lost_webhook")
    outbox.put([notice(2)], None)
    sent(outbox)
    assert [one.as_json()["outcome"] for one in outbox.sent] == ["lost", "204"]
    outbox.clear()
    assert list(outbox.sent) == []


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("http://127.0.0.1:80/x", True),
        ("http://localhost/x", True),
        ("http://[::1]:5/x", True),
        ("https://127.0.0.1/x", False),
        ("http://127.0.0.1.example.com/x", False),
        ("http://user@example.com/127.0.0.1", False),
        ("http://10.0.0.1/", False),
        ("http://[bad/", False),
        ("ftp://127.0.0.1/", False),
        ("", False),
    ],
)
def test_only_this_machine_is_called(target: str, near: bool) -> None:
    assert is_loopback(target) is near


def test_notices_go_out_in_order_and_are_tried_again() -> None:
    heard: list[str] = []

    async def take(request: web.BaseRequest) -> web.StreamResponse:
        heard.append((await request.read()).decode())
        return web.Response(status=500 if len(heard) == 1 else 200)

    async def run() -> Outbox:
        runner = web.ServerRunner(web.Server(take))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        outbox = Outbox()
        outbox.tries = 2
        target = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        outbox.put([notice(1, target), notice(2, target), notice(3, "http://127.0.0.1:1/")], None)
        outbox.send()
        await outbox.settled()
        await runner.cleanup()
        return outbox

    outbox = asyncio.run(run())
    assert heard == ["1", "1", "2"]
    outcomes = [one.outcome for one in outbox.sent]
    assert outcomes[:2] == ["200", "200"]
    assert outcomes[2] == "ClientConnectorError"
