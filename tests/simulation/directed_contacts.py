"""Directed histories of persons: matched by their address within their customer, in both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from persons import check
from scenes import Scene, history
from tieout.core.mapping.fields import Owner
from tieout.core.policy import ContactPolicy, FlowMode, Rule

TICKED = Rule(
    text="contact.invoices",
    test=lambda scope: cast(Mapping[str, Any], scope["contact"]).get("invoices", False),
)
TO_BOOKS = ContactPolicy(mode=FlowMode.AUTO, books_when=TICKED)
TO_CRM = ContactPolicy(mode=FlowMode.AUTO, to_books=False, to_crm=True)
BOTH = ContactPolicy(mode=FlowMode.AUTO, to_crm=True)


def options(policy: ContactPolicy) -> dict[str, Any]:
    """A world in which persons go by this policy."""
    return {"contacts": policy}


def here(s: Scene, *, active: bool | None = None) -> list[Mapping[str, Any]]:
    """The persons of the CRM."""
    return [row for row in s.world.crm.rows.live("contacts") if active in (None, row["active"])]


def there(s: Scene, *, active: bool | None = None) -> list[Mapping[str, Any]]:
    """The persons of the books."""
    return [row for row in s.world.book.ledger.live("contacts") if active in (None, row["active"])]


def in_crm(s: Scene, family: str, email: str = "", **more: Any) -> str:
    """A person of the company, or of another one."""
    given = {"company": s.company, "given": "Ann", "family": family, "email": email, **more}
    return str(s.world.in_crm("create_contact", **given)["id"])


def in_book(s: Scene, family: str, email: str = "", **more: Any) -> str:
    """A person of the one customer of the books, or of another one."""
    given = {"given": "Ann", "family": family, "email": email, **more}
    if "customer" not in given:
        given["customer"] = customer(s)
    return str(s.world.in_book("create_contact", **given)["id"])


def customer(s: Scene) -> str:
    """The customer in the books that the company is linked with."""
    rows = s.world.rows(
        "SELECT r.id FROM ref r JOIN slot s ON s.workspace = r.workspace AND s.key13 = r.key13"
        " WHERE r.workspace = %(ws)s AND r.entity = 'customer' AND r.role = 'current'"
        " AND s.source_id = %(company)s",
        company=s.company,
    )
    return str(rows[0][0])


def outcomes(s: Scene, flow: str = "contacts") -> dict[str, tuple[str, str]]:
    """What came of each person of a flow: source → (verdict, reason)."""
    return {
        row[0]: (row[1], row[2])
        for row in s.world.rows(
            "SELECT source_id, verdict, reason FROM outcome WHERE workspace = %(ws)s"
            " AND split_part(lane, '/', 2) = %(flow)s",
            flow=flow,
        )
    }


async def runs(s: Scene, most: int = 2) -> None:
    """Everything is done within so many runs, and a further one writes nothing."""
    await s.world.wait(70)
    for _ in range(most):
        await s.run()
    before = len(s.world.crm.received), len(s.world.book.received)
    await s.world.wait(70)
    await s.settle()
    assert before == (len(s.world.crm.received), len(s.world.book.received))


async def linked(s: Scene) -> None:
    """The company has a customer in the books."""
    await s.linked()
    await s.settle()


@history(options=options(TO_BOOKS))
async def q01_a_tick_box_sends_a_person_to_the_books(s: Scene) -> None:
    """Who is ticked goes, once; who has no address, or a wrong one, is told; the rest stays."""
    ann = in_crm(s, "Ek", "ann@kund.example", invoices=True, phone="08-1", title="CFO")
    bo = in_crm(s, "Bo", "bo@kund.example", invoices=False)
    no = in_crm(s, "Nil", invoices=True)
    bad = in_crm(s, "Bad", "bad at kund", invoices=True)
    await s.run()
    assert there(s) == []
    assert outcomes(s)[ann] == ("wait", "customer_not_linked")
    await linked(s)
    (row,) = there(s)
    assert (row["family"], row["email"], row["phone"], row["title"], row["customer"]) == (
        *("Ek", "ann@kund.example", "08-1", "CFO"),
        customer(s),
    )
    told = outcomes(s)
    assert told[bo] == ("skip", "left_out_by_rule")
    assert s.world.exceptions(no) == ["contact_no_address"]
    assert s.world.exceptions(bad) == ["contact_address_invalid"]

    s.world.in_crm("edit_contact", contact=no, email="nil@kund.example")
    s.world.in_crm("edit_contact", contact=bad, email="bad@kund.example")
    s.world.in_crm("edit_contact", contact=bo, invoices=True)
    s.world.in_crm("edit_contact", contact=ann, phone="08-2", email="Ann.Ek@kund.example")
    await runs(s)
    assert sorted(row["email"] for row in there(s)) == sorted(
        ["Ann.Ek@kund.example", "bad@kund.example", "bo@kund.example", "nil@kund.example"]
    )
    assert next(row for row in there(s) if row["family"] == "Ek")["phone"] == "08-2"
    s.none_open()

    # Who is unticked stays as it is: nobody is deleted over there.
    s.world.in_crm("edit_contact", contact=ann, invoices=False, phone="08-3")
    await runs(s)
    assert outcomes(s)[ann] == ("skip", "left_out_by_rule")
    assert next(row for row in there(s) if row["family"] == "Ek")["phone"] == "08-2"


@history(options=options(TO_CRM))
async def q02_persons_of_the_books_come_to_the_crm(s: Scene) -> None:
    """All of linked customers that have an address; others are left out, and it is said so."""
    await linked(s)
    stranger = s.world.in_book("create_customer", name="Främmande AB")["id"]
    in_book(s, "Ek", "ann@kund.example", mobile="070-1")
    nobody = in_book(s, "Nil")
    waits = in_book(s, "Far", "far@kund.example", customer=stranger)
    await runs(s)
    (row,) = here(s)
    assert (row["family"], row["email"], row["mobile"], row["company"]) == (
        *("Ek", "ann@kund.example", "070-1"),
        s.company,
    )
    assert outcomes(s, "persons")[nobody] == ("skip", "no_address")
    assert outcomes(s, "persons")[waits] == ("wait", "customer_not_linked")
    # What a seller adds in the CRM goes nowhere, what the books change is followed.
    s.world.in_crm("edit_contact", contact=row["id"], title="CFO")
    in_crm(s, "Own", "own@kund.example")
    (ann,) = [one["id"] for one in there(s) if one["family"] == "Ek"]
    s.world.in_book("edit_contact", contact=ann, mobile="070-2")
    await runs(s)
    assert {one["family"]: (one["mobile"], one["title"]) for one in here(s)} == {
        "Ek": ("070-2", "CFO"),
        "Own": (None, None),
    }
    assert len(there(s)) == 3
    s.none_open()


@history(options=options(BOTH))
async def q03_both_ways_each_person_once(s: Scene) -> None:
    """Known on both sides: one pair, what is empty is filled; new ones arrive on the other side."""
    await linked(s)
    in_crm(s, "Ek", " Ann@Kund.example ", phone="08-1")
    in_book(s, "Ek", "ann@kund.example", title="CFO")
    in_crm(s, "Ny", "ny@kund.example")
    in_book(s, "Bok", "bok@kund.example", phone="08-9")
    await runs(s)
    for rows, owner in ((here(s), "company"), (there(s), "customer")):
        assert sorted(row["family"] for row in rows) == ["Bok", "Ek", "Ny"]
        by = {row["family"]: row for row in rows}
        assert (by["Ek"]["phone"], by["Ek"]["title"]) == ("08-1", "CFO")
        assert by["Bok"]["phone"] == "08-9"
        assert {row[owner] for row in rows} == {s.company if owner == "company" else customer(s)}

    # One field each at once, then one field on both: the later one wins.
    ek, bok = (next(r["id"] for r in here(s) if r["family"] == name) for name in ("Ek", "Bok"))
    ek_there = next(row["id"] for row in there(s) if row["family"] == "Ek")
    s.world.in_crm("edit_contact", contact=ek, phone="08-2")
    s.world.in_book("edit_contact", contact=ek_there, title="CEO")
    await runs(s)
    for rows in (here(s), there(s)):
        ann = next(row for row in rows if row["family"] == "Ek")
        assert (ann["phone"], ann["title"]) == ("08-2", "CEO")
    s.world.in_crm("edit_contact", contact=ek, phone="08-3")
    await s.world.wait(5)
    s.world.in_book("edit_contact", contact=ek_there, phone="08-4")
    s.world.in_crm("edit_contact", contact=bok, active=False)
    await runs(s)
    for rows in (here(s), there(s)):
        assert next(row for row in rows if row["family"] == "Ek")["phone"] == "08-4"
        assert next(row for row in rows if row["family"] == "Bok")["active"] is False
    s.none_open()


@history(options=options(BOTH))
async def q04_two_persons_with_one_address(s: Scene) -> None:
    """Nobody guesses: both are held on their side, and a third one over there too."""
    await linked(s)
    one = in_crm(s, "Ek", "info@kund.example")
    two = in_crm(s, "Bo", "INFO@kund.example")
    await runs(s)
    assert there(s) == []
    for person in (one, two):
        assert s.world.exceptions(person) == ["contact_address_twice"]
    s.world.in_crm("edit_contact", contact=two, email="bo@kund.example")
    await runs(s)
    assert sorted(row["family"] for row in there(s)) == ["Bo", "Ek"]
    s.none_open()

    # A linked one stays what it is; who comes with its address is held, on either side.
    three = in_crm(s, "Sen", "bo@kund.example")
    four = in_book(s, "Fyr", "bo@kund.example")
    await runs(s)
    assert s.world.exceptions(three) == ["contact_address_twice"]
    assert s.world.exceptions(four) == ["contact_address_twice"]
    assert (len(here(s)), len(there(s))) == (3, 3)
    s.world.in_crm("delete_contact", contact=three)
    s.world.in_book("delete_contact", contact=four)
    await runs(s)
    s.none_open()

    # Nor does a linked one get the address of another linked one of its customer.
    s.world.in_crm("edit_contact", contact=two, email="info@kund.example")
    await runs(s)
    assert s.world.exceptions(two) == ["contact_address_twice"]
    assert sorted(row["email"] for row in there(s) if row["active"]) == [
        "bo@kund.example",
        "info@kund.example",
    ]


@history(options=options(BOTH))
async def q05_one_address_at_two_customers(s: Scene) -> None:
    """A consultant of two customers is a person of each, on both sides."""
    await linked(s)
    first = s.company
    in_crm(s, "Ek", "ann@konsult.example")
    await runs(s)
    s.company = s.world.make_company(2)
    await linked(s)
    in_crm(s, "Ek", "ann@konsult.example")
    await runs(s)
    assert len({row["customer"] for row in there(s)}) == 2
    assert {row["company"] for row in here(s)} == {first, s.company}
    told = s.world.rows(
        "SELECT message FROM outcome WHERE workspace = %(ws)s AND reason = 'create'"
        " AND message <> ''"
    )
    assert told == [] or "other customers" in told[0][0]
    s.none_open()


@history(options=options(replace(TO_BOOKS, books_when=None, shared="hold")))
async def q06_a_shared_address_can_be_held(s: Scene) -> None:
    """Where the settings say so, one address at two customers is for a person."""
    await linked(s)
    one = in_crm(s, "Ek", "ann@konsult.example")
    other = s.world.make_company(2)
    two = in_crm(s, "Ek", "ann@konsult.example", company=other)
    await runs(s)
    assert s.world.exceptions(one) == ["contact_address_shared"]
    assert there(s) == []
    s.world.in_crm("edit_contact", contact=two, email="ann2@konsult.example")
    await runs(s)
    assert [row["email"] for row in there(s)] == ["ann@konsult.example"]
    s.none_open()


@history(options=options(replace(BOTH, owners={"phone": Owner.BOOKS, "title": Owner.MANUAL})))
async def q07_owners_of_fields(s: Scene) -> None:
    """The books' telephone is set right in the CRM; where nobody owns a field a person is asked."""
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example", phone="08-1", title="CFO")
    await runs(s)
    (row,) = there(s)
    assert (row["phone"], row["title"]) == ("08-1", "CFO")
    s.world.in_crm("edit_contact", contact=ann, phone="08-2")
    await runs(s)
    assert [one["phone"] for one in (*here(s), *there(s))] == ["08-1", "08-1"]
    s.world.in_crm("edit_contact", contact=ann, title="A")
    s.world.in_book("edit_contact", contact=row["id"], title="B")
    await runs(s)
    assert s.world.exceptions(ann) == ["contact_both_changed"]
    s.world.in_book("edit_contact", contact=row["id"], title="A")
    await runs(s)
    s.none_open()


