"""Sales prices of Visma.net: by class and currency, begun and ended, changed and deleted."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from contract.connector_contract import pages, records, run
from support.visma_net_rig import VismaNetRig
from tieout.connectors.visma_net.units import in_sales_unit
from tieout.core.model import Entity, ExternalRef, Item, Price
from tieout.core.policy import PriceRule
from tieout.core.pricing import shown_prices
from tieout.ports import Selection

PRICES = Selection(entity=Entity.PRICE, shape="s")
DAY = date(2026, 11, 25)


def _keys(listed: list[tuple[ExternalRef, str]]) -> set[str]:
    return {ref.id for ref, _ in listed}


async def keys(rig: VismaNetRig) -> set[str]:
    found: set[str] = set()
    async for part in rig.connector.keys(Entity.PRICE):
        found |= _keys(list(part))
    return found


def test_prices_say_for_whom_from_when_and_in_what() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.act("set_price", item="CONS", price="1500.00")
        rig.act(
            "set_price",
            item="CONS",
            price="129.95",
            currency="EUR",
            quantity="10",
            promotion=True,
            **{"class": "PARTNER", "from": "2026-01-01", "to": "2026-12-31"},
        )
        found = records(await pages(rig, PRICES))
        base, partner = sorted(
            (one for one in found.values() if isinstance(one, Price)), key=lambda one: one.list
        )
        assert (base.list, base.amount, base.currency) == ("", Decimal("1500.00"), "NOK")
        assert (base.valid_from, base.valid_to, base.promotion) == (None, None, False)
        assert base.item is not None
        assert (base.item.number, base.item.ref) == ("CONS", None)
        assert (partner.list, partner.amount) == ("PARTNER", Decimal("129.95"))
        assert (partner.currency, partner.from_quantity) == ("EUR", Decimal(10))
        assert partner.promotion
        assert (partner.valid_from, partner.valid_to) == (date(2026, 1, 1), date(2026, 12, 31))
        items = records(await pages(rig, Selection(entity=Entity.ITEM)))
        cons = next(i for i in items.values() if isinstance(i, Item) and i.number == "CONS")
        assert base.unit == cons.unit
        assert base.shape == "s"
        assert not base.includes_tax

    run(story())


def test_a_customers_own_price_is_no_price_list() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = rig.act("make_customer", name="Fjord AS")
        rig.act("set_price", item="CONS", price="1500.00")
        rig.act("set_price", item="CONS", price="99.00", customer=customer["number"])
        found = records(await pages(rig, PRICES))
        prices = [one for one in found.values() if isinstance(one, Price)]
        assert {(one.list, one.customer, one.amount) for one in prices} == {
            ("", "", Decimal("1500.00")),
            ("", customer["number"], Decimal("99.00")),
        }
        assert len(await keys(rig)) == 2
        # Read, so that it is told; shown to nobody else.
        rules = (PriceRule(list="", book="Everybody"),)
        shown = shown_prices(Item(unit=prices[0].unit), prices, rules, DAY, "NOK")
        assert [one.amount for one in shown.prices] == [Decimal("1500.00")]
        for one in prices:
            alone = shown_prices(Item(unit=one.unit), [one], rules, DAY, "NOK")
            assert bool(alone.prices) is not bool(one.customer)

    run(story())


def test_changes_come_by_stamp_and_a_deletion_shows_in_the_keys() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        row = rig.act("set_price", item="CONS", price="1500.00")
        other = rig.act("set_price", item="KIT/A", price="10.00")
        first = await pages(rig, PRICES)
        rig.clock.advance(3600)
        rig.act("set_price", item="CONS", price="1600.00")
        second = await pages(rig, PRICES, first[-1].cursor)
        moved = [one for one in records(second).values() if isinstance(one, Price)]
        assert [one.amount for one in moved] == [Decimal("1600.00")]
        assert not records(await pages(rig, PRICES, second[-1].cursor))
        rig.act("delete_price", price=other["recordId"])
        assert await keys(rig) == {str(row["recordId"])}
        gone = ExternalRef(rig.connector.name, "price", str(other["recordId"]))
        there = ExternalRef(rig.connector.name, "price", str(row["recordId"]))
        one, none = await rig.connector.get([there, gone], PRICES)
        assert isinstance(one, Price)
        assert none is None

    run(story())


def test_a_renumbered_item_keeps_its_id_and_its_prices() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        rig.act("set_price", item="CONS", price="1500.00")
        wanted = Selection(entity=Entity.ITEM)
        before = {one.number: ref for ref, one in records(await pages(rig, wanted)).items()
                  if isinstance(one, Item)}  # fmt: skip
        rig.clock.advance(3600)
        rig.act("renumber_item", item="CONS", number="CONSULT")
        after = {one.number: ref for ref, one in records(await pages(rig, wanted)).items()
                 if isinstance(one, Item)}  # fmt: skip
        assert after["CONSULT"] == before["CONS"]
        (price,) = records(await pages(rig, PRICES)).values()
        assert isinstance(price, Price)
        assert price.item is not None
        assert price.item.number == "CONSULT"

    run(story())


@pytest.mark.parametrize(
    ("units", "price"),
    [
        (({"fromUnit": "ESKE", "toUnit": "STK", "unitRate": 12},), "1200.00"),
        (({"fromUnit": "ESKE", "toUnit": "STK", "unitRate": 8, "unitMultDiv": "Divide"},), "12.50"),
        (({"fromUnit": "DAG", "toUnit": "TIME", "unitRate": 8},), None),
        ((), None),
    ],
)
def test_a_price_is_that_of_the_unit_which_is_sold(
    units: tuple[dict[str, object], ...], price: str | None
) -> None:
    item = {"baseUnit": "STK", "salesUnit": "ESKE", "inventoryUnits": list(units)}
    found = in_sales_unit(item, Decimal("100.00"), 2)
    assert found == (None if price is None else Decimal(price))
    assert in_sales_unit({**item, "salesUnit": "stk"}, Decimal("100.00"), 2) == Decimal("100.00")
    assert in_sales_unit(item, None, 2) is None
