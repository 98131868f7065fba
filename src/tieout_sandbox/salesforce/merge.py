"""Two accounts, or two contacts, become one."""

from __future__ import annotations

from collections.abc import Sequence

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.values import Row
from tieout_sandbox.salesforce.writes import Writer

MOST_LOSERS = 2


_KINDS = {"001": "Account", "003": "Contact"}


def merge_records(writer: Writer, winner: Row, losers: Sequence[Row]) -> None:
    """Moves what hangs on the losers to the winner; the losers go into the recycle bin and name
    the winner in MasterRecordId. Fields of the winner stay, so a loser's external id is lost."""
    org = writer.org
    names = {str(row["Id"]) for row in (winner, *losers)}
    kinds = {_KINDS.get(name[:3], "") for name in names}
    kind = kinds.pop()
    wrong = not kind or kinds or len(names) != len(losers) + 1
    if wrong or not 1 <= len(losers) <= MOST_LOSERS:
        raise SalesforceError("MERGE_FAILED", "One winner and one or two others are needed")
    for loser in losers:
        _move_children(writer, kind, loser, winner)
        gone = {**org.tables[kind].rows[str(loser["Id"])]}
        gone.update(IsDeleted=True, MasterRecordId=winner["Id"])
        writer.touch(gone)
        writer.store(org.schema[kind], gone)
    writer.change(kind, str(winner["Id"]), {})


def _move_children(writer: Writer, kind: str, loser: Row, winner: Row) -> None:
    org = writer.org
    for child in org.schema[kind].children:
        if child.field == "MasterRecordId" or child.object not in org.tables:
            continue
        for row in org.tables[child.object].find_live(child.field, loser["Id"]):
            if row["Id"] != winner["Id"]:
                writer.change(child.object, str(row["Id"]), {child.field: winner["Id"]})
