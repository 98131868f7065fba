"""
How a command is made: an async function that takes a `Session` and gives a `Result`.

    @command("exceptions list", examples=("tieout exceptions list --code item_no_code",))
    async def exceptions(
        session: Session, code: Annotated[str, Option("--code")] = ""
    ) -> Result:
        \"\"\"Show what waits for a person.\"\"\"

The options that all commands share are added here, so that they work before and after the name.
One runner turns errors into answers and exit codes, and stops on signals. Modules that hold
commands import the rest of the program inside their functions: `tieout --help` must be quick.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar, get_type_hints

import typer

from tieout.cli import starting
from tieout.cli.output import (
    ErrorInfo,
    Exit,
    Options,
    Result,
    Screen,
    defect_result,
    error_result,
    reference,
    worst,
)
from tieout.core.errors import SyncError
from tieout.services.usage import UsedWronglyError

if TYPE_CHECKING:
    from tieout.bootstrap import Exchange, Opened, SystemClock
    from tieout.cli.ticking import Ticking
    from tieout.services.project import Project

Work = Callable[..., Awaitable[Result]]
W = TypeVar("W", bound=Callable[..., Any])

app = typer.Typer(
    name="tieout",
    help="Keep a CRM and the accounting systems in step, and prove that they agree.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
_groups: dict[str, typer.Typer] = {}
_STOP_AT_MOST_S = 60


class Stoppable(Protocol):
    """What is told to stop on Ctrl-C: the engine, which finishes the calls under way."""

    stopping: bool


@dataclass(slots=True)
class Session:
    """
    One command being carried out: its options, its screen, and what it opened.

    Everything that `opened` and `keep` gave is closed when the command ends.
    """

    name: str
    options: Options
    screen: Screen
    clock: SystemClock
    ref: dict[str, str] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _engines: list[Stoppable] = field(default_factory=list)
    progress: Ticking | None = None
    _under_way: Callable[[], int] | None = None
    stopped_by: signal.Signals | None = None

    @property
    def stopping(self) -> bool:
        """Whether a person asked to stop: a loop of rounds ends after the present one."""
        return self.stopped_by is not None

    def project(self) -> Project:
        """The project folder. Raises `UsedWronglyError` where there is none."""
        from tieout.services.project import find_project

        return find_project(self.options.project)

    async def opened(self) -> Opened:
        """The project's store, for as long as the command runs."""
        from tieout.bootstrap import open_project

        opened = await self._stack.enter_async_context(open_project(self.project(), self.clock))
        if self.options.verbose:
            opened.observer = self._tell_call
        return opened

    def _tell_call(self, exchange: Exchange) -> None:
        """A call for ``-v``: secrets were masked before it came here, ids in queries stay out."""
        url = exchange.request.url.partition("?")[0]
        status = exchange.error or (exchange.response.status if exchange.response else "")
        self.screen.detail(f"{exchange.request.method} {url} {status} {exchange.took_ms} ms")

    async def keep(self, closing: Any) -> Any:
        """Enters an async context that is left when the command ends."""
        return await self._stack.enter_async_context(closing)

    def stops(self, engine: Stoppable, under_way: Callable[[], int] | None = None) -> None:
        """On Ctrl-C this engine finishes its calls, instead of being cut off."""
        self._engines.append(engine)
        self._under_way = under_way

    def emit(self, result: Result) -> None:
        """An answer before the end, for a command that repeats itself (`run --every`)."""
        self.screen.answer(self.name, result, self.clock.now())
        if self.screen.unread:
            raise BrokenPipeError

    def ask(self, question: str, flag: str, *, default: str = "", secret: bool = False) -> str:
        """
        A person's answer. Raises `UsedWronglyError` without a terminal; ``flag`` says how to
        answer beforehand.
        """
        if not sys.stdin.isatty():
            # What is in it keeps its letters: a company's name, MB.
            asked = question[:1].lower() + question[1:]
            raise UsedWronglyError(
                f"An answer is needed and there is no terminal: {asked}.",
                code="answer_needed",
                hint=f"Give {flag}",
            )
        self.screen.err.flush()
        if secret:
            import getpass

            return getpass.getpass(f"{question} (not shown): ", stream=self.screen.err)
        shown = f"{question} [{default}]: " if default else f"{question}: "
        self.screen.err.write(self.screen.safe(shown))
        self.screen.err.flush()
        return sys.stdin.readline().strip() or default

    def confirm(self, question: str, yes: bool) -> bool:
        """Whether a person says yes, by ``--yes`` or here; anything else is no."""
        if yes:
            return True
        return self.ask(f"{question} [y/N]", "--yes").strip().lower() in ("y", "yes")

    async def close(self) -> None:
        """Closes what the command opened."""
        if self.progress is not None:
            self.progress.end()
            self.progress = None
        await self._stack.aclose()


