"""
Evidence: the activity log's chain, filed reports, and a mark outside the database.

The chain shows a change of the past, the head a cut-off end, and the high-water mark a database
that was put back to an earlier state as a whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tieout.core.errors import EvidenceError, StoreError
from tieout.store.database import Runner, Tx, chain_hash, in_workspace
from tieout.store.ownership import give_to_owner

WINDOW = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the activity log. ``epoch`` grows with every restore that was recognised."""

    epoch: int
    seq: int
    hash: bytes
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first entry that does not fit the one before; ``at`` None where it is missing."""

    seq: int
    at: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What reading the whole log showed. ``entries`` fit, up to ``broken`` if there is one."""

    entries: int
    head: Head
    broken: Broken | None


def head(tx: Tx) -> Head:
    """The end of the log. Raises `EvidenceError` where the workspace has none."""
    row = tx.row(
        "SELECT e.epoch, h.seq, h.hash, h.started_at FROM activity_head h JOIN epoch e"
        " ON e.workspace = h.workspace WHERE h.workspace = %(ws)s"
    )
    if row is None:
        raise EvidenceError(
            "The activity log has no head. Somebody changed the database from outside.",
            hint="tieout help log_broken",
        )
    return Head(epoch=row[0], seq=row[1], hash=bytes(row[2]), started_at=row[3])


async def verify_log(runner: Runner, *, workspace: str, now: datetime, who: str) -> Verified:
    """
    Reads every entry, a window at a time, and computes the chain anew. Memory does not grow.

    Entries that come while it reads are left for the next time.
    """

    async def do(work: Callable[[Tx], Any]) -> Any:
        return await runner.run(in_workspace(workspace, now, who, work))

    end: Head = await do(head)
    chain = _Chain()
    while chain.broken is None and chain.seq < end.seq:
        rows = await do(_window(chain.seq, end.seq))
        if not rows:
            chain.broken = Broken(seq=chain.seq + 1, at=None, why="missing")
            break
        if not all(chain.take(*row) for row in rows):
            break
    if chain.broken is None and chain.hash != end.hash:
        chain.broken = Broken(seq=end.seq, at=None, why="head")
    return Verified(entries=chain.seq, head=end, broken=chain.broken)


def _window(after: int, last: int) -> Callable[[Tx], Any]:
    def work(tx: Tx) -> Any:
        return tx.rows(
            "SELECT seq, at, who, entries, previous, hash FROM activity"
            " WHERE workspace = %(ws)s AND seq > %(after)s AND seq <= %(last)s"
            " ORDER BY seq LIMIT %(most)s",
            after=after,
            last=last,
            most=WINDOW,
        )

    return work


class _Chain:
    """The chain as far as it was followed."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = bytes(32)
        self.broken: Broken | None = None

    def take(
        self, seq: int, at: datetime, who: str, entries: bytes, previous: bytes, hashed: bytes
    ) -> bool:
        """The next entry; False where it breaks."""
        if seq != self.seq + 1:
            self.broken = Broken(seq=self.seq + 1, at=None, why="missing")
        elif bytes(previous) != self.hash:
            self.broken = Broken(seq=seq, at=at, why="previous")
        elif chain_hash(self.hash, seq, at, who, bytes(entries)) != bytes(hashed):
            self.broken = Broken(seq=seq, at=at, why="content")
        else:
            self.seq, self.hash = seq, bytes(hashed)
        return self.broken is None


# --- filed reports -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledReport:
    """A month's report as it was filed; it is never computed anew."""

    bridge: str
    month: str
    filed_at: datetime
    filed_by: str
    body: bytes
    sha256: str

    @property
    def intact(self) -> bool:
        """Whether the stored bytes are still those that were filed."""
        return hashlib.sha256(self.body).hexdigest() == self.sha256


def file_report(
    tx: Tx, *, bridge: str, month: str, body: bytes, who: str, now: datetime
) -> FiledReport | None:
    """Files a month (YYYY-MM) once and notes its hash in the log; None where one is filed."""
    digest = hashlib.sha256(body).hexdigest()
    added = tx.run(
        "INSERT INTO filed_report (workspace, bridge, month, filed_at, filed_by, body, sha256)"
        " VALUES (%(ws)s, %(bridge)s, %(month)s, %(now)s, %(who)s, %(body)s, %(sha256)s)"
        " ON CONFLICT DO NOTHING",
        bridge=bridge,
        month=month,
        now=now,
        who=who,
        body=body,
        sha256=digest,
    )
    if not added:
        return None
    tx.log("report_filed", bridge=bridge, month=month, sha256=digest)
    return FiledReport(
        bridge=bridge, month=month, filed_at=now, filed_by=who, body=body, sha256=digest
    )


