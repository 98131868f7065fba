"""The expressions in a bridge's file: where each stands, what it may name, what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tieout.core.mapping import Expr
from tieout.settings.bridge_names import (
    CONTACT_ROOTS,
    CUSTOMER_ROOTS,
    DOCUMENT_ROOTS,
    ITEM_ROOTS,
    LINE_ROOTS,
    PERSON_ROOTS,
)
from tieout.settings.expressions import Parsed, parse_located
from tieout.settings.problems import Place, Problem
from tieout.settings.yaml_file import Located, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """
    One expression. ``key`` is its path in the file, ``roots`` are the records it may name;
    ``rule`` where it has to say true or false; ``values`` names a table beside it, or ''.
    """

    key: tuple[str, ...]
    text: str
    parsed: Parsed
    node: Located
    roots: tuple[str, ...]
    rule: bool = False
    values: str = ""
    values_node: Located | None = None

    @property
    def expr(self) -> Expr:
        return self.parsed.expr

    @property
    def fields(self) -> tuple[tuple[tuple[str, ...], Place], ...]:
        """The source fields with the places of their last names."""
        return self.parsed.field_places


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    path: tuple[Step, ...]
    node: Located
    roots: tuple[str, ...]
    rule: bool = False
    values: Located | None = None


def written_in(tree: Located, problems: list[Problem]) -> dict[tuple[str, ...], Written]:
    """
    All expressions by their keys. Those that cannot be parsed are added to ``problems``.

    The tree may be one that fits the model only in part, so that one look shows everything.
    """
    found: dict[tuple[str, ...], Written] = {}
    for spot in _spots(tree):
        key = tuple(map(str, spot.path))
        parsed = parse_located(spot.node.text, place=spot.node)
        if isinstance(parsed, list):
            problems += [_with_key(problem, key) for problem in parsed]
            continue
        found[key] = Written(
            key=key,
            text=" ".join(spot.node.text.split()),
            parsed=parsed,
            node=spot.node,
            roots=spot.roots,
            rule=spot.rule,
            values=spot.values.text if spot.values is not None else "",
            values_node=spot.values,
        )
    return found


def _with_key(problem: Problem, key: tuple[str, ...]) -> Problem:
    return replace(problem, key=key)


def _spots(tree: Located) -> Iterator[_Spot]:
    books = tree.find("books")
    for index in range(len(books.items) if books is not None else 0):
        yield from _rule(tree, ("books", index, "when"), DOCUMENT_ROOTS)
    yield from _rule(tree, ("flows", "customers", "when"), CUSTOMER_ROOTS)
    yield from _rule(tree, ("flows", "items", "when"), ITEM_ROOTS)
    yield from _rule(tree, ("flows", "contacts", "books_when"), CONTACT_ROOTS)
    yield from _rule(tree, ("flows", "contacts", "crm_when"), PERSON_ROOTS)
    yield from _rule(tree, ("flows", "documents", "include"), DOCUMENT_ROOTS)
    yield from _rule(tree, ("flows", "documents", "when"), DOCUMENT_ROOTS)
    kinds = tree.find("flows", "documents", "kinds")
    for index in range(len(kinds.items) if kinds is not None else 0):
        yield from _rule(tree, ("flows", "documents", "kinds", index, "when"), DOCUMENT_ROOTS)
    for path in VALUES:
        yield from _value(tree, path)
    for section, roots in SECTIONS.items():
        group = tree.find("mapping", section)
        for target, entry in (group.entries if group is not None else {}).items():
            yield from _row(entry.value, ("mapping", section, target), roots)


# Settings of flows that are values of a deal, not rules over it.
VALUES: tuple[tuple[Step, ...], ...] = (
    ("flows", "documents", "instalments"),
    ("flows", "reconcile", "rate"),
)


def _value(tree: Located, path: tuple[Step, ...]) -> Iterator[_Spot]:
    node = tree.find(*path)
    if node is not None and _says_something(node):
        yield _Spot(path=path, node=node, roots=DOCUMENT_ROOTS)


SECTIONS = {
    "customer": CUSTOMER_ROOTS,
    "contact": CONTACT_ROOTS,
    "contact.to_crm": PERSON_ROOTS,
    "document": DOCUMENT_ROOTS,
    "document.line": LINE_ROOTS,
    "dimensions": LINE_ROOTS,
    "item": ITEM_ROOTS,
}


def _rule(tree: Located, path: tuple[Step, ...], roots: tuple[str, ...]) -> Iterator[_Spot]:
    node = tree.find(*path)
    if node is not None and _says_something(node):
        yield _Spot(path=path, node=node, roots=roots, rule=True)


def _row(node: Located, path: tuple[Step, ...], roots: tuple[str, ...]) -> Iterator[_Spot]:
    """The key of a mapping's expression is the target's, in the short form and the long one."""
    if node.kind == "scalar":
        if _says_something(node):
            yield _Spot(path=path, node=node, roots=roots)
        return
    source, values = node.find("from"), node.find("values")
    if source is not None and _says_something(source):
        named = values if values is not None and _says_something(values) else None
        yield _Spot(path=path, node=source, roots=roots, values=named)
    yield from _rule_in(node, path, roots)


def _rule_in(node: Located, path: tuple[Step, ...], roots: tuple[str, ...]) -> Iterator[_Spot]:
    condition = node.find("condition")
    if condition is not None and _says_something(condition):
        yield _Spot(path=(*path, "condition"), node=condition, roots=roots, rule=True)


def _says_something(node: Located) -> bool:
    """Whether there is a scalar that is not null; the model complains about everything else."""
    return node.kind == "scalar" and (node.value is not None or bool(node.style))
