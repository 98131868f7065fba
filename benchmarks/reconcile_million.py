"""`reconcile` over a store with very many deals, of which one in seventy does not agree."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from benchmarks import ground
from benchmarks.filling import settle_statistics
from tieout.bootstrap import SystemClock, UlidIds
from tieout.core.ledger_list import Period
from tieout.core.model import Company, Document, DocumentKind, ExternalRef, Totals
from tieout.services.reconcile import reconcile
from tieout.store.database import ThreadRunner, Tx, blocking_engine
from tieout.store.postgres import PostgresStore

MONTH = Period(start=date(2026, 10, 1), end=date(2026, 10, 31))
CUT_OFF = date(2026, 10, 31)
LANE = f"{ground.BRIDGE}/documents/{ground.BOOKS}"

# Deals are closed over 365 days; of 210 one is in draft, one was edited, one is held.
_DAY = "(date '2025-11-01' + (g %% 365))"
_NET = "(1000.00 + (g * 37 %% 90000)::numeric / 100)"
_ROLE = "CASE WHEN g %% 210 = 0 THEN 'draft' WHEN g %% 210 = 2 THEN 'held' ELSE 'plain' END"
_FILL = (
    "INSERT INTO mirror (workspace, connection, entity, id, content_hash, seen_at, kind, number,"
    " status, day, currency, net, record) SELECT %(ws)s, %(crm)s, 'deal', 'D' || g, '\\x00',"
    f" %(now)s, 'opportunity', g::text, 'won', {_DAY}, 'SEK', {_NET}, jsonb_build_object('title',"
    " 'Deal ' || g, 'url', 'https://crm.example/' || g, 'owner', 'Ida Lund', 'stage', 'Closed Won')"
    " FROM generate_series(1, %(count)s) g",
    "INSERT INTO mirror (workspace, connection, entity, id, content_hash, seen_at, kind, number,"
    " carried_key13, status, day, currency, net, tax, gross, open_amount, record) SELECT %(ws)s,"
    " %(books)s, 'document', CASE role WHEN 'draft' THEN 'draft:' ELSE 'invoice:' END || g,"
    " '\\x00', %(now)s, CASE role WHEN 'draft' THEN 'draft' ELSE 'invoice' END, g::text,"
    " lpad(g::text, 12, '0') || 'D', CASE role WHEN 'draft' THEN 'draft' ELSE 'paid' END, day,"
    " 'SEK', net, round(net / 4, 2), net + round(net / 4, 2), 0.00,"
    " jsonb_build_object('paid', net + round(net / 4, 2), 'lines', jsonb_build_array("
    " jsonb_build_object('text', 'Consulting', 'quantity', 1, 'unit_price', net, 'stated_net',"
    " net)), 'base_totals', jsonb_build_object('net', net, 'currency', 'SEK'), 'customer_name',"
    f" 'Customer') FROM (SELECT g, {_DAY} AS day, {_NET} AS net, {_ROLE} AS role"
    " FROM generate_series(1, %(count)s) g) AS made WHERE role <> 'held'",
    # Each was read when it was booked, and again when it was paid.
    "INSERT INTO mirror_amount (workspace, connection, entity, id, seq, seen_at, version, kind,"
    " status, day, currency, net, tax, gross, open_amount, paid, paid_on) SELECT m.workspace,"
    " m.connection, m.entity, m.id, seq, %(now)s, '', m.kind, m.status, m.day, m.currency, m.net,"
    " m.tax, m.gross, 0.00, CASE seq WHEN 1 THEN 0.00 ELSE m.gross END, CASE seq WHEN 2 THEN"
    " m.day + 20 END FROM mirror m, generate_series(1, 2) seq WHERE m.workspace = %(ws)s"
    " AND m.entity = 'document' AND m.kind = 'invoice'",
    "INSERT INTO slot (workspace, key13, crm_org, source_id, company, kind, part, connection,"
    " bridge, generation) SELECT %(ws)s, lpad(g::text, 12, '0') || 'D', 'org', 'D' || g, 'co',"
    " 'D', 1, %(books)s, %(bridge)s, 0 FROM generate_series(1, %(count)s) g",
    "INSERT INTO ref (workspace, connection, entity, id, key13, generation, role, found_by, since)"
    " SELECT m.workspace, m.connection, m.entity, m.id, m.carried_key13, 0, 'current', 'answer',"
    " %(now)s FROM mirror m WHERE m.workspace = %(ws)s AND m.carried_key13 IS NOT NULL",
    "INSERT INTO link (workspace, key13, shown, base_known, config_version, revision, updated_at)"
    " SELECT m.workspace, m.carried_key13, jsonb_build_object('totals', jsonb_build_object('net',"
    " CASE WHEN m.number::bigint %% 210 = 1 THEN m.net - 5 ELSE m.net END), 'lines',"
    " m.record->'lines', 'version', '1'), true, 1, 1, %(now)s FROM mirror m"
    " WHERE m.workspace = %(ws)s AND m.carried_key13 IS NOT NULL",
    "INSERT INTO operation (workspace, id, bridge, lane, connection, key13, key, source_id, entity,"
    " action, generation, seq, state, payload_rev, want_digest, config_version, first_sent_at,"
    " detail, created_at, updated_at) SELECT %(ws)s, 'O' || m.number, %(bridge)s, %(lane)s,"
    " %(books)s, m.carried_key13, m.carried_key13 || '1', 'D' || m.number, 'document', 'create', 0,"
    " 0, 'applied', 1, '', 1, %(now)s, 'answer', %(now)s, %(now)s FROM mirror m"
    " WHERE m.workspace = %(ws)s AND m.carried_key13 IS NOT NULL",
    "INSERT INTO outcome (workspace, lane, source_id, part, verdict, reason, message, key13,"
    " number, title, customer_id, net, currency, predicted_net, line_count, decided_at)"
    " SELECT %(ws)s, %(lane)s, 'D' || g, 1, CASE role WHEN 'held' THEN 'hold' ELSE 'nothing' END,"
    " CASE role WHEN 'held' THEN 'item_no_code' ELSE 'booked' END, 'so it is',"
    " lpad(g::text, 12, '0') || 'D', g::text, 'Customer', 'C1', net, 'SEK', net, 1, %(now)s"
    f" FROM (SELECT g, {_NET} AS net, {_ROLE} AS role FROM generate_series(1, %(count)s) g)"
    " AS made",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Million:
    """One reconciliation of a month over so many deals; memory is this process's peak growth."""

    deals: int
    filled_s: float
    wall_s: float
    cpu_s: float
    database_cpu_s: float
    peak_mb: int
    rows: int
    explained: bool


