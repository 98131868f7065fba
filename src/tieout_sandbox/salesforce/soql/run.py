"""Answers to statements: which rows, in which order, and how each is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.schema import Field, ObjectType
from tieout_sandbox.salesforce.soql.bind import Binder, Bound, value_getter
from tieout_sandbox.salesforce.soql.having import Having, folded
from tieout_sandbox.salesforce.soql.parse import fault, parse
from tieout_sandbox.salesforce.soql.syntax import (
    AGGREGATES,
    Call,
    Expression,
    FieldsGroup,
    Item,
    Order,
    Path,
    Query,
)
from tieout_sandbox.salesforce.soql.where import Test, Where, narrow, refuse_conversion, semi_joins
from tieout_sandbox.salesforce.values import Row, Value, plain, to_scale

if TYPE_CHECKING:
    from tieout_sandbox.salesforce.org import Org

Record = dict[str, Any]
Show = Callable[[Row], Any]
MAX_OFFSET = 2000
MAX_SEMI_JOINS = 2
MAX_FIELDS_LIMIT = 200
_NO_TYPE = (
    "sObject type '{name}' is not supported. If you are attempting to use a custom object, be "
    "sure to append the '__c' after the entity name. Please reference your WSDL or the describe "
    "call for the appropriate names."
)
_NO_CHILDREN = (
    "Didn't understand relationship '{name}' in FROM part of query call. If you are attempting "
    "to use a custom relationship, be sure to append the '__r' after the custom relationship "
    "name. Please reference your WSDL or the describe call for the appropriate names."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a statement gives. Rows are shown only when their page is asked for: `ids` are fixed
    by the query, `show` reads the row as it stands then. Aggregates come ready in `records`."""

    total: int
    ids: list[str] | None = None
    show: Show | None = None
    records: list[Record] | None = None
    wide: bool = False

    def page(self, org: Org, kind: str, start: int, size: int) -> list[Record]:
        """The records from that position on, at most so many; rows gone for good are left out."""
        if self.ids is None or self.show is None:
            return (self.records or [])[start : start + size]
        rows = org.tables[kind].rows
        show = self.show
        return [show(rows[i]) for i in self.ids[start : start + size] if i in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A statement bound to the org, ready to run."""

    kind: ObjectType
    run: Callable[[], Answer]


def prepare(org: Org, statement: str, version: str, *, deleted_too: bool = False) -> Prepared:
    """Reads and binds a statement; SalesforceError where it does not fit the org."""
    query = parse(statement)
    return _Plan(org, statement, version, deleted_too or query.all_rows).top(query)


class _Plan:
    """Binds one statement with its inner ones."""

    def __init__(self, org: Org, statement: str, version: str, deleted_too: bool) -> None:
        self.org = org
        self.statement = statement
        self.base = f"/services/data/v{version}/sobjects"
        self.deleted_too = deleted_too

    def top(self, query: Query) -> Prepared:
        binder = self._binder(query)
        _check_bounds(query)
        self._check_form(query)
        if _is_count(query):
            return Prepared(
                kind=binder.kind,
                run=lambda: Answer(total=len(self._rows(query, binder)), records=[]),
            )
        if query.group or any(_is_aggregate(item) for item in query.select):
            groups = _Groups(binder, query, self.statement)
            return Prepared(kind=binder.kind, run=lambda: self._aggregate(query, binder, groups))
        show = self._shown(query, binder)
        wide = _is_wide(query, binder.kind)

        def run() -> Answer:
            ids = [str(row["Id"]) for row in self._rows(query, binder)]
            return Answer(total=len(ids), ids=ids, show=show, wide=wide)

        return Prepared(kind=binder.kind, run=run)

    def _check_form(self, query: Query) -> None:
        """What reads well and is refused all the same."""
        joins = semi_joins(query.where)
        if len(joins) > MAX_SEMI_JOINS:
            text = f"Maximum {MAX_SEMI_JOINS} semi join sub-selects are allowed"
            raise fault("MALFORMED_QUERY", text, joins[MAX_SEMI_JOINS].left.at, self.statement)
        if query.group and any(map(_is_bare_count, query.select)):
            text = "Grouped query cannot use COUNT() without a field"
            raise fault("MALFORMED_QUERY", text, query.group[0].at, self.statement)
        if query.group or any(map(_is_aggregate, query.select)):
            return
        for item in query.select:
            if isinstance(item, Item) and item.alias and isinstance(item.expression, Path):
                text = "only aggregate expressions use field aliasing"
                raise fault("MALFORMED_QUERY", text, item.expression.at, self.statement)

    def _binder(self, query: Query) -> Binder:
        name = query.source.names[0]
        kind = self.org.visible(name)
        if kind is None or len(query.source.names) > 1:
            text = _NO_TYPE.format(name=".".join(query.source.names))
            raise fault("INVALID_TYPE", text, query.source.at, self.statement)
        return Binder(self.org, kind, query.alias, self.statement)

    # Which rows.

    def _rows(self, query: Query, binder: Binder) -> list[Row]:
        """The rows of a statement in its order, within its limit and offset."""
        narrowed = narrow(binder, query.where)
        table = self.org.tables[binder.kind.name]
        ordered = _is_stamp_order(query.order, binder)
        if narrowed.ids is not None:
            candidates: Iterable[Row] = map(table.rows.__getitem__, narrowed.ids)
            ordered = ordered and narrowed.in_stamp_order
        elif ordered:
            candidates = map(table.rows.__getitem__, table.ids_in_stamp_order())
        else:
            candidates = table.rows.values()
        rows = self._kept(candidates, bool(table.deleted), narrowed.rest, binder)
        if query.order and not ordered:
            _sort(rows, query.order, binder)
        return _cut(rows, query)

    def _kept(
        self, candidates: Iterable[Row], deleted: bool, rest: Any, binder: Binder
    ) -> list[Row]:
        if deleted and not self.deleted_too:
            candidates = (row for row in candidates if not row.get("IsDeleted"))
        unseen = self.org.out_of_sight()
        if unseen:
            candidates = (row for row in candidates if row["Id"] not in unseen)
        if rest is None:
            return list(candidates)
        test = self._where(binder).test(rest)
        return [row for row in candidates if test(row)]

    def _where(self, binder: Binder) -> Where:
        return Where(binder, self._values_of)

    def _values_of(self, query: Query) -> set[Value]:
        """The values that a semi-join's query selects."""
        binder = self._binder(query)
        first = query.select[0]
        if len(query.select) != 1 or not isinstance(first, Item):
            raise SalesforceError(
                "MALFORMED_QUERY", "Semi join sub-selects must select exactly one field"
            )
        get = binder.expression(first.expression).get
        return {get(row) for row in self._rows(query, binder)} - {None}

    # How a row is shown.

    def _shown(self, query: Query, binder: Binder) -> Show:
        tree = _Node(binder.kind.name)
        chosen: set[str] = set()
        for item in query.select:
            if isinstance(item, Item) and isinstance(item.expression, Path):
                self._check_once(item.expression, binder, chosen)
            if isinstance(item, Query):
                name, show = self._children(item, binder)
                tree.entries[name] = show
            elif isinstance(item, FieldsGroup):
                for found in _group_fields(item, query, binder.kind):
                    tree.entries[found.name] = binder.path(Path(names=(found.name,), at=(1, 1))).get
            else:
                self._enter(tree, item, binder)
        return tree.compiled(binder, self.base, self.org)

    def _check_once(self, path: Path, binder: Binder, chosen: set[str]) -> None:
        name = ".".join(binder.own(path)).lower()
        if name in chosen:
            text = f"duplicate field selected: {'.'.join(path.names)}"
            raise fault("INVALID_FIELD", text, path.at, self.statement)
        chosen.add(name)

    def _enter(self, tree: _Node, item: Item, binder: Binder) -> None:
        bound = binder.expression(item.expression)
        if isinstance(item.expression, Call):
            tree.entries[item.alias or bound.field.name] = bound.get
            return
        node = tree
        for step in bound.steps:
            node = node.parent(step)
        alone = binder.path(item.expression) if not bound.steps else None
        node.entries[bound.field.name] = alone.get if alone else _own_getter(bound, self.org)

    def _children(self, query: Query, above: Binder) -> tuple[str, Show]:
        names = above.own(query.source)
        child = above.kind.child(names[0])
        kind = self.org.visible(child.object) if child else None
        if child is None or kind is None or kind.find(child.field) is None:
            text = _NO_CHILDREN.format(name=names[0])
            raise fault("INVALID_TYPE", text, query.source.at, self.statement)
        binder = Binder(self.org, kind, query.alias or names[0], self.statement)
        if query.group or any(map(_is_aggregate, query.select)):
            text = "only root queries support aggregate expressions"
            raise fault("MALFORMED_QUERY", text, query.source.at, self.statement)
        show = self._shown(query, binder)
        test: Test | None = self._where(binder).test(query.where) if query.where else None
        table = self.org.tables[kind.name]
        link = child.field
        deleted_too, org = self.deleted_too, self.org

        def read(row: Row) -> Any:
            found = table.find(link, row["Id"]) if deleted_too else table.find_live(link, row["Id"])
            unseen = org.out_of_sight()
            rows = [
                each for each in found if each["Id"] not in unseen and (test is None or test(each))
            ]
            if query.order:
                _sort(rows, query.order, binder)
            rows = _cut(rows, query)
            if not rows:
                return None
            return {"totalSize": len(rows), "done": True, "records": [show(each) for each in rows]}

        assert child.name is not None
        return child.name, read

    def _aggregate(self, query: Query, binder: Binder, groups: _Groups) -> Answer:
        plain = Query(select=query.select, source=query.source, where=query.where)
        records = groups.records(self._rows(plain, binder), self._where(binder))
        records = _cut(records, query)
        return Answer(total=len(records), records=records)


class _Node:
    """The fields to show of one object, and of the parents below it, in the order asked for."""

    def __init__(self, kind: str, step: Field | None = None) -> None:
        self.kind = kind
        self.step = step
        self.entries: dict[str, Show | _Node] = {}

    def parent(self, step: Field) -> _Node:
        name = step.relation or step.name
        found = self.entries.get(name)
        if not isinstance(found, _Node):
            kind = step.targets[0] if len(step.targets) == 1 else "Name"
            found = self.entries[name] = _Node(kind, step)
        return found

    def compiled(self, binder: Binder, base: str, org: Org) -> Show:
        entries: list[tuple[str, Show]] = []
        for name, entry in self.entries.items():
            if isinstance(entry, _Node):
                assert entry.step is not None
                inner = entry.compiled(binder, base, org)
                entries.append((name, _shown_parent(binder.parent_rows(entry.step), inner)))
            else:
                entries.append((name, entry))
        kind = self.kind

        def show(row: Row) -> Record:
            own = org.kind_of(str(row["Id"])).name if kind == "Name" else kind
            found: Record = {"attributes": {"type": kind, "url": f"{base}/{own}/{row['Id']}"}}
            for name, get in entries:
                found[name] = get(row)
            return found

        return show


def _shown_parent(parent: Callable[[Row], Row | None], show: Show) -> Show:
    def read(row: Row) -> Any:
        above = parent(row)
        return None if above is None else show(above)

    return read


def _own_getter(bound: Bound, org: Org) -> Show:
    """The reader of a bound field from its own row, without the way through its parents."""
    if len(bound.steps[-1].targets) > 1:
        special: dict[str, Show] = {
            "Name": org.name_of,
            "Type": lambda row: org.kind_of(str(row["Id"])).name,
        }
        return special.get(bound.field.name, lambda row: row.get("Id"))
    return value_getter(bound.field)


class _Groups:
    """GROUP BY with its aggregates, HAVING and ORDER BY."""

    def __init__(self, binder: Binder, query: Query, statement: str) -> None:
        self._binder = binder
        self._query = query
        self._statement = statement
        self._keys = [self._key(expression) for expression in query.group]
        self._columns: list[tuple[str, Callable[[list[Row]], Any]]] = []
        self._names: dict[str, int] = {}
        unnamed = 0
        for item in query.select:
            if not isinstance(item, Item):
                raise SalesforceError("MALFORMED_QUERY", "Grouped query cannot have a subquery")
            name = item.alias
            if name is None and isinstance(item.expression, Path):
                name = binder.path(item.expression).field.name
            if name is None:
                name, unnamed = f"expr{unnamed}", unnamed + 1
            self._columns.append((name, self._column(item.expression)))

    def _key(self, expression: Expression) -> Bound:
        bound = self._binder.expression(expression)
        if isinstance(expression, Path) and not bound.field.grouped:
            text = f"field '{bound.field.name}' can not be grouped in a query call"
            raise fault("MALFORMED_QUERY", text, expression.at, self._statement)
        return bound

    def records(self, rows: list[Row], where: Where) -> list[Record]:
        """One record per group, in order."""
        groups: dict[tuple[Value, ...], list[Row]] = {}
        if not self._keys:
            groups[()] = rows
        for row in rows if self._keys else ():
            groups.setdefault(tuple(key.get(row) for key in self._keys), []).append(row)
        kept = list(groups.values())
        if self._query.having is not None:
            having = Having(self._column, self._statement)
            kept = [group for group in kept if having.test(self._query.having, group)]
        for order in reversed(self._query.order):
            column = self._column(order.expression)
            kept.sort(key=_rank(column, order), reverse=order.descending)
        return [
            {"attributes": {"type": "AggregateResult"}}
            | {name: column(group) for name, column in self._columns}
            for group in kept
        ]

    def _column(self, expression: Expression) -> Callable[[list[Row]], Any]:
        if isinstance(expression, Call) and expression.function in AGGREGATES:
            return self._aggregate(expression)
        bound = self._binder.expression(expression)
        grouped = any(_same(expression, key) for key in self._query.group)
        if not grouped:
            text = f"Field must be grouped or aggregated: {bound.field.name}"
            raise fault("MALFORMED_QUERY", text, expression.at, self._statement)
        get = bound.get
        return lambda group: get(group[0])

    def _aggregate(self, call: Call) -> Callable[[list[Row]], Any]:
        if call.argument is None:
            return len
        bound = self._binder.expression(call.argument)
        if call.function in ("SUM", "AVG") and bound.kind not in (
            "currency",
            "double",
            "percent",
            "int",
        ):
            text = f"field {bound.field.name} does not support aggregate operator {call.function}"
            raise fault("MALFORMED_QUERY", text, call.argument.at, self._statement)
        if bound.kind == "currency" and self._binder.org.multi_currency:
            # Amounts of several currencies meet in the corporate one.
            return _rounded(
                aggregate(call.function, replace(bound, get=self._binder.corporate(bound))),
                bound.field.scale,
            )
        return aggregate(call.function, bound)


def _rounded(reduce: Callable[[list[Row]], Any], scale: int) -> Callable[[list[Row]], Any]:
    def rounded(group: list[Row]) -> Any:
        found = reduce(group)
        return to_scale(found, scale) if isinstance(found, Decimal) else found

    return rounded


def aggregate(function: str, bound: Bound) -> Callable[[list[Row]], Any]:
    """The reduction of a group's rows; null where there is no value to reduce."""
    get = bound.get

    def values(group: list[Row]) -> list[Any]:
        return [value for row in group if (value := get(row)) is not None]

    if function == "COUNT":
        return lambda group: len(values(group))
    if function == "COUNT_DISTINCT":
        return lambda group: len({folded(value) for value in values(group)})
    if function == "SUM":
        return lambda group: sum(found) if (found := values(group)) else None
    if function == "AVG":
        return lambda group: (
            plain(to_scale(sum(found) / len(found), 10)) if (found := values(group)) else None
        )
    pick = min if function == "MIN" else max
    return lambda group: pick(found) if (found := values(group)) else None


def _as_is(value: Any) -> Any:
    return value


def _rank(
    get: Callable[[Any], Any], order: Order, key: Callable[[Any], Any] = folded
) -> Callable[[Any], tuple[int, Any]]:
    """A sort key with nulls at the end asked for, whichever way the sort then goes."""
    null_rank = 1 if order.nulls_last is not order.descending else -1

    def rank(item: Any) -> tuple[int, Any]:
        value = get(item)
        return (null_rank, 0) if value is None else (0, key(value))

    return rank


def _sort(rows: list[Row], orders: tuple[Order, ...], binder: Binder) -> None:
    for order in reversed(orders):
        bound = binder.expression(order.expression)
        refuse_conversion(binder, order.expression)
        by_worth = bound.kind == "currency" and binder.org.multi_currency
        if not bound.field.compared:
            text = f"field '{bound.field.name}' can not be sorted in a query call"
            raise fault("INVALID_FIELD", text, order.expression.at, binder.statement)
        get = binder.corporate(bound) if by_worth else bound.get
        exact = bound.kind in ("id", "reference", "date", "datetime")
        rank = _rank(get, order, _as_is if exact else folded)
        rows.sort(key=rank, reverse=order.descending)


def _is_stamp_order(orders: tuple[Order, ...], binder: Binder) -> bool:
    """Whether the order is that of the index: SystemModstamp, then Id."""
    names = [
        ".".join(binder.own(order.expression)).lower()
        for order in orders
        if isinstance(order.expression, Path) and not order.descending
    ]
    return len(names) == len(orders) and names in (["systemmodstamp"], ["systemmodstamp", "id"])


def _cut(rows: list[Any], query: Query) -> list[Any]:
    start = query.offset or 0
    if query.limit is None:
        return rows[start:] if start else rows
    return rows[start : start + query.limit]


def _check_bounds(query: Query) -> None:
    if query.offset is not None and query.offset > MAX_OFFSET:
        raise SalesforceError(
            "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}"
        )


def _is_count(query: Query) -> bool:
    return len(query.select) == 1 and not query.group and _is_bare_count(query.select[0])


def _is_bare_count(item: Item | FieldsGroup | Query) -> bool:
    return (
        isinstance(item, Item)
        and isinstance(item.expression, Call)
        and item.expression.function == "COUNT"
        and item.expression.argument is None
    )


def _is_aggregate(item: Item | FieldsGroup | Query) -> bool:
    return (
        isinstance(item, Item)
        and isinstance(item.expression, Call)
        and item.expression.function in AGGREGATES
    )


def _is_wide(query: Query, kind: ObjectType) -> bool:
    """Whether two or more long text fields are selected, which makes pages short."""
    names: set[str] = set()
    for item in query.select:
        if isinstance(item, Item) and isinstance(item.expression, Path):
            names.add(item.expression.names[-1])
        elif isinstance(item, FieldsGroup):
            names.update(kind.fields)
    long = [name for name in names if (f := kind.find(name)) and f.length > 4000 and f.custom]
    return len(long) >= 2


def _group_fields(item: FieldsGroup, query: Query, kind: ObjectType) -> list[Field]:
    if item.group not in ("ALL", "STANDARD", "CUSTOM"):
        raise SalesforceError("MALFORMED_QUERY", f"FIELDS() does not take {item.group}")
    if item.group != "STANDARD" and (query.limit is None or query.limit > MAX_FIELDS_LIMIT):
        raise SalesforceError(
            "MALFORMED_QUERY",
            f"The SOQL FIELDS function must have a LIMIT of at most {MAX_FIELDS_LIMIT}",
        )
    wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}[item.group]
    return [found for found in kind.fields.values() if found.custom in wanted]


def _same(left: Expression, right: Expression) -> bool:
    if isinstance(left, Path) and isinstance(right, Path):
        return [n.lower() for n in left.names] == [n.lower() for n in right.names]
    if isinstance(left, Call) and isinstance(right, Call):
        if left.function != right.function:
            return False
        return left.argument is None or (
            right.argument is not None and _same(left.argument, right.argument)
        )
    return False
