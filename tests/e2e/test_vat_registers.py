"""A register is asked, is silent, says no, says yes: over the real pair and its simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from support.inprocess import InProcessTransport
from support.real_pair import BOOKS, BRIDGE, RealPair
from tieout.bootstrap_registers import registers_of
from tieout.engine import lanes
from tieout.engine.deciding import decide_window
from tieout.ports import HttpRequest, HttpResponse
from tieout.services import number_checks
from tieout.services.enrich import NordicEnricher
from tieout.store import registers as kept
from tieout.store.people import Case
from tieout.storing import DueRow
from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.registers import BRREG, VIES, RegistersSimulator

START = datetime(2026, 10, 5, 7, 9, tzinfo=UTC)
HOST = "http://127.0.0.1:8710"
CONFIGURATION = f"""
bridge: nordic
crm: salesforce-prod
books:
  - connection: visma-se
    currency: [SEK, EUR]
flows:
  documents:
    mode: auto
    check_vat_state: true
registers:
  vies: {HOST}{VIES}
  brreg: {HOST}{BRREG}
  requester: SE556016068001
  max_age: 30d
  calls: 3
tables:
  payment_terms: {{"Net 30": "30"}}
  items: {{CONS: KONS-1}}
"""


class Asking:
    """A pair whose engine asks registers that are simulated on the same clock."""

    def __init__(self, url: str, configuration: str = CONFIGURATION) -> None:
        self.url = url
        enrich = NordicEnricher(check_vat_state=True, oss=False)
        self.pair = RealPair(url, configuration, start=START, enrich=enrich)
        self.simulator = RegistersSimulator(clock=SandboxClock(self.pair.clock.now))
        self.wire = InProcessTransport(self.simulator, self.pair.clock.now)
        self.connect(enrich)

    def connect(self, enrich: NordicEnricher) -> None:
        """What a new process has: nothing in memory, all in the store."""
        self.pair.engine.enrich = enrich
        self.pair.engine.registers = registers_of(
            self.pair.policy, self.pair.store, enrich, self.pair.clock, self.wire
        )

    def act(self, action: str, /, **arguments: Any) -> None:
        self.simulator.act(action, arguments)

    def finnish(self, name: str, deal: str, amount: str = "1000.00") -> str:
        """A deal with a Finnish buyer; its VAT number."""
        self.pair.account(name, "FI")
        self.pair.deal(deal, name, amount, currency="EUR")
        row = next(r for r in self.pair.crm_records("Account") if r["Name"] == name)
        return str(row["Vat_Number__c"])

    def calls(self) -> int:
        return len(self.wire.requests)

    def wait(self, **time: float) -> None:
        self.pair.clock.advance(timedelta(**time).total_seconds())

    def case(self, deal: str) -> Case:
        (found,) = (c for c in self.pair.cases() if c.source_id == self.pair.deals[deal])
        return found

    def drafts(self) -> list[dict[str, Any]]:
        return self.pair.records("customerinvoicedrafts")

    def answers(self, number: str) -> list[kept.Answered]:
        found: list[kept.Answered] = self.pair.in_store(lambda tx: kept.history(tx, number))
        return found


@pytest.fixture
def world(database_url: str) -> Iterator[Asking]:
    asking = Asking(database_url)
    with asking.pair:
        yield asking


def test_held_while_the_register_is_silent_and_released_when_it_answers(world: Asking) -> None:
    number = world.finnish("Saimaan Telakka Oy", "D-1")
    world.pair.deal("D-2", "Tallmo Skog AB", "500.00")
    world.act("silence", place="FI", code="MS_UNAVAILABLE")
    world.pair.run()
    case = world.case("D-1")
    assert case.code == "number_unchecked"
    assert case.message == (
        f"VAT number {number} of Saimaan Telakka Oy is unchecked: VIES is silent since 09:10 "
        "(MS_UNAVAILABLE). Held, not refused."
    )
    assert case.hint == "Nothing; asked again 09:15."
    # Another deal is not held up by that, and a Swedish number at home is not asked about.
    assert [row["InvoiceCustomerName"] for row in world.drafts()] == ["Tallmo Skog AB"]
    assert world.calls() == 1
    # Not before its time.
    world.wait(minutes=2)
    world.pair.run()
    assert world.calls() == 1
    world.act("speak", place="FI")
    world.act("register", number=number, name="SAIMAAN TELAKKA OY")
    world.wait(minutes=3)
    world.pair.run()
    assert world.calls() == 2
    assert world.pair.cases() == []
    draft = next(r for r in world.drafts() if r["InvoiceCustomerName"] == "Saimaan Telakka Oy")
    assert draft["TotalVatAmount"] == 0
    assert "reverse charge" in json.dumps(draft, default=str, ensure_ascii=False).casefold()
    (answer,) = world.answers(number)
    assert (answer.register, answer.said, answer.name) == ("vies", "yes", "SAIMAAN TELAKKA OY")
    assert answer.consultation == "WAPIAAAAX0000001"
    assert answer.asked_at == world.pair.clock.now()


def test_a_no_stops_the_deal_with_an_exception_that_says_so(world: Asking) -> None:
    number = world.finnish("Saimaan Telakka Oy", "D-1")
    world.pair.run()
    case = world.case("D-1")
    assert case.code == "number_not_valid"
    assert case.message == (
        f"VAT number {number} of Saimaan Telakka Oy: VIES says that it is not valid (5 Oct 2026)."
    )
    (values,) = case.details["values"]
    assert values == {
        "vat_number": number,
        "register": "VIES",
        "asked": "5 Oct 2026",
        "consultation": "WAPIAAAAX0000001",
    }
    assert world.drafts() == []
    # Looked at again a day later; who has registered meanwhile is invoiced.
    world.wait(hours=20)
    world.pair.run()
    assert world.calls() == 1
    world.act("register", number=number, name="")
    world.wait(hours=5)
    world.pair.run()
    assert world.calls() == 2
    assert world.pair.cases() == []
    assert [row["TotalVatAmount"] for row in world.drafts()] == [0]
    assert [one.said for one in world.answers(number)] == ["yes", "no"]


def test_silence_after_a_no_leaves_the_no_and_after_an_old_yes_it_holds(world: Asking) -> None:
    number = world.finnish("Saimaan Telakka Oy", "D-1")
    world.pair.run()
    world.act("silence", place="FI")
    world.wait(hours=25)
    world.pair.run()
    assert world.calls() == 2
    assert world.case("D-1").code == "number_not_valid"
    # Past its limit even a no is unknown: it is not taken for anything.
    world.wait(days=31)
    world.pair.run()
    assert world.case("D-1").code == "number_unchecked"
    world.act("speak", place="FI")
    world.act("register", number=number, name="")
    world.wait(hours=3)
    world.pair.run()
    assert len(world.drafts()) == 1
    world.wait(days=31)
    world.act("silence", place="FI")
    world.pair.deal("D-2", "Saimaan Telakka Oy", "70.00", currency="EUR")
    world.pair.run()
    assert world.case("D-2").code == "number_unchecked"
    assert len(world.drafts()) == 1


def test_a_new_number_on_the_customer_is_unknown_again(world: Asking) -> None:
    number = world.finnish("Saimaan Telakka Oy", "D-1")
    world.act("register", number=number, name="")
    world.pair.run()
    assert len(world.drafts()) == 1
    world.act("silence", place="FI")
    account = world.pair.accounts["Saimaan Telakka Oy"]
    world.pair.in_crm("edit_account", id=account, fields={"Vat_Number__c": "FI01120389"})
    world.pair.deal("D-2", "Saimaan Telakka Oy", "70.00", currency="EUR")
    world.pair.run()
    case = world.case("D-2")
    assert (case.code, case.message[:22]) == ("number_unchecked", "VAT number FI01120389 ")
    world.pair.in_crm("edit_account", id=account, fields={"Vat_Number__c": number})
    world.pair.run()
    assert world.pair.cases() == []


def test_silence_is_asked_again_later_and_later(world: Asking) -> None:
    world.finnish("Saimaan Telakka Oy", "D-1")
    world.act("silence", place="", code="SERVICE_UNAVAILABLE")
    asked_at = []
    for _ in range(60):
        before = world.calls()
        world.pair.run()
        if world.calls() > before:
            asked_at.append(world.pair.clock.now())
        if len(asked_at) == 4:
            break
    gaps = [int((b - a).total_seconds()) // 60 for a, b in pairwise(asked_at)]
    # Runs are 61 seconds apart here.
    assert gaps == [5, 10, 20]
    assert world.case("D-1").message.count("since 09:10 (SERVICE_UNAVAILABLE)") == 1


def test_a_silent_register_costs_one_call_for_all_its_numbers_also_in_a_new_process(
    world: Asking,
) -> None:
    for index in range(4):
        world.finnish(f"Satama {index} Oy", f"D-{index}")
    world.act("silence", place="", code="GLOBAL_MAX_CONCURRENT_REQ")
    world.pair.run()
    assert world.calls() == 1
    assert {case.code for case in world.pair.cases()} == {"number_unchecked"}
    assert len(world.pair.cases()) == 4
    world.connect(NordicEnricher(check_vat_state=True, oss=False))
    world.finnish("Satama 5 Oy", "D-5")
    world.pair.run()
    assert world.calls() == 1
    assert "since 09:10" in world.case("D-5").message


def test_calls_are_bounded_and_the_rest_has_its_turn(world: Asking) -> None:
    world.act("answer_all", valid=True)
    for index in range(5):
        world.finnish(f"Satama {index} Oy", f"D-{index}")
    world.pair.run()
    assert (world.calls(), len(world.drafts()), len(world.pair.cases())) == (3, 3, 2)
    assert "VIES is to be asked" in world.pair.cases()[0].message
    world.wait(seconds=61)
    world.pair.run()
    assert (world.calls(), len(world.drafts()), world.pair.cases()) == (5, 5, [])


def test_no_answer_twice_in_a_row_is_the_registers_silence(world: Asking) -> None:
    for index in range(3):
        world.finnish(f"Satama {index} Oy", f"D-{index}")
    world.simulator.faults.add({"kind": "drop_before", "path": f"{VIES}/*", "times": None})
    world.pair.run()
    assert world.calls() == 2
    found = [case.message for case in world.pair.cases()]
    assert len(found) == 3
    assert all("VIES is silent since 09:10 (NO_ANSWER)" in message for message in found)


def test_one_odd_number_does_not_keep_others_from_being_asked(world: Asking) -> None:
    world.act("answer_all", valid=True)
    odd = world.finnish("Satama 0 Oy", "D-0")
    world.act("silence", place=odd, code="VAT_BLOCKED")
    world.finnish("Satama 1 Oy", "D-1")
    world.pair.run()
    assert len(world.drafts()) == 1
    assert "VIES tells nothing about it since 09:10 (VAT_BLOCKED)" in world.case("D-0").message


def test_what_a_plan_was_answered_counts_for_the_run(world: Asking) -> None:
    number = world.finnish("Saimaan Telakka Oy", "D-1")
    world.act("silence", place="FI")
    world.pair.run()
    world.wait(minutes=5)
    world.pair.run()  # now D-1 waits ten minutes
    world.act("speak", place="FI")
    world.act("register", number=number, name="")
    lane = lanes.lane(BRIDGE, lanes.DOCUMENTS, BOOKS)
    world.wait(minutes=10)
    # Somebody plans: the same question, whose answer counts for the next run too.
    row = DueRow(lane=lane, source_id=world.pair.deals["D-1"], revision=0)
    made = world.pair.do(decide_window(world.pair.engine, lane, [row]))
    assert [str(one.verdict) for one in made if one.lane == lane] == ["write"]
    assert world.drafts() == []
    calls = world.calls()
    world.pair.run()
    assert world.calls() == calls
    assert len(world.drafts()) == 1


def test_what_depends_by_its_item_alone_is_held_once_and_then_asked(
    world: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As reverse charge at home: nobody knows before the items are looked at."""
    monkeypatch.setattr(NordicEnricher, "depends_on_number", lambda *_: False)
    number = world.finnish("Saimaan Telakka Oy", "D-1")
    world.act("register", number=number, name="")
    world.pair.run()
    assert world.calls() == 0
    assert "is unchecked: VIES is to be asked. Held" in world.case("D-1").message
    world.pair.run()
    assert (world.calls(), len(world.drafts()), world.pair.cases()) == (1, 1, [])


