"""A lease is not waited for when its process is gone for certain, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tieout.store import alive

pytestmark = pytest.mark.skipif(
    alive.marked("x") == "x", reason="this machine does not tell boots and starts of processes"
)


@contextmanager
def another() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_process_that_runs_is_not_gone() -> None:
    assert not alive.is_gone(alive.marked(f"process {os.getpid()}"))
    with another() as process:
        assert not alive.is_gone(alive.marked("process x", process.pid))


def test_a_killed_one_is_gone_whether_or_not_it_was_buried() -> None:
    with another() as process:
        name = alive.marked("process x", process.pid)
        process.kill()
        while (Path("/proc") / str(process.pid) / "stat").read_text().rpartition(")")[2][1] != "Z":
            pass
        assert alive.is_gone(name)
        process.wait()
        assert alive.is_gone(name)


def test_a_number_that_is_used_again_is_another_process() -> None:
    name = alive.marked("process x")
    before, _, start = name.rstrip("]").rpartition(" ")
    assert alive.is_gone(f"{before} {int(start) - 1}]")


@pytest.mark.parametrize("part", ["boot", "space"])
def test_of_another_machine_nothing_is_known(part: str) -> None:
    with another() as process:
        name = alive.marked("process x", process.pid)
        process.kill()
        process.wait()
    words = name.split()
    place = 2 if part == "boot" else 3
    words[place] = words[place][:-1] + ("0" if words[place][-1] != "0" else "1")
    assert not alive.is_gone(" ".join(words))


def test_a_name_without_marks_is_never_gone(tmp_path: Path) -> None:
    assert not alive.is_gone("process 4121")
    assert alive.marked("process 4121", proc=tmp_path) == "process 4121"
    assert alive.shown(alive.marked("process 4121")) == "process 4121"
