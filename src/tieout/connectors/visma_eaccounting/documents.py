"""Drafts, invoices and credit notes in our form. Pure: payloads and names in, records out."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Any

from tieout.connectors.visma_eaccounting.names import Names, draft_ref, invoice_ref, order_ref
from tieout.connectors.visma_eaccounting.translate import extra_of, terms_code
from tieout.connectors.visma_eaccounting.values import (
    Payload,
    amount_of,
    day_of,
    instant_of,
    number_of,
    rate_of,
    text_of,
)
from tieout.core.keys import KeyKind, keys_in
from tieout.core.model import (
    Document,
    DocumentKind,
    ItemRef,
    Line,
    LineKind,
    OrderState,
    Totals,
)
from tieout.core.money import ZERO
from tieout.ports import Selection

_STATUS = {0: "paid", 1: "unpaid", 2: "overdue"}
_REFERENCE = re.compile(r"\s*\bref ([0-9A-HJKMNP-TV-Z]{13}[DCKPS][0-9A-HJKMNP-TV-Z]{2})\b", re.I)
_HASHED = (
    "CustomerId",
    "IsCreditInvoice",
    "EuThirdParty",
    "RotReducedInvoicingType",
    "InvoiceCurrencyCode",
    "IncludesVat",
    "DeliveryDate",
    "YourReference",
    "OurReference",
    "BuyersOrderReference",
    "ElectronicReference",
    "TermsOfPaymentId",
    "InvoiceAddress1",
    "InvoiceAddress2",
    "DeliveryCustomerName",
    "DeliveryAddress1",
    "DeliveryAddress2",
    "DeliveryPostalCode",
    "DeliveryCity",
    "DeliveryCountryCode",
    "TotalAmount",
    "TotalVatAmount",
    "TotalRoundings",
)
_HASHED_ROW = (
    "IsTextRow",
    "ArticleId",
    "Text",
    "Quantity",
    "UnitPrice",
    "DiscountPercentage",
    "CostCenterItemId1",
    "CostCenterItemId2",
    "CostCenterItemId3",
    "ProjectId",
    "VatRate",
    "Amount",
)


def draft(payload: Payload, names: Names, want: Selection | None = None) -> Document:
    """
    A draft. It has no issue and due date here: what the vendor shows moves every midnight. Its
    version is a digest of what people can change, since the vendor has none.
    """
    credit = bool(payload.get("IsCreditInvoice"))
    currency = text_of(payload, "InvoiceCurrencyCode") or names.currency
    return Document(
        **_shared(payload, names, want),
        ref=draft_ref(names, text_of(payload, "Id")) if payload.get("Id") else None,
        version=draft_version(payload),
        kind=DocumentKind.DRAFT,
        raw_status="draft",
        currency=currency,
        totals=_totals(
            currency,
            payload,
            gross="TotalAmount",
            tax="TotalVatAmount",
            rounding=_rounding(payload, credit),
            credit=credit,
        ),
        base_totals=_totals(
            names.currency,
            payload,
            gross="TotalAmountBaseCurrency",
            tax="TotalVatAmountBaseCurrency",
            rounding=_rounding(payload, credit) if currency == names.currency else ZERO,
            credit=credit,
        ),
        lines=_lines(payload, names, want, net="Amount", credit=credit),
    )


_ORDER_STATES = {
    1: OrderState.DRAFT,
    2: OrderState.APPROVED,
    3: OrderState.SHIPPED,
    4: OrderState.INVOICED,
}


def order(payload: Payload, names: Names, want: Selection | None = None) -> Document:
    """
    An order. Whether its amount holds the VAT nobody says, so that its net is the sum of its rows.

    Raises ValueError for a status that nobody has told of.
    """
    state = _ORDER_STATES.get(payload.get("Status") or 0)
    if state is None:
        raise ValueError(f"status {payload.get('Status')!r}")
    currency = text_of(payload, "CurrencyCode") or names.currency
    guid = text_of(payload, "Id")
    return Document(
        **_shared(payload, names, want),
        ref=order_ref(names, guid) if guid else None,
        version=payload.get("ModifiedUtc"),
        changed_at=instant_of(payload, "ModifiedUtc"),
        kind=DocumentKind.ORDER,
        number=text_of(payload, "Number"),
        raw_status=str(state),
        order_state=state,
        issue_date=day_of(payload, "OrderDate"),
        currency=currency,
        totals=_order_totals(payload, currency),
        lines=_lines(payload, names, want, net="Amount", credit=False),
    )


def _order_totals(payload: Payload, currency: str) -> Totals | None:
    told, vat = number_of(payload, "Amount"), number_of(payload, "VatAmount")
    if told is None or vat is None:
        return None
    rounding = number_of(payload, "RoundingsAmount") or ZERO
    rows = sum((amount_of(row, "Amount") for row in _rows(payload) if not _is_text(row)), ZERO)
    net = rows - vat if payload.get("IncludesVat") else rows
    return Totals(
        currency=currency, net=net, tax=vat, gross=net + vat + rounding, rounding=rounding
    )


def draft_version(payload: Payload) -> str:
    """A digest of a draft without its dates, its base-currency figures and its row ids."""
    head = tuple(_normal(payload.get(name)) for name in _HASHED)
    rows = tuple(tuple(_normal(row.get(name)) for name in _HASHED_ROW) for row in _rows(payload))
    return hashlib.sha256(repr((head, rows)).encode()).hexdigest()[:32]


def invoice(payload: Payload, names: Names, want: Selection | None = None) -> Document:
    """A booked invoice or credit note; sizes of a credit note are negative."""
    credit = bool(payload.get("IsCreditInvoice"))
    currency = text_of(payload, "CurrencyCode") or names.currency
    own = names.currency == currency
    totals = _totals(
        currency,
        payload,
        gross="TotalAmountInvoiceCurrency",
        tax="TotalVatAmountInvoiceCurrency",
        rounding=_rounding(payload, credit) if own else ZERO,
        credit=credit,
        open_name="RemainingAmountInvoiceCurrency",
    )
    credited, paid = _settled(payload, totals, credit=credit)
    created_from = text_of(payload, "CreatedFromDraftId")
    from_order = text_of(payload, "CreatedFromOrderId")
    referring = text_of(payload, "ReferringInvoiceId")
    credited_by = (text_of(entry, "CreditInvoiceId") for entry in payload.get("CreditedBy") or ())
    return Document(
        **_shared(payload, names, want),
        ref=invoice_ref(names, text_of(payload, "Id")),
        version=payload.get("ModifiedUtc"),
        changed_at=instant_of(payload, "ModifiedUtc"),
        came_from=(
            *((order_ref(names, from_order),) if from_order else ()),
            *((draft_ref(names, created_from),) if created_from else ()),
        ),
        kind=DocumentKind.CREDIT_NOTE if credit else DocumentKind.INVOICE,
        number=text_of(payload, "InvoiceNumber"),
        raw_status=_raw_status(payload.get("PaymentStatus")),
        booked=True,
        issue_date=day_of(payload, "InvoiceDate"),
        due_date=day_of(payload, "DueDate"),
        currency=currency,
        rate=number_of(payload, "CurrencyRate"),
        totals=totals,
        base_totals=_totals(
            names.currency,
            payload,
            gross="TotalAmount",
            tax="TotalVatAmount",
            rounding=_rounding(payload, credit),
            credit=credit,
            open_name="RemainingAmount",
        ),
        lines=_lines(payload, names, want, net="AmountNoVat", credit=credit),
        credited=credited,
        paid=paid,
        sale=not _fee(payload),
        last_payment_on=day_of(payload, "PaymentDate"),
        credits=(invoice_ref(names, referring),) if credit and referring else (),
        credited_by=tuple(invoice_ref(names, guid) for guid in credited_by if guid),
        created_by=text_of(payload, "CreatedByUserId"),
    )


def without_key(reference: str) -> str:
    """The reference as people wrote it, without our key behind it."""
    return _REFERENCE.sub("", reference).strip()


def line_content(line: Line) -> tuple[object, ...]:
    """What makes a line the same one in the eyes of a person."""
    number = line.item.number if line.item else ""
    return (line.kind, number, line.text, line.quantity, line.unit_price, line.discount)


# Inside.


def _shared(payload: Payload, names: Names, want: Selection | None) -> dict[str, Any]:
    reference = text_of(payload, "OurReference")
    texts = [text_of(row, "Text") for row in _rows(payload) if _is_text(row)]
    return {
        "customer": names.ref("customer", text_of(payload, "CustomerId")),
        "customer_name": text_of(payload, "InvoiceCustomerName")
        or text_of(payload, "CustomerName"),
        "delivered_on": day_of(payload, "DeliveryDate"),
        "terms": terms_code(payload, names),
        "our_reference": without_key(reference),
        "your_reference": text_of(payload, "YourReference"),
        "po_number": text_of(payload, "BuyersOrderReference"),
        "buyer_reference": text_of(payload, "YourReference"),
        "carrier_text": _carrier("\n".join(text for text in (reference, *texts) if text), payload),
        "created_at": instant_of(payload, "CreatedUtc"),
        "extra": extra_of(payload, want),
        "shape": want.shape if want else "",
    }


def _carrier(text: str, payload: Payload) -> str:
    """
    Where our key is looked for. A credit note that is made in the program copies the references
    of its invoice, whose key is not its own.
    """
    if not payload.get("IsCreditInvoice"):
        return text
    copied = (key for key in keys_in(text) if key[13] == KeyKind.DOCUMENT)
    for key in copied:
        text = re.sub(re.escape(key), "", text, flags=re.I)
    return text


def _lines(
    payload: Payload, names: Names, want: Selection | None, *, net: str, credit: bool
) -> tuple[Line, ...]:
    includes = bool(payload.get("IncludesVat"))
    return tuple(
        _line(row, position, names, want, net=net, includes=includes, credit=credit)
        for position, row in enumerate(_rows(payload), start=1)
    )


def _line(
    row: Payload,
    position: int,
    names: Names,
    want: Selection | None,
    *,
    net: str,
    includes: bool,
    credit: bool,
) -> Line:
    extra = extra_of(row, want, line=True)
    if _is_text(row):
        return Line(position=position, kind=LineKind.TEXT, text=text_of(row, "Text"), extra=extra)
    article = text_of(row, "ArticleId")
    # Drafts tell the row's amount as its price is meant; with VAT inside it is no net.
    stated = None if includes and net == "Amount" else number_of(row, net)
    return Line(
        position=position,
        item=ItemRef(
            number=text_of(row, "ArticleNumber"),
            ref=names.ref("item", article) if article else None,
        ),
        text=text_of(row, "Text"),
        quantity=amount_of(row, "Quantity"),
        unit=text_of(row, "UnitAbbreviation") or text_of(row, "UnitName"),
        unit_price=amount_of(row, "UnitPrice"),
        discount=amount_of(row, "DiscountPercentage"),
        includes_tax=includes,
        stated_net=-abs(stated) if credit and stated is not None else stated,
        tax_rate=rate_of(row, "VatRate") if row.get("VatRate") is not None else None,
        dimensions=_dimensions(row, names),
        extra=extra,
    )


def _dimensions(row: Payload, names: Names) -> dict[str, str]:
    found = {}
    for name in ("CostCenterItemId1", "CostCenterItemId2", "CostCenterItemId3", "ProjectId"):
        guid = text_of(row, name)
        if guid:
            kind, code = names.dimension.get(guid, (name, guid))
            found[kind] = code
    return found


def _rows(payload: Payload) -> list[Payload]:
    rows: list[Payload] = [row for row in payload.get("Rows") or () if isinstance(row, dict)]
    if all(isinstance(row.get("LineNumber"), int) for row in rows):
        rows.sort(key=lambda row: int(row["LineNumber"]))
    return rows


def _is_text(row: Payload) -> bool:
    return bool(row.get("IsTextRow")) or not row.get("ArticleId")


def _totals(
    currency: str,
    payload: Payload,
    *,
    gross: str,
    tax: str,
    rounding: Decimal,
    credit: bool,
    open_name: str = "",
) -> Totals | None:
    """
    Figures by their names, ``rounding`` in the document's direction. On a credit note the direction
    comes from what it is and the size from the vendor, whose signs are not uniform.
    """
    total, vat = number_of(payload, gross), number_of(payload, tax)
    if total is None or vat is None:
        return None
    left = number_of(payload, open_name) if open_name else None
    if credit:
        if total > 0:
            total, vat = -total, -vat
        left = -abs(left) if left is not None else None
    return Totals(
        currency=currency,
        net=total - vat - rounding,
        tax=vat,
        gross=total,
        rounding=rounding,
        open=left,
    )


def _rounding(payload: Payload, credit: bool) -> Decimal:
    """The rounding in the direction of the document; the vendor's goes with its TotalAmount."""
    rounding = amount_of(payload, "TotalRoundings")
    return -rounding if credit and amount_of(payload, "TotalAmount") > 0 else rounding


