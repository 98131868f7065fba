"""Settings of the plain pair. Those of the book say which kind of book stands at the address."""

from __future__ import annotations

from dataclasses import dataclass

from tieout.core.abilities import Guard
from tieout.core.model import DealKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainCrmSettings:
    """
    Where the CRM is, and its times in seconds.

    ``overlap_s`` is read again at every run: rows commit late with older stamps, and replicas lag.
    ``deal_kind`` is what its deals are taken for; which one changes nothing about their source.
    """

    base_url: str = "http://127.0.0.1:8470"
    timeout_s: int = 20
    longest_s: int = 200
    margin_s: int = 10
    overlap_s: int = 120
    in_flight: int = 4
    batch: int = 200
    deal_kind: DealKind = DealKind.OPPORTUNITY
    page: int = 100
    lists_every_s: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainBookSettings:
    """
    Where the book is, and what kind it is (docs/explanation/once-only.md has the families).

    Times are seconds on the vendor's clock: ``timeout_s`` T, ``longest_s`` E, ``search_lag_s`` G,
    ``key_life_s`` K (0: nobody knows). ``keeps_id``: booking leaves a document in its place, else
    it moves to another collection with a new id, which ``tells_origin`` names the draft.
    ``orders``: it has sales orders, which stay in their own collection.
    """

    base_url: str = "http://127.0.0.1:8480"
    guard: Guard = Guard.SEARCHABLE
    key_life_s: int = 0
    version_check: bool = False
    tombstones: bool = False
    batch: int = 1
    atomic: bool = False
    keeps_id: bool = False
    tells_origin: bool = True
    orders: bool = False
    search_lag_s: int = 0
    timeout_s: int = 20
    longest_s: int = 200
    margin_s: int = 10
    overlap_s: int = 30
    in_flight: int = 4
    page: int = 100
    codes_every_s: int = 86400

    @property
    def carrier_field(self) -> str:
        """The field in which our key travels."""
        if self.guard in (Guard.CREATE_ONLY, Guard.UPSERT):
            return "external_id"
        return "note" if self.guard in (Guard.LISTED, Guard.OPAQUE) else "reference"

    @property
    def searchable(self) -> bool:
        """Whether that field can be searched."""
        return self.guard not in (Guard.LISTED, Guard.OPAQUE)

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections of documents in the order in which documents move."""
        first = ("orders",) if self.orders else ()
        return (*first, "documents") if self.keeps_id else (*first, "drafts", "invoices")

    @property
    def drafts(self) -> str:
        """The collection in which drafts are made."""
        return "documents" if self.keeps_id else "drafts"
