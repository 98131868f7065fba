"""The Tryton connector over a real server, with faults between them and people beside it."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from contract.connector_contract import ContractRig
from support.fakes import ManualClock, MemorySecrets
from support.tryton_server import RunningTryton
from tieout.connectors.http.transport import AiohttpTransport
from tieout.connectors.tryton import TrytonConnector, TrytonSettings
from tieout.core.change import Action, Wanted
from tieout.core.model import (
    Address,
    Customer,
    Document,
    Entity,
    ExternalRef,
    Identifier,
    ItemRef,
    Line,
    LineKind,
    PartyKind,
)
from tieout.ports import HttpRequest, HttpResponse, LostError, NotSentError
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.rpc import Tryton

NAME = "tryton-se"
MODELS = {Entity.CUSTOMER: "party.party", Entity.DOCUMENT: "account.invoice"}
VERBS = {Action.CREATE: "create", Action.UPDATE: "write", Action.VOID: "delete"}
# Several rigs share a database in some tests.
_DRAWN = itertools.count(200_001)
_WRITES = ("create", "write", "delete", "post", "cancel", "copy", "execute")


class RunningClock(ManualClock):
    """The real time of the machine that the server runs on. A long wait lasts a second here."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def steady(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def advance(self, seconds: float) -> None:
        # The server tells its time in whole seconds: after one, later is later.
        time.sleep(1.1 if seconds >= 60 else min(seconds, 0.01))


def method_of(request: HttpRequest) -> str:
    """The method that a request calls."""
    body = msgspec.json.decode(request.body)
    return str(body.get("method", "")) if isinstance(body, dict) else ""


def is_write(request: HttpRequest) -> bool:
    """Whether a request may change the books."""
    method = method_of(request)
    verb = method.rpartition(".")[2]
    if method.startswith("wizard."):
        return verb == "execute"
    return method.startswith("model.") and verb in _WRITES


@dataclass(slots=True)
class Fault:
    """What happens to the next requests of one method; ``times`` None: to all of them."""

    kind: str
    method: str
    times: int | None = 1
    status: int = 503


