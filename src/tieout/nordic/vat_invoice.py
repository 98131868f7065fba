"""Words, legal basis and return boxes that belong to a VAT treatment."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tieout.nordic.tables import load_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """One place in the law, as it is cited there, and how sure the citation is."""

    cite: str
    trust: Literal["law", "third_party", "unconfirmed"]


def printed_text(seller: str, code: str) -> str | None:
    """What the invoice says, in the seller's language, with English beside it where it helps."""
    row = load_table("vat_invoice")["texts"].get(code, {}).get(seller)
    return None if row is None else " / ".join(row[language] for language in row["print"])


def legal_texts(seller: str, code: str) -> tuple[tuple[str, str], ...]:
    """The words by language; English may be added, the national words stay."""
    row = load_table("vat_invoice")["texts"].get(code, {}).get(seller, {})
    return tuple((language, words) for language, words in row.items() if language != "print")


def legal_basis(seller: str, code: str, tax_class: str) -> tuple[Basis, ...]:
    """Where the law says it. Empty only for a held line."""
    if code == "domestic_reverse_charge":
        rows = [load_table("vat_treatment")["reverse_charge"][seller][tax_class]]
        rows += load_table("vat_invoice")["reverse_charge_invoice"].get(seller, [])
    else:
        by_seller = load_table("vat_invoice")["basis"].get(code, {})
        rows = by_seller.get(seller) or by_seller.get("*", [])
    return tuple(Basis(cite=cite, trust=row["trust"]) for row in rows for cite in row["cite"])


def return_box(seller: str, code: str, rate: Decimal | None) -> str | None:
    """The box of the VAT return, or in Norway the SAF-T code; None where it is not known."""
    if seller == "NO":
        found = load_table("vat_invoice")["saf_t"].get(code)
        if isinstance(found, dict):
            found = None if rate is None else found.get(format(rate.normalize(), "f"))
        return None if found is None else str(found)
    box: str | None = load_table("vat_invoice")["return_boxes"].get(seller, {}).get(code)
    return box