# --- making commands -----------------------------------------------------------------------------

_EVERYWHERE: Sequence[tuple[str, Any, Any]] = (
    ("json_", Annotated[bool, typer.Option("--json", help="One JSON object instead.")], False),
    ("quiet", Annotated[bool, typer.Option("-q", "--quiet", help="Only what was asked.")], False),
    ("verbose", Annotated[bool, typer.Option("-v", "--verbose", help="Calls, timings.")], False),
    ("no_color", Annotated[bool, typer.Option("--no-color", help="No colours.")], False),
    ("plain", Annotated[bool, typer.Option("--plain", help="No bars, nothing cut.")], False),
    ("project", Annotated[str, typer.Option("--project", help="The project's folder.")], ""),
    ("bridge", Annotated[str, typer.Option("--bridge", help="Which bridge.")], ""),
)


def group(name: str) -> typer.Typer:
    """The group of commands of that name (`connection`, `config`), made at first use."""
    if name not in _groups:
        sentence, examples = _GROUP_HELP[name]
        made = typer.Typer(
            no_args_is_help=True, rich_markup_mode=None, help=_with_examples(sentence, examples)
        )
        made.callback()(_outer)
        app.add_typer(made, name=name, short_help=sentence)
        _groups[name] = made
    return _groups[name]


# What each is for, and how it is begun with.
_GROUP_HELP = {
    "connection": (
        "Connect systems, test them, renew their sign-ins.",
        ("tieout connection add salesforce", "tieout connection list"),
    ),
    "salesforce": (
        "The package for a Salesforce org: build it, deploy it.",
        ("tieout salesforce package", "tieout salesforce deploy"),
    ),
    "config": (
        "Check, publish and take back the configuration.",
        ("tieout config validate", 'tieout config publish -m "Montage plus"'),
    ),
    "exceptions": (
        "What waits for a person.",
        ("tieout exceptions list", "tieout exceptions show EX-31"),
    ),
    "report": (
        "Figures beside the tie-out: per customer, per item.",
        ("tieout report sales", "tieout report items"),
    ),
    "match": (
        "Who on one side is who on the other, before the first run.",
        ("tieout match report", "tieout match export pairs.csv"),
    ),
    "log": (
        "The activity log, which shows any change from outside.",
        ("tieout log verify", "tieout log verify --report 2026-10"),
    ),
    "sandbox": (
        "Simulators, to try everything without a real company.",
        ("tieout sandbox systems", "tieout sandbox serve salesforce --port 8701"),
    ),
}


def command(name: str, *, examples: Sequence[str] = (), **settings: Any) -> Callable[[W], W]:
    """
    Makes an async function (session, options…) → Result the command of that name.

    ``"connection add"`` belongs to the group `connection`. ``settings`` go to Typer.
    """

    def make(work: W) -> W:
        words = name.split()
        owner = app if len(words) == 1 else group(words[0])
        entry = _entry(name, work)
        help_text = inspect.cleandoc(work.__doc__ or "")
        help_text = _with_examples(help_text, examples)
        settings.setdefault("short_help", inspect.cleandoc(work.__doc__ or "").partition("\n")[0])
        owner.command(words[-1], help=help_text, **settings)(entry)
        return work

    return make


def _with_examples(text: str, examples: Sequence[str]) -> str:
    shown = "\n".join(f"  {example}" for example in examples)
    return f"\b\n{shown}\n\n{text}" if examples else text


