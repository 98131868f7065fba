"""Where a record came from and what became of it: names, slots, requests, amounts over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tieout.core.model import Entity, ExternalRef, Record
from tieout.store import codec
from tieout.store.database import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """
    A record that a word names. ``kind``: 'deal', 'customer', 'draft', 'invoice', …; ``line``: the
    position of the line of it that is meant.
    """

    ref: ExternalRef
    kind: str
    number: str
    name: str
    key13: str | None
    gone: bool
    became: str | None
    line: int | None = None


_NAMED = (
    "SELECT m.connection, m.entity, m.id, m.kind, m.number, coalesce(m.record->>'name',"
    " m.record->>'title', m.record->>'customer_name', ''), r.key13, m.gone_at IS NOT NULL,"
    " m.merged_into FROM mirror m LEFT JOIN ref r ON r.workspace = m.workspace"
    " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id"
    " WHERE m.workspace = %(ws)s AND m.connection = ANY(%(sides)s)"
    " AND m.entity IN ('deal', 'customer', 'document')"
)


def named(tx: Tx, sides: Sequence[str], word: str) -> list[Named]:
    """
    Records that a word names: by number, id, the last part of a link, our key, or the whole name
    in any case. Drafts that were booked are left out where their invoice is there.
    """
    plain = word.rstrip("/").rsplit("/", 1)[-1].strip()
    rows = tx.rows(
        f"{_NAMED} AND (m.number = %(word)s OR m.id = %(word)s OR m.id = %(plain)s"
        " OR split_part(m.id, ':', 2) = %(plain)s OR (m.entity = 'deal' AND left(m.id, 15) ="
        " %(plain)s) OR m.carried_key = %(upper)s OR (m.entity IN ('deal', 'customer')"
        " AND lower(coalesce(m.record->>'title', m.record->>'name')) = lower(%(word)s))"
        " OR (m.entity = 'deal' AND starts_with(lower(m.record->>'title'),"
        " lower(%(word)s || ' '))))"
        " ORDER BY m.entity, m.id LIMIT 20",
        sides=list(sides),
        word=word,
        plain=plain,
        upper=word.upper(),
    )
    return [_named(row) for row in rows]


def with_line(tx: Tx, sides: Sequence[str], word: str) -> list[Named]:
    """The record that has a line of this id. Reads every record: for when nothing else fits."""
    plain = word.rstrip("/").rsplit("/", 1)[-1].strip()
    rows = tx.rows(
        f"{_NAMED} AND m.entity <> 'customer' AND m.record @> jsonb_build_object('lines',"
        " jsonb_build_array(jsonb_build_object('ref', jsonb_build_object('id', %(id)s::text))))"
        " ORDER BY m.entity, m.id LIMIT 20",
        sides=list(sides),
        id=plain,
    )
    found = []
    for row in rows:
        one = _named(row)
        got = record_of(tx, one.ref)
        for line in getattr(got[0], "lines", ()) if got is not None else ():
            if line.ref is not None and line.ref.id == plain:
                found.append(replace(one, line=line.position))
    return found


def called_like(tx: Tx, sides: Sequence[str], word: str) -> list[str]:
    """Names of deals and customers in which this word stands: for when nothing is called so."""
    return [
        str(row[0])
        for row in tx.rows(
            "SELECT DISTINCT coalesce(m.record->>'title', m.record->>'name') FROM mirror m"
            " WHERE m.workspace = %(ws)s AND m.connection = ANY(%(sides)s) AND m.gone_at IS NULL"
            " AND m.entity IN ('deal', 'customer') AND strpos(lower(coalesce(m.record->>'title',"
            " m.record->>'name')), lower(%(word)s)) > 0 ORDER BY 1 LIMIT 4",
            sides=list(sides),
            word=word,
        )
    ]


def _named(row: Sequence[Any]) -> Named:
    kind = row[3] if row[1] == "document" else row[1]
    return Named(
        ref=ExternalRef(row[0], row[1], row[2]),
        kind=kind or "document",
        number=row[4],
        name=row[5],
        key13=row[6],
        gone=row[7],
        became=row[8],
    )


def record_of(tx: Tx, ref: ExternalRef) -> tuple[Record, Mapping[str, Any]] | None:
    """A record as the mirror has it, with its columns: status, day, net, gross, open, seen_at."""
    row = tx.row(
        "SELECT record::text, status, day, net, gross, open_amount, currency, seen_at, gone_at,"
        " version FROM mirror WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s",
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
    )
    if row is None:
        return None
    names = ("status", "day", "net", "gross", "open", "currency", "seen_at", "gone_at", "version")
    columns = dict(zip(names, row[1:], strict=True))
    return codec.decode_record(Entity(ref.entity), row[0]), columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A slot: whose it is, its records in the order in which they came, and its outcome."""

    key13: str
    source_id: str
    kind: str
    part: int
    connection: str
    generation: int
    verdict: str
    refs: tuple[tuple[ExternalRef, str, str, datetime], ...]


def place(tx: Tx, key13: str) -> Place | None:
    """A slot by its 13 characters."""
    row = tx.row(
        "SELECT key13, source_id, kind, part, connection, generation, verdict FROM slot"
        " WHERE workspace = %(ws)s AND key13 = %(key13)s",
        key13=key13,
    )
    if row is None:
        return None
    refs = tx.rows(
        "SELECT connection, entity, id, role, found_by, since FROM ref WHERE workspace = %(ws)s"
        " AND key13 = %(key13)s ORDER BY since, generation, id",
        key13=key13,
    )
    return Place(
        key13=row[0],
        source_id=row[1],
        kind=row[2],
        part=row[3],
        connection=row[4],
        generation=row[5],
        verdict=row[6] or "",
        refs=tuple((ExternalRef(r[0], r[1], r[2]), r[3], r[4], r[5]) for r in refs),
    )


