"""Kinds of values of a bridge's file: names, expressions, durations, amounts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from tieout.core.mapping import to_text


class Strict(BaseModel):
    """Keys that are not known are refused, so that a slip of the pen is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(Strict):
    """Keys that may all be left out; a heading with nothing but comments below is as good."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_yet(cls, value: Any) -> Any:
        return or_empty(value)


def or_empty(value: Any) -> Any:
    return {} if value is None else value


# --- kinds of values -----------------------------------------------------------------------------


def _scalar_text(value: object) -> object:
    """`when: true` and `currency: 752` are texts too; what is empty or nested is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return to_text(value) if isinstance(value, Decimal) else value


def plain_name(value: str) -> str:
    """The name of a bridge or connection. Raises ValueError with what it may be made of."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", value):
        raise ValueError(
            f'"{value}" is no name: letters of a to z, digits, ".", "_" and "-", at most 63.'
        )
    return value


def _currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f'"{value}" is no currency: three capital letters such as SEK.')
    return value


def zone_name(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{value}" is no time zone such as Europe/Stockholm.') from None
    return value


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'"{value}" is no duration: 30s, 5m, 1h or 1d.')
    return int(found[1]) * _UNITS[found[2]]


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f'"{value}" stands here twice.')
    return values


Expression = Annotated[
    str,
    BeforeValidator(_scalar_text),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Name = Annotated[str, AfterValidator(plain_name)]
Currency = Annotated[str, AfterValidator(_currency)]
Duration = Annotated[
    int,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,5}[smhd]$"}),
]
Amount = Annotated[Decimal, Field(ge=0, max_digits=20)]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Cell = Annotated[
    str,
    BeforeValidator(_scalar_text),
    Field(min_length=1),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
CrmField = Annotated[str, Field(pattern=r"^[A-Za-z]\w{0,79}$")]
InlineTable = Annotated[dict[Cell, Cell], BeforeValidator(or_empty)]
