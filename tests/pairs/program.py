"""The program in a project of one example, inside this process, and time that can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.served_project import Answer
from tieout.bootstrap import SystemClock
from tieout.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("TIEOUT_PROJECT", "TIEOUT_DATABASE_URL", "TIEOUT_KEY", "TIEOUT_KEYS")


@dataclass(slots=True)
class Time:
    """How far ahead of the machine's clock the program lives."""

    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The program's time."""
        return datetime.now(UTC) + self.ahead

    def pass_by(self, seconds: int) -> None:
        """So many seconds go by."""
        self.ahead += timedelta(seconds=seconds)


@dataclass(slots=True)
class Program:
    """Command lines in a project's folder, as they are typed there."""

    root: Path
    time: Time
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str) -> Answer:
        out, err, before = StringIO(), StringIO(), Path.cwd()
        os.chdir(self.root)
        with ExitStack() as stack:
            stack.callback(os.chdir, before)
            stack.enter_context(patch.dict(os.environ, self.environment))
            for name in _OURS:
                if name not in self.environment:
                    os.environ.pop(name, None)
            stack.enter_context(patch.object(SystemClock, "now", lambda _: self.time.now()))
            stack.enter_context(redirect_stdout(out))
            stack.enter_context(redirect_stderr(err))
            code = run(words)
        return Answer(code, out.getvalue(), err.getvalue())

    def well(self, *words: str) -> str:
        """What it says, where it ended well."""
        done = self(*words)
        assert done.code == 0, f"tieout {' '.join(words)}: [{done.code}]\n{done.out}{done.err}"
        return done.out

    def data(self, *words: str) -> Any:
        """The data of the one object that it answers, where it ended well."""
        return json.loads(self.well(*words, "--json"))["data"]


@contextmanager
def secret(**values: str) -> Iterator[dict[str, str]]:
    """Variables that only one command sees."""
    with patch.dict(os.environ, values):
        yield values
