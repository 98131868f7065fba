"""A customer in the vendor's form. Pure: a record, names and what was read in, a body out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tieout.connectors.visma_net.making import Made, carried, terms_id
from tieout.connectors.visma_net.names import Names
from tieout.connectors.visma_net.settings import VismaNetSettings
from tieout.connectors.visma_net.translate import LINES, zones_of
from tieout.connectors.visma_net.values import Payload, cut_at_word, part_of, text_of, wrapped
from tieout.core.change import Wanted
from tieout.core.model import Address, Customer

NAME_LENGTH = 60
_EU = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
     "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"}
)  # fmt: skip
_CONTACT_FIELDS = frozenset({"emails", "emails.invoice", "emails.general", "phones",
                             "phones.general", "phones.mobile", "contact_name"})  # fmt: skip


def customer_body(
    wanted: Wanted,
    names: Names,
    settings: VismaNetSettings,
    *,
    key: str,
    number: str | None,
    read: Payload | None,
) -> Made:
    """
    What is sent of a customer: all of a new one, of another one the named fields alone. Names and
    addresses are cut at a word; numbers and e-mail addresses never are.
    """
    record = wanted.record
    assert isinstance(record, Customer)
    made = Made(shown=dict(read or {}))
    new = read is None
    if new:
        _begin(made, record, names, settings, key, number)
    fields = wanted.fields
    if new or "name" in fields:
        made.set("name", cut_at_word(record.name, NAME_LENGTH))
        if not record.name.strip():
            made.wrong("name_missing", "The customer has no name.", place="name")
    if "active" in fields and not (new and record.active):
        status = text_of(made.shown, "status")
        if record.active is (status == "Inactive"):
            made.set("status", "Active" if record.active else "Inactive")
    if "currency" in fields and record.currency:
        made.set("currencyId", record.currency)
    if "price_list" in fields and record.price_list:
        made.set("priceClassId", record.price_list)
        made.shown["priceClass"] = {"id": record.price_list}
    if "credit_limit" in fields and record.credit_limit is not None:
        made.set("creditLimit", record.credit_limit)
        made.set("creditVerification", "CreditLimit")
    if "note" in fields:
        made.text("note", record.note, length=4000, what="The note", new=new)
        made.shown.pop("note", None)
    _identifiers(made, fields, record, new=new)
    _addresses(made, fields, record, names, new=new)
    _contacts(made, fields, record, new=new)
    _terms(made, fields, record, names, settings, new=new)
    _zone(made, fields, record, names, settings, new=new)
    return made


def _begin(
    made: Made,
    record: Customer,
    names: Names,
    settings: VismaNetSettings,
    key: str,
    number: str | None,
) -> None:
    if number:
        made.set("number", number)
        made.body["overrideNumberSeries"] = {"value": True}
    # Values of the class for all that is not sent; on a change it would wipe what people set.
    made.body["overrideWithClassValues"] = True
    if settings.customer_class:
        made.body["customerClassId"] = {"value": settings.customer_class}
    made.shown |= {"status": "Active", "currencyId": record.currency or names.currency}
    if settings.customer_attribute:
        line = wrapped(attributeId=settings.customer_attribute, attributeValue=carried(key))
        made.body["attributeLines"] = [line]
        made.shown["attributes"] = [{"id": settings.customer_attribute, "value": carried(key)}]


def _identifiers(made: Made, fields: frozenset[str], record: Customer, *, new: bool) -> None:
    for kind, name in (("company", "corporateId"), ("vat", "vatRegistrationId")):
        if "identifiers" not in fields and f"identifiers.{kind}" not in fields:
            continue
        found = record.identifier(kind)
        value = (found.normal or found.raw).strip() if found else ""
        if kind == "vat":
            value = re.sub(r"[\s.-]", "", value).upper()
        made.text(name, value, length=50, what=f"The {kind} number", new=new)


def _addresses(
    made: Made, fields: frozenset[str], record: Customer, names: Names, *, new: bool
) -> None:
    whole = "addresses" in fields
    if new or whole or "addresses.billing" in fields:
        billing = record.address("billing") or Address()
        vat = record.identifier("vat")
        country = billing.country or (vat.country if vat and vat.country else "") or names.country
        before = part_of(made.shown, "invoiceAddress")
        own = bool(before) and _place(before) != _place(part_of(made.shown, "mainAddress"))
        sent = _address(made, billing, country, new=new)
        name = "invoiceAddress" if own else "mainAddress"
        made.body[name] = {"value": wrapped(**sent)}
        _show_address(made, name, sent)
        if not own:
            # An invoice address that nobody set is the main one.
            made.shown["invoiceAddress"] = made.shown["mainAddress"]
    shipping = record.address("shipping")
    if "addresses.shipping" in fields or (whole and shipping is not None):
        if shipping is None and new:
            return
        shipping = shipping or record.address("billing") or Address()
        sent = _address(made, shipping, shipping.country or names.country, new=new)
        made.body["deliveryAddress"] = {"value": wrapped(**sent)}
        _show_address(made, "deliveryAddress", sent)
        if shipping.name:
            made.body["deliveryContact"] = {"value": wrapped(name=shipping.name[:255])}
            made.shown["deliveryContact"] = {"name": shipping.name[:255]}


def _address(made: Made, address: Address, country: str, *, new: bool) -> dict[str, str]:
    lines = _three_lines(address.lines)
    if len(address.postcode) > 20:
        made.wrong("text_too_long", "The post code has more than 20 characters.", place="addresses")
    found = dict(zip(LINES, lines, strict=True))
    found["postalCode"], found["city"] = address.postcode, cut_at_word(address.city, 50)
    if new:
        found = {name: value for name, value in found.items() if value}
    return {**found, "countryId": country}


def _show_address(made: Made, name: str, sent: Mapping[str, str]) -> None:
    shown = {key: value for key, value in sent.items() if key != "countryId"}
    shown = {**part_of(made.shown, name), **shown}
    made.shown[name] = {**shown, "country": {"id": sent["countryId"]}}


def _three_lines(given: tuple[str, ...]) -> tuple[str, str, str]:
    kept = [line.strip() for line in given if line.strip()]
    if len(kept) > 3:
        kept = [*kept[:2], ", ".join(kept[2:])]
    cut = [cut_at_word(line, 50) for line in kept] + ["", "", ""]
    return cut[0], cut[1], cut[2]


def _place(address: Payload) -> tuple[str, ...]:
    names = (*LINES, "postalCode", "city")
    return (*(text_of(address, name) for name in names), text_of(address, "country", "id"))


def _contacts(made: Made, fields: frozenset[str], record: Customer, *, new: bool) -> None:
    if not new and not fields & _CONTACT_FIELDS:
        return
    main: dict[str, Any] = {}
    invoice: dict[str, Any] = {}
    emails, phones = record.emails, record.phones
    if new:
        main["name"] = invoice["name"] = cut_at_word(record.name, 255)
    if {"emails", "emails.general"} & fields:
        main["email"] = emails.get("general") or emails.get("invoice", "")
    if {"emails", "emails.invoice"} & fields:
        invoice["email"] = emails.get("invoice") or emails.get("general", "")
        if new:
            main.setdefault("email", invoice["email"])
    for role, name in (("general", "phone1"), ("mobile", "phone2")):
        if {"phones", f"phones.{role}"} & fields:
            main[name] = phones.get(role, "")
            if len(main[name]) > 50:
                made.wrong("text_too_long", f"The phone number {main[name]} is too long.",
                           place=f"phones.{role}")  # fmt: skip
    if "contact_name" in fields:
        main["attention"] = invoice["attention"] = cut_at_word(record.contact_name, 255)
    for name, values in (("mainContact", main), ("invoiceContact", invoice)):
        kept = {key: value for key, value in values.items() if value or not new}
        if kept:
            made.body[name] = {"value": wrapped(**kept)}
            made.shown[name] = {**part_of(made.shown, name), **kept}


def _terms(
    made: Made,
    fields: frozenset[str],
    record: Customer,
    names: Names,
    settings: VismaNetSettings,
    *,
    new: bool,
) -> None:
    said = record.terms if "terms" in fields else ""
    if not said and new:
        said = settings.default_terms
    if said:
        found = terms_id(made, said, names, record.name)
        made.set("creditTermsId", found)
        made.shown["creditTerms"] = {"id": found}


def _zone(
    made: Made,
    fields: frozenset[str],
    record: Customer,
    names: Names,
    settings: VismaNetSettings,
    *,
    new: bool,
) -> None:
    """The VAT zone: the mapped one, else for a new customer the one of its country."""
    zone = record.tax_group if "tax_group" in fields else ""
    if not zone and new:
        zones = zones_of(names, settings)
        country = text_of(made.shown, "mainAddress", "country", "id")
        abroad = zones.eu if country in _EU else zones.abroad
        zone = zones.domestic if country == names.country else abroad
    if zone and zone not in names.vat_zones:
        made.wrong(
            "tax_unresolved",
            f"VAT zone {zone} does not exist in Visma.net.",
            hint="Correct the mapping, or zone_domestic, zone_eu and zone_abroad.",
            place="tax_group",
        )
    elif zone:
        made.set("vatZoneId", zone)
        made.shown["vatZone"] = {"id": zone}
