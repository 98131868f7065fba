"""How money, times and rows are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from zoneinfo import ZoneInfo

import pytest

from tieout.cli.formats import (
    Column,
    age,
    amount,
    count,
    moment,
    money,
    plain,
    recent,
    table,
    utc,
)
from tieout.core.model import ExternalRef

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOW = datetime(2026, 11, 5, 7, 11, 44, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1024390.01", "1,024,390.01"),
        ("0", "0.00"),
        ("-4418.41", "-4,418.41"),
        ("9640", "9,640.00"),
        ("12.345", "12.345"),
        ("1E+3", "1,000.00"),
    ],
)
def test_amounts(value: str, text: str) -> None:
    assert amount(Decimal(value)) == text


def test_money_keeps_its_scale_and_says_its_currency() -> None:
    assert money(Decimal("0.00"), "SEK") == {"amount": "0.00", "currency": "SEK"}
    assert money(None, "SEK") is None


def test_times_are_in_the_books_zone() -> None:
    assert moment(NOW, STOCKHOLM) == "5 Nov 2026, 08:11"
    assert recent(NOW - timedelta(minutes=7), NOW, STOCKHOLM) == "08:04"
    assert recent(NOW - timedelta(hours=14, minutes=41), NOW, STOCKHOLM) == "4 Nov 17:30"
    assert recent(NOW - timedelta(days=400), NOW, STOCKHOLM) == "1 Oct 2025, 09:11"
    assert utc(NOW.astimezone(STOCKHOLM)) == "2026-11-05T07:11:44Z"


def test_ages() -> None:
    assert age(timedelta(days=5, hours=3)) == "5 days"
    assert age(timedelta(days=5), short=True) == "5 d"
    assert age(timedelta(hours=1)) == "1 hour"
    assert age(timedelta(seconds=-3)) == "0 s"
    assert count(1, "deal") == "1 deal"
    assert count(1204, "deal") == "1,204 deals"
    assert count(2, "currency", "currencies") == "2 currencies"


def test_plain_values() -> None:
    class Colour(Enum):
        RED = "red"

    assert plain(
        {"a": Decimal("1.50"), "b": NOW, "c": date(2026, 1, 2), "d": (Colour.RED, None, True)}
    ) == {"a": "1.50", "b": "2026-11-05T07:11:44Z", "c": "2026-01-02", "d": ["red", None, True]}
    assert plain(ExternalRef("sf", "deal", "006")) == {
        "connection": "sf",
        "entity": "deal",
        "id": "006",
    }
    with pytest.raises(TypeError):
        plain(1.5)


COLUMNS = (
    Column("Id"),
    Column("Customer", rank=2),
    Column("Why", rank=1),
    Column("Net", right=True),
)
ROWS = [("D-1", "Tallmo Skog AB", "item", "37,500.00"), ("D-12", "Ek", "terms of pay", "1.00")]


def test_a_table_is_aligned() -> None:
    assert table(COLUMNS, ROWS) == [
        "Id    Customer        Why                 Net",
        "D-1   Tallmo Skog AB  item          37,500.00",
        "D-12  Ek              terms of pay       1.00",
    ]
    assert table(COLUMNS, []) == []
    assert table((Column(), Column()), [("a", "b")]) == ["a  b"]


def test_the_least_column_leaves_and_never_an_id_or_an_amount() -> None:
    wide = [("D-1", "C" * 40, "W" * 40, "1.00")]
    shown = table(COLUMNS, wide, 80)
    assert shown[0].split() == ["Id", "Why", "Net"]
    wider = [("D" * 50, "C", "W", "1" * 50)]
    assert table(COLUMNS, wider, 80)[1].split() == ["D" * 50, "1" * 50]


def test_under_sixty_columns_each_field_has_its_line() -> None:
    assert table(COLUMNS, ROWS, 50)[:5] == [
        "Id: D-1",
        "Customer: Tallmo Skog AB",
        "Why: item",
        "Net: 37,500.00",
        "",
    ]


def test_a_name_is_cut_before_a_column_leaves() -> None:
    columns = (Column(), Column(least=10), Column(right=True), Column(rank=1, least=6))
    rows = [
        ("EX-1", "Norrvik Bygg AB: Montage", "9,640.00", "pick one"),
        ("EX-2", "Ek", "1.00", ""),
    ]
    assert table(columns, rows, None)[0].endswith("Norrvik Bygg AB: Montage  9,640.00  pick one")
    wide = [(*row[:3], "look at it" * 3) for row in rows]
    assert table(columns, wide, 60) == [
        "EX-1  Norrvik Bygg AB: Mon…  9,640.00  look at itlook at it…",
        "EX-2  Ek                         1.00  look at itlook at it…",
    ]
    named = [(row[0], row[1] * 3, row[2] * 5, row[3]) for row in rows]
    shown = table(columns, named, 60)
    assert len(shown[0]) <= 60
    assert rows[0][2] * 5 in shown[0]
    assert "…" in shown[0]
