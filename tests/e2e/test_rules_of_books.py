"""Books of two companies: a deal follows the rules to the other one, and stands in one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daily_story import small_company
from support.database import database
from support.served_project import Program, Served, add_books, connect_project, simulators

SECOND = "7f0a1c52-5d3e-4b8a-9c61-0000000055bb"


@pytest.fixture
def two_books(tmp_path: Path, worker_id: str) -> Iterator[tuple[Program, Served, Served]]:
    """A program with the books of two companies; all deals go to the first one."""
    with (
        simulators() as (crm, books),
        # Two companies have no ids in common.
        simulators("--seed", "2") as (_, other),
        database(f"two_companies_{worker_id}") as url,
    ):
        story = small_company(crm, books)
        other.act("set_company_setting", name="CompanyIdentifier", value=SECOND)
        for name in story.articles:
            other.act("create_article", set={"Number": name, "Name": name})
        root = tmp_path / "nordic"
        program = connect_project(root, crm, books, "auto", database_url=url)
        add_books(program, "visma-no", other)
        _route(program, "true")
        yield program, books, other


def _route(program: Program, first: str) -> str:
    """
    Deals of which this holds go to the first company, all others to the second. What `config diff`
    says of it.
    """
    file = program.root / "tieout.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    start = lines.index("books:")
    end = lines.index("flows:")
    rules = ["  - connection: visma-se", f'    when: "{first}"', "  - connection: visma-no"]
    file.write_text("\n".join([*lines[: start + 1], *rules, *lines[end:], ""]), encoding="utf-8")
    said = program.inside("config", "diff").out
    told = program.inside("config", "publish", "-m", "who has which deals", "--yes")
    assert told.code == 0, told.err
    return said


def _nets(books: Served, entity: str = "customerinvoicedrafts") -> list[float]:
    """What stands there."""
    return sorted(
        float(line["UnitPrice"])
        for row in books.records(entity)
        if not row.get("_deleted")
        for line in row["Rows"]
    )


def test_a_draft_follows_its_deal_to_the_other_company(
    two_books: tuple[Program, Served, Served],
) -> None:
    """It is taken back where it stands, and only then made where the new rule says."""
    program, books, other = two_books
    assert program.inside("run", "--once").code == 0
    assert (_nets(books), _nets(other)) == ([18000, 25000, 37500], [])
    drafts_there = books.records("customerinvoicedrafts")
    (booked,) = [one for one in drafts_there if one["Rows"][0]["UnitPrice"] == 25000]
    books.act("book_draft", draft=booked["Id"])
    for _ in range(3):
        assert program.inside("run", "--once").code == 0

    said = _route(program, "account.Name == 'Lindvall Data AB'")
    assert "2 deals with a draft are judged again" in said, said
    # What the last runs wrote into the CRM is read again for a while: a plan that reads nothing
    # shows what the rule alone makes due.
    plan = program.inside("plan", "--no-read").out
    assert "- draft      D-108" in plan, plan
    assert "D-109" not in plan, plan
    for _ in range(4):
        assert program.inside("run", "--once").code in (0, 9)
        both = [*_nets(books), *_nets(other)]
        assert len(both) == len(set(both)), "one deal stands in both companies"
    # What is booked stays, and what was the first company's and still is.
    assert (_nets(books), _nets(other)) == ([18000], [37500])
    assert (_nets(books, "customerinvoices"), _nets(other, "customerinvoices")) == ([25000], [])
    _route(program, "true")
    for _ in range(4):
        assert program.inside("run", "--once").code in (0, 9)
    assert (_nets(books), _nets(other)) == ([18000, 37500], [])
