"""A wire to trytond on which answers are lost after the work was done, or work is done late."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

# An answer is thrown away, cut in half, or the request arrives after its sender has given up.
KINDS = ("lose", "cut", "late")
_WRITES = (".create", ".write", ".delete", ".post")


class Wire:
    """
    Listens on a port of its own and hands every call on to trytond's.

    `fail` makes the next calls that write go wrong. `struck` counts what went wrong, by kind;
    `calls` and `writes` what came.
    """

    def __init__(self, port: int, seed: int = 7) -> None:
        self.target = port
        self.struck: Counter[str] = Counter()
        self.calls = self.writes = 0
        self._waiting: list[str] = []
        self._chance = Random(seed)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The address to give to a client in place of the server's."""
        return f"http://127.0.0.1:{self.port}"

    def fail(self, *kinds: str) -> None:
        """The next calls that write fail like this, one after the other, and no others."""
        with self._lock:
            self._waiting = list(kinds)

    def close(self) -> None:
        """No further calls."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = _whole_request(connection)
            if not request:
                return
            kind = self._next(_writes(request))
            if kind == "late":
                connection.close()
                time.sleep(self._chance.uniform(0.05, 1.0))
            answer = self._ask(request)
            if kind == "cut":
                answer = answer[: len(answer) // 2]
            if kind in ("", "cut"):
                connection.sendall(answer)

    def wait(self, *, calls: int = 0, writes: int = 0, seconds: float = 8.0) -> None:
        """Until so many more have come, or it has taken too long."""
        calls, writes = self.calls + calls, self.writes + writes
        end = time.monotonic() + seconds
        while time.monotonic() < end and (self.calls < calls or self.writes < writes):
            time.sleep(0.005)

    def _next(self, write: bool) -> str:
        with self._lock:
            self.calls += 1
            self.writes += write
            kind = self._waiting.pop(0) if write and self._waiting else ""
            if kind:
                self.struck[kind] += 1
            return kind

    def _ask(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.target), timeout=120) as server:
            server.sendall(request)
            # trytond closes each connection behind its answer.
            return b"".join(_until_closed(server))


def _until_closed(connection: socket.socket) -> Iterator[bytes]:
    while part := connection.recv(65_536):
        yield part


def _whole_request(connection: socket.socket) -> bytes:
    held = b""
    while b"\r\n\r\n" not in held:
        part = connection.recv(65_536)
        if not part:
            return b""
        held += part
    head, _, body = held.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        part = connection.recv(65_536)
        if not part:
            return b""
        body += part
    return head + b"\r\n\r\n" + body


def _writes(request: bytes) -> bool:
    body = request.partition(b"\r\n\r\n")[2]
    try:
        method = str(json.loads(body)["method"])
    except (ValueError, KeyError, TypeError):
        return False
    return method.startswith("model.") and method.endswith(_WRITES)
