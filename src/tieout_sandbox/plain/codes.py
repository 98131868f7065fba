"""Codes of the invented book: terms of payment and currencies, and what people do with them."""

from __future__ import annotations

from tieout_sandbox.plain.rows import RefusedError, Row

_FIRST: tuple[Row, ...] = (
    {"kind": "terms", "code": "N10", "name": "10 days net", "days": 10},
    {"kind": "terms", "code": "N14", "name": "14 days net", "days": 14},
    {"kind": "terms", "code": "N30", "name": "30 days net", "days": 30},
    {"kind": "terms", "code": "N60", "name": "60 days net", "days": 60},
    {"kind": "currency", "code": "SEK", "name": "Swedish krona"},
    {"kind": "currency", "code": "EUR", "name": "Euro"},
)


def first_codes() -> list[Row]:
    """Those that a company begins with."""
    return [dict(row) for row in _FIRST]


def edit_code(codes: list[Row], kind: str, code: str, values: Row) -> Row:
    """Makes a code, or changes its name and whether it may be used."""
    found = next((row for row in codes if (row["kind"], row["code"]) == (kind, code)), None)
    if found is None:
        found = {"kind": kind, "code": code, "name": code}
        codes.append(found)
    found.update({name: values[name] for name in ("name", "active") if name in values})
    return found


def delete_code(codes: list[Row], kind: str, code: str) -> None:
    """Takes a code away. RefusedError where there is none."""
    for row in codes:
        if (row["kind"], row["code"]) == (kind, code):
            codes.remove(row)
            return
    raise RefusedError(404, "no_such_row", f"{kind} {code}")
