"""How a command line becomes one answer and one exit code, whatever happens."""

from __future__ import annotations

import ast
import asyncio
import errno
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from support.fakes import START
from tieout.cli import main
from tieout.cli.command import Session, carry_out
from tieout.cli.commands.config import _version
from tieout.cli.daily import check_file, whole_file, write_file
from tieout.cli.help_codes import CODES
from tieout.cli.output import Exit, Options, Result, error_result, json_text
from tieout.core.errors import BusyError, ConnectionBrokenError, StoppedError, StoreError
from tieout.services.filing import month_of
from tieout.services.usage import UsedWronglyError

SOURCES = Path(main.__file__).resolve().parents[1]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No project around, and a home of its own for what is logged without one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIEOUT_PROJECT", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def _do(work: Callable[[Session], Any], **options: Any) -> int:
    return carry_out("probe", Options(**options), work)


# --- what the runner makes of it ------------------------------------------------------------------


def test_an_error_of_ours_is_its_sentence_and_code(capsys: Capture) -> None:
    async def work(session: Session) -> Result:
        raise BusyError("Another run works on nordic.", hint="tieout status --watch")

    assert _do(work) == 7
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Another run works on nordic. Next: tieout status --watch\n"


def test_an_error_among_several_tasks_is_found(capsys: Capture) -> None:
    async def fail() -> None:
        raise StoreError("The disk is full.")

    async def work(session: Session) -> Result:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            group.create_task(asyncio.sleep(60))
        return Result()

    assert _do(work, json=True) == 12
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "The disk is full."


def test_a_defect_tells_a_reference_and_no_data(capsys: Capture, tmp_path: Path) -> None:
    async def work(session: Session) -> Result:
        raise ValueError("secret of Ekfors Trä AB")

    assert _do(work) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "Ekfors" not in err
    reference = err.split("Reference ")[1][:6]
    (log,) = tmp_path.rglob("tieout.log")
    entry = json.loads(log.read_text(encoding="utf-8"))
    assert entry["reference"] == reference
    assert "builtins.ValueError" in entry["errors"]
    assert any("test_cli_command.py" in frame for frame in entry["frames"])
    assert "Ekfors" not in log.read_text(encoding="utf-8")


