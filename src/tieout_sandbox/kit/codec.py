"""JSON that keeps the scale of money, and the tagged form in which state is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)

_DECIMAL = "$decimal"
_INSTANT = "$instant"
_DAY = "$day"


def dumps(value: object) -> bytes:
    """JSON bytes; a Decimal becomes a number with exactly its own digits."""
    return _ENCODER.encode(value)


def loads(body: bytes | str) -> Any:
    """The value of JSON text, fractions as Decimal with their scale; ValueError if it is none."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error


def pack(value: Any) -> Any:
    """The value with Decimal, datetime and date written as tagged objects, so JSON keeps them."""
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    if isinstance(value, datetime):
        return {_INSTANT: value.isoformat()}
    if isinstance(value, date):
        return {_DAY: value.isoformat()}
    if isinstance(value, Mapping):
        return {key: pack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    return value


def unpack(value: Any) -> Any:
    """The reverse of `pack`; tuples come back as lists."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (tag, text), *_ = value.items()
        if tag == _DECIMAL:
            return Decimal(text)
        if tag == _INSTANT:
            return datetime.fromisoformat(text)
        if tag == _DAY:
            return date.fromisoformat(text)
    return {key: unpack(item) for key, item in value.items()}
