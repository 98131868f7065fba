"""Where a place lies for VAT: at home, in the union, on Åland, or outside."""

from __future__ import annotations

from typing import Literal

from tieout.nordic.countries import eu_members
from tieout.nordic.tables import load_table

UNION_SELLERS = ("SE", "FI", "DK")
SELLERS = (*UNION_SELLERS, "NO", "IS")
GREEK_PREFIX = "EL"

GoodsArea = Literal["missing", "home", "eu", "outside"]
ServiceArea = Literal["home", "eu", "aland", "outside"]
PlaceArea = Literal["missing", "home", "nordic_union", "eu", "outside"]


def goods_area(seller: str, ship_to: str | None) -> GoodsArea:
    """Where the goods end. Åland and Svalbard are abroad, also from their own mainland."""
    if not ship_to:
        return "missing"
    if ship_to == seller:
        return "home"
    return "eu" if _in_union(ship_to, "goods") else "outside"


def service_area(seller: str, buyer: str) -> ServiceArea:
    """Where a buyer of services is. For a Finnish seller Åland is home."""
    if buyer == seller or (seller, buyer) == ("FI", "AX"):
        return "home"
    if buyer == "AX":
        return "aland"
    return "eu" if _in_union(buyer, "services") else "outside"


def place_area(seller: str, place: str | None) -> PlaceArea:
    """Where the property, the work or the event is."""
    if not place:
        return "missing"
    if place == seller or (seller, place) == ("FI", "AX"):
        return "home"
    if place in UNION_SELLERS:
        return "nordic_union"
    return "eu" if _in_union(place, "services") else "outside"


def rate_country(code: str) -> str:
    """The country whose rates a destination has: Monaco has those of France."""
    row = load_table("territories")["territories"].get(code)
    goods = "" if row is None else str(row["goods"])
    return goods.removeprefix("as ") if goods.startswith("as ") else code


def union_prefixes() -> frozenset[str]:
    """The letters of VAT numbers of member states: EL for Greece, without XI."""
    return frozenset(GREEK_PREFIX if code == "GR" else code for code in eu_members())


def _in_union(code: str, what: Literal["goods", "services"]) -> bool:
    row = load_table("territories")["territories"].get(code)
    if row is None:
        return code in eu_members()
    return bool(row[what] == "eu" or row[what].startswith("as "))
