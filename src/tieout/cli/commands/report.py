"""`tieout report`: figures beside the tie-out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.output import Result, listing

if TYPE_CHECKING:
    from tieout.services.items import ItemRow, ItemsReport
    from tieout.services.sales import Sales, SalesReport


@command(
    "report sales",
    examples=("tieout report sales", "tieout report sales --month 2026-10 --csv sales.csv"),
)
async def sales(
    session: Session,
    month: Annotated[
        str, Option("--month", metavar="YYYY-MM", help="Invoices dated in it; else all.")
    ] = "",
    csv: Annotated[Path | None, Option("--csv", metavar="FILE", help="Into a file.")] = None,
) -> Result:
    """Show per customer what was invoiced, what is in draft or on order, what deals are open."""
    from tieout.cli.daily import check_file, write_file
    from tieout.services import sales as reporting
    from tieout.services.configuration import choose_bridge, in_force
    from tieout.services.filing import month_of
    from tieout.settings.bridge import Configuration

    period = month_of(month) if month else None
    check_file(csv)
    opened = await session.opened()
    bridge = await choose_bridge(opened, session.options.bridge)
    session.ref["bridge"] = bridge
    version = await in_force(opened, bridge)
    assert version is not None
    configured = Configuration.from_stored(version.body, version.tables)
    found = await reporting.sales(
        opened.store,
        configured.crm,
        configured.books,
        period.start if period else None,
        period.end if period else None,
    )
    notes = []
    if csv is not None:
        write_file(csv, reporting.csv_text(found).encode("utf-8-sig"))
        notes.append(f"Written: {csv}")
    return Result(
        data=listing([_data(row) for row in found.rows])
        | {"totals": [_data(row, total=True) for row in found.totals]},
        lines=_lines(found, session.screen.width),
        notes=notes,
        bridge=bridge,
    )


def _data(row: Sales, *, total: bool = False) -> dict[str, object]:
    from tieout.cli.formats import money

    who: dict[str, object] = {}
    if not total:
        who = {"customer": row.customer, "customer_id": row.customer_id, "in_crm": row.linked}
    return {
        **who,
        "currency": row.currency,
        "invoiced": money(row.invoiced, row.currency),
        "ongoing": money(row.ongoing, row.currency),
        "open_deals": money(row.open_deals, row.currency),
    }


def _lines(found: SalesReport, width: int | None) -> list[str]:
    from tieout.cli.formats import Column, amount, table

    if not found.rows:
        return ["Nothing was sold yet, and no deal is open. tieout run reads both sides."]
    columns = (
        Column("Customer", rank=1),
        Column(""),
        Column("Invoiced", right=True),
        Column("Draft, order", right=True),
        Column("Open deals", right=True),
    )
    rows = [
        (
            row.customer if row.linked else f"{row.customer} (not in the CRM)",
            row.currency,
            amount(row.invoiced),
            amount(row.ongoing),
            amount(row.open_deals),
        )
        for row in found.rows
    ]
    rows += [
        (
            "Together",
            row.currency,
            amount(row.invoiced),
            amount(row.ongoing),
            amount(row.open_deals),
        )
        for row in found.totals
    ]
    return [
        *table(columns, rows, width),
        "Net, without reminder fees and interest; credit notes are taken off.",
    ]


@command(
    "report items",
    examples=("tieout report items", "tieout report items --state no_code --csv products.csv"),
)
async def items(
    session: Session,
    state: Annotated[
        str, Option("--state", metavar="STATE", help="Only those, such as no_code.")
    ] = "",
    every: Annotated[
        bool, Option("--all", help="Also what is in step, and prices not shown.")
    ] = False,
    csv: Annotated[Path | None, Option("--csv", metavar="FILE", help="Into a file.")] = None,
) -> Result:
    """Show products without a code, items that the CRM does not show, and missing prices."""
    from tieout.cli.daily import check_file, write_file
    from tieout.services import items as reporting
    from tieout.services.configuration import books_zone, choose_bridge, in_force
    from tieout.services.usage import UsedWronglyError
    from tieout.settings.bridge import Configuration
    from tieout.settings.compile import price_rules

    if state and state not in reporting.WORDS:
        raise UsedWronglyError(
            f"--state {state} is unknown.",
            code="usage",
            hint=f"There are: {', '.join(reporting.WORDS)}.",
        )
    check_file(csv)
    opened = await session.opened()
    bridge = await choose_bridge(opened, session.options.bridge)
    session.ref["bridge"] = bridge
    version = await in_force(opened, bridge)
    assert version is not None
    configured = Configuration.from_stored(version.body, version.tables)
    today = opened.clock.now().astimezone(await books_zone(opened, configured.books)).date()
    rules = price_rules(configured)
    found = await reporting.items(
        opened.store, bridge, configured.crm, configured.books, rules, today
    )
    shown = [
        row
        for row in found.rows
        if (row.state == state if state else every or row.state not in reporting.QUIET)
    ]
    notes = []
    if csv is not None:
        write_file(csv, reporting.csv_text(shown).encode("utf-8-sig"))
        notes.append(f"Written: {csv}")
    if configured.model.flows.items.mode == "off":
        notes.append("Products of the CRM are read only with flows.items, also in shadow.")
    return Result(
        data=listing([_item_data(row) for row in shown])
        | {
            "counts": found.counts(),
            "lines_without_code": [{"text": text, "deals": deals} for text, deals in found.lines],
        },
        lines=_item_lines(found, shown, session.screen.width),
        notes=notes,
        bridge=bridge,
    )


def _item_data(row: ItemRow) -> dict[str, object]:
    from tieout.services.items import HEADER

    return {name: getattr(row, name) or None for name in HEADER}


def _item_lines(found: ItemsReport, shown: list[ItemRow], width: int | None) -> list[str]:
    from tieout.cli.formats import Column, count, table
    from tieout.services.items import WORDS

    lines: list[str] = []
    if shown:
        columns = (Column("State"), Column("Number"), Column("Name", rank=1), Column("Where"))
        rows = [
            (WORDS[row.state], row.number or "-", row.name or row.id, row.where) for row in shown
        ]
        lines += table(columns, rows, width)
        lines += [f"{row.number or row.id}: {row.message}" for row in shown if row.message][:20]
    told = ", ".join(f"{WORDS[state]} {number:,}" for state, number in found.counts().items())
    lines.append(f"{told[0].upper()}{told[1:]}." if told else "No items were read yet.")
    for text, deals in found.lines:
        lines.append(f'"{text}" stands on lines of {count(deals, "deal")} without a product.')
    return lines
