"""Whatever bytes a settings file holds: a tree or problems with places, never an exception."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tieout.core.errors import ConfigurationError
from tieout.core.mapping import ValueTable
from tieout.settings.edit import render_value, set_value
from tieout.settings.problems import render_problems
from tieout.settings.tables import parse_table
from tieout.settings.yaml_file import Located, parse_yaml

pieces = st.lists(
    st.sampled_from(
        ["a", "b: ", "- ", "[", "]", "{", "}", ",", ": ", "\n", "  ", "\t", "'", '"', "|\n", ">",
         "&x ", "*x", "!t ", "#c", "---\n", "...", "%YAML 1.2\n", "? ", "\\", "1.50", "é", "\x85",
         "\u2028", "\r\n", "\r", "<<", "@", "`", "\ufeff", "\x00", "\\x4", "\\U00110000", "!", "!<"]
    ),
    max_size=16,
).map("".join)  # fmt: skip
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.decimals(-(10**6), 10**6, places=2).filter(lambda number: not number.is_signed()),
    st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=12),
)
keys = st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), min_size=1, max_size=8).filter(
    lambda key: key != "<<"
)
values = st.recursive(
    plain, lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=3)
)


def check(data: bytes | str) -> None:
    found = parse_yaml(data, file="t.yaml")
    if isinstance(found, Located):
        for path, node in found.walk():
            assert found.find(*path) is node
            assert 0 <= node.start <= node.end <= len(node.document.text)
        return
    assert found
    text = data.decode("utf-8", errors="replace") if isinstance(data, bytes) else data
    for problem in found:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
    assert render_problems(found, {"t.yaml": text})


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    check(data)


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    check(text)


@given(pieces)
def test_any_pile_of_signs(text: str) -> None:
    check(text)


@given(st.one_of(st.binary(max_size=60), pieces.map(str.encode)))
def test_any_bytes_as_a_table(data: bytes) -> None:
    for start in (b"", b"from,to\n", b"from;to;note\r\n"):
        found = parse_table(start + data, name="t", file="t.csv")
        if isinstance(found, ValueTable):
            assert all(found.get(source) == target for source, target in found.rows.items())
        else:
            assert found


# A zero character in a table is refused with its place.
cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
).filter(lambda text: text.strip() == text)


@given(
    st.dictionaries(cells, cells, max_size=5),
    st.sampled_from(",;"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_that_is_written_reads_the_same(
    rows: dict[str, str], separator: str, newline: str
) -> None:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = [f"from{separator}to"]
    lines += [f"{cell(source)}{separator}{cell(target)}" for source, target in rows.items()]
    found = parse_table(newline.join(lines).encode(), name="t", file="t.csv")
    assert isinstance(found, ValueTable)
    assert dict(found.rows) == rows


@given(values)
def test_a_value_that_is_written_reads_the_same(value: object) -> None:
    tree = parse_yaml(f"a: {render_value(value)}\n", file="t.yaml")
    assert isinstance(tree, Located), tree
    assert tree.data() == {"a": value}
    assert scales(tree.data()) == scales({"a": value})


def scales(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in scales(item)]
    if isinstance(value, list):
        return [text for item in value for text in scales(item)]
    return [str(value)] if isinstance(value, Decimal) else []


TEXT = """\
# head
a: 1  # one
b:
  c: x
  # inside
  d: {e: f}

g:
  - h
# tail
"""


@given(st.lists(st.one_of(st.sampled_from("abcdegz"), keys), min_size=1, max_size=3), values)
def test_an_edit_is_right_or_refused(path: list[str], value: object) -> None:
    try:
        after = set_value(TEXT, path, value)
    except ConfigurationError:
        return
    tree = parse_yaml(after, file="t.yaml")
    assert isinstance(tree, Located)
    node = tree.find(*path)
    assert node is not None
    assert node.data() == value
    for comment in ("# head", "# tail"):
        assert comment in after


@given(st.lists(st.sampled_from("abcdegz"), min_size=1, max_size=2), plain)
def test_a_plain_row_can_always_be_added_beside_others(path: list[str], value: object) -> None:
    if len(path) == 2 and path[0] in ("a", "c", "g"):
        return
    set_value(TEXT, path, value)
