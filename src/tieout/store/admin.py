"""Connections, configuration versions and bridges: what people set up, each change in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tieout.core.model import Company, Entity
from tieout.store import codec
from tieout.store.database import Tx
from tieout.store.pages import FIRST_REVISION
from tieout.store.recovering import READS

# --- connections ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """
    A connection. ``state``: 'ok', or the code of what is wrong; ``detail`` its sentence.

    ``settings`` hold no secret. ``company`` is what it answered when it was last tested.
    """

    name: str
    system: str
    side: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    company: Company | None = None
    state: str = "new"
    detail: str = ""
    tested_at: datetime | None = None


_COLUMNS = "name, system, side, settings::text, company::text, state, detail, tested_at"


def add_connection(tx: Tx, row: ConnectionRow) -> bool:
    """Stores a new connection; False where one of that name is there."""
    added = tx.run(
        "INSERT INTO connection (workspace, name, system, side, settings, company_id, company,"
        " state, detail, tested_at) VALUES (%(ws)s, %(name)s, %(system)s, %(side)s, %(settings)s,"
        " %(company_id)s, %(company)s, %(state)s, %(detail)s, %(tested_at)s)"
        " ON CONFLICT DO NOTHING",
        **_values(row),
    )
    if added:
        company = row.company.id if row.company is not None else ""
        tx.log(
            "connection_added",
            connection=row.name,
            system=row.system,
            company=company,
            settings=sorted(row.settings),
        )
    return bool(added)


def get_connection(tx: Tx, name: str) -> ConnectionRow | None:
    """The connection of that name, or None."""
    found = tx.row(
        f"SELECT {_COLUMNS} FROM connection WHERE workspace = %(ws)s AND name = %(name)s",
        name=name,
    )
    return None if found is None else _connection(found)


def list_connections(tx: Tx) -> list[ConnectionRow]:
    """All connections by name."""
    found = tx.rows(f"SELECT {_COLUMNS} FROM connection WHERE workspace = %(ws)s ORDER BY name")
    return [_connection(row) for row in found]


def set_company(tx: Tx, name: str, company: Company, now: datetime) -> None:
    """What the connection answered now. It works, so its state is ok."""
    tx.run(
        "UPDATE connection SET company_id = %(id)s, company = %(company)s, state = 'ok',"
        " detail = '', tested_at = %(now)s WHERE workspace = %(ws)s AND name = %(name)s",
        name=name,
        id=company.id,
        company=codec.encode_text(company),
        now=now,
    )


def set_state(tx: Tx, name: str, state: str, detail: str, now: datetime) -> None:
    """A connection stopped working, or works again; a change of state is in the log."""
    changed = tx.run(
        "UPDATE connection SET state = %(state)s, detail = %(detail)s, tested_at = %(now)s"
        " WHERE workspace = %(ws)s AND name = %(name)s AND state <> %(state)s",
        name=name,
        state=state,
        detail=detail,
        now=now,
    )
    if changed:
        tx.log("connection_state", connection=name, state=state)


def change_settings(tx: Tx, name: str, settings: Mapping[str, Any]) -> bool:
    """New settings of a connection; False where there is none of that name."""
    changed = tx.run(
        "UPDATE connection SET settings = %(settings)s WHERE workspace = %(ws)s"
        " AND name = %(name)s",
        name=name,
        settings=codec.encode_text(dict(settings)),
    )
    if changed:
        tx.log("connection_changed", connection=name, settings=sorted(settings))
    return bool(changed)


def note_rotation(tx: Tx, name: str) -> None:
    """A new sign-in took the place of the old one."""
    tx.log("sign_in_renewed", connection=name)


def due_again(tx: Tx, name: str, now: datetime) -> int:
    """Changes that wait for that connection may be sent from now on; how many wait in all."""
    tx.run(
        "UPDATE operation SET not_before = NULL, updated_at = %(now)s WHERE workspace = %(ws)s"
        " AND connection = %(name)s AND state = 'ready' AND not_before > %(now)s",
        name=name,
        now=now,
    )
    return waiting_on(tx, name)


def waiting_on(tx: Tx, name: str) -> int:
    """How many changes wait to be written to that connection."""
    row = tx.row(
        "SELECT count(*) FROM operation WHERE workspace = %(ws)s AND connection = %(name)s"
        " AND state IN ('ready', 'awaiting_approval', 'started', 'unknown', 'confirming', 'doubt')",
        name=name,
    )
    assert row is not None
    return int(row[0])


def _values(row: ConnectionRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "system": row.system,
        "side": row.side,
        "settings": codec.encode_text(dict(row.settings)),
        "company_id": None if row.company is None else row.company.id,
        "company": None if row.company is None else codec.encode_text(row.company),
        "state": row.state,
        "detail": row.detail,
        "tested_at": row.tested_at,
    }


def _connection(row: Any) -> ConnectionRow:
    return ConnectionRow(
        name=row[0],
        system=row[1],
        side=row[2],
        settings=codec.decode_loose(row[3]),
        company=None if row[4] is None else codec.decode_company(row[4]),
        state=row[5],
        detail=row[6],
        tested_at=row[7],
    )


# --- configuration -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVersion:
    """A published configuration: the file's text and the texts of the tables by name."""

    bridge: str
    version: int
    body: str
    tables: Mapping[str, str]
    digest: str
    message: str
    published_by: str
    published_at: datetime
    in_force: bool = False


