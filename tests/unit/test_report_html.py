"""The HTML report: whole, safe, small, readable, and its figures copy as numbers."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from tieout_october import (
    CUT_OFF,
    document,
    draft,
    ledger_row,
    october,
    october_ledger,
    october_receivables,
    october_steps,
    open_items,
    step,
)

from tieout.core.ageing import ageing
from tieout.core.chain import Cause
from tieout.core.tieout import Approval, StepFigures
from tieout.report.context import Filing, Report, ReportContext
from tieout.report.data import digest
from tieout.report.html import _who, render
from tieout.report.markup import link, note_text, number

D = Decimal
ZONE = ZoneInfo("Europe/Stockholm")
HOSTILE = "<script>alert(1)</script>\"' onload=x & {{7*7}} \x00\x1b[31m \u202e\u2066 \ud800 Å"


def context(**changed) -> ReportContext:
    values = {
        "company": "Nordljus Konsult AB",
        "bridge": "nordic",
        "books": "visma-se",
        "time_zone": "Europe/Stockholm",
        "read_at": datetime(2026, 11, 5, 8, 11, tzinfo=ZONE),
        "filed": Filing(at=datetime(2026, 11, 5, 8, 14, tzinfo=ZONE), by="Anna Lind"),
        "config_version": "v7",
        "run": "R-1921",
        "check": "tieout log verify --report 2026-10",
    } | changed
    return ReportContext(**values)


def october_report(**changed) -> Report:
    values = {
        "context": context(),
        "tie_out": october(),
        "receivables": october_receivables(),
        "ageing": ageing(open_items(), CUT_OFF, "SEK"),
    } | changed
    return Report(**values)


def parse(page: str) -> ElementTree.Element:
    """The page as XML: stricter than HTML, so every element is closed and every value escaped."""
    return ElementTree.fromstring(page)


def words(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def rows_of(root: ElementTree.Element, name: str) -> list[list[str]]:
    found = [t for t in root.iter("table") if t.get("class") == name]
    return [[words(c) for c in row] for table in found for row in table.iter("tr")]


def test_it_is_well_formed_with_one_head_and_one_main():
    root = parse(render(october_report()))
    assert root.tag == "html"
    assert root.get("lang") == "en"
    assert [child.tag for child in root] == ["head", "body"]
    assert [h.text for h in root.iter("h2")] == [
        "From sold to invoiced",
        "Deal by deal",
        "By period",
        "Receivables",
        "Ageing of open items",
    ]


def test_the_first_screen_answers():
    said = words(parse(render(october_report())).find("body/main"))
    start = said[: said.index("From sold to invoiced")]
    for text in (
        "October 2026",
        "Nordljus Konsult AB · bridge nordic · books visma-se",
        "Filed 5 Nov 2026, 08:14, Anna Lind",
        "31 Oct 2026, Europe/Stockholm",
        "SEK, net of VAT",
        "Explained to the cent.",
    ):
        assert text in start
    figures = [words(dd) for dd in parse(render(october_report())).iter("dd") if dd.get("class")]
    assert figures == ["1024390.01", "557735.08", "466654.93", "0.00"]
    assert "15 deals and one invoice without a deal" in start


def test_every_cause_with_its_amount_deals_and_who_acts():
    table = rows_of(parse(render(october_report())), "fall")
    assert [[cells[0], *cells[2:]] for cells in table[1:]] == [
        ["Sold", "1024390.01", "17 deals", ""],
        ["Excluded by rule own group", "-15000.00", "D-103", ""],
        ["Trigger not yet true order confirmation missing", "-64000.00", "D-104", "Sales"],
        ["Remaining instalments due 30 Nov", "-33333.34", "D-110", ""],
        ["Waiting for approval above 100000.00", "-210000.00", "D-105", "Approver"],
        ["Exception open EX-31, EX-34", "-11640.00", "D-106, D-116", "Finance, Sales"],
        ["On its way answer lost, found 1 Nov", "-18000.00", "D-107", ""],
        ["Rounding half a cent a line at most", "+0.01", "D-114", ""],
        ["Edited in the books price lowered by finance", "-2200.00", "D-111, D-117", ""],
        ["Cancelled draft deleted by finance", "-8900.00", "D-112", ""],
        ["In draft 2 drafts to book", "-66500.00", "D-108, D-117", "Finance"],
        ["Booked after the cut-off invoice dated 2 Nov", "-25000.00", "D-109", ""],
        ["Credited 2 credit notes", "-16500.00", "D-113, D-117", ""],
        ["Currency rate EUR at 11.0432, sold at 11.20", "-1881.60", "D-115", ""],
        ["Invoiced without a deal invoice 1049", "+6300.00", "none", "Finance"],
        ["Unexplained our sum against the ledger’s own list", "0.00", "", ""],
        ["Invoiced by 31 October", "557735.08", "", ""],
    ]


def test_deal_by_deal_adds_up_from_what_can_be_copied():
    table = rows_of(parse(render(october_report())), "deals")
    body, total = table[1:-1], table[-1]
    assert len(body) == 18
    sums = [sum(D(cells[n]) for cells in body) for n in (2, 3, 4)]
    assert sums == [D(total[n]) for n in (2, 3, 4)]
    assert total == ["", "Total", "1024390.01", "557735.08", "466654.93", ""]
    assert body[16][0] == "D-117"
    assert body[16][5] == "Edited in the books 1000.00In draft 29000.00Credited 3000.00"
    assert body[17][0] == "no deal"


def test_deals_that_a_crm_names_by_whole_titles_are_said_to_stand_by_name():
    report = october_report()
    assert "Closed in October, by number." in words(parse(render(report)))
    rows = tuple(
        replace(row, number=f"{row.customer}: support 2026-10") if row.number else row
        for row in report.tie_out.rows
    )
    named = replace(report, tie_out=replace(report.tie_out, rows=rows))
    assert "Closed in October, by name." in words(parse(render(named)))


def test_period_receivables_and_ageing():
    root = parse(render(october_report()))
    sheets = rows_of(root, "sheet")
    assert ["Ledger’s October list, net", "575735.08"] in sheets
    assert ["Credits in October for September deals", "-4000.00"] in sheets
    assert ["Öresavrundning", "1.15"] in sheets
    assert ["October documents, gross", "686540.40"] in sheets
    assert ["Open items, 31 October", "378165.00"] in sheets
    assert ["Manual voucher A 412, no invoice", "2400.00"] in sheets
    assert ["Control account 1510", "380565.00"] in sheets
    ages = [s for s in root.iter("section") if s.get("class") == "ages"]
    shown = [[words(c) for c in row] for row in ages[0].iter("tr")]
    assert ["31–60 days", "", "42500.00"] in shown
    assert shown[-1] == ["Open items", "", "378165.00"]


def test_the_foot_carries_the_evidence():
    report = october_report()
    said = words(parse(render(report)).find("body/main/footer"))
    assert digest(report) in said
    assert "18 rows stored, never recomputed" in said
    assert "tieout log verify --report 2026-10" in said
    assert said.endswith("Prepared by, date Reviewed by, date") or "Reviewed by, date" in said
    stored = october_report(context=context(digest="ab" * 32))
    assert "ab" * 32 in words(parse(render(stored)).find("body/main/footer"))


def test_hostile_values_stay_text():
    steps = [replace(s, customer=HOSTILE, number=f"D-{n}{HOSTILE}", note=HOSTILE, title=HOSTILE)
             for n, s in enumerate(october_steps())]  # fmt: skip
    steps = [replace(s, deal=f"deal:{n}", link="javascript:alert(1)") for n, s in enumerate(steps)]
    hostile = context(
        company=HOSTILE, bridge=HOSTILE, books=HOSTILE, run=HOSTILE, check=HOSTILE,
        filed=Filing(at=datetime(2026, 11, 5, tzinfo=ZONE), by=HOSTILE),
        config_version=HOSTILE, definitions=(HOSTILE,), time_zone=HOSTILE,
    )  # fmt: skip
    page = render(october_report(context=hostile, tie_out=october(steps=steps)))
    root = parse(page)
    assert len(list(root.iter("script"))) == 1
    assert "<script>alert" not in page
    assert not [a for a in root.iter("a") if not re.fullmatch(r"#(deals|r\d+)", a.get("href"))]
    assert not [e for e in root.iter() for name in e.attrib if name.startswith("on")]
    assert "<script>alert(1)</script>" in words(root.find("body/main"))
    assert not set("\u202e\u2066") & set(page), "a name would turn the amount behind it"
    page.encode("utf-8")


def test_nothing_comes_from_outside_but_links_to_the_crm():
    page = render(october_report())
    root = parse(page)
    addresses = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+", page))
    assert addresses == {"https://nordljus.my.salesforce.com"}
    loads = [e.tag for e in root.iter() if e.get("src") or e.tag in ("link", "img", "iframe")]
    assert loads == []
    assert {e.get("href")[0] for e in root.iter("use")} == {"#"}
    style = files("tieout.report").joinpath("style.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_two_deals_of_one_name_are_two_deals():
    steps = [replace(s, number="Platform") for s in october_steps()]
    by_cause = {c.cause: c for c in october(steps=steps).causes}
    assert by_cause[Cause.CREDITED].deals == ("Platform", "Platform")
    # Of each deal once, however many parts it has.
    once = {c.cause: len(c.deals) for c in october().causes}
    assert {cause: len(total.deals) for cause, total in by_cause.items()} == once


def test_each_cause_leads_to_its_deals():
    root = parse(render(october_report()))
    ids = {e.get("id"): e for e in root.iter("tr") if e.get("id")}
    jumps = [a for a in root.iter("a") if a.get("href", "").startswith("#")]
    named = {a.text: words(ids[a.get("href")[1:]]) for a in jumps}
    assert len(named) == 15  # every deal with a gap
    assert all(said.startswith(number) for number, said in named.items())
    # Whole titles do not go into the narrow column: one by name, more as how many there are.
    (many_named,) = (
        t for t in october(steps=[
            replace(s, number=f"{s.customer}: integration 2026-{n:02}")
            for n, s in enumerate(october_steps())
        ]).causes if t.cause is Cause.CREDITED
    )  # fmt: skip
    assert _who(many_named, {}) == '<a href="#deals" data-find="Credited">2 deals</a>'


def test_the_policy_allows_its_own_style_and_script_only():
    page = render(october_report())
    root = parse(page)
    policy = next(m.get("content") for m in root.iter("meta") if m.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (element,) = root.iter(tag)
        own = base64.b64encode(hashlib.sha256((element.text or "").encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{own}'" in policy
    assert not [e for e in root.iter() if e.get("style")]


def many(number: int, gap_every: int = 1) -> list[StepFigures]:
    steps = []
    for n in range(number):
        net = f"{100000 + n * 37}.50"
        paper, more = document(f"{5000 + n}", net), {}
        if n % gap_every == 0:
            paper = draft(f"{5000 + n}", "70000.25")
            more = {"approval": Approval(reason="above 100,000.00")}
        steps.append(step(1000 + n, f"Sjöholm & Söner Fastigheter nr {n} AB", net, paper, **more))
    return steps


def test_500_deals_stay_under_300_kilobytes():
    result = october(steps=many(500), documents_without_deal=[], ledger=None)
    page = render(october_report(tie_out=result))
    assert len(rows_of(parse(page), "deals")) == 502
    assert len(page.encode()) < 300_000


def test_500_unexplained_deals_stay_small_too():
    steps = [step(n, "Sjöholm Bygg AB", "1000.00") for n in range(1000, 1500)]
    result = october(steps=steps, documents_without_deal=[], ledger=[])
    page = render(october_report(tie_out=result))
    assert "480 more, first in the list of deals" in page
    assert len(page.encode()) < 300_000


def test_over_500_deals_those_with_a_gap_and_one_row_for_the_rest():
    result = october(steps=many(600, gap_every=10), documents_without_deal=[], ledger=None)
    table = rows_of(parse(render(october_report(tie_out=result))), "deals")
    assert len(table) == 1 + 60 + 1 + 1
    assert table[-2][1] == "540 deals that agree all in the CSV"
    for column in (2, 3, 4):
        assert sum(D(cells[column]) for cells in table[1:-1]) == D(table[-1][column])


def test_unexplained_comes_first_and_red():
    extra = ledger_row(
        "1060", "1250.00", "312.50", customer="Sjöholm Bygg AB", day=date(2026, 10, 30)
    )
    result = october(ledger=[*october_ledger(), extra])
    root = parse(render(october_report(tie_out=result)))
    said = words(root.find("body/main"))
    assert "Explained to the cent" not in said
    assert "Unexplained: 1250.00 SEK. 1 difference has no evidence, listed first." in said
    assert said.index("Without evidence") < said.index("From sold to invoiced")
    assert "Invoice 1060, Sjöholm Bygg AB, is in the ledger’s list, not in ours" in said
    first = rows_of(root, "deals")[1]
    assert first[0] == "ledger"
    assert first[4] == "-1250.00"


def test_a_ledger_that_was_not_read_is_said():
    said = words(parse(render(october_report(tie_out=october(ledger=None)))).find("body/main"))
    assert "Not compared with the ledger." in said
    # A sum of ours does not pass for the ledger's.
    assert "Ledger’s October list" not in said
    assert "Documents of October that we read, net" in said
    assert "Explained to the cent" not in said


def test_what_is_absent_is_said():
    open_month = october_report(receivables=None, ageing=None, context=context(filed=None))
    said = words(parse(render(open_month)).find("body/main"))
    assert "Not read for this report; tieout reconcile --receivables reads them." in said
    assert "Open not filed, read 5 Nov 2026, 08:11" in said
    assert "18 rows, not stored yet" in said


def test_receivables_that_could_not_be_read_say_why():
    told = october_report(receivables=None, ageing=None, unread="Not read. The user may not.")
    said = words(parse(render(told)).find("body/main"))
    assert "Not read. The user may not." in said
    assert "--receivables" not in said


def test_an_empty_month():
    empty = october(steps=[], documents_without_deal=[], ledger=[])
    root = parse(render(october_report(tie_out=empty, receivables=None, ageing=None)))
    assert "0 won deals" in words(root.find("body/main"))


def test_receivables_without_a_name_are_red():
    page = parse(render(october_report(receivables=october_receivables(vouchers=()))))
    assert ["Unexplained", "2400.00"] in rows_of(page, "sheet")
    assert "not all of it has a name" in words(page.find("body/main"))


@pytest.mark.parametrize(
    ("amount", "copied"),
    [
        ("0.00", "0.00"),
        ("999.99", "999.99"),
        ("1000.00", "1000.00"),
        ("-1234567.89", "-1234567.89"),
        ("1234567890.10", "1234567890.10"),
    ],
)
def test_a_number_copies_as_a_number(amount, copied):
    cell = parse(f"<td>{number(D(amount))}</td>")
    assert "".join(cell.itertext()) == copied


def test_groups_stand_apart_by_markup():
    assert number(D("1234567.89")) == "<i>1</i><i>234</i>567.89"
    assert number(D("5.00"), plus=True) == "+5.00"
    assert note_text("above 100,000.00 & more") == "above <i>100</i>000.00 &amp; more"
    assert note_text("D-1,234 and 1,23") == "D-<i>1</i>234 and 1,23"


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example", "http://", "x", "http://[", None],
)
def test_only_web_addresses_become_links(address):
    assert link("D-1", address) == "D-1"


def test_a_web_address_is_escaped():
    assert link("D&1", 'https://a.example/?a=1&b="') == (
        '<a href="https://a.example/?a=1&amp;b=&quot;">D&amp;1</a>'
    )


def _palettes() -> dict[str, dict[str, str]]:
    style = files("tieout.report").joinpath("style.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    return {
        name: dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block))
        for name, block in zip(("light", "dark"), blocks, strict=True)
    }


def _luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "muted", "pale", "good", "bad"])
def test_text_has_enough_contrast(theme, ink):
    palette = _palettes()[theme]
    assert _contrast(palette[ink], palette["paper"]) >= 4.5
    if ink in ("ink", "bad"):
        assert _contrast(palette[ink], palette["bad-soft"]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("mark", ["total", "still", "never", "other", "bad"])
def test_bars_stand_out_from_the_paper(theme, mark):
    palette = _palettes()[theme]
    assert _contrast(palette[mark], palette["paper"]) >= 2.9


def test_a_page_without_all_deals_calls_nothing_explained() -> None:
    said = "NOT COMPLETE: 2 deals, 47,140.00, were read and are in no figure yet."
    page = render(october_report(), said)
    assert "Explained to the cent." not in page
    assert "<strong>Not complete.</strong>" in page
    assert said in page
    assert "Explained to the cent." in render(october_report())
