"""
What a command says: data to standard output, talk to standard error, one exit code.

With ``--json`` exactly one object leaves standard output, also for errors and empty answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, TextIO

from tieout.cells import cells
from tieout.cli.formats import json_line, one_line, plain, utc
from tieout.core import errors
from tieout.core.finding import Finding, Severity
from tieout.services import usage

WIDTH = 100


class Exit(IntEnum):
    """Exit codes; the meaning of each never changes."""

    OK = 0
    DEFECT = 1
    USAGE = 2
    CONFIGURATION = 3
    CONNECTION = 4
    NOT_NOW = 5
    STOPPED = 6
    BUSY = 7
    PERSON = 8
    UNKNOWN = 9
    DISAGREE = 10
    EVIDENCE = 11
    STORE = 12
    INTERRUPTED = 130
    TERMINATED = 143


_WORST_FIRST = (
    Exit.STORE,
    Exit.EVIDENCE,
    Exit.DEFECT,
    Exit.CONFIGURATION,
    Exit.CONNECTION,
    Exit.NOT_NOW,
    Exit.BUSY,
    Exit.STOPPED,
    Exit.DISAGREE,
    Exit.UNKNOWN,
    Exit.PERSON,
)
_CODES: Sequence[tuple[type[errors.SyncError], Exit]] = (
    (usage.UsedWronglyError, Exit.USAGE),
    (usage.UnknownOutcomeError, Exit.UNKNOWN),
    (usage.FiguresDisagreeError, Exit.DISAGREE),
    (usage.PersonNeededError, Exit.PERSON),
    (errors.ConnectionBrokenError, Exit.CONNECTION),
    (errors.TransientError, Exit.NOT_NOW),
    (errors.OutcomeUnknownError, Exit.UNKNOWN),
    (errors.ConfigurationError, Exit.CONFIGURATION),
    (errors.StoppedError, Exit.STOPPED),
    (errors.BusyError, Exit.BUSY),
    (errors.EvidenceError, Exit.EVIDENCE),
    (errors.StoreError, Exit.STORE),
)


def worst(codes: Iterable[Exit]) -> Exit:
    """The one exit code of several outcomes; OK where there is none."""
    seen = set(codes)
    return next((code for code in _WORST_FIRST if code in seen), Exit.OK)


def exit_code(error: BaseException) -> Exit:
    """What the program ends with for this error; an error that is not ours is our defect."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return Exit.DEFECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every command takes, before or after its name."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    plain: bool = False
    project: str = ""
    bridge: str = ""

    def over(self, outer: Options) -> Options:
        """These where they were given, else those of the level above."""
        return Options(
            json=self.json or outer.json,
            quiet=self.quiet or outer.quiet,
            verbose=self.verbose or outer.verbose,
            no_color=self.no_color or outer.no_color,
            plain=self.plain or outer.plain,
            project=self.project or outer.project,
            bridge=self.bridge or outer.bridge,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """``error`` of the JSON object: what stopped the command."""

    code: str
    message: str
    ref: Mapping[str, str] | None = None
    place: str | None = None
    retry_after: int | None = None
    reference: str | None = None


@dataclass(slots=True, kw_only=True)
class Result:
    """
    What a command answers. ``lines`` go to standard output, ``notes`` to standard error, and
    ``data`` (with ``findings`` and ``next``) is what ``--json`` gives instead of both.

    ``next`` are commands, ready to paste; the first one ends the notes.
    """

    data: Any = None
    lines: Sequence[str] = ()
    notes: Sequence[str] = ()
    next: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    exit: Exit = Exit.OK
    error: ErrorInfo | None = None
    bridge: str | None = None


@dataclass(slots=True)
class Screen:
    """Where a command's words go. Nothing else in the program prints."""

    options: Options
    out: TextIO = field(default_factory=lambda: _open(sys.stdout))
    err: TextIO = field(default_factory=lambda: _open(sys.stderr))
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    answered: bool = False
    unread: bool = False
    unwritable: str = ""

    @property
    def terminal(self) -> bool:
        """Whether a person looks at standard output, and wants what only a screen can show."""
        return self.out.isatty() and not self.options.plain

    @property
    def colour(self) -> bool:
        """Whether words may be coloured."""
        no = self.options.no_color or self.environment.get("NO_COLOR")
        return self.terminal and not no and self.environment.get("TERM") != "dumb"

    @property
    def width(self) -> int | None:
        """Columns to fit into, at most 100; None where nothing may be left out."""
        if not self.terminal:
            return None
        return min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)

    def line(self, text: str = "") -> None:
        """A line of data. With ``--json`` it is part of the object instead."""
        if not self.options.json:
            self._say(self.safe(text))

    def _paged(self, lines: Sequence[str]) -> bool:
        """Whether a long list was shown by ``PAGER``, as a person on a terminal may wish."""
        pager = shlex.split(self.environment.get("PAGER", ""))
        if not self.terminal or not pager:
            return False
        if len(lines) < shutil.get_terminal_size((WIDTH, 24)).lines:
            return False
        text = "".join(f"{self.safe(line)}\n" for line in lines)
        try:
            # The person's own choice of a program, without a shell.
            subprocess.run(  # noqa: S603
                pager, input=text.encode(), check=False, env=for_others(self.environment)
            )
        except OSError:
            return False
        return True

    def _say(self, text: str) -> None:
        """
        To standard output. A command that acts goes on when nobody reads it any more (``| head``),
        or when its file cannot be written; which of them it was is kept.
        """
        try:
            _write(self.out, text + "\n")
        except BrokenPipeError:
            self.unread = True
            _silence(self.out)
        except OSError as error:
            self.unwritable = (error.strerror or "no reason given").lower()
            _silence(self.out)

    def note(self, text: str) -> None:
        """A line of talk."""
        if not self.options.json and not self.options.quiet:
            _write(self.err, self.safe(text) + "\n")

    def complain(self, text: str) -> None:
        """A line that also ``-q`` does not silence."""
        if not self.options.json:
            _write(self.err, self.safe(text) + "\n")

    def detail(self, text: str) -> None:
        """A line for ``-v`` only, on standard error also beside JSON."""
        if self.options.verbose:
            _write(self.err, self.safe(text) + "\n")

    def safe(self, text: str) -> str:
        """The text as one line in which only our own colours steer a terminal."""
        if not self.colour:
            return one_line(text)
        parts = _PAINTED.split(text)
        return "".join(part if index % 2 else one_line(part) for index, part in enumerate(parts))

    def paint(self, word: str, style: str) -> str:
        """The word in 'good', 'bad', 'warn' or 'strong' where colours are on."""
        if not self.colour or style not in _STYLES:
            return word
        return f"\x1b[{_STYLES[style]}m{word}\x1b[0m"

    def answer(self, command: str, result: Result, now: datetime) -> None:
        """
        The answer of a command: its lines and notes, or with ``--json`` its one object.

        Called more than once only by a command that repeats itself: one object on each line.
        """
        self.answered = True
        if self.options.json:
            self._say(json_text(command, result, now))
            return
        if not self._paged(result.lines):
            for line in result.lines:
                self.line(line)
        bad = result.error is not None
        notes = list(result.notes)
        if result.next:
            notes = _with_next(notes, result.next[0])
        for note in notes:
            if bad:
                self.complain(note)
            else:
                self.note(note)