_VERSION = (
    "c.bridge, c.version, c.body, c.tables::text, c.digest, c.message, c.published_by,"
    " c.published_at, b.version IS NOT NULL"
)
_FROM = (
    "FROM config_version c LEFT JOIN bridge b ON b.workspace = c.workspace AND b.name = c.bridge"
    " AND b.version = c.version WHERE c.workspace = %(ws)s"
)


def publish(
    tx: Tx,
    *,
    bridge: str,
    body: str,
    tables: Mapping[str, str],
    digest: str,
    message: str,
    who: str,
    now: datetime,
) -> ConfigVersion:
    """
    A new version, in force from this transaction on. Everything parked is looked at again.

    The bridge is made at its first version.
    """
    _lock(tx, bridge)
    row = tx.row(
        "SELECT coalesce(max(version), 0) FROM config_version"
        " WHERE workspace = %(ws)s AND bridge = %(bridge)s",
        bridge=bridge,
    )
    assert row is not None
    version = int(row[0]) + 1
    tx.run(
        "INSERT INTO config_version (workspace, bridge, version, body, tables, digest, message,"
        " published_by, published_at) VALUES (%(ws)s, %(bridge)s, %(version)s, %(body)s,"
        " %(tables)s, %(digest)s, %(message)s, %(who)s, %(now)s)",
        bridge=bridge,
        version=version,
        body=body,
        tables=codec.encode_text(dict(tables)),
        digest=digest,
        message=message,
        who=who,
        now=now,
    )
    tx.run(
        # A bridge that the backup did not have yet recovers as the others of its workspace do.
        "INSERT INTO bridge (workspace, name, version, recovering_until, reads_left)"
        " SELECT %(ws)s, %(bridge)s, %(version)s, recovering_until,"
        " CASE WHEN recovering_until IS NULL THEN 0 ELSE %(reads)s END FROM epoch"
        " WHERE workspace = %(ws)s"
        " ON CONFLICT (workspace, name) DO UPDATE SET version = excluded.version",
        bridge=bridge,
        version=version,
        reads=READS,
    )
    woken = wake_bridge(tx, bridge, now)
    tx.log(
        "configuration_published",
        bridge=bridge,
        version=version,
        digest=digest,
        message=message,
        who=who,
        woken=woken,
    )
    return ConfigVersion(
        bridge=bridge,
        version=version,
        body=body,
        tables=dict(tables),
        digest=digest,
        message=message,
        published_by=who,
        published_at=now,
        in_force=True,
    )


