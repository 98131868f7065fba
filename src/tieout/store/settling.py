"""Settling: what came back for what was sent, into states, refs, bases and exceptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tieout.core.case import RefRole
from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    Deferred,
    Predicted,
    Rejected,
    Stale,
    Unknown,
)
from tieout.core.finding import Finding
from tieout.core.model import Entity, ExternalRef, Record
from tieout.core.resolve import UNSET
from tieout.core.safeguards import Safeguards
from tieout.store import pages as page_store
from tieout.store import slots as slot_store
from tieout.store.database import Tx
from tieout.store.freeing import free_sources, reject_source
from tieout.store.linking import agreed_on, bases_before, check_total, link_applied, second_carrier
from tieout.store.operations import close_attempt, open_attempts, set_state
from tieout.storing import FanOut, MirrorRow, ReadyOperation, Settled

# --- after the answer --------------------


def settle(
    tx: Tx,
    bridge: str,
    settled: Sequence[Settled],
    fan_out: Sequence[FanOut],
    now: datetime,
    rules: Safeguards,
) -> None:
    """
    What came back, for a group of attempts. State changes are fenced; evidence is not: a ref in a
    late answer is recorded whoever holds the lease.
    """
    rows = {
        row[0]: row
        for row in tx.rows(
            "SELECT id, state, fence FROM operation WHERE workspace = %(ws)s AND id = ANY(%(ids)s)"
            " ORDER BY id FOR UPDATE",
            ids=sorted({one.operation.id for one in settled}),
        )
    }
    # An answer that was held up may be older than what was read meanwhile.
    mirrored = [
        one.row
        for one in settled
        if one.row is not None
        and (rows[one.operation.id][2] == one.fence or _stamped(one.row.record))
    ]
    page_store.upsert(tx, mirrored, now)
    plain = _plain(tx, settled, rows)
    _settle_plain(tx, bridge, [one for one in settled if id(one) in plain], now)
    for one in settled:
        if id(one) in plain:
            continue
        row = rows[one.operation.id]
        ours = row[1] == "started" and (row[2] == one.fence or not rules.fence)
        _settle_one(tx, bridge, one, ours, str(row[1]), now, rules)
    _fan_out_settled(tx, settled, fan_out, now)


def _stamped(record: Record) -> bool:
    return getattr(record, "changed_at", None) is not None


def _plain(tx: Tx, settled: Sequence[Settled], rows: Mapping[str, Any]) -> set[int]:
    """
    Those that are what nearly all are: answered as applied, by us, one attempt, a ref nobody has.

    They are stored set by set; anything else goes one by one.
    """
    candidates = [
        one
        for one in settled
        if isinstance(one.outcome, Applied)
        and one.operation.change.action in (Action.CREATE, Action.UPDATE)
        and rows[one.operation.id][1] == "started"
        and rows[one.operation.id][2] == one.fence
        and one.attempt == 1
    ]
    refs = [one.outcome.ref for one in candidates if isinstance(one.outcome, Applied)]
    taken = {
        (row[0], row[1], row[2]): row[3]
        for row in tx.rows(
            "SELECT connection, entity, id, CASE WHEN role IN ('copy', 'not_ours') THEN 'named'"
            " ELSE key13 END FROM ref WHERE workspace = %(ws)s"
            " AND connection = ANY(%(connections)s) AND entity = ANY(%(entities)s)"
            " AND id = ANY(%(ids)s)",
            connections=sorted({ref.connection for ref in refs}),
            entities=sorted({ref.entity for ref in refs}),
            ids=[ref.id for ref in refs],
        )
    }
    # A person may have named the place's document since the create left.
    named = {
        row[0]
        for row in tx.rows(
            "SELECT key13 FROM ref WHERE workspace = %(ws)s AND key13 = ANY(%(keys)s)"
            " AND role = 'current' AND found_by IN ('person', 'adopted')",
            keys=[
                one.operation.key13
                for one in candidates
                if one.operation.change.action is Action.CREATE
            ],
        )
    }
    found = set()
    seen: set[str] = set(named)
    placed: set[ExternalRef] = set()
    for one in candidates:
        assert isinstance(one.outcome, Applied)
        ref = one.outcome.ref
        other = taken.get((ref.connection, ref.entity, ref.id))
        new = one.operation.key13 not in seen and ref not in placed
        if other in (None, one.operation.key13) and new:
            seen.add(one.operation.key13)
            placed.add(ref)
            found.add(id(one))
    return found


# The record becomes its slot's, what both sides show the base; attempt and operation are over.
_APPLIED = (
    "WITH given AS MATERIALIZED (SELECT * FROM {rows}), refs AS (INSERT INTO ref (workspace,"
    " connection, entity, id, key13, generation, role, found_by, evidence, since) SELECT %(ws)s,"
    " g.connection, g.entity, g.id, g.key13, g.generation, 'current', 'answer', '', %(now)s"
    " FROM given g ON CONFLICT (workspace, connection, entity, id) DO UPDATE SET role = 'current',"
    " generation = excluded.generation), links AS (INSERT INTO link (workspace, key13, wanted,"
    " shown, base_known, predicted, config_version, revision, updated_at) SELECT %(ws)s, g.key13,"
    " g.wanted, g.shown, true, g.predicted, g.version, 1, %(now)s FROM given g"
    " ON CONFLICT (workspace, key13) DO UPDATE SET wanted = excluded.wanted,"
    " shown = excluded.shown, base_known = true,"
    " predicted = coalesce(excluded.predicted, link.predicted),"
    " config_version = excluded.config_version, revision = link.revision + 1,"
    " updated_at = excluded.updated_at), answers AS (UPDATE attempt SET result = 'answered',"
    " answer = g.answer, answered_at = %(now)s FROM given g WHERE attempt.workspace = %(ws)s"
    " AND attempt.operation = g.op AND attempt.no = g.no AND attempt.result = 'open')"
    " UPDATE operation SET state = 'applied', detail = 'answer', lease_owner = NULL,"
    " next_look_at = NULL, updated_at = %(now)s FROM given g WHERE operation.workspace = %(ws)s"
    " AND operation.id = g.op"
)
_APPLIED_COLUMNS = (
    "connection text, entity text, id text, key13 text, generation integer, wanted jsonb,"
    " shown jsonb, predicted jsonb, version integer, op text, no integer, answer jsonb"
)


def _settle_plain(tx: Tx, bridge: str, settled: Sequence[Settled], now: datetime) -> None:
    if not settled:
        return
    rows = []
    before = bases_before(tx, [one.operation for one in settled])
    for one in settled:
        outcome, op = one.outcome, one.operation
        assert isinstance(outcome, Applied)
        shown = one.row.record if one.row else outcome.shows or one.prepared.shows
        mine, theirs = agreed_on(op, shown, before.get(op.key13))
        rows.append(
            _ref_row(op, outcome.ref)
            | _link_row(op, mine, theirs, one.prepared.totals)
            | {"op": op.id, "no": one.attempt, "answer": {"ref": str(outcome.ref)}}
        )
    tx.run(
        "UPDATE ref SET role = 'former' WHERE workspace = %(ws)s AND role = 'current'"
        " AND key13 = ANY(%(keys)s) AND NOT (id = ANY(%(ids)s))",
        keys=[row["key13"] for row in rows],
        ids=[row["id"] for row in rows],
    )
    tx.bulk(_APPLIED, _APPLIED_COLUMNS, rows, now=now)
    tx.grown.update({"ref": len(rows), "link": len(rows)})
    tx.log(
        "operations.applied",
        refs={row["op"]: row["id"] for row in rows},
    )
    for one in settled:
        shown = one.row.record if one.row else None
        check_total(tx, bridge, one.operation, shown, one.prepared.totals, now)
    free_sources(tx, [one.operation for one in settled], now)


def _ref_row(op: ReadyOperation, ref: ExternalRef) -> dict[str, Any]:
    return {
        "connection": ref.connection,
        "entity": ref.entity,
        "id": ref.id,
        "key13": op.key13,
        "generation": op.generation,
    }


def _link_row(
    op: ReadyOperation,
    wanted: Record | None,
    shown: Record | None,
    predicted: Predicted | None,
) -> dict[str, Any]:
    return {
        "key13": op.key13,
        "wanted": wanted,
        "shown": shown,
        "predicted": predicted,
        "version": op.config_version,
    }


def _settle_one(
    tx: Tx,
    bridge: str,
    one: Settled,
    ours: bool,
    state: str,
    now: datetime,
    rules: Safeguards,
) -> None:
    op, outcome = one.operation, one.outcome
    match outcome:
        case Applied():
            if not ours and not rules.late_answer_is_evidence:
                return
            close_attempt(tx, op.id, one.attempt, "answered", {"ref": str(outcome.ref)}, now)
            _applied(tx, bridge, one, outcome, ours, state, now, rules)
        case AlreadyApplied():
            if ours:
                _to_unknown(tx, op, "already_there", now, 0)
        case Unknown():
            if ours:
                _late(tx, one)
                _to_unknown(tx, op, outcome.reason, now, one.next_look_s)
        case Rejected():
            answer = {"findings": [[f.code, f.message] for f in outcome.findings]}
            close_attempt(tx, op.id, one.attempt, "answered", answer, now)
            if ours:
                _rejected(tx, bridge, op, outcome, now, rules)
        case Stale():
            close_attempt(tx, op.id, one.attempt, "answered", {"stale": True}, now)
            if ours and not _stays_unknown(tx, op, now, rules):
                set_state(tx, op.id, "superseded", "stale", now)
                page_store.make_due(tx, op.lane, [op.source_id], now)
        case Deferred():
            close_attempt(tx, op.id, one.attempt, "not_sent", {"reason": outcome.reason}, now)
            if ours and not _stays_unknown(tx, op, now, rules):
                tx.run(
                    "UPDATE operation SET state = 'ready', not_before = %(at)s, detail ="
                    " %(detail)s, lease_owner = NULL, updated_at = %(now)s"
                    " WHERE workspace = %(ws)s AND id = %(id)s",
                    id=op.id,
                    at=now + timedelta(seconds=outcome.retry_after_s),
                    detail=outcome.reason,
                    now=now,
                )
                tx.log("operation.ready", operation=op.id, detail=outcome.reason)


def _late(tx: Tx, one: Settled) -> None:
    """It may have left as late as its call ended: only from then on its time runs."""
    if one.horizon is not None and one.horizon < UNSET:
        tx.run(
            "UPDATE attempt SET horizon = %(horizon)s WHERE workspace = %(ws)s"
            " AND operation = %(id)s AND no = %(no)s AND result = 'open'",
            horizon=one.horizon,
            id=one.operation.id,
            no=one.attempt,
        )


def _stays_unknown(tx: Tx, op: ReadyOperation, now: datetime, rules: Safeguards) -> bool:
    """An answer closes its own attempt only: with an earlier one open the outcome is unclear."""
    if not rules.reject_closes_own_attempt or not open_attempts(tx, op.id):
        return False
    _to_unknown(tx, op, "earlier_attempt_open", now, 2)
    return True


def _to_unknown(tx: Tx, op: ReadyOperation, reason: str, now: datetime, look_s: int) -> None:
    tx.run(
        "UPDATE operation SET state = 'unknown', detail = %(reason)s, lease_owner = NULL,"
        " next_look_at = %(at)s, updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s",
        id=op.id,
        reason=reason,
        at=now + timedelta(seconds=look_s),
        now=now,
    )
    tx.log("operation.unknown", operation=op.id, key=op.change.key, reason=reason)


def _applied(
    tx: Tx,
    bridge: str,
    one: Settled,
    outcome: Applied,
    ours: bool,
    state: str,
    now: datetime,
    rules: Safeguards,
) -> None:
    op = one.operation
    open_states = ("unknown", "started", "confirming", "ready")
    if state == "doubt" and not _has_current(tx, op.key13):
        # What a person was asked, the answer tells.
        _close_near_hit(tx, op, now)
    elif not ours and state not in open_states:
        _late_answer(tx, bridge, op, outcome, now)
        return
    shown = one.row.record if one.row else outcome.shows or one.prepared.shows
    link_applied(
        tx,
        bridge,
        op,
        outcome.ref,
        shown=shown,
        predicted=one.prepared.totals,
        found_by="answer",
        now=now,
        rules=rules,
    )


def _has_current(tx: Tx, key13: str) -> bool:
    row = tx.row(
        "SELECT 1 FROM ref WHERE workspace = %(ws)s AND key13 = %(key)s AND role = 'current'",
        key=key13,
    )
    return row is not None


def _close_near_hit(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    tx.run(
        "UPDATE exception_case SET closed_at = %(now)s, closed_by = 'tieout', closed_reason ="
        " 'the answer came' WHERE workspace = %(ws)s AND lane = %(lane)s"
        " AND source_id = %(source)s AND closed_at IS NULL AND code IN ('near_hit',"
        # Another step's doubt is asked about on.
        " 'look_incomplete', 'absent_three_times') AND key13 = %(key)s",
        key=op.key13,
        now=now,
        lane=op.lane,
        source=op.source_id,
    )


def _late_answer(tx: Tx, bridge: str, op: ReadyOperation, outcome: Applied, now: datetime) -> None:
    """An answer that came after its operation was settled: the same ref is news to nobody."""
    current = tx.row(
        "SELECT id FROM ref WHERE workspace = %(ws)s AND key13 = %(key)s AND connection ="
        " %(connection)s AND entity = %(entity)s AND id = %(id)s",
        key=op.key13,
        connection=outcome.ref.connection,
        entity=outcome.ref.entity,
        id=outcome.ref.id,
    )
    if current is not None or op.change.action is not Action.CREATE:
        return
    has_other = tx.row(
        "SELECT id FROM ref WHERE workspace = %(ws)s AND key13 = %(key)s AND role = 'current'",
        key=op.key13,
    )
    role = RefRole.COPY if has_other else RefRole.CURRENT
    slot_store.put_ref(tx, outcome.ref, op.key13, op.generation, role, "answer", now)
    if has_other:
        second_carrier(tx, bridge, op, [outcome.ref], now)


def _rejected(
    tx: Tx, bridge: str, op: ReadyOperation, outcome: Rejected, now: datetime, rules: Safeguards
) -> None:
    if _stays_unknown(tx, op, now, rules):
        return
    set_state(tx, op.id, "rejected", outcome.findings[0].code if outcome.findings else "", now)
    if outcome.number_taken:
        page_store.make_due(tx, op.lane, [op.source_id], now)
        return
    reject_source(tx, bridge, op, outcome.findings, now)


def _fan_out_settled(
    tx: Tx, settled: Sequence[Settled], rules: Sequence[FanOut], now: datetime
) -> None:
    """Other lanes learn of what was written; the lane that wrote it does not start again."""
    by_place: dict[tuple[str, str, str], list[str]] = {}
    for one in settled:
        ref = one.row.ref if one.row is not None else _taken_back(one)
        if ref is not None:
            place = (ref.connection, ref.entity, one.operation.lane)
            by_place.setdefault(place, []).append(ref.id)
    for (connection, entity, lane), ids in sorted(by_place.items()):
        others = [rule for rule in rules if rule.lane != lane and rule.source != "parked"]
        page_store.fan_out(tx, connection, Entity(entity), ids, others, now)


def _taken_back(one: Settled) -> ExternalRef | None:
    """A document that was voided shows nothing, and concerns who showed it all the more."""
    change = one.operation.change
    done = isinstance(one.outcome, Applied) and change.action is Action.VOID
    return change.target if done else None


# --- instead of sending --------------------


def refuse(
    tx: Tx,
    bridge: str,
    op: ReadyOperation,
    findings: Sequence[Finding],
    stale: bool,
    seen: MirrorRow | None,
    now: datetime,
) -> None:
    """It could not be made into bytes: nothing was sent. Stale: the source is decided anew."""
    if seen is not None:
        page_store.upsert(tx, [seen], now, ignore_stale=False)
    done = tx.run(
        "UPDATE operation SET state = %(state)s, updated_at = %(now)s WHERE workspace = %(ws)s"
        " AND id = %(id)s AND state = 'ready'",
        id=op.id,
        state="superseded" if stale else "rejected",
        now=now,
    )
    if not done:
        return
    tx.log("operation.refused", operation=op.id, codes=[f.code for f in findings], stale=stale)
    if stale:
        page_store.make_due(tx, op.lane, [op.source_id], now)
    else:
        reject_source(tx, bridge, op, findings, now)


def adopt(
    tx: Tx,
    bridge: str,
    op: ReadyOperation,
    row: MirrorRow,
    generation: int,
    base_known: bool,
    now: datetime,
    rules: Safeguards,
) -> None:
    """
    A record in the books carries the key already: it is the slot's, nothing is sent.

    Nothing is done where another worker has begun or settled the operation since it was picked.
    """
    if not tx.rows(
        "SELECT 1 FROM operation WHERE workspace = %(ws)s AND id = %(id)s AND state = 'ready'"
        " FOR UPDATE",
        id=op.id,
    ):
        return
    link_applied(
        tx,
        bridge,
        op,
        row.ref,
        shown=row.record,
        predicted=None,
        found_by="key",
        now=now,
        rules=rules,
        generation=generation,
        base_known=base_known,
    )
    adopted = tx.run(
        "UPDATE operation SET state = 'already_applied' WHERE workspace = %(ws)s AND id = %(id)s"
        " AND state = 'applied'",
        id=op.id,
    )
    if adopted:
        tx.log("operation.already_applied", operation=op.id)
    page_store.make_due(tx, op.lane, [op.source_id], now)
