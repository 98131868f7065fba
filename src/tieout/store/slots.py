"""Slots with their refs, link and open operation, and who in the books a customer could be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tieout.core.case import (
    Candidate,
    LinkBase,
    OpenOperation,
    OpState,
    RefRole,
    SlotRef,
    SlotState,
)
from tieout.core.keys import KeyKind, Slot
from tieout.core.model import Customer, Entity, ExternalRef
from tieout.store import codec
from tieout.store.database import Overtaken, Tx
from tieout.store.published import wake_for_link
from tieout.storing import CustomerQuery

ENTITY_OF = {
    KeyKind.DOCUMENT: Entity.DOCUMENT,
    KeyKind.CUSTOMER: Entity.CUSTOMER,
    KeyKind.STANDING: Entity.STANDING,
    KeyKind.CREDIT: Entity.DOCUMENT,
    KeyKind.PAYMENT: Entity.PAYMENT,
    KeyKind.ITEM: Entity.ITEM,
    KeyKind.INVOICE: Entity.DOCUMENT,
    KeyKind.VALUES: Entity.VALUES,
    KeyKind.ACCOUNT: Entity.CUSTOMER,
    KeyKind.CONTACT: Entity.CONTACT,
    KeyKind.PERSON: Entity.CONTACT,
}


def slots(tx: Tx, wanted: Sequence[Slot]) -> dict[str, SlotState]:
    """The state of each slot by its 13 characters; one that was never used is empty."""
    keys = {slot.key13: slot for slot in wanted}
    found = load(tx, list(keys))
    # A person may release what was only planned: then there is an approval and no slot yet.
    early = _approvals(tx, [key for key in keys if key not in found])
    return {
        key: found.get(key) or SlotState(slot=slot, key13=key, approved=early.get(key, frozenset()))
        for key, slot in keys.items()
    }


def _approvals(tx: Tx, keys: Sequence[str]) -> dict[str, frozenset[str]]:
    """What was released of each slot, by digest."""
    if not keys:
        return {}
    found: dict[str, set[str]] = {}
    for row in tx.rows(
        "SELECT key13, digest FROM approval WHERE workspace = %(ws)s AND key13 = ANY(%(keys)s)",
        keys=list(keys),
    ):
        found.setdefault(row[0], set()).add(row[1])
    return {key: frozenset(digests) for key, digests in found.items()}


def slots_of_sources(
    tx: Tx, bridge: str, kind: str, source_ids: Sequence[str]
) -> dict[str, list[SlotState]]:
    """All slots of a kind that grew out of these sources, by source, in order of part."""
    rows = tx.rows(
        "SELECT key13, source_id FROM slot WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND kind = %(kind)s AND source_id = ANY(%(ids)s) ORDER BY source_id, part, key13",
        bridge=bridge,
        kind=kind,
        ids=list(source_ids),
    )
    states = load(tx, [row[0] for row in rows])
    found: dict[str, list[SlotState]] = {}
    for key, source in rows:
        found.setdefault(source, []).append(states[key])
    return found


def load(tx: Tx, keys: list[str]) -> dict[str, SlotState]:
    """The slots that are there, by their 13 characters, with all that belongs to them."""
    if not keys:
        return {}
    aliases = _aliases(tx, keys)
    wanted = sorted({*keys, *(slot for pair in aliases for slot in pair)})
    refs: dict[str, list[SlotRef]] = {}
    for row in tx.rows(
        "SELECT key13, connection, entity, id, generation, role, found_by FROM ref"
        " WHERE workspace = %(ws)s AND key13 = ANY(%(keys)s) ORDER BY key13, since, id",
        keys=wanted,
    ):
        refs.setdefault(row[0], []).append(
            SlotRef(
                ref=ExternalRef(row[1], row[2], row[3]),
                generation=row[4],
                role=RefRole(row[5]),
                found_by=row[6],
            )
        )
    operations: dict[str, OpenOperation] = {}
    seqs: dict[str, dict[str, int]] = {}
    for row in tx.rows(
        "SELECT key13, id, state, action, generation, seq, want_digest, net FROM operation"
        " WHERE workspace = %(ws)s AND key13 = ANY(%(keys)s) ORDER BY key13, seq",
        keys=wanted,
    ):
        state = OpState(row[2])
        place = f"{row[3]}:{row[4]}"
        inner = seqs.setdefault(row[0], {})
        inner[place] = max(inner.get(place, 0), row[5] + 1)
        if state in _NOT_FINAL:
            previous = operations.get(row[0])
            if previous is None or previous.state in _WAITING:
                operations[row[0]] = OpenOperation(
                    id=row[1],
                    state=state,
                    action=row[3],
                    generation=row[4],
                    seq=row[5],
                    want_digest=row[6],
                    net=row[7],
                )
    for loser, winner in aliases:
        _share(refs, operations, loser, winner)
    approved: dict[str, set[str]] = {}
    for row in tx.rows(
        "SELECT key13, digest FROM approval WHERE workspace = %(ws)s AND key13 = ANY(%(keys)s)",
        keys=keys,
    ):
        approved.setdefault(row[0], set()).add(row[1])
    found = {}
    for row in tx.rows(
        "SELECT s.key13, s.crm_org, s.source_id, s.company, s.kind, s.part, s.generation,"
        " s.verdict, l.wanted::text, l.shown::text, l.base_known, l.predicted::text,"
        " l.config_version, s.alias_of FROM slot s LEFT JOIN link l ON l.workspace = s.workspace"
        " AND l.key13 = s.key13 WHERE s.workspace = %(ws)s AND s.key13 = ANY(%(keys)s)",
        keys=keys,
    ):
        found[row[0]] = SlotState(
            slot=slot_of(row[1:6]),
            key13=row[0],
            exists=True,
            generation=row[6],
            refs=tuple(refs.get(row[0], ())),
            link=_link(KeyKind(row[4]), row[8:13]),
            operation=operations.get(row[0]),
            verdict=row[7] or "",
            next_seq=seqs.get(row[0], {}),
            approved=frozenset(approved.get(row[0], ())),
            alias_of=row[13] or "",
        )
    return found


def _aliases(tx: Tx, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (alias, its slot) of which one is among these."""
    return [
        (row[0], row[1])
        for row in tx.rows(
            "SELECT key13, alias_of FROM slot WHERE workspace = %(ws)s AND alias_of IS NOT NULL"
            " AND (key13 = ANY(%(keys)s) OR alias_of = ANY(%(keys)s)) ORDER BY key13",
            keys=list(keys),
        )
    ]


