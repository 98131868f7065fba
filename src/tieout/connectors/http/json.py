"""JSON whose numbers keep their digits: 9000.00 comes in and goes out as 9000.00."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def loads(body: bytes | str) -> Any:
    """
    The value of a JSON text. Whole numbers are int, numbers with a fraction are Decimal.

    Texts lose their zero characters, which nobody sees and no store keeps; half of a pair, as a
    name that was cut inside an emoji ends with, becomes U+FFFD. One such name would otherwise
    keep out all that came with it.

    Raises ValueError where the text is not JSON.
    """
    try:
        found = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
        if not _mentions(body, "\\ud", "\\uD"):
            raise ValueError(str(error)) from None
        found = _with_halves(body)
    return _storable(found) if _mentions(body, "\\u0000", "\\ud", "\\uD") else found


def _mentions(body: bytes | str, *escapes: str) -> bool:
    if isinstance(body, str):
        return any(escape in body for escape in escapes)
    return any(escape.encode() in body for escape in escapes)


def _with_halves(body: bytes | str) -> Any:
    """The value of a text that the quick decoder refuses for half of a pair."""

    def no_number(word: str) -> NoReturn:
        raise ValueError(f"{word} is no number")

    try:
        return json.loads(body, parse_float=Decimal, parse_constant=no_number)
    except (RecursionError, InvalidOperation) as error:
        raise ValueError(str(error)) from None


_HALF = re.compile("[\ud800-\udfff]")


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value.replace("\0", ""))
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def dumps(value: object) -> bytes:
    """
    JSON bytes, keys in the order given, Decimals as plain digits with their scale.

    Raises TypeError for a float (money has passed through a binary fraction) and ValueError for
    a Decimal that is no number.
    """
    return _ENCODER.encode(_plain(value))


def as_decimal(value: object) -> Decimal | None:
    """A JSON number as Decimal, its scale kept; None where it is none (text, null, boolean)."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return None


def _plain(value: object) -> object:
    # The common kinds first: this walks over every value of every body that leaves.
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} cannot be written as a number")
        # str() turns small and large values into an exponent, which some vendors do not read.
        return value if "E" not in str(value) else msgspec.Raw(format(value, "f").encode())
    if isinstance(value, float):
        raise TypeError("a float must not be sent; use Decimal")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
