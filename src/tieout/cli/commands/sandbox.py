"""`tieout sandbox`: hands its words to the simulators' own command line (see `cli.main`)."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from tieout.cli.command import Session, command
from tieout.cli.output import Result
from tieout.services.usage import UsedWronglyError

_ANY = {"allow_extra_args": True, "ignore_unknown_options": True}


def _refuse(words: str) -> Result:
    # Reached only where the words before it kept `cli.main` from handing them over.
    raise UsedWronglyError(
        "Say it without options before the command.", hint=f"tieout sandbox {words}"
    )


@command(
    "sandbox serve",
    examples=("tieout sandbox serve salesforce", "tieout sandbox serve salesforce --port 8701"),
    context_settings=_ANY,
)
async def serve(session: Session, system: Annotated[str, Argument()] = "") -> Result:
    """Run a simulator on this machine; Ctrl-C ends it."""
    return _refuse(f"serve {system}")


@command(
    "sandbox credentials",
    examples=(
        "tieout sandbox credentials salesforce",
        "tieout sandbox credentials visma_eaccounting --json",
    ),
    context_settings=_ANY,
)
async def credentials(session: Session, system: Annotated[str, Argument()] = "") -> Result:
    """Show how to sign in to a simulator."""
    return _refuse(f"credentials {system}")


@command(
    "sandbox systems",
    examples=("tieout sandbox systems", "tieout sandbox systems --json"),
    context_settings=_ANY,
)
async def systems(session: Session) -> Result:
    """List the simulators."""
    return _refuse("systems")
