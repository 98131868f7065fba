"""A draft in the vendor's form. Pure: a record, names and what was read in, a body out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tieout.connectors.lengths import units
from tieout.connectors.visma_eaccounting.documents import draft, line_content
from tieout.connectors.visma_eaccounting.making import Made, terms_id
from tieout.connectors.visma_eaccounting.names import PROJECT, Names
from tieout.connectors.visma_eaccounting.settings import VismaSettings
from tieout.connectors.visma_eaccounting.values import (
    Payload,
    cut_at_word,
    number_of,
    rate_of,
    text_of,
)
from tieout.core.change import Wanted
from tieout.core.model import Document, Line, LineKind

_READ_ONLY = frozenset(
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
_CENTERS = {
    "cost_center": "CostCenterItemId1",
    "cost_center_2": "CostCenterItemId2",
    "cost_center_3": "CostCenterItemId3",
}
MAX_ROWS = 1000


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
        made.body = {k: v for k, v in read.items() if k not in _READ_ONLY}
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
    if {"your_reference", "buyer_reference"} & fields:
        # One field over there for both. The reference that the buyer demands goes first: without
        # it an e-invoice comes back.
        buyer = record.buyer_reference or record.your_reference
        made.put("YourReference", buyer, 100, "The buyer's reference")
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
            terms_id(made, record.terms, names, record.customer_name or "the document")
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
        "TotalAmountInvoiceCurrency": number_of(payload, "TotalAmount"),
        "TotalVatAmountInvoiceCurrency": number_of(payload, "TotalVatAmount"),
        "TotalRoundingsInvoiceCurrency": number_of(payload, "TotalRoundings"),
        "Rows": [
            {
                "LineNumber": row.get("LineNumber"),
                _amount_name(payload): number_of(row, "Amount"),
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
        if units(line.text) > 2000:
            self._made.wrong(
                "text_too_long",
                f"A line's text has {units(line.text)} characters; Visma takes 2000.",
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
