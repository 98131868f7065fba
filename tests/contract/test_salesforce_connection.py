"""A connection to Salesforce as a whole: company, check, describe, and what it asks of the org."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from support.inprocess_salesforce import BASE, Rig, rig, standing_change
from tieout.core.abilities import Reads
from tieout.core.errors import ConfigurationError, ConnectionBrokenError
from tieout.core.finding import Severity
from tieout.core.model import Entity, ExternalRef
from tieout.ports import Connector, Selection
from tieout_sandbox.salesforce import credentials


def test_it_is_a_connector() -> None:
    connector: Connector = rig().connector
    assert connector.abilities.side == "crm"
    standing = connector.abilities.of(Entity.STANDING)
    assert (standing.write_max, standing.owned_whole) == (200, True)
    assert connector.abilities.of(Entity.DEAL).reads is Reads.STAMP
    assert connector.signals({}, b"<xml/>") == ()


def test_the_company_is_the_org() -> None:
    async def story() -> None:
        found = rig()
        company = await found.connector.company()
        assert company.id == credentials()["org_id"]
        assert len(company.id) == 18
        assert company.user == credentials()["username"]
        assert company.time_zone == "UTC"
        assert company.country == "SE"
        assert len(company.currency) == 3
        assert company.facts["url"] == BASE
        assert company.facts["sandbox"] is True

    asyncio.run(story())


def test_another_org_than_before_is_refused_and_nothing_is_read() -> None:
    async def story() -> None:
        found = rig(org_id="00Dxx0000009ZZZ")
        with pytest.raises(ConnectionBrokenError) as refused:
            await found.connector.company()
        assert refused.value.code == "company_changed"
        before = found.calls()
        with pytest.raises(ConnectionBrokenError):
            await found.read(Selection(entity=Entity.DEAL))
        with pytest.raises(ConnectionBrokenError):
            await found.connector.prepare([standing_change("K", "006xx000001abcDAAQ", status="x")])
        assert found.calls() == before
        told = await found.connector.check()
        assert [finding.code for finding in told] == ["company_changed"]

    asyncio.run(story())


@pytest.mark.parametrize("grant", ["jwt", "refresh", "client_credentials"])
def test_every_way_to_sign_in_works(grant: str) -> None:
    async def story() -> None:
        known = credentials()
        secrets = {"client_secret": known["client_secret"], "refresh_token": known["refresh_token"]}
        found = rig(grant=grant, my_domain=BASE, secrets=secrets)
        company = await found.connector.company()
        assert company.id == known["org_id"]

    asyncio.run(story())


def test_a_proxy_may_stand_before_the_org() -> None:
    async def story() -> None:
        proxy = "http://localhost:9999"
        found = rig(api_url=proxy)
        company = await found.connector.company()
        assert all(r.url.startswith(proxy) for r in found.transport.to("/services/data/"))
        # People follow links to the org itself.
        assert company.facts["url"] == BASE

    asyncio.run(story())


def test_settings_that_cannot_work_are_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="sources"):
        rig(sources=["invoice"])


def test_a_sign_in_that_is_withdrawn_is_a_finding_of_the_check() -> None:
    async def story() -> None:
        found = rig()
        found.act("set_switch", name="user_approved", value=False)
        told = await found.connector.check()
        assert [finding.code for finding in told] == ["sign_in_refused"]

    asyncio.run(story())


def test_a_clock_that_is_wrong_is_named_where_it_keeps_us_from_signing_in() -> None:
    async def story() -> None:
        found = rig()
        found.simulator.advance_clock(-3600)
        told = await found.connector.check()
        assert [finding.code for finding in told] == ["sign_in_refused", "clock_wrong"]
        assert "60 minutes ahead of" in told[1].message

    asyncio.run(story())


def test_an_org_without_the_api_is_a_finding_of_the_check() -> None:
    async def story() -> None:
        found = rig()
        found.act("set_switch", name="api_enabled", value=False)
        told = await found.connector.check()
        assert [finding.code for finding in told] == ["api_disabled"]
        assert "API Enabled" in told[0].hint

    asyncio.run(story())


def test_a_sound_connection_has_no_errors_and_says_what_it_cannot_see() -> None:
    async def story() -> None:
        found = rig()
        writes = [r for r in found.transport.requests if r.method in ("PATCH", "DELETE")]
        told = await found.connector.check()
        errors = [f for f in told if f.severity is Severity.ERROR]
        assert errors == []
        assert "view_all_unproven" in [f.code for f in told]
        assert writes == []

    asyncio.run(story())


def test_missing_fields_objects_quota_and_clock_are_told_each_by_name() -> None:
    async def story() -> None:
        found = rig(
            account={"org_number": "Orgnr__c"},
            sources=["opportunity", "order"],
            currency="",
        )
        found.act("hide_field", object="OpportunityLineItem", field="Discount")
        found.act("hide_field", object="Opportunity", field="Erp_Status__c")
        found.act("hide_field", object="Account", field="Payment_Terms__c")
        await found.connector.company()
        found.simulator.advance_clock(-3600)
        told = await found.connector.check()
        places = {finding.place: finding for finding in told}
        assert places["OpportunityLineItem.Discount"].code == "field_missing"
        assert places["OpportunityLineItem.Discount"].severity is Severity.ERROR
        assert places["Opportunity.Erp_Status__c"].severity is Severity.ERROR
        assert places["Account.Orgnr__c"].code == "unknown_field"
        assert "Org_Number__c" in places["Account.Orgnr__c"].message
        assert places["Account.Payment_Terms__c"].severity is Severity.WARNING
        codes = {finding.code for finding in told}
        assert "clock_wrong" in codes
        for finding in told:
            assert finding.message.endswith(".")
            assert "failed to" not in finding.message

    asyncio.run(story())


def test_a_full_day_is_told_by_the_check() -> None:
    async def story() -> None:
        found = rig()
        await found.connector.company()
        found.act("set_switch", name="daily_api_requests", value=found.simulator.usage.used + 5)
        told = await found.connector.check()
        assert {f.code for f in told} & {"quota_low", "quota_used"}

    asyncio.run(story())


def test_describe_has_the_fields_that_mappings_can_name() -> None:
    async def story() -> None:
        found = rig()
        schema = await found.connector.describe()
        deal = {field.path: field for field in schema.fields["deal"]}
        assert deal["Po_Number__c"].length == 80
        assert deal["Amount"].decimals == 2
        assert deal["Account.Payment_Terms__c"].options[:2] == ("Net 10", "Net 14")
        assert not deal["Account.Payment_Terms__c"].writable
        assert "Owner.Email" in deal
        lines = {field.path for field in schema.fields["line"]}
        assert {"line.Quantity", "line.Product2.Family"} <= lines
        customer = {field.path: field for field in schema.fields["customer"]}
        assert customer["Name"].required
        # Every path that is offered can be asked for.
        for entity, paths in (("deal", list(deal)), ("customer", list(customer))):
            usable = [path for path in paths if not path.endswith("Address")]
            want = Selection(entity=Entity(entity), extra=tuple(usable))
            assert list(await found.connector.unknown_fields(want)) == []

    asyncio.run(story())


def test_the_same_story_makes_the_same_requests() -> None:
    async def story() -> list[tuple[str, str, bytes]]:
        found = rig()
        account = found.act("create_account", name="A")["id"]
        deal = found.act("create_opportunity", name="D", account=account)["id"]
        await found.connector.check()
        await found.read(Selection(entity=Entity.DEAL))
        change = standing_change("K", deal, status="booked")
        items = await found.connector.prepare([change])
        wires = found.connector.pack([item for item in items if hasattr(item, "body")])  # type: ignore[misc]
        for wire in wires:
            await found.connector.send(wire)
        return [
            (r.method, r.url, r.body) for r in found.transport.requests if "oauth2" not in r.url
        ]

    assert asyncio.run(story()) == asyncio.run(story())


def test_every_call_names_us_and_goes_to_the_orgs_own_host() -> None:
    async def story() -> None:
        found = rig()
        await found.connector.check()
        for request in found.transport.to("/services/data/"):
            assert request.headers["Sforce-Call-Options"] == "client=tieout"
            assert request.url.startswith(BASE)
            assert len(request.url) < 16_000

    asyncio.run(story())


# Against the vendor's own description.


async def _everything(found: Rig) -> None:
    act = found.act
    account = act("create_account", name="Ekfors Trä AB")["id"]
    act("create_product", name="Lagerhylla", code="LAG-1", price=1000)
    lines = [{"product": "LAG-1", "quantity": 3, "unit_price": "1249.50"}]
    deal = act("create_opportunity", name="L", account=account, lines=lines)["id"]
    await found.connector.company()
    for entity in (Entity.DEAL, Entity.CUSTOMER, Entity.CONTACT, Entity.ITEM):
        cursor = (await found.read(Selection(entity=entity)))[-1].cursor
        await found.read(Selection(entity=entity), cursor)
        [page async for page in found.connector.keys(entity)]
    refs = [ExternalRef("sf", "deal", deal)]
    await found.connector.get(refs, Selection(entity=Entity.DEAL))
    await found.connector.trace(refs)
    items = await found.connector.prepare([standing_change("K", deal, status="booked")])
    for wire in found.connector.pack(items):  # type: ignore[arg-type]
        await found.connector.send(wire)


@pytest.mark.shared
def test_every_request_is_one_of_the_vendors(shared_dir: Path) -> None:
    path = shared_dir / "specs" / "salesforce" / "rest-requests.json"
    known = [(entry["method"], _pattern(entry["url"])) for entry in json.loads(path.read_text())]
    found = rig(sources=["opportunity", "order", "quote"])
    asyncio.run(_everything(found))
    # In the guide, though not in the collection of requests: the update of several rows whose
    # types stand in the body, and the list of versions.
    known += [
        ("PATCH", ["services", "data", "{{version}}", "composite", "sobjects"]),
        ("GET", ["services", "data"]),
    ]
    for request in found.transport.requests:
        path_only = request.url.removeprefix(BASE).partition("?")[0]
        parts = [part for part in path_only.split("/") if part]
        methods = [pattern for method, pattern in known if method == request.method]
        fitting = [pattern for pattern in methods if _fits(pattern, parts)]
        assert fitting, f"{request.method} {path_only}"


def _pattern(url: str) -> list[str]:
    path = url.partition("?")[0]
    for host in ("{{_endpoint}}", "{{url}}{{site}}", "{{url}}"):
        path = path.removeprefix(host)
    return [part for part in path.split("/") if part]


def _fits(pattern: list[str], parts: list[str]) -> bool:
    if len(pattern) != len(parts):
        return False
    return all(
        "{{" in want or want.startswith("<") or want.lower() == have.lower()
        for want, have in zip(pattern, parts, strict=True)
    )


@pytest.mark.shared
def test_every_field_that_is_selected_is_one_of_the_vendors(shared_dir: Path) -> None:
    folder = shared_dir / "specs" / "salesforce" / "objects"
    known: dict[str, Any] = {
        path.stem: set(json.loads(path.read_text())["fields"]) for path in folder.glob("*.json")
    }
    found = rig(sources=["opportunity", "order", "quote"])
    asyncio.run(_everything(found))
    seen = 0
    for statement in found.transport.statements():
        for place, column in _columns(statement):
            fields = known.get(place)
            if fields is None or column.endswith("__c"):
                continue
            seen += 1
            assert column in fields, f"{place}.{column} in {statement}"
    assert seen > 200


_CHILDREN = {
    "OpportunityLineItems": "OpportunityLineItem",
    "OrderItems": "OrderItem",
    "QuoteLineItems": "QuoteLineItem",
    "OpportunityContactRoles": "OpportunityContactRole",
}
_PARENTS = {
    "Pricebook2": "Pricebook2",
    "Owner": "User",
    "BillToContact": "Contact",
    "Contact": "Contact",
    "Product2": "Product2",
    "RecordType": "RecordType",
    "Quote": "Quote",
    "Opportunity": "Opportunity",
    "Account": "Account",
}


def _columns(statement: str) -> list[tuple[str, str]]:
    """Every selected column of a statement with the object that it belongs to."""
    found: list[tuple[str, str]] = []
    outer = ""
    inner: list[str] = []
    depth = 0
    current = ""
    for char in statement.split(" WHERE ", 1)[0] if "(" not in statement else statement:
        depth += char == "("
        if depth:
            current += char
        else:
            outer += char
        if char == ")":
            depth -= 1
            if depth == 0:
                inner.append(current[1:-1])
                current = ""
    for part in [outer, *(text for text in inner if text.startswith("SELECT "))]:
        head, _, rest = part.removeprefix("SELECT ").partition(" FROM ")
        name = rest.split(" ")[0]
        place = _CHILDREN.get(name, name)
        for column in head.split(","):
            *ways, last = column.strip().split(".")
            if last:
                found.append((_PARENTS[ways[-1]] if ways else place, last))
    return found
