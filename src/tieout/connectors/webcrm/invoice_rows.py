"""
An invoice of the books as rows of what its organisation has bought (`/Products`), both ways. Pure.

A head row carries what the whole document says, a row each what its lines say. Every row carries
a key of ours: that of the operation for the head, with `-3` behind it for the third line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from tieout.connectors.webcrm.ids import DEAL, number_of, ref_of
from tieout.connectors.webcrm.settings import InvoiceFields
from tieout.connectors.webcrm.system import SystemField, native
from tieout.connectors.webcrm.translate import stamp_text
from tieout.connectors.webcrm.values import (
    RowError,
    Unfit,
    Wire,
    day_at,
    flag_at,
    id_at,
    moment_at,
    number_at,
    plain_text,
    same,
    text_at,
    to_wire,
)
from tieout.core.digest import plain
from tieout.core.finding import Finding
from tieout.core.keys import KeyKind, keys_in
from tieout.core.model import (
    Document,
    DocumentKind,
    Entity,
    ItemRef,
    Line,
    LineKind,
    Totals,
)
from tieout.core.status import Status

Row = Mapping[str, Any]
KIND: Final = "Product"
ID, OWNER, PLACE = "ProductId", "ProductOrganisationId", "ProductSortOrder"
QUANTITY, PRICE, DISCOUNT = "ProductQuantity", "ProductPrice", "ProductDiscount"
NUMBERS: Final = (QUANTITY, PRICE, DISCOUNT)
"""What a line has in fields of webCRM's own; all are doubles there."""

HEAD: Final[Mapping[str, str]] = {
    "kind": "kind",
    "number": "number",
    "status": "extra",
    "vendor_status": "raw_status",
    "booked": "booked",
    "issue_date": "issue_date",
    "due_date": "due_date",
    "currency": "currency",
    "net": "totals",
    "tax": "totals",
    "gross": "totals",
    "rounding": "totals",
    "open": "totals",
    "paid": "paid",
    "credited": "credited",
    "credited_in_part": "credited",
    "sale": "sale",
    "last_payment_on": "last_payment_on",
    "deal": "extra",
    "url": "url",
}
"""The words of the settings for a head, and the field of a document that each belongs to."""

OF_LINES: Final = ("item", "text", "unit", "amount", "tax_rate", "tax_code", "line_kind")
REPEATED: Final = ("kind", "number", "issue_date", "currency")
"""What a row of a line says of its document, so that it can be read by itself."""

_AMOUNTS = frozenset({"net", "tax", "gross", "rounding", "open", "paid", "credited", "amount"})
_MARK = re.compile(r"([0-9A-Z]{16})(?:-(\d{1,5})(-OUT)?)?")
_HUNDRED = Decimal(100)
# A double keeps fifteen digits of any number.
_DOUBLE = Context(prec=15, rounding=ROUND_HALF_UP)
UNTOLD_LENGTH: Final = 50
KEY_LENGTH: Final = 26
"""A key of sixteen characters, the place of a line, and that it is out of use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A key of ours on a row: whose row it is, its place (0: the head), and whether out of use."""

    key: str
    place: int = 0
    spare: bool = False

    @property
    def text(self) -> str:
        """As it stands in the row."""
        line = f"-{self.place}" if self.place else ""
        return f"{self.key}{line}{'-out' if self.spare else ''}"


def mark_of(text: str) -> Mark | None:
    """The key of an invoice in a text that is one, and nothing else."""
    found = _MARK.fullmatch(text.strip().upper())
    if found is None or not keys_in(found[1]) or found[1][13] != KeyKind.INVOICE:
        return None
    return Mark(key=found[1], place=int(found[2] or 0), spare=bool(found[3]))


@dataclass(slots=True)
class Sheaf:
    """The rows of one key. ``lines`` by their place; more than one in a place is one too many."""

    heads: list[Row] = field(default_factory=list)
    lines: dict[int, list[Row]] = field(default_factory=dict)
    spares: list[Row] = field(default_factory=list)

    def doubled_lines(self) -> list[Row]:
        """The rows of lines that carry a key which an older row has already."""
        return [row for rows in self.lines.values() for row in rows[1:]]


