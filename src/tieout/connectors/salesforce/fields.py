"""Single fields of an account or a deal: the change of one row, tied to the version read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from email.utils import format_datetime
from typing import Any

from tieout.connectors.http.json import dumps
from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.countries import country_code, country_name
from tieout.connectors.salesforce.errors import Refusal
from tieout.connectors.salesforce.ids import id18, is_id, object_of
from tieout.connectors.salesforce.org import OrgField, OrgObject, unknown_field
from tieout.connectors.salesforce.reading import Reader
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.connectors.salesforce.translate import customer_with
from tieout.connectors.salesforce.values import Unfit, Wire, same, to_wire
from tieout.core.change import Action, Change, Prepared, Refused
from tieout.core.finding import Finding
from tieout.core.model import Address, Customer, Deal, Entity, Identifier, Record, Scalar
from tieout.ports import Selection

EXTRA_MARK = "extra."


class FieldWriter:
    """Prepares updates of customers and deals, field by field."""

    def __init__(self, api: SalesforceApi, reader: Reader, settings: SalesforceSettings) -> None:
        self._api = api
        self._reader = reader
        self._settings = settings

    async def prepare(self, change: Change) -> Prepared | Refused:
        """
        The update of one row. Only fields that differ from what the row shows are in its body;
        without any it has no body.
        """
        target = change.target
        name = object_of(target.id) if target is not None and is_id(target.id) else None
        if change.action is not Action.UPDATE or change.wanted is None:
            return _refused(change, _not_possible(change))
        known = await self._api.object(name) if name else None
        if target is None or known is None:
            return _refused(change, _no_row(change))
        named, findings = self._named(known, change)
        extra = tuple(field.name for field, _ in named)
        want = Selection(entity=change.entity, extra=extra, shape=change.wanted.record.shape)
        read = (await self._reader.get([target], want))[0]
        if not isinstance(read, (Customer, Deal)):
            gone = Refusal("ENTITY_IS_DELETED", "").finding(f"{known.name} {target.id}")
            return Refused(key=change.key, findings=(gone,), stale=True)
        body: dict[str, Any] = {}
        for field, value in named:
            wire = to_wire(field, value)
            if isinstance(wire, Unfit):
                findings.append(wire.finding)
            elif not _shown(wire, read.extra.get(field.name)):
                body[field.name] = wire
        if findings:
            return Refused(key=change.key, findings=tuple(findings), seen=read)
        return self._prepared(change, known, read, body)

    def _prepared(
        self, change: Change, known: OrgObject, read: Customer | Deal, body: dict[str, Wire]
    ) -> Prepared:
        assert change.wanted is not None
        assert read.ref is not None
        headers: dict[str, str] = {}
        if read.changed_at is not None:
            # One second is its precision: an edit in the very second of the read gets through.
            headers["If-Unmodified-Since"] = format_datetime(read.changed_at, usegmt=True)
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=read.ref,
            method="PATCH",
            path=f"{self._settings.data_path}/sobjects/{known.name}/{id18(read.ref.id)}",
            body=dumps(body) if body else b"",
            headers=headers,
            witness={"object": known.name, "version": read.version or ""},
            shows=self._shows(read, change, body),
            read=_as_known(read, change.base),
            revision=change.revision,
        )

    def _shows(self, read: Customer | Deal, change: Change, body: dict[str, Wire]) -> Record:
        """
        The record as it will be: what was read, with what the body says in its place. Fields that
        a mapping reads are those of the base, since only ours were read.
        """
        assert change.wanted is not None
        wanted = change.wanted.record
        base = change.base
        kept = base.extra if isinstance(base, (Customer, Deal)) else {}
        extra: dict[str, Scalar] = {**read.extra, **kept, **body}
        shape = base.shape if isinstance(base, (Customer, Deal)) else read.shape
        if isinstance(read, Customer):
            after = customer_with(read, {**read.extra, **body}, self._settings)
            # The version moves with the write; nobody knows it before.
            return replace(after, extra=extra, shape=shape, version=None)
        ours = {
            name: getattr(wanted, name)
            for name in change.wanted.fields
            if name != "extra" and not name.startswith(EXTRA_MARK)
        }
        return replace(read, **ours, extra=extra, shape=shape, version=None)

    def _named(
        self, known: OrgObject, change: Change
    ) -> tuple[list[tuple[OrgField, Any]], list[Finding]]:
        """The org's fields with the values that the change wants in them."""
        assert change.wanted is not None
        found: list[tuple[OrgField, Any]] = []
        findings: list[Finding] = []
        for ours in sorted(change.wanted.fields):
            for theirs, value in self._places(ours, change.wanted.record, known):
                field = known.field(theirs) if theirs else None
                if field is None:
                    findings.append(unknown_field(ours, known, theirs or ours))
                elif not field.updateable:
                    findings.append(_read_only(known, field))
                else:
                    found.append((field, value))
        return found, findings

    def _places(self, ours: str, record: Record, known: OrgObject) -> Sequence[tuple[str, Any]]:
        """Where a field of ours is kept in this org: usually one field, '' for none."""
        if isinstance(record, (Customer, Deal)):
            if ours == "extra":
                return [(name, record.extra[name]) for name in sorted(record.extra)]
            if ours.startswith(EXTRA_MARK):
                name = ours[len(EXTRA_MARK) :]
                return [(name, record.extra.get(name))]
        if isinstance(record, Customer):
            return self._customer_places(ours, record, known)
        deal = self._settings.deal
        names = {
            "number": deal.number,
            "po_number": deal.po_number,
            "buyer_reference": deal.buyer_reference,
            "delivered_on": deal.delivered_on,
        }
        return [(names.get(ours, ""), getattr(record, ours, None))]

    def _customer_places(
        self, ours: str, record: Customer, known: OrgObject
    ) -> Sequence[tuple[str, Any]]:
        account = self._settings.account
        if ours == "emails":
            field = account.invoice_email or "PersonEmail"
            address = record.emails.get("invoice") or record.emails.get("general")
            return [(field, address)] if address or not record.emails else []
        if ours == "phones":
            number = record.phones.get("general")
            return [("Phone", number)] if number or not record.phones else []
        if ours == "identifiers":
            fields = {
                "company": account.org_number,
                "vat": self._settings.packaged(account.vat_number),
            }
            # A number that the books do not have is no reason to take it from the account.
            return [
                (field, _number(found))
                for kind, field in fields.items()
                if (found := record.identifier(kind)) or not record.identifiers
            ]
        if ours == "addresses":
            return [
                place for address in record.addresses for place in _address_places(address, known)
            ]
        names = {
            "name": "Name",
            "number": account.number,
            "terms": account.terms,
            "credit_stop": self._settings.packaged(account.credit_stop),
            "language": account.language,
            "tax_group": account.tax_group,
        }
        return [(names.get(ours, ""), getattr(record, ours, None))]


