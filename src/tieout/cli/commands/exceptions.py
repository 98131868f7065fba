"""`tieout exceptions`: what waits for a person."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.output import Exit, Result, listing

if TYPE_CHECKING:
    from datetime import datetime

    from tieout.bootstrap import Opened
    from tieout.engine.context import Engine
    from tieout.services.exceptions import Detail
    from tieout.store.people import Case
    from tieout.store.planned import Written

Number = Annotated[str, Argument(metavar="EX-31", help="Which one.")]
As = Annotated[str, Option("--as", metavar="NAME", help="Who acts.")]


@command(
    "exceptions list",
    examples=("tieout exceptions list", "tieout exceptions list --code item_no_code"),
)
async def list_(
    session: Session,
    code: Annotated[str, Option("--code", help="Only this code.")] = "",
    owner: Annotated[str, Option("--owner", help="Only this person's.")] = "",
    csv: Annotated[Path | None, Option("--csv", metavar="FILE", help="Into a file.")] = None,
) -> Result:
    """Show what waits for a person, the oldest first."""
    from tieout.cli.daily import case_data, check_file
    from tieout.services import exceptions

    check_file(csv)
    opened = await session.opened()
    bridge, crm = await _bridge(session, opened)
    found = await exceptions.listing(opened.store, bridge, crm, code=code, owner=owner)
    now = session.clock.now()
    notes = []
    if csv is not None:
        _write_csv(csv, found)
        notes.append(f"Written: {csv}")
    return Result(
        data=listing([case_data(case) for case in found]),
        lines=await _list_lines(session, opened, bridge, found, now, filtered=bool(code or owner)),
        notes=notes,
        next=(f"tieout exceptions show {found[0].name}",) if found else (),
        bridge=bridge,
    )


async def _bridge(session: Session, opened: Opened) -> tuple[str, str]:
    """The bridge's name and its CRM connection."""
    from tieout.services.configuration import choose_bridge, in_force
    from tieout.settings.bridge import Configuration

    bridge = await choose_bridge(opened, session.options.bridge)
    session.ref["bridge"] = bridge
    version = await in_force(opened, bridge)
    assert version is not None
    return bridge, Configuration.from_stored(version.body, version.tables).crm


async def _list_lines(
    session: Session,
    opened: Opened,
    bridge: str,
    found: list[Case],
    now: datetime,
    *,
    filtered: bool,
) -> list[str]:
    from tieout.cli.daily import sums, sums_text
    from tieout.cli.formats import Column, age, amount, table
    from tieout.store import people

    if not found:
        closed = await opened.do(lambda tx: people.closed_since(tx, bridge, people.month_ago(now)))
        said = "No open exceptions like that." if filtered else "No open exceptions."
        return [f"{said} {closed} closed in 30 days."]
    several = len({case.currency for case in found if case.amount is not None}) > 1
    rows = [
        (
            case.name,
            case.code,
            _record(case),
            "" if case.customer.casefold() in _record(case).casefold() else case.customer,
            ""
            if case.amount is None
            else f"{amount(case.amount)} {case.currency if several else ''}".strip(),
            age(now - case.opened_at, short=True),
            case.owner,
            to_do(case),
        )
        for case in found
    ]
    columns = (
        Column(),
        Column(),
        Column(least=22),
        Column(rank=2, least=14),
        Column(right=True),
        Column(right=True, rank=3),
        Column(rank=4, least=12),
        Column(rank=1, least=16),
    )
    total = sums(_once(found))
    tail = f"{len(found)} open, {sums_text(total)}" if total else f"{len(found)} open"
    ending = f"{tail}, as in the tie-out."
    if filtered:
        ending = f"{tail}."
    elif len(total) > 1:
        ending = f"{tail}; in the tie-out at the deals' rates."
    return [*table(columns, rows, session.screen.width), ending]


def _record(case: Case) -> str:
    """The deal, else those that wait for the customer, else the customer itself."""
    return case.deal or _waiting(case) or case.customer


def _waiting(case: Case, most: int = 3) -> str:
    """`D-1, D-2, D-3 and 4 more`: the deals that wait behind a customer."""
    named = ", ".join(case.waiting[:most])
    left = len(case.waiting) - most
    return named if left <= 0 else f"{named} and {left} more"


