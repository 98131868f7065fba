"""The vendor's fields that a mapping may name, with their limits; and what it can do."""

from __future__ import annotations

from tieout.connectors.visma_net.compose_customer import NAME_LENGTH
from tieout.connectors.visma_net.contacts import CONTACT_SCHEMA, PLACES
from tieout.connectors.visma_net.settings import VismaNetSettings
from tieout.core.abilities import (
    Abilities,
    BudgetWindow,
    Deletions,
    EntityAbilities,
    Guard,
    Reads,
    VersionCheck,
)
from tieout.core.change import Action
from tieout.core.model import Entity
from tieout.core.policy import INVOICE, INVOICE_DRAFT, SALES_ORDER
from tieout.ports import FieldInfo, Schema

_CUSTOMER = (
    FieldInfo(path="number", type="text", length=30),
    FieldInfo(path="name", type="text", length=NAME_LENGTH, required=True),
    FieldInfo(path="status", type="text",
              options=("Active", "OnHold", "CreditHold", "Inactive", "OneTime")),
    FieldInfo(path="corporateId", type="text", length=50),
    FieldInfo(path="vatRegistrationId", type="text", length=50),
    FieldInfo(path="mainAddress.addressLine1", type="text", length=50),
    FieldInfo(path="mainAddress.postalCode", type="text", length=20),
    FieldInfo(path="mainAddress.city", type="text", length=50),
    FieldInfo(path="mainAddress.country.id", type="text", length=2, required=True),
    FieldInfo(path="invoiceContact.email", type="text"),
    FieldInfo(path="invoiceContact.attention", type="text", length=255),
    FieldInfo(path="mainContact.phone1", type="text", length=50),
    FieldInfo(path="currencyId", type="text", length=5),
    FieldInfo(path="creditTerms.id", type="reference"),
    FieldInfo(path="vatZone.id", type="reference"),
    FieldInfo(path="priceClass.id", type="reference"),
    FieldInfo(path="customerClass.id", type="reference", writable=False),
    FieldInfo(path="creditLimit", type="number", decimals=2),
    FieldInfo(path="gln", type="text", writable=False),
    FieldInfo(path="accountReference", type="text", writable=False),
    FieldInfo(path="lastModifiedDateTime", type="time", writable=False),
)  # fmt: skip
_DOCUMENT = (
    FieldInfo(path="referenceNumber", type="text", length=15, writable=False),
    FieldInfo(path="status", type="text", writable=False,
              options=("Hold", "Balanced", "CreditHold", "PendingPrint", "PendingEmail", "CcHold",
                       "Reserved", "Scheduled", "Open", "Closed", "Voided")),
    FieldInfo(path="documentDate", type="date"),
    FieldInfo(path="documentDueDate", type="date"),
    FieldInfo(path="financialPeriod", type="text", length=6),
    FieldInfo(path="currencyId", type="text", length=5),
    FieldInfo(path="creditTerms.id", type="reference"),
    FieldInfo(path="externalReference", type="text", length=30),
    FieldInfo(path="customerRefNumber", type="text", length=40),
    FieldInfo(path="invoiceText", type="text", length=60),
    FieldInfo(path="invoiceContact.attention", type="text", length=255),
    FieldInfo(path="startDate", type="date"),
    FieldInfo(path="endDate", type="date"),
    FieldInfo(path="project.id", type="reference"),
    FieldInfo(path="paymentReference", type="text", writable=False),
    FieldInfo(path="roundingDiff", type="number", decimals=2, writable=False),
    FieldInfo(path="dunningLetterLevel", type="number", writable=False),
)  # fmt: skip
_LINE = (
    FieldInfo(path="inventoryNumber", type="text", length=30),
    FieldInfo(path="description", type="text", length=256),
    FieldInfo(path="quantity", type="number", decimals=6),
    FieldInfo(path="uom", type="text", length=6),
    FieldInfo(path="unitPriceInCurrency", type="number", decimals=6),
    FieldInfo(path="discountPercent", type="number", decimals=6),
    FieldInfo(path="vatCode.id", type="reference"),
    FieldInfo(path="account.number", type="reference"),
    FieldInfo(path="subaccount.subaccountNumber", type="text"),
    FieldInfo(path="projectTask.id", type="reference"),
)
_ITEM = (
    FieldInfo(path="inventoryNumber", type="text", length=30, writable=False),
    FieldInfo(path="description", type="text", length=256, writable=False),
    FieldInfo(path="status", type="text", writable=False),
    FieldInfo(path="type", type="text", writable=False),
    FieldInfo(path="stockItem", type="boolean", writable=False),
    FieldInfo(path="vatCode.id", type="reference", writable=False),
    FieldInfo(path="defaultPrice", type="number", decimals=6, writable=False),
    FieldInfo(path="salesUnit", type="text", length=6, writable=False),
)

