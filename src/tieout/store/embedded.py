"""
A PostgreSQL server of our own for a laptop: started by the first user, stopped after the last.

The programs come from an installed wheel; the rest is here, since a server that several processes
share, of which any may be killed, needs locks that the kernel frees (see `embedded_watch`).
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from tieout.store import embedded_watch as locks
from tieout.store.embedded_place import (
    MAJOR,
    Account,
    BinariesMissingError,
    DiskFullError,
    EmbeddedError,
    PlaceRefusedError,
    ServerFailedError,
    account_for,
    check_socket_folder,
    check_space,
    data_of,
    free_bytes,
    socket_folder,
    usable_binaries,
)

__all__ = [
    "OWNER",
    "BinariesMissingError",
    "DiskFullError",
    "EmbeddedError",
    "EmbeddedServer",
    "PlaceRefusedError",
    "ServerFailedError",
    "check_space",
    "free_bytes",
]

OWNER = "tieout_owner"
LOG = "pg.log"
LOG_MAX_BYTES = 5_000_000
# Long enough for the recovery after a crash.
READY_SECONDS = 600.0
ORPHAN_SECONDS = 60.0

_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# Time, zone and process in front of each line of the server's log.
_LOG_PREFIX = re.compile(r"^[-0-9]+ [.:0-9]+ \S+ \[\d+\] (FATAL|PANIC):\s+")

# Our child processes that others may stop: kept, so that they are reaped when they have ended.
_children: list[subprocess.Popen[bytes]] = []


class EmbeddedServer:
    """
    One use of the server of a project's folder.

    Any number of processes, and of these objects, may use one folder at a time; they get the
    same server. It ends with its last user, also when that one is killed.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """`durable=False` is for tests: what was committed may be lost when the machine stops."""
        self.folder = folder.resolve()
        self._durable = durable
        self._users: int | None = None
        self._data: Path | None = None
        self._sockets: Path | None = None

    def start(self) -> str:
        """
        The URL of the running server's database `postgres`, for its owner.

        Makes the data at the first time (below a second), starts the server where none runs.
        Raises DiskFullError before it starts one, and the other EmbeddedErrors.
        """
        if self._users is None:
            _reap()
            with _translated(self.folder):
                _make_folder(self.folder)
                self._enter()
        return self.url()

    def url(self, database: str = "postgres", user: str = OWNER) -> str:
        """The URL of a database of the running server. It is asked for after start()."""
        if self._sockets is None:
            raise RuntimeError("start() the server before asking for its URL")
        host = quote(str(self._sockets), safe="")
        name, login = quote(database, safe=""), quote(user, safe="")
        return f"postgresql+psycopg://{login}@/{name}?host={host}&port=5432"

    def stop(self) -> None:
        """Leave the server. It is stopped, and gone on return, if nobody else uses it."""
        users, self._users, self._sockets = self._users, None, None
        if users is None:
            return
        if not self.folder.exists():
            # Removed under us: the watcher, which has all open, ends the server.
            os.close(users)
            return
        with _opened(self.folder) as folder, _locked(folder):
            # Closed, not unlocked: a forked child that shares the descriptor remains a user.
            os.close(users)
            self._stop_if_unused(folder)
        _reap()

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _enter(self) -> None:
        with _opened(self.folder) as folder, _locked(folder):
            users = locks.open_lock(folder, locks.USERS)
            try:
                # Before anything is started: the watcher takes a free pg.users for the end.
                fcntl.flock(users, fcntl.LOCK_SH)
                self._data = data = data_of(self.folder)
                account = account_for(self.folder, data)
                _ensure_watcher(self.folder, folder, data)
                self._sockets = self._ensure_server(folder, data, account)
            except BaseException:
                os.close(users)
                self._stop_if_unused(folder)
                raise
            self._users = users

    def _ensure_server(self, folder: int, data: Path, account: Account) -> Path:
        log = self.folder / LOG
        if locks.is_held(folder, locks.SERVER) and data.exists():
            adopted = _adopt(folder, data, account, log)
            if adopted is not None:
                return adopted
        check_space(data)
        binaries = usable_binaries(account)
        if not (data / "PG_VERSION").exists():
            _make_data(binaries, data, account, log, durable=self._durable)
        _check_version(data)
        _refuse_stranger(data)
        sockets = socket_folder(data, account)
        _forget_old_server(data, sockets)
        process = self._spawn(folder, binaries, data, account, sockets)
        with _opened(data) as opened:
            if _wait_ready(folder, opened, process) is not _State.READY:
                raise _failed("PostgreSQL did not start", log, data)
        return sockets

    def _spawn(
        self, folder: int, binaries: Path, data: Path, account: Account, sockets: Path
    ) -> subprocess.Popen[bytes]:
        settings = _SETTINGS | {"unix_socket_directories": f'"{sockets}"'}
        if not self._durable:
            settings |= _NOT_DURABLE
        command = [str(binaries / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        server = locks.open_lock(folder, locks.SERVER)
        try:
            fcntl.flock(server, fcntl.LOCK_EX)
            locks.note_pid(server, None)
            with _log_file(self.folder / LOG) as log:
                process = _popen(command, cwd=data, log=log, account=account, keep=(server,))
            locks.note_pid(server, process.pid, str(sockets))
        finally:
            # The server and its children hold the same lock on, until the last of them ends.
            os.close(server)
        return process

    def _stop_if_unused(self, folder: int) -> None:
        """Stop server and watcher unless somebody uses them. Called by who holds `pg.lock`."""
        alone = locks.is_alone(folder)
        if alone is None:
            return
        try:
            if self._data is not None:
                locks.remove_tries(str(self._data.parent))
                if locks.is_held(folder, locks.SERVER):
                    _stop_server(folder, self._data, self.folder / LOG)
            _stop_watcher(folder)
        finally:
            os.close(alone)


# -- folder and locks -------------------------------------------------------------------------


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise PlaceRefusedError(
            code="folder_closed",
            message=f"{error.filename or folder} cannot be written by this user.",
            hint=f"Run tieout as the owner of {folder}",
        ) from error


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # As root the server runs as another account, which must be able to pass through.
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


@contextlib.contextmanager
def _locked(folder: int) -> Iterator[None]:
    lock = locks.open_lock(folder, locks.LOCK)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        # Unlocked, not only closed: a child forked meanwhile must not hold it.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


# -- processes --------------------------------------------------------------------------------


def _popen(
    command: list[str], *, cwd: Path, log: IO[bytes], account: Account, keep: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    # Nothing of our environment: PGPORT, PGDATA and the like would be obeyed.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    who = account.popen_arguments()
    process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=keep,
        start_new_session=True,
        **who,
    )
    _children.append(process)
    return process


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def _log_file(path: Path) -> IO[bytes]:
    """The server's log, opened to append; begun anew where it grew large."""
    if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
        path.replace(path.with_suffix(".log.old"))
    # Closed to others: the server writes parts of failed statements into it.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    log = os.open(path, flags, 0o600)
    if os.geteuid() == 0 and os.fstat(log).st_nlink == 1:
        os.fchown(log, path.parent.stat().st_uid, path.parent.stat().st_gid)
    return os.fdopen(log, "ab")


def _ensure_watcher(folder_path: Path, folder: int, data: Path) -> None:
    watch = locks.open_lock(folder, locks.WATCH)
    try:
        if not locks.try_lock(watch, fcntl.LOCK_EX):
            return
        locks.note_pid(watch, None)
        # Relative where it is inside, so that the folder may be moved meanwhile.
        where = data.name if data.parent == folder_path else str(data)
        # -I -S and by path: neither the packages around it nor the site's are loaded.
        command = [sys.executable, "-I", "-S", locks.__file__, where, str(watch)]
        ourselves = Account(uid=os.geteuid(), gid=os.getegid(), switch=False)
        with _log_file(folder_path / LOG) as log:
            _popen(command, cwd=folder_path, log=log, account=ourselves, keep=(watch,))
    finally:
        os.close(watch)


def _stop_server(folder: int, data: Path, log: Path) -> None:
    server = locks.open_lock(folder, locks.SERVER)
    try:
        with contextlib.ExitStack() as stack:
            opened = stack.enter_context(_opened(data)) if data.exists() else None
            if not locks.stop_server(server, opened):
                raise _failed("PostgreSQL did not stop", log, data)
    finally:
        os.close(server)
    _reap()


def _stop_watcher(folder: int) -> None:
    watch = locks.open_lock(folder, locks.WATCH)
    try:
        # Asked again and again: a watcher that was just started has not written its number yet.
        end = time.monotonic() + 5.0
        while not locks.try_lock(watch, fcntl.LOCK_EX) and time.monotonic() < end:
            pid = locks.noted_pid(watch)
            try:
                if pid is not None:
                    os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
            except PermissionError:
                return  # root's: it ends by itself as soon as the locks are free
            time.sleep(locks.POLL_SECONDS)
    finally:
        os.close(watch)
    for child in list(_children):
        # The locks go a moment before the process.
        if "embedded_watch" in str(child.args):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=0.2)


# -- the server -------------------------------------------------------------------------------


def _make_data(binaries: Path, data: Path, account: Account, log: Path, *, durable: bool) -> None:
    """A new, empty cluster at `data`: made in a folder of its own, then renamed."""
    locks.remove_tries(str(data.parent))
    attempt = Path(tempfile.mkdtemp(prefix=locks.TRY_PREFIX, dir=data.parent))
    os.chown(attempt, account.uid, account.gid, follow_symlinks=False)
    command = [str(binaries / "initdb"), "-D", str(attempt), f"--username={OWNER}"]
    # Who may connect is decided by the socket's folder, which is closed to all others.
    command += ["--auth=trust", "--encoding=UTF8", "--no-instructions"]
    command += ["--locale-provider=builtin", "--locale=C.UTF-8"]
    if not durable:
        command.append("--no-sync")
    with _log_file(log) as opened:
        made = _popen(command, cwd=attempt, log=opened, account=account, keep=()).wait()
    if made != 0:
        raise _failed("PostgreSQL could not make its data", log, data)
    attempt.rename(data)
    with _opened(data.parent) as parent:
        os.fsync(parent)


def _check_version(data: Path) -> None:
    version = (data / "PG_VERSION").read_text("ascii").strip()
    if version != str(MAJOR):
        raise PlaceRefusedError(
            code="database_version",
            message=f"{data} was made by PostgreSQL {version}; this program brings {MAJOR}.",
            hint="Restore a backup into a new folder",
        )


def _refuse_stranger(data: Path) -> None:
    """Raise if a server that does not hold our lock works on this data."""
    with _opened(data) as opened:
        pid = locks.postmaster_pid(opened)
        if pid is not None and locks.works_in(pid, opened):
            raise PlaceRefusedError(
                code="database_in_use",
                message=f"{data} is used by a PostgreSQL server that was not started by tieout, "
                f"process {pid}.",
                hint="Stop that server",
            )


def _forget_old_server(data: Path, sockets: Path) -> None:
    """Remove what a killed server, or the one that this folder was copied from, left behind."""
    # PostgreSQL itself believes these files while a process with that number exists, be it a
    # stranger or one that is dead and was not fetched by its parent yet.
    name = locks.SOCKET_NAME
    for left in (data / "postmaster.pid", sockets / name, sockets / f"{name}.lock"):
        left.unlink(missing_ok=True)


def _adopt(folder: int, data: Path, account: Account, log: Path) -> Path | None:
    """The socket folder of the server that runs; None if it went, or had to be stopped."""
    with _opened(data) as opened:
        state = _wait_ready(folder, opened, None)
        if state is _State.ENDED:
            return None
        lines = locks.postmaster_lines(opened)
    if state is not _State.READY:
        raise PlaceRefusedError(
            code="database_in_use",
            message=f"The server of {data} runs, but does not take connections.",
            hint=f"Read {log}; stop process {lines[0] if lines else 'named there'}",
        )
    sockets = Path(lines[4])
    if sockets.is_dir():
        check_socket_folder(sockets, account)
        if _answers(sockets, int(lines[0])):
            return sockets
    # Its socket was removed, by a cleaner of the temp folder for one: nobody can reach it.
    _stop_server(folder, data, log)
    return None


class _State(enum.Enum):
    READY = enum.auto()
    ENDED = enum.auto()
    FOREIGN = enum.auto()
    LATE = enum.auto()


def _wait_ready(folder: int, data: int, process: subprocess.Popen[bytes] | None) -> _State:
    """Wait until the server takes connections, or it is clear that it will not."""
    server = locks.open_lock(folder, locks.SERVER)
    begun = time.monotonic()
    try:
        while time.monotonic() < begun + READY_SECONDS:
            lines = locks.postmaster_lines(data)
            if len(lines) > 7 and lines[7].strip() == "ready":
                if locks.works_in(int(lines[0]), data):
                    return _State.READY
                # Killed, and its children still on their way out; or a copy made of hard links.
                if time.monotonic() > begun + ORPHAN_SECONDS:
                    return _State.FOREIGN
            if process is not None and process.poll() is not None:
                return _State.ENDED
            if locks.try_lock(server, fcntl.LOCK_EX):
                return _State.ENDED
            time.sleep(locks.POLL_SECONDS)
    finally:
        os.close(server)
    return _State.LATE


def _answers(sockets: Path, pid: int) -> bool:
    """Whether the process `pid` itself listens on the socket in that folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10.0)
        try:
            client.connect(str(sockets / locks.SOCKET_NAME))
        except OSError:
            return False
        if not hasattr(socket, "SO_PEERCRED"):
            return True
        seen = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return bool(struct.unpack("3i", seen)[0] == pid)


def _failed(what: str, log: Path, data: Path) -> EmbeddedError:
    check_space(data)
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    told = [line for line in lines[-20:] if "FATAL:" in line or "PANIC:" in line] or lines
    last = _LOG_PREFIX.sub("", told[-1]) if told else "it wrote nothing"
    return ServerFailedError(
        code="database_failed", message=f"{what}: {last}", hint=f"Read {log}, then try again"
    )
