"""Webhooks: whom they tell of what, in which order, and what faults do to them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from webcrm_support import FORM, KNOWN, Webcrm, served


class Listener:
    """Takes what is sent, on a port of its own."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.answer = 200
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                listener.got.append((self.path, body))
                self.send_response(listener.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def wait(self, count: int) -> list[tuple[str, bytes]]:
        """The first so many that came; AssertionError where they do not come."""
        until = time.monotonic() + 10
        while len(self.got) < count and time.monotonic() < until:
            time.sleep(0.01)
        assert len(self.got) >= count, self.got
        return self.got[:count]

    def urls(self, count: int) -> list[str]:
        return [json.loads(body)["Url"] for _, body in self.wait(count)]


@pytest.fixture(scope="module")
def server() -> Iterator[Webcrm]:
    with served("--clock", "2026-06-12T09:00:00Z") as webcrm:
        yield webcrm


@pytest.fixture
def webcrm(server: Webcrm) -> Webcrm:
    return server.fresh()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


def hook(webcrm: Webcrm, resource: str, target: str, event: str = "Update", **more: Any) -> int:
    body = {
        "Id": 0,
        "TargetUrl": target,
        "IsEnabled": True,
        "EventType": event,
        "Filter": ["All"],
        **more,
    }
    return int(webcrm.good("POST", f"/{resource}/Hooks", body))


def outcomes(webcrm: Webcrm, count: int) -> dict[str, str]:
    """What became of the notices, when so many are done."""
    until = time.monotonic() + 10
    while len(sent := webcrm.act("sent_notices")) < count and time.monotonic() < until:
        time.sleep(0.01)
    assert len(sent) == count, sent
    return {one["subject"]: one["outcome"] for one in sent}


def test_a_hook_is_kept_changed_and_deleted(webcrm: Webcrm) -> None:
    made = hook(webcrm, "Deliveries", "http://127.0.0.1:1/x")
    seen = webcrm.get(f"/Deliveries/Hooks/{made}")
    assert seen["Filter"] == ["All"]
    assert seen["CreatedBy"] == "api2 sync token"
    webcrm.good("PUT", f"/Deliveries/Hooks/{made}", {**seen, "IsEnabled": False})
    assert webcrm.get("/Deliveries/Hooks")[0]["IsEnabled"] is False
    assert webcrm.get("/Persons/Hooks") == []
    webcrm.good("DELETE", f"/Deliveries/Hooks/{made}")
    assert webcrm.call("GET", f"/Deliveries/Hooks/{made}").status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"Filter": []},
        {"Filter": ["Owner"]},
        {"TargetUrl": ""},
        {"IsEnabled": None},
        {"EventType": "Change"},
    ],
)
def test_hooks_that_are_refused(webcrm: Webcrm, wrong: dict[str, Any]) -> None:
    body = {"Id": 0, "TargetUrl": "http://127.0.0.1:1", "IsEnabled": True, "Filter": ["All"]}
    assert webcrm.refused("POST", "/Deliveries/Hooks", {**body, **wrong})[0] == 400


def test_a_list_has_the_callers_own_only(webcrm: Webcrm) -> None:
    made = hook(webcrm, "Deliveries", "http://127.0.0.1:1/x")
    webcrm.sign_in(KNOWN["read_only_application_token"])
    assert webcrm.get("/Deliveries/Hooks") == []
    assert webcrm.call("GET", f"/Deliveries/Hooks/{made}").status == 404
    assert len(webcrm.records("Hooks")) == 1


def test_each_hook_hears_of_one_kind_of_event(webcrm: Webcrm, listener: Listener) -> None:
    for event in ("Create", "Update", "Delete"):
        hook(webcrm, "Deliveries", f"{listener.url}/{event}", event)
    hook(webcrm, "Organisations", f"{listener.url}/organisation", "Create")
    owner = webcrm.organisation()
    made = webcrm.delivery(owner)
    webcrm.good("PUT", f"/Deliveries/{made}", {"DeliveryNote": "x"})
    webcrm.act("edit_deal", deal=made, set={"Note": "y"})
    webcrm.act("delete_deal", deal=made)
    webcrm.good("PATCH", "/Deliveries", [{"DeliveryId": 1}])
    got = [path for path, _ in listener.wait(5)]
    assert got == ["/organisation", "/Create", "/Update", "/Update", "/Delete"]
    url = f"https://api.webcrm.com/Deliveries/{made}"
    assert json.loads(listener.got[1][1]) == {"Url": url, "EventType": "Create"}


