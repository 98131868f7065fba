"""
Pages whose commands are run: ```console blocks, carried out and compared with what they show.

A line that begins with ``$ `` is a command, one with ``> `` goes on with it, all others are what
it says. ```console serve starts a simulator and leaves it running; ```console skip is not run.

    PYTHONPATH=tests python -m support.console docs/tutorial/first-bridge.md [FOLDER]

writes the real output into the page.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.ports import quiet_ports
from tieout.cli import main

_BLOCK = re.compile(r"^```console(?P<kind> \w+)?\n(?P<body>.*?)^```$", re.M | re.S)
_PORT = re.compile(r"(?<=:)87\d\d\b|(?<=--port )87\d\d\b")
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# What differs from one day, and one machine, to the next.
_VARIES = (
    (re.compile(r"\b\d{4}-\d{2}-\d{2}\b"), "DAY"),
    (
        re.compile(r"\b\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b(?: \d{4})?"),
        "DAY",
    ),
    # Past midnight in one place and before it in another: a period of two days.
    (re.compile(r"\b(?:\d{1,2}|DAY) to DAY\b"), "DAY"),
    (re.compile(r"\b\d{2}:\d{2}\b"), "TIME"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:s|min|h|seconds?|minutes?)\b"), "SPAN"),
    (re.compile(r"\bHead [0-9a-f]{8}\b"), "HEAD"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b"), "ID"),
    (re.compile(r"\b\d+ (calls|checks|entries|times)\b"), r"N \1"),
    (re.compile(r"\b\d+ %"), "N %"),
    (re.compile(r" {2,}"), "  "),
)


@dataclass(slots=True)
class Step:
    """One command of a page with what the page says it shows; ``line`` counts from 1."""

    command: str
    shown: str
    line: int
    kind: str
    span: tuple[int, int]


def steps(text: str) -> list[Step]:
    """The commands of a page in their order."""
    found: list[Step] = []
    for block in _BLOCK.finditer(text):
        at = block.start("body")
        for part in re.split(r"^(?=\$ )", block["body"], flags=re.M):
            end = at + len(part)
            if part.startswith("$ "):
                lines = part.splitlines()
                more = next(
                    (i for i, row in enumerate(lines[1:], 1) if not row.startswith("> ")),
                    len(lines),
                )
                command = "\n".join([lines[0][2:], *(row[2:] for row in lines[1:more])])
                shown = "\n".join(lines[more:])
                line = text.count("\n", 0, at) + 1
                kind = (block["kind"] or "").strip()
                found.append(Step(command, shown, line, kind, (at, end)))
            at = end
    return found


def plain(text: str) -> str:
    """A text without what differs from run to run."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    text = "\n".join(lines)
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return text


@dataclass(slots=True)
class Reader:
    """A person who follows a page: a folder, an environment, and programs left running."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, step: Step) -> str:
        """What the command says, with the page's own ports."""
        command = _PORT.sub(lambda found: self._port(found[0]), step.command)
        if step.kind == "serve":
            said = self._serve(command)
        elif command.startswith("cd "):
            self.folder = (self.folder / command[3:].strip()).resolve()
            said = ""
        elif command.startswith("export "):
            for word in shlex.split(command)[1:]:
                name, _, value = word.partition("=")
                self.environment[name] = value
            said = ""
        elif command.startswith("tieout ") and not re.search(r"[|<>;&\n]", command):
            said = self._tieout(shlex.split(command)[1:])
        else:
            said = self._shell(command)
        for shown, real in self.ports.items():
            said = said.replace(real, shown)
        return said.rstrip("\n")

    def close(self) -> None:
        """Ends what was left running."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(timeout=20)
            if process.stdout is not None:
                process.stdout.close()

    def _port(self, shown: str) -> str:
        if shown not in self.ports:
            self.ports[shown] = str(quiet_ports()[0])
        return self.ports[shown]

    def _serve(self, command: str) -> str:
        words = [sys.executable, "-m", "tieout_sandbox", *shlex.split(command)[2:]]
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.running.append(process)
        assert process.stdout is not None
        return process.stdout.readline()

    def _tieout(self, words: list[str]) -> str:
        """In this process, as the program's start would be most of the time."""
        out, before = io.StringIO(), Path.cwd()
        with self._as_environment(), contextlib.ExitStack() as stack:
            stack.callback(os.chdir, before)
            os.chdir(self.folder)
            stdin = stack.enter_context(Path(os.devnull).open(encoding="ascii"))
            old, sys.stdin = sys.stdin, stdin
            stack.callback(setattr, sys, "stdin", old)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                main.run(words)
        return out.getvalue()

    @contextlib.contextmanager
    def _as_environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _shell(self, command: str) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={**os.environ, **self.environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout


def rewrite(page: Path, folder: Path | None = None, reader: Reader | None = None) -> None:
    """
    Puts what the commands really say into the page.

    With a folder they run there, with the page's own ports: for a page that begins where another
    one ended. Or with a reader who has followed something else before.
    """
    text = page.read_text(encoding="utf-8")
    if reader is None and folder is None:
        with tempfile.TemporaryDirectory(prefix="tieout-page-") as place:
            Path(place).chmod(0o755)
            return rewrite(page, reader=Reader(Path(place)))
    if reader is None:
        assert folder is not None
        reader = Reader(folder)
        reader.ports = {shown: shown for shown in _PORT.findall(text)}
    written: list[tuple[tuple[int, int], str]] = []
    try:
        for step in steps(text):
            if step.kind == "skip":
                continue
            said = reader.run(step)
            begun = "\n> ".join(step.command.split("\n"))
            written.append((step.span, f"$ {begun}\n" + (f"{said}\n" if said else "")))
    finally:
        reader.close()
    for (start, end), new in reversed(written):
        text = text[:start] + new + text[end:]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]), Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None)
