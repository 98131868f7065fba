"""What people do in the program itself, past the API. Ids are those of the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Action, ActionError
from tieout_sandbox.webcrm import resources, writes
from tieout_sandbox.webcrm.arguments import (
    Arguments,
    deal_named,
    line_values,
    lines_of_arguments,
    number_of,
    person_acting,
    record_of,
    text_of,
    values_of,
)
from tieout_sandbox.webcrm.basics import cents
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.errors import WebcrmError
from tieout_sandbox.webcrm.fields import (
    ACTIVITY,
    BY_NAME,
    DELIVERY,
    DOCUMENT,
    LINE,
    OPPORTUNITY,
    ORGANISATION,
    PERSON,
    PRODUCT,
    QUOTING_DATA,
    RELATION,
    Entity,
    Row,
)
from tieout_sandbox.webcrm.present import shown
from tieout_sandbox.webcrm.settings import LOST_LEVEL, WON_LEVEL

Doing = Callable[[Crm, Arguments], Any]
_SET = "object of field names (with or without the prefix) and values"
_LINES = "list of objects with item, text, unit, quantity, price, discount, vat, memo"
_USER = "login, name or id of who does it; the first user where it is left out"
_DEAL = "id of the opportunity or delivery"


def actions(crm: Crm) -> dict[str, Action]:
    """Every action on records by its name."""
    return {
        name: Action(arguments={**arguments, "user": _USER}, run=bound(crm, doing))
        for name, (arguments, doing) in _ACTIONS.items()
    }


def bound(crm: Crm, doing: Doing) -> Callable[[Arguments], Any]:
    """An action over a system; what the program refuses is an ActionError."""

    def run(arguments: Arguments) -> Any:
        try:
            return doing(crm, arguments)
        except WebcrmError as error:
            raise ActionError(error.text) from error

    return run


# Organisations and persons.


def _add(crm: Crm, entity: Entity, values: Row, arguments: Arguments) -> Any:
    """As a person adds it: the same rules as through the API, but for the length of steps."""
    by = person_acting(crm, arguments)
    row = crm.add(entity, values, by)
    return shown(crm, entity, row)


def _add_organisation(crm: Crm, arguments: Arguments) -> Any:
    body: Row = {"Status": "Kunde", "Type": "Debitor", **_given(arguments)}
    body["Name"] = text_of(arguments, "name")
    values = values_of(crm, ORGANISATION, body)
    values["CompareName"] = writes.compare_name(values["Name"])
    return _add(crm, ORGANISATION, values, arguments)


def _given(arguments: Arguments) -> Row:
    given = arguments.get("set") or {}
    if not isinstance(given, dict):
        raise ActionError("set must be an object of field names and values")
    return dict(given)


def _edit(entity: Entity, argument: str) -> Doing:
    def doing(crm: Crm, arguments: Arguments) -> Any:
        return _changed(crm, entity, record_of(crm, entity, arguments.get(argument)), arguments)

    return doing


def _changed(crm: Crm, entity: Entity, row: Row, arguments: Arguments) -> Any:
    values = values_of(crm, entity, arguments.get("set"))
    crm.change(entity, row, values, person_acting(crm, arguments))
    return shown(crm, entity, row)


def _change_type(crm: Crm, arguments: Arguments) -> Any:
    row = record_of(crm, ORGANISATION, arguments.get("organisation"))
    body = {
        name: arguments[word]
        for word, name in (("type", "Type"), ("status", "Status"))
        if word in arguments
    }
    values = values_of(crm, ORGANISATION, body)
    crm.change(ORGANISATION, row, values, person_acting(crm, arguments))
    return shown(crm, ORGANISATION, row)


_OWNED = (PERSON, OPPORTUNITY, DELIVERY, LINE, PRODUCT, ACTIVITY, DOCUMENT)


def _merge(crm: Crm, arguments: Arguments) -> Any:
    """One of two organisations goes: what it owned belongs to the other."""
    kept = record_of(crm, ORGANISATION, arguments.get("keep"))
    gone = record_of(crm, ORGANISATION, arguments.get("remove"))
    if kept is gone:
        raise ActionError("an organisation cannot be merged with itself")
    by = person_acting(crm, arguments)
    empty = {name: value for name, value in gone.items() if not kept.get(name)}
    skipped = ("Id", "CreatedAt", "CreatedBy", "UpdatedAt", "UpdatedBy")
    crm.change(ORGANISATION, kept, {n: v for n, v in empty.items() if n not in skipped}, by)
    moved: dict[str, int] = {}
    for entity in _OWNED:
        for row in [row for row in crm.every(entity) if row.get("OrganisationId") == gone["Id"]]:
            values = {"OrganisationId": kept["Id"]}
            crm.change(entity, row, values, by, touch=crm.assumptions.merge_touches_children)
            moved[entity.resource] = moved.get(entity.resource, 0) + 1
    crm.remove(ORGANISATION, gone)
    return {"kept": kept["Id"], "removed": gone["Id"], "moved": moved}


def _delete_organisation(crm: Crm, arguments: Arguments) -> Any:
    """With everything that it owns."""
    owner = record_of(crm, ORGANISATION, arguments.get("organisation"))
    deleted = 1
    for entity in _OWNED:
        for row in [row for row in crm.every(entity) if row.get("OrganisationId") == owner["Id"]]:
            crm.remove(entity, row)
            deleted += 1
    for row in list(crm.every(RELATION)):
        if owner["Id"] in (row.get("Organisation1Id"), row.get("Organisation2Id")):
            crm.remove(RELATION, row)
            deleted += 1
    crm.remove(ORGANISATION, owner)
    return {"deleted": deleted}


def _add_person(crm: Crm, arguments: Arguments) -> Any:
    owner = record_of(crm, ORGANISATION, arguments.get("organisation"))
    values = values_of(crm, PERSON, arguments.get("set"))
    first, last = str(arguments.get("first_name") or ""), text_of(arguments, "last_name")
    values |= {"OrganisationId": owner["Id"], "FirstName": first, "LastName": last}
    values["Name"] = f"{first} {last}".strip()
    if "email" in arguments:
        values["Email"] = text_of(arguments, "email")
    return _add(crm, PERSON, values, arguments)


def _resign(crm: Crm, arguments: Arguments) -> Any:
    row = record_of(crm, PERSON, arguments.get("person"))
    crm.change(PERSON, row, {"Status": "Resigned"}, person_acting(crm, arguments))
    return shown(crm, PERSON, row)


def _delete(entity: Entity, argument: str) -> Doing:
    def doing(crm: Crm, arguments: Arguments) -> Any:
        row = record_of(crm, entity, arguments.get(argument))
        crm.remove(entity, row)
        return {"deleted": row["Id"]}

    return doing


# Deals.


def _new_deal(entity: Entity) -> Doing:
    def doing(crm: Crm, arguments: Arguments) -> Any:
        owner = record_of(crm, ORGANISATION, arguments.get("organisation"))
        by = person_acting(crm, arguments)
        values = values_of(crm, entity, arguments.get("set"))
        values["OrganisationId"] = owner["Id"]
        values["Description"] = str(arguments.get("title") or "Salg")
        if "person" in arguments:
            values["PersonId"] = record_of(crm, PERSON, arguments["person"])["Id"]
        if "currency" in arguments:
            values["CurrencyName"] = str(arguments["currency"])
        values.setdefault("OrderDate", _midnight(crm))
        if entity is OPPORTUNITY:
            values["Level"] = int(arguments.get("level", 1))
        else:
            values |= {"WonDate": crm.now(), "WinYesNo": True, "Level": WON_LEVEL}
            values.setdefault("Status", "New")
        row = crm.add(entity, values, by)
        _put_lines(crm, row, lines_of_arguments(crm, arguments.get("lines")), by)
        value = number_of(arguments, "value")
        crm.change(entity, row, {"OrderValue": _value(crm, row, value)}, "", touch=False)
        return _deal_shown(crm, entity, row)

    return doing


def _midnight(crm: Crm) -> datetime:
    return crm.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _value(crm: Crm, row: Row, given: Decimal | None) -> Decimal:
    if given is not None:
        return given
    return cents(writes.lines_total(writes.lines_of(crm, row["Id"])))


def _put_lines(crm: Crm, deal: Row, lines: list[Row], by: str) -> None:
    last = max((line.get("SortOrder", 0) for line in writes.lines_of(crm, deal["Id"])), default=0)
    for place, line in enumerate(lines, start=1):
        values: Row = {
            "OpportunityId": deal["Id"],
            "OrganisationId": deal.get("OrganisationId"),
            "PersonId": deal.get("PersonId"),
            "SortOrder": last + 10 * place,
            **line,
        }
        crm.add(LINE, values, by)


def _deal_shown(crm: Crm, entity: Entity, row: Row) -> Any:
    lines = [shown(crm, LINE, line) for line in writes.lines_of(crm, row["Id"])]
    return {**shown(crm, entity, row), "lines": lines}


def _locked(crm: Crm, row: Row) -> None:
    if crm.assumptions.erp_read_only_locks and row.get("ErpReadOnly"):
        raise ActionError(f"deal {row['Id']} is locked by the ERP")


def _edit_deal(crm: Crm, arguments: Arguments) -> Any:
    entity, row = deal_named(crm, arguments.get("deal"))
    _locked(crm, row)
    _changed(crm, entity, row, arguments)
    return _deal_shown(crm, entity, row)


def _win(crm: Crm, arguments: Arguments) -> Any:
    """As this system does it: `how` convert (the default), flag or level."""
    row = record_of(crm, OPPORTUNITY, arguments.get("deal"))
    by = person_acting(crm, arguments)
    match arguments.get("how", "convert"):
        case "convert":
            resources.convert_to_delivery(crm, row, by)
            return _deal_shown(crm, DELIVERY, row)
        case "flag":
            values: Row = {"WinYesNo": True, "Level": WON_LEVEL, "Percent": 100}
        case "level":
            values = {"Level": WON_LEVEL, "Percent": 100}
        case other:
            raise ActionError(f"how is convert, flag or level, not {other!r}")
    crm.change(OPPORTUNITY, row, values, by)
    return _deal_shown(crm, OPPORTUNITY, row)


def _lose(crm: Crm, arguments: Arguments) -> Any:
    row = record_of(crm, OPPORTUNITY, arguments.get("deal"))
    values: Row = {
        "Level": LOST_LEVEL,
        "Percent": 0,
        "LostDate": crm.now(),
        "Lost1": str(arguments.get("reason") or ""),
        "WinYesNo": None,
    }
    crm.change(OPPORTUNITY, row, values, person_acting(crm, arguments))
    return _deal_shown(crm, OPPORTUNITY, row)


def _reopen(crm: Crm, arguments: Arguments) -> Any:
    """A lost opportunity, or a delivery that is taken back into the pipeline."""
    entity, row = deal_named(crm, arguments.get("deal"))
    by, level = person_acting(crm, arguments), int(arguments.get("level", 1))
    if entity is DELIVERY:
        resources.convert_to_opportunity(crm, row, level, by)
    else:
        values: Row = {"Level": level, "LostDate": None, "Lost1": None, "WinYesNo": None}
        crm.change(OPPORTUNITY, row, values, by)
    return _deal_shown(crm, OPPORTUNITY, row)


def _ready(crm: Crm, arguments: Arguments) -> Any:
    entity, row = deal_named(crm, arguments.get("deal"))
    values = {"ErpStatus": "ReadyForSynchronization"}
    crm.change(entity, row, values, person_acting(crm, arguments))
    return _deal_shown(crm, entity, row)


def _set_status(crm: Crm, arguments: Arguments) -> Any:
    row = record_of(crm, DELIVERY, arguments.get("delivery"))
    values = values_of(crm, DELIVERY, {"Status": arguments.get("status")})
    crm.change(DELIVERY, row, values, person_acting(crm, arguments))
    return shown(crm, DELIVERY, row)


def _renumber(crm: Crm, arguments: Arguments) -> Any:
    """In the program a delivery can be renumbered even while it has a twin."""
    row = record_of(crm, DELIVERY, arguments.get("delivery"))
    values = {"Number": str(arguments.get("number") or "")}
    crm.change(DELIVERY, row, values, person_acting(crm, arguments))
    return shown(crm, DELIVERY, row)


def _delete_deal(crm: Crm, arguments: Arguments) -> Any:
    entity, row = deal_named(crm, arguments.get("deal"))
    for line in writes.lines_of(crm, row["Id"]):
        crm.remove(LINE, line)
    crm.remove(entity, row)
    return {"deleted": row["Id"]}


def _clone_deal(crm: Crm, arguments: Arguments) -> Any:
    """A copy with its lines, open again; what the ERP wrote is left out."""
    _, row = deal_named(crm, arguments.get("deal"))
    by = person_acting(crm, arguments)
    left_out = ("Id", "Number", "ErpId", "ErpStatus", "ErpSyncDateTime", "WonDate", "Status")
    values = {
        name: value
        for name, value in row.items()
        if name not in left_out and not name.startswith(("_", "Custom", "Created", "Updated"))
    }
    values |= {"Level": 1, "WinYesNo": None}
    copy = crm.add(OPPORTUNITY, values, by)
    lines = [
        {n: v for n, v in line.items() if n.startswith("Data") or n in _COPIED}
        for line in writes.lines_of(crm, row["Id"])
    ]
    _put_lines(crm, copy, lines, by)
    return _deal_shown(crm, OPPORTUNITY, copy)


_COPIED = (
    "Memo",
    "Price",
    "ListPrice",
    "CostPrice",
    "Quantity",
    "Discount",
    "VatPercentage",
    "SortOrder",
)


def _edit_lines(crm: Crm, arguments: Arguments) -> Any:
    """In the program, the value of the head follows the lines unless `keep_value` is true."""
    entity, deal = deal_named(crm, arguments.get("deal"))
    _locked(crm, deal)
    by = person_acting(crm, arguments)
    known = {line["Id"]: line for line in writes.lines_of(crm, deal["Id"])}

    def line_of(given: Any) -> Row:
        if given not in known:
            raise ActionError(f"deal {deal['Id']} has no line {given!r}")
        return known[given]

    for one in arguments.get("remove") or []:
        crm.remove(LINE, line_of(one))
    for one in arguments.get("change") or []:
        words = {word: value for word, value in one.items() if word != "line"}
        crm.change(LINE, line_of(one.get("line")), line_values(words), by)
    _put_lines(crm, deal, lines_of_arguments(crm, arguments.get("add")), by)
    if not arguments.get("keep_value"):
        values = {"OrderValue": _value(crm, deal, None)}
        crm.change(entity, deal, values, by, touch=crm.assumptions.line_touches_parent)
    return _deal_shown(crm, entity, deal)


# Catalogue, notes, any record.


def _add_item(crm: Crm, arguments: Arguments) -> Any:
    values: Row = {
        "Data1": text_of(arguments, "item"),
        "Data2": str(arguments.get("text") or "-"),
        "Data3": str(arguments.get("unit") or "stk"),
        "ItemGroup": str(arguments.get("group") or ""),
        "VatCode": str(arguments.get("vat_code") or ""),
        "Price": number_of(arguments, "price"),
        "CostPrice": number_of(arguments, "cost_price"),
        "EntityType": "Product",
        "_of": LINE.resource,
    }
    return _add(crm, QUOTING_DATA, values, arguments)


# What an organisation owns or has bought.


def _add_product(crm: Crm, arguments: Arguments) -> Any:
    owner = record_of(crm, ORGANISATION, arguments.get("organisation"))
    values = values_of(crm, PRODUCT, arguments.get("set"))
    return _add(crm, PRODUCT, {**values, "OrganisationId": owner["Id"]}, arguments)


def _copy_product(crm: Crm, arguments: Arguments) -> Any:
    """Another one like it, with all that its fields hold."""
    row = record_of(crm, PRODUCT, arguments.get("product"))
    values = {name: value for name, value in row.items() if name not in _OWN}
    return _add(crm, PRODUCT, values, arguments)


_OWN = ("Id", "CreatedAt", "CreatedBy", "UpdatedAt", "UpdatedBy")


def _add_note(crm: Crm, arguments: Arguments) -> Any:
    """A note in a record's history, which is HTML."""
    entity = BY_NAME.get(str(arguments.get("entity")))
    if entity is None or f"{entity.name}History" not in entity.fields:
        raise ActionError(f"{arguments.get('entity')!r} has no history")
    row = record_of(crm, entity, arguments.get("id"))
    text = f"<p>{text_of(arguments, 'html')}</p>{row.get('History', '')}"
    crm.change(entity, row, {"History": text}, person_acting(crm, arguments))
    return shown(crm, entity, row)


