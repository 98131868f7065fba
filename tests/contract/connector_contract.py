"""
What the port promises of any books connector, as tests. A connector joins with a `ContractRig`.

The tests are plain functions of a class that does not begin with ``Test``: subclass it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from support.fakes import ManualClock
from support.inprocess import InProcessTransport
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Doubt,
    FateKind,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Sight,
    Unknown,
    Wanted,
    Wire,
)
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import Customer, Document, Entity, ExternalRef, LineKind, Record
from tieout.ports import Connector, Page, Selection

T = TypeVar("T")
DOCUMENTS = Selection(entity=Entity.DOCUMENT)
CUSTOMERS = Selection(entity=Entity.CUSTOMER)


class ContractRig(ABC):
    """One connector over its simulator, and what a person does over there."""

    connector: Connector
    clock: ManualClock
    transport: InProcessTransport

    @abstractmethod
    def customer(self, **values: Any) -> Wanted:
        """A customer that the books take; ``values`` replace fields of the record."""

    @abstractmethod
    def document(self, customer: ExternalRef, **values: Any) -> Wanted:
        """A document with several lines and odd decimals that the books take."""

    @abstractmethod
    def number(self) -> str | None:
        """A fresh customer number where the connection draws them, else None."""

    @abstractmethod
    def fault(self, kind: str, entity: Entity, action: Action, **more: Any) -> None:
        """The next write of that kind meets this fault."""

    @abstractmethod
    def edit_beside(self, ref: ExternalRef) -> None:
        """A person fills a field of the document that no mapping of ours knows."""

    @abstractmethod
    def has_beside(self, ref: ExternalRef) -> bool:
        """Whether what `edit_beside` filled is still there."""

    @abstractmethod
    def add_line(self, ref: ExternalRef, text: str) -> None:
        """A person adds a text line to the document."""

    @abstractmethod
    def remove_carrier(self, ref: ExternalRef) -> None:
        """A person overwrites what carries our key."""

    @abstractmethod
    def book(self, ref: ExternalRef) -> None:
        """A person books the draft."""

    @abstractmethod
    def delete(self, ref: ExternalRef) -> None:
        """A person deletes the draft."""

    @abstractmethod
    def touch(self, ref: ExternalRef) -> None:
        """A person changes a customer so that its stamp moves."""

    @abstractmethod
    def stored(self, entity: Entity) -> int:
        """How many live records the books hold, documents in every collection."""

    @abstractmethod
    def break_permission(self) -> None:
        """The connection loses what it needs for everything."""


def slot(source: str, kind: KeyKind = KeyKind.DOCUMENT) -> Slot:
    """A slot of an invented CRM."""
    return Slot(crm_org="00D0", source_id=source, company="books", kind=kind)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs one test's story."""
    return asyncio.run(work)


def create(rig: ContractRig, source: str, wanted: Wanted) -> Change:
    """The decision to create a record for a source."""
    is_customer = isinstance(wanted.record, Customer)
    kind = KeyKind.CUSTOMER if is_customer else KeyKind.DOCUMENT
    return Change(
        key=operation_key(slot(source, kind), 0),
        entity=Entity.CUSTOMER if is_customer else Entity.DOCUMENT,
        action=Action.CREATE,
        wanted=wanted,
        number=rig.number() if is_customer else None,
    )


async def prepared(rig: ContractRig, change: Change) -> Prepared:
    """The change as bytes; it must not be refused."""
    (made,) = await rig.connector.prepare([change])
    assert isinstance(made, Prepared), made
    return made


async def sent(rig: ContractRig, made: Prepared) -> tuple[Wire, Outcome]:
    """What was stored and what became of it."""
    (wire,) = rig.connector.pack([made])
    (outcome,) = await rig.connector.send(wire)
    return wire, outcome


async def write(rig: ContractRig, change: Change) -> tuple[Prepared, Applied]:
    """Prepares and sends; it must be applied."""
    made = await prepared(rig, change)
    _, outcome = await sent(rig, made)
    assert isinstance(outcome, Applied), outcome
    return made, outcome


