"""
A real-shaped pipeline into a real Tryton: drafted, corrected by one alias, posted, tied out.

    python tests/tryton/pipeline.py [--deals 60]

Reads the reference material beside the repository (TIEOUT_SHARED). All 4,238 won deals take as
long as Tryton needs to post them: at two to six a second, a quarter to half an hour.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.tryton_pair import ALL_TIME as TODAYS
from support.tryton_pair import TrytonPair
from support.tryton_server import RunningTryton, TrytonPlant
from tieout.core.ledger_list import Period
from tieout.core.model import Customer, Deal, Item
from tieout.core.tax import TaxAnswer, Treatment
from tieout.engine.enrich import PlainEnricher
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.postgres import Postgres

WITHOUT_ALIAS = """
bridge: nordic
crm: salesforce-prod
books:
  - connection: tryton-se
flows:
  documents: {mode: auto}
tables:
  payment_terms: {"Net 10": "10", "Net 14": "14", "Net 30": "30", "Net 60": "60"}
  items: {}
"""
WITH_ALIAS = WITHOUT_ALIAS.replace("items: {}", "items: {GTXPro: GTX Pro}")
IN_EU = {"BE", "DE", "IT", "PL", "RO"}
ABROAD = "Utanför Sverige"
# The pipeline is of 2017, its invoices of today.
ALL_TIME = Period(start=date(2010, 1, 1), end=TODAYS.end)
AT_ONCE = 50


class Goods(PlainEnricher):
    """None of these buyers is at home: goods go to numbered buyers in the EU, or out of it."""

    def tax(
        self, seller: str, buyer: Customer | None, deal: Deal, item: Item, net: Decimal, day: date
    ) -> TaxAnswer:
        address = buyer.address("billing") if buyer else None
        within = address is not None and address.country in IN_EU
        treatment = Treatment.EU_GOODS_EXEMPT if within else Treatment.EXPORT_GOODS
        return TaxAnswer(treatment=treatment, rate=Decimal(0))


@dataclass(slots=True)
class Piped:
    """The figures after each step; amounts are net."""

    won: int = 0
    sold: Decimal = Decimal(0)
    drafts_first: int = 0
    held: int = 0
    held_codes: tuple[str, ...] = ()
    drafts_then: int = 0
    gap_in_draft: Decimal = Decimal(0)
    sold_tied: Decimal = Decimal(0)
    invoiced: Decimal = Decimal(0)
    gap: Decimal = Decimal(0)
    explained: bool = False
    causes: tuple[str, ...] = ()
    receivables_agree: bool = False
    revenue: Decimal = Decimal(0)
    moves: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"won {self.won} deals over {self.sold:,}"
        yield f"first run: {self.drafts_first} drafts, {self.held} held {list(self.held_codes)}"
        yield f"with the alias: {self.drafts_then} drafts, {self.gap_in_draft:,} in draft"
        yield f"posted: sold {self.sold_tied:,} invoiced {self.invoiced:,} gap {self.gap:,}"
        yield f"explained {self.explained}, causes {list(self.causes)}"
        yield f"receivables agree with the control account: {self.receivables_agree}"
        yield f"Tryton's ledger by SQL: revenue {self.revenue:,} in {self.moves} moves"
        yield "seconds: " + ", ".join(f"{name} {took:.0f}" for name, took in self.seconds.items())


def some_of(data: Path, into: Path, deals: int) -> None:
    """The same files with the first won deals only, so many."""
    shutil.copytree(data, into, dirs_exist_ok=True)
    with (data / "sales_pipeline.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    won = [row for row in rows if row["deal_stage"] == "Won"][:deals]
    with (into / "sales_pipeline.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(won)


def set_up(pair: TrytonPair) -> None:
    """The items, countries and the tax rule that a company with these customers has."""
    admin, books = pair.running.admin, pair.running.books
    countries = {str(row["BillingCountryCode"]) for row in pair.crm_records("Account")}
    for code in sorted(countries - set(books.countries) - {"None", ""}):
        admin.create("country.country", {"code": code, "name": f"Country {code}"})
    full, none = books.taxes["Moms 25 %"], books.taxes["Momsfri 0 %"]
    group = admin.read("account.tax", full, "group")["group"]
    line = {"group": group, "origin_tax": full, "tax": none}
    rule = {"name": ABROAD, "kind": "sale", "company": books.company}
    admin.create("account.tax.rule", {**rule, "lines": [["create", [line]]]})
    for row in pair.crm_records("Product2"):
        if row["Name"] == "GTXPro":
            continue
        template = {
            "name": row["Name"],
            "code": row["Name"],
            "type": "goods",
            "default_uom": books.units["Unit"],
            "list_price": Decimal("1.00"),
            "account_category": books.categories["Varor 25 %"],
            "products": [["create", [{}]]],
        }
        admin.create("product.template", template)


def _give_rule(pair: TrytonPair) -> None:
    """Finance says of the customers that they are abroad; else posting asks about each line."""
    admin = pair.running.admin
    rule = admin.one("account.tax.rule", [["name", "=", ABROAD]])["id"]
    mine = [["id", "!=", pair.running.books.party]]
    parties = [row["id"] for row in admin.search("party.party", mine, [])]
    admin.call("model.party.party.write", parties, {"customer_tax_rule": rule})


def play(
    url: str, plant: TrytonPlant, running: RunningTryton, data: Path, say: Any = None
) -> Piped:
    """The whole way of these deals. `say` is told what is going on."""
    tell = say or (lambda text: None)
    found = Piped()
    rules = {"eu_goods_exempt": ABROAD, "export_goods": ABROAD}
    with TrytonPair(
        url, running, WITHOUT_ALIAS, data=data, enrich=Goods(), tax_rules=rules
    ) as pair:
        set_up(pair)
        won = [row for row in pair.crm_records("Opportunity") if row["IsWon"]]
        found.won = len(won)
        found.sold = sum((Decimal(row["Amount"]) for row in won), Decimal(0))
        with _timed(found, "first run"):
            pair.run()
        cases = pair.cases()
        found.drafts_first = len(pair.drafts())
        found.held, found.held_codes = len(cases), tuple(sorted({case.code for case in cases}))
        tell(f"{found.drafts_first} drafts, {found.held} held {found.held_codes}")
        pair.configure(WITH_ALIAS)
        with _timed(found, "second run"):
            pair.run()
        drafts = [row["id"] for row in pair.drafts()]
        found.drafts_then = len(drafts)
        result = pair.tie_out(ALL_TIME).tie_out
        found.gap_in_draft = sum(
            (cause.amount for cause in result.causes if cause.cause.value == "in_draft"),
            Decimal(0),
        )
        tell(f"{found.drafts_then} drafts")
        _give_rule(pair)
        with _timed(found, "posting"):
            for start in range(0, len(drafts), AT_ONCE):
                acts.post(pair.anna, *drafts[start : start + AT_ONCE])
                if start % 500 == 0:
                    tell(f"{start + AT_ONCE} posted")
        with _timed(found, "run after posting"):
            pair.run()
        with _timed(found, "tie-out"):
            done = pair.tie_out(ALL_TIME, receivables=True)
        result = done.tie_out
        found.sold_tied, found.invoiced, found.gap = result.sold, result.invoiced, result.gap
        found.explained = result.explained
        found.causes = tuple(cause.cause.value for cause in result.causes)
        rolled = done.report.receivables
        if rolled is None or not rolled.agrees:
            tell(str(rolled))
        found.receivables_agree = rolled is not None and rolled.agrees
    _ledger(found, plant.postgres, running.database)
    return found


def _ledger(found: Piped, postgres: Postgres, database: str) -> None:
    """Tryton's own general ledger, by SQL alone."""
    with psycopg.connect(host=postgres.host, user=postgres.user, dbname=database) as tables:
        row = tables.execute(
            "SELECT coalesce(sum(l.credit - l.debit), 0), count(DISTINCT l.move)"
            " FROM account_move_line l JOIN account_move m ON m.id = l.move"
            " JOIN account_account a ON a.id = l.account"
            " JOIN account_account_type t ON t.id = a.type"
            " WHERE t.revenue AND m.state = 'posted'"
        ).fetchone()
    assert row is not None
    found.revenue, found.moves = row


class _timed:  # noqa: N801 - read as a word of the language
    def __init__(self, found: Piped, name: str) -> None:
        self._found = found
        self._name = name

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._found.seconds[self._name] = time.monotonic() - self._began


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, help="only the first so many of the won deals")
    asked = parser.parse_args()
    from conftest import find_shared
    from support.database import database
    from support.tryton_server import _plant, venv

    shared = find_shared()
    if shared is None:
        sys.exit("the reference material (../shared) is not beside this checkout")
    data = shared / "data" / "crm-sales-opportunities"
    with tempfile.TemporaryDirectory() as folder:
        if asked.deals:
            some_of(data, Path(folder) / "data", asked.deals)
            data = Path(folder) / "data"
        with (
            _plant(venv(), Path(folder)) as plant,
            database(f"pipeline_{os.getpid()}") as url,
            plant.running() as running,
        ):
            found = play(url, plant, running, data, lambda text: print(text, flush=True))
    print("\n".join(found.lines()), flush=True)
    sys.exit(0 if found.explained and found.gap == 0 and found.revenue == found.sold else 1)


if __name__ == "__main__":
    main()
