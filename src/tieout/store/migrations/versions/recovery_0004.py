"""After a restore each bridge reads its own sides: how far it is stands with the bridge."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(Path(__file__).with_name("recovery_0004.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute("ALTER TABLE epoch ADD COLUMN reads_left integer NOT NULL DEFAULT 0")
    op.execute(
        "UPDATE epoch e SET reads_left = b.reads_left FROM (SELECT workspace, max(reads_left)"
        " AS reads_left FROM bridge GROUP BY workspace) b WHERE b.workspace = e.workspace"
    )
    op.execute("ALTER TABLE bridge DROP COLUMN reads_left")
    op.execute("ALTER TABLE bridge DROP COLUMN recovering_until")
