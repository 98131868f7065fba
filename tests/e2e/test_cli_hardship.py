"""What a user and an operator meet on a bad day: one sentence, the right code, nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from e2e.admin_kit import open_folder
from support.daily_story import small_company
from support.served_project import Program, Served, connect_project, simulators
from tieout.bootstrap import SystemClock, open_project
from tieout.services.project import Project
from tieout.store import embedded_place
from tieout.store.embedded import EmbeddedServer
from tieout.storing import Lease

pytestmark = pytest.mark.timeout(180)
MB = 1_000_000


@dataclass
class BadDay:
    """A connected project on the embedded database, which runs already, with four won deals."""

    tieout: Program
    crm: Served
    books: Served

    def drafts(self) -> list[Any]:
        """What the books hold."""
        address = f"{self.books.base_url}/_sandbox/records/customerinvoicedrafts"
        with urlopen(address, timeout=30) as answer:
            found = json.loads(answer.read())
        rows = found if isinstance(found, list) else found["items"]
        return [row for row in rows if not row.get("_deleted")]


@pytest.fixture
def bad_day() -> Iterator[BadDay]:
    with open_folder() as home, simulators() as (crm, books):
        small_company(crm, books)
        root: Path = home / "nordic"
        program = connect_project(root, crm, books, "auto")
        with EmbeddedServer(root / ".tieout", durable=False):
            yield BadDay(program, crm, books)


def test_nothing_is_sent_that_a_full_disk_could_not_record(
    bad_day: BadDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server runs already, so that only the look before each group of sends can tell.
    monkeypatch.setattr(embedded_place, "free_bytes", lambda folder: 180 * MB)
    for words in (("apply", "--yes"), ("run", "--once")):
        ended = bad_day.tieout.inside(*words, "--json")
        told = ended.json()
        assert (ended.code, told["error"]["code"]) == (12, "disk_full"), told
        assert told["error"]["message"] == (
            "180 MB free, 200 needed to record what is sent. Nothing was sent."
        )
    assert bad_day.drafts() == []

    monkeypatch.undo()
    assert bad_day.tieout.inside("run", "--once").code == 0
    assert len(bad_day.drafts()) == 3


def test_a_disk_that_fills_up_between_two_groups_stops_the_second(
    bad_day: BadDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def free(folder: Path) -> int:
        # Customers are the first group, their documents the second.
        asked.append(1)
        return 500 * MB if len(asked) == 1 else 180 * MB

    monkeypatch.setattr(embedded_place, "free_bytes", free)
    ended = bad_day.tieout.inside("apply", "--yes")
    assert ended.code == 12
    assert "Nothing more was sent." in ended.err
    assert bad_day.drafts() == []

    monkeypatch.undo()
    assert bad_day.tieout.inside("run", "--once").code == 0
    assert len(bad_day.drafts()) == 3


def test_who_works_already_is_named_alike_by_all_commands(bad_day: BadDay) -> None:
    async def held() -> Lease:
        project = Project(bad_day.tieout.root)
        async with open_project(project, SystemClock(), durable=False) as opened:
            since = opened.clock.now()
            taken = await opened.store.take_lease("nordic", "other", "process 4121", 60, since)
            assert isinstance(taken, Lease)
            return taken

    asyncio.run(held())
    said = {}
    for words in (("run", "--once"), ("plan",), ("apply", "--yes"), ("doctor",)):
        ended = bad_day.tieout.inside(*words)
        said[words[0]] = (ended.code, ended.err)
    assert {code for code, _ in said.values()} <= {0, 7, 8}
    assert said["run"] == said["plan"] == said["apply"]
    assert said["run"][0] == 7
    assert "(process 4121). Nothing was done." in said["run"][1]
    assert bad_day.drafts() == []


def test_a_reader_that_has_seen_enough_is_no_trouble() -> None:
    """As `tieout sandbox credentials salesforce | head -1` has it."""
    for words in (("sandbox", "credentials", "salesforce"), ("help",)):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "tieout.cli.main", *words],
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(writer)
        assert done.stderr == ""