def _entry(name: str, work: Callable[..., Any]) -> Callable[..., int]:
    """What Typer calls: the function without its session and with the options of all commands."""
    hints = get_type_hints(work, include_extras=True)
    own = [
        entry.replace(annotation=hints[entry.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for entry in list(inspect.signature(work).parameters.values())[1:]
    ]
    shared = [
        inspect.Parameter(
            key, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
        )
        for key, annotation, default in _EVERYWHERE
        if key not in {entry.name for entry in own}
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    def call(**given: Any) -> int:
        ctx = given.pop("context")
        options = _options(given).over(_of(ctx))
        values = {entry.name: given[entry.name] for entry in own}

        def begin(session: Session) -> Any:
            _check_texts([*values.values(), options.bridge])
            return work(session, **values)

        return carry_out(name, options, begin)

    parameters = [context, *own, *shared]
    call.__name__ = work.__name__
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {entry.name: entry.annotation for entry in parameters}
    return call


def _check_texts(values: Sequence[object]) -> None:
    """Raise `UsedWronglyError` for what was typed and is no text; a path may be any bytes."""
    for value in values:
        for text in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(text, str) and not text.isascii() and not _is_text(text):
                raise UsedWronglyError(
                    f'"{text}" holds bytes that are no text in UTF-8.',
                    hint="Type it again, in a terminal that writes UTF-8",
                )


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _options(given: dict[str, Any]) -> Options:
    return Options(
        json=given.get("json_", False),
        quiet=given.get("quiet", False),
        verbose=given.get("verbose", False),
        no_color=given.get("no_color", False),
        plain=given.get("plain", False),
        project=given.get("project") or "",
        bridge=given.get("bridge") or "",
    )


def _of(context: typer.Context) -> Options:
    found = context.find_object(Options)
    return found if found is not None else Options()


_VERSION: Sequence[tuple[str, Any, Any]] = (
    ("version", Annotated[bool, typer.Option("--version", help="Which version this is.")], False),
)


def _make_outer(own: Sequence[tuple[str, Any, Any]] = ()) -> Callable[..., None]:
    def outer(**given: Any) -> None:
        context: typer.Context = given.pop("context")
        context.obj = _options(given).over(_of(context))
        if given.get("version"):
            show_version(context.obj)
            raise typer.Exit

    parameters = [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
            )
            for key, annotation, default in (*_EVERYWHERE, *own)
        ),
    ]
    outer.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    outer.__annotations__ = {entry.name: entry.annotation for entry in parameters}
    return outer


_outer = _make_outer()
of_program = _make_outer(_VERSION)
"""What stands between `tieout` and a command: the options of all commands, and `--version`."""


def show_version(options: Options) -> int:
    """The answer to `tieout --version`; gives the exit code."""
    from importlib.metadata import version

    from tieout.bootstrap import SystemClock

    found = version("tieout")
    result = Result(data={"version": found}, lines=[f"tieout {found}"])
    Screen(options).answer("version", result, SystemClock().now())
    return int(Exit.OK)


# --- carrying out --------------------------------------------------------------------------------


def carry_out(
    name: str, options: Options, work: Callable[[Session], Any], screen: Screen | None = None
) -> int:
    """Runs one command to its answer and gives the exit code. Never raises for errors."""
    from tieout.bootstrap import SystemClock

    session = Session(
        name=name, options=options, screen=screen or Screen(options), clock=SystemClock()
    )
    try:
        result = asyncio.run(_guarded(session, work))
        if session.stopping:
            starting.deafen()
    except KeyboardInterrupt:
        starting.deafen()
        session.stopped_by = signal.SIGINT
        result = interrupted(session)
    if result is None:
        return int(Exit.OK)
    try:
        session.screen.answer(name, result, session.clock.now())
    except (TypeError, ValueError) as error:
        # Nothing was written yet: the object is made whole before it is.
        result = failed(session, error)
        session.screen.answer(name, result, session.clock.now())
    return _heard(session.screen, result.exit)


def _heard(screen: Screen, code: Exit) -> int:
    """The exit code, or that of an answer which standard output could not take."""
    if screen.unwritable:
        screen.err.write(
            f"Standard output cannot be written: {screen.unwritable}. What the command did is "
            "done.\n"
        )
        return int(worst([code, Exit.STORE]))
    return int(code)


async def _guarded(session: Session, work: Callable[[Session], Any]) -> Result | None:
    """The answer of the work, whatever happens in it."""
    task = asyncio.current_task()
    assert task is not None
    _watch_signals(session, task)
    try:
        try:
            found = work(session)
            result: Result | None = await found if inspect.isawaitable(found) else found
        finally:
            await session.close()
    except asyncio.CancelledError:
        return interrupted(session)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit, BrokenPipeError)):
            raise
        known = _first_known(error)
        if session.stopping and known is not None and known.code == "interrupted":
            return interrupted(session)
        return failed(session, error)
    if session.stopping and (result is None or result.exit not in _WORSE_THAN_STOPPED):
        stopped = interrupted(session)
        if result is None:
            return stopped
        result.exit, result.notes = stopped.exit, [*result.notes, *stopped.notes]
        result.error = result.error or stopped.error
    return result


