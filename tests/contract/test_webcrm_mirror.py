"""The promise of reading: whatever people do, what was read in parts equals a whole read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from support.webcrm_rig import DEALS, NAME, Rig, deals, rig, rig_again, stamps
from tieout.core.model import Deal, ExternalRef
from tieout.ports import Page

BOTH = pytest.mark.parametrize("changes", ["queries", "lists"])


def run(story: Any) -> None:
    asyncio.run(story)


class People:
    """Do one random thing at a time."""

    def __init__(self, found: Rig, random: Random) -> None:
        self.found, self.random = found, random
        self.organisations = [found.organisation(f"Kund {n}") for n in range(3)]
        found.item()
        self.things: list[Callable[[], None]] = [
            *(self.create, self.convert, self.back, self.edit, self.lines, self.lines),
            *(self.delete, self.wait, self.wait, self.merge),
        ]
        for _ in range(4):
            self.create()

    def step(self) -> None:
        self.random.choice(self.things)()

    def some(self, resource: str) -> int | None:
        key = {"Deliveries": "DeliveryId", "Opportunities": "OpportunityId"}[resource]
        found = [row[key] for row in self.found.rows(resource)]
        return self.random.choice(found) if found else None

    def any(self) -> int | None:
        return self.some(self.random.choice(["Deliveries", "Opportunities"]))

    def create(self) -> None:
        action = self.random.choice(["add_delivery", "add_opportunity"])
        self.found.deal(action, organisation=self.random.choice(self.organisations))

    def convert(self) -> None:
        number = self.some("Opportunities")
        if number is not None:
            self.found.act("win", deal=number)

    def back(self) -> None:
        number = self.some("Deliveries")
        if number is not None:
            self.found.act("reopen", deal=number)

    def edit(self) -> None:
        number = self.any()
        if number is not None:
            self.found.act("edit_deal", deal=number, set={"Number": str(self.random.random())})

    def lines(self) -> None:
        number = self.any()
        if number is None:
            return
        line = {"item": "LAG-1", "quantity": self.random.randrange(1, 9)}
        mine = [
            row["QuotationLineId"]
            for row in self.found.rows("QuotationLines")
            if row["QuotationLineOpportunityId"] == number
        ]
        if mine and self.random.random() < 0.4:
            self.found.act("edit_lines", deal=number, remove=[self.random.choice(mine)])
        else:
            self.found.act("edit_lines", deal=number, add=[line])

    def delete(self) -> None:
        number = self.any()
        if number is not None and self.random.random() < 0.5:
            self.found.act("delete_deal", deal=number)

    def merge(self) -> None:
        if len(self.organisations) > 1 and self.random.random() < 0.3:
            gone = self.organisations.pop()
            self.found.act("merge_organisations", keep=self.organisations[0], remove=gone)

    def wait(self) -> None:
        self.found.clock.advance(self.random.choice([1, 30, 400, 4000]))


class Mirror:
    """What an engine would keep, and what it does once a day with keys and stamps."""

    def __init__(self) -> None:
        self.records: dict[str, Deal] = {}
        self.cursor: bytes | None = None

    def take(self, page: Page) -> None:
        assert page.unread == ()
        self.records |= deals([page])
        self.cursor = page.cursor or self.cursor

    async def sweep(self, found: Rig) -> None:
        present = await stamps(found)
        for gone in set(self.records) - set(present):
            del self.records[gone]
        newer = [k for k, s in present.items() if k not in self.records or self.version(k) != s]
        refs = [ExternalRef(NAME, "deal", key) for key in newer]
        for record in await found.connector.get(refs, DEALS):
            assert isinstance(record, Deal)
            assert record.ref is not None
            self.records[record.ref.id] = record

    def version(self, key: str) -> str | None:
        return self.records[key].version


@pytest.mark.parametrize("seed", range(8))
@BOTH
def test_what_was_read_in_parts_is_what_there_is(seed: int, changes: str) -> None:
    async def story() -> None:
        random = Random(seed)
        found = rig(changes=changes, page_rows=2, lines_every_s=random.choice([0, 3600]))
        people, mirror = People(found, random), Mirror()
        for _ in range(10):
            for _ in range(random.randrange(5)):
                people.step()
            async for page in found.connector.changes_since(DEALS, mirror.cursor):
                mirror.take(page)
                if random.random() < 0.3:
                    people.step()
        found.clock.advance(1)
        async for page in found.connector.changes_since(DEALS, mirror.cursor):
            mirror.take(page)
        await mirror.sweep(found)
        whole = deals(await rig_again(found, changes).read(DEALS))
        assert mirror.records == whole

    run(story())
