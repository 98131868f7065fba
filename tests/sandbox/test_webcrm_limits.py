"""Limits and mishaps of the transport."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
from webcrm_support import KNOWN, Webcrm, served


@pytest.fixture(scope="module")
def server() -> Iterator[Webcrm]:
    with served("--clock", "2026-06-12T09:00:00Z") as webcrm:
        yield webcrm


@pytest.fixture
def webcrm(server: Webcrm) -> Webcrm:
    return server.fresh()


def test_so_many_calls_in_any_minute(webcrm: Webcrm) -> None:
    webcrm.assume("rate_limit", 10)
    for _ in range(5):
        webcrm.get("/Users?Size=1")
    webcrm.pass_time(40)
    for _ in range(5):
        webcrm.get("/Users?Size=1")
    answer = webcrm.call("GET", "/Users?Size=1")
    assert answer.status == 429
    wait = int(answer.headers["retry-after"])
    assert 15 <= wait <= 20
    assert answer.json() == {
        "RetryAfterSeconds": wait,
        "Message": "The request was throttled. The limit of 10 requests per minute is reached",
        "Type": "TooManyRequestsException",
    }
    # The other token of the same system has its own count, and so has the sign-in none.
    other = webcrm.token
    webcrm.sign_in(KNOWN["read_only_application_token"]).get("/Users?Size=1")
    webcrm.token = other
    webcrm.pass_time(wait)
    # A sliding window: only the first five are forgotten.
    for _ in range(5):
        webcrm.get("/Users?Size=1")
    assert webcrm.call("GET", "/Users?Size=1").status == 429


def test_the_vendors_number(webcrm: Webcrm) -> None:
    statuses = [webcrm.call("GET", "/Users?Size=1").status for _ in range(251)]
    assert statuses == [200] * 250 + [429]


def test_a_refused_call_does_nothing(webcrm: Webcrm) -> None:
    webcrm.fault("rate_limited", "/Organisations", method="POST", seconds=14)
    answer = webcrm.call("POST", "/Organisations", {"OrganisationName": "A"})
    assert answer.json()["RetryAfterSeconds"] == 14
    assert webcrm.get("/Organisations") == []


def test_fast_creates_fail_now_and_then(webcrm: Webcrm) -> None:
    webcrm.assume("fast_creates_per_second", 3)
    body = {"OrganisationName": "A"}
    webcrm.at("2026-06-12T10:00:00Z")
    webcrm.sign_in()
    statuses = [webcrm.call("POST", "/Organisations", body).status for _ in range(5)]
    assert statuses == [200, 200, 200, 500, 200]
    assert len(webcrm.get("/Organisations")) == 4
    webcrm.fresh()
    assert [webcrm.call("POST", "/Organisations", body).status for _ in range(5)] == [200] * 5


def test_a_connection_that_closes_says_nothing_about_what_was_done(webcrm: Webcrm) -> None:
    body = {"DeliveryOrganisationId": webcrm.organisation(), "DeliveryErpId": "INV-1"}
    for kind, count in (("drop_before", 0), ("drop_after_commit", 1), ("truncated", 2)):
        webcrm.fault(kind, "/Deliveries", method="POST")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            webcrm.call("POST", "/Deliveries", body)
        found = webcrm.query("SELECT DeliveryId FROM Delivery WHERE DeliveryErpId = 'INV-1'")
        assert len(found) == count, kind
    webcrm.fault("garbage", "/Deliveries", method="POST")
    answer = webcrm.call("POST", "/Deliveries", body)
    assert (answer.status, answer.headers["content-type"][:9]) == (502, "text/html")
    webcrm.fault("commit_late", "/Deliveries", method="POST", seconds=30)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        webcrm.call("POST", "/Deliveries", body)
    assert len(webcrm.get("/Deliveries")) == 3
    webcrm.pass_time(31)
    assert len(webcrm.get("/Deliveries")) == 4


def test_a_false_unauthorized_under_load(webcrm: Webcrm) -> None:
    webcrm.fault("status", "/Organisations", status=401)
    assert webcrm.call("GET", "/Organisations").status == 401
    assert webcrm.call("GET", "/Organisations").status == 200


def test_calls_are_counted_by_template(webcrm: Webcrm) -> None:
    owner = webcrm.organisation()
    webcrm.sandbox("DELETE", "calls")
    webcrm.get(f"/Organisations/{owner}")
    webcrm.call("GET", "/organisations/1")
    webcrm.query("SELECT * FROM Delivery")
    webcrm.login()
    assert webcrm.sandbox("GET", "calls") == {
        "GET /Organisations/{id}": {"200": 1, "404": 1},
        "GET /Queries": {"200": 1},
        "POST /Auth/ApiLogin": {"200": 1},
    }
