"""The request shapes of the public Python client for this API, sent as it sends them.

That client signs in with Basic and `grant_type=refresh_token`, sends `$page` and `$pagesize` on
every list, adds an `$order_by` that the vendor does not know, and reads `Meta` and `Data`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from visma_support import Visma

from tieout_sandbox.visma_eaccounting import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN


class PublicClient:
    """Speaks over the simulator as that client speaks over HTTP."""

    def __init__(self, visma: Visma) -> None:
        self.visma = visma
        self.token = ""
        self.refresh = REFRESH_TOKEN

    def refresh_token(self) -> None:
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        answer = self.visma.send(
            "POST",
            "/connect/token",
            f"grant_type=refresh_token&refresh_token={self.refresh}".encode(),
            **{
                "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
                "Authorization": f"Basic {pair}",
            },
        )
        assert answer.status == 200
        grant = json.loads(answer.body)
        self.token, self.refresh = grant["access_token"], grant["refresh_token"]

    def request(self, method: str, path: str, data: Any = None) -> Any:
        answer = self.visma.send(
            method,
            f"/v2{path}",
            json.dumps(data).encode() if data is not None else None,
            **{"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        if answer.status == 401:
            self.refresh_token()
            return self.request(method, path, data)
        assert answer.status in (200, 201), (answer.status, answer.body)
        return json.loads(answer.body)

    def everything(self, path: str) -> list[Any]:
        page, found = 1, []
        while True:
            answer = self.request("GET", f"{path}?%24page={page}&%24pagesize=50&%24order_by=Name")
            found += answer["Data"]
            if page >= answer["Meta"]["TotalNumberOfPages"]:
                return found
            page += 1


@pytest.fixture
def client() -> PublicClient:
    client = PublicClient(Visma(size=130))
    client.refresh_token()
    return client


def test_lists_through_all_pages(client: PublicClient) -> None:
    found = client.everything("/customers")
    assert len({one["Id"] for one in found}) == 130
    assert len(client.everything("/articles")) == 12
    assert client.everything("/orders") == []


def test_an_expired_token_is_refreshed_once(client: PublicClient) -> None:
    first = client.refresh
    client.visma.pass_time(hours=2)
    assert client.request("GET", "/companysettings")["Name"] == "Björkviken Teknik AB"
    assert client.refresh != first


def test_create_change_and_book(client: PublicClient) -> None:
    terms = client.everything("/termsofpayments")[0]["Id"]
    customer = client.request(
        "POST",
        "/customers",
        {
            "IsPrivatePerson": False,
            "InvoiceCity": "Malmö",
            "InvoicePostalCode": "211 19",
            "Name": "Nordhavn Kaffe AB",
            "TermsOfPaymentId": terms,
            "IsActive": True,
        },
    )
    customer["InvoiceCity"] = "Lund"
    changed = client.request("PUT", f"/customers/{customer['Id']}", customer)
    assert (changed["InvoiceCity"], changed["Name"]) == ("Lund", "Nordhavn Kaffe AB")
    article = client.everything("/articles")[0]
    # This client sends, with a draft, what only the customer decides nowadays.
    draft = client.request(
        "POST",
        "/customerinvoicedrafts",
        {
            "CustomerId": customer["Id"],
            "IsCreditInvoice": False,
            "RotReducedInvoicingType": 0,
            "InvoiceCustomerName": "Nordhavn Kaffe AB",
            "InvoicePostalCode": "211 19",
            "InvoiceCity": "Lund",
            "InvoiceCountryCode": "SE",
            "CustomerIsPrivatePerson": False,
            "EuThirdParty": False,
            "ReverseChargeOnConstructionServices": False,
            "Rows": [
                {
                    "LineNumber": 1,
                    "ArticleId": article["Id"],
                    "ArticleNumber": article["Number"],
                    "IsTextRow": False,
                    "Text": "Kaffemaskin",
                    "UnitPrice": 100.0,
                    "DiscountPercentage": 0,
                    "Quantity": 2.0,
                    "IsWorkCost": False,
                    "IsVatFree": False,
                    "ReversedConstructionServicesVatFree": False,
                }
            ],
        },
    )
    assert draft["TotalAmount"] == 250.0
    invoice = client.request("POST", f"/customerinvoicedrafts/{draft['Id']}/convert", {})
    assert invoice["RemainingAmount"] == 250.0
    assert client.request("GET", f"/customerinvoices/{invoice['Id']}") == invoice
