"""
The store as the engine sees it: the values that cross, and the promise of each transaction.

Every method is one transaction in one workspace. Nothing here names a database or a system.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from tieout.core.brakes import Counts
from tieout.core.case import Candidate, Decision, RefRole, Seen, SlotState
from tieout.core.change import Change, Outcome, Prepared, Wire
from tieout.core.conflict import Choice
from tieout.core.finding import Finding
from tieout.core.keys import Slot
from tieout.core.model import Entity, ExternalRef, Price, Record
from tieout.core.resolve import DoubtState, Judgement
from tieout.ports import Gone
from tieout.storing_contacts import ContactStore


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorRow:
    """How far reading got. ``through_at`` is set once the side was read to its end."""

    position: bytes | None
    resume: bytes | None
    revision: int
    read_at: datetime
    through_at: datetime | None
    swept_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorFacts:
    """What the mirror keeps beside the record, in columns that SQL can use."""

    kind: str = ""
    number: str = ""
    customer_id: str | None = None
    parent_id: str | None = None
    carried_key: str | None = None
    status: str = ""
    day: date | None = None
    due_day: date | None = None
    currency: str = ""
    net: Decimal | None = None
    tax: Decimal | None = None
    gross: Decimal | None = None
    open: Decimal | None = None
    paid: Decimal | None = None
    paid_on: date | None = None
    credited: Decimal | None = None
    org_number: str = ""
    vat_number: str = ""
    email: str = ""
    name_folded: str = ""
    postcode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRow:
    """One record as it goes into the mirror."""

    ref: ExternalRef
    record: Record
    facts: MirrorFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """
    Which lane becomes due when a record of an entity changes, and for which source.

    ``source``: 'self' (the record's own id), 'linked' (its id, if it has a customer slot),
    'deals_of_customer', 'contacts_of_customer', 'other_half_n' and 'other_half_m' (the contact
    that this one is linked with by such a slot), 'slot_source' (the source of the slot whose ref it
    is, whose key it carries, that it grew out of, or whose document it credits),
    'customer_of_slot', 'parked' (every parked row that waits on this entity), 'item_of_price',
    'kind_of_code', 'kind_of_values' (a kind of codes).
    """

    lane: str
    entity: Entity
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageIn:
    """
    A page with the cursor that belongs to it. Rows that were not understood are shown as exceptions
    of ``bridge`` under ``lane`` until they are read, or gone.
    """

    bridge: str
    lane: str
    connection: str
    entity: Entity
    shape: str
    rows: Sequence[MirrorRow]
    gone: Sequence[Gone]
    unread: Sequence[tuple[ExternalRef, Finding]]
    cursor: bytes | None
    resume: bytes | None
    revision: int
    complete: bool
    fan_out: Sequence[FanOut]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PageResult:
    """``moved`` False: somebody else moved the cursor, nothing was stored."""

    moved: bool
    revision: int
    changed: int
    gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRow:
    lane: str
    source_id: str
    revision: int
    parked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSend:
    """The last request of an operation, as it left: a guarded repeat sends it again as it is."""

    wire: Wire
    prepared: Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyOperation:
    """An operation that may be sent: its stored change and what it depends on, resolved."""

    id: str
    lane: str
    source_id: str
    key13: str
    slot: Slot
    change: Change
    state: str
    payload_rev: int
    absence_no: int
    seq: int
    generation: int
    repeats: bool
    want_digest: str
    config_version: int = 0
    stored: StoredSend | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A wire about to leave, with the prepared items in the order of its outcomes."""

    send_id: str
    connection: str
    wire: Wire
    items: Sequence[tuple[ReadyOperation, Prepared]]
    vendor_time: datetime
    horizon: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """
    What came back for one attempt, whose number is ``attempt``. ``horizon`` counts from the end
    of the call: a request that left late can take effect late.
    """

    operation: ReadyOperation
    prepared: Prepared
    attempt: int
    fence: int
    outcome: Outcome
    next_look_s: int
    row: MirrorRow | None
    horizon: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDoubt:
    """
    An operation that has to be looked up, with all that a look needs. ``late_horizon``: what the
    first look makes of horizons that were not set.
    """

    operation: ReadyOperation
    state: DoubtState
    bodies: tuple[bytes, ...]
    customers: tuple[ExternalRef, ...]
    witness: Mapping[str, str] = field(default_factory=dict)
    late_horizon: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseCarrier:
    """A record that carries a key of ours and is not linked. ``role`` 'former': it once was."""

    key: str
    record: Record
    role: RefRole | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberTaken:
    """A record that bears a number; ``linked`` where it belongs to a slot already."""

    record: Record
    linked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerQuery:
    """What a CRM customer could be found by in the books."""

    source_id: str
    key13: str
    org_number: str
    vat_number: str
    name_folded: str
    postcode: str
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """
    A right to work on a bridge. ``fence`` grows with every holder. ``after``: the process that had
    it and is gone, where it was not waited for.
    """

    bridge: str
    holder: str
    fence: int
    until: datetime
    after: str = ""


class Store(ContactStore, Protocol):
    """The store of one workspace."""

    # bridge and runs
    async def take_lease(
        self, bridge: str, holder: str, process: str, seconds: int, now: datetime
    ) -> Lease | tuple[str, datetime]:
        """The lease, or who holds it since when."""

    async def renew_lease(self, lease: Lease, seconds: int, now: datetime) -> bool: ...

    async def release_lease(self, lease: Lease) -> None: ...

    async def start_run(self, bridge: str, who: str, now: datetime) -> int: ...

    async def finish_run(
        self, number: int, state: str, counts: Mapping[str, int], now: datetime
    ) -> None: ...

    # reading
    async def cursor(self, connection: str, entity: Entity, shape: str) -> CursorRow | None: ...

    async def page_in(self, page: PageIn) -> PageResult: ...

    async def mark_swept(
        self, connection: str, entity: Entity, shape: str, now: datetime
    ) -> None: ...

    async def missing_keys(
        self, connection: str, entity: Entity, prefix: str, present: Container[str]
    ) -> list[str]:
        """Ids that begin so, that the mirror has and the side has not."""

    async def newer_keys(
        self, connection: str, entity: Entity, stamps: Mapping[str, str]
    ) -> list[str]:
        """Of these ids those that are new there, or stamped otherwise than the mirror shows."""

    async def mark_gone(
        self,
        connection: str,
        entity: Entity,
        gone: Sequence[Gone],
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> int: ...

    async def make_due(self, lane: str, source_ids: Sequence[str], now: datetime) -> None: ...

    async def wake(self, lane: str, parked_on: Sequence[str], now: datetime) -> int: ...

    # deciding
    async def due_window(
        self, lane: str, limit: int, now: datetime, after: str = "", parked: Sequence[str] = ()
    ) -> list[DueRow]: ...

    async def mirror(
        self, connection: str, entity: Entity, ids: Sequence[str]
    ) -> dict[str, Seen]: ...

    async def mirror_by_number(
        self, connection: str, entity: Entity, numbers: Sequence[str]
    ) -> dict[str, Record]: ...

    async def codes(self, connection: str, kind: str) -> list[Record]: ...

    async def slots(self, wanted: Sequence[Slot]) -> dict[str, SlotState]: ...

    async def slots_of_sources(
        self, bridge: str, kind: str, source_ids: Sequence[str]
    ) -> dict[str, list[SlotState]]: ...

    async def candidates(
        self, connection: str, queries: Sequence[CustomerQuery]
    ) -> dict[str, list[Candidate]]: ...

    async def customer_verdicts(
        self, crm: str, connection: str, source_ids: Sequence[str]
    ) -> dict[str, tuple[str, tuple[str, ...]]]:
        """
        What a person said of CRM customers last, or of those merged into them: ('is', id in the
        books, as what it is now), or ('new', ids of those that it could have been then).
        """

    async def customer_sides(
        self, connection: str, source_ids: Sequence[str]
    ) -> dict[str, tuple[Choice, ...]]:
        """The sides that people chose where both had changed a field of these CRM customers."""

    async def told_apart(
        self, connection: str, pairs: Sequence[tuple[str, str]]
    ) -> frozenset[tuple[str, str]]:
        """Pairs (customer of the CRM or place, record of the books) that a person said are two."""

    async def released_on(
        self, lane: str, customer_ids: Sequence[str], day: date
    ) -> dict[str, list[tuple[str, str, Decimal]]]: ...

    async def credit_notes(
        self, connection: str, document_ids: Sequence[str]
    ) -> dict[str, list[Record]]: ...

    async def grown_from(
        self, connection: str, document_ids: Sequence[str]
    ) -> dict[str, list[Record]]:
        """What the books made of these orders, by the order's id; others have nothing."""

    async def unlinked_documents(
        self, connection: str, places: Sequence[tuple[str, Decimal]]
    ) -> dict[tuple[str, Decimal], list[Record]]: ...

    async def sources_of(
        self, connection: str, entity: Entity, ids: Sequence[str]
    ) -> dict[str, str]: ...

    async def numbers_taken(
        self, connection: str, entity: Entity, numbers: Sequence[str]
    ) -> dict[str, list[NumberTaken]]: ...

    async def prices_of(
        self, connection: str, items: Mapping[str, str]
    ) -> dict[str, list[Price]]: ...

    async def open_deals_with(
        self, connection: str, numbers: Sequence[str]
    ) -> dict[str, list[str]]: ...

    async def customers_of_merged_accounts(
        self, connection: str, keys: Sequence[str]
    ) -> dict[str, list[str]]: ...

    async def documents_of_customers(
        self, connection: str, customer_ids: Sequence[str]
    ) -> dict[str, list[Record]]: ...

    async def record(
        self,
        *,
        bridge: str,
        connection: str,
        decisions: Sequence[Decision],
        due: Sequence[DueRow],
        run: int | None,
        config_version: int,
        now: datetime,
        day: date,
        shadow: bool,
    ) -> dict[str, int]:
        """Decisions replace their due rows, if unchanged since. Counts by verdict."""

    async def counts(
        self,
        bridge: str,
        connection: str,
        entity: Entity,
        shape: str,
        run: int,
        now: datetime,
        planned: int = 0,
    ) -> Counts: ...

    async def open_brakes(
        self, bridge: str, findings: Sequence[tuple[str, str, str]], now: datetime
    ) -> None: ...

    async def loose_credits(self, bridge: str, lane: str, books: str, now: datetime) -> int: ...

    # executing
    async def pick_ready(
        self,
        bridge: str,
        connection: str,
        limit: int,
        now: datetime,
        creates: bool,
        only: Sequence[str] | None,
    ) -> list[ReadyOperation]: ...

    async def carriers(self, key13s: Sequence[str]) -> dict[str, list[tuple[str, Record]]]: ...

    async def draw_number(self, connection: str, entity: Entity, start: int, count: int) -> int: ...

    async def mark_started(
        self,
        sendings: Sequence[Sending],
        worker: str,
        lease_s: int,
        now: datetime,
    ) -> dict[str, dict[str, tuple[int, int]]]:
        """By send id: operation id → (attempt number, fence). Absent: a send that lost an item."""

    async def settle(
        self, bridge: str, settled: Sequence[Settled], fan_out: Sequence[FanOut], now: datetime
    ) -> None: ...

    async def not_sent(
        self,
        sendings: Sequence[Sending],
        started: Mapping[str, Mapping[str, tuple[int, int]]],
        not_before: datetime | None,
        now: datetime,
    ) -> None:
        """These did not leave: ready again, not before the time that is given."""

    async def refuse(
        self,
        bridge: str,
        operation: ReadyOperation,
        findings: Sequence[Finding],
        stale: bool,
        seen: MirrorRow | None,
        now: datetime,
    ) -> None: ...

    async def adopt(
        self,
        bridge: str,
        operation: ReadyOperation,
        row: MirrorRow,
        generation: int,
        base_known: bool,
        now: datetime,
    ) -> None: ...

    # resolving
    async def expire_leases(
        self, bridge: str, now: datetime, horizons: Mapping[str, datetime]
    ) -> int: ...

    async def doubts_due(
        self, bridge: str, connection: str, limit: int, now: datetime, furthest: datetime
    ) -> list[OpenDoubt]: ...

    async def places_of(self, refs: Sequence[ExternalRef]) -> dict[ExternalRef, str]: ...

    async def apply_judgement(
        self,
        bridge: str,
        doubt: OpenDoubt,
        judgement: Judgement,
        row: MirrorRow | None,
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> None: ...

    async def move_ref(
        self,
        old: ExternalRef,
        row: MirrorRow,
        found_by: str,
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> None: ...

    # carriers of our keys that are not linked, and records that were merged
    async def loose_carriers(self, connection: str) -> list[LooseCarrier]: ...

    async def slots_by_key(self, keys: Sequence[str]) -> dict[str, SlotState]: ...

    async def known_sources(self, crm: str) -> list[tuple[str, str, int]]:
        """Every deal and customer that was ever read: entity, id, number of billing steps."""

    async def link_found(
        self,
        bridge: str,
        state: SlotState,
        ref: ExternalRef,
        generation: int,
        record: Record,
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> None: ...

    async def follow_to(
        self,
        bridge: str,
        state: SlotState,
        ref: ExternalRef,
        generation: int,
        booked: bool,
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> bool: ...

    async def mark_copy(
        self,
        bridge: str,
        state: SlotState,
        ref: ExternalRef,
        generation: int,
        live: bool,
        now: datetime,
    ) -> None: ...

    async def wake_orphans(self, bridge: str, now: datetime) -> int:
        """Writes whose customer nobody is making any more are due again. How many."""

    async def made_by_another_version(self, bridge: str, version: int, now: datetime) -> int:
        """What another configuration planned and nobody sent is planned anew. How many."""

    async def is_dead(self, ref: ExternalRef) -> bool:
        """Whether a document was last seen to be voided, or credited in full."""

    async def close_settled(self, bridge: str, now: datetime) -> int:
        """Exceptions and doubts whose other record is gone. How many changed."""

    async def merged_customers(self, connection: str) -> list[tuple[ExternalRef, ExternalRef]]:
        """Linked customers of the books that were merged: (old, winner)."""

    async def merge_refs(
        self, bridge: str, old: ExternalRef, winner: MirrorRow, now: datetime
    ) -> None: ...

    async def alias_merged(
        self, bridge: str, crm: str, fan_out: Mapping[str, Sequence[FanOut]], now: datetime
    ) -> int:
        """CRM customers that were merged: slots become aliases. How many moved."""

    # after a restore
    async def recovery(self, bridge: str) -> tuple[datetime, int] | None:
        """Until when the bridge writes nothing, and how many whole reads it still needs."""

    async def begin_recovery(self, epoch: int, seq: int, until: datetime, now: datetime) -> None:
        """A new epoch: whatever is not final, of whatever bridge, may have been sent."""

    async def recovery_read(self, bridge: str, until: datetime | None, now: datetime) -> None:
        """A whole read of its sides was done. ``until`` None: it was the bridge's last one."""

    async def forget_cursors(self, connections: Sequence[str]) -> None:
        """Both sides are read from the beginning again; the mirror stays."""

    async def ask_for_unlinked(
        self, bridge: str, connection: str, opaque: bool, off: timedelta, now: datetime
    ) -> int:
        """
        Documents without a key that are newer than the backup, as exceptions. How many. ``off``:
        how far our clock may have been ahead when it was made.
        """

    async def held_customers(self, bridge: str, connection: str) -> frozenset[str]:
        """CRM customers whose creates wait after a restore; '*': all of that company's."""

    async def ghosts(self, connection: str, entities: Sequence[Entity], now: datetime) -> int:
        """Linked records that a mirror read anew does not have, as missing ones. How many."""

    async def successors(
        self, connection: str, entity: Entity, refs: Sequence[ExternalRef]
    ) -> dict[ExternalRef, Record]:
        """Records already read that the vendor says grew out of these."""

    async def vanished(self, connection: str, entity: Entity) -> list[ExternalRef]:
        """Current refs whose record is missing and whose fate is not certain yet."""

    async def gone_since(self, ref: ExternalRef) -> datetime | None:
        """When a record was first missing, or None when it is there."""

    async def open_work(self, bridge: str) -> dict[str, int]:
        """Counts of operations by state, of due rows and of open exceptions."""

    async def next_ready(self, bridge: str, now: datetime) -> datetime | None:
        """When an operation that was put off may be sent, or None when none was."""

    async def next_wake(self, bridge: str, now: datetime) -> datetime | None:
        """When something that waits by the clock is due next, or None."""
