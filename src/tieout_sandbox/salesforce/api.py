"""The REST API below `/services/data/vXX.0`: which resource a path means."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Any

from tieout_sandbox.salesforce import batches, composite, describe, rows
from tieout_sandbox.salesforce.bulk import Bulk
from tieout_sandbox.salesforce.calls import (
    FIRST_VERSION,
    LAST_VERSION,
    Call,
    Result,
    condition_date,
    http_date,
)
from tieout_sandbox.salesforce.errors import SalesforceError, not_found
from tieout_sandbox.salesforce.metadata import Metadata
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.picklists import Picklists
from tieout_sandbox.salesforce.queries import Queries

_SEASONS = ("Spring", "Summer", "Winter")


def version_list() -> list[dict[str, str]]:
    """The answer of `/services/data`, which needs no sign-in."""
    return [
        {"label": _label(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(FIRST_VERSION, LAST_VERSION + 1)
    ]


def _label(number: int) -> str:
    # Three releases a year: 64.0 is Summer '25, 65.0 Winter '26, 66.0 Spring '26.
    season = _SEASONS[number % 3]
    year = 25 + (number - 63) // 3 + (season == "Winter")
    return f"{season} '{year:02d}"


class Usage:
    """Calls of the last 24 hours."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._hours: deque[tuple[datetime, int]] = deque()
        self.used = 0

    def count(self) -> None:
        """Counts one call."""
        now = self._org.now()
        self._forget(now)
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._hours and self._hours[-1][0] == hour:
            hour, count = self._hours.pop()
            self._hours.append((hour, count + 1))
        else:
            self._hours.append((hour, 1))
        self.used += 1

    def _forget(self, now: datetime) -> None:
        while self._hours and now - self._hours[0][0] >= timedelta(hours=24):
            self.used -= self._hours.popleft()[1]

    @property
    def most(self) -> int:
        """How many calls a day has."""
        return self._org.switches.daily_api_requests

    @property
    def spent(self) -> bool:
        """Whether the day's calls are used up."""
        self._forget(self._org.now())
        return self.used >= self.most


