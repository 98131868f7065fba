"""What an applied write leaves behind: the link, its base, and the total that was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tieout.core.case import RefRole
from tieout.core.change import (
    Action,
    Predicted,
)
from tieout.core.contacts import FIELDS
from tieout.core.decide_customer import BACK
from tieout.core.model import Contact, Customer, Document, Entity, ExternalRef, Record
from tieout.core.predict import fits
from tieout.core.resolve import UNSET
from tieout.core.safeguards import Safeguards
from tieout.store import growing
from tieout.store import pages as page_store
from tieout.store import slots as slot_store
from tieout.store.cases import open_exception
from tieout.store.database import Tx
from tieout.store.freeing import free_source
from tieout.store.operations import open_attempts, set_state
from tieout.storing import ReadyOperation


def second_carrier(
    tx: Tx, bridge: str, op: ReadyOperation, refs: Sequence[ExternalRef], now: datetime
) -> None:
    """Two records carry the key of one place: a person says which is which; nothing is changed."""
    named = ", ".join(ref.id for ref in refs)
    open_exception(
        tx,
        bridge=bridge,
        lane=op.lane,
        source_id=op.source_id,
        key13=op.key13,
        code="two_carriers",
        message=f"More than one document carries the key of this deal: {named}.",
        hint="Name the one that counts, or delete the copy: tieout exceptions show.",
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
            second_carrier(tx, bridge, op, [ref], now)
            set_state(tx, op.id, "doubt", "ref_of_another_slot", now)
            return
        target = op.change.target
        if op.change.action is Action.CONVERT:
            # The answer may say only that it was done.
            shown = shown or op.change.base
            if target is not None and target != ref:
                growing.became(tx, target, ref, now)
        slot_store.put_link(
            tx,
            op.key13,
            wanted=op.change.wanted.record if op.change.wanted else None,
            shown=agreed_on(op, shown, found_by),
            known=base_known,
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


def agreed_on(op: ReadyOperation, shown: Record | None, found_by: str = "answer") -> Record | None:
    """
    What the target shows, as the base of a link: of a customer or a person only what this write
    set.

    The rest is what its decision saw: what somebody else changed meanwhile is a change of theirs.
    So is what differs from what was sent where a look found the record later.
    """
    change = op.change
    if change.wanted is None or not isinstance(shown, Customer | Contact):
        return shown
    if change.action is Action.CREATE and found_by != "answer":
        return _as_made(change.wanted.record, shown)
    if change.action is not Action.UPDATE or type(change.base) is not type(shown):
        return shown
    assert isinstance(change.base, Customer | Contact)
    return replace(change.base, **{name: getattr(shown, name) for name in change.wanted.fields})


# No system known to us cuts a name or an address to less.
SHORTEST_CUT = 20


def _as_made(sent: Record, found: Customer | Contact) -> Customer | Contact:
    """The record as our create left it, if it did; a text that the books cut is no change."""
    if type(sent) is not type(found):
        return found
    names = FIELDS if isinstance(found, Contact) else BACK
    apart = {
        name: getattr(sent, name)
        for name in names
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
