"""The lines of a draft, over the lines that stood there where they are the same ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tieout.connectors.tryton import documents, translate
from tieout.connectors.tryton.books import Books, Currency, tax_ids
from tieout.connectors.tryton.making import Commands, Made, fits_decimals
from tieout.connectors.tryton.predict import line_amount
from tieout.connectors.tryton.values import (
    Number,
    Payload,
    amount_of,
    id_of,
    ids_of,
    linked,
    rows_of,
    text_of,
)
from tieout.core.model import Document, Line, LineKind
from tieout.core.money import line_net, minor_units

LINE_MODEL = "account.invoice.line"
_PRICE_DECIMALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as a line needs it; ``unit_decimals`` is what its unit allows."""

    id: int
    code: str
    name: str = ""
    active: bool = True
    unit: int | None = None
    unit_symbol: str = ""
    unit_decimals: int = 4
    salable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """What the screen would fill in for a product and a customer."""

    account: int | None
    unit: int | None
    taxes: tuple[int, ...]


Products = Mapping[str, Product]
Defaults = Mapping[tuple[int, int], Default]


class InvoiceLines:
    """Makes the lines of a draft, over the lines that stood there where they are the same ones."""

    def __init__(
        self,
        made: Made,
        books: Books,
        currency: Currency,
        products: Products,
        defaults: Defaults,
        party: int,
    ) -> None:
        self._made = made
        self._books = books
        self._currency = currency
        self._products = products
        self._defaults = defaults
        self._party = party
        self._before: list[Payload] = []
        self._commands: Commands = []
        self._new: list[dict[str, Any]] = []
        self._shown: list[dict[str, Any]] = []

    def build(self, lines: Sequence[Line], read: Payload | None, base: Document | None) -> None:
        """The commands for the lines in their order, those of others behind them."""
        if not any(line.kind is not LineKind.TEXT for line in lines):
            self._made.wrong("no_lines", "The document has no line with a price.", place="lines")
        stood = documents.ordered_lines(read) if read is not None else []
        foreign = self._foreign(read, base, stood)
        self._before = [row for row in stood if row not in foreign]
        for place, line in enumerate(lines, start=1):
            if line.kind is not LineKind.TEXT:
                self._item(line, place)
            elif line.text.strip():
                self._text(line)
        self._shown += [dict(row) for row in foreign]
        gone = [int(row["id"]) for row in self._before]
        if gone:
            for row in self._before:
                self._made.written(LINE_MODEL, row)
            self._commands.append(["delete", gone])
        self._in_order()
        if self._new:
            self._commands.append(["create", self._new])
        self._made.values["lines"] = self._commands
        self._made.shown["lines."] = self._shown

    def _foreign(
        self, read: Payload | None, base: Document | None, stood: Sequence[Payload]
    ) -> list[Payload]:
        """Lines that somebody added since both sides agreed: in what was read, not in the base."""
        if read is None or base is None or len(stood) <= len(base.lines):
            # As many lines as before means that lines were changed, not added: ours to set.
            return []
        known = [documents.line_content(line) for line in base.lines]
        found = []
        of_order = "sale_date" in read
        told = documents.order if of_order else documents.document
        shown = told(read, self._books).lines
        for row, line in zip(stood, shown, strict=True):
            content = documents.line_content(line)
            if content in known:
                known.remove(content)
            else:
                found.append(row)
        return found

    # --- kinds of lines --------------------------------------------------------------------------

    def _text(self, line: Line) -> None:
        text = line.text.strip()
        stood = self._take(
            lambda row: row.get("type") == "comment" and text_of(row, "description") == text
        )
        values = {"type": "comment", "description": text}
        self._put(values, stood, {})

    def _in_order(self) -> None:
        """
        Numbers the lines where their order is not that of their ids. Else they have no number, so
        that a line that a person adds comes last: those without one stand before all others.
        """
        ids = [int(row.get("id") or 0) for row in self._shown]
        stood = [number for number in ids if number]
        natural = stood == sorted(stood) and ids == [*stood, *[0] * (len(ids) - len(stood))]
        if natural and all(row.get("sequence") is None for row in self._shown):
            return
        written = {command[1][0]: command[2] for command in self._commands if command[0] == "write"}
        new = iter(self._new)
        for place, row in enumerate(self._shown, start=1):
            before, row["sequence"] = row.get("sequence"), place * 10
            if not row.get("id"):
                next(new)["sequence"] = place * 10
            elif before != place * 10:
                self._made.written(LINE_MODEL, row)
                values = written.get(row["id"])
                if values is None:
                    self._commands.append(["write", [row["id"]], {"sequence": place * 10}])
                else:
                    values["sequence"] = place * 10

    def _item(self, line: Line, place: int) -> None:
        product = self._product(line, place)
        price = self._price(line, place)
        if product is None or price is None:
            return
        default = self._defaults.get((self._party, product.id))
        account = default.account if default is not None else None
        if account is None:
            self._made.wrong(
                "account_missing",
                f"Product {product.code} (line {place}) has no revenue account in Tryton.",
                hint="Give it an account category with one.",
                place=f"lines.{place}.item",
            )
        self._quantity(line, product, place)
        taxes = self._taxes(line, default, product, place)
        text = line.text.strip() or (line.item.name if line.item else "") or product.name
        note = None
        if line.discount or price != line.unit_price:
            note = documents.price_note(line.unit_price, line.discount)
        stood = self._stood(product.id, text)
        unit = (default.unit if default is not None else None) or product.unit
        values: dict[str, Any] = {
            "type": "line",
            "product": product.id,
            "unit": unit,
            "quantity": Number(line.quantity),
            "unit_price": price,
            "account": account,
            "description": text,
            "note": self._note(stood, note),
        }
        self._put(
            values,
            stood,
            {
                "product.": {"id": product.id, "code": product.code},
                "unit.": {
                    "id": unit,
                    "symbol": product.unit_symbol if unit == product.unit else "",
                },
                "quantity": line.quantity,
                "amount": line_amount(line.quantity, price, self._currency.rounding),
            },
            taxes=taxes,
            dimensions=self._dimensions(line, place),
        )

    # --- parts of a line -------------------------------------------------------------------------

    def _product(self, line: Line, place: int) -> Product | None:
        item = line.item
        if item is not None:
            number = item.ref.id if item.ref else ""
            found = self._products.get(f"#{number}") or self._products.get(item.number.casefold())
            if found is not None and found.active:
                return found
            if found is not None:
                # Tryton itself would take it.
                self._made.wrong(
                    "item_not_usable",
                    f"Product {found.code} (line {place}) is not active in Tryton.",
                    hint="Activate it, or map the item to another one.",
                    place=f"lines.{place}.item",
                )
                return None
        said = (item.number or item.name) if item else line.text
        self._made.wrong(
            "item_no_code",
            f'"{said}" (line {place}) is no product in Tryton; every line with a price needs one.',
            hint="Add it to the table of items, or make the product in Tryton.",
            place=f"lines.{place}.item",
        )
        return None

    def _price(self, line: Line, place: int) -> Decimal | None:
        where = f"lines.{place}"
        if line.includes_tax:
            self._made.wrong(
                "net_differs",
                f"Line {place} is priced with VAT; Tryton takes prices without it.",
                place=f"{where}.unit_price",
            )
        if not 0 <= line.discount <= 1:
            self._made.wrong(
                "discount_out_of_range",
                f"The discount of line {place} is {line.discount}; it must be from 0 to 1.",
                place=f"{where}.discount",
            )
            return None
        if not line.discount and not fits_decimals(line.unit_price, _PRICE_DECIMALS):
            self._made.wrong(
                "value_too_fine",
                f"The price of line {place} is {line.unit_price}; Tryton takes four decimals.",
                hint="Change it on the deal, or map it to a smaller unit.",
                place=f"{where}.unit_price",
            )
            return None
        currency = self._currency
        price = documents.price_to_write(
            line.quantity, line.unit_price, line.discount, currency.code, currency.rounding
        )
        if price is None:
            meant = line_net(
                line.quantity, line.unit_price, line.discount, minor_units(currency.code)
            )
            self._made.wrong(
                "net_differs",
                f"Line {place} comes to {meant:,}; no price with four decimals does so in Tryton.",
                hint="Put the discount on a line of its own, or sell it in a larger unit.",
                place=f"{where}.unit_price",
            )
        return price

    def _quantity(self, line: Line, product: Product, place: int) -> None:
        if not fits_decimals(line.quantity, product.unit_decimals):
            self._made.wrong(
                "value_too_fine",
                f"The quantity of line {place} is {line.quantity}; the unit of {product.code} "
                f"({product.unit_symbol}) has {product.unit_decimals} decimals in Tryton.",
                hint="Sell it in a unit that can be split, or change the unit's digits.",
                place=f"lines.{place}.quantity",
            )

    def _taxes(
        self, line: Line, default: Default | None, product: Product, place: int
    ) -> tuple[int, ...]:
        """The taxes that the code says, else those that Tryton would fill in."""
        named = tax_ids(line.tax_code)
        told = default.taxes if default is not None else ()
        if line.tax_code and named is None:
            self._made.wrong(
                "tax_unresolved",
                f'"{line.tax_code}" (line {place}) is no tax in Tryton.',
                place=f"lines.{place}.tax_code",
            )
            return ()
        taxes = tuple(sorted(named)) if line.tax_code and named is not None else told
        unknown = [number for number in taxes if number not in self._books.taxes]
        if unknown:
            # Asked with such a one, Tryton says something misleading.
            self._made.wrong(
                "tax_unresolved",
                f"Line {place} names a tax that does not exist in this company ({unknown[0]}).",
                hint="Read the codes again.",
                place=f"lines.{place}.tax_code",
            )
            return ()
        rate = self._books.rate_of(taxes)
        if line.tax_rate is not None and rate is not None and rate != line.tax_rate:
            self._made.wrong(
                "tax_unresolved",
                f"Line {place} is sold with VAT of {_percent(line.tax_rate)}; Tryton gives "
                f"{product.code} {_percent(rate)} for this customer.",
                hint="Correct the taxes of the product, or the tax rule of the customer.",
                place=f"lines.{place}.tax_code",
            )
        return taxes

    def _dimensions(self, line: Line, place: int) -> dict[int, int]:
        """Analytic accounts by their root."""
        found: dict[int, int] = {}
        for kind, code in line.dimensions.items():
            known = self._books.dimension_id.get((kind, code.casefold()))
            if known is None:
                self._made.wrong(
                    "dimension_unknown",
                    f"{kind} {code} (line {place}) is no analytic account in Tryton.",
                    hint="Add it in Tryton, or correct the mapping.",
                    place=f"lines.{place}.dimensions.{kind}",
                )
            else:
                found[known[0]] = known[1]
        return found

    @staticmethod
    def _note(stood: Payload | None, note: str | None) -> str | None:
        before = text_of(stood or {}, "note")
        kept = [row for row in before.split("\n") if not row.startswith("Price ")]
        return "\n".join([*([note] if note else []), *kept]).strip() or None

    # --- putting it together ---------------------------------------------------------------------

    def _stood(self, product: int, text: str) -> Payload | None:
        """The line that this one was before; None for a new one."""
        return self._take(
            lambda row: id_of(row, "product") == product and text_of(row, "description") == text
        ) or self._take(lambda row: id_of(row, "product") == product)

    def _take(self, fits: Any) -> Payload | None:
        found = next((row for row in self._before if fits(row)), None)
        if found is not None:
            self._before.remove(found)
        return found

    def _put(
        self,
        values: dict[str, Any],
        stood: Payload | None,
        shown: Mapping[str, Any],
        *,
        taxes: tuple[int, ...] = (),
        dimensions: Mapping[int, int] | None = None,
    ) -> None:
        row = {**(stood or {}), **values, **shown, "taxes": sorted(taxes)}
        self._shown.append(row)
        if stood is None:
            if taxes:
                values["taxes"] = [["add", list(taxes)]]
            # It defaults to the company's, and then the head's does not fit: of a text line too.
            values["currency"] = self._currency.id
            if dimensions:
                values["analytic_accounts"] = [["create", _entries(dimensions)]]
            row["analytic_accounts."] = _entries(dimensions or {})
            self._new.append(values)
            return
        changed = {
            name: value for name, value in values.items() if not _same(stood.get(name), value)
        }
        before = set(ids_of(stood, "taxes"))
        commands: Commands = []
        if before - set(taxes):
            commands.append(["remove", sorted(before - set(taxes))])
        if set(taxes) - before:
            commands.append(["add", sorted(set(taxes) - before)])
        if commands:
            changed["taxes"] = commands
        if dimensions is not None and self._books.has_analytic:
            entries = _entry_commands(stood, dimensions)
            if entries:
                changed["analytic_accounts"] = entries
            row["analytic_accounts."] = _entries(dimensions)
        if changed:
            self._made.written(LINE_MODEL, stood)
            self._commands.append(["write", [stood["id"]], changed])


