"""An org loaded from a B2B pipeline in CSV files: accounts, products, sales teams, deals."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from random import Random

from tieout_sandbox.kit.clock import SandboxClock
from tieout_sandbox.kit.company_numbers import (
    belgian_vat,
    german_vat,
    italian_vat,
    polish_vat,
    romanian_vat,
)
from tieout_sandbox.kit.names import slug
from tieout_sandbox.salesforce.basics import Loader, Stage, add_user, furnish, price
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.sales import apply_stage, derive, settle_prices
from tieout_sandbox.salesforce.schema import Options, country_names
from tieout_sandbox.salesforce.values import Row, to_scale

FILES = ("accounts.csv", "products.csv", "sales_teams.csv", "sales_pipeline.csv")
STAGES = (
    Stage(name="Prospecting", probability=10, category="Pipeline"),
    Stage(name="Engaging", probability=50, category="BestCase"),
    Stage(name="Won", probability=100, category="Closed", closed=True, won=True),
    Stage(name="Lost", probability=0, category="Omitted", closed=True),
)
_ALIASES = {"korea": "KR", "united states": "US", "usa": "US", "uk": "GB"}
_TOWNS = {
    "BE": ("Antwerpen", "2000"),
    "BR": ("São Paulo", "01310-100"),
    "CN": ("Shanghai", "200000"),
    "DE": ("Hamburg", "20095"),
    "IT": ("Milano", "20121"),
    "JO": ("Amman", "11118"),
    "JP": ("Osaka", "530-0001"),
    "KE": ("Nairobi", "00100"),
    "KR": ("Busan", "48058"),
    "NO": ("Bergen", "5014"),
    "PA": ("Panamá", "0801"),
    "PH": ("Cebu", "6000"),
    "PL": ("Gdańsk", "80-001"),
    "RO": ("Cluj-Napoca", "400001"),
    "US": ("Portland", "97204"),
}
_ROWS_PER_SECOND = 200
_OPEN_DAYS = 90


def load_pipeline(clock: SandboxClock, folder: Path, *, package: bool = False) -> Org:
    """The org of those files: one opportunity with one line per deal, one currency.

    FileNotFoundError where a file is missing, ValueError where a deal names a product that
    neither the catalogue nor a near spelling of it has.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing")
    org = Org(clock, Options(stages=tuple(stage.name for stage in STAGES), package=package))
    _Import(org, folder, clock.origin).run()
    return org


_VAT_NUMBERS = {
    "BE": belgian_vat,
    "DE": german_vat,
    "IT": italian_vat,
    "PL": polish_vat,
    "RO": romanian_vat,
}


def _vat_number(code: str, number: int) -> dict[str, str]:
    """A business in the EU has a VAT number, which the data do not tell: one that could be."""
    make = _VAT_NUMBERS.get(code)
    return {} if make is None else {"Vat_Number__c": make(Random(number))}


def country_code(text: str) -> str:
    """The code of a country's name, small misspellings forgiven; US where nothing is near."""
    wanted = text.strip().casefold()
    if wanted in _ALIASES:
        return _ALIASES[wanted]
    names = {name.casefold(): code for code, name in country_names().items()}
    near = get_close_matches(wanted, names, n=1, cutoff=0.8)
    return names[near[0]] if near else "US"


