"""Tryton's process: apart from others, back after a crash, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from support import tryton_server
from support.tryton_server import ROOT, RunningTryton, TrytonPlant, require_tryton
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.postgres import Postgres
from tieout_sandbox.tryton.rpc import TrytonError
from tieout_sandbox.tryton.server import ServerFailedError, TrytonMissingError, TrytonServer

pytestmark = pytest.mark.slow

_GONE_SECONDS = 20.0


def _wait_until_gone(pid: int) -> bool:
    end = time.monotonic() + _GONE_SECONDS
    while time.monotonic() < end:
        if not _group(pid):
            return True
        time.sleep(0.05)
    return False


def _group(group: int) -> list[int]:
    """The living processes of a process group; those that wait to be fetched do not count."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def _sessions(postgres: Postgres, database: str) -> int:
    with psycopg.connect(host=postgres.host, user=postgres.user, dbname="postgres") as admin:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        row = admin.execute(query, (database,)).fetchone()
    assert row is not None
    return int(row[0])


def test_the_server_is_of_a_series_that_is_pinned(tryton_group: RunningTryton) -> None:
    assert tryton_group.admin.version() in ("8.0", "8.2")


def test_two_databases_are_apart(tryton: RunningTryton, tryton_group: RunningTryton) -> None:
    assert (tryton.port, tryton.database) != (tryton_group.port, tryton_group.database)
    key = {"name": "Nordhavn Kaffe AB", "tieout_key": "the-same"}
    tryton.admin.create("party.party", key)
    assert tryton_group.admin.search("party.party", [["tieout_key", "=", "the-same"]], []) == []
    tryton_group.admin.create("party.party", key)
    with pytest.raises(TrytonError, match="Tieout key must be unique"):
        tryton.admin.create("party.party", key)


def test_companies_that_share_a_server_share_nothing_else(tryton_plant: TrytonPlant) -> None:
    plant = replace(tryton_plant, _shared=[])
    try:
        with plant.sharing() as first, plant.sharing() as second:
            pid = first.server.pid
            assert pid is not None
            assert (second.port, second.server.pid) == (first.port, pid)
            first.admin.create("party.party", {"name": "Nordhavn", "tieout_key": "mine"})
            assert second.admin.search("party.party", [["tieout_key", "=", "mine"]], []) == []
            assert second.person("anna").search("account.invoice", [], []) == []
            with pytest.raises(AssertionError, match="others use this server"):
                second.kill()
        with plant.sharing() as third:
            # Nothing of those before is remembered, although it is the same process.
            assert third.server.pid == pid
            assert third.admin.search("party.party", [["tieout_key", "=", "mine"]], []) == []
        assert _group(pid) == [pid]
    finally:
        plant.close()
    assert _wait_until_gone(pid)


def test_one_process_may_serve_two_databases(tryton_plant: TrytonPlant) -> None:
    with (
        tryton_plant.database() as first,
        tryton_plant.database() as second,
        tryton_plant.server(first, second) as server,
    ):
        names = []
        for database in (first, second):
            client = server.client(database)
            client.log_in("admin", "admin-secret")
            client.create("party.party", {"name": database})
            domain = [["name", "like", "tryton_%"]]
            names.append([row["name"] for row in client.search("party.party", domain, ["name"])])
    assert names == [[first], [second]]


def test_what_was_answered_is_there_after_a_kill(tryton_alone: RunningTryton) -> None:
    made = tryton_alone.admin.create("party.party", {"name": "Nordhavn", "tieout_key": "kept"})
    port, pid = tryton_alone.port, tryton_alone.server.pid
    assert pid is not None
    tryton_alone.kill()
    assert _wait_until_gone(pid)
    with pytest.raises(ConnectionRefusedError):
        tryton_alone.admin.version()
    tryton_alone.restart()
    assert tryton_alone.port == port
    found = tryton_alone.admin.search("party.party", [["tieout_key", "=", "kept"]], [])
    assert [row["id"] for row in found] == [made]


