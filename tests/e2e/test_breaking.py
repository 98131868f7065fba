"""Broken on purpose: one clear message, the right exit code, nothing lost, nothing half-done."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from support.daily_story import Story, small_company
from support.database import database
from support.served_project import Answer, Program, Served, connect_project, simulators

pytestmark = pytest.mark.timeout(240)
DRAFTS = "/v2/customerinvoicedrafts"


@dataclass
class Evening:
    """A connected project with four won deals, on a server that runs already."""

    tieout: Program
    crm: Served
    books: Served
    story: Story

    def drafts(self) -> list[dict[str, Any]]:
        """What stands in the books."""
        found = self.books.records("customerinvoicedrafts")
        return [row for row in found if not row.get("_deleted")]


@pytest.fixture
def evening(tmp_path: Path, worker_id: str) -> Iterator[Evening]:
    with database(f"breaking_{worker_id}") as url, simulators() as (crm, books):
        story = small_company(crm, books)
        program = connect_project(tmp_path / "nordic", crm, books, "auto", database_url=url)
        yield Evening(program, crm, books, story)


def one_object(answer: Answer) -> Any:
    """The one object of an answer, whose code is the program's."""
    assert answer.out.count("\n") == 1, answer.out
    assert "Traceback" not in answer.err
    found = json.loads(answer.out)
    assert found["exit_code"] == answer.code
    assert found["ok"] is (answer.code == 0)
    return found


# --- the other side, in the middle of a run ------------------------------------------------------


@pytest.mark.slow
def test_a_sign_in_that_is_withdrawn_in_the_middle_of_a_run(evening: Evening) -> None:
    evening.books.fault(kind="token_revoked", method="POST", path=DRAFTS, skip=1, times=99)
    told = one_object(evening.tieout.inside("run", "--once", "--json"))
    assert told["exit_code"] == 4, told
    assert told["error"]["code"] == "sign_in_withdrawn"
    assert told["next"] == ["tieout connection rotate visma-se"]
    assert "visma-se stands still" in evening.tieout.inside("status").out
    left = one_object(evening.tieout.inside("status", "--json"))["data"]["open"]
    assert not left.get("operation.started"), "what never left is not in doubt"
    assert len(evening.drafts()) <= 3


@pytest.mark.slow
def test_a_host_that_goes_away_in_the_middle_of_a_run(evening: Evening) -> None:
    evening.books.fault(kind="slow", seconds=20, method="POST", path=DRAFTS, times=99)
    process = subprocess.Popen(
        [sys.executable, "-m", "tieout.cli.main", "run", "--once", "--json"],
        cwd=evening.tieout.root,
        env={**os.environ, **evening.tieout.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ends = time.monotonic() + 60
    while not evening.books.struck():
        assert time.monotonic() < ends
        time.sleep(0.05)
    evening.books.process.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    told = one_object(Answer(process.returncode, out, err))
    # The next run says that it is unreachable; this one, that it does not know.
    assert process.returncode in (5, 9), told
    left = one_object(evening.tieout.inside("status", "--json"))["data"]["open"]
    assert left.get("operation.unknown", 0) + left.get("operation.started", 0) >= 1, left
    again = one_object(evening.tieout.inside("run", "--once", "--json"))
    assert (again["exit_code"], again["error"]["code"]) == (5, "host_unreachable"), again


# --- the clock -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("apart_s", "side"), [(-5 * 3600, "ahead of"), (5 * 3600, "behind")], ids=["ahead", "behind"]
)
def test_a_clock_that_jumped_stops_the_run_until_it_is_set_right(
    evening: Evening, apart_s: int, side: str
) -> None:
    """Hours between this machine and both systems, as after a jump of its clock."""
    systems = (evening.crm, evening.books)
    for system in systems:
        system.move_clock(apart_s)
    message = f"This machine's clock is 5 h {side} that of "
    for words in (("run", "--once"), ("apply", "--yes"), ("plan",)):
        said = evening.tieout.inside(*words)
        assert said.code == 6, (words, said)
        assert said.err.count(message) == 1, (words, said)
        assert said.err.splitlines()[-1] == "Set this machine's clock.", (words, said)
        told = one_object(evening.tieout.inside(*words, "--json"))
        assert (told["exit_code"], told["error"]["code"]) == (6, "clock_off"), (words, told)
    assert evening.drafts() == []
    assert not any(row["CustomerNumber"].startswith("2000") for row in _customers(evening))
    for system in systems:
        system.move_clock(-apart_s)
    assert evening.tieout.inside("run", "--once").code == 0
    assert len(evening.drafts()) == 3
    assert one_object(evening.tieout.inside("run", "--once", "--json"))["data"]["written"] == 0


def _customers(evening: Evening) -> list[dict[str, Any]]:
    return evening.books.records("customers")


# --- files ---------------------------------------------------------------------------------------


HEAD = b"bridge: nordic\ncrm: sf\nbooks:\n"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("tieout.yaml", HEAD + b"  - connection: [visma-se\nflows: {}\n", "yaml_broken"),
        ("tieout.yaml", HEAD + b"  - conn", None),
        ("tables/items.csv", "from,to\nTrädgård,TRÄD\n".encode("latin-1"), "not_utf8"),
        ("tables/items.csv", b'from,to\n"Montage plus,MON-2\n', None),
        ("tables/items.csv", b"from,to\nMontage plus\n", None),
        ("tables/items.csv", b"\x00\x01\x02", None),
    ],
)  # fmt: skip
def test_a_file_that_is_broken_leaves_what_is_in_force(
    evening: Evening, name: str, content: bytes, code: str | None
) -> None:
    file = evening.tieout.root / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    for words in (("config", "validate"), ("config", "diff"), ("config", "publish", "-m", "x")):
        told = one_object(evening.tieout.inside(*words, "--json"))
        assert told["exit_code"] == 3, (words, told)
        codes = {finding["code"] for finding in told["findings"]} | {told["error"]["code"]}
        assert code is None or code in codes, codes
        places = [finding["place"] for finding in told["findings"]]
        assert any(place and place.startswith(name) for place in places), told
    # Runs go by what is in force.
    assert one_object(evening.tieout.inside("run", "--once", "--json"))["exit_code"] == 0
    assert len(evening.drafts()) == 3


