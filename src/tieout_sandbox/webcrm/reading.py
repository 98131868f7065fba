"""Bodies read into values: kinds, lengths, drop-downs, what is passed over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import loads
from tieout_sandbox.webcrm.calls import LARGEST
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.errors import invalid
from tieout_sandbox.webcrm.fields import DATE_ONLY, Entity, Field, Row
from tieout_sandbox.webcrm.settings import CHECK, LIST, MULTI, FieldSetup
from tieout_sandbox.webcrm.values import moment_of

_CHECKED = {"yes": "Yes", "no": "No"}


def read(crm: Crm, entity: Entity, body: Mapping[str, Any]) -> Row:
    """What the body sets, by stored name. Null and absent are left out: leave as it is. A date
    that is cleared is None. WebcrmError where a value is wrong."""
    values: Row = {}
    for name, given in body.items():
        field = entity.fields.get(name)
        if field is None:
            if crm.assumptions.unknown_properties == "error":
                raise invalid(f"Could not find member '{name}' on object.")
            continue
        if given is None or field.written_by_server:
            continue
        value = _value(crm, field, given)
        if value is None and not crm.assumptions.date_is_cleared_by_year_one:
            continue
        values[field.stored] = value
    return values


def _value(crm: Crm, field: Field, given: Any) -> Any:
    match field.kind:
        case "text":
            return _text(crm, field, given)
        case "int":
            return _whole(field, given)
        case "number":
            if isinstance(given, bool) or not isinstance(given, (int, Decimal)):
                raise _wrong(field, given)
            return Decimal(given)
        case "bool":
            if not isinstance(given, bool):
                raise _wrong(field, given)
            return given
        case "date":
            return _date(crm, field, given)
        case "ids":
            if not isinstance(given, list):
                raise _wrong(field, given)
            return [_whole(field, one) for one in given]
        case _:
            return _name(field, given)


def _wrong(field: Field, given: Any) -> Exception:
    return invalid(f"Could not convert {given!r} for {field.name}.")


def _whole(field: Field, given: Any) -> int:
    if isinstance(given, Decimal) and given == given.to_integral_value():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or abs(given) > LARGEST:
        raise _wrong(field, given)
    return given


def _name(field: Field, given: Any) -> str:
    for name in field.names:
        if isinstance(given, str) and name.lower() == given.lower():
            return name
    raise _wrong(field, given)


def _date(crm: Crm, field: Field, given: Any) -> datetime | None:
    if not isinstance(given, str):
        raise _wrong(field, given)
    try:
        found = moment_of(given, without_zone=crm.assumptions.dates_without_zone)
    except ValueError as error:
        raise _wrong(field, given) from error
    if found is None or field.stored not in DATE_ONLY or crm.assumptions.order_date_keeps_time:
        return found
    return found.replace(hour=0, minute=0, second=0, microsecond=0)


def _text(crm: Crm, field: Field, given: Any) -> str:
    if isinstance(given, (int, Decimal)) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str):
        raise _wrong(field, given)
    text: str = given
    setup = crm.settings.setup(field.name)
    if setup is not None:
        text = _chosen(crm, setup, text)
    size = crm.settings.size(field)
    if size is None or len(text) <= size:
        return text
    if crm.assumptions.long_text == "cut":
        return text[:size]
    raise invalid(f"The field {field.name} must be a string with a maximum length of {size}.")


def _chosen(crm: Crm, setup: FieldSetup, given: str) -> str:
    """The value of a drop-down or check box; what stands for no choice becomes empty text."""
    if setup.unset is not None and given == setup.unset:
        return ""
    if given == "":
        return ""
    if setup.display == CHECK:
        known = _CHECKED.get(given.lower())
        if known is None:
            raise invalid(f"{setup.name} takes Yes or No, not '{given}'.")
        return known
    if setup.display not in (LIST, MULTI) or crm.assumptions.dropdown_values == "free":
        return given
    chosen = [given] if setup.display == LIST else _several(given)
    for one in chosen:
        if one not in setup.options:
            raise invalid(f"'{one}' is not a value of {setup.name}.")
    return given


def _several(given: str) -> list[str]:
    """The choices in a multi-select's text: a JSON array of strings."""
    try:
        found = loads(given)
    except ValueError:
        return [given]
    return [str(one) for one in found] if isinstance(found, list) else [given]
