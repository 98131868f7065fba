"""Invoices, credit notes and debit notes in our form. Pure: payloads and names in, records out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from tieout.connectors.visma_net import settling
from tieout.connectors.visma_net.names import (
    BRANCH,
    EXTRACT,
    PROJECT,
    TASK,
    Names,
    customer_number,
    document_ref,
)
from tieout.connectors.visma_net.settings import VismaNetSettings
from tieout.connectors.visma_net.stamps import CREATED, Stamps
from tieout.connectors.visma_net.translate import extra_of, require_readable
from tieout.connectors.visma_net.values import (
    Payload,
    amount_of,
    day_of,
    number_of,
    part_of,
    rows_of,
    text_of,
)
from tieout.core.keys import KeyKind, keys_in
from tieout.core.model import Document, DocumentKind, ExternalRef, ItemRef, Line, LineKind, Totals
from tieout.core.money import ZERO, round_to
from tieout.ports import Selection

# Not released: still to be edited and deleted. A template of recurring ones is never booked.
UNRELEASED = frozenset(
    {"Hold", "Balanced", "CreditHold", "PendingPrint", "PendingEmail", "CcHold", "Reserved",
     "Scheduled"}
)  # fmt: skip
TEMPLATE = "Scheduled"
RELEASED = frozenset({"Open", "Closed", "Voided"})
SYSTEM_LINES = frozenset({"DS", "FR", "RA"})
NON_PROJECT = "X"
_CREDIT = "CreditNote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the translation of documents needs besides them."""

    names: Names
    stamps: Stamps
    settings: VismaNetSettings
    customers: Mapping[str, str]
    want: Selection | None = None

    def customer(self, payload: Payload) -> ExternalRef | None:
        """The customer of a document, by the number that it names."""
        internal = self.customers.get(customer_number(payload))
        return self.names.ref("customer", internal) if internal else None


def is_document(payload: Payload) -> bool:
    """
    Whether a row of a list is a document of its own: no template, and none of the write-offs and
    payments that some lists have among them; those are told by what they met.
    """
    if text_of(payload, "status") == TEMPLATE:
        return False
    kind = text_of(payload, "documentType")
    return kind not in settling.MONEY and kind not in settling.WRITE_OFFS


def is_released(payload: Payload) -> bool:
    """Whether a document is booked. Raises ValueError for a status that nobody has told of."""
    status = text_of(payload, "status")
    if status in RELEASED:
        return True
    if status in UNRELEASED or not status:
        return False
    raise ValueError(f"status {status!r}")


def document(payload: Payload, reading: Reading) -> Document:
    """
    A document in our form; sizes of a credit note are negative. A draft has no number of its own
    here and no due date: both are the books' until it is released.

    Raises ValueError for one that is not understood.
    """
    require_readable(payload)
    names, want = reading.names, reading.want
    kind = text_of(payload, "documentType") or "Invoice"
    if kind not in _RESOURCES:
        raise ValueError(f"document type {kind!r}")
    number = text_of(payload, "referenceNumber")
    credit, booked = kind == _CREDIT, is_released(payload)
    currency = text_of(payload, "currencyId") or names.currency
    pair = Pair.of(payload, names)
    totals = totals_of(payload, names, currency, pair.document, credit=credit, booked=booked)
    settled = (
        settling.settled_of(payload, totals.gross, totals.open)
        if booked and totals is not None
        else settling.Settled()
    )
    sign = -1 if credit else 1
    reference = text_of(payload, "externalReference")
    buyer = text_of(payload, "customerRefNumber")
    in_text = reading.settings.carrier == "customer_ref"
    attention = text_of(payload, "invoiceContact", "attention")
    return Document(
        ref=document_ref(names, kind, number, booked=booked) if number else None,
        version=text_of(payload, "timeStamp") or None,
        changed_at=reading.stamps.instant(_RESOURCES.get(kind, ""), payload),
        came_from=(
            *_orders_of(payload, names),
            *((document_ref(names, kind, number, booked=False),) if booked else ()),
        ),
        kind=_kind(kind, booked),
        number=number if booked else "",
        raw_status=text_of(payload, "status"),
        booked=booked,
        voided=text_of(payload, "status") == "Voided",
        customer=reading.customer(payload),
        customer_name=text_of(payload, "customer", "name"),
        issue_date=day_of(payload, "documentDate"),
        due_date=day_of(payload, "documentDueDate") if booked else None,
        delivered_on=day_of(payload, "endDate"),
        currency=currency,
        rate=number_of(payload, "exchangeRate"),
        totals=totals,
        base_totals=totals_of(
            payload, names, names.currency, pair.base, credit=credit, booked=booked
        ),
        lines=_lines(payload, reading, pair.document, sign=sign),
        credited=sign * settled.credited if settled.told and booked else None,
        paid=_paid(settled, totals, sign) if booked else None,
        written_off=sign * settled.written_off if settled.written_off and settled.told else None,
        discounted=sign * settled.discounted if settled.discounted and settled.told else None,
        sale=kind != "FinCharge",
        last_payment_on=settled.last_payment_on,
        payments=tuple(replace(one, amount=sign * one.amount) for one in settled.payments)
        if settled.told
        else (),
        terms=text_of(payload, "creditTerms", "id"),
        our_reference="" if in_text else text_of(payload, "invoiceText"),
        your_reference=attention,
        po_number=text_of(payload, "invoiceText") if in_text else buyer,
        buyer_reference=attention,
        carrier_text=_carrier("\n".join(t for t in (reference, buyer) if t), credit),
        credits=tuple(
            document_ref(names, of, target, booked=True) for of, target in settled.claims if credit
        ),
        credited_by=tuple(
            document_ref(names, _CREDIT, note, booked=True) for note in settled.notes if not credit
        ),
        created_at=reading.stamps.instant(_RESOURCES.get(kind, ""), payload, CREATED),
        extra=extra_of(payload, want),
        shape=want.shape if want else "",
    )


