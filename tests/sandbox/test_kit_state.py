"""The state file: whatever was answered is in it, also after a kill."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from visma_support import START, Visma

from tieout_sandbox.kit import SandboxClock, dumps, pack
from tieout_sandbox.salesforce import SalesforceSimulator
from tieout_sandbox.visma_eaccounting import VismaSimulator


def busy(path: Path) -> Visma:
    """A simulator that lived through a bit of everything, and was never closed."""
    visma = Visma(state_file=path, size=5).sign_in()
    customer = visma.customer()["Id"]
    draft = visma.draft(customer)
    visma.draft(customer, OurReference="second")
    visma.pass_time(seconds=5)
    invoice = visma.good("POST", f"customerinvoicedrafts/{draft['Id']}/convert", {})
    visma.act("pay", invoice=invoice["InvoiceNumber"], amount=50)
    visma.send("POST", "/_sandbox/clock", {"advance_s": 60})
    visma.send("POST", "/_sandbox/faults", {"kind": "search_lag", "seconds": 900})
    visma.draft(customer, OurReference="not found yet")
    visma.send("POST", "/_sandbox/faults", {"kind": "drop_after_commit"})
    visma.send("POST", "/v2/customers", {}, Authorization=f"Bearer {visma.token}")
    visma.assume("vat_rounding", "row")
    return visma


def image(sim: VismaSimulator) -> bytes:
    return dumps(pack(sim.state()))


def opened(path: Path, visma: Visma) -> VismaSimulator:
    return VismaSimulator(clock=SandboxClock(lambda: visma.time), state_file=path)


def test_a_second_process_finds_everything(tmp_path: Path) -> None:
    visma = busy(tmp_path / "state")
    again = opened(tmp_path / "state", visma)
    assert again.state() == visma.sim.state()
    assert again.clock.now() == visma.sim.clock.now()


def test_it_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    visma = busy(tmp_path / "state")
    shutil.copy(tmp_path / "state", tmp_path / "copy")
    first = visma.customer(Name="Nästa AB")
    visma.sim = opened(tmp_path / "copy", visma)
    assert visma.customer(Name="Nästa AB")["Id"] == first["Id"]


def test_a_second_start_without_the_seed_keeps_the_ids(tmp_path: Path) -> None:
    """What was answered stands, whatever the next command line says or leaves out."""
    path = tmp_path / "state"
    visma = Visma(state_file=path, size=5, seed=7).sign_in()
    known = visma.customer(Name="Nästa AB")["Id"]
    again = opened(path, visma)
    assert known in again.books.customers.records
    assert again.state() == visma.sim.state()
    assert len(again.books.customers) == 6
    again.reset()
    assert len(again.books.customers) == 5


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "state"
    visma = busy(path)
    before = path.read_bytes()
    state = image(visma.sim)
    visma.customer(Name="Ohörd AB")
    after = path.read_bytes()
    assert len(after) > len(before)
    path.write_bytes(after[:-5])
    assert image(opened(path, visma)) == state


def test_every_prefix_of_lines_can_be_opened(tmp_path: Path) -> None:
    visma = busy(tmp_path / "state")
    lines = (tmp_path / "state").read_bytes().splitlines(keepends=True)
    counts = []
    for end in range(1, len(lines) + 1):
        path = tmp_path / f"prefix{end}"
        path.write_bytes(b"".join(lines[:end]))
        counts.append(len(opened(path, visma).books.drafts))
    assert counts[0] == 1
    assert counts[-1] == len(visma.sim.books.drafts) == 3


def test_opening_compacts_to_one_line(tmp_path: Path) -> None:
    path = tmp_path / "state"
    visma = busy(path)
    again = opened(path, visma)
    again.close()
    assert len(path.read_bytes().splitlines()) == 1
    assert opened(path, visma).state() == visma.sim.state()


def test_reset_reaches_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    visma = busy(path)
    visma.send("POST", "/_sandbox/reset")
    assert opened(path, visma).state() == visma.sim.state()
    assert len(visma.sim.books.customers) == 5


def test_the_file_of_another_system_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    busy(path)
    options: dict[str, Any] = {"clock": SandboxClock(lambda: START), "state_file": path}
    with pytest.raises(ValueError, match="visma_eaccounting"):
        SalesforceSimulator(**options)


def test_what_failed_is_repeated_too(tmp_path: Path) -> None:
    """A refused call or action may have used up ids; the second process has to use them up."""
    path = tmp_path / "state"
    visma = busy(path)
    customer = next(iter(visma.sim.books.customers.records))
    row = visma.row(ReversedConstructionServicesVatFree=True)
    body = visma.draft_body(customer, visma.row(), row)
    assert visma.code("POST", "customerinvoicedrafts", body) == (400, 4027)
    refused = visma.send(
        "POST", "/_sandbox/actions/edit_draft", {"draft": "x", "rows": [visma.row()]}
    )
    assert refused.status == 400
    assert image(opened(path, visma)) == image(visma.sim)
