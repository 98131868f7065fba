"""What a bridge's file may not say although every key of it is well formed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

from tieout.core.mapping import (
    And,
    Compare,
    Conditional,
    Const,
    Expr,
    Field,
    Filter,
    Not,
    Or,
    Test,
    tables,
)
from tieout.core.mapping.filters import FILTERS
from tieout.core.policy import STANDARD_LIST
from tieout.settings.bridge_file import BASE_LIST, BridgeFile, is_group
from tieout.settings.bridge_names import (
    CONTACT_ROOTS,
    PERSON_ROOTS,
    inner_names,
    standard_names,
    vendor_path,
)
from tieout.settings.bridge_written import Written
from tieout.settings.problems import Place, Problem, problem_at, suggestion
from tieout.settings.yaml_file import Located


def rule_problems(
    tree: Located,
    model: BridgeFile | None,
    written: Mapping[tuple[str, ...], Written],
    known_tables: Set[str],
) -> list[Problem]:
    """All that is wrong between the parts of the file. ``model`` None: it did not fit."""
    found = [
        problem
        for expression in written.values()
        for problem in (
            *_fields(expression),
            *_tables(expression, known_tables),
            *_truth(expression),
        )
    ]
    found += [*_nothing_said(tree), *_terms_twice(tree)]
    if model is not None:
        found += _connections(tree, model)
        found += _owners(tree, model)
        found += _price_lists(tree, model)
        found += _value_lists(tree, model)
        found += _contacts(tree, model)
    return found


# --- expressions ---------------------------------------------------------------------------------


def _fields(written: Written) -> Iterator[Problem]:
    for path, place in written.fields:
        root, rest = path[0], path[1:]
        if root not in written.roots:
            near = suggestion(root, written.roots)
            hint = near or f"There are: {', '.join(written.roots)}."
            message = f'"{root}" is not known here.'
            yield _at(_root_place(written, root, place), written, message, hint, root)
        elif not rest:
            yield _at(place, written, f"{root} is a record, not a value.", _FIELD_HINT, root)
        elif (problem := _part(written, path, place)) is not None:
            yield problem


_FIELD_HINT = "Say which field, as in account.name."


def _part(written: Written, path: tuple[str, ...], place: Place) -> Problem | None:
    """What is wrong with a field of ours, or of a deal's contact, of which only ours are read."""
    root, name, *inner = path
    if vendor_path(path) is not None:
        if root != "contact" or written.roots in (CONTACT_ROOTS, PERSON_ROOTS):
            return None
        names = standard_names(root)
        hint = suggestion(name, names) or f"There are: {', '.join(sorted(names))}."
        return _at(place, written, f"{name} is not read of contacts.", hint, name)
    names_inside = inner_names(root, name)
    if names_inside is None:
        return None
    listed = f"There are: {', '.join(sorted(names_inside))}."
    if not inner:
        return _at(place, written, f"{root}.{name} has parts; say which.", listed, name)
    if inner[0] not in names_inside:
        hint = suggestion(inner[0], names_inside) or listed
        return _at(place, written, f"not a part of {root}.{name}.", hint, inner[0])
    return None


def _at(place: Place, written: Written, message: str, hint: str, value: str) -> Problem:
    return problem_at(place, "unknown_field", message, hint=hint, key=written.key, value=value)


def _root_place(written: Written, root: str, place: Place) -> Place:
    found = re.search(rf"\b{re.escape(root)}\b", written.node.text)
    return written.node.place_at(found.start()) if found else place


def _tables(written: Written, known: Set[str]) -> Iterator[Problem]:
    places = [(name, written.node.place_at(0)) for name in sorted(tables(written.expr))]
    if written.values and written.values_node is not None:
        places.append((written.values, written.values_node.place_at(0)))
    for name, place in places:
        if name in known:
            continue
        near = suggestion(name, known)
        make = f"ake tables/{name}.csv, or name it under tables."
        hint = f"{near} Else m{make}" if near else f"M{make}"
        message = f'there is no table "{name}".'
        yield problem_at(place, "unknown_table", message, hint=hint, key=written.key, value=name)


