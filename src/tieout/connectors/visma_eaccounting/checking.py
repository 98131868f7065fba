"""The company behind a connection, and everything that would fail later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tieout.connectors.http.clocks import clock_findings
from tieout.connectors.visma_eaccounting.api import VismaApi
from tieout.connectors.visma_eaccounting.filters import DRAFTS, INVOICES, ORDERS, FilterBook
from tieout.connectors.visma_eaccounting.names import Names, settings_names
from tieout.connectors.visma_eaccounting.values import Payload, text_of
from tieout.core.days import day_words
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.finding import Finding, Severity
from tieout.core.model import Company

_ZONES = {
    "SE": "Europe/Stockholm",
    "NO": "Europe/Oslo",
    "FI": "Europe/Helsinki",
    "DK": "Europe/Copenhagen",
    "NL": "Europe/Amsterdam",
}
_VARIANTS = {
    1: "Standard",
    2: "Invoicing",
    3: "Bookkeeping",
    4: "Solo",
    5: "Pro",
    6: "InvoicingCollaboration",
}
_PROBED = (
    # path, property, what is slower without it
    (DRAFTS, "OurReference", "drafts by our reference"),
    (DRAFTS, "CustomerId", "drafts by customer"),
    (INVOICES, "OurReference", "invoices by our reference"),
    (INVOICES, "CreatedFromDraftId", "invoices by their draft"),
    (INVOICES, "RemainingAmountInvoiceCurrency", "invoices that are open"),
)


async def company_of(api: VismaApi) -> Company:
    """
    The company with the days on which it can book. Raises `ConnectionBrokenError`
    (company_changed) where the sign-in leads to another one than the connection was bound to.
    """
    settings = await api.company_settings()
    bound = api.settings.company_id
    found = text_of(settings, "CompanyIdentifier")
    if bound and bound != found:
        raise ConnectionBrokenError(
            f"{api.name} now leads to another company: {text_of(settings, 'Name')}. "
            "Nothing is read or written there.",
            code="company_changed",
            hint=f"Sign in again and choose the right company, or add {api.name} anew.",
        )
    # Read now, not from memory: a lock set a minute ago decides what can be booked.
    names = settings_names(api.name, settings, await api.whole("/v2/fiscalyears"))
    first, last = _open_days(names)
    variant = settings.get("ProductVariant")
    return Company(
        id=found,
        name=text_of(settings, "Name"),
        country=names.country,
        currency=names.currency,
        time_zone=_ZONES.get(names.country, "UTC"),
        locked_to=names.locked_to,
        first_open_day=first,
        last_open_day=last,
        facts={
            # The two words of ours that the engine reads; the rest is for people.
            "rounds_to_unit": names.rounds,
            "number_start": api.settings.number_start,
            "domestic_currency_rounding": names.rounds,
            "private_prices_include_vat": names.private_includes_vat,
            "keeps_draft_date": names.keeps_draft_date,
            "uses_oss": names.uses_oss,
            "uses_cost_center": bool(settings.get("UsesCostCenter")),
            "uses_project": bool(settings.get("UsesProject")),
            "variant": _VARIANTS.get(variant, str(variant)) if variant is not None else "",
            "next_customer_number": _whole_number(settings, "NextCustomerNumber"),
            "next_invoice_number": _whole_number(settings, "NextCustomerInvoiceNumber"),
            "vat_number": text_of(settings, "VatCode"),
            "company_number": text_of(settings, "CorporateIdentityNumber"),
        },
    )


def _open_days(names: Names) -> tuple[Any, Any]:
    """The first and the last day of the years that are not locked, after the lock."""
    years = [(start, end) for start, end, locked in names.years if not locked]
    if names.locked_to is not None:
        after = names.locked_to + timedelta(days=1)
        years = [(max(start, after), end) for start, end in years if end >= after]
    if not years:
        return None, None
    return min(start for start, _ in years), max(end for _, end in years)


async def check(api: VismaApi, filters: FilterBook) -> list[Finding]:
    """All that would fail later, and what works more slowly; writes nothing."""
    found = [
        Finding(code="setting_wrong", message=text, severity=Severity.ERROR)
        for text in api.settings.problems()
    ]
    try:
        settings = await api.company_settings()
    except ConnectionBrokenError as error:
        return [*found, Finding(code=error.code, message=error.message, hint=error.hint)]
    found += _company_findings(api, settings)
    found += clock_findings(api.clock.now(), api.seen_at, "Visma's")
    # Without its lists nothing more can be said, and the findings so far say why.
    if any(f.severity is Severity.ERROR and f.code in _FATAL for f in found):
        return found
    found += await _scope_findings(api)
    if any(finding.code == "scope_missing" for finding in found):
        return found
    names = await api.names(fresh=True)
    found += _period_findings(api, names)
    found += _number_findings(api, settings)
    found += _terms_findings(api, names)
    found += await _order_findings(api)
    if found and found[-1].code == "orders_not_read":
        return found
    found += await _filter_findings(filters)
    return found


async def _order_findings(api: VismaApi) -> list[Finding]:
    """Where orders are made: whether the company's plan and the sign-in let us read them."""
    if not api.settings.orders:
        return []
    try:
        await api.sheet(ORDERS, size=1)
    except (ConnectionBrokenError, TransientError) as error:
        return [
            Finding(
                code="orders_not_read",
                message=f"Orders cannot be read: {error.message}",
                hint="The plan needs the module for sales orders; else set orders to false.",
            )
        ]
    return []


