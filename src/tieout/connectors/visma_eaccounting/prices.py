"""Price lists: each has a currency and a net price for some articles. Only the largest plan."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tieout.connectors.visma_eaccounting.api import VismaApi
from tieout.connectors.visma_eaccounting.names import Names
from tieout.connectors.visma_eaccounting.values import Payload, number_of, text_of
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import ItemRef, Price
from tieout.ports import Selection

LISTS = "/v2/salespricelists"
_NOT_HERE = ("scope_missing", "not_in_plan", "rights_missing")


async def price_lists(api: VismaApi) -> list[Payload]:
    """Every price list; none where the company's plan has none."""
    try:
        return list(await api.whole(LISTS))
    except ConnectionBrokenError as error:
        if error.code not in _NOT_HERE:
            raise
        return []


async def read_prices(api: VismaApi, want: Selection) -> AsyncIterator[tuple[Price, ...]]:
    """The prices of each list, complete. A list that is out of use has none."""
    names = await api.names()
    for one in await price_lists(api):
        if one.get("IsActive") is False:
            continue
        rows = await api.whole(f"{LISTS}/prices/{text_of(one, 'Id')}")
        yield tuple(
            price(row, one, names, want) for row in rows if number_of(row, "NetPrice") is not None
        )


def price(row: Payload, of: Payload, names: Names, want: Selection | None = None) -> Price:
    """
    A price: known by its list and its article, since it has no id. ``list`` is the list's number,
    as people know it. Raises ValueError for one without an amount.
    """
    amount = number_of(row, "NetPrice")
    if amount is None:
        raise ValueError("a price without an amount")
    article, list_id = text_of(row, "ArticleId"), text_of(of, "Id")
    return Price(
        ref=names.ref("price", f"{list_id}:{article}"),
        version=text_of(row, "ChangedUtc") or None,
        item=ItemRef(ref=names.ref("item", article)),
        list=text_of(of, "Number"),
        currency=text_of(row, "CurrencyCode") or text_of(of, "CurrencyCode"),
        amount=amount,
        shape=want.shape if want else "",
    )
