"""Ports for servers that a test starts by number, out of the way of everything else."""

from __future__ import annotations

import os
import socket
from itertools import count

# Below 32768, where Linux hands out ports by chance; a stretch for each worker of a test run.
_STRETCH = 500
_FIRST = 20_001
_given = count()


def quiet_ports(number: int = 1) -> list[int]:
    """`number` free ports in a row on 127.0.0.1, given out once per process.

    Raises AssertionError when none is free."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    start = _FIRST + (int(worker) % 20) * _STRETCH
    for _ in range(_STRETCH):
        ports = [start + next(_given) % _STRETCH for _ in range(number)]
        if ports == list(range(ports[0], ports[0] + number)) and all(map(_is_free, ports)):
            return ports
    raise AssertionError(f"no free port from {start} to {start + _STRETCH}")


def _is_free(port: int) -> bool:
    with socket.socket() as trying:
        try:
            trying.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
