"""
The folder of a test run: its databases, and the state folder of every `tieout` that it starts.

It lies where every account may pass through, and goes with the run. What a killed run left goes
when the next one begins: the kernel has freed its lock by then.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tieout.store.embedded_place import account_for, can_reach

_RUN = "PYTEST_XDIST_TESTRUNUID"
_STATE = "TIEOUT_STATE_DIR"
_LOCK = "run.lock"
# Servers whose last user has just ended take a moment to write their last.
_REMOVE_SECONDS = 5.0
_held: dict[Path, int] = {}
_begun: list[Path] = []


def begin(run: str) -> Path:
    """The folder of a run that xdist will name so for its workers."""
    os.environ[_RUN] = run
    _begun.append(folder())
    return _begun[-1]


def end() -> None:
    """What this process began goes; a run that it has only joined stays, others may be at work."""
    while _begun:
        remove(_begun.pop())


def folder() -> Path:
    """
    This run's folder, made at the first call and held while this process lives; from then on
    TIEOUT_STATE_DIR is in it.

    xdist names the run for its workers, which share it; every other process has one of its own,
    which goes when it ends.
    """
    home = parent() / os.environ.get(_RUN, f"single-{os.getpid()}")
    if home not in _held:
        with _alone(home.parent):
            sweep(home.parent)
            home.mkdir(exist_ok=True)
            _held[home] = hold(home)
        (home / "state").mkdir(exist_ok=True)
        for place in (home, home / "state"):
            place.chmod(0o755)
        os.environ[_STATE] = str(home / "state")
        if _RUN not in os.environ:
            _begun.append(home)
            atexit.register(_end_as, os.getpid())
    return home


def handed_on() -> dict[str, str]:
    """What a process has to get of us that gets nothing else of our environment."""
    folder()
    return {_STATE: os.environ[_STATE]}


def remove(home: Path) -> None:
    """A run's folder goes with all that is in it."""
    late = time.monotonic() + _REMOVE_SECONDS
    while home.exists() and time.monotonic() < late:
        shutil.rmtree(home, ignore_errors=True)
        time.sleep(0.01)
    held = _held.pop(home, None)
    if held is not None:
        os.close(held)


def _end_as(who: int) -> None:
    # A child that was forked ends sooner than the run.
    if os.getpid() == who:
        end()


def parent() -> Path:
    """
    Where the folders of all runs are: a short path, since sockets lie below, that the account
    of a server can pass through.
    """
    root = Path("/")
    account = account_for(root, root)
    places = [Path(tempfile.gettempdir()), Path("/tmp")]
    base = next((place for place in places if can_reach(place, account)), places[0])
    found = base / f"tieout-tests-{os.getuid()}"
    found.mkdir(exist_ok=True)
    found.chmod(0o755)
    return found


@contextmanager
def _alone(above: Path) -> Iterator[None]:
    with (above / "sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def hold(home: Path) -> int:
    """A descriptor that keeps the folder from being swept, as long as this process lives."""
    held = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(held, fcntl.LOCK_SH)
    return held


def sweep(above: Path) -> None:
    """Removes the folders of runs of which no process is left. Called by who is alone."""
    for lock in above.glob(f"*/{_LOCK}"):
        try:
            opened = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # it ends just now
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(opened)