def _once(found: list[Case]) -> list[tuple[Any, str]]:
    """Each deal's amount once, however many exceptions it has."""
    by_source: dict[tuple[str, str], Any] = {}
    for case in found:
        if case.amount is not None:
            key = (case.source_id, case.currency)
            by_source[key] = max(by_source.get(key, case.amount), case.amount)
    return [(value, currency) for (_, currency), value in by_source.items()]


_TO_DO = {
    "changed_after_booking": "{proposal}",
    "customer_maybe_known": "pick one",
    "terms_unmapped": "map its terms",
    "customer_gone": "say which customer it is",
    "both_changed": "say which side counts",
    "draft_deleted": "make a new one, or leave it out",
    "draft_edited": "agree on one of the two",
    "order_changed": "say which side counts",
    "order_gone_invoiced": "credit the invoice",
    "found_differs": "compare the two",
    "two_carriers": "name the one that counts",
    "near_hit": "say whether it is the one",
    "old_generation_alive": "say whether it is the one",
    "former_document_stands": "say whether it is the one",
    "possible_duplicate": "say whether it is the one",
    "absent_three_times": "look into the books",
    "buyer_reference_missing": "ask the buyer",
    "number_wrong": "correct the number",
    "address_incomplete": "complete the address",
    "total_differs": "compare the draft",
    "reopened_after_booking": "credit, or win it again",
    "former_plan_invoiced": "credit the former invoice",
    "reopened_draft_kept": "delete the draft, or win it again",
    "period_closed": "choose the date",
    "credit_stop": "lift the stop",
    "figures_disagree": "find the difference",
    "currency_not_allowed": "change the currency",
    "no_lines": "add its products",
    "amount_not_lines": "compare amount and lines",
    "tax_unresolved": "give it a tax class",
    "tax_mixed": "one way of VAT per deal",
    "total_below_zero": "make a credit note",
    "net_differs": "allow it, or two decimals",
    "too_many_decimals": "price with two decimals",
    "dimension_missing": "fill it on the deal",
    "discount_no_item": "name its item",
    "number_unchecked": "nothing: asked again",
    "email_missing": "fill the e-mail address",
    "customer_inactive": "make the customer active",
    "schedule_not_total": "make the steps add up",
    "schedule_not_understood": "correct the billing plan",
    "record_unreadable": "look at the record",
    "refused_by_system": "see what it says",
    "assign_documents": "say whose they are",
    "restored": "read the plan, then dismiss it",
}


def to_do(case: Case) -> str:
    """What would settle it, in a few words."""
    from tieout.services.exceptions import missing_value, values_of

    value = missing_value(case)
    if value:
        return f'map "{value}"'
    words = _TO_DO.get(case.code, "")
    if words == "{proposal}":
        values = values_of(case)
        words = values[0].get("proposal", "") if values else ""
        return words.removeprefix("a ")
    return words or case.code.replace("_", " ")


def _write_csv(path: Path, found: list[Case]) -> None:
    import csv as writer_of
    import io

    from tieout.cli.daily import write_file
    from tieout.report.csv import plain_text

    out = io.StringIO(newline="")
    writer = writer_of.writer(out, lineterminator="\r\n")
    writer.writerow(
        ("id", "code", "deal", "customer", "amount", "currency", "opened", "owner", "message",
         "hint", "link")
    )  # fmt: skip
    for case in found:
        texts = (case.deal, case.customer)
        writer.writerow(
            (
                case.name,
                case.code,
                *(plain_text(text) for text in texts),
                "" if case.amount is None else f"{case.amount:f}",
                case.currency,
                case.opened_at.isoformat(),
                plain_text(case.owner),
                plain_text(case.message),
                plain_text(case.hint),
                case.url,
            )
        )
    write_file(path, out.getvalue().encode("utf-8-sig"))


# --- one of them --------------------


