"""What a command says, where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tieout.cli.commands import connection
from tieout.cli.output import (
    ErrorInfo,
    Exit,
    Options,
    Result,
    Screen,
    error_result,
    exit_code,
    listing,
    worst,
)
from tieout.cli.ticking import Ticking
from tieout.core import errors
from tieout.core.finding import Finding
from tieout.services.usage import UsedWronglyError

NOW = datetime(2026, 11, 5, 7, 11, 44, tzinfo=UTC)
KEYS = [
    "schema",
    "ok",
    "exit_code",
    "bridge",
    "generated_at",
    "data",
    "findings",
    "error",
    "next",
]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def _screen(options: Options, *, terminal: bool = False, **environment: str) -> Screen:
    stream = Terminal if terminal else io.StringIO
    return Screen(options, out=stream(), err=stream(), environment=environment)


def _said(screen: Screen) -> tuple[str, str]:
    return screen.out.getvalue(), screen.err.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.TransientError("x"), 5),
        (errors.ConnectionBrokenError("x"), 4),
        (errors.OutcomeUnknownError("x"), 9),
        (errors.ConfigurationError("x"), 3),
        (errors.StoppedError("x"), 6),
        (errors.BusyError("x"), 7),
        (errors.StoreError("x"), 12),
        (errors.EvidenceError("x"), 11),
        (UsedWronglyError("x"), 2),
        (errors.SyncError("x"), 1),
        (ValueError("x"), 1),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_of_several_the_worst_counts() -> None:
    assert worst([]) is Exit.OK
    assert worst([Exit.OK, Exit.PERSON, Exit.UNKNOWN]) is Exit.UNKNOWN
    order = [12, 11, 1, 3, 4, 5, 7, 6, 10, 9, 8]
    for at, code in enumerate(order):
        assert worst([Exit(each) for each in reversed(order[at:])]) == code


def test_data_goes_to_standard_output_and_talk_to_standard_error() -> None:
    screen = _screen(Options())
    screen.answer("init", Result(lines=["Created."], notes=["Mind."], next=("tieout x",)), NOW)
    assert _said(screen) == ("Created.\n", "Mind. Next: tieout x\n")


def test_the_next_command_has_its_own_line_where_it_would_not_fit() -> None:
    screen = _screen(Options())
    screen.answer("init", Result(notes=["w" * 90], next=("tieout plan",)), NOW)
    assert _said(screen)[1] == "w" * 90 + "\nNext: tieout plan\n"


def test_quiet_keeps_errors_and_data() -> None:
    screen = _screen(Options(quiet=True))
    screen.answer("init", Result(lines=["data"], notes=["talk"]), NOW)
    assert _said(screen) == ("data\n", "")
    broken = errors.StoreError("The disk is full.", hint="Free space, then tieout run")
    screen = _screen(Options(quiet=True))
    screen.answer("init", error_result(broken, NOW, ref={}), NOW)
    assert _said(screen) == ("", "The disk is full.\nFree space, then tieout run.\n")


def test_json_is_one_object_with_all_keys() -> None:
    screen = _screen(Options(json=True))
    screen.line("never")
    screen.note("never")
    screen.complain("never")
    finding = Finding(code="item_no_code", message="No code.", place="lines.2")
    screen.answer(
        "connection list",
        Result(data=listing([]), findings=[finding], lines=["never"], bridge="nordic"),
        NOW,
    )
    out, err = _said(screen)
    assert err == ""
    found = json.loads(out)
    assert out.count("\n") == 1
    assert list(found) == KEYS
    assert found["schema"] == "tieout.connection_list/1"
    assert (found["ok"], found["exit_code"], found["bridge"]) == (True, 0, "nordic")
    assert found["generated_at"] == "2026-11-05T07:11:44Z"
    assert found["data"] == {"items": [], "count": 0, "next_cursor": None}
    assert found["findings"][0]["code"] == "item_no_code"
    assert found["error"] is None


def test_an_error_in_json_has_all_its_keys() -> None:
    error = errors.ConnectionBrokenError(
        "Visma no longer accepts our sign-in.", hint="tieout connection rotate visma-se"
    )
    screen = _screen(Options(json=True))
    screen.answer("connection test", error_result(error, NOW, ref={"connection": "visma-se"}), NOW)
    found = json.loads(_said(screen)[0])
    assert list(found) == KEYS
    assert (found["ok"], found["exit_code"], found["data"]) == (False, 4, None)
    assert found["next"] == ["tieout connection rotate visma-se"]
    reference = found["error"].pop("reference")
    assert reference.startswith("E-")
    assert len(reference) == 6
    assert found["error"] == {
        "code": "sign_in_withdrawn",
        "message": "Visma no longer accepts our sign-in.",
        "ref": {"connection": "visma-se"},
        "place": None,
        "retry_after": None,
    }


def test_when_it_may_be_tried_again() -> None:
    error = errors.TransientError("Later.", retry_after_s=60)
    assert error_result(error, NOW, ref={}).error == ErrorInfo(
        code="host_unreachable",
        message="Later.",
        retry_after=60,
        reference=error_result(error, NOW, ref={}).error.reference,  # type: ignore[union-attr]
    )


@pytest.mark.parametrize(
    ("options", "environment", "terminal", "coloured"),
    [
        (Options(), {}, True, True),
        (Options(), {}, False, False),
        (Options(no_color=True), {}, True, False),
        (Options(plain=True), {}, True, False),
        (Options(), {"NO_COLOR": "1"}, True, False),
        (Options(), {"TERM": "dumb"}, True, False),
    ],
)
def test_colour(
    options: Options, environment: dict[str, str], terminal: bool, coloured: bool
) -> None:
    screen = _screen(options, terminal=terminal, **environment)
    assert ("\x1b[" in screen.paint("fail", "bad")) is coloured
    assert "fail" in screen.paint("fail", "bad")


def test_nothing_is_cut_without_a_terminal() -> None:
    assert _screen(Options()).width is None
    assert _screen(Options(plain=True), terminal=True).width is None
    width = _screen(Options(), terminal=True).width
    assert width is not None
    assert width <= 100


def test_letters_that_the_stream_cannot_take() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    screen = Screen(Options(), out=out, err=out, environment={})
    screen.line("Österviks Hamn → 漢")
    assert out.buffer.getvalue() == b"Osterviks Hamn -> ?\n"  # type: ignore[attr-defined]


def test_options_of_both_levels_count() -> None:
    outer = Options(json=True, project="a", bridge="b")
    assert Options(quiet=True, project="c").over(outer) == Options(
        json=True, quiet=True, project="c", bridge="b"
    )


# --- long lists and long work --------------------------------------------------------------------


def _shown(tmp_path: Path, lines: int, *, pager: str, terminal: bool = True) -> tuple[str, str]:
    """What a list of so many lines leaves on the screen, and what the pager was given."""
    seen = tmp_path / "seen"
    program = f"sh -c 'cat > {seen}'" if pager == "cat" else pager
    out = Terminal() if terminal else io.StringIO()
    screen = Screen(Options(), out=out, err=io.StringIO(), environment={"PAGER": program})
    screen.answer("plan", Result(lines=[f"row {n}" for n in range(lines)]), NOW)
    return out.getvalue(), seen.read_text(encoding="utf-8") if seen.exists() else ""


def test_a_long_list_goes_through_the_pager_on_a_terminal_only(tmp_path: Path) -> None:
    out, paged = _shown(tmp_path, 200, pager="cat")
    assert (out, paged.count("\n")) == ("", 200)
    (tmp_path / "seen").unlink()
    assert _shown(tmp_path, 3, pager="cat") == ("row 0\nrow 1\nrow 2\n", "")
    out, paged = _shown(tmp_path, 200, pager="cat", terminal=False)
    assert (out.count("\n"), paged) == (200, "")


def test_a_program_that_is_not_ours_is_not_given_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "environment"
    environment = {"PAGER": f"sh -c 'env > {seen}'", "TIEOUT_KEY": "k", "PATH": os.environ["PATH"]}
    screen = Screen(Options(), out=Terminal(), err=io.StringIO(), environment=environment)
    screen.answer("plan", Result(lines=["row"] * 200), NOW)
    assert "PATH=" in seen.read_text()
    assert "TIEOUT_" not in seen.read_text()

    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\nenv > {tmp_path}/begun\nmv {tmp_path}/begun {tmp_path}/done\n")
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    monkeypatch.setenv("TIEOUT_KEY", "k")
    monkeypatch.setenv("TIEOUT_DATABASE_URL", "postgresql://tieout:k@db.example/tieout")
    connection._launch("https://login.example.com/")
    done = tmp_path / "done"
    for _ in range(1000):
        if done.exists():
            break
        time.sleep(0.01)
    assert "BROWSER=" in done.read_text()
    assert "TIEOUT_" not in done.read_text()


def test_a_pager_that_is_not_there_loses_nothing(tmp_path: Path) -> None:
    out, _ = _shown(tmp_path, 200, pager="/nowhere/less -R")
    assert out.count("\n") == 200


def test_the_line_of_progress_tells_its_time_and_what_it_waits_for() -> None:
    now = [0]
    err = Terminal()
    line = Ticking(err, lambda: now[0])
    line.say("Reading visma-se")
    assert line.line() == "Reading visma-se"
    now[0] = 2_100
    assert line.line() == "Reading visma-se  2 s"
    now[0] = 12_000
    assert line.line() == "Reading visma-se  12 s, waiting for answers"
    line.say("Reading sf")
    assert line.line() == "Reading sf"
    now[0] = 12_000 + 180_000
    assert line.line() == "Reading sf  3 min, waiting for answers"
    line.end()
    assert err.getvalue().endswith("\r\x1b[K")
    shown = err.getvalue()
    line.end()
    assert not any(thread.name == "progress" for thread in threading.enumerate())
    assert err.getvalue().startswith(shown)


def test_the_line_of_progress_counts_and_says_what_is_left() -> None:
    now, columns = [0], [100]
    line = Ticking(Terminal(), lambda: now[0], lambda: columns[0])
    line.say("Writing to visma-se", 0, 3_509)
    assert line.line() == "Writing to visma-se"
    now[0] = 10_000
    line.say("Writing to visma-se", 1_000, 3_509)
    bar = "[#####               ]"
    assert line.line() == (f"Writing to visma-se  {bar}, 1,000 of 3,509  10 s, about 25 s left"), (
        "the same step said again goes on"
    )
    columns[0] = 60
    assert line.line() == "Writing to visma-se, 1,000 of 3,509  10 s, about 25 s left"
    columns[0] = 30
    assert line.line() == "Writing to visma-se, 1,000 of"
    columns[0] = 100
    now[0] = 21_000
    assert line.line().endswith("about 52 s left, waiting for answers"), "nothing moved for 10 s"
    # What came meanwhile makes it more than was known; a wrong total is not shown.
    line.say("Writing to visma-se", 3_600, 3_509)
    assert line.line() == "Writing to visma-se, 3,600  21 s"
    line.say("Reading sf", 400)
    assert line.line() == "Reading sf"
    now[0] += 3_000
    assert line.line() == "Reading sf, 400  3 s"
    line.end()


def test_a_terminal_that_goes_away_does_not_stop_the_work() -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    line = Ticking(Gone(), lambda: 0)
    line.say("Reading visma-se")
    line.say("Reading sf")
    line.end()


HOSTILE = "\x1b]0;pwned\x07\x1b[2JTallmo\r\nok    paid \u202eBA\u009b1A"


def test_a_name_cannot_steer_the_terminal_nor_begin_a_line() -> None:
    for terminal in (False, True):
        screen = _screen(Options(verbose=True), terminal=terminal)
        screen.answer("status", Result(lines=[HOSTILE], notes=[HOSTILE]), NOW)
        screen.complain(HOSTILE)
        screen.detail(HOSTILE)
        out, err = _said(screen)
        shown = "\ufffd]0;pwned\ufffd\ufffd[2JTallmo  ok    paid \ufffdBA\ufffd1A\n"
        assert out == shown
        assert err == shown * 3
        # As wide as it was taken to be when the columns were laid out.
        assert len(shown) == len(HOSTILE) + 1


def test_our_own_colours_stay_beside_such_a_name() -> None:
    screen = _screen(Options(), terminal=True)
    screen.line(f"{screen.paint('fail', 'bad')}  {HOSTILE}")
    out, _ = _said(screen)
    assert out.startswith("\x1b[1;31mfail\x1b[0m  \ufffd]0;")
    assert out.count("\x1b") == 2


def test_json_keeps_such_a_name_whole_and_steers_nothing() -> None:
    screen = _screen(Options(json=True), terminal=True)
    screen.answer("status", Result(data={"name": HOSTILE}), NOW)
    out, _ = _said(screen)
    assert json.loads(out)["data"]["name"] == HOSTILE
    assert out.strip("\n").isprintable()


def test_the_line_of_progress_is_one_line() -> None:
    err = Terminal()
    ticking = Ticking(err, lambda: 0)
    ticking.say("Reading \x1b[2J\nTallmo")
    ticking.end()
    assert err.getvalue().removesuffix("\r\x1b[K") == "\r\x1b[KReading \ufffd[2J Tallmo"
