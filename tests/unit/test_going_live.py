"""What is said of a flow that begins to write: how much leaves once it is published."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tieout.services.going_live import going_live
from tieout.settings.bridge import Configuration, load_bridge
from tieout.store.held_back import HeldBack

TEXT = """\
bridge: nordic
crm: salesforce
books:
  - connection: visma_eaccounting
flows:
  customers: {{mode: {customers}}}
  documents: {{mode: {documents}, when: deal.won{more}}}
  status: {{mode: {status}}}
"""


def configuration(folder: Path, **modes: str) -> Configuration:
    given = {"customers": "shadow", "documents": "shadow", "status": "shadow", "more": "", **modes}
    (folder / "tieout.yaml").write_text(TEXT.format(**given))
    found = load_bridge(folder)
    assert isinstance(found, Configuration), found
    return found


def held(flow: str, verdict: str = "write", net: str = "", currency: str = "SEK", **more: str):  # type: ignore[no-untyped-def]
    amount = Decimal(net) if net else None
    return HeldBack(lane=f"nordic/{flow}/b", verdict=verdict, net=amount, currency=currency, **more)


WAITING = [
    held("documents", net="37500.00"),
    held("documents", "approval", net="1000.50"),
    held("documents", net="20.00", currency="EUR"),
    held("documents", entity="customer"),
    held("documents", ""),
    held("customers"),
    held("accounts"),
    held("status"),
]


@pytest.mark.parametrize(
    ("modes", "text"),
    [
        (
            {"documents": "auto"},
            "Once published, 3 documents (EUR 20.00 and SEK 38,500.50 net) and 1 customer are "
            "written. 1 record is not looked at yet: tieout plan.",
        ),
        (
            {"documents": "approve", "more": ", approve_above: 5000"},
            "Once published, 3 documents (EUR 20.00 and SEK 38,500.50 net) and 1 customer are "
            "written. Documents above 5,000.00 wait for a person's release first. 1 record is not "
            "looked at yet: tieout plan.",
        ),
        ({"customers": "auto"}, "Once published, 2 customers are written."),
        ({"status": "auto"}, "Once published, 1 change of status is written."),
        ({"customers": "off"}, ""),
    ],
)
def test_what_is_written_once_published(tmp_path: Path, modes: dict[str, str], text: str) -> None:
    old = configuration(tmp_path)
    assert going_live(old, configuration(tmp_path, **modes), WAITING).text() == text
    # Back again nothing begins to write.
    assert going_live(configuration(tmp_path, **modes), old, WAITING).text() == ""


def test_nothing_waits(tmp_path: Path) -> None:
    old, new = configuration(tmp_path), configuration(tmp_path, documents="auto")
    told = going_live(old, new, [])
    assert told.text() == "Nothing waits to be written; what comes from now on is."
    one = going_live(old, new, [held("documents", "")])
    assert one.text() == "1 record is not looked at yet: tieout plan."