class FaultyTransport:
    """
    The real transport, with faults on the way. A request that only reads is kept as a GET, so
    that one sees what was written.
    """

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.unreachable = False
        self.faults: list[Fault] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        if self.unreachable:
            raise NotSentError("refused")
        self.requests.append(request if is_write(request) else replace(request, method="GET"))
        fault = self._next(method_of(request))
        if fault is None:
            return await self._really(request)
        match fault.kind:
            case "drop_before":
                raise LostError("dropped before")
            case "status":
                return HttpResponse(status=fault.status, headers={}, body=b"<html>busy</html>")
            case "rate_limited":
                return HttpResponse(status=429, headers={}, body=b"<html>too many</html>")
            case "token_expired":
                # Somebody ends the session: what follows is the server's own 401.
                body = b'{"id":1,"method":"common.db.logout","params":[]}'
                await self._really(replace(request, body=body))
                return await self._really(request)
        answer = await self._really(request)
        if fault.kind == "garbage":
            return HttpResponse(status=200, headers=answer.headers, body=b"<html>gateway</html>")
        raise LostError(fault.kind)

    async def _really(self, request: HttpRequest) -> HttpResponse:
        # One for each call: a test runs several event loops.
        transport = AiohttpTransport()
        try:
            return await transport.send(request)
        finally:
            await transport.close()

    def _next(self, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and (fault.times is None or fault.times > 0):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    async def close(self) -> None:
        """There is nothing to let go of."""


class TrytonRig(ContractRig):
    """One company, one connection."""

    def __init__(self, running: RunningTryton, **settings: Any) -> None:
        self.running = running
        self.clock = RunningClock()
        self.transport = FaultyTransport()  # type: ignore[assignment]
        # Signed in already, where it is the database of that session.
        here = settings.get("database", running.database) == running.database
        kept = {"session": running.session("tieout")} if here else {}
        self.secrets = MemorySecrets(self.clock, login="tieout", password="tieout-secret", **kept)
        self.settings = TrytonSettings(
            **{
                "api_url": running.url,
                "database": running.database,
                "page_size": 5,
                "our_contact": "Sara Ek",
                "overlap_s": 0,
                **settings,
            }
        )
        self.connector = self.connect()

    def connect(self) -> TrytonConnector:
        """Another process with the same sign-in."""
        return TrytonConnector(
            NAME, self.settings, self.transport, self.secrets, self.clock, Random(1)
        )

    # What a person does.

    @property
    def admin(self) -> Tryton:
        return self.running.admin

    @property
    def today(self) -> date:
        """The day in the company: Tryton's dates are in its zone."""
        return self.clock.now().astimezone(ZoneInfo(self.running.plan.timezone)).date()

    @property
    def anna(self) -> Tryton:
        """The accountant."""
        return self.running.person("anna")

    def row(self, ref: ExternalRef, *names: str) -> dict[str, Any]:
        """A document as it is over there."""
        return self.admin.read("account.invoice", number_of(ref), *names)

    # The contract.

    def number(self) -> str | None:
        return str(next(_DRAWN))

    def customer(self, **values: Any) -> Wanted:
        record = Customer(
            name="Nordhavn Kaffe AB",
            kind=PartyKind.COMPANY,
            identifiers=(
                Identifier(kind="company", country="SE", raw="556188-8404"),
                Identifier(kind="vat", country="SE", raw="SE 556188840401"),
            ),
            addresses=(
                Address(
                    lines=("Kajgatan 14", "Box 3"), postcode="211 19", city="Malmö", country="SE"
                ),
            ),
            emails={"invoice": "faktura@nordhavn.example"},
            phones={"general": "040-55 01 02"},
            contact_name="Kim Lund",
            currency="SEK",
            terms="30",
        )
        fields = {
            "name",
            "kind",
            "identifiers",
            "addresses",
            "emails",
            "phones",
            "contact_name",
            "currency",
            "terms",
        }
        return Wanted(record=replace(record, **values), fields=frozenset(fields | set(values)))

    def document(self, customer: ExternalRef, **values: Any) -> Wanted:
        rate = Decimal("0.25")
        record = Document(
            customer=customer,
            currency="",
            delivered_on=date(2026, 11, 20),
            our_reference="Sara Ek",
            your_reference="Kim Lund",
            buyer_reference="",
            po_number="PO-5521",
            lines=(
                Line(
                    position=1,
                    item=ItemRef(number="SKR01"),
                    text="Skridsko",
                    quantity=Decimal(3),
                    unit_price=Decimal("99.95"),
                    discount=Decimal("0.1"),
                    tax_rate=rate,
                    dimensions={"projekt": "P1", "kostnadsställe": "100"},
                ),
                Line(
                    position=2,
                    item=ItemRef(number="kon01"),
                    text="Konsulttimme",
                    quantity=Decimal("7.5"),
                    unit_price=Decimal("1095.00"),
                    tax_rate=rate,
                ),
                Line(
                    position=3,
                    item=ItemRef(number="LIC01"),
                    text="Licens",
                    unit_price=Decimal("199.99"),
                    discount=Decimal("0.125"),
                    tax_rate=rate,
                ),
                Line(position=4, kind=LineKind.TEXT, text="Levererat vecka 47"),
            ),
        )
        fields = {
            "customer",
            "delivered_on",
            "our_reference",
            "your_reference",
            "po_number",
            "lines",
        }
        return Wanted(record=replace(record, **values), fields=frozenset(fields | set(values)))

    def fault(self, kind: str, entity: Entity, action: Action, **more: Any) -> None:
        method = f"model.{MODELS[entity]}.{VERBS[action]}"
        self.transport.faults.append(Fault(kind, method, **more))  # type: ignore[attr-defined]

    def edit_beside(self, ref: ExternalRef) -> None:
        self.anna.write("account.invoice", number_of(ref), {"description": "Avtal 7"})

    def has_beside(self, ref: ExternalRef) -> bool:
        return bool(self.row(ref, "description")["description"] == "Avtal 7")

    def add_line(self, ref: ExternalRef, text: str) -> None:
        lines = [["create", [{"type": "comment", "description": text}]]]
        self.anna.write("account.invoice", number_of(ref), {"lines": lines})

    def remove_carrier(self, ref: ExternalRef) -> None:
        # In series 8.2 nobody may change the key by the program; a script of somebody's may.
        self.running.sql(
            "UPDATE account_invoice SET tieout_key = NULL, reference = %s WHERE id = %s",
            "PO-5521",
            number_of(ref),
        )

    def book(self, ref: ExternalRef) -> None:
        acts.post(self.anna, number_of(ref))

    def delete(self, ref: ExternalRef) -> None:
        acts.delete_draft(self.anna, number_of(ref))

    def touch(self, ref: ExternalRef) -> None:
        self.admin.write("party.party", int(ref.id), {"name": "Ny AB"})

    def stored(self, entity: Entity) -> int:
        if entity is Entity.CUSTOMER:
            own = self.running.books.party
            return len(self.admin.search("party.party", [["id", "!=", own]], ["id"]))
        return len(self.admin.search("account.invoice", [["type", "=", "out"]], ["id"]))

    def break_permission(self) -> None:
        user = self.running.books.users["tieout"]
        groups = self.admin.read("res.user", user, "groups")["groups"]
        self.admin.write("res.user", user, {"groups": [["remove", groups]]})


def number_of(ref: ExternalRef) -> int:
    """The id over there."""
    return int(ref.id.rpartition(":")[2])
