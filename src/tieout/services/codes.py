"""
Codes of the books for whoever makes tables: what each means, and what of the CRM maps to it.

Beside them stands what the tables say of codes that no books have, and what the CRM says that no
table has.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tieout.core.compose import line_scope
from tieout.core.mapping.errors import MappingError, UnmappedValueError
from tieout.core.mapping.fields import ValueTable
from tieout.core.model import Code, Customer, Deal, ExternalRef
from tieout.core.policy import FieldRule
from tieout.core.scope import customer_scope, deal_scope
from tieout.settings.bridge import Configuration
from tieout.settings.compile import field_rules
from tieout.store import reference
from tieout.store.database import Tx
from tieout.store.postgres import PostgresStore
from tieout.store.reference import CodeSeen

HEADER = ("books", "kind", "code", "name", "active", "facts", "from_crm")
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRow:
    """
    A code: ``facts`` as `days 30`, ``from_crm`` the values of the CRM that the tables map to it.

    ``active`` is False for one that may not be used or is not there any more (``gone``).
    """

    books: str
    kind: str
    code: str
    name: str
    active: bool
    gone: bool = False
    facts: Mapping[str, Any]
    from_crm: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """A value of the CRM that a table lacks, and how many records have it."""

    kind: str
    table: str
    value: str
    records: int
    kept_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchCode:
    """
    A row of a table that leads to a code which no books of the bridge have. ``records``: how many
    of the CRM would get that code.
    """

    kind: str
    table: str
    value: str
    code: str
    records: int = 0
    kept_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesReport:
    """What was last read of the books, with what the tables make of it."""

    rows: tuple[CodeRow, ...]
    unmapped: tuple[Unmapped, ...] = ()
    nowhere: tuple[NoSuchCode, ...] = ()


async def codes(
    store: PostgresStore,
    configuration: Configuration,
    books: Sequence[str],
    kinds: Sequence[str] = (),
) -> CodesReport:
    """The codes of these books, of these kinds or of all."""
    seen = await store.do(lambda tx: reference.codes_of(tx, books, kinds))
    rules = field_rules(configuration)
    tables = {
        (kind_of(rule.target), rule.table): configuration.values[rule.table]
        for rule in (rule for group in rules for rule in group)
        if rule.table in configuration.values and kind_of(rule.target)
    }
    if kinds:
        tables = {key: table for key, table in tables.items() if key[0] in kinds}
    said = await _said(store, configuration.crm, rules)
    here = {key: n for key, n in said.items() if key[:2] in tables}
    missing = {key[:3]: n for key, n in here.items() if not key.mapped}
    return report(seen, tables, missing, {key[:3]: n for key, n in here.items() if key.mapped})


def kind_of(target: str) -> str:
    """The kind of code that a field of ours holds; '' for one that holds none."""
    if target.startswith("dimensions."):
        return target.partition(".")[2]
    return {"terms": "terms", "currency": "currency"}.get(target, "")


def report(
    seen: Sequence[CodeSeen],
    tables: Mapping[tuple[str, str], ValueTable],
    missing: Mapping[tuple[str, str, str], int],
    used: Mapping[tuple[str, str, str], int] | None = None,
) -> CodesReport:
    """
    Codes with the values that map to them; ``tables`` by kind and name, ``missing`` by kind, table
    and value, ``used`` by kind, table and code, each with the number of records that have it.
    """
    used = used or {}
    leading: dict[tuple[str, str], list[str]] = {}
    for (kind, _), table in tables.items():
        for value, code in table.rows.items():
            leading.setdefault((kind, _folded(code)), []).append(value)
    rows = tuple(
        CodeRow(
            books=one.connection,
            kind=one.code.kind,
            code=one.code.code,
            name=one.code.name,
            active=one.code.active and not one.gone,
            gone=one.gone,
            facts={name: fact for name, fact in one.code.facts.items() if fact not in (None, "")},
            from_crm=tuple(
                sorted({value for name in names_of(one.code) for value in leading.get(name, ())})
            ),
        )
        for one in seen
    )
    there = {name for one in seen if not one.gone for name in names_of(one.code)}
    # A kind that the books do not tell of cannot be held against a table.
    told = {kind for kind, _ in there}
    return CodesReport(
        rows=rows,
        unmapped=tuple(
            Unmapped(
                kind=kind,
                table=table,
                value=value,
                records=records,
                kept_in=tables[kind, table].where if (kind, table) in tables else "",
            )
            for (kind, table, value), records in sorted(missing.items())
        ),
        nowhere=tuple(
            NoSuchCode(
                kind=kind,
                table=name,
                value=value,
                code=code,
                records=used.get((kind, name, code), 0),
                kept_in=table.where,
            )
            for (kind, name), table in sorted(tables.items())
            for value, code in sorted(table.rows.items())
            if kind in told and (kind, _folded(code)) not in there
        ),
    )


def names_of(code: Code) -> set[tuple[str, str]]:
    """
    What a table may say for a code, with its kind: terms are found by name and id as well, since
    people know them so ("30 dagar netto"); all others by their code alone. Case does not count.
    """
    said = {code.code}
    if code.kind == "terms":
        said |= {code.name, str(code.facts.get("english") or ""), code.ref.id if code.ref else ""}
    return {(code.kind, _folded(one)) for one in said if one}


def _folded(said: str) -> str:
    return said.strip().casefold()


class _Said(NamedTuple):
    """What a table makes of a value of the CRM: its code, or the value itself where it has none."""

    kind: str
    table: str
    text: str
    mapped: bool


async def _said(
    store: PostgresStore, crm: str, rules: Sequence[Sequence[FieldRule]]
) -> Counter[_Said]:
    """What the tables make of every customer and every open or won deal."""
    of_customers, of_heads, of_lines = rules
    found: Counter[_Said] = Counter()
    after = ""
    while of_customers:
        page = await store.do(_customers(crm, after))
        if not page:
            break
        after = page[-1][0]
        for _, customer in page:
            seen = customer_scope(customer)
            found.update(_looked_up(of_customers, {"account": seen, "customer": seen}))
    after = ""
    while of_heads or of_lines:
        deals = await store.do(_deals(crm, after))
        if not deals:
            break
        after = deals[-1][0]
        buyers = await store.do(_buyers_of(crm, [deal for _, deal in deals]))
        for _, deal in deals:
            found.update(set(_of_deal(deal, buyers, of_heads, of_lines)))
    return found


def _customers(crm: str, after: str) -> Callable[[Tx], list[tuple[str, Customer]]]:
    return lambda tx: reference.customers_after(tx, crm, after, _PAGE)


def _deals(crm: str, after: str) -> Callable[[Tx], list[tuple[str, Deal]]]:
    return lambda tx: reference.deals_after(tx, crm, after, _PAGE)


def _buyers_of(crm: str, deals: Sequence[Deal]) -> Callable[[Tx], dict[str, Customer]]:
    ids = sorted({deal.customer.id for deal in deals if deal.customer is not None})
    return lambda tx: reference.customers_by_id(tx, crm, ids)


def _of_deal(
    deal: Deal,
    buyers: Mapping[str, Customer],
    of_heads: Sequence[FieldRule],
    of_lines: Sequence[FieldRule],
) -> Iterator[_Said]:
    buyer: ExternalRef | None = deal.customer
    scope = deal_scope(deal, buyers.get(buyer.id) if buyer is not None else None)
    yield from _looked_up(of_heads, scope)
    for line in deal.lines:
        yield from _looked_up(of_lines, {**scope, "line": line_scope(line)})


def _looked_up(rules: Sequence[FieldRule], scope: Mapping[str, object]) -> Iterator[_Said]:
    for rule in rules:
        kind = kind_of(rule.target)
        if not kind or not rule.table:
            continue
        try:
            code = rule.value(scope)
        except UnmappedValueError as error:
            yield _Said(kind, error.table, error.value, mapped=False)
        except MappingError:
            # What is wrong with the rule itself is said where it is used.
            continue
        else:
            if code not in (None, ""):
                yield _Said(kind, rule.table, str(code), mapped=True)


def facts_text(facts: Mapping[str, Any]) -> str:
    """`days 30`, `rate 0.25`: what a code means, in one line."""
    return ", ".join(f"{name} {fact_text(value)}" for name, value in sorted(facts.items()))


def fact_text(value: Any) -> str:
    """A fact as it is written: a number without an exponent, true and false in small letters."""
    from tieout.core.mapping import to_text

    counted = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if counted else to_text(value)


def csv_text(found: CodesReport) -> str:
    """The codes for a spreadsheet; texts that it would take for a formula are quoted."""
    from tieout.report.csv import plain_text

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in found.rows:
        writer.writerow(
            (
                plain_text(row.books),
                plain_text(row.kind),
                plain_text(row.code),
                plain_text(row.name),
                "yes" if row.active else "no",
                plain_text(facts_text(row.facts)),
                plain_text("; ".join(row.from_crm)),
            )
        )
    return stream.getvalue()
