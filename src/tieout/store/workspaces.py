"""Workspaces: made once, with the head of their activity log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection


def ensure_workspace(workspace: str, name: str, now: datetime) -> Callable[[Connection], None]:
    """A function that makes the workspace with the head of its log, if it is not there yet."""

    def work(conn: Connection) -> None:
        conn.exec_driver_sql(
            "SELECT set_config('tieout.workspace', %(ws)s, true)", {"ws": workspace}
        )
        conn.exec_driver_sql(
            "INSERT INTO workspace (id, name, created_at) VALUES (%(ws)s, %(name)s, %(now)s)"
            " ON CONFLICT DO NOTHING",
            {"ws": workspace, "name": name, "now": now},
        )
        conn.exec_driver_sql(
            "INSERT INTO activity_head (workspace, seq, hash, started_at) VALUES (%(ws)s, 0,"
            " %(hash)s, %(now)s) ON CONFLICT DO NOTHING",
            {"ws": workspace, "hash": bytes(32), "now": now},
        )
        conn.exec_driver_sql(
            "INSERT INTO epoch (workspace, epoch, high_water) VALUES (%(ws)s, 1, 0)"
            " ON CONFLICT DO NOTHING",
            {"ws": workspace},
        )

    return work
