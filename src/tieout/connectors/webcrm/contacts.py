"""
Persons of organisations: made and changed one by one, found by address within the organisation.

webCRM has no version to tie a write to, no deletion of persons, and moves nobody to another
organisation; who is no longer there is `Resigned`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.sending import answer_to
from tieout.connectors.webcrm import errors
from tieout.connectors.webcrm.api import RESOURCES, Row, WebcrmApi, server_time
from tieout.connectors.webcrm.ids import number_for, ref_of
from tieout.connectors.webcrm.reading import Reader
from tieout.connectors.webcrm.refusing import not_done
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.system import SystemFields, native
from tieout.connectors.webcrm.translate import Shape
from tieout.connectors.webcrm.values import Unfit, id_at, text_at, to_wire
from tieout.connectors.webcrm.writing import no_record, not_possible
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Doubt,
    Hit,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Sight,
    Unknown,
    Wire,
)
from tieout.core.contacts import content, normal_address
from tieout.core.errors import SyncError
from tieout.core.finding import Finding
from tieout.core.model import Contact, Entity
from tieout.ports import HttpResponse

KIND: Final = "Person"
PERSONS_PATH: Final = f"/{RESOURCES[KIND]}"
PLACES: Final[Mapping[str, str]] = {
    "given": "PersonFirstName",
    "family": "PersonLastName",
    "email": "PersonEmail",
    "phone": "PersonDirectPhone",
    "mobile": "PersonMobilePhone",
    "title": "PersonTitle",
    "active": "PersonStatus",
}
"""Our fields of a person and the system's."""

PERSON_ACTIONS: Final = frozenset({Action.CREATE, Action.UPDATE})
_OWNER = "PersonOrganisationId"
_NO_NAME = "-"
_LIST_ROWS = 100


