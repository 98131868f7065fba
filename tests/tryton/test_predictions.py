"""Totals that were predicted, against those that a real Tryton shows."""

from __future__ import annotations

import os
import time

import pytest

from support.tryton_predicting import Predicting
from support.tryton_server import RunningTryton

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("TIEOUT_TRYTON_DOCUMENTS", "150"))
SEED = int(os.environ.get("TIEOUT_TRYTON_SEED", "8"))


@pytest.mark.parametrize("by_line", [False, True], ids=["document", "line"])
def test_documents_by_chance(tryton_group: RunningTryton, by_line: bool) -> None:
    """Each net, VAT and total is what was predicted, to the smallest step of its currency."""
    predicting = Predicting(tryton_group, SEED + by_line)
    began = time.monotonic()
    found = list(predicting.differences(COUNT // 2, by_line=by_line))
    took = time.monotonic() - began
    print(f"\n{COUNT // 2} documents, {len(found)} differ, {took:.1f} s, seed {SEED + by_line}")
    for difference in found[:20]:
        print(difference)
    assert found == []
