"""The embedded server is there for its users, ends with the last, and survives any death."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from embedded_kit import (
    answer,
    client,
    connect,
    gone,
    kill_client,
    open_home,
    pids_like,
    processes_in,
    quit_client,
    seen,
)

from tieout.store.embedded import DiskFullError, EmbeddedServer, PlaceRefusedError
from tieout.store.embedded_place import find_binaries, find_package


@pytest.fixture
def home() -> Iterator[Path]:
    with open_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A project whose server was used once; tests take copies, which saves them initdb."""
    with open_home() as folder:
        one = client(folder / "made", 1)
        answer(one)
        quit_client(one)
        yield folder / "made"


@pytest.fixture
def project(home: Path, made: Path) -> Path:
    subprocess.run(["cp", "-a", str(made), str(home / "project")], check=True)
    return home / "project"


def test_what_was_committed_is_there_at_the_next_start(home: Path) -> None:
    with EmbeddedServer(home / "project") as server:
        with connect(server.url()) as connection:
            connection.execute("create table seen (who int)")
            connection.execute("insert into seen values (1)")
            shown = {
                name: connection.execute(f"show {name}").fetchone()[0]
                for name in ("fsync", "synchronous_commit", "server_encoding", "listen_addresses")
            }
            first = connection.execute("select upper('åäö'), current_user").fetchone()
        assert len(pids_like(home, "embedded_watch")) == 1
        sockets = Path(unquote(server.url().split("host=")[1].split("&")[0]))
        assert (sockets / ".s.PGSQL.5432").is_socket()
    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "",
    }
    assert first == ("ÅÄÖ", "tieout_owner")
    assert not processes_in(home), "stop() returned before all had ended"
    assert not sockets.exists()

    with EmbeddedServer(home / "project") as server:
        assert seen(server.url()) == [1]


def test_start_twice_is_one_use(project: Path, home: Path) -> None:
    server = EmbeddedServer(project, durable=False)
    assert server.start() == server.start()
    with connect(server.url()) as connection:
        assert connection.execute("show fsync").fetchone() == ("off",)
    server.stop()
    server.stop()
    assert not processes_in(home)
    with pytest.raises(RuntimeError):
        server.url()


def test_a_second_process_keeps_the_server_after_the_first_has_left(project: Path) -> None:
    with EmbeddedServer(project, durable=False) as first:
        url = first.url()
        second = client(project, 2)
        _, _, other = answer(second)
        assert url == other
    assert seen(url) == [1, 2]
    quit_client(second)
    assert not processes_in(project.parent)


def test_a_killed_last_user_leaves_no_process_and_no_damage(project: Path) -> None:
    only = client(project, 2)
    answer(only)
    assert pids_like(project, "postgres")
    kill_client(only)
    assert gone(project, seconds=3.0), processes_in(project)
    with EmbeddedServer(project, durable=False) as server:
        assert seen(server.url()) == [1, 2]


def test_a_killed_user_takes_nothing_from_the_others(project: Path) -> None:
    with EmbeddedServer(project, durable=False) as server:
        other = client(project, 2)
        answer(other)
        kill_client(other)
        time.sleep(0.3)
        assert seen(server.url()) == [1, 2]


def test_a_killed_watcher_is_replaced(project: Path) -> None:
    first = client(project, 2)
    _, server, _ = answer(first)
    (watcher,) = pids_like(project, "embedded_watch")
    os.kill(watcher, signal.SIGKILL)
    second = client(project, 3)
    assert answer(second)[1] == server
    assert len(pids_like(project, "embedded_watch")) == 1
    kill_client(first)
    kill_client(second)
    assert gone(project, seconds=3.0), processes_in(project)


def test_a_server_that_nobody_watched_is_adopted(project: Path) -> None:
    first = client(project, 2)
    _, server, _ = answer(first)
    (watcher,) = pids_like(project, "embedded_watch")
    os.kill(watcher, signal.SIGKILL)
    kill_client(first)
    assert pids_like(project, "postgres"), "nobody was there to stop it"
    second = client(project, 3)
    assert answer(second)[1] == server
    quit_client(second)
    assert not processes_in(project)