def test_a_list_that_was_cut_off_by_a_kill_leaves_no_record(tryton_alone: RunningTryton) -> None:
    rows = [{"name": f"Customer {n}", "tieout_key": f"cut-{n}"} for n in range(800)]
    failed: list[Exception] = []

    def create() -> None:
        try:
            tryton_alone.admin.call("model.party.party.create", rows)
        except (OSError, TrytonError) as error:
            failed.append(error)

    calling = threading.Thread(target=create)
    calling.start()
    time.sleep(0.5)
    tryton_alone.kill()
    calling.join()
    assert len(failed) == 1
    tryton_alone.restart()
    assert tryton_alone.admin.search("party.party", [["tieout_key", "like", "cut-%"]], []) == []


def test_a_stop_leaves_no_process_and_no_session_of_the_database(
    tryton_plant: TrytonPlant,
) -> None:
    with tryton_plant.database() as database:
        for end in (TrytonServer.stop, TrytonServer.kill):
            server = tryton_plant.server(database)
            server.start()
            server.client().log_in("admin", "admin-secret")
            pid = server.pid
            assert pid is not None
            assert _group(pid)
            end(server)
            assert _wait_until_gone(pid)
            deadline = time.monotonic() + _GONE_SECONDS
            while _sessions(tryton_plant.postgres, database) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert _sessions(tryton_plant.postgres, database) == 0


_PARENT = """
import sys, time
from pathlib import Path
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.postgres import Postgres
from tieout_sandbox.tryton.server import TrytonServer
venv, host, user, database, log = sys.argv[1:]
server = TrytonServer(venv=Path(venv), postgres=Postgres(host=host, user=user),
                      databases=(database,), log=Path(log))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_takes_tryton_with_it(
    tryton_plant: TrytonPlant, tmp_path: Path, how: signal.Signals
) -> None:
    postgres = tryton_plant.postgres
    with tryton_plant.database() as database:
        known = (tryton_plant.venv, postgres.host, postgres.user, database, tmp_path / "log")
        parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT, *map(str, known)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")},
        )
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert _group(pid) == [pid]
            parent.send_signal(how)
            parent.wait()
            assert _wait_until_gone(pid)
        finally:
            parent.kill()
            parent.wait()


def test_a_server_that_cannot_start_says_why(tryton_plant: TrytonPlant, tmp_path: Path) -> None:
    with tryton_plant.database() as database:
        with tryton_plant.server(database) as first:
            second = TrytonServer(
                venv=tryton_plant.venv,
                postgres=tryton_plant.postgres,
                databases=(database,),
                log=tmp_path / "second.log",
                port=first.port,
            )
            with pytest.raises(ServerFailedError, match="in use"):
                second.start()
        assert second.pid is None


def test_settings_of_the_server_are_a_tests_own(tryton_plant: TrytonPlant) -> None:
    """Here: a session that is fresh for a second only, after which nothing may be posted."""
    with tryton_plant.running({"TRYTOND_SESSION__TIMEOUT": "1"}) as tryton:
        customer = acts.make_customer(tryton.admin, "Nordhavn Kaffe AB")
        item = acts.Line(item=tryton.books.items["KON01"])
        made = acts.make_invoice(tryton.admin, customer, [item])
        time.sleep(2.5)
        with pytest.raises(TrytonError) as refused:
            tryton.admin.call("model.account.invoice.post", [made])
        assert refused.value.status == 401


def test_servers_that_want_one_port_at_once_get_one_each(tryton_plant: TrytonPlant) -> None:
    with tryton_plant.database() as first, tryton_plant.database() as second:
        servers = [tryton_plant.server(first), tryton_plant.server(second)]
        # Chosen before either listens, as two test runs do.
        servers[1].port = servers[0].port
        try:
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(TrytonServer.start, servers))
            assert servers[0].port != servers[1].port
            for server in servers:
                server.client().log_in("admin", "admin-secret")
        finally:
            for server in servers:
                server.stop()


def test_a_missing_environment_fails_and_is_skipped_only_on_wish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(tryton_server.WITHOUT, raising=False)
    monkeypatch.setenv("TIEOUT_TRYTON_VENV", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="make test builds it"):
        require_tryton()
    monkeypatch.setenv(tryton_server.WITHOUT, "1")
    with pytest.raises(pytest.skip.Exception, match="TIEOUT_WITHOUT_TRYTON=1"):
        require_tryton()
    with pytest.raises(TrytonMissingError, match="make test builds it"):
        TrytonServer(
            venv=tmp_path,
            postgres=Postgres(host=str(tmp_path), user="nobody"),
            databases=("none",),
            log=tmp_path / "log",
        ).start()
