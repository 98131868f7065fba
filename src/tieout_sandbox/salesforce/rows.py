"""Single rows: read, create, change, upsert, delete; conditional headers; updated and deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tieout_sandbox.salesforce.calls import Call, Result, condition_date, http_date, wants
from tieout_sandbox.salesforce.errors import SalesforceError, SeveralMatchesError, not_found
from tieout_sandbox.salesforce.ids import normalise
from tieout_sandbox.salesforce.org import BIN_DAYS, Org
from tieout_sandbox.salesforce.schema import ObjectType
from tieout_sandbox.salesforce.soql.bind import value_getter
from tieout_sandbox.salesforce.values import Row, moment, stamp, text_of
from tieout_sandbox.salesforce.writes import Writer

UPDATED_DAYS = 30
FIRST_WITH_UPSERT_BODY = 46
MAX_REPLICATED = 600_000


def writer_for(org: Org, call: Call) -> Writer:
    """Who writes in this call, and how."""
    allow = (call.option("sforce-duplicate-rule-header", "allowSave") or "").lower() == "true"
    return Writer(org=org, user_id=call.user_id, save_duplicates=allow)


def kind_named(org: Org, name: str) -> ObjectType:
    """The object as the caller sees it; 404 where there is none."""
    kind = org.visible(name)
    if kind is None:
        raise not_found()
    return kind


def row_json(
    kind: ObjectType, row: Row, call: Call, names: list[str] | None = None
) -> dict[str, Any]:
    """A row with all its fields, or those named."""
    if names is None:
        fields = list(kind.fields.values())
    else:
        fields = []
        for name in names:
            found = kind.find(name.strip())
            if found is None:
                raise SalesforceError(
                    "INVALID_FIELD", f"No such column '{name}' on entity '{kind.name}'"
                )
            fields.append(found)
    shown: dict[str, Any] = {
        "attributes": {
            "type": kind.name,
            "url": call.url("sobjects", kind.name, str(row["Id"])),
        }
    }
    for found in fields:
        shown[found.name] = value_getter(found)(row)
    if names is not None and "Id" not in shown:
        shown["Id"] = row["Id"]
    return shown


def read(org: Org, call: Call, kind: ObjectType, row: Row) -> Result:
    """GET of one row, with its conditions."""
    since = condition_date(call, "if-modified-since")
    unmodified = condition_date(call, "if-unmodified-since")
    changed = moment(str(row["SystemModstamp"]))
    assert changed is not None
    tag = etag(row)
    headers = {"Last-Modified": http_date(changed)}
    if kind.name == "Account":
        headers["ETag"] = tag
        if _names_tag(call.header("if-none-match"), tag):
            return Result(status=304, headers=headers)
        if call.header("if-match") and not _names_tag(call.header("if-match"), tag):
            raise _precondition()
    if since is not None and changed <= since:
        return Result(status=304, headers=headers)
    if unmodified is not None and changed > unmodified:
        raise _precondition()
    names = call.query.get("fields")
    body = row_json(kind, row, call, names.split(",") if names else None)
    return Result(body=body, headers=headers)


def etag(row: Row) -> str:
    """A tag that changes with the row."""
    text = "|".join(f"{name}={text_of(value)}" for name, value in sorted(row.items()))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}--gzip"'


def _names_tag(header: str | None, tag: str) -> bool:
    if not header:
        return False
    tags = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in tags or tag in tags


def _precondition() -> SalesforceError:
    return SalesforceError(
        "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE",
        "The precondition of the request does not hold: the row was changed since",
        status=412,
    )


def check_conditions(call: Call, kind: ObjectType, row: Row) -> None:
    """Refuses a change whose conditions no longer hold."""
    changed = moment(str(row["SystemModstamp"]))
    assert changed is not None
    unmodified = condition_date(call, "if-unmodified-since")
    if unmodified is not None and changed > unmodified:
        raise _precondition()
    since = condition_date(call, "if-modified-since")
    if since is not None and changed <= since:
        raise _precondition()
    if kind.name != "Account":
        return
    tag = etag(row)
    if call.header("if-match") and not _names_tag(call.header("if-match"), tag):
        raise _precondition()
    if _names_tag(call.header("if-none-match"), tag):
        raise _precondition()


def one_row(org: Org, call: Call, kind: ObjectType, record_id: str) -> Result:
    """`/sobjects/{O}/{id}`."""
    writer = writer_for(org, call)
    row = writer.existing(kind, record_id)
    if call.method == "GET":
        return read(org, call, kind, row)
    if call.method == "PATCH":
        check_conditions(call, kind, row)
        writer.update(kind.name, str(row["Id"]), _fields(call))
        return Result(status=204)
    if call.method == "DELETE":
        writer.delete(kind.name, str(row["Id"]))
        return Result(status=204)
    raise method_not_allowed(call)


def by_external_id(org: Org, call: Call, kind: ObjectType, key: str, value: str) -> Result:
    """`/sobjects/{O}/{F}/{value}`."""
    writer = writer_for(org, call)
    found = writer.key_field(kind, key)
    sent: str | None = value or None
    try:
        if call.method == "PATCH":
            return _upsert(writer, call, kind, key, sent)
        rows = writer.matching(kind, found, sent)
        if len(rows) > 1:
            raise SeveralMatchesError([str(row["Id"]) for row in rows])
        if not rows:
            raise not_found()
        if call.method == "GET":
            return read(org, call, kind, rows[0])
        if call.method == "DELETE":
            writer.delete(kind.name, str(rows[0]["Id"]))
            return Result(status=204)
    except SeveralMatchesError as error:
        return Result(
            status=300, body=[call.url("sobjects", kind.name, each) for each in error.ids]
        )
    raise method_not_allowed(call)


def _upsert(writer: Writer, call: Call, kind: ObjectType, key: str, value: str | None) -> Result:
    update_only = call.query.get("updateOnly", "").lower() == "true"
    found = writer.key_field(kind, key)
    for row in writer.matching(kind, found, value)[:1]:
        check_conditions(call, kind, row)
    record_id, created = writer.upsert(
        kind.name, key, value, _fields(call), update_only=update_only
    )
    if not created and int(call.version.split(".")[0]) < FIRST_WITH_UPSERT_BODY:
        return Result(status=204)
    body = {"id": record_id, "success": True, "errors": [], "created": created}
    headers = {"Location": call.url("sobjects", kind.name, record_id)} if created else {}
    return Result(status=201 if created else 200, body=body, headers=headers)


def create(org: Org, call: Call, kind: ObjectType) -> Result:
    """POST `/sobjects/{O}`."""
    record_id = writer_for(org, call).create(kind.name, _fields(call))
    return Result(
        status=201,
        body={"id": record_id, "success": True, "errors": []},
        headers={"Location": call.url("sobjects", kind.name, record_id)},
    )


def _fields(call: Call) -> Mapping[str, Any]:
    body: Mapping[str, Any] = wants(call, dict, "An object with fields")
    if any(name.lower() == "id" for name in body):
        raise SalesforceError(
            "INVALID_FIELD", "The Id field should not be specified in the sobject data."
        )
    return body


def related(org: Org, call: Call, kind: ObjectType, record_id: str, relation: str) -> Result:
    """`/sobjects/{O}/{id}/{relation}`: the parent, or the children, of that name."""
    row = writer_for(org, call).existing(kind, record_id)
    reference = kind.by_relation.get(relation.lower())
    if reference is not None:
        parent = org.row(row.get(reference.name))
        if parent is None:
            raise not_found()
        parent_kind = kind_named(org, org.kind_of(str(parent["Id"])).name)
        return read(org, call, parent_kind, parent)
    child = kind.child(relation)
    if child is None:
        raise not_found()
    child_kind = kind_named(org, child.object)
    rows = org.tables[child.object].find_live(child.field, row["Id"])
    records = [row_json(child_kind, each, call) for each in rows]
    return Result(body={"totalSize": len(records), "done": True, "records": records})


def method_not_allowed(call: Call) -> SalesforceError:
    """The 405 of a resource that does not take the method."""
    return SalesforceError(
        "METHOD_NOT_ALLOWED",
        f"HTTP Method '{call.method}' not allowed. Allowed are GET,PATCH,DELETE",
        status=405,
    )


# Updated and deleted rows of a period.


def updated(org: Org, call: Call, kind: ObjectType) -> Result:
    """`/sobjects/{O}/updated/`: ids that changed in the period, 30 days back."""
    start, end = _period(org, call, UPDATED_DAYS)
    table = org.tables[kind.name]
    ids = [
        record_id
        for record_id in table.ids_in_stamp_order(stamp(start))
        if str(table.rows[record_id]["SystemModstamp"]) < stamp(end)
        and not table.rows[record_id].get("IsDeleted")
    ]
    if len(ids) > MAX_REPLICATED:
        raise SalesforceError("EXCEEDED_ID_LIMIT", "exceeded 600000 ids")
    return Result(body={"ids": ids, "latestDateCovered": _covered(org, end)})


def deleted_rows(org: Org, call: Call, kind: ObjectType) -> Result:
    """`/sobjects/{O}/deleted/`: what went into the recycle bin, 15 days back."""
    start, end = _period(org, call, BIN_DAYS)
    table = org.tables[kind.name]
    found = [
        {"id": record_id, "deletedDate": table.rows[record_id]["SystemModstamp"]}
        for record_id in table.ids_in_stamp_order(stamp(start))
        if table.rows[record_id].get("IsDeleted")
        and str(table.rows[record_id]["SystemModstamp"]) < stamp(end)
    ]
    return Result(
        body={
            "deletedRecords": found,
            "earliestDateAvailable": stamp(org.now() - timedelta(days=BIN_DAYS)),
            "latestDateCovered": _covered(org, end),
        }
    )


def _covered(org: Org, end: datetime) -> str:
    # A transaction may still be open, so the last minute is never promised.
    return stamp(min(end, org.now() - timedelta(minutes=1)).replace(second=0))


def _period(org: Org, call: Call, days: int) -> tuple[datetime, datetime]:
    start, end = (moment(call.query.get(name, "").replace(" ", "+")) for name in ("start", "end"))
    if start is None or end is None:
        raise SalesforceError("INVALID_REPLICATION_DATE", "start and end are needed")
    start, end = start.replace(microsecond=0), end.replace(microsecond=0)
    if end - start <= timedelta(minutes=1):
        raise SalesforceError(
            "INVALID_REPLICATION_DATE", "startDate must be at least one minute before endDate"
        )
    if start < org.now() - timedelta(days=days):
        raise SalesforceError(
            "INVALID_REPLICATION_DATE",
            f"startDate before org replication enabled date ({days} days)",
        )
    return start, end


def looks_like_id(kind: ObjectType, text: str) -> bool:
    """Whether a path part is a row id of the object rather than a field's name."""
    return kind.find(text) is None and normalise(text) is not None
