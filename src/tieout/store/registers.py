"""What registers said of VAT numbers, who of them is silent, and which deals wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tieout.store.database import Tx

# What holds a deal and may be ended by an answer of a register.
HELD = ("number_unchecked", "number_not_valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The last yes or no about a number. ``said`` is 'yes' or 'no'."""

    register: str
    number: str
    asked_at: datetime
    said: str
    consultation: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """
    A register that does not answer. ``scope``: '' for all of it, a member state's letters, or a
    number. It is not asked again before ``next_at``.
    """

    register: str
    scope: str
    since: datetime
    last_at: datetime
    next_at: datetime
    tries: int
    fault: str


def answers(tx: Tx, numbers: Sequence[str]) -> dict[str, Answered]:
    """The last yes or no about each of these numbers."""
    return {
        row[1]: Answered(
            register=row[0],
            number=row[1],
            asked_at=row[2],
            said=row[3],
            consultation=row[4],
            name=row[5],
        )
        for row in tx.rows(
            "SELECT DISTINCT ON (number) register, number, asked_at, said, consultation, name"
            " FROM register_answer WHERE workspace = %(ws)s AND number = ANY(%(numbers)s)"
            " ORDER BY number, asked_at DESC",
            numbers=sorted(set(numbers)),
        )
    }


def silences(tx: Tx, scopes: Sequence[str]) -> dict[tuple[str, str], Silence]:
    """Silence of these scopes, by register and scope."""
    return {
        (row[0], row[1]): Silence(
            register=row[0],
            scope=row[1],
            since=row[2],
            last_at=row[3],
            next_at=row[4],
            tries=row[5],
            fault=row[6],
        )
        for row in tx.rows(
            "SELECT register, scope, since, last_at, next_at, tries, fault FROM register_silence"
            " WHERE workspace = %(ws)s AND scope = ANY(%(scopes)s) ORDER BY register, scope",
            scopes=sorted(set(scopes)),
        )
    }


def put_answer(tx: Tx, answer: Answered, scopes: Sequence[str]) -> None:
    """A yes or a no; what was silent in these scopes has spoken."""
    tx.run(
        "INSERT INTO register_answer (workspace, register, number, asked_at, said, consultation,"
        " name) VALUES (%(ws)s, %(register)s, %(number)s, %(at)s, %(said)s, %(consultation)s,"
        " %(name)s) ON CONFLICT DO NOTHING",
        register=answer.register,
        number=answer.number,
        at=answer.asked_at,
        said=answer.said,
        consultation=answer.consultation,
        name=answer.name,
    )
    tx.run(
        "DELETE FROM register_silence WHERE workspace = %(ws)s AND register = %(register)s"
        " AND scope = ANY(%(scopes)s)",
        register=answer.register,
        scopes=sorted(set(scopes)),
    )
    tx.log(
        "register.answered",
        register=answer.register,
        number=answer.number,
        said=answer.said,
        consultation=answer.consultation or "",
    )


def put_silence(tx: Tx, silence: Silence) -> None:
    """The register, a member state or a number is silent since then."""
    tx.run(
        "INSERT INTO register_silence (workspace, register, scope, since, last_at, next_at, tries,"
        " fault) VALUES (%(ws)s, %(register)s, %(scope)s, %(since)s, %(last)s, %(next)s, %(tries)s,"
        " %(fault)s) ON CONFLICT (workspace, register, scope) DO UPDATE SET since = %(since)s,"
        " last_at = %(last)s, next_at = %(next)s, tries = %(tries)s, fault = %(fault)s",
        register=silence.register,
        scope=silence.scope,
        since=silence.since,
        last=silence.last_at,
        next=silence.next_at,
        tries=silence.tries,
        fault=silence.fault,
    )


def held_sources(tx: Tx, lane: str, source_ids: Sequence[str]) -> frozenset[str]:
    """Those of these deals that a register's silence, or its no, has held before."""
    return frozenset(
        row[0]
        for row in tx.rows(
            "SELECT source_id FROM exception_case WHERE workspace = %(ws)s AND lane = %(lane)s"
            " AND source_id = ANY(%(ids)s) AND code = ANY(%(held)s) AND closed_at IS NULL",
            lane=lane,
            ids=list(source_ids),
            held=list(HELD),
        )
    )


def history(tx: Tx, number: str) -> list[Answered]:
    """All that registers said about a number, newest first."""
    return [
        Answered(
            register=row[0],
            number=number,
            asked_at=row[1],
            said=row[2],
            consultation=row[3],
            name=row[4],
        )
        for row in tx.rows(
            "SELECT register, asked_at, said, consultation, name FROM register_answer"
            " WHERE workspace = %(ws)s AND number = %(number)s ORDER BY asked_at DESC",
            number=number,
        )
    ]


def scopes_of(number: str, area: str) -> tuple[str, str, str]:
    """What may be silent of a number: all of its register, its member state, itself."""
    return ("", area, number)
