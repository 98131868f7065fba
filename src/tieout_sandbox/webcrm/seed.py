"""A generated system: the CRM of the invented Nordic firm that other simulators know too."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from random import Random

from tieout_sandbox.kit.nordic_sales import (
    CATALOGUE,
    HISTORY_DAYS,
    SELLERS,
    Company,
    Customer,
    Deal,
    DealLine,
    Person,
    customers,
)
from tieout_sandbox.webcrm.basics import add_deal, add_item, add_lines, add_user, cents
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.fields import DELIVERY, OPPORTUNITY, ORGANISATION, PERSON, Row
from tieout_sandbox.webcrm.settings import LOST_LEVEL, TERMS, WON_LEVEL

DOMAIN = "nordljus.example"
COUNTRIES = {
    "SE": "Sverige",
    "NO": "Norge",
    "FI": "Finland",
    "DK": "Danmark",
    "DE": "Tyskland",
    "EE": "Estland",
    "CH": "Schweiz",
    "US": "USA",
    "GB": "Storbritannien",
}
# As somebody wrote them who did not take them from the list.
_OTHERWISE = {"SE": "Sweden", "DK": "DK", "NO": "Noreg", "FI": "Suomi"}
UNITS = {"Hour": "time", "Day": "dag", "Each": "stk", "Month": "måned", "Year": "år"}
_LOST = ("Pris", "Konkurrent", "Udskudt")
_NOTES = (
    "<p>Ringet til kunden &amp; aftalt opf&oslash;lgning</p>",
    "<p>Tilbud sendt <b>pr. mail</b></p><ul><li>Afventer svar</li></ul>",
)


def generate(crm: Crm, *, seed: int, size: int) -> None:
    """Fills a system with so many organisations, about twice as many deals, half of them won."""
    _Generator(crm, seed).fill(seed, size)
    crm.happenings.clear()


class _Generator:
    """Puts the firm's customers and deals into one system. `chance` decides only the dirt that
    this kind of system has by itself."""

    def __init__(self, crm: Crm, seed: int) -> None:
        self._crm = crm
        self._chance = Random(f"webcrm {seed}")
        self._start = crm.clock.origin.replace(microsecond=0) - timedelta(days=HISTORY_DAYS)
        self._users: list[Row] = []

    def fill(self, seed: int, size: int) -> None:
        for place, (first, last) in enumerate(SELLERS):
            left = place == len(SELLERS) - 1
            user = add_user(self._crm, self._start, first, last, DOMAIN, left=left)
            self._users.append(user)
        for article in CATALOGUE:
            if article.active:
                add_item(
                    self._crm,
                    self._start,
                    Data1=article.code or "-",
                    Data2=article.name,
                    Data3=UNITS[article.unit],
                    ItemGroup=article.family,
                    Price=article.price,
                    CostPrice=cents(article.price * 6 / 10),
                    VatCode="U25",
                )
        for customer in customers(seed=seed, size=size, origin=self._crm.clock.origin):
            self._customer(customer)

    def _one_in(self, count: int) -> bool:
        return self._chance.randrange(count) == 0

    def _customer(self, customer: Customer) -> None:
        owner = self._users[customer.company.owner]
        organisation = self._organisation(customer.company, owner)
        person = self._person(organisation, customer.person, owner)
        for deal in customer.deals:
            self._deal(customer.company, organisation, person, owner, deal)

    def _organisation(self, company: Company, owner: Row) -> Row:
        country = COUNTRIES[company.country]
        if self._one_in(40):
            country = _OTHERWISE.get(company.country, country)
        street = company.street
        if self._one_in(5):
            street += f"\nAtt: {self._chance.choice(('Økonomi', 'Ekonomi', 'Kreditorbogholderi'))}"
        return self._crm.add(
            ORGANISATION,
            {
                "Name": company.name,
                "Address": street,
                "PostCode": company.post_code,
                "City": company.city,
                "Country": country,
                "Telephone": company.phone,
                "Www": company.website[:50],
                "VatNumber": company.vat_number,
                "Industry": company.industry,
                "Status": "Kunde",
                "Type": "Debitor",
                "Owner": owner["Id"],
                "Alert": "Kreditstop" if company.credit_hold else None,
                "Custom1": company.organisation_number,
                "Custom2": None if self._one_in(50) else _terms(company.terms),
                "Custom3": company.invoice_email,
                "Custom4": "Yes" if company.credit_hold else None,
                "Custom6": company.currency,
                "Custom9": "Yes" if company.municipal else None,
            },
            owner["Name"],
            company.created,
        )

    def _person(self, organisation: Row, person: Person, owner: Row) -> Row:
        when = self._crm.clock.origin - timedelta(days=2)
        made = self._crm.add(
            PERSON,
            {
                "OrganisationId": organisation["Id"],
                "FirstName": person.first_name,
                "LastName": person.last_name,
                "Name": f"{person.first_name} {person.last_name}",
                "Email": person.email,
                "Status": "Active",
                "Custom2": "Yes",
            },
            owner["Name"],
            when,
        )
        if self._one_in(20):
            values = {"FirstName": "Reception", "LastName": "-", "Name": "Reception -"}
            values["OrganisationId"] = organisation["Id"]
            self._crm.add(PERSON, values, owner["Name"], when)
        return made

    def _deal(
        self, company: Company, organisation: Row, person: Row, owner: Row, deal: Deal
    ) -> None:
        close = datetime.combine(deal.close, time(), UTC)
        unset = deal.currency == "SEK" and self._one_in(40)
        level = deal.step + 1
        if deal.won is not None:
            level = WON_LEVEL if deal.won else LOST_LEVEL
        values: Row = {
            "OrganisationId": organisation["Id"],
            "PersonId": person["Id"],
            "Description": deal.title,
            "OrderDate": close,
            "CurrencyName": None if unset else deal.currency,
            "AssignedTo": owner["Id"],
            "Level": level,
            "Percent": 0 if deal.won is False else 100 if deal.won else level * 10,
            "History": self._chance.choice(_NOTES) if self._one_in(10) else None,
            "OpportunityCustom1": organisation.get("Custom2"),
            "OpportunityCustom2": deal.order_number,
            "OpportunityCustom3": person["Name"] if deal.names_buyer else None,
            "Discount": Decimal(5) if self._one_in(40) else None,
        }
        if deal.won:
            values |= {
                "WinYesNo": True,
                "WonDate": deal.changed,
                "Status": "New",
                "Responsible": owner["Id"],
            }
        elif deal.won is False:
            values |= {"LostDate": deal.changed, "Lost1": self._chance.choice(_LOST)}
        row = add_deal(self._crm, values, owner["Name"], deal.created, deal.changed)
        lines = [self._line(company, line) for line in deal.lines]
        if lines and self._one_in(20):
            lines.append({"Memo": "Leveres efter aftale", "VatPercentage": Decimal(0)})
        total = add_lines(self._crm, row, lines, owner["Name"], deal.changed)
        if lines and self._one_in(60):
            total += 1  # somebody typed the value and changed the lines later
        entity = DELIVERY if deal.won else OPPORTUNITY
        self._crm.change(entity, row, {"OrderValue": total}, "", touch=False)

    def _line(self, company: Company, line: DealLine) -> Row:
        domestic = company.country == "SE"
        return {
            "Data1": line.article.code or "-",
            "Data2": line.article.name,
            "Data3": UNITS[line.article.unit],
            "Price": line.price,
            "ListPrice": line.list_price,
            "CostPrice": cents(line.list_price * 6 / 10),
            "Quantity": line.quantity,
            "Discount": line.discount,
            "VatPercentage": Decimal(25) if domestic else Decimal(0),
        }


def _terms(text: str) -> str:
    days = text.removeprefix("Net ").zfill(2)
    return next(term for term in TERMS if term.startswith(f"{days}:"))