def test_a_hook_that_is_off_hears_nothing(webcrm: Webcrm, listener: Listener) -> None:
    off = hook(webcrm, "Organisations", f"{listener.url}/off", "Create", IsEnabled=False)
    hook(webcrm, "Organisations", f"{listener.url}/on", "Create")
    webcrm.organisation()
    assert listener.wait(1)[0][0] == "/on"
    webcrm.good("PUT", f"/Organisations/Hooks/{off}", {"IsEnabled": True})
    webcrm.organisation()
    assert [path for path, _ in listener.wait(3)] == ["/on", "/off", "/on"]


def test_a_conversion_ends_one_and_begins_the_other(webcrm: Webcrm, listener: Listener) -> None:
    hook(webcrm, "Opportunities", f"{listener.url}/gone", "Delete")
    hook(webcrm, "Deliveries", f"{listener.url}/new", "Create")
    deal = webcrm.opportunity(webcrm.organisation())
    webcrm.act("win", deal=deal)
    assert [path for path, _ in listener.wait(2)] == ["/gone", "/new"]


@pytest.mark.parametrize("form", ["id", "form", "empty"])
def test_the_body_is_what_is_assumed(webcrm: Webcrm, listener: Listener, form: str) -> None:
    webcrm.assume("hook_body", form)
    hook(webcrm, "Organisations", listener.url, "Create")
    owner = webcrm.organisation()
    ((_, body),) = listener.wait(1)
    match form:
        case "id":
            assert json.loads(body) == {"EntityId": owner, "EntityType": "Organisation"}
        case "form":
            url = parse_qs(body.decode())["url"][0]
            assert url.endswith(f"/Organisations/{owner}")
        case _:
            assert body == b""


def test_faults_double_lose_and_reorder(webcrm: Webcrm, listener: Listener) -> None:
    hook(webcrm, "Organisations", listener.url, "Create")
    webcrm.fault("duplicate_webhook", "/Organisations", method="POST")
    first = webcrm.organisation()
    assert [url.rpartition("/")[2] for url in listener.urls(2)] == [str(first)] * 2
    webcrm.fault("lost_webhook", "/Organisations", method="POST")
    lost = webcrm.organisation()
    webcrm.fault("reordered_webhooks", "/Organisations", method="POST")
    late, early = webcrm.organisation(), webcrm.organisation()
    numbers = [int(url.rpartition("/")[2]) for url in listener.urls(4)]
    assert numbers == [first, first, early, late]
    told = outcomes(webcrm, 5)
    assert told[f"Create Organisations/{lost}"] == "lost"
    assert told[f"Create Organisations/{late}"] == "200"


def test_faults_strike_what_people_do_too(webcrm: Webcrm, listener: Listener) -> None:
    hook(webcrm, "Organisations", listener.url, "Create")
    webcrm.fault("lost_webhook", "/_sandbox/actions/add_organisation")
    webcrm.act("add_organisation", name="lost")
    made = webcrm.act("add_organisation", name="told")["OrganisationId"]
    assert listener.urls(1)[0].endswith(f"/{made}")
    assert outcomes(webcrm, 2)[f"Create Organisations/{made}"] == "200"


def test_nothing_leaves_this_machine(webcrm: Webcrm) -> None:
    for target in ("https://sync.example.com/x", "http://10.0.0.1/x", "http://[bad/x"):
        hook(webcrm, "Organisations", target, "Create")
    webcrm.organisation()
    until = time.monotonic() + 10
    while len(webcrm.act("sent_notices")) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert {one["outcome"] for one in webcrm.act("sent_notices")} == {"not sent: only to 127.0.0.1"}


def test_a_filter_is_about_the_user_who_asked(webcrm: Webcrm, listener: Listener) -> None:
    # An application token has no user: such a hook never hears of anything.
    hook(webcrm, "Organisations", f"{listener.url}/token", "Create", Filter=["Owner"])
    form = urlencode(
        {
            "publishCode": KNOWN["publish_code"],
            "loginName": KNOWN["username"],
            "password": KNOWN["password"],
        }
    ).encode()
    answer = webcrm.send("POST", "/Auth/CrmLogin", form, Content_Type=FORM).json()
    webcrm.token = answer["AccessToken"]
    hook(webcrm, "Organisations", f"{listener.url}/user", "Create", Filter=["Owner"])
    hook(webcrm, "Persons", f"{listener.url}/person", "Create", Filter=["OrganisationOwner"])
    webcrm.organisation(OrganisationOwner=answer["UserId"] + 1)
    mine = webcrm.organisation(OrganisationOwner=answer["UserId"])
    webcrm.person(mine)
    assert [path for path, _ in listener.wait(2)] == ["/user", "/person"]


def test_how_often_it_is_tried_is_a_switch(webcrm: Webcrm, listener: Listener) -> None:
    listener.answer = 500
    webcrm.assume("hook_tries", 3)
    hook(webcrm, "Organisations", listener.url, "Create")
    webcrm.organisation()
    assert len(listener.wait(3)) == 3
