"""
Once only, over many seeded histories: one embedded server, a database for each worker process.

    python -m simulate --seeds 1000 --first 1 --workers 2
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from history import FAMILIES, RECORD_BEFORE_SEND, Failure, Played, family_of, play
from support.database import database
from tieout.core.safeguards import ALL_ON
from tieout.store.database import blocking_engine

_engines: dict[str, tuple[Engine, Engine]] = {}
# What histories have to be full of: where one of these never happened, they prove nothing.
TELLING = (
    "processes killed",
    "processes killed with a write under way",
    "zombie requests carried out",
    "restores",
    "two engines at once",
    "clock jumps, minutes",
    "clock jumps, hours",
    "pauses longer than a lease after a claim",
    "brakes released by a person",
    "unknown: answer_lost",
    "unknown: lease_lost",
    "unknown: restored",
    "looked: absent",
    "looked: found",
    "looked: repeat guarded",
    "operation.confirming",
    "slot.generation_ended",
)


def generic_plans(engine: Engine) -> Engine:
    """
    One plan for each statement of a connection. Tables of a simulation are small, so planning
    anew each time costs more than running; what a statement gives is the same.
    """

    def set_plans(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.close()
        connection.commit()
        connection.prepare_threshold = 5

    event.listen(engine, "connect", set_plans)
    return engine


def _play(url: str, seeds: list[int], rule: str, harsh: bool) -> list[tuple[int, Played]]:
    """Some seeds in this process."""
    if url not in _engines:
        app = generic_plans(blocking_engine(url))
        _engines[url] = (app, blocking_engine(url, as_app=False))
    app, owner = _engines[url]
    forgets = rule == RECORD_BEFORE_SEND
    rules = ALL_ON.without(rule) if rule and not forgets else ALL_ON
    done = []
    for seed in seeds:
        mark = f"-{rule}-{time.monotonic_ns()}"
        played = play(seed, app, owner, rules=rules, forgets_claims=forgets, mark=mark, harsh=harsh)
        # Traces of what held are not worth their way between processes.
        done.append((seed, Played(failure=played.failure, happened=played.happened)))
    return done


def main() -> int:
    """0 when every seed held, else 1; failing seeds are printed and their traces kept."""
    parser = argparse.ArgumentParser(prog="simulate")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--without",
        default="",
        help=f"a rule of core.safeguards, or {RECORD_BEFORE_SEND}, turned off",
    )
    parser.add_argument("--all-counts", action="store_true", help="show all that happened")
    folder = str(Path(tempfile.gettempdir()) / "tieout-traces")
    parser.add_argument("--traces", default=folder, help="folder for traces of failing seeds")
    parser.add_argument("--harsh", action="store_true", help="every first create meets a fault")
    given = parser.parse_args()
    seeds = list(range(given.first, given.first + given.seeds))
    size = max(1, min(10, len(seeds) // given.workers or 1))
    parts = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    began = time.monotonic()
    failures: list[Failure] = []
    ran: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    with database("simulate") as url:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(given.workers, mp_context=context) as pool:
            waiting = [pool.submit(_play, url, part, given.without, given.harsh) for part in parts]
            for future in as_completed(waiting):
                for seed, played in future.result():
                    ran[family_of(seed)] += 1
                    happened.update(played.happened)
                    if played.failure is not None:
                        failures.append(played.failure)
                        _keep(Path(given.traces), played.failure)
                took = time.monotonic() - began
                sys.stdout.write(
                    f"\r{sum(ran.values())}/{len(seeds)} seeds, {len(failures)} failed,"
                    f" {took:.0f} s"
                )
                sys.stdout.flush()
    sys.stdout.write("\n")
    wrong = Counter(failure.family for failure in failures)
    for family in FAMILIES:
        sys.stdout.write(f"  {family:6} {ran[family]:6} seeds, {wrong[family]} failed\n")
    _show(happened, every=given.all_counts)
    return 1 if failures else 0


def _show(happened: Counter[str], *, every: bool) -> None:
    """What happened in all histories together."""
    sys.stdout.write("what happened:\n")
    for name in TELLING:
        sys.stdout.write(f"  {happened[name]:7} {name}\n")
    for name in sorted(happened.keys() - set(TELLING)) if every else ():
        sys.stdout.write(f"  {happened[name]:7} {name}\n")


def _keep(folder: Path, failure: Failure) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed-{failure.seed}.txt"
    path.write_text("\n".join(failure.trace) + "\n", encoding="utf-8")
    sys.stdout.write(
        f"\rseed {failure.seed} ({failure.family}): {failure.message[:150]}\n"
        f"  trace: {path}; again: --first {failure.seed} --seeds 1\n"
    )


if __name__ == "__main__":
    sys.exit(main())
