"""The rate to base currency that a step was sold at, where its currency is another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from tieout.core.mapping.errors import MappingError
from tieout.core.model import Customer, Deal
from tieout.core.policy import BooksPolicy, FieldRule
from tieout.core.scope import deal_scope
from tieout.store.database import Tx
from tieout.store.reconciling import StepRow


def rate_of(
    row: StepRow, base_currency: str, cut_off: date, newest: Mapping[str, Decimal]
) -> Decimal:
    """
    The deal's own rate; else that of its booked document, so that no gap is invented and a month
    is the same tomorrow; else the books' newest.
    """
    if row.currency == base_currency:
        return Decimal(1)
    if row.own_rate is not None:
        return row.own_rate
    booked = _booked_rate(row, cut_off)
    return next(
        (rate for rate in (booked, newest.get(row.currency)) if rate is not None),
        next((d.rate for d in row.documents if d.rate is not None), Decimal(1)),
    )


def _booked_rate(row: StepRow, cut_off: date) -> Decimal | None:
    """
    That of the first invoice by the cut-off, of the newest generation: one that was credited and
    made anew counts no more. Where none was booked by then, of the first one after it.
    """
    booked = [
        d
        for d in row.documents
        if d.kind in ("invoice", "credit_note")
        and d.currency == row.currency
        and d.rate is not None
    ]
    booked = [d for d in booked if d.kind == "invoice"] or booked
    in_time = [d for d in booked if d.day is not None and d.day <= cut_off]
    newest = max((d.generation for d in in_time), default=0)
    counted = [d for d in in_time if d.generation == newest] or booked
    first = min(counted, key=lambda d: (d.day or date.max, d.number), default=None)
    return None if first is None else first.rate


def own_rate(rule: FieldRule, deal: Deal, buyer: Customer | None) -> Decimal | None:
    """What the rule says of the deal; None where it says nothing that can be one."""
    try:
        value = rule.value(deal_scope(deal, buyer))
    except MappingError:
        # Shown as the rate of the books; a rate that is missing stops no report.
        return None
    return value if isinstance(value, Decimal) and value > 0 else None


def book_rates(tx: Tx, book: BooksPolicy) -> dict[str, Decimal]:
    """Rates to base currency: the books' daily ones, as last read."""
    rates = {book.base_currency: Decimal(1)}
    for row in tx.rows(
        "SELECT number, (record->'facts'->>'rate')::numeric FROM mirror WHERE workspace = %(ws)s"
        " AND connection = %(books)s AND entity = 'code' AND kind = 'currency'",
        books=book.connection,
    ):
        if row[1] is not None:
            rates[row[0]] = row[1]
    return rates
