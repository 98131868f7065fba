"""`tieout prove`: both systems asked afresh whether each deal is invoiced exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.output import ErrorInfo, Exit, Result, reference

if TYPE_CHECKING:
    from datetime import tzinfo

    from tieout.services.prove import Carrier, Proof, Proved


@command("prove", examples=("tieout prove", "tieout prove --month 2026-10 --queries"))
async def prove(
    session: Session,
    month: Annotated[
        str, Option("--month", metavar="YYYY-MM", help="Deals closed in it; else all.")
    ] = "",
    queries: Annotated[bool, Option("--queries", help="Also the questions asked.")] = False,
) -> Result:
    """Ask both systems now whether every billing step has one live document."""
    from tieout.bootstrap import make_engine
    from tieout.cli.daily import progress, progress_over, zone
    from tieout.services import prove as proving
    from tieout.services.configuration import choose_bridge
    from tieout.services.filing import month_of

    period = month_of(month) if month else None
    opened = await session.opened()
    bridge = await choose_bridge(opened, session.options.bridge)
    session.ref["bridge"] = bridge
    asked: list[str] = []
    engine = await make_engine(opened, bridge, observer=lambda call: asked.append(question(call)))
    progress(session)(f"Asking {', '.join([*engine.books, engine.policy.crm])}")
    try:
        proof = await proving.prove(engine, opened.store, period, asked)
    finally:
        progress_over(session)
    return _answer(session, bridge, proof, zone(engine), queries=queries)


def question(call: Any) -> str:
    """`GET /v2/customerinvoices?$filter=…`: what was asked; secrets are masked already."""
    from urllib.parse import unquote_plus, urlsplit

    parts = urlsplit(call.request.url)
    asked = f"?{unquote_plus(parts.query)}" if parts.query else ""
    return f"{call.request.method} {parts.path}{asked}"


def summary(proof: Proof) -> str:
    """`Asked afresh, 7 calls. 20 billing steps of 17 deals: 14 with one live document, …`."""
    from tieout.cli.formats import count

    parts = [
        f"{proof.one:,} with one live document",
        f"{proof.none_with_reason:,} with none and a reason",
        f"{len(proof.several):,} with two",
    ]
    if proof.none_without:
        parts.insert(2, f"{len(proof.none_without):,} with none and no reason")
    return (
        f"Asked afresh, {count(len(proof.queries), 'call')}. "
        f"{count(len(proof.steps), 'billing step')} of {count(proof.deals, 'deal')}: "
        f"{', '.join(parts)}."
    )


def _answer(session: Session, bridge: str, proof: Proof, here: tzinfo, *, queries: bool) -> Result:
    from tieout.services.prove import carrier_data

    lines = [*wrapped(summary(proof)), *(_two(step, here) for step in proof.several)]
    lines += [_none(step) for step in proof.none_without]
    lines += [f"{_carrier(one, here)} stands for a deal that is not won." for one in proof.orphans]
    if queries:
        lines += ["", *_counted(proof.queries)]
    result = Result(
        data={
            "deals": proof.deals,
            "steps": len(proof.steps),
            "one": proof.one,
            "none_with_reason": proof.none_with_reason,
            "none_without_reason": len(proof.none_without),
            "several": len(proof.several),
            "calls": len(proof.queries),
            "items": [
                {
                    "deal": step.deal,
                    "step": step.part,
                    "reason": step.reason or None,
                    "documents": [carrier_data(one) for one in step.carriers],
                }
                for step in (*proof.several, *proof.none_without)
            ],
            "orphans": [carrier_data(one) for one in proof.orphans],
            "queries": list(proof.queries) if queries else None,
        },
        lines=lines,
        bridge=bridge,
    )
    if proof.holds:
        return result
    result.exit = Exit.DISAGREE
    if proof.several:
        first = next((one for one in proof.several[0].carriers if not one.ours), None)
        result.notes = ["Probably a copy; nothing was changed."]
        if first is not None:
            name = first.document.number or (first.document.ref.id if first.document.ref else "")
            result.next = (f"tieout why {first.document.kind}:{name}",)
    else:
        result.next = ("tieout run --once",)
    result.error = ErrorInfo(
        code="two_documents" if proof.several else "document_missing",
        message=lines[1] if len(lines) > 1 else lines[0],
        reference=reference("prove", session.clock.now()),
    )
    return result


def wrapped(text: str, width: int = 80) -> list[str]:
    """The sentence in lines that are not longer than that."""
    import textwrap

    return textwrap.wrap(text, width)


def _two(step: Proved, here: tzinfo) -> str:
    name = step.deal if step.part == 0 else f"{step.deal} step {step.part}"
    word = "two" if len(step.carriers) == 2 else str(len(step.carriers))
    ours_first = sorted(step.carriers, key=lambda one: not one.ours)
    return f"{name} has {word}: {', '.join(_carrier(one, here) for one in ours_first)}."


def _carrier(one: Carrier, here: tzinfo) -> str:
    from tieout.cli.daily import readable
    from tieout.cli.formats import amount
    from tieout.core.days import day_in_year

    document = one.document
    ref = document.ref.id if document.ref else ""
    name = f"{one.kind} {document.number or readable(ref)}".strip()
    if one.ours:
        return f"{name} (ours)"
    told = []
    if document.totals is not None:
        told.append(amount(document.totals.net))
    told.append("same reference")
    if document.created_by:
        told.append(document.created_by)
    if document.created_at is not None:
        local = document.created_at.astimezone(here)
        told.append(day_in_year(local))
    if name == one.kind and ref:
        told.append(ref)
    return f"{name} ({', '.join(told)})"


def _none(step: Proved) -> str:
    name = step.deal if step.part == 0 else f"{step.deal} step {step.part}"
    return f"{name} has none, and nothing says why."


def _counted(queries: list[str]) -> list[str]:
    """Each question once, with how often it was asked."""
    counted: dict[str, int] = {}
    for one in queries:
        counted[one] = counted.get(one, 0) + 1
    return [f"{number:>4} x  {text}" for text, number in counted.items()]
