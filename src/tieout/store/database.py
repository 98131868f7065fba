"""
Transactions: one workspace, one instant, one entry in the activity log.

A store function is plain and synchronous over a `Tx`. In production it runs in a thread beside the
event loop; in a simulation in the loop itself, which is virtual. Nothing else differs.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from psycopg import Error as PsycopgError
from psycopg.pq import Escaping, ExecStatus, TransactionStatus
from sqlalchemy import Connection, CursorResult, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from tieout.core.errors import EvidenceError, StoreError
from tieout.store import codec

T = TypeVar("T")

APP_ROLE = "tieout_app"
BULK_MOST = 1_000


@dataclass(slots=True)
class Tx:
    """One transaction of one workspace. ``log`` collects what the activity log will say."""

    conn: Connection
    workspace: str
    now: datetime
    who: str
    entries: list[dict[str, Any]] = field(default_factory=list)
    grown: Counter[str] = field(default_factory=Counter)

    def rows(self, sql: str, **values: Any) -> Sequence[Any]:
        """All rows of a query. ``:name`` parameters are written ``%(name)s``."""
        return self._done(sql, values).fetchall()

    def row(self, sql: str, **values: Any) -> Any | None:
        """The first row, or None."""
        return self._done(sql, values).fetchone()

    def run(self, sql: str, **values: Any) -> int:
        """How many rows a statement touched."""
        return self._done(sql, values).rowcount

    def _done(self, sql: str, values: Mapping[str, Any]) -> CursorResult[Any]:
        given = {"ws": self.workspace, **values}
        for name, value in values.items():
            if type(value) is list:
                given[name] = _array(value)
        return self.conn.exec_driver_sql(sql, given)

    def many(self, sql: str, values: Iterable[Mapping[str, Any]]) -> None:
        """One statement for many rows."""
        batch = [{"ws": self.workspace, **row} for row in values]
        if batch:
            self.conn.exec_driver_sql(sql, batch)

    def bulk(self, sql: str, columns: str, values: Iterable[Mapping[str, Any]], **also: Any) -> int:
        """
        One statement over a set of rows: ``{rows}`` in it becomes a table ``r`` of these columns.

        The rows travel as one JSON text, so that the statement is planned, and its policies are
        judged, once and not for each row. Values are what `codec` writes; bytes come as text in
        hexadecimal. How many rows were touched.
        """
        batch = list(values)
        text = sql.replace("{rows}", f"json_to_recordset(%(rows)s::json) AS r({columns})")
        touched = 0
        for start in range(0, len(batch), BULK_MOST):
            rows = codec.encode_text(batch[start : start + BULK_MOST])
            with _prepared(self.conn, sql.startswith(("INSERT INTO ", "WITH "))):
                touched += self.run(text, rows=rows, **also)
        if sql.startswith("INSERT INTO "):
            self.grown[sql.split(maxsplit=3)[2]] += touched
        return touched

    def log(self, kind: str, **data: Any) -> None:
        """Something that the activity log has to say about this transaction."""
        self.entries.append({"kind": kind, **data})

    def number(self, kind: str) -> int:
        """The next number of a kind in this workspace: 1, 2, 3 (runs, plans, exceptions)."""
        found = self.row(
            "INSERT INTO counter (workspace, kind, value) VALUES (%(ws)s, %(kind)s, 1)"
            " ON CONFLICT (workspace, kind) DO UPDATE SET value = counter.value + 1"
            " RETURNING value",
            kind=kind,
        )
        assert found is not None
        return int(found[0])


def _array(items: list[Any]) -> str | list[Any]:
    """
    Texts as the server writes an array, put together at once: the driver looks at each of some
    hundred keys by itself. What is no text, or has a sign that is written twice, is left to it.
    """
    try:
        joined = '","'.join(items)
    except TypeError:
        return items
    plain = "\\" not in joined and joined.count('"') == 2 * (len(items) - 1)
    return f'{{"{joined}"}}' if items and plain else items


@contextmanager
def _prepared(conn: Connection, wanted: bool) -> Iterator[None]:
    """What runs here stays with the server as it was parsed; its plan must not hang on values."""
    if not wanted:
        yield
        return
    driver: Any = conn.connection.driver_connection
    usual = driver.prepare_threshold
    driver.prepare_threshold = 0
    try:
        yield
    finally:
        driver.prepare_threshold = usual


def chain_hash(previous: bytes, seq: int, at: datetime, who: str, entries: bytes) -> bytes:
    """The hash of an entry of the activity log: over the one before and all that this one says."""
    parts = (previous, str(seq).encode(), at.isoformat().encode(), who.encode(), entries)
    return hashlib.sha256(_framed(*parts)).digest()


def _framed(*parts: bytes) -> bytes:
    """The parts one behind the other, each with its length before it."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


