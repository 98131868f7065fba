"""A running trytond: started on a port of its own, stopped, killed, started again."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from tieout_sandbox.tryton import tether
from tieout_sandbox.tryton.postgres import Postgres
from tieout_sandbox.tryton.rpc import Tryton, TrytonError

READY_SECONDS = 60.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02
_OTHER_PORTS = 8


class TrytonMissingError(Exception):
    """There is no environment with Tryton in it, or it is not the one that belongs here."""


class ServerFailedError(Exception):
    """trytond did not start, or a command of it failed; the end of its log is in the message."""


class PortTakenError(ServerFailedError):
    """Somebody else listens on the server's port."""


def program(venv: Path, name: str) -> Path:
    """The path of a program of the Tryton environment. Raises TrytonMissingError."""
    found = venv / "bin" / name
    if not found.is_file():
        raise TrytonMissingError(f"{found} is missing: make test builds it")
    return found


def tethered(
    venv: Path, name: str, *arguments: str, settings: Mapping[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a program of the Tryton environment in its own process group; it ends with us."""
    python, path = program(venv, "python"), program(venv, name)
    # Nothing else of our environment: PGHOST, PYTHONPATH and the like would be obeyed.
    kept = {key: os.environ[key] for key in ("HOME", "PATH", "TMPDIR") if key in os.environ}
    return subprocess.Popen(  # noqa: S603 - a program of the environment that make builds
        [python, "-I", tether.__file__, str(os.getpid()), str(path), *arguments],
        env={**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **settings},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def free_port() -> int:
    """
    A port of 127.0.0.1 that nobody listens on at this moment.

    From a stretch below those that the system hands out for connections, begun at another place
    by each process. Somebody else may still be faster: `start` then takes the next one.
    """
    for _ in range(_PORTS):
        port = _FIRST_PORT + next(_next_port) % _PORTS
        if not _is_taken(port):
            return port
    raise ServerFailedError(f"no free port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS}")


_FIRST_PORT, _PORTS = 30_100, 2_600
_next_port = itertools.count(os.getpid() * 61)


def _is_taken(port: int) -> bool:
    with socket.socket() as trying:
        # As the server does: what is left of one that was just killed is no hindrance.
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _listens(pid: int, port: int) -> bool:
    """Whether it is this process that listens on the port. Without /proc: taken to be."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        return True
    wanted, listening = f"0100007F:{port:04X}", "0A"
    rows = [line.split() for line in table.read_text("ascii").splitlines()[1:]]
    inodes = {row[9] for row in rows if row[1] == wanted and row[3] == listening}
    for opened in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            if os.readlink(opened).removeprefix("socket:[").rstrip("]") in inodes:
                return True
    return False


class TrytonServer:
    """
    One trytond over one or more databases. `start` it again after `stop` or `kill`: same port.

    `settings` are further `TRYTOND_<SECTION>__<OPTION>` variables.
    """

    def __init__(
        self,
        *,
        venv: Path,
        postgres: Postgres,
        databases: tuple[str, ...],
        log: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.databases = databases
        self.log = log
        self._venv = venv
        # A port of our own choice may be another one, until the first start has succeeded.
        self._fixed = port is not None
        self._settings = {
            "TRYTOND_DATABASE__URI": postgres.uri(),
            "TRYTOND_WEB__ROOT": "",
            "TRYTOND_SESSION__AUTHENTICATIONS": "password",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address that a client is given, without a database."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process, which is also its process group, while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers (a second). Raises ServerFailedError."""
        if self._process is not None:
            raise RuntimeError("this server runs already")
        for _ in range(_OTHER_PORTS):
            try:
                self._start()
            except PortTakenError:
                if self._fixed:
                    raise
                self.port = free_port()
            else:
                self._fixed = True
                return
        raise PortTakenError(f"none of {_OTHER_PORTS} ports was free")

    def _start(self) -> None:
        if _is_taken(self.port):
            raise PortTakenError(f"port {self.port} is in use by another process")
        listen = {"TRYTOND_WEB__LISTEN": f"127.0.0.1:{self.port}"}
        with self.log.open("ab") as log:
            self._process = tethered(
                self._venv,
                "trytond",
                # Without -d no model is ever loaded, and every login fails.
                *("-d", *self.databases),
                settings={**self._settings, **listen},
                log=log,
            )
        try:
            self._wait_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def client(self, database: str | None = None) -> Tryton:
        """A client without a session, by default for the first database."""
        return Tryton(self.port, database or self.databases[0])

    def stop(self) -> None:
        """End it and wait until it is gone. Nothing happens where it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> TrytonServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                said = f"trytond ended at its start:\n{tail(self.log)}"
                raise PortTakenError(said) if _is_taken(self.port) else ServerFailedError(said)
            # An answer alone may come from a stranger who got the port before ours did.
            if _listens(process.pid, self.port):
                with contextlib.suppress(OSError, http.client.HTTPException, TrytonError):
                    self.client().version()
                    return
            time.sleep(_POLL_SECONDS)
        raise ServerFailedError(f"trytond did not answer:\n{tail(self.log)}")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            end_group(process, how)


def end_group(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """End a `tethered` process with all that it started, and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        if process.stdin is not None:
            process.stdin.close()


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, for a message."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
