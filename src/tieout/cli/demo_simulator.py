"""
A simulator as the demo's child: `python -P -m tieout.cli.demo_simulator serve SYSTEM ...`.

It ends with its parent, however that one ends: the kernel is asked to kill it then, and where
there is no such kernel, the pipe from the parent (standard input) closes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def end_with_parent(pipe: int) -> None:
    """From now on this process does not outlive the one that holds the other end of the pipe."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_wait_for_end, args=(pipe,), daemon=True).start()


def _wait_for_end(pipe: int) -> None:
    # Also what ends us when the parent was gone before the kernel was asked.
    while os.read(pipe, 4096):
        pass
    os._exit(0)


def main() -> int:
    """Serves until the parent ends it, or ends itself."""
    end_with_parent(sys.stdin.fileno())
    from tieout_sandbox.kit.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
