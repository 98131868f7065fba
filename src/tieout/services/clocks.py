"""This machine's clock against those of the systems: hours apart, nothing is decided or sent."""

from __future__ import annotations

from tieout.core.brakes import clock_words
from tieout.core.errors import StoppedError
from tieout.engine.context import Engine


def apart(engine: Engine) -> StoppedError | None:
    """
    The reason to stop where a system's clock is too far from ours, else None.

    A sign-in that is signed for a time is refused then, which reads like a wrong key.
    """
    if engine.force:
        return None
    for connection, offset in engine.offsets.items():
        seconds = int(offset.total_seconds())
        if abs(seconds) > engine.policy.brakes.clock_offset_s:
            return StoppedError(
                f"{clock_words(connection, seconds)} Nothing was done.",
                code="clock_off",
                hint="Set this machine's clock.",
            )
    return None
