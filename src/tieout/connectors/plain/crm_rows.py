"""Rows of the plain CRM as our records."""

from __future__ import annotations

from typing import Any

from tieout.connectors.plain.api import Row
from tieout.connectors.plain.contact_rows import contact
from tieout.connectors.plain.crm_published import invoice
from tieout.connectors.plain.feed import understood
from tieout.connectors.plain.value_lists import value_list
from tieout.connectors.plain.values import (
    addresses,
    by_role,
    day,
    extra,
    identifiers,
    instant,
    number,
    number_or_none,
    text,
)
from tieout.core.model import (
    Contact,
    Customer,
    Deal,
    DealKind,
    DealState,
    Entity,
    ExternalRef,
    Instalment,
    Item,
    ItemRef,
    Line,
    LineKind,
    ListedPrice,
    PartyKind,
    Record,
    Standing,
)
from tieout.core.money import ZERO
from tieout.ports import Selection

TABLES = {
    Entity.DEAL: "deals",
    Entity.CUSTOMER: "companies",
    Entity.ITEM: "products",
    Entity.DOCUMENT: "invoices",
    Entity.CONTACT: "contacts",
}
_TEXTS = (
    *("status", "vendor_status", "order_number", "number", "books_id", "currency", "message"),
)
_FLAGS = ("overdue", "credited_in_part", "refund_due", "booked")
_DAYS = ("order_date", "delivered_on", "issue_date", "due_date", "last_payment_on")
_AMOUNTS = ("net", "gross", "paid", "open", "overdue_amount")


class CrmReader:
    """Translates for one connection. Raises one of `api.UNREADABLE` for a strange row."""

    def __init__(self, connection: str, deal_kind: DealKind) -> None:
        self._connection = connection
        self._deal_kind = deal_kind

    def ref(self, entity: Entity, row_id: str) -> ExternalRef:
        """The ref of a row."""
        return ExternalRef(self._connection, entity.value, row_id)

    def record(self, row: Row, want: Selection) -> Record:
        """A row as the record that is wanted of it. Raises `UnreadableError` where it is none."""
        with understood(row):
            return self._record(row, want)

    def _record(self, row: Row, want: Selection) -> Record:
        match want.entity:
            case Entity.DEAL:
                return self._deal(row, want)
            case Entity.CUSTOMER:
                return self._customer(row, want)
            case Entity.ITEM:
                return self._item(row, want)
            case Entity.DOCUMENT:
                return invoice(self._connection, row, want.shape)
            case Entity.CONTACT:
                stamp = text(row, "changed_at")
                return contact(self._connection, row, want, customer="company", version=stamp)
            case Entity.STANDING:
                return self.standing(row, want.shape)
            case Entity.VALUES:
                return value_list(self._connection, row, want.shape)
            case _:
                raise ValueError(f"the plain CRM has no {want.entity}")

    def _deal(self, row: Row, want: Selection) -> Deal:
        company = text(row, "company")
        contact = text(row, "contact")
        return Deal(
            ref=self.ref(Entity.DEAL, row["id"]),
            # One second apart at best: two edits can share it, so the engine compares content too.
            version=row["changed_at"],
            changed_at=instant(row, "changed_at"),
            kind=self._deal_kind,
            source_id=row["id"],
            number=text(row, "number"),
            title=text(row, "title"),
            customer=self.ref(Entity.CUSTOMER, company) if company else None,
            billing_contact=_contact(contact) if contact else None,
            state=DealState(row["state"]),
            stage=text(row, "stage"),
            close_date=day(row, "close_date"),
            won_at=instant(row, "won_at"),
            delivered_on=day(row, "delivered_on"),
            currency=text(row, "currency"),
            lines=tuple(
                self._line(position, line, want) for position, line in enumerate(row["lines"], 1)
            ),
            discount=number_or_none(row, "discount") or ZERO,
            stated_total=number_or_none(row, "stated_total"),
            po_number=text(row, "po_number"),
            buyer_reference=text(row, "buyer_reference"),
            owner=text(row, "owner"),
            owner_email=text(row, "owner_email"),
            probability=number_or_none(row, "probability"),
            schedule=tuple(_instalment(one) for one in row.get("schedule") or ()),
            dimensions=dict(row.get("dimensions") or {}),
            extra=extra(row, want.extra),
            shape=want.shape,
        )

    def _line(self, position: int, row: Row, want: Selection) -> Line:
        code = text(row, "product")
        return Line(
            ref=ExternalRef(self._connection, "line", row["id"]),
            position=position,
            kind=LineKind.ITEM if code else LineKind.TEXT,
            item=ItemRef(number=code, name=text(row, "text")) if code else None,
            text=text(row, "text"),
            quantity=number(row, "quantity"),
            unit_price=number(row, "unit_price"),
            discount=number(row, "discount"),
            extra=extra(row, want.extra, line=True),
        )

    def _customer(self, row: Row, want: Selection) -> Customer:
        winner = text(row, "merged_into")
        return Customer(
            ref=self.ref(Entity.CUSTOMER, row["id"]),
            version=row["changed_at"],
            changed_at=instant(row, "changed_at"),
            name=text(row, "name"),
            kind=PartyKind.COMPANY,
            identifiers=identifiers(row),
            addresses=addresses(row),
            emails=by_role(row, "email", "invoice"),
            phones=by_role(row, "phone", "general"),
            contact_name=text(row, "contact"),
            language=text(row, "language"),
            currency=text(row, "currency"),
            terms=text(row, "terms"),
            credit_stop=bool(row.get("credit_stop")),
            active=bool(row["active"]),
            merged_into=self.ref(Entity.CUSTOMER, winner) if winner else None,
            owner=text(row, "owner"),
            extra=extra(row, want.extra),
            shape=want.shape,
        )

    def _item(self, row: Row, want: Selection) -> Item:
        return Item(
            ref=self.ref(Entity.ITEM, row["id"]),
            version=row["changed_at"],
            changed_at=instant(row, "changed_at"),
            number=text(row, "number"),
            name=text(row, "name"),
            tax_class=text(row, "tax_class"),
            unit=text(row, "unit"),
            price=number_or_none(row, "price"),
            cost=number_or_none(row, "cost"),
            prices=tuple(
                ListedPrice(
                    list=text(one, "list"),
                    currency=text(one, "currency"),
                    amount=number(one, "amount"),
                )
                for one in row.get("prices") or ()
                if one["active"] and text(one, "list") in want.kinds
            ),
            active=bool(row["active"]),
            extra={name: (row.get("custom") or {}).get(name) for name in want.extra},
            shape=want.shape,
        )

    def standing(self, row: Row, shape: str = "") -> Standing:
        """What is shown on a deal or company."""
        shown: Row = row["books"]
        values: dict[str, Any] = {name: shown.get(name) for name in (*_TEXTS, *_FLAGS)}
        values |= {name: day(shown, name) for name in _DAYS}
        values |= {name: number_or_none(shown, name) for name in _AMOUNTS}
        return Standing(
            ref=self.ref(Entity.STANDING, row["id"]),
            version=row["changed_at"],
            of="customer" if row["id"].startswith("company-") else "deal",
            shape=shape,
            **values,
        )


def _contact(name: str) -> Contact:
    given, _, family = name.rpartition(" ")
    return Contact(given=given, family=family)


def _instalment(row: Row) -> Instalment:
    return Instalment(
        part=row["part"],
        amount=number(row, "amount"),
        due_on=day(row, "due_on"),
        text=text(row, "text"),
    )
