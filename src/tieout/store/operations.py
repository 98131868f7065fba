"""Executing: what may be sent, what is about to be sent, and what came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout.core.case import RefRole
from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    Change,
    Deferred,
    Predicted,
    Prepared,
    Rejected,
    Stale,
    Unknown,
    Wire,
)
from tieout.core.finding import Finding
from tieout.core.model import Document, Entity, ExternalRef, Record
from tieout.core.predict import fits
from tieout.core.safeguards import Safeguards
from tieout.store import codec
from tieout.store import pages as page_store
from tieout.store import slots as slot_store
from tieout.store.database import Tx
from tieout.store.deciding import open_exception
from tieout.storing import FanOut, MirrorRow, ReadyOperation, Sending, Settled, StoredSend

_COLUMNS = (
    "o.id, o.lane, o.source_id, o.key13, o.state, o.payload_rev, o.absence_no, o.seq,"
    " o.generation, o.repeats, o.want_digest, p.change, s.crm_org, s.source_id, s.company, s.kind,"
    " s.part, d.connection, d.entity, d.id"
)

_FROM = (
    " FROM operation o JOIN payload p ON p.workspace = o.workspace AND p.operation = o.id"
    " AND p.rev = o.payload_rev JOIN slot s ON s.workspace = o.workspace AND s.key13 = o.key13"
    " LEFT JOIN ref d ON d.workspace = o.workspace AND d.key13 = o.depends_on"
    " AND d.role = 'current'"
)


def operation_of(row: Sequence[Any]) -> ReadyOperation:
    """An operation from the columns above; its customer's ref is put into what is wanted."""
    change = codec.decode_change(bytes(row[11]))
    # What changes the wire key: a new payload, a proven absence, a further write of the slot.
    change = replace(change, revision=(row[7] * 1000 + row[6]) * 1000 + row[5])
    if row[17] is not None:
        change = with_customer(change, ExternalRef(row[17], row[18], row[19]))
    return ReadyOperation(
        id=row[0],
        lane=row[1],
        source_id=row[2],
        key13=row[3],
        slot=slot_store.slot_of(row[12:17]),
        change=change,
        state=row[4],
        payload_rev=row[5],
        absence_no=row[6],
        seq=row[7],
        generation=row[8],
        repeats=row[9],
        want_digest=row[10],
    )


def with_customer(change: Change, customer: ExternalRef) -> Change:
    """The change with the customer that it depended on, now that there is one."""
    if change.wanted is None or not isinstance(change.wanted.record, Document):
        return change
    record = replace(change.wanted.record, customer=customer)
    return replace(change, wanted=replace(change.wanted, record=record))


def pick_ready(
    tx: Tx,
    bridge: str,
    connection: str,
    limit: int,
    now: datetime,
    creates: bool,
    operations: Sequence[str] | None,
) -> list[ReadyOperation]:
    """
    Operations that may be sent, customers before documents, oldest first.

    Left out: those of a slot with an operation in flight or in doubt, those whose customer has no
    record yet, and those that wait by the clock. Nothing is changed by picking.
    """
    rows = tx.rows(
        f"SELECT {_COLUMNS}{_FROM} WHERE o.workspace = %(ws)s AND o.bridge = %(bridge)s"
        " AND o.connection = %(connection)s AND o.state = 'ready'"
        " AND (o.not_before IS NULL OR o.not_before <= %(now)s)"
        " AND (o.depends_on IS NULL OR d.id IS NOT NULL)"
        " AND (%(creates)s OR o.action <> 'create')"
        " AND (%(only)s::text[] IS NULL OR o.id = ANY(%(only)s::text[]))"
        " AND NOT EXISTS (SELECT 1 FROM operation b WHERE b.workspace = o.workspace"
        " AND b.key13 = o.key13 AND b.state IN ('started', 'unknown', 'confirming', 'doubt'))"
        " ORDER BY CASE o.entity WHEN 'customer' THEN 0 ELSE 1 END, o.created_at, o.id"
        " LIMIT %(limit)s",
        bridge=bridge,
        connection=connection,
        now=now,
        creates=creates,
        only=None if operations is None else list(operations),
        limit=limit,
    )
    found = [operation_of(row) for row in rows]
    return [_with_stored_send(tx, op) if op.repeats else op for op in found]


