"""Customers, balances and items in our form. Pure: payloads and names in, records out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.connectors.visma_net.names import Names, Vat
from tieout.connectors.visma_net.settings import VismaNetSettings
from tieout.connectors.visma_net.stamps import Stamps
from tieout.connectors.visma_net.units import in_sales_unit
from tieout.connectors.visma_net.values import (
    Payload,
    amount_of,
    number_of,
    part_of,
    rows_of,
    text_of,
    texts,
)
from tieout.core.keys import KeyKind, keys_in
from tieout.core.model import (
    Address,
    Balance,
    Customer,
    Extra,
    Identifier,
    Item,
    ItemTax,
    PartyKind,
    Scalar,
)
from tieout.core.tax import Treatment
from tieout.ports import Selection

LINES = ("addressLine1", "addressLine2", "addressLine3")
_SERVICES = ("ServiceItem", "LaborItem", "ChargeItem", "ExpenseItem")
# Nothing may be sold, or no document may be made at all.
_STOPPED = frozenset({"OnHold", "CreditHold"})
SELLABLE = frozenset({"Active", "NoPurchases", "NoRequest"})


class NotReadError(ValueError):
    """The vendor itself says of a record that it could not be read well."""


def customer(
    payload: Payload, names: Names, stamps: Stamps, want: Selection | None = None
) -> Customer:
    """A customer. Raises ValueError for one that the vendor could not read well."""
    require_readable(payload)
    billing, shipping = _addresses(payload)
    status = text_of(payload, "status")
    identifiers = _identifiers(payload, billing.country)
    carried = carrier_of(payload)
    extra = dict(extra_of(payload, want))
    if carried:
        extra["carrier"] = carried
    return Customer(
        ref=names.ref("customer", text_of(payload, "internalId")),
        version=text_of(payload, "timeStamp") or None,
        changed_at=stamps.instant("customer", payload),
        number=text_of(payload, "number"),
        name=text_of(payload, "name"),
        kind=PartyKind.COMPANY if identifiers else PartyKind.UNKNOWN,
        identifiers=identifiers,
        addresses=(billing,) if shipping is None else (billing, shipping),
        emails=_filled(
            general=text_of(payload, "mainContact", "email"),
            invoice=text_of(payload, "invoiceContact", "email"),
        ),
        phones=_filled(
            general=text_of(payload, "mainContact", "phone1"),
            mobile=text_of(payload, "mainContact", "phone2"),
        ),
        contact_name=text_of(payload, "invoiceContact", "attention")
        or text_of(payload, "mainContact", "attention"),
        currency=text_of(payload, "currencyId") or names.currency,
        terms=text_of(payload, "creditTerms", "id"),
        tax_group=text_of(payload, "vatZone", "id"),
        price_list=text_of(payload, "priceClass", "id"),
        credit_limit=_limit(payload),
        credit_stop=status in _STOPPED,
        active=status not in ("Inactive",),
        extra=extra,
        shape=want.shape if want else "",
    )


def carrier_of(payload: Payload) -> str:
    """The attribute values of a customer that have the form of one of our keys."""
    told = " ".join(text_of(row, "value") for row in rows_of(payload, "attributes"))
    return next((key for key in keys_in(told) if key[13] == KeyKind.CUSTOMER), "")


def balance(payload: Payload, names: Names, want: Selection | None = None) -> Balance:
    """What the customer owes as the ledger says it, in the company's currency."""
    found = part_of(payload, "customer")
    internal = text_of(found, "internalId")
    return Balance(
        ref=names.ref("balance", internal),
        version=str(amount_of(payload, "balance")),
        customer=names.ref("customer", internal),
        currency=names.currency,
        open=amount_of(payload, "balance"),
        shape=want.shape if want else "",
    )


def item(
    payload: Payload,
    names: Names,
    stamps: Stamps,
    settings: VismaNetSettings,
    day: date,
    want: Selection | None = None,
) -> Item:
    """
    An item; its tax class is the VAT category, its tax what that category gets in each zone. Items
    that nothing of ours can hold are not active: those closed for sale, and those of stock, which
    stand on sales orders only, where the connection makes none.
    """
    require_readable(payload)
    category = text_of(payload, "vatCode", "id")
    service = text_of(payload, "type") in _SERVICES
    return Item(
        ref=names.ref("item", text_of(payload, "inventoryId")),
        version=text_of(payload, "timestamp") or text_of(payload, "timeStamp") or None,
        changed_at=stamps.instant("inventory", payload),
        number=text_of(payload, "inventoryNumber"),
        name=text_of(payload, "description"),
        service=service,
        unit=text_of(payload, "salesUnit") or text_of(payload, "baseUnit"),
        tax_class=category,
        tax=item_tax(category, names, settings, day, service=service),
        price=in_sales_unit(payload, number_of(payload, "defaultPrice"), settings.price_decimals),
        cost=in_sales_unit(payload, number_of(payload, "currentCost"), settings.price_decimals),
        active=text_of(payload, "status") in SELLABLE
        and (settings.orders or not payload.get("stockItem")),
        extra=extra_of(payload, want),
        shape=want.shape if want else "",
    )


