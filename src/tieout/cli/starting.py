"""
Before the program is loaded: Ctrl-C gets an answer instead of a trace, and a crash leaves no core.

Imports the least there is, since it comes before everything else. As soon as a command runs, its
own handlers take over (`command._watch_signals`).
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from types import FrameType

# A terminal that goes away asks for the same as the machine that shuts down.
_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
_guarded: list[signal.Signals] = []
MESSAGE = "Stopped before anything was done. Safe to run again."


def guard() -> None:
    """
    From now on these signals end the program with its answer and exit code, and no crash leaves
    the memory in a file: sign-ins and the vault's key are in it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    for number in _CODES:
        # A shell that starts a job in the background has it ignore Ctrl-C; that stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
            _guarded.append(number)


def deafen() -> None:
    """The command is stopping and its answer is on its way: more signals would only cut it off."""
    for number in _guarded:
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _: FrameType | None) -> None:
    code = _CODES[signal.Signals(number)]
    if "--json" in sys.argv:
        os.write(1, f"{answer(sys.argv[1:], code)}\n".encode())
    else:
        os.write(2, f"{MESSAGE}\n".encode())
    os._exit(code)


def answer(words: Sequence[str], code: int) -> str:
    """The one object of a command that was stopped before it began."""
    import json
    from datetime import UTC, datetime

    name = next((word for word in words if not word.startswith("-")), "tieout")
    return json.dumps(
        {
            "schema": f"tieout.{name.replace('-', '_')}/1",
            "ok": False,
            "exit_code": code,
            "bridge": None,
            "generated_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "data": None,
            "findings": [],
            "error": {
                "code": "interrupted",
                "message": MESSAGE,
                "ref": None,
                "place": None,
                "retry_after": None,
                "reference": None,
            },
            "next": [],
        }
    )
