"""Items and products side by side: each in one state, what stops deals first."""

from __future__ import annotations

from tieout.services.items import csv_text, report
from tieout.store.items import ItemFound


def of_books(number: str, **more: object) -> ItemFound:
    given = {"connection": "visma", "id": f"i-{number}", "name": number.title(), "active": True}
    return ItemFound(number=number, **{**given, **more})  # type: ignore[arg-type]


def product(number: str, row_id: str, name: str = "") -> ItemFound:
    return ItemFound(connection="sf", id=row_id, number=number, name=name, active=True)


def test_each_item_and_product_has_one_state() -> None:
    found = report(
        [
            of_books("A", crm_id="p1", reason="in_step"),
            of_books("B", crm_id="p2", reason="price_missing", message="B has no price in X."),
            of_books("C", reason="inactive", active=False),
            of_books("D", crm_id="p4", gone=True, reason="in_step"),
            of_books("E", reason="number_twice_in_crm", message="2 records have it."),
            of_books("F", crm_id="p5", active=False, reason="agreed"),
        ],
        [product("", "p6", "By word"), product("E", "p7"), product("E", "p8"), product("Z", "p9")],
        [("Travel", 3)],
    )
    assert [(row.state, row.number or row.id) for row in found.rows] == [
        ("no_code", "p6"),
        ("number_twice_in_crm", "E"),
        ("number_twice_in_crm", "E"),
        ("number_twice_in_crm", "E"),
        ("only_in_crm", "Z"),
        ("price_missing", "B"),
        ("only_in_books", "C"),
        ("out_of_use", "D"),
        ("out_of_use", "F"),
        ("in_step", "A"),
    ]
    assert found.counts()["number_twice_in_crm"] == 3
    assert found.rows[6].message == "the books do not sell it"
    assert found.lines == (("Travel", 3),)


def test_a_product_beside_the_one_that_shows_its_item_says_so() -> None:
    found = report([of_books("A", crm_id="p1", reason="agreed")], [product("A", "p2")])
    (row,) = [row for row in found.rows if row.id == "p2"]
    assert (row.state, row.message) == (
        "only_in_crm",
        "the item of that number has another product",
    )


def test_a_spreadsheet_takes_no_name_for_a_formula() -> None:
    found = report([], [product("", "p1", "=1+1")])
    assert csv_text(found.rows).splitlines()[1].startswith("no_code,sf,,'=1+1,p1")
