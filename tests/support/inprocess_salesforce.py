"""A Salesforce connector and its simulator in one process, on one clock, without a socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.fakes import ManualClock, MemorySecrets
from support.inprocess import InProcessTransport
from tieout.connectors.http.json import loads
from tieout.connectors.salesforce import SalesforceConnector, SalesforceSettings
from tieout.core.change import Action, Change, Wanted
from tieout.core.model import Deal, Entity, ExternalRef, Record, Standing
from tieout.ports import HttpRequest, Page, Selection
from tieout_sandbox.kit.clock import SandboxClock
from tieout_sandbox.salesforce import SalesforceSimulator, credentials

BASE = "http://127.0.0.1:8443"
START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


class InProcess(InProcessTransport):
    """The transport to a simulated org, with what tests ask about the calls made."""

    def to(self, part: str) -> list[HttpRequest]:
        """The vendor calls whose path holds this, sign-ins left out."""
        return [r for r in self.requests if part in urlsplit(r.url).path]

    def statements(self) -> list[str]:
        """Every SOQL statement that was asked, those inside composites too."""
        found: list[str] = []
        for request in self.requests:
            found.extend(parse_qs(urlsplit(request.url).query).get("q", []))
            if urlsplit(request.url).path.endswith("/composite"):
                found.extend(_inner(request.body))
        return found


def _inner(body: bytes) -> list[str]:
    parts = loads(body)["compositeRequest"]
    return [parse_qs(urlsplit(part["url"]).query)["q"][0] for part in parts]


@dataclass
class Rig:
    """An org, a connector to it, and shortcuts for what tests do with them."""

    clock: ManualClock
    simulator: SalesforceSimulator
    transport: InProcess
    secrets: MemorySecrets
    connector: SalesforceConnector
    made: dict[str, Any] = field(default_factory=dict)

    def act(self, action: str, /, **arguments: Any) -> Any:
        """A person does something in the org."""
        return self.simulator.act(action, arguments)

    def fault(self, kind: str, **more: Any) -> None:
        """The next fitting call fails in this way."""
        self.simulator.faults.add({"kind": kind, **more})

    async def read(
        self, want: Selection, cursor: bytes | None = None, resume: bytes | None = None
    ) -> list[Page]:
        """All pages of a read."""
        return [page async for page in self.connector.changes_since(want, cursor, resume)]

    def row(self, kind: str, record_id: str) -> Mapping[str, Any]:
        """A row as it is stored in the org."""
        row = self.simulator.org.tables[kind].get(record_id)
        assert row is not None
        return row

    def calls(self) -> int:
        """Vendor calls made so far, without sign-ins."""
        return len(self.transport.to("/services/data/"))


def rig(
    *,
    size: int = 0,
    seed: int = 1,
    secrets: dict[str, str] | None = None,
    package: bool = True,
    **more: Any,
) -> Rig:
    """A connector that signs in by JWT to a fresh org, with our package in it or bare."""
    clock = ManualClock(START)
    simulator = SalesforceSimulator(
        seed=seed, size=size, clock=SandboxClock(clock.now, start=START), package=package
    )
    known = credentials()
    settings: dict[str, Any] = {
        "login_url": BASE,
        "audience": known["jwt_audience"],
        "user": known["username"],
        "currency": "SEK",
        **more,
    }
    vault = MemorySecrets(
        clock,
        client_id=known["client_id"],
        private_key=known["private_key"],
        **(secrets or {}),
    )
    transport = InProcess(simulator, simulator.clock.now)
    connector = SalesforceConnector(
        "sf", SalesforceSettings.from_mapping(settings), transport, vault, clock, Random(1)
    )
    return Rig(clock, simulator, transport, vault, connector)


def records(pages: Sequence[Page]) -> list[Record]:
    """The records of all pages."""
    return [record for page in pages for record in page.records]


def cursor_of(pages: Sequence[Page]) -> bytes | None:
    """The cursor that a read ended with."""
    return pages[-1].cursor


def standing_change(key: str, record_id: str, **values: Any) -> Change:
    """The decision to show these values on an opportunity or account."""
    ref = ExternalRef("sf", Entity.STANDING.value, record_id)
    of = "customer" if record_id.startswith("001") else "deal"
    return Change(
        key=key,
        entity=Entity.STANDING,
        action=Action.UPDATE,
        wanted=Wanted(record=Standing(ref=ref, of=of, **values), fields=frozenset(values)),
        target=ref,
    )


DEALS = Selection(entity=Entity.DEAL, shape="s1")


def furnish(found: Rig) -> Rig:
    """An account with a product and one open deal of two lines."""
    act = found.act
    found.made["account"] = act("create_account", name="Ekfors Trä AB")["id"]
    found.made["product"] = act("create_product", name="Lagerhylla", code="LAG-1", price=1000)["id"]
    found.made["deal"] = new_deal(found, "Lager 3")
    return found


def new_deal(found: Rig, name: str) -> str:
    lines = [
        {"product": "LAG-1", "quantity": 3, "unit_price": "1249.50", "discount": "10"},
        {"product": "LAG-1", "quantity": 1, "unit_price": "0.05", "description": "Frakt"},
    ]
    made = found.act("create_opportunity", name=name, account=found.made["account"], lines=lines)
    return str(made["id"])


def deals(pages: list[Any]) -> list[Deal]:
    found = records(pages)
    assert all(isinstance(record, Deal) for record in found)
    return [record for record in found if isinstance(record, Deal)]
