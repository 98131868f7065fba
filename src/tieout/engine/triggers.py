"""Rules that an administrator wrote, asked for one record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.core.mapping.errors import MappingError
from tieout.core.policy import Rule


def holds(rule: Rule, scope: Mapping[str, Any]) -> bool:
    """A rule that cannot be judged for a record holds nothing here; the core says so on it."""
    try:
        return rule.holds(scope)
    except MappingError:
        return False
