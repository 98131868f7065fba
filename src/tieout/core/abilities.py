"""What a connector declares of its system, as data, so that the engine asks for none by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tieout.core.change import Action
from tieout.core.model import Entity


class Reads(StrEnum):
    """How changes of an entity are found."""

    STAMP = "stamp"
    WHOLE_LIST = "whole_list"
    DERIVED = "derived"
    NONE = "none"


class Deletions(StrEnum):
    """How a deletion shows: in a feed, by comparing all keys, or not at all."""

    FEED = "feed"
    KEYS = "keys"
    NONE = "none"


class VersionCheck(StrEnum):
    """Whether a write can be tied to the version that was read."""

    NONE = "none"
    COMPARE = "compare"
    IF_MATCH = "if_match"


class Guard(StrEnum):
    """How a second create is kept from making a second record: the families of once-only."""

    IDEMPOTENCY_KEY = "a"
    CREATE_ONLY = "b"
    UPSERT = "b'"
    OUR_NUMBER = "c"
    SEARCHABLE = "d"
    LISTED = "e1"
    OPAQUE = "e2"


class TotalsRule(StrEnum):
    """Where a system rounds VAT: once per rate, on every line, or nobody has shown it."""

    PER_RATE = "per_rate"
    PER_LINE = "per_line"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityAbilities:
    """
    What can be done with one entity. Times are seconds on the vendor's clock.

    ``timeout_s`` T, ``longest_s`` E (after which no accepted request can still take effect),
    ``search_lag_s`` G, ``key_life_s`` K (0: not known), ``margin_s``.
    ``owned_whole``: rows that we own whole, so that the same write may be sent again at once.
    ``whole_list_every_s``: the timetable of a list that has no stamps. ``fields`` of a contact
    that can be read and written ('customer' among them: it can move to another one);
    ``one_each``: a customer holds one contact and no more.
    """

    reads: Reads = Reads.NONE
    stamp_misses: tuple[str, ...] = ()
    deletions: Deletions = Deletions.NONE
    page_max: int = 100
    whole_list_every_s: int = 0
    actions: frozenset[Action] = frozenset()
    write_max: int = 1
    atomic: bool = False
    serial_by: str = "customer"
    version: VersionCheck = VersionCheck.NONE
    owned_whole: bool = False
    lengths: Mapping[str, int] = field(default_factory=dict)
    decimals: Mapping[str, int] = field(default_factory=dict)
    guard: Guard = Guard.SEARCHABLE
    carrier_length: int = 16
    keeps_carrier_on_convert: bool = True
    tombstones: bool = False
    timeout_s: int = 60
    longest_s: int = 600
    search_lag_s: int = 30
    key_life_s: int = 0
    margin_s: int = 30
    fields: frozenset[str] = frozenset()
    one_each: bool = False


_NOTHING = EntityAbilities()


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWindow:
    """So many calls in so many seconds; ``share`` of them is ours, the rest is for others."""

    calls: int
    seconds: int
    share: str = "0.8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """
    What a connection as a whole can do. ``currency_on`` is 'document' or 'customer'. ``makes`` are
    the kinds of document that it can make: 'invoice_draft', 'invoice' (a draft that it then books),
    'sales_order'.
    """

    side: str
    entities: Mapping[Entity, EntityAbilities]
    in_flight: int = 4
    budgets: tuple[BudgetWindow, ...] = ()
    totals_rule: TotalsRule = TotalsRule.UNKNOWN
    currency_on: str = "document"
    drafts: bool = True
    makes: frozenset[str] = frozenset({"invoice_draft"})

    def of(self, entity: Entity) -> EntityAbilities:
        """The abilities of an entity; an entity that was not declared can do nothing."""
        return self.entities.get(entity, _NOTHING)
