"""What VIES and Brønnøysund say, over their simulator; and what is no answer at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.fakes import ManualClock
from support.inprocess import InProcessTransport
from tieout.core.errors import ConfigurationError
from tieout.nordic.vat_state import Question, register_question, vat_number_state
from tieout.ports import HttpRequest, HttpResponse, LostError, NotSentError
from tieout.registers import BrregRegister, Reply, ViesRegister, backoff_s, scope_of
from tieout_sandbox.kit import SandboxClock
from tieout_sandbox.registers import BRREG, VIES, RegistersSimulator

START = datetime(2026, 11, 25, 8, 10, tzinfo=UTC)
HOST = "http://127.0.0.1:8710"
WEEK = timedelta(days=7)


class Registers:
    """Both registers over one simulator."""

    def __init__(self, *, requester: str = "", vies: str = VIES) -> None:
        self.clock = ManualClock(START)
        self.simulator = RegistersSimulator(clock=SandboxClock(self.clock.now))
        self.wire = InProcessTransport(self.simulator, self.clock.now)
        self.vies = ViesRegister(HOST + vies, self.wire, self.clock, requester=requester)
        self.brreg = BrregRegister(HOST + BRREG, self.wire, self.clock)

    def ask(self, number: str, country: str | None = None) -> Reply:
        question = asked(number, country)
        register = self.vies if question.register == "vies" else self.brreg
        return asyncio.run(register.ask(question))

    def state(self, number: str, reply: Reply | None, later: timedelta = timedelta(0)) -> str:
        answer = None if reply is None else reply.answer
        now = self.clock.now() + later
        return vat_number_state(number, None, answer, now=now, max_age=WEEK).state


def asked(number: str, country: str | None = None) -> Question:
    found = register_question(number, country)
    assert found is not None, number
    return found


class Canned:
    """Answers every call with the same."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer = HttpResponse(status=status, headers=dict(headers or {}), body=raw)
        self.error: Exception | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        if self.error is not None:
            raise self.error
        return self.answer

    async def close(self) -> None:
        """Nothing is open."""


def told(transport: Canned, number: str = "FI20774740") -> Reply:
    clock = ManualClock(START)
    register: Any = (
        BrregRegister("https://data.example/api", transport, clock)
        if number.startswith("NO")
        else ViesRegister("https://vies.example/rest-api", transport, clock)
    )
    reply: Reply = asyncio.run(register.ask(asked(number)))
    return reply


# --- which register, and how it is asked --------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "country", "register", "area", "local"),
    [
        ("FI20774740", None, "vies", "FI", "20774740"),
        ("2077474-0", "FI", "vies", "FI", "20774740"),
        ("FI20774740", "SE", "vies", "FI", "20774740"),
        ("GR094014201", "GR", "vies", "EL", "094014201"),
        ("SE556016068001", "SE", "vies", "SE", "556016068001"),
        ("974 760 673 MVA", "NO", "brreg", "NO", "974760673"),
        ("NO974760673MVA", None, "brreg", "NO", "974760673"),
    ],
)
def test_a_number_goes_to_its_register_in_its_form(
    number: str, country: str | None, register: str, area: str, local: str
) -> None:
    found = asked(number, country)
    assert (found.register, found.area, found.local) == (register, area, local)


def test_northern_ireland_is_asked_of_vies() -> None:
    found = asked("XI110305878")
    assert (found.register, found.area, found.local) == ("vies", "XI", "110305878")


@pytest.mark.parametrize(
    ("number", "country"),
    [("GB366303068", "GB"), ("CHE-116.281.710 MWST", "CH"), ("12345", "IS"), ("FI20774741", "FI"),
     ("EU372022452", None), ("", "FI"), ("okänt", "SE")],
)  # fmt: skip
def test_what_no_register_holds_or_can_hold_is_not_asked(number: str, country: str | None) -> None:
    assert register_question(number, country) is None


# --- VIES --------------------------------------------------------------------------------------


def test_a_yes_comes_with_name_time_and_consultation_number() -> None:
    registers = Registers(requester="SE556016068001")
    registers.simulator.act("register", {"number": "FI20774740", "name": "SAIMAAN TELAKKA OY"})
    answer = registers.ask("FI20774740").answer
    assert (answer.said, answer.name, answer.asked_at) == ("yes", "SAIMAAN TELAKKA OY", START)
    assert answer.consultation == "WAPIAAAAX0000001"
    sent = json.loads(registers.wire.requests[0].body)
    assert sent == {
        "countryCode": "FI",
        "vatNumber": "20774740",
        "requesterMemberStateCode": "SE",
        "requesterNumber": "556016068001",
    }
    assert "Authorization" not in registers.wire.requests[0].headers


