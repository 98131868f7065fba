"""Deployments over the Metadata REST resource: a zip comes in, is looked at, and is carried out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from tieout_sandbox.salesforce import metadata_files
from tieout_sandbox.salesforce.calls import LAST_VERSION, Call, Result
from tieout_sandbox.salesforce.errors import SalesforceError, not_found
from tieout_sandbox.salesforce.ids import make_id, normalise
from tieout_sandbox.salesforce.metadata_files import Component, Contents, NotReadableError, Problem
from tieout_sandbox.salesforce.metadata_rules import Checked, check
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.rows import method_not_allowed
from tieout_sandbox.salesforce.values import moment, stamp

OPTIONS: Mapping[str, bool] = {
    "allowMissingFiles": False,
    "autoUpdatePackage": False,
    "checkOnly": False,
    "ignoreWarnings": False,
    "performRetrieve": False,
    "purgeOnDelete": False,
    "rollbackOnError": True,
    "singlePackage": False,
}
_CANCEL_MS = 100
_OTHERS = ("Layout", "CustomTab", "ListView")
_DONE = ("Succeeded", "SucceededPartial", "Failed", "Canceled")


@dataclass(slots=True)
class Deployment:
    """One request. `status` as the vendor calls it; `zip` until it is carried out, in base64."""

    id: str
    options: dict[str, bool]
    zip: str
    created: str
    by: str
    status: str = "Pending"
    ends: str = ""
    completed: str = ""
    error: str = ""
    total: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    successes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether nothing changes any more."""
        return self.status in _DONE


