"""
Any CRM with any books by configuration alone: one story, six pairs, each made from its example.

Everything goes over HTTP and through the program's own command line. One alone:
`pytest tests/pairs -k webcrm-tryton`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pairs import scenarios
from pairs.books_sides import BooksSide, TrytonSide, VismaNetSide, VismaSide
from pairs.crm_sides import SIDES, WebcrmSide
from pairs.pair import Pair, project
from pairs.program import ROOT
from support.database import database
from support.described import Description
from support.tryton_server import TrytonPlant

SIMULATED: dict[str, type[VismaSide] | type[VismaNetSide]] = {
    "visma_eaccounting": VismaSide,
    "visma_net": VismaNetSide,
}
PAIRS = [f"{crm}-{books}" for crm in SIDES for books in (*SIMULATED, "tryton")]


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path, worker_id: str) -> Iterator[Pair]:
    """The pair of that name, connected."""
    name, _, more = str(request.param).partition("+")
    crm, _, books = name.partition("-")
    # As root the database runs as another account, which has to pass through.
    tmp_path.chmod(0o755)
    with database(f"pair_{name.replace('-', '_')}_{worker_id}") as url:
        if books in SIMULATED:
            own = SIMULATED[books](orders=more == "orders")
            with project(name, SIDES[crm](), own, tmp_path, url) as made:
                yield made
        else:
            plant: TrytonPlant = request.getfixturevalue("tryton_plant")
            with plant.sharing() as running:
                side: BooksSide = TrytonSide(running, orders=more == "orders")
                with project(name, SIDES[crm](), side, tmp_path, url) as made:
                    yield made


def undescribed(pair: Pair, vendors: dict[str, Description]) -> list[str]:
    """Calls of the whole program that the vendor's description does not have."""
    found: list[str] = []
    for system, side in zip(pair.name.split("-"), (pair.crm, pair.books), strict=True):
        if system in vendors and isinstance(side, (WebcrmSide, VismaNetSide)):
            calls = side.served.calls()
            assert len(calls) > 10
            told = [problem for call in calls for problem in vendors[system](call)]
            found += [problem for problem in told if "no such operation" in problem]
    return found


# Three quarters of a minute each, and more with a real Tryton.
@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, indirect=True)
def test_the_story_of_every_pair(pair: Pair, vendors: dict[str, Description]) -> None:
    for scenario in scenarios.STORY:
        try:
            scenario(pair)
        except Exception as error:
            error.add_note(f"{pair.name}: {scenario.__name__}")
            error.add_note(pair.program("exceptions", "list").out)
            error.add_note(pair.program("exceptions", "show", "EX-1").out)
            raise
    assert undescribed(pair, vendors) == []


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(f"{name}+orders", marks=pytest.mark.slow if "tryton" in name else ())
        for name in PAIRS
    ],
    indirect=True,
)
def test_orders_of_every_pair(pair: Pair) -> None:
    try:
        scenarios.deals_become_sales_orders(pair)
    except Exception as error:
        error.add_note(pair.name)
        error.add_note(pair.program("exceptions", "list").out)
        error.add_note(pair.program("exceptions", "show", "EX-1").out)
        raise


def test_every_pair_has_an_example_and_every_file_is_there() -> None:
    for name in PAIRS:
        for file in ("tieout.yaml", "README.md", "tables/items.csv", "tables/terms.csv"):
            assert (ROOT / "examples" / name / file).is_file(), f"{name}: {file}"
