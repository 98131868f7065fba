"""Clients that others wrote, over a socket: what they take for granted has to be there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceExpiredSession, SalesforceMalformedRequest
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

from tieout_sandbox.salesforce import credentials

KNOWN = credentials()


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """The address of a simulator that runs as a process of its own."""
    command = [sys.executable, "-m", "tieout_sandbox", "serve", "salesforce"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--size", "130", "--json", "--with-package"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["base_url"])
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


class _Redirected(HTTPAdapter):
    """Sends what is meant for any https host to the simulator, as plain http."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = urlsplit(base)

    def send(self, request: Any, *arguments: Any, **named: Any) -> Any:
        parts = urlsplit(request.url)
        request.url = urlunsplit(("http", self._base.netloc, parts.path, parts.query, ""))
        return super().send(request, *arguments, **named)


@pytest.fixture
def session(base: str) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.mount("https://", _Redirected(base))
        yield session


@pytest.fixture
def client(session: requests.Session) -> Salesforce:
    """simple-salesforce, signed in with user, password and token over SOAP."""
    return Salesforce(
        username=KNOWN["username"],
        password=KNOWN["password"],
        security_token=KNOWN["security_token"],
        session=session,
    )


def test_it_signs_in_by_soap_and_by_key(client: Salesforce, session: requests.Session) -> None:
    assert client.auth_type == "password"
    assert client.session_id
    by_key = Salesforce(
        username=KNOWN["username"],
        consumer_key=KNOWN["client_id"],
        privatekey=KNOWN["private_key"],
        session=session,
    )
    assert by_key.query("SELECT Id FROM Organization")["totalSize"] == 1
    by_secret = Salesforce(
        consumer_key=KNOWN["client_id"],
        consumer_secret=KNOWN["client_secret"],
        domain="sandbox.my",
        session=session,
    )
    assert by_secret.query("SELECT Id FROM Organization")["totalSize"] == 1


def test_a_wrong_password_is_refused(session: requests.Session) -> None:
    with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
        Salesforce(username=KNOWN["username"], password="no", security_token="", session=session)


def test_it_queries_page_by_page(client: Salesforce) -> None:
    statement = "SELECT Id, Name, Account.Name FROM Opportunity ORDER BY Id"
    whole = client.query_all(statement)
    assert whole["totalSize"] == len(whole["records"]) > 200
    page = client.query(statement, headers={"Sforce-Query-Options": "batchSize=200"})
    assert page["done"] is False
    rest = client.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    joined = page["records"] + rest["records"]
    assert [each["Id"] for each in joined] == [each["Id"] for each in whole["records"]]
    lazy = list(client.query_all_iter(statement))
    assert len(lazy) == whole["totalSize"]


def test_it_describes(client: Salesforce) -> None:
    names = {each["name"] for each in client.describe()["sobjects"]}
    assert {"Account", "Opportunity", "Tieout_Invoice__c"} <= names
    fields = {each["name"]: each for each in client.Opportunity.describe()["fields"]}
    assert fields["Name"]["length"] == 120
    assert client.Account.metadata()["objectDescribe"]["keyPrefix"] == "001"
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].total == 100_000


def test_it_writes_rows(client: Salesforce) -> None:
    made = client.Account.create({"Name": "By a stranger"})
    assert made["success"] is True
    assert client.Account.get(made["id"])["Name"] == "By a stranger"
    assert client.Account.update(made["id"], {"Phone": "1"}) == 204
    key = "Erp_Id__c/stranger%2F1"
    assert client.Account.upsert(key, {"Name": "Upserted"}) == 201
    assert client.Account.upsert(key, {"Name": "Upserted"}) == 200
    found = client.Account.get_by_custom_id("Erp_Id__c", "stranger/1")
    assert client.Account.delete(found["Id"]) == 204
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.Account.create({"Phone": "1"})
    assert caught.value.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"


@pytest.mark.slow
def test_it_loads_and_reads_in_bulk(client: Salesforce) -> None:
    records = [{"Name": f"Bulk {n}", "Erp_Id__c": f"bulk-{n}"} for n in range(3)]
    done = client.bulk2.Account.upsert(records=records, external_id_field="Erp_Id__c")
    assert [(job["numberRecordsProcessed"], job["numberRecordsFailed"]) for job in done] == [(3, 0)]
    created = client.bulk2.Account.get_successful_records(done[0]["job_id"])
    assert created.count("true") == 3
    pages = list(client.bulk2.Account.query("SELECT Name FROM Account WHERE Name LIKE 'Bulk%'"))
    assert "".join(pages).count("Bulk ") == 3


def test_it_meets_an_ended_session(base: str, client: Salesforce) -> None:
    requests.post(f"{base}/_sandbox/actions/expire_sessions", json={}, timeout=5)
    direct = Salesforce(session_id=client.session_id, instance="x", session=client.session)
    with pytest.raises(SalesforceExpiredSession):
        direct.query("SELECT Id FROM Account")


_SCRIPT = """
const jsforce = require('jsforce');
(async () => {
  const [base, user, password] = process.argv.slice(2);
  const conn = new jsforce.Connection({ loginUrl: base, version: '59.0' });
  const who = await conn.login(user, password);
  const made = await conn.sobject('Account').create({ Name: 'By jsforce' });
  const ups = await conn.sobject('Account').upsert(
    [{ Erp_Id__c: 'js-1', Name: 'One' }, { Erp_Id__c: 'js-2', Name: 'Two' }], 'Erp_Id__c');
  const rows = await conn.query("SELECT Id, Name FROM Account WHERE Name = 'By jsforce'");
  const found = [];
  const all = conn.query('SELECT Id FROM Opportunity');
  all.on('record', (each) => found.push(each.Id));
  await all.run({ autoFetch: true, maxFetch: 10000 });
  const desc = await conn.sobject('Opportunity').describe();
  const gone = await conn.sobject('Account').destroy(made.id);
  console.log(JSON.stringify({ user: who.id, made, ups, rows: rows.totalSize,
    found: found.length, fields: desc.fields.length, gone }));
})().catch((error) => { console.error(error); process.exit(1); });
"""


def test_jsforce_works_too(base: str, tmp_path: Path) -> None:
    """`TIEOUT_JSFORCE` names a folder with jsforce in its node_modules."""
    folder, node = os.environ.get("TIEOUT_JSFORCE"), shutil.which("node")
    if not folder or node is None or not (Path(folder) / "node_modules" / "jsforce").is_dir():
        pytest.skip("TIEOUT_JSFORCE does not name a folder with jsforce, or node is absent")
    script = tmp_path / "trial.cjs"
    script.write_text(_SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [node, str(script), base, KNOWN["username"], KNOWN["password"] + KNOWN["security_token"]],
        env={**os.environ, "NODE_PATH": str(Path(folder) / "node_modules")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["made"]["success"] is True
    assert [each["success"] for each in seen["ups"]] == [True, True]
    assert seen["rows"] == 1
    assert seen["found"] > 200
    assert seen["fields"] > 40
    assert seen["gone"]["success"] is True
