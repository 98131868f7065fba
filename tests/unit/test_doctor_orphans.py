"""`tieout doctor` on databases whose project's folder is gone, and their removal by a person."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tieout.cli import main
from tieout.core.finding import Severity
from tieout.services import doctor, orphans
from tieout.services.doctor import Diagnosis
from tieout.store import embedded_orphans, embedded_place

Capture = pytest.CaptureFixture[str]
# 12 and 25 November 2026, at noon in UTC.
OLD, NEW = 1_794_484_800, 1_795_608_000


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder, on a machine where no server can reach a project's folder."""
    folder = tmp_path / "state"
    monkeypatch.setenv("TIEOUT_STATE_DIR", str(folder))
    monkeypatch.setattr(embedded_place, "can_reach", lambda path, account: False)
    monkeypatch.chdir(tmp_path)
    return folder


def make(tmp_path: Path, name: str, used: int = OLD) -> Path:
    """A project with its data in the state folder; that place."""
    ours = tmp_path / name / ".tieout"
    ours.mkdir(parents=True)
    data = embedded_place.data_of(ours)
    data.mkdir()
    (data / "base").write_bytes(b"x" * 5_000_000)
    os.utime(data, (used, used))
    return data.parent


def diagnosed() -> Diagnosis:
    found = Diagnosis()
    asyncio.run(doctor._orphans(found))
    return found


def one_object(capsys: Capture) -> Any:
    return json.loads(capsys.readouterr().out)


def test_no_word_where_nothing_is_or_all_is_used(state: Path, tmp_path: Path) -> None:
    assert (diagnosed().troubles, diagnosed().checks) == ([], 0)
    make(tmp_path, "nordic")
    assert (diagnosed().troubles, diagnosed().areas) == ([], ["disk"])


def test_gone_ones_are_counted_with_the_oldest_and_the_newest(state: Path, tmp_path: Path) -> None:
    make(tmp_path, "used")
    for name, used in (("second", NEW), ("first", OLD)):
        make(tmp_path, name, used)
        shutil.rmtree(tmp_path / name)
    (trouble,) = diagnosed().warnings
    assert trouble.text() == (
        f"2 databases, 10 MB in {state}, whose folder is gone: from {tmp_path}/first (last used "
        f"12 Nov 2026) to {tmp_path}/second (25 Nov 2026)."
    )
    assert trouble.finding.code == "database_orphaned"
    assert trouble.finding.values["count"] == "2"
    assert trouble.next == "tieout doctor --remove-orphans"


def test_what_may_be_in_use_is_never_called_gone(state: Path, tmp_path: Path) -> None:
    away, untold = make(tmp_path, "away"), make(tmp_path, "untold")
    note = away / "of.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"mount": str(tmp_path / "usb")}))
    (untold / "of.json").unlink()
    for name in ("away", "untold"):
        shutil.rmtree(tmp_path / name)
    found = diagnosed()
    assert {each.finding.severity: each.text() for each in found.troubles} == {
        Severity.INFO: f"1 database, 5 MB in {state}, of a folder whose disk may not be mounted.",
        Severity.WARNING: f"1 database, 5 MB in {state}, without a note of whose; a project that "
        "is opened notes it.",
    }
    assert {each.finding.code for each in found.troubles} == {"database_unclaimed"}


def test_the_list_asks_before_it_removes(
    state: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, gone, untold = (make(tmp_path, name) for name in ("used", "gone", "untold"))
    shutil.rmtree(tmp_path / "gone")
    (untold / "of.json").unlink()
    # Without a terminal and a word nothing goes.
    assert main.run(["doctor", "--remove-orphans"]) == 2
    out, err = capsys.readouterr()
    assert "remove 1 database, 5 MB?" in err
    assert "--yes" in err
    rows = [line.split("  ") for line in out.splitlines()]
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        ["gone", f"{tmp_path}/gone", "database", "5 MB", "last used 12 Nov 2026", str(gone)],
        ["unclear", "not noted", "database", "5 MB", "last used 12 Nov 2026", str(untold)],
    ]
    monkeypatch.setattr("tieout.cli.command.Session.confirm", lambda self, question, yes: yes)
    assert main.run(["doctor", "--remove-orphans"]) == 0
    assert capsys.readouterr().err == "Nothing was removed.\n"
    assert gone.exists()

    assert main.run(["doctor", "--remove-orphans", "--yes"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Removed 1 database, 5 MB."
    assert (used.exists(), gone.exists(), untold.exists()) == (True, False, True)

    assert main.run(["doctor", "--remove-orphans", "--yes"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"No database in {state} is known to be nobody's."
    )


def test_one_object_lists_and_removes(state: Path, tmp_path: Path, capsys: Capture) -> None:
    gone = make(tmp_path, "gone", NEW)
    shutil.rmtree(tmp_path / "gone")
    assert main.run(["doctor", "--remove-orphans", "--json"]) == 2
    asked = one_object(capsys)
    assert asked["error"]["code"] == "answer_needed"
    assert [item["folder"] for item in asked["data"]["orphans"]["items"]] == [str(gone)]
    assert (asked["data"]["removed"]["count"], gone.exists()) == (0, True)
    assert asked["next"] == ["tieout doctor --remove-orphans --yes"]
    assert main.run(["doctor", "--remove-orphans", "--yes", "--json"]) == 0
    data = one_object(capsys)["data"]
    assert data["removed"] == {"items": [str(gone)], "count": 1, "next_cursor": None}
    (item,) = data["orphans"]["items"]
    assert item.pop("bytes") >= 5_000_000
    assert item == {
        "folder": str(gone),
        "project": str(tmp_path / "gone"),
        "state": "gone",
        "programs": False,
        "last_used": "2026-11-25T12:00:00Z",
    }
    assert not gone.exists()


def test_what_cannot_be_removed_and_what_came_into_use_is_told(
    state: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, stuck, gone = (make(tmp_path, name) for name in ("kept", "stuck", "gone"))
    for name in ("kept", "stuck", "gone"):
        shutil.rmtree(tmp_path / name)
    really = embedded_orphans.remove

    def remove(place: embedded_orphans.Place) -> bool:
        if place.folder == stuck:
            raise PermissionError(1, "Operation not permitted")
        return place.folder != kept and really(place)

    monkeypatch.setattr(orphans, "remove", remove)
    assert main.run(["doctor", "--remove-orphans", "--yes"]) == 12
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "Removed 1 database, 5 MB."
    assert f"{kept} was left: it is in use." in err
    assert f"1 folder could not be removed whole; {stuck}: operation not permitted." in err
    assert (kept.exists(), stuck.exists(), gone.exists()) == (True, True, False)
