"""Every command answers ``--json`` with exactly one object: in good, bad and empty cases."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from support.daily_story import small_company
from support.database import database
from support.served_project import Answer, Program, connect_project, simulators
from tieout.cli.main import load

pytestmark = pytest.mark.timeout(300)

# Of each command the good case first; what it needs was left behind by those before it.
CASES: dict[str, tuple[str, ...]] = {
    "init": ("another", "."),
    "demo": ("--books nothing_such", "--port 99999"),
    "doctor": ("", "--remove-orphans"),
    "match report": ("", "--no-read --full", "--strict"),
    "match export": ("match.csv", "/nowhere/match.csv", "/dev/full", ""),
    "match decide": ("match.csv", "nothing.csv", "tieout.yaml", ""),
    "match accept": ("--all matched", "", "--all nothing", "nobody", "nobody --is 1"),
    "match reject": ("nobody --is 1", ""),
    "match new": ("nobody", ""),
    "plan": ("", "--no-read", "--exit-code", "P-1", "P-99", "x", "--only nothing_such"),
    "apply": ("--yes", "P-99 --yes", "--only nothing_such --yes", "--approve nothing_such --yes"),
    "run": ("--once", "--strict", "--once --every 5s", "--every soon"),
    "status": ("", "--all"),
    "why": ("D-107", "nothing_such", "invoice:99", "''"),
    "reconcile": (
        "", "--deals --by-period --receivables", "--month 2020-01", "--month 2020-01 --store",
        "--month soon", "--month 2999-01", "--month 9999-12", "--month 26-1",
        "--store", "--books nothing_such", "--html /nowhere/page.html",
    ),
    "codes": (
        "", "--kind terms --csv terms.csv", "--books nothing_such", "--kind nothing_such",
    ),
    "report items": ("", "--state no_code --csv items.csv", "--state nothing_such"),
    "report sales": ("", "--month 2026-10 --csv sales.csv", "--month soon"),
    "prove": ("", "--month 2020-01", "--month soon", "--queries"),
    "help": ("item_no_code", "", "nothing_such"),
    "connection add": ("visma_eaccounting", "", "nothing_such"),
    "connection test": ("sf", "", "nobody"),
    "connection list": ("",),
    "connection rotate": ("--key", "sf", "nobody", ""),
    "salesforce package": ("--out package.zip", "--out /nowhere/package.zip"),
    "salesforce deploy": ("sf --check-only", "", "nobody", "sf --file nothing.zip"),
    "config validate": ("", "--offline"),
    "config schema": ("",),
    "config diff": ("", "--offline"),
    "config publish": ("-m again --yes",),
    "config history": ("",),
    "config rollback": ("1 --yes", "v1 --yes", "99 --yes", "soon --yes"),
    "exceptions list": ("", "--code item_no_code", "--owner nobody", "--csv rows.csv"),
    "exceptions show": ("EX-1", "EX-99", "soon"),
    "exceptions retry": ("EX-1", "EX-99", "soon"),
    "exceptions answer": ("EX-1 --new", "EX-99 --new", "EX-1"),
    "exceptions dismiss": ("EX-1 --reason agreed", "EX-99 --reason agreed", "soon --reason x"),
    "log verify": ("", "--report 2020-01", "--report soon"),
    "sandbox serve": ("nothing_such", ""),
    "sandbox credentials": ("salesforce", "nothing_such"),
    "sandbox systems": ("", "nothing_such"),
}  # fmt: skip
# Whose good case needs more than this company; it is in the tests of its own.
GOOD_ELSEWHERE = {
    "demo": "test_demo.py",
    "connection add": "test_cli_admin.py",
    "exceptions answer": "test_restore.py",
    "match reject": "../pairs/scenarios.py",
    "match new": "../pairs/scenarios.py",
    "sandbox serve": "../sandbox/test_kit_serve.py",
}
SITUATIONS = ("no project", "nothing connected", "before the first run", "after a run", "silence")
# What is used wrongly is told before anything is asked, so that it need not be tried everywhere.
WHOLE = ("nothing connected", "after a run")


def _names() -> list[str]:
    """Every command that there is, from the program itself."""
    found: list[str] = []

    def walk(entry: Any, words: str) -> None:
        inner = getattr(entry, "commands", None)
        if inner is None:
            found.append(words)
        for name, one in (inner or {}).items():
            walk(one, f"{words} {name}".strip())

    walk(typer.main.get_command(load()), "")
    return found


NAMES = _names()


@contextmanager
def _in(situation: str, place: Path, worker_id: str) -> Iterator[Program]:
    """The program in a folder in that situation."""
    if situation == "no project":
        yield Program(place, {"TIEOUT_TEST_NOT_DURABLE": "1"})
        return
    with database(f"one_object_{worker_id}") as url:
        own = {"TIEOUT_TEST_NOT_DURABLE": "1", "TIEOUT_DATABASE_URL": url}
        if situation == "nothing connected":
            assert Program(place, own).inside("init", "nordic").code == 0
            yield Program(place / "nordic", own)
            return
        with simulators() as (crm, books):
            small_company(crm, books)
            program = connect_project(place / "nordic", crm, books, "auto", database_url=url)
            if situation == "after a run":
                assert program.inside("run", "--once").code == 0
            if situation == "silence":
                for side in (crm, books):
                    side.process.send_signal(signal.SIGKILL)
                    side.process.wait()
            yield program


def _one_object(name: str, answer: Answer) -> Any:
    """The one object of an answer, in our form or in the simulators' own."""
    assert answer.out.count("\n") == 1, answer
    assert "Traceback" not in answer.err, answer
    found = json.loads(answer.out)
    assert isinstance(found, dict)
    assert answer.code != 1, answer
    if not name.startswith("sandbox ") or "schema" in found:
        schema = name.replace(" ", "_").replace("-", "_")
        assert found["schema"] in (f"tieout.{schema}/1", "tieout.tieout/1"), answer
        assert found["exit_code"] == answer.code, answer
        assert found["ok"] is (answer.code == 0), answer
        # Questions answer by exit code; what could not be done says why.
        assert found["error"] is not None or answer.code in (0, 8, 9, 10), answer
    return found


