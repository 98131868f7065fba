"""Won deals from the CRM to drafts and back, against a bare client that makes the same calls."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ground
from benchmarks.bare_client import RecordingTransport, Spent, replay
from tieout.engine.run import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One measurement at one latency. Seconds; CPU of the engine, its database, both simulators."""

    deals: int
    latency_ms: int
    wall_s: float
    engine_cpu_s: float
    database_cpu_s: float
    simulators_cpu_s: float
    calls: dict[str, int]
    applied: int
    bare: Spent
    second_wall_s: float
    second_cpu_s: float

    @property
    def ratio(self) -> float:
        """Our wall time by the bare client's."""
        return self.wall_s / self.bare.wall_s


async def measure(deals: int, latency_ms: int) -> Pipeline:
    """A first run over so many deals, then the same calls by the bare client, fresh simulators."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        ground.write_deals(data, deals)
        transport = RecordingTransport()
        with ground.database() as base, ground.simulators(data, latency_ms) as (crm, books):
            async with ground.engine(base.url, crm, books, transport) as made:
                transport.on = True
                theirs = crm.cpu_s + books.cpu_s
                before, stored = made.calls(), base.cpu_s
                wall, cpu = time.perf_counter(), time.process_time()
                done = await run(made.engine)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                stored = base.cpu_s - stored
                theirs = crm.cpu_s + books.cpu_s - theirs
                calls = {
                    route: number - before.get(route, 0)
                    for route, number in made.calls().items()
                    if number > before.get(route, 0)
                }
                transport.on = False
                again, again_cpu = time.perf_counter(), time.process_time()
                await run(made.engine)
                again, again_cpu = time.perf_counter() - again, time.process_time() - again_cpu
                first = {made.crm.name: crm.base_url, made.books.name: books.base_url}
        bare = await _bare(data, latency_ms, transport, first)
    documents = sum(n for route, n in calls.items() if "POST /v2/customerinvoicedrafts" in route)
    if documents != deals:
        raise RuntimeError(f"{documents} drafts for {deals} deals: {done.counts()} {done.open}")
    return Pipeline(
        deals=deals,
        latency_ms=latency_ms,
        wall_s=wall,
        engine_cpu_s=cpu,
        database_cpu_s=stored,
        simulators_cpu_s=theirs,
        calls=calls,
        applied=done.executed.applied,
        bare=bare,
        second_wall_s=again,
        second_cpu_s=again_cpu,
    )


async def _bare(
    data: Path, latency_ms: int, recorded: RecordingTransport, first: dict[str, str]
) -> Spent:
    with ground.database() as base, ground.simulators(data, latency_ms) as (crm, books):
        async with ground.engine(base.url, crm, books) as made:
            # Only for its sign-ins: the connectors of this one make no further call.
            left = await made.crm.api.tokens.access()
            right = await made.books.tokens.access()
        here = {ground.CRM: crm.base_url, ground.BOOKS: books.base_url}
        bases = {first[name]: here[name] for name in first}
        tokens = {
            first[ground.CRM]: f"Bearer {left}",
            first[ground.BOOKS]: f"Bearer {right}",
        }
        return await replay(recorded.calls, bases, tokens)
