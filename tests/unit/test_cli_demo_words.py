"""What `tieout demo` says to somebody whose shell does not find the program yet."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tieout.cli.commands.demo import _to_be_found


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed program, whose name a shell would split."""
    place = tmp_path / "Åkes böcker" / "bin"
    place.mkdir(parents=True)
    program = place / "tieout"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(place / "python"))
    return place


def test_a_shell_that_does_not_find_the_program_is_told_how(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert _to_be_found() == [f"export PATH='{installed}':$PATH"]


def test_nothing_is_said_where_it_is_found_or_not_installed_beside(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(installed))
    assert _to_be_found() == []
    monkeypatch.setenv("PATH", "/nowhere")
    (installed / "tieout").unlink()
    assert _to_be_found() == []
