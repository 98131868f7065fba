"""What matching found: made anew at any time, so that nothing of it is evidence."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("match_run", "match_party", "match_key", "match_pair")


def upgrade() -> None:
    op.execute(Path(__file__).with_name("matching_0005.sql").read_text(encoding="utf-8"))
    # Older servers have no such right; there statistics come by themselves, a minute later.
    found = op.get_bind().exec_driver_sql("SHOW server_version_num").scalar()
    may_maintain = int(str(found)) >= 170_000
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO tieout_app")
        if may_maintain:
            op.execute(f"GRANT MAINTAIN ON {table} TO tieout_app")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY of_workspace ON {table} TO tieout_app"
            " USING (workspace = (SELECT tieout_workspace()))"
            " WITH CHECK (workspace = (SELECT tieout_workspace()))"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
