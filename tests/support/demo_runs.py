"""`tieout demo` as a process of its own, for tests: started, watched, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support.run_folder import handed_on

PROGRAM = [sys.executable, "-m", "tieout.cli.main"]
# A busy machine is slow; that a quiet one needs under a minute is measured, not tested.
LONG_S = 280


def environment(here: Path, **more: str) -> dict[str, str]:
    """A user's own, which names a project, a database, a key and a proxy that are not for it."""
    nowhere = "http://127.0.0.1:9"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TIEOUT_")},
        **handed_on(),
        "TIEOUT_TEST_NOT_DURABLE": "1",
        "TIEOUT_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/none",
        "TIEOUT_KEY": "not a key",
        "TIEOUT_PROJECT": str(here / "elsewhere"),
        "HTTP_PROXY": nowhere,
        "http_proxy": nowhere,
        **more,
    }


def run(
    here: Path, *words: str, timeout: int = LONG_S, **more: str
) -> subprocess.CompletedProcess[str]:
    """The program in that folder, to its end."""
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=here,
        env=environment(here, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start(here: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    """The demo, under way, in a session of its own."""
    return subprocess.Popen(
        [*PROGRAM, "demo", *words],
        cwd=here,
        env=environment(here, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def type_in(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A line as somebody types it into a shell in that folder."""
    own = {name: os.environ[name] for name in ("HOME",) if name in os.environ}
    beside = Path(sys.executable).parent
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={
            **own,
            **handed_on(),
            "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}",
            "TIEOUT_TEST_NOT_DURABLE": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def readme_commands(folder: Path) -> tuple[list[str], list[str]]:
    """What the demo's README says to type: always, and only while both systems run."""
    ended, running = (folder / "README.md").read_text(encoding="utf-8").split("--keep`")
    return _indented(ended), _indented(running)


def _indented(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def processes_of(here: Path) -> list[str]:
    """Command lines of all processes that work in the folder or were started for it."""
    found = []
    places = [str(here), *_data_elsewhere(here / "demo" / ".tieout" / "pg.elsewhere")]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            folder = os.readlink(entry / "cwd")
        except OSError:
            continue
        inside = any(folder == place or folder.startswith(f"{place}/") for place in places)
        if inside or (str(here).encode() in command and b"pytest" not in command):
            found.append(command.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


def _data_elsewhere(note: Path) -> list[str]:
    """Where the database of a folder lies that its account cannot reach, as root's."""
    try:
        return [json.loads(note.read_text(encoding="utf-8"))["data"]]
    except OSError:
        return []


def wait_for(happened: Callable[[], bool], seconds: float) -> bool:
    """Whether it happened in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(0.05)
    return happened()


def end(*processes: subprocess.Popen[str]) -> None:
    """Whatever they do."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
