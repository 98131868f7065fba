"""
One deal, whatever it is called: an opportunity that becomes a delivery stays the deal it was.

Opportunities and deliveries share one sequence of ids, so that a converted deal usually keeps its
own. Where a conversion gives a new one, `ErpId` tells: what we write there begins with the id under
which the deal was first known, and it goes along with the record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tieout.connectors.webcrm.api import Row
from tieout.connectors.webcrm.feed import Feed
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.values import RowError, id_at, text_at

DEALS = ("Delivery", "Opportunity")
ERP_ID_MOST = 50
# Other programs number documents like 2026/17; ours begins with a letter.
_ROOT = re.compile(r"T(\d{1,10})/")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


def erp_id(root: int, books_id: str | None) -> str:
    """What `ErpId` says: the deal's root, then the id in the books, in fifty characters."""
    if not books_id:
        return ""
    plain = _UUID.sub(lambda found: found.group().replace("-", ""), books_id)
    return f"T{root}/{plain}"[:ERP_ID_MOST]


def books_id_in(text: str) -> str:
    """The id in the books that an `ErpId` says, without what we put before it."""
    found = _ROOT.match(text)
    return text[found.end() :] if found else text


def root_in(kind: str, row: Row) -> int:
    """The root that a row's `ErpId` names; 0 where it names none, or a later number."""
    found = _ROOT.match(text_at(row, f"{kind}ErpId"))
    root = int(found.group(1)) if found else 0
    return root if root <= id_at(row, f"{kind}Id") else 0


class Lineage:
    """Which deal a row is, and which row a deal is now."""

    def __init__(self, feed: Feed, settings: WebcrmSettings) -> None:
        self._feed = feed
        self._marks = (
            settings.delivery_standing.get("books_id") == "DeliveryErpId"
            and settings.opportunity_standing.get("books_id") == "OpportunityErpId"
        )
        self._natives: dict[int, tuple[str, int]] = {}

    async def root(self, kind: str, row: Row) -> int:
        """
        The id under which a row's deal is known for ever.

        Raises `RowError` where two rows claim to be the same deal: nothing is chosen.
        """
        own = id_at(row, f"{kind}Id")
        told = root_in(kind, row) if self._marks else 0
        if told in (0, own):
            return own
        if await self._is_there(told):
            # The deal is still there under its own id: this row was copied from it.
            return own
        rivals = [number for _, number in await self._claims(told) if number != own]
        if rivals:
            listed = ", ".join(str(number) for number in sorted({*rivals, own}))
            raise RowError(
                f"{listed} all say in ErpId that they are what deal {told} became; it is not known "
                "which. Empty ErpId on those that are copies."
            )
        self._natives[told] = (kind, own)
        return told

    async def now(self, roots: Sequence[int]) -> dict[int, tuple[str, Row]]:
        """The rows that deals are now, by root; a deal that is not there is left out."""
        found = await self._feed.either(DEALS, roots)
        for root in roots:
            if root not in found and self._marks:
                became = await self._became(root)
                if became is not None:
                    found[root] = became
        return found

    async def _is_there(self, number: int) -> bool:
        return bool(await self._feed.either(DEALS, (number,)))

    async def _claims(self, root: int) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for kind in DEALS:
            rows = await self._feed.beginning(kind, f"{kind}ErpId", f"T{root}/")
            found += [(kind, id_at(row, f"{kind}Id")) for row in rows]
        return found

    async def _became(self, root: int) -> tuple[str, Row] | None:
        """The row that carries a deal on; None where there is none, or more than one."""
        known = self._natives.pop(root, None)
        found = await self._carrier(root, [known]) if known is not None else None
        if found is None:
            found = await self._carrier(root, await self._claims(root))
        if found is not None:
            kind, row = found
            self._natives[root] = (kind, id_at(row, f"{kind}Id"))
        return found

    async def _carrier(
        self, root: int, claims: Sequence[tuple[str, int]]
    ) -> tuple[str, Row] | None:
        """The row of the one claim, as opportunity or delivery; it says so itself."""
        if len(claims) != 1:
            return None
        first, number = claims[0]
        for kind in (first, *(one for one in DEALS if one != first)):
            row = (await self._feed.some(kind, (number,))).get(number)
            if row is not None and root_in(kind, row) == root:
                return kind, row
        return None