def test_without_a_requester_no_number_of_ours_is_told() -> None:
    registers = Registers()
    registers.simulator.act("register", {"number": "FI20774740", "name": ""})
    answer = registers.ask("FI20774740").answer
    assert (answer.said, answer.name, answer.consultation) == ("yes", None, None)
    assert json.loads(registers.wire.requests[0].body) == {
        "countryCode": "FI",
        "vatNumber": "20774740",
    }


def test_a_no_is_a_no() -> None:
    registers = Registers()
    reply = registers.ask("FI20774740")
    assert (reply.answer.said, reply.answer.fault) == ("no", None)
    assert registers.state("FI20774740", reply) == "invalid"


@pytest.mark.parametrize(
    ("code", "reach"),
    [
        ("MS_UNAVAILABLE", "area"),
        ("MS_MAX_CONCURRENT_REQ", "area"),
        ("MS_MAX_CONCURRENT_REQ_TIME", "area"),
        ("TIMEOUT", "area"),
        ("SERVICE_UNAVAILABLE", "register"),
        ("GLOBAL_MAX_CONCURRENT_REQ", "register"),
        ("GLOBAL_MAX_CONCURRENT_REQ_TIME", "register"),
        ("IP_BLOCKED", "register"),
        ("VAT_BLOCKED", "number"),
        ("INVALID_INPUT", "number"),
        ("SOMETHING_NEW", "number"),
    ],
)
def test_every_fault_code_is_unknown_never_invalid(code: str, reach: str) -> None:
    registers = Registers()
    registers.simulator.act("silence", {"place": "FI", "code": code})
    reply = registers.ask("FI20774740")
    assert (reply.answer.said, reply.answer.fault) == ("fault", code)
    assert registers.state("FI20774740", reply) == "unknown"
    assert scope_of(code) == reach


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (200, {"actionSucceed": False, "errorWrappers": [{"error": "MS_UNAVAILABLE"}]},
         "MS_UNAVAILABLE"),
        (400, {"actionSucceed": False, "errorWrappers": [{"error": "INVALID_INPUT"}]},
         "INVALID_INPUT"),
        (500, {"actionSucceed": False, "errorWrappers": [{"error": "VOW-ERR-1"}]}, "VOW-ERR-1"),
        (200, {"actionSucceed": False, "errorWrappers": []}, "UNREADABLE"),
        (200, {"actionSucceed": False, "errorWrappers": [{"error": "<b>x</b>"}]}, "UNREADABLE"),
        (200, {"isValid": False, "userError": "IP_BLOCKED", "name": "---"}, "IP_BLOCKED"),
        (500, b"<html>", "HTTP_500"),
        (302, b"", "HTTP_302"),
        (200, b"<html>maintenance</html>", "UNREADABLE"),
        (200, [True], "UNREADABLE"),
        (200, {"valid": "yes"}, "UNREADABLE"),
        (200, {"countryCode": "FI", "vatNumber": "99999999", "valid": False}, "UNREADABLE"),
        (200, {"countryCode": "SE", "vatNumber": "20774740", "valid": True}, "UNREADABLE"),
        (404, {"valid": False}, "HTTP_404"),
    ],
)  # fmt: skip
def test_what_is_no_answer_of_vies_is_a_fault(status: int, body: object, fault: str) -> None:
    answer = told(Canned(status, body)).answer
    assert (answer.said, answer.fault) == ("fault", fault)


@pytest.mark.parametrize("key", ["valid", "isValid"])
def test_both_spellings_of_the_answer_are_read(key: str) -> None:
    for value, said in ((True, "yes"), (False, "no")):
        body = {key: value, "userError": "VALID" if value else "INVALID", "name": "---"}
        answer = told(Canned(200, body)).answer
        assert (answer.said, answer.name) == (said, None)


def test_no_connection_and_no_answer_are_faults() -> None:
    for error, fault in ((NotSentError("refused"), "UNREACHABLE"), (LostError("x"), "NO_ANSWER")):
        for number in ("FI20774740", "NO974760673MVA"):
            transport = Canned(200, {})
            transport.error = error
            answer = told(transport, number).answer
            assert (answer.said, answer.fault) == ("fault", fault)


def test_the_register_says_how_long_to_wait() -> None:
    reply = told(Canned(503, b"", {"retry-after": "7300"}))
    assert (reply.answer.fault, reply.retry_after_s) == ("HTTP_503", 7300)
    assert backoff_s(1, reply.retry_after_s) == 7300
    assert [backoff_s(tries) for tries in (1, 2, 3, 4, 5, 6, 50)] == [
        300, 600, 1200, 2400, 4800, 7200, 7200,
    ]  # fmt: skip
    assert backoff_s(1, 10**9) == 86_400


