"""Projects and their tasks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tieout_sandbox.kit import Response
from tieout_sandbox.visma_net import attributes
from tieout_sandbox.visma_net.call import Call, changed, created, done
from tieout_sandbox.visma_net.company import Company, day_text
from tieout_sandbox.visma_net.errors import BusinessError, NotFoundError, missing
from tieout_sandbox.visma_net.lists import matching, one, paged, param, stored
from tieout_sandbox.visma_net.shown import finished, short, stamps
from tieout_sandbox.visma_net.tables import Record
from tieout_sandbox.visma_net.writes import read

_MODULES = ("Gl", "Ap", "Ar", "So", "Po", "Ea", "Ta", "In", "Ca", "Cr")
VISIBLE = {f"visibleIn{module}": True for module in _MODULES}


def need(company: Company, project_id: str) -> Record:
    """The project of an id; NotFoundError where there is none."""
    found = company.projects.one("projectID", project_id)
    if found is None:
        raise NotFoundError(f"ProjectID '{project_id}' cannot be found in the system.")
    return found


def present(company: Company, record: Record) -> Any:
    """A project as the API shows it."""
    customer = company.customers.get(record["_customer"])
    tasks = company.tasks.find("_project", record["_key"])
    found = {
        **{name: record[name] for name in ("internalID", "projectID", "status", "description")},
        "hold": record["status"] == "OnHold",
        "customer": {name: customer[name] for name in ("number", "name")} if customer else None,
        "startDate": day_text(record["startDate"]),
        "endDate": day_text(record["endDate"]),
        **{name: short(Decimal(0)) for name in ("assets", "liability", "income", "expenses")},
        "visibility": dict(VISIBLE),
        "lastModifiedDateTime": stamps(company, "project", record)["lastModifiedDateTime"],
        "tasks": [_short_task(row) for row in tasks],
        "employees": [],
        "attributes": attributes.shown(company, record["attributes"]),
        "note": record["note"],
        "timeStamp": record["_version"],
    }
    return finished(company, found)


def _short_task(row: Record) -> Record:
    return {
        "taskId": row["taskId"],
        "description": row["description"],
        "status": row["status"],
        "timeStamp": row["_version"],
    }


def task(company: Company, row: Record) -> Any:
    """A task as the API shows it."""
    project = company.projects.get(row["_project"])
    assert project is not None
    return {
        "internalId": row["internalId"],
        "projectInternalId": project["internalID"],
        **_short_task(row),
        "visibility": dict(VISIBLE),
        **stamps(company, "projecttask", row),
    }


def listing(company: Company, call: Call) -> Response:
    """GET /v1/project."""
    wanted = attributes.query(param(call.request, "attributes"))
    found = matching(
        company,
        call.request,
        "project",
        stored(company, company.projects),
        equal={
            "status": lambda _, record: record["status"],
            "branch": lambda company, _: company.settings["branch"],
        },
    )
    found = [record for record in found if attributes.meet(record["attributes"], wanted)]
    return paged(company, call.request, "project", found, present)


def single(company: Company, call: Call) -> Response:
    """GET /v1/project/{id}."""
    record = need(company, call.ids[0])
    return one(company, present(company, record), record["_version"])


def _internal(company: Company, internal_id: str) -> Record:
    found = company.projects.get(internal_id)
    if found is None:
        raise NotFoundError(f"ProjectID '{internal_id}' cannot be found in the system.")
    return found


def single_internal(company: Company, call: Call) -> Response:
    """GET /v1/project/internal/{id}."""
    record = _internal(company, call.ids[0])
    return one(company, present(company, record), record["_version"])


def create(company: Company, call: Call) -> Response:
    """POST /v1/project."""
    given = read("ProjectUpdateDto", call.body(), company.assumptions)
    record = put(company, given)
    return created(company, call, "v1/project", record["projectID"], record["_version"])


def change(company: Company, call: Call) -> Response:
    """PUT /v1/project/{id}."""
    return _changed(company, call, need(company, call.ids[0]))


def change_internal(company: Company, call: Call) -> Response:
    """PUT /v1/project/internal/{id}."""
    return _changed(company, call, _internal(company, call.ids[0]))


def _changed(company: Company, call: Call, record: Record) -> Response:
    call.require_match(record)
    given = read("ProjectUpdateDto", call.body(), company.assumptions)
    given.pop("projectID", None)
    record = put(company, given, record)
    return changed(company, call, "v1/project", record["projectID"], record["_version"])


def put(company: Company, given: Record, old: Record | None = None) -> Record:
    """A project, new or changed; BusinessError where the rules refuse it."""
    if old is None:
        number = given.get("projectID")
        if not number:
            raise BusinessError("Error: 'Project ID' cannot be empty.")
        if company.projects.one("projectID", number) is not None:
            raise BusinessError(f"Error: project '{number}' already exists.")
        internal_id = 500 + company.count("project")
        old = {
            "_key": str(internal_id),
            "internalID": internal_id,
            "projectID": number,
            "_customer": None,
            "status": "Planned",
            "description": "",
            "startDate": company.today(),
            "endDate": None,
            "note": None,
            "attributes": {},
        }
    record = dict(old)
    for name in ("description", "status", "startDate", "endDate", "note"):
        if name in given:
            record[name] = given[name]
    if given.get("customer"):
        customer = company.customers.one("number", given["customer"])
        if customer is None:
            raise missing("CustomerID", given["customer"])
        record["_customer"] = customer["internalId"]
    saved = company.save(company.projects, record)
    for line in given.get("tasks", []):
        if line.get("operation") in (None, "Insert") and line.get("taskId"):
            put_task(company, saved, line["taskId"], line.get("description") or "")
    return saved


def put_task(company: Company, project: Record, task_id: str, description: str) -> Record:
    """A new task of a project."""
    internal_id = 800 + company.count("task")
    return company.save(
        company.tasks,
        {
            "_key": str(internal_id),
            "internalId": internal_id,
            "_project": project["_key"],
            "taskId": task_id,
            "description": description,
            "status": "Active",
        },
    )


def renumber_call(company: Company, call: Call) -> Response:
    """The action `changeProjectId`."""
    record = _internal(company, call.ids[0])
    call.require_match(record)
    given = read("ChangeProjectIdActionDto", call.body(), company.assumptions)
    number = given.get("projectId")
    if not number or company.projects.one("projectID", number) is not None:
        raise BusinessError(f"Error: project '{number}' already exists.")
    company.save(company.projects, {**record, "projectID": number})
    return done(company)


def tasks(company: Company, call: Call) -> Response:
    """GET /v1/projecttask."""

    def of_project(company: Company, row: Record) -> str:
        project = company.projects.get(row["_project"])
        return str(project["projectID"]) if project else ""

    found = matching(
        company,
        call.request,
        "projecttask",
        stored(company, company.tasks),
        equal={
            "projectId": of_project,
            "projectInternalId": lambda _, row: row["_project"],
            "taskCd": lambda _, row: row["taskId"],
            "status": lambda _, row: row["status"],
        },
    )
    return paged(company, call.request, "projecttask", found, task)


def one_task(company: Company, call: Call) -> Response:
    """GET /v1/projecttask/{id}."""
    row = company.tasks.get(call.ids[0])
    if row is None:
        raise NotFoundError(f"TaskID '{call.ids[0]}' cannot be found in the system.")
    return one(company, task(company, row), row["_version"])
