"""A billing step whose trigger is not true any more, and a document of it that stands: in words."""

from __future__ import annotations

from tieout.core.case import DocumentCase, RefRole
from tieout.core.compose import label
from tieout.core.finding import Finding
from tieout.core.model import Document, DocumentKind, OrderState
from tieout.core.orders import called, taken_back
from tieout.core.releasing import Context

SKIPPED = {
    "deal_deleted": "The deal was deleted in the CRM.",
    "excluded_by_rule": "A rule leaves it out.",
    "step_removed": "Its billing plan has no such step any more.",
    "other_company": "Another company's books take this deal now.",
    "trigger_not_yet_true": "Its trigger is not true.",
}


def why(context: Context, reason: str) -> str:
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


def back(case: DocumentCase) -> Document | None:
    """
    What the step had before and stands again, where its key does not show it: then the read has
    said nothing of it (`old_generation_alive`). Not what is credited by the books' own figure: that
    ended it, whoever's the credit note is.
    """
    former = {ref.ref for ref in case.state.refs if ref.role is RefRole.FORMER}
    stands = (one for one in case.earlier if one.ref in former and not taken_back(one))
    return next(stands, None)


def reopened(context: Context, reason: str, shown: Document) -> Finding:
    """The step is not wanted, and this document of it is not one that we take back."""
    state = "is booked" if shown.booked else f"is {stage(context.case, shown)} already"
    undo = "credits the invoice" if shown.booked else f"cancels or credits the {called(shown)}"
    draft = shown.kind is DocumentKind.DRAFT
    if draft:
        state, undo = "is there again", "deletes the draft"
    return Finding(
        code="reopened_draft_kept" if draft else "reopened_after_booking",
        message=f"{why(context, reason)}, and its {called(shown)} {state}.",
        hint=f"Finance {undo}, or sales wins the deal again."
        if reason == "trigger_not_yet_true"
        else f"Finance {undo}, or the change is taken back.",
        hold_on="document",
    )


def stage(case: DocumentCase, shown: Document) -> str:
    """How far an order that is not changed any more has come."""
    return "invoiced" if case.grown or shown.order_state is OrderState.INVOICED else "shipped"
