"""Connections and configuration versions over a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import ProgrammingError

from support.daily_world import CountingIds
from support.database import database
from support.fakes import START
from tieout.core.model import Company
from tieout.core.safeguards import ALL_ON
from tieout.store import admin, codec, pages, recovering
from tieout.store.admin import ConnectionRow
from tieout.store.database import Tx, blocking_engine, in_workspace
from tieout.store.workspaces import ensure_workspace

T = TypeVar("T")
Do = Callable[[Callable[[Tx], Any]], Any]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with database("admin") as url:
        made = blocking_engine(url)
        yield made
        made.dispose()


@pytest.fixture
def do(engine: Engine, request: pytest.FixtureRequest) -> Do:
    """Runs a store function in a workspace of the test's own."""
    workspace = request.node.name
    with engine.begin() as conn:
        ensure_workspace(workspace, workspace, START)(conn)

    def run(work: Callable[[Tx], T]) -> T:
        with engine.begin() as conn:
            return in_workspace(workspace, START, "anna.lind", work)(conn)

    return run


VISMA = ConnectionRow(
    name="visma-se",
    system="visma_eaccounting",
    side="books",
    settings={"number_start": 200_000, "nested": {"terms": "30"}, "share": Decimal("0.50")},
)
COMPANY = Company(id="55aa", name="Nordljus", country="SE", currency="SEK", facts={"a": True})


def _publish(tx: Tx, body: str, bridge: str = "nordic") -> admin.ConfigVersion:
    return admin.publish(
        tx,
        bridge=bridge,
        body=body,
        tables={"items": 'from,to\n"Montage, plus",MON-2\n'},
        digest=f"digest of {body}",
        message=f"with {body}",
        who="anna.lind",
        now=START,
    )


def _kinds(do: Do) -> list[str]:
    rows = do(lambda tx: tx.rows("SELECT entries FROM activity WHERE workspace = %(ws)s"))
    return [kind for row in rows for kind in _kinds_of(bytes(row[0]))]


def _kinds_of(entries: bytes) -> list[str]:
    from tieout.store import codec

    return [entry["kind"] for entry in codec.decode_loose(entries)]


def test_a_connection_comes_back_as_it_was_stored(do: Do) -> None:
    assert do(lambda tx: admin.add_connection(tx, VISMA)) is True
    found = do(lambda tx: admin.get_connection(tx, "visma-se"))
    assert found == VISMA
    assert str(found.settings["share"]) == "0.50"
    assert do(lambda tx: admin.get_connection(tx, "other")) is None
    assert _kinds(do) == ["connection_added"]


def test_the_log_says_who_published_and_which_company_was_connected(do: Do) -> None:
    do(lambda tx: admin.add_connection(tx, VISMA))
    do(lambda tx: _publish(tx, "one"))
    do(lambda tx: admin.roll_back(tx, bridge="nordic", version=1, who="m.ek", now=START))
    told = do(_entries)
    by_kind = {entry["kind"]: entry for entry in told}
    assert by_kind["connection_added"]["settings"] == sorted(VISMA.settings)
    assert str(VISMA.settings["share"]) not in str(by_kind["connection_added"])
    published = [entry for entry in told if entry["kind"] == "configuration_published"]
    assert [entry["who"] for entry in published] == ["anna.lind", "m.ek"]
    assert published[1]["message"] == "back to v1"


def _entries(tx: Tx) -> list[dict[str, Any]]:
    rows = tx.rows("SELECT entries FROM activity WHERE workspace = %(ws)s ORDER BY seq")
    return [entry for row in rows for entry in codec.decode_loose(bytes(row[0]))]


def test_a_name_is_given_once(do: Do) -> None:
    do(lambda tx: admin.add_connection(tx, VISMA))
    again = ConnectionRow(name="visma-se", system="salesforce", side="crm")
    assert do(lambda tx: admin.add_connection(tx, again)) is False
    assert do(lambda tx: admin.get_connection(tx, "visma-se")).system == "visma_eaccounting"


def test_state_and_company_follow_what_was_seen(do: Do) -> None:
    do(lambda tx: admin.add_connection(tx, VISMA))
    do(lambda tx: admin.set_company(tx, "visma-se", COMPANY, START))
    found = do(lambda tx: admin.get_connection(tx, "visma-se"))
    assert (found.state, found.company, found.tested_at) == ("ok", COMPANY, START)
    do(lambda tx: admin.set_state(tx, "visma-se", "sign_in_withdrawn", "No longer.", START))
    do(lambda tx: admin.set_state(tx, "visma-se", "sign_in_withdrawn", "No longer.", START))
    assert [row.state for row in do(admin.list_connections)] == ["sign_in_withdrawn"]
    assert _kinds(do).count("connection_state") == 1


def test_settings_change_only_where_there_is_a_connection(do: Do) -> None:
    do(lambda tx: admin.add_connection(tx, VISMA))
    assert do(lambda tx: admin.change_settings(tx, "visma-se", {"number_start": 5})) is True
    assert do(lambda tx: admin.change_settings(tx, "nobody", {})) is False
    assert do(lambda tx: admin.get_connection(tx, "visma-se")).settings == {"number_start": 5}


def test_versions_count_up_and_one_is_in_force(do: Do) -> None:
    assert do(lambda tx: admin.in_force(tx, "nordic")) is None
    first = do(lambda tx: _publish(tx, "one"))
    second = do(lambda tx: _publish(tx, "two"))
    assert (first.version, second.version) == (1, 2)
    found = do(lambda tx: admin.in_force(tx, "nordic"))
    assert found == second
    assert found.tables == {"items": 'from,to\n"Montage, plus",MON-2\n'}
    shown = do(lambda tx: admin.history(tx, "nordic"))
    assert [(each.version, each.in_force) for each in shown] == [(2, True), (1, False)]


