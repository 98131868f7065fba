"""
What goes wrong between webCRM and Visma.net, each with what the user sees of it.

Over HTTP and through the program's command line, in one project; every case has customers and deals
of its own. The table of all of them is docs/explanation/hard-cases.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pairs.books_sides import VismaNetSide
from pairs.crm_sides import WebcrmSide
from pairs.pair import Pair, project
from support.database import database

NAME = "webcrm-visma_net"
STEM = "QuotationLineLinkedDataItem"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Pair]:
    """The pair's example, with customers in both directions and items of the books in the CRM."""
    folder = tmp_path_factory.mktemp("hard")
    # As root the database runs as another account, which has to pass through.
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    with (
        database(f"hard_cases_{worker_id}") as url,
        project(NAME, WebcrmSide(), VismaNetSide(), folder, url) as made,
    ):
        written = made.program.root / "tieout.yaml"
        text = written.read_text(encoding="utf-8")
        text = text.replace("  customers:\n", "  customers:\n    direction: both\n", 1)
        text = text.replace("  status:\n", "  items: {mode: auto}\n  status:\n", 1)
        written.write_text(text, encoding="utf-8")
        made.program.well("config", "publish", "-m", "both ways")
        yield made


def cases(pair: Pair, code: str) -> list[dict[str, Any]]:
    """Open exceptions of a code."""
    found: list[dict[str, Any]] = pair.program.data("exceptions", "list", "--code", code)["items"]
    return found


def customer(pair: Pair, name: str) -> dict[str, Any]:
    """A customer of the books."""
    (found,) = [row for row in pair.books.records("customer") if row["name"] == name]
    return found


def organisation(pair: Pair, name: str) -> dict[str, Any]:
    """An organisation of the CRM."""
    rows = pair.crm.served.records("Organisations")
    (found,) = [row for row in rows if row["OrganisationName"] == name]
    return found


def codes(pair: Pair, name: str) -> list[str]:
    """Codes of the open exceptions of a customer."""
    listed = pair.program.data("exceptions", "list")["items"]
    return [case["code"] for case in listed if name in (case["customer"], case["title"])]


def test_a_field_that_both_sides_changed_between_two_runs(pair: Pair) -> None:
    """Neither is overwritten; a person names the side that counts, and both show it."""
    buyer = pair.buyer("Begge Sider")
    pair.win("Reol", buyer)
    pair.run()
    pair.run()
    number = customer(pair, "Begge Sider")["number"]
    pair.crm.served.act("edit_organisation", organisation=int(buyer), set={"Name": "Begge Salg"})
    pair.books.served.act("edit_customer", customer=number, set={"name": "Begge Regnskap"})
    for _ in range(3):
        pair.run()
    (case,) = cases(pair, "both_changed")
    assert case["message"] == "Begge Salg changed on both sides: name."
    assert customer(pair, "Begge Regnskap")["number"] == number
    assert organisation(pair, "Begge Salg")["OrganisationId"] == int(buyer)

    pair.program.well("exceptions", "answer", case["id"], "--side", "crm")
    for _ in range(2):
        pair.run()
    assert customer(pair, "Begge Salg")["number"] == number
    assert cases(pair, "both_changed") == []
    assert pair.run()["written"] == 0


@pytest.mark.slow
def test_an_organisation_whose_type_is_turned_back(pair: Pair) -> None:
    """A draft nobody touched is taken back and comes again; what is booked stands."""
    buyer = pair.buyer("Ikke Kunde")
    deal = pair.win("Disk", buyer)
    title = f"D-{pair.crm.sold}"
    pair.run()
    pair.run()
    assert pair.crm.shown(deal).status == "draft"

    pair.crm.served.act("change_type", organisation=int(buyer), type="Kreditor")
    pair.run()
    pair.run()
    assert [draft for draft in pair.books.drafts() if draft.customer == "Ikke Kunde"] == []
    assert pair.crm.shown(deal).status == "cancelled"
    told = pair.program.well("why", title)
    assert "since taken back" in told
    assert "skip: A rule leaves it out." in told

    pair.crm.served.act("change_type", organisation=int(buyer), type="Debitor")
    pair.run()
    (draft,) = [draft for draft in pair.books.drafts() if draft.customer == "Ikke Kunde"]
    number = pair.books.book(draft)
    pair.run()
    assert pair.crm.shown(deal).number == number
    pair.crm.served.act("change_type", organisation=int(buyer), type="Kreditor")
    pair.run()
    pair.run()
    assert pair.crm.shown(deal).status == "booked"
    (case,) = cases(pair, "reopened_after_booking")
    assert case["message"] == f"A rule leaves {title} out, and its invoice {number} is booked."
    assert codes(pair, "Ikke Kunde") == ["reopened_after_booking"]