def _with_stored_send(tx: Tx, op: ReadyOperation) -> ReadyOperation:
    """
    A guarded repeat sends what is stored, byte for byte, under the same wire key.

    Only where the last request held this item alone; else the item is made into bytes anew.
    """
    row = tx.row(
        "SELECT s.wire_key, s.method, s.path, s.headers::text, s.body, a.witness::text,"
        " a.shows::text, a.predicted::text, a.payload_rev, (SELECT count(*) FROM attempt b"
        " WHERE b.workspace = a.workspace AND b.send = a.send) FROM attempt a JOIN send s"
        " ON s.workspace = a.workspace AND s.id = a.send WHERE a.workspace = %(ws)s"
        " AND a.operation = %(id)s ORDER BY a.no DESC LIMIT 1",
        id=op.id,
    )
    if row is None or row[9] != 1 or row[8] != op.payload_rev:
        return op
    witness = codec.decode_loose(row[5])
    entity = op.change.entity
    return replace(
        op,
        change=replace(op.change, number=witness.get("number", op.change.number)),
        stored=StoredSend(
            wire=Wire(
                wire_key=row[0],
                method=row[1],
                path=row[2],
                headers=codec.decode_loose(row[3]),
                body=bytes(row[4]),
                items=(op.change.key,),
            ),
            prepared=Prepared(
                key=op.change.key,
                entity=entity,
                action=op.change.action,
                target=op.change.target,
                method=row[1],
                path=row[2],
                body=bytes(row[4]),
                headers=codec.decode_loose(row[3]),
                witness=witness,
                shows=None if row[6] is None else codec.decode_record(entity, row[6]),
                totals=None if row[7] is None else codec.decode_predicted(row[7]),
            ),
        ),
    )


def carriers(tx: Tx, key13s: Sequence[str]) -> dict[str, list[tuple[str, Record]]]:
    """Records in the mirror that carry a key of these slots, not gone: (whole key, record)."""
    found: dict[str, list[tuple[str, Record]]] = {}
    if not key13s:
        return found
    for row in tx.rows(
        "SELECT m.carried_key13, m.carried_key, m.entity, m.record::text, r.role FROM mirror m"
        " LEFT JOIN ref r ON r.workspace = m.workspace AND r.connection = m.connection"
        " AND r.entity = m.entity AND r.id = m.id"
        " WHERE m.workspace = %(ws)s AND m.carried_key13 = ANY(%(keys)s) AND m.gone_at IS NULL"
        " AND (r.role IS NULL OR r.role = 'current') ORDER BY m.carried_key13, m.entity, m.id",
        keys=list(key13s),
    ):
        found.setdefault(row[0], []).append((row[1], codec.decode_record(row[2], row[3])))
    return found


def draw_number(tx: Tx, connection: str, entity: Entity, start: int, count: int) -> int:
    """The first of ``count`` numbers of ours, never given out again. Begins at ``start``."""
    found = tx.row(
        "INSERT INTO number_range (workspace, connection, entity, next) VALUES (%(ws)s,"
        " %(connection)s, %(entity)s, %(start)s + %(count)s) ON CONFLICT (workspace, connection,"
        " entity) DO UPDATE SET next = greatest(number_range.next, %(start)s) + %(count)s"
        " RETURNING next",
        connection=connection,
        entity=str(entity),
        start=start,
        count=count,
    )
    assert found is not None
    return int(found[0]) - count


# --- before the first byte --------------------


