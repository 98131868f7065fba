"""Databases outside their project's folder, and what to say of those that are nobody's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tieout.core.finding import Finding, Severity
from tieout.report.words import day_long
from tieout.services.project import OURS
from tieout.store.embedded_orphans import Place, Standing, places, remove
from tieout.store.embedded_place import state_folder

REMOVE = "tieout doctor --remove-orphans"
MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """
    What lies in the state folder and is in no use that we know of.

    ``gone`` may be removed; of ``unclear`` it is not known whose it is, or whether its disk is
    only not mounted. ``looked_at`` counts all, those in use included.
    """

    gone: Sequence[Place]
    unclear: Sequence[Place]
    looked_at: int


def look() -> Orphans:
    """All that this user may look into. It reads every file's size: seconds where there is much."""
    found = places()
    return Orphans(
        gone=[each for each in found if each.standing is Standing.GONE],
        unclear=[each for each in found if each.standing in (Standing.AWAY, Standing.UNTOLD)],
        looked_at=len(found),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed, what was left since it is in use after all, and what would not go."""

    gone: Sequence[Place]
    left: Sequence[Place]
    refused: Sequence[tuple[Place, str]]


def remove_all(gone: Iterable[Place]) -> Removed:
    """Removes what is still nobody's; never raises for one that cannot be removed."""
    done: list[Place] = []
    left: list[Place] = []
    refused: list[tuple[Place, str]] = []
    for place in gone:
        try:
            (done if remove(place) else left).append(place)
        except OSError as error:
            refused.append((place, (error.strerror or "no reason given").lower()))
    return Removed(gone=done, left=left, refused=refused)


def project_of(place: Place) -> str:
    """The folder of the project, or of PostgreSQL's programs, that it was made for, or itself."""
    if place.owner is None:
        return str(place.folder)
    return str(place.owner.parent if place.owner.name == OURS else place.owner)


def megabytes(found: Iterable[Place]) -> int:
    """What they take together, in whole MB."""
    return sum(place.bytes for place in found) // MB


def findings(found: Orphans) -> list[tuple[Finding, str]]:
    """What `doctor` says of them, each with the next step."""
    told = [(_gone(found.gone), REMOVE)] if found.gone else []
    for standing in _UNCLEAR:
        some = [place for place in found.unclear if place.standing is standing]
        if some:
            told.append((_unclear(some, standing), f"{REMOVE} lists them."))
    return told


def _gone(gone: Sequence[Place]) -> Finding:
    first, last = gone[0], gone[-1]
    span = f"{project_of(first)} (last used {day_long(first.last_used.date())})"
    if last is not first:
        span = f"from {span} to {project_of(last)} ({day_long(last.last_used.date())})"
    return Finding(
        code="database_orphaned",
        message=f"{what(gone)} in {state_folder()}, whose folder is gone: {span}",
        severity=Severity.WARNING,
        values=_values(gone),
    )


_UNCLEAR = {
    Standing.UNTOLD: (
        "without a note of whose; a project that is opened notes it",
        Severity.WARNING,
    ),
    # A disk that comes and goes is nothing to be told of each time.
    Standing.AWAY: ("of a folder whose disk may not be mounted", Severity.INFO),
}


def _unclear(some: Sequence[Place], standing: Standing) -> Finding:
    says, severity = _UNCLEAR[standing]
    return Finding(
        code="database_unclaimed",
        message=f"{what(some)} in {state_folder()}, {says}",
        severity=severity,
        values=_values(some),
    )


def what(some: Sequence[Place]) -> str:
    """`14 databases and 1 copy of PostgreSQL, 610 MB`."""
    programs = sum(place.programs for place in some)
    data = len(some) - programs
    parts = [f"{data:,} database{'s' if data > 1 else ''}"] if data else []
    parts += (
        [f"{programs} {'copies' if programs > 1 else 'copy'} of PostgreSQL"] if programs else []
    )
    return f"{' and '.join(parts)}, {megabytes(some):,} MB"


def _values(some: Sequence[Place]) -> dict[str, str]:
    return {
        "count": str(len(some)),
        "bytes": str(sum(place.bytes for place in some)),
        "folder": str(state_folder()),
        "oldest": project_of(some[0]),
        "newest": project_of(some[-1]),
        "oldest_at": some[0].last_used.isoformat(),
        "newest_at": some[-1].last_used.isoformat(),
    }
