"""What to do about one billing step of a deal (the table in docs/explanation/documents.md)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tieout.core import gates
from tieout.core.case import OPEN, Decision, DocumentCase, Verdict
from tieout.core.change import Action, Change, Wanted
from tieout.core.compare import (
    DOCUMENT_FIELDS,
    billed,
    differing,
    same_sale,
    tax_moved,
)
from tieout.core.compose import Composed, compose, kind_made, label, step_of
from tieout.core.finding import Finding, Severity
from tieout.core.keys import operation_key
from tieout.core.mapping.errors import MappingError
from tieout.core.model import Deal, DealState, Document, Entity
from tieout.core.order_answers import made_anew, order_changed
from tieout.core.orders import (
    all_credited,
    credited_net,
    is_order,
    left_of,
    still_stands,
    taken_back,
    under_way,
)
from tieout.core.policy import INVOICE, BridgePolicy
from tieout.core.predict import fits
from tieout.core.releasing import Context, released
from tieout.core.reopened import SKIPPED, back, reopened, stage, why
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.core.scope import deal_scope


def decide_document(
    case: DocumentCase, bridge: BridgePolicy, lane: str, rules: Safeguards = ALL_ON
) -> Decision:
    """
    What this billing step needs now. Reads nothing, writes nothing, asks no clock.

    While an operation of the slot is in flight or in doubt the answer is WAIT: what happens
    meanwhile is decided from fresh state when that one has settled.
    """
    book = bridge.book(case.target.connection)
    context = Context(
        case=case,
        bridge=bridge,
        policy=bridge.documents,
        book=book,
        lane=lane,
        rules=rules,
    )
    operation = case.state.operation
    if operation is not None and operation.state in OPEN and rules.one_open_operation:
        return context.decision(Verdict.WAIT, "on_its_way", "An earlier write is being settled.")
    if case.state.verdict == "leave_out":
        return context.decision(Verdict.SKIP, "left_out", "A person left this deal out.")
    try:
        scope = deal_scope(case.deal, case.crm_customer)
        kind = kind_made(case, context.policy, scope)
        included = context.policy.include is None or context.policy.include.holds(scope)
        triggered = (
            context.policy.trigger.holds(scope)
            if context.policy.trigger is not None
            else case.deal.state is DealState.WON
        )
    except MappingError as error:
        return context.hold(
            Finding(
                code="mapping_failed",
                message=f"A rule of flows.documents cannot be judged for {label(case.deal)}: "
                f"{error}.",
                hint="Correct the rule or the deal.",
                hold_on="configuration",
            )
        )
    context = replace(context, kind=kind)
    if case.deal_gone:
        return _not_wanted(context, "deal_deleted")
    if not included:
        return _not_wanted(context, "excluded_by_rule")
    if case.moved:
        return _not_wanted(context, "other_company")
    if step_of(case.deal, case.part) is None:
        return _not_wanted(context, "step_removed")
    if not triggered:
        return _not_wanted(context, "trigger_not_yet_true")
    return _wanted(context)


# --- the trigger is not true --------------------


def _not_wanted(context: Context, reason: str) -> Decision:
    case = context.case
    words = SKIPPED[reason]
    if case.state.current is None:
        again = back(case)
        if again is not None and context.rules.booked_never_voided:
            return context.hold(reopened(context, reason, again))
        return context.decision(Verdict.SKIP, reason, words)
    document = case.document
    if document is None or (document.gone and not document.gone_certain):
        return _looked_for(context)
    shown = document.record
    assert isinstance(shown, Document)
    if document.gone or _dead(case, shown):
        standing = still_stands(case.grown, case.credit_notes)
        if standing and context.rules.booked_never_voided:
            # Won again it would be sold a second time: the order went, its invoice did not.
            return context.hold(reopened(context, reason, shown))
        return context.decision(Verdict.END, "generation_ended", words)
    fixed = shown.booked or under_way(shown, case.grown)
    if fixed and context.rules.booked_never_voided:
        return context.hold(reopened(context, reason, shown))
    return _void(context, shown, words, reason)


def _looked_for(context: Context) -> Decision:
    """A vanished record is followed before anything is concluded: booked is not deleted."""
    return context.decision(Verdict.WAIT, "not_read_yet", "Its document is being looked for.")


def _void(context: Context, shown: Document, words: str, reason: str) -> Decision:
    case = context.case
    link = case.state.link
    word = "order" if is_order(shown) else "draft"
    known = link is not None and (link.known or not context.rules.base_known_before_write)
    edited = (
        ()
        if link is None
        else differing(shown, link.shown, DOCUMENT_FIELDS)
        if context.rules.compare_with_base
        else ()
    )
    if not known or edited or not context.policy.void_on_reopen:
        kept = (
            f"finance edited its {word}"
            if edited
            else f"its {word} is not one that we wrote as it stands"
            if not known
            else f"{word}s are not deleted by rule"
        )
        return context.hold(
            Finding(
                code="reopened_draft_kept",
                message=f"{why(context, reason)}, and {kept}; nothing was deleted.",
                hint=f"Finance deletes the {word}, or sales wins the deal again."
                if reason == "trigger_not_yet_true"
                else f"Finance deletes the {word}, or the change is taken back.",
                hold_on="document",
                values={"differs": ", ".join(edited)},
            )
        )
    current = case.state.current
    assert current is not None
    change = Change(
        key=operation_key(case.state.slot, current.generation),
        entity=Entity.DOCUMENT,
        action=Action.VOID,
        wanted=None,
        target=current.ref,
        base=link.shown if link else None,
        version=shown.version,
    )
    return released(context, change, Decimal(0), "void", words, composed=None)


def _dead(case: DocumentCase, record: Any) -> bool:
    """Voided, or fully credited: of an order, all that was invoiced of it."""
    return isinstance(record, Document) and (
        taken_back(record, case.credit_notes) or all_credited(record, case.grown, case.credit_notes)
    )


# --- the trigger is true --------------------


def _wanted(context: Context) -> Decision:
    case = context.case
    composed = compose(case, context.policy)
    found = gates.check(case, composed, context.policy, context.book)
    stops = gates.errors(found)
    if case.state.current is None:
        return _not_yet(context) or _create(context, composed, found, stops)
    document = case.document
    if document is None or (document.gone and not document.gone_certain):
        return _looked_for(context)
    if document.gone:
        return _deleted(context)
    shown = document.record
    assert isinstance(shown, Document)
    if _dead(case, shown):
        if case.state.verdict == "make_new":
            return made_anew(context, shown)
        reason, word = ("cancelled", "voided") if shown.voided else ("credited", "credited")
        return context.decision(
            Verdict.NOTHING,
            reason,
            f"Its {'order' if is_order(shown) else 'document'} was {word}. A new one is made on "
            f"request: tieout exceptions answer {_word(case.deal)} --make-new",
            net=composed.sold,
        )
    return _compare(context, composed, found, stops, shown)


def _word(deal: Deal) -> str:
    """What a person types for a deal: its name where that is one word, else its id."""
    name = label(deal)
    return name if name.split() == [name] else deal.source_id


def _not_yet(context: Context) -> Decision | None:
    """An instalment whose day has not come: skipped until then."""
    case = context.case
    step = step_of(case.deal, case.part)
    if step is None or step.due_on is None or step.due_on <= case.today:
        return None
    zone = ZoneInfo(context.book.time_zone)
    return context.decision(
        Verdict.SKIP,
        "not_due_yet",
        f"Instalment {case.part} is due {step.due_on}.",
        net=step.amount,
        not_before=datetime.combine(step.due_on, time(), zone).astimezone(UTC),
    )


def _deleted(context: Context) -> Decision:
    case = context.case
    known = case.document.record if case.document is not None else None
    if (
        case.state.verdict == "make_new"
        or not context.rules.deletion_not_undone
        or still_stands(case.grown)
    ):
        return made_anew(context, known)
    word = "order" if is_order(known) else "draft"
    composed = compose(case, context.policy)
    return context.hold(
        Finding(
            code="draft_deleted",
            message=f"The {word} of {label(case.deal)} was deleted in {case.target.connection}.",
            hint="Say whether a new one is made or the deal is left out: tieout exceptions show.",
            hold_on="document",
        ),
        net=composed.sold,
        predicted=composed.predicted,
    )


def _create(
    context: Context,
    composed: Composed,
    found: tuple[Finding, ...],
    stops: tuple[Finding, ...],
) -> Decision:
    case = context.case
    if gates.is_zero(case, composed):
        return context.decision(Verdict.SKIP, "zero_total", "Its total is zero.", net=composed.sold)
    if stops:
        first = stops[0]
        return context.decision(
            Verdict.HOLD,
            first.code,
            first.message,
            findings=found,
            net=composed.sold,
            predicted=composed.predicted,
        )
    wanted = Wanted(
        record=composed.document, fields=DOCUMENT_FIELDS | {"our_reference", "issue_date"}
    )
    change = Change(
        key=operation_key(case.state.slot, case.state.generation),
        entity=Entity.DOCUMENT,
        action=Action.CREATE,
        wanted=wanted,
        depends_on=case.buyer.pending,
    )
    # What warns and does not stop is said where a person reads what is going to be written.
    words = " ".join(one.message for one in found if one.severity is Severity.WARNING)
    return released(context, change, composed.sold, "create", words, composed=composed)


def _compare(
    context: Context,
    composed: Composed,
    found: tuple[Finding, ...],
    stops: tuple[Finding, ...],
    shown: Document,
) -> Decision:
    case = context.case
    link = case.state.link
    wanted = composed.document
    if link is None or not link.known:
        return _unknown_base(context, composed, shown)
    before = link.wanted if isinstance(link.wanted, Document) else None
    moved = differing(wanted, before, DOCUMENT_FIELDS)
    edited = differing(shown, link.shown, DOCUMENT_FIELDS)
    apart = differing(wanted, shown, DOCUMENT_FIELDS)
    # A document that was not written again since shows the VAT of its writing.
    taxed = tax_moved(wanted, before) and (tax_moved(wanted, shown) or not edited)
    if shown.booked or under_way(shown, case.grown):
        return _booked(context, composed, shown, before, edited, found)
    base: Document | None = None
    if context.policy.ask_order_changes and is_order(shown) and set(edited) & set(apart):
        moved = tuple(sorted({*edited, *moved} & set(apart)))
        asked = order_changed(context, composed, shown, moved)
        if asked is not None:
            return asked
        # The deal counts: written over like any other change, if nothing holds it.
        base, edited = shown, ()
    elif not set(moved) & set(apart) and not taxed:
        # Nothing of ours is missing there. What a person changed besides is left as it is.
        if moved and not set(edited) & set(apart):
            return _agreed(context, composed, shown)
        return _booking(context, composed, shown, edited, stops) or _as_it_is(
            context, composed, edited, found
        )
    if edited and context.rules.compare_with_base:
        return context.hold(
            Finding(
                code="draft_edited",
                message=f"{label(case.deal)} changed, and finance edited its "
                f"{'order' if is_order(shown) else 'draft'} "
                f"({', '.join(edited)}); it is shown, not overwritten.",
                hint="Agree on one of the two, then change the other.",
                hold_on="document",
                values={
                    "differs": ", ".join(moved),
                    "difference": ""
                    if shown.totals is None
                    else str(composed.sold - shown.totals.net),
                },
            ),
            net=composed.sold,
            predicted=composed.predicted,
        )
    if gates.is_zero(case, composed):
        return replace(_void(context, shown, "Its total is zero.", "zero_total"), net=composed.sold)
    if stops:
        return context.decision(
            Verdict.HOLD,
            stops[0].code,
            stops[0].message,
            findings=found,
            net=composed.sold,
            predicted=composed.predicted,
        )
    if taxed or "customer" in moved or "currency" in moved:
        # Another buyer, currency or VAT is another document: the old draft goes, then a new one.
        words = "The buyer, the currency or the VAT changed."
        return replace(_void(context, shown, words, "buyer_changed"), net=composed.sold)
    return _update(context, composed, shown, moved, base)


def _as_it_is(
    context: Context, composed: Composed, edited: tuple[str, ...], found: tuple[Finding, ...]
) -> Decision:
    return context.decision(
        Verdict.NOTHING,
        "edited_in_the_books" if edited else "in_step",
        "Finance edited it; it is left as it is." if edited else "",
        net=composed.sold,
        predicted=composed.predicted,
        findings=found,
        differs=edited,
    )


def _unknown_base(context: Context, composed: Composed, shown: Document) -> Decision:
    """A document that was found, not written by us as it stands: agreed, or shown to a person."""
    case = context.case
    wanted = composed.document
    current = case.state.current
    adopted = current is not None and any(
        ref.found_by == ADOPTED and ref.generation == current.generation for ref in case.state.refs
    )
    if adopted and _same_amount(composed, shown):
        if not shown.booked:
            # Finance wrote it in words of its own: it stays theirs.
            return context.decision(
                Verdict.NOTHING, "adopted", "A person took it over as it stands.", net=composed.sold
            )
        return context.decision(Verdict.AGREED, "agreed", agreed=(wanted, shown), net=composed.sold)
    if same_sale(wanted, shown):
        return _agreed(context, composed, shown)
    return context.hold(
        Finding(
            code="found_differs",
            message=f"The document of {label(case.deal)} was found in {case.target.connection} and "
            "is not as the deal says; it is neither overwritten nor deleted.",
            hint="Compare the two and change one of them.",
            hold_on="document",
        ),
        net=composed.sold,
    )


def _agreed(context: Context, composed: Composed, shown: Document) -> Decision:
    """Both show the same from now on; a draft that we book is looked at once more, to be booked."""
    return context.decision(
        Verdict.AGREED,
        "agreed",
        agreed=(composed.document, shown),
        net=composed.sold,
        predicted=composed.predicted,
        again=context.kind == INVOICE and not shown.booked,
    )


ADOPTED = "adopted"
"""How a document was found that a person took over for a deal: equal currency and equal net."""


def _same_amount(composed: Composed, shown: Document) -> bool:
    wanted, totals = composed.document, shown.totals
    return (
        totals is not None
        and (wanted.customer, wanted.currency) == (shown.customer, shown.currency)
        and totals.net == composed.sold
    )


# A booked document is measured by what it charges and to whom; a product's new name, other terms
# of the customer or another contact do not make yesterday's invoices wrong.
_BOOKED_CONTENT = frozenset({"customer", "currency", "po_number", "buyer_reference"})


def _booked(
    context: Context,
    composed: Composed,
    shown: Document,
    before: Document | None,
    edited: tuple[str, ...],
    found: tuple[Finding, ...],
) -> Decision:
    wanted = composed.document
    apart = differing(wanted, shown, _BOOKED_CONTENT)
    moved = [name for name in differing(wanted, before, _BOOKED_CONTENT) if name in apart]
    lines_moved = before is None or billed(wanted) != billed(before)
    if lines_moved and billed(wanted) != billed(shown):
        grown, notes = context.case.grown, context.case.credit_notes
        # Credited by the difference, or edited and the deal followed: what stands is what it says.
        moved_there = "lines" in edited or credited_net(notes)
        done = moved_there and left_of(shown, grown, notes) == composed.sold
        moved += [] if done else ["lines"]
    if moved:
        return _changed_after_booking(context, composed, shown, before, moved)
    return _as_it_is(context, composed, edited, found)


def _changed_after_booking(
    context: Context,
    composed: Composed,
    shown: Document,
    base: Document | None,
    moved: list[str],
) -> Decision:
    case = context.case
    after = composed.predicted.totals.net
    order = is_order(shown)
    # Finance may have edited the draft before it was booked, or credited a part already.
    stands = left_of(shown, case.grown, case.credit_notes)
    invoiced = not order or any(one.booked for one in case.grown)
    then = f"its order was {stage(case, shown)}" if order else "its invoice was booked"
    if not invoiced:
        proposal = "finance changes the order before it is invoiced"
    elif set(moved) & _BOOKED_CONTENT or tax_moved(composed.document, base):
        proposal = "full credit and a new invoice"
    elif stands is None or after == stands:
        proposal = "nothing to invoice; a note to the buyer at most"
    elif after > stands:
        proposal = f"a supplementary invoice over {after - stands:,.2f}"
    else:
        proposal = f"a credit note over {stands - after:,.2f}"
    return context.hold(
        Finding(
            code="changed_after_booking",
            message=f"{label(case.deal)} changed after {then} ({', '.join(moved)}).",
            hint=f"Proposal: {proposal}. Finance decides.",
            hold_on="deal",
            values={
                "proposal": proposal,
                "difference": "" if stands is None else str(after - stands),
            },
        ),
        net=composed.sold,
        predicted=composed.predicted,
    )


def _booking(
    context: Context,
    composed: Composed,
    shown: Document,
    edited: tuple[str, ...],
    stops: tuple[Finding, ...],
) -> Decision | None:
    """
    The second step where invoices are booked by us: the draft stands as we wrote it, nothing holds
    it, and it shows what was predicted. None where it is not booked now.
    """
    case = context.case
    current, link = case.state.current, case.state.link
    able = INVOICE in case.target.abilities.makes
    if context.kind != INVOICE or not able or edited or stops:
        return None
    if shown.totals is None or not fits(composed.predicted, shown.totals):
        return None
    assert current is not None
    assert link is not None
    change = Change(
        key=operation_key(case.state.slot, current.generation),
        entity=Entity.DOCUMENT,
        action=Action.CONVERT,
        wanted=Wanted(record=link.wanted or composed.document, fields=frozenset()),
        target=current.ref,
        base=link.shown,
        version=shown.version,
    )
    return released(context, change, composed.sold, "book", "", composed=composed)


def _update(
    context: Context,
    composed: Composed,
    shown: Document,
    moved: tuple[str, ...],
    base: Document | None = None,
) -> Decision:
    """``base``: the state of the target that a person saw and let us write over."""
    case = context.case
    current, link = case.state.current, case.state.link
    assert current is not None
    assert link is not None
    change = Change(
        key=operation_key(case.state.slot, current.generation),
        entity=Entity.DOCUMENT,
        action=Action.UPDATE,
        wanted=Wanted(record=composed.document, fields=frozenset(moved)),
        target=current.ref,
        base=base or link.shown,
        version=shown.version,
    )
    return released(context, change, composed.sold, "update", "", composed=composed, differs=moved)
