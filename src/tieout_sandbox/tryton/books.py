"""The ids of what the set-up made, found in a database by names and codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tieout_sandbox.tryton.rpc import Tryton


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """
    Ids by what people call things.

    Accounts, dimension values, items (their product) and currencies by code; countries by
    ISO code; journals by code (`REV`, `CASH`); periods like `2026-10`; the rest by name.
    """

    company: int
    party: int
    currencies: dict[str, int]
    countries: dict[str, int]
    accounts: dict[str, int]
    receivable: int
    journals: dict[str, int]
    taxes: dict[str, int]
    tax_rules: dict[str, int]
    categories: dict[str, int]
    items: dict[str, int]
    units: dict[str, int]
    terms: dict[str, int]
    payment_methods: dict[str, int]
    write_offs: dict[str, int]
    dimensions: dict[str, int]
    dimension_values: dict[str, int]
    years: dict[str, int]
    periods: dict[str, int]
    users: dict[str, int]


def find_books(admin: Tryton) -> Books:
    """Read all ids; `admin` has logged in, and gets the company for its further calls."""
    company = admin.one("company.company", [], "party")
    admin.company = company["id"]
    configuration = admin.read("account.configuration", 1, "default_account_receivable")
    roots = [["type", "=", "root"]]
    return Books(
        company=company["id"],
        party=company["party"],
        currencies=_ids(admin, "currency.currency", "code"),
        countries=_ids(admin, "country.country", "code"),
        accounts=_ids(admin, "account.account", "code", [["code", "!=", None]]),
        receivable=configuration["default_account_receivable"],
        journals=_ids(admin, "account.journal", "code"),
        taxes=_ids(admin, "account.tax", "name"),
        tax_rules=_ids(admin, "account.tax.rule", "name"),
        categories=_ids(admin, "product.category", "name"),
        items=_ids(admin, "product.product", "code"),
        units=_ids(admin, "product.uom", "name"),
        terms=_ids(admin, "account.invoice.payment_term", "name"),
        payment_methods=_ids(admin, "account.invoice.payment.method", "name"),
        write_offs=_ids(admin, "account.move.reconcile.write_off", "name"),
        dimensions=_ids(admin, "analytic_account.account", "name", roots),
        dimension_values=_ids(admin, "analytic_account.account", "code", [["type", "=", "normal"]]),
        years=_ids(admin, "account.fiscalyear", "name"),
        periods=_ids(admin, "account.period", "name"),
        users=_ids(admin, "res.user", "login"),
    )


def _ids(admin: Tryton, model: str, name: str, domain: Any = ()) -> dict[str, int]:
    return {row[name]: row["id"] for row in admin.search(model, domain, [name])}
