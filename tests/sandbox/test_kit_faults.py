"""Faults: which call they meet, and what is done and told then."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tieout_sandbox.kit import (
    Dropped,
    Request,
    Response,
    SandboxClock,
    Simulator,
    Truncated,
    dumps,
    json_response,
    make_request,
)

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


class Counter(Simulator):
    name = "counter"

    def build(self) -> None:
        self.done: list[tuple[str, datetime]] = []
        self.seen: list[Any] = []
        self.keys_forgotten = 0

    def vendor(self, request: Request) -> Response:
        if self.mutates(request):
            self.done.append((request.path, self.clock.now()))
        self.seen.append((self.lag_until, self.batch_items))
        return json_response(201, {"done": len(self.done)})

    def template(self, request: Request) -> str:
        return "/things/{id}" if request.path.startswith("/things/") else request.path

    def forget_keys(self) -> None:
        self.keys_forgotten += 1

    def rate_limit(self, request: Request, template: str) -> tuple[str, int, float] | None:
        return template, 3, 60


class Bench:
    def __init__(self, **options: Any) -> None:
        self.time = START
        self.sim = Counter(clock=SandboxClock(lambda: self.time), **options)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        raw = b"" if body is None else dumps(body)
        return asyncio.run(self.sim.handle(make_request(method, path, body=raw)))

    def fault(self, kind: str, **fields: Any) -> dict[str, Any]:
        answer = self.send("POST", "/_sandbox/faults", {"kind": kind, **fields})
        assert answer.status == 201, answer.body
        return answer.json()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_drop_before_does_nothing(bench: Bench) -> None:
    bench.fault("drop_before", method="POST", path="/things")
    assert bench.send("POST", "/things") == Dropped(carried_out=False)
    assert bench.sim.done == []
    assert bench.send("POST", "/things").status == 201  # it struck once only


def test_drop_after_commit_does_it(bench: Bench) -> None:
    bench.fault("drop_after_commit")
    assert bench.send("POST", "/things") == Dropped(carried_out=True)
    assert len(bench.sim.done) == 1


def test_commit_late_is_done_at_its_time_and_before_later_calls(bench: Bench) -> None:
    bench.fault("commit_late", path="/slow", seconds=Decimal("30.0"))
    bench.fault("commit_late", path="/slower", seconds=40)
    assert bench.send("POST", "/slow") == Dropped(carried_out=False)
    bench.send("POST", "/slower")
    bench.time += timedelta(seconds=29)
    bench.send("POST", "/between")
    assert [path for path, _ in bench.sim.done] == ["/between"]
    bench.time += timedelta(seconds=20)
    bench.send("POST", "/after")
    assert bench.sim.done[1:] == [
        ("/slow", START + timedelta(seconds=30)),
        ("/slower", START + timedelta(seconds=40)),
        ("/after", START + timedelta(seconds=49)),
    ]


def test_settle_carries_out_what_is_due(bench: Bench) -> None:
    bench.fault("commit_late", seconds=5)
    bench.send("POST", "/things")
    bench.sim.settle()
    assert bench.sim.waiting == 1
    bench.time += timedelta(seconds=5)
    bench.sim.settle()
    assert (bench.sim.waiting, len(bench.sim.done)) == (0, 1)


def test_moving_the_clock_carries_out_what_is_due(bench: Bench) -> None:
    bench.fault("commit_late", seconds=3600)
    bench.send("POST", "/things")
    bench.send("POST", "/_sandbox/clock", {"advance_s": 3600})
    assert bench.sim.done == [("/things", START + timedelta(hours=1))]


def test_status_gives_what_was_ordered_and_does_nothing(bench: Bench) -> None:
    bench.fault("status", status=503, body={"error": "down"}, headers={"Retry-After": "7"})
    answer = bench.send("POST", "/things")
    assert (answer.status, answer.json()) == (503, {"error": "down"})
    assert answer.headers["Retry-After"] == "7"
    assert bench.sim.done == []


def test_truncated_does_it_and_sends_half(bench: Bench) -> None:
    bench.fault("truncated")
    answer = bench.send("POST", "/things")
    assert isinstance(answer, Truncated)
    assert len(answer.sent) == len(answer.response.body) // 2
    assert answer.response.body.startswith(answer.sent)
    assert len(bench.sim.done) == 1


def test_garbage_does_it_and_sends_a_page(bench: Bench) -> None:
    bench.fault("garbage")
    answer = bench.send("POST", "/things")
    assert answer.status == 502
    assert answer.body.startswith(b"<html>")
    assert len(bench.sim.done) == 1


def test_slow_is_done_before_the_wait(bench: Bench) -> None:
    bench.fault("slow", seconds=0.05)

    async def impatient() -> None:
        await asyncio.wait_for(bench.sim.handle(make_request("POST", "/things")), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    assert len(bench.sim.done) == 1


def test_rate_limited_does_nothing(bench: Bench) -> None:
    bench.fault("rate_limited")
    assert bench.send("POST", "/things").status == 429
    assert bench.sim.done == []


def test_search_lag_and_batch_cut_reach_the_vendor_for_one_call(bench: Bench) -> None:
    bench.fault("search_lag", seconds=10)
    bench.fault("batch_cut", items=2)
    for _ in range(3):
        bench.send("POST", "/things")
    assert bench.sim.seen == [(START + timedelta(seconds=10), None), (None, 2), (None, None)]


def test_key_expiry_forgets_and_goes_on(bench: Bench) -> None:
    bench.fault("key_expiry")
    assert bench.send("POST", "/things").status == 201
    assert bench.sim.keys_forgotten == 1


def test_skip_times_and_method(bench: Bench) -> None:
    bench.fault("drop_before", method="post", path="/things", skip=1, times=2)
    bench.send("GET", "/things")
    kinds = [type(bench.send("POST", "/things")) for _ in range(5)]
    # The last is over the limit of three calls a minute, of which dropped ones are none.
    assert kinds == [Response, Dropped, Dropped, Response, Response]


@pytest.mark.parametrize("path", ["/things/*", "/things/{id}", "/things/7", "*"])
def test_path_may_be_a_path_a_template_or_end_in_a_star(bench: Bench, path: str) -> None:
    bench.fault("drop_before", path=path)
    assert isinstance(bench.send("POST", "/things/7"), Dropped)
    assert isinstance(bench.send("POST", "/things/7"), Response)


def test_path_that_does_not_match_leaves_the_call_alone(bench: Bench) -> None:
    bench.fault("drop_before", path="/things/8")
    assert isinstance(bench.send("POST", "/things/7"), Response)


def test_list_and_delete(bench: Bench) -> None:
    first = bench.fault("drop_before")
    bench.fault("garbage", times=None)
    bench.send("POST", "/x")
    listed = bench.send("GET", "/_sandbox/faults").json()
    assert [(one["kind"], one["hits"]) for one in listed] == [("drop_before", 1), ("garbage", 0)]
    bench.send("DELETE", f"/_sandbox/faults/{first['id']}")
    assert [one["kind"] for one in bench.send("GET", "/_sandbox/faults").json()] == ["garbage"]
    bench.send("DELETE", "/_sandbox/faults")
    assert bench.send("GET", "/_sandbox/faults").json() == []


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ({"kind": "explode"}, "no such kind"),
        ({"kind": "commit_late"}, "needs seconds"),
        ({"kind": "status"}, "needs status"),
        ({"kind": "slow", "seconds": 1, "colour": "red"}, "no such field: colour"),
    ],
)
def test_orders_that_make_no_sense_are_refused(bench: Bench, order: Any, text: str) -> None:
    answer = bench.send("POST", "/_sandbox/faults", order)
    assert answer.status == 400
    assert text in answer.json()["error"]


def test_kinds_without_effect_say_so_and_leave_the_call_alone(bench: Bench) -> None:
    assert bench.fault("lost_webhook")["effective"] is False
    assert bench.fault("drop_before", path="/other")["effective"] is True
    assert bench.send("POST", "/things").status == 201
    assert bench.send("GET", "/_sandbox/faults").json()[0]["hits"] == 1


def test_rate_limit_counts_a_window_and_can_be_off() -> None:
    bench = Bench()
    statuses = [bench.send("POST", "/things").status for _ in range(4)]
    assert statuses == [201, 201, 201, 429]
    bench.time += timedelta(seconds=60)
    assert bench.send("POST", "/things").status == 201
    free = Bench(rate_limits=False)
    assert [free.send("POST", "/things").status for _ in range(9)] == [201] * 9
