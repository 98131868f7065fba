"""What a client sent for a field, as the value that is stored; the vendor's refusals."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.ids import normalise
from tieout_sandbox.salesforce.schema import NUMBER_TYPES, Field
from tieout_sandbox.salesforce.values import Value, day, moment, plain, stamp_millis, to_scale

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.org import Org

_EMAIL = re.compile(r"[^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s,;<>().]{2,}")


def coerce(org: Org, found: Field, value: Any) -> Value:
    """The stored form of a sent value; `""` is null as the platform has it."""
    if value is None or (value == "" and found.type != "boolean"):
        if found.type == "boolean":
            raise _unreadable("boolean", value)
        return None
    if found.type == "boolean":
        return _boolean(value)
    if found.type in NUMBER_TYPES:
        return _number(found, value, exact=org.switches.surplus_decimals == "refuse")
    if found.type == "date":
        return _date(value)
    if found.type == "datetime":
        return _datetime(value)
    if found.type == "reference":
        return _reference(org, found, value)
    if found.type == "address":
        raise _unreadable("Address", value)
    return _text(org, found, value)


def _unreadable(wanted: str, value: Any) -> SalesforceError:
    return SalesforceError(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {wanted} from VALUE_STRING value {value} or request may "
        "be missing a required field",
    )


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    raise _unreadable("boolean", value)


def _number(found: Field, value: Any, *, exact: bool) -> Value:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _unreadable("double", value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _unreadable("double", value) from None
    if not number.is_finite():
        raise _unreadable("double", value)
    if found.type == "int":
        if number != number.to_integral_value():
            raise _unreadable("int", value)
        return int(number)
    if abs(number) >= Decimal(10) ** (found.precision - found.scale):
        raise SalesforceError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{found.label}: value outside of valid range on numeric field: {value}",
            fields=[found.name],
        )
    rounded = to_scale(number, found.scale)
    if exact and rounded != number:
        raise SalesforceError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{found.label}: more than {found.scale} decimals: {value}",
            fields=[found.name],
        )
    return rounded if found.type == "currency" else plain(rounded)


def _date(value: Any) -> str:
    found = day(value) if isinstance(value, str) else None
    if found is None or (len(value) > 10 and moment(value) is None):
        raise _unreadable("date", value)
    return found.isoformat()


def _datetime(value: Any) -> str:
    found = moment(value) if isinstance(value, str) else None
    if found is None and isinstance(value, str) and len(value) == 10 and day(value) is not None:
        found = moment(f"{value}T00:00:00Z")
    if found is None:
        raise _unreadable("datetime", value)
    return stamp_millis(found)


def _reference(org: Org, found: Field, value: Any) -> str:
    record_id = normalise(value)
    if record_id is None:
        raise SalesforceError(
            "MALFORMED_ID",
            f"{found.label}: id value of incorrect type: {value}",
            fields=[found.name],
        )
    table = org.table_of(record_id)
    if table is None or table.kind.name not in found.targets:
        raise SalesforceError(
            "MALFORMED_ID",
            f"{found.label}: id value of incorrect type: {record_id}",
            fields=[found.name],
        )
    row = table.get(record_id)
    if row is None:
        raise SalesforceError(
            "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=[found.name]
        )
    if row.get("IsDeleted"):
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", fields=[found.name])
    if found.name == "OwnerId" and not row.get("IsActive"):
        raise SalesforceError(
            "INACTIVE_OWNER_OR_USER",
            f"operation performed with inactive user [{record_id}] as owner of record",
            fields=[found.name],
        )
    return record_id


def _text(org: Org, found: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise _unreadable("string", value)
        value = str(value)
    text: str = value.strip() if found.type != "textarea" else value.rstrip()
    if not text:
        return None
    if found.length and _length(text, org.switches.text_length_in) > found.length:
        raise SalesforceError(
            "STRING_TOO_LONG",
            f"{found.label}: data value too large: {text} (max length={found.length})",
            fields=[found.name],
        )
    if found.type == "email" and not _EMAIL.fullmatch(text):
        raise SalesforceError(
            "INVALID_EMAIL_ADDRESS",
            f"{found.label}: invalid email address: {text}",
            fields=[found.name],
        )
    if found.name == "CurrencyIsoCode" and not org.currency_active(text):
        raise SalesforceError(
            "INVALID_CURRENCY_ISO", f"invalid currency ISO code: {text}", fields=[found.name]
        )
    if found.type == "picklist" and found.restricted:
        return _restricted(found, text)
    return text


def _length(text: str, counted: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 if counted == "utf16" else len(text)


def _restricted(found: Field, text: str) -> str:
    for value, label in found.values:
        if text in (value, label):
            return value
    raise SalesforceError(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"{found.label}: bad value for restricted picklist field: {text}",
        fields=[found.name],
    )
