"""Writing to webCRM: only our own fields, arrays whose answers are not believed, and doubt."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from support.webcrm_rig import (
    CUSTOMERS,
    DEALS,
    NAME,
    Rig,
    look,
    prepared,
    rig,
    standing_change,
)
from tieout.connectors.http.json import loads
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Outcome,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wanted,
    Wire,
)
from tieout.core.model import Address, Customer, Deal, Entity, ExternalRef, Standing
from tieout.ports import Selection

D = Decimal


def run(story: Any) -> None:
    asyncio.run(story)


async def sent(found: Rig, *changes: Change) -> list[Outcome]:
    """What became of the changes, in the order of the requests."""
    outcomes: list[Outcome] = []
    for wire in found.connector.pack(await prepared(found, *changes)):
        outcomes.extend(await found.connector.send(wire))
    return outcomes


async def one_wire(found: Rig, *changes: Change) -> Wire:
    (wire,) = found.connector.pack(await prepared(found, *changes))
    return wire


BOOKED: dict[str, Any] = {
    "status": "booked",
    "number": "100234",
    "books_id": "invoice:8a6c0f1e-0000-4000-8000-00000000000a",
    "due_date": date(2026, 12, 24),
    "open": D("15625.63"),
    "last_payment_on": None,
}


# --- standings ---------------------------------------------------------------------------------


def test_a_standing_is_shown_with_the_handshake_in_one_write_and_nothing_else_is_touched() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal(set={"Custom1": "07: 7 dage", "Comment": "rør ikke"})
        before = found.row("Deliveries", number)
        (outcome,) = await sent(found, standing_change("K", f"deal:{number}", **BOOKED))
        assert isinstance(outcome, Applied)
        assert outcome.ref == ExternalRef(NAME, "standing", f"deal:{number}")
        assert outcome.vendor_time is not None
        (request,) = found.writes()
        (body,) = loads(request.body)
        assert body == {
            "DeliveryId": number,
            "DeliveryErpId": f"T{number}/invoice:8a6c0f1e00004000800000000000000a",
            "DeliveryCustom3": "100234",
            "DeliveryCustom4": "booked",
            "DeliveryCustom5": "2026-12-24",
            "DeliveryCustom6": "15625.63",
            "DeliveryErpStatus": "Synchronized",
            "DeliveryErpSyncDateTime": "2026-11-25T09:00:00Z",
        }
        after = found.row("Deliveries", number)
        moved = {name for name in after if after[name] != before[name]}
        assert moved == {*body, "DeliveryUpdatedBy"} - {"DeliveryId"}
        (shown,) = await found.connector.get(
            [outcome.ref], Selection(entity=Entity.STANDING, shape="s")
        )
        assert isinstance(shown, Standing)
        assert (shown.status, shown.number, shown.open) == ("booked", "100234", D("15625.63"))
        assert shown.due_date == date(2026, 12, 24)
        assert shown.books_id == "invoice:8a6c0f1e00004000800000000000000a"

    run(story())


def test_what_is_shown_already_is_not_written_again() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        change = standing_change("K", f"deal:{number}", **BOOKED)
        await sent(found, change)
        found.clock.advance(60)
        (made,) = await prepared(found, change)
        assert made.body == b""
        (outcome,) = await sent(found, change)
        assert isinstance(outcome, Applied)
        assert outcome.ref.id == f"deal:{number}"
        assert len(found.writes()) == 1
        part = standing_change("K", f"deal:{number}", **{**BOOKED, "status": "paid"})
        await sent(found, part)
        (body,) = loads(found.writes()[-1].body)
        assert set(body) == {"DeliveryId", "DeliveryCustom4", "DeliveryErpSyncDateTime"}

    run(story())


def test_what_is_not_shown_any_more_is_cleared_and_null_is_never_sent() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        await sent(found, standing_change("K", f"deal:{number}", **BOOKED))
        empty = dict.fromkeys(BOOKED)
        (outcome,) = await sent(
            found, standing_change("K", f"deal:{number}", **{**empty, "status": "cancelled"})
        )
        assert isinstance(outcome, Applied)
        row = found.row("Deliveries", number)
        assert (row["DeliveryCustom3"], row["DeliveryCustom6"], row["DeliveryErpId"]) == ("",) * 3
        assert row["DeliveryCustom4"] == "cancelled"
        assert b"null" not in found.writes()[-1].body

    run(story())


def test_an_organisation_shows_what_it_owes() -> None:
    async def story() -> None:
        found = rig()
        number = found.organisation()
        change = standing_change(
            "K", f"organisation:{number}", open=D("3125.50"), overdue_amount=D("0.00")
        )
        (outcome,) = await sent(found, change)
        assert isinstance(outcome, Applied)
        row = found.row("Organisations", number)
        assert (row["OrganisationCustom7"], row["OrganisationCustom8"]) == ("3125.50", "0.00")
        assert row["OrganisationName"] == "Ekfors Trä AB"

    run(story())


def test_numbers_of_deals_and_organisations_may_be_equal() -> None:
    async def story() -> None:
        found = rig()
        number = found.organisation()
        for _ in range(3):
            found.item(f"I-{_}")
        missing = standing_change("K", f"deal:{number}", status="draft")
        (made,) = await found.connector.prepare([missing])
        assert isinstance(made, Refused)
        assert made.stale
        assert [f.code for f in made.findings] == ["target_missing"]

    run(story())


@pytest.mark.parametrize("status", ["NotReadyForSynchronization", "ReadyForSynchronization"])
def test_where_being_ready_is_the_trigger_only_what_is_ready_is_handed_over(status: str) -> None:
    async def story() -> None:
        found = rig(won="ready")
        number = found.deal(set={"ErpStatus": status})
        await sent(found, standing_change("K", f"deal:{number}", **BOOKED))
        told = found.row("Deliveries", number)["DeliveryErpStatus"]
        assert told == (
            "Synchronized" if status == "ReadyForSynchronization" else "NotReadyForSynchronization"
        )

    run(story())


def test_a_drop_down_gets_its_whole_string() -> None:
    async def story() -> None:
        found = rig(delivery_standing={"status": "DeliveryCustom9"})
        options = ["01: draft", "02: booked", "03: paid"]
        found.act("configure_field", field="DeliveryCustom9", label="Status", options=options)
        number = found.deal()
        await sent(found, standing_change("K", f"deal:{number}", status="booked"))
        assert found.row("Deliveries", number)["DeliveryCustom9"] == "02: booked"
        (made,) = await found.connector.prepare(
            [standing_change("K", f"deal:{number}", status="partly_paid")]
        )
        assert isinstance(made, Refused)
        assert made.findings[0].code == "value_not_accepted"
        assert "partly_paid" in made.findings[0].message

    run(story())


@pytest.mark.parametrize("long_text", ["error", "cut"])
def test_a_message_that_is_too_long_is_cut_here_and_no_edit_afterwards(long_text: str) -> None:
    async def story() -> None:
        found = rig()
        found.assume("long_text", long_text)
        number = found.deal()
        change = standing_change("K", f"deal:{number}", message="Æ" * 300, status="booked")
        (outcome,) = await sent(found, change)
        assert isinstance(outcome, Applied), outcome
        assert found.row("Deliveries", number)["DeliveryCustom8"] == "Æ" * 249 + "…"
        (made,) = await prepared(found, change)
        assert made.body == b""

    run(story())


def test_an_amount_is_not_shown_beside_another_currency() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal(currency="EUR")
        (made,) = await found.connector.prepare(
            [standing_change("K", f"deal:{number}", open=D("1.00"), currency="SEK")]
        )
        assert isinstance(made, Refused)
        assert made.findings[0].code == "currency_not_allowed"

    run(story())


# --- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["id", "empty", "omitted"])
def test_the_answer_to_an_array_is_not_believed(answer: str) -> None:
    async def story() -> None:
        found = rig()
        found.assume("patch_update_answer", answer)
        numbers = [found.deal(set={"Number": str(n)}) for n in range(6)]
        found.act("edit_deal", deal=numbers[1], set={"Number": "3"})
        changes = [standing_change(f"K{n}", f"deal:{n}", **BOOKED) for n in numbers]
        outcomes = {o.key: o for o in await sent(found, *changes)}
        assert len(found.writes()) == 1
        good = [n for n in numbers if isinstance(outcomes[f"K{n}"], Applied)]
        assert good == [numbers[0], numbers[2], numbers[4], numbers[5]]
        for twin, other in ((numbers[1], numbers[3]), (numbers[3], numbers[1])):
            outcome = outcomes[f"K{twin}"]
            assert isinstance(outcome, Rejected)
            (finding,) = outcome.findings
            assert str(other) in finding.message or finding.code != "twin_number"
            assert finding.code in ("twin_number", "value_not_accepted")
        for number in good:
            assert found.row("Deliveries", number)["DeliveryCustom4"] == "booked"

    run(story())


def test_an_array_is_fifty_at_most_and_holds_no_record_twice() -> None:
    async def story() -> None:
        found = rig()
        numbers = [found.deal(lines=[]) for _ in range(60)]
        changes = [standing_change(f"K{n}", f"deal:{n}", status="draft") for n in numbers]
        changes.append(standing_change("again", f"deal:{numbers[0]}", number="1"))
        wires = found.connector.pack(await prepared(found, *changes))
        assert [len(wire.items) for wire in wires] == [50, 11]
        assert {wire.path for wire in wires} == {"/Deliveries"}
        found.clock.advance(120)
        before = len(found.transport.requests)
        outcomes = [outcome for wire in wires for outcome in await found.connector.send(wire)]
        assert all(isinstance(outcome, Applied) for outcome in outcomes)
        # Two arrays, and two looks of thirty ids for the first.
        assert len(found.transport.requests) - before < 8

    run(story())


def test_an_array_that_is_too_long_for_the_system_goes_again_in_halves() -> None:
    async def story() -> None:
        found = rig()
        found.assume("patch_most", 3)
        numbers = [found.deal(lines=[]) for _ in range(8)]
        waiting = [standing_change(f"K{n}", f"deal:{n}", status="draft") for n in numbers]
        done: set[str] = set()
        for _ in range(5):
            todo = [change for change in waiting if change.key not in done]
            for outcome in await sent(found, *todo) if todo else ():
                assert isinstance(outcome, (Applied, Deferred)), outcome
                if isinstance(outcome, Applied):
                    done.add(outcome.key)
        assert len(done) == 8

    run(story())


def test_an_array_that_was_cut_is_settled_item_by_item() -> None:
    async def story() -> None:
        found = rig()
        numbers = [found.deal(lines=[]) for _ in range(5)]
        found.fault("batch_cut", method="PATCH", items=2)
        changes = [standing_change(f"K{n}", f"deal:{n}", status="draft") for n in numbers]
        outcomes = await sent(found, *changes)
        kinds = [type(outcome) for outcome in outcomes]
        # Two were told of, one more was done, two were not.
        assert kinds == [Applied, Applied, Applied, Rejected, Rejected]

    run(story())


# --- answers that do not come, or say no --------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_after_commit", "drop_before", "truncated"])
def test_a_lost_answer_is_doubt_and_the_look_tells(kind: str) -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        change = standing_change("K" * 16, f"deal:{number}", status="booked", number="7")
        (made,) = await prepared(found, change)
        (wire,) = found.connector.pack([made])
        found.fault(kind, method="PATCH")
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Unknown)
        sight = await look(found, made)
        assert sight.complete
        assert sight.hits == ()
        assert isinstance(sight.target, Standing)
        was_done = kind != "drop_before"
        assert (sight.target.status == "booked") is was_done
        assert sight.began_at <= sight.vendor_time
        assert len(found.writes()) == 1

    run(story())


def test_a_server_error_is_doubt_too() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        wire = await one_wire(found, standing_change("K", f"deal:{number}", status="booked"))
        found.fault("status", method="PATCH", status=500)
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Unknown)
        assert len(found.writes()) == 1

    run(story())


def test_what_was_written_and_could_not_be_looked_at_is_doubt() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        wire = await one_wire(found, standing_change("K", f"deal:{number}", status="booked"))
        found.fault("drop_before", method="GET", times=None)
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Unknown)
        assert found.row("Deliveries", number)["DeliveryCustom4"] == "booked"

    run(story())


def test_a_value_that_was_swallowed_is_not_taken_for_done() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        wire = await one_wire(found, standing_change("K", f"deal:{number}", status="booked"))
        found.act("configure_field", field="DeliveryCustom4", label="S", size=3)
        found.assume("long_text", "cut")
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Rejected)
        assert outcome.findings[0].code == "value_not_accepted"
        assert "DeliveryCustom4" in outcome.findings[0].message

    run(story())


def test_a_delivery_that_was_taken_back_meanwhile_is_decided_anew() -> None:
    async def story() -> None:
        found = rig()
        numbers = [found.deal() for _ in range(2)]
        changes = [standing_change(f"K{n}", f"deal:{n}", status="booked") for n in numbers]
        wire = await one_wire(found, *changes)
        found.act("reopen", deal=numbers[0])
        outcomes = await found.connector.send(wire)
        assert [type(outcome) for outcome in outcomes] == [Stale, Applied]
        single = Change(
            key="K",
            entity=Entity.DEAL,
            action=Action.UPDATE,
            wanted=Wanted(record=Deal(number="9"), fields=frozenset({"number"})),
            target=ExternalRef(NAME, "deal", f"deal:{numbers[1]}"),
        )
        wire = await one_wire(found, single)
        found.act("reopen", deal=numbers[1])
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Stale)

    run(story())


def test_a_script_that_lags_is_not_taken_for_a_write_that_was_swallowed() -> None:
    async def story() -> None:
        found = rig()
        numbers = [found.deal(lines=[]) for _ in range(5)]
        found.clock.advance(120)
        changes = [standing_change(f"K{n}", f"deal:{n}", status="draft") for n in numbers]
        wire = await one_wire(found, *changes)
        found.fault("search_lag", seconds=45, method="PATCH", path="/Deliveries")
        outcomes = await found.connector.send(wire)
        assert all(isinstance(outcome, Applied) for outcome in outcomes), outcomes

    run(story())


@pytest.mark.parametrize("body", ["json", "text", "html", "empty"])
def test_a_refusal_is_told_in_webcrms_own_words_whatever_their_form(body: str) -> None:
    async def story() -> None:
        found = rig()
        number = found.organisation()
        change = customer_change(number, Customer(number="C-1"), "number")
        wire = await one_wire(found, change)
        found.organisation("Anden", Custom5="C-1", VatNumber="")
        found.assume("error_body", body)
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Rejected)
        message = outcome.findings[0].message
        assert "<" not in message
        assert ("already used" in message) is (body != "empty")

    run(story())


def test_throttled_or_unreachable_is_later_and_nothing_was_done() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        wire = await one_wire(found, standing_change("K", f"deal:{number}", status="booked"))
        found.fault("rate_limited", method="PATCH")
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after_s > 0
        found.clock.advance(120)
        found.transport.unreachable = True
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Deferred)
        found.transport.unreachable = False
        assert found.row("Deliveries", number)["DeliveryCustom4"] == ""

    run(story())


def test_the_bytes_that_arrive_are_the_bytes_that_were_stored() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        wire = await one_wire(found, standing_change("K", f"deal:{number}", **BOOKED))
        await found.connector.send(wire)
        (request,) = found.writes()
        assert (request.method, request.body) == (wire.method, wire.body)
        assert request.url.endswith(wire.path)

    run(story())


# --- single fields -----------------------------------------------------------------------------


def customer_change(number: int, record: Customer, *fields: str) -> Change:
    return Change(
        key="C" * 16,
        entity=Entity.CUSTOMER,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset(fields)),
        target=ExternalRef(NAME, "customer", f"organisation:{number}"),
    )


@pytest.mark.parametrize("answer", ["empty", "object"])
@pytest.mark.parametrize("unknown", ["ignored", "error"])
def test_an_organisation_is_updated_by_the_fields_that_are_named(answer: str, unknown: str) -> None:
    async def story() -> None:
        found = rig()
        found.act("configure_field", field="OrganisationXInt1", label="Antal")
        found.assume("put_answer", answer)
        found.assume("unknown_properties", unknown)
        number = found.organisation(Comment="vor egen")
        record = Customer(
            number="C-77",
            terms="14 dage",
            credit_stop=True,
            extra={"OrganisationXInt1": 5},
        )
        change = customer_change(number, record, "number", "terms", "credit_stop", "extra")
        (made,) = await prepared(found, change)
        (wire,) = found.connector.pack([made])
        assert (wire.method, wire.path) == ("PUT", f"/Organisations/{number}")
        assert set(loads(wire.body)) == {
            "OrganisationId",
            "OrganisationCustom2",
            "OrganisationCustom4",
            "OrganisationCustom5",
            "OrganisationXInt1",
        }
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Applied), outcome
        assert outcome.ref == change.target
        row = found.row("Organisations", number)
        assert row["OrganisationCustom2"] == "14: 14 dage"
        assert row["OrganisationCustom4"] == "Yes"
        assert row["OrganisationComment"] == "vor egen"
        (read,) = await found.connector.get([outcome.ref], CUSTOMERS)
        assert isinstance(read, Customer)
        assert isinstance(made.shows, Customer)
        assert (read.number, read.terms) == (made.shows.number, made.shows.terms)

    run(story())


def test_an_address_is_written_as_one_text_and_a_country_by_its_name_here() -> None:
    async def story() -> None:
        found = rig(countries={"Norge": "NO"})
        number = found.organisation()
        lines, names = ("Karl Johans gate 1", "3. etg"), ("addresses", "phones", "emails")
        there = Address(lines=lines, postcode="0154", city="Oslo", country="NO")
        record = Customer(
            addresses=(there,),
            phones={"general": "+47 22 00 00 00"},
            emails={"general": "faktura@ny.example"},
        )
        (outcome,) = await sent(found, customer_change(number, record, *names))
        assert isinstance(outcome, Applied), outcome
        row = found.row("Organisations", number)
        assert row["OrganisationAddress"] == "Karl Johans gate 1\n3. etg"
        assert (row["OrganisationCity"], row["OrganisationCountry"]) == ("Oslo", "Norge")
        (read,) = await found.connector.get([outcome.ref], CUSTOMERS)
        assert isinstance(read, Customer)
        assert read.address() == there
        assert read.emails["invoice"] == "faktura@ny.example"
        # The same country under another name, or other ends of lines, is no change.
        found.act("edit_organisation", organisation=number, set={"Country": "Norway"})
        (made,) = await prepared(found, customer_change(number, record, *names))
        assert made.body == b""

    run(story())


def test_a_country_that_the_system_has_no_name_for_is_not_guessed() -> None:
    async def story() -> None:
        found = rig()
        number = found.organisation()
        record = Customer(addresses=(Address(postcode="0154", city="Oslo", country="NO"),))
        (made,) = await found.connector.prepare([customer_change(number, record, "addresses")])
        assert isinstance(made, Refused)
        assert [f.code for f in made.findings] == ["country_unknown"]
        named = Customer(contact_name="Mette Holm")
        (made,) = await found.connector.prepare([customer_change(number, named, "contact_name")])
        assert isinstance(made, Refused)
        assert [f.code for f in made.findings] == ["field_not_chosen"]

    run(story())


def test_a_deal_gets_its_number_and_a_field_that_is_not_there_is_said() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        wanted = Wanted(
            record=Deal(number="100234", extra={"DeliveryCustom15": "x"}),
            fields=frozenset({"number", "extra"}),
        )
        ref = ExternalRef(NAME, "deal", f"deal:{number}")
        change = Change(
            key="K", entity=Entity.DEAL, action=Action.UPDATE, wanted=wanted, target=ref
        )
        (made,) = await found.connector.prepare([change])
        assert isinstance(made, Refused)
        assert [f.code for f in made.findings] == ["unknown_field"]
        only = Change(
            key="K",
            entity=Entity.DEAL,
            action=Action.UPDATE,
            wanted=Wanted(record=Deal(number="100234"), fields=frozenset({"number"})),
            target=ref,
        )
        (outcome,) = await sent(found, only)
        assert outcome == Applied(key="K", ref=ref, vendor_time=outcome.vendor_time)
        (read,) = await found.connector.get([ref], DEALS)
        assert isinstance(read, Deal)
        assert read.number == "100234"

    run(story())


def test_creates_and_voids_are_refused_in_words() -> None:
    async def story() -> None:
        found = rig()
        create = Change(
            key="K",
            entity=Entity.CUSTOMER,
            action=Action.CREATE,
            wanted=Wanted(record=Customer(name="X"), fields=frozenset({"name"})),
        )
        document = Change(key="L", entity=Entity.DOCUMENT, action=Action.VOID, wanted=None)
        for made in await found.connector.prepare([create, document]):
            assert isinstance(made, Refused)
            assert made.findings[0].code == "action_not_possible"
        assert found.writes() == []

    run(story())


@pytest.mark.parametrize("clears", [True, False])
def test_a_date_that_nothing_clears_is_told_not_believed(clears: bool) -> None:
    async def story() -> None:
        found = rig(delivery_standing={"issue_date": "DeliveryOrderDate"})
        found.assume("date_is_cleared_by_year_one", clears)
        number = found.deal(set={"OrderDate": "2026-11-02T00:00:00Z"})
        await sent(found, standing_change("K", f"deal:{number}", issue_date=date(2026, 11, 30)))
        shown = found.row("Deliveries", number)["DeliveryOrderDate"]
        assert datetime.fromisoformat(shown) == datetime(2026, 11, 30, tzinfo=UTC)
        (outcome,) = await sent(found, standing_change("K", f"deal:{number}", issue_date=None))
        assert isinstance(outcome, Applied if clears else Rejected)

    run(story())
