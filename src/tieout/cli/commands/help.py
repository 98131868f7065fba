"""`tieout help CODE`: what a code means and what to do."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from tieout.cli.command import Session, command
from tieout.cli.formats import Column, table
from tieout.cli.output import Result, listing


@command("help", examples=("tieout help item_no_code", "tieout help"))
async def help_code(
    session: Session,
    code: Annotated[str, Argument(help="A code; without one all are listed.")] = "",
) -> Result:
    """Say what a code means and what to do about it; for commands: tieout --help."""
    from tieout.cli.help_codes import CODES
    from tieout.services.usage import UsedWronglyError

    if not code:
        rows = [(name, entry.what) for name, entry in CODES.items()]
        items = [{"code": name, **entry._asdict()} for name, entry in CODES.items()]
        return Result(data=listing(items), lines=table((Column(), Column()), rows, None))
    found = CODES.get(code)
    if found is None:
        import difflib

        near = difflib.get_close_matches(code, CODES, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise UsedWronglyError(
            f'There is no code "{code}".{meant}',
            code="unknown_code",
            hint=f"tieout help {near[0]}" if near else "tieout help",
        )
    return Result(
        data={"code": code, **found._asdict()},
        lines=[code, found.what, f"What to do: {found.do}"],
    )
