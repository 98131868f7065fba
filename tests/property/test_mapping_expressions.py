"""Whatever expression somebody writes: exact, complete in its paths, and written out again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation

from hypothesis import assume, given
from hypothesis import strategies as st

from tieout.core.mapping import (
    And,
    Arithmetic,
    Compare,
    Concat,
    Conditional,
    Const,
    Expr,
    Field,
    Filter,
    ListOf,
    MappingError,
    Not,
    Or,
    Test,
    Unary,
    Value,
    compile_expr,
    explain,
    paths,
    render,
)
from tieout.core.mapping.expr import ArithmeticSign
from tieout.settings.expressions import parse, parse_located
from tieout.settings.problems import Place

HERE = Place(file="t.yaml", line=1, column=1)
NAMES = ("a", "b", "c", "Odd Name", "in", "é")
ROOTS = ("deal", "account")

numbers = st.decimals(
    min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False, places=4
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
fields = st.builds(
    lambda root, rest: Field(path=(root, *rest)),
    st.sampled_from(ROOTS),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=2),
)
consts = st.builds(
    lambda value: Const(value=value), st.one_of(numbers, texts, st.booleans(), st.none())
)


def signed(sign: str, operand: Expr) -> Expr:
    """A signed number as the parser makes it: the sign of a written number belongs to it."""
    if isinstance(operand, Const) and isinstance(operand.value, Decimal):
        return operand
    return Unary(sign="-" if sign == "-" else "+", operand=operand)


def inner(exprs: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    signs: st.SearchStrategy[ArithmeticSign] = st.sampled_from(["+", "-", "*", "/", "//", "%"])
    compared = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
    plain = [
        Filter(name="upper", operand=Const(value=None)),
        Filter(name="round", operand=Const(value=None), args=(Const(value=Decimal(2)),)),
        Filter(name="cut", operand=Const(value=None), args=(Const(value=Decimal(5)),)),
        Filter(name="text", operand=Const(value=None)),
    ]
    return st.one_of(
        st.builds(lambda s, a, b: Arithmetic(sign=s, left=a, right=b), signs, exprs, exprs),
        st.builds(signed, st.sampled_from("+-"), exprs),
        st.lists(exprs, min_size=2, max_size=3).map(lambda p: Concat(parts=tuple(p))),
        st.builds(
            lambda first, rest: Compare(first=first, rest=tuple(rest)),
            exprs,
            st.lists(st.tuples(compared, exprs), min_size=1, max_size=2),
        ),
        st.builds(lambda a, b: And(left=a, right=b), exprs, exprs),
        st.builds(lambda a, b: Or(left=a, right=b), exprs, exprs),
        st.builds(lambda a: Not(operand=a), exprs),
        st.builds(lambda t, a, b: Conditional(test=t, then=a, otherwise=b), exprs, exprs, exprs),
        st.builds(
            lambda n, a: Test(name=n, operand=a), st.sampled_from(["none", "defined"]), exprs
        ),
        st.lists(exprs, max_size=3).map(lambda items: ListOf(items=tuple(items))),
        st.builds(lambda a, b: Filter(name="default", operand=a, args=(b,)), exprs, exprs),
        st.builds(
            lambda made, a: Filter(name=made.name, operand=a, args=made.args),
            st.sampled_from(plain),
            exprs,
        ),
    )


expressions = st.recursive(st.one_of(fields, consts), inner, max_leaves=12)

leaves = st.one_of(
    numbers,
    texts,
    st.booleans(),
    st.none(),
    st.dates(),
    st.integers(-99, 99),
    st.lists(texts, max_size=2),
)
scopes = st.fixed_dictionaries(
    {},
    optional={
        root: st.dictionaries(
            st.sampled_from(NAMES),
            st.one_of(leaves, st.dictionaries(st.sampled_from(NAMES), leaves, max_size=4)),
            max_size=6,
        )
        for root in ROOTS
    },
)


def result(expr: Expr, scope: Mapping[str, object]) -> object:
    try:
        return compile_expr(expr)(scope)
    except MappingError as error:
        return type(error), error.message


@given(expressions)
def test_what_is_written_out_reads_the_same(expr: Expr) -> None:
    text = render(expr)
    assume(len(text) <= 2000)
    again = parse(text, place=HERE)
    assert again == expr, text


@given(expressions, scopes)
def test_only_values_or_mapping_errors_come_out(expr: Expr, scope: Mapping[str, object]) -> None:
    caught = None
    value: object = None
    try:
        value = compile_expr(expr)(scope)
    except MappingError as error:
        caught = error
    assert caught is None or (caught.message and set(caught.paths) <= paths(expr))
    assert type(value) in (str, Decimal, bool, type(None), date, datetime)


def keep(scope: object, wanted: frozenset[tuple[str, ...]]) -> object:
    """The scope with only what lies on the wanted paths."""
    if not isinstance(scope, Mapping) or () in wanted:
        return scope
    return {
        key: keep(value, below)
        for key, value in scope.items()
        if (below := frozenset(path[1:] for path in wanted if path[:1] == (key,)))
    }


@given(expressions, scopes)
def test_paths_are_all_that_counts(expr: Expr, scope: Mapping[str, object]) -> None:
    wanted = frozenset(tuple(path.split(".")) for path in paths(expr))
    less = keep(scope, wanted)
    assert isinstance(less, Mapping)
    assert result(expr, less) == result(expr, scope)


@given(expressions, scopes)
def test_the_explanation_tells_the_same_result(expr: Expr, scope: Mapping[str, object]) -> None:
    told = explain(expr, scope)
    found = result(expr, scope)
    assert (found[1] if isinstance(found, tuple) else None) == told.problem
    assert isinstance(found, tuple) or found == told.result
    assert {item.path for item in told.inputs} <= paths(expr)


EXACT = Context(prec=28, rounding=ROUND_HALF_UP, traps=[DivisionByZero, InvalidOperation])


def reference(expr: Expr, scope: Mapping[str, Mapping[str, Decimal]]) -> Decimal:
    """Arithmetic worked out the slow way."""
    match expr:
        case Const(value=Decimal() as value):
            return value
        case Field(path=(root, name)):
            return scope[root][name]
        case Unary():
            value = reference(expr.operand, scope)
            return value.copy_negate() if expr.sign == "-" else value
        case Arithmetic():
            a, b = reference(expr.left, scope), reference(expr.right, scope)
            work = {
                "+": EXACT.add,
                "-": EXACT.subtract,
                "*": EXACT.multiply,
                "/": EXACT.divide,
                "//": EXACT.divide_int,
                "%": EXACT.remainder,
            }
            return work[expr.sign](a, b)
    raise AssertionError(expr)


arithmetic = st.recursive(
    st.one_of(
        st.builds(lambda n: Const(value=n), numbers),
        st.builds(lambda n: Field(path=("deal", n)), st.sampled_from("ab")),
    ),
    lambda exprs: st.one_of(
        st.builds(
            lambda s, a, b: Arithmetic(sign=s, left=a, right=b),
            st.sampled_from(["+", "-", "*", "/", "//", "%"]),
            exprs,
            exprs,
        ),
        st.builds(signed, st.sampled_from("+-"), exprs),
    ),
    max_leaves=10,
)


@given(arithmetic, numbers, numbers)
def test_arithmetic_is_decimals_own(expr: Expr, a: Decimal, b: Decimal) -> None:
    scope = {"deal": {"a": a, "b": b}}
    read = parse(render(expr), place=HERE)
    assert not isinstance(read, list)
    try:
        expected = reference(expr, scope)
    except (DivisionByZero, InvalidOperation):
        expected = None
    try:
        value: Value = compile_expr(read)(scope)
    except MappingError:
        value = None
    if expected is None:
        assert value is None
    else:
        assert isinstance(value, Decimal)
        assert value.as_tuple() == expected.as_tuple()


@given(numbers, numbers)
def test_a_sum_of_money_is_exact(a: Decimal, b: Decimal) -> None:
    expr = parse("deal.a + deal.b - deal.a", place=HERE)
    assert not isinstance(expr, list)
    assert compile_expr(expr)({"deal": {"a": a, "b": b}}) == b


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_has_a_problem_inside_it(text: str) -> None:
    check_read(text)


@given(
    st.lists(
        st.sampled_from(
            ["a", ".", "|", "(", ")", "[", "]", "'", '"', "~", " ", "\n", "\r\n", "is", "none",
             "if", "else", "not", "in", "1", "1.5", "upper", "cut", ",", "=", "==", "{{", "}}",
             "{%", "#}", "-", "**", "\\", "and", "default", ":", "é", "{", "}", "-}}"]
        ),
        max_size=14,
    ).map(lambda parts: "".join(parts))
)  # fmt: skip
def test_any_pile_of_signs_is_read_or_refused(text: str) -> None:
    check_read(text)


def check_read(text: str) -> None:
    found = parse_located(text, place=HERE)
    if isinstance(found, list):
        assert found
        for problem in found:
            assert problem.message
            assert 1 <= problem.column <= max(len(text), 1)
    else:
        assert parse(render(found.expr), place=HERE) == found.expr
        for path, place in found.field_places:
            assert text[place.column - 1 :].lstrip("'\"\\").startswith(path[-1][:1])
