"""What a stranger gets wrong under /_sandbox is told to him, and leaves the simulator whole."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from test_kit_serve import known_credentials, served
from visma_support import Visma

from tieout_sandbox.kit import SandboxClock, dumps, make_request
from tieout_sandbox.salesforce import SalesforceSimulator

FAULTS = "/_sandbox/faults"
WRONG_FAULTS: list[dict[str, Any]] = [
    {"kind": ["slow"]},
    {"kind": "drop_before", "path": 5},
    {"kind": "drop_before", "method": ["GET"]},
    {"kind": "drop_before", "skip": -1},
    {"kind": "drop_before", "times": -1},
    {"kind": "status", "status": 7},
    {"kind": "status", "status": 600},
    {"kind": "status", "status": 503, "headers": "Retry-After: 5"},
    {"kind": "status", "status": 503, "headers": {"Retry-After": [5]}},
    {"kind": "status", "status": 503, "headers": {"X": "a\r\nY: b"}},
    {"kind": "slow", "seconds": -1},
    {"kind": "commit_late", "seconds": 10**30},
    {"kind": "batch_cut", "items": -1},
]


@pytest.mark.parametrize("order", WRONG_FAULTS, ids=str)
def test_a_fault_that_cannot_be_is_refused(order: dict[str, Any]) -> None:
    visma = Visma()
    assert visma.send("POST", FAULTS, order).status == 400
    assert visma.send("GET", FAULTS).json() == []


def test_headers_of_a_fault_may_be_numbers_and_what_is_null_is_left_out() -> None:
    visma = Visma()
    order = {"kind": "status", "status": 503, "headers": {"Retry-After": 5}}
    sparse: dict[str, Any] = {"path": None, "method": None, "seconds": None, "skip": None}
    assert visma.send("POST", FAULTS, {**order, **sparse}).status == 201
    answer = visma.send("GET", "/v2/customers")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


def test_a_fault_that_is_not_there_cannot_be_taken_back() -> None:
    visma = Visma()
    ordered = visma.send("POST", FAULTS, {"kind": "drop_before"}).json()["id"]
    assert visma.send("DELETE", f"{FAULTS}/{ordered + 1}").status == 404
    assert visma.send("DELETE", f"{FAULTS}/first").status == 404
    assert visma.send("DELETE", f"{FAULTS}/{ordered}").status == 200
    assert visma.send("DELETE", f"{FAULTS}/{ordered}").status == 404


@pytest.mark.parametrize("question", ["limit=-1", "limit=many", "offset=-2", "offset=x"])
def test_a_page_of_records_is_counted_in_whole_numbers(question: str) -> None:
    answer = Visma(size=3).send("GET", f"/_sandbox/records/customers?{question}")
    assert answer.status == 400
    assert "must be a whole number" in answer.json()["error"]


def test_the_clock_stays_where_a_simulator_can_work() -> None:
    visma = Visma()
    before = visma.send("GET", "/_sandbox/clock").json()
    for now in ("0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert visma.send("PUT", "/_sandbox/clock", {"now": now}).status == 400
    for step in (10**15, -(10**15), 10**12):
        assert visma.send("POST", "/_sandbox/clock", {"advance_s": step}).status == 400
    assert visma.send("GET", "/_sandbox/clock").json() == before


WRONG_ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("create_account", {"name": "A", "fields": "x"}),
    ("create_account", {"name": "A", "fields": None}),
    ("hide_object", {"object": ["Account"]}),
    ("create_product", {"name": 5, "code": [], "price": {}}),
]


def salesforce(path: Path | None = None) -> SalesforceSimulator:
    now = datetime(2026, 11, 25, 9, tzinfo=UTC)
    return SalesforceSimulator(clock=SandboxClock(lambda: now), state_file=path)


def test_an_action_that_cannot_take_its_arguments_says_so(tmp_path: Path) -> None:
    """And a simulator that met one opens its state file again."""
    sim = salesforce(tmp_path / "state")
    for name, arguments in WRONG_ACTIONS:
        url = f"/_sandbox/actions/{name}"
        answer: Any = asyncio.run(sim.handle(make_request("POST", url, body=dumps(arguments))))
        assert answer.status == 400, name
        assert answer.json()["error"]
    assert salesforce(tmp_path / "state").state() == sim.state()


def test_a_file_of_megabytes_arrives_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with served() as sim:
        access = sim.sign_in(known_credentials(capsys))
        body = {"ContentType": "application/pdf", "FileName": "a.pdf", "Data": "A" * 3_000_000}
        status, told = sim.send(
            "POST", "/v2/salesdocumentattachments/customerinvoice", body, access
        )
        # Refused for the invoice that it does not name, which only a body that was read can tell.
        assert (status, told["ErrorCode"]) == (400, 2000), told
