"""Due rows in, decisions out: operations, bases, and exceptions that somebody can see."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from tieout.core.case import Decision, RefRole, SlotState, Verdict
from tieout.core.change import Action, Change
from tieout.core.finding import Severity
from tieout.core.model import Entity
from tieout.ports import Ids
from tieout.store import codec
from tieout.store import slots as slot_store
from tieout.store.adopting import supersede_waiting
from tieout.store.cases import settle_exceptions
from tieout.store.database import Tx
from tieout.store.pages import FIRST_REVISION
from tieout.store.published import wake_for_deals
from tieout.storing import DueRow

NOTE = "note"


def due_window(
    tx: Tx,
    lane: str,
    limit: int,
    now: datetime,
    after: str = "",
    parked: Sequence[str] = (),
) -> list[DueRow]:
    """The next due rows of a lane by source id. ``parked`` also takes rows parked for these."""
    return [
        DueRow(lane=lane, source_id=row[0], revision=row[1], parked=row[2])
        for row in tx.rows(
            "SELECT source_id, revision, parked FROM due WHERE workspace = %(ws)s"
            " AND lane = %(lane)s AND source_id > %(after)s"
            " AND (parked IS NULL OR parked = ANY(%(parked)s) OR not_before <= %(now)s)"
            " AND (not_before IS NULL OR not_before <= %(now)s)"
            " ORDER BY source_id LIMIT %(limit)s",
            lane=lane,
            after=after,
            parked=list(parked),
            now=now,
            limit=limit,
        )
    ]


def record(
    tx: Tx,
    ids: Ids,
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
    """
    One transaction: the due rows that were decided go (or are parked), if unchanged since, and
    their decisions take their place. Counts by verdict.
    """
    still = _unchanged(tx, due)
    if not shadow:
        # Before they are locked: a person's word may be about a place that has no row yet.
        new = [d for d in decisions if d.verdict in (Verdict.WRITE, Verdict.APPROVAL)]
        slot_store.ensure_slots(tx, [d.state for d in new if d.state], bridge, connection)
    moved = _moved_slots(tx, [d.state for d in decisions if d.state is not None])
    still -= {d.source_id for d in decisions if d.state is not None and d.state.key13 in moved}
    _outcomes(tx, [d for d in decisions if not due or d.source_id in still], now)
    lanes = {row.lane for row in due}
    ours = [
        d
        for d in decisions
        if (d.lane not in lanes or d.source_id in still)
        and (d.state is None or d.state.key13 not in moved)
    ]
    counts: dict[str, int] = {}
    if len(ours) < len(decisions):
        counts["moved_on"] = len(decisions) - len(ours)
    if not shadow:
        _supersede(tx, [d.state for d in ours if d.supersede and d.state], now)
        _supersede_all(tx, [d for d in ours if d.supersede and d.state is None], now)
    settle_exceptions(tx, bridge, [d for d in ours if d.verdict is not Verdict.WAIT], now)
    writes = [d for d in ours if d.verdict in (Verdict.WRITE, Verdict.APPROVAL)]
    if not shadow:
        _insert_operations(tx, ids, bridge, connection, writes, run, config_version, now, day)
    for decision in ours:
        done = _record_other(tx, bridge, connection, decision, config_version, now, shadow)
        counts[done] = counts.get(done, 0) + 1
    by_source: dict[str, list[Decision]] = {}
    for decision in ours:
        by_source.setdefault(decision.source_id, []).append(decision)
    _settle_due(tx, [row for row in due if row.source_id in still], by_source, now, shadow)
    for lane in sorted({decision.lane for decision in ours}):
        mine = sorted({decision.source_id for decision in ours if decision.lane == lane})
        wake_for_deals(tx, lane, mine, now)
    return counts


_PREDICTED = (
    "CASE WHEN excluded.verdict NOT IN ('write', 'approval')"
    " AND coalesce(excluded.net, outcome.net) IS NOT DISTINCT FROM outcome.net"
    " THEN coalesce(outcome.predicted_{0}, excluded.predicted_{0})"
    " ELSE excluded.predicted_{0} END"
)


def _outcomes(tx: Tx, decisions: Sequence[Decision], now: datetime) -> None:
    """What became of each source, for `status`, `why`, and the tie-out."""
    latest = {(d.lane, d.source_id, d.part): d for d in decisions}
    tx.bulk(
        "INSERT INTO outcome (workspace, lane, source_id, part, verdict, reason, message, key13,"
        " number, title, customer_id, net, currency, predicted_net, predicted_gross, line_count,"
        " decided_at) SELECT %(ws)s, r.lane, r.source, r.part, r.verdict, r.reason, r.message,"
        " r.key13, r.number, r.title, r.customer, r.net, r.currency, r.pnet, r.pgross, r.lines,"
        " %(now)s FROM {rows} ON CONFLICT (workspace, lane, source_id, part)"
        " DO UPDATE SET verdict = excluded.verdict, reason = excluded.reason,"
        " message = excluded.message, key13 = excluded.key13, number = excluded.number,"
        " title = excluded.title, customer_id = excluded.customer_id,"
        " net = coalesce(excluded.net, outcome.net), currency = excluded.currency,"
        # What was predicted before the write stays, as long as the deal is the same.
        f" predicted_net = {_PREDICTED.format('net')},"
        f" predicted_gross = {_PREDICTED.format('gross')},"
        " line_count = greatest(excluded.line_count, outcome.line_count),"
        " decided_at = excluded.decided_at",
        "lane text, source text, part integer, verdict text, reason text, message text,"
        " key13 text, number text, title text, customer text, net numeric, currency text,"
        " pnet numeric, pgross numeric, lines integer",
        (
            {
                "lane": decision.lane,
                "source": decision.source_id,
                "part": decision.part,
                "verdict": str(decision.verdict),
                "reason": decision.reason,
                "message": decision.message,
                "key13": decision.state.key13 if decision.state else None,
                "number": decision.number,
                "title": decision.title,
                "customer": decision.customer_id,
                "net": decision.net,
                "currency": decision.currency,
                "pnet": decision.predicted.totals.net if decision.predicted else None,
                "pgross": decision.predicted.totals.gross if decision.predicted else None,
                "lines": decision.line_count,
            }
            for decision in latest.values()
        ),
        now=now,
    )


def _unchanged(tx: Tx, due: Sequence[DueRow]) -> set[str]:
    if not due:
        return set()
    wanted = {row.source_id: row.revision for row in due}
    return {
        row[0]
        for row in tx.rows(
            "SELECT source_id, revision FROM due WHERE workspace = %(ws)s AND lane = %(lane)s"
            " AND source_id = ANY(%(ids)s) ORDER BY source_id FOR UPDATE",
            lane=due[0].lane,
            ids=list(wanted),
        )
        if wanted[row[0]] == row[1]
    }


def _moved_slots(tx: Tx, states: Sequence[SlotState]) -> set[str]:
    """
    Places that are not as the decision saw them: another generation, record or operation.

    Their rows are locked, so that of two planners the later one sees what the earlier one did.
    """
    seen = {state.key13: state for state in states}
    moved: set[str] = set()
    if not seen:
        return moved
    slots = {
        row[0]: (row[1], row[2])
        for row in tx.rows(
            "SELECT key13, generation, alias_of FROM slot WHERE workspace = %(ws)s"
            " AND key13 = ANY(%(keys)s) ORDER BY key13 FOR UPDATE",
            keys=sorted(seen),
        )
    }
    current = {
        row[0]: (row[1], row[2], row[3])
        for row in tx.rows(
            "SELECT key13, connection, entity, id FROM ref WHERE workspace = %(ws)s"
            " AND role = 'current' AND key13 = ANY(%(keys)s) ORDER BY key13",
            keys=sorted({*seen, *(alias for _, alias in slots.values() if alias)}),
        )
    }
    working = {
        row[0]: (row[1], row[2])
        for row in tx.rows(
            "SELECT id, state, key13 FROM operation WHERE workspace = %(ws)s"
            " AND (key13 = ANY(%(keys)s) OR id = ANY(%(ids)s)) AND state IN ('ready',"
            " 'awaiting_approval', 'started', 'unknown', 'confirming', 'doubt') ORDER BY id",
            keys=sorted(seen),
            ids=[state.operation.id for state in states if state.operation is not None],
        )
    }
    busy = {key13 for _, key13 in working.values()}
    for key, state in seen.items():
        ref = state.current
        place = None if ref is None else (ref.ref.connection, ref.ref.entity, ref.ref.id)
        operation = state.operation
        generation, alias = slots.get(key, (state.generation, None))
        same = (
            generation == state.generation
            and (current.get(key) or current.get(alias or "")) == place
            and (
                key not in busy
                if operation is None
                else working.get(operation.id, ("", ""))[0] == operation.state
            )
        )
        if not same:
            moved.add(key)
    return moved


def _settle_due(
    tx: Tx,
    due: Sequence[DueRow],
    decisions: dict[str, list[Decision]],
    now: datetime,
    shadow: bool,
) -> None:
    gone, kept = [], []
    for row in due:
        mine = decisions.get(row.source_id, [])
        reason, on, retry = _parking(mine, shadow)
        # Time alone makes it due again, as an instalment's day does.
        times = [d.not_before for d in mine if d.not_before is not None]
        if retry is not None:
            times.append(_later(now, retry))
        if reason is None and times:
            reason = "later"
        if reason is None:
            gone.append({"lane": row.lane, "id": row.source_id, "revision": row.revision})
        else:
            kept.append(
                {
                    "lane": row.lane,
                    "id": row.source_id,
                    "parked": reason,
                    "held_on": on,
                    "not_before": min(times, default=None),
                }
            )
    # What was recorded may have made the source due again (a generation ended): that stays.
    tx.bulk(
        "DELETE FROM due USING {rows} WHERE due.workspace = %(ws)s AND due.lane = r.lane"
        " AND due.source_id = r.id AND due.revision = r.revision",
        "lane text, id text, revision bigint",
        gone,
    )
    tx.bulk(
        "UPDATE due SET parked = r.parked, parked_on = r.held_on, not_before = r.not_before"
        " FROM {rows} WHERE due.workspace = %(ws)s AND due.lane = r.lane"
        " AND due.source_id = r.id",
        "lane text, id text, parked text, held_on text, not_before timestamptz",
        kept,
    )


def _later(now: datetime, seconds: int) -> datetime:
    from datetime import timedelta

    return now + timedelta(seconds=seconds)


def _parking(decisions: Sequence[Decision], shadow: bool) -> tuple[str | None, str, int | None]:
    """Held rows stay, parked on what may free them; so does what a shadow flow would write."""
    for decision in decisions:
        if decision.verdict is Verdict.HOLD:
            stops = [f for f in decision.findings if f.severity is Severity.ERROR]
            on = ",".join(sorted({f.hold_on for f in stops}))
            retries = [f.retry_after_s for f in stops if f.retry_after_s]
            return "hold", on, min(retries) if retries else None
    for decision in decisions:
        if decision.verdict is Verdict.WAIT and decision.waits_for:
            return "link", decision.waits_for, None
    waits = {d.reason for d in decisions if d.verdict is Verdict.WAIT}
    for reason, parked in (("on_its_way", "op"), ("not_read_yet", "unread")):
        if reason in waits:
            return parked, "", None
    if shadow and any(d.verdict in (Verdict.WRITE, Verdict.APPROVAL) for d in decisions):
        return "shadow", "", None
    if any(d.verdict is Verdict.APPROVAL for d in decisions):
        return "approval", "", None
    if "waiting_for_approval" in waits:
        return "approval", "", None
    return None, "", None


def _record_other(
    tx: Tx,
    bridge: str,
    connection: str,
    decision: Decision,
    config_version: int,
    now: datetime,
    shadow: bool,
) -> str:
    """What is not an operation: agreement, the end of a generation. The word that is counted."""
    state = decision.state
    if decision.verdict in (Verdict.WRITE, Verdict.APPROVAL) and shadow:
        return "shadow"
    if decision.verdict is Verdict.AGREED and state is not None and decision.agreed is not None:
        return _agree(tx, bridge, connection, decision, state, config_version, now)
    if decision.verdict is Verdict.END and state is not None:
        slot_store.end_generation(tx, state.key13, decision.reason)
        _due_again(tx, decision, now)
    return str(decision.verdict)


def _due_again(tx: Tx, decision: Decision, now: datetime) -> None:
    tx.run(
        "INSERT INTO due (workspace, lane, source_id, revision, since) VALUES (%(ws)s,"
        f" %(lane)s, %(id)s, {FIRST_REVISION}, %(now)s) ON CONFLICT (workspace, lane,"
        " source_id) DO UPDATE SET revision = due.revision + 1",
        lane=decision.lane,
        id=decision.source_id,
        now=now,
    )


def _agree(
    tx: Tx,
    bridge: str,
    connection: str,
    decision: Decision,
    state: SlotState,
    config_version: int,
    now: datetime,
) -> str:
    """Both sides show the same: the pair is the base. A matched record becomes the slot's."""
    assert decision.agreed is not None
    slot_store.ensure_slot(tx, state, bridge, connection)
    if decision.adopt is not None:
        other = slot_store.put_ref(
            tx, decision.adopt, state.key13, state.generation, RefRole.CURRENT, "match", now
        )
        if other is not None:
            if decision.adopt.entity == Entity.CONTACT:
                # Who had it goes in this run too: then it is decided once more.
                _due_again(tx, decision, now)
            return "moved_on"
        if decision.displaces:
            supersede_waiting(tx, decision.displaces, now)
        tx.log("link.matched", key13=state.key13, ref=str(decision.adopt), by=decision.message)
    wanted, shown = decision.agreed
    slot_store.put_link(
        tx,
        state.key13,
        wanted=wanted,
        shown=shown,
        known=True,
        predicted=None,
        config_version=config_version,
        now=now,
    )
    if decision.again:
        _due_again(tx, decision, now)
    return "agreed"


