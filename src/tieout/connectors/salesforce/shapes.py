"""Which fields are asked for: what this org has, what the settings name, what a mapping wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.invoices import (
    HEAD_FIELDS,
    HEAD_OF_LINE,
    INVOICE,
    INVOICE_LINE,
    LINE_FIELDS,
    LINES,
)
from tieout.connectors.salesforce.items import ITEM_FIELDS
from tieout.connectors.salesforce.org import OrgObject, unknown_field
from tieout.connectors.salesforce.price_books import PARENTS, entries_where
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.finding import Finding
from tieout.core.model import DealKind, Entity
from tieout.ports import Selection

SYSTEM = ("Id", "SystemModstamp", "IsDeleted")
LINE_MARK = "line."
ROLES = "OpportunityContactRoles"
_COMPOUND = frozenset({"address", "location", "base64", "complexvalue"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    An object of the vendor's behind an entity of ours.

    ``plain`` are fields that any org may have or lack; ``parents`` hold (the field that points,
    paths through it); ``lines`` names the list of children, ``line_object`` its object,
    ``line_parent`` the field by which a line points back, and ``line_where`` which of them count.
    """

    object: str
    entity: Entity
    kind: str = ""
    plain: tuple[str, ...] = ()
    parents: tuple[tuple[str, tuple[str, ...]], ...] = ()
    lines: str = ""
    line_object: str = ""
    line_parent: str = ""
    line_plain: tuple[str, ...] = ()
    line_where: tuple[str, ...] = ()
    roles: bool = False


_OWNER = ("OwnerId", ("Owner.Name",))
_OWNER_MAIL = ("OwnerId", ("Owner.Name", "Owner.Email"))
_RECORD_TYPE = ("RecordTypeId", ("RecordType.DeveloperName",))
_PERSON = ("FirstName", "LastName", "Email", "Phone", "SystemModstamp")
_PRODUCT = (
    "Product2Id",
    ("Product2.ProductCode", "Product2.Name", "Product2.QuantityUnitOfMeasure"),
)
ROLE_COLUMNS = (
    "Id",
    "ContactId",
    "Role",
    "IsPrimary",
    *(f"Contact.{name}" for name in _PERSON),
)

# The ways to parents of which administrators hide fields one by one, and where they lead.
_MAY_HIDE = {"Product2": "Product2", "Contact": "Contact", "BillToContact": "Contact"}