def _truth(written: Written) -> Iterator[Problem]:
    if written.rule and not _may_be_truth(written.expr):
        yield problem_at(
            written.node.place_at(0),
            "not_a_rule",
            "this is never true or false.",
            hint="Compare it with something, as in deal.stage == 'Signed'.",
            key=written.key,
        )


def _may_be_truth(expr: Expr) -> bool:
    match expr:
        case And() | Or() | Not() | Compare() | Test() | Field():
            return True
        case Const():
            return isinstance(expr.value, bool)
        case Conditional():
            return _may_be_truth(expr.then) or _may_be_truth(expr.otherwise)
        case Filter(name="default"):
            return _may_be_truth(expr.operand) or any(map(_may_be_truth, expr.args[:1]))
        case Filter():
            spec = FILTERS.get(expr.name)
            return spec is not None and spec.gives in ("truth", "any") and expr.name != "lookup"
        case _:
            return False


# --- the file as a whole -------------------------------------------------------------------------


def _nothing_said(tree: Located) -> Iterator[Problem]:
    """A key without its value is a half-written one; a rule so left open would let all pass."""
    for path, node in tree.walk():
        absent = node.kind == "scalar" and node.value is None
        if absent and not is_group(path):
            yield problem_at(
                tree.document.place(node.start),
                "missing_value",
                "a value is missing here.",
                hint="Write it, or take the key out.",
                key=tuple(map(str, path)),
            )


def _terms_twice(tree: Located) -> Iterator[Problem]:
    if tree.find("mapping", "customer", "terms") is None:
        return
    if tree.find("mapping", "customer", "payment_terms") is not None:
        yield problem_at(
            tree.key_place("mapping", "customer", "payment_terms"),
            "duplicate_key",
            "payment_terms and terms are the same.",
            hint="Keep one of them.",
            key=("mapping", "customer", "payment_terms"),
            value="payment_terms",
        )


_ROLES = {"emails": "email", "phones": "phone"}


def _owners(tree: Located, model: BridgeFile) -> Iterator[Problem]:
    """An owner that nobody would ask is a mistake that only shows months later."""
    given = model.flows.customers
    path = ("flows", "customers", "owners")
    if given.owners and given.direction != "both":
        yield problem_at(
            tree.key_place(*path),
            "owners_without_both",
            "owners counts only with direction: both.",
            hint="Set flows.customers.direction to both, or take owners out.",
            key=path,
        )
    for name in given.owners:
        row = getattr(model.mapping.customer, _ROLES.get(name, name), None)
        if row is not None:
            yield problem_at(
                tree.key_place(*path, name),
                "owner_of_mapped_field",
                f"{name} is made by a mapping, which cannot be turned round.",
                hint=f"Take mapping.customer.{_ROLES.get(name, name)} out, or this owner.",
                key=(*path, name),
                value=name,
            )


def _price_lists(tree: Located, model: BridgeFile) -> Iterator[Problem]:
    """Two prices of one item in one list and currency: nobody could tell which counts."""
    path = ("flows", "items", "prices")
    taken: dict[str, set[str]] = {}
    for index, one in enumerate(model.flows.items.prices):
        book = one.book or (STANDARD_LIST if one.list == BASE_LIST else one.list)
        currencies = set(one.currency) or {""}
        before = taken.setdefault(book, set())
        if before & currencies or (before and "" in before | currencies):
            yield problem_at(
                tree.place(*path, index),
                "price_list_twice",
                f"{book} gets prices from two lists.",
                hint="Give each of them currencies of its own, or keep one.",
                key=(*path, str(index)),
                value=book,
            )
        before |= currencies