class ContactWriter:
    """Prepares and sends persons, one at a time."""

    def __init__(self, name: str, api: WebcrmApi, reader: Reader, settings: WebcrmSettings) -> None:
        self._name = name
        self._api = api
        self._reader = reader
        self._settings = settings

    async def prepare(self, change: Change) -> Prepared | Refused:
        """One person. An update reads it first and sends what differs."""
        wanted = change.wanted.record if change.wanted is not None else None
        if change.action not in PERSON_ACTIONS or not isinstance(wanted, Contact):
            return Refused(key=change.key, findings=(not_possible(change),))
        row: Row | None = None
        number = number_for(change.target, Entity.CONTACT) if change.target is not None else 0
        if change.action is Action.UPDATE:
            if not number:
                return Refused(key=change.key, findings=(no_record(change),))
            row = await self._api.one(KIND, number)
            if row is None:
                gone = errors.gone(f"{KIND} {number}")
                return Refused(key=change.key, findings=(gone,), stale=True)
        owner = number_for(wanted.customer, Entity.CUSTOMER) if wanted.customer else 0
        if row is None and not owner:
            return Refused(key=change.key, findings=(no_record(change),))
        read = await self._record(row) if row is not None else None
        body, findings = await self._body(change, wanted, row, read)
        if findings:
            return Refused(key=change.key, findings=tuple(findings), seen=read)
        if row is None:
            body = {"PersonId": 0, _OWNER: owner, **body}
        elif body:
            body = {"PersonId": number, **body}
        return await self._prepared(change, row, read, body, number)

    async def _body(
        self, change: Change, wanted: Contact, row: Row | None, read: Contact | None
    ) -> tuple[dict[str, Any], list[Finding]]:
        assert change.wanted is not None
        fields = await self._reader.fields(KIND)
        body: dict[str, Any] = {}
        findings: list[Finding] = []
        for ours in sorted(change.wanted.fields & PLACES.keys()):
            if read is not None and content(wanted, ours) == content(read, ours):
                continue
            if ours == "active":
                body[PLACES[ours]] = "Active" if wanted.active else "Resigned"
                continue
            self._put(body, fields, PLACES[ours], _text(wanted, ours), findings)
            if ours == "given" and row is not None and text_at(row, "PersonMiddleName"):
                # Both stand in our given name; what is written holds both.
                body["PersonMiddleName"] = ""
        return body, findings

    def _put(
        self,
        body: dict[str, Any],
        fields: SystemFields,
        name: str,
        value: str,
        findings: list[Finding],
    ) -> None:
        field = fields.field(name) or native(name)
        wire = to_wire(field, value, cut=name != "PersonEmail")
        if isinstance(wire, Unfit):
            findings.append(wire.finding)
        else:
            body[name] = wire

    async def _prepared(
        self,
        change: Change,
        row: Row | None,
        read: Contact | None,
        body: dict[str, Any],
        number: int,
    ) -> Prepared:
        base = change.base if isinstance(change.base, Contact) else Contact()
        shown: Row = {"PersonStatus": "Active", **(row or {}), **body, "PersonId": number or 1}
        shows = await self._record(shown)
        kept: dict[str, Any] = {"extra": base.extra, "shape": base.shape, "roles": base.roles}
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=change.target,
            method="POST" if row is None else "PUT",
            path=PERSONS_PATH if row is None else f"{PERSONS_PATH}/{number}",
            body=dumps(body) if body else b"",
            witness={"kind": KIND},
            shows=replace(shows, ref=change.target, version=None, **kept),
            read=None if read is None else replace(read, **kept),
            revision=change.revision,
        )

    async def _record(self, row: Row) -> Contact:
        return (await self._reader.translator()).contact(row, Shape())

    # Sending.

    async def send(self, wire: Wire) -> list[Outcome]:
        """One write; then the person is read."""
        (key,) = wire.items
        template = PERSONS_PATH if wire.path == PERSONS_PATH else f"{PERSONS_PATH}/{{id}}"
        answer = await answer_to(
            wire, self._api.write, template=template, timeout_s=self._settings.timeout_s
        )
        if isinstance(answer, list):
            return answer
        return [await self._outcome(key, wire, answer, server_time(answer))]

    async def _outcome(
        self, key: str, wire: Wire, response: HttpResponse, at: datetime | None
    ) -> Outcome:
        refused = not_done(wire, response, at, lambda: _label(wire))
        if refused is not None:
            return refused
        sent = loads(wire.body)
        number = sent["PersonId"] or _told(response)
        if not number:
            return Unknown(key=key, reason="the answer does not name the person", vendor_time=at)
        try:
            row = await self._api.one(KIND, int(number))
        except SyncError as error:
            reason = f"written, and could not be looked at: {error.message}"
            return Unknown(key=key, reason=reason, vendor_time=at)
        if row is None:
            return Unknown(key=key, reason="written, and not found", vendor_time=at)
        wrong = [name for name, value in sent.items() if not _kept(name, value, row)]
        if wrong and wire.method == "PUT":
            finding = errors.not_kept(f"{KIND} {number}", ", ".join(wrong))
            return Rejected(key=key, findings=(finding,), vendor_time=at)
        ref = ref_of(self._name, Entity.CONTACT, int(number))
        return Applied(key=key, ref=ref, vendor_time=at)

    # Looking.

    async def find(self, doubts: Sequence[Doubt], began: datetime, now: datetime) -> list[Sight]:
        """
        One look for each: of a create the persons with its address at its organisations, of an
        update the person as it is.
        """
        return [await self._sight(doubt, began, now) for doubt in doubts]

    async def _sight(self, doubt: Doubt, began: datetime, now: datetime) -> Sight:
        hits: tuple[Hit, ...] = ()
        target: Contact | None = None
        number = number_for(doubt.target, Entity.CONTACT) if doubt.target is not None else 0
        if doubt.action is Action.CREATE:
            hits = tuple([Hit(key=doubt.key, record=one) for one in await self._at(doubt)])
        elif number:
            row = await self._api.one(KIND, number)
            target = await self._record(row) if row is not None else None
        return Sight(
            key=doubt.key,
            began_at=began,
            vendor_time=self._api.vendor_time or now,
            hits=hits,
            target=target,
            target_gone=doubt.action is not Action.CREATE and target is None,
        )

    async def _at(self, doubt: Doubt) -> list[Contact]:
        sent = [loads(body) for body in doubt.bodies if body]
        addresses = {normal_address(str(one.get("PersonEmail") or "")) for one in sent} - {""}
        owners = {number_for(ref, Entity.CUSTOMER) for ref in doubt.customers}
        owners |= {int(one.get(_OWNER) or 0) for one in sent}
        found: dict[int, Row] = {}
        for owner in sorted(owners - {0}):
            path = f"/Organisations/{owner}/Persons"
            template = "/Organisations/{id}/Persons"
            async for rows in self._api.pages(path, size=_LIST_ROWS, template=template):
                found.update({id_at(row, "PersonId"): row for row in rows})
        return [
            await self._record(row)
            for _, row in sorted(found.items())
            if normal_address(text_at(row, "PersonEmail")) in addresses
        ]


def _label(wire: Wire) -> str:
    sent = loads(wire.body)
    return f"{KIND} {sent.get('PersonEmail') or sent['PersonId']}"


def _text(wanted: Contact, ours: str) -> str:
    """A text as webCRM has it; a last name is needed, and `-` is none."""
    value = str(getattr(wanted, ours)).strip()
    return (value or _NO_NAME) if ours == "family" else value


def _told(response: HttpResponse) -> int:
    """The new number that an answer tells: bare, in an object, or not at all."""
    try:
        told = loads(response.body) if response.body else 0
    except ValueError:
        return 0
    if isinstance(told, Mapping):
        told = told.get("PersonId")
    return told if isinstance(told, int) and not isinstance(told, bool) else 0


def _kept(name: str, sent: Any, row: Row) -> bool:
    """Whether a row shows what was sent; the state and the ids are shown in their own way."""
    return name.endswith("Id") or name == "PersonStatus" or text_at(row, name) == str(sent)
