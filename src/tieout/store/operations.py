"""Executing: what may be sent, what is about to be sent, and what came back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tieout.core.change import (
    Change,
    Prepared,
    Wire,
)
from tieout.core.model import Contact, Document, Entity, ExternalRef, Record
from tieout.store import codec
from tieout.store import slots as slot_store
from tieout.store.database import Tx
from tieout.storing import ReadyOperation, Sending, StoredSend

COLUMNS = (
    "o.id, o.lane, o.source_id, o.key13, o.state, o.payload_rev, o.absence_no, o.seq,"
    " o.generation, o.repeats, o.want_digest, p.change, s.crm_org, s.source_id, s.company, s.kind,"
    " s.part, d.connection, d.entity, d.id, o.config_version"
)

FROM = (
    " FROM operation o JOIN payload p ON p.workspace = o.workspace AND p.operation = o.id"
    " AND p.rev = o.payload_rev JOIN slot s ON s.workspace = o.workspace AND s.key13 = o.key13"
    " LEFT JOIN ref d ON d.workspace = o.workspace AND d.key13 = o.depends_on"
    " AND d.role = 'current'"
)

# No vendor asks for more patience; what lies further ahead was put off by a clock set back since.
FURTHEST_PAUSE = timedelta(days=2)


# What a place has at most one of is asked for as a value: EXISTS beside other conditions makes the
# server read all records and all operations into a table first, for each group once more.
# Nothing is made for a place that has a record: a person, or a look, linked one since the plan.
_NOT_THERE_YET = (
    " AND (o.action <> 'create' OR (SELECT t.id FROM ref t WHERE t.workspace = o.workspace"
    " AND t.key13 = o.key13 AND t.role = 'current') IS NULL)"
)


def operation_of(row: Sequence[Any]) -> ReadyOperation:
    """An operation from the columns above; its customer's ref is put into what is wanted."""
    # What changes the wire key: a new payload, a proven absence, a further write of the slot.
    revision = (row[7] * 1000 + row[6]) * 1000 + row[5]
    change = codec.decode_change(bytes(row[11]), revision)
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
        config_version=row[20],
    )


def with_customer(change: Change, customer: ExternalRef) -> Change:
    """The change with the customer that it depended on, now that there is one."""
    if change.wanted is None or not isinstance(change.wanted.record, Document | Contact):
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
    apart: bool = True,
) -> list[ReadyOperation]:
    """
    Operations that may be sent, customers before documents, oldest first.

    Left out: those of a slot with an operation in flight or in doubt, those whose customer has no
    record yet, and those that wait by the clock. Nothing is changed by picking. ``apart`` False:
    also beside an open one of the slot, which the table then refuses.
    """
    # First which, then what: payloads are only fetched for those that go.
    picked = tx.rows(
        "SELECT o.id FROM operation o WHERE o.workspace = %(ws)s AND o.bridge = %(bridge)s"
        " AND o.connection = %(connection)s AND o.state = 'ready'"
        " AND (o.not_before IS NULL OR o.not_before <= %(now)s OR o.not_before > %(future)s)"
        " AND (o.depends_on IS NULL OR (SELECT d.id FROM ref d WHERE d.workspace = %(ws)s"
        " AND d.key13 = o.depends_on AND d.role = 'current') IS NOT NULL)"
        " AND (%(creates)s OR o.action <> 'create')"
        " AND (%(only)s::text[] IS NULL OR o.id = ANY(%(only)s::text[]))"
        " AND NOT (%(apart)s AND (SELECT b.id FROM operation b WHERE b.workspace = %(ws)s"
        " AND b.key13 = o.key13 AND b.state IN ('started', 'unknown', 'confirming', 'doubt'))"
        " IS NOT NULL)"
        f"{_NOT_THERE_YET}"
        " ORDER BY CASE o.entity WHEN 'customer' THEN 0 ELSE 1 END, o.created_at, o.id"
        " LIMIT %(limit)s",
        bridge=bridge,
        connection=connection,
        now=now,
        future=now + FURTHEST_PAUSE,
        creates=creates,
        only=None if operations is None else list(operations),
        apart=apart,
        limit=limit,
    )
    if not picked:
        return []
    order = {row[0]: place for place, row in enumerate(picked)}
    rows = tx.rows(
        f"SELECT {COLUMNS}{FROM} WHERE o.workspace = %(ws)s AND o.id = ANY(%(ids)s)",
        ids=list(order),
    )
    rows = sorted(rows, key=lambda row: order[row[0]])
    found = [operation_of(row) for row in rows]
    return [_with_stored_send(tx, op) if op.repeats else op for op in found]


