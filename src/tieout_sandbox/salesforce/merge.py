"""Two accounts become one."""

from __future__ import annotations

from collections.abc import Sequence

from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.values import Row
from tieout_sandbox.salesforce.writes import Writer

MOST_LOSERS = 2


def merge_accounts(writer: Writer, winner: Row, losers: Sequence[Row]) -> None:
    """Moves what hangs on the losers to the winner; the losers go into the recycle bin and name
    the winner in MasterRecordId. Fields of the winner stay, so a loser's external id is lost."""
    org = writer.org
    names = {str(row["Id"]) for row in (winner, *losers)}
    wrong = any(not name.startswith("001") for name in names) or len(names) != len(losers) + 1
    if wrong or not 1 <= len(losers) <= MOST_LOSERS:
        raise SalesforceError("MERGE_FAILED", "One winner and one or two other accounts are needed")
    for loser in losers:
        _move_children(writer, loser, winner)
        gone = {**org.tables["Account"].rows[str(loser["Id"])]}
        gone.update(IsDeleted=True, MasterRecordId=winner["Id"])
        writer.touch(gone)
        writer.store(org.schema["Account"], gone)
    writer.change("Account", str(winner["Id"]), {})


def _move_children(writer: Writer, loser: Row, winner: Row) -> None:
    org = writer.org
    for child in org.schema["Account"].children:
        if child.field == "MasterRecordId" or child.object not in org.tables:
            continue
        for row in org.tables[child.object].find_live(child.field, loser["Id"]):
            if row["Id"] != winner["Id"]:
                writer.change(child.object, str(row["Id"]), {child.field: winner["Id"]})