def _edit_record(crm: Crm, arguments: Arguments) -> Any:
    entity = BY_NAME.get(str(arguments.get("entity")))
    if entity is None:
        raise ActionError(f"there is no entity {arguments.get('entity')!r}")
    return _changed(crm, entity, record_of(crm, entity, arguments.get("id")), arguments)


_NEW_DEAL = {
    "organisation": "id",
    "title": "text",
    "person": "id",
    "currency": "name as configured",
    "lines": _LINES,
    "value": "value of the head; that of the lines where it is left out",
    "set": _SET,
}
_ACTIONS: dict[str, tuple[dict[str, str], Doing]] = {
    "add_organisation": ({"name": "text", "set": _SET}, _add_organisation),
    "edit_organisation": ({"organisation": "id", "set": _SET}, _edit(ORGANISATION, "organisation")),
    "change_type": (
        {"organisation": "id", "type": "value of the drop-down", "status": "the same"},
        _change_type,
    ),
    "merge_organisations": ({"keep": "id", "remove": "id"}, _merge),
    "delete_organisation": ({"organisation": "id"}, _delete_organisation),
    "add_person": (
        {
            "organisation": "id",
            "first_name": "text",
            "last_name": "text",
            "email": "text",
            "set": _SET,
        },
        _add_person,
    ),
    "edit_person": ({"person": "id", "set": _SET}, _edit(PERSON, "person")),
    "resign_person": ({"person": "id"}, _resign),
    "delete_person": ({"person": "id"}, _delete(PERSON, "person")),
    "add_opportunity": ({**_NEW_DEAL, "level": "pipeline level"}, _new_deal(OPPORTUNITY)),
    "add_delivery": (_NEW_DEAL, _new_deal(DELIVERY)),
    "edit_deal": ({"deal": _DEAL, "set": _SET}, _edit_deal),
    "win": ({"deal": "id of the opportunity", "how": "convert, flag or level"}, _win),
    "lose": ({"deal": "id of the opportunity", "reason": "text"}, _lose),
    "reopen": ({"deal": _DEAL, "level": "pipeline level"}, _reopen),
    "mark_ready": ({"deal": _DEAL}, _ready),
    "set_delivery_status": ({"delivery": "id", "status": "New, Planned, …"}, _set_status),
    "renumber_delivery": ({"delivery": "id", "number": "text"}, _renumber),
    "clone_deal": ({"deal": _DEAL}, _clone_deal),
    "delete_deal": ({"deal": _DEAL}, _delete_deal),
    "edit_lines": (
        {
            "deal": _DEAL,
            "add": _LINES,
            "change": "list of objects with line (id) and what changes, as in add",
            "remove": "list of line ids",
            "keep_value": "true: the head keeps its value",
        },
        _edit_lines,
    ),
    "add_item": (
        {
            "item": "item number",
            "text": "name",
            "unit": "text",
            "group": "text",
            "price": "number",
            "cost_price": "number",
            "vat_code": "text",
        },
        _add_item,
    ),
    "edit_item": ({"id": "id", "set": _SET}, _edit(QUOTING_DATA, "id")),
    "delete_item": ({"id": "id"}, _delete(QUOTING_DATA, "id")),
    "add_product": ({"organisation": "id", "set": _SET}, _add_product),
    "edit_product": ({"product": "id", "set": _SET}, _edit(PRODUCT, "product")),
    "copy_product": ({"product": "id"}, _copy_product),
    "delete_product": ({"product": "id"}, _delete(PRODUCT, "product")),
    "add_note": ({"entity": "Organisation, Delivery, …", "id": "id", "html": "text"}, _add_note),
    "edit_record": ({"entity": "Organisation, User, …", "id": "id", "set": _SET}, _edit_record),
}
