"""Seeded histories of the whole system; `make simulate SEEDS=1000` plays many more."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import Engine as SqlEngine

from history import FAMILIES, play

FIRST = int(os.environ.get("TIEOUT_FIRST_SEED", "1"))
SEEDS = int(os.environ.get("TIEOUT_SEEDS", "16"))
# `make test-long` plays the next ones, `make simulate` as many as are wanted.
MORE = int(os.environ.get("TIEOUT_MORE_SEEDS", "16"))
IN_ONE = 4
TWICE = (3, 12, 21)


def _holds(seeds: range, app_engine: SqlEngine, owner_engine: SqlEngine) -> None:
    for seed in seeds:
        failure = play(seed, app_engine, owner_engine).failure

        assert failure is None, "\n".join(failure.trace)


@pytest.mark.parametrize("start", range(FIRST, FIRST + SEEDS, IN_ONE))
def test_seeds_hold(start: int, app_engine: SqlEngine, owner_engine: SqlEngine) -> None:
    last = min(start + IN_ONE, FIRST + SEEDS)
    _holds(range(start, last), app_engine, owner_engine)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(FIRST + SEEDS, FIRST + SEEDS + MORE, IN_ONE))
def test_more_seeds_hold(start: int, app_engine: SqlEngine, owner_engine: SqlEngine) -> None:
    last = min(start + IN_ONE, FIRST + SEEDS + MORE)
    _holds(range(start, last), app_engine, owner_engine)


@pytest.mark.parametrize(
    "seed", [TWICE[0], *(pytest.param(seed, marks=pytest.mark.slow) for seed in TWICE[1:])]
)
def test_equal_seeds_give_equal_traces(
    seed: int, app_engine: SqlEngine, owner_engine: SqlEngine
) -> None:
    first = play(seed, app_engine, owner_engine, mark="-once")
    second = play(seed, app_engine, owner_engine, mark="-again")

    assert first.trace == second.trace
    assert first.happened == second.happened


def test_every_family_has_its_share() -> None:
    assert {FAMILIES[seed % len(FAMILIES)] for seed in range(FIRST, FIRST + 8)} == set(FAMILIES)
