"""The program inside this process, in a project of its own, against served simulators."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from support import loaded
from tieout.cli import main
from tieout_sandbox.kit.registry import credentials


@dataclass(slots=True)
class Simulator:
    """A simulator in a process of its own."""

    base_url: str
    process: loaded.Started
    credentials: dict[str, str]

    def post(self, path: str, /, **body: Any) -> Any:
        """A call past the vendor's own interface, such as ``faults``."""
        asked = Request(
            f"{self.base_url}/_sandbox/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(asked, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def records(self, entity: str) -> Any:
        """Everything stored of a kind, in the vendor's own form."""
        with urlopen(f"{self.base_url}/_sandbox/records/{entity}", timeout=30) as answer:
            found = json.loads(answer.read())
        return found if isinstance(found, list) else found.get("records", found.get("items"))

    def reset(self) -> None:
        """Back to the state at start, without faults."""
        self.post("reset")


@contextmanager
def served(system: str, *options: str) -> Iterator[Simulator]:
    """A simulator on a free port, ended afterwards."""
    process = loaded.start("tieout_sandbox", "serve", system, "--port", "0", "--json", *options)
    assert process.stdout is not None
    try:
        where = json.loads(process.stdout.readline())
        yield Simulator(where["base_url"], process, credentials(system))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        process.stdout.close()


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, unlike pytest's: a server may run as another one."""
    home = Path(tempfile.mkdtemp(prefix="tieout-cli-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@dataclass(slots=True)
class Answer:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> Any:
        """The one object on standard output; fails where there is not exactly one."""
        assert self.out.count("\n") == 1, self.out
        found = json.loads(self.out)
        assert found["exit_code"] == self.code
        assert found["ok"] is (self.code == 0)
        return found


class Program:
    """Runs command lines in a folder, without a terminal."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def __call__(self, *words: str) -> Answer:
        before = Path.cwd()
        self._capture.readouterr()
        os.chdir(self.folder)
        try:
            code = main.run(words)
        finally:
            os.chdir(before)
        out, err = self._capture.readouterr()
        assert "Traceback" not in out + err
        return Answer(code, out, err)

    def write(self, name: str, text: str | bytes) -> None:
        """A file of the project."""
        data = text.encode() if isinstance(text, str) else text
        (self.folder / name).write_bytes(data)

    def text(self, name: str = "tieout.yaml") -> str:
        """A file of the project."""
        return (self.folder / name).read_text(encoding="utf-8")


def browse(address: str) -> None:
    """A browser whose person agrees at once: it follows where it is sent."""
    threading.Thread(target=_open, args=(address,), daemon=True).start()


def _open(address: str) -> None:
    with urlopen(address, timeout=30) as answer:
        answer.read()