def mark_started(
    tx: Tx, sendings: Sequence[Sending], worker: str, lease_s: int, now: datetime
) -> dict[str, dict[str, tuple[int, int]]]:
    """
    One commit for a group: bytes, attempts, lease. Only then may a byte leave.

    A send of which one item is not ready any more is left out whole, since its bytes hold them all.
    """
    wanted = {op.id: op for sending in sendings for op, _ in sending.items}
    locked = {
        row[0]: (row[1], row[2])
        for row in tx.rows(
            "SELECT id, payload_rev, fence FROM operation o WHERE workspace = %(ws)s"
            " AND id = ANY(%(ids)s) AND state = 'ready' AND NOT EXISTS (SELECT 1 FROM operation b"
            " WHERE b.workspace = o.workspace AND b.key13 = o.key13 AND b.id <> o.id AND b.state"
            " IN ('started', 'unknown', 'confirming', 'doubt')) ORDER BY id FOR UPDATE SKIP LOCKED",
            ids=sorted(wanted),
        )
    }
    numbers = {
        row[0]: row[1]
        for row in tx.rows(
            "SELECT operation, max(no) FROM attempt WHERE workspace = %(ws)s"
            " AND operation = ANY(%(ids)s) GROUP BY operation",
            ids=sorted(locked),
        )
    }
    accepted: dict[str, dict[str, tuple[int, int]]] = {}
    sends, attempts, states = [], [], []
    for sending in sendings:
        ready = all(
            op.id in locked and locked[op.id][0] == op.payload_rev for op, _ in sending.items
        )
        if not ready:
            continue
        sends.append(_send_row(sending))
        given: dict[str, tuple[int, int]] = {}
        for index, (op, prepared) in enumerate(sending.items):
            number, fence = numbers.get(op.id, 0) + 1, locked[op.id][1] + 1
            given[op.id] = (number, fence)
            attempts.append(_attempt_row(sending, op, prepared, index, number, fence, worker, now))
            states.append(
                {
                    "id": op.id,
                    "fence": fence,
                    "owner": worker,
                    "until": now + timedelta(seconds=lease_s),
                    "sent": sending.vendor_time,
                    "now": now,
                }
            )
        accepted[sending.send_id] = given
    tx.many(
        "INSERT INTO send (workspace, id, connection, wire_key, method, path, headers, body,"
        " sha256, vendor_time) VALUES (%(ws)s, %(id)s, %(connection)s, %(wire_key)s, %(method)s,"
        " %(path)s, %(headers)s, %(body)s, encode(sha256(%(body)s::bytea), 'hex'),"
        " %(vendor_time)s)",
        sends,
    )
    tx.many(
        "UPDATE operation SET state = 'started', fence = %(fence)s, lease_owner = %(owner)s,"
        " lease_until = %(until)s, first_sent_at = coalesce(first_sent_at, %(sent)s),"
        " updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s",
        states,
    )
    tx.many(
        "INSERT INTO attempt (workspace, operation, no, send, item, payload_rev, worker, fence,"
        " horizon, witness, shows, predicted, result, started_at) VALUES (%(ws)s, %(op)s, %(no)s,"
        " %(send)s, %(item)s, %(rev)s, %(worker)s, %(fence)s, %(horizon)s, %(witness)s, %(shows)s,"
        " %(predicted)s, 'open', %(now)s)",
        attempts,
    )
    if states:
        tx.log("operations.started", ids=[state["id"] for state in states], worker=worker)
    return accepted


def _send_row(sending: Sending) -> dict[str, Any]:
    wire = sending.wire
    return {
        "id": sending.send_id,
        "connection": sending.connection,
        "wire_key": wire.wire_key,
        "method": wire.method,
        "path": wire.path,
        "headers": codec.encode_text(dict(wire.headers)),
        "body": wire.body,
        "vendor_time": sending.vendor_time,
    }


def _attempt_row(
    sending: Sending,
    op: ReadyOperation,
    prepared: Any,
    index: int,
    number: int,
    fence: int,
    worker: str,
    now: datetime,
) -> dict[str, Any]:
    return {
        "op": op.id,
        "no": number,
        "send": sending.send_id,
        "item": index,
        "rev": op.payload_rev,
        "worker": worker,
        "fence": fence,
        "horizon": sending.horizon,
        "witness": codec.encode_text(dict(prepared.witness)),
        "shows": None if prepared.shows is None else codec.encode_text(prepared.shows),
        "predicted": None if prepared.totals is None else codec.encode_text(prepared.totals),
        "now": now,
    }


def not_sent(
    tx: Tx, sending: Sending, started: Mapping[str, tuple[int, int]], now: datetime
) -> None:
    """The clock test failed before the first byte: certainly not done; ready again."""
    for op, _ in sending.items:
        number, fence = started[op.id]
        _close_attempt(tx, op.id, number, "not_sent", {"reason": "too_late_to_send"}, now)
        tx.run(
            "UPDATE operation SET state = CASE WHEN EXISTS (SELECT 1 FROM attempt a"
            " WHERE a.workspace = %(ws)s AND a.operation = %(id)s AND a.result = 'open')"
            " THEN 'unknown' ELSE 'ready' END, next_look_at = %(now)s, lease_owner = NULL,"
            " updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s AND fence = %(fence)s"
            " AND state = 'started'",
            id=op.id,
            fence=fence,
            now=now,
        )
    tx.log("operations.not_sent", ids=[op.id for op, _ in sending.items])


