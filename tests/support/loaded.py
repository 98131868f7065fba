"""
Processes of the program and of the simulators that need not load anything: they are forked from
one that has.

What a test starts here is a process of its own, with its words, folder, environment, signals and
exit code; only the second that Python takes to read all modules is spent once per test worker.
Where that start itself is the question, a test takes `subprocess`.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

_LARGEST = 1 << 17
PROGRAMS = {"tieout": "tieout.cli.main", "tieout_sandbox": "tieout_sandbox.kit.cli"}


@dataclass(slots=True)
class Started:
    """A process that was started; used as one of `subprocess`."""

    pid: int
    stdout: TextIO | None
    returncode: int | None
    _told: TextIO

    def poll(self) -> int | None:
        """Its exit code, the negative number of the signal that ended it, or None: it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """The same at its end; raises TimeoutExpired after so many seconds, if any are given."""
        code = self._look(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As if the machine had run out of memory."""
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], seconds)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode


def start(program: str, *words: str) -> Started:
    """The program with its standard output to be read, in this folder and environment."""
    reading, writing = os.pipe()
    with open(os.devnull, "r+b") as nothing:
        try:
            made = _ask(program, words, Path.cwd(), os.environ, nothing.fileno(), writing)
        finally:
            os.close(writing)
    made.stdout = os.fdopen(reading, encoding="utf-8")
    return made


def run(
    program: str,
    words: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: str,
    timeout: float,
) -> tuple[int, str, str]:
    """The program to its end: exit code, standard output, standard error."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin.encode())
        given.seek(0)
        files = (given.fileno(), out.fileno(), err.fileno())
        made = _ask(program, words, folder, environment, *files)
        try:
            code = made.wait(timeout)
        except subprocess.TimeoutExpired:
            made.kill()
            raise
        out.seek(0)
        err.seek(0)
        return code, out.read().decode(), err.read().decode()


def _ask(
    program: str,
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    stdin: int,
    stdout: int,
    stderr: int | None = None,
) -> Started:
    asked = json.dumps([program, list(words), str(folder), dict(environment)]).encode()
    reading, writing = os.pipe()
    try:
        files = [stdin, stdout, stdin if stderr is None else stderr, writing]
        socket.send_fds(_loaded(), [asked], files)
    finally:
        os.close(writing)
    told = os.fdopen(reading, encoding="ascii", buffering=1)
    return Started(int(told.readline()), None, None, told)


@functools.cache
def _loaded() -> socket.socket:
    """The process that has loaded everything, by the line to it; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
    return ours


# --- in that process -----------------------------------------------------------------------------


def _load() -> None:
    """Reads every module, except what is no module but a step of a migration."""
    for top in ("tieout", "tieout_sandbox"):
        package = importlib.import_module(top)
        for found in pkgutil.walk_packages(package.__path__, f"{top}."):
            if "__main__" not in found.name and ".migrations." not in found.name:
                importlib.import_module(found.name)
    importlib.import_module("alembic.command")
    gc.collect()
    gc.freeze()


def _serve(line: socket.socket) -> None:
    """Starts what is asked for, until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, files, _, _ = socket.recv_fds(line, _LARGEST, 4)
        if not asked:
            return
        if os.fork() == 0:
            line.close()
            _keep(json.loads(asked), files)
        for file in files:
            os.close(file)


def _keep(asked: tuple[str, list[str], str, dict[str, str]], files: list[int]) -> None:
    """Starts one and tells its number and, at its end, its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, told = files
    pid = os.fork()
    if pid == 0:
        os.close(told)
        _become(*asked, standard)
    for file in standard:
        os.close(file)
    os.write(told, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(
    program: str,
    words: list[str],
    folder: str,
    environment: dict[str, str],
    standard: list[int],
) -> None:
    """This process is that program from here on."""
    for number, file in enumerate(standard):
        os.dup2(file, number)
    for file in set(standard) - {0, 1, 2}:
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = [program, *words]
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace", buffering=1, closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if program == "tieout":
            importlib.import_module("tieout.cli.starting").guard()
        code = importlib.import_module(PROGRAMS[program]).run(words)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except (Exception, KeyboardInterrupt):  # noqa: BLE001 (what Python itself does at the end)
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    # The modules beside this one are the tests' own.
    del sys.path[0]
    _load()
    _serve(socket.socket(fileno=int(sys.argv[1])))
