"""Every answer against the vendor's API document, where it lies beside us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from webcrm_support import Webcrm, served

from tieout_sandbox.webcrm.fields import (
    LINKED_SETUP,
    PERSON_B2C,
    QUOTING_DATA,
    QUOTING_SETUP,
    STORED,
    Field,
)
from tieout_sandbox.webcrm.hooks import FILTERS, Hooks
from tieout_sandbox.webcrm.routes import SIGN_IN, Router

pytestmark = pytest.mark.shared

# Newer than the document, seen by others.
SEEN = {
    ("GET", "/Queries"),
    ("GET", "/Memberships"),
    ("GET", "/Persons/ByOrganisation/{organisationId}"),
    ("GET", "/Organisations/Search"),
    ("GET", "/Persons/Search"),
}


@pytest.fixture(scope="module")
def spec(shared_dir: Path) -> dict[str, Any]:
    text = (shared_dir / "specs" / "webcrm" / "webcrm-rest-v1.swagger.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="module")
def webcrm() -> Iterator[Webcrm]:
    """A system with something behind every path."""
    with served("--size", "8", "--rate-limits", "off") as webcrm:
        owner = webcrm.organisation(OrganisationType="Privat")
        person = webcrm.person(owner)
        deal = webcrm.opportunity(
            owner, OpportunityAssignedTo=11, OpportunityAssignedTo2=11, OpportunityLevel=1
        )
        webcrm.line(deal)
        webcrm.line(webcrm.delivery(owner, DeliveryResponsible=11, DeliveryAssignedTo2=11))
        webcrm.good("POST", "/Products", {"ProductOrganisationId": owner})
        body = {"ActivityOrganisationId": owner, "ActivityAssignedTo": 11}
        webcrm.good("POST", "/Activities", body)
        webcrm.good("POST", "/Events", {"EventOrganisationId": owner, "EventAssignedTo": 11})
        body = {"SupportCaseOrganisationId": owner, "SupportCaseAssignedTo": 11}
        webcrm.good("POST", "/SupportCases", body)
        relation = {"RelationOrganisation1Id": owner, "RelationPerson1Id": person}
        webcrm.good("POST", "/Relations", relation)
        webcrm.good("POST", "/Documents", {"DocumentFileName": "x", "DocumentFile": "eA=="})
        meeting = {
            "MeetingUserId": "11",
            "MeetingDescription": "d",
            "MeetingSubject": "s",
            "MeetingStart": "2026-06-20T08:00:00Z",
            "MeetingEnd": "2026-06-20T09:00:00Z",
        }
        webcrm.good("POST", "/Meetings", meeting)
        for resource in FILTERS:
            hook: dict[str, Any] = {
                "TargetUrl": "http://127.0.0.1:1",
                "IsEnabled": False,
                "Filter": ["All"],
            }
            webcrm.good("POST", f"/{resource}/Hooks", hook)
        for resource in ("Persons", "Deliveries"):
            webcrm.good("POST", f"/{resource}/LinkedData", {"LinkedDataItemData1": "x"})
        yield webcrm


def conforms(spec: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    """By the schema; besides, text may be null and no property may be missing or unknown."""
    whole = {**nullable(schema), "definitions": nullable(spec["definitions"])}
    errors = [
        f"{list(error.absolute_path)}: {error.message}"
        for error in Draft4Validator(whole).iter_errors(value)
    ]
    assert not errors, (where, errors[:3])


def nullable(schema: Any) -> Any:
    """The schema with texts that may be null, as reads have them now and then."""
    if isinstance(schema, list):
        return [nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: nullable(one) for name, one in schema.items()}
    if changed.get("type") == "string" and "enum" not in changed:
        changed["type"] = ["string", "null"]
    return changed


def properties(spec: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    schema = schema.get("items", schema)
    name = schema.get("$ref", "").rpartition("/")[2]
    return set(spec["definitions"].get(name, {}).get("properties", {}))


def address(webcrm: Webcrm, path: str) -> str:
    """The path with ids for which there is something."""
    known: dict[str, Any] = {
        "{startDate}": "2020-01-01T00:00:00Z",
        "{endDate}": "2040-01-01T00:00:00Z",
        "{pipelineLevel}": 1,
        "{channel}": 0,
        "{entityTypes}": "All",
        "{userId}": 11,
        "{responsibleId}": 11,
        "{organisationId}": 4709,
    }
    if path.endswith("ByStatus/{status}"):
        first = {"Activities": "Planned", "Deliveries": "New", "Events": "Confirmed"}
        known["{status}"] = first.get(path.split("/")[1], "Created")
    if "{meetingId}" in path:
        known["{meetingId}"] = "meeting-1"
    if "{id}" in path:
        known["{id}"] = first_id(webcrm, path.partition("/{id}")[0])
    for name, value in known.items():
        path = path.replace(name, str(value))
    if path == "/Meetings":
        path += "?from=2026-06-20T00:00:00Z&to=2026-06-21T00:00:00Z&userId=11"
    return path


def first_id(webcrm: Webcrm, base: str) -> Any:
    if base == "/Users":
        return 11
    if base in ("/Events/ByResponsible", "/Events/ByOrganisation"):
        return {"R": 11, "O": 4709}[base[10]]
    rows = webcrm.get(base)
    if not rows:
        return 0
    row = rows[-1]
    return row[min((name for name in row if name.endswith("Id")), key=len)]


# Shown where `include` asks for it.
SECURED = {"ActivitySecurityInfo", "EventSecurityInfo"}


def test_paths_and_methods_are_the_vendors(spec: dict[str, Any]) -> None:
    theirs = {(method.upper(), path) for path, known in spec["paths"].items() for method in known}
    ours = set(Router(Hooks()).routes) | set(SIGN_IN)
    assert ours - SEEN == theirs
    assert ours >= SEEN


def test_every_read_answers_what_is_documented(spec: dict[str, Any], webcrm: Webcrm) -> None:
    webcrm.assume("later_fields", False)
    empty = []
    for path, methods in spec["paths"].items():
        if "get" not in methods or path.startswith("/Auth") or path.endswith("Download"):
            continue
        schema = methods["get"]["responses"]["200"]["schema"]
        answer = webcrm.call("GET", address(webcrm, path))
        if answer.status == 404 and schema.get("type") != "array":
            empty.append(path)
            continue
        assert answer.status == 200, (path, answer.body)
        value = answer.json()
        conforms(spec, schema, value, path)
        rows = value if isinstance(value, list) else [value]
        if not rows:
            empty.append(path)
        for row in rows:
            missing = properties(spec, schema) - set(row)
            assert missing <= {f"{path.split('/')[1][:-1]}SecurityInfo"} | SECURED, (path, missing)
            assert set(row) <= properties(spec, schema), (path, set(row) - properties(spec, schema))
    # Only what the product does not need is empty.
    needless = ("Budgets", "EmailSupports", "Milestones", "Revenues", "TimeExpenses", "LinkedData")
    left = [path for path in empty if not any(word in path for word in needless)]
    assert left == [], left


def test_every_documented_answer_of_a_write(spec: dict[str, Any], webcrm: Webcrm) -> None:
    bodies: dict[str, Any] = {
        "/Deliveries": {"DeliveryOrganisationId": 4701},
        "/Opportunities": {"OpportunityOrganisationId": 4701},
        "/Persons": {"PersonOrganisationId": 4701, "PersonLastName": "x"},
        "/PersonsB2C": {"PersonB2CLastName": "x"},
        "/Documents": {"DocumentFileName": "x"},
        "/Products": {"ProductOrganisationId": 4701},
    }
    number = webcrm.item()
    deal = webcrm.delivery(4701)
    line = {"QuotationLineOpportunityId": deal, "QuotationLineLinkedDataId": number}
    bodies["/QuotationLines"] = line
    checked = 0
    for path, methods in spec["paths"].items():
        if "{" in path or path.startswith("/Auth"):
            continue
        for method in {"post", "patch"} & set(methods):
            schema = methods[method]["responses"]["200"].get("schema")
            if schema is None:
                continue
            body = bodies.get(path, {})
            if path.endswith("Hooks"):
                body = {"TargetUrl": "http://127.0.0.1:1", "IsEnabled": False, "Filter": ["All"]}
            if path == "/QuotationLines/LinkedData":
                body = {f"QuotationLineLinkedDataItemData{n}": f"n{n}" for n in (1, 2, 3)}
            if path in ("/Organisations", "/Users", "/Relations", "/Events"):
                body = {"OrganisationName": "x"} if path == "/Organisations" else {}
            sent = [body] if method == "patch" else body
            value = webcrm.good(method.upper(), path, sent)
            conforms(spec, schema, value, f"{method} {path}")
            checked += 1
    assert checked > 40


def test_signing_in_answers_what_is_documented(spec: dict[str, Any], webcrm: Webcrm) -> None:
    schema = {"$ref": "#/definitions/TokenResponseDto"}
    for answer in (webcrm.login(), webcrm.login("x")):
        conforms(spec, schema, answer.json() | {"IsError": answer.json()["IsError"]}, "login")
        assert set(answer.json()) == properties(spec, schema)


def test_fields_have_the_vendors_kinds_and_lengths(spec: dict[str, Any]) -> None:
    kinds = {
        "int32": "int",
        "double": "number",
        "boolean": "bool",
        "date-time": "date",
        "array": "ids",
        "string": "text",
    }

    def check(name: str, fields: dict[str, Field]) -> None:
        theirs = spec["definitions"][name]["properties"]
        plain = {one for one in theirs if "$ref" not in theirs[one]}
        assert {one for one in fields if not fields[one].write_only} == plain, name
        for known in plain:
            entry, ours = theirs[known], fields[known]
            kind = "enum" if "enum" in entry else kinds[entry.get("format") or entry["type"]]
            assert ours.kind == kind, known
            assert ours.size == entry.get("maxLength"), known
            assert list(ours.names) == entry.get("enum", []), known

    names = {"EmailSupport": "SupportCaseEmailDto"}
    for entity in (*STORED, QUOTING_DATA, PERSON_B2C):
        check(names.get(entity.name, f"{entity.name}Dto"), dict(entity.fields))
    check("LinkedSetupDto", LINKED_SETUP)
    check("QuotationLineLinkedSetupDto", QUOTING_SETUP)


def test_filters_of_hooks_are_the_vendors(spec: dict[str, Any]) -> None:
    for resource, filters in FILTERS.items():
        schema = spec["paths"][f"/{resource}/Hooks"]["post"]["parameters"][0]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        known = spec["definitions"][name]["properties"]["Filter"]["items"]["enum"]
        assert list(filters) == known, resource


def test_what_was_seen_later_is_there(shared_dir: Path, webcrm: Webcrm) -> None:
    text = (shared_dir / "specs" / "webcrm" / "observed-additions.json").read_text()
    seen = json.loads(text)
    webcrm.assume("later_fields", True)
    opportunity = webcrm.get("/Opportunities?include=SecurityInfo")[0]
    delivery = webcrm.get("/Deliveries")[0]
    for row, fields in ((opportunity, "Opportunity"), (delivery, "Delivery")):
        wanted = {name for name in seen["fields"][fields] if not name.startswith("_")}
        assert wanted <= set(row), fields
    for table in seen["queryTables"]:
        assert isinstance(webcrm.query(f"SELECT * FROM {table}"), list)
    for endpoint in seen["endpoints"]:
        if "host" not in endpoint and endpoint["path"] != "/Queries":
            assert isinstance(webcrm.get(f"{endpoint['path']}?term=a"), list)
