"""What an applied write leaves behind: the link, its base, and the total that was promised."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime

from tieout.core.case import LinkBase, RefRole
from tieout.core.change import Action, Change, Predicted
from tieout.core.contacts import FIELDS
from tieout.core.decide_customer import BACK
from tieout.core.keys import KeyKind
from tieout.core.model import Contact, Customer, Document, Entity, ExternalRef, Record
from tieout.core.predict import fits
from tieout.core.resolve import UNSET
from tieout.core.safeguards import Safeguards
from tieout.store import growing
from tieout.store import pages as page_store
from tieout.store import slots as slot_store
from tieout.store.cases import open_exception
from tieout.store.database import Tx
from tieout.store.doubt_words import words_of
from tieout.store.freeing import free_source
from tieout.store.operations import open_attempts, set_state
from tieout.storing import ReadyOperation


def second_carrier(
    tx: Tx, bridge: str, op: ReadyOperation, refs: Sequence[ExternalRef], now: datetime
) -> None:
    """Two records carry the key of one place: a person says which is which; nothing is changed."""
    named = ", ".join(ref.id for ref in refs)
    message = f"{words_of(op.slot.kind).carriers}: {named}."
    hint = "Name the one that counts, or delete the copy: tieout exceptions show."
    _ask_which(tx, bridge, op, refs, message, hint, now)


def _of_another_slot(
    tx: Tx, bridge: str, op: ReadyOperation, ref: ExternalRef, now: datetime
) -> None:
    """What an answer or a look named for this place is another one's: a person says what it is."""
    words = words_of(op.slot.kind)
    message = f"A write came to {words.record} {ref.id}, which is that of another {words.source}."
    hint = "Say that it is not this one: it is looked up once more before anything is sent."
    _ask_which(tx, bridge, op, [ref], message, hint, now)
    set_state(tx, op.id, "doubt", "ref_of_another_slot", now)


def _ask_which(
    tx: Tx,
    bridge: str,
    op: ReadyOperation,
    refs: Sequence[ExternalRef],
    message: str,
    hint: str,
    now: datetime,
) -> None:
    open_exception(
        tx,
        bridge=bridge,
        lane=op.lane,
        source_id=op.source_id,
        key13=op.key13,
        code="two_carriers",
        message=message,
        hint=hint,
        details={"key": op.change.key},
        candidates=list(refs),
        amount=None,
        currency="",
        now=now,
    )


def link_applied(
    tx: Tx,
    bridge: str,
    op: ReadyOperation,
    ref: ExternalRef,
    *,
    shown: Record | None,
    predicted: Predicted | None,
    found_by: str,
    now: datetime,
    rules: Safeguards,
    generation: int | None = None,
    base_known: bool = True,
) -> None:
    """The operation took effect: ref, base as the books echo it, state; the source may go on."""
    number = op.generation if generation is None else generation
    if named_otherwise(tx, op):
        _left_to_the_named(tx, op, now)
        return
    named = _named_meanwhile(tx, op, ref)
    if named is not None:
        slot_store.put_ref(tx, ref, op.key13, number, RefRole.COPY, found_by, now)
        second_carrier(tx, bridge, op, [named, ref], now)
        _left_to_the_named(tx, op, now)
        return
    if op.change.action is Action.VOID:
        _voided(tx, op, now)
    else:
        if number != op.generation:
            tx.run(
                "UPDATE slot SET generation = %(g)s WHERE workspace = %(ws)s AND key13 = %(key)s"
                " AND generation < %(g)s",
                g=number,
                key=op.key13,
            )
        other = slot_store.put_ref(tx, ref, op.key13, number, RefRole.CURRENT, found_by, now)
        if other is not None and not _of_another_company(tx, op, ref, other):
            _of_another_slot(tx, bridge, op, ref, now)
            return
        target = op.change.target
        if op.change.action is Action.CONVERT:
            # The answer may say only that it was done.
            shown = shown or op.change.base
            if target is not None and target != ref:
                growing.became(tx, target, ref, now)
        before = bases_before(tx, [op]).get(op.key13)
        mine, theirs = agreed_on(op, shown, before, found_by)
        slot_store.put_link(
            tx,
            op.key13,
            wanted=mine,
            shown=theirs,
            known=base_known and (found_by == "answer" or not _owned_whole(op.change)),
            predicted=predicted,
            config_version=op.config_version,
            now=now,
        )
        check_total(tx, bridge, op, shown, predicted, now)
    remaining = open_attempts(tx, op.id)
    confirm = remaining and rules.confirming and op.change.action is Action.CREATE
    if confirm:
        _confirming(tx, op, found_by, now)
    else:
        tx.run(
            "UPDATE attempt SET result = 'effect_seen', answered_at = %(now)s"
            " WHERE workspace = %(ws)s AND operation = %(id)s AND result = 'open'",
            id=op.id,
            now=now,
        )
        set_state(tx, op.id, "applied", found_by, now)
    free_source(tx, op, now)


