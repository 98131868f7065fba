"""The daily commands as a person runs them: processes, simulators on sockets, a real database."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from support.daily_story import Story, small_company
from support.database import database
from support.served_project import Program, connect_project, simulators

pytestmark = pytest.mark.timeout(180)


@dataclass
class Morning:
    """A connected project with four won deals, and the people on both sides."""

    tieout: Program
    story: Story


@contextmanager
def connected(root: Path, name: str) -> Iterator[Morning]:
    with database(name) as url, simulators() as (crm, books):
        story = small_company(crm, books)
        program = connect_project(root, crm, books, "auto", database_url=url)
        yield Morning(program, story)


@pytest.fixture
def morning(tmp_path: Path, worker_id: str) -> Iterator[Morning]:
    """Before anything was planned or read."""
    with connected(tmp_path / "nordic", f"morning_{worker_id}") as found:
        yield found


@pytest.fixture(scope="module")
def afternoon(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Morning]:
    """After a run: three drafts and EX-1. Each test leaves behind what the others can live with."""
    with connected(tmp_path_factory.mktemp("daily") / "nordic", f"daily_{worker_id}") as found:
        ran = found.tieout.inside("run", "--once")
        assert ran.code == 0, ran.out + ran.err
        yield found


def test_a_day_from_the_plan_to_the_proof(morning: Morning) -> None:
    """One story, since each step stands on the one before; every answer and code as documented."""
    tieout = morning.tieout

    made = tieout("plan")
    assert made.code == 0, made.err
    lines = made.out.splitlines()
    assert lines[0].startswith("Plan P-1  nordic  4 deals due, SEK 90,140.00 net, read ")
    assert "+ draft      D-108 Tallmo Skog AB        37,500.00  46,875.00" in lines
    assert "! exception  D-106 Ekfors Trä AB          9,640.00  item_no_code" in lines
    assert made.err == "Nothing was written. Next: tieout apply P-1\n"

    asked = tieout.inside("apply", "P-1")
    assert asked.code == 2
    assert "--yes" in asked.err

    applied = tieout("apply", "P-1", "--yes")
    assert applied.code == 0, applied.err
    assert applied.out.splitlines()[-1] == "6 applied."
    assert "applied  draft for D-108  Tallmo Skog AB     37,500.00  as predicted" in applied.out

    ran = tieout("run", "--once", "--json")
    data = ran.json()
    assert (ran.code, data["schema"], data["ok"]) == (0, "tieout.run/1", True)
    assert data["data"]["exceptions"] == {
        "count": 1,
        "amounts": [{"amount": "9640.00", "currency": "SEK"}],
    }
    assert ran.out.count("\n") == 1

    listed = tieout.inside("exceptions", "list")
    assert listed.code == 0
    assert listed.out.splitlines()[0].split()[:3] == ["EX-1", "item_no_code", "D-106"]
    assert listed.out.splitlines()[-1] == "1 open, 9,640.00, as in the tie-out."

    held = tieout.inside("plan", "--only", "D-106")
    assert held.err == "Nothing was written. Next: tieout doctor\n"

    retried = tieout.inside("exceptions", "retry", "EX-1")
    assert retried.code == 8
    assert retried.out.startswith('Still open: "Montage plus"')

    agreed = tieout.inside("reconcile", "--json")
    told = agreed.json()
    assert agreed.code == 0, agreed.out
    assert told["data"]["gap"] == {"amount": "90140.00", "currency": "SEK"}
    assert told["data"]["unexplained"] == {"amount": "0.00", "currency": "SEK"}

    proven = tieout.inside("prove")
    assert proven.code == 0, proven.out + proven.err
    assert "4 billing steps of 4 deals: 3 with one live document, 1" in proven.out

    stands = tieout.inside("status")
    assert stands.code == 0
    assert "1 exception  9,640.00" in stands.out

    known = tieout.inside("why", "D-107")
    assert known.code == 0, known.err
    assert known.out.startswith("Deal D-107  Lindvall Data AB  SEK 18,000.00 net  won\n")
    assert "POST /v2/customerinvoicedrafts" in known.out

    nothing = tieout.inside("plan", "--exit-code", "--no-read", "--json")
    assert nothing.code == 0
    assert [one["verdict"] for one in nothing.json()["data"]["items"]] == ["hold"]


def test_a_change_of_a_table_says_which_exception_it_closes(afternoon: Morning) -> None:
    table = afternoon.tieout.root / "tables" / "items.csv"
    table.parent.mkdir(exist_ok=True)
    table.write_text("from,to,note\nMONTAGE,MON-2,\n", encoding="utf-8")
    try:
        told = afternoon.tieout.inside("config", "diff")
        assert told.code == 0, told.err
        # Of what other tests left open it may look at something again; it changes nothing else.
        assert "Effect on today's data: EX-1 closes, 9,640.00. " in told.out
        assert told.out.endswith("Nothing else.\n")
        assert afternoon.tieout.inside("config", "diff", "--json").json()["ok"]
    finally:
        table.unlink()


def test_a_copy_in_the_books_ends_with_ten(afternoon: Morning) -> None:
    drafts = afternoon.story.books.records("customerinvoicedrafts")  # type: ignore[attr-defined]
    afternoon.story.books.act("copy_draft", draft=drafts[0]["Id"])
    found = afternoon.tieout.inside("prove", "--json")
    assert found.code == 10
    data = found.json()
    assert (data["ok"], data["data"]["several"]) == (False, 1)
    assert data["error"]["code"] == "two_documents"
    ours = [one["ours"] for one in data["data"]["items"][0]["documents"]]
    assert sorted(ours) == [False, True]


def test_a_month_is_filed_once_and_shown_as_it_was(afternoon: Morning, tmp_path: Path) -> None:
    tieout, story = afternoon.tieout.inside, afternoon.story
    deal = story.deal("D-090", "Tallmo Skog AB", "SRV-1", "700", won=False)
    today = date.fromisoformat(tieout("status", "--json").json()["generated_at"][:10])
    last = today.replace(day=1) - timedelta(days=1)
    month = f"{last:%Y-%m}"
    story.crm.act("win", id=deal, close_date=last.isoformat())
    assert tieout("run", "--once").code == 0
    early = tieout("reconcile", "--month", f"{today:%Y-%m}", "--store")
    assert early.code == 2
    page = tmp_path / "month.html"
    filed = tieout("reconcile", "--month", month, "--store", "--html", str(page))
    assert filed.code == 0, filed.out + filed.err
    assert "Filed by anna.lind" in filed.err
    assert "Sold                           700.00  1 deal" in filed.out
    assert "anna.lind" in page.read_text(encoding="utf-8")
    story.crm.act("reopen", id=deal)
    assert tieout("run", "--once").code == 0
    again = tieout("reconcile", "--month", month)
    assert again.out == filed.out
    assert "shown as it was filed" in again.err
    verified = tieout("log", "verify", "--report", month)
    assert verified.code == 0, verified.out + verified.err
    # A printed report is compared by the hash that stands on it.
    shown = re.search(r"SHA-256</span> <code>(.+?)</code>", page.read_text(encoding="utf-8"))
    assert shown
    grouped = re.findall(r"<i>(\w{4})</i>", shown[1])
    assert len(grouped) == 16
    assert verified.out.splitlines()[-1].endswith(f"SHA-256 {' '.join(grouped)}")
    assert f"SHA-256 {''.join(grouped[:2])}. Check:" in filed.err


def test_a_part_of_a_name_is_told_the_names_that_have_it(afternoon: Morning) -> None:
    asked = afternoon.tieout.inside("why", "tallmo")
    assert asked.code == 2
    assert 'is called "tallmo". There is Tallmo Skog AB.' in asked.err
    assert "tieout why 'Tallmo Skog AB'" in asked.err
    assert "There is" not in afternoon.tieout.inside("why", "al").err


def test_another_document_for_a_deal_whose_invoice_was_credited(afternoon: Morning) -> None:
    tieout, story = afternoon.tieout.inside, afternoon.story
    before = {row["Id"] for row in _drafts(story)}
    story.deal("D-091", "Tallmo Skog AB", "SRV-1", "800")
    assert tieout("run", "--once").code == 0
    (draft,) = (row for row in _drafts(story) if row["Id"] not in before)
    refused = tieout("exceptions", "answer", "D-091", "--make-new")
    assert refused.code == 2
    assert "D-091 has no document that was credited in full or voided" in refused.err

    invoice = story.books.act("book_draft", draft=draft["Id"])
    assert tieout("run", "--once").code == 0
    story.books.act("credit", invoice=invoice["InvoiceNumber"])
    assert tieout("run", "--once").code == 0
    asked = tieout("why", "D-091")
    assert "tieout exceptions answer D-091 --make-new" in asked.out

    said = tieout("exceptions", "answer", "D-091", "--make-new", "--as", "Maria Ek")
    assert (said.code, said.out) == (
        0,
        "Noted for Maria Ek: 1 new document for D-091 by the next run.\n",
    )
    twice = tieout("exceptions", "answer", "D-091", "--make-new", "--json")
    assert (twice.code, twice.json()["error"]["code"]) == (2, "answer_unfit")
    assert tieout("run", "--once").code == 0
    (again,) = (row for row in _drafts(story) if row["Id"] not in before)
    assert again["Id"] != draft["Id"]
    assert tieout("run", "--once").code == 0
    assert len(_drafts(story)) == len(before) + 1
    story.crm.act("reopen", id=story.deals["D-091"])
    assert tieout("run", "--once").code == 0
    assert tieout("log", "verify").code == 0


def _drafts(story: Story) -> list[dict[str, object]]:
    rows = story.books.records("customerinvoicedrafts")  # type: ignore[attr-defined]
    return [row for row in rows if not row.get("_deleted")]


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("plan", "P-999"), 2, "no_plan"),
        (("exceptions", "answer", "D-999", "--make-new"), 2, "no_such_record"),
        (("exceptions", "answer", "EX-99", "--make-new"), 2, "no_exception"),
        (("exceptions", "answer", "99", "--make-new"), 2, "no_such_record"),
        (("exceptions", "answer", "1", "--make-new"), 2, "answer_unfit"),
        (("plan", "--only", "D-106", "--only", "D-160", "--no-read"), 2, "not_due"),
        (("plan", "P-1", "--only", "D-106", "--only", "D-160"), 2, "not_in_plan"),
        (("apply", "--only", "D-160", "--yes"), 2, "not_due"),
        (("apply", "P-1", "--only", "D-106", "--only", "D-160", "--yes"), 2, "not_in_plan"),
        (("why", "nobody"), 2, "not_found"),
        (("exceptions", "show", "EX-99"), 2, "no_exception"),
        (("reconcile", "--month", "october"), 2, "no_month"),
        (("reconcile", "--month", "2999-01"), 2, "month_ahead"),
        (("reconcile", "--csv", "/nowhere/at/all.csv"), 2, "file_unwritable"),
        (("reconcile", "--html", "/"), 2, "file_unwritable"),
        (("exceptions", "list", "--csv", "/nowhere/at/all.csv"), 2, "file_unwritable"),
    ],
)
def test_what_was_asked_wrongly_is_one_object(
    afternoon: Morning, words: tuple[str, ...], code: int, error: str
) -> None:
    answer = afternoon.tieout.inside(*words, "--json")
    data = json.loads(answer.out)
    assert (answer.code, data["exit_code"], data["error"]["code"]) == (code, code, error)
    assert answer.out.count("\n") == 1


def test_a_run_ties_out_as_often_as_configured(afternoon: Morning) -> None:
    tieout = afternoon.tieout.inside
    file = afternoon.tieout.root / "tieout.yaml"
    before = file.read_text(encoding="utf-8")
    try:
        _tied_out_as_configured(afternoon, before)
    finally:
        afternoon.tieout.edit(before)
        assert tieout("config", "publish", "-m", "as before", "--yes").code == 0


def _tied_out_as_configured(afternoon: Morning, before: str) -> None:
    tieout = afternoon.tieout.inside
    more = "flows:\n  reconcile: {every: 1d, threshold: 1.00, alert: finance}\n"
    afternoon.tieout.edit(before.replace("flows:\n", more))
    assert tieout("config", "publish", "-m", "tie out daily", "--yes").code == 0
    assert tieout("run", "--once").code == 0
    again = tieout("run", "--once", "--json").json()
    assert again["data"]["tie_outs"] == [], "it was done by the run before"

    # Nobody has read what finance books now; a day later the tie-out does not agree.
    books = afternoon.story.books
    customer = books.records("customers")[0]  # type: ignore[attr-defined]
    books.act("create_invoice", customer=customer["Id"], amount="1250.00")
    afternoon.tieout.edit(before.replace("flows:\n", more.replace("1d", "1s")))
    assert tieout("config", "publish", "-m", "tie out at once", "--yes").code == 0
    time.sleep(1.1)  # since the tie-out before: on a quick machine all this takes less
    ran = tieout("run", "--once")
    assert ran.code == 0, ran.out + ran.err
    assert "tied out visma-se: explained to the cent, gap SEK" in ran.out
