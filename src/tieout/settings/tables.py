"""
Tables of values: CSV files with the columns `from`, `to` and, for people, `note`.

They are what finance edits in a spreadsheet, so both separators are taken, and every mistake
is reported at once with the line, the column and what stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tieout.core.mapping import ValueTable, fold
from tieout.settings.problems import Problem, did_you_mean, problem_at
from tieout.settings.text import Document, decode

COLUMNS: Final = ("from", "to", "note")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text and where it begins in the file's text."""

    text: str
    offset: int


def load_table(
    path: Path, *, name: str, file: str, loose: bool = False
) -> ValueTable | list[Problem]:
    """The table in a CSV file, or all problems in it; `file` is the name that people know."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [Problem(code="file_missing", file=file, message="there is no such file")]
    except OSError as error:
        message = f"the file cannot be read: {(error.strerror or 'no reason given').lower()}"
        return [Problem(code="file_unreadable", file=file, message=message)]
    return parse_table(data, name=name, file=file, loose=loose)


def parse_table(
    data: bytes, *, name: str, file: str, loose: bool = False
) -> ValueTable | list[Problem]:
    """The table in these bytes, or all problems in them."""
    text = decode(data, file)
    if isinstance(text, Problem):
        return [text]
    reader = _TableReader(Document(file, text), loose=loose)
    rows = reader.read()
    return reader.problems or ValueTable(name=name, rows=rows, loose=loose)


class _TableReader:
    def __init__(self, document: Document, *, loose: bool) -> None:
        self.document = document
        self.loose = loose
        self.problems: list[Problem] = []
        self.columns: list[str] = []

    def read(self) -> dict[str, str]:
        zero = self.document.text.find("\0")
        if zero >= 0:
            self._wrong(Cell("", zero), "table_row", "a zero byte stands here, which is no text.")
            return {}
        lines = self._lines()
        header = next(lines, None)
        if header is None:
            self._wrong(Cell("", 0), "table_header", f"the file is empty. {_HEADER_HINT}")
            return {}
        if not self._header(header):
            return {}
        rows: dict[str, str] = {}
        seen: dict[str, Cell] = {}
        for cells in lines:
            self._row(cells, rows, seen)
        return rows

    def _header(self, cells: list[Cell]) -> bool:
        self.columns = [cell.text.strip().casefold() for cell in cells]
        for cell, column in zip(cells, self.columns, strict=True):
            if column not in COLUMNS:
                near = did_you_mean(column, COLUMNS)
                hint = f"Did you mean {near}?" if near else _HEADER_HINT
                self._wrong(cell, "table_header", f'there is no column "{cell.text}".', hint)
            elif self.columns.count(column) > 1 and self.columns.index(column) < cells.index(cell):
                self._wrong(cell, "table_header", f'the column "{column}" stands here twice.')
        for column in ("from", "to"):
            if column not in self.columns:
                self._wrong(cells[0], "table_header", f'the column "{column}" is missing.')
        return not self.problems

    def _row(self, cells: list[Cell], rows: dict[str, str], seen: dict[str, Cell]) -> None:
        if len(cells) > len(self.columns):
            extra = cells[len(self.columns)]
            hint = "Put a value that holds the separator between double quotation marks."
            message = f"the line has {len(cells)} cells, the first line {len(self.columns)}."
            self._wrong(extra, "table_row", message, hint)
            return
        found = dict(zip(self.columns, cells, strict=False))
        source, target = (self._cell(found, column, cells[0]) for column in ("from", "to"))
        if source is None or target is None:
            return
        key = fold(source.text) if self.loose else source.text
        first = seen.get(key)
        if first is not None:
            line = self.document.place(first.offset).line
            self._wrong(
                source, "table_duplicate", f'"{source.text}" stands in line {line} already.'
            )
            return
        seen[key] = source
        rows[source.text] = target.text

    def _cell(self, found: dict[str, Cell], column: str, row: Cell) -> Cell | None:
        cell = found.get(column)
        trimmed = cell.text.strip() if cell is not None else ""
        if cell is None or not trimmed:
            self._wrong(cell or row, "table_row", f'the column "{column}" is empty in this line.')
            return None
        return Cell(trimmed, cell.offset)

    def _wrong(self, cell: Cell, code: str, message: str, hint: str = "") -> None:
        place = self.document.place(cell.offset)
        self.problems.append(problem_at(place, code, message, hint=hint, value=cell.text))

    def _lines(self) -> Iterator[list[Cell]]:
        """The cells of each line that is not blank, quotation marks taken off."""
        text = self.document.text
        separator = _separator(text)
        cell = re.compile(_CELL.replace("SEP", re.escape(separator)))
        offset = 0
        while offset < len(text):
            cells: list[Cell] = []
            while True:
                found = cell.match(text, offset)
                assert found is not None, "the pattern takes any text, an empty one too"
                cells.append(self._unquoted(found))
                offset = found.end()
                if text[offset : offset + 1] != separator:
                    break
                offset += 1
            offset += 2 if text.startswith("\r\n", offset) else 1
            if any(cell.text.strip() for cell in cells):
                yield cells

    def _unquoted(self, found: re.Match[str]) -> Cell:
        quoted, rest = found.group("quoted"), found.group("rest")
        if quoted is None:
            cell = Cell(rest, found.start())
            if rest.lstrip().startswith('"'):
                self._wrong(cell, "table_row", "the quotation mark here is never closed.")
            return cell
        if rest.strip():
            self._wrong(
                Cell(rest, found.start("rest")),
                "table_row",
                "text stands behind the closing quotation mark.",
                'A quotation mark inside a value is written "".',
            )
        return Cell(quoted.replace('""', '"'), found.start("quoted"))


_HEADER_HINT: Final = "The first line is: from,to,note (the note may be left out)."
_CELL: Final = r'(?:[ ]*"(?P<quoted>(?:[^"]|"")*)")?(?P<rest>[^SEP\r\n]*)'


def _separator(text: str) -> str:
    """The separator of the first line: spreadsheets of half of Europe write a semicolon."""
    first = re.split(r"\r\n|\r|\n", text.lstrip("\r\n"), maxsplit=1)[0]
    return ";" if first.count(";") > first.count(",") else ","
