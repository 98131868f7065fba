"""Unclear writes: leases that ran out, looks that are due, and what each look proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tieout.core.case import RefRole
from tieout.core.change import Action, Change
from tieout.core.compare import as_sent
from tieout.core.keys import KeyKind
from tieout.core.model import Document, Entity, ExternalRef, Record
from tieout.core.resolve import UNSET, DoubtState, Judgement, Step
from tieout.core.safeguards import Safeguards
from tieout.store import codec, growing
from tieout.store import pages as page_store
from tieout.store import slots as slot_store
from tieout.store.cases import close_one, open_exception
from tieout.store.credits import is_dead
from tieout.store.database import Tx
from tieout.store.doubt_words import words_of
from tieout.store.lineage import lineage, said_not_ours
from tieout.store.linking import link_applied, named_otherwise, second_carrier
from tieout.store.operations import COLUMNS, FROM, operation_of, set_state
from tieout.storing import FanOut, MirrorRow, OpenDoubt, ReadyOperation

LOOK_INCOMPLETE = "look_incomplete"
# Ten minutes at the pause between such looks.
LOOKS_BEFORE_TOLD = 20


def expire_leases(
    tx: Tx,
    bridge: str,
    now: datetime,
    lease_s: int,
    horizons: Mapping[str, datetime],
    rules: Safeguards,
) -> int:
    """
    A lost lease makes an operation unknown, never ready: its request may still be on the way.

    A lease that ends later than now and its length was granted under another clock: dead too.
    """
    state = "unknown" if rules.dead_lease_unknown else "ready"
    rows = tx.rows(
        "UPDATE operation SET state = %(state)s, detail = 'lease_lost', lease_owner = NULL,"
        " next_look_at = %(now)s, updated_at = %(now)s WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s AND state = 'started'"
        " AND (lease_until <= %(now)s OR lease_until > %(future)s)"
        " RETURNING id, connection, entity",
        bridge=bridge,
        now=now,
        future=now + timedelta(seconds=2 * lease_s),
        state=state,
    )
    for row in rows:
        later = horizons.get(f"{row[1]}/{row[2]}")
        if later is not None:
            tx.run(
                "UPDATE attempt SET horizon = greatest(horizon, %(later)s)"
                " WHERE workspace = %(ws)s AND operation = %(id)s AND result = 'open'",
                later=later,
                id=row[0],
            )
        if not rules.dead_lease_unknown:
            tx.run(
                "UPDATE attempt SET result = 'expired' WHERE workspace = %(ws)s"
                " AND operation = %(id)s AND result = 'open'",
                id=row[0],
            )
        tx.log("operation.unknown", operation=row[0], reason="lease_lost")
    return len(rows)


def doubts_due(
    tx: Tx, bridge: str, connection: str, limit: int, now: datetime, furthest: datetime
) -> list[OpenDoubt]:
    """
    Operations whose next look is due, with all that was ever sent for them.

    One that lies after ``furthest`` was planned by a clock that was set back since: due too.
    """
    rows = tx.rows(
        f"SELECT {COLUMNS}, o.first_sent_at, o.looks, o.first_absence_at, o.first_hit_at,"
        " o.found_by, o.created_at, o.detail"
        f"{FROM} WHERE o.workspace = %(ws)s AND o.bridge = %(bridge)s"
        " AND o.connection = %(connection)s"
        " AND o.state IN ('unknown', 'confirming')"
        " AND (o.next_look_at <= %(now)s OR o.next_look_at > %(future)s)"
        " ORDER BY o.next_look_at, o.id LIMIT %(limit)s",
        bridge=bridge,
        connection=connection,
        now=now,
        future=furthest,
        limit=limit,
    )
    if not rows:
        return []
    ids = [row[0] for row in rows]
    attempts = _attempts(tx, ids)
    keys = [row[3] for row in rows]
    refs = _refs(tx, keys)
    holds = {row[3]: str(slot_store.ENTITY_OF[KeyKind(row[15])]) for row in rows}
    denied = said_not_ours(tx, connection, holds)
    known = {}
    for key in keys:
        # What the place has by now counts, whatever was said of it before.
        own = dict(refs.get(key, []))
        known[key] = [
            *((ref, str(RefRole.NOT_OURS)) for ref in denied.get(key, []) if ref not in own),
            *own.items(),
        ]
    return [_open_doubt(tx, row, attempts.get(row[0], []), known[row[3]]) for row in rows]


def _attempts(tx: Tx, ids: Sequence[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in tx.rows(
        "SELECT a.operation, a.result, a.horizon, a.witness::text, s.body, p.change, a.no,"
        " (SELECT count(*) FROM attempt b WHERE b.workspace = a.workspace AND b.send = a.send),"
        " s.method FROM attempt a JOIN send s ON s.workspace = a.workspace AND s.id = a.send"
        " JOIN payload p ON p.workspace = a.workspace AND p.operation = a.operation"
        " AND p.rev = a.payload_rev WHERE a.workspace = %(ws)s AND a.operation = ANY(%(ids)s)"
        " ORDER BY a.operation, a.no",
        ids=list(ids),
    ):
        found.setdefault(row[0], []).append(row)
    return found


def _refs(tx: Tx, keys: Sequence[str]) -> dict[str, list[tuple[ExternalRef, str]]]:
    found: dict[str, list[tuple[ExternalRef, str]]] = {}
    for row in tx.rows(
        "SELECT key13, connection, entity, id, role FROM ref WHERE workspace = %(ws)s"
        " AND key13 = ANY(%(keys)s) ORDER BY key13, id",
        keys=list(keys),
    ):
        found.setdefault(row[0], []).append((ExternalRef(row[1], row[2], row[3]), row[4]))
    return found


def _open_doubt(
    tx: Tx,
    row: Sequence[Any],
    attempts: Sequence[Any],
    refs: Sequence[tuple[ExternalRef, str]],
) -> OpenDoubt:
    operation = operation_of(row)
    sent, looks, absence, hit, found_by, created = row[21:27]
    open_attempts = [attempt for attempt in attempts if attempt[1] == "open"]
    nets = []
    witness: dict[str, str] = {}
    for attempt in attempts:
        witness.update(codec.decode_loose(attempt[3]))
        wanted = codec.decode_change(bytes(attempt[5])).wanted
        if wanted and isinstance(wanted.record, Document) and wanted.record.totals:
            nets.append(wanted.record.totals.net)
    linked = next((ref for ref, role in refs if role == "current"), None)
    change = operation.change
    state = DoubtState(
        key=change.key,
        action=change.action,
        entity=str(change.entity),
        state=operation.state,
        first_sent_at=sent or created,
        horizons=tuple(attempt[2] for attempt in open_attempts),
        sends=len(open_attempts),
        looks=looks,
        first_absence_at=absence,
        first_hit_at=hit,
        linked=linked,
        found_by=found_by,
        absence_no=operation.absence_no,
        # A restored operation has no bytes of its own either.
        batched=(bool(attempts) and (attempts[-1][7] > 1 or not attempts[-1][8]))
        # Nor is it sent again under a key for which the vendor keeps an error.
        or row[27] == "error_under_key",
        refused=row[27] == "earlier_attempt_open",
        wanted=change.wanted,
        base=change.base,
        nets_sent=tuple(nets),
        roles={ref: role for ref, role in refs if role != "current"},
    )
    return OpenDoubt(
        operation=operation,
        state=state,
        bodies=tuple(bytes(attempt[4]) for attempt in attempts),
        customers=_customers(tx, change),
        witness=witness,
    )


def _customers(tx: Tx, change: Change) -> tuple[ExternalRef, ...]:
    """
    All refs of the customer's lineage: customers merge while a create is unclear. Empty where the
    document was planned before its customer was made, and none is known by now either.
    """
    record = change.wanted.record if change.wanted else change.base
    customer = getattr(record, "customer", None)
    if customer is None:
        return _refs_of_slot(tx, change.depends_on)
    return lineage(tx, customer)


def _refs_of_slot(tx: Tx, key13: str | None) -> tuple[ExternalRef, ...]:
    rows = tx.rows(
        "SELECT connection, entity, id FROM ref WHERE workspace = %(ws)s AND key13 = %(key)s"
        " ORDER BY connection, entity, id",
        key=key13,
    )
    return tuple(ExternalRef(row[0], row[1], row[2]) for row in rows)


# --- what a look proved --------------------


def apply_judgement(
    tx: Tx,
    bridge: str,
    doubt: OpenDoubt,
    judgement: Judgement,
    row: MirrorRow | None,
    fan_out: Sequence[FanOut],
    now: datetime,
    rules: Safeguards,
) -> None:
    """One transaction: the operation's state, ref, link; only if nobody settled it meanwhile."""
    op = doubt.operation
    locked = tx.row(
        "SELECT state, looks FROM operation WHERE workspace = %(ws)s AND id = %(id)s FOR UPDATE",
        id=op.id,
    )
    if locked is None or locked[0] != op.state or locked[1] != doubt.state.looks:
        return
    if row is not None:
        page_store.upsert(tx, [row], now)
    if doubt.late_horizon is not None:
        tx.run(
            "UPDATE attempt SET horizon = %(horizon)s WHERE workspace = %(ws)s"
            " AND operation = %(id)s AND result = 'open' AND horizon >= %(unset)s",
            horizon=doubt.late_horizon,
            id=op.id,
            unset=UNSET,
        )
    tx.log("operation.looked", operation=op.id, step=str(judgement.step), why=judgement.reason)
    _tell_incomplete(tx, bridge, doubt, judgement, now)
    match judgement.step:
        case Step.LOOK_AGAIN:
            _look_again(tx, op, judgement, now)
        case Step.FOUND | Step.APPLIED:
            _found(tx, bridge, doubt, judgement, row, now, rules)
        case Step.CONFIRM:
            _found(tx, bridge, doubt, judgement, row, now, rules)
        case Step.CONFIRMED:
            _confirmed(tx, bridge, op, judgement, now)
        case Step.MOVED:
            _moved(tx, bridge, doubt, row, now, rules)
        case Step.ABSENT:
            _absent(tx, op, now)
        case Step.WAS_DELETED:
            _was_deleted(tx, doubt, judgement, now)
        case Step.REPEAT:
            _repeat(tx, op, now)
        case Step.PLAN_AGAIN:
            _close_attempts(tx, op.id, "expired", now)
            set_state(tx, op.id, "superseded", judgement.reason, now)
            _due(tx, op, now)
        case Step.ENDED if named_otherwise(tx, op):
            _close_attempts(tx, op.id, "effect_seen", now)
            set_state(tx, op.id, "superseded", "named_otherwise", now)
            _due(tx, op, now)
        case Step.ENDED:
            _close_attempts(tx, op.id, "effect_seen", now)
            slot_store.end_generation(tx, op.key13, "voided")
            set_state(tx, op.id, "applied", "void_seen", now)
            _due(tx, op, now)
        case Step.DOUBT:
            _doubt(tx, bridge, op, judgement, now)
    ref = row.ref if row is not None else None
    if ref is None and judgement.step in (Step.ENDED, Step.APPLIED):
        # What was taken back concerns who shows it, too.
        ref = op.change.target if op.change.action is Action.VOID else None
    if judgement.step is Step.WAS_DELETED and judgement.record is not None:
        ref = judgement.record.ref
    if ref is not None:
        others = [rule for rule in fan_out if rule.lane != op.lane and rule.source != "parked"]
        page_store.fan_out(tx, ref.connection, Entity(ref.entity), [ref.id], others, now)


