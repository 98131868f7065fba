"""The state file: one line with a whole state, then one line per change made since.

A process that is killed loses nothing it answered, because the line of a change is handed to the
operating system before the answer leaves. A last line that was cut belongs to a call that was
never answered, and is left out.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tieout_sandbox.kit.codec import dumps, loads
from tieout_sandbox.kit.http import Request


class Journal:
    """An append-only file of changes behind a snapshot."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def read(self) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """The snapshot and the changes after it, None where there is no usable file."""
        if not self.path.is_file():
            return None
        entries = list(_lines(self.path))
        return (entries[0], entries[1:]) if entries else None

    def start(self, snapshot: dict[str, Any]) -> None:
        """Replaces the file by one that holds only this snapshot; atomic."""
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.write_bytes(dumps(snapshot) + b"\n")
        os.replace(fresh, self.path)
        # Unbuffered: each line reaches the operating system in the call that writes it.
        self._file = self.path.open("ab", buffering=0)

    def append(self, entry: dict[str, Any]) -> None:
        """Adds one change."""
        if self._file is not None:
            self._file.write(dumps(entry) + b"\n")

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield loads(line)


def request_entry(request: Request) -> dict[str, Any]:
    """A request in the form the journal keeps."""
    return {
        "method": request.method,
        "path": request.path,
        "query": [list(pair) for pair in request.query],
        "headers": dict(request.headers),
        "body": base64.b64encode(request.body).decode(),
    }


def entry_request(entry: dict[str, Any]) -> Request:
    """The reverse of `request_entry`."""
    return Request(
        method=entry["method"],
        path=entry["path"],
        query=tuple((name, value) for name, value in entry["query"]),
        headers=entry["headers"],
        body=base64.b64decode(entry["body"]),
    )
