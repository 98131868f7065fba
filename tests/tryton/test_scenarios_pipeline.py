"""The first sixty won deals of a real-shaped pipeline into a real Tryton, to the cent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from support.tryton_server import RunningTryton, TrytonPlant
from tryton import pipeline

SOLD = Decimal("140564.00")


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(900)
def test_a_pipeline_is_drafted_corrected_posted_and_tied_out(
    database_url: str,
    tryton_plant: TrytonPlant,
    tryton: RunningTryton,
    shared_dir: Path,
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    pipeline.some_of(shared_dir / "data" / "crm-sales-opportunities", data, 60)
    found = pipeline.play(database_url, tryton_plant, tryton, data)
    assert (found.won, found.sold) == (60, SOLD)
    assert (found.drafts_first, found.held) == (51, 9)
    assert found.held_codes == ("item_no_code",)
    assert (found.drafts_then, found.gap_in_draft) == (60, SOLD)
    assert (found.sold_tied, found.invoiced, found.gap) == (SOLD, SOLD, Decimal(0))
    assert (found.explained, found.causes) == (True, ())
    assert found.receivables_agree
    assert (found.revenue, found.moves) == (SOLD, 60)
