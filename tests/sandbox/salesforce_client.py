"""A small client of our own for tests: calls the simulator in process, without a socket."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from tieout_sandbox.kit import Response, SandboxClock, dumps, make_request
from tieout_sandbox.salesforce import SalesforceSimulator, credentials

START = datetime(2026, 11, 25, 9, 0, 0, tzinfo=UTC)
DATA = "/services/data/v68.0"
HOST = "127.0.0.1:8701"


class StillClock:
    """Real time for a simulator: stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Client:
    """A signed-in caller of one simulator."""

    def __init__(self, **settings: Any) -> None:
        self.time = StillClock()
        self.sim = SalesforceSimulator(
            clock=SandboxClock(self.time, start=START),
            **{"seed": 1, "size": 0, "package": True, **settings},
        )
        self.token = self.sign_in()

    def raw(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Response:
        head = {"Host": HOST, **(headers or {})}
        answer = asyncio.run(self.sim.handle(make_request(method, path, headers=head, body=body)))
        assert isinstance(answer, Response), answer
        return answer

    def form(self, path: str, **fields: str) -> Response:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.raw("POST", path, body=urlencode(fields).encode(), headers=kind)

    def sign_in(self) -> str:
        known = credentials()
        answer = self.form(
            known["token_path"],
            grant_type="client_credentials",
            client_id=known["client_id"],
            client_secret=known["client_secret"],
        )
        return str(answer.json()["access_token"])

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """One call below `/services/data/v68.0`, or at an address that starts with /services."""
        head = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        content = b""
        if body is not None:
            head.setdefault("Content-Type", "application/json")
            content = body if isinstance(body, bytes) else dumps(body)
        where = path if path.startswith("/services") else DATA + path
        return self.raw(method, where, body=content, headers=head)

    def json(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.call(method, path, body)
        assert answer.status == status, (answer.status, answer.body)
        return answer.json() if answer.body else None

    def query(self, statement: str, *, all_rows: bool = False) -> list[Any]:
        """Every record of a query, over all its pages."""
        name = "queryAll" if all_rows else "query"
        page = self.json("GET", f"/{name}?q={quote(statement)}")
        records = list(page["records"])
        while not page["done"]:
            page = self.json("GET", page["nextRecordsUrl"])
            records += page["records"]
        return records

    def refused(self, method: str, path: str, body: Any = None, *, status: int = 400) -> Any:
        """The first error of a refused call."""
        answer = self.call(method, path, body)
        assert answer.status == status, (answer.status, answer.body)
        return answer.json()[0]

    def create(self, kind: str, **fields: Any) -> str:
        return str(self.json("POST", f"/sobjects/{kind}", fields, status=201)["id"])

    def read(self, kind: str, record_id: str) -> Any:
        return self.json("GET", f"/sobjects/{kind}/{record_id}")

    def update(self, kind: str, record_id: str, **fields: Any) -> None:
        self.json("PATCH", f"/sobjects/{kind}/{record_id}", fields, status=204)

    def act(self, action: str, /, **arguments: Any) -> Any:
        answer = self.raw("POST", f"/_sandbox/actions/{action}", body=dumps(arguments))
        assert answer.status == 200, answer.body
        return answer.json()

    def act_refused(self, action: str, /, **arguments: Any) -> str:
        answer = self.raw("POST", f"/_sandbox/actions/{action}", body=dumps(arguments))
        assert answer.status == 400, answer.body
        return str(answer.json()["error"])

    # Things that many tests need.

    def standard_book(self) -> str:
        return str(self.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")[0]["Id"])

    def deal(self, *lines: dict[str, Any], account: str | None = None, **fields: Any) -> Any:
        """An opportunity with lines, made by a person."""
        made = self.act(
            "create_opportunity", name="A deal", account=account, lines=list(lines), **fields
        )
        return made