def test_norwegian_numbers_go_to_norways_register(
    world: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NordicEnricher, "depends_on_number", lambda *_: True)
    norwegian = {"BillingCountryCode": "NO", "BillingPostalCode": "0150", "BillingCity": "Oslo"}
    for local in ("910000128", "910000136", "910000152"):
        numbers = {"Org_Number__c": local, "Vat_Number__c": f"NO{local}MVA"}
        world.pair.account(f"Kunde {local} AS", **{**norwegian, **numbers})
        world.pair.deal(f"D-{local}", f"Kunde {local} AS", "100.00")
    world.pair.run()
    assert world.wire.asked("POST") == []
    assert len(world.wire.asked("GET", f"{BRREG}/enheter/")) == 3
    (yes,) = world.answers("NO910000128MVA")
    assert (yes.register, yes.said, yes.name) == ("brreg", "yes", "FJORDLYS AS")
    assert [one.said for one in world.answers("NO910000136MVA")] == ["no"]
    assert world.answers("NO910000152MVA") == []
    # The VAT of a service to Norway depends on none of them.
    assert (world.pair.cases(), len(world.drafts())) == ([], 3)


class Slow:
    """A transport whose answers come when they are let go."""

    def __init__(self, inner: InProcessTransport) -> None:
        self.inner = inner
        self.let_go = asyncio.Event()

    async def send(self, request: HttpRequest) -> HttpResponse:
        await self.let_go.wait()
        return await self.inner.send(request)

    async def close(self) -> None:
        await self.inner.close()


