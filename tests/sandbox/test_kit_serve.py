"""The served form and its command, as a stranger meets them: over a socket, in another process."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tieout_sandbox.kit import cli

CREDENTIALS_COMMAND = ["credentials", "visma_eaccounting", "--json"]


class Served:
    def __init__(self, process: subprocess.Popen[str], where: dict[str, Any]) -> None:
        self.process = process
        self.where = where
        self.port = int(where["base_url"].rpartition(":")[2])

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            raw = body if isinstance(body, str | None) else json.dumps(body)
            connection.request(method, path, body=raw, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text
        finally:
            connection.close()

    def sign_in(self, known: dict[str, str]) -> dict[str, str]:
        form = urllib.parse.urlencode(
            {
                "grant_type": "refresh_token",
                "refresh_token": known["refresh_token"],
                "client_id": known["client_id"],
                "client_secret": known["client_secret"],
            }
        )
        status, answer = self.send("POST", known["token_path"], form)
        assert status == 200, answer
        return {"Authorization": f"Bearer {answer['access_token']}"}


@contextmanager
def served(*options: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "tieout_sandbox", "serve", "visma_eaccounting", "--json"]
    process = subprocess.Popen(
        [*command, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Served(process, json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def known_credentials(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert cli.run(CREDENTIALS_COMMAND) == 0
    known: dict[str, str] = json.loads(capsys.readouterr().out)
    return known


def test_first_line_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    known = known_credentials(capsys)
    with served("--clock", "2026-11-25T09:00:00Z") as sim:
        assert sim.where["system"] == "visma_eaccounting"
        assert sim.where["base_url"].startswith("http://127.0.0.1:")
        assert sim.where["token_url"] == sim.where["base_url"] + known["token_path"]
        assert sim.where["pid"] == sim.process.pid
        assert sim.send("GET", "/_sandbox/health")[0] == 200
        assert sim.send("GET", "/_sandbox/clock")[1]["now"].startswith("2026-11-25T09:00:")
        access = sim.sign_in(known)
        status, settings = sim.send("GET", "/v2/companysettings", headers=access)
        assert (status, settings["CompanyIdentifier"]) == (200, known["company_id"])


def test_a_name_that_a_page_leads_here_reaches_nothing() -> None:
    with served() as sim:
        here = [f"127.0.0.1:{sim.port}", "127.0.0.1", f"localhost:{sim.port}", "LOCALHOST", "[::1]"]
        here += [f"[::1]:{sim.port}", "localhost:1", "127.0.0.2", "eaccountingapi.vismaonline.com"]
        here += ["10.0.0.1", "books:8080", "acme.localhost", "crm.test", "host.docker.internal"]
        for host in here:
            assert sim.send("GET", "/_sandbox/health", headers={"Host": host})[0] == 200, host
        away = ["evil.net", f"evil.net:{sim.port}", "evil.net.", "localhost.evil.net", "[::1"]
        away += ["127.0.0.1.nip.io", "visma.net.evil.net", "evilvisma.net", "eviltest.net"]
        for host in away:
            for path in ("/_sandbox/health", "/v2/companysettings"):
                status, told = sim.send("GET", path, headers={"Host": host})
                assert status == 421, (host, path)
                assert "answers to addresses" in told["error"]
        assert sim.send("POST", "/_sandbox/reset", headers={"Host": "evil.net"})[0] == 421
        assert sim.send("GET", "/_sandbox/calls")[1] == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(number: signal.Signals) -> None:
    with served() as sim:
        sim.process.send_signal(number)
        assert sim.process.wait(timeout=20) == 0
        assert sim.process.stdout is not None
        assert sim.process.stdout.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly_while_its_data_is_made(number: signal.Signals) -> None:
    # A minute's work, which says when it begins.
    command = (
        "import sys; from tieout_sandbox.kit import cli; make = cli._made_and_served\n"
        "def begun(*given):\n print('begun', flush=True)\n return make(*given)\n"
        "cli._made_and_served = begun; sys.exit(cli.run(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", command, "serve", "salesforce", "--size", "200000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.2)
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_dropped_calls_close_the_connection(capsys: pytest.CaptureFixture[str]) -> None:
    with served() as sim:
        access = sim.sign_in(known_credentials(capsys))
        for kind, path in (("drop_before", "/v2/units"), ("drop_after_commit", "/v2/currencies")):
            sim.send("POST", "/_sandbox/faults", {"kind": kind, "path": path})
            with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
                sim.send("GET", path, headers=access)
        sim.send("POST", "/_sandbox/faults", {"kind": "truncated", "path": "/v2/units"})
        with pytest.raises(http.client.IncompleteRead):
            sim.send("GET", "/v2/units", headers=access)
        assert sim.send("GET", "/v2/units", headers=access)[0] == 200


def test_kill_loses_nothing_that_was_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = known_credentials(capsys)
    state = ["--state", str(tmp_path / "state")]
    with served(*state) as sim:
        access = sim.sign_in(known)
        terms = sim.send("GET", "/v2/termsofpayments", headers=access)[1]["Data"][0]["Id"]
        made = []
        for place in range(20):
            body = {
                "Name": f"Kund {place}",
                "InvoicePostalCode": "111 22",
                "InvoiceCity": "Umeå",
                "TermsOfPaymentId": terms,
            }
            status, customer = sim.send("POST", "/v2/customers", body, access)
            assert status == 201
            made.append(customer["Id"])
        sim.process.kill()
        sim.process.wait()
    with served(*state) as sim:
        found = sim.send("GET", "/v2/customers?$pagesize=1000", headers=access)[1]["Data"]
        assert [one["Id"] for one in found] == made


def test_taken_port_is_exit_code_5(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.run(["serve", "visma_eaccounting", "--port", str(port)]) == 5
    assert capsys.readouterr().err == f"Port {port} is taken. Try --port 0.\n"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["serve", "tryton"],
        ["serve", "visma_eaccounting", "--clock", "yesterday"],
        ["serve", "visma_eaccounting", "--port", "70000"],
        ["serve", "visma_eaccounting", "--data", "/no/such/folder"],
    ],
)
def test_wrong_use_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(argv) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "usage:" not in told.err

    assert cli.run([*argv, "--json"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["exit_code"] == 2
    assert told.err == ""


@pytest.mark.parametrize(
    ("system", "told"),
    [
        ("visma_eaccounting", "products.csv is missing"),
        ("salesforce", "sales_pipeline.csv is missing"),
        ("webcrm", "sales_pipeline.csv is missing"),
        ("visma_net", "takes no data"),
        ("registers", "takes no data"),
    ],
)
def test_a_data_folder_of_which_nothing_is_taken_is_refused(
    system: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["serve", system, "--data", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err


def test_the_state_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["serve", "visma_eaccounting", "--state", str(tmp_path)]) == 2
    assert "wants a file" in capsys.readouterr().err


def test_systems_and_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["systems", "--json"]) == 0
    named = json.loads(capsys.readouterr().out)["systems"]
    assert {"salesforce", "visma_eaccounting"} <= set(named)
    assert cli.run(["systems"]) == 0
    assert capsys.readouterr().out.split() == named
    assert cli.run(["credentials", "visma_eaccounting"]) == 0
    assert "refresh_token" in capsys.readouterr().out
    known = known_credentials(capsys)
    assert {"client_id", "client_secret", "refresh_token", "company_id", "token_path"} <= set(known)


def test_every_answer_says_what_time_it_is_there() -> None:
    with served("--clock", "2026-11-25T09:00:00Z") as sim:
        connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
        for path in ("/_sandbox/clock", "/v2/customers", "/nowhere"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.headers.get_all("Date")[0].startswith("Wed, 25 Nov 2026 09:0"), path
            assert len(answer.headers.get_all("Date")) == 1, path
        connection.close()


def test_who_asks_before_sending_a_body_is_told_to_go_on() -> None:
    head = (
        b"POST /connect/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with served() as sim, socket.create_connection(("127.0.0.1", sim.port), timeout=20) as wire:
        wire.sendall(head)
        assert wire.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(b"a=b")
        answer = b"".join(iter(lambda: wire.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 400 Bad Request")
        assert answer.endswith(b'{"error":"invalid_client"}')
