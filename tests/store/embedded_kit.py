"""What the tests of the embedded server share: open folders, client processes, a look at /proc."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

SOURCES = Path(__file__).resolve().parents[2] / "src"
SITE = Path(psycopg.__file__).resolve().parent.parent

# Starts, adds a row, says which server it was, and does as it is told on its standard input.
CLIENT = """
import sys
from pathlib import Path
import psycopg
from tieout.store.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), durable=False)
url = server.start()
with psycopg.connect(url.replace("+psycopg", "")) as c:
    if sys.argv[2] == "1":
        c.execute("select pg_advisory_xact_lock(1)")
        c.execute("create table if not exists seen (who int)")
    c.execute("insert into seen values (%s)", (int(sys.argv[2]),))
    backend = c.execute("select pg_backend_pid()").fetchone()[0]
print(backend, open(server.folder / "pg.server").read().split()[0], url, flush=True)
sys.stdin.readline()
server.stop()
"""


@contextmanager
def open_home() -> Iterator[Path]:
    """
    A folder that every account may enter, unlike pytest's, removed afterwards.

    Fails if a process of a server in it is left.
    """
    home = Path(tempfile.mkdtemp(prefix="tieout-home-", dir="/tmp"))
    home.chmod(0o755)
    try:
        yield home
        assert gone(home, seconds=5.0), processes_in(home)
    finally:
        for pid in processes_in(home):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(home, ignore_errors=True)


def processes_in(home: Path) -> dict[int, str]:
    """Every living process whose working folder is in `home`: server, backends, watcher."""
    found = {}
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            if (place / "cwd").readlink().is_relative_to(home):
                found[int(place.name)] = (place / "cmdline").read_text().replace("\0", " ")
        except (OSError, UnicodeDecodeError):
            continue  # it ended meanwhile
    return found


def gone(home: Path, seconds: float) -> bool:
    """Whether the last process in `home` ended within that time."""
    end = time.monotonic() + seconds
    while processes_in(home):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def pids_like(home: Path, word: str) -> list[int]:
    """The processes in `home` with that word in their command."""
    return [pid for pid, command in processes_in(home).items() if word in command]


def client(
    folder: Path, number: int, *, prefix: Sequence[str] = (), python: str = sys.executable
) -> subprocess.Popen[str]:
    """A process that uses the server of `folder` until its standard input gets a line."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{SOURCES}:{SITE}"}
    # Not `handed_on`: a test may have a state folder of its own.
    environment["TIEOUT_STATE_DIR"] = os.environ["TIEOUT_STATE_DIR"]
    return subprocess.Popen(
        [*prefix, python, "-c", CLIENT, str(folder), str(number)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )


def answer(process: subprocess.Popen[str]) -> tuple[int, int, str]:
    """Backend, server and URL that a client told, once it has added its row."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    backend, server, url = line.split()
    return int(backend), int(server), url


def quit_client(process: subprocess.Popen[str]) -> None:
    """Let it leave in order."""
    _, errors = process.communicate("\n", timeout=20)
    assert process.returncode == 0, errors


def kill_client(process: subprocess.Popen[str]) -> None:
    """Leave it no chance."""
    process.kill()
    process.communicate(timeout=20)


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection of the plain driver, each statement its own transaction."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def seen(url: str) -> list[int]:
    """The rows that clients have added."""
    with connect(url) as connection:
        return [row[0] for row in connection.execute("select who from seen order by who")]
