"""What a body may hold: types, lengths, decimals, required and read-only fields.

A schema is a table of lines `Name kind flags`. Kinds: `s` text, `s50` with a length, `id` GUID,
`b` boolean, `i` whole number, `n` number, `n2` with so many decimals, `d` date, `t` stamp,
`l` list of texts, `l5` at most so many, `r` list of objects, `o` anything nested (read by its own
code). Flags: `!` required, `R` read-only, `0..1` bounds, `{0,1,2}` allowed numbers,
`=0` shown as 0 where nothing is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from tieout_sandbox.visma_eaccounting.assumptions import Assumptions
from tieout_sandbox.visma_eaccounting.errors import VALIDATION, VismaError, fault

Record = dict[str, Any]
LARGEST = Decimal("1e10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One property of a schema."""

    name: str
    kind: str
    size: int | None = None
    required: bool = False
    read_only: bool = False
    low: Decimal | None = None
    high: Decimal | None = None
    allowed: frozenset[int] | None = None
    zero: bool = False


class Schema:
    """The properties of one resource, in the order in which they are written."""

    def __init__(self, name: str, table: str) -> None:
        self.name = name
        self.fields = {field.name: field for field in map(_field, table.strip().splitlines())}

    @cached_property
    def blank(self) -> Record:
        """What an answer holds where nothing is set."""
        empty: dict[str, Any] = {"b": False, "l": [], "r": []}
        return {
            field.name: 0 if field.zero else empty.get(field.kind) for field in self.fields.values()
        }

    def read(self, body: Any, assumptions: Assumptions, *, where: str = "") -> Record:
        """The writable values of a body, absent and null ones left out; VismaError 2000 with every
        fault it has. A required flag or choice that is absent counts as false or 0."""
        if not isinstance(body, dict):
            raise VismaError(VALIDATION, f"{self.name}: a JSON object is expected")
        faults: list[Record] = []
        values: Record = {}
        for field in self.fields.values():
            if field.read_only:
                continue
            raw = body.get(field.name)
            if raw is None:
                _absent(field, values, faults, where)
                continue
            try:
                values[field.name] = _value(field, raw, assumptions)
            except _WrongError as wrong:
                faults.append(fault(where + field.name, wrong.kind, str(wrong)))
        if assumptions.unknown_fields == "error":
            faults += [
                fault(where + name, "Unknown", f"Could not find member '{name}'.")
                for name in body
                if name not in self.fields
            ]
        if faults:
            raise VismaError(VALIDATION, faults[0]["Message"], errors=faults)
        return values


class _WrongError(Exception):
    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def _field(line: str) -> Field:
    name, kind, *flags = line.split()
    size = None
    stem = kind.rstrip("0123456789")
    if stem != kind:
        size = int(kind[len(stem) :])
    options: Record = {}
    for flag in flags:
        if flag == "!":
            options["required"] = True
        elif flag == "R":
            options["read_only"] = True
        elif flag == "=0":
            options["zero"] = True
        elif flag.startswith("{"):
            options["allowed"] = frozenset(map(int, flag[1:-1].split(",")))
        else:
            low, _, high = flag.partition("..")
            options["low"], options["high"] = Decimal(low), Decimal(high)
    return Field(name=name, kind=stem, size=size, **options)


def _absent(field: Field, values: Record, faults: list[Record], where: str) -> None:
    if not field.required:
        return
    if field.kind == "b":
        values[field.name] = False
    elif field.kind == "i" and field.allowed is not None and 0 in field.allowed:
        values[field.name] = 0
    else:
        text = f"The {field.name} field is required."
        faults.append(fault(where + field.name, "Required", text))