def test_a_killed_server_is_started_anew(project: Path) -> None:
    with EmbeddedServer(project) as first:
        url = first.url()
        one = client(project, 2)
        _, server, _ = answer(one)
        os.kill(server, signal.SIGKILL)
        two = client(project, 3)
        assert answer(two)[1] != server
        assert seen(url) == [1, 2, 3]
        quit_client(one)
        quit_client(two)


def test_a_stale_pid_file_that_names_a_living_process_is_no_server(project: Path) -> None:
    (project / "pg" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{project / 'pg'}\n1\n5432\n/tmp\n\n  1 1\nready   \n"
    )
    with EmbeddedServer(project, durable=False) as server:
        assert seen(server.url()) == [1]


def test_a_socket_that_was_cleaned_away_comes_back(project: Path) -> None:
    only = client(project, 2)
    _, _, url = answer(only)
    folder = Path(unquote(url.split("host=")[1].split("&")[0]))
    shutil.rmtree(folder)
    with EmbeddedServer(project, durable=False) as server:
        assert seen(server.url()) == [1, 2]
    kill_client(only)


@pytest.mark.parametrize("name", ["with space å", 'it\'s "$HOME" `x`; , ü'])
def test_odd_paths(home: Path, made: Path, name: str) -> None:
    subprocess.run(["cp", "-a", str(made), str(home / name)], check=True)
    with EmbeddedServer(home / name, durable=False) as server:
        assert seen(server.url()) == [1]


def test_an_odd_path_from_the_first_start(home: Path) -> None:
    one = client(home / "deep down" / 'it\'s "å" $HOME', 1)
    assert answer(one)[2]
    quit_client(one)


