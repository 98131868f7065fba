"""What to put on a sales invoice line: the VAT treatment, its rate, its words and its numbers.

The decisions lie in `data/vat_treatment.json` as two ordered tables (first match wins); the
facts are turned into a few signals here, and the tables ask only for signals. *Hold* means that
nothing is sent and a person, or a new check, decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from tieout.nordic.tables import load_table
from tieout.nordic.vat_areas import (
    GREEK_PREFIX,
    SELLERS,
    UNION_SELLERS,
    goods_area,
    place_area,
    rate_country,
    service_area,
    union_prefixes,
)
from tieout.nordic.vat_invoice import Basis, legal_basis, legal_texts, printed_text, return_box
from tieout.nordic.vat_rates import Exempt, Unknown, rate

Kind = Literal["goods", "service"]
VatState = Literal["valid", "invalid", "unknown", "absent"]
Code = Literal[
    "domestic_rate",
    "domestic_zero",
    "domestic_reverse_charge",
    "eu_goods_exempt",
    "eu_service_reverse_charge",
    "export_goods",
    "service_outside_eu",
    "oss_destination",
    "foreign_local_reverse_charge",
    "exempt",
    "hold",
]
EcList = Literal["goods", "services", "none", "unknown"]
Signals = Mapping[str, str | bool]

ZERO = Decimal(0)
NORWAY_FREES_REMOTE_SERVICES = date(2023, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleFacts:
    """What is known about one line; None means that nobody said it.

    Places are codes of countries or territories (AX, XI, DE-HEL). `class_net_total` is the net of
    that class on the whole invoice, in the currency of the seller's limit (SEK in Sweden).
    `vat_prefix` is what the buyer's number begins with, EL for Greece. `day` is the tax point.
    """

    seller: str
    buyer: str | None
    business: bool | None
    vat_state: VatState
    kind: Kind
    tax_class: str
    day: date
    vat_prefix: str | None = None
    ship_to: str | None = None
    ships_from: str | None = None
    place: str | None = None
    buyer_sells_construction: bool | None = None
    class_net_total: Decimal | None = None
    seller_mainly_retail: bool = False
    oss: bool | None = None
    below_threshold: bool | None = None
    collected_for_export: bool = False
    proof_buyer_established_abroad: bool = False
    international: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """The decision for one line.

    `rate` is in percent, None for exempt and held. `reason` says why it is held, or what a person
    confirms where `approval` is True. `vat_category` is that of EN 16931; for services abroad
    the letter says O and some programs use G: follow the books. `texts` pairs a language with
    the words of the law, `invoice_text` is what is printed. `rule` names the row that decided.
    """

    code: Code
    rule: str
    rate: Decimal | None = None
    reason: str | None = None
    approval: bool = False
    warnings: tuple[str, ...] = ()
    invoice_text: str | None = None
    texts: tuple[tuple[str, str], ...] = ()
    ec_list: EcList | None = None
    numbers_on_invoice: tuple[str, ...] = ()
    vat_category: str | None = None
    return_box: str | None = None
    basis: tuple[Basis, ...] = ()

    @property
    def held(self) -> bool:
        """True if nothing may be sent."""
        return self.code == "hold"


def decide_treatment(facts: SaleFacts) -> Treatment:
    """The treatment of the line. Never guesses: what is not known is held with a reason."""
    signals = _signals(facts)
    row = _first("rules", _named(signals))
    if row["then"] == "domestic":
        row = _first("domestic_rules", _named(signals | _domestic_signals(facts)))
    return _treatment(facts, row)


def rule_sources() -> Mapping[str, str]:
    """What the source ids in the tables of rules stand for."""
    sources: Mapping[str, str] = load_table("vat_treatment")["sources"]
    return sources


def _named(signals: Signals) -> tuple[tuple[str, str | bool], ...]:
    return tuple(signals.items())


@lru_cache(maxsize=1024)
def _first(table: str, named: tuple[tuple[str, str | bool], ...]) -> dict[str, Any]:
    # Sales differ in amounts and days; what the tables ask of them hardly does.
    signals = dict(named)
    for row in load_table("vat_treatment")[table]:
        if all(_agrees(signals.get(name), asked) for name, asked in row["when"].items()):
            found: dict[str, Any] = row
            return found
    raise AssertionError(f"the table {table} has no last row that always matches")


def _agrees(signal: str | bool | None, asked: object) -> bool:
    return signal in asked if isinstance(asked, list) else signal == asked


def _signals(facts: SaleFacts) -> dict[str, str | bool]:
    """The facts as the general table asks for them."""
    groups = load_table("vat_treatment")["class_groups"]
    buyer_in = service_area(facts.seller, facts.buyer or "")
    place = place_area(facts.seller, facts.place)
    return {
        "class_known": facts.tax_class not in groups["unmapped"] and facts.tax_class != "",
        "buyer_known": bool(facts.buyer),
        "seller_covered": facts.seller in SELLERS,
        "union_seller": facts.seller in UNION_SELLERS,
        "kind": facts.kind,
        "group": _group(facts.tax_class),
        "transport": facts.tax_class == "passenger_transport",
        "international": facts.international,
        "goods_to": goods_area(facts.seller, facts.ship_to),
        "from_home": facts.ships_from in (None, facts.seller),
        "collected": facts.collected_for_export,
        "collector": _collector(facts),
        "buyer": _buyer(facts.business),
        "buyer_in": buyer_in,
        "place": place,
        "place_reverse": facts.tax_class in groups["place_reverse"],
        "number": _number(facts),
        "number_of_place": facts.vat_state == "valid" and facts.vat_prefix == facts.place,
        "scheme": "used" if facts.oss else "below" if facts.below_threshold else "unknown",
        "remote_free": facts.seller == "NO" and facts.day >= NORWAY_FREES_REMOTE_SERVICES,
    }


def _group(tax_class: str) -> str:
    groups = load_table("vat_treatment")["class_groups"]
    for name in ("exempt", "place", "electronic", "listed", "local"):
        if tax_class in groups[name]:
            return name
    return "other"


def _buyer(business: bool | None) -> str:
    if business is None:
        return "unknown"
    return "business" if business else "consumer"


def _collector(facts: SaleFacts) -> str:
    """Who may export by fetching: a business that is proven to be established outside the union."""
    outside = goods_area(facts.seller, facts.buyer) == "outside"
    proven = outside and facts.business is True and facts.proof_buyer_established_abroad
    return "proven" if proven else "not_proven"


def _number(facts: SaleFacts) -> str:
    """What the buyer's number shows, seen from the seller."""
    if facts.vat_state != "valid":
        return "unknown" if facts.vat_state == "unknown" else "none"
    if not facts.vat_prefix:
        return "no_letters"
    prefix = GREEK_PREFIX if facts.vat_prefix == "GR" else facts.vat_prefix
    if prefix == facts.seller:
        return "seller_state"
    if prefix == "XI":
        return "ni"
    return "other_state" if prefix in union_prefixes() else "outside"