def _look_again(tx: Tx, op: ReadyOperation, judgement: Judgement, now: datetime) -> None:
    tx.run(
        "UPDATE operation SET looks = looks + 1, next_look_at = %(at)s,"
        " first_absence_at = %(absence)s, first_hit_at = %(hit)s, updated_at = %(now)s"
        " WHERE workspace = %(ws)s AND id = %(id)s",
        id=op.id,
        at=now + timedelta(seconds=max(judgement.wait_s, 1)),
        absence=judgement.first_absence_at,
        hit=judgement.first_hit_at,
        now=now,
    )


def _tell_incomplete(
    tx: Tx, bridge: str, doubt: OpenDoubt, judgement: Judgement, now: datetime
) -> None:
    """
    A write that stays unclear because the system never shows the whole list is told to a person
    after some looks, and goes on being looked for; the first whole look closes that again.
    """
    op = doubt.operation
    incomplete = judgement.step is Step.LOOK_AGAIN and judgement.reason == LOOK_INCOMPLETE
    if not incomplete:
        close_one(tx, op.lane, op.source_id, LOOK_INCOMPLETE, now, "a later look was whole")
    elif doubt.state.looks >= LOOKS_BEFORE_TOLD:
        open_exception(
            tx,
            bridge=bridge,
            lane=op.lane,
            source_id=op.source_id,
            key13=op.key13,
            code=LOOK_INCOMPLETE,
            message="Whether an unanswered write arrived cannot be seen: lists came back in part.",
            hint="It is looked for again by itself. Is the system well? tieout doctor.",
            details={"key": op.change.key, "operation": op.id, "looks": doubt.state.looks + 1},
            candidates=[],
            amount=None,
            currency="",
            now=now,
        )


