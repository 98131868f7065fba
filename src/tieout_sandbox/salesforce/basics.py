"""What every org has before anybody works in it: organisation, users, stages, currencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tieout_sandbox.salesforce.ids import make_id
from tieout_sandbox.salesforce.oauth import USERNAME
from tieout_sandbox.salesforce.org import ORG_ID, PROFILE_ID, Org
from tieout_sandbox.salesforce.values import Row, Value, plain, stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One sales stage."""

    name: str
    probability: int
    category: str
    closed: bool = False
    won: bool = False


STANDARD_STAGES = (
    Stage(name="Prospecting", probability=10, category="Pipeline"),
    Stage(name="Qualification", probability=10, category="Pipeline"),
    Stage(name="Needs Analysis", probability=20, category="Pipeline"),
    Stage(name="Value Proposition", probability=50, category="Pipeline"),
    Stage(name="Id. Decision Makers", probability=60, category="Pipeline"),
    Stage(name="Perception Analysis", probability=70, category="Pipeline"),
    Stage(name="Proposal/Price Quote", probability=75, category="BestCase"),
    Stage(name="Negotiation/Review", probability=90, category="Forecast"),
    Stage(name="Closed Won", probability=100, category="Closed", closed=True, won=True),
    Stage(name="Closed Lost", probability=0, category="Omitted", closed=True),
)
_CATEGORY_NAMES = {"BestCase": "Best Case", "Forecast": "Commit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """A currency of the org; `rate` is units per one of the corporate currency."""

    code: str
    rate: Decimal
    places: int = 2
    active: bool = True


_ADMINISTRATOR = make_id("005", 1)


@dataclass(slots=True)
class Loader:
    """Puts many rows in at once, past the platform's rules: what a loader makes must be right."""

    org: Org
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, kind: str, when: datetime, **values: Value) -> Row:
        """A row of that object, made at that moment; it is in the org after `flush`."""
        at = stamp(when)
        row: Row = {
            "Id": values.pop("Id", None) or self.org.new_id(kind),
            "CreatedDate": at,
            "CreatedById": _ADMINISTRATOR,
            "LastModifiedDate": at,
            "LastModifiedById": _ADMINISTRATOR,
            "SystemModstamp": at,
        }
        # What is empty is left out: it reads the same and takes no room.
        row.update((name, value) for name, value in values.items() if value is not None)
        self.rows.setdefault(kind, []).append(row)
        return row

    def flush(self) -> None:
        """Stores what was added."""
        for kind, rows in self.rows.items():
            self.org.tables[kind].fill(rows)
        self.rows.clear()


def furnish(
    org: Org,
    loader: Loader,
    when: datetime,
    *,
    name: str,
    stages: Sequence[Stage],
    currencies: Sequence[Currency],
) -> None:
    """Adds organisation, administrator, integration user, stages, currencies, standard book."""
    loader.add(
        "Organization",
        when,
        Id=ORG_ID,
        Name=name,
        Country="SE",
        DefaultLocaleSidKey="en_US",
        LanguageLocaleKey="en_US",
        TimeZoneSidKey="UTC",
        FiscalYearStartMonth=1,
        UsesStartDateAsFiscalYearName=True,
        OrganizationType="Developer Edition",
        InstanceName="SBX1",
        IsSandbox=True,
        IsReadOnly=False,
    )
    org.numbers["Organization"] = 1
    corporate = currencies[0].code if currencies else None
    add_user(loader, when, "Astrid", "Admin", "admin@tieout-sandbox.example", corporate)
    integration = add_user(loader, when, "Tieout", "Integration", USERNAME, corporate)
    org.user_id = str(integration["Id"])
    rights = loader.add(
        "PermissionSet",
        when,
        Name="Tieout_Integration",
        Label="Tieout Integration",
        IsOwnedByProfile=False,
        PermissionsApiEnabled=True,
        PermissionsViewAllData=False,
        PermissionsModifyAllData=False,
    )
    loader.add(
        "PermissionSetAssignment",
        when,
        AssigneeId=integration["Id"],
        PermissionSetId=rights["Id"],
    )
    for position, stage in enumerate(stages, start=1):
        loader.add(
            "OpportunityStage",
            when,
            MasterLabel=stage.name,
            ApiName=stage.name,
            IsActive=True,
            SortOrder=position,
            IsClosed=stage.closed,
            IsWon=stage.won,
            ForecastCategory=stage.category,
            ForecastCategoryName=_CATEGORY_NAMES.get(stage.category, stage.category),
            DefaultProbability=plain(Decimal(stage.probability)),
        )
    for position, currency in enumerate(currencies):
        loader.add(
            "CurrencyType",
            when,
            IsoCode=currency.code,
            ConversionRate=currency.rate,
            DecimalPlaces=currency.places,
            IsActive=currency.active,
            IsCorporate=position == 0,
        )
    for kind in ("Account", "Opportunity"):
        loader.add(
            "RecordType",
            when,
            Name="Standard",
            DeveloperName="Standard",
            SobjectType=kind,
            IsActive=True,
        )
    loader.add(
        "Pricebook2",
        when,
        Name="Standard Price Book",
        IsActive=True,
        IsArchived=False,
        IsStandard=True,
        Description="The platform's own price book",
    )


def add_user(
    loader: Loader,
    when: datetime,
    first: str,
    last: str,
    username: str,
    currency: str | None,
    *,
    active: bool = True,
    department: str | None = None,
) -> Row:
    """Adds a user; the e-mail is the user name."""
    user = loader.add(
        "User",
        when,
        Username=username,
        FirstName=first,
        LastName=last,
        Name=f"{first} {last}",
        Email=username,
        Alias=(first[:1] + last[:4]).lower(),
        IsActive=active,
        Department=department,
        TimeZoneSidKey="UTC",
        LocaleSidKey="en_US",
        LanguageLocaleKey="en_US",
        UserType="Standard",
        ProfileId=PROFILE_ID,
        FederationIdentifier=username,
    )
    if currency is not None:
        user["DefaultCurrencyIsoCode"] = currency
    return user


def price(
    loader: Loader,
    when: datetime,
    product: Row,
    book: Value,
    amount: Decimal,
    currency: str | None,
    *,
    active: bool = True,
) -> Row:
    """Adds a product's price to a book."""
    entry = loader.add(
        "PricebookEntry",
        when,
        Name=product["Name"],
        ProductCode=product.get("ProductCode"),
        Pricebook2Id=book,
        Product2Id=product["Id"],
        UnitPrice=amount,
        IsActive=active,
        UseStandardPrice=False,
        IsArchived=False,
    )
    if currency is not None:
        entry["CurrencyIsoCode"] = currency
    return entry