_FATAL = ("not_in_plan", "company_inactive", "company_changed")


def _company_findings(api: VismaApi, settings: Payload) -> Iterator[Finding]:
    name = text_of(settings, "Name")
    bound = api.settings.company_id
    if bound and bound != text_of(settings, "CompanyIdentifier"):
        yield Finding(
            code="company_changed",
            message=f"The sign-in leads to {name}, not to the company that {api.name} belongs to.",
            hint="Sign in again and choose the right company.",
        )
    modules = settings.get("ActivatedModules") or ()
    if modules and "api_standard" not in modules:
        yield Finding(
            code="not_in_plan",
            message=f"The plan of {name} does not include the API.",
            hint="Signing in again does not help; the plan has to include it.",
        )
    variant = settings.get("ProductVariant")
    if variant == 3:
        yield Finding(
            code="not_in_plan",
            message=f"{name} has the plan Bookkeeping, which has no customers and invoices.",
        )
    if settings.get("CompanyStatus") in (0, 2):
        state = "not active" if settings["CompanyStatus"] == 0 else "read-only"
        yield Finding(code="company_inactive", message=f"{name} is {state} in Visma.")
    if not settings.get("UsesCostCenter"):
        yield Finding(
            code="dimension_off",
            message=f"{name} uses no cost centres; a mapping of them would be refused.",
            severity=Severity.INFO,
        )
    if variant == 4:
        yield Finding(
            code="dimension_off",
            message="The plan Solo has no currencies, projects and cost centres.",
            severity=Severity.INFO,
        )


async def _scope_findings(api: VismaApi) -> list[Finding]:
    found = []
    for path, scope, what, severity in (
        ("/v2/customers", "ea:sales", "customers and invoices", Severity.ERROR),
        ("/v2/vatcodes", "ea:accounting_readonly", "VAT codes", Severity.WARNING),
        ("/v2/bankaccounts", "ea:purchase_readonly", "bank accounts", Severity.INFO),
    ):
        try:
            await api.sheet(path, size=1)
        except ConnectionBrokenError as error:
            code = error.code if severity is Severity.ERROR else f"{error.code}_partly"
            found.append(
                Finding(
                    code=code,
                    message=f"{what.capitalize()} cannot be read: {error.message}",
                    hint=error.hint or f"Sign in again and grant {scope}.",
                    severity=severity,
                )
            )
    return found


def _period_findings(api: VismaApi, names: Names) -> Iterator[Finding]:
    today = (api.seen_at or api.clock.now()).date()
    if not names.years:
        yield Finding(
            code="period_closed",
            message="The company has no fiscal year; nothing can be booked.",
            hint="Finance opens one.",
        )
    elif not names.day_is_open(today):
        locked = f"; it is closed up to {day_words(names.locked_to)}" if names.locked_to else ""
        yield Finding(
            code="period_closed",
            message=f"Nothing can be booked today, {day_words(today)}{locked}.",
            hint="Finance opens the period or the next fiscal year.",
            severity=Severity.WARNING,
        )
    else:
        end = max(end for start, end, locked in names.years if not locked)
        if end - today < timedelta(days=31):
            yield Finding(
                code="year_ends",
                message=f"The last open fiscal year ends on {day_words(end)}.",
                hint="Finance opens the next one, else nothing can be booked after it.",
                severity=Severity.WARNING,
            )


def _number_findings(api: VismaApi, settings: Payload) -> Iterator[Finding]:
    following = settings.get("NextCustomerNumber")
    start = api.settings.number_start
    if isinstance(following, int) and start < following + 1000:
        yield Finding(
            code="number_range_near",
            message=f"Our customer numbers begin at {start}, and the company's own next one is "
            f"{following}; somebody could take one of ours.",
            hint=f"Set number_start to {following + 100_000} or more.",
            severity=Severity.WARNING,
        )


def _terms_findings(api: VismaApi, names: Names) -> Iterator[Finding]:
    said = api.settings.default_terms
    if said and names.find_terms(said) is None:
        known = ", ".join(sorted(set(names.terms_code.values())))
        yield Finding(
            code="terms_unmapped",
            message=f'default_terms "{said}" do not exist in Visma; there are {known}.',
        )


async def _filter_findings(filters: FilterBook) -> list[Finding]:
    can = await filters.probe_all()
    return [
        Finding(
            code="filter_not_supported",
            message=f"Visma does not filter {what}; the list is read whole instead, with more "
            "calls.",
            severity=Severity.INFO,
            values={"path": path, "property": prop},
        )
        for path, prop, what in _PROBED
        if not can[path, prop]
    ]


def _whole_number(settings: Payload, name: str) -> int | None:
    value = settings.get(name)
    return value if isinstance(value, int) else None
