"""A few of the rounds of `rounds.py`: whatever dies, each deal is in Tryton's tables once."""

from __future__ import annotations

import pytest

from support.tryton_server import TrytonPlant
from tryton import rounds


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_deal_is_there_once_whatever_dies(
    database_url: str, tryton_plant: TrytonPlant
) -> None:
    played = rounds.play(tryton_plant, database_url, 4, seed=11, longest_s=8)
    assert played.wrong() == []
    assert played.rounds == 4
    assert played.engines_killed + played.servers_killed >= 4
    assert played.deals >= 4
