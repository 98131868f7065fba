"""What people do to persons on both sides by chance, and what must hold of them at rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random

from invariants import Violation
from tieout.core.contacts import is_address, normal_address
from tieout_sandbox.kit.simulator import ActionError
from world import Row, World

NAME_LENGTH = 30
_ADDRESSES = tuple(f"p{number}@kund.example" for number in range(5))
_FIELDS = ("given", "family", "phone", "mobile", "title")
_ACTS = (
    *("new here", "new here", "new there", "new there", "edit here", "edit here", "edit there"),
    *("edit there", "address", "address", "move", "inactive", "delete", "join", "no address"),
)


class Persons:
    """The deeds of one history."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random: Random = world.random

    def begin(self, companies: Sequence[str]) -> None:
        """Some whom the CRM knows already."""
        for _ in range(self.random.randint(1, 3)):
            self._new(True, companies, ())

    def act(self, companies: Sequence[str]) -> None:
        """A few things, by chance, to one or the other."""
        for _ in range(self.random.randint(1, 4)):
            try:
                self._one(companies)
            except ActionError as error:
                self.world.note(f"not possible: {error}")

    def _one(self, companies: Sequence[str]) -> None:
        chance, world = self.random, self.world
        kind = chance.choice(_ACTS)
        here = [row["id"] for row in world.crm.rows.live("contacts")]
        there = [row["id"] for row in world.book.ledger.live("contacts")]
        customers = [row["id"] for row in world.book.ledger.live("customers")]
        in_crm = chance.random() < 0.5
        mine = here if in_crm else there
        if kind.startswith("new"):
            self._new(kind == "new here" or not customers, companies, customers)
        elif kind in ("edit here", "edit there"):
            in_crm = kind == "edit here"
            if here if in_crm else there:
                name = chance.choice(("phone", "mobile", "title"))
                self._edit(in_crm, here, there, **{name: f"{name}-{chance.randrange(100)}"})
        elif kind == "join" and len(here) > 1:
            loser, winner = chance.sample(here, 2)
            world.in_crm("merge_contacts", loser=loser, winner=winner)
        elif not mine:
            return
        elif kind == "address":
            self._edit(in_crm, here, there, email=chance.choice(_ADDRESSES))
        elif kind == "no address":
            self._edit(in_crm, here, there, email=chance.choice(("", "p at kund")))
        elif kind == "inactive":
            self._edit(in_crm, here, there, active=chance.random() < 0.5)
        elif kind == "move":
            where = companies if in_crm else customers
            name = "company" if in_crm else "customer"
            self._edit(in_crm, here, there, **{name: chance.choice(where)})
        elif kind == "delete":
            act: Callable[..., object] = world.in_crm if in_crm else world.in_book
            act("delete_contact", contact=chance.choice(mine))
        world.happened[f"persons: {kind}"] += 1

    def _new(self, here: bool, companies: Sequence[str], customers: Sequence[str]) -> None:
        chance, world = self.random, self.world
        email = chance.choice(_ADDRESSES)
        values = {"given": "P", "family": f"{email[:2]} {'x' * chance.choice((1, 40))}"}
        if here:
            where = chance.choice(companies)
            email = email.upper() if chance.random() < 0.2 else email
            world.in_crm("create_contact", company=where, email=email, **values)
        else:
            values["family"] = values["family"][:NAME_LENGTH]
            where = chance.choice(customers)
            world.in_book("create_contact", customer=where, email=email, **values)

    def _edit(self, in_crm: bool, here: list[str], there: list[str], **values: object) -> None:
        act: Callable[..., object] = self.world.in_crm if in_crm else self.world.in_book
        act("edit_contact", contact=self.random.choice(here if in_crm else there), **values)


def check(world: World, held: set[str]) -> None:
    """
    27: of each linked customer every active person with an address is on both sides once, and both
    show the same. ``held`` are persons about whom somebody was asked. Once linked the link counts:
    pairs whose customers were joined later stay as many, address or not (decision 37).
    """
    held = held | _partners(world, held)
    halves = _halves(world)
    waiting = _of_second_customers(world)
    families = _families(world)
    held = held | _moved_where_no_customer_is(world, halves, families)
    for companies, customers in families:
        here = _by_address(world.crm.rows.live("contacts"), "company", companies)
        there = _by_address(world.book.ledger.live("contacts"), "customer", customers)
        for address in sorted({*here, *there}):
            mine, theirs = here.get(address, []), there.get(address, [])
            rows = [*mine, *theirs]
            # Who is out of use on one side is neither made on the other nor brought back by it.
            if held & {row["id"] for row in rows} or not all(row["active"] for row in rows):
                continue
            if any(halves[row["id"]] & waiting for row in mine):
                continue
            pairs = [(a, b) for a in mine for b in theirs if b["id"] in halves[a["id"]]]
            joined = len(companies) + len(customers) > 2
            if joined and len(mine) == len(theirs) and _one_to_one(pairs, len(mine)):
                for one, two in pairs:
                    _same(one, two)
                continue
            if (len(mine), len(theirs)) != (1, 1):
                ids = [row["id"] for row in rows]
                raise Violation(f"27: {address} of {sorted(companies)} is {ids}")
            _same(mine[0], theirs[0])


