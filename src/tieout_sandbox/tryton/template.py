"""The database that every fresh Tryton is a copy of: built once, kept as a dump."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tieout_sandbox.tryton.plan import ADMIN, ADMIN_PASSWORD, Plan
from tieout_sandbox.tryton.postgres import Postgres
from tieout_sandbox.tryton.server import (
    ServerFailedError,
    TrytonMissingError,
    TrytonServer,
    end_group,
    tail,
    tethered,
)
from tieout_sandbox.tryton.setup import MODULES, set_up

_BUILD_SECONDS = 600
# Of a megabyte each; older ones belong to versions and plans of the past.
_KEPT_DUMPS = 16
_SET_UP = ("plan.py", "setup.py")
_COMPANY, _MODULES = "tryton", "modules"


def cache_folder(venv: Path) -> Path:
    """Where the dumps are kept: what TIEOUT_TRYTON_CACHE names, else in the environment itself."""
    named = os.environ.get("TIEOUT_TRYTON_CACHE", "")
    return Path(named).expanduser().absolute() if named else venv.absolute() / "template"


# Fills the database of this name; a folder for its log, and the cache.
_Build = Callable[["Template", str, Path, Path], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a template is made of: the installed Tryton, the PostgreSQL, the company's plan."""

    venv: Path
    postgres: Postgres
    plan: Plan

    def key(self) -> str:
        """A short text that changes with the versions, our module, the set-up and the plan."""
        sources = [(name, Path(__file__).with_name(name).read_bytes()) for name in _SET_UP]
        plan = ("", repr(self.plan).encode())
        return _digest(("modules", self.modules_key().encode()), *sources, plan)

    def modules_key(self) -> str:
        """A short text that changes with the installed versions and our module's files."""
        module = installed_module(self.venv)
        packages = [(found.name, b"") for found in sorted(module.parent.glob("*.dist-info"))]
        active = ("active", " ".join(MODULES).encode())
        return _digest(*packages, *sorted(module_files(module).items()), active)

    def ensure(self, cache: Path | None = None) -> str:
        """
        The name of a finished database, with the plan's company, to copy from.

        At once where it is there, 0.7 s from the dump in the cache folder, a few seconds from
        `ensure_modules`. Any number of processes may ask at the same time; one of them builds.
        """
        place = cache or cache_folder(self.venv)
        return self._ensure(_COMPANY, self.key(), place, Template._build_company)

    def ensure_modules(self, cache: Path | None = None) -> str:
        """The name of a database with nothing but the active modules; half a minute if new."""
        place = cache or cache_folder(self.venv)
        return self._ensure(_MODULES, self.modules_key(), place, Template._build_modules)

    def is_kept(self, cache: Path | None = None) -> bool:
        """Whether the dump of `ensure` is in the cache, so that it takes a second."""
        place = cache or cache_folder(self.venv)
        return (place / f"{_COMPANY}_{self.key()}.dump").exists()

    def _ensure(self, kind: str, key: str, cache: Path, build: _Build) -> str:
        name = f"{kind}_{key}"
        with self.postgres.alone(int(key[:15], 16)):
            if name not in self.postgres.databases():
                self._restore(self._ensure_dump(name, cache, build), name)
        return name

    def _restore(self, dump: Path, name: str) -> None:
        attempt = f"{name}_try"
        self.postgres.drop(attempt)
        self.postgres.create(attempt)
        self.postgres.restore(attempt, dump)
        self.postgres.publish(attempt, name)

    def _ensure_dump(self, name: str, cache: Path, build: _Build) -> Path:
        cache.mkdir(parents=True, exist_ok=True)
        dump = cache / f"{name}.dump"
        with _locked(cache / f"{name}.lock"):
            if not dump.exists():
                self._make_dump(name, dump, build)
                _forget_old(cache)
        return dump

    def _make_dump(self, name: str, dump: Path, build: _Build) -> None:
        making, attempt = f"{name}_build", dump.with_suffix(f".{os.getpid()}")
        with tempfile.TemporaryDirectory(prefix="tieout-tryton-") as folder:
            self.postgres.drop(making)
            try:
                build(self, making, Path(folder), dump.parent)
                # Renamed when whole: a dump that was cut off must not be found.
                self.postgres.dump(making, attempt)
                attempt.replace(dump)
            finally:
                self.postgres.drop(making)
                attempt.unlink(missing_ok=True)

    def _build_modules(self, name: str, folder: Path, cache: Path) -> None:
        self.postgres.create(name)
        self._activate(name, folder / "build.log")

    def _build_company(self, name: str, folder: Path, cache: Path) -> None:
        self.postgres.copy(self.ensure_modules(cache), name)
        with TrytonServer(
            venv=self.venv, postgres=self.postgres, databases=(name,), log=folder / "build.log"
        ) as server:
            admin = server.client()
            admin.log_in(ADMIN, ADMIN_PASSWORD)
            set_up(admin, self.plan)

    def _activate(self, name: str, log: Path) -> None:
        password = log.with_name("password")
        password.write_text(ADMIN_PASSWORD)
        settings = {
            "TRYTOND_DATABASE__URI": self.postgres.uri(),
            # Else it asks on the terminal.
            "TRYTONPASSFILE": str(password),
        }
        arguments = ["-d", name, "-u", *MODULES, "--activate-dependencies"]
        arguments += ["--email", "admin@example.org"]
        with log.open("ab") as opened:
            process = tethered(
                self.venv, "trytond-admin", *arguments, settings=settings, log=opened
            )
        try:
            done = process.wait(timeout=_BUILD_SECONDS)
        finally:
            end_group(process)
        if done != 0:
            raise ServerFailedError(f"trytond-admin failed:\n{tail(log)}")


def _forget_old(cache: Path) -> None:
    dumps = sorted(cache.glob("*_*.dump"), key=lambda dump: dump.stat().st_mtime)
    for dump in dumps[:-_KEPT_DUMPS]:
        dump.unlink(missing_ok=True)


def module_files(package: Path) -> dict[str, bytes]:
    """The files of our Tryton module that decide what it does, by name."""
    kinds = (".py", ".cfg", ".xml")
    return {file.name: file.read_bytes() for file in package.iterdir() if file.suffix in kinds}


def installed_module(venv: Path) -> Path:
    """The folder of our module in the Tryton environment. Raises TrytonMissingError."""
    found = list(venv.glob("lib/python*/site-packages/tieout_tryton"))
    if not found:
        raise TrytonMissingError(f"{venv} holds no tieout_tryton: make test builds it")
    return found[0]


def _digest(*parts: tuple[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in parts:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
