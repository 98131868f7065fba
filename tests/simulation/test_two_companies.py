"""One CRM with the books of two companies: each deal in the right ones, each customer in both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine as SqlEngine

import virtual_loop
from mortal import Death
from support.inprocess import InProcessTransport
from tieout.connectors.plain import PlainBookConnector
from tieout.core.errors import SyncError
from tieout.core.mapping.fields import Owner
from tieout.core.model import Entity
from tieout.core.policy import BooksPolicy, BridgePolicy, CustomerPolicy, FlowMode, Rule
from tieout.engine.context import Engine
from tieout.ports import Selection
from tieout.store import admin
from tieout_sandbox.plain import PlainBook
from virtual_loop import Simulation
from world import World

SECOND = "second"


def _titled(title: str) -> Rule:
    def test(scope: Any) -> bool:
        return bool(scope["deal"]["title"] == title)

    return Rule(text=f"deal.title == '{title}'", test=test)


class TwoBooks(World):
    """The world with a second company, to whose books the deals of that title go."""

    turned = False
    swapped = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.other = PlainBook(clock=self.vendor_clock, variant=self.variant, company_id="books-2")

    def policy(self) -> BridgePolicy:
        policy = super().policy()
        (first,) = policy.books
        second = BooksPolicy(
            connection=SECOND,
            company=self.other.company_id,
            seller="SE",
            base_currency="SEK",
            time_zone="Europe/Stockholm",
        )
        rules = [_titled("A deal"), _titled("Second")]
        if self.turned:
            rules.reverse()
        books = (replace(first, when=rules[0]), replace(second, when=rules[1]))
        return replace(policy, books=books[::-1] if self.swapped else books)

    def rules_changed(self) -> None:
        """The rule of each company is the other's from now on; published, with nothing touched."""
        self.turned = True

    async def published(self) -> None:
        """What a publish of other rules makes due."""
        now = self.clock.now()
        for books in ("book", SECOND):
            lane = f"nordic/documents/{books}"
            await self.do(lambda tx, at=lane: admin.skipped_again(tx, at, now))
            await self.do(lambda tx, at=lane, of=books: admin.drafted_again(tx, at, of, now))

    def engine(self, *given: Any, **more: Any) -> Engine:
        engine = super().engine(*given, **more)
        wire = InProcessTransport(self.other, self.clock.now)
        connector = PlainBookConnector(SECOND, wire, engine.clock, self.settings(), Random(1))
        engine.connectors = {**engine.connectors, SECOND: connector}
        engine.selections = {
            **engine.selections,
            SECOND: {
                entity: Selection(entity=entity, shape="s")
                for entity in (Entity.ITEM, Entity.CUSTOMER, Entity.DOCUMENT)
            },
        }
        return engine


AnyTwo = TypeVar("AnyTwo", bound=TwoBooks)


def play_two(
    database: SqlEngine,
    owner: SqlEngine,
    name: str,
    tell: Callable[[AnyTwo], Awaitable[None]],
    kind: type[AnyTwo],
    **options: Any,
) -> None:
    """Tells a history of a world with two companies."""

    async def program(simulation: Simulation) -> None:
        world = kind(
            simulation=simulation,
            database=database,
            owner=owner,
            workspace=name,
            **options,
        )
        try:
            await tell(world)
        except AssertionError as error:
            error.add_note("\n".join(world.trace))
            raise

    virtual_loop.run(program, 1, forgive=(Death, SyncError, asyncio.CancelledError))


def _play(
    database: SqlEngine,
    owner: SqlEngine,
    name: str,
    tell: Callable[[TwoBooks], Awaitable[None]],
    **options: Any,
) -> None:
    play_two(database, owner, name, tell, TwoBooks, **options)


def _nets(book: PlainBook) -> list[Decimal]:
    return sorted(row["net"] for row in book.ledger.live("documents"))


@pytest.mark.parametrize("shown", [FlowMode.OFF, FlowMode.AUTO])
def test_a_customer_of_both_companies(
    app_engine: SqlEngine, owner_engine: SqlEngine, shown: FlowMode
) -> None:
    """Deals go to their company; the customer is in both, and shows what both say, one by one."""

    async def tell(world: TwoBooks) -> None:
        company = world.make_company()
        mine = world.make_deal(company, "1000.00")
        theirs = world.make_deal(company, "70.00", title="Second")
        await world.settle()
        assert _nets(world.book) == [Decimal(1000)]
        assert _nets(world.other) == [Decimal(70)]
        for deal in (mine, theirs):
            assert world.exceptions(deal) == []
        deals = world.crm.rows.tables["deals"]
        assert [deals[deal]["books"]["status"] for deal in (mine, theirs)] == ["draft", "draft"]
        doubts = world.rows(
            "SELECT key, detail FROM operation WHERE workspace = %(ws)s AND state = 'doubt'"
        )
        assert doubts == []
        assert world.exceptions() == []

        (draft,) = world.other.ledger.live("documents")
        world.other.act("book", {"draft": draft["id"]})
        await world.wait(130)
        await world.settle()
        assert deals[theirs]["books"]["status"] == "booked"
        assert deals[mine]["books"]["status"] == "draft"
        if shown is not FlowMode.OFF:
            # Both companies number from the same start: two invoices with one number.
            assert len(list(world.crm.rows.live("invoices"))) == 1
        owed = world.crm.rows.row("companies", company)["books"]["open"]
        assert owed == draft["gross"]

        (draft,) = world.book.ledger.live("documents")
        world.book.act("book", {"draft": draft["id"]})
        await world.wait(130)
        await world.settle()
        says = world.crm.rows.row("companies", company)["books"]
        assert says["open"] == owed + draft["gross"]
        if shown is not FlowMode.OFF:
            rows = list(world.crm.rows.live("invoices"))
            assert len(rows) == 2
            assert len({row["number"] for row in rows}) == 1
        received = len(world.crm.received)
        await world.settle()
        assert len(world.crm.received) == received

    _play(app_engine, owner_engine, f"two-{shown}", tell, shown=shown)