def for_others(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that is not ours: without our key and database."""
    return {name: value for name, value in environment.items() if not name.startswith("TIEOUT_")}


_STYLES = {"good": "36", "bad": "1;31", "warn": "33", "strong": "1"}
_PAINTED = re.compile(rf"(\x1b\[(?:{'|'.join([*_STYLES.values(), '0'])})m)")


def json_text(command: str, result: Result, now: datetime) -> str:
    """The one object of a command, on one line."""
    name = command.replace(" ", "_").replace("-", "_")
    made = json.dumps(
        {
            "schema": f"tieout.{name}/1",
            "ok": result.exit is Exit.OK,
            "exit_code": int(result.exit),
            "bridge": result.bridge,
            "generated_at": utc(now),
            "data": plain(result.data),
            "findings": [finding_data(finding) for finding in result.findings],
            "error": plain(result.error),
            "next": list(result.next),
        },
        ensure_ascii=False,
    )
    return json_line(made)


def listing(items: Sequence[object], next_cursor: str | None = None) -> dict[str, object]:
    """A list in the JSON output."""
    return {"items": list(items), "count": len(items), "next_cursor": next_cursor}


def finding_data(finding: Finding) -> dict[str, object]:
    """A finding in the JSON output."""
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": finding.message,
        "hint": finding.hint or None,
        "place": finding.place or None,
        "retry_after": finding.retry_after_s,
        "values": dict(finding.values),
    }


def finding_lines(findings: Sequence[Finding], words: Mapping[Severity, str]) -> list[str]:
    """A line for each finding, its word in front: ``fail  item "Montage plus" has no code``."""
    return [
        f"{words[finding.severity]:<4}  {finding.message}"
        + (f" {_sentence(finding.hint)}" if finding.hint else "")
        for finding in findings
    ]


def error_result(error: errors.SyncError, now: datetime, *, ref: Mapping[str, str]) -> Result:
    """An error of ours as the answer of its command."""
    next_command = error.hint if error.hint.startswith(("tieout ", "chmod ")) else ""
    # Findings in a person's own file have a line each; no other message may begin a second one.
    several = isinstance(error, errors.ConfigurationError)
    notes = error.message.splitlines() if several else [error.message]
    if error.hint and not next_command:
        notes.append(_sentence(error.hint))
    return Result(
        exit=exit_code(error),
        notes=notes,
        next=(next_command,) if next_command else (),
        error=ErrorInfo(
            code=error.code,
            message=error.message,
            ref=dict(ref) or None,
            place=getattr(error, "place", None) or None,
            retry_after=getattr(error, "retry_after_s", None),
            reference=reference(error.code, now),
        ),
    )


def defect_result(now: datetime, name: str, log: str) -> Result:
    """Our own defect: a reference, and where the details are."""
    shown = reference(name, now)
    message = f"This is a defect of Tieout, not of your data. Reference {shown}."
    return Result(
        exit=Exit.DEFECT,
        notes=[message, f"Details: {log}. Safe to run again."],
        error=ErrorInfo(code="defect", message=message, reference=shown),
    )


def reference(code: str, now: datetime) -> str:
    """A short name for this event, as it also stands in the log: ``E-7Q2M``."""
    digest = hashlib.sha256(f"{code} {now.isoformat()} {os.getpid()}".encode()).digest()
    return "E-" + base64.b32encode(digest).decode()[:4]


def _with_next(notes: Sequence[str], command: str) -> list[str]:
    """The next command behind the last note, or below where the line would grow too long."""
    words = f"Next: {command}"
    if notes and cells(notes[-1]) + cells(words) < WIDTH:
        return [*notes[:-1], f"{notes[-1]} {words}"]
    return [*notes, words]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", ")")) else f"{text}."


def _open(stream: TextIO | None) -> TextIO:
    """The stream, or one that leads nowhere where who started the program had closed it."""
    return stream if stream is not None else Path(os.devnull).open("w", encoding="utf-8")


def _silence(stream: TextIO) -> None:
    """What is said from now on, and what is left of before, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def _write(stream: TextIO, text: str) -> None:
    """Writes at once; a stream that cannot take a letter gets its nearest plain one."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    stream.write(text)
    stream.flush()


_PLAIN = str.maketrans(
    {"å": "a", "ä": "a", "ö": "o", "Å": "A", "Ä": "A", "Ö": "O", "ø": "o", "Ø": "O", "æ": "ae"}
    | {"Æ": "AE", "é": "e", "É": "E", "→": "->", "·": "-", "–": "-", "“": '"', "”": '"'}
)