def item_tax(
    category: str, names: Names, settings: VismaNetSettings, day: date, *, service: bool
) -> tuple[ItemTax, ...]:
    """
    What VAT a category gets by situation, as far as the connection names the zone for it. Where
    zone and category have no code in common nothing is told: the books would take no VAT, silently.
    """
    found: list[ItemTax] = []
    zones = zones_of(names, settings)
    domestic = _single(names, zones.domestic, category, day)
    if domestic is not None:
        rate, kind = domestic
        exempt = kind == "ExemptVat"
        treatment = Treatment.DOMESTIC_RATE if rate else Treatment.DOMESTIC_ZERO
        found.append(ItemTax(treatment=treatment, rate=rate))
        if exempt:
            found.append(ItemTax(treatment=Treatment.EXEMPT, rate=rate))
        if kind == "ReverseVat":
            found.append(ItemTax(treatment=Treatment.DOMESTIC_REVERSE_CHARGE, rate=rate))
    abroad = (
        (zones.eu, Treatment.EU_SERVICE_REVERSE_CHARGE, Treatment.EU_GOODS_EXEMPT),
        (zones.abroad, Treatment.SERVICE_OUTSIDE_EU, Treatment.EXPORT_GOODS),
    )
    for zone, of_service, of_goods in abroad:
        told = _single(names, zone, category, day)
        if told is not None:
            found.append(ItemTax(treatment=of_service if service else of_goods, rate=told[0]))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """The VAT zones of customers at home, in the EU, and elsewhere; '' where nobody has said."""

    domestic: str = ""
    eu: str = ""
    abroad: str = ""


def zones_of(names: Names, settings: VismaNetSettings) -> Zones:
    """
    The zones that the connection names. Without a name the zone at home is the only one in which
    VAT is taken, where there is exactly one; the other two have to be named.
    """
    domestic = settings.zone_domestic
    if not domestic:
        taxed = {zone for vat in names.vats.values() if _is_taxed(vat) for zone in vat.zones}
        domestic = taxed.pop() if len(taxed) == 1 else ""
    return Zones(domestic=domestic, eu=settings.zone_eu, abroad=settings.zone_abroad)


def _is_taxed(vat: Vat) -> bool:
    return vat.kind == "Vat" and any(rate for _, rate in vat.steps)


def _single(names: Names, zone: str, category: str, day: date) -> tuple[Decimal, str] | None:
    vats = names.applied(zone, category, day) if zone and category else []
    if len(vats) != 1:
        return None
    rate = vats[0].rate(day)
    return None if rate is None else (rate, vats[0].kind)


def extra_of(payload: Payload, want: Selection | None, *, line: bool = False) -> Extra:
    """The vendor's own fields that the configuration asked for, of the record or of a line."""
    if want is None:
        return {}
    found: dict[str, Scalar] = {}
    for path in want.extra:
        if path.startswith("line.") is line:
            found[path] = _at(payload, path.removeprefix("line."))
    return found


def require_readable(payload: Payload) -> None:
    """Raises `NotReadError` where an answer that looks good says that it is not."""
    told = text_of(payload, "errorInfo")
    if told:
        raise NotReadError(told)


# Inside.


def _identifiers(payload: Payload, country: str) -> tuple[Identifier, ...]:
    found = []
    for kind, name in (("company", "corporateId"), ("vat", "vatRegistrationId")):
        raw = text_of(payload, name)
        if raw:
            found.append(Identifier(kind=kind, country=country or None, raw=raw))
    return tuple(found)


def _addresses(payload: Payload) -> tuple[Address, Address | None]:
    """The address that invoices go to, and that of deliveries where it is another one."""
    main = part_of(payload, "mainAddress")
    billing = _address(part_of(payload, "invoiceAddress") or main, "billing", "")
    delivery = part_of(payload, "deliveryAddress")
    name = text_of(payload, "deliveryContact", "name")
    shipping = _address(delivery, "shipping", "" if name == text_of(payload, "name") else name)
    same = _place(shipping) in (_place(billing), _place(_address(main, "", "")))
    return billing, None if not delivery or same else shipping


def _place(address: Address) -> tuple[object, ...]:
    return (address.lines, address.postcode, address.city, address.country)


def _address(payload: Payload, role: str, name: str) -> Address:
    return Address(
        role=role,
        name=name,
        lines=texts(payload, LINES),
        postcode=text_of(payload, "postalCode"),
        city=text_of(payload, "city"),
        country=text_of(payload, "country", "id").upper(),
    )


def _limit(payload: Payload) -> Decimal | None:
    used = text_of(payload, "creditVerification") in ("CreditLimit", "LimitAndDaysPastDue")
    return number_of(payload, "creditLimit") if used else None


def _filled(**values: str) -> dict[str, str]:
    return {role: value for role, value in values.items() if value}


def _at(payload: Payload, path: str) -> Scalar:
    value: object = payload
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, (str, bool, int, Decimal)) else None
