"""What may be sent is found in the order in which it goes, without a look at all that waits."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 100,000 deals wait at the end of deciding, and each group of 128 asked for the first of them.
    op.execute(
        "CREATE INDEX operation_ready ON operation (workspace, bridge, connection,"
        " (CASE entity WHEN 'customer' THEN 0 ELSE 1 END), created_at, id)"
        " WHERE state = 'ready'"
    )


def downgrade() -> None:
    op.execute("DROP INDEX operation_ready")