def sheaves(rows: Iterable[Row], key_field: str) -> dict[str, Sheaf]:
    """The rows that carry a key of ours, by the key; the oldest come first."""
    found: dict[str, Sheaf] = {}
    for row in sorted(rows, key=lambda row: id_at(row, ID)):
        mark = mark_of(text_at(row, key_field))
        if mark is None:
            continue
        mine = found.setdefault(mark.key, Sheaf())
        if mark.spare:
            mine.spares.append(row)
        elif mark.place:
            mine.lines.setdefault(mark.place, []).append(row)
        else:
            mine.heads.append(row)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """
    Which fields of a system show what. ``told``: the metadata tells of products' custom fields;
    where it does not, each of them counts as there.
    """

    connection: str
    named: InvoiceFields
    zone: ZoneInfo
    fields: Mapping[str, SystemField]
    told: bool

    def field(self, name: str) -> SystemField:
        """A field by its name, with its length where that is known."""
        length = 0 if name in (*NUMBERS, ID, OWNER, PLACE) else UNTOLD_LENGTH
        return self.fields.get(name) or native(name, length=0 if self.told else length)

    def missing(self) -> dict[str, str]:
        """The words whose field is not switched on."""
        places = self.named.places()
        return {
            word: name
            for word, name in places.items()
            if self.told and is_custom_name(name) and name not in self.fields
        }

    @property
    def columns(self) -> frozenset[str]:
        """All that is read of a row."""
        own = (ID, OWNER, PLACE, *NUMBERS, "ProductUpdatedAt", "ProductCreatedBy")
        return frozenset((*own, *self.named.places().values()))

    # Out.

    def head(self, document: Document, names: Set[str]) -> dict[str, object]:
        """What the head row shows of these fields of a document."""
        values = _head_values(document)
        places = self.named.places()
        return {places[w]: values[w] for w, of in HEAD.items() if of in names and w in places} | {
            PLACE: 0,
            **dict.fromkeys(NUMBERS, Decimal(0)),
        }

    def line(self, document: Document, line: Line, place: int) -> dict[str, object]:
        """What the row of a line shows."""
        values = _line_values(line)
        return {
            **self.repeated(document),
            **{self.named.places()[w]: one for w, one in values.items() if w in self._lines},
            PLACE: place,
            QUANTITY: _double(line.quantity),
            PRICE: _double(line.unit_price),
            DISCOUNT: _double(line.discount * _HUNDRED),
        }

    def repeated(self, document: Document) -> dict[str, object]:
        """What every row of a line says of its document."""
        values, places = _head_values(document), self.named.places()
        return {places[word]: values[word] for word in REPEATED if word in places}

    def spare(self, document: Document, place: int) -> dict[str, object]:
        """A row whose line is no more: it comes to nothing."""
        emptied = dict.fromkeys((self.named.places()[word] for word in self._lines), "")
        nothing = dict.fromkeys(NUMBERS, Decimal(0))
        return {**self.repeated(document), **emptied, **nothing, PLACE: place}

    @property
    def _lines(self) -> frozenset[str]:
        return frozenset({*OF_LINES, "dimensions"} & self.named.places().keys())

    def moved(
        self, values: Mapping[str, object], row: Row | None, findings: list[Finding]
    ) -> dict[str, Wire]:
        """Those values that a row does not show yet, as its fields take them."""
        exact = {self.named.places().get(word) for word in _AMOUNTS}
        found: dict[str, Wire] = {}
        for name, value in values.items():
            known = self.field(name)
            text = value.strip().replace("\r\n", "\n") if isinstance(value, str) else value
            if name == self.named.url and known.length and len(str(text)) > known.length:
                # An address that was cut leads nowhere.
                text = ""
            wire = to_wire(known, text, cut=name not in exact)
            if isinstance(wire, Unfit):
                findings.append(wire.finding)
            elif row is None or not same(known, wire, row.get(name)):
                found[name] = wire
        return found

    # In.

    def document(self, head: Row, sheaf: Sheaf, shape: str = "") -> Document:
        """
        The document that a head row and the rows of its lines show.

        Where the head has lost its key, or another row has it too, it does not say which document
        it is: then it shows no status, so that it is looked at before anything else.
        """
        named = self.named
        kind = text_at(head, named.kind)
        known = kind in (DocumentKind.INVOICE, DocumentKind.CREDIT_NOTE)
        sure = known and mark_of(text_at(head, named.key)) is not None and len(sheaf.heads) == 1
        placed = [(place, row) for place, mine in sorted(sheaf.lines.items()) for row in mine]
        stamps = [
            stamp_text(row.get("ProductUpdatedAt")) for row in (head, *(r for _, r in placed))
        ]
        deal = text_at(head, named.deal)
        owner = id_at(head, OWNER)
        return Document(
            ref=ref_of(self.connection, Entity.DOCUMENT, id_at(head, ID)),
            version=max(stamps) or None,
            changed_at=moment_at(head, "ProductUpdatedAt", self.zone),
            kind=DocumentKind(kind) if known else DocumentKind.INVOICE,
            number=text_at(head, named.number),
            raw_status=text_at(head, named.vendor_status),
            booked=flag_at(head, named.booked) if named.booked else True,
            customer=ref_of(self.connection, Entity.CUSTOMER, owner) if owner else None,
            issue_date=self._day(head, named.issue_date),
            due_date=self._day(head, named.due_date),
            last_payment_on=self._day(head, named.last_payment_on),
            currency=text_at(head, named.currency),
            totals=self._totals(head),
            paid=_amount(head, named.paid),
            credited=_amount(head, named.credited),
            sale=flag_at(head, named.sale) if named.sale else True,
            url=text_at(head, named.url),
            lines=tuple(self._line(row, place) for place, row in placed),
            extra={
                "status": text_at(head, named.status),
                "deal": f"{DEAL}:{deal}" if deal.isdecimal() else "",
            }
            if sure
            else {},
            carrier_text=text_at(head, named.key),
            shape=shape,
        )

    def _totals(self, head: Row) -> Totals | None:
        named = self.named
        net, tax, gross = (_amount(head, one) for one in (named.net, named.tax, named.gross))
        if net is None or tax is None or gross is None:
            return None
        return Totals(
            currency=text_at(head, named.currency),
            net=net,
            tax=tax,
            gross=gross,
            rounding=_amount(head, named.rounding) or Decimal(0),
            open=_amount(head, named.open),
        )

    def _line(self, row: Row, position: int) -> Line:
        named = self.named
        kind, number = text_at(row, named.line_kind), text_at(row, named.item)
        text = text_at(row, named.text)
        rate = _amount(row, named.tax_rate)
        pairs = text_at(row, named.dimensions).split(";")
        return Line(
            ref=ref_of(self.connection, Entity.DOCUMENT, id_at(row, ID)),
            position=position,
            kind=LineKind(kind) if kind in {one.value for one in LineKind} else LineKind.ITEM,
            item=ItemRef(number=number) if number else None,
            text=plain_text(text) if named.text.endswith("Memo") else text.replace("\r\n", "\n"),
            quantity=number_at(row, QUANTITY) or Decimal(0),
            unit=text_at(row, named.unit),
            unit_price=number_at(row, PRICE) or Decimal(0),
            discount=(number_at(row, DISCOUNT) or Decimal(0)) / _HUNDRED,
            stated_net=_amount(row, named.amount),
            tax_code=text_at(row, named.tax_code),
            tax_rate=None if rate is None else rate / _HUNDRED,
            dimensions=dict(pair.split("=", 1) for pair in pairs if "=" in pair),
        )

    def _day(self, row: Row, name: str) -> Any:
        try:
            return day_at(row, name, self.zone)
        except RowError:
            # Somebody wrote over it; it is not the day that we wrote.
            return None


