"""How the invented book behaves: every habit of real books that decides about writing once."""

from __future__ import annotations

from dataclasses import dataclass

GUARDS = ("a", "b", "b'", "c", "d", "e1", "e2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One kind of book.

    `guard` is what keeps a second create away: `a` an Idempotency-Key header, `b` a create-only
    unique external id, `b'` an upsert by external id, `c` a unique number of the caller's, `d`
    nothing but a text field that can be searched, `e1` a text that is listed but not searched,
    `e2` a text that nobody can read back. `key_life_s` and `caches_errors` belong to `a`.

    `search_lag_s`: filters (text, customer) see a write only so many seconds later; single reads
    and the change feed see it at once. `keeps_id`: booking leaves the document where it is;
    otherwise it moves from `/drafts` to `/invoices` under a new id, with `created_from` where
    `tells_origin`. `orders`: it has sales orders, in `/orders`, which stay there when an invoice is
    made of them, with their key where `copies_carrier`. `batch` above 1: a create is a list of up
    to so many, all or none where `atomic`.
    """

    guard: str = "d"
    key_life_s: int = 3600
    caches_errors: bool = True
    version_check: bool = False
    tombstones: bool = False
    batch: int = 1
    atomic: bool = False
    keeps_id: bool = False
    tells_origin: bool = True
    copies_carrier: bool = True
    search_lag_s: int = 0
    orders: bool = False

    def __post_init__(self) -> None:
        if self.guard not in GUARDS:
            raise ValueError(f"no such guard: {self.guard}; there are {', '.join(GUARDS)}")

    @property
    def carrier_field(self) -> str:
        """Under which name the caller's key travels."""
        if self.guard in ("b", "b'"):
            return "external_id"
        return "note" if self.guard in ("e1", "e2") else "reference"

    @property
    def searchable(self) -> bool:
        """Whether that field can be searched."""
        return self.guard not in ("e1", "e2")

    @property
    def unique(self) -> str:
        """The name of the field that two live records cannot share, '' where there is none."""
        return {"b": "_carrier", "b'": "_carrier", "c": "number"}.get(self.guard, "")
