"""A case: one source with all that a decision about it may look at, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from tieout.core.abilities import Abilities, EntityAbilities
from tieout.core.change import Change, Predicted
from tieout.core.conflict import Choice
from tieout.core.finding import Finding
from tieout.core.keys import Slot
from tieout.core.mapping.fields import Owner
from tieout.core.model import (
    Company,
    Contact,
    Customer,
    Deal,
    Document,
    ExternalRef,
    Item,
    Record,
    Standing,
)
from tieout.core.tax import TaxAnswer


class OpState(StrEnum):
    """The states of an operation (docs/explanation/once-only.md)."""

    AWAITING_APPROVAL = "awaiting_approval"
    READY = "ready"
    STARTED = "started"
    UNKNOWN = "unknown"
    CONFIRMING = "confirming"
    DOUBT = "doubt"
    APPLIED = "applied"
    ALREADY_APPLIED = "already_applied"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


WAITING = frozenset({OpState.READY, OpState.AWAITING_APPROVAL})
OPEN = frozenset({OpState.STARTED, OpState.UNKNOWN, OpState.CONFIRMING, OpState.DOUBT})


class RefRole(StrEnum):
    CURRENT = "current"
    FORMER = "former"
    COPY = "copy"
    NOT_OURS = "not_ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRef:
    """A record that was, is or looked like a slot's."""

    ref: ExternalRef
    generation: int
    role: RefRole
    found_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBase:
    """
    What both sides showed when they last agreed: ``wanted`` by us, ``shown`` by the target.

    ``known`` False: it was found, not written by us as it is; it is neither overwritten nor voided.
    """

    wanted: Record | None
    shown: Record | None
    known: bool
    predicted: Predicted | None = None
    config_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOperation:
    """An operation of a slot that is not final."""

    id: str
    state: OpState
    action: str
    generation: int
    seq: int
    want_digest: str
    net: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """
    All that is known of one slot. ``next_seq`` is the next free sequence per action; ``alias_of``
    the slot of the record that its source was merged into: that one's refs count.
    """

    slot: Slot
    key13: str
    exists: bool = False
    generation: int = 0
    refs: tuple[SlotRef, ...] = ()
    link: LinkBase | None = None
    operation: OpenOperation | None = None
    verdict: str = ""
    next_seq: Mapping[str, int] = field(default_factory=dict)
    approved: frozenset[str] = frozenset()
    alias_of: str = ""

    @property
    def current(self) -> SlotRef | None:
        """The record that the slot stands for now."""
        return next((ref for ref in self.refs if ref.role is RefRole.CURRENT), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    A record as the mirror has it. ``gone`` when it is not over there any more, ``merged_into``
    the id of the one that took it in.
    """

    record: Record
    gone: bool = False
    gone_certain: bool = False
    merged_into: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A customer in the books that could be the one, and by which key it was found."""

    customer: Customer
    by: str
    linked_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCase:
    """
    One CRM customer and what the books know of it. ``choices``: which side a person said counts,
    where both had changed a field.
    """

    source: Customer
    state: SlotState
    target: Seen | None = None
    candidates: tuple[Candidate, ...] = ()
    chosen: ExternalRef | None = None
    make_new: bool = False
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """
    How far the customer of a deal is in the books: there (``ref``), on its way (``pending``), or
    held (``findings``). ``key``: the operation key that makes or made it, where we do: it names
    the customer before the books have given it an id, and after.
    """

    ref: ExternalRef | None = None
    record: Customer | None = None
    pending: str | None = None
    key: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The books as a decision sees them: what fits in, what rounds how, which days are open."""

    connection: str
    company: Company
    abilities: Abilities
    rounds_to_unit: bool = False

    def entity(self, name: str) -> EntityAbilities:
        from tieout.core.model import Entity

        return self.abilities.of(Entity(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentCase:
    """
    One billing step of a deal with its closure.

    ``items`` and ``taxes`` are by our item number, ``rates`` by currency (to the base currency),
    ``released_today`` is the net already released for this customer on this day, in base currency;
    ``unrated`` a currency of it that has no rate, so that the sum is not known.
    ``moved``: a rule gives the deal to another company's books now. ``grown`` are the documents
    that the books made of the step's order, ``credit_notes`` also those of these.
    ``found`` is what was found wrong with the deal before it was composed. ``alike``: documents of
    this customer and net in the books that belong to no deal. ``earlier``: documents that this
    step had before and that stand again, where it has none now.
    """

    deal: Deal
    part: int
    crm_customer: Customer | None
    buyer: Buyer
    state: SlotState
    target: Target
    document: Seen | None = None
    credit_notes: tuple[Document, ...] = ()
    grown: tuple[Document, ...] = ()
    items: Mapping[str, Item] = field(default_factory=dict)
    taxes: Mapping[str, TaxAnswer] = field(default_factory=dict)
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    released_today: Decimal = Decimal(0)
    unrated: str = ""
    today: date = date(1970, 1, 1)
    now: datetime | None = None
    alike: tuple[Document, ...] = ()
    earlier: tuple[Document, ...] = ()
    deal_gone: bool = False
    moved: bool = False
    found: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingCase:
    """A deal or customer of the CRM and what the books show for it."""

    ref: ExternalRef
    of: str
    wanted: Standing | None
    state: SlotState


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCase:
    """
    One record of the books that the CRM shows, such as an item or an invoice.

    ``wanted`` is what it should show, None: nothing yet, for the ``reason`` (a code; ``waits_for``
    names the record of the books whose link frees it). ``candidates`` are records of the CRM that
    bear the same number and belong to nothing of ours. ``told`` is a code with its sentence for
    what is shown and lacks something; ``not_before`` is when time alone changes what is wanted.
    ``found`` is what keeps it from being composed.
    """

    source: ExternalRef
    number: str = ""
    title: str = ""
    wanted: Record | None = None
    reason: str = ""
    waits_for: str = ""
    active: bool = True
    state: SlotState
    target: Seen | None = None
    candidates: tuple[Record, ...] = ()
    told: tuple[str, str] = ("", "")
    found: tuple[Finding, ...] = ()
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Namesake:
    """
    A contact with the address that is looked for. ``linked``: it belongs to another person of the
    other side; ``ours`` False: that one is another company's. ``apart``: a person said that they
    are two.
    """

    contact: Contact
    linked: bool = False
    ours: bool = True
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactCase:
    """
    One person of one side (``side``) and what the other side knows of it.

    ``wanted`` is the person in the other side's words, its customer being the one over there
    (None: that is not linked, ``waits_for`` names what frees it). ``state`` is the slot of this
    write, ``pair`` the other half and ``target`` what it shows. ``base`` is what this side and the
    other showed when they last agreed, ``settled`` the customer at which that was; ``cut`` the
    pair that the other direction left. ``family`` are all refs of the person's customer, on both
    sides. ``twins`` are others of it with the same address on this side, ``found`` those over
    there, ``others`` counts persons of other customers that bear it too. ``chosen``: a rule picked
    the person (None: there is no rule). ``back``: the base is the other direction's, which this
    write does not touch; ``returns`` are fields that the other direction takes over from there.
    ``taken``: the person's row of the CRM shows what another company's books say; where both
    directions run, an edit in these books goes there too, and of what the books own the CRM says.
    ``occupied`` is who has the only place of that customer, ``rival`` another person of this side
    whom the other direction takes for the other half.
    """

    side: Owner
    source: Contact
    wanted: Contact | None
    state: SlotState
    pair: ExternalRef | None = None
    target: Seen | None = None
    base: tuple[Contact, Contact] | None = None
    settled: ExternalRef | None = None
    cut: tuple[Contact, Contact] | None = None
    family: frozenset[ExternalRef] = frozenset()
    twins: tuple[Contact, ...] = ()
    found: tuple[Namesake, ...] = ()
    others: int = 0
    chosen: bool | None = None
    gone: bool = False
    gone_certain: bool = False
    merged: bool = False
    back: bool = False
    returns: frozenset[str] = frozenset()
    taken: bool = False
    waits_for: str = ""
    customer_key: str = ""
    occupied: Contact | None = None
    rival: Contact | None = None
    findings: tuple[Finding, ...] = ()


class Verdict(StrEnum):
    """What a decision comes to."""

    WRITE = "write"
    APPROVAL = "approval"
    HOLD = "hold"
    SKIP = "skip"
    WAIT = "wait"
    NOTHING = "nothing"
    AGREED = "agreed"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    The outcome for one source. ``reason`` is a code, ``message`` a sentence for a person.

    ``change`` is there for WRITE and APPROVAL. ``agreed`` (with AGREED): both sides show the same,
    the base becomes this pair. END: the slot's generation ends (its document is dead and the
    trigger was seen false). ``supersede``: a waiting operation of the slot is not wanted any more.
    ``not_before``: when time alone makes it due again (an instalment's day). ``waits_for`` (with
    WAIT): the record whose link makes it due again. ``again`` (with AGREED): what was adopted is
    compared in the next round. ``displaces`` (with ``adopt``): the slot whose create, not sent yet,
    is needless with it.
    """

    lane: str
    source_id: str
    part: int = 0
    verdict: Verdict
    reason: str = ""
    message: str = ""
    state: SlotState | None = None
    change: Change | None = None
    digest: str = ""
    findings: tuple[Finding, ...] = ()
    supersede: bool = False
    agreed: tuple[Record, Record] | None = None
    net: Decimal | None = None
    currency: str = ""
    predicted: Predicted | None = None
    customer_id: str = ""
    number: str = ""
    title: str = ""
    differs: tuple[str, ...] = ()
    line_count: int = 0
    not_before: datetime | None = None
    waits_for: str = ""
    again: bool = False
    adopt: ExternalRef | None = None
    adopted_record: Record | None = None
    displaces: str = ""
