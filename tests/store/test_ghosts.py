"""What stands in the mirror for a linked record that a mirror read anew does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.fakes import START, ManualClock
from support.real_pair import CountingIds
from tieout.core.case import RefRole, SlotState
from tieout.core.keys import KeyKind, Slot
from tieout.core.model import Contact, Entity, ExternalRef
from tieout.store import resolving, slots
from tieout.store.database import BlockingRunner, Tx, blocking_engine
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace

REF = ExternalRef("books", "contact", "n2")


@pytest.fixture
def store(database_url: str) -> Iterator[PostgresStore]:
    engine = blocking_engine(database_url)
    clock = ManualClock(START)
    with engine.begin() as connection:
        ensure_workspace("ghosts", "Ghosts", clock.now())(connection)
    yield PostgresStore(BlockingRunner(engine), workspace="ghosts", ids=CountingIds(), clock=clock)
    engine.dispose()


def test_it_is_named_by_its_own_id_although_its_link_does_not_name_it(
    store: PostgresStore,
) -> None:
    slot = Slot(crm_org="org", source_id="p1", company="co", kind=KeyKind.CONTACT)

    def agreed_on_before_it_was_read(tx: Tx) -> int:
        slots.ensure_slot(tx, SlotState(slot=slot, key13=slot.key13), "bridge", "books")
        slots.put_ref(tx, REF, slot.key13, 0, RefRole.CURRENT, "match", tx.now)
        slots.put_link(
            tx,
            slot.key13,
            wanted=Contact(given="Ann"),
            shown=Contact(given="Ann"),
            known=True,
            predicted=None,
            config_version=1,
            now=tx.now,
        )
        tx.run(
            "INSERT INTO cursor (workspace, connection, entity, shape, revision, read_at,"
            " through_at)"
            " VALUES (%(ws)s, 'books', 'contact', '', 1, %(now)s, %(now)s)",
            now=tx.now,
        )
        return resolving.ghosts(tx, "books", [Entity.CONTACT], tx.now)

    assert asyncio.run(store.do(agreed_on_before_it_was_read)) == 1
    seen = asyncio.run(store.mirror("books", Entity.CONTACT, [REF.id]))[REF.id]
    assert seen.gone
    assert seen.record.ref == REF
