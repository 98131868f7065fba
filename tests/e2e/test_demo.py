"""`tieout demo` as a person starts it: a process of its own, in a folder with an awkward name."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.demo_runs import (
    LONG_S,
    end,
    processes_of,
    readme_commands,
    run,
    start,
    type_in,
    wait_for,
)
from support.ports import quiet_ports
from tieout.services import demo as making
from tieout.services.usage import UsedWronglyError


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder whose name has a space, an apostrophe and letters beyond ASCII."""
    folder = tmp_path / "Åke's demo"
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_a_whole_demo_explains_itself_to_the_cent(here: Path) -> None:
    done = run(here, "demo")
    assert done.returncode == 0, done.stderr + done.stdout
    heads = [line for line in done.stdout.splitlines() if "/7 " in line[:4]]
    names = [line[4:12].strip() for line in heads]
    assert names == ["start", "plan", "apply", "again", "books", "status", "tie out"]
    assert "nothing to write" in heads[3]
    assert "unexplained 0.00" in heads[6]
    assert "Explained to the cent." in done.stdout
    assert "620 accounts" in done.stdout
    for sentence in (
        '"Montage plus" in ',  # an item without a code
        '"Net 45" of ',  # terms that no table has
        "has the tax number of customers ",  # somebody is there twice
        "is not a possible number",  # a wrong VAT number
        "takes SEK, ",  # a currency that these books do not take
        "without its reference",  # a public buyer
        "open from ",  # a closed period
        "after its invoice was booked",
    ):
        assert sentence in done.stdout, sentence
    assert [line for line in done.stdout.splitlines() if len(line) > 100] == []
    assert done.stderr.splitlines()[-1] == (
        "Report: demo/tie-out.html. All stopped. Next: tieout init my-company"
    )
    page = (here / "demo" / "tie-out.html").read_text(encoding="utf-8")
    assert "Explained to the cent." in page
    assert "Open items agree with the list and with the control account." in page
    assert "Ageing of open items" in page
    assert len(page.encode()) < 300_000
    assert [entry.name for entry in here.iterdir()] == ["demo"]
    assert processes_of(here) == []
    _what_it_says_to_type_works(here, done.stderr)


def _what_it_says_to_type_works(here: Path, told: str) -> None:
    """Every command of the last lines and of the README, as printed, without the simulators."""
    looked = next(line for line in told.splitlines() if line.startswith("Look around: "))
    assert looked.endswith("; more in demo/README.md.")
    why = looked.removeprefix("Look around: ").partition(";")[0]
    assert type_in(here, why).stdout.startswith("Invoice 1010  ")
    ended, running = readme_commands(here / "demo")
    assert [words.split()[1] for words in ended] == ["status", "exceptions", "exceptions", "why"]
    for words in ended:
        done = type_in(here / "demo", words)
        assert done.returncode == 0, (words, done.stderr)
        assert done.stdout, words
        answer = json.loads(type_in(here / "demo", f"{words} --json").stdout)
        assert answer["ok"], words
    for words in running:
        done = type_in(here / "demo", words)
        assert done.returncode == 5, (words, done.stdout)
        assert " refuses the connection (4 tries, " in done.stderr, (words, done.stderr)
    assert type_in(here, told.rpartition("Next: ")[2]).returncode == 0
    assert (here / "my-company" / "tieout.yaml").is_file()


@pytest.mark.slow
def test_two_at_once_and_json_is_one_object(here: Path) -> None:
    """Two people in two folders of one machine; and a second one in a folder where one runs."""
    other = here.parent / "other"
    other.mkdir()
    first = start(here, "--json")
    second = start(other, "--keep")
    try:
        assert wait_for((here / "demo" / "tieout.yaml").exists, 60)
        busy = run(here, "demo")
        assert busy.returncode == 7
        assert busy.stderr.startswith("A demo runs in demo already. Nothing was done.")
        out, _ = first.communicate(timeout=LONG_S)
        answer = json.loads(out)
        assert first.returncode == 0, out
        assert answer["schema"] == "tieout.demo/1"
        assert answer["data"]["tie_out"]["unexplained"] == {"amount": "0.00", "currency": "SEK"}
        assert answer["data"]["second_plan"]["to_write"] == 0
        assert len(answer["data"]["steps"]) == 7
        _while_it_is_kept(other, second)
        second.send_signal(signal.SIGINT)
        assert second.wait(timeout=20) == 130
    finally:
        end(first, second)
    assert processes_of(here) == []
    assert processes_of(other) == []