def _share(
    refs: dict[str, list[SlotRef]],
    operations: dict[str, OpenOperation],
    loser: str,
    winner: str,
) -> None:
    """An alias stands for its slot's record; what is on its way for one of them is so for both."""
    mine = refs.get(loser, [])
    if not any(ref.role is RefRole.CURRENT for ref in mine):
        theirs = [ref for ref in refs.get(winner, ()) if ref.role is RefRole.CURRENT]
        refs[loser] = [*mine, *theirs]
    for one, other in ((loser, winner), (winner, loser)):
        operation = operations.get(other)
        if operation is not None and operation.state not in _WAITING:
            operations.setdefault(one, operation)


_WAITING = frozenset({OpState.READY, OpState.AWAITING_APPROVAL})
_NOT_FINAL = _WAITING | {OpState.STARTED, OpState.UNKNOWN, OpState.CONFIRMING, OpState.DOUBT}


def slot_of(row: Sequence[Any]) -> Slot:
    """A slot from the columns crm_org, source_id, company, kind, part."""
    return Slot(crm_org=row[0], source_id=row[1], company=row[2], kind=KeyKind(row[3]), part=row[4])


def links(tx: Tx, keys: Sequence[str]) -> dict[str, LinkBase]:
    """The bases of slots, by their 13 characters, of those that have one."""
    found = {}
    for row in tx.rows(
        "SELECT s.key13, s.kind, l.wanted::text, l.shown::text, l.base_known, l.predicted::text,"
        " l.config_version FROM slot s JOIN link l ON l.workspace = s.workspace"
        " AND l.key13 = s.key13 WHERE s.workspace = %(ws)s AND s.key13 = ANY(%(keys)s)",
        keys=list(keys),
    ):
        link = _link(KeyKind(row[1]), row[2:7])
        if link is not None:
            found[row[0]] = link
    return found


def _link(kind: KeyKind, row: Sequence[Any]) -> LinkBase | None:
    wanted, shown, known, predicted, version = row
    if known is None:
        return None
    entity = ENTITY_OF[kind]
    return LinkBase(
        wanted=None if wanted is None else codec.decode_record(entity, wanted),
        shown=None if shown is None else codec.decode_record(entity, shown),
        known=known,
        predicted=None if predicted is None else codec.decode_predicted(predicted),
        config_version=version,
    )


