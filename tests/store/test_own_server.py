"""A server of one's own: what its user needs, and what is said where that is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from e2e.admin_kit import open_folder
from tieout.core.errors import StoreError
from tieout.store.database import blocking_engine
from tieout.store.embedded import EmbeddedServer
from tieout.store.migrate import prepare


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """A fresh server on which the program never worked, with two users that are no superusers."""
    with open_folder() as home, EmbeddedServer(home / "own", durable=False) as started:
        boss = blocking_engine(started.url(), as_app=False)
        with boss.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            for statement in (
                "CREATE ROLE weak LOGIN",
                "CREATE ROLE able LOGIN CREATEROLE",
                "CREATE DATABASE books OWNER able",
            ):
                conn.execute(text(statement))
        boss.dispose()
        yield started


def test_an_owner_who_may_create_roles_is_enough(server: EmbeddedServer) -> None:
    url = server.url("books", "able")
    owner = blocking_engine(url, as_app=False)
    prepare(owner, durable=False)
    owner.dispose()
    app = blocking_engine(url)
    with app.connect() as conn:
        assert conn.execute(text("SELECT current_user")).scalar() == "tieout_app"
    app.dispose()


def test_a_user_without_rights_is_told_which_one_is_missing(server: EmbeddedServer) -> None:
    weak = blocking_engine(server.url("books", "weak"), as_app=False)
    with pytest.raises(StoreError) as caught:
        prepare(weak, durable=False)
    weak.dispose()
    assert caught.value.code == "database_rights"
    assert caught.value.message == (
        "The user of the database lacks a right: permission denied to create role. "
        "Nothing was sent."
    )
