"""Customers, balances and articles in our form. Pure: payloads and names in, records out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tieout.connectors.visma_eaccounting.names import Names
from tieout.connectors.visma_eaccounting.values import (
    Payload,
    amount_of,
    instant_of,
    number_of,
    rate_of,
    text_of,
)
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
from tieout.core.money import ZERO
from tieout.core.tax import Treatment
from tieout.ports import Selection


def customer(payload: Payload, names: Names, want: Selection | None = None) -> Customer:
    """A customer; its open balance stands in the company's currency."""
    country = text_of(payload, "InvoiceCountryCode").upper()
    private = payload.get("IsPrivatePerson")
    return Customer(
        ref=names.ref("customer", text_of(payload, "Id")),
        version=payload.get("ChangedUtc"),
        changed_at=instant_of(payload, "ChangedUtc"),
        number=text_of(payload, "CustomerNumber"),
        name=text_of(payload, "Name"),
        kind=_party(private),
        identifiers=_identifiers(payload, country),
        addresses=_addresses(payload, country),
        emails=_filled(
            payload,
            invoice="EmailAddress",
            order="EmailAddressOrder",
            quote="EmailAddressQuote",
            contact="ContactPersonEmail",
        ),
        phones=_filled(
            payload,
            general="Telephone",
            mobile="MobilePhone",
            contact="ContactPersonPhone",
            contact_mobile="ContactPersonMobile",
        ),
        contact_name=text_of(payload, "ContactPersonName"),
        language=text_of(payload, "SalesDocumentLanguage"),
        currency=text_of(payload, "CurrencyCode") or names.currency,
        terms=terms_code(payload, names),
        price_list=text_of(payload, "SalesPriceListId"),
        active=payload.get("IsActive") is not False,
        open_balance=number_of(payload, "UnpaidInvoicesAmount"),
        note=text_of(payload, "Note"),
        extra=extra_of(payload, want),
        shape=want.shape if want else "",
    )


def balance(payload: Payload, names: Names, want: Selection | None = None) -> Balance:
    """What the customer owes as its own record says it, in the company's currency."""
    guid = text_of(payload, "Id")
    open_amount = amount_of(payload, "UnpaidInvoicesAmount")
    return Balance(
        ref=names.ref("balance", guid),
        version=str(open_amount),
        customer=names.ref("customer", guid),
        currency=names.currency,
        open=open_amount,
        shape=want.shape if want else "",
    )


def item(payload: Payload, names: Names, want: Selection | None = None) -> Item:
    """An article; its tax class is the account coding, its tax what the coding has accounts for."""
    coding = names.codings.get(text_of(payload, "CodingId"), {})
    service = bool(payload.get("IsServiceArticle"))
    return Item(
        ref=names.ref("item", text_of(payload, "Id")),
        version=payload.get("ChangedUtc"),
        changed_at=instant_of(payload, "ChangedUtc"),
        number=text_of(payload, "Number"),
        name=text_of(payload, "Name"),
        service=service,
        unit=text_of(payload, "UnitAbbreviation") or text_of(payload, "UnitName"),
        tax_class=text_of(coding, "Name") or text_of(payload, "CodingName"),
        tax=item_tax(coding, service=service),
        price=number_of(payload, "NetPrice"),
        cost=number_of(payload, "PurchasePrice"),
        active=payload.get("IsActive") is not False,
        extra=extra_of(payload, want),
        shape=want.shape if want else "",
    )


