"""The calls under /_sandbox, and the values of the kit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from visma_support import START, Visma

from tieout_sandbox.kit import SandboxClock, dumps, json_response, loads, make_request, pack, unpack
from tieout_sandbox.kit.clock import parse_instant


def test_request_keeps_the_raw_path_and_offers_decoded_parts() -> None:
    request = make_request(
        "get",
        "http://127.0.0.1:1/v2/a%20b/c%2Fd?$filter=x%20eq%20'%C3%A5'&e=",
        headers={"X-Y": "1"},
    )
    assert request.method == "GET"
    assert request.path == "/v2/a%20b/c%2Fd"
    assert request.segments == ("v2", "a b", "c/d")
    assert request.param("$filter") == "x eq 'å'"
    assert request.param("e") == ""
    assert request.header("x-Y") == "1"


def test_json_keeps_the_scale_of_money() -> None:
    body = json_response(200, {"a": Decimal("9000.00"), "b": Decimal("0.10"), "c": 5}).body
    assert body == b'{"a":9000.00,"b":0.10,"c":5}'
    assert loads(body)["a"].as_tuple().exponent == -2
    with pytest.raises(ValueError):
        loads(b"{")


def test_state_form_keeps_money_times_and_dates() -> None:
    value = {
        "m": Decimal("1.10"),
        "t": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "d": date(2026, 1, 2),
        "l": [Decimal(5), {"x": None}],
    }
    assert unpack(loads(dumps(pack(value)))) == value


def test_clock_runs_with_its_source_and_can_be_held() -> None:
    now = [START]
    clock = SandboxClock(lambda: now[0], start=datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.origin == datetime(2026, 1, 1, tzinfo=UTC)
    now[0] += timedelta(seconds=5)
    clock.advance_s(10)
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 15, tzinfo=UTC)
    with clock.at(START):
        assert clock.now() == START
    clock.set(START)
    now[0] += timedelta(seconds=1)
    assert clock.now() == START + timedelta(seconds=1)
    clock.restart()
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 6, tzinfo=UTC)


def test_instants_need_a_zone() -> None:
    assert parse_instant("2026-11-25T10:00:00+01:00") == datetime(2026, 11, 25, 9, tzinfo=UTC)
    with pytest.raises(ValueError, match="time zone"):
        parse_instant("2026-11-25T10:00:00")


def test_health_and_unknown_paths() -> None:
    visma = Visma()
    assert visma.send("GET", "/_sandbox/health").status == 200
    assert visma.send("GET", "/_sandbox/nothing").status == 404
    assert visma.send("GET", "/_sandbox/records/nothing").status == 404
    assert visma.send("POST", "/_sandbox/actions/nothing").status == 404


def test_records_count_filter_and_page() -> None:
    visma = Visma(size=12)
    counts = visma.send("GET", "/_sandbox/records").json()
    assert (counts["customers"], counts["customerinvoices"]) == (12, 4)
    every = visma.send("GET", "/_sandbox/records/customers").json()
    assert len(every) == 12
    some = visma.send("GET", "/_sandbox/records/customers?limit=3&offset=10").json()
    assert some == every[10:]
    number = every[4]["CustomerNumber"]
    found = visma.send("GET", f"/_sandbox/records/customers?CustomerNumber={number}").json()
    assert [one["Id"] for one in found] == [every[4]["Id"]]
    private = visma.send("GET", "/_sandbox/records/customers?IsPrivatePerson=false").json()
    assert len(private) == 12
    priced = visma.send("GET", "/_sandbox/records/articles?NetPrice=1095").json()
    assert [one["Number"] for one in priced] == ["KONS-1"]


def test_deleted_records_are_marked_and_not_counted() -> None:
    visma = Visma().sign_in()
    draft = visma.draft(visma.customer()["Id"])
    visma.good("DELETE", f"customerinvoicedrafts/{draft['Id']}")
    (left,) = visma.send("GET", "/_sandbox/records/customerinvoicedrafts").json()
    assert left["_deleted"] is True
    assert left["Id"] == draft["Id"]
    assert visma.send("GET", "/_sandbox/records").json()["customerinvoicedrafts"] == 0


def test_calls_count_vendor_calls_only() -> None:
    visma = Visma().sign_in()
    customer = visma.customer()["Id"]
    visma.get(f"customers/{customer}")
    visma.call("GET", "customers/00000000-0000-4000-8000-000000000000")
    calls = visma.send("GET", "/_sandbox/calls").json()
    assert calls["GET /v2/customers/{id}"] == {"200": 1, "404": 1}
    assert calls["POST /connect/token"] == {"200": 1}
    assert not any("_sandbox" in name for name in calls)
    visma.send("DELETE", "/_sandbox/calls")
    assert visma.send("GET", "/_sandbox/calls").json() == {}


def test_clock_calls() -> None:
    visma = Visma()
    put = visma.send("PUT", "/_sandbox/clock", {"now": "2027-01-01T00:00:00Z"})
    assert put.json() == {"now": "2027-01-01T00:00:00Z"}
    visma.send("POST", "/_sandbox/clock", {"advance_s": 86400})
    assert visma.send("GET", "/_sandbox/clock").json() == {"now": "2027-01-02T00:00:00Z"}
    assert visma.send("PUT", "/_sandbox/clock", {"now": "yesterday"}).status == 400
    assert visma.send("POST", "/_sandbox/clock", {"advance_s": "long"}).status == 400


def test_actions_are_described_and_check_their_arguments() -> None:
    visma = Visma()
    listed = visma.send("GET", "/_sandbox/actions").json()
    assert "amount" in listed["pay"]
    wrong = visma.send("POST", "/_sandbox/actions/pay", {"colour": "red"})
    assert (wrong.status, wrong.json()) == (400, {"error": "pay takes no colour"})
    missing = visma.send("POST", "/_sandbox/actions/pay", {"invoice": 4711})
    assert missing.status == 400


def test_reset_goes_back_to_the_start() -> None:
    visma = Visma(size=3).sign_in()
    before = visma.sim.state()
    first = visma.sim.books.new_id("x")
    fresh = Visma(size=3)
    visma.customer(CustomerNumber="77")
    visma.send("POST", "/_sandbox/faults", {"kind": "drop_before"})
    visma.send("POST", "/_sandbox/clock", {"advance_s": 99})
    assert visma.send("POST", "/_sandbox/reset").status == 200
    assert visma.sim.state() == fresh.sim.state() != before
    assert visma.send("GET", "/_sandbox/faults").json() == []
    assert visma.send("GET", "/_sandbox/calls").json() == {}
    assert visma.sim.clock.now() == START
    assert visma.sim.books.new_id("x") == first


def test_same_seed_size_and_clock_give_the_same_data() -> None:
    assert Visma(seed=7, size=20).sim.state() == Visma(seed=7, size=20).sim.state()
    other = Visma(seed=8, size=20).sim.state()
    assert Visma(seed=7, size=20).sim.state() != other
