"""The answer to a billing step: a decision with all that names it, written or for a person."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tieout.core.case import WAITING, Decision, DocumentCase, OpState, Verdict
from tieout.core.change import Change
from tieout.core.compare import document_content
from tieout.core.compose import Composed, label, step_amount
from tieout.core.digest import digest
from tieout.core.finding import Finding
from tieout.core.policy import INVOICE_DRAFT, BooksPolicy, BridgePolicy, DocumentPolicy, FlowMode
from tieout.core.safeguards import Safeguards


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A billing step in the course of its decision, and how its answers are made."""

    case: DocumentCase
    bridge: BridgePolicy
    policy: DocumentPolicy
    book: BooksPolicy
    lane: str
    rules: Safeguards
    kind: str = INVOICE_DRAFT

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


def released(
    context: Context,
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
    content = None if composed is None else _payload(case, composed)
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


def _payload(case: DocumentCase, composed: Composed) -> dict[str, Any]:
    """
    All that an approval is bound to: the content with its VAT. A customer that we make is named
    by its key, so that what was planned or released beside it is the same once it has an id.
    """
    content = document_content(composed.document)
    if case.buyer.key:
        content["customer"] = case.buyer.key
    content["tax"] = tuple((line.tax_rate, line.tax_code) for line in composed.document.lines)
    return content


def _needs_person(context: Context, net: Decimal, composed: Composed | None) -> str:
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
    if case.unrated:
        return f"{words}: no rate for {case.unrated}, released for this customer today"
    return words if case.released_today + net * rate > policy.approve_above else ""