def _settled(
    payload: Payload, totals: Totals | None, *, credit: bool
) -> tuple[Decimal | None, Decimal | None]:
    """
    What credit notes took off an invoice, and what money did; None where that is not told.

    The vendor tells remaining and set off. Without a payment date no money came; a fall that is
    neither set off nor paid (a void, a write-off) has a kind that nobody tells.
    """
    set_off = number_of(payload, "SetOffAmountInvoiceCurrency")
    if totals is None or totals.open is None or set_off is None:
        return None, None
    if credit:
        # What was set off lowered an invoice; the rest of what is closed was paid out.
        return -abs(set_off), totals.gross - totals.open + abs(set_off)
    credited = abs(set_off)
    rest = totals.gross - totals.open - credited
    was_paid = day_of(payload, "PaymentDate") is not None
    if payload.get("IsSold"):
        return credited, None
    if was_paid or rest == 0:
        told = credited != 0 or not payload.get("CreditedBy") or rest == 0
        return (credited, rest) if told else (None, None)
    if payload.get("CreditedBy"):
        return credited + rest, ZERO
    return credited, None


def _fee(payload: Payload) -> bool:
    """
    A claim that is no sale: a quick invoice (entered as a journal) whose rows bear no VAT and no
    article, as a reminder fee is entered.
    """
    rows = [row for row in _rows(payload) if not row.get("IsTextRow")]
    plain = all(not row.get("ArticleId") for row in rows)
    return (
        bool(payload.get("IsQuickInvoice"))
        and plain
        and not amount_of(payload, "TotalVatAmountInvoiceCurrency")
    )


def _raw_status(value: object) -> str:
    return _STATUS.get(value, str(value)) if isinstance(value, int) else ""


def _normal(value: object) -> object:
    """Equal numbers and equal nothings alike: 3 and 3.00, null and '', 0 and null."""
    if not value or isinstance(value, str):
        return value or None
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        return format(Decimal(value).normalize(), "f") if value else None
    return value or None
