"""Amounts of an item in the unit that it is sold in: the program keeps them in the base unit."""

from __future__ import annotations

from decimal import Decimal

from tieout.connectors.visma_net.values import Payload, number_of, rows_of, text_of
from tieout.core.money import round_to


def in_sales_unit(payload: Payload, amount: Decimal | None, places: int) -> Decimal | None:
    """
    An amount for one base unit as that for one sales unit, to so many decimals or its own.

    None where the item does not tell how many base units the sales unit is: no rate is guessed.
    """
    base, sold = text_of(payload, "baseUnit"), text_of(payload, "salesUnit")
    if amount is None or not sold or not base or sold.casefold() == base.casefold():
        return amount
    for row in rows_of(payload, "inventoryUnits"):
        names = (text_of(row, "fromUnit").casefold(), text_of(row, "toUnit").casefold())
        rate = number_of(row, "unitRate")
        if names != (sold.casefold(), base.casefold()) or not rate:
            continue
        divided = text_of(row, "unitMultDiv") == "Divide"
        found = amount / rate if divided else amount * rate
        own = -int(amount.as_tuple().exponent)
        return round_to(found, max(places, own))
    return None
