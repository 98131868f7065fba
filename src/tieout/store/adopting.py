"""
What carries our keys and is not linked, and what became of linked records that were merged.

A carrier is linked or given a role whatever its deal says: after a restore, on a new installation,
or when a person copied a draft (docs/explanation/once-only.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tieout.core.case import RefRole, SlotState
from tieout.core.compare import document_content
from tieout.core.keys import KeyKind, Slot
from tieout.core.model import Document, Entity, ExternalRef, Record
from tieout.store import codec, growing
from tieout.store import pages as page_store
from tieout.store import slots as slot_store
from tieout.store.cases import open_exception
from tieout.store.credits import IS_DEAD, is_dead
from tieout.store.database import Tx
from tieout.store.doubt_words import words_of
from tieout.store.lineage import another_sale
from tieout.store.people import is_gone
from tieout.store.said import end_of_chain
from tieout.storing import FanOut, LooseCarrier, MirrorRow

_FLOWS = {  # By kind of slot.
    **{KeyKind.DOCUMENT: "documents", KeyKind.CUSTOMER: "customers", KeyKind.ITEM: "items"},
    **{KeyKind.INVOICE: "invoices", KeyKind.ACCOUNT: "accounts"},
    **{KeyKind.CONTACT: "contacts", KeyKind.PERSON: "persons"},
}
_DEAD = ["cancelled", "credited"]


def loose_carriers(tx: Tx, connection: str) -> list[LooseCarrier]:
    """Records over there that carry a key of ours and are no current, copied or refused one."""
    return [
        LooseCarrier(
            key=row[0],
            record=codec.decode_record(row[1], row[2]),
            role=RefRole(row[3]) if row[3] else None,
        )
        for row in tx.rows(
            "SELECT m.carried_key, m.entity, m.record::text, r.role FROM mirror m"
            " LEFT JOIN ref r ON r.workspace = m.workspace AND r.connection = m.connection"
            " AND r.entity = m.entity AND r.id = m.id WHERE m.workspace = %(ws)s"
            " AND m.connection = %(connection)s AND m.carried_key13 IS NOT NULL"
            " AND m.gone_at IS NULL AND (r.id IS NULL OR (r.role = 'former'"
            f" AND m.entity = 'document' AND NOT {IS_DEAD}))"
            f" AND {growing.OF_NO_ORDER}"
            " ORDER BY m.carried_key DESC, m.entity, (m.kind = 'order') IS NOT TRUE, m.id",
            connection=connection,
        )
    ]


def slots_by_key(tx: Tx, keys: Sequence[str]) -> dict[str, SlotState]:
    """The slots that are known by these 13 characters."""
    return slot_store.load(tx, list(keys))


def known_sources(tx: Tx, crm: str) -> list[tuple[str, str, int]]:
    """Every deal and customer of the CRM that was ever read: (entity, id, billing steps)."""
    return [
        (row[0], row[1], row[2])
        for row in tx.rows(
            "SELECT entity, id, CASE WHEN entity = 'deal' AND"
            " jsonb_typeof(record->'schedule') = 'array' THEN"
            " jsonb_array_length(record->'schedule') ELSE 0 END FROM mirror"
            " WHERE workspace = %(ws)s AND connection = %(crm)s AND entity IN ('deal', 'customer')"
            " ORDER BY entity, id",
            crm=crm,
        )
    ]


def lane_of(bridge: str, slot: Slot, connection: str) -> str:
    """The lane that decides about a slot."""
    return f"{bridge}/{_FLOWS[slot.kind]}/{connection}"


def link_found(
    tx: Tx,
    bridge: str,
    state: SlotState,
    ref: ExternalRef,
    generation: int,
    record: Record,
    fan_out: Sequence[FanOut],
    now: datetime,
    found_by: str = "key",
) -> bool:
    """
    The record is the slot's from now on, and all that it concerns is decided; False where it is
    another slot's already. Its base is known where it is what we sent, else it is neither
    overwritten nor voided before both sides show the same. ``found_by`` 'adopted': a person said
    so of one that we never sent.
    """
    slot_store.ensure_slot(tx, state, bridge, ref.connection)
    if slot_store.put_ref(tx, ref, state.key13, generation, RefRole.CURRENT, found_by, now):
        return False
    _raise_generation(tx, state.key13, generation)
    sent = _sent_as(tx, state.key13, generation, record)
    slot_store.put_link(
        tx,
        state.key13,
        wanted=sent,
        shown=record,
        known=sent is not None,
        predicted=None,
        config_version=0,
        now=now,
    )
    supersede_waiting(tx, state.key13, now)
    tx.log("link.adopted", key13=state.key13, ref=str(ref), generation=generation, by=found_by)
    _concerned(tx, bridge, state.slot, ref, fan_out, now)
    return True


def follow_to(
    tx: Tx,
    bridge: str,
    state: SlotState,
    ref: ExternalRef,
    generation: int,
    booked: bool,
    fan_out: Sequence[FanOut],
    now: datetime,
) -> bool:
    """
    The slot's record is gone and this one stands in its place: the link follows, its base is kept.
    False where it is another sale, by customer and amount.

    A draft in place of a deleted one came late or is a copy: a person is told.
    """
    seen = page_store.mirror(tx, ref.connection, Entity(ref.entity), [ref.id]).get(ref.id)
    if seen is not None and another_sale(tx, state.key13, seen.record):
        return False
    if slot_store.put_ref(tx, ref, state.key13, generation, RefRole.CURRENT, "key", now):
        return True
    _raise_generation(tx, state.key13, generation)
    tx.log("ref.moved", key13=state.key13, new=str(ref), by="key")
    if not booked and state.slot.kind is KeyKind.DOCUMENT:
        open_exception(
            tx,
            bridge=bridge,
            lane=lane_of(bridge, state.slot, ref.connection),
            source_id=state.slot.source_id,
            key13=state.key13,
            code="found_after_deletion",
            message=f"Its document was deleted, and another one carries its key: {ref.id}.",
            hint="Finance keeps it or deletes it.",
            details={},
            candidates=[ref],
            amount=None,
            currency="",
            now=now,
        )
    _concerned(tx, bridge, state.slot, ref, fan_out, now)
    return True


def mark_copy(
    tx: Tx,
    bridge: str,
    state: SlotState,
    ref: ExternalRef,
    generation: int,
    live: bool,
    now: datetime,
) -> None:
    """
    It carries a key of the slot and is not its record: kept out of everything, and shown once.

    A dead one is only remembered.
    """
    role = RefRole.COPY if live else RefRole.FORMER
    slot_store.ensure_slot(tx, state, bridge, ref.connection)
    slot_store.put_ref(tx, ref, state.key13, generation, role, "key", now)
    _raise_generation(tx, state.key13, generation)
    if not live:
        return
    current = state.current
    old = generation < (state.generation if current is None else current.generation)
    code = "old_generation_alive" if old else "two_carriers"
    told = words_of(state.slot.kind)
    words = f"{told.one} that was thought to be gone is there" if old else told.carriers
    refs = [ref] if current is None or old else [current.ref, ref]
    if not old:
        before = slot_store.live_copies(tx, state.key13)
        refs += [ExternalRef(ref.connection, ref.entity, one) for one in before if one != ref.id]
    open_exception(
        tx,
        bridge=bridge,
        lane=lane_of(bridge, state.slot, ref.connection),
        source_id=state.slot.source_id,
        key13=state.key13,
        code=code,
        message=f"{words}: {', '.join(one.id for one in refs)}.",
        hint="Name the one that counts, or delete the copy: tieout exceptions show.",
        details={},
        candidates=refs,
        amount=None,
        currency="",
        now=now,
    )
    _due(tx, bridge, state.slot, ref.connection, now)


def _raise_generation(tx: Tx, key13: str, generation: int) -> None:
    """A number that somebody has seen is never given out again."""
    tx.run(
        "UPDATE slot SET generation = %(g)s WHERE workspace = %(ws)s AND key13 = %(key)s"
        " AND generation < %(g)s",
        g=generation,
        key=key13,
    )


def supersede_waiting(tx: Tx, key13: str, now: datetime) -> None:
    """Writes of that place which nobody sends any more; never one with an attempt under way."""
    ended = tx.rows(
        "UPDATE operation SET state = 'superseded', detail = 'found', updated_at = %(now)s"
        " WHERE workspace = %(ws)s AND key13 = %(key)s AND state IN ('ready', 'awaiting_approval')"
        " AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.workspace = %(ws)s"
        " AND a.operation = operation.id AND a.result = 'open') RETURNING id",
        key=key13,
        now=now,
    )
    if ended:
        tx.log("operations.superseded", operations=sorted(row[0] for row in ended))


def _sent_as(tx: Tx, key13: str, generation: int, record: Record) -> Record | None:
    """What we sent, if a record shows exactly that."""
    if not isinstance(record, Document):
        return None
    content = document_content(record)
    for row in tx.rows(
        "SELECT p.change FROM operation o JOIN payload p ON p.workspace = o.workspace"
        " AND p.operation = o.id WHERE o.workspace = %(ws)s AND o.key13 = %(key)s"
        " AND o.generation = %(g)s AND o.action IN ('create', 'update') ORDER BY o.seq DESC, o.id",
        key=key13,
        g=generation,
    ):
        wanted = codec.decode_change(bytes(row[0])).wanted
        sent = wanted.record if wanted else None
        if isinstance(sent, Document):
            mine = document_content(sent)
            if mine["lines"] == content["lines"] and mine["customer"] in (
                None,
                content["customer"],
            ):
                return sent
    return None


def _due(tx: Tx, bridge: str, slot: Slot, connection: str, now: datetime) -> None:
    page_store.make_due(tx, lane_of(bridge, slot, connection), [slot.source_id], now)
    if slot.kind is KeyKind.DOCUMENT:
        page_store.make_due(tx, f"{bridge}/status/{connection}", [slot.source_id], now)


def _concerned(
    tx: Tx,
    bridge: str,
    slot: Slot,
    ref: ExternalRef,
    fan_out: Sequence[FanOut],
    now: datetime,
) -> None:
    """Its own lane, and every other that shows something of the record: status, balances."""
    _due(tx, bridge, slot, ref.connection, now)
    others = [rule for rule in fan_out if rule.source != "parked"]
    page_store.fan_out(tx, ref.connection, Entity(ref.entity), [ref.id], others, now)


# --- documents that wait for their customer --------------------


def wake_orphans(tx: Tx, bridge: str, now: datetime) -> int:
    """
    Writes that wait for a customer which nobody is making any more (its create came to nothing)
    are decided anew, with the customer that they need. How many.
    """
    rows = tx.rows(
        "SELECT o.lane, o.source_id FROM operation o JOIN slot s ON s.workspace = o.workspace"
        " AND s.key13 = o.depends_on WHERE o.workspace = %(ws)s AND o.bridge = %(bridge)s"
        " AND o.state IN ('ready', 'awaiting_approval') AND o.depends_on IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM ref r WHERE r.workspace = o.workspace"
        " AND r.key13 = o.depends_on AND r.role = 'current')"
        " AND NOT EXISTS (SELECT 1 FROM operation c WHERE c.workspace = o.workspace"
        " AND c.key13 = o.depends_on AND c.state IN ('ready', 'awaiting_approval', 'started',"
        " 'unknown', 'confirming', 'doubt'))"
        " AND NOT EXISTS (SELECT 1 FROM due d WHERE d.workspace = o.workspace"
        " AND d.lane = replace(o.lane, '/documents/', '/customers/')"
        " AND d.source_id = s.source_id AND d.parked = 'hold'"
        " AND (d.not_before IS NULL OR d.not_before > %(now)s)) ORDER BY o.lane, o.source_id",
        bridge=bridge,
        now=now,
    )
    # A person has assigned what a restore left open: the deals that waited for it go on.
    rows = [
        *rows,
        *tx.rows(
            "SELECT e.lane, e.source_id FROM exception_case e WHERE e.workspace = %(ws)s"
            " AND e.bridge = %(bridge)s AND e.code = 'unassigned_documents'"
            " AND e.closed_at IS NULL AND NOT EXISTS (SELECT 1 FROM exception_case a"
            " WHERE a.workspace = e.workspace AND a.bridge = e.bridge"
            " AND a.code = 'assign_documents' AND a.closed_at IS NULL)"
            " ORDER BY e.lane, e.source_id",
            bridge=bridge,
        ),
    ]
    page_store.make_all_due(tx, [(row[0], row[1]) for row in rows], now)
    return len(rows)


# --- exceptions that went by themselves --------------------


def close_settled(tx: Tx, bridge: str, now: datetime) -> int:
    """
    Copies that are gone close their exception; a doubt of which a candidate is gone is looked
    into again. How many changed.
    """
    rows = tx.rows(
        "UPDATE exception_case e SET closed_at = %(now)s, closed_by = 'tieout',"
        " closed_reason = 'the other one is gone' WHERE e.workspace = %(ws)s"
        " AND e.bridge = %(bridge)s AND e.closed_at IS NULL"
        " AND e.code IN ('two_carriers', 'old_generation_alive') AND e.key13 IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.workspace = e.workspace"
        " AND o.key13 = e.key13 AND o.state = 'doubt')"
        " AND NOT EXISTS (SELECT 1 FROM ref r JOIN mirror m ON m.workspace = r.workspace"
        " AND m.connection = r.connection AND m.entity = r.entity AND m.id = r.id"
        " WHERE r.workspace = e.workspace AND r.key13 = e.key13 AND r.role = 'copy'"
        f" AND m.gone_at IS NULL AND NOT {IS_DEAD}) RETURNING e.number, e.code",
        bridge=bridge,
        now=now,
    )
    rows = [*rows, *_close_kept(tx, bridge, now), *_close_merged(tx, bridge, now)]
    for row in rows:
        tx.log("exception.closed", number=int(row[0]), code=row[1])
    return len(rows) + _reopen_doubts(tx, bridge, now)


def _close_kept(tx: Tx, bridge: str, now: datetime) -> Sequence[Any]:
    """
    A draft that stands where another one was deleted is shown until finance booked or deleted it,
    or the place has another document.
    """
    return tx.rows(
        "UPDATE exception_case e SET closed_at = %(now)s, closed_by = 'tieout',"
        " closed_reason = 'booked, deleted or replaced' WHERE e.workspace = %(ws)s"
        " AND e.bridge = %(bridge)s AND e.closed_at IS NULL AND e.code = 'found_after_deletion'"
        " AND NOT EXISTS (SELECT 1 FROM ref r JOIN mirror m ON m.workspace = r.workspace"
        " AND m.connection = r.connection AND m.entity = r.entity AND m.id = r.id"
        " WHERE r.workspace = e.workspace AND r.key13 = e.key13 AND r.role = 'current'"
        " AND e.candidates @> to_jsonb(r.connection || ':' || r.entity || ':' || r.id)"
        " AND m.kind IN ('draft', 'order') AND m.gone_at IS NULL"
        " AND NOT (m.status = ANY(%(dead)s))) RETURNING e.number, e.code",
        bridge=bridge,
        now=now,
        dead=_DEAD,
    )


def _close_merged(tx: Tx, bridge: str, now: datetime) -> Sequence[Any]:
    """Two customers of one account are shown until finance took one of them out of use."""
    return tx.rows(
        "UPDATE exception_case e SET closed_at = %(now)s, closed_by = 'tieout',"
        " closed_reason = 'the other one is gone' WHERE e.workspace = %(ws)s"
        " AND e.bridge = %(bridge)s AND e.closed_at IS NULL AND e.code = 'accounts_merged'"
        " AND (SELECT count(*) FROM jsonb_array_elements_text(e.candidates) c JOIN mirror m"
        " ON m.workspace = e.workspace AND m.connection = split_part(c, ':', 1)"
        " AND m.entity = split_part(c, ':', 2) AND m.id = split_part(c, ':', 3)"
        " WHERE m.gone_at IS NULL AND m.status <> 'inactive') < 2 RETURNING e.number, e.code",
        bridge=bridge,
        now=now,
    )


def _reopen_doubts(tx: Tx, bridge: str, now: datetime) -> int:
    """
    Of which a candidate is gone, or died since it was asked about. What was dead by then is a
    candidate all the same: a look would find it again, for ever.
    """
    changed = 0
    for row in tx.rows(
        "SELECT e.number, e.candidates::text, o.id, coalesce(e.details->'dead', '[]')::text"
        " FROM exception_case e JOIN operation o"
        " ON o.workspace = e.workspace AND o.key13 = e.key13 AND o.state = 'doubt'"
        " WHERE e.workspace = %(ws)s AND e.bridge = %(bridge)s AND e.closed_at IS NULL"
        " AND e.code IN ('two_carriers', 'near_hit') ORDER BY e.number",
        bridge=bridge,
    ):
        refs = [parse_ref(text) for text in codec.decode_loose(row[1])]
        dead = codec.decode_loose(row[3])
        if not any(is_gone(tx, ref) or (is_dead(tx, ref) and str(ref) not in dead) for ref in refs):
            continue
        changed += 1
        tx.run(
            "UPDATE exception_case SET closed_at = %(now)s, closed_by = 'tieout',"
            " closed_reason = 'one of them is gone' WHERE workspace = %(ws)s"
            " AND number = %(number)s",
            number=row[0],
            now=now,
        )
        tx.run(
            "UPDATE operation SET state = 'unknown', detail = 'candidate_gone',"
            " next_look_at = %(now)s, looks = looks + 1, first_hit_at = NULL,"
            " first_absence_at = NULL, updated_at = %(now)s WHERE workspace = %(ws)s"
            " AND id = %(id)s AND state = 'doubt'",
            id=row[2],
            now=now,
        )
        tx.log("operation.unknown", operation=row[2], reason="candidate_gone")
    return changed


def parse_ref(text: str) -> ExternalRef:
    """The ref that str() made this text of."""
    connection, entity, row_id = text.split(":", 2)
    return ExternalRef(connection, entity, row_id)


# --- merges --------------------


def merged_customers(tx: Tx, connection: str) -> list[tuple[ExternalRef, ExternalRef]]:
    """Linked customers that were merged into another one: (old, the one at the chain's end)."""
    found = []
    for row in tx.rows(
        "SELECT m.id, m.merged_into FROM mirror m JOIN ref r ON r.workspace = m.workspace"
        " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id"
        " AND r.role = 'current' WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
        " AND m.entity = 'customer' AND m.gone_at IS NOT NULL AND m.merged_into IS NOT NULL"
        " ORDER BY m.id",
        connection=connection,
    ):
        winner = end_of_chain(tx, connection, row[1])
        if winner != row[0]:
            found.append(
                (
                    ExternalRef(connection, "customer", row[0]),
                    ExternalRef(connection, "customer", winner),
                )
            )
    return found


def merge_refs(tx: Tx, bridge: str, old: ExternalRef, winner: MirrorRow, now: datetime) -> None:
    """
    Two customers of the books became one. The link follows; where the winner is linked to another
    CRM customer already, this one's slot becomes an alias of that one's.
    """
    page_store.upsert(tx, [winner], now)
    place = tx.row(
        "SELECT r.key13, r.generation, s.source_id FROM ref r JOIN slot s"
        " ON s.workspace = r.workspace AND s.key13 = r.key13 WHERE r.workspace = %(ws)s"
        " AND r.connection = %(connection)s AND r.entity = 'customer' AND r.id = %(id)s"
        " AND r.role = 'current'",
        connection=old.connection,
        id=old.id,
    )
    if place is None:
        return
    other = slot_store.put_ref(
        tx, winner.ref, place[0], place[1], RefRole.CURRENT, "conversion", now
    )
    sources = [place[2]]
    if other is not None:
        tx.run(
            "UPDATE ref SET role = 'former' WHERE workspace = %(ws)s AND key13 = %(key)s"
            " AND role = 'current'",
            key=place[0],
        )
        _set_alias(tx, place[0], other)
    tx.log("customers.merged", old=str(old), new=str(winner.ref), key13=place[0])
    _rename_in_links(tx, old, winner.ref)
    _plan_deals_again(tx, bridge, old.connection, sources, now)


def _set_alias(tx: Tx, key13: str, alias_of: str) -> None:
    if key13 != alias_of:
        tx.run(
            "UPDATE slot SET alias_of = %(other)s WHERE workspace = %(ws)s AND key13 = %(key)s",
            other=alias_of,
            key=key13,
        )
        tx.run(
            "UPDATE slot SET alias_of = %(other)s WHERE workspace = %(ws)s"
            " AND alias_of = %(key)s AND key13 <> %(other)s",
            other=alias_of,
            key=key13,
        )
        tx.log("slot.alias", key13=key13, alias_of=alias_of)


def _rename_in_links(tx: Tx, old: ExternalRef, new: ExternalRef) -> None:
    """The books put the winner's name on every document: no edit of a person's."""
    for column in ("wanted", "shown"):
        tx.run(
            f"UPDATE link SET {column} = jsonb_set({column}, '{{customer}}', %(new)s::jsonb)"
            f" WHERE workspace = %(ws)s AND {column}->'customer'->>'id' = %(id)s"
            f" AND {column}->'customer'->>'connection' = %(connection)s",
            new=codec.encode_text(new),
            id=old.id,
            connection=old.connection,
        )


def _plan_deals_again(
    tx: Tx, bridge: str, connection: str, customers: Sequence[str], now: datetime
) -> None:
    """Deals of these CRM customers, and what waits to be sent for them, are decided anew."""
    lane = f"{bridge}/documents/{connection}"
    ended = tx.rows(
        "UPDATE operation SET state = 'superseded', detail = 'customer_merged',"
        " updated_at = %(now)s WHERE workspace = %(ws)s AND lane = %(lane)s"
        " AND customer_id = ANY(%(ids)s) AND state IN ('ready', 'awaiting_approval')"
        " AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.workspace = %(ws)s"
        " AND a.operation = operation.id AND a.result = 'open') RETURNING id",
        lane=lane,
        ids=list(customers),
        now=now,
    )
    if ended:
        tx.log("operations.superseded", operations=sorted(row[0] for row in ended))
    sources = tx.rows(
        "SELECT DISTINCT source_id FROM outcome WHERE workspace = %(ws)s AND lane = %(lane)s"
        " AND customer_id = ANY(%(ids)s) ORDER BY source_id",
        lane=lane,
        ids=list(customers),
    )
    page_store.make_due(tx, lane, [row[0] for row in sources], now)
    page_store.make_due(tx, f"{bridge}/customers/{connection}", list(customers), now)


def alias_merged(
    tx: Tx, bridge: str, crm: str, fan_out: Mapping[str, Sequence[FanOut]], now: datetime
) -> int:
    """
    CRM customers that were merged: the loser's slot becomes an alias of the winner's, and the
    winner takes over the customer in the books where it has none. How many slots moved.

    ``fan_out``: by connection of the books, who becomes due when one of its customers changes; for
    what the winner shows, taking one over is a change.
    """
    changed = 0
    for row in tx.rows(
        "SELECT s.key13, s.crm_org, s.source_id, s.company, s.kind, s.part, s.connection,"
        " m.merged_into FROM mirror m JOIN slot s ON s.workspace = m.workspace AND s.kind = 'C'"
        " AND s.source_id = m.id AND s.bridge = %(bridge)s WHERE m.workspace = %(ws)s"
        " AND m.connection = %(crm)s AND m.entity = 'customer' AND m.gone_at IS NOT NULL"
        " AND m.merged_into IS NOT NULL AND (s.alias_of IS NULL OR EXISTS (SELECT 1 FROM ref r"
        " WHERE r.workspace = s.workspace AND r.key13 = s.key13 AND r.role = 'current'))"
        " ORDER BY s.key13",
        bridge=bridge,
        crm=crm,
    ):
        changed += _alias_one(tx, bridge, crm, row, fan_out, now)
    return changed


def _alias_one(
    tx: Tx,
    bridge: str,
    crm: str,
    row: Sequence[Any],
    fan_out: Mapping[str, Sequence[FanOut]],
    now: datetime,
) -> int:
    loser = slot_store.slot_of(row[1:6])
    winner_id = end_of_chain(tx, crm, row[7])
    winner = Slot(
        crm_org=loser.crm_org,
        source_id=winner_id,
        company=loser.company,
        kind=loser.kind,
        part=loser.part,
    )
    if winner.key13 == row[0]:
        return 0
    states = slot_store.slots(tx, [winner])
    state = states[winner.key13]
    slot_store.ensure_slot(tx, state, bridge, row[6])
    _set_alias(tx, row[0], winner.key13)
    busy = tx.row(
        "SELECT 1 FROM operation WHERE workspace = %(ws)s AND key13 = ANY(%(keys)s)"
        " AND state IN ('started', 'unknown', 'confirming', 'doubt')",
        keys=[row[0], winner.key13],
    )
    if busy is not None:
        return 0
    own = [ref for ref in state.refs if ref.role is RefRole.CURRENT]
    if own:
        return _both_linked(tx, bridge, row, winner, fan_out, now)
    taken = tx.rows(
        "UPDATE ref SET key13 = %(winner)s WHERE workspace = %(ws)s AND key13 = %(loser)s"
        " AND role = 'current' RETURNING connection, id",
        winner=winner.key13,
        loser=row[0],
    )
    tx.run(
        "UPDATE link SET key13 = %(winner)s WHERE workspace = %(ws)s AND key13 = %(loser)s",
        winner=winner.key13,
        loser=row[0],
    )
    supersede_waiting(tx, row[0], now)
    supersede_waiting(tx, winner.key13, now)
    _plan_deals_again(tx, bridge, row[6], [loser.source_id, winner_id], now)
    for connection, customer in taken:
        rules = fan_out.get(connection, ())
        page_store.fan_out(tx, connection, Entity.CUSTOMER, [customer], rules, now)
    return 1


def _both_linked(
    tx: Tx,
    bridge: str,
    row: Sequence[Any],
    winner: Slot,
    fan_out: Mapping[str, Sequence[FanOut]],
    now: datetime,
) -> int:
    """Two customers in the books for one account: a person merges them there or leaves them."""
    refs = [
        ExternalRef(found[0], found[1], found[2])
        for found in tx.rows(
            "SELECT connection, entity, id FROM ref WHERE workspace = %(ws)s"
            " AND key13 = ANY(%(keys)s) AND role = 'current' ORDER BY id",
            keys=[row[0], winner.key13],
        )
    ]
    tx.run(
        "UPDATE ref SET role = 'copy' WHERE workspace = %(ws)s AND key13 = %(key)s"
        " AND role = 'current'",
        key=row[0],
    )
    open_exception(
        tx,
        bridge=bridge,
        lane=f"{bridge}/customers/{row[6]}",
        source_id=winner.source_id,
        key13=winner.key13,
        code="accounts_merged",
        message="Two accounts became one, and each has a customer in the books: "
        f"{', '.join(ref.id for ref in refs)}.",
        hint="Merge the two customers in the books as well.",
        details={},
        candidates=refs,
        amount=None,
        currency="",
        now=now,
        severity="warning",
    )
    _plan_deals_again(tx, bridge, row[6], [row[2], winner.source_id], now)
    # The account owes what is open of both from now on.
    for ref in refs:
        rules = fan_out.get(ref.connection, ())
        page_store.fan_out(tx, ref.connection, Entity.CUSTOMER, [ref.id], rules, now)
    return 1
