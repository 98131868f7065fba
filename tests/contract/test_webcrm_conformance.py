"""Every request of the connector against the vendor's description: paths, queries, bodies."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from support.webcrm_rig import (
    CONTACTS,
    CUSTOMERS,
    DEALS,
    ITEMS,
    NAME,
    Rig,
    prepared,
    rig,
    standing_change,
)
from tieout.connectors.http.json import loads
from tieout.core.change import Action, Applied, Change, Wanted
from tieout.core.model import Customer, Deal, Entity, ExternalRef, Item
from tieout.ports import HttpRequest

pytestmark = pytest.mark.shared


class Description:
    """The vendor's document, and what was seen beside it."""

    def __init__(self, folder: Path) -> None:
        text = (folder / "webcrm-rest-v1.swagger.json").read_text(encoding="utf-8")
        document = json.loads(text)
        self.models: dict[str, Any] = document["definitions"]
        self._paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path, methods)
            for path, methods in document["paths"].items()
        ]
        seen = json.loads((folder / "observed-additions.json").read_text(encoding="utf-8"))
        self._seen = {(one["method"], one["path"]): one for one in seen["endpoints"]}
        self.tables = seen["queryTables"]
        self.templates: set[str] = set()

    def problems(self, request: HttpRequest) -> Iterator[str]:
        """What of a request the vendor does not know or take."""
        parts = urlsplit(request.url)
        where = f"{request.method} {parts.path}"
        asked = {name for name, _ in parse_qsl(parts.query)}
        beside = self._seen.get((request.method, parts.path))
        if beside is not None:
            self.templates.add(parts.path)
            yield from (f"{where}: {name}" for name in asked - set(beside.get("query", {})))
            return
        fitting = [
            (path, methods[request.method.lower()])
            for pattern, path, methods in self._paths
            if pattern.match(parts.path) and request.method.lower() in methods
        ]
        if not fitting:
            yield f"{where}: no such operation"
            return
        path, operation = min(fitting, key=lambda found: found[0].count("{"))
        self.templates.add(path)
        known = operation.get("parameters", ())
        allowed = {one["name"] for one in known if one["in"] == "query"}
        yield from (f"{where}: parameter {name}" for name in sorted(asked - allowed))
        body = next((one for one in known if one["in"] == "body"), None)
        if body is not None:
            yield from self._value(loads(request.body), body["schema"], where)
        elif request.body and not any(one["in"] == "formData" for one in known):
            yield f"{where}: takes no body"

    def _value(self, value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
        if "$ref" in schema:
            yield from self._object(value, schema["$ref"].rpartition("/")[2], where)
            return
        kinds: dict[str, tuple[type, ...]] = {
            "string": (str,),
            "boolean": (bool,),
            "integer": (int,),
            "number": (int, Decimal),
            "array": (list,),
        }
        if not isinstance(value, kinds[schema["type"]]):
            yield f"{where} is {schema['type']}, not {value!r}"
        elif schema["type"] == "array":
            for item in value:
                yield from self._value(item, schema["items"], where)
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{where} is none of {schema['enum']}: {value!r}"
        elif isinstance(value, str) and len(value) > schema.get("maxLength", 1_000_000):
            yield f"{where} has {len(value)} characters"
        elif schema.get("format") == "date-time" and not re.match(r"\d{4}-\d\d-\d\dT", str(value)):
            yield f"{where} is no time: {value!r}"

    def _object(self, value: Any, model: str, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where}: {model} is an object"
            return
        fields = self.models[model]["properties"]
        for name in self.models[model].get("required", ()):
            if name not in value:
                yield f"{where}: {name} is required"
        for name, given in value.items():
            if name not in fields:
                yield f"{where}: {model} has no {name}"
            elif given is None:
                yield f"{where}: {name} is null"
            else:
                yield from self._value(given, fields[name], f"{where}: {name}")


@pytest.fixture(scope="module")
def description(shared_dir: Path) -> Description:
    return Description(shared_dir / "specs" / "webcrm")


async def everything(found: Rig) -> None:
    """All that the connector does, at least once."""
    organisation = found.organisation()
    found.item()
    delivery = found.deal(organisation=organisation)
    opportunity = found.deal("add_opportunity", organisation=organisation)
    connector = found.connector
    await connector.check()
    await connector.describe()
    for want in (CUSTOMERS, CONTACTS, ITEMS, DEALS):
        pages = await found.read(want)
        found.clock.advance(60)
        await found.read(want, pages[-1].cursor)
        _ = [keys async for keys in connector.keys(want.entity)]
    refs = [ExternalRef(NAME, "deal", f"deal:{n}") for n in (delivery, opportunity, 9, 8, 7)]
    await connector.get(refs, DEALS)
    await connector.trace(refs)
    values: dict[str, Any] = {"status": "booked", "number": "7", "books_id": "invoice:1"}
    changes = [
        standing_change("A", f"deal:{delivery}", **values),
        standing_change("B", f"deal:{opportunity}", **values),
        standing_change("C", f"organisation:{organisation}", open=Decimal("1.50")),
        Change(
            key="D",
            entity=Entity.CUSTOMER,
            action=Action.UPDATE,
            wanted=Wanted(record=Customer(number="C-1"), fields=frozenset({"number"})),
            target=ExternalRef(NAME, "customer", f"organisation:{organisation}"),
        ),
        Change(
            key="E",
            entity=Entity.DEAL,
            action=Action.UPDATE,
            wanted=Wanted(record=Deal(number="100"), fields=frozenset({"number"})),
            target=refs[0],
        ),
    ]
    item = Item(number="PUMP-1", name="Vattenpump", unit="st", price=Decimal("1249.50"))
    named = frozenset({"number", "name", "unit", "price", "active"})
    wanted = Wanted(record=item, fields=named)
    for row in found.rows("QuotationLineLinkedData")[:1]:
        ref = ExternalRef(NAME, "item", f"item:{row['QuotationLineLinkedDataItemId']}")
        changes.append(
            Change(key="F", entity=Entity.ITEM, action=Action.UPDATE, wanted=wanted, target=ref)
        )
    await send(found, changes)
    other = Wanted(record=Item(number="PUMP-2", name="Pump", price=Decimal(5)), fields=named)
    made = Change(key="G" * 16, entity=Entity.ITEM, action=Action.CREATE, wanted=other)
    await send(found, [made])


async def send(found: Rig, changes: list[Change]) -> None:
    for wire in found.connector.pack(await prepared(found, *changes)):
        for outcome in await found.connector.send(wire):
            assert isinstance(outcome, Applied), outcome


async def _all_requests(changes: str) -> Rig:
    found = rig(changes=changes, size=3, lines_every_s=0, page_rows=60, line={"key": "Data4"})
    found.act("set_columns", columns=["Varenummer", "Navn", "Enhed", "Tieout"])
    await everything(found)
    return found


@pytest.mark.parametrize("changes", ["queries", "lists"])
def test_every_request_is_one_that_the_vendor_knows(description: Description, changes: str) -> None:
    found = asyncio.run(_all_requests(changes))
    problems = [p for request in found.transport.requests for p in description.problems(request)]
    assert problems == []
    assert {
        "/Auth",
        "/Auth/ApiLogin",
        "/FieldsMetadata/{entityTypes}",
        "/Deliveries",
        "/Deliveries/{id}",
        "/Deliveries/{id}/QuotationLines",
        "/Opportunities/{id}/QuotationLines",
        "/Organisations/{id}",
        "/QuotationLines",
        "/QuotationLines/LinkedData",
        "/QuotationLines/LinkedData/{id}",
        "/Users",
    } <= description.templates
    wanted = "/Queries" if changes == "queries" else "/Organisations/FindByUpdateDates"
    assert any(wanted in template for template in description.templates)


def test_nothing_is_ever_deleted() -> None:
    found = asyncio.run(_all_requests("queries"))
    assert {request.method for request in found.transport.requests} <= {
        "GET",
        "POST",
        "PUT",
        "PATCH",
    }
    posts = [r for r in found.transport.requests if r.method == "POST"]
    assert {urlsplit(r.url).path for r in posts} == {"/Auth/ApiLogin", "/QuotationLines/LinkedData"}


def test_scripts_ask_only_tables_and_fields_that_were_seen(description: Description) -> None:
    found = asyncio.run(_all_requests("queries"))
    forms = {
        "Organisation": "OrganisationDto",
        "Person": "PersonDto",
        "Delivery": "DeliveryDto",
        "Opportunity": "OpportunityDto",
    }
    for script in found.scripts():
        table = script.split(" FROM ")[1].split(" ")[0]
        assert table in description.tables
        fields = set(description.models[forms[table]]["properties"])
        bare = re.sub(r"'(?:[^']|'')*'", "", script)
        assert set(re.findall(rf"\b{table}\w+", bare)) <= fields
        signs = set(re.findall(r"[<>=!]+", bare))
        assert signs <= {"=", ">="}
