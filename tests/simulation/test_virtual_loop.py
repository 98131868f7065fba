"""Equal seeds give equal traces in any process, and nothing real gets in."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest

import virtual_loop
from virtual_loop import (
    EPOCH,
    DeadlockError,
    LivelockError,
    LostError,
    NotSimulatedError,
    Simulation,
    run,
)

HERE = Path(__file__).resolve().parent


async def busy(simulation: Simulation) -> list[str]:
    """Task groups, waits, queues, time-outs and cancellations, with everything written down."""
    loop, chance, trace = simulation.loop, simulation.random, list[str]()

    def note(text: str) -> None:
        trace.append(f"{loop.time():.6f} {simulation.clock.now().isoformat()} {text}")

    async def worker(number: int, queue: asyncio.Queue[int]) -> int:
        try:
            while True:
                job = await queue.get()
                await simulation.clock.sleep(chance.random())
                note(f"worker {number} did {job}")
                queue.task_done()
        except asyncio.CancelledError:
            note(f"worker {number} cancelled")
            raise

    async def fails_after(seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise ValueError(f"after {seconds}")

    async def patient(number: int) -> None:
        try:
            await asyncio.sleep(100 + number)
        finally:
            note(f"patient {number} ended")

    queue: asyncio.Queue[int] = asyncio.Queue(5)
    workers = [asyncio.create_task(worker(n, queue)) for n in range(7)]
    for job in range(40):
        await queue.put(job)
    await queue.join()
    for task in workers:
        task.cancel()
    await asyncio.wait(workers)

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(patient(number))
            group.create_task(fails_after(0.5))
    except ExceptionGroup as error:
        note(f"group: {error.exceptions!r}")

    pending = {asyncio.create_task(asyncio.sleep(n % 3, n)) for n in range(40)}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        note(f"done {[task.result() for task in done]} {[t.get_name() for t in done]}")

    futures = [loop.create_future() for _ in range(40)]
    loop.call_later(1, lambda: [f.set_result(n) for n, f in enumerate(futures)])
    answered, _ = await asyncio.wait(futures)
    note(f"futures {[future.result() for future in answered]}")

    async def times_out() -> None:
        try:
            async with asyncio.timeout(2.5):
                await asyncio.gather(*(patient(100 + n) for n in range(20)))
        except TimeoutError:
            note("timed out")

    # In a task of its own: before Python 3.11.4 a task that had a group with an error takes the
    # end of its time for a cancellation from outside.
    await asyncio.create_task(times_out())
    note(f"all {[task.get_name() for task in asyncio.all_tasks()]}")
    return trace


def trace_of(hash_seed: int, *, seed: int = 5, plain: bool = False) -> bytes:
    """The trace from a process of its own, in whose memory everything lies elsewhere."""
    program = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
padding = [bytes(size) for size in range(0, 1600, 8) for _ in range({hash_seed} * 5)]
import asyncio, virtual_loop, test_virtual_loop
if {plain}:
    virtual_loop.VirtualTask.__hash__ = asyncio.Task.__hash__
    virtual_loop.VirtualFuture.__hash__ = asyncio.Future.__hash__
print("\\n".join(virtual_loop.run(test_virtual_loop.busy, {seed})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_traces_are_equal_across_processes() -> None:
    first = trace_of(1)
    assert first.count(b"\n") > 100
    assert first == trace_of(2)
    assert first != trace_of(1, seed=6)


def test_the_trace_would_show_an_order_by_memory_address() -> None:
    assert len({trace_of(n, plain=True) for n in (1, 2, 3)}) > 1


def test_traces_are_equal_within_a_process() -> None:
    assert run(busy, 9) == run(busy, 9)
    assert run(busy, 9) != run(busy, 10)


def test_time_moves_only_when_nothing_else_can() -> None:
    async def program(simulation: Simulation) -> tuple[float, timedelta]:
        await asyncio.gather(*(simulation.clock.sleep(60) for _ in range(3)))
        assert simulation.loop.time() == 60.0
        await simulation.clock.sleep(-5)
        await simulation.clock.sleep(3600 * 24 * 365)
        assert simulation.clock.now().tzinfo is UTC
        return simulation.loop.time(), simulation.clock.now() - EPOCH

    begun = time.monotonic()
    assert run(program, 1) == (31536060.0, timedelta(days=365, seconds=60))
    assert time.monotonic() - begun < 5


def test_many_small_steps_end_at_the_right_time() -> None:
    async def program(simulation: Simulation) -> float:
        await asyncio.sleep(10_000_000.0)
        for _ in range(10_000):
            await asyncio.sleep(0.001)
        return simulation.loop.time()

    assert run(program, 1) == pytest.approx(10_000_010.0, abs=1e-3)


def test_a_clock_that_jumps_is_wrong_about_the_day_not_about_sleeping() -> None:
    async def program(simulation: Simulation) -> tuple[timedelta, float]:
        simulation.clock.jump(-3600)
        await simulation.clock.sleep(10)
        return simulation.clock.now() - EPOCH, simulation.loop.time()

    assert run(program, 1) == (timedelta(seconds=-3590), 10.0)


def test_a_deadlock_names_who_waits() -> None:
    async def waits_for_a_lock(lock: asyncio.Lock) -> None:
        await lock.acquire()

    async def program(simulation: Simulation) -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        await asyncio.create_task(waits_for_a_lock(lock), name="sender")

    with pytest.raises(DeadlockError, match=r"main \(.*sender \(.*line \d+"):
        run(program, 1)


def test_a_deadlock_is_found_even_when_tasks_resist_their_end() -> None:
    async def program(simulation: Simulation) -> None:
        while True:
            try:
                await simulation.loop.create_future()
            except asyncio.CancelledError:
                continue

    with pytest.raises(DeadlockError):
        run(program, 1)


def test_a_livelock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_loop, "ROUNDS_WITHOUT_TIME", 1000)

    async def program(simulation: Simulation) -> None:
        while simulation.seed:
            await asyncio.gather(asyncio.sleep(0))

    with pytest.raises(LivelockError, match="main"):
        run(program, 1)


def test_a_failure_that_nobody_asked_for_is_not_lost() -> None:
    async def fails() -> None:
        raise ValueError("lost")

    async def program(simulation: Simulation) -> int:
        task = asyncio.create_task(fails())
        await asyncio.sleep(1)
        del task
        return 1

    with pytest.raises(LostError, match="lost"):
        run(program, 1)
    assert run(program, 1, forgive=(ValueError,)) == 1


def test_what_still_runs_at_the_end_is_ended() -> None:
    ended = []

    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(True)

    async def program(simulation: Simulation) -> asyncio.Task[None]:
        task = asyncio.create_task(background())
        await asyncio.sleep(1)
        return task

    assert run(program, 1).cancelled()
    assert ended == [True]


def test_a_forgotten_generator_is_closed() -> None:
    closed = []

    async def pages() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def program(simulation: Simulation) -> None:
        async for _ in pages():
            break
        await asyncio.sleep(1)
        assert closed == [True]

    run(program, 1)


async def in_a_thread(simulation: Simulation) -> None:
    await asyncio.to_thread(time.sleep, 0)


async def over_a_socket(simulation: Simulation) -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def as_a_server(simulation: Simulation) -> None:
    await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)


async def as_a_process(simulation: Simulation) -> None:
    await asyncio.create_subprocess_exec("true")


async def with_a_reader(simulation: Simulation) -> None:
    with socket.socket() as real:
        simulation.loop.add_reader(real, print)


@pytest.mark.parametrize(
    "program", [in_a_thread, over_a_socket, as_a_server, as_a_process, with_a_reader]
)
def test_nothing_real_gets_in(program: virtual_loop.Callable[[Simulation], None]) -> None:
    with pytest.raises(NotSimulatedError, match="is not simulated"):
        run(program, 1)


def test_another_thread_cannot_wake_the_loop() -> None:
    async def program(simulation: Simulation) -> list[BaseException]:
        caught: list[BaseException] = []

        def other() -> None:
            try:
                simulation.loop.call_soon_threadsafe(print)
            except NotSimulatedError as error:
                caught.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return caught

    assert len(run(program, 1)) == 1