def _owned_whole(change: Change) -> bool:
    """
    Whether the books own all that is shown of it: what a look found in the CRM may have been
    written over since, and is not how the CRM took what we wrote.
    """
    return change.key[13] in (KeyKind.ITEM, KeyKind.INVOICE)


def named_otherwise(tx: Tx, op: ReadyOperation) -> bool:
    """
    Whether a person said meanwhile that the record to which this write went is not the place's: a
    copy, or not ours. What came of the write does not undo that word.
    """
    target = op.change.target
    if target is None or op.change.action is Action.CREATE:
        return False
    row = tx.row(
        "SELECT role FROM ref WHERE workspace = %(ws)s AND connection = %(connection)s"
        " AND entity = %(entity)s AND id = %(id)s AND key13 = %(key)s",
        connection=target.connection,
        entity=target.entity,
        id=target.id,
        key=op.key13,
    )
    return row is not None and row[0] in (RefRole.COPY, RefRole.NOT_OURS)


def _named_meanwhile(tx: Tx, op: ReadyOperation, ref: ExternalRef) -> ExternalRef | None:
    """
    Another record that a person named as the place's while our create was on its way. It stays the
    place's; that there are two now is for a person to see.
    """
    if op.change.action is not Action.CREATE or op.change.entity is not Entity.DOCUMENT:
        return None
    row = tx.row(
        "SELECT connection, entity, id FROM ref WHERE workspace = %(ws)s AND key13 = %(key)s"
        " AND role = 'current' AND found_by IN ('person', 'adopted')",
        key=op.key13,
    )
    found = None if row is None else ExternalRef(row[0], row[1], row[2])
    return None if found == ref else found


