"""Reading: pages into the mirror together with their cursor, and who becomes due by them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.core.case import Seen
from tieout.core.model import Entity, ExternalRef, Record
from tieout.ports import Gone
from tieout.store import codec
from tieout.store.cases import close_many, open_exception
from tieout.store.database import Tx, mirrored
from tieout.store.due_sources import SOURCES
from tieout.storing import CursorRow, FanOut, MirrorRow, PageIn, PageResult


def cursor(tx: Tx, connection: str, entity: Entity, shape: str) -> CursorRow | None:
    found = tx.row(
        "SELECT position, resume, revision, read_at, through_at, swept_at FROM cursor"
        " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
        " AND shape = %(shape)s",
        connection=connection,
        entity=str(entity),
        shape=shape,
    )
    if found is None:
        return None
    return CursorRow(
        position=None if found[0] is None else bytes(found[0]),
        resume=None if found[1] is None else bytes(found[1]),
        revision=found[2],
        read_at=found[3],
        through_at=found[4],
        swept_at=found[5],
    )


def page_in(tx: Tx, page: PageIn, *, ignore_stale: bool = True) -> PageResult:
    """
    One transaction: cursor (moved only from the revision that was read), mirror, due rows.

    Rows whose content and version are those of the mirror are not touched; a version that is
    older than the mirror's is a stale read and is ignored.
    """
    if not _move_cursor(tx, page):
        return PageResult(moved=False, revision=page.revision, changed=0, gone=0)
    changed = upsert(tx, page.rows, page.now, ignore_stale=ignore_stale)
    fan_out(tx, page.connection, page.entity, changed, page.fan_out, page.now)
    gone = mark_gone(tx, page.connection, page.entity, page.gone, page.fan_out, page.now)
    _show_unread(tx, page)
    return PageResult(moved=True, revision=page.revision + 1, changed=len(changed), gone=gone)


def _show_unread(tx: Tx, page: PageIn) -> None:
    read = {row.ref for row in page.rows}
    for ref, finding in page.unread:
        if ref in read:
            # It was read, but for this: what needs it is held when it is decided.
            tx.log("record.told", ref=str(ref), code=finding.code)
            continue
        open_exception(
            tx,
            bridge=page.bridge,
            lane=page.lane,
            source_id=_unread_place(ref),
            key13=None,
            code=finding.code,
            message=finding.message,
            hint=finding.hint,
            details={"values": [{"ref": str(ref), **finding.values}]},
            candidates=(),
            amount=None,
            currency="",
            now=page.now,
        )
    settled = [*read, *(one.ref for one in page.gone)]
    if settled:
        places = sorted(_unread_place(ref) for ref in settled)
        close_many(tx, page.lane, places, "", page.now, "read")


def _unread_place(ref: ExternalRef) -> str:
    """Ids of different tables may be equal."""
    return f"{ref.entity}:{ref.id}"


def _move_cursor(tx: Tx, page: PageIn) -> bool:
    keys = {
        "connection": page.connection,
        "entity": str(page.entity),
        "shape": page.shape,
        "now": page.now,
        "cursor": page.cursor,
        "resume": page.resume,
        "through": page.now if page.complete else None,
        "old": page.revision,
    }
    if page.revision == 0:
        done = tx.run(
            "INSERT INTO cursor (workspace, connection, entity, shape, position, resume, revision,"
            " read_at, through_at) VALUES (%(ws)s, %(connection)s, %(entity)s, %(shape)s,"
            " %(cursor)s, %(resume)s, 1, %(now)s, %(through)s) ON CONFLICT DO NOTHING",
            **keys,
        )
    else:
        done = tx.run(
            "UPDATE cursor SET position = coalesce(%(cursor)s, position), resume = %(resume)s,"
            " revision = revision + 1, read_at = %(now)s,"
            " through_at = coalesce(%(through)s, through_at)"
            " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
            " AND shape = %(shape)s AND revision = %(old)s",
            **keys,
        )
    return done == 1


_KEYS_AT_ONCE = 10_000
_UPSERT = (
    "INSERT INTO mirror (workspace, connection, entity, id, version, shape, content_hash, seen_at,"
    " changed_at, gone_at, gone_certain, merged_into, customer_id, parent_id, kind, number,"
    " carried_key13, carried_key, status, day, due_day, currency, net, tax, gross, open_amount,"
    " org_number, vat_number, email, name_folded, postcode, record)"
    " SELECT %(ws)s, r.connection, r.entity, r.id, r.version, r.shape, decode(r.hash, 'hex'),"
    " %(now)s, r.changed_at, NULL, NULL, NULL, r.customer_id, r.parent_id, r.kind, r.number,"
    " r.key13, r.key, r.status, r.day, r.due_day, r.currency, r.net, r.tax, r.gross, r.open,"
    " r.org, r.vat, r.email, r.name, r.postcode, r.record FROM {rows}"
    " ON CONFLICT (workspace, connection, entity, id) DO UPDATE SET version = excluded.version,"
    " shape = excluded.shape, content_hash = excluded.content_hash, seen_at = excluded.seen_at,"
    " changed_at = excluded.changed_at, gone_at = NULL, gone_certain = NULL, merged_into = NULL,"
    " customer_id = excluded.customer_id, parent_id = excluded.parent_id, kind = excluded.kind,"
    " number = excluded.number, carried_key13 = excluded.carried_key13,"
    " carried_key = excluded.carried_key, status = excluded.status, day = excluded.day,"
    " due_day = excluded.due_day, currency = excluded.currency, net = excluded.net,"
    " tax = excluded.tax, gross = excluded.gross, open_amount = excluded.open_amount,"
    " org_number = excluded.org_number, vat_number = excluded.vat_number,"
    " email = excluded.email, name_folded = excluded.name_folded,"
    " postcode = excluded.postcode, record = excluded.record"
)
_UPSERT_COLUMNS = (
    "connection text, entity text, id text, version text, shape text, hash text,"
    " changed_at timestamptz, customer_id text, parent_id text, kind text, number text,"
    " key13 text, key text, status text, day date, due_day date, currency text, net numeric,"
    " tax numeric, gross numeric, open numeric, org text, vat text, email text, name text,"
    " postcode text, record jsonb"
)


def upsert(
    tx: Tx, rows: Sequence[MirrorRow], now: datetime, *, ignore_stale: bool = True
) -> list[str]:
    """
    The ids of those rows whose content is new or different. One that only bears a new version is
    stored with it and is no change; the rest are not touched.
    """
    changed: list[MirrorRow] = []
    marked: list[MirrorRow] = []
    hashes: dict[str, bytes] = {}
    latest = {row.ref: row for row in rows}
    by_place: dict[tuple[str, str], list[MirrorRow]] = {}
    for row in latest.values():
        by_place.setdefault((row.ref.connection, row.ref.entity), []).append(row)
    for (connection, entity), members in by_place.items():
        known = _known(tx, connection, entity, [row.ref.id for row in members])
        for row in members:
            digest = codec.content_hash(row.record)
            before = known.get(row.ref.id)
            if before is None:
                tx.grown[mirrored(connection, entity)] += 1
            if before is not None and ignore_stale and _is_stale(before, row.record):
                continue
            if before is not None and before[0] == digest and before[2] is None:
                if before[3] != (getattr(row.record, "shape", "") or ""):
                    changed.append(row)
                    hashes[row.ref.id] = digest
                elif _bears_another_version(before, row.record):
                    # A write that is tied to the version we know would be refused for ever.
                    marked.append(row)
                    hashes[row.ref.id] = digest
                continue
            hashes[row.ref.id] = digest
            changed.append(row)
    tx.bulk(
        _UPSERT,
        _UPSERT_COLUMNS,
        (_values(row, hashes[row.ref.id]) for row in (*changed, *marked)),
        now=now,
    )
    _amounts(tx, changed, now)
    return [row.ref.id for row in changed]


def _known(tx: Tx, connection: str, entity: str, ids: Sequence[str]) -> dict[str, _Before]:
    return {
        row[0]: (bytes(row[1]), row[2], row[3], row[4], row[5])
        for row in tx.rows(
            "SELECT id, content_hash, changed_at, gone_at, shape, version FROM mirror"
            " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
            " AND id = ANY(%(ids)s)",
            connection=connection,
            entity=entity,
            ids=list(ids),
        )
    }


# Content hash, stamp, since when it is gone, shape, version.
_Before = tuple[bytes, datetime | None, datetime | None, str, str]


def _is_stale(before: _Before, record: Record) -> bool:
    stamp = getattr(record, "changed_at", None)
    return before[1] is not None and stamp is not None and stamp < before[1]


def _bears_another_version(before: _Before, record: Record) -> bool:
    version = getattr(record, "version", "") or ""
    stamped = getattr(record, "changed_at", None) is not None or before[1] is None
    return bool(version) and stamped and version != before[4]


def _values(row: MirrorRow, digest: bytes) -> dict[str, Any]:
    facts = row.facts
    return {
        "connection": row.ref.connection,
        "entity": row.ref.entity,
        "id": row.ref.id,
        "version": getattr(row.record, "version", None) or "",
        "shape": getattr(row.record, "shape", "") or "",
        "hash": digest.hex(),
        "changed_at": getattr(row.record, "changed_at", None),
        "customer_id": facts.customer_id,
        "parent_id": facts.parent_id,
        "kind": facts.kind,
        "number": facts.number,
        "key13": facts.carried_key[:13] if facts.carried_key else None,
        "key": facts.carried_key,
        "status": facts.status,
        "day": facts.day,
        "due_day": facts.due_day,
        "currency": facts.currency,
        "net": facts.net,
        "tax": facts.tax,
        "gross": facts.gross,
        "open": facts.open,
        "org": facts.org_number,
        "vat": facts.vat_number,
        "email": facts.email,
        "name": facts.name_folded,
        "postcode": facts.postcode,
        "record": row.record,
    }


def _amounts(tx: Tx, rows: Iterable[MirrorRow], now: datetime) -> None:
    """Amounts carry their history: a filed month must be found again as it was."""
    documents = [row for row in rows if row.ref.entity == Entity.DOCUMENT]
    if not documents:
        return
    last: dict[str, tuple[int, tuple[Any, ...]]] = {}
    for row in tx.rows(
        "SELECT DISTINCT ON (id) id, seq, kind, status, day, net, tax, gross, open_amount, paid,"
        " credited, paid_on FROM mirror_amount WHERE workspace = %(ws)s"
        " AND connection = %(connection)s AND entity = 'document' AND id = ANY(%(ids)s)"
        " ORDER BY id, seq DESC",
        connection=documents[0].ref.connection,
        ids=[row.ref.id for row in documents],
    ):
        last[row[0]] = (row[1], tuple(row[2:]))
    new = []
    for document in documents:
        facts = document.facts
        state = (
            facts.kind,
            facts.status,
            facts.day,
            facts.net,
            facts.tax,
            facts.gross,
            facts.open,
            facts.paid,
            facts.credited,
            facts.paid_on,
        )
        seq, before = last.get(document.ref.id, (0, ()))
        if before == state:
            continue
        new.append(
            {
                "connection": document.ref.connection,
                "id": document.ref.id,
                "seq": seq + 1,
                "version": getattr(document.record, "version", None) or "",
                "kind": facts.kind,
                "status": facts.status,
                "day": facts.day,
                "currency": facts.currency,
                "net": facts.net,
                "tax": facts.tax,
                "gross": facts.gross,
                "open": facts.open,
                "paid": facts.paid,
                "credited": facts.credited,
                "paid_on": facts.paid_on,
            }
        )
    tx.bulk(
        "INSERT INTO mirror_amount (workspace, connection, entity, id, seq, seen_at, version,"
        " kind, status, day, currency, net, tax, gross, open_amount, paid, credited, paid_on)"
        " SELECT %(ws)s, r.connection, 'document', r.id, r.seq, %(now)s, r.version, r.kind,"
        " r.status, r.day, r.currency, r.net, r.tax, r.gross, r.open, r.paid, r.credited,"
        " r.paid_on"
        " FROM {rows}",
        "connection text, id text, seq integer, version text, kind text, status text, day date,"
        " currency text, net numeric, tax numeric, gross numeric, open numeric, paid numeric,"
        " credited numeric, paid_on date",
        new,
        now=now,
    )


# --- who becomes due --------------------

# A row that was decided and came again must not look like the one that was read before.
FIRST_REVISION = "(extract(epoch FROM %(now)s::timestamptz) * 1000)::bigint"


def fan_out(
    tx: Tx,
    connection: str,
    entity: Entity,
    ids: Sequence[str],
    rules: Sequence[FanOut],
    now: datetime,
) -> None:
    """Due rows for every lane that a changed record concerns."""
    if not ids:
        return
    for rule in rules:
        if rule.entity is not entity:
            continue
        if rule.source == "parked":
            wake(tx, rule.lane, [str(entity)], now)
            continue
        tx.run(
            "INSERT INTO due (workspace, lane, source_id, revision, since)"
            # Several records of a page may concern one source: two steps, two credit notes.
            f" SELECT DISTINCT %(ws)s, %(lane)s, found.id, {FIRST_REVISION}, %(now)s::timestamptz"
            f" FROM ({SOURCES[rule.source]})"
            " AS found (id) WHERE found.id IS NOT NULL"
            " ON CONFLICT (workspace, lane, source_id) DO UPDATE SET revision = due.revision + 1,"
            " parked = NULL, parked_on = NULL, not_before = NULL",
            lane=rule.lane,
            now=now,
            ids=list(ids),
            connection=connection,
            entity=str(entity),
        )


def make_due(tx: Tx, lane: str, source_ids: Sequence[str], now: datetime) -> None:
    if not source_ids:
        return
    tx.run(
        "INSERT INTO due (workspace, lane, source_id, revision, since)"
        f" SELECT %(ws)s, %(lane)s, id, {FIRST_REVISION}, %(now)s"
        " FROM unnest(%(ids)s::text[]) AS found (id)"
        " ON CONFLICT (workspace, lane, source_id) DO UPDATE SET revision = due.revision + 1,"
        " parked = NULL, parked_on = NULL, not_before = NULL",
        lane=lane,
        now=now,
        ids=sorted(set(source_ids)),
    )


def make_all_due(tx: Tx, pairs: Sequence[tuple[str, str]], now: datetime) -> None:
    """The same of sources in several lanes: pairs of a lane and a source, in any order."""
    for lane in sorted({lane for lane, _ in pairs}):
        make_due(tx, lane, [source for of, source in pairs if of == lane], now)


def wake(tx: Tx, lane: str, parked_on: Sequence[str], now: datetime) -> int:
    """Parked rows that wait on one of these are due again. Empty: all parked rows."""
    condition = "" if not parked_on else " AND string_to_array(parked_on, ',') && %(on)s::text[]"
    return tx.run(
        "UPDATE due SET parked = NULL, parked_on = NULL, not_before = NULL,"
        " revision = revision + 1, since = %(now)s WHERE workspace = %(ws)s AND lane = %(lane)s"
        f" AND parked IS NOT NULL{condition}",
        lane=lane,
        on=list(parked_on),
        now=now,
    )


# --- deletions --------------------


def mark_gone(
    tx: Tx,
    connection: str,
    entity: Entity,
    gone: Sequence[Gone],
    rules: Sequence[FanOut],
    now: datetime,
) -> int:
    """Records that are not there any more; certain ones stay certain. How many were new."""
    newly = []
    for one in gone:
        found = tx.row(
            "UPDATE mirror SET gone_at = coalesce(gone_at, %(now)s),"
            " gone_certain = coalesce(gone_certain, false) OR %(certain)s,"
            " merged_into = coalesce(%(into)s, merged_into), seen_at = %(now)s"
            " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
            " AND id = %(id)s AND (gone_at IS NULL OR (NOT coalesce(gone_certain, false)"
            " AND %(certain)s)) RETURNING id",
            now=now,
            certain=one.certain,
            into=one.merged_into.id if one.merged_into else None,
            connection=connection,
            entity=str(entity),
            id=one.ref.id,
        )
        if found is not None:
            newly.append(one.ref.id)
    if newly:
        tx.log("records.gone", connection=connection, entity=str(entity), ids=newly)
        fan_out(tx, connection, entity, newly, rules, now)
    return len(newly)


def gone_since(tx: Tx, ref: ExternalRef) -> datetime | None:
    row = tx.row(
        "SELECT gone_at FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s",
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
    )
    return None if row is None else row[0]


def mark_swept(tx: Tx, connection: str, entity: Entity, shape: str, now: datetime) -> None:
    tx.run(
        "UPDATE cursor SET swept_at = %(now)s WHERE workspace = %(ws)s"
        " AND connection = %(connection)s AND entity = %(entity)s AND shape = %(shape)s",
        now=now,
        connection=connection,
        entity=str(entity),
        shape=shape,
    )


def missing_keys(
    tx: Tx, connection: str, entity: Entity, prefix: str, present: Container[str]
) -> list[str]:
    """
    Ids that only we have, in order. ``prefix`` narrows our side to one collection of the entity.
    Our side is looked through in pieces: a list of customers may be long.
    """
    missing: list[str] = []
    after = ""
    while ours := [
        row[0]
        for row in tx.rows(
            "SELECT id FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
            " AND entity = %(entity)s AND id > %(after)s AND gone_at IS NULL"
            " AND starts_with(id, %(prefix)s) ORDER BY id LIMIT %(limit)s",
            connection=connection,
            entity=str(entity),
            prefix=prefix,
            after=after,
            limit=_KEYS_AT_ONCE,
        )
    ]:
        missing += [one for one in ours if one not in present]
        after = ours[-1]
    return missing


def newer_keys(tx: Tx, connection: str, entity: Entity, stamps: Mapping[str, str]) -> list[str]:
    """Of these ids, by their stamps, those that the mirror does not show so; '' is any stamp."""
    return [
        row[0]
        for row in tx.rows(
            "SELECT p.id FROM unnest(%(ids)s::text[], %(stamps)s::text[]) AS p (id, stamp)"
            " LEFT JOIN mirror m ON m.workspace = %(ws)s AND m.connection = %(connection)s"
            " AND m.entity = %(entity)s AND m.id = p.id"
            " WHERE m.id IS NULL OR m.gone_at IS NOT NULL OR (p.stamp <> '' AND m.version"
            " <> p.stamp) ORDER BY p.id",
            connection=connection,
            entity=str(entity),
            ids=list(stamps),
            stamps=list(stamps.values()),
        )
    ]


# --- what the mirror holds --------------------


def mirror(tx: Tx, connection: str, entity: Entity, ids: Sequence[str]) -> dict[str, Seen]:
    if not ids:
        return {}
    return {
        row[0]: Seen(
            record=_named(
                codec.decode_record(entity, row[1]),
                ExternalRef(connection, str(entity), row[0]),
            ),
            gone=row[2] is not None,
            gone_certain=bool(row[3]),
            merged_into=row[4] or "",
        )
        for row in tx.rows(
            "SELECT id, record::text, gone_at, gone_certain, merged_into FROM mirror"
            " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
            " AND id = ANY(%(ids)s)",
            connection=connection,
            entity=str(entity),
            ids=list(ids),
        )
    }


def _named(record: Record, ref: ExternalRef) -> Record:
    """What stands for a record that vanished unread comes from a link, which may not name it."""
    return record if record.ref is not None else replace(record, ref=ref)


def mirror_by_number(
    tx: Tx, connection: str, entity: Entity, numbers: Sequence[str]
) -> dict[str, Record]:
    if not numbers:
        return {}
    return {
        row[0]: codec.decode_record(entity, row[1])
        for row in tx.rows(
            "SELECT number, record::text FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(connection)s AND entity = %(entity)s AND number = ANY(%(numbers)s)"
            " AND gone_at IS NULL ORDER BY number, id",
            connection=connection,
            entity=str(entity),
            numbers=list(numbers),
        )
    }


def codes(tx: Tx, connection: str, kind: str) -> list[Record]:
    return [
        codec.decode_record(Entity.CODE, row[0])
        for row in tx.rows(
            "SELECT record::text FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(connection)s AND entity = 'code' AND kind = %(kind)s"
            " AND gone_at IS NULL ORDER BY id",
            connection=connection,
            kind=kind,
        )
    ]


def credit_notes(tx: Tx, connection: str, ids: Sequence[str]) -> dict[str, list[Record]]:
    """Credit notes by the document that they correct (kept as its parent); not those voided."""
    found: dict[str, list[Record]] = {}
    if not ids:
        return found
    for row in tx.rows(
        "SELECT parent_id, record::text FROM mirror WHERE workspace = %(ws)s"
        " AND connection = %(connection)s AND entity = 'document' AND kind = 'credit_note'"
        " AND parent_id = ANY(%(ids)s) AND gone_at IS NULL AND status <> 'cancelled'"
        " ORDER BY parent_id, id",
        connection=connection,
        ids=list(ids),
    ):
        found.setdefault(row[0], []).append(codec.decode_record(Entity.DOCUMENT, row[1]))
    return found


def unlinked_documents(
    tx: Tx, connection: str, places: Sequence[tuple[str, Decimal]]
) -> dict[tuple[str, Decimal], list[Record]]:
    """Drafts, orders and invoices that carry no key of ours and belong to no slot, by place."""
    found: dict[tuple[str, Decimal], list[Record]] = {}
    if not places:
        return found
    for row in tx.rows(
        "SELECT m.customer_id, m.net, m.record::text"
        " FROM unnest(%(customers)s::text[], %(nets)s::numeric[]) AS w(customer, net)"
        " JOIN mirror m ON m.workspace = %(ws)s AND m.connection = %(connection)s"
        " AND m.entity = 'document' AND m.customer_id = w.customer AND m.net = w.net"
        " AND m.kind IN ('draft', 'order', 'invoice') AND m.gone_at IS NULL"
        " AND m.carried_key13 IS NULL"
        " AND m.status NOT IN ('cancelled', 'credited')"
        " AND NOT EXISTS (SELECT 1 FROM ref r WHERE r.workspace = %(ws)s"
        " AND r.connection = m.connection AND r.entity = m.entity"
        # An invoice that grew out of a draft of ours is ours, also before its own ref is known.
        " AND r.id IN (m.id, m.parent_id)) ORDER BY m.customer_id, m.id",
        connection=connection,
        customers=[customer for customer, _ in places],
        nets=[net for _, net in places],
    ):
        found.setdefault((row[0], row[1]), []).append(codec.decode_record(Entity.DOCUMENT, row[2]))
    return found


def documents_of_customers(tx: Tx, connection: str, ids: Sequence[str]) -> dict[str, list[Record]]:
    """Booked documents with an open amount, by customer of the books."""
    found: dict[str, list[Record]] = {}
    if not ids:
        return found
    for row in tx.rows(
        "SELECT customer_id, record::text FROM mirror WHERE workspace = %(ws)s"
        " AND connection = %(connection)s AND entity = 'document' AND customer_id = ANY(%(ids)s)"
        " AND kind <> 'draft' AND gone_at IS NULL AND open_amount IS NOT NULL ORDER BY"
        " customer_id, id",
        connection=connection,
        ids=list(ids),
    ):
        found.setdefault(row[0], []).append(codec.decode_record(Entity.DOCUMENT, row[1]))
    return found
