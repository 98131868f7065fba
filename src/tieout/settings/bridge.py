"""
A bridge's configuration: `tieout.yaml` with the tables beside it, read, checked and named.

A `Configuration` is complete and right: each expression in it was parsed, each table that it
names is there. What is wrong is told all at once, as problems with places.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tieout.core.digest import digest
from tieout.core.errors import ConfigurationError
from tieout.core.mapping import ValueTable
from tieout.core.policy import FlowMode
from tieout.settings.bridge_canonical import canonical
from tieout.settings.bridge_file import BridgeFile, bridge_schema
from tieout.settings.bridge_rules import rule_problems
from tieout.settings.bridge_written import Written, written_in
from tieout.settings.problems import Problem, problem_at, render_problems
from tieout.settings.tables import parse_table
from tieout.settings.text import decode
from tieout.settings.validate import validate
from tieout.settings.yaml_file import Located, load_file, parse_yaml

__all__ = [
    "FILE",
    "TABLES",
    "Configuration",
    "bridge_schema",
    "load_bridge",
    "read_bridge",
    "sources",
    "summary",
    "table_text",
]

FILE: Final = "tieout.yaml"
TABLES: Final = "tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """
    One bridge as it was configured.

    ``body`` and ``tables`` (the texts of the CSV files by table name) are what is stored as a
    version; ``digest`` changes exactly when the meaning does, not with comments, notes, order of
    keys, or a table that moves into its own file. ``values`` are all tables, ready for look-ups.
    """

    name: str
    crm: str
    books: tuple[str, ...]
    body: str = field(repr=False)
    tables: Mapping[str, str] = field(repr=False)
    digest: str
    model: BridgeFile = field(repr=False)
    values: Mapping[str, ValueTable] = field(repr=False, compare=False)
    written: Mapping[tuple[str, ...], Written] = field(repr=False, compare=False)
    tree: Located = field(repr=False, compare=False)

    @classmethod
    def from_stored(cls, body: str, tables: Mapping[str, str | Mapping[str, str]]) -> Configuration:
        """
        The configuration of a stored version; a table is its file's text, or its rows.

        Raises ConfigurationError where this version of the program does not understand it.
        """
        texts = {
            name: table if isinstance(table, str) else table_text(table)
            for name, table in tables.items()
        }
        found = read_bridge(body, texts)
        if isinstance(found, list):
            raise ConfigurationError(
                f"the stored configuration is not understood:\n{render_problems(found)}",
                code="configuration_not_understood",
                hint="Correct tieout.yaml and publish it.",
            )
        return found


def load_bridge(
    folder: Path, *, sleep: Callable[[float], None] = time.sleep
) -> Configuration | list[Problem]:
    """
    The configuration in a project's folder, or everything that is wrong with it.

    A file that is being written just now is read again after `sleep`.
    """
    tree = load_file(folder / FILE, sleep=sleep, name=FILE)
    files: dict[str, bytes] = {}
    problems = list(tree) if isinstance(tree, list) else []
    for path in _table_files(folder):
        try:
            files[path.stem] = path.read_bytes()
        except OSError as error:
            message = f"the file cannot be read: {(error.strerror or 'no reason given').lower()}"
            problems.append(
                Problem(code="file_unreadable", file=_file_of(path.stem), message=message)
            )
    return _configuration(None if isinstance(tree, list) else tree, files, problems)


def named_in(folder: Path) -> tuple[str, list[Written]] | None:
    """
    The CRM and the expressions of a file that may be wrong elsewhere, so that one look shows all
    that is wrong with it; None where it cannot be read as YAML or names no CRM.
    """
    tree = load_file(folder / FILE, sleep=lambda _: None, name=FILE)
    crm = None if isinstance(tree, list) else tree.find("crm")
    if isinstance(tree, list) or crm is None or not crm.text:
        return None
    return crm.text, list(written_in(tree, []).values())


def sources(folder: Path, problems: Iterable[Problem]) -> dict[str, str]:
    """The texts of the files that problems are in, for showing lines; none for what is no text."""
    found: dict[str, str] = {}
    for name in sorted({problem.file for problem in problems}):
        try:
            text = decode((folder / name).read_bytes(), name)
        except OSError:
            continue
        if isinstance(text, str):
            found[name] = text
    return found


def read_bridge(body: str, tables: Mapping[str, str]) -> Configuration | list[Problem]:
    """The configuration of these texts, or everything that is wrong with them."""
    tree = parse_yaml(body, file=FILE)
    files = {name: text.encode() for name, text in tables.items()}
    problems = list(tree) if isinstance(tree, list) else []
    return _configuration(None if isinstance(tree, list) else tree, files, problems)


def table_text(rows: Mapping[str, str]) -> str:
    """Rows as the text of a table's file, sorted, so that equal rows give equal texts."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("from", "to"))
    writer.writerows(sorted(rows.items()))
    return stream.getvalue()


