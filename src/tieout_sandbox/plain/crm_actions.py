"""What persons, and the CRM itself, do past the API of the invented CRM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tieout_sandbox.kit import Action, ActionError
from tieout_sandbox.plain.crm_lists import Lists
from tieout_sandbox.plain.crm_rows import COMPANY_FIELDS, CONTACT_FIELDS, DEAL_FIELDS, CrmRows
from tieout_sandbox.plain.rows import RefusedError, Row

Arguments = Mapping[str, Any]
_DEAL = dict.fromkeys(DEAL_FIELDS, "value")
_CONTACT = dict.fromkeys(CONTACT_FIELDS, "value")
_EDIT: dict[str, str] = {**_DEAL, "price": "new price of the first line"}


class CrmActions:
    """The actions, each a function of its arguments; what is not possible is an ActionError."""

    def __init__(self, rows: CrmRows, merges_move_stamps: bool) -> None:
        self._rows = rows
        self._merges_move_stamps = merges_move_stamps

    def all(self) -> dict[str, Action]:
        """Every action by name."""
        company = dict.fromkeys(COMPANY_FIELDS, "value")
        return {
            "create_company": _action(self.create_company, **company),
            "create_product": _action(self.create_product, number="", name="", price=""),
            "create_deal": _action(self.create_deal, state="open, won, lost", **_DEAL),
            "win": _action(self.win, deal="its id"),
            "reopen": _action(self.reopen, deal="its id"),
            "lose": _action(self.lose, deal="its id"),
            "edit": _action(self.edit, deal="its id", **_EDIT),
            "edit_company": _action(self.edit_company, company="its id", **company),
            "clone": _action(self.clone, deal="its id"),
            "delete": _action(self.delete, deal="its id"),
            "delete_company": _action(self.delete_company, company="its id"),
            "merge_companies": _action(self.merge_companies, loser="its id", winner="its id"),
            "create_contact": _action(self.create_contact, **_CONTACT),
            "edit_contact": _action(self.edit_contact, contact="its id", **_CONTACT),
            "delete_contact": _action(self.delete_contact, contact="its id"),
            "merge_contacts": _action(self.merge_contacts, loser="its id", winner="its id"),
            "create_list": _action(self.create_list, name="its name", values="list of texts"),
            "edit_value": _action(
                self.edit_value,
                list="its name",
                code="a new one makes it",
                label="what people see",
                active="whether it is in use",
            ),
            "remove_value": _action(self.remove_value, list="its name", code="the value"),
            "late_commit": _action(
                self.late_commit,
                deal="its id",
                seconds="until others see the change, which is stamped now",
                new="true where nobody has seen the deal at all",
                state="open, won, lost",
                **_EDIT,
            ),
            "stale_replica": _action(
                self.stale_replica, deal="its id; all deals if left out", seconds="how long"
            ),
        }

    # Deals.

    def create_deal(self, given: Arguments) -> Row:
        row = self._rows.new_deal(dict(given))
        state = given.get("state", "open")
        if state != "open":
            self._rows.set_state(row, str(state))
        return {"id": row["id"], "number": row["number"]}

    def win(self, given: Arguments) -> Row:
        return self._move(given, "won")

    def reopen(self, given: Arguments) -> Row:
        return self._move(given, "open")

    def lose(self, given: Arguments) -> Row:
        return self._move(given, "lost")

    def _move(self, given: Arguments, state: str) -> Row:
        row = self._deal(given)
        self._rows.set_state(row, state)
        return {"id": row["id"], "state": state}

    def edit(self, given: Arguments) -> Row:
        row = self._deal(given)
        self._rows.edit(row, self._values(row, given))
        return {"id": row["id"]}

    def clone(self, given: Arguments) -> Row:
        deal = self._deal(given)
        row = self._rows.new_deal({name: deal[name] for name in DEAL_FIELDS if name in deal})
        # Cloning copies every field, also those in which we show what the books say.
        row["books"] = dict(deal["books"])
        return {"id": row["id"]}

    def delete(self, given: Arguments) -> Row:
        row = self._deal(given)
        self._rows.delete("deals", row)
        return {"id": row["id"]}

    def late_commit(self, given: Arguments) -> Row:
        row = self._deal(given)
        values = self._values(row, given)
        if "state" in given:
            values.update(self._rows.state_values(str(given["state"])))
        self._rows.edit(row, values)
        was = None if given.get("new") else row["_former"]
        self._rows.hide(row, given["seconds"], was, locked=True)
        return {"id": row["id"]}

    def stale_replica(self, given: Arguments) -> Row:
        rows = [self._deal(given)] if "deal" in given else list(self._rows.live("deals"))
        touched = [row for row in rows if row["_former"] is not None]
        for row in touched:
            self._rows.hide(row, given["seconds"], row["_former"], locked=False)
        return {"deals": [row["id"] for row in touched]}

    # Companies and products.

    def create_company(self, given: Arguments) -> Row:
        row = self._rows.new_company(dict(given))
        return {"id": row["id"]}

    def edit_company(self, given: Arguments) -> Row:
        row = self._rows.row("companies", str(given["company"]))
        self._rows.edit(row, {name: given[name] for name in COMPANY_FIELDS if name in given})
        return {"id": row["id"]}

    def delete_company(self, given: Arguments) -> Row:
        row = self._rows.row("companies", str(given["company"]))
        self._rows.delete("companies", row)
        return {"id": row["id"]}

    def merge_companies(self, given: Arguments) -> Row:
        loser = self._rows.row("companies", str(given["loser"]))
        winner = self._rows.row("companies", str(given["winner"]))
        if loser is winner:
            raise ActionError("a company cannot be merged with itself")
        self._rows.delete("companies", loser, merged_into=winner["id"])
        for row in (*self._rows.live("deals"), *self._rows.live("contacts")):
            if row["company"] != loser["id"]:
                continue
            if self._merges_move_stamps:
                self._rows.edit(row, {"company": winner["id"]})
            else:
                row["company"] = winner["id"]
        return {"id": winner["id"]}

    # Persons.

    def create_contact(self, given: Arguments) -> Row:
        row = self._rows.new_contact(dict(given))
        return {"id": row["id"]}

    def edit_contact(self, given: Arguments) -> Row:
        row = self._rows.row("contacts", str(given["contact"]))
        if "company" in given:
            self._rows.row("companies", str(given["company"]))
        self._rows.edit(row, {name: given[name] for name in CONTACT_FIELDS if name in given})
        return {"id": row["id"]}

    def delete_contact(self, given: Arguments) -> Row:
        row = self._rows.row("contacts", str(given["contact"]))
        self._rows.delete("contacts", row)
        return {"id": row["id"]}

    def merge_contacts(self, given: Arguments) -> Row:
        loser = self._rows.row("contacts", str(given["loser"]))
        winner = self._rows.row("contacts", str(given["winner"]))
        if loser is winner:
            raise ActionError("a person cannot be merged with itself")
        self._rows.delete("contacts", loser, merged_into=winner["id"])
        self._rows.edit(winner, {})
        return {"id": winner["id"]}

    def create_product(self, given: Arguments) -> Row:
        row = self._rows.new_product(dict(given))
        return {"id": row["id"]}

    # Lists of values.

    def create_list(self, given: Arguments) -> Row:
        row = Lists(self._rows.lists).create(str(given["name"]), list(given.get("values") or ()))
        return {"id": row["id"]}

    def edit_value(self, given: Arguments) -> Row:
        code = str(given["code"])
        Lists(self._rows.lists).edit(str(given["list"]), code, dict(given))
        return {"code": code}

    def remove_value(self, given: Arguments) -> Row:
        Lists(self._rows.lists).remove(str(given["list"]), str(given["code"]))
        return {"code": given["code"]}

    # Inside.

    def _deal(self, given: Arguments) -> Row:
        return self._rows.row("deals", str(given["deal"]))

    def _values(self, row: Row, given: Arguments) -> Row:
        values: Row = {name: given[name] for name in DEAL_FIELDS if name in given}
        lines: list[Row] = values.get("lines") or row["lines"]
        if "price" in given:
            lines = [{**lines[0], "unit_price": given["price"]}, *lines[1:]]
        if lines is not row["lines"]:
            values["lines"] = self._rows.lines(row["id"], lines)
        return values


def _action(run: Callable[[Arguments], Any], **arguments: str) -> Action:
    def guarded(given: Arguments) -> Any:
        try:
            return run(given)
        except RefusedError as error:
            raise ActionError(str(error)) from error
        except KeyError as error:
            raise ActionError(f"{error} is needed") from error

    return Action(arguments=arguments, run=guarded)
