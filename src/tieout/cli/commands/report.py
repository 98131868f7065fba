"""`tieout report`: figures beside the tie-out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.output import Result, listing

if TYPE_CHECKING:
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
