"""The tables of the spine, with row-level security on every table that holds customers' data."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The scheduler looks over all workspaces; these hold names and ids of ours only.
WITHOUT_POLICY = {"workspace"}

APPEND_ONLY = {
    "payload",
    "send",
    "mirror_amount",
    "activity",
    "filed_report",
    "verdict",
    "approval",
    "config_version",
}


def upgrade() -> None:
    script = Path(__file__).with_name("spine_0001.sql").read_text(encoding="utf-8")
    tables = [line.split()[2] for line in script.splitlines() if line.startswith("CREATE TABLE ")]
    op.execute(script)
    # Older servers have no such right; there statistics come by themselves, a minute later.
    found = op.get_bind().exec_driver_sql("SHOW server_version_num").scalar()
    may_maintain = int(str(found)) >= 170_000
    for table in tables:
        rights = "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        op.execute(f"GRANT {rights} ON {table} TO tieout_app")
        if may_maintain:
            op.execute(f"GRANT MAINTAIN ON {table} TO tieout_app")
        if table not in WITHOUT_POLICY:
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(
                f"CREATE POLICY of_workspace ON {table} TO tieout_app"
                " USING (workspace = (SELECT tieout_workspace()))"
                " WITH CHECK (workspace = (SELECT tieout_workspace()))"
            )


def downgrade() -> None:
    raise RuntimeError("The first migration is not undone: restore a backup instead.")