def _close_attempt(
    tx: Tx, operation: str, number: int, result: str, answer: object, now: datetime
) -> bool:
    return bool(
        tx.run(
            "UPDATE attempt SET result = %(result)s, answer = %(answer)s, answered_at = %(now)s"
            " WHERE workspace = %(ws)s AND operation = %(id)s AND no = %(no)s"
            " AND result IN ('open', 'expired')",
            id=operation,
            no=number,
            result=result,
            answer=codec.encode_text(answer),
            now=now,
        )
    )


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
    mirrored = [one.row for one in settled if one.row is not None]
    page_store.upsert(tx, mirrored, now, ignore_stale=False)
    for one in settled:
        row = rows[one.operation.id]
        ours = row[1] == "started" and (row[2] == one.fence or not rules.fence)
        _settle_one(tx, bridge, one, ours, str(row[1]), now, rules)
    _fan_out_settled(tx, settled, fan_out, now)


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
            _close_attempt(tx, op.id, one.attempt, "answered", {"ref": str(outcome.ref)}, now)
            _applied(tx, bridge, one, outcome, ours, state, now, rules)
        case AlreadyApplied():
            if ours:
                _to_unknown(tx, op, "already_there", now, 0)
        case Unknown():
            if ours:
                _to_unknown(tx, op, outcome.reason, now, one.next_look_s)
        case Rejected():
            answer = {"findings": [[f.code, f.message] for f in outcome.findings]}
            _close_attempt(tx, op.id, one.attempt, "answered", answer, now)
            if ours:
                _rejected(tx, bridge, op, outcome, now, rules)
        case Stale():
            _close_attempt(tx, op.id, one.attempt, "answered", {"stale": True}, now)
            if ours and not _stays_unknown(tx, op, now, rules):
                _set_state(tx, op.id, "superseded", "stale", now)
                page_store.make_due(tx, op.lane, [op.source_id], now)
        case Deferred():
            _close_attempt(tx, op.id, one.attempt, "not_sent", {"reason": outcome.reason}, now)
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


def _open_attempts(tx: Tx, operation: str) -> int:
    found = tx.row(
        "SELECT count(*) FROM attempt WHERE workspace = %(ws)s AND operation = %(id)s"
        " AND result = 'open'",
        id=operation,
    )
    assert found is not None
    return int(found[0])


def _stays_unknown(tx: Tx, op: ReadyOperation, now: datetime, rules: Safeguards) -> bool:
    """An answer closes its own attempt only: with an earlier one open the outcome is unclear."""
    if not rules.reject_closes_own_attempt or not _open_attempts(tx, op.id):
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


def _set_state(tx: Tx, operation: str, state: str, detail: str, now: datetime) -> None:
    tx.run(
        "UPDATE operation SET state = %(state)s, detail = %(detail)s, lease_owner = NULL,"
        " next_look_at = NULL, updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s",
        id=operation,
        state=state,
        detail=detail,
        now=now,
    )
    tx.log(f"operation.{state}", operation=operation, detail=detail)


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
    if not ours and state not in ("unknown", "started", "confirming", "ready"):
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


def second_carrier(
    tx: Tx, bridge: str, op: ReadyOperation, refs: Sequence[ExternalRef], now: datetime
) -> None:
    """Two records carry the key of one place: a person says which is which; nothing is changed."""
    named = ", ".join(ref.id for ref in refs)
    open_exception(
        tx,
        bridge=bridge,
        lane=op.lane,
        source_id=op.source_id,
        key13=op.key13,
        code="two_carriers",
        message=f"More than one document carries the key of this deal: {named}.",
        hint="Name the one that counts, or delete the copy: tieout exceptions show.",
        details={"key": op.change.key},
        candidates=list(refs),
        amount=None,
        currency="",
        now=now,
    )


