"""What people do to codes of the books and to lists of the CRM, and what must hold at rest."""

from __future__ import annotations

from random import Random
from typing import Any

from invariants import Violation
from tieout.core.policy import ValueRule
from tieout_sandbox.kit.simulator import ActionError
from world import World

TERMS = "Terms"
_OURS = tuple(f"T{number}" for number in range(4))
_MINE = tuple(f"P{number}" for number in range(4))
_ACTS = (
    *("code", "code", "code", "rename", "off", "on", "end", "put", "put", "put", "relabel"),
    *("close", "open", "put ours", "close ours", "relabel ours", "remove ours", "remove"),
)


class Offered:
    """The deeds of one history."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random: Random = world.random

    def begin(self) -> None:
        """Lists that an administrator made, with values of the company's own in them."""
        for rule in self.world.value_rules():
            self.world.in_crm("create_list", name=rule.target, values=["Cash"])
            self.world.put[rule.target, "Cash"] = {"label": "Cash", "active": True}

    def act(self) -> None:
        """A few things, by chance."""
        for _ in range(self.random.randint(1, 3)):
            try:
                self._one(self.random.choice(_ACTS))
            except ActionError as error:
                self.world.note(f"not possible: {error}")

    def _one(self, kind: str) -> None:
        chance, world = self.random, self.world
        ours, mine = chance.choice(_OURS), chance.choice(_MINE)
        there = {row["code"] for row in world.book.ledger.codes if row["kind"] == "terms"}
        match kind:
            case "code":
                world.in_book("edit_code", kind="terms", code=ours, active=True)
            case "rename" if ours in there:
                name = f"Terms {chance.randrange(100)}"
                world.in_book("edit_code", kind="terms", code=ours, name=name)
            case "off" | "on" if ours in there:
                world.in_book("edit_code", kind="terms", code=ours, active=kind == "on")
            case "end":
                world.in_book("delete_code", kind="terms", code=ours)
            case "put":
                self._put(mine, active=True)
            case "relabel":
                self._put(mine, label=f"{mine} {chance.randrange(100)}")
            case "close" | "open":
                self._put(mine, active=kind == "open")
            case "put ours" | "close ours" | "relabel ours":
                values = {"close ours": {"active": False}, "relabel ours": {"label": "Mine"}}
                world.in_crm("edit_value", list=TERMS, code=ours, **values.get(kind, {}))
            case "remove ours" | "remove":
                code = ours if kind == "remove ours" else mine
                world.in_crm("remove_value", list=TERMS, code=code)
                world.put.pop((TERMS, code), None)
            case _:
                return
        world.happened[f"lists: {kind}"] += 1

    def _put(self, code: str, **values: Any) -> None:
        """A value that is no code of any books."""
        self.world.in_crm("edit_value", list=TERMS, code=code, **values)
        before = self.world.put.get((TERMS, code), {"label": code, "active": True})
        self.world.put[TERMS, code] = {**before, **values}


def last_edits(world: World) -> None:
    """A code is new, one renamed, one gone; a person puts a value in, and changes one of ours."""
    chance = world.random
    world.in_book("edit_code", kind="terms", code="LAST", name="The last one")
    world.in_book("edit_code", kind="terms", code="N30", name=f"Thirty {chance.randrange(100)}")
    world.in_book("delete_code", kind="terms", code="N60")
    world.ended.add("N60")
    world.in_crm("edit_value", list=TERMS, code="MINE", label="Put in last")
    world.put[TERMS, "MINE"] = {"label": "Put in last", "active": True}
    kind = chance.choice(("close", "relabel", "remove"))
    if kind == "remove":
        world.in_crm("remove_value", list=TERMS, code="N10")
    else:
        change = {"active": False} if kind == "close" else {"label": "Ten"}
        world.in_crm("edit_value", list=TERMS, code="N10", **change)
    world.happened[f"last edits of lists: {kind}"] += 1


def check(world: World, held: set[str]) -> None:
    """
    29: each usable code is in its list once, in use and by its name; one that may not be used is
    not; and what a person put there is as it was left. ``held`` are kinds about which somebody is
    asked.
    """
    for rule in world.value_rules():
        values = world.crm.rows.lists[rule.target]["values"]
        codes = [one["code"] for one in values]
        twice = sorted(code for code in set(codes) if codes.count(code) > 1)
        if twice:
            raise Violation(f"29: {twice} stand twice in {rule.target}")
        by_code = {one["code"]: one for one in values}
        for (target, code), left in world.put.items():
            shown = by_code.get(code) if target == rule.target else left
            if shown is None or {name: shown[name] for name in left} != left:
                raise Violation(f"29: a person left {code} of {target} as {left}, it is {shown}")
        if rule.kind not in held:
            _codes(world, rule, by_code)


def _codes(world: World, rule: ValueRule, by_code: dict[str, Any]) -> None:
    there = {row["code"]: row for row in world.book.ledger.codes if row["kind"] == rule.kind}
    for code, row in there.items():
        shown = by_code.get(code)
        usable = row.get("active", True)
        name = (
            row["name"] if row["name"] == code or rule.label == "name" else f"{code} {row['name']}"
        )
        if usable and (shown is None or not shown["active"] or shown["label"] != name):
            raise Violation(f"29: {code} ({name}) of the books is {shown} in {rule.target}")
        if not usable and shown is not None and shown["active"]:
            raise Violation(f"29: {code} may not be used and is in use in {rule.target}")
    for code in world.ended - there.keys() if rule.kind == "terms" else ():
        if by_code.get(code, {}).get("active"):
            raise Violation(f"29: {code} is gone from the books and in use in {rule.target}")
