"""
Linked records put straight into the store by set-based SQL, as many as one likes in seconds.

A deal that a real run has linked is the pattern: its rows of the mirror, its slot, ref, link,
operation and outcome are copied with ids of their own. The documents are invoices, booked and paid.
"""

from __future__ import annotations

from datetime import date, datetime

from benchmarks import ground
from tieout.store.database import Tx

_BY = {
    "mirror": "connection, entity, id, version, shape, content_hash, seen_at, changed_at, gone_at,"
    " gone_certain, merged_into, customer_id, parent_id, kind, number, carried_key13, carried_key,"
    " status, day, due_day, currency, net, tax, gross, open_amount, org_number, vat_number, email,"
    " name_folded, postcode, record",
}


def link_many(tx: Tx, count: int, now: datetime) -> None:
    """So many more deals with an invoice each, linked, paid, with nothing left to do about them."""
    pattern = tx.row(
        "SELECT o.source_id, o.lane, s.key13, r.id FROM outcome o JOIN slot s"
        " ON s.workspace = o.workspace AND s.key13 = o.key13 JOIN ref r"
        " ON r.workspace = o.workspace AND r.key13 = s.key13 AND r.role = 'current'"
        " WHERE o.workspace = %(ws)s AND o.lane = %(lane)s ORDER BY o.source_id LIMIT 1",
        lane=f"{ground.BRIDGE}/documents/{ground.BOOKS}",
    )
    assert pattern is not None, "a run must have linked something first"
    deal, lane, key13, document = pattern
    values = {
        "count": count,
        "deal": deal,
        "lane": lane,
        "key": key13,
        "doc": document,
        "now": now,
        "crm": ground.CRM,
        "books": ground.BOOKS,
        "day": date(2026, 9, 15),
    }
    columns = _BY["mirror"]
    # The deal and its invoice, each as the mirror would hold it after it was read.
    tx.run(
        f"INSERT INTO mirror (workspace, {columns}) SELECT %(ws)s, m.connection, m.entity,"
        " 'X' || lpad(g::text, 17, '0'), m.version, m.shape, m.content_hash, m.seen_at,"
        " m.changed_at, NULL, NULL, NULL, m.customer_id, NULL, m.kind, m.number || '-' || g, NULL,"
        " NULL, m.status, %(day)s, m.due_day, m.currency, m.net, m.tax, m.gross, m.open_amount, '',"
        " '', '', '', '', m.record FROM mirror m, generate_series(1, %(count)s) g"
        " WHERE m.workspace = %(ws)s AND m.connection = %(crm)s AND m.entity = 'deal'"
        " AND m.id = %(deal)s",
        **values,
    )
    tx.run(
        f"INSERT INTO mirror (workspace, {columns}) SELECT %(ws)s, m.connection, m.entity,"
        " 'invoice:' || lpad(g::text, 12, '0'), m.version, m.shape, m.content_hash, m.seen_at,"
        " m.changed_at, NULL, NULL, NULL, m.customer_id, NULL, 'invoice', g::text,"
        " left('Y' || lpad(g::text, 11, '0') || 'D', 13), 'Y' || lpad(g::text, 11, '0') || 'D1',"
        " 'paid', %(day)s, %(day)s, m.currency, m.net, m.tax, m.gross, 0.00, '', '', '', '', '',"
        " m.record FROM mirror m, generate_series(1, %(count)s) g WHERE m.workspace = %(ws)s"
        " AND m.connection = %(books)s AND m.entity = 'document' AND m.id = %(doc)s",
        **values,
    )
    tx.run(
        "INSERT INTO slot (workspace, key13, crm_org, source_id, company, kind, part, connection,"
        " bridge, generation) SELECT %(ws)s, 'Y' || lpad(g::text, 11, '0') || 'D', s.crm_org,"
        " 'X' || lpad(g::text, 17, '0'), s.company, s.kind, s.part, s.connection, s.bridge,"
        " s.generation FROM slot s, generate_series(1, %(count)s) g WHERE s.workspace = %(ws)s"
        " AND s.key13 = %(key)s",
        **values,
    )
    tx.run(
        "INSERT INTO ref (workspace, connection, entity, id, key13, generation, role, found_by,"
        " evidence, since) SELECT %(ws)s, %(books)s, 'document',"
        " 'invoice:' || lpad(g::text, 12, '0'), 'Y' || lpad(g::text, 11, '0') || 'D', r.generation,"
        " 'current', 'answer', '', %(now)s FROM ref r, generate_series(1, %(count)s) g"
        " WHERE r.workspace = %(ws)s AND r.key13 = %(key)s AND r.role = 'current'",
        **values,
    )
    tx.run(
        "INSERT INTO link (workspace, key13, wanted, shown, base_known, predicted, config_version,"
        " revision, updated_at) SELECT %(ws)s, 'Y' || lpad(g::text, 11, '0') || 'D', l.wanted,"
        " l.shown, l.base_known, l.predicted, l.config_version, 1, %(now)s FROM link l,"
        " generate_series(1, %(count)s) g WHERE l.workspace = %(ws)s AND l.key13 = %(key)s",
        **values,
    )
    tx.run(
        "INSERT INTO operation (workspace, id, bridge, lane, connection, key13, key, source_id,"
        " entity, action, generation, seq, state, payload_rev, want_digest, config_version, run,"
        " net, currency, customer_id, released_on, first_sent_at, detail, created_at, updated_at)"
        " SELECT %(ws)s, 'Z' || lpad(g::text, 25, '0'), o.bridge, o.lane, o.connection,"
        " 'Y' || lpad(g::text, 11, '0') || 'D', 'Y' || lpad(g::text, 11, '0') || 'D1',"
        " 'X' || lpad(g::text, 17, '0'), o.entity, o.action, o.generation, o.seq, o.state,"
        " o.payload_rev, o.want_digest, o.config_version, o.run, o.net, o.currency, o.customer_id,"
        " %(day)s, %(now)s::timestamptz - interval '40 days', o.detail,"
        " %(now)s::timestamptz - interval '40 days', %(now)s::timestamptz - interval '40 days'"
        " FROM operation o, generate_series(1, %(count)s) g WHERE o.workspace = %(ws)s"
        " AND o.key13 = %(key)s AND o.action = 'create' AND o.state = 'applied'",
        **values,
    )
    tx.run(
        "INSERT INTO outcome (workspace, lane, source_id, part, verdict, reason, message, key13,"
        " number, title, customer_id, net, currency, predicted_net, predicted_gross, line_count,"
        " decided_at) SELECT %(ws)s, o.lane, 'X' || lpad(g::text, 17, '0'), o.part, 'nothing',"
        " 'booked', '', 'Y' || lpad(g::text, 11, '0') || 'D', o.number || '-' || g, o.title,"
        " o.customer_id, o.net, o.currency, o.predicted_net, o.predicted_gross, o.line_count,"
        " %(now)s FROM outcome o, generate_series(1, %(count)s) g WHERE o.workspace = %(ws)s"
        " AND o.lane = %(lane)s AND o.source_id = %(deal)s",
        **values,
    )


def settle_statistics(url: str) -> None:
    """Statistics as they are when the database has run for a while."""
    from tieout.store.database import blocking_engine

    owner = blocking_engine(url, as_app=False, pool_size=1)
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")
    owner.dispose()
