"""
Runs a program of the Tryton environment that ends with its parent, however that one ends.

Executed as a file by the other environment's Python, so it knows the standard library only. The
parent holds the other end of our standard input: the kernel closes it when the parent is gone,
also when it was killed. A process that was only told to die with its parent's *thread* would go
too early, one that is told nothing would stay for ever.

Arguments: the parent's process id, the program's path, the program's own arguments.
"""

import os
import runpy
import select
import signal
import sys
import threading

_LOOK_SECONDS = 1.0


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _LOOK_SECONDS)
        if readable and not os.read(0, 1):
            break
    # The whole group: what the program itself has started goes as well.
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Watch the parent from a thread, and be the program."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    sys.argv = sys.argv[2:]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
