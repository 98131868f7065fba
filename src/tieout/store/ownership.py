"""Whose a file is that root makes in somebody's folder."""

from __future__ import annotations

import os
from pathlib import Path


def give_to_owner(handle: int, folder: Path) -> None:
    """
    Gives what root just made in `folder` to whose that is, who must be able to use it afterwards.

    Never a file with a second name, which could be one of the system's own.
    """
    if os.geteuid() != 0:
        return
    made, owner = os.fstat(handle), folder.stat()
    if made.st_uid == 0 and made.st_nlink == 1:
        os.fchown(handle, owner.st_uid, owner.st_gid)
