"""A store that fills up for the first time: what the server is told so that its plans stay good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from support.database import database
from support.fakes import START
from tieout.core.model import Deal, DealState, Document, DocumentKind, ExternalRef
from tieout.store import operations, pages
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


_WAITING = (
    "INSERT INTO slot (workspace, key13, crm_org, source_id, company, kind, part, connection,"
    " bridge, generation) SELECT %(ws)s, k, 'org', k, 'co', left(k, 1), 0, 'books', 'b', 0"
    " FROM (SELECT 'C' || n FROM generate_series(1, 300) AS n"
    " UNION ALL SELECT 'D' || n FROM generate_series(1, 6000) AS n) AS made (k)",
    "INSERT INTO ref (workspace, connection, entity, id, key13, generation, role, found_by, since)"
    " SELECT %(ws)s, 'books', 'customer', key13, key13, 0, 'current', 'answer', %(now)s FROM slot"
    " WHERE workspace = %(ws)s AND kind = 'C'",
    "INSERT INTO operation (workspace, id, bridge, lane, connection, key13, key, source_id,"
    " entity, action, generation, seq, state, depends_on, payload_rev, want_digest,"
    " config_version, created_at, updated_at) SELECT %(ws)s, key13, 'b', 'b/documents/books',"
    " 'books', key13, key13, key13, 'document', 'create', 0, 0, 'ready',"
    " 'C' || (1 + right(key13, 1)::integer), 1, '', 1, %(now)s, %(now)s FROM slot"
    " WHERE workspace = %(ws)s AND kind = 'D'",
)


def test_the_first_that_may_go_are_picked_without_a_look_at_all_that_wait(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waits(tx: Tx) -> None:
        for sql in _WAITING:
            tx.run(sql, now=START)

    _do(engine, waits)
    for table in ("slot", "ref", "operation"):
        with engine.begin() as conn:
            conn.exec_driver_sql(f"ANALYZE {table}")
    plain, looked = Tx.rows, []

    def explained(tx: Tx, sql: str, **values: Any) -> Any:
        if sql.startswith("SELECT o.id FROM operation"):
            plan = plain(tx, f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {sql}", **values)
            looked.append(_looked_at(plan[0][0][0]["Plan"]))
        return plain(tx, sql, **values)

    monkeypatch.setattr(Tx, "rows", explained)

    def pick(tx: Tx) -> Any:
        return operations.pick_ready(tx, "b", "books", 128, START, True, None)

    assert _do(engine, pick) == []  # None has a payload here: they are only picked.
    assert looked
    assert 128 <= looked[0] <= 1_000, "it reads what is ready, or all records, for each group"


def _looked_at(plan: Any) -> float:
    rows = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
    return float(rows) + sum(_looked_at(inner) for inner in plan.get("Plans", ()))
