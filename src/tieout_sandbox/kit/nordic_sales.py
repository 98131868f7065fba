"""The customers and deals of an invented Nordic services firm, with the dirt of real ones.

Told once for every CRM simulator: the same seed, size and origin give the same companies, people,
deals and lines, whatever system they are put into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from tieout_sandbox.kit import company_numbers as numbers
from tieout_sandbox.kit.names import (
    CITIES,
    FAMILY_NAMES,
    FIRST_NAMES,
    FORMS,
    PLACES,
    STREETS,
    TRADES,
    slug,
)

HOME = "SEK"
RATES = {
    "SEK": Decimal("1.000000"),
    "EUR": Decimal("0.089000"),
    "NOK": Decimal("1.031000"),
    "DKK": Decimal("0.664000"),
    "USD": Decimal("0.096000"),
    "CHF": Decimal("0.085000"),
}
"""What one SEK is in each currency that deals are made in."""

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


@dataclass(frozen=True, slots=True)
class Article:
    """Something the firm sells. `price` in SEK; `code` None where nobody gave it one."""

    name: str
    code: str | None
    family: str
    unit: str
    price: Decimal
    active: bool = True


CATALOGUE = (
    Article("Senior consultant, hour", "CONS-SR", "Consulting", "Hour", Decimal("1450.00")),
    Article("Consultant, hour", "CONS", "Consulting", "Hour", Decimal("1150.00")),
    Article("Project manager, hour", "PM", "Consulting", "Hour", Decimal("1350.00")),
    Article("Architect, day", "ARCH-D", "Consulting", "Day", Decimal("13600.00")),
    Article("Developer, day", "DEV-D", "Development", "Day", Decimal("10800.00")),
    Article("Integration package", "INT-PKG", "Development", "Each", Decimal("48500.00")),
    Article("Workshop, half day", "WS-HALF", "Training", "Each", Decimal("18500.00")),
    Article("Course seat", "COURSE", "Training", "Each", Decimal("7900.00")),
    Article("Support, month", "SUP-M", "Support", "Month", Decimal("4200.00")),
    Article("On-call, month", "ONCALL-M", "Support", "Month", Decimal("9600.00")),
    Article("Analytics licence, year", "LIC-AN-Y", "Licence", "Year", Decimal("23900.00")),
    Article("Portal licence, user", "LIC-PO-U", "Licence", "Each", Decimal("349.00")),
    Article("Travel and expenses", None, "Consulting", "Each", Decimal("1.00")),
    Article("Data migration", None, "Development", "Each", Decimal("32000.00")),
    Article("Legacy audit", "AUD-OLD", "Consulting", "Each", Decimal("15000.00"), active=False),
)
SELLERS = tuple(zip(FIRST_NAMES[:8], FAMILY_NAMES[:8], strict=True))
"""First and family names; the last one has left the firm."""

OPEN_STEPS = 8
_INDUSTRIES = ("Consulting", "Energy", "Retail", "Manufacturing", "Technology")
_TOPICS = ("integration", "assessment", "platform", "support", "training", "migration")
_DISCOUNTS = (Decimal("5.0"), Decimal("10.0"), Decimal("12.5"))
HISTORY_DAYS = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A customer. `owner` counts in `SELLERS`; `double_of` is the place of the company that
    somebody entered once more under this name, without its numbers."""

    name: str
    created: datetime
    country: str
    municipal: bool
    organisation_number: str | None
    vat_number: str | None
    street: str
    city: str
    post_code: str | None
    phone: str
    website: str
    industry: str
    employees: int
    owner: int
    currency: str
    terms: str
    invoice_email: str | None
    credit_hold: bool
    double_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A company's contact."""

    first_name: str
    last_name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DealLine:
    """`price` is what the seller asks for one, before `discount` percent; `list_price` what the
    catalogue asks; both in the deal's currency."""

    article: Article
    quantity: Decimal
    price: Decimal
    list_price: Decimal
    discount: Decimal | None
    dated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """`won` None while it is open; then `step` counts how far it has come, from 0."""

    title: str
    created: datetime
    changed: datetime
    won: bool | None
    step: int
    close: date
    currency: str
    order_number: str | None
    names_buyer: bool
    lines: tuple[DealLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A company with its contact and its deals."""

    company: Company
    person: Person
    deals: tuple[Deal, ...]


def price_in(article: Article, currency: str) -> Decimal:
    """The list price of one in a currency, two decimals."""
    return _cents(article.price * RATES[currency])


def customers(*, seed: int, size: int, origin: datetime) -> Iterator[Customer]:
    """So many customers, about twice as many deals, half of them won; all before `origin`."""
    return _Story(Random(seed), origin.replace(microsecond=0)).tell(size)


class _Story:
    """Draws everything in one fixed order: what is drawn earlier decides what comes later."""

    def __init__(self, rng: Random, now: datetime) -> None:
        self._rng = rng
        self._now = now
        self._start = now - timedelta(days=HISTORY_DAYS)
        self._on_sale = [article for article in CATALOGUE if article.active]

    def tell(self, size: int) -> Iterator[Customer]:
        companies: list[Company] = []
        for number in range(size):
            company = self._company(number, companies)
            companies.append(company)
            person = self._person(company)
            count = self._rng.choice((1, 2, 2, 2, 3))
            deals = tuple(self._deal(company) for _ in range(count))
            yield Customer(company=company, person=person, deals=deals)

    def _chance(self, percent: int) -> bool:
        return self._rng.random() * 100 < percent

    def _moment(self, since: datetime) -> datetime:
        span = int((self._now - since).total_seconds())
        return since + timedelta(seconds=self._rng.randrange(max(span, 1)))

    # Companies.

    def _company(self, number: int, earlier: list[Company]) -> Company:
        created = self._moment(self._start)
        if earlier and self._chance(3):
            return self._double(self._rng.choice(range(len(earlier))), earlier, created)
        country = self._rng.choice(_COUNTRIES)
        municipal = country == "SE" and self._chance(7)
        name = self._name(number, country, municipal=municipal)
        organisation_number, vat_number = self._numbers(country, municipal=municipal)
        city, post_code = self._rng.choice(CITIES[country])
        return Company(
            name=name,
            created=created,
            country=country,
            municipal=municipal,
            organisation_number=organisation_number,
            vat_number=vat_number,
            street=f"{self._rng.choice(STREETS[country])} {self._rng.randrange(1, 120)}",
            city=city,
            post_code=None if self._chance(2) else post_code,
            phone=f"+46 8 {self._rng.randrange(1000000, 9999999)}",
            website=f"https://www.{slug(name)}.example",
            industry="Government" if municipal else self._rng.choice(_INDUSTRIES),
            employees=self._rng.randrange(3, 2500),
            owner=self._rng.choice(range(len(SELLERS) - 1)),
            currency=_HOME_CURRENCY.get(country, "EUR"),
            terms=self._rng.choice(_TERMS),
            invoice_email=None if self._chance(3) else f"faktura@{slug(name)}.example",
            credit_hold=self._chance(1),
        )

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
        number: str | None = None
        vat: str | None = None
        if country == "SE":
            number = numbers.swedish(rng, "212" if municipal else "556")
            vat = f"SE{number.replace('-', '')}01"
        elif country == "NO":
            number = numbers.norwegian(rng)
            vat = f"NO{number}MVA"
        elif country == "FI":
            number = numbers.finnish(rng)
            vat = f"FI{number.replace('-', '')}"
        elif country == "DK":
            number = numbers.danish(rng)
            vat = f"DK{number}"
        elif country == "DE":
            vat = numbers.german_vat(rng)
        elif country == "EE":
            vat = numbers.estonian_vat(rng)
        if vat is not None and self._chance(2):
            vat = _spoilt(vat)
        return number, vat

    def _double(self, place: int, earlier: list[Company], created: datetime) -> Company:
        """The same company entered once more by somebody who did not look first."""
        original = earlier[place]
        name = original.name
        stem, _, form = name.rpartition(" ")
        spelling = self._rng.choice(
            (name.upper(), f"{stem}, {form}", stem or name, name.replace(" ", "  ", 1).strip())
        )
        return replace(
            original,
            name=spelling.replace("  ", " "),
            created=created,
            organisation_number=None,
            vat_number=None,
            double_of=place,
        )

    def _person(self, company: Company) -> Person:
        first, last = self._rng.choice(FIRST_NAMES), self._rng.choice(FAMILY_NAMES)
        address = f"{slug(first)}.{slug(last)}@{slug(company.name)}.example"
        return Person(first_name=first, last_name=last, email=address)

    # Deals.

    def _deal(self, company: Company) -> Deal:
        created = self._moment(self._start)
        changed = self._moment(created)
        kind = self._rng.random()
        won: bool | None = kind < 0.5
        step = 0
        if kind >= 0.65:
            won, step = None, self._rng.choice(range(OPEN_STEPS))
        close = changed
        if won is None:
            close = self._now + timedelta(days=self._rng.randrange(5, 120))
        currency = "CHF" if self._chance(1) else company.currency
        title = f"{company.name}: {self._rng.choice(_TOPICS)} {created:%Y-%m}"[:120]
        order_number = f"PO-{self._rng.randrange(10000, 99999)}" if self._chance(30) else None
        names_buyer = company.municipal and not self._chance(30)
        # Some deals are won with nothing in them.
        lines = () if self._chance(3) else self._lines(currency)
        return Deal(
            title=title,
            created=created,
            changed=changed,
            won=won,
            step=step,
            close=close.date(),
            currency=currency,
            order_number=order_number,
            names_buyer=names_buyer,
            lines=lines,
        )

    def _lines(self, currency: str) -> tuple[DealLine, ...]:
        free = self._chance(1)
        count = self._rng.choice((1, 1, 1, 2, 2, 3, 3, 4, 5, 6))
        chosen = self._rng.sample(self._on_sale, count)
        return tuple(self._line(article, currency, free=free) for article in chosen)

    def _line(self, article: Article, currency: str, *, free: bool) -> DealLine:
        list_price = price = price_in(article, currency)
        if self._chance(15):
            price = _cents(price * Decimal(self._rng.randrange(85, 100)) / 100)
        by_time = article.unit in ("Hour", "Day")
        quantity = Decimal(self._rng.randrange(2, 160 if by_time else 12))
        if by_time and self._chance(20):
            quantity += Decimal("0.5")
        return DealLine(
            article=article,
            quantity=quantity,
            price=Decimal("0.00") if free else price,
            list_price=list_price,
            discount=self._rng.choice(_DISCOUNTS) if self._chance(20) else None,
            dated=self._chance(40),
        )


def _spoilt(vat: str) -> str:
    """The number with a digit in its middle gone wrong."""
    place = 5
    return vat[:place] + str((int(vat[place]) + 1) % 10) + vat[place + 1 :]


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
