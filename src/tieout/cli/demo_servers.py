"""The demo's two simulators: processes of their own that listen on this machine only."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tieout.bootstrap import system_named
from tieout.core.errors import TransientError
from tieout.services.demo import Address
from tieout_sandbox.kit.registry import credentials

HOST = "127.0.0.1"
COMMAND = "tieout demo"
READY_S = 60
END_S = 5
_PORT_TAKEN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A simulator to start. ``port`` 0: any that is free."""

    system: str
    port: int
    options: Sequence[str]


def check_ports(port: int, number: int, command: str = COMMAND) -> None:
    """
    Raises `TransientError` where one of so many ports from this one on is taken; its hint is this
    command with any port.
    """
    for wanted in range(port, port + number) if port else ():
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HOST, wanted))
            except OSError:
                raise port_taken(wanted, command) from None


def port_taken(port: int, command: str = COMMAND) -> TransientError:
    """The error for a port that somebody else listens on."""
    return TransientError(
        f"Port {port} is taken. Nothing was started.",
        code="port_taken",
        hint=f"{command} --port 0",
    )


@dataclass(slots=True, kw_only=True)
class Simulators:
    """Simulators that were started and get ready side by side."""

    wanted: Sequence[Wanted]
    logs: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    async def addresses(self) -> list[Address]:
        """
        Where they listen, in the order in which they were wanted, once all can serve.

        Raises `TransientError` where a port was taken meanwhile or one did not start.
        """
        return [
            await _address(one, process, self.logs)
            for one, process in zip(self.wanted, self.processes, strict=True)
        ]


@contextmanager
def simulators(wanted: Sequence[Wanted], logs: Path) -> Iterator[Simulators]:
    """The simulators, started; all ended on leaving, whatever happened."""
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    started = Simulators(wanted=wanted, logs=logs)
    try:
        for one in wanted:
            with (logs / f"{one.system}.log").open("wb") as log:
                started.processes.append(_start(one, log))
        yield started
    finally:
        _end(started.processes)


def _start(wanted: Wanted, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # -P: a file typing.py in the folder where somebody tries the demo is not ours.
    program = [sys.executable, "-P", "-m", "tieout.cli.demo_simulator", "serve", wanted.system]
    # The kernel ends the child with the thread that made it: this is the main one.
    return subprocess.Popen(  # noqa: S603
        [*program, "--port", str(wanted.port), "--json", *wanted.options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,  # Ctrl-C is for the demo, which then ends its simulators
    )


async def _address(wanted: Wanted, process: subprocess.Popen[bytes], logs: Path) -> Address:
    assert process.stdout is not None
    reading = asyncio.get_running_loop().run_in_executor(None, process.stdout.readline)
    try:
        line = await asyncio.wait_for(reading, READY_S)
    except TimeoutError:
        line = b""
    if not line:
        if process.poll() is None:
            process.kill()
        if process.wait() == _PORT_TAKEN:
            raise port_taken(wanted.port)
        raise TransientError(
            f"The simulator of {wanted.system} did not start.",
            code="simulator_failed",
            hint=f"Read {logs}/{wanted.system}.log.",
        )
    told: dict[str, Any] = json.loads(line)
    return Address(
        system=system_named(wanted.system),
        base_url=told["base_url"],
        token_url=told["token_url"],
        credentials=credentials(wanted.system),
    )


def _end(started: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