SCHEMA = Schema(fields={"customer": _CUSTOMER, "document": _DOCUMENT, "line": _LINE, "item": _ITEM,
                        "contact": CONTACT_SCHEMA})  # fmt: skip
# A request that takes longer is cut off by the vendor's gateway; its work may still be done.
_LONGEST_S = 4 * 60
_DOCUMENT_ACTIONS = frozenset(
    {Action.CREATE, Action.UPDATE, Action.VOID, Action.CONVERT, Action.CREDIT}
)


def abilities(settings: VismaNetSettings) -> Abilities:
    """
    What the connection can do, as data. There is no key of the vendor's own: documents are found
    by a reference that is not unique, customers by an attribute or by a number that we drew.
    """
    page = settings.page_size
    drawn = settings.number_start > 0
    return Abilities(
        side="books",
        entities={
            Entity.CUSTOMER: EntityAbilities(
                reads=Reads.STAMP,
                deletions=Deletions.NONE,
                page_max=page,
                actions=frozenset({Action.CREATE, Action.UPDATE}),
                serial_by="customer",
                version=VersionCheck.IF_MATCH,
                lengths={"name": NAME_LENGTH, "contact_name": 255},
                guard=Guard.OUR_NUMBER if drawn else Guard.SEARCHABLE,
                carrier_length=23,
                longest_s=_LONGEST_S,
            ),
            Entity.DOCUMENT: EntityAbilities(
                reads=Reads.STAMP,
                # Nobody has shown that a payment moves the stamp of an invoice.
                stamp_misses=("totals.open", "credited", "paid", "raw_status"),
                deletions=Deletions.KEYS,
                page_max=page,
                whole_list_every_s=settings.open_invoices_every_s,
                actions=_DOCUMENT_ACTIONS,
                serial_by="customer",
                version=VersionCheck.IF_MATCH,
                lengths={"our_reference": 60, "your_reference": 255, "po_number": 40},
                decimals={
                    "quantity": settings.quantity_decimals,
                    "unit_price": settings.price_decimals,
                },
                guard=Guard.SEARCHABLE,
                carrier_length=23,
                longest_s=_LONGEST_S,
            ),
            Entity.CONTACT: EntityAbilities(
                reads=Reads.STAMP,
                deletions=Deletions.KEYS,
                page_max=page,
                actions=frozenset({Action.CREATE, Action.UPDATE}),
                serial_by="customer",
                version=VersionCheck.IF_MATCH,
                guard=Guard.LISTED,
                longest_s=_LONGEST_S,
                fields=frozenset(PLACES),
            ),
            Entity.ITEM: EntityAbilities(
                reads=Reads.STAMP, deletions=Deletions.KEYS, page_max=page
            ),
            Entity.PRICE: EntityAbilities(
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
            Entity.PAYMENT: EntityAbilities(reads=Reads.DERIVED),
        },
        in_flight=settings.in_flight,
        makes=frozenset({INVOICE_DRAFT, INVOICE, *((SALES_ORDER,) if settings.orders else ())}),
        budgets=(
            BudgetWindow(calls=settings.calls_per_hour, seconds=3600, share=settings.budget_share),
        ),
        totals_rule=settings.totals_rule,
        currency_on="document",
    )
