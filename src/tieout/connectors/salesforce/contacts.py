"""Persons of accounts: made and changed one row at a time, found by address within the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.utils import format_datetime
from typing import Any, Final

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.errors import Refusal
from tieout.connectors.salesforce.ids import id18, row_id, unique
from tieout.connectors.salesforce.org import OrgObject
from tieout.connectors.salesforce.reading import Reader
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.values import Unfit, Wire, same, to_wire
from tieout.core.change import Action, Change, Doubt, Hit, Prepared, Refused
from tieout.core.contacts import normal_address
from tieout.core.finding import Finding
from tieout.core.model import Contact, Entity, ExternalRef
from tieout.ports import Selection

OBJECT: Final = "Contact"
FIELDS: Final[Mapping[str, str]] = {
    "given": "FirstName",
    "family": "LastName",
    "email": "Email",
    "phone": "Phone",
    "mobile": "MobilePhone",
    "title": "Title",
    "customer": "AccountId",
}
"""Our fields of a person and the org's; a contact has none that says whether it is in use."""

CONTACT_ACTIONS: Final = frozenset({Action.CREATE, Action.UPDATE})
NO_NAME: Final = "-"
"""A contact cannot be without a family name."""

_PERSONS = Selection(entity=Entity.CONTACT)


class ContactWriter:
    """Prepares creates and updates of contacts; what a row shows already is not sent."""

    def __init__(self, api: SalesforceApi, reader: Reader, settings: SalesforceSettings) -> None:
        self._api = api
        self._reader = reader
        self._settings = settings

    async def prepare(self, change: Change) -> Prepared | Refused:
        """One row. An update reads it first and is tied to the second of its last change."""
        wanted = change.wanted.record if change.wanted is not None else None
        known = await self._api.object(OBJECT)
        if change.action not in CONTACT_ACTIONS or not isinstance(wanted, Contact):
            return _refused(change, _not_possible(change))
        if known is None:
            return _refused(change, _hidden())
        read: Contact | None = None
        if change.action is Action.UPDATE:
            found = await self._reader.get([change.target], _PERSONS) if change.target else [None]
            if not isinstance(found[0], Contact):
                gone = Refusal("ENTITY_IS_DELETED", "").finding(f"{OBJECT} {_target(change)}")
                return Refused(key=change.key, findings=(gone,), stale=True)
            read = found[0]
        body, findings = self._body(change, wanted, known, read)
        if findings:
            return Refused(key=change.key, findings=tuple(findings), seen=read)
        return self._prepared(change, wanted, read, body)

    def _body(
        self, change: Change, wanted: Contact, known: OrgObject, read: Contact | None
    ) -> tuple[dict[str, Wire], list[Finding]]:
        assert change.wanted is not None
        body: dict[str, Wire] = {}
        findings: list[Finding] = []
        for ours in sorted(change.wanted.fields & FIELDS.keys()):
            name = FIELDS[ours]
            field = known.field(name)
            if field is None or not (field.updateable or read is None):
                findings.append(_not_writable(name))
                continue
            value = to_wire(field, _value(wanted, ours), cut=ours != "email")
            if isinstance(value, Unfit):
                findings.append(value.finding)
            elif (value is not None) if read is None else not same(value, _value(read, ours)):
                body[name] = value
        return body, findings

    def _prepared(
        self, change: Change, wanted: Contact, read: Contact | None, body: dict[str, Wire]
    ) -> Prepared:
        path = f"{self._settings.data_path}/sobjects/{OBJECT}"
        headers: dict[str, str] = {}
        if read is not None and read.ref is not None:
            path = f"{path}/{id18(read.ref.id)}"
            if read.changed_at is not None:
                headers["If-Unmodified-Since"] = format_datetime(read.changed_at, usegmt=True)
        shown: dict[str, Any] = {
            ours: str(body[name] or "")
            for ours, name in FIELDS.items()
            if name in body and ours != "customer"
        }
        if FIELDS["customer"] in body:
            shown["customer"] = wanted.customer
        base = change.base if isinstance(change.base, Contact) else read or Contact()
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=read.ref if read is not None else None,
            method="PATCH" if read is not None else "POST",
            path=path,
            body=dumps(body) if body else b"",
            headers=headers,
            witness={"object": OBJECT, "version": (read.version if read else "") or ""},
            shows=replace(read or Contact(), extra=base.extra, shape=base.shape,
                          roles=base.roles, version=None, **shown),
            read=None if read is None else replace(read, extra=base.extra, roles=base.roles),
            revision=change.revision,
        )  # fmt: skip

    async def look(self, name: str, doubts: Sequence[Doubt]) -> dict[str, list[tuple[bool, Hit]]]:
        """For each create the contacts with its address at the accounts that it could stand at."""
        found: dict[str, list[tuple[bool, Hit]]] = {}
        for doubt in doubts:
            sent = [loads(body) for body in doubt.bodies if body]
            addresses = {normal_address(str(row.get("Email") or "")) for row in sent} - {""}
            accounts = {ref.id for ref in doubt.customers}
            accounts |= {str(row["AccountId"]) for row in sent if row.get("AccountId")}
            ids = unique(one for text in sorted(accounts) if (one := row_id(text)))
            found[doubt.key] = [
                (False, Hit(key=doubt.key, record=person))
                for person in await self._at(name, ids, addresses)
            ]
        return found

    async def _at(self, name: str, accounts: Sequence[str], addresses: set[str]) -> list[Contact]:
        if not accounts or not addresses:
            return []
        where = [
            soql.one_of("AccountId", accounts),
            soql.one_of("Email", sorted(addresses)),
        ]
        rows = await self._api.query(soql.select(("Id",), OBJECT, where=where))
        refs = [ExternalRef(name, Entity.CONTACT.value, id18(str(row["Id"]))) for row in rows.rows]
        records = await self._reader.get(refs, _PERSONS) if refs else []
        return [one for one in records if isinstance(one, Contact)]


def _value(record: Contact, ours: str) -> object:
    """The value as the org has it: an id for the account, a name where there has to be one."""
    if ours == "customer":
        return (row_id(record.customer.id) or record.customer.id) if record.customer else None
    value = getattr(record, ours).strip()
    return (value or NO_NAME) if ours == "family" else value


def _target(change: Change) -> str:
    return change.target.id if change.target is not None else ""


def _refused(change: Change, finding: Finding) -> Refused:
    return Refused(key=change.key, findings=(finding,))


def _not_possible(change: Change) -> Finding:
    return Finding(
        code="action_not_possible",
        message=f"Salesforce takes no {change.action.value} of a {change.entity.value} from us.",
        hint="Leave this flow out for Salesforce.",
    )


def _hidden() -> Finding:
    return Finding(
        code="object_missing",
        message="Contacts cannot be read by the integration user.",
        hint="Give the integration user a permission set with that right.",
        place=OBJECT,
    )


def _not_writable(name: str) -> Finding:
    return Finding(
        code="rights_missing",
        message=f"{name} of contacts cannot be written by the integration user.",
        hint="Give the integration user a permission set with that right.",
        place=f"{OBJECT}.{name}",
    )
