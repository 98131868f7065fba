"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support import inprocess, run_folder
from support.described import Description, descriptions
from tieout.ports import HttpRequest

# The same examples every time: a red test is red again. TIEOUT_HYPOTHESIS=explore looks for more.
_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "repeat", derandomize=True, deadline=None, suppress_health_check=_QUIET, print_blob=True
)
settings.register_profile(
    "explore", deadline=None, suppress_health_check=_QUIET, max_examples=2000, print_blob=True
)
settings.load_profile(os.environ.get("TIEOUT_HYPOTHESIS", "repeat"))

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """
    The run's folder, before its workers start, so that it can be cleared after them: no `tieout`
    that a test starts writes into the machine's own state folder.
    """
    # A shell has what it starts in the background ignore Ctrl-C: tests of Ctrl-C would wait for it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        run_folder.folder()
        return
    if not config.option.testrunuid:
        config.option.testrunuid = uuid.uuid4().hex
    run_folder.begin(config.option.testrunuid)


def pytest_unconfigure() -> None:
    """The folder of a run goes with it; each worker leaves it, since others may be at work."""
    run_folder.end()


def pytest_sessionfinish() -> None:
    """A worker's use of the run's PostgreSQL ends with its tests."""
    used = sys.modules.get("support.database")
    if used is not None:
        used.let_go()


def find_shared() -> Path | None:
    """The reference material beside the repository, or None where it is absent."""
    named = os.environ.get("TIEOUT_SHARED")
    places = [Path(named)] if named else [ROOT.parent / "shared"]
    return next((place for place in places if (place / "specs").is_dir()), None)


@pytest.fixture(scope="session")
def vendors() -> dict[str, Description]:
    """What is wrong with a request by its vendor's description; empty where there are none."""
    found = find_shared()
    return {} if found is None else descriptions(found / "specs")


@pytest.fixture(autouse=True)
def only_calls_that_vendors_describe(
    vendors: dict[str, Description],
) -> Iterator[None]:
    """Whatever a test is about: a call that its vendor does not describe makes it fail."""
    wrong: list[str] = []

    def told(system: str, sent: HttpRequest) -> None:
        if system in vendors:
            wrong.extend(vendors[system](sent))

    inprocess.listeners.append(told)
    yield
    inprocess.listeners.remove(told)
    assert sorted(set(wrong)) == []


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The reference material; the test is skipped where it is absent."""
    found = find_shared()
    if found is None:
        pytest.skip("the reference material (../shared) is not beside this checkout")
    return found


@pytest.fixture(scope="session")
def database_url(worker_id: str) -> Iterator[str]:
    """A migrated database of this test worker, as the owner."""
    from support.database import database

    with database(f"tieout_{worker_id}") as url:
        yield url
