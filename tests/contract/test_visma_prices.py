"""Price lists of Visma eAccounting: read whole, each in its currency; codes name the lists."""

from __future__ import annotations

from decimal import Decimal

from contract.connector_contract import pages, records, run
from support.visma_rig import VismaRig
from tieout.core.model import Code, Entity, Item, Price
from tieout.ports import Selection

PRICES = Selection(entity=Entity.PRICE, shape="s")


async def listed(rig: VismaRig) -> dict[tuple[str, str], Price]:
    items = records(await pages(rig, Selection(entity=Entity.ITEM)))
    found = {}
    for price in records(await pages(rig, PRICES)).values():
        assert isinstance(price, Price)
        assert price.item is not None
        assert price.item.ref is not None
        item = items[price.item.ref]
        assert isinstance(item, Item)
        found[price.list, item.number] = price
    return found


def test_a_list_has_a_net_price_for_some_articles() -> None:
    async def story() -> None:
        rig = VismaRig()
        made = [rig.act("create_article", set={"Number": n, "Name": n}) for n in ("A-1", "A-2")]
        rig.act("set_list_price", article="A-1", list=7, price="80.50")
        rig.act("set_list_price", article="A-2", list=9, price="9.50", currency="EUR")
        found = await listed(rig)
        assert set(found) == {("7", "A-1"), ("9", "A-2")}
        assert (found["7", "A-1"].amount, found["7", "A-1"].currency) == (Decimal("80.50"), "SEK")
        assert (found["9", "A-2"].currency, found["9", "A-2"].includes_tax) == ("EUR", False)
        assert found["7", "A-1"].shape == "s"
        assert found["7", "A-1"].item is not None
        assert found["7", "A-1"].item.ref is not None
        assert found["7", "A-1"].item.ref.id == made[0]["Id"]
        codes = records(await pages(rig, Selection(entity=Entity.CODE)))
        lists = {
            code.code: code.facts["currency"]
            for code in codes.values()
            if isinstance(code, Code) and code.kind == "price_list"
        }
        assert lists == {"7": "SEK", "9": "EUR"}

    run(story())


def test_a_price_that_is_taken_away_is_missing_from_the_whole_list() -> None:
    async def story() -> None:
        rig = VismaRig()
        rig.act("create_article", set={"Number": "A-1", "Name": "A"})
        rig.act("set_list_price", article="A-1", list=7, price="80.50")
        read = await pages(rig, PRICES)
        (ref,) = records(read)
        assert all(page.whole for page in read)
        keys = [key for part in [p async for p in rig.connector.keys(Entity.PRICE)] for key in part]
        assert [found for found, _ in keys] == [ref]
        rig.act("set_list_price", article="A-1", list=7)
        read = await pages(rig, PRICES)
        assert records(read) == {}
        assert read[-1].whole
        assert await rig.connector.get([ref], PRICES) == [None]

    run(story())
