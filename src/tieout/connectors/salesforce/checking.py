"""The check of a connection: everything that would fail later, each by its name. Writes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from tieout.connectors.http.clocks import clock_findings
from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.metadata_check import with_package
from tieout.connectors.salesforce.org import OrgObject
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.shapes import (
    ACCOUNT,
    CONTACT,
    DEAL_SOURCES,
    PRODUCT,
    ROLES,
    Source,
)
from tieout.connectors.salesforce.standing import Standings
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.finding import Finding, Severity
from tieout.core.model import Entity
from tieout.ports import Clock

# What a record cannot be understood without; the rest depends on the org.
_NEEDED = {
    "Opportunity": ("Name", "AccountId", "StageName", "CloseDate", "IsWon", "IsClosed", "Amount"),
    "Order": ("AccountId", "Status", "StatusCode", "EffectiveDate", "TotalAmount"),
    "Quote": ("Name", "OpportunityId", "Status", "TotalPrice"),
    "Account": ("Name", "BillingStreet", "BillingCity", "BillingPostalCode", "BillingCountry"),
    "Contact": ("LastName", "Email", "AccountId"),
    "Product2": ("Name", "ProductCode", "IsActive"),
    "OpportunityLineItem": ("Quantity", "UnitPrice", "Discount", "TotalPrice", "Product2Id"),
    "OrderItem": ("Quantity", "UnitPrice", "TotalPrice", "Product2Id"),
    "QuoteLineItem": ("Quantity", "UnitPrice", "Discount", "TotalPrice", "Product2Id"),
}


class Checker:
    """Asks an org for all that the connection will need."""

    def __init__(
        self,
        api: SalesforceApi,
        standings: Standings,
        settings: SalesforceSettings,
        clock: Clock,
        company: Callable[[], Awaitable[object]],
    ) -> None:
        self._api = api
        self._standings = standings
        self._settings = settings
        self._clock = clock
        self._company = company

    async def run(self) -> list[Finding]:
        """All findings at once. Raises only where the sign-in itself cannot be tried now."""
        found = [_setting(problem) for problem in self._settings.problems()]
        if found:
            return found
        self._api.forget_objects()
        try:
            await self._company()
            found.extend(await self._version())
            for source in self._sources():
                found.extend(await self._object(source))
            found.extend(await self._configured())
            found.extend(await self._standings.problems())
            found = await with_package(self._api, self._settings, found)
            found.extend(await self._currency())
            found.extend(await self._sight())
            found.extend(await self._quota())
            found.extend(self._clock_offset(self._api.vendor_time))
        except ConnectionBrokenError as error:
            found.append(Finding(code=error.code, message=error.message, hint=error.hint))
            if error.code == "sign_in_refused":
                # A signed sign-in is refused too when the clocks are minutes apart.
                found.extend(self._clock_offset(await self._api.server_clock()))
        except TransientError as error:
            if error.code != "quota_used":
                raise
            found.append(Finding(code=error.code, message=error.message, hint=error.hint))
        return found

    def _sources(self) -> list[Source]:
        deals = [DEAL_SOURCES[kind] for kind in self._settings.sources]
        return [*deals, ACCOUNT, CONTACT, PRODUCT]

    async def _version(self) -> list[Finding]:
        offered = await self._api.versions()
        if not offered or self._settings.api_version in offered:
            return []
        return [
            Finding(
                code="version_gone",
                message=f"The org does not offer version {self._settings.api_version} of the API.",
                hint=f"Set api_version; the org has {offered[0]} to {offered[-1]}.",
            )
        ]

    async def _object(self, source: Source) -> list[Finding]:
        found: list[Finding] = []
        head = await self._api.object(source.object)
        if head is None:
            return [_no_object(source)]
        found.extend(_missing(head))
        if source.entity is Entity.DEAL and source.line_object:
            line = await self._api.object(source.line_object)
            found.extend([_no_object_named(source.line_object)] if line is None else _missing(line))
            if line is not None and source.lines not in head.children:
                found.append(_no_object_named(source.line_object))
        if source.roles and ROLES not in head.children:
            found.append(
                Finding(
                    code="object_missing",
                    message="Contact roles of opportunities cannot be read, so no billing contact "
                    "is known.",
                    hint="Give the integration user a permission set with that right.",
                    severity=Severity.WARNING,
                    place="OpportunityContactRole",
                )
            )
        return found

    async def _configured(self) -> list[Finding]:
        """Fields that the settings name and the org lacks: the value would just stay empty."""
        settings = self._settings
        account = settings.account
        named: list[tuple[str, Sequence[str]]] = [
            (
                "Account",
                (
                    account.org_number,
                    settings.packaged(account.vat_number),
                    account.terms,
                    account.invoice_email,
                    account.number,
                    settings.packaged(account.credit_stop),
                    account.language,
                    account.tax_group,
                ),
            ),
            ("Product2", (settings.item.tax_class,)),
        ]
        if "opportunity" in settings.sources:
            deal = settings.deal
            named.append(
                (
                    "Opportunity",
                    (deal.number, deal.po_number, deal.buyer_reference, deal.delivered_on),
                )
            )
        found: list[Finding] = []
        for name, fields in named:
            known = await self._api.object(name)
            for field in fields:
                if known is not None and field and not known.has(field):
                    found.append(_configured_missing(known, field))
        return found

    async def _currency(self) -> list[Finding]:
        account = await self._api.object("Account")
        if self._settings.currency or account is None or account.has("CurrencyIsoCode"):
            return []
        return [
            Finding(
                code="currency_unknown",
                message="The org has one currency and its API does not say which.",
                hint="Set currency of this connection, for example SEK.",
                place="currency",
            )
        ]

    async def _sight(self) -> list[Finding]:
        """Rows that sharing hides are just absent, which nobody can see from here."""
        org_id, user_id = await self._api.identity()
        if not user_id:
            return []
        where = [
            f"AssigneeId = {soql.text(user_id)}",
            "PermissionSet.PermissionsViewAllData = true",
        ]
        statement = soql.select(("Id",), "PermissionSetAssignment", where=where, limit=1)
        try:
            rows = await self._api.query(statement)
        except ConnectionBrokenError:
            # The question itself may be hidden from the user; then the hint below stands.
            rows = None
        if rows is not None and rows.rows:
            return []
        return [
            Finding(
                code="view_all_unproven",
                message="It cannot be seen from here whether sharing hides records from the "
                "integration user; a hidden deal would never be invoiced.",
                hint="Give it View All on Opportunity, Account, Contact, Product and the other "
                "objects in use, and compare the number of won deals with a report of an admin.",
                severity=Severity.INFO,
                values={"org": org_id, "user": user_id},
            )
        ]

    async def _quota(self) -> list[Finding]:
        usage = self._api.usage
        finding = quota_finding(self._api, self._settings)
        if usage is None or finding is None:
            return []
        return [finding]

    def _clock_offset(self, theirs: datetime | None) -> list[Finding]:
        hint = "Switch on time synchronisation; sign-ins fail otherwise."
        return list(clock_findings(self._clock.now(), theirs, "Salesforce's", hint))


def quota_finding(api: SalesforceApi, settings: SalesforceSettings) -> Finding | None:
    """What to say about the org's calls in 24 hours; None while enough are left."""
    usage = api.usage
    if usage is None or not usage.reaches(settings.quota_share):
        return None
    return Finding(
        code="quota_low",
        message=f"{usage.used} of {usage.most} calls of the org in 24 hours are used, by all "
        "programs together.",
        hint="Find what else calls the org (Setup, Company Information), or buy more calls.",
        severity=Severity.WARNING,
        values={"used": str(usage.used), "most": str(usage.most)},
    )