def _left_to_the_named(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    """The write is over; the place is decided anew, with the record that the person named."""
    tx.run(
        "UPDATE attempt SET result = 'effect_seen', answered_at = %(now)s WHERE workspace = %(ws)s"
        " AND operation = %(id)s AND result = 'open'",
        id=op.id,
        now=now,
    )
    set_state(tx, op.id, "superseded", "named_otherwise", now)
    page_store.make_due(tx, op.lane, [op.source_id], now)
    free_source(tx, op, now)


def _of_another_company(tx: Tx, op: ReadyOperation, ref: ExternalRef, other: str) -> bool:
    """
    Whether a person's row, which this write named, is that of another company's books: it stays
    theirs, and the write is done.
    """
    change = op.change
    if change.entity is not Entity.CONTACT or change.target != ref:
        return False
    found = tx.row(
        "SELECT count(DISTINCT company) FROM slot WHERE workspace = %(ws)s"
        " AND key13 = ANY(%(keys)s)",
        keys=[op.key13, other],
    )
    return found is not None and int(found[0]) > 1


def bases_before(tx: Tx, ops: Sequence[ReadyOperation]) -> dict[str, LinkBase]:
    """By slot: on what both sides agreed before these writes, where that counts after them."""
    keys = [op.key13 for op in ops if _writes_fields(op.change)]
    return slot_store.links(tx, keys) if keys else {}


def agreed_on(
    op: ReadyOperation,
    shown: Record | None,
    before: LinkBase | None = None,
    found_by: str = "answer",
) -> tuple[Record | None, Record | None]:
    """
    What both sides show, as the base of a link; of a customer or a person only what this write
    set, and what was equal on both sides when it was decided.

    Of the rest what counted ``before`` stays: what somebody else changed is a change of theirs,
    also where the other direction has not carried it over yet. So is what differs from what was
    sent where a look found the record later.
    """
    change = op.change
    mine = change.wanted.record if change.wanted else None
    if not isinstance(mine, Customer | Contact) or type(shown) is not type(mine):
        return mine, shown
    assert isinstance(shown, Customer | Contact)
    if change.action is Action.CREATE and found_by != "answer":
        return mine, _as_made(mine, shown)
    if not _writes_fields(change):
        return mine, shown
    assert change.wanted is not None
    seen = replace(change.base, **{n: getattr(shown, n) for n in change.wanted.fields})  # type: ignore[type-var]
    assert seen is not None
    return _kept(mine, seen, change.wanted.fields, before)


def _writes_fields(change: Change) -> bool:
    return (
        change.action is Action.UPDATE
        and change.wanted is not None
        and isinstance(change.base, Customer | Contact)
        and type(change.base) is type(change.wanted.record)
    )


def _kept(
    mine: Customer | Contact, seen: Record, written: Set[str], before: LinkBase | None
) -> tuple[Record, Record]:
    """Both as they are, with what counted before in each field that nobody has settled."""
    if (
        before is None
        or type(before.wanted) is not type(mine)
        or type(before.shown) is not type(mine)
    ):
        return mine, seen
    open_ = [
        name
        for name in _compared(mine)
        if name not in written and getattr(mine, name) != getattr(seen, name)
    ]
    return (
        replace(mine, **{name: getattr(before.wanted, name) for name in open_}),
        replace(seen, **{name: getattr(before.shown, name) for name in open_}),
    )


def _compared(record: Customer | Contact) -> tuple[str, ...]:
    return FIELDS if isinstance(record, Contact) else BACK


# No system known to us cuts a name or an address to less.
SHORTEST_CUT = 20


def _as_made(sent: Record, found: Customer | Contact) -> Customer | Contact:
    """The record as our create left it, if it did; a text that the books cut is no change."""
    if type(sent) is not type(found):
        return found
    apart = {
        name: getattr(sent, name)
        for name in _compared(found)
        if not _same_or_cut(getattr(sent, name), getattr(found, name))
    }
    return replace(found, **apart)


def _same_or_cut(sent: object, found: object) -> bool:
    if isinstance(sent, str) and isinstance(found, str) and len(found) >= SHORTEST_CUT:
        return sent.startswith(found)
    return sent == found


def _confirming(tx: Tx, op: ReadyOperation, found_by: str, now: datetime) -> None:
    """No further write until the horizon: an earlier request could still take effect."""
    tx.run(
        "UPDATE operation SET state = 'confirming', found_by = %(by)s, lease_owner = NULL,"
        " next_look_at = (SELECT CASE WHEN max(horizon) >= %(unset)s THEN %(now)s"
        " ELSE max(horizon) END FROM attempt WHERE workspace = %(ws)s"
        " AND operation = %(id)s AND result = 'open') + interval '1 second',"
        " updated_at = %(now)s WHERE workspace = %(ws)s AND id = %(id)s",
        id=op.id,
        by=found_by,
        unset=UNSET,
        now=now,
    )
    tx.log("operation.confirming", operation=op.id, key=op.change.key)


def _voided(tx: Tx, op: ReadyOperation, now: datetime) -> None:
    target = op.change.target
    if target is not None:
        tx.run(
            "UPDATE mirror SET gone_at = coalesce(gone_at, %(now)s), gone_certain = true"
            " WHERE workspace = %(ws)s AND connection = %(connection)s AND entity = %(entity)s"
            " AND id = %(id)s",
            now=now,
            connection=target.connection,
            entity=target.entity,
            id=target.id,
        )
    slot_store.end_generation(tx, op.key13, "voided")
    page_store.make_due(tx, op.lane, [op.source_id], now)


def check_total(
    tx: Tx,
    bridge: str,
    op: ReadyOperation,
    shown: Record | None,
    predicted: Predicted | None,
    now: datetime,
) -> None:
    """What the target shows is compared with what was predicted; a difference is shown."""
    if predicted is None or not isinstance(shown, Document) or shown.totals is None:
        return
    if fits(predicted, shown.totals):
        return
    expected, seen = predicted.totals, shown.totals
    open_exception(
        tx,
        bridge=bridge,
        lane=op.lane,
        source_id=op.source_id,
        key13=op.key13,
        code="total_differs",
        message=f"Predicted net {expected.net}, VAT {expected.tax}, total {expected.gross}; the "
        f"books show {seen.net}, {seen.tax}, {seen.gross}. The draft stays unbooked by us.",
        hint="Finance compares the draft with the deal before booking it.",
        details={"predicted": str(expected.gross), "shown": str(seen.gross)},
        candidates=[shown.ref] if shown.ref else [],
        amount=seen.net - expected.net,
        currency=seen.currency,
        now=now,
    )
