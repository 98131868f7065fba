"""A customer as a party. Pure: a record, the company's words and what was read in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.connectors.tryton import translate
from tieout.connectors.tryton.books import Books
from tieout.connectors.tryton.making import Commands, Made, terms_id
from tieout.connectors.tryton.settings import TrytonSettings
from tieout.connectors.tryton.values import Payload, rows_of, text_of
from tieout.core.change import Wanted
from tieout.core.model import Address, Customer, Identifier


def customer_values(
    wanted: Wanted,
    books: Books,
    settings: TrytonSettings,
    *,
    code: str,
    key: str,
    read: Payload | None,
) -> Made:
    """
    The values of a party: new with ``code``, or what changes of the one that was read. Its
    addresses, numbers and means of contact are changed where they stand, never made anew.
    """
    record = wanted.record
    assert isinstance(record, Customer)
    fields = wanted.fields
    made = Made(shown=dict(read) if read is not None else {"active": True})
    if read is None:
        made.put("code", code)
        if books.has_key:
            made.put("tieout_key", key)
    else:
        made.written("party.party", read)
    if read is None or "name" in fields:
        made.put("name", record.name.strip())
        if not record.name.strip():
            # Tryton itself would take a party without one.
            made.wrong("name_missing", "The customer has no name.", place="name")
    if "active" in fields:
        made.put("active", record.active)
    if "language" in fields:
        _put_language(made, record.language, books)
    if "currency" in fields:
        _put_currency(made, record.currency, books)
    if "tax_group" in fields:
        _put_rule(made, record, books)
    if "terms" in fields or (read is None and settings.default_terms):
        said = record.terms or (settings.default_terms if read is None else "")
        made.put(
            "customer_payment_term", terms_id(made, said, books, record.name) if said else None
        )
    _put_identifiers(made, fields, record, read)
    _put_addresses(made, fields, record, books, read)
    _put_contacts(made, fields, record, read)
    return made


def _put_language(made: Made, said: str, books: Books) -> None:
    """The language where Tryton has it in use; else its own default, not worth refusing for."""
    code = said.replace("-", "_")
    found = books.languages.get(code) or books.languages.get(code[:2].lower())
    known = {number: name for name, number in books.languages.items()}
    made.link("lang", found, code=known.get(found or 0, ""))


def _put_currency(made: Made, said: str, books: Books) -> None:
    currency = books.currency_of(said)
    if currency is None:
        made.wrong(
            "currency_not_allowed",
            f"{said} is no currency in Tryton.",
            hint="Finance adds it there with a rate.",
            place="currency",
        )
        return
    own = currency.id == books.currency.id
    made.link("customer_currency", None if own else currency.id, code=currency.code)


def _put_rule(made: Made, record: Customer, books: Books) -> None:
    said = record.tax_group.casefold()
    found = next((n for n, name in books.rule_names.items() if name.casefold() == said), None)
    if said and found is None:
        made.wrong(
            "value_unmapped",
            f'"{record.tax_group}" of {record.name} is no tax rule in Tryton.',
            hint="Map it to a tax rule of the company.",
            place="tax_group",
        )
    made.put("customer_tax_rule", found)


# --- numbers -------------------------------------------------------------------------------------


def _put_identifiers(
    made: Made, fields: frozenset[str], record: Customer, read: Payload | None
) -> None:
    before = rows_of(read or {}, "identifiers")
    shown = [dict(entry) for entry in before]
    commands: Commands = []
    for kind in ("company", "vat"):
        if "identifiers" not in fields and f"identifiers.{kind}" not in fields:
            continue
        found = record.identifier(kind)
        wanted = _identifier(found, record) if found and (found.normal or found.raw) else None
        there = next((row for row in shown if _is(row, kind)), None)
        if wanted is None:
            if there is not None:
                commands.append(["delete", [there["id"]]])
                shown.remove(there)
        elif there is None:
            commands.append(["create", [wanted]])
            shown.append(dict(wanted))
        elif (there["type"], translate.compact(there["code"])) != (wanted["type"], wanted["code"]):
            commands.append(["write", [there["id"]], wanted])
            there.update(wanted)
    if commands:
        made.values["identifiers"] = commands
    made.shown["identifiers."] = shown


def _identifier(found: Identifier, record: Customer) -> dict[str, Any]:
    code = translate.compact(found.normal or found.raw)
    address = record.address("billing")
    country = (found.country or (address.country if address else "") or "").upper()
    if found.kind == "vat":
        kind = translate.vat_type(country)
        if kind == "eu_vat" and country and not code.startswith(_vat_prefix(country)):
            code = _vat_prefix(country) + code
        return {"type": kind, "code": code}
    kind = translate.COMPANY_TYPES.get(country, "")
    if kind == "dk_vat":
        code = code.removeprefix("DK")
    return {"type": kind or None, "code": code}


def _vat_prefix(country: str) -> str:
    return "EL" if country == "GR" else country


def _is(row: Payload, kind: str) -> bool:
    made = translate.customer({"identifiers.": [row]}, _NOBODY)
    return made.identifier(kind) is not None


_NOBODY = Books(connection="")


# --- addresses -----------------------------------------------------------------------------------


def _put_addresses(
    made: Made, fields: frozenset[str], record: Customer, books: Books, read: Payload | None
) -> None:
    before = [dict(entry) for entry in rows_of(read or {}, "addresses")]
    made.shown["addresses."] = before
    commands: Commands = []
    whole = "addresses" in fields
    billing = record.address("billing")
    if whole or "addresses.billing" in fields or (read is None and "contact_name" in fields):
        there = translate.billing_address({"addresses.": before})
        values = _address(made, billing or Address(), books, role="billing")
        if "contact_name" in fields:
            values["attn"] = record.contact_name or None
        _change(commands, before, there, values, books)
    elif "contact_name" in fields:
        there = translate.billing_address({"addresses.": before})
        values = {"attn": record.contact_name or None}
        if there is None:
            values |= {"invoice": True}
        _change(commands, before, there, values, books)
    shipping = record.address("shipping")
    if "addresses.shipping" in fields or (whole and shipping is not None):
        there = translate.shipping_address({"addresses.": before})
        if shipping is not None:
            values = _address(made, shipping, books, role="shipping")
            _change(commands, before, there, values, books)
    if read is None and not before:
        # An invoice needs an address of its customer, if only an empty one.
        _change(commands, before, None, {"invoice": True}, books)
    if commands:
        made.values["addresses"] = commands


def _address(made: Made, address: Address, books: Books, *, role: str) -> dict[str, Any]:
    country = books.countries.get(address.country.upper()) if address.country else None
    if address.country and country is None:
        made.wrong(
            "value_unmapped",
            f'Tryton has no country "{address.country}".',
            hint="Import the countries there (trytond_import_countries).",
            place=f"addresses.{role}.country",
        )
    lines = [line.strip() for line in address.lines if line.strip()]
    return {
        "street": "\n".join(lines) or None,
        "postal_code": address.postcode or None,
        "city": address.city or None,
        "country": country,
        "party_name": address.name or None,
        "invoice" if role == "billing" else "delivery": True,
    }


def _change(
    commands: Commands,
    shown: list[dict[str, Any]],
    there: Mapping[str, Any] | None,
    values: dict[str, Any],
    books: Books,
) -> None:
    """The command that brings a row to these values, and the row as it will be read."""
    if there is None:
        commands.append(["create", [values]])
        row: dict[str, Any] = {}
        shown.append(row)
    else:
        changed = {name: value for name, value in values.items() if not _same(there, name, value)}
        row = next(entry for entry in shown if entry is there)
        if changed:
            commands.append(["write", [row["id"]], changed])
    row.update(values)
    if "country" in values:
        number = values["country"]
        code = books.country_by_id.get(number or 0, "")
        row["country."] = {"id": number, "code": code} if number else None


def _same(row: Mapping[str, Any], name: str, value: object) -> bool:
    if name == "country":
        told = row.get("country.") or {}
        return (told.get("id") if isinstance(told, Mapping) else None) == value
    return (row.get(name) or None) == (value or None)


# --- means of contact ----------------------------------------------------------------------------


def _put_contacts(
    made: Made, fields: frozenset[str], record: Customer, read: Payload | None
) -> None:
    before = [dict(entry) for entry in rows_of(read or {}, "contact_mechanisms")]
    commands: Commands = []
    for group, values, role_of in (
        ("emails", record.emails, translate.email_role),
        ("phones", record.phones, translate.phone_role),
    ):
        kinds = ("email",) if group == "emails" else ("phone", "mobile")
        standing: dict[str, dict[str, Any]] = {}
        for row in before:
            if row.get("type") in kinds:
                standing.setdefault(role_of(row), row)
        roles = set(values) | set(standing) if group in fields else set()
        roles |= {f.partition(".")[2] for f in fields if f.startswith(f"{group}.")}
        for role in sorted(roles):
            value = values.get(role, "").strip()
            there = standing.get(role)
            if not value and there is not None:
                commands.append(["delete", [there["id"]]])
                before.remove(there)
            elif value and there is None:
                new = _contact(group, role, value)
                commands.append(["create", [new]])
                before.append(dict(new))
            elif value and there is not None and text_of(there, "value") != value:
                commands.append(["write", [there["id"]], {"value": value}])
                there["value"] = value
    if commands:
        made.values["contact_mechanisms"] = commands
    made.shown["contact_mechanisms."] = before


def _contact(group: str, role: str, value: str) -> dict[str, Any]:
    if group == "emails":
        name = role if role in translate.EMAIL_ROLES else None
        return {"type": "email", "value": value, "name": name, "invoice": role == "invoice"}
    mobile = role in ("mobile", "contact_mobile")
    name = "contact" if role.startswith("contact") else None
    return {"type": "mobile" if mobile else "phone", "value": value, "name": name}
