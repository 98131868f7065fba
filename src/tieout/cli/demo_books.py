"""The books that a demo can have: what the story needs of them, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol

from tieout.services.usage import UsedWronglyError

if TYPE_CHECKING:
    from tieout.bootstrap import Opened
    from tieout.cli.demo_servers import Wanted
    from tieout.services.demo import Access, Address, BooksTexts
    from tieout.services.demo_people import Finance


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Books that run: how to connect to them, who works in them, where they listen."""

    access: Access
    finance: Finance
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What books are started with. ``addresses`` are those of their own simulators, in order."""

    opened: Opened
    addresses: Sequence[Address]
    port: int
    today: date
    say: Callable[[str], None]


class Books(Protocol):
    """
    One system as the books of the demo.

    ``label`` is its name on screens, ``servers`` what is started with the CRM's simulator,
    ``closed_to`` how far books are closed that finance closes today, ``accounts`` how many
    accounts the CRM's firm has: as many as these books can work on in a minute. ``country`` and
    ``currency`` are the company's own.
    """

    label: str
    servers: str
    closed_to: str
    accounts: int
    country: str
    currency: str

    def texts(self, today: date) -> BooksTexts:
        """What the project's files say of them."""

    def check(self) -> None:
        """Raises `ConfigurationError` where they cannot be started on this machine."""

    def simulators(self, port: int) -> Sequence[Wanted]:
        """What is started beside the CRM's simulator, before the database."""

    async def start(self, stack: AsyncExitStack, start: Start) -> Started:
        """Ready to be connected; all that was started ends with the stack."""

    def looking(self, started: Started | None, port: int) -> Sequence[str]:
        """How to look at them in the vendor's own client: while they run, or after the demo."""


VISMA, VISMA_NET, TRYTON = "visma_eaccounting", "visma_net", "tryton"


def books_named(name: str) -> Books:
    """The books of that system. Raises `UsedWronglyError` with the names that there are."""
    # Only the chosen one's modules are loaded.
    if name == VISMA:
        from tieout.cli.demo_visma import VismaBooks

        return VismaBooks()
    if name == VISMA_NET:
        from tieout.cli.demo_visma_net import VismaNetBooks

        return VismaNetBooks()
    if name == TRYTON:
        from tieout.cli.demo_tryton import TrytonBooks

        return TrytonBooks()
    raise UsedWronglyError(
        f"There are no books {name} for a demo; there are {VISMA}, {VISMA_NET} and {TRYTON}.",
        hint=f"tieout demo --books {TRYTON}",
    )
