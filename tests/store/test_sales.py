"""Sales per customer, out of the mirror: what grew out of an order is not counted with it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from support.fakes import START, ManualClock
from support.real_pair import CountingIds
from tieout.core.model import Document, DocumentKind, ExternalRef, OrderState, Totals
from tieout.engine.facts import mirror_row
from tieout.services.enrich import NordicEnricher
from tieout.services.sales import report
from tieout.store import pages
from tieout.store.database import BlockingRunner, blocking_engine
from tieout.store.postgres import PostgresStore
from tieout.store.sales import sums
from tieout.store.workspaces import ensure_workspace


def document(name: str, kind: DocumentKind, net: str, *of: str) -> Document:
    amount = Decimal(net)
    order = kind is DocumentKind.ORDER
    return Document(
        ref=ExternalRef("books", "document", name),
        came_from=tuple(ExternalRef("books", "document", one) for one in of),
        kind=kind,
        booked=kind is DocumentKind.INVOICE,
        order_state=OrderState.SHIPPED if order else None,
        customer=ExternalRef("books", "customer", "k1"),
        currency="SEK",
        totals=Totals(currency="SEK", net=amount, tax=amount / 4, gross=amount * 5 / 4),
    )


def test_of_an_order_only_what_nothing_was_made_of_is_ongoing(database_url: str) -> None:
    engine, clock = blocking_engine(database_url), ManualClock(START)
    with engine.begin() as connection:
        ensure_workspace("sales", "Sales", clock.now())(connection)
    store = PostgresStore(BlockingRunner(engine), workspace="sales", ids=CountingIds(), clock=clock)
    made = (
        document("o1", DocumentKind.ORDER, "1000.00"),
        document("i1", DocumentKind.INVOICE, "300.00", "o1"),
        document("d1", DocumentKind.DRAFT, "500.00", "o1"),
        document("d2", DocumentKind.DRAFT, "40.00"),
    )
    rows = [mirror_row(one, NordicEnricher(oss=False)) for one in made]
    asyncio.run(store.do(lambda tx: pages.upsert(tx, rows, clock.now())))
    found = report(asyncio.run(store.do(lambda tx: sums(tx, "crm", ["books"], None, None))))
    engine.dispose()
    (row,) = found.rows
    # 300 invoiced; 500 in the order's draft, 200 left of the order, 40 in a draft of its own.
    assert (row.invoiced, row.ongoing) == (Decimal("300.00"), Decimal("740.00"))