# What somebody has to know although it was they who stopped the command; all else follows from it.
_WORSE_THAN_STOPPED = frozenset(
    {Exit.STORE, Exit.EVIDENCE, Exit.DEFECT, Exit.CONFIGURATION, Exit.CONNECTION}
)


def failed(session: Session, error: BaseException) -> Result:
    """The answer for an error: ours in its own words, any other one as a defect of ours."""
    known = _first_known(error)
    now = session.clock.now()
    if known is not None:
        result = error_result(known, now, ref=session.ref)
        _log_error(session, known, now)
        return result
    log = _log_defect(session, error, now)
    return defect_result(now, type(error).__name__, log)


def _first_known(error: BaseException) -> SyncError | None:
    if isinstance(error, SyncError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = (_first_known(inner) for inner in error.exceptions)
        return next((inner for inner in found if inner is not None), None)
    return None


def _log_error(session: Session, error: SyncError, now: datetime) -> None:
    from tieout.services.project import log_for

    log = log_for(session.options.project)
    if log is not None:
        log.warning(
            "refused", command=session.name, code=error.code, reference=reference(error.code, now)
        )


def _log_defect(session: Session, error: BaseException, now: datetime) -> str:
    from tieout.services.project import log_defect

    return log_defect(
        session.options.project,
        session.name,
        error,
        reference(type(error).__name__, now),
    )


def interrupted(session: Session) -> Result:
    """The answer of a command that a person, or the machine, stopped."""
    term = session.stopped_by in (signal.SIGTERM, signal.SIGHUP)
    message = "Stopped. Safe to run again."
    return Result(
        exit=Exit.TERMINATED if term else Exit.INTERRUPTED,
        notes=[message],
        error=ErrorInfo(code="interrupted", message=message),
    )


def _watch_signals(session: Session, task: asyncio.Task[Any]) -> None:
    loop = asyncio.get_running_loop()

    def stop(which: signal.Signals) -> None:
        if session.stopping:
            _end_now(session, task)
            return
        session.stopped_by = which
        if not session._engines:
            task.cancel()
            return
        for engine in session._engines:
            engine.stopping = True
        calls = session._under_way() if session._under_way is not None else None
        what = "the calls under way" if calls is None else f"{calls} calls under way"
        session.screen.complain(f"Stopping after {what}, at most {_STOP_AT_MOST_S} s. Again: now.")
        loop.call_later(_STOP_AT_MOST_S, task.cancel)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What who started the program has it ignore (`nohup`, a job in the background) stays so.
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        try:
            loop.add_signal_handler(number, stop, number)
        except (NotImplementedError, RuntimeError, ValueError):  # no main thread, or Windows
            return


def _end_now(session: Session, task: asyncio.Task[Any]) -> None:
    """Ends within a second: calls without an answer stay recorded as unknown."""
    task.cancel()
    result = interrupted(session)

    def give_up() -> None:
        session.screen.answer(session.name, result, session.clock.now())
        os._exit(int(result.exit))

    asyncio.get_running_loop().call_later(0.8, give_up)
