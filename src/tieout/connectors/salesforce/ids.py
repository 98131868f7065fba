"""Record ids: 15 case-sensitive characters, and the three that make them case-safe."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")

OBJECT_BY_PREFIX = {
    "001": "Account",
    "003": "Contact",
    "006": "Opportunity",
    "01t": "Product2",
    "0Q0": "Quote",
    "801": "Order",
}


def id18(value: str) -> str:
    """The 18-character form. Raises ValueError for a text that cannot be an id."""
    if not _SHAPE.fullmatch(value):
        raise ValueError(f"not a Salesforce id: {value!r}")
    return value if len(value) == 18 else value + _check_characters(value)


def is_id(value: str) -> bool:
    """Whether a text has the form of an id, in 15 or 18 characters."""
    return _SHAPE.fullmatch(value) is not None


def row_id(value: str) -> str | None:
    """
    The 18-character id that a ref names, None where it names none. A standing's ref may say
    before a colon what it is of: `deal:006...`, `customer:001...`.
    """
    bare = value.rpartition(":")[2]
    return id18(bare) if is_id(bare) else None


def same_id(one: str, other: str) -> bool:
    """Whether two ids name the same row, whatever their lengths."""
    return is_id(one) and is_id(other) and id18(one) == id18(other)


def object_of(record_id: str) -> str | None:
    """The object that the first three characters stand for, None for one that we do not use."""
    return OBJECT_BY_PREFIX.get(record_id[:3])


def unique(ids: Iterable[str]) -> list[str]:
    """Each id once, in 18 characters, in the order in which it first came."""
    return list(dict.fromkeys(id18(value) for value in ids))


def _check_characters(id15: str) -> str:
    found = ""
    for start in (0, 5, 10):
        group = id15[start : start + 5]
        bits = sum(1 << place for place, char in enumerate(group) if "A" <= char <= "Z")
        found += _SUFFIX[bits]
    return found