def test_a_requester_that_is_refused_costs_the_consultation_number_only() -> None:
    registers = Registers(requester="SE556016068001")
    registers.simulator.faults.add(
        {
            "kind": "status",
            "status": 200,
            "path": f"{VIES}/check-vat-number",
            "body": {
                "actionSucceed": False,
                "errorWrappers": [{"error": "INVALID_REQUESTER_INFO"}],
            },
        }
    )
    registers.simulator.act("register", {"number": "FI20774740", "name": ""})
    answer = registers.ask("FI20774740").answer
    assert (answer.said, answer.consultation) == ("yes", None)
    assert registers.vies.requester_refused
    registers.ask("FI20774740")
    assert len(registers.wire.requests) == 3


@pytest.mark.parametrize(
    ("number", "said", "fault"),
    [("100", "yes", None), ("200", "no", None), ("301", "fault", "MS_UNAVAILABLE"),
     ("500", "fault", "GLOBAL_MAX_CONCURRENT_REQ"), ("999", "fault", "SERVICE_UNAVAILABLE")],
)  # fmt: skip
def test_the_test_service_can_stand_in(number: str, said: str, fault: str | None) -> None:
    registers = Registers(vies=f"{VIES}/check-vat-test-service")
    question = Question(register="vies", number=f"DE{number}", area="DE", local=number)
    answer = asyncio.run(registers.vies.ask(question)).answer
    assert (answer.said, answer.fault) == (said, fault)


def test_the_status_names_the_states_that_do_not_answer() -> None:
    registers = Registers()
    assert asyncio.run(registers.vies.status()).silent == ()
    registers.simulator.act("silence", {"place": "FI"})
    registers.simulator.act("silence", {"place": "DE"})
    found = asyncio.run(registers.vies.status())
    assert (found.fault, found.silent) == ("", ("DE", "FI"))
    registers.simulator.act("silence", {"place": "", "code": "SERVICE_UNAVAILABLE"})
    assert asyncio.run(registers.vies.status()).fault == "SERVICE_UNAVAILABLE"
    assert asyncio.run(registers.brreg.status()).fault == ""
    registers.simulator.act("silence", {"place": "NO"})
    assert asyncio.run(registers.brreg.status()).fault == "HTTP_503"
    registers.wire.unreachable = True
    assert asyncio.run(registers.vies.status()).fault == "UNREACHABLE"


# --- Brønnøysund -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said", "fault", "name"),
    [
        ("NO910000128MVA", "yes", None, "FJORDLYS AS"),
        ("NO910000136MVA", "no", None, "STILLE VANN AS"),
        ("NO910000144MVA", "no", None, "BORTE AS"),
        ("NO910000152MVA", "fault", "HTTP_410", None),
        ("NO974760673MVA", "no", None, None),
    ],
)
def test_the_field_of_the_vat_register_decides(
    number: str, said: str, fault: str | None, name: str | None
) -> None:
    answer = Registers().ask(number).answer
    assert (answer.said, answer.fault, answer.name) == (said, fault, name)


def test_a_404_alone_is_no_answer() -> None:
    """A moved address, or a page of somebody else's."""
    assert told(Canned(404, b"<html>not found"), "NO974760673MVA").answer.fault == "HTTP_404"
    assert told(Canned(404, {"page": {"totalElements": 0}}), "NO974760673MVA").answer.said == (
        "fault"
    )


@pytest.mark.parametrize(
    "body",
    [
        {"organisasjonsnummer": "974760673"},
        {"organisasjonsnummer": "974760673", "registrertIMvaregisteret": "J"},
        {"organisasjonsnummer": "910000128", "registrertIMvaregisteret": False},
        {"registrertIMvaregisteret": False},
    ],
)
def test_an_entity_that_does_not_say_is_no_answer(body: object) -> None:
    answer = told(Canned(200, body), "NO974760673MVA").answer
    assert (answer.said, answer.fault) == ("fault", "UNREADABLE")


def test_a_silent_norwegian_register_is_unknown() -> None:
    registers = Registers()
    registers.simulator.act("silence", {"place": "NO"})
    reply = registers.ask("NO910000128MVA")
    assert registers.state("NO910000128MVA", reply) == "unknown"


# --- the events of the reference ----------------------------------------------------------------


def test_an_answer_counts_for_its_number_and_its_time() -> None:
    registers = Registers()
    registers.simulator.act("register", {"number": "FI20774740", "name": ""})
    yes = registers.ask("FI20774740")
    no = registers.ask("FI01120389")
    assert registers.state("FI20774740", yes) == "valid"
    assert registers.state("FI20774740", yes, WEEK + timedelta(seconds=1)) == "unknown"
    assert registers.state("FI01120389", no) == "invalid"
    assert registers.state("FI01120389", no, WEEK + timedelta(seconds=1)) == "unknown"
    assert registers.state("FI01120389", yes) == "unknown"
    assert registers.state("DK88146328", yes) == "unknown"
    assert registers.state("", yes) == "absent"
    assert registers.state("GB366303068", None) == "unknown"


