"""
The error tree, named after what happens next. Connectors translate their system's answers into it.

Trouble in the data is never an error but a `core.finding.Finding`.
"""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import Final

_PACKAGE = PurePath(__file__).parents[1]


class SyncError(Exception):
    """
    Base of everything that this package raises.

    ``code`` is stable (docs/reference/codes.md), the message a plain sentence, ``hint`` what to do
    next.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class TransientError(SyncError):
    """Not done, will pass by itself; try again, not before ``retry_after_s``."""

    code = "host_unreachable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retry_after_s = retry_after_s


def place_of(error: BaseException) -> str:
    """
    What went wrong in our own code and where: `KeyError in predict.py:42`. The error's text, which
    may hold what a customer wrote, is left out.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if PurePath(frame.filename).is_relative_to(_PACKAGE)]
    last = (ours or frames)[-1:]
    where = [f" in {PurePath(frame.filename).name}:{frame.lineno}" for frame in last]
    return "".join([type(error).__name__, *where])


NOT_UNDERSTOOD: Final = (ValueError, TypeError, KeyError, ArithmeticError)
"""What a translation raises over a row that has another form."""


class UnreadableError(TransientError):
    """A record that was asked for is there and not in a form that is known."""

    code = "record_unreadable"


class ConnectionBrokenError(SyncError):
    """Nothing works until the settings or the consent are renewed by a person."""

    code = "sign_in_withdrawn"


class OutcomeUnknownError(SyncError):
    """May have been done: no answer, a cut answer, or any 5xx on a write. Wait and look."""

    code = "outcome_unknown"


class ConfigurationError(SyncError):
    """The configuration or an input file is wrong; nothing was changed."""

    code = "configuration"


class StoppedError(SyncError):
    """Stopped on purpose: a brake, an approval, or a plan whose world moved on."""

    code = "stopped"


class BusyError(SyncError):
    """Another run works on this bridge."""

    code = "run_active"


class StoreError(SyncError):
    """Our own database or disk."""

    code = "store"


class EvidenceError(SyncError):
    """A record that must never change was changed from outside."""

    code = "log_broken"
