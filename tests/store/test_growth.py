"""A store that fills up for the first time: what the server is told so that its plans stay good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from support.database import database
from support.fakes import START
from tieout.core.model import Deal, DealState, Document, DocumentKind, ExternalRef
from tieout.store import pages
from tieout.store.database import Growth, Tx, blocking_engine, in_workspace, mirrored
from tieout.store.workspaces import ensure_workspace
from tieout.storing import MirrorFacts, MirrorRow


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with database("growth") as url:
        made = blocking_engine(url)
        with made.begin() as conn:
            ensure_workspace("w", "W", START)(conn)
        yield made
        made.dispose()


def _do(engine: Engine, work: Any, growth: Growth | None = None) -> Any:
    with engine.begin() as conn:
        return in_workspace("w", START, "test", work, growth)(conn)


def _deal(number: int) -> MirrorRow:
    ref = ExternalRef("crm", "deal", f"D{number}")
    record = Deal(ref=ref, state=DealState.WON)
    return MirrorRow(ref=ref, record=record, facts=MirrorFacts())


def _draft(number: int) -> MirrorRow:
    ref = ExternalRef("books", "document", f"draft:{number}")
    record = Document(ref=ref, kind=DocumentKind.DRAFT, currency="SEK")
    return MirrorRow(ref=ref, record=record, facts=MirrorFacts(kind="draft"))


def _expected(tx: Tx, connection: str, entity: str) -> int:
    row = tx.row(
        "EXPLAIN (FORMAT JSON) SELECT 1 FROM mirror WHERE workspace = %(ws)s"
        " AND connection = %(connection)s AND entity = %(entity)s",
        connection=connection,
        entity=entity,
    )
    assert row is not None
    return int(row[0][0]["Plan"]["Plan Rows"])


def test_documents_beside_many_deals_are_counted_before_the_mirror_has_doubled(
    engine: Engine,
) -> None:
    growth = Growth()
    _do(engine, lambda tx: pages.upsert(tx, [_deal(n) for n in range(900)], START), growth)
    deals = growth.outgrown()
    assert deals == ["mirror", mirrored("crm", "deal")]
    _do(engine, lambda tx: growth.renew(tx, deals))
    _do(engine, lambda tx: pages.upsert(tx, [_draft(n) for n in range(450)], START), growth)
    assert _do(engine, lambda tx: _expected(tx, "books", "document")) < 10

    documents = growth.outgrown()

    assert documents == [mirrored("books", "document"), "mirror_amount"]
    _do(engine, lambda tx: growth.renew(tx, documents))
    assert _do(engine, lambda tx: _expected(tx, "books", "document")) > 400
    # The same ones again are no growth.
    _do(engine, lambda tx: pages.upsert(tx, [_draft(n) for n in range(450)], START), growth)
    assert growth.outgrown() == []


def test_a_query_is_planned_for_its_values_and_an_insert_of_a_set_is_parsed_once(
    engine: Engine,
) -> None:
    def work(tx: Tx) -> tuple[set[str], str]:
        for number in range(10):
            pages.make_due(tx, "b/documents/books", [f"D{number}"], START)
            pages.upsert(tx, [_draft(1000 + number)], START)
        kept = tx.rows("SELECT statement FROM pg_prepared_statements")
        mode = tx.row("SHOW plan_cache_mode")
        assert mode is not None
        return {row[0].split(" (")[0] for row in kept}, mode[0]

    kept, mode = _do(engine, work)

    assert kept == {"INSERT INTO mirror", "INSERT INTO mirror_amount"}
    assert mode == "auto", "each foreign key would be planned anew for each row"
