"""The demo's books in a simulated Visma eAccounting, and finance working in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from tieout.cli.demo_books import VISMA, Start, Started
from tieout.cli.demo_servers import Wanted
from tieout.services import demo as making
from tieout.services.demo_people import Desk, Invoice, KnownCustomer, NewItem

COMPANY = "Nordljus Konsult AB"
OLD_CUSTOMERS = 12
_UNITS = {"Hour": "Timme", "Day": "Dag", "Month": "Månad"}


class VismaBooks:
    """One company in the simulator."""

    label = "Visma"
    servers = "two simulators"
    closed_to = "today"
    accounts = 620
    country = "SE"
    currency = "SEK"

    def texts(self, today: date) -> making.BooksTexts:
        """The same whatever the day."""
        del today
        return making.VISMA

    def check(self) -> None:
        """It comes with the program."""

    def simulators(self, port: int) -> Sequence[Wanted]:
        """The simulator, with customers of its own."""
        return (Wanted(system=VISMA, port=port, options=("--size", str(OLD_CUSTOMERS))),)

    async def start(self, stack: AsyncExitStack, start: Start) -> Started:
        """It runs already; the company gets its name."""
        del stack
        [address] = start.addresses
        desk = Desk(address.base_url)
        await asyncio.to_thread(desk.act, "set_company_setting", name="Name", value=COMPANY)
        access = making.Access(
            name=making.VISMA.connection,
            system=address.system,
            settings={
                "api_url": address.base_url,
                "token_url": address.token_url,
                "authorize_url": f"{address.base_url}{address.credentials['authorize_path']}",
            },
            secrets=address.secrets("client_id", "client_secret", "refresh_token"),
        )
        return Started(access=access, finance=VismaFinance(desk), base_url=address.base_url)

    def looking(self, started: Started | None, port: int) -> Sequence[str]:
        """A simulator has no screens."""
        del started, port
        return ()


@dataclass(slots=True)
class VismaFinance:
    """Finance at its desk in Visma; see `services.demo_people.Finance`."""

    desk: Desk

    def add_items(self, items: Sequence[NewItem]) -> None:
        """Each as a service with 25 % VAT."""
        codings = {row["Name"]: row["Id"] for row in self.desk.records("articleaccountcodings")}
        units = {row["Name"]: row["Id"] for row in self.desk.records("units")}
        for item in items:
            self.desk.act(
                "create_article",
                set={
                    "Number": item.code,
                    "Name": item.name,
                    "CodingId": codings["Tjänster 25 %"],
                    "UnitId": units[_UNITS.get(item.unit, "Styck")],
                },
            )

    def add_customers(self, customers: Sequence[KnownCustomer]) -> None:
        """Companies, with the first terms that there are."""
        terms = self.desk.records("termsofpayments")[0]["Id"]
        for customer in customers:
            self.desk.act(
                "create_customer",
                set={
                    "Name": customer.name,
                    "CorporateIdentityNumber": customer.company_number,
                    "InvoiceAddress1": customer.street,
                    "InvoicePostalCode": customer.postcode,
                    "InvoiceCity": customer.city,
                    "InvoiceCountryCode": customer.country,
                    "EmailAddress": customer.email or None,
                    "IsPrivatePerson": False,
                    "TermsOfPaymentId": terms,
                },
            )

    def count_customers(self) -> int:
        """All of them."""
        return len(self.desk.records("customers"))

    def make_cheaper(self, draft: str) -> None:
        """As agreed on the telephone."""
        found = self.desk.records("customerinvoicedrafts", Id=draft)[0]
        row = next(row for row in found["Rows"] if not row["IsTextRow"] and row["UnitPrice"] > 0)
        price = (row["UnitPrice"] * Decimal("0.95")).quantize(Decimal("0.01"))
        self.desk.act("edit_draft", draft=draft, line=row["LineNumber"], price=price)

    def book(self, drafts: Sequence[str]) -> Sequence[Invoice]:
        """One after the other."""
        made = [self.desk.act("book_draft", draft=draft) for draft in drafts]
        return [
            Invoice(
                id=str(row["InvoiceNumber"]),
                number=str(row["InvoiceNumber"]),
                open=row["RemainingAmountInvoiceCurrency"],
            )
            for row in made
        ]

    def receive(self, invoice: Invoice, amount: Decimal | None) -> None:
        """The whole by bank, a part as it comes."""
        if amount is None:
            self.desk.act("pay", invoice=invoice.number, kind=2)
        else:
            self.desk.act("pay", invoice=invoice.number, amount=amount)

    def credit(self, invoice: Invoice) -> None:
        """By a credit invoice."""
        self.desk.act("credit", invoice=invoice.number)

    def close(self, day: date) -> None:
        """By the lock date."""
        self.desk.act("lock_period", to=day.isoformat())

    def reopen(self, day: date) -> None:
        """By the lock date, which goes back to the end of the month before."""
        self.close(day.replace(day=1) - timedelta(days=1))
