"""
After a restore: what was sent since the backup is not known here, so everything is in doubt.

A new epoch begins; nothing is written until requests of the old one can no longer take effect and
both sides were read twice (docs/explanation/once-only.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tieout.core.model import ExternalRef
from tieout.core.resolve import UNSET
from tieout.core.safeguards import Safeguards
from tieout.ports import Ids
from tieout.store import codec, evidence
from tieout.store import pages as page_store
from tieout.store.cases import open_exception
from tieout.store.database import Tx

READS = 2
ASSIGN = "assign_documents"
RESTORED = "restored"
EVER = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE_COMPANY = "*"


def recovery(tx: Tx, bridge: str) -> tuple[datetime, int] | None:
    """
    Until when the bridge writes nothing and how many whole reads of its sides are needed; None in
    normal times. Each bridge has its own: what one has read says nothing about another's sides.
    """
    row = tx.row(
        "SELECT recovering_until, reads_left FROM bridge WHERE workspace = %(ws)s"
        " AND name = %(bridge)s",
        bridge=bridge,
    )
    if row is None or row[0] is None:
        return None
    return row[0], row[1]


def begin(
    tx: Tx,
    epoch: int,
    seq: int,
    until: datetime,
    now: datetime,
    ids: Ids,
    rules: Safeguards,
) -> None:
    """
    A new epoch, for every bridge. Every operation that is not final may have been sent after the
    backup: it becomes unknown with an open attempt whose time begins with the first look.
    """
    evidence.begin_recovery(tx, evidence.Mark(epoch=epoch, seq=seq, hash=""), until)
    tx.run(
        "UPDATE bridge SET recovering_until = %(until)s, reads_left = %(reads)s"
        " WHERE workspace = %(ws)s",
        until=until,
        reads=READS,
    )
    if rules.recovery_marks_unknown:
        _all_unknown(tx, until, now, ids)


def _all_unknown(tx: Tx, until: datetime, now: datetime, ids: Ids) -> None:
    behind = tx.rows(
        "UPDATE operation o SET state = 'superseded', detail = 'restored', updated_at = %(now)s"
        " WHERE workspace = %(ws)s AND state IN ('ready',"
        " 'awaiting_approval') AND EXISTS (SELECT 1 FROM operation b WHERE b.workspace ="
        " o.workspace AND b.key13 = o.key13 AND b.state IN ('started', 'unknown', 'confirming',"
        " 'doubt')) RETURNING lane, source_id, id",
        now=now,
    )
    if behind:
        tx.log("operations.superseded", operations=sorted(row[2] for row in behind))
    for row in sorted(tuple(found) for found in behind):
        page_store.make_due(tx, row[0], [row[1]], now)
    rows = tx.rows(
        "SELECT id, connection, payload_rev, fence FROM operation WHERE workspace = %(ws)s"
        " AND state IN ('ready', 'awaiting_approval', 'started',"
        " 'unknown', 'confirming') ORDER BY id FOR UPDATE",
    )
    for connection in sorted({row[1] for row in rows}):
        send = ids.new("send")
        tx.run(
            "INSERT INTO send (workspace, id, connection, wire_key, method, path, headers, body,"
            " sha256, vendor_time) VALUES (%(ws)s, %(id)s, %(connection)s, '', '', '', '{}',"
            " ''::bytea, '', %(now)s)",
            id=send,
            connection=connection,
            now=now,
        )
        tx.many(
            "INSERT INTO attempt (workspace, operation, no, send, item, payload_rev, worker,"
            " fence, horizon, witness, result, started_at) SELECT %(ws)s, %(op)s,"
            " coalesce(max(no), 0) + 1, %(send)s, 0, %(rev)s, 'restored', %(fence)s, %(unset)s,"
            " '{}', 'open', %(now)s FROM attempt WHERE workspace = %(ws)s AND operation = %(op)s",
            (
                {
                    "op": row[0],
                    "send": send,
                    "rev": row[2],
                    "fence": row[3],
                    "unset": UNSET,
                    "now": now,
                }
                for row in rows
                if row[1] == connection
            ),
        )
    tx.run(
        "UPDATE attempt SET horizon = %(unset)s WHERE workspace = %(ws)s AND result = 'open'"
        " AND operation = ANY(%(ids)s)",
        unset=UNSET,
        ids=[row[0] for row in rows],
    )
    tx.run(
        "UPDATE operation SET state = 'unknown', detail = 'restored', lease_owner = NULL,"
        " repeats = false, first_sent_at = coalesce(first_sent_at, created_at), looks = looks + 1,"
        " next_look_at = %(until)s, first_absence_at = NULL, first_hit_at = NULL,"
        " updated_at = %(now)s WHERE workspace = %(ws)s AND id = ANY(%(ids)s)",
        ids=[row[0] for row in rows],
        until=until,
        now=now,
    )
    if rows:
        tx.log("operations.unknown", ids=[row[0] for row in rows], reason="restored")


def hold_flows(tx: Tx, bridges: Sequence[str], now: datetime) -> None:
    """
    Every bridge has an exception of its own until a person has looked: as long as it is open,
    nothing is written without a release (`flows_held`).
    """
    at = backed_up_at(tx)
    said = "an earlier state" if at is None else f"its state of {at:%d %b %Y, %H:%M} UTC"
    for bridge in bridges:
        open_exception(
            tx,
            bridge=bridge,
            lane=f"{bridge}/recovery/",
            source_id=bridge,
            key13=None,
            code=RESTORED,
            message=f"The database was put back to {said}. Every write waits for a release until a "
            "person has looked.",
            hint="Read the plan and release what is right (tieout plan). Dismiss this one then, "
            "with a reason: the modes of tieout.yaml count again.",
            details={"number": bridge},
            candidates=[],
            amount=None,
            currency="",
            now=now,
        )


def flows_held(tx: Tx, bridge: str) -> bool:
    """Whether the bridge's writes still wait for a release after a restore."""
    return (
        tx.row(
            "SELECT 1 FROM exception_case WHERE workspace = %(ws)s AND lane = %(lane)s"
            " AND code = %(code)s AND closed_at IS NULL",
            lane=f"{bridge}/recovery/",
            code=RESTORED,
        )
        is not None
    )


