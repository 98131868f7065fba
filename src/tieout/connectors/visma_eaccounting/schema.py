"""The vendor's fields that a mapping may name, with their limits; and what it can do."""

from __future__ import annotations

from tieout.connectors.visma_eaccounting.settings import VismaSettings
from tieout.core.abilities import (
    Abilities,
    BudgetWindow,
    Deletions,
    EntityAbilities,
    Guard,
    Reads,
)
from tieout.core.change import Action
from tieout.core.model import Entity
from tieout.core.policy import INVOICE, INVOICE_DRAFT, SALES_ORDER
from tieout.ports import FieldInfo, Schema

_CUSTOMER = (
    FieldInfo(path="CustomerNumber", type="text", length=16),
    FieldInfo(path="Name", type="text", length=50, required=True),
    FieldInfo(path="CorporateIdentityNumber", type="text", length=20),
    FieldInfo(path="VatNumber", type="text", length=20),
    FieldInfo(path="InvoiceAddress1", type="text", length=50),
    FieldInfo(path="InvoiceAddress2", type="text", length=50),
    FieldInfo(path="InvoicePostalCode", type="text", length=10, required=True),
    FieldInfo(path="InvoiceCity", type="text", length=50, required=True),
    FieldInfo(path="InvoiceCountryCode", type="text", length=2),
    FieldInfo(path="CurrencyCode", type="text", length=3),
    FieldInfo(path="TermsOfPaymentId", type="reference", required=True),
    FieldInfo(path="EmailAddress", type="text", length=255),
    FieldInfo(path="ContactPersonName", type="text", length=100),
    FieldInfo(path="ContactPersonEmail", type="text", length=255),
    FieldInfo(path="Telephone", type="text", length=50),
    FieldInfo(path="MobilePhone", type="text", length=50),
    FieldInfo(path="Note", type="text", length=4000),
    FieldInfo(path="IsPrivatePerson", type="boolean", required=True),
    FieldInfo(path="IsActive", type="boolean", required=True),
    FieldInfo(path="DiscountPercentage", type="number", decimals=4),
    FieldInfo(path="SalesDocumentLanguage", type="text", length=2),
    FieldInfo(path="ElectronicReference", type="text", length=35),
    FieldInfo(path="WebshopCustomerNumber", type="number"),
    FieldInfo(path="UnpaidInvoicesAmount", type="number", decimals=2, writable=False),
    FieldInfo(path="LastInvoiceDate", type="date", writable=False),
    FieldInfo(path="ChangedUtc", type="time", writable=False),
)
_DOCUMENT = (
    FieldInfo(path="CustomerId", type="reference", required=True),
    FieldInfo(path="InvoiceDate", type="date"),
    FieldInfo(path="DueDate", type="date"),
    FieldInfo(path="DeliveryDate", type="date"),
    FieldInfo(path="OurReference", type="text", length=100),
    FieldInfo(path="YourReference", type="text", length=100),
    FieldInfo(path="BuyersOrderReference", type="text", length=35),
    FieldInfo(path="ElectronicReference", type="text", length=100),
    FieldInfo(path="TermsOfPaymentId", type="reference"),
    FieldInfo(path="VoucherNumber", type="text", writable=False),
    FieldInfo(path="PaymentReferenceNumber", type="text", writable=False),
    FieldInfo(path="PaymentStatus", type="number", writable=False),
    FieldInfo(path="PaymentRemindersCount", type="number", writable=False),
)
_LINE = (
    FieldInfo(path="ArticleId", type="reference", required=True),
    FieldInfo(path="Text", type="text", length=2000),
    FieldInfo(path="Quantity", type="number", decimals=2),
    FieldInfo(path="UnitPrice", type="number", decimals=2),
    FieldInfo(path="DiscountPercentage", type="number", decimals=4),
    FieldInfo(path="CostCenterItemId1", type="reference"),
    FieldInfo(path="CostCenterItemId2", type="reference"),
    FieldInfo(path="CostCenterItemId3", type="reference"),
    FieldInfo(path="ProjectId", type="reference"),
)
_ITEM = (
    FieldInfo(path="Number", type="text", length=40, required=True, writable=False),
    FieldInfo(path="Name", type="text", length=50, required=True, writable=False),
    FieldInfo(path="NameEnglish", type="text", length=50, writable=False),
    FieldInfo(path="NetPrice", type="number", decimals=2, writable=False),
    FieldInfo(path="GrossPrice", type="number", decimals=2, writable=False),
    FieldInfo(path="StockBalance", type="number", writable=False),
)

SCHEMA = Schema(fields={"customer": _CUSTOMER, "document": _DOCUMENT, "line": _LINE, "item": _ITEM})


def abilities(settings: VismaSettings) -> Abilities:
    """What the connection can do, as data. No batch, no version, no key of its own, no feed."""
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
                serial_by="connection",
                lengths={"name": 50, "number": 16, "contact_name": 100, "note": 4000},
                guard=Guard.OUR_NUMBER,
            ),
            Entity.DOCUMENT: EntityAbilities(
                reads=Reads.STAMP,
                # Nobody has shown that a payment or a set-off moves the stamp of an invoice.
                stamp_misses=("totals.open", "credited", "paid", "raw_status"),
                deletions=Deletions.KEYS,
                page_max=page,
                whole_list_every_s=settings.open_invoices_every_s,
                actions=frozenset({Action.CREATE, Action.UPDATE, Action.VOID, Action.CONVERT}),
                serial_by="connection",
                lengths={"our_reference": 79, "your_reference": 100, "po_number": 35},
                decimals={"quantity": 2, "unit_price": 2, "discount": 4},
                guard=Guard.SEARCHABLE,
            ),
            Entity.ITEM: EntityAbilities(
                reads=Reads.STAMP, deletions=Deletions.KEYS, page_max=page
            ),
            Entity.PRICE: EntityAbilities(
                reads=Reads.WHOLE_LIST,
                page_max=page,
                whole_list_every_s=settings.prices_every_s,
            ),
            Entity.CODE: EntityAbilities(
                reads=Reads.WHOLE_LIST, page_max=page, whole_list_every_s=86_400
            ),
            Entity.BALANCE: EntityAbilities(
                reads=Reads.WHOLE_LIST,
                page_max=page,
                whole_list_every_s=settings.balances_every_s,
            ),
            Entity.PAYMENT: EntityAbilities(reads=Reads.DERIVED),
        },
        in_flight=settings.in_flight,
        makes=frozenset({INVOICE_DRAFT, INVOICE, *((SALES_ORDER,) if settings.orders else ())}),
        budgets=(
            BudgetWindow(calls=settings.calls_per_minute, seconds=60, share=settings.budget_share),
        ),
        totals_rule=settings.totals_rule,
        currency_on="customer",
    )
