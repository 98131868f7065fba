"""The segments of a subaccount: read, filled with defaults, checked."""

from __future__ import annotations

from typing import Any

from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.errors import BusinessError, missing
from tieout_sandbox.visma_net.tables import Record

DIMENSION = "SUBACCOUNT"


def segments(company: Company) -> list[Record]:
    """The segments of the subaccount, in order."""
    row = company.dimensions.get(DIMENSION)
    assert row is not None
    found: list[Record] = row["_segments"]
    return found


def filled(company: Company, given: list[Record], customer: Record | None) -> str:
    """The subaccount of a line: what was sent per segment, the default for the rest;
    BusinessError where a value is not there or inactive."""
    sent = {one.get("segmentId"): one.get("segmentValue") for one in given}
    known = {segment["segmentId"] for segment in segments(company)}
    for number in sent:
        if number not in known:
            raise missing("SegmentID", number)
    default = str((customer or {}).get("_subaccount") or company.settings["subaccount"]).split("-")
    parts = []
    for place, segment in enumerate(segments(company)):
        value = sent.get(segment["segmentId"]) or default[place]
        check(segment, value)
        parts.append(value)
    return "-".join(parts)


def check(segment: Record, value: str) -> None:
    """BusinessError where a segment does not have the value, or it is inactive."""
    row = next((one for one in segment["_values"] if one["valueId"] == value), None)
    if row is None:
        raise missing("SubID", value)
    if not row["active"]:
        raise BusinessError(f"Error: Subaccount segment value '{value}' is inactive.")


def shown(company: Company, number: str) -> dict[str, Any]:
    """A subaccount as lines and documents show it."""
    row = company.subaccounts.one("subaccountNumber", number)
    return {
        "subaccountNumber": number,
        "subaccountId": row["subaccountId"] if row else 0,
        "description": row["description"] if row else "",
        "active": row["active"] if row else True,
        "segments": parts(company, number),
        "metadata": {"totalCount": 0, "maxPageSize": 0},
    }


def parts(company: Company, number: str) -> list[Record]:
    """The segments of a subaccount number, with their names."""
    values = number.split("-")
    found = []
    for place, segment in enumerate(segments(company)):
        value = values[place] if place < len(values) else ""
        row = next((one for one in segment["_values"] if one["valueId"] == value), None)
        found.append(
            {
                "segmentId": segment["segmentId"],
                "segmentDescription": segment["description"],
                "segmentValue": value,
                "segmentValueDescription": row["description"] if row else "",
            }
        )
    return found
