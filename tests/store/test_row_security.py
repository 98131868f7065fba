"""Every table of every migration: bound to its workspace, append-only where that is promised."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from support.database import database
from tieout.store.database import blocking_engine
from tieout.store.migrations.versions.spine_0001 import APPEND_ONLY

# Names and ids of ours only; see the first migration.
OF_ALL = {"workspace", "alembic_version"}


@pytest.fixture(scope="module")
def app() -> Iterator[Engine]:
    with database("row_security") as url:
        made = blocking_engine(url)
        yield made
        made.dispose()


def _rows(app: Engine, sql: str, workspace: str = "") -> list[tuple[object, ...]]:
    with app.connect() as conn:
        if workspace:
            setting = "SELECT set_config('tieout.workspace', %s, true)"
            conn.exec_driver_sql(setting, (workspace,))
        return [tuple(row) for row in conn.exec_driver_sql(sql)]


def _tables(app: Engine) -> list[str]:
    sql = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'm', 'f')"
    )
    return sorted({str(row[0]) for row in _rows(app, sql)} - OF_ALL)


def test_no_table_answers_without_a_workspace(app: Engine) -> None:
    tables = _tables(app)
    assert len(tables) > 30
    for table in tables:
        with pytest.raises(SQLAlchemyError, match="no workspace is set"):
            _rows(app, f"SELECT count(*) FROM {table}")


def test_every_table_has_the_policy_for_reading_and_for_writing(app: Engine) -> None:
    of_workspace = "(workspace = ( SELECT tieout_workspace() AS tieout_workspace))"
    found = _rows(
        app,
        "SELECT c.relname, p.polcmd, p.polpermissive, pg_get_expr(p.polqual, c.oid),"
        " pg_get_expr(p.polwithcheck, c.oid) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid"
        " WHERE c.relrowsecurity ORDER BY c.relname",
    )
    assert [row[0] for row in found] == _tables(app)
    assert {row[1:] for row in found} == {("*", True, of_workspace, of_workspace)}


def test_what_is_append_only_can_be_neither_changed_nor_taken_away(app: Engine) -> None:
    may = _rows(
        app,
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee IN ('tieout_app', 'PUBLIC') AND table_schema = 'public'",
    )
    assert {right for table, right in may if table in APPEND_ONLY} <= {
        "SELECT",
        "INSERT",
        "MAINTAIN",
    }
    assert "TRUNCATE" not in {right for _, right in may}
    for sql in ("UPDATE activity SET who = 'x'", "DELETE FROM activity", "TRUNCATE activity"):
        with pytest.raises(SQLAlchemyError, match="permission denied"):
            _rows(app, sql, "any")