@command("exceptions show", examples=("tieout exceptions show EX-31", "tieout exceptions show 31"))
async def show(session: Session, which: Number) -> Result:
    """Show one with all that helps to settle it."""
    from tieout.cli.daily import case_data, number_of
    from tieout.services import choosing, exceptions

    opened = await session.opened()
    bridge, crm = await _bridge(session, opened)
    case = await exceptions.find(opened.store, bridge, crm, number_of(which, "EX"))
    found = await exceptions.detail(opened.store, bridge, crm, case)
    data = case_data(case)
    data["value"] = found.value or None
    data["closest"] = [{"code": code, "name": name} for code, name in found.closest]
    data["candidates"] = [
        {"id": one[0], "number": one[1] or None, "name": one[2] or None, "status": one[3] or None}
        for one in found.candidates
    ]
    data["register"] = next(
        (told for told in case.details.get("values", []) if "register" in told), None
    )
    data["fields"] = [
        {
            "field": name,
            **{
                side: {
                    "then": told[f"{side}_then"],
                    "now": told[f"{side}_now"],
                    "at": told[f"{side}_at"] or None,
                }
                for side in ("crm", "books")
            },
        }
        for name, told in choosing.fields_of(case).items()
    ]
    data["frees"] = {"count": len(found.frees), "items": [one.name for one in found.frees]}
    return Result(
        data=data,
        lines=show_lines(found, session.clock.now()),
        next=_answers(case),
        bridge=bridge,
    )


def _wrapped(*parts: str) -> list[str]:
    """Sentences in one line, or each in its own; what is to be copied stays in one piece."""
    from tieout.cells import cells

    said = [part.strip() for part in parts if part.strip()]
    whole = " ".join(said)
    if cells(whole) <= 100:
        return [whole]
    return [
        line
        for part in said
        for line in wrap(part, 100, break_long_words=False, break_on_hyphens=False)
    ]


def show_lines(found: Detail, now: datetime) -> list[str]:
    """The whole of one exception: record, what it means, what to do, what the fix frees."""
    from tieout.cli.formats import age, amount, count

    case = found.case
    tried = f"tried {count(case.tries, 'time')}"
    head = f"{case.name}  {case.code}  open {age(now - case.opened_at)}, {tried}"
    if case.closed_at is not None:
        head = f"{case.name}  {case.code}  closed by {case.closed_by}: {case.closed_reason}"
    elif case.owner:
        head += f", owner {case.owner}"
    lines = [head]
    record = case.deal
    if case.title and case.title != case.deal:
        record += f' "{case.title}"'
    parts = [record, "" if case.customer.casefold() in record.casefold() else case.customer]
    if case.amount is not None:
        parts.append(f"{case.currency} {amount(case.amount)} net")
    parts.append(case.url)
    lines.append(", ".join(part for part in parts if part))
    settles = case.closed_at is None and case.details.get("hold_on")
    meaning = " No draft was made, nothing was sent." if found.unsent else ""
    lines += _wrapped(case.message, meaning)
    if case.hint:
        lines += _wrapped(case.hint, "It then closes by itself." if settles else "")
    for one in found.candidates:
        told = [one[1] or one[0], one[2], one[3]]
        if one[4]:
            told.append(f"{one[5]} {one[4]}".strip())
        lines.append(f"Candidate: {', '.join(text for text in told if text)}")
    if case.waiting:
        verb = "waits" if len(case.waiting) == 1 else "wait"
        lines.append(f"{_waiting(case, 10)} {verb} for it; nothing is made.")
    lines += _both_sides(case)
    lines += _closest(found)
    lines += _register(case)
    return [line for line in lines if line]


def _both_sides(case: Case) -> list[str]:
    """Field by field: what each side showed when both agreed, and what it shows now."""
    from tieout.services.choosing import fields_of

    lines = []
    for name, told in fields_of(case).items():
        lines.append(f"{name}, when both agreed and now:")
        for side in ("crm", "books"):
            at = f", edited {told[f'{side}_at'][:16].replace('T', ' ')} UTC"
            lines.append(
                f'  {side:<5}  "{told[f"{side}_then"]}" -> "{told[f"{side}_now"]}"'
                + (at if told[f"{side}_at"] else "")
            )
    return lines


def _register(case: Case) -> list[str]:
    """`Register: VIES, asked 5 Oct 2026, consultation WAPI…, "NAME"`, where one answered."""
    for told in case.details.get("values", []):
        if isinstance(told, dict) and told.get("register") and told.get("asked"):
            parts = [str(told["register"]), f"asked {told['asked']}"]
            if told.get("consultation"):
                parts.append(f"consultation {told['consultation']}")
            if told.get("name"):
                parts.append(f'"{told["name"]}"')
            return [f"Register: {', '.join(parts)}."]
    return []


