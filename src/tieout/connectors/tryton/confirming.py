"""
A draft that was just made, seen with few fields: as it was sent, and as it was reckoned.

Reading a whole invoice costs Tryton a fifth of making it: what settled it, and the names behind
its links. So a list that was made is read with what stands in the rows themselves, and with what
Tryton reckoned: the amount of each line and the taxes. A document in which all of that is what
was sent and predicted is taken to be what was sent; any other one is read whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tieout.connectors.http.json import as_decimal, loads
from tieout.connectors.tryton import documents
from tieout.connectors.tryton.books import Books
from tieout.connectors.tryton.values import Number, Payload, number_of, rows_of
from tieout.core.money import ZERO

_HEAD = (
    "state", "number", "party", "account", "currency", "payment_term", "invoice_address",
    "reference", "comment", "invoice_date",
)  # fmt: skip
_LINE = (
    "type", "sequence", "product", "unit", "quantity", "unit_price", "description", "note",
    "account", "origin",
)  # fmt: skip
# What is new in it, and what nothing sets that is sent.
_NEW = ("create_date", "last_modified_at", "_timestamp", "description", "accounting_date")
_NEW_OF_LINE = ("taxes_date", "_timestamp")
_MOST = 2000


def fields(books: Books) -> list[str]:
    """What to read of drafts that were just made."""
    names = [*_HEAD, *_NEW, "taxes.amount", "lines.amount"]
    names += [f"lines.{name}" for name in (*_LINE, *_NEW_OF_LINE)]
    return [*names, "tieout_key"] if books.has_key else names


@dataclass(frozen=True, slots=True)
class _Sent:
    values: object
    shown: Payload


class Noted:
    """
    What drafts will look like, by key, from the making of their bytes until they were answered.
    It is a short cut only: what is not in it, as after a restart, is read whole.
    """

    def __init__(self) -> None:
        self._sent: dict[str, _Sent] = {}

    def note(self, key: str, body: bytes, shown: Payload) -> None:
        """Remembers a draft's bytes and the row that they make."""
        self._sent.pop(key, None)
        while len(self._sent) >= _MOST:
            self._sent.pop(next(iter(self._sent)))
        self._sent[key] = _Sent(values_sent(body)[0], shown)

    def take(self, key: str, values: object) -> Payload | None:
        """The row that these values make, None where others were noted; it is forgotten."""
        sent = self._sent.pop(key, None)
        return sent.shown if sent is not None and sent.values == values else None

    def __len__(self) -> int:
        return len(self._sent)


def values_sent(body: bytes) -> list[object]:
    """The values of each record in the bytes of a create."""
    found: list[object] = loads(body)["params"][0]
    return found


def confirmed(shown: Payload, read: Payload, login: str) -> Payload | None:
    """
    The whole row of a draft, None where something differs from what was sent or predicted.
    ``read`` has the `fields`; ``login`` is the user that made it.
    """
    whole = dict(shown)
    head = (*_HEAD, "tieout_key") if "tieout_key" in shown else _HEAD
    lines, there = documents.ordered_lines(shown), documents.ordered_lines(read)
    if (
        not all(_same(shown.get(name), read.get(name)) for name in head)
        or len(lines) != len(there)
        or not all(_same_line(*pair) for pair in zip(lines, there, strict=True))
        or not _as_predicted(shown, read)
    ):
        return None
    whole |= {name: value for name, value in read.items() if not name.endswith(".")}
    whole["lines."] = [{**line, **row} for line, row in zip(lines, there, strict=True)]
    whole["create_uid."] = {"login": login}
    return whole


# Inside.


def _same_line(line: Payload, row: Payload) -> bool:
    priced = line.get("type") == "line"
    known = not priced or line.get("unit") is None or bool(_symbol(line))
    names: tuple[str, ...] = (*_LINE, "amount") if priced else _LINE
    return known and all(_same(line.get(name), row.get(name)) for name in names)


def _symbol(line: Payload) -> str:
    unit = line.get("unit.")
    return str(unit.get("symbol") or "") if isinstance(unit, Mapping) else ""


def _as_predicted(shown: Payload, read: Payload) -> bool:
    """Whether lines and taxes come to the predicted totals: Tryton's own are their sums."""
    net = sum((number_of(row, "amount") or ZERO for row in rows_of(read, "lines")), ZERO)
    tax = sum((number_of(row, "amount") or ZERO for row in rows_of(read, "taxes")), ZERO)
    return (
        net == number_of(shown, "untaxed_amount")
        and tax == number_of(shown, "tax_amount")
        and net + tax == number_of(shown, "total_amount")
    )


def _same(sent: Any, there: Any) -> bool:
    if isinstance(sent, Number):
        sent = sent.value
    if isinstance(sent, str) or isinstance(there, str):
        return (sent or "") == (there or "")
    left, right = as_decimal(sent), as_decimal(there)
    if left is not None and right is not None:
        return left == right
    return bool(sent == there)
