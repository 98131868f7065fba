"""
The death of a simulated process: at a chosen point, and nothing of it acts afterwards.

A real process that dies runs no handler. A simulated one unwinds through its `except` and
`finally`; so from its death on, every store and transport that it was given refuses.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar, cast

from virtual_loop import VirtualTask

T = TypeVar("T")

_ENGINE: contextvars.ContextVar[Mortal | None] = contextvars.ContextVar("_ENGINE", default=None)
ROUNDS_TO_DIE = 20


class Death(BaseException):
    """This engine is dead; the message is the point where it died."""


class Mortal:
    """
    One engine that can die once.

    It passes points: those of its own code (`await point(name)`), and one before and one after
    each call of what `guard()` wrapped. `dies_at` chooses the how-manieth, counted from 1, of
    the points whose name begins with `where`. `passed` lists them all, so that a first run shows
    how many there are to die at.
    """

    def __init__(
        self, name: str = "engine", *, dies_at: int | None = None, where: str = ""
    ) -> None:
        self.name = name
        self.passed: list[str] = []
        self.died_at: str | None = None
        self._dies_at = dies_at
        self._where = where
        self._counted = 0
        self._gone: asyncio.Future[None] | None = None

    @property
    def dead(self) -> bool:
        return self.died_at is not None

    async def point(self, name: str) -> None:
        """Go on, or die here."""
        self.check(name)

    def check(self, name: str) -> None:
        """As `point`, for code that does not await. A dead engine dies again at every point."""
        self.refuse()
        self.passed.append(name)
        if self._dies_at is not None and name.startswith(self._where):
            self._counted += 1
            if self._counted == self._dies_at:
                self.kill(name)
                self.refuse()

    def kill(self, name: str = "killed") -> None:
        """Die now, from outside."""
        if self.dead:
            return
        self.died_at = name
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def refuse(self) -> None:
        """Raise Death if this engine is dead."""
        if self.died_at is not None:
            raise Death(f"{self.name} died at {self.died_at}")

    def guard(self, inner: T, label: str) -> T:
        """
        `inner` as this engine sees it: calls, awaits, iterations and `with` blocks are points.

        A `with` block in which it dies is left as if by an error: a transaction rolls back.
        """
        return cast("T", _Guard(self, inner, label))

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        What `work` returns. At the engine's death, all tasks that it started are ended, however
        far they are, and Death is raised, even where its own code swallowed it.
        """
        loop = asyncio.get_running_loop()
        gone = self._gone = loop.create_future()
        self.refuse()
        context = contextvars.copy_context()
        context.run(_ENGINE.set, self)
        main = loop.create_task(work(), name=self.name, context=context)
        try:
            await asyncio.wait((main, gone), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            main.cancel()
            await asyncio.wait((main,))
            raise
        if self.dead:
            await self._end_tasks()
            self.refuse()
        return main.result()

    def _tasks(self) -> list[VirtualTask[Any]]:
        tasks = (task for task in asyncio.all_tasks() if isinstance(task, VirtualTask))
        return sorted((t for t in tasks if t.context.get(_ENGINE) is self), key=hash)

    async def _end_tasks(self) -> None:
        for _ in range(ROUNDS_TO_DIE):
            tasks = self._tasks()
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            # No longer than this: one that ignores its end would sleep on.
            await asyncio.wait(tasks, timeout=0)
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.exception()
        names = ", ".join(task.get_name() for task in self._tasks())
        raise RuntimeError(f"{self.name} is dead, and these go on: {names}")


class _Guard:
    """Something an engine was given; see Mortal.guard()."""

    def __init__(self, mortal: Mortal, inner: Any, label: str) -> None:
        self._mortal = mortal
        self._inner = inner
        self._label = label

    def __getattr__(self, name: str) -> Any:
        self._mortal.refuse()
        value = getattr(self._inner, name)
        if not callable(value):
            return value
        return _guarded(self._mortal, value, f"{self._label}.{name}")


def _guarded(mortal: Mortal, call: Callable[..., Any], label: str) -> Callable[..., Any]:
    def guarded(*args: Any, **options: Any) -> Any:
        mortal.check(f"{label}:before")
        result = call(*args, **options)
        if inspect.isawaitable(result):
            return _awaited(mortal, result, label)
        if hasattr(result, "__aiter__"):
            return _iterated(mortal, result, label)
        if hasattr(result, "__aenter__"):
            return _AsyncBlock(mortal, result, label)
        if hasattr(result, "__enter__"):
            return _Block(mortal, result, label)
        mortal.check(f"{label}:after")
        return result

    return guarded


async def _awaited(mortal: Mortal, result: Awaitable[T], label: str) -> T:
    value = await result
    mortal.check(f"{label}:after")
    return value


async def _iterated(mortal: Mortal, result: AsyncIterator[T], label: str) -> AsyncIterator[T]:
    async for value in result:
        mortal.check(f"{label}:item")
        yield value
        mortal.refuse()
    mortal.check(f"{label}:after")


class _Block:
    """A `with` block: a point after entering, before leaving (not yet committed), after it."""

    def __init__(self, mortal: Mortal, inner: Any, label: str) -> None:
        self._mortal = mortal
        self._inner = inner
        self._label = label

    def __enter__(self) -> Any:
        value = self._inner.__enter__()
        try:
            self._mortal.check(f"{self._label}:entered")
        except Death as death:
            self._inner.__exit__(Death, death, death.__traceback__)
            raise
        return value

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        try:
            self._mortal.check(f"{self._label}:leaving")
        except Death as death:
            self._inner.__exit__(Death, death, death.__traceback__)
            raise
        handled = self._inner.__exit__(kind, error, trace)
        self._mortal.check(f"{self._label}:after")
        return handled


class _AsyncBlock:
    """As _Block, for `async with`."""

    def __init__(self, mortal: Mortal, inner: Any, label: str) -> None:
        self._mortal = mortal
        self._inner = inner
        self._label = label

    async def __aenter__(self) -> Any:
        value = await self._inner.__aenter__()
        try:
            self._mortal.check(f"{self._label}:entered")
        except Death as death:
            await self._inner.__aexit__(Death, death, death.__traceback__)
            raise
        return value

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        try:
            self._mortal.check(f"{self._label}:leaving")
        except Death as death:
            await self._inner.__aexit__(Death, death, death.__traceback__)
            raise
        handled = await self._inner.__aexit__(kind, error, trace)
        self._mortal.check(f"{self._label}:after")
        return handled
