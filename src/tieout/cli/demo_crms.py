"""The CRMs that a demo can have: what the story needs of them, and which there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tieout.services.usage import UsedWronglyError

if TYPE_CHECKING:
    from tieout.cli.demo_servers import Wanted
    from tieout.services.demo import Access, Address, CrmTexts
    from tieout.services.demo_people import Sales


class Crm(Protocol):
    """
    One system as the CRM of the demo, simulated.

    ``label`` is its name on screens; ``customers`` and ``deals`` are what it calls those.
    """

    label: str
    customers: str
    deals: str
    texts: CrmTexts

    def simulator(self, port: int, size: int, seed: int) -> Wanted:
        """A firm with so many customers."""

    def access(self, address: Address) -> Access:
        """How to connect to it."""

    def sales(self, base_url: str, currency: str, country: str) -> Sales:
        """Sales people of a firm whose books are in that country and currency."""


SALESFORCE, WEBCRM = "salesforce", "webcrm"


def crm_named(name: str) -> Crm:
    """The CRM of that system. Raises `UsedWronglyError` with the names that there are."""
    # Only the chosen one's modules are loaded.
    if name == SALESFORCE:
        from tieout.cli.demo_salesforce import SalesforceCrm

        return SalesforceCrm()
    if name == WEBCRM:
        from tieout.cli.demo_webcrm import WebcrmCrm

        return WebcrmCrm()
    raise UsedWronglyError(
        f"There is no CRM {name} for a demo; there are {SALESFORCE} and {WEBCRM}.",
        hint="tieout demo --pair webcrm-visma_net",
    )


def pair_named(pair: str) -> tuple[str, str]:
    """The CRM's and the books' names in `webcrm-visma_net`. Raises `UsedWronglyError`."""
    crm, dash, books = pair.partition("-")
    if not (crm and dash and books):
        raise UsedWronglyError(
            f"A pair is named by its CRM and its books, not {pair}.",
            hint="tieout demo --pair webcrm-visma_net",
        )
    return crm, books
