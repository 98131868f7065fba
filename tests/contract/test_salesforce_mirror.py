"""The promise of reading: whatever people do, what was read in parts equals a whole read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from support.inprocess_salesforce import Rig, rig
from tieout.core.model import Deal, Entity, Record
from tieout.ports import Page, Selection
from tieout_sandbox.kit.simulator import ActionError

DEALS = Selection(
    entity=Entity.DEAL, extra=("Account.Payment_Terms__c", "NextStep", "line.Product2.Family")
)
CUSTOMERS = Selection(entity=Entity.CUSTOMER)


_THINGS = (
    *("create", "win", "edit", "lines", "account", "product", "delete", "undelete"),
    *("role", "person", "merge", "wait", "wait"),
)


class Mirror:
    """What an engine would keep: the last record read of each ref."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.cursor: bytes | None = None

    def take(self, page: Page) -> None:
        for gone in page.gone:
            self.records.pop(gone.ref.id, None)
        for record in page.records:
            assert record.ref is not None
            self.records[record.ref.id] = record
        if page.cursor is not None:
            self.cursor = page.cursor
        assert page.unread == ()


class Person:
    """Does one random thing in the org at a time."""

    def __init__(self, found: Rig, random: Random) -> None:
        self.found = found
        self.random = random
        act = found.act
        self.accounts = [act("create_account", name=f"Kund {n}")["id"] for n in range(4)]
        self.people = [
            act("create_contact", account=a, last_name=f"Ek {n}")["id"]
            for n, a in enumerate(self.accounts)
        ]
        self.products = [
            act("create_product", name=f"Vara {n}", code=f"V-{n}", price=100 + n)["id"]
            for n in range(3)
        ]
        self.deals: list[str] = []
        self.deleted: list[str] = []
        for _ in range(5):
            self.create()

    def create(self, *, late: bool = False) -> None:
        arguments = {
            "name": f"Affär {self.random.randrange(1000)}",
            "account": self.random.choice(self.accounts),
            "lines": [self.line() for _ in range(self.random.randrange(4))],
        }
        self.deals.append(self.act("create_opportunity", late, **arguments)["id"])

    def line(self) -> dict[str, Any]:
        return {
            "product": self.random.choice(self.products),
            "quantity": self.random.randrange(1, 9),
            "unit_price": f"{self.random.randrange(10000)}.{self.random.randrange(100):02d}",
        }

    def act(self, action: str, late: bool, /, **arguments: Any) -> Any:
        if not late:
            return self.found.act(action, **arguments)
        age = self.random.randrange(1, 500)
        return self.found.act("late_commit", action=action, arguments=arguments, age_s=age)

    def step(self) -> None:
        late = self.random.random() < 0.3
        thing = self.random.choice(_THINGS)
        deal = self.random.choice(self.deals) if self.deals else None
        word = f"w{self.random.randrange(1000)}"
        match thing:
            case "create":
                self.create(late=late)
            case "win" if deal:
                self.act(self.random.choice(["win", "lose", "reopen"]), late, id=deal)
            case "edit" if deal:
                self.act("edit_opportunity", late, id=deal, fields={"NextStep": word})
            case "lines" if deal:
                self.act("edit_lines", late, id=deal, **self.line_edit(deal))
            case "account":
                terms = self.random.choice(["Net 10", "Net 30", "Net 60"])
                account = self.random.choice(self.accounts)
                self.act("edit_account", late, id=account, fields={"Payment_Terms__c": terms})
            case "product":
                product = self.random.choice(self.products)
                self.act("edit_record", late, id=product, fields={"ProductCode": word})
            case "delete" if deal and len(self.deals) > 1:
                self.act("delete_opportunity", late, id=deal)
                self.deals.remove(deal)
                self.deleted.append(deal)
            case "undelete" if self.deleted:
                back = self.deleted.pop()
                self.act("undelete", late, id=back)
                self.deals.append(back)
            case "role" if deal:
                role = self.random.choice(["Billing", "Influencer"])
                person = self.random.choice(self.people)
                # A contact has one role on a deal.
                with suppress(ActionError):
                    self.act("add_contact_role", late, opportunity=deal, contact=person, role=role)
            case "person":
                person = self.random.choice(self.people)
                fields = {"Email": f"{word}@example.com"}
                self.act("edit_record", late, id=person, fields=fields)
            case "merge" if len(self.accounts) > 2:
                loser = self.accounts.pop()
                self.act("merge_accounts", late, winner=self.accounts[0], losers=[loser])
            case _:
                self.found.clock.advance(self.random.choice([1, 1, 60, 400, 5000]))

    def line_edit(self, deal: str) -> dict[str, Any]:
        lines = self.found.simulator.org.tables["OpportunityLineItem"].find_live(
            "OpportunityId", deal
        )
        if not lines:
            return {"add": [self.line()]}
        line = self.random.choice(lines)["Id"]
        return self.random.choice(
            [
                {"remove": [line]},
                {"change": [{"id": line, "unit_price": f"{self.random.randrange(900)}.50"}]},
                {"add": [self.line()]},
            ]
        )


async def read_in_parts(
    found: Rig, want: Selection, mirror: Mirror, random: Random, meanwhile: Person | None
) -> None:
    """One read; now and then it dies after a page and is resumed, or people go on working."""
    resume: bytes | None = None
    while True:
        died = False
        async for page in found.connector.changes_since(want, mirror.cursor, resume):
            mirror.take(page)
            resume = page.resume
            if meanwhile is not None and random.random() < 0.3:
                meanwhile.step()
            if resume is not None and random.random() < 0.2:
                died = True
                break
        if not died:
            return


def content(records: Sequence[Record]) -> dict[str, Record]:
    return {record.ref.id: record for record in records if record.ref}


@pytest.mark.parametrize("seed", range(12))
def test_what_was_read_in_parts_is_what_there_is(seed: int) -> None:
    async def story() -> None:
        random = Random(seed)
        found = rig(seed=seed)
        person = Person(found, random)
        deals, customers = Mirror(), Mirror()
        for _ in range(12):
            for _ in range(random.randrange(4)):
                person.step()
            await read_in_parts(found, DEALS, deals, random, person)
            await read_in_parts(found, CUSTOMERS, customers, random, None)
        # The last changes may be committed while a read is on its way: one more read, then quiet.
        found.clock.advance(1)
        await read_in_parts(found, DEALS, deals, random, None)
        await read_in_parts(found, CUSTOMERS, customers, random, None)
        whole, all_customers = Mirror(), Mirror()
        for page in await found.read(DEALS):
            whole.take(page)
        for page in await found.read(CUSTOMERS):
            all_customers.take(page)
        assert deals.records == whole.records
        assert customers.records == all_customers.records
        keys = [pair async for page in found.connector.keys(Entity.DEAL) for pair in page]
        assert {ref.id: stamp for ref, stamp in keys} == {
            record_id: record.version
            for record_id, record in whole.records.items()
            if isinstance(record, Deal)
        }

    asyncio.run(story())
