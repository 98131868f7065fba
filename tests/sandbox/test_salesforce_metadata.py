"""The metadata resource of the simulated org, call by call: what a stranger's tool would see."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from salesforce_client import DATA, START, Client, StillClock

from tieout.connectors.salesforce import metadata_package
from tieout_sandbox.kit import Response, SandboxClock
from tieout_sandbox.kit.cli import run
from tieout_sandbox.salesforce import SalesforceSimulator

NS = "http://soap.sforce.com/2006/04/metadata"
PATH = "/metadata/deployRequest"
PACKAGE = metadata_package.build()
OURS, ALL = PACKAGE.zipped(), len(PACKAGE.components)


@pytest.fixture
def org() -> Client:
    return Client(package=False)


def body(data: bytes | None, options: Mapping[str, Any] | str | None) -> bytes:
    parts = b""
    if options is not None:
        text = options if isinstance(options, str) else json.dumps({"deployOptions": options})
        parts += b'--b\r\nContent-Disposition: form-data; name="json"\r\n'
        parts += b"Content-Type: application/json\r\n\r\n" + text.encode() + b"\r\n"
    if data is not None:
        parts += b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n'
        parts += b"Content-Type: application/zip\r\n\r\n" + data + b"\r\n"
    return parts + b"--b--\r\n"


def post(org: Client, data: bytes | None, options: Mapping[str, Any] | str | None) -> Response:
    kind = {"Content-Type": 'multipart/form-data; boundary="b"'}
    return org.call("POST", PATH, body(data, options), headers=kind)


def start(org: Client, data: bytes, **options: Any) -> str:
    answer = post(org, data, {"rollbackOnError": True, "singlePackage": True, **options})
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


def result(org: Client, job: str, *, details: bool = True) -> Any:
    query = "?includeDetails=true" if details else ""
    return org.json("GET", f"{PATH}/{job}{query}")["deployResult"]


def deploy(org: Client, data: bytes, **options: Any) -> Any:
    """The result once it is done."""
    job = start(org, data, **options)
    org.time.advance(1)
    found = result(org, job)
    assert found["done"] is True
    return found


def packed(files: Mapping[str, str], *, version: str = "62.0") -> bytes:
    """A zip of these files with a manifest that names what is in them."""
    members: dict[str, list[str]] = {}
    kinds = {"objects": "CustomObject", "permissionsets": "PermissionSet", "tabs": "CustomTab"}
    for name, text in files.items():
        folder, _, rest = name.partition("/")
        full = rest.rpartition(".")[0]
        if folder == "objects" and not full.endswith("__c"):
            for field in re.findall(r"<fields>\s*<fullName>(\w+)", text):
                members.setdefault("CustomField", []).append(f"{full}.{field}")
        else:
            members.setdefault(kinds[folder], []).append(full)
    types = "".join(
        f"<types>{''.join(f'<members>{m}</members>' for m in names)}<name>{kind}</name></types>"
        for kind, names in members.items()
    )
    manifest = f'<Package xmlns="{NS}">{types}<version>{version}</version></Package>'
    return raw_zip({"package.xml": manifest, **files})


def raw_zip(files: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name, text in files.items():
            target.writestr(name, text)
    return made.getvalue()


def fields(*texts: str) -> str:
    inside = "\n".join(f"<fields>\n{text}\n</fields>" for text in texts)
    return f'<CustomObject xmlns="{NS}">\n{inside}\n</CustomObject>'


def text_field(name: str = "Colour__c", *, more: str = "", length: str = "20") -> str:
    size = f"<length>{length}</length>" if length else ""
    return f"<fullName>{name}</fullName><label>Colour</label>{more}{size}<type>Text</type>"


def permission_set(*rights: str) -> str:
    inside = "".join(rights)
    return f'<PermissionSet xmlns="{NS}"><label>Some set</label>{inside}</PermissionSet>'


def right(place: str, *, editable: str = "true") -> str:
    return (
        f"<fieldPermissions><editable>{editable}</editable><field>{place}</field>"
        "<readable>true</readable></fieldPermissions>"
    )


def problems(found: Any) -> list[str]:
    return [str(each["problem"]) for each in found["details"]["componentFailures"]]


def names(org: Client, kind: str) -> set[str]:
    return {each["name"] for each in org.json("GET", f"/sobjects/{kind}/describe")["fields"]}


# --- the good case -------------------------------------------------------------------------------


def test_our_package_brings_what_was_not_there(org: Client) -> None:
    assert "Erp_Status__c" not in names(org, "Opportunity")
    assert org.call("GET", "/sobjects/Tieout_Invoice__c/describe").status == 404
    found = deploy(org, OURS)
    assert (found["status"], found["success"], found["checkOnly"]) == ("Succeeded", True, False)
    assert found["numberComponentErrors"] == 0
    assert found["numberComponentsDeployed"] == found["numberComponentsTotal"] == ALL
    assert {"Erp_Status__c", "Erp_Net__c"} <= names(org, "Opportunity")
    made = org.create("Tieout_Invoice__c", External_Id__c="a:1", Status__c="paid", Total__c=12)
    line = org.create("Tieout_Invoice_Line__c", External_Id__c="a:1:1", Tieout_Invoice__c=made)
    assert org.read("Tieout_Invoice__c", made)["Name"] == "TI-000001"
    rows = org.query("SELECT Id, (SELECT Id FROM Tieout_Invoice_Lines__r) FROM Tieout_Invoice__c")
    assert rows[0]["Tieout_Invoice_Lines__r"]["records"][0]["Id"] == line
    error = org.refused("POST", "/sobjects/Tieout_Invoice__c", {"Status__c": "open"})
    assert error["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"


def test_a_deployed_org_equals_one_that_had_the_package_from_the_start(org: Client) -> None:
    deploy(org, OURS)
    ready = Client(package=True)
    kinds = {place.split(".")[0] for place in metadata_package.field_names()}
    assert len(kinds) == 8
    for kind in kinds:
        mine, theirs = (one.sim.org.schema[kind] for one in (org, ready))
        assert dict(mine.fields) == dict(theirs.fields), kind
        ours = {child for child in mine.children if child.object in ready.sim.org.schema}
        later = {child for child in theirs.children if child.object not in org.sim.org.schema}
        assert ours == set(theirs.children) - later, kind
    # What differs is who may write: here the permission sets of the package decide.
    [tick] = [
        each
        for each in org.json("GET", "/sobjects/Contact/describe")["fields"]
        if each["name"] == "Billing_Contact__c"
    ]
    assert tick["updateable"] is False


def test_twice_is_as_once(org: Client) -> None:
    first = deploy(org, OURS)
    made = org.create("Tieout_Invoice__c", External_Id__c="a:1")
    second = deploy(org, OURS)
    assert all(each["created"] for each in first["details"]["componentSuccesses"])
    assert not any(each["created"] for each in second["details"]["componentSuccesses"])
    assert org.read("Tieout_Invoice__c", made)["External_Id__c"] == "a:1"


def test_time_passes_from_pending_to_done(org: Client) -> None:
    answer = post(org, OURS, {"singlePackage": True})
    told = answer.json()
    assert told["url"].endswith(f"{DATA}{PATH}/{told['id']}")
    assert told["deployOptions"]["rollbackOnError"] is True
    job = told["id"]
    assert job.startswith("0Af")
    first = result(org, job, details=False)
    assert (first["status"], first["done"], first["completedDate"]) == ("Pending", False, None)
    assert "details" not in first
    org.time.advance(0.3)
    assert result(org, job)["status"] == "InProgress"
    assert org.call("GET", "/sobjects/Tieout_Invoice__c/describe").status == 404
    org.time.advance(0.4)
    assert result(org, job)["status"] == "Succeeded"
    # The 15 characters that a screen shows do as well.
    assert result(org, job[:15])["id"] == job


def test_a_check_changes_nothing(org: Client) -> None:
    found = deploy(org, OURS, checkOnly=True)
    assert (found["status"], found["checkOnly"]) == ("Succeeded", True)
    assert found["numberComponentsTotal"] == ALL
    assert org.call("GET", "/sobjects/Tieout_Invoice__c/describe").status == 404


def test_rows_keep_what_was_in_them_and_keys_are_found(org: Client) -> None:
    account = org.create("Account", Name="Tallmo Skog AB")
    deploy(org, OURS)
    org.update("Account", account, Erp_Id__c="visma:1:customer:318")
    assert (
        org.json("GET", "/sobjects/Account/Erp_Id__c/visma%3A1%3Acustomer%3A318")["Id"] == account
    )
    other = org.create("Account", Name="Tallmo")
    error = org.refused(
        "PATCH", f"/sobjects/Account/{other}", {"Erp_Id__c": "VISMA:1:customer:318"}
    )
    assert error["errorCode"] == "DUPLICATE_VALUE"


# --- who sees it ---------------------------------------------------------------------------------


def test_a_field_without_a_permission_set_is_hidden(org: Client) -> None:
    deploy(org, packed({"objects/Account.object": fields(text_field())}))
    assert "Colour__c" not in names(org, "Account")
    error = org.refused("POST", "/sobjects/Account", {"Name": "A", "Colour__c": "red"})
    assert error["errorCode"] == "INVALID_FIELD"
    seen = permission_set(right("Account.Colour__c", editable="false"))
    deploy(org, packed({"permissionsets/Colours.permissionset": seen}))
    org.act("assign_permission_set", name="Colours")
    assert "Colour__c" in names(org, "Account")
    error = org.refused("POST", "/sobjects/Account", {"Name": "A", "Colour__c": "red"})
    assert error["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_the_package_is_hidden_from_who_does_not_have_its_permission_set(org: Client) -> None:
    deploy(org, OURS)
    org.act("assign_permission_set", name="Tieout_Integration", on=False)
    assert "Erp_Status__c" not in names(org, "Opportunity")
    assert org.call("GET", "/sobjects/Tieout_Invoice__c/describe").status == 404
    listed = org.json("GET", "/sobjects")["sobjects"]
    assert "Tieout_Invoice__c" not in {each["name"] for each in listed}
    [row] = org.query("SELECT Id FROM PermissionSet WHERE Name = 'Tieout_Reader'")
    user = org.query("SELECT Id FROM User WHERE Username LIKE 'integration%'")[0]["Id"]
    pair = {"AssigneeId": user, "PermissionSetId": row["Id"]}
    org.create("PermissionSetAssignment", **pair)
    seen = org.json("GET", "/sobjects/Opportunity/describe")["fields"]
    [status] = [each for each in seen if each["name"] == "Erp_Status__c"]
    assert (status["updateable"], status["createable"]) == (False, False)
    assert "Erp_Cost_Price__c" not in names(org, "Product2")


# --- the bad cases -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no zip", "could not be read"),
        (b"", "could not be read"),
        (OURS[: len(OURS) // 2], "could not be read"),
        (raw_zip({"objects/Account.object": fields(text_field())}), "No package.xml found"),
    ],
)
def test_a_zip_that_cannot_be_read(org: Client, data: bytes, message: str) -> None:
    found = deploy(org, data)
    assert (found["status"], found["success"]) == ("Failed", False)
    assert message in found["errorMessage"]
    assert found["details"]["componentFailures"] == []


ACCOUNT = "objects/Account.object"
SET = "permissionsets/Some.permissionset"
BROKEN = {
    "name": ({ACCOUNT: fields(text_field("Colour"))}, "The name Colour is not valid"),
    "long name": ({ACCOUNT: fields(text_field("C" * 41 + "__c"))}, "maximum length is:40"),
    "length": ({ACCOUNT: fields(text_field(length=""))}, "Must specify 'length'"),
    "too long": ({ACCOUNT: fields(text_field(length="300"))}, "from 1 to 255"),
    "type": (
        {ACCOUNT: fields("<fullName>A__c</fullName><label>A</label><type>Colour</type>")},
        "'Colour' is not a valid value for the enum 'FieldType'",
    ),
    "element": ({ACCOUNT: fields(text_field(more="<hue>1</hue>"))}, "hue invalid at this location"),
    "key": (
        {
            ACCOUNT: fields(
                "<fullName>A__c</fullName><label>A</label><externalId>true</externalId>"
                "<type>Date</type>"
            )
        },
        "Can not specify 'externalId' for a CustomField of type Date",
    ),
    "target": (
        {
            ACCOUNT: fields(
                "<fullName>A__c</fullName><label>A</label><referenceTo>Colour__c</referenceTo>"
                "<relationshipName>As</relationshipName><type>Lookup</type>"
            )
        },
        "referenceTo value of 'Colour__c' does not resolve to a valid sObject type",
    ),
    "relation": (
        {
            ACCOUNT: fields(
                *(
                    f"<fullName>{name}__c</fullName><label>A</label>"
                    "<referenceTo>Product2</referenceTo><relationshipName>As</relationshipName>"
                    "<type>Lookup</type>"
                    for name in "AB"
                )
            )
        },
        "There is already a Child Relationship named As on Product2.",
    ),
    "other type": (
        {ACCOUNT: fields(text_field("Buyer_Reference_Required__c"))},
        "Cannot update a field to a Text from something else",
    ),
    "object": ({"objects/Nothing.object": fields(text_field())}, "named 'Nothing' cannot be found"),
    "xml": ({ACCOUNT: fields(text_field()).replace("</type>", "</typ>")}, "Error parsing file"),
    "doctype": (
        {ACCOUNT: '<!DOCTYPE a [<!ENTITY b "c">]>' + fields(text_field())},
        "DOCTYPE is disallowed",
    ),
    "right": ({SET: permission_set(right("Account.Nothing__c"))}, "no CustomField named"),
    "depends": (
        {
            SET: permission_set(
                "<objectPermissions><allowEdit>true</allowEdit><allowRead>false</allowRead>"
                "<object>Account</object></objectPermissions>"
            )
        },
        "Permission Edit Account depends on permission(s): Read Account",
    ),
    "tab": (
        {"tabs/Colour__c.tab": f'<CustomTab xmlns="{NS}"><customObject>true</customObject>'
         "<motif>Custom1: Heart</motif></CustomTab>"},
        "no CustomObject named Colour__c found",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_platform_refuses_is_named_with_its_place(org: Client, name: str) -> None:
    files, message = BROKEN[name]
    found = deploy(org, packed(files))
    assert (found["status"], found["success"]) == ("Failed", False)
    assert any(message in text for text in problems(found)), problems(found)
    first = found["details"]["componentFailures"][0]
    assert first["fileName"] in files
    assert first["lineNumber"] >= 1
    assert first["problemType"] == "Error"
    assert found["numberComponentErrors"] == len(problems(found))


def test_a_right_on_a_required_field_is_refused(org: Client) -> None:
    files = dict(metadata_package.build().files)
    name = "permissionsets/Tieout_Reader.permissionset"
    text = files[name].decode()
    place = "Tieout_Invoice_Line__c.Tieout_Invoice__c"
    files[name] = text.replace("    <hasActivation", f"{right(place)}\n    <hasActivation").encode()
    found = deploy(org, raw_zip({key: value.decode() for key, value in files.items()}))
    assert problems(found) == [f"You cannot deploy to a required field: {place}"]
    assert org.call("GET", "/sobjects/Tieout_Invoice__c/describe").status == 404


def test_all_problems_are_told_at_once_and_nothing_is_changed(org: Client) -> None:
    bad = fields(text_field(length=""), text_field("Fine__c"), text_field("Bad", length="0"))
    found = deploy(org, packed({ACCOUNT: bad, SET: permission_set(right("Account.Fine__c"))}))
    assert found["status"] == "Failed"
    assert len({each["fullName"] for each in found["details"]["componentFailures"]}) == 2
    assert len(problems(found)) == 3
    assert found["numberComponentsDeployed"] == 0
    org.act("grant_view_all")
    with pytest.raises(KeyError):
        _ = org.sim.org.schema["Account"].fields["Fine__c"]


def test_without_rollback_what_is_good_stays(org: Client) -> None:
    bad = fields(text_field(length=""), text_field("Fine__c"))
    found = deploy(org, packed({ACCOUNT: bad}), rollbackOnError=False)
    assert (found["status"], found["success"]) == ("SucceededPartial", False)
    assert [each["fullName"] for each in found["details"]["componentSuccesses"]] == [
        "Account.Fine__c"
    ]
    assert "Fine__c" in org.sim.org.schema["Account"].fields


def test_the_manifest_and_the_zip_have_to_agree(org: Client) -> None:
    good = packed({ACCOUNT: fields(text_field())})
    with zipfile.ZipFile(io.BytesIO(good)) as opened:
        manifest = opened.read("package.xml").decode()
    missing = raw_zip({"package.xml": manifest})
    assert (
        "was named in package.xml, but was not found in zipped directory"
        in (problems(deploy(org, missing))[0])
    )
    more = {"package.xml": manifest, ACCOUNT: fields(text_field(), text_field("Other__c"))}
    found = deploy(org, raw_zip(more))
    assert found["status"] == "Failed"
    assert found["details"]["componentFailures"][0]["problemType"] == "Warning"
    assert deploy(org, raw_zip(more), ignoreWarnings=True)["status"] == "Succeeded"
    future = deploy(org, packed({ACCOUNT: fields(text_field())}, version="99.0"))
    assert problems(future) == ["Invalid version specified:99.0"]


@pytest.mark.parametrize(
    ("data", "options", "status", "code"),
    [
        (None, {"checkOnly": True}, 400, "INVALID_MULTIPART_REQUEST"),
        (OURS, None, 400, "INVALID_MULTIPART_REQUEST"),
        (OURS, "{not json", 400, "JSON_PARSER_ERROR"),
        (OURS, {"colour": True}, 400, "JSON_PARSER_ERROR"),
    ],
)
def test_a_request_in_another_form(
    org: Client, data: bytes | None, options: Any, status: int, code: str
) -> None:
    answer = post(org, data, options)
    assert (answer.status, answer.json()[0]["errorCode"]) == (status, code)


def test_other_refusals(org: Client) -> None:
    assert org.refused("POST", PATH, {"a": 1}, status=415)["errorCode"] == "UNSUPPORTED_MEDIA_TYPE"
    assert org.refused("GET", PATH, status=405)
    assert org.refused("GET", f"{PATH}/0Afxx0000000099", status=404)["errorCode"] == "NOT_FOUND"
    org.act("set_switch", name="metadata_rights", value=False)
    answer = post(org, OURS, {"singlePackage": True})
    assert (answer.status, answer.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS")
    org.token = "00Dxx!wrong"
    assert post(org, OURS, {}).status == 401


# --- cancelling and the list ---------------------------------------------------------------------


def test_a_waiting_deployment_is_cancelled_at_once(org: Client) -> None:
    job = start(org, OURS)
    wanted = {"deployResult": {"status": "Canceling"}}
    told = org.json("PATCH", f"{PATH}/{job}", wanted, status=202)["deployResult"]
    assert (told["status"], told["done"], told["success"]) == ("Canceled", True, False)
    org.time.advance(5)
    assert result(org, job)["status"] == "Canceled"
    assert org.call("GET", "/sobjects/Tieout_Invoice__c/describe").status == 404


def test_a_running_deployment_is_cancelled_soon(org: Client) -> None:
    job = start(org, OURS)
    org.time.advance(0.3)
    wanted = {"deployResult": {"status": "Canceling"}}
    told = org.json("PATCH", f"{PATH}/{job}", wanted, status=202)["deployResult"]
    assert (told["status"], told["done"]) == ("Canceling", False)
    org.time.advance(0.2)
    assert result(org, job)["status"] == "Canceled"
    error = org.refused("PATCH", f"{PATH}/{job}", wanted)
    assert error["message"] == "Deployment already completed"


def test_the_list_of_deployments(org: Client) -> None:
    first = start(org, OURS, checkOnly=True)
    org.time.advance(2)
    second = start(org, b"no zip")
    org.time.advance(2)

    def listed(where: str) -> list[Any]:
        columns = "Id, Status, CheckOnly, CreatedDate"
        statement = f"SELECT {columns} FROM DeployRequest{where} ORDER BY CreatedDate DESC LIMIT 50"
        return list(org.json("GET", f"/tooling/query?q={quote(statement)}")["records"])

    assert [(row["Id"], row["Status"]) for row in listed("")] == [
        (second, "Failed"),
        (first, "Succeeded"),
    ]
    assert [row["Id"] for row in listed(" WHERE CheckOnly = true")] == [first]
    user = org.query("SELECT Id FROM User WHERE Username LIKE 'integration%'")[0]["Id"]
    assert len(listed(f" WHERE CreatedById = '{user}'")) == 2
    assert listed(" WHERE CreatedById = '005xx0000000001'") == []
    error = org.refused("GET", f"/tooling/query?q={quote('SELECT Id FROM ApexClass')}")
    assert error["errorCode"] == "MALFORMED_QUERY"


# --- the state file ------------------------------------------------------------------------------


def test_a_deployed_org_is_the_same_in_a_second_process(tmp_path: Path) -> None:
    path = tmp_path / "state"
    org = Client(package=False, state_file=path)
    deploy(org, OURS)
    made = org.create("Tieout_Invoice__c", External_Id__c="a:1", Net__c=12)
    job = start(org, packed({ACCOUNT: fields(text_field())}))
    org.sim.close()
    time = StillClock()
    time.advance(30)
    again = SalesforceSimulator(
        clock=SandboxClock(time, start=START), state_file=path, package=False
    )
    assert made in again.org.tables["Tieout_Invoice__c"].rows
    assert again.org.visible("Tieout_Invoice__c") is not None
    again.settle()
    assert "Colour__c" in again.org.schema["Account"].fields
    assert again.api.metadata.state()[-1]["id"] == job
    third = SalesforceSimulator(clock=SandboxClock(time, start=START), state_file=path)
    third.settle()
    assert third.state() == again.state()
    again.close()
    third.close()


def test_a_reset_takes_the_package_away_again(org: Client) -> None:
    deploy(org, OURS)
    assert org.raw("POST", "/_sandbox/reset").status == 200
    org.token = org.sign_in()
    assert "Erp_Status__c" not in names(org, "Opportunity")


def test_another_system_has_no_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "visma_eaccounting", "--with-package"]) == 2
    assert "leave out --with-package" in capsys.readouterr().err
