"""What no checker of types or imports sees: names, clocks and numbers where they must not be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tieout.bootstrap_systems import SYSTEMS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tieout"
# Those that there are, those to come, and what people call them.
NAMES = sorted(
    {word for name in SYSTEMS for word in re.split(r"[_\W]", name)} - {"net", "plain"}
    | {"eaccounting", "quickbooks", "xero", "netsuite", "intacct", "s4hana", "oracle"}
)
# Everything that is replayed from a seed: it asks its ports for the time, ids and chance.
REPLAYED = ("core", "engine", "store", "connectors", "ports.py", "storing.py")
CHANCE = {
    "asyncio.wait": "answers in memory order",
    "asyncio.TaskGroup": "cancels in memory order",
    "datetime.now": "the clock is a port",
    "datetime.utcnow": "the clock is a port",
    "date.today": "the clock is a port",
    "time.time": "the clock is a port",
    "time.monotonic": "the clock is a port",
    "uuid.uuid4": "ids are a port",
    "random.random": "chance is an object passed in",
    "random.choice": "chance is an object passed in",
    "random.randint": "chance is an object passed in",
    "secrets.token_hex": "ids are a port",
    "secrets.token_urlsafe": "ids are a port",
}
# These are about a process and its sockets on this machine, not about what is replayed.
OF_THE_MACHINE = ("store/embedded", "store/database.py", "connectors/http/")
IN_SQL = re.compile(
    r"\b(now\(\)|random\(\)|clock_timestamp|current_timestamp|gen_random_uuid|nextval)",
    re.IGNORECASE,
)


def files(*parts: str) -> Iterator[Path]:
    for part in parts:
        place = SOURCE / part
        yield from sorted(place.rglob("*.py")) if place.is_dir() else [place]


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Each call as it is written, `asyncio.wait`, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def texts(path: Path) -> Iterator[tuple[str, int]]:
    """Each text of a module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value, node.lineno


def test_core_and_engine_name_no_system() -> None:
    assert {"salesforce", "visma", "webcrm", "tryton"} <= set(NAMES)
    word = re.compile("|".join(NAMES), re.IGNORECASE)
    found = [
        f"{path.relative_to(SOURCE)}:{number} {line.strip()}"
        for path in files("core", "engine", "ports.py", "storing.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if word.search(line)
    ]
    assert found == []


def test_money_never_passes_through_a_float() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}"
        for path in files("")
        for name, line in calls(path)
        if name == "float"
    ]
    assert found == []


def test_what_is_replayed_asks_its_ports() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line} {name}: {CHANCE[name]}"
        for path in files(*REPLAYED)
        if not str(path.relative_to(SOURCE)).startswith(OF_THE_MACHINE)
        for name, line in calls(path)
        if name in CHANCE
    ]
    assert found == []


def test_the_database_is_never_asked_for_the_time_or_an_id() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line} {text[:60]}"
        for path in files("store")
        for text, line in texts(path)
        if IN_SQL.search(text)
    ]
    assert found == []


@pytest.mark.parametrize("contract", ["connectors", "registers"])
def test_the_import_rules_know_every_connector(contract: str) -> None:
    rules = (ROOT / ".importlinter").read_text(encoding="utf-8")
    section = rules.partition(f"[importlinter:contract:{contract}]")[2].partition("\n[")[0]
    for name in SYSTEMS:
        assert f"\n    tieout.connectors.{name}\n" in f"{section}\n"
