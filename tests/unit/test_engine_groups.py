"""Groups of writes: the next is made while one is under way, and every answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.fakes import ManualClock
from tieout.core.abilities import Abilities, EntityAbilities
from tieout.core.change import Action, Applied, Change, Outcome, Prepared, Wire
from tieout.core.errors import ConnectionBrokenError, StoreError, TransientError
from tieout.core.keys import KeyKind, Slot
from tieout.core.model import Entity, ExternalRef
from tieout.core.safeguards import ALL_ON
from tieout.engine import executing
from tieout.engine.context import Engine
from tieout.engine.executing import execute
from tieout.engine.sending import AHEAD, ExecuteCounts
from tieout.storing import ReadyOperation, Sending, Settled

BOOKS = "books"


def operation(number: int) -> ReadyOperation:
    ref = ExternalRef(BOOKS, "draft", f"d{number}")
    change = Change(
        key=f"KEY{number:013}",
        entity=Entity.DOCUMENT,
        action=Action.VOID,
        wanted=None,
        target=ref,
    )
    slot = Slot(crm_org="o", source_id=f"s{number}", company="c", kind=KeyKind.DOCUMENT)
    return ReadyOperation(
        id=f"op{number:03}",
        lane="b/documents/books",
        source_id=f"s{number}",
        key13=slot.key13,
        slot=slot,
        change=change,
        state="ready",
        payload_rev=1,
        absence_no=0,
        seq=0,
        generation=0,
        repeats=False,
        want_digest="",
    )


@dataclass
class Store:
    """Keeps states as the operation log does; ``story`` is what happened, in order."""

    ready: list[ReadyOperation]
    story: list[str]
    started: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    given_back: set[str] = field(default_factory=set)
    settling: int = 0
    fails: bool = False

    async def pick_ready(self, *_: Any) -> list[ReadyOperation]:
        free = [op for op in self.ready if op.id not in self.started]
        self.story.append("pick")
        return free[: executing.GROUP]

    async def carriers(self, _keys: Sequence[str]) -> dict[str, Any]:
        return {}

    async def mark_started(
        self, sendings: Sequence[Sending], *_: Any
    ) -> dict[str, dict[str, tuple[int, int]]]:
        ids = [op.id for sending in sendings for op, _ in sending.items]
        assert not self.started & set(ids)
        self.started |= set(ids)
        self.story.append(f"begin {len(ids)}")
        return {sending.send_id: {op.id: (1, 1) for op, _ in sending.items} for sending in sendings}

    async def settle(self, _bridge: str, settled: Sequence[Settled], *_: Any) -> None:
        assert not self.settling, "one group of answers after the other"
        self.settling += 1
        await asyncio.sleep(0.001)
        self.settling -= 1
        if self.fails:
            raise StoreError("The database does not answer.")
        self.settled |= {one.operation.id for one in settled}

    async def not_sent(self, sendings: Sequence[Sending], *_: Any) -> None:
        self.given_back |= {op.id for sending in sendings for op, _ in sending.items}


@dataclass
class Connector:
    """Answers each write a moment later. ``breaks_at``: this write finds the sign-in withdrawn."""

    story: list[str]
    breaks_at: str = ""
    prepare_fails_at: int = 0
    sent: list[str] = field(default_factory=list)
    prepared: int = 0
    name: str = BOOKS
    abilities: Abilities = field(
        default_factory=lambda: Abilities(
            side="books", entities={Entity.DOCUMENT: EntityAbilities()}, in_flight=4
        )
    )

    async def prepare(self, changes: Sequence[Change]) -> list[Prepared]:
        self.prepared += 1
        self.story.append(f"prepare {len(changes)} while {len(self.sent)} were sent")
        if self.prepared == self.prepare_fails_at:
            raise TransientError("The books do not answer.")
        return [
            Prepared(
                key=change.key,
                entity=change.entity,
                action=change.action,
                target=change.target,
                method="DELETE",
                path="/x",
                body=b"",
            )
            for change in changes
        ]

    def pack(self, items: Sequence[Prepared]) -> list[Wire]:
        return [
            Wire(wire_key=i.key, method="DELETE", path="/x", body=b"", items=(i.key,))
            for i in items
        ]

    async def send(self, wire: Wire) -> list[Outcome]:
        await asyncio.sleep(0.0005)
        if wire.items[0] == self.breaks_at:
            raise ConnectionBrokenError("The sign-in was withdrawn.")
        self.sent.append(wire.items[0])
        return [Applied(key=wire.items[0], ref=ExternalRef(BOOKS, "draft", "d"))]


@dataclass
class Rig:
    store: Store
    connector: Connector
    counts: ExecuteCounts = field(default_factory=ExecuteCounts)

    async def execute(self) -> None:
        clock = ManualClock(datetime(2026, 11, 25, 12, tzinfo=UTC))
        ids = iter(range(10_000))
        engine = SimpleNamespace(
            store=self.store,
            connectors={BOOKS: self.connector},
            bridge="b",
            clock=clock,
            ids=SimpleNamespace(new=lambda _kind: f"s{next(ids)}"),
            worker="w",
            rules=ALL_ON,
            companies={BOOKS: SimpleNamespace(facts={})},
            paused={},
            stopping=False,
            vendor_now=lambda _name: clock.now(),
            sent_at=lambda _name: clock.now(),
            knows_time=lambda _name: True,
            heard=lambda _name, _time: None,
            fan_out=lambda _name: (),
            selections={BOOKS: {}},
        )
        await execute(cast(Engine, engine), BOOKS, self.counts)


def rig(number: int, **connector: Any) -> Rig:
    story: list[str] = []
    ops = [operation(n) for n in range(number)]
    return Rig(store=Store(ready=ops, story=story), connector=Connector(story=story, **connector))


def test_the_next_group_is_made_while_one_is_sent() -> None:
    given = rig(300)
    asyncio.run(given.execute())
    assert given.store.settled == {op.id for op in given.store.ready}
    assert len(given.connector.sent) == len(set(given.connector.sent)) == 300
    begun = [line for line in given.store.story if line.startswith("begin")]
    assert begun == ["begin 128", "begin 128", "begin 44"]
    made = [line for line in given.store.story if line.startswith("prepare")]
    sent = [int(line.split()[3]) for line in made]
    assert sent[0] == 0
    # The first of the group before may be on their way, the last are not.
    assert sent[1] < 128
    assert 128 <= sent[2] < 256


def test_a_group_is_never_picked_before_the_one_before_it_was_recorded() -> None:
    given = rig(200)
    asyncio.run(given.execute())
    story = [line.split()[0] for line in given.store.story]
    assert story[:4] == ["pick", "prepare", "begin", "pick"]


def test_the_next_group_is_begun_before_the_last_calls_of_one_and_not_much_earlier() -> None:
    given = rig(300)
    begun: list[int] = []
    record = given.store.mark_started

    async def marked(*args: Any) -> Any:
        begun.append(len(given.connector.sent))
        return await record(*args)

    given.store.mark_started = marked  # type: ignore[method-assign]
    asyncio.run(given.execute())
    first = executing.GROUP
    assert begun[0] == 0
    at_once = given.connector.abilities.in_flight
    assert first - AHEAD - at_once <= begun[1] < first
    assert 2 * first - AHEAD - at_once <= begun[2] < 2 * first


# In the middle of a group; and at its end, when the next one is recorded as begun.
@pytest.mark.parametrize("place", [140, 250])
def test_answers_before_a_withdrawn_sign_in_are_kept_and_the_rest_given_back(place: int) -> None:
    given = rig(300)
    given.connector.breaks_at = given.store.ready[place].change.key
    with pytest.raises(ConnectionBrokenError):
        asyncio.run(given.execute())
    answered = {op.id for op in given.store.ready if op.change.key in given.connector.sent}
    assert given.store.settled == answered
    assert given.store.settled.isdisjoint(given.store.given_back)
    assert given.store.settled | given.store.given_back == given.store.started


def test_ended_at_once_only_what_is_under_way_is_left_open() -> None:
    given = rig(300)

    async def ended() -> None:
        record, begun = given.store.mark_started, asyncio.Event()

        async def marked(*args: Any) -> Any:
            done = await record(*args)
            if len(given.store.started) > executing.GROUP:
                begun.set()
            return done

        given.store.mark_started = marked  # type: ignore[method-assign]
        working = asyncio.ensure_future(given.execute())
        await begun.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    asyncio.run(ended())
    open_ones = given.store.started - given.store.settled - given.store.given_back
    assert len(given.store.started) == 2 * executing.GROUP
    assert len(given.store.given_back) >= executing.GROUP
    assert len(open_ones) <= given.connector.abilities.in_flight


def test_a_read_that_fails_for_the_next_group_loses_no_answer_of_this_one() -> None:
    given = rig(300, prepare_fails_at=2)
    with pytest.raises(TransientError):
        asyncio.run(given.execute())
    assert len(given.connector.sent) == 128
    assert len(given.store.settled) == 128
    assert len(given.store.started) == 128


def test_nothing_goes_on_when_answers_cannot_be_stored() -> None:
    given = rig(400)
    given.store.fails = True
    with pytest.raises(StoreError):
        asyncio.run(given.execute())
    assert len(given.connector.sent) <= 2 * executing.GROUP
    assert not given.store.settled


def test_what_does_not_move_is_not_tried_again_and_again() -> None:
    given = rig(3)

    async def refuses(*_: Any) -> dict[str, Any]:
        given.store.story.append("refused")
        return {}

    given.store.mark_started = refuses  # type: ignore[method-assign,assignment]
    asyncio.run(given.execute())
    assert given.store.story.count("refused") == 1
    assert not given.connector.sent
