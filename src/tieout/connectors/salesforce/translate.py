"""Rows of Salesforce into our records. Pure: the same row gives the same record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tieout.connectors.salesforce.cells import (
    Row,
    RowError,
    as_written,
    children_of,
    date_of,
    moment_of,
    number_of,
    text_of,
    value_at,
)
from tieout.connectors.salesforce.countries import country_code
from tieout.connectors.salesforce.ids import id18, is_id
from tieout.connectors.salesforce.invoices import invoice
from tieout.connectors.salesforce.items import COST, PRICES, list_price, unit_of
from tieout.connectors.salesforce.price_books import listed_prices
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.shapes import ROLES, Shape
from tieout.core.model import (
    Address,
    Contact,
    Customer,
    Deal,
    DealKind,
    DealState,
    Entity,
    ExternalRef,
    Extra,
    Identifier,
    Item,
    ItemRef,
    Line,
    LineKind,
    PartyKind,
    Record,
    Scalar,
)
from tieout.ports import Gone

_HUNDRED = Decimal(100)
_ORDER_STATES = {
    "Draft": DealState.OPEN,
    "Activated": DealState.WON,
    "Canceled": DealState.LOST,
    "Expired": DealState.LOST,
    "Superseded": DealState.LOST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Translator:
    """
    Knows the connection's name, the org's address, its currency, and the settings;
    ``price_currency`` is that of list prices ('' where the org has but one currency).
    """

    connection: str
    settings: SalesforceSettings
    base_url: str
    currency: str
    price_currency: str = ""

    def record(self, row: Row, shape: Shape) -> Record:
        """The record of a row. Raises `RowError` where it has no meaning for us."""
        match shape.source.entity:
            case Entity.DEAL:
                return self._deal(row, shape)
            case Entity.CUSTOMER:
                return self._customer(row, shape)
            case Entity.CONTACT:
                return self._contact_row(row, shape)
            case Entity.DOCUMENT:
                return invoice(self.connection, self.settings, row, shape.digest)
            case _:
                return self._item(row, shape)

    def gone(self, row: Row, entity: Entity) -> Gone:
        """What the recycle bin tells about a deleted row."""
        master = row.get("MasterRecordId")
        return Gone(
            ref=self._ref(entity, row["Id"]),
            certain=True,
            merged_into=self._ref(entity, master) if master else None,
            at=moment_of(row, "SystemModstamp"),
        )

    # Deals.

    def _deal(self, row: Row, shape: Shape) -> Deal:
        kind = DealKind(shape.source.kind)
        settings = self.settings.deal
        lines = self._lines(row, shape)
        freight = number_of(row, "ShippingHandling") if kind is DealKind.QUOTE else None
        if freight:
            lines = (*lines, _freight(freight, len(lines) + 1))
        record_id = id18(row["Id"])
        discount = (number_of(row, settings.discount) if settings.discount else None) or Decimal(0)
        stated = _stated_total(row, kind, freight)
        return Deal(
            ref=self._ref(Entity.DEAL, record_id),
            version=text_of(row, "SystemModstamp") or None,
            changed_at=moment_of(row, "SystemModstamp"),
            came_from=self._origins(row, kind),
            kind=kind,
            source_id=_root(row, kind),
            number=text_of(row, settings.number)
            or text_of(row, "OrderNumber")
            or text_of(row, "QuoteNumber"),
            title=text_of(row, "Name"),
            url=f"{self.base_url}/{record_id}",
            customer=self._ref_at(row, "AccountId", Entity.CUSTOMER)
            or self._ref_at(row, "Opportunity.AccountId", Entity.CUSTOMER),
            billing_contact=self._billing_contact(row, kind),
            state=self._state(row, kind),
            stage=text_of(row, "StageName") or text_of(row, "Status"),
            close_date=_first_date(row, "CloseDate", "EffectiveDate", "Opportunity.CloseDate"),
            won_at=self._won_at(row, kind),
            delivered_on=date_of(row, settings.delivered_on),
            currency=text_of(row, "CurrencyIsoCode") or self.currency,
            lines=lines,
            discount=discount,
            stated_total=stated - discount if stated is not None and lines else stated,
            po_number=text_of(row, settings.po_number) or text_of(row, "PoNumber"),
            buyer_reference=text_of(row, settings.buyer_reference),
            owner=text_of(row, "Owner.Name"),
            owner_email=text_of(row, "Owner.Email"),
            probability=_fraction(number_of(row, "Probability")),
            record_type=text_of(row, "RecordType.DeveloperName"),
            extra=extra_of(row, shape.extra),
            shape=shape.digest,
        )

    def _origins(self, row: Row, kind: DealKind) -> tuple[ExternalRef, ...]:
        if kind is DealKind.OPPORTUNITY:
            return ()
        paths = ["OpportunityId", "QuoteId", "OriginalOrderId"]
        found = (self._ref_at(row, path, Entity.DEAL) for path in paths)
        return tuple(ref for ref in found if ref is not None)

    def _state(self, row: Row, kind: DealKind) -> DealState:
        if kind is DealKind.OPPORTUNITY:
            # Never the stage: stages are renamed and translated.
            if value_at(row, "IsWon"):
                return DealState.WON
            return DealState.LOST if value_at(row, "IsClosed") else DealState.OPEN
        if kind is DealKind.ORDER:
            code = text_of(row, "StatusCode")
            if code not in _ORDER_STATES:
                raise RowError(f"The status category {code!r} of an order is not known.")
            return _ORDER_STATES[code]
        status = text_of(row, "Status")
        if status in self.settings.quote_won:
            return DealState.WON
        return DealState.LOST if status in self.settings.quote_lost else DealState.OPEN

    def _won_at(self, row: Row, kind: DealKind) -> datetime | None:
        if self._state(row, kind) is not DealState.WON:
            return None
        return moment_of(row, "LastStageChangeDate") or moment_of(row, "ActivatedDate")

    def _lines(self, row: Row, shape: Shape) -> tuple[Line, ...]:
        children = children_of(row, shape.source.lines)
        ordered = sorted(children, key=_line_order)
        return tuple(self._line(child, at, shape) for at, child in enumerate(ordered, start=1))

    def _line(self, row: Row, position: int, shape: Shape) -> Line:
        product = value_at(row, "Product2Id")
        item = ItemRef(
            number=text_of(row, "Product2.ProductCode"),
            name=text_of(row, "Product2.Name"),
            ref=self._ref(Entity.ITEM, product) if product else None,
        )
        price = number_of(row, "UnitPrice")
        quantity = number_of(row, "Quantity")
        return Line(
            ref=ExternalRef(self.connection, "line", id18(row["Id"])),
            position=position,
            kind=LineKind.ITEM,
            item=item if product else None,
            text=text_of(row, "Description"),
            quantity=quantity if quantity is not None else Decimal(1),
            unit=text_of(row, "Product2.QuantityUnitOfMeasure"),
            unit_price=price if price is not None else Decimal(0),
            discount=_fraction(number_of(row, "Discount")) or Decimal(0),
            stated_net=number_of(row, "TotalPrice"),
            delivered_on=date_of(row, "ServiceDate"),
            extra=extra_of(row, shape.line_extra),
        )

    def _billing_contact(self, row: Row, kind: DealKind) -> Contact | None:
        if kind is DealKind.ORDER:
            return self._person(row, "BillToContactId", "BillToContact", ("billing",))
        if kind is DealKind.QUOTE:
            return self._person(row, "ContactId", "Contact", ())
        chosen = self._billing_role(children_of(row, ROLES))
        if chosen is None:
            return None
        role, roles = chosen
        return self._person(role, "ContactId", "Contact", roles)

    def _billing_role(self, roles: Sequence[Row]) -> tuple[Row, tuple[str, ...]] | None:
        wanted = [name.casefold() for name in self.settings.billing_roles]
        ordered = sorted(roles, key=lambda role: str(role.get("Id")))
        for name in wanted:
            for role in ordered:
                if text_of(role, "Role").casefold() == name:
                    return role, ("billing",)
        for role in ordered:
            if role.get("IsPrimary"):
                return role, ("primary",)
        return None

    def _person(
        self, row: Row, pointer: str, relation: str, roles: tuple[str, ...]
    ) -> Contact | None:
        record_id = value_at(row, pointer)
        if not record_id:
            return None
        stamp = text_of(row, f"{relation}.SystemModstamp")
        return Contact(
            ref=self._ref(Entity.CONTACT, record_id),
            version=stamp or None,
            given=text_of(row, f"{relation}.FirstName"),
            family=text_of(row, f"{relation}.LastName"),
            email=text_of(row, f"{relation}.Email"),
            phone=text_of(row, f"{relation}.Phone"),
            roles=roles,
        )

    # Master data.

    def _customer(self, row: Row, shape: Shape) -> Customer:
        names = self.settings.account
        return Customer(
            ref=self._ref(Entity.CUSTOMER, row["Id"]),
            version=text_of(row, "SystemModstamp") or None,
            changed_at=moment_of(row, "SystemModstamp"),
            kind=PartyKind.PERSON if row.get("IsPersonAccount") else PartyKind.COMPANY,
            currency=text_of(row, "CurrencyIsoCode") or self.currency,
            parent=self._ref_at(row, "ParentId", Entity.CUSTOMER),
            owner=text_of(row, "Owner.Name"),
            merged_into=self._ref_at(row, "MasterRecordId", Entity.CUSTOMER),
            extra=_with_flag(row, names.reference_required, extra_of(row, shape.extra)),
            shape=shape.digest,
            **_told_customer(row, self.settings),
        )

    def _contact_row(self, row: Row, shape: Shape) -> Contact:
        return Contact(
            ref=self._ref(Entity.CONTACT, row["Id"]),
            version=text_of(row, "SystemModstamp") or None,
            changed_at=moment_of(row, "SystemModstamp"),
            customer=self._ref_at(row, "AccountId", Entity.CUSTOMER),
            given=text_of(row, "FirstName"),
            family=text_of(row, "LastName"),
            email=text_of(row, "Email"),
            phone=text_of(row, "Phone"),
            mobile=text_of(row, "MobilePhone"),
            title=text_of(row, "Title"),
            extra=extra_of(row, shape.extra),
            shape=shape.digest,
        )

    def _item(self, row: Row, shape: Shape) -> Item:
        names = self.settings.item
        return Item(
            ref=self._ref(Entity.ITEM, row["Id"]),
            version=text_of(row, "SystemModstamp") or None,
            changed_at=moment_of(row, "SystemModstamp"),
            number=text_of(row, "ProductCode"),
            name=text_of(row, "Name"),
            service=text_of(row, "Family") in names.service_families,
            unit=unit_of(row, self.settings),
            tax_class=text_of(row, names.tax_class),
            price=list_price(row, self.price_currency),
            cost=number_of(row, self.settings.ours(COST)),
            prices=listed_prices(children_of(row, PRICES), shape.kinds, self.currency),
            active=bool(row.get("IsActive")),
            extra=extra_of(row, shape.extra),
            shape=shape.digest,
        )

    # Refs.

    def _ref(self, entity: Entity, record_id: Any) -> ExternalRef:
        return ExternalRef(self.connection, entity.value, id18(str(record_id)))

    def _ref_at(self, row: Row, path: str, entity: Entity) -> ExternalRef | None:
        value = value_at(row, path)
        return self._ref(entity, value) if isinstance(value, str) and is_id(value) else None


def extra_of(row: Row, paths: Iterable[tuple[str, str]]) -> Extra:
    """The values that a mapping asked for, under the paths as it wrote them."""
    return {asked: _scalar(value_at(row, spelled)) for asked, spelled in paths}


def _with_flag(row: Row, name: str, extra: Extra) -> Extra:
    """``reference_required`` beside the rest, where the org says that a buyer wants one."""
    if not name or value_at(row, name) is not True:
        return extra
    return {**extra, "reference_required": True}


def _scalar(value: Any) -> Scalar:
    if isinstance(value, Decimal):
        return as_written(value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise RowError(f"A field holds {type(value).__name__}, which is no single value.")


def _fraction(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent / _HUNDRED


def _first_date(row: Row, *paths: str) -> date | None:
    return next((found for path in paths if (found := date_of(row, path))), None)


def _line_order(row: Row) -> tuple[int, str, str]:
    place = row.get("SortOrder")
    number = str(row.get("OrderItemNumber") or row.get("LineNumber") or "")
    # Rows without a place come after those that have one.
    return (place if isinstance(place, int) else 1 << 30, number, str(row.get("Id")))


def _freight(amount: Decimal, position: int) -> Line:
    return Line(
        position=position,
        kind=LineKind.CHARGE,
        text="Shipping and handling",
        unit_price=amount,
        stated_net=amount,
    )


def _stated_total(row: Row, kind: DealKind, freight: Decimal | None) -> Decimal | None:
    if kind is DealKind.OPPORTUNITY:
        return number_of(row, "Amount")
    if kind is DealKind.ORDER:
        return number_of(row, "TotalAmount")
    # Not the grand total: that one holds tax.
    total = number_of(row, "TotalPrice")
    return total if total is None or not freight else total + freight


def _root(row: Row, kind: DealKind) -> str:
    own = id18(row["Id"])
    if kind is DealKind.OPPORTUNITY or row.get("IsReductionOrder"):
        # A reduction order takes back: it must not pass for the order that it reduces.
        return own
    root = value_at(row, "OpportunityId") or value_at(row, "Quote.OpportunityId")
    return id18(root) if root else own


def _address(row: Row, prefix: str, role: str) -> Address | None:
    street = text_of(row, f"{prefix}Street").replace("\r\n", "\n")
    city = text_of(row, f"{prefix}City")
    postcode = text_of(row, f"{prefix}PostalCode")
    code = text_of(row, f"{prefix}CountryCode").upper()
    country = code or country_code(text_of(row, f"{prefix}Country"))
    if not (street or city or postcode or country):
        return None
    return Address(
        role=role,
        lines=tuple(part.strip() for part in street.split("\n") if part.strip()),
        postcode=postcode,
        city=city,
        country=country,
    )


def customer_with(
    read: Customer, values: Mapping[str, Any], settings: SalesforceSettings
) -> Customer:
    """A customer as its row shows it with these values in its fields; other fields stay."""
    names = settings.account
    row: dict[str, Any] = {
        "Name": read.name,
        "Phone": read.phones.get("general"),
        "PersonEmail": read.emails.get("general"),
    }
    named = {
        names.number: read.number,
        names.terms: read.terms,
        names.tax_group: read.tax_group,
        names.language: read.language,
        names.invoice_email: read.emails.get("invoice"),
        names.org_number: _raw(read, "company"),
        settings.packaged(names.vat_number): _raw(read, "vat"),
        settings.packaged(names.credit_stop): read.credit_stop,
    }
    row |= {field: value for field, value in named.items() if field}
    for prefix, role in _ROLES:
        address = read.address(role)
        if address is not None:
            row |= {
                f"{prefix}Street": "\n".join(address.lines),
                f"{prefix}City": address.city,
                f"{prefix}PostalCode": address.postcode,
            }
            # A name that is set anew tells the country where there is no code.
            part = "Country" if f"{prefix}Country" in values else "CountryCode"
            row[f"{prefix}{part}"] = address.country
    row |= values
    told = _told_customer(row, settings)
    if [(one.kind, one.raw) for one in told["identifiers"]] == [
        (one.kind, one.raw) for one in read.identifiers
    ]:
        told["identifiers"] = read.identifiers
    return replace(read, **told)


_ROLES = (("Billing", "billing"), ("Shipping", "shipping"))


def _raw(customer: Customer, kind: str) -> str | None:
    found = customer.identifier(kind)
    return found.raw if found is not None else None


def _told_customer(row: Row, settings: SalesforceSettings) -> dict[str, Any]:
    """What a row says of a customer in fields that can be written."""
    names = settings.account
    addresses = [_address(row, prefix, role) for prefix, role in _ROLES]
    country = addresses[0].country if addresses[0] else ""
    emails = {
        "invoice": text_of(row, names.invoice_email),
        "general": text_of(row, "PersonEmail"),
    }
    phone = text_of(row, "Phone")
    vat = settings.packaged(names.vat_number)
    return {
        "number": text_of(row, names.number),
        "name": text_of(row, "Name"),
        "identifiers": tuple(
            Identifier(kind=kind, country=country or None, raw=text_of(row, field))
            for kind, field in (("company", names.org_number), ("vat", vat))
            if text_of(row, field)
        ),
        "addresses": tuple(found for found in addresses if found is not None),
        "emails": {role: address for role, address in emails.items() if address},
        "phones": {"general": phone} if phone else {},
        "language": text_of(row, names.language),
        "terms": text_of(row, names.terms),
        "tax_group": text_of(row, names.tax_group),
        "credit_stop": bool(value_at(row, settings.packaged(names.credit_stop))),
    }