OPPORTUNITY = Source(
    object="Opportunity",
    entity=Entity.DEAL,
    kind=DealKind.OPPORTUNITY.value,
    plain=(
        "Name",
        "AccountId",
        "StageName",
        "CloseDate",
        "IsWon",
        "IsClosed",
        "Amount",
        "Probability",
        "CurrencyIsoCode",
        "LastStageChangeDate",
        "OwnerId",
        "RecordTypeId",
    ),
    parents=(_OWNER_MAIL, _RECORD_TYPE),
    lines="OpportunityLineItems",
    line_object="OpportunityLineItem",
    line_parent="OpportunityId",
    line_plain=(
        "Quantity",
        "UnitPrice",
        "Discount",
        "TotalPrice",
        "ServiceDate",
        "Description",
        "SortOrder",
        "Product2Id",
    ),
    roles=True,
)
ORDER = Source(
    object="Order",
    entity=Entity.DEAL,
    kind=DealKind.ORDER.value,
    plain=(
        "Name",
        "OrderNumber",
        "AccountId",
        "OpportunityId",
        "QuoteId",
        "Status",
        "StatusCode",
        "EffectiveDate",
        "TotalAmount",
        "PoNumber",
        "ActivatedDate",
        "IsReductionOrder",
        "OriginalOrderId",
        "CurrencyIsoCode",
        "BillToContactId",
        "OwnerId",
        "RecordTypeId",
    ),
    parents=(
        _OWNER_MAIL,
        _RECORD_TYPE,
        ("BillToContactId", tuple(f"BillToContact.{name}" for name in _PERSON)),
        ("QuoteId", ("Quote.OpportunityId",)),
    ),
    lines="OrderItems",
    line_object="OrderItem",
    line_parent="OrderId",
    line_plain=(
        "Quantity",
        "UnitPrice",
        "TotalPrice",
        "ServiceDate",
        "Description",
        "OrderItemNumber",
        "Product2Id",
    ),
)
QUOTE = Source(
    object="Quote",
    entity=Entity.DEAL,
    kind=DealKind.QUOTE.value,
    plain=(
        "Name",
        "QuoteNumber",
        "OpportunityId",
        "AccountId",
        "Status",
        "TotalPrice",
        "ShippingHandling",
        "CurrencyIsoCode",
        "ContactId",
        "OwnerId",
        "RecordTypeId",
    ),
    parents=(
        _OWNER_MAIL,
        _RECORD_TYPE,
        ("ContactId", tuple(f"Contact.{name}" for name in _PERSON)),
        ("OpportunityId", ("Opportunity.CloseDate", "Opportunity.AccountId")),
    ),
    lines="QuoteLineItems",
    line_object="QuoteLineItem",
    line_parent="QuoteId",
    line_plain=(
        "Quantity",
        "UnitPrice",
        "Discount",
        "TotalPrice",
        "ServiceDate",
        "Description",
        "SortOrder",
        "LineNumber",
        "Product2Id",
    ),
)
ACCOUNT = Source(
    object="Account",
    entity=Entity.CUSTOMER,
    plain=(
        "Name",
        "ParentId",
        "MasterRecordId",
        *(
            f"{role}{part}"
            for role in ("Billing", "Shipping")
            for part in ("Street", "City", "PostalCode", "Country", "CountryCode")
        ),
        "Phone",
        "CurrencyIsoCode",
        "IsPersonAccount",
        "PersonEmail",
        "OwnerId",
    ),
    parents=(_OWNER,),
)
CONTACT = Source(
    object="Contact",
    entity=Entity.CONTACT,
    plain=(
        "AccountId",
        "FirstName",
        "LastName",
        "Email",
        "Phone",
        "MobilePhone",
        "Title",
        "MasterRecordId",
    ),
)
PRODUCT = Source(
    object="Product2",
    entity=Entity.ITEM,
    plain=("ProductCode", "Name", "IsActive", "QuantityUnitOfMeasure", "Family"),
    # The list price of an item stands in the standard price book.
    lines="PricebookEntries",
    line_object="PricebookEntry",
    line_parent="Product2Id",
    line_plain=("UnitPrice", "IsActive", "CurrencyIsoCode", "Pricebook2Id", "UseStandardPrice"),
    line_where=entries_where(()),
)
DEAL_SOURCES = {source.kind: source for source in (OPPORTUNITY, ORDER, QUOTE)}
OTHER_SOURCES = {source.entity: source for source in (ACCOUNT, CONTACT, PRODUCT)}
ALL_SOURCES = (*DEAL_SOURCES.values(), *OTHER_SOURCES.values())


