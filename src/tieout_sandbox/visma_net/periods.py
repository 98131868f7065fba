"""Financial periods: which one holds a date, and whether it takes a posting."""

from __future__ import annotations

from datetime import date

from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError, missing
from tieout_sandbox.visma_net.tables import Record


def of_date(company: Company, day: date) -> Record:
    """The period that holds a date; BusinessError where there is none."""
    for row in company.periods:
        if row["startDate"] <= day <= row["_last"]:
            return row
    raise BusinessError(f"Error: there is no financial period for {day:%d.%m.%Y}.")


def named(company: Company, period: str) -> Record:
    """The period of `YYYYMM`; BusinessError where there is none."""
    found = company.periods.get(period)
    if found is None:
        raise missing("FinPeriodID", period)
    return found


def shut(row: Record) -> str | None:
    """Why nothing can be posted, None where something can."""
    name = f"{row['_key'][4:]}-{row['_key'][:4]}"
    if not row["active"]:
        return f"Financial Period '{name}' is inactive."
    for ledger, field in (
        ("Customer Ledger", "closedInCustomerLedger"),
        ("General Ledger", "closedInGeneralLedger"),
    ):
        if row[field]:
            return f"Financial Period '{name}' is closed in {ledger}."
    return None


def require_open(company: Company, period: str) -> None:
    """BusinessError where the period takes no posting from the API user."""
    row = named(company, period)
    why = shut(row)
    if why is not None and (not row["active"] or company.assumptions.closed_period == "refused"):
        raise BusinessError(f"Error: {why}")


def chosen(company: Company, day: date, financial: str | None, post: str | None) -> str:
    """The period of a document: what was sent, else that of its date. `financial` is `YYYYMM`,
    `post` is `MMYYYY`."""
    if financial:
        return str(named(company, financial)["_key"])
    if post:
        return str(named(company, post[2:] + post[:2])["_key"])
    return str(of_date(company, day)["_key"])
