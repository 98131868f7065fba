"""Lists of the ERP host: filters, the pair of time and condition, paging in its three shapes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Request, Response, json_response
from tieout_sandbox.visma_net.company import ZONE, Company
from tieout_sandbox.visma_net.errors import BusinessError
from tieout_sandbox.visma_net.tables import Record, Table

Present = Callable[[Company, Record], Any]
Get = Callable[[Company, Record], Any]
CONDITIONS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
)


def param(request: Request, name: str) -> str | None:
    """The value of a query parameter by its name in any case; None where absent or empty."""
    for key, value in request.query:
        if key.lower() == name.lower() and value != "":
            return value
    return None


def flag(request: Request, name: str, default: bool = False) -> bool:
    """A boolean parameter; anything but true and 1 is no."""
    value = param(request, name)
    return default if value is None else value.lower() in ("true", "1")


def moment(company: Company, request: Request, name: str) -> tuple[datetime, str] | None:
    """A filter time (without a zone) with its condition; None where either is missing, which lets
    everything through. BusinessError where the time has another form."""
    text, condition = param(request, name), param(request, f"{name}Condition")
    if text is None or condition is None:
        return None
    compare = condition.strip()
    for form in _FORMATS:
        try:
            when = datetime.strptime(text, form)  # noqa: DTZ007 - has no zone, on purpose
        except ValueError:
            continue
        if compare not in CONDITIONS:
            raise BusinessError(f"Error: {name}Condition '{condition}' is not valid.", status=400)
        return when, compare
    if company.assumptions.wrong_filter_date == "ignored":
        return None
    raise BusinessError(f"Error: {name} '{text}' is not a valid date.", status=400)


def _wall(company: Company, resource: str, when: datetime) -> datetime:
    """What the clock on the resource's wall showed."""
    zone = UTC if company.assumptions.zone_of(resource) == "utc" else ZONE
    return when.astimezone(zone).replace(tzinfo=None)


def matching(
    company: Company,
    request: Request,
    resource: str,
    source: Iterable[Record],
    *,
    equal: Mapping[str, Get] = {},
    dates: Mapping[str, str] = {},
    tests: Mapping[str, Callable[[Record, str], bool]] = {},
) -> list[Record]:
    """Records that meet the query. `equal`: parameter and what it is compared with, as text
    without regard to case; `dates`: parameter and field of a date; `tests`: own rules. Parameters
    that nobody knows are ignored."""
    found = list(source)
    for name, get in equal.items():
        wanted = param(request, name)
        if wanted is not None:
            fold = wanted.casefold()
            found = [one for one in found if str(get(company, one) or "").casefold() == fold]
    for name, test in tests.items():
        wanted = param(request, name)
        if wanted is not None:
            found = [one for one in found if test(one, wanted)]
    for name, field in (
        ("lastModifiedDateTime", "_modified"),
        ("createdDateTime", "_created"),
        *dates.items(),
    ):
        limit = moment(company, request, name)
        if limit is None:
            continue
        when, condition = limit
        compare = CONDITIONS[condition]
        found = [
            one
            for one in found
            if one.get(field) is not None
            and compare(_compared(company, resource, one[field]), when)
        ]
    return found


def _compared(company: Company, resource: str, value: date | datetime) -> datetime:
    if isinstance(value, datetime):
        return _wall(company, resource, value)
    return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a date, no instant


def whole(param_name: str, text: str | None, default: int) -> int:
    """A whole number of a query; BusinessError where it is none."""
    if text is None:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise BusinessError(f"Error: {param_name} '{text}' is not a number.", status=400) from error


def _window(company: Company, request: Request, resource: str) -> tuple[int, int, int]:
    """Offset, size and the page number. A page above the limit is cut without a word."""
    limit = company.assumptions.page_limit(resource)
    number, size = param(request, "pageNumber"), param(request, "pageSize")
    if number is None and size is None:
        read = param(request, "numberToRead")
        if read is not None or param(request, "skipRecords") is not None:
            skip = max(0, whole("skipRecords", param(request, "skipRecords"), 0))
            return skip, max(0, min(whole("numberToRead", read, limit), limit)), 1
    default = company.assumptions.default_page_size
    page = max(1, whole("pageNumber", number, 1))
    length = max(1, min(whole("pageSize", size, default), limit))
    return (page - 1) * length, length, page


def paged(
    company: Company,
    request: Request,
    resource: str,
    found: list[Record],
    present: Present,
) -> Response:
    """A bare array; each record says how many there are and how large a page may be."""
    offset, length, _ = _window(company, request, resource)
    meta = {
        "totalCount": len(found),
        "maxPageSize": company.assumptions.page_limit(resource),
    }
    rows = [present(company, one) for one in found[offset : offset + length]]
    if not company.assumptions.metadata_missing:
        rows = [{**row, "metadata": meta} for row in rows]
    return json_response(200, rows)


def enveloped(
    company: Company,
    request: Request,
    resource: str,
    found: list[Record],
    present: Present,
) -> Response:
    """`{pageNumber, pageSize, totalCount, records}`."""
    offset, length, page = _window(company, request, resource)
    return json_response(
        200,
        {
            "pageNumber": page,
            "pageSize": length,
            "totalCount": len(found),
            "records": [present(company, one) for one in found[offset : offset + length]],
        },
    )


def bare(company: Company, found: Iterable[Record], present: Present) -> Response:
    """All of it in one array."""
    return json_response(200, [present(company, one) for one in found])


def one(company: Company, row: Any, version: str | None = None) -> Response:
    """A single record, with its version where the resource has any; as an array of one where the
    company was switched to that."""
    headers = {"ETag": f'"{version}"'} if version else {}
    value = [row] if company.assumptions.single_as_array else row
    return json_response(200, value, headers)


def stored(company: Company, table: Table) -> list[Record]:
    """What a search of a table finds now, oldest first."""
    return list(table.visible(company.clock.now()))


def greater(field: str) -> Callable[[Record, str], bool]:
    """The test of `greaterThanValue` on a field."""

    def test(record: Record, wanted: str) -> bool:
        value = record.get(field)
        if isinstance(value, (int, Decimal)):
            return wanted.isdigit() and value > int(wanted)
        return str(value) > wanted

    return test
