"""JSON that keeps the scale of money, and the tagged form in which state is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)

_HALF = re.compile("[\ud800-\udfff]")
_MARKED = re.compile("\ue000([0-9a-f]{4})\ue001".encode())

_DECIMAL = "$decimal"
_INSTANT = "$instant"
_DAY = "$day"


def dumps(value: object) -> bytes:
    """
    JSON bytes; a Decimal becomes a number with exactly its own digits. Half a character, left by
    who cut a text by its length in UTF-16, goes out as an escape, as from many a server.
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _MARKED.sub(rb"\\u\1", _ENCODER.encode(_marked(value)))


def _marked(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub(lambda half: f"\ue000{ord(half[0]):04x}\ue001", value)
    if isinstance(value, Mapping):
        return {_marked(key): _marked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_marked(item) for item in value]
    return value


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
