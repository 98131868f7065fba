"""Bulk API 2.0: files of rows in, files of rows out."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from tieout_sandbox.salesforce.calls import Call, Result, wants
from tieout_sandbox.salesforce.errors import SalesforceError, SeveralMatchesError, not_found
from tieout_sandbox.salesforce.ids import make_id, normalise
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.rows import kind_named, method_not_allowed
from tieout_sandbox.salesforce.soql.parse import parse
from tieout_sandbox.salesforce.soql.run import prepare
from tieout_sandbox.salesforce.soql.syntax import Item, Path, Query
from tieout_sandbox.salesforce.values import stamp, text_of
from tieout_sandbox.salesforce.writes import Writer

DELIMITERS = {
    "COMMA": ",",
    "SEMICOLON": ";",
    "TAB": "\t",
    "PIPE": "|",
    "CARET": "^",
    "BACKQUOTE": "`",
}
INGEST_OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "hardDelete"})
MOST_BYTES = 150_000_000
PAGE = 50_000
CLEARED = "#N/A"


@dataclass(slots=True)
class Job:
    """One job; `good` and `bad` are CSV rows of results, each with its two columns in front."""

    id: str
    kind: str
    operation: str
    created: str
    created_by: str
    version: str
    object: str = ""
    key: str | None = None
    statement: str = ""
    delimiter: str = "COMMA"
    line_ending: str = "LF"
    state: str = "Open"
    polls: int = 0
    content: str = ""
    columns: list[str] = field(default_factory=list)
    good: list[list[str]] = field(default_factory=list)
    bad: list[list[str]] = field(default_factory=list)
    message: str | None = None


def _rows(job: Job) -> list[list[str]]:
    """What was uploaded, its head first; csv.Error where that cannot be read."""
    reader = csv.reader(io.StringIO(job.content), delimiter=DELIMITERS[job.delimiter])
    return [row for row in reader if row]


class Bulk:
    """The jobs of an org. A job is worked off when its upload is declared complete."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._jobs: dict[str, Job] = {}

    def state(self) -> list[dict[str, Any]]:
        """The jobs, to be kept."""
        return [asdict(job) for job in self._jobs.values()]

    def load_state(self, jobs: list[dict[str, Any]]) -> None:
        """Takes back what `state` gave."""
        self._jobs = {job["id"]: Job(**job) for job in jobs}

    def answer(self, call: Call) -> Result:
        """Everything below `/jobs`."""
        if len(call.path) < 2 or call.path[1] not in ("ingest", "query"):
            raise not_found()
        kind, rest = call.path[1], call.path[2:]
        if not rest:
            return self._all(call, kind)
        job = self._jobs.get(normalise(rest[0]) or "")
        if job is None or job.kind != kind:
            raise not_found()
        if len(rest) == 1:
            return self._one(call, job)
        part = rest[1].lower()
        if kind == "ingest" and part == "batches" and call.method == "PUT":
            return self._upload(call, job)
        if kind == "query" and part == "results" and call.method == "GET":
            return self._results(call, job)
        if kind == "ingest" and call.method == "GET":
            return self._outcome(job, part)
        raise not_found()

    def _all(self, call: Call, kind: str) -> Result:
        if call.method == "GET":
            records = [self._info(call, job) for job in self._jobs.values() if job.kind == kind]
            return Result(body={"done": True, "records": records, "nextRecordsUrl": None})
        if call.method != "POST":
            raise method_not_allowed(call)
        body = wants(call, dict, "An object that describes the job")
        job = self._new(call, kind, body)
        self._jobs[job.id] = job
        return Result(body=self._info(call, job))

    def _new(self, call: Call, kind: str, body: Mapping[str, Any]) -> Job:
        number = self._org.numbers.get("job", 0) + 1
        self._org.numbers["job"] = number
        job = Job(
            id=make_id("750", number),
            kind=kind,
            operation=str(body.get("operation", "")),
            created=stamp(self._org.now()),
            created_by=call.user_id,
            version=call.version,
            delimiter=str(body.get("columnDelimiter") or "COMMA"),
            line_ending=str(body.get("lineEnding") or "LF"),
        )
        if job.delimiter not in DELIMITERS or job.line_ending not in ("LF", "CRLF"):
            raise SalesforceError("INVALIDJOB", "Unknown columnDelimiter or lineEnding")
        if kind == "query":
            self._prepare_query(call, job, body)
            return job
        if job.operation not in INGEST_OPERATIONS:
            raise SalesforceError("INVALIDJOB", f"Unknown operation: {job.operation}")
        job.object = kind_named(self._org, str(body.get("object", ""))).name
        job.key = body.get("externalIdFieldName")
        if job.operation == "upsert" and not job.key:
            raise SalesforceError("INVALIDJOB", "externalIdFieldName is needed for an upsert")
        return job

    def _prepare_query(self, call: Call, job: Job, body: Mapping[str, Any]) -> None:
        job.statement = str(body.get("query", ""))
        if job.operation not in ("query", "queryAll"):
            raise SalesforceError("INVALIDJOB", f"Unknown operation: {job.operation}")
        prepared = prepare(
            self._org, job.statement, call.version, deleted_too=job.operation == "queryAll"
        )
        answer = prepared.run()
        job.object = prepared.kind.name
        if answer.ids is None or _has_children(job.statement):
            raise SalesforceError(
                "API_ERROR", "Aggregates and nested queries are not supported in a bulk query"
            )
        records = answer.page(self._org, job.object, 0, answer.total)
        paths = _selected(job.statement) or [(name,) for name in prepared.kind.fields]
        job.columns = [".".join(path) for path in paths]
        job.good = [[text_of(_cell(record, path)) for path in paths] for record in records]
        job.state = "UploadComplete"
        job.polls = self._org.switches.bulk_polls

    def _one(self, call: Call, job: Job) -> Result:
        if call.method == "GET":
            self._advance(job)
            return Result(body=self._info(call, job))
        if call.method == "DELETE":
            if job.state not in ("JobComplete", "Failed", "Aborted", "UploadComplete"):
                raise SalesforceError("API_ERROR", f"Job cannot be deleted in state {job.state}")
            del self._jobs[job.id]
            return Result(status=204)
        if call.method != "PATCH":
            raise method_not_allowed(call)
        wish = wants(call, dict, "An object with state").get("state")
        if wish == "Aborted" and job.state in ("Open", "UploadComplete", "InProgress"):
            job.state = "Aborted"
        elif wish == "UploadComplete" and job.state == "Open" and job.kind == "ingest":
            self._work_off(job)
            job.state = "UploadComplete"
            job.polls = self._org.switches.bulk_polls
        else:
            raise SalesforceError("INVALIDJOBSTATE", f"Job cannot go from {job.state} to {wish}")
        return Result(body=self._info(call, job))

    @staticmethod
    def _advance(job: Job) -> None:
        if job.state not in ("UploadComplete", "InProgress"):
            return
        if job.polls > 0:
            job.polls -= 1
            job.state = "InProgress"
        else:
            job.state = "Failed" if job.message else "JobComplete"

    def _info(self, call: Call, job: Job) -> dict[str, Any]:
        info: dict[str, Any] = {
            "id": job.id,
            "operation": job.operation,
            "object": job.object,
            "createdById": job.created_by,
            "createdDate": job.created,
            "systemModstamp": job.created,
            "state": job.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": Decimal(call.version),
            "lineEnding": job.line_ending,
            "columnDelimiter": job.delimiter,
        }
        if job.kind == "query":
            info["jobType"] = "V2Query"
            if job.state == "JobComplete":
                info["numberRecordsProcessed"] = len(job.good)
            return info
        info["jobType"] = "V2Ingest"
        info["contentUrl"] = f"services/data/v{call.version}/jobs/ingest/{job.id}/batches"
        if job.key:
            info["externalIdFieldName"] = job.key
        if job.state in ("JobComplete", "Failed"):
            info["numberRecordsProcessed"] = len(job.good) + len(job.bad)
            info["numberRecordsFailed"] = len(job.bad)
            info["retries"] = 0
            if job.message:
                info["errorMessage"] = job.message
        return info

    def _upload(self, call: Call, job: Job) -> Result:
        if job.state != "Open" or job.content:
            raise SalesforceError("INVALIDJOBSTATE", "The job takes no more data")
        if len(call.text) > MOST_BYTES:
            raise SalesforceError("INVALIDBATCH", "The upload is larger than 150 MB")
        job.content = call.text
        return Result(status=201)

    def _work_off(self, job: Job) -> None:
        try:
            rows = _rows(job)
        except csv.Error as error:
            job.message = f"InvalidBatch : Failed to parse CSV: {error}"
            return
        job.columns = rows[0] if rows else []
        writer = Writer(org=self._org, user_id=job.created_by)
        problem = self._column_problem(job)
        if problem is not None:
            job.message = problem
            return
        for cells in rows[1:]:
            try:
                if len(cells) != len(job.columns):
                    raise SalesforceError("INVALID_CSV", "The number of columns differs")
                record_id, created = self._row(
                    writer, job, dict(zip(job.columns, cells, strict=True))
                )
                job.good.append([record_id, text_of(created), *cells])
            except SalesforceError as error:
                job.bad.append(["", error.as_csv_error(), *cells])
            except SeveralMatchesError as error:
                text = (
                    f"DUPLICATE_EXTERNAL_ID:several rows match: {', '.join(error.ids)}:{job.key} --"
                )
                job.bad.append(["", text, *cells])

    def _column_problem(self, job: Job) -> str | None:
        kind = kind_named(self._org, job.object)
        for column in job.columns:
            if "." not in column and kind.find(column) is None:
                return f"InvalidBatch : Field name not found : {column}"
        return None

    def _row(self, writer: Writer, job: Job, cells: Mapping[str, str]) -> tuple[str, bool]:
        body: dict[str, Any] = {}
        for column, cell in cells.items():
            if cell == "":
                continue
            value = None if cell == CLEARED else cell
            relation, dot, name = column.partition(".")
            if dot:
                body[relation] = {name: value}
            else:
                body[column] = value
        record_id = next((v for k, v in body.items() if k.lower() == "id"), None)
        plain = {k: v for k, v in body.items() if k.lower() != "id"}
        if job.operation == "insert":
            return writer.create(job.object, plain), True
        if job.operation == "upsert":
            key = str(job.key)
            value = next((v for k, v in body.items() if k.lower() == key.lower()), None)
            if value is None and key.lower() != "id":
                raise SalesforceError("MISSING_ARGUMENT", f"{key} not specified", fields=[key])
            plain = {k: v for k, v in body.items() if k.lower() != key.lower()}
            return writer.upsert(job.object, key, value, plain)
        if record_id is None:
            raise SalesforceError("MISSING_ARGUMENT", "Id not specified", fields=["Id"])
        if job.operation == "update":
            writer.update(job.object, record_id, plain)
        else:
            writer.delete(job.object, record_id)
            if job.operation == "hardDelete":
                self._org.tables[job.object].purge(str(normalise(record_id)))
                self._org.journal.clear()
        return str(normalise(record_id)), False

    def _outcome(self, job: Job, part: str) -> Result:
        if part == "successfulresults":
            return _csv(job, ["sf__Id", "sf__Created", *job.columns], job.good)
        if part == "failedresults":
            return _csv(job, ["sf__Id", "sf__Error", *job.columns], job.bad)
        if part == "unprocessedrecords":
            rest: list[list[str]] = []
            if job.message or job.state == "Aborted":
                with suppress(csv.Error):
                    rest = _rows(job)[1:]
            return _csv(job, job.columns, rest)
        raise not_found()

    def _results(self, call: Call, job: Job) -> Result:
        self._advance(job)
        if job.state != "JobComplete":
            raise SalesforceError("INVALIDJOBSTATE", f"The job is {job.state}")
        wish = call.query.get("maxRecords", "")
        size = min(int(wish), PAGE) if wish.isdigit() and int(wish) > 0 else PAGE
        start = _position(call.query.get("locator"))
        rows = job.good[start : start + size]
        end = start + size
        following = _locator(end) if end < len(job.good) else "null"
        found = _csv(job, job.columns, rows)
        headers = {
            **found.headers,
            "Sforce-Locator": following,
            "Sforce-NumberOfRecords": str(len(rows)),
        }
        return Result(text=found.text, headers=headers)


