"""A system loaded from a B2B pipeline in CSV files: accounts, products, sales teams, deals.

The dirt of the files stays: countries and sectors as they are spelt, products that the catalogue
spells otherwise, deals that belong to nobody.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from tieout_sandbox.kit import company_numbers as numbers
from tieout_sandbox.kit.names import slug
from tieout_sandbox.webcrm.basics import ADMINISTRATOR, add_deal, add_item, add_lines, add_user
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.fields import ORGANISATION, PERSON, RELATION, Row
from tieout_sandbox.webcrm.settings import INDUSTRIES, LOST_LEVEL, WON_LEVEL

FILES = ("accounts.csv", "products.csv", "sales_teams.csv", "sales_pipeline.csv")
LEVELS = {1: "Prospecting", 4: "Engaging", WON_LEVEL: "Won", LOST_LEVEL: "Lost"}
CURRENCY = "USD"
_TERMS = "30: 30 dage"
_VAT = {
    "Belgium": numbers.belgian_vat,
    "Germany": numbers.german_vat,
    "Italy": numbers.italian_vat,
    "Poland": numbers.polish_vat,
    "Romania": numbers.romanian_vat,
}
_ROWS_PER_SECOND = 200
_OPEN_DAYS = 90


def load_pipeline(crm: Crm, folder: Path) -> None:
    """Fills a system from those files: one deal with one line per row, won ones as deliveries.

    FileNotFoundError where a file is missing, ValueError where a deal's stage is unknown.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing")
    _Import(crm, folder).run()
    crm.happenings.clear()


class _Import:
    """Reads the files into one system."""

    def __init__(self, crm: Crm, folder: Path) -> None:
        self._crm = crm
        self._folder = folder
        self._count = 0
        self._organisations: dict[str, Row] = {}
        self._people: dict[str, Row] = {}
        self._agents: dict[str, Row] = {}
        self._prices: dict[str, Decimal] = {}

    def run(self) -> None:
        deals = list(self._read("sales_pipeline.csv"))
        span = timedelta(seconds=60 + 4 * len(deals) // _ROWS_PER_SECOND)
        self._began = self._crm.clock.origin.replace(microsecond=0) - span
        self._crm.settings.levels = dict(LEVELS)
        accounts = list(self._read("accounts.csv"))
        sectors = dict.fromkeys((*INDUSTRIES, *(row["sector"] for row in accounts)))
        self._crm.settings.change("OrganisationIndustry", options=list(sectors))
        for row in self._read("sales_teams.csv"):
            self._agent(row["sales_agent"])
        for row in self._read("products.csv"):
            price = Decimal(row["sales_price"])
            self._prices[row["product"]] = price
            add_item(
                self._crm,
                self._moment(),
                Data1=row["product"],
                Data2=row["product"],
                Data3="stk",
                ItemGroup=row["series"],
                Price=price,
                VatCode="U25",
            )
        for row in accounts:
            self._organisation(row)
        for row in accounts:
            self._parent(row)
        for row in deals:
            self._deal(row)

    def _read(self, name: str) -> Iterator[dict[str, str]]:
        with (self._folder / name).open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)

    def _moment(self) -> datetime:
        self._count += 1
        return self._began + timedelta(seconds=self._count // _ROWS_PER_SECOND)

    def _agent(self, name: str) -> Row:
        first, _, last = name.partition(" ")
        user = add_user(self._crm, self._moment(), first, last or first, "pipeline.example")
        self._agents[name] = user
        return user

    def _organisation(self, row: dict[str, str]) -> None:
        when = self._moment()
        name, country = row["account"], row["office_location"]
        number = len(self._organisations) + 1
        make = _VAT.get(country)
        organisation = self._crm.add(
            ORGANISATION,
            {
                "Name": name,
                "Address": f"{number} Harbor Road",
                "PostCode": "10000",
                "City": "Central City",
                "Country": country,
                "Industry": row["sector"],
                "Status": "Kunde",
                "Type": "Debitor",
                "VatNumber": make(Random(number)) if make is not None else None,
                "XInt1": int(row["employees"]),
                "XText1": row["year_established"],
                "Custom2": _TERMS,
                "Custom3": f"invoices@{slug(name)}.example",
                "Custom6": CURRENCY,
            },
            ADMINISTRATOR,
            when,
        )
        self._organisations[name] = organisation
        self._people[name] = self._crm.add(
            PERSON,
            {
                "OrganisationId": organisation["Id"],
                "FirstName": "Accounts",
                "LastName": "Payable",
                "Name": "Accounts Payable",
                "Email": f"ap@{slug(name)}.example",
            },
            ADMINISTRATOR,
            when,
        )

    def _parent(self, row: dict[str, str]) -> None:
        parent = self._organisations.get(row["subsidiary_of"])
        if parent is not None:
            values: Row = {
                "Organisation1Id": parent["Id"],
                "Organisation2Id": self._organisations[row["account"]]["Id"],
                "Type": "OrganisationToOrganisation",
            }
            self._crm.add(RELATION, values, ADMINISTRATOR, self._moment())

    def _deal(self, row: dict[str, str]) -> None:
        when, stage = self._moment(), row["deal_stage"]
        level = next((number for number, name in LEVELS.items() if name == stage), None)
        if level is None:
            raise ValueError(f"sales_pipeline.csv: there is no stage {stage}")
        name = row["product"]
        price = self._price(name)
        value = Decimal(row["close_value"]) if stage == "Won" else price
        agent = self._agents.get(row["sales_agent"]) or self._agent(row["sales_agent"])
        close = _close_date(row)
        won = stage == "Won"
        values: Row = {
            "OrganisationId": self._organisations.get(row["account"], {}).get("Id"),
            "PersonId": self._people.get(row["account"], {}).get("Id"),
            "Description": f"{row['account'] or 'No account'}, {name}, {row['opportunity_id']}",
            "OrderDate": close,
            "OrderValue": value,
            "CurrencyName": CURRENCY,
            "AssignedTo": agent["Id"],
            "Level": level,
            "OpportunityCustom1": _TERMS,
            "LostDate": close if stage == "Lost" else None,
        }
        if won:
            values |= {"WinYesNo": True, "WonDate": close, "Status": "New"}
            values["Responsible"] = agent["Id"]
        deal = add_deal(self._crm, values, agent["Name"], when, when)
        line: Row = {
            "Data1": name,
            "Data2": name,
            "Data3": "stk",
            "Price": value,
            "ListPrice": price,
            "Quantity": Decimal(1),
        }
        add_lines(self._crm, deal, [line], agent["Name"], when)

    def _price(self, name: str) -> Decimal:
        """The catalogue's price, spaces not counted; nothing for what it does not have."""
        wanted = slug(name)
        return next(
            (price for known, price in self._prices.items() if slug(known) == wanted), Decimal(0)
        )


def _close_date(row: dict[str, str]) -> datetime:
    """The deal's own, or one 90 days after the first meeting, or the end of the data's year."""
    text, more = row["close_date"], 0
    if not text:
        text, more = (row["engage_date"], _OPEN_DAYS) if row["engage_date"] else ("2017-12-31", 0)
    return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=more)
