"""Our records as JSON and back. Decimals keep their scale, times their zone, refs their parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from tieout.core.change import Action, Change, Predicted, Wanted
from tieout.core.model import (
    Balance,
    Code,
    Company,
    Contact,
    Customer,
    Deal,
    Document,
    Entity,
    ExternalRef,
    Item,
    Payment,
    Price,
    Record,
    Standing,
    ValueList,
)

T = TypeVar("T")

CLASSES: Mapping[Entity, type[Record]] = {
    Entity.CUSTOMER: Customer,
    Entity.CONTACT: Contact,
    Entity.ITEM: Item,
    Entity.PRICE: Price,
    Entity.CODE: Code,
    Entity.VALUES: ValueList,
    Entity.DEAL: Deal,
    Entity.DOCUMENT: Document,
    Entity.PAYMENT: Payment,
    Entity.BALANCE: Balance,
    Entity.STANDING: Standing,
}

_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")
_loose = msgspec.json.Decoder(float_hook=Decimal)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(value: object) -> bytes:
    """JSON bytes; equal values give equal bytes."""
    return _encoder.encode(value)


def encode_text(value: object) -> str:
    """JSON text, for a jsonb parameter."""
    return _encoder.encode(value).decode()


def decode(kind: type[T], data: bytes | str) -> T:
    """The value of that type. Raises msgspec.ValidationError when the bytes are of another."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind, float_hook=Decimal)
    found: T = decoder.decode(data)
    return found


def decode_loose(data: bytes | str) -> Any:
    """Plain lists, dicts, text and Decimal."""
    return _loose.decode(data)


def decode_record(entity: Entity | str, data: bytes | str) -> Record:
    """A record of that entity."""
    return decode(CLASSES[Entity(entity)], data)


def encode_change(change: Change) -> bytes:
    """A change with the class of its records beside them, so that it can be read back."""
    return _encoder.encode(
        {
            "change": {
                "key": change.key,
                "entity": change.entity,
                "action": change.action,
                "target": change.target,
                "version": change.version,
                "depends_on": change.depends_on,
                "number": change.number,
                "revision": change.revision,
            },
            "wanted": change.wanted.record if change.wanted else None,
            "fields": sorted(change.wanted.fields) if change.wanted else None,
            "base": change.base,
        }
    )


class _Envelope(msgspec.Struct):
    change: msgspec.Raw
    wanted: msgspec.Raw
    fields: list[str] | None
    base: msgspec.Raw


class _Plain(msgspec.Struct):
    key: str
    entity: Entity
    action: str
    target: msgspec.Raw
    version: str | None
    depends_on: str | None
    number: str | None
    revision: int


def decode_change(data: bytes, revision: int | None = None) -> Change:
    """What `encode_change` was given; under another revision where one is told."""
    envelope = decode(_Envelope, data)
    plain = decode(_Plain, bytes(envelope.change))
    wanted = bytes(envelope.wanted)
    base = bytes(envelope.base)
    return Change(
        key=plain.key,
        entity=plain.entity,
        action=Action(plain.action),
        target=decode(ExternalRef | None, bytes(plain.target)),  # type: ignore[arg-type]
        version=plain.version,
        depends_on=plain.depends_on,
        number=plain.number,
        revision=plain.revision if revision is None else revision,
        wanted=None
        if wanted == b"null"
        else Wanted(
            record=decode_record(plain.entity, wanted), fields=frozenset(envelope.fields or ())
        ),
        base=None if base == b"null" else decode_record(plain.entity, base),
    )


def decode_company(data: bytes | str) -> Company:
    return decode(Company, data)


def decode_predicted(data: bytes | str) -> Predicted:
    return decode(Predicted, data)


def digest(value: object) -> str:
    """SHA-256 of the JSON of a value, in hexadecimal."""
    return hashlib.sha256(encode(value)).hexdigest()


def content_hash(record: Record) -> bytes:
    """
    What a record says, without how it is marked: version, stamp and shape do not count, so that a
    new version tag on equal content is no change.
    """
    plain = msgspec.to_builtins(record, builtin_types=(Decimal,), order="deterministic")
    for mark in ("version", "changed_at", "shape"):
        plain.pop(mark, None)
    return hashlib.sha256(_encoder.encode(plain)).digest()
