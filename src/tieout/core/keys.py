"""
Slots and operation keys: the name of a place for one document, the same for ever.

A slot says where a document belongs, with nothing in it that a person can rename or configure, so
that a new installation finds the documents of the old one (docs/explanation/once-only.md).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32
_NAMESPACE = uuid.UUID("7c6a2a52-4c0c-5c6b-9a51-0f3f2f5a7e11")


class KeyKind(StrEnum):
    """What a key stands for; its letter is the fourteenth character."""

    DOCUMENT = "D"
    CUSTOMER = "C"
    CREDIT = "K"
    PAYMENT = "P"
    STANDING = "S"
    ITEM = "A"
    INVOICE = "H"
    ACCOUNT = "B"
    CONTACT = "N"
    PERSON = "M"
    VALUES = "V"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """
    The place for one live document (or customer, or standing, or what the CRM shows of the books).

    ``crm_org`` and ``company`` are the vendors' own ids, ``source_id`` the root deal or the CRM
    customer (of what the CRM shows of the books, an item, invoice or person: its id in the books),
    ``part`` the billing step (0: the whole deal).
    """

    crm_org: str
    source_id: str
    company: str
    kind: KeyKind
    part: int = 0

    @property
    def key13(self) -> str:
        """65 bits of SHA-256 over the length-prefixed fields: common to all generations."""
        return _key13(self)


@lru_cache(maxsize=4096)
def _key13(slot: Slot) -> str:
    # A window asks for the key of each of its slots many times.
    return _base32(_bits(_without_part(slot), slot.part), 13)


def parts_with_keys(slot: Slot, parts: Iterable[int], wanted: Mapping[int, str]) -> dict[str, int]:
    """
    Which of these parts of a slot's source have one of the wanted keys: its 13 characters and the
    part. ``wanted`` as `by_number` gives it, so that millions can be tried in seconds.
    """
    digest = _without_part(slot)
    numbers = ((_bits(digest.copy(), part), part) for part in parts)
    return {wanted[number]: part for number, part in numbers if number in wanted}


def by_number(keys: Iterable[str]) -> dict[int, str]:
    """The 13 characters of slots by the number that they write."""
    return {
        sum(
            _ALPHABET.index(character) << 5 * place for place, character in enumerate(key[::-1])
        ): key
        for key in keys
    }


def _without_part(slot: Slot) -> hashlib._Hash:
    digest = hashlib.sha256()
    for value in (slot.crm_org, slot.source_id, slot.company, slot.kind):
        raw = value.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest


def _bits(digest: hashlib._Hash, part: int) -> int:
    raw = str(part).encode()
    digest.update(len(raw).to_bytes(4, "big") + raw)
    return int.from_bytes(digest.digest()[:9], "big") >> 7


def operation_key(slot: Slot, generation: int) -> str:
    """The 16 characters that one generation of a slot carries: 13 + kind + 2 for the number."""
    if not 0 <= generation < 32 * 32:
        raise ValueError(f"generation must be 0 to 1023, not {generation}")
    return slot.key13 + slot.kind.value + _base32(generation, 2)


def generation_of(key: str) -> int:
    """The generation that a 16-character key names. Raises ValueError for another text."""
    if len(key) != 16:
        raise ValueError(f"a key has 16 characters, not {len(key)}")
    high, low = (_ALPHABET.index(character) for character in key[14:])
    return high * 32 + low


def key_in(text: str, key13: str) -> str | None:
    """The whole 16-character key of that slot inside a text, or None. Case does not matter."""
    upper = text.upper()
    start = upper.find(key13)
    while start != -1:
        candidate = upper[start : start + 16]
        if _is_key(candidate):
            return candidate
        start = upper.find(key13, start + 1)
    return None


def keys_in(text: str) -> tuple[str, ...]:
    """Every word of a text that has the form of a key (any slot), in order."""
    return tuple(word for word in _WORD.findall(text.upper()) if _is_key(word))


def wire_key(*parts: str | int) -> str:
    """
    What a send is called on the wire: a UUID that changes exactly when one of the parts does.

    Parts of a create: operation key, payload revision, absence number; of others also the
    action and its sequence; of a batch the wire keys of its items.
    """
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts)))


def _is_key(word: str) -> bool:
    return (
        len(word) == 16 and all(character in _ALPHABET for character in word) and word[13] in _KINDS
    )


# Letters and digits of any script; the mark that counts as a letter in code is none here.
_WORD = re.compile(r"[^\W_]+")
_KINDS = frozenset(kind.value for kind in KeyKind)


def _base32(number: int, width: int) -> str:
    characters = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
