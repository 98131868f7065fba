"""Fixtures of the simulations: one database for a test worker, a workspace for each history."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine as SqlEngine

from simulate import generic_plans
from tieout.store.database import blocking_engine


@pytest.fixture(scope="session")
def app_engine(database_url: str) -> Iterator[SqlEngine]:
    """The database as the role that row-level security binds."""
    engine = generic_plans(blocking_engine(database_url))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def owner_engine(database_url: str) -> Iterator[SqlEngine]:
    """The database as its owner, for restores."""
    engine = blocking_engine(database_url, as_app=False)
    yield engine
    engine.dispose()
