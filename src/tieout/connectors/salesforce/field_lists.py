"""
The values of one custom picklist field: read and replaced by the tooling interface.

A write replaces the field's whole definition, so the definition goes back as it was read, with
values added, relabelled or put out of use. Right before it leaves, the field is read once more:
where a person changed it since, nothing is sent and it is decided anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

from tieout.connectors.http.client import Call
from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.sending import UNSENT_WAIT_S, answer_to
from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import SalesforceApi, server_time
from tieout.connectors.salesforce.cells import moment_of
from tieout.connectors.salesforce.errors import LOCK_WAIT_S, Kind, Refusal, read_error, refusals
from tieout.connectors.salesforce.ids import id18, is_id
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.change import (
    Applied,
    Change,
    Deferred,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wire,
)
from tieout.core.errors import SyncError, TransientError
from tieout.core.finding import Finding
from tieout.core.keys import wire_key
from tieout.core.model import Entity, ExternalRef, ListedValue, ValueList
from tieout.ports import HttpResponse

LIST, SEEN = "X-Value-Set", "X-Value-Set-Seen"
MOST_VALUES = 1000
"""How many values a field's own list may hold, those out of use too."""
_PICKLISTS = ("Picklist", "MultiselectPicklist")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A field as the org shows it: its id, its whole definition, its stamp."""

    id: str
    metadata: Mapping[str, Any]
    changed_at: datetime | None

    @property
    def seen(self) -> str:
        """A mark of the definition."""
        return mark(self.metadata)


def mark(metadata: Mapping[str, Any]) -> str:
    """Differs where two definitions do, whatever the order of their keys."""
    text = json.dumps(metadata, sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()


def is_field(name: str) -> bool:
    """Whether a list is named as a field of an object."""
    return "." in name


class FieldLists:
    """The custom picklist fields of one org that hold values of their own."""

    def __init__(self, name: str, api: SalesforceApi, settings: SalesforceSettings) -> None:
        self._name = name
        self._api = api
        self._tooling = f"{settings.data_path}/tooling"
        self._timeout_s = settings.timeout_s
        self._ids: dict[str, str] = {}

    async def read(self, name: str, shape: str = "") -> ValueList | None:
        """The list of `Object.Field__c`; None where there is none that can be written."""
        found = await self._field(name)
        if found is None or _why_not(name, found) is not None:
            return None
        return self._record(name, found, shape)

    async def prepare(self, change: Change, wanted: ValueList) -> Prepared | Refused:
        """The field's definition with the values that it should have."""
        target = change.target
        assert target is not None
        found = await self._field(target.id)
        finding = _why_not(target.id, found)
        if finding is not None or found is None:
            return Refused(key=change.key, findings=(finding or _gone(target.id),), stale=True)
        shown = self._record(target.id, found, wanted.shape)
        values = _with(found, wanted)
        if len(values) > MOST_VALUES:
            return Refused(key=change.key, findings=(_too_many(target.id, len(values)),))
        own = {**found.metadata["valueSet"]["valueSetDefinition"], "value": values}
        value_set = {**found.metadata["valueSet"], "valueSetDefinition": own}
        metadata = {**found.metadata, "valueSet": value_set}
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=target,
            method="PATCH",
            path=f"{self._tooling}/sobjects/CustomField/{found.id}",
            body=dumps({"FullName": target.id, "Metadata": metadata}),
            witness={"set": target.id, "seen": found.seen},
            shows=replace(wanted, ref=target, ours=()),
            # The whole is replaced: a value that somebody made since would go out of use.
            read=shown,
            revision=change.revision,
        )

    def pack(self, item: Prepared) -> Wire:
        """One write for one field."""
        return Wire(
            wire_key=wire_key(item.key, item.action.value, item.revision),
            method=item.method,
            path=item.path,
            body=item.body,
            items=(item.key,),
            headers={LIST: item.witness["set"], SEEN: item.witness["seen"]},
        )

    async def send(self, wire: Wire) -> list[Outcome]:
        """
        Sent where the field is as it was read, else `Stale`; then it is read again.

        The stamp goes along for an org that minds it on a field, too: nothing says that one does.
        """
        (key,) = wire.items
        name = wire.headers[LIST]
        try:
            before = await self._field(name)
        except TransientError as error:
            wait = error.retry_after_s or UNSENT_WAIT_S
            return [Deferred(key=key, retry_after_s=wait, reason=error.message)]
        if before is None or before.seen != wire.headers[SEEN]:
            return [Stale(key=key, vendor_time=self._api.vendor_time)]
        headers = {"Content-Type": "application/json"}
        if before.changed_at is not None:
            headers["If-Unmodified-Since"] = format_datetime(before.changed_at, usegmt=True)
        answer = await answer_to(
            replace(wire, headers=headers),
            self._api.write,
            template=f"{self._tooling}/sobjects/CustomField/{{id}}",
            timeout_s=self._timeout_s,
        )
        if isinstance(answer, list):
            return answer
        return [await self._outcome(key, name, loads(wire.body), answer)]

    async def _outcome(
        self, key: str, name: str, sent: Mapping[str, Any], answer: HttpResponse
    ) -> Outcome:
        at = server_time(answer)
        if answer.status == 412:
            return Stale(key=key, vendor_time=at)
        found = refusals(answer.body)
        if answer.status >= 500 or (answer.status >= 300 and not found):
            return Unknown(key=key, reason=f"Salesforce answered {answer.status}", vendor_time=at)
        if answer.status >= 300:
            return _refused(key, name, found, at)
        try:
            shown = await self.read(name)
        except SyncError as error:
            return Unknown(key=key, reason=f"written, and not seen: {error.message}")
        if shown is None or shown.ref is None:
            return Unknown(key=key, reason="written, and not found", vendor_time=at)
        wanted = sent["Metadata"]["valueSet"]["valueSetDefinition"]["value"]
        there = {one.code for one in shown.values}
        missing = [_code(one) for one in wanted if _active(one) and _code(one) not in there]
        if missing:
            problem = f"it answered as if done, and does not show {', '.join(missing[:10])}"
            return Rejected(key=key, findings=(not_taken(name, problem),), vendor_time=at)
        return Applied(key=key, ref=shown.ref, shows=shown, vendor_time=at)

    # Reading.

    async def _field(self, name: str) -> _Found | None:
        known = self._ids.get(name)
        if known is None:
            known = await self._id(name)
        if known is None:
            return None
        path = f"{self._tooling}/sobjects/CustomField"
        call = Call(path=f"{path}/{known}", template=f"{path}/{{id}}")
        response = await self._api.client.read(call)
        if response.status == 404:
            # Deleted, and perhaps made anew under this name: the next look asks for its id.
            self._ids.pop(name, None)
            return None
        if response.status != 200:
            raise read_error(response)
        row = loads(response.body)
        metadata = row.get("Metadata")
        self._ids[name] = known
        return _Found(
            id=known,
            metadata=metadata if isinstance(metadata, Mapping) else {},
            changed_at=moment_of(row, "LastModifiedDate"),
        )

    async def _id(self, name: str) -> str | None:
        owner, _, field = name.partition(".")
        if not field.endswith("__c"):
            return None
        statement = soql.select(
            ("DurableId",),
            "FieldDefinition",
            where=(
                f"EntityDefinition.QualifiedApiName = {soql.text(owner)}",
                f"QualifiedApiName = {soql.text(field)}",
            ),
        )
        path = f"{self._tooling}/query"
        call = Call(path=f"{path}?q={soql.encoded(statement)}", template=path)
        response = await self._api.client.read(call)
        if response.status != 200:
            raise read_error(response)
        rows = loads(response.body).get("records") or ()
        inside = str(rows[0].get("DurableId") or "").rpartition(".")[2] if rows else ""
        return id18(inside) if is_id(inside) else None

    def _record(self, name: str, found: _Found, shape: str) -> ValueList:
        return ValueList(
            ref=ExternalRef(self._name, Entity.VALUES.value, name),
            name=name,
            values=tuple(
                ListedValue(
                    code=_code(one),
                    label=str(one.get("label") or _code(one)),
                    active=_active(one),
                )
                for one in _rows(found)
            ),
            shape=shape,
        )


