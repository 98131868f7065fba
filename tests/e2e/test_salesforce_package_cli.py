"""`tieout salesforce`: the package into a served org, in good, bad and empty cases."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest
from admin_kit import Answer, Program, Simulator, open_folder, served

from support import loaded
from tieout.connectors.http import tokens
from tieout.services import salesforce_package
from tieout.store.embedded import EmbeddedServer

Capture = pytest.CaptureFixture[str]
DEPLOY = "/services/data/v68.0/metadata/deployRequest"
# The counts of the whole package, and of one object's fields with what points at it.
WHOLE = salesforce_package.build()
ALL, FIELDS = len(WHOLE.components), WHOLE.count("CustomField")
ON_A_DEAL = 21
COUNTED = "/services/data/v{version}/metadata/deployRequest"
NS = "http://soap.sforce.com/2006/04/metadata"


@pytest.fixture(scope="module")
def salesforce() -> Iterator[Simulator]:
    with served("salesforce", "--size", "2") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIEOUT_TEST_NOT_DURABLE", "1")
    monkeypatch.setenv("TIEOUT_ACTOR", "anna.lind")
    for name in ("TIEOUT_PROJECT", "TIEOUT_DATABASE_URL", "TIEOUT_KEY", "TIEOUT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", (tmp_path / "nothing").open("w+"))
    # A reset of the org ends the session, and the next command would wait for this lease.
    monkeypatch.setattr(tokens, "_LEASE_S", 1)


@pytest.fixture(scope="module")
def made(home: Path, salesforce: Simulator) -> Iterator[Path]:
    """A project with a connection to a bare org, made once; its database runs meanwhile."""
    known = salesforce.credentials
    environment = {**os.environ, "TIEOUT_TEST_NOT_DURABLE": "1", "SF_KEY": known["private_key"]}
    for words, code in (
        (("init", "nordic"), 0),
        (
            (
                *("--project", "nordic", "connection", "add", "salesforce", "--name", "crm"),
                *("--client-id", known["client_id"], "--user", known["username"]),
                *("--secret-env", "SF_KEY", "--base-url", salesforce.base_url),
            ),
            4,
        ),
    ):
        done, out, err = loaded.run(
            "tieout", words, folder=home, environment=environment, stdin="", timeout=120
        )
        assert done == code, out + err
    with EmbeddedServer(home / "nordic" / ".tieout", durable=False):
        yield home / "nordic"


@pytest.fixture
def tieout(made: Path, salesforce: Simulator, capsys: Capture) -> Program:
    salesforce.reset()
    return Program(made, capsys)


def deployments(simulator: Simulator) -> int:
    """How many requests for a deployment the org has taken in."""
    with urlopen(f"{simulator.base_url}/_sandbox/calls", timeout=30) as answer:
        calls = json.loads(answer.read())
    found = calls.get(f"POST {COUNTED}", {})
    return sum(found.values())


def fields(simulator: Simulator, kind: str) -> set[str]:
    return set(simulator.records(kind)[0])


def activity(project: Path) -> list[dict[str, Any]]:
    """Everything that the activity log says of deployments, oldest first."""
    from tieout.bootstrap import SystemClock, open_project
    from tieout.services.project import find_project

    async def read() -> list[dict[str, Any]]:
        async with open_project(find_project(str(project)), SystemClock()) as opened:
            rows = await opened.do(
                lambda tx: tx.rows(
                    "SELECT entries FROM activity WHERE workspace = %(ws)s ORDER BY seq"
                )
            )
        return [entry for (entries,) in rows for entry in msgspec.json.decode(bytes(entries))]

    kinds = ("metadata_deploy", "permission_set")
    return [each for each in asyncio.run(read()) if each["kind"].startswith(kinds)]


def packed(text: str, *, kind: str, name: str, path: str) -> bytes:
    manifest = (
        f'<Package xmlns="{NS}"><types><members>{name}</members><name>{kind}</name></types>'
        "<version>62.0</version></Package>"
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        target.writestr("package.xml", manifest)
        target.writestr(path, text)
    return made.getvalue()


# --- the good case --------------------------------------------------------------------------------


def test_doctor_misses_the_package_until_it_is_deployed(
    tieout: Program, salesforce: Simulator
) -> None:
    before = tieout("doctor", "--json").object
    missed = [each for each in before["findings"] if each["code"] == "field_missing"]
    assert {each["place"] for each in missed} == {"Account", "Opportunity"}
    assert before["next"][0] == "tieout salesforce deploy crm"
    assert "Erp_Synced_At__c" in missed[0]["values"]["fields"]
    [lists] = [each for each in before["findings"] if each["code"] == "object_missing"]
    assert lists["message"].startswith("crm: Tieout_Invoice__c and Tieout_Invoice_Line__c cannot")

    checked = tieout("salesforce", "deploy", "crm", "--check-only")
    assert checked.code == 0, checked.err
    assert checked.out.startswith(f"would be deployed  {ALL} components to Nordljus Konsult (00D")
    assert checked.err == "Nothing was changed. Next: tieout salesforce deploy crm\n"
    assert "Erp_Status__c" not in fields(salesforce, "Account")

    done = tieout("salesforce", "deploy", "crm")
    assert done.code == 0, done.err
    assert done.out.startswith(f"deployed  {ALL} components to Nordljus Konsult (00D")
    assert f", {ALL} of them new, " in done.out
    assert done.err == "Next: tieout connection test crm\n"
    assert {"Erp_Status__c", "Ar_Balance__c", "Vat_Number__c"} <= fields(salesforce, "Account")

    assert tieout("connection", "test", "crm").code == 0
    after = tieout("doctor", "--json").object
    assert not [e for e in after["findings"] if e["code"] in ("field_missing", "object_missing")]
    assert deployments(salesforce) == 2


def test_one_object_for_each_answer(tieout: Program, salesforce: Simulator) -> None:
    told = tieout("salesforce", "deploy", "crm", "--json").object
    assert told["schema"] == "tieout.salesforce_deploy/1"
    data = told["data"]
    assert (data["state"], data["check_only"], data["found_in_list"]) == ("succeeded", False, False)
    assert data["components"] == {"total": ALL, "deployed": ALL, "new": ALL, "refused": 0}
    assert data["permission_set_assigned"] is True
    assert data["deployment"].startswith("0Af")
    assert data["errors"] == []
    assert data["package"]["components"]["CustomField"] == FIELDS

    again = tieout("salesforce", "deploy", "crm", "--json").object["data"]
    assert again["components"]["new"] == 0
    assert again["package"]["sha256"] == data["package"]["sha256"]


def test_the_activity_log_has_it_before_and_after(
    tieout: Program, made: Path, salesforce: Simulator
) -> None:
    known = len(activity(made))
    told = tieout("salesforce", "deploy", "crm", "--json").object["data"]
    kinds = ["metadata_deploy_started", "metadata_deploy_accepted", "metadata_deploy_ended"]
    started, accepted, ended = activity(made)[known:]
    assert [each["kind"] for each in (started, accepted, ended)] == kinds
    assert started["sha256"] == told["package"]["sha256"]
    assert (started["connection"], started["org"]) == ("crm", told["org"]["id"])
    assert accepted["deployment"] == ended["deployment"] == told["deployment"]
    assert (ended["state"], ended["deployed"], ended["refused"]) == ("succeeded", ALL, 0)
    assert tieout("log", "verify").code == 0


def test_a_zip_is_built_for_an_administrator(tieout: Program, salesforce: Simulator) -> None:
    done = tieout("salesforce", "package", "--out", "tieout.zip")
    assert done.code == 0
    first, second = done.out.splitlines()
    assert first.startswith(f"tieout.zip: 2 objects, {FIELDS} fields, 3 permission sets, ")
    data = (tieout.folder / "tieout.zip").read_bytes()
    told = tieout("salesforce", "package", "--out", "tieout.zip", "--json").object["data"]
    assert second == f"sha256 {told['sha256']}"
    assert (tieout.folder / "tieout.zip").read_bytes() == data
    deployed = tieout("salesforce", "deploy", "crm", "--file", "tieout.zip", "--json").object
    assert deployed["data"]["package"]["sha256"] == told["sha256"]
    small = tieout("salesforce", "package", "--without", "Order", "--without", "Quote", "--json")
    assert small.object["data"]["without"] == ["Order", "Quote"]
    assert small.object["data"]["components"]["CustomField"] == FIELDS - 2 * ON_A_DEAL - 1


def test_what_the_org_has_switched_off_is_left_out(tieout: Program, salesforce: Simulator) -> None:
    salesforce.post("actions/hide_object", object="Quote")
    done = tieout("salesforce", "deploy", "crm")
    assert done.code == 0
    assert f"deployed  {ALL - ON_A_DEAL} components" in done.out
    assert "miss      Quote is switched off in the org, or hidden from" in done.out


# --- the permission set ---------------------------------------------------------------------------


def test_a_user_without_the_permission_set_is_told_and_gets_it(
    tieout: Program, made: Path, salesforce: Simulator
) -> None:
    tieout("salesforce", "deploy", "crm")
    salesforce.post("actions/assign_permission_set", name="Tieout_Integration", on=False)
    told = tieout("connection", "test", "crm", "--json").object
    [missing] = [each for each in told["findings"] if each["code"] == "permission_set_missing"]
    assert (missing["severity"], missing["place"]) == ("error", "Tieout_Integration")
    assert missing["hint"] == "tieout salesforce deploy crm --assign"

    again = tieout("salesforce", "deploy", "crm")
    assert again.code == 0
    assert "miss      The user of crm does not have the permission set" in again.out
    assert again.err.endswith("Next: tieout salesforce deploy crm --assign\n")

    known = len(activity(made))
    given = tieout("salesforce", "deploy", "crm", "--assign", "--json").object
    assert given["data"]["permission_set_assigned"] is True
    assert [each["kind"] for each in activity(made)[known:]][-2:] == [
        "permission_set_assigning",
        "permission_set_assigned",
    ]
    assert tieout("connection", "test", "crm").code == 0
    assert len(salesforce.records("PermissionSetAssignment")) == 2  # the one taken away, and this


# --- what the org refuses -------------------------------------------------------------------------


def test_every_refusal_is_listed_with_its_place(tieout: Program, salesforce: Simulator) -> None:
    for kind, name in (("Account", "Erp_Status__c"), ("Opportunity", "Erp_Overdue__c")):
        shape = {"Account": "boolean", "Opportunity": "string:20"}[kind]
        salesforce.post("actions/create_field", object=kind, field=name, type=shape)
    refused = tieout("salesforce", "deploy", "crm")
    assert refused.code == 3
    lines = refused.out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "refused   CustomField Account.Erp_Status__c: Cannot update a field to a Text from "
        "something else (objects/Account.object, line "
    )
    assert "Opportunity.Erp_Overdue__c" in lines[1]
    assert "refuses 2 components. Nothing was changed in the org." in refused.err
    assert "Erp_Synced_At__c" not in fields(salesforce, "Account")

    told = tieout("salesforce", "deploy", "crm", "--check-only", "--json").object
    assert told["error"]["code"] == "deploy_refused"
    assert told["data"]["state"] == "refused"
    first = told["data"]["errors"][0]
    assert (first["type"], first["name"]) == ("CustomField", "Account.Erp_Status__c")
    assert first["line"] > 1
    assert first["file"] == "objects/Account.object"
    assert [each["code"] for each in told["findings"]] == ["deploy_refused"] * 2


def test_a_zip_that_is_none_is_not_sent(tieout: Program, salesforce: Simulator) -> None:
    tieout.write("bad.zip", b"this is no zip")
    bad = tieout("salesforce", "deploy", "crm", "--file", "bad.zip", "--json").object
    assert (bad["exit_code"], bad["error"]["code"]) == (3, "package_broken")
    missing = tieout("salesforce", "deploy", "crm", "--file", "nothing.zip", "--json").object
    assert (missing["exit_code"], missing["error"]["code"]) == (2, "file_unreadable")
    assert deployments(salesforce) == 0


def test_a_zip_that_the_org_does_not_understand(tieout: Program, salesforce: Simulator) -> None:
    text = f'<CustomObject xmlns="{NS}"><fields><fullName>A__c</fullName></fields></CustomObject>'
    data = packed(text, kind="CustomField", name="Account.A__c", path="objects/Account.object")
    tieout.write("odd.zip", data)
    told = tieout("salesforce", "deploy", "crm", "--file", "odd.zip", "--json").object
    assert (told["exit_code"], told["data"]["state"]) == (3, "refused")
    assert len(told["data"]["errors"]) == 2
    tieout.write("gone.zip", packed(text, kind="Layout", name="Gone-Gone", path="objects/B.object"))
    lost = tieout("salesforce", "deploy", "crm", "--file", "gone.zip")
    assert lost.code == 3
    assert "was named in package.xml, but was not found in zipped directory" in lost.out


def test_a_user_without_the_right(tieout: Program, salesforce: Simulator) -> None:
    salesforce.post("actions/set_switch", name="metadata_rights", value=False)
    told = tieout("salesforce", "deploy", "crm", "--json").object
    assert (told["exit_code"], told["error"]["code"]) == (4, "rights_missing")
    assert "Modify Metadata" in told["error"]["message"]


# --- trouble on the way ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_after_commit", "garbage", "truncated"])
def test_a_lost_answer_is_looked_for_and_not_sent_again(
    tieout: Program, salesforce: Simulator, kind: str
) -> None:
    salesforce.post("faults", method="POST", path=DEPLOY, kind=kind)
    told = tieout("salesforce", "deploy", "crm", "--json").object
    assert told["exit_code"] == 0, told
    assert told["data"]["found_in_list"] is True
    assert told["data"]["components"]["deployed"] == ALL
    assert deployments(salesforce) == 1
    assert "Erp_Status__c" in fields(salesforce, "Account")


def test_nothing_in_the_list_is_unknown_and_not_sent_again(
    tieout: Program, made: Path, salesforce: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salesforce_package, "_LOOKS_S", (0.1, 0.1))
    salesforce.post("faults", method="POST", path=DEPLOY, kind="drop_before")
    told = tieout("salesforce", "deploy", "crm", "--json").object
    assert (told["exit_code"], told["error"]["code"]) == (9, "outcome_unknown")
    assert (told["data"]["state"], told["data"]["deployment"]) == ("unknown", None)
    assert deployments(salesforce) == 1
    assert activity(made)[-1]["kind"] == "metadata_deploy_accepted"
    assert activity(made)[-1]["deployment"] == ""


def test_one_that_still_runs_is_followed_instead_of_a_second_one(
    tieout: Program, salesforce: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salesforce_package, "_LOOKS_S", (0.1,))
    salesforce.post("actions/set_switch", name="deploy_ms", value=4000)
    salesforce.post("faults", method="POST", path=DEPLOY, kind="commit_late", seconds=0.5)
    assert tieout("salesforce", "deploy", "crm").code == 9
    time.sleep(0.6)
    busy = tieout("salesforce", "deploy", "crm", "--json").object
    assert (busy["exit_code"], busy["error"]["code"]) == (7, "deploy_under_way")
    [command] = busy["next"]
    words = command.split()[1:]
    assert words[:4] == ["salesforce", "deploy", "crm", "--resume"]
    followed = tieout(*words, "--json").object
    assert followed["exit_code"] == 0, followed
    assert followed["data"]["components"]["deployed"] == ALL
    assert deployments(salesforce) == 1
    other = tieout("salesforce", "deploy", "crm", "--resume", "0Afxx0000000099CAA", "--json").object
    assert (other["exit_code"], other["error"]["code"]) == (3, "deployment_unknown")


def test_an_org_that_falls_silent_is_asked_again_later(
    tieout: Program, made: Path, salesforce: Simulator
) -> None:
    salesforce.post("faults", method="GET", path=f"{DEPLOY}/*", kind="status", status=503, times=4)
    told = tieout("salesforce", "deploy", "crm", "--json").object
    assert (told["exit_code"], told["data"]["state"]) == (9, "unknown")
    assert activity(made)[-1]["state"] == "unknown"
    [command] = told["next"]
    assert command == f"tieout salesforce deploy crm --resume {told['data']['deployment']}"
    followed = tieout(*command.split()[1:])
    assert followed.code == 0
    assert followed.out.startswith(f"deployed  {ALL} components")
    assert deployments(salesforce) == 1


def test_a_session_that_ends_meanwhile_is_renewed(tieout: Program, salesforce: Simulator) -> None:
    salesforce.post("faults", method="GET", path=f"{DEPLOY}/*", kind="token_expired")
    assert tieout("salesforce", "deploy", "crm").code == 0
    assert deployments(salesforce) == 1


def test_a_withdrawn_sign_in_while_it_runs(tieout: Program, salesforce: Simulator) -> None:
    salesforce.post("actions/set_switch", name="deploy_ms", value=3000)
    salesforce.post("faults", method="GET", path=f"{DEPLOY}/*", kind="token_expired", times=9)
    told = tieout("salesforce", "deploy", "crm", "--json").object
    assert (told["exit_code"], told["error"]["code"]) == (4, "sign_in_withdrawn")
    assert "goes on in the org." in told["error"]["message"]
    assert deployments(salesforce) == 1


def test_a_withdrawn_sign_in_before_it(tieout: Program, salesforce: Simulator) -> None:
    salesforce.post("actions/set_switch", name="user_approved", value=False)
    salesforce.post("actions/expire_sessions")
    told = tieout("salesforce", "deploy", "crm", "--json").object
    assert told["exit_code"] == 4, told
    assert deployments(salesforce) == 0
    salesforce.post("actions/set_switch", name="user_approved", value=True)
    known = salesforce.credentials
    tieout.write("key.pem", known["private_key"])
    words = ("--client-id", known["client_id"], "--user", known["username"])
    renewed = tieout("connection", "rotate", "crm", *words, "--secret-file", "key.pem")
    assert renewed.code == 0, renewed.err


def test_ctrl_c_cancels_it_in_the_org(tieout: Program, made: Path, salesforce: Simulator) -> None:
    salesforce.post("actions/set_switch", name="deploy_ms", value=20_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "tieout.cli.main", "salesforce", "deploy", "crm", "--json"],
        cwd=made,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    ends = time.monotonic() + 60
    while not deployments(salesforce):
        assert time.monotonic() < ends, "nothing was started"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    answer = Answer(process.returncode, out, err)
    assert answer.code == 130, out + err
    assert answer.object["data"]["state"] == "cancelled"
    assert answer.object["error"]["code"] == "deploy_cancelled"
    assert activity(made)[-1]["state"] == "cancelled"
    salesforce.post("clock", advance_s=60)
    assert "Erp_Status__c" not in fields(salesforce, "Account")


# --- used wrongly ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("deploy",), 2, "usage"),
        (("deploy", "nobody"), 3, "connection_missing"),
        (("deploy", "crm", "--resume", "0Af", "--check-only"), 2, "usage"),
        (("package", "--without", "Account"), 2, "usage"),
        (("package", "--out", "no/such/folder/a.zip"), 2, "file_unwritable"),
    ],
)
def test_used_wrongly(tieout: Program, words: tuple[str, ...], exit_code: int, code: str) -> None:
    told = tieout("salesforce", *words, "--json").object
    assert (told["exit_code"], told["error"]["code"]) == (exit_code, code)
