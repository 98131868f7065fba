"""Sales per customer: what was invoiced, what is in draft or on order, what is in open deals."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.store.postgres import PostgresStore
from tieout.store.sales import SalesSum, sums

ZERO = Decimal(0)
HEADER = ("customer", "customer_id", "in_crm", "currency", "invoiced", "ongoing", "open_deals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sales:
    """
    One customer in one currency, net amounts; currencies are never added up.

    ``invoiced`` is what was booked in the period, credit notes taken off, fees and interest left
    out; ``ongoing`` what stands in drafts and orders now; ``open_deals`` what is not won yet.
    """

    customer_id: str
    customer: str
    linked: bool
    currency: str
    invoiced: Decimal = ZERO
    ongoing: Decimal = ZERO
    open_deals: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesReport:
    """Rows, the largest first, and the sum of each currency in the same form."""

    rows: tuple[Sales, ...]
    totals: tuple[Sales, ...]


async def sales(
    store: PostgresStore,
    crm: str,
    books: Sequence[str],
    first: date | None = None,
    last: date | None = None,
) -> SalesReport:
    """The report over what was last read of both sides; ``first`` and ``last`` bound invoices."""
    return report(await store.do(lambda tx: sums(tx, crm, books, first, last)))


def report(found: Sequence[SalesSum]) -> SalesReport:
    """Sums of three kinds side by side, per customer and currency."""
    rows: dict[tuple[bool, str, str], dict[str, Decimal]] = {}
    names: dict[tuple[bool, str], str] = {}
    totals: dict[str, dict[str, Decimal]] = {}
    for one in found:
        key = (one.linked, one.customer_id, one.currency)
        if one.customer:
            names[(one.linked, one.customer_id)] = one.customer
        for into in (rows.setdefault(key, {}), totals.setdefault(one.currency, {})):
            into[one.kind] = into.get(one.kind, ZERO) + one.net
    made = [
        _row(key[1], names.get(key[:2], key[1]), key[0], key[2], amounts)
        for key, amounts in rows.items()
    ]
    made.sort(key=lambda row: (row.currency, -row.invoiced, row.customer, row.customer_id))
    return SalesReport(
        rows=tuple(made),
        totals=tuple(_row("", "", True, name, totals[name]) for name in sorted(totals)),
    )


def _row(
    customer_id: str, customer: str, linked: bool, currency: str, amounts: dict[str, Decimal]
) -> Sales:
    return Sales(
        customer_id=customer_id,
        customer=customer,
        linked=linked,
        currency=currency,
        invoiced=amounts.get("invoiced", ZERO),
        ongoing=amounts.get("ongoing", ZERO),
        open_deals=amounts.get("open", ZERO),
    )


def csv_text(found: SalesReport) -> str:
    """The rows for a spreadsheet; texts that it would take for a formula are quoted."""
    from tieout.report.csv import plain_text

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in found.rows:
        writer.writerow(
            (
                plain_text(row.customer),
                plain_text(row.customer_id),
                "yes" if row.linked else "no",
                row.currency,
                format(row.invoiced, "f"),
                format(row.ongoing, "f"),
                format(row.open_deals, "f"),
            )
        )
    return stream.getvalue()
