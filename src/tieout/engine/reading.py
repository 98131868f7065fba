"""Reading: pages in with their cursors, whole lists compared, daily sweeps, vanished records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tieout.core.abilities import EntityAbilities
from tieout.core.change import Fate, FateKind
from tieout.core.errors import BusyError, UnreadableError
from tieout.core.finding import Finding, unreadable
from tieout.core.id_set import IdSet
from tieout.core.model import Entity, ExternalRef, Record
from tieout.engine import lanes
from tieout.engine.context import Engine
from tieout.engine.facts import mirror_row
from tieout.engine.halving import by_halves
from tieout.ports import Connector, Gone, Page, Selection
from tieout.storing import CursorRow, PageIn

GET_AT_ONCE = 200
NEWS_EVERY = timedelta(minutes=1)


@dataclass(slots=True)
class ReadCounts:
    """What a run read. ``changed`` and ``gone`` are records whose content was news to us."""

    changed: int = 0
    gone: int = 0
    pages: int = 0


async def read_side(engine: Engine, connection: str) -> ReadCounts:
    """Everything that may have changed on one connection, page by page; then what vanished."""
    counts = ReadCounts()
    connector = engine.connectors[connection]
    missed = await _missed(engine, connection)
    for entity, selection in engine.selections[connection].items():
        if engine.stopping:
            break
        await _read_entity(engine, connector, connection, entity, selection, counts)
    if not engine.looked_for_carriers:
        linked = (Entity.CONTACT,) if connection == engine.policy.crm else _MISSED
        counts.gone += await engine.store.ghosts(connection, linked, engine.clock.now())
    await _follow_vanished(engine, connector, connection, missed, counts)
    return counts


# What is linked over there and may vanish; items and persons only where their flows run.
_LINKED = (Entity.CUSTOMER, Entity.DOCUMENT, Entity.ITEM, Entity.CONTACT)

# Of these the next write depends on what became of one that a mirror read anew does not have.
_MISSED = (Entity.CUSTOMER, Entity.DOCUMENT, Entity.CONTACT)


async def _missed(engine: Engine, connection: str) -> frozenset[ExternalRef]:
    """Linked records that were missing before this read began: since then all lists were read."""
    found: set[ExternalRef] = set()
    for entity in _LINKED:
        if entity in engine.selections[connection] and engine.rules.lineage:
            found.update(await engine.store.vanished(connection, entity))
    return frozenset(found)


async def _read_entity(
    engine: Engine,
    connector: Connector,
    connection: str,
    entity: Entity,
    selection: Selection,
    counts: ReadCounts,
) -> None:
    cursor = await engine.store.cursor(connection, entity, selection.shape)
    every = connector.abilities.of(entity)
    timetable = every.whole_list_every_s if str(every.reads) == "whole_list" else 0
    if cursor and timetable and _too_early(engine, cursor, timetable):
        return
    position = cursor.position if cursor else None
    resume = cursor.resume if cursor else None
    revision = cursor.revision if cursor else 0
    whole: dict[str, IdSet] = {}
    under_way = resume is not None
    pages = connector.changes_since(selection, position, resume)
    async for page in pages:
        # The end of a sweep of which a place was stored is stored too: else the next one would
        # begin behind what changes until then.
        if not under_way and _says_nothing(engine, page, cursor):
            continue
        under_way = page.resume is not None
        revision = await _page_in(engine, connection, entity, selection, page, revision, counts)
        if page.whole:
            found = whole.setdefault(page.scope, IdSet())
            found.update(record.ref.id for record in page.records if record.ref)
            # What cannot be understood is there.
            found.update(ref.id for ref, _ in page.unread)
        if engine.stopping:
            return
    await _finish(engine, connection, entity, selection, cursor, revision, counts)
    for scope, present in whole.items():
        await _missing_from_list(engine, connection, entity, scope, present, counts)
    if cursor and _sweep_due(engine, cursor) and str(every.deletions) != "none":
        await _sweep(engine, connector, connection, entity, selection, counts)


def _says_nothing(engine: Engine, page: Page, cursor: CursorRow | None) -> bool:
    """A page without records soon after the last one: only its cursor moved, and not by much."""
    if page.records or page.gone or page.unread or page.whole or page.resume:
        return False
    if cursor is None or cursor.through_at is None or cursor.resume is not None:
        return False
    return _within(engine, cursor.through_at, NEWS_EVERY)


def _too_early(engine: Engine, cursor: CursorRow, timetable_s: int) -> bool:
    if cursor.through_at is None or cursor.resume is not None:
        return False
    return _within(engine, cursor.through_at, timedelta(seconds=timetable_s))


async def _page_in(
    engine: Engine,
    connection: str,
    entity: Entity,
    selection: Selection,
    page: Page,
    revision: int,
    counts: ReadCounts,
    complete: bool = False,
) -> int:
    rows = [mirror_row(record, engine.enrich) for record in page.records]
    result = await engine.store.page_in(
        PageIn(
            bridge=engine.bridge,
            lane=lanes.lane(engine.bridge, lanes.LEDGER, connection),
            connection=connection,
            entity=entity,
            shape=selection.shape,
            rows=rows,
            gone=page.gone,
            unread=page.unread,
            cursor=page.cursor,
            resume=page.resume,
            revision=revision,
            complete=complete,
            fan_out=engine.fan_out(connection),
            now=engine.clock.now(),
        )
    )
    if not result.moved:
        raise BusyError(
            f"Another run read {connection} meanwhile. Nothing was lost.",
            hint="tieout status --watch",
        )
    counts.pages += 1
    counts.changed += result.changed
    counts.gone += result.gone
    return result.revision


async def _finish(
    engine: Engine,
    connection: str,
    entity: Entity,
    selection: Selection,
    cursor: CursorRow | None,
    revision: int,
    counts: ReadCounts,
) -> None:
    """The end of a sweep is stored when it says something new."""
    known = cursor is not None and cursor.through_at is not None
    stale = (
        known
        and cursor is not None
        and cursor.through_at is not None
        and not _within(engine, cursor.through_at, NEWS_EVERY)
    )
    if not known or stale or (cursor is not None and cursor.resume is not None):
        await _page_in(
            engine, connection, entity, selection, Page(), revision, counts, complete=True
        )


async def _missing_from_list(
    engine: Engine,
    connection: str,
    entity: Entity,
    scope: str,
    present: IdSet,
    counts: ReadCounts,
) -> None:
    """What a complete list does not have is gone; booked or deleted is asked next."""
    missing = await engine.store.missing_keys(connection, entity, scope, present)
    if not missing:
        return
    gone = [Gone(ref=ExternalRef(connection, str(entity), key), certain=False) for key in missing]
    counts.gone += await engine.store.mark_gone(
        connection, entity, gone, engine.fan_out(connection), engine.clock.now()
    )


# --- the daily sweep --------------------


def _sweep_due(engine: Engine, cursor: CursorRow) -> bool:
    last = cursor.swept_at or cursor.through_at
    # A time ahead of ours was set by another clock.
    return last is not None and not _within(engine, last, engine.sweep_every)


def _within(engine: Engine, then: datetime, period: timedelta) -> bool:
    return timedelta(0) <= engine.clock.now() - then < period


async def _sweep(
    engine: Engine,
    connector: Connector,
    connection: str,
    entity: Entity,
    selection: Selection,
    counts: ReadCounts,
) -> None:
    """All ids and stamps: what came later than the overlap, and what is gone, is found here."""
    present = IdSet()
    async for keys in connector.keys(entity):
        present.update(ref.id for ref, _ in keys)
        stamps = {ref.id: stamp for ref, stamp in keys}
        newer = await engine.store.newer_keys(connection, entity, stamps)
        refs = [ExternalRef(connection, str(entity), key) for key in newer]
        for start in range(0, len(refs), GET_AT_ONCE):
            part = refs[start : start + GET_AT_ONCE]
            await read_again(engine, connection, part, selection, counts)
    missing = await engine.store.missing_keys(connection, entity, "", present)
    gone = [Gone(ref=ExternalRef(connection, str(entity), key), certain=False) for key in missing]
    if gone:
        counts.gone += await engine.store.mark_gone(
            connection, entity, gone, engine.fan_out(connection), engine.clock.now()
        )
    await engine.store.mark_swept(connection, entity, selection.shape, engine.clock.now())


async def read_again(
    engine: Engine,
    connection: str,
    refs: Sequence[ExternalRef],
    selection: Selection,
    counts: ReadCounts | None = None,
) -> None:
    """These records now, into the mirror, without moving the cursor."""
    entity = selection.entity
    page = await got(engine.connectors[connection], refs, selection)
    cursor = await engine.store.cursor(connection, entity, selection.shape)
    result = await engine.store.page_in(
        PageIn(
            bridge=engine.bridge,
            lane=lanes.lane(engine.bridge, lanes.LEDGER, connection),
            connection=connection,
            entity=entity,
            shape=selection.shape,
            rows=[mirror_row(record, engine.enrich) for record in page.records],
            gone=page.gone,
            unread=page.unread,
            cursor=None,
            resume=cursor.resume if cursor else None,
            revision=cursor.revision if cursor else 0,
            complete=False,
            fan_out=engine.fan_out(connection),
            now=engine.clock.now(),
        )
    )
    if counts is not None:
        counts.changed += result.changed


async def got(connector: Connector, refs: Sequence[ExternalRef], selection: Selection) -> Page:
    """These records now. One that cannot be understood keeps none of the others out."""
    unread: list[tuple[ExternalRef, Finding]] = []

    async def ask(some: Sequence[ExternalRef]) -> list[tuple[ExternalRef, Record | None]]:
        return list(zip(some, await connector.get(some, selection), strict=True))

    def left_out(ref: ExternalRef, error: UnreadableError) -> tuple[()]:
        unread.append((ref, unreadable(error.message)))
        return ()

    found = await by_halves(ask, refs, left_out)
    return Page(
        records=tuple(record for _, record in found if record is not None),
        gone=tuple(Gone(ref=ref, certain=False) for ref, record in found if record is None),
        unread=tuple(unread),
    )


async def look_again(
    engine: Engine, connection: str, entity: Entity, refs: Sequence[ExternalRef]
) -> None:
    """Records that are not what the mirror says, read one by one now; what is gone is marked so."""
    selection = engine.selections[connection].get(entity)
    if refs and selection is not None:
        await read_again(engine, connection, refs, selection)


# --- lineage --------------------


async def _follow_vanished(
    engine: Engine,
    connector: Connector,
    connection: str,
    missed: frozenset[ExternalRef],
    counts: ReadCounts,
) -> None:
    """A vanished record is followed before anything is concluded from its absence."""
    for entity in _LINKED:
        if entity not in engine.selections[connection] or not engine.rules.lineage:
            continue
        refs = await engine.store.vanished(connection, entity)
        if refs and entity is Entity.DOCUMENT:
            refs = await _follow_known(engine, connection, refs)
        for start in range(0, len(refs), GET_AT_ONCE):
            part = refs[start : start + GET_AT_ONCE]
            await trace_refs(engine, connector, connection, entity, part, missed)
            counts.pages += 1


async def _follow_known(
    engine: Engine, connection: str, refs: Sequence[ExternalRef]
) -> list[ExternalRef]:
    """
    Documents that were read already name the draft they grew out of: those need no call. The rest
    is given back, to be asked for.
    """
    known = await engine.store.successors(connection, Entity.DOCUMENT, refs)
    fan_out = engine.fan_out(connection)
    for ref, record in known.items():
        await engine.store.move_ref(
            ref, mirror_row(record, engine.enrich), "conversion", fan_out, engine.clock.now()
        )
    return [ref for ref in refs if ref not in known]


_FOUND = (FateKind.BECAME, FateKind.MERGED, FateKind.PRESENT)


async def trace_refs(
    engine: Engine,
    connector: Connector,
    connection: str,
    entity: Entity,
    refs: Sequence[ExternalRef],
    missed: frozenset[ExternalRef] = frozenset(),
) -> None:
    """What became of these records, into the mirror and the links: a booked draft is followed."""
    fan_out = engine.fan_out(connection)
    abilities = connector.abilities.of(entity)
    fates = await _fates(connector, refs)
    if abilities.search_lag_s == 0 and not abilities.tombstones:
        # A booking between the calls of one look hides a document: the second look is free here.
        lost = [fate.ref for fate in fates if fate.kind not in _FOUND]
        again = {fate.ref: fate for fate in await _fates(connector, lost)}
        fates = [again.get(fate.ref, fate) for fate in fates]
    for fate in fates:
        now = engine.clock.now()
        if fate.kind is FateKind.MERGED and fate.into is not None:
            # The slot follows with the other merges; here it is only known to be gone.
            merged = Gone(ref=fate.ref, certain=True, merged_into=fate.into)
            await engine.store.mark_gone(connection, entity, [merged], fan_out, now)
        elif fate.kind is FateKind.BECAME and fate.record is not None:
            await engine.store.move_ref(
                fate.ref, mirror_row(fate.record, engine.enrich), "conversion", fan_out, now
            )
        elif fate.kind is FateKind.PRESENT:
            await read_again(engine, connection, [fate.ref], engine.selections[connection][entity])
        else:
            await _is_gone(engine, connection, entity, fate, abilities, fate.ref in missed)


async def _fates(connector: Connector, refs: Sequence[ExternalRef]) -> list[Fate]:
    """Of these records; none of one that is there and cannot be understood."""
    return await by_halves(connector.trace, refs, lambda _ref, _error: ())


async def _is_gone(
    engine: Engine,
    connection: str,
    entity: Entity,
    fate: Fate,
    abilities: EntityAbilities,
    missed: bool,
) -> None:
    """
    Not there. Where the system cannot say that it was deleted, it could have moved on: the lists
    have to be read once more after it was missed before its absence means anything.
    """
    fan_out, now = engine.fan_out(connection), engine.clock.now()
    certain = abilities.tombstones or await _long_enough(engine, fate.ref, abilities)
    if fate.kind is FateKind.CANNOT_TELL and not abilities.tombstones:
        certain = certain and missed
    if certain or await engine.store.gone_since(fate.ref) is None:
        gone = [Gone(ref=fate.ref, certain=certain)]
        await engine.store.mark_gone(connection, entity, gone, fan_out, now)


async def _long_enough(engine: Engine, ref: ExternalRef, abilities: EntityAbilities) -> bool:
    """Absence wants a second look, more than the search lag after the first one."""
    since = await engine.store.gone_since(ref)
    return since is not None and engine.clock.now() - since >= timedelta(
        seconds=abilities.search_lag_s
    )
