"""The report in a real browser: its own script runs, and nothing sticks out on a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from test_report_html import october_report

from tieout.report.context import Report
from tieout.report.html import render

BROWSER = shutil.which("chromium")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is missing")

# The page stands in a frame, so that its width can be a phone's.
FRAME = """<!DOCTYPE html><meta charset="utf-8"/>
<iframe id="page" src="report.html" style="width:WIDTHpx;height:900px;border:0"></iframe>
<pre id="found"></pre>
<script>
addEventListener("load", () => {
  const page = document.getElementById("page").contentDocument;
  const customer = page.querySelector("#deals td:nth-child(2)");
  const ends = (cell) => {
    const range = page.createRange();
    range.selectNodeContents(cell);
    return range.getBoundingClientRect();
  };
  const row = page.querySelector("#deals tbody tr");
  const sold = ends(row.cells[2]), invoiced = ends(row.cells[3]);
  const shown = () => [...page.querySelectorAll("#deals tbody:first-of-type tr")]
    .filter((one) => one.getClientRects().length).length;
  const all = shown(), room = customer.clientWidth;
  const jump = page.querySelector(".fall .who a[data-find='Edited in the books']");
  if (jump) { jump.click(); }
  document.getElementById("found").textContent = JSON.stringify({
    over: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    tools: getComputedStyle(page.getElementById("tools")).display,
    styled: getComputedStyle(page.querySelector("h1")).fontWeight,
    customer: room,
    apart: invoiced.left - sold.right,
    all: all,
    found: shown(),
    told: page.querySelector("#tools output").textContent,
    address: page.location.hash,
  });
});
</script>
"""


def long_names() -> Report:
    """A report as of a CRM without deal numbers, with enough rows to search in."""
    report = october_report()
    rows = tuple(
        replace(row, number=f"{row.customer or 'Tallmo Skog AB'}: integration 2026-{month}")
        for month in ("09", "10")
        for row in report.tie_out.rows
    )
    causes = tuple(
        replace(cause, deals=tuple(f"{name}: integration 2026-09" for name in cause.deals))
        for cause in report.tie_out.causes
    )
    return replace(report, tie_out=replace(report.tie_out, rows=rows, causes=causes))


def opened(folder: Path, page: str, width: int) -> dict[str, object]:
    """What the browser finds on the page at that width."""
    assert BROWSER is not None
    (folder / "report.html").write_text(page, encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--allow-file-access-from-files",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1600,1000",
            "--dump-dom",
            (folder / "frame.html").as_uri(),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.S)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    read: dict[str, object] = json.loads(unescape(found[1]))
    return read


@pytest.mark.parametrize("width", [390, 1440])
def test_long_names_fit_and_the_own_style_and_script_are_allowed(
    tmp_path: Path, width: int
) -> None:
    found = opened(tmp_path, render(long_names()), width)
    assert found["over"] == 0
    assert found["tools"] == "flex"  # hidden until the script, which its policy allows, shows it
    assert found["styled"] == "700"
    # Room for a customer's name beside long deals; 139 was too little.
    assert int(str(found["customer"])) > 190
    # On a phone "Invoiced" stands before the second amount, and needs room, too.
    assert int(str(found["apart"]).partition(".")[0]) > 12
    # Two deals were edited in the books; each is in the report twice here.
    assert (found["found"], found["all"]) == (4, 36)
    assert found["told"] == "4 of 36 rows, gap 68\u2009400.00"
    assert found["address"] == "#deals"


def test_a_script_that_is_not_its_own_does_not_run(tmp_path: Path) -> None:
    page = render(long_names()).replace("<script>", "<script>/* changed */", 1)
    assert opened(tmp_path, page, 1440)["tools"] == "none"
