"""A rule that is changed counts for what the old one left out, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.daily_story import small_company
from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
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


OWN_GROUP = "include: account.Own_Group__c != true"


def _without(buyer: str) -> str:
    """The configuration with a rule that leaves one buyer's deals out."""
    return CONFIGURATION.replace(OWN_GROUP, f"{OWN_GROUP} and account.Name != '{buyer}'")


def test_what_a_run_decides_after_the_rule_was_changed_is_decided_again(database_url: str) -> None:
    """It works with the old rule to its end; the next run knows which decisions were made then."""
    new = _without("Nobody")
    with RealPair(database_url, _without("Tallmo Skog AB"), start=moment(10, 5)) as pair:
        pair.deal("D-1", "Tallmo Skog AB", "10000.00", Order_Confirmed__c=True)
        begin, found = pair.store.start_run, []

        async def meanwhile(*given: Any) -> int:
            number = await begin(*given)
            pair.clock.advance(1)
            found.append(await pair.publish(new))
            return number

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pair.store, "start_run", meanwhile)
            pair.run()
        assert pair.records("customerinvoicedrafts") == []
        pair.work_with(new, found[0])
        pair.run()
        assert len(pair.records("customerinvoicedrafts")) == 1
        pair.run()
        assert not any(name.startswith("decided") for name in pair.run().counts())
