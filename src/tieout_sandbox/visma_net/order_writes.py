"""What a client may send to the order service: plain values, strict about what it does not know."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_net.company import ZONE
from tieout_sandbox.visma_net.errors import OrderError
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import Field, shapes

Faults = list[tuple[str, str, str]]
FILE = "order_writes.txt"


def read(shape: str, body: Any) -> Record:
    """The body with its dates read; null is kept. OrderError with all that is wrong with it."""
    faults: Faults = []
    found = _object(shape, body, "", faults)
    if faults:
        raise OrderError(faults)
    return found


def title(name: str) -> str:
    """A property as error texts write it."""
    return name[:1].upper() + name[1:]


def _object(shape: str, body: Any, where: str, faults: Faults) -> Record:
    if not isinstance(body, dict):
        faults.append((where or "$", "0003-InvalidValue", "An object is expected"))
        return {}
    fields = shapes(FILE)[shape]
    found: Record = {}
    for name, value in body.items():
        place = f"{where}.{title(name)}" if where else title(name)
        if name not in fields:
            faults.append((place, "0004-ValueNotAllowed", f"{title(name)} is not allowed"))
            continue
        found[name] = None if value is None else _value(fields[name], value, place, faults)
    for name, field in fields.items():
        if field.required and found.get(name) in (None, ""):
            place = f"{where}.{title(name)}" if where else title(name)
            code = "0001-EmptyNotAllowed" if found.get(name) == "" else "0001-NullNotAllowed"
            faults.append((place, code, f"{title(name)} is required"))
    return found


def _value(field: Field, value: Any, place: str, faults: Faults) -> Any:
    number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    match field.kind:
        case "@":
            return _object(field.of, value, place, faults)
        case "[":
            if isinstance(value, list):
                return [
                    _object(field.of, one, f"{place}[{index}]", faults)
                    for index, one in enumerate(value)
                ]
        case "{":
            if isinstance(value, dict) and all(isinstance(one, str) for one in value.values()):
                return value
        case "s" if isinstance(value, str):
            if field.size and len(value) > field.size:
                text = f"{place.rpartition('.')[2]} must have at most {field.size} characters"
                faults.append((place, "0002-InvalidLength", text))
            return value
        case "b" if isinstance(value, bool):
            return value
        case "n" if number and abs(value) < 10**15:
            return Decimal(value)
        case "d" if isinstance(value, str):
            day = day_of(value)
            if day is not None:
                return day
    faults.append((place, "0003-InvalidValue", f"{place.rpartition('.')[2]} is not valid"))
    return None


def day_of(text: str) -> date | None:
    """The company's date of a time; without an offset it is UTC. None where it is no time."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) == 10:
        return when.date()
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return when.astimezone(ZONE).date()
