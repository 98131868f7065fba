"""Single fields of an organisation or a deal: the change of one record, nothing else of it sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tieout.connectors.http.json import dumps
from tieout.connectors.webcrm import errors
from tieout.connectors.webcrm.api import RESOURCES, Row
from tieout.connectors.webcrm.countries import country_code
from tieout.connectors.webcrm.ids import number_for
from tieout.connectors.webcrm.reading import Reader
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.system import SystemFields, native, place_on, unknown_field
from tieout.connectors.webcrm.translate import address_lines
from tieout.connectors.webcrm.values import Unfit, Wire, same, text_at, to_wire
from tieout.connectors.webcrm.writing import no_record, not_possible
from tieout.core.change import Action, Change, Prepared, Refused
from tieout.core.finding import Finding
from tieout.core.model import Customer, Deal, Entity, Record
from tieout.ports import Selection

EXTRA_MARK = "extra."
WRITABLE = frozenset({Entity.CUSTOMER, Entity.DEAL})
_SERVER = ("CreatedAt", "CreatedBy", "UpdatedAt", "UpdatedBy")


class FieldWriter:
    """Prepares updates of customers and deals, field by field."""

    def __init__(self, reader: Reader, settings: WebcrmSettings) -> None:
        self._reader = reader
        self._settings = settings

    async def prepare(self, change: Change) -> Prepared | Refused:
        """
        The update of one record. Only fields that differ from what it shows are in its body;
        without any it has no body.
        """
        if change.action is not Action.UPDATE or change.wanted is None:
            return _refused(change, not_possible(change))
        number = number_for(change.target, change.entity) if change.target is not None else 0
        if not number:
            return _refused(change, no_record(change))
        found = await self._now(change.entity, number)
        if found is None:
            gone = errors.gone(f"{change.entity.value} {number}")
            return Refused(key=change.key, findings=(gone,), stale=True)
        kind, row = found
        fields = await self._reader.fields(kind)
        body, findings = self._body(change, kind, row, fields)
        read = await self._record(change, kind, row)
        if findings:
            return Refused(key=change.key, findings=tuple(findings), seen=read)
        native = int(row[f"{kind}Id"])
        shows = await self._record(change, kind, {**row, **body})
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=read.ref if read is not None else change.target,
            method="PUT",
            path=f"/{RESOURCES[kind]}/{native}",
            body=dumps({f"{kind}Id": native, **body}) if body else b"",
            witness={"kind": kind},
            # The version moves with the write; nobody knows it before.
            shows=None if shows is None else replace(shows, version=None),
            read=read,
            revision=change.revision,
        )

    async def _now(self, entity: Entity, number: int) -> tuple[str, Row] | None:
        if entity is Entity.DEAL:
            return (await self._reader.lineage.now([number])).get(number)
        row = (await self._reader.feed.some("Organisation", [number])).get(number)
        return None if row is None else ("Organisation", row)

    async def _record(self, change: Change, kind: str, row: Row) -> Customer | Deal | None:
        assert change.wanted is not None
        extra = tuple(getattr(change.wanted.record, "extra", {}))
        want = Selection(
            entity=change.entity, extra=extra, shape=getattr(change.wanted.record, "shape", "")
        )
        translator = await self._reader.translator()
        records, _ = await self._reader.records(kind, [row], want, translator)
        return next((one for one in records if isinstance(one, (Customer, Deal))), None)

    def _body(
        self, change: Change, kind: str, row: Row, fields: SystemFields
    ) -> tuple[dict[str, Wire], list[Finding]]:
        assert change.wanted is not None
        body: dict[str, Wire] = {}
        findings: list[Finding] = []
        for ours in sorted(change.wanted.fields):
            if ours == "addresses":
                self._address(change.wanted.record, row, fields, body, findings)
                continue
            for theirs, value in self._places(ours, kind, change.wanted.record):
                if not theirs:
                    findings.append(_no_place(kind, ours))
                    continue
                field = fields.field(theirs) or (native(theirs) if fields.has(theirs) else None)
                if field is None or theirs.removeprefix(kind) in _SERVER:
                    findings.append(unknown_field(theirs or ours, fields))
                    continue
                wire = to_wire(field, value)
                if isinstance(wire, Unfit):
                    findings.append(wire.finding)
                elif not same(field, wire, row.get(field.name)):
                    body[field.name] = wire
        return body, findings

    def _address(
        self,
        record: Record,
        row: Row,
        fields: SystemFields,
        body: dict[str, Wire],
        findings: list[Finding],
    ) -> None:
        """The billing address, as one text and a country's name; what says the same is left."""
        wanted = record.address() if isinstance(record, Customer) else None
        if wanted is None:
            return
        values = {"OrganisationPostCode": wanted.postcode, "OrganisationCity": wanted.city}
        if address_lines(text_at(row, "OrganisationAddress")) != wanted.lines:
            values["OrganisationAddress"] = "\n".join(wanted.lines)
        shown = text_at(row, "OrganisationCountry")
        if wanted.country and country_code(shown, self._settings.countries) != wanted.country:
            name = self._country(wanted.country, fields)
            if not name:
                findings.append(_no_name(wanted.country))
            values["OrganisationCountry"] = name
        for name, value in values.items():
            field = fields.field(name) or native(name)
            wire = to_wire(field, value)
            if isinstance(wire, Unfit):
                findings.append(wire.finding)
            elif not same(field, wire, row.get(name)):
                body[name] = wire

    def _country(self, code: str, fields: SystemFields) -> str:
        """What this system calls a country: by the settings, or by its drop-down; never a guess."""
        for name, known in self._settings.countries.items():
            if known == code:
                return name
        field = fields.field("OrganisationCountry")
        options = field.options if field is not None else ()
        found = [one for one in options if country_code(one, self._settings.countries) == code]
        return found[0] if len(found) == 1 else ""

    def _places(self, ours: str, kind: str, record: Record) -> Sequence[tuple[str, Any]]:
        """Where a field of ours is kept in this system: usually one field, '' for none."""
        assert isinstance(record, (Customer, Deal))
        if ours == "extra":
            return [(_place(kind, name), record.extra[name]) for name in sorted(record.extra)]
        if ours.startswith(EXTRA_MARK):
            name = ours[len(EXTRA_MARK) :]
            return [(_place(kind, name), record.extra.get(name))]
        if isinstance(record, Customer):
            return self._customer_places(ours, record)
        deal = self._settings.deal
        names = {
            "number": f"{kind}Number",
            "title": f"{kind}Description",
            "po_number": place_on(kind, deal.po_number),
            "buyer_reference": place_on(kind, deal.buyer_reference),
            "delivered_on": place_on(kind, deal.delivered_on),
        }
        return [(names.get(ours, ""), getattr(record, ours, None))]

    def _customer_places(self, ours: str, record: Customer) -> Sequence[tuple[str, Any]]:
        account = self._settings.account
        if ours == "emails":
            address = record.emails.get("invoice") or record.emails.get("general")
            return [(account.invoice_email, address)]
        if ours == "phones":
            return [("OrganisationTelephone", record.phones.get("general"))]
        if ours == "identifiers":
            numbers = {kind: record.identifier(kind) for kind in ("company", "vat")}
            places = {"company": account.org_number, "vat": account.vat_number}
            return [
                (places[kind], found.raw or found.normal)
                for kind, found in numbers.items()
                if found
            ]
        names: Mapping[str, str] = {
            "name": "OrganisationName",
            "number": account.number,
            "terms": account.terms,
            "currency": account.currency,
            "credit_stop": account.credit_stop,
            "language": account.language,
            "tax_group": account.tax_group,
        }
        return [(names.get(ours, ""), getattr(record, ours, None))]


def _no_place(kind: str, ours: str) -> Finding:
    return Finding(
        code="field_not_chosen",
        message=f"No field of {kind} is named for the {ours.replace('_', ' ')}, so it cannot be "
        "written there.",
        hint="Name one in the connection's settings, or let the CRM own it: "
        "flows.customers.owners.",
        place=ours,
    )


def _no_name(code: str) -> Finding:
    return Finding(
        code="country_unknown",
        message=f"It is not known what this webCRM calls the country {code}.",
        hint="Say it in the connection's settings (countries), such as Sverige: SE.",
        place="OrganisationCountry",
        values={"country": code},
    )


def _place(kind: str, name: str) -> str:
    return name if kind == "Organisation" else place_on(kind, name)


def _refused(change: Change, finding: Finding) -> Refused:
    return Refused(key=change.key, findings=(finding,))
