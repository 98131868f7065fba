"""What persons do in both systems, what goes wrong on the wire, and clocks that are set wrong."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from offered import Offered
from persons import Persons
from tieout.core.policy import FlowMode
from tieout_sandbox.kit.simulator import ActionError
from world import World

LAG_S = 45
MOST_DEALS = 6
JUMPS_S = (-7200, -1700, -600, 600, 1700, 3000, 3500, 7200)
BOOK_ONLY = ("search_lag", "key_expiry")
PRICE_ACTS = ("listed", "listed", "ending", "beginning", "unlisted", "overlisted")
CRM_ACTS = (
    *("win", "win", "win", "reopen", "reopen", "lose", "edit", "edit", "edit", "clone", "new"),
    *("late_commit", "stale_replica", "merge_companies", "delete", "edit_company"),
)
BOOK_ACTS = (
    *("book", "book", "edit_draft", "edit_draft", "delete_draft", "copy_draft", "add_row"),
    *("overwrite_carrier", "renumber", "credit", "void", "pay", "return", "merge", "own"),
)


ORDER_ACTS = (*BOOK_ACTS, "ship", "part", "rest", "cancel")


class Cast:
    """The persons of one history, and what they have made so far."""

    def __init__(self, world: World, *, knows_key_life: bool) -> None:
        self.world = world
        self.random: Random = world.random
        self.knows_key_life = knows_key_life
        self.companies: list[str] = []
        self.deals: list[str] = []
        self.persons = Persons(world)
        self.offered = Offered(world)
        self._touched: dict[str, float] = {}

    def begin(self) -> None:
        """Companies, and deals that are mostly won."""
        chance, world = self.random, self.world
        self.companies = [world.make_company(n + 1) for n in range(chance.choice((1, 1, 2)))]
        for _ in range(chance.randint(1, 3)):
            state = "won" if chance.random() < 0.8 else "open"
            company = chance.choice(self.companies)
            price = Decimal(chance.choice((1000, 1000, 1500, 2000)))
            self.deals.append(world.make_deal(company, price, state=state))
        if world.contacts.both:
            self.persons.begin(self.companies)
        self.offered.begin()

    def act(self) -> None:
        """Something, by chance; what is not possible is noted and left."""
        kind = self.random.random()
        try:
            share = 0.5 if self.world.prices else 0.2
            if self.world.shown is not FlowMode.OFF and self.random.random() < share:
                self.in_catalogue()
            elif self.world.customers.both and self.random.random() < 0.2:
                self.on_customers()
            elif self.world.contacts.both and self.random.random() < 0.5:
                self.persons.act(self.companies)
            elif self.world.value_rules() and self.random.random() < 0.35:
                self.offered.act()
            elif kind < 0.22:
                self.fault()
            elif kind < 0.28:
                self.jump(self.random.randrange(2))
            elif kind < 0.6:
                self.in_crm(self.random.choice(CRM_ACTS))
            else:
                acts = ORDER_ACTS if self.world.variant.orders else BOOK_ACTS
                self.in_book(self.random.choice(acts))
        except ActionError as error:
            self.world.note(f"not possible: {error}")

    def on_customers(self) -> None:
        """Addresses of the same customers, edited on either side."""
        chance, world = self.random, self.world
        name = chance.choice(("email", "phone"))
        value = f"{name}-{chance.randrange(1000)}@kund.example"
        rows = [row["id"] for row in world.book.ledger.live("customers")]
        if rows and chance.random() < 0.5:
            world.in_book("edit_customer", customer=chance.choice(rows), **{name: value})
        else:
            world.in_crm("edit_company", company=chance.choice(self.companies), **{name: value})
        world.happened["customers edited"] += 1

    def in_catalogue(self) -> None:
        """Items that come, change and go; and products that somebody writes over in the CRM."""
        chance, world = self.random, self.world
        numbers = sorted(row["number"] for row in world.book.ledger.live("items"))
        kinds = ("new", "price", "price", "name", "number", "off", "on", "overwrite")
        kind = chance.choice(kinds + PRICE_ACTS if world.prices else kinds)
        price = Decimal(chance.choice((100, 250, 999)))
        number = chance.choice(numbers)
        match kind:
            case "new":
                code = f"N{len(numbers)}"
                world.in_book("create_item", number=code, name=f"Item {code}", price=price)
            case "price":
                world.in_book("edit_item", number=number, price=price)
            case "name":
                world.in_book("edit_item", number=number, name=f"{number} {price}")
            case "number":
                if number.startswith("N"):
                    world.in_book("edit_item", number=number, new_number=f"{number}X")
            case "off" | "on":
                if number.startswith("N"):
                    world.in_book("edit_item", number=number, active=kind == "on")
            case "listed" | "ending" | "beginning" | "unlisted" | "overlisted":
                self.on_price_lists(kind, number, price)
            case _:
                rows = [row for row in world.crm.rows.live("products") if row.get("key")]
                if rows:
                    row = chance.choice(rows)
                    world.crm.rows.edit(row, {"price": Decimal(1)})
                    world.note(f"crm product {row['number']} is written over")
        world.happened[f"catalogue: {kind}"] += 1

    def on_price_lists(self, kind: str, number: str, price: Decimal) -> None:
        """Prices that come, end, begin and go in a list; and one that a seller writes over."""
        chance, world = self.random, self.world
        where = {
            "number": number,
            "list": chance.choice(("WHOLESALE", "EXPORT")),
            "currency": chance.choice(("SEK", "EUR")),
        }
        day = world.today()
        if kind in ("listed", "ending", "beginning"):
            limit = {
                "ending": {"valid_to": day.isoformat()},
                "beginning": {"valid_from": (day + timedelta(days=1)).isoformat()},
            }
            world.in_book("set_price", **where, amount=price, **limit.get(kind, {}))
        elif kind == "unlisted":
            rows = [row["id"] for row in world.book.ledger.live("prices")]
            if rows and world.variant.tombstones:
                world.in_book("delete_price", price=chance.choice(rows))
        else:
            rows = [row for row in world.crm.rows.live("products") if row.get("prices")]
            if rows:
                row = chance.choice(rows)
                changed = [{**one, "amount": Decimal(2)} for one in row["prices"]]
                world.crm.rows.edit(row, {"prices": changed})
                world.note(f"crm prices of {row['number']} are written over")

    # --- what goes wrong ---

    def jump(self, machine: int, seconds: float | None = None) -> None:
        """The wall clock of a machine is set; its steady clock goes on."""
        by = self.random.choice(JUMPS_S) if seconds is None else seconds
        self.world.machines[machine].wall.jump(by)
        hours = abs(by) >= 3600
        self.world.happened[f"clock jumps, {'hours' if hours else 'minutes'}"] += 1
        self.world.note(f"the clock of machine {machine} jumps {by} s")

    def set_right(self, machine: int) -> None:
        """A person sets that clock right, as the brake asks."""
        wall = self.world.machines[machine].wall
        off = (self.world.clock.now() - wall.now()).total_seconds()
        if abs(off) > 1:
            wall.jump(off)
            self.world.note(f"the clock of machine {machine} is set right")

    def fault(self) -> None:
        """Some call will fail in some way."""
        chance, world = self.random, self.world
        method = chance.choice(("POST", "POST", "POST", "PATCH", "DELETE", "*", "GET"))
        kinds = ["drop_before", "drop_after_commit", "commit_late", "commit_late", "garbage"]
        kinds += ["truncated", "rate_limited", "status", "drop_after_commit", "slow"]
        if world.variant.batch > 1:
            kinds += ["batch_cut", "batch_cut"]
        if world.variant.search_lag_s:
            kinds += ["search_lag"]
        if world.variant.guard == "a" and not self.knows_key_life:
            kinds += ["key_expiry"]
        kind = chance.choice(kinds)
        if method == "GET" and kind in ("commit_late", "batch_cut", "key_expiry"):
            kind = "drop_before"
        target = world.crm if chance.random() < 0.15 and kind not in BOOK_ONLY else world.book
        self.order(target, kind, method, "*", times=chance.choice((1, 1, 2)))

    def order(
        self, target: Any, kind: str, method: str, path: str, *, times: int = 1, **more: Any
    ) -> None:
        """A fault of that kind, with what else it needs by chance."""
        chance = self.random
        order: dict[str, Any] = {"kind": kind, "method": method, "path": path, "times": times}
        if kind == "commit_late":
            order["seconds"] = chance.randint(3, 190)
        elif kind == "slow":
            order["seconds"] = chance.randint(1, 15)
        elif kind == "search_lag":
            order["seconds"] = chance.randint(5, LAG_S)
        elif kind == "rate_limited":
            order["seconds"] = chance.randint(1, 40)
        elif kind == "status":
            order["status"] = chance.choice((500, 502, 503))
        elif kind == "batch_cut":
            order["items"] = chance.randint(0, 2)
        order.update(more)
        target.faults.add(order)
        self.world.note(f"fault at {target.name}: {order}")

    # --- in the CRM ---

    def in_crm(self, act: str, deal: str = "") -> str:
        """A person does this in the CRM; the deal that it concerns."""
        chance, world = self.random, self.world
        deal = deal or chance.choice(self.deals)
        price = Decimal(chance.choice((1000, 1200, 1500, 2000, 2500)))
        if act in ("win", "reopen", "lose", "edit"):
            self._touched[deal] = world.simulation.loop.time()
        world.happened[f"crm: {act}"] += 1
        match act:
            case "edit":
                world.in_crm("edit", deal=deal, price=price)
            case "edit_company":
                company = chance.choice(self.companies)
                world.in_crm("edit_company", company=company, name=f"Renamed {int(price)} AB")
            case "clone":
                if len(self.deals) < MOST_DEALS:
                    self.deals.append(str(world.in_crm("clone", deal=deal)["id"]))
            case "new":
                if len(self.deals) < MOST_DEALS:
                    deal = world.make_deal(chance.choice(self.companies), price)
                    self.deals.append(deal)
                    world.note(f"new deal {deal}")
            case "late_commit":
                state = chance.choice(("won", "won", "open"))
                seconds = chance.randint(5, 80)
                world.in_crm("late_commit", deal=deal, seconds=seconds, state=state, price=price)
            case "stale_replica":
                self._stale_replica(chance.randint(5, 80))
            case "merge_companies":
                if len(self.companies) > 1 and chance.random() < 0.5:
                    loser, winner = chance.sample(self.companies, 2)
                    world.in_crm("merge_companies", loser=loser, winner=winner)
                    self.companies.remove(loser)
            case "delete":
                if len(self.deals) > 1 and chance.random() < 0.4:
                    world.in_crm("delete", deal=deal)
                    self.deals.remove(deal)
            case _:
                world.in_crm(act, deal=deal)
        return deal

    def _stale_replica(self, lag_s: int) -> None:
        """Readers see deals as they were so long ago: what changed since then is not there yet."""
        now = self.world.simulation.loop.time()
        for deal, at in list(self._touched.items()):
            left = lag_s - (now - at)
            if left > 0 and deal in self.deals:
                self.world.in_crm("stale_replica", deal=deal, seconds=round(left))

    # --- in the books ---

    def in_book(self, act: str, draft: str = "") -> None:
        """A person does this in the books, mostly with what was just made."""
        chance, world = self.random, self.world
        live = [row for row in world.documents() if not row["_deleted"]]
        drafts = [row["id"] for row in live if row["status"] == "draft"]
        booked = [row["id"] for row in live if row["status"] == "booked"]
        price = Decimal(chance.choice((900, 1100, 1300)))
        if drafts:
            draft = draft or self._fresh(drafts)
        world.happened[f"book: {act}"] += 1
        match act:
            case "ship" | "part" | "rest" | "cancel":
                self._orders(act)
            case "book" if drafts:
                world.in_book("book", draft=draft)
            case "edit_draft" if drafts:
                if not self._overwritten(draft):
                    world.in_book("edit_draft", draft=draft, price=price)
            case "add_row" if drafts:
                if not self._overwritten(draft):
                    row = {"item": "SUP", "quantity": 1, "unit_price": Decimal(10)}
                    world.in_book("edit_draft", draft=draft, add_row=row)
            case "delete_draft" if drafts:
                world.in_book("delete_draft", draft=draft)
            case "copy_draft" if drafts:
                world.in_book("copy_draft", draft=draft)
            case "overwrite_carrier" if drafts:
                if draft not in world.edited and chance.random() < 0.5:
                    world.in_book("overwrite_carrier", id=draft, text="see the order")
            case "renumber" if live:
                number = str(chance.randint(700_000, 700_009))
                every = [row["id"] for row in live]
                world.in_book("renumber", id=self._fresh(every), number=number)
            case "credit" if booked:
                world.in_book("credit", invoice=chance.choice(booked))
            case "void" if booked:
                world.in_book("void", invoice=chance.choice(booked))
            case "pay" if booked:
                world.in_book("pay", invoice=chance.choice(booked))
            case "return":
                payments = [
                    row["id"]
                    for row in world.book.ledger.live("payments")
                    if row["amount"] > 0 and not row["returned"]
                ]
                if payments:
                    world.in_book("return_payment", payment=chance.choice(payments))
            case "merge" | "own":
                self._customers(act, price)
            case _:
                world.happened[f"book: {act}"] -= 1

    def _orders(self, act: str) -> None:
        chance, world = self.random, self.world
        orders = [
            row
            for row in world.live()
            if row["type"] == "order" and row["status"] in ("draft", "shipped")
        ]
        if not orders:
            return
        order = orders[-1] if chance.random() < 0.6 else chance.choice(orders)
        match act:
            case "ship":
                world.in_book("ship_order", order=order["id"])
            case "part":
                world.in_book("invoice_order", order=order["id"], amount=Decimal(100))
            case "rest":
                world.in_book("invoice_order", order=order["id"])
            case _:
                world.in_book("cancel_order", order=order["id"])

    def _customers(self, act: str, price: Decimal) -> None:
        chance, world = self.random, self.world
        customers = [row["id"] for row in world.book.ledger.live("customers")]
        if act == "merge" and len(customers) > 1 and chance.random() < 0.5:
            loser, winner = chance.sample(customers, 2)
            world.in_book("merge_customers", loser=loser, winner=winner)
        elif act == "own" and customers and chance.random() < 0.5:
            line = {"item": "LIC", "quantity": 1, "unit_price": price}
            world.in_book(
                "create_invoice",
                customer=chance.choice(customers),
                lines=[line],
                booked=chance.random() < 0.5,
            )

    def _overwritten(self, draft: str) -> bool:
        row = self.world.book.ledger.tables["documents"][draft]
        return bool(row["_carrier"] == "see the order")

    def _fresh(self, ids: list[str]) -> str:
        """Mostly the newest: persons aim at what was just made."""
        return ids[-1] if self.random.random() < 0.6 else self.random.choice(ids)
