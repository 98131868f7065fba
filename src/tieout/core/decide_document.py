"""What to do about one billing step of a deal (the table of revenue-cycle.md 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tieout.core import gates
from tieout.core.case import (
    OPEN,
    WAITING,
    Decision,
    DocumentCase,
    OpState,
    Verdict,
)
from tieout.core.change import Action, Change, Wanted
from tieout.core.compare import DOCUMENT_FIELDS, differing, document_content
from tieout.core.compose import Composed, compose, label, step_amount
from tieout.core.digest import digest
from tieout.core.finding import Finding
from tieout.core.keys import operation_key
from tieout.core.mapping.errors import MappingError
from tieout.core.model import DealState, Document, Entity
from tieout.core.policy import BooksPolicy, BridgePolicy, DocumentPolicy, FlowMode
from tieout.core.safeguards import ALL_ON, Safeguards
from tieout.core.scope import deal_scope


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    case: DocumentCase
    bridge: BridgePolicy
    policy: DocumentPolicy
    book: BooksPolicy
    lane: str
    rules: Safeguards

    def decision(self, verdict: Verdict, reason: str, message: str = "", **more: Any) -> Decision:
        case = self.case
        waiting = case.state.operation is not None and case.state.operation.state in WAITING
        more.setdefault("net", step_amount(case.deal, case.part))
        more.setdefault("line_count", len(case.deal.lines))
        more.setdefault("supersede", waiting and verdict not in (Verdict.WRITE, Verdict.APPROVAL))
        return Decision(
            lane=self.lane,
            source_id=case.deal.source_id,
            part=case.part,
            verdict=verdict,
            reason=reason,
            message=message,
            state=case.state,
            currency=case.deal.currency,
            customer_id=case.deal.customer.id if case.deal.customer else "",
            number=label(case.deal),
            title=case.crm_customer.name if case.crm_customer else case.deal.title,
            **more,
        )

    def hold(self, finding: Finding, **more: Any) -> Decision:
        return self.decision(
            Verdict.HOLD, finding.code, finding.message, findings=(finding,), **more
        )


def decide_document(
    case: DocumentCase, bridge: BridgePolicy, lane: str, rules: Safeguards = ALL_ON
) -> Decision:
    """
    What this billing step needs now. Reads nothing, writes nothing, asks no clock.

    While an operation of the slot is in flight or in doubt the answer is WAIT: what happens
    meanwhile is decided from fresh state when that one has settled.
    """
    book = bridge.book(case.target.connection)
    context = _Context(
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
    if case.deal_gone or not triggered or not included:
        return _not_wanted(context, included=included)
    return _wanted(context)


# --- the trigger is not true --------------------


def _not_wanted(context: _Context, *, included: bool) -> Decision:
    case = context.case
    reason = "deal_deleted" if case.deal_gone else "trigger_not_yet_true"
    if not included and not case.deal_gone:
        reason = "excluded_by_rule"
    words = {
        "deal_deleted": "The deal was deleted in the CRM.",
        "trigger_not_yet_true": "Its trigger is not true.",
        "excluded_by_rule": "A rule leaves it out.",
    }[reason]
    current = case.state.current
    if current is None:
        return context.decision(Verdict.SKIP, reason, words)
    document = case.document
    if document is None:
        return context.decision(Verdict.WAIT, "not_read_yet", "Its document was not read yet.")
    if document.gone or _dead(document.record):
        return context.decision(Verdict.END, "generation_ended", words)
    shown = document.record
    assert isinstance(shown, Document)
    if shown.booked and context.rules.booked_never_voided:
        return context.hold(
            Finding(
                code="reopened_after_booking",
                message=f"{label(case.deal)} is no longer won, its invoice {shown.number} is "
                "booked.",
                hint="Finance credits the invoice, or sales wins the deal again.",
                hold_on="document",
            )
        )
    return _void(context, shown, words)


def _void(context: _Context, shown: Document, words: str) -> Decision:
    case = context.case
    link = case.state.link
    known = link is not None and (link.known or not context.rules.base_known_before_write)
    edited = (
        ()
        if link is None
        else differing(shown, link.shown, DOCUMENT_FIELDS)
        if context.rules.compare_with_base
        else ()
    )
    if not known or edited or not context.policy.void_on_reopen:
        why = (
            "finance edited its draft"
            if edited
            else "its draft is not one that we wrote as it stands"
            if not known
            else "drafts are not deleted by rule"
        )
        return context.hold(
            Finding(
                code="reopened_draft_kept",
                message=f"{label(case.deal)} is no longer won, and {why}; nothing was deleted.",
                hint="Finance deletes the draft, or sales wins the deal again.",
                hold_on="document",
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
    return _released(context, change, Decimal(0), "void", words, composed=None)


def _dead(record: Any) -> bool:
    """Voided, or fully credited."""
    if not isinstance(record, Document):
        return False
    if record.voided:
        return True
    gross = record.totals.gross if record.totals else None
    return bool(
        record.booked
        and gross
        and record.credited is not None
        and abs(record.credited) >= abs(gross)
    )


# --- the trigger is true --------------------


def _wanted(context: _Context) -> Decision:
    case = context.case
    composed = compose(case, context.policy)
    found = gates.check(case, composed, context.policy, context.book)
    stops = gates.errors(found)
    current = case.state.current
    if current is None:
        return _create(context, composed, found, stops)
    document = case.document
    if document is None:
        return context.decision(Verdict.WAIT, "not_read_yet", "Its document was not read yet.")
    if document.gone:
        return _deleted(context)
    shown = document.record
    assert isinstance(shown, Document)
    if _dead(shown):
        if case.state.verdict == "make_new":
            return context.decision(Verdict.END, "generation_ended", "A new one was asked for.")
        return context.decision(
            Verdict.NOTHING, "credited", "Its invoice is credited; a new one is made on request."
        )
    return _compare(context, composed, found, stops, shown)


def _deleted(context: _Context) -> Decision:
    case = context.case
    if case.state.verdict == "make_new" or not context.rules.deletion_not_undone:
        return context.decision(Verdict.END, "generation_ended", "A new one was asked for.")
    return context.hold(
        Finding(
            code="draft_deleted",
            message=f"The draft of {label(case.deal)} was deleted in {case.target.connection}.",
            hint="Say whether a new one is made or the deal is left out: tieout exceptions show.",
            hold_on="document",
        ),
        net=_sold(context),
    )


def _sold(context: _Context) -> Decimal:
    return compose(context.case, context.policy).sold


def _create(
    context: _Context,
    composed: Composed,
    found: tuple[Finding, ...],
    stops: tuple[Finding, ...],
) -> Decision:
    case = context.case
    if gates.is_zero(composed) and case.deal.lines:
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
    return _released(context, change, composed.sold, "create", "", composed=composed)


def _compare(
    context: _Context,
    composed: Composed,
    found: tuple[Finding, ...],
    stops: tuple[Finding, ...],
    shown: Document,
) -> Decision:
    case = context.case
    link = case.state.link
    wanted = composed.document
    base_wanted = link.wanted if link else None
    moved = differing(wanted, base_wanted, DOCUMENT_FIELDS)
    edited = differing(shown, link.shown if link else None, DOCUMENT_FIELDS)
    if link is None or not link.known:
        return _unknown_base(context, composed, shown)
    if not moved:
        reason = "edited_in_the_books" if edited else "in_step"
        words = "Finance edited it; it is left as it is." if edited else ""
        return context.decision(
            Verdict.NOTHING, reason, words, net=composed.sold, findings=found, differs=edited
        )
    if edited and _same_content(wanted, shown):
        return context.decision(Verdict.AGREED, "agreed", agreed=(wanted, shown), net=composed.sold)
    if shown.booked:
        return _changed_after_booking(context, composed, base_wanted)
    if edited and context.rules.compare_with_base:
        return context.hold(
            Finding(
                code="draft_edited",
                message=f"{label(case.deal)} changed, and finance edited its draft "
                f"({', '.join(edited)}); it is shown, not overwritten.",
                hint="Agree on one of the two, then change the other.",
                hold_on="document",
                values={"differs": ", ".join(moved)},
            ),
            net=composed.sold,
        )
    if stops:
        return context.decision(
            Verdict.HOLD,
            stops[0].code,
            stops[0].message,
            findings=found,
            net=composed.sold,
            predicted=composed.predicted,
        )
    return _update(context, composed, shown, moved)


def _same_content(wanted: Document, shown: Document) -> bool:
    return document_content(wanted) == document_content(shown)


def _unknown_base(context: _Context, composed: Composed, shown: Document) -> Decision:
    """A document that was found, not written by us as it stands: agreed, or shown to a person."""
    case = context.case
    wanted = composed.document
    net_equal = shown.totals is not None and shown.totals.net == composed.predicted.totals.net
    if _same_content(wanted, shown) or (net_equal and shown.currency == wanted.currency):
        return context.decision(Verdict.AGREED, "agreed", agreed=(wanted, shown), net=composed.sold)
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


def _changed_after_booking(context: _Context, composed: Composed, base_wanted: Any) -> Decision:
    case = context.case
    before = base_wanted.totals.net if base_wanted is not None and base_wanted.totals else None
    after = composed.predicted.totals.net
    buyer_moved = base_wanted is not None and (
        base_wanted.customer != composed.document.customer
        or base_wanted.currency != composed.document.currency
    )
    if buyer_moved:
        proposal = "full credit and a new invoice"
    elif before is None or after == before:
        proposal = "nothing to invoice; a note to the buyer at most"
    elif after > before:
        proposal = f"a supplementary invoice over {after - before:,.2f}"
    else:
        proposal = f"a credit note over {before - after:,.2f}"
    return context.hold(
        Finding(
            code="changed_after_booking",
            message=f"{label(case.deal)} changed after its invoice was booked.",
            hint=f"Proposal: {proposal}. Finance decides.",
            hold_on="deal",
            values={
                "proposal": proposal,
                "difference": "" if before is None else str(after - before),
            },
        ),
        net=composed.sold,
    )


def _update(
    context: _Context, composed: Composed, shown: Document, moved: tuple[str, ...]
) -> Decision:
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
        base=link.shown,
        version=shown.version,
    )
    if "customer" in moved or "currency" in moved:
        return _buyer_changed(context, composed, shown)
    return _released(context, change, composed.sold, "update", "", composed=composed, differs=moved)


def _buyer_changed(context: _Context, composed: Composed, shown: Document) -> Decision:
    """Another buyer or currency is another document: the old draft goes, then a new one is made."""
    decision = _void(context, shown, "The buyer or the currency changed.")
    return replace(decision, net=composed.sold)


# --- release --------------------


def _released(
    context: _Context,
    change: Change,
    net: Decimal,
    reason: str,
    words: str,
    *,
    composed: Composed | None,
    differs: tuple[str, ...] = (),
) -> Decision:
    """The change with its digest; written, or waiting for a person by mode and limit."""
    case, policy = context.case, context.policy
    content = None if composed is None else document_content(composed.document)
    mark = digest(change.key, change.action, change.entity, change.target, content, net)
    verdict = Verdict.WRITE
    needs_person = _needs_person(context, net)
    approved = mark in case.state.approved or not context.rules.approval_bound_to_payload
    if needs_person and not approved:
        verdict, reason = Verdict.APPROVAL, "waiting_for_approval"
        words = _approval_words(policy)
    waiting = case.state.operation
    if waiting is not None and waiting.state in WAITING and waiting.want_digest == mark:
        same_state = (waiting.state is OpState.READY) == (verdict is Verdict.WRITE)
        if same_state:
            return context.decision(
                Verdict.WAIT, reason, words, net=net, supersede=False, digest=mark, change=change
            )
    return context.decision(
        verdict,
        reason,
        words,
        change=change,
        digest=mark,
        net=net,
        predicted=composed.predicted if composed else None,
        differs=differs,
        supersede=waiting is not None and waiting.state in WAITING,
    )


def _approval_words(policy: DocumentPolicy) -> str:
    if policy.approve_above is None:
        return "A person releases it."
    return f"above {policy.approve_above:,.2f}"


def _needs_person(context: _Context, net: Decimal) -> bool:
    policy, case = context.policy, context.case
    if policy.mode is not FlowMode.APPROVE:
        return False
    if policy.approve_above is None:
        return True
    base = context.book.base_currency
    rate = Decimal(1) if case.deal.currency == base else case.rates.get(case.deal.currency)
    if rate is None:
        return True
    return case.released_today + net * rate > policy.approve_above