async def new_customer(rig: ContractRig, source: str = "001A", **values: Any) -> ExternalRef:
    """A customer made by us."""
    _, outcome = await write(rig, create(rig, source, rig.customer(**values)))
    return outcome.ref


async def new_document(
    rig: ContractRig, customer: ExternalRef, source: str = "006A", **values: Any
) -> tuple[Change, Prepared, Applied]:
    """A document made by us."""
    change = create(rig, source, rig.document(customer, **values))
    made, outcome = await write(rig, change)
    return change, made, outcome


async def pages(
    rig: ContractRig, want: Selection, cursor: bytes | None = None, resume: bytes | None = None
) -> list[Page]:
    """All pages of a read."""
    return [page async for page in rig.connector.changes_since(want, cursor, resume)]


def records(found: list[Page]) -> dict[ExternalRef, Record]:
    """The last state of each record in the pages."""
    return {r.ref: r for page in found for r in page.records if r.ref is not None}


def doubt(rig: ContractRig, change: Change, made: Prepared, customer: ExternalRef | None) -> Doubt:
    """The doubt after an answer that did not come."""
    return Doubt(
        key=change.key,
        key13=change.key[:13],
        entity=change.entity,
        action=change.action,
        target=change.target,
        bodies=(made.body,),
        witness=made.witness,
        customers=(customer,) if customer else (),
        first_sent_at=rig.clock.now(),
    )


async def look(rig: ContractRig, asked: Doubt) -> Sight:
    """One look."""
    (sight,) = await rig.connector.find_by_key([asked])
    return sight


def comparable(record: Record | None) -> Record:
    """A record without what only the system itself can know before it is asked."""
    assert record is not None
    blank: dict[str, Any] = {"ref": None, "version": None, "changed_at": None}
    if isinstance(record, Document):
        blank |= {"created_at": None, "created_by": "", "base_totals": None, "url": ""}
    if isinstance(record, Customer):
        blank |= {"open_balance": None}
    return replace(record, **blank)


def as_predicted(made: Prepared, shown: Record | None) -> bool:
    """Whether the books show what was predicted, by either way of rounding VAT."""
    there, here = comparable(shown), comparable(made.shows)
    if isinstance(there, Document) and isinstance(here, Document) and made.totals is not None:
        if there.totals not in (made.totals.totals, made.totals.other):
            return False
        here = replace(here, totals=there.totals)
    return there == here


