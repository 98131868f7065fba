"""What to do about one billing step of a deal (the table in docs/explanation/documents.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

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
from tieout.core.compare import (
    DOCUMENT_FIELDS,
    billed,
    differing,
    document_content,
    same_sale,
    tax_moved,
)
from tieout.core.compose import Composed, compose, label, step_amount, step_of
from tieout.core.digest import digest
from tieout.core.finding import Finding, Severity
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

_SKIPPED = {
    "deal_deleted": "The deal was deleted in the CRM.",
    "excluded_by_rule": "A rule leaves it out.",
    "step_removed": "Its billing plan has no such step any more.",
    "other_company": "Another company's books take this deal now.",
    "trigger_not_yet_true": "Its trigger is not true.",
}


def _why(context: _Context, reason: str) -> str:
    """The reason as the beginning of a sentence about a document that is there."""
    named = label(context.case.deal)
    rule = context.policy.trigger
    return {
        "deal_deleted": f"{named} was deleted in the CRM",
        "excluded_by_rule": f"A rule leaves {named} out",
        "other_company": f"Another company's books take {named} now",
        "step_removed": f"The billing plan of {named} has no step {context.case.part} any more",
        "trigger_not_yet_true": f"{named} is no longer won"
        if rule is None
        else f"{rule.text} of {named} is not true any more",
        "zero_total": f"{named} adds up to nothing now",
        "buyer_changed": f"{named} has another buyer, currency or VAT now",
    }[reason]


def _not_wanted(context: _Context, reason: str) -> Decision:
    case = context.case
    words = _SKIPPED[reason]
    if case.state.current is None:
        return context.decision(Verdict.SKIP, reason, words)
    document = case.document
    if document is None or (document.gone and not document.gone_certain):
        return _looked_for(context)
    if document.gone or _dead(document.record):
        return context.decision(Verdict.END, "generation_ended", words)
    shown = document.record
    assert isinstance(shown, Document)
    if shown.booked and context.rules.booked_never_voided:
        return context.hold(
            Finding(
                code="reopened_after_booking",
                message=f"{_why(context, reason)}, and its invoice {shown.number} is booked.",
                hint="Finance credits the invoice, or sales wins the deal again."
                if reason == "trigger_not_yet_true"
                else "Finance credits the invoice, or the change is taken back.",
                hold_on="document",
            )
        )
    return _void(context, shown, words, reason)


def _looked_for(context: _Context) -> Decision:
    """A vanished record is followed before anything is concluded: booked is not deleted."""
    return context.decision(Verdict.WAIT, "not_read_yet", "Its document is being looked for.")


def _void(context: _Context, shown: Document, words: str, reason: str) -> Decision:
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
                message=f"{_why(context, reason)}, and {why}; nothing was deleted.",
                hint="Finance deletes the draft, or sales wins the deal again."
                if reason == "trigger_not_yet_true"
                else "Finance deletes the draft, or the change is taken back.",
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
    if case.state.current is None:
        return _not_yet(context) or _create(context, composed, found, stops)
    document = case.document
    if document is None or (document.gone and not document.gone_certain):
        return _looked_for(context)
    if document.gone:
        return _deleted(context)
    shown = document.record
    assert isinstance(shown, Document)
    if _dead(shown):
        if case.state.verdict == "make_new":
            return context.decision(Verdict.END, "generation_ended", "A new one was asked for.")
        reason, word = ("cancelled", "voided") if shown.voided else ("credited", "credited")
        return context.decision(
            Verdict.NOTHING,
            reason,
            f"Its document was {word}; a new one is made on request.",
            net=composed.sold,
        )
    return _compare(context, composed, found, stops, shown)


def _not_yet(context: _Context) -> Decision | None:
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
    return _released(context, change, composed.sold, "create", words, composed=composed)


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
    if link is None or not link.known:
        return _unknown_base(context, composed, shown)
    before = link.wanted if isinstance(link.wanted, Document) else None
    moved = differing(wanted, before, DOCUMENT_FIELDS)
    edited = differing(shown, link.shown, DOCUMENT_FIELDS)
    apart = differing(wanted, shown, DOCUMENT_FIELDS)
    # A document that was not written again since shows the VAT of its writing.
    taxed = tax_moved(wanted, before) and (tax_moved(wanted, shown) or not edited)
    if shown.booked:
        return _booked(context, composed, shown, before, edited, found)
    if not set(moved) & set(apart) and not taxed:
        # Nothing of ours is missing there. What a person changed besides is left as it is.
        if moved and not set(edited) & set(apart):
            return context.decision(
                Verdict.AGREED, "agreed", agreed=(wanted, shown), net=composed.sold
            )
        return _as_it_is(context, composed, edited, found)
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
    return _update(context, composed, shown, moved)


def _as_it_is(
    context: _Context, composed: Composed, edited: tuple[str, ...], found: tuple[Finding, ...]
) -> Decision:
    return context.decision(
        Verdict.NOTHING,
        "edited_in_the_books" if edited else "in_step",
        "Finance edited it; it is left as it is." if edited else "",
        net=composed.sold,
        findings=found,
        differs=edited,
    )


def _unknown_base(context: _Context, composed: Composed, shown: Document) -> Decision:
    """A document that was found, not written by us as it stands: agreed, or shown to a person."""
    case = context.case
    wanted = composed.document
    adopted = any(ref.found_by == ADOPTED for ref in case.state.refs)
    if adopted and _same_amount(composed, shown):
        if not shown.booked:
            # Finance wrote it in words of its own: it stays theirs.
            return context.decision(
                Verdict.NOTHING, "adopted", "A person took it over as it stands.", net=composed.sold
            )
        return context.decision(Verdict.AGREED, "agreed", agreed=(wanted, shown), net=composed.sold)
    if same_sale(wanted, shown):
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
    context: _Context,
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
        moved.append("lines")
    if moved:
        return _changed_after_booking(context, composed, before, moved)
    return _as_it_is(context, composed, edited, found)


def _changed_after_booking(
    context: _Context, composed: Composed, base: Document | None, moved: list[str]
) -> Decision:
    case = context.case
    before = base.totals.net if base is not None and base.totals else None
    after = composed.predicted.totals.net
    if set(moved) & _BOOKED_CONTENT or tax_moved(composed.document, base):
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
            message=f"{label(case.deal)} changed after its invoice was booked "
            f"({', '.join(moved)}).",
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
    return _released(context, change, composed.sold, "update", "", composed=composed, differs=moved)


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
    case = context.case
    content = None if composed is None else _payload(composed)
    mark = digest(change.key, change.action, change.entity, change.target, content, net)
    verdict = Verdict.WRITE
    why = _needs_person(context, net, composed)
    approved = mark in case.state.approved or not context.rules.approval_bound_to_payload
    if why and not approved:
        verdict, reason, words = Verdict.APPROVAL, "waiting_for_approval", why
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


def _payload(composed: Composed) -> dict[str, Any]:
    """All that an approval is bound to: the content with its VAT."""
    content = document_content(composed.document)
    content["tax"] = tuple((line.tax_rate, line.tax_code) for line in composed.document.lines)
    return content


def _needs_person(context: _Context, net: Decimal, composed: Composed | None) -> str:
    """
    Why a person releases it, '' where nobody has to. The limit is summed per customer and day
    against splitting; a void releases nothing and is under any limit.
    """
    policy, case = context.policy, context.case
    if composed is not None and composed.confirm:
        return composed.confirm
    if policy.mode is not FlowMode.APPROVE:
        return ""
    if policy.approve_above is None:
        return "A person releases it."
    if composed is None:
        return ""
    words = f"above {policy.approve_above:,.2f}"
    base = context.book.base_currency
    rate = Decimal(1) if case.deal.currency == base else case.rates.get(case.deal.currency)
    if rate is None:
        return f"{words}: no rate for {case.deal.currency}"
    return words if case.released_today + net * rate > policy.approve_above else ""
