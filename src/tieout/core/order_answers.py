"""Orders that went or were changed in the books: what a person is asked, and what they said."""

from __future__ import annotations

from typing import Any

from tieout.core.case import Decision, Verdict
from tieout.core.compare import both_sides
from tieout.core.compose import Composed, compose, label
from tieout.core.finding import Finding
from tieout.core.model import Document
from tieout.core.orders import answer_mark, called, standing_of
from tieout.core.releasing import Context


def made_anew(context: Context, old: Any) -> Decision:
    """
    A person asked for another document: the generation ends, but not while something that was made
    of the order that went still stands.
    """
    case = context.case
    standing = standing_of(case.grown, case.credit_notes)
    if not standing:
        return context.decision(Verdict.END, "generation_ended", "A new one was asked for.")
    named = ", ".join(called(one) for one in standing)
    order = called(old) if isinstance(old, Document) else "order"
    return context.hold(
        Finding(
            code="order_gone_invoiced",
            message=f"The {order} of {label(case.deal)} is gone in {case.target.connection}, and "
            f"what was made of it stands: {named}.",
            hint="Finance credits it; then a new one can be made. Or leave the deal out.",
            hold_on="document",
        ),
        net=compose(case, context.policy).sold,
    )


def order_changed(
    context: Context, composed: Composed, shown: Document, apart: tuple[str, ...]
) -> Decision | None:
    """
    Somebody changed an order that is not shipped: both sides are shown, and a person says which
    one counts. None: the deal does. The answer holds for the order and the deal as they were seen;
    a later change of either asks again.
    """
    case, mark = context.case, answer_mark(composed.document, shown, apart)
    if case.state.verdict == f"books_count:{mark}":
        return context.decision(
            Verdict.NOTHING,
            "edited_in_the_books",
            "A person let the order stand as it is in the books.",
            net=composed.sold,
            differs=apart,
        )
    if case.state.verdict == f"deal_counts:{mark}":
        return None
    sides = both_sides(composed.document, shown, apart)
    return context.hold(
        Finding(
            code="order_changed",
            message=f"The {called(shown)} of {label(case.deal)} was changed in "
            f"{case.target.connection}: {sides}.",
            hint="Say which side counts: tieout exceptions answer with --side crm or --side books; "
            "or change the deal.",
            hold_on="document",
            values={"differs": ", ".join(apart), "mark": mark},
        ),
        net=composed.sold,
        differs=apart,
    )
