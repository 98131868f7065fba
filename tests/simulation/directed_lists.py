"""Directed histories of the lists of values that the CRM shows of the books' codes."""

from __future__ import annotations

from typing import Any

from directed_published import quiet_run_writes_nothing
from offered import TERMS, Offered
from scenes import Scene, history
from tieout.core.policy import FlowMode
from tieout.ports import HttpRequest

LISTED: dict[str, Any] = {"lists": FlowMode.AUTO}


def shown(s: Scene) -> dict[str, tuple[str, bool]]:
    """Label and use of each value."""
    rows = s.world.crm.rows.lists[TERMS]["values"]
    return {row["code"]: (row["label"], row["active"]) for row in rows}


async def begun(s: Scene) -> None:
    """The lists as a first run makes them."""
    Offered(s.world).begin()
    await s.settle()


@history(options=LISTED)
async def l01_codes_follow_the_books(s: Scene) -> None:
    """Added, renamed, closed, gone; what a person put there stays, ours is set right."""
    await begun(s)
    first = {
        "Cash": ("Cash", True),
        "N10": ("N10 10 days net", True),
        "N14": ("N14 14 days net", True),
        "N30": ("N30 30 days net", True),
        "N60": ("N60 60 days net", True),
    }
    assert shown(s) == first
    await quiet_run_writes_nothing(s)
    book, crm = s.world.in_book, s.world.in_crm
    book("edit_code", kind="terms", code="N90", name="Ninety")
    book("edit_code", kind="terms", code="N14", name="A fortnight")
    book("edit_code", kind="terms", code="N30", active=False)
    book("delete_code", kind="terms", code="N60")
    crm("edit_value", list=TERMS, code="Card", label="By card")
    crm("edit_value", list=TERMS, code="Cash", active=False)
    crm("edit_value", list=TERMS, code="N10", label="Mine")
    await s.world.wait(10)
    await s.settle()
    assert shown(s) == {
        "Cash": ("Cash", False),
        "N10": ("N10 10 days net", True),
        "N14": ("N14 A fortnight", True),
        "N30": ("N30 30 days net", False),
        "N60": ("N60 60 days net", False),
        "Card": ("By card", True),
        "N90": ("N90 Ninety", True),
    }
    await quiet_run_writes_nothing(s)
    book("edit_code", kind="terms", code="N60", name="Sixty", active=True)
    crm("remove_value", list=TERMS, code="N10")
    await s.world.wait(10)
    await s.settle()
    assert shown(s)["N60"] == ("N60 Sixty", True)
    assert shown(s)["N10"] == ("N10 10 days net", True)
    await quiet_run_writes_nothing(s)


@history(options=LISTED)
async def l02_a_person_edits_while_the_write_is_on_its_way(s: Scene) -> None:
    """What was put in between the read and the write is there after it, and so are the codes."""
    s.world.in_crm("create_list", name=TERMS, values=["Cash"])
    s.world.in_crm("create_list", name="Currencies", values=[])
    edits = iter(("Card", "Cheque"))

    def before(system: str, request: HttpRequest) -> None:
        if system == "plain_crm" and f"/lists/{TERMS}" in request.url:
            code = next(edits, "")
            if code:
                s.world.in_crm("edit_value", list=TERMS, code=code)

    s.world.on_send = before
    await s.settle()
    assert {"Cash", "Card", "Cheque", "N10", "N60"} <= set(shown(s))
    assert all(active for _, active in shown(s).values())
    assert next(edits, None) is None
    await quiet_run_writes_nothing(s)


@history(options=LISTED)
async def l03_an_answer_is_lost_and_the_list_edited(s: Scene) -> None:
    """The write that had arrived is found, and is not sent over what a person did then."""
    s.world.in_crm("create_list", name=TERMS, values=["Cash"])
    s.world.in_crm("create_list", name="Currencies", values=[])
    path = f"/lists/{TERMS}"
    s.world.crm.faults.add({"kind": "drop_after_commit", "method": "PATCH", "path": path})
    await s.run()  # the list that is there is agreed on as it stands
    await s.run()
    assert "N10" in shown(s)
    s.world.in_crm("edit_value", list=TERMS, code="Card")
    await s.world.wait(300)
    await s.settle()
    assert shown(s)["Card"] == ("Card", True)
    written = sum(request.path == path for request in s.world.crm.received)
    assert written == 1
    await quiet_run_writes_nothing(s)


@history(options=LISTED)
async def l04_the_list_is_not_there_yet(s: Scene) -> None:
    """Asked about once, and written as soon as its administrator has made it."""
    await s.settle()
    asked = s.world.rows(
        "SELECT code, count(*) FROM exception_case WHERE workspace = %(ws)s AND closed_at IS NULL"
        " GROUP BY code"
    )
    assert asked == [("value_list_missing", 2)]
    Offered(s.world).begin()
    await s.world.wait(10)
    await s.settle()
    assert shown(s)["N10"] == ("N10 10 days net", True)
    assert not s.world.rows(
        "SELECT 1 FROM exception_case WHERE workspace = %(ws)s AND closed_at IS NULL"
    )
