"""`tieout match`: who on one side is who on the other, before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.output import Exit, Result

if TYPE_CHECKING:
    from tieout.engine.context import Engine
    from tieout.services.match_reporting import Report
    from tieout.store.postgres import PostgresStore

Ref = Annotated[
    str, Argument(metavar="REF", help="A customer, person or deal of the CRM: number, name or id.")
]
Which = Annotated[str, Option("--is", metavar="NUMBER", help="Which record of the books.")]
As = Annotated[str, Option("--as", metavar="NAME", help="Who acts.")]
ROWS = 10
_ALL_ROWS = 100_000


@command("match report", examples=("tieout match report", "tieout match report --no-read --full"))
async def report(
    session: Session,
    no_read: Annotated[
        bool, Option("--no-read", help="On what was read before; calls nothing.")
    ] = False,
    full: Annotated[bool, Option("--full", help="Every row, nothing cut.")] = False,
    strict: Annotated[
        bool, Option("--strict", help="End with 8 where a person is needed.")
    ] = False,
) -> Result:
    """Read both sides and show who is who. Nothing is written, nothing is linked."""
    from tieout.cli.daily import open_bridge, progress, progress_over, zone
    from tieout.cli.match_screen import report_data, report_lines
    from tieout.services import match_reporting, matching

    opened = await session.opened()
    engine = await open_bridge(session, opened)
    try:
        await matching.match(engine, opened.store, read=not no_read, say=progress(session, engine))
    finally:
        progress_over(session)
    found = await match_reporting.reports(engine, opened.store, _ALL_ROWS if full else ROWS)
    lines: list[str] = []
    for one in found:
        lines += [""] if lines else []
        lines += report_lines(
            one,
            engine.bridge,
            zone(engine),
            None if full else session.screen.width,
            full=full,
        )
    return Result(
        data={"items": [report_data(one) for one in found], "count": len(found)},
        lines=lines,
        notes=["Nothing was written."],
        next=_next(found),
        bridge=engine.bridge,
        exit=Exit.PERSON if strict and _needs_person(found) else Exit.OK,
    )


def _next(found: list[Report]) -> tuple[str, ...]:
    if any(one.totals.crm.matched for one in found):
        return ("tieout match accept --all matched", "tieout match export match.csv")
    if _needs_person(found):
        return ("tieout match export match.csv",)
    return ("tieout plan",)


def _needs_person(found: list[Report]) -> bool:
    return any(
        one.totals.crm.proposed
        or one.totals.crm.ambiguous
        or one.documents
        or one.unsure_documents
        or one.unsure_people
        for one in found
    )


@command(
    "match export",
    examples=("tieout match export match.csv", "tieout match export match.csv --json"),
)
async def export(
    session: Session,
    file: Annotated[Path, Argument(metavar="FILE", help="The CSV file to write.")],
) -> Result:
    """Write every pair to a CSV file with an empty column for the decision."""
    from tieout.cli.daily import check_file, open_bridge, whole_file
    from tieout.services import match_deciding, match_reporting
    from tieout.store.match_words import WORDS

    check_file(file)
    opened = await session.opened()
    engine = await open_bridge(session, opened)
    await match_reporting.reports(engine, opened.store, 0)
    with whole_file(file) as aside:
        number = await match_deciding.export(engine, opened.store, aside)
    return Result(
        data={"file": str(file), "pairs": number, "decisions": list(WORDS)},
        lines=[
            f"{number:,} pairs in {file}. In the column decision: same, different, new, or open to"
            " take a word back."
        ],
        next=(f"tieout match decide {file}",),
        bridge=engine.bridge,
    )


@command(
    "match decide",
    examples=("tieout match decide match.csv", "tieout match decide match.csv --as anna.lind"),
)
async def decide(
    session: Session,
    file: Annotated[Path, Argument(metavar="FILE", help="A CSV file with decisions.")],
    as_: As = "",
) -> Result:
    """Keep the decisions of a file: all of them, or none where one is wrong."""
    from tieout.cli.commands.config import problems_result
    from tieout.services import match_deciding
    from tieout.services.configuration import ConfigurationProblems

    engine, store, who = await _acting(session, as_)
    try:
        counts = await match_deciding.decide_file(engine, store, file, who=who)
    except ConfigurationProblems as error:
        return problems_result(session, error)
    told = ", ".join(f"{number:,} {word}" for word, number in sorted(counts.items()))
    return Result(
        data={"file": str(file), "decisions": counts},
        lines=[f"Noted for {who}: {told or 'no decision is in the file'}."],
        next=("tieout match report --no-read", "tieout plan"),
        bridge=engine.bridge,
    )


@command(
    "match accept",
    examples=(
        "tieout match accept --all matched",
        'tieout match accept "Tallmo Skog AB" --is 318',
        "tieout match accept D-108",
    ),
)
async def accept(
    session: Session,
    which: Annotated[
        str,
        Argument(
            metavar="[REF]", help="A customer, person or deal of the CRM: number, name or id."
        ),
    ] = "",
    is_: Which = "",
    all_: Annotated[
        str, Option("--all", metavar="KIND", help="Every one: matched, proposed or documents.")
    ] = "",
    from_score: Annotated[
        int, Option("--from-score", min=0, max=100, help="With --all: that score at least.")
    ] = 0,
    as_: As = "",
) -> Result:
    """Say that two records are one: the customer is adopted, the document is the deal's."""
    from tieout.cli.formats import count
    from tieout.cli.match_screen import pair_data, refused_lines
    from tieout.services import match_deciding
    from tieout.services.usage import UsedWronglyError
    from tieout.store.match_words import SAME

    if bool(which) == bool(all_) or all_ not in ("", *_ALL):
        raise UsedWronglyError(
            f"Give a customer or deal, or --all with one of: {', '.join(_ALL)}.", code="usage"
        )
    if not all_:
        return await _single(session, which, is_, SAME, as_)
    engine, store, who = await _acting(session, as_)
    done = await match_deciding.accept_all(engine, store, all_, from_score, who=who)
    told = f"{count(done.customers, 'customer')}, {count(done.documents, 'document')}"
    return Result(
        data={
            "customers": done.customers,
            "documents": done.documents,
            "refused": [{"pair": pair_data(pair), "why": why} for pair, why in done.refused],
        },
        lines=[f"Noted for {who}: {told}.", *refused_lines(done.refused)],
        exit=Exit.PERSON if done.refused else Exit.OK,
        next=("tieout match report --no-read", "tieout plan"),
        bridge=engine.bridge,
    )