def test_addresses_are_https_or_this_machine() -> None:
    clock = ManualClock(START)
    with pytest.raises(ConfigurationError):
        ViesRegister("http://vies.example", Canned(200, {}), clock)
    with pytest.raises(ConfigurationError):
        BrregRegister("ftp://127.0.0.1", Canned(200, {}), clock)


FI, NO = "FI20774740", "NO910000128MVA"
SOON, LATE = timedelta(0), WEEK + timedelta(hours=1)
# What happens at the register, the number on the customer now, and how much later it is.
EVENTS: Mapping[str, tuple[Mapping[str, Any], str, timedelta]] = {
    "VIES answered valid = true today for this number": ({"yes": FI}, FI, SOON),
    "VIES answered valid = false today for this number": ({"no": FI}, FI, SOON),
    "VIES fault MS_UNAVAILABLE": ({"fault": "MS_UNAVAILABLE"}, FI, SOON),
    "VIES fault SERVICE_UNAVAILABLE": ({"fault": "SERVICE_UNAVAILABLE"}, FI, SOON),
    "VIES fault MS_MAX_CONCURRENT_REQ": ({"fault": "MS_MAX_CONCURRENT_REQ"}, FI, SOON),
    "VIES fault GLOBAL_MAX_CONCURRENT_REQ": ({"fault": "GLOBAL_MAX_CONCURRENT_REQ"}, FI, SOON),
    "VIES fault TIMEOUT, or no answer": ({"kit": {"kind": "drop_before"}}, FI, SOON),
    "HTTP 500, or a body that cannot be read": ({"kit": {"kind": "garbage"}}, FI, SOON),
    "VIES fault INVALID_INPUT, and our own form check passes": (
        {"fault": "INVALID_INPUT"}, FI, SOON,
    ),
    "VIES fault INVALID_INPUT, and our own form check fails": ({}, "FI20774741", SOON),
    "form check fails, nothing asked": ({}, "FI20774741", SOON),
    "form check says doubtful, nothing asked": ({}, "SE556016068002", SOON),
    "never asked": ({}, FI, SOON),
    "valid = true, older than the limit that is set": ({"yes": FI}, FI, LATE),
    "valid = false, older than the limit that is set": ({"no": FI}, FI, LATE),
    "valid = true, but the number on the customer changed since": (
        {"yes": FI}, "FI01120389", SOON,
    ),
    "valid = true for a number with another prefix than the one used now": (
        {"yes": "DK20774740", "asked": "DK20774740"}, "FI20774740", SOON,
    ),
    "no number on the customer": ({}, "", SOON),
    "number is only white space or a dash": ({}, " - ", SOON),
    "text such as okänt or n/a in the number field": ({}, "okänt", SOON),
    "Norwegian register says registered for VAT": ({"asked": NO}, NO, SOON),
    "Norwegian register says not registered for VAT": (
        {"asked": "NO910000136MVA"}, "NO910000136MVA", SOON,
    ),
    "Norwegian register does not answer": ({"fault": "x", "place": "NO", "asked": NO}, NO, SOON),
    "GB number, nothing asked (VIES does not hold it)": ({}, "GB366303068", SOON),
}  # fmt: skip


def test_every_event_of_the_reference_comes_about(shared_dir: Path) -> None:
    spec = json.loads((shared_dir / "specs/nordic/vat_treatment.json").read_text("utf-8"))
    expected = {one["event"]: one["state"].partition(",")[0] for one in spec["vat_state_vectors"]}
    assert set(EVENTS) == set(expected)
    assert {event: _came_about(*EVENTS[event]) for event in expected} == expected


def _came_about(event: Mapping[str, Any], number: str, later: timedelta) -> str:
    registers = Registers()
    if "yes" in event:
        registers.simulator.act("register", {"number": event["yes"], "name": ""})
    if "fault" in event:
        place = event.get("place", "FI")
        registers.simulator.act("silence", {"place": place, "code": event["fault"]})
    if "kit" in event:
        registers.simulator.faults.add(event["kit"])
    if not event:
        return registers.state(number, None, later)
    question = event.get("asked", FI)
    if question.startswith("DK"):
        # Such a number cannot be right in Denmark; what counts is that the answer is not used.
        made = Question(register="vies", number=question, area="DK", local=question[2:])
        return registers.state(number, asyncio.run(registers.vies.ask(made)), later)
    return registers.state(number, registers.ask(question), later)
