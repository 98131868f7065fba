"""What a person asked for cannot be meant: nothing is wrong with the data or the connection."""

from __future__ import annotations

from tieout.core.errors import SyncError


class UsedWronglyError(SyncError):
    """Used wrongly, or an answer is needed and there is nobody to give it. Exit code 2."""

    code = "usage"


class UnknownOutcomeError(SyncError):
    """A write's outcome is unknown and is being looked up. Exit code 9."""

    code = "outcome_unknown"


class FiguresDisagreeError(SyncError):
    """Figures that have to agree do not. Exit code 10."""

    code = "figures_disagree"


class PersonNeededError(SyncError):
    """The question was answered: a person has to act. Exit code 8."""

    code = "person_needed"
