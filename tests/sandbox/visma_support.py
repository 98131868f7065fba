"""A caller of the books simulator: in process, signed in, with a clock that tests move."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from tieout_sandbox.kit import Response, SandboxClock, dumps, make_request
from tieout_sandbox.visma_eaccounting import (
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    VismaSimulator,
)

START = datetime(2026, 11, 24, 9, 15, 47, 123000, tzinfo=UTC)
BASIC = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()


class Visma:
    def __init__(self, **options: Any) -> None:
        self.time = START
        self.sim = VismaSimulator(clock=SandboxClock(lambda: self.time), **options)
        self.token = ""
        self.refresh = REFRESH_TOKEN

    def send(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else b"" if body is None else dumps(body)
        request = make_request(method, url, headers=headers, body=raw)
        return asyncio.run(self.sim.handle(request))

    def sign_in(self) -> Visma:
        answer = self.send(
            "POST",
            "/connect/token",
            f"grant_type=refresh_token&refresh_token={self.refresh}".encode(),
            Authorization=BASIC,
        ).json()
        self.token, self.refresh = answer["access_token"], answer["refresh_token"]
        return self

    def call(self, method: str, path: str, body: Any = None) -> Response:
        url = f"/v2/{path}"
        answer = self.send(method, url, body, Authorization=f"Bearer {self.token}")
        assert isinstance(answer, Response), answer
        return answer

    def get(self, path: str) -> Any:
        return self.good("GET", path)

    def good(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.call(method, path, body)
        assert answer.status in (200, 201), (answer.status, answer.body)
        return answer.json()

    def code(self, method: str, path: str, body: Any = None) -> tuple[int, int]:
        answer = self.call(method, path, body)
        return answer.status, answer.json()["ErrorCode"]

    def find(self, resource: str, filter_: str, extra: str = "") -> list[dict[str, Any]]:
        return self.get(f"{resource}?$filter={quote(filter_)}{extra}")["Data"]

    def act(self, name: str, /, **arguments: Any) -> Any:
        answer = self.send("POST", f"/_sandbox/actions/{name}", arguments)
        assert answer.status == 200, answer.body
        return answer.json()

    def assume(self, name: str, value: Any) -> None:
        self.act("set_assumption", name=name, value=value)

    def pass_time(self, **span: float) -> None:
        self.time += timedelta(**span)

    # Data.

    def terms(self, days: int = 30, kind: int = 0) -> str:
        for row in self.get("termsofpayments")["Data"]:
            if row["NumberOfDays"] == days and row["TermsOfPaymentTypeId"] == kind:
                return row["Id"]
        raise AssertionError(days)

    def article(self, number: str) -> str:
        return self.find("articles", f"Number eq '{number}'")[0]["Id"]

    def customer(self, **fields: Any) -> dict[str, Any]:
        body = {
            "Name": "Nordhavn Kaffe AB",
            "IsPrivatePerson": False,
            "IsActive": True,
            "InvoicePostalCode": "211 19",
            "InvoiceCity": "Malmö",
            "InvoiceCountryCode": "SE",
            "TermsOfPaymentId": self.terms(),
            **fields,
        }
        return self.good("POST", "customers", body)

    def draft_body(self, customer: str, *rows: dict[str, Any], **head: Any) -> dict[str, Any]:
        return {
            "CustomerId": customer,
            "EuThirdParty": False,
            "RotReducedInvoicingType": 0,
            "IsCreditInvoice": False,
            "Rows": list(rows) or [self.row()],
            **head,
        }

    def row(self, number: str = "KAFFE-K3", **fields: Any) -> dict[str, Any]:
        return {
            "IsTextRow": False,
            "ArticleId": self.article(number),
            "Quantity": 1,
            "UnitPrice": Decimal("100.00"),
            "DiscountPercentage": 0,
            "ReversedConstructionServicesVatFree": False,
            **fields,
        }

    def draft(self, customer: str, *rows: dict[str, Any], **head: Any) -> dict[str, Any]:
        return self.good("POST", "customerinvoicedrafts", self.draft_body(customer, *rows, **head))

    def booked(self, customer: str, *rows: dict[str, Any], **head: Any) -> dict[str, Any]:
        draft = self.draft(customer, *rows, **head)
        keep = "keepOriginalDraftDate=true&overrideCompanyKeepOriginalDraftDate=true"
        return self.good("POST", f"customerinvoicedrafts/{draft['Id']}/convert?{keep}", {})

    def invoice(self, invoice_id: str) -> dict[str, Any]:
        return self.get(f"customerinvoices/{invoice_id}")

    def receivables(self, day: str = "2027-12-31") -> Decimal:
        return Decimal(self.get(f"accountbalances/1510/{day}")["Balance"])