def roll_back(
    tx: Tx, *, bridge: str, version: int, who: str, now: datetime
) -> ConfigVersion | None:
    """A new version with an old one's content; None where there is no such version."""
    old = config_version(tx, bridge, version)
    if old is None:
        return None
    return publish(
        tx,
        bridge=bridge,
        body=old.body,
        tables=old.tables,
        digest=old.digest,
        message=f"back to v{version}",
        who=who,
        now=now,
    )


def wake_bridge(tx: Tx, bridge: str, now: datetime) -> int:
    """Every parked row of the bridge's lanes is due again; how many."""
    return tx.run(
        "UPDATE due SET parked = NULL, parked_on = NULL, not_before = NULL,"
        " revision = revision + 1, since = %(now)s WHERE workspace = %(ws)s"
        " AND starts_with(lane, %(prefix)s) AND parked IS NOT NULL",
        prefix=f"{bridge}/",
        now=now,
    )


def fill_lane(tx: Tx, lane: str, connection: str, entity: Entity, now: datetime) -> int:
    """Every record of that connection is due in a lane; how many."""
    return tx.run(
        "INSERT INTO due (workspace, lane, source_id, revision, since)"
        " SELECT DISTINCT %(ws)s, %(lane)s,"
        # Codes are decided by their kind.
        f" CASE WHEN m.entity = 'code' THEN m.kind ELSE m.id END, {FIRST_REVISION},"
        " %(now)s::timestamptz FROM mirror m"
        " WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
        " AND m.entity = %(entity)s AND m.gone_at IS NULL AND coalesce(m.kind, '') <> 'draft'"
        " ON CONFLICT (workspace, lane, source_id) DO UPDATE SET revision = due.revision + 1,"
        " parked = NULL, parked_on = NULL, not_before = NULL",
        lane=lane,
        connection=connection,
        entity=str(entity),
        now=now,
    )


def skipped_again(tx: Tx, lane: str, now: datetime) -> int:
    """Every deal that a rule left out of a lane is due there again; how many."""
    return tx.run(
        "INSERT INTO due (workspace, lane, source_id, revision, since)"
        f" SELECT DISTINCT %(ws)s, %(lane)s, o.source_id, {FIRST_REVISION}, %(now)s::timestamptz"
        " FROM outcome o WHERE o.workspace = %(ws)s AND o.lane = %(lane)s AND o.verdict = 'skip'"
        " AND o.reason IN ('excluded_by_rule', 'trigger_not_yet_true', 'other_books')"
        " ON CONFLICT (workspace, lane, source_id) DO UPDATE SET revision = due.revision + 1,"
        " parked = NULL, parked_on = NULL, not_before = NULL",
        lane=lane,
        now=now,
    )


# Deals that have a draft or an order in these books; one that was just made may not be read yet.
_DRAFTED = (
    " FROM slot s JOIN ref r ON r.workspace = s.workspace AND r.key13 = s.key13"
    " AND r.role = 'current' AND r.connection = %(connection)s LEFT JOIN mirror m"
    " ON m.workspace = r.workspace AND m.connection = r.connection AND m.entity = r.entity"
    " AND m.id = r.id WHERE s.workspace = %(ws)s AND s.bridge = %(bridge)s AND s.kind = 'D'"
    " AND (m.id IS NULL OR (m.kind IN ('draft', 'order') AND m.gone_at IS NULL))"
)