def _setting(problem: str) -> Finding:
    return Finding(code="configuration", message=problem, hint="Correct the connection's settings.")


def _no_object(source: Source) -> Finding:
    finding = _no_object_named(source.object)
    if source.kind in ("order", "quote"):
        return Finding(
            code=finding.code,
            message=f"{source.object} is switched off in this org, or hidden from the "
            "integration user.",
            hint=f"Switch it on in Setup, or take {source.kind} out of sources.",
            place=source.object,
        )
    return finding


def _no_object_named(name: str) -> Finding:
    return Finding(
        code="object_missing",
        message=f"{name} cannot be read by the integration user.",
        hint="Give the integration user a permission set with that right.",
        place=name,
    )


def _missing(known: OrgObject) -> list[Finding]:
    return [
        Finding(
            code="field_missing",
            message=f"{known.name}.{name} is hidden from the integration user.",
            hint="Give the integration user a permission set with that right.",
            place=f"{known.name}.{name}",
            values={"object": known.name, "field": name},
        )
        for name in _NEEDED.get(known.name, ())
        if not known.has(name)
    ]


def _configured_missing(known: OrgObject, field: str) -> Finding:
    closest = known.closest(field)
    near = f" Closest: {', '.join(closest)}." if closest else ""
    return Finding(
        code="unknown_field",
        message=f"{known.name} has no field {field} that the integration user can see, "
        f"so it stays empty.{near}",
        hint="Correct the name in the connection's settings, or set it to ''.",
        severity=Severity.WARNING,
        place=f"{known.name}.{field}",
        values={"object": known.name, "field": field, "closest": ", ".join(closest)},
    )
