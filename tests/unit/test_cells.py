"""Names with emoji and Chinese letters stand in columns like all others."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.cells import cell_len

from tieout.cells import cells, cut, head, left, right
from tieout.cli.commands.apply import done_lines
from tieout.cli.formats import Column, table
from tieout.cli.plan_screen import plan_lines
from tieout.cli.ticking import Ticking
from tieout.services.applying import Applied
from tieout.services.planning import Planned
from tieout.settings.problems import Problem, render_problem
from tieout.store.plans import PlanLine

NAMES = (
    "Tallmo Skog AB",
    "東京クラウド株式会社",
    "Fika ☕🥐 AB",
    "Cafe\u0301 Stråk",
    "👨‍👩‍👧 Familj",
)


def edge(line: str, what: str) -> int:
    """The column at which a text in the line begins."""
    return cell_len(line[: line.index(what)])


@pytest.mark.parametrize("name", NAMES)
def test_a_text_is_as_wide_as_the_terminal_shows_it(name: str) -> None:
    assert cells(name) == cell_len(name)
    assert cell_len(left(name, 30)) == cell_len(right(name, 30)) == 30
    for width in range(1, 30):
        shown = cut(name, width)
        assert cell_len(shown) <= width
        assert (shown == name) == (cells(name) <= width)
        assert shown == name or (shown[-1] == "…" and name.startswith(shown[:-1]))
        assert name.startswith(head(name, width))


def test_a_letter_of_two_columns_is_left_out_whole() -> None:
    assert (cut("東京都", 4), cut("東京都", 5), cut("東京都", 6)) == ("東…", "東京…", "東京都")
    assert (head("東京", 3), head("東京", 0)) == ("東", "")


def test_columns_of_a_table_stand_below_each_other() -> None:
    columns = (Column(), Column(rank=1, least=6), Column(right=True))
    rows = [(str(at), name, "9,640.00") for at, name in enumerate(NAMES)]
    for width in (None, 60):
        made = table(columns, [(*row[:1], row[1] * 5, row[2]) for row in rows], width)
        assert len({edge(line, "9,640.00") for line in made}) == 1, made


def line_for(name: str) -> PlanLine:
    return PlanLine(
        rank=2,
        entity="document",
        lane="nordic/documents/visma-se",
        source_id=name,
        part=0,
        verdict="write",
        reason="create",
        message="",
        digest="d",
        key13="k",
        action="create",
        number="D-1",
        title=name,
        net=Decimal("9640.00"),
        gross=Decimal("12050.00"),
        other_gross=None,
        currency="SEK",
        differs=(),
    )


@pytest.mark.parametrize("times", [1, 6])
def test_amounts_of_a_plan_stand_below_each_other(times: int) -> None:
    """Also where the names are so long that they are cut."""
    plan = Planned(
        number=1,
        bridge="nordic",
        lines=tuple(line_for(name * times) for name in NAMES),
        read_at=datetime(2026, 10, 31, tzinfo=UTC),
        hash="h",
        config_version=1,
    )
    made = [line for line in plan_lines(plan, UTC, full=False) if "+ draft" in line]
    assert len(made) == len(NAMES)
    assert len({edge(line, "9,640.00") for line in made}) == 1, made
    assert len({edge(line, "12,050.00") for line in made}) == 1, made
    assert all(cell_len(line) <= 100 for line in made)


def test_rows_of_apply_stand_below_each_other() -> None:
    applied = Applied(plan=cast(Any, None), done=[(line_for(name), None) for name in NAMES])
    made = done_lines(cast(Any, None), applied)
    assert len({edge(line, "not sent") for line in made}) == 1, made


def test_the_line_of_progress_never_wraps() -> None:
    ticking = Ticking(cast(Any, SimpleNamespace(write=len, flush=int)), lambda: 0, lambda: 20)
    try:
        ticking.say(f"Reading {NAMES[1] * 3}")
        assert cell_len(ticking.line()) <= 19
    finally:
        ticking.end()


def test_the_mark_of_a_problem_stands_below_its_place() -> None:
    text = 'title: "東京クラウド"  # x'
    problem = Problem(
        file="tieout.yaml", line=1, column=text.index("#") + 1, code="unknown_key", message="No."
    )
    _, shown, below = render_problem(problem, [text]).splitlines()
    assert edge(below, "^") == edge(shown, "#")
