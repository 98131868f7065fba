"""Two transactions that wait for each other: the server ends one, which is then done again."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection

from tieout.store.database import AsyncRunner, async_engine


def _locks(first: int, second: int, tried: list[int]) -> object:
    def work(conn: Connection) -> int:
        tried.append(first)
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%(n)s)", {"n": first})
        # The other one has its first lock before either asks for its second.
        conn.exec_driver_sql("SELECT pg_sleep(0.5)")
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%(n)s)", {"n": second})
        return first

    return work


def test_what_was_ended_for_another_is_done_again(database_url: str) -> None:
    async def story() -> None:
        engine = async_engine(database_url)
        runner, tried = AsyncRunner(engine), []  # type: ignore[var-annotated]
        try:
            done = await asyncio.gather(
                runner.run(_locks(71, 72, tried)),  # type: ignore[arg-type]
                runner.run(_locks(72, 71, tried)),  # type: ignore[arg-type]
            )
        finally:
            await runner.close()
        assert done == [71, 72]
        assert len(tried) > 2, "they did not wait for each other"

    asyncio.run(story())