def _closest(found: Detail) -> list[str]:
    from tieout.cli.daily import sums, sums_text
    from tieout.cli.formats import count
    from tieout.services.exceptions import freed_records

    told = ""
    if found.closest:
        code, name = found.closest[0]
        told = f'Closest: {code} "{name}".'
    if found.value:
        total = sums(_once(list(found.frees)))
        # A customer that nothing is sold to yet waits, too; it is no deal.
        deals, others = freed_records(found)
        told_of = [count(deals, "deal")] if deals else []
        if others:
            told_of.append(count(others, "other record"))
        freed = f"The fix frees {' and '.join(told_of)}"
        freed += f", {sums_text(total)}." if total else "."
        told = f"{told} {freed}".strip()
    return [told] if told else []


def _answers(case: Case) -> tuple[str, ...]:
    """Commands that settle it, the likeliest first."""
    if case.closed_at is not None:
        return ()
    answer = f"tieout exceptions answer {case.name}"
    match case.code:
        case "customer_maybe_known" | "customer_gone":
            return (f"{answer} --is NUMBER", f"{answer} --new")
        case "both_changed":
            return (f"{answer} --side crm", f"{answer} --side books")
        case "draft_deleted":
            return (f"{answer} --make-new", f"{answer} --leave-out")
        case "order_changed":
            return (f"{answer} --side crm", f"{answer} --side books")
        case "order_gone_invoiced":
            return (f"{answer} --leave-out", f"tieout exceptions retry {case.name}")
        case "possible_duplicate":
            return (f"{answer} --is REF", f"{answer} --make-new", f"{answer} --leave-out")
        case (
            "two_carriers" | "near_hit" | "copy" | "old_generation_alive" | "former_document_stands"
        ):
            return (f"{answer} --is REF", f"{answer} --not-ours REF")
        case "customer_in_doubt":
            return ("tieout exceptions list",)
        case "unassigned_documents":
            return ("tieout exceptions list --code assign_documents",)
        case "assign_documents":
            return (f"{answer} --is REF --deal DEAL", f"{answer} --not-ours REF")
        case "restored":
            return ("tieout plan", f'tieout exceptions dismiss {case.name} --reason "..."')
        case "figures_disagree":
            return ("tieout reconcile",)
    from tieout.services.exceptions import one_by_one

    return (f"tieout exceptions retry {case.name}" if one_by_one(case) else "tieout run",)


# --- acts --------------------


@command(
    "exceptions retry", examples=("tieout exceptions retry EX-31", "tieout exceptions retry 31")
)
async def retry(session: Session, which: Number) -> Result:
    """Read, decide and write its deal once more, now."""
    from tieout.cli.daily import case_data, number_of, open_bridge, progress, progress_over
    from tieout.services import exceptions

    opened = await session.opened()
    engine = await open_bridge(session, opened)
    number = number_of(which, "EX")
    case = await exceptions.find(opened.store, engine.bridge, engine.policy.crm, number)
    made: list[Written] = []
    if case.closed_at is None:
        try:
            case, made = await exceptions.retry(engine, opened.store, case, progress(session))
        finally:
            progress_over(session)
    if case.closed_at is not None:
        return Result(
            data=case_data(case),
            lines=[f"{case.name} is closed: {_what_came(case, made)}."],
            bridge=engine.bridge,
        )
    return Result(
        data=case_data(case),
        lines=[f"Still open: {case.message}"],
        next=(f"tieout exceptions show {case.name}",),
        exit=Exit.PERSON,
        bridge=engine.bridge,
    )


def _what_came(case: Case, made: list[Written]) -> str:
    """`draft 2219, 9,640.00`, or why it was closed."""
    from tieout.cli.daily import record_name
    from tieout.cli.formats import amount

    words = [
        record_name(one) + (f", {amount(one.net)}" if one.net is not None else "")
        for one in made
        if one.state in ("applied", "already_applied")
    ]
    return "; ".join(reversed(words)) or case.closed_reason