def extra_names(bodies: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """The fields that stored bodies set, to be read when their fate is in doubt."""
    return tuple(dict.fromkeys(name for body in bodies for name in body))


def _number(found: Identifier | None) -> str | None:
    return None if found is None else found.raw or found.normal


def _address_places(address: Address, known: OrgObject) -> list[tuple[str, Any]]:
    """The parts of an address; where countries are a list, only their codes are written."""
    prefix = {"billing": "Billing", "shipping": "Shipping"}.get(address.role)
    if prefix is None:
        return []
    found: list[tuple[str, Any]] = [
        (f"{prefix}Street", "\n".join(address.lines)),
        (f"{prefix}City", address.city),
        (f"{prefix}PostalCode", address.postcode),
    ]
    if address.country and known.has(f"{prefix}CountryCode"):
        found.append((f"{prefix}CountryCode", address.country))
    elif address.country:
        found.append((f"{prefix}Country", country_name(address.country)))
    return found


def _shown(wanted: Wire, shown: Scalar) -> bool:
    """Whether a field says this already; a country in any language, lines with any break."""
    if not isinstance(wanted, str) or not isinstance(shown, str):
        return same(wanted, shown)
    if same(wanted, shown.replace("\r\n", "\n")):
        return True
    return bool(country_code(wanted)) and country_code(wanted) == country_code(shown)


def _as_known(read: Customer | Deal, base: Record | None) -> Customer | Deal:
    """
    What was read; numbers that did not move are those of the base, where registers have their say.
    """
    if not isinstance(read, Customer) or not isinstance(base, Customer):
        return read
    numbers, before = (
        [(one.kind, one.raw) for one in record.identifiers] for record in (read, base)
    )
    return replace(read, identifiers=base.identifiers) if numbers == before else read


def _refused(change: Change, finding: Finding) -> Refused:
    return Refused(key=change.key, findings=(finding,))


def _not_possible(change: Change) -> Finding:
    return Finding(
        code="action_not_possible",
        message=f"Salesforce takes no {change.action.value} of a {change.entity.value} from us.",
        hint="Leave this flow out for Salesforce.",
    )


def _no_row(change: Change) -> Finding:
    return Finding(
        code="target_missing",
        message="It is not said which record in Salesforce is meant.",
        hint="Read the deal or customer again.",
        values={"key": change.key},
    )


def _read_only(known: OrgObject, field: OrgField) -> Finding:
    return Finding(
        code="rights_missing",
        message=f"{field.label} of {known.label} cannot be written by the integration user.",
        hint="Give the integration user a permission set with that right, or choose another field.",
        place=field.name,
    )


WRITABLE = frozenset({Entity.CUSTOMER, Entity.DEAL})
