"""Adopting: what carries our keys is linked or given a role, whatever its deal says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tieout.core.case import OPEN, SlotState
from tieout.core.keys import KeyKind, Slot, by_number, generation_of, parts_with_keys
from tieout.core.model import Document, Entity, ExternalRef, Record
from tieout.core.orders import is_order
from tieout.core.status import Status
from tieout.engine.context import Engine
from tieout.engine.facts import mirror_row, standing_of
from tieout.engine.reading import got, trace_refs
from tieout.storing import LooseCarrier

_DEAD = (Status.CANCELLED, Status.CREDITED)
# As many steps as a plan of the configuration is looked through for: five years, month by month.
MOST_STEPS = 60
_AT_ONCE = 100
_KINDS = {Entity.DEAL: KeyKind.DOCUMENT, Entity.CUSTOMER: KeyKind.CUSTOMER}


async def adopt_carriers(engine: Engine) -> int:
    """
    One pass after a read: merged customers followed, carriers linked or shown, exceptions whose
    other record is gone closed. How much changed.
    """
    now = engine.clock.now()
    changed = 0
    if engine.rules.merged_customers:
        rules = {books: engine.fan_out(books) for books in engine.books}
        changed += await engine.store.alias_merged(engine.bridge, engine.policy.crm, rules, now)
    for connection in engine.books:
        if engine.rules.merged_customers:
            changed += await _follow_merges(engine, connection)
        if engine.rules.adopt_whatever_trigger:
            changed += await _adopt(engine, connection)
    changed += await engine.store.close_settled(engine.bridge, engine.clock.now())
    engine.looked_for_carriers = True
    return changed


async def _follow_merges(engine: Engine, connection: str) -> int:
    pairs = await engine.store.merged_customers(connection)
    selection = engine.selections[connection].get(Entity.CUSTOMER)
    if not pairs or selection is None:
        return 0
    winners = [winner for _, winner in pairs]
    page = await got(engine.connectors[connection], winners, selection)
    found = {record.ref: record for record in page.records}
    changed = 0
    for old, winner in pairs:
        record = found.get(winner)
        if record is not None:
            row = mirror_row(record, engine.enrich)
            await engine.store.merge_refs(engine.bridge, old, row, engine.clock.now())
            changed += 1
    return changed


async def _adopt(engine: Engine, connection: str) -> int:
    loose = await engine.store.loose_carriers(connection)
    if not loose:
        return 0
    keys = sorted({carrier.key[:13] for carrier in loose})
    states = await engine.store.slots_by_key(keys)
    absent = {key for key in keys if key not in states} - engine.foreign_keys
    if absent:
        states |= await _from_sources(engine, connection, frozenset(absent))
        # Keys of another CRM's deals: they are asked for once, not at every run.
        engine.foreign_keys.update(absent - set(states))
    current = await _traced(engine, connection, loose, states)
    changed = 0
    orders = {carrier.record.ref for carrier in loose if is_order(carrier.record)}
    for carrier in loose:
        state = states.get(carrier.key[:13])
        if orders & set(getattr(carrier.record, "came_from", ())):
            # It grew out of an order that is placed in this pass, whose key it took along.
            continue
        if state is None or _busy(state) or carrier.record.ref is None:
            continue
        changed += await _place(engine, carrier, state, current)
        states |= await engine.store.slots_by_key([state.key13])
    return changed


def _busy(state: SlotState) -> bool:
    """Something is on its way or in doubt: the resolver looks into it."""
    return state.operation is not None and state.operation.state in OPEN


async def _from_sources(
    engine: Engine, connection: str, wanted: frozenset[str]
) -> dict[str, SlotState]:
    """Slots that this database never used, known again by the deals and customers of the CRM."""
    company = engine.policy.book(connection).company
    sources = await engine.store.known_sources(engine.policy.crm)
    steps = {Entity.CUSTOMER: 0, Entity.DEAL: max((n for _, _, n in sources), default=0)}
    if engine.policy.documents.instalments is not None:
        # Which steps the configuration makes is in no record, and it may have made others before.
        steps[Entity.DEAL] = max(steps[Entity.DEAL], MOST_STEPS)
    found: dict[str, SlotState] = {}
    numbers = by_number(wanted)
    for place, (entity, source_id, _) in enumerate(sources):
        if place % _AT_ONCE == 0:
            await asyncio.sleep(0)
        slot = Slot(
            crm_org=engine.policy.crm_org,
            source_id=source_id,
            company=company,
            kind=_KINDS[Entity(entity)],
        )
        parts = range(steps[Entity(entity)] + 1)
        for key, part in parts_with_keys(slot, parts, numbers).items():
            found[key] = SlotState(slot=replace(slot, part=part), key13=key)
        if len(found) == len(wanted):
            break
    return found


async def _traced(
    engine: Engine,
    connection: str,
    loose: Sequence[LooseCarrier],
    states: Mapping[str, SlotState],
) -> dict[ExternalRef, bool]:
    """Whether the linked records of these slots are still there, asked of the system now."""
    by_entity: dict[str, set[ExternalRef]] = {}
    for carrier in loose:
        state = states.get(carrier.key[:13])
        if state is not None and state.current is not None and not _busy(state):
            ref = state.current.ref
            by_entity.setdefault(ref.entity, set()).add(ref)
    there: dict[ExternalRef, bool] = {}
    if not engine.rules.lineage:
        return there
    for entity, refs in sorted(by_entity.items()):
        wanted = sorted(refs)
        await trace_refs(engine, engine.connectors[connection], connection, Entity(entity), wanted)
        seen = await engine.store.mirror(connection, Entity(entity), [ref.id for ref in wanted])
        for ref in wanted:
            found = seen.get(ref.id)
            there[ref] = found is None or not found.gone
    return there


async def _place(
    engine: Engine,
    carrier: LooseCarrier,
    state: SlotState,
    there: Mapping[ExternalRef, bool],
) -> int:
    """Linked, followed, or a copy; 1 where something was stored."""
    ref, generation = carrier.record.ref, generation_of(carrier.key)
    assert ref is not None
    fresh = (await engine.store.slots_by_key([state.key13])).get(state.key13, state)
    if _busy(fresh):
        return 0
    store, now = engine.store, engine.clock.now()
    concerned = engine.fan_out(ref.connection)
    current = fresh.current
    live = is_live(carrier.record)
    if current is not None and current.ref == ref:
        return 0
    if current is None:
        if generation < fresh.generation or carrier.role is not None:
            await store.mark_copy(engine.bridge, fresh, ref, generation, live, now)
        else:
            await store.link_found(
                engine.bridge, fresh, ref, generation, carrier.record, concerned, now
            )
        return 1
    gone = not there.get(current.ref, True)
    if generation > current.generation and live and not gone:
        # Ours had its end, which is all that lets a later one be made: we forgot that.
        gone = await store.is_dead(current.ref)
    if gone and generation >= current.generation:
        if generation > current.generation:
            await store.link_found(
                engine.bridge, fresh, ref, generation, carrier.record, concerned, now
            )
            return 1
        booked = isinstance(carrier.record, Document) and carrier.record.booked
        if await store.follow_to(engine.bridge, fresh, ref, generation, booked, concerned, now):
            return 1
    await store.mark_copy(engine.bridge, fresh, ref, generation, live, now)
    return 1


def is_live(record: Record) -> bool:
    """Not voided and not fully credited."""
    if not isinstance(record, Document):
        return True
    return standing_of(record).status not in _DEAD
