"""
Lists of values: global value sets, and by `FieldLists` those of one field.

A global set is read by the tooling interface and written by a deployment of one file.

A deployed set is whole: every value that it has goes along, those out of use too, so that nothing
is taken away that a row may hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import escape

from tieout.connectors.http.client import Call
from tieout.connectors.http.json import loads
from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.errors import read_error
from tieout.connectors.salesforce.field_lists import (
    LIST,
    SEEN,
    FieldLists,
    is_field,
    mark,
    not_taken,
)
from tieout.connectors.salesforce.metadata_api import Deployments
from tieout.connectors.salesforce.metadata_package import API_VERSION, NAMESPACE, Package
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Doubt,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Sight,
    Stale,
    Unknown,
    Wire,
)
from tieout.core.errors import (
    ConfigurationError,
    ConnectionBrokenError,
    OutcomeUnknownError,
    SyncError,
    TransientError,
)
from tieout.core.finding import Finding
from tieout.core.keys import wire_key
from tieout.core.model import Entity, ExternalRef, ListedValue, ValueList
from tieout.ports import Clock, Page, Selection

KIND = "GlobalValueSet"
_LABEL, _CODE = 255, 255
_WAIT_S = 30
_LOOK_S = 2
_PATIENCE_S = 240


class ValueSets:
    """The global value sets of one org, and its picklist fields that have values of their own."""

    def __init__(
        self, name: str, api: SalesforceApi, settings: SalesforceSettings, clock: Clock
    ) -> None:
        self._name = name
        self._api = api
        self._clock = clock
        self._path = f"{settings.data_path}/tooling/query"
        self._deployments = Deployments(api, settings)
        self._fields = FieldLists(name, api, settings)
        self._write_path = f"{settings.data_path}/metadata/deployRequest"

    async def read(self, names: Sequence[str], shape: str = "") -> list[ValueList]:
        """These sets and fields, those that are there, with every value."""
        found = []
        for name in names:
            if is_field(name):
                listed = await self._fields.read(name, shape)
                found += [listed] if listed is not None else []
                continue
            row = await self._row(name)
            if row is not None:
                found.append(self._record(name, row, shape))
        return found

    async def page(self, want: Selection) -> Page:
        """The sets of a selection as one whole list."""
        records = await self.read(sorted(want.kinds), want.shape)
        return Page(records=tuple(records), cursor=b"{}", whole=True)

    async def _row(self, name: str) -> Mapping[str, Any] | None:
        # The whole of it is given for one row alone.
        statement = soql.select(
            ("Id", "DeveloperName", "MasterLabel", "Metadata"),
            KIND,
            where=(f"DeveloperName = {soql.text(name)}",),
        )
        call = Call(path=f"{self._path}?q={soql.encoded(statement)}", template=self._path)
        response = await self._api.client.read(call)
        if response.status != 200:
            raise read_error(response)
        rows = loads(response.body).get("records") or ()
        return rows[0] if rows else None

    def _record(self, name: str, row: Mapping[str, Any], shape: str) -> ValueList:
        told = row.get("Metadata") or {}
        return ValueList(
            ref=ExternalRef(self._name, Entity.VALUES.value, name),
            name=name,
            values=tuple(
                ListedValue(
                    code=str(one.get("valueName") or ""),
                    label=str(one.get("label") or one.get("valueName") or ""),
                    active=one.get("isActive") is not False,
                )
                for one in told.get("customValue") or ()
            ),
            shape=shape,
        )

    # Writing.

    async def prepare(self, change: Change) -> Prepared | Refused:
        """The file of one set, as it will be deployed; of a field, its definition."""
        wanted = change.wanted.record if change.wanted is not None else None
        target = change.target
        if change.action is not Action.UPDATE or not isinstance(wanted, ValueList) or not target:
            return Refused(key=change.key, findings=(_not_possible(change),))
        findings = [
            _too_long(target.id, one)
            for one in wanted.values
            if len(one.code) > _CODE or len(one.label) > _LABEL
        ]
        if findings:
            return Refused(key=change.key, findings=tuple(findings))
        if is_field(target.id):
            return await self._fields.prepare(change, wanted)
        row = await self._row(target.id)
        if row is None:
            return Refused(key=change.key, findings=(_gone(target.id),), stale=True)
        defaults = {
            str(one.get("valueName"))
            for one in (row.get("Metadata") or {}).get("customValue") or ()
            if one.get("default") is True
        }
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=target,
            method="POST",
            path=self._write_path,
            body=_file(target.id, row, wanted, defaults),
            witness={"set": target.id, "seen": mark(row.get("Metadata") or {})},
            shows=replace(wanted, ref=target, ours=()),
            # A set is deployed whole: a value that somebody made since would be taken away.
            read=self._record(target.id, row, wanted.shape),
            revision=change.revision,
        )

    def pack(self, items: Sequence[Prepared]) -> list[Wire]:
        """A write for each list: one that the org refuses is no other one's trouble."""
        return [
            self._fields.pack(item)
            if is_field(item.witness["set"])
            else Wire(
                wire_key=wire_key(item.key, item.action.value, item.revision),
                method="POST",
                path=item.path,
                body=_zipped(item.witness["set"], item.body),
                items=(item.key,),
                headers={LIST: item.witness["set"], SEEN: item.witness["seen"]},
            )
            for item in items
        ]

    async def send(self, wire: Wire) -> list[Outcome]:
        """One write, followed to its end; then the list is read."""
        (key,) = wire.items
        name = wire.headers[LIST]
        if is_field(name):
            return await self._fields.send(wire)
        try:
            # A set is deployed whole: what a person made of it since would be lost.
            row = await self._row(name)
            if row is None or mark(row.get("Metadata") or {}) != wire.headers[SEEN]:
                return [Stale(key=key, vendor_time=self._api.vendor_time)]
            deployment = await self._deployments.start(wire.body, check_only=False)
        except TransientError as error:
            wait = error.retry_after_s or _WAIT_S
            return [Deferred(key=key, retry_after_s=wait, reason=error.message)]
        except OutcomeUnknownError as error:
            return [Unknown(key=key, reason=error.message)]
        except (ConnectionBrokenError, ConfigurationError) as error:
            return [Rejected(key=key, findings=(_refused(name, error),))]
        return [await self._followed(key, name, deployment)]

    async def find(self, doubts: Sequence[Doubt]) -> list[Sight]:
        """The sets as they are now: what a deployment without an answer left there."""
        started = self._clock.steady()
        names = sorted({doubt.target.id for doubt in doubts if doubt.target is not None})
        sets = {one.name: one for one in await self.read(names)}
        now = self._api.vendor_time or self._clock.now()
        spent = timedelta(milliseconds=self._clock.steady() - started, seconds=1)
        return [
            Sight(
                key=doubt.key,
                began_at=now - spent,
                vendor_time=now,
                target=sets.get(doubt.target.id) if doubt.target else None,
                target_gone=doubt.target is not None and doubt.target.id not in sets,
                complete=doubt.target is not None,
            )
            for doubt in doubts
        ]

    async def _followed(self, key: str, name: str, deployment: str) -> Outcome:
        waited = 0
        try:
            progress = await self._deployments.progress(deployment)
            while not progress.done and waited < _PATIENCE_S:
                await self._clock.sleep(_LOOK_S)
                waited += _LOOK_S
                progress = await self._deployments.progress(deployment)
            if not progress.done:
                return Unknown(key=key, reason=f"the deployment {deployment} is not done yet")
            if progress.status != "Succeeded":
                told = [one.problem for one in progress.refused] or [progress.message]
                return Rejected(key=key, findings=(not_taken(name, " ".join(told)),))
            (shown,) = await self.read([name]) or (None,)
        except SyncError as error:
            return Unknown(key=key, reason=f"deployed, and not seen: {error.message}")
        if shown is None or shown.ref is None:
            return Unknown(key=key, reason="deployed, and not found")
        at = self._api.vendor_time
        return Applied(key=key, ref=shown.ref, shows=shown, vendor_time=at)


