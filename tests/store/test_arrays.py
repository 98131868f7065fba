"""Texts as an array: what the server reads is what was given, whatever signs are in it."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.store.database import Tx, blocking_engine, in_workspace

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
# No nothing-sign: the server has none in its texts.
SIGNS = st.sampled_from('"\\{}, \tåÅ€-x') | st.characters(codec="utf-8", exclude_characters="\0")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(["NULL", "null", "", '","', "\\"]) | st.text(SIGNS)))
def test_texts_arrive_as_they_are(database_url: str, texts: list[str]) -> None:
    engine = blocking_engine(database_url, pool_size=1)

    def work(tx: Tx) -> list[object]:
        row = tx.row("SELECT %(texts)s::text[], 'x' = ANY(%(texts)s)", texts=texts)
        assert row is not None
        return list(row)

    try:
        with engine.begin() as conn:
            shown, has = in_workspace("arrays", NOW, "test", work)(conn)
    finally:
        engine.dispose()
    assert shown == texts
    assert has is ("x" in texts)


def test_nothing_and_numbers_are_left_to_the_driver(database_url: str) -> None:
    engine = blocking_engine(database_url, pool_size=1)

    def work(tx: Tx) -> list[object]:
        row = tx.row(
            "SELECT %(some)s::text[], %(numbers)s::integer[], %(none)s::text[]",
            some=["a", None],
            numbers=[1, 2],
            none=[],
        )
        assert row is not None
        return list(row)

    try:
        with engine.begin() as conn:
            found = in_workspace("arrays", NOW, "test", work)(conn)
    finally:
        engine.dispose()
    assert found == [["a", None], [1, 2], []]
