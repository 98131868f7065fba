"""Background requests and the release that answers before it is done."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from visma_net_support import VismaNet, line, wrap

from tieout_sandbox.kit.webhooks import Notice
from tieout_sandbox.visma_net import CLIENT_SECRET, COMPANY_ID, credentials

HEADER = {"erp-api-background": "none"}


@pytest.fixture
def net() -> VismaNet:
    return VismaNet().sign_in()


def queue(net: VismaNet, method: str, path: str, body: Any = None, **more: str) -> str:
    answer = net.call(method, path, body, **{**HEADER, **more})
    assert answer.status == 202, answer.body
    job_id = str(answer.json()["id"])
    where = answer.json()["stateLocation"]
    assert where == f"https://api.finance.visma.net/v1/background/{job_id}"
    return job_id


def test_a_create_in_the_background(net: VismaNet) -> None:
    customer = net.customer()
    job = queue(net, "POST", "/v2/customerinvoice", net.body(customer))
    state = net.get(f"background/{job}")
    assert (state["status"], state["statusCode"], state["finishedUtc"]) == ("Started", 0, None)
    assert net.get("customerinvoice") == []
    net.pass_time(seconds=2)
    state = net.get(f"background/{job}")
    assert (state["status"], state["statusCode"]) == ("Finished", 201)
    where = state["responseHeaders"]["Location"]
    assert where == "https://api.finance.visma.net/v1/customerinvoice/100245"
    assert state["receivedUtc"].endswith("+01:00")  # the name says UTC
    assert (state["hasResponseContent"], state["contentLocation"]) == (False, None)
    assert net.call("GET", f"background/{job}/content").status == 404


def test_finished_means_ran_not_succeeded(net: VismaNet) -> None:
    customer = net.customer()
    job = queue(net, "POST", "/v2/customerinvoice", net.body(customer, line(vatCodeId="0")))
    net.pass_time(seconds=2)
    state = net.get(f"background/{job}")
    assert (state["status"], state["statusCode"]) == ("Finished", 400)
    content = net.get(f"background/{job}/content")
    assert "TaxCategoryID '0' cannot be found in the system." in content["message"]
    assert net.get("customerinvoice") == []


def test_a_read_can_be_queued_and_if_match_is_checked_when_it_runs(net: VismaNet) -> None:
    number = net.draft(net.customer())
    path = f"customerinvoice/{number}"
    etag = net.call("GET", path).headers["ETag"]
    read = queue(net, "GET", path)
    write = queue(net, "PUT", path, wrap(note="late"), **{"If-Match": etag})
    net.good("PUT", path, wrap(note="first"))
    net.pass_time(seconds=2)
    assert net.get(f"background/{read}/content")["note"] == "first"
    assert net.get(f"background/{write}")["statusCode"] == 412
    assert net.invoice(number)["note"] == "first"


def test_states_are_kept_for_a_day_and_for_their_owner(net: VismaNet) -> None:
    job = queue(net, "GET", "customer")
    net.pass_time(seconds=2)
    refresh = net.form(
        grant_type="refresh_token",
        client_id=credentials()["interactive_client_id"],
        client_secret=CLIENT_SECRET,
        refresh_token=credentials()["refresh_token"],
    ).json()
    other = {"Authorization": f"Bearer {refresh['access_token']}", "ipp-company-id": COMPANY_ID}
    assert net.send("GET", f"/v1/background/{job}", **other).status == 403
    net.pass_time(hours=24)
    net.sign_in()
    assert net.call("GET", f"background/{job}").status == 404
    assert net.call("GET", f"background/{job}/content").status == 410
    assert net.call("GET", "background/none").status == 404


def test_a_job_may_fail_by_itself(net: VismaNet) -> None:
    net.prefer("failBackground", True)
    job = queue(net, "POST", "customer", {})
    net.pass_time(seconds=2)
    state = net.get(f"background/{job}")
    assert (state["status"], state["statusCode"]) == ("Failed", 0)
    wrong = net.call("GET", "customer", **{"erp-api-background": "soon"})
    assert wrong.status == 400


def listening(net: VismaNet, *events: str) -> list[Notice]:
    heard: list[Notice] = []

    def deliver(notice: Notice) -> int:
        heard.append(notice)
        return 200

    net.sim.outbox.deliver = deliver
    net.act("subscribe_webhooks", url="http://127.0.0.1:9/hook", events=list(events))
    return heard


def test_subscriptions_get_a_signed_message_with_our_own_headers(net: VismaNet) -> None:
    heard = listening(net, "BACKGROUND_API_RESPONSE")
    value = "subscription:x-tieout-key=k-1,x-two=2"
    answer = net.call("GET", "customer", **{"erp-api-background": value})
    assert heard == []
    net.pass_time(seconds=2)
    net.get("currency")
    assert json.loads(heard[0].body)["subject"] == answer.json()["id"]
    assert heard[0].headers["x-tieout-key"] == "k-1"
    key = credentials()["webhook_key"].encode()
    digest = hmac.new(key, heard[0].body, sha256).digest()
    assert heard[0].headers["X-Visma-Signature"] == base64.b64encode(digest).decode()
    net.assume("webhook_signature_header", "Other")
    net.call("GET", "customer", **{"erp-api-background": "subscription"})
    net.pass_time(seconds=2)
    net.get("currency")
    assert "Other" in heard[1].headers
    net.act("unsubscribe_webhooks", url="http://127.0.0.1:9/hook")
    net.call("GET", "customer", **{"erp-api-background": "subscription"})
    net.pass_time(seconds=2)
    net.get("currency")
    assert len(heard) == 2


def test_events_and_webhook_faults(net: VismaNet) -> None:
    heard = listening(net)

    def events(kind: str | None = None) -> list[str]:
        if kind is not None:
            fault = {"method": "POST", "path": "/v1/customer", "kind": kind}
            assert net.send("POST", "/_sandbox/faults", fault).json()["effective"] is True
        heard.clear()
        net.customer()
        return [json.loads(one.body)["event"] for one in heard]

    assert events() == ["Customer Created"]
    assert events("duplicate_webhook") == ["Customer Created"] * 2
    assert events("lost_webhook") == []
    assert events("reordered_webhooks") == []
    net.act("edit_customer", customer="10000", set={"name": "B"})
    late = [json.loads(one.body)["event"] for one in heard]
    assert late == ["Customer Updated", "Customer Created"]
    heard.clear()
    number = net.booked("10000")
    net.act("pay", document=number)
    # Nobody is told of a payment, and a refused call tells nothing.
    net.call("POST", "customer", {})
    names = [json.loads(one.body)["event"] for one in heard]
    assert names == ["AR Invoice Changed", "AR Invoice Status Changed"]
    assert "events is a list" in net.refused("subscribe_webhooks", url="x", events=["y"])
    shown = net.send("GET", "/_sandbox/records/webhook").json()
    assert {"lost", "200"} == {one["outcome"] for one in shown}


# Release.


def test_release_answers_before_it_is_done(net: VismaNet) -> None:
    number = net.draft(net.customer())
    path = f"customerinvoice/{number}/action/release"
    answer = net.good("POST", path, {})
    assert (answer.status, answer.json()["actionResult"]) == (200, "InProcess")
    assert net.invoice(number)["status"] == "Balanced"
    net.pass_time(seconds=3)
    assert net.invoice(number)["status"] == "Open"
    again = net.good("POST", path).json()
    assert again["actionResult"] == "Failed"  # with status 200
    assert "Open" in again["errorInfo"]
    assert net.balance() == 125


def test_release_twice_books_once(net: VismaNet) -> None:
    number = net.draft(net.customer())
    for _ in range(2):
        net.good("POST", f"customerinvoice/{number}/action/release")
    net.pass_time(seconds=3)
    assert net.balance() == 0 + net.invoice(number)["balance"] == 125


def test_release_of_a_draft_on_hold(net: VismaNet) -> None:
    number = net.draft(net.customer(), hold=True)
    path = f"customerinvoice/{number}/action/release"
    assert net.good("POST", path).json()["actionResult"] == "Failed"
    net.assume("release_not_balanced", "error")
    assert "Hold" in net.message("POST", path)
    net.act("hold_document", document=number)
    assert net.invoice(number)["status"] == "Balanced"


def test_release_in_the_background_tells_why(net: VismaNet) -> None:
    customer = net.customer()
    good, bad = net.draft(customer), net.draft(customer, documentDate="2026-10-05")
    net.act("close_period", period="202610", ledger="general")
    jobs = [queue(net, "POST", f"customerinvoice/{one}/action/release") for one in (good, bad)]
    net.pass_time(seconds=2)
    states = [net.get(f"background/{job}")["statusCode"] for job in jobs]
    assert states == [200, 400]
    assert net.get(f"background/{jobs[0]}/content")["actionResult"] == "Done"
    assert "closed" in net.get(f"background/{jobs[1]}/content")["message"]
    assert net.invoice(good)["status"] == "Open"


def test_a_document_deleted_before_its_release_job(net: VismaNet) -> None:
    number = net.draft(net.customer())
    net.good("POST", f"customerinvoice/{number}/action/release")
    net.good("DELETE", f"customerinvoice/{number}")
    net.pass_time(seconds=3)
    assert net.call("GET", f"customerinvoice/{number}").status == 404
    assert net.balance() == 0
