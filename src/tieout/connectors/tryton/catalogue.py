"""Products, what the screen would fill in for them, and payment methods: asked once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tieout.connectors.tryton import translate
from tieout.connectors.tryton.api import TrytonApi
from tieout.connectors.tryton.books import Books
from tieout.connectors.tryton.compose_lines import (
    Default,
    Defaults,
    Product,
    Products,
    product_of,
)
from tieout.connectors.tryton.values import Payload, id_of, text_of
from tieout.core.change import Change
from tieout.core.model import Document

_LIVE_MS = 600_000
_LINE = "account.invoice.line"


@dataclass(frozen=True, slots=True)
class Known:
    """
    What some changes need: products by code in small letters and by id as ``#12``, and what the
    screen would fill in by customer and product.
    """

    products: Products
    defaults: Defaults


class Catalogue:
    """
    What lines need to know and the API does not fill in. Kept for ten minutes.

    A default is asked for once for each product, and for each customer with a tax rule of its own.
    """

    def __init__(self, api: TrytonApi) -> None:
        self._api = api
        self._products: dict[str, Product] = {}
        self._by_rule: dict[tuple[int, int, int], Default] = {}
        self._methods: dict[str, int] | None = None
        self._at_ms = 0

    async def load(
        self, changes: Sequence[Change], parties: Mapping[int, Payload], books: Books
    ) -> Known:
        """What these changes name, in few calls. Others may ask at the same time."""
        now = self._api.clock.steady()
        if now - self._at_ms > _LIVE_MS:
            self._products = {}
            self._by_rule = {}
            self._methods = None
            self._at_ms = now
        defaults: dict[tuple[int, int], Default] = {}
        await self._load_products(changes)
        for change in changes:
            record = change.wanted.record if change.wanted is not None else None
            if not isinstance(record, Document):
                continue
            party = parties.get(int(record.customer.id)) if record.customer is not None else None
            if party is not None:
                defaults |= await self._defaults(record, party, books)
        return Known(self._products, defaults)

    async def payment_method(self, said: str) -> int | None:
        """The payment method of that name, for '' the first one; None where there is none."""
        if self._methods is None:
            rows = await self._api.search(
                "account.invoice.payment.method",
                [["company", "=", self._api.company]],
                ["name", "journal.code"],
            )
            self._methods = {text_of(row, "name").casefold(): int(row["id"]) for row in rows}
        if not said:
            return next(iter(self._methods.values()), None)
        return self._methods.get(said.casefold())

    async def _load_products(self, changes: Iterable[Change]) -> None:
        numbers, ids = _named(changes)
        # In the cases in which they could be written over there: `=` minds capitals.
        missing = [number for number in numbers if number.casefold() not in self._products]
        for start in range(0, len(missing), 100):
            part = missing[start : start + 100]
            found = await self._search([["code", "in", part]])
            self._know(found)
        missing = [number for number in numbers if number.casefold() not in self._products]
        for number in missing:
            self._know(await self._search([["code", "ilike", _exactly(number)]]))
        unknown = [number for number in ids if f"#{number}" not in self._products]
        if unknown:
            self._know(await self._search([["id", "in", unknown]]))

    async def _search(self, domain: list[object]) -> list[Payload]:
        return await self._api.search(
            "product.product",
            [*domain, ["active", "in", [True, False]]],
            translate.ITEM_FIELDS,
        )

    def _know(self, rows: Iterable[Payload]) -> None:
        for row in rows:
            made = product_of(row)
            self._products[f"#{made.id}"] = made
            before = self._products.get(made.code.casefold())
            # Codes are not unique over there: an active product goes before one that is not.
            if made.code and (before is None or (made.active and not before.active)):
                self._products[made.code.casefold()] = made

    async def _defaults(
        self, record: Document, party: Payload, books: Books
    ) -> dict[tuple[int, int], Default]:
        number = id_of(party, "id") or 0
        rule = id_of(party, "customer_tax_rule") or 0
        found: dict[tuple[int, int], Default] = {}
        for line in record.lines:
            product = self._product(line.item.ref.id if line.item and line.item.ref else "",
                                    line.item.number if line.item else "")  # fmt: skip
            if product is None:
                continue
            # Without a rule the answer is the same for everybody.
            place = (rule, number if rule else 0, product.id)
            if place not in self._by_rule:
                self._by_rule[place] = await self._ask(product.id, number, books)
            found[number, product.id] = self._by_rule[place]
        return found

    def _product(self, number: str, code: str) -> Product | None:
        return self._products.get(f"#{number}") or self._products.get(code.casefold())

    async def _ask(self, product: int, party: int, books: Books) -> Default:
        """Every field that the rule reads must be there, else the server fails."""
        told = await self._api.on_change(
            _LINE,
            {
                "type": "line",
                "company": books.company,
                "currency": books.currency.id,
                "invoice_type": "out",
                "party": party,
                "invoice": None,
                "product": product,
                "quantity": 1,
                "unit": None,
                "unit_price": None,
                "account": None,
                "taxes": [],
            },
            ["product"],
        )
        return Default(account=id_of(told, "account"), unit=id_of(told, "unit"), taxes=_taxes(told))


def _taxes(told: Payload) -> tuple[int, ...]:
    """The taxes that a change of the product gives: added one by one, or as a list."""
    value = told.get("taxes")
    if isinstance(value, Mapping):
        added = [row[1] for row in value.get("add") or () if len(row) > 1]
        return tuple(sorted(int(row["id"]) for row in added if row.get("id") is not None))
    if isinstance(value, list):
        return tuple(sorted(number for number in value if isinstance(number, int)))
    return ()


def _named(changes: Iterable[Change]) -> tuple[list[str], list[int]]:
    numbers: dict[str, None] = {}
    ids: dict[int, None] = {}
    for change in changes:
        record = change.wanted.record if change.wanted is not None else None
        for line in record.lines if isinstance(record, Document) else ():
            if line.item is not None and line.item.ref is not None and line.item.ref.id.isdecimal():
                ids[int(line.item.ref.id)] = None
            elif line.item is not None and line.item.number:
                numbers[line.item.number] = None
    return list(numbers), list(ids)


def _exactly(text: str) -> str:
    """A text as a pattern that matches it alone, whatever its capitals."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