def invoice_source(settings: SalesforceSettings) -> Source:
    """The package's rows of invoices, under the names that they have in this org."""
    ours = settings.ours
    return Source(
        object=ours(INVOICE),
        entity=Entity.DOCUMENT,
        plain=("CurrencyIsoCode", *(ours(name) for name in HEAD_FIELDS)),
        lines=ours(LINES),
        line_object=ours(INVOICE_LINE),
        line_parent=ours(HEAD_OF_LINE),
        line_plain=tuple(ours(name) for name in LINE_FIELDS),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """
    The columns of one object for one selection; ``extra`` is path as asked → path as spelled.

    ``line_extra`` likewise, asked with ``line.`` before it. ``unknown`` are findings on paths
    left out. ``kinds`` are the price books of items as the configuration calls them.
    """

    source: Source
    columns: tuple[str, ...]
    line_columns: tuple[str, ...] = ()
    role_columns: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    line_extra: tuple[tuple[str, str], ...] = ()
    unknown: tuple[Finding, ...] = ()
    parents_asked: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    digest: str = ""

    def select(self) -> list[str]:
        """All columns with the lists of children."""
        found = list(self.columns)
        source = self.source
        # A deleted child is in the list too where the recycle bin is read.
        live = ("IsDeleted = false",)
        if self.line_columns:
            where = (*live, *source.line_where)
            found.append(f"({soql.select(self.line_columns, source.lines, where=where)})")
        if self.role_columns:
            found.append(f"({soql.select(self.role_columns, ROLES, where=live)})")
        return found


class Shapes:
    """Makes shapes for one org and one set of settings."""

    def __init__(self, api: SalesforceApi, settings: SalesforceSettings) -> None:
        self._api = api
        self._settings = settings

    async def sources(self, want: Selection) -> list[Source]:
        """The objects that a selection means and the org has."""
        if want.entity is Entity.DEAL:
            kinds = [k for k in self._settings.sources if not want.kinds or k in want.kinds]
            chosen = [DEAL_SOURCES[kind] for kind in kinds]
        elif want.entity is Entity.DOCUMENT:
            chosen = [invoice_source(self._settings)]
        else:
            other = OTHER_SOURCES.get(want.entity)
            chosen = [other] if other is not None else []
        return [source for source in chosen if await self._api.object(source.object) is not None]

    async def shape(self, source: Source, want: Selection) -> Shape | None:
        """The columns for an object; None where the org does not have it."""
        head = await self._api.object(source.object)
        if head is None:
            return None
        if source.entity is Entity.ITEM:
            source = replace(source, line_where=entries_where(want.kinds))
        line = await self._api.object(source.line_object) if source.line_object else None
        if source.entity is Entity.ITEM and await self._api.object("Pricebook2") is None:
            # Entries are told apart by their price books: without these none is anybody's price.
            line = None
        unknown: list[Finding] = []
        extra: list[tuple[str, str]] = []
        line_extra: list[tuple[str, str]] = []
        for path in want.extra:
            if path.startswith(LINE_MARK):
                if line is not None:
                    await self._resolve(line, path, line_extra, unknown)
            else:
                await self._resolve(head, path, extra, unknown)
        columns = await self._columns(head, source)
        line_columns = await self._line_columns(line, source) if line is not None else []
        has_roles = source.roles and ROLES in head.children
        return Shape(
            source=source,
            columns=_once([*columns, *(path for _, path in extra)]),
            line_columns=_once([*line_columns, *(path for _, path in line_extra)])
            if line is not None
            else (),
            role_columns=tuple(await self._seen(ROLE_COLUMNS)) if has_roles else (),
            extra=tuple(extra),
            line_extra=tuple(line_extra),
            unknown=tuple(unknown),
            parents_asked=_once([p.partition(".")[0] for _, p in extra if "." in p]),
            kinds=want.kinds,
            digest=want.shape,
        )

    async def _columns(self, head: OrgObject, source: Source) -> list[str]:
        found = head.only(*SYSTEM, *source.plain, *self._named(source))
        for pointer, paths in source.parents:
            if head.has(pointer):
                found += await self._seen(paths)
        return found

    async def _line_columns(self, line: OrgObject, source: Source) -> list[str]:
        found = line.only("Id", *source.line_plain)
        pointer, paths = _PRODUCT
        if source.entity is Entity.DEAL and line.has(pointer):
            found += await self._seen(paths)
        if source.entity is Entity.ITEM and line.has("Pricebook2Id"):
            found.extend(PARENTS)
        return found

    async def _seen(self, paths: Sequence[str]) -> list[str]:
        """
        Those of the paths that the integration user sees: one hidden field of a product or person
        would have the whole query refused, and no deal read. Other parents hide none of theirs.
        """
        found: list[str] = []
        for path in paths:
            relation, _, name = path.rpartition(".")
            target = _MAY_HIDE.get(relation)
            parent = await self._api.object(target) if target else None
            if target is None or (parent is not None and parent.has(name)):
                found.append(path)
        return found

    async def resolve(self, place: OrgObject, path: str) -> str | Finding:
        """A path as the org spells it, or what is wrong with it."""
        here: OrgObject | None = place
        spelled: list[str] = []
        *ways, last = path.split(".")
        for way in ways:
            assert here is not None
            field = here.parents.get(way.lower())
            if field is None or not field.targets:
                return unknown_field(path, here, way)
            target = "User" if "User" in field.targets else field.targets[0]
            spelled.append(field.relation)
            place_before = here
            here = await self._api.object(target)
            if here is None:
                return unknown_field(path, place_before, way)
        assert here is not None
        found = here.field(last)
        if found is None or found.type in _COMPOUND:
            return unknown_field(path, here, last)
        return ".".join([*spelled, found.name])

    async def _resolve(
        self,
        place: OrgObject,
        path: str,
        found: list[tuple[str, str]],
        unknown: list[Finding],
    ) -> None:
        spelled = await self.resolve(place, path.removeprefix(LINE_MARK))
        if isinstance(spelled, Finding):
            unknown.append(replace(spelled, place=path))
        else:
            found.append((path, spelled))

    def _named(self, source: Source) -> list[str]:
        """Fields that the settings name for an object."""
        settings = self._settings
        if source.entity is Entity.DEAL:
            deal = settings.deal
            return [
                deal.number,
                deal.po_number,
                deal.buyer_reference,
                deal.delivered_on,
                deal.discount,
            ]
        if source.entity is Entity.CUSTOMER:
            account = settings.account
            return [
                account.org_number,
                settings.packaged(account.vat_number),
                account.terms,
                account.invoice_email,
                account.number,
                settings.packaged(account.credit_stop),
                account.language,
                account.reference_required,
                account.tax_group,
            ]
        if source.entity is Entity.ITEM:
            return [settings.item.tax_class, *(settings.ours(name) for name in ITEM_FIELDS)]
        return []


def _once(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