@history(options=options(BOTH))
async def q08_a_person_moves_to_another_customer(s: Scene) -> None:
    """The one half follows the other, whichever side it was moved on."""
    await linked(s)
    first, home = s.company, customer(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    await runs(s)
    s.company = s.world.make_company(2)
    await linked(s)
    s.world.in_crm("edit_contact", contact=ann, company=s.company)
    await runs(s)
    (row,) = there(s)
    assert row["customer"] == customer(s)
    s.world.in_book("edit_contact", contact=row["id"], customer=home)
    await runs(s)
    assert [one["company"] for one in here(s)] == [first]
    assert len(there(s)) == 1
    s.none_open()


@history(options=options(replace(TO_BOOKS, books_when=None)))
async def q09_moved_in_the_books_where_only_the_crm_counts(s: Scene) -> None:
    """Nobody moves it back, nothing is made anew: a person is told."""
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    await runs(s)
    other = s.world.in_book("create_customer", name="Andra AB")["id"]
    (row,) = there(s)
    s.world.in_book("edit_contact", contact=row["id"], customer=other)
    await runs(s)
    assert s.world.exceptions(ann) == ["contact_moved"]
    assert [one["customer"] for one in there(s)] == [other]
    s.world.in_book("edit_contact", contact=row["id"], customer=customer(s))
    await runs(s)
    s.none_open()


@history(options=options(replace(TO_BOOKS, books_when=None)))
async def q10_deleted_in_the_crm(s: Scene) -> None:
    """One way: out of use over there, never deleted; the next with the address takes its place."""
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    await runs(s)
    s.world.in_crm("delete_contact", contact=ann)
    await runs(s)
    (row,) = there(s)
    assert row["active"] is False
    in_crm(s, "Ny", "ann@kund.example")
    await runs(s)
    assert [one["family"] for one in there(s)] == ["Ny"]
    s.world.in_book("delete_contact", contact=row["id"])
    await runs(s)
    assert there(s) == []
    assert s.world.exceptions() == ["deleted_in_books"]


@history(options=options(BOTH))
async def q11_deleted_on_one_side_of_two(s: Scene) -> None:
    """Both ways: what was deleted on one side is told, made nowhere, taken away nowhere."""
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    in_book(s, "Bo", "bo@kund.example")
    await runs(s)
    bo_there = next(row["id"] for row in there(s) if row["family"] == "Bo")
    s.world.in_crm("delete_contact", contact=ann)
    s.world.in_book("delete_contact", contact=bo_there)
    await runs(s)
    assert [row["family"] for row in here(s)] == ["Bo"]
    assert [(row["family"], row["active"]) for row in there(s)] == [("Ek", True)]
    assert sorted(s.world.exceptions()) == ["deleted_in_books", "deleted_in_crm"]
    s.world.in_crm("edit_contact", contact=here(s)[0]["id"], active=False)
    s.world.in_book("edit_contact", contact=there(s)[0]["id"], active=False)
    await runs(s)
    s.none_open()


@history(options=options(BOTH))
async def q12_two_records_of_one_person_are_joined(s: Scene) -> None:
    """The one that is left takes over what the other was linked with."""
    await linked(s)
    one = in_crm(s, "Ek", "ann@kund.example")
    await runs(s)
    two = in_crm(s, "Ek", "ann@kund.example", mobile="070-1")
    await runs(s)
    assert s.world.exceptions(two) == ["contact_address_twice"]
    s.world.in_crm("merge_contacts", loser=one, winner=two)
    await runs(s, 3)
    assert [row["mobile"] for row in (*here(s), *there(s))] == ["070-1", "070-1"]
    s.none_open()


@history(options=options(BOTH))
async def q13_lost_answers_make_nobody_twice(s: Scene) -> None:
    """Lost behind the commit, late, or never arrived: one person on each side."""
    await linked(s)
    for number, kind in enumerate(("drop_after_commit", "commit_late", "drop_before"), 1):
        for system, method, path in (
            (s.world.book, "POST", "/contacts"),
            (s.world.crm, "PATCH", "/contacts"),
        ):
            system.faults.add(
                {"kind": kind, "method": method, "path": path, "times": 1, "seconds": 40}
            )
        in_crm(s, f"C{number}", f"c{number}@kund.example")
        in_book(s, f"B{number}", f"b{number}@kund.example")
        await s.settle()
        for rows in (here(s), there(s)):
            assert len(rows) == 2 * number, [row["email"] for row in rows]
    await runs(s)
    s.none_open()


@history(options=options(BOTH))
async def q14_customers_are_joined(s: Scene) -> None:
    """Persons of merged customers stay linked, whichever side joins its customers."""
    await linked(s)
    first = s.company
    in_crm(s, "Ek", "ann@kund.example")
    s.company = s.world.make_company(2)
    await linked(s)
    in_crm(s, "Bo", "bo@kund.example")
    await runs(s)
    homes = sorted({row["customer"] for row in there(s)})
    s.world.in_crm("merge_companies", loser=first, winner=s.company)
    await s.world.wait(70)
    await s.settle()
    s.world.in_book(
        "merge_customers", loser=next(h for h in homes if h != customer(s)), winner=customer(s)
    )
    await runs(s, 3)
    for rows in (here(s), there(s)):
        assert sorted(row["family"] for row in rows) == ["Bo", "Ek"]
    ek = next(row for row in here(s) if row["family"] == "Ek")
    s.world.in_crm("edit_contact", contact=ek["id"], phone="08-7")
    await runs(s)
    assert next(row for row in there(s) if row["family"] == "Ek")["phone"] == "08-7"


@history(options=options(BOTH))
async def q15_a_name_that_is_cut_is_no_change(s: Scene) -> None:
    """The books hold 30 characters of a name: the CRM keeps the whole, and all is quiet."""
    await linked(s)
    long = "Sammansättningsnamnsson-Andersdotter"
    ann = in_crm(s, long, "ann@kund.example")
    await runs(s)
    assert [row["family"] for row in there(s)] == [long[:30]]
    assert [row["family"] for row in here(s)] == [long]
    s.world.in_crm("edit_contact", contact=ann, phone="08-1")
    await runs(s)
    s.world.in_book("edit_contact", contact=there(s)[0]["id"], title="CFO")
    await runs(s)
    assert [(row["family"], row["title"]) for row in here(s)] == [(long, "CFO")]
    s.none_open()


@history(options=options(BOTH))
async def q16_deleted_and_the_mirror_read_anew(s: Scene) -> None:
    """Who is not there any more stays so, also where nobody remembers having read the person."""
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    in_book(s, "Bo", "bo@kund.example")
    await runs(s)
    bo_there = next(row["id"] for row in there(s) if row["family"] == "Bo")
    s.world.in_crm("delete_contact", contact=ann)
    s.world.in_book("delete_contact", contact=bo_there)
    await runs(s)
    s.world.drop_mirror()
    await runs(s)
    assert ([row["family"] for row in here(s)], [row["family"] for row in there(s)]) == (
        ["Bo"],
        ["Ek"],
    )
    assert sorted(s.world.exceptions()) == ["deleted_in_books", "deleted_in_crm"]


@history(options=options(BOTH))
async def q17_edited_while_the_other_side_links_it_first(s: Scene) -> None:
    """The books' record is seen before its answer: an edit meanwhile still goes over."""
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    await s.dies("store.settle:before", 1, leased=False)
    s.world.in_crm("edit_contact", contact=ann, mobile="070-1")
    for _ in range(3):
        await s.run(1)
    await runs(s, 3)
    assert [row["mobile"] for row in (*here(s), *there(s))] == ["070-1", "070-1"]
    s.none_open()


@history(options=options(BOTH))
async def q18_known_over_there_before_the_create_was_sent(s: Scene) -> None:
    """Planned, then the same person comes up in the books: the two are one, nothing is made."""
    await linked(s)
    in_crm(s, "Ek", "ann@kund.example")
    await s.dies("store.pick_ready:before", 1, leased=False)
    in_book(s, "Ek", "ann@kund.example", phone="08-1")
    await runs(s)
    assert [row["phone"] for row in (*here(s), *there(s))] == ["08-1", "08-1"]
    assert s.sent(path="/contacts") == 0
    s.none_open()


@history(options=options(BOTH))
async def q19_made_on_both_sides_at_one_time(s: Scene) -> None:
    """Nobody could know of the other's; that there are two is said, and ends when one goes."""
    await linked(s)
    in_crm(s, "Ek", "ann@kund.example")
    await s.dies("store.settle:after", 1, leased=False)
    twin = in_book(s, "Ek", "ann@kund.example")
    await runs(s)
    assert len(there(s)) == 2
    assert set(s.world.exceptions()) == {"contact_address_twice"}
    s.world.in_book("delete_contact", contact=twin)
    await runs(s)
    assert (len(there(s)), s.world.exceptions()) == (1, [])


@history(options=options(BOTH))
async def q20_linked_by_another_run_while_the_create_is_about_to_go(s: Scene) -> None:
    """Claimed, not sent yet, and another run takes who came up in the books for the same one."""
    await linked(s)
    in_crm(s, "Ek", "ann@kund.example")

    def pace(name: str, when: str) -> float:
        return 40.0 if name == "store.mark_started" and when == "after" else 0.0

    slow = s.run_beside(0, pace=pace)
    await s.world.wait(10)
    twin = in_book(s, "Ek", "ann@kund.example")
    await s.world.wait(10)
    await s.run(1)
    await slow
    await runs(s, 3)
    assert (len(there(s)), s.sent(path="/contacts")) == (2, 1)
    assert set(s.world.exceptions()) == {"contact_address_twice"}
    s.world.in_book("delete_contact", contact=twin)
    await runs(s, 3)
    assert (len(there(s)), s.world.exceptions()) == (1, [])


@history(options=options(BOTH))
async def q21_lost_before_it_was_made_and_another_took_its_place(s: Scene) -> None:
    """The look finds a person whom the books made with that address: as theirs, not as ours."""
    await linked(s)
    in_crm(s, "Ek", "ann@kund.example", title="CEO")
    s.world.fault("drop_before", "POST", "/contacts")
    await s.run(0)
    in_book(s, "Eklund", "ann@kund.example", title="CFO")
    await runs(s, 3)
    assert len(there(s)) == 1
    for name in ("family", "title"):
        assert here(s)[0][name] == there(s)[0][name]
    s.none_open()


@history(options=options(BOTH))
async def q22_what_is_held_in_one_direction_outlasts_a_write_in_the_other(s: Scene) -> None:
    """
    Without an address nothing of a person goes to the CRM. What was changed there goes to the
    books meanwhile; what the books changed still goes over when the address is back.
    """
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    await runs(s)
    s.world.in_book("edit_contact", contact=there(s)[0]["id"], email="", mobile="070-1")
    s.world.in_crm("edit_contact", contact=ann, email="ann.ek@kund.example")
    await runs(s, 3)
    for name, value in (("email", "ann.ek@kund.example"), ("mobile", "070-1")):
        assert here(s)[0][name] == there(s)[0][name] == value
    s.none_open()


@history(options=options(BOTH))
async def q23_moved_to_a_company_that_is_not_linked(s: Scene) -> None:
    """The half in the books stays where it is, and moves once that company has a customer."""
    await linked(s)
    home = customer(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    await runs(s)
    s.company = s.world.make_company(2)
    s.world.in_crm("edit_contact", contact=ann, company=s.company, title="CFO")
    await runs(s)
    assert [(one["customer"], one["title"]) for one in there(s)] == [(home, "")]
    assert outcomes(s)[ann] == ("wait", "customer_not_linked")
    check(s.world, set())
    await linked(s)
    await runs(s)
    assert [(one["customer"], one["title"]) for one in there(s)] == [(customer(s), "CFO")]
    s.none_open()


@history(options=options(BOTH))
async def q24_what_the_books_changed_while_the_address_was_none(s: Scene) -> None:
    """Once the address is one again, the rest of what was edited meanwhile goes over, too."""
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example")
    await runs(s)
    (row,) = there(s)
    s.world.in_book("edit_contact", contact=row["id"], email="p at kund")
    s.world.in_book("edit_contact", contact=row["id"], mobile="070-84")
    await runs(s)
    s.world.in_crm("edit_contact", contact=ann, email="p0@kund.example")
    await runs(s, 3)
    assert [one["email"] for one in there(s)] == ["p0@kund.example"]
    assert [one["mobile"] for one in here(s)] == ["070-84"]
    s.none_open()