def _moved_where_no_customer_is(
    world: World, halves: dict[str, set[str]], families: Sequence[tuple[set[str], set[str]]]
) -> set[str]:
    """
    Persons of the books whose half in the CRM was moved to a company that has no customer there:
    they stay with the former one until it has.
    """
    linked = {company for companies, _ in families for company in companies}
    moved = {row["id"] for row in world.crm.rows.live("contacts") if row["company"] not in linked}
    there = {row["id"] for row in world.book.ledger.live("contacts")}
    return {half for one in moved for half in halves[one]} & there


def _of_second_customers(world: World) -> set[str]:
    """
    Persons in the books of a customer that is the second one of an account: whoever was moved there
    waits until somebody makes one of the two, which an open exception asks for.
    """
    second = {
        row[0]
        for row in world.rows(
            "SELECT r.id FROM ref r JOIN exception_case e ON e.workspace = r.workspace"
            " AND e.code = 'accounts_merged' AND e.closed_at IS NULL"
            " AND strpos(e.message, r.id) > 0 WHERE r.workspace = %(ws)s"
            " AND r.entity = 'customer' AND r.role = 'copy'"
        )
    }
    return {row["id"] for row in world.book.ledger.live("contacts") if row["customer"] in second}


def _one_to_one(pairs: Sequence[tuple[Row, Row]], count: int) -> bool:
    """Whether so many persons of each side have one half each, no two the same."""
    left, right = ({pair[side]["id"] for pair in pairs} for side in (0, 1))
    return len(pairs) == len(left) == len(right) == count


def _partners(world: World, held: set[str]) -> set[str]:
    """The other halves of these persons."""
    halves = _halves(world)
    return {half for one in held for half in halves[one]}


def _halves(world: World) -> dict[str, set[str]]:
    """Whom each person is linked with, by either side's place."""
    found: dict[str, set[str]] = defaultdict(set)
    for one, other in world.rows(
        "SELECT s.source_id, r.id FROM slot s JOIN ref r ON r.workspace = s.workspace"
        " AND r.key13 = s.key13 AND r.role = 'current' WHERE s.workspace = %(ws)s"
        " AND s.kind IN ('N', 'M')"
    ):
        found[one].add(other)
        found[other].add(one)
    return found


def _same(mine: Row, theirs: Row) -> None:
    for name in _FIELDS:
        one, other = mine[name] or "", theirs[name] or ""
        if name in ("given", "family"):
            one = one[:NAME_LENGTH]
        if one != other:
            raise Violation(f"27: {mine['id']}: {name} is {one} here, {other} in the books")


def _by_address(rows: object, owner: str, owners: set[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:  # type: ignore[attr-defined]
        address = normal_address(row["email"] or "")
        if row[owner] in owners and is_address(address):
            found.setdefault(address, []).append(row)
    return found


def _families(world: World) -> list[tuple[set[str], set[str]]]:
    """The companies and customers of each slot that has a customer in the books now."""
    rows = world.rows(
        "SELECT coalesce(s.alias_of, s.key13), s.source_id, r.id, r.role FROM slot s"
        " LEFT JOIN ref r ON r.workspace = s.workspace AND r.key13 = s.key13"
        " AND r.entity = 'customer' AND r.connection = %(book)s"
        " AND r.role IN ('current', 'former') WHERE s.workspace = %(ws)s AND s.kind = 'C'"
        " ORDER BY 1, 2, 3",
        book=world.names.book,
    )
    found: dict[str, tuple[set[str], set[str]]] = {}
    linked = {row[0] for row in rows if row[3] == "current"}
    for root, source, customer, _ in rows:
        if root in linked:
            companies, customers = found.setdefault(root, (set(), set()))
            companies.add(source)
            if customer is not None:
                customers.add(customer)
    return list(found.values())
