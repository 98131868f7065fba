"""Customers, items and balances in our form. Pure: rows and the company's words in, records out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tieout.connectors.tryton.books import Books, tax_codes
from tieout.connectors.tryton.values import (
    Payload,
    id_of,
    ids_of,
    linked,
    number_of,
    rows_of,
    stamp_of,
    text_of,
)
from tieout.core.model import (
    Address,
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

CUSTOMER_FIELDS = (
    "code", "name", "active", "replaced_by", "lang.code", "customer_payment_term",
    "customer_tax_rule", "customer_currency.code", "account_receivable", "receivable",
    "identifiers.type", "identifiers.code", "identifiers.active",
    "addresses.party_name", "addresses.attn", "addresses.street", "addresses.postal_code",
    "addresses.city", "addresses.country.code", "addresses.invoice", "addresses.delivery",
    "contact_mechanisms.type", "contact_mechanisms.value", "contact_mechanisms.name",
    "contact_mechanisms.invoice", "create_date", "last_modified_at", "_timestamp",
)  # fmt: skip
# What a document needs to know of the party that it is for.
PAYER_FIELDS = (
    "name", "active", "account_receivable", "customer_payment_term", "customer_tax_rule",
    "addresses.invoice",
)  # fmt: skip
ITEM_FIELDS = (
    "code", "active", "list_price_used", "last_modified_at", "template.last_modified_at",
    "template.name", "template.active", "template.type", "template.default_uom.symbol",
    "template.default_uom.digits", "template.account_category.name",
    "template.account_category.customer_taxes_used", "template.salable", "template.sale_uom",
    "_timestamp",
)  # fmt: skip

# Identifier types of Tryton by our kind and country, both ways. A Danish company number is the
# Danish VAT number without its country.
COMPANY_TYPES = {"SE": "se_orgnr", "NO": "no_orgnr", "FI": "fi_ytunnus", "DK": "dk_vat"}
_COMPANY_COUNTRIES = {kind: country for country, kind in COMPANY_TYPES.items()}
_OWN_VAT = {"NO": "no_vat", "GB": "gb_vat", "CH": "ch_vat"}
_VAT_COUNTRIES = {kind: country for country, kind in _OWN_VAT.items()}
_PERSONS = ("se_personnummer", "no_fodselsnummer", "fi_hetu", "dk_cpr")
_SEPARATORS = re.compile(r"[\s.\-/]")
EMAIL_ROLES = ("order", "quote", "contact")


def compact(code: str) -> str:
    """A number in the form in which it is compared: no separators, capital letters."""
    return _SEPARATORS.sub("", code).upper()


def vat_type(country: str) -> str:
    """The type of a VAT number: of the union, or of a country outside it."""
    return _OWN_VAT.get(country, "eu_vat")


def customer(row: Payload, books: Books, want: Selection | None = None) -> Customer:
    """A party as a customer; its open balance stands in the company's currency."""
    identifiers = _identifiers(row)
    merged = id_of(row, "replaced_by")
    rule = id_of(row, "customer_tax_rule")
    term = id_of(row, "customer_payment_term")
    billing = billing_address(row)
    addresses = tuple(
        _address(entry, role)
        for entry, role in ((billing, "billing"), (shipping_address(row), "shipping"))
        if entry is not None
    )
    return Customer(
        ref=books.ref("customer", row["id"]) if row.get("id") else None,
        version=text_of(row, "_timestamp") or None,
        changed_at=stamp_of(row, "last_modified_at"),
        number=text_of(row, "code"),
        name=text_of(row, "name"),
        kind=_kind(row, identifiers),
        identifiers=identifiers,
        addresses=addresses,
        emails=_emails(row),
        phones=_phones(row),
        contact_name=text_of(billing, "attn") if billing is not None else "",
        language=text_of(linked(row, "lang"), "code"),
        currency=text_of(linked(row, "customer_currency"), "code") or books.currency.code,
        terms=books.terms_code.get(term, str(term)) if term is not None else "",
        tax_group=books.rule_names.get(rule, str(rule)) if rule is not None else "",
        active=row.get("active") is not False,
        merged_into=books.ref("customer", merged) if merged is not None else None,
        open_balance=number_of(row, "receivable"),
        extra={**extra_of(row, want), **_carried(row)},
        shape=want.shape if want else "",
    )


def _carried(row: Payload) -> dict[str, Any]:
    key = text_of(row, "tieout_key")
    return {"carrier": key} if key else {}


def billing_address(row: Payload) -> Payload | None:
    """The address that invoices go to: the first that says so, else the first one."""
    listed = rows_of(row, "addresses")
    return next((entry for entry in listed if entry.get("invoice")), listed[0] if listed else None)


def shipping_address(row: Payload) -> Payload | None:
    """The address that says that goods go there, where it is another one than the billing one."""
    billing = billing_address(row)
    found = next((entry for entry in rows_of(row, "addresses") if entry.get("delivery")), None)
    return None if found is billing else found


def _address(row: Payload, role: str) -> Address:
    lines = [line.strip() for line in text_of(row, "street").split("\n")]
    return Address(
        role=role,
        name=text_of(row, "party_name"),
        lines=tuple(line for line in lines if line),
        postcode=text_of(row, "postal_code"),
        city=text_of(row, "city"),
        country=text_of(linked(row, "country"), "code"),
    )


