"""Changes: what a decision wants to do over there, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tieout.core.finding import Finding
from tieout.core.model import Entity, ExternalRef, Record, Totals


class Action(StrEnum):
    """One write. What needs two writes (create, then activate) is two actions."""

    CREATE = "create"
    UPDATE = "update"
    VOID = "void"
    CONVERT = "convert"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    The values that a change sets, as a record of which only ``fields`` count.

    A field that is not named is left alone; a named one whose value is empty is cleared. So there
    are three states and no None that could be read in four ways.
    """

    record: Record
    fields: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One decided write: ``key`` is the operation key (16 characters), ``wanted`` what to set.

    ``target`` is None for a create. ``base`` is what the target showed when both sides last
    agreed (None: not known). ``depends_on`` is the key13 of the customer's slot that must have a
    record first; its ref is put into the record before ``prepare`` sees the change.
    """

    key: str
    entity: Entity
    action: Action
    wanted: Wanted | None
    target: ExternalRef | None = None
    base: Record | None = None
    version: str | None = None
    depends_on: str | None = None
    number: str | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """
    The totals that the target will show. ``other`` is the second figure where the vendor's rule
    is not known and both are possible.
    """

    totals: Totals
    other: Totals | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """
    A change as bytes. ``body`` is this item exactly as it will be sent.

    ``witness``: what was noted before sending (a number that was drawn, an open amount, an ETag).
    ``shows``: the record as the system will show it: cut, rounded, defaulted.
    ``read``: the target as it was read for this very write, None where nothing was read.
    """

    key: str
    entity: Entity
    action: Action
    target: ExternalRef | None
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    witness: Mapping[str, str] = field(default_factory=dict)
    shows: Record | None = None
    totals: Predicted | None = None
    read: Record | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A change that could not be made into bytes; nothing was sent. ``stale``: decide anew."""

    key: str
    findings: tuple[Finding, ...] = ()
    stale: bool = False
    seen: Record | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One request as it will leave: stored before it is sent, the same bytes on every repeat."""

    wire_key: str
    method: str
    path: str
    body: bytes
    items: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Done, as this answer shows. ``shows`` is the record echoed, None where nothing came back."""

    key: str
    ref: ExternalRef
    version: str | None = None
    shows: Record | None = None
    vendor_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyApplied:
    """A guard of the vendor's said that this key was used; the record is this one."""

    key: str
    ref: ExternalRef | None
    vendor_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A well-formed refusal: certainly not done."""

    key: str
    findings: tuple[Finding, ...]
    number_taken: bool = False
    vendor_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """The record moved on; certainly not done. Read it again and decide anew."""

    key: str
    vendor_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """Certainly not done now (quota, maintenance, connection refused); later, by itself."""

    key: str
    retry_after_s: int
    reason: str = ""
    vendor_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """May have been done. Only a look can tell."""

    key: str
    reason: str
    vendor_time: datetime | None = None


Outcome = Applied | AlreadyApplied | Rejected | Stale | Deferred | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """
    What is looked for: the place, all that was sent for it, and whose document it would be.

    ``key13`` finds every generation. ``customers`` are all refs of the customer's lineage.
    """

    key: str
    key13: str
    entity: Entity
    action: Action
    target: ExternalRef | None
    bodies: tuple[bytes, ...]
    witness: Mapping[str, str]
    customers: tuple[ExternalRef, ...]
    first_sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A record that carries a key of the slot. ``key`` is the whole key as found."""

    key: str
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """
    One look. ``began_at`` and ``vendor_time`` by the vendor's clock (``vendor_time`` of its last
    answer); ``hits`` carry the key; ``near`` are records without any key that could be it
    (same customer, made since the first send). ``complete`` is False when not every collection
    could be asked. ``deleted`` carried the key and were deleted, where the system tells.
    """

    key: str
    began_at: datetime
    vendor_time: datetime
    hits: tuple[Hit, ...] = ()
    near: tuple[Record, ...] = ()
    target: Record | None = None
    target_gone: bool = False
    complete: bool = True
    deleted: tuple[Hit, ...] = ()


class FateKind(StrEnum):
    PRESENT = "present"
    BECAME = "became"
    MERGED = "merged"
    DELETED = "deleted"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a record that vanished. ``into`` is the successor or the winner."""

    ref: ExternalRef
    kind: FateKind
    into: ExternalRef | None = None
    record: Record | None = None
