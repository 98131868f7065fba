"""What is asked of a person where a look cannot tell which record is a place's, by its kind."""

from __future__ import annotations

from typing import NamedTuple

from tieout.core.keys import KeyKind


class Words(NamedTuple):
    """``record``: what stands over there; ``source``: what it was made for."""

    record: str
    source: str
    carriers: str

    @property
    def one(self) -> str:
        """`A document`, `An item`."""
        return f"{'An' if self.record[0] in 'aeiou' else 'A'} {self.record}"


_WORDS = {
    KeyKind.DOCUMENT: Words(
        "document", "deal", "More than one document carries the key of this deal"
    ),
    KeyKind.CUSTOMER: Words(
        "customer", "account", "More than one customer carries the key of this account"
    ),
    KeyKind.ITEM: Words("item", "item", "More than one item carries the key of this one"),
    KeyKind.INVOICE: Words(
        "record", "invoice", "More than one record carries the key of this invoice"
    ),
    # A person is known by the address, where no key can be carried.
    KeyKind.CONTACT: Words("person", "person", "More than one person could be this one"),
    KeyKind.PERSON: Words("person", "person", "More than one person could be this one"),
}
_ANY = Words("record", "record", "More than one record carries one key of ours")


def words_of(kind: KeyKind) -> Words:
    """The words for a kind of place."""
    return _WORDS.get(kind, _ANY)
