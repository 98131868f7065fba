"""Several calls under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def in_order(calls: Sequence[Awaitable[T]]) -> list[T]:
    """
    The results of several calls under way at once, in order. The first error is raised when all
    have ended, so that none goes on unseen.
    """
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
