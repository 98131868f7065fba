"""Deciding: windows of due rows with their closure, set-based, into pure decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from tieout.core.case import Decision, Verdict
from tieout.core.errors import SyncError, place_of
from tieout.core.finding import defect
from tieout.core.policy import BooksPolicy, FlowMode
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.deciding_accounts import decide_accounts
from tieout.engine.deciding_contacts import decide_contacts
from tieout.engine.deciding_customers import decide_customers
from tieout.engine.deciding_documents import decide_documents
from tieout.engine.deciding_published import decide_invoices, decide_items
from tieout.engine.deciding_reference import decide_reference
from tieout.engine.deciding_standings import decide_balances, decide_standings
from tieout.storing import DueRow

WINDOW = 500
PART = 125
# So many rows of a lane are held for a defect of ours; with more it is the lane that fails.
MOST_FAILED = 20


@dataclass(slots=True)
class DecideCounts:
    by_verdict: dict[str, int] = field(default_factory=dict)

    def add(self, counts: Mapping[str, int]) -> None:
        for name, number in counts.items():
            self.by_verdict[name] = self.by_verdict.get(name, 0) + number


async def decide_lane(engine: Engine, lane: str, run: int | None, counts: DecideCounts) -> None:
    """
    Every due row of a lane, window by window. A window is recorded in parts, each in a transaction
    of its own, while the next part is decided; the next window is read when all are recorded.
    """
    after = ""
    failed: list[str] = []
    while not engine.stopping:
        due = await engine.store.due_window(lane, WINDOW, engine.clock.now(), after)
        if not due:
            return
        after = due[-1].source_id
        await _window(engine, lane, due, run, counts, failed)


async def _window(
    engine: Engine,
    lane: str,
    due: Sequence[DueRow],
    run: int | None,
    counts: DecideCounts,
    failed: list[str],
) -> None:
    """A row over which our own code stumbles is held with its place and keeps no other back."""
    recorded: set[str] = set()
    try:
        await _recorded(engine, lane, due, run, counts, recorded)
        return
    except SyncError:
        raise
    except Exception as error:
        left = [row for row in due if row.source_id not in recorded]
        if not left or len(failed) >= MOST_FAILED:
            raise
        if len(left) == 1:
            failed.append(left[0].source_id)
            held = _held_for_defect(lane, left[0], error)
            await record_window(engine, lane, left, [held], run, counts)
            return
    for half in _halves(left):
        await _window(engine, lane, half, run, counts, failed)


async def _recorded(
    engine: Engine,
    lane: str,
    due: Sequence[DueRow],
    run: int | None,
    counts: DecideCounts,
    recorded: set[str],
) -> None:
    """Decides and records, part by part. ``recorded``: the sources that are, added to."""
    recording: asyncio.Task[None] | None = None

    async def record(part: Sequence[DueRow], decisions: Sequence[Decision]) -> None:
        await record_window(engine, lane, part, decisions, run, counts)
        recorded.update(row.source_id for row in part)

    try:
        async with aclosing(_decided(engine, lane, due, PART)) as parts:
            async for part, decisions in parts:
                if recording is not None:
                    await recording
                recording = asyncio.ensure_future(record(part, decisions))
        if recording is not None:
            await recording
    except SyncError:
        await _dropped(recording)
        raise
    except Exception:
        # What was decided before somebody stumbled stands.
        if recording is not None:
            await recording
        raise
    except BaseException:
        await _dropped(recording)
        raise


async def _dropped(recording: asyncio.Task[None] | None) -> None:
    if recording is not None:
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)


def _halves(rows: Sequence[DueRow]) -> tuple[Sequence[DueRow], Sequence[DueRow]]:
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]


def _held_for_defect(lane: str, row: DueRow, error: Exception) -> Decision:
    """Nothing is sent for it, not even what was decided before it changed."""
    finding = defect(place_of(error))
    return Decision(
        lane=lane,
        source_id=row.source_id,
        verdict=Verdict.HOLD,
        reason=finding.code,
        message=finding.message,
        findings=(finding,),
        supersede=True,
    )


async def record_window(
    engine: Engine,
    lane: str,
    due: Sequence[DueRow],
    decisions: Sequence[Decision],
    run: int | None,
    counts: DecideCounts,
) -> None:
    """Decisions of one window into the store; operations go to the side that is written to."""
    flow, books = lanes.flow_of(lane), lane.rsplit("/", 1)[-1]
    connection = engine.policy.crm if flow in lanes.TO_CRM else books
    counts.add(
        await engine.store.record(
            bridge=engine.bridge,
            connection=connection,
            decisions=decisions,
            due=due,
            run=run,
            config_version=engine.policy.version,
            now=engine.clock.now(),
            day=engine.today(books),
            shadow=_mode(engine, flow) is FlowMode.SHADOW,
        )
    )


def _mode(engine: Engine, flow: str) -> FlowMode:
    match flow:
        case lanes.CUSTOMERS | lanes.ACCOUNTS:
            return engine.policy.customers.mode
        case lanes.DOCUMENTS:
            return engine.policy.documents.mode
        case lanes.ITEMS:
            return engine.policy.items.mode
        case lanes.INVOICES:
            return engine.policy.invoices.mode
        case lanes.CONTACTS | lanes.PERSONS:
            return engine.policy.contacts.mode
        case lanes.REFERENCE:
            return engine.policy.reference.mode
        case _:
            return engine.policy.status.mode


async def decide_window(engine: Engine, lane: str, due: Sequence[DueRow]) -> list[Decision]:
    """The decisions for these sources, in a stable order. Writes nothing."""
    return await _decided_apart(engine, lane, due, [])


async def _decided_apart(
    engine: Engine, lane: str, due: Sequence[DueRow], failed: list[str]
) -> list[Decision]:
    found: list[Decision] = []
    try:
        async with aclosing(_decided(engine, lane, due, len(due))) as parts:
            async for _, decisions in parts:
                found += decisions
        return found
    except SyncError:
        raise
    except Exception as error:
        if not due or len(failed) >= MOST_FAILED:
            raise
        if len(due) == 1:
            failed.append(due[0].source_id)
            return [_held_for_defect(lane, due[0], error)]
    first, second = _halves(due)
    return [
        *await _decided_apart(engine, lane, first, failed),
        *await _decided_apart(engine, lane, second, failed),
    ]


async def _decided(
    engine: Engine, lane: str, due: Sequence[DueRow], size: int
) -> AsyncGenerator[tuple[Sequence[DueRow], list[Decision]], None]:
    """
    The due rows with their decisions; of the flows with most rows, so many at a time. All that
    decisions are made on was read before the first part is given.
    """
    flow, books = lanes.flow_of(lane), lane.rsplit("/", 1)[-1]
    ids = [row.source_id for row in due]
    book = engine.policy.book(books)
    match flow:
        case lanes.DOCUMENTS:
            if engine.registers is not None:
                await engine.registers.before(engine, book, ids)
            parts = decide_documents(engine, lane, book, ids, size)
        case lanes.STATUS:
            parts = decide_standings(engine, lane, book, ids, size)
        case _:
            yield due, await _decided_whole(engine, lane, book, ids)
            return
    rows = {row.source_id: row for row in due}
    async with aclosing(parts):
        async for part, decisions in parts:
            yield [rows[key] for key in part], decisions


async def _decided_whole(
    engine: Engine, lane: str, book: BooksPolicy, ids: Sequence[str]
) -> list[Decision]:
    match lanes.flow_of(lane):
        case lanes.CUSTOMERS:
            return await decide_customers(engine, lane, book, ids)
        case lanes.ACCOUNTS:
            return await decide_accounts(engine, lane, book, ids)
        case lanes.REFERENCE:
            return await decide_reference(engine, lane, book, ids)
        case lanes.ITEMS:
            return await decide_items(engine, lane, book, ids)
        case lanes.INVOICES:
            return await decide_invoices(engine, lane, book, ids)
        case lanes.CONTACTS | lanes.PERSONS:
            return await decide_contacts(engine, lane, book, ids)
        case _:
            return await decide_balances(engine, lane, book, ids)


def _runs(engine: Engine, flow: str) -> bool:
    """Whether that direction of a flow with two is wanted."""
    contacts = engine.policy.contacts
    return {
        lanes.ACCOUNTS: engine.policy.customers.both,
        lanes.CONTACTS: contacts.to_books,
        lanes.PERSONS: contacts.to_crm,
    }.get(flow, True)


def all_lanes(engine: Engine) -> list[str]:
    """The lanes of the bridge in the order of dependence; flows that are off are left out."""
    found = []
    for flow in (
        lanes.REFERENCE,
        lanes.ITEMS,
        lanes.ACCOUNTS,
        lanes.CUSTOMERS,
        lanes.CONTACTS,
        lanes.PERSONS,
        lanes.DOCUMENTS,
        lanes.STATUS,
        lanes.BALANCES,
        lanes.INVOICES,
    ):
        if not _runs(engine, flow):
            continue
        if _mode(engine, flow) is not FlowMode.OFF:
            found += [lanes.lane(engine.bridge, flow, books) for books in engine.books]
    return found
