"""
What the port promises of books that make sales orders, as tests over any connector's simulator.

A connector joins with an `OrderRig` around its `ContractRig`.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import replace
from decimal import Decimal

from contract.connector_contract import (
    DOCUMENTS,
    ContractRig,
    create,
    doubt,
    look,
    new_customer,
    pages,
    prepared,
    records,
    run,
    sent,
    write,
)
from tieout.core.change import Action, Applied, Change, Prepared, Refused, Unknown, Wanted
from tieout.core.compare import document_content, line_content
from tieout.core.keys import key_in
from tieout.core.model import (
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    LineKind,
    OrderState,
)
from tieout.core.policy import SALES_ORDER

OPEN = (OrderState.DRAFT, OrderState.APPROVED)


class OrderRig(ABC):
    """Books that make orders, and what a person does with one over there."""

    rig: ContractRig
    told = itertools.count(1)

    def source(self) -> str:
        """A deal that no other test has: some companies are shared."""
        return f"00TQ{next(self.told)}"

    @abstractmethod
    def lose(self, kind: str) -> None:
        """The next order that is made meets this fault: 'drop_after_commit' or 'drop_before'."""

    @abstractmethod
    def edit(self, ref: ExternalRef) -> None:
        """A person changes the price of the first line to 77.00."""

    @abstractmethod
    def cancel(self, ref: ExternalRef) -> None:
        """A person cancels the order, or deletes it where there is no cancelling."""

    @abstractmethod
    def ship(self, ref: ExternalRef) -> None:
        """A person delivers the order."""

    @abstractmethod
    def invoice(self, ref: ExternalRef) -> None:
        """A person makes the order's invoice, and books it."""

    def order(self, customer: ExternalRef) -> Wanted:
        """An order that the books take, with lines that have an item only."""
        wanted = self.rig.document(customer)
        record = wanted.record
        assert isinstance(record, Document)
        lines = tuple(line for line in record.lines if line.kind is not LineKind.TEXT)
        order = replace(record, kind=DocumentKind.ORDER, lines=lines)
        return replace(wanted, record=order)


async def made(orders: OrderRig) -> tuple[Change, Prepared, Applied]:
    """A customer with an order of ours."""
    source = orders.source()
    customer = await new_customer(orders.rig, f"C{source}")
    change = create(orders.rig, source, orders.order(customer))
    prepared_, outcome = await write(orders.rig, change)
    return change, prepared_, outcome


async def now(orders: OrderRig, ref: ExternalRef) -> Document:
    """The order as it is read singly."""
    (found,) = await orders.rig.connector.get([ref], DOCUMENTS)
    assert isinstance(found, Document)
    return found


def changed(change: Change, ref: ExternalRef, base: Document, price: str) -> Change:
    """The order's first line at another price."""
    assert change.wanted is not None
    record = change.wanted.record
    assert isinstance(record, Document)
    first = replace(record.lines[0], unit_price=Decimal(price))
    wanted = replace(record, lines=(first, *record.lines[1:]))
    return replace(
        change,
        action=Action.UPDATE,
        wanted=Wanted(record=wanted, fields=frozenset({"lines"})),
        target=ref,
        base=base,
        version=base.version,
    )


def taken_back(change: Change, ref: ExternalRef, base: Document) -> Change:
    return replace(
        change, action=Action.VOID, wanted=None, target=ref, base=base, version=base.version
    )