def read_done(tx: Tx, bridge: str, until: datetime | None, now: datetime) -> None:
    """
    A whole read of the bridge's sides was done; None: it was the last one, its work may go on.
    The recovery of the database ends with that of its last bridge.
    """
    # Two bridges that end at once see each other.
    tx.run("SELECT 1 FROM epoch WHERE workspace = %(ws)s FOR UPDATE")
    tx.run(
        "UPDATE bridge SET recovering_until = %(until)s, reads_left = greatest(reads_left - 1, 0)"
        " WHERE workspace = %(ws)s AND name = %(bridge)s",
        bridge=bridge,
        until=until,
    )
    ended = tx.run(
        "UPDATE epoch SET recovering_until = NULL WHERE workspace = %(ws)s AND NOT EXISTS"
        " (SELECT 1 FROM bridge WHERE workspace = %(ws)s AND recovering_until IS NOT NULL)"
        " AND recovering_until IS NOT NULL"
    )
    if ended:
        tx.log("restore_read_through")


def forget_cursors(tx: Tx, connections: Sequence[str]) -> None:
    tx.run(
        "DELETE FROM cursor WHERE workspace = %(ws)s AND connection = ANY(%(names)s)",
        names=list(connections),
    )


def backed_up_at(tx: Tx) -> datetime | None:
    """When the last thing happened that this database remembers from before the restore."""
    row = tx.row(
        "SELECT max(at) FROM activity WHERE workspace = %(ws)s AND seq < coalesce((SELECT min(seq)"
        " FROM activity WHERE workspace = %(ws)s AND position('restore_recognised'::bytea IN"
        " entries) > 0 AND seq > coalesce((SELECT max(seq) FROM activity WHERE workspace = %(ws)s"
        " AND position('restore_read_through'::bytea IN entries) > 0), 0)), 9223372036854775807)"
    )
    return None if row is None else row[0]


