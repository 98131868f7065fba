"""
The vault: secrets of connections, sealed with a key that the database does not have.

A value is sealed together with the workspace, the connection and the name it belongs to, so that
a row moved from one to another does not open. Values never appear in logs, errors or repr.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tieout.core.errors import ConfigurationError
from tieout.ports import Clock
from tieout.store.database import Runner, Tx, in_workspace

T = TypeVar("T")


class _Sealed(msgspec.Struct, array_like=True):
    connection: str
    name: str
    value: str
    # Not in what was sealed before it was added; the next change of the key seals it in.
    workspace: str = ""

    def __repr__(self) -> str:
        return f"<sealed {self.connection} {self.name}>"


class Vault:
    """
    `ports.Secrets` of one workspace. ``keys`` are Fernet keys, the newest first. ``keys_now`` gives
    those of this moment: another process may change the key while this one works.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        workspace: str,
        keys: Sequence[str],
        clock: Clock,
        who: str = "tieout",
        keys_now: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        self._runner = runner
        self._workspace = workspace
        self._clock = clock
        self._who = who
        self._keys = list(keys)
        self._fernet = _fernet(keys)
        self._keys_now = keys_now

    def __repr__(self) -> str:
        return f"<Vault of {self._workspace}>"

    async def get(self, connection: str, name: str) -> str | None:
        """The newest value, or None. Raises `ConfigurationError` where no key opens it."""
        return await self._generation(connection, name, 0)

    async def older(self, connection: str, name: str) -> str | None:
        """The value before the newest one, or None."""
        return await self._generation(connection, name, 1)

    async def put(self, connection: str, values: Mapping[str, str]) -> None:
        """Stores values as one new generation, in one transaction."""
        await self.put_new(connection, values)

    async def put_new(self, connection: str, values: Mapping[str, str]) -> int:
        """The same; the number of the generation, by which `step_back` takes it away."""
        now = self._clock.now()

        def work(tx: Tx) -> int:
            _lock(tx, connection)
            # Before a `reseal`, which then seals it anew, or after it and under its key.
            tx.run("LOCK TABLE secret IN ROW EXCLUSIVE MODE")
            self._look_for_keys()
            sealed = {name: self._seal(connection, name, value) for name, value in values.items()}
            row = tx.row(
                "SELECT coalesce(max(generation), 0) FROM secret"
                " WHERE workspace = %(ws)s AND connection = %(connection)s",
                connection=connection,
            )
            assert row is not None
            generation = int(row[0]) + 1
            tx.many(
                "INSERT INTO secret (workspace, connection, name, generation, sealed, stored_at)"
                " VALUES (%(ws)s, %(connection)s, %(name)s, %(generation)s, %(sealed)s, %(now)s)",
                [
                    {
                        "connection": connection,
                        "name": name,
                        "generation": generation,
                        "sealed": value,
                        "now": now,
                    }
                    for name, value in sealed.items()
                ],
            )
            return generation

        return await self._do(work)

    async def forget_old(self, connection: str) -> None:
        """Deletes all but the newest value of each name."""

        def work(tx: Tx) -> None:
            _lock(tx, connection)
            tx.run(
                "DELETE FROM secret old USING (SELECT name, max(generation) AS newest FROM secret"
                " WHERE workspace = %(ws)s AND connection = %(connection)s GROUP BY name) AS top"
                " WHERE old.workspace = %(ws)s AND old.connection = %(connection)s"
                " AND old.name = top.name AND old.generation < top.newest",
                connection=connection,
            )

        await self._do(work)

    async def step_back(self, connection: str, generation: int) -> None:
        """That generation goes: a sign-in that nobody can use leaves those of others."""

        def work(tx: Tx) -> None:
            _lock(tx, connection)
            tx.run(
                "DELETE FROM secret WHERE workspace = %(ws)s AND connection = %(connection)s"
                " AND generation = %(generation)s",
                connection=connection,
                generation=generation,
            )

        await self._do(work)

    async def forget(self, connection: str, names: Sequence[str] = ()) -> None:
        """Deletes the values of these names, or all of the connection."""

        def work(tx: Tx) -> None:
            _lock(tx, connection)
            which = " AND name = ANY(%(names)s)" if names else ""
            tx.run(
                "DELETE FROM secret WHERE workspace = %(ws)s"
                f" AND connection = %(connection)s{which}",
                connection=connection,
                names=list(names),
            )

        await self._do(work)

    async def acquire(self, connection: str, holder: str, seconds: int) -> bool:
        """
        True when this holder alone may renew the sign-in for so many seconds.

        A lease that ends further off than any lease may is from a clock that was wrong: taken.
        """
        now = self._clock.now()
        until = now + timedelta(seconds=seconds)

        def work(tx: Tx) -> bool:
            row = tx.row(
                "INSERT INTO secret_lease (workspace, connection, holder, until)"
                " VALUES (%(ws)s, %(connection)s, %(holder)s, %(until)s)"
                " ON CONFLICT (workspace, connection) DO UPDATE"
                " SET holder = excluded.holder, until = excluded.until"
                " WHERE secret_lease.holder = excluded.holder OR secret_lease.until <= %(now)s"
                " OR secret_lease.until > %(future)s RETURNING holder",
                connection=connection,
                holder=holder,
                until=until,
                now=now,
                future=now + timedelta(seconds=4 * seconds),
            )
            return row is not None

        return await self._do(work)

    async def reseal(self, keys: Sequence[str]) -> int:
        """
        Seals every value anew under the first of these keys; how many. The others still open.

        The vault uses the new keys from then on. Whoever stores a value meanwhile waits for it.
        """
        fresh = _fernet(keys)

        def work(tx: Tx) -> int:
            tx.run("LOCK TABLE secret IN SHARE ROW EXCLUSIVE MODE")
            rows = tx.rows(
                "SELECT connection, name, generation, sealed FROM secret"
                " WHERE workspace = %(ws)s FOR UPDATE"
            )
            tx.many(
                "UPDATE secret SET sealed = %(sealed)s WHERE workspace = %(ws)s"
                " AND connection = %(connection)s AND name = %(name)s"
                " AND generation = %(generation)s",
                [
                    {
                        "connection": row[0],
                        "name": row[1],
                        "generation": row[2],
                        "sealed": self._resealed(fresh, bytes(row[3]), row[0]),
                    }
                    for row in rows
                ],
            )
            tx.log("key_changed", resealed=len(rows))
            return len(rows)

        found = await self._do(work)
        self._keys, self._fernet = list(keys), fresh
        return found

    # Inside.

    async def _do(self, work: Callable[[Tx], T]) -> T:
        run = in_workspace(self._workspace, self._clock.now(), self._who, work)
        return await self._runner.run(run)

    async def _generation(self, connection: str, name: str, back: int) -> str | None:
        def work(tx: Tx) -> bytes | None:
            row = tx.row(
                "SELECT sealed FROM secret WHERE workspace = %(ws)s"
                " AND connection = %(connection)s AND name = %(name)s"
                " ORDER BY generation DESC OFFSET %(back)s LIMIT 1",
                connection=connection,
                name=name,
                back=back,
            )
            return None if row is None else bytes(row[0])

        sealed = await self._do(work)
        return None if sealed is None else self._open(connection, name, sealed)

    def _look_for_keys(self) -> bool:
        """Takes the keys of this moment; whether they are others than before."""
        if self._keys_now is None:
            return False
        try:
            keys = list(self._keys_now())
            fernet = _fernet(keys)
        except ConfigurationError:
            # Those that were read at the start are still good; a renewed sign-in must be kept.
            return False
        changed = keys != self._keys
        self._keys, self._fernet = keys, fernet
        return changed

    def _seal(self, connection: str, name: str, value: str) -> bytes:
        plain = msgspec.json.encode(_Sealed(connection, name, value, self._workspace))
        return self._fernet.encrypt_at_time(plain, int(self._clock.now().timestamp()))

    def _resealed(self, fresh: MultiFernet, sealed: bytes, connection: str) -> bytes:
        """The same value and time under the newest key, in the form of today."""
        try:
            found = msgspec.json.decode(fresh.decrypt(sealed), type=_Sealed)
            sealed_at = fresh.extract_timestamp(sealed)
        except (InvalidToken, msgspec.MsgspecError):
            raise _does_not_open(connection) from None
        if found.workspace not in ("", self._workspace):
            raise _does_not_open(connection)
        plain = _Sealed(found.connection, found.name, found.value, self._workspace)
        return fresh.encrypt_at_time(msgspec.json.encode(plain), sealed_at)

    def _open(self, connection: str, name: str, sealed: bytes) -> str:
        try:
            found = msgspec.json.decode(self._fernet.decrypt(sealed), type=_Sealed)
        except (InvalidToken, msgspec.MsgspecError):
            if self._look_for_keys():
                return self._open(connection, name, sealed)
            raise _does_not_open(connection) from None
        if (found.connection, found.name) != (connection, name) or (
            found.workspace not in ("", self._workspace)
        ):
            raise _does_not_open(connection)
        return found.value


def _lock(tx: Tx, connection: str) -> None:
    """One writer for a connection's secrets at a time."""
    tx.row(
        "SELECT pg_advisory_xact_lock(hashtextextended(%(ws)s || '/' || %(connection)s, 0))",
        connection=connection,
    )


def _fernet(keys: Sequence[str]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ConfigurationError(
            "The key that opens the stored sign-ins is not a key of ours.",
            code="key_wrong",
            hint="Bring back your copy of .tieout/key, or set TIEOUT_KEY.",
        ) from None


def _does_not_open(connection: str) -> ConfigurationError:
    return ConfigurationError(
        f"The key does not open the stored sign-in of {connection}.",
        code="key_wrong",
        hint="Bring back your copy of .tieout/key, or set TIEOUT_KEY.",
    )
