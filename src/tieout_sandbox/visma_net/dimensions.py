"""Dimensions with their segments and values, and subaccounts."""

from __future__ import annotations

from typing import Any

from tieout_sandbox.kit import Response, json_response
from tieout_sandbox.visma_net import subaccounts
from tieout_sandbox.visma_net.call import Call, changed, created
from tieout_sandbox.visma_net.company import Company, stamp_text
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError
from tieout_sandbox.visma_net.lists import flag, matching, one, paged, stored
from tieout_sandbox.visma_net.lookups import need, own
from tieout_sandbox.visma_net.shown import stamps
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import read


def dimension_names(company: Company, call: Call) -> Response:
    """GET /v1/dimension: names only."""
    _ = call
    return json_response(200, [row["id"] for row in company.dimensions])


def dimension(company: Company, call: Call) -> Response:
    """GET /v1/dimension/{id}."""
    row = need(company.dimensions, call.ids[0])
    values = flag(call.request, "expandSegmentsValues", True)
    segments = [_segment(company, row, one, values=values) for one in row["_segments"]]
    return json_response(200, {**own(company, row), "segments": segments})


def _segment(company: Company, row: Record, segment: Record, *, values: bool = True) -> Record:
    found = {
        "internalId": f"{row['id']}-{segment['segmentId']}",
        "segmentId": segment["segmentId"],
        "description": segment["description"],
        "length": segment["length"],
        "publicId": "",
        "timeStamp": row["_version"],
        "lastModified": stamp_text(row["_modified"], "utc", "bare"),
        "validate": True,
        "isAutoNumber": False,
        "consolNumChar": 0,
        "consolOrder": 0,
    }
    if values:
        found["segmentValues"] = [_segment_value(row, segment, one) for one in segment["_values"]]
    _ = company
    return found


def _segment_value(row: Record, segment: Record, value: Record) -> Record:
    return {
        "internalId": f"{row['id']}-{segment['segmentId']}-{value['valueId']}",
        "segmentId": segment["segmentId"],
        "valueId": value["valueId"],
        "description": value["description"],
        "active": value["active"],
        "timeStamp": row["_version"],
        "lastModified": stamp_text(row["_modified"], "utc", "bare"),
    }


def _find_segment(row: Record, segment_id: str) -> Record:
    for segment in row["_segments"]:
        if str(segment["segmentId"]) == segment_id:
            return dict(segment)
    raise NotFoundError(f"SegmentID '{segment_id}' cannot be found in the system.")


def segment(company: Company, call: Call) -> Response:
    """GET /v1/dimension/{id}/{segment}."""
    row = need(company.dimensions, call.ids[0])
    found = _segment(company, row, _find_segment(row, call.ids[1]))
    return one(company, found, row["_version"])


def segment_value(company: Company, call: Call) -> Response:
    """GET /v1/dimension/{id}/{segment}/{value}."""
    row = need(company.dimensions, call.ids[0])
    found = _find_segment(row, call.ids[1])
    for value in found["_values"]:
        if value["valueId"] == call.ids[2]:
            return json_response(200, _segment_value(row, found, value))
    raise NotFoundError(f"Segment value '{call.ids[2]}' cannot be found in the system.")


def change_segment(company: Company, call: Call) -> Response:
    """PUT /v1/dimension/{id}/{segment}: adds, changes or deletes values."""
    row = need(company.dimensions, call.ids[0])
    call.require_match(row)
    given = read("DtoSegmentUpdateDto", call.body(), company.assumptions)
    found = _find_segment(row, call.ids[1])
    values = {one["valueId"]: one for one in found["_values"]}
    for line in given.get("segmentValues", []):
        key = line.get("value") or ""
        if line.get("operation") == "Delete":
            values.pop(key, None)
            continue
        if len(key) != found["length"]:
            raise BusinessError(f"Error: '{key}' must have {found['length']} characters.")
        old = values.get(key, {"valueId": key, "description": "", "active": True})
        values[key] = {
            **old,
            **{name: line[name] for name in ("description", "active") if name in line},
        }
    row = put_segment(company, row, found["segmentId"], list(values.values()))
    return changed(company, call, f"v1/dimension/{row['id']}", call.ids[1], row["_version"])


def put_segment(company: Company, row: Record, segment_id: int, values: list[Record]) -> Record:
    """The dimension with other values in a segment."""
    segments = [
        {**one, "_values": values} if one["segmentId"] == segment_id else one
        for one in row["_segments"]
    ]
    return company.save(company.dimensions, {**row, "_segments": segments})


def subaccount(company: Company, row: Record) -> Any:
    """A subaccount."""
    return {
        **own(company, row),
        "segments": subaccounts.parts(company, row["subaccountNumber"]),
        "lastModifiedDateTime": stamps(company, "subaccount", row)["lastModifiedDateTime"],
        "timeStamp": row["_version"],
    }


def subaccount_list(company: Company, call: Call) -> Response:
    """GET /v1/subaccount."""
    found = matching(
        company,
        call.request,
        "subaccount",
        stored(company, company.subaccounts),
        equal={"active": lambda _, row: row["active"]},
    )
    return paged(company, call.request, "subaccount", found, subaccount)


def _subaccount(company: Company, number: str) -> Record:
    found = company.subaccounts.one("subaccountNumber", number)
    if found is None:
        raise NotFoundError(f"Subaccount '{number}' cannot be found in the system.")
    return found


def subaccount_one(company: Company, call: Call) -> Response:
    """GET /v1/subaccount/{number}."""
    row = _subaccount(company, call.ids[0])
    return one(company, subaccount(company, row), row["_version"])


def create_subaccount(company: Company, call: Call) -> Response:
    """POST /v1/subaccount."""
    given = read("SubAccountUpdateDto", call.body(), company.assumptions)
    number = given.get("subaccountNumber") or ""
    values, segments = number.split("-"), subaccounts.segments(company)
    if len(values) != len(segments):
        raise BusinessError(f"Error: '{number}' must have {len(segments)} segments.")
    for value, known in zip(values, segments, strict=True):
        subaccounts.check(known, value)
    if company.subaccounts.one("subaccountNumber", number) is not None:
        raise BusinessError(f"Error: subaccount '{number}' already exists.")
    row = put_subaccount(company, number, given.get("description") or "")
    return created(company, call, "v1/subaccount", number, row["_version"])


def put_subaccount(company: Company, number: str, description: str) -> Record:
    """A new subaccount."""
    subaccount_id = company.count("subaccount")
    return company.save(
        company.subaccounts,
        {
            "_key": str(subaccount_id),
            "subaccountNumber": number,
            "subaccountId": subaccount_id,
            "description": description,
            "active": True,
        },
    )


def change_subaccount(company: Company, call: Call) -> Response:
    """PUT /v1/subaccount/{number}."""
    row = _subaccount(company, call.ids[0])
    call.require_match(row)
    given = read("SubAccountUpdateDto", call.body(), company.assumptions)
    names = ("description", "active")
    row = company.save(
        company.subaccounts, {**row, **{name: given[name] for name in names if name in given}}
    )
    return changed(company, call, "v1/subaccount", row["subaccountNumber"], row["_version"])
