"""What a book of the plain pair can do, and the fields that it shows."""

from __future__ import annotations

from dataclasses import replace

from tieout.connectors.plain.book_rows import NAME_LENGTH
from tieout.connectors.plain.contact_rows import FIELDS
from tieout.connectors.plain.contact_rows import NAME_LENGTH as CONTACT_NAME_LENGTH
from tieout.connectors.plain.settings import PlainBookSettings
from tieout.core.abilities import (
    Abilities,
    Deletions,
    EntityAbilities,
    Guard,
    Reads,
    TotalsRule,
    VersionCheck,
)
from tieout.core.change import (
    Action,
)
from tieout.core.model import Entity
from tieout.core.policy import INVOICE, INVOICE_DRAFT, SALES_ORDER
from tieout.ports import (
    FieldInfo,
    Schema,
)

BOOK_SCHEMA = Schema(
    fields={
        "document": tuple(
            FieldInfo(path=path)
            for path in ("number", "our_reference", "your_reference", "po_number", "terms")
        ),
        "customer": (
            FieldInfo(path="name", length=NAME_LENGTH, required=True),
            *(FieldInfo(path=path) for path in ("number", "org_number", "vat_number", "email")),
        ),
        "line": tuple(FieldInfo(path=path) for path in ("item", "text", "quantity", "unit_price")),
    }
)


def abilities(settings: PlainBookSettings) -> Abilities:
    """What a book of this kind can do."""
    written = EntityAbilities(
        reads=Reads.STAMP,
        deletions=Deletions.FEED if settings.tombstones else Deletions.KEYS,
        page_max=100,
        actions=frozenset({Action.CREATE, Action.UPDATE, Action.VOID, Action.CONVERT}),
        write_max=settings.batch,
        atomic=settings.atomic,
        version=VersionCheck.IF_MATCH if settings.version_check else VersionCheck.NONE,
        decimals={"discount": 4},
        guard=settings.guard,
        carrier_length=16,
        tombstones=settings.tombstones,
        timeout_s=settings.timeout_s,
        longest_s=settings.longest_s,
        search_lag_s=settings.search_lag_s,
        key_life_s=settings.key_life_s,
        margin_s=settings.margin_s,
    )
    customers = replace(
        written,
        actions=frozenset({Action.CREATE, Action.UPDATE}),
        lengths={"name": NAME_LENGTH},
    )
    return Abilities(
        side="books",
        entities={
            Entity.DOCUMENT: written,
            Entity.CUSTOMER: customers,
            Entity.CONTACT: replace(
                customers,
                guard=Guard.LISTED,
                lengths={"given": CONTACT_NAME_LENGTH, "family": CONTACT_NAME_LENGTH},
                fields=FIELDS,
            ),
            Entity.ITEM: EntityAbilities(reads=Reads.STAMP, deletions=Deletions.KEYS),
            Entity.PRICE: EntityAbilities(reads=Reads.STAMP, deletions=Deletions.KEYS),
            Entity.PAYMENT: EntityAbilities(reads=Reads.STAMP),
            Entity.CODE: EntityAbilities(
                reads=Reads.WHOLE_LIST, whole_list_every_s=settings.codes_every_s
            ),
            Entity.BALANCE: EntityAbilities(reads=Reads.WHOLE_LIST, whole_list_every_s=3600),
        },
        in_flight=settings.in_flight,
        totals_rule=TotalsRule.PER_RATE,
        currency_on="document",
        drafts=True,
        makes=frozenset({INVOICE_DRAFT, INVOICE, *((SALES_ORDER,) if settings.orders else ())}),
    )