def _identifiers(row: Payload) -> tuple[Identifier, ...]:
    found: dict[str, Identifier] = {}
    for entry in rows_of(row, "identifiers"):
        kind = text_of(entry, "type")
        # Some kinds are stored with separators, whatever was sent: 556188-8404.
        code = compact(text_of(entry, "code"))
        if kind in _COMPANY_COUNTRIES:
            made = Identifier(kind="company", country=_COMPANY_COUNTRIES[kind], raw=code)
        elif kind == "eu_vat" or kind in _VAT_COUNTRIES or kind.endswith("_vat"):
            country = _VAT_COUNTRIES.get(kind) or (code[:2] if code[:2].isalpha() else kind[:2])
            made = Identifier(kind="vat", country=country.upper(), raw=code)
        elif not kind:
            made = Identifier(kind="company", country=None, raw=code)
        else:
            continue
        if entry.get("active") is not False:
            found.setdefault(made.kind, made)
    return tuple(found[kind] for kind in ("company", "vat") if kind in found)


def _kind(row: Payload, identifiers: Sequence[Identifier]) -> PartyKind:
    if any(text_of(entry, "type") in _PERSONS for entry in rows_of(row, "identifiers")):
        return PartyKind.PERSON
    return PartyKind.COMPANY if identifiers else PartyKind.UNKNOWN


def _emails(row: Payload) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in rows_of(row, "contact_mechanisms"):
        if entry.get("type") == "email":
            found.setdefault(email_role(entry), text_of(entry, "value"))
    return found


def email_role(row: Payload) -> str:
    """What an e-mail address is for: invoices where it says so, else by its name."""
    if row.get("invoice"):
        return "invoice"
    name = text_of(row, "name").casefold()
    return name if name in EMAIL_ROLES else "general"


def _phones(row: Payload) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in rows_of(row, "contact_mechanisms"):
        if entry.get("type") in ("phone", "mobile"):
            found.setdefault(phone_role(entry), text_of(entry, "value"))
    return found


def phone_role(row: Payload) -> str:
    """What a telephone number is: general, mobile, or of the contact."""
    mobile = row.get("type") == "mobile"
    if text_of(row, "name").casefold() == "contact":
        return "contact_mobile" if mobile else "contact"
    return "mobile" if mobile else "general"


def item(row: Payload, books: Books, want: Selection | None, rules: Mapping[str, str]) -> Item:
    """
    A product. Its taxes are those of its category, and what the tax rules that the settings name
    for a VAT treatment make of them; ``code`` are the ids of the taxes.
    """
    template = linked(row, "template")
    category = linked(template, "account_category")
    taxes = tuple(sorted(ids_of(category, "customer_taxes_used")))
    stamps = [s for s in (stamp_of(row, "last_modified_at"), stamp_of(template, "last_modified_at"))
              if s is not None]  # fmt: skip
    return Item(
        ref=books.ref("item", row["id"]),
        version=max(stamps).isoformat() if stamps else None,
        changed_at=max(stamps) if stamps else None,
        number=text_of(row, "code"),
        name=text_of(template, "name"),
        service=template.get("type") == "service",
        unit=text_of(linked(template, "default_uom"), "symbol"),
        tax_class=text_of(category, "name"),
        tax=item_tax(taxes, books, rules),
        price=number_of(row, "list_price_used"),
        active=item_active(row),
        extra=extra_of(row, want),
        shape=want.shape if want else "",
    )


def item_active(row: Payload) -> bool:
    """Whether a product can be sold: one whose template is not active says itself that it is."""
    return row.get("active") is not False and linked(row, "template").get("active") is not False


def item_tax(taxes: tuple[int, ...], books: Books, rules: Mapping[str, str]) -> tuple[ItemTax, ...]:
    """
    What VAT an item has, by treatment: its own at home, and by each rule that is named. Nothing for
    one without any tax: that nobody has said yet what VAT it has is not that it has none.
    """
    if not taxes:
        return ()
    rate = books.rate_of(taxes)
    home = Treatment.DOMESTIC_RATE if rate else Treatment.DOMESTIC_ZERO
    found = [ItemTax(treatment=home, rate=rate, code=tax_codes(taxes))]
    for treatment, rule in sorted(rules.items()):
        made = books.applied(rule, taxes)
        if made is not None:
            found.append(
                ItemTax(treatment=treatment, rate=books.rate_of(made), code=tax_codes(made) or "0")
            )
    return tuple(found)


def extra_of(row: Payload, want: Selection | None, *, line: bool = False) -> Extra:
    """The vendor's own fields that the configuration asked for, of the record or of a line."""
    if want is None:
        return {}
    found: dict[str, Scalar] = {}
    for path in want.extra:
        if path.startswith("line.") is line:
            found[path] = _at(row, path.removeprefix("line."))
    return found


def extra_fields(want: Selection | None, *, lines: str = "") -> list[str]:
    """The paths to read for what the configuration asked for."""
    if want is None:
        return []
    found = []
    for path in want.extra:
        if not path.startswith("line."):
            found.append(path)
        elif lines:
            found.append(f"{lines}.{path.removeprefix('line.')}")
    return found


def _at(row: Payload, path: str) -> Scalar:
    value: object = row
    parts = path.split(".")
    for place, part in enumerate(parts):
        if not isinstance(value, Mapping):
            return None
        last = place == len(parts) - 1
        value = value.get(part) if last else value.get(f"{part}.")
    if isinstance(value, (str, bool, int, Decimal)) or value is None:
        return value
    return str(value)
