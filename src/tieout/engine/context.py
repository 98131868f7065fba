"""What every step of the engine is given: ports, policy, rules, and the time of each vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tieout.core.case import Target
from tieout.core.model import Company, Entity
from tieout.core.policy import BridgePolicy
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.engine import lanes
from tieout.engine.enrich import Enricher, Registers
from tieout.ports import Clock, Connector, Ids, Selection
from tieout.storing import FanOut, Store

LEASE_S = 60
# So many deals are decided before others have their turn: what is under way goes on meanwhile. Not
# fewer: a thread that waits for the interpreter asks for it only when nobody has let go of it for a
# while, and each turn lets go for too short a time to be noticed.
BREATH = 32


@dataclass(slots=True, kw_only=True)
class Engine:
    """
    One bridge's engine. ``selections`` say what to read of each connection.

    ``offsets`` are the vendors' clocks against ours, learnt from their answers; ``told`` the latest
    vendor's time with our steady clock at that moment. ``sweep_every``: how often all ids are
    compared. ``foreign_keys`` belong to no deal of this CRM. ``looked_for_carriers``: this process
    has compared what carries our keys with what is linked. ``by_hand``: after a restore
    every write needs a release. ``resting``: flows that are not decided in the coming runs.
    ``registers`` are asked about VAT numbers; None: none is.
    """

    store: Store
    connectors: Mapping[str, Connector]
    policy: BridgePolicy
    selections: Mapping[str, Mapping[Entity, Selection]]
    clock: Clock
    ids: Ids
    enrich: Enricher
    worker: str
    who: str = "tieout"
    process: str = ""
    rules: Safeguards = ALL_ON
    companies: dict[str, Company] = field(default_factory=dict)
    offsets: dict[str, timedelta] = field(default_factory=dict)
    told: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    sweep_every: timedelta = timedelta(days=1)
    looked_for_carriers: bool = False
    foreign_keys: set[str] = field(default_factory=set)
    paused: dict[str, datetime] = field(default_factory=dict)
    stopping: bool = False
    force: bool = False
    by_hand: bool = False
    resting: frozenset[str] = frozenset()
    patience_s: int = 120
    registers: Registers | None = None

    @property
    def bridge(self) -> str:
        return self.policy.name

    def vendor_now(self, connection: str) -> datetime:
        """
        Now by that vendor's clock, as far as its answers have told.

        It runs on the clock that never jumps, so that a machine whose time is set changes nothing.
        """
        told = self.told.get(connection)
        if told is None:
            return self.clock.now()
        return told[0] + timedelta(milliseconds=self.clock.steady() - told[1])

    def knows_time(self, connection: str) -> bool:
        """Whether an answer has told the vendor's time; without the rule ours has to do."""
        return connection in self.told or not self.rules.vendor_clock

    def sent_at(self, connection: str) -> datetime:
        """
        The vendor's time of a request that leaves now, from which on it is searched for.

        While no answer has told it, a day earlier than our clock says: what is searched for too
        long ago is found too, what our clock puts into the future is not.
        """
        if self.knows_time(connection):
            return self.vendor_now(connection)
        return self.clock.now() - timedelta(days=1)

    def heard(self, connection: str, vendor_time: datetime | None) -> None:
        """
        An answer said what time it is over there.

        An answer that was held up tells too early a time, so the latest estimate stands.
        """
        if vendor_time is None or not self.rules.vendor_clock:
            return
        self.offsets[connection] = vendor_time - self.clock.now()
        if connection not in self.told or self.vendor_now(connection) < vendor_time:
            self.told[connection] = (vendor_time, self.clock.steady())

    def target(self, connection: str) -> Target:
        """The books as decisions see them."""
        company = self.companies[connection]
        return Target(
            connection=connection,
            company=company,
            abilities=self.connectors[connection].abilities,
            rounds_to_unit=company.facts.get("rounds_to_unit") is True,
        )

    def today(self, connection: str) -> date:
        """The day in the time zone of that company's books."""
        zone = ZoneInfo(self.companies[connection].time_zone)
        return self.clock.now().astimezone(zone).date()

    def fan_out(self, connection: str) -> tuple[FanOut, ...]:
        """Who becomes due by a record of that connection."""
        if connection == self.policy.crm:
            return lanes.crm_fan_out(self.policy)
        return lanes.books_fan_out(self.policy, connection)

    @property
    def books(self) -> list[str]:
        return [book.connection for book in self.policy.books]
