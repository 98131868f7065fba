"""A VAT number and its register, as a person sees them: processes, sockets, a real database."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.daily_story import Story
from support.database import database
from support.served_project import BRIDGE, Program, Served, connect_project, simulators, start
from tieout_sandbox.registers import BRREG, VIES

pytestmark = pytest.mark.timeout(180)
NUMBER = "FI20774740"


@dataclass
class World:
    """A project with a Finnish buyer's deal, and the registers beside it."""

    tieout: Program
    story: Story
    registers: Served


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[World]:
    root: Path = tmp_path_factory.mktemp("registers") / "nordic"
    registers = start("registers")
    try:
        with database(f"registers_{worker_id}") as url, simulators() as (crm, books):
            story = Story(crm, books)
            story.item("SRV-1", "Serverdrift", "18000")
            story.deal("D-107", "Lindvall Data AB", "SRV-1", "18000")
            story.account(
                "Saimaan Telakka Oy",
                BillingCountry="Finland",
                BillingPostalCode="57100",
                BillingCity="Savonlinna",
                Vat_Number__c=NUMBER,
            )
            story.deal("D-130", "Saimaan Telakka Oy", "SRV-1", "4200")
            program = connect_project(root, crm, books, "auto", database_url=url)
            program.edit(_settings(registers))
            made = program.inside("config", "publish", "-m", "ask registers")
            assert made.code == 0, made.err
            yield World(program, story, registers)
    finally:
        registers.process.send_signal(signal.SIGTERM)
        registers.process.wait(timeout=20)
        assert registers.process.stdout is not None
        registers.process.stdout.close()


def _settings(registers: Served) -> str:
    text = BRIDGE.replace(
        "documents: {mode: MODE}", "documents: {mode: auto, check_vat_state: true}"
    )
    asked = (
        f"registers:\n  vies: {registers.base_url}{VIES}\n  brreg: {registers.base_url}{BRREG}\n"
        "  requester: SE556016068001\n"
    )
    return text.replace("MODE", "auto").replace("mapping:\n", f"{asked}mapping:\n")


def test_silence_is_named_by_doctor_run_exceptions_and_why(world: World) -> None:
    tieout, registers = world.tieout, world.registers
    registers.act("silence", place="FI", code="MS_UNAVAILABLE")

    looked = tieout.inside("doctor")
    assert "VIES gets no answer from FI" in looked.out, looked.out + looked.err
    # Doctor has read the deal and asked about its number: the run does not ask once more.
    ran = tieout("run", "--once")
    assert ran.code in (0, 8, 10), ran.err
    assert "D-107 Lindvall Data AB" in ran.out
    listed = tieout.inside("exceptions", "list", "--json").json()["data"]
    assert [one["code"] for one in listed["items"]] == ["number_unchecked"]
    shown = tieout.inside("exceptions", "show", "EX-1")
    assert f"VAT number {NUMBER} of Saimaan Telakka Oy is unchecked: VIES is silent since" in (
        shown.out
    )
    assert "(MS_UNAVAILABLE). Held, not refused." in shown.out
    assert registers.records("consultations") == []

    told = tieout.inside("why", "D-130")
    assert "hold: VAT number FI20774740" in told.out


def test_a_yes_is_kept_with_its_proof_and_shown(world: World) -> None:
    tieout, registers = world.tieout, world.registers
    # Finland was silent a moment ago and is left alone for five minutes; Denmark was not.
    registers.act("register", number="DK88146328", name="KASTRUP MASKIN A/S")
    world.story.account(
        "Kastrup Maskin A/S",
        BillingCountry="Denmark",
        BillingPostalCode="2770",
        BillingCity="Kastrup",
        Vat_Number__c="DK88146328",
    )
    world.story.deal("D-131", "Kastrup Maskin A/S", "SRV-1", "900")
    ran = tieout("run", "--once")
    assert "D-131 Kastrup Maskin A/S" in ran.out, ran.out + ran.err
    told = tieout.inside("why", "D-131")
    assert "number   DK88146328 is valid: VIES, " in told.out, told.out
    assert re.search(r'consultation WAPIAAAAX\d{7}, "KASTRUP MASKIN A/S"', told.out)
    (answer,) = tieout.inside("why", "D-131", "--json").json()["data"]["number_answers"]
    assert (answer["register"], answer["said"], answer["number"]) == ("vies", "yes", "DK88146328")


def test_a_no_is_shown_with_its_day_and_proof(world: World) -> None:
    tieout = world.tieout
    world.story.account(
        "Aarhus Skilte ApS",
        BillingCountry="Denmark",
        BillingPostalCode="8000",
        BillingCity="Aarhus",
        Vat_Number__c="DK13585628",
    )
    world.story.deal("D-132", "Aarhus Skilte ApS", "SRV-1", "700")
    tieout("run", "--once")
    listed = tieout.inside("exceptions", "list", "--json").json()["data"]["items"]
    mine = [one for one in listed if one["deal"] == "D-132"]
    (name,) = [one["id"] for one in mine if one["code"] == "number_not_valid"]
    shown = tieout.inside("exceptions", "show", name)
    assert "VAT number DK13585628 of Aarhus Skilte ApS: VIES says that it is not valid (" in (
        shown.out
    )
    assert "Register: VIES, asked " in shown.out
    # Which one depends on what was asked before: each test stands by itself.
    assert re.search(r"consultation WAPIAAAAX\d{7}\.", shown.out)


def test_doctor_is_content_when_the_registers_work(world: World) -> None:
    world.registers.act("speak", place="FI")
    looked = world.tieout.inside("doctor", "--json").json()["data"]
    assert "registers" in looked["ok"]


def test_addresses_without_encryption_are_refused(world: World) -> None:
    good = (world.tieout.root / "tieout.yaml").read_text(encoding="utf-8")
    try:
        world.tieout.edit(good.replace(world.registers.base_url, "http://registers.example"))
        found = world.tieout.inside("config", "validate")
        assert found.code != 0
        assert "is no address that begins with https://" in found.out + found.err
    finally:
        world.tieout.edit(good)
