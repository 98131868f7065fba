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
from tieout.engine.enrich import Enricher
from tieout.ports import Clock, Connector, Ids, Selection
from tieout.storing import FanOut, Store

LEASE_S = 60


@dataclass(slots=True, kw_only=True)
class Engine:
    """
    One bridge's engine. ``selections`` say what to read of each connection.

    ``offsets`` are the vendors' clocks against ours, learnt from their answers.
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
    stopping: bool = False
    force: bool = False
    patience_s: int = 120

    @property
    def bridge(self) -> str:
        return self.policy.name

    def vendor_now(self, connection: str) -> datetime:
        """Now by that vendor's clock, as far as its answers have told."""
        return self.clock.now() + self.offsets.get(connection, timedelta(0))

    def heard(self, connection: str, vendor_time: datetime | None) -> None:
        """An answer said what time it is over there."""
        if vendor_time is not None and self.rules.vendor_clock:
            self.offsets[connection] = vendor_time - self.clock.now()

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
