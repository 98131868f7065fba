"""What the daily commands share: opening a bridge, naming records, and the rows of a plan."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tieout.cli.formats import amount
from tieout.cli.ticking import Ticking
from tieout.services.usage import UsedWronglyError

if TYPE_CHECKING:
    from tieout.bootstrap import Opened
    from tieout.cli.command import Session
    from tieout.engine.context import Engine
    from tieout.services.watching import Say
    from tieout.store.people import Case
    from tieout.store.planned import Written


STEP_MS = 30_000
# So many currencies have room in a line; JSON has them all.
CURRENCIES = 3
_SENDING = frozenset({"apply", "run", "exceptions retry"})


async def open_bridge(session: Session, opened: Opened, who: str = "") -> Engine:
    """
    The engine of the bridge that is meant. Where it may write, Ctrl-C lets it finish its calls;
    a command that only reads ends at once.
    """
    from tieout.bootstrap import make_engine
    from tieout.services.configuration import choose_bridge

    bridge = await choose_bridge(opened, session.options.bridge)
    session.ref["bridge"] = bridge
    engine = await make_engine(opened, bridge, who)
    if session.name in _SENDING:
        session.stops(engine)
    return engine


def recovery_text(until: datetime, reads: int, here: tzinfo, now: datetime) -> str:
    """What a restore holds back, and until when."""
    from tieout.cli.formats import count, recent

    said = "This database was put back to an earlier state. Nothing is written before "
    both = f"both sides were read {count(reads, 'more time')}"
    return f"{said}{both}, from {recent(until, now, here)} on." if until > now else f"{said}{both}."


async def note_high_water(opened: Opened) -> None:
    """How far the activity log has come, outside the database."""
    from tieout.store.evidence import HighWater, head

    HighWater(opened.project.high_water).write(await opened.do(head))


def zone(engine: Engine) -> tzinfo:
    """The time zone of the bridge's first books."""
    from tieout.services.planning import zone_of

    found: tzinfo = zone_of(engine)
    return found


def progress(session: Session, engine: Engine | None = None) -> Say:
    """
    Says what is done. On a terminal one line that stays, with counts and times from 2 s on, those
    of the ``engine`` among them; else a line per step, at most one in 30 s, or nothing where
    nobody reads it.
    """
    from tieout.services.watching import silent, watch

    screen = session.screen
    if screen.options.json or screen.options.quiet:
        return silent
    if not screen.err.isatty() or screen.options.plain:
        return _Steps(session).say
    progress_over(session)
    session.progress = Ticking(screen.err, session.clock.steady, _columns)
    if engine is not None:
        watch(engine, session.progress.say)
    return session.progress.say


def _columns() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def progress_over(session: Session) -> None:
    """The line of progress goes."""
    if session.progress is not None:
        session.progress.end()
        session.progress = None


@dataclass(slots=True)
class _Steps:
    """Lines for who reads a log, or a screen aloud."""

    session: Session
    said_at: int | None = None

    def say(self, step: str, done: int = 0, total: int = 0) -> None:
        """The step, unless one was said within 30 s."""
        del done, total  # for who looks on, not for a log
        now = self.session.clock.steady()
        if self.said_at is None:
            # What is over soon needs no word.
            self.said_at = now
        if now - self.said_at >= STEP_MS:
            self.said_at = now
            self.session.screen.note(f"{step}.")


def check_file(path: Path | None) -> None:
    """
    Whether a file that is to be written can be, asked before the work. Raises `UsedWronglyError`.
    """
    if path is None:
        return
    try:
        if path.is_dir():
            raise _unwritable(path, "it is a folder")
        if not path.parent.is_dir():
            raise _unwritable(path, "there is no such folder")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise _unwritable(path, "permission denied")
    except OSError as error:
        # A name too long, or a folder on the way that is closed to us.
        raise _unwritable(path, (error.strerror or "no reason given").lower()) from None


