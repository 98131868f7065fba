"""A backup is put back under the program: what it says, what it holds, and how people go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from support.daily_story import Story, small_company
from support.database import database
from support.served_project import Program, Served, connect_project, simulators

pytestmark = pytest.mark.timeout(240)


@dataclass
class Restored:
    """A connected project after its first run, and its database, which can be put back."""

    tieout: Program
    books: Served
    story: Story
    url: str

    def drafts(self) -> list[dict[str, Any]]:
        """What stands in the books."""
        found = self.books.records("customerinvoicedrafts")
        return [row for row in found if not row.get("_deleted")]

    def sql(self, statement: str, *, on: str = "") -> None:
        """A statement of the administrator's."""
        address = make_url(self.url).set(drivername="postgresql+psycopg")
        engine = create_engine(address.set(database=on or self.name), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    @property
    def name(self) -> str:
        return str(make_url(self.url).database)

    def back_up(self) -> None:
        """Keeps the database as it is now."""
        self.sql(f'CREATE DATABASE "{self.name}_backup" TEMPLATE "{self.name}"', on="postgres")

    def put_back(self) -> None:
        """The database is what it was when it was backed up."""
        self.sql(f'DROP DATABASE "{self.name}" WITH (FORCE)', on="postgres")
        self.sql(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.name}_backup"', on="postgres")

    def wait_out(self) -> None:
        """The time passes in which requests of the old epoch could still take effect."""
        for _ in range(4):
            # The books' time is told in whole seconds, and the earliest of all times counts.
            self.sql(
                "UPDATE bridge SET recovering_until = now() - interval '3 seconds'"
                " WHERE recovering_until IS NOT NULL"
            )
            ran = self.tieout.inside("run", "--once", "--json")
            if ran.json()["data"]["recovery"] is None:
                return
        raise AssertionError("the recovery does not end")


@pytest.fixture
def restored(tmp_path: Path, worker_id: str) -> Iterator[Restored]:
    with database(f"restored_{worker_id}") as url, simulators() as (crm, books):
        story = small_company(crm, books)
        program = connect_project(tmp_path / "nordic", crm, books, "auto", database_url=url)
        found = Restored(program, books, story, url)
        assert program.inside("run", "--once").code == 0
        yield found
        found.sql(f'DROP DATABASE IF EXISTS "{found.name}_backup" WITH (FORCE)', on="postgres")


def codes(restored: Restored) -> list[str]:
    listed = restored.tieout.inside("exceptions", "list", "--json").json()
    return sorted(case["code"] for case in listed["data"]["items"])


def number_of(restored: Restored, code: str) -> str:
    listed = restored.tieout.inside("exceptions", "list", "--code", code, "--json").json()
    (case,) = listed["data"]["items"]
    return str(case["id"])


def test_a_restore_is_said_held_and_released_by_a_person(restored: Restored) -> None:
    tieout, story = restored.tieout.inside, restored.story
    restored.back_up()
    story.deal("D-130", "Lindvall Data AB", "SRV-1", "1300")
    assert tieout("run", "--once").code == 0
    assert len(restored.drafts()) == 4
    restored.put_back()

    ran = tieout("run", "--once")
    assert ran.code == 0
    assert "This database was put back to an earlier state. Nothing is written before" in ran.out
    assert "0 written" in ran.out
    stands = tieout("status")
    assert stands.out.splitlines()[0].startswith("! This database was put back")
    told = tieout("status", "--json").json()["data"]["recovery"]
    assert told["reads_left"] == 2
    assert told["not_before"] > tieout("status", "--json").json()["generated_at"]
    planned = tieout("plan", "--json")
    assert (planned.code, planned.json()["error"]["code"]) == (6, "database_restored")

    restored.wait_out()
    assert len(restored.drafts()) == 4
    assert codes(restored) == ["item_no_code", "restored"]
    assert tieout("status", "--json").json()["data"]["recovery"] is None

    # Whatever the mode says, a person releases what comes now.
    story.deal("D-131", "Lindvall Data AB", "SRV-1", "1310")
    held = tieout("run", "--once", "--json").json()["data"]
    assert [row["deal"] for row in held["waiting"] if row["entity"] == "document"] == ["D-131"]
    assert len(restored.drafts()) == 4
    number = number_of(restored, "restored")
    shown = tieout("exceptions", "show", number)
    said = " ".join(shown.out.split())
    assert "Every write waits for a release until a person has looked." in said
    closed = tieout("exceptions", "dismiss", number, "--reason", "backup of this morning")
    assert closed.code == 0
    assert tieout("run", "--once").code == 0
    assert len(restored.drafts()) == 5


def test_a_document_that_nobody_knows_is_given_to_its_deal(restored: Restored) -> None:
    tieout, story = restored.tieout.inside, restored.story
    restored.back_up()
    before = {row["Id"] for row in restored.drafts()}
    # What finance made by hand since, and what a person made of another one: both without a key.
    for _ in range(2):
        story.books.act("copy_draft", draft=sorted(before)[0])
    first = next(row for row in restored.drafts() if row["Id"] in sorted(before)[:1])
    for row in restored.drafts():
        if row["Id"] not in before:
            story.books.act("edit_draft", draft=row["Id"], set={"OurReference": "S. Berg"})
    made = sorted(row["Id"] for row in restored.drafts() if row["Id"] not in before)
    story.deal("D-140", first["InvoiceCustomerName"], "SRV-1", "1400")
    assert tieout("run", "--once").code == 0
    written = len(restored.drafts())
    restored.put_back()
    tieout("run", "--once")
    restored.wait_out()
    assert "assign_documents" in codes(restored)
    number = number_of(restored, "assign_documents")
    shown = tieout("exceptions", "show", number, "--json").json()
    assert {one["id"].partition(":")[2] for one in shown["data"]["candidates"]} == set(made)
    assert shown["next"][0] == f"tieout exceptions answer {number} --is REF --deal DEAL"

    story.deal("D-141", first["InvoiceCustomerName"], "SRV-1", "1410")
    tieout("run", "--once")
    assert "unassigned_documents" in codes(restored)

    for words, error in (
        (("--is", made[0]), "usage"),
        (("--is", made[0], "--deal", "D-999"), "no_such_record"),
        (("--is", made[0], "--deal", "D-106"), "answer_unfit"),
        (("--is", sorted(before)[0], "--deal", "D-141"), "answer_unfit"),
        (("--new",), "answer_unfit"),
    ):
        refused = tieout("exceptions", "answer", number, *words, "--json")
        assert (refused.code, refused.json()["error"]["code"]) == (2, error), words
    assert "assign_documents" in codes(restored)

    said = tieout("exceptions", "answer", number, "--is", made[0], "--deal", "D-141")
    assert said.code == 0, said.err
    assert "is the one of D-141." in said.out
    assert "assign_documents" in codes(restored), "the other one is still asked for"
    said = tieout("exceptions", "answer", number, "--not-ours", made[1])
    assert said.code == 0, said.err
    tieout("run", "--once")
    assert not {"assign_documents", "unassigned_documents"} & set(codes(restored))
    assert len(restored.drafts()) == written, "D-141 has its draft"
    why = tieout("why", "D-141", "--json").json()
    assert made[0] in str(why["data"])
