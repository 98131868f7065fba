"""A configuration against what is outside of it: the CRM's own fields, and other bridges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from tieout.core.decide_customer import FIELDS
from tieout.core.mapping import Owner
from tieout.core.policy import FlowMode
from tieout.ports import Schema
from tieout.settings.bridge import FILE, Configuration
from tieout.settings.bridge_canonical import default_owner, target_of
from tieout.settings.bridge_names import standard_names, vendor_path
from tieout.settings.bridge_written import Written
from tieout.settings.problems import Place, Problem, problem_at, suggestion
from tieout.settings.selecting_contacts import WITHOUT_PERSONS

_PLACES: Final = {"account": "customer", "customer": "customer", "deal": "deal", "line": "line"}
# Persons of the CRM; in the rules of the other direction the name means those of the books.
_PERSON: Final = "contact"
_OF_CRM: Final = (("mapping", "contact"), ("flows", "contacts"))


def check_fields(configuration: Configuration, schema: Schema) -> list[Problem]:
    """
    Fields of the CRM that the configuration names and the CRM does not have.

    An entity that the schema does not describe, and a relation of which it lists no fields, are
    not judged: the connector finds out when it reads.
    """
    return check_written(configuration.written.values(), schema)


def check_written(written: Iterable[Written], schema: Schema) -> list[Problem]:
    """`check_fields` of these expressions, also those of a file that is wrong elsewhere."""
    known = {place: _paths(schema, place) for place in {*_PLACES.values(), _PERSON}}
    found = [
        problem
        for one in written
        for path, place in one.fields
        if (problem := _missing(one, path, place, known)) is not None
    ]
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def _paths(schema: Schema, place: str) -> frozenset[str]:
    """Lines are described with and without ``line.`` before their paths."""
    return frozenset(
        info.path.removeprefix("line.") if place == "line" else info.path
        for info in schema.fields.get(place, ())
    )


def _missing(
    written: Written,
    path: tuple[str, ...],
    place: Place,
    known: Mapping[str, frozenset[str]],
) -> Problem | None:
    own, entity = vendor_path(path), _PLACES.get(path[0])
    if path[0] == _PERSON and written.key[:2] in _OF_CRM and written.key[-1] != "crm_when":
        entity = _PERSON
    if own is None or entity is None:
        return None
    there = known[entity]
    if not there or own in there:
        return None
    *relation, last = own.split(".")
    before = ".".join((*relation, ""))
    names = {name[len(before) :] for name in there if name.startswith(before)}
    if not names:
        return None
    if not relation:
        names |= standard_names(path[0])
    return problem_at(
        place,
        "unknown_field",
        f"not a field of {'.'.join((path[0].capitalize(), *relation))}.",
        hint=suggestion(last, names),
        key=written.key,
        value=last,
    )


def kind_problems(
    configuration: Configuration, makes: Mapping[str, frozenset[str]]
) -> list[Problem]:
    """
    Kinds of document that the settings want and none of the books can make. ``makes`` is by the
    connection of the books. Where some can and some cannot, it shows on the deals that go there.
    """
    flow = configuration.model.flows.documents
    wanted: list[tuple[tuple[str | int, ...], str]] = [
        (("flows", "documents", "create"), flow.create)
    ]
    for index, row in enumerate(flow.kinds):
        wanted.append((("flows", "documents", "kinds", index, "create"), row.create))
    able: frozenset[str] = frozenset().union(*makes.values())
    if not makes or flow.mode is FlowMode.OFF:
        return []
    return [
        problem_at(
            configuration.tree.place(*path),
            "document_kind_not_possible",
            f"{', '.join(sorted(makes))} cannot make {kind.replace('_', ' ')}s.",
            hint=f"There are: {', '.join(sorted(able))}.",
            key=tuple(map(str, path)),
            value=kind,
        )
        for path, kind in wanted
        if kind not in able
    ]


def invoice_problems(configuration: Configuration, crm: str, lacks: str = "") -> list[Problem]:
    """
    ``flows.invoices`` is on and the CRM, a system of that kind, has no place where an invoice is
    no deal, or its connection ``lacks`` the setting that says where (decision 39).
    """
    if configuration.model.flows.invoices.mode is FlowMode.OFF:
        return []
    path = ("flows", "invoices", "mode")
    if lacks:
        return [
            problem_at(
                configuration.tree.place(*path),
                "invoice_fields_missing",
                f"{configuration.crm} names no fields in which invoices are shown ({lacks}).",
                hint=f"Name them when you add the connection: --set {lacks}=… and the others that "
                "tieout connection test asks for, or leave flows.invoices out.",
                key=path,
                value=str(configuration.model.flows.invoices.mode),
            )
        ]
    return [
        problem_at(
            configuration.tree.place(*path),
            "invoices_not_shown_there",
            f"{configuration.crm} is {crm}, which has no place for an invoice that is no deal.",
            hint="Leave flows.invoices out. A deal shows its invoice, a customer what it owes "
            "(flows.status).",
            key=path,
            value=str(configuration.model.flows.invoices.mode),
        )
    ]


def list_problems(
    configuration: Configuration, lists: Mapping[str, frozenset[str]]
) -> list[Problem]:
    """
    Lists that the settings want to show and that nobody has. ``lists`` by connection: 'prices' of
    price lists in books, 'values' of pick lists that can be written in a CRM.
    """
    found: list[Problem] = []
    flows, crm = configuration.model.flows, configuration.crm
    if flows.reference.mode is not FlowMode.OFF and "values" not in lists.get(crm, {"values"}):
        path: tuple[str, ...] = ("flows", "reference")
        message = f"{crm} lets nobody write its lists of values by its interface."
        hint = "Take this out; tieout codes --csv gives its administrator the table."
        place = configuration.tree.key_place(*path)
        found.append(
            problem_at(place, "lists_not_written", message, hint=hint, key=path, value=crm)
        )
    told = [lists[name] for name in configuration.books if name in lists]
    wants = flows.items.mode is not FlowMode.OFF and flows.items.prices
    if wants and told and not any("prices" in one for one in told):
        path = ("flows", "items", "prices")
        named = ", ".join(configuration.books)
        message = f"{named} has no price lists that can be read."
        hint = "Take this out; the list price is shown without it."
        place = configuration.tree.key_place(*path)
        found.append(
            problem_at(place, "prices_not_read", message, hint=hint, key=path, value=named)
        )
    return found


def contact_problems(configuration: Configuration, holds: Mapping[str, bool]) -> list[Problem]:
    """Connections of the bridge that hold no persons, where these should be kept in step."""
    if configuration.model.flows.contacts.mode is FlowMode.OFF:
        return []
    path = ("flows", "contacts", "mode")
    return [
        problem_at(
            configuration.tree.place(*path),
            "contacts_not_held",
            f"{name} holds no persons of customers that could be kept in step.",
            hint=WITHOUT_PERSONS,
            key=path,
            value=name,
        )
        for name in (configuration.crm, *configuration.books)
        if not holds.get(name, True)
    ]


# --- one field, one writer -----------------------------------------------------------------------


def conflicts(
    configurations: Sequence[Configuration], companies: Mapping[str, str] | None = None
) -> list[Problem]:
    """
    What two bridges would do to each other; the later of the two has the problem.

    A connection is read by one bridge: what has been read is not read again, so the other one
    would never hear of it. Two connections to one company (``companies``, by connection) are two
    readers, but write the same: customers are shared by all who write to the books; a document
    belongs to a deal, so two bridges meet there only when they read the same CRM.
    """
    known = companies or {}
    found: list[Problem] = []
    for index, configuration in enumerate(configurations):
        for earlier in configurations[:index]:
            if earlier.name != configuration.name:
                found += _read_by_both(earlier, configuration)
                found += _between(earlier, configuration, known)
    return sorted(found, key=lambda problem: (problem.file, problem.line, problem.column))


def _read_by_both(earlier: Configuration, later: Configuration) -> Iterator[Problem]:
    theirs = {earlier.crm, *earlier.books}
    places: list[tuple[str, tuple[str | int, ...]]] = [(later.crm, ("crm",))]
    places += [(name, ("books", at, "connection")) for at, name in enumerate(later.books)]
    for name, key in places:
        if name in theirs:
            yield problem_at(
                later.tree.place(*key),
                "connection_shared",
                f'{name} is read by bridge "{earlier.name}"; what it reads there this one would '
                "never hear of.",
                hint="Connect the system once more under another name: tieout connection add.",
                key=tuple(map(str, key)),
                value=later.name,
            )


def _between(
    earlier: Configuration, later: Configuration, companies: Mapping[str, str]
) -> Iterator[Problem]:
    theirs = {companies.get(name, name) for name in earlier.books}
    one_crm = companies.get(earlier.crm, earlier.crm) == companies.get(later.crm, later.crm)
    for books in later.books:
        if companies.get(books, books) not in theirs:
            continue
        yield from _shared_fields(earlier, later, books)
        flows = (earlier.model.flows.documents, later.model.flows.documents)
        if one_crm and all(flow.mode is not FlowMode.OFF for flow in flows):
            message = f'{books} documents are already written by bridge "{earlier.name}".'
            yield _conflict(later, ("flows", "documents"), message)


def _shared_fields(earlier: Configuration, later: Configuration, books: str) -> Iterator[Problem]:
    theirs, ours = _written_fields(earlier), _written_fields(later)
    both = [field for field in ours if field in theirs]
    unmapped = [field for field in both if not ours[field]]
    for field in both:
        if ours[field]:
            message = f'{books} customer.{field} is already written by bridge "{earlier.name}".'
            yield _conflict(later, ours[field], message)
    if unmapped:
        listed = ", ".join(f"customer.{field}" for field in unmapped)
        are = "is" if len(unmapped) == 1 else "are"
        message = f'{books} {listed} {are} already written by bridge "{earlier.name}".'
        yield _conflict(later, ("flows", "customers"), message)


def _written_fields(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """Customer fields that the bridge keeps in step, each with its key in the file, if it has."""
    if configuration.model.flows.customers.mode is FlowMode.OFF:
        return {}
    found: dict[str, tuple[str, ...]] = {
        name: () for name, owner in FIELDS.items() if owner is not Owner.BOOKS
    }
    for name, row in dict(configuration.model.mapping.customer).items():
        if row is None:
            continue
        target = target_of("customer", name)
        field = {"email": "emails", "phone": "phones"}.get(target, target)
        owner = row.owner or default_owner(target)
        if owner == Owner.BOOKS or row.mode == "create_only":
            found.pop(field, None)
        else:
            found[field] = ("mapping", "customer", name)
    return found


def _conflict(later: Configuration, key: tuple[str, ...], message: str) -> Problem:
    place = later.tree.key_place(*key)
    if later.tree.find(*key) is None:
        place = later.tree.key_place("bridge")
    assert place.file == FILE
    return problem_at(
        place,
        "written_twice",
        message,
        hint="Let one of them write it: mode off, or owner books, in the other.",
        key=key,
        value=later.name,
    )