class Metadata:
    """The deployments of an org. `changed` is told when objects are not what they were."""

    def __init__(self, org: Org, changed: Callable[[], None]) -> None:
        self._org = org
        self._changed = changed
        self._jobs: dict[str, Deployment] = {}

    # Calls.

    def answer(self, call: Call, rest: Sequence[str]) -> Result:
        """One call of the resource `metadata/deployRequest`."""
        if not self._org.switches.metadata_rights:
            raise SalesforceError(
                "INSUFFICIENT_ACCESS",
                "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata "
                "permissions",
                status=403,
            )
        match call.method, *rest:
            case ("POST",):
                return Result(status=201, body=self._start(call))
            case ("GET", job_id):
                details = call.query.get("includeDetails") == "true"
                return Result(body=self._shown(call, self._job(job_id), details=details))
            case ("PATCH", job_id):
                return Result(status=202, body=self._cancel(call, self._job(job_id)))
        if len(rest) < 2:
            raise method_not_allowed(call)
        raise not_found()

    def tooling_query(self, call: Call) -> Result:
        """`SELECT ... FROM DeployRequest`, the list of deployments, or one global value set."""
        asked = _ONE_SET.fullmatch(call.query.get("q", "").strip())
        if asked is not None:
            return self._value_set(call, asked["name"], asked["columns"])
        found = _QUERY.fullmatch(call.query.get("q", "").strip())
        if found is None:
            raise SalesforceError("MALFORMED_QUERY", "only DeployRequest can be asked here")
        jobs = [job for job in self._jobs.values() if _fits(job, found["where"] or "")]
        jobs.sort(key=lambda job: (job.created, job.id), reverse=True)
        jobs = jobs[: int(found["limit"] or 2000)]
        columns = [name.strip() for name in found["columns"].split(",")]
        rows = [
            {
                "attributes": {
                    "type": "DeployRequest",
                    "url": call.url("tooling", "sobjects", "DeployRequest", job.id),
                },
                **{name: _column(job, name) for name in columns},
            }
            for job in jobs
        ]
        return Result(
            body={"size": len(rows), "totalSize": len(rows), "done": True, "records": rows}
        )

    def _value_set(self, call: Call, name: str, columns: str) -> Result:
        made = self._org.installed.value_sets.get(name)
        rows = []
        if made is not None:
            number = sorted(self._org.installed.value_sets).index(name) + 1
            row = {
                "Id": make_id("0Nt", number),
                "DeveloperName": name,
                "MasterLabel": made.label,
                "Metadata": {
                    "customValue": [
                        {
                            "color": None,
                            "default": default,
                            "description": None,
                            "isActive": active,
                            "label": label,
                            "urls": None,
                            "valueName": code,
                        }
                        for code, label, active, default in made.values
                    ],
                    "description": made.description or None,
                    "masterLabel": made.label,
                    "sorted": made.in_order,
                    "urls": None,
                },
            }
            url = call.url("tooling", "sobjects", "GlobalValueSet", str(row["Id"]))
            names = [column.strip() for column in columns.split(",")]
            rows = [
                {
                    "attributes": {"type": "GlobalValueSet", "url": url},
                    **{column: row[column] for column in names},
                }
            ]
        body = {"size": len(rows), "totalSize": len(rows), "done": True, "records": rows}
        return Result(body=body)

    def _job(self, given: str) -> Deployment:
        job = self._jobs.get(normalise(given) or "")
        if job is None:
            raise not_found()
        return job

    def _start(self, call: Call) -> dict[str, Any]:
        asked, packed = _parts(call)
        number = self._org.numbers.get("deploy", 0) + 1
        self._org.numbers["deploy"] = number
        now = self._org.now()
        ends = now + timedelta(milliseconds=self._org.switches.deploy_ms)
        job = Deployment(
            id=make_id("0Af", number),
            options={**OPTIONS, **asked},
            zip=base64.b64encode(packed).decode(),
            created=stamp(now),
            by=call.user_id,
            # With milliseconds, which stamps of rows do not have.
            ends=ends.isoformat(),
        )
        self._jobs[job.id] = job
        return {
            "validatedDeployRequestId": None,
            "id": job.id,
            "url": call.base + call.url("metadata", "deployRequest", job.id),
            "deployOptions": job.options,
        }

    def _cancel(self, call: Call, job: Deployment) -> dict[str, Any]:
        wanted = call.body.get("deployResult") if isinstance(call.body, dict) else None
        if not isinstance(wanted, dict) or wanted.get("status") != "Canceling":
            raise SalesforceError(
                "JSON_PARSER_ERROR", 'deployResult.status "Canceling" is expected'
            )
        if job.done:
            raise SalesforceError("INVALID_ID_FIELD", "Deployment already completed")
        if self._waits(job):
            self._end(job, "Canceled", stamp(self._org.now()))
        else:
            job.status = "Canceling"
            soon = self._org.now() + timedelta(milliseconds=_CANCEL_MS)
            job.ends = soon.isoformat()
        return self._shown(call, job, details=True)

    def _waits(self, job: Deployment) -> bool:
        ends = moment(job.ends)
        assert ends is not None
        left = ends - self._org.now()
        return left > timedelta(milliseconds=self._org.switches.deploy_ms) * 2 / 3

    # Time.

    def settle(self) -> None:
        """Carries out every deployment whose time has come."""
        for job in self._jobs.values():
            if job.done:
                continue
            ends = moment(job.ends)
            assert ends is not None
            if self._org.now() < ends:
                if job.status == "Pending" and not self._waits(job):
                    job.status = "InProgress"
                continue
            if job.status == "Canceling":
                self._end(job, "Canceled", stamp(ends))
            else:
                self._carry_out(job, stamp(ends))

    def _end(self, job: Deployment, status: str, at: str) -> None:
        job.status, job.completed, job.zip = status, at, ""

    def _carry_out(self, job: Deployment, at: str) -> None:
        try:
            contents = metadata_files.read_zip(base64.b64decode(job.zip))
        except NotReadableError as error:
            job.error = str(error)
            self._end(job, "Failed", at)
            return
        _check_version(contents)
        checked = check(self._org, contents)
        serious = [p for p in checked.problems if not (p.warning and job.options["ignoreWarnings"])]
        broken = {(problem.type, problem.name) for problem in serious}
        good = [each for each in contents.components if (each.type, each.name) not in broken]
        job.total = len(contents.components) + sum(
            1
            for p in serious
            if (p.type, p.name) not in {(c.type, c.name) for c in contents.components}
        )
        job.failures = [_message(problem, at) for problem in serious]
        before = self._present()
        keeps = not serious or not job.options["rollbackOnError"]
        job.successes = [_success(each, before, at) for each in good] if keeps else []
        if keeps and not job.options["checkOnly"]:
            self._apply(checked, good)
        status = "Succeeded" if not serious else "SucceededPartial" if keeps else "Failed"
        self._end(job, status, at)

    def _present(self) -> set[tuple[str, str]]:
        schema = self._org.schema
        found = {("CustomObject", name) for name in schema}
        found |= {
            ("CustomField", f"{name}.{each}")
            for name, kind in schema.items()
            for each in kind.fields
        }
        installed = self._org.installed
        found |= {("PermissionSet", name) for name in installed.grants}
        found |= {("GlobalValueSet", name) for name in installed.value_sets}
        return found | set(installed.others)

    def _apply(self, checked: Checked, good: Sequence[Component]) -> None:
        installed = self._org.installed
        for made in checked.objects.values():
            installed.add_object(self._org, made)
        for (kind, _), each in checked.fields.items():
            installed.add_field(self._org, kind, each)
        for name, grants in checked.grants.items():
            installed.add_grants(self._org, name, grants)
        for name, values in checked.value_sets.items():
            installed.add_value_set(name, values)
            installed.offer_anew(self._org, name)
        for component in good:
            place = (component.type, component.name)
            if component.type in _OTHERS and place not in installed.others:
                installed.others.append(place)
        self._changed()

    # Answers.

    def _shown(self, call: Call, job: Deployment, *, details: bool) -> dict[str, Any]:
        failed = len(job.failures)
        result: dict[str, Any] = {
            "id": job.id,
            "checkOnly": job.options["checkOnly"],
            "createdBy": job.by,
            "createdByName": self._name(job.by),
            "createdDate": job.created,
            "startDate": None if job.status == "Pending" else job.created,
            "lastModifiedDate": job.completed or job.created,
            "completedDate": job.completed or None,
            "done": job.done,
            "success": job.status == "Succeeded",
            "status": job.status,
            "stateDetail": None,
            "errorStatusCode": "UNKNOWN_EXCEPTION" if job.error else None,
            "errorMessage": job.error or None,
            "ignoreWarnings": job.options["ignoreWarnings"],
            "rollbackOnError": job.options["rollbackOnError"],
            "numberComponentErrors": failed,
            "numberComponentsDeployed": len(job.successes),
            "numberComponentsTotal": job.total,
            "numberTestErrors": 0,
            "numberTestsCompleted": 0,
            "numberTestsTotal": 0,
            "runTestsEnabled": False,
        }
        if details:
            result["details"] = {
                "componentFailures": job.failures,
                "componentSuccesses": job.successes,
                "retrieveResult": None,
                "runTestResult": {
                    "numFailures": 0,
                    "numTestsRun": 0,
                    "successes": [],
                    "failures": [],
                },
            }
        return {
            "id": job.id,
            "url": call.base + call.url("metadata", "deployRequest", job.id),
            "deployResult": result,
        }

    def _name(self, user_id: str) -> str:
        row = self._org.row(user_id)
        return str(row["Name"]) if row is not None else ""

    # State.

    def state(self) -> list[dict[str, Any]]:
        """Everything that would have to be kept."""
        return [asdict(job) for job in self._jobs.values()]

    def load_state(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Takes back what `state` gave."""
        self._jobs = {entry["id"]: Deployment(**entry) for entry in state}


_QUERY = re.compile(
    r"SELECT\s+(?P<columns>[\w, ]+?)\s+FROM\s+DeployRequest(?:\s+WHERE\s+(?P<where>.+?))?"
    r"(?:\s+ORDER BY\s+CreatedDate\s+DESC(?:\s*,\s*Id\s+DESC)?)?(?:\s+LIMIT\s+(?P<limit>\d+))?",
    re.IGNORECASE,
)
_ONE_SET = re.compile(
    r"SELECT\s+(?P<columns>[\w, ]+?)\s+FROM\s+GlobalValueSet"
    r"\s+WHERE\s+DeveloperName\s*=\s*'(?P<name>\w+)'",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"(\w+)\s*(=|>=)\s*('?)([^']*?)\3", re.IGNORECASE)


def _fits(job: Deployment, where: str) -> bool:
    for part in filter(None, re.split(r"\s+AND\s+", where, flags=re.IGNORECASE)):
        found = _CONDITION.fullmatch(part.strip())
        if found is None:
            raise SalesforceError("MALFORMED_QUERY", f"unexpected token: {part}")
        name, sign, _, value = found.groups()
        has = _column(job, name)
        if isinstance(has, bool):
            fits = has == (value.lower() == "true")
        elif sign == ">=":
            mine, wanted = moment(str(has)), moment(value)
            fits = mine is not None and wanted is not None and mine >= wanted
        else:
            fits = str(has) == (normalise(value) or value)
        if not fits:
            return False
    return True


def _column(job: Deployment, name: str) -> Any:
    known: dict[str, Any] = {
        "id": job.id,
        "status": job.status,
        "checkonly": job.options["checkOnly"],
        "createddate": job.created,
        "createdbyid": job.by,
        "completeddate": job.completed or None,
        "numbercomponentstotal": job.total,
        "numbercomponenterrors": len(job.failures),
    }
    if name.lower() not in known:
        raise SalesforceError("INVALID_FIELD", f"No such column '{name}' on entity 'DeployRequest'")
    return known[name.lower()]


def _parts(call: Call) -> tuple[dict[str, bool], bytes]:
    """The options and the zip of a multipart body."""
    kind = call.header("content-type") or ""
    boundary = re.search(r'boundary="?([^";]+)"?', kind)
    if not call.raw or boundary is None:
        raise SalesforceError(
            "UNSUPPORTED_MEDIA_TYPE", f"Content type '{kind}' is not supported", status=415
        )
    parts: dict[str, bytes] = {}
    for piece in call.raw.split(b"--" + boundary[1].encode())[1:]:
        head, gap, body = piece.partition(b"\r\n\r\n")
        named = re.search(rb'name="([^"]+)"', head)
        if gap and named is not None:
            parts[named[1].decode()] = body.removesuffix(b"\r\n")
    missing = [name for name in ("json", "file") if name not in parts]
    if missing:
        raise SalesforceError(
            "INVALID_MULTIPART_REQUEST", f"Multipart message must include a part {missing[0]}"
        )
    try:
        options = json.loads(parts["json"])["deployOptions"]
    except (ValueError, KeyError, TypeError) as error:
        raise SalesforceError("JSON_PARSER_ERROR", "deployOptions is expected") from error
    unknown = set(options) - set(OPTIONS) - {"runTests", "testLevel", "runAllTests"}
    if unknown:
        raise SalesforceError("JSON_PARSER_ERROR", f'Unrecognized field "{sorted(unknown)[0]}"')
    return {name: options[name] is True for name in OPTIONS if name in options}, parts["file"]


def _check_version(contents: Contents) -> None:
    whole, _, _ = contents.version.partition(".")
    if whole.isdigit() and not 1 <= int(whole) <= LAST_VERSION:
        contents.problems.append(
            Problem(
                type="",
                name="package.xml",
                file="package.xml",
                text=f"Invalid version specified:{contents.version}",
            )
        )


def _message(problem: Problem, at: str) -> dict[str, Any]:
    return {
        "changed": False,
        "columnNumber": problem.column,
        "componentType": problem.type,
        "created": False,
        "createdDate": at,
        "deleted": False,
        "fileName": problem.file,
        "fullName": problem.name,
        "id": None,
        "lineNumber": problem.line,
        "problem": problem.text,
        "problemType": "Warning" if problem.warning else "Error",
        "success": False,
    }


def _success(each: Component, before: set[tuple[str, str]], at: str) -> dict[str, Any]:
    new = (each.type, each.name) not in before
    return {
        "changed": True,
        "columnNumber": None,
        "componentType": each.type,
        "created": new,
        "createdDate": at,
        "deleted": False,
        "fileName": each.file,
        "fullName": each.name,
        "id": None,
        "lineNumber": None,
        "problem": None,
        "problemType": None,
        "success": True,
    }
