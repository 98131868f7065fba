"""The database of a simulated world: what stands in it, what it logs, backups of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy import Engine as SqlEngine

from tieout.store import codec
from tieout.store.database import Tx

if TYPE_CHECKING:
    from tieout.engine.context import Engine
    from world import World

Row = dict[str, Any]


@dataclass
class Place:
    """A workspace of the database: its worlds, and the mark that outlives a restore of it."""

    worlds: list[World] = field(default_factory=list)
    mark: tuple[int, int] | None = None


class Tables:
    """What a `World` knows of its workspace in the database."""

    database: SqlEngine
    workspace: str
    owner: SqlEngine | None
    version: int
    place: Place
    views: str
    happened: Counter[str]
    if TYPE_CHECKING:

        def engine(self) -> Engine:
            """A new engine."""

        def note(self, text: str) -> None:
            """A line of the trace."""

    def activity(self) -> list[Row]:
        """All that the activity log says, oldest first."""
        return self.activity_since(0)[0]

    def activity_since(self, seq: int) -> tuple[list[Row], int]:
        """What the activity log says after that number, and its last number."""
        rows = self.rows(
            "SELECT seq, entries FROM activity WHERE workspace = %(ws)s AND seq > %(seq)s"
            " ORDER BY seq",
            seq=seq,
        )
        entries = [entry for _, body in rows for entry in codec.decode_loose(bytes(body))]
        return entries, max([seq, *(int(row[0]) for row in rows)])

    def count_activity(self, entries: Sequence[Row]) -> None:
        """What the log tells of rare events, into what happened."""
        for entry in entries:
            kind = str(entry["kind"])
            if kind == "operation.looked":
                self.happened[f"looked: {entry['step']} {entry['why']}".rstrip()] += 1
            elif kind in ("operation.unknown", "operations.unknown"):
                self.happened[f"unknown: {entry['reason']}"] += 1
            elif kind in _TOLD:
                self.happened[kind] += len(entry.get("ids") or (1,))

    def publish_again(self) -> None:
        """The same configuration as a new version."""
        self.version += 1
        self._as_app(
            "INSERT INTO config_version SELECT workspace, bridge, %(version)s, body, tables,"
            " digest, message, published_by, published_at FROM config_version"
            " WHERE workspace = %(ws)s AND version = 1",
            version=self.version,
        )

    def drop_mirror(self) -> None:
        """The mirror and its cursors are lost; links are not."""
        for table in ("mirror", "cursor"):
            self._as_app(f"DELETE FROM {table} WHERE workspace = %(ws)s")

    def _as_app(self, sql: str, **values: Any) -> None:
        with self.database.begin() as conn:
            self._enter(conn, self.workspace)
            conn.exec_driver_sql(sql, {"ws": self.workspace, **values})

    def _enter(self, conn: Connection, workspace: str) -> None:
        """This transaction sees the workspace, of it this pair's rows where it has views."""
        conn.exec_driver_sql(
            "SELECT set_config('tieout.workspace', %(ws)s, true)", {"ws": workspace}
        )
        if self.views:
            conn.exec_driver_sql(f"SET LOCAL search_path = {self.views}, public")

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """Rows of this history's workspace, and of its pair where it has views."""
        workspace = values.pop("workspace", self.workspace)
        with self.database.begin() as conn:
            self._enter(conn, workspace)
            return list(conn.exec_driver_sql(sql, {"ws": workspace, **values}).fetchall())

    async def do(self, work: Callable[[Tx], Any]) -> Any:
        """A store function in a transaction."""
        return await self.engine().store.do(work)  # type: ignore[attr-defined]

    def operations(self) -> list[tuple[str, str, str, str]]:
        """Operations on documents in order: action, state, detail, key."""
        return [
            (row[0], row[1], row[2], row[3])
            for row in self.rows(
                "SELECT action, state, detail, key FROM operation WHERE workspace = %(ws)s"
                " AND entity = 'document' ORDER BY created_at, id"
            )
        ]

    def exceptions(self, source: str = "") -> list[str]:
        """Codes of open exceptions, of one source where it is named."""
        return [
            row[0]
            for row in self.rows(
                "SELECT code FROM exception_case WHERE workspace = %(ws)s AND closed_at IS NULL"
                " AND (%(source)s = '' OR source_id = %(source)s) ORDER BY number",
                source=source,
            )
        ]

    def refs(self, entity: str = "document") -> dict[str, tuple[str, str, int]]:
        """What is linked: id → (role, key13, generation)."""
        return {
            row[0]: (row[1], row[2], row[3])
            for row in self.rows(
                "SELECT id, role, key13, generation FROM ref WHERE workspace = %(ws)s"
                " AND entity = %(entity)s ORDER BY id",
                entity=entity,
            )
        }

    def current(self) -> list[str]:
        """The ids of linked documents."""
        return [key for key, (role, _, _) in self.refs().items() if role == "current"]

    def snapshot(self) -> dict[str, list[str]]:
        """All rows of this workspace, as a backup would hold them."""
        kept: dict[str, list[str]] = {}
        with self._as_owner().begin() as conn:
            for table in self._tables(conn):
                column = "id" if table == "workspace" else "workspace"
                found = conn.exec_driver_sql(
                    f'SELECT t::text FROM "{table}" t WHERE t.{column} = %(ws)s',
                    {"ws": self.workspace},
                )
                kept[table] = [row[0] for row in found.fetchall()]
        return kept

    def restore(self, backup: Mapping[str, list[str]]) -> None:
        """The database as it was; the mark outside it stays, and the next run recognises it."""
        head = self.rows(
            "SELECT e.epoch, h.seq FROM epoch e JOIN activity_head h ON h.workspace = e.workspace"
            " WHERE e.workspace = %(ws)s"
        )[0]
        with self._as_owner().begin() as conn:
            conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for table, rows in backup.items():
                column = "id" if table == "workspace" else "workspace"
                conn.exec_driver_sql(
                    f'DELETE FROM "{table}" t WHERE t.{column} = %(ws)s', {"ws": self.workspace}
                )
                for row in rows:
                    conn.exec_driver_sql(
                        f'INSERT INTO "{table}" SELECT (%(row)s::"{table}").*', {"row": row}
                    )
        self.place.mark = (int(head[0]), int(head[1]))
        self.note("the database was restored")

    def _as_owner(self) -> SqlEngine:
        assert self.owner is not None, "this history has no owner's connection"
        return self.owner

    def _tables(self, conn: Any) -> list[str]:
        found = conn.exec_driver_sql(
            "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema ="
            " 'public' AND (column_name = 'workspace' OR table_name = 'workspace')"
            " ORDER BY table_name"
        )
        return [row[0] for row in found.fetchall()]


_TOLD = (
    "operations.not_sent",
    "operation.confirming",
    "operation.refused",
    "slot.generation_ended",
    "link.adopted",
    "ref.moved",
    "customers.merged",
    "restore_recognised",
)
