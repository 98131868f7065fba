"""`tieout demo --books tryton`: the whole story on a real Tryton, and what ends with it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.demo_runs import PROGRAM, end, processes_of, readme_commands, run, start, wait_for
from support.run_folder import handed_on
from support.tryton_server import require_tryton
from tieout.store.embedded import EmbeddedServer

# Posting is the work of a processor, which others may be using.
LONG_S = 900
SIGN_IN = "database tryton, user anna, password anna-secret"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder whose name has a space, an apostrophe and letters beyond ASCII."""
    folder = tmp_path / "Åke's books"
    folder.mkdir()
    return folder


@pytest.fixture
def installed() -> str:
    """The environment that has Tryton."""
    return str(require_tryton())


@pytest.mark.slow
@pytest.mark.timeout(LONG_S + 60)
def test_a_whole_demo_on_tryton_explains_itself_to_the_cent(here: Path, installed: str) -> None:
    done = run(here, "demo", "--books", "tryton", timeout=LONG_S, TIEOUT_TRYTON_VENV=installed)
    assert done.returncode == 0, done.stderr + done.stdout
    heads = [line for line in done.stdout.splitlines() if "/7 " in line[:4]]
    names = [line[4:12].strip() for line in heads]
    assert names == ["start", "plan", "apply", "again", "books", "status", "tie out"]
    assert "nothing to write" in heads[3]
    # What the books refused is told with the reason of each.
    refused = re.search(r"(\d+) refused", heads[2])
    told_why = [line for line in done.stdout.splitlines() if line.startswith("    refused  ")]
    assert len(told_why) == (int(refused.group(1)) if refused else 0)
    assert all(": " in line and "exceptions list" not in line for line in told_why), told_why
    assert "unexplained 0.00" in heads[6]
    assert "Explained to the cent." in done.stdout
    for sentence in (
        "a simulator, a real Tryton",
        "as predicted",
        "invoices F20",
        " credited; then the books are closed to the end of the month",
        '"Montage plus" in ',  # an item without a code
        '"Net 45" of ',  # terms that no table has
        "has the tax number of customers ",  # somebody is there twice
        "takes SEK, ",  # a currency that these books do not take
        "without its reference",  # a public buyer
        "open from 1 ",  # a closed period
        "after its invoice was booked",
    ):
        assert sentence in done.stdout, sentence
    assert all(len(line) <= 100 for line in done.stdout.splitlines()), done.stdout
    told = done.stderr.splitlines()
    assert any("--books tryton --keep --port 8701" in line for line in told)
    assert f"then host 127.0.0.1:8702, {SIGN_IN}" in told
    assert told[-1] == "Report: demo/tie-out.html. All stopped. Next: tieout init my-company"
    page = (here / "demo" / "tie-out.html").read_text(encoding="utf-8")
    assert "Explained to the cent." in page
    assert [entry.name for entry in here.iterdir()] == ["demo"]
    assert processes_of(here) == []
    _the_project_is_of_use(here / "demo")


def _the_project_is_of_use(folder: Path) -> None:
    """What was made can be asked, on its own database, without simulator and Tryton."""
    own = {"TIEOUT_TEST_NOT_DURABLE": "1", "PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    own |= handed_on()

    def ask(*words: str) -> Any:
        done = subprocess.run(
            [*PROGRAM, *words, "--json"],
            cwd=folder,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return json.loads(done.stdout)

    for words in readme_commands(folder)[0]:
        assert ask(*words.split()[1:])["ok"], words
    assert ask("exceptions", "list")["data"]["count"] > 10


@pytest.fixture
def under_way(here: Path, installed: str) -> Iterator[subprocess.Popen[str]]:
    """A demo whose Tryton has been connected."""
    process = start(here, "--books", "tryton", TIEOUT_TRYTON_VENV=installed)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("1/7"):
                break
        commands = processes_of(here)
        assert any("trytond" in command for command in commands), commands
        yield process
    finally:
        end(process)


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
def test_killed_it_leaves_no_process_and_tryton_saw_its_own_database_only(
    here: Path, under_way: subprocess.Popen[str]
) -> None:
    with EmbeddedServer(here / "demo" / ".tieout", durable=False) as server:
        place = server.url(user="tryton").replace("+psycopg", "")
        with psycopg.connect(place) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("SELECT * FROM secret")
    under_way.kill()
    under_way.wait()
    assert wait_for(lambda: not processes_of(here), 20), processes_of(here)


# --- what is refused before anything is started --------------------------------------------------


def test_without_tryton_it_says_so_and_what_to_type(here: Path) -> None:
    nowhere = here.parent / "nothing"
    done = run(here, "demo", "--books", "tryton", timeout=60, TIEOUT_TRYTON_VENV=str(nowhere))
    assert done.returncode == 3
    sources = shlex.quote(str(Path(__file__).resolve().parents[2]))
    assert done.stderr.strip() == (
        f"Tryton with the module tieout is not installed in {nowhere}. Nothing was started.\n"
        f"Type make -C {sources} demo BOOKS=tryton: it installs one."
    )
    assert done.stdout == ""
    assert list(here.iterdir()) == []


def test_tryton_without_our_module_is_not_enough(here: Path) -> None:
    half = here.parent / "half"
    (half / "bin").mkdir(parents=True)
    for name in ("python", "trytond"):
        (half / "bin" / name).touch()
    done = run(here, "demo", "--books", "tryton", timeout=60, TIEOUT_TRYTON_VENV=str(half))
    assert done.returncode == 3
    assert "module tieout is not installed" in done.stderr


def test_books_that_no_demo_has(here: Path) -> None:
    done = run(here, "demo", "--books", "xero", timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "There are no books xero for a demo; there are visma_eaccounting, visma_net and tryton."
    )
    assert list(here.iterdir()) == []
