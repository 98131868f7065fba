"""A caller of the Visma.net simulator: in process, signed in, with a clock that tests move."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from tieout_sandbox.kit import Response, SandboxClock, dumps, make_request
from tieout_sandbox.visma_net import (
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT_ID,
    VismaNetSimulator,
    credentials,
)

START = datetime(2026, 11, 25, 8, 41, 6, 900000, tzinfo=UTC)
D = Decimal


def wrap(**fields: Any) -> dict[str, Any]:
    return {name: {"value": value} for name, value in fields.items()}


def line(item: str | None = "CONS", price: Any = "100.00", **fields: Any) -> dict[str, Any]:
    """A line of an invoice."""
    given = {"quantity": 1, "unitPriceInCurrency": D(price), "manualDiscount": True, **fields}
    if item is not None:
        given["inventoryNumber"] = item
    bare = {name: given.pop(name) for name in ("operation", "subaccount") if name in given}
    return {"operation": "Insert", **wrap(**given), **bare}


class VismaNet:
    def __init__(self, **options: Any) -> None:
        self.time = START
        options.setdefault("rate_limits", False)
        self.sim = VismaNetSimulator(clock=SandboxClock(lambda: self.time), **options)
        self.token = ""

    def send(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else b"" if body is None else dumps(body)
        request = make_request(method, url, headers=headers, body=raw)
        return asyncio.run(self.sim.handle(request))

    def form(self, **fields: str) -> Response:
        answer = self.send("POST", "/connect/token", urlencode(fields).encode())
        assert isinstance(answer, Response)
        return answer

    def sign_in(self, tenant: str = TENANT_ID, scope: str | None = None) -> VismaNet:
        answer = self.form(
            grant_type="client_credentials",
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            tenant_id=tenant,
            scope=scope or credentials()["scope"],
        )
        assert answer.status == 200, answer.body
        self.token = answer.json()["access_token"]
        return self

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        url = path if path.startswith("/") else f"/v1/{path}"
        answer = self.send(method, url, body, Authorization=f"Bearer {self.token}", **headers)
        assert isinstance(answer, Response), answer
        return answer

    def good(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        answer = self.call(method, path, body, **headers)
        assert 200 <= answer.status < 300, (answer.status, answer.body)
        return answer

    def get(self, path: str) -> Any:
        return self.good("GET", path).json()

    def message(self, method: str, path: str, body: Any = None, status: int = 400) -> str:
        answer = self.call(method, path, body)
        assert answer.status == status, (answer.status, answer.body)
        text = answer.json()["message"]
        assert text.startswith("VismaId: ")
        return str(text)

    def act(self, name: str, /, **arguments: Any) -> Any:
        answer = self.send("POST", f"/_sandbox/actions/{name}", arguments)
        assert answer.status == 200, answer.body
        return answer.json()

    def refused(self, name: str, /, **arguments: Any) -> str:
        answer = self.send("POST", f"/_sandbox/actions/{name}", arguments)
        assert answer.status == 400, answer.body
        return str(answer.json()["error"])

    def assume(self, name: str, value: Any) -> None:
        self.act("set_assumption", name=name, value=value)

    def prefer(self, name: str, value: Any) -> None:
        self.act("set_preference", name=name, value=value)

    def pass_time(self, **span: float) -> None:
        self.time += timedelta(**span)

    # Data.

    def create(self, path: str, body: Any, **headers: str) -> str:
        """The number that Location names."""
        answer = self.call("POST", path, body, **headers)
        assert answer.status == 201, (answer.status, answer.body)
        assert answer.body == b""
        return str(answer.headers["Location"].rpartition("/")[2])

    def customer(self, **fields: Any) -> str:
        country = fields.pop("country", "NO")
        address = fields.pop("mainAddress", wrap(countryId=country, city="Trondheim"))
        body = wrap(name=fields.pop("name", "Fjord Logistikk AS"), mainAddress=address)
        extra = {name: fields.pop(name) for name in ("attributeLines",) if name in fields}
        bare = {"overrideWithClassValues": True} if fields.pop("override", False) else {}
        return self.create("customer", {**body, **wrap(**fields), **extra, **bare})

    def body(self, customer: str, *lines: dict[str, Any], **head: Any) -> dict[str, Any]:
        given = {"customerNumber": customer, "hold": False, **head}
        return {**wrap(**given), "invoiceLines": list(lines) or [line()]}

    def draft(self, customer: str, *lines: dict[str, Any], **head: Any) -> str:
        return self.create("/v2/customerinvoice", self.body(customer, *lines, **head))

    def booked(self, customer: str, *lines: dict[str, Any], **head: Any) -> str:
        number = self.draft(customer, *lines, **head)
        self.act("release", document=number)
        return number

    def invoice(self, number: str) -> Any:
        return self.get(f"customerinvoice/{number}")

    def find(self, path: str, **query: Any) -> Any:
        pairs = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        return self.get(f"{path}?{pairs}")

    def balance(self, account: str = "1500") -> Decimal:
        rows = self.send("GET", f"/_sandbox/records/accountbalance?account={account}").json()
        return D(rows[0]["balance"])

    def open_items(self) -> Decimal:
        """The signed open balances of all released documents, in base currency."""
        signs = {"CreditNote": -1, "Payment": -1, "Prepayment": -1, "SmallBalanceWo": -1}
        total = D(0)
        page = 1
        while rows := self.find("customerdocument", released=1, pageNumber=page, pageSize=500):
            total += sum(
                (signs.get(row["documentType"], 1) * D(row["balance"]) for row in rows), D(0)
            )
            page += 1
        return total