def _rows(found: _Found) -> Sequence[Mapping[str, Any]]:
    return found.metadata["valueSet"]["valueSetDefinition"].get("value") or ()


def _code(row: Mapping[str, Any]) -> str:
    return str(row.get("valueName") or row.get("fullName") or "")


def _active(row: Mapping[str, Any]) -> bool:
    return row.get("isActive") is not False


def _with(found: _Found, wanted: ValueList) -> list[dict[str, Any]]:
    """The field's rows, none left out, each as wanted; then the values that it lacks."""
    told = {one.code: one for one in wanted.values}
    rows = [dict(row) for row in _rows(found)]
    for row in rows:
        one = told.pop(_code(row), None)
        if one is None:
            continue
        if one.label != str(row.get("label") or _code(row)):
            row["label"] = one.label
        if one.active != _active(row):
            row["isActive"] = one.active
            row["default"] = row.get("default") is True and one.active
    return rows + [
        {
            "valueName": one.code,
            "label": one.label or one.code,
            "default": False,
            "isActive": one.active,
        }
        for one in told.values()
    ]


def _why_not(name: str, found: _Found | None) -> Finding | None:
    if found is None:
        return _gone(name)
    if found.metadata.get("type") not in _PICKLISTS:
        return _gone(name)
    value_set = found.metadata.get("valueSet")
    own = value_set.get("valueSetDefinition") if isinstance(value_set, Mapping) else None
    return None if isinstance(own, Mapping) else _gone(name)


def _refused(
    key: str, name: str, found: Sequence[Refusal], at: datetime | None
) -> Deferred | Rejected | Stale:
    first = found[0].meaning
    if first.kind is Kind.LATER:
        wait = first.wait_s or LOCK_WAIT_S
        return Deferred(key=key, retry_after_s=wait, reason=found[0].message, vendor_time=at)
    if first.kind is Kind.STALE:
        return Stale(key=key, vendor_time=at)
    if first.code == "rights_missing":
        findings = tuple(one.finding(name) for one in found)
    else:
        findings = (not_taken(name, " ".join(one.message for one in found)),)
    return Rejected(key=key, findings=findings, vendor_time=at)


def _gone(name: str) -> Finding:
    return Finding(
        code="value_list_missing",
        message=f"Salesforce has no custom picklist field {name} with values of its own.",
        hint="Make it there, or name another: flows.reference.lists. A field that uses a global "
        "value set is written by the name of that set.",
        place=name,
    )


def not_taken(name: str, problem: str) -> Finding:
    """Salesforce refused the values of a list, global or a field's own, in its words."""
    return Finding(
        code="value_not_accepted",
        message=f"Salesforce does not take the values of {name}: {problem}",
        hint="Correct the codes in the books, or the list in Salesforce.",
        place=name,
        values={"vendor_message": problem[:500]},
    )


def _too_many(name: str, count: int) -> Finding:
    return Finding(
        code="value_not_accepted",
        message=f"{name} would hold {count} values; a field takes {MOST_VALUES}.",
        hint="Delete values that nobody needs in Salesforce, or name a global value set.",
        place=name,
    )
