"""What a test run leaves: nothing of its own, and nothing of one that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import run_folder
from support.demo_runs import environment
from tieout.store.embedded_place import state_folder

TESTS = Path(__file__).resolve().parents[1]
# A run of its own, which says where its folder is and waits.
RUN = """
import sys
from support.run_folder import folder
print(folder(), flush=True)
sys.stdin.readline()
"""


@contextmanager
def another_run(temp: Path, **more: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a folder of a run below `temp`."""
    known = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    path = f"{TESTS}{os.pathsep}{TESTS.parent / 'src'}"
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        env={**known, "TMPDIR": str(temp), "PYTHONPATH": path, **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        home = Path(process.stdout.readline().strip())
        assert home.is_relative_to(temp)
        yield process, home
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def temp() -> Iterator[Path]:
    """A folder for temporary ones that every account may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="tieout-temp-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_the_state_folder_of_a_run_is_its_own() -> None:
    home = run_folder.folder()
    assert state_folder() == home / "state"
    assert environment(Path("/nowhere"))["TIEOUT_STATE_DIR"] == str(home / "state")
    assert home.stat().st_mode & 0o777 == 0o755


def test_a_run_takes_its_folder_with_it(temp: Path) -> None:
    with another_run(temp) as (process, home):
        assert (home / "state").is_dir()
        (home / "state" / "left").mkdir()
        process.communicate("\n", timeout=20)
        assert process.returncode == 0
        assert not home.exists()


def test_who_joins_a_run_leaves_its_folder(temp: Path) -> None:
    with another_run(temp, PYTEST_XDIST_TESTRUNUID="named") as (process, home):
        assert home.name == "named"
        process.communicate("\n", timeout=20)
        assert home.is_dir()


def test_a_killed_run_is_swept_by_the_next_and_a_living_one_is_not(temp: Path) -> None:
    with another_run(temp) as (dead, left), another_run(temp) as (_, living):
        (left / "state" / "data").mkdir()
        dead.kill()
        dead.communicate()
        assert left.is_dir()
        with another_run(temp) as (_, third):
            assert not left.exists()
            assert living.is_dir()
            assert third.parent == living.parent


def test_folders_that_no_run_of_this_kind_made_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "strange").mkdir()
    ended = tmp_path / "ended"
    ended.mkdir()
    os.close(run_folder.hold(ended))
    run_folder.sweep(tmp_path)
    assert [found.name for found in tmp_path.iterdir()] == ["strange"]
