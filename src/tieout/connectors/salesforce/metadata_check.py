"""Whether the Salesforce package is in the org and shows itself to the integration user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.metadata_api import (
    PERMISSION_SET,
    has_permission_set,
    permission_set_id,
)
from tieout.connectors.salesforce.metadata_package import field_names
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.errors import ConnectionBrokenError
from tieout.core.finding import Finding, Severity

INVOICE_OBJECTS = ("Tieout_Invoice__c", "Tieout_Invoice_Line__c")
_MISSING = frozenset({"field_missing", "unknown_field"})
# From so many on, the fields of one object are told in one sentence.
_TOGETHER = 3
_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


async def with_package(
    api: SalesforceApi, settings: SalesforceSettings, found: Sequence[Finding]
) -> list[Finding]:
    """
    The findings of a check with what the package has to do with them: which command brings what
    is missing, and whether only its permission set is not given to the user.
    """
    ours = [finding for finding in found if _is_ours(finding, settings)]
    objects = [name for name in INVOICE_OBJECTS if await _lacks(api, settings, name)]
    if not ours and not objects:
        return list(found)
    command = f"tieout salesforce deploy {api.name}"
    hidden = await _is_hidden(api)
    if hidden:
        command += " --assign"
    told = [finding for finding in found if finding not in ours]
    if hidden:
        worst = min((finding.severity for finding in ours), key=_RANK.__getitem__, default=None)
        told.append(_not_given(api.name, command, worst or Severity.WARNING))
    told.extend(_grouped(ours, command))
    if objects:
        told.append(_no_history(objects, command))
    return told


def _is_ours(finding: Finding, settings: SalesforceSettings) -> bool:
    """Whether a finding is about a field that the package brings."""
    if finding.code not in _MISSING:
        return False
    prefix = f"{settings.namespace}__" if settings.namespace else ""
    field = finding.values.get("field", "").removeprefix(prefix)
    return f"{finding.values.get('object')}.{field}" in field_names()


async def _lacks(api: SalesforceApi, settings: SalesforceSettings, name: str) -> bool:
    prefix = f"{settings.namespace}__" if settings.namespace else ""
    return await api.object(prefix + name) is None


async def _is_hidden(api: SalesforceApi) -> bool:
    """Whether our permission set is in the org, but not given to the user."""
    try:
        return await permission_set_id(api) is not None and not await has_permission_set(api)
    except ConnectionBrokenError:
        # The question itself may be hidden from the user; then the deployment tells.
        return False


def _not_given(connection: str, command: str, severity: Severity) -> Finding:
    return Finding(
        code="permission_set_missing",
        message=f"The user of {connection} does not have the permission set {PERMISSION_SET}, so "
        "what the package brings is hidden from it.",
        hint=command,
        severity=severity,
        place=PERMISSION_SET,
    )


def _grouped(ours: Sequence[Finding], command: str) -> list[Finding]:
    by_object: dict[str, list[Finding]] = {}
    for finding in ours:
        by_object.setdefault(finding.values["object"], []).append(finding)
    made: list[Finding] = []
    for name, findings in by_object.items():
        if len(findings) < _TOGETHER:
            made.extend(replace(finding, hint=command) for finding in findings)
        else:
            made.append(_together(name, findings, command))
    return made


def _together(name: str, findings: Sequence[Finding], command: str) -> Finding:
    fields = list(dict.fromkeys(finding.values["field"] for finding in findings))
    worst = min((finding.severity for finding in findings), key=_RANK.__getitem__)
    shown = ", ".join(fields[:_TOGETHER])
    return Finding(
        code="field_missing",
        message=f"{name} lacks {len(fields)} fields of the Salesforce package that the "
        f"integration user can use ({shown}, ...), so the state in the books is not shown there.",
        hint=command,
        severity=worst,
        place=name,
        values={"object": name, "fields": ", ".join(fields)},
    )


def _no_history(objects: Sequence[str], command: str) -> Finding:
    return Finding(
        code="object_missing",
        message=f"{' and '.join(objects)} cannot be read by the integration user, so invoices of "
        "the books are not listed in Salesforce.",
        hint=command,
        severity=Severity.INFO,
        place=objects[0],
    )
