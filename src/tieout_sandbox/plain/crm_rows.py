"""The rows of the invented CRM, and which version of a row a reader sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.plain.rows import RefusedError, Row

COMPANY_FIELDS = (
    "name",
    "org_number",
    "vat_number",
    "einvoice",
    "address",
    "shipping",
    "email",
    "phone",
    "contact",
    "language",
    "terms",
    "currency",
    "credit_stop",
    "owner",
    "custom",
)
DEAL_FIELDS = (
    "title",
    "company",
    "contact",
    "stage",
    "close_date",
    "delivered_on",
    "currency",
    "lines",
    "discount",
    "stated_total",
    "owner",
    "owner_email",
    "po_number",
    "buyer_reference",
    "schedule",
    "dimensions",
    "probability",
    "custom",
)
CONTACT_FIELDS = (
    *("company", "given", "family", "email", "phone", "mobile", "title", "roles", "invoices"),
    *("active", "key"),
)
PRODUCT_FIELDS = ("number", "name", "price", "tax_class", "unit", "cost", "prices", "custom")
INVOICE_FIELDS = (
    *("kind", "number", "raw_status", "booked", "company", "issue_date", "due_date", "currency"),
    *("net", "tax", "gross", "rounding", "open", "paid", "credited", "sale", "last_payment_on"),
    *("url", "status", "deal", "lines", "key"),
)
_PUBLISHED = {
    "products": PRODUCT_FIELDS,
    "invoices": INVOICE_FIELDS,
    "contacts": CONTACT_FIELDS,
}
_STAGES = {"open": "Negotiation", "won": "Closed won", "lost": "Closed lost"}
STANDING_FIELDS = frozenset(
    {
        "status",
        "overdue",
        "credited_in_part",
        "refund_due",
        "booked",
        "vendor_status",
        "order_number",
        "order_date",
        "delivered_on",
        "number",
        "books_id",
        "issue_date",
        "due_date",
        "last_payment_on",
        "currency",
        "net",
        "gross",
        "paid",
        "open",
        "overdue_amount",
        "message",
    }
)


class CrmRows:
    """All rows of one organisation. Stamps have whole seconds, so two edits can share one."""

    def __init__(self, clock: SandboxClock) -> None:
        self.clock = clock
        self.tables: dict[str, dict[str, Row]] = {
            "companies": {},
            "products": {},
            "deals": {},
            "invoices": {},
            "contacts": {},
        }
        self.gone: list[Row] = []
        self.lists: dict[str, Row] = {}
        self.counters: dict[str, int] = {}

    # Reading.

    def live(self, table: str) -> Iterator[Row]:
        """The rows as they are, deleted ones left out."""
        return (row for row in self.tables[table].values() if not row["_deleted"])

    def visible(self, table: str) -> Iterator[Row]:
        """The rows as a reader sees them now: a late commit hides, a replica lags."""
        for row in self.live(table):
            seen = self._seen(row)
            if seen is not None:
                yield seen

    def shown(self, table: str, row_id: str) -> Row:
        """One row as a reader sees it; RefusedError 404, or 410 for one that is gone."""
        row = self.tables[table].get(row_id)
        if row is not None and row["_deleted"]:
            facts = {"merged_into": row["merged_into"]} if row.get("merged_into") else {}
            raise RefusedError(410, "deleted", f"{row_id} is gone", **facts)
        seen = self._seen(row) if row is not None else None
        if seen is None:
            raise RefusedError(404, "not_found", f"there is no {row_id}")
        return seen

    def _seen(self, row: Row) -> Row | None:
        hidden = row["_hidden"]
        if hidden is None or self.clock.now() >= hidden["until"]:
            return row
        former: Row | None = hidden["was"]
        return former

    def row(self, table: str, row_id: str) -> Row:
        """A live row as it is; RefusedError where it is not there."""
        row = self.tables[table].get(row_id)
        if row is None or row["_deleted"]:
            raise RefusedError(404, "not_found", f"there is no {row_id}")
        return row

    # Writing.

    def stamp(self) -> datetime:
        """The present second."""
        return self.clock.now().replace(microsecond=0)

    def _add(self, table: str, kind: str, values: Row) -> Row:
        self.counters[kind] = self.counters.get(kind, 0) + 1
        now = self.stamp()
        row: Row = {
            "id": f"{kind}-{self.counters[kind]}",
            **values,
            "created_at": now,
            "changed_at": now,
            "_deleted": False,
            "_hidden": None,
            "_former": None,
        }
        self.tables[table][row["id"]] = row
        return row

    def edit(self, row: Row, values: Mapping[str, Any]) -> None:
        """Sets these values now; readers see it at once, whatever was hidden before."""
        row["_hidden"] = None
        row["_former"] = self._copy(row)
        row.update(values)
        row["changed_at"] = self.stamp()

    def hide(self, row: Row, seconds: float, was: Row | None, *, locked: bool) -> None:
        """Readers see `was` (None: nothing) for so long; `locked`: nobody else may write then."""
        until = self.clock.now() + timedelta(seconds=seconds)
        row["_hidden"] = {"until": until, "was": was, "locked": locked}

    def _copy(self, row: Row) -> Row:
        return deepcopy({name: value for name, value in row.items() if not name.startswith("_")})

    def new_company(self, values: Row) -> Row:
        """A company."""
        named = {name: values.get(name) for name in COMPANY_FIELDS}
        return self._add(
            "companies", "company", {**named, "active": True, "merged_into": None, "books": {}}
        )

    def new_product(self, values: Row) -> Row:
        """A product with number, name and price."""
        named = {name: values.get(name) for name in PRODUCT_FIELDS}
        return self._add("products", "product", {**named, "active": True, "key": None})

    def new_contact(self, values: Row) -> Row:
        """A person of a company; RefusedError where that is not there."""
        self.row("companies", str(values.get("company")))
        named = {name: values.get(name) for name in CONTACT_FIELDS}
        named["active"] = values.get("active", True)
        return self._add("contacts", "contact", named)

    def publish(self, table: str, key: str, row_id: str, values: Mapping[str, Any]) -> Row:
        """
        Sets these values in the row with that id, else in the one with that key, else in a new
        one. RefusedError for a field or company that is not there.
        """
        allowed = _PUBLISHED[table]
        unknown = sorted(set(values) - {*allowed, "active"})
        if unknown:
            raise RefusedError(422, "unknown_field", f"no field {', '.join(unknown)}")
        values = dict(values)
        company = values.get("company")
        if company is not None:
            self.row("companies", company)
        row = self.row(table, row_id) if row_id else self._by_key(table, key)
        if table == "products":
            _merge_product(values, row)
        if row is None:
            if table == "products":
                row = self.new_product(dict(values))
            elif table == "contacts":
                row = self.new_contact(dict(values))
            else:
                blank: Row = dict.fromkeys(INVOICE_FIELDS)
                row = self._add("invoices", "invoice", blank)
            row.update(values)
            row["key"] = key
            return row
        self.edit(row, {**values, **({} if row.get("key") else {"key": key})})
        return row

    def _by_key(self, table: str, key: str) -> Row | None:
        return next((row for row in self.live(table) if row.get("key") == key), None)

    def new_deal(self, values: Row) -> Row:
        """An open deal; its lines name products by number."""
        named = {name: values.get(name) for name in DEAL_FIELDS if name != "lines"}
        row = self._add(
            "deals",
            "deal",
            {**named, "state": "open", "stage": _STAGES["open"], "won_at": None, "books": {}},
        )
        row["number"] = row["id"].replace("deal-", "D")
        row["currency"] = row["currency"] or "SEK"
        row["lines"] = self.lines(row["id"], values.get("lines") or [])
        return row

    def lines(self, deal_id: str, lines: list[Row]) -> list[Row]:
        """Lines in their stored form; RefusedError for a product that is not there."""
        products = {row["number"]: row for row in self.live("products")}
        made = []
        for position, line in enumerate(lines, start=1):
            number = line.get("product") or ""
            if number and number not in products:
                raise RefusedError(422, "product_unknown", f"there is no product {number}")
            price = line.get("unit_price")
            if price is None:
                price = products[number]["price"] if number else 0
            made.append(
                {
                    "id": f"{deal_id}-{position}",
                    "product": number,
                    "text": line.get("text") or (products[number]["name"] if number else ""),
                    "quantity": Decimal(str(line.get("quantity", 1))),
                    "unit_price": Decimal(str(price)),
                    "discount": Decimal(str(line.get("discount", 0))),
                }
            )
        return made

    def set_state(self, row: Row, state: str) -> None:
        """Opens, wins or loses a deal."""
        self.edit(row, self.state_values(state))

    def state_values(self, state: str) -> Row:
        """What a change of state sets."""
        won_at = self.clock.now() if state == "won" else None
        return {"state": state, "stage": _STAGES[state], "won_at": won_at}

    def delete(self, table: str, row: Row, merged_into: str | None = None) -> None:
        """Takes a row away; the feed tells it."""
        row.update(_deleted=True, _hidden=None, changed_at=self.stamp())
        if merged_into:
            row["merged_into"] = merged_into
        self.gone.append(
            {
                "no": len(self.gone) + 1,
                "table": table,
                "id": row["id"],
                "merged_into": merged_into,
                "at": self.clock.now(),
            }
        )

    def write_company(self, row_id: str, fields: Row) -> Row:
        """Sets a company's own fields, as a person would."""
        row = self.row("companies", row_id)
        unknown = set(fields) - set(COMPANY_FIELDS)
        if unknown:
            raise RefusedError(422, "field_unknown", ", ".join(sorted(unknown)))
        self.edit(row, fields)
        return row

    def write_standing(self, row_id: str, fields: Row) -> Row:
        """Sets what the books say on a deal or company; moves its stamp like any edit."""
        table = "companies" if row_id.startswith("company-") else "deals"
        row = self.row(table, row_id)
        unknown = set(fields) - STANDING_FIELDS
        if unknown:
            raise RefusedError(422, "field_unknown", ", ".join(sorted(unknown)))
        hidden = row["_hidden"]
        if hidden is not None and self.clock.now() < hidden["until"]:
            if hidden["locked"]:
                raise RefusedError(423, "locked", f"{row_id} is being changed by somebody")
            if hidden["was"] is not None:
                hidden["was"]["books"] = {**hidden["was"]["books"], **fields}
        row["books"] = {**row["books"], **fields}
        row["changed_at"] = self.stamp()
        return row


def _merge_product(values: Row, row: Row | None) -> None:
    """Price lists and own fields that a write does not name stay; a list without amount is off."""
    if "custom" in values:
        values["custom"] = {**((row or {}).get("custom") or {}), **values["custom"]}
    if "prices" in values:
        held = {(one["list"], one["currency"]): one for one in (row or {}).get("prices") or ()}
        for one in values["prices"]:
            place = (one["list"], one["currency"])
            if one["amount"] is not None:
                held[place] = {**one, "active": True}
            elif place in held:
                held[place] = {**held[place], "active": False}
        values["prices"] = [held[place] for place in sorted(held)]
