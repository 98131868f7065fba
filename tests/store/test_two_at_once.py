"""Two transactions that wait for each other: the server ends one, which is then done again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from support.fakes import START
from tieout.core.case import RefRole, SlotState
from tieout.core.keys import KeyKind, Slot
from tieout.core.model import ExternalRef
from tieout.store import slots
from tieout.store.database import ThreadRunner, Tx, chain_hash, in_workspace
from tieout.store.workspaces import ensure_workspace


def _locks(first: int, second: int, tried: list[int]) -> object:
    def work(conn: Connection) -> int:
        tried.append(first)
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%(n)s)", {"n": first})
        # The other one has its first lock before either asks for its second.
        conn.exec_driver_sql("SELECT pg_sleep(0.5)")
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%(n)s)", {"n": second})
        return first

    return work


def test_what_was_ended_for_another_is_done_again(database_url: str) -> None:
    async def story() -> None:
        runner, tried = ThreadRunner(database_url), []  # type: ignore[var-annotated]
        try:
            done = await asyncio.gather(
                runner.run(_locks(71, 72, tried)),  # type: ignore[arg-type]
                runner.run(_locks(72, 71, tried)),  # type: ignore[arg-type]
            )
        finally:
            await runner.close()
        assert done == [71, 72]
        assert len(tried) > 2, "they did not wait for each other"

    asyncio.run(story())


def test_two_that_end_at_once_are_two_links_of_one_chain(database_url: str) -> None:
    async def story() -> None:
        runner = ThreadRunner(database_url)

        def logged(number: int) -> Callable[[Connection], int]:
            def work(tx: Tx) -> int:
                tx.log("tested", number=number)
                # So that all of them come to their end together.
                tx.run("SELECT pg_sleep(0.05)")
                return number

            return in_workspace("chain", START, "test", work)

        try:
            await runner.run(ensure_workspace("chain", "Chain", START))
            await asyncio.gather(*(runner.run(logged(number)) for number in range(6)))
            found = await runner.run(in_workspace("chain", START, "test", _links))
        finally:
            await runner.close()
        assert [link[0] for link in found] == [1, 2, 3, 4, 5, 6]
        before = found[0][4]
        for seq, at, who, entries, previous, hashed in found:
            assert previous == before
            assert hashed == chain_hash(previous, seq, at, who, entries)
            before = hashed

    asyncio.run(story())


def _links(tx: Tx) -> list[tuple[int, datetime, str, bytes, bytes, bytes]]:
    rows = tx.rows(
        "SELECT seq, at, who, entries, previous, hash FROM activity WHERE workspace = %(ws)s"
        " ORDER BY seq"
    )
    return [(row[0], row[1], row[2], bytes(row[3]), bytes(row[4]), bytes(row[5])) for row in rows]


def test_a_record_that_two_slots_ask_for_at_once_is_the_first_ones(database_url: str) -> None:
    ref = ExternalRef("books", "document", "draft:1")

    def takes(slot: Slot, tried: list[str]) -> Callable[[Connection], str | None]:
        def work(tx: Tx) -> str | None:
            tried.append(slot.key13)
            slots.ensure_slot(tx, SlotState(slot=slot, key13=slot.key13), "bridge", "books")
            tx.run("SELECT pg_sleep(%(wait)s)", wait=0.2 if slot.source_id == "later" else 0)
            other = slots.put_ref(tx, ref, slot.key13, 0, RefRole.CURRENT, "person", START)
            # The one that came first is still under way when the other asks.
            tx.run("SELECT pg_sleep(0.6)")
            return other

        return in_workspace("refs", START, "test", work)

    async def story() -> None:
        runner = ThreadRunner(database_url)
        tried: list[str] = []
        first, later = (
            Slot(crm_org="org", source_id=name, company="co", kind=KeyKind.DOCUMENT)
            for name in ("first", "later")
        )
        try:
            await runner.run(ensure_workspace("refs", "Refs", START))
            found = await asyncio.gather(
                runner.run(takes(first, tried)), runner.run(takes(later, tried))
            )
        finally:
            await runner.close()
        assert found == [None, first.key13]
        assert tried.count(later.key13) == 2, "they did not come at one time"

    asyncio.run(story())
