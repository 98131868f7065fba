"""The tutorial's commands, carried out as a reader would, say what the page says that they do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_kit import open_folder

from support.console import Reader, plain, steps
from tieout.store.embedded import EmbeddedServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "first-bridge.md"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setenv("TIEOUT_TEST_NOT_DURABLE", "1")
    for name in ("TIEOUT_PROJECT", "TIEOUT_DATABASE_URL", "TIEOUT_KEY", "TIEOUT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    with open_folder() as folder:
        made = Reader(folder)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_tutorial_says_what_happens(reader: Reader) -> None:
    found = steps(PAGE.read_text(encoding="utf-8"))
    assert len(found) > 25
    server: EmbeddedServer | None = None
    try:
        for step in found:
            said = plain(reader.run(step))
            assert said == plain(step.shown), f"{PAGE.name}:{step.line}: {step.command}"
            if step.command.startswith("cd "):
                # One user that stays, so that the database need not start for every command.
                server = EmbeddedServer(reader.folder / ".tieout", durable=False)
                server.start()
    finally:
        if server is not None:
            server.stop()


def test_a_page_that_lies_is_noticed(tmp_path: Path) -> None:
    lines = ["$ printf 'sold 10.00\\n'", "sold 10.01", "$ echo 25 Nov 2026, 22:13"]
    text = "\n".join(["```console", *lines, "1 Jan 2027, 00:00", "```", ""])
    lie, date = steps(text)
    reader = Reader(tmp_path)
    assert plain(reader.run(lie)) != plain(lie.shown)
    assert plain(reader.run(date)) == plain(date.shown)
    assert (lie.line, date.line) == (2, 4)


def test_commands_go_on_over_lines() -> None:
    text = "```console skip\n$ cat <<'END'\n> a: 1\n> END\na: 1\n```\n\n```\n$ not this\n```\n"
    (found,) = steps(text)
    assert (found.command, found.shown, found.kind) == ("cat <<'END'\na: 1\nEND", "a: 1", "skip")