def link_applied(
    tx: Tx,
    bridge: str,
    op: ReadyOperation,
    ref: ExternalRef,
    *,
    shown: Record | None,
    predicted: Predicted | None,
    found_by: str,
    now: datetime,
    rules: Safeguards,
    generation: int | None = None,
    base_known: bool = True,
) -> None:
    """The operation took effect: ref, base as the books echo it, state; the source may go on."""
    number = op.generation if generation is None else generation
    if op.change.action is Action.VOID:
        _voided(tx, op, now)
    else:
        if number != op.generation:
            tx.run(
                "UPDATE slot SET generation = %(g)s WHERE workspace = %(ws)s AND key13 = %(key)s"
                " AND generation < %(g)s",
                g=number,
                key=op.key13,
            )
        other = slot_store.put_ref(tx, ref, op.key13, number, RefRole.CURRENT, found_by, now)
        if other is not None:
            second_carrier(tx, bridge, op, [ref], now)
            _set_state(tx, op.id, "doubt", "ref_of_another_slot", now)
            return
        slot_store.put_link(
            tx,
            op.key13,
            wanted=op.change.wanted.record if op.change.wanted else None,
            shown=shown,
            known=base_known,
            predicted=predicted,
            config_version=0,
            now=now,
        )
        _check_total(tx, bridge, op, shown, predicted, now)
    remaining = _open_attempts(tx, op.id)
    confirm = remaining and rules.confirming and op.change.action is Action.CREATE
    if confirm:
        _confirming(tx, op, found_by, now)
    else:
        tx.run(
            "UPDATE attempt SET result = 'effect_seen', answered_at = %(now)s"
            " WHERE workspace = %(ws)s AND operation = %(id)s AND result = 'open'",
            id=op.id,
            now=now,
        )
        _set_state(tx, op.id, "applied", found_by, now)
    free_source(tx, op, now)


def _confirming(tx: Tx, op: ReadyOperation, found_by: str, now: datetime) -> None:
    """No further write until the horizon: an earlier request could still take effect."""
    tx.run(
        "UPDATE operation SET state = 'confirming', found_by = %(by)s, lease_owner = NULL,"
        " next_look_at = (SELECT max(horizon) FROM attempt WHERE workspace = %(ws)s"
        " AND operation = %(id)s AND result = 'open') + interval '1 second',"
        " updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s",
        id=op.id,
        by=found_by,
        now=now,
    )
    tx.log("operation.confirming", operation=op.id, key=op.change.key)


