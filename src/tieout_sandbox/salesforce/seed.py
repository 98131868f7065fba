"""A generated org: the CRM of a Nordic professional-services firm, with the dirt of real ones.

Everything follows from the seed, the number of accounts and the clock's origin.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from tieout_sandbox.kit.clock import SandboxClock
from tieout_sandbox.kit.names import slug
from tieout_sandbox.kit.nordic_sales import (
    CATALOGUE,
    HISTORY_DAYS,
    HOME,
    RATES,
    SELLERS,
    Article,
    Company,
    Customer,
    Deal,
    DealLine,
    Person,
    customers,
    price_in,
)
from tieout_sandbox.salesforce.basics import (
    STANDARD_STAGES,
    Currency,
    Loader,
    add_user,
    furnish,
    price,
)
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.sales import apply_stage, derive, settle_prices
from tieout_sandbox.salesforce.schema import Options, country_names
from tieout_sandbox.salesforce.values import Row, plain, stamp

CURRENCIES = (
    *(Currency(code=code, rate=rate) for code, rate in RATES.items()),
    Currency(code="GBP", rate=Decimal("0.076000"), active=False),
)
_OPEN_STAGES = tuple(stage.name for stage in STANDARD_STAGES if not stage.closed)


def generate(clock: SandboxClock, *, seed: int, size: int, package: bool = False) -> Org:
    """An org with so many accounts, about twice as many opportunities, half of them won."""
    org = Org(
        clock,
        Options(
            currencies=tuple(currency.code for currency in CURRENCIES),
            stages=tuple(stage.name for stage in STANDARD_STAGES),
            package=package,
        ),
    )
    _Generator(org, clock.origin).fill(seed, size)
    return org


class _Generator:
    """Makes the rows of one org."""

    def __init__(self, org: Org, origin: datetime) -> None:
        self._org = org
        self._origin = origin
        self._now = origin.replace(microsecond=0)
        self._start = self._now - timedelta(days=HISTORY_DAYS)
        self._load = Loader(org)
        self._owners: list[Row] = []
        self._prices: dict[tuple[str, str], tuple[Row, Row]] = {}

    def fill(self, seed: int, size: int) -> None:
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
        for customer in customers(seed=seed, size=size, origin=self._origin):
            self._customer(customer)
        self._load.flush()

    def _users(self) -> None:
        for position, (first, last) in enumerate(SELLERS):
            username = f"{slug(first)}.{slug(last)}@nordljus.example"
            user = add_user(
                self._load, self._start, first, last, username, HOME, active=position != 7
            )
            if user["IsActive"]:
                self._owners.append(user)

    def _products(self) -> None:
        for article in CATALOGUE:
            product = self._load.add(
                "Product2",
                self._start,
                Name=article.name,
                ProductCode=article.code,
                Family=article.family,
                QuantityUnitOfMeasure=article.unit,
                IsActive=article.active,
                IsArchived=False,
                CurrencyIsoCode=HOME,
            )
            for code in RATES:
                self._prices[article.name, code] = (product, self._price(article, product, code))

    def _price(self, article: Article, product: Row, code: str) -> Row:
        return price(
            self._load,
            self._start,
            product,
            self._org.standard_book(),
            price_in(article, code),
            code,
            active=article.active,
        )

    def _customer(self, customer: Customer) -> None:
        account = self._account(customer.company)
        contact = self._contact(account, customer.person)
        for deal in customer.deals:
            self._opportunity(account, contact, deal)

    def _account(self, company: Company) -> Row:
        return self._load.add(
            "Account",
            company.created,
            Name=company.name,
            Type="Customer - Direct",
            BillingStreet=company.street,
            BillingCity=company.city,
            BillingPostalCode=company.post_code,
            BillingCountry=country_names()[company.country],
            BillingCountryCode=company.country,
            Phone=company.phone,
            Website=company.website,
            Industry=company.industry,
            NumberOfEmployees=company.employees,
            OwnerId=self._owners[company.owner]["Id"],
            CurrencyIsoCode=company.currency,
            Org_Number__c=company.organisation_number,
            Vat_Number__c=company.vat_number,
            Payment_Terms__c=company.terms,
            Buyer_Reference_Required__c=company.municipal,
            Invoice_Email__c=company.invoice_email,
            Credit_Hold__c=company.credit_hold,
        )

    def _contact(self, account: Row, person: Person) -> Row:
        return self._load.add(
            "Contact",
            self._now - timedelta(days=2),
            AccountId=account["Id"],
            FirstName=person.first_name,
            LastName=person.last_name,
            Name=f"{person.first_name} {person.last_name}",
            Email=person.email,
            OwnerId=account["OwnerId"],
            CurrencyIsoCode=account["CurrencyIsoCode"],
        )

    def _opportunity(self, account: Row, contact: Row, deal: Deal) -> None:
        opportunity = self._load.add(
            "Opportunity",
            deal.created,
            AccountId=account["Id"],
            Name=deal.title,
            StageName=_stage(deal),
            CloseDate=deal.close.isoformat(),
            OwnerId=account["OwnerId"],
            Pricebook2Id=self._org.standard_book(),
            CurrencyIsoCode=deal.currency,
            HasOpportunityLineItem=False,
            Po_Number__c=deal.order_number,
            Buyer_Reference__c=contact["Name"] if deal.names_buyer else None,
        )
        opportunity["SystemModstamp"] = opportunity["LastModifiedDate"] = stamp(deal.changed)
        if deal.lines:
            self._lines(opportunity, deal)
        apply_stage(self._org, opportunity)
        derive(opportunity)

    def _lines(self, opportunity: Row, deal: Deal) -> None:
        total, quantity = Decimal("0.00"), Decimal(0)
        for position, each in enumerate(deal.lines, start=1):
            line = self._line(opportunity, each, deal.changed, position)
            assert isinstance(line["TotalPrice"], Decimal)
            assert isinstance(line["Quantity"], Decimal)
            total += line["TotalPrice"]
            quantity += line["Quantity"]
        opportunity["Amount"] = total
        opportunity["TotalOpportunityQuantity"] = plain(quantity)
        opportunity["HasOpportunityLineItem"] = True

    def _line(self, opportunity: Row, sold: DealLine, changed: datetime, position: int) -> Row:
        product, entry = self._prices[sold.article.name, str(opportunity["CurrencyIsoCode"])]
        line = self._load.add(
            "OpportunityLineItem",
            changed,
            OpportunityId=opportunity["Id"],
            PricebookEntryId=entry["Id"],
            Product2Id=product["Id"],
            ProductCode=product.get("ProductCode"),
            Name=f"{opportunity['Name']} {product['Name']}"[:376],
            CurrencyIsoCode=opportunity["CurrencyIsoCode"],
            Quantity=plain(sold.quantity),
            UnitPrice=sold.price,
            ListPrice=entry["UnitPrice"],
            Discount=sold.discount,
            ServiceDate=str(opportunity["CloseDate"]) if sold.dated else None,
            SortOrder=position,
        )
        settle_prices(line, None, {})
        return line


def _stage(deal: Deal) -> str:
    if deal.won is None:
        return _OPEN_STAGES[deal.step]
    return "Closed Won" if deal.won else "Closed Lost"
