"""The page on Tryton: its commands, carried out on a real one, say what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.console import Reader, plain, steps
from support.tryton_page import prepared
from support.tryton_server import TrytonPlant

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "connect-tryton.md"


@pytest.fixture
def reader(tryton_plant: TrytonPlant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Somebody with a project, Salesforce connected, and a configuration."""
    for name in ("TIEOUT_PROJECT", "TIEOUT_DATABASE_URL", "TIEOUT_KEY", "TIEOUT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    with prepared(tryton_plant) as made:
        yield made


@pytest.mark.slow
def test_the_page_on_tryton_says_what_happens(reader: Reader) -> None:
    found = [step for step in steps(PAGE.read_text(encoding="utf-8")) if step.kind != "skip"]
    assert len(found) >= 5
    for step in found:
        said = plain(reader.run(step))
        assert said == plain(step.shown), f"{PAGE.name}:{step.line}: {step.command}"
