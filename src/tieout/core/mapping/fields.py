"""A mapping as a consultant reads it: target field, expression, table, owner, mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from tieout.core.mapping.errors import MappingError
from tieout.core.mapping.expr import Const, Expr, Filter, paths, tables


class Owner(StrEnum):
    """Whose word counts for a field."""

    CRM = "crm"
    BOOKS = "books"
    LATEST = "latest"
    MANUAL = "manual"


class Mode(StrEnum):
    """How a field is written on the other side."""

    OVERWRITE = "overwrite"
    IF_EMPTY = "if_empty"
    CREATE_ONLY = "create_only"
    APPEND = "append"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueTable:
    """
    Code to code: what a value of one side is called on the other.

    With `loose`, upper and lower case and blanks around and inside a value make no difference.
    Raises MappingError if two rows would then answer the same value in two ways. ``kept_in`` is
    where a person finds it, '' in a file of its own.
    """

    name: str
    rows: Mapping[str, str] = field(hash=False)
    loose: bool = False
    kept_in: str = field(default="", compare=False)
    _index: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, str] = {}
        for source, target in self.rows.items():
            key = fold(source) if self.loose else source
            if index.setdefault(key, target) != target:
                raise MappingError(
                    f'table {self.name} answers "{source}" in two ways: '
                    f'"{index[key]}" and "{target}"'
                )
        object.__setattr__(self, "rows", MappingProxyType(dict(self.rows)))
        object.__setattr__(self, "_index", index)

    @property
    def where(self) -> str:
        """Where a person finds it and adds to it: `tables/terms.csv`."""
        return self.kept_in or file_of_table(self.name)

    def get(self, value: str) -> str | None:
        """The other side's word for this value, or None if no row has it."""
        return self._index.get(fold(value) if self.loose else value)


def file_of_table(name: str) -> str:
    """The file of a table that has one: `tables/terms.csv`."""
    return f"tables/{name}.csv"


def fold(value: str) -> str:
    """The value as a loose table compares it: case folded, runs of blanks made one."""
    return " ".join(value.casefold().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """One row of a mapping: where a target field comes from, and who may write it when."""

    target: str
    source: Expr
    table: str | None = None
    owner: Owner = Owner.CRM
    mode: Mode = Mode.OVERWRITE

    @property
    def expr(self) -> Expr:
        """What gives the target's value: the source, looked up in the table if one is named."""
        if self.table is None:
            return self.source
        return Filter(name="lookup", operand=self.source, args=(Const(value=self.table),))

    @property
    def paths(self) -> frozenset[str]:
        """The source fields that have to be read for it."""
        return paths(self.source)

    @property
    def tables(self) -> frozenset[str]:
        """The tables that it needs."""
        return tables(self.expr)
