"""The company behind a connection, and everything that would fail later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from tieout.connectors.http.clocks import clock_findings
from tieout.connectors.visma_net.api import (
    CLASSES,
    CUSTOMERS,
    INVOICES,
    PAYMENTS,
    PERIODS,
    VismaNetApi,
)
from tieout.connectors.visma_net.names import Names, Period, read_periods
from tieout.connectors.visma_net.orders import OrderService
from tieout.connectors.visma_net.translate import zones_of
from tieout.connectors.visma_net.values import Payload, rows_of, text_of
from tieout.core.days import day_words
from tieout.core.errors import ConnectionBrokenError, SyncError
from tieout.core.finding import Finding, Severity
from tieout.core.model import Company


async def company_of(api: VismaNetApi) -> Company:
    """
    The company with the days on which it can book. Raises `ConnectionBrokenError`
    (company_changed) where the settings lead to another one than the connection was bound to, and
    (company_not_seen) where nothing is seen at all.
    """
    organization = await api.organization()
    key = api.settings.company_key or text_of(organization, "corporateId")
    bound = api.settings.company_id
    if bound and bound != key:
        raise ConnectionBrokenError(
            f"{api.name} now leads to another company: {text_of(organization, 'name')}. "
            "Nothing is read or written there.",
            code="company_changed",
            hint=f"Set its tenant id and company number back, or add {api.name} anew.",
        )
    names = await api.names()
    # Read now, not from memory: a period closed a minute ago decides what can be booked.
    periods = read_periods(await api.whole(PERIODS))
    opened = [period for period in periods if period.open]
    return Company(
        id=key,
        name=text_of(organization, "name"),
        country=names.country,
        currency=names.currency,
        time_zone=names.zone.key,
        first_open_day=min((one.first for one in opened), default=None),
        last_open_day=max((one.last for one in opened), default=None),
        facts={
            # Words of ours that the engine reads; the rest is for people.
            "rounds_to_unit": api.settings.rounds_to_unit,
            **({"number_start": api.settings.number_start} if api.settings.number_start else {}),
            "company_number": names.corporate_id,
            "vat_number": names.vat_number,
            "tenant": api.settings.tenant_id,
            "branches": len(names.branches),
            "dimensions": ", ".join(one.kind for one in names.segments.values()),
        },
    )


async def check(api: VismaNetApi, orders: OrderService | None) -> list[Finding]:
    """All that would fail later, and what works less well; writes nothing."""
    found = [
        Finding(code="setting_wrong", message=text, severity=Severity.ERROR)
        for text in api.settings.problems()
    ]
    try:
        await company_of(api)
        names = await api.names(fresh=True)
        found += clock_findings(api.clock.now(), api.seen_at, "Visma.net's")
        found += _period_findings(api, read_periods(await api.whole(PERIODS)))
        found += _setting_findings(api, names)
        found += _limit_findings(api)
        found += await _list_findings(api)
        found += await _customer_findings(api)
        found += await _discount_findings(api)
        found += await _order_findings(orders) if api.settings.orders else []
    except ConnectionBrokenError as error:
        return [*found, Finding(code=error.code, message=error.message, hint=error.hint)]
    return found


def _period_findings(api: VismaNetApi, periods: Sequence[Period]) -> Iterator[Finding]:
    today = api.now().astimezone(api.stamps.zone).date()
    now = next((one for one in periods if one.first <= today <= one.last), None)
    opened = [one for one in periods if one.open]
    if now is None or not now.open:
        which = f"period {now.code} is closed" if now else "there is no period for it"
        yield Finding(
            code="period_closed",
            message=f"Nothing can be booked today, {day_words(today)}: {which}.",
            hint="Finance opens the period or the next financial year.",
            severity=Severity.WARNING,
        )
    elif opened and opened[-1].last - today < timedelta(days=31):
        yield Finding(
            code="year_ends",
            message=f"The last open period ends on {day_words(opened[-1].last)}.",
            hint="Finance opens the next year, else nothing can be booked after it.",
            severity=Severity.WARNING,
        )


def _setting_findings(api: VismaNetApi, names: Names) -> Iterator[Finding]:
    settings = api.settings
    if not settings.company_key:
        yield Finding(
            code="setting_wrong",
            message=f"{api.name} has no tenant id, so that it knows its company by a number that "
            "can be changed.",
            hint="Set tenant_id: the company's own tenant in Visma App Store.",
            severity=Severity.WARNING,
        )
    zones = zones_of(names, settings)
    for name, zone in (
        ("zone_domestic", zones.domestic),
        ("zone_eu", zones.eu),
        ("zone_abroad", zones.abroad),
    ):
        listed = ", ".join(f"{code} ({text})" for code, text in sorted(names.vat_zones.items()))
        if zone and zone not in names.vat_zones:
            yield Finding(
                code="tax_unresolved",
                message=f"{name}: VAT zone {zone} does not exist; there are {listed}.",
            )
        elif not zone:
            yield Finding(
                code="tax_unresolved",
                message=f"{name} is not set; sales there cannot be judged. There are {listed}.",
                hint=f"Set {name} of the connection.",
                severity=Severity.WARNING if name == "zone_domestic" else Severity.INFO,
            )
    said = settings.default_terms
    if said and names.find_terms(said) is None:
        known = ", ".join(sorted(names.terms))
        yield Finding(
            code="terms_unmapped",
            message=f'default_terms "{said}" do not exist in Visma.net; there are {known}.',
        )


def _limit_findings(api: VismaNetApi) -> Iterator[Finding]:
    """The vendor does not publish how many calls there are; its answers tell."""
    told, ours = api.calls_per_hour, api.settings.calls_per_hour
    if 0 < told < ours:
        yield Finding(
            code="quota_low",
            message=f"Visma.net allows {told} calls an hour here; {api.name} reckons with {ours}.",
            hint=f"Set calls_per_hour={told}.",
            severity=Severity.WARNING,
        )


async def _list_findings(api: VismaNetApi) -> list[Finding]:
    found = []
    for path, what in (
        (CUSTOMERS, "Customers"),
        (INVOICES, "Invoices"),
        (PAYMENTS, "Payments"),
    ):
        try:
            await api.sheet(path, size=1)
        except SyncError as error:
            found.append(
                Finding(
                    code=error.code,
                    message=f"{what} cannot be read: {error.message}",
                    hint=error.hint,
                )
            )
    return found


async def _customer_findings(api: VismaNetApi) -> list[Finding]:
    """The attribute that carries our key has to be set up, and on the class of new customers."""
    attribute = api.settings.customer_attribute
    if not attribute:
        return []
    classes = await api.whole(CLASSES)
    wanted = api.settings.customer_class
    if wanted and all(text_of(row, "id") != wanted for row in classes):
        known = ", ".join(sorted(text_of(row, "id") for row in classes))
        return [
            Finding(
                code="not_found",
                message=f"customer_class {wanted} does not exist; there are {known}.",
            )
        ]
    lacking = [
        text_of(row, "id")
        for row in classes
        if not _has(row, attribute) and wanted in ("", text_of(row, "id"))
    ]
    if not lacking:
        return []
    told = [Finding(
        code="attribute_missing",
        message=f"Attribute {attribute}, which carries our key, is not on customer class "
        f"{', '.join(lacking)}.",
        hint="Add it in Visma.net: attributes (CS205000), then customer classes.",
        severity=Severity.ERROR if wanted or len(lacking) == len(classes) else Severity.WARNING,
    )]  # fmt: skip
    return told


def _has(row: Payload, attribute: str) -> bool:
    return any(
        attribute in (text_of(one, "attributeId"), text_of(one, "id"))
        for one in rows_of(row, "attributes")
    )


async def _discount_findings(api: VismaNetApi) -> list[Finding]:
    rows = [row for row in await api.whole("/v1/discount") if row.get("active") is not False]
    if not rows:
        return []
    codes = ", ".join(sorted({text_of(row, "discountCode") for row in rows}))
    return [
        Finding(
            code="discounts_automatic",
            message=f"Visma.net has automatic discounts ({codes}); one on whole documents would "
            "change what an invoice comes to.",
            hint="Lines are kept from it; finance ends discounts of documents.",
            severity=Severity.WARNING,
        )
    ]


async def _order_findings(orders: OrderService | None) -> list[Finding]:
    if orders is None:
        return [Finding(code="setting_wrong", message="orders is on without an orders_url.")]
    try:
        await orders.probe()
    except SyncError as error:
        return [
            Finding(
                code=error.code,
                message=f"Orders cannot be read: {error.message}",
                hint=error.hint or "Grant the application visma.net.erp.salesorder:read.",
            )
        ]
    return []
