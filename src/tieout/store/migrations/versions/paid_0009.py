"""The books' day of the last payment goes with each reading of a document's amounts."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE mirror_amount ADD COLUMN paid_on date")
    # Of earlier readings the day is not known; of the newest one the mirror has it.
    op.execute(
        "UPDATE mirror_amount a SET paid_on = (m.record->>'last_payment_on')::date FROM mirror m"
        " WHERE m.workspace = a.workspace AND m.connection = a.connection"
        " AND m.entity = a.entity AND m.id = a.id AND a.seq = (SELECT max(x.seq)"
        " FROM mirror_amount x WHERE x.workspace = a.workspace AND x.connection = a.connection"
        " AND x.entity = a.entity AND x.id = a.id)"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE mirror_amount DROP COLUMN paid_on")