def summary(configuration: Configuration) -> str:
    """`1 bridge, 4 flows, 31 fields`: what runs and what is mapped, for a line that says valid."""
    flows = configuration.model.flows
    modes = (
        flows.customers.mode,
        flows.documents.mode,
        flows.status.mode,
        flows.items.mode,
        flows.invoices.mode,
        flows.contacts.mode,
        flows.reference.mode,
    )
    running = 1 + sum(mode is not FlowMode.OFF for mode in modes)
    fields = sum(written.key[0] == "mapping" for written in configuration.written.values())
    return f"1 bridge, {running} flow{'s' * (running != 1)}, {fields} field{'s' * (fields != 1)}"


# --- putting it together -------------------------------------------------------------------------


def _table_files(folder: Path) -> list[Path]:
    try:
        found = [path for path in (folder / TABLES).iterdir() if path.suffix.lower() == ".csv"]
    except OSError:
        # No folder, no tables; one that is named in the file is then missed there, with its place.
        return []
    return sorted(found)


def _file_of(table: str) -> str:
    return f"{TABLES}/{table}.csv"


def _configuration(
    tree: Located | None, files: Mapping[str, bytes], problems: list[Problem]
) -> Configuration | list[Problem]:
    texts, from_files = _read_tables(files, problems)
    if tree is None:
        return _in_order(problems)
    model = validate(BridgeFile, tree)
    if isinstance(model, list):
        problems += model
    written = written_in(tree, problems)
    values = _with_inline(tree, from_files, problems)
    known = {*files, *values}
    problems += rule_problems(tree, None if isinstance(model, list) else model, written, known)
    if problems or isinstance(model, list):
        return _in_order(problems)
    return Configuration(
        name=model.bridge,
        crm=model.crm,
        books=tuple(book.connection for book in model.books),
        body=tree.document.text,
        tables=MappingProxyType(texts),
        digest=digest(canonical(model, written, values)),
        model=model,
        values=MappingProxyType(values),
        written=MappingProxyType(written),
        tree=tree,
    )


def _read_tables(
    files: Mapping[str, bytes], problems: list[Problem]
) -> tuple[dict[str, str], dict[str, ValueTable]]:
    texts: dict[str, str] = {}
    tables: dict[str, ValueTable] = {}
    for name, data in files.items():
        text = decode(data, _file_of(name))
        table = parse_table(data, name=name, file=_file_of(name))
        if isinstance(table, list):
            problems += table
        elif isinstance(text, str):
            texts[name] = text
            tables[name] = table
    return texts, tables


def _with_inline(
    tree: Located, from_files: Mapping[str, ValueTable], problems: list[Problem]
) -> dict[str, ValueTable]:
    """All tables; a value that stands in both places would be one that nobody finds twice."""
    rows: dict[str, dict[str, str]] = {name: dict(table.rows) for name, table in from_files.items()}
    inline = tree.find("tables")
    for name, entry in (inline.entries if inline is not None else {}).items():
        into = rows.setdefault(name, {})
        filed = from_files.get(name)
        for source, cell in entry.value.entries.items():
            if filed is not None and filed.get(source) is not None:
                problems.append(
                    problem_at(
                        tree.document.place(cell.key.start),
                        "table_duplicate",
                        f'"{source}" stands in {_file_of(name)} already.',
                        key=("tables", name, source),
                        value=source,
                    )
                )
            # As it was written: 007 and 1.50 are codes, not numbers.
            into[source] = cell.value.text
    return {
        name: ValueTable(
            name=name,
            rows=found,
            kept_in="" if name in from_files else f"tables.{name} of tieout.yaml",
        )
        for name, found in sorted(rows.items())
    }


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    unique: dict[Any, Problem] = {}
    for problem in problems:
        # Of two that stand at one spot without a value, the first says it all.
        what = problem.message if problem.value else ""
        unique.setdefault((problem.file, problem.line, problem.column, what), problem)
    return sorted(unique.values(), key=lambda problem: (problem.file, problem.line, problem.column))
