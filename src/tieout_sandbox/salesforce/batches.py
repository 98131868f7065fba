"""Collections: up to 200 rows in one call, each with its own outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tieout_sandbox.salesforce.calls import Call, Result, wants
from tieout_sandbox.salesforce.errors import SalesforceError, SeveralMatchesError
from tieout_sandbox.salesforce.ids import normalise
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.rows import kind_named, method_not_allowed, row_json, writer_for
from tieout_sandbox.salesforce.writes import Writer

MOST = 200
Outcome = dict[str, Any]
ROLLED_BACK = SalesforceError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone "
    "header",
)


class _RollBackError(Exception):
    """Not everything was valid, and the caller wanted all or nothing."""


def collections(org: Org, call: Call, rest: tuple[str, ...]) -> Result:
    """`/composite/sobjects…`."""
    if call.method == "GET" and len(rest) == 1:
        ids = call.query.get("ids", "").split(",")
        names = [name for name in call.query.get("fields", "").split(",") if name]
        return _read(org, call, rest[0], ids, names)
    if call.method == "POST" and len(rest) == 1:
        body = wants(call, dict, "An object with ids and fields")
        return _read(org, call, rest[0], list(body.get("ids", ())), list(body.get("fields", ())))
    if call.method == "DELETE":
        ids = [each for each in call.query.get("ids", "").split(",") if each]
        all_or_none = call.query.get("allOrNone", "").lower() == "true"
        return Result(body=_each(org, call, ids, _delete, all_or_none=all_or_none))
    if call.method == "PATCH" and len(rest) == 2:
        records = call.body.get("records") if isinstance(call.body, Mapping) else None
        twice = _repeated(records if isinstance(records, list) else [], rest[1])
        return _write(org, call, _upserter(rest[0], rest[1], twice))
    if call.method == "POST" and not rest:
        return _write(org, call, _create)
    if call.method == "PATCH" and len(rest) <= 1:
        return _write(org, call, _update)
    raise method_not_allowed(call)


def _write(org: Org, call: Call, one: Callable[[Writer, Any], Outcome]) -> Result:
    body = wants(call, dict, "An object with records")
    records = body.get("records")
    if not isinstance(records, list):
        raise SalesforceError("JSON_PARSER_ERROR", "records is expected in the request body")
    all_or_none = bool(body.get("allOrNone", False))
    return Result(body=_each(org, call, records, one, all_or_none=all_or_none))


def _repeated(records: list[Any], key: str) -> set[str]:
    """The values of the key that more than one record of the call has."""
    values = [_folded(_value(each, key)) for each in records if isinstance(each, Mapping)]
    return {value for value, times in Counter(values).items() if value and times > 1}


def _folded(value: Any) -> str:
    return "" if value is None else str(value).casefold()


def _each(
    org: Org,
    call: Call,
    items: list[Any],
    one: Callable[[Writer, Any], Outcome],
    *,
    all_or_none: bool,
) -> list[Outcome]:
    if len(items) > MOST:
        raise SalesforceError(
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {MOST} records into this call",
        )
    if call.batch_items is not None:
        items = items[: call.batch_items]
    writer = writer_for(org, call)
    outcomes: list[Outcome] = []
    try:
        with org.transaction():
            for item in items:
                outcomes.append(_attempt(writer, item, one))
            failed = not all(outcome["success"] for outcome in outcomes)
            if failed and (all_or_none or call.all_or_none):
                raise _RollBackError
    except _RollBackError:
        return [
            {"success": False, "errors": [ROLLED_BACK.as_item_error()]}
            if outcome["success"]
            else outcome
            for outcome in outcomes
        ]
    return outcomes


def _attempt(writer: Writer, item: Any, one: Callable[[Writer, Any], Outcome]) -> Outcome:
    try:
        return one(writer, item)
    except SeveralMatchesError as error:
        text = f"More than one record found for external id field: [{', '.join(error.ids)}]"
        refused = SalesforceError("DUPLICATE_EXTERNAL_ID", text)
        return {"success": False, "errors": [refused.as_item_error()]}
    except SalesforceError as error:
        outcome: Outcome = {"success": False, "errors": [error.as_item_error()]}
        if isinstance(item, Mapping) and item.get("id"):
            outcome = {"id": item["id"], **outcome}
        return outcome


def _type_of(record: Any) -> str:
    attributes = record.get("attributes") if isinstance(record, Mapping) else None
    kind = attributes.get("type") if isinstance(attributes, Mapping) else None
    if not isinstance(kind, str):
        raise SalesforceError("INVALID_FIELD", "Every record needs attributes with its type")
    return kind


def _typed(writer: Writer, record: Any) -> str:
    name = _type_of(record)
    if writer.org.visible(name) is None:
        raise SalesforceError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return name


def _without(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    left_out = {"attributes", *(name.lower() for name in names)}
    return {name: value for name, value in record.items() if name.lower() not in left_out}


def _value(record: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in record.items() if key.lower() == name.lower()), None)


def _create(writer: Writer, record: Any) -> Outcome:
    kind = _typed(writer, record)
    if _value(record, "id") is not None:
        raise SalesforceError("INVALID_FIELD", "cannot specify Id in an insert call")
    record_id = writer.create(kind, _without(record, "id"))
    return {"id": record_id, "success": True, "errors": []}


def _update(writer: Writer, record: Any) -> Outcome:
    kind = _typed(writer, record)
    record_id = normalise(_value(record, "id"))
    if record_id is None:
        raise SalesforceError(
            "MISSING_ARGUMENT", "Id not specified in an update call", fields=["Id"]
        )
    row = writer.existing(kind_named(writer.org, kind), record_id)
    writer.update(kind, str(row["Id"]), _without(record, "id"))
    return {"id": str(row["Id"]), "success": True, "errors": []}


def _delete(writer: Writer, given: Any) -> Outcome:
    record_id = normalise(given)
    table = writer.org.table_of(record_id) if record_id else None
    if record_id is None or table is None:
        raise SalesforceError("MALFORMED_ID", f"malformed id {given}")
    row = table.get(record_id)
    if row is None:
        raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if row.get("IsDeleted"):
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted")
    writer.delete(table.kind.name, record_id)
    return {"id": record_id, "success": True, "errors": []}


def _upserter(name: str, key: str, twice: set[str]) -> Callable[[Writer, Any], Outcome]:
    def upsert(writer: Writer, record: Any) -> Outcome:
        kind = kind_named(writer.org, name)
        if _typed(writer, record).lower() != kind.name.lower():
            raise SalesforceError("INVALID_TYPE", f"all records have to be of type {kind.name}")
        value = _value(record, key)
        found = writer.key_field(kind, key)
        if value is None and found.type != "id":
            raise SalesforceError(
                "MISSING_ARGUMENT", f"{found.name} not specified", fields=[found.name]
            )
        if _folded(value) in twice:
            raise SalesforceError(
                "DUPLICATE_VALUE", f"Duplicate external id specified: {value}", fields=[found.name]
            )
        record_id, created = writer.upsert(kind.name, key, value, _without(record, key))
        return {"id": record_id, "success": True, "errors": [], "created": created}

    return upsert


def _read(org: Org, call: Call, name: str, ids: list[Any], names: list[str]) -> Result:
    kind = kind_named(org, name)
    if not names:
        raise SalesforceError("MISSING_ARGUMENT", "fields is needed")
    found: list[Any] = []
    for given in ids:
        row = org.tables[kind.name].get(normalise(given))
        shown = row is not None and not row.get("IsDeleted")
        found.append(row_json(kind, row, call, names) if row is not None and shown else None)
    return Result(body=found)