def is_custom_name(name: str) -> bool:
    """Whether customers give a field of a product its meaning."""
    return re.fullmatch(r"Product(?:Custom|Plus)\d+", name) is not None


def _head_values(document: Document) -> dict[str, object]:
    totals, status = document.totals, document.extra.get("status")
    deal = number_of(str(document.extra.get("deal") or ""), DEAL)
    credited = bool(document.credited and document.credited > 0)
    return {
        "kind": document.kind.value,
        "number": document.number,
        "status": status,
        "vendor_status": document.raw_status,
        "booked": document.booked,
        "issue_date": document.issue_date,
        "due_date": document.due_date,
        "currency": document.currency,
        "net": totals.net if totals else None,
        "tax": totals.tax if totals else None,
        "gross": totals.gross if totals else None,
        "rounding": totals.rounding if totals else None,
        "open": totals.open if totals else None,
        "paid": document.paid,
        "credited": document.credited,
        "credited_in_part": credited and status != Status.CREDITED,
        "sale": document.sale,
        "last_payment_on": document.last_payment_on,
        "deal": str(deal or ""),
        "url": document.url,
    }


def _line_values(line: Line) -> dict[str, object]:
    return {
        "item": line.item.number if line.item else "",
        "text": line.text,
        "unit": line.unit,
        "amount": line.stated_net,
        "tax_rate": "" if line.tax_rate is None else plain(line.tax_rate * _HUNDRED),
        "tax_code": line.tax_code,
        "line_kind": line.kind.value,
        "dimensions": ";".join(f"{k}={v}" for k, v in sorted(line.dimensions.items())),
    }


def _double(value: Decimal) -> Decimal:
    """The number as a double holds it and gives it back."""
    return value if len(value.as_tuple().digits) <= _DOUBLE.prec else _DOUBLE.plus(value)


def _amount(row: Row, name: str) -> Decimal | None:
    text = text_at(row, name)
    try:
        found = Decimal(text) if text else None
    except InvalidOperation:
        # Somebody wrote over it; it is not the amount that we wrote.
        return None
    return found if found is not None and found.is_finite() else None


def slim(row: Row, columns: Set[str]) -> Row:
    """A row with no more than these columns."""
    return {name: value for name, value in row.items() if name in columns}


def written(row: Row | None, body: Mapping[str, Any]) -> Row:
    """A row as it will be."""
    return {**(row or {}), **body}


def with_row(sheaf: Sheaf, place: int, row: Row) -> None:
    """Takes a row into its place."""
    sheaf.lines.setdefault(place, []).append(row)


def with_ref(document: Document, ref: Any) -> Document:
    """A document that is about to be made has no number of its own yet."""
    lines: Sequence[Line] = document.lines
    bare = tuple(
        replace(line, ref=None if line.ref and line.ref.id.endswith(":0") else line.ref)
        for line in lines
    )
    return replace(document, ref=ref, version=None, changed_at=None, lines=bare)
