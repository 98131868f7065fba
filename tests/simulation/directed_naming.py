"""Directed histories of persons who say which customer, or which person, a lost write made."""

from __future__ import annotations

from directed_contacts import TO_BOOKS, customer, in_book, in_crm, linked, options, runs, there
from directed_matching import report, say
from scenes import Scene, history
from tieout.cli.commands.exceptions import show_lines
from tieout.services import exceptions
from tieout.services.usage import UsedWronglyError
from tieout.store.match_words import NEW
from tieout.store.matching import CUSTOMER


async def _doubt_of_two_persons(s: Scene) -> tuple[str, str, str]:
    """Two at the customer have the address of one whose create was lost: (person, ours, other)."""
    await linked(s)
    ann = in_crm(s, "Ek", "ann@kund.example", invoices=True)
    s.world.fault("drop_after_commit", path="/contacts")
    await s.run()
    (ours,) = [row["id"] for row in there(s)]
    other = in_book(s, "Ek", "ann@kund.example")
    await s.settle()
    assert s.world.exceptions(ann) == ["two_carriers"]
    assert await _shown(s, ann) == [ours, other]
    return ann, f"contact:{ours}", f"contact:{other}"


async def _shown(s: Scene, source: str) -> list[str]:
    """What `exceptions show` names as candidates; its next commands are the two answers."""
    engine, store, case = await s.asked(source, "two_carriers")
    found = await exceptions.detail(store, engine.bridge, engine.policy.crm, case)
    shown = [line for line in show_lines(found, s.world.clock.now()) if "Candidate" in line]
    assert len(shown) == len(found.candidates)
    return [one[0] for one in found.candidates]


def _role(s: Scene, ref: str) -> str:
    rows = s.world.rows(
        "SELECT role FROM ref WHERE workspace = %(ws)s AND entity = 'contact' AND id = %(id)s",
        id=ref.split(":")[-1],
    )
    return str(rows[0][0]) if rows else ""


@history(options=options(TO_BOOKS))
async def n01_a_person_says_which_of_two_persons_it_is(s: Scene) -> None:
    """The named one is followed from then on, the other left alone, and nobody made again."""
    ann, ours, other = await _doubt_of_two_persons(s)
    await s.answer(ann, "two_carriers", which=other)
    s.world.in_crm("edit_contact", contact=ann, phone="08-7")
    await runs(s)
    assert {row["id"]: row["phone"] or None for row in there(s)} == {
        ours.split(":")[-1]: None,
        other.split(":")[-1]: "08-7",
    }
    assert (_role(s, other), _role(s, ours)) == ("current", "")
    assert s.sent(path="/contacts") == 1
    s.none_open()


@history(options=options(TO_BOOKS))
async def n02_a_person_says_that_one_of_two_persons_is_not_it(s: Scene) -> None:
    """It is looked up once more, and the other one found."""
    ann, ours, other = await _doubt_of_two_persons(s)
    await s.answer(ann, "two_carriers", not_ours=(other,))
    await runs(s)
    assert (_role(s, ours), _role(s, other)) == ("current", "not_ours")
    assert s.sent(path="/contacts") == 1
    s.none_open()


@history(options=options(TO_BOOKS))
async def n03_neither_of_two_persons_is_it(s: Scene) -> None:
    """Nobody is made with an address that others have there: it is said, and ends with it."""
    ann, ours, other = await _doubt_of_two_persons(s)
    await s.answer(ann, "two_carriers", not_ours=(ours, other))
    await runs(s, 6)
    assert s.world.exceptions(ann) == ["contact_address_taken"]
    s.world.in_crm("edit_contact", contact=ann, email="ann.ek@kund.example")
    await runs(s)
    assert sorted(row["email"] for row in there(s)) == [
        *("ann.ek@kund.example", "ann@kund.example", "ann@kund.example"),
    ]
    s.none_open()


