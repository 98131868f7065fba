"""Words of screens that depend on what is known so far."""

from __future__ import annotations

import pytest

from tieout.cli.commands.reconcile import _withheld
from tieout.cli.commands.why import _step
from tieout.core.model import ExternalRef
from tieout.services.why import Step


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (["Explained to the cent.", "nordic, SEK net"], ["nordic, SEK net"]),
        (["Explained to the cent.  nordic, SEK net", "Gap"], ["nordic, SEK net", "Gap"]),
        (["UNEXPLAINED 3.00: no deal.", "nordic"], ["UNEXPLAINED 3.00: no deal.", "nordic"]),
        ([], []),
    ],
)
def test_figures_without_all_deals_are_not_called_explained(
    lines: list[str], left: list[str]
) -> None:
    assert _withheld(lines) == left


@pytest.mark.parametrize(
    ("status", "said"), [("draft", "draft"), ("edited", "draft (edited)"), ("", "draft")]
)
def test_a_draft_is_not_called_so_twice(status: str, said: str) -> None:
    ref = ExternalRef(connection="visma-se", entity="document", id="draft:1")
    step = Step(kind="draft", number="", ref=ref, role="carrier", status=status)
    assert _step(step).replace("draft 1", "draft") == said
