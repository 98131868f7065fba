"""Price lists and fields of the configuration in columns of webCRM's catalogue."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from contract.test_webcrm_items import FIELDS, PUMP, create, pumps, write
from support.webcrm_rig import Rig, prepared, records, rig
from tieout.core.change import Action, Applied, Change, Refused
from tieout.core.model import Entity, ExternalRef, Item, ListedPrice
from tieout.ports import Selection

D = Decimal

WANT = Selection(entity=Entity.ITEM, kinds=frozenset({"Data5"}), extra=("Data6", "ItemGroup"))


def system() -> Rig:
    found = rig(line={"key": "Data4"})
    names = ["Varenummer", "Navn", "Enhed", "Tieout", "Engros", "Klasse"]
    found.act("set_columns", columns=names)
    return found


def priced(*prices: tuple[str, str, str | None], **extra: Any) -> Item:
    return replace(
        PUMP,
        prices=tuple(
            ListedPrice(list=name, currency=currency, amount=D(amount) if amount else None)
            for name, currency, amount in prices
        ),
        extra=extra,
    )


def change(item: Item, ref: ExternalRef | None = None) -> Change:
    made = create(item)
    assert made.wanted is not None
    wanted = replace(made.wanted, fields=FIELDS | {"prices", "extra"})
    action = Action.UPDATE if ref else Action.CREATE
    return replace(made, wanted=wanted, target=ref, action=action)


async def read(found: Rig) -> Item:
    listed = records(await found.read(WANT)).values()
    mine = [i for i in listed if isinstance(i, Item) and i.number == PUMP.number]
    assert len(mine) == 1
    return mine[0]


def test_a_price_list_is_a_column_with_amount_and_currency() -> None:
    async def story() -> None:
        found = system()
        item = priced(("Data5", "DKK", "980.50"), ItemGroup="Pumper", Data6=D("12.5"))
        made, outcome = await write(found, change(item))
        assert isinstance(outcome, Applied)
        back = await read(found)
        assert back.prices == (ListedPrice(list="Data5", currency="DKK", amount=D("980.50")),)
        assert back.extra == {"Data6": "12.5", "ItemGroup": "Pumper"}
        assert back.price == D("1249.50")
        assert made.shows is not None
        assert made.shows.prices == back.prices
        assert made.shows.extra == back.extra
        (row,) = pumps(found)
        assert row["QuotationLineLinkedDataItemData5"] == "980.50 DKK"

        gone = priced(("Data5", "DKK", None), ItemGroup=None, Data6="")
        _, outcome = await write(found, change(gone, back.ref))
        assert isinstance(outcome, Applied)
        back = await read(found)
        assert back.prices == ()
        assert back.extra == {"Data6": None, "ItemGroup": None}

    asyncio.run(story())


def test_what_a_seller_writes_there_is_no_price() -> None:
    async def story() -> None:
        found = system()
        _, outcome = await write(found, change(priced(("Data5", "DKK", "980.50"))))
        assert isinstance(outcome, Applied)
        number = int(outcome.ref.id.rpartition(":")[2])
        found.act("edit_item", id=number, set={"Data5": "call me"})
        assert (await read(found)).prices == ()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (priced(("Wholesale", "DKK", "1.00")), "field_missing"),
        (priced(("Data4", "DKK", "1.00")), "field_missing"),
        (priced(("Data5", "DKK", "1.00"), ("Data5", "EUR", "1.00")), "value_not_accepted"),
        (priced(("standard", "EUR", "1.00")), "currency_not_in_crm"),
        (replace(PUMP, currency="EUR"), "currency_not_in_crm"),
        (priced(Data1="other"), "field_missing"),
        (priced(Price=D(3)), "field_missing"),
    ],
)
def test_a_column_that_is_taken_or_is_none_is_refused(item: Item, code: str) -> None:
    async def story() -> None:
        found = system()
        (refused,) = await found.connector.prepare([change(item)])
        assert isinstance(refused, Refused)
        assert [finding.code for finding in refused.findings] == [code]
        assert await prepared(found, create())

    asyncio.run(story())
