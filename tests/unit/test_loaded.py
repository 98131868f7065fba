"""The processes that tests fork are like those that they start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support import loaded


@pytest.mark.parametrize(
    "words", [["status"], ["status", "--json"], ["no-such-command"], ["--version"]]
)
def test_a_forked_program_answers_as_a_started_one(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tieout.cli.main", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    code, out, err = loaded.run(
        "tieout", words, folder=tmp_path, environment=os.environ, stdin="", timeout=60
    )
    assert (code, err) == (done.returncode, done.stderr)
    assert out.partition("generated_at")[0] == done.stdout.partition("generated_at")[0]


def test_its_folder_environment_and_input_are_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    own = {**os.environ, "TIEOUT_PROJECT": str(tmp_path / "named")}
    code, out, err = loaded.run(
        "tieout", ["status"], folder=folder, environment=own, stdin="", timeout=60
    )
    assert code == 2
    assert "named" in out + err
    assert Path.cwd() != folder


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    served = loaded.start("tieout_sandbox", "serve", "webcrm", "--port", "0", "--json")
    assert served.stdout is not None
    with served.stdout:
        assert f'"pid":{served.pid}' in served.stdout.readline()
        assert served.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            served.wait(timeout=0)
        served.terminate() if number is signal.SIGTERM else served.send_signal(number)
        assert served.wait() == (-number if number is signal.SIGKILL else 0)
        assert served.stdout.read() == ""
    assert not Path(f"/proc/{served.pid}").exists()
