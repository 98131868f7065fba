"""Our changes in the vendor's form. Pure: records, names and what was read in, bodies out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tieout.connectors.visma_eaccounting.names import PROJECT, Names
from tieout.connectors.visma_eaccounting.settings import VismaSettings
from tieout.connectors.visma_eaccounting.translate import draft, line_content
from tieout.connectors.visma_eaccounting.values import Payload, cut_at_word, rate_of, text_of
from tieout.core.change import Wanted
from tieout.core.finding import Finding
from tieout.core.model import Address, Customer, Document, Line, LineKind, PartyKind

_VAT_NUMBER = re.compile(r"[A-Z]{2}[A-Z0-9]{8,12}")
_CUSTOMER_READ_ONLY = frozenset(
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
_DRAFT_READ_ONLY = frozenset(
    {
        "Id",
        "CreatedUtc",
        "InvoiceCustomerName",
        "InvoicePostalCode",
        "InvoiceCity",
        "InvoiceCountryCode",
        "InvoiceCurrencyCode",
        "CustomerIsPrivatePerson",
        "ReverseChargeOnConstructionServices",
        "SalesDocumentAttachments",
        "MessageThreads",
        "Notes",
        "TotalAmount",
        "TotalVatAmount",
        "TotalRoundings",
        "TotalAmountBaseCurrency",
        "TotalVatAmountBaseCurrency",
        "CustomerNumber",
        "CustomerName",
        "IncludesVat",
        "ContributionMargin",
        "MaxAllowedTaxReductionAmount",
    }
)
_ROW_READ_ONLY = frozenset(
    {
        "IsServiceArticle",
        "UnitId",
        "VatRateId",
        "ContributionMargin",
        "VatRate",
        "IsDiscountInFixedAmount",
        "DiscountFixedAmount",
        "PurchasePrice",
        "FreightCosts",
        "Amount",
        "ArticleNumber",
        "UnitAbbreviation",
        "UnitAbbreviationEnglish",
        "UnitName",
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
_CENTERS = {
    "cost_center": "CostCenterItemId1",
    "cost_center_2": "CostCenterItemId2",
    "cost_center_3": "CostCenterItemId3",
}
MAX_ROWS = 1000


@dataclass(slots=True)
class Made:
    """A body in the making, with everything that is wrong with it.

    ``rates`` are the VAT rates of a draft's rows, as far as they are known.
    """

    body: dict[str, Any] = field(default_factory=dict)
    rates: list[Decimal | None] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, code: str, message: str, *, hint: str = "", place: str = "") -> None:
        """Notes one thing that keeps the body from being sent."""
        self.findings.append(Finding(code=code, message=message, hint=hint, place=place))

    def put(self, name: str, value: str, length: int, what: str) -> None:
        """Sets a text that must not be cut; too long is wrong. '' is sent as null."""
        if len(value) > length:
            self.wrong(
                "text_too_long",
                f"{what} has {len(value)} characters; Visma takes {length}.",
                place=name,
            )
        self.body[name] = value or None


# --- customers -----------------------------------------------------------------------------------


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
        made.body = {k: v for k, v in read.items() if k not in _CUSTOMER_READ_ONLY}
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
        made.put("SalesDocumentLanguage", record.language, 2, "The language")
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
        made.body["TermsOfPaymentId"] = _terms(made, said, names, record.name)
    elif new:
        made.body["TermsOfPaymentId"] = (
            _terms(made, settings.default_terms, names, record.name)
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


def _terms(made: Made, said: str, names: Names, whose: str) -> str | None:
    found = names.find_terms(said)
    if found is None:
        made.wrong(
            "terms_unmapped",
            f'Terms "{said}" of {whose} do not exist in Visma.',
            hint="Map them to terms of the company.",
            place="terms",
        )
    return found


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


# --- drafts --------------------------------------------------------------------------------------


def carried(contact: str, key: str) -> str:
    """Our reference with the key behind it: at most 79 characters of the contact are kept."""
    contact = cut_at_word(contact, 79)
    return f"{contact} ref {key}" if contact else f"ref {key}"


def draft_body(
    wanted: Wanted,
    names: Names,
    settings: VismaSettings,
    *,
    key: str,
    customer: Payload,
    articles: Mapping[str, Payload],
    read: Payload | None,
    base: Document | None,
) -> Made:
    """
    The body of a draft: over what was read, or new. ``articles`` are the payloads by number and by
    id. A row of the read draft that the base did not have is somebody else's and is kept.
    """
    record = wanted.record
    assert isinstance(record, Document)
    fields = wanted.fields
    made = Made()
    if read is not None:
        made.body = {k: v for k, v in read.items() if k not in _DRAFT_READ_ONLY}
    else:
        made.body = {
            "CustomerId": text_of(customer, "Id"),
            "EuThirdParty": False,
            "RotReducedInvoicingType": 0,
            "IsCreditInvoice": False,
        }
    made.body["ReplaceUnitPriceWhenZero"] = False
    if read is None or "our_reference" in fields:
        contact = record.our_reference if "our_reference" in fields else settings.our_contact
        in_reference = settings.carrier == "our_reference"
        text = carried(contact, key) if in_reference else cut_at_word(contact, 100)
        made.body["OurReference"] = text or None
    buyer = record.buyer_reference if "buyer_reference" in fields else ""
    if {"your_reference", "buyer_reference"} & fields:
        made.put("YourReference", buyer or record.your_reference, 100, "The buyer's reference")
    if "po_number" in fields:
        made.put("BuyersOrderReference", record.po_number, 35, "The buyer's order number")
    for name, attribute in (
        ("InvoiceDate", "issue_date"),
        ("DueDate", "due_date"),
        ("DeliveryDate", "delivered_on"),
    ):
        if attribute in fields:
            day = getattr(record, attribute)
            made.body[name] = day.isoformat() if day else None
    if "terms" in fields:
        made.body["TermsOfPaymentId"] = (
            _terms(made, record.terms, names, record.customer_name or "the document")
            if record.terms
            else None
        )
    if read is None or "lines" in fields:
        foreign = _foreign_rows(read, base, names)
        decimals = 4 if is_foreign(customer, names) else 2
        rows = _Rows(made, names, articles, decimals, read)
        made.body["Rows"] = rows.build(record.lines, foreign)
        if settings.carrier == "text_row" and not _mentions(made.body["Rows"], key):
            made.body["Rows"].append(_text_row(f"Ref {key}"))
            made.rates.append(None)
    else:
        made.body["Rows"] = [_writable_row(row) for row in _ordered(read)]
        made.rates = [rate_of(row, "VatRate") for row in _ordered(read)]
    _number_rows(made)
    return made


def is_foreign(customer: Payload, names: Names) -> bool:
    """Whether prices may have four decimals: another country or another currency than ours."""
    country = text_of(customer, "InvoiceCountryCode").upper()
    currency = text_of(customer, "CurrencyCode")
    return (bool(country) and country != names.country) or (
        bool(currency) and currency != names.currency
    )


def check_body(payload: Payload) -> dict[str, Any]:
    """The figures of a draft as the check at its conversion takes them; text rows left out."""
    return {
        "TotalAmountInvoiceCurrency": payload.get("TotalAmount"),
        "TotalVatAmountInvoiceCurrency": payload.get("TotalVatAmount"),
        "TotalRoundingsInvoiceCurrency": payload.get("TotalRoundings"),
        "Rows": [
            {
                "LineNumber": row.get("LineNumber"),
                _amount_name(payload): row.get("Amount"),
            }
            for row in payload.get("Rows") or ()
            if row.get("ArticleId") and row.get("Amount") is not None
        ],
    }


def _amount_name(payload: Payload) -> str:
    inside = bool(payload.get("IncludesVat"))
    return "TotalAmountIncVatInvoiceCurrency" if inside else "TotalAmountNoVatInvoiceCurrency"


class _Rows:
    """Makes the rows of a draft, over the rows that stood there where they are the same ones."""

    def __init__(
        self,
        made: Made,
        names: Names,
        articles: Mapping[str, Payload],
        price_decimals: int,
        read: Payload | None,
    ) -> None:
        self._made = made
        self._names = names
        self._articles = articles
        self._price_decimals = price_decimals
        self._before = [_writable_row(row) for row in (read or {}).get("Rows") or ()]

    def build(self, lines: Sequence[Line], foreign: Sequence[Payload]) -> list[dict[str, Any]]:
        """The rows in the order of the lines, those of others behind them."""
        if not any(line.kind is not LineKind.TEXT for line in lines):
            self._made.wrong("no_lines", "The document has no line with a price.", place="lines")
        rows: list[dict[str, Any]] = []
        for place, line in enumerate(lines, start=1):
            if line.kind is not LineKind.TEXT:
                rows.append(self._item(line, place))
                self._made.rates.append(line.tax_rate)
            elif line.text.strip():
                rows.append(self._text(line))
                self._made.rates.append(None)
        for row in foreign:
            rows.append(_writable_row(row))
            self._made.rates.append(rate_of(row, "VatRate"))
        if len(rows) > MAX_ROWS:
            self._made.wrong(
                "too_many_lines",
                f"The document has {len(rows)} rows; Visma takes {MAX_ROWS}.",
                place="lines",
            )
        return rows

    def _text(self, line: Line) -> dict[str, Any]:
        self._fits(line, 0)
        return _text_row(line.text.strip())

    def _item(self, line: Line, place: int) -> dict[str, Any]:
        article = self._article(line, place)
        text = line.text or (line.item.name if line.item else "") or text_of(article, "Name")
        row = self._stood_here(text_of(article, "Id"), text)
        row.update(
            {
                "IsTextRow": False,
                "ArticleId": text_of(article, "Id"),
                "Text": text,
                "Quantity": self._exact(line.quantity, 2, "quantity", "The quantity", place),
                "UnitPrice": self._exact(
                    line.unit_price, self._price_decimals, "unit_price", "The price", place
                ),
                "DiscountPercentage": self._exact(
                    line.discount, 4, "discount", "The discount", place
                ),
            }
        )
        row.setdefault("ReversedConstructionServicesVatFree", False)
        if not 0 <= line.discount <= 1:
            self._made.wrong(
                "discount_out_of_range",
                f"The discount of line {place} is {line.discount}; it must be from 0 to 1.",
                place=f"lines.{place}.discount",
            )
        self._fits(line, place)
        self._dimensions(row, line, place)
        return row

    def _stood_here(self, article_id: str, text: str) -> dict[str, Any]:
        """The row that this line was before, with all that we do not know of; {} for a new one."""
        same = [row for row in self._before if row.get("ArticleId") == article_id and article_id]
        found = next((row for row in same if row.get("Text") == text), None) or (
            same[0] if same else None
        )
        if found is None:
            return {}
        self._before.remove(found)
        return dict(found)

    def _article(self, line: Line, place: int) -> Payload:
        item = line.item
        if item is not None:
            guid = item.ref.id if item.ref else ""
            found = self._articles.get(guid) or self._articles.get(item.number.casefold())
            if found is not None and found.get("IsActive") is not False:
                return found
            if found is not None:
                self._made.wrong(
                    "item_not_usable",
                    f"Article {text_of(found, 'Number')} (line {place}) is not active in Visma.",
                    hint="Activate it, or map the item to another one.",
                    place=f"lines.{place}.item",
                )
                return found
        said = (item.number or item.name) if item else line.text
        self._made.wrong(
            "item_no_code",
            f'"{said}" (line {place}) is no article in Visma; every line with a price needs one.',
            hint="Add it to the table of items, or make the article in Visma.",
            place=f"lines.{place}.item",
        )
        return {}

    def _exact(self, value: Decimal, decimals: int, name: str, what: str, place: int) -> Decimal:
        """The value in as many decimals as the field takes; a finer one is wrong, never rounded."""
        unit = Decimal(1).scaleb(-decimals)
        fitting = value.quantize(unit)
        if fitting != value:
            self._made.wrong(
                "value_too_fine",
                f"{what} of line {place} is {value}; Visma takes {decimals} decimals here.",
                hint="Change it on the deal, or map it to a smaller unit.",
                place=f"lines.{place}.{name}",
            )
        return value if -int(value.as_tuple().exponent) <= decimals else fitting

    def _fits(self, line: Line, place: int) -> None:
        if len(line.text) > 2000:
            self._made.wrong(
                "text_too_long",
                f"A line's text has {len(line.text)} characters; Visma takes 2000.",
                place=f"lines.{place}.text" if place else "lines",
            )

    def _dimensions(self, row: dict[str, Any], line: Line, place: int) -> None:
        for kind, code in line.dimensions.items():
            name = "ProjectId" if kind == PROJECT else _CENTERS.get(kind)
            guid = self._names.dimension_id.get((kind, code.casefold()))
            if name is None or guid is None:
                self._made.wrong(
                    "dimension_unknown",
                    f"{kind} {code} (line {place}) does not exist in Visma.",
                    hint="Add it in Visma, or correct the mapping.",
                    place=f"lines.{place}.dimensions.{kind}",
                )
            else:
                row[name] = guid


def _foreign_rows(read: Payload | None, base: Document | None, names: Names) -> list[Payload]:
    """Rows that somebody added since both sides agreed: in what was read, not in the base."""
    if read is None or base is None:
        return []
    known = [line_content(line) for line in base.lines]
    found = []
    for row, line in zip(_ordered(read), draft(read, names).lines, strict=True):
        if line_content(line) in known:
            known.remove(line_content(line))
        else:
            found.append(row)
    # As many rows as before means that rows were changed, not added: those are ours to set.
    return found if len(_ordered(read)) > len(base.lines) else []


def _ordered(payload: Payload) -> list[Payload]:
    rows = list(payload.get("Rows") or ())
    if all(isinstance(row.get("LineNumber"), int) for row in rows):
        rows.sort(key=lambda row: int(row["LineNumber"]))
    return rows


def _writable_row(row: Payload) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _ROW_READ_ONLY}


def _text_row(text: str) -> dict[str, Any]:
    return {"IsTextRow": True, "Text": text, "ReversedConstructionServicesVatFree": False}


def _mentions(rows: Sequence[Payload], key: str) -> bool:
    return any(key in text_of(row, "Text") for row in rows)


def _number_rows(made: Made) -> None:
    for number, row in enumerate(made.body["Rows"], start=1):
        row["LineNumber"] = number