def _while_it_is_kept(here: Path, process: subprocess.Popen[str]) -> None:
    """What is to be typed in another terminal while both systems run, as printed."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Next, in another terminal: "):
            break
    # The program that a shell would find is what the line sees to, where it has to.
    assert type_in(here.parent, line.removeprefix("Next, in another terminal: ")).returncode == 0
    told = next(process.stdout)
    assert told == "What else to type there: demo/README.md\n"
    held = json.loads(type_in(here / "demo", "tieout exceptions list --json").stdout)
    assert "period_closed" in {one["code"] for one in held["data"]["items"]}
    for words in [words for part in readme_commands(here / "demo") for words in part]:
        done = type_in(here / "demo", words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    # What finance's closed day had held is written, and mended terms close their exceptions.
    with (here / "demo" / "tables" / "terms.csv").open("a", encoding="utf-8") as terms:
        terms.write("Net 45,30 dagar netto,\n")
    assert type_in(here / "demo", "tieout config publish -m mended --yes").returncode == 0
    assert type_in(here / "demo", "tieout run").returncode == 0
    left = json.loads(type_in(here / "demo", "tieout exceptions list --json").stdout)
    codes = {one["code"] for one in left["data"]["items"]}
    assert not codes & {"period_closed", "terms_unmapped"}
    # The last one, over all deals: more than the report, and the README says why.
    assert "excluded by rule" in done.stdout
    assert "Explained to the cent." in done.stdout
    assert "Control account 1510" in done.stdout


@pytest.fixture
def under_way(here: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that has written its first documents, or is about to."""
    process = start(here)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("2/7"):
                break
        assert any("demo_simulator" in command for command in processes_of(here))
        assert any("postgres" in command for command in processes_of(here))
        yield process
    finally:
        end(process)


@pytest.mark.slow
def test_killed_in_the_middle_it_leaves_no_process(
    here: Path, under_way: subprocess.Popen[str]
) -> None:
    under_way.kill()
    under_way.wait()
    assert wait_for(lambda: not processes_of(here), 5), processes_of(here)


@pytest.mark.slow
def test_ctrl_c_stops_everything(here: Path, under_way: subprocess.Popen[str]) -> None:
    os.killpg(under_way.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert under_way.wait(timeout=20) == 130
    assert under_way.stdout is not None
    assert "Stopped. Safe to run again." in under_way.stdout.read()
    assert wait_for(lambda: not processes_of(here), 5), processes_of(here)


# --- what is refused before anything is started --------------------------------------------------


@pytest.mark.parametrize("above", [0, 1])
def test_a_taken_port_starts_nothing(here: Path, above: int) -> None:
    with socket.socket() as taken:
        port = quiet_ports(2)[1]
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = run(here, "demo", "--port", str(port - above), timeout=60)
    assert done.returncode == 5
    assert done.stderr.strip() == (
        f"Port {port} is taken. Nothing was started. Next: tieout demo --port 0"
    )
    assert list(here.iterdir()) == []


def test_a_folder_that_is_no_demo_stays_as_it_is(here: Path) -> None:
    (here / "demo").mkdir()
    (here / "demo" / "thesis.txt").write_text("years of work")
    done = run(here, "demo", timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("demo is there already and is no demo. Nothing was changed.")
    assert [entry.name for entry in (here / "demo").iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_no_demo(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("notes")
    with pytest.raises(UsedWronglyError):
        making.check_folder(tmp_path / "demo")
    assert (tmp_path / "demo").read_text() == "notes"


def test_a_demo_is_made_anew_and_what_others_put_there_stays(tmp_path: Path) -> None:
    from datetime import date

    root = tmp_path / "demo"
    with making.demo_project(root, date(2026, 11, 25)) as project:
        key = project.key_file.read_text()
        (root / "own notes.txt").write_text("mine")
        (root / "tie-out.html").write_text("old")
    with making.demo_project(root, date(2026, 11, 26)) as project:
        assert project.key_file.read_text() != key
        assert "2026-11-10" in project.file.read_text()
        assert not (root / "tie-out.html").exists()
    assert (root / "own notes.txt").read_text() == "mine"


def test_a_second_demo_in_the_same_folder_is_told_so(tmp_path: Path) -> None:
    from datetime import date

    from tieout.core.errors import BusyError

    root = tmp_path / "demo"
    with making.demo_project(root, date(2026, 11, 25)) as project:
        before = project.key_file.read_text()
        with (
            pytest.raises(BusyError, match="A demo runs in demo already"),
            making.demo_project(root, date(2026, 11, 25)),
        ):
            pass
        assert project.key_file.read_text() == before
