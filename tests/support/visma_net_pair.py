"""Salesforce and Visma.net, both simulated, with our connectors, engine and store between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from support.fakes import MemorySecrets
from support.inprocess import InProcessTransport
from support.real_pair import RealPair
from tieout.connectors.visma_net import VismaNetConnector, VismaNetSettings
from tieout.ports import Connector
from tieout_sandbox.kit import SandboxClock, company_numbers
from tieout_sandbox.visma_net import CLIENT_ID, CLIENT_SECRET, TENANT_ID, VismaNetSimulator

BOOKS, BOOKS_HOST = "visma-net", "http://127.0.0.1:8703"
CONFIGURATION = """
bridge: nordic
crm: salesforce-prod
books:
  - connection: visma-net
    currency: [NOK, EUR]
flows:
  customers: {mode: auto}
  documents:
    mode: auto
    instalments: deal.Billing_Plan__c
  reconcile:
    rate: deal.Sales_Rate__c
tables:
  payment_terms: {"Net 10": "10", "Net 30": "30"}
  items: {CONS: CONS}
"""


class VismaNetPair(RealPair):
    """One bridge between the simulated Salesforce and a Norwegian company in Visma.net."""

    books_name = BOOKS
    books: VismaNetSimulator  # type: ignore[assignment]

    def __init__(self, url: str, configuration: str = CONFIGURATION, **more: Any) -> None:
        super().__init__(url, configuration, **more)

    def _open_books(self, more: Mapping[str, Any], data: Path | None) -> Connector:
        del data
        self.books = VismaNetSimulator(seed=1, size=0, clock=SandboxClock(self.clock.now))
        settings = VismaNetSettings(
            **{
                "api_url": BOOKS_HOST,
                "orders_url": BOOKS_HOST,
                "token_url": f"{BOOKS_HOST}/connect/token",
                "authorize_url": f"{BOOKS_HOST}/connect/authorize",
                "tenant_id": TENANT_ID,
                "zone_eu": "02",
                "zone_abroad": "03",
                # Every run looks at everything, as if these times had passed.
                "drafts_every_s": 0,
                "open_invoices_every_s": 0,
                "balances_every_s": 0,
                **more,
            }
        )
        vault = MemorySecrets(self.clock, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        self.books_wire = InProcessTransport(self.books, self.books.clock.now)
        return VismaNetConnector(
            self.books_name, settings, self.books_wire, vault, self.clock, Random(1)
        )

    # --- what people do --------------------------------------------------------------------------

    def account(self, name: str, country: str = "NO", **fields: Any) -> str:
        """An account with a number of its own and a whole address."""
        if name in self.accounts or country != "NO":
            return super().account(name, country, **fields)
        number = company_numbers.norwegian(self._numbers)
        values = {
            "BillingStreet": "Storgata 1",
            "BillingPostalCode": "7010",
            "BillingCity": "Trondheim",
            "BillingCountryCode": "NO",
            "Org_Number__c": number,
            "Vat_Number__c": f"NO{number}MVA",
            "Payment_Terms__c": "Net 30",
            "Invoice_Email__c": "faktura@kunde.example",
            "CurrencyIsoCode": "NOK",
            **fields,
        }
        made = self.in_crm("create_account", name=name, fields=values)
        self.accounts[name] = str(made["id"])
        return self.accounts[name]

    def deal(self, number: str, account: str, *amounts: Any, **more: Any) -> str:
        """A won deal in kroner; see `RealPair.deal`."""
        return super().deal(number, account, *amounts, **{"currency": "NOK", **more})

    def number_of(self, number: str, part: int = 0) -> str:
        """The number that the deal's document has over there, draft or released."""
        for kind in ("draft", "invoice"):
            try:
                return self._guid(number, part, kind)
            except AssertionError:
                continue
        raise AssertionError(f"{number} has no document")

    def invoice(self, number: str, part: int = 0) -> dict[str, Any]:
        """The deal's document over there."""
        wanted = self.number_of(number, part)
        return next(r for r in self.records("customerinvoice") if r["referenceNumber"] == wanted)

    def book(self, number: str, part: int = 0) -> str:
        """Finance takes the draft off hold and releases it; the invoice's number."""
        document = self.number_of(number, part)
        self.in_books("hold_document", document=document, on=False)
        self.in_books("release", document=document)
        return document


__all__ = ["BOOKS", "CONFIGURATION", "VismaNetPair"]
