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
    name: Annotated[str, Argument(metavar="DIR", help="The folder to make.")],
    source: Annotated[
        Path | None, Option("--from", metavar="FILE", help="Begin with this tieout.yaml.")
    ] = None,
) -> Result:
    """Make a project: its configuration, its tables and its key."""
    import shlex

    from tieout.bootstrap import open_project
    from tieout.services.configuration import starting_files
    from tieout.services.project import make_project, project_around
    from tieout.services.usage import UsedWronglyError

    if not name.strip():
        raise UsedWronglyError(
            "The new project has no name.", code="usage", hint="tieout init my-company"
        )
    folder = Path(name)
    around = project_around(folder)
    files = starting_files(folder, source)
    project = make_project(folder, files)
    await session.keep(open_project(project, session.clock))
    shown = str(folder) if not name.startswith("-") else f"./{folder}"
    notes = ["Nothing is sent before you publish."]
    if around is not None:
        notes.insert(0, f"It lies inside the project {around.root}; commands go by where you are.")
    connect = "tieout connection add"
    kept = "tieout.yaml, tables/, .tieout/ (database, key, logs; keep a copy of .tieout/key)."
    return Result(
        data={"folder": str(project.root), "files": sorted(files)},
        lines=[f"Created {shown}/: {kept}"],
        notes=notes,
        next=(connect if shown == "." else f"cd {shlex.quote(shown)} && {connect}",),
    )