def test_a_register_that_is_slow_slows_nobody_else(
    world: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_checks, "GRACE_S", 0.01)
    number = world.finnish("Saimaan Telakka Oy", "D-1")
    world.act("register", number=number, name="")
    world.pair.deal("D-2", "Tallmo Skog AB", "500.00")
    slow = Slow(world.wire)
    enrich = NordicEnricher(check_vat_state=True, oss=False)
    world.pair.engine.enrich = enrich
    checks = registers_of(world.pair.policy, world.pair.store, enrich, world.pair.clock, slow)
    assert checks is not None
    world.pair.engine.registers = checks
    world.pair.run()
    assert [row["InvoiceCustomerName"] for row in world.drafts()] == ["Tallmo Skog AB"]
    assert "VIES is to be asked" in world.case("D-1").message
    # Nobody asks twice while the first question is under way.
    world.wait(seconds=60)
    world.pair.run()
    assert (len(world.drafts()), world.calls()) == (1, 0)
    slow.let_go.set()
    world.pair.do(checks.close())
    assert [one.said for one in world.answers(number)] == ["yes"]
    world.wait(seconds=60)
    world.pair.run()
    assert (len(world.drafts()), world.calls(), world.pair.cases()) == (2, 1, [])


def test_a_deal_that_is_not_won_asks_nothing(world: Asking) -> None:
    world.pair.account("Saimaan Telakka Oy", "FI")
    world.pair.deal("D-1", "Saimaan Telakka Oy", "10.00", won=False, currency="EUR")
    world.pair.run()
    assert world.calls() == 0


def test_switched_off_no_register_is_asked(database_url: str) -> None:
    text = CONFIGURATION.replace("    check_vat_state: true\n", "")
    asking = Asking(database_url, text)
    with asking.pair:
        asking.connect(NordicEnricher(oss=False))
        assert asking.pair.engine.registers is None
        asking.finnish("Saimaan Telakka Oy", "D-1")
        asking.pair.run()
        assert asking.calls() == 0
        assert len(asking.drafts()) == 1


def test_answers_of_another_workspace_are_not_seen(world: Asking, database_url: str) -> None:
    number = world.finnish("Saimaan Telakka Oy", "D-1")
    world.act("register", number=number, name="")
    world.pair.run()
    assert len(world.answers(number)) == 1
    other = Asking(database_url)
    with other.pair:
        assert other.answers(number) == []
