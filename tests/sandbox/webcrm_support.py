"""A stranger's caller of the served webCRM: over a socket, signed in with an application token."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from tieout_sandbox.kit import dumps
from tieout_sandbox.webcrm import credentials

KNOWN = credentials()
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)


class Webcrm:
    """One served simulator."""

    def __init__(self, process: subprocess.Popen[str], where: dict[str, Any]) -> None:
        self.process = process
        self.where = where
        self.port = int(where["base_url"].rpartition(":")[2])
        self.token = ""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body
        if body is not None and not isinstance(body, bytes):
            raw = dumps(body)
            named.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body=raw, headers=named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def login(self, token: str = KNOWN["application_token"]) -> Answer:
        form = urlencode({"authCode": token}).encode()
        return self.send("POST", "/Auth/ApiLogin", form, Content_Type=FORM)

    def sign_in(self, token: str = KNOWN["application_token"]) -> Webcrm:
        self.token = self.login(token).json()["AccessToken"]
        return self

    def fresh(self) -> Webcrm:
        """As at the start, and signed in."""
        assert self.send("POST", "/_sandbox/reset").status == 200
        return self.sign_in()

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        return self.send(method, path, body, Authorization=f"Bearer {self.token}")

    def good(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.call(method, path, body)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json() if answer.body else None

    def get(self, path: str) -> Any:
        return self.good("GET", path)

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        answer = self.call(method, path, body)
        assert answer.status >= 400, (answer.status, answer.body)
        return answer.status, answer.json()["Message"]

    def query(self, script: str, extra: str = "&Page=1&Size=1000") -> Any:
        return self.get(f"/Queries?script={quote(script)}{extra}")

    # Beside the vendor's API.

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.send(method, f"/_sandbox/{path}", body)
        assert answer.status in (200, 201), answer.body
        return answer.json()

    def act(self, name: str, /, **arguments: Any) -> Any:
        return self.sandbox("POST", f"actions/{name}", arguments)

    def assume(self, name: str, value: Any) -> None:
        self.act("set_assumption", name=name, value=value)

    def fault(self, kind: str, path: str = "*", **more: Any) -> None:
        order = self.sandbox("POST", "faults", {"kind": kind, "path": path, **more})
        assert order["effective"], order

    def at(self, now: str) -> None:
        self.sandbox("PUT", "clock", {"now": now})

    def pass_time(self, seconds: int) -> None:
        self.sandbox("POST", "clock", {"advance_s": seconds})

    def records(self, entity: str, query: str = "") -> Any:
        return self.sandbox("GET", f"records/{entity}{query}")

    # Data.

    def organisation(self, **fields: Any) -> int:
        body = {"OrganisationId": 0, "OrganisationName": "Nordhavn Kaffe ApS", **fields}
        return int(self.good("POST", "/Organisations", body)["OrganisationId"])

    def person(self, organisation: int, **fields: Any) -> int:
        body = {"PersonId": 0, "PersonOrganisationId": organisation, "PersonLastName": "Holm"}
        return int(self.good("POST", "/Persons", {**body, **fields}))

    def opportunity(self, organisation: int, **fields: Any) -> int:
        body = {"OpportunityId": 0, "OpportunityOrganisationId": organisation}
        return int(self.good("POST", "/Opportunities", {**body, **fields}))

    def delivery(self, organisation: int, **fields: Any) -> int:
        body = {"DeliveryId": 0, "DeliveryOrganisationId": organisation}
        return int(self.good("POST", "/Deliveries", {**body, **fields}))

    def item(self) -> int:
        items = self.get("/QuotationLines/LinkedData")
        return int(items[0]["QuotationLineLinkedDataItemId"])

    def line(self, deal: int, **fields: Any) -> int:
        body = {
            "QuotationLineId": 0,
            "QuotationLineOpportunityId": deal,
            "QuotationLineLinkedDataId": self.item(),
            "QuotationLineData1": "CONS",
            "QuotationLinePrice": Decimal("1150.00"),
            "QuotationLineQuantity": 2,
        }
        return int(self.good("POST", "/QuotationLines", {**body, **fields}))


@contextmanager
def served(*options: str) -> Iterator[Webcrm]:
    """A simulator that runs as a process of its own, signed in."""
    command = [sys.executable, "-m", "tieout_sandbox", "serve", "webcrm", "--json", "--port", "0"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield Webcrm(process, json.loads(process.stdout.readline())).sign_in()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