def _supersede(tx: Tx, states: Sequence[SlotState], now: datetime) -> None:
    """Waiting operations that are not wanted any more; never one with an attempt under way."""
    _end_waiting(tx, [state.operation.id for state in states if state.operation is not None], now)


def _supersede_all(tx: Tx, decisions: Sequence[Decision], now: datetime) -> None:
    """Of sources whose places were not looked at: whatever waits."""
    for decision in decisions:
        waiting = tx.rows(
            "SELECT id FROM operation WHERE workspace = %(ws)s AND lane = %(lane)s"
            " AND source_id = %(source)s AND state IN ('ready', 'awaiting_approval') ORDER BY id",
            lane=decision.lane,
            source=decision.source_id,
        )
        _end_waiting(tx, [row[0] for row in waiting], now)


def _end_waiting(tx: Tx, ids: Sequence[str], now: datetime) -> None:
    if not ids:
        return
    done = tx.rows(
        "UPDATE operation SET state = 'superseded', updated_at = %(now)s WHERE workspace = %(ws)s"
        " AND id = ANY(%(ids)s) AND state IN ('ready', 'awaiting_approval')"
        " AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.workspace = %(ws)s"
        " AND a.operation = operation.id AND a.result = 'open') RETURNING id",
        ids=sorted(ids),
        now=now,
    )
    if done:
        tx.log("operations.superseded", operations=sorted(row[0] for row in done))


