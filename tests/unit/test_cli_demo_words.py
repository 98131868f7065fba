"""What `tieout demo` says to somebody whose shell does not find the program yet."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tieout.cli import demo_tryton
from tieout.cli.commands.demo import _to_be_found
from tieout.core.errors import ConfigurationError


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


def test_without_tryton_it_says_what_works_where_the_program_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_TRYTON_VENV", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError) as elsewhere:
        demo_tryton.home()
    sources = Path(__file__).resolve().parents[2]
    assert elsewhere.value.hint.startswith(("Type make demo", f"Type make -C {sources} demo"))

    # An installed package has no makefile, and not the module either.
    package = tmp_path / "lib" / "site-packages" / "tieout" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.touch()
    monkeypatch.setattr(demo_tryton.tieout, "__file__", str(package))
    with pytest.raises(ConfigurationError) as installed:
        demo_tryton.home()
    assert "Tieout's sources have that module" in installed.value.message
    assert installed.value.hint == "tieout demo"