def ensure_slot(tx: Tx, state: SlotState, bridge: str, connection: str) -> None:
    """The slot's row, made on first use. The 13 characters catch a collision before any send."""
    ensure_slots(tx, [state], bridge, connection)


def ensure_slots(tx: Tx, states: Sequence[SlotState], bridge: str, connection: str) -> None:
    """The rows of these slots, made on first use."""
    tx.bulk(
        "INSERT INTO slot (workspace, key13, crm_org, source_id, company, kind, part, connection,"
        " bridge, generation) SELECT %(ws)s, r.key13, r.org, r.source, r.company, r.kind, r.part,"
        " %(connection)s, %(bridge)s, r.generation FROM {rows}"
        " ON CONFLICT (workspace, crm_org, source_id, company, kind, part) DO NOTHING",
        "key13 text, org text, source text, company text, kind text, part integer,"
        " generation integer",
        (
            {
                "key13": state.key13,
                "org": state.slot.crm_org,
                "source": state.slot.source_id,
                "company": state.slot.company,
                "kind": str(state.slot.kind),
                "part": state.slot.part,
                "generation": state.generation,
            }
            for state in states
            if not state.exists
        ),
        connection=connection,
        bridge=bridge,
    )


def lock(tx: Tx, bridge: str, kind: str, source_id: str) -> None:
    """
    The rows of these slots, until the end of the transaction: of two persons who give one answer,
    or of a person and a run, the later one sees what the earlier one did.
    """
    tx.rows(
        "SELECT key13 FROM slot WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " AND kind = %(kind)s AND source_id = %(source)s ORDER BY key13 FOR UPDATE",
        bridge=bridge,
        kind=kind,
        source=source_id,
    )


def put_link(
    tx: Tx,
    key13: str,
    *,
    wanted: object,
    shown: object,
    known: bool,
    predicted: object,
    config_version: int,
    now: datetime,
) -> None:
    """The base: what each side showed when they agreed."""
    tx.run(
        "INSERT INTO link (workspace, key13, wanted, shown, base_known, predicted, config_version,"
        " revision, updated_at) VALUES (%(ws)s, %(key13)s, %(wanted)s, %(shown)s, %(known)s,"
        " %(predicted)s, %(version)s, 1, %(now)s) ON CONFLICT (workspace, key13) DO UPDATE SET"
        " wanted = excluded.wanted, shown = excluded.shown, base_known = excluded.base_known,"
        " predicted = coalesce(excluded.predicted, link.predicted),"
        " config_version = excluded.config_version, revision = link.revision + 1,"
        " updated_at = excluded.updated_at",
        key13=key13,
        wanted=None if wanted is None else codec.encode_text(wanted),
        shown=None if shown is None else codec.encode_text(shown),
        known=known,
        predicted=None if predicted is None else codec.encode_text(predicted),
        version=config_version,
        now=now,
    )


def put_ref(
    tx: Tx,
    ref: ExternalRef,
    key13: str,
    generation: int,
    role: RefRole,
    found_by: str,
    now: datetime,
    evidence: str = "",
) -> str | None:
    """
    A record of a slot. A slot has one current ref; the one before becomes former.

    None when stored; else the 13 characters of the other slot that has this record already. What a
    row of the CRM shows passes to the slot that wrote it last: another company of the bridge, say;
    a person passes to the one who took over from the one that is gone. Raises `Overtaken` where
    another transaction gives the record to a slot at the same moment.
    """
    other = tx.row(
        "SELECT key13, role FROM ref WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s",
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
    )
    # What is not one deal's may be another's.
    free = other is not None and other[1] == RefRole.NOT_OURS and role is RefRole.CURRENT
    if other is not None and other[0] != key13 and not free and not _passes_on(tx, ref, *other):
        return str(other[0])
    if role is RefRole.CURRENT:
        if ref.entity == Entity.CUSTOMER and other is None:
            wake_for_link(tx, ref, key13, now)
        tx.run(
            "UPDATE ref SET role = 'former' WHERE workspace = %(ws)s AND key13 = %(key13)s"
            " AND role = 'current' AND NOT (connection = %(connection)s AND entity = %(entity)s"
            " AND id = %(id)s)",
            key13=key13,
            connection=ref.connection,
            entity=ref.entity,
            id=ref.id,
        )
    stored = tx.run(
        "INSERT INTO ref (workspace, connection, entity, id, key13, generation, role, found_by,"
        " evidence, since) VALUES (%(ws)s, %(connection)s, %(entity)s, %(id)s, %(key13)s,"
        " %(generation)s, %(role)s, %(found_by)s, %(evidence)s, %(now)s)"
        " ON CONFLICT (workspace, connection, entity, id) DO UPDATE SET role = excluded.role,"
        " generation = excluded.generation, key13 = excluded.key13"
        " WHERE ref.key13 IN (excluded.key13, %(before)s)",
        before=key13 if other is None else other[0],
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
        key13=key13,
        generation=generation,
        role=str(role),
        found_by=found_by,
        evidence=evidence,
        now=now,
    )
    if not stored:
        raise Overtaken
    return None


