"""`tieout codes`: the books' codes, for whoever makes the tables of a mapping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.output import Result, listing

if TYPE_CHECKING:
    from tieout.services.codes import CodeRow, CodesReport


@command("codes", examples=("tieout codes", "tieout codes --kind terms --csv terms.csv"))
async def codes(
    session: Session,
    kind: Annotated[
        list[str] | None, Option("--kind", metavar="KIND", help="Only those, such as terms.")
    ] = None,
    books: Annotated[str, Option("--books", metavar="NAME", help="Of one connection.")] = "",
    every: Annotated[bool, Option("--all", help="Also those that may not be used.")] = False,
    csv: Annotated[Path | None, Option("--csv", metavar="FILE", help="Into a file.")] = None,
) -> Result:
    """Show the books' codes, what of the CRM maps to each, and what maps to none."""
    from tieout.cli.daily import check_file, write_file
    from tieout.services import codes as reporting
    from tieout.services.configuration import choose_bridge, in_force
    from tieout.services.usage import UsedWronglyError
    from tieout.settings.bridge import Configuration

    check_file(csv)
    opened = await session.opened()
    bridge = await choose_bridge(opened, session.options.bridge)
    session.ref["bridge"] = bridge
    version = await in_force(opened, bridge)
    assert version is not None
    configured = Configuration.from_stored(version.body, version.tables)
    if books and books not in configured.books:
        raise UsedWronglyError(
            f"{bridge} has no books {books}.",
            code="usage",
            hint=f"There are: {', '.join(configured.books)}.",
        )
    asked = (books,) if books else configured.books
    found = await reporting.codes(opened.store, configured, asked, kind or ())
    if kind and not found.rows:
        every_one = await reporting.codes(opened.store, configured, asked, ())
        if every_one.rows:
            known = sorted({row.kind for row in every_one.rows})
            raise UsedWronglyError(
                f"No codes of kind {', '.join(kind)} were read.",
                hint=f"There are: {', '.join(known)}.",
            )
    notes = []
    if csv is not None:
        write_file(csv, reporting.csv_text(found).encode("utf-8-sig"))
        notes.append(f"Written: {csv}")
    shown = [row for row in found.rows if every or row.active or row.from_crm]
    return Result(
        data=listing([_data(row) for row in shown])
        | {
            "unmapped": [
                {"kind": one.kind, "table": one.table, "value": one.value, "records": one.records}
                for one in found.unmapped
            ],
            "no_such_code": [
                {"kind": one.kind, "table": one.table, "value": one.value, "code": one.code}
                for one in found.nowhere
            ],
        },
        lines=_lines(found, shown, session.screen.width),
        notes=notes,
        bridge=bridge,
    )


def _data(row: CodeRow) -> dict[str, object]:
    from tieout.services.codes import fact_text

    return {
        "books": row.books,
        "kind": row.kind,
        "code": row.code,
        "name": row.name,
        "active": row.active,
        "gone": row.gone,
        "facts": {name: fact_text(value) for name, value in sorted(row.facts.items())},
        "from_crm": list(row.from_crm),
    }


def _lines(found: CodesReport, shown: list[CodeRow], width: int | None) -> list[str]:
    from tieout.cli.formats import Column, count, table
    from tieout.services.codes import facts_text

    if not found.rows:
        return ["No codes were read yet. tieout run reads both sides."]
    several = len({row.books for row in found.rows}) > 1
    columns = (
        *((Column("Books"),) if several else ()),
        Column("Kind"),
        Column("Code"),
        Column("Name", rank=2),
        Column("Means", rank=3),
        Column("From the CRM", rank=1),
    )
    rows = [
        (
            *((row.books,) if several else ()),
            row.kind,
            row.code,
            row.name if row.active else f"{row.name} ({'gone' if row.gone else 'not in use'})",
            facts_text(row.facts),
            ", ".join(row.from_crm),
        )
        for row in shown
    ]
    lines = table(columns, rows, width)
    for one in found.unmapped:
        records = count(one.records, "record")
        kept_in = one.kept_in or f"tables/{one.table}.csv"
        lines.append(f'{one.kind}: "{one.value}" of {records} is not in {kept_in}.')
    for lost in found.nowhere:
        lines.append(
            f'{lost.kind}: {lost.kept_in} gives "{lost.value}" the code {lost.code},'
            " which no books have."
        )
    return lines
