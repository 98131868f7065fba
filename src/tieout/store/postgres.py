"""The store of one workspace on PostgreSQL: the port's methods, each one transaction."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from tieout.core.brakes import Counts
from tieout.core.case import Candidate, Decision, Seen, SlotState
from tieout.core.conflict import Choice
from tieout.core.finding import Finding
from tieout.core.keys import Slot
from tieout.core.model import Entity, ExternalRef, Price, Record
from tieout.core.resolve import Judgement
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.ports import Clock, Gone, Ids
from tieout.store import (
    adopting,
    contacts,
    credits,
    deciding,
    freeing,
    growing,
    lineage,
    operations,
    pages,
    published,
    reconciling,
    recovering,
    resolving,
    runs,
    said,
    settling,
    slots,
)
from tieout.store.database import Growth, Runner, Tx, in_workspace
from tieout.storing import (
    CursorRow,
    CustomerQuery,
    DueRow,
    FanOut,
    Lease,
    LooseCarrier,
    MirrorRow,
    NumberTaken,
    OpenDoubt,
    PageIn,
    PageResult,
    ReadyOperation,
    Sending,
    Settled,
)
from tieout.storing_contacts import AddressUsed, Family

T = TypeVar("T")

LEASE_S = 60


class PostgresStore:
    """
    `tieout.storing.Store` over a runner. ``who`` is named in the activity log.

    ``rules`` are all on; tests switch one off to show what it is for.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        workspace: str,
        ids: Ids,
        clock: Clock,
        who: str = "tieout",
        rules: Safeguards = ALL_ON,
    ) -> None:
        self._runner = runner
        self._workspace = workspace
        self._ids = ids
        self._clock = clock
        self._who = who
        self._rules = rules
        self._growth = Growth()

    async def do(self, work: Callable[[Tx], T]) -> T:
        """Any store function in one transaction of this workspace."""
        now, growth = self._clock.now(), self._growth
        if tables := growth.outgrown():
            renew = in_workspace(
                self._workspace, now, self._who, lambda tx: growth.renew(tx, tables)
            )
            await self._runner.run(renew)
        return await self._runner.run(in_workspace(self._workspace, now, self._who, work, growth))

    # --- bridge and runs ---

    async def take_lease(
        self, bridge: str, holder: str, process: str, seconds: int, now: datetime
    ) -> Lease | tuple[str, datetime]:
        return await self.do(lambda tx: runs.take_lease(tx, bridge, holder, process, seconds, now))

    async def renew_lease(self, lease: Lease, seconds: int, now: datetime) -> bool:
        return await self.do(lambda tx: runs.renew_lease(tx, lease, seconds, now))

    async def release_lease(self, lease: Lease) -> None:
        await self.do(lambda tx: runs.release_lease(tx, lease))

    async def start_run(self, bridge: str, who: str, now: datetime) -> int:
        return await self.do(lambda tx: runs.start_run(tx, bridge, who, now))

    async def finish_run(
        self, number: int, state: str, counts: Mapping[str, int], now: datetime
    ) -> None:
        await self.do(lambda tx: runs.finish_run(tx, number, state, counts, now))

    # --- reading ---

    async def cursor(self, connection: str, entity: Entity, shape: str) -> CursorRow | None:
        return await self.do(lambda tx: pages.cursor(tx, connection, entity, shape))

    async def page_in(self, page: PageIn) -> PageResult:
        stale = self._rules.stale_version_ignored
        return await self.do(lambda tx: pages.page_in(tx, page, ignore_stale=stale))

    async def mark_swept(self, connection: str, entity: Entity, shape: str, now: datetime) -> None:
        await self.do(lambda tx: pages.mark_swept(tx, connection, entity, shape, now))

    async def missing_keys(
        self, connection: str, entity: Entity, prefix: str, present: Container[str]
    ) -> list[str]:
        return await self.do(lambda tx: pages.missing_keys(tx, connection, entity, prefix, present))

    async def newer_keys(
        self, connection: str, entity: Entity, stamps: Mapping[str, str]
    ) -> list[str]:
        return await self.do(lambda tx: pages.newer_keys(tx, connection, entity, stamps))

    async def mark_gone(
        self,
        connection: str,
        entity: Entity,
        gone: Sequence[Gone],
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> int:
        return await self.do(lambda tx: pages.mark_gone(tx, connection, entity, gone, fan_out, now))

    async def make_due(self, lane: str, source_ids: Sequence[str], now: datetime) -> None:
        await self.do(lambda tx: pages.make_due(tx, lane, source_ids, now))

    async def wake(self, lane: str, parked_on: Sequence[str], now: datetime) -> int:
        return await self.do(lambda tx: pages.wake(tx, lane, parked_on, now))

    # --- deciding ---

    async def due_window(
        self, lane: str, limit: int, now: datetime, after: str = "", parked: Sequence[str] = ()
    ) -> list[DueRow]:
        return await self.do(lambda tx: deciding.due_window(tx, lane, limit, now, after, parked))

    async def mirror(self, connection: str, entity: Entity, ids: Sequence[str]) -> dict[str, Seen]:
        return await self.do(lambda tx: pages.mirror(tx, connection, entity, ids)) if ids else {}

    async def mirror_by_number(
        self, connection: str, entity: Entity, numbers: Sequence[str]
    ) -> dict[str, Record]:
        return await self.do(lambda tx: pages.mirror_by_number(tx, connection, entity, numbers))

    async def codes(self, connection: str, kind: str) -> list[Record]:
        return await self.do(lambda tx: pages.codes(tx, connection, kind))

    async def slots(self, wanted: Sequence[Slot]) -> dict[str, SlotState]:
        return await self.do(lambda tx: slots.slots(tx, wanted)) if wanted else {}

    async def slots_of_sources(
        self, bridge: str, kind: str, source_ids: Sequence[str]
    ) -> dict[str, list[SlotState]]:
        return await self.do(lambda tx: slots.slots_of_sources(tx, bridge, kind, source_ids))

    async def candidates(
        self, connection: str, queries: Sequence[CustomerQuery]
    ) -> dict[str, list[Candidate]]:
        return await self.do(lambda tx: slots.candidates(tx, connection, queries))

    async def customer_verdicts(
        self, crm: str, connection: str, source_ids: Sequence[str]
    ) -> dict[str, tuple[str, tuple[str, ...]]]:
        return await self.do(lambda tx: said.customer_verdicts(tx, crm, connection, source_ids))

    async def customer_sides(
        self, connection: str, source_ids: Sequence[str]
    ) -> dict[str, tuple[Choice, ...]]:
        return await self.do(lambda tx: said.customer_sides(tx, connection, source_ids))

    async def told_apart(
        self, connection: str, pairs: Sequence[tuple[str, str]]
    ) -> frozenset[tuple[str, str]]:
        return await self.do(lambda tx: frozenset(said.told_apart(tx, connection, pairs)))

    async def released_on(
        self, lane: str, customer_ids: Sequence[str], day: date
    ) -> dict[str, list[tuple[str, str, Decimal]]]:
        return await self.do(lambda tx: slots.released_on(tx, lane, customer_ids, day))

    async def credit_notes(
        self, connection: str, document_ids: Sequence[str]
    ) -> dict[str, list[Record]]:
        if not document_ids:
            return {}
        return await self.do(lambda tx: pages.credit_notes(tx, connection, document_ids))

    async def grown_from(
        self, connection: str, document_ids: Sequence[str]
    ) -> dict[str, list[Record]]:
        if not document_ids:
            return {}
        return await self.do(lambda tx: growing.grown_from(tx, connection, document_ids))

    async def unlinked_documents(
        self, connection: str, places: Sequence[tuple[str, Decimal]]
    ) -> dict[tuple[str, Decimal], list[Record]]:
        return await self.do(lambda tx: pages.unlinked_documents(tx, connection, places))

    async def sources_of(
        self, connection: str, entity: Entity, ids: Sequence[str]
    ) -> dict[str, str]:
        return await self.do(lambda tx: published.sources_of(tx, connection, entity, ids))

    async def numbers_taken(
        self, connection: str, entity: Entity, numbers: Sequence[str]
    ) -> dict[str, list[NumberTaken]]:
        return await self.do(lambda tx: published.numbers_taken(tx, connection, entity, numbers))

    async def prices_of(self, connection: str, items: Mapping[str, str]) -> dict[str, list[Price]]:
        return await self.do(lambda tx: published.prices_of(tx, connection, items))

    async def open_deals_with(
        self, connection: str, numbers: Sequence[str]
    ) -> dict[str, list[str]]:
        return await self.do(lambda tx: published.open_deals_with(tx, connection, numbers))

    async def families(
        self,
        crm: str,
        crm_org: str,
        books: str,
        company: str,
        crm_ids: Sequence[str],
        books_ids: Sequence[str],
    ) -> list[Family]:
        return await self.do(
            lambda tx: contacts.families(tx, crm, crm_org, books, company, crm_ids, books_ids)
        )

    async def contact_partners(
        self, connection: str, ids: Sequence[str], kind: str
    ) -> dict[str, tuple[str, str]]:
        return await self.do(lambda tx: contacts.partners(tx, connection, ids, kind))

    async def contacts_by_address(
        self,
        connection: str,
        crm_org: str,
        addresses: Sequence[str],
        customers: Sequence[str],
    ) -> list[AddressUsed]:
        return await self.do(
            lambda tx: contacts.by_address(tx, connection, crm_org, addresses, customers)
        )

    async def customers_of_merged_accounts(
        self, connection: str, keys: Sequence[str]
    ) -> dict[str, list[str]]:
        return await self.do(lambda tx: lineage.of_merged_accounts(tx, connection, keys))

    async def documents_of_customers(
        self, connection: str, customer_ids: Sequence[str]
    ) -> dict[str, list[Record]]:
        return await self.do(lambda tx: pages.documents_of_customers(tx, connection, customer_ids))

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
        return await self.do(
            lambda tx: deciding.record(
                tx,
                self._ids,
                bridge=bridge,
                connection=connection,
                decisions=decisions,
                due=due,
                run=run,
                config_version=config_version,
                now=now,
                day=day,
                shadow=shadow,
            )
        )

    async def counts(
        self,
        bridge: str,
        connection: str,
        entity: Entity,
        shape: str,
        run: int,
        now: datetime,
        planned: int = 0,
    ) -> Counts:
        return await self.do(
            lambda tx: runs.counts(tx, bridge, connection, entity, shape, run, now, planned)
        )

    async def open_brakes(
        self, bridge: str, findings: Sequence[tuple[str, str, str]], now: datetime
    ) -> None:
        await self.do(lambda tx: runs.open_brakes(tx, bridge, findings, now))

    async def loose_credits(self, bridge: str, lane: str, books: str, now: datetime) -> int:
        return await self.do(
            lambda tx: reconciling.sync_loose_credits(tx, bridge, lane, books, now)
        )

    # --- executing ---

    async def pick_ready(
        self,
        bridge: str,
        connection: str,
        limit: int,
        now: datetime,
        creates: bool,
        only: Sequence[str] | None,
    ) -> list[ReadyOperation]:
        return await self.do(
            lambda tx: operations.pick_ready(
                tx,
                bridge,
                connection,
                limit,
                now,
                creates,
                only,
                self._rules.one_open_operation,
            )
        )

    async def carriers(self, key13s: Sequence[str]) -> dict[str, list[tuple[str, Record]]]:
        return await self.do(lambda tx: operations.carriers(tx, key13s)) if key13s else {}

    async def draw_number(self, connection: str, entity: Entity, start: int, count: int) -> int:
        return await self.do(
            lambda tx: operations.draw_number(tx, connection, entity, start, count)
        )

    async def mark_started(
        self, sendings: Sequence[Sending], worker: str, lease_s: int, now: datetime
    ) -> dict[str, dict[str, tuple[int, int]]]:
        apart = self._rules.one_open_operation
        return await self.do(
            lambda tx: operations.mark_started(tx, sendings, worker, lease_s, now, apart)
        )

    async def settle(
        self, bridge: str, settled: Sequence[Settled], fan_out: Sequence[FanOut], now: datetime
    ) -> None:
        await self.do(lambda tx: settling.settle(tx, bridge, settled, fan_out, now, self._rules))

    async def not_sent(
        self,
        sendings: Sequence[Sending],
        started: Mapping[str, Mapping[str, tuple[int, int]]],
        not_before: datetime | None,
        now: datetime,
    ) -> None:
        await self.do(lambda tx: operations.not_sent(tx, sendings, started, not_before, now))

    async def refuse(
        self,
        bridge: str,
        operation: ReadyOperation,
        findings: Sequence[Finding],
        stale: bool,
        seen: MirrorRow | None,
        now: datetime,
    ) -> None:
        await self.do(lambda tx: settling.refuse(tx, bridge, operation, findings, stale, seen, now))

    async def adopt(
        self,
        bridge: str,
        operation: ReadyOperation,
        row: MirrorRow,
        generation: int,
        base_known: bool,
        now: datetime,
    ) -> None:
        await self.do(
            lambda tx: settling.adopt(
                tx, bridge, operation, row, generation, base_known, now, self._rules
            )
        )

    # --- resolving ---

    async def expire_leases(
        self, bridge: str, now: datetime, horizons: Mapping[str, datetime]
    ) -> int:
        return await self.do(
            lambda tx: resolving.expire_leases(tx, bridge, now, LEASE_S, horizons, self._rules)
        )

    async def doubts_due(
        self, bridge: str, connection: str, limit: int, now: datetime, furthest: datetime
    ) -> list[OpenDoubt]:
        return await self.do(
            lambda tx: resolving.doubts_due(tx, bridge, connection, limit, now, furthest)
        )

    async def places_of(self, refs: Sequence[ExternalRef]) -> dict[ExternalRef, str]:
        return await self.do(lambda tx: lineage.places_of(tx, refs))

    async def apply_judgement(
        self,
        bridge: str,
        doubt: OpenDoubt,
        judgement: Judgement,
        row: MirrorRow | None,
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> None:
        await self.do(
            lambda tx: resolving.apply_judgement(
                tx, bridge, doubt, judgement, row, fan_out, now, self._rules
            )
        )

    async def move_ref(
        self,
        old: ExternalRef,
        row: MirrorRow,
        found_by: str,
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> None:
        await self.do(lambda tx: resolving.move_ref(tx, old, row, found_by, fan_out, now))

    # --- carriers and merges ---

    async def loose_carriers(self, connection: str) -> list[LooseCarrier]:
        return await self.do(lambda tx: adopting.loose_carriers(tx, connection))

    async def slots_by_key(self, keys: Sequence[str]) -> dict[str, SlotState]:
        return await self.do(lambda tx: adopting.slots_by_key(tx, keys))

    async def known_sources(self, crm: str) -> list[tuple[str, str, int]]:
        return await self.do(lambda tx: adopting.known_sources(tx, crm))

    async def link_found(
        self,
        bridge: str,
        state: SlotState,
        ref: ExternalRef,
        generation: int,
        record: Record,
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> None:
        await self.do(
            lambda tx: adopting.link_found(tx, bridge, state, ref, generation, record, fan_out, now)
        )

    async def follow_to(
        self,
        bridge: str,
        state: SlotState,
        ref: ExternalRef,
        generation: int,
        booked: bool,
        fan_out: Sequence[FanOut],
        now: datetime,
    ) -> bool:
        return await self.do(
            lambda tx: adopting.follow_to(tx, bridge, state, ref, generation, booked, fan_out, now)
        )

    async def mark_copy(
        self,
        bridge: str,
        state: SlotState,
        ref: ExternalRef,
        generation: int,
        live: bool,
        now: datetime,
    ) -> None:
        await self.do(lambda tx: adopting.mark_copy(tx, bridge, state, ref, generation, live, now))

    async def wake_orphans(self, bridge: str, now: datetime) -> int:
        def work(tx: Tx) -> int:
            freeing.settle_overtaken(tx, bridge, now)
            return adopting.wake_orphans(tx, bridge, now)

        return await self.do(work)

    async def made_by_another_version(self, bridge: str, version: int, now: datetime) -> int:
        return await self.do(
            lambda tx: (
                freeing.planned_before(tx, bridge, version, now)
                + freeing.decided_before(tx, bridge, version, now)
            )
        )

    async def is_dead(self, ref: ExternalRef) -> bool:
        return await self.do(lambda tx: credits.is_dead(tx, ref))

    async def close_settled(self, bridge: str, now: datetime) -> int:
        return await self.do(lambda tx: adopting.close_settled(tx, bridge, now))

    async def merged_customers(self, connection: str) -> list[tuple[ExternalRef, ExternalRef]]:
        return await self.do(lambda tx: adopting.merged_customers(tx, connection))

    async def merge_refs(
        self, bridge: str, old: ExternalRef, winner: MirrorRow, now: datetime
    ) -> None:
        await self.do(lambda tx: adopting.merge_refs(tx, bridge, old, winner, now))

    async def alias_merged(
        self, bridge: str, crm: str, fan_out: Mapping[str, Sequence[FanOut]], now: datetime
    ) -> int:
        return await self.do(lambda tx: adopting.alias_merged(tx, bridge, crm, fan_out, now))

    # --- after a restore ---

    async def recovery(self, bridge: str) -> tuple[datetime, int] | None:
        return await self.do(lambda tx: recovering.recovery(tx, bridge))

    async def begin_recovery(self, epoch: int, seq: int, until: datetime, now: datetime) -> None:
        await self.do(
            lambda tx: recovering.begin(tx, epoch, seq, until, now, self._ids, self._rules)
        )

    async def recovery_read(self, bridge: str, until: datetime | None, now: datetime) -> None:
        await self.do(lambda tx: recovering.read_done(tx, bridge, until, now))

    async def forget_cursors(self, connections: Sequence[str]) -> None:
        await self.do(lambda tx: recovering.forget_cursors(tx, connections))

    async def ask_for_unlinked(
        self, bridge: str, connection: str, opaque: bool, off: timedelta, now: datetime
    ) -> int:
        return await self.do(
            lambda tx: recovering.ask_for_unlinked(tx, bridge, connection, opaque, off, now)
        )

    async def held_customers(self, bridge: str, connection: str) -> frozenset[str]:
        return await self.do(lambda tx: recovering.held_customers(tx, bridge, connection))

    async def ghosts(self, connection: str, entities: Sequence[Entity], now: datetime) -> int:
        return await self.do(lambda tx: resolving.ghosts(tx, connection, entities, now))

    async def successors(
        self, connection: str, entity: Entity, refs: Sequence[ExternalRef]
    ) -> dict[ExternalRef, Record]:
        return await self.do(lambda tx: resolving.successors(tx, connection, entity, refs))

    async def vanished(self, connection: str, entity: Entity) -> list[ExternalRef]:
        return await self.do(lambda tx: resolving.vanished(tx, connection, entity))

    async def gone_since(self, ref: ExternalRef) -> datetime | None:
        return await self.do(lambda tx: pages.gone_since(tx, ref))

    async def open_work(self, bridge: str) -> dict[str, int]:
        return await self.do(lambda tx: runs.open_work(tx, bridge))

    async def next_ready(self, bridge: str, now: datetime) -> datetime | None:
        return await self.do(lambda tx: runs.next_ready(tx, bridge, now))

    async def next_wake(self, bridge: str, now: datetime) -> datetime | None:
        return await self.do(lambda tx: runs.next_wake(tx, bridge, now))
