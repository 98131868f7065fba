"""The SELECT that `/Queries` takes, read into a tree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign><=|>=|<>|!=|[=<>(),.*]))"
)
_WORDS = frozenset({"select", "from", "where", "and", "or", "join", "on", "order", "by"})


class ScriptError(ValueError):
    """The script is not understood; the text says where."""


@dataclass(frozen=True, slots=True)
class Name:
    """A field, perhaps with its table before it. `*` names all."""

    table: str | None
    field: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A quoted text, or a number as it was written."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Compare:
    """`field sign value`; the value may be a field too."""

    left: Name
    sign: str
    right: Name | Literal


@dataclass(frozen=True, slots=True)
class Either:
    """True where one of them is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """True where all of them are."""

    parts: tuple[Condition, ...]


Condition = Compare | Either | Both


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A whole script. `join`: the second table with the two fields that have to be equal."""

    fields: tuple[Name, ...]
    table: str
    join: tuple[str, Condition] | None
    where: Condition | None
    order: tuple[tuple[Name, bool], ...]


def parse(script: str, signs: Sequence[str]) -> Query:
    """The tree of a script; only these signs compare. ScriptError where it is not understood."""
    reader = _Reader(_tokens(script), signs)
    try:
        query = reader.query()
    except RecursionError:
        raise ScriptError("Some part of the script is nested too deeply.") from None
    reader.end()
    return query


def _tokens(script: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    script = script.rstrip()
    while place < len(script):
        match = _TOKEN.match(script, place)
        if match is None:
            raise ScriptError(f"Incorrect syntax near '{script[place : place + 20].strip()}'.")
        kind = match.lastgroup or ""
        found.append((kind, match.group(kind)))
        place = match.end()
    return found


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]], signs: Sequence[str]) -> None:
        self._tokens = tokens
        self._signs = frozenset(signs)
        self._place = 0

    def query(self) -> Query:
        self._need("select")
        fields = [self._selected()]
        while self._take(","):
            fields.append(self._selected())
        self._need("from")
        table = self._word()
        join = self._join() if self._take("join") else None
        where = self._either() if self._take("where") else None
        order: list[tuple[Name, bool]] = []
        if self._take("order"):
            self._need("by")
            order.append(self._ordered())
            while self._take(","):
                order.append(self._ordered())
        return Query(fields=tuple(fields), table=table, join=join, where=where, order=tuple(order))

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise self._wrong()

    def _join(self) -> tuple[str, Condition]:
        table = self._word()
        self._need("on")
        return table, self._either()

    def _selected(self) -> Name:
        if self._take("*"):
            return Name(None, "*")
        return self._name(star=True)

    def _ordered(self) -> tuple[Name, bool]:
        name = self._name()
        if self._take("desc"):
            return name, True
        self._take("asc")
        return name, False

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._single()]
        while self._take("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _single(self) -> Condition:
        if self._take("("):
            inner = self._either()
            self._need(")")
            return inner
        left = self._name()
        kind, sign = self._next()
        if kind != "sign" or sign not in self._signs:
            raise self._wrong(back=1)
        return Compare(left, sign, self._value())

    def _value(self) -> Name | Literal:
        kind, text = self._peek()
        if kind == "text":
            self._place += 1
            return Literal(text[1:-1].replace("''", "'"), quoted=True)
        if kind == "number":
            self._place += 1
            return Literal(text, quoted=False)
        return self._name()

    def _name(self, *, star: bool = False) -> Name:
        first = self._word()
        if not self._take("."):
            return Name(None, first)
        if star and self._take("*"):
            return Name(first, "*")
        return Name(first, self._word())

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word" or text.lower() in _WORDS:
            raise self._wrong(back=1)
        return text

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._place += 1
        return token

    def _take(self, text: str) -> bool:
        kind, found = self._peek()
        if kind in ("word", "sign") and found.lower() == text:
            self._place += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._wrong()

    def _wrong(self, back: int = 0) -> ScriptError:
        place = max(0, self._place - back)
        near = self._tokens[place][1] if place < len(self._tokens) else "end of script"
        return ScriptError(f"Incorrect syntax near '{near}'.")
