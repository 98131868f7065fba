"""Records as reads show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.fields import (
    ORGANISATION,
    PERSON,
    PERSON_B2C,
    Entity,
    Field,
    Row,
)
from tieout_sandbox.webcrm.values import blank, wire

Json = dict[str, Any]
_SECURED = frozenset({"Activity", "Event", "Opportunity"})
_ISO = {"Sverige": "SE", "Danmark": "DK", "Norge": "NO", "Finland": "FI", "Tyskland": "DE"}


class Presenter:
    """Shows the records of one kind. `include` True adds what `include=SecurityInfo` asks for."""

    def __init__(self, crm: Crm, entity: Entity, *, include: bool = False) -> None:
        self._crm = crm
        self._entity = entity
        self._include = include and entity.name in _SECURED
        self._fields = [field for field in entity.fields.values() if not field.write_only]
        self._stored = {field.stored: field for field in self._fields}
        self._blanks = {
            field.name: self._blank(field, place) for place, field in enumerate(self._fields)
        }

    def all(self, rows: Iterable[Row]) -> list[Json]:
        """Each as JSON."""
        return [self.one(row) for row in rows]

    def one(self, row: Row) -> Json:
        """One as JSON."""
        shown = dict(self._blanks)
        for name, value in row.items():
            field = self._stored.get(name)
            if field is None:
                continue
            if value != "":
                shown[field.name] = wire(field, value)
            elif shown[field.name] is None:
                shown[field.name] = ""  # a memo that was emptied, unlike one never written
            # Else a drop-down from which the choice was taken shows its placeholder again.
        if self._entity.name == "Document" and not self._crm.assumptions.document_file_shown:
            shown["DocumentFile"] = ""
        if self._entity.name == "Opportunity":
            shown["OpportunityLevelText"] = self._crm.settings.levels.get(row.get("Level", 0), "")
        if self._include:
            name = f"{self._entity.name}SecurityInfo"
            shown[name] = {"CanEdit": True}
            if self._entity.name == "Opportunity":
                shown[name] = {"CanRead": True, "CanEdit": True}
        if self._crm.assumptions.later_fields:
            shown.update(self._later(row))
        return shown

    def _blank(self, field: Field, place: int) -> Any:
        unset = self._crm.settings.unset(field.name)
        if unset is not None:
            return unset
        assumptions = self._crm.assumptions
        if field.stored == "CurrencyName":
            return assumptions.currency_unset
        if field.stored.removeprefix("Opportunity") == "Memo" and assumptions.unset_memo == "null":
            return None
        return blank(field, assumptions.no_date, place)

    def _later(self, row: Row) -> Json:
        name = self._entity.name
        if name == "Delivery":
            return {
                "DeliveryOpportunityPersonId": row.get("PersonId", 0),
                "DeliveryOpportunityDescription": row.get("Description", ""),
            }
        if name != "Opportunity":
            return {}
        owner = self._crm.get(ORGANISATION, row.get("OrganisationId", 0)) or {}
        country = owner.get("Country", "")
        currency = row.get("CurrencyName", "")
        return {
            "OpportunityCurrencySymbol": {"EUR": "€", "USD": "$"}.get(currency, "kr."),
            "OpportunityPipelineType": 1,
            "OpportunityPersonId2": row.get("PersonId2", 0),
            "OpportunityAddress": owner.get("Address", ""),
            "OpportunityPostCode": owner.get("PostCode", ""),
            "OpportunityCity": owner.get("City", ""),
            "OpportunityState": owner.get("State", ""),
            "OpportunityCountryValue": country,
            "OpportunityCountry": {
                "Name": country,
                "CodeISO": _ISO.get(country, ""),
                "CodeUN": "",
            },
            "OpportunityGps": owner.get("Gps", ""),
        }


def shown(crm: Crm, entity: Entity, row: Row) -> Json:
    """One record as JSON."""
    return Presenter(crm, entity).one(row)


# The joined view of private customers.


def b2c_source(field: Field) -> tuple[Entity, str]:
    """Which record a field of the joined view comes from, and under which outside name."""
    name = field.stored
    if name == "Id":
        return PERSON, "PersonId"
    if name == "OrganisationId":
        return PERSON, "PersonOrganisationId"
    for prefix, entity in (
        ("Person1", PERSON),
        ("Person2", ORGANISATION),
        ("Organisation", ORGANISATION),
    ):
        if name.startswith(prefix):
            return entity, entity.name + name.removeprefix(prefix)
    if f"Person{name}" in PERSON.fields:
        return PERSON, f"Person{name}"
    return ORGANISATION, f"Organisation{name}"


def b2c_rows(crm: Crm) -> Iterator[Row]:
    """The persons of private customers."""
    for person in crm.found(PERSON):
        owner = crm.get(ORGANISATION, person.get("OrganisationId", 0))
        if owner is not None and owner.get("Type") == "Privat":
            yield person


def b2c_shown(crm: Crm, person: Row) -> Json:
    """A person of the joined view as JSON."""
    owner = crm.get(ORGANISATION, person.get("OrganisationId", 0)) or {"Id": 0}
    sides = {"Person": shown(crm, PERSON, person), "Organisation": shown(crm, ORGANISATION, owner)}
    found: Json = {}
    for field in PERSON_B2C.fields.values():
        entity, name = b2c_source(field)
        found[field.name] = sides[entity.name].get(name, blank(field, "utc", 0))
    return found