def _entries(dimensions: Mapping[int, int]) -> list[dict[str, int]]:
    return [{"root": root, "account": account} for root, account in sorted(dimensions.items())]


def _entry_commands(stood: Payload, dimensions: Mapping[int, int]) -> Commands:
    """What brings the analytic entries of a line to these, one for each root."""
    commands: Commands = []
    left = dict(dimensions)
    for entry in rows_of(stood, "analytic_accounts"):
        root, account = id_of(entry, "root"), id_of(entry, "account")
        wanted = left.pop(root, None) if root is not None else None
        if wanted != account:
            commands.append(["write", [entry["id"]], {"account": wanted}])
    if left:
        commands.append(["create", _entries(left)])
    return commands


def _same(there: object, value: object) -> bool:
    if isinstance(value, Number):
        return there == value.value
    return (there or None) == (value or None)


def _percent(rate: Decimal) -> str:
    return f"{format((rate * 100).normalize(), 'f')} %"


def product_of(row: Payload) -> Product:
    """A product's row as a line needs it."""
    template = linked(row, "template")
    unit = linked(template, "default_uom")
    return Product(
        id=int(row["id"]),
        code=text_of(row, "code"),
        name=text_of(template, "name"),
        active=translate.item_active(row),
        unit=id_of(unit, "id"),
        unit_symbol=text_of(unit, "symbol"),
        unit_decimals=int(amount_of(unit, "digits")),
        salable=bool(template.get("salable")),
    )
