"""The ports: what the engine needs of connectors, the store, the clock, secrets and transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from tieout.core.abilities import Abilities
from tieout.core.ageing import OpenItem
from tieout.core.change import (
    Change,
    Doubt,
    Fate,
    Outcome,
    Prepared,
    Refused,
    Sight,
    Wire,
)
from tieout.core.finding import Finding
from tieout.core.model import Company, Document, Entity, ExternalRef, Record

# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """
    What to read of an entity. ``kinds`` narrows it (deal: 'opportunity', 'order'; code: 'terms').

    ``extra`` are the vendor's own paths that the configuration names; those of lines begin with
    ``line.``. ``shape`` is a digest of it all and is kept on each mirror row.
    """

    entity: Entity
    kinds: frozenset[str] = frozenset()
    extra: tuple[str, ...] = ()
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A record that is not there any more. ``certain``: the vendor says so; else only missing."""

    ref: ExternalRef
    certain: bool
    merged_into: ExternalRef | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    A part of what may have changed.

    ``unread``: rows that were not understood, shown and never dropped. ``resume`` continues inside
    this sweep after a restart; ``cursor`` is safe to store together with this page and is None
    until the end where the vendor promises no order. ``whole``: this page belongs to a complete
    list of the ids that begin with ``scope``, so that what is absent from all its pages is gone.
    """

    records: tuple[Record, ...] = ()
    gone: tuple[Gone, ...] = ()
    unread: tuple[tuple[ExternalRef, Finding], ...] = ()
    resume: bytes | None = None
    cursor: bytes | None = None
    whole: bool = False
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldInfo:
    """One field of the vendor's: its path, type ('text', 'number', 'date', ...), and limits."""

    path: str
    label: str = ""
    type: str = "text"
    length: int | None = None
    decimals: int | None = None
    required: bool = False
    writable: bool = True
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The vendor's fields by entity of ours; 'line' stands for the lines of a deal."""

    fields: Mapping[str, tuple[FieldInfo, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """'Look at these': a hint from a webhook or an event stream, never what changed."""

    refs: tuple[ExternalRef, ...]
    position: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The receivables account of the ledger: its balance and the vouchers without an invoice."""

    account: str
    balance: Decimal
    currency: str
    vouchers: tuple[tuple[str, Decimal, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """
    What moved the receivables on a day, in base currency, signed: an invoice raises them.

    ``kind``: 'invoice', 'credit_note', 'fee', 'money', 'on_account', 'small_difference',
    'discount', 'write_off' or 'exchange'.
    """

    kind: str
    amount: Decimal
    day: date
    number: str = ""
    document: ExternalRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subledger:
    """
    The receivables of some days: open items before them, what moved them, open items after them.

    All in base currency and each read for itself. ``bank`` is what came to the bank, with the
    exchange gain and the fees that lie between it and the money on the invoices.
    """

    currency: str
    opening: Decimal
    postings: tuple[Posting, ...] = ()
    items: tuple[OpenItem, ...] = ()
    bank: Decimal | None = None
    exchange_gain: Decimal = Decimal(0)
    bank_fees: Decimal = Decimal(0)


class Connector(Protocol):
    """
    Speaks to one connection of one system. Translates answers into outcomes and errors of ours.

    Every method may raise `TransientError` (not now) or `ConnectionBrokenError` (a person is
    needed); ``send`` raises only `ConnectionBrokenError`, and only when nothing was done.
    """

    name: str
    abilities: Abilities

    async def company(self) -> Company:
        """The company behind the connection, with the days on which it can book."""

    async def check(self) -> Sequence[Finding]:
        """All that would fail later: sign-in, rights, fields, company, period. Writes nothing."""

    async def describe(self) -> Schema:
        """Fields with type, length, options, required."""

    def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None = None
    ) -> AsyncIterator[Page]:
        """
        All that may have changed, at least once, in any order. Overlap, clock offset and rows
        that move are the connector's business, doubles the engine's. Holds one page at a time.
        """

    def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """Ids and stamps, complete or an error: how deletions and missed changes are found."""

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> Sequence[Record | None]:
        """
        Read now, in order, in the fewest calls; None: not there. Never from a search index.
        Raises `UnreadableError` where one of them is there and cannot be understood.
        """

    async def prepare(self, changes: Sequence[Change]) -> Sequence[Prepared | Refused]:
        """
        Decisions to bytes, in order. May read (what a PUT replaces, a version), never write. Raises
        `UnreadableError` where a record that it reads cannot be understood, as looks do.
        """

    def pack(self, items: Sequence[Prepared]) -> Sequence[Wire]:
        """Pure: items into the fewest requests. The engine stores them before ``send``."""

    async def send(self, wire: Wire) -> Sequence[Outcome]:
        """One request, an outcome for each item in order. Repeats nothing by itself."""

    async def find_by_key(self, doubts: Sequence[Doubt]) -> Sequence[Sight]:
        """
        One look for each: every collection in the order in which documents move. Whether nothing
        found means absence, the engine judges.
        """

    async def trace(self, refs: Sequence[ExternalRef]) -> Sequence[Fate]:
        """What became of records that vanished."""

    def ledger(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """
        The books' own list of booked documents dated in these days (both included), asked for by
        its own filter and independent of the change feed. Empty for a CRM.
        """

    async def control(self, day: date) -> Control | None:
        """The receivables control account at the end of a day; None where it cannot be read."""

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """The receivables of these days (both included); None where they cannot be told."""

    def signals(self, headers: Mapping[str, str], body: bytes) -> Sequence[Signal]:
        """Pure: verify and read a webhook. Empty where the system has none."""

    async def close(self) -> None:
        """Let go of sockets. May be called twice."""


# --- time, ids, secrets --------------------------------------------------------------------------


class Clock(Protocol):
    """The wall clock, and a clock that neither jumps nor stops while the machine sleeps."""

    def now(self) -> datetime:
        """Aware UTC."""

    def steady(self) -> int:
        """Milliseconds of a clock that only goes forward, also in suspend."""

    async def sleep(self, seconds: float) -> None:
        """Wait; may be cancelled."""


class Ids(Protocol):
    """Identifiers of our own rows."""

    def new(self, kind: str) -> str:
        """A fresh text id, ordered by time; from the seed in a simulation."""


class Secrets(Protocol):
    """The vault of one workspace. Values never appear in logs, errors or repr."""

    async def get(self, connection: str, name: str) -> str | None:
        """The value, or None where there is none."""

    async def put(self, connection: str, values: Mapping[str, str]) -> None:
        """Store values in one transaction; older ones are kept until ``forget_old``."""

    async def forget_old(self, connection: str) -> None:
        """The new values worked: older generations go."""

    async def older(self, connection: str, name: str) -> str | None:
        """The generation before the present one, or None."""

    async def acquire(self, connection: str, holder: str, seconds: int) -> bool:
        """True when this holder alone may renew the sign-in for so many seconds."""


# --- transport -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """Bytes out. ``url`` is absolute; ``timeout_s`` ends in `LostError`."""

    method: str
    url: str
    # Out of repr: a header signs in, and a body may.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """Bytes in. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Silence(StrEnum):
    """Why no answer came."""

    REFUSED = "refused"
    NO_ADDRESS = "no_address"
    NO_WAY = "no_way"
    TIMED_OUT = "timed_out"
    CUT = "cut"
    TLS = "tls"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_OF_ANOTHER = "certificate_of_another"
    CERTIFICATE_UNKNOWN = "certificate_unknown"
    PROXY = "proxy"
    UNKNOWN = "unknown"


class _NoAnswerError(Exception):
    def __init__(self, *told: object, silence: Silence = Silence.UNKNOWN) -> None:
        super().__init__(*told)
        self.silence = silence


class NotSentError(_NoAnswerError):
    """No byte left this machine: certainly not done."""


class LostError(_NoAnswerError):
    """A byte may have arrived and no whole answer came back. When unsure, this one."""


class OverlongError(LostError):
    """The answer was longer than any answer may be; the rest of it was not read."""


class Transport(Protocol):
    """Sends once: no redirect, no retry, no cookie."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer whatever its status. Raises `NotSentError` or `LostError`."""

    async def close(self) -> None:
        """Let go of sockets. May be called twice."""
