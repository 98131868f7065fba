"""The fields that a mapping may name, and what the connection can do."""

from __future__ import annotations

from tieout.connectors.tryton.api import WRITE_TIMEOUT_S
from tieout.connectors.tryton.settings import TrytonSettings
from tieout.core.abilities import (
    Abilities,
    Deletions,
    EntityAbilities,
    Guard,
    Reads,
    TotalsRule,
    VersionCheck,
)
from tieout.core.change import Action
from tieout.core.model import Entity
from tieout.core.policy import INVOICE, INVOICE_DRAFT, SALES_ORDER
from tieout.ports import FieldInfo, Schema

_CUSTOMER = (
    FieldInfo(path="code", type="text", required=True),
    FieldInfo(path="name", type="text", required=True),
    FieldInfo(path="lang.code", type="text"),
    FieldInfo(path="active", type="boolean"),
    FieldInfo(path="customer_payment_term", type="reference"),
    FieldInfo(path="customer_tax_rule", type="reference"),
    FieldInfo(path="account_receivable", type="reference"),
    FieldInfo(path="receivable", type="number", decimals=2, writable=False),
    FieldInfo(path="receivable_today", type="number", decimals=2, writable=False),
    FieldInfo(path="full_name", type="text", writable=False),
)
_DOCUMENT = (
    FieldInfo(path="party", type="reference", required=True),
    FieldInfo(path="invoice_address", type="reference", required=True),
    FieldInfo(path="account", type="reference", required=True),
    FieldInfo(path="journal", type="reference"),
    FieldInfo(path="payment_term", type="reference"),
    FieldInfo(path="invoice_date", type="date"),
    FieldInfo(path="accounting_date", type="date"),
    FieldInfo(path="payment_term_date", type="date"),
    FieldInfo(path="reference", type="text"),
    FieldInfo(path="description", type="text"),
    FieldInfo(path="comment", type="text"),
    FieldInfo(path="number", type="text", writable=False),
    FieldInfo(path="state", type="text", writable=False,
              options=("draft", "validated", "posted", "paid", "cancelled")),
    FieldInfo(path="customer_payment_reference", type="text", writable=False),
    FieldInfo(path="reconciled", type="date", writable=False),
)  # fmt: skip
_LINE = (
    FieldInfo(path="product", type="reference"),
    FieldInfo(path="unit", type="reference"),
    FieldInfo(path="quantity", type="number"),
    FieldInfo(path="unit_price", type="number", decimals=4, required=True),
    FieldInfo(path="description", type="text"),
    FieldInfo(path="note", type="text"),
    FieldInfo(path="account", type="reference", required=True),
    FieldInfo(path="taxes", type="reference"),
)
_ITEM = (
    FieldInfo(path="code", type="text", writable=False),
    FieldInfo(path="template.name", type="text", required=True, writable=False),
    FieldInfo(path="list_price_used", type="number", decimals=4, writable=False),
    FieldInfo(path="template.type", type="text", writable=False,
              options=("goods", "assets", "service")),
)  # fmt: skip

SCHEMA = Schema(fields={"customer": _CUSTOMER, "document": _DOCUMENT, "line": _LINE, "item": _ITEM})

_DOCUMENT_ACTIONS = frozenset(
    {Action.CREATE, Action.UPDATE, Action.VOID, Action.CONVERT, Action.CREDIT}
)


def abilities(settings: TrytonSettings, *, has_key: bool, by_line: bool = False) -> Abilities:
    """
    What the connection can do, as data. ``has_key``: our column is there, which takes a key once
    only; without it a document is found by its reference, a customer by the code that was drawn.
    """
    page = settings.page_size
    return Abilities(
        side="books",
        entities={
            Entity.CUSTOMER: EntityAbilities(
                reads=Reads.STAMP,
                stamp_misses=("open_balance",),
                deletions=Deletions.KEYS,
                page_max=page,
                actions=frozenset({Action.CREATE, Action.UPDATE}),
                write_max=settings.batch,
                atomic=True,
                serial_by="customer",
                version=VersionCheck.IF_MATCH,
                guard=Guard.CREATE_ONLY if has_key else Guard.OUR_NUMBER,
                timeout_s=WRITE_TIMEOUT_S,
                search_lag_s=0,
            ),
            Entity.DOCUMENT: EntityAbilities(
                reads=Reads.STAMP,
                # A line that is edited for itself, and what is reckoned when it is read.
                stamp_misses=("lines", "totals.open", "raw_status"),
                deletions=Deletions.KEYS,
                page_max=page,
                actions=_DOCUMENT_ACTIONS,
                write_max=settings.batch,
                atomic=True,
                serial_by="customer",
                version=VersionCheck.IF_MATCH,
                decimals={"unit_price": 4},
                guard=Guard.CREATE_ONLY if has_key else Guard.SEARCHABLE,
                timeout_s=WRITE_TIMEOUT_S,
                search_lag_s=0,
            ),
            Entity.PAYMENT: EntityAbilities(
                reads=Reads.DERIVED,
                actions=frozenset({Action.CREATE}),
                guard=Guard.SEARCHABLE,
                timeout_s=WRITE_TIMEOUT_S,
                search_lag_s=0,
            ),
            Entity.ITEM: EntityAbilities(
                reads=Reads.STAMP, deletions=Deletions.KEYS, page_max=page
            ),
            Entity.CODE: EntityAbilities(
                reads=Reads.WHOLE_LIST, page_max=page, whole_list_every_s=86_400
            ),
            Entity.BALANCE: EntityAbilities(
                reads=Reads.WHOLE_LIST,
                page_max=page,
                whole_list_every_s=settings.balances_every_s,
            ),
        },
        in_flight=settings.in_flight,
        makes=frozenset({INVOICE_DRAFT, INVOICE, SALES_ORDER}),
        totals_rule=TotalsRule.PER_LINE if by_line else TotalsRule.PER_RATE,
        currency_on="document",
    )
