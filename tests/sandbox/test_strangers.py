"""
Clients that others published, unchanged, against the served simulators.

They are no part of this project's environment: two are years old and want libraries of their time.
`TIEOUT_CLIENTS` names a Python that has them (CONTRIBUTING says how one is made); without it these
tests skip. `simple-salesforce` is kept up and is tested always (test_salesforce_clients.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tieout_sandbox.kit.registry import credentials
from tieout_sandbox.visma_eaccounting import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

CLIENTS = os.environ.get("TIEOUT_CLIENTS", "")
pytestmark = pytest.mark.skipif(not CLIENTS, reason="TIEOUT_CLIENTS names no Python with clients")

# The vendor's address stands in the client: what it sends there goes to the simulator.
TAP_WEBCRM = """
import json, sys
from urllib.parse import urlsplit, urlunsplit
from requests.adapters import HTTPAdapter
from tap_webcrm.client import WebCRM

base, token = sys.argv[1:]

class Redirected(HTTPAdapter):
    def send(self, request, **options):
        asked, there = urlsplit(request.url), urlsplit(base)
        request.url = urlunsplit((there.scheme, there.netloc, asked.path, asked.query, ""))
        return super().send(request, **options)

client = WebCRM(token)
client._WebCRM__session.mount("https://", Redirected())
told = {}
for name in ("organisation", "opportunity", "delivery", "person", "activity"):
    told[name] = len(list(getattr(client, f"query_{name}")()))
for name in ("persons", "opportunities", "organisations"):
    told[name] = len(list(getattr(client, f"list_{name}")()))
print(json.dumps(told))
"""
AIOSALESFORCE = """
import asyncio, json, sys
import httpx
from aiosalesforce import Salesforce
from aiosalesforce.auth import ClientCredentialsFlow

base, client_id, client_secret = sys.argv[1:]

class Redirected(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request):
        there = httpx.URL(base)
        request.url = request.url.copy_with(scheme="http", host=there.host, port=there.port)
        return await super().handle_async_request(request)

async def main():
    async with httpx.AsyncClient(transport=Redirected()) as client:
        auth = ClientCredentialsFlow(client_id=client_id, client_secret=client_secret)
        org = Salesforce(client, base_url="https://nordljus.my.salesforce.com", auth=auth)
        query = "SELECT Id FROM Account WHERE Name != 'Third AB'"
        before = len([row async for row in org.query(query)])
        made = await org.sobject.create("Account", {"Name": "Third AB"})
        await org.sobject.update("Account", made, {"BillingCity": "Umeå"})
        found = json.loads(json.dumps(await org.sobject.get("Account", made), default=str))
        await org.sobject.delete("Account", made)
        after = [row async for row in org.query("SELECT Id FROM Account WHERE Name = 'Third AB'")]
        print(json.dumps([before, found["BillingCity"], len(after)]))

asyncio.run(main())
"""
VISMA = """
import datetime, json, os, sys, tempfile

base, client_id, client_secret, refresh_token = sys.argv[1:]
path = os.path.join(tempfile.mkdtemp(), "tokens.json")
with open(path, "w") as file:
    stale = {"access_token": "x", "expires": "2000-01-01T00:00:00+00:00"}
    json.dump({**stale, "refresh_token": refresh_token}, file)
os.environ["VISMA_API_CLASS"] = "visma.api.VismaAPI"
os.environ["VISMA_API_CLIENT_ID"] = client_id
os.environ["VISMA_API_CLIENT_SECRET"] = client_secret
os.environ["VISMA_API_TOKEN_PATH"] = path
from visma.api import VismaAPI

VismaAPI.API_URL, VismaAPI.TOKEN_URL = f"{base}/v2", f"{base}/connect/token"
from visma import models

told = {}
for name in ("TermsOfPayment", "Currency", "Country"):
    told[name] = sum(1 for _ in getattr(models, name).objects.all())
with open(path) as file:
    told["renewed"] = json.load(file)["refresh_token"] != refresh_token
print(json.dumps(told))
"""


@contextmanager
def served(system: str) -> Iterator[str]:
    """The address of a simulator in a process of its own."""
    command = [sys.executable, "-m", "tieout_sandbox", "serve", system, "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--size", "130"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["base_url"])
    finally:
        process.terminate()
        process.wait(timeout=20)
        if process.stdout is not None:
            process.stdout.close()


def told_by(script: str, *words: str) -> Any:
    """What the client's script prints, run by the Python that has the client."""
    done = subprocess.run(
        [CLIENTS, "-c", script, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_tap_webcrm_reads_what_there_is_page_after_page() -> None:
    """By the query endpoint and by lists, with its own sign-in by an application token."""
    with served("webcrm") as base:
        told = told_by(TAP_WEBCRM, base, credentials("webcrm")["application_token"])
    assert told["organisation"] == told["organisations"] == 130
    assert told["opportunity"] == told["opportunities"] > 100
    assert told["person"] == told["persons"] >= 130
    assert told["delivery"] > 100


def test_aiosalesforce_makes_changes_and_deletes() -> None:
    """By client credentials; what was deleted is not found again."""
    known = credentials("salesforce")
    with served("salesforce") as base:
        told = told_by(AIOSALESFORCE, base, known["client_id"], known["client_secret"])
    assert told == [130, "Umeå", 0]


def test_visma_renews_its_sign_in_and_walks_the_pages_of_lists() -> None:
    """A client of 2018: its models refuse fields that came since; these lists have got none."""
    with served("visma_eaccounting") as base:
        told = told_by(VISMA, base, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN)
    assert told.pop("renewed") is True
    assert told["Country"] > 200
    assert told["TermsOfPayment"] > 3
