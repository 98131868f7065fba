"""
An event loop in which time is a number and equal seeds give equal traces.

Nothing waits: when no task can go on, time moves to the next timer. Nothing comes from outside:
threads, sockets, signals and child processes are refused. Nothing depends on memory addresses:
tasks and futures are hashed by a counter, so that the sets that asyncio keeps of them have the
same order in every process.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
# Rounds of the loop without any time passing: a task that only ever says sleep(0).
ROUNDS_WITHOUT_TIME = 1_000_000


class NotSimulatedError(RuntimeError):
    """The program reached for something that a simulation cannot repeat."""


class DeadlockError(RuntimeError):
    """All tasks wait for each other: nothing is ready and no timer is set."""


class LivelockError(RuntimeError):
    """Tasks run and run, and no time passes."""


class LostError(RuntimeError):
    """A task or a callback failed and nobody asked for its outcome."""


class VirtualTask(asyncio.Task[T]):
    """A task whose hash is its number in its loop; it keeps the context that it runs in."""

    def __init__(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        loop: VirtualLoop,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> None:
        # Before the base class, which puts the task into a set.
        self.number = loop.next_number()
        self.context = contextvars.copy_context() if context is None else context
        # The default names are counted over all loops of the process.
        named = f"task-{self.number}" if name is None else name
        super().__init__(coro, loop=loop, name=named, context=self.context, **options)

    def __hash__(self) -> int:
        return self.number


class VirtualFuture(asyncio.Future[T]):
    """A future whose hash is its number in its loop."""

    def __init__(self, *, loop: VirtualLoop) -> None:
        self.number = loop.next_number()
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


class _NoSelector:
    """Where a loop would sleep until a socket or a timer is ready: time moves instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        """There is nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. `time()` begins at zero and moves only between tasks."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._numbers = 0
        self._now = 0.0
        self._rounds = 0
        self._home = threading.get_ident()
        self._lost: list[dict[str, Any]] = []
        self._selector = _NoSelector(self)
        # Wider than a float's steps at any time that is reached; else a timer that is due could
        # be taken for one that is not, forever.
        self._clock_resolution = 1e-6
        self.set_task_factory(_make_task)
        self.set_exception_handler(lambda _, context: self._lost.append(context))

    def time(self) -> float:
        return self._now

    def next_number(self) -> int:
        """The next number for a task or a future; the same one in every process."""
        self._numbers += 1
        return self._numbers

    def create_future(self) -> VirtualFuture[Any]:
        return VirtualFuture(loop=self)

    def pass_time(self, timeout: float | None) -> None:
        """Move to the next timer. DeadlockError where there is none to move to."""
        if timeout is None:
            raise DeadlockError(f"nothing can go on; waiting: {self.waiting()}")
        if timeout > 0:
            self._rounds = 0
            # To the timer itself, not by the difference: sums of floats drift.
            self._now = max(self._now, min(self._scheduled[0].when(), self._now + timeout))
            return
        self._rounds += 1
        if self._rounds > ROUNDS_WITHOUT_TIME:
            raise LivelockError(f"no time passes at {self._now} s; running: {self.waiting()}")

    def waiting(self) -> str:
        """The unfinished tasks by number, each with the line that it stands at."""
        tasks = sorted(asyncio.all_tasks(self), key=hash)
        return ", ".join(f"{task.get_name()} ({_place(task)})" for task in tasks) or "no task"

    def lost_errors(self) -> list[BaseException]:
        """What failed without anybody asking, in order."""
        return [c["exception"] for c in self._lost if c.get("exception") is not None]

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        # asyncio itself calls this from our thread, for generators that were not finished.
        if threading.get_ident() != self._home:
            raise NotSimulatedError("call_soon_threadsafe() from another thread is not simulated")
        return self.call_soon(callback, *args, context=context)

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing comes from outside, so there is nothing to process."""

    def finish(self) -> None:
        """Cancel what still runs, let it end, and close the loop."""
        try:
            for _ in range(10):
                left = sorted(asyncio.all_tasks(self), key=hash)
                if not left:
                    break
                for task in left:
                    task.cancel()
                self.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self.run_until_complete(self.shutdown_asyncgens())
        finally:
            self.close()


def _make_task(
    loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
) -> VirtualTask[Any]:  # the signature has grown from version to version
    assert isinstance(loop, VirtualLoop)
    return VirtualTask(coro, loop=loop, **options)


def _place(task: asyncio.Task[Any]) -> str:
    awaited: Any = task.get_coro()
    inner = awaited
    while awaited is not None:
        inner = awaited if getattr(awaited, "cr_frame", None) is not None else inner
        awaited = getattr(awaited, "cr_await", None)
    name = getattr(inner, "__qualname__", repr(inner))
    frame = getattr(inner, "cr_frame", None)
    return name if frame is None else f"{name}, line {frame.f_lineno}"


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*args: object, **options: object) -> NoReturn:
        raise NotSimulatedError(f"{name}() is not simulated: no threads, sockets or processes")

    return refuse


_REFUSED = """
    run_in_executor set_default_executor getaddrinfo getnameinfo
    add_reader remove_reader add_writer remove_writer add_signal_handler remove_signal_handler
    sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto
    sock_connect sock_accept sock_sendfile sendfile start_tls
    create_connection create_server create_unix_connection create_unix_server
    create_datagram_endpoint connect_accepted_socket connect_read_pipe connect_write_pipe
    subprocess_exec subprocess_shell
"""
for _name in _REFUSED.split():
    setattr(VirtualLoop, _name, _refusal(_name))


class VirtualClock:
    """
    The time of day of one machine: the loop's time from an epoch on, plus what it is wrong by.

    Several machines are several clocks over one loop.
    """

    def __init__(self, loop: VirtualLoop, epoch: datetime = EPOCH) -> None:
        self._loop = loop
        self._epoch = epoch
        self._wrong_by = timedelta(0)

    def now(self) -> datetime:
        """The time in UTC, aware."""
        return self._epoch + timedelta(seconds=self._loop.time()) + self._wrong_by

    async def sleep(self, seconds: float) -> None:
        """Go on after that many seconds; at once, after the others, if there are none."""
        await asyncio.sleep(max(0.0, seconds))

    def jump(self, seconds: float) -> None:
        """Set the time of day forward or back, as an operator or a time server does."""
        self._wrong_by += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a simulated program is given: its seed, a source of chance made of it, time."""

    seed: int
    random: random.Random
    clock: VirtualClock
    loop: VirtualLoop


def run(
    program: Callable[[Simulation], Awaitable[T]],
    seed: int,
    *,
    forgive: tuple[type[BaseException], ...] = (),
) -> T:
    """
    What `program` returns, run to its end in a loop of its own.

    Raises what it raises; DeadlockError and LivelockError; LostError if a task failed unasked,
    unless with one of `forgive`. Same program and seed: same trace, in any process.
    """
    loop = VirtualLoop()
    chance = random.Random(seed)
    simulation = Simulation(seed=seed, random=chance, clock=VirtualClock(loop), loop=loop)

    async def main() -> T:
        return await program(simulation)

    # The collector ends forgotten generators whenever it happens to come by.
    collected = gc.isenabled()
    gc.disable()
    try:
        try:
            result = loop.run_until_complete(loop.create_task(main(), name="main"))
        finally:
            loop.finish()
    finally:
        if collected:
            gc.enable()
    lost = [error for error in loop.lost_errors() if not isinstance(error, forgive)]
    if lost:
        raise LostError(f"{len(lost)} failed unasked, the first: {lost[0]!r}") from lost[0]
    return result