def _locator(position: int) -> str:
    return f"M{position:X}"


def _position(locator: str | None) -> int:
    if not locator or locator == "null":
        return 0
    try:
        return int(locator.removeprefix("M"), 16)
    except ValueError:
        raise SalesforceError("INVALID_LOCATOR", "invalid locator") from None


def _has_children(statement: str) -> bool:
    return any(isinstance(item, Query) for item in parse(statement).select)


def _selected(statement: str) -> list[tuple[str, ...]]:
    """The paths that a statement selects by name; none where it selects groups of fields."""
    return [
        item.expression.names
        for item in parse(statement).select
        if isinstance(item, Item) and isinstance(item.expression, Path)
    ]


def _cell(record: Any, path: tuple[str, ...]) -> Any:
    """The value at a path in a shown record, names in any case; null below an empty parent."""
    for name in path:
        if not isinstance(record, Mapping):
            return None
        record = next((v for k, v in record.items() if k.lower() == name.lower()), None)
    return record


def _csv(job: Job, columns: list[str], rows: list[list[str]]) -> Result:
    out = io.StringIO()
    ending = "\r\n" if job.line_ending == "CRLF" else "\n"
    writer = csv.writer(
        out,
        delimiter=DELIMITERS[job.delimiter],
        lineterminator=ending,
        quoting=csv.QUOTE_ALL,
    )
    writer.writerow(columns)
    writer.writerows(rows)
    return Result(text=out.getvalue(), headers={"Content-Type": "text/csv"})