def test_rollback_is_a_new_version_with_the_old_content(do: Do) -> None:
    do(lambda tx: _publish(tx, "one"))
    do(lambda tx: _publish(tx, "two"))
    made = do(lambda tx: admin.roll_back(tx, bridge="nordic", version=1, who="m.ek", now=START))
    assert (made.version, made.body, made.published_by) == (3, "one", "m.ek")
    assert do(lambda tx: admin.in_force(tx, "nordic")).version == 3
    none = do(lambda tx: admin.roll_back(tx, bridge="nordic", version=9, who="x", now=START))
    assert none is None
    assert do(lambda tx: admin.in_force(tx, "nordic")).version == 3


def test_a_published_version_cannot_be_rewritten(do: Do) -> None:
    do(lambda tx: _publish(tx, "one"))
    with pytest.raises(ProgrammingError, match="permission denied"):
        do(lambda tx: tx.run("UPDATE config_version SET body = 'mine'"))
    with pytest.raises(ProgrammingError, match="permission denied"):
        do(lambda tx: tx.run("DELETE FROM config_version"))


def test_publishing_wakes_what_waits_in_this_bridge_only(do: Do) -> None:
    def park(tx: Tx) -> None:
        for lane, source in (
            ("nordic/documents/visma-se", "D-1"),
            ("nordic/customers/visma-se", "C-1"),
            ("nordic2/documents/visma-se", "D-2"),
        ):
            pages.make_due(tx, lane, [source], START)
        tx.run("UPDATE due SET parked = 'hold', parked_on = 'item' WHERE workspace = %(ws)s")

    do(park)
    do(lambda tx: _publish(tx, "one"))
    rows = do(
        lambda tx: tx.rows(
            "SELECT lane, parked FROM due WHERE workspace = %(ws)s ORDER BY lane, source_id"
        )
    )
    assert [tuple(row) for row in rows] == [
        ("nordic/customers/visma-se", None),
        ("nordic/documents/visma-se", None),
        ("nordic2/documents/visma-se", "hold"),
    ]
    ids = do(lambda tx: admin.all_due(tx, "nordic/documents/visma-se", "", 10))
    assert ids == ["D-1"]


def test_bridges_lists_what_is_in_force(do: Do) -> None:
    do(lambda tx: _publish(tx, "one"))
    do(lambda tx: _publish(tx, "retail", bridge="retail"))
    do(lambda tx: _publish(tx, "two"))
    found = do(admin.bridges)
    assert [(each.bridge, each.version, each.body) for each in found] == [
        ("nordic", 2, "two"),
        ("retail", 1, "retail"),
    ]


def test_a_renewed_sign_in_lets_waiting_changes_go(do: Do) -> None:
    later = START + timedelta(hours=1)

    def wait(tx: Tx) -> None:
        for number, (connection, state) in enumerate(
            (("visma-se", "ready"), ("visma-se", "applied"), ("visma-no", "ready"))
        ):
            key = f"K{number}"
            tx.run(
                "INSERT INTO slot (workspace, key13, crm_org, source_id, company, kind, part,"
                " connection, bridge, generation) VALUES (%(ws)s, %(key)s, 'org', %(key)s, 'c',"
                " 'document', 0, %(connection)s, 'nordic', 1)",
                key=key,
                connection=connection,
            )
            tx.run(
                "INSERT INTO operation (workspace, id, bridge, lane, connection, key13, key,"
                " source_id, entity, action, generation, seq, state, payload_rev, want_digest,"
                " config_version, not_before, created_at, updated_at) VALUES (%(ws)s, %(key)s,"
                " 'nordic', 'l', %(connection)s, %(key)s, %(key)s, %(key)s, 'document', 'create',"
                " 1, 1, %(state)s, 1, '', 1, %(later)s, %(now)s, %(now)s)",
                key=key,
                connection=connection,
                state=state,
                later=later,
                now=START,
            )

    do(wait)
    assert do(lambda tx: admin.waiting_on(tx, "visma-se")) == 1
    assert do(lambda tx: admin.due_again(tx, "visma-se", START)) == 1
    rows = do(
        lambda tx: tx.rows(
            "SELECT id, not_before FROM operation WHERE workspace = %(ws)s ORDER BY id"
        )
    )
    assert [tuple(row) for row in rows] == [("K0", None), ("K1", later), ("K2", later)]


def test_a_bridge_that_the_backup_lacked_recovers_too(do: Do) -> None:
    """The others of its workspace end their recovery one by one; that of the database is last."""
    do(lambda tx: _publish(tx, "a"))
    until = START + timedelta(hours=1)
    do(lambda tx: recovering.begin(tx, 1, 9, until, START, CountingIds(), ALL_ON))
    do(lambda tx: _publish(tx, "b", "southern"))
    for bridge in ("nordic", "southern"):
        assert do(lambda tx, bridge=bridge: recovering.recovery(tx, bridge)) == (until, 2)

    do(lambda tx: recovering.read_done(tx, "nordic", None, START))
    assert do(lambda tx: recovering.recovery(tx, "nordic")) is None
    assert do(lambda tx: recovering.recovery(tx, "southern")) == (until, 2)
    assert "restore_read_through" not in _kinds(do)
    do(lambda tx: recovering.read_done(tx, "southern", None, START))
    assert _kinds(do).count("restore_read_through") == 1
    do(lambda tx: _publish(tx, "c", "later"))
    assert do(lambda tx: recovering.recovery(tx, "later")) is None