def _value(field: Field, raw: Any, assumptions: Assumptions) -> Any:
    match field.kind:
        case "s":
            return _text(field, raw, assumptions)
        case "id":
            return _guid(field, raw)
        case "b":
            if not isinstance(raw, bool):
                raise _WrongError("Type", f"{field.name} must be a boolean.")
            return raw
        case "i":
            return _whole(field, raw)
        case "n":
            return _number(field, raw, assumptions)
        case "d" | "t":
            return as_day(field.name, raw)
        case "l":
            return _texts(field, raw)
        case "r":
            if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
                raise _WrongError("Type", f"{field.name} must be a list of objects.")
            return raw
        case _:
            return raw


def _text(field: Field, raw: Any, assumptions: Assumptions) -> str:
    if not isinstance(raw, str):
        raise _WrongError("Type", f"{field.name} must be a string.")
    wide = assumptions.text_length_in == "utf16"
    length = len(raw.encode("utf-16-le", "surrogatepass")) // 2 if wide else len(raw)
    if field.size is not None and length > field.size:
        raise _WrongError(
            "MaxLength",
            f"The field {field.name} must be a string with a maximum length of {field.size}.",
        )
    if field.required and not raw.strip():
        raise _WrongError("Required", f"The {field.name} field is required.")
    return raw


def _guid(field: Field, raw: Any) -> str:
    found = as_guid(raw)
    if found is None:
        raise _WrongError("Type", f"{field.name} must be a GUID.")
    return found


def as_guid(raw: Any) -> str | None:
    """A GUID in the form in which it is stored, None where it is none."""
    try:
        return str(UUID(raw)) if isinstance(raw, str) else None
    except ValueError:
        return None


def _whole(field: Field, raw: Any) -> int:
    if isinstance(raw, Decimal) and raw == raw.to_integral_value():
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise _WrongError("Type", f"{field.name} must be an integer.")
    if field.allowed is not None and raw not in field.allowed:
        raise _WrongError("Enum", f"The value {raw} is not valid for {field.name}.")
    _bounds(field, Decimal(raw))
    return raw


def _number(field: Field, raw: Any, assumptions: Assumptions) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, (int, Decimal)):
        raise _WrongError("Type", f"{field.name} must be a number.")
    value = Decimal(raw)
    if abs(value) >= LARGEST:
        raise _WrongError("Range", f"{field.name} is too large.")
    _bounds(field, value)
    return (
        value if field.size is None else within_decimals(field.name, value, field.size, assumptions)
    )


def within_decimals(name: str, value: Decimal, places: int, assumptions: Assumptions) -> Decimal:
    """The number where it has no more decimals than allowed (zeros at the end do not count);
    else an error, or rounded, as assumed."""
    step = Decimal(1).scaleb(-places)
    rounded = value.quantize(step, rounding=ROUND_HALF_UP)
    if rounded == value:
        return value
    if assumptions.excess_decimals == "round":
        return rounded
    raise _WrongError("Decimals", f"The field {name} can have at most {places} decimals.")


def checked_decimals(name: str, value: Decimal, places: int, assumptions: Assumptions) -> Decimal:
    """As `within_decimals`, for a limit that depends on other fields; VismaError 2000."""
    try:
        return within_decimals(name, value, places, assumptions)
    except _WrongError as wrong:
        raise VismaError(VALIDATION, str(wrong), field=name, kind=wrong.kind) from wrong


def _bounds(field: Field, value: Decimal) -> None:
    if (field.low is not None and value < field.low) or (
        field.high is not None and value > field.high
    ):
        raise _WrongError(
            "Range", f"The field {field.name} must be between {field.low} and {field.high}."
        )


def as_day(name: str, raw: Any) -> date:
    """The date in a text that begins with one."""
    try:
        return date.fromisoformat(raw[:10])
    except (TypeError, ValueError) as error:
        raise _WrongError("Type", f"{name} must be a date.") from error


def _texts(field: Field, raw: Any) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
        raise _WrongError("Type", f"{field.name} must be a list of strings.")
    if field.size is not None and len(raw) > field.size:
        raise _WrongError("MaxItems", f"{field.name} can have at most {field.size} entries.")
    return list(raw)
