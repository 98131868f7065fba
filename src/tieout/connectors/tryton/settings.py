"""What a connection to Tryton is set to. No secret stands here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tieout.connectors.http.addresses import address_problem
from tieout.connectors.words import truth
from tieout.core.tax import Treatment

CARRIERS = ("auto", "tieout_key", "reference")
_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrytonSettings:
    """
    ``api_url`` is the server, ``database`` its database. ``company`` is the id of the company in
    it (0: the user's own); ``company_id`` the one that this connection was bound to.

    ``carrier`` is what carries our key: 'tieout_key' (the column of our module, unique),
    'reference' (searchable, and seen by the buyer), 'auto' takes the column where it is there.
    ``batch`` documents are created by one call. Customer codes are drawn by us from
    ``number_start`` on and begin with ``number_prefix``.

    ``tax_rules`` names, for a VAT treatment, the tax rule that Tryton applies to such customers:
    {'eu_service_reverse_charge': 'EU services'}. ``discount_journals`` and
    ``small_difference_journals`` are codes of write-off journals that mean these; what is written
    off by any other is a loss. ``send_source_totals`` lets Tryton itself refuse to post a document
    whose figures are not those that were predicted.
    """

    api_url: str = "http://127.0.0.1:8000"
    database: str = ""
    login: str = ""
    company: int = 0
    company_id: str = ""
    carrier: str = "auto"
    number_start: int = 200_000
    number_prefix: str = ""
    default_terms: str = ""
    our_contact: str = ""
    batch: int = 100
    in_flight: int = 2
    overlap_s: int = 600
    page_size: int = 200
    drafts_every_s: int = 300
    open_invoices_every_s: int = 86_400
    balances_every_s: int = 3600
    orders: bool = False
    send_source_totals: bool = False
    tax_rules: Mapping[str, str] = field(default_factory=dict)
    discount_journals: tuple[str, ...] = ()
    small_difference_journals: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TrytonSettings:
        """The settings as they are stored. Raises ValueError for a name or value that is wrong."""
        known = {entry.name: entry for entry in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"no such setting: {', '.join(unknown)}")
        defaults = cls()
        made: dict[str, Any] = {}
        for name, value in values.items():
            default = getattr(defaults, name)
            if isinstance(default, tuple):
                listed = value.split(",") if isinstance(value, str) else value
                made[name] = tuple(str(entry).strip() for entry in listed if str(entry).strip())
            elif isinstance(default, Mapping):
                if not isinstance(value, Mapping):
                    raise ValueError(f"{name}: a table of names, not {value!r}")
                made[name] = {str(key): str(entry) for key, entry in value.items()}
            elif isinstance(default, bool):
                made[name] = truth(name, value)
            else:
                made[name] = type(default)(value)
        return cls(**made)

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with these settings, in plain sentences."""
        problem = address_problem(self.api_url)
        if problem:
            yield f"api_url: {problem}"
        if not _DATABASE.fullmatch(self.database):
            yield f"database: the name of a database, not {self.database!r}."
        if self.carrier not in CARRIERS:
            yield f"carrier: {', '.join(CARRIERS)}, not {self.carrier!r}."
        if self.number_start < 1:
            yield f"number_start: a number from 1, not {self.number_start}."
        for name, low, high in (("batch", 1, 500), ("in_flight", 1, 8), ("page_size", 1, 1000)):
            if not low <= getattr(self, name) <= high:
                yield f"{name}: {low} to {high}, not {getattr(self, name)}."
        for name in ("overlap_s", "drafts_every_s", "open_invoices_every_s", "balances_every_s"):
            if getattr(self, name) < 0:
                yield f"{name}: must not be negative, is {getattr(self, name)}."
        for treatment in self.tax_rules:
            if treatment not in set(Treatment):
                yield f"tax_rules: {treatment!r} is no VAT treatment."

    @property
    def host(self) -> str:
        """The address before the database, also where somebody wrote the path behind it."""
        return self.api_url.rstrip("/").removesuffix("/rpc")

    @property
    def path(self) -> str:
        """Where the calls to the database go."""
        return f"/{self.database}/rpc/"
