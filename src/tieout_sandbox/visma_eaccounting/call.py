"""One call as a handler sees it, and the list answer every resource shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tieout_sandbox.kit import Request, Response, json_response
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.errors import (
    INVALID_INPUT,
    NOT_FOUND,
    QUERY_PARAMETER,
    VALIDATION,
    VismaError,
)
from tieout_sandbox.visma_eaccounting.fields import Record, as_guid
from tieout_sandbox.visma_eaccounting.filters import (
    All,
    Compare,
    FilterDateError,
    FilterSyntaxError,
    Getter,
    Node,
    comparisons,
    fits,
    needed,
    parse,
    paths,
    stamp_literal,
    test,
)
from tieout_sandbox.visma_eaccounting.tables import Table

PAGE_SIZE = 50
MAX_DIGITS = 9
# The kinds of properties that have an order.
SCALARS = frozenset({"s", "id", "i", "n", "b", "d", "t"})

Present = Callable[[Books, Record], Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request with the ids of its path."""

    request: Request
    ids: tuple[str, ...] = ()
    scopes: frozenset[str] = field(default_factory=frozenset)

    @property
    def id(self) -> str:
        """The first id of the path, as it is stored; VismaError 3000 where it is no GUID."""
        return self.guid(0)

    def guid(self, place: int) -> str:
        """An id of the path, as it is stored; VismaError 3000 where it is no GUID."""
        found = as_guid(self.ids[place])
        if found is None:
            raise VismaError(
                NOT_FOUND, f"ResourceNotFoundException - {self.ids[place]}", path_id=True
            )
        return found

    def flag(self, name: str) -> bool | None:
        """A boolean parameter, None where it is absent; VismaError 6001 where it is neither."""
        raw = self.request.param(name)
        if raw is None or raw == "":
            return None
        if raw.lower() not in ("true", "false"):
            raise VismaError(INVALID_INPUT, f"The value '{raw}' is not valid for {name}.")
        return raw.lower() == "true"

    def body(self, *, optional: bool = False) -> Any:
        """The JSON body; VismaError 2000 where there is none."""
        if not self.request.body.strip():
            if optional:
                return {}
            raise VismaError(VALIDATION, "A non-empty request body is required.")
        try:
            return self.request.json()
        except ValueError as error:
            raise VismaError(VALIDATION, f"The body is no JSON: {error}") from error


def ok(value: object, status: int = 200) -> Response:
    """A JSON answer."""
    return json_response(status, value)


def visible(record: Record) -> Record:
    """A record without what is ours alone."""
    return {name: value for name, value in record.items() if not name.startswith("_")}


def shown(_books: Books, record: Record) -> Record:
    """The record as it stands."""
    return visible(record)


def with_blanks(table: Table) -> Present:
    """A record with every property of its schema."""
    assert table.schema is not None
    blank = table.schema.blank

    def present(_books: Books, record: Record) -> Record:
        return {**blank, **visible(record)}

    return present


def list_answer(
    books: Books,
    call: Call,
    table: Table,
    present: Present,
    *,
    derived: dict[str, Callable[[Books, Record], Any]] | None = None,
    since: str | None = None,
    source: Iterable[Record] | None = None,
) -> Response:
    """One page of a table by `$filter`, `$orderby`, `$select`, `$page` and `$pagesize`. `derived`:
    properties that are not stored; `since`: changed at or after; `source`: records in place of the
    table's own."""
    page, size = _page(books, call)
    node = _filter(books, call, table)
    fold = books.assumptions.filter_ignores_case
    computed = derived or {}

    def get(record: Record, path: str) -> Any:
        found = computed.get(path)
        return found(books, record) if found is not None else record.get(path)

    def find() -> list[Record]:
        return _ordered(books, call, table, _meeting(books, table, node, since, get), get)

    order = call.request.param("$orderby") or ""
    if source is not None:
        kept = [record for record in source if node is None or test(node, record, get, fold)]
        records = _ordered(books, call, table, kept, get)
    elif computed and {order.split(" ")[0], *(paths(node) if node else ())} & set(computed):
        records = find()  # depends on more than the table
    else:
        records = table.remembered((node, since, order, fold), find)
    total = len(records)
    rows = [present(books, record) for record in records[(page - 1) * size : page * size]]
    return ok({"Meta": _meta(books, page, size, total), "Data": _selected(call, rows)})


def _meeting(
    books: Books,
    table: Table,
    node: Node | None,
    since: str | None,
    get: Getter,
) -> list[Record]:
    """The records of a table that were changed since and meet the filter."""
    if since is not None:
        operator = "ge" if books.assumptions.modified_since_includes else "gt"
        newer = Compare(table.stamp or "", operator, since)
        node = newer if node is None else All((newer, *needed(node)))
    records: Iterable[Record] = table.candidates(node)
    if table.lagging:
        records = _lagged(books, table, records)
    if node is None:
        return list(records)
    fold = books.assumptions.filter_ignores_case
    return [record for record in records if test(node, record, get, fold)]


