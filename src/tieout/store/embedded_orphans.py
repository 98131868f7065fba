"""
Whose the databases in the system's state folder are, and which of them are nobody's any more.

Root's server runs as another account; where that one cannot reach a project's folder, the data
lies here (see `embedded_place`) and stays when the folder goes. Nothing is removed by itself: a
folder may come back from a backup, with its disk, or from where it was moved to.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from tieout.store.embedded_place import (
    COPIED_PROGRAMS,
    COPYING,
    DATA,
    ELSEWHERE,
    OF,
    name_of_copy,
    state_folder,
)

# A place whose removal has begun: nobody's, whatever its note says.
_GOING = ".gone-"
_PROC = Path("/proc")


class Standing(StrEnum):
    """
    What is known of a place. Only what is GONE may be removed.

    USED: its folder names it, or a process works in it. GONE: its folder was deleted or moved
    away, or took other data. AWAY: its folder's disk may not be mounted. UNTOLD: it does not
    say whose it is, or what it says cannot be looked at.
    """

    USED = "used"
    GONE = "gone"
    AWAY = "away"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    A folder in the state folder: a project's data, or a copy of PostgreSQL's programs.

    ``owner`` is the folder that it was made for, None where it does not say; ``bytes`` what it
    takes on the disk, 0 for what is used.
    """

    folder: Path
    owner: Path | None
    standing: Standing
    programs: bool
    bytes: int
    last_used: datetime


def places() -> list[Place]:
    """Every place that this user may look into, the one that was used longest ago first."""
    working = _Working.now()
    found = [_place(folder, working) for folder in _folders(state_folder())]
    return sorted((each for each in found if each), key=lambda each: each.last_used)


def remove(place: Place) -> bool:
    """
    Removes a place with all that is in it, if it still is GONE; else, False, nothing is touched.

    Raises OSError where something in it cannot be removed.
    """
    told = _owner(place.folder)
    now = _place(place.folder, _Working.now())
    if now is None or now.standing is not Standing.GONE:
        return False
    going = place.folder
    if not going.name.startswith(_GOING):
        # Under its new name no server can begin on it; who began meanwhile has it back.
        going = place.folder.with_name(_GOING + place.folder.name)
        place.folder.rename(going)
        if _Working.now().on(going) or _owner(going) != told:
            going.rename(place.folder)
            return False
    shutil.rmtree(going)
    return True


def remove_data_of(folder: Path) -> None:
    """
    Removes what `folder` has in the state folder, for who is about to remove `folder` itself.

    Nothing where it has none there, where it is another folder's too, or where a server runs.
    """
    try:
        place = Path(json.loads((folder / ELSEWHERE).read_text("utf-8"))["data"]).parent
        told = _owner(place)
        seen = folder.stat()
    except (OSError, ValueError, KeyError, TypeError):
        return
    if place.parent != state_folder() or _Working.now().on(place):
        return
    moved = told is not None and told.identity == (seen.st_dev, seen.st_ino)
    if told is None or moved or told.path == folder.resolve():
        shutil.rmtree(place, ignore_errors=True)


# --- judging ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    path: Path
    identity: tuple[int, int]
    mount: Path


def _folders(state: Path) -> Iterator[Path]:
    try:
        with os.scandir(state) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield Path(entry.path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return


def _place(folder: Path, working: _Working) -> Place | None:
    """What is known of it; None where it went meanwhile or is closed to this user."""
    try:
        os.listdir(folder)
        owner = _owner(folder)
        data = folder / DATA
        changed = (data if data.exists() else folder).stat().st_mtime
        standing = _standing(folder, owner, working)
        used = standing is Standing.USED
        return Place(
            folder=folder,
            owner=owner.path if owner else None,
            standing=standing,
            programs=_holds_programs(folder),
            bytes=0 if used else _bytes_in(folder),
            last_used=datetime.fromtimestamp(changed, UTC),
        )
    except (FileNotFoundError, PermissionError):
        return None


def _owner(folder: Path) -> _Owner | None:
    """Whom the place names; None where it names nobody. Raises PermissionError."""
    try:
        told = json.loads((folder / OF).read_text("utf-8"))
        device, inode = told["identity"]
        return _Owner(
            path=Path(told["path"]),
            identity=(int(device), int(inode)),
            mount=Path(told["mount"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _standing(folder: Path, owner: _Owner | None, working: _Working) -> Standing:
    if working.on(folder):
        return Standing.USED
    if folder.name.startswith(_GOING):
        return Standing.GONE
    if owner is None:
        return Standing.UNTOLD
    try:
        os.lstat(owner.path)
    except (FileNotFoundError, NotADirectoryError):
        return _without_folder(owner)
    except OSError:
        return Standing.UNTOLD
    try:
        names_it = _names(owner.path, folder)
    except (OSError, ValueError, KeyError, TypeError):
        return Standing.UNTOLD
    return Standing.USED if names_it else Standing.GONE


def _without_folder(owner: _Owner) -> Standing:
    """Whether it is gone: only the disk that it was on can tell."""
    there = next(place for place in owner.path.parents if place.exists())
    # The number alone is not enough: another disk may have got it at the last start.
    mounted = os.path.ismount(owner.mount) and there.stat().st_dev == owner.identity[0]
    return Standing.GONE if mounted else Standing.AWAY


def _names(owner: Path, folder: Path) -> bool:
    """Whether the folder at `owner` lives on what is in `folder`, or may."""
    if _holds_programs(folder):
        # One that is being made, or whose making was cut off: it cannot be told which.
        there, making = (owner / "postgres").exists(), folder.name.startswith(COPYING)
        return there and (making or name_of_copy(owner) == folder.name)
    try:
        told = Path(json.loads((owner / ELSEWHERE).read_text("utf-8"))["data"])
    except FileNotFoundError:
        return False
    # One that it names and that is not there may be this one, moved with the state folder.
    return not told.parent.exists() or told.resolve() == (folder / DATA).resolve()


def _holds_programs(folder: Path) -> bool:
    return folder.name.removeprefix(_GOING).startswith((COPIED_PROGRAMS, COPYING))


def _bytes_in(folder: Path) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            total += entry.stat(follow_symlinks=False).st_blocks * 512
            if entry.is_dir(follow_symlinks=False):
                total += _bytes_in(Path(entry.path))
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Working:
    """Where all processes stand and which programs they run; without /proc nothing is known."""

    known: bool
    folders: frozenset[tuple[int, int]]
    programs: tuple[str, ...]

    @classmethod
    def now(cls) -> _Working:
        """As it is at this moment."""
        folders, programs = set(), []
        for process in _PROC.iterdir() if (_PROC / "self/cwd").exists() else ():
            if not process.name.isdigit():
                continue
            try:
                seen = (process / "cwd").stat()
                folders.add((seen.st_dev, seen.st_ino))
                programs.append(os.readlink(process / "exe"))
            except OSError:
                continue  # it ended, or is somebody's whom we may not look at
        return cls(known=bool(folders), folders=frozenset(folders), programs=tuple(programs))

    def on(self, folder: Path) -> bool:
        """Whether a process works in the place; where nothing is known, whether one may."""
        data = folder / DATA
        if not self.known:
            return (data / "postmaster.pid").exists() or _holds_programs(folder)
        if any(program.startswith(f"{folder.resolve()}/") for program in self.programs):
            return True
        try:
            seen = data.stat()
        except FileNotFoundError:
            return False
        return (seen.st_dev, seen.st_ino) in self.folders


if __name__ == "__main__":
    remove_data_of(Path(sys.argv[1]))
