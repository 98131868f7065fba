"""Expressions read from text: what is taken, what is refused, and where the mistake stands."""

from __future__ import annotations

import pytest

from tieout.core.mapping import Const, Field, render
from tieout.settings.expressions import Parsed, parse, parse_located
from tieout.settings.problems import Place, Problem
from tieout.settings.yaml_file import Located, parse_yaml

HERE = Place(file="t.yaml", line=3, column=10)


def problems_of(text: str) -> list[Problem]:
    found = parse(text, place=HERE)
    assert isinstance(found, list), found
    return found


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("foo(1)", 13, "no calls"),
        ("a.b(2)", 13, "no calls"),
        ("a.b.format(c)", 20, "no calls"),
        ("a ** 2", 10, "no powers"),
        ("a[1]", 11, "quotation marks"),
        ("a[b]", 11, "quotation marks"),
        ("a[0:1]", 11, "quotation marks"),
        ("'abc'.upper", 15, "a dot names a field"),
        ("a | uper", 14, '"uper"'),
        ("a |", 12, "too early"),
        ("not", 12, "too early"),
        ("(a", 10, 'the "(" is never closed'),
        ("a in ['SE', ", 15, 'the "[" is never closed'),
        ("a)", 11, "closes nothing"),
        ("a b", 12, '"b"'),
        ("'abc", 10, "never closed"),
        ("a @ b", 12, '"@"'),
        ("{{ a }}", 10, "without {{ }}"),
        ("a }}", 12, "no place"),
        ("a if b", 10, "otherwise"),
        ("a is odd", 12, '"odd"'),
        ("{'a': 1}", 10, "braces"),
        ("1e5", 10, '"1e5"'),
        ("0x10", 10, '"0x10"'),
        ("1_000", 10, '"1_000"'),
        ("12345678901234567890123456789", 10, "28 digits"),
        ("a | cut('x')", 14, "a number"),
        ("a | cut(b)", 14, "written out"),
        ("a | cut(0)", 14, "from 1"),
        ("a | upper(1)", 14, "no argument"),
        ("a | round(n=2)", 14, "without names"),
        ("a | default", 14, "default"),
        ("a | default(1, 2)", 14, "true or false"),
        ("a | lookup(b)", 14, "written out"),
        ("a | date('Nowhere/City')", 14, "time zone"),
        ("a | replace('', 'x')", 14, "look for"),
        ("'\\d'", 11, "no sign"),
        ("'\\ud800'", 11, "no sign"),
        ("", 10, "missing"),
        ("   ", 10, "missing"),
        ("a" * 2001, 10, "2,000"),
    ],
)
def test_a_mistake_has_its_place(text: str, column: int, words: str) -> None:
    (found,) = problems_of(text)
    assert (found.code, found.file, found.line) == ("expression", "t.yaml", 3)
    assert words in found.message
    assert found.column == column


def test_all_mistakes_are_told_at_once() -> None:
    found = problems_of("[foo(1), a | nope, b is odd]")
    assert [problem.column for problem in found] == [14, 23, 31]


def test_a_near_filter_is_suggested() -> None:
    assert problems_of("a | lokup('t')")[0].hint == "Did you mean lookup?"


@pytest.mark.parametrize("opening", ["(", "[", "not ", "-", "a if b else "])
def test_depth_is_limited_without_exhausting_the_stack(opening: str) -> None:
    closing = {"(": ")", "[": "]"}.get(opening, "")
    count = 150
    text = opening * count + "a" + closing * count
    assert len(text) <= 2000
    found = parse(text, place=HERE)
    assert opening == "(" or isinstance(found, list)
    if isinstance(found, list):
        assert "deep" in found[0].message


def test_numbers_keep_every_digit_and_their_scale() -> None:
    assert str(parse("0.1000000000000000000000001", place=HERE).value) == (  # type: ignore[union-attr]
        "0.1000000000000000000000001"
    )
    assert str(parse("9000.00", place=HERE).value) == "9000.00"  # type: ignore[union-attr]


def test_words_of_python_are_fields_behind_a_dot() -> None:
    assert parse("deal.in.class", place=HERE) == Field(path=("deal", "in", "class"))


def test_escapes_in_text() -> None:
    assert parse(r"'a\'b\\c\né'", place=HERE) == Const(value="a'b\\c\né")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a.b|upper|cut( 5 )", "a.b | upper | cut(5)"),
        ("(a) + ((b))", "a + b"),
        ("(a + b) * c", "(a + b) * c"),
        ("a - (b - c)", "a - (b - c)"),
        ('"it\'s"', r"'it\'s'"),
        ("not (a and b)", "not (a and b)"),
        ("a not in ('x', 'y')", "a not in ['x', 'y']"),
        ("a['Odd Name'].b", "a['Odd Name'].b"),
        ("(x if a else y) if b else z", "(x if a else y) if b else z"),
        ("(a is none) == b", "(a is none) == b"),
        ("(-a) | abs", "(-a) | abs"),
        ("a ~ (b ~ c)", "a ~ (b ~ c)"),
        ("(a ~ b) * 2", "(a ~ b) * 2"),
    ],
)
def test_rendering_keeps_the_meaning(text: str, canonical: str) -> None:
    expr = parse(text, place=HERE)
    assert not isinstance(expr, list)
    assert render(expr) == canonical
    assert parse(canonical, place=HERE) == expr


def test_fields_know_where_their_last_name_stands() -> None:
    parsed = parse_located("account.Payment_Term__c | default(deal. terms)", place=HERE)
    assert isinstance(parsed, Parsed)
    assert [(".".join(path), place.column) for path, place in parsed.field_places] == [
        ("account.Payment_Term__c", 18),
        ("deal.terms", 50),
    ]


@pytest.mark.parametrize(
    ("yaml", "line", "column"),
    [
        ("a: x == foo(1)\n", 1, 12),
        ("a: 'x == ''q'' and foo(1)'\n", 1, 23),
        ('a: "x == \\"q\\" and foo(1)"\n', 1, 23),
        ('a: "x == \\u00e5 and\\tfoo(1)"\n', 1, 25),
        ("a: >-\n  deal.won and\n  foo(1)\n", 3, 6),
        ("a: |\n    deal.won\n    and foo(1)\n", 3, 12),
        ("a: deal.won and\n   foo(1)\n", 2, 7),
        ("k: {a: foo(1)}\n", 1, 11),
    ],
)
def test_places_survive_quotes_and_folds(yaml: str, line: int, column: int) -> None:
    tree = parse_yaml(yaml, file="t.yaml")
    assert isinstance(tree, Located)
    node = tree.find("a") or tree.find("k", "a")
    assert node is not None
    found = parse(node.text, place=node)
    assert isinstance(found, list)
    (problem,) = [item for item in found if "calls" in item.message or "no field" in item.message]
    assert (problem.line, problem.column) == (line, column)
