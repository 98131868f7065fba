"""Who works on a bridge, what a run did, what the brakes count, and what is still open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from tieout.core.brakes import Counts
from tieout.core.model import Entity
from tieout.store import alive, codec
from tieout.store.cases import close_others, open_exception
from tieout.store.database import Tx
from tieout.store.operations import FURTHEST_PAUSE
from tieout.storing import Lease

# Of how many linked records one change is a share that no policy would call large.
LINKED_FOR_EACH = 1_000


def take_lease(
    tx: Tx,
    bridge: str,
    holder: str,
    process: str,
    seconds: int,
    now: datetime,
    gone: Callable[[str], bool] = lambda _: False,
) -> Lease | tuple[str, datetime]:
    """
    The right to work on a bridge, or which process has it since when.

    It keeps two runs from doing the same work; safety does not rest on it. So it is not waited
    for when the process that has it is ``gone``; what that one had begun to send keeps its own
    leases and horizons.
    """
    row = tx.row(
        "SELECT lease_holder, lease_process, lease_since, lease_until, fence FROM bridge"
        " WHERE workspace = %(ws)s AND name = %(bridge)s FOR UPDATE",
        bridge=bridge,
    )
    if row is None:
        raise KeyError(bridge)
    future = now + timedelta(seconds=2 * seconds)
    held = row[0] is not None and row[0] != holder and row[3] > now and row[3] <= future
    if held and not gone(row[1]):
        return alive.shown(row[1]), row[2]
    if held:
        tx.log("lease.taken_over", bridge=bridge, process=alive.shown(row[1]), since=str(row[2]))
    until = now + timedelta(seconds=seconds)
    tx.run(
        "UPDATE bridge SET lease_holder = %(holder)s, lease_process = %(process)s,"
        " lease_since = %(now)s, lease_until = %(until)s, fence = fence + 1"
        " WHERE workspace = %(ws)s AND name = %(bridge)s",
        bridge=bridge,
        holder=holder,
        process=process,
        now=now,
        until=until,
    )
    return Lease(
        bridge=bridge,
        holder=holder,
        fence=row[4] + 1,
        until=until,
        after=alive.shown(row[1]) if held else "",
    )


def renew_lease(tx: Tx, lease: Lease, seconds: int, now: datetime) -> bool:
    return bool(
        tx.run(
            "UPDATE bridge SET lease_until = %(until)s WHERE workspace = %(ws)s"
            " AND name = %(bridge)s AND lease_holder = %(holder)s AND fence = %(fence)s",
            bridge=lease.bridge,
            holder=lease.holder,
            fence=lease.fence,
            until=now + timedelta(seconds=seconds),
        )
    )


def release_lease(tx: Tx, lease: Lease) -> None:
    tx.run(
        "UPDATE bridge SET lease_holder = NULL, lease_until = NULL, lease_process = ''"
        " WHERE workspace = %(ws)s AND name = %(bridge)s AND lease_holder = %(holder)s"
        " AND fence = %(fence)s",
        bridge=lease.bridge,
        holder=lease.holder,
        fence=lease.fence,
    )


def start_run(tx: Tx, bridge: str, who: str, now: datetime) -> int:
    number = tx.number("run")
    tx.run(
        "INSERT INTO run (workspace, number, bridge, who, started_at, state, counts) VALUES"
        " (%(ws)s, %(number)s, %(bridge)s, %(who)s, %(now)s, 'running', '{}')",
        number=number,
        bridge=bridge,
        who=who,
        now=now,
    )
    return number


def finish_run(tx: Tx, number: int, state: str, counts: Mapping[str, int], now: datetime) -> None:
    tx.run(
        "UPDATE run SET finished_at = %(now)s, state = %(state)s, counts = %(counts)s"
        " WHERE workspace = %(ws)s AND number = %(number)s",
        number=number,
        state=state,
        counts=codec.encode_text(dict(counts)),
        now=now,
    )
    if counts.get("forced"):
        tx.log("run.forced", run=number)


def counts(
    tx: Tx,
    bridge: str,
    connection: str,
    entity: Entity,
    shape: str,
    run: int,
    now: datetime,
    planned: int = 0,
) -> Counts:
    """
    What the brakes look at, for one connection of a bridge. ``planned``: writes that are counted
    elsewhere, for which so many linked records are counted as they are judged by.
    """
    waiting = _about_to_go(tx, bridge, connection, entity, run)
    before, there = _seen(tx, bridge, connection, entity)
    gone = tx.row(
        "SELECT count(*) FROM mirror m JOIN ref r ON r.workspace = m.workspace"
        " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id"
        " AND r.role = 'current' WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
        " AND m.entity = %(entity)s AND m.gone_at > %(since)s AND m.merged_into IS NULL",
        connection=connection,
        entity=str(entity),
        since=_gone_since(tx, bridge, now),
    )
    through = tx.row(
        "SELECT through_at FROM cursor WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND shape = %(shape)s",
        connection=connection,
        entity=str(entity),
        shape=shape,
    )
    unknown, sent = _unclear(tx, bridge, connection, entity, now)
    doubles = tx.row(
        "SELECT count(*) FROM exception_case WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND code = 'two_carriers' AND closed_at IS NULL AND opened_at > %(day)s",
        bridge=bridge,
        day=now - timedelta(days=1),
    )
    assert gone is not None
    assert doubles is not None
    most = max(gone[0], planned, sum(waiting.values()))
    return Counts(
        connection=connection,
        linked=_linked(tx, connection, entity, most * LINKED_FOR_EACH),
        seen_before=before,
        seen_now=there,
        read_through=through is not None and through[0] is not None,
        creates=waiting.get("create", 0),
        updates=waiting.get("update", 0),
        voids=waiting.get("void", 0),
        newly_gone=gone[0],
        sent_last_hour=sent,
        unknown_now=unknown,
        double_hits_today=doubles[0],
        clock_offset_s=0,
    )


def _gone_since(tx: Tx, bridge: str, now: datetime) -> datetime:
    """
    Since when what vanished is new: in this read; while the brake holds also in the one that it
    began with; never what a person let a run go over.
    """
    row = tx.row(
        "SELECT greatest(least(%(now)s, (SELECT min(opened_at) FROM exception_case WHERE"
        " workspace = %(ws)s AND lane = %(lane)s AND code = 'many_gone' AND closed_at IS NULL))"
        " - interval '5 minutes', (SELECT max(finished_at) FROM run WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s AND counts->>'forced' = '1'))",
        now=now,
        lane=f"{bridge}/brakes/",
        bridge=bridge,
    )
    assert row is not None
    since: datetime = row[0]
    return since


def _about_to_go(tx: Tx, bridge: str, connection: str, entity: Entity, run: int) -> dict[str, int]:
    """
    Writes by action that this run would begin with: its own, and those of former runs that sent
    none of their kind, since a brake held them or they died before it. What a person released by
    name is nobody's surprise. Of a load that was interrupted some were sent: it goes on.
    """
    return {
        row[0]: row[1]
        for row in tx.rows(
            "WITH ready AS (SELECT o.run, o.action, count(*) AS number FROM operation o"
            " WHERE o.workspace = %(ws)s AND o.bridge = %(bridge)s"
            " AND o.connection = %(connection)s AND o.state = 'ready' AND o.entity = %(entity)s"
            " AND o.run <= %(run)s AND (o.run = %(run)s OR NOT EXISTS (SELECT 1 FROM approval a"
            " WHERE a.workspace = o.workspace AND a.key13 = o.key13"
            " AND a.digest = o.want_digest)) GROUP BY o.run, o.action)"
            " SELECT r.action, sum(r.number)::bigint FROM ready r WHERE r.run = %(run)s"
            " OR NOT EXISTS (SELECT 1 FROM operation s WHERE s.workspace = %(ws)s"
            " AND s.connection = %(connection)s AND s.entity = %(entity)s AND s.run = r.run"
            " AND s.action = r.action AND s.first_sent_at IS NOT NULL) GROUP BY r.action",
            bridge=bridge,
            connection=connection,
            entity=str(entity),
            run=run,
        )
    }


# A run must not grow with what is linked: so much is counted as a share can be judged by, and
# what does not matter when nothing is about to happen is not counted at all.


def _seen(tx: Tx, bridge: str, connection: str, entity: Entity) -> tuple[int, int]:
    """
    Records known before and there now; counted only where none is left, else 1 and 1.

    Those that we voided ourselves are not missed, nor those that were gone when a person let a run
    go over the brakes: an empty side would hold everything for ever.
    """
    some = tx.row(
        "SELECT 1 FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND gone_at IS NULL LIMIT 1",
        connection=connection,
        entity=str(entity),
    )
    if some is not None:
        return 1, 1
    gone = tx.row(
        "SELECT count(*) FILTER (WHERE coalesce(gone_certain, false)) FROM mirror m"
        " WHERE m.workspace = %(ws)s AND m.connection = %(connection)s AND m.entity = %(entity)s"
        " AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.workspace = %(ws)s"
        " AND o.connection = m.connection AND o.entity = m.entity AND o.action = 'void'"
        " AND o.state = 'applied' AND o.target_id = m.id)"
        " AND m.gone_at > coalesce((SELECT max(r.finished_at) FROM run r WHERE r.workspace ="
        " %(ws)s AND r.bridge = %(bridge)s AND r.counts->>'forced' = '1'), '-infinity')",
        bridge=bridge,
        connection=connection,
        entity=str(entity),
    )
    assert gone is not None
    return int(gone[0]), 0


def _linked(tx: Tx, connection: str, entity: Entity, most: int) -> int:
    """Linked records, counted up to ``most``."""
    row = tx.row(
        "SELECT count(*) FROM (SELECT 1 FROM ref WHERE workspace = %(ws)s"
        " AND connection = %(connection)s AND entity = %(entity)s AND role = 'current'"
        " LIMIT %(most)s) AS linked",
        connection=connection,
        entity=str(entity),
        most=most,
    )
    assert row is not None
    return int(row[0])


def _unclear(
    tx: Tx, bridge: str, connection: str, entity: Entity, now: datetime
) -> tuple[int, int]:
    """Writes without an answer, and where there are some, how many left in the last hour."""
    values = {
        "bridge": bridge,
        "connection": connection,
        "entity": str(entity),
        "hour": now - timedelta(hours=1),
    }
    unknown = tx.row(
        "SELECT count(*) FROM operation WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND state = 'unknown' AND connection = %(connection)s AND entity = %(entity)s",
        **values,
    )
    assert unknown is not None
    if not unknown[0]:
        return 0, 0
    sent = tx.row(
        "SELECT count(*) FROM operation WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND connection = %(connection)s AND entity = %(entity)s AND first_sent_at > %(hour)s",
        **values,
    )
    assert sent is not None
    return int(unknown[0]), int(sent[0])


def open_brakes(
    tx: Tx, bridge: str, findings: Sequence[tuple[str, str, str]], now: datetime
) -> None:
    """Brakes as exceptions of the bridge; those that no longer hold are closed."""
    lane = f"{bridge}/brakes/"
    close_others(tx, lane, bridge, [code for code, _, _ in findings], now, "went by itself")
    for code, message, hint in findings:
        open_exception(
            tx,
            bridge=bridge,
            lane=lane,
            source_id=bridge,
            key13=None,
            code=code,
            message=message,
            hint=hint,
            details={},
            candidates=[],
            amount=None,
            currency="",
            now=now,
        )


def open_work(tx: Tx, bridge: str) -> dict[str, int]:
    found = {
        f"operation.{row[0]}": row[1]
        for row in tx.rows(
            "SELECT state, count(*) FROM operation WHERE workspace = %(ws)s"
            " AND bridge = %(bridge)s AND state IN ('ready', 'awaiting_approval', 'started',"
            " 'unknown', 'confirming', 'doubt') GROUP BY state",
            bridge=bridge,
        )
    }
    for row in tx.rows(
        "SELECT coalesce(parked, 'due'), count(*) FROM due WHERE workspace = %(ws)s"
        " AND starts_with(lane, %(prefix)s) GROUP BY 1",
        prefix=f"{bridge}/",
    ):
        found[f"due.{row[0]}"] = row[1]
    exceptions = tx.row(
        "SELECT count(*) FROM exception_case WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND closed_at IS NULL",
        bridge=bridge,
    )
    attempts = tx.row(
        "SELECT count(*) FROM attempt a JOIN operation o ON o.workspace = a.workspace"
        " AND o.id = a.operation WHERE a.workspace = %(ws)s AND o.bridge = %(bridge)s"
        " AND a.result = 'open'",
        bridge=bridge,
    )
    assert exceptions is not None
    assert attempts is not None
    found["exceptions"] = exceptions[0]
    found["attempts.open"] = attempts[0]
    return found


def next_ready(tx: Tx, bridge: str, now: datetime) -> datetime | None:
    """When the first operation that was put off may be sent. One without its customer waits."""
    row = tx.row(
        "SELECT min(CASE WHEN not_before > %(future)s THEN %(now)s"
        " ELSE greatest(not_before, %(now)s) END) FROM operation o WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s AND state = 'ready' AND not_before IS NOT NULL"
        " AND (depends_on IS NULL OR EXISTS (SELECT 1 FROM ref r WHERE r.workspace = o.workspace"
        " AND r.key13 = o.depends_on AND r.role = 'current'))"
        " AND NOT EXISTS (SELECT 1 FROM operation b WHERE b.workspace = o.workspace"
        " AND b.key13 = o.key13 AND b.state IN ('started', 'unknown', 'confirming', 'doubt'))",
        bridge=bridge,
        now=now,
        future=now + FURTHEST_PAUSE,
    )
    return None if row is None else row[0]


def next_wake(tx: Tx, bridge: str, now: datetime) -> datetime | None:
    """When something that waits by the clock is due next."""
    row = tx.row(
        "SELECT min(at) FROM (SELECT next_look_at AS at FROM operation WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s AND state IN ('unknown', 'confirming') UNION ALL"
        " SELECT not_before FROM operation WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND state = 'ready' AND not_before > %(now)s AND not_before <= %(pause)s UNION ALL"
        " SELECT lease_until FROM operation WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND state = 'started') AS times",
        bridge=bridge,
        now=now,
        pause=now + FURTHEST_PAUSE,
    )
    return None if row is None else row[0]
