"""The program: finds the commands, reads the command line, and ends with one exit code."""

from __future__ import annotations

import os
import sys

from tieout.cli import starting

# Where this is the program, and not a part of a test or of somebody's own.
if __name__ == "__main__" or os.path.basename(sys.argv[0]) == "tieout":
    starting.guard()

# What follows takes its time, and Ctrl-C may come meanwhile.
import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any

import typer

from tieout.cli import commands
from tieout.cli.command import app, of_program, show_version
from tieout.cli.output import ErrorInfo, Exit, Options, Result, Screen

_ORDER = (
    "init",
    "demo",
    "connection",
    "salesforce",
    "config",
    "doctor",
    "match",
    "plan",
    "apply",
    "run",
    "status",
    "exceptions",
    "why",
    "reconcile",
    "prove",
    "report",
    "codes",
    "log",
    "sandbox",
    "help",
)
# The base classes of Typer's own errors, wherever this version of it keeps them.
_UsageError = typer.BadParameter.__mro__[1]
_ClickError = typer.BadParameter.__mro__[2]

_loaded: set[str] = set()
_built: dict[int, Any] = {}


def load(first: str = "") -> typer.Typer:
    """
    The application with its commands: every module of `tieout.cli.commands`.

    ``first``: a command line's first word. Then its module is enough, where there is one of that
    name; the others need not be read for it.
    """
    if not _loaded:
        app.callback()(of_program)
    known = {found.name for found in pkgutil.iter_modules(commands.__path__)}
    for name in sorted(({first} if first in known else known) - _loaded):
        importlib.import_module(f"{commands.__name__}.{name}")
        _loaded.add(name)
    place = {name: number for number, name in enumerate(_ORDER)}
    app.registered_commands.sort(key=lambda entry: place.get(entry.name or "", len(place)))
    app.registered_groups.sort(key=lambda entry: place.get(entry.name or "", len(place)))
    return app


def _program(words: Sequence[str]) -> Any:
    """What carries the words out; kept, since making it takes longer than most commands."""
    _, rest = _outer_words(words)
    found = load(rest[0] if rest else "")
    if len(_loaded) not in _built:
        _built[len(_loaded)] = typer.main.get_command(found)
    return _built[len(_loaded)]


def run(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and gives its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--version" in words and all(word.startswith("-") for word in words):
        return show_version(Options(json="--json" in words))
    forwarded = _sandbox(words)
    if forwarded is not None:
        from tieout_sandbox.kit.cli import run as run_sandbox

        try:
            return run_sandbox(forwarded)
        except BrokenPipeError:
            return _nobody_reads()
    try:
        found = _program(words).main(args=words, prog_name="tieout", standalone_mode=False)
    except _ClickError as error:  # type: ignore[misc]
        return _used_wrongly(error, words)
    except typer.Abort:
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        return _nobody_reads()
    return int(found or 0)


def _nobody_reads() -> int:
    """The reader (a pager, `head`) has seen enough; nothing can be said to it any more."""
    sys.stderr.close()
    return int(Exit.OK)


def _used_wrongly(error: Any, words: Sequence[str]) -> int:
    """Typer's own complaint in our form; with ``--json`` as the one object."""
    from tieout.bootstrap import SystemClock

    as_json = "--json" in _before_dashes(words)
    message = _plain_message(error)
    context = getattr(error, "ctx", None)
    path = " ".join((context.command_path if context is not None else "tieout").split())
    if not message:  # a group without a command: Typer asks for its help
        if not as_json:
            sys.stdout.write(f"{error.ctx.get_help()}\n" if context is not None else "")
            return int(Exit.USAGE)
        message = "A command is missing."
    result = Result(
        exit=Exit.USAGE,
        notes=[message],
        next=(f"{path} --help",),
        error=ErrorInfo(code="usage", message=message),
    )
    name = path.removeprefix("tieout").strip() or "tieout"
    Screen(Options(json=as_json)).answer(name, result, SystemClock().now())
    return int(Exit.USAGE)


def _plain_message(error: Any) -> str:
    if type(error).__name__ == "NoArgsIsHelpError":
        return ""
    text = str(error.format_message()).strip()
    return text if text.endswith((".", "?")) else f"{text}."


def _before_dashes(words: Sequence[str]) -> Sequence[str]:
    return words[: list(words).index("--")] if "--" in words else words


_WITH_VALUE = ("--project", "--bridge")


def _outer_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options before the command, and what begins with the command."""
    before: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word in _WITH_VALUE and rest:
            rest.pop(0)
        before.append(word)
    return before, rest


def _sandbox(words: Sequence[str]) -> list[str] | None:
    """What the sandbox's own command line is given, or None where another command is meant."""
    before, rest = _outer_words(words)
    if not rest or rest[0] != "sandbox" or len(rest) == 1 or rest[1].startswith("-"):
        return None
    given = [word for word in rest[1:] if word not in ("-q", "-v", "--no-color", "--plain")]
    return [*given, "--json"] if "--json" in before and "--json" not in given else given


if __name__ == "__main__":
    sys.exit(run())