def test_a_deal_that_goes_over_to_the_other_company(
    app_engine: SqlEngine, owner_engine: SqlEngine
) -> None:
    """Its untouched draft is taken back, the other company's is made, and that is what it shows."""

    async def tell(world: TwoBooks) -> None:
        company = world.make_company()
        deal = world.make_deal(company, "1000.00")
        await world.settle()
        assert _nets(world.book) == [Decimal(1000)]
        world.in_crm("edit", deal=deal, title="Second")
        await world.wait(130)
        await world.settle()
        assert (_nets(world.book), _nets(world.other)) == ([], [Decimal(1000)])
        assert world.crm.rows.tables["deals"][deal]["books"]["status"] == "draft"
        assert world.exceptions() == []
        received = len(world.crm.received)
        await world.settle()
        assert len(world.crm.received) == received

    _play(app_engine, owner_engine, "over", tell)


def test_a_booked_one_stays_in_its_company(app_engine: SqlEngine, owner_engine: SqlEngine) -> None:
    """What the rules say later makes no second invoice."""

    async def tell(world: TwoBooks) -> None:
        company = world.make_company()
        deal = world.make_deal(company, "1000.00")
        await world.settle()
        (draft,) = world.book.ledger.live("documents")
        world.in_book("book", draft=draft["id"])
        await world.wait(130)
        await world.settle()
        world.in_crm("edit", deal=deal, title="Second")
        await world.wait(130)
        await world.settle()
        assert (_nets(world.book), _nets(world.other)) == ([Decimal(1000)], [])
        assert world.crm.rows.tables["deals"][deal]["books"]["status"] == "booked"

    _play(app_engine, owner_engine, "stays", tell)


def test_the_other_company_waits_while_an_answer_is_missing(
    app_engine: SqlEngine, owner_engine: SqlEngine
) -> None:
    """A draft whose answer was lost may be there: first it is found and taken back."""

    async def tell(world: TwoBooks) -> None:
        company = world.make_company()
        deal = world.make_deal(company, "1000.00")
        world.fault("commit_late", path="/drafts", seconds=150)
        await world.run_once()
        world.in_crm("edit", deal=deal, title="Second")
        for _ in range(6):
            await world.wait(20)
            await world.run_once()
            assert _nets(world.other) == []
        await world.settle()
        assert (_nets(world.book), _nets(world.other)) == ([], [Decimal(1000)])

    _play(app_engine, owner_engine, "waits", tell)


@pytest.mark.parametrize("fault", ["", "drop_after_commit", "drop_before", "commit_late", "edited"])
def test_other_rules_move_a_draft(
    app_engine: SqlEngine, owner_engine: SqlEngine, fault: str
) -> None:
    """Nothing is made in the new company while the former one's document stands, or may stand."""

    async def tell(world: TwoBooks) -> None:
        company = world.make_company()
        deal = world.make_deal(company, "1000.00")
        await world.settle()
        await world.wait(600)
        await world.settle()
        (draft,) = world.book.ledger.live("documents")
        if fault == "edited":
            world.in_book("edit_draft", draft=draft["id"], price="900.00")
        elif fault:
            more = {"seconds": 150} if fault == "commit_late" else {}
            world.fault(fault, method="DELETE", path="*", **more)
        world.rules_changed()
        await world.published()
        for _ in range(8):
            await world.run_once()
            stands = list(world.book.ledger.live("documents"))
            assert not (stands and _nets(world.other)), "it stands in both companies"
            await world.wait(40)
        await world.settle()
        if fault == "edited":
            assert (_nets(world.book), _nets(world.other)) == ([Decimal(900)], [])
            assert "reopened_draft_kept" in world.exceptions(deal)
            world.in_book("delete_draft", draft=draft["id"])
            await world.wait(130)
            await world.settle()
        assert (_nets(world.book), _nets(world.other)) == ([], [Decimal(1000)])
        assert world.exceptions(deal) == []

    _play(app_engine, owner_engine, f"turned-{fault}", tell)


def test_the_other_company_speaks_for_a_customer_from_now_on(
    app_engine: SqlEngine, owner_engine: SqlEngine
) -> None:
    """What the CRM shows of a customer passes to the company that wrote it last."""

    async def tell(world: TwoBooks) -> None:
        company = world.make_company()
        world.make_deal(company, "1000.00")
        world.make_deal(company, "70.00", title="Second")
        await world.settle()
        for books, number in ((world.book, "08-1"), (world.other, "08-2"), (world.book, "08-3")):
            world.swapped = books is world.other
            (customer,) = books.ledger.live("customers")
            books.act("edit_customer", {"customer": customer["id"], "phone": number})
            await world.wait(130)
            await world.settle()
            assert world.crm.rows.row("companies", company)["phone"] == number
            assert world.exceptions() == []

    customers = CustomerPolicy(both=True, owners={"phones": Owner.BOOKS})
    _play(app_engine, owner_engine, "speaks", tell, customers=customers)