def _close_attempts(tx: Tx, operation: str, result: str, now: datetime) -> None:
    tx.run(
        "UPDATE attempt SET result = %(result)s, answered_at = %(now)s WHERE workspace = %(ws)s"
        " AND operation = %(id)s AND result = 'open'",
        id=operation,
        result=result,
        now=now,
    )


def _due(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    page_store.make_due(tx, op.lane, [op.source_id], now)


def _found(
    tx: Tx,
    bridge: str,
    doubt: OpenDoubt,
    judgement: Judgement,
    row: MirrorRow | None,
    now: datetime,
    rules: Safeguards,
) -> None:
    op = doubt.operation
    assert row is not None
    if judgement.step is not Step.CONFIRM:
        _close_attempts(tx, op.id, "effect_seen", now)
    sent = op.change.wanted.record if op.change.wanted else None
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
        generation=judgement.generation,
        base_known=as_sent(sent, row.record) or op.change.action is not Action.CREATE,
    )
    _due(tx, op, now)


def _confirmed(
    tx: Tx, bridge: str, op: ReadyOperation, judgement: Judgement, now: datetime
) -> None:
    _close_attempts(tx, op.id, "expired", now)
    for copy in judgement.copies:
        ref = copy.ref
        assert isinstance(ref, ExternalRef)
        slot_store.put_ref(tx, ref, op.key13, op.generation, RefRole.COPY, "key", now)
    if judgement.copies:
        second_carrier(tx, bridge, op, [c.ref for c in judgement.copies if c.ref], now)
    set_state(tx, op.id, "applied", "confirmed", now)
    _due(tx, op, now)


