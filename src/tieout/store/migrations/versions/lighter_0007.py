"""Indexes hold the rows that are looked for by them, and bodies are not counted for statistics."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Every row that is stored costs an entry in each index, and so does every state of an operation.
_PARTIAL = {
    "mirror_parent": (
        "mirror (workspace, connection, entity, parent_id)",
        "parent_id IS NOT NULL",
    ),
    "mirror_org": ("mirror (workspace, connection, entity, org_number)", "entity = 'customer'"),
    "mirror_vat": ("mirror (workspace, connection, entity, vat_number)", "entity = 'customer'"),
    "mirror_name": ("mirror (workspace, connection, entity, name_folded)", "entity = 'customer'"),
    "operation_lane": (
        "operation (workspace, lane, source_id)",
        "state IN ('ready', 'awaiting_approval')",
    ),
    "operation_released": (
        "operation (workspace, lane, customer_id, released_on)",
        "action = 'create' AND net IS NOT NULL",
    ),
}
_UNUSED = {
    "due_ready": "due (workspace, lane, since, source_id) WHERE parked IS NULL",
    "send_wire": "send (workspace, connection, wire_key)",
}
# No condition is ever about what these hold.
_BODIES = {
    "mirror": ("record",),
    "link": ("wanted", "shown", "predicted"),
    "payload": ("change",),
    "send": ("headers", "body"),
    "attempt": ("witness", "shows", "predicted", "answer"),
}


def upgrade() -> None:
    for name, (columns, rows) in _PARTIAL.items():
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON {columns} WHERE {rows}")
    for name in _UNUSED:
        op.execute(f"DROP INDEX {name}")
    _statistics("0")
    # One side has deals and another documents: taken apart, each pair looks rarer than it is.
    op.execute("CREATE STATISTICS mirror_parts (mcv) ON connection, entity FROM mirror")


def downgrade() -> None:
    op.execute("DROP STATISTICS mirror_parts")
    for name, (columns, _) in _PARTIAL.items():
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON {columns}")
    for name, columns in _UNUSED.items():
        op.execute(f"CREATE INDEX {name} ON {columns}")
    _statistics("-1")


def _statistics(target: str) -> None:
    for table, columns in _BODIES.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS {target}")
