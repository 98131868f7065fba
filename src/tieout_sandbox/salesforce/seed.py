"""A generated org: the CRM of a Nordic professional-services firm, with the dirt of real ones.

Everything follows from the seed, the number of accounts and the clock's origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from tieout_sandbox.kit.clock import SandboxClock
from tieout_sandbox.salesforce import company_numbers as numbers
from tieout_sandbox.salesforce.basics import (
    STANDARD_STAGES,
    Currency,
    Loader,
    add_user,
    furnish,
    price,
)
from tieout_sandbox.salesforce.names import (
    CITIES,
    FAMILY_NAMES,
    FIRST_NAMES,
    FORMS,
    PLACES,
    STREETS,
    TRADES,
    slug,
)
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.sales import apply_stage, derive, settle_prices
from tieout_sandbox.salesforce.schema import Options, country_names
from tieout_sandbox.salesforce.values import Row, plain, stamp, to_scale

CURRENCIES = (
    Currency(code="SEK", rate=Decimal("1.000000")),
    Currency(code="EUR", rate=Decimal("0.089000")),
    Currency(code="NOK", rate=Decimal("1.031000")),
    Currency(code="DKK", rate=Decimal("0.664000")),
    Currency(code="USD", rate=Decimal("0.096000")),
    Currency(code="CHF", rate=Decimal("0.085000")),
    Currency(code="GBP", rate=Decimal("0.076000"), active=False),
)
_HOME_CURRENCY = {"SE": "SEK", "NO": "NOK", "DK": "DKK", "US": "USD", "CH": "EUR", "GB": "EUR"}
_COUNTRIES = [
    code
    for code, share in zip(
        ("SE", "FI", "NO", "DK", "DE", "EE", "CH", "US", "GB"),
        (45, 15, 15, 12, 5, 3, 2, 2, 1),
        strict=True,
    )
    for _ in range(share)
]
_TERMS = [
    terms
    for terms, share in zip(
        # Net 45 is what no table of payment terms has.
        ("Net 30", "Net 14", "Net 10", "Net 20", "Net 60", "Net 45"),
        (55, 15, 10, 12, 5, 3),
        strict=True,
    )
    for _ in range(share)
]
_CATALOGUE = (
    ("Senior consultant, hour", "CONS-SR", "Consulting", "Hour", "1450.00"),
    ("Consultant, hour", "CONS", "Consulting", "Hour", "1150.00"),
    ("Project manager, hour", "PM", "Consulting", "Hour", "1350.00"),
    ("Architect, day", "ARCH-D", "Consulting", "Day", "13600.00"),
    ("Developer, day", "DEV-D", "Development", "Day", "10800.00"),
    ("Integration package", "INT-PKG", "Development", "Each", "48500.00"),
    ("Workshop, half day", "WS-HALF", "Training", "Each", "18500.00"),
    ("Course seat", "COURSE", "Training", "Each", "7900.00"),
    ("Support, month", "SUP-M", "Support", "Month", "4200.00"),
    ("On-call, month", "ONCALL-M", "Support", "Month", "9600.00"),
    ("Analytics licence, year", "LIC-AN-Y", "Licence", "Year", "23900.00"),
    ("Portal licence, user", "LIC-PO-U", "Licence", "Each", "349.00"),
    ("Travel and expenses", None, "Consulting", "Each", "1.00"),
    ("Data migration", None, "Development", "Each", "32000.00"),
    ("Legacy audit", "AUD-OLD", "Consulting", "Each", "15000.00"),
)
_OPEN_STAGES = tuple(stage.name for stage in STANDARD_STAGES if not stage.closed)
_INDUSTRIES = ("Consulting", "Energy", "Retail", "Manufacturing", "Technology")
_TOPICS = ("integration", "assessment", "platform", "support", "training", "migration")
_DISCOUNTS = (Decimal("5.0"), Decimal("10.0"), Decimal("12.5"))
HISTORY_DAYS = 180


def generate(clock: SandboxClock, *, seed: int, size: int) -> Org:
    """An org with so many accounts, about twice as many opportunities, half of them won."""
    org = Org(
        clock,
        Options(
            currencies=tuple(currency.code for currency in CURRENCIES),
            stages=tuple(stage.name for stage in STANDARD_STAGES),
        ),
    )
    _Generator(org, Random(seed), clock.origin).fill(size)
    return org


@dataclass(frozen=True, slots=True)
class _Price:
    product: Row
    entry: Row


class _Generator:
    """Makes the rows of one org."""

    def __init__(self, org: Org, rng: Random, origin: datetime) -> None:
        self._org = org
        self._rng = rng
        self._now = origin.replace(microsecond=0)
        self._start = self._now - timedelta(days=HISTORY_DAYS)
        self._load = Loader(org)
        self._owners: list[Row] = []
        self._prices: dict[str, list[_Price]] = {}

    def fill(self, size: int) -> None:
        furnish(
            self._org,
            self._load,
            self._start,
            name="Nordljus Konsult",
            stages=STANDARD_STAGES,
            currencies=CURRENCIES,
        )
        self._users()
        self._products()
        self._load.flush()
        accounts: list[Row] = []
        for number in range(size):
            account = self._account(number, accounts)
            accounts.append(account)
            contact = self._contact(account)
            for _ in range(self._rng.choice((1, 2, 2, 2, 3))):
                self._opportunity(account, contact)
        self._load.flush()

    def _chance(self, percent: float) -> bool:
        return self._rng.random() * 100 < percent

    def _moment(self, since: datetime) -> datetime:
        span = int((self._now - since).total_seconds())
        return since + timedelta(seconds=self._rng.randrange(max(span, 1)))

    def _users(self) -> None:
        people = zip(FIRST_NAMES[:8], FAMILY_NAMES[:8], strict=True)
        for position, (first, last) in enumerate(people):
            username = f"{slug(first)}.{slug(last)}@nordljus.example"
            user = add_user(
                self._load, self._start, first, last, username, "SEK", active=position != 7
            )
            if user["IsActive"]:
                self._owners.append(user)

    def _products(self) -> None:
        standard = self._org.standard_book()
        for name, code, family, unit, amount in _CATALOGUE:
            active = code != "AUD-OLD"
            product = self._load.add(
                "Product2",
                self._start,
                Name=name,
                ProductCode=code,
                Family=family,
                QuantityUnitOfMeasure=unit,
                IsActive=active,
                IsArchived=False,
                CurrencyIsoCode="SEK",
            )
            for currency in CURRENCIES:
                if not currency.active:
                    continue
                converted = to_scale(Decimal(amount) * currency.rate, 2)
                entry = price(
                    self._load,
                    self._start,
                    product,
                    standard,
                    converted,
                    currency.code,
                    active=active,
                )
                if active:
                    self._prices.setdefault(currency.code, []).append(_Price(product, entry))

    # Accounts.

    def _account(self, number: int, earlier: list[Row]) -> Row:
        created = self._moment(self._start)
        if earlier and self._chance(3):
            return self._double(self._rng.choice(earlier), created)
        country = self._rng.choice(_COUNTRIES)
        municipal = country == "SE" and self._chance(7)
        name = self._name(number, country, municipal=municipal)
        org_number, vat = self._numbers(country, municipal=municipal)
        city, post_code = self._rng.choice(CITIES[country])
        account = self._load.add(
            "Account",
            created,
            Name=name,
            Type="Customer - Direct",
            BillingStreet=f"{self._rng.choice(STREETS[country])} {self._rng.randrange(1, 120)}",
            BillingCity=city,
            BillingPostalCode=None if self._chance(2) else post_code,
            BillingCountry=country_names()[country],
            BillingCountryCode=country,
            Phone=f"+46 8 {self._rng.randrange(1000000, 9999999)}",
            Website=f"https://www.{slug(name)}.example",
            Industry="Government" if municipal else self._rng.choice(_INDUSTRIES),
            NumberOfEmployees=self._rng.randrange(3, 2500),
            OwnerId=self._rng.choice(self._owners)["Id"],
            CurrencyIsoCode=_HOME_CURRENCY.get(country, "EUR"),
            Org_Number__c=org_number,
            Vat_Number__c=vat,
            Payment_Terms__c=self._rng.choice(_TERMS),
            Buyer_Reference_Required__c=municipal,
            Invoice_Email__c=None if self._chance(3) else f"faktura@{slug(name)}.example",
            Credit_Hold__c=self._chance(1),
        )
        return account

    def _name(self, number: int, country: str, *, municipal: bool) -> str:
        place = PLACES[number % len(PLACES)]
        if municipal:
            return f"{place}s kommun {number}" if number >= len(PLACES) else f"{place}s kommun"
        trade = TRADES[country][number // len(PLACES) % len(TRADES[country])]
        form = self._rng.choice(FORMS[country])
        round_ = number // (len(PLACES) * len(TRADES[country]))
        middle = f" {round_ + 1}" if round_ else ""
        return f"{place} {trade}{middle} {form}"

    def _numbers(self, country: str, *, municipal: bool) -> tuple[str | None, str | None]:
        rng = self._rng
        org_number: str | None = None
        vat: str | None = None
        if country == "SE":
            org_number = numbers.swedish(rng, "212" if municipal else "556")
            vat = f"SE{org_number.replace('-', '')}01"
        elif country == "NO":
            org_number = numbers.norwegian(rng)
            vat = f"NO{org_number}MVA"
        elif country == "FI":
            org_number = numbers.finnish(rng)
            vat = f"FI{org_number.replace('-', '')}"
        elif country == "DK":
            org_number = numbers.danish(rng)
            vat = f"DK{org_number}"
        elif country == "DE":
            vat = numbers.german_vat(rng)
        elif country == "EE":
            vat = numbers.estonian_vat(rng)
        if vat is not None and self._chance(2):
            vat = _spoilt(vat)
        return org_number, vat

    def _double(self, original: Row, created: datetime) -> Row:
        """The same company entered once more by somebody who did not look first."""
        name = str(original["Name"])
        stem, _, form = name.rpartition(" ")
        spelling = self._rng.choice(
            (name.upper(), f"{stem}, {form}", stem or name, name.replace(" ", "  ", 1).strip())
        )
        kept = {
            key: value
            for key, value in original.items()
            if key not in ("Id", "Name", "Org_Number__c", "Vat_Number__c")
            and not key.startswith(("Created", "LastModified", "System"))
        }
        return self._load.add("Account", created, **{**kept, "Name": spelling.replace("  ", " ")})

    def _contact(self, account: Row) -> Row:
        first, last = self._rng.choice(FIRST_NAMES), self._rng.choice(FAMILY_NAMES)
        return self._load.add(
            "Contact",
            self._now - timedelta(days=2),
            AccountId=account["Id"],
            FirstName=first,
            LastName=last,
            Name=f"{first} {last}",
            Email=f"{slug(first)}.{slug(last)}@{slug(str(account['Name']))}.example",
            OwnerId=account["OwnerId"],
            CurrencyIsoCode=account["CurrencyIsoCode"],
        )

    # Opportunities.

    def _opportunity(self, account: Row, contact: Row) -> None:
        created = self._moment(self._start)
        changed = self._moment(created)
        kind = self._rng.random()
        stage = "Closed Won" if kind < 0.5 else "Closed Lost"
        if kind >= 0.65:
            stage = self._rng.choice(_OPEN_STAGES)
        closed = stage.startswith("Closed")
        close = changed if closed else self._now + timedelta(days=self._rng.randrange(5, 120))
        currency = "CHF" if self._chance(1) else str(account["CurrencyIsoCode"])
        municipal = bool(account["Buyer_Reference_Required__c"])
        opportunity = self._load.add(
            "Opportunity",
            created,
            AccountId=account["Id"],
            Name=f"{account['Name']}: {self._rng.choice(_TOPICS)} {created:%Y-%m}"[:120],
            StageName=stage,
            CloseDate=close.date().isoformat(),
            OwnerId=account["OwnerId"],
            Pricebook2Id=self._org.standard_book(),
            CurrencyIsoCode=currency,
            HasOpportunityLineItem=False,
            Po_Number__c=f"PO-{self._rng.randrange(10000, 99999)}" if self._chance(30) else None,
            Buyer_Reference__c=(
                None if municipal and self._chance(30) else contact["Name"] if municipal else None
            ),
        )
        opportunity["SystemModstamp"] = opportunity["LastModifiedDate"] = stamp(changed)
        if not self._chance(3):  # some deals are won with nothing in them
            self._lines(opportunity, changed)
        apply_stage(self._org, opportunity)
        derive(opportunity)

    def _lines(self, opportunity: Row, changed: datetime) -> None:
        free = self._chance(1)
        total, quantity = Decimal("0.00"), Decimal(0)
        count = self._rng.choice((1, 1, 1, 2, 2, 3, 3, 4, 5, 6))
        chosen = self._rng.sample(self._prices[str(opportunity["CurrencyIsoCode"])], count)
        for position, each in enumerate(chosen, start=1):
            line = self._line(opportunity, each, changed, position, free=free)
            assert isinstance(line["TotalPrice"], Decimal)
            assert isinstance(line["Quantity"], Decimal)
            total += line["TotalPrice"]
            quantity += line["Quantity"]
        opportunity["Amount"] = total
        opportunity["TotalOpportunityQuantity"] = plain(quantity)
        opportunity["HasOpportunityLineItem"] = True

    def _line(
        self, opportunity: Row, chosen: _Price, changed: datetime, position: int, *, free: bool
    ) -> Row:
        entry = chosen.entry
        amount = entry["UnitPrice"]
        assert isinstance(amount, Decimal)
        if self._chance(15):
            amount = to_scale(amount * Decimal(self._rng.randrange(85, 100)) / 100, 2)
        by_hour = chosen.product["QuantityUnitOfMeasure"] in ("Hour", "Day")
        quantity = Decimal(self._rng.randrange(2, 160 if by_hour else 12))
        if by_hour and self._chance(20):
            quantity += Decimal("0.5")
        line = self._load.add(
            "OpportunityLineItem",
            changed,
            OpportunityId=opportunity["Id"],
            PricebookEntryId=entry["Id"],
            Product2Id=chosen.product["Id"],
            ProductCode=chosen.product.get("ProductCode"),
            Name=f"{opportunity['Name']} {chosen.product['Name']}"[:376],
            CurrencyIsoCode=opportunity["CurrencyIsoCode"],
            Quantity=plain(quantity),
            UnitPrice=Decimal("0.00") if free else amount,
            ListPrice=entry["UnitPrice"],
            Discount=self._rng.choice(_DISCOUNTS) if self._chance(20) else None,
            ServiceDate=str(opportunity["CloseDate"]) if self._chance(40) else None,
            SortOrder=position,
        )
        settle_prices(line, None, {})
        return line


def _spoilt(vat: str) -> str:
    """The number with a digit in its middle gone wrong."""
    place = 5
    return vat[:place] + str((int(vat[place]) + 1) % 10) + vat[place + 1 :]
