"""
Blocks: keys under which parties are held against each other, so that not all meet all.

Two parties that share a key are compared. Each kind of corruption leaves one of the keys whole:
swapped words the sorted one, a typing error another word, the head or the tail, an old address
all that have no post code, a new name the post code and the e-mail domain.
"""

from __future__ import annotations

from tieout.core.matching.party import Party

# A key that more than so many parties of one side share tells nobody apart ("bygg", "konsult").
MOST_IN_BLOCK = 50
_RARE_FROM = 5
_HEAD = 6
_WORDS = 4


# Keys that say who somebody is: they are kept however many share them.
EXACT_KEYS = ("k:", "n:")


def block_keys(party: Party) -> tuple[str, ...]:
    """All keys of a party, sorted; none for one without name, number and mail."""
    words = party.parts.words[:_WORDS]
    joined = "".join(party.parts.words)
    keys = {f"d:{domain}" for domain in party.domains}
    if party.carried:
        keys.add(f"k:{party.carried}")
    keys |= {f"n:{party.numbers[kind]}" for kind in ("company", "vat") if party.numbers.get(kind)}
    if joined:
        keys.add(f"s:{''.join(sorted(party.parts.words))}")
        keys |= {f"a:{joined[:_HEAD]}", f"z:{joined[-_HEAD:]}"}
        keys |= {f"w:{word}" for word in words if len(word) >= _RARE_FROM}
        if party.postcode:
            keys |= {f"p:{party.postcode}:{word[:3]}" for word in words}
    return tuple(sorted(keys))