class _Import:
    """Reads the files into one org."""

    def __init__(self, org: Org, folder: Path, origin: datetime) -> None:
        self._org = org
        self._folder = folder
        self._now = origin.replace(microsecond=0)
        self._load = Loader(org)
        self._count = 0
        self._accounts: dict[str, Row] = {}
        self._agents: dict[str, Row] = {}
        self._products: dict[str, Row] = {}
        self._entries: dict[str, Row] = {}

    def run(self) -> None:
        deals = list(self._read("sales_pipeline.csv"))
        # As a real import leaves them: many rows share a second, all lie just before now.
        self._began = self._now - timedelta(seconds=60 + 2 * len(deals) // _ROWS_PER_SECOND)
        furnish(
            self._org,
            self._load,
            self._began - timedelta(hours=1),
            name="Pipeline Hardware",
            stages=STAGES,
            currencies=(),
        )
        self._load.flush()
        self._users()
        self._catalogue()
        for row in self._read("accounts.csv"):
            self._account(row)
        self._parents()
        for row in deals:
            self._deal(row)
        self._load.flush()

    def _read(self, name: str) -> Iterator[dict[str, str]]:
        with (self._folder / name).open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)

    def _moment(self) -> datetime:
        self._count += 1
        return self._began + timedelta(seconds=self._count // _ROWS_PER_SECOND)

    def _users(self) -> None:
        managers: dict[str, Row] = {}
        for row in self._read("sales_teams.csv"):
            boss = managers.get(row["manager"])
            if boss is None:
                boss = managers[row["manager"]] = self._user(row["manager"], row["regional_office"])
            agent = self._user(row["sales_agent"], row["regional_office"])
            agent["ManagerId"] = boss["Id"]
            self._agents[row["sales_agent"]] = agent

    def _user(self, name: str, office: str) -> Row:
        first, _, last = name.partition(" ")
        username = f"{slug(first)}.{slug(last)}@pipeline.example"
        return add_user(
            self._load, self._moment(), first, last or first, username, None, department=office
        )

    def _catalogue(self) -> None:
        for row in self._read("products.csv"):
            self._product(row["product"], row["series"], Decimal(row["sales_price"]))

    def _product(self, name: str, series: str | None, amount: Decimal) -> None:
        when = self._moment()
        product = self._load.add(
            "Product2",
            when,
            Name=name,
            ProductCode=name,
            Family=series,
            IsActive=True,
            IsArchived=False,
        )
        self._products[name] = product
        self._entries[name] = price(
            self._load, when, product, self._org.standard_book(), to_scale(amount, 2), None
        )

    def _misspelt(self, name: str) -> None:
        """A deal's product that the catalogue spells otherwise becomes a product of its own."""
        bare = {slug(known): known for known in self._products}
        near = bare.get(slug(name))
        if near is None:
            raise ValueError(f"sales_pipeline.csv: there is no product {name}")
        amount = self._entries[near]["UnitPrice"]
        assert isinstance(amount, Decimal)
        self._product(name, str(self._products[near]["Family"]), amount)

    def _account(self, row: dict[str, str]) -> None:
        when = self._moment()
        name = row["account"]
        code = country_code(row["office_location"])
        city, post_code = _TOWNS.get(code, ("Central City", "10000"))
        number = len(self._accounts) + 1
        address = slug(name)
        account = self._load.add(
            "Account",
            when,
            Name=name,
            Type="Customer - Direct",
            AccountNumber=f"A{number:04d}",
            Industry=row["sector"],
            AnnualRevenue=to_scale(Decimal(row["revenue"]) * 1_000_000, 0),
            NumberOfEmployees=int(row["employees"]),
            YearStarted=row["year_established"],
            BillingStreet=f"{number} Harbor Road",
            BillingCity=city,
            BillingPostalCode=post_code,
            BillingCountry=country_names()[code],
            BillingCountryCode=code,
            OwnerId=self._org.user_id,
            Payment_Terms__c="Net 30",
            Invoice_Email__c=f"invoices@{address}.example",
            Buyer_Reference_Required__c=False,
            Credit_Hold__c=False,
            **_vat_number(code, number),
        )
        self._accounts[name] = account
        self._load.add(
            "Contact",
            when,
            AccountId=account["Id"],
            FirstName="Accounts",
            LastName="Payable",
            Name="Accounts Payable",
            Email=f"ap@{address}.example",
            OwnerId=self._org.user_id,
        )

    def _parents(self) -> None:
        for row in self._read("accounts.csv"):
            parent = self._accounts.get(row["subsidiary_of"])
            if parent is not None:
                self._accounts[row["account"]]["ParentId"] = parent["Id"]

    def _deal(self, row: dict[str, str]) -> None:
        when = self._moment()
        name = row["product"]
        if name not in self._products:
            self._misspelt(name)
        entry = self._entries[name]
        account = self._accounts.get(row["account"])
        agent = self._agents.get(row["sales_agent"])
        stage = row["deal_stage"]
        opportunity = self._load.add(
            "Opportunity",
            when,
            AccountId=account["Id"] if account else None,
            Name=f"{row['account'] or 'No account'}, {name}, {row['opportunity_id']}",
            StageName=stage,
            CloseDate=_close_date(row),
            OwnerId=agent["Id"] if agent else self._org.user_id,
            Pricebook2Id=self._org.standard_book(),
            HasOpportunityLineItem=True,
        )
        amount = Decimal(row["close_value"]) if stage == "Won" else entry["UnitPrice"]
        assert isinstance(amount, Decimal)
        line = self._load.add(
            "OpportunityLineItem",
            when,
            OpportunityId=opportunity["Id"],
            PricebookEntryId=entry["Id"],
            Product2Id=entry["Product2Id"],
            ProductCode=entry.get("ProductCode"),
            Name=f"{opportunity['Name']} {name}",
            Quantity=Decimal("1.0"),
            UnitPrice=to_scale(amount, 2),
            ListPrice=entry["UnitPrice"],
            SortOrder=1,
        )
        settle_prices(line, None, {})
        opportunity["Amount"] = line["TotalPrice"]
        opportunity["TotalOpportunityQuantity"] = Decimal("1.0")
        apply_stage(self._org, opportunity)
        derive(opportunity)


def _close_date(row: dict[str, str]) -> str:
    """The deal's own, or one 90 days after the first meeting, or the end of the data's year."""
    if row["close_date"]:
        return row["close_date"]
    if row["engage_date"]:
        return (date.fromisoformat(row["engage_date"]) + timedelta(days=_OPEN_DAYS)).isoformat()
    return "2017-12-31"
