"""
Whether the process that holds a lease is gone for certain: only then is its lease not waited out.

A process is named by the machine's boot, the namespace of its number, the number, and when it was
started, so that neither another machine nor a number that is used again is mistaken for it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

PROC = Path("/proc")
_MARK = re.compile(r" \[([0-9a-f-]+) (\d+) (\d+) (\d+)\]$")


def marked(process: str, pid: int | None = None, proc: Path = PROC) -> str:
    """``process 4121`` with what tells it from all others; as it was where the machine tells not"""
    number = os.getpid() if pid is None else pid
    boot, space, start = _boot(proc), _space(proc), _started(proc, number)
    if boot is None or space is None or start is None:
        return process
    return f"{process} [{boot} {space} {number} {start}]"


def shown(process: str) -> str:
    """The same as people see it: ``process 4121``."""
    return _MARK.sub("", process)


def is_gone(process: str, proc: Path = PROC) -> bool:
    """
    Whether that process is no more. False wherever this is not certain: another machine or
    container, a boot since, a machine that does not tell.
    """
    found = _MARK.search(process)
    if found is None or found[1] != _boot(proc) or found[2] != _space(proc):
        return False
    number, start = int(found[3]), found[4]
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    now = _started(proc, number)
    return now is not None and now != start


def _boot(proc: Path) -> str | None:
    try:
        return (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _space(proc: Path) -> str | None:
    try:
        found = re.fullmatch(r"pid:\[(\d+)\]", str((proc / "self/ns/pid").readlink()))
    except OSError:
        return None
    return None if found is None else found[1]


def _started(proc: Path, number: int) -> str | None:
    """When a process was started, in ticks since the boot; '0' for one that only awaits burial."""
    try:
        text = (proc / str(number) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in brackets may hold spaces and brackets itself.
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20:
        return None
    return "0" if fields[0] in ("Z", "X") else fields[19]
