"""
Which customer a number means. Documents name customers by their number, which can change; links
are kept by the internal id, which cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tieout.connectors.http.together import in_order
from tieout.connectors.visma_net.api import CUSTOMERS, VismaNetApi
from tieout.connectors.visma_net.names import customer_number
from tieout.connectors.visma_net.values import Payload, text_of

_SINGLY = 25  # more than so many unknown numbers are found quicker in the whole list
_LIVE_MS = 3600 * 1000


class Directory:
    """Numbers and internal ids of customers, as far as they were seen; at most an hour old."""

    def __init__(self, api: VismaNetApi) -> None:
        self._api = api
        self._ids: dict[str, str] = {}
        self._since_ms = 0

    def note(self, customers: Iterable[Payload]) -> None:
        """Takes in what customers that were read say of themselves."""
        for row in customers:
            number, internal = text_of(row, "number"), text_of(row, "internalId")
            if number and internal:
                self._ids[number] = internal

    async def of(self, documents: Iterable[Payload]) -> Mapping[str, str]:
        """The internal ids by number, those of these documents' and contacts' customers too."""
        now = self._api.clock.steady()
        if now - self._since_ms > _LIVE_MS:
            self._ids.clear()
            self._since_ms = now
        numbers = {customer_number(row) or text_of(row, "businessAccount") for row in documents} - {
            ""
        }
        unknown = sorted(numbers - set(self._ids))
        if len(unknown) > _SINGLY:
            async for rows in self._api.complete(CUSTOMERS):
                self.note(rows)
            unknown = sorted(numbers - set(self._ids))
        found = await in_order([self._api.customer(number) for number in unknown])
        for number, row in zip(unknown, found, strict=True):
            if row is not None:
                # Asked for by a number in whatever case, so that the one of the document counts.
                self._ids[number] = text_of(row, "internalId")
        return self._ids
