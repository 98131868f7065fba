"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def find_shared() -> Path | None:
    """The reference material beside the repository, or None where it is absent."""
    named = os.environ.get("TIEOUT_SHARED")
    places = [Path(named)] if named else [ROOT.parent / "shared"]
    return next((place for place in places if (place / "specs").is_dir()), None)


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