def current_of(tx: Tx, key13: str) -> ExternalRef | None:
    """The record of a slot, where it has one."""
    row = tx.row(
        "SELECT connection, entity, id FROM ref WHERE workspace = %(ws)s AND key13 = %(key13)s"
        " AND role = 'current'",
        key13=key13,
    )
    return None if row is None else ExternalRef(row[0], row[1], row[2])


def live_copies(tx: Tx, key13: str) -> list[str]:
    """Ids of the records that carry a slot's key, are not its record, and are still there."""
    return [
        str(row[0])
        for row in tx.rows(
            "SELECT r.id FROM ref r LEFT JOIN mirror m ON m.workspace = r.workspace"
            " AND m.connection = r.connection AND m.entity = r.entity AND m.id = r.id"
            " WHERE r.workspace = %(ws)s AND r.key13 = %(key13)s AND r.role = 'copy'"
            " AND m.gone_at IS NULL ORDER BY r.id",
            key13=key13,
        )
    ]


def generation_of(tx: Tx, key13: str) -> int:
    """The generation of a slot; 0 of one that was never used."""
    row = tx.row(
        "SELECT generation FROM slot WHERE workspace = %(ws)s AND key13 = %(key13)s", key13=key13
    )
    return int(row[0]) if row else 0


def place_of_other(tx: Tx, ref: ExternalRef, key13: str, source_id: str) -> str | None:
    """
    The slot that has this record already, other than this one of that source; None where none has.
    A person is another's also where it is what somebody on this side was made from.
    """
    row = tx.row(
        "SELECT key13, role FROM ref WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s AND key13 <> %(key13)s AND role <> 'not_ours'",
        connection=ref.connection,
        entity=ref.entity,
        id=ref.id,
        key13=key13,
    )
    if row is not None and not _passes_on(tx, ref, *row):
        return str(row[0])
    if ref.entity != Entity.CONTACT:
        return None
    row = tx.row(
        "SELECT s.key13 FROM slot s JOIN ref r ON r.workspace = s.workspace AND r.key13 = s.key13"
        " AND r.role = 'current' AND r.connection <> %(connection)s AND r.id <> %(source)s"
        " WHERE s.workspace = %(ws)s AND s.source_id = %(id)s AND s.kind = ANY(%(kinds)s)"
        " ORDER BY s.key13",
        connection=ref.connection,
        source=source_id,
        id=ref.id,
        kinds=[KeyKind.CONTACT, KeyKind.PERSON],
    )
    return None if row is None else str(row[0])


def _passes_on(tx: Tx, ref: ExternalRef, key13: str, role: str) -> bool:
    """
    Whether another slot gives this record up: a person whose own half is gone does, and a customer
    of the CRM, which takes over what the books of one company say, then of another.
    """
    if ref.entity == Entity.CUSTOMER:
        # People copy a customer as the template of another account's, and the key comes along.
        return role == RefRole.COPY or _is_account(tx, key13)
    if ref.entity != Entity.CONTACT or role == RefRole.FORMER:
        return ref.entity in (Entity.STANDING, Entity.CONTACT)
    gone = tx.row(
        "SELECT 1 FROM slot s JOIN mirror m ON m.workspace = s.workspace AND m.id = s.source_id"
        " AND m.entity = 'contact' AND m.connection <> %(connection)s WHERE s.workspace = %(ws)s"
        " AND s.key13 = %(key)s AND m.gone_certain",
        connection=ref.connection,
        key=key13,
    )
    return gone is not None


def _is_account(tx: Tx, key13: str) -> bool:
    row = tx.row("SELECT kind FROM slot WHERE workspace = %(ws)s AND key13 = %(key)s", key=key13)
    return row is not None and row[0] == KeyKind.ACCOUNT