class OrderContract:
    """Subclass it as ``Test...`` and give a fixture ``orders``."""

    def test_an_order_is_made_and_shows_what_was_wanted(self, orders: OrderRig) -> None:
        async def story() -> None:
            assert SALES_ORDER in orders.rig.connector.abilities.makes
            change, made_, outcome = await made(orders)
            shown = await now(orders, outcome.ref)
            assert (shown.kind, shown.booked, shown.voided) == (DocumentKind.ORDER, False, False)
            assert shown.order_state in OPEN
            assert change.wanted is not None
            wanted = change.wanted.record
            assert isinstance(wanted, Document)
            assert shown.customer == wanted.customer
            assert [line_content(line)[3:6] for line in shown.lines] == [
                line_content(line)[3:6] for line in wanted.lines
            ]
            assert shown.issue_date is not None
            assert shown.totals is not None
            if made_.totals is not None:
                assert shown.totals in (made_.totals.totals, made_.totals.other)
            assert key_in(shown.carrier_text, change.key[:13]) == change.key
            assert isinstance(outcome.shows, Document)
            assert document_content(outcome.shows) == document_content(shown)

        run(story())

    def test_an_order_is_in_the_feed_and_among_the_keys(self, orders: OrderRig) -> None:
        async def story() -> None:
            _, _, outcome = await made(orders)
            orders.rig.clock.advance(1)
            found = records(await pages(orders.rig, DOCUMENTS))
            assert isinstance(found[outcome.ref], Document)
            keys = [
                ref async for part in orders.rig.connector.keys(Entity.DOCUMENT) for ref, _ in part
            ]
            assert outcome.ref in keys

        run(story())

    def test_a_lost_answer_is_found_by_its_key(self, orders: OrderRig) -> None:
        async def story() -> None:
            source = orders.source()
            customer = await new_customer(orders.rig, f"C{source}")
            change = create(orders.rig, source, orders.order(customer))
            orders.lose("drop_after_commit")
            made_ = await prepared(orders.rig, change)
            _, outcome = await sent(orders.rig, made_)
            assert isinstance(outcome, Unknown)
            orders.rig.clock.advance(60)
            sight = await look(orders.rig, doubt(orders.rig, change, made_, customer))
            (hit,) = sight.hits
            assert (hit.key, sight.complete) == (change.key, True)
            assert isinstance(hit.record, Document)
            assert hit.record.kind is DocumentKind.ORDER

        run(story())

    def test_an_order_is_found_where_nothing_is_known_of_what_was_sent(
        self, orders: OrderRig
    ) -> None:
        async def story() -> None:
            # Released before a backup and sent after it: a restored database knows nothing of it.
            change, made_, outcome = await made(orders)
            orders.rig.clock.advance(1)
            asked = doubt(orders.rig, change, made_, None)
            sight = await look(orders.rig, replace(asked, bodies=(b"",), witness={}))
            assert outcome.ref in [hit.record.ref for hit in sight.hits]

        run(story())

    def test_what_was_not_made_is_not_found(self, orders: OrderRig) -> None:
        async def story() -> None:
            source = orders.source()
            customer = await new_customer(orders.rig, f"C{source}")
            change = create(orders.rig, source, orders.order(customer))
            orders.lose("drop_before")
            made_ = await prepared(orders.rig, change)
            await sent(orders.rig, made_)
            orders.rig.clock.advance(60)
            sight = await look(orders.rig, doubt(orders.rig, change, made_, customer))
            assert (sight.hits, sight.complete) == ((), True)

        run(story())

    def test_an_open_order_is_changed(self, orders: OrderRig) -> None:
        async def story() -> None:
            change, _, outcome = await made(orders)
            base = await now(orders, outcome.ref)
            _, after = await write(orders.rig, changed(change, outcome.ref, base, "88.00"))
            shown = await now(orders, after.ref)
            assert shown.lines[0].unit_price == Decimal("88.00")
            assert len(shown.lines) == len(base.lines)
            assert key_in(shown.carrier_text, change.key[:13]) == change.key

        run(story())

    def test_a_persons_change_is_seen_before_it_is_written_over(self, orders: OrderRig) -> None:
        async def story() -> None:
            change, _, outcome = await made(orders)
            base = await now(orders, outcome.ref)
            orders.rig.clock.advance(1)
            orders.edit(outcome.ref)
            made_ = await prepared(orders.rig, changed(change, outcome.ref, base, "88.00"))
            # The engine compares what was read for the write with the base, and decides anew.
            assert isinstance(made_.read, Document)
            assert made_.read.lines[0].unit_price == Decimal("77.00")

        run(story())

    def test_an_order_is_taken_back(self, orders: OrderRig) -> None:
        async def story() -> None:
            change, _, outcome = await made(orders)
            base = await now(orders, outcome.ref)
            await write(orders.rig, taken_back(change, outcome.ref, base))
            (found,) = await orders.rig.connector.get([outcome.ref], DOCUMENTS)
            assert found is None or (isinstance(found, Document) and found.voided)

        run(story())

    def test_an_order_that_a_person_cancels_is_cancelled_or_gone(self, orders: OrderRig) -> None:
        async def story() -> None:
            _, _, outcome = await made(orders)
            orders.rig.clock.advance(1)
            orders.cancel(outcome.ref)
            (found,) = await orders.rig.connector.get([outcome.ref], DOCUMENTS)
            if found is not None:
                assert isinstance(found, Document)
                assert (found.voided, found.order_state) == (True, OrderState.CANCELLED)

        run(story())

    def test_a_shipped_order_is_neither_changed_nor_taken_back(self, orders: OrderRig) -> None:
        async def story() -> None:
            change, _, outcome = await made(orders)
            base = await now(orders, outcome.ref)
            orders.rig.clock.advance(1)
            orders.ship(outcome.ref)
            shown = await now(orders, outcome.ref)
            assert shown.order_state in (OrderState.SHIPPED, OrderState.INVOICED)
            for asked in (
                changed(change, outcome.ref, base, "88.00"),
                taken_back(change, outcome.ref, base),
            ):
                (answer,) = await orders.rig.connector.prepare([asked])
                assert isinstance(answer, Refused)
                assert answer.stale

        run(story())

    def test_its_invoice_names_the_order_that_it_grew_out_of(self, orders: OrderRig) -> None:
        async def story() -> None:
            _, _, outcome = await made(orders)
            orders.rig.clock.advance(1)
            orders.invoice(outcome.ref)
            orders.rig.clock.advance(1)
            found = records(await pages(orders.rig, DOCUMENTS)).values()
            invoices = [r for r in found if isinstance(r, Document) and r.booked]
            (invoice,) = [one for one in invoices if outcome.ref in one.came_from]
            assert invoice.came_from[0] == outcome.ref
            shown = await now(orders, outcome.ref)
            assert shown.order_state in (OrderState.SHIPPED, OrderState.INVOICED)
            assert shown.totals is not None
            assert invoice.totals is not None
            assert invoice.totals.net == shown.totals.net

        run(story())
