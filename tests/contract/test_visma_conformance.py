"""Every request of the connector against the vendor's description: paths, queries, bodies."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from contract.connector_contract import (
    CUSTOMERS,
    DOCUMENTS,
    doubt,
    look,
    new_customer,
    new_document,
    pages,
    run,
    write,
)
from support.visma_rig import VismaRig
from tieout.connectors.http.json import loads
from tieout.core.change import Action, Change, Wanted
from tieout.core.model import Entity
from tieout.ports import HttpRequest, Selection

pytestmark = pytest.mark.shared
_LIST_OPTIONS = {"$page", "$pagesize", "$filter", "$select", "$orderby"}
_PARAMETERS = {"/v2/currencies/exchangerate": {"date", "sourceCurrency", "targetCurrency"}}


class Description:
    """The vendor's operations and models."""

    def __init__(self, path: Path) -> None:
        data = json.loads(path.read_text(encoding="utf-8"))
        self.models: dict[str, dict[str, dict[str, Any]]] = data["models"]
        self._operations = [
            (op["method"], re.compile(re.sub(r"\{[^}]+\}", "[^/]+", op["path"]) + "$"), op)
            for op in data["operations"]
        ]

    def operation(self, request: HttpRequest) -> dict[str, Any] | None:
        """The operation of a request; one without ids in its path goes first."""
        path = urlsplit(request.url).path
        fitting = [
            op
            for method, pattern, op in self._operations
            if method == request.method and pattern.match(path)
        ]
        return min(fitting, key=lambda op: op["path"].count("{"), default=None)

    def problems(self, request: HttpRequest) -> list[str]:
        """What of a request the vendor does not know or take."""
        operation = self.operation(request)
        where = f"{request.method} {urlsplit(request.url).path}"
        if operation is None:
            return [f"{where}: no such operation"]
        allowed = set(operation.get("query", ())) | _PARAMETERS.get(operation["path"], set())
        if str(operation.get("returns", "")).startswith("Paginated"):
            allowed |= _LIST_OPTIONS
        asked = {name for name, _ in parse_qsl(urlsplit(request.url).query)}
        found = [f"{where}: parameter {name}" for name in sorted(asked - allowed)]
        if request.body:
            found += self._body(loads(request.body), operation["body"], where)
        elif operation.get("body") and request.method != "DELETE":
            found.append(f"{where}: no body")
        return found

    def _body(self, value: Any, model: str, where: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{where}: {model} is an object"]
        fields = self.models[model]
        found = []
        for name, told in fields.items():
            if told.get("required") and not told.get("readOnly") and value.get(name) is None:
                found.append(f"{where}: {name} is required")
        for name, given in value.items():
            told = fields.get(name, {})
            if name not in fields:
                found.append(f"{where}: {model} has no {name}")
            elif told.get("readOnly"):
                found.append(f"{where}: {name} is read-only")
            elif given is not None:
                found += self._value(given, told, f"{where}: {name}")
        return found

    def _value(self, given: Any, told: dict[str, Any], where: str) -> list[str]:
        if "array_of" in told:
            if not isinstance(given, list):
                return [f"{where} is a list"]
            return [p for item in given for p in self._body(item, told["array_of"], where)]
        if "ref" in told:
            return self._body(given, told["ref"], where)
        kinds: dict[str, tuple[type, ...]] = {
            "string": (str,),
            "uuid": (str,),
            "date-time": (str,),
            "boolean": (bool,),
            "integer": (int,),
            "number": (int, Decimal),
        }
        kind = kinds.get(told["type"])
        if kind is not None and not isinstance(given, kind):
            return [f"{where} is {told['type']}, not {given!r}"]
        if "maxLength" in told and isinstance(given, str) and len(given) > told["maxLength"]:
            return [f"{where} has {len(given)} characters"]
        if told["type"] == "date-time" and not re.match(r"\d{4}-\d\d-\d\d", given):
            return [f"{where} is no date"]
        return []


@pytest.fixture(scope="module")
def description(shared_dir: Path) -> Description:
    return Description(shared_dir / "specs" / "visma-eaccounting" / "api-v2-subset.json")


def test_a_wrong_body_would_be_seen(description: Description) -> None:
    body = b'{"Nmae":"x","Id":"y","CustomerNumber":"12345678901234567","IsActive":1}'
    request = HttpRequest(method="POST", url="https://x/v2/customers?overlap=1", body=body)
    text = "\n".join(description.problems(request))
    for word in ("has no Nmae", "Id is read-only", "17 characters", "boolean", "overlap"):
        assert word in text
    assert "InvoiceCity is required" in text


@pytest.mark.parametrize("carrier", ["our_reference", "text_row"])
def test_every_request_is_one_that_the_vendor_describes(
    description: Description, carrier: str
) -> None:
    rig = VismaRig(carrier=carrier)
    # Whatever is not in the vendor's model is an error now.
    rig.assume("unknown_fields", "error")

    async def story() -> None:
        await rig.connector.check()
        await rig.connector.company()
        customer = await new_customer(rig)
        await _update_customer(rig, customer)
        change, made, outcome = await new_document(rig, customer, "006A")
        record = change.wanted.record  # type: ignore[union-attr]
        update = replace(
            change,
            action=Action.UPDATE,
            wanted=Wanted(
                record=replace(record, po_number="PO-9"), fields=frozenset({"po_number"})
            ),
            target=outcome.ref,
            base=outcome.shows,
        )
        await write(rig, update)
        lines = replace(update, wanted=Wanted(record=record, fields=frozenset({"lines"})))
        await write(rig, lines)
        await look(rig, doubt(rig, change, made, customer))
        await write(rig, replace(update, action=Action.CONVERT, wanted=None))
        await rig.connector.trace([outcome.ref])
        other, _, second = await new_document(rig, customer, "006B")
        await write(rig, replace(other, action=Action.VOID, wanted=None, target=second.ref))
        for entity in (Entity.CUSTOMER, Entity.DOCUMENT, Entity.ITEM, Entity.CODE, Entity.BALANCE):
            found = await pages(rig, Selection(entity=entity))
            await pages(rig, Selection(entity=entity), found[-1].cursor)
            async for _ in rig.connector.keys(entity):
                pass
        await rig.connector.get([customer] * 3, CUSTOMERS)
        await rig.connector.get([outcome.ref, second.ref], DOCUMENTS)

    run(story())
    requests = [r for r in rig.transport.requests if "/connect/token" not in r.url]
    assert len(requests) > 60
    problems = [problem for request in requests for problem in description.problems(request)]
    assert problems == []


async def _update_customer(rig: VismaRig, customer: Any) -> None:
    change = Change(
        key="K" * 16,
        entity=Entity.CUSTOMER,
        action=Action.UPDATE,
        wanted=rig.customer(name="Nordhavn Rosteri AB"),
        target=customer,
    )
    await write(rig, change)