def test_a_defect_whose_log_cannot_be_written_shows_no_trace(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way of every folder", encoding="utf-8")
    monkeypatch.setattr("platformdirs.user_log_path", lambda _: blocked / "logs")

    def fails(_: Session) -> Result:
        raise ZeroDivisionError

    assert carry_out("plan", Options(project=str(blocked)), fails) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "File " not in err
    assert "Details: not written, no folder takes them; builtins.ZeroDivisionError at " in err


def test_a_defect_with_json_is_one_object(capsys: Capture) -> None:
    async def work(session: Session) -> Result:
        return {}["nothing"]  # type: ignore[no-any-return]

    assert _do(work, json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["error"]["code"], found["exit_code"]) == ("defect", 1)


def test_a_question_without_a_terminal_names_its_flag(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115

    async def work(session: Session) -> Result:
        session.ask("Client id", "--client-id")
        return Result()

    assert _do(work) == 2
    err = capsys.readouterr().err
    assert "there is no terminal: client id" in err
    assert "--client-id" in err


def test_what_was_opened_is_closed_also_after_an_error() -> None:
    closed = []

    class Closing:
        async def __aenter__(self) -> str:
            return "open"

        async def __aexit__(self, *error: object) -> None:
            closed.append(error[0])

    async def work(session: Session) -> Result:
        assert await session.keep(Closing()) == "open"
        raise StoreError("x")

    assert _do(work) == 12
    assert len(closed) == 1


def test_a_command_that_repeats_itself_gives_one_object_a_line(capsys: Capture) -> None:
    async def work(session: Session) -> None:
        for number in range(3):
            session.emit(Result(data={"run": number}))

    assert _do(work, json=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["data"]["run"] for line in lines] == [0, 1, 2]


# --- signals --------------------------------------------------------------------------------------


def test_ctrl_c_ends_waiting_at_once(capsys: Capture) -> None:
    async def work(session: Session) -> Result:
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        await asyncio.sleep(30)
        return Result()

    began = time.monotonic()
    assert _do(work) == 130
    assert time.monotonic() - began < 5
    assert capsys.readouterr().err == "Stopped. Safe to run again.\n"


def test_the_first_ctrl_c_lets_calls_under_way_finish(capsys: Capture) -> None:
    class Engine:
        stopping = False

    engine = Engine()

    async def work(session: Session) -> Result:
        session.stops(engine, lambda: 3)
        os.kill(os.getpid(), signal.SIGTERM)
        while not engine.stopping:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return Result(lines=["3 applied"])

    assert _do(work) == 143
    out, err = capsys.readouterr()
    assert out == "3 applied\n"
    assert err.splitlines() == [
        "Stopping after 3 calls under way, at most 60 s. Again: now.",
        "Stopped. Safe to run again.",
    ]


@pytest.mark.parametrize(
    ("exit_code", "code"),
    [(Exit.OK, 130), (Exit.NOT_NOW, 130), (Exit.STOPPED, 130), (Exit.STORE, 12), (Exit.DEFECT, 1)],
)
def test_what_was_left_because_somebody_stopped_it_is_no_error_of_its_own(
    exit_code: Exit, code: int, capsys: Capture
) -> None:
    class Engine:
        stopping = False

    engine = Engine()

    async def work(session: Session) -> Result:
        session.stops(engine)
        os.kill(os.getpid(), signal.SIGINT)
        while not engine.stopping:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return Result(lines=["1 applied, 2 later"], exit=exit_code)

    assert _do(work, json=True) == code
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == code
    assert ((told["error"] or {}).get("code") == "interrupted") is (code == 130)


def test_half_a_plan_is_not_shown_but_said_to_be_stopped(capsys: Capture) -> None:
    class Engine:
        stopping = False

    engine = Engine()

    async def work(session: Session) -> Result:
        session.stops(engine)
        os.kill(os.getpid(), signal.SIGINT)
        while not engine.stopping:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        raise StoppedError("Stopped before everything was looked at.", code="interrupted")

    assert _do(work) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "Stopped. Safe to run again."


def test_the_second_ctrl_c_ends_within_a_second(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from tieout.cli.command import carry_out
from tieout.cli.output import Exit, Options, Result, error_result, json_text

class Engine:
    stopping = False

async def work(session):
    session.stops(Engine())
    print("ready", flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass  # a call that cannot be cut off

sys.exit(carry_out("run", Options(), work))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < 3
    assert err.endswith("Stopped. Safe to run again.\n")


# --- command lines --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "nonsense"],
        ["nonsense", "--json"],
        ["log", "verify", "--json", "--nonsense"],
        ["config", "rollback", "--json"],
        ["config", "rollback", "--json", "seven"],
        ["connection", "--json"],
        ["--json"],
        ["--json", "log", "verify"],
        ["log", "--json", "verify"],
        ["log", "verify", "--json"],
        ["help", "nonsense", "--json"],
    ],
)
def test_used_wrongly_is_one_object_and_two(words: list[str], capsys: Capture) -> None:
    assert main.run(words) == 2
    out, _ = capsys.readouterr()
    found = json.loads(out)
    assert (found["ok"], found["exit_code"]) == (False, 2)
    assert found["error"]["message"]


def test_used_wrongly_without_json_is_a_sentence(capsys: Capture) -> None:
    assert main.run(["log", "verify", "--nonsense"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--nonsense" in err
    assert err.endswith("Next: tieout log verify --help\n")


@pytest.mark.parametrize(
    "words",
    [["why", "K\udcff"], ["apply", "--approve", "K\udcff"], ["--bridge", "K\udcff", "status"]],
)
def test_bytes_that_are_no_text_are_told_before_anything_is_opened(
    words: list[str], capsys: Capture
) -> None:
    assert main.run([*words, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)["error"]
    assert (told["code"], told["message"]) == (
        "usage",
        '"K?" holds bytes that are no text in UTF-8.',
    )


def test_no_project_says_how_to_make_one(capsys: Capture) -> None:
    assert main.run(["connection", "list"]) == 2
    assert capsys.readouterr().err == (
        "There is no tieout.yaml here or in a folder above. Next: tieout init my-company\n"
    )
    assert main.run(["--project", "elsewhere", "doctor"]) == 2
    assert capsys.readouterr().err == "elsewhere has no tieout.yaml. Next: tieout init elsewhere\n"


_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
_COMMANDS = re.findall(r"^## tieout (.+)$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_opens_with_two_examples(name: str, capsys: Capture) -> None:
    with suppress(SystemExit):
        assert main.run([*name.split(), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [line.strip() for line in lines if line.startswith(" ")]
    examples = [line for line in shown if re.match(rf"tieout {name}( |$)", line)]
    assert len(examples) >= 2


_GROUPS = sorted({name.partition(" ")[0] for name in _COMMANDS if " " in name})


@pytest.mark.parametrize("name", [*_GROUPS, *_COMMANDS])
def test_help_says_in_one_sentence_what_it_is_for(name: str, capsys: Capture) -> None:
    with suppress(SystemExit):
        assert main.run([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    words = re.split(r"\n *\n", out)
    assert "tieout " + name in words[1], "examples come first"
    assert re.match(r" *[A-Z].*\.$", words[2], re.DOTALL), words[2]


def test_no_group_goes_without_examples(capsys: Capture) -> None:
    assert {"sandbox", "config", "connection", "exceptions", "log", "match"} <= set(_GROUPS)
    for name in _GROUPS:
        with suppress(SystemExit):
            assert main.run([name, "--help"]) == 0
        shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
        examples = [line for line in shown if line.startswith(f"tieout {name} ")]
        assert len(examples) >= 2, name
        for example in examples:
            assert any(example.startswith(f"tieout {command}") for command in _COMMANDS), example


def test_the_version(capsys: Capture) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tieout ")
    for words in (["--version", "--json"], ["--json", "--version", "status"]):
        assert main.run(words) == 0
        assert json.loads(capsys.readouterr().out)["data"]["version"]
    assert main.run(["--version", "status"]) == 0
    assert capsys.readouterr().out.startswith("tieout 0.")
    assert main.run(["--help"]) == 0
    assert "--version" in capsys.readouterr().out
    assert main.run(["status", "--version"]) == 2


def test_the_sandbox_keeps_its_own_form(capsys: Capture) -> None:
    assert main.run(["sandbox", "systems", "--json"]) == 0
    assert "salesforce" in json.loads(capsys.readouterr().out)["systems"]
    assert main.run(["--json", "sandbox", "credentials", "visma_eaccounting"]) == 0
    assert json.loads(capsys.readouterr().out)["client_id"]
    assert main.run(["sandbox", "serve", "nonsense"]) == 2


def test_a_code_is_explained(capsys: Capture) -> None:
    assert main.run(["help", "item_no_code"]) == 0
    out = capsys.readouterr().out
    assert "tables/items.csv" in out
    assert main.run(["help", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["data"]
    assert listed["count"] == len(CODES)
    assert main.run(["help", "itm_no_code"]) == 2
    assert "Did you mean item_no_code?" in capsys.readouterr().err


def test_every_code_that_can_be_shown_is_explained() -> None:
    shown: dict[str, str] = {}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            shows = ("Finding", "Problem", "Brake", "ErrorInfo")
            if name not in shows and not name.endswith("Error"):
                continue
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    shown[str(keyword.value.value)] = path.name
    assert len(shown) > 110
    assert {code: place for code, place in shown.items() if code not in CODES} == {}


def test_sentences_of_codes_blame_nobody() -> None:
    for code, entry in CODES.items():
        text = f"{entry.what} {entry.do}".casefold()
        for word in ("failed to", "invalid", "unexpected", "please"):
            assert word not in text, code


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from tieout.cli import main; main.run(['--help']);"
        "heavy = {'sqlalchemy', 'aiohttp', 'pydantic', 'alembic', 'rich', 'holidays'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "[]\n"
    assert "connection" in done.stdout


def test_an_answer_that_is_no_json_is_a_defect_in_json(capsys: Capture) -> None:
    async def work(session: Session) -> Result:
        return Result(data={"amount": 1.5})

    assert _do(work, json=True) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out)["error"]["code"] == "defect"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_program_is_loaded_is_answered_too(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    # What is imported first after the start sends the signal, as an impatient person does.
    slow = f"import os\nos.kill(os.getpid(), {int(number)})\n"
    (tmp_path / "typer.py").write_text(slow, encoding="ascii")
    said = {}
    for more in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "tieout.cli.main", "apply", *more],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code
        said[bool(more)] = (done.stdout, done.stderr)
    assert said[False] == ("", "Stopped before anything was done. Safe to run again.\n")
    told = json.loads(said[True][0])
    assert (told["schema"], told["exit_code"], told["ok"]) == ("tieout.apply/1", code, False)
    assert told.keys() == json.loads(json_text("apply", Result(), START)).keys()
    assert said[True][1] == ""


_SPEAKS = """
import sys
from tieout.cli.command import carry_out
from tieout.cli.output import Exit, Options, Result

async def work(session):
    for number in range(3):
        session.screen.line("x" * 70_000)
    session.screen.err.isatty()
    open("acted", "w").close()
    return Result(lines=["done"], exit=Exit.UNKNOWN)

sys.exit(carry_out("apply", Options(json="--json" in sys.argv), work))
"""


def _speaks(folder: Path, shell: str, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "speaks.py").write_text(_SPEAKS, encoding="ascii")
    program = f"{shlex.quote(sys.executable)} speaks.py {' '.join(words)}"
    return subprocess.run(
        ["bash", "-c", shell.replace("PROGRAM", program)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_command_that_acts_goes_on_when_nobody_reads_it(tmp_path: Path) -> None:
    done = _speaks(tmp_path, 'PROGRAM | head -c 5; exit "${PIPESTATUS[0]}"')
    assert (done.returncode, done.stdout, done.stderr) == (9, "xxxxx", "")
    assert (tmp_path / "acted").exists()


def test_an_answer_that_cannot_be_written_is_said_and_what_was_done_stays(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    for words in ((), ("--json",)):
        done = _speaks(tmp_path, "PROGRAM > /dev/full", *words)
        assert done.returncode == 12
        assert done.stderr == (
            "Standard output cannot be written: no space left on device. "
            "What the command did is done.\n"
        )
        assert (tmp_path / "acted").exists()


def test_a_closed_standard_output_is_no_defect(tmp_path: Path) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = _speaks(tmp_path, f"PROGRAM {closed}")
        assert (done.returncode, done.stderr) == (9, "")


def test_one_signal_too_many_does_not_cut_the_answer_off(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from tieout.cli import starting
starting.guard()
from tieout.cli.command import carry_out
from tieout.cli.output import Options, Screen

class Late(Screen):
    def answer(self, command, result, now):
        os.kill(os.getpid(), signal.SIGINT)  # after the command, before its answer
        os.kill(os.getpid(), signal.SIGTERM)
        super().answer(command, result, now)

async def work(session):
    os.kill(os.getpid(), signal.SIGINT)
    import asyncio
    await asyncio.sleep(30)

options = Options(json=True)
sys.exit(carry_out("plan", options, work, Late(options)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert json.loads(done.stdout)["exit_code"] == 130


def test_a_crash_leaves_no_core_with_the_key_in_it() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    script = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_CORE, ({hard}, {hard}))\n"
        "from tieout.cli import starting\n"
        "starting.guard()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"(0, {hard})\n"


def test_of_several_connections_the_next_command_is_said_once(capsys: Capture) -> None:
    from tieout.cli.commands.connection import _several

    broken = error_result(
        ConnectionBrokenError("No longer accepted.", hint="tieout connection rotate visma-se"),
        START,
        ref={},
    )

    async def work(session: Session) -> Result:
        return _several(["sf", "visma-se"], [Result(lines=["sf  fine"]), broken])

    assert _do(work) == 4
    out, err = capsys.readouterr()
    assert out.splitlines() == ["sf  fine", "visma-se  No longer accepted."]
    assert err == "Next: tieout connection rotate visma-se\n"


def test_a_command_reads_no_more_than_it_needs() -> None:
    """Each starts in a process of its own: what others need would be waited for every time."""
    asked = (
        "import sys; from tieout.cli.main import load; load('status'); import tieout.store.migrate;"
        "print(*sorted(name for name in sys.modules if name.startswith(('tieout.cli.commands.',"
        " 'alembic', 'mako', 'aiohttp'))))"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["tieout.cli.commands.status"]


def test_every_command_is_in_the_module_of_its_first_word() -> None:
    for path in (SOURCES / "cli" / "commands").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "command":
                name = node.args[0]
                assert isinstance(name, ast.Constant)
                assert str(name.value).split()[0] == path.stem


def test_a_version_is_said_as_the_history_shows_it() -> None:
    assert (_version("7"), _version("v12")) == (7, 12)
    for text in ("", "v", "1.5", "-1", "soon", "²"):
        with pytest.raises(UsedWronglyError, match="Say it like 7"):
            _version(text)


@pytest.mark.parametrize("text", ["9999-12", "26-1", "0000-01", "2026-13", "", "2026"])
def test_a_month_that_is_none(text: str) -> None:
    with pytest.raises(UsedWronglyError, match="Say it like"):
        month_of(text)


def _half_written(file: Path) -> None:
    with whole_file(file) as aside:
        aside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_that_could_not_be_written_whole_leaves_what_stood_there(tmp_path: Path) -> None:
    file = tmp_path / "match.csv"
    file.write_text("decided by hand")
    file.chmod(0o640)
    with pytest.raises(StoreError) as told:
        _half_written(file)
    assert str(told.value) == f"The disk of {file} is full."
    assert file.read_text() == "decided by hand"
    assert [each.name for each in tmp_path.iterdir()] == ["match.csv"]
    write_file(file, b"whole")
    assert file.read_text() == "whole"
    assert file.stat().st_mode & 0o777 == 0o640
    with pytest.raises(StoreError, match="/dev/full is full"):
        write_file(Path("/dev/full"), b"x")


def test_a_file_in_the_making_is_as_closed_as_it_will_be(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("before")
    file.chmod(0o600)
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    (tmp_path / f".tieout-{os.getpid()}").symlink_to(theirs)
    with whole_file(file) as aside:
        assert aside.stat().st_mode & 0o077 == 0
        aside.write_text("secret")
    assert file.read_text() == "secret"
    assert theirs.read_text() == "theirs"


def test_a_name_too_long_is_told(capsys: Capture, tmp_path: Path) -> None:
    name = "x" * 300
    assert main.run(["init", name]) == 3
    assert capsys.readouterr().err.startswith(f"{name} cannot be written: file name too long.")
    assert main.run(["status", "--project", name]) == 2
    assert f"{name} has no tieout.yaml." in capsys.readouterr().err
    with pytest.raises(UsedWronglyError, match="cannot be written: file name too long"):
        check_file(tmp_path / name)


def test_the_way_into_a_folder_with_a_blank_can_be_pasted(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any) -> None:
        """Nothing is opened."""

    monkeypatch.setattr("tieout.bootstrap.open_project", lambda *_: None)
    monkeypatch.setattr(Session, "keep", nothing)
    assert main.run(["init", "my company"]) == 0
    assert "Next: cd 'my company' && tieout connection add" in capsys.readouterr().err