@history(options=options(TO_BOOKS))
async def n04_what_a_look_found_is_another_persons(s: Scene) -> None:
    """The address went to somebody else meanwhile: a person says so, and nobody is taken over."""
    await linked(s)
    bo = in_crm(s, "Bo", "bo@kund.example", invoices=True)
    await runs(s)
    (row,) = there(s)
    ann = in_crm(s, "Ek", "ann@kund.example", invoices=True)
    s.world.fault("drop_before", path="/contacts")
    await s.run()
    s.world.in_book("edit_contact", contact=row["id"], email="ann@kund.example")
    await s.settle()
    assert s.world.exceptions(ann) == ["two_carriers"]
    (message,) = s.world.rows(
        "SELECT message FROM exception_case WHERE workspace = %(ws)s AND code = 'two_carriers'"
    )
    assert "document" not in message[0]
    ref = f"contact:{row['id']}"
    for refused in ({"which": ref}, {"which": "nobody"}):
        try:
            await s.answer(ann, "two_carriers", **refused)
        except UsedWronglyError as error:
            s.errors.append(error.code)
    try:
        await s.dismisses(ann, "two_carriers")
    except UsedWronglyError as error:
        s.errors.append(error.code)
    assert s.errors == ["ref_taken", "no_such_record", "write_in_doubt"]
    await s.answer(ann, "two_carriers", not_ours=(ref,))
    await runs(s, 6)
    assert s.world.exceptions(ann) == ["contact_address_taken"]
    s.world.in_book("edit_contact", contact=row["id"], email="bo@kund.example")
    await runs(s)
    assert sorted(row["email"] for row in there(s)) == ["ann@kund.example", "bo@kund.example"]
    assert s.world.exceptions(bo) == []
    s.none_open()


async def _doubt_of_two_customers(s: Scene) -> tuple[str, str, str]:
    """A customer whose create was lost was copied with our key: (deal, ours, copy)."""
    s.world.fault("drop_after_commit", path="/customers")
    deal = s.deal()
    await s.run()
    (ours,) = s.world.book.ledger.live("customers")
    copy = s.world.in_book("create_customer", name=ours["name"])["id"]
    s.world.in_book("overwrite_carrier", id=copy, text=ours["_carrier"])
    await s.settle()
    assert s.world.exceptions(s.company) == ["two_carriers"]
    assert s.world.exceptions(deal) == ["customer_in_doubt"]
    assert s.world.live() == []
    assert await _shown(s, s.company) == [ours["id"], copy]
    return deal, ours["id"], copy


@history()
async def n05_a_person_says_which_of_two_customers_it_is(s: Scene) -> None:
    """The deal that waited goes on with the named one; no third customer is made."""
    _, ours, copy = await _doubt_of_two_customers(s)
    await s.answer(s.company, "two_carriers", which=copy)
    await s.settle()
    (row,) = s.world.live()
    assert row["customer"] == copy
    assert customer(s) == f"customer:{copy}" or customer(s) == copy
    assert s.sent(path="/customers") == 1
    s.none_open()
    # It is kept: what is read again later does not ask once more.
    s.world.in_book("edit_customer", customer=ours, name="Kopia AB")
    s.deal("1500.00")
    await s.settle()
    assert {row["customer"] for row in s.world.live()} == {copy}
    s.none_open()


@history()
async def n06_a_person_says_that_a_copied_customer_is_not_it(s: Scene) -> None:
    """It is looked up once more, and the other one found."""
    _, ours, copy = await _doubt_of_two_customers(s)
    await s.answer(s.company, "two_carriers", not_ours=(copy,))
    await s.settle()
    (row,) = s.world.live()
    assert row["customer"] == ours
    assert s.sent(path="/customers") == 1
    s.none_open()


@history()
async def n07_a_customer_is_copied_after_it_was_linked(s: Scene) -> None:
    """The copy is shown, and left out for good where a person says that it is not ours."""
    await s.linked()
    (ours,) = s.world.book.ledger.live("customers")
    copy = s.world.in_book("create_customer", name=ours["name"])["id"]
    s.world.in_book("overwrite_carrier", id=copy, text=ours["_carrier"])
    await s.settle()
    assert s.world.exceptions(s.company) == ["two_carriers"]
    await s.answer(s.company, "two_carriers", not_ours=(copy,))
    s.deal("1500.00")
    await s.settle()
    assert {row["customer"] for row in s.world.live()} == {ours["id"]}
    s.none_open()


