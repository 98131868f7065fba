"""What was released for a customer today is found with the changes of drafts, too."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = "operation (workspace, lane, customer_id, released_on)"


def upgrade() -> None:
    _anew("action <> 'void' AND net IS NOT NULL")


def downgrade() -> None:
    _anew("action = 'create' AND net IS NOT NULL")


def _anew(rows: str) -> None:
    op.execute("DROP INDEX operation_released")
    op.execute(f"CREATE INDEX operation_released ON {_COLUMNS} WHERE {rows}")