def test_a_long_temp_folder_is_passed_over(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = home / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with EmbeddedServer(project, durable=False) as server:
        assert seen(server.url()) == [1]


def test_processes_that_start_at_once_get_one_server(home: Path) -> None:
    clients = [client(home / "project", number) for number in (1, 1, 1, 1)]
    assert len({answer(process)[1] for process in clients}) == 1
    for process in clients:
        quit_client(process)
    assert not processes_in(home)
    assert not list((home / "project").glob("pg.try-*"))


def test_a_death_while_the_data_is_made(home: Path) -> None:
    project = home / "project"
    dying = client(project, 1)
    end = time.monotonic() + 10
    while not list(project.glob("pg.try-*/base")) and time.monotonic() < end:
        time.sleep(0.005)
    kill_client(dying)
    assert not (project / "pg").exists()
    one = client(project, 1)
    answer(one)
    quit_client(one)
    assert gone(home, seconds=3.0)
    assert not list(project.glob("pg.try-*"))


def test_twelve_processes_come_and_go_and_some_are_killed(project: Path) -> None:
    seed = random.Random(20)
    running: list[subprocess.Popen[str]] = []
    done: list[int] = []
    for number in range(2, 14):
        running.append(client(project, number))
        done.append(number)
        while len(running) > seed.randint(0, 3):
            leaving = running.pop(seed.randrange(len(running)))
            answer(leaving)
            (kill_client if seed.random() < 0.4 else quit_client)(leaving)
        time.sleep(seed.random() * 0.05)
    for process in running:
        answer(process)
        quit_client(process)
    assert gone(project, seconds=3.0), processes_in(project)
    with EmbeddedServer(project, durable=False) as server:
        assert seen(server.url()) == [1, *done]


def test_a_copy_of_a_running_project_has_a_server_of_its_own(project: Path, home: Path) -> None:
    copy = home / "copy"
    original = client(project, 2)
    _, server, url = answer(original)
    with connect(url) as connection:
        connection.execute("checkpoint")
    subprocess.run(["cp", "-a", str(project), str(copy)], check=True)
    copied = client(copy, 3)
    _, other, other_url = answer(copied)
    assert server != other
    assert url != other_url
    assert seen(url) == [1, 2]
    assert seen(other_url) == [1, 2, 3]
    quit_client(original)
    assert seen(other_url) == [1, 2, 3]
    quit_client(copied)


def test_a_project_that_is_moved_while_in_use(project: Path, home: Path) -> None:
    one = client(project, 2)
    _, server, _ = answer(one)
    project.rename(home / "moved")
    two = client(home / "moved", 3)
    assert answer(two)[1] == server
    kill_client(one)
    kill_client(two)
    assert gone(home, seconds=3.0), processes_in(home)


def test_a_project_that_is_removed_while_in_use(project: Path, home: Path) -> None:
    one = client(project, 2)
    answer(one)
    shutil.rmtree(project, ignore_errors=True)
    quit_client(one)
    assert gone(home, seconds=3.0), processes_in(home)


def test_a_forked_child_remains_a_user(project: Path) -> None:
    server = EmbeddedServer(project, durable=False)
    url = server.start()
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    server.stop()
    try:
        assert seen(url) == [1]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert gone(project, seconds=3.0), processes_in(project)


def test_too_little_space_is_said_before_anything_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home)._replace(free=180_900_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(DiskFullError) as caught:
        EmbeddedServer(home / "project").start()
    assert caught.value.code == "disk_full"
    assert caught.value.message == (
        "180 MB free, 200 needed to record what is sent. Nothing was sent."
    )
    assert caught.value.hint == "Free space, then tieout run"
    assert not (home / "project" / "pg").exists()
    assert not processes_in(home)


def test_a_socket_folder_that_is_not_ours_is_refused(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = home / "t"
    temp.mkdir()
    temp.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(temp))
    with EmbeddedServer(project, durable=False):
        (sockets,) = temp.iterdir()
        assert sockets.stat().st_mode & 0o777 == 0o700
    sockets.symlink_to("/tmp")
    with pytest.raises(PlaceRefusedError) as caught:
        EmbeddedServer(project, durable=False).start()
    assert caught.value.code == "socket_folder"
    assert not processes_in(home)


def test_a_server_that_somebody_started_by_hand_is_left_alone(project: Path, home: Path) -> None:
    binaries = find_binaries(find_package())
    owner = (project / "pg").stat()
    who = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    by_hand = subprocess.Popen(
        [binaries / "postgres", "-D", project / "pg", "-c", "unix_socket_directories="],
        cwd=project / "pg",
        stderr=subprocess.PIPE,
        **who,
    )
    assert by_hand.stderr is not None
    while b"ready to accept" not in by_hand.stderr.readline():
        assert by_hand.poll() is None
    with pytest.raises(PlaceRefusedError) as caught:
        EmbeddedServer(project, durable=False).start()
    assert caught.value.code == "database_in_use"
    assert str(by_hand.pid) in caught.value.message
    assert by_hand.poll() is None
    by_hand.send_signal(signal.SIGINT)
    by_hand.communicate(timeout=10)
    assert not processes_in(home)


def test_a_socket_folder_that_was_opened_to_others_is_closed(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = home / "t"
    temp.mkdir()
    temp.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(temp))
    with EmbeddedServer(project, durable=False):
        (sockets,) = temp.iterdir()
        sockets.chmod(0o755)
        with EmbeddedServer(project, durable=False) as second:
            assert seen(second.url()) == [1]
        assert sockets.stat().st_mode & 0o777 == 0o700


def test_data_of_another_major_version_is_refused(project: Path, home: Path) -> None:
    (project / "pg" / "PG_VERSION").write_text("16\n")
    with pytest.raises(PlaceRefusedError) as caught:
        EmbeddedServer(project, durable=False).start()
    assert caught.value.code == "database_version"
    assert not processes_in(home)


def test_the_wheel_is_found_without_running_its_code() -> None:
    binaries = find_binaries(find_package())
    said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True)
    assert " 18." in said.stdout
