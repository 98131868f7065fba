"""
`python -m benchmarks`: every measurement, smaller than its target by default.

    python -m benchmarks                          all, a few minutes
    python -m benchmarks pipeline --deals 5000    one of them, of another size
    python -m benchmarks --full                   at the sizes of the targets, an hour
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable

from benchmarks import (
    match_report,
    matching,
    memory,
    pipeline,
    quiet_run,
    reconcile_million,
    report,
    tryton,
)

NAMES = ("pipeline", "quiet", "memory", "reconcile", "match", "tryton")


def main() -> None:
    """Measures what was asked for and says it line by line as it is found."""
    asked = _arguments()
    print(report.machine(), flush=True)
    for name in asked.names or NAMES:
        _MEASURE[name](asked)


def _pipeline(asked: argparse.Namespace) -> None:
    for latency in asked.latency_ms:
        _say(report.pipeline_lines(asyncio.run(pipeline.measure(asked.deals, latency))))


def _quiet(asked: argparse.Namespace) -> None:
    few, many = (asyncio.run(quiet_run.measure(links)) for links in (1_000, asked.links))
    _say(report.quiet_lines(few, many))


def _memory(asked: argparse.Namespace) -> None:
    many = asked.memory_deals
    _say(report.memory_lines(memory.measure(many // 10), memory.measure(many)))


def _reconcile(asked: argparse.Namespace) -> None:
    _say(report.reconcile_lines(reconcile_million.measure(asked.reconcile_deals)))


def _match(asked: argparse.Namespace) -> None:
    customers = asked.match_customers
    _say(match_report.lines(matching.measure(customers, customers // 2)))


def _tryton(asked: argparse.Namespace) -> None:
    _say(asyncio.run(tryton.measure(asked.tryton_deals)).lines())


_MEASURE = {
    "pipeline": _pipeline,
    "quiet": _quiet,
    "memory": _memory,
    "reconcile": _reconcile,
    "match": _match,
    "tryton": _tryton,
}


def _say(lines: Iterable[str]) -> None:
    print()
    for line in lines:
        print(line, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(NAMES))
    parser.add_argument("--full", action="store_true", help="the sizes of the targets")
    parser.add_argument("--deals", type=int, help="of the pipeline (1,000)")
    parser.add_argument("--latency-ms", type=int, action="append", help="0, 5 and 20 by default")
    parser.add_argument("--links", type=int, help="of the larger quiet run (20,000)")
    parser.add_argument("--memory-deals", type=int, help="of the larger memory run (4,000)")
    parser.add_argument("--reconcile-deals", type=int, help="in the store (100,000)")
    parser.add_argument("--match-customers", type=int, help="on each side (2,000)")
    parser.add_argument("--tryton-deals", type=int, help="into a real Tryton (600)")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    asked.deals = asked.deals or (10_000 if asked.full else 1_000)
    asked.latency_ms = asked.latency_ms or [0, 5, 20]
    asked.links = asked.links or (100_000 if asked.full else 20_000)
    asked.memory_deals = asked.memory_deals or (100_000 if asked.full else 4_000)
    asked.reconcile_deals = asked.reconcile_deals or (1_000_000 if asked.full else 100_000)
    asked.match_customers = asked.match_customers or (100_000 if asked.full else 2_000)
    asked.tryton_deals = asked.tryton_deals or (5_000 if asked.full else 600)
    return asked


if __name__ == "__main__":
    main()