_ALL = ("matched", "proposed", "documents")


@command(
    "match reject",
    examples=(
        'tieout match reject "Tallmo Skog AB" --is 318',
        "tieout match reject D-108 --is 1052 --as anna.lind",
    ),
)
async def reject(session: Session, which: Ref, is_: Which = "", as_: As = "") -> Result:
    """Say that two records are not one. They are not proposed again."""
    from tieout.store.match_words import DIFFERENT

    return await _single(session, which, is_, DIFFERENT, as_)


@command("match new", examples=('tieout match new "Tallmo Skog AB"', "tieout match new D-108"))
async def new(session: Session, which: Ref, as_: As = "") -> Result:
    """Say that the books do not have it: it is made when it is needed."""
    from tieout.store.match_words import NEW

    return await _single(session, which, "", NEW, as_)


async def _acting(session: Session, as_: str) -> tuple[Engine, PostgresStore, str]:
    from tieout.bootstrap import who_acts
    from tieout.cli.daily import open_bridge

    opened = await session.opened()
    who = who_acts(as_)
    return await open_bridge(session, opened, who), opened.store, who


async def _single(session: Session, which: str, is_: str, said: str, as_: str) -> Result:
    from tieout.cli.match_screen import pair_data
    from tieout.services import match_deciding
    from tieout.store.match_words import DIFFERENT, NEW, SAME

    engine, store, who = await _acting(session, as_)
    pair = await match_deciding.one_word(engine, store, which, is_, said, who=who)
    mine = pair.crm_number or pair.crm_name or pair.source_id
    theirs = f"{pair.books_number or pair.target_id} {pair.books_name}".strip()
    told = {
        SAME: f"{mine} is {theirs}.",
        DIFFERENT: f"{mine} is not {theirs}.",
        NEW: f"{mine} is none of the books' records.",
    }[said]
    return Result(
        data={"decision": said, "pair": pair_data(pair)},
        lines=[f"Noted for {who}: {told}"],
        next=("tieout match report --no-read", "tieout plan"),
        bridge=engine.bridge,
    )