def _with_stored_send(tx: Tx, op: ReadyOperation) -> ReadyOperation:
    """
    A guarded repeat sends what is stored, byte for byte, under the same wire key.

    Only where the last request held this item alone; else the item is made into bytes anew, under
    the number that it was sent with: another one would be another record.
    """
    row = tx.row(
        "SELECT s.wire_key, s.method, s.path, s.headers::text, s.body, a.witness::text,"
        " a.shows::text, a.predicted::text, a.payload_rev, (SELECT count(*) FROM attempt b"
        " WHERE b.workspace = a.workspace AND b.send = a.send) FROM attempt a JOIN send s"
        " ON s.workspace = a.workspace AND s.id = a.send WHERE a.workspace = %(ws)s"
        " AND a.operation = %(id)s ORDER BY a.no DESC LIMIT 1",
        id=op.id,
    )
    if row is None:
        return op
    witness = codec.decode_loose(row[5])
    entity = op.change.entity
    op = replace(op, change=replace(op.change, number=witness.get("number", op.change.number)))
    if row[9] != 1 or row[8] != op.payload_rev or not row[1]:
        return op
    return replace(
        op,
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

_STARTED = (
    "WITH given AS MATERIALIZED (SELECT * FROM {rows}), started AS (UPDATE operation SET"
    " state = 'started', fence = g.fence, lease_owner = %(owner)s, lease_until = %(until)s,"
    " first_sent_at = coalesce(first_sent_at, g.sent), updated_at = %(now)s FROM given g"
    " WHERE operation.workspace = %(ws)s AND operation.id = g.op)"
    " INSERT INTO attempt (workspace, operation, no, send, item, payload_rev, worker, fence,"
    " horizon, witness, shows, predicted, result, started_at) SELECT %(ws)s, g.op, g.no, g.send,"
    " g.item, g.rev, %(owner)s, g.fence, g.horizon, g.witness, g.shows, g.predicted, 'open',"
    " %(now)s FROM given g"
)
_STARTED_COLUMNS = (
    "op text, no integer, send text, item integer, rev integer, fence bigint,"
    " horizon timestamptz, witness jsonb, shows jsonb, predicted jsonb, sent timestamptz"
)


def mark_started(
    tx: Tx,
    sendings: Sequence[Sending],
    worker: str,
    lease_s: int,
    now: datetime,
    apart: bool = True,
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
            " AND id = ANY(%(ids)s) AND state = 'ready' AND NOT (%(apart)s AND EXISTS (SELECT 1"
            " FROM operation b WHERE b.workspace = o.workspace AND b.key13 = o.key13"
            " AND b.id <> o.id AND b.state IN ('started', 'unknown', 'confirming', 'doubt')))"
            f"{_NOT_THERE_YET}"
            " ORDER BY id FOR UPDATE SKIP LOCKED",
            ids=sorted(wanted),
            apart=apart,
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
    sends, attempts = [], []
    until = now + timedelta(seconds=lease_s)
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
            attempts.append(_attempt_row(sending, op, prepared, index, number, fence))
        accepted[sending.send_id] = given
    tx.bulk(
        "INSERT INTO send (workspace, id, connection, wire_key, method, path, headers, body,"
        " sha256, vendor_time) SELECT %(ws)s, r.id, r.connection, r.wire_key, r.method, r.path,"
        " r.headers, decode(r.body, 'hex'), r.sha256, r.vendor_time FROM {rows}",
        "id text, connection text, wire_key text, method text, path text, headers jsonb,"
        " body text, sha256 text, vendor_time timestamptz",
        sends,
    )
    tx.bulk(_STARTED, _STARTED_COLUMNS, attempts, owner=worker, until=until, now=now)
    tx.grown["attempt"] += len(attempts)
    if attempts:
        ids = [attempt["op"] for attempt in attempts]
        tx.log("operations.started", ids=ids, worker=worker)
    return accepted


def _send_row(sending: Sending) -> dict[str, Any]:
    wire = sending.wire
    return {
        "id": sending.send_id,
        "connection": sending.connection,
        "wire_key": wire.wire_key,
        "method": wire.method,
        "path": wire.path,
        "headers": dict(wire.headers),
        "body": wire.body.hex(),
        "sha256": hashlib.sha256(wire.body).hexdigest(),
        "vendor_time": sending.vendor_time,
    }


def _attempt_row(
    sending: Sending,
    op: ReadyOperation,
    prepared: Any,
    index: int,
    number: int,
    fence: int,
) -> dict[str, Any]:
    return {
        "op": op.id,
        "no": number,
        "send": sending.send_id,
        "item": index,
        "rev": op.payload_rev,
        "fence": fence,
        "horizon": sending.horizon,
        "witness": dict(prepared.witness),
        "shows": prepared.shows,
        "predicted": prepared.totals,
        "sent": sending.vendor_time,
    }


def not_sent(
    tx: Tx,
    sendings: Sequence[Sending],
    started: Mapping[str, Mapping[str, tuple[int, int]]],
    not_before: datetime | None,
    now: datetime,
) -> None:
    """No byte of these left: certainly not done; ready again, or unclear for an earlier attempt."""
    rows = [
        {
            "id": op.id,
            "no": started[sending.send_id][op.id][0],
            "fence": started[sending.send_id][op.id][1],
            "at": not_before,
            "now": now,
        }
        for sending in sendings
        for op, _ in sending.items
    ]
    tx.many(
        "UPDATE attempt SET result = 'not_sent', answered_at = %(now)s WHERE workspace = %(ws)s"
        " AND operation = %(id)s AND no = %(no)s AND result = 'open'",
        rows,
    )
    tx.many(
        "UPDATE operation SET state = CASE WHEN EXISTS (SELECT 1 FROM attempt a"
        " WHERE a.workspace = %(ws)s AND a.operation = %(id)s AND a.result = 'open')"
        " THEN 'unknown' ELSE 'ready' END, next_look_at = %(now)s, not_before = %(at)s,"
        " lease_owner = NULL, updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s"
        " AND fence = %(fence)s AND state = 'started'",
        rows,
    )
    tx.log("operations.not_sent", ids=[row["id"] for row in rows])


def close_attempt(
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


def set_state(tx: Tx, operation: str, state: str, detail: str, now: datetime) -> None:
    tx.run(
        "UPDATE operation SET state = %(state)s, detail = %(detail)s, lease_owner = NULL,"
        " next_look_at = NULL, updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s",
        id=operation,
        state=state,
        detail=detail,
        now=now,
    )
    tx.log(f"operation.{state}", operation=operation, detail=detail)


def open_attempts(tx: Tx, operation: str) -> int:
    found = tx.row(
        "SELECT count(*) FROM attempt WHERE workspace = %(ws)s AND operation = %(id)s"
        " AND result = 'open'",
        id=operation,
    )
    assert found is not None
    return int(found[0])
