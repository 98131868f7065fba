"""Contacts are found by their e-mail address."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A window of persons asks who else has their addresses, on both sides.
    op.execute(
        "CREATE INDEX mirror_address ON mirror (workspace, connection, email)"
        " WHERE entity = 'contact'"
    )


def downgrade() -> None:
    op.execute("DROP INDEX mirror_address")