def write_file(path: Path, data: bytes) -> None:
    """Writes a file that was asked for. Raises `UsedWronglyError`, or `StoreError` for the disk."""
    with whole_file(path) as aside:
        aside.write_bytes(data)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """
    Where to write what shall stand in that file: it takes its place when all of it is there, so
    that a full disk or Ctrl-C leaves what stood there before. A pipe or a device is written itself.

    Raises `UsedWronglyError`, or `StoreError` for the disk.
    """
    from tieout.core.errors import StoreError

    target = path.resolve()
    plain = target.is_file() or not target.exists()
    aside = target.with_name(f".tieout-{secrets.token_hex(8)}")
    aside = aside if plain and os.access(target.parent, os.W_OK) else path
    try:
        if aside is not path:
            # Nobody's link where others may write, and no more open than what it becomes.
            mode = target.stat().st_mode & 0o777 | 0o600 if target.exists() else 0o666
            os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield aside
        if aside is not path:
            if target.exists():
                shutil.copymode(target, aside)
            aside.replace(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(f"The disk of {path} is full.", code="disk_full") from None
        raise _unwritable(path, (error.strerror or "no reason given").lower()) from None
    finally:
        if aside is not path:
            aside.unlink(missing_ok=True)


def _unwritable(path: Path, why: str) -> UsedWronglyError:
    return UsedWronglyError(f"{path} cannot be written: {why}.", code="file_unwritable")


def sums(amounts: Sequence[tuple[Decimal | None, str]]) -> list[tuple[Decimal, str]]:
    """Sums by currency; the currency with the most rows first."""
    found: dict[str, Decimal] = {}
    rows: dict[str, int] = {}
    for value, currency in amounts:
        if value is None:
            continue
        found[currency] = found.get(currency, Decimal(0)) + value
        rows[currency] = rows.get(currency, 0) + 1
    return [(found[name], name) for name in sorted(found, key=lambda name: (-rows[name], name))]


def sums_text(
    amounts: Sequence[tuple[Decimal, str]], *, named: bool = False, most: int = CURRENCIES
) -> str:
    """`11,640.00`, or with several currencies `SEK 11,640.00, EUR 200.00`; ``most`` have room."""
    from tieout.cli.formats import count

    if not amounts:
        return amount(Decimal("0.00"))
    if len(amounts) == 1 and not named:
        return amount(amounts[0][0])
    if len(amounts) > most:
        shown = max(1, most - 1)
        told = sums_text(amounts[:shown], named=True)
        return f"{told} and {count(len(amounts) - shown, 'more currency', 'more currencies')}"
    return ", ".join(f"{currency} {amount(value)}".strip() for value, currency in amounts)


def deal_words(number: str, title: str) -> str:
    """`D-108 Tallmo Skog AB`; a deal whose own name says the customer is not said twice."""
    return number if title.casefold() in number.casefold() else f"{number} {title}".strip()


_KINDS = {
    "draft": "draft",
    "order": "order",
    "invoice": "invoice",
    "credit_note": "credit note",
}


def record_name(written: Written) -> str:
    """`draft 2217`, `customer 318`; an id that nobody sees on a screen is left out."""
    if written.entity == "customer":
        return f"customer {written.number}".strip()
    if written.entity == "standing":
        return standing_name(written.deal, written.title, written.source_id)
    kind = _KINDS.get(written.kind, "draft")
    return f"{kind} {written.number or readable(written.ref)}".strip()


def standing_name(number: str, title: str, source_id: str) -> str:
    """`status of D-108`, or of the customer: whose status the CRM is shown."""
    return f"status of {number or title or source_id}"


def readable(identifier: str) -> str:
    """The id where a person can find it on a screen: short ones only, without our own prefix."""
    # "draft:31" is 31 over there: the word before it is ours, for the collection.
    shown = identifier.rpartition(":")[2]
    return shown if len(shown) <= 12 else ""


def case_data(case: Case) -> dict[str, Any]:
    """An exception in the JSON output."""
    from tieout.cli.formats import money

    return {
        "id": case.name,
        "code": case.code,
        "message": case.message,
        "hint": case.hint or None,
        "deal": case.deal or None,
        "customer": case.customer or None,
        "title": case.title or None,
        "url": case.url or None,
        "amount": money(case.amount, case.currency) if case.amount is not None else None,
        "owner": case.owner or None,
        "tries": case.tries,
        "opened_at": case.opened_at,
        "tried_at": case.tried_at,
        "closed_at": case.closed_at,
        "closed_by": case.closed_by or None,
        "closed_reason": case.closed_reason or None,
        "candidates": list(case.candidates),
        "waiting": list(case.waiting),
    }


def number_of(text: str, prefix: str) -> int:
    """The number in `P-214` or `214`. Raises `UsedWronglyError`."""
    plain = text.strip().upper().removeprefix(f"{prefix}-")
    if not plain.isdigit():
        raise UsedWronglyError(f'"{text}" is not like {prefix}-31.', code="no_such_number")
    return int(plain)


def is_terminal() -> bool:
    """Whether there is a person to answer a question."""
    return sys.stdin.isatty()