def filed_report(tx: Tx, bridge: str, month: str) -> FiledReport | None:
    """The filed report of a month, or None. Ask it whether it is ``intact``."""
    row = tx.row(
        "SELECT filed_at, filed_by, body, sha256 FROM filed_report WHERE workspace = %(ws)s"
        " AND bridge = %(bridge)s AND month = %(month)s",
        bridge=bridge,
        month=month,
    )
    if row is None:
        return None
    return FiledReport(
        bridge=bridge,
        month=month,
        filed_at=row[0],
        filed_by=row[1],
        body=bytes(row[2]),
        sha256=row[3],
    )


def filed_months(tx: Tx, bridge: str) -> list[str]:
    """The months that are filed, the oldest first."""
    rows = tx.rows(
        "SELECT month FROM filed_report WHERE workspace = %(ws)s AND bridge = %(bridge)s"
        " ORDER BY month",
        bridge=bridge,
    )
    return [str(row[0]) for row in rows]


def logged_report_hash(tx: Tx, bridge: str, month: str) -> str | None:
    """
    The hash that the activity log noted when that month was filed, or None.

    A report that was exchanged together with its hash does not fit this one.
    """
    row = tx.row(
        "SELECT entry ->> 'sha256' FROM activity,"
        " jsonb_array_elements(convert_from(entries, 'UTF8')::jsonb) AS entry"
        " WHERE workspace = %(ws)s AND entry ->> 'kind' = 'report_filed'"
        " AND entry ->> 'bridge' = %(bridge)s AND entry ->> 'month' = %(month)s"
        " ORDER BY seq LIMIT 1",
        bridge=bridge,
        month=month,
    )
    return None if row is None else row[0]


# --- a mark outside the database -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far the log had come when the mark was set."""

    epoch: int
    seq: int
    hash: str


class HighWater:
    """
    The mark in a file of its own. A database behind it was put back to an earlier state, so that
    it does not know of writes that were made: nothing may be created before the books were read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Mark | None:
        """The mark, or None where there is none. Raises `EvidenceError` for a damaged file."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return Mark(epoch=int(found["epoch"]), seq=int(found["seq"]), hash=str(found["hash"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise EvidenceError(
                f"{self._path} is damaged; it shows whether the database was put back.",
                code="high_water_damaged",
                hint="tieout help high_water_damaged",
            ) from None

    def write(self, head: Head) -> None:
        """Sets the mark, on the disk before this returns. It never goes back in one epoch."""
        before = self.read()
        if before is not None and (before.epoch, before.seq) >= (head.epoch, head.seq):
            return
        text = json.dumps({"epoch": head.epoch, "seq": head.seq, "hash": head.hash.hex()})
        try:
            self._replace(text)
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def _replace(self, text: str) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        # Made anew: what stands there may be somebody's link to elsewhere, and we may be root.
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        give_to_owner(handle, beside.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _unwritable(path: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"The disk of {path} is full. Nothing more was sent.",
            code="disk_full",
            hint="Free space, then tieout run",
        )
    return StoreError(
        f"{path} cannot be written: {(error.strerror or 'no reason given').lower()}. "
        "Nothing more was sent.",
        code="folder_closed",
        hint=f"Run tieout as the owner of {path.parent}",
    )


def is_restored(tx: Tx, mark: Mark | None) -> bool:
    """Whether this database is an earlier or another one than the mark was set for."""
    now = head(tx)
    if mark is None or now.epoch > mark.epoch:
        return False
    if now.epoch < mark.epoch or now.seq < mark.seq:
        return True
    if mark.seq == 0:
        return False
    row = tx.row(
        "SELECT hash FROM activity WHERE workspace = %(ws)s AND seq = %(seq)s", seq=mark.seq
    )
    return row is None or bytes(row[0]).hex() != mark.hash


def begin_recovery(tx: Tx, mark: Mark, until: datetime) -> int:
    """
    The restore is recognised: a new epoch begins, and until then all that was sent is in doubt.

    Gives the new epoch.
    """
    row = tx.row(
        "UPDATE epoch SET epoch = greatest(epoch, %(epoch)s) + 1, high_water = %(seq)s,"
        " recovering_until = %(until)s WHERE workspace = %(ws)s RETURNING epoch",
        epoch=mark.epoch,
        seq=mark.seq,
        until=until,
    )
    assert row is not None
    tx.log("restore_recognised", epoch=int(row[0]), high_water=mark.seq)
    return int(row[0])


def recovering_until(tx: Tx) -> datetime | None:
    """Until when a recognised restore holds creations back, or None."""
    row = tx.row("SELECT recovering_until FROM epoch WHERE workspace = %(ws)s")
    return None if row is None else row[0]


def head_data(found: Head) -> Mapping[str, Any]:
    """The head as it is shown: what to note where this program cannot write."""
    return {"epoch": found.epoch, "seq": found.seq, "hash": found.hash.hex()}