def drafted_again(tx: Tx, lane: str, connection: str, now: datetime) -> int:
    """
    Every deal that has a draft or an order in these books is due in the lane again; how many. What
    is booked stays where it is, whatever the rules say.
    """
    return tx.run(
        "INSERT INTO due (workspace, lane, source_id, revision, since)"
        f" SELECT DISTINCT %(ws)s, %(lane)s, s.source_id, {FIRST_REVISION}, %(now)s::timestamptz"
        f"{_DRAFTED} ON CONFLICT (workspace, lane, source_id) DO UPDATE"
        " SET revision = due.revision + 1, parked = NULL, parked_on = NULL, not_before = NULL",
        lane=lane,
        connection=connection,
        bridge=lane.split("/")[0],
        now=now,
    )


def drafted(tx: Tx, bridge: str, connection: str) -> int:
    """How many deals have a draft or an order in these books."""
    row = tx.row(
        f"SELECT count(DISTINCT s.source_id){_DRAFTED}", bridge=bridge, connection=connection
    )
    assert row is not None
    return int(row[0])


def in_force(tx: Tx, bridge: str) -> ConfigVersion | None:
    """The version that counts, or None where nothing was published."""
    row = tx.row(
        f"SELECT {_VERSION} {_FROM} AND c.bridge = %(bridge)s AND b.version IS NOT NULL",
        bridge=bridge,
    )
    return None if row is None else _version(row)


def config_version(tx: Tx, bridge: str, version: int) -> ConfigVersion | None:
    """One version, or None."""
    row = tx.row(
        f"SELECT {_VERSION} {_FROM} AND c.bridge = %(bridge)s AND c.version = %(version)s",
        bridge=bridge,
        version=version,
    )
    return None if row is None else _version(row)


def history(tx: Tx, bridge: str) -> list[ConfigVersion]:
    """All versions, the newest first."""
    rows = tx.rows(
        f"SELECT {_VERSION} {_FROM} AND c.bridge = %(bridge)s ORDER BY c.version DESC",
        bridge=bridge,
    )
    return [_version(row) for row in rows]


def bridges(tx: Tx) -> list[ConfigVersion]:
    """The version in force of every bridge, by name."""
    rows = tx.rows(f"SELECT {_VERSION} {_FROM} AND b.version IS NOT NULL ORDER BY c.bridge")
    return [_version(row) for row in rows]


def open_exceptions(tx: Tx, bridge: str, codes: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """Open exceptions of a bridge with number, code, details and amount, oldest first."""
    which = " AND code = ANY(%(codes)s)" if codes else ""
    rows = tx.rows(
        "SELECT number, code, message, details::text, amount, currency FROM exception_case"
        " WHERE workspace = %(ws)s AND bridge = %(bridge)s AND closed_at IS NULL"
        f"{which} ORDER BY number",
        bridge=bridge,
        codes=list(codes),
    )
    return [
        {
            "number": row[0],
            "code": row[1],
            "message": row[2],
            "details": codec.decode_loose(row[3]),
            "amount": row[4],
            "currency": row[5],
        }
        for row in rows
    ]


def _lock(tx: Tx, bridge: str) -> None:
    """One publication of a bridge at a time; the first one has no row to lock yet."""
    tx.row(
        "SELECT pg_advisory_xact_lock(hashtextextended(%(ws)s || '/bridge/' || %(bridge)s, 0))",
        bridge=bridge,
    )


def _version(row: Any) -> ConfigVersion:
    return ConfigVersion(
        bridge=row[0],
        version=row[1],
        body=row[2],
        tables=codec.decode_loose(row[3]),
        digest=row[4],
        message=row[5],
        published_by=row[6],
        published_at=row[7],
        in_force=bool(row[8]),
    )


def all_due(tx: Tx, lane: str, after: str, limit: int) -> list[str]:
    """The sources of a lane that wait to be decided or on something, by id, after that one."""
    rows = tx.rows(
        "SELECT source_id FROM due WHERE workspace = %(ws)s AND lane = %(lane)s"
        " AND source_id > %(after)s ORDER BY source_id LIMIT %(limit)s",
        lane=lane,
        after=after,
        limit=limit,
    )
    return [str(row[0]) for row in rows]
