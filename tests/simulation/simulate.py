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

from history import FAMILIES, Failure, family_of, play
from support.database import database
from tieout.core.safeguards import ALL_ON
from tieout.store.database import blocking_engine

_engines: dict[str, tuple[object, object]] = {}


def _play(url: str, seeds: list[int], rule: str, harsh: bool) -> list[tuple[int, Failure | None]]:
    """Some seeds in this process."""
    if url not in _engines:
        _engines[url] = (blocking_engine(url), blocking_engine(url, as_app=False))
    app, owner = _engines[url]
    rules = ALL_ON.without(rule) if rule else ALL_ON
    done = []
    for seed in seeds:
        mark = f"-{rule}-{time.monotonic_ns()}"
        failure, _ = play(seed, app, owner, rules=rules, mark=mark, harsh=harsh)  # type: ignore[arg-type]
        done.append((seed, failure))
    return done


def main() -> int:
    """0 when every seed held, else 1; failing seeds are printed and their traces kept."""
    parser = argparse.ArgumentParser(prog="simulate")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--without", default="", help="a rule of core.safeguards, turned off")
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
    with database("simulate") as url:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(given.workers, mp_context=context) as pool:
            waiting = [pool.submit(_play, url, part, given.without, given.harsh) for part in parts]
            for future in as_completed(waiting):
                for seed, failure in future.result():
                    ran[family_of(seed)] += 1
                    if failure is not None:
                        failures.append(failure)
                        _keep(Path(given.traces), failure)
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
    return 1 if failures else 0


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
