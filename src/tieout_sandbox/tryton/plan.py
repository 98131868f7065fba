"""What a company's books shall hold before the first document: names, rates, codes, people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

# Where the embedded server is reached by nobody but the tests, this is no secret.
ADMIN = "admin"
ADMIN_PASSWORD = "admin-secret"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyPlan:
    """A currency, and from each date how many units of it one unit of the company's buys."""

    code: str
    name: str
    numeric_code: str
    symbol: str
    rates: tuple[tuple[date, Decimal], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """An account besides the chart's own, of the kind of the chart's account `like`."""

    code: str
    name: str
    like: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxPlan:
    """A sales tax; `rate` is a fraction. `account` is the code that its amounts are booked on."""

    name: str
    rate: Decimal
    account: str
    legal_notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRulePlan:
    """A rule that a customer may carry: it replaces each tax of `origins` by `tax`."""

    name: str
    origins: tuple[str, ...]
    tax: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryPlan:
    """How a kind of item is booked: account codes and the tax's name."""

    name: str
    revenue: str
    tax: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlan:
    """An item that is sold, in a unit of Tryton's own (`Unit`, `Hour`, ...)."""

    code: str
    name: str
    category: str
    price: Decimal
    unit: str = "Unit"


@dataclass(frozen=True, slots=True, kw_only=True)
class TermPlan:
    """A payment term besides Tryton's own: instalments as (percent, days), together 100."""

    name: str
    instalments: tuple[tuple[Decimal, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionPlan:
    """An analytic root with its values as (code, name)."""

    name: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPlan:
    """Somebody with a login, and the groups of Tryton whose rights they have."""

    login: str
    name: str
    password: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One company's books. `currency` is one of `currencies`; account codes as in the chart."""

    company: str
    vat_number: str
    country: str
    timezone: str
    currency: str
    countries: tuple[tuple[str, str], ...]
    currencies: tuple[CurrencyPlan, ...]
    years: tuple[int, ...]
    accounts: tuple[AccountPlan, ...]
    taxes: tuple[TaxPlan, ...]
    tax_rules: tuple[TaxRulePlan, ...]
    categories: tuple[CategoryPlan, ...]
    items: tuple[ItemPlan, ...]
    terms: tuple[TermPlan, ...]
    dimensions: tuple[DimensionPlan, ...]
    people: tuple[PersonPlan, ...]
    tax_rounding: str = "document"
    receivable: str = "1.2.1"
    payable: str = "2.1.1"
    revenue: str = "4.1.1"
    expense: str = "5.1.1"
    exchange: str = "6.2.1"
    bank: str = "1930"
    rounding: str = "3740"


_LONG_AGO = date(2020, 1, 1)


def _currency(
    code: str, name: str, numeric: str, symbol: str, *rates: tuple[date, str]
) -> CurrencyPlan:
    known = tuple((day, Decimal(rate)) for day, rate in rates)
    return CurrencyPlan(code=code, name=name, numeric_code=numeric, symbol=symbol, rates=known)


_CURRENCIES = (
    _currency("SEK", "Swedish krona", "752", "kr", (_LONG_AGO, "1")),
    _currency("EUR", "Euro", "978", "€", (_LONG_AGO, "0.0900"), (date(2026, 10, 1), "0.0880")),
    _currency("NOK", "Norwegian krone", "578", "kr", (_LONG_AGO, "1.0400")),
    _currency("DKK", "Danish krone", "208", "kr", (_LONG_AGO, "0.6700")),
    _currency("USD", "US dollar", "840", "$", (_LONG_AGO, "0.1000")),
    _currency("GBP", "Pound sterling", "826", "£", (_LONG_AGO, "0.0780")),
)

_ACCOUNTS = (
    AccountPlan(code="1930", name="Företagskonto", like="1.1.1"),
    AccountPlan(code="2611", name="Utgående moms 25 %", like="2.2.3"),
    AccountPlan(code="2621", name="Utgående moms 12 %", like="2.2.3"),
    AccountPlan(code="2631", name="Utgående moms 6 %", like="2.2.3"),
    AccountPlan(code="3001", name="Försäljning varor 25 %", like="4.1.1"),
    AccountPlan(code="3002", name="Försäljning varor 12 %", like="4.1.1"),
    AccountPlan(code="3003", name="Försäljning varor 6 %", like="4.1.1"),
    AccountPlan(code="3004", name="Försäljning, momsfri", like="4.1.1"),
    AccountPlan(code="3041", name="Försäljning tjänster 25 %", like="4.1.2"),
    AccountPlan(code="3308", name="Försäljning tjänster till annat EU-land", like="4.1.2"),
    AccountPlan(code="3740", name="Öresavrundning", like="6.2.1"),
)

_TAXES = (
    TaxPlan(name="Moms 25 %", rate=Decimal("0.25"), account="2611"),
    TaxPlan(name="Moms 12 %", rate=Decimal("0.12"), account="2621"),
    TaxPlan(name="Moms 6 %", rate=Decimal("0.06"), account="2631"),
    TaxPlan(name="Momsfri 0 %", rate=Decimal("0"), account="2611"),
    TaxPlan(
        name="Omvänd skattskyldighet EU",
        rate=Decimal("0"),
        account="2611",
        legal_notice="Reverse charge",
    ),
)

_CATEGORIES = (
    CategoryPlan(name="Varor 25 %", revenue="3001", tax="Moms 25 %"),
    CategoryPlan(name="Varor 12 %", revenue="3002", tax="Moms 12 %"),
    CategoryPlan(name="Varor 6 %", revenue="3003", tax="Moms 6 %"),
    CategoryPlan(name="Momsfritt", revenue="3004", tax="Momsfri 0 %"),
    CategoryPlan(name="Tjänster 25 %", revenue="3041", tax="Moms 25 %"),
)

_ITEMS = (
    ItemPlan(code="SKR01", name="Skridsko", category="Varor 25 %", price=Decimal("99.95")),
    ItemPlan(code="KAF01", name="Kaffe, 1 kg", category="Varor 12 %", price=Decimal("149.00")),
    ItemPlan(code="BOK01", name="Handbok", category="Varor 6 %", price=Decimal("320.00")),
    ItemPlan(code="UTB01", name="Utbildning", category="Momsfritt", price=Decimal("4500.00")),
    ItemPlan(
        code="KON01",
        name="Konsulttimme",
        category="Tjänster 25 %",
        price=Decimal("1250.00"),
        unit="Hour",
    ),
    ItemPlan(code="LIC01", name="Licens", category="Tjänster 25 %", price=Decimal("10.3333")),
)

_PEOPLE = (
    # The integration, with the rights that the connector's page asks for.
    PersonPlan(
        login="tieout",
        name="Tieout",
        password="tieout-secret",  # noqa: S106
        groups=("Accounting", "Sales", "Product Administration"),
    ),
    PersonPlan(
        login="anna",
        name="Anna Redovisning",
        password="anna-secret",  # noqa: S106
        groups=("Accounting", "Accounting Administration", "Party Administration"),
    ),
    PersonPlan(login="gast", name="Gäst utan rättigheter", password="gast-secret", groups=()),  # noqa: S106
)


def nordic(years: Iterable[int]) -> Plan:
    """A Swedish company with the Nordic taxes, six currencies, and a fiscal year per year."""
    return Plan(
        company="Vinter Verkstad AB",
        vat_number="SE556188840401",
        country="SE",
        timezone="Europe/Stockholm",
        currency="SEK",
        countries=(
            ("SE", "Sweden"),
            ("NO", "Norway"),
            ("DK", "Denmark"),
            ("FI", "Finland"),
            ("DE", "Germany"),
            ("GB", "United Kingdom"),
            ("US", "United States"),
        ),
        currencies=_CURRENCIES,
        years=tuple(sorted(set(years))),
        accounts=_ACCOUNTS,
        taxes=_TAXES,
        tax_rules=(
            TaxRulePlan(
                name="Kund i annat EU-land",
                origins=("Moms 25 %", "Moms 12 %", "Moms 6 %"),
                tax="Omvänd skattskyldighet EU",
            ),
        ),
        categories=_CATEGORIES,
        items=_ITEMS,
        terms=(
            TermPlan(
                name="Halva nu, halva om 30 dagar",
                instalments=((Decimal(50), 0), (Decimal(50), 30)),
            ),
        ),
        dimensions=(
            DimensionPlan(name="Kostnadsställe", values=(("100", "Butik"), ("200", "Verkstad"))),
            DimensionPlan(name="Projekt", values=(("P1", "Nordhavn"), ("P2", "Hamnen"))),
        ),
        people=_PEOPLE,
    )
