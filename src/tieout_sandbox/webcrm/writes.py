"""Making and changing records: what must be there, what must be right, what follows from it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit.names import slug
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.errors import WebcrmError, busy, invalid, not_found
from tieout_sandbox.webcrm.fields import (
    DELIVERY,
    DOCUMENT,
    LINE,
    LINKED_DATA,
    OPPORTUNITY,
    ORGANISATION,
    PERSON,
    PRODUCT,
    QUOTING_DATA,
    Entity,
    Row,
)
from tieout_sandbox.webcrm.reading import read

Body = Mapping[str, Any]
DEALS = (OPPORTUNITY, DELIVERY)
_ZERO = Decimal(0)


def create(crm: Crm, entity: Entity, body: Body, by: str, **extra: Any) -> Row:
    """A new record from a body. WebcrmError where it is refused."""
    if body.get(entity.key) and crm.assumptions.post_with_id == "error":
        raise invalid(f"{entity.key} must be 0 for a new record.")
    values = {**read(crm, entity, body), **extra}
    _too_fast(crm)
    _prepare(crm, entity, values, None)
    row = crm.add(entity, _kept(values), by)
    crm.created.append(crm.now())
    _follow(crm, entity, row, None)
    return row


def update(crm: Crm, entity: Entity, row: Row, body: Body, by: str) -> Row:
    """Changes a record by a body: absent and null leave a field as it is. WebcrmError where it is
    refused."""
    values = read(crm, entity, body)
    _prepare(crm, entity, values, row)
    before = dict(row)
    crm.change(entity, row, values, by)
    _follow(crm, entity, row, before)
    return row


def upsert(crm: Crm, entity: Entity, item: Any, by: str) -> str | None:
    """One item of an array: the new id, the answer to an update, or the text of the failure. None
    where nothing is answered for it."""
    try:
        return _upsert(crm, entity, item, by)
    except WebcrmError as error:
        return error.text


def _upsert(crm: Crm, entity: Entity, item: Any, by: str) -> str | None:
    if not isinstance(item, dict):
        raise invalid("A JSON object is expected.")
    given = item.get(entity.key)
    if given in (None, 0):
        return str(create(crm, entity, item, by)["Id"])
    row = crm.get(entity, given) if isinstance(given, int) else None
    if row is None:
        raise not_found(entity.name, given)
    update(crm, entity, row, item, by)
    match crm.assumptions.patch_update_answer:
        case "id":
            return str(row["Id"])
        case "empty":
            return ""
        case _:
            return None


def _kept(values: Row) -> Row:
    return {name: value for name, value in values.items() if value is not None}


def _too_fast(crm: Crm) -> None:
    """Ids are drawn in a way that fails now and then when creates come fast."""
    now = crm.now()
    crm.created = [one for one in crm.created if now - timedelta(seconds=1) < one <= now]
    most = crm.assumptions.fast_creates_per_second
    if most and len(crm.created) >= most:
        crm.created.clear()  # the next try succeeds
        raise busy()


# Rules by kind of record. `values` is what is written, `row` the record before, None for a new one.


def _prepare(crm: Crm, entity: Entity, values: Row, row: Row | None) -> None:
    for setup in crm.settings.fields.values():
        if setup.entity != entity.name or setup.name not in entity.fields:
            continue
        stored = entity.fields[setup.name].stored
        if setup.mandatory and not {**(row or {}), **values}.get(stored):
            raise invalid(f"The field {setup.name} is mandatory.")
        if setup.unique and values.get(stored):
            _unique(crm, entity, setup.name, stored, values[stored], row)
    rule = _RULES.get(entity.name)
    if rule is not None:
        rule(crm, values, row)


def _unique(crm: Crm, entity: Entity, name: str, stored: str, value: Any, row: Row | None) -> None:
    for other in crm.every(entity):
        if other is not row and str(other.get(stored, "")).lower() == str(value).lower():
            raise invalid(f"The value '{value}' of {name} is already used by {other['Id']}.")


def _organisation(crm: Crm, values: Row, row: Row | None) -> None:
    _ = crm
    name = {**(row or {}), **values}.get("Name", "")
    if not name.strip():
        raise invalid("The field OrganisationName is mandatory.")
    values["CompareName"] = compare_name(name)
    if "Telephone" in values:
        values["TelephoneSearch"] = "".join(filter(str.isdigit, values["Telephone"]))


def compare_name(name: str) -> str:
    """The name as duplicates are looked for."""
    return slug(name)[:500]


def _person(crm: Crm, values: Row, row: Row | None) -> None:
    if row is not None:
        moved = values.pop("OrganisationId", row.get("OrganisationId", 0))
        refused = crm.assumptions.person_organisation_put == "error"
        if refused and moved != row.get("OrganisationId", 0):
            raise invalid("The organisation of a person cannot be changed.")
    elif crm.get(ORGANISATION, values.get("OrganisationId", 0)) is None:
        raise invalid("The field PersonOrganisationId is mandatory.")
    whole = {**(row or {}), **values}
    if not whole.get("LastName", "").strip():
        raise invalid("The field PersonLastName is mandatory.")
    names = (whole.get(part, "") for part in ("FirstName", "MiddleName", "LastName"))
    values["Name"] = " ".join(name for name in names if name)


def _deal(crm: Crm, values: Row, row: Row | None) -> None:
    owner = {**(row or {}), **values}.get("OrganisationId", 0)
    if crm.get(ORGANISATION, owner) is None:
        raise invalid(f"The organisation {owner} does not exist.")
    person = values.get("PersonId", 0)
    if person and crm.get(PERSON, person) is None:
        raise invalid(f"The person {person} does not exist.")


def _delivery(crm: Crm, values: Row, row: Row | None) -> None:
    _deal(crm, values, row)
    if row is None:
        if crm.assumptions.automatic_numbers and not values.get("Number"):
            values["Number"] = next_number(crm)
        values.setdefault("WinYesNo", True)
    whole = {**(row or {}), **values}
    if crm.assumptions.delivery_responsible_mandatory and not whole.get("Responsible"):
        raise invalid("The field DeliveryResponsible is mandatory.")
    # Twins can be made, but while they are twins nobody changes either through the API.
    if row is not None and row.get("Number"):
        for other in crm.tables[DELIVERY.table].holding(row["Number"]):
            if other is not row and DELIVERY.of(other):
                raise invalid(f"The number '{row['Number']}' is used by another delivery.")


def next_number(crm: Crm) -> str:
    """The number after the highest one given."""
    taken = [
        int(row["Number"]) for row in crm.every(DELIVERY) if str(row.get("Number", "")).isdigit()
    ]
    return str(max(taken, default=100_000) + 1)


def _line(crm: Crm, values: Row, row: Row | None) -> None:
    parent = {**(row or {}), **values}.get("OpportunityId", 0)
    if deal_of(crm, parent) is None:
        raise invalid(f"The opportunity {parent} does not exist.")
    linked = values.pop("LinkedDataId", 0)
    if row is not None:
        return
    item = crm.get(QUOTING_DATA, linked)
    if item is not None and item.get("_of") != LINE.resource:
        item = None
    if item is None and (crm.assumptions.linked_data_required or linked):
        raise invalid("QuotationLineLinkedDataId is required when linked data is enabled.")
    if item is not None and crm.assumptions.linked_data_fills:
        for place in range(1, 10):
            values.setdefault(f"Data{place}", item.get(f"Data{place}"))
        values.setdefault("ListPrice", item.get("Price"))
        values.setdefault("Price", item.get("Price"))
        values.setdefault("CostPrice", item.get("CostPrice"))


def _linked(crm: Crm, values: Row, row: Row | None) -> None:
    whole = {**(row or {}), **values}
    if whole.get("_of") != LINE.resource:
        return
    for place, label in enumerate(crm.settings.columns, start=1):
        if not whole.get(f"Data{place}"):
            raise invalid(f"The field Data{place} ({label}) may not be empty.")
    if not crm.settings.unique_item_number or values.get("Data1", "-") == "-":
        return
    for other in crm.every(LINKED_DATA):
        same = other.get("Data1", "").lower() == values["Data1"].lower()
        if other is not row and other.get("_of") == LINE.resource and same:
            raise invalid(f"The value '{values['Data1']}' of Data1 is already used.")


def _product(crm: Crm, values: Row, row: Row | None) -> None:
    """What an organisation owns or has bought: it belongs to one that is there."""
    before = (row or {}).get("OrganisationId", 0)
    if row is not None and values.get("OrganisationId", before) != before:
        if crm.assumptions.product_organisation_put == "error":
            raise invalid("The organisation of a product cannot be changed.")
        if crm.assumptions.product_organisation_put == "ignored":
            del values["OrganisationId"]
    owner = {**(row or {}), **values}.get("OrganisationId", 0)
    if crm.get(ORGANISATION, owner) is None:
        raise invalid(f"The organisation {owner} does not exist.")
    person = values.get("PersonId", 0)
    if person and crm.get(PERSON, person) is None:
        raise invalid(f"The person {person} does not exist.")


def _document(crm: Crm, values: Row, row: Row | None) -> None:
    _ = crm
    if row is None and not values.get("FileName"):
        raise invalid("The field DocumentFileName is mandatory.")
    if "File" in values:
        try:
            content = b64decode(values["File"], validate=True)
        except ValueError as error:
            raise invalid("DocumentFile is not base64.") from error
        values["FileSize"] = len(content)
        values["UploadedAt"] = crm.now()
        values["UploadCount"] = (row or {}).get("UploadCount", 0) + 1


_RULES: dict[str, Callable[[Crm, Row, Row | None], None]] = {
    "Organisation": _organisation,
    "Person": _person,
    "Opportunity": _deal,
    "Delivery": _delivery,
    "QuotationLine": _line,
    "LinkedDataItem": _linked,
    "QuotationLineLinkedDataItem": _linked,
    PRODUCT.name: _product,
    DOCUMENT.name: _document,
}


# What follows.


def _follow(crm: Crm, entity: Entity, row: Row, before: Row | None) -> None:
    if entity is LINE:
        lines_moved(crm, row.get("OpportunityId", 0), row["UpdatedBy"])
        old = (before or {}).get("OpportunityId", 0)
        if old and old != row.get("OpportunityId"):
            lines_moved(crm, old, row["UpdatedBy"])
    elif entity in DEALS or entity.name in ("Activity", "SupportCase"):
        owner = crm.get(ORGANISATION, row.get("OrganisationId", 0))
        if owner is not None:
            last: Row = {"LastItemType": entity.name, "LastItemUpdatedAt": crm.now()}
            crm.change(ORGANISATION, owner, last, "", touch=False)


def deal_of(crm: Crm, deal_id: int) -> tuple[Entity, Row] | None:
    """The opportunity or delivery with that id."""
    for entity in DEALS:
        row = crm.get(entity, deal_id)
        if row is not None:
            return entity, row
    return None


def lines_of(crm: Crm, deal_id: int) -> list[Row]:
    """The lines of a deal in their order."""
    found = crm.tables[LINE.table].holding(deal_id)
    return sorted(found, key=lambda row: (row.get("SortOrder", 0), row["Id"]))


def lines_total(lines: list[Row]) -> Decimal:
    """Quantity times price less the discount percent, over all lines."""
    return sum(
        (
            Decimal(line.get("Quantity", _ZERO))
            * line.get("Price", _ZERO)
            * (1 - line.get("Discount", _ZERO) / 100)
            for line in lines
        ),
        _ZERO,
    )


def lines_moved(crm: Crm, deal_id: int, by: str) -> None:
    """What a change of a line does to its deal: what is assumed, which may be nothing."""
    found = deal_of(crm, deal_id)
    assumptions = crm.assumptions
    if found is None or not (assumptions.line_touches_parent or assumptions.line_moves_order_value):
        return
    entity, row = found
    values: Row = {}
    if assumptions.line_moves_order_value:
        values["OrderValue"] = lines_total(lines_of(crm, deal_id))
    crm.change(entity, row, values, by, touch=assumptions.line_touches_parent)
