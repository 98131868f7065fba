"""Rows that wait for a link are found by what they wait for."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 50,000 invoices of customers that nobody linked wait so; each new link asks for its own.
    op.execute("CREATE INDEX due_link ON due (workspace, parked_on) WHERE parked = 'link'")


def downgrade() -> None:
    op.execute("DROP INDEX due_link")