def item_tax(coding: Payload, *, service: bool) -> tuple[ItemTax, ...]:
    """
    What VAT an article with this coding gets, by situation; one without an account is absent,
    since the books refuse it. Sales under the one-stop shop are absent too: their rate is the
    buyer's country's and not told by the coding.
    """
    rate = coding_rate(coding)
    found: list[ItemTax] = []

    def add(treatment: Treatment, what: Decimal | None, *accounts: str) -> None:
        named = any(coding.get(f"{account}AccountNumber") for account in accounts)
        if named and what is not None:
            found.append(ItemTax(treatment=treatment, rate=what))

    domestic = Treatment.DOMESTIC_ZERO if rate == 0 else Treatment.DOMESTIC_RATE
    eu = Treatment.EU_SERVICE_REVERSE_CHARGE if service else Treatment.EU_GOODS_EXEMPT
    outside = Treatment.SERVICE_OUTSIDE_EU if service else Treatment.EXPORT_GOODS
    add(domestic, rate, "DomesticSalesSubjectToVat")
    add(Treatment.EXEMPT, ZERO, "DomesticSalesVatExempt", "DomesticSalesVatCodeExempt")
    add(
        Treatment.DOMESTIC_REVERSE_CHARGE,
        ZERO,
        "DomesticSalesSubjectToReversedConstructionVat",
    )
    add(eu, ZERO, "ForeignSalesVatExemptWithinEu")
    add(outside, ZERO, "ForeignSalesVatExemptOutsideEu")
    return tuple(found)


def coding_rate(coding: Payload) -> Decimal | None:
    """The rate of a coding as a fraction, None where it does not tell one."""
    found = rate_of(coding, "VatRatePercent")
    if found is not None:
        return found
    text = text_of(coding, "VatRate").replace("%", "").replace(",", ".").strip()
    try:
        value = Decimal(text)
    except ArithmeticError:
        return None
    return value / 100 if value > 1 else value


def terms_code(payload: Payload, names: Names) -> str:
    """The company's own word for the terms, the id where it is not known, '' without terms."""
    guid = text_of(payload, "TermsOfPaymentId")
    return names.terms_code.get(guid, guid)


def unknown_ids(payload: Payload, names: Names) -> bool:
    """Whether the payload names terms or dimensions that ``names`` does not know yet."""
    guid = text_of(payload, "TermsOfPaymentId")
    if guid and guid not in names.terms_code:
        return True
    return any(
        text_of(row, name) and text_of(row, name) not in names.dimension
        for row in payload.get("Rows") or ()
        for name in ("CostCenterItemId1", "CostCenterItemId2", "CostCenterItemId3", "ProjectId")
    )


# Inside.


def _party(private: object) -> PartyKind:
    if private is None:
        return PartyKind.UNKNOWN
    return PartyKind.PERSON if private else PartyKind.COMPANY


def _identifiers(payload: Payload, country: str) -> tuple[Identifier, ...]:
    found = []
    for kind, name in (
        ("company", "CorporateIdentityNumber"),
        ("vat", "VatNumber"),
        ("einvoice", "ElectronicAddress"),
    ):
        raw = text_of(payload, name)
        if raw:
            found.append(Identifier(kind=kind, country=country or None, raw=raw))
    return tuple(found)


def _addresses(payload: Payload, country: str) -> tuple[Address, ...]:
    billing = Address(
        lines=_texts(payload, "InvoiceAddress1", "InvoiceAddress2"),
        postcode=text_of(payload, "InvoicePostalCode"),
        city=text_of(payload, "InvoiceCity"),
        country=country,
    )
    shipping = Address(
        role="shipping",
        name=text_of(payload, "DeliveryCustomerName"),
        lines=_texts(payload, "DeliveryAddress1", "DeliveryAddress2"),
        postcode=text_of(payload, "DeliveryPostalCode"),
        city=text_of(payload, "DeliveryCity"),
        country=text_of(payload, "DeliveryCountryCode").upper(),
    )
    return (billing,) if shipping == Address(role="shipping") else (billing, shipping)


def _texts(payload: Payload, *fields: str) -> tuple[str, ...]:
    return tuple(text for text in (text_of(payload, name) for name in fields) if text)


def _filled(payload: Payload, **fields: str) -> dict[str, str]:
    return {role: text_of(payload, name) for role, name in fields.items() if payload.get(name)}


def extra_of(payload: Payload, want: Selection | None, *, line: bool = False) -> Extra:
    """The vendor's own fields that the configuration asked for, of the record or of a line."""
    if want is None:
        return {}
    found: dict[str, Scalar] = {}
    for path in want.extra:
        is_line = path.startswith("line.")
        if is_line is line:
            found[path] = _at(payload, path.removeprefix("line."))
    return found


def _at(payload: Payload, path: str) -> Scalar:
    value: object = payload
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, (str, bool, int, Decimal)) else None