def test_a_table_of_a_million_rows_is_read_within_bounds(evening: Evening) -> None:
    file = evening.tieout.root / "tables" / "items.csv"
    file.parent.mkdir(exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        out.write("from,to,note\n")
        for number in range(1_000_000):
            out.write(f"Product {number},ART-{number},\n")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3_000_000_000, 3_000_000_000))

    done = subprocess.run(
        [sys.executable, "-m", "tieout.cli.main", "config", "validate", "--offline", "--json"],
        cwd=evening.tieout.root,
        env={**os.environ, **evening.tieout.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        preexec_fn=limited,
    )
    told = one_object(Answer(done.returncode, done.stdout, done.stderr))
    assert told["exit_code"] in (0, 3), told
    if told["exit_code"] == 3:
        assert any("items.csv" in str(finding["place"]) for finding in told["findings"]), told


# --- keys ----------------------------------------------------------------------------------------


def test_keys_from_the_environment_take_turns(evening: Evening) -> None:
    old = (evening.tieout.root / ".tieout" / "key").read_text(encoding="ascii").strip()
    new = Fernet.generate_key().decode()
    tieout = evening.tieout
    tieout.environment["TIEOUT_KEYS"] = f"{new},{old}"
    assert tieout.inside("connection", "test", "sf").code == 0
    # Without the old one, what was sealed with it does not open.
    tieout.environment["TIEOUT_KEYS"] = new
    told = one_object(tieout.inside("connection", "test", "sf", "--json"))
    assert (told["exit_code"], told["error"]["code"]) == (3, "key_wrong")
    tieout.environment["TIEOUT_KEYS"] = "not a key"
    told = one_object(tieout.inside("connection", "test", "sf", "--json"))
    assert told["exit_code"] == 3, told
    assert new not in json.dumps(told)
    tieout.environment["TIEOUT_KEYS"] = f"{new} {old}"
    assert tieout.inside("run", "--once").code == 0
    assert len(evening.drafts()) == 3


# --- the disk ------------------------------------------------------------------------------------


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own with so much room. Skips where none may be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    place = Path(tempfile.mkdtemp(prefix="tieout-disk-"))
    size = f"size={megabytes}m,mode=755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        place.rmdir()
        pytest.skip(f"no small disk here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)
        place.rmdir()


def fill(place: Path, leave_mb: int) -> Path:
    """Fills the disk until so much is left."""
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    ballast = place / "ballast"
    with ballast.open("wb") as out:
        left = free - leave_mb * 1_000_000
        while left > 0:
            left -= out.write(b"\0" * min(left, 1_000_000))
    return ballast


@pytest.mark.slow
def test_a_disk_that_is_full_is_said_and_nothing_is_sent() -> None:
    with small_disk(600) as place, simulators() as (crm, books):
        small_company(crm, books)
        root = place / "nordic"
        # Where root starts it, the server runs as another account, which has to get there.
        (root / ".tieout").mkdir(parents=True)
        (root / ".tieout").chmod(0o711)
        program = connect_project(root, crm, books, "auto")
        assert (root / ".tieout" / "pg").is_dir(), "the database is on the small disk"
        assert program("plan", "--json").code == 0
        ballast = fill(place, 120)
        for words in (("run", "--once"), ("apply", "--yes")):
            told = one_object(program(*words, "--json"))
            assert (told["exit_code"], told["error"]["code"]) == (12, "disk_full"), told
        assert not [r for r in books.records("customerinvoicedrafts") if not r.get("_deleted")]
        ballast.unlink()
        # Not a byte is left, not even for the log: still one object.
        ballast = fill(place, 0)
        told = one_object(program("run", "--once", "--json"))
        assert told["exit_code"] == 12, told
        ballast.unlink()
        ran = one_object(program("run", "--once", "--json"))
        assert ran["exit_code"] == 0, ran
        made = [r for r in books.records("customerinvoicedrafts") if not r.get("_deleted")]
        assert len(made) == 3
