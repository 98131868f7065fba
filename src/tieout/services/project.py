"""
The project folder: where it is, what lies in it, and its log.

    nordic/
      tieout.yaml        the configuration
      tables/            value tables, edited by people
      .tieout/           ours: pg/ (the embedded database), key, logs/, high-water
"""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from tieout.core.errors import BusyError, ConfigurationError, StoreError
from tieout.services.usage import UsedWronglyError

FILE = "tieout.yaml"
OURS = ".tieout"
LOG_MOST = 5_000_000


@dataclass(frozen=True, slots=True)
class Project:
    """A project's folder. Its paths; nothing is read before it is asked for."""

    root: Path

    @property
    def file(self) -> Path:
        return self.root / FILE

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    @property
    def ours(self) -> Path:
        return self.root / OURS

    @property
    def key_file(self) -> Path:
        return self.ours / "key"

    @property
    def high_water(self) -> Path:
        return self.ours / "high-water"

    @property
    def log_file(self) -> Path:
        return self.ours / "logs" / "tieout.log"

    @property
    def name(self) -> str:
        return self.root.name


def find_project(given: str = "", environment: Mapping[str, str] | None = None) -> Project:
    """
    The project: the folder that was given, else ``TIEOUT_PROJECT``, else the nearest folder
    upwards with a tieout.yaml. Raises `UsedWronglyError` where there is none.
    """
    named = given or (os.environ if environment is None else environment).get("TIEOUT_PROJECT", "")
    if named:
        folder = Path(named).expanduser().absolute()
        if not _stands(folder / FILE):
            raise UsedWronglyError(
                f"{named} has no {FILE}.",
                code="no_project",
                hint=f"tieout init {shlex.quote(named)}",
            )
        return Project(folder)
    here = Path.cwd()
    found = Project(here) if _stands(here / FILE) else project_around(here)
    if found is not None:
        return found
    raise UsedWronglyError(
        f"There is no {FILE} here or in a folder above.",
        code="no_project",
        hint="tieout init my-company",
    )


def project_around(folder: Path) -> Project | None:
    """The nearest project in a folder above this one."""
    above = folder.absolute().parents
    return next((Project(one) for one in above if _stands(one / FILE)), None)


def _stands(file: Path) -> bool:
    """Whether it is a file that can be looked at; a name too long, or closed to us, is none."""
    try:
        return file.is_file()
    except OSError:
        return False


def make_ours(root: Path) -> None:
    """The folder for what is ours in a project's folder, closed to others. Raises OSError."""
    # As root the database runs as another account, which has to pass through; nobody may list it.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    (root / OURS).mkdir(mode=mode, parents=True, exist_ok=True)


def make_project(root: Path, files: Mapping[str, str]) -> Project:
    """
    A new project in a folder that has none, with a fresh key.

    Raises `UsedWronglyError` where one is there, and `ConfigurationError` where the folder cannot
    be written.
    """
    from tieout.settings.project import write_project

    project = Project(root.absolute())
    if _stands(project.root):
        raise UsedWronglyError(
            f"{root} is a file. Nothing was changed. Choose another name.", code="folder_unwritable"
        )
    if _stands(project.file):
        raise UsedWronglyError(
            f"{root}/{FILE} is there already. Nothing was changed. Choose another folder.",
            code="project_exists",
        )
    try:
        make_ours(project.root)
        make_key(project)
    except OSError as error:
        raise ConfigurationError(
            f"{root} cannot be written: {(error.strerror or 'no reason given').lower()}.",
            code="folder_unwritable",
            hint="Choose another folder.",
        ) from None
    refusal = write_project(project.root, files)
    if isinstance(refusal, str):
        raise ConfigurationError(refusal, code="folder_unwritable", hint="Choose another folder.")
    return project


# --- the key -------------------------------------------------------------------------------------


def make_key(project: Project) -> None:
    """A fresh key in `.tieout/key`, readable by its owner only, unless one is there."""
    if project.key_file.exists():
        return
    from cryptography.fernet import Fernet

    write_keys(project, [Fernet.generate_key().decode()])


