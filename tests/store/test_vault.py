"""The vault over a real database: generations, sealing, the lease, and a new key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from threading import Event, Thread

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine

from support.database import database
from support.fakes import ManualClock
from tieout.core.errors import ConfigurationError
from tieout.store import codec
from tieout.store.database import BlockingRunner, blocking_engine
from tieout.store.vault import Vault
from tieout.store.workspaces import ensure_workspace

WORKSPACE = "vault"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with database("vault") as url:
        made = blocking_engine(url)
        with made.begin() as conn:
            ensure_workspace(WORKSPACE, "vault", ManualClock().now())(conn)
            ensure_workspace("other", "other", ManualClock().now())(conn)
        yield made
        made.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def vault(engine: Engine, clock: ManualClock, key: str) -> Iterator[Vault]:
    yield Vault(BlockingRunner(engine), workspace=WORKSPACE, keys=[key], clock=clock)
    _run(engine, "DELETE FROM secret")
    _run(engine, "DELETE FROM secret_lease")


def _run(engine: Engine, sql: str) -> list[tuple[object, ...]]:
    with engine.begin() as conn:
        conn.exec_driver_sql("SELECT set_config('tieout.workspace', %s, true)", (WORKSPACE,))
        result = conn.exec_driver_sql(sql)
        return [tuple(row) for row in result.fetchall()] if result.returns_rows else []


def test_newest_and_the_one_before(vault: Vault) -> None:
    async def run() -> None:
        await vault.put("visma", {"refresh_token": "one", "client_secret": "s"})
        assert await vault.older("visma", "refresh_token") is None
        await vault.put("visma", {"refresh_token": "two"})
        assert await vault.get("visma", "refresh_token") == "two"
        assert await vault.older("visma", "refresh_token") == "one"
        assert await vault.get("visma", "client_secret") == "s"
        assert await vault.get("visma", "nothing") is None
        assert await vault.get("another", "client_secret") is None

    asyncio.run(run())


def test_forget_old_keeps_the_newest_of_each_name(vault: Vault) -> None:
    async def run() -> None:
        await vault.put("visma", {"a": "1", "b": "1"})
        await vault.put("visma", {"a": "2"})
        await vault.put("sf", {"a": "x"})
        await vault.put("sf", {"a": "y"})
        await vault.forget_old("visma")
        assert (await vault.get("visma", "a"), await vault.get("visma", "b")) == ("2", "1")
        assert await vault.older("visma", "a") is None
        assert await vault.older("sf", "a") == "x"

    asyncio.run(run())


def test_step_back_brings_the_sign_in_before(vault: Vault) -> None:
    async def run() -> None:
        await vault.put("visma", {"a": "old"})
        generation = await vault.put_new("visma", {"a": "new", "b": "new"})
        await vault.step_back("visma", generation)
        assert await vault.get("visma", "a") == "old"
        assert await vault.get("visma", "b") is None

    asyncio.run(run())


def test_of_two_sign_ins_at_once_the_one_that_came_too_late_goes(vault: Vault) -> None:
    async def run() -> None:
        late = await vault.put_new("visma", {"a": "late"})
        await vault.put("visma", {"a": "first"})
        await vault.step_back("visma", late)
        assert await vault.get("visma", "a") == "first"
        assert await vault.older("visma", "a") is None

    asyncio.run(run())


def test_values_are_sealed_and_never_shown(vault: Vault, engine: Engine) -> None:
    asyncio.run(vault.put("visma", {"client_secret": "hunter2-hunter2"}))
    stored = _run(engine, "SELECT sealed FROM secret")
    assert len(stored) == 1
    assert b"hunter2" not in bytes(stored[0][0])  # type: ignore[arg-type]
    assert "hunter2" not in repr(vault)


def test_a_row_moved_to_another_connection_does_not_open(vault: Vault, engine: Engine) -> None:
    asyncio.run(vault.put("visma", {"client_secret": "s"}))
    _run(engine, "UPDATE secret SET connection = 'mine'")
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(vault.get("mine", "client_secret"))
    assert caught.value.code == "key_wrong"


def test_a_row_moved_to_another_workspace_does_not_open(
    vault: Vault, engine: Engine, clock: ManualClock, key: str
) -> None:
    asyncio.run(vault.put("visma", {"client_secret": "theirs"}))
    sealed = _run(engine, "SELECT sealed FROM secret")[0][0]
    other = Vault(BlockingRunner(engine), workspace="other", keys=[key], clock=clock)
    asyncio.run(other.put("visma", {"client_secret": "ours"}))
    with engine.begin() as conn:
        conn.exec_driver_sql("SELECT set_config('tieout.workspace', 'other', true)")
        conn.exec_driver_sql("UPDATE secret SET sealed = %s", (sealed,))
    for work in (other.get("visma", "client_secret"), other.reseal([key])):
        with pytest.raises(ConfigurationError, match="does not open"):
            asyncio.run(work)
    asyncio.run(other.forget("visma"))


def test_what_was_sealed_before_the_workspace_was_opens_and_is_resealed_with_it(
    vault: Vault, engine: Engine, key: str
) -> None:
    asyncio.run(vault.put("visma", {"client_secret": "old"}))
    before = Fernet(key).encrypt(b'["visma","client_secret","old"]')
    with engine.begin() as conn:
        conn.exec_driver_sql("SELECT set_config('tieout.workspace', %s, true)", (WORKSPACE,))
        conn.exec_driver_sql("UPDATE secret SET sealed = %s", (before,))
    assert asyncio.run(vault.get("visma", "client_secret")) == "old"
    assert asyncio.run(vault.reseal([key])) == 1
    assert asyncio.run(vault.get("visma", "client_secret")) == "old"
    sealed = _run(engine, "SELECT sealed FROM secret")[0][0]
    assert isinstance(sealed, bytes | memoryview)
    assert WORKSPACE.encode() in Fernet(key).decrypt(bytes(sealed))


def test_another_key_does_not_open_and_says_so_plainly(
    vault: Vault, engine: Engine, clock: ManualClock
) -> None:
    asyncio.run(vault.put("visma", {"client_secret": "s"}))
    stranger = Vault(
        BlockingRunner(engine),
        workspace=WORKSPACE,
        keys=[Fernet.generate_key().decode()],
        clock=clock,
    )
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(stranger.get("visma", "client_secret"))
    assert "visma" in caught.value.message
    with pytest.raises(ConfigurationError) as caught:
        Vault(BlockingRunner(engine), workspace=WORKSPACE, keys=["no key"], clock=clock)
    assert caught.value.code == "key_wrong"


def test_reseal_lets_the_old_key_go(
    vault: Vault, engine: Engine, clock: ManualClock, key: str
) -> None:
    fresh = Fernet.generate_key().decode()

    async def run() -> None:
        await vault.put("visma", {"a": "1", "b": "2"})
        await vault.put("visma", {"a": "3"})
        assert await vault.reseal([fresh, key]) == 3
        assert await vault.get("visma", "a") == "3"
        alone = Vault(BlockingRunner(engine), workspace=WORKSPACE, keys=[fresh], clock=clock)
        assert await alone.get("visma", "b") == "2"
        assert await alone.older("visma", "a") == "1"

    asyncio.run(run())
    old = Vault(BlockingRunner(engine), workspace=WORKSPACE, keys=[key], clock=clock)
    with pytest.raises(ConfigurationError):
        asyncio.run(old.get("visma", "b"))


def test_a_new_key_is_in_the_activity_log_without_a_secret(
    vault: Vault, engine: Engine, key: str
) -> None:
    fresh = Fernet.generate_key().decode()

    async def run() -> None:
        await vault.put("visma", {"client_secret": "s3cret", "refresh_token": "t0ken"})
        await vault.reseal([fresh, key])

    before = len(_run(engine, "SELECT seq FROM activity"))
    asyncio.run(run())
    entries = [bytes(row[0]) for row in _run(engine, "SELECT entries FROM activity ORDER BY seq")]  # type: ignore[call-overload]
    (told,) = [text for text in entries[before:] if b"key_changed" in text]
    assert codec.decode_loose(told) == [{"kind": "key_changed", "resealed": 2}]
    for secret in ("s3cret", "t0ken", key, fresh):
        assert not any(secret.encode() in text for text in entries)


def test_who_works_while_the_key_is_changed_goes_on_with_the_new_one(
    vault: Vault, engine: Engine, clock: ManualClock, key: str
) -> None:
    fresh, keys = Fernet.generate_key().decode(), [key]
    working = Vault(
        BlockingRunner(engine), workspace=WORKSPACE, keys=[key], clock=clock, keys_now=lambda: keys
    )

    async def run() -> None:
        await working.put("visma", {"refresh_token": "one"})
        keys.insert(0, fresh)
        await vault.reseal(keys)
        keys.remove(key)
        assert await working.get("visma", "refresh_token") == "one"
        await working.put("visma", {"refresh_token": "two"})
        alone = Vault(BlockingRunner(engine), workspace=WORKSPACE, keys=[fresh], clock=clock)
        assert await alone.get("visma", "refresh_token") == "two"
        assert await alone.older("visma", "refresh_token") == "one"

    asyncio.run(run())


def test_what_is_stored_while_the_key_is_changed_is_not_lost(
    vault: Vault, engine: Engine, clock: ManualClock, key: str
) -> None:
    fresh = Fernet.generate_key().decode()
    begun, go_on = Event(), Event()

    def keys_now() -> list[str]:
        begun.set()
        assert go_on.wait(10)
        return [key]

    working = Vault(
        BlockingRunner(engine), workspace=WORKSPACE, keys=[key], clock=clock, keys_now=keys_now
    )
    storing = Thread(target=lambda: asyncio.run(working.put("visma", {"refresh_token": "two"})))
    resealing = Thread(target=lambda: asyncio.run(vault.reseal([fresh, key])))
    storing.start()
    assert begun.wait(10)
    resealing.start()
    resealing.join(0.3)
    assert resealing.is_alive(), "it has to wait for what is being stored"
    go_on.set()
    storing.join(10)
    resealing.join(10)
    alone = Vault(BlockingRunner(engine), workspace=WORKSPACE, keys=[fresh], clock=clock)
    assert asyncio.run(alone.get("visma", "refresh_token")) == "two"


def test_one_holder_at_a_time_until_the_lease_ends(vault: Vault, clock: ManualClock) -> None:
    async def run() -> None:
        assert await vault.acquire("visma", "one", 30)
        assert await vault.acquire("visma", "one", 30)
        assert not await vault.acquire("visma", "two", 30)
        assert await vault.acquire("sf", "two", 30)
        clock.advance(29)
        assert not await vault.acquire("visma", "two", 30)
        clock.advance(1)
        assert await vault.acquire("visma", "two", 30)
        assert not await vault.acquire("visma", "one", 30)

    asyncio.run(run())


def test_a_lease_from_a_clock_far_ahead_is_taken(vault: Vault, clock: ManualClock) -> None:
    async def run() -> None:
        clock.advance(86_400)
        assert await vault.acquire("visma", "one", 30)
        clock.advance(-86_400)
        assert await vault.acquire("visma", "two", 30)

    asyncio.run(run())


def test_another_workspace_sees_nothing(
    vault: Vault, engine: Engine, clock: ManualClock, key: str
) -> None:
    asyncio.run(vault.put("visma", {"a": "1"}))
    other = Vault(BlockingRunner(engine), workspace="other", keys=[key], clock=clock)
    assert asyncio.run(other.get("visma", "a")) is None
