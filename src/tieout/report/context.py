"""What a report says about itself: whose figures, read when, filed by whom, on which basis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tieout.core.ageing import Ageing
from tieout.core.receivables import Receivables
from tieout.core.tieout import TieOut

DEFINITIONS = (
    "Sold: sum of the lines to invoice, by close date.",
    "Invoiced: booked invoices less booked credit notes, by document date.",
    "Rate of sold: the deal's; of invoiced: the ledger's.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """When and by whom the month was filed; the time is in the book's zone."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """
    The head and the foot of a report. Times are aware and already in the book's zone.

    `digest` is the SHA-256 (hex) that the report was stored under; without it the report
    computes its own over the same figures.
    """

    company: str
    bridge: str
    books: str
    time_zone: str
    read_at: datetime
    filed: Filing | None = None
    config_version: str = ""
    run: str = ""
    digest: str = ""
    check: str = ""
    definitions: tuple[str, ...] = DEFINITIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    All that one report shows; receivables and ageing are None where they were not read.

    ``unread`` then says why, as a whole sentence; '' where nobody asked for them.
    """

    context: ReportContext
    tie_out: TieOut
    receivables: Receivables | None = None
    ageing: Ageing | None = None
    unread: str = ""