def measure(deals: int) -> Million:
    """Fills a fresh database and reconciles October with the ledger's own list."""
    with ground.database() as base:
        began = time.perf_counter()
        _fill(base.url, deals)
        settle_statistics(base.url)
        filled = time.perf_counter() - began
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        stored, wall, cpu = base.cpu_s, time.perf_counter(), time.process_time()
        done = asyncio.run(_reconcile(base.url))
        return Million(
            deals=deals,
            filled_s=filled,
            wall_s=time.perf_counter() - wall,
            cpu_s=time.process_time() - cpu,
            database_cpu_s=base.cpu_s - stored,
            peak_mb=(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
            rows=len(done.tie_out.rows),
            explained=done.tie_out.explained,
        )


def _fill(url: str, deals: int) -> None:
    """By the owner, without the checks of references: the rows are whole by construction."""
    owner = blocking_engine(url, as_app=False, pool_size=1)
    values = {
        "ws": ground.WORKSPACE,
        "crm": ground.CRM,
        "books": ground.BOOKS,
        "bridge": ground.BRIDGE,
        "lane": LANE,
        "count": deals,
        "now": SystemClock().now(),
    }
    with owner.begin() as conn:
        conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in _FILL:
            conn.exec_driver_sql(statement, values)
    owner.dispose()


class _Ledger:
    """The ledger's own list of the month, from the rows themselves, a thousand at a time."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def ledger(self, first: date, last: date) -> AsyncIterator[list[Document]]:
        after = ""
        while rows := await self._store.do(lambda tx, after=after: _booked(tx, first, last, after)):  # type: ignore[misc]
            yield [_document(row) for row in rows]
            after = rows[-1][0]


def _booked(tx: Tx, first: date, last: date, after: str) -> list[Any]:
    return list(
        tx.rows(
            "SELECT id, number, day, net, tax, gross FROM mirror WHERE workspace = %(ws)s"
            " AND connection = %(books)s AND entity = 'document' AND kind = 'invoice'"
            " AND day BETWEEN %(first)s AND %(last)s AND id > %(after)s ORDER BY id LIMIT 5000",
            books=ground.BOOKS,
            first=first,
            last=last,
            after=after,
        )
    )


def _document(row: Any) -> Document:
    totals = Totals(currency="SEK", net=row[3], tax=row[4], gross=row[5])
    return Document(
        ref=ExternalRef(ground.BOOKS, "document", row[0]),
        kind=DocumentKind.INVOICE,
        number=row[1],
        issue_date=row[2],
        currency="SEK",
        totals=totals,
    )


async def _reconcile(url: str) -> Any:
    clock = SystemClock()
    runner = ThreadRunner(url)
    store = PostgresStore(
        runner, workspace=ground.WORKSPACE, ids=UlidIds(clock), clock=clock, who="bench"
    )
    book = SimpleNamespace(connection=ground.BOOKS, base_currency="SEK", time_zone="UTC")
    policy: Any = SimpleNamespace(
        name=ground.BRIDGE,
        crm=ground.CRM,
        version=1,
        books=(book,),
        reconcile=SimpleNamespace(
            rate=None, threshold=Decimal(0), definitions=(), sold_amount="lines"
        ),
        documents=SimpleNamespace(instalments=None),
    )
    try:
        return await reconcile(
            store,
            policy,
            book,  # type: ignore[arg-type]
            Company(id="co", name="Books", country="SE", currency="SEK"),
            period=MONTH,
            cut_off=CUT_OFF,
            now=clock.now(),
            connector=_Ledger(store),  # type: ignore[arg-type]
        )
    finally:
        await runner.close()
