"""A small company's deals on two simulators, for tests of the daily commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


class Acts(Protocol):
    """A simulator, in this process or another one."""

    def act(self, name: str, /, **arguments: Any) -> Any:
        """Something that a person does over there."""


ADDRESS = {
    "BillingStreet": "Storgatan 1",
    "BillingPostalCode": "852 31",
    "BillingCity": "Sundsvall",
    "BillingCountry": "Sweden",
    "Invoice_Email__c": "faktura@kund.example",
    "Payment_Terms__c": "Net 30",
}


@dataclass(slots=True)
class Story:
    """Deals, accounts and what was made, by the names that people use."""

    crm: Acts
    books: Acts
    accounts: dict[str, str] = field(default_factory=dict)
    deals: dict[str, str] = field(default_factory=dict)
    articles: dict[str, Any] = field(default_factory=dict)

    def item(self, code: str, name: str, price: str, *, sold: bool = True) -> None:
        """A product of the CRM, and the article of the books unless it is not sold there."""
        if sold:
            self.article(code, name)
        self.crm.act("create_product", name=name, code=code, price=price)

    def article(self, code: str, name: str) -> None:
        """An article of the books."""
        self.articles[code] = self.books.act("create_article", set={"Number": code, "Name": name})

    def account(self, name: str, **fields: Any) -> str:
        """An account with a whole address."""
        if name not in self.accounts:
            made = self.crm.act("create_account", name=name, fields={**ADDRESS, **fields})
            self.accounts[name] = made["id"]
        return self.accounts[name]

    def deal(
        self,
        number: str,
        account: str,
        item: str,
        price: str,
        *,
        quantity: str = "1",
        won: bool = True,
        **fields: Any,
    ) -> str:
        """A deal of one line, won unless it is not."""
        made = self.crm.act(
            "create_opportunity",
            name=number,
            account=self.account(account),
            lines=[{"product": item, "quantity": quantity, "unit_price": price}],
            fields=fields,
        )
        self.deals[number] = made["id"]
        if won:
            self.crm.act("win", id=made["id"])
        return str(made["id"])


def small_company(crm: Acts, books: Acts) -> Story:
    """Three deals that can be written, one whose item has no code, one that is not won."""
    story = Story(crm, books)
    story.item("MON-2", "Montage plus 2h", "9640")
    story.item("SRV-1", "Serverdrift", "18000")
    story.item("MONTAGE", "Montage plus", "9640", sold=False)
    story.deal("D-106", "Ekfors Trä AB", "MONTAGE", "9640")
    story.deal("D-107", "Lindvall Data AB", "SRV-1", "18000")
    story.deal("D-108", "Tallmo Skog AB", "SRV-1", "37500")
    story.deal("D-109", "Österviks Hamn AB", "SRV-1", "25000")
    story.deal("D-120", "Havtorn Energi AB", "SRV-1", "5000", won=False)
    return story
