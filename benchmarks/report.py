"""What was measured, as lines for a person: each figure beside the one that it is compared with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from benchmarks.memory import Peak
from benchmarks.pipeline import Pipeline
from benchmarks.quiet_run import Quiet
from benchmarks.reconcile_million import Million

# Wall time against the bare client's, by latency in ms; docs/decisions/0054 on the one without any.
WALL = {0: "target 3, see docs/decisions/0054", 20: "target 1.5"}
MEMORY, RECONCILE_S = 1.2, 60


def machine() -> str:
    """Processor, cores this process may use, how busy they are, versions."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [row for row in info.read_text().splitlines() if row.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    return f"{name}, {cores} cores, load {load:.1f}, Python {platform.python_version()}"


def pipeline_lines(found: Pipeline) -> Iterator[str]:
    """Deals per second, the ratio, CPU for each deal, calls."""
    yield f"Pipeline, {found.deals:,} won deals, {found.latency_ms} ms latency"
    yield f"  {found.deals / found.wall_s:,.0f} deals/s; bare client {_rate(found):,.0f} deals/s"
    target = f" ({WALL[found.latency_ms]})" if found.latency_ms in WALL else ""
    yield f"  wall time {found.ratio:.2f} × the bare client's{target}"
    yield (
        f"  CPU per deal: engine {_each(found, found.engine_cpu_s)}, database"
        f" {_each(found, found.database_cpu_s)}, simulators"
        f" {_each(found, found.simulators_cpu_s)}; bare client {_each(found, found.bare.cpu_s)}"
    )
    total = sum(found.calls.values())
    yield f"  {total:,} calls, {total / found.deals:.3f} per deal"
    for route, number in sorted(found.calls.items(), key=lambda pair: -pair[1])[:8]:
        yield f"    {number:>7,}  {route}"
    yield (
        f"  the run after it, which reads back what was written: {found.second_wall_s:.1f} s,"
        f" CPU {found.second_cpu_s:.1f} s"
    )


def _rate(found: Pipeline) -> float:
    return found.deals / found.bare.wall_s


def _each(found: Pipeline, seconds: float) -> str:
    return f"{seconds / found.deals * 1000:.2f} ms"


def quiet_lines(few: Quiet, many: Quiet) -> Iterator[str]:
    """The same run over both numbers of links."""
    yield "A run with nothing to do, 200 documents open in both"
    for one in (few, many):
        yield (
            f"  {one.links:>9,} links: {one.calls} calls, {one.wall_s:.2f} s, CPU"
            f" {one.cpu_s * 1000:.0f} ms, database {one.database_cpu_s * 1000:.0f} ms,"
            f" {one.rows_read:,} rows read, {one.rows_written} written"
        )


def memory_lines(few: Peak, many: Peak) -> Iterator[str]:
    """Peaks and their ratio."""
    yield f"Peak memory of a first run: {few.deals:,} deals {few.peak_mb} MB, {many.deals:,} deals"
    yield (
        f"  {many.peak_mb} MB, {many.peak_mb / few.peak_mb:.2f} × (target {MEMORY} between"
        " 10,000 and 100,000)"
    )


def reconcile_lines(found: Million) -> Iterator[str]:
    """How long a month takes, and what it takes it from."""
    yield f"Reconcile a month, {found.deals:,} deals in the store, the ledger's list read"
    yield (
        f"  {found.wall_s:.1f} s (target {RECONCILE_S}); CPU {found.cpu_s:.1f} s, database"
        f" {found.database_cpu_s:.1f} s; {found.peak_mb} MB more memory; {found.rows:,} rows"
    )