def test_an_item_that_is_deleted_in_the_books_while_it_is_quoted(pair: Pair) -> None:
    """The deal that quotes it is held and says which item; with another item it goes on."""
    buyer = pair.buyer("Uten Vare")
    usual, pair.crm.item = pair.crm.item, "SUPP"
    first = pair.win("Support", buyer)
    pair.run()
    pair.run()
    assert pair.crm.shown(first).status == "draft"
    pair.books.served.act("delete_item", item="SUPP")
    second = pair.win("Support igjen", buyer)
    pair.crm.item = usual
    for _ in range(2):
        pair.later(90000)
        pair.run()
    assert pair.crm.shown(first).status == "draft"
    assert pair.crm.shown(second).status == ""
    (case,) = cases(pair, "item_no_code")
    assert case["message"] == f'"Support, month" in D-{pair.crm.sold} has no code in visma-net-no.'
    assert "make item SUPP in visma-net-no" in case["hint"]


def test_an_item_that_is_deleted_in_the_crm(pair: Pair) -> None:
    """It is told, and not made again behind the back of the person who deleted it."""
    pair.run()

    def shown() -> list[int]:
        rows = pair.crm.served.records("QuotationLineLinkedData")
        return [
            row[f"{STEM}Id"]
            for row in rows
            if row[f"{STEM}Data1"] == "FOOD" and not row.get("_deleted")
        ]

    (item,) = shown()
    pair.crm.served.act("delete_item", id=item)
    for _ in range(3):
        # All ids are compared once a day, and what is missing is looked for once more.
        pair.later(90000)
        pair.run()
    assert [case["message"] for case in cases(pair, "deleted_in_crm")] == [
        "Catering was deleted in the CRM."
    ]
    assert shown() == []


def test_invoices_are_not_made_deliveries(pair: Pair) -> None:
    """They are what an organisation has bought, and no deal comes of them; a copy is told."""
    deal = pair.win("Historie", pair.buyer("Historien"))
    pair.run()
    draft = next(one for one in pair.books.drafts() if one.customer == "Historien")
    number = pair.books.book(draft)
    deliveries = len(pair.crm.served.records("Deliveries"))
    documents = pair.books.documents()
    pair.settle(lambda: number in pair.crm.invoices())
    assert pair.crm.invoices()[number] == pair.books.invoices()[number]
    assert pair.crm.shown(deal).number == number

    def rows() -> list[dict[str, Any]]:
        found = pair.crm.served.records("Products")
        return [row for row in found if row["ProductCustom3"] == number and not row.get("_deleted")]

    head = next(row for row in rows() if not row["ProductSortOrder"])
    copy = pair.crm.served.act("copy_product", product=head["ProductId"])["ProductId"]
    pair.settle(lambda: cases(pair, "invoice_row_twice") != [])
    (case,) = cases(pair, "invoice_row_twice")
    assert f"products {copy}" in case["message"]
    assert len(rows()) == 4
    pair.crm.served.act("delete_product", product=copy)
    pair.settle(lambda: cases(pair, "invoice_row_twice") == [])
    # Its key is taken off: it gets it again, and nothing is there twice.
    pair.crm.served.act("edit_product", product=head["ProductId"], set={"Custom1": ""})
    pair.settle(lambda: all(row["ProductCustom1"] for row in rows()))
    assert len(rows()) == 3
    assert len(pair.crm.served.records("Deliveries")) == deliveries
    assert pair.books.documents() == documents