def _contacts(tree: Located, model: BridgeFile) -> Iterator[Problem]:
    """Settings of a direction that does not run, and fields that would go both ways by mappings."""
    given = model.flows.contacts
    for name, runs in (
        ("books_when", given.direction != "to_crm"),
        ("crm_when", given.direction != "to_books"),
    ):
        path = ("flows", "contacts", name)
        if not runs and getattr(given, name) is not None:
            yield problem_at(
                tree.key_place(*path),
                "direction_not_run",
                f"{name} counts only where persons go that way.",
                hint="Set flows.contacts.direction to both, or take it out.",
                key=path,
            )
    there, back = dict(model.mapping.contact), dict(model.mapping.contact_to_crm)
    for name, row in back.items():
        path = ("mapping", "contact.to_crm", name)
        if row is not None and there[name] is not None and given.direction == "both":
            yield problem_at(
                tree.key_place(*path),
                "mapped_both_ways",
                f"{name} is made by mappings in both directions, and would never come to rest.",
                hint="Keep one of them.",
                key=path,
                value=name,
            )
    for name in map(str, given.owners):
        owner = ("flows", "contacts", "owners", name)
        if there.get(name) is not None or back.get(name) is not None:
            yield problem_at(
                tree.key_place(*owner),
                "owner_of_mapped_field",
                f"{name} is made by a mapping, which cannot be turned round.",
                hint=f"Take the mapping of {name} out, or this owner.",
                key=owner,
                value=name,
            )


def _value_lists(tree: Located, model: BridgeFile) -> Iterator[Problem]:
    """One list has one owner, one kind of codes one list, and books are those of the bridge."""
    path = ("flows", "reference", "lists")
    known = [book.connection for book in model.books]
    kinds: set[tuple[str, str]] = set()
    targets: set[str] = set()
    for index, one in enumerate(model.flows.reference.lists):
        key = (*path, str(index))
        place = tree.place(*path, index)
        if one.books is not None and one.books not in known:
            hint = suggestion(one.books, known) or f"There are: {', '.join(known)}."
            message = f"{one.books} is no books of this bridge."
            yield problem_at(
                place, "connection_missing", message, hint=hint, key=key, value=one.books
            )
        if "." in one.target and not one.target.endswith("__c"):
            yield problem_at(
                place,
                "standard_list",
                f"{one.target} is a standard field, and its list is not Tieout's to change.",
                hint="Allowed are a global value set, such as Payment_Terms, and a custom "
                "picklist field, such as Account.Payment_Terms__c.",
                key=key,
                value=one.target,
            )
        kind = (one.kind, one.books or known[0])
        if kind in kinds or one.target in targets:
            yield problem_at(
                place,
                "value_list_twice",
                f"{one.kind} and {one.target} stand here once more.",
                hint="Give each kind of codes one list of its own.",
                key=key,
                value=one.target,
            )
        kinds.add(kind)
        targets.add(one.target)


def _connections(tree: Located, model: BridgeFile) -> Iterator[Problem]:
    seen: set[str] = set()
    open_to_all = ""
    for index, book in enumerate(model.books):
        path = ("books", index, "connection")
        place, key = tree.place(*path), tuple(map(str, path))
        if book.connection == model.crm:
            yield problem_at(
                place,
                "connection_twice",
                f"{book.connection} is the CRM of this bridge already.",
                hint="Name the connection to the books.",
                key=key,
            )
        if book.connection in seen:
            yield problem_at(
                place,
                "connection_twice",
                f"{book.connection} stands here twice.",
                hint="Join both rules with or.",
                key=key,
            )
        if open_to_all:
            yield problem_at(
                tree.place("books", index),
                "rule_unreachable",
                f"no deal ever comes here: {open_to_all} takes all of them.",
                hint=f"Say when a deal goes to {open_to_all}, or put it last.",
                key=("books", str(index)),
            )
        seen.add(book.connection)
        if tree.find("books", index, "when") is None:
            open_to_all = open_to_all or book.connection
