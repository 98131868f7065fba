"""The database that every fresh Tryton is a copy of: built once, kept as a dump."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
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
_KEPT_DUMPS = 12


def cache_folder() -> Path:
    """Where the dumps are kept: `$XDG_CACHE_HOME/tieout`, else `~/.cache/tieout`."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    return base / "tieout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a template is made of: the installed Tryton, the PostgreSQL, the company's plan."""

    venv: Path
    postgres: Postgres
    plan: Plan

    def key(self) -> str:
        """A short text that changes with the versions, our module, the set-up and the plan."""
        digest = hashlib.sha256()
        for name, content in _parts(self.venv):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        digest.update(repr(self.plan).encode())
        return digest.hexdigest()[:16]

    def ensure(self, cache: Path | None = None) -> str:
        """
        The name of a finished database to copy from.

        0.1 s where it is there, 0.7 s from the dump in the cache folder, else half a minute.
        Any number of processes may ask at the same time; one of them builds.
        """
        key = self.key()
        name = f"tryton_{key}"
        with self.postgres.alone(int(key[:15], 16)):
            if name not in self.postgres.databases():
                dump = self._ensure_dump(cache or cache_folder(), key)
                self._restore(dump, name)
        return name

    def _restore(self, dump: Path, name: str) -> None:
        attempt = f"{name}_try"
        self.postgres.drop(attempt)
        self.postgres.create(attempt)
        self.postgres.restore(attempt, dump)
        self.postgres.publish(attempt, name)

    def _ensure_dump(self, cache: Path, key: str) -> Path:
        cache.mkdir(parents=True, exist_ok=True)
        dump = cache / f"tryton-{key}.dump"
        with _locked(cache / f"tryton-{key}.lock"):
            if not dump.exists():
                self._build(dump, key)
                _forget_old(cache)
        return dump

    def _build(self, dump: Path, key: str) -> None:
        name = f"tryton_{key}_build"
        with tempfile.TemporaryDirectory(prefix="tieout-tryton-") as folder:
            log = Path(folder) / "build.log"
            self.postgres.drop(name)
            self.postgres.create(name)
            try:
                self._activate(name, log)
                self._fill(name, log)
                # Renamed when whole: a dump that was cut off must not be found.
                attempt = dump.with_suffix(f".{os.getpid()}")
                self.postgres.dump(name, attempt)
                attempt.replace(dump)
            finally:
                self.postgres.drop(name)

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

    def _fill(self, name: str, log: Path) -> None:
        with TrytonServer(
            venv=self.venv, postgres=self.postgres, databases=(name,), log=log
        ) as server:
            admin = server.client()
            admin.log_in(ADMIN, ADMIN_PASSWORD)
            set_up(admin, self.plan)


def _forget_old(cache: Path) -> None:
    dumps = sorted(cache.glob("tryton-*.dump"), key=lambda dump: dump.stat().st_mtime)
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


def _parts(venv: Path) -> Iterator[tuple[str, bytes]]:
    module = installed_module(venv)
    for package in sorted(module.parent.glob("*.dist-info")):
        yield package.name, b""
    yield from sorted(module_files(module).items())
    for source in ("plan.py", "setup.py"):
        yield source, Path(__file__).with_name(source).read_bytes()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
