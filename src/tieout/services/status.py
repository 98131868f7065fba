"""Where every bridge stands: when it ran, what waits for whom, what stands still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.store import admin, people, planned, plans, recovering
from tieout.store.postgres import PostgresStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeStatus:
    """
    One bridge. ``waiting`` are releases; ``unanswered`` writes that are being looked up; ``still``
    connections that need a person; ``works`` who works on it now, since when; ``recovery``: after
    a restore, from when on the reads count and how many are needed. ``without_amount``: exceptions
    that no known amount waits for. ``broken_off``: the newest run, and when it began, where it did
    not come to its end and nobody works.
    """

    bridge: str
    version: int
    run: dict[str, Any] | None
    works: tuple[str, datetime] | None
    waiting: tuple[dict[str, Any], ...]
    plan: int | None
    exceptions: int
    amounts: tuple[tuple[Decimal, str], ...]
    oldest: datetime | None
    unanswered: tuple[dict[str, Any], ...]
    shadow: int
    still: tuple[admin.ConnectionRow, ...]
    open: dict[str, int]
    read_at: datetime | None
    recovery: tuple[datetime, int] | None = None
    without_amount: int = 0
    broken_off: tuple[int, datetime] | None = None

    @property
    def badness(self) -> tuple[int, int, int, str]:
        """The worst first: standing still, then exceptions, then what waits."""
        return (-len(self.still), -self.exceptions, -len(self.waiting), self.bridge)


async def status(store: PostgresStore, *, now: datetime, only: str = "") -> list[BridgeStatus]:
    """Every bridge of the project, the worst first; or one."""

    def work(tx: Any) -> list[BridgeStatus]:
        rows = {row.name: row for row in admin.list_connections(tx)}
        found = [
            _one(tx, version, rows, now)
            for version in admin.bridges(tx)
            if only in ("", version.bridge)
        ]
        return sorted(found, key=lambda one: one.badness)

    return await store.do(work)


def _one(
    tx: Any, version: admin.ConfigVersion, rows: dict[str, admin.ConnectionRow], now: datetime
) -> BridgeStatus:
    from tieout.settings.bridge import Configuration
    from tieout.store import runs

    bridge = version.bridge
    configuration = Configuration.from_stored(version.body, version.tables)
    sides = [configuration.crm, *configuration.books]
    total = people.open_total(tx, bridge)
    work = runs.open_work(tx, bridge)
    waiting = plans.waiting(tx, bridge)
    works = people.working_now(tx, bridge, now)
    return BridgeStatus(
        bridge=bridge,
        version=version.version,
        run=people.last_runs(tx, bridge),
        works=works,
        broken_off=people.broken_off(tx, bridge) if works is None else None,
        waiting=tuple(waiting),
        plan=planned.plan_with(tx, bridge, [one["digest"] for one in waiting]),
        exceptions=total.number,
        amounts=total.amounts,
        oldest=total.oldest,
        without_amount=total.without_amount,
        unanswered=tuple(people.unanswered(tx, bridge)),
        shadow=work.get("due.shadow", 0),
        still=tuple(
            rows[name] for name in sides if name in rows and rows[name].state not in ("ok", "new")
        ),
        open=work,
        read_at=planned.read_at(tx, sides),
        recovery=recovering.recovery(tx, bridge),
    )
