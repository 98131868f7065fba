"""The demo's books in a simulated Visma.net, and finance working in it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.cli.demo_books import VISMA_NET, Start, Started
from tieout.cli.demo_servers import Wanted
from tieout.services import demo as making
from tieout.services.demo_people import Desk, Invoice, KnownCustomer, NewItem


class VismaNetBooks:
    """One Norwegian company in the simulator."""

    label = "Visma.net"
    servers = "two simulators"
    closed_to = "the end of the month"
    accounts = 320
    country = "NO"
    currency = "NOK"

    def texts(self, today: date) -> making.BooksTexts:
        """The same whatever the day."""
        del today
        return making.VISMA_NET

    def check(self) -> None:
        """It comes with the program."""

    def simulators(self, port: int) -> Sequence[Wanted]:
        """The simulator, without customers of its own."""
        options = ("--size", "0", "--rate-limits", "off")
        return (Wanted(system=VISMA_NET, port=port, options=options),)

    async def start(self, stack: AsyncExitStack, start: Start) -> Started:
        """It runs already."""
        del stack
        [address] = start.addresses
        access = making.Access(
            name=making.VISMA_NET.connection,
            system=address.system,
            settings={
                "api_url": address.base_url,
                "orders_url": address.base_url,
                "token_url": address.token_url,
                "authorize_url": f"{address.base_url}{address.credentials['authorize_path']}",
                "tenant_id": address.credentials["tenant_id"],
                "zone_eu": "02",
                "zone_abroad": "03",
            },
            secrets=address.secrets("client_id", "client_secret"),
        )
        finance = VismaNetFinance(Desk(address.base_url))
        return Started(access=access, finance=finance, base_url=address.base_url)

    def looking(self, started: Started | None, port: int) -> Sequence[str]:
        """A simulator has no screens."""
        del started, port
        return ()


@dataclass(slots=True)
class VismaNetFinance:
    """Finance at its desk in Visma.net; see `services.demo_people.Finance`."""

    desk: Desk

    def add_items(self, items: Sequence[NewItem]) -> None:
        """None: this company sells by its own items, and a table says which is which."""
        del items

    def add_customers(self, customers: Sequence[KnownCustomer]) -> None:
        """Companies of the class for customers at home."""
        for customer in customers:
            address = {
                "addressLine1": customer.street,
                "postalCode": customer.postcode,
                "city": customer.city,
            }
            self.desk.act(
                "make_customer",
                name=customer.name,
                country=customer.country,
                address=address,
                set={"corporateId": customer.company_number.replace(" ", "")},
            )

    def count_customers(self) -> int:
        """All of them."""
        return len(self.desk.records("customer"))

    def make_cheaper(self, draft: str) -> None:
        """As agreed on the telephone."""
        found = self.desk.records("customerinvoice", referenceNumber=draft)[0]
        line = next(row for row in found["invoiceLines"] if row["unitPriceInCurrency"] > 0)
        price = int(line["unitPriceInCurrency"] * Decimal("0.95"))  # people agree on whole kroner
        change = {"lineNumber": line["lineNumber"], "unitPriceInCurrency": price}
        self.desk.act("edit_document", document=draft, lines=[change])

    def book(self, drafts: Sequence[str]) -> Sequence[Invoice]:
        """Taken off hold and released, one after the other; they keep their numbers."""
        for draft in drafts:
            self.desk.act("hold_document", document=draft, on=False)
            self.desk.act("release", document=draft)
        found = {row["referenceNumber"]: row for row in self.desk.records("customerinvoice")}
        return [
            Invoice(id=each, number=each, open=found[each]["balanceInCurrency"]) for each in drafts
        ]

    def receive(self, invoice: Invoice, amount: Decimal | None) -> None:
        """A payment that is set against it."""
        more = {} if amount is None else {"amount": amount}
        self.desk.act("pay", document=invoice.number, **more)

    def credit(self, invoice: Invoice) -> None:
        """By a credit note that is matched."""
        self.desk.act("credit", document=invoice.number)

    def close(self, day: date) -> None:
        """Every month that has begun by that day: there are no shorter periods."""
        for row in self.desk.records("financialperiod"):
            month = f"{row['year']}{row['period']}"
            if month <= f"{day:%Y%m}" and not row["closedInCustomerLedger"]:
                self.desk.act("close_period", period=month, ledger="customer")

    def reopen(self, day: date) -> None:
        """That month in the customer ledger."""
        self.desk.act("open_period", period=f"{day:%Y%m}", ledger="customer")
