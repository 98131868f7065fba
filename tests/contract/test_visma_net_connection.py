"""The sign-in to Visma.net, the company behind it, and what `connection test` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any
from urllib.parse import parse_qs

import pytest

from contract.connector_contract import (
    CUSTOMERS,
    DOCUMENTS,
    doubt,
    look,
    new_customer,
    new_document,
    pages,
    records,
    run,
)
from support.fakes import MemorySecrets
from support.visma_net_rig import HOST, NAME, VismaNetRig
from tieout.bootstrap_systems import SYSTEMS
from tieout.cli.commands.connection import _settings
from tieout.connectors.http.browser import authorize_address, code_from_address
from tieout.connectors.visma_net import VismaNetConnector, VismaNetSettings
from tieout.core.errors import ConfigurationError, ConnectionBrokenError, TransientError
from tieout.core.finding import Finding
from tieout.core.model import Entity
from tieout.ports import HttpRequest
from tieout_sandbox.visma_net import CLIENT_SECRET, COMPANY_ID, CUSTOMER_TENANT_ID, TENANT_ID
from tieout_sandbox.visma_net.credentials import INTERACTIVE_CLIENT_ID, REFRESH_TOKEN


def reconnected(rig: VismaNetRig, **settings: Any) -> VismaNetRig:
    rig.settings = replace(rig.settings, **settings)
    rig.connector = rig.connect()
    return rig


def interactive(rig: VismaNetRig, **settings: Any) -> VismaNetRig:
    rig.secrets = MemorySecrets(
        rig.clock,
        client_id=INTERACTIVE_CLIENT_ID,
        client_secret=CLIENT_SECRET,
        refresh_token=REFRESH_TOKEN,
    )
    return reconnected(rig, grant="refresh", **{"company_number": COMPANY_ID, **settings})


def codes(found: Sequence[Finding], severity: str = "error") -> list[str]:
    return [finding.code for finding in found if finding.severity == severity]


def test_the_service_application_signs_in_to_the_companys_tenant() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        company = await rig.connector.company()
        assert company.id == TENANT_ID
        assert (company.name, company.currency) == ("Fjordtun Teknikk AS", "NOK")
        assert (company.country, company.time_zone) == ("NO", "Europe/Oslo")
        assert company.facts["company_number"] == "923609016"
        (token,) = [r for r in rig.transport.requests if r.url.endswith("/connect/token")]
        form = parse_qs(token.body.decode())
        assert form["grant_type"] == ["client_credentials"]
        assert form["tenant_id"] == [TENANT_ID]
        assert form["scope"][0].split() == [
            f"vismanet_erp_service_api:{verb}" for verb in ("read", "create", "update", "delete")
        ]
        # No header names the company: its tenant does.
        assert all("ipp-company-id" not in r.headers for r in rig.transport.requests)

    run(story())


def test_the_customers_tenant_gives_a_token_and_a_reason() -> None:
    async def story() -> None:
        rig = reconnected(VismaNetRig(), tenant_id=CUSTOMER_TENANT_ID)
        found = await rig.connector.check()
        assert codes(found) == ["sign_in_withdrawn"]
        assert "tenant" in found[-1].message
        with pytest.raises(ConnectionBrokenError) as broken:
            await rig.connector.company()
        assert "tenant" in broken.value.message

    run(story())


def test_a_person_signs_in_and_names_the_company() -> None:
    async def story() -> None:
        rig = interactive(VismaNetRig())
        company = await rig.connector.company()
        assert company.id == f"{TENANT_ID}/{COMPANY_ID}"
        customer = await new_customer(rig)
        assert set(records(await pages(rig, CUSTOMERS))) == {customer}
        asked = [r for r in rig.transport.requests if "/connect/" not in r.url]
        assert all(r.headers["ipp-company-id"] == COMPANY_ID for r in asked)
        # The refresh token is given once: the new one is kept before it is used.
        assert await rig.secrets.get(NAME, "refresh_token") != REFRESH_TOKEN
        rig.clock.advance(2 * 3600)
        assert await rig.connector.company() == company

    run(story())


def test_a_browsers_code_is_traded_once_and_bound_to_who_asked() -> None:
    async def story() -> None:
        rig = interactive(VismaNetRig())
        rig.secrets = MemorySecrets(
            rig.clock, client_id=INTERACTIVE_CLIENT_ID, client_secret=CLIENT_SECRET
        )
        rig.connector = rig.connect()
        back, verifier = "http://127.0.0.1:8932/callback", "v" * 64
        address = authorize_address(
            rig.settings.authorize_url,
            client_id=INTERACTIVE_CLIENT_ID,
            redirect_uri=back,
            scope=rig.settings.scopes,
            state="s",
            verifier=verifier,
        )
        for given in ("w" * 64, verifier):
            answer = await rig.transport.send(HttpRequest(method="GET", url=address))
            code = code_from_address(answer.headers["location"], "s")
            if given != verifier:
                with pytest.raises(ConnectionBrokenError):
                    await rig.connector.tokens.exchange_code(code, back, given)
        await rig.connector.tokens.exchange_code(code, back, verifier)
        assert (await rig.connector.company()).name == "Fjordtun Teknikk AS"
        with pytest.raises(ConnectionBrokenError):
            await rig.connector.tokens.exchange_code(code, back, verifier)

    run(story())


def test_a_crash_in_the_renewal_of_a_refresh_token_loses_no_sign_in() -> None:
    async def story() -> None:
        rig = interactive(VismaNetRig())
        rig.assume("old_refresh_token_dies", False)
        await rig.connector.company()
        rig.clock.advance(2 * 3600)
        # The answer with the next token is lost: the one that is stored still works.
        rig.sim.faults.add(
            {"kind": "drop_after_commit", "method": "POST", "path": "/connect/token"}
        )
        with pytest.raises(TransientError):
            await rig.connector.company()
        rig.connector = rig.connect()
        assert (await rig.connector.company()).name == "Fjordtun Teknikk AS"

    run(story())


def test_a_wrong_company_is_no_company_with_nothing_in_it() -> None:
    async def story() -> None:
        rig = interactive(VismaNetRig(), company_number="999")
        found = await rig.connector.check()
        assert codes(found) == ["company_not_seen"]
        with pytest.raises(ConnectionBrokenError) as broken:
            await pages(rig, CUSTOMERS)
        assert broken.value.code == "company_not_seen"

    run(story())


def test_a_company_that_is_not_seen_any_more_makes_nothing_absent() -> None:
    async def story() -> None:
        rig = interactive(VismaNetRig(number_start=0))
        customer = await new_customer(rig)
        change, made, outcome = await new_document(rig, customer)
        asked = doubt(rig, change, made, customer)
        assert len((await look(rig, asked)).hits) == 1
        # The person loses the company; the same answers come for whatever is asked.
        reconnected(rig, company_number="999")
        for ask in (
            rig.connector.find_by_key([asked]),
            rig.connector.trace([outcome.ref]),
            rig.connector.get([outcome.ref], DOCUMENTS),
        ):
            with pytest.raises(ConnectionBrokenError):
                await ask
        with pytest.raises(ConnectionBrokenError):
            async for _ in rig.connector.keys(Entity.DOCUMENT):
                pass

    run(story())


def test_another_company_than_the_one_it_was_bound_to_stops_everything() -> None:
    async def story() -> None:
        rig = reconnected(VismaNetRig(), company_id="another")
        assert codes(await rig.connector.check()) == ["company_changed"]
        with pytest.raises(ConnectionBrokenError) as broken:
            await rig.connector.company()
        assert broken.value.code == "company_changed"

    run(story())


def test_a_user_without_the_role_is_told_so() -> None:
    async def story() -> None:
        rig = interactive(VismaNetRig())
        rig.sim.sign_in.role = False
        assert codes(await rig.connector.check()) == ["licence_missing"]

    run(story())


def test_a_good_connection_has_nothing_wrong() -> None:
    async def story() -> None:
        rig = VismaNetRig(default_terms="30", orders=True)
        assert await rig.connector.check() == []
        rig.act("set_discount", code="DOC2", percent=2)
        found = await rig.connector.check()
        assert [finding.code for finding in found] == ["discounts_automatic"]

    run(story())


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"default_terms": "Net 77"}, "terms_unmapped"),
        ({"zone_eu": "77"}, "tax_unresolved"),
        ({"customer_class": "77"}, "not_found"),
        ({"customer_attribute": "NOSUCH"}, "attribute_missing"),
    ],
)
def test_what_is_set_and_does_not_exist_is_named(settings: dict[str, str], code: str) -> None:
    async def story() -> None:
        rig = reconnected(VismaNetRig(), **settings)
        assert codes(await rig.connector.check()) == [code]

    run(story())


def test_a_smaller_quota_than_the_one_that_is_reckoned_with_is_told() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.assume("rate_limit", 600)
        (finding,) = await rig.connector.check()
        assert (finding.code, finding.severity) == ("quota_low", "warning")
        assert "calls_per_hour=600" in finding.hint

    run(story())


def test_a_closed_period_is_seen_at_once() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        before = await rig.connector.company()
        assert before.first_open_day == date(2025, 1, 1)
        for month in range(1, 13):
            rig.act("close_period", period=f"2025{month:02d}")
        for month in range(1, 12):
            rig.act("close_period", period=f"2026{month:02d}")
        after = await rig.connector.company()
        assert after.first_open_day == date(2026, 12, 1)
        assert "period_closed" in codes(await rig.connector.check(), "warning")

    run(story())


@pytest.mark.parametrize("end", ["exclusive", "inclusive"])
def test_the_last_day_of_a_period_belongs_to_it_whatever_its_end_means(end: str) -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.assume("period_end", end)
        company = await rig.connector.company()
        assert company.last_open_day == date(2027, 12, 31)

    run(story())


@pytest.mark.parametrize(
    "values",
    [
        {"carrier": "note"},
        {"draft_status": "open"},
        {"grant": "password"},
        {"customer_attribute": ""},
        {"page_size": 0},
        {"in_flight": 20},
        {"budget_share": "2"},
        {"api_url": "http://erp.example"},
        {"overlap_s": -1},
        {"calls_per_hour": 0},
    ],
)
def test_settings_that_are_wrong_are_refused(values: dict[str, Any]) -> None:
    rig = VismaNetRig()
    settings = replace(rig.settings, number_start=0)
    assert list(settings.problems()) == []
    with pytest.raises(ConfigurationError):
        VismaNetConnector(
            NAME, replace(settings, **values), rig.transport, rig.secrets, rig.clock, Random(1)
        )


def test_settings_come_back_from_texts() -> None:
    made = VismaNetSettings.from_mapping(
        {"orders": "true", "page_size": "100", "totals_rule": "per_line", "tenant_id": "T"}
    )
    assert (made.orders, made.page_size, made.totals_rule) == (True, 100, "per_line")
    with pytest.raises(ValueError, match="no such setting: pagesize"):
        VismaNetSettings.from_mapping({"pagesize": 1})


def test_a_code_that_begins_with_0_stays_one() -> None:
    assert _settings(["zone_eu=02", "page_size=100"]) == {"zone_eu": "02", "page_size": 100}


def test_both_ways_to_sign_in_can_be_added() -> None:
    system = SYSTEMS["visma_net"]
    assert [grant.name for grant in system.grants] == ["client_credentials", "refresh"]
    for grant in system.grants:
        settings = system.make_settings({**grant.settings, "tenant_id": "T", "api_url": HOST})
        assert list(settings.problems()) == []
        if grant.browser is not None:
            address = grant.browser(settings)
            assert address.pkce
            assert "offline_access" in address.scope
            assert "vismanet_erp_interactive_api:create" in address.scope
