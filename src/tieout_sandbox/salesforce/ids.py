"""Record ids: 15 case-sensitive characters and the three that make them case-safe."""

from __future__ import annotations

import re
from functools import lru_cache

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")

POD = "xx000"
"""The characters after the key prefix that stand for the instance."""


def suffix(id15: str) -> str:
    """The three check characters: bit i of each says whether character i is upper case."""
    return _check(id15[:5]) + _check(id15[5:10]) + _check(id15[10:])


@lru_cache(maxsize=4096)
def _check(five: str) -> str:
    return _SUFFIX[sum(1 << i for i, char in enumerate(five) if "A" <= char <= "Z")]


def make_id(prefix: str, number: int) -> str:
    """The 18-character id of a key prefix's row with that running number."""
    id15 = prefix + POD + _base62(number // 62**4).rjust(3, "0")
    id15 += _base62(number % 62**4).rjust(4, "0")
    return id15 + suffix(id15)


def _base62(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return text


def normalise(value: object) -> str | None:
    """The 18-character form of a 15- or 18-character id; None for anything else."""
    if not isinstance(value, str) or not _SHAPE.fullmatch(value):
        return None
    id15 = value[:15]
    whole = id15 + suffix(id15)
    if len(value) == 15:
        return whole
    if value == whole:
        return whole
    return _recased(id15, value[15:].upper())


def _recased(id15: str, tail: str) -> str | None:
    """An 18-character id whose letters lost their case, with the case its suffix tells."""
    letters: list[str] = []
    for position, char in enumerate(id15):
        code = _SUFFIX.find(tail[position // 5])
        if code < 0:
            return None
        letters.append(char.upper() if code >> (position % 5) & 1 else char.lower())
    found = "".join(letters)
    return found + tail if suffix(found) == tail else None
