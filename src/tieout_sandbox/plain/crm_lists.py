"""Lists of values of the invented CRM: whole, with a revision, edited by persons and by us."""

from __future__ import annotations

from typing import Any

from tieout_sandbox.plain.rows import RefusedError, Row


class Lists:
    """The lists by name; each is a row with its revision and its values in order."""

    def __init__(self, rows: dict[str, Row]) -> None:
        self._rows = rows

    def one(self, name: str) -> Row:
        """The list of this name. RefusedError where there is none."""
        found = self._rows.get(name)
        if found is None:
            raise RefusedError(404, "no_such_row", name)
        return found

    def replace(self, name: str, asked: Row) -> Row:
        """
        The whole list as asked, on the revision that was read. Values that are left out go out of
        use; a code twice is refused.
        """
        row = self.one(name)
        if str(asked.get("revision")) != str(row["revision"]):
            raise RefusedError(412, "stale", f"{name} has revision {row['revision']}")
        values = [
            {"code": str(one["code"]), "label": str(one["label"]), "active": bool(one["active"])}
            for one in asked.get("values") or ()
        ]
        codes = [one["code"] for one in values]
        if len(set(codes)) != len(codes):
            raise RefusedError(422, "duplicate", f"a value stands twice in {name}")
        left = [{**one, "active": False} for one in row["values"] if one["code"] not in codes]
        row["values"] = values + left
        row["revision"] += 1
        return row

    def create(self, name: str, values: list[Any]) -> Row:
        """A new list with these texts, which are labels too."""
        rows = [{"code": str(one), "label": str(one), "active": True} for one in values]
        self._rows[name] = {"id": name, "revision": 1, "values": rows}
        return self._rows[name]

    def edit(self, name: str, code: str, values: Row) -> Row:
        """A person adds a value, changes its label, or whether it is in use."""
        row = self.one(name)
        found = next((one for one in row["values"] if one["code"] == code), None)
        if found is None:
            found = {"code": code, "label": code, "active": True}
            row["values"].append(found)
        found.update({key: values[key] for key in ("label", "active") if key in values})
        row["revision"] += 1
        return found

    def remove(self, name: str, code: str) -> None:
        """A person takes a value away."""
        row = self.one(name)
        row["values"] = [one for one in row["values"] if one["code"] != code]
        row["revision"] += 1
