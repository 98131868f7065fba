"""Each billing step that is in doubt has an exception of its own."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # An answer to one step's doubt says nothing of the other step's.
    op.execute("DROP INDEX exception_one_open")
    op.execute(
        "CREATE UNIQUE INDEX exception_one_open ON exception_case"
        " (workspace, lane, source_id, code, coalesce(key13, '')) WHERE closed_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX exception_one_open")
    # Refused while two steps of a deal are asked about: one of them would not be any more.
    op.execute(
        "CREATE UNIQUE INDEX exception_one_open ON exception_case"
        " (workspace, lane, source_id, code) WHERE closed_at IS NULL"
    )
