"""Asking a connector for many at once: one record that it does not understand stops no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tieout.core.errors import NOT_UNDERSTOOD, UnreadableError, place_of

Q = TypeVar("Q")
A = TypeVar("A")


async def by_halves(
    ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
    asked: Sequence[Q],
    alone: Callable[[Q, UnreadableError], Sequence[A]],
) -> list[A]:
    """
    The answers, in order. Where some are refused together, each half is asked for by itself;
    ``alone`` says what stands for one that is refused by itself.
    """
    if not asked:
        return []
    try:
        return list(await ask(asked))
    except UnreadableError as error:
        told = error
    except NOT_UNDERSTOOD as error:
        told = UnreadableError(f"It is not in a form that Tieout knows: {place_of(error)}.")
    if len(asked) == 1:
        return list(alone(asked[0], told))
    half = len(asked) // 2
    first = await by_halves(ask, asked[:half], alone)
    return first + await by_halves(ask, asked[half:], alone)
