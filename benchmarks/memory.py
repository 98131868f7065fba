"""Peak memory of a first run over few and over many deals, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ground
from tieout.engine.run import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The peak of the process that ran the engine; database and simulators are others."""

    deals: int
    peak_mb: int


def measure(deals: int) -> Peak:
    """A first run over so many deals in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(deals)],
        capture_output=True,
        text=True,
        check=True,
    )
    return Peak(deals=deals, peak_mb=json.loads(done.stdout)["peak_kb"] // 1024)


async def _run(deals: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        ground.write_deals(data, deals)
        with ground.database() as base, ground.simulators(data, 0) as (crm, books):
            async with ground.engine(base.url, crm, books) as made:
                done = await run(made.engine)
    if done.executed.applied < deals:
        raise RuntimeError(f"not all was written: {done.counts()} {done.open}")
    return ground.peak_kb()


if __name__ == "__main__":
    print(json.dumps({"peak_kb": asyncio.run(_run(int(sys.argv[1])))}))
