"""A defect of ours over one record: it is held and shown with its place, and all else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from tieout.connectors.visma_eaccounting import writing
from tieout.core.case import Decision, DocumentCase, Verdict
from tieout.core.decide_document import decide_document
from tieout.engine import deciding, deciding_documents
from tieout.services.planning import windows


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    with RealPair(database_url, CONFIGURATION, start=moment(10, 5)) as made:
        yield made


def deals(pair: RealPair, *numbers: str, amount: str = "1000.00") -> None:
    for number in numbers:
        pair.deal(number, "Tallmo Skog AB", amount, Order_Confirmed__c=True)


def drafts(pair: RealPair) -> int:
    return len(pair.records("customerinvoicedrafts"))


def waiting(pair: RealPair, number: str) -> list[str]:
    rows = pair.in_store(
        lambda tx: tx.rows(
            "SELECT state FROM operation WHERE workspace = %(ws)s AND source_id = %(source)s"
            " AND entity = 'document' ORDER BY id",
            source=pair.deals[number],
        )
    )
    return [str(row[0]) for row in rows]


class Stumbling:
    """Deciding with a mistake in it that shows at some deals only."""

    def __init__(self, patched: pytest.MonkeyPatch, *numbers: str) -> None:
        self.numbers = numbers
        patched.setattr(deciding_documents, "decide_document", self.decide)

    def decide(self, case: DocumentCase, *rest: Any) -> Decision:
        if case.deal.number in self.numbers:
            raise KeyError("a customer's secret")
        return decide_document(case, *rest)


def test_a_deal_that_cannot_be_decided(pair: RealPair, monkeypatch: pytest.MonkeyPatch) -> None:
    deals(pair, "D-1", "D-2", "D-3", "D-4", "D-5")
    with monkeypatch.context() as patched:
        Stumbling(patched, "D-2", "D-5")
        pair.run()
        pair.run()
        assert drafts(pair) == 3
        cases = pair.cases()
        assert [(case.code, case.source_id) for case in cases] == [
            ("defect", pair.deals["D-2"]),
            ("defect", pair.deals["D-5"]),
        ]
        assert "KeyError in deciding_documents.py:" in cases[0].message
        assert "secret" not in cases[0].message
        pair.clock.advance(3000)
        assert pair.run().decided.by_verdict == {}
    # A newer Tieout decides it: within the hour.
    pair.clock.advance(700)
    pair.run()
    assert (drafts(pair), pair.cases()) == (5, [])


def test_what_waited_for_it_is_not_sent(pair: RealPair, monkeypatch: pytest.MonkeyPatch) -> None:
    deals(pair, "D-1", amount="150000.00")
    deals(pair, "D-2")
    pair.run()
    assert waiting(pair, "D-1") == ["awaiting_approval"]
    with monkeypatch.context() as patched:
        Stumbling(patched, "D-1")
        pair.price("D-1", "140000.00")
        pair.run()
        assert waiting(pair, "D-1") == ["superseded"]
        pair.approve("D-1")
        pair.run()
        assert drafts(pair) == 1
        # A plan shows it held, and all else.
        deals(pair, "D-3")

        async def planned() -> dict[str, Verdict]:
            found = {}
            async for window in windows(pair.engine, pair.store):
                found |= {d.source_id: d.verdict for d in window.decisions if "doc" in d.lane}
            return found

        assert pair.do(planned())[pair.deals["D-1"]] is Verdict.HOLD
        pair.run()
        assert drafts(pair) == 2


def test_where_everything_fails_the_run_does(
    pair: RealPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [f"D-{number}" for number in range(6)]
    deals(pair, *numbers)
    monkeypatch.setattr(deciding, "MOST_FAILED", 4)
    with monkeypatch.context() as patched:
        Stumbling(patched, *numbers)
        with pytest.raises(KeyError):
            pair.run()
    pair.clock.advance(3700)
    pair.run()
    assert (drafts(pair), pair.cases()) == (6, [])


def test_a_write_that_cannot_be_prepared(pair: RealPair, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = writing.draft_body

    def broken(*given: Any, **named: Any) -> Any:
        if "2222.00" in repr(given):
            raise ValueError("a fifth kind of line")
        return usual(*given, **named)

    deals(pair, "D-1", "D-3")
    deals(pair, "D-2", amount="2222.00")
    with monkeypatch.context() as patched:
        patched.setattr(writing, "draft_body", broken)
        pair.run()
        assert drafts(pair) == 2
        (case,) = pair.cases()
        assert (case.code, case.source_id) == ("record_unreadable", pair.deals["D-2"])
        assert "ValueError in writing.py:" in case.message
    pair.price("D-2", "1100.00")
    pair.run()
    assert (drafts(pair), pair.cases()) == (3, [])
