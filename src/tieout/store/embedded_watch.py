"""
Waits until nobody uses an embedded server any more, then stops it.

Run as a file of its own, with nothing but the standard library: it starts in some 20 ms and sleeps
in the kernel until then. It also holds what the watcher and `embedded.py` share, the lock files
and how a server is stopped, so that the watcher imports nothing else.

Lock files, all in the project's folder. The kernel frees them when their holder dies:

* `pg.lock`: exclusive around start, stop and initdb.
* `pg.users`: shared by every process that uses the server, for as long as it does.
* `pg.server`: inherited by the server and its backends. Free means: no process of it is left.
* `pg.watch`: inherited by the watcher, so that there is one at most.

Order: `pg.lock` before `pg.users`. The watcher, which must begin with `pg.users`, lets it go
before it asks for `pg.lock`, and then looks again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time

LOCK = "pg.lock"
USERS = "pg.users"
SERVER = "pg.server"
WATCH = "pg.watch"
TRY_PREFIX = "pg.try-"
SOCKET_NAME = ".s.PGSQL.5432"

# A checkpoint on a slow disk takes its time; only then the rougher signals.
STOP_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
POLL_SECONDS = 0.004


def open_lock(folder: int, name: str) -> int:
    """A descriptor of the lock file `name` in the open folder; made where it is missing."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(name, flags, 0o600, dir_fd=folder)
    if os.geteuid() == 0 and os.fstat(lock).st_nlink == 1:
        # Root works in somebody's folder: that person must be able to use it afterwards. A second
        # name could be that of a file of the system.
        owner = os.fstat(folder)
        os.fchown(lock, owner.st_uid, owner.st_gid)
    return lock


def try_lock(lock: int, how: int) -> bool:
    """Whether the lock was got at once; `how` is LOCK_SH or LOCK_EX."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(folder: int, name: str) -> bool:
    """Whether some process holds the lock file `name`. Asked only by who holds `pg.lock`."""
    lock = open_lock(folder, name)
    try:
        return not try_lock(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


def is_alone(folder: int) -> int | None:
    """
    A descriptor that holds `pg.users` exclusively, or None while others use the server.

    Asked by who holds `pg.lock`. The watcher may hold `pg.users` for a moment, once: that is
    waited out, since afterwards it stands before `pg.lock`.
    """
    users = open_lock(folder, USERS)
    refusals = 0
    while refusals < 2:
        if try_lock(users, fcntl.LOCK_EX):
            return users
        if try_lock(users, fcntl.LOCK_SH):
            refusals += 1
        else:
            fcntl.flock(users, fcntl.LOCK_SH)
    os.close(users)
    return None


def note_pid(lock: int, pid: int | None, sockets: str = "") -> None:
    """Write who holds the lock into its file, and where it listens; None: not known yet."""
    os.ftruncate(lock, 0)
    if pid is not None:
        os.pwrite(lock, f"{pid}\n{sockets}\n".encode("ascii"), 0)


def noted_pid(lock: int) -> int | None:
    """The process that `note_pid` wrote, or None."""
    return _number(os.pread(lock, 32, 0))


def _noted_sockets(lock: int) -> str:
    return os.pread(lock, 256, 0).decode("ascii").partition("\n")[2].strip()


def _number(text: bytes) -> int | None:
    first = text.split(b"\n", 1)[0].strip()
    return int(first) if first.isdigit() else None


def works_in(pid: int, data: int | None) -> bool:
    """
    Whether the process `pid` lives and has the open folder `data` as its working folder.

    A server stands in its data folder from the first moment. So a number that was given to
    another process, or a copied folder, is not mistaken for it. None: the folder was removed.
    Without /proc: whether it lives.
    """
    here = f"/proc/{pid}/cwd"
    try:
        if not os.path.exists("/proc/self/cwd"):
            os.kill(pid, 0)
            return True
        if data is None:
            return os.readlink(here).endswith(" (deleted)")
        return os.path.samestat(os.stat(here), os.fstat(data))
    except OSError:
        return False


def postmaster_lines(data: int) -> list[str]:
    """The lines of the server's own postmaster.pid; empty where there is none."""
    try:
        file = os.open("postmaster.pid", os.O_RDONLY | os.O_CLOEXEC, dir_fd=data)
    except FileNotFoundError:
        return []
    with os.fdopen(file, "rb") as opened:
        return opened.read().decode("utf-8", "surrogateescape").splitlines()


def postmaster_pid(data: int) -> int | None:
    """The process that postmaster.pid names, alive or not; None where it names none."""
    lines = postmaster_lines(data)
    return _number(lines[0].encode("ascii", "replace")) if lines else None


def server_pid(server: int, data: int | None) -> int | None:
    """The running server's process, from our own note, else from the server's."""
    written = None if data is None else postmaster_pid(data)
    for pid in (noted_pid(server), written):
        if pid is not None and works_in(pid, data):
            return pid
    return None


def stop_server(server: int, data: int | None) -> bool:
    """
    Stop the server, if one runs, and wait until its last process is gone.

    `server` is a descriptor of `pg.server`, `data` one of the data folder. Called by who holds
    `pg.lock` and `pg.users` exclusively. False: it outlived every signal.
    """
    sockets = ""
    for name, seconds in STOP_STEPS:
        pid = None if try_lock(server, fcntl.LOCK_EX) else server_pid(server, data)
        if pid is not None:
            # Believed only while it lives: the note of a copied folder names the original's.
            sockets = _noted_sockets(server)
            _send(pid, name)
        if wait_for_lock(server, seconds):
            _remove_sockets(sockets)
            return True
    return False


def _remove_sockets(folder: str) -> None:
    if not os.path.basename(folder).startswith("tieout-"):
        return
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        # Left where the server was killed, or lost its data.
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, name))
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _send(pid: int, name: signal.Signals) -> None:
    try:
        os.kill(pid, name)
    except ProcessLookupError:
        return  # it went by itself, which is what was wanted


def wait_for_lock(lock: int, seconds: float) -> bool:
    """Whether the lock could be taken exclusively within that time."""
    end = time.monotonic() + seconds
    while not try_lock(lock, fcntl.LOCK_EX):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def remove_tries(parent: str) -> None:
    """Remove what initdb left when it was cut off. Called by who holds `pg.lock`."""
    try:
        names = os.listdir(parent)
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(TRY_PREFIX):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def watch(data_path: str, mine: int) -> None:
    """
    Wait until the last user is gone, stop the server, leave.

    Stands in the project's folder; `data_path` is relative to it, or absolute where the data is
    elsewhere; `mine` is the descriptor that holds `pg.watch`.
    """
    # All are opened now: the folder may be moved or removed while this waits.
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    lock, users, server = (open_lock(folder, name) for name in (LOCK, USERS, SERVER))
    note_pid(mine, os.getpid())
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if try_lock(users, fcntl.LOCK_EX):
            break
        fcntl.flock(lock, fcntl.LOCK_UN)
    remove_tries(os.path.dirname(data_path) or ".")
    data: int | None = None
    with contextlib.suppress(FileNotFoundError):
        data = os.open(data_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stop_server(server, data)
    # Before pg.lock, which the end of this process frees: who starts next must see no watcher.
    fcntl.flock(mine, fcntl.LOCK_UN)


def main() -> None:
    """Arguments: the path of the data folder, the descriptor of `pg.watch`."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    watch(sys.argv[1], int(sys.argv[2]))


if __name__ == "__main__":
    main()