def write_keys(project: Project, keys: Sequence[str]) -> None:
    """The keys, newest first, replacing the file in one step."""
    from tieout.store.ownership import give_to_owner

    make_ours(project.root)
    beside = project.key_file.with_name("key.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    give_to_owner(handle, project.ours)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(project.key_file)
    folder = os.open(project.ours, os.O_RDONLY)
    try:
        # The new name, too: what is sealed next may be on the disk before it.
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def changing_the_key(project: Project) -> Iterator[None]:
    """For one process at a time: the key of two at once would be one that opens nothing."""
    from tieout.store.ownership import give_to_owner

    make_ours(project.root)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    lock = os.open(project.ours / "key.lock", flags, 0o600)
    try:
        give_to_owner(lock, project.ours)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BusyError(
            "Another process is changing the key. Nothing was changed.", code="key_in_change"
        ) from None
    finally:
        os.close(lock)


def read_keys(project: Project, environment: Mapping[str, str] | None = None) -> list[str]:
    """
    The keys that open the vault, newest first: ``TIEOUT_KEYS``, ``TIEOUT_KEY``, else the file.

    Raises `ConfigurationError` where there is none, or where others may read the file.
    """
    named = os.environ if environment is None else environment
    given = named.get("TIEOUT_KEYS") or named.get("TIEOUT_KEY") or ""
    if given:
        return [key for key in given.replace(",", " ").split() if key]
    try:
        mode = project.key_file.stat().st_mode
        text = project.key_file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"The key {OURS}/key is missing or unreadable; without it no stored sign-in opens.",
            code="key_missing",
            hint="Bring back your copy of the key, or set TIEOUT_KEY.",
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"Others may read {OURS}/key.",
            code="key_open_to_others",
            hint=f"chmod 600 {shlex.quote(str(project.key_file))}",
        )
    return text.split()


# --- the log -------------------------------------------------------------------------------------


def log_for(given: str = "") -> Any:
    """The log of the project, or None where there is no project."""
    try:
        project = find_project(given)
    except UsedWronglyError:
        return None
    return open_log(project.log_file)


def open_log(path: Path) -> Any:
    """
    A structlog logger that writes JSON lines: codes, names and counts, never a secret and never
    a customer's data. None where the folder cannot be written.
    """
    file = _log_file(path)
    return None if file is None else _logger(file)


class _Forgiving:
    """A file whose disk may be full: what is lost is a line of the log, not the answer."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.failed = False

    def write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError:
            self.failed = True

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError:
            self.failed = True


def _log_file(path: Path) -> _Forgiving | None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_MOST:
            path.replace(path.with_suffix(".log.1"))
        # No link is followed: as root we must not be led into a file of the system.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags, 0o600)
        return _Forgiving(os.fdopen(handle, "a", encoding="utf-8", buffering=1))
    except OSError:
        return None


def _logger(file: _Forgiving) -> Any:
    import structlog

    return structlog.wrap_logger(
        structlog.PrintLogger(cast("TextIO", file)),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )


def log_defect(given: str, command: str, error: BaseException, reference: str) -> str:
    """
    Writes where a defect happened and gives the file's name.

    Types and places only: the text of an error may hold what a customer wrote, so it stays out
    except where it can only be about the program itself.
    """
    for place in _log_places(given):
        file = _log_file(place)
        if file is None:
            continue
        _logger(file).error(
            "defect",
            command=command,
            reference=reference,
            errors=_chain(error),
            frames=_frames(error),
        )
        if not file.failed:
            return str(place)
    return f"not written, no folder takes them; {_chain(error)[0]} at {_frames(error)[-1]}"


def _log_places(given: str) -> list[Path]:
    """Where a log may be written, the best first: in the project, in the person's own folder."""
    from platformdirs import user_log_path

    found = [user_log_path("tieout") / "tieout.log"]
    try:
        return [find_project(given).log_file, *found]
    except UsedWronglyError:
        return found


_ABOUT_THE_PROGRAM = (TypeError, AttributeError, AssertionError, ImportError, NotImplementedError)


def _chain(error: BaseException) -> list[str]:
    found: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(found) < 10:
        told = f": {str(seen)[:200]}" if isinstance(seen, _ABOUT_THE_PROGRAM) else ""
        found.append(f"{type(seen).__module__}.{type(seen).__name__}{told}")
        if isinstance(seen, BaseExceptionGroup):
            found += [f"- {line}" for inner in seen.exceptions for line in _chain(inner)]
        seen = seen.__cause__ or seen.__context__
    return found


def _frames(error: BaseException) -> list[str]:
    deepest = error
    while isinstance(deepest, BaseExceptionGroup):
        deepest = deepest.exceptions[0]
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(deepest.__traceback__)
    ][-40:]


def check_disk(project: Project) -> int:
    """Free bytes for the project's database. Raises `StoreError` where they are too few."""
    from tieout.store.embedded_place import DiskFullError, check_space, free_bytes, place_of

    place = place_of(project.ours)
    try:
        check_space(place)
    except DiskFullError as error:
        raise StoreError(error.message, code=error.code, hint=error.hint) from None
    return free_bytes(place)
