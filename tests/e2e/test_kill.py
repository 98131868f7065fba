"""
Real engine processes, real HTTP, SIGKILL at random moments while answers are lost.

`TIEOUT_KILLS` sets the number of rounds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import create_engine

from tieout.store.database import blocking_engine
from tieout.store.workspaces import ensure_workspace

RUNNER = Path(__file__).with_name("kill_runner.py")
ROUNDS = int(os.environ.get("TIEOUT_KILLS", "20"))
LONGEST_S, LEAST = 32, 5


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(RUNNER), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@contextmanager
def served(side: str) -> Iterator[str]:
    """A simulator of the plain pair in a process of its own; its address."""
    process = _start("serve", side)
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["base_url"])
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


def ask(base: str, path: str, body: Any = None) -> Any:
    """The outside surface of a simulator."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(
        f"{base}/_sandbox/{path}", data=data, headers={"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def act(base: str, name: str, /, **arguments: Any) -> Any:
    """What a person does."""
    return ask(base, f"actions/{name}", arguments)


def records(base: str, entity: str) -> list[dict[str, Any]]:
    """Everything stored of a kind."""
    found = ask(base, f"records/{entity}")
    rows: list[dict[str, Any]] = found if isinstance(found, list) else found["records"]
    return rows


def _prepare(url: str) -> None:
    """The workspace of this test, made anew."""
    from kill_runner import BRIDGE, WORKSPACE, fast_now

    engine = blocking_engine(url)
    with engine.begin() as conn:
        ensure_workspace(WORKSPACE, "killed", fast_now())(conn)
        values = {"ws": WORKSPACE, "bridge": BRIDGE, "now": fast_now()}
        conn.exec_driver_sql(
            "INSERT INTO config_version (workspace, bridge, version, body, tables, digest,"
            " message, published_by, published_at) VALUES (%(ws)s, %(bridge)s, 1, '', '{}', 'd',"
            " '', 'test', %(now)s)",
            values,
        )
        conn.exec_driver_sql(
            "INSERT INTO bridge (workspace, name, version) VALUES (%(ws)s, %(bridge)s, 1)", values
        )
    engine.dispose()


def _operations(url: str) -> Counter[str]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as conn:
        rows = conn.exec_driver_sql(
            "SELECT state, count(*) FROM operation WHERE workspace = 'killed' GROUP BY state"
        ).fetchall()
    engine.dispose()
    return Counter({row[0]: row[1] for row in rows})


@pytest.mark.slow
def test_killed_processes_make_each_document_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(RUNNER.parent))
    _prepare(database_url)
    chance = Random(7)
    killed = 0
    with served("crm") as crm, served("book") as book:
        companies = [
            act(
                crm,
                "create_company",
                name=f"Company {number} AB",
                currency="SEK",
                address={
                    "lines": ["Storgatan 1"],
                    "postcode": "111 22",
                    "city": "Stockholm",
                    "country": "SE",
                },
            )["id"]
            for number in range(3)
        ]
        began = time.monotonic()
        deals = []
        for number in range(ROUNDS):
            longest = LONGEST_S * max(1, ROUNDS // 20)
            if number >= LEAST and time.monotonic() - began > longest:
                break
            line = {"product": "CONS", "quantity": 1, "unit_price": 1000 + number}
            deals.append(
                act(
                    crm,
                    "create_deal",
                    company=chance.choice(companies),
                    title=f"Deal {number}",
                    state="won",
                    lines=[line],
                    close_date="2026-11-20",
                )["id"]
            )
            if chance.random() < 0.7:
                kind = chance.choice(("drop_after_commit", "drop_after_commit", "commit_late"))
                fault = {"kind": kind, "method": "POST", "path": "*", "times": 1}
                ask(book, "faults", fault | ({"seconds": 15} if kind == "commit_late" else {}))
            process = _start("engine", database_url, crm, book, f"w{number}")
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0, 0.7))
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=20)
            process.stdout.close()
            killed += 1
        last = _start("engine", database_url, crm, book, "last", "--settle")
        told, _ = last.communicate(timeout=120)
        documents = [row for row in records(book, "documents") if not row.get("_deleted")]
    assert killed >= min(ROUNDS, LEAST)
    carried = Counter(row["_carrier"] for row in documents)
    assert set(carried.values()) == {1}, carried
    assert len(documents) == len(deals)
    assert sorted(int(row["net"]) for row in documents) == [1000 + n for n in range(len(deals))]
    assert told.splitlines()[-2:] == ["planned 0", "sent 0"]
    left = _operations(database_url)
    assert not {"ready", "started", "unknown", "confirming", "doubt"} & set(left), left