# The head is locked, read, and moved by one statement; the hash is that of `chain_hash`.
_APPEND = (
    "WITH head AS MATERIALIZED (SELECT seq + 1 AS seq, hash AS previous FROM activity_head"
    " WHERE workspace = %(ws)s FOR UPDATE), made AS MATERIALIZED (SELECT seq, previous,"
    " sha256(int8send(octet_length(previous)) || previous || int8send(octet_length(seq::text))"
    " || convert_to(seq::text, 'UTF8') || %(rest)s::bytea) AS hash FROM head),"
    " entry AS (INSERT INTO activity (workspace, seq, at, who, entries, previous, hash)"
    " SELECT %(ws)s, seq, %(at)s, %(who)s, %(entries)s, previous, hash FROM made)"
    " UPDATE activity_head SET seq = made.seq, hash = made.hash FROM made"
    " WHERE activity_head.workspace = %(ws)s"
)


def _append_activity(tx: Tx) -> None:
    entries = codec.encode(tx.entries)
    rest = _framed(tx.now.isoformat().encode(), tx.who.encode(), entries)
    if not tx.run(_APPEND, at=tx.now, who=tx.who, entries=entries, rest=rest):
        raise EvidenceError("The activity log has no head; the database was changed from outside.")


@contextmanager
def _translated() -> Any:
    """Database errors as errors of ours, with a plain sentence and what to do."""
    try:
        yield
    except OperationalError as error:
        raise _store_error(error) from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in ("53100", "42501"):
            raise _store_error(error) from error
        raise


def _store_error(error: DBAPIError) -> StoreError:
    if getattr(error.orig, "sqlstate", None) == "53100":
        return StoreError(
            "The disk of the database is full. Nothing was sent that could not be recorded.",
            code="disk_full",
            hint="Free space, then tieout run",
        )
    detail = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
    if getattr(error.orig, "sqlstate", None) == "42501":
        return StoreError(
            f"The user of the database lacks a right: {detail}. Nothing was sent.",
            code="database_rights",
            hint="Make it the owner of the database, and able to create roles or a member of a "
            f"role {APP_ROLE} that is there.",
        )
    return StoreError(
        f"The database does not answer: {detail}",
        code="database_unreachable",
        hint="Check TIEOUT_DATABASE_URL and that the server runs.",
    )


class Runner(Protocol):
    """Runs a store function in a transaction of its own."""

    async def run(self, work: Callable[[Connection], T]) -> T:
        """What the function gives; its transaction is committed, or rolled back on an error."""

    async def close(self) -> None:
        """Let go of connections."""


# Of two transactions that wait for each other the server ends one: nothing of it was done.
_ENDED_FOR_ANOTHER = ("40P01", "40001")
_TRIES = 4


class Overtaken(Exception):  # noqa: N818 - no error: the same work is done again
    """Another transaction came first with what this one had looked for; it begins anew."""