def _insert_operations(
    tx: Tx,
    ids: Ids,
    bridge: str,
    connection: str,
    decisions: Sequence[Decision],
    run: int | None,
    config_version: int,
    now: datetime,
    day: date,
) -> None:
    """
    Operations with their payloads, set by set. One that another planner made meanwhile stays: a
    slot has one waiting operation, and this one is left out.
    """
    rows = []
    for decision in decisions:
        assert decision.change is not None
        assert decision.state is not None
        row = _operation_row(decision, decision.change, decision.state)
        row |= {
            "id": ids.new("operation"),
            "released": day if decision.verdict is Verdict.WRITE else None,
        }
        rows.append(row)
    tx.bulk(
        "INSERT INTO operation (workspace, id, bridge, lane, connection, key13, key, source_id,"
        " entity, action, generation, seq, state, target_id, depends_on, payload_rev, want_digest,"
        " config_version, run, net, currency, customer_id, released_on, created_at, updated_at,"
        " absence_no)"
        " SELECT %(ws)s, r.id, %(bridge)s, r.lane, %(connection)s, r.key13, r.key, r.source,"
        " r.entity, r.action, r.generation, r.seq, r.state, r.target, r.depends, 1, r.digest,"
        " %(version)s, %(run)s::bigint, r.net, r.currency, r.customer, r.released, %(now)s,"
        " %(now)s, (SELECT count(*) FROM operation a"
        " WHERE a.workspace = %(ws)s AND a.key13 = r.key13 AND a.generation = r.generation"
        " AND a.action = r.action AND a.detail = 'absent') FROM {rows} ON CONFLICT DO NOTHING",
        "id text, lane text, key13 text, key text, source text, entity text, action text,"
        " generation integer, seq integer, state text, target text, depends text, digest text,"
        " net numeric, currency text, customer text, released date",
        ({name: value for name, value in row.items() if name != "change"} for row in rows),
        bridge=bridge,
        connection=connection,
        version=config_version,
        run=run,
        now=now,
    )
    tx.bulk(
        "INSERT INTO payload (workspace, operation, rev, change, sha256, config_version)"
        " SELECT %(ws)s, o.id, 1, decode(r.change, 'hex'), r.sha256, %(version)s FROM {rows}"
        " JOIN operation o ON o.workspace = %(ws)s AND o.id = r.id",
        "id text, change text, sha256 text",
        (
            {
                "id": row["id"],
                "change": row["change"].hex(),
                "sha256": hashlib.sha256(row["change"]).hexdigest(),
            }
            for row in rows
        ),
        version=config_version,
    )
    if rows:
        tx.log(
            "operations.planned",
            planned=[[row["id"], row["key"], row["action"], row["state"]] for row in rows],
        )


def _operation_row(decision: Decision, change: Change, state: SlotState) -> dict[str, Any]:
    generation = state.generation if change.action is Action.CREATE else _generation(state)
    return {
        "lane": decision.lane,
        "key13": state.key13,
        "key": change.key,
        "source": decision.source_id,
        "entity": str(change.entity),
        "action": str(change.action),
        "generation": generation,
        "seq": state.next_seq.get(f"{change.action}:{generation}", 0),
        "state": "ready" if decision.verdict is Verdict.WRITE else "awaiting_approval",
        "target": change.target.id if change.target else None,
        "depends": change.depends_on,
        "digest": decision.digest,
        "net": decision.net,
        "currency": decision.currency,
        "customer": decision.customer_id,
        "change": codec.encode_change(change),
    }


def _generation(state: SlotState) -> int:
    current = state.current
    return state.generation if current is None else current.generation
