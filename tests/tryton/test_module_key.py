"""Our Tryton module: one record per key, whatever is repeated, copied or in flight at once."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from support.tryton_server import ROOT, RunningTryton, TrytonPlant
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.acts import Line
from tieout_sandbox.tryton.postgres import Postgres
from tieout_sandbox.tryton.rpc import Row, Tryton, TrytonError

pytestmark = pytest.mark.slow

TAKEN = "The Tieout key must be unique."
MODELS = ("party.party", "account.invoice", "sale.sale")


def _values(tryton: RunningTryton, model: str, customer: int) -> Row:
    """What each model asks for at least."""
    books = tryton.books
    if model == "party.party":
        return {"name": "Nordhavn Kaffe AB"}
    address = tryton.admin.read("party.party", customer, "addresses")["addresses"][0]
    head: Row = {
        "company": books.company,
        "party": customer,
        "invoice_address": address,
        "currency": books.currencies["SEK"],
    }
    if model == "sale.sale":
        return {**head, "shipment_address": address}
    return {
        **head,
        "type": "out",
        "account": books.receivable,
        "journal": books.journals["REV"],
    }


def _draft(person: Tryton, item: int, **more: object) -> int:
    customer = acts.make_customer(person, "Nordhavn Kaffe AB")
    line = Line(item=item, quantity=Decimal(3), price=Decimal("99.95"))
    return acts.make_invoice(person, customer, [line], **more)


@pytest.mark.parametrize("model", MODELS)
def test_of_three_creates_at_once_one_is_done(tryton_group: RunningTryton, model: str) -> None:
    customer = acts.make_customer(tryton_group.admin, "Nordhavn Kaffe AB")
    values = {**_values(tryton_group, model, customer), "tieout_key": f"parallel-{model}"}

    def create(_: int) -> int | str:
        try:
            return tryton_group.admin.create(model, values)
        except TrytonError as error:
            return error.message

    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(create, range(3)))
    made = [answer for answer in answers if isinstance(answer, int)]
    refused = [answer for answer in answers if isinstance(answer, str)]
    assert len(made) == 1
    assert [TAKEN in text for text in refused] == [True, True]
    found = tryton_group.admin.search(model, [["tieout_key", "=", f"parallel-{model}"]], [])
    assert [row["id"] for row in found] == made


@pytest.mark.parametrize("model", MODELS)
def test_a_duplicate_carries_no_key(tryton_group: RunningTryton, model: str) -> None:
    customer = acts.make_customer(tryton_group.admin, "Nordhavn Kaffe AB")
    values = {**_values(tryton_group, model, customer), "tieout_key": f"copy-{model}"}
    original = tryton_group.admin.create(model, values)
    copies = tryton_group.admin.call(f"model.{model}.copy", [original], {})
    keys = [tryton_group.admin.read(model, made, "tieout_key")["tieout_key"] for made in copies]
    assert keys == [None]


@pytest.mark.parametrize("model", MODELS)
def test_many_records_may_be_without_a_key(tryton_group: RunningTryton, model: str) -> None:
    customer = acts.make_customer(tryton_group.admin, "Nordhavn Kaffe AB")
    values = _values(tryton_group, model, customer)
    made = tryton_group.admin.call(f"model.{model}.create", [values, values])
    assert len(set(made)) == 2


def test_a_list_with_one_taken_key_makes_nothing(tryton_group: RunningTryton) -> None:
    admin = tryton_group.admin
    admin.create("party.party", {"name": "First", "tieout_key": "list-1"})
    new = [{"name": "Second", "tieout_key": "list-2"}, {"name": "Third", "tieout_key": "list-1"}]
    with pytest.raises(TrytonError, match=TAKEN):
        admin.call("model.party.party.create", new)
    assert admin.search("party.party", [["tieout_key", "=", "list-2"]], []) == []


def test_a_posted_invoice_keeps_its_key(tryton_group: RunningTryton) -> None:
    admin = tryton_group.admin
    made = _draft(admin, tryton_group.books.items["SKR01"], tieout_key="posted-1")
    acts.post(admin, made)
    with pytest.raises(TrytonError):
        admin.write(acts.INVOICE, made, {"tieout_key": "another"})
    assert admin.read(acts.INVOICE, made, "tieout_key")["tieout_key"] == "posted-1"


def test_the_key_is_taken_as_it_is_with_blanks_and_case(tryton_group: RunningTryton) -> None:
    admin = tryton_group.admin
    made = admin.call(
        "model.party.party.create",
        [{"name": "A", "tieout_key": key} for key in ("Case", "case", " case", "case ")],
    )
    keys = [admin.read("party.party", one, "tieout_key")["tieout_key"] for one in made]
    assert keys == ["Case", "case", " case", "case "]


def test_a_predicted_total_that_is_right_lets_the_invoice_post(tryton_group: RunningTryton) -> None:
    admin, item = tryton_group.admin, tryton_group.books.items["SKR01"]
    predicted = {
        "source_untaxed_amount": Decimal("299.85"),
        "source_tax_amount": Decimal("74.96"),
        "source_total_amount": Decimal("374.81"),
    }
    made = _draft(tryton_group.person("tieout"), item, **predicted)
    acts.post(admin, made)
    assert admin.read(acts.INVOICE, made, "state")["state"] == "posted"


def test_a_predicted_total_that_is_wrong_holds_the_invoice(tryton_group: RunningTryton) -> None:
    admin, item = tryton_group.admin, tryton_group.books.items["SKR01"]
    made = _draft(tryton_group.person("tieout"), item, source_tax_amount=Decimal("74.97"))
    with pytest.raises(TrytonError, match="must equal the source value"):
        acts.post(admin, made)
    seen = admin.read(acts.INVOICE, made, "state", "number")
    assert (seen["state"], seen["number"]) == ("draft", None)


def test_a_duplicate_carries_no_predicted_total(tryton_group: RunningTryton) -> None:
    admin, item = tryton_group.admin, tryton_group.books.items["SKR01"]
    made = _draft(admin, item, source_total_amount=Decimal("374.81"))
    copied = acts.duplicate(admin, made)
    amounts = ("source_untaxed_amount", "source_tax_amount", "source_total_amount")
    seen = admin.read(acts.INVOICE, copied, *amounts)
    assert [seen[name] for name in amounts] == [None, None, None]


@pytest.mark.parametrize("refund", [True, False])
def test_a_credit_note_made_by_a_person_carries_no_key(
    tryton_group: RunningTryton, refund: bool
) -> None:
    admin, item = tryton_group.admin, tryton_group.books.items["SKR01"]
    known = {"tieout_key": f"credited-{refund}", "source_total_amount": Decimal("374.81")}
    made = _draft(admin, item, **known)
    acts.post(admin, made)
    note = acts.credit(admin, made, refund=refund)
    seen = admin.read(acts.INVOICE, note, "tieout_key", "source_total_amount", "total_amount")
    assert (seen["tieout_key"], seen["source_total_amount"]) == (None, None)
    assert seen["total_amount"] == Decimal("-374.81")


def _first_user(postgres: Postgres, database: str) -> int:
    with psycopg.connect(host=postgres.host, user=postgres.user, dbname=database) as reading:
        row = reading.execute("SELECT min(id) FROM res_user WHERE login = 'admin'").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.timeout(900)
def test_trytons_own_checks_of_a_module_pass(tryton_plant: TrytonPlant) -> None:
    """Views, access, dependencies, registers, copies: what the vendor asks of every module."""
    # Named as Tryton's test helpers name the copy source of these two modules.
    source = "test-" + hashlib.shake_128(b"tieout-sale").hexdigest(20)
    name = f"tieout_checks_{os.getpid()}"
    postgres = tryton_plant.postgres
    environment = {
        "PATH": os.defpath,
        "DB_NAME": name,
        "DB_CACHE": "postgresql://copies",
        "TRYTOND_DATABASE__URI": postgres.uri(),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    postgres.copy(tryton_plant.modules, source)
    try:
        # The helpers act as user 1. Series 8.2 gives the administrator another number; there
        # they have to make a database of their own, which takes a minute.
        if _first_user(postgres, source) != 1:
            del environment["DB_CACHE"]
        done = subprocess.run(
            [tryton_plant.venv / "bin" / "python", "-m", "unittest", "discover", "-s", "tests"],
            cwd=ROOT / "tryton",
            env=environment,
            capture_output=True,
            text=True,
            timeout=850,
            check=False,
        )
    finally:
        postgres.drop(source)
        postgres.drop(name)
    assert done.returncode == 0, done.stderr
    assert "Ran 2" in done.stderr, done.stderr


def _packed(folder: Path, into: Path) -> tuple[set[str], str]:
    """The names in the wheel of a package, and what it says about itself."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    (wheel,) = into.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        metadata = next(name for name in names if name.endswith("dist-info/METADATA"))
        return names, packed.read(metadata).decode("utf-8")


def test_the_wheel_of_tieout_does_not_contain_the_module(tmp_path: Path) -> None:
    names, metadata = _packed(ROOT, tmp_path)
    assert "tieout/__init__.py" in names
    assert [name for name in names if "tieout_tryton" in name or "tryton.cfg" in name] == []
    assert "License-Expression: Apache-2.0" in metadata
    assert "trytond" not in metadata


def test_the_modules_own_wheel_has_its_parts_and_its_licence(tmp_path: Path) -> None:
    names, metadata = _packed(ROOT / "tryton", tmp_path)
    files = {name for name in names if name.startswith("tieout_tryton/")}
    sources = {"__init__.py", "keyed.py", "message.xml", "tryton.cfg"}
    assert files == {f"tieout_tryton/{name}" for name in sources}
    assert "License-Expression: GPL-3.0-or-later" in metadata
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_no_source_of_tieout_imports_tryton() -> None:
    for source in (ROOT / "src").rglob("*.py"):
        text = source.read_text("utf-8")
        for name in ("trytond", "tieout_tryton", "proteus"):
            assert f"import {name}" not in text, source
            assert f"from {name}" not in text, source