@history()
async def n08_the_linked_document_is_said_not_to_be_it(s: Scene) -> None:
    """The copy is the deal's then; no third one is made beside the two."""
    deal, draft = await s.linked()
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["two_carriers"]
    await s.answer(deal, "two_carriers", not_ours=(s.ref(draft),))
    await s.settle()
    assert sorted(row["id"] for row in s.world.live()) == sorted([draft, copy])
    assert s.world.current() == [s.ref(copy)]
    assert s.sent() == 1
    s.none_open()


@history()
async def n09_the_linked_customer_is_said_not_to_be_it(s: Scene) -> None:
    """The copy is the account's then; no third one is made beside the two."""
    await s.linked()
    (ours,) = s.world.book.ledger.live("customers")
    copy = s.world.in_book("create_customer", name=ours["name"])["id"]
    s.world.in_book("overwrite_carrier", id=copy, text=ours["_carrier"])
    await s.settle()
    await s.answer(s.company, "two_carriers", not_ours=(ours["id"],))
    s.deal("1500.00")
    await s.settle()
    assert len(list(s.world.book.ledger.live("customers"))) == 2
    assert customer(s) == copy
    assert s.sent(path="/customers") == 1


@history()
async def n10_of_three_that_carry_the_key_the_linked_one_is_not_it(s: Scene) -> None:
    """Which of the others is, is for the person to say first."""
    deal, draft = await s.linked()
    copies = [s.world.in_book("copy_draft", draft=draft)["id"] for _ in range(2)]
    await s.world.wait(130)
    await s.settle()
    try:
        await s.answer(deal, "two_carriers", not_ours=(s.ref(draft),))
    except UsedWronglyError as error:
        s.errors.append(error.code)
    for none in ([draft, *copies], [draft]):
        try:
            await s.answer(deal, "two_carriers", not_ours=tuple(s.ref(one) for one in none))
        except UsedWronglyError as error:
            s.errors.append(error.code)
    assert s.errors == ["answer_unfit"] * 3
    await s.settle()
    assert len(s.world.live()) == 3
    await s.answer(deal, "two_carriers", which=s.ref(copies[1]))
    await s.settle()
    assert s.world.current() == [s.ref(copies[1])]
    assert (s.sent(), len(s.world.live())) == (1, 3)
    s.none_open()


async def _by_hand(s: Scene) -> str:
    """Somebody makes the customer in the books by hand; its id."""
    address = s.world.crm.rows.row("companies", s.company)["address"]
    return str(s.world.in_book("create_customer", name="Company 1 AB", address=address)["id"])


@history()
async def n11_made_by_hand_after_it_was_said_to_be_new(s: Scene) -> None:
    """The word is about those that were there: of one that came since, a person says it again."""
    first = await _by_hand(s)
    deal = s.deal()
    await s.settle()
    await s.answer(deal, "customer_maybe_known", new=True)
    second = await _by_hand(s)
    await s.settle()
    assert s.world.exceptions(deal) == ["customer_maybe_known"]
    assert s.sent(path="/customers") == 0
    _, _, case = await s.asked(deal, "customer_maybe_known")
    assert exceptions.candidate_ids(case) == [second]
    await s.answer(deal, "customer_maybe_known", new=True)
    await s.settle()
    assert s.sent(path="/customers") == 1
    assert customer(s) not in (first, second)
    s.none_open()


