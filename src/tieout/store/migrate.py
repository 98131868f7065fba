"""Bringing a database to the present form, and refusing a server that could lose a commit."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine

from tieout.core.errors import StoreError
from tieout.store.database import APP_ROLE, _translated

_LOCK = 7_204_311_882_001  # any number of ours: one migration at a time


def prepare(engine: Engine, *, durable: bool = True) -> None:
    """
    Migrates to the newest form as the owner and checks the server.

    Raises `StoreError` when the server does not keep what it commits (``fsync`` or
    ``synchronous_commit`` off), or when the program's role would not be bound by the policies.
    """
    # Not at the top: every command asks this module whether a database is bound, few migrate.
    from alembic import command
    from alembic.config import Config

    with _translated(), engine.begin() as conn:
        if durable:
            check_durable(conn)
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
        _create_role(conn)
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
        check_bound(conn)


def check_durable(conn: Connection) -> None:
    """Refuses a server on which a committed intent can be forgotten."""
    for setting in ("fsync", "synchronous_commit"):
        value = conn.exec_driver_sql(f"SHOW {setting}").scalar()
        if value == "off":
            raise StoreError(
                f"The database server has {setting} off, so it can forget what was recorded "
                "before a write was sent. Nothing was started.",
                code="server_not_durable",
                hint=f"Set {setting} = on and restart the server.",
            )


def _create_role(conn: Connection) -> None:
    exists = conn.exec_driver_sql(
        "SELECT 1 FROM pg_roles WHERE rolname = %(role)s", {"role": APP_ROLE}
    ).scalar()
    if exists is None:
        conn.exec_driver_sql(f"CREATE ROLE {APP_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS")
    # From 16 on, who makes a role is a member that may not act as it.
    may = "SET" if (conn.dialect.server_version_info or (0,)) >= (16,) else "MEMBER"
    member = conn.exec_driver_sql(
        "SELECT pg_has_role(current_user, %(role)s, %(may)s)", {"role": APP_ROLE, "may": may}
    ).scalar()
    if not member:
        conn.exec_driver_sql(f"GRANT {APP_ROLE} TO CURRENT_USER")
    conn.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}")


def check_bound(conn: Connection) -> None:
    """The role must be neither superuser nor owner, else the policies would not bind it."""
    row = conn.exec_driver_sql(
        "SELECT rolsuper OR rolbypassrls, EXISTS (SELECT 1 FROM pg_tables"
        " WHERE schemaname = 'public' AND tableowner = rolname)"
        " FROM pg_roles WHERE rolname = %(role)s",
        {"role": APP_ROLE},
    ).one()
    if row[0] or row[1]:
        raise StoreError(
            f"The role {APP_ROLE} is a superuser or owns tables, so that one workspace could see "
            "another. Nothing was started.",
            code="role_not_bound",
            hint=f"Make {APP_ROLE} a plain role that owns nothing.",
        )