def _zipped(name: str, content: bytes) -> bytes:
    manifest = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Package xmlns="{NAMESPACE}">\n'
        f"    <types>\n        <members>{name}</members>\n        <name>{KIND}</name>\n"
        f"    </types>\n    <version>{API_VERSION}</version>\n</Package>\n"
    )
    files = (
        (f"globalValueSets/{name}.globalValueSet", content),
        ("package.xml", manifest.encode()),
    )
    return Package(files=files, components=((KIND, name),)).zipped()


def _file(name: str, row: Mapping[str, Any], wanted: ValueList, defaults: set[str]) -> bytes:
    told = row.get("Metadata") or {}
    lines = [f'<?xml version="1.0" encoding="UTF-8"?>\n<{KIND} xmlns="{NAMESPACE}">']
    for one in wanted.values:
        lines.append(
            "    <customValue>\n"
            f"        <fullName>{escape(one.code)}</fullName>\n"
            f"        <default>{_flag(one.code in defaults and one.active)}</default>\n"
            f"        <isActive>{_flag(one.active)}</isActive>\n"
            f"        <label>{escape(one.label or one.code)}</label>\n"
            "    </customValue>"
        )
    if told.get("description"):
        lines.append(f"    <description>{escape(str(told['description']))}</description>")
    label = str(told.get("masterLabel") or row.get("MasterLabel") or name)
    lines.append(f"    <masterLabel>{escape(label)}</masterLabel>")
    lines.append(f"    <sorted>{_flag(told.get('sorted') is True)}</sorted>")
    return ("\n".join(lines) + f"\n</{KIND}>\n").encode()


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _refused(name: str, error: SyncError) -> Finding:
    return Finding(code=error.code, message=f"{name}: {error.message}", hint=error.hint, place=name)


def _too_long(name: str, value: ListedValue) -> Finding:
    return Finding(
        code="value_not_accepted",
        message=f"{value.code} of {name} is longer than {_LABEL} characters.",
        hint="Shorten it in the books.",
        place=name,
    )


def _gone(name: str) -> Finding:
    return Finding(
        code="value_list_missing",
        message=f"Salesforce has no global value set {name} any more.",
        hint="Make it there, or name another: flows.reference.lists.",
        place=name,
    )


def _not_possible(change: Change) -> Finding:
    return Finding(
        code="action_not_possible",
        message=f"Salesforce takes no {change.action.value} of a list of values from us.",
        hint="Leave this flow out for Salesforce.",
    )
