"""Equal values, equal digest: how changes and plans are named by what they say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal


def field_names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass in their order; asked for once, since asking takes its time."""
    found = _NAMES.get(kind)
    if found is None:
        found = _NAMES[kind] = tuple(entry.name for entry in fields(kind))
    return found


_NAMES: dict[type, tuple[str, ...]] = {}


def digest(*values: object) -> str:
    """SHA-256 in hexadecimal; 1.0 and 1.00 are equal, and the order of a mapping is nothing."""
    return hashlib.sha256(repr(tuple(_stable(value) for value in values)).encode()).hexdigest()


def plain(value: Decimal) -> str:
    """The number without exponent, trailing zeros, or a sign before nothing: 1.50 is 1.5."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _stable(value: object) -> object:
    # The common kinds first: this walks over every field of every change.
    kind = type(value)
    if kind is str or value is None or kind is bool or kind is int:
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if kind is tuple and not value:
        return value
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), _stable(inner)) for key, inner in value.items()))
    if isinstance(value, set | frozenset):
        return tuple(sorted(repr(_stable(inner)) for inner in value))
    if isinstance(value, Iterable):
        return tuple(_stable(inner) for inner in value)
    if is_dataclass(value):
        return tuple((name, _stable(getattr(value, name))) for name in field_names(type(value)))
    return str(value)
