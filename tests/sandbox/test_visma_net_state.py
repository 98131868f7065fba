"""What is kept over a restart; the same start gives the same data; served over a socket."""

from __future__ import annotations

import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from visma_net_support import VismaNet, line

from tieout_sandbox.kit import cli, dumps, pack
from tieout_sandbox.kit.registry import credentials, simulator_class
from tieout_sandbox.visma_net import VismaNetSimulator


def snapshot(net: VismaNet) -> Any:
    names = net.send("GET", "/_sandbox/records").json()
    return {name: net.send("GET", f"/_sandbox/records/{name}").json() for name in names}


def test_equal_starts_are_equal() -> None:
    first, second = VismaNet(size=20), VismaNet(size=20)
    assert dumps(pack(first.sim.state())) == dumps(pack(second.sim.state()))
    other = VismaNet(size=20, seed=2)
    assert dumps(pack(first.sim.state())) != dumps(pack(other.sim.state()))


def test_seeded_books_tie_out() -> None:
    net = VismaNet(size=40).sign_in()
    assert net.balance() == net.open_items() != 0


def test_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "state.jsonl"
    net = VismaNet(size=3, state_file=file).sign_in()
    customer = net.customer()
    number = net.booked(customer, line(), line("FOOD"))
    net.act("pay", document=number, amount=50)
    net.assume("stamp_zone", "local")
    waiting = net.draft(customer)
    net.good("POST", f"customerinvoice/{waiting}/action/release")
    job = net.call("GET", "currency", **{"erp-api-background": "none"}).json()["id"]
    net.call("POST", "/v2/customerinvoice", net.body("nobody"))
    order = {"type": "SO", "customer": {"id": customer}, "orderLines": [{"inventoryId": "LIC"}]}
    net.good("POST", "/api/v3/SalesOrders", order)
    token, before = net.token, snapshot(net)
    again = VismaNet(size=3, state_file=file)
    again.token = token
    assert snapshot(again) == before
    # What was under way goes on.
    again.pass_time(seconds=5)
    assert again.invoice(waiting)["status"] == "Open"
    assert again.get(f"background/{job}")["status"] == "Finished"
    assert again.balance() == again.open_items()
    third = VismaNet(size=3, state_file=file)
    third.pass_time(seconds=5)
    third.token = token
    assert third.invoice(waiting)["timeStamp"] == again.invoice(waiting)["timeStamp"]


def test_reset_goes_back_to_the_start() -> None:
    net = VismaNet(size=3)
    before = snapshot(net)
    net.sign_in()
    net.booked(net.customer())
    assert snapshot(net) != before
    net.send("POST", "/_sandbox/reset")
    assert snapshot(net) == before
    assert net.call("GET", "customer").status == 401


def test_registered() -> None:
    assert simulator_class("visma_net") is VismaNetSimulator
    known = credentials("visma_net")
    assert {"client_id", "client_secret", "tenant_id", "company_id", "token_path"} <= set(known)
    assert cli.run(["credentials", "visma_net", "--json"]) == 0


def test_served_over_a_socket() -> None:
    command = [sys.executable, "-m", "tieout_sandbox", "serve", "visma_net", "--json"]
    options = ["--port", "0", "--size", "2", "--clock", "2026-11-25T09:00:00Z"]
    process = Popen([*command, *options], stdout=PIPE, stderr=DEVNULL, text=True)
    try:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert where["system"] == "visma_net"
        known = credentials("visma_net")
        names = ("client_id", "client_secret", "tenant_id", "scope")
        form = {"grant_type": "client_credentials", **{name: known[name] for name in names}}
        with urllib.request.urlopen(
            where["token_url"], urllib.parse.urlencode(form).encode(), timeout=20
        ) as answer:
            token = json.loads(answer.read())["access_token"]
        head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = {"name": {"value": "A"}, "mainAddress": {"value": {"countryId": {"value": "NO"}}}}
        base = where["base_url"]
        request = urllib.request.Request(
            f"{base}/v1/customer", json.dumps(body).encode(), head, method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert (answer.status, answer.read()) == (201, b"")
            location = answer.headers["Location"]
            assert answer.headers["X-RateLimit-Limit"] == "5000"
        assert location == f"{base}/v1/customer/10002"
        with urllib.request.urlopen(
            urllib.request.Request(location, headers=head), timeout=20
        ) as answer:
            assert json.loads(answer.read())["name"] == "A"
            assert answer.headers["ETag"].startswith('"')
    finally:
        process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()
    assert process.returncode == 0