def _domestic_signals(facts: SaleFacts) -> dict[str, str | bool]:
    found = rate(facts.seller, facts.tax_class, facts.day)
    if isinstance(found, Exempt):
        class_rate = "exempt"
    elif isinstance(found, Unknown):
        class_rate = "unknown"
    else:
        class_rate = "zero" if found == 0 else "some"
    return {"class_rate": class_rate, "reverse": _reverse(facts)}


def _reverse(facts: SaleFacts) -> str:
    """Whether a domestic reverse charge is possible for the class, buyer and invoice."""
    row = load_table("vat_treatment")["reverse_charge"].get(facts.seller, {}).get(facts.tax_class)
    condition = None if row is None else row.get("condition", "none")
    if condition == "total_above":
        if facts.class_net_total is None:
            return "total_unknown"
        return "possible" if facts.class_net_total > Decimal(row["limit"]) else "no"
    if condition == "not_mainly_retail":
        return "no" if facts.seller_mainly_retail else "possible"
    if condition == "buyer_sells_construction":
        if facts.buyer_sells_construction is None:
            return "builder_unknown"
        return "possible" if facts.buyer_sells_construction else "no"
    return "no" if condition is None else "possible"


def _treatment(facts: SaleFacts, row: dict[str, Any]) -> Treatment:
    code: Code = row["then"]
    effect = load_table("vat_treatment")["effects"][code]
    value = _rate(facts, effect["rate"])
    if isinstance(value, Unknown):
        return Treatment(code="hold", rule=row["id"], reason="rate_unknown")
    if code == "hold":
        return Treatment(code="hold", rule=row["id"], reason=row["reason"])
    return Treatment(
        code=code,
        rule=row["id"],
        rate=value,
        reason=row.get("approval"),
        approval="approval" in row,
        warnings=tuple(row.get("warnings", ())),
        invoice_text=printed_text(facts.seller, code),
        texts=legal_texts(facts.seller, code),
        ec_list=row.get("ec_list", effect.get("ec_list", "none")),
        numbers_on_invoice=_numbers(facts.seller, code, effect),
        vat_category=effect["category"],
        return_box=return_box(facts.seller, code, value),
        basis=legal_basis(facts.seller, code, facts.tax_class),
    )


def _rate(facts: SaleFacts, how: str | None) -> Decimal | Unknown | None:
    if how is None:
        return None
    if how == "zero":
        return ZERO
    country = facts.seller if how == "seller" else rate_country(_destination(facts))
    found = rate(country, facts.tax_class, facts.day)
    # An exempt class reaches a rated treatment only where the tables and the rates disagree.
    return Unknown(reason="not_settled") if isinstance(found, Exempt) else found


def _destination(facts: SaleFacts) -> str:
    if facts.kind == "goods":
        return facts.ship_to or ""
    return facts.place or facts.buyer or ""


def _numbers(seller: str, code: Code, effect: dict[str, Any]) -> tuple[str, ...]:
    """Which numbers the invoice must carry."""
    if code == "oss_destination":
        return ("seller_vat_of_scheme",)
    own = "seller_orgnr_with_mva" if seller == "NO" else "seller_vat"
    return (own, "buyer_vat") if seller in effect.get("buyer_number", ()) else (own,)
