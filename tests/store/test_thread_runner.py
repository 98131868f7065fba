"""Transactions in threads: who is cancelled goes on when his transaction is over, either way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine

from support.fakes import START, ManualClock
from support.ports import quiet_ports
from tieout.bootstrap import UlidIds
from tieout.core.errors import StoreError
from tieout.store.database import ThreadRunner, Tx, in_workspace


@pytest.fixture
def owner_engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


@pytest.fixture
def table(owner_engine: Engine) -> Iterator[str]:
    with owner_engine.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE heard (n integer)")
        conn.exec_driver_sql("GRANT ALL ON heard TO tieout_app")
    yield "heard"
    with owner_engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE heard")


def _rows(engine: Engine) -> int:
    with engine.begin() as conn:
        return int(conn.exec_driver_sql("SELECT count(*) FROM heard").scalar_one())


async def _cancelled(runner: ThreadRunner, work: object, after: float) -> float:
    task = asyncio.ensure_future(runner.run(work))  # type: ignore[arg-type]
    await asyncio.sleep(after)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


def test_a_short_one_is_heard_out(database_url: str, owner_engine: Engine, table: str) -> None:
    def work(conn: Connection) -> None:
        conn.exec_driver_sql("INSERT INTO heard VALUES (1)")
        conn.exec_driver_sql("SELECT pg_sleep(0.5)")

    async def story() -> int:
        runner = ThreadRunner(database_url)
        try:
            await _cancelled(runner, work, 0.2)
            # Not a moment later: what comes next stands on it.
            return _rows(owner_engine)
        finally:
            await runner.close()

    assert asyncio.run(story()) == 1


def test_one_that_waits_too_long_is_ended_and_nothing_of_it_stays(
    database_url: str, owner_engine: Engine, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThreadRunner, "PATIENCE_S", 0.2)

    def work(conn: Connection) -> None:
        conn.exec_driver_sql("INSERT INTO heard VALUES (1)")
        conn.exec_driver_sql("SELECT pg_sleep(300)")

    async def story() -> int:
        runner = ThreadRunner(database_url)
        try:
            assert await _cancelled(runner, work, 0.3) < 60
            kept = _rows(owner_engine)
            # The connection is fit for the next one.
            assert await runner.run(lambda conn: conn.exec_driver_sql("SELECT 7").scalar()) == 7
            return kept
        finally:
            await runner.close()

    assert asyncio.run(story()) == 0


def test_one_that_has_not_begun_never_does(
    database_url: str, owner_engine: Engine, table: str
) -> None:
    def slow(conn: Connection) -> None:
        conn.exec_driver_sql("SELECT pg_sleep(0.6)")

    def late(conn: Connection) -> None:
        conn.exec_driver_sql("INSERT INTO heard VALUES (1)")

    async def story() -> None:
        runner = ThreadRunner(database_url, threads=1)
        try:
            first = asyncio.ensure_future(runner.run(slow))
            await asyncio.sleep(0.1)
            await _cancelled(runner, late, 0.1)
            await first
        finally:
            await runner.close()

    asyncio.run(story())
    assert _rows(owner_engine) == 0


def test_the_loop_goes_on_while_the_server_works(database_url: str) -> None:
    async def story() -> int:
        runner = ThreadRunner(database_url)
        ticks = 0
        try:
            waiting = asyncio.ensure_future(
                runner.run(lambda conn: conn.exec_driver_sql("SELECT pg_sleep(0.5)").scalar())
            )
            while not waiting.done():
                ticks += 1
                await asyncio.sleep(0.01)
            await waiting
            return ticks
        finally:
            await runner.close()

    assert asyncio.run(story()) > 5


def test_an_address_without_a_server_is_said_plainly() -> None:
    async def story() -> None:
        runner = ThreadRunner(f"postgresql://nobody@127.0.0.1:{quiet_ports()[0]}/none")
        try:
            await runner.run(lambda conn: conn.exec_driver_sql("SELECT 1").scalar())
        finally:
            await runner.close()

    with pytest.raises(StoreError) as caught:
        asyncio.run(story())
    assert caught.value.code == "database_unreachable"


def test_ids_of_many_threads_are_never_equal() -> None:
    ids = UlidIds(ManualClock(START))

    async def story() -> list[str]:
        def many() -> list[str]:
            return [ids.new("x") for _ in range(2_000)]

        parts = await asyncio.gather(*(asyncio.to_thread(many) for _ in range(8)))
        return [one for part in parts for one in part]

    made = asyncio.run(story())
    assert len(set(made)) == len(made)


def test_a_connection_that_the_server_ended_is_said_plainly_and_replaced(
    database_url: str, owner_engine: Engine
) -> None:
    def backend(tx: Tx) -> int:
        row = tx.row("SELECT pg_backend_pid()")
        assert row is not None
        return int(row[0])

    work = in_workspace("ended", START, "test", backend)

    async def story() -> None:
        runner = ThreadRunner(database_url, threads=1)
        try:
            first = await runner.run(work)
            with owner_engine.begin() as conn:
                conn.exec_driver_sql("SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": first})
            with pytest.raises(StoreError) as caught:
                await runner.run(work)
            assert caught.value.code == "database_unreachable"
            assert await runner.run(work) != first
        finally:
            await runner.close()

    asyncio.run(story())