def test_every_command_has_its_cases() -> None:
    assert set(CASES) == set(NAMES), "a new command needs a good and a bad case here"
    for name, place in GOOD_ELSEWHERE.items():
        assert name in NAMES
        assert "json" in (Path(__file__).parent / place).read_text(encoding="utf-8"), place


@pytest.mark.parametrize(
    "situation",
    [
        # Of these two each command has all its cases, or waits for an answer that does not come.
        pytest.param(one, marks=pytest.mark.slow) if one in ("after a run", "silence") else one
        for one in SITUATIONS
    ],
)
def test_every_command_answers_with_one_object(
    situation: str, tmp_path: Path, worker_id: str
) -> None:
    with _in(situation, tmp_path, worker_id) as tieout:
        for name, cases in CASES.items():
            for number, rest in enumerate(cases if situation in WHOLE else cases[:1]):
                words = [*name.split(), *shlex.split(rest), "--json"]
                told = _one_object(name, tieout.inside(*words))
                if situation == "after a run" and number == 0 and name not in GOOD_ELSEWHERE:
                    # A question that was answered may end with 8, 9 or 10.
                    assert told.get("exit_code", 0) in (0, 8, 9, 10), (words, told)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_refuses_what_it_does_not_know_with_one_object(
    name: str, tmp_path: Path
) -> None:
    answer = Program(tmp_path).inside(*name.split(), "--nothing-such", "--json")
    _one_object(name, answer)
    assert answer.code == 2, answer
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["nothing_such", "config", "config nothing_such", ""])
def test_what_is_no_command_is_told_in_one_object(words: str, tmp_path: Path) -> None:
    answer = Program(tmp_path).inside(*words.split(), "--json")
    assert answer.out.count("\n") == 1, answer
    found = json.loads(answer.out)
    assert (answer.code, found["exit_code"], found["ok"]) == (2, 2, False)
    assert found["error"]["code"] == "usage"
