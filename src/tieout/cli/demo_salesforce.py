"""The demo's CRM in a simulated Salesforce, and sales people working in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tieout.cli.demo_crms import SALESFORCE
from tieout.cli.demo_servers import Wanted
from tieout.services import demo as making
from tieout.services.demo_people import UNCODED, UNCODED_PRICE, Counts, Desk, KnownCustomer, NewItem


class SalesforceCrm:
    """One org with our package."""

    label = "Salesforce"
    customers = "accounts"
    deals = "opportunities"
    texts = making.SALESFORCE

    def simulator(self, port: int, size: int, seed: int) -> Wanted:
        """The org, with so many accounts."""
        options = ("--with-package", "--size", str(size), "--seed", str(seed))
        return Wanted(system=SALESFORCE, port=port, options=options)

    def access(self, address: making.Address) -> making.Access:
        """By a signed assertion."""
        return making.Access(
            name=self.texts.connection,
            system=address.system,
            settings={
                "login_url": address.base_url,
                "audience": address.credentials["jwt_audience"],
                "user": address.credentials["username"],
            },
            secrets=address.secrets("client_id", "private_key"),
        )

    def sales(self, base_url: str, currency: str, country: str) -> SalesforceSales:
        """They sell in the books' currency what has no code."""
        return SalesforceSales(Desk(base_url), currency, country)


@dataclass(slots=True)
class SalesforceSales:
    """Sales people at their desks; see `services.demo_people.Sales`."""

    desk: Desk
    currency: str
    country: str

    def counts(self) -> Counts:
        """Accounts and opportunities."""
        deals = self.desk.records("Opportunity")
        return Counts(
            customers=len(self.desk.records("Account")),
            deals=len(deals),
            won=len([deal for deal in deals if deal["IsWon"]]),
        )

    def items(self) -> Sequence[NewItem]:
        """One for each active product that has a code."""
        return [
            NewItem(
                code=row["ProductCode"],
                name=row["Name"],
                unit=row.get("QuantityUnitOfMeasure") or "",
            )
            for row in self.desk.records("Product2")
            if row.get("ProductCode") and row["IsActive"]
        ]

    def buyers(self) -> Sequence[KnownCustomer]:
        """Accounts with a won opportunity, a number and a post code."""
        won = {deal["AccountId"] for deal in self.desk.records("Opportunity") if deal["IsWon"]}
        return [
            KnownCustomer(
                name=row["Name"],
                company_number=row["Org_Number__c"],
                street=row["BillingStreet"],
                postcode=row["BillingPostalCode"],
                city=row["BillingCity"],
                country=row["BillingCountryCode"],
                email=row.get("Invoice_Email__c") or "",
            )
            for row in self.desk.records("Account")
            if row["Id"] in won
            and row["BillingCountryCode"] == self.country
            and row.get("Org_Number__c")
            and row.get("BillingPostalCode")
        ]

    def sell_uncoded(self, deals: int, today: date) -> None:
        """By opportunities."""
        self.desk.act("create_product", name=UNCODED, price=UNCODED_PRICE, currency=self.currency)
        accounts = [
            row
            for row in self.desk.records(
                "Account", BillingCountryCode=self.country, CurrencyIsoCode=self.currency
            )
            if row["Payment_Terms__c"] == "Net 30" and row["Invoice_Email__c"]
        ]
        for number, account in enumerate(accounts[:deals], start=1):
            line = {"product": UNCODED, "quantity": number, "unit_price": UNCODED_PRICE}
            made = self.desk.act(
                "create_opportunity",
                name=f"{account['Name']}: {UNCODED}",
                account=account["Id"],
                currency=self.currency,
                close_date=today.isoformat(),
                lines=[line],
            )
            self.desk.act("win", id=made["id"], close_date=today.isoformat())

    def sell_more(self, deal: str, today: date) -> None:
        """A copy of it is won, and a line of it gets one more."""
        made = self.desk.act("clone_opportunity", id=deal, name="Tilläggsarbete")
        self.desk.act("win", id=made["id"], close_date=today.isoformat())
        lines = self.desk.records("OpportunityLineItem", OpportunityId=deal)
        if lines:
            first = lines[0]
            more = first["Quantity"] + 1
            change = {"id": first["Id"], "quantity": more, "unit_price": first["UnitPrice"]}
            self.desk.act("edit_lines", id=deal, change=[change])

    def statuses(self) -> Counter[str]:
        """By the field of our package."""
        rows = self.desk.records("Opportunity")
        return Counter(str(row["Erp_Status__c"]) for row in rows if row.get("Erp_Status__c"))