class ThreadRunner:
    """
    Production: each transaction in a thread, on a blocking engine with a connection for each.

    A statement costs half of what it does on an async engine, and while the server works on one
    the event loop goes on. What was ended in favour of another run is done again.
    """

    # A transaction takes milliseconds. One that still waits after this is ended at the server.
    PATIENCE_S = 2.0

    # A thread that got its answer waits so long at most until who computes lets it go on: a
    # transaction has a dozen answers, and with Python's 5 ms it stood still as long as it worked.
    TURN_S = 0.001

    def __init__(self, url: str, *, threads: int = 8) -> None:
        sys.setswitchinterval(min(sys.getswitchinterval(), self.TURN_S))
        self._engine = blocking_engine(url, pool_size=threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")

    async def run(self, work: Callable[[Connection], T]) -> T:
        number = 0
        while True:
            number += 1
            with _translated():
                try:
                    return await self._heard_out(_Transaction(self._engine, work))
                except Overtaken:
                    if number == _TRIES:
                        raise
                except OperationalError as error:
                    code = getattr(error.orig, "sqlstate", None)
                    if code not in _ENDED_FOR_ANOTHER or number == _TRIES:
                        raise
            await asyncio.sleep(0.05 * number)

    async def _heard_out(self, transaction: _Transaction[T]) -> T:
        """
        What the transaction gives. A thread cannot be ended: who is cancelled goes on when its
        transaction is over, so that nothing is committed behind the back of what comes next.
        """
        job = self._threads.submit(transaction.do)
        future = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not job.cancel():
                await self._end(transaction, future)
            raise

    async def _end(self, transaction: _Transaction[T], future: asyncio.Future[T]) -> None:
        """Wait until it is over; the server ends what takes too long."""
        while not (await asyncio.wait([future], timeout=self.PATIENCE_S))[0]:
            try:
                await asyncio.to_thread(transaction.stop)
            except PsycopgError:
                # A server that does not hear that either ends what it does by itself.
                return
        # Nobody waits for what it gave or raised any more.
        _ = future.cancelled() or future.exception()

    async def close(self) -> None:
        """Let go of threads and connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()


class _Transaction(Generic[T]):
    """One transaction that runs in a thread and can be ended from another."""

    def __init__(self, engine: Engine, work: Callable[[Connection], T]) -> None:
        self._engine = engine
        self._work = work
        self._driver: Any = None
        self._lock = threading.Lock()

    def do(self) -> T:
        """Run it; what it gives is committed."""
        with self._engine.begin() as conn:
            self._driver = conn.connection.driver_connection
            try:
                return self._work(conn)
            finally:
                # The connection goes back to the others: nobody may end what runs on it then.
                with self._lock:
                    self._driver = None

    def stop(self) -> None:
        """Have the server end the statement that runs; the transaction is rolled back."""
        with self._lock:
            if self._driver is not None:
                self._driver.cancel_safe(timeout=2.0)


class BlockingRunner:
    """Simulations: the same functions, blocking, so that no thread disturbs the virtual loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, work: Callable[[Connection], T]) -> T:
        with _translated(), self._engine.begin() as conn:
            return work(conn)

    async def close(self) -> None:
        """The engine belongs to the whole simulation; nothing is let go of here."""


def mirrored(connection: str, entity: str) -> str:
    """
    The name under which `Growth` counts a part of the mirror.

    To a planner whose statistics are from before there were documents, their id is no better an
    index than their number: it reads all of them to find some.
    """
    return f"mirror/{connection}/{entity}"


