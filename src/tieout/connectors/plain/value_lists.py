"""Lists of values of the plain CRM: read, and replaced whole on the revision read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tieout.connectors.http.json import dumps
from tieout.connectors.plain.api import PlainApi, Row
from tieout.core.change import Change, Prepared, Refused
from tieout.core.finding import Finding
from tieout.core.model import Entity, ExternalRef, ListedValue, ValueList

LISTS = "lists"


async def read_list(api: PlainApi, connection: str, name: str, shape: str) -> ValueList | None:
    """The list of this name, None where there is none."""
    answer = await api.read(f"/{LISTS}/{name}")
    return value_list(connection, answer.value, shape) if answer.status == 200 else None


def value_list(connection: str, row: Mapping[str, Any], shape: str) -> ValueList:
    """A list as a record. Raises one of `api.UNREADABLE` for a strange one."""
    return ValueList(
        ref=ExternalRef(connection, Entity.VALUES.value, str(row["id"])),
        version=str(row["revision"]),
        name=str(row["id"]),
        values=tuple(
            ListedValue(code=one["code"], label=one["label"], active=bool(one["active"]))
            for one in row["values"]
        ),
        shape=shape,
    )


def prepared_list(change: Change, read: ValueList | None) -> Prepared | Refused:
    """The list as it will be written: with every value that it has, on its revision."""
    assert change.wanted is not None
    wanted = change.wanted.record
    if read is None or change.target is None or not isinstance(wanted, ValueList):
        name = change.target.id if change.target is not None else ""
        return Refused(key=change.key, findings=(_gone(name),), stale=True)
    told = {one.code for one in wanted.values}
    values = (*wanted.values, *(one for one in read.values if one.code not in told))
    rows: list[Row] = [
        {"code": one.code, "label": one.label, "active": one.active} for one in values
    ]
    return Prepared(
        key=change.key,
        entity=change.entity,
        action=change.action,
        target=change.target,
        method="PATCH",
        path=f"/{LISTS}/{change.target.id}",
        body=dumps({"tag": change.key, "revision": read.version, "values": rows}),
        shows=replace(wanted, ref=change.target, ours=()),
        read=read,
        revision=change.revision,
    )


def _gone(name: str) -> Finding:
    return Finding(
        code="value_list_missing",
        message=f"The plain CRM has no list of values {name}.",
        hint="Make it there, or name another: flows.reference.lists.",
        place=name,
    )
