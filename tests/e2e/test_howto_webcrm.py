"""The page on webCRM: its commands, carried out over served simulators, say what the page says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_kit import open_folder

from support.console import Reader, plain, steps
from tieout.store.embedded import EmbeddedServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "connect-webcrm.md"


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
def test_the_page_on_webcrm_says_what_happens(reader: Reader) -> None:
    found = steps(PAGE.read_text(encoding="utf-8"))
    assert len(found) > 18
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