def ask_for_unlinked(
    tx: Tx, bridge: str, connection: str, opaque: bool, off: timedelta, now: datetime
) -> int:
    """
    Documents without a key that are newer than the backup could be ours: creates for their
    customer (in books that show no key: for the company) wait until a person has assigned them.
    So are those with a key that no deal of the CRM gives: theirs may have been deleted since.
    ``off``: how far our clock, which told when the backup was made, may have been ahead of theirs.
    """
    backed_up = backed_up_at(tx)
    since = None if backed_up is None else backed_up - off
    made = tx.row("SELECT created_at FROM workspace WHERE id = %(ws)s")
    assert made is not None
    by_customer: dict[str, list[ExternalRef]] = {}
    for row in tx.rows(
        "SELECT m.id, s.source_id, m.carried_key13, m.customer_id FROM mirror m"
        " LEFT JOIN ref r ON r.workspace = m.workspace"
        " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id"
        " LEFT JOIN ref c ON c.workspace = m.workspace AND c.connection = m.connection"
        " AND c.entity = 'customer' AND c.id = m.customer_id AND c.role = 'current'"
        " LEFT JOIN slot s ON s.workspace = c.workspace AND s.key13 = c.key13"
        " WHERE m.workspace = %(ws)s AND m.connection = %(connection)s AND m.entity = 'document'"
        " AND m.kind <> 'credit_note' AND m.gone_at IS NULL AND (m.carried_key13 IS NULL"
        " OR NOT EXISTS (SELECT 1 FROM slot o WHERE o.workspace = m.workspace"
        " AND o.key13 = m.carried_key13))"
        " AND NOT EXISTS (SELECT 1 FROM verdict v WHERE v.workspace = m.workspace"
        " AND v.subject = 'document:' || m.connection || ':' || m.id AND v.verdict = 'not_ours')"
        " AND r.id IS NULL AND (m.changed_at IS NULL OR m.changed_at >= CASE"
        " WHEN m.carried_key13 IS NULL THEN %(since)s ELSE %(first)s END)"
        " ORDER BY m.id",
        connection=connection,
        # One that remembers nothing is as old as its workspace.
        since=since or made[0] - off,
        # A database that remembers nothing knows none of its keys.
        first=since or EVER,
    ):
        who = WHOLE_COMPANY if opaque else row[1]
        if who is None and row[2]:
            who = f"customer {row[3]} of the books"
        if who is not None:
            by_customer.setdefault(who, []).append(ExternalRef(connection, "document", str(row[0])))
    for who, refs in sorted(by_customer.items()):
        open_exception(
            tx,
            bridge=bridge,
            lane=f"{bridge}/recovery/{connection}",
            source_id=who,
            key13=None,
            code=ASSIGN,
            message=_unlinked(refs),
            hint="Say which deal each belongs to, or that it is not ours.",
            details={},
            candidates=refs,
            amount=None,
            currency="",
            now=now,
        )
    return len(by_customer)


def _unlinked(refs: Sequence[ExternalRef]) -> str:
    named = ", ".join(ref.id for ref in refs)
    return f"Documents that this database does not know are newer than the backup: {named}."


def not_ours_subject(ref: ExternalRef) -> str:
    """Under which a person's word is kept that a document without a key is not ours."""
    return f"document:{ref.connection}:{ref.id}"


def shrink(tx: Tx, number: int, answered: Sequence[str], who: str, now: datetime) -> bool:
    """
    The exception asks about these documents no longer. True: it has none left, and is closed.
    """
    row = tx.row(
        "SELECT candidates::text FROM exception_case WHERE workspace = %(ws)s"
        " AND number = %(number)s AND closed_at IS NULL FOR UPDATE",
        number=number,
    )
    if row is None:
        return False
    left = [text for text in codec.decode_loose(row[0]) if text.split(":", 2)[2] not in answered]
    if left:
        refs = [ExternalRef(*text.split(":", 2)) for text in left]
        tx.run(
            "UPDATE exception_case SET candidates = %(left)s, message = %(message)s"
            " WHERE workspace = %(ws)s AND number = %(number)s",
            left=codec.encode_text(left),
            message=_unlinked(refs),
            number=number,
        )
        return False
    tx.run(
        "UPDATE exception_case SET closed_at = %(now)s, closed_by = %(who)s,"
        " closed_reason = 'answered' WHERE workspace = %(ws)s AND number = %(number)s",
        now=now,
        who=who,
        number=number,
    )
    tx.log("exception.answered", number=number, who=who)
    return True


def held_customers(tx: Tx, bridge: str, connection: str) -> frozenset[str]:
    """CRM customers whose creates wait after a restore; '*': all of the company's."""
    return frozenset(
        row[0]
        for row in tx.rows(
            "SELECT source_id FROM exception_case WHERE workspace = %(ws)s"
            " AND lane = %(lane)s AND code = %(code)s AND closed_at IS NULL ORDER BY source_id",
            lane=f"{bridge}/recovery/{connection}",
            code=ASSIGN,
        )
    )
