"""A run with nothing to do over few and many linked records, 200 documents open in both."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import filling, ground
from tieout.engine.run import run
from tieout.store.database import Tx

OPEN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """The least of some quiet runs over so many links."""

    links: int
    calls: int
    wall_s: float
    cpu_s: float
    database_cpu_s: float
    rows_written: int
    rows_read: int


async def measure(links: int, rounds: int = 5) -> Quiet:
    """Runs with nothing to do: the one that took the least CPU, since others share the machine."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        ground.write_deals(data, OPEN)
        with ground.database() as base, ground.simulators(data, 0) as (crm, books):
            async with ground.engine(base.url, crm, books) as made:
                await run(made.engine)
                now = made.engine.clock.now()
                await made.store.do(lambda tx: filling.link_many(tx, links - OPEN, now))
                filling.settle_statistics(base.url)
                for _ in range(2):  # what the first run wrote is read once more
                    await run(made.engine)
                return await _least(made, base, links, rounds)


async def _least(made: ground.Ground, base: ground.Database, links: int, rounds: int) -> Quiet:
    best: Quiet | None = None
    for _ in range(rounds):
        calls, rows = sum(made.calls().values()), await made.store.do(_touched)
        stored, wall, cpu = base.cpu_s, time.perf_counter(), time.process_time()
        done = await run(made.engine)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        stored = base.cpu_s - stored
        if done.read.changed or done.executed.calls:
            raise RuntimeError(f"this run was not quiet: {done.counts()}")
        after = await made.store.do(_touched)
        found = Quiet(
            links=links,
            calls=sum(made.calls().values()) - calls,
            wall_s=wall,
            cpu_s=cpu,
            database_cpu_s=stored,
            rows_written=after[0] - rows[0],
            rows_read=after[1] - rows[1],
        )
        if best is None or found.cpu_s + found.database_cpu_s < best.cpu_s + best.database_cpu_s:
            best = found
    assert best is not None
    return best


def _touched(tx: Tx) -> tuple[int, int]:
    """Rows written and rows looked at in all tables so far, by the server's own counters."""
    tx.conn.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    tx.conn.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
    row = tx.row(
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del), sum(seq_tup_read + coalesce("
        "idx_tup_fetch, 0)) FROM pg_stat_user_tables"
    )
    assert row is not None
    return int(row[0]), int(row[1])