def _meta(books: Books, page: int, size: int, total: int) -> Record:
    counts = books.assumptions.meta_counts
    pages = -(-total // size) if total else books.assumptions.pages_when_empty
    return {
        "CurrentPage": page,
        "PageSize": size,
        "TotalNumberOfPages": pages if counts else None,
        "TotalNumberOfResults": total if counts else None,
        "ServerTimeUtc": books.server_time(),
    }


def _page(books: Books, call: Call) -> tuple[int, int]:
    page = _whole(call, "$page", 1)
    size = _whole(call, "$pagesize", PAGE_SIZE)
    most = books.assumptions.page_size_limit
    if size > most:
        if books.assumptions.page_size_above_limit == "error":
            raise VismaError(QUERY_PARAMETER, f"$pagesize can be at most {most}.")
        size = most
    return page, size


def _whole(call: Call, name: str, default: int) -> int:
    raw = call.request.param(name)
    if raw is None:
        return default
    if not raw.isdecimal() or not raw.strip("0") or len(raw) > MAX_DIGITS:
        raise VismaError(QUERY_PARAMETER, f"{name} must be a whole number from 1.")
    return int(raw)


def _filter(books: Books, call: Call, table: Table) -> Node | None:
    raw = call.request.param("$filter")
    if raw is None or not raw.strip():
        return None
    try:
        node = parse(raw)
    except FilterDateError as error:
        raise VismaError(INVALID_INPUT, f"InvalidInput - {error} is not a date") from error
    except FilterSyntaxError as error:
        raise VismaError(QUERY_PARAMETER, f"QueryParameterError - {error}") from error
    allowed = books.assumptions.filterable.get(table.name)
    unknown = [path for path in paths(node) if allowed is not None and path not in allowed]
    if unknown:
        if books.assumptions.unsupported_filter == "ignored":
            return None
        raise VismaError(
            QUERY_PARAMETER,
            f"QueryParameterError - filtering on {unknown[0]} is not supported",
        )
    if books.assumptions.strict_literals and table.schema is not None:
        fields = table.schema.fields

        def kind_of(path: str) -> str:
            return fields[path].kind if path in fields else ""

        for comparison in comparisons(node):
            if comparison.path in fields and not fits(
                comparison, kind_of(comparison.path), kind_of
            ):
                raise VismaError(
                    QUERY_PARAMETER,
                    f"QueryParameterError - {comparison.path} and what it is compared with by "
                    f"'{comparison.operator}' are of different kinds in '{raw}'.",
                )
    return node


def parse_since(raw: str) -> str:
    """`modifiedSinceUtc` as the stamps are written; VismaError 6001 where it is no time."""
    try:
        return stamp_literal(raw)
    except FilterDateError as error:
        raise VismaError(INVALID_INPUT, f"InvalidInput - {raw} is not a date") from error


def _lagged(books: Books, table: Table, records: Iterable[Record]) -> list[Record]:
    now = books.server_time()
    for record_id in [key for key, (until, _) in table.lagging.items() if until <= now]:
        del table.lagging[record_id]
    found = []
    for record in records:
        held = table.lagging.get(record["Id"])
        if held is None:
            found.append(record)
        elif held[1] is not None:
            found.append(held[1])
    return found


def _ordered(
    books: Books,
    call: Call,
    table: Table,
    records: list[Record],
    get: Callable[[Record, str], Any],
) -> list[Record]:
    raw = call.request.param("$orderby")
    if not raw:
        return records
    name, _, direction = raw.strip().partition(" ")
    if table.schema is not None:
        known = {one for one, field in table.schema.fields.items() if field.kind in SCALARS}
    else:
        known = set(records[0]) if records else {name}
    if name not in known or direction.strip().lower() not in ("", "asc", "desc"):
        raise VismaError(QUERY_PARAMETER, f"QueryParameterError - cannot order by {raw}")

    def key(record: Record) -> tuple[bool, Any]:
        value = get(record, name)
        return ((value is not None) is first, 0 if value is None else value)

    first = books.assumptions.nulls_first

    return sorted(records, key=key, reverse=direction.strip().lower() == "desc")


def _selected(call: Call, rows: list[Record]) -> list[Record]:
    raw = call.request.param("$select")
    if not raw:
        return rows
    names = [name.strip() for name in raw.split(",") if name.strip()]
    if rows and not all(name in rows[0] for name in names):
        missing = next(name for name in names if name not in rows[0])
        raise VismaError(QUERY_PARAMETER, f"QueryParameterError - no property {missing}")
    return [{name: row[name] for name in names} for row in rows]
