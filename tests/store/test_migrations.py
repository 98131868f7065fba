"""Each step of the schema goes there and back, and takes what is stored along."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from support.database import database
from support.fakes import START
from tieout.store import migrate
from tieout.store.database import blocking_engine
from tieout.store.workspaces import ensure_workspace


@pytest.fixture
def owner() -> Iterator[Engine]:
    with database("migrations") as url:
        engine = blocking_engine(url, as_app=False)
        yield engine
        engine.dispose()


def _to(conn: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    config.attributes["connection"] = conn
    current = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    (command.upgrade if revision > current else command.downgrade)(config, revision)


def _shape(conn: Connection) -> list[tuple[str, ...]]:
    """All columns, indexes and policies, as text."""
    asked = (
        "SELECT table_name, column_name, data_type, is_nullable, coalesce(column_default, '')"
        " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "SELECT tablename, policyname, qual FROM pg_policies ORDER BY 1, 2",
    )
    return [tuple(map(str, row)) for one in asked for row in conn.exec_driver_sql(one)]


@pytest.mark.parametrize("revision", ["0006", "0007", "0008", "0009"])
def test_there_and_back_is_the_same(owner: Engine, revision: str) -> None:
    with owner.begin() as conn:
        before = _shape(conn)
        _to(conn, revision)
        assert _shape(conn) != before
        _to(conn, "head")
        assert _shape(conn) == before


def test_the_day_of_the_last_payment_comes_from_the_mirror(owner: Engine) -> None:
    with owner.begin() as conn:
        ensure_workspace("w", "W", START)(conn)
        _to(conn, "0008")
        conn.exec_driver_sql(
            "INSERT INTO mirror (workspace, connection, entity, id, content_hash, seen_at, status,"
            " record) SELECT 'w', 'books', 'document', id, '', %(now)s, '', record::jsonb FROM"
            " (VALUES ('a', '{\"last_payment_on\": \"2026-10-30\"}'), ('b', '{}')) v (id, record)",
            {"now": START},
        )
        conn.exec_driver_sql(
            "INSERT INTO mirror_amount (workspace, connection, entity, id, seq, seen_at, version,"
            " kind, status, currency, paid) SELECT 'w', 'books', 'document', id, seq, %(now)s, '',"
            " 'invoice', '', 'SEK', 5 FROM (VALUES ('a', 1), ('a', 2), ('b', 1)) v (id, seq)",
            {"now": START},
        )
        _to(conn, "head")
        found = conn.exec_driver_sql("SELECT id, seq, paid_on FROM mirror_amount ORDER BY 1, 2")
        assert [tuple(row) for row in found] == [
            ("a", 1, None),
            ("a", 2, date(2026, 10, 30)),
            ("b", 1, None),
        ]
