"""YAML files read with places, and every way in which they are broken."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tieout.settings.problems import Problem, render_problem
from tieout.settings.yaml_file import Located, load_file, parse_yaml

GOOD = """\
bridge: nordic
books:
  - connection: visma-se
    currency: [SEK, EUR]   # both
mapping:
  customer:
    payment_terms: {from: account.Payment_Terms__c, values: payment_terms}
"""


def tree_of(text: str) -> Located:
    tree = parse_yaml(text, file="tieout.yaml")
    assert isinstance(tree, Located), tree
    return tree


def problems_of(text: str | bytes) -> list[Problem]:
    found = parse_yaml(text, file="tieout.yaml")
    assert isinstance(found, list), found.data()
    return found


def test_every_node_has_its_place() -> None:
    tree = tree_of(GOOD)
    assert tree.at("mapping", "customer", "payment_terms") == (7, 20)
    assert tree.at("books", 0, "currency", 1) == (4, 21)
    assert tree.at("mapping", "customer", "payment_terms", "from") == (7, 27)
    assert tree.key_place("mapping", "customer").line == 6
    assert tree.at("mapping", "nowhere", "x") == tree.at("mapping")
    assert tree.find("books", 1) is None
    assert tree.find("bridge", "x") is None


def test_an_empty_value_stands_behind_its_key() -> None:
    tree = tree_of("a:   # why\n\nb: {c: , d}\n")
    assert (tree.at("a"), tree.at("b", "c"), tree.at("b", "d")) == ((1, 3), (3, 7), (3, 11))


def test_data_is_plain() -> None:
    assert tree_of(GOOD).data() == {
        "bridge": "nordic",
        "books": [{"connection": "visma-se", "currency": ["SEK", "EUR"]}],
        "mapping": {
            "customer": {
                "payment_terms": {"from": "account.Payment_Terms__c", "values": "payment_terms"}
            }
        },
    }


def test_walk_gives_every_path() -> None:
    paths = [path for path, _node in tree_of("a: {b: [1, 2]}\nc: 3\n").walk()]
    assert paths == [("a",), ("a", "b"), ("a", "b", 0), ("a", "b", 1), ("c",)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("30", 30),
        ("-5", -5),
        ("007", "007"),
        ("1e5", "1e5"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("9000.00", Decimal("9000.00")),
        ("0.1", Decimal("0.1")),
        ("1.", "1."),
        (".inf", ".inf"),
        ("2026-10-31", "2026-10-31"),
        ("'30'", "30"),
        ('"true"', "true"),
        ("!!str 30", "30"),
        ("5567000000000000001234", "5567000000000000001234"),
    ],
)
def test_scalars_are_taken_for_what_people_mean(text: str, value: object) -> None:
    found = tree_of(f"a: {text}\n").find("a")
    assert found is not None
    assert found.value == value
    assert type(found.value) is type(value)
    if isinstance(value, Decimal):
        assert str(found.value) == text


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: [x,\nc: d: e\n", "3:5", 'the "[" of 2:4 is never closed'),
        ("a: {x: 1\nb: 2\n", "2:2", 'the "{" of 1:4 is never closed'),
        ("a: 'x\nb: 1\n", "3:1", "quotation mark of 1:4 is never closed"),
        ("a:\n\t- b\n", "2:1", "a tab"),
        ("a: @x\n", "1:4", 'cannot begin with "@"'),
        ('a: "x\\q"\n', "1:7", "no sign"),
        ("a: 1\nb\nc: 2\n", "2:1", '":" is missing'),
        ("a: b: c\n", "1:5", 'second ":"'),
        ("a:\n  b: 1\n c: 2\n", "3:2", "does not fit the block"),
        ("a: 1\n---\nb: 2\n", "2:1", "second document"),
        ("a: b\x07c\n", "1:5", "U+0007"),
        ("[" * 60, "1:41", "40 deep"),
    ],
)
def test_broken_yaml_says_where_and_why(text: str, place: str, words: str) -> None:
    (found,) = problems_of(text)
    assert found.code == "yaml_broken"
    assert found.place == f"tieout.yaml:{place}"
    assert words in found.message


def test_twice_the_same_key_is_a_mistake_and_all_are_told() -> None:
    found = problems_of("a: 1\nb: 2\na: 3\nc: {x: 1, x: 2}\n")
    assert [(item.code, item.line, item.column) for item in found] == [
        ("duplicate_key", 3, 1),
        ("duplicate_key", 4, 11),
    ]
    assert "line 1" in found[0].message


@pytest.mark.parametrize(
    "text",
    ["a: &x 1\n", "a: &x 1\nb: *x\n", "a: !secret x\n", "<<: {a: 1}\n", "a: !!python/name:os 1\n"],
)
def test_features_that_hide_values_are_refused(text: str) -> None:
    assert {item.code for item in problems_of(text)} == {"yaml_feature"}


def test_a_key_is_a_text() -> None:
    assert problems_of("? [a]\n: b\n")[0].code == "key_not_text"


def test_byte_order_mark_is_no_part_of_the_first_key() -> None:
    found = parse_yaml(b"\xef\xbb\xbfa: 1\n", file="t.yaml")
    assert isinstance(found, Located)
    assert found.data() == {"a": 1}
    assert found.at("a") == (1, 4)


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp1252", "Windows-1252"),
        ("latin-1", "Windows-1252"),
        ("cp850", "DOS code page 850"),
        ("mac_roman", "Mac Roman"),
        ("utf-16", "UTF-16"),
    ],
)
def test_other_encodings_are_named(encoding: str, name: str) -> None:
    data = "a: 1\nb: Östervik Å ä ö\n".encode(encoding)
    (found,) = problems_of(data)
    assert found.code == "not_utf8"
    assert name in found.message
    if encoding != "utf-16":
        assert (found.line, found.column) == (2, 4)
        assert "byte 9 " in found.message


class Disk:
    """A file that changes while we sleep."""

    def __init__(self, path: Path, *contents: bytes) -> None:
        self.path = path
        self.later = list(contents[1:])
        self.slept: list[float] = []
        path.write_bytes(contents[0])

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.later:
            self.path.write_bytes(self.later.pop(0))


@pytest.fixture
def disk(tmp_path: Path) -> Callable[..., Disk]:
    return lambda *contents: Disk(tmp_path / "tieout.yaml", *contents)


def test_a_good_file_is_read_once(disk: Callable[..., Disk]) -> None:
    there = disk(b"a: 1\n")
    found = load_file(there.path, sleep=there.sleep)
    assert isinstance(found, Located)
    assert there.slept == []


@pytest.mark.parametrize("first", [b"", b"a: [1", b"a: 'x", b"a: \xc3", b"a: 1\nbri"])
def test_a_file_that_is_being_written_is_read_again(
    disk: Callable[..., Disk], first: bytes
) -> None:
    there = disk(first, b"a: 2\n")
    found = load_file(there.path, sleep=there.sleep)
    assert isinstance(found, Located)
    assert found.data() == {"a": 2}
    assert there.slept == [2.0]


def test_a_file_that_stays_cut_off_is_reported(disk: Callable[..., Disk]) -> None:
    there = disk(b"a: 1\nb: [1,\n  2")
    (found,) = load_file(there.path, sleep=there.sleep)  # type: ignore[misc]
    assert (found.code, found.line) == ("file_cut_off", 3)
    assert found.message == "the file ends inside line 3, also 2 s later."
    assert there.slept == [2.0]


def test_an_empty_file_is_reported(disk: Callable[..., Disk]) -> None:
    there = disk(b"")
    (found,) = load_file(there.path, sleep=there.sleep)  # type: ignore[misc]
    assert (found.code, found.message) == ("file_cut_off", "the file is empty, also 2 s later.")


def test_a_file_that_never_rests_is_given_up(disk: Callable[..., Disk]) -> None:
    there = disk(b"a: [", b"a: [1", b"a: [1,", b"a: [1, 2")
    (found,) = load_file(there.path, sleep=there.sleep)  # type: ignore[misc]
    assert found.code == "file_cut_off"
    assert there.slept == [2.0, 2.0]


def test_a_mistake_in_the_middle_does_not_wait(disk: Callable[..., Disk]) -> None:
    there = disk(b"a: [1\nb: c: d\ne: 1\n")
    (found,) = load_file(there.path, sleep=there.sleep)  # type: ignore[misc]
    assert found.code == "yaml_broken"
    assert there.slept == []


def test_no_file(tmp_path: Path) -> None:
    slept: list[float] = []
    (found,) = load_file(tmp_path / "tieout.yaml", sleep=slept.append)  # type: ignore[misc]
    assert (found.code, found.place) == ("file_missing", "tieout.yaml")


def test_a_problem_is_shown_with_its_line_and_a_mark() -> None:
    line = "    payment_terms: {from: account.Payment_Term__c, values: payment_terms}"
    problem = Problem(
        code="unknown_field",
        file="tieout.yaml",
        line=23,
        column=35,
        value="Payment_Term__c",
        message="not a field of Account",
        hint="Did you mean Payment_Terms__c?",
    )
    assert render_problem(problem, ["x"] * 22 + [line]) == (
        "tieout.yaml:23:35 unknown_field\n"
        f"  23 | {line}\n"
        "     |                                   "
        "^ not a field of Account. Did you mean Payment_Terms__c?"
    )


def test_a_long_line_is_shown_around_the_spot() -> None:
    line = "a" * 300 + "X" + "b" * 300
    problem = Problem(code="c", file="t", line=1, column=301, message="here")
    shown = render_problem(problem, [line]).splitlines()
    assert all(len(text) <= 100 for text in shown[:2])
    assert shown[1][shown[2].index("^")] == "X"
