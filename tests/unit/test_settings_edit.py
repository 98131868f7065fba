"""Setting a value in YAML: the rest of the text stays as its author left it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tieout.core.errors import ConfigurationError
from tieout.settings.edit import render_value, set_value
from tieout.settings.yaml_file import Located, parse_yaml

TEXT = """\
# our bridge
bridge:   nordic   # spaces are mine
tables:
  payment_terms: {"Net 30": "30",   "Net 14": "14"}  # both
  items:
    # the hours
    Konsult: KON-1
    "Montage": 'MON-1'   # by the hour

  empty: {}
flows:
    status: {every: 1m}
last: 1
"""


def line_changes(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = before.splitlines(), after.splitlines()
    return [x for x in old if x not in new], [x for x in new if x not in old]


def test_a_row_joins_a_block_behind_its_last_one() -> None:
    after = set_value(TEXT, ["tables", "items", "Montage plus"], "MON-2")
    assert line_changes(TEXT, after) == ([], ["    Montage plus: MON-2"])
    lines = after.splitlines()
    assert lines[lines.index("    Montage plus: MON-2") - 1].startswith('    "Montage"')


def test_a_row_joins_a_map_on_one_line() -> None:
    after = set_value(TEXT, ["tables", "payment_terms", "Net 45"], "45")
    assert '  payment_terms: {"Net 30": "30",   "Net 14": "14", Net 45: "45"}  # both' in after
    assert len(after.splitlines()) == len(TEXT.splitlines())


def test_an_empty_map_takes_its_first_row() -> None:
    assert "  empty: {a: b}\n" in set_value(TEXT, ["tables", "empty", "a"], "b")


def test_a_value_is_replaced_in_its_place() -> None:
    after = set_value(TEXT, ["bridge"], "baltic")
    assert line_changes(TEXT, after)[1] == ["bridge:   baltic   # spaces are mine"]
    after = set_value(TEXT, ["tables", "items", "Montage"], "NO")
    assert '    "Montage": "NO"   # by the hour' in after


def test_missing_groups_are_made_in_the_groups_own_indentation() -> None:
    after = set_value(TEXT, ["flows", "documents", "mode"], "approve")
    assert "    status: {every: 1m}\n    documents:\n      mode: approve\nlast: 1\n" in after
    assert set_value("", ["a", "b"], 1) == "a:\n  b: 1\n"
    assert set_value("# only this\n", ["a"], 1) == "# only this\na: 1\n"


def test_an_empty_value_is_filled() -> None:
    assert set_value("a:\nb: 1\n", ["a"], "x") == "a: x\nb: 1\n"
    assert set_value("a:\nb: 1\n", ["a", "c"], "x") == "a: {c: x}\nb: 1\n"
    assert set_value("a: # why\nb: 1\n", ["a"], "x") == "a: x # why\nb: 1\n"


def test_blocks_of_text_and_lists_are_replaced_whole() -> None:
    assert set_value("a: |\n  x\n  y\nb: 1\n", ["a"], "z") == "a: z\nb: 1\n"
    assert set_value("a:\n  - 1\n  - 2\nb: 1\n", ["a"], [3]) == "a:\n  [3]\nb: 1\n"


def test_a_row_behind_a_block_of_text() -> None:
    assert set_value("a: |\n  x\n  y\n", ["b"], 1) == "a: |\n  x\n  y\nb: 1\n"
    assert set_value("a:\n  - x\n  - y: 1\n\n# end\n", ["b"], 1) == (
        "a:\n  - x\n  - y: 1\nb: 1\n\n# end\n"
    )


def test_comments_behind_what_is_replaced_stay() -> None:
    text = "a:\n  b: 1\n  c:   # why\n\n# about q\nq: 2\n"
    assert set_value(text, ["a", "d"], "v") == text.replace("# why\n", "# why\n  d: v\n")
    assert set_value(text, ["a", "c"], "v") == text.replace("c:", "c: v")
    assert set_value(text, ["a"], "v") == "a:\n  v   # why\n\n# about q\nq: 2\n"
    assert set_value("a: |\n  x\n\n# tail\n", ["a"], "v") == "a: v\n\n# tail\n"


def test_line_ends_stay_those_of_the_file() -> None:
    assert set_value("a: 1\r\nb: 2\r\n", ["c", "d"], 3) == "a: 1\r\nb: 2\r\nc:\r\n  d: 3\r\n"
    assert set_value("a: 1", ["b"], 2) == "a: 1\nb: 2"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("KON-1", "KON-1"),
        ("30", '"30"'),
        ("NO", '"NO"'),
        ("true", '"true"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ('say "x"', '"say \\"x\\""'),
        ("two\nlines", '"two\\x0alines"'),
        ("Östervik & Co", '"Östervik & Co"'),
        ("007", '"007"'),
        (" x", '" x"'),
        (None, "null"),
        (True, "true"),
        (Decimal("9000.00"), "9000.00"),
        (["SEK", 1], "[SEK, 1]"),
        ({"from": "account.Name"}, "{from: account.Name}"),
    ],
)
def test_values_are_quoted_only_where_they_must_be(value: object, text: str) -> None:
    assert render_value(value) == text
    tree = parse_yaml(f"a: {text}\n", file="t")
    assert isinstance(tree, Located)
    assert tree.data() == {"a": value}


@pytest.mark.parametrize(
    ("text", "path"), [("a: [1\nb: 2\n", ["a"]), ("a: 1\n", []), ("a: 1\n", ["a", "b"])]
)
def test_what_cannot_be_edited_is_refused(text: str, path: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        set_value(text, path, "x")


def test_a_float_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="float"):
        set_value("a: 1\n", ["a"], 0.1)
