"""One pass of a bridge: look, read, decide, brake, execute, settle; again until nothing moves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from tieout.core.brakes import Brake, Counts, brakes
from tieout.core.errors import BusyError, StoppedError
from tieout.core.gates import is_open
from tieout.core.model import Entity
from tieout.engine import lanes
from tieout.engine.adopting import adopt_carriers
from tieout.engine.context import LEASE_S, Engine
from tieout.engine.deciding import DecideCounts, all_lanes, decide_lane
from tieout.engine.executing import execute
from tieout.engine.reading import ReadCounts, read_side
from tieout.engine.recover import read_through, recovering
from tieout.engine.resolving import ResolveCounts, expire, resolve
from tieout.engine.sending import ExecuteCounts
from tieout.storing import Lease

ROUNDS = 6
KEEP_EVERY_S = 20


@dataclass(slots=True)
class RunResult:
    """
    What a run did. ``brakes`` held something back; ``open`` is what is still open after it;
    ``after``: a process that is gone had worked on the bridge.
    """

    number: int
    read: ReadCounts = field(default_factory=ReadCounts)
    decided: DecideCounts = field(default_factory=DecideCounts)
    executed: ExecuteCounts = field(default_factory=ExecuteCounts)
    resolved: ResolveCounts = field(default_factory=ResolveCounts)
    brakes: tuple[Brake, ...] = ()
    open: dict[str, int] = field(default_factory=dict)
    after: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def counts(self) -> dict[str, int]:
        """The figures that are stored with the run."""
        return {
            "read": self.read.changed,
            "gone": self.read.gone,
            "applied": self.executed.applied,
            "rejected": self.executed.rejected,
            "unknown": self.executed.unknown,
            "adopted": self.executed.adopted,
            "found": self.resolved.found,
            "calls": self.executed.calls,
            **{f"decided.{name}": number for name, number in self.decided.by_verdict.items()},
        }


async def run(engine: Engine) -> RunResult:
    """
    One pass over the bridge. Raises `BusyError` when another run works on it.

    Books are read before anything is created; every step is repeated until it finds nothing new.
    """
    lease = await _lease(engine)
    result = RunResult(number=0, after=lease.after, started_at=engine.clock.now())
    try:
        result.number = await engine.store.start_run(engine.bridge, engine.who, engine.clock.now())
        await _pass(engine, lease, result)
        result.open = await engine.store.open_work(engine.bridge)
        result.finished_at = engine.clock.now()
        await engine.store.finish_run(
            result.number,
            "interrupted" if engine.stopping else "done",
            # What a person let a run go over is no surprise to the next one.
            result.counts() | ({"forced": 1} if engine.force else {}),
            engine.clock.now(),
        )
    finally:
        await engine.store.release_lease(lease)
    return result


async def _lease(engine: Engine) -> Lease:
    taken = await engine.store.take_lease(
        engine.bridge, engine.worker, engine.process, LEASE_S, engine.clock.now()
    )
    if isinstance(taken, Lease):
        return taken
    process, since = taken
    local = since.astimezone(ZoneInfo(engine.policy.books[0].time_zone))
    raise BusyError(
        f"Another run works on {engine.bridge} since {local:%H:%M} ({process}). Nothing was done.",
        hint="tieout status --watch",
    )


async def _keep(engine: Engine, lease: Lease) -> None:
    if not await engine.store.renew_lease(lease, LEASE_S, engine.clock.now()):
        raise BusyError(
            f"Another run took over {engine.bridge}. What was sent is settled by it.",
            hint="tieout status --watch",
        )


async def _pass(engine: Engine, lease: Lease, result: RunResult) -> None:
    await connect(engine)
    await _wake_company(engine)
    waiting = await recovering(engine)
    await expire(engine)
    for connection in [*engine.books, engine.policy.crm]:
        await resolve(engine, connection, result.resolved)
    sides = [*engine.books, engine.policy.crm]
    if not engine.rules.books_read_first:
        sides = [engine.policy.crm]
    for connection in sides:
        read = await read_side(engine, connection)
        result.read.changed += read.changed
        result.read.gone += read.gone
        result.read.pages += read.pages
        await _keep(engine, lease)
    moved = result.read.changed + result.read.gone + _progress(result)
    if result.read.changed:
        # First: what a credit note takes off is no document that came back.
        await _loose_credits(engine)
    if moved or not engine.looked_for_carriers:
        await adopt_carriers(engine)
    if waiting:
        await read_through(engine)
        return
    now = engine.clock.now()
    await engine.store.made_by_another_version(engine.bridge, engine.policy.version, now)
    first = True
    while True:
        for _ in range(ROUNDS):
            before = _progress(result)
            await _round(engine, lease, result, first=first)
            first = False
            if engine.stopping or _progress(result) == before:
                break
        if engine.stopping or not await _wait_for_quota(engine, lease):
            return


async def _wait_for_quota(engine: Engine, lease: Lease) -> bool:
    """
    Whether there is work that a quota or a lock put off, after waiting until it may go.

    A run ends with its work done, not with a note to come back in half a minute; what has to wait
    longer than ``engine.patience_s`` is left to the next run.
    """
    at = await engine.store.next_ready(engine.bridge, engine.clock.now())
    if at is None:
        return False
    pause = (at - engine.clock.now()).total_seconds()
    if pause > engine.patience_s:
        return False
    while pause > 0 and not engine.stopping:
        await engine.clock.sleep(min(pause, KEEP_EVERY_S))
        pause -= KEEP_EVERY_S
        await _keep(engine, lease)
    return True


async def _wake_company(engine: Engine) -> None:
    """What a closed period held is looked at again once today is open."""
    for books in engine.books:
        if is_open(engine.companies[books], engine.today(books)):
            lane = lanes.lane(engine.bridge, lanes.DOCUMENTS, books)
            await engine.store.wake(lane, ["company"], engine.clock.now())


async def _loose_credits(engine: Engine) -> None:
    """Credit notes that name no invoice are shown: they belong to no deal, never by amount."""
    for books in engine.books:
        lane = lanes.lane(engine.bridge, lanes.LEDGER, books)
        await engine.store.loose_credits(engine.bridge, lane, books, engine.clock.now())


def _progress(result: RunResult) -> int:
    # An ended generation is progress too: its successor is decided in the next round.
    ended = result.decided.by_verdict.get("end", 0)
    return result.executed.progress + result.resolved.progress + ended


async def connect(engine: Engine) -> None:
    """The companies behind the connections: one that answers for another company is refused."""
    for name, connector in engine.connectors.items():
        company = await connector.company()
        expected = (
            engine.policy.crm_org if name == engine.policy.crm else engine.policy.book(name).company
        )
        if company.id != expected:
            raise StoppedError(
                f"{name} now answers for another company: {company.name}.",
                code="company_changed",
                hint=f"tieout connection rotate {name}",
            )
        engine.companies[name] = company


async def _round(engine: Engine, lease: Lease, result: RunResult, *, first: bool) -> None:
    await engine.store.wake_orphans(engine.bridge, engine.clock.now())
    for lane in all_lanes(engine):
        if lanes.flow_of(lane) in engine.resting:
            continue
        await decide_lane(engine, lane, result.number, result.decided)
        await _keep(engine, lease)
    crm = engine.policy.crm
    sides = [*engine.books, crm]
    if first:
        # Shares of what was linked are counted once, before the first send of the run.
        counted = [await _brakes(engine, connection, result.number) for connection in sides]
        result.brakes = tuple(brake for of_side in counted for brake in of_side)
    found = result.brakes
    for connection in sides:
        held = [brake for brake in found if brake.connection == connection]
        # What is written to the books follows from the CRM: where that cannot be right, nothing is.
        if any(not brake.creates_only for brake in found if brake.connection in (connection, crm)):
            continue
        await execute(engine, connection, result.executed, creates=not held)
        await _keep(engine, lease)
        await resolve(engine, connection, result.resolved)
    await engine.store.open_brakes(
        engine.bridge,
        [(brake.code, brake.message, brake.hint) for brake in found],
        engine.clock.now(),
    )


async def _brakes(engine: Engine, connection: str, run_number: int) -> list[Brake]:
    """Reasons to hold back, from SQL counts, after the last window and before the first send."""
    if engine.force:
        return []
    found: list[Brake] = []
    is_books = connection != engine.policy.crm
    for entity in (Entity.CUSTOMER, Entity.DOCUMENT) if is_books else (Entity.DEAL,):
        selection = engine.selections[connection].get(entity)
        if selection is None:
            continue
        counts: Counts = await engine.store.counts(
            engine.bridge, connection, entity, selection.shape, run_number, engine.clock.now()
        )
        offset = engine.offsets.get(connection)
        seconds = 0 if offset is None else int(offset.total_seconds())
        found += brakes(replace(counts, clock_offset_s=seconds), engine.policy.brakes, engine.rules)
    return list({brake.code: brake for brake in found}.values())