def places_of(tx: Tx, bridge: str, kind: str, source_id: str) -> list[Place]:
    """The slots that a deal or account has, by billing step."""
    keys = tx.rows(
        "SELECT key13 FROM slot WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND kind = %(kind)s AND source_id = %(id)s ORDER BY part, key13",
        bridge=bridge,
        kind=kind,
        id=source_id,
    )
    found = (place(tx, row[0]) for row in keys)
    return [one for one in found if one is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of an operation as it left, and what came back. Headers hold no secret."""

    operation: str
    action: str
    state: str
    run: int | None
    plan: int | None
    config_version: int
    at: datetime | None
    method: str
    path: str
    body: bytes
    result: str
    attempt: int
    change: bytes
    approved_by: str


def calls(tx: Tx, key13: str) -> list[Call]:
    """Every operation of a slot with its requests, oldest first; one never sent has no request."""
    return [
        Call(
            operation=row[0],
            action=row[1],
            state=row[2],
            run=row[3],
            plan=row[4],
            config_version=row[5],
            at=row[6],
            method=row[7] or "",
            path=row[8] or "",
            body=bytes(row[9] or b""),
            result=row[10] or "",
            attempt=row[11] or 0,
            change=bytes(row[12]),
            approved_by=row[13] or "",
        )
        for row in tx.rows(
            "SELECT o.id, o.action, o.state, o.run, o.plan, o.config_version, a.started_at,"
            " s.method, s.path, s.body, a.result, a.no, p.change, v.who FROM operation o"
            " JOIN payload p ON p.workspace = o.workspace AND p.operation = o.id"
            " AND p.rev = o.payload_rev LEFT JOIN attempt a ON a.workspace = o.workspace"
            " AND a.operation = o.id LEFT JOIN send s ON s.workspace = a.workspace"
            " AND s.id = a.send LEFT JOIN approval v ON v.workspace = o.workspace"
            " AND v.digest = o.want_digest AND v.key13 = o.key13 WHERE o.workspace = %(ws)s"
            " AND o.key13 = %(key13)s ORDER BY o.created_at, o.id, a.no",
            key13=key13,
        )
    ]


def outcomes(tx: Tx, bridge: str, source_id: str) -> list[Mapping[str, Any]]:
    """What every lane of a bridge made of a source, documents first."""
    names = ("lane", "part", "verdict", "reason", "message", "key13", "net", "currency", "at")
    return [
        dict(zip(names, row, strict=True))
        for row in tx.rows(
            "SELECT lane, part, verdict, reason, message, key13, net, currency, decided_at"
            " FROM outcome WHERE workspace = %(ws)s AND source_id = %(id)s"
            " AND starts_with(lane, %(prefix)s) ORDER BY lane, part",
            id=source_id,
            prefix=f"{bridge}/",
        )
    ]


def amounts(tx: Tx, ref: ExternalRef) -> list[Mapping[str, Any]]:
    """What a document's amounts were, and when we saw them, oldest first."""
    names = ("seen_at", "kind", "status", "day", "net", "gross", "open", "paid", "credited")
    return [
        dict(zip(names, row, strict=True))
        for row in tx.rows(
            "SELECT seen_at, kind, status, day, net, gross, open_amount, paid, credited"
            " FROM mirror_amount WHERE workspace = %(ws)s AND connection = %(connection)s"
            " AND entity = %(entity)s AND id = %(id)s ORDER BY seq",
            connection=ref.connection,
            entity=ref.entity,
            id=ref.id,
        )
    ]


def credits_of(tx: Tx, ref: ExternalRef) -> list[ExternalRef]:
    """Credit notes of a document, the oldest first."""
    return [
        ExternalRef(ref.connection, "document", row[0])
        for row in tx.rows(
            "SELECT id FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(connection)s AND entity = 'document' AND kind = 'credit_note'"
            " AND parent_id = %(id)s AND gone_at IS NULL ORDER BY day, id",
            connection=ref.connection,
            id=ref.id,
        )
    ]


def base_of(tx: Tx, key13: str, entity: Entity) -> tuple[Record | None, Record | None] | None:
    """What both sides showed when they last agreed: (ours, theirs); None where nothing is known."""
    row = tx.row(
        "SELECT wanted::text, shown::text FROM link WHERE workspace = %(ws)s AND key13 = %(key13)s",
        key13=key13,
    )
    if row is None:
        return None
    ours = None if row[0] is None else codec.decode_record(entity, row[0])
    theirs = None if row[1] is None else codec.decode_record(entity, row[1])
    return ours, theirs


def documents_of_customer(tx: Tx, ref: ExternalRef) -> list[tuple[Any, ...]]:
    """Documents of a customer in the books: count, net and open amount by currency."""
    return [
        tuple(row)
        for row in tx.rows(
            "SELECT currency, count(*), sum(net), sum(open_amount) FROM mirror"
            " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = 'document'"
            " AND customer_id = %(id)s AND gone_at IS NULL AND kind IN ('invoice', 'credit_note')"
            " GROUP BY currency ORDER BY currency",
            connection=ref.connection,
            id=ref.id,
        )
    ]
