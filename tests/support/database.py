"""One PostgreSQL for a test run, a database per worker cloned from a migrated template."""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine

from support.run_folder import folder
from tieout.store.database import blocking_engine
from tieout.store.embedded import EmbeddedServer
from tieout.store.migrate import prepare

TEMPLATE = "tieout_template"
_kept: list[EmbeddedServer] = []


@functools.cache
def _server(home: Path) -> EmbeddedServer:
    """That folder's server, started; kept until let_go(), since a start costs more than a test."""
    running = EmbeddedServer(home, durable=False)
    running.start()
    atexit.register(let_go)
    _kept.append(running)
    return running


def server() -> EmbeddedServer:
    """The run's PostgreSQL, started; shared with other workers and kept while this process is."""
    return _server(folder())


def let_go() -> None:
    """This process uses no server any longer; one that nobody else uses ends."""
    while _kept:
        _kept.pop().stop()
    _server.cache_clear()


@contextmanager
def database(name: str) -> Iterator[str]:
    """
    The address of a fresh migrated database, as the owner. The server is shared by workers, which
    may each have a test of one module: the name is theirs.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and worker not in name:
        name = f"{name}_{worker}"
    running = server()
    _ensure_template(running, running.folder)
    admin = create_engine(running.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        conn.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
    admin.dispose()
    yield running.url(name)


def _ensure_template(server: EmbeddedServer, home: Path) -> None:
    with (home / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / "template.done").exists():
            return
        admin = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
        with admin.connect() as conn:
            conn.exec_driver_sql(f"CREATE DATABASE {TEMPLATE}")
        admin.dispose()
        engine = blocking_engine(server.url(TEMPLATE), as_app=False)
        prepare(engine, durable=False)
        engine.dispose()
        (home / "template.done").touch()
