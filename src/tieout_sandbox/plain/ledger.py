"""The rows of the invented book: documents with their totals, customers, items, payments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.plain.codes import first_codes
from tieout_sandbox.plain.rows import RefusedError, Row, cents
from tieout_sandbox.plain.variant import Variant

ZERO = Decimal("0.00")
NAME_LENGTH = 50
HEADER = (
    "customer",
    "currency",
    "issue_date",
    "terms",
    "delivered_on",
    "our_reference",
    "your_reference",
    "po_number",
    "buyer_reference",
)
CUSTOMER_FIELDS = (
    "name",
    "kind",
    "org_number",
    "vat_number",
    "einvoice",
    "address",
    "shipping",
    "email",
    "phone",
    "contact",
    "language",
    "currency",
    "terms",
    "country",
)
CONTACT_FIELDS = ("customer", "given", "family", "email", "phone", "mobile", "title", "active")
CONTACT_NAME_LENGTH = 30
TERMS_DAYS = {"N10": 10, "N14": 14, "N30": 30, "N60": 60}


class Ledger:
    """All rows of one company. Nothing is ever taken out: what is deleted is only marked."""

    def __init__(self, variant: Variant, clock: SandboxClock) -> None:
        self.variant = variant
        self.clock = clock
        self.lag_until: datetime | None = None
        self.tables: dict[str, dict[str, Row]] = {
            "documents": {},
            "customers": {},
            "items": {},
            "prices": {},
            "payments": {},
            "contacts": {},
        }
        self.gone: list[Row] = []
        self.codes = first_codes()
        self.counters: dict[str, int] = {"number": 10000, "customer": 100}

    # Rows.

    def live(self, table: str) -> Iterator[Row]:
        """The rows that were not deleted."""
        return (row for row in self.tables[table].values() if not row["_deleted"])

    def find(self, table: str, row_id: str) -> Row:
        """A live row; RefusedError 404, or 410 for a deleted one where the book remembers."""
        row = self.tables[table].get(row_id)
        if row is not None and not row["_deleted"]:
            return row
        if row is not None and row.get("merged_into"):
            winner = row["merged_into"]
            raise RefusedError(410, "merged", f"{row_id} is {winner} now", merged_into=winner)
        if row is not None and self._remembers(row):
            raise RefusedError(410, "deleted", f"{table} {row_id} was deleted")
        raise RefusedError(404, "not_found", f"there is no {table} {row_id}")

    def _remembers(self, row: Row) -> bool:
        return self.variant.tombstones and not row.get("_became")

    def new_id(self, kind: str) -> str:
        """The next id of a kind, such as `d7`."""
        self.counters[kind] = self.counters.get(kind, 0) + 1
        return f"{kind}{self.counters[kind]}"

    def add(self, table: str, row: Row, by: str, carrier: str) -> Row:
        """Stores a new row made by 'api' or 'person'."""
        now = self.clock.now()
        row.update(created_at=now, revision=0, _by=by, _carrier=carrier, _deleted=False, _index=[])
        self.tables[table][row["id"]] = row
        self.touch(row)
        return row

    def touch(self, row: Row) -> None:
        """A row changed now: next revision, new stamp, and the search index follows later."""
        now = self.clock.now()
        row["changed_at"] = now
        row["revision"] += 1
        seen_from = now + timedelta(seconds=self.variant.search_lag_s)
        if self.lag_until is not None:
            seen_from = max(seen_from, self.lag_until)
        # Only what can still be asked for is kept: the entry in force and those to come.
        index: list[list[Any]] = row["_index"]
        while len(index) > 1 and index[1][0] <= now:
            index.pop(0)
        index.append([seen_from, row["_carrier"], row.get("customer", "")])

    def indexed(self, row: Row) -> tuple[str, str] | None:
        """Carrier and customer as a search sees them now; None where it does not know the row."""
        now = self.clock.now()
        found = None
        for seen_from, carrier, customer in row["_index"]:
            if seen_from <= now:
                found = (carrier, customer)
        return found

    def price_lists(self) -> list[Row]:
        """The price lists that prices name, as codes."""
        names = sorted({row["list"] for row in self.live("prices") if row["list"]})
        return [{"kind": "price_list", "code": name, "name": name.title()} for name in names]

    def set_price(self, item: Row, list_name: str, currency: str, values: Row) -> Row:
        """A price of that item: the one of this list, currency, quantity and first day, or new."""
        place = (list_name, currency, values.get("from_quantity") or ZERO, values.get("valid_from"))
        for row in self.live("prices"):
            mine = (row["list"], row["currency"], row["from_quantity"], row["valid_from"])
            if row["item"] == item["id"] and mine == place:
                row.update(values)
                self.touch(row)
                return row
        return self.add(
            "prices",
            {
                "id": self.new_id("pr"),
                "item": item["id"],
                "list": list_name,
                "currency": currency,
                "from_quantity": ZERO,
                "valid_from": None,
                "valid_to": None,
                **values,
            },
            "person",
            "",
        )

    def remove(self, table: str, row: Row, *, became: str = "", merged_into: str = "") -> None:
        """Marks a row deleted, and tells the feed where the book has one."""
        self.touch(row)
        row["_deleted"] = True
        if became:
            row["_became"] = became
            return
        if self.variant.tombstones or merged_into:
            self.gone.append(
                {
                    "no": len(self.gone) + 1,
                    "collection": self.collection(row) if table == "documents" else table,
                    "id": row["id"],
                    "merged_into": merged_into,
                    # Where it could be read while it was there, it is told with the deletion.
                    self.variant.carrier_field: ""
                    if self.variant.guard == "e2"
                    else row["_carrier"],
                    "at": self.clock.now(),
                }
            )

    def require_unique(self, table: str, field: str, value: str, but: str = "") -> None:
        """RefusedError 409 where a live record has that number or external id already."""
        other = self.holder(table, field, value)
        if other is None or other["id"] == but:
            return
        facts = {
            "id": other["id"],
            "collection": self.collection(other) if table == "documents" else table,
            self.variant.carrier_field: other["_carrier"],
        }
        code = "number_taken" if field == "number" else "exists"
        raise RefusedError(409, code, f"{value} is on {other['id']} already", **facts)

    def holder(self, table: str, field: str, value: str) -> Row | None:
        """The live record with that number or external id."""
        return next((row for row in self.live(table) if row[field] == value), None)

    # Documents.

    def collection(self, document: Row) -> str:
        """Where a document is listed."""
        if document["type"] == "order":
            return "orders"
        if self.variant.keeps_id:
            return "documents"
        return "drafts" if document["status"] == "draft" else "invoices"

    def documents(self, collection: str) -> Iterator[Row]:
        """The live documents of a collection, `drafts`, `invoices` or `documents`."""
        return (row for row in self.live("documents") if self.collection(row) == collection)

    def document(self, collection: str, row_id: str) -> Row:
        """A live document of that collection; RefusedError where it is not there."""
        row = self.find("documents", row_id)
        if self.collection(row) != collection:
            raise RefusedError(404, "not_found", f"there is no {row_id} in {collection}")
        return row

    def new_document(self, values: Row, by: str, carrier: str, kind: str = "invoice") -> Row:
        """A draft, or an open order, with these values; RefusedError where something is wrong."""
        moves = kind == "invoice" and not self.variant.keeps_id
        row: Row = {
            "id": self.new_id("o" if kind == "order" else "d" if moves else "i"),
            "type": kind,
            "status": "draft",
            "number": str(values.get("number") or ""),
            **{name: values.get(name) for name in HEADER},
            "lines": [],
            "created_from": None,
            "from_order": None,
            "credits": [],
            "paid": ZERO,
            "credited": ZERO,
            "last_payment_on": None,
            "due_date": None,
        }
        self.set_content(row, values)
        if kind == "order":
            row["issue_date"] = row["issue_date"] or self.clock.now().date().isoformat()
            row["number"] = row["number"] or f"SO-{row['id'][1:]}"
        return self.add("documents", row, by, carrier)

    def invoice_order(self, order: Row, lines: list[Row], *, whole: bool) -> Row:
        """A booked invoice over these lines; the order is done with it, or in part."""
        kept = self.variant.copies_carrier and self.variant.unique != "_carrier"
        values = {**{name: order[name] for name in HEADER}, "issue_date": None, "lines": lines}
        draft = self.new_document(values, "person", order["_carrier"] if kept else "")
        draft["from_order"] = order["id"]
        booked = self.book(draft)
        order["status"] = "invoiced" if whole else "shipped"
        self.touch(order)
        return booked

    def set_content(self, row: Row, values: Row) -> None:
        """Header fields and lines that are named; RefusedError where one is not possible."""
        customer_id = values.get("customer", row["customer"])
        customer = self.tables["customers"].get(str(customer_id))
        if customer is None or customer["_deleted"]:
            raise RefusedError(422, "customer_unknown", f"there is no customer {customer_id}")
        lines = self._lines(row, values["lines"]) if "lines" in values else row["lines"]
        header = {name: values[name] for name in HEADER if name in values}
        row.update(header, lines=lines)
        row["currency"] = row["currency"] or customer["currency"] or "SEK"
        row["customer_name"] = customer["name"]
        self.total(row)

    def _lines(self, row: Row, lines: list[Row]) -> list[Row]:
        made = []
        for position, line in enumerate(lines, start=1):
            item = self._item(line)
            rate = line.get("rate")
            if rate is None:
                rate = item["rate"] if item is not None else ZERO
            made.append(
                {
                    "id": f"{row['id']}-{position}",
                    "kind": line.get("kind") or "item",
                    "item": line.get("item") or "",
                    "text": line.get("text") or (item["name"] if item is not None else ""),
                    "quantity": Decimal(line.get("quantity", 1)),
                    "unit_price": Decimal(line.get("unit_price", 0)),
                    "discount": Decimal(line.get("discount", 0)),
                    "rate": Decimal(rate),
                    "dimensions": dict(line.get("dimensions") or {}),
                }
            )
            made[-1]["net"] = _net(made[-1])
        return made

    def _item(self, line: Row) -> Row | None:
        number = line.get("item")
        if not number:
            return None
        item = next((row for row in self.live("items") if row["number"] == number), None)
        if item is None or not item["active"]:
            raise RefusedError(422, "item_unknown", f"there is no item {number}")
        return item

    def total(self, row: Row) -> None:
        """Sums the lines; VAT is rounded once per rate, half away from zero."""
        sign = -1 if row["type"] == "credit_note" else 1
        bases: dict[Decimal, Decimal] = {}
        for line in row["lines"]:
            bases[line["rate"]] = bases.get(line["rate"], ZERO) + line["net"]
        net = sum(bases.values(), ZERO)
        tax = sum((cents(base * rate) for rate, base in bases.items()), ZERO)
        row.update(net=sign * net, tax=sign * tax, gross=sign * (net + tax))
        self.settle(row)

    def settle(self, row: Row) -> None:
        """What is still open after payments and credits; nothing in drafts and voided ones."""
        open_now = row["status"] == "booked" and row["type"] == "invoice"
        row["open"] = row["gross"] - row["paid"] - row["credited"] if open_now else ZERO

    def book(self, draft: Row, number: str | None = None) -> Row:
        """The booked document: the same row, or a new one that came from the draft."""
        if self.variant.keeps_id:
            booked = draft
        else:
            booked = {**draft, "id": self.new_id("i"), "lines": [dict(x) for x in draft["lines"]]}
            booked["created_from"] = draft["id"] if self.variant.tells_origin else None
            self.remove("documents", draft, became=booked["id"])
        day = self.clock.now().date()
        booked["issue_date"] = booked["issue_date"] or day.isoformat()
        days = TERMS_DAYS.get(booked["terms"] or "", 30)
        booked["due_date"] = (day + timedelta(days=days)).isoformat()
        booked["number"] = number or booked["number"] or self.next_number()
        booked["status"] = "booked"
        self.settle(booked)
        if booked is draft:
            self.touch(booked)
            return booked
        return self.add("documents", booked, draft["_by"], draft["_carrier"])

    def next_number(self) -> str:
        """The next free number of booked documents."""
        while True:
            self.counters["number"] += 1
            number = str(self.counters["number"])
            if self.holder("documents", "number", number) is None:
                return number

    # Customers and items.

    def new_customer(self, values: Row, by: str, carrier: str) -> Row:
        """A customer with these values; RefusedError where a name is missing or too long."""
        self.check_customer(values)
        number = str(values.get("number") or "")
        if number:
            self.require_unique("customers", "number", number)
        row: Row = {
            "id": self.new_id("k"),
            "number": number or self._next_customer_number(),
            **{name: values.get(name) for name in CUSTOMER_FIELDS},
            "active": True,
            "merged_into": None,
        }
        return self.add("customers", row, by, carrier)

    def _next_customer_number(self) -> str:
        while True:
            self.counters["customer"] += 1
            number = str(self.counters["customer"])
            if self.holder("customers", "number", number) is None:
                return number

    def check_customer(self, values: Row) -> None:
        """RefusedError where the values cannot stand."""
        if "name" in values and not values["name"]:
            raise RefusedError(422, "name_missing", "a customer has a name")
        if len(values.get("name") or "") > NAME_LENGTH:
            raise RefusedError(422, "too_long", f"a name has at most {NAME_LENGTH} characters")

    # Persons.

    def new_contact(self, values: Row, by: str) -> Row:
        """A person of a customer; RefusedError where a value cannot stand."""
        row: Row = {"id": self.new_id("n"), **dict.fromkeys(CONTACT_FIELDS), "active": True}
        self.set_contact(row, {"customer": None, **values})
        return self.add("contacts", row, by, "")

    def set_contact(self, row: Row, values: Row) -> None:
        """The fields that are named; RefusedError for an unknown customer or a long name."""
        for name in ("given", "family"):
            if len(values.get(name) or "") > CONTACT_NAME_LENGTH:
                raise RefusedError(422, "too_long", f"at most {CONTACT_NAME_LENGTH} characters")
        if "customer" in values:
            self.find("customers", str(values["customer"]))
        row.update({name: values[name] for name in CONTACT_FIELDS if name in values})

    def new_item(self, number: str, name: str, price: Decimal, rate: Decimal) -> Row:
        """An item for sale."""
        row: Row = {
            "id": self.new_id("a"),
            "number": number,
            "name": name,
            "price": price,
            "rate": rate,
            "active": True,
        }
        return self.add("items", row, "person", "")


def _net(line: Row) -> Decimal:
    if line["kind"] == "text":
        return ZERO
    return cents(line["quantity"] * line["unit_price"] * (1 - line["discount"]))