class Api:
    """Answers a signed-in call."""

    def __init__(self, org: Org, usage: Usage) -> None:
        self.org = org
        self.usage = usage
        self.queries = Queries(org)
        self.bulk = Bulk(org)
        self._described_since = org.now().replace(microsecond=0)
        self._described: dict[tuple[object, ...], dict[str, Any]] = {}
        self.metadata = Metadata(org, self.metadata_changed)
        self.picklists = Picklists(org, self.metadata_changed)

    def route(self, call: Call) -> Result:
        """The result of a call; SalesforceError where it is refused."""
        match call.path:
            case ():
                return Result(body=_resources(call))
            case ("query", *rest):
                return self._query(call, rest, deleted_too=False)
            case ("queryAll", *rest) | ("queryall", *rest):
                return self._query(call, rest, deleted_too=True)
            case ("sobjects", *rest):
                return self._sobjects(call, tuple(rest))
            case ("composite", *rest):
                return self._composite(call, tuple(rest))
            case ("jobs", *_):
                return self.bulk.answer(call)
            case ("metadata", "deployRequest", *rest):
                return self.metadata.answer(call, rest)
            case ("tooling", "query"):
                found = self.picklists.definition(call.query.get("q", ""))
                return found if found is not None else self.metadata.tooling_query(call)
            case ("tooling", "sobjects", "CustomField", field_id):
                return self.picklists.answer(call, field_id)
            case ("limits",):
                return Result(body=self._limits())
            case ("limits", "recordCount"):
                return Result(body=self._record_count(call))
            case ("recent",):
                return Result(body=[])
        raise not_found()

    def _query(self, call: Call, rest: list[str], *, deleted_too: bool) -> Result:
        if call.method != "GET":
            raise rows.method_not_allowed(call)
        if rest:
            return self.queries.more(call, rest[0])
        return self.queries.start(call, deleted_too=deleted_too)

    def _sobjects(self, call: Call, rest: tuple[str, ...]) -> Result:
        if not rest:
            return self._all_objects(call)
        kind = rows.kind_named(self.org, rest[0])
        match rest[1:]:
            case ():
                if call.method == "POST":
                    return rows.create(self.org, call, kind)
                brief = {"objectDescribe": describe.brief(kind, call.version), "recentItems": []}
                return Result(body=brief)
            case ("describe",):
                return self._describe(call, rest[0])
            case ("updated",):
                return rows.updated(self.org, call, kind)
            case ("deleted",):
                return rows.deleted_rows(self.org, call, kind)
            case (record_id,):
                return rows.one_row(self.org, call, kind, record_id)
            case (first, second):
                if rows.looks_like_id(kind, first):
                    return rows.related(self.org, call, kind, first, second)
                if first.lower() == "id" and call.method == "POST":
                    return rows.create(self.org, call, kind)
                return rows.by_external_id(self.org, call, kind, first, second)
        raise not_found()

    def _all_objects(self, call: Call) -> Result:
        unchanged = self._unchanged(call)
        if unchanged is not None:
            return unchanged
        return Result(body=describe.all_objects(self.org, call.version), headers=self._since())

    def _describe(self, call: Call, name: str) -> Result:
        unchanged = self._unchanged(call)
        if unchanged is not None:
            return unchanged
        kind = rows.kind_named(self.org, name)
        hidden = frozenset(self.org.hidden.get(kind.name, ()))
        key = (kind.name, call.version, hidden, self.org.rights_mark())
        found = self._described.get(key)
        if found is None:
            found = self._described[key] = describe.full(self.org, kind, call.version)
        return Result(body=found, headers=self._since())

    def metadata_changed(self) -> None:
        """Says that a describe of before no longer holds."""
        self._described_since = self.org.now().replace(microsecond=0) + timedelta(seconds=1)
        self._described.clear()

    def _since(self) -> dict[str, str]:
        return {"Last-Modified": http_date(self._described_since)}

    def _unchanged(self, call: Call) -> Result | None:
        since = condition_date(call, "if-modified-since")
        if since is None or since < self._described_since:
            return None
        return Result(status=304, headers=self._since())

    def _composite(self, call: Call, rest: tuple[str, ...]) -> Result:
        if rest and rest[0] == "sobjects":
            return batches.collections(self.org, call, rest[1:])
        if call.method == "GET" and not rest:
            names = ("tree", "batch", "sobjects", "graph")
            return Result(body={name: call.url("composite", name) for name in names})
        if call.method != "POST":
            raise rows.method_not_allowed(call)
        match rest:
            case ():
                return composite.composite(self.org, call, self.route)
            case ("batch",):
                return composite.batch(self.org, call, self.route)
            case ("graph",):
                return composite.graph(self.org, call, self.route)
            case ("tree", name):
                return composite.tree(self.org, call, name)
        raise not_found()

    def _limits(self) -> dict[str, Any]:
        left = max(0, self.usage.most - self.usage.used)
        return {
            "DailyApiRequests": {"Max": self.usage.most, "Remaining": left},
            "DailyBulkApiBatches": {"Max": 15000, "Remaining": 15000},
            "DailyBulkV2QueryJobs": {"Max": 10000, "Remaining": 10000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976562, "Remaining": 976562},
            "DailyDurableStreamingApiEvents": {"Max": 10000, "Remaining": 10000},
            "DataStorageMB": {"Max": 1024, "Remaining": 900},
            "FileStorageMB": {"Max": 1024, "Remaining": 1000},
            "HourlyPublishedPlatformEvents": {"Max": 50000, "Remaining": 50000},
        }

    def _record_count(self, call: Call) -> dict[str, Any]:
        wanted = [name for name in call.query.get("sObjects", "").split(",") if name]
        kinds = [self.org.visible(name) for name in wanted or self.org.schema]
        counts: list[dict[str, Any]] = []
        for kind in kinds:
            if kind is None:
                continue
            table = self.org.tables[kind.name]
            # Approximate: rows in the recycle bin are still counted, empty objects left out.
            if len(table):
                counts.append({"count": len(table), "name": kind.name})
        return {"sObjects": counts}


def _resources(call: Call) -> dict[str, str]:
    names = (
        "composite",
        "jobs",
        "limits",
        "query",
        "queryAll",
        "sobjects",
        "recent",
        "metadata",
        "tooling",
    )
    found = {name: call.url(name) for name in names}
    found["identity"] = f"{call.base}/services/oauth2/userinfo"
    return found


def spent_error() -> SalesforceError:
    """The refusal of a call above the day's limit."""
    return SalesforceError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
