"""Answers of registers, under the same row-level security as everything else."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = {"register_answer"}


def upgrade() -> None:
    script = Path(__file__).with_name("registers_0002.sql").read_text(encoding="utf-8")
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
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY of_workspace ON {table} TO tieout_app"
            " USING (workspace = (SELECT tieout_workspace()))"
            " WITH CHECK (workspace = (SELECT tieout_workspace()))"
        )


def downgrade() -> None:
    raise RuntimeError("Answers of registers are evidence: restore a backup instead.")
