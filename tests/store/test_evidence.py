"""The activity chain, filed reports and the mark outside, in a database that was changed."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from support.database import database
from support.fakes import START, ManualClock
from tieout.core.errors import EvidenceError, StoreError
from tieout.store import evidence
from tieout.store.database import BlockingRunner, Tx, blocking_engine, in_workspace
from tieout.store.evidence import Head, HighWater, Verified
from tieout.store.workspaces import ensure_workspace

Do = Callable[[Callable[[Tx], Any]], Any]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with database("evidence") as made:
        yield made


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[Engine]:
    made = blocking_engine(url)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Engine]:
    """Somebody who may change everything, from outside."""
    made = blocking_engine(url, as_app=False)
    yield made
    made.dispose()


@pytest.fixture
def workspace(engine: Engine, request: pytest.FixtureRequest) -> str:
    name = str(request.node.name)
    with engine.begin() as conn:
        ensure_workspace(name, name, START)(conn)
    return name


@pytest.fixture
def do(engine: Engine, workspace: str) -> Do:
    count = iter(range(1_000_000))

    def run(work: Callable[[Tx], Any]) -> Any:
        now = START + timedelta(seconds=next(count), microseconds=123)
        with engine.begin() as conn:
            return in_workspace(workspace, now, "anna.lind", work)(conn)

    return run


def _write(do: Do, number: int) -> None:
    for index in range(number):
        do(lambda tx, index=index: tx.log("noted", number=index))


def _verify(engine: Engine, workspace: str) -> Verified:
    return asyncio.run(
        evidence.verify_log(BlockingRunner(engine), workspace=workspace, now=START, who="test")
    )


def _tamper(owner: Engine, workspace: str, sql: str) -> None:
    with owner.begin() as conn:
        assert conn.exec_driver_sql(sql, {"ws": workspace}).rowcount > 0


def test_a_whole_log_fits_also_over_several_windows(
    engine: Engine, do: Do, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "WINDOW", 3)
    assert _verify(engine, workspace).entries == 0
    _write(do, 10)
    found = _verify(engine, workspace)
    assert (found.entries, found.broken) == (10, None)
    assert found.head.started_at == START
    assert found.head.seq == 10


@pytest.mark.parametrize(
    ("sql", "seq", "why", "dated"),
    [
        (
            "UPDATE activity SET who = 'mallory' WHERE workspace=%(ws)s AND seq=4",
            4,
            "content",
            True,
        ),
        (
            "UPDATE activity SET entries = '[]' WHERE workspace=%(ws)s AND seq=1",
            1,
            "content",
            True,
        ),
        (
            "UPDATE activity SET at = at + interval '1 microsecond'"
            " WHERE workspace=%(ws)s AND seq=6",
            6,
            "content",
            True,
        ),
        ("DELETE FROM activity WHERE workspace=%(ws)s AND seq=3", 3, "missing", False),
        ("DELETE FROM activity WHERE workspace=%(ws)s AND seq>=6", 6, "missing", False),
        (
            "UPDATE activity SET previous = hash WHERE workspace=%(ws)s AND seq=2",
            2,
            "previous",
            True,
        ),
        (
            "UPDATE activity_head SET hash = '\\x00' WHERE workspace=%(ws)s",
            6,
            "head",
            False,
        ),
    ],
)
def test_the_first_entry_that_does_not_fit_is_named(
    engine: Engine,
    owner: Engine,
    do: Do,
    workspace: str,
    sql: str,
    seq: int,
    why: str,
    dated: bool,
) -> None:
    _write(do, 6)
    _tamper(owner, workspace, sql)
    broken = _verify(engine, workspace).broken
    assert broken is not None
    assert (broken.seq, broken.why, broken.at is not None) == (seq, why, dated)


def test_a_report_is_filed_once_and_its_change_shows(do: Do, owner: Engine, workspace: str) -> None:
    def file(body: bytes) -> Callable[[Tx], Any]:
        return lambda tx: evidence.file_report(
            tx, bridge="nordic", month="2026-10", body=body, who="anna.lind", now=START
        )

    filed = do(file(b"report"))
    assert filed.intact
    assert do(file(b"another")) is None
    found = do(lambda tx: evidence.filed_report(tx, "nordic", "2026-10"))
    assert (found.body, found.intact) == (b"report", True)
    assert do(lambda tx: evidence.filed_months(tx, "nordic")) == ["2026-10"]
    assert do(lambda tx: evidence.filed_report(tx, "nordic", "2026-09")) is None
    _tamper(owner, workspace, "UPDATE filed_report SET body = 'mine' WHERE workspace=%(ws)s")
    assert not do(lambda tx: evidence.filed_report(tx, "nordic", "2026-10")).intact


def test_a_report_exchanged_with_its_hash_does_not_fit_the_log(
    do: Do, owner: Engine, workspace: str
) -> None:
    do(
        lambda tx: evidence.file_report(
            tx, bridge="nordic", month="2026-10", body=b"report", who="a", now=START
        )
    )
    _tamper(
        owner,
        workspace,
        "UPDATE filed_report SET body = 'mine', sha256 = encode(sha256('mine'), 'hex')"
        " WHERE workspace=%(ws)s",
    )
    found = do(lambda tx: evidence.filed_report(tx, "nordic", "2026-10"))
    assert found.intact
    assert do(lambda tx: evidence.logged_report_hash(tx, "nordic", "2026-10")) != found.sha256
    assert do(lambda tx: evidence.logged_report_hash(tx, "nordic", "2026-09")) is None


def test_the_mark_goes_forward_and_shows_a_database_put_back(
    do: Do, owner: Engine, workspace: str, tmp_path: Path
) -> None:
    mark = HighWater(tmp_path / "high-water")
    assert mark.read() is None
    assert not do(lambda tx: evidence.is_restored(tx, mark.read()))
    _write(do, 3)
    early = do(evidence.head)
    mark.write(early)
    _write(do, 3)
    mark.write(do(evidence.head))
    mark.write(early)
    noted = mark.read()
    assert noted is not None
    assert noted.seq == 6
    assert not do(lambda tx: evidence.is_restored(tx, noted))
    # Put back to its state after three entries.
    _tamper(owner, workspace, "DELETE FROM activity WHERE workspace=%(ws)s AND seq > 3")
    _tamper(
        owner,
        workspace,
        "UPDATE activity_head SET seq = 3, hash = (SELECT hash FROM activity WHERE"
        " workspace=%(ws)s AND seq = 3) WHERE workspace=%(ws)s",
    )
    assert do(lambda tx: evidence.is_restored(tx, noted))
    # Other work since does not hide it: entry 6 is not the one that was noted.
    _write(do, 5)
    assert do(lambda tx: evidence.is_restored(tx, noted))


def test_a_recognised_restore_begins_a_new_epoch(do: Do, tmp_path: Path) -> None:
    mark = HighWater(tmp_path / "high-water")
    _write(do, 4)
    mark.write(do(evidence.head))
    noted = mark.read()
    assert noted is not None
    until = START + timedelta(hours=1)
    assert do(lambda tx: evidence.begin_recovery(tx, noted, until)) == 2
    assert do(evidence.recovering_until) == until
    assert not do(lambda tx: evidence.is_restored(tx, noted))
    mark.write(do(evidence.head))
    after = mark.read()
    assert after is not None
    assert (after.epoch, after.seq) == (2, 5)


def test_a_damaged_mark_is_told(tmp_path: Path) -> None:
    path = tmp_path / "high-water"
    path.write_text("{half", encoding="utf-8")
    with pytest.raises(EvidenceError) as caught:
        HighWater(path).read()
    assert caught.value.code == "high_water_damaged"


def test_what_is_about_to_be_sent_moves_the_mark(
    engine: Engine, workspace: str, tmp_path: Path
) -> None:
    from tieout.bootstrap import UlidIds
    from tieout.store.marked import MarkedStore

    clock = ManualClock()
    mark = HighWater(tmp_path / "high-water")
    store = MarkedStore(
        BlockingRunner(engine), workspace=workspace, ids=UlidIds(clock), clock=clock, mark=mark
    )

    async def run() -> None:
        assert await store.mark_started([], "worker", 60, clock.now()) == {}
        assert mark.read() is None
        await store.do(lambda tx: tx.log("noted"))
        await store.note_mark()

    asyncio.run(run())
    noted = mark.read()
    assert noted is not None
    assert noted.seq == 1


def test_a_mark_that_the_disk_cannot_take_is_an_error_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    head = Head(epoch=1, seq=3, hash=b"x", started_at=datetime(2026, 11, 25, tzinfo=UTC))
    with pytest.raises(StoreError) as caught:
        HighWater(tmp_path / "high-water").write(head)
    assert caught.value.code == "disk_full"
    assert "Nothing more was sent." in caught.value.message


def test_a_mark_is_not_written_through_a_link(tmp_path: Path) -> None:
    theirs = tmp_path / "of-the-system"
    theirs.write_text("theirs")
    (tmp_path / "high-water.new").symlink_to(theirs)
    mark = HighWater(tmp_path / "high-water")
    mark.write(Head(epoch=1, seq=3, hash=b"x", started_at=datetime(2026, 11, 25, tzinfo=UTC)))
    assert theirs.read_text() == "theirs"
    noted = mark.read()
    assert noted is not None
    assert noted.seq == 3
    assert (tmp_path / "high-water").stat().st_mode & 0o077 == 0