def end_generation(tx: Tx, key13: str, reason: str) -> None:
    """The slot's document is dead and its end was recorded: the next one has the next number."""
    tx.run(
        "UPDATE ref SET role = 'former' WHERE workspace = %(ws)s AND key13 = %(key13)s"
        " AND role = 'current'",
        key13=key13,
    )
    tx.run(
        "UPDATE slot SET generation = generation + 1, verdict = NULL WHERE workspace = %(ws)s"
        " AND key13 = %(key13)s",
        key13=key13,
    )
    tx.run(
        "DELETE FROM link WHERE workspace = %(ws)s AND key13 = %(key13)s",
        key13=key13,
    )
    tx.log("slot.generation_ended", key13=key13, reason=reason)


# --- customers in the books --------------------


def candidates(
    tx: Tx, connection: str, queries: Sequence[CustomerQuery]
) -> dict[str, list[Candidate]]:
    """Who in the books each CRM customer could be, by which key, in the order of trust."""
    found: dict[str, list[Candidate]] = {query.source_id: [] for query in queries}
    if not queries:
        return found
    rows = _customers(tx, connection, queries)
    for query in queries:
        seen: set[tuple[str, str]] = set()
        for row, by in _hits(query, rows):
            if (row[0], by) in seen:
                continue
            seen.add((row[0], by))
            record = codec.decode_record(Entity.CUSTOMER, row[1])
            assert isinstance(record, Customer)
            found[query.source_id].append(Candidate(customer=record, by=by, linked_to=row[7] or ""))
    return found


def _customers(tx: Tx, connection: str, queries: Sequence[CustomerQuery]) -> Sequence[Any]:
    def named(attribute: str) -> list[str]:
        return sorted({value for query in queries if (value := getattr(query, attribute))})

    return tx.rows(
        "SELECT m.id, m.record::text, m.org_number, m.vat_number, m.name_folded, m.postcode,"
        " m.carried_key13, r.key13 FROM mirror m LEFT JOIN ref r ON r.workspace = m.workspace"
        " AND r.connection = m.connection AND r.entity = m.entity AND r.id = m.id"
        " AND r.role = 'current' WHERE m.workspace = %(ws)s AND m.connection = %(connection)s"
        " AND m.entity = 'customer' AND m.gone_at IS NULL AND (m.org_number = ANY(%(org)s)"
        " OR m.vat_number = ANY(%(vat)s) OR m.name_folded = ANY(%(name)s)"
        " OR m.carried_key13 = ANY(%(keys)s)) ORDER BY m.id",
        connection=connection,
        org=named("org_number"),
        vat=named("vat_number"),
        name=named("name_folded"),
        keys=named("key13"),
    )


def _hits(query: CustomerQuery, rows: Sequence[Any]) -> list[tuple[Any, str]]:
    hits = []
    for row in rows:
        if row[6] == query.key13 and row[7] in (None, query.key13):
            hits.append((row, "external_id"))
        if (query.org_number and row[2] == query.org_number) or (
            query.vat_number and row[3] == query.vat_number
        ):
            hits.append((row, "tax_number"))
        if (
            query.name_folded
            and row[4] == query.name_folded
            and query.postcode
            and row[5] == query.postcode
            and not (query.org_number and row[2] and row[2] != query.org_number)
        ):
            hits.append((row, "name_postcode"))
    return hits


def released_on(
    tx: Tx, lane: str, customer_ids: Sequence[str], day: date
) -> dict[str, list[tuple[str, str, Decimal]]]:
    """
    What was released on that day, by CRM customer: the slot, the currency, the net. A draft that
    was changed since counts as what the change makes of it, and once.
    """
    found: dict[str, list[tuple[str, str, Decimal]]] = {}
    if not customer_ids:
        return found
    for row in tx.rows(
        "SELECT DISTINCT ON (customer_id, key13) customer_id, key13, currency, net FROM operation"
        " WHERE workspace = %(ws)s AND lane = %(lane)s AND customer_id = ANY(%(ids)s)"
        " AND released_on = %(day)s AND action <> 'void' AND net IS NOT NULL"
        " AND state NOT IN ('awaiting_approval', 'superseded', 'rejected')"
        " ORDER BY customer_id, key13, created_at DESC, id DESC",
        lane=lane,
        ids=list(customer_ids),
        day=day,
    ):
        found.setdefault(row[0], []).append((row[1], row[2], row[3]))
    return found
