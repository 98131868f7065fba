"""What the store tells of persons: customers on both sides, other halves, who has an address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tieout.core.model import Contact, ExternalRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """
    A customer on both sides: the CRM's and the books' present record, ``refs`` those and all that
    were merged into them, ``key13`` its slot.
    """

    key13: str
    crm: ExternalRef
    books: ExternalRef | None
    refs: frozenset[ExternalRef]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressUsed:
    """A contact with its address; ``links`` are (kind of slot, id of the other half, company)."""

    address: str
    contact: Contact
    links: tuple[tuple[str, str, str], ...] = ()


class ContactStore(Protocol):
    """The part of a store that decisions on persons ask."""

    async def families(
        self,
        crm: str,
        crm_org: str,
        books: str,
        company: str,
        crm_ids: Sequence[str],
        books_ids: Sequence[str],
    ) -> list[Family]:
        """The linked customers that these ids are, or were merged into."""

    async def contact_partners(
        self, connection: str, ids: Sequence[str], kind: str
    ) -> dict[str, tuple[str, str]]:
        """Slots of a kind whose present record these contacts are: id → (source, company)."""

    async def contacts_by_address(
        self,
        connection: str,
        crm_org: str,
        addresses: Sequence[str],
        customers: Sequence[str],
    ) -> list[AddressUsed]:
        """Contacts with these addresses, and all of these customers."""
