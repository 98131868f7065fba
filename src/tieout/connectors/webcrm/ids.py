"""
Ids: numbers of webCRM's tables, with what they count before them.

Numbers of a deal and of an organisation may be equal, and what is shown on either goes by one id;
so it says which it is. Opportunities and deliveries share one sequence: both are ``deal``.
"""

from __future__ import annotations

from tieout.core.model import Entity, ExternalRef

DEAL, ORGANISATION, PERSON, ITEM = "deal", "organisation", "person", "item"
INVOICE = "invoice"
_WORDS = {
    Entity.DEAL: DEAL,
    Entity.CUSTOMER: ORGANISATION,
    Entity.CONTACT: PERSON,
    Entity.ITEM: ITEM,
    Entity.DOCUMENT: INVOICE,
}


def ref_of(connection: str, entity: Entity, number: int) -> ExternalRef:
    """The ref of a record: `deal:88231`."""
    return ExternalRef(connection, entity.value, f"{_WORDS[entity]}:{number}")


def number_of(record_id: str, word: str) -> int:
    """The number in an id of that word; 0 where it is another's, or none."""
    before, colon, number = record_id.partition(":")
    return int(number) if before == word and colon and number.isdecimal() else 0


def number_for(ref: ExternalRef, entity: Entity) -> int:
    """The number in a ref of that entity; 0 where it is none."""
    return number_of(ref.id, _WORDS[entity])
