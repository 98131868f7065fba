"""A connection to webCRM as a whole: sign-in, company, check, describe, limits, secrets."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.fakes import MemorySecrets
from support.webcrm_rig import (
    CUSTOMERS,
    DEALS,
    NAME,
    Rig,
    deals,
    prepared,
    rig,
    standing_change,
)
from tieout.connectors.http.traffic import Exchange
from tieout.connectors.webcrm import WebcrmConnector, WebcrmSettings
from tieout.core.abilities import Deletions, Reads
from tieout.core.change import Applied, Refused, Rejected
from tieout.core.errors import ConfigurationError, ConnectionBrokenError
from tieout.core.finding import Severity
from tieout.core.model import Entity, ExternalRef
from tieout.ports import Connector, HttpRequest, Selection
from tieout_sandbox.webcrm.credentials import APPLICATION_TOKEN, READ_ONLY_TOKEN


def logins(found: Rig) -> int:
    return len(found.transport.asked("POST", "/Auth/ApiLogin"))


def test_it_is_a_connector() -> None:
    connector: Connector = rig().connector
    assert connector.abilities.side == "crm"
    assert connector.abilities.in_flight == 1
    assert connector.abilities.of(Entity.DEAL).reads is Reads.STAMP
    assert connector.abilities.of(Entity.DEAL).deletions is Deletions.KEYS
    assert connector.abilities.of(Entity.STANDING).owned_whole


def test_the_company_is_the_system() -> None:
    async def story() -> None:
        found = rig(country="DK")
        company = await found.connector.company()
        assert (company.id, company.country, company.currency) == ("nordljus", "DK", "SEK")
        assert company.time_zone == "Europe/Copenhagen"
        assert company.user == "api2 sync token"

    asyncio.run(story())


def test_another_system_than_before_is_refused_and_nothing_is_read() -> None:
    async def story() -> None:
        found = rig(system_id="another")
        with pytest.raises(ConnectionBrokenError) as refused:
            await found.read(DEALS)
        assert refused.value.code == "company_changed"
        with pytest.raises(ConnectionBrokenError):
            await found.connector.prepare([standing_change("K", "deal:1", status="paid")])
        assert {urlsplit(r.url).path for r in found.transport.requests} == {
            "/Auth",
            "/Auth/ApiLogin",
        }
        assert [f.code for f in await found.connector.check()] == ["company_changed"]

    asyncio.run(story())


@pytest.mark.parametrize("status", [403, 404])
def test_where_webcrm_does_not_tell_its_system_a_person_has_to(status: int) -> None:
    async def story() -> None:
        found = rig()
        found.fault("status", path="/Auth", status=status, body={"Message": "no"}, times=None)
        (told,) = await found.connector.check()
        assert told.code == "company_unknown"
        assert "system_id" in told.hint
        named = rig(system_id="nordljus-dk")
        named.fault("status", path="/Auth", status=status, body={"Message": "no"}, times=None)
        company = await named.connector.company()
        assert (company.id, company.facts["told"]) == ("nordljus-dk", False)

    asyncio.run(story())


@pytest.mark.parametrize("answer", ["is_error", "401"])
def test_a_token_that_is_not_known_is_tried_once_and_never_shown(answer: str) -> None:
    async def story() -> None:
        wrong = "11111111-2222-3333-4444-555555555555"
        found = rig(token=wrong)
        found.assume("bad_login", answer)
        for _ in range(2):
            told = await found.connector.check()
            assert [finding.code for finding in told] == ["sign_in_refused"]
            assert wrong not in f"{told}"
            assert "rotate webcrm-prod" in told[0].hint
        assert logins(found) == 1

    asyncio.run(story())


def test_it_signs_in_again_ten_minutes_before_the_end() -> None:
    async def story() -> None:
        found = rig()
        await found.connector.company()
        found.clock.advance(3600 - 605)
        await found.connector.company()
        assert logins(found) == 1
        found.clock.advance(10)
        await found.connector.company()
        assert logins(found) == 2

    asyncio.run(story())


def test_a_token_of_a_short_life_is_used_for_most_of_it() -> None:
    async def story() -> None:
        found = rig()
        found.assume("expires_in", 600)
        await found.connector.company()
        found.clock.advance(400)
        await found.connector.company()
        assert logins(found) == 1
        found.clock.advance(100)
        await found.connector.company()
        assert logins(found) == 2

    asyncio.run(story())


@pytest.mark.parametrize("body", ["empty", "like_errors"])
def test_any_401_is_answered_by_one_sign_in(body: str) -> None:
    async def story() -> None:
        found = rig()
        found.assume("unauthorized_body", body)
        await found.connector.company()
        found.fault("token_expired", path="/Organisations/*")
        number = found.organisation()
        ref = ExternalRef(NAME, "customer", f"organisation:{number}")
        (record,) = await found.connector.get([ref], CUSTOMERS)
        assert record is not None
        assert logins(found) == 2

    asyncio.run(story())


def test_a_token_that_was_withdrawn_breaks_the_connection() -> None:
    async def story() -> None:
        found = rig()
        await found.connector.company()
        found.act("withdraw_application_token", name="sync token")
        with pytest.raises(ConnectionBrokenError) as broken:
            await found.read(DEALS)
        assert broken.value.code == "sign_in_refused"

    asyncio.run(story())


def test_no_observer_sees_a_secret() -> None:
    async def story() -> None:
        found = rig(size=2)
        seen: list[Exchange] = []
        connector = WebcrmConnector(
            NAME,
            found.connector.settings,
            found.transport,
            MemorySecrets(found.clock, client_secret=APPLICATION_TOKEN),
            found.clock,
            __import__("random").Random(1),
            observer=seen.append,
        )
        await connector.company()
        await connector.api.users()
        told = "".join(f"{one.request}{one.response}" for one in seen)
        assert len(seen) == 3
        assert "secret-" not in told
        assert APPLICATION_TOKEN not in told
        assert "eyJ" not in told

    asyncio.run(story())


def test_users_are_read_without_what_signs_them_in() -> None:
    async def story() -> None:
        found = rig(size=3)
        pages = await found.read(Selection(entity=Entity.CUSTOMER, shape="c"))
        assert "secret-" not in f"{pages}"
        assert "secret-" not in f"{await found.connector.api.users()}"
        assert next(iter((await found.connector.api.users()).values()))["UserName"]

    asyncio.run(story())


def test_calls_stay_within_our_part_of_any_minute() -> None:
    async def story() -> None:
        found = rig(minute_calls=50, quota_share="0.8")
        times: list[float] = []
        found.transport.before = lambda _: times.append(found.clock.steady() / 1000)
        for _ in range(60):
            await found.connector.api.principal()
        calls = times[1:]
        assert all(later - first >= 60 for first, later in zip(calls, calls[40:], strict=False))

    asyncio.run(story())


def test_after_a_429_it_stays_away_as_long_as_asked() -> None:
    async def story() -> None:
        found = rig()
        found.assume("rate_limit", 5)
        for _ in range(8):
            await found.connector.api.principal()
        assert sum(found.clock.waits) > 30
        assert logins(found) == 1

    asyncio.run(story())


def test_one_call_at_a_time() -> None:
    async def story() -> None:
        found = rig()
        await found.connector.company()
        flying = most = 0
        send = found.transport.send

        async def watched(request: HttpRequest) -> Any:
            nonlocal flying, most
            flying += 1
            most = max(most, flying)
            await asyncio.sleep(0)
            answer = await send(request)
            flying -= 1
            return answer

        found.transport.send = watched  # type: ignore[method-assign]
        await asyncio.gather(*(found.connector.api.principal() for _ in range(5)))
        assert most == 1

    asyncio.run(story())


def test_a_good_connection_has_no_errors_and_says_what_is_not_shown() -> None:
    async def story() -> None:
        found = rig(size=5)
        told = await found.connector.check()
        assert [f for f in told if f.severity is Severity.ERROR] == []
        bare = rig(delivery_standing={}, account_standing={})
        codes = {f.code for f in await bare.connector.check()}
        assert codes == {"field_not_chosen"}

    asyncio.run(story())


def test_check_names_what_is_missing_and_writes_nothing() -> None:
    async def story() -> None:
        found = rig(
            account={"terms": "OrganisationCustom14", "number": "OrganisationCustom5"},
            deal={"po_number": "OpportunityCustom9"},
            delivery_standing={"status": "DeliveryCustom12"},
            currency="",
        )
        found.organisation("Kaffe AB", Country="Narnia")
        found.deal(currency="")
        told = await found.connector.check()
        by_place = {f.place: f for f in told}
        assert by_place["OrganisationCustom14"].severity is Severity.WARNING
        assert by_place["OpportunityCustom9"].code == "unknown_field"
        assert by_place["DeliveryCustom12"].code == "field_missing"
        assert by_place["DeliveryCustom12"].severity is Severity.ERROR
        assert '"Narnia"' in by_place["OrganisationCountry"].message
        assert by_place["currency"].code == "currency_unknown"
        assert found.writes() == []

    asyncio.run(story())


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_only_read_is_told_at_the_first_write(status: int) -> None:
    async def story() -> None:
        found = rig(token=READ_ONLY_TOKEN)
        found.assume("status_forbidden", status)
        number = found.deal()
        (made,) = await prepared(found, standing_change("K", f"deal:{number}", status="draft"))
        (wire,) = found.connector.pack([made])
        if status == 401:
            with pytest.raises(ConnectionBrokenError):
                await found.connector.send(wire)
        else:
            (outcome,) = await found.connector.send(wire)
            assert isinstance(outcome, Rejected)
            assert outcome.findings[0].code == "rights_missing"
        assert found.row("Deliveries", number)["DeliveryCustom4"] == ""

    asyncio.run(story())


def test_describe_tells_labels_lengths_and_drop_downs() -> None:
    async def story() -> None:
        found = rig()
        schema = await found.connector.describe()
        fields = {f.path: f for f in schema.fields["customer"]}
        assert fields["OrganisationCustom5"].label == "ERP customer no."
        assert fields["OrganisationCustom3"].length == 80
        assert "07: 7 dage" in fields["OrganisationCustom2"].options
        assert fields["OrganisationCustom4"].type == "boolean"
        deal = {f.path for f in schema.fields["deal"]}
        assert {"DeliveryOpportunityCustom2", "OpportunityCustom2"} <= deal
        assert "line.QuotationLineData1" in {f.path for f in schema.fields["line"]}

    asyncio.run(story())


def test_fields_that_the_metadata_leaves_out_are_told_as_records_show_them() -> None:
    async def story() -> None:
        found = rig()
        found.deal()
        custom = {
            "FieldMetadataFriendlyFieldName": "DeliveryCustom4",
            "FieldMetadataLabel": "Fakturastatus",
        }
        for kind in ("Delivery", "Opportunity", "Organisation", "Person"):
            path = f"/FieldsMetadata/{kind}"
            found.fault("status", path=path, status=200, body=[custom], times=None)
        schema = await found.connector.describe()
        deal = {f.path: f for f in schema.fields["deal"]}
        assert {"DeliveryCustom4", "DeliveryStatus", "DeliveryOrderValue"} <= set(deal)
        assert "DeliveryCustom5" not in deal
        assert deal["DeliveryOrderValue"].type == "number"
        want = Selection(entity=Entity.DEAL, extra=("DeliveryRisk", "DeliveryCustom5"))
        assert [f.place for f in await found.connector.unknown_fields(want)] == ["DeliveryCustom5"]

    asyncio.run(story())


def test_a_path_that_is_not_there_is_said_with_the_closest() -> None:
    async def story() -> None:
        found = rig()
        want = Selection(entity=Entity.DEAL, extra=("OpportunityCustom3", "DeliveryStatuss"))
        (finding,) = await found.connector.unknown_fields(want)
        assert "DeliveryStatus" in finding.values["closest"]
        lines = Selection(entity=Entity.DEAL, extra=("line.QuotationLineData4", "line.Nope"))
        assert [f.place for f in await found.connector.unknown_fields(lines)] == ["line.Nope"]

    asyncio.run(story())


def test_a_field_that_was_switched_off_is_noticed_within_a_day() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        change = standing_change("K", f"deal:{number}", status="booked")
        await prepared(found, change)
        found.act("configure_field", field="DeliveryCustom4", hidden=True)
        found.clock.advance(86_401)
        (refused,) = await found.connector.prepare([change])
        assert isinstance(refused, Refused)
        assert [(f.code, f.place) for f in refused.findings] == [
            ("field_missing", "DeliveryCustom4")
        ]
        found.act("configure_field", field="DeliveryCustom4", hidden=False)
        found.clock.advance(86_401)
        (made,) = await prepared(found, change)
        assert b"DeliveryCustom4" in made.body

    asyncio.run(story())


def test_a_hook_says_where_to_look_and_is_not_believed() -> None:
    connector = rig().connector
    (signal,) = connector.signals({}, b'{"Url":"https://api.webcrm.com/Deliveries/88231"}')
    assert signal.refs == (ExternalRef(NAME, "deal", "deal:88231"),)
    assert connector.signals({}, b"\xff<xml/>") == ()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"won": "whenever"}, "won is one of"),
        ({"won": "status"}, "won_statuses is needed"),
        ({"won": "status", "won_statuses": "Sold"}, "won_statuses has 'Sold'"),
        ({"won": "level"}, "won_levels is needed"),
        ({"line": {"item": "Custom1"}}, "Data1 to Data9"),
        ({"delivery_standing": {"status": "OpportunityCustom1"}}, "begins with Delivery"),
        ({"delivery_standing": {"colour": "DeliveryCustom1"}}, "colour"),
        ({"countries": {"Narnia": "Narnia"}}, "2 capital letters"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"patch_items": 51}, "patch_items"),
        ({"api_url": "http://api.webcrm.com"}, "without encryption"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        rig(**settings)


def test_settings_come_as_texts_from_a_command_line() -> None:
    made = WebcrmSettings.from_mapping(
        {"won": "level", "won_levels": 10, "overlap_s": "120", "check_order_value": False}
    )
    assert (made.won_levels, made.overlap_s, made.check_order_value) == (("10",), 120, "no")
    with pytest.raises(ValueError, match=r"no such setting: account\.colour"):
        WebcrmSettings.from_mapping({"account": {"colour": "x"}})


def test_what_was_written_is_ours_and_no_change_when_it_comes_back() -> None:
    async def story() -> None:
        found = rig()
        number = found.deal()
        first = await found.read(DEALS)
        found.clock.advance(5)
        made = await prepared(found, standing_change("K", f"deal:{number}", status="booked"))
        (outcome,) = await found.connector.send(found.connector.pack(made)[0])
        assert isinstance(outcome, Applied)
        found.clock.advance(60)
        again = deals(await found.read(DEALS, first[-1].cursor))[f"deal:{number}"]
        before = deals(first)[f"deal:{number}"]
        assert again.version != before.version
        assert again.lines == before.lines
        assert (again.state, again.stage, again.extra) == (before.state, before.stage, before.extra)
        row = found.row("Deliveries", number)
        assert row["DeliveryUpdatedBy"] == "api2 sync token"

    asyncio.run(story())


def test_sign_in_is_a_form_and_nothing_else_carries_the_token() -> None:
    async def story() -> None:
        found = rig()
        await found.connector.company()
        (login,) = found.transport.asked("POST", "/Auth/ApiLogin")
        assert parse_qs(login.body.decode()) == {"authCode": [APPLICATION_TOKEN]}
        others = [r for r in found.transport.requests if r is not login]
        assert others
        assert all(APPLICATION_TOKEN not in f"{r}" for r in others)

    asyncio.run(story())
