"""The resources: their fields, how they are called outside and under which name they are stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout_sandbox.webcrm import field_tables as tables

Value = str | int | bool | Decimal | datetime | list[int] | None
Row = dict[str, Any]
"""A stored record: names without the resource's prefix. What was never set is left out; names
that start with `_` are the simulator's own."""

_WORD = re.compile(r"(\w+?)(?:(\d+)-(\d+))?(?::([inbdl]))?(?::(\d+))?(?:=(\S+))?")
_KINDS = {"i": "int", "n": "number", "b": "bool", "d": "date", "l": "ids", None: "text"}
SERVER_WRITTEN = frozenset(
    {
        "Id",
        "CreatedAt",
        "CreatedBy",
        "UpdatedAt",
        "UpdatedBy",
        "LastUpdatedAt",
        "LastUpdatedBy",
        "UploadedAt",
        "UploadCount",
        "FileSize",
        "CompareName",
        "TelephoneSearch",
        "LastDisplayedAt",
        "LastItemType",
        "LastItemUpdatedAt",
        "LevelText",
    }
)
DATE_ONLY = frozenset({"OrderDate"})
"""Fields that hold a day, as UTC midnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One property. `kind` is text, int, number, bool, date, ids or enum (then `names`)."""

    name: str
    stored: str
    kind: str
    size: int | None = None
    names: tuple[str, ...] = ()
    write_only: bool = False

    @property
    def written_by_server(self) -> bool:
        """Whether what a caller sends for it is passed over."""
        return self.stored in SERVER_WRITTEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A kind of record. `kind` tells opportunities from deliveries in the table they share."""

    name: str
    resource: str
    table: str
    fields: Mapping[str, Field]
    kind: str | None = None

    @property
    def key(self) -> str:
        """The outside name of the id."""
        return f"{self.name}Id"

    def of(self, row: Row) -> bool:
        """Whether a row of the table is one of these."""
        return self.kind is None or row.get("_kind") == self.kind


def _read(prefix: str, table: str) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for word in table.split():
        match = _WORD.fullmatch(word)
        assert match is not None, word
        stem, first, last, kind, size, names = match.groups()
        field = Field(
            name="",
            stored="",
            kind="enum" if names else _KINDS[kind],
            size=int(size) if size else None,
            names=tuple(names.split("|")) if names else (),
        )
        ends = range(int(first), int(last) + 1) if first else ("",)
        for end in ends:
            stored = f"{stem}{end}"
            found[prefix + stored] = replace(field, name=prefix + stored, stored=stored)
    return found


def _entity(
    name: str, table: str, resource: str = "", store: str = "", kind: str | None = None
) -> Entity:
    resource = resource or f"{name}s"
    return Entity(
        name=name,
        resource=resource,
        table=store or resource,
        fields=_read(name, table),
        kind=kind,
    )


def _opportunity() -> Entity:
    """Custom fields of an opportunity travel along to its delivery, which has its own besides: in
    the shared table they carry the word that the delivery puts before them."""
    entity = _entity("Opportunity", tables.OPPORTUNITY, "Opportunities", "Deals", "Opportunity")
    renamed = {
        name: replace(field, stored=name)
        if re.fullmatch(r"(Custom|Plus)\d+|Memo", field.stored)
        else field
        for name, field in entity.fields.items()
    }
    return replace(entity, fields=renamed)


def _line() -> Entity:
    entity = _entity("QuotationLine", tables.QUOTATION_LINE)
    name = "QuotationLineLinkedDataId"
    linked = Field(name=name, stored="LinkedDataId", kind="int", write_only=True)
    return replace(entity, fields={**entity.fields, name: linked})


ORGANISATION = _entity("Organisation", tables.ORGANISATION)
PERSON = _entity("Person", tables.PERSON)
OPPORTUNITY = _opportunity()
DELIVERY = _entity("Delivery", tables.DELIVERY, "Deliveries", "Deals", "Delivery")
LINE = _line()
LINKED_DATA = _entity("LinkedDataItem", tables.LINKED_DATA_ITEM, "LinkedData")
QUOTING_DATA = _entity(
    "QuotationLineLinkedDataItem",
    tables.QUOTATION_LINE_LINKED_DATA_ITEM,
    "QuotationLineLinkedData",
    "LinkedData",
)
PRODUCT = _entity("Product", tables.PRODUCT)
USER = _entity("User", tables.USER)
DOCUMENT = _entity("Document", tables.DOCUMENT)
ACTIVITY = _entity("Activity", tables.ACTIVITY, "Activities")
EVENT = _entity("Event", tables.EVENT)
SUPPORT_CASE = _entity("SupportCase", tables.SUPPORT_CASE)
RELATION = _entity("Relation", tables.RELATION)
REVENUE = _entity("Revenue", tables.REVENUE)
BUDGET = _entity("Budget", tables.BUDGET)
MILESTONE = _entity("Milestone", tables.MILESTONE)
TIME_EXPENSE = _entity("TimeExpense", tables.TIME_EXPENSE)
EMAIL_SUPPORT = _entity("EmailSupport", tables.EMAIL_SUPPORT)
PERSON_B2C = _entity("PersonB2C", tables.PERSON_B2C, "PersonsB2C", "Persons")
LINKED_SETUP = _read("LinkedSetup", tables.LINKED_SETUP)
QUOTING_SETUP = _read("QuotationLineLinkedSetup", tables.QUOTATION_LINE_LINKED_SETUP)

STORED = (
    ORGANISATION,
    PERSON,
    OPPORTUNITY,
    DELIVERY,
    LINE,
    LINKED_DATA,
    PRODUCT,
    USER,
    DOCUMENT,
    ACTIVITY,
    EVENT,
    SUPPORT_CASE,
    RELATION,
    REVENUE,
    BUDGET,
    MILESTONE,
    TIME_EXPENSE,
    EMAIL_SUPPORT,
)
"""What is kept, each record once."""

BY_NAME = {entity.name: entity for entity in STORED}
