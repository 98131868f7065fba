"""A customer in the vendor's form. Pure: a record, names and what was read in, a body out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tieout.connectors.visma_eaccounting.making import Made, terms_id
from tieout.connectors.visma_eaccounting.names import Names
from tieout.connectors.visma_eaccounting.settings import VismaSettings
from tieout.connectors.visma_eaccounting.values import Payload, cut_at_word
from tieout.core.change import Wanted
from tieout.core.model import Address, Customer, PartyKind

_VAT_NUMBER = re.compile(r"[A-Z]{2}[A-Z0-9]{8,12}")
_READ_ONLY = frozenset(
    {
        "Id",
        "PayToAccountId",
        "TermsOfPayment",
        "LastInvoiceDate",
        "ChangedUtc",
        "MessageThreads",
        "Notes",
        "IsFutureInvoiceDateAllowed",
        "UnpaidInvoicesAmount",
        "RequiresReferenceNumber",
    }
)
_EMAILS = {
    "invoice": ("EmailAddress", 255),
    "order": ("EmailAddressOrder", 255),
    "quote": ("EmailAddressQuote", 255),
    "contact": ("ContactPersonEmail", 255),
}
_PHONES = {
    "general": ("Telephone", 50),
    "mobile": ("MobilePhone", 50),
    "contact": ("ContactPersonPhone", 50),
    "contact_mobile": ("ContactPersonMobile", 50),
}
_IDENTIFIERS = {"company": "CorporateIdentityNumber", "vat": "VatNumber"}


def customer_body(
    wanted: Wanted,
    names: Names,
    settings: VismaSettings,
    *,
    number: str | None,
    read: Payload | None,
) -> Made:
    """
    The body of a customer: over what was read, or new with ``number``. Names and addresses are cut
    at a word, as the vendor's fields are short; numbers and e-mail addresses never are.
    """
    record = wanted.record
    assert isinstance(record, Customer)
    made = Made()
    if read is not None:
        made.body = {k: v for k, v in read.items() if k not in _READ_ONLY}
    else:
        made.body = {"CustomerNumber": number, "IsActive": True, "DiscountPercentage": 0}
        made.body["IsPrivatePerson"] = False
    fields = wanted.fields
    if "name" in fields:
        made.body["Name"] = cut_at_word(record.name, 50)
    if "kind" in fields and record.kind is not PartyKind.UNKNOWN:
        made.body["IsPrivatePerson"] = record.kind is PartyKind.PERSON
    if "active" in fields:
        made.body["IsActive"] = record.active
    if "currency" in fields:
        made.body["CurrencyCode"] = record.currency or names.currency
    if "contact_name" in fields:
        made.body["ContactPersonName"] = cut_at_word(record.contact_name, 100) or None
    if "language" in fields:
        made.put("SalesDocumentLanguage", _language(record.language), 2, "The language")
    if "note" in fields:
        made.put("Note", record.note, 4000, "The note")
    if "price_list" in fields:
        made.body["SalesPriceListId"] = record.price_list or None
    _put_roles(made, fields, "emails", record.emails, _EMAILS)
    _put_roles(made, fields, "phones", record.phones, _PHONES)
    _put_addresses(made, fields, record)
    _put_identifiers(made, fields, record)
    _put_customer_terms(made, fields, record, names, settings, new=read is None)
    _require_customer(made, record)
    return made


def _language(code: str) -> str:
    """The language of a code such as sv_SE or en-GB, in two letters."""
    return code[:2].lower() if code[2:3] in ("_", "-", "") else code


def _put_roles(
    made: Made,
    fields: frozenset[str],
    group: str,
    values: Mapping[str, str],
    places: Mapping[str, tuple[str, int]],
) -> None:
    for role, (name, length) in places.items():
        if group in fields or f"{group}.{role}" in fields:
            value = values.get(role, "")
            if group == "emails" and role == "invoice":
                value = value or values.get("general", "")
            made.put(name, value, length, f"{group}.{role}")


def _put_addresses(made: Made, fields: frozenset[str], record: Customer) -> None:
    whole = "addresses" in fields
    if whole or "addresses.billing" in fields:
        billing = record.address("billing") or Address()
        lines = _two_lines(billing.lines)
        made.body["InvoiceAddress1"], made.body["InvoiceAddress2"] = lines
        made.put("InvoicePostalCode", billing.postcode, 10, "The post code")
        made.body["InvoiceCity"] = cut_at_word(billing.city, 50) or None
        if billing.country:
            made.put("InvoiceCountryCode", billing.country, 2, "The country")
    shipping = record.address("shipping")
    if "addresses.shipping" in fields or (whole and shipping is not None):
        shipping = shipping or Address(role="shipping")
        lines = _two_lines(shipping.lines)
        made.body["DeliveryCustomerName"] = cut_at_word(shipping.name, 100) or None
        made.body["DeliveryAddress1"], made.body["DeliveryAddress2"] = lines
        made.put("DeliveryPostalCode", shipping.postcode, 10, "The delivery post code")
        made.body["DeliveryCity"] = cut_at_word(shipping.city, 50) or None
        made.put("DeliveryCountryCode", shipping.country, 2, "The delivery country")


def _put_identifiers(made: Made, fields: frozenset[str], record: Customer) -> None:
    for kind, name in _IDENTIFIERS.items():
        if "identifiers" not in fields and f"identifiers.{kind}" not in fields:
            continue
        found = record.identifier(kind)
        value = (found.normal or found.raw).strip() if found else ""
        if kind == "vat" and value:
            value = re.sub(r"[\s.-]", "", value).upper()
            if not _VAT_NUMBER.fullmatch(value):
                made.wrong(
                    "number_wrong",
                    f"VAT number {value} of {record.name} has not the form that Visma takes: "
                    "two letters and 8 to 12 characters.",
                    hint="Correct it on the account.",
                    place=name,
                )
            if found and found.country and not made.body.get("InvoiceCountryCode"):
                made.body["InvoiceCountryCode"] = found.country
        made.put(name, value, 20, f"The {kind} number")


def _put_customer_terms(
    made: Made,
    fields: frozenset[str],
    record: Customer,
    names: Names,
    settings: VismaSettings,
    *,
    new: bool,
) -> None:
    said = record.terms if "terms" in fields else ""
    if said:
        made.body["TermsOfPaymentId"] = terms_id(made, said, names, record.name)
    elif new:
        made.body["TermsOfPaymentId"] = (
            terms_id(made, settings.default_terms, names, record.name)
            if settings.default_terms
            else names.company_terms or None
        )
        if not made.body["TermsOfPaymentId"] and not made.findings:
            made.wrong(
                "terms_unmapped",
                f"{record.name} has no payment terms, and the company has none of its own.",
                hint="Map its terms, or set default_terms of the connection.",
                place="terms",
            )


def _require_customer(made: Made, record: Customer) -> None:
    if not made.body.get("Name"):
        made.wrong("name_missing", "The customer has no name.", place="name")
    for name, what in (("InvoicePostalCode", "post code"), ("InvoiceCity", "city")):
        if not made.body.get(name):
            made.wrong(
                "address_incomplete",
                f"{record.name or 'The customer'} has no {what} in its billing address; "
                "Visma takes no customer without one.",
                hint="Fill it on the account.",
                place=f"addresses.billing.{'postcode' if what == 'post code' else 'city'}",
            )


def _two_lines(lines: Sequence[str]) -> tuple[str | None, str | None]:
    kept = [line.strip() for line in lines if line.strip()]
    if len(kept) > 2:
        kept = [kept[0], ", ".join(kept[1:])]
    cut = [cut_at_word(line, 50) for line in kept] + ["", ""]
    return cut[0] or None, cut[1] or None
