"""Runs that end in the middle: killed, interrupted twice, hung up on, beside another one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.daily_story import Story, small_company
from support.database import database
from support.served_project import Program, Served, connect_project, simulators

pytestmark = pytest.mark.timeout(240)


@dataclass
class Afternoon:
    """A connected project with four won deals, on a server that runs already."""

    tieout: Program
    crm: Served
    books: Served
    story: Story

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The program in a process of its own, running."""
        return subprocess.Popen(
            [sys.executable, "-m", "tieout.cli.main", *words],
            cwd=self.tieout.root,
            env={**os.environ, **self.tieout.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever runs the tests in the background, or by nohup, has them ignore these.
            preexec_fn=_heard,
        )

    def drafts(self) -> list[dict[str, Any]]:
        """What stands in the books."""
        found = self.books.records("customerinvoicedrafts")
        return [row for row in found if not row.get("_deleted")]

    def until_struck(self) -> None:
        """Waits until a call that the fault is for has arrived in the books."""
        ends = time.monotonic() + 60
        while not self.books.struck():
            assert time.monotonic() < ends, "no such call"
            time.sleep(0.05)


def _heard() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def afternoon(tmp_path: Path, worker_id: str) -> Iterator[Afternoon]:
    with database(f"interrupted_{worker_id}") as url, simulators() as (crm, books):
        story = small_company(crm, books)
        program = connect_project(tmp_path / "nordic", crm, books, "auto", database_url=url)
        yield Afternoon(program, crm, books, story)


DRAFTS = "/v2/customerinvoicedrafts"


@pytest.mark.slow
def test_after_a_kill_the_next_run_takes_over_at_once(afternoon: Afternoon) -> None:
    afternoon.books.fault(kind="slow", seconds=5, method="POST", path=DRAFTS, times=3)
    process = afternoon.start("run", "--once")
    afternoon.until_struck()
    process.kill()
    process.communicate(timeout=20)

    ran = afternoon.tieout.inside("run", "--once", "--json")
    told = ran.json()
    assert told["data"]["after"] == f"process {process.pid}"
    assert ran.code in (0, 9), ran.out
    said = afternoon.tieout.inside("status")
    assert f"process {process.pid}" not in said.out
    # What it had begun to send keeps its lease and horizon: nothing is sent a second time.
    time.sleep(6)
    afternoon.tieout.inside("run", "--once")
    numbers = [row["InvoiceCustomerName"] for row in afternoon.drafts()]
    assert len(numbers) == len(set(numbers)) <= 3


def test_interrupted_twice_only_calls_under_way_are_unknown(afternoon: Afternoon) -> None:
    for number in range(24):
        afternoon.story.deal(f"D-4{number:02}", "Tallmo Skog AB", "SRV-1", f"{1000 + number}")
    afternoon.books.fault(kind="slow", seconds=4, method="POST", path=DRAFTS, times=99)
    process = afternoon.start("run", "--once", "--json")
    afternoon.until_struck()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 2.5
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    looked_up = afternoon.tieout.inside("status", "--json").json()["data"]["open"]
    begun = looked_up.get("operation.started", 0) + looked_up.get("operation.unknown", 0)
    # Four at once, and those whose answer was just on its way into the store.
    assert 0 < begun <= 8, looked_up
    assert looked_up["operation.ready"] >= 15, looked_up


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 143, marks=pytest.mark.slow),
    ],
)
def test_rounds_end_at_a_signal_with_their_work_done(
    afternoon: Afternoon, number: signal.Signals, code: int
) -> None:
    process = afternoon.start("run", "--every", "2s", "--json")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["error"] is None, first
    assert first["data"]["written"] > 0, first
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    last = json.loads(out.splitlines()[-1])
    assert (last["exit_code"], last["error"]["code"]) == (code, "interrupted")
    assert "Traceback" not in err
    assert len(afternoon.drafts()) == 3
    again = afternoon.tieout.inside("run", "--once", "--json")
    assert (again.code, again.json()["data"]["written"]) == (0, 0)


@pytest.mark.slow
def test_two_runs_at_once_make_each_document_once(afternoon: Afternoon) -> None:
    runs = [afternoon.start("run", "--once", "--json") for _ in range(3)]
    ended = [run.communicate(timeout=60) for run in runs]
    codes = sorted(run.returncode for run in runs)
    assert codes[0] == 0, ended
    assert set(codes) <= {0, 7}, ended
    for run, (out, _) in zip(runs, ended, strict=True):
        told = json.loads(out)
        assert told["exit_code"] == run.returncode
        if run.returncode == 7:
            assert told["error"]["code"] == "run_active"
    assert len(afternoon.drafts()) == 3


@pytest.mark.slow
def test_a_run_goes_on_while_a_plan_waits_for_its_answer(afternoon: Afternoon) -> None:
    """`apply` at its question holds nothing; what the run wrote meanwhile is not written again."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tieout.cli.main", "apply"],
        cwd=afternoon.tieout.root,
        env={**os.environ, **afternoon.tieout.environment},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    try:
        said = b""
        while b"[y/N]" not in said:
            said += os.read(ours, 1000)
        ran = afternoon.tieout.inside("run", "--once", "--json")
        assert (ran.code, len(afternoon.drafts())) == (0, 3)
        os.write(ours, b"y\n")
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 0, out
    assert out.splitlines()[-1] == "6 applied before. Nothing was written again."
    assert len(afternoon.drafts()) == 3