def _moved(
    tx: Tx,
    bridge: str,
    doubt: OpenDoubt,
    row: MirrorRow | None,
    now: datetime,
    rules: Safeguards,
) -> None:
    """Another record stands in the place: booked before a void came, or made late by a create."""
    op = doubt.operation
    assert row is not None
    _close_attempts(tx, op.id, "expired", now)
    slot_store.put_ref(tx, row.ref, op.key13, op.generation, RefRole.CURRENT, "key", now)
    old = op.change.target
    if old is not None and old != row.ref:
        growing.became(tx, old, row.ref, now)
    state = "superseded" if op.change.action is Action.VOID else "applied"
    set_state(tx, op.id, state, "another_instead", now)
    if op.change.action is Action.CREATE and not getattr(row.record, "booked", False):
        open_exception(
            tx,
            bridge=bridge,
            lane=op.lane,
            source_id=op.source_id,
            key13=op.key13,
            code="found_after_deletion",
            message="Its document was deleted, and an earlier request made it again: "
            f"{row.ref.id}.",
            hint="Finance keeps it or deletes it.",
            details={"key": op.change.key},
            candidates=[row.ref],
            amount=None,
            currency="",
            now=now,
        )
    _due(tx, op, now)


def _absent(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    """Proven absent: planned again from today's deal and configuration, under a new wire key."""
    _close_attempts(tx, op.id, "expired", now)
    set_state(tx, op.id, "superseded", "absent", now)
    _due(tx, op, now)


def _was_deleted(tx: Tx, doubt: OpenDoubt, judgement: Judgement, now: datetime) -> None:
    """
    It was made, and a person deleted it before we saw it: linked as what it is, a deleted one, so
    that it is not made again without being asked for.
    """
    op = doubt.operation
    ref = judgement.record.ref if judgement.record is not None else None
    assert isinstance(ref, ExternalRef)
    _close_attempts(tx, op.id, "effect_seen", now)
    slot_store.put_ref(tx, ref, op.key13, op.generation, RefRole.CURRENT, "key", now)
    sent = op.change.wanted.record if op.change.wanted else None
    slot_store.put_link(
        tx,
        op.key13,
        wanted=sent,
        # The mirror gets this as the record that was there: by its own id.
        shown=None if sent is None else replace(sent, ref=ref),
        known=True,
        predicted=None,
        config_version=op.config_version,
        now=now,
    )
    tx.run(
        "INSERT INTO mirror (workspace, connection, entity, id, content_hash, seen_at, gone_at,"
        " gone_certain, record) SELECT workspace, %(connection)s, %(entity)s, %(id)s, ''::bytea,"
        " %(now)s, %(now)s, true, shown FROM link WHERE workspace = %(ws)s AND key13 = %(key)s"
        " ON CONFLICT (workspace, connection, entity, id) DO UPDATE SET gone_at ="
        " coalesce(mirror.gone_at, excluded.gone_at), gone_certain = true",
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
        key=op.key13,
        now=now,
    )
    set_state(tx, op.id, "applied", "deleted_since", now)
    _due(tx, op, now)


def _repeat(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    """The vendor takes this key once: the same bytes may go again, earlier attempts stay open."""
    tx.run(
        "UPDATE operation SET state = 'ready', repeats = true, looks = looks + 1,"
        " lease_owner = NULL, updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s",
        id=op.id,
        now=now,
    )


_DOUBT_HINTS = {
    "two_carriers": "Name the one that counts: tieout exceptions show.",
    "near_hit": "Say whether it is: tieout exceptions show.",
    "absent_three_times": "Look into the books, then: tieout exceptions retry.",
}


def _doubt_words(op: ReadyOperation, reason: str) -> str:
    words = words_of(op.slot.kind)
    if reason == "two_carriers":
        return words.carriers
    if reason == "absent_three_times":
        return "Three times a write was sent and never arrived"
    of_whom = " of this customer" if op.slot.kind is KeyKind.DOCUMENT else ""
    return f"{words.one}{of_whom} could be the one whose answer was lost"


def _doubt(tx: Tx, bridge: str, op: ReadyOperation, judgement: Judgement, now: datetime) -> None:
    words, hint = _doubt_words(op, judgement.reason), _DOUBT_HINTS[judgement.reason]
    refs = [record.ref for record in judgement.candidates if record.ref is not None]
    named = f": {', '.join(ref.id for ref in refs)}" if refs else ""
    open_exception(
        tx,
        bridge=bridge,
        lane=op.lane,
        source_id=op.source_id,
        key13=op.key13,
        code=judgement.reason,
        message=f"{words}{named}.",
        hint=hint,
        details={
            "key": op.change.key,
            "operation": op.id,
            "dead": [str(ref) for ref in refs if is_dead(tx, ref)],
        },
        candidates=refs,
        amount=None,
        currency="",
        now=now,
    )
    set_state(tx, op.id, "doubt", judgement.reason, now)
    # What waits for this customer waits for a person now, and says so.
    waiting = tx.rows(
        "SELECT lane, source_id FROM operation WHERE workspace = %(ws)s AND depends_on = %(key)s"
        " AND state IN ('ready', 'awaiting_approval') ORDER BY lane, source_id",
        key=op.key13,
    )
    for lane in sorted({row[0] for row in waiting}):
        page_store.make_due(tx, lane, [row[1] for row in waiting if row[0] == lane], now)
    tx.run(
        "UPDATE operation SET state = 'doubt' WHERE workspace = %(ws)s AND id = %(id)s",
        id=op.id,
    )


# --- lineage --------------------


def ghosts(tx: Tx, connection: str, entities: Sequence[Entity], now: datetime) -> int:
    """
    Linked records that a mirror that was thrown away and read anew does not have: they are missing
    as if they had vanished since, and are followed like those.
    """
    return tx.run(
        "INSERT INTO mirror (workspace, connection, entity, id, content_hash, seen_at, gone_at,"
        " gone_certain, record) SELECT r.workspace, r.connection, r.entity, r.id, ''::bytea,"
        " %(now)s, %(now)s, false, l.shown FROM ref r JOIN link l ON l.workspace = r.workspace"
        " AND l.key13 = r.key13 WHERE r.workspace = %(ws)s AND r.connection = %(connection)s"
        " AND r.role = 'current' AND r.entity = ANY(%(entities)s) AND l.shown IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.workspace = r.workspace"
        " AND m.connection = r.connection AND m.entity = r.entity AND m.id = r.id)"
        " AND EXISTS (SELECT 1 FROM cursor c WHERE c.workspace = r.workspace"
        " AND c.connection = r.connection AND c.entity = r.entity AND c.through_at IS NOT NULL)"
        " ON CONFLICT DO NOTHING",
        connection=connection,
        entities=[str(entity) for entity in entities],
        now=now,
    )


def vanished(tx: Tx, connection: str, entity: Entity) -> list[ExternalRef]:
    """Current refs whose record is missing from a complete read and whose fate is not known."""
    # A time that another clock set must not let them wait.
    tx.run(
        "UPDATE mirror SET gone_at = %(now)s WHERE workspace = %(ws)s AND connection ="
        " %(connection)s AND entity = %(entity)s AND gone_at > %(now)s"
        " AND NOT coalesce(gone_certain, false)",
        now=tx.now,
        connection=connection,
        entity=str(entity),
    )
    return [
        ExternalRef(connection, str(entity), row[0])
        for row in tx.rows(
            "SELECT m.id FROM mirror m JOIN ref r ON r.workspace = m.workspace"
            " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id"
            " AND r.role = 'current' WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
            " AND m.entity = %(entity)s AND m.gone_at IS NOT NULL"
            " AND NOT coalesce(m.gone_certain, false) ORDER BY m.id",
            connection=connection,
            entity=str(entity),
        )
    ]


def successors(
    tx: Tx, connection: str, entity: Entity, refs: Sequence[ExternalRef]
) -> dict[ExternalRef, Record]:
    """Records in the mirror that the vendor says grew out of these (a draft's invoice)."""
    wanted = {ref.id: ref for ref in refs}
    return {
        wanted[row[0]]: codec.decode_record(entity, row[1])
        for row in tx.rows(
            "SELECT parent_id, record::text FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(connection)s AND entity = %(entity)s"
            " AND parent_id = ANY(%(ids)s) AND kind <> 'credit_note' AND gone_at IS NULL"
            " ORDER BY parent_id, id",
            connection=connection,
            entity=str(entity),
            ids=sorted(wanted),
        )
    }


def move_ref(
    tx: Tx,
    old: ExternalRef,
    row: MirrorRow,
    found_by: str,
    fan_out: Sequence[FanOut],
    now: datetime,
) -> None:
    """A record became another one (a draft was booked): the link follows, its base is kept."""
    place = tx.row(
        "SELECT key13, generation FROM ref WHERE workspace = %(ws)s AND connection ="
        " %(connection)s AND entity = %(entity)s AND id = %(id)s AND role = 'current'",
        connection=old.connection,
        entity=old.entity,
        id=old.id,
    )
    page_store.upsert(tx, [row], now)
    if place is None:
        return
    other = slot_store.put_ref(tx, row.ref, place[0], place[1], RefRole.CURRENT, found_by, now)
    if other is None:
        tx.log("ref.moved", key13=place[0], old=str(old), new=str(row.ref), by=found_by)
        growing.became(tx, old, row.ref, now)
        page_store.fan_out(
            tx, row.ref.connection, Entity(row.ref.entity), [row.ref.id], fan_out, now
        )