def _orders_of(payload: Payload, names: Names) -> tuple[ExternalRef, ...]:
    """The sales orders that the lines of an invoice were delivered for, in their order."""
    numbers = [
        f"{text_of(row, 'soOrderType')}/{text_of(row, 'soOrderNbr')}"
        for row in line_rows(payload)
        if text_of(row, "soOrderType") and text_of(row, "soOrderNbr")
    ]
    return tuple(names.ref("document", f"order:{number}") for number in dict.fromkeys(numbers))


_RESOURCES = {
    "Invoice": "customerinvoice",
    "FinCharge": "customerinvoice",
    "CashSale": "customerinvoice",
    _CREDIT: "customercreditnote",
    "DebitNote": "customerdebitnote",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """
    Which of the two figures of an amount is the document's and which the company's: the suffix of
    each name. The vendor's names say one thing and its texts the other.
    """

    document: str = "InCurrency"
    base: str = ""

    @classmethod
    def of(cls, payload: Payload, names: Names) -> Pair:
        """As names say, unless the rate shows that it is the other way round."""
        currency = text_of(payload, "currencyId")
        if currency in ("", names.currency) or "detailTotal" not in payload:
            return cls()
        rate = number_of(payload, "exchangeRate") or names.rates.get(currency, (ZERO, ""))[0]
        divides = names.rates.get(currency, (ZERO, "Multiply"))[1] == "Divide"
        named, other = (amount_of(payload, f"detailTotal{s}") for s in ("InCurrency", ""))
        if not rate or named == other:
            return cls()

        def to_base(amount: Decimal) -> Decimal:
            return amount / rate if divides else amount * rate

        as_named = abs(to_base(named) - other)
        swapped = abs(to_base(other) - named)
        return cls() if as_named <= swapped else cls("", "InCurrency")


def totals_of(
    payload: Payload,
    names: Names,
    currency: str,
    suffix: str,
    *,
    credit: bool,
    booked: bool,
) -> Totals | None:
    """
    Figures of one of the two currencies. The amount of a draft may be 0 whatever it comes to, so
    that it is reckoned from its parts.
    """
    detail = number_of(payload, f"detailTotal{suffix}")
    if detail is None:
        return None
    places = names.places(currency)
    tax = round_to(amount_of(payload, f"vatTotal{suffix}"), places)
    net = _net(payload, names, suffix, detail - amount_of(payload, f"discountTotal{suffix}"), tax)
    told = amount_of(payload, f"amount{suffix}")
    exact = net + tax
    gross = told if told or booked else exact + _rounding(payload, exact)
    own = text_of(payload, "currencyId") in ("", currency)
    if not own and not told:
        gross = exact
    left = round_to(amount_of(payload, f"balance{suffix}"), places) if booked else None
    sign = -1 if credit else 1
    return Totals(
        currency=currency,
        net=round_to(sign * net, places),
        tax=sign * tax,
        gross=round_to(sign * gross, places),
        rounding=round_to(sign * (gross - exact), places),
        open=None if left is None else sign * left,
    )


def _net(payload: Payload, names: Names, suffix: str, detail: Decimal, tax: Decimal) -> Decimal:
    """The net of a document. Where prices hold VAT, nobody says whether the detail total does."""
    codes = [text_of(row, "vatId", "number") or text_of(row, "taxId")
             for row in rows_of(payload, "taxDetails")]  # fmt: skip
    if not any(code in names.vats and names.vats[code].calculate_on == EXTRACT for code in codes):
        return detail
    bases = amount_of(payload, f"vatTaxableTotal{suffix}") + amount_of(
        payload, f"vatExemptTotal{suffix}"
    )
    return bases if bases in (detail, detail - tax) else detail


def _rounding(payload: Payload, exact: Decimal) -> Decimal:
    """
    The invoice rounding of a draft. Its sign is not told: it is the one that leads to the rounder
    amount, and upwards where both do.
    """
    size = abs(amount_of(payload, "roundingDiff"))
    if not size:
        return ZERO
    up, down = exact + size, exact - size
    return size if _digits(up) <= _digits(down) else -size


def _digits(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _paid(settled: settling.Settled, totals: Totals | None, sign: int) -> Decimal | None:
    """
    What money did. Where more closed it than its applications name, nobody tells by what, unless
    there are none at all and nothing is closed.
    """
    if totals is None:
        return None
    return sign * settled.paid if settled.told else None


def _kind(kind: str, booked: bool) -> DocumentKind:
    if kind == _CREDIT:
        return DocumentKind.CREDIT_NOTE if booked else DocumentKind.DRAFT
    return DocumentKind.INVOICE if booked else DocumentKind.DRAFT


def _carrier(text: str, credit: bool) -> str:
    """
    Where our key is looked for. A credit note that is made in the program copies the references
    of its invoice, whose key is not its own.
    """
    if not credit:
        return text
    own = [key for key in keys_in(text) if key[13] != KeyKind.DOCUMENT]
    return " ".join(own)


# --- lines ---------------------------------------------------------------------------------------


def line_rows(payload: Payload) -> list[Payload]:
    """The lines in the order of their numbers, without those that the system makes itself."""
    rows = rows_of(payload, "invoiceLines") or rows_of(payload, "lines")
    own = [row for row in rows if text_of(row, "lineType") not in SYSTEM_LINES]
    return sorted(own, key=lambda row: int(row.get("lineNumber") or 0))


def is_text(row: Payload) -> bool:
    """Whether a line only says something: no item, and nothing to pay."""
    priced = amount_of(row, "unitPriceInCurrency") or amount_of(row, "unitPrice")
    amount = amount_of(row, "amountInCurrency") or amount_of(row, "amount")
    return not text_of(row, "inventoryNumber") and not amount and not priced


def line_content(line: Line) -> tuple[object, ...]:
    """What makes a line the same one in the eyes of a person."""
    number = line.item.number if line.item else ""
    return (line.kind, number, line.text, line.quantity, line.unit_price, line.discount)


def _lines(payload: Payload, reading: Reading, suffix: str, *, sign: int) -> tuple[Line, ...]:
    project = text_of(payload, "project", "id")
    rates = rates_of(payload, reading.names)
    return tuple(
        _line(row, place, reading, suffix, sign=sign, project=project, rates=rates)
        for place, row in enumerate(line_rows(payload), start=1)
    )


def rates_of(payload: Payload, names: Names) -> dict[str, tuple[Decimal, bool]]:
    """The rate of each VAT category of a document by what it was taxed with; and whether prices
    in it hold the VAT."""
    taxed: dict[str, tuple[Decimal, bool]] = {}
    for row in rows_of(payload, "taxDetails"):
        code = text_of(row, "vatId", "number") or text_of(row, "taxId")
        vat = names.vats.get(code)
        rate = amount_of(row, "vatRate") / 100
        inside = vat is not None and vat.calculate_on == EXTRACT
        for category, codes in names.categories.items():
            if code in codes:
                taxed[category] = (rate, inside)
    return taxed


def _line(
    row: Payload,
    place: int,
    reading: Reading,
    suffix: str,
    *,
    sign: int,
    project: str,
    rates: Mapping[str, tuple[Decimal, bool]],
) -> Line:
    extra = extra_of(row, reading.want, line=True)
    text = text_of(row, "description")
    if is_text(row):
        return Line(position=place, kind=LineKind.TEXT, text=text, extra=extra)
    number = text_of(row, "inventoryNumber")
    category = text_of(row, "vatCode", "id")
    rate, inside = rates.get(category, (None, False))
    amount = number_of(row, f"amount{suffix}")
    return Line(
        position=place,
        kind=LineKind.ITEM if number else LineKind.CHARGE,
        item=ItemRef(number=number) if number else None,
        text=text,
        quantity=amount_of(row, "quantity"),
        unit=text_of(row, "uom"),
        unit_price=amount_of(row, f"unitPrice{suffix}"),
        discount=amount_of(row, "discountPercent") / 100,
        includes_tax=inside,
        # With VAT inside, the amount of a line is no net.
        stated_net=None if inside or amount is None else sign * amount,
        tax_code=category,
        tax_rate=rate,
        dimensions=_dimensions(row, reading.names, project),
        extra=extra,
    )


def _dimensions(row: Payload, names: Names, project: str) -> dict[str, str]:
    found = {}
    for part in rows_of(part_of(row, "subaccount"), "segments"):
        number = part.get("segmentId")
        segment = names.segments.get(number) if isinstance(number, int) else None
        value = text_of(part, "segmentValue")
        if value:
            found[segment.kind if segment else f"segment_{number}"] = value
    if project not in ("", NON_PROJECT):
        found[PROJECT] = project
        task = text_of(row, "projectTask", "id")
        if task:
            found[TASK] = task
    branch = text_of(row, "branchNumber", "number")
    if branch and len(names.branches) > 1:
        found[BRANCH] = branch
    return found