@command(
    "exceptions dismiss",
    examples=(
        'tieout exceptions dismiss EX-34 --reason "price agreed"',
        'tieout exceptions dismiss 34 --reason "written off" --as anna.lind',
    ),
)
async def dismiss(
    session: Session,
    which: Number,
    reason: Annotated[str, Option("--reason", help="Why; it is kept.")],
    as_: As = "",
) -> Result:
    """Close one with your name and a reason. Its amount stays in the tie-out."""
    from tieout.bootstrap import who_acts
    from tieout.cli.daily import case_data, number_of
    from tieout.cli.formats import amount
    from tieout.services import exceptions
    from tieout.services.usage import UsedWronglyError

    if not reason.strip():
        raise UsedWronglyError("A dismissal needs its reason.", code="usage")
    opened = await session.opened()
    bridge, crm = await _bridge(session, opened)
    who = who_acts(as_)
    case = await exceptions.find(opened.store, bridge, crm, number_of(which, "EX"))
    if case.closed_at is not None:
        raise UsedWronglyError(
            f"{case.name} was closed by {case.closed_by} already.", code="exception_closed"
        )
    kept = await exceptions.dismiss(
        opened.store, case, who=who, reason=reason, now=session.clock.now()
    )
    case = await exceptions.find(opened.store, bridge, crm, case.number)
    tail = f" The {amount(kept)} stay in the tie-out, with name and reason." if kept else ""
    return Result(data=case_data(case), lines=[f"Dismissed by {who}.{tail}"], bridge=bridge)


@command(
    "exceptions answer",
    examples=(
        "tieout exceptions answer EX-40 --is 112",
        "tieout exceptions answer EX-41 --make-new",
        "tieout exceptions answer D-105 --make-new",
        "tieout exceptions answer EX-42 --side crm --side emails=books",
    ),
)
async def answer(
    session: Session,
    which: Annotated[
        str,
        Argument(
            metavar="EX-31",
            help="Which one (EX-31); or, with --make-new, a won deal whose document was credited.",
        ),
    ],
    is_: Annotated[str, Option("--is", metavar="REF", help="It is this record.")] = "",
    deal: Annotated[str, Option("--deal", help="Whose document --is names, after a restore.")] = "",
    step: Annotated[
        int, Option("--step", min=0, help="Which of that deal's instalments; 0: the whole.")
    ] = 0,
    new: Annotated[bool, Option("--new", help="It is a new customer.")] = False,
    make_new: Annotated[bool, Option("--make-new", help="Make a new draft.")] = False,
    leave_out: Annotated[bool, Option("--leave-out", help="Make none.")] = False,
    not_ours: Annotated[
        list[str] | None, Option("--not-ours", metavar="REF", help="Not this one; may repeat.")
    ] = None,
    side: Annotated[
        list[str] | None,
        Option("--side", metavar="SIDE", help="crm or books; name=crm for one field; may repeat."),
    ] = None,
    as_: As = "",
) -> Result:
    """Say what only a person can say. It is kept, and honoured from then on."""
    from tieout.bootstrap import who_acts
    from tieout.cli.daily import case_data, number_of, open_bridge
    from tieout.services import exceptions

    opened = await session.opened()
    who = who_acts(as_)
    engine = await open_bridge(session, opened, who)
    crm = engine.policy.crm
    given = exceptions.Answer(
        which=is_,
        deal=deal,
        step=step,
        new=new,
        make_new=make_new,
        leave_out=leave_out,
        not_ours=tuple(not_ours or ()),
        sides=tuple(side or ()),
    )
    if given == exceptions.Answer(make_new=True, step=step) and not await exceptions.is_named(
        opened.store, engine.bridge, crm, which
    ):
        return await _made_anew(session, engine, which, step, who)
    case = await exceptions.find(opened.store, engine.bridge, crm, number_of(which, "EX"))
    said = await exceptions.answer(engine, opened.store, case, given, who=who)
    case = await exceptions.find(opened.store, engine.bridge, crm, case.number)
    return Result(
        data={**case_data(case), "answer": said},
        lines=[f"Noted for {who}: {said}"],
        next=("tieout run --once",),
        bridge=engine.bridge,
    )


async def _made_anew(session: Session, engine: Engine, word: str, step: int, who: str) -> Result:
    """The answer to what no exception asks: a deal is won, and its document was credited."""
    from tieout.cli.formats import count
    from tieout.services.making_anew import make_anew

    opened = await session.opened()
    deal, places = await make_anew(engine, opened.store, word, step, who=who)
    said = f"{count(places, 'new document')} for {deal.name} by the next run."
    return Result(
        data={"deal": deal.name, "deal_id": deal.id, "documents": places, "answer": said},
        lines=[f"Noted for {who}: {said}"],
        next=("tieout run --once",),
        bridge=engine.bridge,
    )