def _voided(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    target = op.change.target
    if target is not None:
        tx.run(
            "UPDATE mirror SET gone_at = coalesce(gone_at, %(now)s), gone_certain = true"
            " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
            " AND id = %(id)s",
            now=now,
            connection=target.connection,
            entity=target.entity,
            id=target.id,
        )
    slot_store.end_generation(tx, op.key13, "voided")
    page_store.make_due(tx, op.lane, [op.source_id], now)


def _check_total(
    tx: Tx,
    bridge: str,
    op: ReadyOperation,
    shown: Record | None,
    predicted: Predicted | None,
    now: datetime,
) -> None:
    """What the target shows is compared with what was predicted; a difference is shown."""
    if predicted is None or not isinstance(shown, Document) or shown.totals is None:
        return
    if fits(predicted, shown.totals):
        return
    expected, seen = predicted.totals, shown.totals
    open_exception(
        tx,
        bridge=bridge,
        lane=op.lane,
        source_id=op.source_id,
        key13=op.key13,
        code="total_differs",
        message=f"Predicted net {expected.net}, VAT {expected.tax}, total {expected.gross}; the "
        f"books show {seen.net}, {seen.tax}, {seen.gross}. The draft stays unbooked by us.",
        hint="Finance compares the draft with the deal before booking it.",
        details={"predicted": str(expected.gross), "shown": str(seen.gross)},
        candidates=[shown.ref] if shown.ref else [],
        amount=seen.net - expected.net,
        currency=seen.currency,
        now=now,
    )


def free_source(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    """What waited for this write is decided anew."""
    free_sources(tx, [op], now)


def free_sources(tx: Tx, ops: Sequence[ReadyOperation], now: datetime) -> None:
    """
    What waited for these writes is decided anew: the sources themselves, and a customer's deals.
    Exceptions that an answer opened are closed, since a later run succeeded.
    """
    by_lane: dict[str, list[str]] = {}
    deals: dict[str, list[str]] = {}
    for op in ops:
        by_lane.setdefault(op.lane, []).append(op.source_id)
        if op.change.entity is Entity.CUSTOMER:
            documents = op.lane.replace("/customers/", "/documents/")
            deals.setdefault(documents, []).append(op.source_id)
    for lane, ids in sorted(by_lane.items()):
        tx.run(
            "UPDATE due SET parked = NULL, parked_on = NULL, revision = revision + 1"
            " WHERE workspace = %(ws)s AND lane = %(lane)s AND source_id = ANY(%(ids)s)"
            " AND parked = 'op'",
            lane=lane,
            ids=ids,
        )
        tx.run(
            "UPDATE exception_case SET closed_at = %(now)s, closed_by = 'tieout', closed_reason ="
            " 'a later run succeeded' WHERE workspace = %(ws)s AND lane = %(lane)s"
            " AND source_id = ANY(%(ids)s) AND closed_at IS NULL AND (details->>'by') = 'answer'",
            now=now,
            lane=lane,
            ids=ids,
        )
    for lane, ids in sorted(deals.items()):
        tx.run(
            "UPDATE due SET parked = NULL, parked_on = NULL, revision = revision + 1"
            " WHERE workspace = %(ws)s AND lane = %(lane)s AND parked IN ('hold', 'op')"
            " AND source_id IN (SELECT o.source_id FROM outcome o WHERE o.workspace = %(ws)s"
            " AND o.lane = %(lane)s AND o.customer_id = ANY(%(ids)s))",
            lane=lane,
            ids=ids,
        )


def _rejected(
    tx: Tx, bridge: str, op: ReadyOperation, outcome: Rejected, now: datetime, rules: Safeguards
) -> None:
    if _stays_unknown(tx, op, now, rules):
        return
    _set_state(tx, op.id, "rejected", outcome.findings[0].code if outcome.findings else "", now)
    if outcome.number_taken:
        page_store.make_due(tx, op.lane, [op.source_id], now)
        return
    reject_source(tx, bridge, op, outcome.findings, now)


def reject_source(
    tx: Tx, bridge: str, op: ReadyOperation, findings: Sequence[Finding], now: datetime
) -> None:
    """Each finding of a refusal is an open exception; the source waits for what may free it."""
    for finding in findings:
        open_exception(
            tx,
            bridge=bridge,
            lane=op.lane,
            source_id=op.source_id,
            key13=op.key13,
            code=finding.code,
            message=finding.message,
            hint=finding.hint,
            details={"by": "answer", "values": [dict(finding.values)], "hold_on": finding.hold_on},
            candidates=[],
            amount=_net(op),
            currency=_currency(op),
            now=now,
        )
    retry = [f.retry_after_s for f in findings if f.retry_after_s]
    tx.run(
        "INSERT INTO due (workspace, lane, source_id, revision, since, not_before, parked,"
        " parked_on) VALUES (%(ws)s, %(lane)s, %(id)s, 1, %(now)s, %(at)s, 'hold', %(on)s)"
        " ON CONFLICT (workspace, lane, source_id) DO UPDATE SET parked = 'hold',"
        " parked_on = excluded.parked_on, not_before = excluded.not_before",
        lane=op.lane,
        id=op.source_id,
        now=now,
        at=now + timedelta(seconds=min(retry)) if retry else None,
        on=findings[0].hold_on if findings else "",
    )


def _net(op: ReadyOperation) -> Decimal | None:
    wanted = op.change.wanted
    if wanted is None or not isinstance(wanted.record, Document) or wanted.record.totals is None:
        return None
    return wanted.record.totals.net


def _currency(op: ReadyOperation) -> str:
    wanted = op.change.wanted
    return wanted.record.currency if wanted and isinstance(wanted.record, Document) else ""


def _fan_out_settled(
    tx: Tx, settled: Sequence[Settled], rules: Sequence[FanOut], now: datetime
) -> None:
    """Other lanes learn of what was written; the lane that wrote it does not start again."""
    by_place: dict[tuple[str, str, str], list[str]] = {}
    for one in settled:
        if one.row is not None:
            place = (one.row.ref.connection, one.row.ref.entity, one.operation.lane)
            by_place.setdefault(place, []).append(one.row.ref.id)
    for (connection, entity, lane), ids in sorted(by_place.items()):
        others = [rule for rule in rules if rule.lane != lane and rule.source != "parked"]
        page_store.fan_out(tx, connection, Entity(entity), ids, others, now)


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
    """A record in the books carries the key already: it is the slot's, nothing is sent."""
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
    tx.run(
        "UPDATE operation SET state = 'already_applied' WHERE workspace = %(ws)s AND id = %(id)s"
        " AND state = 'applied'",
        id=op.id,
    )
    page_store.make_due(tx, op.lane, [op.source_id], now)
