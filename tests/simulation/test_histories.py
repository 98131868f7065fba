"""Each numbered history of docs/explanation/once-only.md, told as it stands there."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine as SqlEngine

import directed_change
import directed_create
import directed_guards
import directed_restore
from scenes import TOLD, tell

NUMBERED = sorted(TOLD)
assert directed_change
assert directed_create
assert directed_guards
assert directed_restore


@pytest.mark.parametrize("name", NUMBERED)
def test_history(name: str, app_engine: SqlEngine, owner_engine: SqlEngine) -> None:
    tell(name, app_engine, owner_engine)


def test_every_number_is_told() -> None:
    told = {int(name[1:3]) for name in NUMBERED}

    assert set(range(1, 53)) <= told
