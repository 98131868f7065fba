"""What a SOQL statement says, before it is held against an org's objects."""

from __future__ import annotations

from dataclasses import dataclass

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
PASS_THROUGH = frozenset({"TOLABEL", "CONVERTCURRENCY", "FORMAT", "CONVERTTIMEZONE"})
DATE_FUNCTIONS = (
    "CALENDAR_YEAR",
    "CALENDAR_QUARTER",
    "CALENDAR_MONTH",
    "FISCAL_YEAR",
    "FISCAL_QUARTER",
    "FISCAL_MONTH",
    "DAY_IN_MONTH",
    "DAY_IN_WEEK",
    "DAY_IN_YEAR",
    "WEEK_IN_YEAR",
    "WEEK_IN_MONTH",
    "HOUR_IN_DAY",
    "DAY_ONLY",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A field, perhaps through parents: `Account.Owner.Name`. `at` is (row, column) from 1."""

    names: tuple[str, ...]
    at: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function, its name in upper case: `COUNT(Id)`, `COUNT()`, `CALENDAR_YEAR(CloseDate)`."""

    function: str
    argument: Path | Call | None
    at: tuple[int, int]


Expression = Path | Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A value as written. `kind`: string, number, boolean, null, date, datetime, relative,
    currency; `text` is without quotes and escapes, `pattern` the same for LIKE: `\\%`, `\\_` and
    `\\\\` still stand in it."""

    kind: str
    text: str
    at: tuple[int, int]
    pattern: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """`left op right`; op is one of = != < <= > >= like."""

    left: Expression
    op: str
    right: Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class InList:
    """`left IN (...)`, or INCLUDES when `multi`; `negated` for NOT IN and EXCLUDES."""

    left: Expression
    values: tuple[Literal, ...]
    negated: bool
    multi: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InQuery:
    """`left IN (SELECT ...)`."""

    left: Expression
    query: Query
    negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Logic:
    """`op` is and, or, not."""

    op: str
    parts: tuple[Condition, ...]


Condition = Compare | InList | InQuery | Logic


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing selected."""

    expression: Expression
    alias: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsGroup:
    """`FIELDS(ALL)`, STANDARD or CUSTOM."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One key of ORDER BY."""

    expression: Expression
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A whole statement, or the inner one of a subquery."""

    select: tuple[Item | FieldsGroup | Query, ...]
    source: Path
    alias: str | None = None
    where: Condition | None = None
    group: tuple[Expression, ...] = ()
    having: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
    all_rows: bool = False
