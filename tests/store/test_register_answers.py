"""Answers of registers in the database: kept for good, by workspace; silence that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import ProgrammingError

from support.database import database
from support.fakes import START
from tieout.store import registers
from tieout.store.database import Tx, blocking_engine, in_workspace
from tieout.store.registers import Answered, Silence
from tieout.store.workspaces import ensure_workspace

Do = Callable[..., Any]
NUMBER = "FI20774740"
SCOPES = registers.scopes_of(NUMBER, "FI")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with database("registers") as url:
        made = blocking_engine(url)
        yield made
        made.dispose()


@pytest.fixture
def do(engine: Engine, request: pytest.FixtureRequest) -> Do:
    """Runs a store function in a workspace of the test's own, or in the one that is named."""

    def run(work: Callable[[Tx], Any], workspace: str = request.node.name) -> Any:
        with engine.begin() as conn:
            ensure_workspace(workspace, workspace, START)(conn)
        with engine.begin() as conn:
            return in_workspace(workspace, START, "anna.lind", work)(conn)

    return run


def answer(days: int, said: str, **more: str) -> Answered:
    return Answered(
        register="vies", number=NUMBER, asked_at=START + timedelta(days=days), said=said, **more
    )


def silence(scope: str, tries: int = 1) -> Silence:
    later = START + timedelta(minutes=5 * tries)
    return Silence(
        register="vies",
        scope=scope,
        since=START,
        last_at=START,
        next_at=later,
        tries=tries,
        fault="MS_UNAVAILABLE",
    )


def test_the_last_answer_counts_and_all_are_kept(do: Do) -> None:
    for one in (answer(2, "yes", consultation="W1", name="X"), answer(1, "no"), answer(0, "yes")):
        do(lambda tx, one=one: registers.put_answer(tx, one, SCOPES))
    found = do(lambda tx: registers.answers(tx, [NUMBER, "FI01120389"]))
    assert found == {NUMBER: answer(2, "yes", consultation="W1", name="X")}
    assert [one.said for one in do(lambda tx: registers.history(tx, NUMBER))] == [
        "yes",
        "no",
        "yes",
    ]


def test_an_answer_ends_the_silence_it_was_under_and_no_other(do: Do) -> None:
    for scope in ("", "FI", "DE", NUMBER):
        do(lambda tx, scope=scope: registers.put_silence(tx, silence(scope)))
    do(lambda tx: registers.put_silence(tx, silence("FI", 3)))
    found = do(lambda tx: registers.silences(tx, SCOPES))
    assert found[("vies", "FI")] == silence("FI", 3)
    assert set(found) == {("vies", ""), ("vies", "FI"), ("vies", NUMBER)}
    do(lambda tx: registers.put_answer(tx, answer(0, "yes"), SCOPES))
    assert do(lambda tx: registers.silences(tx, [*SCOPES, "DE"])) == {("vies", "DE"): silence("DE")}


def test_answers_are_neither_changed_nor_deleted(do: Do) -> None:
    do(lambda tx: registers.put_answer(tx, answer(0, "no"), SCOPES))
    for statement in ("UPDATE register_answer SET said = 'yes'", "DELETE FROM register_answer"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            do(lambda tx, statement=statement: tx.run(statement))


def test_a_workspace_sees_its_own_only(do: Do) -> None:
    do(lambda tx: registers.put_answer(tx, answer(0, "yes"), SCOPES), "one")
    do(lambda tx: registers.put_silence(tx, silence("FI")), "one")
    assert do(lambda tx: tx.rows("SELECT 1 FROM register_answer"), "two") == []
    assert do(lambda tx: tx.rows("SELECT 1 FROM register_silence"), "two") == []
    foreign = (
        "INSERT INTO register_silence VALUES ('one', 'vies', 'SE', %(t)s, %(t)s, %(t)s, 1, '')"
    )
    with pytest.raises(ProgrammingError, match="row-level security"):
        do(lambda tx: tx.run(foreign, t=START), "two")


def test_every_answer_stands_in_the_activity_log(do: Do) -> None:
    do(lambda tx: registers.put_answer(tx, answer(0, "yes", consultation="W1"), SCOPES))
    rows = do(lambda tx: tx.rows("SELECT entries FROM activity WHERE workspace = %(ws)s"))
    assert b"register.answered" in bytes(rows[-1][0])
    assert b"W1" in bytes(rows[-1][0])
