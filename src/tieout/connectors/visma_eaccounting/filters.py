"""
Which properties this company's lists can be filtered by. Nobody documents it, so it is asked.

The vendor answers an unsupported filter with an error or ignores it; both mean: filter here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tieout.connectors.visma_eaccounting.api import FilterNotSupportedError, VismaApi

DRAFTS = "/v2/customerinvoicedrafts"
INVOICES = "/v2/customerinvoices"
ORDERS = "/v2/orders"
CUSTOMERS = "/v2/customers"
ARTICLES = "/v2/articles"
VOUCHERS = "/v2/vouchers"

_NOBODY = "00000000-0000-4000-8000-000000000000"
_NO_TEXT = "ZZZZZZZZZZZZZZZZ"
_WEEK_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Ask:
    """One property of one list, with a filter that can match nothing."""

    path: str
    property: str
    text: str


PROBES = (
    Ask(DRAFTS, "Id", f"Id eq {_NOBODY}"),
    Ask(DRAFTS, "CustomerId", f"CustomerId eq {_NOBODY}"),
    Ask(DRAFTS, "OurReference", f"contains(OurReference,'{_NO_TEXT}')"),
    Ask(DRAFTS, "Rows/Text", f"Rows/any(c: contains(c/Text,'{_NO_TEXT}'))"),
    Ask(INVOICES, "Id", f"Id eq {_NOBODY}"),
    Ask(INVOICES, "CustomerId", f"CustomerId eq {_NOBODY}"),
    Ask(INVOICES, "OurReference", f"contains(OurReference,'{_NO_TEXT}')"),
    Ask(INVOICES, "Rows/Text", f"Rows/any(c: contains(c/Text,'{_NO_TEXT}'))"),
    Ask(INVOICES, "CreatedFromDraftId", f"CreatedFromDraftId eq {_NOBODY}"),
    Ask(
        INVOICES,
        "RemainingAmountInvoiceCurrency",
        "RemainingAmountInvoiceCurrency eq 123456789.01",
    ),
    Ask(INVOICES, "InvoiceDate", "InvoiceDate lt 1900-01-01"),
    Ask(VOUCHERS, "VoucherDate", "VoucherDate lt 1900-01-01"),
    Ask(ORDERS, "Id", f"Id eq {_NOBODY}"),
    Ask(ORDERS, "CustomerId", f"CustomerId eq {_NOBODY}"),
    Ask(ORDERS, "OurReference", f"contains(OurReference,'{_NO_TEXT}')"),
    Ask(ORDERS, "Rows/Text", f"Rows/any(c: contains(c/Text,'{_NO_TEXT}'))"),
    Ask(ORDERS, "ModifiedUtc", "ModifiedUtc lt 1900-01-01T00:00:00Z"),
    Ask(CUSTOMERS, "Id", f"Id eq {_NOBODY}"),
    Ask(CUSTOMERS, "CustomerNumber", f"CustomerNumber eq '{_NO_TEXT}'"),
    Ask(ARTICLES, "Id", f"Id eq {_NOBODY}"),
    Ask(ARTICLES, "Number", f"Number eq '{_NO_TEXT}'"),
)
_BY_PLACE = {(ask.path, ask.property): ask for ask in PROBES}


class FilterBook:
    """Remembers for a week what was answered; asks a property when it is first needed."""

    def __init__(self, api: VismaApi) -> None:
        self._api = api
        self._known: dict[tuple[str, str], tuple[bool, int]] = {}

    async def can(self, path: str, prop: str) -> bool:
        """Whether the list can be filtered by that property."""
        now = self._api.clock.steady()
        known = self._known.get((path, prop))
        if known is None or now - known[1] > _WEEK_MS:
            known = (await self._ask(_BY_PLACE[path, prop]), now)
            self._known[path, prop] = known
        return known[0]

    async def probe_all(self) -> dict[tuple[str, str], bool]:
        """Asks for every property anew; of orders only where they are used."""
        self._known.clear()
        asks = [ask for ask in PROBES if ask.path != ORDERS or self._api.settings.orders]
        return {(ask.path, ask.property): await self.can(ask.path, ask.property) for ask in asks}

    def refuse(self, path: str, prop: str) -> None:
        """A filter that was thought to work was refused: filter here from now on."""
        self._known[path, prop] = (False, self._api.clock.steady())

    async def _ask(self, ask: Ask) -> bool:
        try:
            sheet = await self._api.sheet(ask.path, (("$filter", ask.text),), size=1)
        except FilterNotSupportedError:
            return False
        # Rows for a value that cannot exist: the filter was ignored.
        return not sheet.rows and sheet.total == 0