@history()
async def n12_made_by_hand_after_the_match_was_decided(s: Scene) -> None:
    """Said to be new when nobody needed it; made by hand since, and then a deal was won."""
    first = await _by_hand(s)
    await s.settle()
    await report(s)
    await say(s, NEW, s.company, first, CUSTOMER)
    second = await _by_hand(s)
    await s.world.wait(3600)
    await s.settle()
    deal = s.deal()
    await s.settle()
    assert s.world.exceptions(deal) == ["customer_maybe_known"]
    await s.answer(deal, "customer_maybe_known", which=second)
    await s.settle()
    assert customer(s) == second
    assert s.sent(path="/customers") == 0
    s.none_open()


@history()
async def n13_back_before_the_new_customer_was_made(s: Scene) -> None:
    """A deleted customer was said to become a new one, and is there again: none is made beside."""
    await s.linked()
    (ours,) = s.world.book.ledger.live("customers")
    s.world.book.ledger.remove("customers", ours)
    await s.world.wait(130)
    s.deal("1500.00")
    await s.settle()
    await s.answer(s.company, "customer_gone", new=True)
    ours["_deleted"] = False
    s.world.book.ledger.touch(ours)
    s.deal("1600.00")
    await s.settle()
    assert len(list(s.world.book.ledger.live("customers"))) == 1
    assert customer(s) == ours["id"]
    assert s.world.exceptions(s.company) == []


@history()
async def n14_two_accounts_that_were_said_to_be_new(s: Scene) -> None:
    """What is made for one of them is no question about the other."""
    first = await _by_hand(s)
    address = s.world.crm.rows.row("companies", s.company)["address"]
    given = {"name": "Company 1 AB", "address": address, "currency": "SEK"}
    other = s.world.in_crm("create_company", **given)["id"]
    await s.settle()
    await report(s)
    for one in (s.company, other):
        await say(s, NEW, one, first, CUSTOMER)
    s.deal()
    await s.settle()
    s.world.make_deal(other, "1500.00")
    await s.settle()
    assert s.sent(path="/customers") == 2
    s.none_open()


async def _template(s: Scene) -> tuple[str, str, str, str]:
    """
    Somebody made the customer of a second account from a copy of the first one's, with its key:
    (the first one's, the copy, the second account, its deal).
    """
    await s.linked()
    (ours,) = s.world.book.ledger.live("customers")
    given = {"name": "Company 2 AB", "address": ours["address"]}
    copy = s.world.in_book("create_customer", **given)["id"]
    s.world.in_book("overwrite_carrier", id=copy, text=ours["_carrier"])
    other = s.world.make_company(2)
    deal = s.world.make_deal(other, "1500.00")
    await s.settle()
    assert s.world.exceptions(s.company) == ["two_carriers"]
    assert s.world.exceptions(deal) == ["customer_maybe_known"]
    return ours["id"], copy, other, deal


def _linked(s: Scene) -> list[tuple[str, str]]:
    """Accounts with their customers in the books."""
    rows = s.world.rows(
        "SELECT s.source_id, r.id FROM ref r JOIN slot s ON s.workspace = r.workspace"
        " AND s.key13 = r.key13 AND s.kind = 'C' WHERE r.workspace = %(ws)s"
        " AND r.role = 'current' ORDER BY 1"
    )
    return [(row[0], row[1]) for row in rows]


@history()
async def n15_a_copied_customer_is_another_accounts(s: Scene) -> None:
    """It is linked to the account that it was said to be; the other one asks about it no more."""
    ours, copy, other, deal = await _template(s)
    await s.answer(deal, "customer_maybe_known", which=copy)
    await s.settle()
    await s.world.wait(130)
    await s.settle()
    assert _linked(s) == [(s.company, ours), (other, copy)]
    assert sorted(row["customer"] for row in s.world.live()) == sorted([ours, copy])
    s.none_open()


@history()
async def n16_a_copied_customer_is_another_accounts_after_the_first_was_named(s: Scene) -> None:
    """Which of two is the first one's says nothing against the other account."""
    ours, copy, other, deal = await _template(s)
    await s.answer(s.company, "two_carriers", which=ours)
    await s.settle()
    await s.answer(deal, "customer_maybe_known", which=copy)
    await s.settle()
    assert _linked(s) == [(s.company, ours), (other, copy)]
    s.none_open()
