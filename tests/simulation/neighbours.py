"""
Two pairs at once, alike on purpose: in one workspace, or in two workspaces of one database.

Record ids, customer numbers, names and organisation numbers are equal in both. What tells them
apart is a word that stands in the data of one pair only; `no_leak` looks for it, and for keys and
names, in everything that the other one has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import DBAPIError

from invariants import Violation
from tieout.store.database import APP_ROLE, BlockingRunner
from tieout.store.vault import Vault
from world import Names, World

VAULT_KEY = Fernet.generate_key().decode()
OPERATION_ID = re.compile(r"\b[a-z]{2}-([ns])\d{3}e?-\d{6}\b")


class Setting(StrEnum):
    """How many pairs a seed has, and where they are kept."""

    ALONE = "alone"
    TOGETHER = "two pairs in one workspace"
    APART = "two pairs in two workspaces"


# In one workspace: two organisations, two companies, and connections of their own.
TOGETHER = (
    Names(bridge="nordic", crm="crm-north", book="book-north", telltale="Norrskensgatan", ids="n"),
    Names(
        bridge="southern",
        crm="crm-south",
        book="book-south",
        crm_org="crm-2",
        company="books-2",
        telltale="Solrosgatan",
        ids="s",
    ),
)
# In two workspaces: everything is called the same, down to the ids of rows.
APART = (Names(telltale="Norrskensgatan"), Names(telltale="Solrosgatan"))


def names_of(setting: Setting) -> Sequence[Names]:
    """What the pairs of such a seed are called."""
    return {Setting.ALONE: (Names(),), Setting.TOGETHER: TOGETHER, Setting.APART: APART}[setting]


# Which rows of a table are a pair's: these names are put in.
_OF_PAIR = {
    "bridge": "name = '{bridge}'",
    "config_version": "bridge = '{bridge}'",
    "cursor": "connection IN ('{crm}', '{book}')",
    "due": "split_part(lane, '/', 1) = '{bridge}'",
    "exception_case": "bridge = '{bridge}'",
    "mirror": "connection IN ('{crm}', '{book}')",
    "operation": "bridge = '{bridge}'",
    "outcome": "split_part(lane, '/', 1) = '{bridge}'",
    "ref": "connection IN ('{crm}', '{book}')",
    "send": "connection IN ('{crm}', '{book}')",
    "slot": "bridge = '{bridge}'",
}


def make_views(owner: SqlEngine, names: Names) -> str:
    """A schema whose views show the rows of a pair only; its name. Made once in a database."""
    schema = f"only_{names.bridge}"
    with owner.begin() as conn:
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(7310)")
        found = conn.exec_driver_sql(
            "SELECT 1 FROM pg_namespace WHERE nspname = %(name)s", {"name": schema}
        )
        if found.fetchone():
            return schema
        conn.exec_driver_sql(f"CREATE SCHEMA {schema}")
        conn.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {APP_ROLE}")
        for table, mine in _OF_PAIR.items():
            where = mine.format(bridge=names.bridge, crm=names.crm, book=names.book)
            conn.exec_driver_sql(
                f"CREATE VIEW {schema}.{table} WITH (security_invoker = true) AS"
                f" SELECT * FROM public.{table} WHERE {where}"
            )
            conn.exec_driver_sql(f"GRANT ALL ON {schema}.{table} TO {APP_ROLE}")
    return schema


# --- nothing of one pair is in the other ---


@dataclass(slots=True, kw_only=True)
class _Marks:
    """By what a text or a row tells that it is about this pair."""

    world: World
    words: set[str] = field(default_factory=set)

    def in_row(self, row: dict[str, Any], text: str) -> bool:
        names = self.world.names
        lane = str(row.get("lane") or "").split("/")[0]
        if names.ids and (
            names.bridge in (row.get("bridge"), lane)
            or row.get("connection") in (names.crm, names.book)
            or names.ids in OPERATION_ID.findall(text)
        ):
            return True
        return self.in_text(text)

    def in_text(self, text: str) -> bool:
        return any(word in text for word in self.words)


async def no_leak(worlds: Sequence[World], owner: SqlEngine) -> None:
    """28: no row, write or secret of one pair refers to the other; each by its own evidence."""
    together = len({world.workspace for world in worlds}) == 1
    marks = [_Marks(world=world, words={world.names.telltale}) for world in worlds]
    if together:
        for mark in marks:
            names = mark.world.names
            mark.words |= {names.bridge, names.crm, names.book}
            mark.words |= {
                row[0] for row in mark.world.rows("SELECT key13 FROM slot WHERE workspace = %(ws)s")
            }
    _systems(marks)
    with owner.begin() as conn:
        tables = _tables(conn)
        if together:
            _rows_of_one(conn, tables, marks)
        else:
            for mark, other in ((marks[0], marks[1]), (marks[1], marks[0])):
                _none_of(conn, tables, mark, other)
    if not together:
        for world in worlds:
            _bound(world, worlds, owner, tables)
    await _secrets(worlds)


def _systems(marks: Sequence[_Marks]) -> None:
    """What each system was sent and what stands in it."""
    for mark in marks:
        world = mark.world
        for other in (one for one in marks if one is not mark):
            for request in (*world.crm.received, *(write.request for write in world.writes)):
                if other.in_text(f"{request.path} {request.body.decode()} {request.headers}"):
                    raise Violation(f"28: {request.method} {request.path} is about the other pair")
            for tables in (world.crm.rows.tables, world.book.ledger.tables):
                for name, rows in tables.items():
                    for row in rows.values():
                        if other.in_text(str(row)):
                            raise Violation(f"28: {name} {row['id']} is about the other pair")


def _tables(conn: Connection) -> dict[str, list[tuple[str, str]]]:
    """The tables with rows of workspaces, and the types of their columns."""
    found: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in conn.exec_driver_sql(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
    ):
        found.setdefault(table, []).append((column, kind))
    return {
        table: columns
        for table, columns in found.items()
        if "workspace" in {name for name, _ in columns}
    }


def _texts(
    conn: Connection, table: str, columns: list[tuple[str, str]], workspace: str
) -> Iterable[tuple[dict[str, Any], str]]:
    """Each row of a workspace in a table, and all that stands in it as text."""
    shown = ", ".join(
        f"encode({name}, 'escape') AS {name}" if kind == "bytea" else f"{name}::text AS {name}"
        for name, kind in columns
    )
    rows = conn.exec_driver_sql(
        f"SELECT {shown} FROM public.{table} WHERE workspace = %(ws)s", {"ws": workspace}
    )
    for row in rows.mappings():
        yield dict(row), " ".join(str(value) for value in row.values() if value is not None)


def _rows_of_one(
    conn: Connection, tables: dict[str, list[tuple[str, str]]], marks: Sequence[_Marks]
) -> None:
    """Each row is about one pair at most."""
    told = {mark.world.names.bridge: 0 for mark in marks}
    for table, columns in tables.items():
        for row, text in _texts(conn, table, columns, marks[0].world.workspace):
            if _of_a_restore(table, row, text):
                continue
            found = [mark.world.names.bridge for mark in marks if mark.in_row(row, text)]
            if len(found) > 1:
                raise Violation(f"28: a row of {table} is about both pairs: {text[:400]}")
            for bridge in found:
                told[bridge] += 1
    if not all(told.values()):
        raise Violation(f"28: nothing tells the pairs apart: {told}")


def _of_a_restore(table: str, row: dict[str, Any], text: str) -> bool:
    """A restore is of the whole workspace: one bridge notices it, for the writes of all."""
    match table:
        case "activity":
            return "restore_recognised" in text
        case "attempt":
            return bool(row["worker"] == "restored")
        case "send":
            return not row["method"]
    return False


def _none_of(
    conn: Connection, tables: dict[str, list[tuple[str, str]]], mark: _Marks, other: _Marks
) -> None:
    """Nothing of the other workspace's pair is in this one's rows, seen by their owner."""
    told = 0
    for table, columns in tables.items():
        for _, text in _texts(conn, table, columns, mark.world.workspace):
            if other.in_text(text) or other.world.workspace in text:
                raise Violation(f"28: a row of {table} is about the other pair: {text[:400]}")
            told += mark.in_text(text)
    if not told:
        raise Violation(f"28: nothing in {mark.world.workspace} tells whose it is")


def _bound(
    world: World,
    worlds: Sequence[World],
    owner: SqlEngine,
    tables: dict[str, list[tuple[str, str]]],
) -> None:
    """The role that the program has sees and changes the rows of one workspace."""
    mine = world.workspace
    others = [one.workspace for one in worlds if one is not world]
    with owner.begin() as conn:
        counts = {table: _count(conn, table, mine) for table in tables}
    with world.database.connect() as conn:
        conn.exec_driver_sql("SELECT set_config('tieout.workspace', %(ws)s, true)", {"ws": mine})
        for table, count in counts.items():
            seen = _count(conn, table, None)
            if seen != count:
                raise Violation(f"28: {mine} sees {seen} rows of {table} and has {count}")
        for table in tables:
            may = conn.exec_driver_sql(
                "SELECT has_table_privilege(current_user, %(table)s, 'UPDATE')", {"table": table}
            )
            if not may.scalar_one():
                continue  # nobody changes what was logged
            changed = conn.exec_driver_sql(
                f"UPDATE {table} SET workspace = workspace WHERE workspace = ANY(%(others)s)",
                {"others": others},
            )
            if changed.rowcount:
                raise Violation(f"28: {mine} may change {table} of {others}")
        conn.rollback()
    for other in others:
        with world.database.connect() as conn:
            conn.exec_driver_sql(
                "SELECT set_config('tieout.workspace', %(ws)s, true)", {"ws": mine}
            )
            insert = "INSERT INTO counter (workspace, kind, value) VALUES (%(ws)s, 'leak', 1)"
            with pytest.raises(DBAPIError, match="row-level security"):
                conn.exec_driver_sql(insert, {"ws": other})


def _count(conn: Connection, table: str, workspace: str | None) -> int:
    where = "" if workspace is None else " WHERE workspace = %(ws)s"
    found = conn.exec_driver_sql(f"SELECT count(*) FROM public.{table}{where}", {"ws": workspace})
    return int(found.scalar_one())


async def _secrets(worlds: Sequence[World]) -> None:
    """The same name of the same system, kept for each pair: each gets its own back."""
    vaults = [
        Vault(
            BlockingRunner(world.database),
            workspace=world.workspace,
            keys=[VAULT_KEY],
            clock=world.clock,
        )
        for world in worlds
    ]
    for world, vault in zip(worlds, vaults, strict=True):
        await vault.put(world.names.book, {"token": world.names.telltale})
    for world, vault in zip(worlds, vaults, strict=True):
        found = await vault.get(world.names.book, "token")
        if found != world.names.telltale:
            raise Violation(f"28: {world.names.telltale} got the secret of {found}")


__all__ = ["Setting", "make_views", "names_of", "no_leak"]
