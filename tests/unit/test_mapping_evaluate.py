"""What expressions give, and what they refuse to guess."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

import pytest

from tieout.core.mapping import (
    Arithmetic,
    Const,
    Expr,
    Field,
    FieldMapping,
    Filter,
    MappingError,
    MissingFieldError,
    Mode,
    Owner,
    UnmappedValueError,
    Value,
    ValueTable,
    compile_expr,
    cut_at_word,
    explain,
    paths,
    tables,
)
from tieout.settings.expressions import parse
from tieout.settings.problems import Place

TERMS = ValueTable(name="terms", rows={"Net 30": "30", "Net 14": "14"})
LOOSE = ValueTable(name="loose", rows={"Net 30": "30"}, loose=True)
TABLES = {"terms": TERMS, "loose": LOOSE}

SCOPE: Mapping[str, object] = {
    "account": {
        "Name": "Nordljus Konsult AB",
        "Country": "SE",
        "Terms": "Net 30",
        "Empty": "",
        "Phone": "+46 (0)8-123 45",
        "Parent": None,
        "Tags": ["vip", "public"],
        "Count": 3,
        "Ratio": 0.5,
        "Created": datetime(2026, 10, 31, 23, 30, tzinfo=UTC),
        "Odd Name": "x",
    },
    "deal": {"won": True, "net": Decimal("1250.50"), "close": date(2026, 10, 31)},
}


def expr_of(text: str) -> Expr:
    parsed = parse(text, place=Place(file="t.yaml", line=1, column=1))
    assert not isinstance(parsed, list), parsed
    return parsed


def value_of(text: str, scope: Mapping[str, object] = SCOPE) -> Value:
    return compile_expr(expr_of(text), TABLES)(scope)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("account.Name", "Nordljus Konsult AB"),
        ("account['Odd Name']", "x"),
        ("account.Count", Decimal(3)),
        ("0.1 + 0.2", Decimal("0.3")),
        ("deal.net * 2", Decimal("2501.00")),
        ("2 + 3 * 4 - 1", Decimal(13)),
        ("(2 + 3) * 4", Decimal(20)),
        ("1 / 3", Decimal("0.3333333333333333333333333333")),
        ("2 / 3", Decimal("0.6666666666666666666666666667")),
        ("-7 // 2", Decimal(-3)),
        ("-7 % 2", Decimal(-1)),
        ("7 // 2", Decimal(3)),
        ("-deal.net", Decimal("-1250.50")),
        ("deal.won and account.Country == 'SE'", True),
        ("not deal.won or account.Country != 'SE'", False),
        ("'a' if deal.won else account.Nowhere", "a"),
        ("0 < account.Count <= 3", True),
        ("account.Country in ['SE', 'FI']", True),
        ("account.Country not in ('SE',)", False),
        ("'vip' in account.Tags", True),
        ("'Konsult' in account.Name", True),
        ("account.Parent is none", True),
        ("account.Parent == none", True),
        ("account.Parent == 'x'", False),
        ("account.Parent.Name is none", True),
        ("account.Nowhere is defined", False),
        ("account.Parent is defined", True),
        ("account.Nowhere is not defined", True),
        ("account.Name ~ ' ' ~ deal.net", "Nordljus Konsult AB 1250.50"),
        ("deal.close ~ ''", "2026-10-31"),
        ("deal.close > '2026-10-01' | date", True),
        ("1 if account.Parent is none else 2", Decimal(1)),
        ("account.Parent is none if deal.won else false", True),
    ],
)
def test_gives(text: str, expected: Value) -> None:
    value = value_of(text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("account.Nowhere | default('x')", "x"),
        ("account.Parent | default('x')", None),
        ("account.Parent | default('x', true)", "x"),
        ("account.Empty | default('x', true)", "x"),
        ("account.Empty | default('x')", ""),
        ("0 | default(5, true)", Decimal(0)),
        ("account.Name | upper", "NORDLJUS KONSULT AB"),
        ("account.Name | lower", "nordljus konsult ab"),
        ("'  a b ' | trim", "a b"),
        ("' a\n  b ' | squeeze", "a b"),
        ("account.Name | replace('AB', 'Oy')", "Nordljus Konsult Oy"),
        ("account.Name | cut(18)", "Nordljus Konsult"),
        ("account.Name | left(4)", "Nord"),
        ("'7' | pad(3)", "007"),
        ("'7' | pad(3, ' ')", "  7"),
        ("account.Phone | digits", "460812345"),
        ("account.Name | starts_with('Nord')", True),
        ("account.Name | ends_with('Oy')", False),
        ("2.5 | round", Decimal(3)),
        ("-2.5 | round", Decimal(-3)),
        ("1.005 | round(2)", Decimal("1.01")),
        ("9000 | round(2)", Decimal("9000.00")),
        ("(0 - 3.5) | abs", Decimal("3.5")),
        ("' 12.50 ' | number", Decimal("12.50")),
        ("deal.net | text", "1250.50"),
        ("'2026-10-31' | date", date(2026, 10, 31)),
        ("account.Created | date", date(2026, 10, 31)),
        ("account.Created | date('Europe/Stockholm')", date(2026, 11, 1)),
        ("deal.close | add_days(1) | date_format('DD.MM.YY')", "01.11.26"),
        ("account.Tags | count", Decimal(2)),
        ("account.Tags | first", "vip"),
        ("account.Tags | last", "public"),
        ("account.Tags | join(', ')", "vip, public"),
        ("[1, 2.50, 3] | sum", Decimal("6.50")),
        ("[deal.net, 5] | min", Decimal(5)),
        ("[deal.net, 5] | max", Decimal("1250.50")),
        ("account.Terms | lookup('terms')", "30"),
        ("'  NET   30' | lookup('loose')", "30"),
        ("account.Parent | lookup('terms')", None),
        ("account.Parent | upper", None),
    ],
)
def test_filters(text: str, expected: Value) -> None:
    value = value_of(text)
    assert value == expected
    assert type(value) is type(expected)


def test_rounding_keeps_the_scale() -> None:
    assert str(value_of("9000 | round(2)")) == "9000.00"
    assert str(value_of("1.10 + 2")) == "3.10"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("account.Name * 2", ["account.Name", "text", "number"]),
        ("account.Name + 'x'", ["~"]),
        ("account.Country == 5", ["account.Country", "text", "number"]),
        ("account.Parent < 5", ["null", "number"]),
        ("account.Parent + 5", ["null", "number"]),
        ("account.Parent ~ 'x'", ["account.Parent", "null"]),
        ("deal.won < true", ["cannot be compared"]),
        ("deal.close < account.Created", ["date", "time"]),
        ("account.Name and deal.won", ["account.Name", "and", "text"]),
        ("deal.won and account.Name", ["account.Name", "and", "text"]),
        ("not account.Name", ["not", "text"]),
        ("1 if account.Name else 2", ["if", "text"]),
        ("1 / (account.Count - 3)", ["division by zero"]),
        ("1 % 0", ["division by zero"]),
        ("0 / 0", ["division by zero"]),
        ("account.Ratio", ["account.Ratio", "float"]),
        ("account", ["account", "record"]),
        ("account.Tags", ["account.Tags", "list"]),
        ("account.Tags ~ 'x'", ["account.Tags", "list"]),
        ("account.Country in ['SE', 1]", ["cannot be compared"]),
        ("account.Name | round(2)", ["round", "a number", "text"]),
        ("account.Name | date", ["not a date"]),
        ("account.Name | number", ["not a number"]),
        ("deal.net | upper", ["upper", "text", "number"]),
        ("account.Tags | sum", ["sum", "text"]),
        ("[account.Tags, 1] | count", ["list inside a list"]),
    ],
)
def test_refuses(text: str, words: list[str]) -> None:
    with pytest.raises(MappingError) as caught:
        value_of(text)
    assert all(word in caught.value.message for word in words), caught.value.message


def test_a_missing_field_names_its_whole_path() -> None:
    with pytest.raises(MissingFieldError) as caught:
        value_of("account.Name ~ account.Address.City")
    assert caught.value.path == "account.Address.City"
    with pytest.raises(MissingFieldError) as caught:
        value_of("account.Name.Length")
    assert caught.value.path == "account.Name.Length"


def test_an_error_carries_the_paths() -> None:
    with pytest.raises(MappingError) as caught:
        value_of("account.Name * deal.net")
    assert caught.value.paths == ("account.Name", "deal.net")


def test_a_value_without_a_row_names_table_and_value() -> None:
    with pytest.raises(UnmappedValueError) as caught:
        value_of("'Net 45' | lookup('terms')")
    assert (caught.value.table, caught.value.value) == ("terms", "Net 45")
    with pytest.raises(UnmappedValueError):
        value_of("'net 30' | lookup('terms')")


def test_an_unknown_table_is_refused_before_any_record() -> None:
    with pytest.raises(MappingError, match="nowhere"):
        compile_expr(expr_of("account.Name | lookup('nowhere')"), TABLES)


def test_a_filter_made_by_hand_is_checked() -> None:
    operand = Const(value="x")
    with pytest.raises(MappingError, match="no filter"):
        compile_expr(Filter(name="shout", operand=operand))
    with pytest.raises(MappingError, match="written out"):
        compile_expr(Filter(name="cut", operand=operand, args=(Field(path=("a",)),)))


def test_text_cannot_grow_without_limit() -> None:
    grow = " | replace('a', 'aaaaaaaaaa')"
    with pytest.raises(MappingError, match="100,000"):
        value_of("'a'" + grow * 8)


def test_numbers_do_not_listen_to_the_threads_context() -> None:
    with decimal.localcontext() as context:
        context.prec = 3
        context.rounding = decimal.ROUND_DOWN
        assert value_of("1234.567 + 0.001") == Decimal("1234.568")
        assert value_of("2 / 3") == Decimal("0.6666666666666666666666666667")
        assert value_of("2.5 | round") == Decimal(3)


def test_not_a_number_is_refused() -> None:
    with pytest.raises(MappingError, match="finite"):
        value_of("a.b + 1", {"a": {"b": Decimal("NaN")}})


class Status(StrEnum):
    WON = "won"


@dataclass(frozen=True, slots=True)
class Deal:
    status: Status
    number: str

    @property
    def hidden(self) -> str:
        return "a property is no field"


def test_records_are_reached_by_their_fields_only() -> None:
    scope = {"deal": Deal(Status.WON, "D-101")}
    assert value_of("deal.status == 'won'", scope) is True
    assert type(value_of("deal.status", scope)) is str
    with pytest.raises(MissingFieldError):
        value_of("deal.hidden", scope)
    with pytest.raises(MissingFieldError):
        value_of("deal.__class__", scope)


def test_dictionary_methods_are_no_fields() -> None:
    with pytest.raises(MissingFieldError):
        value_of("account.items")


def test_naive_and_aware_times_do_not_compare() -> None:
    naive = {"a": {"b": datetime(2026, 1, 1), "c": datetime(2026, 1, 1, tzinfo=UTC)}}  # noqa: DTZ001
    with pytest.raises(MappingError, match="time zone"):
        value_of("a.b < a.c", naive)


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("Nordljus Konsult AB", 19, "Nordljus Konsult AB"),
        ("Nordljus Konsult AB", 16, "Nordljus Konsult"),
        ("Nordljus Konsult AB", 15, "Nordljus"),
        ("Nordljus", 4, "Nord"),
        ("a  b", 2, "a"),
        ("a\nb c", 3, "a\nb"),
    ],
)
def test_cut_ends_at_a_word(text: str, length: int, expected: str) -> None:
    assert cut_at_word(text, length) == expected


def test_paths_and_tables() -> None:
    expr = expr_of("a.b if c.d is defined else e.f.g | default(h.i) | lookup('terms') ~ 'x'")
    assert paths(expr) == {"a.b", "c.d", "e.f.g", "h.i"}
    assert tables(expr) == {"terms"}


def test_a_field_mapping_looks_its_source_up() -> None:
    mapping = FieldMapping(
        target="payment_terms",
        source=expr_of("account.Terms"),
        table="terms",
        owner=Owner.BOOKS,
        mode=Mode.IF_EMPTY,
    )
    assert mapping.paths == {"account.Terms"}
    assert mapping.tables == {"terms"}
    assert compile_expr(mapping.expr, TABLES)(SCOPE) == "30"
    assert (Owner("crm"), Mode("create_only")) == (Owner.CRM, Mode.CREATE_ONLY)


def test_a_loose_table_that_answers_twice_is_refused() -> None:
    with pytest.raises(MappingError, match="two ways"):
        ValueTable(name="t", rows={"Net 30": "30", "net  30": "31"}, loose=True)
    assert ValueTable(name="t", rows={"A": "1", "a": "1"}, loose=True).get(" a ") == "1"


def test_a_table_does_not_change_with_the_dictionary_it_was_made_of() -> None:
    rows = {"a": "1"}
    table = ValueTable(name="t", rows=rows)
    rows["a"] = "2"
    assert table.get("a") == "1"
    assert hash(table) == hash(ValueTable(name="t", rows={"a": "1"}))


def test_explain_shows_inputs_steps_and_result() -> None:
    found = explain(expr_of("account.Terms | lookup('terms') ~ ' days'"), SCOPE, TABLES)
    assert [(item.path, item.value) for item in found.inputs] == [("account.Terms", "Net 30")]
    assert [(step.text, step.value) for step in found.steps] == [
        ("account.Terms | lookup('terms')", "30"),
        ("account.Terms | lookup('terms') ~ ' days'", "30 days"),
    ]
    assert (found.result, found.problem) == ("30 days", None)


def test_explain_leaves_out_the_branch_not_taken() -> None:
    found = explain(expr_of("account.Name if deal.won else account.Nowhere"), SCOPE)
    assert [item.path for item in found.inputs] == ["deal.won", "account.Name"]


def test_explain_tells_why_there_is_no_result() -> None:
    found = explain(expr_of("account.Nowhere * deal.net"), SCOPE)
    assert found.problem == "account.Nowhere is not there"
    assert found.inputs[0].missing
    assert found.result is None


def test_expressions_are_values() -> None:
    expr = Arithmetic(sign="+", left=Field(path=("a", "b")), right=Const(value=Decimal("1.5")))
    assert expr_of("a.b + 1.5") == expr
    assert hash(expr_of("a.b + 1.5")) == hash(expr)
