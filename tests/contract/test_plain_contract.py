"""The contract of the port, over the plain book in several of its kinds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from contract.connector_contract import (
    CUSTOMERS,
    ConnectorContract,
    ContractRig,
    create,
    new_customer,
    pages,
    prepared,
    records,
    run,
    sent,
)
from support.plain_pair import book_rig, document
from tieout.core.change import Action, Rejected, Wanted
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import (
    Address,
    Customer,
    Document,
    Entity,
    ExternalRef,
    Line,
    LineKind,
    PartyKind,
)
from tieout_sandbox.plain import Variant

_CUSTOMER_FIELDS = frozenset({"name", "kind", "addresses", "emails", "terms", "currency"})
_DOCUMENT_FIELDS = frozenset(
    {"customer", "currency", "terms", "your_reference", "our_reference", "po_number", "lines"}
)


class PlainRig(ContractRig):
    """A plain book with its connector."""

    def __init__(self, variant: Variant) -> None:
        self.rig = book_rig(variant, page=5, overlap_s=1)
        self.connector = self.rig.connector
        self.clock = self.rig.clock
        self.transport = self.rig.transport
        self._numbers = 5000

    def customer(self, **values: Any) -> Wanted:
        base = Customer(
            name="Kund AB",
            kind=PartyKind.COMPANY,
            addresses=(
                Address(lines=("Storgatan 1",), postcode="111 22", city="Stockholm", country="SE"),
            ),
            emails={"invoice": "faktura@kund.example"},
            terms="N30",
            currency="SEK",
        )
        return Wanted(record=replace(base, **values), fields=_CUSTOMER_FIELDS)

    def document(self, customer: ExternalRef, **values: Any) -> Wanted:
        base = document(
            customer,
            ("CONS", 3, "1249.50"),
            ("SUP", 1, "199.99"),
            customer_name="Kund AB",
            your_reference="Anna Ek",
        )
        first = replace(base.lines[0], discount=Decimal("0.1"))
        text = Line(position=3, kind=LineKind.TEXT, text="Thanks")
        record = replace(base, lines=(first, base.lines[1], text))
        return Wanted(record=replace(record, **values), fields=_DOCUMENT_FIELDS)

    def number(self) -> str | None:
        self._numbers += 1
        return str(self._numbers)

    def fault(self, kind: str, entity: Entity, action: Action, **more: Any) -> None:
        path = "/customers" if entity is Entity.CUSTOMER else "/drafts"
        method = {Action.CREATE: "POST", Action.UPDATE: "PATCH", Action.VOID: "DELETE"}[action]
        self.rig.fault(kind, method=method, path=path, **more)

    def _row(self, ref: ExternalRef) -> dict[str, Any]:
        row: dict[str, Any] = self.rig.book.ledger.tables["documents"][ref.id.split(":")[1]]
        return row

    def edit_beside(self, ref: ExternalRef) -> None:
        self.rig.act("edit_draft", draft=self._row(ref)["id"], buyer_reference="Beside")

    def has_beside(self, ref: ExternalRef) -> bool:
        return bool(self._row(ref)["buyer_reference"] == "Beside")

    def add_line(self, ref: ExternalRef, text: str) -> None:
        self.rig.act(
            "edit_draft", draft=self._row(ref)["id"], add_row={"kind": "text", "text": text}
        )

    def remove_carrier(self, ref: ExternalRef) -> None:
        self.rig.act("overwrite_carrier", id=ref.id.split(":", 1)[1], text="Sara Ek")

    def book(self, ref: ExternalRef) -> None:
        self.rig.act("book", draft=self._row(ref)["id"])

    def delete(self, ref: ExternalRef) -> None:
        self.rig.act("delete_draft", draft=self._row(ref)["id"])

    def touch(self, ref: ExternalRef) -> None:
        self.rig.act("edit_customer", customer=ref.id, phone="08-1")

    def stored(self, entity: Entity) -> int:
        table = "customers" if entity is Entity.CUSTOMER else "documents"
        return sum(1 for _ in self.rig.book.ledger.live(table))

    def break_permission(self) -> None:
        self.rig.fault("token_revoked", times=None)


class PlainContract(ConnectorContract):
    """Where the plain book is plainer than the contract, the test says what it does instead."""

    def remove_carrier(self, rig: ContractRig, ref: ExternalRef) -> None:
        assert isinstance(rig, PlainRig)
        rig.rig.act("overwrite_carrier", id=ref.id.split(":")[1], text="Sara Ek")

    def test_an_unknown_item_is_refused_before_anything_leaves(self, rig: ContractRig) -> None:
        """Creates read nothing before they are sent, so the book itself refuses."""

        async def story() -> None:
            customer = await new_customer(rig)
            wanted = rig.document(customer)
            assert isinstance(wanted.record, Document)
            line = wanted.record.lines[0]
            assert line.item is not None
            unknown = replace(line, item=replace(line.item, number="NO-SUCH-ITEM"))
            change = create(rig, "006A", rig.document(customer, lines=(unknown,)))
            _, outcome = await sent(rig, await prepared(rig, change))
            assert isinstance(outcome, Rejected)
            assert outcome.findings[0].values["code"] == "item_unknown"
            assert rig.stored(Entity.DOCUMENT) == 0

        run(story())

    def test_an_expired_token_is_renewed_and_the_write_done_once(self, rig: ContractRig) -> None:
        """There is no sign-in to renew: a 401 stops the connection, and nothing was done."""

        async def story() -> None:
            customer = await new_customer(rig)
            made = await prepared(rig, create(rig, "006A", rig.document(customer)))
            rig.fault("token_expired", Entity.DOCUMENT, Action.CREATE)
            with pytest.raises(ConnectionBrokenError):
                await sent(rig, made)
            assert rig.stored(Entity.DOCUMENT) == 0

        run(story())

    def test_a_sweep_goes_on_where_it_was_interrupted(self, rig: ContractRig) -> None:
        """Every page's cursor is safe, so a sweep goes on from it."""

        async def story() -> None:
            made = []
            for number in range(12):
                made.append(await new_customer(rig, f"001{number}"))
                rig.clock.advance(2)
            cursor: bytes | None = None
            seen: set[ExternalRef] = set()
            async for page in rig.connector.changes_since(CUSTOMERS, None):
                seen |= set(records([page]))
                cursor = page.cursor
                break
            assert len(seen) == 5
            rest = set(records(await pages(rig, CUSTOMERS, cursor)))
            assert len(rest) < len(made)
            assert seen | rest == set(made)

        run(story())


class TestPlain(PlainContract):
    @pytest.fixture
    def rig(self) -> PlainRig:
        return PlainRig(Variant())


class TestPlainWithTombstones(PlainContract):
    @pytest.fixture
    def rig(self) -> PlainRig:
        return PlainRig(Variant(tombstones=True))


class TestPlainListedOnly(PlainContract):
    @pytest.fixture
    def rig(self) -> PlainRig:
        return PlainRig(Variant(guard="e1"))
