"""The registers' simulator by itself: its form, its switches, its state file."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tieout_sandbox.kit import ActionError, Response, SandboxClock, make_request
from tieout_sandbox.kit.registry import credentials, simulator_class
from tieout_sandbox.registers import BRREG, VIES, RegistersSimulator

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def made(state: Path | None = None) -> RegistersSimulator:
    return RegistersSimulator(clock=SandboxClock(lambda: START), state_file=state)


def call(sim: RegistersSimulator, method: str, path: str, body: object = None) -> Any:
    raw = b"" if body is None else json.dumps(body).encode()
    answer = asyncio.run(sim.handle(make_request(method, path, body=raw)))
    assert isinstance(answer, Response)
    return answer.status, answer.json()


def check(sim: RegistersSimulator, number: str, **more: str) -> Any:
    body = {"countryCode": number[:2], "vatNumber": number[2:], **more}
    return call(sim, "POST", f"{VIES}/check-vat-number", body)[1]


def test_it_is_in_the_registry_and_needs_no_sign_in() -> None:
    assert simulator_class("registers") is RegistersSimulator
    assert credentials("registers") == {"vies_path": VIES, "brreg_path": BRREG}


def test_a_consultation_number_comes_only_with_a_requester() -> None:
    sim = made()
    sim.act("register", {"number": "FI20774740", "name": "SAIMAAN TELAKKA OY"})
    plain = check(sim, "FI20774740")
    assert (plain["valid"], plain["name"], plain["requestIdentifier"]) == (
        True,
        "SAIMAAN TELAKKA OY",
        "",
    )
    asked = check(sim, "FI20774740", requesterMemberStateCode="SE", requesterNumber="556016068001")
    assert asked["requestIdentifier"] == "WAPIAAAAX0000002"
    assert [row["requester"] for row in sim.entities()["consultations"]()] == [
        "",
        "SE556016068001",
    ]


def test_what_cannot_be_asked_is_said_in_its_own_form() -> None:
    sim = made()
    wrong = {"actionSucceed": False, "errorWrappers": [{"error": "INVALID_INPUT"}]}
    assert check(sim, "GB366303068") == wrong
    assert check(sim, "FI2077 4740") == wrong
    refused = check(sim, "FI20774740", requesterMemberStateCode="NO", requesterNumber="1")
    assert refused["errorWrappers"] == [{"error": "INVALID_REQUESTER_INFO"}]
    assert call(sim, "GET", f"{VIES}/nothing")[0] == 404


def test_silence_has_three_widths() -> None:
    sim = made()
    sim.act("answer_all", {"valid": True})
    sim.act("silence", {"place": "FI01120389", "code": "VAT_BLOCKED"})
    assert check(sim, "FI20774740")["valid"] is True
    assert check(sim, "FI01120389")["errorWrappers"] == [{"error": "VAT_BLOCKED"}]
    sim.act("silence", {"place": "FI"})
    assert check(sim, "FI20774740")["errorWrappers"] == [{"error": "MS_UNAVAILABLE"}]
    assert check(sim, "DK88146328")["valid"] is True
    sim.act("silence", {"place": "", "code": "SERVICE_UNAVAILABLE"})
    assert check(sim, "DK88146328")["errorWrappers"] == [{"error": "SERVICE_UNAVAILABLE"}]
    sim.act("speak", {"place": ""})
    sim.act("speak", {"place": "FI"})
    assert check(sim, "FI20774740")["valid"] is True


def test_norwegian_entities_are_found_by_number_and_by_search() -> None:
    sim = made()
    assert call(sim, "GET", f"{BRREG}/enheter/910000128")[1]["registrertIMvaregisteret"] is True
    assert call(sim, "GET", f"{BRREG}/enheter/974760673")[0] == 404
    assert call(sim, "GET", f"{BRREG}/enheter/910000152")[0] == 410
    assert call(sim, "GET", f"{BRREG}/enheter/12")[0] == 400
    status, empty = call(sim, "GET", f"{BRREG}/enheter?organisasjonsnummer=974760673")
    assert (status, empty["page"]["totalElements"], "_embedded" in empty) == (200, 0, False)
    sim.act("register", {"number": "NO974760673MVA", "name": "REGISTERENHETEN"})
    found = call(sim, "GET", f"{BRREG}/enheter?organisasjonsnummer=974760673")[1]
    assert found["_embedded"]["enheter"][0]["registrertIMvaregisteret"] is True
    sim.act("deregister", {"number": "NO974760673MVA"})
    assert call(sim, "GET", f"{BRREG}/enheter/974760673")[1]["registrertIMvaregisteret"] is False


def test_a_state_that_vies_does_not_know_cannot_be_registered() -> None:
    with pytest.raises(ActionError, match="GB"):
        made().act("register", {"number": "GB366303068", "name": ""})


def test_the_state_file_brings_everything_back(tmp_path: Path) -> None:
    first = made(tmp_path / "registers.jsonl")
    first.act("register", {"number": "FI20774740", "name": "X"})
    first.act("silence", {"place": "DE"})
    check(first, "FI20774740", requesterMemberStateCode="SE", requesterNumber="556016068001")
    first.close()
    second = made(tmp_path / "registers.jsonl")
    assert second.state() == first.state()
    assert list(second.entities()["consultations"]()) == list(first.entities()["consultations"]())
    second.reset()
    assert second.state() == made().state()
    second.close()
