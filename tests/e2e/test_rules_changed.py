"""A rule that is changed counts for what the old one left out, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daily_story import small_company
from support.served_project import Program, connect_project, simulators


@pytest.fixture
def program(tmp_path: Path, database_url: str) -> Iterator[Program]:
    with simulators() as (crm, books):
        small_company(crm, books)
        yield connect_project(tmp_path / "nordic", crm, books, "auto", database_url=database_url)


def test_a_deal_that_a_rule_left_out_is_invoiced_once_the_rule_is_gone(program: Program) -> None:
    file = program.root / "tieout.yaml"
    text = file.read_text(encoding="utf-8")
    flow = next(line for line in text.splitlines() if line.strip().startswith("documents:"))
    assert "{" in flow
    ruled = flow.replace("{", "{include: \"account.Name != 'Tallmo Skog AB'\", ", 1)
    file.write_text(text.replace(flow, ruled), encoding="utf-8")
    assert program.inside("config", "publish", "-m", "without Tallmo", "--yes").code == 0
    assert program.inside("run", "--once").code == 0
    assert "A rule leaves it out" in program.inside("why", "D-108").out
    file.write_text(text.replace(flow, ruled.replace("Tallmo Skog AB", "Nobody")), encoding="utf-8")
    assert program.inside("config", "publish", "-m", "with Tallmo", "--yes").code == 0
    assert program.inside("run", "--once").code == 0
    told = program.inside("why", "D-108").out
    assert "A rule leaves it out" not in told
    assert "draft" in told
