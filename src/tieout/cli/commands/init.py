"""`tieout init`: a new project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from tieout.cli.command import Session, command
from tieout.cli.output import Result


@command(
    "init",
    examples=("tieout init my-company", "tieout init my-company --from nordic.yaml"),
)
async def init(
    session: Session,
    folder: Annotated[Path, Argument(metavar="DIR", help="The folder to make.")],
    source: Annotated[
        Path | None, Option("--from", metavar="FILE", help="Begin with this tieout.yaml.")
    ] = None,
) -> Result:
    """Make a project: its configuration, its tables and its key."""
    import shlex

    from tieout.bootstrap import open_project
    from tieout.services.configuration import starting_files
    from tieout.services.project import make_project

    files = starting_files(folder, source)
    project = make_project(folder, files)
    await session.keep(open_project(project, session.clock))
    shown = str(folder).rstrip("/")
    kept = "tieout.yaml, tables/, .tieout/ (database, key, logs; keep a copy of .tieout/key)."
    return Result(
        data={"folder": str(project.root), "files": sorted(files)},
        lines=[f"Created {shown}/: {kept}"],
        notes=["Nothing is sent before you publish."],
        next=(f"cd {shlex.quote(shown)} && tieout connection add",),
    )
