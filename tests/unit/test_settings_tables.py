"""Tables in CSV: both separators, quotation marks, and every mistake with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieout.core.mapping import ValueTable
from tieout.settings.problems import Problem, render_problem
from tieout.settings.tables import load_table, parse_table


def table_of(data: bytes, *, loose: bool = False) -> ValueTable:
    table = parse_table(data, name="items", file="tables/items.csv", loose=loose)
    assert isinstance(table, ValueTable), table
    return table


def problems_of(data: bytes, *, loose: bool = False) -> list[Problem]:
    found = parse_table(data, name="items", file="tables/items.csv", loose=loose)
    assert isinstance(found, list), found
    return found


@pytest.mark.parametrize(
    "data",
    [
        b"from,to\nMontage plus,MON-2\nNet 30,30\n",
        b"from;to\r\nMontage plus;MON-2\r\nNet 30;30\r\n",
        b"\xef\xbb\xbffrom,to,note\nMontage plus,MON-2,\nNet 30,30,see Anna\n",
        b"To;From;Note\nMON-2;Montage plus;x\n30;Net 30\n",
        b'"from","to"\n"Montage plus" , "MON-2"\n\n  \nNet 30,30',
    ],
)
def test_forms_that_spreadsheets_write(data: bytes) -> None:
    assert dict(table_of(data).rows) == {"Montage plus": "MON-2", "Net 30": "30"}


def test_quoted_cells_hold_separators_marks_and_line_breaks() -> None:
    data = b'from,to\n"a, b","x ""y"""\n"two\nlines",z\nlast,1\n'
    assert dict(table_of(data).rows) == {"a, b": 'x "y"', "two\nlines": "z", "last": "1"}


def test_all_mistakes_are_told_with_their_places() -> None:
    data = "from,to\nÖl,1\n,2\nÖl,3\nb,\nc,4,5\nd\n".encode()
    found = problems_of(data)
    assert [(item.code, item.line, item.column, item.value) for item in found] == [
        ("table_row", 3, 1, ""),
        ("table_duplicate", 4, 1, "Öl"),
        ("table_row", 5, 3, ""),
        ("table_row", 6, 5, "5"),
        ("table_row", 7, 1, "d"),
    ]
    assert "line 2" in found[1].message
    assert all(item.file == "tables/items.csv" for item in found)


def test_a_line_after_a_cell_of_two_lines_keeps_its_number() -> None:
    (found,) = problems_of(b'from,to\n"a\nb",1\nc,\n')
    assert (found.line, found.column) == (4, 3)


def test_loose_tables_compare_loosely() -> None:
    data = b"from,to\nNet 30,30\nNET  30,31\n"
    assert problems_of(data, loose=True)[0].code == "table_duplicate"
    assert table_of(data).get("NET  30") == "31"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", '"a"'),
        (b"fro,to\n1,2\n", "fro"),
        (b"from\n1\n", '"to" is missing'),
        (b"from,to,to\n1,2,3\n", "twice"),
    ],
)
def test_the_first_line_names_the_columns(data: bytes, words: str) -> None:
    found = problems_of(data)
    assert {item.code for item in found} == {"table_header"}
    assert any(words in item.message for item in found)


def test_a_near_column_is_suggested() -> None:
    assert problems_of(b"form,to\n1,2\n")[0].hint == "Did you mean from?"


def test_an_open_quotation_mark_is_found_where_it_begins() -> None:
    found = problems_of(b'from,to\na,"b\nc,d\n')
    assert (found[0].line, found[0].column) == (2, 3)
    assert "never closed" in found[0].message


def test_text_behind_a_quotation_mark() -> None:
    (found,) = problems_of(b'from,to\n"a" b,c\n')
    assert (found.line, found.column) == (2, 4)


def test_not_utf8_names_line_byte_and_encoding() -> None:
    (found,) = problems_of("from,to\nÖl,1\n".encode("cp1252"))
    assert (found.code, found.line, found.column) == ("not_utf8", 2, 1)
    assert "byte 9 " in found.message
    assert "Windows-1252" in found.message


def test_a_missing_file(tmp_path: Path) -> None:
    found = load_table(tmp_path / "x.csv", name="x", file="tables/x.csv")
    assert isinstance(found, list)
    assert (found[0].code, found[0].file) == ("file_missing", "tables/x.csv")
    (tmp_path / "x.csv").write_bytes(b"from,to\na,b\n")
    table = load_table(tmp_path / "x.csv", name="x", file="tables/x.csv")
    assert isinstance(table, ValueTable)
    assert (table.name, table.get("a")) == ("x", "b")


def test_a_zero_byte_is_told_since_no_store_keeps_it() -> None:
    (found,) = problems_of(b"from,to\nNet 30,30\nNet\0 31,31\n")
    assert (found.code, found.line, found.column) == ("table_row", 3, 4)


def test_a_value_of_a_whole_page_is_not_said_whole() -> None:
    value = "n" * 100_000
    found = Problem(
        code="value_wrong", file="tieout.yaml", line=1, column=9, value=value,
        message=f'"{value}" is no name', hint="",
    )  # fmt: skip
    shown = render_problem(found, ["bridge: ..."])
    assert len(shown) < 150
    assert shown.endswith('…" is no name.')