class ConnectorContract:
    """Subclass it as ``Test...`` and give a fixture ``rig``."""

    # --- writing ---------------------------------------------------------------------------------

    def test_what_was_predicted_is_what_the_books_show(self, rig: ContractRig) -> None:
        async def story() -> None:
            change = create(rig, "001A", rig.customer())
            made, outcome = await write(rig, change)
            assert comparable(outcome.shows) == comparable(made.shows)
            _, made, outcome = await new_document(rig, outcome.ref)
            assert made.totals is not None
            assert as_predicted(made, outcome.shows)

        run(story())

    def test_a_long_name_is_cut_as_predicted_and_is_no_change_afterwards(
        self, rig: ContractRig
    ) -> None:
        async def story() -> None:
            name = "Björkvikens Norrländska Kaffemaskiner och Tillbehör i Sundsvall Aktiebolag"
            made, outcome = await write(rig, create(rig, "001A", rig.customer(name=name)))
            assert isinstance(made.shows, Customer)
            assert name.startswith(made.shows.name)
            (read,) = await rig.connector.get([outcome.ref], CUSTOMERS)
            assert comparable(read) == comparable(made.shows)

        run(story())

    def test_written_and_read_again_nothing_has_changed(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            _, _, outcome = await new_document(rig, customer)
            (again,) = await rig.connector.get([outcome.ref], DOCUMENTS)
            assert again == outcome.shows
            found = records(await pages(rig, DOCUMENTS))
            assert found[outcome.ref] == outcome.shows
            assert outcome.version == outcome.shows.version  # type: ignore[union-attr]

        run(story())

    def test_the_bytes_that_arrive_are_the_bytes_that_were_stored(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            made = await prepared(rig, create(rig, "006A", rig.document(customer)))
            before = len(rig.transport.requests)
            wire, _ = await sent(rig, made)
            writes = [r for r in rig.transport.requests[before:] if r.method != "GET"]
            assert [(r.method, r.body) for r in writes] == [(wire.method, wire.body)]
            assert writes[0].url.endswith(wire.path)
            assert wire.body == made.body

        run(story())

    def test_prepare_writes_nothing(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change, _, outcome = await new_document(rig, customer)
            before = rig.stored(Entity.DOCUMENT), rig.stored(Entity.CUSTOMER)
            mark = len(rig.transport.requests)
            target = {"target": outcome.ref, "base": outcome.shows, "version": outcome.version}
            wanted = rig.document(customer, your_reference="Någon Annan")
            await rig.connector.prepare(
                [
                    create(rig, "006B", rig.document(customer)),
                    create(rig, "001B", rig.customer()),
                    replace(change, action=Action.UPDATE, wanted=wanted, **target),
                    replace(change, action=Action.VOID, wanted=None, **target),
                ]
            )
            assert (rig.stored(Entity.DOCUMENT), rig.stored(Entity.CUSTOMER)) == before
            methods = {request.method for request in rig.transport.requests[mark:]}
            assert methods <= {"GET"}

        run(story())

    def test_money_keeps_its_digits_the_whole_way(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            wanted = rig.document(customer)
            assert isinstance(wanted.record, Document)
            line = wanted.record.lines[0]
            prices = (Decimal("0.10"), Decimal("9000.00"))
            lines = tuple(
                replace(line, position=place, unit_price=price, discount=Decimal(0))
                for place, price in enumerate(prices, start=1)
            )
            _, made, outcome = await new_document(rig, customer, lines=lines)
            assert b"0.10" in made.body
            assert b"9000.00" in made.body
            (read,) = await rig.connector.get([outcome.ref], DOCUMENTS)
            assert isinstance(read, Document)
            priced = [line for line in read.lines if line.kind is LineKind.ITEM]
            assert [str(line.unit_price) for line in priced] == ["0.10", "9000.00"]

        run(story())

    def test_an_update_sets_what_is_named_and_keeps_the_rest(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change, _, outcome = await new_document(rig, customer)
            rig.edit_beside(outcome.ref)
            record = replace(change.wanted.record, your_reference="Ny Person")  # type: ignore[union-attr]
            update = replace(
                change,
                action=Action.UPDATE,
                wanted=Wanted(record=record, fields=frozenset({"your_reference"})),
                target=outcome.ref,
                base=outcome.shows,
                version=outcome.version,
            )
            made, changed = await write(rig, update)
            assert isinstance(made.read, Document)
            assert isinstance(changed.shows, Document)
            assert changed.ref == outcome.ref
            assert changed.shows.your_reference == "Ny Person"
            assert changed.shows.lines == made.read.lines
            assert as_predicted(made, changed.shows)
            assert rig.has_beside(outcome.ref)

        run(story())

    def test_an_update_keeps_a_line_that_somebody_added(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change, _, outcome = await new_document(rig, customer)
            rig.add_line(outcome.ref, "Ring innan leverans")
            wanted = change.wanted
            assert wanted is not None
            assert isinstance(wanted.record, Document)
            lines = list(wanted.record.lines)
            lines[0] = replace(lines[0], quantity=Decimal(5))
            update = replace(
                change,
                action=Action.UPDATE,
                wanted=Wanted(
                    record=replace(wanted.record, lines=tuple(lines)), fields=frozenset({"lines"})
                ),
                target=outcome.ref,
                base=outcome.shows,
                version=outcome.version,
            )
            made, changed = await write(rig, update)
            assert isinstance(changed.shows, Document)
            assert changed.shows.lines[0].quantity == 5
            assert "Ring innan leverans" in [line.text for line in changed.shows.lines]
            assert as_predicted(made, changed.shows)

        run(story())

    def test_an_unknown_item_is_refused_before_anything_leaves(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            wanted = rig.document(customer)
            assert isinstance(wanted.record, Document)
            line = wanted.record.lines[0]
            assert line.item is not None
            unknown = replace(line, item=replace(line.item, number="NO-SUCH-ITEM", ref=None))
            (made,) = await rig.connector.prepare(
                [create(rig, "006A", rig.document(customer, lines=(unknown,)))]
            )
            assert isinstance(made, Refused)
            assert [finding.code for finding in made.findings] == ["item_no_code"]

        run(story())

    # --- answers that do not come ----------------------------------------------------------------

    @pytest.mark.parametrize("kind", ["drop_after_commit", "truncated", "garbage"])
    def test_a_lost_answer_is_unknown_and_found_by_its_key(
        self, rig: ContractRig, kind: str
    ) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change = create(rig, "006A", rig.document(customer))
            made = await prepared(rig, change)
            rig.fault(kind, Entity.DOCUMENT, Action.CREATE)
            asked = doubt(rig, change, made, customer)
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Unknown), outcome
            assert rig.stored(Entity.DOCUMENT) == 1
            sight = await look(rig, asked)
            assert [hit.key for hit in sight.hits] == [change.key]
            assert as_predicted(made, sight.hits[0].record)
            assert sight.complete

        run(story())

    def test_a_look_without_a_known_customer_is_complete(self, rig: ContractRig) -> None:
        """After a restore nobody knows whose document it would be: everybody's are looked at."""

        async def story() -> None:
            customer = await new_customer(rig)
            change = create(rig, "006A", rig.document(customer))
            made = await prepared(rig, change)
            asked = replace(doubt(rig, change, made, customer), customers=(), bodies=())
            nothing = await look(rig, asked)
            assert (nothing.hits, nothing.complete) == ((), True)
            await sent(rig, made)
            there = await look(rig, asked)
            assert [hit.key for hit in there.hits] == [change.key]
            assert there.complete

        run(story())

    @pytest.mark.parametrize("kind", ["drop_before", "status"])
    def test_what_was_not_done_is_not_found(self, rig: ContractRig, kind: str) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change = create(rig, "006A", rig.document(customer))
            made = await prepared(rig, change)
            more = {"status": 503} if kind == "status" else {}
            rig.fault(kind, Entity.DOCUMENT, Action.CREATE, **more)
            asked = doubt(rig, change, made, customer)
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Unknown), outcome
            sight = await look(rig, asked)
            assert sight.hits == ()
            assert sight.near == ()
            assert sight.complete
            assert rig.stored(Entity.DOCUMENT) == 0

        run(story())

    def test_a_write_leaves_once_whatever_happens(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            made = await prepared(rig, create(rig, "006A", rig.document(customer)))
            rig.fault("drop_before", Entity.DOCUMENT, Action.CREATE, times=None)
            before = len(rig.transport.requests)
            await sent(rig, made)
            writes = [r for r in rig.transport.requests[before:] if r.method != "GET"]
            assert len(writes) == 1

        run(story())

    def test_a_lost_customer_is_found(self, rig: ContractRig) -> None:
        async def story() -> None:
            change = create(rig, "001A", rig.customer())
            made = await prepared(rig, change)
            rig.fault("drop_after_commit", Entity.CUSTOMER, Action.CREATE)
            asked = doubt(rig, change, made, None)
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Unknown), outcome
            sight = await look(rig, asked)
            assert len(sight.hits) == 1
            assert as_predicted(made, sight.hits[0].record)

        run(story())

    def test_a_document_booked_meanwhile_is_found_as_what_it_became(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change, made, outcome = await new_document(rig, customer)
            rig.book(outcome.ref)
            sight = await look(rig, doubt(rig, change, made, customer))
            (hit,) = sight.hits
            assert isinstance(hit.record, Document)
            assert hit.record.booked
            assert hit.key == change.key
            assert outcome.ref in hit.record.came_from

        run(story())

    def test_a_copy_is_a_second_hit_and_never_chosen(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change, made, _ = await new_document(rig, customer)
            (wire,) = rig.connector.pack([made])
            await rig.connector.send(wire)
            sight = await look(rig, doubt(rig, change, made, customer))
            assert len(sight.hits) == 2

        run(story())

    def test_too_many_calls_and_no_connection_are_put_off(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            made = await prepared(rig, create(rig, "006A", rig.document(customer)))
            rig.fault("rate_limited", Entity.DOCUMENT, Action.CREATE)
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Deferred)
            assert outcome.retry_after_s > 0
            rig.clock.advance(120)
            rig.transport.unreachable = True
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Deferred)
            rig.transport.unreachable = False
            assert rig.stored(Entity.DOCUMENT) == 0

        run(story())

    def test_an_expired_token_is_renewed_and_the_write_done_once(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            made = await prepared(rig, create(rig, "006A", rig.document(customer)))
            rig.fault("token_expired", Entity.DOCUMENT, Action.CREATE)
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Applied)
            assert rig.stored(Entity.DOCUMENT) == 1

        run(story())

    def test_a_number_that_is_taken_is_told(self, rig: ContractRig) -> None:
        if rig.number() is None:
            pytest.skip("this connection draws no numbers")

        async def story() -> None:
            first = create(rig, "001A", rig.customer())
            await write(rig, first)
            second = replace(create(rig, "001B", rig.customer()), number=first.number)
            _, outcome = await sent(rig, await prepared(rig, second))
            assert isinstance(outcome, Rejected)
            assert outcome.number_taken

        run(story())

    # --- reading ---------------------------------------------------------------------------------

    def test_only_what_changed_since_is_read_and_doubles_are_allowed(
        self, rig: ContractRig
    ) -> None:
        async def story() -> None:
            first = await new_customer(rig, "001A")
            rig.clock.advance(3600)
            found = await pages(rig, CUSTOMERS)
            assert first in records(found)
            cursor = found[-1].cursor
            assert cursor is not None
            second = await new_customer(rig, "001B")
            later = await pages(rig, CUSTOMERS, cursor)
            assert set(records(later)) == {second}

        run(story())

    def test_rows_that_move_between_pages_are_not_lost(self, rig: ContractRig) -> None:
        async def story() -> None:
            made = []
            for number in range(12):
                made.append(await new_customer(rig, f"001{number}"))
                rig.clock.advance(2)
            seen: dict[ExternalRef, Record] = {}
            moved = iter(made)
            last: bytes | None = None
            async for page in rig.connector.changes_since(CUSTOMERS, None):
                seen |= records([page])
                last = page.cursor or last
                rig.clock.advance(2)
                rig.touch(next(moved))
            assert set(seen) == set(made)
            after = await pages(rig, CUSTOMERS, last)
            for ref, record in records(after).items():
                seen[ref] = record
            current = await rig.connector.get(made, CUSTOMERS)
            assert [seen[ref] for ref in made] == list(current)

        run(story())

    def test_a_sweep_goes_on_where_it_was_interrupted(self, rig: ContractRig) -> None:
        async def story() -> None:
            made = []
            for number in range(12):
                made.append(await new_customer(rig, f"001{number}"))
                rig.clock.advance(2)
            seen: set[ExternalRef] = set()
            resume: bytes | None = None
            async for page in rig.connector.changes_since(CUSTOMERS, None):
                seen |= set(records([page]))
                if page.resume is not None:
                    resume = page.resume
                    break
            assert resume is not None, "the rig has to be given a small page"
            assert len(seen) < len(made)
            seen |= set(records(await pages(rig, CUSTOMERS, None, resume)))
            assert seen == set(made)

        run(story())

    def test_keys_are_complete_or_an_error(self, rig: ContractRig) -> None:
        async def story() -> None:
            made = {await new_customer(rig, f"001{number}") for number in range(7)}
            keys = [key async for part in rig.connector.keys(Entity.CUSTOMER) for key in part]
            assert {ref for ref, _ in keys} == made
            assert len(keys) == len(made)
            customer = sorted(made)[0]
            _, _, one = await new_document(rig, customer, "006A")
            _, _, two = await new_document(rig, customer, "006B")
            rig.book(one.ref)
            refs = {ref async for part in rig.connector.keys(Entity.DOCUMENT) for ref, _ in part}
            assert two.ref in refs
            assert one.ref not in refs
            assert len(refs) == 2

        run(story())

    def test_get_keeps_the_order_and_says_what_is_not_there(self, rig: ContractRig) -> None:
        async def story() -> None:
            made = [await new_customer(rig, f"001{number}") for number in range(5)]
            _, _, document = await new_document(rig, made[0])
            rig.delete(document.ref)
            found = await rig.connector.get([made[3], made[0], made[3], made[1]], CUSTOMERS)
            assert [record.ref for record in found if record] == [
                made[3],
                made[0],
                made[3],
                made[1],
            ]
            assert await rig.connector.get([document.ref], DOCUMENTS) == [None]

        run(story())

    def test_what_became_of_a_vanished_draft(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            _, _, kept = await new_document(rig, customer, "006A")
            _, _, booked = await new_document(rig, customer, "006B")
            _, _, deleted = await new_document(rig, customer, "006C")
            rig.book(booked.ref)
            rig.delete(deleted.ref)
            fates = await rig.connector.trace([kept.ref, booked.ref, deleted.ref])
            kinds = [FateKind.PRESENT, FateKind.BECAME, FateKind.DELETED]
            assert [fate.kind for fate in fates] == kinds
            assert isinstance(fates[1].record, Document)
            assert fates[1].record.booked
            assert fates[1].into == fates[1].record.ref

        run(story())

    def test_a_booked_document_is_never_voided(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change, _, outcome = await new_document(rig, customer)
            void = replace(change, action=Action.VOID, wanted=None, target=outcome.ref)
            rig.book(outcome.ref)
            (made,) = await rig.connector.prepare([void])
            assert isinstance(made, Refused)
            assert made.stale
            (fate,) = await rig.connector.trace([outcome.ref])
            assert fate.into is not None
            (made,) = await rig.connector.prepare([replace(void, target=fate.into)])
            assert isinstance(made, Refused)
            assert [finding.code for finding in made.findings] == ["booked"]

        run(story())

    def test_a_draft_is_voided_once(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change, _, outcome = await new_document(rig, customer)
            void = replace(change, action=Action.VOID, wanted=None, target=outcome.ref)
            made, done = await write(rig, void)
            assert made.read == outcome.shows
            assert done.ref == outcome.ref
            assert rig.stored(Entity.DOCUMENT) == 0

        run(story())

    def test_near_are_documents_of_the_customer_without_a_key(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            old_change, _, _ = await new_document(rig, customer, "006OLD")
            rig.clock.advance(600)
            change = create(rig, "006A", rig.document(customer))
            made = await prepared(rig, change)
            asked = doubt(rig, change, made, customer)
            _, outcome = await sent(rig, made)
            assert isinstance(outcome, Applied)
            rig.remove_carrier(outcome.ref)
            sight = await look(rig, asked)
            assert sight.hits == ()
            assert [record.ref for record in sight.near] == [outcome.ref]
            assert old_change.key not in [hit.key for hit in sight.hits]

        run(story())

    # --- the company -----------------------------------------------------------------------------

    def test_the_company_says_where_and_when_it_can_book(self, rig: ContractRig) -> None:
        async def story() -> None:
            company = await rig.connector.company()
            assert company.id
            assert company.name
            assert len(company.currency) == 3
            assert "/" in company.time_zone
            assert company.first_open_day is not None
            assert company.last_open_day is not None
            assert company.first_open_day < company.last_open_day

        run(story())

    def test_lost_rights_are_found_by_check_and_stop_everything(self, rig: ContractRig) -> None:
        async def story() -> None:
            good = await rig.connector.check()
            assert [finding for finding in good if finding.severity == "error"] == []
            rig.break_permission()
            bad = await rig.connector.check()
            assert [finding for finding in bad if finding.severity == "error"]
            assert all(finding.message.endswith((".", ")")) for finding in bad)

        run(story())

    def test_a_look_says_when_it_was_made_by_the_vendors_clock(self, rig: ContractRig) -> None:
        async def story() -> None:
            customer = await new_customer(rig)
            change = create(rig, "006A", rig.document(customer))
            made = await prepared(rig, change)
            began = rig.clock.now()
            sight = await look(rig, doubt(rig, change, made, customer))
            assert began - timedelta(seconds=1) <= sight.began_at <= sight.vendor_time
            assert sight.vendor_time <= rig.clock.now() + timedelta(seconds=1)

        run(story())