class Growth:
    """
    Rows added by table since its statistics were renewed; of the mirror, also by its parts.

    A fresh database has none, and then the planner takes every index for as good as any other; its
    own renewal comes a minute later, when a first run has read everything already. So they are
    renewed here whenever a table has doubled.
    """

    _FIRST = 400

    def __init__(self) -> None:
        self._added: Counter[str] = Counter()
        self._known: dict[str, int] = {}
        # Transactions end in threads of their own.
        self._lock = threading.Lock()

    def note(self, grown: Mapping[str, int]) -> None:
        with self._lock:
            self._added.update(grown)

    def outgrown(self) -> list[str]:
        """Which have doubled; they are counted anew from here."""
        with self._lock:
            found = [
                name
                for name, rows in sorted(self._added.items())
                if rows >= max(self._known.get(name, 0), self._FIRST)
            ]
            for name in found:
                self._known[name] = self._known.get(name, 0) + self._added.pop(name)
        return found

    def renew(self, tx: Tx, names: Sequence[str]) -> None:
        """New statistics, except for those of these that were much larger before."""
        for name in names:
            table, _, part = name.partition("/")
            told = _told_of_part(tx, table, *part.split("/")) if part else _told(tx, table)
            if told < self._known[name]:
                # A role without the right is only told so by a warning.
                tx.conn.exec_driver_sql(f"ANALYZE {table}")
            self._known[name] = max(told, self._known[name])


def _told(tx: Tx, table: str) -> int:
    """How many rows of a table its statistics know."""
    row = tx.row("SELECT reltuples FROM pg_class WHERE oid = %(table)s::regclass", table=table)
    return int(row[0]) if row is not None else 0


def _told_of_part(tx: Tx, table: str, connection: str, entity: str) -> int:
    """How many rows of one connection and entity the planner expects."""
    row = tx.row(
        f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {table} WHERE workspace = %(ws)s"
        " AND connection = %(connection)s AND entity = %(entity)s",
        connection=connection,
        entity=entity,
    )
    return int(row[0][0]["Plan"]["Plan Rows"]) if row is not None else 0


def in_workspace(
    workspace: str,
    now: datetime,
    who: str,
    work: Callable[[Tx], T],
    growth: Growth | None = None,
) -> Callable[[Connection], T]:
    """The work with the workspace set for its transaction and its activity appended last."""

    def run(conn: Connection) -> T:
        _enter(conn, workspace)
        tx = Tx(conn=conn, workspace=workspace, now=now, who=who)
        result = work(tx)
        if tx.entries:
            _append_activity(tx)
        if growth is not None:
            growth.note(tx.grown)
        return result

    return run


def _enter(conn: Connection, workspace: str) -> None:
    """
    Begin, for one workspace. Of a connection at rest in one call to the server: the driver makes
    it two, in each transaction there is.
    """
    driver: Any = conn.connection.driver_connection
    server = driver.pgconn
    if server.transaction_status == TransactionStatus.IDLE:
        name = Escaping(server).escape_literal(workspace.encode())
        begin = b"BEGIN; SELECT set_config('tieout.workspace', %b, true)" % bytes(name)
        # Of a connection that is gone the ordinary call below says so in the usual way.
        with suppress(PsycopgError):
            if server.exec_(begin).status == ExecStatus.TUPLES_OK:
                return
    conn.exec_driver_sql("SELECT set_config('tieout.workspace', %(ws)s, true)", {"ws": workspace})


# --- engines --------------------


def _driver_url(url: str) -> URL:
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def blocking_engine(url: str, *, as_app: bool = True, pool_size: int = 2) -> Engine:
    """An engine for blocking use; ``as_app`` binds it by row-level security."""
    engine = create_engine(
        _driver_url(url), pool_size=pool_size, max_overflow=2, connect_args=_CONNECT
    )
    if as_app:
        event.listen(engine, "connect", _become_app)
    return engine


_OPTIONS = "-c timezone=UTC -c client_encoding=UTF8"
# Nothing is prepared unless it says so: a statement that is not is planned for the values at hand.
# A generic plan compares each row with each of 500 keys.
_CONNECT = {
    "options": _OPTIONS,
    "connect_timeout": 10,
    "prepare_threshold": None,
    # A host that is gone without a word is noticed in a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def _become_app(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET ROLE {APP_ROLE}")
    cursor.close()
    connection.commit()
